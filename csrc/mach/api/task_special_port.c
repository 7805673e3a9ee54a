/* task_get_special_port and task_set_special_port (design: ipc_bootstrap). */
#include "ipc/ipc_bootstrap.h"
#include "ipc/ipc_port.h"
#include "ipc/ipc_right.h"
#include "ipc/ipc_space.h"
#include "ipc/ipc_task.h"

#include <errno.h>
#include <mach/mach.h>

/* The right in the bootstrap place, as one more of the caller's. */
static kern_return_t get_bootstrap(mach_port_t *ret_port)
{
    struct ipc_carried right = {.type = MACH_MSG_TYPE_PORT_SEND};
    if (ipc_task.bootstrap)
        right.port = ipc_port_carry(ipc_task.bootstrap);
    return ipc_right_copyout(&right, ret_port);
}

kern_return_t task_get_special_port(task_t task, int which, mach_port_t *port)
{
    if (task != mach_task_self_)
        return MACH_SEND_INVALID_DEST;
    if (which != TASK_BOOTSTRAP_PORT && which != TASK_KERNEL_PORT && which != TASK_HOST_PORT)
        return KERN_INVALID_ARGUMENT;
    kern_return_t kr = KERN_SUCCESS;
    ipc_task_lock();
    ipc_engine_catch_up(); /* the port may have died */
    if (which == TASK_BOOTSTRAP_PORT) {
        kr = get_bootstrap(port);
    } else {
        *port = which == TASK_HOST_PORT ? IPC_NAME_HOST : mach_task_self_;
        struct ipc_entry *entry = ipc_space_find(*port);
        if (entry && entry->urefs < IPC_UREFS_MAX && which == TASK_HOST_PORT)
            entry->urefs++; /* a right of the caller's own, as with any port handed out */
    }
    ipc_task_unlock();
    return kr;
}

/* What the caller named becomes the right in the place; dead names stand for dead ports. */
static kern_return_t set_bootstrap(mach_port_t name)
{
    struct ipc_carried right = {.type = MACH_MSG_TYPE_PORT_SEND, .dead = name == MACH_PORT_DEAD};
    if (MACH_PORT_VALID(name) &&
        ipc_right_copyin(name, MACH_MSG_TYPE_COPY_SEND, true, &right) != KERN_SUCCESS)
        return MACH_SEND_INVALID_RIGHT;
    if (right.dead && !(right.port = ipc_port_new_dead()))
        return KERN_RESOURCE_SHORTAGE;
    if (ipc_bootstrap_set(right.port) == 0)
        return KERN_SUCCESS;
    ipc_right_clean(&right);
    return KERN_RESOURCE_SHORTAGE;
}

kern_return_t task_set_special_port(task_t task, int which, mach_port_t port)
{
    if (task != mach_task_self_)
        return MACH_SEND_INVALID_DEST;
    if (which != TASK_BOOTSTRAP_PORT)
        return KERN_INVALID_ARGUMENT;
    ipc_task_lock();
    kern_return_t kr = set_bootstrap(port);
    ipc_engine_leave();
    ipc_task_unlock();
    return kr;
}
