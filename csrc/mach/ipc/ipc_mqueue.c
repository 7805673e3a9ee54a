/* See ipc_mqueue.h. */
#include "ipc/ipc_mqueue.h"

#include "ipc/ipc_engine.h"
#include "ipc/ipc_kmsg.h"
#include "ipc/ipc_peer.h"
#include "ipc/ipc_port.h"
#include "ipc/ipc_pset.h"
#include "ipc/ipc_request.h"
#include "ipc/ipc_right.h"
#include "ipc/ipc_space.h"
#include "ipc/ipc_task.h"
#include "ipc/ipc_transit.h"
#include "os/os_clock.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

static void signal_event(int fd)
{
    uint64_t one = 1;
    ssize_t r = write(fd, &one, sizeof one);
    (void)r; /* full means signalled already */
}

static void clear_event(int fd)
{
    uint64_t count;
    ssize_t r = read(fd, &count, sizeof count);
    (void)r; /* empty is what was wanted */
}

void ipc_mqueue_file(struct ipc_port *port, struct ipc_kmsg *take_kmsg)
{
    if (port->place != IPC_OWN || port->task) {
        ipc_kmsg_clean(take_kmsg);
        return;
    }
    util_list_append(&port->queue, &take_kmsg->link);
    ipc_kmsg_set_carrier(take_kmsg, port);
    ipc_mqueue_count(port, 1);
    ipc_pset_filed(port);
    ipc_mqueue_pass_on(port);
}

void ipc_mqueue_count(struct ipc_port *port, int32_t by)
{
    uint32_t before = port->queued;
    port->queued += (uint32_t)by;
    if (port->event_fd < 0 || (before == 0) == (port->queued == 0))
        return;
    if (port->queued)
        signal_event(port->event_fd);
    else
        clear_event(port->event_fd);
}

void ipc_mqueue_pass_on(struct ipc_port *port)
{
    if (util_list_empty(&port->receivers))
        ipc_pset_wake(port);
    else
        ipc_engine_wake_first(&port->receivers);
}

struct ipc_kmsg *ipc_mqueue_peek(const struct ipc_port *port)
{
    struct util_link *first = util_list_first(&port->queue);
    return first ? UTIL_CONTAINER(first, struct ipc_kmsg, link) : NULL;
}

struct ipc_kmsg *ipc_mqueue_at(const struct ipc_port *port, uint32_t number)
{
    if (number >= port->queued)
        return NULL;
    UTIL_LIST_EACH(at, after, &port->queue)
    {
        if (number-- == 0)
            return UTIL_CONTAINER(at, struct ipc_kmsg, link);
    }
    return NULL;
}

struct ipc_kmsg *ipc_mqueue_take(struct ipc_port *port)
{
    struct ipc_kmsg *kmsg = ipc_mqueue_peek(port);
    if (!kmsg)
        return NULL;
    util_list_remove(&kmsg->link);
    ipc_kmsg_set_carrier(kmsg, NULL);
    ipc_mqueue_count(port, -1);
    ipc_pset_taken(port);
    kmsg->seqno = port->seqno++;
    ipc_kmsg_return_credit(kmsg);
    ipc_right_clean(&kmsg->destination); /* until now it counted (S134) */
    ipc_task.messages_received++;
    ipc_engine_wake_first(&port->senders);
    ipc_request_room(port);
    return kmsg;
}

void ipc_mqueue_set_limit(struct ipc_port *port, uint32_t limit)
{
    port->limit = limit;
    for (uint32_t i = 0; i < port->grants.used; i++)
        ipc_peer_tell(port->grants.list[i].peer, WIRE_LIMIT, port->node.id, limit);
    ipc_engine_wake_all(&port->senders);
    ipc_request_room(port);
}

void ipc_mqueue_wake_all(struct ipc_port *port)
{
    ipc_engine_wake_all(&port->receivers);
    ipc_engine_wake_all(&port->senders);
    if (port->slot_channel)
        ipc_engine_wake_all(&port->slot_channel->waiters);
    if (port->event_fd >= 0)
        signal_event(port->event_fd);
}

