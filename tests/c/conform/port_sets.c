/* Port sets: membership, receiving from many ports at once. Sections 2 to 6. */
#include "harness/port_kit.h"

#include <string.h>

static kern_return_t insert(mach_port_t member, mach_port_t set)
{
    return mach_port_insert_member(mach_task_self(), member, set);
}

static kern_return_t extract(mach_port_t member, mach_port_t set)
{
    return mach_port_extract_member(mach_task_self(), member, set);
}

static kern_return_t move(mach_port_t member, mach_port_t set)
{
    return mach_port_move_member(mach_task_self(), member, set);
}

static unsigned member_count(mach_port_t set)
{
    mach_port_name_array_t members = NULL;
    mach_msg_type_number_t count = 0;
    ASSERT_OK(mach_port_get_set_status(mach_task_self(), set, &members, &count));
    if (count > 0)
        kit_free(members, count * sizeof(*members));
    return count;
}

static bool is_member(mach_port_t member, mach_port_t set)
{
    mach_port_name_array_t members = NULL;
    mach_msg_type_number_t count = 0;
    bool found = false;
    ASSERT_OK(mach_port_get_set_status(mach_task_self(), set, &members, &count));
    for (unsigned i = 0; i < count; i++)
        found |= members[i] == member;
    if (count > 0)
        kit_free(members, count * sizeof(*members));
    return found;
}

/* One message through the set; returns the member it came to. */
static mach_port_t receive_on(mach_port_t set, mach_msg_id_t id)
{
    struct plain_rcv received;
    memset(&received, 0, sizeof(received));
    ASSERT_OK(kit_receive(&received.header, sizeof(received), set, 0, PATIENCE));
    ASSERT_EQ(id, received.header.msgh_id);
    return received.header.msgh_local_port;
}

TEST(S106_set_is_a_right_of_its_own)
{
    mach_port_t set = kit_port_set();
    ASSERT_EQ(MACH_PORT_TYPE_PORT_SET, kit_type_and_requests(set));
    ASSERT_EQ(1, kit_refs(set, MACH_PORT_RIGHT_PORT_SET));
    ASSERT_EQ(0, kit_refs(set, MACH_PORT_RIGHT_RECEIVE));
    ASSERT_EQ(0, member_count(set));
    ASSERT_CODE(KERN_INVALID_RIGHT, mach_port_deallocate(mach_task_self(), set));
    ASSERT_CODE(KERN_INVALID_VALUE,
                mach_port_mod_refs(mach_task_self(), set, MACH_PORT_RIGHT_PORT_SET, 1));
    ASSERT_CODE(KERN_INVALID_VALUE,
                mach_port_mod_refs(mach_task_self(), set, MACH_PORT_RIGHT_PORT_SET, -2));
    ASSERT_CODE(KERN_INVALID_RIGHT,
                mach_port_mod_refs(mach_task_self(), set, MACH_PORT_RIGHT_RECEIVE, -1));
    ASSERT_OK(mach_port_mod_refs(mach_task_self(), set, MACH_PORT_RIGHT_PORT_SET, 0));
    ASSERT_OK(mach_port_mod_refs(mach_task_self(), set, MACH_PORT_RIGHT_PORT_SET, -1));
    ASSERT(kit_is_gone(set));
}

TEST(S149_nobody_sends_to_a_set)
{
    mach_port_t set = kit_port_set();
    mach_port_t port = kit_port();
    ASSERT_CODE(MACH_SEND_INVALID_DEST, kit_try_plain(set, MACH_MSG_TYPE_COPY_SEND, 1, 0));
    ASSERT_CODE(MACH_SEND_INVALID_DEST, kit_try_plain(set, MACH_MSG_TYPE_MAKE_SEND, 1, 0));
    ASSERT_CODE(MACH_SEND_INVALID_RIGHT, kit_try_right(port, set, MACH_MSG_TYPE_MAKE_SEND));
    ASSERT_CODE(MACH_SEND_INVALID_RIGHT, kit_try_right(port, set, MACH_MSG_TYPE_MOVE_RECEIVE));
    ASSERT_CODE(KERN_INVALID_RIGHT,
                mach_port_insert_right(mach_task_self(), set, set, MACH_MSG_TYPE_MAKE_SEND));
    kit_destroy(port);
    kit_destroy(set);
}

TEST(S139_insert_and_extract)
{
    mach_port_t set = kit_port_set();
    mach_port_t port = kit_port();
    ASSERT_EQ(0, kit_status(port).mps_pset);
    ASSERT_CODE(KERN_NOT_IN_SET, extract(port, set));
    ASSERT_OK(insert(port, set));
    ASSERT_CODE(KERN_ALREADY_IN_SET, insert(port, set));
    ASSERT(is_member(port, set));
    ASSERT_NE(0, kit_status(port).mps_pset);
    ASSERT_OK(extract(port, set));
    ASSERT_CODE(KERN_NOT_IN_SET, extract(port, set));
    ASSERT_EQ(0, member_count(set));
    ASSERT_EQ(0, kit_status(port).mps_pset);
    kit_destroy(port);
    kit_destroy(set);
}

