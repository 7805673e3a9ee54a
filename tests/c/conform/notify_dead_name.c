/* Requests for dead-name notifications: what fires them, when, with what, and what they do to
 * the name. Section 5. */
#include "harness/port_kit.h"

#include <string.h>

enum { DELETED = 65, DEAD = 72 };

/* The notification is there, and the name has one reference more on its account. */
static void expect_dead(mach_port_t notify, mach_port_t name, unsigned refs)
{
    ASSERT_EQ(name, kit_expect_notification(notify, DEAD));
    ASSERT_EQ(MACH_PORT_TYPE_DEAD_NAME, kit_type_and_requests(name));
    ASSERT_EQ(refs, kit_refs(name, MACH_PORT_RIGHT_DEAD_NAME));
}

static void drop_receive(mach_port_t name)
{
    ASSERT_OK(mach_port_mod_refs(mach_task_self(), name, MACH_PORT_RIGHT_RECEIVE, -1));
}

TEST(S132_port_dies_in_the_same_task)
{
    mach_port_t notify = kit_receive_right();
    mach_port_t port = kit_port();
    kit_first_request(port, DEAD, 0, notify);
    ASSERT_EQ(MACH_PORT_TYPE_SEND_RECEIVE | MACH_PORT_TYPE_DNREQUEST, kit_type_and_requests(port));
    ASSERT_EQ(1, kit_status(notify).mps_sorights);
    kit_expect_nothing(notify);
    drop_receive(port);
    expect_dead(notify, port, 2);
    kit_deallocate(port);
    kit_deallocate(port);
    ASSERT(kit_is_gone(port));
    ASSERT_EQ(0, kit_status(notify).mps_sorights);
    kit_expect_nothing(notify);
    kit_destroy(notify);
}

TEST(S112_without_a_request_there_is_no_extra_reference)
{
    mach_port_t port = kit_port();
    drop_receive(port);
    ASSERT_EQ(1, kit_refs(port, MACH_PORT_RIGHT_DEAD_NAME));
    kit_deallocate(port);
    ASSERT(kit_is_gone(port));
}

TEST(S132_name_goes_with_the_port)
{
    mach_port_t notify = kit_receive_right();
    mach_port_t both = kit_port();
    kit_first_request(both, DEAD, 0, notify);
    kit_destroy(both); /* the name goes whole (S112) */
    ASSERT_EQ(both, kit_expect_notification(notify, DELETED));
    mach_port_t alone = kit_receive_right();
    kit_first_request(alone, DEAD, 0, notify);
    drop_receive(alone); /* no send right is left to become a dead name */
    ASSERT_EQ(alone, kit_expect_notification(notify, DELETED));
    kit_expect_nothing(notify);
    kit_destroy(notify);
}

/* A port of another task, whose death is told by nothing but the notification. */
static void port_of_another_task(void (*end)(struct agent *, mach_port_t))
{
    struct agent owner;
    mach_port_t notify = kit_receive_right();
    agent_start(&owner);
    mach_port_t theirs = agent_allocate(&owner);
    mach_port_t port = agent_get(&owner, theirs, MACH_MSG_TYPE_MAKE_SEND);
    for (int i = 0; i < 2; i++)
        ASSERT_EQ(port, agent_get(&owner, theirs, MACH_MSG_TYPE_MAKE_SEND));
    kit_first_request(port, DEAD, 0, notify);
    ASSERT_EQ(MACH_PORT_TYPE_SEND | MACH_PORT_TYPE_DNREQUEST, kit_type_and_requests(port));
    kit_stays_quiet(notify);
    end(&owner, theirs);
    expect_dead(notify, port, 4);
    kit_expect_nothing(notify);
    ASSERT_CODE(MACH_SEND_INVALID_DEST, kit_try_plain(port, MACH_MSG_TYPE_COPY_SEND, 1, 0));
    ASSERT_OK(mach_port_mod_refs(mach_task_self(), port, MACH_PORT_RIGHT_DEAD_NAME, -4));
    ASSERT(kit_is_gone(port));
    agent_forget(&owner);
    kit_destroy(notify);
}

