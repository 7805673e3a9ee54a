/* See ipc_right.h. */
#include "ipc/ipc_right.h"

#include "ipc/ipc_port.h"
#include "ipc/ipc_request.h"
#include "ipc/ipc_space.h"

#include <stddef.h>

#define TYPE_SENDS (MACH_PORT_TYPE_SEND | MACH_PORT_TYPE_SEND_ONCE)

static bool has(const struct ipc_entry *entry, mach_port_type_t type)
{
    return (entry->type & type) != 0;
}

/* Type bits go away; the entry with them when none is left. Drops what the bits stood for. */
static void entry_lose(struct ipc_entry *entry, mach_port_type_t type)
{
    struct ipc_port *port = entry->port;
    bool sends = has(entry, type & TYPE_SENDS);
    entry->type &= ~type;
    if (sends || type & MACH_PORT_TYPE_DEAD_NAME)
        entry->urefs = 0;
    if (!entry->type) {
        if (port && port->name == entry->name)
            port->name = MACH_PORT_NULL;
        ipc_request_name_freed(entry);
        ipc_space_free(entry);
        if (sends)
            ipc_port_drop(port); /* the right, with the entry's reference */
        else if (port)
            ipc_port_unref(port);
    } else if (sends) {
        port->refs++; /* the entry keeps its own reference */
        ipc_port_drop(port);
    }
}

/* One uref less; the right goes with the last. Pegged counts stay (S109). */
static void entry_drop_uref(struct ipc_entry *entry)
{
    mach_port_type_t type = entry->type & (TYPE_SENDS | MACH_PORT_TYPE_DEAD_NAME);
    if (entry->urefs >= IPC_UREFS_MAX)
        return;
    if (entry->urefs > 1)
        entry->urefs--;
    else
        entry_lose(entry, type);
}

struct ipc_port *ipc_right_receiver(mach_port_name_t name)
{
    struct ipc_entry *entry = ipc_space_find(name);
    return entry && has(entry, MACH_PORT_TYPE_RECEIVE) ? entry->port : NULL;
}

struct ipc_port *ipc_right_set(mach_port_name_t name)
{
    struct ipc_entry *entry = ipc_space_find(name);
    return entry && has(entry, MACH_PORT_TYPE_PORT_SET) ? entry->port : NULL;
}

static bool dead_ok_type(mach_msg_type_name_t disposition)
{
    return disposition == MACH_MSG_TYPE_COPY_SEND || disposition == MACH_MSG_TYPE_MOVE_SEND ||
           disposition == MACH_MSG_TYPE_MOVE_SEND_ONCE;
}

kern_return_t ipc_right_copyin_check(mach_port_name_t name, mach_msg_type_name_t disposition,
                                     bool dead_ok)
{
    struct ipc_entry *entry = ipc_space_find(name);
    if (!entry)
        return KERN_INVALID_NAME;
    if (has(entry, MACH_PORT_TYPE_DEAD_NAME)) {
        bool late = entry->unnoticed && disposition == MACH_MSG_TYPE_MOVE_SEND_ONCE;
        return late || (dead_ok && dead_ok_type(disposition)) ? KERN_SUCCESS : KERN_INVALID_RIGHT;
    }
    mach_port_type_t needed;
    switch (disposition) {
    case MACH_MSG_TYPE_MAKE_SEND:
    case MACH_MSG_TYPE_MAKE_SEND_ONCE:
    case MACH_MSG_TYPE_MOVE_RECEIVE:
        needed = MACH_PORT_TYPE_RECEIVE;
        break;
    case MACH_MSG_TYPE_COPY_SEND:
    case MACH_MSG_TYPE_MOVE_SEND:
        needed = MACH_PORT_TYPE_SEND;
        break;
    case MACH_MSG_TYPE_MOVE_SEND_ONCE:
        needed = MACH_PORT_TYPE_SEND_ONCE;
        break;
    default:
        return KERN_INVALID_RIGHT;
    }
    if (disposition == MACH_MSG_TYPE_MOVE_RECEIVE && entry->port && entry->port->immovable)
        return KERN_INVALID_RIGHT;
    return has(entry, needed) ? KERN_SUCCESS : KERN_INVALID_RIGHT;
}

/* The receive right leaves the space; a send right under the same name stays. */
static struct ipc_port *take_receive(struct ipc_entry *entry)
{
    struct ipc_port *port = entry->port;
    ipc_port_clear_receiver(port);
    entry_lose(entry, MACH_PORT_TYPE_RECEIVE);
    return port;
}

