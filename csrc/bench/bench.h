/*
 * The step of the benchmark between two C processes: fill n bytes, hand them over, the other reads
 * every byte, and acknowledges. `python -m machool bench` loads this as a shared object, and
 * benchmarks/c/bench_handoff.c is a program around it.
 *
 * A pair is a producer, the process that opens it, and a consumer, which is forked from it and
 * sleeps between turns. One thread at a time may use a pair. Linux only.
 */
#ifndef MACHOOL_BENCH_H
#define MACHOOL_BENCH_H

#include <stdbool.h>
#include <stddef.h>

/* How the bytes go over. The first two are the limit of what any transport could reach: a mapping
 * that both keep, warm and unprotected, and a word that both look at until it changes. */
enum bench_way {
    BENCH_LIMIT_COPY = 0,  /* an ordinary array, one memcpy */
    BENCH_LIMIT_BUILT = 1, /* filled in place */
    BENCH_SOCKET = 2,      /* a SEQPACKET socket, blocking: for sizes that it takes in one */
    BENCH_MACH_COPY = 3,   /* Mach: an ordinary array; up to a page in the message itself */
    BENCH_MACH_BUILT = 4,  /* Mach: memory allocated for each message, and moved */
    BENCH_MACH_AGAIN = 5,  /* Mach: memory that the sender keeps, fills again and sends again */
    BENCH_WAYS = 6,
};

/* The largest message of BENCH_SOCKET, in bytes. */
#define BENCH_SOCKET_MOST ((size_t)128 << 10)

#define BENCH_EXPORT __attribute__((visibility("default")))

struct bench_pair;

/* What steps cost, both processes together. */
struct bench_cost {
    double cpu;    /* microseconds, in user code and in the kernel */
    double faults; /* pages that were touched for the first time */
    double sleeps; /* times that a process gave up its CPU to wait */
};

/* Starts a consumer for messages of `size` bytes. Without `touch` nothing is filled and nothing is
 * read: the hand-over alone. The pair is the caller's, for bench_close; NULL with errno. */
BENCH_EXPORT struct bench_pair *bench_open(int way, size_t size, bool touch);

/* Takes `steps` steps, each after a pause in seconds, and stores their durations in microseconds;
 * *ret_cost is what they cost, all together. 0, or an
 * errno: ECHILD (the consumer died), EBADMSG (other bytes arrived than were sent), EIO. After an
 * error the pair is good for bench_close only. */
BENCH_EXPORT int bench_turn(struct bench_pair *pair, unsigned steps, double pause,
                            double *ret_microseconds, struct bench_cost *ret_cost);

/* Ends the consumer and frees the pair. NULL is allowed. */
BENCH_EXPORT void bench_close(struct bench_pair *take_pair);

#endif
