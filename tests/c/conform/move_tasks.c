/* Receive rights that move from task to task: the queue, the rights others hold, requests, and old
 * owners that are asleep, gone or killed. Section 5: S114, S121 to S125, S131, S134, S137. */
#include "harness/port_kit.h"

#include <string.h>

enum { NONE_LEFT = 70, DEAD = 72, RECEIVE = MACH_MSG_TYPE_MOVE_RECEIVE };

/* So many messages with these numbers have come to an agent's port, in order, and no other. */
TEST(S121_to_another_task)
{
    struct agent taker;
    mach_port_t port = kit_port();
    agent_start(&taker);
    kit_set_qlimit(port, 17);
    ASSERT_OK(mach_port_set_context(mach_task_self(), port, 99));
    kit_fill_queue(port, 3);
    kit_expect_plain(port, 0);
    mach_port_t theirs = agent_give(&taker, port, RECEIVE);
    ASSERT_EQ(MACH_PORT_TYPE_SEND, kit_type(port));
    ASSERT_EQ(MACH_PORT_TYPE_RECEIVE, agent_type(&taker, theirs));
    mach_port_status_t status = agent_status(&taker, theirs);
    ASSERT_EQ(0, status.mps_seqno);
    ASSERT_EQ(0, status.mps_mscount);
    ASSERT_EQ(17, status.mps_qlimit); /* S122 */
    ASSERT_EQ(2, status.mps_msgcount);
    ASSERT_EQ(1, status.mps_srights);
    agent_expect(&taker, theirs, 1, 2);
    kit_send_plain(port, 3);
    kit_send_plain(port, 4);
    agent_expect(&taker, theirs, 3, 2);
    agent_destroy(&taker, theirs);
    kit_wait_dead(port);
    kit_destroy(port);
    agent_end(&taker);
}

TEST(S121_there_and_back)
{
    struct agent taker;
    mach_port_t port = kit_port();
    agent_start(&taker);
    for (int i = 0; i < 5; i++) {
        kit_send_plain(port, 1);
        mach_port_t theirs = agent_give(&taker, port, RECEIVE);
        kit_send_plain(port, 2);
        agent_expect(&taker, theirs, 1, 2);
        kit_send_plain(port, 3);
        ASSERT_EQ(port, agent_get(&taker, theirs, RECEIVE));
        ASSERT_EQ(0, agent_type(&taker, theirs));
        ASSERT_EQ(MACH_PORT_TYPE_SEND_RECEIVE, kit_type(port));
        kit_send_plain(port, 4);
        kit_expect_plain(port, 3);
        kit_expect_plain(port, 4);
        kit_expect_nothing(port);
    }
    kit_destroy(port);
    agent_end(&taker);
}

/* Without a send right the name goes; what comes back is a port without senders. */
TEST(S121_receive_right_alone)
{
    struct agent taker;
    agent_start(&taker);
    mach_port_t port = kit_receive_right();
    mach_port_t theirs = agent_give(&taker, port, RECEIVE);
    ASSERT(kit_is_gone(port));
    mach_port_t send = agent_get(&taker, theirs, MACH_MSG_TYPE_MAKE_SEND);
    kit_send_plain(send, 1);
    agent_expect(&taker, theirs, 1, 1);
    ASSERT_EQ(send, agent_get(&taker, theirs, RECEIVE));
    ASSERT_EQ(MACH_PORT_TYPE_SEND_RECEIVE, kit_type(send));
    kit_destroy(send);
    agent_end(&taker);
}

/* Whoever held a send right goes on sending; each one's messages stay in order. */
TEST(S123_holders_go_on_sending)
{
    struct agent taker;
    struct agent holders[2];
    mach_port_t names[2];
    mach_port_t port = kit_port();
    agent_start(&taker);
    for (int i = 0; i < 2; i++) {
        agent_start(&holders[i]);
        names[i] = agent_give(&holders[i], port, MACH_MSG_TYPE_MAKE_SEND);
        agent_sends(&holders[i], names[i], 100 * i + 100);
    }
    kit_send_plain(port, 0);
    mach_port_t theirs = agent_give(&taker, port, RECEIVE);
    for (int round = 1; round < 4; round++) {
        kit_send_plain(port, round);
        for (int i = 0; i < 2; i++)
            agent_sends(&holders[i], names[i], 100 * i + 100 + round);
    }
    int next[3] = {0, 100, 200};
    for (int i = 0; i < 12; i++) {
        mach_msg_id_t id = 0;
        ASSERT_OK(agent_receive(&taker, theirs, PATIENCE, &id));
        ASSERT_EQ(next[id / 100]++, id);
    }
    mach_msg_id_t id = 0;
    ASSERT_CODE(MACH_RCV_TIMED_OUT, agent_receive(&taker, theirs, 0, &id));
    for (int i = 0; i < 2; i++)
        agent_end(&holders[i]);
    kit_destroy(port);
    agent_end(&taker);
}

