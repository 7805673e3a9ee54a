/* Calls on the host. */
#include "ipc/ipc_space.h"
#include "os/os_host.h"

#include <mach/mach_host.h>
#include <mach/processor_info.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

/* Only this machine's host can be asked (S184). */
#define CHECK_HOST(host)                                                                           \
    do {                                                                                           \
        if ((host) != IPC_NAME_HOST)                                                               \
            return MACH_SEND_INVALID_DEST;                                                         \
    } while (0)

#if defined(__aarch64__)
#define OUR_TYPE CPU_TYPE_ARM64
#define OUR_64_BIT_TYPE CPU_TYPE_ARM64
#define OUR_SUBTYPE CPU_SUBTYPE_ARM64_ALL
#define OUR_THREADTYPE CPU_THREADTYPE_NONE
#else
#define OUR_TYPE CPU_TYPE_X86 /* as Darwin says, whatever the width */
#define OUR_64_BIT_TYPE CPU_TYPE_X86_64
#define OUR_SUBTYPE CPU_SUBTYPE_X86_64_ALL
#define OUR_THREADTYPE CPU_THREADTYPE_INTEL_HTT
#endif

#define MEMORY_SIZE_MAX 0x80000000u /* what the old field can say */
#define BASIC_INFO_OLD_COUNT 5u     /* words that the oldest programs ask for */

static void fill_basic(host_basic_info_t info)
{
    struct os_host host;
    os_host_read(&host);
    *info = (struct host_basic_info){
        .max_cpus = host.processors_max,
        .avail_cpus = host.processors,
        .memory_size = host.memory < MEMORY_SIZE_MAX ? (natural_t)host.memory : MEMORY_SIZE_MAX,
        .cpu_type = OUR_TYPE,
        .cpu_subtype = OUR_SUBTYPE,
        .cpu_threadtype = host.processors > host.cores ? OUR_THREADTYPE : CPU_THREADTYPE_NONE,
        .physical_cpu = host.cores,
        .physical_cpu_max = host.cores_max,
        .logical_cpu = host.processors,
        .logical_cpu_max = host.processors_max,
        .max_mem = host.memory,
    };
}

static void fill_sched(host_sched_info_t info)
{
    struct os_host host;
    os_host_read(&host);
    info->min_timeout = (integer_t)host.tick_ms;
    info->min_quantum = (integer_t)host.quantum_ms;
}

/* Room for any flavour's struct. */
union host_info_any {
    struct host_basic_info basic;
    struct host_sched_info sched;
    struct kernel_resource_sizes sizes;
    struct host_can_has_debugger_info debugger;
    struct host_preferred_user_arch arch;
    struct host_load_info load;
    struct host_cpu_load_info cpu_load;
};

/* Hands out `count` words, or what there is room for if that is at least `least`. */
static kern_return_t give(const union host_info_any *info, mach_msg_type_number_t count,
                          mach_msg_type_number_t least, host_info_t out,
                          mach_msg_type_number_t *room)
{
    if (*room < least)
        return KERN_FAILURE;
    if (*room < count)
        count = least;
    memcpy(out, info, count * sizeof(integer_t));
    *room = count;
    return KERN_SUCCESS;
}

kern_return_t host_info(host_t host, host_flavor_t flavor, host_info_t out,
                        mach_msg_type_number_t *count)
{
    CHECK_HOST(host);
    union host_info_any info = {0};
    switch (flavor) {
    case HOST_BASIC_INFO:
        fill_basic(&info.basic);
        return give(&info, HOST_BASIC_INFO_COUNT, BASIC_INFO_OLD_COUNT, out, count);
    case HOST_SCHED_INFO:
        fill_sched(&info.sched);
        return give(&info, HOST_SCHED_INFO_COUNT, HOST_SCHED_INFO_COUNT, out, count);
    case HOST_RESOURCE_SIZES:
        return give(&info, HOST_RESOURCE_SIZES_COUNT, HOST_RESOURCE_SIZES_COUNT, out, count);
    case HOST_CAN_HAS_DEBUGGER:
        return give(&info, HOST_CAN_HAS_DEBUGGER_COUNT, HOST_CAN_HAS_DEBUGGER_COUNT, out, count);
    case HOST_PREFERRED_USER_ARCH:
        info.arch = (struct host_preferred_user_arch){OUR_64_BIT_TYPE, OUR_SUBTYPE};
        return give(&info, HOST_PREFERRED_USER_ARCH_COUNT, HOST_PREFERRED_USER_ARCH_COUNT, out,
                    count);
    case HOST_SEMAPHORE_TRAPS:
    case HOST_MACH_MSG_TRAP:
        return give(&info, 0, 0, out, count);
    default:
        return KERN_INVALID_ARGUMENT;
    }
}

/* Threads that could run, and what a further one would get of a processor, by LOAD_SCALE. */
static kern_return_t fill_load(host_load_info_t info)
{
    struct os_host host;
    double load[3];
    os_host_read(&host);
    if (os_host_load(load) < 0)
        return KERN_FAILURE;
    for (int i = 0; i < 3; i++) {
        double left = load[i] < host.processors ? host.processors - load[i]
                                                : host.processors / (load[i] + 1);
        info->avenrun[i] = (integer_t)(load[i] * LOAD_SCALE);
        info->mach_factor[i] = (integer_t)(left * LOAD_SCALE);
    }
    return KERN_SUCCESS;
}

static kern_return_t fill_cpu_load(host_cpu_load_info_t info)
{
    uint64_t user, nice, system, idle;
    if (os_host_times(&user, &nice, &system, &idle) < 0)
        return KERN_FAILURE;
    info->cpu_ticks[CPU_STATE_USER] = (natural_t)user; /* they wrap around, as on Darwin */
    info->cpu_ticks[CPU_STATE_SYSTEM] = (natural_t)system;
    info->cpu_ticks[CPU_STATE_IDLE] = (natural_t)idle;
    info->cpu_ticks[CPU_STATE_NICE] = (natural_t)nice;
    return KERN_SUCCESS;
}

kern_return_t host_statistics(host_t host, host_flavor_t flavor, host_info_t out,
                              mach_msg_type_number_t *count)
{
    CHECK_HOST(host);
    union host_info_any info = {0};
    kern_return_t kr;
    switch (flavor) {
    case HOST_LOAD_INFO:
        kr = fill_load(&info.load);
        return kr ? kr : give(&info, HOST_LOAD_INFO_COUNT, HOST_LOAD_INFO_COUNT, out, count);
    case HOST_CPU_LOAD_INFO:
        kr = fill_cpu_load(&info.cpu_load);
        return kr ? kr
                  : give(&info, HOST_CPU_LOAD_INFO_COUNT, HOST_CPU_LOAD_INFO_COUNT, out, count);
    default:
        return KERN_INVALID_ARGUMENT;
    }
}

kern_return_t host_page_size(host_t host, vm_size_t *size)
{
    CHECK_HOST(host);
    *size = vm_page_size;
    return KERN_SUCCESS;
}

kern_return_t host_kernel_version(host_t host, kernel_version_t version)
{
    CHECK_HOST(host);
    struct utsname name;
    if (uname(&name) < 0)
        return KERN_FAILURE;
    snprintf(version, sizeof(kernel_version_t), "%s %s %s %s", name.sysname, name.release,
             name.version, name.machine);
    return KERN_SUCCESS;
}
