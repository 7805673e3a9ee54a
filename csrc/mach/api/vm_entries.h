/* Memory entries as arguments of calls. */
#ifndef MACHOOL_API_VM_ENTRIES_H
#define MACHOOL_API_VM_ENTRIES_H

#include <mach/mach.h>
#include <stdbool.h>

struct vm_entry;

/* The entry that a name stands for, with a reference for the caller. KERN_SUCCESS, with NULL for a
 * name that stands for something else: for nothing any more, if `dead` (the null and the dead name,
 * too). MACH_SEND_INVALID_RIGHT: it is no send right. Takes the task lock. */
kern_return_t vm_entries_take(mach_port_name_t name, struct vm_entry **ret_entry, bool *ret_dead);

#endif
