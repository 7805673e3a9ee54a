/* Port sets: members in and out (S139). */
#include "api/api.h"
#include "ipc/ipc_engine.h"
#include "ipc/ipc_port.h"
#include "ipc/ipc_pset.h"
#include "ipc/ipc_right.h"
#include "ipc/ipc_space.h"
#include "ipc/ipc_task.h"

#include <mach/mach.h>

static kern_return_t code_of(mach_port_name_t name)
{
    return !MACH_PORT_VALID(name) || ipc_space_find(name) ? KERN_INVALID_RIGHT : KERN_INVALID_NAME;
}

/* Both, or the code for the one that is not what it should be. */
static kern_return_t find(mach_port_name_t name, mach_port_name_t pset, struct ipc_port **ret_port,
                          struct ipc_port **ret_set)
{
    *ret_port = ipc_right_receiver(name);
    *ret_set = ipc_right_set(pset);
    if (!*ret_port)
        return code_of(name);
    return *ret_set ? KERN_SUCCESS : code_of(pset);
}

kern_return_t mach_port_insert_member(ipc_space_t task, mach_port_name_t name,
                                      mach_port_name_t pset)
{
    CHECK_TASK(task);
    struct ipc_port *port, *set;
    ipc_task_lock();
    kern_return_t kr = find(name, pset, &port, &set);
    if (kr == KERN_SUCCESS && ipc_pset_has(set, port))
        kr = KERN_ALREADY_IN_SET;
    else if (kr == KERN_SUCCESS && ipc_pset_add(set, port) < 0)
        kr = KERN_RESOURCE_SHORTAGE;
    ipc_task_unlock();
    return kr;
}

kern_return_t mach_port_extract_member(ipc_space_t task, mach_port_name_t name,
                                       mach_port_name_t pset)
{
    CHECK_TASK(task);
    struct ipc_port *port, *set;
    ipc_task_lock();
    kern_return_t kr = find(name, pset, &port, &set);
    if (kr == KERN_SUCCESS && !ipc_pset_remove(set, port))
        kr = KERN_NOT_IN_SET;
    ipc_task_unlock();
    return kr;
}

/* Out of every set it is in, and into `set` unless that is NULL. */
static kern_return_t move(struct ipc_port *port, struct ipc_port *set)
{
    bool in_one = !util_list_empty(&port->sets);
    bool in_this = set && ipc_pset_has(set, port);
    if (!set && !in_one)
        return KERN_NOT_IN_SET;
    if (set && !in_this && ipc_pset_add(set, port) < 0)
        return KERN_RESOURCE_SHORTAGE;
    UTIL_LIST_EACH(at, after, &port->sets)
    {
        struct ipc_port *other = UTIL_CONTAINER(at, struct ipc_member, in_port)->set;
        if (other != set)
            (void)ipc_pset_remove(other, port);
    }
    return KERN_SUCCESS;
}

kern_return_t mach_port_move_member(ipc_space_t task, mach_port_name_t member,
                                    mach_port_name_t after)
{
    CHECK_TASK(task);
    if (after == MACH_PORT_DEAD)
        return KERN_INVALID_RIGHT;
    ipc_task_lock();
    struct ipc_port *port = ipc_right_receiver(member);
    struct ipc_port *set = ipc_right_set(after);
    kern_return_t kr = !port ? code_of(member) : after && !set ? code_of(after) : move(port, set);
    ipc_task_unlock();
    return kr;
}

kern_return_t mach_port_get_set_status(ipc_space_read_t task, mach_port_name_t name,
                                       mach_port_name_array_t *members,
                                       mach_msg_type_number_t *count)
{
    CHECK_TASK(task);
    vm_address_t page = 0;
    ipc_task_lock();
    struct ipc_port *set = ipc_right_set(name);
    kern_return_t kr = set ? KERN_SUCCESS : code_of(name);
    mach_msg_type_number_t size = set ? ipc_pset_size(set) : 0;
    if (set && vm_allocate(mach_task_self_, &page, size * sizeof(mach_port_name_t),
                           VM_FLAGS_ANYWHERE) != KERN_SUCCESS)
        kr = KERN_RESOURCE_SHORTAGE;
    if (kr == KERN_SUCCESS) {
        mach_port_name_t *at = (mach_port_name_t *)page;
        *members = at;
        *count = size;
        UTIL_LIST_EACH(link, after, &set->sets)
        {
            *at++ = UTIL_CONTAINER(link, struct ipc_member, in_set)->port->name;
        }
    }
    ipc_task_unlock();
    return kr;
}