static void by_destroying_and_leaving(struct agent *owner, mach_port_t theirs)
{
    agent_destroy(owner, theirs);
    agent_exit(owner);
}

static void by_exit(struct agent *owner, mach_port_t theirs)
{
    (void)theirs;
    agent_exit(owner);
}

static void by_kill(struct agent *owner, mach_port_t theirs)
{
    (void)theirs;
    agent_kill(owner);
}

TEST(S132_owner_destroys_its_port)
{
    port_of_another_task(by_destroying_and_leaving);
}

TEST(S132_owner_exits)
{
    port_of_another_task(by_exit);
}

TEST(S132_owner_is_killed)
{
    port_of_another_task(by_kill);
}

/* The owner lives: its death is not what is noticed. */
TEST(S132_owner_lives_on)
{
    struct agent owner;
    mach_port_t notify = kit_receive_right();
    agent_start(&owner);
    for (int i = 0; i < 5; i++) {
        mach_port_t theirs = agent_allocate(&owner);
        mach_port_t port = agent_get(&owner, theirs, MACH_MSG_TYPE_MAKE_SEND);
        kit_first_request(port, DEAD, 0, notify);
        agent_destroy(&owner, theirs);
        expect_dead(notify, port, 2);
        kit_destroy(port);
    }
    kit_expect_nothing(notify);
    agent_end(&owner);
    kit_destroy(notify);
}

TEST(S132_each_requester_is_told)
{
    struct agent first;
    struct agent second;
    mach_port_t notify[3];
    for (int i = 0; i < 3; i++)
        notify[i] = kit_receive_right();
    agent_start(&first);
    agent_start(&second);
    mach_port_t port = kit_port();
    mach_port_t at_first = agent_give(&first, port, MACH_MSG_TYPE_MAKE_SEND);
    mach_port_t at_second = agent_give(&second, port, MACH_MSG_TYPE_MAKE_SEND);
    kit_first_request(port, DEAD, 0, notify[0]);
    agent_request(&first, at_first, DEAD, 0, notify[1]);
    agent_request(&second, at_second, DEAD, 0, notify[2]);
    for (int i = 0; i < 3; i++)
        kit_stays_quiet(notify[i]);
    drop_receive(port);
    expect_dead(notify[0], port, 2);
    /* The name is the requester's, whoever holds the notify port. */
    ASSERT_EQ(at_first, kit_expect_notification(notify[1], DEAD));
    ASSERT_EQ(at_second, kit_expect_notification(notify[2], DEAD));
    ASSERT_EQ(2, agent_refs(&first, at_first, MACH_PORT_RIGHT_DEAD_NAME));
    ASSERT_EQ(2, agent_refs(&second, at_second, MACH_PORT_RIGHT_DEAD_NAME));
    kit_destroy(port);
    agent_end(&first);
    agent_end(&second);
    for (int i = 0; i < 3; i++) {
        kit_expect_nothing(notify[i]);
        kit_destroy(notify[i]);
    }
}

TEST(S132_requester_lets_go_first)
{
    struct agent owner;
    mach_port_t notify = kit_receive_right();
    agent_start(&owner);
    mach_port_t theirs = agent_allocate(&owner);
    mach_port_t port = agent_get(&owner, theirs, MACH_MSG_TYPE_MAKE_SEND);
    ASSERT_EQ(port, agent_get(&owner, theirs, MACH_MSG_TYPE_MAKE_SEND));
    kit_first_request(port, DEAD, 0, notify);
    kit_deallocate(port);
    kit_expect_nothing(notify); /* one reference is left */
    kit_deallocate(port);
    ASSERT_EQ(port, kit_expect_notification(notify, DELETED));
    agent_destroy(&owner, theirs);
    kit_stays_quiet(notify);
    agent_end(&owner);
    kit_destroy(notify);
}

