/* Names, rights, user references, dead names, rights in messages. Section 5: S104 to S120. */
#include "harness/port_kit.h"

#include <string.h>

TEST(S104_names_are_not_reused_at_once)
{
    mach_port_t before = kit_receive_right();
    kit_destroy(before);
    for (int i = 0; i < 20; i++) {
        mach_port_t name = kit_receive_right();
        ASSERT_NE(before, name);
        before = name;
        kit_destroy(name);
    }
}

TEST(S104_many_names_are_all_different)
{
    enum { MANY = 5000 };
    static mach_port_t names[MANY];
    for (int i = 0; i < MANY; i++)
        names[i] = kit_port();
    for (int i = 0; i < MANY; i++)
        ASSERT_EQ(MACH_PORT_TYPE_SEND_RECEIVE, kit_type(names[i]));
    for (int i = 0; i < MANY; i++)
        ASSERT_OK(mach_port_mod_refs(mach_task_self(), names[i], MACH_PORT_RIGHT_RECEIVE, -1));
    for (int i = 0; i < MANY; i++) {
        ASSERT_EQ(MACH_PORT_TYPE_DEAD_NAME, kit_type(names[i]));
        kit_deallocate(names[i]);
    }
}

TEST(S105_send_right_comes_home_under_the_receive_name)
{
    mach_port_t port = kit_port();
    mach_port_t other = kit_receive_right();
    for (unsigned i = 1; i <= 3; i++) {
        kit_send_right(port, other, MACH_MSG_TYPE_MAKE_SEND);
        ASSERT_EQ(other, kit_take_right(port, MACH_MSG_TYPE_PORT_SEND));
        ASSERT_EQ(i, kit_refs(other, MACH_PORT_RIGHT_SEND));
    }
    ASSERT_EQ(MACH_PORT_TYPE_SEND_RECEIVE, kit_type(other));
    kit_destroy(port);
    kit_destroy(other);
}

TEST(S105_each_send_once_right_has_a_name_of_its_own)
{
    mach_port_t port = kit_port();
    mach_port_t first = kit_send_once(port);
    mach_port_t second = kit_send_once(port);
    ASSERT_NE(first, second);
    ASSERT_NE(port, first);
    ASSERT_NE(port, second);
    ASSERT_EQ(MACH_PORT_TYPE_SEND_ONCE, kit_type(first));
    ASSERT_EQ(1, kit_refs(first, MACH_PORT_RIGHT_SEND_ONCE));
    kit_deallocate(first);
    kit_deallocate(second);
    kit_destroy(port);
}

TEST(S106_a_new_receive_right)
{
    mach_port_t port = kit_receive_right();
    mach_port_status_t status = kit_status(port);
    ASSERT_EQ(MACH_PORT_TYPE_RECEIVE, kit_type(port));
    ASSERT_EQ(5, status.mps_qlimit);
    ASSERT_EQ(0, status.mps_seqno);
    ASSERT_EQ(0, status.mps_mscount);
    ASSERT_EQ(0, status.mps_msgcount);
    ASSERT_EQ(0, status.mps_srights);
    ASSERT_EQ(0, status.mps_sorights);
    ASSERT_EQ(1, kit_refs(port, MACH_PORT_RIGHT_RECEIVE));
    ASSERT_EQ(0, kit_refs(port, MACH_PORT_RIGHT_SEND));
    kit_destroy(port);
}

TEST(S106_what_can_be_allocated)
{
    mach_port_t name = MACH_PORT_NULL;
    ASSERT_OK(mach_port_allocate(mach_task_self(), MACH_PORT_RIGHT_DEAD_NAME, &name));
    ASSERT_EQ(MACH_PORT_TYPE_DEAD_NAME, kit_type(name));
    ASSERT_EQ(1, kit_refs(name, MACH_PORT_RIGHT_DEAD_NAME));
    kit_deallocate(name);
    ASSERT_CODE(KERN_INVALID_VALUE,
                mach_port_allocate(mach_task_self(), MACH_PORT_RIGHT_SEND, &name));
    ASSERT_CODE(KERN_INVALID_VALUE,
                mach_port_allocate(mach_task_self(), MACH_PORT_RIGHT_SEND_ONCE, &name));
    ASSERT_CODE(KERN_INVALID_VALUE, mach_port_allocate(mach_task_self(), 1000, &name));
}

