/* Receive rights in messages, within one task: what comes along, what starts anew, who wakes, what
 * becomes of rights that can never arrive. Section 5: S121 to S125. */
#include "harness/port_kit.h"

#include <string.h>

enum { NONE_LEFT = 70, DEAD = 72 };

/* The port's receive right goes into the queue of the carrier, and comes out of it. */
static void put(mach_port_t carrier, mach_port_t port)
{
    kit_send_right(carrier, port, MACH_MSG_TYPE_MOVE_RECEIVE);
}

static mach_port_t take(mach_port_t carrier)
{
    return kit_take_right(carrier, MACH_MSG_TYPE_PORT_RECEIVE);
}

TEST(S121_send_rights_stay_under_the_name)
{
    mach_port_t carrier = kit_port();
    mach_port_t port = kit_port();
    ASSERT_OK(mach_port_insert_right(mach_task_self(), port, port, MACH_MSG_TYPE_MAKE_SEND));
    put(carrier, port);
    ASSERT_EQ(MACH_PORT_TYPE_SEND, kit_type(port));
    ASSERT_EQ(2, kit_refs(port, MACH_PORT_RIGHT_SEND));
    ASSERT_EQ(port, take(carrier)); /* S105 */
    ASSERT_EQ(MACH_PORT_TYPE_SEND_RECEIVE, kit_type(port));
    ASSERT_EQ(2, kit_refs(port, MACH_PORT_RIGHT_SEND));
    kit_send_plain(port, 1);
    kit_expect_plain(port, 1);
    kit_destroy(port);
    kit_destroy(carrier);
}

TEST(S121_name_goes_without_a_send_right)
{
    mach_port_t carrier = kit_port();
    mach_port_t port = kit_receive_right();
    mach_port_t once = kit_send_once(port);
    put(carrier, port);
    ASSERT(kit_is_gone(port));
    port = take(carrier);
    ASSERT_EQ(MACH_PORT_TYPE_RECEIVE, kit_type(port));
    ASSERT_EQ(1, kit_status(port).mps_sorights);
    ASSERT_OK(kit_try_plain(once, MACH_MSG_TYPE_MOVE_SEND_ONCE, 4, 0));
    kit_expect_plain(port, 4);
    kit_destroy(port);
    kit_destroy(carrier);
}

TEST(S121_counts_and_context_start_anew)
{
    mach_port_t carrier = kit_port();
    mach_port_t port = kit_port();
    mach_port_context_t context = 1;
    kit_fill_queue(port, 3);
    kit_expect_plain(port, 0);
    ASSERT_OK(mach_port_set_context(mach_task_self(), port, 99));
    ASSERT_EQ(1, kit_status(port).mps_seqno);
    ASSERT_EQ(1, kit_status(port).mps_mscount);
    put(carrier, port);
    ASSERT_EQ(port, take(carrier));
    ASSERT_EQ(0, kit_status(port).mps_seqno);
    ASSERT_EQ(0, kit_status(port).mps_mscount);
    ASSERT_OK(mach_port_get_context(mach_task_self(), port, &context));
    ASSERT_EQ(0, context);
    ASSERT_EQ(2, kit_status(port).mps_msgcount); /* the queue is as it was */
    ASSERT_EQ(1, kit_status(port).mps_srights);
    kit_expect_plain(port, 1);
    kit_expect_plain(port, 2);
    ASSERT_EQ(2, kit_status(port).mps_seqno);
    kit_destroy(port);
    kit_destroy(carrier);
}

TEST(S121_leaves_its_sets)
{
    mach_port_t carrier = kit_port();
    mach_port_t port = kit_port();
    mach_port_t sets[2] = {kit_port_set(), kit_port_set()};
    for (int i = 0; i < 2; i++)
        ASSERT_OK(mach_port_insert_member(mach_task_self(), port, sets[i]));
    put(carrier, port);
    kit_send_plain(port, 1);
    for (int i = 0; i < 2; i++)
        kit_expect_nothing(sets[i]);
    ASSERT_EQ(port, take(carrier));
    ASSERT_EQ(0, kit_status(port).mps_pset);
    for (int i = 0; i < 2; i++) {
        kit_expect_nothing(sets[i]);
        kit_destroy(sets[i]);
    }
    kit_expect_plain(port, 1);
    kit_destroy(port);
    kit_destroy(carrier);
}

