/* See ipc_engine.h: reading, and passes. Waiting is in ipc_engine_wait.c. */
#include "ipc/ipc_engine_pass.h"

#include "ipc/ipc_aside.h"
#include "ipc/ipc_door.h"
#include "ipc/ipc_grant.h"
#include "ipc/ipc_lookup.h"
#include "ipc/ipc_peer.h"
#include "ipc/ipc_request.h"
#include "ipc/ipc_riddle.h"
#include "ipc/ipc_stand.h"
#include "ipc/ipc_task.h"
#include "ipc/ipc_transit.h"
#include "os/os_clock.h"
#include "wire/wire_channel.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define ENGINE_HOT 8          /* rings polled at every pass */
#define ENGINE_LOOK 50000     /* ns between looks at epoll while rings are hot */
#define ENGINE_LOOK_PASSES 16 /* passes between them that found something */
#define ENGINE_BATCH 16       /* entries of one ring in one pass, so that none starves others */
#define ENGINE_WHOLE 65536    /* the same in a whole pass: more than a ring can hold honestly */
#define LEAVE_ROUNDS 4 /* attempts to leave nothing behind, before somebody else is asked to */

static struct ipc_engine *engine(void)
{
    return &ipc_task.engine;
}

/* ---- reading ----------------------------------------------------------------------------- */

/* Reads one entry from a private copy. */
static int read_entry(struct wire_channel *channel, uint16_t kind, const void *shared, size_t size)
{
    _Alignas(8) uint8_t small[2048];
    if (size > LANE_ENTRY_MAX + 8)
        return -EBADMSG;
    uint8_t *copy = size <= sizeof small ? small : malloc(size);
    if (!copy)
        return -EMFILE; /* short of memory is treated as short of descriptors: try again later */
    memcpy(copy, shared, size);
    int r = ipc_transit_receive(channel, kind, copy, size);
    if (copy != small)
        free(copy);
    return r;
}

/* Reads up to `limit` entries of a channel's ring. True if there were any. */
static bool drain(struct wire_channel *channel, unsigned limit)
{
    bool stood = channel->stands && ipc_stand_read(channel);
    unsigned count = 0;
    while (count < limit && !channel->closed && !channel->broken && !channel->stands) {
        uint16_t kind;
        const void *payload;
        size_t size;
        int r = lane_peek(&channel->lane.in, &kind, &payload, &size);
        if (r == 0)
            break;
        if (r > 0) {
            if ((int64_t)channel->lane.in.stamp > engine()->now)
                (void)ipc_engine_clock(); /* what this leads to bears no earlier time */
            engine()->depth++;
            r = read_entry(channel, kind, payload, size);
            engine()->depth--;
        }
        if (r == -EAGAIN)
            break; /* other rings come first */
        if (r == -EMFILE) {
            channel->starved = engine()->starved = true;
            break;
        }
        if (r < 0) {
            channel->broken = true;
            break;
        }
        if (channel->closed)
            break; /* by what the entry said */
        lane_consume(&channel->lane.in, size);
        channel->read++;
        channel->puzzled = 0;
        count++;
    }
    if (count)
        channel->heard = engine()->now;
    if (count && !channel->closed && lane_room_wanted_now(&channel->lane.in))
        wire_channel_ring(channel);
    return count > 0 || stood;
}

/* A channel that has ended, and been read to its end, goes; so does one that broke the rules. */
static void lose_if_over(struct wire_channel *channel)
{
    if (channel->closed)
        return;
    bool read = !channel->stands && !lane_ready(&channel->lane.in);
    if (channel->broken || (channel->ended && read))
        ipc_peer_lose(channel);
}

/* Asks for the channel's bell. False: it has more to read than it is worth waiting for. */
static bool arm(struct wire_channel *channel)
{
    for (unsigned i = 0; i < 8; i++) {
        if (channel->closed || channel->broken || channel->starved ||
            (!channel->stands && !wire_channel_arm(channel))) {
            channel->armed = true;
            return true;
        }
        drain(channel, ENGINE_BATCH);
    }
    return false;
}

void ipc_engine_cool(struct wire_channel *channel)
{
    if (util_list_empty(&channel->hot))
        return;
    util_list_remove(&channel->hot);
    engine()->hot_count--;
}