TEST(S106_status_counts_what_there_is)
{
    mach_port_t port = kit_port();
    mach_port_t once = kit_send_once(port);
    kit_fill_queue(port, 3);
    mach_port_status_t status = kit_status(port);
    ASSERT_EQ(3, status.mps_msgcount);
    ASSERT_EQ(1, status.mps_srights);
    ASSERT_EQ(1, status.mps_sorights);
    ASSERT_EQ(1, status.mps_mscount);
    kit_deallocate(once);
    kit_destroy(port);
}

TEST(S107_make_send_adds_a_reference_each_time)
{
    mach_port_t port = kit_receive_right();
    for (unsigned i = 1; i <= 10; i++) {
        ASSERT_OK(mach_port_insert_right(mach_task_self(), port, port, MACH_MSG_TYPE_MAKE_SEND));
        ASSERT_EQ(i, kit_refs(port, MACH_PORT_RIGHT_SEND));
        ASSERT_EQ(i, kit_status(port).mps_mscount);
    }
    ASSERT_OK(mach_port_insert_right(mach_task_self(), port, port, MACH_MSG_TYPE_COPY_SEND));
    ASSERT_EQ(11, kit_refs(port, MACH_PORT_RIGHT_SEND));
    ASSERT_EQ(10, kit_status(port).mps_mscount);
    kit_destroy(port);
    port = kit_receive_right();
    ASSERT_CODE(KERN_INVALID_RIGHT,
                mach_port_insert_right(mach_task_self(), port, port, MACH_MSG_TYPE_COPY_SEND));
    kit_destroy(port);
}

TEST(S108_insert_right_refusals)
{
    mach_port_t port = kit_port();
    mach_port_t taken = kit_port();
    mach_port_t dead = kit_port();
    mach_port_t free_name = kit_unknown_name();
    const mach_port_t self = mach_task_self();
    ASSERT_OK(mach_port_mod_refs(self, dead, MACH_PORT_RIGHT_RECEIVE, -1));
    ASSERT_CODE(KERN_RIGHT_EXISTS,
                mach_port_insert_right(self, free_name, port, MACH_MSG_TYPE_COPY_SEND));
    ASSERT_CODE(KERN_INVALID_VALUE,
                mach_port_insert_right(self, MACH_PORT_NULL, port, MACH_MSG_TYPE_MAKE_SEND));
    ASSERT_CODE(KERN_INVALID_VALUE,
                mach_port_insert_right(self, MACH_PORT_DEAD, port, MACH_MSG_TYPE_MAKE_SEND));
    ASSERT_CODE(KERN_INVALID_NAME,
                mach_port_insert_right(self, taken, free_name, MACH_MSG_TYPE_MAKE_SEND));
    ASSERT_CODE(KERN_INVALID_RIGHT, mach_port_insert_right(self, port, port, 0xff));
    ASSERT_CODE(KERN_INVALID_CAPABILITY,
                mach_port_insert_right(self, dead, dead, MACH_MSG_TYPE_COPY_SEND));
    kit_deallocate(dead);
    kit_destroy(taken);
    kit_destroy(port);
}

TEST(S109_references_peg_at_the_maximum)
{
    mach_port_t port = kit_port();
    ASSERT_OK(mach_port_mod_refs(mach_task_self(), port, MACH_PORT_RIGHT_SEND, 65533));
    ASSERT_EQ(65534, kit_refs(port, MACH_PORT_RIGHT_SEND));
    for (int i = 0; i < 3; i++)
        ASSERT_OK(mach_port_insert_right(mach_task_self(), port, port, MACH_MSG_TYPE_MAKE_SEND));
    ASSERT_EQ(65535, kit_refs(port, MACH_PORT_RIGHT_SEND));
    kit_deallocate(port);
    ASSERT_EQ(65535, kit_refs(port, MACH_PORT_RIGHT_SEND));
    ASSERT_OK(mach_port_mod_refs(mach_task_self(), port, MACH_PORT_RIGHT_SEND, -65535));
    ASSERT_EQ(MACH_PORT_TYPE_RECEIVE, kit_type(port));
    kit_destroy(port);
}

