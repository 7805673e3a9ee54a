/* See ipc_move.h: the side of those who hold rights to a port that moves. */
#include "ipc/ipc_aside.h"
#include "ipc/ipc_engine.h"
#include "ipc/ipc_move.h"
#include "ipc/ipc_outgoing.h"
#include "ipc/ipc_peer.h"
#include "ipc/ipc_port.h"
#include "ipc/ipc_riddle.h"
#include "ipc/ipc_task.h"
#include "ipc/ipc_tomb.h"
#include "ipc/ipc_way.h"
#include "os/os_clock.h"
#include "wire/wire_channel.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>

#define PATIENT_LOOKS                                                                              \
    200 /* at a cut that lasts, before sleeping between them: it takes microseconds */

bool ipc_move_tombed(const struct wire_channel *channel, struct util_id id)
{
    return !util_list_empty(&channel->peer->tombs) && ipc_tomb_has(channel->peer, id);
}

int ipc_move_acknowledged(struct wire_channel *channel, const void *payload, size_t size)
{
    struct wire_number ack;
    int r = wire_number_read(payload, size, &ack);
    if (r < 0)
        return r;
    ipc_tomb_lift(channel->peer, ack.number);
    if (!channel->closed)
        ipc_peer_maybe_bye(channel->peer);
    return 0;
}

/* ---- a cut is seen ----------------------------------------------------------------------- */

/* Another channel of the same peer that this sweep has not seen. */
static struct wire_channel *another(const struct wire_channel *channel, uint64_t sweep)
{
    UTIL_LIST_EACH(at, after, &channel->peer->channels)
    {
        struct wire_channel *other = UTIL_CONTAINER(at, struct wire_channel, in_peer);
        if (other != channel && other->seen != sweep)
            return other;
    }
    return NULL;
}

/* Reads what the channel's peer says, on all its channels: MOVED may be on another one. And all others,
 * if these explain what it says. Reading may close any of them. */
static void look(struct wire_channel *channel)
{
    if (!channel->closed && ipc_riddle_waits(channel->peer))
        ipc_engine_read_all();
    uint64_t sweep = ++ipc_task.engine.sweep;
    struct wire_channel *other;
    while (!channel->closed && (other = another(channel, sweep))) {
        other->seen = sweep;
        ipc_engine_look(other);
    }
    if (!channel->closed)
        ipc_engine_look(channel);
}

int ipc_move_wait(struct wire_channel *channel)
{
    wire_channel_ref(channel);
    for (unsigned i = 0; i < PATIENT_LOOKS && ipc_peer_cut(channel); i++) {
        look(channel);
        if (ipc_peer_cut(channel))
            sched_yield();
    }
    int r = ipc_peer_cut(channel) ? -EAGAIN : -ERESTART;
    wire_channel_unref(channel);
    return r;
}

int ipc_move_settle(struct wire_channel *channel, const struct ipc_port *destination,
                    const struct ipc_kmsg *kmsg)
{
    channel->unsettled = channel->published;
    channel->unsettled_for = destination;
    channel->unsettled_kmsg = kmsg;
    channel->missed = false;
    channel->missed_by = 0;
    wire_channel_ref(channel);
    for (unsigned i = 0; ipc_peer_cut(channel) && !channel->broken && !channel->ended; i++) {
        look(channel);
        if (channel->closed || !ipc_peer_cut(channel))
            break;
        wire_channel_read_socket(channel, true, ipc_peer_welcome); /* sees its end */
        if (i < PATIENT_LOOKS)
            sched_yield();
        else
            (void)poll(NULL, 0, 1); /* the peer was stopped amid the few instructions of a cut */
    }
    channel->unsettled = 0;
    int r = channel->missed ? -ERESTART : 0;
    wire_channel_unref(channel);
    return r;
}

