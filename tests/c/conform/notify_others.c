/* Send-possible and port-destroyed notifications, and what all notifications have in common.
 * Sections 4 to 6. */
#include "harness/port_kit.h"

#include <string.h>

enum { DELETED = 65, POSSIBLE = 66, NONE_LEFT = 70, DEAD = 72 };

static mach_msg_return_t send_notify(mach_port_t to, mach_msg_id_t id)
{
    struct plain_msg message;
    memset(&message, 0, sizeof(message));
    kit_header(&message.header, MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0), sizeof(message.header),
               to, MACH_PORT_NULL, id);
    return kit_send(&message.header, MACH_SEND_TIMEOUT | MACH_SEND_NOTIFY, 0);
}

/* A send that timed out has brought its destination back with one reference more (S126). */
static void fails_with_notify(mach_port_t to)
{
    unsigned refs = kit_refs(to, MACH_PORT_RIGHT_SEND);
    ASSERT_CODE(MACH_SEND_TIMED_OUT, send_notify(to, 9));
    ASSERT_EQ(refs + 1, kit_refs(to, MACH_PORT_RIGHT_SEND));
    kit_deallocate(to);
}

static void expect_possible(mach_port_t notify, mach_port_t name)
{
    ASSERT_EQ(name, kit_expect_notification(notify, POSSIBLE));
    kit_expect_nothing(notify);
}

/* Send-possible. */

TEST(S128_send_possible_fires_at_once_when_there_is_room)
{
    mach_port_t notify = kit_receive_right();
    mach_port_t port = kit_port();
    kit_first_request(port, POSSIBLE, 1, notify);
    expect_possible(notify, port);
    ASSERT_EQ(MACH_PORT_TYPE_SEND_RECEIVE, kit_type_and_requests(port));
    ASSERT_EQ(1, kit_refs(port, MACH_PORT_RIGHT_SEND)); /* no reference comes with it */
    kit_destroy(port);
    kit_destroy(notify);
}

TEST(S128_send_possible_when_a_full_queue_gets_room)
{
    mach_port_t notify = kit_receive_right();
    mach_port_t port = kit_port();
    kit_fill_queue(port, 5);
    kit_first_request(port, POSSIBLE, 1, notify);
    ASSERT_EQ(MACH_PORT_TYPE_SEND_RECEIVE | MACH_PORT_TYPE_DNREQUEST | MACH_PORT_TYPE_SPREQUEST,
              kit_type_and_requests(port));
    kit_stays_quiet(notify);
    kit_expect_plain(port, 0);
    expect_possible(notify, port);
    kit_expect_plain(port, 1); /* once only */
    kit_expect_nothing(notify);
    kit_destroy(port);
    kit_destroy(notify);
}

/* Without sync the request sleeps until a send with MACH_SEND_NOTIFY finds no room. */
TEST(S157_send_notify_arms_the_request)
{
    mach_port_t notify = kit_receive_right();
    mach_port_t port = kit_port();
    kit_fill_queue(port, 5);
    kit_first_request(port, POSSIBLE, 0, notify);
    ASSERT_EQ(MACH_PORT_TYPE_SEND_RECEIVE | MACH_PORT_TYPE_DNREQUEST | MACH_PORT_TYPE_SPREQUEST |
                  MACH_PORT_TYPE_SPREQUEST_DELAYED,
              kit_type_and_requests(port));
    kit_expect_plain(port, 0);
    kit_expect_nothing(notify); /* it was not armed */
    ASSERT_CODE(MACH_MSG_SUCCESS, send_notify(port, 5));
    fails_with_notify(port);
    ASSERT_EQ(MACH_PORT_TYPE_SEND_RECEIVE | MACH_PORT_TYPE_DNREQUEST | MACH_PORT_TYPE_SPREQUEST,
              kit_type_and_requests(port));
    kit_expect_nothing(notify);
    kit_expect_plain(port, 1);
    expect_possible(notify, port);
    ASSERT_EQ(MACH_PORT_TYPE_SEND_RECEIVE, kit_type_and_requests(port));
    kit_destroy(port);
    kit_destroy(notify);
}

