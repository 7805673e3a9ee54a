/*
 * Calls on a thread of this task. A thread is what mach_thread_self() or task_threads() gave; a name
 * of another right gives KERN_INVALID_ARGUMENT, one of nothing or of a thread that has ended
 * MACH_SEND_INVALID_DEST. Safe from any thread; none blocks.
 */
#ifndef MACHOOL_MACH_THREAD_ACT_H
#define MACHOOL_MACH_THREAD_ACT_H

#include <string.h>

#include <mach/mach_types.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * A thread's state by flavour: THREAD_BASIC_INFO, THREAD_IDENTIFIER_INFO or THREAD_EXTENDED_INFO.
 * `thread_info_outCnt`: words of room in, words written out. KERN_SUCCESS; KERN_INVALID_ARGUMENT:
 * another flavour, or too little room; KERN_RESOURCE_SHORTAGE: descriptors are short.
 */
kern_return_t thread_info(thread_inspect_t target_act, thread_flavor_t flavor,
                          thread_info_t thread_info_out,
                          mach_msg_type_number_t *thread_info_outCnt);

/*
 * How a thread is to be scheduled, as far as Linux has it:
 *
 *   THREAD_STANDARD_POLICY, THREAD_EXTENDED_POLICY   timeshare: SCHED_OTHER; else SCHED_RR
 *   THREAD_TIME_CONSTRAINT_POLICY                    SCHED_RR; the numbers are checked and no more
 *   THREAD_PRECEDENCE_POLICY                         importance n: a nice value of -n
 *   THREAD_BACKGROUND_POLICY                         DARWIN_BG: SCHED_IDLE; 0: SCHED_OTHER
 *
 * SCHED_RR is at its lowest priority, and not inherited by child processes. KERN_SUCCESS;
 * KERN_INVALID_ARGUMENT: another flavour, too few words, a constraint below the computation;
 * KERN_NOT_SUPPORTED: THREAD_AFFINITY_POLICY and the two QOS flavours; KERN_DENIED: the process
 * lacks the privilege (CAP_SYS_NICE, or room in RLIMIT_RTPRIO or RLIMIT_NICE).
 */
kern_return_t thread_policy_set(thread_act_t thread, thread_policy_flavor_t flavor,
                                thread_policy_t policy_info, mach_msg_type_number_t policy_infoCnt);

#ifdef __cplusplus
}
#endif

#endif
