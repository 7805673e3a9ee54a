/* No-senders notifications: what counts as a sender, when they fire, what they carry. Section 5. */
#include "harness/port_kit.h"

#include <string.h>

enum { NONE_LEFT = 70, BIG_ID = 9 };

static natural_t expect_none_left(mach_port_t notify)
{
    natural_t count = kit_expect_notification(notify, NONE_LEFT);
    kit_expect_nothing(notify);
    return count;
}

/* Armed: a request that waits for the rights there are, or for a first one. */
static void arm(mach_port_t port, unsigned sync, mach_port_t notify)
{
    kit_first_request(port, NONE_LEFT, sync, notify);
    kit_expect_nothing(notify);
    ASSERT_EQ(TRUE, kit_status(port).mps_nsrequest);
}

TEST(S135_fresh_port_fires_at_once)
{
    mach_port_t notify = kit_receive_right();
    mach_port_t port = kit_receive_right();
    kit_first_request(port, NONE_LEFT, 0, notify);
    ASSERT_EQ(0, expect_none_left(notify));
    ASSERT_EQ(FALSE, kit_status(port).mps_nsrequest);
    kit_destroy(port);
    kit_expect_nothing(notify);
    kit_destroy(notify);
}

TEST(S135_sync_waits_for_a_first_right)
{
    mach_port_t notify = kit_receive_right();
    mach_port_t port = kit_receive_right();
    arm(port, 1, notify);
    ASSERT_OK(mach_port_insert_right(mach_task_self(), port, port, MACH_MSG_TYPE_MAKE_SEND));
    kit_expect_nothing(notify);
    kit_deallocate(port);
    ASSERT_EQ(1, expect_none_left(notify));
    ASSERT_EQ(FALSE, kit_status(port).mps_nsrequest);
    kit_destroy(port);
    kit_destroy(notify);
}

TEST(S135_sync_against_the_make_send_count)
{
    mach_port_t notify = kit_receive_right();
    mach_port_t port = kit_port();
    ASSERT_OK(mach_port_insert_right(mach_task_self(), port, port, MACH_MSG_TYPE_MAKE_SEND));
    ASSERT_OK(mach_port_mod_refs(mach_task_self(), port, MACH_PORT_RIGHT_SEND, -2));
    ASSERT_EQ(2, kit_status(port).mps_mscount);
    ASSERT_EQ(0, kit_status(port).mps_srights);
    kit_first_request(port, NONE_LEFT, 2, notify);
    ASSERT_EQ(2, expect_none_left(notify)); /* 2 <= 2 */
    kit_first_request(port, NONE_LEFT, 1, notify);
    ASSERT_EQ(2, expect_none_left(notify)); /* 1 <= 2 */
    arm(port, 3, notify);                   /* 3 > 2: waits for the third */
    ASSERT_OK(mach_port_insert_right(mach_task_self(), port, port, MACH_MSG_TYPE_MAKE_SEND));
    kit_deallocate(port);
    ASSERT_EQ(3, expect_none_left(notify));
    kit_destroy(port);
    kit_destroy(notify);
}

TEST(S134_fires_once_then_wants_a_new_request)
{
    mach_port_t notify = kit_receive_right();
    mach_port_t port = kit_port();
    arm(port, 0, notify);
    kit_deallocate(port);
    ASSERT_EQ(1, expect_none_left(notify));
    ASSERT_OK(mach_port_insert_right(mach_task_self(), port, port, MACH_MSG_TYPE_MAKE_SEND));
    kit_deallocate(port);
    kit_stays_quiet(notify);
    ASSERT_OK(mach_port_insert_right(mach_task_self(), port, port, MACH_MSG_TYPE_MAKE_SEND));
    arm(port, 0, notify);
    kit_deallocate(port);
    ASSERT_EQ(3, expect_none_left(notify));
    kit_destroy(port);
    kit_destroy(notify);
}

TEST(S134_user_references_do_not_matter)
{
    mach_port_t notify = kit_receive_right();
    mach_port_t port = kit_port();
    arm(port, 0, notify);
    ASSERT_OK(mach_port_mod_refs(mach_task_self(), port, MACH_PORT_RIGHT_SEND, 10));
    ASSERT_OK(mach_port_mod_refs(mach_task_self(), port, MACH_PORT_RIGHT_SEND, -10));
    kit_expect_nothing(notify);
    ASSERT_OK(mach_port_mod_refs(mach_task_self(), port, MACH_PORT_RIGHT_SEND, 10));
    ASSERT_OK(mach_port_mod_refs(mach_task_self(), port, MACH_PORT_RIGHT_SEND, -11));
    ASSERT_EQ(1, expect_none_left(notify)); /* one was made, eleven were held */
    kit_destroy(port);
    kit_destroy(notify);
}

