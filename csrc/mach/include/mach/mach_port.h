/*
 * Calls on a task's port names.
 *
 * `task` must be mach_task_self(). For all of these: a task that is MACH_PORT_NULL or no task gives
 * MACH_SEND_INVALID_DEST, a name that stands for nothing KERN_INVALID_NAME, one that stands for
 * another kind of right KERN_INVALID_RIGHT. Safe from any thread; none blocks.
 */
#ifndef MACHOOL_MACH_MACH_PORT_H
#define MACHOOL_MACH_MACH_PORT_H

#include <string.h>

#include <mach/mach_types.h>
#include <mach/mig_errors.h>
#include <mach/notify.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * A new name: a port's receive right (queue limit 5, no send right), an empty set, or a dead name.
 * The caller owns one reference. KERN_SUCCESS; KERN_INVALID_VALUE: no such kind, or it cannot be
 * allocated; KERN_NO_SPACE; KERN_RESOURCE_SHORTAGE.
 */
kern_return_t mach_port_allocate(ipc_space_t task, mach_port_right_t right, mach_port_name_t *name);

/*
 * Drops one reference of a send right or dead name, or a send-once right, which then sends its
 * notification. MACH_PORT_NULL and MACH_PORT_DEAD are let pass. KERN_SUCCESS; KERN_INVALID_NAME;
 * KERN_INVALID_RIGHT: a receive right alone.
 */
kern_return_t mach_port_deallocate(ipc_space_t task, mach_port_name_t name);

/*
 * Puts the right that `polyPoly` makes of `poly` under `name`. With both names the same and
 * MAKE_SEND the receive right gets a send right beside it, one reference with each call.
 * KERN_SUCCESS; KERN_INVALID_VALUE: `name` is null or dead; KERN_INVALID_NAME; KERN_INVALID_RIGHT;
 * KERN_INVALID_CAPABILITY: `poly` is a dead name; KERN_NAME_EXISTS: `name` is in use;
 * KERN_RIGHT_EXISTS: the task knows the port by another name; KERN_FAILURE, KERN_RESOURCE_SHORTAGE:
 * the name cannot be had.
 */
kern_return_t mach_port_insert_right(ipc_space_t task, mach_port_name_t name, mach_port_t poly,
                                     mach_msg_type_name_t polyPoly);

/*
 * Adds `delta` to the references of one kind of right under `name`; none left, the right is gone,
 * and RECEIVE -1 ends the port. KERN_SUCCESS; KERN_INVALID_VALUE: no such kind, or fewer than none
 * would be left; KERN_INVALID_NAME; KERN_INVALID_RIGHT.
 */
kern_return_t mach_port_mod_refs(ipc_space_t task, mach_port_name_t name, mach_port_right_t right,
                                 mach_port_delta_t delta);

/* Drops all rights under `name`, and the name. KERN_SUCCESS; KERN_INVALID_NAME. */
kern_return_t mach_port_destroy(ipc_space_t task, mach_port_name_t name);

/* MACH_PORT_TYPE_ bits of what `name` stands for now. KERN_SUCCESS; KERN_INVALID_NAME. */
kern_return_t mach_port_type(ipc_space_t task, mach_port_name_t name, mach_port_type_t *ptype);

/*
 * References of one kind of right under `name`, 0 when it stands for other kinds only.
 * KERN_SUCCESS; KERN_INVALID_VALUE: no such kind; KERN_INVALID_NAME.
 */
kern_return_t mach_port_get_refs(ipc_space_t task, mach_port_name_t name, mach_port_right_t right,
                                 mach_port_urefs_t *refs);

/*
 * All names of the task and their MACH_PORT_TYPE_ bits, in two arrays of equal count and no
 * particular order: memory of the caller's, to be vm_deallocated. KERN_SUCCESS;
 * KERN_RESOURCE_SHORTAGE.
 */
kern_return_t mach_port_names(ipc_space_t task, mach_port_name_array_t *names,
                              mach_msg_type_number_t *namesCnt, mach_port_type_array_t *types,
                              mach_msg_type_number_t *typesCnt);

/*
 * MACH_PORT_LIMITS_INFO or MACH_PORT_RECEIVE_STATUS of a receive right. `port_info_outCnt`: words
 * of room in, words written out. KERN_SUCCESS; KERN_FAILURE: too little room;
 * KERN_INVALID_ARGUMENT: another flavour; KERN_INVALID_NAME; KERN_INVALID_RIGHT.
 */
kern_return_t mach_port_get_attributes(ipc_space_read_t task, mach_port_name_t name,
                                       mach_port_flavor_t flavor, mach_port_info_t port_info_out,
                                       mach_msg_type_number_t *port_info_outCnt);

/*
 * Sets MACH_PORT_LIMITS_INFO: the queue limit, 0 to MACH_PORT_QLIMIT_MAX. What is queued stays.
 * KERN_SUCCESS; KERN_INVALID_VALUE: beyond the maximum; KERN_FAILURE: too few words;
 * KERN_INVALID_ARGUMENT: another flavour; KERN_INVALID_NAME; KERN_INVALID_RIGHT.
 */
kern_return_t mach_port_set_attributes(ipc_space_t task, mach_port_name_t name,
                                       mach_port_flavor_t flavor, mach_port_info_t port_info,
                                       mach_msg_type_number_t port_infoCnt);

#ifdef __cplusplus
}
#endif

#endif
