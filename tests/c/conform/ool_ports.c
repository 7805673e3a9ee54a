/* Out-of-line arrays of rights on their way: within a task, to another one, to a third.
 * Sections 1, 2 and 5. */
#include "harness/array_kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 16383 };

/* In one task: the same names come back, in order. */
static void in_one_task(unsigned count)
{
    mach_port_t carrier = kit_port();
    mach_port_t *names = kit_new_ports(count);
    ASSERT_OK(kit_send_array(carrier, names, count, MACH_MSG_TYPE_COPY_SEND));
    mach_port_t *seen = kit_take_array(carrier, count, MACH_MSG_TYPE_PORT_SEND);
    ASSERT_MEM(names, seen, count * sizeof(*names));
    for (unsigned i = 0; i < count; i++)
        ASSERT_EQ(2, kit_refs(names[i], MACH_PORT_RIGHT_SEND));
    kit_free_array(seen, count);
    ASSERT_OK(kit_send_array(carrier, names, count, MACH_MSG_TYPE_MOVE_SEND));
    ASSERT_OK(kit_send_array(carrier, names, count, MACH_MSG_TYPE_MAKE_SEND));
    for (int i = 0; i < 2; i++) {
        seen = kit_take_array(carrier, count, MACH_MSG_TYPE_PORT_SEND);
        ASSERT_MEM(names, seen, count * sizeof(*names));
        kit_free_array(seen, count);
    }
    for (unsigned i = 0; i < count; i++)
        ASSERT_EQ(3, kit_refs(names[i], MACH_PORT_RIGHT_SEND));
    kit_drop_ports(names, count);
    kit_destroy(carrier);
}

TEST(S50_none_in_one_task)
{
    in_one_task(0);
}

TEST(S50_one_in_one_task)
{
    in_one_task(1);
}

TEST(S50_some_in_one_task)
{
    in_one_task(128);
    in_one_task(253);
    in_one_task(254);
}

TEST(S50_a_thousand_in_one_task)
{
    in_one_task(1000);
}

TEST_FOR(S39_most_in_one_task, 60)
{
    in_one_task(MOST);
}

/* To another task, which sends to each port and gives them all back, as an array again. */
PEER(array_echo)
{
    struct kit_pair pair;
    kit_pair_join(&pair);
    unsigned count = (unsigned)strtoul(pair.argument, NULL, 10);
    mach_port_t *names = kit_take_array(pair.mine, count, MACH_MSG_TYPE_PORT_SEND);
    for (unsigned i = 0; i < count; i++) {
        if (i < 300 || i % 64 == 0) {
            ASSERT_EQ(MACH_PORT_TYPE_SEND, kit_type(names[i]));
            kit_send_plain(names[i], (mach_msg_id_t)i);
        }
    }
    ASSERT_OK(kit_send_array(pair.theirs, names, count, MACH_MSG_TYPE_MOVE_SEND));
    for (unsigned i = 0; i < count; i += 50)
        ASSERT(kit_is_gone(names[i]));
    kit_free_array(names, count);
    parent_hear();
    kit_pair_leave(&pair);
}

static void between_tasks(unsigned count)
{
    struct kit_pair pair;
    char text[16];
    mach_port_t *names = kit_new_ports(count);
    snprintf(text, sizeof(text), "%u", count);
    kit_pair_start(&pair, "array_echo", text);
    ASSERT_OK(kit_send_array(pair.theirs, names, count, MACH_MSG_TYPE_MOVE_SEND));
    for (unsigned i = 0; i < count; i += 50)
        ASSERT_EQ(MACH_PORT_TYPE_RECEIVE, kit_type(names[i]));
    mach_port_t *seen = kit_take_array(pair.mine, count, MACH_MSG_TYPE_PORT_SEND);
    ASSERT_MEM(names, seen, count * sizeof(*names));
    for (unsigned i = 0; i < count; i++)
        if (i < 300 || i % 64 == 0)
            kit_expect_plain(names[i], (mach_msg_id_t)i);
    kit_free_array(seen, count);
    peer_tell(&pair.peer);
    kit_pair_end(&pair);
    kit_drop_ports(names, count);
}

TEST(S50_none_between_tasks)
{
    between_tasks(0);
}

TEST(S50_one_between_tasks)
{
    between_tasks(1);
}

TEST(S50_a_hundred_and_twenty_eight_between_tasks)
{
    between_tasks(128);
}

TEST(S50_about_as_many_as_descriptors_fit_between_tasks)
{
    between_tasks(253);
    between_tasks(254);
}

TEST(S50_a_thousand_between_tasks)
{
    between_tasks(1000);
}

TEST_FOR(S39_most_between_tasks, 120)
{
    between_tasks(MOST);
}

