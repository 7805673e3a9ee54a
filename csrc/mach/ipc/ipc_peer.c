/* See ipc_peer.h. */
#include "ipc/ipc_peer.h"

#include "ipc/ipc_aside.h"
#include "ipc/ipc_door.h"
#include "ipc/ipc_port.h"
#include "ipc/ipc_riddle.h"
#include "ipc/ipc_stand.h"
#include "ipc/ipc_task.h"
#include "ipc/ipc_tomb.h"
#include "vm/vm_map.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct ipc_peer *ipc_peer_find(struct util_id id, pid_t pid)
{
    if (util_id_is_none(id))
        return NULL;
    UTIL_LIST_EACH(at, after, &ipc_task.peers)
    {
        struct ipc_peer *peer = UTIL_CONTAINER(at, struct ipc_peer, link);
        if (util_id_equal(peer->id, id) && peer->credentials.pid == pid)
            return peer;
    }
    return NULL;
}

bool ipc_peer_is_known(const struct ipc_peer *peer)
{
    UTIL_LIST_EACH(at, after, &ipc_task.peers)
    {
        if (UTIL_CONTAINER(at, struct ipc_peer, link) == peer)
            return true;
    }
    return false;
}

struct ipc_peer *ipc_peer_new(struct util_id id, const struct ucred *credentials)
{
    struct ipc_peer *peer = calloc(1, sizeof *peer);
    if (!peer)
        return NULL;
    peer->id = id;
    if (util_id_is_none(id))
        peer->alias = util_id_new();
    peer->credentials = *credentials;
    util_list_init(&peer->channels);
    util_list_init(&peer->tombs);
    util_list_init(&peer->asides);
    util_list_append(&ipc_task.peers, &peer->link);
    return peer;
}

struct vm_task ipc_peer_task(const struct ipc_peer *peer)
{
    return (struct vm_task){.id = util_id_is_none(peer->id) ? peer->alias : peer->id,
                            .pid = peer->credentials.pid};
}

int ipc_peer_add_channel(struct ipc_peer *peer, struct wire_channel *take_channel)
{
    int r = ipc_engine_watch(take_channel->fd, &take_channel->watch);
    if (r < 0) {
        wire_channel_close(take_channel);
        return r;
    }
    take_channel->peer = peer;
    util_list_append(&peer->channels, &take_channel->in_peer);
    util_list_append(&ipc_task.channels, &take_channel->in_task);
    return 0;
}

struct wire_channel *ipc_peer_channel(const struct ipc_peer *peer)
{
    UTIL_LIST_EACH(at, after, &peer->channels)
    {
        struct wire_channel *channel = UTIL_CONTAINER(at, struct wire_channel, in_peer);
        if (!channel->frozen)
            return channel;
    }
    return NULL;
}

bool ipc_peer_cut(const struct wire_channel *channel)
{
    if (wire_channel_cut(channel))
        return true;
    if (channel->in_peer.next == channel->in_peer.prev)
        return false; /* the only one, as nearly always; or closed */
    UTIL_LIST_EACH(at, after, &channel->peer->channels)
    {
        if (wire_channel_cut(UTIL_CONTAINER(at, struct wire_channel, in_peer)))
            return true;
    }
    return false;
}

/* So that nothing overtakes what was said before on a channel that both have left since. */
static int say_after(struct wire_channel *channel, const struct wire_channel *last)
{
    if (!last || last == channel || last->closed)
        return 0;
    const struct wire_after after = {.channel = last->number, .entry = last->published};
    return wire_channel_publish(channel, WIRE_AFTER, &after, sizeof after);
}

int ipc_peer_turn(struct wire_channel *channel)
{
    struct ipc_peer *peer = channel->peer;
    if (peer->last == channel)
        return 0;
    int r = say_after(channel, peer->last);
    if (r < 0)
        return r;
    wire_channel_unref(peer->last);
    peer->last = wire_channel_ref(channel);
    return 0;
}

static struct wire_channel *find_channel(uint64_t number)
{
    UTIL_LIST_EACH(at, after, &ipc_task.channels)
    {
        struct wire_channel *channel = UTIL_CONTAINER(at, struct wire_channel, in_task);
        if (channel->number == number)
            return channel;
    }
    return NULL;
}

/* What a channel is buried as: no port has such an id. */
static struct util_id grave_of(uint64_t number)
{
    return (struct util_id){{number, 0}};
}

