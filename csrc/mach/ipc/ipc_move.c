/* See ipc_move.h: the old owner's side. */
#include "ipc/ipc_move.h"

#include "ipc/ipc_door.h"
#include "ipc/ipc_grant.h"
#include "ipc/ipc_holder.h"
#include "ipc/ipc_kmsg.h"
#include "ipc/ipc_outgoing.h"
#include "ipc/ipc_peer.h"
#include "ipc/ipc_port.h"
#include "ipc/ipc_riddle.h"
#include "ipc/ipc_task.h"
#include "ipc/ipc_transit.h"
#include "os/os_clock.h"
#include "wire/wire_channel.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DRAINS_MAX 64 /* until nothing new turns up; each brings at least one more holder */

struct move {
    struct ipc_port **ports; /* first the ports, then their send-once rights; referenced */
    uint32_t port_count, count, size, request_count;
    struct ipc_holders holders;
    uint8_t *bytes; /* the entry's object */
    size_t used, room;
    struct ipc_kmsg **requests; /* one for each port, or NULL: what is asked for about it */
    struct ipc_outgoing out;
};

/* ---- what moves -------------------------------------------------------------------------- */

static int add(struct move *move, struct ipc_port *port)
{
    if (move->count == move->size) {
        uint32_t size = move->size ? move->size * 2 : 16;
        struct ipc_port **ports = realloc(move->ports, size * sizeof(struct ipc_port *));
        if (!ports)
            return -ENOMEM;
        move->ports = ports;
        move->size = size;
    }
    port->moving = true;
    move->ports[move->count++] = ipc_port_ref(port); /* reading may use up a send-once right */
    return 0;
}

/* The ports whose receive rights the message carries. */
static int add_message(struct move *move, const struct ipc_kmsg *kmsg)
{
    int r = 0;
    for (uint32_t i = 0; kmsg->receives && i < kmsg->descriptor_count; i++) {
        const struct ipc_kmsg_descriptor *d = &kmsg->descriptors[i];
        for (uint32_t k = 0; r == 0 && k < d->right_count; k++) {
            if (d->rights[k].port && d->rights[k].type == MACH_MSG_TYPE_PORT_RECEIVE)
                r = add(move, d->rights[k].port);
        }
    }
    return r;
}

static void forget_ports(struct move *move)
{
    for (uint32_t i = 0; i < move->count; i++) {
        move->ports[i]->moving = false;
        ipc_port_unref(move->ports[i]);
    }
    move->count = move->port_count = 0;
}

/* All that goes along: ports in messages in the queues of ports, and send-once rights. */
static int gather(struct move *move, const struct ipc_kmsg *kmsg)
{
    forget_ports(move);
    int r = add_message(move, kmsg);
    for (uint32_t i = 0; r == 0 && i < move->count; i++) {
        UTIL_LIST_EACH(at, after, &move->ports[i]->queue)
        {
            if (r == 0)
                r = add_message(move, UTIL_CONTAINER(at, struct ipc_kmsg, link));
        }
    }
    move->port_count = move->count;
    for (uint32_t i = 0; r == 0 && i < move->port_count; i++) {
        UTIL_LIST_EACH(at, after, &move->ports[i]->nonces)
        {
            if (r == 0)
                r = add(move, UTIL_CONTAINER(at, struct ipc_port, nonces));
        }
    }
    return r;
}

/* ---- the cut ----------------------------------------------------------------------------- */

/* Cuts the rings of all who hold something that moves. True: there was one more. */
static bool cut(struct move *move)
{
    for (uint32_t i = 0; i < move->count; i++) {
        const struct ipc_grants *grants = &move->ports[i]->grants;
        for (uint32_t k = 0; k < grants->used; k++)
            grants->list[k].peer->cut = true;
    }
    return ipc_holders_cut();
}