TEST(S134_right_in_a_message_counts)
{
    mach_port_t notify = kit_receive_right();
    mach_port_t carrier = kit_port();
    mach_port_t port = kit_port();
    arm(port, 0, notify);
    kit_send_right(carrier, port, MACH_MSG_TYPE_MOVE_SEND);
    ASSERT_EQ(MACH_PORT_TYPE_RECEIVE, kit_type(port));
    kit_stays_quiet(notify); /* it is in the queue */
    ASSERT_EQ(port, kit_take_right(carrier, MACH_MSG_TYPE_PORT_SEND));
    kit_stays_quiet(notify);
    kit_send_right(carrier, port, MACH_MSG_TYPE_MOVE_SEND);
    kit_destroy(carrier); /* with the message, with the right (S125) */
    ASSERT_EQ(1, expect_none_left(notify));
    kit_destroy(port);
    kit_destroy(notify);
}

/* The right used as a destination is in the message that is sent with it. */
TEST(S134_right_a_message_was_sent_with_counts)
{
    mach_port_t notify = kit_receive_right();
    mach_port_t port = kit_port();
    arm(port, 0, notify);
    ASSERT_OK(kit_try_plain(port, MACH_MSG_TYPE_MOVE_SEND, BIG_ID, 0));
    kit_stays_quiet(notify);
    kit_expect_plain(port, BIG_ID);
    ASSERT_EQ(1, expect_none_left(notify));
    kit_destroy(port);
    kit_destroy(notify);
}

TEST(S134_reply_right_of_a_message_counts)
{
    mach_port_t notify = kit_receive_right();
    mach_port_t service = kit_port();
    mach_port_t reply = kit_receive_right();
    struct plain_msg message;
    struct plain_rcv received;
    arm(reply, 1, notify);
    memset(&message, 0, sizeof(message));
    kit_header(&message.header, MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MAKE_SEND),
               sizeof(message), service, reply, 1);
    ASSERT_OK(kit_send(&message.header, 0, 0));
    kit_stays_quiet(notify);
    ASSERT_OK(kit_receive(&received.header, sizeof(received), service, 0, PATIENCE));
    ASSERT_EQ(reply, received.header.msgh_remote_port);
    kit_expect_nothing(notify);
    kit_deallocate(reply);
    ASSERT_EQ(1, expect_none_left(notify));
    kit_destroy(service);
    kit_destroy(reply);
    kit_destroy(notify);
}

TEST(S134_send_once_rights_do_not_count)
{
    mach_port_t notify = kit_receive_right();
    mach_port_t port = kit_receive_right();
    mach_port_t once = kit_send_once(port);
    kit_first_request(port, NONE_LEFT, 0, notify);
    ASSERT_EQ(0, expect_none_left(notify)); /* a send-once right is no send right */
    arm(port, 1, notify);
    ASSERT_OK(kit_try_plain(once, MACH_MSG_TYPE_MOVE_SEND_ONCE, 1, 0));
    kit_expect_plain(port, 1);
    kit_stays_quiet(notify);
    kit_destroy(port);
    kit_expect_send_once_notification(notify);
    kit_destroy(notify);
}

/* Holders in other tasks, each with many references. */
TEST(S134_last_of_several_holders)
{
    struct agent first;
    struct agent second;
    mach_port_t notify = kit_receive_right();
    mach_port_t port = kit_port();
    agent_start(&first);
    agent_start(&second);
    mach_port_t at_first = agent_give(&first, port, MACH_MSG_TYPE_MAKE_SEND);
    ASSERT_EQ(at_first, agent_give(&first, port, MACH_MSG_TYPE_COPY_SEND));
    mach_port_t at_second = agent_give(&second, port, MACH_MSG_TYPE_MOVE_SEND);
    arm(port, 0, notify);
    ASSERT_EQ(2, agent_refs(&first, at_first, MACH_PORT_RIGHT_SEND));
    agent_deallocate(&first, at_first);
    agent_deallocate(&second, at_second);
    kit_stays_quiet(notify);
    agent_deallocate(&first, at_first);
    ASSERT_EQ(2, expect_none_left(notify));
    agent_end(&first);
    agent_end(&second);
    kit_destroy(port);
    kit_destroy(notify);
}