/* Every way in which a name can go. */
TEST(S132_deleted_however_the_name_goes)
{
    struct agent owner;
    mach_port_t notify = kit_receive_right();
    agent_start(&owner);
    mach_port_t theirs = agent_allocate(&owner);
    mach_port_t port = agent_get(&owner, theirs, MACH_MSG_TYPE_MAKE_SEND);
    kit_first_request(port, DEAD, 0, notify);
    ASSERT_OK(mach_port_mod_refs(mach_task_self(), port, MACH_PORT_RIGHT_SEND, -1));
    ASSERT_EQ(port, kit_expect_notification(notify, DELETED));
    port = agent_get(&owner, theirs, MACH_MSG_TYPE_MAKE_SEND);
    kit_first_request(port, DEAD, 0, notify);
    kit_destroy(port);
    ASSERT_EQ(port, kit_expect_notification(notify, DELETED));
    port = agent_get(&owner, theirs, MACH_MSG_TYPE_MAKE_SEND);
    kit_first_request(port, DEAD, 0, notify);
    ASSERT_OK(kit_try_plain(port, MACH_MSG_TYPE_MOVE_SEND, 1, PATIENCE)); /* as a destination */
    ASSERT_EQ(port, kit_expect_notification(notify, DELETED));
    port = agent_get(&owner, theirs, MACH_MSG_TYPE_MAKE_SEND);
    ASSERT_EQ(port, agent_get(&owner, theirs, MACH_MSG_TYPE_MAKE_SEND));
    kit_first_request(port, DEAD, 0, notify);
    (void)agent_give(&owner, port, MACH_MSG_TYPE_MOVE_SEND); /* in a body; one more is left */
    kit_expect_nothing(notify);
    (void)agent_give(&owner, port, MACH_MSG_TYPE_MOVE_SEND);
    ASSERT_EQ(port, kit_expect_notification(notify, DELETED));
    kit_expect_nothing(notify);
    agent_end(&owner);
    kit_destroy(notify);
}

TEST(S132_send_once_rights_too)
{
    mach_port_t notify = kit_receive_right();
    mach_port_t port = kit_receive_right();
    mach_port_t used = kit_send_once(port);
    mach_port_t kept = kit_send_once(port);
    kit_first_request(used, DEAD, 0, notify);
    kit_first_request(kept, DEAD, 0, notify);
    ASSERT_EQ(MACH_PORT_TYPE_SEND_ONCE | MACH_PORT_TYPE_DNREQUEST, kit_type_and_requests(kept));
    ASSERT_OK(kit_try_plain(used, MACH_MSG_TYPE_MOVE_SEND_ONCE, 1, 0));
    ASSERT_EQ(used, kit_expect_notification(notify, DELETED));
    kit_destroy(port);
    expect_dead(notify, kept, 2);
    kit_destroy(kept);
    kit_destroy(notify);
}

TEST(S132_send_once_right_of_another_task)
{
    struct agent owner;
    mach_port_t notify = kit_receive_right();
    agent_start(&owner);
    mach_port_t theirs = agent_allocate(&owner);
    mach_port_t once = agent_get(&owner, theirs, MACH_MSG_TYPE_MAKE_SEND_ONCE);
    kit_first_request(once, DEAD, 0, notify);
    agent_destroy(&owner, theirs);
    expect_dead(notify, once, 2);
    kit_destroy(once);
    agent_end(&owner);
    kit_destroy(notify);
}

TEST(S133_on_a_dead_name)
{
    mach_port_t notify = kit_receive_right();
    mach_port_t dead = kit_dead_name();
    for (unsigned sync = 0; sync < 2; sync++)
        kit_refused_request(KERN_INVALID_ARGUMENT, dead, DEAD, sync, notify);
    kit_first_request(dead, DEAD, 0, MACH_PORT_NULL); /* nothing to cancel */
    ASSERT_EQ(1, kit_refs(dead, MACH_PORT_RIGHT_DEAD_NAME));
    ASSERT_EQ(0, kit_status(notify).mps_sorights);
    kit_destroy(dead);
    kit_destroy(notify);
}

/* The same for a right whose port died without its holder having noticed. */
TEST(S133_on_a_name_that_died_meanwhile)
{
    struct agent owner;
    mach_port_t notify = kit_receive_right();
    agent_start(&owner);
    mach_port_t theirs = agent_allocate(&owner);
    mach_port_t port = agent_get(&owner, theirs, MACH_MSG_TYPE_MAKE_SEND);
    agent_destroy(&owner, theirs);
    kit_wait_dead(port);
    kit_refused_request(KERN_INVALID_ARGUMENT, port, DEAD, 0, notify);
    kit_destroy(port);
    agent_end(&owner);
    kit_destroy(notify);
}

