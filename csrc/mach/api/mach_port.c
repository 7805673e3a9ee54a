/* mach_port_*: names and rights of this task's space. */
#include "api/api.h"
#include "ipc/ipc_mqueue.h"
#include "ipc/ipc_port.h"
#include "ipc/ipc_pset.h"
#include "ipc/ipc_request.h"
#include "ipc/ipc_right.h"
#include "ipc/ipc_space.h"
#include "ipc/ipc_task.h"

#include <mach/mach.h>
#include <string.h>

/* The entry of a new name, as mach_port_allocate makes it: at `name`, or where there is room when
 * that is null. */
static kern_return_t new_entry(struct ipc_port *borrow_port, mach_port_name_t name,
                               struct ipc_entry **ret_entry)
{
    if (name)
        return ipc_space_alloc_name(name, borrow_port, ret_entry);
    *ret_entry = ipc_space_alloc(borrow_port);
    return *ret_entry ? KERN_SUCCESS : KERN_NO_SPACE;
}

/* A new port with its receive right, or an empty set, under a new name. */
static kern_return_t allocate_port(bool set, mach_port_name_t *name)
{
    struct ipc_entry *entry;
    struct ipc_port *port = set ? ipc_port_new_set() : ipc_port_new();
    if (!port)
        return KERN_RESOURCE_SHORTAGE;
    kern_return_t kr = new_entry(port, *name, &entry);
    if (kr != KERN_SUCCESS) {
        if (set)
            ipc_port_unref(port);
        else
            ipc_port_destroy(port);
        return kr;
    }
    ipc_port_ref(port);
    entry->type = set ? MACH_PORT_TYPE_PORT_SET : MACH_PORT_TYPE_RECEIVE;
    port->name = *name = entry->name;
    return KERN_SUCCESS;
}

static kern_return_t allocate_dead_name(mach_port_name_t *name)
{
    struct ipc_entry *entry;
    kern_return_t kr = new_entry(NULL, *name, &entry);
    if (kr != KERN_SUCCESS)
        return kr;
    entry->type = MACH_PORT_TYPE_DEAD_NAME;
    entry->urefs = 1;
    *name = entry->name;
    return KERN_SUCCESS;
}

static kern_return_t allocate(mach_port_right_t right, mach_port_name_t *name)
{
    kern_return_t kr = KERN_INVALID_VALUE;
    ipc_task_lock();
    if (right == MACH_PORT_RIGHT_RECEIVE || right == MACH_PORT_RIGHT_PORT_SET)
        kr = allocate_port(right == MACH_PORT_RIGHT_PORT_SET, name);
    else if (right == MACH_PORT_RIGHT_DEAD_NAME)
        kr = allocate_dead_name(name);
    ipc_task_unlock();
    return kr;
}

kern_return_t mach_port_allocate(ipc_space_t task, mach_port_right_t right, mach_port_name_t *name)
{
    mach_port_name_t anywhere = MACH_PORT_NULL;
    CHECK_TASK(task);
    kern_return_t kr = allocate(right, &anywhere);
    if (kr == KERN_SUCCESS)
        *name = anywhere;
    return kr;
}

kern_return_t mach_port_allocate_name(ipc_space_t task, mach_port_right_t right,
                                      mach_port_name_t name)
{
    CHECK_TASK(task);
    return MACH_PORT_VALID(name) ? allocate(right, &name) : KERN_INVALID_VALUE;
}

kern_return_t mach_port_allocate_full(ipc_space_t task, mach_port_right_t right, mach_port_t proto,
                                      mach_port_qos_t *qos, mach_port_name_t *name)
{
    CHECK_TASK(task);
    if (proto != MACH_PORT_NULL)
        return KERN_INVALID_VALUE;
    return qos->name ? mach_port_allocate_name(task, right, *name)
                     : mach_port_allocate(task, right, name);
}

kern_return_t mach_port_allocate_qos(ipc_space_t task, mach_port_right_t right,
                                     mach_port_qos_t *qos, mach_port_name_t *name)
{
    CHECK_TASK(task);
    if (qos->name)
        return KERN_INVALID_ARGUMENT;
    return mach_port_allocate_full(task, right, MACH_PORT_NULL, qos, name);
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

/* Puts a carried right under a name that must be new. Takes the right. */
static kern_return_t insert_elsewhere(mach_port_name_t name, struct ipc_carried *take_right)
{
    struct ipc_port *port = take_right->port;
    struct ipc_entry *entry;
    kern_return_t kr = ipc_space_alloc_name(name, port, &entry);
    if (kr == KERN_SUCCESS && take_right->type != MACH_MSG_TYPE_PORT_SEND_ONCE && port->name) {
        ipc_space_free(entry);
        kr = KERN_RIGHT_EXISTS;
    }
    if (kr != KERN_SUCCESS) {
        ipc_right_clean(take_right);
        return kr;
    }
    ipc_port_ref(port);
    port->name = name; /* where copyout will find it */
    return ipc_right_copyout_to(take_right, entry);
}

static kern_return_t insert_right(mach_port_name_t name, mach_port_name_t poly,
                                  mach_msg_type_name_t disposition)
{
    struct ipc_carried right = {0};
    mach_port_name_t landed;
    struct ipc_entry *entry = ipc_space_find(poly);
    if (entry && entry->type & MACH_PORT_TYPE_DEAD_NAME)
        return KERN_INVALID_CAPABILITY;
    kern_return_t kr = ipc_right_copyin(poly, disposition, false, &right);
    if (kr != KERN_SUCCESS)
        return kr;
    if (right.type != MACH_MSG_TYPE_PORT_SEND_ONCE && right.port->name == name)
        return ipc_right_copyout(&right, &landed);
    return insert_elsewhere(name, &right);
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
    ipc_task_lock();
    kern_return_t kr = insert_right(name, poly, disposition);
    ipc_engine_leave();
    ipc_task_unlock();
    return kr;
}

kern_return_t mach_port_extract_right(ipc_space_t task, mach_port_name_t name,
                                      mach_msg_type_name_t disposition, mach_port_t *poly,
                                      mach_msg_type_name_t *poly_type)
{
    CHECK_TASK(task);
    struct ipc_carried right = {0};
    if (disposition < MACH_MSG_TYPE_MOVE_RECEIVE || disposition > MACH_MSG_TYPE_MAKE_SEND_ONCE)
        return KERN_INVALID_VALUE;
    if (!MACH_PORT_VALID(name))
        return KERN_INVALID_RIGHT;
    ipc_task_lock();
    kern_return_t kr = ipc_right_copyin(name, disposition, false, &right);
    mach_msg_type_name_t type = right.type;
    if (kr == KERN_SUCCESS)
        kr = ipc_right_copyout(&right, poly);
    if (kr == KERN_SUCCESS)
        *poly_type = type;
    ipc_engine_leave();
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
    ipc_mqueue_catch_up(name);
    struct ipc_entry *entry = ipc_space_find(name);
    if (entry) {
        *type = entry->type | ipc_request_type(entry);
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
            (*types)[count] = entry->type | ipc_request_type(entry);
        }
        *names_count = *types_count = count;
    }
    ipc_task_unlock();
    if (kr == KERN_SUCCESS)
        return kr;
    (void)vm_deallocate(mach_task_self_, name_page, name_page ? size : 0);
    return KERN_RESOURCE_SHORTAGE;
}
