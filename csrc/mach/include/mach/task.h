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
 * The send right the task has in special place `which_port` (TASK_..._PORT), with one reference
 * more, the caller's; MACH_PORT_NULL when there is none. KERN_SUCCESS; KERN_INVALID_ARGUMENT: no
 * such place.
 */
kern_return_t task_get_special_port(task_inspect_t task, int which_port, mach_port_t *special_port);

/*
 * Puts a send right, or MACH_PORT_NULL, into a special place. The caller keeps its own reference.
 * KERN_SUCCESS; KERN_INVALID_ARGUMENT: no such place; KERN_INVALID_RIGHT, KERN_INVALID_CAPABILITY:
 * no send right.
 */
kern_return_t task_set_special_port(task_t task, int which_port, mach_port_t special_port);

#ifdef __cplusplus
}
#endif

#endif
