/* The name space as a whole, for those who list it, and names that change. */
#include "api/api.h"
#include "ipc/ipc_port.h"
#include "ipc/ipc_request.h"
#include "ipc/ipc_right.h"
#include "ipc/ipc_space.h"
#include "ipc/ipc_task.h"

#include <mach/mach.h>
#include <mach_debug/mach_debug_types.h>

#define GENERATION_MASK 0xffu

kern_return_t mach_port_rename(ipc_space_t task, mach_port_name_t old_name,
                               mach_port_name_t new_name)
{
    CHECK_TASK(task);
    if (!MACH_PORT_VALID(old_name))
        return KERN_INVALID_NAME;
    if (!MACH_PORT_VALID(new_name))
        return KERN_INVALID_VALUE;
    ipc_task_lock();
    kern_return_t kr = ipc_space_rename(old_name, new_name);
    ipc_task_unlock();
    return kr;
}

static ipc_info_name_t describe(const struct ipc_entry *entry)
{
    return (ipc_info_name_t){.iin_name = entry->name,
                             .iin_type = entry->type | ipc_request_type(entry),
                             .iin_urefs = entry->urefs,
                             .iin_object = (natural_t)((uintptr_t)entry->port >> 4)};
}

kern_return_t mach_port_space_info(ipc_space_read_t space, ipc_info_space_t *space_info,
                                   ipc_info_name_array_t *table_info,
                                   mach_msg_type_number_t *table_infoCnt,
                                   ipc_info_tree_name_array_t *tree_info,
                                   mach_msg_type_number_t *tree_infoCnt)
{
    CHECK_TASK(space);
    vm_address_t page = 0;
    uint32_t index = 0, count = 0;
    ipc_task_lock();
    const uint32_t used = ipc_task.space.used;
    kern_return_t kr = vm_allocate(mach_task_self_, &page, used * sizeof(ipc_info_name_t),
                                   VM_FLAGS_ANYWHERE);
    if (kr == KERN_SUCCESS) {
        ipc_info_name_t *table = (ipc_info_name_t *)page;
        for (const struct ipc_entry *entry; (entry = ipc_space_next(&index));)
            table[count++] = describe(entry);
        *space_info = (ipc_info_space_t){.iis_genno_mask = GENERATION_MASK,
                                         .iis_table_size = ipc_task.space.size,
                                         .iis_table_next = 2 * ipc_task.space.size};
        *table_info = table;
        *table_infoCnt = count;
        *tree_info = NULL; /* there has been none for long */
        *tree_infoCnt = 0;
    }
    ipc_task_unlock();
    return kr == KERN_SUCCESS ? KERN_SUCCESS : KERN_RESOURCE_SHORTAGE;
}

kern_return_t mach_port_space_basic_info(ipc_space_inspect_t task,
                                         ipc_info_space_basic_t *basic_info)
{
    CHECK_TASK(task);
    ipc_task_lock();
    *basic_info = (ipc_info_space_basic_t){.iisb_genno_mask = GENERATION_MASK,
                                           .iisb_table_size = ipc_task.space.size,
                                           .iisb_table_next = 2 * ipc_task.space.size,
                                           .iisb_table_inuse = ipc_task.space.used};
    ipc_task_unlock();
    return KERN_SUCCESS;
}

kern_return_t mach_port_dnrequest_info(ipc_space_t task, mach_port_name_t name, unsigned *dnr_total,
                                       unsigned *dnr_used)
{
    CHECK_TASK(task);
    ipc_task_lock();
    const struct ipc_port *port = ipc_right_receiver(name);
    const struct ipc_entry *entry = ipc_space_find(name);
    kern_return_t kr = port ? KERN_SUCCESS : entry ? KERN_INVALID_RIGHT : KERN_INVALID_NAME;
    if (port) /* those of other tasks are known to them alone */
        *dnr_total = *dnr_used = entry->request != NULL;
    ipc_task_unlock();
    return kr;
}

/* What is behind a name that no task receives from. */
static ipc_info_object_type_t object_type(const struct ipc_entry *entry)
{
    if (entry->port->place != IPC_SPECIAL)
        return IPC_OTYPE_NONE;
    if (entry->port->entry)
        return IPC_OTYPE_NAMED_ENTRY;
    switch (entry->name) {
    case IPC_NAME_TASK:
        return IPC_OTYPE_TASK_CONTROL;
    case IPC_NAME_HOST:
        return IPC_OTYPE_HOST;
    case IPC_NAME_BOOTSTRAP:
        return IPC_OTYPE_NONE;
    default:
        return IPC_OTYPE_UNKNOWN;
    }
}

kern_return_t mach_port_kobject(ipc_space_read_t task, mach_port_name_t name,
                                ipc_info_object_type_t *object_type_out,
                                mach_vm_address_t *object_addr)
{
    CHECK_TASK(task);
    kern_return_t kr = KERN_SUCCESS;
    ipc_task_lock();
    const struct ipc_entry *entry = ipc_space_find(name);
    if (!entry) {
        kr = KERN_INVALID_NAME;
    } else if (!(entry->type & MACH_PORT_TYPE_SEND_RECEIVE)) {
        kr = KERN_INVALID_RIGHT;
    } else {
        *object_type_out = object_type(entry);
        *object_addr = 0; /* addresses are told to nobody */
    }
    ipc_task_unlock();
    return kr;
}