/* The cast of most tests: an owner that gives the port away, a taker, and a holder besides us. */
struct cast {
    struct agent owner;
    struct agent taker;
    struct agent holder;
    struct agent_route way; /* owner to taker */
    mach_port_t owned;      /* the owner's name, before it moves */
    mach_port_t taken;      /* the taker's, afterwards */
    mach_port_t held;       /* the holder's send right */
    mach_port_t ours;       /* our send right */
};

static void cast_start(struct cast *ret_cast)
{
    agent_start(&ret_cast->owner);
    agent_start(&ret_cast->taker);
    agent_start(&ret_cast->holder);
    agent_introduce(&ret_cast->way, &ret_cast->owner, &ret_cast->taker);
    ret_cast->owned = agent_allocate(&ret_cast->owner);
    ret_cast->ours = agent_get(&ret_cast->owner, ret_cast->owned, MACH_MSG_TYPE_MAKE_SEND);
    ret_cast->held = agent_give(&ret_cast->holder, ret_cast->ours, MACH_MSG_TYPE_COPY_SEND);
    agent_sends(&ret_cast->holder, ret_cast->held, 0); /* it has sent there before */
    kit_send_plain(ret_cast->ours, 1);
    mach_msg_id_t id = 0;
    for (int i = 0; i < 2; i++)
        ASSERT_OK(agent_receive(&ret_cast->owner, ret_cast->owned, PATIENCE, &id));
}

static void cast_move(struct cast *cast)
{
    cast->taken = agent_pass(&cast->way, cast->owned, RECEIVE);
    ASSERT_EQ(0, agent_type(&cast->owner, cast->owned));
}

/* Both senders reach the taker, twenty times over. */
static void cast_send(struct cast *cast)
{
    for (int i = 0; i < 20; i++) {
        agent_sends(&cast->holder, cast->held, 2 * i);
        agent_expect(&cast->taker, cast->taken, 2 * i, 1);
        kit_send_plain(cast->ours, 2 * i + 1);
        agent_expect(&cast->taker, cast->taken, 2 * i + 1, 1);
    }
}

/* The taker destroys the port; both rights die. */
static void cast_end(struct cast *cast)
{
    agent_destroy(&cast->taker, cast->taken);
    kit_wait_dead(cast->ours);
    kit_destroy(cast->ours);
    for (int i = 0; agent_type(&cast->holder, cast->held) != MACH_PORT_TYPE_DEAD_NAME; i++)
        ASSERT(i < 1000);
    agent_end(&cast->holder);
    agent_end(&cast->taker);
}

TEST(S121_old_owner_lives_on)
{
    struct cast cast;
    cast_start(&cast);
    cast_move(&cast);
    cast_send(&cast);
    agent_end(&cast.owner);
    cast_send(&cast);
    cast_end(&cast);
}

TEST(S121_old_owner_exits)
{
    struct cast cast;
    cast_start(&cast);
    cast_move(&cast);
    agent_end(&cast.owner);
    cast_send(&cast);
    cast_end(&cast);
}

TEST(S121_old_owner_is_killed)
{
    struct cast cast;
    cast_start(&cast);
    cast_move(&cast);
    agent_kill(&cast.owner);
    agent_forget(&cast.owner);
    cast_send(&cast);
    cast_end(&cast);
}

/* It waits for a child, or in pause: it never calls in again, and nobody misses it. */
TEST(S121_old_owner_sleeps)
{
    struct cast cast;
    cast_start(&cast);
    cast_move(&cast);
    agent_sleep(&cast.owner);
    cast_send(&cast);
    cast_end(&cast);
    agent_kill(&cast.owner);
    agent_forget(&cast.owner);
}

TEST(S121_old_owner_is_stopped)
{
    struct cast cast;
    cast_start(&cast);
    cast_move(&cast);
    agent_stop(&cast.owner);
    cast_send(&cast);
    agent_go_on(&cast.owner);
    cast_send(&cast);
    agent_end(&cast.owner);
    cast_end(&cast);
}

