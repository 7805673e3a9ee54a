/*
 * A clock that only ever goes forward.
 */
#ifndef MACHOOL_MACH_MACH_TIME_H
#define MACHOOL_MACH_MACH_TIME_H

#include <stdint.h>

#include <mach/mach_types.h>

/* Ticks times numer / denom are nanoseconds. */
struct mach_timebase_info {
    uint32_t numer;
    uint32_t denom;
};
typedef struct mach_timebase_info *mach_timebase_info_t;
typedef struct mach_timebase_info mach_timebase_info_data_t;

#ifdef __cplusplus
extern "C" {
#endif

/* Ticks since some moment before the system's start; it stands still while the machine sleeps. */
uint64_t mach_absolute_time(void);

/* The same, cheaper and a few milliseconds behind. */
uint64_t mach_approximate_time(void);

/* Ticks since some moment before the system's start; it goes on while the machine sleeps. */
uint64_t mach_continuous_time(void);
uint64_t mach_continuous_approximate_time(void);

/*
 * Sleeps until mach_absolute_time() has reached `deadline`. KERN_SUCCESS; KERN_ABORTED: a signal
 * came first.
 */
kern_return_t mach_wait_until(uint64_t deadline);

/* The length of a tick, the same for as long as the system runs. KERN_SUCCESS, always. */
kern_return_t mach_timebase_info(mach_timebase_info_t info);

#ifdef __cplusplus
}
#endif

#endif
