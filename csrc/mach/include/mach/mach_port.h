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
#include <mach_debug/mach_debug_types.h>

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
 * All names of the task with their references and objects, in memory of the caller's, to be
 * vm_deallocated; the space as a whole in *space_info. There is no tree: 0 entries, NULL.
 * KERN_SUCCESS; KERN_RESOURCE_SHORTAGE.
 */
kern_return_t mach_port_space_info(ipc_space_read_t space, ipc_info_space_t *space_info,
                                   ipc_info_name_array_t *table_info,
                                   mach_msg_type_number_t *table_infoCnt,
                                   ipc_info_tree_name_array_t *tree_info,
                                   mach_msg_type_number_t *tree_infoCnt);

/* The space as a whole. KERN_SUCCESS. */
kern_return_t mach_port_space_basic_info(ipc_space_inspect_t task,
                                         ipc_info_space_basic_t *basic_info);

/*
 * What is behind a name when it is no task that receives: IPC_OTYPE_NONE, or what the layer itself
 * put there. *object_addr is 0. KERN_SUCCESS; KERN_INVALID_NAME; KERN_INVALID_RIGHT: neither a send
 * nor a receive right.
 */
kern_return_t mach_port_kobject(ipc_space_read_t task, mach_port_name_t name,
                                ipc_info_object_type_t *object_type,
                                mach_vm_address_t *object_addr);

/*
 * The same as mach_port_allocate under a name of the caller's choice, which must be free.
 * KERN_SUCCESS; KERN_NAME_EXISTS; KERN_FAILURE: the name differs from one in use by its generation
 * alone; KERN_INVALID_VALUE: names end in two set bits; KERN_NO_SPACE: no such name can be.
 */
kern_return_t mach_port_allocate_name(ipc_space_t task, mach_port_right_t right,
                                      mach_port_name_t name);

/*
 * Both in one call: with qos->name the new name is *name, as for mach_port_allocate_name, otherwise
 * *name is set. `proto` is MACH_PORT_NULL. What qos->prealloc asks for holds for every port: a message
 * that was sent has its memory. KERN_INVALID_VALUE: `proto` is something; and as for these two.
 */
kern_return_t mach_port_allocate_full(ipc_space_t task, mach_port_right_t right, mach_port_t proto,
                                      mach_port_qos_t *qos, mach_port_name_t *name);

/* The same without a name of the caller's choice. KERN_INVALID_ARGUMENT: qos->name is set. */
kern_return_t mach_port_allocate_qos(ipc_space_t task, mach_port_right_t right,
                                     mach_port_qos_t *qos, mach_port_name_t *name);

/*
 * Gives a name's rights, with the requests about it, another name, which must be free.
 * KERN_SUCCESS; KERN_NAME_EXISTS; KERN_INVALID_NAME: no such old name; and as for
 * mach_port_allocate_name.
 */
kern_return_t mach_port_rename(ipc_space_t task, mach_port_name_t old_name,
                               mach_port_name_t new_name);

/*
 * Takes a right out of a name by a disposition, as a message would, and into the caller's space:
 * `*poly` and what it is, MACH_MSG_TYPE_PORT_SEND, _SEND_ONCE or _RECEIVE. KERN_SUCCESS;
 * KERN_INVALID_NAME; KERN_INVALID_RIGHT; KERN_INVALID_VALUE: no such disposition.
 */
kern_return_t mach_port_extract_right(ipc_space_t task, mach_port_name_t name,
                                      mach_msg_type_name_t msgt_name, mach_port_t *poly,
                                      mach_msg_type_name_t *polyPoly);

/*
 * About a receive right: MACH_PORT_LIMITS_INFO, _RECEIVE_STATUS, _INFO_EXT, _DNREQUESTS_SIZE or
 * _GUARD_INFO. `port_info_outCnt`: words of room in, words written out. KERN_SUCCESS; KERN_FAILURE:
 * too little room; KERN_INVALID_ARGUMENT: another flavour; KERN_INVALID_NAME; KERN_INVALID_RIGHT.
 */
