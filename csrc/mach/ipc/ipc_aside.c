/* See ipc_aside.h. */
#include "ipc/ipc_aside.h"

#include "ipc/ipc_engine.h"
#include "ipc/ipc_grant.h"
#include "ipc/ipc_holder.h"
#include "ipc/ipc_peer.h"
#include "ipc/ipc_port.h"
#include "ipc/ipc_task.h"
#include "ipc/ipc_transit.h"
#include "wire/wire_channel.h"

#include <errno.h>
#include <stdlib.h>

struct ipc_aside {
    struct util_link link; /* in the peer's list, oldest first */
    struct ipc_port *port; /* carried */
    struct util_id alias;  /* the peer's own name for it; none */
    uint64_t round;        /* of answering, that saw it last */
};

static struct ipc_aside *aside_at(struct util_link *at)
{
    return UTIL_CONTAINER(at, struct ipc_aside, link);
}

int ipc_aside_add(struct ipc_peer *peer, struct ipc_port *port, struct util_id alias)
{
    struct ipc_aside *aside = calloc(1, sizeof *aside);
    if (!aside)
        return -EMFILE;
    aside->port = ipc_port_carry(port);
    aside->alias = alias;
    util_list_append(&peer->asides, &aside->link);
    ipc_task.asides++;
    return 0;
}

static void forget(struct ipc_aside *aside)
{
    util_list_remove(&aside->link);
    ipc_task.asides--;
    ipc_port_drop(aside->port);
    free(aside);
}

void ipc_aside_given_back(struct ipc_peer *peer, struct util_id id, uint64_t count)
{
    UTIL_LIST_EACH(at, after, &peer->asides)
    {
        if (count == 0 || !util_id_equal(aside_at(at)->port->node.id, id))
            continue;
        forget(aside_at(at));
        count--;
    }
    ipc_peer_maybe_bye(peer);
}

void ipc_aside_forget_all(struct ipc_peer *peer)
{
    while (!util_list_empty(&peer->asides))
        forget(aside_at(peer->asides.next));
}

void ipc_aside_merge(struct ipc_peer *from, struct ipc_peer *to)
{
    UTIL_LIST_EACH(at, after, &from->asides)
    {
        util_list_remove(at);
        util_list_append(&to->asides, at);
    }
}

/* The port is here, and the peer holds it. Without memory to count it the word waits on. */
static void grant(struct ipc_peer *peer, struct ipc_aside *aside)
{
    struct ipc_port *port = aside->port;
    if (ipc_grants_add(&port->grants, peer, 1) < 0)
        return;
    if (!util_id_is_none(aside->alias))
        (void)ipc_port_alias(port, aside->alias);
    forget(aside);
}

void ipc_aside_resolve(struct ipc_port *port)
{
    if (!ipc_task.asides)
        return;
    UTIL_LIST_EACH(at, after, &ipc_task.peers)
    {
        struct ipc_peer *peer = UTIL_CONTAINER(at, struct ipc_peer, link);
        UTIL_LIST_EACH(at2, after2, &peer->asides)
        {
            if (aside_at(at2)->port == port)
                grant(peer, aside_at(at2));
        }
    }
}

static bool is_aside(const struct ipc_peer *peer, const struct ipc_port *port)
{
    UTIL_LIST_EACH(at, after, &peer->asides)
    {
        if (aside_at(at)->port == port)
            return true;
    }
    return false;
}

/* All that the peer said is known, and it makes no cut itself. */
static bool is_read(const struct ipc_peer *peer)
{
    UTIL_LIST_EACH(at, after, &peer->channels)
    {
        struct wire_channel *channel = UTIL_CONTAINER(at, struct wire_channel, in_peer);
        if (channel->stands || channel->starved || lane_ready(&channel->lane.in) ||
            wire_channel_cut(channel))
            return false;
    }
    return true;
}

/* Whether the peer has come with a right to that port, and may hear now where it is: all that it said
 * has been read, what it sent there has gone on, and the owner will hear of its right in time. */
static bool is_ripe(const struct ipc_peer *peer, const struct ipc_port *port)
{
    if (!ipc_peer_is_known(peer) || !is_aside(peer, port) || port->place != IPC_REMOTE ||
        port->brought)
        return false;
    const struct wire_channel *owner = ipc_peer_channel(port->peer);
    if (!owner || ipc_peer_cut(owner) || !port->peer->listener.length)
        return false;
    return ipc_peer_channel(peer) && is_read(peer) && !ipc_transit_waits(port);
}

