/* See ipc_way.h. */
#include "ipc/ipc_way.h"

#include "ipc/ipc_door.h"
#include "ipc/ipc_peer.h"
#include "ipc/ipc_riddle.h"
#include "ipc/ipc_task.h"
#include "wire/wire_channel.h"

#include <errno.h>
#include <fcntl.h>
#include <mach/message.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#define DEPTH_MAX 64 /* moves while one end was on its way */
#define HOLD_MS 2000 /* how long an owner may take over a move; it takes microseconds */

struct ipc_port *ipc_way_counted(struct util_id id, enum ipc_kind kind, struct ipc_peer *peer,
                                 uint32_t limit)
{
    struct ipc_port *port = ipc_port_find(id);
    bool fresh = !port;
    if (fresh)
        port = ipc_port_new_remote(id, kind, peer);
    else if (port->place != IPC_REMOTE)
        port = NULL; /* somebody claims a port of ours: not a right at all */
    if (port) {
        ipc_port_carry(port);
        if (fresh)
            port->limit = limit;
        if (ipc_grants_add(&port->grants, peer, 1) == 0)
            return port;
        ipc_port_drop(port);
    }
    ipc_peer_tell(peer, WIRE_RELEASE, id, 1);
    return NULL;
}

/* ---- what the owner says into the end ---------------------------------------------------- */

/* The ids of GONE. NULL: no memory, or not what it should be. */
static struct util_id *ids_of(const struct wire_datagram *gone, const struct os_received *received)
{
    struct util_id *ids = calloc(gone->count ? gone->count : 1, sizeof *ids);
    if (ids && ipc_door_read_ids(gone, received->count > 1 ? received->fds[1] : -1, ids) == 0)
        return ids;
    free(ids);
    return NULL;
}

/* GONE: some rights are to be taken by another end. Takes the descriptors. */
static void add_gone(struct ipc_way *way, const struct wire_datagram *datagram,
                     struct os_received *received)
{
    struct ipc_gone *gone = calloc(1, sizeof *gone);
    struct ipc_way *onward = calloc(1, sizeof *onward);
    struct util_id *ids = received->count && datagram->count <= WIRE_RIGHTS_MAX
                              ? ids_of(datagram, received)
                              : NULL;
    bool *taken = calloc(datagram->count ? datagram->count : 1, sizeof *taken);
    if (!gone || !onward || !ids || !taken || way->depth >= DEPTH_MAX) {
        free(gone);
        free(onward);
        free(ids);
        free(taken);
        os_fd_close_all(received->fds, received->count);
        return;
    }
    ipc_way_open(received->fds[0], datagram->task, NULL, onward);
    onward->depth = way->depth + 1;
    os_fd_close_all(received->fds + 1, received->count - 1);
    *gone = (struct ipc_gone){
        .ids = ids, .taken = taken, .count = datagram->count, .way = onward, .next = way->gone};
    way->gone = gone;
}

static bool is_about_moves(uint32_t kind)
{
    return kind == WIRE_HOLD || kind == WIRE_STAY || kind == WIRE_GONE;
}

static bool is_own(const struct ipc_way *way)
{
    return util_id_equal(way->task, ipc_task.id);
}

/* Reads what is said there; after HOLD waits for what follows it, unless that is this task's to say. */
static void listen_to(struct ipc_way *way, int end)
{
    struct wire_datagram datagram;
    struct os_received received;
    struct pollfd wait = {.fd = end, .events = POLLIN};
    size_t size;
    bool held = false;
    for (;;) {
        int r = os_peek(end, &datagram, sizeof datagram, &size);
        if (r == -EAGAIN && held && !is_own(way)) {
            if (poll(&wait, 1, HOLD_MS) != 1)
                return; /* stopped amid a move: its word will come through the channel */
            continue;
        }
        if (r <= 0 || wire_datagram_check(&datagram, size) < 0 || !is_about_moves(datagram.kind))
            return;
        if (os_receive(end, &datagram, sizeof datagram, &received) <= 0)
            return;
        held = datagram.kind == WIRE_HOLD;
        if (datagram.kind == WIRE_GONE) {
            (void)ipc_engine_clock(); /* what is said next came after that */
            add_gone(way, &datagram, &received);
        } else {
            os_fd_close_all(received.fds, received.count);
        }
    }
}

static struct ipc_way *onward(const struct ipc_way *way, struct util_id id)
{
    for (const struct ipc_gone *gone = way->gone; gone; gone = gone->next) {
        for (uint32_t i = 0; i < gone->count; i++) {
            if (util_id_equal(gone->ids[i], id))
                return gone->way;
        }
    }
    return NULL;
}

/* That right is taken by the way on, or given back there. */
static void mark_taken(struct ipc_way *way, struct util_id id)
{
    for (struct ipc_gone *gone = way->gone; gone; gone = gone->next) {
        for (uint32_t i = 0; i < gone->count; i++) {
            if (!gone->taken[i] && util_id_equal(gone->ids[i], id)) {
                gone->taken[i] = true;
                return;
            }
        }
    }
}

/* ---- taking it --------------------------------------------------------------------------- */

void ipc_way_open(int take_end, struct util_id owner, const struct ucred *credentials,
                  struct ipc_way *ret_way)
{
    *ret_way = (struct ipc_way){.task = owner, .end = take_end, .error = -ENOMEM};
    if (credentials)
        ret_way->owner = *credentials;
    else if (os_peer_credentials(take_end, &ret_way->owner) < 0)
        ret_way->opened = true; /* and nobody is there */
}