TEST(S157_send_notify_without_a_request)
{
    mach_port_t port = kit_port();
    kit_fill_queue(port, 5);
    fails_with_notify(port);
    kit_expect_plain(port, 0);
    ASSERT_OK(send_notify(port, 5));
    kit_destroy(port);
}

/* What an event loop does: send until there is no room, wait for the notification, go on. */
PEER(possible_receiver)
{
    struct kit_pair pair;
    kit_pair_join(&pair);
    mach_port_t port = kit_receive_right();
    kit_send_right(pair.theirs, port, MACH_MSG_TYPE_MAKE_SEND);
    parent_hear();
    for (int i = 0; i < 100; i++)
        kit_expect_plain(port, i);
    kit_expect_nothing(port);
    parent_tell();
    parent_hear();
    kit_pair_leave(&pair);
}

TEST(S157_send_notify_between_tasks)
{
    struct kit_pair pair;
    unsigned waits = 0;
    mach_port_t notify = kit_receive_right();
    kit_pair_start(&pair, "possible_receiver", "");
    mach_port_t port = kit_take_right(pair.mine, MACH_MSG_TYPE_PORT_SEND);
    kit_fill_queue(port, 5);
    kit_first_request(port, POSSIBLE, 0, notify);
    for (int sent = 5; sent < 100;) {
        mach_msg_return_t result = send_notify(port, sent);
        if (result == MACH_MSG_SUCCESS) {
            sent++;
            continue;
        }
        ASSERT_CODE(MACH_SEND_TIMED_OUT, result);
        kit_deallocate(port);
        if (waits++ == 0) {
            kit_stays_quiet(notify);
            peer_tell(&pair.peer);
        }
        ASSERT_EQ(port, kit_expect_notification(notify, POSSIBLE));
        kit_first_request(port, POSSIBLE, 0, notify);
    }
    ASSERT(waits > 0);
    peer_hear(&pair.peer);
    ASSERT_EQ(1, kit_refs(port, MACH_PORT_RIGHT_SEND));
    /* A send that goes may arm the request too: then it has fired. */
    struct plain_rcv last;
    kit_deallocate(port);
    ASSERT_OK(kit_receive(&last.header, sizeof(last), notify, 0, PATIENCE));
    ASSERT(last.header.msgh_id == DELETED || last.header.msgh_id == POSSIBLE);
    kit_expect_nothing(notify);
    peer_tell(&pair.peer);
    kit_pair_end(&pair);
    kit_destroy(notify);
}

TEST(S133_send_possible_on_a_dead_name)
{
    mach_port_t notify = kit_receive_right();
    mach_port_t dead = kit_dead_name();
    for (unsigned sync = 0; sync < 2; sync++) {
        kit_first_request(dead, POSSIBLE, sync, notify);
        ASSERT_EQ(dead, kit_expect_notification(notify, DEAD));
        ASSERT_EQ(sync + 2, kit_refs(dead, MACH_PORT_RIGHT_DEAD_NAME));
        ASSERT_EQ(MACH_PORT_TYPE_DEAD_NAME, kit_type_and_requests(dead));
    }
    kit_destroy(dead);
    kit_destroy(notify);
}

/* A send-possible request is a dead-name request besides, armed or not. */
TEST(S132_send_possible_hears_of_the_death)
{
    for (unsigned sync = 0; sync < 2; sync++) {
        mach_port_t notify = kit_receive_right();
        mach_port_t port = kit_port();
        kit_fill_queue(port, 5);
        kit_first_request(port, POSSIBLE, sync, notify);
        ASSERT_OK(mach_port_mod_refs(mach_task_self(), port, MACH_PORT_RIGHT_RECEIVE, -1));
        ASSERT_EQ(port, kit_expect_notification(notify, DEAD));
        ASSERT_EQ(2, kit_refs(port, MACH_PORT_RIGHT_DEAD_NAME));
        kit_expect_nothing(notify);
        kit_destroy(port);
        kit_destroy(notify);
    }
}