/* The hot channels, referenced: reading one may heat, cool or close others. */
static unsigned hot_channels(struct wire_channel *ret_channels[ENGINE_HOT])
{
    unsigned count = 0;
    UTIL_LIST_EACH(at, after, &engine()->hot)
    {
        ret_channels[count++] = wire_channel_ref(UTIL_CONTAINER(at, struct wire_channel, hot));
    }
    return count;
}

/* Arms every hot channel; those that could be armed leave the hot set. True: all of them, and
 * nothing came meanwhile: what did may be a count to be judged or a message to be sent on, and no
 * bell will tell of it again. */
static bool arm_all(void)
{
    struct wire_channel *hot[ENGINE_HOT];
    unsigned count = hot_channels(hot);
    bool quiet = true;
    for (unsigned i = 0; i < count; i++) {
        uint64_t read = hot[i]->read;
        if (arm(hot[i]))
            ipc_engine_cool(hot[i]);
        lose_if_over(hot[i]);
        quiet &= hot[i]->read == read && !hot[i]->closed;
        wire_channel_unref(hot[i]);
    }
    return quiet && engine()->hot_count == 0;
}

static void heat(struct wire_channel *channel)
{
    struct ipc_engine *e = engine();
    if (channel->closed || !util_list_empty(&channel->hot))
        return;
    if (e->hot_count == ENGINE_HOT) { /* the one that has been hot longest makes room */
        struct wire_channel *old = UTIL_CONTAINER(util_list_first(&e->hot), struct wire_channel,
                                                  hot);
        if (e->depth || !arm(old)) /* not now, or too busy: the next pass looks at everything */
            e->behind = true;
        ipc_engine_cool(old);
    }
    lane_disarm(&channel->lane.in);
    channel->armed = false;
    util_list_append(&e->hot, &channel->hot);
    e->hot_count++;
}

/* Reads a ring outside of any event. What was read may have had its bell rung already, and a
 * search for descriptors may have swallowed the bell: so a channel that had anything is hot from
 * here on, and armed anew before anybody sleeps. One that breaks the rules goes at once, and would
 * otherwise stay hot for ever. True if there was anything. */
static bool read_ring(struct wire_channel *channel, unsigned limit)
{
    wire_channel_ref(channel);
    bool any = drain(channel, limit);
    if (any)
        heat(channel);
    lose_if_over(channel);
    wire_channel_unref(channel);
    return any;
}

void ipc_engine_rang(void)
{
    engine()->rang = true;
}

int64_t ipc_engine_time(void)
{
    return engine()->now;
}

int64_t ipc_engine_clock(void)
{
    return engine()->now = os_clock_now();
}

void ipc_engine_heat(struct wire_channel *channel)
{
    heat(channel);
}

void ipc_engine_read(struct wire_channel *channel)
{
    heat(channel);
    drain(channel, ENGINE_BATCH);
}

void ipc_engine_look(struct wire_channel *channel)
{
    if (lane_ready(&channel->lane.in))
        (void)read_ring(channel, ENGINE_BATCH);
}

/* ---- passes ------------------------------------------------------------------------------ */

static void channel_event(struct wire_channel *channel, bool only_input)
{
    wire_channel_ref(channel);
    if (!only_input || !wire_channel_leave_bell(channel))
        wire_channel_read_socket(channel, only_input, ipc_peer_welcome);
    engine()->starved |= channel->starved;
    ipc_engine_read(channel);
    if (channel->ended)
        drain(channel, ENGINE_WHOLE);
    ipc_engine_wake_all(&channel->waiters); /* a bell may mean room */
    lose_if_over(channel);
    wire_channel_unref(channel);
}

/* Whoever looks at epoll may take the kick that a sleeping leader was to wake by. */
static void pass_on_kick(void)
{
    struct ipc_engine *e = engine();
    if (e->asleep &&
        ((e->leader && e->leader->ready) || e->hot_count || e->behind || ipc_grant_waiting()))
        ipc_engine_signal(e->kick_fd);
}