TEST(S121_guard_goes)
{
    mach_port_t carrier = kit_port();
    mach_port_t port = kit_port();
    ASSERT_OK(mach_port_guard(mach_task_self(), port, 7, FALSE));
    put(carrier, port); /* it is guarded, not immovable */
    ASSERT_EQ(port, take(carrier));
    ASSERT_EQ(0, kit_status(port).mps_flags & MACH_PORT_STATUS_FLAG_GUARDED);
    kit_destroy(port);
    kit_destroy(carrier);
}

TEST(S121_who_waits_wakes)
{
    struct kit_call waiters[3];
    mach_port_t carrier = kit_port();
    mach_port_t port = kit_port();
    for (int i = 0; i < 3; i++) {
        waiters[i] = (struct kit_call){.port = port};
        kit_block_receiving(&waiters[i]);
    }
    put(carrier, port);
    for (int i = 0; i < 3; i++) {
        mach_msg_return_t result = kit_call_end(&waiters[i]);
        if (result != MACH_RCV_PORT_DIED)
            ASSERT_CODE(MACH_RCV_PORT_CHANGED, result);
    }
    ASSERT_EQ(port, take(carrier));
    kit_send_plain(port, 1);
    kit_expect_plain(port, 1);
    kit_destroy(port);
    kit_destroy(carrier);
}

TEST(S121_who_waits_at_the_set_goes_on_waiting)
{
    mach_port_t carrier = kit_port();
    mach_port_t port = kit_port();
    mach_port_t other = kit_port();
    mach_port_t set = kit_port_set();
    struct kit_call waiter = {.port = set};
    ASSERT_OK(mach_port_insert_member(mach_task_self(), port, set));
    ASSERT_OK(mach_port_insert_member(mach_task_self(), other, set));
    kit_block_receiving(&waiter);
    put(carrier, port);
    kit_send_plain(port, 1);
    kit_event_quiet(&waiter.done, 0);
    kit_send_plain(other, 2);
    ASSERT_OK(kit_call_end(&waiter));
    ASSERT_EQ(2, waiter.id);
    kit_destroy(carrier);
    kit_destroy(port);
    kit_destroy(other);
    kit_destroy(set);
}

TEST(S122_no_senders_request_comes_along)
{
    mach_port_t carrier = kit_port();
    mach_port_t notify = kit_receive_right();
    mach_port_t port = kit_port();
    kit_first_request(port, NONE_LEFT, 0, notify);
    put(carrier, port);
    kit_stays_quiet(notify);
    ASSERT_EQ(port, take(carrier));
    ASSERT_EQ(1, kit_status(port).mps_nsrequest);
    kit_deallocate(port);
    ASSERT_EQ(0, kit_expect_notification(notify, NONE_LEFT)); /* of the new count */
    kit_expect_nothing(notify);
    kit_destroy(port);
    kit_destroy(notify);
    kit_destroy(carrier);
}

/* The last send right goes while nobody has the receive right. */
TEST(S122_no_senders_while_on_the_way)
{
    mach_port_t carrier = kit_port();
    mach_port_t notify = kit_receive_right();
    mach_port_t port = kit_port();
    kit_first_request(port, NONE_LEFT, 0, notify);
    put(carrier, port);
    kit_deallocate(port);
    ASSERT_EQ(0, kit_expect_notification(notify, NONE_LEFT));
    kit_destroy(take(carrier));
    kit_expect_nothing(notify);
    kit_destroy(notify);
    kit_destroy(carrier);
}

