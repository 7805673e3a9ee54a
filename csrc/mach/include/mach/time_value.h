/*
 * Seconds and microseconds, as the task and host calls report them.
 */
#ifndef MACHOOL_MACH_TIME_VALUE_H
#define MACHOOL_MACH_TIME_VALUE_H

#include <mach/machine/vm_types.h>

struct time_value {
    integer_t seconds;
    integer_t microseconds;
};
typedef struct time_value time_value_t;

#define TIME_MICROS_MAX (1000000)

/* Sums, both with the microseconds below a second. The first argument is a pointer to the sum. */
#define time_value_add_usec(val, micros)                                                           \
    {                                                                                              \
        (val)->microseconds += (micros);                                                           \
        (val)->seconds += (val)->microseconds >= TIME_MICROS_MAX;                                  \
        (val)->microseconds -= (val)->microseconds >= TIME_MICROS_MAX ? TIME_MICROS_MAX : 0;       \
    }
#define time_value_add(result, addend)                                                             \
    {                                                                                              \
        (result)->seconds += (addend)->seconds;                                                    \
        time_value_add_usec(result, (addend)->microseconds);                                       \
    }

#endif
