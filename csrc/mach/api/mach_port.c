/* mach_port_*: names and rights of this task's space. */
#include "ipc/ipc_peer.h"
#include "ipc/ipc_port.h"
#include "ipc/ipc_right.h"
#include "ipc/ipc_space.h"
#include "ipc/ipc_task.h"

#include <mach/mach.h>
#include <string.h>

/* Only this task's space can be worked on (S184). */
#define CHECK_TASK(task)                                                                           \
    do {                                                                                           \
        if ((task) != mach_task_self_)                                                             \
            return MACH_SEND_INVALID_DEST;                                                         \
    } while (0)

/* A new port, with its receive right under a new name. */
static kern_return_t allocate_receive(mach_port_name_t *ret_name)
{
    struct ipc_port *port = ipc_port_new();
    struct ipc_entry *entry = port ? ipc_space_alloc(port) : NULL;
    if (!entry) {
        if (port)
            ipc_port_destroy(port);
        return KERN_RESOURCE_SHORTAGE;
    }
    ipc_port_ref(port);
    entry->type = MACH_PORT_TYPE_RECEIVE;
    port->name = *ret_name = entry->name;
    return KERN_SUCCESS;
}

kern_return_t mach_port_allocate(ipc_space_t task, mach_port_right_t right, mach_port_name_t *name)
{
    CHECK_TASK(task);
    if (right != MACH_PORT_RIGHT_RECEIVE && right != MACH_PORT_RIGHT_DEAD_NAME)
        return KERN_INVALID_VALUE;
    ipc_task_lock();
    kern_return_t kr = KERN_SUCCESS;
    if (right == MACH_PORT_RIGHT_RECEIVE) {
        kr = allocate_receive(name);
    } else {
        struct ipc_entry *entry = ipc_space_alloc(NULL);
        if (entry) {
            entry->type = MACH_PORT_TYPE_DEAD_NAME;
            entry->urefs = 1;
            *name = entry->name;
        } else {
            kr = KERN_NO_SPACE;
        }
    }
    ipc_task_unlock();
    return kr;
}

mach_port_t mach_reply_port(void)
{
    mach_port_t name = MACH_PORT_NULL;
    (void)mach_port_allocate(mach_task_self_, MACH_PORT_RIGHT_RECEIVE, &name);
    return name;
}

kern_return_t mach_port_deallocate(ipc_space_t task, mach_port_name_t name)
{
    CHECK_TASK(task);
    if (!MACH_PORT_VALID(name))
        return KERN_SUCCESS;
    ipc_task_lock();
    kern_return_t kr = ipc_right_deallocate(name);
    ipc_engine_leave();
    ipc_task_unlock();
    return kr;
}

/* A port that died may have messages in rings that nobody has read yet: their senders' send-once
 * rights are answered now (S131), for this task may not call again for a long time. */
static void leave_after_death(bool died)
{
    if (died)
        ipc_engine_catch_up();
    else
        ipc_engine_leave();
}

kern_return_t mach_port_destroy(ipc_space_t task, mach_port_name_t name)
{
    CHECK_TASK(task);
    if (!MACH_PORT_VALID(name))
        return KERN_SUCCESS;
    ipc_task_lock();
    kern_return_t kr = ipc_right_destroy(name);
    leave_after_death(kr == KERN_SUCCESS);
    ipc_task_unlock();
    return kr;
}

kern_return_t mach_port_mod_refs(ipc_space_t task, mach_port_name_t name, mach_port_right_t right,
                                 mach_port_delta_t delta)
{
    CHECK_TASK(task);
    if (!MACH_PORT_VALID(name)) {
        return right == MACH_PORT_RIGHT_SEND || right == MACH_PORT_RIGHT_SEND_ONCE
                   ? KERN_SUCCESS
                   : KERN_INVALID_NAME;
    }
    ipc_task_lock();
    kern_return_t kr = ipc_right_mod_refs(name, right, delta);
    leave_after_death(kr == KERN_SUCCESS && right == MACH_PORT_RIGHT_RECEIVE && delta < 0);
    ipc_task_unlock();
    return kr;
}