/* Makes a right from a receive right. */
static kern_return_t make(struct ipc_port *port, mach_msg_type_name_t disposition,
                          struct ipc_carried *right)
{
    if (disposition == MACH_MSG_TYPE_MAKE_SEND) {
        port->mscount++;
        *right = (struct ipc_carried){.port = ipc_port_carry(port),
                                      .type = MACH_MSG_TYPE_PORT_SEND};
        return KERN_SUCCESS;
    }
    struct ipc_port *once = ipc_port_new_once(port);
    if (!once)
        return KERN_RESOURCE_SHORTAGE;
    *right = (struct ipc_carried){.port = once, .type = MACH_MSG_TYPE_PORT_SEND_ONCE};
    return KERN_SUCCESS;
}

kern_return_t ipc_right_copyin(mach_port_name_t name, mach_msg_type_name_t disposition,
                               bool dead_ok, struct ipc_carried *ret_right)
{
    kern_return_t kr = ipc_right_copyin_check(name, disposition, dead_ok);
    return kr == KERN_SUCCESS ? ipc_right_copyin_checked(name, disposition, ret_right) : kr;
}

kern_return_t ipc_right_copyin_checked(mach_port_name_t name, mach_msg_type_name_t disposition,
                                       struct ipc_carried *ret_right)
{
    struct ipc_entry *entry = ipc_space_find(name);
    if (!entry)
        return KERN_INVALID_NAME;
    if (disposition == MACH_MSG_TYPE_MAKE_SEND || disposition == MACH_MSG_TYPE_MAKE_SEND_ONCE)
        return make(entry->port, disposition, ret_right);
    if (disposition == MACH_MSG_TYPE_MOVE_RECEIVE) {
        *ret_right = (struct ipc_carried){.port = take_receive(entry),
                                          .type = MACH_MSG_TYPE_PORT_RECEIVE};
        return KERN_SUCCESS;
    }

    struct ipc_carried right = {.type = disposition == MACH_MSG_TYPE_MOVE_SEND_ONCE
                                            ? MACH_MSG_TYPE_PORT_SEND_ONCE
                                            : MACH_MSG_TYPE_PORT_SEND};
    if (has(entry, MACH_PORT_TYPE_DEAD_NAME))
        right.dead = true;
    else
        right.port = ipc_port_carry(entry->port);
    if (disposition != MACH_MSG_TYPE_COPY_SEND)
        entry_drop_uref(entry);
    *ret_right = right;
    return KERN_SUCCESS;
}

/* The name under which a carried right will be: the port's, or a new one. */
static struct ipc_entry *entry_for(struct ipc_port *port, mach_msg_type_name_t type)
{
    if (type != MACH_MSG_TYPE_PORT_SEND_ONCE && port->name)
        return ipc_space_find(port->name);
    struct ipc_entry *entry = ipc_space_alloc(port);
    if (!entry)
        return NULL;
    ipc_port_ref(port);
    port->name = entry->name;
    return entry;
}

kern_return_t ipc_right_copyout_to(struct ipc_carried *take_right, struct ipc_entry *entry)
{
    struct ipc_carried right = *take_right;
    *take_right = (struct ipc_carried){0};
    if (right.type == MACH_MSG_TYPE_PORT_RECEIVE) { /* the reference that it is stays the same */
        entry->type |= MACH_PORT_TYPE_RECEIVE;
        right.port->transit = false;
        right.port->carrier = NULL;
        return KERN_SUCCESS;
    }
    mach_port_type_t type = right.type == MACH_MSG_TYPE_PORT_SEND_ONCE ? MACH_PORT_TYPE_SEND_ONCE
                                                                       : MACH_PORT_TYPE_SEND;
    if (!has(entry, type))
        right.port->local++; /* the entry's own */
    entry->type |= type;
    if (entry->urefs < IPC_UREFS_MAX)
        entry->urefs++;
    ipc_port_drop(right.port);
    return KERN_SUCCESS;
}

kern_return_t ipc_right_copyout(struct ipc_carried *take_right, mach_port_name_t *ret_name)
{
    struct ipc_port *port = take_right->port;
    if (take_right->dead || (port && port->place == IPC_DEAD)) {
        ipc_right_clean(take_right);
        *ret_name = MACH_PORT_DEAD;
        return KERN_SUCCESS;
    }
    *ret_name = MACH_PORT_NULL;
    if (!port) {
        *take_right = (struct ipc_carried){0};
        return KERN_SUCCESS;
    }
    struct ipc_entry *entry = entry_for(port, take_right->type);
    if (!entry) {
        ipc_right_clean(take_right);
        return KERN_RESOURCE_SHORTAGE;
    }
    *ret_name = entry->name;
    return ipc_right_copyout_to(take_right, entry);
}