/* Whether no ring of that peer is left out of the cut: it may have made a channel meanwhile. */
static bool all_cut(const struct ipc_peer *peer)
{
    bool all = true;
    UTIL_LIST_EACH(at, after, &peer->channels)
    {
        all &= ipc_channel_is_cut(UTIL_CONTAINER(at, struct wire_channel, in_peer));
    }
    return all;
}

/* All that can fail. 0; -EAGAIN: not now; or -errno. */
static int prepare(struct ipc_holders *holders, struct ipc_peer *peer, struct ipc_port *port)
{
    peer->cut = true;
    (void)ipc_holders_cut();
    ipc_engine_read_all();
    if (!is_ripe(peer, port) || !all_cut(peer))
        return -EAGAIN;
    int r = ipc_holders_find(holders, &port, 1, peer);
    if (r == 0)
        r = ipc_holders_introduce(holders, port->peer);
    return r < 0 ? r : ipc_peer_cut(ipc_peer_channel(port->peer)) ? -EAGAIN : 0;
}

/* The peer has been told where that port is. What it looked up is not that port by the name it made up
 * for it. */
static void forget_answered(struct ipc_peer *peer, const struct ipc_port *port)
{
    UTIL_LIST_EACH(at, after, &peer->asides)
    {
        if (aside_at(at)->port != port)
            continue;
        ipc_peer_tell_dead(peer, aside_at(at)->alias);
        forget(aside_at(at));
    }
}

/* Tells the peer where the port is, as holders are told of a move: after a cut of its rings. Nothing
 * happens if that has to wait after all. */
static void answer(struct ipc_peer *peer, struct ipc_port *port)
{
    struct ipc_holders holders = {0};
    ipc_port_carry(port);
    ipc_task.moving = true;
    int r = prepare(&holders, peer, port);
    if (r == 0) {
        ipc_holders_bury(&holders);
        ipc_holders_tell_after(&holders, port->peer);
        forget_answered(peer, port);
    } else {
        ipc_holders_give_up(&holders);
    }
    ipc_task.moving = false;
    if (r < 0 && r != -EAGAIN && r != -EPIPE) /* short of something: again before long */
        ipc_task.engine.starved = true;
    ipc_holders_deinit(&holders);
    ipc_port_drop(port);
}

/* Its port is not another task's any more: it has died, or come. */
static void settle(struct ipc_peer *peer, struct ipc_aside *aside)
{
    if (aside->port->place == IPC_OWN) {
        grant(peer, aside);
        return;
    }
    ipc_peer_tell_dead(peer, aside->port->node.id);
    ipc_peer_tell_dead(peer, aside->alias);
    forget(aside);
    ipc_peer_maybe_bye(peer);
}

/* The first word that this round has not seen, and whose it is. */
static struct ipc_aside *next(uint64_t round, struct ipc_peer **ret_peer)
{
    UTIL_LIST_EACH(at, after, &ipc_task.peers)
    {
        struct ipc_peer *peer = UTIL_CONTAINER(at, struct ipc_peer, link);
        UTIL_LIST_EACH(at2, after2, &peer->asides)
        {
            *ret_peer = peer;
            if (aside_at(at2)->round != round)
                return aside_at(at2);
        }
    }
    return NULL;
}

void ipc_aside_answer(void)
{
    struct ipc_aside *aside;
    struct ipc_peer *peer;
    if (!ipc_task.asides || ipc_task.moving || ipc_task.engine.depth)
        return;
    uint64_t round = ++ipc_task.aside_rounds;
    while ((aside = next(round, &peer))) { /* answering reads, and may take others away */
        aside->round = round;
        if (aside->port->place != IPC_REMOTE)
            settle(peer, aside);
        else if (is_ripe(peer, aside->port))
            answer(peer, aside->port);
    }
}

bool ipc_aside_ready(void)
{
    bool ready = false;
    if (!ipc_task.asides || ipc_task.engine.starved)
        return false; /* short of something: whoever waits looks again before long */
    UTIL_LIST_EACH(at, after, &ipc_task.peers)
    {
        const struct ipc_peer *peer = UTIL_CONTAINER(at, struct ipc_peer, link);
        UTIL_LIST_EACH(at2, after2, &peer->asides)
        {
            const struct ipc_port *port = aside_at(at2)->port;
            ready |= port->place == IPC_DEAD || is_ripe(peer, port);
        }
    }
    return ready;
}