TEST(S122_limit_comes_along)
{
    mach_port_t carrier = kit_port();
    mach_port_t port = kit_port();
    kit_set_qlimit(port, 2);
    put(carrier, port);
    kit_fill_queue(port, 2);
    ASSERT_CODE(MACH_SEND_TIMED_OUT, kit_try_plain(port, MACH_MSG_TYPE_COPY_SEND, 9, 0));
    kit_deallocate(port);
    ASSERT_EQ(port, take(carrier));
    ASSERT_EQ(2, kit_status(port).mps_qlimit);
    ASSERT_CODE(MACH_SEND_TIMED_OUT, kit_try_plain(port, MACH_MSG_TYPE_COPY_SEND, 9, 0));
    kit_destroy(port);
    kit_destroy(carrier);
}

TEST(S132_dead_name_request_stays_with_the_name)
{
    mach_port_t carrier = kit_port();
    mach_port_t notify = kit_receive_right();
    mach_port_t port = kit_port();
    kit_first_request(port, DEAD, 0, notify);
    put(carrier, port);
    ASSERT_EQ(MACH_PORT_TYPE_SEND | MACH_PORT_TYPE_DNREQUEST, kit_type_and_requests(port));
    kit_stays_quiet(notify);
    kit_destroy(carrier); /* and the port with it */
    ASSERT_EQ(port, kit_expect_notification(notify, DEAD));
    ASSERT_EQ(2, kit_refs(port, MACH_PORT_RIGHT_DEAD_NAME));
    kit_destroy(port);
    port = kit_receive_right();
    carrier = kit_port();
    kit_first_request(port, DEAD, 0, notify);
    put(carrier, port); /* no send right keeps the name */
    ASSERT_EQ(port, kit_expect_notification(notify, 65));
    kit_destroy(carrier);
    kit_expect_nothing(notify);
    kit_destroy(notify);
}

TEST(S123_sends_queue_while_on_the_way)
{
    mach_port_t carrier = kit_port();
    mach_port_t port = kit_port();
    struct kit_call waiter = {.port = port, .id = 77};
    kit_fill_queue(port, 2);
    put(carrier, port);
    for (int i = 2; i < 5; i++)
        kit_send_plain(port, i);
    kit_block_sending(&waiter);
    ASSERT_EQ(port, take(carrier));
    kit_event_quiet(&waiter.done, 0); /* there is no more room than before */
    for (int i = 0; i < 5; i++)
        kit_expect_plain(port, i);
    ASSERT_OK(kit_call_end(&waiter));
    kit_expect_plain(port, 77);
    kit_expect_nothing(port);
    kit_destroy(port);
    kit_destroy(carrier);
}

TEST(S123_messages_keep_their_rights)
{
    mach_port_t carrier = kit_port();
    mach_port_t port = kit_port();
    mach_port_t inside = kit_port();
    mach_port_t reply = kit_receive_right();
    kit_send_right(port, inside, MACH_MSG_TYPE_COPY_SEND);
    kit_send_right(port, reply, MACH_MSG_TYPE_MAKE_SEND_ONCE);
    put(port, inside);
    put(carrier, port);
    ASSERT_EQ(port, take(carrier));
    ASSERT_EQ(inside, kit_take_right(port, MACH_MSG_TYPE_PORT_SEND));
    mach_port_t once = kit_take_right(port, MACH_MSG_TYPE_PORT_SEND_ONCE);
    ASSERT_EQ(inside, take(port));
    ASSERT_EQ(2, kit_refs(inside, MACH_PORT_RIGHT_SEND));
    ASSERT_OK(kit_try_plain(once, MACH_MSG_TYPE_MOVE_SEND_ONCE, 4, 0));
    kit_expect_plain(reply, 4);
    kit_destroy(inside);
    kit_destroy(reply);
    kit_destroy(port);
    kit_destroy(carrier);
}

/* What could never be received is destroyed at once. */

static void expect_dead(mach_port_t name)
{
    ASSERT_EQ(MACH_PORT_TYPE_DEAD_NAME, kit_type(name));
    kit_destroy(name);
}

