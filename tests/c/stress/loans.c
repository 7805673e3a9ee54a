/* Memory of all sizes between two tasks, several threads in each: copied, moved, kept for a while,
 * written to, sent back and back again, and returned; then the same with the other killed in the midst
 * of it. Every byte that arrives is right, and stays so for as long as it is held. */
#include "harness/mach_kit.h"

#include <mach/machool.h>
#include <stdlib.h>
#include <string.h>

enum { SENDERS = 3, RECEIVERS = 2, EACH = 250, HELD = 6, KILLS = 12, LARGEST = 1 << 20 };

struct loan_msg {
    mach_msg_header_t header;
    mach_msg_body_t body;
    mach_msg_ool_descriptor_t ool;
    unsigned seed, hops;
};
struct loan_rcv {
    struct loan_msg message;
    mach_msg_max_trailer_t trailer;
};

struct held {
    void *address;
    size_t size;
    unsigned seed, hops;
};

struct side {
    struct kit_pair pair;
    unsigned sent, received; /* atomic: messages */
    bool stopped;            /* atomic: nothing is sent on any more */
};

static size_t random_size(void)
{
    const size_t most[] = {4000, 20000, 70000, 300000, LARGEST};
    return 1 + kit_random((unsigned)most[kit_random(5)]);
}

/* Takes the memory: if it cannot be sent now, it is looked at once more, and freed. False: the other
 * side is dead. */
static bool give(struct side *side, struct held *take, mach_msg_timeout_t timeout)
{
    struct loan_msg message;
    bool moves = kit_random(3) != 0;
    kit_header(&message.header, MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0) | MACH_MSGH_BITS_COMPLEX,
               sizeof(message), side->pair.theirs, MACH_PORT_NULL, 1);
    message.body.msgh_descriptor_count = 1;
    kit_ool(&message.ool, take->address, take->size, kit_random(2), moves);
    message.seed = take->seed;
    message.hops = take->hops;
    mach_msg_return_t result = kit_send(&message.header, MACH_SEND_TIMEOUT, timeout);
    if (result == MACH_MSG_SUCCESS) {
        __atomic_add_fetch(&side->sent, 1, __ATOMIC_RELAXED);
        if (!moves) {
            ASSERT_FILLED(take->address, take->size, take->seed);
            kit_free(take->address, take->size);
        }
        return true;
    }
    if (result == MACH_SEND_TIMED_OUT) { /* it has been received here again (S33) */
        kit_deallocate(message.header.msgh_remote_port);
        ASSERT_EQ(take->size, message.ool.size);
        ASSERT_FILLED(message.ool.address, take->size, take->seed);
        kit_free(message.ool.address, take->size);
        if (message.ool.address != take->address && !moves)
            kit_free(take->address, take->size);
        return true;
    }
    ASSERT_CODE(MACH_SEND_INVALID_DEST, result);
    ASSERT_FILLED(take->address, take->size, take->seed);
    kit_free(take->address, take->size);
    return false;
}

static void *send_some(void *argument)
{
    struct side *side = argument;
    unsigned count = 0;
    while (count++ < EACH || side->pair.argument[0] == 'k') {
        struct held made = {.size = random_size(), .seed = kit_random(1u << 30)};
        made.hops = kit_random(4);
        made.address = kit_allocate(made.size);
        const unsigned char *bytes = made.address;
        for (size_t at = 0; at < made.size; at += 997)
            ASSERT_EQ(0, bytes[at]); /* whoever had it before */
        kit_fill(made.address, made.size, made.seed);
        if (!give(side, &made, PATIENCE))
            break;
    }
    return NULL;
}

/* What has been held for a while is as it was; it goes on, or goes back, changed or not. */
static void let_go(struct side *side, struct held *held)
{
    ASSERT_FILLED(held->address, held->size, held->seed);
    if (held->hops == 0 || __atomic_load_n(&side->stopped, __ATOMIC_ACQUIRE)) {
        memset(held->address, 0xee, held->size);
        kit_free(held->address, held->size);
    } else {
        held->hops--;
        if (kit_random(2))
            kit_fill(held->address, held->size, ++held->seed);
        (void)give(side, held, 0);
    }
    held->address = NULL;
}

static void take_in(struct side *side, const struct loan_msg *message, struct held *list)
{
    struct held *held = &list[kit_random(HELD)];
    __atomic_add_fetch(&side->received, 1, __ATOMIC_RELAXED);
    ASSERT_EQ(1, message->body.msgh_descriptor_count);
    if (held->address)
        let_go(side, held);
    *held = (struct held){.address = message->ool.address,
                          .size = message->ool.size,
                          .seed = message->seed,
                          .hops = message->hops};
    ASSERT_FILLED(held->address, held->size, held->seed);
}