/* HELLO claimed all that the end stood for. */
static void give_back_gone(const struct ipc_way *way)
{
    for (const struct ipc_gone *gone = way->gone; gone; gone = gone->next) {
        for (uint32_t i = 0; i < gone->count; i++)
            ipc_peer_tell(way->peer, WIRE_RELEASE, gone->ids[i], 1);
    }
}

/* The end becomes a channel. */
static void greet(struct ipc_way *way, struct ipc_peer *peer)
{
    struct os_address listener = {.length = sizeof listener.un};
    int end = way->end;
    (void)getpeername(end, (struct sockaddr *)&listener.un, &listener.length);
    int ear = fcntl(end, F_DUPFD_CLOEXEC, 0); /* the owner may say GONE and end, just now */
    way->end = -1;
    struct wire_channel *channel = ipc_peer_hello(end, (struct util_id){{0, 0}}, &way->error);
    if (ear >= 0) {
        listen_to(way, ear);
        close(ear);
    }
    if (!channel)
        return;
    way->error = -ENOMEM;
    if (!peer)
        peer = ipc_peer_new(way->task, &way->owner);
    if (!peer) {
        wire_channel_close(channel);
        return;
    }
    if (ipc_peer_add_channel(peer, channel) < 0)
        return;
    peer->listener = listener;
    way->peer = peer;
    give_back_gone(way);
}

static void take_end(struct ipc_way *way)
{
    way->opened = true;
    /* The owner may have made a channel that has not been heard of: there it may have said that the port
     * went, before it came back, and made a cut. */
    ipc_end_read_all();
    struct ipc_peer *peer = ipc_peer_find(way->task, way->owner.pid);
    way->claims = peer && ipc_peer_channel(peer);
    if (way->claims)
        way->peer = peer;
    else
        greet(way, peer);
}

struct ipc_peer *ipc_way_claim(struct ipc_way *way, struct util_id id)
{
    struct ipc_way *next = onward(way, id);
    if (!next && (!way->opened || is_own(way))) {
        listen_to(way, way->end);
        next = onward(way, id);
    }
    if (!next && is_own(way))
        return NULL; /* it is on its way here; or it has come, and died */
    if (!next && !way->opened) {
        take_end(way); /* a channel: counted there, unless it has moved on by the last word */
        next = onward(way, id);
    }
    if (!next && way->claims) {
        ipc_peer_tell(way->peer, WIRE_CLAIM, id, 0);
        listen_to(way, way->end);
        next = onward(way, id);
        if (next) /* which the owner may read when it has the port again */
            ipc_peer_tell(way->peer, WIRE_RELEASE, id, 1);
    }
    if (!next)
        return way->peer;
    mark_taken(way, id);
    return ipc_way_claim(next, id);
}

static struct ipc_peer *bringer(const struct ipc_way *way, struct util_id id)
{
    const struct ipc_way *next = onward(way, id);
    if (!next)
        return NULL;
    if (!is_own(next) || onward(next, id))
        return bringer(next, id);
    return ipc_peer_find(way->task, way->owner.pid);
}

struct ipc_peer *ipc_way_bringer(const struct ipc_way *way, struct util_id id)
{
    if (ipc_riddle_buried(id))
        return NULL;
    struct ipc_peer *peer = bringer(way, id);
    if ((peer && ipc_peer_channel(peer)) || !onward(way, id))
        return peer;
    /* It may have been heard no more than its knock; even if it is known, by a channel that both have done
     * with: the right would die with that. */
    ipc_end_read_all();
    return bringer(way, id);
}

struct ipc_port *ipc_way_take(struct ipc_way *way, struct util_id id, uint8_t type, uint32_t limit)
{
    enum ipc_kind kind = type == MACH_MSG_TYPE_PORT_SEND_ONCE ? IPC_ONCE : IPC_PORT;
    struct ipc_port *port = ipc_port_find(id);
    if (port && port->place == IPC_OWN) { /* it came home by way of others */
        ipc_way_leave(way, id);
        return port->kind == kind ? ipc_port_carry(port) : NULL;
    }
    struct ipc_peer *peer = ipc_way_claim(way, id);
    bool brought = !peer;
    if (brought)
        peer = ipc_way_bringer(way, id);
    port = peer ? ipc_way_counted(id, kind, peer, limit) : NULL;
    if (port && port->peer == peer)
        port->brought |= brought;
    return port;
}

void ipc_way_leave(struct ipc_way *way, struct util_id id)
{
    struct ipc_way *next = onward(way, id);
    mark_taken(way, id);
    if (next)
        ipc_way_leave(next, id);
    else if (way->peer && !way->claims)
        ipc_peer_tell(way->peer, WIRE_RELEASE, id, 1);
}

void ipc_way_close(struct ipc_way *way)
{
    while (way->gone) {
        struct ipc_gone *gone = way->gone;
        way->gone = gone->next;
        for (uint32_t i = 0; i < gone->count; i++) {
            if (!gone->taken[i]) /* had by another way: claimed before GONE was heard */
                ipc_way_leave(gone->way, gone->ids[i]);
        }
        ipc_way_close(gone->way);
        free(gone->taken);
        free(gone->way);
        free(gone->ids);
        free(gone);
    }
    if (way->end >= 0) /* only now: until then it is what keeps the rights counted */
        close(way->end);
    way->end = -1;
}

struct ipc_port *ipc_way_take_one(int take_end, struct util_id id, uint8_t type,
                                  struct util_id owner, uint32_t limit,
                                  const struct ucred *credentials, int *ret_error)
{
    struct ipc_way way;
    ipc_way_open(take_end, owner, credentials, &way);
    struct ipc_port *port = ipc_way_take(&way, id, type, limit);
    ipc_way_close(&way);
    *ret_error = way.error;
    return port;
}
