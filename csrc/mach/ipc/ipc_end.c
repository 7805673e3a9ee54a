/* See ipc_door.h: ends. Doors are in ipc_door.c. */
#include "ipc/ipc_door.h"

#include "ipc/ipc_aside.h"
#include "ipc/ipc_peer.h"
#include "ipc/ipc_port.h"
#include "ipc/ipc_stand.h"
#include "ipc/ipc_task.h"
#include "os/os_memfd.h"

#include <errno.h>
#include <fcntl.h>
#include <servers/bootstrap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- ends -------------------------------------------------------------------------------- */

/* The rights that the end stood for are no longer its. */
static void end_drop_rights(struct ipc_end *end)
{
    struct ipc_stand *stands = end->stands;
    uint32_t count = end->stand_count;
    end->stands = NULL;
    end->stand_count = 0;
    ipc_stand_forget(stands, count);
}

static void free_end(struct ipc_end *end)
{
    if (end->onward >= 0)
        close(end->onward);
    end_drop_rights(end);
    util_list_remove(&end->link);
    free(end);
}

/* Whether it stands for what has moved on since. */
static bool carries(const struct ipc_end *end)
{
    bool any = false;
    for (uint32_t i = 0; i < end->stand_count; i++)
        any |= end->stands[i].moved;
    return any;
}

/* Who had the other end may have claimed what it stood for in a ring, before that: what has moved on is
 * carried until all rings have been read. */
void ipc_end_close(struct ipc_end *end)
{
    ipc_engine_unwatch(end->fd, &end->watch);
    close(end->fd);
    if (!carries(end)) {
        free_end(end);
        return;
    }
    end->seen = ipc_task.engine.pass;
    util_list_remove(&end->link);
    util_list_append(&ipc_task.parting, &end->link);
    ipc_task.engine.behind = true;
}

void ipc_end_part(uint64_t finished)
{
    UTIL_LIST_EACH(at, after, &ipc_task.parting)
    {
        struct ipc_end *end = UTIL_CONTAINER(at, struct ipc_end, link);
        if (end->seen < finished)
            free_end(end);
        else
            ipc_task.engine.behind = true;
    }
}

/* The end stands for a right to each of these from now on. False: no memory. */
static bool end_take_rights(struct ipc_end *end, const struct util_id *ids, uint32_t count)
{
    struct ipc_stand *stands = calloc(count, sizeof *stands);
    end_drop_rights(end);
    if (!stands)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        struct ipc_port *port = ipc_port_find(ids[i]);
        stands[i].id = ids[i];
        if (!port || port->place != IPC_OWN)
            continue;
        stands[i].port = ipc_port_ref(port);
        port->pending++;
    }
    end->stands = stands;
    end->stand_count = count;
    return true;
}

/* Calls `visit` for everything that an end stands for. */
static void each_stand(struct ipc_port *port, void (*visit)(struct ipc_stand *, struct ipc_port *))
{
    UTIL_LIST_EACH(at, after, &ipc_task.ends)
    {
        struct ipc_end *end = UTIL_CONTAINER(at, struct ipc_end, link);
        for (uint32_t i = 0; i < end->stand_count; i++)
            visit(&end->stands[i], port);
    }
}

/* ---- ends whose ports come --------------------------------------------------------------- */

static void resolve(struct ipc_stand *stand, struct ipc_port *port)
{
    if (stand->port || !util_id_equal(stand->id, port->node.id))
        return;
    stand->port = ipc_port_ref(port);
    port->pending++;
}

void ipc_door_resolve(struct ipc_port *port)
{
    UTIL_LIST_EACH(at, after, &ipc_task.channels)
    {
        ipc_stand_resolve(UTIL_CONTAINER(at, struct wire_channel, in_task), port);
    }
    ipc_aside_resolve(port);
    each_stand(port, resolve);
}

/* ---- ends whose ports move --------------------------------------------------------------- */

static struct ipc_end *end_at(struct util_link *at)
{
    return UTIL_CONTAINER(at, struct ipc_end, link);
}

static bool is_moving(const struct ipc_stand *stand)
{
    return stand->port && stand->port->moving && !stand->moved;
}

