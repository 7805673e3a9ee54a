/* The way in of ipc_transit.h: an entry becomes a message, or news about a right. The way out is in
 * ipc_transit_send.c. */
#include "ipc/ipc_transit.h"

#include "ipc/ipc_aside.h"
#include "ipc/ipc_door.h"
#include "ipc/ipc_incoming.h"
#include "ipc/ipc_kmsg.h"
#include "ipc/ipc_move.h"
#include "ipc/ipc_mqueue.h"
#include "ipc/ipc_peer.h"
#include "ipc/ipc_port.h"
#include "ipc/ipc_pset.h"
#include "ipc/ipc_riddle.h"
#include "ipc/ipc_right.h"
#include "ipc/ipc_task.h"
#include "os/os_memfd.h"
#include "wire/wire_channel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FDS_MAX 32800u /* of one message: 16,383 rights (S39), or as many parts with two each */

bool ipc_transit_trusts(const struct ipc_peer *peer)
{
    return peer->credentials.uid == geteuid() || peer->credentials.uid == 0;
}

/* To a port that has moved on: it follows, as a message of this task's. */
static void pass_on(struct ipc_port *port, struct ipc_kmsg *take_kmsg)
{
    take_kmsg->destination = (struct ipc_carried){
        .port = ipc_port_carry(port),
        .type = port->kind == IPC_ONCE ? MACH_MSG_TYPE_PORT_SEND_ONCE : MACH_MSG_TYPE_PORT_SEND};
    ipc_kmsg_return_credit(take_kmsg);
    ipc_transit_post(take_kmsg);
}

void ipc_transit_file(struct wire_channel *channel, const struct wire_message_view *view,
                      struct ipc_kmsg *take_kmsg)
{
    struct ipc_kmsg *kmsg = take_kmsg;
    struct ipc_port *port = ipc_port_find(view->head.destination);
    if (view->head.credit != LANE_NO_CREDIT) {
        kmsg->credit_channel = wire_channel_ref(channel);
        kmsg->credit = view->head.credit;
        wire_channel_hold(channel, kmsg->credit);
    }
    if (port && ((port->place == IPC_REMOTE && port->moved) || ipc_transit_waits(port))) {
        pass_on(port, kmsg); /* or stays behind one that was to be, though the port has come back */
        return;
    }
    if (!port || port->place != IPC_OWN) {
        ipc_kmsg_clean(kmsg);
        return;
    }
    kmsg->local_type = port->kind == IPC_ONCE ? MACH_MSG_TYPE_PORT_SEND_ONCE
                                              : MACH_MSG_TYPE_PORT_SEND;
    struct ipc_port *queue = ipc_port_ref(port->kind == IPC_ONCE ? port->target : port);
    kmsg->kernel = view->head.kernel && port->kind == IPC_ONCE && ipc_transit_trusts(channel->peer);
    if (port->kind == IPC_ONCE)
        ipc_port_spend(port);
    else
        kmsg->destination = (struct ipc_carried){.port = ipc_port_carry(port),
                                                 .type = MACH_MSG_TYPE_PORT_SEND};
    if (queue->starved)
        ipc_pset_starved(queue, queue->starved = false);
    ipc_mqueue_file(queue, kmsg);
    ipc_port_unref(queue);
}

/* The port whose next message cannot be taken in now: its receivers get a code. */
static void mark_starved(const struct wire_message_view *view)
{
    struct ipc_port *port = ipc_port_find(view->head.destination);
    if (port && port->kind == IPC_ONCE)
        port = port->target;
    if (!port || port->place != IPC_OWN || port->starved)
        return;
    port->starved = true;
    ipc_engine_wake_all(&port->receivers);
    ipc_pset_starved(port, true);
}

/* A message whose descriptors are at hand (all `count` of them taken, in every case). */
static int deliver(struct wire_channel *channel, const struct wire_message_view *view,
                   int *take_fds, unsigned count, struct ipc_kmsg *take_kmsg)
{
    struct ipc_incoming in = {.peer = channel->peer, .channel = channel, .fds = take_fds};
    int r = ipc_incoming_decode(&in, view, take_kmsg);
    ipc_incoming_deinit(&in);
    for (unsigned i = 0; i < count; i++) {
        if (take_fds[i] >= 0)
            close(take_fds[i]);
    }
    if (r < 0) {
        ipc_kmsg_clean(take_kmsg);
        return -EBADMSG;
    }
    ipc_transit_file(channel, view, take_kmsg);
    return 0;
}

/* A message that its sender sends again by another way: nothing in it has been counted. */
static int discard(struct wire_channel *channel, const struct wire_message_view *view,
                   uint64_t token, unsigned count)
{
    int *fds = count ? calloc(count, sizeof *fds) : NULL;
    int r = 0;
    if (count)
        r = fds ? wire_channel_take_fds(channel, token, count, fds, ipc_peer_welcome) : -EMFILE;
    if (r == 0 && count)
        os_fd_close_all(fds, count);
    free(fds);
    if (r == -EMFILE)
        return r;
    if (view->head.credit != LANE_NO_CREDIT &&
        lane_credit_return(&channel->lane.in, view->head.credit))
        wire_channel_ring(channel);
    return 0;
}

