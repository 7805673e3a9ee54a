/* Right transitions in the space: make, copy, move, deallocate, and names for what arrives.
 *
 * All take names and return kern_return_t codes, the one place below api/ that does, since the
 * codes are the semantics (S105-S120).
 *
 * Locks: the task lock. */
#ifndef MACHOOL_IPC_RIGHT_H
#define MACHOOL_IPC_RIGHT_H

#include "ipc/ipc_kmsg.h"

#include <mach/kern_return.h>
#include <mach/port.h>

struct ipc_entry;
struct ipc_port;

/* Takes a right out of the space by a disposition, for a message or for insert_right. A dead
 * name is legal where `dead_ok` (S116). KERN_SUCCESS, KERN_INVALID_NAME, KERN_INVALID_RIGHT
 * (nothing is consumed then), KERN_RESOURCE_SHORTAGE. */
kern_return_t ipc_right_copyin(mach_port_name_t name, mach_msg_type_name_t disposition,
                               bool dead_ok, struct ipc_carried *ret_right);
/* Whether copyin would succeed, changing nothing. */
kern_return_t ipc_right_copyin_check(mach_port_name_t name, mach_msg_type_name_t disposition,
                                     bool dead_ok);
/* Copyin after that check, with nothing changed in between that could matter. */
kern_return_t ipc_right_copyin_checked(mach_port_name_t name, mach_msg_type_name_t disposition,
                                       struct ipc_carried *ret_right);
/* Puts a carried right into the space and consumes it. MACH_PORT_NULL / MACH_PORT_DEAD cross as
 * such. KERN_SUCCESS or KERN_RESOURCE_SHORTAGE (the right is dropped, the name 0). */
kern_return_t ipc_right_copyout(struct ipc_carried *take_right, mach_port_name_t *ret_name);
/* The same under the entry given, which is the port's and has no type yet. */
kern_return_t ipc_right_copyout_to(struct ipc_carried *take_right, struct ipc_entry *entry);
/* Drops a carried right. */
void ipc_right_clean(struct ipc_carried *take_right);

/* mach_port_deallocate, _mod_refs and _destroy on one entry (S110-S112). */
kern_return_t ipc_right_deallocate(mach_port_name_t name);
kern_return_t ipc_right_mod_refs(mach_port_name_t name, mach_port_right_t right, int32_t delta);
kern_return_t ipc_right_destroy(mach_port_name_t name);

/* The port whose receive right the name denotes; NULL: none. */
struct ipc_port *ipc_right_receiver(mach_port_name_t name);
/* The same for a port set. */
struct ipc_port *ipc_right_set(mach_port_name_t name);

/* A port has died: its name, if any, becomes a dead name with the same urefs (S112, S114). */
void ipc_right_died(struct ipc_port *port);

#endif
