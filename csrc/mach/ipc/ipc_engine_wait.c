/* See ipc_engine.h: waiting, that is leading, spinning, sleeping and following, and being woken. */
#include "ipc/ipc_engine_pass.h"
#include "ipc/ipc_task.h"
#include "os/os_clock.h"
#include "wire/wire_channel.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define ENGINE_SPIN 20000              /* ns, at most */
#define ENGINE_SPIN_LEAST 2000         /* less is not worth the trouble */
#define ENGINE_SPIN_TURNS 16           /* turns between looks at the clock */
#define ENGINE_SPIN_WORTH 100000       /* ns: who was woken sooner might have spun as well */
#define ENGINE_ALONE 400               /* ns: a yield that took less ran nobody else */
#define ENGINE_CROWDED 100000          /* ns: one that took more ran somebody who is not the peer */
#define ENGINE_CROWDED_FIRST 100000000 /* ns without yielding after that, doubled ... */
#define ENGINE_CROWDED_LAST 3200000000 /* ... up to this */
#define ENGINE_STARVED_MS 10           /* how often a task short of descriptors tries again */

static struct ipc_engine *engine(void)
{
    return &ipc_task.engine;
}

void ipc_engine_signal(int fd)
{
    uint64_t one = 1;
    ssize_t r = write(fd, &one, sizeof one);
    (void)r; /* full means signalled already */
}

static void wake(struct ipc_waiter *waiter)
{
    waiter->ready = true;
    util_list_remove(&waiter->link);
    if (waiter == engine()->leader) {
        if (engine()->asleep)
            ipc_engine_signal(engine()->kick_fd);
    } else if (waiter->event_fd >= 0) {
        ipc_engine_signal(waiter->event_fd);
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

/* Whether a hot ring has something to read; otherwise whether one of them is written to on another
 * processor than this. */
static bool any_ready(uint32_t cpu, bool *ret_elsewhere)
{
    *ret_elsewhere = false;
    UTIL_LIST_EACH(at, after, &engine()->hot)
    {
        struct wire_channel *channel = UTIL_CONTAINER(at, struct wire_channel, hot);
        if (!channel->starved && lane_ready(&channel->lane.in))
            return true;
        *ret_elsewhere |= lane_peer_cpu(&channel->lane.in) != cpu;
    }
    return false;
}

/* The peer needs this very processor: it gets it. False: nobody took it, or somebody kept it who
 * has nothing to do with us, and then yielding is not tried again for a while. */
static bool yield_to_peer(void)
{
    struct ipc_engine *e = engine();
    int64_t from = os_clock_now();
    if (from < e->crowded)
        return false;
    ipc_task_unlock();
    sched_yield();
    ipc_task_lock();
    int64_t now = e->now = os_clock_now(), took = now - from;
    e->yielded = true;
    if (took < ENGINE_CROWDED)
        return took > ENGINE_ALONE;
    bool long_ago = from - e->crowded > ENGINE_CROWDED_LAST;
    e->crowding = e->crowding && !long_ago ? e->crowding * 2 : ENGINE_CROWDED_FIRST;
    if (e->crowding > ENGINE_CROWDED_LAST)
        e->crowding = ENGINE_CROWDED_LAST;
    e->crowded = now + e->crowding;
    return false;
}

/* Polls hot rings for as long as that has paid off lately. True: there is something. The lock is
 * held, but given up as soon as another thread wants it. */
static bool spin(const struct ipc_waiter *self)
{
    struct ipc_engine *e = engine();
    uint32_t cpu = (uint32_t)sched_getcpu();
    int64_t until = e->now + e->budget;
    bool elsewhere, found = false;
    if (!e->budget || !e->hot_count)
        return false;
    if (e->rang) /* the kernel likes to wake the other one here, and there it is when it sleeps */
        (void)yield_to_peer();
    e->rang = false;
    for (unsigned turn = 0;; turn++) {
        found = any_ready(cpu, &elsewhere) || self->ready;
        if (found || !(elsewhere ? e->many_cpus : yield_to_peer()))
            break;
        if (turn % ENGINE_SPIN_TURNS == ENGINE_SPIN_TURNS - 1) {
            e->now = os_clock_now();
            if (e->now >= until)
                break;
        }
        os_clock_relax();
        ipc_task_yield();
    }
    e->now_is_new = true;
    e->budget = found ? ENGINE_SPIN : e->budget / 2 < ENGINE_SPIN_LEAST ? 0 : e->budget / 2;
    return found;
}

/* Sleeps until something happens. 0, -ETIMEDOUT or -EINTR. */
static int sleep_in_epoll(int64_t deadline)
{
    struct ipc_engine *e = engine();
    struct epoll_event events[ENGINE_EVENTS];
    int left = os_clock_left(deadline);
    if (e->starved && (left < 0 || left > ENGINE_STARVED_MS))
        left = ENGINE_STARVED_MS;
    int64_t from = os_clock_now();
    e->asleep = true;
    ipc_task_unlock();
    int count = epoll_wait(e->epoll_fd, events, ENGINE_EVENTS, left);
    int error = count < 0 ? errno : 0;
    if (error && error != EINTR) /* the program closed all descriptors it did not know of */
        (void)poll(NULL, 0, left < 0 || left > ENGINE_STARVED_MS ? ENGINE_STARVED_MS : left);
    ipc_task_lock();
    e->asleep = false;
    e->looked = e->now = os_clock_now();
    if (count > 0 && e->looked - from < ENGINE_SPIN_WORTH)
        e->budget = ENGINE_SPIN;
    if (count > 0) {
        ipc_engine_dispatch(events, count);
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
        bool any = ipc_engine_pass(false, false);
        ipc_engine_judge();
        if (!any && !waiter->ready && !engine()->behind && !spin(waiter) && ipc_engine_settled() &&
            !waiter->ready)
            r = sleep_in_epoll(deadline);
        else if (!waiter->ready && os_clock_left(deadline) == 0) /* busy for others all the time */
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
            ipc_engine_signal(next->event_fd);
    }
    return waiter->ready ? 0 : r;
}