static void holder_goes(void (*end)(struct agent *))
{
    struct agent holder;
    mach_port_t notify = kit_receive_right();
    mach_port_t port = kit_receive_right();
    agent_start(&holder);
    for (int i = 0; i < 3; i++)
        (void)agent_give(&holder, port, MACH_MSG_TYPE_MAKE_SEND);
    arm(port, 0, notify);
    kit_stays_quiet(notify);
    end(&holder);
    ASSERT_EQ(3, expect_none_left(notify));
    agent_forget(&holder);
    kit_destroy(port);
    kit_destroy(notify);
}

TEST(S134_holder_exits)
{
    holder_goes(agent_exit);
}

TEST(S134_holder_is_killed)
{
    holder_goes(agent_kill);
}

/* One holder passes the right on to another and lets go of its own: never a moment without. */
TEST(S134_right_goes_from_holder_to_holder)
{
    struct agent first;
    struct agent second;
    struct agent_route there;
    struct agent_route back;
    mach_port_t notify = kit_receive_right();
    mach_port_t port = kit_receive_right();
    agent_start(&first);
    agent_start(&second);
    agent_introduce(&there, &first, &second);
    agent_introduce(&back, &second, &first);
    mach_port_t name = agent_give(&first, port, MACH_MSG_TYPE_MAKE_SEND);
    arm(port, 0, notify);
    for (int i = 0; i < 10; i++) {
        name = agent_pass(&there, name, MACH_MSG_TYPE_MOVE_SEND);
        name = agent_pass(&back, name, MACH_MSG_TYPE_MOVE_SEND);
    }
    kit_stays_quiet(notify);
    ASSERT_OK(agent_send_right(&first, there.out, name, MACH_MSG_TYPE_MOVE_SEND));
    ASSERT_EQ(0, agent_type(&first, name));
    agent_kill(&first);
    kit_stays_quiet(notify); /* it waits in the second one's queue */
    name = agent_take(&second, there.in, MACH_MSG_TYPE_PORT_SEND);
    ASSERT_OK(agent_send(&second, name, MACH_MSG_TYPE_COPY_SEND, 4, PATIENCE));
    kit_expect_plain(port, 4);
    agent_deallocate(&second, name);
    ASSERT_EQ(1, expect_none_left(notify));
    agent_forget(&first);
    agent_end(&second);
    kit_destroy(port);
    kit_destroy(notify);
}

/* The only right is in the queue of a task that is killed, or destroys its port. */
static void right_dies_in_a_queue(bool killed)
{
    struct agent other;
    mach_port_t notify = kit_receive_right();
    mach_port_t port = kit_port();
    agent_start(&other);
    mach_port_t theirs = agent_allocate(&other);
    mach_port_t queue = agent_get(&other, theirs, MACH_MSG_TYPE_MAKE_SEND);
    arm(port, 0, notify);
    kit_send_right(queue, port, MACH_MSG_TYPE_MOVE_SEND);
    kit_stays_quiet(notify);
    if (killed)
        agent_kill(&other);
    else
        agent_destroy(&other, theirs);
    ASSERT_EQ(1, expect_none_left(notify));
    if (!killed)
        agent_exit(&other);
    agent_forget(&other);
    kit_wait_dead(queue);
    kit_destroy(queue);
    kit_destroy(port);
    kit_destroy(notify);
}

TEST(S125_no_senders_when_a_queue_is_destroyed)
{
    right_dies_in_a_queue(false);
}

TEST(S125_no_senders_when_a_task_with_a_queue_is_killed)
{
    right_dies_in_a_queue(true);
}

/* A message from the last sender comes before the news that it was the last. */
TEST(S134_messages_of_the_last_sender_come_first)
{
    struct agent sender;
    mach_port_t port = kit_port();
    agent_start(&sender);
    ASSERT_EQ(MACH_PORT_NULL, kit_request(port, NONE_LEFT, 1, port)); /* to itself */
    mach_port_t theirs = agent_give(&sender, port, MACH_MSG_TYPE_MOVE_SEND);
    for (int i = 0; i < 4; i++)
        ASSERT_OK(agent_send(&sender, theirs, MACH_MSG_TYPE_COPY_SEND, i, PATIENCE));
    ASSERT_OK(agent_send(&sender, theirs, MACH_MSG_TYPE_MOVE_SEND, 4, PATIENCE));
    for (int i = 0; i < 5; i++)
        kit_expect_plain(port, i);
    ASSERT_EQ(1, expect_none_left(port));
    agent_end(&sender);
    kit_destroy(port);
}

TEST(S136_port_is_destroyed_with_the_request_armed)
{
    mach_port_t notify = kit_receive_right();
    mach_port_t port = kit_port();
    arm(port, 0, notify);
    kit_destroy(port);
    kit_expect_send_once_notification(notify);
    port = kit_receive_right();
    arm(port, 1, notify);
    kit_destroy(port);
    kit_expect_send_once_notification(notify);
    port = kit_receive_right();
    arm(port, 1, port); /* to itself: nobody is left to hear of it */
    kit_destroy(port);
    kit_destroy(notify);
}

