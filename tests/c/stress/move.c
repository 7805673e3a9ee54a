/* A port that never stays: its receive right goes from task to task while others send to it, and
 * those it has left exit, sleep or are killed. Every message arrives, once, each sender's in order
 * (S121, S123, S156). */
#include "harness/port_kit.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

enum { SENDERS = 2, EACH = 400, LINKS = 24, MOVERS = 3, ROUNDS = 60, STRIDE = 100000, MOVE_ID = 9 };

/* Sends numbers to the port it is given, and waits for room as long as it takes. */
PEER(move_sender)
{
    struct kit_pair pair;
    kit_pair_join(&pair);
    mach_port_t port = kit_take_right(pair.mine, MACH_MSG_TYPE_PORT_SEND);
    int first = pair.argument[0] == '0' ? 0 : STRIDE;
    for (int i = 0; i < EACH; i++) {
        mach_msg_return_t result = kit_try_plain(port, MACH_MSG_TYPE_COPY_SEND, first + i,
                                                 2 * PATIENCE);
        if (result != MACH_MSG_SUCCESS)
            FAIL("message %d: 0x%x", i, result);
    }
    parent_tell();
    parent_hear();
    kit_pair_leave(&pair);
}

/* The port on its way, with what has come of each sender so far: whoever has the port checks that
 * the next number is the right one. */
struct move_msg {
    mach_msg_header_t header;
    mach_msg_body_t body;
    mach_msg_port_descriptor_t port;
    int next[SENDERS];
};
struct move_rcv {
    struct move_msg message;
    mach_msg_max_trailer_t trailer;
};
struct held {
    mach_port_t port;
    int next[SENDERS];
};

static void move_to(mach_port_t to, const struct held *held)
{
    struct move_msg message;
    kit_header(&message.header, MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0) | MACH_MSGH_BITS_COMPLEX,
               sizeof(message), to, MACH_PORT_NULL, MOVE_ID);
    message.body.msgh_descriptor_count = 1;
    kit_port_descriptor(&message.port, held->port, MACH_MSG_TYPE_MOVE_RECEIVE);
    memcpy(message.next, held->next, sizeof(message.next));
    ASSERT_OK(kit_send(&message.header, MACH_SEND_TIMEOUT, PATIENCE));
}

static void take_from(mach_port_t port, struct held *ret_held)
{
    struct move_rcv received;
    ASSERT_OK(kit_receive(&received.message.header, sizeof(received), port, 0, 2 * PATIENCE));
    ASSERT_EQ(MOVE_ID, received.message.header.msgh_id);
    ASSERT_EQ(MACH_MSG_TYPE_PORT_RECEIVE, received.message.port.disposition);
    ret_held->port = received.message.port.name;
    memcpy(ret_held->next, received.message.next, sizeof(ret_held->next));
}

/* Takes up to so many messages that are there or come within a moment. */
static void take_messages(struct held *held, unsigned most, mach_msg_timeout_t timeout)
{
    for (unsigned i = 0; i < most; i++) {
        struct plain_rcv received;
        mach_msg_return_t result = kit_receive(&received.header, sizeof(received), held->port, 0,
                                               timeout);
        if (result == MACH_RCV_TIMED_OUT)
            return;
        ASSERT_OK(result);
        int sender = received.header.msgh_id / STRIDE;
        ASSERT(sender >= 0 && sender < SENDERS);
        ASSERT_EQ(held->next[sender], received.header.msgh_id % STRIDE);
        held->next[sender]++;
    }
}

static bool is_complete(const struct held *held)
{
    for (int i = 0; i < SENDERS; i++)
        if (held->next[i] < EACH)
            return false;
    return true;
}

/* One link of a chain: gets the port, passes it on, and is gone in its own way. */
PEER(move_link)
{
    struct kit_pair pair;
    struct held held;
    kit_pair_join(&pair);
    mach_port_t next = kit_take_right(pair.mine, MACH_MSG_TYPE_PORT_SEND);
    parent_tell(); /* between tasks no order is promised: only now may the port come */
    take_from(pair.mine, &held);
    take_messages(&held, kit_random(30), 1);
    move_to(next, &held);
    if (strcmp(pair.argument, "killed") == 0)
        raise(SIGKILL);
    while (strcmp(pair.argument, "sleeps") == 0)
        pause();
}

