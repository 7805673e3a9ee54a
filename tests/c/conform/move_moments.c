/* Receive rights that move to a task while it does not look: what was sent there waits in several
 * places at once, and is read in an order that is not that of the sends. Section 5: S105, S121, S123,
 * S134. */
#include "harness/port_kit.h"

enum { NONE_LEFT = 70, RECEIVE = MACH_MSG_TYPE_MOVE_RECEIVE, SEND = MACH_MSG_TYPE_COPY_SEND };

/* The taker has looked at what this test sent it last, and does not look again until it is told. */
static void look_away(struct kit_pair *pair)
{
    kit_expect_plain(pair->mine, 1);
    parent_tell();
    parent_hear();
}

static void start_taker(struct kit_pair *ret_pair, const char *name)
{
    kit_pair_start(ret_pair, name, "");
}

static void taker_looks_away(struct kit_pair *pair)
{
    kit_send_plain(pair->theirs, 1);
    peer_hear(&pair->peer);
}

static void end_taker(struct kit_pair *pair)
{
    peer_tell(&pair->peer);
    kit_pair_end(pair);
}

/* A send right that was sent while its port was still elsewhere; then the port, from a task that is
 * not known yet. Both are one name, and what is sent at once is there when the port is. */
PEER(moments_right_first)
{
    struct kit_pair pair;
    kit_pair_join(&pair);
    look_away(&pair);
    mach_port_t port = kit_take_right(pair.mine, MACH_MSG_TYPE_PORT_SEND);
    ASSERT(MACH_PORT_VALID(port));
    kit_send_plain(port, 5);
    ASSERT_EQ(port, kit_take_right(pair.mine, MACH_MSG_TYPE_PORT_RECEIVE));
    kit_expect_plain(port, 5);
    parent_hear();
    kit_destroy(port);
    kit_pair_leave(&pair);
}

TEST(S105_S121_right_before_its_port)
{
    struct kit_pair taker;
    struct agent owner;
    start_taker(&taker, "moments_right_first");
    agent_start(&owner);
    mach_port_t owned = agent_allocate(&owner);
    mach_port_t ours = agent_get(&owner, owned, MACH_MSG_TYPE_MAKE_SEND);
    taker_looks_away(&taker);
    mach_port_t to_taker = agent_give(&owner, taker.theirs, SEND);
    kit_send_right(taker.theirs, ours, SEND);
    ASSERT_OK(agent_send_right(&owner, to_taker, owned, RECEIVE));
    peer_tell(&taker.peer);
    end_taker(&taker);
    kit_wait_dead(ours);
    kit_destroy(ours);
    agent_end(&owner);
}

/* A port that comes from a task that is known no more than by a channel that both have done with; the
 * other one that it has made since has not been heard of. What is sent at once is there when the port
 * is. */
PEER(moments_known_before)
{
    struct kit_pair pair;
    kit_pair_join(&pair);
    mach_port_t port = kit_take_right(pair.mine, MACH_MSG_TYPE_PORT_SEND);
    parent_tell();
    parent_hear();
    kit_expect_nothing(pair.mine); /* but that somebody has no right left, and needs no channel */
    parent_tell();
    parent_hear();
    ASSERT_OK(kit_try_plain(port, SEND, 7, PATIENCE));
    ASSERT_EQ(port, kit_take_right(pair.mine, MACH_MSG_TYPE_PORT_RECEIVE));
    kit_expect_plain(port, 7);
    kit_destroy(port);
    kit_pair_leave(&pair);
}

TEST(S121_brought_by_a_task_that_had_left)
{
    struct kit_pair taker;
    struct agent first;
    struct agent second;
    struct agent_route way;
    start_taker(&taker, "moments_known_before");
    agent_start(&first);
    agent_start(&second);
    agent_introduce(&way, &first, &second);
    mach_port_t owned = agent_allocate(&first);
    mach_port_t to_taker = agent_give(&first, taker.theirs, SEND);
    ASSERT_OK(agent_send_right(&first, to_taker, owned, MACH_MSG_TYPE_MAKE_SEND));
    to_taker = agent_give(&second, taker.theirs, SEND);
    peer_hear(&taker.peer);
    agent_deallocate(&second, to_taker);
    agent_stop(&second); /* it closes that channel when the taker does not look any more */
    peer_tell(&taker.peer);
    peer_hear(&taker.peer);
    agent_go_on(&second);
    for (int i = 0; i < 2; i++) /* it has by now */
        (void)agent_type(&second, way.in);
    to_taker = agent_give(&second, taker.theirs, SEND);
    mach_port_t taken = agent_pass(&way, owned, RECEIVE);
    ASSERT_OK(agent_send_right(&second, to_taker, taken, RECEIVE));
    end_taker(&taker);
    agent_end(&first);
    agent_end(&second);
}

