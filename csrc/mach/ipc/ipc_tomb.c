/* See ipc_tomb.h. */
#include "ipc/ipc_tomb.h"

#include "ipc/ipc_port.h"
#include "wire/wire_channel.h"

#include <stdlib.h>

struct tomb {
    struct util_link link; /* in the channel's list, oldest first */
    uint32_t cut;          /* the number that MOVED bears */
    uint32_t count;
    struct ipc_port *ports[]; /* carried */
};

void ipc_tomb_add(struct wire_channel *channel, struct ipc_port *const *ports, uint32_t count)
{
    if (count == 0)
        return;
    struct tomb *tomb = malloc(sizeof *tomb + count * sizeof(struct ipc_port *));
    if (!tomb) {
        channel->broken = true;
        return;
    }
    util_list_init(&tomb->link);
    tomb->cut = channel->cut + 1;
    tomb->count = count;
    for (uint32_t i = 0; i < count; i++) {
        tomb->ports[i] = ipc_port_carry(ports[i]);
        ports[i]->tombs++;
    }
    util_list_append(&channel->tombs, &tomb->link);
}

static void lift(struct tomb *tomb)
{
    util_list_remove(&tomb->link);
    for (uint32_t i = 0; i < tomb->count; i++) {
        tomb->ports[i]->tombs--;
        ipc_port_drop(tomb->ports[i]);
    }
    free(tomb);
}

void ipc_tomb_lift(struct wire_channel *channel, uint32_t cut)
{
    while (!util_list_empty(&channel->tombs)) {
        struct tomb *tomb = UTIL_CONTAINER(channel->tombs.next, struct tomb, link);
        if ((int32_t)(tomb->cut - cut) > 0)
            return;
        lift(tomb);
    }
}

void ipc_tomb_lift_all(struct wire_channel *channel)
{
    while (!util_list_empty(&channel->tombs))
        lift(UTIL_CONTAINER(channel->tombs.next, struct tomb, link));
}

bool ipc_tomb_has(const struct wire_channel *channel, struct util_id id)
{
    UTIL_LIST_EACH(at, after, &channel->tombs)
    {
        const struct tomb *tomb = UTIL_CONTAINER(at, struct tomb, link);
        for (uint32_t i = 0; i < tomb->count; i++) {
            if (util_id_equal(tomb->ports[i]->node.id, id))
                return true;
        }
    }
    return false;
}