/* The ids of what moves, in room for all; their number. */
static uint32_t moving_ids(const struct ipc_end *end, struct util_id *ret_ids)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < end->stand_count; i++) {
        if (is_moving(&end->stands[i]))
            ret_ids[count++] = end->stands[i].id;
    }
    return count;
}

static void say(const struct ipc_end *end, enum wire_datagram_kind kind)
{
    const struct wire_datagram datagram = {.kind = (uint32_t)kind};
    (void)os_send(end->fd, &datagram, WIRE_DATAGRAM_SHORT, NULL, 0, false);
}

bool ipc_door_hold(void)
{
    bool any = false;
    UTIL_LIST_EACH(at, after, &ipc_task.ends)
    {
        struct ipc_end *end = end_at(at);
        bool moves = false;
        for (uint32_t i = 0; i < end->stand_count; i++)
            moves |= is_moving(&end->stands[i]);
        if (!moves || end->held)
            continue;
        say(end, WIRE_HOLD);
        any = end->held = true;
    }
    return any;
}

int ipc_door_knock(const struct ipc_peer *peer)
{
    int r = os_connect(&peer->listener);
    return r == -ECONNREFUSED || r == -ENOENT ? -EPIPE : r;
}

/* One end gets a way on for all its rights that move. */
static int prepare_end(struct ipc_end *end, const struct ipc_peer *owner)
{
    struct util_id *ids = calloc(end->stand_count ? end->stand_count : 1, sizeof *ids);
    uint32_t count = ids ? moving_ids(end, ids) : 0;
    int r = ids ? 0 : -ENOMEM;
    if (count) {
        r = owner->listener.length ? ipc_door_knock(owner) : -ENOBUFS;
        end->onward = r < 0 ? -1 : r;
        if (r >= 0)
            r = ipc_door_introduce(end->onward, ids, count);
    }
    free(ids);
    return r < 0 ? r : 0;
}

int ipc_door_prepare(const struct ipc_peer *owner)
{
    int r = 0;
    UTIL_LIST_EACH(at, after, &ipc_task.ends)
    {
        if (r == 0 && end_at(at)->held)
            r = prepare_end(end_at(at), owner);
    }
    return r;
}

static void let_loose(struct ipc_end *end)
{
    if (end->onward >= 0)
        close(end->onward);
    end->onward = -1;
    end->held = false;
}

/* Says where the rights are. Whoever has the other end reads it before it takes the end. */
static void say_gone(struct ipc_end *end, struct util_id owner)
{
    struct wire_datagram gone = {.kind = WIRE_GONE, .version = WIRE_VERSION, .task = owner};
    struct util_id *ids = calloc(end->stand_count ? end->stand_count : 1, sizeof *ids);
    int fds[2] = {end->onward, -1};
    gone.count = ids ? moving_ids(end, ids) : 0;
    if (gone.count == 1)
        gone.id = ids[0];
    else if (gone.count)
        fds[1] = os_memfd_sealed("machool:rights", ids, gone.count * sizeof *ids);
    if (gone.count && (gone.count == 1 || fds[1] >= 0))
        (void)os_send(end->fd, &gone, sizeof gone, fds, gone.count == 1 ? 1 : 2, false);
    else
        say(end, WIRE_STAY);
    if (fds[1] >= 0)
        close(fds[1]);
    free(ids);
}

void ipc_door_gone(struct util_id owner)
{
    UTIL_LIST_EACH(at, after, &ipc_task.ends)
    {
        struct ipc_end *end = end_at(at);
        if (!end->held)
            continue;
        say_gone(end, owner);
        let_loose(end);
        for (uint32_t i = 0; i < end->stand_count; i++) {
            struct ipc_stand *stand = &end->stands[i];
            if (!is_moving(stand))
                continue;
            stand->moved = true;
            stand->port->local++; /* with the reference that it has: carried */
            stand->port->pending--;
        }
    }
}

void ipc_door_stay(void)
{
    UTIL_LIST_EACH(at, after, &ipc_task.ends)
    {
        if (!end_at(at)->held)
            continue;
        say(end_at(at), WIRE_STAY);
        let_loose(end_at(at));
    }
}