int ipc_move_fetch(const struct ipc_port *port)
{
    int64_t until = os_clock_now() + 2 * ENGINE_PUZZLE_TIME;
    for (unsigned i = 0; port->brought && (i < 2 * ENGINE_PUZZLE_PASSES || os_clock_now() < until);
         i++)
        ipc_engine_read_all();
    return port->brought ? -EMFILE : -ERESTART; /* what is not read by now is short of something */
}

void ipc_move_catch_up(void)
{
    struct wire_channel *channel = NULL;
    if (ipc_task.moving || ipc_task.engine.depth)
        return;
    ipc_task.behind = false;
    do { /* reading may close channels: begin anew after each */
        channel = NULL;
        UTIL_LIST_EACH(at, after, &ipc_task.channels)
        {
            struct wire_channel *other = UTIL_CONTAINER(at, struct wire_channel, in_task);
            if (!channel && ipc_peer_cut(other))
                channel = other;
        }
    } while (channel && ipc_move_wait(channel) == -ERESTART);
    ipc_aside_answer();
}

/* ---- MOVED ------------------------------------------------------------------------------- */

/* A right of this task's leads to another owner from now on; `to` counts it already. */
static void reroute(struct ipc_port *port, struct ipc_peer *from, struct ipc_peer *to)
{
    (void)ipc_grants_take(&port->grants, from);
    if (port->slot_channel)
        wire_channel_slot_give(port->slot_channel, port->slot);
    wire_channel_unref(port->slot_channel);
    port->slot_channel = NULL;
    from->holds--;
    port->hops++;
    port->peer = to;
    port->brought = false;
    to->holds++;
    if (ipc_grants_add(&port->grants, to, 1) < 0) /* no memory: counted there for ever */
        port->grants.used = 0;
}

/* The port of that id, if this task holds it as the peer's. */
static struct ipc_port *held_of(const struct ipc_peer *from, struct util_id id)
{
    struct ipc_port *port = ipc_port_find(id);
    return port && port->place == IPC_REMOTE && port->peer == from ? port : NULL;
}

/* It leads to another owner already: what the old one counted is counted no more. */
static void forget_debt(const struct ipc_peer *from, struct util_id id)
{
    struct ipc_port *port = ipc_port_find(id);
    if (port && port->place == IPC_REMOTE && port->peer != from)
        (void)ipc_grants_take(&port->grants, from);
}

/* What was passed on to that owner came before what this task will send there. */
static void go_after(struct ipc_peer *to, const struct wire_moved *moved)
{
    const struct wire_after after = {.channel = moved->channel, .entry = moved->entry};
    if (moved->channel && util_id_equal(to->id, moved->task))
        ipc_peer_say(to, WIRE_AFTER, &after, sizeof after);
}

