/* mach_msg and its relatives: checks, copyin, send, receive, copyout. */
#include "ipc/ipc_engine.h"
#include "ipc/ipc_kmsg.h"
#include "ipc/ipc_mqueue.h"
#include "ipc/ipc_port.h"
#include "ipc/ipc_pset.h"
#include "ipc/ipc_request.h"
#include "ipc/ipc_right.h"
#include "ipc/ipc_task.h"
#include "os/os_clock.h"
#include "os/os_user.h"

#include <mach/mach.h>
#include <string.h>

#define SEND_MAX (48u * 1024 * 1024 - 68) /* S92 */

/* A time-out counts only with its flag (S146). */
static int64_t deadline_of(mach_msg_option_t option, mach_msg_option_t flag,
                           mach_msg_timeout_t timeout)
{
    return option & flag ? os_clock_after(timeout) : OS_CLOCK_NEVER;
}

/* `stays`: returns with the lock if it was sent. */
static mach_msg_return_t send_once(mach_msg_header_t *msg, mach_msg_option_t option,
                                   mach_msg_size_t size, mach_msg_timeout_t timeout, bool stays)
{
    struct ipc_kmsg *kmsg;
    mach_msg_return_t mr = ipc_kmsg_copyin(msg, size, &kmsg);
    if (mr != MACH_MSG_SUCCESS)
        return mr;
    mr = ipc_mqueue_send(kmsg, option & MACH_SEND_TIMEOUT ? (int64_t)timeout : -1);
    if (mr == MACH_SEND_TIMED_OUT && option & MACH_SEND_NOTIFY)
        ipc_request_turned_away(kmsg->destination.port);
    if (mr == MACH_MSG_SUCCESS && stays)
        return mr;
    ipc_engine_leave();
    ipc_task_unlock();
    if (mr != MACH_MSG_SUCCESS)
        ipc_kmsg_copyout_pseudo(kmsg, msg); /* S126: the same buffer can be sent again */
    return mr;
}

/* *ret_locked: the message was sent, and the lock is kept for receiving. Not after one with
 * descriptors: the buffer to receive into may have gone with its memory. */
static mach_msg_return_t send_msg(mach_msg_header_t *msg, mach_msg_option_t option,
                                  mach_msg_size_t size, mach_msg_timeout_t timeout,
                                  bool *ret_locked)
{
    *ret_locked = false;
    if (!msg)
        return MACH_SEND_INVALID_DATA;
    if (size < sizeof *msg || size % 4)
        return MACH_SEND_MSG_TOO_SMALL;
    if (size > SEND_MAX)
        return MACH_SEND_TOO_LARGE;
    if (!os_user_readable(msg, size))
        return MACH_SEND_INVALID_DATA;
    bool stays = option & MACH_RCV_MSG && !(msg->msgh_bits & MACH_MSGH_BITS_COMPLEX);
    mach_msg_return_t mr;
    do {
        mr = send_once(msg, option, size, timeout, stays);
    } while (mr == MACH_SEND_INTERRUPTED && !(option & MACH_SEND_INTERRUPT)); /* S154 */
    *ret_locked = stays && mr == MACH_MSG_SUCCESS;
    return mr;
}

/* A message too large for the buffer stays queued with MACH_RCV_LARGE; only its size is told. */
static mach_msg_return_t too_large_stays(const struct ipc_kmsg *kmsg, mach_port_name_t name,
                                         mach_msg_header_t *msg, mach_msg_option_t option,
                                         mach_msg_size_t room)
{
    if (room >= offsetof(mach_msg_header_t, msgh_size) + sizeof msg->msgh_size)
        msg->msgh_size = ipc_kmsg_user_size(kmsg);
    if (option & MACH_RCV_LARGE_IDENTITY &&
        room >= offsetof(mach_msg_header_t, msgh_local_port) + sizeof msg->msgh_local_port)
        msg->msgh_local_port = name;
    return MACH_RCV_TOO_LARGE;
}

/* Without it the message is destroyed, and a bare header tells of it (S51-S53). With the lock. */
static mach_msg_return_t too_large_dies(struct ipc_kmsg *kmsg, mach_port_name_t name,
                                        mach_msg_header_t *msg, mach_msg_size_t room)
{
    struct {
        mach_msg_header_t header;
        mach_msg_trailer_t trailer;
    } bare;
    memset(&bare, 0, sizeof bare);
    bare.header.msgh_bits = MACH_MSGH_BITS(kmsg->reply.type, kmsg->local_type) |
                            (kmsg->complex ? MACH_MSGH_BITS_COMPLEX : 0);
    bare.header.msgh_size = sizeof bare.header;
    bare.header.msgh_local_port = name;
    bare.header.msgh_id = kmsg->msgh_id;
    bare.header.msgh_voucher_port = kmsg->voucher;
    ipc_kmsg_clean(kmsg);
    if (room < sizeof bare.header)
        return MACH_RCV_INVALID_DATA;
    memcpy(msg, &bare, room < sizeof bare ? room : sizeof bare);
    return MACH_RCV_TOO_LARGE;
}