/* Whether every cut ring has been read to its end. */
static bool drained(void)
{
    UTIL_LIST_EACH(at, after, &ipc_task.channels)
    {
        struct wire_channel *channel = UTIL_CONTAINER(at, struct wire_channel, in_task);
        if (ipc_channel_is_cut(channel) && (channel->stands || lane_ready(&channel->lane.in)))
            return false;
    }
    return true;
}

/* Finds all that moves and all who hold of it, and reads what they said before the cut. 0; -ENOMEM;
 * -ENOBUFS: something cannot be read now. */
static int make_cut(struct move *move, const struct ipc_kmsg *kmsg)
{
    bool read = false;
    int64_t until = os_clock_now() + 2 * ENGINE_PUZZLE_TIME;
    for (unsigned i = 0; i < DRAINS_MAX || (ipc_riddle_waits(NULL) && os_clock_now() < until);
         i++) {
        int r = gather(move, kmsg);
        if (r < 0)
            return r;
        bool more = ipc_door_hold();
        if (!cut(move) && !more && read && drained())
            return 0;
        ipc_engine_read_all();
        read = true;
    }
    return -ENOBUFS;
}

/* ---- the entry --------------------------------------------------------------------------- */

/* Room for `size` more bytes, 8-byte aligned; NULL: no memory. */
static uint8_t *extend(struct move *move, size_t size)
{
    if (move->room - move->used < size) {
        size_t room = (move->used + size) * 2;
        uint8_t *bytes = realloc(move->bytes, room);
        if (!bytes)
            return NULL;
        move->bytes = bytes;
        move->room = room;
    }
    uint8_t *at = move->bytes + move->used;
    memset(at, 0, size);
    move->used += size;
    return at;
}

static int encode_ports(struct move *move)
{
    struct wire_move head = {.ports = move->count, .packets = 1};
    size_t size = sizeof head + move->count * sizeof(struct wire_moving);
    for (uint32_t i = 0; i < move->port_count; i++)
        head.packets += move->ports[i]->queued + (move->requests[i] != NULL);
    uint8_t *at = extend(move, size);
    if (!at)
        return -ENOMEM;
    memcpy(at, &head, sizeof head);
    at += sizeof head;
    for (uint32_t i = 0; i < move->count; i++) {
        const struct ipc_port *port = move->ports[i];
        struct wire_moving moving = {
            .id = port->node.id, .limit = port->limit, .senders = !ipc_grant_none(port)};
        if (port->kind == IPC_ONCE)
            moving.target = port->target->node.id;
        memcpy(at, &moving, sizeof moving);
        at += sizeof moving;
    }
    return 0;
}

static int encode_packet(struct move *move, struct ipc_kmsg *kmsg, struct util_id destination,
                         enum wire_role role, uint32_t credit)
{
    size_t size = ipc_outgoing_size(kmsg);
    const struct wire_packet packet = {.size = size,
                                       .role = role,
                                       .local_type = kmsg->local_type,
                                       .kernel = kmsg->kernel,
                                       .pid = kmsg->sender.pid,
                                       .uid = kmsg->sender.uid,
                                       .gid = kmsg->sender.gid};
    uint8_t *at = extend(move, sizeof packet + wire_padded(size));
    if (!at)
        return -ENOMEM;
    memcpy(at, &packet, sizeof packet);
    int r = ipc_outgoing_make_room(&move->out, kmsg);
    return r < 0 ? r
                 : ipc_outgoing_encode(&move->out, kmsg, destination, credit, at + sizeof packet);
}

/* What is asked for about a port, as a message that carries the rights; they stay the port's until
 * the move is made. 0 or -ENOMEM. */
