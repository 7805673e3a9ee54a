/* Receive rights that move from task to task, in more roundabout ways: chains, send-once rights,
 * rights passed on afterwards, queues with rights in them. Section 5: S105, S121 to S125, S131. */
#include "harness/port_kit.h"

#include <string.h>

enum { NONE_LEFT = 70, RECEIVE = MACH_MSG_TYPE_MOVE_RECEIVE, CHAIN = 4 };

/* From task to task and home again; each one sleeps, dies or stays once it has passed it on. */
static void along_a_chain(void (*afterwards)(struct agent *), bool sends_between)
{
    struct agent agents[CHAIN];
    struct agent_route ways[CHAIN];
    struct agent holder;
    mach_port_t home = kit_port();
    mach_port_t names[CHAIN + 1];
    int number = 0;
    int seen = 0;
    mach_port_t port = kit_port();
    agent_start(&holder);
    mach_port_t held = agent_give(&holder, port, MACH_MSG_TYPE_MAKE_SEND);
    for (int i = 0; i < CHAIN; i++)
        agent_start(&agents[i]);
    for (int i = 0; i + 1 < CHAIN; i++)
        agent_introduce(&ways[i], &agents[i], &agents[i + 1]);
    mach_port_t back = agent_give(&agents[CHAIN - 1], home, MACH_MSG_TYPE_MAKE_SEND);
    agent_sends(&holder, held, number++);
    names[0] = agent_give(&agents[0], port, RECEIVE);
    for (int i = 0; i + 1 < CHAIN; i++) {
        if (sends_between)
            agent_sends(&holder, held, number++);
        names[i + 1] = agent_pass(&ways[i], names[i], RECEIVE);
        if (afterwards != NULL)
            afterwards(&agents[i]);
        if (sends_between) {
            kit_send_plain(port, number++);
            agent_expect(&agents[i + 1], names[i + 1], seen, number - seen);
            seen = number;
        }
    }
    agent_sends(&holder, held, number++);
    ASSERT_OK(agent_send_right(&agents[CHAIN - 1], back, names[CHAIN - 1], RECEIVE));
    ASSERT_EQ(port, kit_take_right(home, MACH_MSG_TYPE_PORT_RECEIVE));
    if (afterwards != NULL)
        afterwards(&agents[CHAIN - 1]);
    agent_sends(&holder, held, number++);
    for (; seen < number; seen++)
        kit_expect_plain(port, seen);
    kit_expect_nothing(port);
    agent_end(&holder);
    for (int i = 0; i < CHAIN; i++) {
        if (afterwards == agent_sleep)
            agent_kill(&agents[i]);
        if (afterwards != NULL)
            agent_forget(&agents[i]);
        else
            agent_end(&agents[i]);
    }
    kit_destroy(port);
    kit_destroy(home);
}

TEST(S121_chain)
{
    along_a_chain(NULL, true);
}

TEST(S121_chain_of_those_who_exit)
{
    along_a_chain(agent_exit, true);
}

TEST(S121_chain_of_those_who_are_killed)
{
    along_a_chain(agent_kill, true);
}

TEST(S121_chain_of_those_who_sleep)
{
    along_a_chain(agent_sleep, true);
}

/* The holder learns of all the moves at once. */
TEST(S121_chain_unnoticed)
{
    along_a_chain(NULL, false);
}

TEST(S121_chain_unnoticed_of_those_who_sleep)
{
    along_a_chain(agent_sleep, false);
}

TEST(S121_chain_unnoticed_of_those_who_are_killed)
{
    along_a_chain(agent_kill, false);
}

