/* Receive rights that move to another task: something fails amid it, or the old owner stops amid it, at
 * each of its system calls in turn. */
#include "harness/port_kit.h"
#include "nth.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

enum { RECEIVE = MACH_MSG_TYPE_MOVE_RECEIVE, RAN_THROUGH = 100, FAILED, MOVED, ID_END };

/* Sends a receive right, the n-th call of that failing. What cannot be sent comes back. */
static int move(mach_port_t to, mach_port_t *port, unsigned nth)
{
    struct port_msg message;
    kit_port_msg(&message, to, 6, *port, RECEIVE);
    inject_arm(nth);
    mach_msg_return_t result = kit_send(&message.header, MACH_SEND_TIMEOUT, PATIENCE);
    const char *failed = inject_disarm();
    if (result == MACH_MSG_SUCCESS)
        return failed != NULL ? MOVED : RAN_THROUGH;
    ASSERT_CODE(MACH_SEND_NO_BUFFER, result);
    ASSERT_NE(NULL, failed);
    if (nth_came_back(&message.header)) {
        kit_deallocate(message.header.msgh_remote_port); /* pseudo-received, as all else */
        *port = message.port[0].name;
    }
    return FAILED;
}

/* Moves its port as often as it is told to, until nothing fails any more. */
PEER(fault_mover)
{
    struct kit_pair pair;
    struct plain_rcv order;
    kit_pair_join(&pair);
    mach_port_t port = kit_receive_right();
    kit_send_right(pair.theirs, port, MACH_MSG_TYPE_MAKE_SEND);
    mach_port_t to = kit_take_right(pair.mine, MACH_MSG_TYPE_PORT_SEND);
    for (;;) {
        ASSERT_OK(kit_receive(&order.header, sizeof(order), pair.mine, 0, 3 * PATIENCE));
        if (order.header.msgh_id == ID_END)
            break;
        int what = move(to, &port, (unsigned)order.header.msgh_id);
        kit_send_plain(pair.theirs, what);
        if (what != FAILED)
            port = kit_take_right(pair.mine, MACH_MSG_TYPE_PORT_RECEIVE);
        kit_expect_plain(port, 1);
    }
    kit_destroy(port);
    kit_deallocate(to);
    kit_pair_leave(&pair);
}

/* A holder is told of every attempt, and keeps nothing of those that were given up. */
TEST_FOR(move_with_a_holder, 60)
{
    struct nth nth = {0};
    struct kit_pair mover;
    struct agent taker;
    GATE_FAULTS();
    kit_pair_start(&mover, "fault_mover", "");
    agent_start(&taker);
    mach_port_t ours = kit_take_right(mover.mine, MACH_MSG_TYPE_PORT_SEND);
    mach_port_t in = agent_allocate(&taker);
    kit_send_right(mover.theirs, agent_get(&taker, in, MACH_MSG_TYPE_MAKE_SEND),
                   MACH_MSG_TYPE_MOVE_SEND);
    mach_port_t back = agent_give(&taker, mover.theirs, MACH_MSG_TYPE_COPY_SEND);
    while (nth_next(&nth)) {
        struct plain_rcv answer;
        kit_send_plain(mover.theirs, (mach_msg_id_t)nth.round - 1);
        ASSERT_OK(kit_receive(&answer.header, sizeof(answer), mover.mine, 0, PATIENCE));
        nth.failed = answer.header.msgh_id == RAN_THROUGH ? NULL : "of the mover's";
        if (answer.header.msgh_id != FAILED)
            ASSERT_OK(agent_send_right(
                &taker, back, agent_take(&taker, in, MACH_MSG_TYPE_PORT_RECEIVE), RECEIVE));
        kit_send_plain(ours, 1);
        ASSERT_EQ(MACH_PORT_TYPE_SEND, kit_type(ours));
    }
    kit_send_plain(mover.theirs, ID_END);
    kit_pair_end(&mover);
    kit_wait_dead(ours);
    kit_destroy(ours);
    agent_end(&taker);
}

/* Moves its port to the test and stops amid that. It kept a send right, which dies with the port. */
PEER(fault_stopping_mover)
{
    struct kit_pair pair;
    kit_pair_join(&pair);
    mach_port_t port = kit_port();
    kit_send_right(pair.theirs, port, MACH_MSG_TYPE_MAKE_SEND);
    parent_hear();
    inject_arm_stop((unsigned)atoi(pair.argument));
    mach_msg_return_t result = kit_try_right(pair.theirs, port, RECEIVE);
    (void)inject_disarm();
    parent_tell();
    ASSERT_OK(result);
    kit_wait_dead(port);
    kit_destroy(port);
    parent_tell();
    parent_hear();
    kit_pair_leave(&pair);
}

static bool take(const struct kit_pair *mover, mach_port_t port, unsigned timeout)
{
    struct port_rcv received;
    mach_msg_return_t result = kit_receive(&received.header, sizeof(received), mover->mine, 0,
                                           timeout);
    if (result == MACH_RCV_TIMED_OUT)
        return false;
    ASSERT_OK(result);
    ASSERT_EQ(MACH_MSG_TYPE_PORT_RECEIVE, received.port[0].disposition);
    ASSERT_EQ(port, received.port[0].name);
    kit_destroy(port);
    return true;
}

/* True once the mover has stopped; false: it has sent the port and told so. */
static bool stopped(const struct kit_pair *mover)
{
    struct pollfd told = {.fd = mover->peer.from, .events = POLLIN};
    for (;;) {
        int status = 0;
        if (ASSERT_SYS(waitpid(mover->peer.pid, &status, WUNTRACED | WNOHANG)) != 0) {
            ASSERT(WIFSTOPPED(status));
            return true;
        }
        if (ASSERT_SYS(poll(&told, 1, 1)) != 0)
            return false;
    }
}

/* The new owner destroys the port as soon as it has it, in whatever the old one is just then. */
TEST_FOR(port_destroyed_amid_its_move, 120)
{
    struct agent third;
    bool stops = true;
    GATE_FAULTS();
    agent_start(&third);
    mach_port_t in = agent_allocate(&third);
    mach_port_t out = agent_get(&third, in, MACH_MSG_TYPE_MAKE_SEND);
    for (unsigned nth = 0; stops; nth++) {
        struct kit_pair mover;
        char argument[KIT_TEXT];
        ASSERT(nth < 400);
        snprintf(argument, sizeof(argument), "%u", nth);
        kit_pair_start(&mover, "fault_stopping_mover", argument);
        mach_port_t port = kit_take_right(mover.mine, MACH_MSG_TYPE_PORT_SEND);
        agent_stop(&third); /* so that an end stands for the right meanwhile, and is spoken into */
        kit_send_right(out, port, MACH_MSG_TYPE_COPY_SEND);
        peer_tell(&mover.peer);
        stops = stopped(&mover);
        bool taken = take(&mover, port, 0);
        if (stops)
            ASSERT_SYS(kill(mover.peer.pid, SIGCONT));
        peer_hear(&mover.peer);
        if (!taken)
            ASSERT(take(&mover, port, PATIENCE));
        peer_hear(&mover.peer);
        agent_go_on(&third);
        mach_port_t late = agent_take(&third, in, MACH_MSG_TYPE_PORT_SEND);
        if (MACH_PORT_VALID(late)) /* a dead name by now, or dead on arrival */
            agent_deallocate(&third, late);
        peer_tell(&mover.peer);
        kit_pair_end(&mover);
    }
    kit_deallocate(out);
    agent_end(&third);
}