TEST(S124_to_itself)
{
    mach_port_t notify = kit_receive_right();
    mach_port_t port = kit_port();
    kit_first_request(port, DEAD, 0, notify);
    kit_fill_queue(port, 2);
    put(port, port);
    ASSERT_EQ(port, kit_expect_notification(notify, DEAD));
    ASSERT_EQ(2, kit_refs(port, MACH_PORT_RIGHT_DEAD_NAME));
    kit_destroy(port);
    kit_destroy(notify);
}

TEST(S124_to_itself_by_a_send_once_right)
{
    struct port_msg message;
    mach_port_t port = kit_port();
    kit_header(&message.header,
               MACH_MSGH_BITS(MACH_MSG_TYPE_MAKE_SEND_ONCE, 0) | MACH_MSGH_BITS_COMPLEX,
               PORT_MSG_SIZE(1), port, MACH_PORT_NULL, 6);
    message.body.msgh_descriptor_count = 1;
    kit_port_descriptor(&message.port[0], port, MACH_MSG_TYPE_MOVE_RECEIVE);
    ASSERT_OK(kit_send(&message.header, 0, 0));
    expect_dead(port);
}

TEST(S124_circles)
{
    for (int length = 2; length <= 5; length++) {
        mach_port_t ports[5] = {0};
        for (int i = 0; i < length; i++)
            ports[i] = kit_port();
        for (int i = 0; i + 1 < length; i++)
            put(ports[i + 1], ports[i]); /* each in the next one's queue */
        for (int i = 0; i + 1 < length; i++)
            ASSERT_EQ(MACH_PORT_TYPE_SEND, kit_type(ports[i]));
        ASSERT_EQ(MACH_PORT_TYPE_SEND_RECEIVE, kit_type(ports[length - 1]));
        put(ports[0], ports[length - 1]); /* closes the circle */
        for (int i = 0; i < length; i++)
            expect_dead(ports[i]);
    }
}

/* Long, and no circle: nothing dies. */
TEST(S124_chains)
{
    enum { LONG = 200 };
    static mach_port_t ports[LONG];
    for (int i = 0; i < LONG; i++)
        ports[i] = kit_port();
    for (int i = 0; i + 1 < LONG; i++) {
        kit_send_plain(ports[i], i);
        put(ports[i + 1], ports[i]);
    }
    for (int i = LONG - 1; i > 0; i--) {
        ASSERT_EQ(ports[i - 1], take(ports[i]));
        if (i + 1 < LONG)
            kit_expect_plain(ports[i], i);
    }
    kit_expect_plain(ports[0], 0);
    for (int i = 0; i < LONG; i++)
        kit_destroy(ports[i]);
}

TEST(S125_a_chain_dies_with_its_end)
{
    enum { LONG = 2000 };
    static mach_port_t ports[LONG];
    for (int i = 0; i < LONG; i++)
        ports[i] = kit_port();
    for (int i = 0; i + 1 < LONG; i++)
        put(ports[i + 1], ports[i]);
    kit_destroy(ports[LONG - 1]);
    for (int i = 0; i + 1 < LONG; i++)
        expect_dead(ports[i]);
}

/* A right that is given twice in one message has gone by the second time. */
TEST(S119_twice_in_one_message)
{
    struct port_msg message;
    mach_port_t carrier = kit_port();
    mach_port_t port = kit_port();
    kit_header(&message.header, MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0) | MACH_MSGH_BITS_COMPLEX,
               PORT_MSG_SIZE(2), carrier, MACH_PORT_NULL, 6);
    message.body.msgh_descriptor_count = 2;
    kit_port_descriptor(&message.port[0], port, MACH_MSG_TYPE_MOVE_RECEIVE);
    kit_port_descriptor(&message.port[1], port, MACH_MSG_TYPE_MOVE_RECEIVE);
    ASSERT_CODE(MACH_SEND_INVALID_RIGHT, kit_send(&message.header, 0, 0));
    kit_expect_nothing(carrier);
    expect_dead(port); /* the first was taken, and is lost (S31) */
    kit_destroy(carrier);
}