/* A port that went away and came back while its holder did not look: the owner's own channel to that has
 * not been heard of, and in it stands that the port went. */
PEER(moments_back_before)
{
    struct kit_pair pair;
    kit_pair_join(&pair);
    mach_port_t in = kit_take_right(pair.mine, MACH_MSG_TYPE_PORT_SEND);
    parent_tell();
    parent_hear();
    kit_send_plain(in, 6); /* hears what its owner has said, and no more */
    mach_port_t port = kit_take_right(pair.mine, MACH_MSG_TYPE_PORT_SEND);
    kit_send_plain(port, 7);
    parent_tell();
    parent_hear();
    ASSERT_EQ(port, kit_take_right(pair.mine, MACH_MSG_TYPE_PORT_SEND));
    kit_send_plain(port, 8);
    parent_tell();
    parent_hear();
    kit_pair_leave(&pair);
}

TEST(S121_away_and_back_before_its_owner_is_heard_of)
{
    struct kit_pair holder;
    struct agent first;
    struct agent second;
    struct agent_route there;
    struct agent_route back;
    start_taker(&holder, "moments_back_before");
    agent_start(&first);
    agent_start(&second);
    agent_introduce(&there, &first, &second);
    agent_introduce(&back, &second, &first);
    mach_port_t in = agent_allocate(&second);
    mach_port_t second_to = agent_give(&second, holder.theirs, SEND);
    ASSERT_OK(agent_send_right(&second, second_to, in, MACH_MSG_TYPE_MAKE_SEND));
    peer_hear(&holder.peer);
    mach_port_t owned = agent_allocate(&first);
    mach_port_t first_to = agent_give(&first, holder.theirs, SEND);
    ASSERT_OK(agent_send_right(&first, first_to, owned, MACH_MSG_TYPE_MAKE_SEND));
    owned = agent_pass(&there, owned, RECEIVE);
    ASSERT_OK(agent_send_right(&second, second_to, owned, MACH_MSG_TYPE_MAKE_SEND));
    owned = agent_pass(&back, owned, RECEIVE);
    peer_tell(&holder.peer);
    peer_hear(&holder.peer);
    agent_expect(&first, owned, 7, 1);
    peer_tell(&holder.peer);
    peer_hear(&holder.peer);
    agent_expect(&first, owned, 8, 1);
    end_taker(&holder);
    agent_end(&first);
    agent_end(&second);
}

/* A holder that turns to the new owner before that has heard of the old one, or of the port. */
PEER(moments_holder_first)
{
    struct kit_pair pair;
    kit_pair_join(&pair);
    parent_hear();
    kit_expect_nothing(pair.mine); /* somebody is at the door, and has not said why */
    parent_tell();
    look_away(&pair);
    mach_port_t port = kit_take_right(pair.mine, MACH_MSG_TYPE_PORT_RECEIVE);
    parent_tell();
    kit_expect_plain(port, 7);
    parent_hear();
    kit_destroy(port);
    kit_pair_leave(&pair);
}