void ipc_engine_dispatch(const struct epoll_event *events, int count)
{
    for (int i = 0; i < count; i++) {
        struct util_idnode *node = util_idmap_find(&engine()->watches,
                                                   (struct util_id){{events[i].data.u64, 1}});
        if (!node)
            continue; /* closed meanwhile */
        struct ipc_watch *what = UTIL_CONTAINER(node, struct ipc_watch, node);
        uint64_t kicks;
        ssize_t r;
        switch (what->kind) {
        case IPC_WATCH_CHANNEL:
            channel_event(UTIL_CONTAINER(what, struct wire_channel, watch),
                          events[i].events == EPOLLIN);
            break;
        case IPC_WATCH_DOOR:
            ipc_door_accept(UTIL_CONTAINER(what, struct ipc_door, watch));
            break;
        case IPC_WATCH_END:
            ipc_end_read(UTIL_CONTAINER(what, struct ipc_end, watch));
            break;
        case IPC_WATCH_LOOKUP:
            ipc_lookup_read(UTIL_CONTAINER(what, struct ipc_lookup, watch));
            break;
        case IPC_WATCH_KICK:
            r = read(engine()->kick_fd, &kicks, sizeof kicks);
            (void)r;
            pass_on_kick();
            break;
        }
    }
}

/* Takes whatever epoll has without waiting. True if there was anything. */
static bool look(void)
{
    struct epoll_event events[ENGINE_EVENTS];
    bool any = false;
    int count;
    do {
        count = epoll_wait(engine()->epoll_fd, events, ENGINE_EVENTS, 0);
        ipc_engine_dispatch(events, count > 0 ? count : 0);
        any |= count > 0;
    } while (count == ENGINE_EVENTS);
    engine()->polls = 0;
    engine()->yielded = false;
    engine()->looked = engine()->now = os_clock_now();
    return any;
}

/* Those that were short of descriptors try again. */
static void retry_starved(void)
{
    engine()->starved = false;
    UTIL_LIST_EACH(at, after, &ipc_task.channels)
    {
        struct wire_channel *channel = UTIL_CONTAINER(at, struct wire_channel, in_task);
        if (channel->starved)
            channel_event(channel, false);
    }
    ipc_end_read_all();
}

/* Every ring to its end. Reading one may close it or others: then from the start, past those that
 * this sweep has seen. */
static bool read_all_rings(void)
{
    bool any = false;
    uint64_t sweep = ++engine()->sweep;
    struct util_link *at = ipc_task.channels.next;
    while (at != &ipc_task.channels) {
        struct wire_channel *channel = wire_channel_ref(
            UTIL_CONTAINER(at, struct wire_channel, in_task));
        if (channel->seen != sweep) {
            channel->seen = sweep;
            any |= read_ring(channel, ENGINE_WHOLE);
        }
        at = channel->closed ? ipc_task.channels.next : channel->in_task.next;
        wire_channel_unref(channel);
    }
    return any;
}

/* The channels that a pass reads, referenced: all, while there are few, otherwise the hot ones. What
 * comes in a ring that is not hot was published before its sender told anybody of it, and so before
 * what a hot ring holds in consequence. */
static unsigned polled_channels(struct wire_channel *ret_channels[ENGINE_HOT])
{
    unsigned count = 0;
    UTIL_LIST_EACH(at, after, &ipc_task.channels)
    {
        struct wire_channel *channel = UTIL_CONTAINER(at, struct wire_channel, in_task);
        if (count == ENGINE_HOT)
            return hot_channels(ret_channels);
        if (util_list_empty(&channel->hot) && util_id_is_none(channel->peer->id))
            continue; /* what it says in its socket comes first: who it is, and what was looked up */
        ret_channels[count++] = channel;
    }
    for (unsigned i = 0; i < count; i++)
        wire_channel_ref(ret_channels[i]);
    return count;
}

/* Which of them has the oldest entry; `count` if none has any. Looked at until the same comes out
 * twice: what was published before that entry has then been seen. */
static unsigned oldest(struct wire_channel *const *channels, unsigned count)
{
    unsigned found = count, before;
    do {
        before = found;
        found = count;
        for (unsigned i = 0; i < count; i++) {
            struct lane_in *in = &channels[i]->lane.in;
            if (channels[i]->closed || channels[i]->starved || !lane_peek_stamp(in))
                continue;
            if (found == count || in->stamp < channels[found]->lane.in.stamp)
                found = i;
        }
    } while (found != before && count > 1);
    return found;
}

/* Reads the rings that are polled, by the age of their entries, of each as many as may be read in one
 * pass: a forged stamp gains no more than that. True if there was anything. */