static int make_requests(struct move *move)
{
    move->requests = calloc(move->port_count ? move->port_count : 1, sizeof(struct ipc_kmsg *));
    if (!move->requests)
        return -ENOMEM;
    move->request_count = move->port_count;
    for (uint32_t i = 0; i < move->port_count; i++) {
        struct ipc_port *const rights[2] = {move->ports[i]->no_senders, move->ports[i]->destroyed};
        if (!rights[0] && !rights[1])
            continue;
        struct ipc_kmsg *kmsg = ipc_kmsg_new(2, 0);
        if (!kmsg)
            return -ENOMEM;
        move->requests[i] = kmsg;
        kmsg->complex = true;
        for (unsigned k = 0; k < 2; k++) {
            struct ipc_kmsg_descriptor *d = &kmsg->descriptors[k];
            d->type = MACH_MSG_PORT_DESCRIPTOR;
            (void)ipc_kmsg_hold_rights(d, 1);
            d->right = (struct ipc_carried){.port = rights[k],
                                            .type = MACH_MSG_TYPE_PORT_SEND_ONCE};
        }
    }
    return 0;
}

static int encode(struct move *move, struct ipc_kmsg *kmsg, const struct ipc_port *destination,
                  uint32_t credit)
{
    int r = make_requests(move);
    if (r == 0)
        r = encode_ports(move);
    for (uint32_t i = 0; r == 0 && i < move->port_count; i++) {
        struct ipc_port *port = move->ports[i];
        if (move->requests[i])
            r = encode_packet(move, move->requests[i], port->node.id, WIRE_ROLE_REQUESTS,
                              LANE_NO_CREDIT);
        UTIL_LIST_EACH(at, after, &port->queue)
        {
            if (r == 0)
                r = encode_packet(move, UTIL_CONTAINER(at, struct ipc_kmsg, link), port->node.id,
                                  WIRE_ROLE_QUEUED, LANE_NO_CREDIT);
        }
    }
    if (r == 0)
        r = encode_packet(move, kmsg, destination->node.id, WIRE_ROLE_MESSAGE, credit);
    if (r == 0)
        r = ipc_outgoing_introduce(&move->out);
    if (r == 0)
        r = ipc_outgoing_spill(&move->out, move->bytes, move->used);
    return r;
}

static int publish(struct move *move, uint32_t credit)
{
    struct wire_channel *channel = move->out.channel;
    uint64_t token;
    void *at;
    int r = wire_channel_send_fds(channel, move->out.fds, move->out.fd_count, &token);
    if (r == 0)
        r = ipc_peer_turn(channel);
    if (r == 0)
        r = wire_channel_reserve(channel, sizeof(struct wire_spill), &at);
    if (r == 0 && ipc_peer_cut(channel))
        r = -EAGAIN; /* whoever sees another's cut when its own is made gives way */
    if (r < 0)
        return r;
    *(struct wire_spill *)at = (struct wire_spill){
        .token = token, .size = move->used, .fds = move->out.fd_count, .credit = credit};
    if (credit != LANE_NO_CREDIT)
        channel->slots.sent[credit]++;
    bool rings = wire_channel_commit_quietly(channel, WIRE_MOVE, sizeof(struct wire_spill));
    bool cut = ipc_peer_cut(channel); /* it came too late, perhaps */
    if (!wire_decide(at, cut ? WIRE_REFUSED_MOVE : WIRE_MADE))
        r = -ERESTART; /* the reader was quicker */
    else if (cut)
        r = -EAGAIN;
    if (r < 0 && credit != LANE_NO_CREDIT)
        channel->slots.sent[credit]--;
    if (rings)
        wire_channel_ring(channel);
    return r; /* and nothing is read before it is committed: the new owner may be quick */
}

/* ---- afterwards -------------------------------------------------------------------------- */

/* The messages of its queue, and what was asked for, have gone. */
static void empty(struct move *move, uint32_t i)
{
    struct ipc_port *port = move->ports[i];
    while (!util_list_empty(&port->queue)) {
        struct ipc_kmsg *kmsg = UTIL_CONTAINER(port->queue.next, struct ipc_kmsg, link);
        util_list_remove(&kmsg->link);
        port->queued--;
        ipc_outgoing_lend(&move->out, kmsg);
        ipc_outgoing_let_go(kmsg);
        ipc_kmsg_clean(kmsg);
    }
    if (move->requests[i]) {
        ipc_outgoing_lend(&move->out, move->requests[i]);
        ipc_outgoing_let_go(move->requests[i]);
    }
    port->no_senders = port->destroyed = NULL;
}

