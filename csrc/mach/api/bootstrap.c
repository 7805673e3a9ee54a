/* bootstrap_*: names for ports, without a bootstrap server (design: ipc_door, ipc_lookup). */
#include "ipc/ipc_door.h"
#include "ipc/ipc_lookup.h"
#include "ipc/ipc_port.h"
#include "ipc/ipc_right.h"
#include "ipc/ipc_space.h"
#include "ipc/ipc_task.h"

#include <errno.h>
#include <mach/mach.h>
#include <mach/machool.h>
#include <servers/bootstrap.h>
#include <string.h>

/* Names longer than 127 bytes are cut, not refused (S165). */
static void cut_name(char *ret_name, const char *name)
{
    size_t length = strnlen(name, BOOTSTRAP_MAX_NAME_LEN - 1);
    memcpy(ret_name, name, length);
    ret_name[length] = 0;
}

static kern_return_t code_of(int error)
{
    return error == 0             ? BOOTSTRAP_SUCCESS
           : error == -EADDRINUSE ? BOOTSTRAP_NOT_PRIVILEGED /* another task's (S166) */
                                  : BOOTSTRAP_NO_MEMORY;
}

/* Opens a door for a service whose right is here. With the task lock. */
static kern_return_t open_door(const char *name, struct ipc_port *port, const uid_t *uids,
                               unsigned count)
{
    if (ipc_door_find(name))
        return BOOTSTRAP_SERVICE_ACTIVE;
    int r = ipc_task_start_engine();
    return code_of(r < 0 ? r : ipc_door_open(name, port, uids, count));
}

static kern_return_t register_name(const char *service_name, mach_port_t name, const uid_t *uids,
                                   unsigned count)
{
    char service[BOOTSTRAP_MAX_NAME_LEN];
    if (!service_name)
        return KERN_INVALID_ARGUMENT;
    cut_name(service, service_name);
    if (name == MACH_PORT_DEAD)
        return BOOTSTRAP_NO_MEMORY;
    ipc_task_lock();
    kern_return_t kr;
    struct ipc_entry *entry = ipc_space_find(name);
    if (name == MACH_PORT_NULL)
        kr = ipc_door_find(service) ? BOOTSTRAP_SERVICE_ACTIVE : BOOTSTRAP_SUCCESS; /* S171 */
    else if (!entry)
        kr = MACH_SEND_INVALID_DEST;
    else if (!entry->port || entry->port->place != IPC_OWN || entry->port->kind != IPC_PORT)
        kr = KERN_INVALID_RIGHT; /* only a port of this task can be published: DIFFERENCES */
    else
        kr = open_door(service, entry->port, uids, count);
    ipc_engine_leave();
    ipc_task_unlock();
    return kr;
}

kern_return_t bootstrap_register(mach_port_t bp, const char *service_name, mach_port_t sp)
{
    if (bp != bootstrap_port)
        return MACH_SEND_INVALID_DEST;
    return register_name(service_name, sp, NULL, 0);
}

kern_return_t machool_bootstrap_register(const char *service_name, mach_port_t port,
                                         const uid_t *uids, unsigned count)
{
    return register_name(service_name, port, uids, count);
}

kern_return_t bootstrap_check_in(mach_port_t bp, const char *service_name, mach_port_t *sp)
{
    char service[BOOTSTRAP_MAX_NAME_LEN];
    if (bp != bootstrap_port)
        return MACH_SEND_INVALID_DEST;
    mach_port_name_t name;
    cut_name(service, service_name);
    kern_return_t kr = mach_port_allocate(mach_task_self_, MACH_PORT_RIGHT_RECEIVE, &name);
    if (kr != KERN_SUCCESS)
        return BOOTSTRAP_NO_MEMORY;
    ipc_task_lock();
    struct ipc_port *port = ipc_right_receiver(name);
    kr = port ? open_door(service, port, NULL, 0) : BOOTSTRAP_NO_MEMORY;
    ipc_engine_leave();
    ipc_task_unlock();
    if (kr != BOOTSTRAP_SUCCESS)
        (void)mach_port_mod_refs(mach_task_self_, name, MACH_PORT_RIGHT_RECEIVE, -1);
    else
        *sp = name;
    return kr;
}

kern_return_t bootstrap_look_up(mach_port_t bp, const char *service_name, mach_port_t *sp)
{
    char service[BOOTSTRAP_MAX_NAME_LEN];
    if (bp != bootstrap_port)
        return MACH_SEND_INVALID_DEST;
    struct ipc_carried right = {.type = MACH_MSG_TYPE_PORT_SEND};
    mach_port_name_t name = MACH_PORT_NULL;
    kern_return_t kr = BOOTSTRAP_SUCCESS;
    cut_name(service, service_name);
    ipc_task_lock();
    struct ipc_door *door = ipc_door_find(service);
    if (door)
        right.port = ipc_port_carry(door->port);
    else
        kr = ipc_lookup(service, &right);
    if (kr == BOOTSTRAP_SUCCESS && ipc_right_copyout(&right, &name) != KERN_SUCCESS)
        kr = BOOTSTRAP_NO_MEMORY;
    ipc_engine_leave();
    ipc_task_unlock();
    if (kr == BOOTSTRAP_SUCCESS && !MACH_PORT_VALID(name))
        kr = BOOTSTRAP_UNKNOWN_SERVICE; /* died between the answer and the name */
    if (kr == BOOTSTRAP_SUCCESS)
        *sp = name;
    return kr;
}

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
