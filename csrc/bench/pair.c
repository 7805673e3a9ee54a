/*
 * The pair: a forked consumer that obeys orders, and the loop that takes the time.
 */
#define _GNU_SOURCE
#include "pair.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SPINS_BEFORE_YIELD 20000u
#define VALUES 250u
#define WARM_STEPS 2u
#define WARM_BELOW ((size_t)32 << 20) /* larger messages warm what there is in their first turn */

static const struct way *const ways[BENCH_WAYS] = {
    [BENCH_LIMIT_COPY] = &limit_copy, [BENCH_LIMIT_BUILT] = &limit_built,
    [BENCH_SOCKET] = &socket_copy,    [BENCH_MACH_COPY] = &mach_copy,
    [BENCH_MACH_BUILT] = &mach_built, [BENCH_MACH_AGAIN] = &mach_again,
};

/* ---- filling and reading --------------------------------------------------------------------- */

typedef uint64_t lanes __attribute__((vector_size(32), aligned(1), may_alias));

void pair_fill(const struct bench_pair *pair, void *at, unsigned char value)
{
    if (pair->touch && pair->size)
        memset(at, value, pair->size);
}

/* Four sums at once, so that only memory limits them. */
uint64_t pair_read(const struct bench_pair *pair, const void *at)
{
    const unsigned char *from = at;
    size_t left = pair->touch ? pair->size : 0;
    lanes sums[4] = {{0}};
    for (; left >= sizeof sums; left -= sizeof sums, from += sizeof sums)
        for (size_t i = 0; i < 4; i++)
            sums[i] += *(const lanes *)(const void *)(from + i * sizeof(lanes));
    lanes all = sums[0] + sums[1] + sums[2] + sums[3];
    uint64_t sum = all[0] + all[1] + all[2] + all[3];
    for (; left; left--)
        sum += *from++;
    return sum;
}

/* What pair_read gives for memory that was filled with the value. */
static uint64_t expected(const struct bench_pair *pair, unsigned char value)
{
    size_t size = pair->touch ? pair->size : 0, tail = size % (4 * sizeof(lanes));
    return (size - tail) / sizeof(uint64_t) * (value * 0x0101010101010101) + tail * value;
}

static char *memory(const struct bench_pair *pair, int flags)
{
    void *at = mmap(NULL, pair->size ? pair->size : 1, PROT_READ | PROT_WRITE,
                    flags | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    return at == MAP_FAILED ? NULL : at;
}

char *pair_memory_shared(const struct bench_pair *pair)
{
    return memory(pair, MAP_SHARED);
}

char *pair_memory_own(const struct bench_pair *pair)
{
    char *at = memory(pair, MAP_PRIVATE);
    if (at)
        (void)madvise(at, pair->size ? pair->size : 1, MADV_DONTFORK);
    return at;
}

void pair_memory_free(const struct bench_pair *pair, char *take_memory)
{
    if (take_memory)
        (void)munmap(take_memory, pair->size ? pair->size : 1);
}

int pair_spin(const struct bench_pair *pair, const _Atomic uint64_t *word, uint64_t old)
{
    for (unsigned spins = 1; atomic_load_explicit(word, memory_order_acquire) == old; spins++) {
#if defined(__x86_64__) || defined(__i386__)
        __builtin_ia32_pause();
#endif
        if (spins % SPINS_BEFORE_YIELD)
            continue;
        (void)sched_yield();
        siginfo_t ended = {0};
        if (pair->consumer &&
            !waitid(P_PID, (id_t)pair->consumer, &ended, WEXITED | WNOHANG | WNOWAIT) &&
            ended.si_pid)
            return ECHILD;
    }
    return 0;
}

/* Puts the calling process on the first or the second of the CPUs that it may use: two processes that
 * spin on one CPU would wait for the scheduler to part them. Stores what it might use before. */
static void settle(size_t which, cpu_set_t *ret_before)
{
    cpu_set_t only;
    CPU_ZERO(&only);
    CPU_ZERO(ret_before);
    if (sched_getaffinity(0, sizeof *ret_before, ret_before) || CPU_COUNT(ret_before) < 2)
        return;
    for (size_t cpu = 0, found = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, ret_before) && found++ == which)
            CPU_SET(cpu, &only);
    (void)sched_setaffinity(0, sizeof only, &only);
}

/* ---- the consumer ---------------------------------------------------------------------------- */

/* What this process has cost so far. */
static struct bench_cost cost_now(void)
{
    struct timespec used;
    struct rusage usage = {0};
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    (void)getrusage(RUSAGE_SELF, &usage);
    return (struct bench_cost){
        .cpu = (double)used.tv_sec * 1e6 + (double)used.tv_nsec / 1e3,
        .faults = (double)usage.ru_minflt,
        .sleeps = (double)usage.ru_nvcsw,
    };
}

static struct bench_cost cost_since(struct bench_cost before)
{
    struct bench_cost now = cost_now();
    return (struct bench_cost){
        .cpu = now.cpu - before.cpu,
        .faults = now.faults - before.faults,
        .sleeps = now.sleeps - before.sleeps,
    };
}

static bool whole_read(int fd, void *buffer, size_t size)
{
    ssize_t got;
    do
        got = read(fd, buffer, size);
    while (got < 0 && errno == EINTR);
    return got == (ssize_t)size;
}

static bool whole_write(int fd, const void *buffer, size_t size)
{
    ssize_t put;
    do
        put = write(fd, buffer, size);
    while (put < 0 && errno == EINTR);
    return put == (ssize_t)size;
}