/* Until nothing has come for a moment after the senders have stopped. */
static void *receive_all(void *argument)
{
    struct side *side = argument;
    struct held list[HELD] = {{0}};
    for (;;) {
        struct loan_rcv received;
        bool last = __atomic_load_n(&side->stopped, __ATOMIC_ACQUIRE);
        mach_msg_return_t result = kit_receive(&received.message.header, sizeof(received),
                                               side->pair.mine, 0, A_MOMENT);
        if (result == MACH_RCV_TIMED_OUT && last)
            break;
        if (result == MACH_RCV_TIMED_OUT)
            continue;
        ASSERT_OK(result);
        take_in(side, &received.message, list);
    }
    for (size_t i = 0; i < HELD; i++) {
        if (list[i].address)
            let_go(side, &list[i]);
    }
    return NULL;
}

struct threads {
    pthread_t senders[SENDERS], receivers[RECEIVERS];
};

static void start(struct side *side, struct threads *ret_threads)
{
    for (int i = 0; i < RECEIVERS; i++)
        ret_threads->receivers[i] = kit_thread(receive_all, side);
    for (int i = 0; i < SENDERS; i++)
        ret_threads->senders[i] = kit_thread(send_some, side);
}

static void join_senders(struct threads *threads)
{
    for (int i = 0; i < SENDERS; i++)
        kit_join(threads->senders[i]);
}

/* Both sides have stopped before either waits for the last messages. */
static void join_receivers(struct threads *threads)
{
    for (int i = 0; i < RECEIVERS; i++)
        kit_join(threads->receivers[i]);
}

PEER(loans_peer)
{
    struct side side = {0};
    struct threads threads;
    kit_pair_join(&side.pair);
    start(&side, &threads);
    join_senders(&threads);
    parent_tell();
    parent_hear();
    __atomic_store_n(&side.stopped, true, __ATOMIC_RELEASE);
    parent_tell();
    join_receivers(&threads);
    parent_tell();
    parent_hear();
    struct plain_msg totals;
    memset(&totals, 0, sizeof(totals));
    memcpy(totals.text, (unsigned[]){side.sent, side.received}, 2 * sizeof(unsigned));
    kit_header(&totals.header, MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0), sizeof(totals),
               side.pair.theirs, MACH_PORT_NULL, 2);
    ASSERT_OK(kit_send(&totals.header, MACH_SEND_TIMEOUT, PATIENCE));
    parent_hear();
    kit_pair_leave(&side.pair);
}

TEST_FOR(loans_between_threads_of_two_tasks, 60)
{
    struct side side = {0};
    struct threads threads;
    struct plain_rcv totals;
    unsigned theirs[2];
    kit_pair_start(&side.pair, "loans_peer", "");
    start(&side, &threads);
    join_senders(&threads);
    peer_hear(&side.pair.peer);
    peer_tell(&side.pair.peer);
    peer_hear(&side.pair.peer); /* it sends nothing on any more, but for what is under way */
    __atomic_store_n(&side.stopped, true, __ATOMIC_RELEASE);
    join_receivers(&threads);
    peer_hear(&side.pair.peer);
    peer_tell(&side.pair.peer);
    ASSERT_OK(kit_receive(&totals.header, sizeof(totals), side.pair.mine, 0, PATIENCE));
    memcpy(theirs, totals.text, sizeof(theirs));
    ASSERT(side.sent >= SENDERS * EACH && theirs[0] >= SENDERS * EACH);
    ASSERT_EQ(side.sent, theirs[1]);
    ASSERT_EQ(theirs[0], side.received);
    struct machool_stats stats;
    machool_get_stats(&stats);
    ASSERT(stats.lent_limit == 0 || stats.parked > 0); /* it did go that way, if there is one */
    peer_tell(&side.pair.peer);
    kit_pair_end(&side.pair);
}

/* Until what was lent to the dead is given up. */
static void expect_nothing_lent(void)
{
    uint64_t end = kit_milliseconds() + PATIENCE;
    mach_port_t port = kit_receive_right();
    struct machool_stats stats;
    do {
        struct plain_rcv none;
        ASSERT_CODE(MACH_RCV_TIMED_OUT, kit_receive(&none.header, sizeof(none), port, 0, 1));
        machool_get_stats(&stats);
    } while ((stats.lent_bytes || stats.borrowed_bytes) && kit_milliseconds() < end);
    ASSERT_EQ(0, stats.lent_bytes);
    ASSERT_EQ(0, stats.borrowed_bytes);
    kit_destroy(port);
}

TEST_FOR(loans_and_a_peer_that_is_killed, 60)
{
    for (int round = 0; round < KILLS; round++) {
        struct side side = {0};
        struct threads threads;
        struct plain_rcv none;
        mach_port_t wait = kit_receive_right();
        kit_pair_start(&side.pair, "loans_peer", "k");
        strcpy(side.pair.argument, "k");
        start(&side, &threads);
        ASSERT_CODE(MACH_RCV_TIMED_OUT, kit_receive(&none.header, sizeof(none), wait, 0,
                                                    5 + kit_random(120))); /* the instant varies */
        peer_kill(&side.pair.peer);
        join_senders(&threads);
        __atomic_store_n(&side.stopped, true, __ATOMIC_RELEASE);
        join_receivers(&threads);
        kit_destroy(wait);
        kit_pair_drop(&side.pair);
        expect_nothing_lent();
    }
}