TEST(S139_move)
{
    mach_port_t first = kit_port_set();
    mach_port_t second = kit_port_set();
    mach_port_t port = kit_port();
    ASSERT_CODE(KERN_NOT_IN_SET, move(port, MACH_PORT_NULL));
    ASSERT_OK(move(port, first));
    ASSERT_OK(move(port, second)); /* out of the first */
    ASSERT_EQ(0, member_count(first));
    ASSERT(is_member(port, second));
    ASSERT_OK(insert(port, first));
    ASSERT(is_member(port, first));
    ASSERT(is_member(port, second));
    ASSERT_OK(move(port, MACH_PORT_NULL)); /* out of both */
    ASSERT_EQ(0, member_count(first));
    ASSERT_EQ(0, member_count(second));
    ASSERT_CODE(KERN_NOT_IN_SET, move(port, MACH_PORT_NULL));
    kit_destroy(port);
    kit_destroy(first);
    kit_destroy(second);
}

TEST(S139_names_of_the_wrong_kind)
{
    struct agent owner;
    mach_port_t set = kit_port_set();
    mach_port_t other = kit_port_set();
    mach_port_t port = kit_port();
    mach_port_t unknown = kit_unknown_name();
    mach_port_name_array_t members;
    mach_msg_type_number_t count;
    agent_start(&owner);
    mach_port_t send = agent_get(&owner, agent_allocate(&owner), MACH_MSG_TYPE_MAKE_SEND);
    ASSERT_CODE(KERN_INVALID_RIGHT, insert(send, set));
    ASSERT_CODE(KERN_INVALID_RIGHT, insert(other, set)); /* sets do not nest */
    ASSERT_CODE(KERN_INVALID_RIGHT, insert(port, port));
    ASSERT_CODE(KERN_INVALID_NAME, insert(unknown, set));
    ASSERT_CODE(KERN_INVALID_NAME, insert(port, unknown));
    ASSERT_CODE(KERN_INVALID_RIGHT, insert(MACH_PORT_NULL, set));
    ASSERT_CODE(KERN_INVALID_RIGHT, insert(port, MACH_PORT_NULL));
    ASSERT_CODE(KERN_INVALID_RIGHT, move(send, set));
    ASSERT_CODE(KERN_INVALID_RIGHT, move(port, port));
    ASSERT_CODE(KERN_INVALID_NAME, move(unknown, set));
    ASSERT_CODE(KERN_INVALID_NAME, move(port, unknown));
    ASSERT_CODE(KERN_INVALID_RIGHT, move(MACH_PORT_NULL, set));
    ASSERT_CODE(KERN_INVALID_RIGHT, extract(send, set));
    ASSERT_CODE(KERN_INVALID_RIGHT, extract(port, port));
    ASSERT_CODE(KERN_INVALID_NAME, extract(unknown, set));
    ASSERT_CODE(KERN_INVALID_RIGHT, extract(port, MACH_PORT_NULL));
    ASSERT_CODE(KERN_INVALID_RIGHT,
                mach_port_get_set_status(mach_task_self(), port, &members, &count));
    ASSERT_CODE(KERN_INVALID_NAME,
                mach_port_get_set_status(mach_task_self(), unknown, &members, &count));
    ASSERT_EQ(0, member_count(set));
    agent_end(&owner);
    kit_destroy(send);
    kit_destroy(port);
    kit_destroy(set);
    kit_destroy(other);
}

TEST(S100_local_port_is_the_member)
{
    mach_port_t set = kit_port_set();
    mach_port_t first = kit_port();
    mach_port_t second = kit_port();
    ASSERT_OK(insert(first, set));
    ASSERT_OK(insert(second, set));
    kit_send_plain(second, 1);
    ASSERT_EQ(second, receive_on(set, 1));
    kit_send_plain(first, 2);
    ASSERT_EQ(first, receive_on(set, 2));
    kit_expect_nothing(set);
    kit_destroy(set);
    kit_destroy(first);
    kit_destroy(second);
}

TEST(S139_messages_that_came_before_the_membership)
{
    mach_port_t set = kit_port_set();
    mach_port_t port = kit_port();
    kit_fill_queue(port, 3);
    kit_expect_nothing(set);
    ASSERT_OK(insert(port, set));
    for (int i = 0; i < 2; i++)
        ASSERT_EQ(port, receive_on(set, i));
    ASSERT_OK(extract(port, set));
    kit_expect_nothing(set);
    kit_expect_plain(port, 2); /* what is queued stays with its port */
    kit_destroy(port);
    kit_destroy(set);
}

