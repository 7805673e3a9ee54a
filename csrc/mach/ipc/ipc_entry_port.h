/* Memory entries as rights: a send right to a port without a queue that stands for one entry
 * (vm/vm_entry.h). The port's last reference drops the entry's.
 *
 * Locks: the task lock. */
#ifndef MACHOOL_IPC_ENTRY_PORT_H
#define MACHOOL_IPC_ENTRY_PORT_H

#include <mach/kern_return.h>
#include <mach/port.h>

struct vm_entry;
struct ipc_port;

/* A port for an entry, of which it takes the reference; refs 1, no right. NULL: no memory, and the
 * entry is dropped. */
struct ipc_port *ipc_entry_port_new(struct vm_entry *take_entry);
/* Puts an entry into the space as a send right. KERN_SUCCESS, or KERN_RESOURCE_SHORTAGE with the
 * entry dropped. */
kern_return_t ipc_entry_port_insert(struct vm_entry *take_entry, mach_port_name_t *ret_name);
/* The entry that a send right of the space stands for, borrowed; NULL: it stands for none. */
struct vm_entry *ipc_entry_port_find(mach_port_name_t name);

#endif