TEST(S132_send_possible_hears_of_the_death_of_the_owner)
{
    struct agent owner;
    mach_port_t notify = kit_receive_right();
    agent_start(&owner);
    mach_port_t port = agent_get(&owner, agent_allocate(&owner), MACH_MSG_TYPE_MAKE_SEND);
    kit_fill_queue(port, 5);
    kit_first_request(port, POSSIBLE, 1, notify);
    kit_stays_quiet(notify);
    agent_kill(&owner);
    ASSERT_EQ(port, kit_expect_notification(notify, DEAD));
    ASSERT_EQ(2, kit_refs(port, MACH_PORT_RIGHT_DEAD_NAME));
    agent_forget(&owner);
    kit_expect_nothing(notify);
    kit_destroy(port);
    kit_destroy(notify);
}

TEST(S132_send_possible_and_the_name_goes)
{
    mach_port_t notify = kit_receive_right();
    mach_port_t port = kit_port();
    kit_fill_queue(port, 5);
    kit_first_request(port, POSSIBLE, 1, notify);
    kit_destroy(port);
    ASSERT_EQ(port, kit_expect_notification(notify, DELETED));
    kit_expect_nothing(notify);
    kit_destroy(notify);
}

/* One name has one request, of whichever kind. */
TEST(S132_one_request_replaces_the_other)
{
    mach_port_t first = kit_receive_right();
    mach_port_t second = kit_receive_right();
    mach_port_t port = kit_port();
    kit_fill_queue(port, 5);
    kit_first_request(port, DEAD, 0, first);
    mach_port_t previous = kit_request(port, POSSIBLE, 1, second);
    ASSERT_EQ(MACH_PORT_TYPE_SEND_ONCE, kit_type(previous));
    kit_deallocate(previous);
    kit_expect_send_once_notification(first);
    previous = kit_request(port, DEAD, 0, first);
    kit_deallocate(previous);
    kit_expect_send_once_notification(second);
    kit_expect_plain(port, 0);
    kit_expect_nothing(second);
    ASSERT_OK(mach_port_mod_refs(mach_task_self(), port, MACH_PORT_RIGHT_RECEIVE, -1));
    ASSERT_EQ(port, kit_expect_notification(first, DEAD));
    kit_destroy(port);
    kit_destroy(first);
    kit_destroy(second);
}

TEST(S145_send_once_rights_can_always_send)
{
    mach_port_t notify = kit_receive_right();
    mach_port_t port = kit_port();
    kit_fill_queue(port, 5);
    mach_port_t once = kit_send_once(port);
    kit_first_request(once, POSSIBLE, 1, notify);
    expect_possible(notify, once);
    kit_destroy(port);
    kit_deallocate(once);
    kit_destroy(notify);
}

/* Port-destroyed: the receive right is sent to the notify port instead. */

enum { DESTROYED = 69 };

TEST(S137_receive_right_comes_to_the_notify_port)
{
    mach_port_t notify = kit_receive_right();
    mach_port_t port = kit_port();
    kit_fill_queue(port, 3);
    kit_first_request(port, DESTROYED, 0, notify);
    ASSERT_EQ(TRUE, kit_status(port).mps_pdrequest);
    ASSERT_OK(mach_port_mod_refs(mach_task_self(), port, MACH_PORT_RIGHT_RECEIVE, -1));
    ASSERT_EQ(MACH_PORT_TYPE_SEND, kit_type(port)); /* it lives */
    kit_send_plain(port, 3);
    ASSERT_EQ(port, kit_expect_port_destroyed(notify));
    ASSERT_EQ(MACH_PORT_TYPE_SEND_RECEIVE, kit_type(port));
    ASSERT_EQ(FALSE, kit_status(port).mps_pdrequest);
    for (int i = 0; i < 4; i++)
        kit_expect_plain(port, i);
    kit_expect_nothing(port);
    kit_expect_nothing(notify);
    kit_destroy(port); /* for good this time */
    kit_stays_quiet(notify);
    kit_destroy(notify);
}

