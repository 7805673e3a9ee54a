/* See ipc_riddle.h. */
#include "ipc/ipc_riddle.h"

#include "ipc/ipc_engine.h"
#include "ipc/ipc_port.h"
#include "ipc/ipc_task.h"
#include "os/os_clock.h"
#include "wire/wire_channel.h"

#define GRAVES 1024

static struct { /* a forked child may keep them: ids are never used again */
    struct util_id ids[GRAVES];
    unsigned next;
} graves;

void ipc_riddle_bury(struct util_id id)
{
    graves.ids[graves.next++ % GRAVES] = id;
}

bool ipc_riddle_buried(struct util_id id)
{
    for (unsigned i = 0; i < GRAVES; i++) {
        if (util_id_equal(graves.ids[i], id))
            return true;
    }
    return false;
}

bool ipc_riddle_is(struct util_id id)
{
    const struct ipc_port *port = ipc_port_find(id);
    return port ? port->place == IPC_REMOTE : !ipc_riddle_buried(id);
}

bool ipc_riddle_is_right(struct util_id id)
{
    const struct ipc_port *port = ipc_port_find(id);
    return ipc_riddle_is(id) && !(port && port->moved);
}

bool ipc_riddle_waits(const struct ipc_peer *peer)
{
    UTIL_LIST_EACH(at, after, &ipc_task.channels)
    {
        const struct wire_channel *channel = UTIL_CONTAINER(at, struct wire_channel, in_task);
        if (channel->puzzled && (!peer || channel->peer == peer))
            return true;
    }
    return false;
}

/* When the riddle was said; of an end that stands for something, no later than what followed it. */
static uint64_t said_at(struct wire_channel *channel)
{
    struct lane_in *in = &channel->lane.in;
    uint64_t latest = (uint64_t)channel->puzzled_at;
    return !channel->stands || (lane_peek_stamp(in) && in->stamp < latest) ? in->stamp : latest;
}

/* Another riddle was said before this one: what explains this one may stand behind that, but not
 * the other way round, since a port is moved before anybody speaks of it as moved. */
static bool another_first(struct wire_channel *channel)
{
    bool first = false;
    uint64_t at = said_at(channel);
    UTIL_LIST_EACH(link, after, &ipc_task.channels)
    {
        struct wire_channel *other = UTIL_CONTAINER(link, struct wire_channel, in_task);
        first |= other != channel && other->puzzled && said_at(other) < at;
    }
    return first;
}

bool ipc_engine_puzzled(struct wire_channel *channel)
{
    struct ipc_engine *e = &ipc_task.engine;
    if (!channel->puzzled) {
        channel->puzzled = e->pass + 1;
        channel->puzzled_at = os_clock_now();
    }
    bool tired = e->pass > channel->puzzled + ENGINE_PUZZLE_PASSES &&
                 os_clock_now() - channel->puzzled_at > ENGINE_PUZZLE_TIME;
    if (!tired && (e->idle_pass < channel->puzzled || another_first(channel))) {
        e->behind = true;
        return true;
    }
    UTIL_LIST_EACH(at, after, &ipc_task.channels)
    {
        struct wire_channel *other = UTIL_CONTAINER(at, struct wire_channel, in_task);
        if (other->puzzled && other != channel)
            other->puzzled = e->pass + 1;
    }
    return false;
}
