/* See ipc_holder.h. */
#include "ipc/ipc_holder.h"

#include "ipc/ipc_door.h"
#include "ipc/ipc_grant.h"
#include "ipc/ipc_peer.h"
#include "ipc/ipc_port.h"
#include "ipc/ipc_task.h"
#include "ipc/ipc_tomb.h"
#include "wire/wire_channel.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool ipc_channel_is_cut(const struct wire_channel *channel)
{
    return channel->cut % 2;
}

bool ipc_holders_cut(void)
{
    bool any = false;
    UTIL_LIST_EACH(at, after, &ipc_task.channels)
    {
        struct wire_channel *channel = UTIL_CONTAINER(at, struct wire_channel, in_task);
        if (!channel->peer->cut || ipc_channel_is_cut(channel))
            continue;
        lane_set_cut(&channel->lane.in, ++channel->cut);
        any = true;
    }
    UTIL_LIST_EACH(at2, after2, &ipc_task.peers)
    {
        UTIL_CONTAINER(at2, struct ipc_peer, link)->cut = false;
    }
    return any;
}

/* Which of them the channel's peer holds. 0 or -ENOMEM. */
static int find_held(struct ipc_holder *holder, struct ipc_port *const *ports, uint32_t count,
                     bool all)
{
    const struct ipc_peer *peer = holder->channel->peer;
    holder->ports = calloc(count ? count : 1, sizeof(struct ipc_port *));
    if (!holder->ports)
        return -ENOMEM;
    for (uint32_t i = 0; i < count; i++) {
        if (all || ipc_grants_of(&ports[i]->grants, peer) != 0)
            holder->ports[holder->count++] = ports[i];
    }
    if (holder->count && holder->primary && !(holder->tomb = ipc_tomb_new(holder->count)))
        return -ENOMEM;
    return 0;
}

/* The channel that its peer is spoken to by; if both have done with all of them, the first. */
static bool is_primary(const struct wire_channel *channel)
{
    const struct wire_channel *usual = ipc_peer_channel(channel->peer);
    return usual ? usual == channel : channel->peer->channels.next == &channel->in_peer;
}

int ipc_holders_find(struct ipc_holders *holders, struct ipc_port *const *ports, uint32_t count,
                     const struct ipc_peer *asker)
{
    uint32_t channels = 0;
    int r = 0;
    UTIL_LIST_EACH(at, after, &ipc_task.channels) channels++;
    holders->list = calloc(channels ? channels : 1, sizeof *holders->list);
    if (!holders->list)
        return -ENOMEM;
    UTIL_LIST_EACH(at2, after2, &ipc_task.channels)
    {
        struct wire_channel *channel = UTIL_CONTAINER(at2, struct wire_channel, in_task);
        if (r < 0 || !ipc_channel_is_cut(channel))
            continue;
        struct ipc_holder *holder = &holders->list[holders->count++];
        *holder = (struct ipc_holder){
            .channel = wire_channel_ref(channel), .primary = is_primary(channel), .end = -1};
        r = find_held(holder, ports, count, channel->peer == asker);
    }
    return r;
}

static int introduce(struct ipc_holder *holder, const struct ipc_peer *owner)
{
    struct wire_channel *channel = holder->channel;
    if (holder->count == 0 || channel->peer == owner || !holder->primary)
        return 0;
    if (!owner->listener.length)
        return -ENOBUFS; /* it has not said yet who it is */
    struct util_id *ids = calloc(holder->count, sizeof *ids);
    if (!ids)
        return -ENOMEM;
    for (uint32_t i = 0; i < holder->count; i++)
        ids[i] = holder->ports[i]->node.id;
    int r = holder->end = ipc_door_knock(owner);
    if (r >= 0)
        r = ipc_door_introduce(holder->end, ids, holder->count);
    free(ids);
    if (r < 0)
        return r;
    r = wire_channel_send_fds(channel, &holder->end, 1, &holder->token);
    return r == -EPIPE || r == -ECONNRESET ? 0 : r; /* the holder is gone: no matter */
}

