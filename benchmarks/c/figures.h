/* What the benchmarks measure with. */
#ifndef BENCHMARKS_FIGURES_H
#define BENCHMARKS_FIGURES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static inline void must(bool good, const char *what)
{
    if (good)
        return;
    perror(what);
    exit(1);
}
#define MUST(condition) must(condition, #condition)

/* In microseconds. */
static inline double now(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static inline int ascending(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

/* Of one at least; sorts them. */
static inline double median(double *figures, size_t count)
{
    qsort(figures, count, sizeof *figures, ascending);
    return figures[count / 2];
}

#endif
