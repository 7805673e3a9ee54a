/* task_get_special_port and task_set_special_port. */
#include "ipc/ipc_right.h"
#include "ipc/ipc_space.h"
#include "ipc/ipc_task.h"

#include <mach/mach.h>

kern_return_t task_get_special_port(task_t task, int which, mach_port_t *port)
{
    if (task != mach_task_self_)
        return MACH_SEND_INVALID_DEST;
    if (which != TASK_BOOTSTRAP_PORT && which != TASK_KERNEL_PORT && which != TASK_HOST_PORT)
        return KERN_INVALID_ARGUMENT;
    mach_port_name_t name = which == TASK_BOOTSTRAP_PORT ? ipc_task.bootstrap
                            : which == TASK_HOST_PORT    ? IPC_NAME_HOST
                                                         : mach_task_self_;
    ipc_task_lock();
    struct ipc_entry *entry = ipc_space_find(name);
    if (entry && entry->urefs < IPC_UREFS_MAX && name != mach_task_self_)
        entry->urefs++; /* a right of the caller's own, as with any port handed out */
    ipc_task_unlock();
    *port = name;
    return KERN_SUCCESS;
}

kern_return_t task_set_special_port(task_t task, int which, mach_port_t port)
{
    if (task != mach_task_self_)
        return MACH_SEND_INVALID_DEST;
    if (which != TASK_BOOTSTRAP_PORT)
        return KERN_INVALID_ARGUMENT;
    kern_return_t kr = KERN_SUCCESS;
    ipc_task_lock();
    struct ipc_entry *entry = ipc_space_find(port);
    if (port != MACH_PORT_NULL && (!entry || !(entry->type & MACH_PORT_TYPE_SEND)))
        kr = KERN_INVALID_RIGHT;
    else
        ipc_task.bootstrap = port;
    ipc_task_unlock();
    return kr;
}