/* Takes the message that is there, at a port or at a member of a set, into the user's buffer. Called
 * with the lock, returns without. */
static mach_msg_return_t take_msg(struct ipc_port *port, mach_port_name_t name,
                                  mach_msg_header_t *msg, mach_msg_option_t option,
                                  mach_msg_size_t room)
{
    if (port->kind == IPC_SET) {
        port = ipc_pset_pick(port);
        name = port->name; /* S100 */
    }
    struct ipc_kmsg *kmsg = ipc_mqueue_peek(port);
    mach_msg_size_t size = ipc_kmsg_user_size(kmsg);
    bool fits = room >= size && room - size >= REQUESTED_TRAILER_SIZE(option);
    mach_msg_return_t mr;
    if (!fits && option & MACH_RCV_LARGE) {
        mr = too_large_stays(kmsg, name, msg, option, room);
        ipc_mqueue_pass_on(port); /* it may suit another thread (S57) */
    } else {
        ipc_mqueue_take(port);
        kmsg->keeps_guards = option & MACH_RCV_GUARDED_DESC;
        mr = fits ? ipc_kmsg_copyout_rights(kmsg, name, msg)
                  : too_large_dies(kmsg, name, msg, room);
        if (fits)
            ipc_kmsg_trailer(kmsg, port, option, (char *)msg + size, room - size);
    }
    ipc_engine_leave();
    ipc_task_unlock();
    if (!fits)
        return mr;
    mr |= ipc_kmsg_copyout_memory(kmsg, msg);
    return mr ? MACH_RCV_BODY_ERROR | mr : MACH_MSG_SUCCESS;
}

/* Called with the lock, returns without. */
static mach_msg_return_t receive_once(mach_msg_header_t *msg, mach_msg_option_t option,
                                      mach_msg_size_t room, mach_port_name_t name,
                                      mach_msg_timeout_t timeout)
{
    struct ipc_port *port = ipc_right_receiver(name);
    if (!port)
        port = ipc_right_set(name);
    mach_msg_return_t mr = port ? MACH_MSG_SUCCESS : MACH_RCV_INVALID_NAME;
    bool polls = option & MACH_RCV_TIMEOUT && timeout == 0;
    if (port && !port->queued) {
        ipc_port_ref(port);
        if (ipc_task_start_engine() < 0 && !polls)
            mr = MACH_RCV_BODY_ERROR | MACH_MSG_IPC_KERNEL;
        else if ((polls || port->starved) && ipc_task.engine.epoll_fd >= 0)
            ipc_engine_poll(); /* one who waits looks by waiting */
        if (mr == MACH_MSG_SUCCESS)
            mr = ipc_mqueue_wait(port, deadline_of(option, MACH_RCV_TIMEOUT, timeout));
        ipc_port_unref(port);
    }
    if (mr == MACH_MSG_SUCCESS)
        return take_msg(port, name, msg, option, room);
    ipc_engine_leave();
    ipc_task_unlock();
    return mr;
}

/* Called with the lock, returns without. */
static mach_msg_return_t receive_msg(mach_msg_header_t *msg, mach_msg_option_t option,
                                     mach_msg_size_t room, mach_port_name_t name,
                                     mach_msg_timeout_t timeout)
{
    for (;;) {
        mach_msg_return_t mr = receive_once(msg, option, room, name, timeout);
        if (mr != MACH_RCV_INTERRUPTED || option & MACH_RCV_INTERRUPT) /* S154 */
            return mr;
        ipc_task_lock();
    }
}

mach_msg_return_t mach_msg_overwrite(mach_msg_header_t *msg, mach_msg_option_t option,
                                     mach_msg_size_t send_size, mach_msg_size_t rcv_size,
                                     mach_port_name_t rcv_name, mach_msg_timeout_t timeout,
                                     mach_port_name_t notify, mach_msg_header_t *rcv_msg,
                                     mach_msg_size_t rcv_limit)
{
    (void)notify;
    (void)rcv_limit; /* S61 */
    mach_msg_return_t mr = MACH_MSG_SUCCESS;
    bool locked = false;
    if (!rcv_msg)
        rcv_msg = msg;
    bool writable = !(option & MACH_RCV_MSG) || !rcv_size || os_user_writable(rcv_msg, rcv_size);
    if (option & MACH_SEND_MSG)
        mr = send_msg(msg, option, send_size, timeout, &locked);
    if (mr != MACH_MSG_SUCCESS || !(option & MACH_RCV_MSG))
        return mr;
    if (!locked) {
        if (option & MACH_SEND_MSG && rcv_size)
            writable = os_user_writable(rcv_msg, rcv_size);
        ipc_task_lock();
    }
    if (writable)
        return receive_msg(rcv_msg, option, rcv_size, rcv_name, timeout);
    ipc_engine_leave();
    ipc_task_unlock();
    return MACH_RCV_INVALID_DATA;
}