TEST(S121_holder_before_the_port)
{
    struct kit_pair taker;
    struct agent owner;
    struct agent holder;
    struct agent other;
    start_taker(&taker, "moments_holder_first");
    agent_start(&owner);
    agent_start(&holder);
    agent_start(&other);
    mach_port_t in = agent_allocate(&owner);
    mach_port_t out = agent_get(&owner, in, MACH_MSG_TYPE_MAKE_SEND);
    mach_port_t owned = agent_allocate(&owner);
    mach_port_t ours = agent_get(&owner, owned, MACH_MSG_TYPE_MAKE_SEND);
    mach_port_t held = agent_give(&holder, ours, MACH_MSG_TYPE_MOVE_SEND);
    agent_stop(&owner);
    kit_send_right(out, taker.theirs, SEND);
    peer_tell(&taker.peer);
    peer_hear(&taker.peer);
    taker_looks_away(&taker);
    (void)agent_give(&other, taker.theirs, SEND); /* somebody else knocks first */
    agent_go_on(&owner);
    mach_port_t to_taker = agent_take(&owner, in, MACH_MSG_TYPE_PORT_SEND);
    ASSERT_OK(agent_send_right(&owner, to_taker, owned, RECEIVE));
    for (int i = 0; i < 2; i++) /* it has heard by now */
        ASSERT_EQ(MACH_PORT_TYPE_SEND, agent_type(&holder, held));
    peer_tell(&taker.peer);
    peer_hear(&taker.peer);
    ASSERT_EQ(MACH_PORT_TYPE_SEND, agent_type(&holder, held));
    ASSERT_OK(agent_send(&holder, held, SEND, 7, PATIENCE));
    end_taker(&taker);
    kit_deallocate(out);
    agent_end(&owner);
    agent_end(&holder);
    agent_end(&other);
}

/* To a port that has moved, by a task that is about to get another one: a holder of that has spoken
 * of it already, in the very ring in which the first move is told. */
PEER(moments_sender)
{
    struct kit_pair pair;
    kit_pair_join(&pair);
    mach_port_t held = kit_take_right(pair.mine, MACH_MSG_TYPE_PORT_SEND);
    kit_send_plain(held, 6);
    look_away(&pair);
    ASSERT_OK(kit_try_plain(held, SEND, 7, 0));
    mach_port_t port = kit_take_right(pair.mine, MACH_MSG_TYPE_PORT_RECEIVE);
    parent_tell();
    kit_expect_plain(port, 8);
    parent_hear();
    kit_destroy(port);
    kit_deallocate(held);
    kit_pair_leave(&pair);
}

TEST(S123_sent_at_once_amid_moves)
{
    struct kit_pair sender;
    struct agent first;
    struct agent second;
    struct agent_route way;
    mach_msg_id_t id = 0;
    start_taker(&sender, "moments_sender");
    agent_start(&first);
    agent_start(&second);
    agent_introduce(&way, &first, &second);
    mach_port_t owned = agent_allocate(&first);
    kit_send_right(sender.theirs, agent_get(&first, owned, MACH_MSG_TYPE_MAKE_SEND),
                   MACH_MSG_TYPE_MOVE_SEND);
    ASSERT_OK(agent_receive(&first, owned, PATIENCE, &id));
    mach_port_t coming = agent_allocate(&second);
    mach_port_t held = agent_give(&first, agent_get(&second, coming, MACH_MSG_TYPE_MAKE_SEND),
                                  MACH_MSG_TYPE_MOVE_SEND);
    mach_port_t to_sender = agent_give(&second, sender.theirs, SEND);
    (void)agent_give(&first, sender.theirs, SEND);
    taker_looks_away(&sender);
    ASSERT_OK(agent_send_right(&second, to_sender, coming, RECEIVE));
    for (int i = 0; i < 2; i++) /* it has heard, and spoken, by now */
        ASSERT_EQ(MACH_PORT_TYPE_SEND, agent_type(&first, held));
    mach_port_t taken = agent_pass(&way, owned, RECEIVE);
    peer_tell(&sender.peer);
    peer_hear(&sender.peer);
    ASSERT_OK(agent_receive(&second, taken, PATIENCE, &id));
    ASSERT_EQ(7, id);
    ASSERT_OK(agent_send(&first, held, SEND, 8, PATIENCE));
    end_taker(&sender);
    agent_end(&first);
    agent_end(&second);
}

/* Rights from the old owner and from the new one, the later read first: when all are gone, the port
 * has no senders, wherever it is by then. */
PEER(moments_counter)
{
    struct plain_rcv received;
    struct kit_pair pair;
    kit_pair_join(&pair);
    kit_expect_plain(pair.mine, 1);
    parent_tell();
    ASSERT_CODE(MACH_RCV_TIMED_OUT,
                kit_receive(&received.header, sizeof(received), pair.mine, 0, A_MOMENT));
    parent_tell();
    look_away(&pair);
    mach_port_t port = kit_take_right(pair.mine, MACH_MSG_TYPE_PORT_SEND);
    ASSERT_EQ(port, kit_take_right(pair.mine, MACH_MSG_TYPE_PORT_SEND));
    ASSERT_EQ(2, kit_refs(port, MACH_PORT_RIGHT_SEND));
    parent_tell();
    parent_hear();
    ASSERT_EQ(MACH_PORT_TYPE_SEND, kit_type(port));
    kit_destroy(port);
    parent_tell();
    parent_hear();
    kit_pair_leave(&pair);
}