/* One sleep of a thread in some list. MACH_MSG_SUCCESS: look again. */
static mach_msg_return_t sleep_in(struct util_link *list, int64_t deadline,
                                  mach_msg_return_t timed_out, mach_msg_return_t interrupted)
{
    if (deadline != OS_CLOCK_NEVER && os_clock_now() >= deadline)
        return timed_out;
    struct ipc_waiter waiter = {.event_fd = -1};
    util_list_init(&waiter.follow);
    util_list_append(list, &waiter.link);
    int r = ipc_engine_wait(&waiter, deadline);
    if (r == -EINTR)
        return interrupted;
    return MACH_MSG_SUCCESS; /* a deadline that passed is seen above, after one more look */
}

mach_msg_return_t ipc_mqueue_deliver(struct ipc_kmsg *kmsg, struct ipc_port *port)
{
    bool once = port->kind == IPC_ONCE;
    struct ipc_port *queue = once ? port->target : port;
    if (!once && port->queued >= port->limit)
        return MACH_SEND_TIMED_OUT;
    if (queue->queued >= IPC_MQUEUE_MAX)
        return MACH_SEND_NO_BUFFER;       /* S145 */
    if (ipc_kmsg_circular(kmsg, queue)) { /* S124 */
        ipc_kmsg_clean(kmsg);
        return MACH_MSG_SUCCESS;
    }
    kmsg->sender = (struct ipc_sender){.pid = getpid(), .uid = geteuid(), .gid = getegid()};
    kmsg->local_type = once ? MACH_MSG_TYPE_PORT_SEND_ONCE : MACH_MSG_TYPE_PORT_SEND;
    ipc_port_ref(queue);
    if (once) {
        ipc_port_spend(port);
        ipc_right_clean(&kmsg->destination);
    }
    ipc_mqueue_file(queue, kmsg);
    ipc_port_unref(queue);
    return MACH_MSG_SUCCESS;
}

void ipc_mqueue_check(mach_port_name_t name)
{
    struct ipc_entry *entry = ipc_space_find(name);
    if (!entry || !entry->port || entry->port->place != IPC_REMOTE)
        return;
    struct ipc_peer *peer = entry->port->peer;
    struct wire_channel *channel = ipc_peer_channel(peer);
    if (util_id_is_none(peer->id) || (channel && wire_channel_gone(channel)))
        ipc_engine_poll(); /* sees the end, or who it is, and turns the port dead */
    else if (channel)
        ipc_engine_look(channel);
}

/* Of another task's port, to which there is one channel, all is known that matters once that has been
 * looked at. */
void ipc_mqueue_catch_up(mach_port_name_t name)
{
    struct ipc_entry *entry = ipc_space_find(name);
    struct ipc_port *port = entry && !entry->request ? entry->port : NULL;
    if (!port || port->place != IPC_REMOTE ||
        port->peer->channels.next->next != &port->peer->channels) {
        ipc_engine_catch_up();
        return;
    }
    ipc_mqueue_check(name);
    ipc_engine_leave();
}

static mach_msg_return_t code_of(int r)
{
    return r == 0 ? MACH_MSG_SUCCESS : r == -EAGAIN ? MACH_SEND_TIMED_OUT : MACH_SEND_NO_BUFFER;
}

/* What is sent to a port that died would wait in the ring until its former owner calls again: so
 * what the owner said last is read first. Room that the death made comes after that word. */
static mach_msg_return_t send_now(struct ipc_kmsg *kmsg, struct ipc_port *port)
{
    int r = -ERESTART; /* again whenever the port has moved to another task */
    while (r == -ERESTART && port->place == IPC_REMOTE) {
        struct wire_channel *channel = ipc_peer_channel(port->peer);
        if (channel)
            ipc_engine_look(channel);
        uint32_t hops = port->hops;
        if (port->place == IPC_REMOTE)
            r = ipc_transit_send(kmsg, port);
        if (r == -EPIPE) {
            ipc_engine_poll(); /* its last words may be that the port has moved */
            r = port->hops == hops ? r : -ERESTART;
        }
    }
    if (r == -ERESTART && port->place == IPC_OWN)
        return ipc_mqueue_deliver(kmsg, port);
    if (r == -ERESTART || r == -EPIPE) { /* dead */
        ipc_kmsg_clean(kmsg);
        return MACH_MSG_SUCCESS;
    }
    return code_of(r);
}