TEST(S110_deallocate)
{
    mach_port_t port = kit_port();
    const mach_port_t self = mach_task_self();
    ASSERT_OK(mach_port_insert_right(self, port, port, MACH_MSG_TYPE_MAKE_SEND));
    ASSERT_OK(mach_port_deallocate(self, port));
    ASSERT_EQ(1, kit_refs(port, MACH_PORT_RIGHT_SEND));
    ASSERT_OK(mach_port_deallocate(self, port));
    ASSERT_EQ(MACH_PORT_TYPE_RECEIVE, kit_type(port));
    ASSERT_CODE(KERN_INVALID_RIGHT, mach_port_deallocate(self, port));
    ASSERT_EQ(MACH_PORT_TYPE_RECEIVE, kit_type(port));
    ASSERT_CODE(KERN_INVALID_NAME, mach_port_deallocate(self, kit_unknown_name()));
    ASSERT_CODE(KERN_SUCCESS, mach_port_deallocate(self, MACH_PORT_NULL));
    ASSERT_CODE(KERN_SUCCESS, mach_port_deallocate(self, MACH_PORT_DEAD));
    mach_port_t once = kit_send_once(port);
    ASSERT_OK(mach_port_deallocate(self, once));
    ASSERT_CODE(KERN_INVALID_NAME, mach_port_deallocate(self, once));
    kit_expect_send_once_notification(port);
    kit_destroy(port);
}

TEST(S111_mod_refs)
{
    mach_port_t port = kit_port();
    const mach_port_t self = mach_task_self();
    ASSERT_OK(mach_port_mod_refs(self, port, MACH_PORT_RIGHT_SEND, 4));
    ASSERT_EQ(5, kit_refs(port, MACH_PORT_RIGHT_SEND));
    ASSERT_OK(mach_port_mod_refs(self, port, MACH_PORT_RIGHT_SEND, 0));
    ASSERT_CODE(KERN_INVALID_VALUE, mach_port_mod_refs(self, port, MACH_PORT_RIGHT_SEND, -6));
    ASSERT_EQ(5, kit_refs(port, MACH_PORT_RIGHT_SEND));
    ASSERT_CODE(KERN_INVALID_VALUE, mach_port_mod_refs(self, port, MACH_PORT_RIGHT_RECEIVE, 1));
    ASSERT_CODE(KERN_INVALID_VALUE, mach_port_mod_refs(self, port, MACH_PORT_RIGHT_RECEIVE, -2));
    ASSERT_OK(mach_port_mod_refs(self, port, MACH_PORT_RIGHT_RECEIVE, 0));
    ASSERT_CODE(KERN_INVALID_RIGHT, mach_port_mod_refs(self, port, MACH_PORT_RIGHT_DEAD_NAME, -1));
    ASSERT_CODE(KERN_INVALID_RIGHT, mach_port_mod_refs(self, port, MACH_PORT_RIGHT_SEND_ONCE, -1));
    ASSERT_CODE(KERN_INVALID_VALUE, mach_port_mod_refs(self, port, 1000, -1));
    ASSERT_CODE(KERN_INVALID_NAME,
                mach_port_mod_refs(self, kit_unknown_name(), MACH_PORT_RIGHT_SEND, -1));
    mach_port_t once = kit_send_once(port);
    ASSERT_CODE(KERN_INVALID_VALUE, mach_port_mod_refs(self, once, MACH_PORT_RIGHT_SEND_ONCE, 1));
    ASSERT_OK(mach_port_mod_refs(self, once, MACH_PORT_RIGHT_SEND_ONCE, -1));
    kit_expect_send_once_notification(port);
    ASSERT_OK(mach_port_mod_refs(self, port, MACH_PORT_RIGHT_SEND, -5));
    ASSERT_OK(mach_port_mod_refs(self, port, MACH_PORT_RIGHT_RECEIVE, -1));
    mach_port_type_t type;
    ASSERT_CODE(KERN_INVALID_NAME, mach_port_type(self, port, &type));
}

