/* See ipc_request.h. */
#include "ipc/ipc_request.h"

#include "ipc/ipc_engine.h"
#include "ipc/ipc_grant.h"
#include "ipc/ipc_notify.h"
#include "ipc/ipc_peer.h"
#include "ipc/ipc_port.h"
#include "ipc/ipc_right.h"
#include "ipc/ipc_space.h"
#include "ipc/ipc_task.h"
#include "wire/wire_channel.h"

#include <mach/notify.h>
#include <stddef.h>

#define PORT_RIGHTS (MACH_PORT_TYPE_SEND | MACH_PORT_TYPE_SEND_ONCE | MACH_PORT_TYPE_RECEIVE)

mach_port_type_t ipc_request_type(const struct ipc_entry *entry)
{
    if (!entry->request)
        return 0;
    if (!entry->possible)
        return MACH_PORT_TYPE_DNREQUEST;
    return MACH_PORT_TYPE_DNREQUEST | MACH_PORT_TYPE_SPREQUEST |
           (entry->armed ? 0 : MACH_PORT_TYPE_SPREQUEST_DELAYED);
}

/* Takes the request out of the entry. */
static struct ipc_port *steal(struct ipc_entry *entry)
{
    struct ipc_port *once = entry->request;
    if (once && entry->armed)
        ipc_task.armed_requests--;
    entry->request = NULL;
    entry->possible = entry->armed = false;
    return once;
}

static void gain_uref(struct ipc_entry *entry)
{
    if (entry->urefs < IPC_UREFS_MAX)
        entry->urefs++;
}

void ipc_request_name_died(struct ipc_entry *entry)
{
    struct ipc_port *once = steal(entry);
    if (!once)
        return;
    gain_uref(entry);
    ipc_notify_name(once, MACH_NOTIFY_DEAD_NAME, entry->name);
}

void ipc_request_name_freed(struct ipc_entry *entry)
{
    mach_port_name_t name = entry->name;
    struct ipc_port *once = steal(entry);
    if (once)
        ipc_notify_name(once, MACH_NOTIFY_PORT_DELETED, name);
}

/* ---- room in the queue ------------------------------------------------------------------- */

static bool has_room(const struct ipc_port *port)
{
    if (port->place == IPC_OWN)
        return port->kind == IPC_ONCE || port->queued < port->limit;
    if (port->place != IPC_REMOTE || port->kind == IPC_ONCE || !port->slot_channel)
        return true;
    return wire_channel_slot_in_flight(port->slot_channel, port->slot) < port->limit;
}

static void arm(struct ipc_entry *entry)
{
    if (entry->armed)
        return;
    entry->armed = true;
    ipc_task.armed_requests++;
}

/* Asks to be woken by room: another task's reader rings. */
static void want_room(struct ipc_port *port)
{
    struct wire_channel *channel = port->place == IPC_REMOTE ? ipc_peer_channel(port->peer) : NULL;
    if (channel)
        wire_channel_want_room(channel);
}

static void fire_possible(struct ipc_entry *entry)
{
    mach_port_name_t name = entry->name;
    ipc_notify_name(steal(entry), MACH_NOTIFY_SEND_POSSIBLE, name);
}

void ipc_request_turned_away(struct ipc_port *port)
{
    struct ipc_entry *entry = ipc_space_find(port->name);
    if (!entry || !entry->request || !entry->possible)
        return;
    arm(entry);
    want_room(port);
    ipc_request_room(port); /* it may have come meanwhile */
}

void ipc_request_room(struct ipc_port *port)
{
    if (!ipc_task.armed_requests || !port->name)
        return;
    struct ipc_entry *entry = ipc_space_find(port->name);
    if (entry && entry->armed && has_room(port))
        fire_possible(entry);
}

void ipc_request_look(void)
{
    uint32_t index = 0;
    if (!ipc_task.armed_requests)
        return;
    for (struct ipc_entry *entry; (entry = ipc_space_next(&index));) {
        if (!entry->armed || entry->port->place != IPC_REMOTE)
            continue;
        want_room(entry->port);
        if (has_room(entry->port))
            fire_possible(entry);
    }
}

/* ---- asking ------------------------------------------------------------------------------ */