mach_msg_return_t mach_msg(mach_msg_header_t *msg, mach_msg_option_t option,
                           mach_msg_size_t send_size, mach_msg_size_t rcv_size,
                           mach_port_name_t rcv_name, mach_msg_timeout_t timeout,
                           mach_port_name_t notify)
{
    return mach_msg_overwrite(msg, option, send_size, rcv_size, rcv_name, timeout, notify, NULL, 0);
}

/* A right in a message that is destroyed, by the disposition it has there (S62, S64). */
static void destroy_right(mach_port_t name, mach_msg_type_name_t disposition)
{
    struct ipc_carried made = {0};
    if (!MACH_PORT_VALID(name))
        return;
    switch (disposition) {
    case MACH_MSG_TYPE_MOVE_SEND:
    case MACH_MSG_TYPE_MOVE_SEND_ONCE:
        (void)mach_port_deallocate(mach_task_self_, name);
        break;
    case MACH_MSG_TYPE_MOVE_RECEIVE:
        (void)mach_port_mod_refs(mach_task_self_, name, MACH_PORT_RIGHT_RECEIVE, -1);
        break;
    case MACH_MSG_TYPE_MAKE_SEND:
    case MACH_MSG_TYPE_MAKE_SEND_ONCE:
        ipc_task_lock();
        if (ipc_right_copyin(name, disposition, false, &made) == KERN_SUCCESS)
            ipc_right_clean(&made);
        ipc_task_unlock();
        break;
    default:
        break;
    }
}

static void destroy_ool_ports(const uint8_t *at)
{
    mach_msg_ool_ports_descriptor_t ports;
    memcpy(&ports, at, sizeof ports);
    const mach_port_t *names = ports.address;
    for (mach_msg_size_t i = 0; i < ports.count; i++)
        destroy_right(names[i], ports.disposition);
    if (ports.deallocate)
        (void)vm_deallocate(mach_task_self_, (vm_address_t)(uintptr_t)ports.address,
                            ports.count * sizeof *names);
}

static void destroy_guarded(const uint8_t *at)
{
    mach_msg_guarded_port_descriptor_t port;
    memcpy(&port, at, sizeof port);
    if (mach_port_unguard(mach_task_self_, port.name, port.context) == KERN_SUCCESS)
        destroy_right(port.name, port.disposition);
}

/* One descriptor of a message that is destroyed; returns its size. */
static size_t destroy_descriptor(const uint8_t *at)
{
    mach_msg_type_descriptor_t type;
    mach_msg_port_descriptor_t port;
    mach_msg_ool_descriptor_t ool;
    memcpy(&type, at, sizeof type);
    switch (type.type) {
    case MACH_MSG_PORT_DESCRIPTOR:
        memcpy(&port, at, sizeof port);
        destroy_right(port.name, port.disposition);
        return sizeof port;
    case MACH_MSG_OOL_PORTS_DESCRIPTOR:
        destroy_ool_ports(at);
        break;
    case MACH_MSG_GUARDED_PORT_DESCRIPTOR:
        destroy_guarded(at);
        break;
    case MACH_MSG_OOL_DESCRIPTOR: /* volatile memory stays (S64) */
        memcpy(&ool, at, sizeof ool);
        if (ool.deallocate)
            (void)vm_deallocate(mach_task_self_, (vm_address_t)(uintptr_t)ool.address, ool.size);
        break;
    default:
        break;
    }
    return sizeof ool; /* all but the first kind are of one size */
}

void mach_msg_destroy(mach_msg_header_t *msg)
{
    destroy_right(msg->msgh_remote_port, MACH_MSGH_BITS_REMOTE(msg->msgh_bits));
    if (!(msg->msgh_bits & MACH_MSGH_BITS_COMPLEX))
        return;
    mach_msg_body_t body;
    memcpy(&body, msg + 1, sizeof body);
    const uint8_t *at = (const uint8_t *)msg + sizeof(mach_msg_base_t);
    for (uint32_t i = 0; i < body.msgh_descriptor_count; i++)
        at += destroy_descriptor(at);
}
