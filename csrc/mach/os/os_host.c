/* See os_host.h. */
#include "os/os_host.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

/* The first processor of the core that one is in; -1: it is off, or the kernel does not tell. */
static int core_of(int processor)
{
    char path[96];
    int first = -1;
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list",
             processor);
    FILE *file = fopen(path, "re");
    if (!file)
        return -1;
    if (fscanf(file, "%d", &first) != 1)
        first = -1;
    fclose(file);
    return first;
}

/* Cores that run, and those of processors that are off, taken for single ones. */
static void count_cores(struct os_host *host)
{
    int off = 0;
    for (int i = 0; i < host->processors_max; i++) {
        int core = core_of(i);
        host->cores += core == i;
        off += core < 0;
    }
    if (host->cores == 0) {
        host->cores = host->processors;
        off = host->processors_max - host->processors;
    }
    host->cores_max = host->cores + off;
}

void os_host_read(struct os_host *ret_host)
{
    struct timespec tick = {0}, quantum = {0};
    clock_getres(CLOCK_MONOTONIC_COARSE, &tick);
    if (sched_rr_get_interval(0, &quantum) < 0 || (quantum.tv_sec == 0 && quantum.tv_nsec == 0))
        quantum = tick; /* the scheduler gives turns of no fixed length */
    struct os_host host = {
        .processors = (int)sysconf(_SC_NPROCESSORS_ONLN),
        .processors_max = (int)sysconf(_SC_NPROCESSORS_CONF),
        .memory = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE),
        .tick_ms = (uint32_t)((tick.tv_nsec + 999999) / 1000000),
        .quantum_ms = (uint32_t)(quantum.tv_sec * 1000 + (quantum.tv_nsec + 999999) / 1000000),
    };
    if (host.processors_max < host.processors)
        host.processors_max = host.processors;
    count_cores(&host);
    *ret_host = host;
}

int os_host_times(uint64_t *ret_user, uint64_t *ret_nice, uint64_t *ret_system, uint64_t *ret_idle)
{
    unsigned long long at[8] = {0}; /* user nice system idle iowait irq softirq steal */
    FILE *file = fopen("/proc/stat", "re");
    if (!file)
        return -errno;
    int found = fscanf(file, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &at[0], &at[1], &at[2],
                       &at[3], &at[4], &at[5], &at[6], &at[7]);
    fclose(file);
    if (found < 4)
        return -EIO;
    *ret_user = at[0];
    *ret_nice = at[1];
    *ret_system = at[2] + at[5] + at[6] + at[7];
    *ret_idle = at[3] + at[4];
    return 0;
}

int os_host_load(double ret_load[3])
{
    return getloadavg(ret_load, 3) == 3 ? 0 : -EIO;
}
