/* The way out of ipc_transit.h: a message becomes an entry of its destination's channel. */
#include "ipc/ipc_kmsg.h"
#include "ipc/ipc_move.h"
#include "ipc/ipc_mqueue.h"
#include "ipc/ipc_outgoing.h"
#include "ipc/ipc_peer.h"
#include "ipc/ipc_port.h"
#include "ipc/ipc_task.h"
#include "ipc/ipc_transit.h"
#include "wire/wire_channel.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>

#define POST_HOPS 64 /* attempts at a port that goes on moving */

int ipc_transit_take_credit(struct wire_channel *channel, struct ipc_port *port,
                            uint32_t *ret_credit)
{
    *ret_credit = LANE_NO_CREDIT;
    if (port->kind == IPC_ONCE)
        return 0; /* S145 */
    if (port->slot_channel != channel) {
        uint32_t slot;
        int r = wire_channel_slot_take(channel, &slot);
        if (r < 0)
            return r;
        if (port->slot_channel)
            wire_channel_slot_give(port->slot_channel, port->slot);
        wire_channel_unref(port->slot_channel);
        port->slot_channel = wire_channel_ref(channel);
        port->slot = slot;
    }
    if (!wire_channel_slot_has_room(channel, port->slot, port->limit))
        return -EAGAIN;
    *ret_credit = port->slot;
    return 0;
}

/* Prepares the message as one entry, or spilled: `*ret_at` is where the entry is, of `*ret_size`
 * bytes. */
static int prepare(struct ipc_outgoing *out, struct ipc_kmsg *kmsg, struct util_id id,
                   uint32_t credit, size_t size, void *at)
{
    bool spilled = size > LANE_ENTRY_MAX;
    uint8_t *bytes = spilled ? malloc(size) : at;
    int r = bytes ? ipc_outgoing_encode(out, kmsg, id, credit, bytes) : -ENOMEM;
    if (r == 0)
        r = ipc_outgoing_introduce(out);
    if (spilled) {
        if (r == 0)
            r = ipc_outgoing_spill(out, bytes, size);
        free(bytes);
    }
    return r;
}

/* Publishes the message as one entry, or spilled. */
static int publish(struct ipc_outgoing *out, struct ipc_kmsg *kmsg, struct ipc_port *destination,
                   uint32_t credit)
{
    size_t size = ipc_outgoing_size(kmsg);
    bool spilled = size > LANE_ENTRY_MAX;
    size_t entry = spilled ? sizeof(struct wire_spill) : size;
    uint64_t token = 0;
    void *at;
    int r = ipc_peer_turn(out->channel);
    if (r == 0)
        r = wire_channel_reserve(out->channel, entry, &at);
    if (r == 0)
        r = prepare(out, kmsg, destination->node.id, credit, size, at);
    if (r == 0 && out->fd_count)
        r = wire_channel_send_fds(out->channel, out->fds, out->fd_count, &token);
    if (r < 0)
        return r;
    if (spilled)
        *(struct wire_spill *)at = (struct wire_spill){
            .token = token, .size = size, .fds = out->fd_count, .credit = credit};
    else
        ((struct wire_message *)at)->token = token;
    if (credit != LANE_NO_CREDIT)
        out->channel->slots.sent[credit]++;
    wire_channel_commit(out->channel, spilled ? WIRE_SPILL : WIRE_MESSAGE, entry);
    ipc_outgoing_lend(out, kmsg);
    if (!ipc_peer_cut(out->channel))
        return 0;
    struct ipc_peer *peer = out->channel->peer;
    r = ipc_move_settle(out->channel, destination, kmsg);
    if (r < 0) /* a peer that has died meanwhile counts for nothing any more */
        ipc_outgoing_take_back(kmsg, ipc_peer_is_known(peer) ? peer : NULL);
    return r;
}

/* After publishing: grants are counted and everything the message held goes. */
static void consume(struct ipc_outgoing *out, struct ipc_kmsg *kmsg, struct ipc_port *destination)
{
    ipc_outgoing_let_go(kmsg);
    if (destination->kind == IPC_ONCE && destination->place == IPC_REMOTE) {
        /* used: nothing is to be given back, the owner spends it */
        (void)ipc_grants_take(&destination->grants, out->channel->peer);
    }
    ipc_kmsg_clean(kmsg);
}

static int errno_for_caller(int r)
{
    if (r == -ECONNRESET) /* the owner ended with something unread */
        return -EPIPE;
    return r == 0 || r == -EAGAIN || r == -EPIPE || r == -ERESTART ? r : -ENOBUFS;
}

int ipc_transit_send(struct ipc_kmsg *kmsg, struct ipc_port *destination)
{
    struct ipc_outgoing out = {.channel = ipc_peer_channel(destination->peer)};
    uint32_t credit;
    if (!out.channel)
        return -EPIPE;
    out.lender = out.channel->lends;
    if (ipc_peer_cut(out.channel))
        return ipc_move_wait(out.channel);
    if (destination->brought)
        return errno_for_caller(ipc_move_fetch(destination));
    if (kmsg->receives)
        return errno_for_caller(ipc_move_send(kmsg, destination));
    int r = ipc_transit_take_credit(out.channel, destination, &credit);
    if (r < 0)
        return errno_for_caller(r);
    wire_channel_ref(out.channel);
    r = ipc_task_listen();
    if (r == 0)
        r = ipc_outgoing_make_room(&out, kmsg);
    if (r == 0)
        r = publish(&out, kmsg, destination, credit);
    if (r == 0) {
        if (!out.channel->closed)
            lane_tell_cpu(&out.channel->lane.out, (uint32_t)sched_getcpu());
        ipc_task.bytes_inline += kmsg->inline_size;
        consume(&out, kmsg, destination);
    }
    ipc_outgoing_deinit(&out);
    wire_channel_unref(out.channel);
    return errno_for_caller(r);
}

