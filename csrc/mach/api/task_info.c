/* task_info: the task in numbers, from /proc, getrusage() and the layer's own counters. */
#include "ipc/ipc_task.h"
#include "os/os_proc.h"

#include <mach/mach.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define MICROSECOND 1000u
#define SECOND 1000000000u

struct times { /* nanoseconds */
    uint64_t user, system;
};

static time_value_t time_value(uint64_t ns)
{
    return (time_value_t){.seconds = (integer_t)(ns / SECOND),
                          .microseconds = (integer_t)(ns % SECOND / MICROSECOND)};
}

static uint64_t timeval_ns(struct timeval time)
{
    return (uint64_t)time.tv_sec * SECOND + (uint64_t)time.tv_usec * MICROSECOND;
}

/* Of the threads that live. 0 or -errno. */
static int living_times(struct times *ret_times)
{
    struct times sum = {0};
    pid_t *tids;
    size_t count;
    int r = os_proc_threads(&tids, &count);
    if (r < 0)
        return r;
    for (size_t i = 0; i < count; i++) {
        struct os_proc_thread thread;
        if (os_proc_thread(tids[i], &thread) == 0) { /* or it has just ended */
            sum.user += thread.user_ns;
            sum.system += thread.system_ns;
        }
    }
    free(tids);
    *ret_times = sum;
    return 0;
}

static struct times all_times(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (struct times){timeval_ns(usage.ru_utime), timeval_ns(usage.ru_stime)};
}

/* Of the threads that have ended. The living ones' times come in ticks of 10 ms, hence less than
 * that is none. 0 or -errno. */
static int ended_times(struct times *ret_times)
{
    const uint64_t tick = SECOND / (uint64_t)sysconf(_SC_CLK_TCK);
    struct times living, all;
    int r = living_times(&living);
    if (r < 0)
        return r;
    all = all_times();
    ret_times->user = all.user >= living.user + tick ? all.user - living.user : 0;
    ret_times->system = all.system >= living.system + tick ? all.system - living.system : 0;
    return 0;
}

/* Room for any flavour's struct. */
union task_info_any {
    struct task_basic_info_32 basic_32;
    struct task_basic_info_64 basic_64;
    struct mach_task_basic_info basic;
    struct task_events_info events;
    struct task_thread_times_info thread_times;
    struct task_absolutetime_info absolute_times;
    struct task_vm_info vm;
    struct task_flags_info flags;
    security_token_t security;
    audit_token_t audit;
};

static natural_t clamp(uint64_t size)
{
    return size < UINT32_MAX ? (natural_t)size : UINT32_MAX;
}

static bool fill_basic(task_flavor_t flavor, union task_info_any *info)
{
    struct os_proc_memory memory;
    struct times times;
    if (os_proc_memory(&memory) < 0 || ended_times(&times) < 0)
        return false;
    time_value_t user = time_value(times.user), system = time_value(times.system);
    if (flavor == MACH_TASK_BASIC_INFO) {
        info->basic = (struct mach_task_basic_info){memory.virtual_size,
                                                    memory.resident,
                                                    memory.resident_peak,
                                                    user,
                                                    system,
                                                    POLICY_TIMESHARE,
                                                    0};
    } else if (flavor == TASK_BASIC_INFO_32 || flavor == TASK_BASIC2_INFO_32) {
        uint64_t resident = flavor == TASK_BASIC_INFO_32 ? memory.resident : memory.resident_peak;
        info->basic_32 = (struct task_basic_info_32){
            0, clamp(memory.virtual_size), clamp(resident), user, system, POLICY_TIMESHARE};
    } else {
        info->basic_64 = (struct task_basic_info_64){
            0, memory.virtual_size, memory.resident, user, system, POLICY_TIMESHARE};
    }
    return true;
}

static bool fill_times(task_flavor_t flavor, union task_info_any *info)
{
    struct times living, all;
    if (living_times(&living) < 0)
        return false;
    all = all_times();
    if (flavor == TASK_THREAD_TIMES_INFO) {
        info->thread_times.user_time = time_value(living.user);
        info->thread_times.system_time = time_value(living.system);
    } else {
        info->absolute_times = (struct task_absolutetime_info){all.user, all.system, living.user,
                                                               living.system};
    }
    return true;
}

static bool fill_events(struct task_events_info *info)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    info->faults = (integer_t)(usage.ru_minflt + usage.ru_majflt);
    info->pageins = (integer_t)usage.ru_majflt;
    info->csw = (integer_t)(usage.ru_nvcsw + usage.ru_nivcsw);
    ipc_task_lock();
    info->messages_sent = (integer_t)ipc_task.messages_sent;
    info->messages_received = (integer_t)ipc_task.messages_received;
    ipc_task_unlock();
    return true;
}