/* The holder is the new owner: one name for both rights. */
TEST(S105_a_holder_takes_it)
{
    struct agent holder;
    mach_port_t port = kit_port();
    agent_start(&holder);
    mach_port_t held = agent_give(&holder, port, MACH_MSG_TYPE_MAKE_SEND);
    agent_sends(&holder, held, 0);
    agent_sends(&holder, held, 1); /* it will receive what it sent itself */
    ASSERT_EQ(held, agent_give(&holder, port, RECEIVE));
    ASSERT_EQ(MACH_PORT_TYPE_SEND_RECEIVE, agent_type(&holder, held));
    agent_sends(&holder, held, 2);
    kit_send_plain(port, 3);
    agent_expect(&holder, held, 0, 4);
    kit_deallocate(port);
    agent_sends(&holder, held, 4);
    agent_expect(&holder, held, 4, 1);
    agent_end(&holder);
}

/* Send-once rights made before the move lead to the new owner. */
static void send_once_rights(void (*end)(struct agent *))
{
    struct agent owner;
    struct agent taker;
    struct agent holder;
    struct agent_route way;
    mach_msg_id_t id = 0;
    agent_start(&owner);
    agent_start(&taker);
    agent_start(&holder);
    agent_introduce(&way, &owner, &taker);
    mach_port_t owned = agent_allocate(&owner);
    mach_port_t ours = agent_get(&owner, owned, MACH_MSG_TYPE_MAKE_SEND_ONCE);
    mach_port_t used = agent_give(&holder, agent_get(&owner, owned, MACH_MSG_TYPE_MAKE_SEND_ONCE),
                                  MACH_MSG_TYPE_MOVE_SEND_ONCE);
    mach_port_t dropped = agent_give(&holder,
                                     agent_get(&owner, owned, MACH_MSG_TYPE_MAKE_SEND_ONCE),
                                     MACH_MSG_TYPE_MOVE_SEND_ONCE);
    (void)agent_give(&holder, agent_get(&owner, owned, MACH_MSG_TYPE_MAKE_SEND_ONCE),
                     MACH_MSG_TYPE_MOVE_SEND_ONCE); /* dies with the holder */
    mach_port_t taken = agent_pass(&way, owned, RECEIVE);
    end(&owner);
    ASSERT_EQ(4, agent_status(&taker, taken).mps_sorights);
    ASSERT_OK(kit_try_plain(ours, MACH_MSG_TYPE_MOVE_SEND_ONCE, 1, PATIENCE));
    agent_expect(&taker, taken, 1, 1);
    ASSERT_OK(agent_send(&holder, used, MACH_MSG_TYPE_MOVE_SEND_ONCE, 2, PATIENCE));
    agent_expect(&taker, taken, 2, 1);
    agent_deallocate(&holder, dropped);
    ASSERT_OK(agent_receive(&taker, taken, PATIENCE, &id));
    ASSERT_EQ(71, id);
    agent_kill(&holder);
    ASSERT_OK(agent_receive(&taker, taken, PATIENCE, &id));
    ASSERT_EQ(71, id);
    ASSERT_CODE(MACH_RCV_TIMED_OUT, agent_receive(&taker, taken, 0, &id));
    ASSERT_EQ(0, agent_status(&taker, taken).mps_sorights);
    agent_forget(&holder);
    agent_end(&taker);
}

TEST(S131_send_once_rights_lead_to_the_new_owner)
{
    send_once_rights(agent_end);
}

static void kill_and_forget(struct agent *agent)
{
    agent_kill(agent);
    agent_forget(agent);
}

TEST(S131_send_once_rights_lead_on_when_the_old_owner_is_killed)
{
    send_once_rights(kill_and_forget);
}

