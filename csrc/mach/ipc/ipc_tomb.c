/* See ipc_tomb.h. */
#include "ipc/ipc_tomb.h"

#include "ipc/ipc_peer.h"
#include "ipc/ipc_port.h"

#include <stdlib.h>

struct ipc_tomb {
    struct util_link link; /* in the peer's list */
    uint64_t serial;       /* what MOVED bears */
    uint32_t count;
    struct ipc_port *ports[]; /* carried */
};

static struct ipc_tomb *tomb_at(struct util_link *at)
{
    return UTIL_CONTAINER(at, struct ipc_tomb, link);
}

struct ipc_tomb *ipc_tomb_new(uint32_t count)
{
    struct ipc_tomb *tomb = malloc(sizeof *tomb + count * sizeof(struct ipc_port *));
    if (tomb)
        tomb->count = count;
    return tomb;
}

void ipc_tomb_free(struct ipc_tomb *tomb)
{
    free(tomb);
}

void ipc_tomb_add(struct ipc_peer *peer, uint64_t serial, struct ipc_port *const *ports,
                  struct ipc_tomb *take_tomb)
{
    util_list_init(&take_tomb->link);
    take_tomb->serial = serial;
    for (uint32_t i = 0; i < take_tomb->count; i++) {
        take_tomb->ports[i] = ipc_port_carry(ports[i]);
        ports[i]->tombs++;
    }
    util_list_append(&peer->tombs, &take_tomb->link);
}

static void lift(struct ipc_tomb *tomb)
{
    util_list_remove(&tomb->link);
    for (uint32_t i = 0; i < tomb->count; i++) {
        tomb->ports[i]->tombs--;
        ipc_port_drop(tomb->ports[i]);
    }
    free(tomb);
}

void ipc_tomb_lift(struct ipc_peer *peer, uint64_t serial)
{
    UTIL_LIST_EACH(at, after, &peer->tombs)
    {
        if (tomb_at(at)->serial <= serial)
            lift(tomb_at(at));
    }
}

void ipc_tomb_lift_all(struct ipc_peer *peer)
{
    ipc_tomb_lift(peer, UINT64_MAX);
}

void ipc_tomb_merge(struct ipc_peer *from, struct ipc_peer *to)
{
    UTIL_LIST_EACH(at, after, &from->tombs)
    {
        util_list_remove(at);
        util_list_append(&to->tombs, at);
    }
}

bool ipc_tomb_has(const struct ipc_peer *peer, struct util_id id)
{
    UTIL_LIST_EACH(at, after, &peer->tombs)
    {
        const struct ipc_tomb *tomb = tomb_at(at);
        for (uint32_t i = 0; i < tomb->count; i++) {
            if (util_id_equal(tomb->ports[i]->node.id, id))
                return true;
        }
    }
    return false;
}