TEST(S137_name_goes_whole_and_the_port_lives)
{
    mach_port_t notify = kit_receive_right();
    mach_port_t port = kit_port();
    kit_fill_queue(port, 2);
    kit_first_request(port, DESTROYED, 0, notify);
    kit_destroy(port);
    mach_port_t again = kit_expect_port_destroyed(notify);
    ASSERT_EQ(MACH_PORT_TYPE_RECEIVE, kit_type(again));
    kit_expect_plain(again, 0);
    kit_expect_plain(again, 1);
    kit_destroy(again);
    kit_destroy(notify);
}

TEST(S137_second_request_fails)
{
    mach_port_t notify = kit_receive_right();
    mach_port_t other = kit_receive_right();
    mach_port_t port = kit_port();
    kit_first_request(port, DESTROYED, 0, notify);
    kit_refused_request(KERN_FAILURE, port, DESTROYED, 0, other);
    kit_destroy(port);
    kit_destroy(kit_expect_port_destroyed(notify));
    kit_expect_nothing(other);
    kit_destroy(notify);
    kit_destroy(other);
}

TEST(S137_sync_must_be_zero)
{
    mach_port_t notify = kit_receive_right();
    mach_port_t port = kit_receive_right();
    kit_refused_request(KERN_INVALID_VALUE, port, DESTROYED, 1, notify);
    kit_refused_request(KERN_INVALID_NAME, kit_unknown_name(), DESTROYED, 0, notify);
    mach_port_t dead = kit_dead_name();
    kit_refused_request(KERN_INVALID_RIGHT, dead, DESTROYED, 0, notify);
    kit_destroy(dead);
    kit_destroy(port);
    kit_destroy(notify);
}

/* The notify port is another task's: the right moves there, and holders notice nothing. */
TEST(S137_receive_right_goes_to_another_task)
{
    struct agent saver;
    mach_port_t previous = 0xa5a5a5a5;
    mach_msg_id_t id = 0;
    mach_port_t port = kit_port();
    agent_start(&saver);
    mach_port_t theirs = agent_allocate(&saver);
    mach_port_t once = agent_get(&saver, theirs, MACH_MSG_TYPE_MAKE_SEND_ONCE);
    kit_fill_queue(port, 3);
    ASSERT_OK(mach_port_request_notification(mach_task_self(), port, DESTROYED, 0, once,
                                             MACH_MSG_TYPE_MOVE_SEND_ONCE, &previous));
    ASSERT_EQ(MACH_PORT_NULL, previous);
    ASSERT_OK(mach_port_mod_refs(mach_task_self(), port, MACH_PORT_RIGHT_RECEIVE, -1));
    ASSERT_EQ(MACH_PORT_TYPE_SEND, kit_type(port));
    kit_send_plain(port, 3);
    mach_port_t saved = agent_take_saved(&saver, theirs);
    for (int i = 0; i < 4; i++) {
        ASSERT_OK(agent_receive(&saver, saved, PATIENCE, &id));
        ASSERT_EQ(i, id);
    }
    kit_send_plain(port, 4);
    ASSERT_OK(agent_receive(&saver, saved, PATIENCE, &id));
    ASSERT_EQ(4, id);
    agent_destroy(&saver, saved);
    kit_wait_dead(port);
    kit_destroy(port);
    agent_end(&saver);
}

/* The task goes, its port is saved: that is how a service outlives its server. */
TEST(S137_owner_exits_and_its_port_lives)
{
    GATE_LINUX("a port is its task's memory, and goes with it");
    struct agent owner;
    mach_port_t notify = kit_receive_right();
    agent_start(&owner);
    mach_port_t theirs = agent_allocate(&owner);
    mach_port_t port = agent_get(&owner, theirs, MACH_MSG_TYPE_MAKE_SEND);
    agent_request(&owner, theirs, DESTROYED, 0, notify);
    agent_exit(&owner);
    ASSERT_EQ(port, kit_expect_port_destroyed(notify));
    ASSERT_EQ(MACH_PORT_TYPE_SEND_RECEIVE, kit_type(port));
    kit_send_plain(port, 2);
    kit_expect_plain(port, 2);
    agent_forget(&owner);
    kit_destroy(port);
    kit_destroy(notify);
}