/* Too late for a dead-name request; one for room hears of the death at once (S133). */
static kern_return_t about_dead_name(struct ipc_entry *entry, bool possible,
                                     struct ipc_port *take_once)
{
    if (!possible || !take_once)
        return take_once ? KERN_INVALID_ARGUMENT : KERN_SUCCESS;
    gain_uref(entry);
    ipc_notify_name(take_once, MACH_NOTIFY_DEAD_NAME, entry->name);
    return KERN_SUCCESS;
}

/* MACH_NOTIFY_DEAD_NAME and MACH_NOTIFY_SEND_POSSIBLE. */
static kern_return_t about_name(struct ipc_entry *entry, bool possible, bool at_once,
                                struct ipc_port *take_once, struct ipc_port **ret_previous)
{
    if (entry->type & MACH_PORT_TYPE_DEAD_NAME)
        return about_dead_name(entry, possible, take_once);
    if (!(entry->type & PORT_RIGHTS))
        return KERN_INVALID_RIGHT;
    *ret_previous = steal(entry);
    if (take_once && possible && at_once && has_room(entry->port)) {
        ipc_notify_name(take_once, MACH_NOTIFY_SEND_POSSIBLE, entry->name);
        return KERN_SUCCESS;
    }
    entry->request = take_once;
    entry->possible = take_once && possible;
    if (take_once && possible && at_once) {
        arm(entry);
        want_room(entry->port);
    }
    return KERN_SUCCESS;
}

/* MACH_NOTIFY_NO_SENDERS (S134, S135). */
static kern_return_t about_senders(struct ipc_port *port, uint32_t sync, struct ipc_port *take_once,
                                   struct ipc_port **ret_previous)
{
    if (ipc_task.engine.epoll_fd >= 0)
        ipc_engine_poll(); /* a zero of before this request is judged before it */
    *ret_previous = port->no_senders;
    port->no_senders = NULL;
    if (take_once && sync <= port->mscount && ipc_grant_none(port))
        ipc_notify_no_senders(take_once, port->mscount);
    else
        port->no_senders = take_once;
    return KERN_SUCCESS;
}

static kern_return_t about_receive(mach_port_name_t name, mach_msg_id_t id, uint32_t sync,
                                   struct ipc_port *take_once, struct ipc_port **ret_previous)
{
    struct ipc_port *port = ipc_right_receiver(name);
    if (!port)
        return ipc_space_find(name) ? KERN_INVALID_RIGHT : KERN_INVALID_NAME;
    if (id == MACH_NOTIFY_NO_SENDERS)
        return about_senders(port, sync, take_once, ret_previous);
    if (sync != 0)
        return KERN_INVALID_VALUE;
    if (take_once && port->destroyed)
        return KERN_FAILURE; /* S137 */
    *ret_previous = port->destroyed;
    port->destroyed = take_once;
    return KERN_SUCCESS;
}

void ipc_request_no_senders(struct ipc_port *port)
{
    struct ipc_port *once = port->no_senders;
    port->no_senders = NULL;
    if (once)
        ipc_notify_no_senders(once, port->mscount);
}

kern_return_t ipc_request(mach_port_name_t name, mach_msg_id_t id, uint32_t sync,
                          struct ipc_port *take_once, struct ipc_port **ret_previous)
{
    kern_return_t kr = KERN_INVALID_VALUE;
    struct ipc_entry *entry;
    *ret_previous = NULL;
    switch (id) {
    case MACH_NOTIFY_PORT_DESTROYED:
    case MACH_NOTIFY_NO_SENDERS:
        kr = about_receive(name, id, sync, take_once, ret_previous);
        break;
    case MACH_NOTIFY_DEAD_NAME:
    case MACH_NOTIFY_SEND_POSSIBLE:
        entry = ipc_space_find(name);
        if (!MACH_PORT_VALID(name))
            kr = KERN_INVALID_ARGUMENT;
        else if (!entry)
            kr = KERN_INVALID_NAME;
        else
            kr = about_name(entry, id == MACH_NOTIFY_SEND_POSSIBLE, sync != 0, take_once,
                            ret_previous);
        break;
    default:
        break;
    }
    if (kr != KERN_SUCCESS && take_once)
        ipc_port_drop(take_once);
    return kr;
}
