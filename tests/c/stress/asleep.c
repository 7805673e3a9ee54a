/* News that comes at the very moment a task falls asleep: rights dropped by the other task a random
 * moment after they came. Each gives its notification at once, though nothing follows to wake by. */
#include "harness/mach_kit.h"

#include <time.h>

enum { ROUNDS = 20000, LATEST = 80000 /* ns */, DONE = 1 };

static uint64_t now(void)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (uint64_t)at.tv_sec * 1000000000u + (uint64_t)at.tv_nsec;
}

PEER(asleep_dropper)
{
    struct kit_pair pair;
    kit_pair_join(&pair);
    for (;;) {
        struct plain_rcv request;
        ASSERT_OK(kit_receive(&request.header, sizeof(request), pair.mine, 0, PATIENCE));
        if (request.header.msgh_id == DONE)
            break;
        for (uint64_t until = now() + kit_random(LATEST); now() < until;)
            ;
        kit_deallocate(request.header.msgh_remote_port);
    }
    kit_pair_leave(&pair);
}

static void lend(const struct kit_pair *pair, mach_port_t port)
{
    struct plain_msg message;
    kit_header(&message.header,
               MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MAKE_SEND_ONCE),
               sizeof(message.header), pair->theirs, port, 0);
    ASSERT_OK(kit_send(&message.header, MACH_SEND_TIMEOUT, PATIENCE));
}

TEST_FOR(notification_comes_while_its_receiver_falls_asleep, 120)
{
    struct kit_pair pair;
    mach_port_t port = kit_receive_right();
    kit_pair_start(&pair, "asleep_dropper", "");
    for (int round = 0; round < ROUNDS; round++) {
        lend(&pair, port);
        kit_expect_send_once_notification(port);
    }
    kit_send_plain(pair.theirs, DONE);
    kit_pair_end(&pair);
    kit_destroy(port);
}

struct sleeper {
    mach_port_t port;
    struct kit_event heard;
};

static void *sleep_until_last(void *argument)
{
    struct sleeper *sleeper = argument;
    for (int round = 0; round < ROUNDS; round++) {
        kit_expect_send_once_notification(sleeper->port);
        kit_event_post(&sleeper->heard);
    }
    return NULL;
}

/* The same when another thread than the one that sleeps makes and sends the rights, and so may be
 * the one that reads of their end. */
TEST_FOR(notification_comes_while_another_thread_falls_asleep, 120)
{
    struct kit_pair pair;
    struct sleeper sleeper = {.port = kit_receive_right(), .heard = KIT_EVENT_INIT};
    kit_pair_start(&pair, "asleep_dropper", "");
    pthread_t thread = kit_thread(sleep_until_last, &sleeper);
    for (unsigned round = 1; round <= ROUNDS; round++) {
        lend(&pair, sleeper.port);
        kit_event_wait(&sleeper.heard, round);
    }
    kit_join(thread);
    kit_send_plain(pair.theirs, DONE);
    kit_pair_end(&pair);
    kit_destroy(sleeper.port);
}