int ipc_peer_hear_after(struct wire_channel *channel, const void *payload, size_t size)
{
    struct wire_after after;
    int r = wire_after_read(payload, size, &after);
    if (r < 0)
        return r;
    const struct wire_channel *other = find_channel(after.channel);
    if (other ? other->read >= after.entry : !ipc_riddle_is(grave_of(after.channel)))
        return 0; /* not known, nor closed here: its HELLO has not been read */
    if (other && other->puzzled && other != channel)
        channel->puzzled = 0; /* that riddle first */
    return ipc_engine_puzzled(channel) ? -EAGAIN : 0;
}

void ipc_peer_say(struct ipc_peer *peer, enum wire_kind kind, const void *entry, size_t size)
{
    struct wire_channel *channel = ipc_peer_channel(peer);
    if (!channel)
        return;
    int r = ipc_peer_turn(channel);
    if (r == 0)
        r = wire_channel_publish(channel, kind, entry, size);
    ipc_task.behind |= ipc_peer_cut(channel);
    if (r == -EAGAIN || r == -ENOMEM)
        channel->broken = true; /* megabytes of unread control entries: the peer is beyond help */
}

void ipc_peer_tell(struct ipc_peer *peer, enum wire_kind kind, struct util_id id, uint64_t count)
{
    const struct wire_count entry = {.id = id, .count = count};
    ipc_peer_say(peer, kind, &entry, sizeof entry);
}

void ipc_peer_tell_dead(struct ipc_peer *peer, struct util_id id)
{
    if (!util_id_is_none(id))
        ipc_peer_tell(peer, WIRE_DEAD, id, 0);
}

/* Every right of ours to the dead peer's ports dies, and what it held of ours comes back. A death
 * may take other ports out of the table (the send-once right of a notification), so those that die
 * are gathered first. */
static void peer_die(struct ipc_peer *peer)
{
    struct util_link dying;
    util_list_init(&dying);
    for (struct util_idnode *node = util_idmap_next(&ipc_task.ids, NULL); node;
         node = util_idmap_next(&ipc_task.ids, node)) {
        struct ipc_port *port = UTIL_CONTAINER(node, struct ipc_port, node);
        if (ipc_grants_take(&port->grants, peer) && port->place == IPC_OWN)
            ipc_grant_dropped(port);
        if (port->place == IPC_REMOTE && port->peer == peer) {
            ipc_port_ref(port);
            util_list_append(&dying, &port->doomed);
        }
    }
    while (!util_list_empty(&dying)) {
        struct ipc_port *port = UTIL_CONTAINER(dying.next, struct ipc_port, doomed);
        util_list_remove(&port->doomed);
        if (port->place == IPC_REMOTE)
            ipc_port_die(port);
        ipc_port_unref(port);
    }
    ipc_tomb_lift_all(peer);
    ipc_aside_forget_all(peer);
    wire_channel_unref(peer->last);
    util_list_remove(&peer->link);
    free(peer);
}

void ipc_peer_lose(struct wire_channel *channel)
{
    struct ipc_peer *peer = channel->peer;
    ipc_riddle_bury(grave_of(channel->number));
    ipc_stand_forget_all(channel);
    wire_channel_close(channel);
    if (util_list_empty(&peer->channels))
        peer_die(peer);
}

void ipc_peer_merge(struct ipc_peer *take_from, struct ipc_peer *to)
{
    struct wire_channel *channel = ipc_peer_channel(to);
    if (!to->last || !channel) {
        wire_channel_unref(to->last);
        to->last = take_from->last;
    } else { /* what is said next comes after either */
        (void)say_after(channel, take_from->last);
        wire_channel_unref(take_from->last);
    }
    UTIL_LIST_EACH(at, after, &take_from->channels)
    {
        util_list_remove(at);
        util_list_append(&to->channels, at);
        UTIL_CONTAINER(at, struct wire_channel, in_peer)->peer = to;
    }
    for (struct util_idnode *node = util_idmap_next(&ipc_task.ids, NULL); node;
         node = util_idmap_next(&ipc_task.ids, node)) {
        struct ipc_port *port = UTIL_CONTAINER(node, struct ipc_port, node);
        ipc_grants_merge(&port->grants, take_from, to);
        if (port->place == IPC_REMOTE && port->peer == take_from) {
            port->peer = to;
            to->holds++;
        }
    }
    ipc_tomb_merge(take_from, to);
    ipc_aside_merge(take_from, to);
    util_list_remove(&take_from->link);
    free(take_from);
}