TEST(S139_member_can_be_received_from_directly)
{
    mach_port_t set = kit_port_set();
    mach_port_t port = kit_port();
    ASSERT_OK(insert(port, set));
    kit_fill_queue(port, 4);
    kit_expect_plain(port, 0);
    ASSERT_EQ(port, receive_on(set, 1));
    kit_expect_plain(port, 2);
    ASSERT_EQ(port, receive_on(set, 3));
    kit_expect_nothing(set);
    kit_expect_nothing(port);
    kit_destroy(port);
    kit_destroy(set);
}

TEST(S139_port_in_many_sets)
{
    enum { SETS = 60 };
    mach_port_t sets[SETS];
    mach_port_t port = kit_port();
    for (int i = 0; i < SETS; i++) {
        sets[i] = kit_port_set();
        ASSERT_OK(insert(port, sets[i]));
    }
    for (int i = 0; i < SETS; i++) {
        ASSERT(is_member(port, sets[i]));
        kit_send_plain(port, i);
        ASSERT_EQ(port, receive_on(sets[(i * 7) % SETS], i));
        kit_expect_nothing(sets[i]); /* one message, one receiver */
    }
    kit_destroy(sets[0]);
    kit_destroy(sets[SETS - 1]);
    kit_send_plain(port, 1);
    ASSERT_EQ(port, receive_on(sets[5], 1));
    kit_destroy(port); /* leaves them all */
    for (int i = 1; i < SETS - 1; i++) {
        ASSERT_EQ(0, member_count(sets[i]));
        kit_destroy(sets[i]);
    }
}

TEST(S139_set_with_many_members)
{
    enum { MEMBERS = 500 };
    static mach_port_t ports[MEMBERS];
    mach_port_t set = kit_port_set();
    for (int i = 0; i < MEMBERS; i++) {
        ports[i] = kit_port();
        ASSERT_OK(insert(ports[i], set));
    }
    ASSERT_EQ(MEMBERS, member_count(set));
    for (int i = 0; i < MEMBERS; i++)
        kit_send_plain(ports[i], i);
    for (int i = 0; i < MEMBERS; i++) {
        struct plain_rcv received;
        ASSERT_OK(kit_receive(&received.header, sizeof(received), set, 0, 0));
        ASSERT_EQ(ports[received.header.msgh_id], received.header.msgh_local_port);
        ports[received.header.msgh_id] = MACH_PORT_NULL;
        kit_destroy(received.header.msgh_local_port);
    }
    ASSERT_EQ(0, member_count(set));
    kit_expect_nothing(set);
    kit_destroy(set);
}

/* A member that never runs dry does not keep the others from being heard. */
TEST(S139_members_are_served_in_turn)
{
    enum { MEMBERS = 4, ENOUGH = 100 };
    mach_port_t ports[MEMBERS];
    mach_port_t set = kit_port_set();
    for (int i = 0; i < MEMBERS; i++) {
        ports[i] = kit_port();
        ASSERT_OK(insert(ports[i], set));
    }
    for (int busy = 0; busy < MEMBERS; busy++) {
        unsigned heard = 0;
        kit_fill_queue(ports[busy], 4);
        for (int i = 0; i < MEMBERS; i++)
            if (i != busy)
                kit_send_plain(ports[i], 1000);
        for (int i = 0; heard < MEMBERS - 1; i++) {
            struct plain_rcv received;
            ASSERT(i < ENOUGH);
            ASSERT_OK(kit_receive(&received.header, sizeof(received), set, 0, 0));
            if (received.header.msgh_local_port == ports[busy])
                kit_send_plain(ports[busy], i);
            else
                heard++;
        }
        for (int i = 0; i < 4; i++) {
            struct plain_rcv received;
            ASSERT_OK(kit_receive(&received.header, sizeof(received), set, 0, 0));
            ASSERT_EQ(ports[busy], received.header.msgh_local_port);
        }
        kit_expect_nothing(set);
    }
    for (int i = 0; i < MEMBERS; i++)
        kit_destroy(ports[i]);
    kit_destroy(set);
}

TEST(S139_destroying_a_set_leaves_its_members)
{
    mach_port_t set = kit_port_set();
    mach_port_t port = kit_port();
    ASSERT_OK(insert(port, set));
    kit_send_plain(port, 1);
    kit_destroy(set);
    ASSERT_EQ(MACH_PORT_TYPE_SEND_RECEIVE, kit_type(port));
    ASSERT_EQ(0, kit_status(port).mps_pset);
    kit_expect_plain(port, 1);
    set = kit_port_set();
    ASSERT_OK(insert(port, set));
    kit_send_plain(port, 2);
    ASSERT_EQ(port, receive_on(set, 2));
    kit_destroy(set);
    kit_destroy(port);
}

