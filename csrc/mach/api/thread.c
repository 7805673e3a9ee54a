/* Calls on threads of this task. */
#include "ipc/ipc_space.h"
#include "ipc/ipc_task.h"
#include "ipc/ipc_thread.h"
#include "os/os_proc.h"

#include <errno.h>
#include <mach/mach.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define MICROSECOND 1000u
#define SECOND 1000000000u
#define PRIORITY_MIDDLE 31 /* Darwin's, of an ordinary thread */

/* The id of the thread that a name stands for. */
static kern_return_t find_thread(mach_port_name_t name, pid_t *ret_tid)
{
    kern_return_t kr = MACH_SEND_INVALID_DEST;
    ipc_task_lock();
    ipc_thread_sweep();
    struct ipc_thread *thread = ipc_thread_find(name);
    struct ipc_entry *entry = ipc_space_find(name);
    if (thread) {
        *ret_tid = thread->tid;
        kr = KERN_SUCCESS;
    } else if (entry && entry->type & MACH_PORT_TYPE_SEND) {
        kr = KERN_INVALID_ARGUMENT;
    }
    ipc_task_unlock();
    return kr;
}

static time_value_t time_value(uint64_t ns)
{
    return (time_value_t){.seconds = (integer_t)(ns / SECOND),
                          .microseconds = (integer_t)(ns % SECOND / MICROSECOND)};
}

static integer_t run_state(char state)
{
    switch (state) {
    case 'R':
        return TH_STATE_RUNNING;
    case 'T':
    case 't':
        return TH_STATE_STOPPED;
    case 'D':
        return TH_STATE_UNINTERRUPTIBLE;
    case 'X':
    case 'Z':
        return TH_STATE_HALTED;
    default:
        return TH_STATE_WAITING;
    }
}

/* The part of its life that a thread has been running. */
static integer_t cpu_usage(const struct os_proc_thread *thread)
{
    uint64_t busy = thread->user_ns + thread->system_ns;
    if (busy >= thread->age_ns)
        return thread->age_ns ? TH_USAGE_SCALE : 0;
    return (integer_t)(busy * TH_USAGE_SCALE / thread->age_ns);
}

static policy_t policy_of(pid_t tid)
{
    switch (sched_getscheduler(tid) & ~SCHED_RESET_ON_FORK) {
    case SCHED_RR:
        return POLICY_RR;
    case SCHED_FIFO:
        return POLICY_FIFO;
    default:
        return POLICY_TIMESHARE;
    }
}

union thread_info_any {
    struct thread_basic_info basic;
    struct thread_identifier_info identifier;
    struct thread_extended_info extended;
};

static void fill(thread_flavor_t flavor, pid_t tid, const struct os_proc_thread *thread,
                 union thread_info_any *info)
{
    if (flavor == THREAD_BASIC_INFO) {
        info->basic = (struct thread_basic_info){.user_time = time_value(thread->user_ns),
                                                 .system_time = time_value(thread->system_ns),
                                                 .cpu_usage = cpu_usage(thread),
                                                 .policy = policy_of(tid),
                                                 .run_state = run_state(thread->state)};
    } else if (flavor == THREAD_IDENTIFIER_INFO) {
        info->identifier.thread_id = (uint64_t)tid;
        info->identifier.thread_handle = tid == gettid() ? (uint64_t)pthread_self() : 0;
    } else {
        int priority = PRIORITY_MIDDLE - thread->nice;
        info->extended = (struct thread_extended_info){.pth_user_time = thread->user_ns,
                                                       .pth_system_time = thread->system_ns,
                                                       .pth_cpu_usage = cpu_usage(thread),
                                                       .pth_policy = policy_of(tid),
                                                       .pth_run_state = run_state(thread->state),
                                                       .pth_curpri = priority,
                                                       .pth_priority = priority,
                                                       .pth_maxpriority = PRIORITY_MIDDLE + 20};
        memcpy(info->extended.pth_name, thread->name, sizeof thread->name);
    }
}

