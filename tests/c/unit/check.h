/* A check that says where it failed; for programs that drive the layer's pure parts alone. */
#ifndef MACHOOL_TESTS_UNIT_CHECK_H
#define MACHOOL_TESTS_UNIT_CHECK_H

#include <stdio.h>
#include <stdlib.h>

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                        \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

/* The same sequence on every machine, so that a failure can be repeated. */
static inline unsigned next_random(unsigned *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

#endif