/* Follows the rights that this task holds; gives back the others, which it held when it was said. */
static int follow(struct ipc_peer *from, struct ipc_way *way, const struct util_id *ids,
                  const struct wire_moved *moved)
{
    uint32_t count = moved->count;
    bool *taken = calloc(count ? count : 1, sizeof *taken);
    if (!taken)
        return -EMFILE;
    for (uint32_t i = 0; i < count; i++) {
        struct ipc_port *port = held_of(from, ids[i]);
        struct ipc_peer *to = port ? ipc_way_claim(way, ids[i]) : NULL;
        bool brought = port && !to;
        if (brought)
            to = ipc_way_bringer(way, ids[i]);
        taken[i] = to != NULL;
        if (to)
            reroute(port, from, to);
        else if (port)
            ipc_port_die(port);
        else
            forget_debt(from, ids[i]);
        if (to) {
            port->brought = brought;
            go_after(to, moved);
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        if (!taken[i])
            ipc_way_leave(way, ids[i]);
    }
    free(taken);
    return 0;
}

/* The way to the new owner: it is this task, or behind the end. */
static int open_way(struct wire_channel *channel, const struct wire_moved *moved,
                    struct ipc_way *ret_way)
{
    int end;
    *ret_way = (struct ipc_way){.task = moved->task, .end = -1, .opened = true};
    if (moved->token == 0) /* it is this task, or there is no way */
        return 0;
    int r = wire_channel_take_fds(channel, moved->token, 1, &end, ipc_peer_welcome);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    ipc_way_open(end, moved->task, NULL, ret_way);
    return 0;
}

/* The channel of a peer's on which something was published that may have come after a cut. */
static struct wire_channel *unsettled_of(const struct ipc_peer *peer)
{
    UTIL_LIST_EACH(at, after, &peer->channels)
    {
        struct wire_channel *channel = UTIL_CONTAINER(at, struct wire_channel, in_peer);
        if (channel->unsettled)
            return channel;
    }
    return NULL;
}

/* The entry came after the cut, and was not read by the old owner, if it was for one of these, or with
 * a right to one: the first of its moves decides. On a channel that the old owner did not know then, all
 * is unread. */
static void mark_missed(const struct wire_channel *channel, const struct wire_moved *moved,
                        const struct util_id *ids)
{
    struct wire_channel *late = moved->serial ? unsettled_of(channel->peer) : NULL;
    bool named = false;
    for (uint32_t i = 0; late && !named && i < moved->count; i++)
        named = util_id_equal(ids[i], late->unsettled_for->node.id) ||
                ipc_outgoing_leads_home(late->unsettled_kmsg, ids[i]);
    if (!named || (late->missed_by && late->missed_by < moved->serial))
        return;
    if (channel == late || late->missed_by != moved->serial)
        late->missed = channel != late || late->unsettled > moved->read;
    late->missed_by = moved->serial;
}

/* Another channel tells where they are, and has not been read that far. */
static bool is_ahead(const struct ipc_peer *from, const struct wire_moved *moved,
                     const struct util_id *ids)
{
    bool ahead = false;
    for (uint32_t i = 0; moved->token == WIRE_ELSEWHERE && !ahead && i < moved->count; i++)
        ahead = held_of(from, ids[i]) != NULL;
    return ahead;
}

int ipc_move_hear(struct wire_channel *channel, const void *payload, size_t size)
{
    struct wire_moved moved;
    const struct util_id *ids;
    struct ipc_way way = {.end = -1};
    int r = wire_moved_read(payload, size, &moved, &ids);
    if (r == 0 && is_ahead(channel->peer, &moved, ids) && ipc_engine_puzzled(channel))
        return -EAGAIN; /* until the channel that tells the way has been read */
    bool follows = r == 0 &&
                   moved.token != WIRE_ELSEWHERE; /* of a move given up, an end comes back */
    if (follows)
        r = open_way(channel, &moved, &way);
    if (r < 0)
        return r;
    const struct wire_number ack = {moved.serial};
    if (moved.serial && moved.token != WIRE_ELSEWHERE) { /* before what follows from it */
        if (ipc_peer_channel(channel->peer))
            ipc_peer_say(channel->peer, WIRE_ACK, &ack, sizeof ack);
        else
            (void)wire_channel_publish(channel, WIRE_ACK, &ack, sizeof ack);
    }
    ipc_peer_meet(); /* a port may be known by a look-up's alias still */
    mark_missed(channel, &moved, ids);
    channel->cut_known = moved.cut;
    if (follows)
        r = follow(channel->peer, &way, ids, &moved);
    ipc_way_close(&way);
    if (r < 0)
        return r;
    ipc_engine_wake_all(&channel->waiters);
    ipc_peer_maybe_bye(channel->peer);
    return 0;
}

/* ---- rights that come too late ----------------------------------------------------------- */

int ipc_move_late(struct ipc_peer *peer, struct ipc_port *port, struct util_id id,
                  struct util_id alias)
{
    if (port && port->place == IPC_REMOTE && port->moved)
        return ipc_aside_add(peer, port, alias);
    ipc_peer_tell_dead(peer, id);
    ipc_peer_tell_dead(peer, alias);
    return 0;
}
