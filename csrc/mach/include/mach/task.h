/*
 * Calls on a task. `task` must be mach_task_self(); anything else gives MACH_SEND_INVALID_DEST.
 */
#ifndef MACHOOL_MACH_TASK_H
#define MACHOOL_MACH_TASK_H

#include <string.h>

#include <mach/mach_types.h>

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
 * Puts a copy of a send right, or MACH_PORT_NULL, into place TASK_BOOTSTRAP_PORT; the caller keeps
 * its own. Children that are forked from then on find it in `bootstrap_port`, and so do the programs
 * they execute, which are told by MACHOOL_BOOTSTRAP_PORT in the environment: the call changes that
 * variable, so it is not for use while another thread reads the environment. KERN_SUCCESS;
 * KERN_INVALID_ARGUMENT: another place; MACH_SEND_INVALID_RIGHT: no send right;
 * KERN_RESOURCE_SHORTAGE.
 */
kern_return_t task_set_special_port(task_t task, int which_port, mach_port_t special_port);

#ifdef __cplusplus
}
#endif

#endif
