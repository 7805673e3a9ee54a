/* See wire_channel.h. */
#include "wire/wire_channel.h"

#include "vm/vm_loan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define JUST_NOW 20000 /* ns */
#define BELLS_LEFT 32  /* unread in the socket, which holds some 270 */

struct wire_fds { /* descriptors of one datagram, waiting for their entry */
    struct util_link link;
    uint64_t token;
    unsigned count, given;
    bool lost;
    int fds[];
};

static void free_channel(struct wire_channel *channel)
{
    free(channel->slots.sent);
    free(channel->slots.returned);
    free(channel->slots.taken);
    free(channel->held.count);
    vm_ledger_unref(channel->lends);
    vm_ledger_unref(channel->borrows);
    free(channel);
}

struct wire_channel *wire_channel_new(int take_fd, struct lane *take_lane)
{
    struct wire_channel *channel = calloc(1, sizeof *channel);
    if (channel) {
        channel->lends = vm_ledger_new(true, lane_lent(&take_lane->out));
        channel->borrows = vm_ledger_new(false, lane_borrowed(&take_lane->in));
    }
    if (!channel || !channel->lends || !channel->borrows) {
        if (channel)
            free_channel(channel);
        close(take_fd);
        lane_deinit(take_lane);
        return NULL;
    }
    vm_ledger_pair(channel->lends, channel->borrows);
    channel->watch.kind = IPC_WATCH_CHANNEL;
    channel->refs = 1;
    channel->fd = take_fd;
    channel->lane = *take_lane;
    *take_lane = (struct lane){0};
    util_list_init(&channel->in_task);
    util_list_init(&channel->in_peer);
    util_list_init(&channel->hot);
    util_list_init(&channel->fds);
    util_list_init(&channel->waiters);
    return channel;
}

struct wire_channel *wire_channel_ref(struct wire_channel *channel)
{
    channel->refs++;
    return channel;
}

static void free_fds(struct wire_fds *fds)
{
    for (unsigned i = fds->given; i < fds->count; i++)
        close(fds->fds[i]);
    util_list_remove(&fds->link);
    free(fds);
}

void wire_channel_unref(struct wire_channel *channel)
{
    if (!channel || --channel->refs > 0)
        return;
    free_channel(channel);
}

void wire_channel_forget_fds(struct wire_channel *channel)
{
    UTIL_LIST_EACH(at, after, &channel->fds) free_fds(UTIL_CONTAINER(at, struct wire_fds, link));
}

void wire_channel_close(struct wire_channel *channel)
{
    if (channel->closed)
        return;
    channel->closed = true;
    ipc_engine_unwatch(channel->fd, &channel->watch);
    ipc_engine_cool(channel);
    close(channel->fd);
    channel->fd = -1;
    vm_ledger_close(channel->lends);
    vm_ledger_close(channel->borrows);
    lane_deinit(&channel->lane);
    wire_channel_forget_fds(channel);
    util_list_remove(&channel->in_task);
    util_list_remove(&channel->in_peer);
    ipc_engine_wake_all(&channel->waiters);
    wire_channel_unref(channel);
}

int wire_channel_reserve(struct wire_channel *channel, size_t payload, void **ret_payload)
{
    if (vm_ledger_is_broken(channel->lends))
        channel->broken = true;
    if (channel->closed || channel->broken || channel->ended)
        return -EPIPE;
    int r = lane_reserve(&channel->lane.out, payload, ret_payload);
    if (r == -EBADMSG) {
        channel->broken = true;
        r = -EPIPE;
    }
    return r;
}

void wire_channel_ring(struct wire_channel *channel)
{
    /* A socket that is full tells of descriptors, and their entries will be read; a dead peer needs no
     * bell: no result matters. */
    const struct wire_datagram bell = {.kind = WIRE_BELL};
    (void)os_send(channel->fd, &bell, WIRE_DATAGRAM_SHORT, NULL, 0, false);
    ipc_engine_rang();
}

bool wire_channel_arm(struct wire_channel *channel)
{
    channel->bells++;
    return lane_arm(&channel->lane.in);
}

void wire_channel_want_room(struct wire_channel *channel)
{
    channel->bells++;
    lane_want_room(&channel->lane.out);
}

