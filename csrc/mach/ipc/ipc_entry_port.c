/* See ipc_entry_port.h. */
#include "ipc/ipc_entry_port.h"

#include "ipc/ipc_port.h"
#include "ipc/ipc_right.h"
#include "ipc/ipc_space.h"
#include "vm/vm_entry.h"
#include "wire/wire_format.h"

#include <stddef.h>
#include <unistd.h>

kern_return_t ipc_entry_port_insert(struct vm_entry *take_entry, mach_port_name_t *ret_name)
{
    struct ipc_port *port = ipc_port_new_entry((struct util_id){{0, 0}}, take_entry);
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

int ipc_entry_port_encode(const struct ipc_port *port, struct wire_right *ret_wire)
{
    struct vm_entry_words words;
    int fd = vm_entry_export(port->entry, &words);
    if (fd < 0)
        return fd;
    *ret_wire = (struct wire_right){
        .id = port->node.id,
        .task = {{words.offset, words.size}},
        .how = WIRE_RIGHT_ENTRY,
        .type = MACH_MSG_TYPE_PORT_SEND,
        .data_offset = (uint16_t)words.data_offset,
        .limit = words.protection | (words.copy ? WIRE_ENTRY_COPY : 0),
    };
    return fd;
}

struct ipc_port *ipc_entry_port_decode(const struct wire_right *wire, int take_fd)
{
    struct vm_entry_words words = {.offset = wire->task.w[0],
                                   .size = wire->task.w[1],
                                   .protection = wire->limit & WIRE_ENTRY_PROTECTION,
                                   .copy = wire->limit & WIRE_ENTRY_COPY,
                                   .data_offset = wire->data_offset};
    struct vm_entry *entry;
    struct ipc_port *known = ipc_port_find(wire->id);
    if (known) {
        close(take_fd);
        return known->entry ? ipc_port_carry(known) : NULL;
    }
    if (vm_entry_adopt(take_fd, &words, &entry) < 0)
        return NULL;
    struct ipc_port *port = ipc_port_new_entry(wire->id, entry);
    if (!port)
        return NULL;
    ipc_port_carry(port);
    ipc_port_unref(port);
    return port;
}