/* Where a sender to that port waits for room; NULL: nowhere, it has died or its owner has. */
static struct util_link *room_list(struct ipc_port *port)
{
    if (port->place == IPC_OWN)
        return &port->senders;
    struct wire_channel *channel = port->place == IPC_REMOTE ? ipc_peer_channel(port->peer) : NULL;
    return channel ? &channel->waiters : NULL;
}

mach_msg_return_t ipc_mqueue_send(struct ipc_kmsg *kmsg, int64_t milliseconds)
{
    /* the clock is asked by who has to wait, and few have to */
    int64_t deadline = OS_CLOCK_NEVER;
    if (!kmsg->destination.port) { /* a send-once right that had died unnoticed (S117) */
        ipc_kmsg_clean(kmsg);
        return MACH_MSG_SUCCESS;
    }
    struct ipc_port *port = ipc_port_ref(kmsg->destination.port);
    mach_msg_return_t mr = send_now(kmsg, port);
    if (mr == MACH_SEND_TIMED_OUT && milliseconds >= 0)
        deadline = os_clock_after((mach_msg_timeout_t)milliseconds);
    while (mr == MACH_SEND_TIMED_OUT) {
        struct wire_channel *channel = port->place == IPC_REMOTE ? ipc_peer_channel(port->peer)
                                                                 : NULL;
        if (channel) {
            wire_channel_want_room(channel);
            mr = send_now(kmsg, port); /* room may have come before the wish was seen */
            if (mr != MACH_SEND_TIMED_OUT)
                break;
        }
        struct util_link *list = room_list(port);
        if (!list) { /* while rings were read, for a cut to end */
            mr = send_now(kmsg, port);
            continue;
        }
        mach_msg_return_t slept = sleep_in(list, deadline, MACH_SEND_TIMED_OUT,
                                           MACH_SEND_INTERRUPTED);
        if (slept == MACH_SEND_TIMED_OUT) {
            mr = slept;
            break;
        }
        mr = send_now(kmsg, port);
        if (mr == MACH_SEND_TIMED_OUT && slept != MACH_MSG_SUCCESS)
            mr = slept;
    }
    if (mr == MACH_MSG_SUCCESS)
        ipc_task.messages_sent++;
    ipc_port_unref(port);
    return mr;
}

mach_msg_return_t ipc_mqueue_wait(struct ipc_port *port, int64_t deadline)
{
    mach_msg_return_t mr = MACH_MSG_SUCCESS;
    uint32_t moves = port->moves;
    ipc_port_ref(port);
    while (mr == MACH_MSG_SUCCESS) {
        if (port->place != IPC_OWN || port->moves != moves)
            mr = MACH_RCV_PORT_CHANGED;
        else if (port->queued)
            break;
        else if (port->starved)
            mr = MACH_RCV_BODY_ERROR | MACH_MSG_IPC_KERNEL;
        else
            mr = sleep_in(&port->receivers, deadline, MACH_RCV_TIMED_OUT, MACH_RCV_INTERRUPTED);
    }
    ipc_port_unref(port);
    return mr;
}

int ipc_mqueue_poll_fd(struct ipc_port *port)
{
    if (port->poll_fd >= 0)
        return port->poll_fd;
    int r = ipc_engine_expose();
    if (r < 0)
        return r;
    int event_fd = eventfd(port->queued ? 1 : 0, EFD_CLOEXEC | EFD_NONBLOCK);
    int poll_fd = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event on = {.events = EPOLLIN};
    if (event_fd < 0 || poll_fd < 0 || epoll_ctl(poll_fd, EPOLL_CTL_ADD, event_fd, &on) < 0 ||
        epoll_ctl(poll_fd, EPOLL_CTL_ADD, ipc_task.engine.epoll_fd, &on) < 0) {
        r = -errno;
        if (event_fd >= 0)
            close(event_fd);
        if (poll_fd >= 0)
            close(poll_fd);
        return r;
    }
    port->event_fd = event_fd;
    port->poll_fd = poll_fd;
    return poll_fd;
}
