/* See ipc_stand.h. */
#include "ipc/ipc_stand.h"

#include "ipc/ipc_grant.h"
#include "ipc/ipc_move.h"
#include "ipc/ipc_port.h"
#include "ipc/ipc_riddle.h"
#include "ipc/ipc_task.h"
#include "wire/wire_channel.h"

#include <errno.h>
#include <stdlib.h>

/* It stands for nothing any more. */
static void forget_stand(const struct ipc_stand *stand)
{
    struct ipc_port *port = stand->port;
    if (port && stand->moved) {
        ipc_port_drop(port);
    } else if (port) {
        port->pending--;
        ipc_grant_dropped(port);
        ipc_port_unref(port);
    }
}

void ipc_stand_forget(struct ipc_stand *take_stands, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        forget_stand(&take_stands[i]);
    free(take_stands);
}

/* HELLO was said before the peer knew of a move: what it claimed is not what the peer holds. An
 * acknowledgement may have been said before, on another channel; then that comes first. */
static bool is_tombed(const struct wire_channel *channel, const struct ipc_stand *stand)
{
    return ipc_move_tombed(channel, stand->id);
}

/* The peer holds a right to the port, and may know it by a name of its own. If GONE was said, and it
 * heard that, it gives the right back. */
static void give_right(struct wire_channel *channel, struct ipc_port *port)
{
    (void)ipc_grants_add(&port->grants, channel->peer, 1);
    if (!util_id_is_none(channel->stand_alias))
        (void)ipc_port_alias(port, channel->stand_alias);
}

static void take_out(struct wire_channel *channel, uint32_t i)
{
    struct ipc_stand stand = channel->stands[i];
    channel->stands[i] = channel->stands[--channel->stand_count];
    if (!channel->stand_count) {
        free(channel->stands);
        channel->stands = NULL;
    }
    forget_stand(&stand);
}

void ipc_stand_hand_on(struct wire_channel *channel, struct ipc_stand *take_stands, uint32_t count,
                       struct util_id alias)
{
    if (!count)
        return;
    channel->stands = take_stands;
    channel->stand_count = count;
    channel->stand_alias = alias;
    for (uint32_t i = channel->stand_count; i-- > 0;) {
        struct ipc_port *port = channel->stands[i].port;
        if (!port || port->place != IPC_OWN || is_tombed(channel, &channel->stands[i]))
            continue;
        give_right(channel, port);
        take_out(channel, i);
    }
}

void ipc_stand_resolve(struct wire_channel *channel, struct ipc_port *port)
{
    for (uint32_t i = channel->stand_count; i-- > 0;) {
        if (!util_id_equal(channel->stands[i].id, port->node.id) ||
            is_tombed(channel, &channel->stands[i]))
            continue;
        give_right(channel, port);
        take_out(channel, i);
        channel->puzzled = 0;
    }
}

/* The peer has a right to that port, or hears where it is, or that it is dead. 0; -EAGAIN: others may
 * tell where it is; -EMFILE. */
static int read_stand(struct wire_channel *channel, const struct ipc_stand *stand)
{
    struct util_id id = stand->id;
    struct ipc_port *port = ipc_port_find(id);
    if (is_tombed(channel, stand))
        return ipc_engine_puzzled(channel) ? -EAGAIN : 0;
    if (port && port->place == IPC_OWN) {
        give_right(channel, port);
        return 0;
    }
    if (ipc_riddle_is_right(id) && ipc_engine_puzzled(channel))
        return -EAGAIN;
    return ipc_move_late(channel->peer, port, id, channel->stand_alias);
}

bool ipc_stand_read(struct wire_channel *channel)
{
    uint32_t count = channel->stand_count;
    int r = 0;
    ipc_task.engine.depth++;
    while (channel->stands && r == 0) {
        r = read_stand(channel, &channel->stands[channel->stand_count - 1]);
        if (r == 0)
            take_out(channel, channel->stand_count - 1);
    }
    ipc_task.engine.depth--;
    if (r == -EMFILE)
        channel->starved = ipc_task.engine.starved = true;
    /* Not before: given up one after another, they do not explain each other. */
    if (!channel->stands)
        channel->puzzled = 0;
    return channel->stand_count < count;
}

void ipc_stand_forget_all(struct wire_channel *channel)
{
    struct ipc_stand *stands = channel->stands;
    uint32_t count = channel->stand_count;
    channel->stands = NULL;
    channel->stand_count = 0;
    ipc_stand_forget(stands, count);
}
