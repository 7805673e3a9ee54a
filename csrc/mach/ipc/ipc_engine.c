/* See ipc_engine.h. */
#include "ipc/ipc_engine.h"

#include "ipc/ipc_door.h"
#include "ipc/ipc_grant.h"
#include "ipc/ipc_lookup.h"
#include "ipc/ipc_peer.h"
#include "ipc/ipc_request.h"
#include "ipc/ipc_riddle.h"
#include "ipc/ipc_task.h"
#include "ipc/ipc_transit.h"
#include "os/os_clock.h"
#include "wire/wire_channel.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define ENGINE_HOT 8          /* rings polled at every pass */
#define ENGINE_SPIN 20000     /* ns */
#define ENGINE_LOOK 50000     /* ns between looks at epoll while rings are hot */
#define ENGINE_LOOK_PASSES 16 /* passes between them */
#define ENGINE_BATCH 16       /* entries of one ring in one pass, so that none starves others */
#define ENGINE_WHOLE 65536    /* the same in a whole pass: more than a ring can hold honestly */
#define ENGINE_STARVED_MS 10  /* how often a task short of descriptors tries again */
#define ENGINE_EVENTS 32
#define LEAVE_ROUNDS 4 /* attempts to leave nothing behind, before somebody else is asked to */

static struct ipc_engine *engine(void)
{
    return &ipc_task.engine;
}

