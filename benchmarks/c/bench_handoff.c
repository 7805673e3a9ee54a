/* The step of `python -m machool bench` between two C processes, without Python: Mach messages with
 * the standard headers beside a blocking socket and beside the limit, in one run.
 *
 *   cc -O2 -Icsrc/bench benchmarks/c/bench_handoff.c csrc/bench/[a-z]*.c \
 *      $(python -m machool config --cflags --libs) -o bench_handoff
 *   ./bench_handoff [ROUNDS] [SIZE...]      sizes in bytes
 *
 * Each line is one size, in microseconds: the least of the rounds' medians, and what that is of the
 * limit, copied or built. The second line of each size is CPU time a step, of both processes. */
#include "bench.h"
#include "figures.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SHARE 20000.0 /* microseconds of each turn */
#define STEPS_MOST 3000u

static const char *const names[BENCH_WAYS] = {
    [BENCH_LIMIT_COPY] = "limit, copy", [BENCH_LIMIT_BUILT] = "limit, built",
    [BENCH_SOCKET] = "socket",          [BENCH_MACH_COPY] = "mach, copy",
    [BENCH_MACH_BUILT] = "mach, built", [BENCH_MACH_AGAIN] = "mach, again",
};

struct figure {
    struct bench_pair *pair;
    unsigned steps;
    double best, cpu; /* microseconds a step; best is 0 before the first round */
};

static void fail(int error, const char *what)
{
    fprintf(stderr, "bench_handoff: %s: %s\n", what, strerror(error));
    exit(EXIT_FAILURE);
}

static double turn(struct figure *figure, const char *name, unsigned steps)
{
    static double took[STEPS_MOST];
    struct bench_cost cost;
    int error = bench_turn(figure->pair, steps, 0, took, &cost);
    if (error)
        fail(error, name);
    double middle = median(took, steps);
    if (figure->best == 0 || middle < figure->best) {
        figure->best = middle;
        figure->cpu = cost.cpu / steps;
    }
    double fit = SHARE / (middle > 0.01 ? middle : 0.01);
    figure->steps = fit < 1 ? 1 : fit > STEPS_MOST ? STEPS_MOST : (unsigned)fit;
    return middle;
}

static void measure(size_t size, int rounds)
{
    struct figure figures[BENCH_WAYS] = {0};
    for (int way = 0; way < BENCH_WAYS; way++) {
        if (way == BENCH_SOCKET && size > BENCH_SOCKET_MOST)
            continue;
        figures[way].pair = bench_open(way, size, true);
        if (!figures[way].pair)
            fail(errno, names[way]);
        (void)turn(&figures[way], names[way], 1);
        figures[way].best = 0;
    }
    for (int round = 0; round < rounds; round++)
        for (int way = 0; way < BENCH_WAYS; way++)
            if (figures[way].pair)
                (void)turn(&figures[way], names[way], figures[way].steps);
    printf("%12zu", size);
    for (int way = 0; way < BENCH_WAYS; way++) {
        double limit = figures[way == BENCH_MACH_BUILT || way == BENCH_MACH_AGAIN].best;
        if (figures[way].pair)
            printf("%11.2f %6.1f", figures[way].best, figures[way].best / limit);
        else
            printf("%11s %6s", "-", "");
    }
    printf("\n%12s", "CPU");
    for (int way = 0; way < BENCH_WAYS; way++) {
        printf("%11.2f %6s", figures[way].cpu, "");
        bench_close(figures[way].pair);
    }
    printf("\n");
}

int main(int count, char **arguments)
{
    static const size_t usual[] = {0, 64, 4096, 65536, 1 << 20, 8 << 20, 64 << 20};
    int rounds = count > 1 ? atoi(arguments[1]) : 5;
    if (rounds < 1)
        fail(EINVAL, "rounds");
    printf("%12s", "bytes");
    for (int way = 0; way < BENCH_WAYS; way++)
        printf("%18s", names[way]);
    printf("\n");
    for (int i = 2; i < count; i++)
        measure((size_t)strtoull(arguments[i], NULL, 10), rounds);
    for (size_t i = 0; count <= 2 && i < sizeof usual / sizeof *usual; i++)
        measure(usual[i], rounds);
    return 0;
}