/* Messages that were sent before the move, and nobody has read yet. */
static void with_messages_queued(bool old_owner_is_killed)
{
    struct cast cast;
    cast_start(&cast);
    for (int i = 0; i < 3; i++)
        agent_sends(&cast.holder, cast.held, i);
    ASSERT_EQ(3, agent_status(&cast.owner, cast.owned).mps_msgcount);
    ASSERT_OK(agent_send_right(&cast.owner, cast.way.out, cast.owned, RECEIVE));
    agent_sends(&cast.holder, cast.held, 3); /* it is on its way (S123) */
    agent_sends(&cast.holder, cast.held, 4);
    if (old_owner_is_killed) {
        agent_kill(&cast.owner);
        agent_forget(&cast.owner);
    }
    cast.taken = agent_take(&cast.taker, cast.way.in, MACH_MSG_TYPE_PORT_RECEIVE);
    agent_expect(&cast.taker, cast.taken, 0, 5);
    cast_send(&cast);
    if (!old_owner_is_killed)
        agent_end(&cast.owner);
    cast_end(&cast);
}

TEST(S123_queue_travels)
{
    with_messages_queued(false);
}

TEST(S123_queue_travels_and_the_old_owner_is_killed)
{
    with_messages_queued(true);
}

/* The taker takes its time: what is sent meanwhile waits, up to the limit. */
TEST(S123_on_its_way_for_long)
{
    struct cast cast;
    mach_msg_id_t id = 0;
    cast_start(&cast);
    ASSERT_OK(agent_send_right(&cast.owner, cast.way.out, cast.owned, RECEIVE));
    agent_sleep(&cast.owner);
    for (int i = 0; i < 5; i++)
        agent_sends(&cast.holder, cast.held, i);
    ASSERT_CODE(MACH_SEND_TIMED_OUT,
                agent_send(&cast.holder, cast.held, MACH_MSG_TYPE_COPY_SEND, 9, 0));
    agent_block_sending(&cast.holder, cast.held, 5);
    cast.taken = agent_take(&cast.taker, cast.way.in, MACH_MSG_TYPE_PORT_RECEIVE);
    for (int i = 0; i < 6; i++) {
        ASSERT_OK(agent_receive(&cast.taker, cast.taken, PATIENCE, &id));
        ASSERT_EQ(i, id);
    }
    ASSERT_OK(agent_wake(&cast.holder, &id));
    cast_send(&cast);
    cast_end(&cast);
    agent_kill(&cast.owner);
    agent_forget(&cast.owner);
}

TEST(S123_sender_waits_for_room_when_the_port_moves)
{
    struct cast cast;
    mach_msg_id_t id = 0;
    cast_start(&cast);
    for (int i = 0; i < 5; i++)
        agent_sends(&cast.holder, cast.held, i);
    agent_block_sending(&cast.holder, cast.held, 5);
    cast_move(&cast);
    agent_sleep(&cast.owner);
    for (int i = 0; i < 6; i++) {
        ASSERT_OK(agent_receive(&cast.taker, cast.taken, PATIENCE, &id));
        ASSERT_EQ(i, id);
    }
    ASSERT_OK(agent_wake(&cast.holder, &id));
    cast_send(&cast);
    cast_end(&cast);
    agent_kill(&cast.owner);
    agent_forget(&cast.owner);
}

TEST(S121_receiver_waits_when_the_port_moves)
{
    struct cast cast;
    mach_msg_id_t id = 0;
    cast_start(&cast);
    agent_block_receiving(&cast.owner, cast.owned);
    cast_move(&cast);
    mach_msg_return_t result = agent_wake(&cast.owner, &id);
    if (result != MACH_RCV_PORT_DIED)
        ASSERT_CODE(MACH_RCV_PORT_CHANGED, result);
    cast_send(&cast);
    agent_end(&cast.owner);
    cast_end(&cast);
}

/* Requests. */