/* The move is made: what was here is the new owner's, and everybody is told. */
static void commit(struct move *move, struct ipc_peer *owner)
{
    struct util_id task = owner->id;
    ipc_holders_bury(&move->holders);
    for (uint32_t i = 0; i < move->count; i++)
        ipc_port_carry(move->ports[i]); /* until all is told */
    for (uint32_t i = 0; i < move->port_count; i++)
        empty(move, i);
    for (uint32_t i = 0; i < move->port_count; i++)
        ipc_door_follow(move->ports[i], owner);
    ipc_door_gone(task);
    for (uint32_t i = 0; i < move->count; i++)
        ipc_port_become_remote(move->ports[i], owner);
    ipc_holders_tell(&move->holders, task);
    for (uint32_t i = 0; i < move->count; i++) {
        move->ports[i]->moving = false;
        ipc_port_drop(move->ports[i]);
        ipc_port_unref(move->ports[i]);
    }
    move->count = 0;
}

/* Nothing has happened: the rings are whole again. */
static void give_up(struct move *move)
{
    forget_ports(move);
    ipc_door_stay();
    ipc_holders_give_up(&move->holders);
}

static void deinit(struct move *move)
{
    for (uint32_t i = 0; i < move->request_count; i++) {
        if (!move->requests[i])
            continue;
        for (unsigned k = 0; k < 2; k++) /* the ports still have them, or they went */
            move->requests[i]->descriptors[k].right = (struct ipc_carried){0};
        ipc_kmsg_clean(move->requests[i]);
    }
    free(move->requests);
    ipc_holders_deinit(&move->holders);
    free(move->ports);
    free(move->bytes);
    ipc_outgoing_deinit(&move->out);
    wire_channel_unref(move->out.channel);
}

/* Everything up to the publication, which is the last that can fail. */
static int prepare(struct move *move, struct ipc_kmsg *kmsg, struct ipc_port *destination)
{
    uint32_t credit;
    int r = make_cut(move, kmsg);
    if (r == 0 && (destination->place != IPC_REMOTE || move->out.channel->closed ||
                   ipc_peer_channel(destination->peer) != move->out.channel))
        r = -ERESTART; /* it died, or went, while the rings were read */
    if (r == 0)
        r = ipc_transit_take_credit(move->out.channel, destination, &credit);
    if (r == 0)
        r = ipc_task_listen();
    if (r == 0)
        r = ipc_holders_find(&move->holders, move->ports, move->count, NULL);
    if (r == 0)
        r = ipc_holders_introduce(&move->holders, destination->peer);
    if (r == 0)
        r = ipc_door_prepare(destination->peer);
    if (r >= 0)
        r = encode(move, kmsg, destination, credit);
    if (r == 0)
        r = publish(move, credit);
    return r;
}

int ipc_move_send(struct ipc_kmsg *kmsg, struct ipc_port *destination)
{
    struct wire_channel *channel = ipc_peer_channel(destination->peer);
    uint32_t credit;
    int r = ipc_transit_take_credit(channel, destination, &credit);
    if (r < 0)
        return r; /* before anybody is held up by a cut */
    struct move move = {.out.channel = wire_channel_ref(channel)};
    ipc_task.moving = true;
    r = prepare(&move, kmsg, destination);
    if (r == 0)
        commit(&move, channel->peer);
    else
        give_up(&move);
    ipc_task.moving = false;
    if (r == 0) {
        ipc_task.bytes_inline += kmsg->inline_size;
        ipc_outgoing_lend(&move.out, kmsg);
        ipc_outgoing_let_go(kmsg);
        if (destination->kind == IPC_ONCE && destination->place == IPC_REMOTE)
            (void)ipc_grants_take(&destination->grants, channel->peer); /* used */
        ipc_kmsg_clean(kmsg);
    }
    deinit(&move);
    return r;
}