static _Noreturn void consume(struct bench_pair *pair)
{
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)close(pair->orders[1]);
    (void)close(pair->answers[0]);
    pair->consumer = 0;
    unsigned count = 0;
    cpu_set_t before_that;
    if (pair->way->spins)
        settle(1, &before_that);
    if (pair->way->open_consumer(pair) || !whole_write(pair->answers[1], "r", 1))
        _exit(1);
    while (whole_read(pair->orders[0], &count, sizeof count)) {
        struct bench_cost before = cost_now();
        for (unsigned i = 0; i < count; i++)
            if (pair->way->take(pair))
                _exit(1);
        pair->words->consumer_cost = cost_since(before);
        if (!whole_write(pair->answers[1], "d", 1))
            _exit(1);
    }
    _exit(0);
}

/* ---- the producer ---------------------------------------------------------------------------- */

static int open_shared(struct bench_pair *pair)
{
    pair->words = mmap(NULL, sizeof *pair->words, PROT_READ | PROT_WRITE,
                       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (pair->words == MAP_FAILED) {
        pair->words = NULL;
        return ENOMEM;
    }
    if (pipe2(pair->orders, O_CLOEXEC) || pipe2(pair->answers, O_CLOEXEC))
        return errno;
    return pair->way->open(pair);
}

static int start(struct bench_pair *pair)
{
    pair->consumer = fork();
    if (pair->consumer < 0) {
        pair->consumer = 0;
        return errno;
    }
    if (!pair->consumer)
        consume(pair);
    (void)close(pair->orders[0]);
    (void)close(pair->answers[1]);
    pair->orders[0] = pair->answers[1] = -1;
    char ready;
    return whole_read(pair->answers[0], &ready, 1) ? pair->way->open_producer(pair) : ECHILD;
}

struct bench_pair *bench_open(int way, size_t size, bool touch)
{
    if (way < 0 || way >= BENCH_WAYS || (way == BENCH_SOCKET && size > BENCH_SOCKET_MOST)) {
        errno = EINVAL;
        return NULL;
    }
    struct bench_pair *pair = calloc(1, sizeof *pair);
    if (!pair)
        return NULL;
    pair->way = ways[way];
    pair->size = size;
    pair->touch = touch;
    for (int i = 0; i < 2; i++)
        pair->orders[i] = pair->answers[i] = pair->socket[i] = -1;
    int error = open_shared(pair);
    if (!error)
        error = start(pair);
    if (error) {
        bench_close(pair);
        errno = error;
        return NULL;
    }
    return pair;
}

static double microseconds(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static void sleep_for(double seconds)
{
    if (seconds <= 0)
        return;
    time_t whole = (time_t)seconds;
    struct timespec span = {.tv_sec = whole, .tv_nsec = (long)((seconds - (double)whole) * 1e9)};
    (void)nanosleep(&span, NULL);
}

static int take_steps(struct bench_pair *pair, unsigned warm, unsigned count, double pause,
                      double *ret_microseconds, struct bench_cost *ret_cost)
{
    struct bench_cost before = {0};
    for (unsigned i = 0; i < count; i++) {
        unsigned char value = (unsigned char)(1 + i % VALUES);
        uint64_t seen = 0;
        if (i == warm)
            before = cost_now();
        sleep_for(pause);
        double from = microseconds();
        int error = pair->way->step(pair, value, &seen);
        double took = microseconds() - from;
        if (error)
            return error;
        if (seen != expected(pair, value))
            return EBADMSG;
        if (i >= warm)
            ret_microseconds[i - warm] = took;
    }
    *ret_cost = cost_since(before);
    return 0;
}

int bench_turn(struct bench_pair *pair, unsigned steps, double pause, double *ret_microseconds,
               struct bench_cost *ret_cost)
{
    unsigned warm = pair->size < WARM_BELOW ? WARM_STEPS : 0, count = steps + warm;
    cpu_set_t before;
    if (!whole_write(pair->orders[1], &count, sizeof count))
        return EIO;
    if (pair->way->spins)
        settle(0, &before);
    int error = take_steps(pair, warm, count, pause, ret_microseconds, ret_cost);
    if (pair->way->spins)
        (void)sched_setaffinity(0, sizeof before, &before);
    char done;
    if (!error && !whole_read(pair->answers[0], &done, 1))
        error = ECHILD;
    struct bench_cost other = pair->words->consumer_cost;
    double part = (double)steps / count;
    ret_cost->cpu += other.cpu * part;
    ret_cost->faults += other.faults * part;
    ret_cost->sleeps += other.sleeps * part;
    return error;
}

static void close_fds(int fds[2])
{
    for (int i = 0; i < 2; i++)
        if (fds[i] >= 0)
            (void)close(fds[i]);
}

void bench_close(struct bench_pair *take_pair)
{
    if (!take_pair)
        return;
    close_fds(take_pair->orders);
    if (take_pair->consumer) {
        int status;
        (void)kill(take_pair->consumer, SIGKILL);
        while (waitpid(take_pair->consumer, &status, 0) < 0 && errno == EINTR)
            continue;
    }
    take_pair->way->close(take_pair);
    close_fds(take_pair->answers);
    pair_memory_free(take_pair, take_pair->source);
    pair_memory_free(take_pair, take_pair->sink);
    if (take_pair->words)
        (void)munmap(take_pair->words, sizeof *take_pair->words);
    free(take_pair);
}