static bool read_polled(void)
{
    struct wire_channel *channels[ENGINE_HOT];
    unsigned taken[ENGINE_HOT] = {0}, count = polled_channels(channels), left = count;
    bool any = false;
    while (left) {
        unsigned at = oldest(channels, left);
        if (at == left)
            break;
        unsigned share = left > 1 ? 1 : ENGINE_BATCH - taken[at];
        bool read = read_ring(channels[at], share);
        any |= read;
        taken[at] += share;
        if (read && taken[at] < ENGINE_BATCH)
            continue;
        struct wire_channel *done = channels[at]; /* or its entry has to wait for others */
        left--;
        channels[at] = channels[left];
        taken[at] = taken[left];
        channels[left] = done;
    }
    for (unsigned i = 0; i < count; i++)
        wire_channel_unref(channels[i]);
    return any;
}

/* Whether there are rings that are not polled. */
static bool many_channels(void)
{
    unsigned count = 0;
    UTIL_LIST_EACH(at, after, &ipc_task.channels)
    {
        if (count++ == ENGINE_HOT)
            return true;
    }
    return false;
}

/* What that pass has found to be true: everything said before it began is known. */
static void judge(uint64_t finished)
{
    ipc_end_part(finished);
    ipc_grant_judge(finished);
}

/* One pass. Whole: everything there is; otherwise hot rings, and epoll now and then. */
bool ipc_engine_pass(bool whole, bool must_look)
{
    struct ipc_engine *e = engine();
    bool any = false;
    e->pass++;
    if (must_look || !e->now_is_new)
        e->now = os_clock_now();
    e->now_is_new = false;
    whole |= e->behind;
    e->behind = false;
    if (e->starved)
        retry_starved();
    if (e->yielded && many_channels())
        any |= look();
    any |= read_polled();
    /* who found nothing goes on to sleep, and hears of all there */
    if (whole || must_look ||
        (any && (++e->polls >= ENGINE_LOOK_PASSES || e->now - e->looked > ENGINE_LOOK)))
        any |= look();
    ipc_request_look();
    if (!whole)
        return any;
    any |= read_all_rings();
    if (!any)
        e->idle_pass = e->pass;
    if (ipc_riddle_waits(NULL))
        e->behind = true; /* and what stands behind such an entry has not been counted */
    else
        judge(e->pass);
    return any;
}

void ipc_engine_read_all(void)
{
    (void)ipc_engine_pass(true, true);
}

void ipc_engine_read_others(void)
{
    for (unsigned i = 0; engine()->depth == 0 && i < ENGINE_PUZZLE_PASSES && read_all_rings(); i++)
        ;
}

/* What was made amid reading is sent, and who waits for a word that can be said now hears it, which
 * reads in its turn. */
static void send_on(void)
{
    if (!util_list_empty(&ipc_task.posts))
        ipc_transit_flush();
    if (!ipc_task.asides)
        return;
    ipc_aside_answer();
    if (!util_list_empty(&ipc_task.posts))
        ipc_transit_flush();
}

/* Has waiting counts judged, as far as that is possible now, and sends what was made amid reading.
 * What goes down in the last of these passes waits on: nobody may sleep upon it. */
void ipc_engine_judge(void)
{
    for (unsigned i = 0; i < 4 && ipc_grant_waiting(); i++)
        ipc_engine_pass(true, true);
    send_on();
}

/* After a pass: entries that wait for others. */
static void settle(void)
{
    for (unsigned i = 0; engine()->behind && i < ENGINE_PUZZLE_PASSES; i++)
        (void)ipc_engine_pass(true, true);
}

void ipc_engine_poll(void)
{
    ipc_engine_pass(false, true);
    settle();
    ipc_engine_judge();
}

/* Nothing is left that only a further pass would do: the last thing to know before falling asleep. */
bool ipc_engine_settled(void)
{
    return arm_all() && !engine()->behind && !ipc_grant_waiting() && !ipc_aside_ready();
}

/* Nobody looks at hot rings, nor judges, while the leader sleeps or the program polls: that is all
 * done, or else the leader must get up, and the descriptors poll true. */
void ipc_engine_leave(void)
{
    struct ipc_engine *e = engine();
    send_on();
    if (!e->watched && !e->asleep)
        return; /* whoever waits next begins with a pass */
    for (unsigned i = 0; i < LEAVE_ROUNDS; i++) {
        ipc_engine_judge();
        if (ipc_engine_settled())
            return;
    }
    ipc_engine_signal(e->kick_fd);
}

void ipc_engine_catch_up(void)
{
    if (engine()->epoll_fd < 0)
        return;
    ipc_engine_poll();
    ipc_engine_leave();
}

int ipc_engine_expose(void)
{
    engine()->watched = true;
    ipc_engine_leave();
    return 0;
}
