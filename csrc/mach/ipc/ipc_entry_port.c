/* See ipc_entry_port.h. */
#include "ipc/ipc_entry_port.h"

#include "ipc/ipc_port.h"
#include "ipc/ipc_right.h"
#include "ipc/ipc_space.h"
#include "vm/vm_entry.h"

#include <stddef.h>

struct ipc_port *ipc_entry_port_new(struct vm_entry *take_entry)
{
    struct ipc_port *port = ipc_port_new_special();
    if (port)
        port->entry = take_entry;
    else
        vm_entry_unref(take_entry);
    return port;
}

kern_return_t ipc_entry_port_insert(struct vm_entry *take_entry, mach_port_name_t *ret_name)
{
    struct ipc_port *port = ipc_entry_port_new(take_entry);
    if (!port)
        return KERN_RESOURCE_SHORTAGE;
    struct ipc_carried right = {.port = ipc_port_carry(port), .type = MACH_MSG_TYPE_PORT_SEND};
    kern_return_t kr = ipc_right_copyout(&right, ret_name);
    ipc_port_unref(port);
    return kr;
}

struct vm_entry *ipc_entry_port_find(mach_port_name_t name)
{
    const struct ipc_entry *entry = ipc_space_find(name);
    return entry && entry->type & MACH_PORT_TYPE_SEND ? entry->port->entry : NULL;
}