TEST(S132_names_that_cannot_be_asked_about)
{
    mach_port_t notify = kit_receive_right();
    mach_port_t set = kit_port_set();
    mach_port_t unknown = kit_unknown_name();
    kit_refused_request(KERN_INVALID_NAME, unknown, DEAD, 0, notify);
    kit_refused_request(KERN_INVALID_ARGUMENT, MACH_PORT_NULL, DEAD, 0, notify);
    kit_refused_request(KERN_INVALID_ARGUMENT, MACH_PORT_DEAD, DEAD, 0, notify);
    kit_refused_request(KERN_INVALID_RIGHT, set, DEAD, 0, notify);
    kit_refused_request(KERN_INVALID_VALUE, notify, 64, 0, notify);
    kit_refused_request(KERN_INVALID_VALUE, notify, 71, 0, notify);
    kit_refused_request(KERN_INVALID_VALUE, notify, 0, 0, notify);
    /* Requests that failed have kept nothing. */
    kit_destroy(set);
    ASSERT_EQ(MACH_PORT_TYPE_RECEIVE, kit_type_and_requests(notify));
    kit_destroy(notify);
}

/* A request replaces the one before it, which comes back as the send-once right it was. */
TEST(S132_request_before_comes_back)
{
    mach_port_t first = kit_receive_right();
    mach_port_t second = kit_receive_right();
    mach_port_t port = kit_port();
    kit_first_request(port, DEAD, 0, first);
    mach_port_t previous = kit_request(port, DEAD, 0, second);
    ASSERT_EQ(MACH_PORT_TYPE_SEND_ONCE, kit_type(previous));
    ASSERT_OK(kit_try_plain(previous, MACH_MSG_TYPE_MOVE_SEND_ONCE, 33, 0));
    kit_expect_plain(first, 33);
    drop_receive(port);
    expect_dead(second, port, 2);
    kit_expect_nothing(first);
    kit_destroy(port);
    kit_destroy(first);
    kit_destroy(second);
}

TEST(S132_request_is_cancelled)
{
    mach_port_t notify = kit_receive_right();
    mach_port_t port = kit_port();
    kit_first_request(port, DEAD, 0, MACH_PORT_NULL);
    kit_first_request(port, DEAD, 0, notify);
    mach_port_t previous = kit_request(port, DEAD, 0, MACH_PORT_NULL);
    ASSERT_EQ(MACH_PORT_TYPE_SEND_ONCE, kit_type(previous));
    ASSERT_EQ(MACH_PORT_TYPE_SEND_RECEIVE, kit_type_and_requests(port));
    kit_expect_nothing(notify);
    kit_deallocate(previous);
    kit_expect_send_once_notification(notify); /* of the right itself (S131) */
    drop_receive(port);
    ASSERT_EQ(1, kit_refs(port, MACH_PORT_RIGHT_DEAD_NAME));
    kit_expect_nothing(notify);
    kit_destroy(port);
    kit_destroy(notify);
}

TEST(S130_many_in_a_full_queue)
{
    enum { MANY = 300 };
    static mach_port_t ports[MANY];
    static bool told[MANY];
    mach_port_t notify = kit_port();
    kit_fill_queue(notify, 5);
    for (int i = 0; i < MANY; i++) {
        ports[i] = kit_port();
        kit_first_request(ports[i], DEAD, 0, notify);
    }
    ASSERT_EQ(MANY, kit_status(notify).mps_sorights);
    for (int i = 0; i < MANY; i++)
        drop_receive(ports[i]);
    for (int i = 0; i < 5; i++)
        kit_expect_plain(notify, i);
    for (int i = 0; i < MANY; i++) {
        natural_t name = kit_expect_notification(notify, DEAD);
        for (int j = 0; j < MANY; j++) {
            if (ports[j] == name) {
                ASSERT(!told[j]);
                told[j] = true;
            }
        }
    }
    for (int i = 0; i < MANY; i++) {
        ASSERT(told[i]);
        kit_destroy(ports[i]);
    }
    kit_expect_nothing(notify);
    kit_destroy(notify);
}