static void start_senders(struct kit_pair *senders, mach_port_t port)
{
    for (int i = 0; i < SENDERS; i++) {
        kit_pair_start(&senders[i], "move_sender", i == 0 ? "0" : "1");
        kit_send_right(senders[i].theirs, port, MACH_MSG_TYPE_MAKE_SEND);
    }
}

static void end_senders(struct kit_pair *senders)
{
    for (int i = 0; i < SENDERS; i++) {
        peer_hear(&senders[i].peer);
        peer_tell(&senders[i].peer);
        kit_pair_end(&senders[i]);
    }
}

/* Through many tasks, and home again, with the senders at work all the while. */
static void along_a_chain(const char *how)
{
    static struct kit_pair links[LINKS];
    struct kit_pair senders[SENDERS];
    struct held held = {.port = kit_receive_right()};
    mach_port_t home = kit_port();
    for (int i = 0; i < LINKS; i++)
        kit_pair_start(&links[i], "move_link", how);
    for (int i = 0; i < LINKS; i++)
        kit_send_right(links[i].theirs, i + 1 < LINKS ? links[i + 1].theirs : home,
                       MACH_MSG_TYPE_COPY_SEND);
    for (int i = 0; i < LINKS; i++)
        peer_hear(&links[i].peer);
    start_senders(senders, held.port);
    move_to(links[0].theirs, &held);
    take_from(home, &held);
    while (!is_complete(&held))
        take_messages(&held, 1, PATIENCE);
    kit_expect_nothing(held.port);
    end_senders(senders);
    for (int i = 0; i < LINKS; i++) {
        if (strcmp(how, "sleeps") == 0)
            peer_kill(&links[i].peer);
        else
            (void)peer_reap(&links[i].peer);
        kit_pair_drop(&links[i]);
    }
    kit_destroy(held.port);
    kit_destroy(home);
}

TEST_FOR(port_moves_through_tasks_that_exit, 120)
{
    along_a_chain("exits");
}

TEST_FOR(port_moves_through_tasks_that_are_killed, 120)
{
    along_a_chain("killed");
}

TEST_FOR(port_moves_through_tasks_that_sleep, 120)
{
    along_a_chain("sleeps");
}

/* Round and round between a few tasks, which all go on living. */
PEER(move_mover)
{
    struct kit_pair pair;
    struct held held;
    kit_pair_join(&pair);
    mach_port_t next = kit_take_right(pair.mine, MACH_MSG_TYPE_PORT_SEND);
    parent_tell(); /* between tasks no order is promised: only now may the port come */
    for (;;) {
        take_from(pair.mine, &held);
        take_messages(&held, kit_random(10), 1);
        move_to(next, &held);
    }
}

TEST_FOR(port_moves_in_circles, 120)
{
    struct kit_pair movers[MOVERS];
    struct kit_pair senders[SENDERS];
    struct held held = {.port = kit_receive_right()};
    mach_port_t home = kit_port();
    for (int i = 0; i < MOVERS; i++)
        kit_pair_start(&movers[i], "move_mover", "");
    for (int i = 0; i < MOVERS; i++)
        kit_send_right(movers[i].theirs, i + 1 < MOVERS ? movers[i + 1].theirs : home,
                       MACH_MSG_TYPE_COPY_SEND);
    for (int i = 0; i < MOVERS; i++)
        peer_hear(&movers[i].peer);
    start_senders(senders, held.port);
    for (int round = 0; round < ROUNDS || !is_complete(&held); round++) {
        ASSERT(round < 100 * ROUNDS);
        move_to(movers[0].theirs, &held);
        take_from(home, &held);
        take_messages(&held, kit_random(10), 0);
    }
    kit_expect_nothing(held.port);
    end_senders(senders);
    for (int i = 0; i < MOVERS; i++) {
        peer_kill(&movers[i].peer);
        kit_pair_drop(&movers[i]);
    }
    kit_destroy(held.port);
    kit_destroy(home);
}