TEST(S139_dead_member_leaves)
{
    mach_port_t set = kit_port_set();
    mach_port_t port = kit_port();
    mach_port_t other = kit_port();
    ASSERT_OK(insert(port, set));
    ASSERT_OK(insert(other, set));
    kit_send_plain(port, 1);
    ASSERT_OK(mach_port_mod_refs(mach_task_self(), port, MACH_PORT_RIGHT_RECEIVE, -1));
    ASSERT_EQ(1, member_count(set));
    kit_expect_nothing(set); /* its messages have gone with it */
    kit_send_plain(other, 2);
    ASSERT_EQ(other, receive_on(set, 2));
    kit_destroy(port);
    kit_destroy(other);
    kit_destroy(set);
}

TEST(S55_large_identity_tells_the_member)
{
    const mach_msg_option_t large = MACH_RCV_LARGE | MACH_RCV_LARGE_IDENTITY;
    struct plain_rcv received;
    mach_port_t set = kit_port_set();
    mach_port_t port = kit_port();
    ASSERT_OK(insert(port, set));
    kit_send_plain(port, 7);
    memset(&received, 0xa5, sizeof(received));
    ASSERT_CODE(MACH_RCV_TOO_LARGE, kit_receive(&received.header, 30, set, large, 0));
    ASSERT_EQ(sizeof(struct plain_msg), received.header.msgh_size);
    ASSERT_EQ(port, received.header.msgh_local_port);
    ASSERT_EQ(0xa5a5a5a5, received.header.msgh_remote_port);
    ASSERT_EQ(0xa5a5a5a5, received.header.msgh_bits);
    ASSERT_CODE(MACH_RCV_TOO_LARGE, kit_receive(&received.header, 30, set, MACH_RCV_LARGE, 0));
    ASSERT_EQ(port, receive_on(set, 7));
    kit_destroy(port);
    kit_destroy(set);
}

TEST(S51_too_large_on_a_set_destroys_the_message)
{
    struct plain_rcv received;
    mach_port_t set = kit_port_set();
    mach_port_t port = kit_port();
    ASSERT_OK(insert(port, set));
    kit_send_plain(port, 7);
    memset(&received, 0xa5, sizeof(received));
    ASSERT_CODE(MACH_RCV_TOO_LARGE, kit_receive(&received.header, 40, set, 0, 0));
    ASSERT_EQ(7, received.header.msgh_id);
    ASSERT_EQ(24, received.header.msgh_size);
    ASSERT_EQ(port, received.header.msgh_local_port);
    kit_expect_nothing(set);
    kit_destroy(port);
    kit_destroy(set);
}

TEST(S86_sequence_numbers_are_the_members)
{
    mach_port_t set = kit_port_set();
    mach_port_t ports[2] = {kit_port(), kit_port()};
    for (int i = 0; i < 2; i++)
        ASSERT_OK(insert(ports[i], set));
    for (unsigned round = 0; round < 3; round++) {
        for (int i = 0; i < 2; i++) {
            struct plain_rcv received;
            mach_msg_seqno_trailer_t trailer;
            kit_send_plain(ports[i], i);
            ASSERT_OK(kit_receive(&received.header, sizeof(received), set,
                                  MACH_RCV_TRAILER_ELEMENTS(MACH_RCV_TRAILER_SEQNO), PATIENCE));
            memcpy(&trailer, (char *)&received + received.header.msgh_size, sizeof(trailer));
            ASSERT_EQ(round, trailer.msgh_seqno);
        }
    }
    for (int i = 0; i < 2; i++)
        kit_destroy(ports[i]);
    kit_destroy(set);
}

TEST(S131_notifications_come_through_a_set)
{
    mach_port_t set = kit_port_set();
    mach_port_t notify = kit_receive_right();
    mach_port_t port = kit_port();
    ASSERT_OK(insert(notify, set));
    kit_deallocate(kit_send_once(notify));
    ASSERT_EQ(notify, receive_on(set, MACH_NOTIFY_SEND_ONCE));
    kit_first_request(port, MACH_NOTIFY_DEAD_NAME, 0, notify);
    ASSERT_OK(mach_port_mod_refs(mach_task_self(), port, MACH_PORT_RIGHT_RECEIVE, -1));
    ASSERT_EQ(port, kit_expect_notification(set, MACH_NOTIFY_DEAD_NAME));
    kit_destroy(port);
    kit_destroy(notify);
    kit_destroy(set);
}