/* Rights of the sender's peer, handed on to a third task. */
PEER(array_owner)
{
    struct kit_pair pair;
    kit_pair_join(&pair);
    unsigned count = (unsigned)strtoul(pair.argument, NULL, 10);
    mach_port_t *names = kit_new_names(count);
    for (unsigned i = 0; i < count; i++)
        names[i] = kit_receive_right();
    ASSERT_OK(kit_send_array(pair.theirs, names, count, MACH_MSG_TYPE_MAKE_SEND));
    for (unsigned i = 0; i < count; i++)
        kit_expect_plain(names[i], (mach_msg_id_t)i);
    parent_tell();
    parent_hear();
    kit_drop_ports(names, count);
    kit_pair_leave(&pair);
}

PEER(array_user)
{
    struct kit_pair pair;
    kit_pair_join(&pair);
    unsigned count = (unsigned)strtoul(pair.argument, NULL, 10);
    mach_port_t *names = kit_take_array(pair.mine, count, MACH_MSG_TYPE_PORT_SEND);
    for (unsigned i = 0; i < count; i++) {
        kit_send_plain(names[i], (mach_msg_id_t)i);
        kit_deallocate(names[i]);
    }
    kit_free_array(names, count);
    parent_tell();
    parent_hear();
    kit_pair_leave(&pair);
}

static void to_a_third_task(unsigned count)
{
    struct kit_pair owner;
    struct kit_pair user;
    char text[16];
    snprintf(text, sizeof(text), "%u", count);
    kit_pair_start(&owner, "array_owner", text);
    kit_pair_start(&user, "array_user", text);
    mach_port_t *names = kit_take_array(owner.mine, count, MACH_MSG_TYPE_PORT_SEND);
    ASSERT_OK(kit_send_array(user.theirs, names, count, MACH_MSG_TYPE_MOVE_SEND));
    ASSERT(kit_is_gone(names[0]));
    kit_free_array(names, count);
    peer_hear(&user.peer);
    peer_hear(&owner.peer);
    peer_tell(&user.peer);
    peer_tell(&owner.peer);
    kit_pair_end(&user);
    kit_pair_end(&owner);
}

TEST(S50_to_a_third_task)
{
    to_a_third_task(5);
}

TEST_FOR(S50_many_to_a_third_task, 60)
{
    to_a_third_task(300);
}

/* One port many times over: one name, many references. */
TEST(S50_the_same_right_many_times)
{
    enum { TIMES = 500 };
    mach_port_t names[TIMES];
    struct kit_pair pair;
    mach_port_t port = kit_port();
    kit_pair_start(&pair, "array_user_of_one", "500");
    for (int i = 0; i < TIMES; i++)
        names[i] = port;
    ASSERT_OK(kit_send_array(pair.theirs, names, TIMES, MACH_MSG_TYPE_COPY_SEND));
    ASSERT_EQ(1, kit_refs(port, MACH_PORT_RIGHT_SEND));
    kit_expect_plain(port, 1);
    kit_destroy(port);
    peer_tell(&pair.peer);
    kit_pair_end(&pair);
}

PEER(array_user_of_one)
{
    struct kit_pair pair;
    kit_pair_join(&pair);
    unsigned count = (unsigned)strtoul(pair.argument, NULL, 10);
    mach_port_t *names = kit_take_array(pair.mine, count, MACH_MSG_TYPE_PORT_SEND);
    for (unsigned i = 0; i < count; i++)
        ASSERT_EQ(names[0], names[i]);
    ASSERT_EQ(count, kit_refs(names[0], MACH_PORT_RIGHT_SEND));
    kit_send_plain(names[0], 1);
    kit_destroy(names[0]);
    kit_free_array(names, count);
    parent_hear();
    kit_pair_leave(&pair);
}

TEST(S50_send_once_rights)
{
    enum { COUNT = 40 };
    mach_port_t names[COUNT];
    mach_port_t carrier = kit_port();
    mach_port_t port = kit_receive_right();
    for (int i = 0; i < COUNT; i++)
        names[i] = port;
    ASSERT_OK(kit_send_array(carrier, names, COUNT, MACH_MSG_TYPE_MAKE_SEND_ONCE));
    mach_port_t *once = kit_take_array(carrier, COUNT, MACH_MSG_TYPE_PORT_SEND_ONCE);
    for (int i = 0; i < COUNT; i++) {
        ASSERT_EQ(MACH_PORT_TYPE_SEND_ONCE, kit_type(once[i]));
        for (int j = 0; j < i; j++)
            ASSERT_NE(once[j], once[i]);
    }
    ASSERT_EQ(COUNT, kit_status(port).mps_sorights);
    memcpy(names, once, sizeof(names));
    kit_free_array(once, COUNT);
    ASSERT_OK(kit_send_array(carrier, names, COUNT, MACH_MSG_TYPE_MOVE_SEND_ONCE));
    for (int i = 0; i < COUNT; i++)
        ASSERT(kit_is_gone(names[i]));
    kit_destroy(carrier); /* destroyed in the queue, each of them (S125, S131) */
    kit_expect_send_once_notifications(port, COUNT);
    kit_destroy(port);
}