TEST(S134_rights_of_two_owners)
{
    struct kit_pair counter;
    struct agent first;
    struct agent second;
    struct agent_route there;
    struct agent_route back;
    mach_port_t notify = kit_receive_right();
    start_taker(&counter, "moments_counter");
    agent_start(&first);
    agent_start(&second);
    agent_introduce(&there, &first, &second);
    agent_introduce(&back, &second, &first);
    mach_port_t of_first = agent_give(&first, counter.theirs, SEND);
    mach_port_t of_second = agent_give(&second, counter.theirs, SEND);
    mach_port_t owned = agent_allocate(&first);
    ASSERT_OK(agent_send(&first, of_first, SEND, 1, PATIENCE));
    peer_hear(&counter.peer);
    peer_hear(&counter.peer); /* it has slept meanwhile: whoever wakes it is looked at first */
    ASSERT_OK(agent_send(&second, of_second, SEND, 1, PATIENCE));
    peer_hear(&counter.peer);
    ASSERT_OK(agent_send_right(&first, of_first, owned, MACH_MSG_TYPE_MAKE_SEND));
    mach_port_t taken = agent_pass(&there, owned, RECEIVE);
    ASSERT_OK(agent_send_right(&second, of_second, taken, MACH_MSG_TYPE_MAKE_SEND));
    peer_tell(&counter.peer);
    peer_hear(&counter.peer);
    owned = agent_pass(&back, taken, RECEIVE);
    agent_request(&first, owned, NONE_LEFT, 0, notify);
    kit_stays_quiet(notify);
    peer_tell(&counter.peer);
    peer_hear(&counter.peer);
    ASSERT_EQ(0, kit_expect_notification(notify, NONE_LEFT));
    end_taker(&counter);
    agent_end(&first);
    agent_end(&second);
    kit_destroy(notify);
}

/* A message to a port that has died since stands before the port that moves here; a holder of the
 * latter has spoken of it already. */
PEER(moments_grave)
{
    struct kit_pair pair;
    kit_pair_join(&pair);
    mach_port_t dying = kit_receive_right();
    kit_send_right(pair.theirs, dying, MACH_MSG_TYPE_MAKE_SEND);
    look_away(&pair);
    kit_destroy(dying);
    mach_port_t port = kit_take_right(pair.mine, MACH_MSG_TYPE_PORT_RECEIVE);
    parent_tell();
    kit_expect_plain(port, 7);
    parent_hear();
    kit_destroy(port);
    kit_pair_leave(&pair);
}

TEST(S121_behind_a_message_to_a_dead_port)
{
    struct kit_pair taker;
    struct agent owner;
    start_taker(&taker, "moments_grave");
    agent_start(&owner);
    mach_port_t dying = agent_give(&owner, kit_take_right(taker.mine, MACH_MSG_TYPE_PORT_SEND),
                                   MACH_MSG_TYPE_MOVE_SEND);
    mach_port_t to_taker = agent_give(&owner, taker.theirs, SEND);
    mach_port_t owned = agent_allocate(&owner);
    mach_port_t ours = agent_get(&owner, owned, MACH_MSG_TYPE_MAKE_SEND);
    taker_looks_away(&taker);
    ASSERT_OK(agent_send(&owner, dying, SEND, 9, PATIENCE));
    ASSERT_OK(agent_send_right(&owner, to_taker, owned, RECEIVE));
    ASSERT_EQ(MACH_PORT_TYPE_SEND, kit_type(ours)); /* heard by now */
    peer_tell(&taker.peer);
    peer_hear(&taker.peer);
    ASSERT_EQ(MACH_PORT_TYPE_SEND, kit_type(ours));
    kit_send_plain(ours, 7);
    end_taker(&taker);
    kit_wait_dead(ours);
    kit_destroy(ours);
    agent_end(&owner);
}