/* The right of the request has its one message even so (S131). */
TEST(S131_port_destroyed_request_of_a_task_that_goes)
{
    GATE_DARWIN("the kernel saves the port");
    struct agent owner;
    mach_port_t notify = kit_receive_right();
    agent_start(&owner);
    mach_port_t theirs = agent_allocate(&owner);
    mach_port_t port = agent_get(&owner, theirs, MACH_MSG_TYPE_MAKE_SEND);
    agent_request(&owner, theirs, DESTROYED, 0, notify);
    agent_kill(&owner);
    kit_expect_send_once_notifications(notify, 1);
    kit_wait_dead(port);
    agent_forget(&owner);
    kit_destroy(port);
    kit_destroy(notify);
}

TEST(S137_notify_port_is_dead)
{
    mach_port_t notify = kit_receive_right();
    mach_port_t port = kit_port();
    kit_first_request(port, DESTROYED, 0, notify);
    kit_destroy(notify);
    ASSERT_OK(mach_port_mod_refs(mach_task_self(), port, MACH_PORT_RIGHT_RECEIVE, -1));
    ASSERT_EQ(MACH_PORT_TYPE_DEAD_NAME, kit_type(port)); /* nobody took it */
    kit_destroy(port);
}

TEST(S137_never_received)
{
    mach_port_t notify = kit_receive_right();
    mach_port_t port = kit_port();
    kit_first_request(port, DESTROYED, 0, notify);
    ASSERT_OK(mach_port_mod_refs(mach_task_self(), port, MACH_PORT_RIGHT_RECEIVE, -1));
    ASSERT_EQ(MACH_PORT_TYPE_SEND, kit_type(port));
    kit_destroy(notify); /* with the notification in its queue */
    kit_wait_dead(port);
    kit_destroy(port);
}

TEST(S137_together_with_other_requests)
{
    mach_port_t saved = kit_receive_right();
    mach_port_t unsent = kit_receive_right();
    mach_port_t dead = kit_receive_right();
    mach_port_t port = kit_port();
    kit_first_request(port, DESTROYED, 0, saved);
    kit_first_request(port, NONE_LEFT, 0, unsent);
    kit_first_request(port, DEAD, 0, dead);
    ASSERT_OK(mach_port_mod_refs(mach_task_self(), port, MACH_PORT_RIGHT_RECEIVE, -1));
    kit_stays_quiet(unsent); /* the request moves with the port (S122) */
    kit_expect_nothing(dead);
    ASSERT_EQ(port, kit_expect_port_destroyed(saved));
    kit_deallocate(port);
    ASSERT_EQ(0, kit_expect_notification(unsent, NONE_LEFT)); /* counted anew (S121) */
    kit_expect_nothing(dead);
    ASSERT_OK(mach_port_mod_refs(mach_task_self(), port, MACH_PORT_RIGHT_RECEIVE, -1));
    ASSERT_EQ(port, kit_expect_notification(dead, DELETED));
    kit_destroy(saved);
    kit_destroy(unsent);
    kit_destroy(dead);
}

/* What is told, and in which order, when a port dies. */

TEST(S138_no_senders_right_before_dead_names)
{
    mach_port_t notify = kit_receive_right();
    mach_port_t port = kit_port();
    kit_first_request(port, DEAD, 0, notify);
    kit_first_request(port, NONE_LEFT, 0, notify);
    ASSERT_OK(mach_port_mod_refs(mach_task_self(), port, MACH_PORT_RIGHT_RECEIVE, -1));
    struct plain_rcv received;
    ASSERT_OK(kit_receive(&received.header, sizeof(received), notify, 0, PATIENCE));
    ASSERT_EQ(71, received.header.msgh_id);
    ASSERT_EQ(port, kit_expect_notification(notify, DEAD));
    kit_expect_nothing(notify);
    kit_destroy(port);
    kit_destroy(notify);
}