int ipc_holders_introduce(struct ipc_holders *holders, const struct ipc_peer *owner)
{
    int r = 0;
    for (uint32_t i = 0; r >= 0 && i < holders->count; i++)
        r = introduce(&holders->list[i], owner);
    return r < 0 ? r : 0;
}

void ipc_holders_bury(struct ipc_holders *holders)
{
    ipc_task.moves++;
    for (uint32_t i = 0; i < holders->count; i++) {
        struct ipc_holder *holder = &holders->list[i];
        if (!holder->tomb || holder->channel->closed)
            continue;
        ipc_tomb_add(holder->channel->peer, ipc_task.moves, holder->ports, holder->tomb);
        holder->tomb = NULL;
    }
}

/* Says so on a ring that was cut, and ends the cut. */
static void tell(struct wire_channel *channel, const struct ipc_holder *holder,
                 struct util_id owner, uint64_t token, struct wire_after after)
{
    struct wire_moved head = {.task = owner,
                              .channel = after.channel,
                              .entry = after.entry,
                              .token = token,
                              .serial = holder ? ipc_task.moves : 0,
                              .read = channel->read,
                              .cut = channel->cut + 1,
                              .count = holder ? holder->count : 0};
    void *at;
    size_t size = sizeof head + head.count * sizeof(struct util_id);
    int r = wire_channel_reserve(channel, size, &at);
    if (r == 0) {
        memcpy(at, &head, sizeof head);
        struct util_id *ids = (struct util_id *)(void *)((uint8_t *)at + sizeof head);
        for (uint32_t i = 0; i < head.count; i++)
            ids[i] = holder->ports[i]->node.id;
        wire_channel_commit(channel, WIRE_MOVED, size);
    } else if (r != -EPIPE) {
        channel->broken = true; /* megabytes of unread entries: the peer is beyond help */
    }
    lane_set_cut(&channel->lane.in, ++channel->cut);
}

static void tell_all(const struct ipc_holders *holders, struct util_id owner,
                     struct wire_after after)
{
    for (uint32_t i = 0; i < holders->count; i++) {
        const struct ipc_holder *holder = &holders->list[i];
        if (!holder->channel->closed)
            tell(holder->channel, holder, owner, holder->primary ? holder->token : WIRE_ELSEWHERE,
                 after);
    }
}

void ipc_holders_tell(const struct ipc_holders *holders, struct util_id owner)
{
    tell_all(holders, owner, (struct wire_after){0});
}

void ipc_holders_tell_after(const struct ipc_holders *holders, const struct ipc_peer *owner)
{
    const struct wire_channel *last = owner->last;
    struct wire_after after = {0};
    if (last && !last->closed)
        after = (struct wire_after){.channel = last->number, .entry = last->published};
    tell_all(holders, owner->id, after);
}

/* The end that a holder was sent already: it closes that. */
static uint64_t token_of(const struct ipc_holders *holders, const struct wire_channel *channel)
{
    for (uint32_t i = 0; i < holders->count; i++) {
        if (holders->list[i].channel == channel)
            return holders->list[i].token;
    }
    return 0;
}

void ipc_holders_give_up(const struct ipc_holders *holders)
{
    UTIL_LIST_EACH(at, after, &ipc_task.channels)
    {
        struct wire_channel *channel = UTIL_CONTAINER(at, struct wire_channel, in_task);
        if (ipc_channel_is_cut(channel))
            tell(channel, NULL, ipc_task.id, token_of(holders, channel), (struct wire_after){0});
    }
}

void ipc_holders_deinit(struct ipc_holders *holders)
{
    for (uint32_t i = 0; i < holders->count; i++) {
        struct ipc_holder *holder = &holders->list[i];
        if (holder->end >= 0)
            close(holder->end);
        free(holder->ports);
        ipc_tomb_free(holder->tomb);
        wire_channel_unref(holder->channel);
    }
    free(holders->list);
}