int ipc_transit_check_credit(struct wire_channel *channel, const struct wire_message *head)
{
    const struct ipc_port *port = ipc_port_find(head->destination);
    if (head->credit == LANE_NO_CREDIT)
        return port && port->place == IPC_OWN && port->kind == IPC_PORT ? -EBADMSG : 0;
    int r = wire_channel_may_hold(channel, head->credit, MACH_PORT_QLIMIT_MAX);
    return r == -ENOMEM ? -EMFILE : r;
}

static bool tombed_right(const struct wire_channel *channel, const struct wire_right *right)
{
    return right->how == WIRE_RIGHT_HOME && ipc_move_tombed(channel, right->id);
}

/* Whether it was said before the peer knew of a move: it is for what moved, or brings a right to that
 * home. The peer sends it again. */
static bool is_tombed(const struct wire_channel *channel, const struct wire_message_view *view)
{
    const uint8_t *ool = view->ool_bytes;
    if (util_list_empty(&channel->peer->tombs))
        return false;
    bool tombed = ipc_move_tombed(channel, view->head.destination) ||
                  tombed_right(channel, &view->head.reply);
    for (uint32_t i = 0; i < view->head.descriptors; i++) {
        const struct wire_descriptor *d = &view->descriptors[i];
        struct wire_right right;
        if (d->how == WIRE_DESCRIPTOR_PORT)
            tombed |= tombed_right(channel, &d->right);
        else if (d->how == WIRE_DESCRIPTOR_BYTES)
            ool += wire_padded(d->size);
        for (uint32_t k = 0; d->how == WIRE_DESCRIPTOR_PORTS && k < d->size; k++) {
            memcpy(&right, ool, sizeof right);
            ool += sizeof right;
            tombed |= tombed_right(channel, &right);
        }
    }
    return tombed;
}

/* Takes the message's descriptors, if any, and delivers it. 0; -EMFILE: again later; -EBADMSG.
 * `first` descriptors that came before its own are closed. */
static int take_message(struct wire_channel *channel, const struct wire_message_view *view,
                        uint64_t token, unsigned first)
{
    unsigned count = first + view->head.fds;
    if (is_tombed(channel, view))
        return discard(channel, view, token, count);
    if (ipc_riddle_is(view->head.destination) && ipc_engine_puzzled(channel))
        return -EAGAIN;
    int r = ipc_transit_check_credit(channel, &view->head);
    if (r < 0)
        return r;
    struct ipc_kmsg *kmsg = ipc_incoming_make_room(view, channel);
    if (kmsg && count == 0)
        return deliver(channel, view, NULL, 0, kmsg);
    int *fds = kmsg ? calloc(count, sizeof *fds) : NULL;
    r = fds ? wire_channel_take_fds(channel, token, count, fds, ipc_peer_welcome) : -EMFILE;
    if (r == 0) {
        os_fd_close_all(fds, first);
        r = deliver(channel, view, fds + first, view->head.fds, kmsg);
    } else {
        ipc_kmsg_clean(kmsg);
        r = r == -EMFILE ? r : -EBADMSG;
    }
    free(fds);
    return r;
}

static int receive_message(struct wire_channel *channel, const void *payload, size_t size)
{
    struct wire_message_view view;
    int r = wire_message_read(payload, size, &view);
    if (r == 0)
        r = take_message(channel, &view, view.head.token, 0);
    if (r == -EMFILE)
        mark_starved(&view);
    return r;
}

/* Reads a spilled message from its sealed object. 0 and its bytes; -EMFILE: no memory for them
 * now; -EBADMSG: it is not what was announced. */
static int read_spill(int borrow_fd, size_t size, uint8_t **ret_bytes)
{
    int seals = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW;
    if (os_memfd_verify(borrow_fd, seals, size) < 0)
        return -EBADMSG;
    uint8_t *bytes = malloc(size);
    int r = bytes ? os_memfd_read(borrow_fd, bytes, size, 0) : -ENOMEM;
    if (r < 0) {
        free(bytes);
        return -EMFILE;
    }
    *ret_bytes = bytes;
    return 0;
}

int ipc_transit_read_spill(struct wire_channel *channel, const struct wire_spill *spill,
                           uint8_t **ret_bytes)
{
    if (spill->fds == 0 || spill->size > UINT32_MAX)
        return -EBADMSG;
    int fd = wire_channel_first_fd(channel, spill->token, spill->fds, ipc_peer_welcome);
    if (fd < 0)
        return fd == -EMFILE ? fd : -EBADMSG;
    return read_spill(fd, (size_t)spill->size, ret_bytes);
}