TEST(S112_destroyed_receive_right_leaves_a_dead_name)
{
    const mach_port_t self = mach_task_self();
    mach_port_t port = kit_port();
    ASSERT_OK(mach_port_mod_refs(self, port, MACH_PORT_RIGHT_SEND, 2));
    ASSERT_OK(mach_port_mod_refs(self, port, MACH_PORT_RIGHT_RECEIVE, -1));
    ASSERT_EQ(MACH_PORT_TYPE_DEAD_NAME, kit_type(port));
    ASSERT_EQ(3, kit_refs(port, MACH_PORT_RIGHT_DEAD_NAME));
    ASSERT_EQ(0, kit_refs(port, MACH_PORT_RIGHT_SEND));
    kit_deallocate(port);
    ASSERT_EQ(2, kit_refs(port, MACH_PORT_RIGHT_DEAD_NAME));
    ASSERT_OK(mach_port_mod_refs(self, port, MACH_PORT_RIGHT_DEAD_NAME, -2));
    ASSERT_CODE(KERN_INVALID_NAME, mach_port_deallocate(self, port));
    port = kit_port();
    ASSERT_OK(mach_port_destroy(self, port));
    ASSERT_CODE(KERN_INVALID_NAME, mach_port_destroy(self, port));
}

TEST(S113_types)
{
    const mach_port_t self = mach_task_self();
    mach_port_type_t type = 0;
    ASSERT_CODE(KERN_INVALID_NAME, mach_port_type(self, MACH_PORT_NULL, &type));
    ASSERT_OK(mach_port_type(self, MACH_PORT_DEAD, &type));
    ASSERT_EQ(MACH_PORT_TYPE_DEAD_NAME, type);
    ASSERT_CODE(KERN_INVALID_NAME, mach_port_type(self, kit_unknown_name(), &type));
    ASSERT_EQ(MACH_PORT_TYPE_SEND, kit_type(self));
}

/* mach_port_names lists names and types of all rights, in memory the caller frees. */
TEST(S113_names_lists_every_right)
{
    mach_port_name_array_t names = NULL;
    mach_port_type_array_t types = NULL;
    mach_msg_type_number_t count = 0;
    mach_msg_type_number_t type_count = 0;
    mach_port_t port = kit_port();
    mach_port_t once = kit_send_once(port);
    unsigned found = 0;
    ASSERT_OK(mach_port_names(mach_task_self(), &names, &count, &types, &type_count));
    ASSERT_EQ(count, type_count);
    for (unsigned i = 0; i < count; i++) {
        if (names[i] == port) {
            ASSERT_EQ(MACH_PORT_TYPE_SEND_RECEIVE, types[i] & MACH_PORT_TYPE_ALL_RIGHTS);
            found++;
        }
        if (names[i] == once) {
            ASSERT_EQ(MACH_PORT_TYPE_SEND_ONCE, types[i] & MACH_PORT_TYPE_ALL_RIGHTS);
            found++;
        }
    }
    ASSERT_EQ(2, found);
    kit_free(names, count * sizeof(*names));
    kit_free(types, count * sizeof(*types));
    kit_deallocate(once);
    kit_destroy(port);
}

