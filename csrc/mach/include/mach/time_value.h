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

#endif