/* Puts a carried right under a name that must be new. */
static kern_return_t insert_elsewhere(mach_port_name_t name, struct ipc_carried *right)
{
    bool taken = false;
    if (right->type == MACH_MSG_TYPE_PORT_SEND) {
        ipc_right_clean(right);
        return KERN_RIGHT_EXISTS; /* the port has a name: the one it came from */
    }
    struct ipc_entry *entry = ipc_space_alloc_name(name, right->port, &taken);
    if (!entry) {
        ipc_right_clean(right);
        return taken ? KERN_NAME_EXISTS : KERN_FAILURE;
    }
    entry->type = MACH_PORT_TYPE_SEND_ONCE;
    entry->urefs = 1;
    right->port->name = name; /* the carried right is the entry's now */
    return KERN_SUCCESS;
}

kern_return_t mach_port_insert_right(ipc_space_t task, mach_port_name_t name, mach_port_t poly,
                                     mach_msg_type_name_t disposition)
{
    CHECK_TASK(task);
    if (!MACH_PORT_VALID(name))
        return KERN_INVALID_VALUE;
    if (poly == MACH_PORT_NULL)
        return KERN_INVALID_NAME;
    if (poly == MACH_PORT_DEAD)
        return KERN_INVALID_CAPABILITY;
    struct ipc_carried right = {0};
    mach_port_name_t landed;
    ipc_task_lock();
    struct ipc_entry *entry = ipc_space_find(poly);
    kern_return_t kr;
    if (entry && entry->type & MACH_PORT_TYPE_DEAD_NAME)
        kr = KERN_INVALID_CAPABILITY;
    else
        kr = ipc_right_copyin(poly, disposition, false, &right);
    if (kr == KERN_SUCCESS) {
        bool same = name == poly && right.type == MACH_MSG_TYPE_PORT_SEND;
        if (same)
            kr = ipc_right_copyout(&right, &landed);
        else if (name == poly) {
            ipc_right_clean(&right);
            kr = KERN_NAME_EXISTS;
        } else
            kr = insert_elsewhere(name, &right);
    }
    ipc_task_unlock();
    return kr;
}

kern_return_t mach_port_type(ipc_space_t task, mach_port_name_t name, mach_port_type_t *type)
{
    CHECK_TASK(task);
    if (name == MACH_PORT_NULL)
        return KERN_INVALID_NAME;
    if (name == MACH_PORT_DEAD) {
        *type = MACH_PORT_TYPE_DEAD_NAME;
        return KERN_SUCCESS;
    }
    ipc_task_lock();
    ipc_engine_catch_up();
    struct ipc_entry *entry = ipc_space_find(name);
    if (entry) {
        *type = entry->type;
        entry->unnoticed = false;
    }
    ipc_task_unlock();
    return entry ? KERN_SUCCESS : KERN_INVALID_NAME;
}

kern_return_t mach_port_get_refs(ipc_space_t task, mach_port_name_t name, mach_port_right_t right,
                                 mach_port_urefs_t *refs)
{
    CHECK_TASK(task);
    if (right > MACH_PORT_RIGHT_DEAD_NAME)
        return KERN_INVALID_VALUE;
    if (!MACH_PORT_VALID(name)) {
        if (right != MACH_PORT_RIGHT_SEND && right != MACH_PORT_RIGHT_SEND_ONCE)
            return KERN_INVALID_NAME;
        *refs = 1;
        return KERN_SUCCESS;
    }
    ipc_task_lock();
    ipc_engine_catch_up();
    struct ipc_entry *entry = ipc_space_find(name);
    if (entry) {
        bool held = entry->type & MACH_PORT_TYPE(right);
        bool counted = right == MACH_PORT_RIGHT_SEND || right == MACH_PORT_RIGHT_DEAD_NAME;
        *refs = !held ? 0 : counted ? entry->urefs : 1;
        entry->unnoticed = false;
    }
    ipc_task_unlock();
    return entry ? KERN_SUCCESS : KERN_INVALID_NAME;
}