/* A holder hands its right on after the move, while the old owner sleeps or is gone. */
static void passed_on(void (*before)(struct agent *), bool forget)
{
    struct agent owner;
    struct agent taker;
    struct agent holder;
    struct agent third;
    struct agent_route way;
    struct agent_route on;
    mach_port_t notify = kit_receive_right();
    agent_start(&owner);
    agent_start(&taker);
    agent_start(&holder);
    agent_start(&third);
    agent_introduce(&way, &owner, &taker);
    agent_introduce(&on, &holder, &third);
    mach_port_t owned = agent_allocate(&owner);
    mach_port_t held = agent_give(&holder, agent_get(&owner, owned, MACH_MSG_TYPE_MAKE_SEND),
                                  MACH_MSG_TYPE_MOVE_SEND);
    agent_request(&owner, owned, NONE_LEFT, 0, notify);
    mach_port_t taken = agent_pass(&way, owned, RECEIVE);
    before(&owner);
    mach_port_t copied = agent_pass(&on, held, MACH_MSG_TYPE_COPY_SEND);
    agent_sends(&third, copied, 1);
    agent_expect(&taker, taken, 1, 1);
    agent_sends(&holder, held, 2);
    agent_expect(&taker, taken, 2, 1);
    agent_deallocate(&holder, held);
    agent_sends(&third, copied, 3);
    agent_expect(&taker, taken, 3, 1);
    kit_stays_quiet(notify);
    agent_kill(&third);
    ASSERT_EQ(0, kit_expect_notification(notify, NONE_LEFT));
    kit_expect_nothing(notify);
    if (!forget)
        agent_kill(&owner);
    agent_forget(&owner);
    agent_forget(&third);
    agent_end(&holder);
    agent_end(&taker);
    kit_destroy(notify);
}

TEST(S121_right_passed_on_after_the_move)
{
    passed_on(agent_exit, true);
}

TEST(S121_right_passed_on_while_the_old_owner_sleeps)
{
    passed_on(agent_sleep, false);
}

TEST(S121_right_passed_on_after_the_old_owner_was_killed)
{
    passed_on(agent_kill, true);
}

/* A right that is itself on its way to a third task when its port moves. */
TEST(S121_right_on_its_way_when_the_port_moves)
{
    struct agent owner;
    struct agent taker;
    struct agent holder;
    struct agent third;
    struct agent_route way;
    struct agent_route on;
    agent_start(&owner);
    agent_start(&taker);
    agent_start(&holder);
    agent_start(&third);
    agent_introduce(&way, &owner, &taker);
    agent_introduce(&on, &holder, &third);
    mach_port_t owned = agent_allocate(&owner);
    mach_port_t held = agent_give(&holder, agent_get(&owner, owned, MACH_MSG_TYPE_MAKE_SEND),
                                  MACH_MSG_TYPE_MOVE_SEND);
    ASSERT_OK(agent_send_right(&holder, on.out, held, MACH_MSG_TYPE_MOVE_SEND));
    mach_port_t taken = agent_pass(&way, owned, RECEIVE);
    agent_kill(&owner);
    mach_port_t passed = agent_take(&third, on.in, MACH_MSG_TYPE_PORT_SEND);
    agent_sends(&third, passed, 1);
    agent_expect(&taker, taken, 1, 1);
    agent_destroy(&taker, taken);
    for (int i = 0; agent_type(&third, passed) != MACH_PORT_TYPE_DEAD_NAME; i++)
        ASSERT(i < 1000);
    agent_forget(&owner);
    agent_end(&holder);
    agent_end(&third);
    agent_end(&taker);
}

/* Rights in the queue that moves. */
TEST(S123_messages_keep_their_rights_in_another_task)
{
    struct agent taker;
    mach_port_t port = kit_port();
    mach_port_t sent = kit_receive_right();
    mach_port_t reply = kit_receive_right();
    agent_start(&taker);
    kit_send_right(port, sent, MACH_MSG_TYPE_MAKE_SEND);
    kit_send_right(port, reply, MACH_MSG_TYPE_MAKE_SEND_ONCE);
    mach_port_t theirs = agent_give(&taker, port, RECEIVE);
    kit_send_right(port, sent, MACH_MSG_TYPE_MAKE_SEND);
    mach_port_t name = agent_take(&taker, theirs, MACH_MSG_TYPE_PORT_SEND);
    mach_port_t once = agent_take(&taker, theirs, MACH_MSG_TYPE_PORT_SEND_ONCE);
    ASSERT_EQ(name, agent_take(&taker, theirs, MACH_MSG_TYPE_PORT_SEND));
    ASSERT_EQ(2, agent_refs(&taker, name, MACH_PORT_RIGHT_SEND));
    agent_sends(&taker, name, 5);
    kit_expect_plain(sent, 5);
    ASSERT_OK(agent_send(&taker, once, MACH_MSG_TYPE_MOVE_SEND_ONCE, 6, PATIENCE));
    kit_expect_plain(reply, 6);
    agent_end(&taker);
    kit_destroy(port);
    kit_destroy(sent);
    kit_destroy(reply);
}