static void no_senders(void (*end)(struct agent *))
{
    struct cast cast;
    mach_port_t notify = kit_receive_right();
    cast_start(&cast);
    agent_request(&cast.owner, cast.owned, NONE_LEFT, 0, notify);
    cast_move(&cast);
    end(&cast.owner);
    ASSERT_EQ(1, agent_status(&cast.taker, cast.taken).mps_nsrequest);
    agent_deallocate(&cast.holder, cast.held);
    kit_stays_quiet(notify);
    kit_send_plain(cast.ours, 1);
    agent_expect(&cast.taker, cast.taken, 1, 1);
    kit_deallocate(cast.ours);
    ASSERT_EQ(0, kit_expect_notification(notify, NONE_LEFT)); /* made anew: none yet */
    kit_expect_nothing(notify);
    agent_end(&cast.holder);
    agent_end(&cast.taker);
    agent_forget(&cast.owner);
    kit_destroy(notify);
}

static void sleep_and_be_killed(struct agent *agent)
{
    agent_sleep(agent);
    agent_kill(agent);
}

TEST(S122_no_senders_request_moves)
{
    no_senders(agent_exit);
}

TEST(S122_no_senders_request_moves_and_the_old_owner_is_killed)
{
    no_senders(sleep_and_be_killed);
}

/* The old owner keeps a send right, and sleeps: it counts until it is killed. */
TEST(S134_old_owner_is_a_sender)
{
    struct cast cast;
    mach_port_t notify = kit_receive_right();
    cast_start(&cast);
    ASSERT_EQ(cast.owned, agent_give(&cast.owner, cast.ours, MACH_MSG_TYPE_COPY_SEND));
    agent_request(&cast.owner, cast.owned, NONE_LEFT, 0, notify);
    cast.taken = agent_pass(&cast.way, cast.owned, RECEIVE);
    ASSERT_EQ(MACH_PORT_TYPE_SEND, agent_type(&cast.owner, cast.owned));
    agent_sends(&cast.owner, cast.owned, 7);
    agent_expect(&cast.taker, cast.taken, 7, 1);
    agent_sleep(&cast.owner);
    cast_send(&cast);
    agent_deallocate(&cast.holder, cast.held);
    kit_deallocate(cast.ours);
    kit_stays_quiet(notify);
    agent_kill(&cast.owner);
    ASSERT_EQ(0, kit_expect_notification(notify, NONE_LEFT));
    agent_forget(&cast.owner);
    agent_end(&cast.holder);
    agent_end(&cast.taker);
    kit_destroy(notify);
}

/* The move itself is nobody's end: a request that waits for a first right goes on waiting. */
TEST(S122_S135_request_for_a_first_right_waits_on_after_the_move)
{
    struct agent owner, taker;
    struct agent_route way;
    mach_port_t notify = kit_receive_right();
    agent_start(&owner);
    agent_start(&taker);
    agent_introduce(&way, &owner, &taker);
    mach_port_t owned = agent_allocate(&owner);
    agent_request(&owner, owned, NONE_LEFT, 2, notify);
    mach_port_t taken = agent_pass(&way, owned, RECEIVE);
    kit_stays_quiet(notify);
    ASSERT_EQ(1, agent_status(&taker, taken).mps_nsrequest);
    kit_deallocate(agent_get(&taker, taken, MACH_MSG_TYPE_MAKE_SEND));
    ASSERT_EQ(1, kit_expect_notification(notify, NONE_LEFT));
    agent_end(&owner);
    agent_end(&taker);
    kit_destroy(notify);
}

/* The port moves while its holder is stopped, and the old owner does nothing after the move: it
 * does not hear that the holder knows. */
static void move_unheard(struct cast *cast)
{
    agent_stop(&cast->holder);
    cast_move(cast);
    agent_sleep(&cast->owner);
    agent_go_on(&cast->holder);
}

/* What the last sender does is heard all the same. */
static void last_sender(void (*go)(struct agent *, mach_port_t))
{
    struct cast cast;
    mach_port_t notify = kit_receive_right();
    cast_start(&cast);
    agent_request(&cast.owner, cast.owned, NONE_LEFT, 0, notify);
    move_unheard(&cast);
    kit_deallocate(cast.ours);
    kit_stays_quiet(notify);
    go(&cast.holder, cast.held);
    ASSERT_EQ(0, kit_expect_notification(notify, NONE_LEFT));
    agent_kill(&cast.owner);
    kit_expect_nothing(notify);
    agent_end(&cast.taker);
    agent_forget(&cast.owner);
    kit_destroy(notify);
}

static void deallocates(struct agent *agent, mach_port_t held)
{
    agent_deallocate(agent, held);
    agent_end(agent);
}

static void is_killed(struct agent *agent, mach_port_t held)
{
    ASSERT_EQ(MACH_PORT_TYPE_SEND, agent_type(agent, held));
    agent_sleep(agent);
    agent_kill(agent);
    agent_forget(agent);
}