TEST(S115_dispositions_and_references)
{
    mach_port_t carrier = kit_port();
    mach_port_t port = kit_port();
    const mach_port_t self = mach_task_self();
    ASSERT_OK(mach_port_mod_refs(self, port, MACH_PORT_RIGHT_SEND, 2));
    kit_send_right(carrier, port, MACH_MSG_TYPE_COPY_SEND);
    ASSERT_EQ(3, kit_refs(port, MACH_PORT_RIGHT_SEND));
    ASSERT_EQ(port, kit_take_right(carrier, MACH_MSG_TYPE_PORT_SEND));
    ASSERT_EQ(4, kit_refs(port, MACH_PORT_RIGHT_SEND));
    kit_send_right(carrier, port, MACH_MSG_TYPE_MOVE_SEND);
    ASSERT_EQ(3, kit_refs(port, MACH_PORT_RIGHT_SEND));
    ASSERT_EQ(port, kit_take_right(carrier, MACH_MSG_TYPE_PORT_SEND));
    ASSERT_EQ(4, kit_refs(port, MACH_PORT_RIGHT_SEND));
    /* Header: COPY keeps, MOVE takes one, down to none. */
    ASSERT_OK(kit_try_plain(port, MACH_MSG_TYPE_COPY_SEND, 1, 0));
    ASSERT_EQ(4, kit_refs(port, MACH_PORT_RIGHT_SEND));
    for (unsigned left = 4; left-- > 0;) {
        ASSERT_OK(kit_try_plain(port, MACH_MSG_TYPE_MOVE_SEND, 1, 0));
        ASSERT_EQ(left, kit_refs(port, MACH_PORT_RIGHT_SEND));
    }
    ASSERT_EQ(MACH_PORT_TYPE_RECEIVE, kit_type(port));
    kit_destroy(port);
    kit_destroy(carrier);
}

TEST(S115_send_once_right_is_spent_by_its_use)
{
    mach_port_t port = kit_port();
    mach_port_t once = kit_send_once(port);
    mach_port_type_t type;
    ASSERT_CODE(MACH_SEND_INVALID_DEST, kit_try_plain(once, MACH_MSG_TYPE_COPY_SEND, 1, 0));
    ASSERT_CODE(MACH_SEND_INVALID_DEST, kit_try_plain(once, MACH_MSG_TYPE_MOVE_SEND, 1, 0));
    ASSERT_OK(kit_try_plain(once, MACH_MSG_TYPE_MOVE_SEND_ONCE, 1, 0));
    ASSERT_CODE(KERN_INVALID_NAME, mach_port_type(mach_task_self(), once, &type));
    ASSERT_CODE(MACH_SEND_INVALID_DEST, kit_try_plain(once, MACH_MSG_TYPE_MOVE_SEND_ONCE, 1, 0));
    ASSERT_CODE(KERN_INVALID_NAME, mach_port_deallocate(mach_task_self(), once));
    kit_expect_plain(port, 1);
    kit_expect_nothing(port);
    kit_destroy(port);
}

TEST(S115_send_once_right_moves_on)
{
    mach_port_t carrier = kit_port();
    mach_port_t port = kit_port();
    mach_port_t once = kit_send_once(port);
    kit_send_right(carrier, once, MACH_MSG_TYPE_MOVE_SEND_ONCE);
    mach_port_type_t type;
    ASSERT_CODE(KERN_INVALID_NAME, mach_port_type(mach_task_self(), once, &type));
    once = kit_take_right(carrier, MACH_MSG_TYPE_PORT_SEND_ONCE);
    ASSERT_OK(kit_try_plain(once, MACH_MSG_TYPE_MOVE_SEND_ONCE, 4, 0));
    kit_expect_plain(port, 4);
    kit_destroy(carrier);
    kit_destroy(port);
}