TEST(S119_needs_the_receive_right)
{
    struct agent owner;
    mach_port_t carrier = kit_port();
    agent_start(&owner);
    mach_port_t send = agent_get(&owner, agent_allocate(&owner), MACH_MSG_TYPE_MAKE_SEND);
    mach_port_t dead = kit_dead_name();
    ASSERT_CODE(MACH_SEND_INVALID_RIGHT, kit_try_right(carrier, send, MACH_MSG_TYPE_MOVE_RECEIVE));
    ASSERT_CODE(MACH_SEND_INVALID_RIGHT, kit_try_right(carrier, dead, MACH_MSG_TYPE_MOVE_RECEIVE));
    ASSERT_EQ(MACH_PORT_TYPE_SEND, kit_type(send));
    agent_end(&owner);
    kit_destroy(dead);
    kit_destroy(send);
    kit_destroy(carrier);
}

TEST(S51_destroyed_with_a_message_too_large)
{
    struct plain_rcv received;
    mach_port_t carrier = kit_port();
    mach_port_t port = kit_port();
    put(carrier, port);
    ASSERT_CODE(MACH_RCV_TOO_LARGE, kit_receive(&received.header, 32, carrier, 0, 0));
    expect_dead(port);
    kit_destroy(carrier);
}

TEST(S62_destroying_a_received_receive_right)
{
    struct port_rcv received;
    mach_port_t carrier = kit_port();
    mach_port_t port = kit_port();
    put(carrier, port);
    ASSERT_OK(kit_receive(&received.header, sizeof(received), carrier, 0, 0));
    ASSERT_EQ(MACH_PORT_TYPE_SEND_RECEIVE, kit_type(port));
    mach_msg_destroy(&received.header);
    expect_dead(port);
    kit_destroy(carrier);
}

/* A send that times out brings the right back, with its queue. */
TEST(S126_timed_out_with_a_receive_right)
{
    struct port_msg message;
    mach_port_t carrier = kit_port();
    mach_port_t port = kit_port();
    kit_fill_queue(carrier, 5);
    kit_fill_queue(port, 2);
    kit_port_msg(&message, carrier, 6, port, MACH_MSG_TYPE_MOVE_RECEIVE);
    ASSERT_CODE(MACH_SEND_TIMED_OUT, kit_send(&message.header, MACH_SEND_TIMEOUT, 0));
    ASSERT_EQ(port, message.port[0].name);
    ASSERT_EQ(MACH_MSG_TYPE_PORT_RECEIVE, message.port[0].disposition);
    ASSERT_EQ(MACH_PORT_TYPE_SEND_RECEIVE, kit_type(port));
    kit_expect_plain(port, 0);
    kit_expect_plain(carrier, 0);
    ASSERT_OK(kit_send(&message.header, 0, 0));
    for (int i = 1; i < 5; i++)
        kit_expect_plain(carrier, i);
    ASSERT_EQ(port, take(carrier));
    kit_expect_plain(port, 1);
    kit_destroy(port);
    kit_destroy(carrier);
}

TEST(S121_extracted)
{
    mach_port_t port = kit_port();
    mach_port_t right = MACH_PORT_NULL;
    mach_msg_type_name_t type = 0;
    kit_fill_queue(port, 2);
    ASSERT_OK(
        mach_port_extract_right(mach_task_self(), port, MACH_MSG_TYPE_MOVE_RECEIVE, &right, &type));
    ASSERT_EQ(port, right);
    ASSERT_EQ(MACH_MSG_TYPE_PORT_RECEIVE, type);
    ASSERT_EQ(MACH_PORT_TYPE_SEND_RECEIVE, kit_type(port));
    ASSERT_EQ(0, kit_status(port).mps_mscount);
    kit_expect_plain(port, 0);
    kit_expect_plain(port, 1);
    kit_destroy(port);
}