int ipc_door_introduce(int end, const struct util_id *ids, uint32_t count)
{
    struct wire_datagram intro = {.kind = WIRE_INTRO, .version = WIRE_VERSION, .count = count};
    if (count == 1) {
        intro.id = ids[0];
        return os_send(end, &intro, sizeof intro, NULL, 0, true);
    }
    int list = os_memfd_sealed("machool:rights", ids, count * sizeof *ids);
    if (list < 0)
        return list;
    int r = os_send(end, &intro, sizeof intro, &list, 1, true);
    close(list);
    return r;
}

int ipc_door_read_ids(const struct wire_datagram *datagram, int borrow_list,
                      struct util_id *ret_ids)
{
    size_t size = datagram->count * sizeof *ret_ids;
    if (datagram->count == 1) {
        ret_ids[0] = datagram->id;
        return 0;
    }
    if (borrow_list < 0 ||
        os_memfd_verify(borrow_list, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW, size) < 0)
        return -EBADMSG;
    return os_memfd_read(borrow_list, ret_ids, size, 0) < 0 ? -EBADMSG : 0;
}

/* INTRO: one id in the datagram, or many in an object. False: not what it should be. */
static bool end_introduced(struct ipc_end *end, const struct wire_datagram *intro,
                           const struct os_received *received)
{
    if (intro->count > WIRE_RIGHTS_MAX)
        return false;
    struct util_id *ids = calloc(intro->count ? intro->count : 1, sizeof *ids);
    bool done = ids &&
                ipc_door_read_ids(intro, received->count ? received->fds[0] : -1, ids) == 0 &&
                end_take_rights(end, ids, intro->count);
    free(ids);
    return done;
}

static bool may_look_up(const struct ipc_door *door, uid_t uid)
{
    if (uid == geteuid() || uid == 0)
        return true;
    for (unsigned i = 0; i < door->uid_count; i++) {
        if (door->uids[i] == uid)
            return true;
    }
    return false;
}

static void refuse(struct ipc_end *end, uint32_t code)
{
    const struct wire_datagram refused = {
        .kind = WIRE_REFUSED, .version = WIRE_VERSION, .count = code};
    (void)os_send(end->fd, &refused, sizeof refused, NULL, 0, false);
}

/* LOOKUP: who asks is checked by the kernel's word, then told which port the name leads to.
 * False: refused. */
static bool end_look_up(struct ipc_end *end, const struct wire_datagram *datagram)
{
    struct ucred asker;
    struct ipc_door *door = end->door;
    if (!door || !door->port || door->port->place != IPC_OWN ||
        strcmp(door->name, datagram->name) != 0) {
        refuse(end, BOOTSTRAP_UNKNOWN_SERVICE);
        return false;
    }
    if (os_peer_credentials(end->fd, &asker) < 0 || !may_look_up(door, asker.uid)) {
        refuse(end, BOOTSTRAP_NOT_PRIVILEGED);
        return false;
    }
    (void)end_take_rights(end, &door->port->node.id, 1);
    end->alias = datagram->id;
    struct wire_datagram answer = {.kind = WIRE_ANSWER,
                                   .version = WIRE_VERSION,
                                   .count = door->declared,
                                   .id = door->port->node.id,
                                   .task = ipc_task.id,
                                   .limit = door->port->limit};
    /* An asker that has ended already may have said more before: read on. */
    (void)os_send(end->fd, &answer, sizeof answer, NULL, 0, true);
    return true;
}

static void welcome(struct wire_channel *channel)
{
    struct wire_datagram datagram = {
        .kind = WIRE_WELCOME, .version = WIRE_VERSION, .task = ipc_task.id};
    if (ipc_task_listen() == 0) { /* the door that was knocked at may go before the others do */
        datagram.address_size = ipc_task.address.length;
        memcpy(datagram.address, &ipc_task.address.un, ipc_task.address.length);
    }
    (void)os_send(channel->fd, &datagram, sizeof datagram, NULL, 0, true);
}