kern_return_t mach_port_names(ipc_space_t task, mach_port_name_array_t *names,
                              mach_msg_type_number_t *names_count, mach_port_type_array_t *types,
                              mach_msg_type_number_t *types_count)
{
    CHECK_TASK(task);
    vm_address_t name_page = 0, type_page = 0;
    ipc_task_lock();
    vm_size_t size = ipc_task.space.used * sizeof(mach_port_name_t);
    kern_return_t kr = vm_allocate(mach_task_self_, &name_page, size, VM_FLAGS_ANYWHERE);
    if (kr == KERN_SUCCESS)
        kr = vm_allocate(mach_task_self_, &type_page, size, VM_FLAGS_ANYWHERE);
    if (kr == KERN_SUCCESS) {
        mach_msg_type_number_t count = 0;
        uint32_t index = 0;
        *names = (mach_port_name_array_t)name_page;
        *types = (mach_port_type_array_t)type_page;
        for (struct ipc_entry *entry; (entry = ipc_space_next(&index)); count++) {
            (*names)[count] = entry->name;
            (*types)[count] = entry->type;
        }
        *names_count = *types_count = count;
    }
    ipc_task_unlock();
    if (kr == KERN_SUCCESS)
        return kr;
    (void)vm_deallocate(mach_task_self_, name_page, name_page ? size : 0);
    return KERN_RESOURCE_SHORTAGE;
}

/* The state of a receive right in Mach's terms (S140). With the task lock. */
static void fill_status(struct ipc_port *port, mach_port_status_t *status)
{
    bool once = !util_list_empty(&port->nonces);
    mach_port_rights_t once_count = 0;
    UTIL_LIST_EACH(at, after, &port->nonces) once_count++;
    memset(status, 0, sizeof *status);
    status->mps_seqno = port->seqno;
    status->mps_mscount = port->mscount;
    status->mps_qlimit = port->limit;
    status->mps_msgcount = port->queued;
    status->mps_sorights = once ? once_count : 0;
    status->mps_srights = port->local || port->pending || port->grants.used;
}

kern_return_t mach_port_get_attributes(ipc_space_t task, mach_port_name_t name,
                                       mach_port_flavor_t flavor, mach_port_info_t info,
                                       mach_msg_type_number_t *count)
{
    CHECK_TASK(task);
    mach_msg_type_number_t needed = flavor == MACH_PORT_LIMITS_INFO
                                        ? MACH_PORT_LIMITS_INFO_COUNT
                                        : MACH_PORT_RECEIVE_STATUS_COUNT;
    if (flavor != MACH_PORT_LIMITS_INFO && flavor != MACH_PORT_RECEIVE_STATUS)
        return KERN_INVALID_ARGUMENT;
    if (*count < needed)
        return KERN_FAILURE;
    ipc_task_lock();
    ipc_engine_catch_up();
    struct ipc_port *port = ipc_right_receiver(name);
    kern_return_t kr = port                   ? KERN_SUCCESS
                       : ipc_space_find(name) ? KERN_INVALID_RIGHT
                                              : KERN_INVALID_NAME;
    if (port && flavor == MACH_PORT_LIMITS_INFO) {
        const mach_port_limits_t limits = {.mpl_qlimit = port->limit};
        memcpy(info, &limits, sizeof limits);
    } else if (port) {
        mach_port_status_t status;
        fill_status(port, &status);
        memcpy(info, &status, sizeof status);
    }
    ipc_task_unlock();
    if (kr == KERN_SUCCESS)
        *count = needed;
    return kr;
}

kern_return_t mach_port_set_attributes(ipc_space_t task, mach_port_name_t name,
                                       mach_port_flavor_t flavor, mach_port_info_t info,
                                       mach_msg_type_number_t count)
{
    CHECK_TASK(task);
    mach_port_limits_t limits;
    if (flavor != MACH_PORT_LIMITS_INFO)
        return KERN_INVALID_ARGUMENT;
    if (count < MACH_PORT_LIMITS_INFO_COUNT)
        return KERN_FAILURE;
    memcpy(&limits, info, sizeof limits);
    if (limits.mpl_qlimit > MACH_PORT_QLIMIT_MAX)
        return KERN_INVALID_VALUE;
    ipc_task_lock();
    struct ipc_port *port = ipc_right_receiver(name);
    kern_return_t kr = port                   ? KERN_SUCCESS
                       : ipc_space_find(name) ? KERN_INVALID_RIGHT
                                              : KERN_INVALID_NAME;
    if (port) {
        port->limit = limits.mpl_qlimit;
        for (uint32_t i = 0; i < port->grants.used; i++)
            ipc_peer_tell(port->grants.list[i].peer, WIRE_LIMIT, port->node.id, port->limit);
        ipc_engine_wake_all(&port->senders); /* raised: room; lowered: they look again */
    }
    ipc_task_unlock();
    return kr;
}
