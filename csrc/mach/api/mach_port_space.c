/* The name space in detail: every name, what is behind it, and names that change. */
#include "api/api.h"
#include "ipc/ipc_engine.h"
#include "ipc/ipc_entry_port.h"
#include "ipc/ipc_port.h"
#include "ipc/ipc_request.h"
#include "ipc/ipc_right.h"
#include "ipc/ipc_space.h"
#include "ipc/ipc_task.h"
#include "ipc/ipc_thread.h"

#include <mach/mach.h>

#define GENERATION_MASK 0xffu /* S104: the low byte of a name */

/* A number for an object, the same for every name of it. */
static natural_t object_number(const struct ipc_port *port)
{
    return (natural_t)((uintptr_t)port >> 4);
}

/* All names in use. With the task lock; `ret_names` has room for space.used. */
static mach_msg_type_number_t list_names(ipc_info_name_t *ret_names)
{
    mach_msg_type_number_t count = 0;
    uint32_t index = 0;
    for (struct ipc_entry *entry; (entry = ipc_space_next(&index)); count++) {
        ret_names[count] = (ipc_info_name_t){
            .iin_name = entry->name,
            .iin_type = entry->type | ipc_request_type(entry),
            .iin_urefs = entry->urefs,
            .iin_object = object_number(entry->port),
        };
    }
    return count;
}

kern_return_t mach_port_space_info(ipc_space_read_t task, ipc_info_space_t *space_info,
                                   ipc_info_name_array_t *table,
                                   mach_msg_type_number_t *table_count,
                                   ipc_info_tree_name_array_t *tree,
                                   mach_msg_type_number_t *tree_count)
{
    CHECK_TASK(task);
    vm_address_t page = 0;
    ipc_task_lock();
    ipc_engine_catch_up();
    kern_return_t kr = vm_allocate(
        mach_task_self_, &page, ipc_task.space.used * sizeof(ipc_info_name_t), VM_FLAGS_ANYWHERE);
    if (kr == KERN_SUCCESS) {
        *table = (ipc_info_name_array_t)page;
        *table_count = list_names(*table);
        *tree = NULL;
        *tree_count = 0;
        *space_info = (ipc_info_space_t){.iis_genno_mask = GENERATION_MASK,
                                         .iis_table_size = ipc_task.space.size,
                                         .iis_table_next = 2 * ipc_task.space.size};
    }
    ipc_task_unlock();
    return kr == KERN_SUCCESS ? KERN_SUCCESS : KERN_RESOURCE_SHORTAGE;
}

kern_return_t mach_port_space_basic_info(ipc_space_inspect_t task, ipc_info_space_basic_t *info)
{
    CHECK_TASK(task);
    ipc_task_lock();
    *info = (ipc_info_space_basic_t){.iisb_genno_mask = GENERATION_MASK,
                                     .iisb_table_size = ipc_task.space.size,
                                     .iisb_table_next = 2 * ipc_task.space.size,
                                     .iisb_table_inuse = ipc_task.space.used};
    ipc_task_unlock();
    return KERN_SUCCESS;
}

/* What the layer itself has behind a name. With the task lock. */
static ipc_info_object_type_t type_of(mach_port_name_t name, const struct ipc_port *port)
{
    if (port && port->task)
        return IPC_OTYPE_TASK_CONTROL;
    if (!port || port->place != IPC_SPECIAL)
        return IPC_OTYPE_NONE;
    if (name == IPC_NAME_HOST)
        return IPC_OTYPE_HOST;
    if (ipc_thread_find(name))
        return IPC_OTYPE_THREAD_CONTROL;
    return ipc_entry_port_find(name) ? IPC_OTYPE_NAMED_ENTRY : IPC_OTYPE_NONE;
}

kern_return_t mach_port_kobject(ipc_space_read_t task, mach_port_name_t name,
                                ipc_info_object_type_t *object_type, mach_vm_address_t *object_addr)
{
    CHECK_TASK(task);
    kern_return_t kr = KERN_INVALID_NAME;
    ipc_task_lock();
    ipc_engine_catch_up();
    struct ipc_entry *entry = ipc_space_find(name);
    if (entry && entry->type & (MACH_PORT_TYPE_SEND | MACH_PORT_TYPE_RECEIVE)) {
        *object_type = type_of(name, entry->port);
        *object_addr = 0; /* nobody is told, on Darwin neither */
        kr = KERN_SUCCESS;
    } else if (entry) {
        kr = KERN_INVALID_RIGHT;
    }
    ipc_task_unlock();
    return kr;
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