TEST(S116_dead_names_in_a_body)
{
    mach_port_t carrier = kit_port();
    mach_port_t dead = kit_port();
    const mach_port_t self = mach_task_self();
    ASSERT_OK(mach_port_mod_refs(self, dead, MACH_PORT_RIGHT_SEND, 2));
    ASSERT_OK(mach_port_mod_refs(self, dead, MACH_PORT_RIGHT_RECEIVE, -1));
    kit_send_right(carrier, dead, MACH_MSG_TYPE_COPY_SEND);
    ASSERT_EQ(MACH_PORT_DEAD, kit_take_right(carrier, MACH_MSG_TYPE_PORT_SEND));
    ASSERT_EQ(3, kit_refs(dead, MACH_PORT_RIGHT_DEAD_NAME));
    kit_send_right(carrier, dead, MACH_MSG_TYPE_MOVE_SEND);
    ASSERT_EQ(MACH_PORT_DEAD, kit_take_right(carrier, MACH_MSG_TYPE_PORT_SEND));
    ASSERT_EQ(2, kit_refs(dead, MACH_PORT_RIGHT_DEAD_NAME));
    kit_send_right(carrier, dead, MACH_MSG_TYPE_MOVE_SEND_ONCE);
    ASSERT_EQ(MACH_PORT_DEAD, kit_take_right(carrier, MACH_MSG_TYPE_PORT_SEND_ONCE));
    ASSERT_EQ(1, kit_refs(dead, MACH_PORT_RIGHT_DEAD_NAME));
    ASSERT_CODE(MACH_SEND_INVALID_DEST, kit_try_plain(dead, MACH_MSG_TYPE_COPY_SEND, 1, 0));
    ASSERT_CODE(MACH_SEND_INVALID_DEST, kit_try_plain(dead, MACH_MSG_TYPE_MOVE_SEND, 1, 0));
    ASSERT_EQ(1, kit_refs(dead, MACH_PORT_RIGHT_DEAD_NAME));
    kit_deallocate(dead);
    kit_destroy(carrier);
}

TEST(S117_send_once_right_of_a_port_that_died_unnoticed)
{
    mach_port_t port = kit_port();
    mach_port_t once = kit_send_once(port);
    mach_port_type_t type;
    kit_destroy(port);
    ASSERT_OK(kit_try_plain(once, MACH_MSG_TYPE_MOVE_SEND_ONCE, 1, 0));
    ASSERT_CODE(KERN_INVALID_NAME, mach_port_type(mach_task_self(), once, &type));
}

TEST(S118_null_and_dead_cross_as_they_are)
{
    mach_port_t carrier = kit_port();
    const unsigned dispositions[] = {MACH_MSG_TYPE_MOVE_SEND, MACH_MSG_TYPE_COPY_SEND,
                                     MACH_MSG_TYPE_MAKE_SEND};
    for (unsigned i = 0; i < 3; i++) {
        kit_send_right(carrier, MACH_PORT_NULL, dispositions[i]);
        ASSERT_EQ(MACH_PORT_NULL, kit_take_right(carrier, MACH_MSG_TYPE_PORT_SEND));
        kit_send_right(carrier, MACH_PORT_DEAD, dispositions[i]);
        ASSERT_EQ(MACH_PORT_DEAD, kit_take_right(carrier, MACH_MSG_TYPE_PORT_SEND));
    }
    kit_destroy(carrier);
}

TEST(S119_body_right_that_does_not_hold)
{
    mach_port_t carrier = kit_port();
    mach_port_t receive = kit_receive_right();
    ASSERT_CODE(MACH_SEND_INVALID_RIGHT,
                kit_try_right(carrier, kit_unknown_name(), MACH_MSG_TYPE_COPY_SEND));
    ASSERT_CODE(MACH_SEND_INVALID_RIGHT, kit_try_right(carrier, receive, MACH_MSG_TYPE_COPY_SEND));
    ASSERT_CODE(MACH_SEND_INVALID_RIGHT, kit_try_right(carrier, receive, MACH_MSG_TYPE_MOVE_SEND));
    ASSERT_CODE(MACH_SEND_INVALID_RIGHT,
                kit_try_right(carrier, receive, MACH_MSG_TYPE_MOVE_SEND_ONCE));
    const unsigned dispositions[] = {0, 1, 15, 22, 0xff};
    for (unsigned i = 0; i < 5; i++)
        ASSERT_CODE(MACH_SEND_INVALID_RIGHT, kit_try_right(carrier, receive, dispositions[i]));
    kit_expect_nothing(carrier);
    ASSERT_EQ(1, kit_refs(carrier, MACH_PORT_RIGHT_SEND));
    kit_destroy(receive);
    kit_destroy(carrier);
}

