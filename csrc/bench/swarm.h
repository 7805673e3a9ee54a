/*
 * Many clients of one service, each a process of its own: some send requests as fast as answers
 * come, the rest hold on to their connection and do nothing. Linux only.
 */
#ifndef MACHOOL_BENCH_SWARM_H
#define MACHOOL_BENCH_SWARM_H

#include "bench.h"

#include <stdint.h>

struct bench_swarm;

/* Forks `count` clients of the service, each of which has got an answer to its first request when
 * this returns. The swarm is the caller's, for bench_swarm_end; NULL with errno: ECHILD (a client
 * found no service, or had no answer), EAGAIN, ENOMEM. */
BENCH_EXPORT struct bench_swarm *bench_swarm_start(const char *service, unsigned count);

/* Lets the first `busy` clients send requests for so many seconds, and stores how many answers each
 * of them got. 0, or ECHILD. */
BENCH_EXPORT int bench_swarm_run(struct bench_swarm *swarm, unsigned busy, double seconds,
                                 uint64_t *ret_answers);

/* Ends all clients. NULL is allowed. */
BENCH_EXPORT void bench_swarm_end(struct bench_swarm *take_swarm);

#endif