struct wire_channel *ipc_peer_hello(int take_end, struct util_id alias, int *ret_error)
{
    struct lane lane;
    struct wire_datagram hello = {.kind = WIRE_HELLO,
                                  .version = WIRE_VERSION,
                                  .token = util_id_new().w[0],
                                  .id = alias,
                                  .task = ipc_task.id};
    int lane_fd, r = ipc_task_listen();
    if (r == 0) {
        hello.address_size = ipc_task.address.length;
        memcpy(hello.address, &ipc_task.address.un, ipc_task.address.length);
        r = lane_create(&lane, &lane_fd);
    }
    if (r == 0) {
        r = os_send(take_end, &hello, sizeof hello, &lane_fd, 1, true);
        close(lane_fd);
        if (r < 0)
            lane_deinit(&lane);
    }
    if (r < 0) {
        close(take_end);
        *ret_error = r;
        return NULL;
    }
    struct wire_channel *channel = wire_channel_new(take_end, &lane);
    *ret_error = channel ? 0 : -ENOMEM;
    if (channel) {
        channel->number = hello.token;
        (void)ipc_engine_clock(); /* what is said here came after whatever led to it */
    }
    return channel;
}

/* The look-up whose answer came late: its placeholder gets the real id. */
static void answered(struct wire_channel *channel, const struct wire_datagram *answer)
{
    struct ipc_port *port = ipc_port_find(channel->alias);
    if (port && port->place == IPC_REMOTE && port->peer == channel->peer && port->unanswered &&
        !util_id_is_none(answer->id)) {
        port->limit = answer->limit;
        ipc_port_rename(port, answer->id);
    }
}

/* The peer that had no id has one; regions know it by that. */
static void named(struct vm_task from, const struct ipc_peer *peer)
{
    vm_map_lock();
    vm_map_retell(from, ipc_peer_task(peer));
    vm_map_unlock();
}

void ipc_peer_welcome(struct wire_channel *channel, const struct wire_datagram *datagram,
                      const struct os_received *received)
{
    struct ipc_peer *peer = channel->peer;
    if (!peer)
        return;
    if (datagram->kind == WIRE_ANSWER) {
        answered(channel, datagram);
        return;
    }
    if (!received->has_credentials)
        return;
    struct vm_task before = ipc_peer_task(peer);
    bool unnamed = util_id_is_none(peer->id);
    if (unnamed) {
        struct ipc_peer *known = ipc_peer_find(datagram->task, received->credentials.pid);
        if (known) {
            ipc_peer_merge(peer, known);
            peer = known;
        }
        peer->id = datagram->task;
    } else if (!util_id_equal(peer->id, datagram->task)) {
        channel->broken = true;
        return;
    }
    peer->credentials = received->credentials;
    if (unnamed)
        named(before, peer);
    if (datagram->address_size) {
        peer->listener.length = datagram->address_size;
        memcpy(&peer->listener.un, datagram->address, datagram->address_size);
    }
}

void ipc_peer_meet(void)
{
    UTIL_LIST_EACH(at, after, &ipc_task.peers)
    {
        struct ipc_peer *peer = UTIL_CONTAINER(at, struct ipc_peer, link);
        struct wire_channel *channel = ipc_peer_channel(peer);
        if (util_id_is_none(peer->id) && channel) {
            wire_channel_ref(channel);
            wire_channel_read_socket(channel, false, ipc_peer_welcome);
            ipc_engine_heat(channel);
            wire_channel_unref(channel);
        }
    }
}

static bool idle(const struct ipc_peer *peer)
{
    return peer->holds == 0 && peer->listed == 0 && util_list_empty(&peer->asides);
}

void ipc_peer_maybe_bye(struct ipc_peer *peer)
{
    struct wire_channel *channel = ipc_peer_channel(peer);
    if (!channel || !idle(peer) || channel->bye || channel->frozen)
        return;
    const struct wire_number bye = {++channel->byes};
    if (ipc_peer_turn(channel) == 0)
        (void)wire_channel_publish(channel, WIRE_BYE, &bye, sizeof bye);
}

int ipc_peer_hear_bye(struct wire_channel *channel, enum wire_kind kind, const void *payload,
                      size_t size)
{
    struct wire_number bye;
    int r = wire_number_read(payload, size, &bye);
    if (r < 0 || !idle(channel->peer))
        return r;
    if (kind == WIRE_BYE)
        (void)wire_channel_publish(channel, WIRE_BYE_OK, &bye, sizeof bye);
    else if (bye.number == channel->bye) /* what is said from now on goes by another channel */
        channel->ended = channel->frozen = true;
    return 0;
}