bool wire_channel_commit_quietly(struct wire_channel *channel, enum wire_kind kind, size_t payload)
{
    channel->lane.out.stamp = (uint64_t)(kind == WIRE_MESSAGE ? ipc_engine_time()
                                                              : ipc_engine_clock());
    channel->published++;
    if (kind == WIRE_BYE_OK) {
        channel->frozen = true;
    } else if (kind != WIRE_MOVED && (kind != WIRE_ACK || !channel->frozen)) {
        /* these are said also on channels that are not used any more */
        channel->frozen = false;
        channel->bye = kind == WIRE_BYE ? channel->byes : 0;
    }
    return lane_commit(&channel->lane.out, (uint16_t)kind, payload);
}

void wire_channel_commit(struct wire_channel *channel, enum wire_kind kind, size_t payload)
{
    if (wire_channel_commit_quietly(channel, kind, payload))
        wire_channel_ring(channel);
}

bool wire_channel_cut(const struct wire_channel *channel)
{
    return !channel->closed && lane_cut(&channel->lane.out) != channel->cut_known;
}

int wire_channel_publish(struct wire_channel *channel, enum wire_kind kind, const void *payload,
                         size_t size)
{
    void *at;
    int r = wire_channel_reserve(channel, size, &at);
    if (r < 0)
        return r;
    if (size)
        memcpy(at, payload, size);
    wire_channel_commit(channel, kind, size);
    return 0;
}

int wire_channel_send_fds(struct wire_channel *channel, const int *borrow_fds, unsigned count,
                          uint64_t *ret_token)
{
    uint64_t token = ++channel->token;
    for (unsigned sent = 0; sent < count;) {
        unsigned part = count - sent < OS_FD_MAX ? count - sent : OS_FD_MAX;
        const struct wire_datagram datagram = {.kind = WIRE_FDS, .count = part, .token = token};
        int r = os_send(channel->fd, &datagram, WIRE_DATAGRAM_SHORT, borrow_fds + sent, part,
                        false);
        if (r < 0)
            return r; /* those already sent bear a token that no entry will name */
        sent += part;
    }
    *ret_token = token;
    return 0;
}

/* Room to keep the descriptors of one datagram, made before they are received: afterwards a
 * shortage would lose them. */
static struct wire_fds *new_fds(const struct wire_datagram *datagram)
{
    struct wire_fds *fds = calloc(1, sizeof *fds + datagram->count * sizeof(int));
    if (fds) {
        util_list_init(&fds->link);
        fds->token = datagram->token;
        fds->count = datagram->count;
    }
    return fds;
}

/* Keeps the descriptors of one WIRE_FDS datagram until their entry asks for them. */
static void keep_fds(struct wire_channel *channel, struct wire_fds *take_fds,
                     struct os_received *received)
{
    take_fds->lost = received->lost || received->count < take_fds->count;
    if (received->count > take_fds->count) {
        os_fd_close_all(received->fds + take_fds->count, received->count - take_fds->count);
        received->count = take_fds->count;
    }
    take_fds->count = received->count;
    memcpy(take_fds->fds, received->fds, received->count * sizeof(int));
    util_list_append(&channel->fds, &take_fds->link);
}

/* Why there was none: nothing there, a shortage (epoll will not tell again), or the end. */
static int nothing_read(struct wire_channel *channel, int r)
{
    if (r == -ENOMEM || r == -ENOBUFS)
        channel->starved = true;
    else if (r == -EAGAIN)
        channel->bells = 0;
    else
        channel->ended = true;
    return 0;
}

/* It may be for what is in the ring, or for room. */
static int hear_bell(struct wire_channel *channel)
{
    int r = os_discard(channel->fd);
    if (r < 0)
        return nothing_read(channel, r);
    channel->rung = true;
    if (channel->bells)
        channel->bells--;
    ipc_engine_wake_all(&channel->waiters);
    return WIRE_BELL;
}