static int receive_spill(struct wire_channel *channel, const void *payload, size_t size)
{
    struct wire_spill head;
    struct wire_message_view view;
    uint8_t *bytes;
    int r = wire_spill_read(payload, size, &head);
    if (r == 0 && head.fds > FDS_MAX)
        r = -EBADMSG;
    if (r == 0)
        r = ipc_transit_read_spill(channel, &head, &bytes);
    if (r < 0)
        return r;
    r = wire_message_read(bytes, (size_t)head.size, &view);
    if (r == 0 && (view.head.fds != head.fds - 1 || view.head.credit != head.credit))
        r = -EBADMSG;
    if (r == 0)
        r = take_message(channel, &view, head.token, 1);
    free(bytes);
    return r;
}

/* A port of the peer's died. The word may come on one channel before another has been heard to be
 * the same task's: an unanswered look-up, whose answer was sent before this. */
static void receive_dead(struct wire_channel *channel, struct util_id id)
{
    struct ipc_port *port = ipc_port_find(id);
    if (!port || port->place != IPC_REMOTE || port->peer != channel->peer) {
        ipc_peer_meet();
        port = ipc_port_find(id);
    }
    if (!port || port->place != IPC_REMOTE)
        return;
    ipc_grants_take(&port->grants, channel->peer);
    if (port->peer == channel->peer)
        ipc_port_die(port);
}

/* CLAIM, RELEASE, TOMBED, LIMIT and DEAD: counts and news about one port. */
static int receive_count(struct wire_channel *channel, uint16_t kind, const void *payload,
                         size_t size)
{
    struct wire_count entry;
    struct ipc_peer *peer = channel->peer;
    int r = wire_count_read(payload, size, &entry);
    if (r < 0)
        return r;
    if (kind != WIRE_DEAD && ipc_move_tombed(channel, entry.id))
        return 0; /* said before the port was known to have moved; a death is said by its owner */
    struct ipc_port *port = ipc_port_find(entry.id);
    if (kind == WIRE_CLAIM && ipc_riddle_is_right(entry.id) && ipc_engine_puzzled(channel))
        return -EAGAIN;
    bool own = port && port->place == IPC_OWN;
    bool mover = own && ipc_grants_is_mover(&port->grants, peer);
    if (kind == WIRE_LIMIT && !port) { /* as with a death: it is known by another id, so far */
        ipc_peer_meet();
        peer = channel->peer;
        port = ipc_port_find(entry.id);
    }
    bool theirs = port && port->place == IPC_REMOTE && port->peer == peer;
    switch (kind) {
    case WIRE_CLAIM:
        if (!own)
            return ipc_move_late(peer, port, entry.id, (struct util_id){{0, 0}});
        if (ipc_grants_add(&port->grants, peer, 1) < 0)
            return -EMFILE; /* again later */
        break;
    case WIRE_RELEASE:
        if (own)
            (void)ipc_grants_add(&port->grants, peer, -(int64_t)entry.count);
        else
            ipc_aside_given_back(peer, entry.id, entry.count);
        break;
    case WIRE_TOMBED:
        if (own)
            ipc_grants_tombed(&port->grants, peer, entry.count);
        break;
    case WIRE_LIMIT:
        if (theirs) {
            port->limit = (uint32_t)entry.count;
            ipc_engine_wake_all(&channel->waiters);
        }
        break;
    default: /* WIRE_DEAD */
        receive_dead(channel, entry.id);
    }
    if (own) {
        (mover ? ipc_grant_settled : ipc_grant_dropped)(port);
        ipc_peer_maybe_bye(peer);
    }
    return 0;
}

/* The peer goes on after all. Another channel may be the first meanwhile, and remains it: what was
 * published there must not be overtaken. */
static void thaw(struct wire_channel *channel)
{
    channel->frozen = false;
    util_list_remove(&channel->in_peer);
    util_list_append(&channel->peer->channels, &channel->in_peer);
}

int ipc_transit_receive(struct wire_channel *channel, uint16_t kind, const void *payload,
                        size_t size)
{
    if (channel->frozen && kind != WIRE_BYE && kind != WIRE_BYE_OK && kind != WIRE_MOVED)
        thaw(channel);
    switch (kind) {
    case WIRE_MESSAGE:
        return receive_message(channel, payload, size);
    case WIRE_SPILL:
        return receive_spill(channel, payload, size);
    case WIRE_CLAIM:
    case WIRE_RELEASE:
    case WIRE_TOMBED:
    case WIRE_DEAD:
    case WIRE_LIMIT:
        return receive_count(channel, kind, payload, size);
    case WIRE_DOOR:
        return ipc_door_receive(channel, payload, size);
    case WIRE_MOVE:
        return ipc_move_receive(channel, payload, size);
    case WIRE_MOVED:
        return ipc_move_hear(channel, payload, size);
    case WIRE_ACK:
        return ipc_move_acknowledged(channel, payload, size);
    case WIRE_AFTER:
        return ipc_peer_hear_after(channel, payload, size);
    case WIRE_BYE:
    case WIRE_BYE_OK:
        return ipc_peer_hear_bye(channel, kind, payload, size);
    default:
        return -EBADMSG;
    }
}
