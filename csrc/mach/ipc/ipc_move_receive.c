/* See ipc_move.h: the new owner's side. */
#include "ipc/ipc_door.h"
#include "ipc/ipc_incoming.h"
#include "ipc/ipc_kmsg.h"
#include "ipc/ipc_move.h"
#include "ipc/ipc_mqueue.h"
#include "ipc/ipc_peer.h"
#include "ipc/ipc_port.h"
#include "ipc/ipc_right.h"
#include "ipc/ipc_task.h"
#include "ipc/ipc_transit.h"
#include "wire/wire_channel.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FDS_MAX 65536u

struct packet {
    struct wire_packet head;
    struct wire_message_view view;
    struct ipc_kmsg *kmsg; /* room for it */
};

struct arrival {
    struct wire_channel *channel;
    struct wire_move head;
    const struct wire_moving *ports;
    struct packet *packets;
    int *fds;
    unsigned fd_count;
};

static void deinit(struct arrival *arrival)
{
    for (uint32_t i = 0; arrival->packets && i < arrival->head.packets; i++)
        ipc_kmsg_clean(arrival->packets[i].kmsg);
    for (unsigned i = 0; arrival->fds && i < arrival->fd_count; i++) {
        if (arrival->fds[i] >= 0)
            os_fd_close_all(&arrival->fds[i], 1);
    }
    free(arrival->packets);
    free(arrival->fds);
}

/* Checks the whole object, and makes room for all that it brings. 0, -EBADMSG or -EMFILE. */
static int parse(struct arrival *arrival, const uint8_t *bytes, size_t size, uint32_t fds)
{
    const uint8_t *at;
    uint64_t needed = 1; /* the object itself */
    int r = wire_move_read(bytes, size, &arrival->head, &arrival->ports, &at);
    if (r < 0)
        return r;
    arrival->packets = calloc(arrival->head.packets, sizeof *arrival->packets);
    if (!arrival->packets)
        return -EMFILE;
    for (uint32_t i = 0; i < arrival->head.packets; i++) {
        struct packet *packet = &arrival->packets[i];
        bool last = i + 1 == arrival->head.packets;
        r = wire_packet_read(&at, bytes + size, &packet->head, &packet->view);
        if (r < 0 || last != (packet->head.role == WIRE_ROLE_MESSAGE))
            return -EBADMSG;
        needed += packet->view.head.fds;
        packet->kmsg = ipc_incoming_make_room(&packet->view, NULL);
        if (!packet->kmsg)
            return -EMFILE;
    }
    return needed == fds ? 0 : -EBADMSG;
}

/* Whether the ids can be ports of ours from now on: none is yet. */
static bool acceptable(const struct arrival *arrival)
{
    for (uint32_t i = 0; i < arrival->head.ports; i++) {
        const struct wire_moving *moving = &arrival->ports[i];
        const struct ipc_port *port = ipc_port_find(moving->id);
        bool once = !util_id_is_none(moving->target);
        if (port && (port->place != IPC_REMOTE || (port->kind == IPC_ONCE) != once))
            return false;
    }
    return true;
}

/* The port, counted for the old owner, who keeps a right while others may hold theirs by it. */
static int take_port(const struct arrival *arrival, const struct wire_moving *moving)
{
    struct ipc_peer *from = arrival->channel->peer;
    struct ipc_port *target = NULL;
    if (!util_id_is_none(moving->target)) {
        target = ipc_port_find(moving->target);
        if (!target || !target->arriving)
            return -EBADMSG;
    }
    struct ipc_port *port = ipc_port_arrive(moving->id, target, moving->limit);
    if (!port)
        return -ENOMEM;
    (void)ipc_grants_add_mover(&port->grants, from, moving->senders != 0);
    ipc_door_resolve(port);
    return 0;
}

/* Who sent a queued message, as the old owner says, if that is no more than it could say itself. */
static struct ipc_sender sender_of(const struct arrival *arrival, const struct wire_packet *head)
{
    const struct ucred *from = &arrival->channel->peer->credentials;
    if (from->uid != 0 && head->uid != from->uid)
        return (struct ipc_sender){.pid = from->pid, .uid = from->uid, .gid = from->gid};
    return (struct ipc_sender){.pid = head->pid, .uid = head->uid, .gid = head->gid};
}

static void file_queued(const struct arrival *arrival, const struct wire_packet *head,
                        struct ipc_port *port, struct ipc_kmsg *take_kmsg)
{
    bool once = head->local_type == MACH_MSG_TYPE_PORT_SEND_ONCE;
    take_kmsg->sender = sender_of(arrival, head);
    take_kmsg->kernel = head->kernel && once && ipc_transit_trusts(arrival->channel->peer);
    take_kmsg->local_type = once ? MACH_MSG_TYPE_PORT_SEND_ONCE : MACH_MSG_TYPE_PORT_SEND;
    if (!once)
        take_kmsg->destination = (struct ipc_carried){.port = ipc_port_carry(port),
                                                      .type = MACH_MSG_TYPE_PORT_SEND};
    ipc_mqueue_file(port, take_kmsg);
}

/* The two rights that notifications will go by. */
static void take_requests(struct ipc_port *port, struct ipc_kmsg *take_kmsg)
{
    struct ipc_port **const places[2] = {&port->no_senders, &port->destroyed};
    for (uint32_t i = 0; i < 2 && i < take_kmsg->descriptor_count; i++) {
        struct ipc_kmsg_descriptor *d = &take_kmsg->descriptors[i];
        if (d->type != MACH_MSG_PORT_DESCRIPTOR || !d->right.port || *places[i] ||
            d->right.type != MACH_MSG_TYPE_PORT_SEND_ONCE)
            continue;
        *places[i] = d->right.port;
        d->right = (struct ipc_carried){0};
    }
    ipc_kmsg_clean(take_kmsg);
}

