/* Monotonic time in nanoseconds, deadlines made from Mach's millisecond time-outs, and the way to
 * spend time in a loop that polls memory. */
#ifndef MACHOOL_OS_CLOCK_H
#define MACHOOL_OS_CLOCK_H

#include <stdint.h>
#include <time.h>

#define OS_CLOCK_NEVER INT64_MAX

static inline int64_t os_clock_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* The instant `milliseconds` from now. */
static inline int64_t os_clock_after(uint32_t milliseconds)
{
    return os_clock_now() + (int64_t)milliseconds * 1000000;
}

/* Milliseconds left until the deadline, rounded up, as poll and epoll want them: -1 for never. */
static inline int os_clock_left(int64_t deadline)
{
    if (deadline == OS_CLOCK_NEVER)
        return -1;
    int64_t left = deadline - os_clock_now();
    if (left <= 0)
        return 0;
    left = (left + 999999) / 1000000;
    return left > 1000000000 ? 1000000000 : (int)left;
}

/* One turn of such a loop: tells the processor that this thread is only waiting. */
static inline void os_clock_relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

#endif