/* Takes one datagram; its kind, or 0 when there is nothing more for now. */
static int read_datagram(struct wire_channel *channel, wire_welcome *welcome)
{
    struct wire_datagram datagram;
    size_t size;
    int r = os_peek(channel->fd, &datagram, sizeof datagram, &size);
    if (r <= 0)
        return nothing_read(channel, r);
    if (wire_datagram_check(&datagram, size) < 0) {
        channel->broken = true;
        return 0;
    }
    if (datagram.kind == WIRE_BELL)
        return hear_bell(channel);
    struct wire_fds *fds = NULL;
    if (datagram.kind == WIRE_FDS &&
        (!os_fd_headroom(datagram.count) || !(fds = new_fds(&datagram)))) {
        channel->starved = true;
        return 0;
    }
    struct os_received received;
    r = os_receive(channel->fd, &datagram, sizeof datagram, &received);
    if (r <= 0) {
        free(fds);
        return nothing_read(channel, r);
    }
    if (fds) {
        keep_fds(channel, fds, &received);
        return WIRE_FDS;
    }
    os_fd_close_all(received.fds, received.count);
    if (datagram.kind == WIRE_WELCOME || datagram.kind == WIRE_ANSWER)
        welcome(channel, &datagram, &received);
    else if (datagram.kind != WIRE_REFUSED && datagram.kind != WIRE_HOLD &&
             datagram.kind != WIRE_STAY && /* waited for in vain: the ring will say it */
             datagram.kind != WIRE_GONE)
        channel->broken = true;
    return (int)datagram.kind;
}

void wire_channel_read_socket(struct wire_channel *channel, bool to_bell, wire_welcome *welcome)
{
    channel->starved = false;
    to_bell = to_bell && channel->bells < BELLS_LEFT;
    bool room = false;
    while (!channel->ended && !channel->broken && !channel->closed) {
        int kind = read_datagram(channel, welcome);
        room |= kind == WIRE_FDS;
        if (kind == 0 || (to_bell && kind == WIRE_BELL))
            break;
    }
    if (room && !channel->closed && lane_room_wanted(&channel->lane.in))
        wire_channel_ring(channel);
}

bool wire_channel_leave_bell(struct wire_channel *channel)
{
    return channel->rung && !channel->starved && channel->bells < BELLS_LEFT &&
           lane_ready(&channel->lane.in);
}

/* Moves descriptors with that token from the kept datagrams; older ones were never claimed. */
static unsigned collect(struct wire_channel *channel, uint64_t token, unsigned count, int *fds,
                        bool *lost)
{
    unsigned have = 0;
    UTIL_LIST_EACH(at, after, &channel->fds)
    {
        struct wire_fds *kept = UTIL_CONTAINER(at, struct wire_fds, link);
        if (kept->token > token || have == count)
            break;
        if (kept->token == token) {
            *lost |= kept->lost;
            while (kept->given < kept->count && have < count)
                fds[have++] = kept->fds[kept->given++];
        }
        if (kept->given == kept->count || kept->token < token)
            free_fds(kept);
    }
    return have;
}

/* How many descriptors with that token have arrived. */
static unsigned arrived(const struct wire_channel *channel, uint64_t token, bool *lost)
{
    unsigned count = 0;
    UTIL_LIST_EACH(at, after, &channel->fds)
    {
        struct wire_fds *kept = UTIL_CONTAINER(at, struct wire_fds, link);
        if (kept->token == token) {
            count += kept->count - kept->given;
            *lost |= kept->lost;
        }
    }
    return count;
}

/* Makes sure that `count` descriptors with that token have come. 0 (some of them perhaps lost),
 * -EMFILE or -EBADMSG. */
static int fetch_fds(struct wire_channel *channel, uint64_t token, unsigned count, bool *lost,
                     wire_welcome *welcome)
{
    if (arrived(channel, token, lost) >= count || *lost)
        return 0;
    wire_channel_read_socket(channel, false, welcome);
    if (arrived(channel, token, lost) >= count || *lost)
        return 0;
    return channel->starved ? -EMFILE : -EBADMSG;
}

int wire_channel_first_fd(struct wire_channel *channel, uint64_t token, unsigned count,
                          wire_welcome *welcome)
{
    bool lost = false;
    int r = fetch_fds(channel, token, count, &lost, welcome);
    if (r < 0 || lost)
        return r < 0 ? r : -ENOENT;
    UTIL_LIST_EACH(at, after, &channel->fds)
    {
        struct wire_fds *kept = UTIL_CONTAINER(at, struct wire_fds, link);
        if (kept->token == token && kept->given < kept->count)
            return kept->fds[kept->given];
    }
    return -EBADMSG;
}