TEST(S138_queued_messages_before_dead_names)
{
    mach_port_t notify = kit_receive_right();
    mach_port_t port = kit_port();
    kit_first_request(port, DEAD, 0, notify);
    kit_send_right(port, notify, MACH_MSG_TYPE_MAKE_SEND_ONCE); /* a right in the queue */
    ASSERT_OK(mach_port_mod_refs(mach_task_self(), port, MACH_PORT_RIGHT_RECEIVE, -1));
    struct plain_rcv received;
    ASSERT_OK(kit_receive(&received.header, sizeof(received), notify, 0, PATIENCE));
    ASSERT_EQ(71, received.header.msgh_id);
    ASSERT_EQ(port, kit_expect_notification(notify, DEAD));
    kit_expect_nothing(notify);
    kit_destroy(port);
    kit_destroy(notify);
}

/* Each kind once, as long as it is due: the receiving functions of the kit look at size and bits. */
TEST(S128_S129_S130_each_kind)
{
    mach_port_t notify = kit_receive_right();
    mach_port_t port = kit_port();
    mach_port_t other = kit_port();
    ASSERT_EQ(24 + 20, sizeof(mach_send_once_notification_t));
    ASSERT_EQ(36 + 20, sizeof(mach_port_deleted_notification_t));
    ASSERT_EQ(36 + 20, sizeof(mach_send_possible_notification_t));
    ASSERT_EQ(36 + 20, sizeof(mach_dead_name_notification_t));
    ASSERT_EQ(36 + 20, sizeof(mach_no_senders_notification_t));
    ASSERT_EQ(40 + 20, sizeof(mach_port_destroyed_notification_t));
    kit_deallocate(kit_send_once(notify));
    kit_expect_send_once_notifications(notify, 1);
    kit_first_request(port, 66, 1, notify);
    ASSERT_EQ(port, kit_expect_notification(notify, 66));
    kit_first_request(other, 72, 0, notify);
    kit_destroy(other);
    ASSERT_EQ(other, kit_expect_notification(notify, 65));
    kit_first_request(port, 69, 0, notify);
    kit_first_request(port, 72, 0, notify);
    ASSERT_OK(mach_port_mod_refs(mach_task_self(), port, MACH_PORT_RIGHT_RECEIVE, -1));
    ASSERT_EQ(port, kit_expect_port_destroyed(notify));
    ASSERT_OK(mach_port_mod_refs(mach_task_self(), port, MACH_PORT_RIGHT_RECEIVE, -1));
    ASSERT_EQ(port, kit_expect_notification(notify, 72));
    kit_destroy(port);
    port = kit_receive_right();
    kit_first_request(port, 70, 0, notify);
    ASSERT_EQ(0, kit_expect_notification(notify, 70));
    kit_destroy(port);
    kit_expect_nothing(notify);
    kit_destroy(notify);
}

/* Send-once notifications are the kernel's too. */
TEST(S88_send_once_notification_is_from_the_kernel)
{
    mach_port_t port = kit_receive_right();
    kit_deallocate(kit_send_once(port));
    kit_expect_send_once_notifications(port, 1);
    struct agent holder;
    agent_start(&holder);
    mach_port_t once = agent_give(&holder, port, MACH_MSG_TYPE_MAKE_SEND_ONCE);
    agent_deallocate(&holder, once);
    kit_expect_send_once_notifications(port, 1);
    (void)agent_give(&holder, port, MACH_MSG_TYPE_MAKE_SEND_ONCE);
    agent_kill(&holder);
    kit_expect_send_once_notifications(port, 1);
    agent_forget(&holder);
    kit_destroy(port);
}

TEST(S86_notifications_take_sequence_numbers)
{
    mach_port_t port = kit_port();
    mach_port_t dead = kit_dead_name();
    kit_send_plain(port, 1);
    kit_first_request(dead, POSSIBLE, 1, port);
    kit_expect_plain(port, 1);
    ASSERT_EQ(dead, kit_expect_notification(port, DEAD));
    ASSERT_EQ(2, kit_status(port).mps_seqno);
    kit_destroy(dead);
    kit_destroy(port);
}
