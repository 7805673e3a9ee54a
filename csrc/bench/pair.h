/*
 * What the ways share: the pair itself, and filling and reading.
 *
 * The pair's struct exists twice, once in each process, and was copied by the fork; `shared` is the
 * one thing that both see. Each way owns the fields of its own part.
 */
#ifndef MACHOOL_BENCH_PAIR_H
#define MACHOOL_BENCH_PAIR_H

#include "bench.h"

#include <mach/mach.h>
#include <servers/bootstrap.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/types.h>

#define CACHE_LINE 64

/* Words of which each has one writer, and a line to itself. */
struct words {
    _Alignas(CACHE_LINE) _Atomic uint64_t sent;  /* producer */
    _Alignas(CACHE_LINE) _Atomic uint64_t taken; /* consumer; publishes `seen` */
    uint64_t seen;
    _Alignas(CACHE_LINE) struct bench_cost
        consumer_cost; /* consumer, before it says that a turn is over */
};

struct bench_pair {
    const struct way *way;
    size_t size;
    bool touch;
    pid_t consumer;
    int orders[2];       /* producer to consumer: how many messages to take; EOF ends it */
    int answers[2];      /* consumer to producer: ready, turn over */
    struct words *words; /* shared */

    char *source;                         /* ways that copy: the producer's ordinary array */
    char *kept;                           /* limit: the mapping that both keep */
    uint64_t step;                        /* limit: how many so far */
    int socket[2];                        /* socket */
    char *sink;                           /* socket: where the consumer receives */
    char service[BOOTSTRAP_MAX_NAME_LEN]; /* Mach */
    mach_port_t port;    /* Mach: the consumer's receive right, the producer's send right */
    mach_port_t reply;   /* Mach: the producer's */
    vm_address_t region; /* Mach: the one that is sent again */
};

/* One way to hand over. Each returns 0 or an errno. */
struct way {
    int (*open)(struct bench_pair *pair); /* before the fork */
    int (*open_consumer)(struct bench_pair *pair);
    int (*open_producer)(struct bench_pair *pair); /* the consumer is ready */
    int (*step)(struct bench_pair *pair, unsigned char value, uint64_t *ret_seen);
    int (*take)(struct bench_pair *pair);
    void (*close)(struct bench_pair *pair); /* the producer's half */
    bool spins;                             /* and so wants a CPU for each process */
};

extern const struct way limit_copy, limit_built, socket_copy, mach_copy, mach_built, mach_again;

/* Fills with the value, or does nothing if the pair touches nothing. */
void pair_fill(const struct bench_pair *pair, void *at, unsigned char value);

/* A sum over all bytes, or 0 if the pair touches nothing. */
uint64_t pair_read(const struct bench_pair *pair, const void *at);

/* Memory of the pair's size that is there already, page by page; NULL with errno. Shared by both
 * processes, or the producer's own: a fork neither gives it to the child nor has it copied here. */
char *pair_memory_shared(const struct bench_pair *pair);
char *pair_memory_own(const struct bench_pair *pair);
void pair_memory_free(const struct bench_pair *pair, char *take_memory);

/* Looks at the word until it is other than `old`: 0, or ECHILD once the consumer is dead. */
int pair_spin(const struct bench_pair *pair, const _Atomic uint64_t *word, uint64_t old);

#endif