kern_return_t thread_info(thread_inspect_t target, thread_flavor_t flavor, thread_info_t out,
                          mach_msg_type_number_t *count)
{
    pid_t tid;
    kern_return_t kr = find_thread(target, &tid);
    if (kr != KERN_SUCCESS)
        return kr;
    const mach_msg_type_number_t needed = flavor == THREAD_BASIC_INFO ? THREAD_BASIC_INFO_COUNT
                                          : flavor == THREAD_IDENTIFIER_INFO
                                              ? THREAD_IDENTIFIER_INFO_COUNT
                                          : flavor == THREAD_EXTENDED_INFO
                                              ? THREAD_EXTENDED_INFO_COUNT
                                              : 0;
    if (needed == 0 || *count < needed)
        return KERN_INVALID_ARGUMENT;
    struct os_proc_thread thread;
    int r = os_proc_thread(tid, &thread);
    if (r < 0) /* it ended this moment, or cannot be asked about */
        return r == -ENOENT || r == -ESRCH ? MACH_SEND_INVALID_DEST : KERN_RESOURCE_SHORTAGE;
    union thread_info_any info = {0};
    fill(flavor, tid, &thread, &info);
    memcpy(out, &info, needed * sizeof(natural_t));
    *count = needed;
    return KERN_SUCCESS;
}

static kern_return_t result(int r)
{
    if (r == 0)
        return KERN_SUCCESS;
    if (errno == ESRCH)
        return MACH_SEND_INVALID_DEST;
    return errno == EPERM || errno == EACCES ? KERN_DENIED : KERN_FAILURE;
}

/* A policy for one thread, not for the children it forks where that would be a privilege. */
static kern_return_t set_scheduler(pid_t tid, int policy)
{
    int now = sched_getscheduler(tid);
    int flags = policy == SCHED_RR ? SCHED_RESET_ON_FORK : 0;
    if (now >= 0)
        flags |= now & SCHED_RESET_ON_FORK; /* to drop it takes a privilege, too */
    const struct sched_param param = {
        .sched_priority = policy == SCHED_RR ? sched_get_priority_min(SCHED_RR) : 0};
    return result(sched_setscheduler(tid, policy | flags, &param));
}

static kern_return_t set_importance(pid_t tid, integer_t importance)
{
    int nice = importance > 20 ? -20 : importance < -19 ? 19 : -importance;
    return result(setpriority(PRIO_PROCESS, (id_t)tid, nice));
}

kern_return_t thread_policy_set(thread_act_t target, thread_policy_flavor_t flavor,
                                thread_policy_t policy, mach_msg_type_number_t count)
{
    pid_t tid;
    kern_return_t kr = find_thread(target, &tid);
    if (kr != KERN_SUCCESS)
        return kr;
    switch (flavor) {
    case THREAD_EXTENDED_POLICY: /* and _STANDARD_, which has no words */
        return set_scheduler(tid, count == 0 || policy[0] ? SCHED_OTHER : SCHED_RR);
    case THREAD_TIME_CONSTRAINT_POLICY: {
        struct thread_time_constraint_policy wish;
        if (count < THREAD_TIME_CONSTRAINT_POLICY_COUNT)
            return KERN_INVALID_ARGUMENT;
        memcpy(&wish, policy, sizeof wish);
        if (wish.computation == 0 || wish.constraint < wish.computation)
            return KERN_INVALID_ARGUMENT;
        return set_scheduler(tid, SCHED_RR);
    }
    case THREAD_PRECEDENCE_POLICY:
        return count < THREAD_PRECEDENCE_POLICY_COUNT ? KERN_INVALID_ARGUMENT
                                                      : set_importance(tid, policy[0]);
    case THREAD_BACKGROUND_POLICY:
        if (count < THREAD_BACKGROUND_POLICY_COUNT ||
            (policy[0] != 0 && policy[0] != THREAD_BACKGROUND_POLICY_DARWIN_BG))
            return KERN_INVALID_ARGUMENT;
        return set_scheduler(tid, policy[0] ? SCHED_IDLE : SCHED_OTHER);
    case THREAD_AFFINITY_POLICY:
    case THREAD_LATENCY_QOS_POLICY:
    case THREAD_THROUGHPUT_QOS_POLICY:
        return KERN_NOT_SUPPORTED;
    default:
        return KERN_INVALID_ARGUMENT;
    }
}

kern_return_t thread_switch(mach_port_name_t thread, int option, mach_msg_timeout_t option_time)
{
    (void)thread;
    if (option == SWITCH_OPTION_WAIT) {
        const struct timespec time = {.tv_sec = option_time / 1000,
                                      .tv_nsec = (long)(option_time % 1000) * 1000000};
        (void)nanosleep(&time, NULL); /* a signal ends the wait, successfully */
        return KERN_SUCCESS;
    }
    if (option != SWITCH_OPTION_NONE && option != SWITCH_OPTION_DEPRESS)
        return KERN_INVALID_ARGUMENT;
    (void)sched_yield();
    return KERN_SUCCESS;
}

boolean_t swtch(void)
{
    (void)sched_yield();
    return FALSE;
}

boolean_t swtch_pri(int pri)
{
    (void)pri;
    return swtch();
}
