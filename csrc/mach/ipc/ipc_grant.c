/* See ipc_grant.h. */
#include "ipc/ipc_grant.h"

#include "ipc/ipc_notify.h"
#include "ipc/ipc_peer.h"
#include "ipc/ipc_port.h"
#include "ipc/ipc_request.h"
#include "ipc/ipc_task.h"

#include <errno.h>
#include <stdlib.h>

static struct ipc_grant *find(const struct ipc_grants *grants, const struct ipc_peer *peer)
{
    for (uint32_t i = 0; i < grants->used; i++) {
        if (grants->list[i].peer == peer)
            return &grants->list[i];
    }
    return NULL;
}

static void remove_at(struct ipc_grants *grants, struct ipc_grant *grant)
{
    grant->peer->listed--;
    *grant = grants->list[--grants->used];
}

static int grow(struct ipc_grants *grants)
{
    uint32_t size = grants->size ? grants->size * 2 : 2;
    struct ipc_grant *list = realloc(grants->list, size * sizeof *list);
    if (!list)
        return -ENOMEM;
    grants->list = list;
    grants->size = size;
    return 0;
}

int ipc_grants_make_room(struct ipc_grants *grants, const struct ipc_peer *peer)
{
    return grants->used < grants->size || find(grants, peer) ? 0 : grow(grants);
}

int ipc_grants_add(struct ipc_grants *grants, struct ipc_peer *peer, int64_t by)
{
    struct ipc_grant *grant = find(grants, peer);
    if (grant) {
        grant->count += by;
        grant->tombed = grant->tombed && by < 0;
        grant->mover = grant->mover && by < 0;
        if (grant->count == 0)
            remove_at(grants, grant);
        return 0;
    }
    if (by == 0)
        return 0;
    if (grants->used == grants->size && grow(grants) < 0)
        return -ENOMEM;
    grants->list[grants->used++] = (struct ipc_grant){.peer = peer, .count = by};
    peer->listed++;
    return 0;
}

int ipc_grants_add_mover(struct ipc_grants *grants, struct ipc_peer *peer, bool senders)
{
    int r = ipc_grants_add(grants, peer, 1);
    struct ipc_grant *grant = r == 0 ? find(grants, peer) : NULL;
    if (grant)
        grant->mover = !senders && grant->count == 1;
    return r;
}

bool ipc_grants_is_mover(const struct ipc_grants *grants, const struct ipc_peer *peer)
{
    const struct ipc_grant *grant = find(grants, peer);
    return grant && grant->mover;
}

void ipc_grants_tombed(struct ipc_grants *grants, const struct ipc_peer *peer, uint64_t count)
{
    struct ipc_grant *grant = find(grants, peer);
    if (grant && grant->count == (int64_t)count)
        grant->tombed = true;
}

int64_t ipc_grants_of(const struct ipc_grants *grants, const struct ipc_peer *peer)
{
    struct ipc_grant *grant = find(grants, peer);
    return grant ? grant->count : 0;
}

int64_t ipc_grants_take(struct ipc_grants *grants, const struct ipc_peer *peer)
{
    struct ipc_grant *grant = find(grants, peer);
    if (!grant)
        return 0;
    int64_t count = grant->count;
    remove_at(grants, grant);
    return count;
}

void ipc_grants_merge(struct ipc_grants *grants, const struct ipc_peer *from, struct ipc_peer *to)
{
    struct ipc_grant *grant = find(grants, from);
    if (!grant)
        return;
    int64_t count = grant->count;
    remove_at(grants, grant); /* makes room, so the add cannot fail */
    (void)ipc_grants_add(grants, to, count);
}

void ipc_grants_clear(struct ipc_grants *grants)
{
    while (grants->used)
        remove_at(grants, &grants->list[0]);
}

void ipc_grants_give_back(struct ipc_grants *grants, struct ipc_grants *take_empty)
{
    if (!grants->list)
        *grants = *take_empty;
    else
        free(take_empty->list);
    *take_empty = (struct ipc_grants){0};
}

void ipc_grants_deinit(struct ipc_grants *grants)
{
    ipc_grants_clear(grants);
    free(grants->list);
    *grants = (struct ipc_grants){0};
}

bool ipc_grant_none(const struct ipc_port *port)
{
    bool none = port->local == 0 && port->pending == 0;
    for (uint32_t i = 0; none && i < port->grants.used; i++)
        none = port->grants.list[i].tombed;
    return none;
}

uint64_t ipc_grant_total(const struct ipc_port *port)
{
    uint64_t total = port->local + (uint64_t)port->pending;
    for (uint32_t i = 0; i < port->grants.used; i++)
        total += port->grants.list[i].count > 0 ? (uint64_t)port->grants.list[i].count : 0;
    return total;
}

void ipc_grant_dropped(struct ipc_port *port)
{
    port->had_senders = true;
    ipc_grant_settled(port);
}

void ipc_grant_settled(struct ipc_port *port)
{
    if (port->place != IPC_OWN || !ipc_grant_none(port))
        return;
    port->last_drop = ipc_task.engine.pass;
    if (util_list_empty(&port->judge))
        util_list_append(&ipc_task.judge, &port->judge);
}

void ipc_grant_judge(uint64_t finished_pass)
{
    UTIL_LIST_EACH(at, after, &ipc_task.judge)
    {
        struct ipc_port *port = UTIL_CONTAINER(at, struct ipc_port, judge);
        if (port->place == IPC_OWN && port->last_drop >= finished_pass)
            continue;
        util_list_remove(at);
        if (port->place != IPC_OWN || !ipc_grant_none(port))
            continue;
        bool had_senders = port->had_senders;
        port->had_senders = false;
        if (port->kind == IPC_ONCE)
            ipc_notify_send_once(port);
        else if (had_senders)
            ipc_request_no_senders(port);
    }
}

bool ipc_grant_waiting(void)
{
    return !util_list_empty(&ipc_task.judge);
}