kern_return_t mach_port_get_attributes(ipc_space_read_t task, mach_port_name_t name,
                                       mach_port_flavor_t flavor, mach_port_info_t port_info_out,
                                       mach_msg_type_number_t *port_info_outCnt);

/*
 * Sets MACH_PORT_LIMITS_INFO: the queue limit, 0 to MACH_PORT_QLIMIT_MAX. What is queued stays.
 * Flavours about scheduling are accepted and change nothing. KERN_SUCCESS; KERN_INVALID_VALUE:
 * beyond the maximum; KERN_FAILURE: too few words; KERN_INVALID_ARGUMENT: another flavour;
 * KERN_INVALID_NAME; KERN_INVALID_RIGHT.
 */
kern_return_t mach_port_set_attributes(ipc_space_t task, mach_port_name_t name,
                                       mach_port_flavor_t flavor, mach_port_info_t port_info,
                                       mach_msg_type_number_t port_infoCnt);

/* Send rights that exist to the caller's port, as far as is known: a right on its way counts. */
kern_return_t mach_port_get_srights(ipc_space_t task, mach_port_name_t name,
                                    mach_port_rights_t *srights);

/* Sets how many send rights count as made, and the number of the next message received. */
kern_return_t mach_port_set_mscount(ipc_space_t task, mach_port_name_t name,
                                    mach_port_mscount_t mscount);
kern_return_t mach_port_set_seqno(ipc_space_t task, mach_port_name_t name, mach_port_seqno_t seqno);

/*
 * The owner's own word about a port, which trailers repeat; 0 until set, and when the receive right
 * has moved. Under a strict guard it reads as 0 and cannot be set (KERN_INVALID_ARGUMENT).
 */
kern_return_t mach_port_get_context(ipc_space_read_t task, mach_port_name_t name,
                                    mach_port_context_t *context);
kern_return_t mach_port_set_context(ipc_space_t task, mach_port_name_t name,
                                    mach_port_context_t context);

/*
 * Looks at a message of a queue, the oldest (`*request_seqnop` 0) or the one that will have that
 * number, and leaves it there: its number, its size and 8 bytes more, its id, and the trailer that
 * `trailer_type` asks for, of MACH_RCV_TRAILER_AUDIT at most, `*trailer_infopCnt` bytes of room in,
 * written out. KERN_SUCCESS; KERN_FAILURE: none there; KERN_INVALID_VALUE: too little room, or
 * another trailer; KERN_INVALID_NAME; KERN_INVALID_RIGHT.
 */
kern_return_t mach_port_peek(ipc_space_t task, mach_port_name_t name,
                             mach_msg_trailer_type_t trailer_type,
                             mach_port_seqno_t *request_seqnop, mach_msg_size_t *msg_sizep,
                             mach_msg_id_t *msg_idp, mach_msg_trailer_info_t trailer_infop,
                             mach_msg_type_number_t *trailer_infopCnt);

/*
 * Port sets. A message to any member is received by receiving from the set, in turn; a port may be
 * in several sets and may still be received from directly. move_member takes it out of all other
 * sets; `after` MACH_PORT_NULL: out of all. KERN_SUCCESS; KERN_ALREADY_IN_SET; KERN_NOT_IN_SET;
 * KERN_INVALID_NAME; KERN_INVALID_RIGHT: no receive right, or no set; KERN_RESOURCE_SHORTAGE.
 */
kern_return_t mach_port_insert_member(ipc_space_t task, mach_port_name_t name,
                                      mach_port_name_t pset);
kern_return_t mach_port_extract_member(ipc_space_t task, mach_port_name_t name,
                                       mach_port_name_t pset);
kern_return_t mach_port_move_member(ipc_space_t task, mach_port_name_t member,
                                    mach_port_name_t after);

