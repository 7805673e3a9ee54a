/*
 * The limit: a mapping that both processes keep, and words that both look at until they change.
 * Nothing protects one from the other, and a process that waits burns its CPU.
 */
#include "pair.h"

#include <errno.h>
#include <string.h>

static int limit_open(struct bench_pair *pair)
{
    pair->kept = pair_memory_shared(pair);
    return pair->kept ? 0 : ENOMEM;
}

static int copy_open(struct bench_pair *pair)
{
    pair->source = pair_memory_own(pair);
    return pair->source ? limit_open(pair) : ENOMEM;
}

static int nothing(struct bench_pair *pair)
{
    (void)pair;
    return 0;
}

static int hand_over(struct bench_pair *pair, uint64_t *ret_seen)
{
    uint64_t before = pair->step++;
    atomic_store_explicit(&pair->words->sent, pair->step, memory_order_release);
    int error = pair_spin(pair, &pair->words->taken, before);
    *ret_seen = pair->words->seen;
    return error;
}

static int step_copy(struct bench_pair *pair, unsigned char value, uint64_t *ret_seen)
{
    pair_fill(pair, pair->source, value);
    memcpy(pair->kept, pair->source, pair->size);
    return hand_over(pair, ret_seen);
}

static int step_built(struct bench_pair *pair, unsigned char value, uint64_t *ret_seen)
{
    pair_fill(pair, pair->kept, value);
    return hand_over(pair, ret_seen);
}

static int limit_take(struct bench_pair *pair)
{
    int error = pair_spin(pair, &pair->words->sent, pair->step++);
    pair->words->seen = pair_read(pair, pair->kept);
    atomic_store_explicit(&pair->words->taken, pair->step, memory_order_release);
    return error;
}

static void limit_close(struct bench_pair *pair)
{
    pair_memory_free(pair, pair->kept);
}

const struct way limit_copy = {copy_open,  nothing,     nothing, step_copy,
                               limit_take, limit_close, true};
const struct way limit_built = {limit_open, nothing,     nothing, step_built,
                                limit_take, limit_close, true};