TEST(S136_owner_goes_with_the_request_armed)
{
    struct agent owner;
    mach_port_t notify = kit_receive_right();
    agent_start(&owner);
    mach_port_t theirs = agent_allocate(&owner);
    agent_request(&owner, theirs, NONE_LEFT, 1, notify);
    theirs = agent_allocate(&owner);
    agent_request(&owner, theirs, NONE_LEFT, 1, notify);
    kit_stays_quiet(notify);
    agent_kill(&owner);
    agent_forget(&owner);
    kit_expect_send_once_notifications(notify, 2);
    kit_destroy(notify);
}

TEST(S136_request_before_comes_back)
{
    mach_port_t first = kit_receive_right();
    mach_port_t second = kit_receive_right();
    mach_port_t port = kit_port();
    arm(port, 0, first);
    mach_port_t previous = kit_request(port, NONE_LEFT, 0, second);
    ASSERT_EQ(MACH_PORT_TYPE_SEND_ONCE, kit_type(previous));
    kit_deallocate(previous);
    kit_expect_send_once_notification(first);
    kit_deallocate(port);
    ASSERT_EQ(1, expect_none_left(second));
    kit_expect_nothing(first);
    kit_destroy(port);
    kit_destroy(first);
    kit_destroy(second);
}

TEST(S136_request_is_cancelled)
{
    mach_port_t notify = kit_receive_right();
    mach_port_t port = kit_port();
    arm(port, 0, notify);
    mach_port_t previous = kit_request(port, NONE_LEFT, 0, MACH_PORT_NULL);
    ASSERT_EQ(MACH_PORT_TYPE_SEND_ONCE, kit_type(previous));
    ASSERT_EQ(FALSE, kit_status(port).mps_nsrequest);
    kit_deallocate(port);
    kit_stays_quiet(notify);
    kit_deallocate(previous);
    kit_expect_send_once_notification(notify);
    kit_first_request(port, NONE_LEFT, 0, MACH_PORT_NULL);
    kit_destroy(port);
    kit_destroy(notify);
}

TEST(S134_only_for_a_receive_right)
{
    struct agent owner;
    mach_port_t notify = kit_receive_right();
    mach_port_t dead = kit_dead_name();
    agent_start(&owner);
    mach_port_t port = agent_get(&owner, agent_allocate(&owner), MACH_MSG_TYPE_MAKE_SEND);
    kit_refused_request(KERN_INVALID_RIGHT, port, NONE_LEFT, 0, notify);
    kit_refused_request(KERN_INVALID_RIGHT, dead, NONE_LEFT, 0, notify);
    kit_refused_request(KERN_INVALID_NAME, kit_unknown_name(), NONE_LEFT, 0, notify);
    kit_destroy(dead);
    kit_destroy(port);
    agent_end(&owner);
    kit_destroy(notify);
}

TEST(S134_carries_the_make_send_count)
{
    mach_port_t notify = kit_receive_right();
    mach_port_t port = kit_port();
    ASSERT_OK(mach_port_set_mscount(mach_task_self(), port, 77));
    ASSERT_EQ(77, kit_status(port).mps_mscount);
    ASSERT_OK(mach_port_insert_right(mach_task_self(), port, port, MACH_MSG_TYPE_MAKE_SEND));
    arm(port, 0, notify);
    ASSERT_OK(mach_port_mod_refs(mach_task_self(), port, MACH_PORT_RIGHT_SEND, -2));
    ASSERT_EQ(78, expect_none_left(notify));
    kit_destroy(port);
    kit_destroy(notify);
}

/* A server's life: it waits on a set for requests and for the end of its clients. */
TEST(S134_many_ports_of_one_client)
{
    enum { MANY = 100 };
    static mach_port_t ports[MANY];
    struct agent client;
    mach_port_t notify = kit_receive_right();
    agent_start(&client);
    for (int i = 0; i < MANY; i++) {
        ports[i] = kit_receive_right();
        (void)agent_give(&client, ports[i], MACH_MSG_TYPE_MAKE_SEND);
        arm(ports[i], 0, notify);
    }
    kit_stays_quiet(notify);
    agent_kill(&client);
    for (int i = 0; i < MANY; i++)
        ASSERT_EQ(1, kit_expect_notification(notify, NONE_LEFT));
    kit_expect_nothing(notify);
    agent_forget(&client);
    for (int i = 0; i < MANY; i++)
        kit_destroy(ports[i]);
    kit_destroy(notify);
}
