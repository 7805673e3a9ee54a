/* The clock: ticks are nanoseconds. */
#include <mach/mach_time.h>

#include <errno.h>
#include <time.h>

#define SECOND 1000000000u

static uint64_t read_clock(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * SECOND + (uint64_t)now.tv_nsec;
}

uint64_t mach_absolute_time(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

uint64_t mach_approximate_time(void)
{
    return read_clock(CLOCK_MONOTONIC_COARSE);
}

uint64_t mach_continuous_time(void)
{
    return read_clock(CLOCK_BOOTTIME);
}

uint64_t mach_continuous_approximate_time(void)
{
    return read_clock(CLOCK_BOOTTIME); /* Linux has no coarse one */
}

kern_return_t mach_wait_until(uint64_t deadline)
{
    const struct timespec until = {
        .tv_sec = (time_t)(deadline / SECOND),
        .tv_nsec = (long)(deadline % SECOND),
    };
    return clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR ? KERN_ABORTED
                                                                                  : KERN_SUCCESS;
}

kern_return_t mach_timebase_info(mach_timebase_info_t info)
{
    info->numer = info->denom = 1;
    return KERN_SUCCESS;
}