static void signal_event(int fd)
{
    uint64_t one = 1;
    ssize_t r = write(fd, &one, sizeof one);
    (void)r; /* full means signalled already */
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
    bool stood = channel->stands && ipc_end_read_stands(channel);
    unsigned count = 0;
    while (count < limit && !channel->closed && !channel->broken && !channel->stands) {
        uint16_t kind;
        const void *payload;
        size_t size;
        int r = lane_peek(&channel->lane.in, &kind, &payload, &size);
        if (r == 0)
            break;
        if (r > 0) {
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
        channel->heard = os_clock_now();
    if (count && !channel->closed && lane_room_wanted(&channel->lane.in))
        wire_channel_ring(channel);
    engine()->traffic |= count > 0;
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
            (!channel->stands && !lane_arm(&channel->lane.in))) {
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
        signal_event(e->kick_fd);
}

static void dispatch(const struct epoll_event *events, int count)
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
        dispatch(events, count > 0 ? count : 0);
        any |= count > 0;
    } while (count == ENGINE_EVENTS);
    engine()->polls = 0;
    engine()->looked = os_clock_now();
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

/* One pass. Whole: everything there is; otherwise hot rings, and epoll now and then. */
static bool pass(bool whole, bool must_look)
{
    struct ipc_engine *e = engine();
    bool any = false;
    e->pass++;
    whole |= e->behind;
    e->behind = false;
    if (e->starved)
        retry_starved();
    struct wire_channel *hot[ENGINE_HOT];
    unsigned count = hot_channels(hot);
    for (unsigned i = 0; i < count; i++) {
        any |= read_ring(hot[i], ENGINE_BATCH);
        wire_channel_unref(hot[i]);
    }
    if (whole || must_look || ++e->polls >= ENGINE_LOOK_PASSES ||
        os_clock_now() - e->looked > ENGINE_LOOK)
        any |= look();
    ipc_request_look();
    if (!whole)
        return any;
    any |= read_all_rings();
    bool stuck = e->stuck == e->pass;
    if (!any && !stuck)
        e->idle_pass = e->pass;
    if (stuck || ipc_riddle_waits(NULL))
        e->behind = true; /* and what stands behind such an entry has not been counted */
    else
        ipc_grant_judge(e->pass);
    return any;
}

void ipc_engine_read_all(void)
{
    (void)pass(true, true);
}

void ipc_engine_read_others(void)
{
    for (unsigned i = 0; engine()->depth == 0 && i < ENGINE_PUZZLE_PASSES && read_all_rings(); i++)
        ;
}

/* Has waiting counts judged, as far as that is possible now, and sends what was made amid reading.
 * What goes down in the last of these passes waits on: nobody may sleep upon it. */
static void judge(void)
{
    for (unsigned i = 0; i < 4 && ipc_grant_waiting(); i++)
        pass(true, true);
    if (!util_list_empty(&ipc_task.posts))
        ipc_transit_flush();
}

/* After a pass: entries that wait for others. */
static void settle(void)
{
    for (unsigned i = 0; engine()->behind && i < ENGINE_PUZZLE_PASSES; i++)
        (void)pass(true, true);
}

void ipc_engine_poll(void)
{
    pass(false, true);
    settle();
    judge();
}

/* Nothing is left that only a further pass would do: the last thing to know before falling asleep. */
static bool settled(void)
{
    return arm_all() && !engine()->behind && !ipc_grant_waiting();
}

/* Nobody looks at hot rings, nor judges, while the leader sleeps or the program polls: that is all
 * done, or else the leader must get up, and the descriptors poll true. */
void ipc_engine_leave(void)
{
    struct ipc_engine *e = engine();
    if (!util_list_empty(&ipc_task.posts))
        ipc_transit_flush();
    if (!e->watched && !e->asleep)
        return; /* whoever waits next begins with a pass */
    for (unsigned i = 0; i < LEAVE_ROUNDS; i++) {
        judge();
        if (settled())
            return;
    }
    signal_event(e->kick_fd);
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

/* ---- waiting ----------------------------------------------------------------------------- */

static void wake(struct ipc_waiter *waiter)
{
    waiter->ready = true;
    util_list_remove(&waiter->link);
    if (waiter == engine()->leader) {
        if (engine()->asleep)
            signal_event(engine()->kick_fd);
    } else if (waiter->event_fd >= 0) {
        signal_event(waiter->event_fd);
    }
}

void ipc_engine_wake_all(struct util_link *waiters)
{
    while (!util_list_empty(waiters))
        wake(UTIL_CONTAINER(util_list_first(waiters), struct ipc_waiter, link));
}

void ipc_engine_wake_first(struct util_link *waiters)
{
    if (!util_list_empty(waiters))
        wake(UTIL_CONTAINER(util_list_first(waiters), struct ipc_waiter, link));
}

/* Polls hot rings for a moment before sleeping. True: there is something. The lock is held, but
 * given up as soon as another thread wants it. */
static bool spin(const struct ipc_waiter *self)
{
    struct ipc_engine *e = engine();
    if (!e->many_cpus || !e->traffic || !e->hot_count)
        return false;
    uint32_t cpu = (uint32_t)sched_getcpu();
    int64_t until = os_clock_now() + ENGINE_SPIN;
    do {
        bool elsewhere = false;
        UTIL_LIST_EACH(at, after, &e->hot)
        {
            struct wire_channel *channel = UTIL_CONTAINER(at, struct wire_channel, hot);
            if (!channel->starved && lane_ready(&channel->lane.in))
                return true;
            elsewhere |= lane_peer_cpu(&channel->lane.in) != cpu;
        }
        if (!elsewhere)
            break; /* the peer needs this very processor to answer */
        for (unsigned i = 0; i < 16; i++)
            os_clock_relax();
        ipc_task_yield();
        if (self->ready)
            return true;
    } while (os_clock_now() < until);
    e->traffic = false;
    return false;
}

/* Sleeps until something happens. 0, -ETIMEDOUT or -EINTR. */
static int sleep_in_epoll(int64_t deadline)
{
    struct ipc_engine *e = engine();
    struct epoll_event events[ENGINE_EVENTS];
    int left = os_clock_left(deadline);
    if (e->starved && (left < 0 || left > ENGINE_STARVED_MS))
        left = ENGINE_STARVED_MS;
    e->asleep = true;
    ipc_task_unlock();
    int count = epoll_wait(e->epoll_fd, events, ENGINE_EVENTS, left);
    int error = count < 0 ? errno : 0;
    if (error && error != EINTR) /* the program closed all descriptors it did not know of */
        (void)poll(NULL, 0, left < 0 || left > ENGINE_STARVED_MS ? ENGINE_STARVED_MS : left);
    ipc_task_lock();
    e->asleep = false;
    e->traffic = true;
    e->looked = os_clock_now();
    if (count > 0) {
        dispatch(events, count);
        return 0;
    }
    if (error == EINTR)
        return -EINTR;
    return os_clock_left(deadline) == 0 ? -ETIMEDOUT : 0;
}

static int lead(struct ipc_waiter *waiter, int64_t deadline)
{
    int r = 0;
    engine()->leader = waiter;
    while (!waiter->ready && r == 0) {
        bool any = pass(false, false);
        judge();
        if (!any && !waiter->ready && !engine()->behind && !spin(waiter) && settled() &&
            !waiter->ready)
            r = sleep_in_epoll(deadline);
        else if (os_clock_left(deadline) == 0) /* busy for others all the time */
            r = -ETIMEDOUT;
    }
    engine()->leader = NULL;
    return r;
}

/* Sleeps while another thread leads. */
static int follow(struct ipc_waiter *waiter, int64_t deadline)
{
    int left = os_clock_left(deadline);
    ipc_engine_leave(); /* what this thread made hot, the sleeping leader does not know of */
    if (waiter->ready)
        return 0;
    waiter->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (waiter->event_fd < 0 && (left < 0 || left > ENGINE_STARVED_MS))
        left = ENGINE_STARVED_MS; /* no descriptor to be woken by: look now and then */
    struct pollfd poll_for = {.fd = waiter->event_fd, .events = POLLIN};
    util_list_append(&engine()->followers, &waiter->follow);
    ipc_task_unlock();
    int count = poll(&poll_for, 1, left);
    int error = count < 0 ? errno : 0;
    ipc_task_lock();
    util_list_remove(&waiter->follow);
    if (waiter->event_fd >= 0)
        close(waiter->event_fd);
    waiter->event_fd = -1;
    if (error)
        return error == EINTR ? -EINTR : 0;
    return count == 0 && os_clock_left(deadline) == 0 ? -ETIMEDOUT : 0;
}

int ipc_engine_wait(struct ipc_waiter *waiter, int64_t deadline)
{
    struct ipc_engine *e = engine();
    int r = 0;
    while (!waiter->ready && r == 0)
        r = e->leader ? follow(waiter, deadline) : lead(waiter, deadline);
    util_list_remove(&waiter->link);
    if (!e->leader && !util_list_empty(&e->followers)) { /* somebody else must lead now */
        struct ipc_waiter *next = UTIL_CONTAINER(util_list_first(&e->followers), struct ipc_waiter,
                                                 follow);
        if (next->event_fd >= 0)
            signal_event(next->event_fd);
    }
    return waiter->ready ? 0 : r;
}