static bool fill_vm(struct task_vm_info *info)
{
    struct os_proc_memory memory;
    struct os_proc_ranges ranges;
    if (os_proc_memory(&memory) < 0 || os_proc_ranges(&ranges) < 0)
        return false;
    info->virtual_size = memory.virtual_size;
    info->region_count = (integer_t)ranges.count;
    info->page_size = (integer_t)vm_page_size;
    info->resident_size = memory.resident;
    info->resident_size_peak = memory.resident_peak;
    info->internal = memory.anonymous + memory.shared;
    info->external = memory.file;
    info->compressed = memory.swapped;
    info->phys_footprint = memory.anonymous + memory.shared + memory.swapped;
    info->min_address = ranges.lowest;
    info->max_address = ranges.highest;
    return true;
}

/* Who the task is, in the words of its messages' trailers (S87). */
static bool fill_token(task_flavor_t flavor, union task_info_any *info)
{
    const unsigned uid = geteuid(), gid = getegid();
    if (flavor == TASK_SECURITY_TOKEN)
        info->security = (security_token_t){{uid, gid}};
    else
        info->audit = (audit_token_t){{uid, uid, gid, uid, gid, (unsigned)getpid(), 0, 0}};
    return true;
}

static bool fill(task_flavor_t flavor, union task_info_any *info)
{
    switch (flavor) {
    case TASK_EVENTS_INFO:
        return fill_events(&info->events);
    case TASK_THREAD_TIMES_INFO:
    case TASK_ABSOLUTETIME_INFO:
        return fill_times(flavor, info);
    case TASK_SECURITY_TOKEN:
    case TASK_AUDIT_TOKEN:
        return fill_token(flavor, info);
    case TASK_VM_INFO:
    case TASK_VM_INFO_PURGEABLE:
        return fill_vm(&info->vm);
    case TASK_FLAGS_INFO:
        info->flags.flags = TF_LP64 | TF_64B_DATA;
        return true;
    default:
        return fill_basic(flavor, info);
    }
}

/* How many words a flavour has, of `room` words: a struct that has grown comes in what it was of
 * old, too. 0: no such flavour. */
static mach_msg_type_number_t words(task_flavor_t flavor, mach_msg_type_number_t room)
{
    static const mach_msg_type_number_t vm_revisions[] = {
        TASK_VM_INFO_COUNT,      TASK_VM_INFO_REV6_COUNT, TASK_VM_INFO_REV5_COUNT,
        TASK_VM_INFO_REV4_COUNT, TASK_VM_INFO_REV3_COUNT, TASK_VM_INFO_REV2_COUNT,
        TASK_VM_INFO_REV1_COUNT,
    };
    switch (flavor) {
    case TASK_BASIC_INFO_32:
    case TASK_BASIC2_INFO_32:
        return TASK_BASIC_INFO_32_COUNT;
    case 5:  /* TASK_BASIC_INFO_64 on one machine */
    case 18: /* and on the other */
        return TASK_BASIC_INFO_64_COUNT;
    case MACH_TASK_BASIC_INFO:
        return MACH_TASK_BASIC_INFO_COUNT;
    case TASK_EVENTS_INFO:
        return TASK_EVENTS_INFO_COUNT;
    case TASK_THREAD_TIMES_INFO:
        return TASK_THREAD_TIMES_INFO_COUNT;
    case TASK_ABSOLUTETIME_INFO:
        return TASK_ABSOLUTETIME_INFO_COUNT;
    case TASK_SECURITY_TOKEN:
        return TASK_SECURITY_TOKEN_COUNT;
    case TASK_AUDIT_TOKEN:
        return TASK_AUDIT_TOKEN_COUNT;
    case TASK_VM_INFO:
    case TASK_VM_INFO_PURGEABLE:
        for (size_t i = 0; i < sizeof vm_revisions / sizeof vm_revisions[0]; i++) {
            if (room >= vm_revisions[i])
                return vm_revisions[i];
        }
        return TASK_VM_INFO_REV0_COUNT;
    case TASK_FLAGS_INFO:
        return TASK_FLAGS_INFO_COUNT;
    default:
        return 0;
    }
}

kern_return_t task_info(task_name_t task, task_flavor_t flavor, task_info_t out,
                        mach_msg_type_number_t *count)
{
    if (task != mach_task_self_)
        return MACH_SEND_INVALID_DEST; /* S184 */
    const mach_msg_type_number_t needed = words(flavor, *count);
    if (needed == 0 || *count < needed)
        return KERN_INVALID_ARGUMENT;
    union task_info_any info = {0};
    if (!fill(flavor, &info))
        return KERN_FAILURE;
    memcpy(out, &info, needed * sizeof(natural_t));
    *count = needed;
    return KERN_SUCCESS;
}
