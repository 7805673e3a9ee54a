/* Memory entries as rights: a send right to a port without a queue that stands for one entry
 * (vm/vm_entry.h). The port's last reference drops the entry's. It has an id, so that an entry has
 * one name in a space however often it comes, and comes home to the name it had.
 *
 * Locks: the task lock. */
#ifndef MACHOOL_IPC_ENTRY_PORT_H
#define MACHOOL_IPC_ENTRY_PORT_H

#include <mach/kern_return.h>
#include <mach/port.h>

struct vm_entry;
struct ipc_port;
struct wire_right;

/* Puts an entry into the space as a send right. KERN_SUCCESS, or KERN_RESOURCE_SHORTAGE with the
 * entry dropped. */
kern_return_t ipc_entry_port_insert(struct vm_entry *take_entry, mach_port_name_t *ret_name);
/* The entry that a send right of the space stands for, borrowed; NULL: it stands for none. */
struct vm_entry *ipc_entry_port_find(mach_port_name_t name);

/* An entry's form in a message to another task: *ret_wire, and a descriptor, the caller's to close.
 * Or -errno. */
int ipc_entry_port_encode(const struct ipc_port *port, struct wire_right *ret_wire);
/* What such a right and its descriptor, taken in any case, stand for: the port of an entry that this
 * task knows already, or a new one. Carried; NULL: they are not what they should be, or no memory. */
struct ipc_port *ipc_entry_port_decode(const struct wire_right *wire, int take_fd);

#endif