TEST(S119_S31_same_right_moved_twice)
{
    mach_port_t carrier = kit_port();
    mach_port_t port = kit_port();
    struct port_msg message;
    kit_header(&message.header, MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0) | MACH_MSGH_BITS_COMPLEX,
               PORT_MSG_SIZE(2), carrier, MACH_PORT_NULL, 6);
    message.body.msgh_descriptor_count = 2;
    for (int i = 0; i < 2; i++)
        kit_port_descriptor(&message.port[i], port, MACH_MSG_TYPE_MOVE_SEND);
    ASSERT_CODE(MACH_SEND_INVALID_RIGHT, kit_send(&message.header, MACH_SEND_TIMEOUT, 0));
    ASSERT_EQ(MACH_PORT_TYPE_RECEIVE, kit_type(port)); /* consumed */
    kit_expect_nothing(carrier);
    kit_destroy(carrier);
    kit_destroy(port);
}

static mach_msg_return_t send_with_reply(mach_port_t to, mach_port_t reply, unsigned disposition)
{
    struct plain_msg message;
    memset(&message, 0, sizeof(message));
    kit_header(&message.header, MACH_MSGH_BITS(MACH_MSG_TYPE_MOVE_SEND, disposition),
               sizeof(message), to, reply, 1);
    return kit_send(&message.header, MACH_SEND_TIMEOUT, 0);
}

TEST(S119_reply_right_that_does_not_hold)
{
    mach_port_t port = kit_port();
    mach_port_t receive = kit_receive_right();
    ASSERT_CODE(MACH_SEND_INVALID_REPLY,
                send_with_reply(port, kit_unknown_name(), MACH_MSG_TYPE_COPY_SEND));
    ASSERT_CODE(MACH_SEND_INVALID_REPLY, send_with_reply(port, receive, MACH_MSG_TYPE_COPY_SEND));
    ASSERT_CODE(MACH_SEND_INVALID_REPLY, send_with_reply(port, receive, MACH_MSG_TYPE_MOVE_SEND));
    ASSERT_EQ(1, kit_refs(port, MACH_PORT_RIGHT_SEND)); /* nothing consumed */
    kit_expect_nothing(port);
    kit_destroy(receive);
    kit_destroy(port);
}

TEST(S119_reply_that_is_a_dead_name)
{
    GATE_DARWIN("XNU 11 accepts a dead reply name, XNU 15 refuses it");
    mach_port_t port = kit_port();
    mach_port_t dead = kit_port();
    ASSERT_OK(mach_port_mod_refs(mach_task_self(), dead, MACH_PORT_RIGHT_RECEIVE, -1));
    ASSERT_CODE(MACH_SEND_INVALID_REPLY, send_with_reply(port, dead, MACH_MSG_TYPE_COPY_SEND));
    ASSERT_EQ(1, kit_refs(port, MACH_PORT_RIGHT_SEND));
    kit_deallocate(dead);
    kit_destroy(port);
}

TEST(S120_header_rights_are_taken_together)
{
    mach_port_t port = kit_port();
    struct plain_rcv received;
    ASSERT_EQ(1, kit_refs(port, MACH_PORT_RIGHT_SEND));
    mach_msg_return_t result = send_with_reply(port, port, MACH_MSG_TYPE_MOVE_SEND);
    ASSERT_NE(MACH_MSG_SUCCESS, result);
    ASSERT_EQ(1, kit_refs(port, MACH_PORT_RIGHT_SEND)); /* all or nothing */
    ASSERT_OK(send_with_reply(port, port, MACH_MSG_TYPE_COPY_SEND));
    ASSERT_EQ(MACH_PORT_TYPE_RECEIVE, kit_type(port));
    ASSERT_OK(kit_receive(&received.header, sizeof(received), port, 0, 0));
    ASSERT_EQ(port, received.header.msgh_remote_port);
    ASSERT_OK(mach_port_insert_right(mach_task_self(), port, port, MACH_MSG_TYPE_MAKE_SEND));
    ASSERT_EQ(2, kit_refs(port, MACH_PORT_RIGHT_SEND));
    ASSERT_OK(send_with_reply(port, port, MACH_MSG_TYPE_MOVE_SEND));
    ASSERT_EQ(MACH_PORT_TYPE_RECEIVE, kit_type(port));
    kit_destroy(port);
}