/* Whether the message that brings the port may come in, as ipc_transit_check_credit says. */
static int check_credits(const struct arrival *arrival)
{
    int r = 0;
    for (uint32_t i = 0; r == 0 && i < arrival->head.packets; i++) {
        if (arrival->packets[i].head.role == WIRE_ROLE_MESSAGE)
            r = ipc_transit_check_credit(arrival->channel, &arrival->packets[i].view.head);
    }
    return r;
}

/* One packet, decoded, goes where it belongs. 0 or -EBADMSG. */
static int place(const struct arrival *arrival, struct packet *packet)
{
    struct ipc_kmsg *kmsg = packet->kmsg;
    struct ipc_port *port = ipc_port_find(packet->view.head.destination);
    packet->kmsg = NULL;
    int r = packet->head.role == WIRE_ROLE_MESSAGE
                ? ipc_transit_check_credit(arrival->channel, &packet->view.head)
                : 0;
    if (r < 0)
        ipc_kmsg_clean(kmsg);
    else if (packet->head.role == WIRE_ROLE_MESSAGE)
        ipc_transit_file(arrival->channel, &packet->view, kmsg);
    else if (!port || port->place != IPC_OWN || port->kind != IPC_PORT || !port->transit)
        ipc_kmsg_clean(kmsg); /* the peer speaks of another port than those it brings */
    else if (packet->head.role == WIRE_ROLE_QUEUED)
        file_queued(arrival, &packet->head, port, kmsg);
    else
        take_requests(port, kmsg);
    return r;
}

/* Everything is at hand: from here on only a lie can fail. */
static int settle_in(struct arrival *arrival)
{
    struct ipc_incoming in = {.peer = arrival->channel->peer, .fds = arrival->fds, .next_fd = 1};
    int r = acceptable(arrival) ? 0 : -EBADMSG;
    uint32_t taken = 0;
    for (; r == 0 && taken < arrival->head.ports; taken++)
        r = take_port(arrival, &arrival->ports[taken]);
    for (uint32_t i = 0; r == 0 && i < arrival->head.packets; i++) {
        r = ipc_incoming_decode(&in, &arrival->packets[i].view, arrival->packets[i].kmsg);
        if (r == 0)
            r = place(arrival, &arrival->packets[i]);
    }
    ipc_incoming_deinit(&in);
    for (uint32_t i = 0; i < taken; i++) { /* a port whose right came with no message */
        struct ipc_port *port = ipc_port_find(arrival->ports[i].id);
        if (port && port->arriving && port->kind == IPC_PORT)
            ipc_port_destroy(port);
        else if (port && port->place == IPC_OWN)
            ipc_transit_resolve(port);
    }
    return r < 0 ? -EBADMSG : 0;
}

/* A message to a port that has moved on brings its ports all the same, and follows it. */
static int take(struct arrival *arrival, const struct wire_spill *spill)
{
    int r = check_credits(arrival);
    if (r < 0)
        return r;
    arrival->fds = calloc(spill->fds, sizeof *arrival->fds);
    if (!arrival->fds)
        return -EMFILE;
    r = wire_channel_take_fds(arrival->channel, spill->token, spill->fds, arrival->fds,
                              ipc_peer_welcome);
    if (r < 0)
        return r == -EMFILE ? r : -EBADMSG;
    arrival->fd_count = spill->fds;
    return settle_in(arrival);
}

/* Whether the move is made. One that its sender has not decided is refused: a cut may have begun
 * since it looked for one, and it may have been stopped. */
static bool is_made(struct wire_channel *channel)
{
    uint16_t kind;
    const void *entry;
    size_t size;
    bool there = lane_peek(&channel->lane.in, &kind, &entry, &size) > 0 && kind == WIRE_MOVE &&
                 size >= sizeof(struct wire_spill);
    return there && !wire_decide((void *)(uintptr_t)entry, WIRE_REFUSED_MOVE);
}

/* A move that is not made: nothing of it has been counted. */
static int discard(struct wire_channel *channel, const struct wire_spill *spill)
{
    int *fds = calloc(spill->fds, sizeof *fds);
    int r = fds ? wire_channel_take_fds(channel, spill->token, spill->fds, fds, ipc_peer_welcome)
                : -EMFILE;
    if (r == 0)
        os_fd_close_all(fds, spill->fds);
    free(fds);
    return r == -ENOENT ? 0 : r;
}

int ipc_move_receive(struct wire_channel *channel, const void *payload, size_t size)
{
    struct arrival arrival = {.channel = channel};
    struct wire_spill spill;
    uint8_t *bytes;
    int r = wire_spill_read(payload, size, &spill);
    if (r == 0 && spill.fds > FDS_MAX)
        r = -EBADMSG;
    if (r == 0 && !is_made(channel))
        return discard(channel, &spill);
    if (r == 0)
        r = ipc_transit_read_spill(channel, &spill, &bytes);
    if (r < 0)
        return r;
    r = parse(&arrival, bytes, (size_t)spill.size, spill.fds);
    if (r == 0)
        r = take(&arrival, &spill);
    deinit(&arrival);
    free(bytes);
    return r;
}