void ipc_right_clean(struct ipc_carried *take_right)
{
    if (take_right->port && take_right->type == MACH_MSG_TYPE_PORT_RECEIVE)
        ipc_port_destroy(take_right->port);
    else if (take_right->port)
        ipc_port_drop(take_right->port);
    *take_right = (struct ipc_carried){0};
}

void ipc_right_died(struct ipc_port *port)
{
    struct ipc_entry *entry = ipc_space_find(port->name);
    if (!entry)
        return;
    bool sends = has(entry, TYPE_SENDS);
    port->name = MACH_PORT_NULL;
    if (sends) {
        entry->unnoticed = has(entry, MACH_PORT_TYPE_SEND_ONCE);
        entry->type = MACH_PORT_TYPE_DEAD_NAME;
        entry->port = NULL;
        ipc_request_name_died(entry);
        ipc_port_drop(port);
    } else {
        ipc_request_name_freed(entry);
        ipc_space_free(entry);
        ipc_port_unref(port);
    }
}

kern_return_t ipc_right_deallocate(mach_port_name_t name)
{
    struct ipc_entry *entry = ipc_space_find(name);
    if (!entry)
        return KERN_INVALID_NAME;
    if (!has(entry, TYPE_SENDS | MACH_PORT_TYPE_DEAD_NAME))
        return KERN_INVALID_RIGHT;
    entry_drop_uref(entry);
    return KERN_SUCCESS;
}

/* The receive right goes; a send right under the same name stays as a dead name (S112). */
static void receive_destroy(struct ipc_entry *entry)
{
    struct ipc_port *port = entry->port;
    entry_lose(entry, MACH_PORT_TYPE_RECEIVE);
    ipc_port_destroy(port);
}

static void set_destroy(struct ipc_entry *entry)
{
    struct ipc_port *set = entry->port;
    entry_lose(entry, MACH_PORT_TYPE_PORT_SET);
    ipc_port_destroy_set(set);
}

static kern_return_t mod_urefs(struct ipc_entry *entry, int32_t delta)
{
    int64_t urefs = (int64_t)entry->urefs + delta;
    mach_port_type_t type = entry->type & (TYPE_SENDS | MACH_PORT_TYPE_DEAD_NAME);
    if (urefs < 0)
        return KERN_INVALID_VALUE;
    if (urefs == 0)
        entry_lose(entry, type);
    else if (entry->urefs < IPC_UREFS_MAX)
        entry->urefs = urefs > IPC_UREFS_MAX ? IPC_UREFS_MAX : (uint32_t)urefs;
    return KERN_SUCCESS;
}

kern_return_t ipc_right_mod_refs(mach_port_name_t name, mach_port_right_t right, int32_t delta)
{
    if (right > MACH_PORT_RIGHT_DEAD_NAME)
        return KERN_INVALID_VALUE;
    struct ipc_entry *entry = ipc_space_find(name);
    if (!entry)
        return KERN_INVALID_NAME;
    if (!has(entry, MACH_PORT_TYPE(right)))
        return KERN_INVALID_RIGHT;
    if (right == MACH_PORT_RIGHT_SEND || right == MACH_PORT_RIGHT_DEAD_NAME)
        return mod_urefs(entry, delta);
    if (delta != 0 && delta != -1)
        return KERN_INVALID_VALUE;
    if (delta == 0)
        return KERN_SUCCESS;
    if (right == MACH_PORT_RIGHT_RECEIVE && entry->port->guarded)
        return KERN_INVALID_RIGHT;
    if (right == MACH_PORT_RIGHT_RECEIVE)
        receive_destroy(entry);
    else if (right == MACH_PORT_RIGHT_PORT_SET)
        set_destroy(entry);
    else
        entry_lose(entry, MACH_PORT_TYPE_SEND_ONCE);
    return KERN_SUCCESS;
}

kern_return_t ipc_right_destroy(mach_port_name_t name)
{
    struct ipc_entry *entry = ipc_space_find(name);
    if (!entry)
        return KERN_INVALID_NAME;
    if (has(entry, MACH_PORT_TYPE_RECEIVE) && entry->port->guarded)
        return KERN_INVALID_RIGHT;
    if (has(entry, MACH_PORT_TYPE_PORT_SET)) {
        set_destroy(entry);
        return KERN_SUCCESS;
    }
    if (has(entry, TYPE_SENDS | MACH_PORT_TYPE_DEAD_NAME))
        entry_lose(entry, entry->type & (TYPE_SENDS | MACH_PORT_TYPE_DEAD_NAME));
    entry = ipc_space_find(name);
    if (entry && has(entry, MACH_PORT_TYPE_RECEIVE))
        receive_destroy(entry);
    return KERN_SUCCESS;
}