int wire_channel_take_fds(struct wire_channel *channel, uint64_t token, unsigned count,
                          int *ret_fds, wire_welcome *welcome)
{
    bool lost = false;
    int r = fetch_fds(channel, token, count, &lost, welcome);
    if (r < 0)
        return r;
    unsigned have = collect(channel, token, count, ret_fds, &lost);
    if (have == count)
        return 0;
    os_fd_close_all(ret_fds, have);
    return -ENOENT;
}

bool wire_channel_gone(struct wire_channel *channel)
{
    if (channel->closed || channel->ended || channel->broken)
        return true;
    if (ipc_engine_clock() - channel->heard < JUST_NOW)
        return false; /* what it says in those microseconds is what Mach would say: S37 */
    return os_hung_up(channel->fd);
}

static bool slot_idle(const struct wire_channel *channel, uint32_t slot)
{
    return !channel->slots.taken[slot] && wire_channel_slot_in_flight(channel, slot) == 0;
}

int wire_channel_slot_take(struct wire_channel *channel, uint32_t *ret_slot)
{
    struct wire_slots *slots = &channel->slots;
    uint32_t slot = slots->used;
    if (slot == slots->size || slot >= LANE_CREDITS) {
        for (uint32_t i = 0; i < slots->used; i++) { /* only when the table would have to grow */
            if (slot_idle(channel, i)) {
                slots->taken[i] = true;
                *ret_slot = i;
                return 0;
            }
        }
        if (slot >= LANE_CREDITS)
            return -ENOSPC;
        uint32_t size = slots->size ? slots->size * 2 : 16;
        uint32_t *sent = realloc(slots->sent, size * sizeof *sent);
        if (sent)
            slots->sent = sent;
        uint32_t *returned = realloc(slots->returned, size * sizeof *returned);
        if (returned)
            slots->returned = returned;
        bool *taken = realloc(slots->taken, size * sizeof *taken);
        if (taken)
            slots->taken = taken;
        if (!sent || !returned || !taken)
            return -ENOMEM;
        slots->size = size;
    }
    slots->sent[slot] = slots->returned[slot] = lane_credit_returned(&channel->lane.out, slot);
    slots->taken[slot] = true;
    slots->used++;
    *ret_slot = slot;
    return 0;
}

void wire_channel_slot_give(struct wire_channel *channel, uint32_t slot)
{
    if (slot < channel->slots.used)
        channel->slots.taken[slot] = false;
}

uint32_t wire_channel_slot_in_flight(const struct wire_channel *channel, uint32_t slot)
{
    if (channel->closed)
        return 0;
    /* A reader that returns more than it got only cheats itself of its own limit. */
    uint32_t flight = channel->slots.sent[slot] - lane_credit_returned(&channel->lane.out, slot);
    return flight > UINT32_MAX / 2 ? 0 : flight;
}

bool wire_channel_slot_has_room(struct wire_channel *channel, uint32_t slot, uint32_t limit)
{
    struct wire_slots *slots = &channel->slots;
    if (slots->sent[slot] - slots->returned[slot] < limit)
        return true;
    uint32_t flight = wire_channel_slot_in_flight(channel, slot);
    slots->returned[slot] = slots->sent[slot] - flight;
    return flight < limit;
}

int wire_channel_may_hold(struct wire_channel *channel, uint32_t slot, uint32_t most)
{
    struct wire_held *held = &channel->held;
    if (slot >= LANE_CREDITS)
        return -EBADMSG;
    if (slot < held->size)
        return held->count[slot] < most ? 0 : -EBADMSG;
    uint32_t size = held->size ? held->size : 16;
    while (size <= slot)
        size *= 2;
    uint16_t *count = realloc(held->count, size * sizeof *count);
    if (!count)
        return -ENOMEM;
    memset(count + held->size, 0, (size - held->size) * sizeof *count);
    held->count = count;
    held->size = size;
    return 0;
}

void wire_channel_hold(struct wire_channel *channel, uint32_t slot)
{
    channel->held.count[slot]++;
}

void wire_channel_release(struct wire_channel *channel, uint32_t slot)
{
    channel->held.count[slot]--;
    if (channel->closed)
        return;
    if (lane_credit_return(&channel->lane.in, slot))
        wire_channel_ring(channel);
}
