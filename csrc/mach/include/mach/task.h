/*
 * Calls on a task. `task` must be mach_task_self(); anything else gives MACH_SEND_INVALID_DEST. Safe
 * from any thread; none blocks.
 */
#ifndef MACHOOL_MACH_TASK_H
#define MACHOOL_MACH_TASK_H

#include <string.h>

#include <mach/mach_types.h>
#include <mach_debug/mach_debug_types.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * The send right in special place `which_port` (TASK_KERNEL_PORT, TASK_HOST_PORT or
 * TASK_BOOTSTRAP_PORT), with one reference more, the caller's; MACH_PORT_NULL when there is none.
 * KERN_SUCCESS; KERN_INVALID_ARGUMENT: another place.
 */
kern_return_t task_get_special_port(task_inspect_t task, int which_port, mach_port_t *special_port);

/*
 * Puts a send right, or MACH_PORT_NULL, into place TASK_BOOTSTRAP_PORT. The caller keeps its own
 * reference. KERN_SUCCESS; KERN_INVALID_ARGUMENT: another place; KERN_INVALID_RIGHT: no send right.
 */
kern_return_t task_set_special_port(task_t task, int which_port, mach_port_t special_port);

/*
 * Keeps up to three send rights with the task, in place of those it kept before, to be found with
 * mach_ports_lookup(); the caller keeps its own references. MACH_PORT_NULL leaves a place empty.
 * KERN_SUCCESS; KERN_INVALID_ARGUMENT: more than three; MACH_SEND_INVALID_RIGHT: not a send right,
 * and nothing has changed.
 */
kern_return_t mach_ports_register(task_t target_task, mach_port_array_t init_port_set,
                                  mach_msg_type_number_t init_port_setCnt);

/*
 * What mach_ports_register() was given: always three names, each with one reference more, the
 * caller's, in memory of the caller's, to be vm_deallocated. KERN_SUCCESS; KERN_RESOURCE_SHORTAGE.
 */
kern_return_t mach_ports_lookup(task_t target_task, mach_port_array_t *init_port_set,
                                mach_msg_type_number_t *init_port_setCnt);

/*
 * The task in numbers, by flavour: TASK_BASIC_INFO and its _32 and _64, MACH_TASK_BASIC_INFO,
 * TASK_EVENTS_INFO, TASK_THREAD_TIMES_INFO, TASK_ABSOLUTETIME_INFO, TASK_SECURITY_TOKEN,
 * TASK_AUDIT_TOKEN, TASK_VM_INFO, TASK_FLAGS_INFO. What Linux does not count is 0.
 * `task_info_outCnt`: words of room in, words written out. KERN_SUCCESS; KERN_INVALID_ARGUMENT:
 * another flavour, or too little room; KERN_FAILURE: /proc cannot be read.
 */
kern_return_t task_info(task_name_t target_task, task_flavor_t flavor, task_info_t task_info_out,
                        mach_msg_type_number_t *task_info_outCnt);

/*
 * The threads of the task, the caller first: a send right for each, one reference more if there was
 * one, in memory of the caller's, to be vm_deallocated. KERN_SUCCESS; KERN_RESOURCE_SHORTAGE.
 */
kern_return_t task_threads(task_inspect_t target_task, thread_act_array_t *act_list,
                           mach_msg_type_number_t *act_listCnt);

/*
 * What a breach of a guard is to lead to: TASK_EXC_GUARD_ bits, kept for who asks. No breach raises
 * an exception here: the call that commits it fails. KERN_SUCCESS; KERN_INVALID_ARGUMENT: other
 * bits.
 */
kern_return_t task_get_exc_guard_behavior(task_inspect_t task, task_exc_guard_behavior_t *behavior);
kern_return_t task_set_exc_guard_behavior(task_t task, task_exc_guard_behavior_t behavior);

/* Ends the process at once, with SIGKILL: nothing is flushed, no handler runs. */
kern_return_t task_terminate(task_t target_task);

/*
 * Nobody could resume a task that has suspended itself: task_suspend() gives KERN_NOT_SUPPORTED, and
 * task_resume(), of a task that is not suspended, KERN_FAILURE.
 */
kern_return_t task_suspend(task_read_t target_task);
kern_return_t task_resume(task_read_t target_task);

/*
 * Tasks and threads come from fork(), posix_spawn() and pthread_create(); profiles from perf. These
 * give KERN_NOT_SUPPORTED.
 */
kern_return_t task_create(task_t target_task, ledger_array_t ledgers,
                          mach_msg_type_number_t ledgersCnt, boolean_t inherit_memory,
                          task_t *child_task);
kern_return_t task_sample(task_t task, mach_port_t reply);
kern_return_t thread_create(task_t parent_task, thread_act_t *child_act);
kern_return_t thread_create_running(task_t parent_task, thread_state_flavor_t flavor,
                                    thread_state_t new_state, mach_msg_type_number_t new_stateCnt,
                                    thread_act_t *child_act);

#ifdef __cplusplus
}
#endif

#endif