/* A queue within a queue within a queue. */
TEST(S121_receive_rights_in_the_queue)
{
    struct agent taker;
    struct agent holder;
    mach_port_t outer = kit_port();
    mach_port_t middle = kit_port();
    mach_port_t inner = kit_port();
    agent_start(&taker);
    agent_start(&holder);
    mach_port_t held = agent_give(&holder, inner, MACH_MSG_TYPE_MAKE_SEND);
    agent_sends(&holder, held, 1);
    kit_send_right(middle, inner, RECEIVE);
    agent_sends(&holder, held, 2);
    kit_send_right(outer, middle, RECEIVE);
    mach_port_t first = agent_give(&taker, outer, RECEIVE);
    agent_sends(&holder, held, 3);
    mach_port_t second = agent_take(&taker, first, MACH_MSG_TYPE_PORT_RECEIVE);
    agent_sends(&holder, held, 4);
    mach_port_t third = agent_take(&taker, second, MACH_MSG_TYPE_PORT_RECEIVE);
    agent_expect(&taker, third, 1, 4);
    agent_sends(&holder, held, 5);
    kit_send_plain(inner, 6);
    agent_expect(&taker, third, 5, 2);
    kit_send_plain(middle, 7);
    agent_expect(&taker, second, 7, 1);
    agent_end(&taker);
    kit_wait_dead(outer);
    kit_wait_dead(middle);
    kit_wait_dead(inner);
    agent_end(&holder);
    kit_destroy(outer);
    kit_destroy(middle);
    kit_destroy(inner);
}

/* Two rights, each into the other's queue, from two tasks: neither can be received any more. */
TEST(S124_circle_of_two_tasks)
{
    GATE_LINUX("no task sees a circle that leads through several");
    struct agent other;
    mach_port_t mine = kit_port();
    agent_start(&other);
    mach_port_t theirs = agent_allocate(&other);
    mach_port_t send = agent_get(&other, theirs, MACH_MSG_TYPE_MAKE_SEND);
    mach_port_t out = agent_give(&other, mine, MACH_MSG_TYPE_MAKE_SEND);
    kit_send_right(send, mine, RECEIVE);
    ASSERT_OK(agent_send_right(&other, out, theirs, RECEIVE));
    kit_wait_dead(mine);
    kit_wait_dead(send);
    kit_destroy(mine);
    kit_destroy(send);
    agent_end(&other);
}

/* One after the other, with a message before and one behind. */
TEST(S121_many_ports_at_once)
{
    enum { MANY = 60 };
    static mach_port_t ports[MANY];
    static mach_port_t theirs[MANY];
    struct agent taker;
    struct agent holder;
    agent_start(&taker);
    agent_start(&holder);
    for (int i = 0; i < MANY; i++) {
        ports[i] = kit_port();
        mach_port_t held = agent_give(&holder, ports[i], MACH_MSG_TYPE_MAKE_SEND);
        agent_sends(&holder, held, i);
        theirs[i] = agent_give(&taker, ports[i], RECEIVE);
        agent_sends(&holder, held, i + 1);
    }
    for (int i = 0; i < MANY; i++)
        agent_expect(&taker, theirs[i], i, 2);
    agent_kill(&taker);
    for (int i = 0; i < MANY; i++) {
        kit_wait_dead(ports[i]);
        kit_destroy(ports[i]);
    }
    agent_forget(&taker);
    agent_end(&holder);
}