/* Nobody is left to be told; the reference is added all the same. */
TEST(S132_notify_port_has_died)
{
    mach_port_t notify = kit_receive_right();
    mach_port_t port = kit_port();
    kit_first_request(port, DEAD, 0, notify);
    kit_destroy(notify);
    drop_receive(port);
    ASSERT_EQ(2, kit_refs(port, MACH_PORT_RIGHT_DEAD_NAME));
    kit_destroy(port);
}

TEST(S109_extra_reference_stays_at_the_maximum)
{
    mach_port_t notify = kit_receive_right();
    mach_port_t port = kit_port();
    ASSERT_OK(mach_port_mod_refs(mach_task_self(), port, MACH_PORT_RIGHT_SEND, 65534));
    ASSERT_EQ(65535, kit_refs(port, MACH_PORT_RIGHT_SEND));
    kit_first_request(port, DEAD, 0, notify);
    drop_receive(port);
    expect_dead(notify, port, 65535);
    kit_destroy(port);
    kit_destroy(notify);
}

/* The notify port is another task's, and the right to it was received from there. */
TEST(S132_notify_port_of_another_task)
{
    struct agent other;
    mach_msg_id_t id = 0;
    mach_port_t previous = 0xa5a5a5a5;
    mach_port_t port = kit_port();
    agent_start(&other);
    mach_port_t theirs = agent_allocate(&other);
    mach_port_t once = agent_get(&other, theirs, MACH_MSG_TYPE_MAKE_SEND_ONCE);
    ASSERT_OK(mach_port_request_notification(mach_task_self(), port, DEAD, 0, once,
                                             MACH_MSG_TYPE_MOVE_SEND_ONCE, &previous));
    ASSERT_EQ(MACH_PORT_NULL, previous);
    ASSERT(kit_is_gone(once));
    drop_receive(port);
    ASSERT_OK(agent_receive(&other, theirs, PATIENCE, &id));
    ASSERT_EQ(DEAD, id);
    ASSERT_CODE(MACH_RCV_TIMED_OUT, agent_receive(&other, theirs, 0, &id));
    kit_destroy(port);
    agent_end(&other);
}

/* The requester goes: its names go first (65), or its send-once right does (71). */
static void requester_goes(void (*end)(struct agent *))
{
    struct agent holder;
    struct plain_rcv received;
    mach_port_t notify = kit_receive_right();
    mach_port_t port = kit_receive_right();
    agent_start(&holder);
    mach_port_t theirs = agent_give(&holder, port, MACH_MSG_TYPE_MAKE_SEND);
    agent_request(&holder, theirs, DEAD, 0, notify);
    end(&holder);
    ASSERT_OK(kit_receive(&received.header, sizeof(received), notify, 0, PATIENCE));
    ASSERT(received.header.msgh_id == DELETED || received.header.msgh_id == 71);
    agent_forget(&holder);
    kit_expect_nothing(notify);
    kit_destroy(port);
    kit_stays_quiet(notify);
    kit_destroy(notify);
}

TEST(S142_requester_exits)
{
    requester_goes(agent_exit);
}

TEST(S142_requester_is_killed)
{
    requester_goes(agent_kill);
}

/* The right is asked about, passed on and used again: the request stays with the name. */
TEST(S132_request_stays_while_the_name_does)
{
    mach_port_t notify = kit_receive_right();
    mach_port_t port = kit_port();
    kit_first_request(port, DEAD, 0, notify);
    kit_deallocate(port); /* the send right; the name stands for the receive right still */
    ASSERT_EQ(MACH_PORT_TYPE_RECEIVE | MACH_PORT_TYPE_DNREQUEST, kit_type_and_requests(port));
    kit_expect_nothing(notify);
    ASSERT_OK(mach_port_insert_right(mach_task_self(), port, port, MACH_MSG_TYPE_MAKE_SEND));
    kit_send_plain(port, 3);
    kit_expect_plain(port, 3);
    drop_receive(port);
    expect_dead(notify, port, 2);
    kit_destroy(port);
    kit_destroy(notify);
}