void ipc_transit_post(struct ipc_kmsg *take_kmsg)
{
    util_list_append(&ipc_task.posts, &take_kmsg->link);
}

static bool is_waiting(const struct util_link *list, const struct ipc_port *port)
{
    UTIL_LIST_EACH(at, after, list)
    {
        if (UTIL_CONTAINER(at, struct ipc_kmsg, link)->destination.port == port)
            return true;
    }
    return false;
}

bool ipc_transit_waits(const struct ipc_port *port)
{
    return ipc_task.posting == port || is_waiting(&ipc_task.posts, port) ||
           is_waiting(&ipc_task.unsent, port);
}

/* A first attempt to send what was made amid reading. -ERESTART: its port is elsewhere now. */
static int try_post(struct ipc_kmsg *kmsg, struct ipc_port *port)
{
    uint32_t hops = port->hops;
    int r = port->place == IPC_REMOTE ? ipc_transit_send(kmsg, port) : -EPIPE;
    if (r == -EPIPE && port->place == IPC_REMOTE)
        ipc_engine_read_others(); /* the owner's last words may be that the port has moved */
    return r == -EPIPE && port->hops != hops ? -ERESTART : r;
}

/* Its port has come to this task. The queue takes what was accepted before, as it does what comes in a
 * ring: if it stayed behind, the port could move on without it. */
static int post_here(struct ipc_kmsg *kmsg, struct ipc_port *port)
{
    if (port->kind == IPC_PORT && !ipc_kmsg_circular(kmsg, port)) {
        kmsg->local_type = MACH_MSG_TYPE_PORT_SEND;
        ipc_mqueue_file(port, kmsg);
        return 0;
    }
    mach_msg_return_t mr = ipc_mqueue_deliver(kmsg, port);
    return mr == MACH_MSG_SUCCESS ? 0 : mr == MACH_SEND_TIMED_OUT ? -EAGAIN : -ENOBUFS;
}

/* -EAGAIN: there is no room, and whoever makes some will tell; else the message is gone. */
static int post(struct ipc_kmsg *take_kmsg, struct ipc_port *borrow_port)
{
    struct ipc_port *port = ipc_port_ref(borrow_port); /* what is sent may hold the last one */
    bool asked = false;
    int r = -ERESTART;
    for (unsigned i = 0; r == -ERESTART && i < POST_HOPS; i++) {
        r = port->place == IPC_OWN ? post_here(take_kmsg, port) : try_post(take_kmsg, port);
        struct wire_channel *channel = r == -EAGAIN && port->place == IPC_REMOTE && !asked
                                           ? ipc_peer_channel(port->peer)
                                           : NULL;
        if (channel) {
            wire_channel_want_room(channel);
            asked = true; /* room may have come before the wish was seen */
            r = -ERESTART;
        }
    }
    ipc_port_unref(port);
    if (r < 0 && r != -ERESTART && r != -EAGAIN)
        ipc_kmsg_clean(take_kmsg);
    return r == -ERESTART ? -EAGAIN : r;
}

static void file_all(struct util_link *posts, struct ipc_port *port)
{
    UTIL_LIST_EACH(at, after, posts)
    {
        struct ipc_kmsg *kmsg = UTIL_CONTAINER(at, struct ipc_kmsg, link);
        if (kmsg->destination.port != port || port->place != IPC_OWN)
            continue;
        util_list_remove(at);
        if (post_here(kmsg, port) < 0)
            ipc_kmsg_clean(kmsg);
    }
}

void ipc_transit_resolve(struct ipc_port *borrow_port)
{
    struct ipc_port *port = ipc_port_ref(borrow_port);
    if (ipc_task.posting != port) { /* else they stay behind that one */
        file_all(&ipc_task.unsent, port);
        file_all(&ipc_task.posts, port);
    }
    ipc_port_unref(port);
}

void ipc_transit_flush(void)
{
    if (ipc_task.moving || ipc_task.engine.depth || ipc_task.posting)
        return;
    while (!util_list_empty(&ipc_task.posts)) {
        struct ipc_kmsg *kmsg = UTIL_CONTAINER(ipc_task.posts.next, struct ipc_kmsg, link);
        util_list_remove(&kmsg->link);
        ipc_task.posting = ipc_port_ref(kmsg->destination.port);
        /* what came before goes first */
        if (is_waiting(&ipc_task.unsent, ipc_task.posting) ||
            post(kmsg, ipc_task.posting) == -EAGAIN)
            util_list_append(&ipc_task.unsent, &kmsg->link);
        ipc_port_unref(ipc_task.posting);
        ipc_task.posting = NULL;
    }
    while (!util_list_empty(&ipc_task.unsent)) { /* with the next call, or when there is room */
        struct util_link *link = ipc_task.unsent.next;
        util_list_remove(link);
        util_list_append(&ipc_task.posts, link);
    }
}