/* Names of a set's members: memory of the caller's, to be vm_deallocated. */
kern_return_t mach_port_get_set_status(ipc_space_read_t task, mach_port_name_t name,
                                       mach_port_name_array_t *members,
                                       mach_msg_type_number_t *membersCnt);

/*
 * Asks for a message to `notify` (MAKE_SEND_ONCE or MOVE_SEND_ONCE by `notifyPoly`;
 * MACH_PORT_NULL withdraws the request) when something happens:
 *   MACH_NOTIFY_DEAD_NAME       the port behind `name` dies; the dead name has one reference more
 *   MACH_NOTIFY_SEND_POSSIBLE   there is room again: `sync` not 0 arms it now, 0 by the next send
 *                               with MACH_SEND_NOTIFY that finds none; and death as above
 *   MACH_NOTIFY_NO_SENDERS      no send right to the receive right `name` is left; at once when
 *                               there is none and no more than `sync` had been made
 *   MACH_NOTIFY_PORT_DESTROYED  the receive right, instead of being destroyed, is sent; sync 0
 * `*previous`: the send-once right of the request that this one replaces, the caller's, or
 * MACH_PORT_NULL. KERN_SUCCESS; KERN_INVALID_ARGUMENT: already a dead name;
 * KERN_INVALID_CAPABILITY: `notify` is dead; KERN_FAILURE: a second PORT_DESTROYED;
 * KERN_INVALID_VALUE: another id, or a bad `sync`; KERN_INVALID_NAME; KERN_INVALID_RIGHT.
 */
kern_return_t mach_port_request_notification(ipc_space_t task, mach_port_name_t name,
                                             mach_msg_id_t msgid, mach_port_mscount_t sync,
                                             mach_port_t notify, mach_msg_type_name_t notifyPoly,
                                             mach_port_t *previous);

/*
 * A new port with what the options ask for (MPO_). KERN_SUCCESS; KERN_INVALID_ARGUMENT: unknown
 * flags; KERN_INVALID_VALUE: queue limit; KERN_NO_SPACE, KERN_RESOURCE_SHORTAGE.
 */
kern_return_t mach_port_construct(ipc_space_t task, mach_port_options_ptr_t options,
                                  mach_port_context_t context, mach_port_name_t *name);

/*
 * Drops the receive right, guarded or not, and `-srdelta` references of the send right beside it.
 * KERN_SUCCESS; KERN_INVALID_ARGUMENT: not its guard; KERN_INVALID_VALUE: more references than
 * there are, or `srdelta` positive; KERN_INVALID_NAME; KERN_INVALID_RIGHT.
 */
kern_return_t mach_port_destruct(ipc_space_t task, mach_port_name_t name, mach_port_delta_t srdelta,
                                 mach_port_context_t guard);

/*
 * Guards: a guarded receive right is dropped by mach_port_destruct alone, which must know the
 * guard; other ways to drop it give KERN_INVALID_RIGHT. KERN_SUCCESS; KERN_INVALID_ARGUMENT: it is
 * guarded already, or not by that guard; KERN_INVALID_NAME; KERN_INVALID_RIGHT.
 */
kern_return_t mach_port_guard(ipc_space_t task, mach_port_name_t name, mach_port_context_t guard,
                              boolean_t strict);
kern_return_t mach_port_guard_with_flags(ipc_space_t task, mach_port_name_t name,
                                         mach_port_context_t guard, uint64_t flags);
kern_return_t mach_port_unguard(ipc_space_t task, mach_port_name_t name, mach_port_context_t guard);
kern_return_t mach_port_swap_guard(ipc_space_t task, mach_port_name_t name,
                                   mach_port_context_t old_guard, mach_port_context_t new_guard);

/* Room for, and number of, this task's dead-name requests about a receive right's name. */
kern_return_t mach_port_dnrequest_info(ipc_space_t task, mach_port_name_t name, unsigned *dnr_total,
                                       unsigned *dnr_used);

#ifdef __cplusplus
}
#endif

#endif