TEST(S134_last_sender_lets_go_while_the_old_owner_sleeps)
{
    last_sender(deallocates);
}

TEST(S134_last_sender_is_killed_while_the_old_owner_sleeps)
{
    last_sender(is_killed);
}

TEST(S131_send_once_right_ends_while_the_old_owner_sleeps)
{
    struct cast cast;
    mach_msg_id_t id = 0;
    cast_start(&cast);
    mach_port_t ours = agent_get(&cast.owner, cast.owned, MACH_MSG_TYPE_MAKE_SEND_ONCE);
    mach_port_t once = agent_give(&cast.holder, ours, MACH_MSG_TYPE_MOVE_SEND_ONCE);
    move_unheard(&cast);
    ASSERT_EQ(1, agent_status(&cast.taker, cast.taken).mps_sorights);
    agent_deallocate(&cast.holder, once);
    ASSERT_OK(agent_receive(&cast.taker, cast.taken, PATIENCE, &id));
    ASSERT_EQ(MACH_NOTIFY_SEND_ONCE, id);
    agent_kill(&cast.owner);
    cast_send(&cast);
    cast_end(&cast);
    agent_forget(&cast.owner);
}

TEST(S132_dead_name_requests_outlast_the_move)
{
    struct cast cast;
    mach_port_t notify = kit_receive_right();
    mach_port_t theirs = kit_receive_right();
    cast_start(&cast);
    kit_first_request(cast.ours, DEAD, 0, notify);
    agent_request(&cast.holder, cast.held, DEAD, 0, theirs);
    cast_move(&cast);
    agent_kill(&cast.owner);
    agent_forget(&cast.owner);
    kit_stays_quiet(notify);
    kit_expect_nothing(theirs);
    cast_send(&cast);
    agent_destroy(&cast.taker, cast.taken);
    ASSERT_EQ(cast.ours, kit_expect_notification(notify, DEAD));
    ASSERT_EQ(cast.held, kit_expect_notification(theirs, DEAD));
    ASSERT_EQ(2, kit_refs(cast.ours, MACH_PORT_RIGHT_DEAD_NAME));
    kit_destroy(cast.ours);
    agent_end(&cast.holder);
    agent_end(&cast.taker);
    kit_destroy(notify);
    kit_destroy(theirs);
}

/* Deaths. */

TEST(S114_new_owner_is_killed)
{
    struct cast cast;
    cast_start(&cast);
    cast_move(&cast);
    agent_sleep(&cast.owner);
    cast_send(&cast);
    agent_kill(&cast.taker);
    agent_forget(&cast.taker);
    kit_wait_dead(cast.ours);
    kit_destroy(cast.ours);
    for (int i = 0; agent_type(&cast.holder, cast.held) != MACH_PORT_TYPE_DEAD_NAME; i++)
        ASSERT(i < 1000);
    agent_end(&cast.holder);
    agent_kill(&cast.owner);
    agent_forget(&cast.owner);
}

/* The right is in the queue of a task that is killed, or destroys the port it came to. */
static void dies_on_its_way(bool killed)
{
    struct cast cast;
    mach_port_t inside = kit_receive_right();
    cast_start(&cast);
    kit_send_right(cast.ours, inside, MACH_MSG_TYPE_MAKE_SEND_ONCE);
    ASSERT_OK(agent_send_right(&cast.owner, cast.way.out, cast.owned, RECEIVE));
    agent_sends(&cast.holder, cast.held, 1);
    if (killed)
        agent_kill(&cast.taker);
    else
        agent_destroy(&cast.taker, cast.way.in);
    kit_expect_send_once_notifications(inside, 1); /* what was queued in it went too (S125) */
    kit_wait_dead(cast.ours);
    kit_destroy(cast.ours);
    for (int i = 0; agent_type(&cast.holder, cast.held) != MACH_PORT_TYPE_DEAD_NAME; i++)
        ASSERT(i < 1000);
    agent_end(&cast.holder);
    agent_end(&cast.owner);
    if (killed)
        agent_forget(&cast.taker);
    else
        agent_end(&cast.taker);
    kit_destroy(inside);
}

TEST(S125_dies_on_its_way_with_the_task)
{
    dies_on_its_way(true);
}

TEST(S125_dies_on_its_way_with_the_queue)
{
    dies_on_its_way(false);
}