/* The peer that says HELLO: known, or new. */
static struct ipc_peer *peer_of_hello(const struct wire_datagram *datagram,
                                      const struct ucred *credentials)
{
    struct ipc_peer *peer = ipc_peer_find(datagram->task, credentials->pid);
    if (!peer)
        peer = ipc_peer_new(datagram->task, credentials);
    if (!peer)
        return NULL;
    peer->credentials = *credentials;
    peer->listener.length = datagram->address_size;
    memcpy(&peer->listener.un, datagram->address, datagram->address_size);
    return peer;
}

/* HELLO: the end becomes a channel, and its rights the peer's. The end is gone after this. */
static void end_becomes_channel(struct ipc_end *end, const struct wire_datagram *datagram,
                                struct os_received *received)
{
    struct lane lane;
    struct ipc_peer *peer = NULL;
    bool has_lane = received->count == 1 && received->has_credentials &&
                    lane_adopt(&lane, received->fds[0]) == 0;
    if (has_lane)
        peer = peer_of_hello(datagram, &received->credentials);
    else if (received->count != 1 || !received->has_credentials)
        os_fd_close_all(received->fds, received->count);
    if (!peer) {
        if (has_lane)
            lane_deinit(&lane);
        ipc_end_close(end);
        return;
    }
    ipc_engine_unwatch(end->fd, &end->watch);
    if (end->held)
        say(end, WIRE_STAY); /* MOVED will come through the channel */
    struct wire_channel *channel = wire_channel_new(end->fd, &lane);
    if (channel && ipc_peer_add_channel(peer, channel) < 0)
        channel = NULL;
    if (channel) {
        channel->number = datagram->token;
        welcome(channel);
        if (!end->stand_count && !util_id_is_none(datagram->id)) /* a look-up that was refused */
            ipc_peer_tell(peer, WIRE_DEAD, datagram->id, 0);
        ipc_stand_hand_on(channel, end->stands, end->stand_count, datagram->id);
        end->stands = NULL;
        end->stand_count = 0;
    }
    free_end(end);
    if (!channel)
        return;
    wire_channel_ref(channel);
    if (ipc_task.engine.depth) /* amid an entry no other ring is read */
        ipc_engine_heat(channel);
    else
        ipc_engine_read(channel);
    wire_channel_unref(channel);
}

/* One datagram. False: the end is gone, or has nothing more. */
static bool end_datagram(struct ipc_end *end)
{
    struct wire_datagram datagram;
    struct os_received received;
    end->starved = !os_fd_headroom(1); /* for the lane of HELLO, or a list of rights */
    if (end->starved) {
        ipc_task.engine.starved = true;
        return false;
    }
    int r = os_receive(end->fd, &datagram, sizeof datagram, &received);
    if (r == -EAGAIN)
        return false;
    if (r <= 0 || wire_datagram_check(&datagram, received.size) < 0) {
        if (r > 0)
            os_fd_close_all(received.fds, received.count);
        ipc_end_close(end);
        return false;
    }
    if (datagram.kind == WIRE_HELLO) {
        end_becomes_channel(end, &datagram, &received);
        return false;
    }
    bool good = datagram.kind == WIRE_INTRO    ? end_introduced(end, &datagram, &received)
                : datagram.kind == WIRE_LOOKUP ? end_look_up(end, &datagram)
                                               : false;
    os_fd_close_all(received.fds, received.count);
    if (good)
        return true;
    ipc_end_close(end);
    return false;
}

void ipc_end_read(struct ipc_end *end)
{
    while (end_datagram(end))
        ;
}

static struct ipc_end *not_seen(uint64_t sweep)
{
    UTIL_LIST_EACH(at, after, &ipc_task.ends)
    {
        if (end_at(at)->seen != sweep)
            return end_at(at);
    }
    return NULL;
}

void ipc_end_read_all(void)
{
    static uint64_t sweep;
    struct ipc_end *end;
    sweep++;
    ipc_task.engine.depth++; /* so that no ring is read, which would close others */
    while ((end = not_seen(sweep))) {
        end->seen = sweep;
        ipc_end_read(end);
    }
    UTIL_LIST_EACH(at, after, &ipc_task.doors)
    {
        struct ipc_door *door = UTIL_CONTAINER(at, struct ipc_door, link);
        if (door->fd >= 0)
            ipc_door_accept(door);
    }
    ipc_task.engine.depth--;
}
