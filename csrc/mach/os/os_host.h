/* The machine in numbers, as /proc and /sys have them. Read anew at each call; any thread. */
#ifndef MACHOOL_OS_HOST_H
#define MACHOOL_OS_HOST_H

#include <stdint.h>

struct os_host {
    int processors, processors_max; /* running now; that there may be */
    int cores, cores_max;           /* processors that share a core counted once */
    uint64_t memory;                /* bytes */
    uint32_t tick_ms, quantum_ms;   /* of the scheduler: the shortest wait, a thread's turn */
};

void os_host_read(struct os_host *ret_host);

/* Processor time since the system's start, all processors together, in ticks of 10 ms. 0 or -errno. */
int os_host_times(uint64_t *ret_user, uint64_t *ret_nice, uint64_t *ret_system, uint64_t *ret_idle);

/* Threads that could run: averages over 1, 5 and 15 minutes. 0 or -errno. */
int os_host_load(double ret_load[3]);

#endif
