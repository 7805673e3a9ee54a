/* See ipc_pset.h. */
#include "ipc/ipc_pset.h"

#include "ipc/ipc_engine.h"
#include "ipc/ipc_mqueue.h"
#include "ipc/ipc_port.h"

#include <errno.h>
#include <stdlib.h>

static struct ipc_member *in_set(struct util_link *at)
{
    return UTIL_CONTAINER(at, struct ipc_member, in_set);
}

static struct ipc_member *in_port(struct util_link *at)
{
    return UTIL_CONTAINER(at, struct ipc_member, in_port);
}

static struct ipc_member *find(const struct ipc_port *set, const struct ipc_port *port)
{
    UTIL_LIST_EACH(at, after, &port->sets)
    {
        if (in_port(at)->set == set)
            return in_port(at);
    }
    return NULL;
}

bool ipc_pset_has(const struct ipc_port *set, const struct ipc_port *port)
{
    return find(set, port) != NULL;
}

int ipc_pset_add(struct ipc_port *set, struct ipc_port *port)
{
    struct ipc_member *member = calloc(1, sizeof *member);
    if (!member)
        return -ENOMEM;
    member->set = set;
    member->port = port;
    util_list_append(&set->sets, &member->in_set);
    util_list_append(&port->sets, &member->in_port);
    ipc_mqueue_count(set, (int32_t)port->queued);
    if (port->queued)
        ipc_engine_wake_first(&set->receivers);
    return 0;
}

static void drop(struct ipc_member *member)
{
    util_list_remove(&member->in_set);
    util_list_remove(&member->in_port);
    ipc_mqueue_count(member->set, -(int32_t)member->port->queued);
    free(member);
}

bool ipc_pset_remove(struct ipc_port *set, struct ipc_port *port)
{
    struct ipc_member *member = find(set, port);
    if (member)
        drop(member);
    return member != NULL;
}

void ipc_pset_remove_from_all(struct ipc_port *port)
{
    while (!util_list_empty(&port->sets))
        drop(in_port(port->sets.next));
}

void ipc_pset_remove_all(struct ipc_port *set)
{
    while (!util_list_empty(&set->sets))
        drop(in_set(set->sets.next));
}

unsigned ipc_pset_size(const struct ipc_port *set)
{
    unsigned size = 0;
    UTIL_LIST_EACH(at, after, &set->sets) size++;
    return size;
}

struct ipc_port *ipc_pset_pick(struct ipc_port *set)
{
    UTIL_LIST_EACH(at, after, &set->sets)
    {
        struct ipc_port *port = in_set(at)->port;
        if (!port->queued)
            continue;
        util_list_remove(at);
        util_list_append(&set->sets, at);
        return port;
    }
    return NULL;
}

void ipc_pset_filed(struct ipc_port *port)
{
    UTIL_LIST_EACH(at, after, &port->sets) ipc_mqueue_count(in_port(at)->set, 1);
}

void ipc_pset_taken(struct ipc_port *port)
{
    UTIL_LIST_EACH(at, after, &port->sets) ipc_mqueue_count(in_port(at)->set, -1);
}

void ipc_pset_wake(struct ipc_port *port)
{
    UTIL_LIST_EACH(at, after, &port->sets)
    {
        struct ipc_port *set = in_port(at)->set;
        if (util_list_empty(&set->receivers))
            continue;
        ipc_engine_wake_first(&set->receivers);
        return;
    }
}

void ipc_pset_starved(struct ipc_port *port, bool starved)
{
    UTIL_LIST_EACH(at, after, &port->sets)
    {
        in_port(at)->set->starved = starved;
        if (starved)
            ipc_engine_wake_all(&in_port(at)->set->receivers);
    }
}