TEST(S50_receive_rights)
{
    enum { COUNT = 40 };
    mach_port_t carrier = kit_port();
    mach_port_t *names = kit_new_ports(COUNT);
    for (int i = 0; i < COUNT; i++)
        kit_send_plain(names[i], i);
    ASSERT_OK(kit_send_array(carrier, names, COUNT, MACH_MSG_TYPE_MOVE_RECEIVE));
    for (int i = 0; i < COUNT; i++)
        ASSERT_EQ(MACH_PORT_TYPE_SEND, kit_type(names[i]));
    mach_port_t *seen = kit_take_array(carrier, COUNT, MACH_MSG_TYPE_PORT_RECEIVE);
    ASSERT_MEM(names, seen, COUNT * sizeof(*names));
    for (int i = 0; i < COUNT; i++)
        kit_expect_plain(names[i], i);
    kit_free_array(seen, COUNT);
    ASSERT_OK(kit_send_array(carrier, names, COUNT, MACH_MSG_TYPE_MOVE_RECEIVE));
    kit_destroy(carrier);
    for (int i = 0; i < COUNT; i++)
        kit_wait_dead(names[i]);
    kit_drop_ports(names, COUNT);
}

/* Rights in arrays keep their promises when tasks die (S125, S131, S134). */
PEER(array_holder)
{
    struct kit_pair pair;
    kit_pair_join(&pair);
    parent_hear();
    if (strcmp(pair.argument, "receives") == 0)
        (void)kit_take_array(pair.mine, 60, MACH_MSG_TYPE_PORT_SEND);
    parent_tell();
    parent_hear();
}

static void holder_is_killed(const char *how)
{
    struct kit_pair pair;
    mach_port_t notify = kit_receive_right();
    mach_port_t *names = kit_new_ports(60);
    kit_pair_start(&pair, "array_holder", how);
    for (int i = 0; i < 60; i++)
        kit_first_request(names[i], MACH_NOTIFY_NO_SENDERS, 0, notify);
    ASSERT_OK(kit_send_array(pair.theirs, names, 60, MACH_MSG_TYPE_MOVE_SEND));
    peer_tell(&pair.peer);
    peer_hear(&pair.peer);
    kit_stays_quiet(notify);
    peer_kill(&pair.peer);
    for (int i = 0; i < 60; i++)
        ASSERT_EQ(1, kit_expect_notification(notify, MACH_NOTIFY_NO_SENDERS));
    kit_pair_drop(&pair);
    kit_drop_ports(names, 60);
    kit_destroy(notify);
}

TEST(S125_holder_of_an_array_is_killed)
{
    holder_is_killed("receives");
}

TEST(S125_task_with_an_array_in_its_queue_is_killed)
{
    holder_is_killed("does not");
}

/* Receive rights in an array: the ports move, with what is queued in them. */
PEER(array_of_ports)
{
    enum { COUNT = 300 };
    struct kit_pair pair;
    kit_pair_join(&pair);
    mach_port_t *names = kit_take_array(pair.mine, COUNT, MACH_MSG_TYPE_PORT_RECEIVE);
    for (int i = 0; i < COUNT; i++) {
        kit_expect_plain(names[i], i);
        kit_expect_plain(names[i], i + 1);
        kit_destroy(names[i]);
    }
    kit_free_array(names, COUNT);
    parent_tell();
    kit_pair_leave(&pair);
}

TEST_FOR(S121_array_of_receive_rights, 60)
{
    enum { COUNT = 300 };
    struct kit_pair pair;
    mach_port_t *names = kit_new_ports(COUNT);
    kit_pair_start(&pair, "array_of_ports", "");
    for (int i = 0; i < COUNT; i++)
        kit_send_plain(names[i], i);
    ASSERT_OK(kit_send_array(pair.theirs, names, COUNT, MACH_MSG_TYPE_MOVE_RECEIVE));
    for (int i = 0; i < COUNT; i++)
        kit_send_plain(names[i], i + 1);
    peer_hear(&pair.peer);
    for (int i = 0; i < COUNT; i++)
        kit_wait_dead(names[i]);
    kit_drop_ports(names, COUNT);
    kit_pair_end(&pair);
}
