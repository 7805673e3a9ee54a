/* See ipc_port.h. */
#include "ipc/ipc_port.h"

#include "ipc/ipc_door.h"
#include "ipc/ipc_kmsg.h"
#include "ipc/ipc_mqueue.h"
#include "ipc/ipc_notify.h"
#include "ipc/ipc_peer.h"
#include "ipc/ipc_pset.h"
#include "ipc/ipc_riddle.h"
#include "ipc/ipc_right.h"
#include "ipc/ipc_task.h"
#include "vm/vm_entry.h"
#include "wire/wire_channel.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A request makes and ends a send-once right in either task, so a few structs are kept, each with the
 * list of its grants. Not where a sanitizer is to see who uses one that has ended. */
#if defined(__SANITIZE_ADDRESS__)
#define SPARE_MOST 0u
#else
#define SPARE_MOST 64u
#endif

static struct ipc_port *take_spare(void)
{
    struct util_idnode *node = ipc_task.spare;
    if (!node)
        return calloc(1, sizeof(struct ipc_port));
    struct ipc_port *port = UTIL_CONTAINER(node, struct ipc_port, node);
    struct ipc_grants grants = {.list = port->grants.list, .size = port->grants.size};
    ipc_task.spare = node->chain;
    ipc_task.spare_count--;
    memset(port, 0, sizeof *port);
    port->grants = grants;
    return port;
}

static void port_free(struct ipc_port *take_port)
{
    ipc_grants_clear(&take_port->grants);
    if (ipc_task.spare_count + 1 > SPARE_MOST || take_port->grants.size > 2) {
        ipc_grants_deinit(&take_port->grants);
        free(take_port);
        return;
    }
    take_port->node.chain = ipc_task.spare;
    ipc_task.spare = &take_port->node;
    ipc_task.spare_count++;
}

static struct ipc_port *port_alloc(enum ipc_kind kind, enum ipc_place place)
{
    struct ipc_port *port = take_spare();
    if (!port)
        return NULL;
    port->kind = (uint8_t)kind;
    port->place = (uint8_t)place;
    port->limit = MACH_PORT_QLIMIT_DEFAULT;
    port->event_fd = port->poll_fd = -1;
    util_list_init(&port->judge);
    util_list_init(&port->nonces);
    util_list_init(&port->aliases);
    util_list_init(&port->sets);
    util_list_init(&port->doomed);
    util_list_init(&port->queue);
    util_list_init(&port->receivers);
    util_list_init(&port->senders);
    return port;
}

/* Registers a new port under its id, or frees it. */
static struct ipc_port *port_enter(struct ipc_port *port, struct util_id id)
{
    if (!port)
        return NULL;
    port->node.id = id;
    if (util_idmap_insert(&ipc_task.ids, &port->node) < 0) {
        port_free(port);
        return NULL;
    }
    return port;
}

struct ipc_port *ipc_port_new(void)
{
    struct ipc_port *port = port_enter(port_alloc(IPC_PORT, IPC_OWN), util_id_new());
    if (port)
        port->refs = 1;
    return port;
}

struct ipc_port *ipc_port_new_once(struct ipc_port *target)
{
    struct ipc_port *once = port_enter(port_alloc(IPC_ONCE, IPC_OWN), util_id_new());
    if (!once)
        return NULL;
    once->refs = 2; /* the table's, and the carried right's */
    once->local = 1;
    once->target = ipc_port_ref(target);
    util_list_append(&target->nonces, &once->nonces);
    return once;
}

struct ipc_port *ipc_port_new_remote(struct util_id id, enum ipc_kind kind, struct ipc_peer *peer)
{
    struct ipc_port *port = port_enter(port_alloc(kind, IPC_REMOTE), id);
    if (!port)
        return NULL;
    port->peer = peer;
    peer->holds++;
    return port;
}

struct ipc_port *ipc_port_new_set(void)
{
    struct ipc_port *set = port_alloc(IPC_SET, IPC_OWN);
    if (set)
        set->refs = 1;
    return set;
}

struct ipc_port *ipc_port_new_entry(struct util_id id, struct vm_entry *take_entry)
{
    struct ipc_port *port = port_enter(port_alloc(IPC_PORT, IPC_SPECIAL),
                                       util_id_is_none(id) ? util_id_new() : id);
    if (!port) {
        vm_entry_unref(take_entry);
        return NULL;
    }
    port->entry = take_entry;
    port->refs = 1;
    return port;
}

struct ipc_port *ipc_port_new_special(void)
{
    struct ipc_port *port = port_alloc(IPC_PORT, IPC_SPECIAL);
    if (port)
        port->refs = 1;
    return port;
}

struct ipc_port *ipc_port_new_dead(void)
{
    struct ipc_port *port = port_alloc(IPC_PORT, IPC_DEAD);
    return port ? ipc_port_carry(port) : NULL;
}

struct ipc_port *ipc_port_find(struct util_id id)
{
    struct util_idnode *node = util_idmap_find(&ipc_task.ids, id);
    if (node)
        return UTIL_CONTAINER(node, struct ipc_port, node);
    node = util_idmap_find(&ipc_task.aliases, id);
    return node ? UTIL_CONTAINER(node, struct ipc_alias, node)->port : NULL;
}

int ipc_port_alias(struct ipc_port *port, struct util_id id)
{
    struct ipc_alias *alias = calloc(1, sizeof *alias);
    if (!alias)
        return -ENOMEM;
    alias->node.id = id;
    alias->port = port;
    int r = util_idmap_insert(&ipc_task.aliases, &alias->node);
    if (r < 0) {
        free(alias);
        return r;
    }
    util_list_append(&port->aliases, &alias->link);
    return 0;
}

void ipc_port_rename(struct ipc_port *port, struct util_id id)
{
    port->unanswered = false;
    if (ipc_port_find(id))
        return; /* known under another name already: this one keeps its alias (DIFFERENCES) */
    util_idmap_remove(&ipc_task.ids, &port->node);
    port->node.id = id;
    (void)util_idmap_insert(&ipc_task.ids, &port->node); /* the map has room: one just left */
}

static void free_aliases(struct ipc_port *port)
{
    UTIL_LIST_EACH(at, after, &port->aliases)
    {
        struct ipc_alias *alias = UTIL_CONTAINER(at, struct ipc_alias, link);
        util_list_remove(at);
        util_idmap_remove(&ipc_task.aliases, &alias->node);
        free(alias);
    }
}

/* A record of another's port gives up what it had to do with that. */
static void leave_owner(struct ipc_port *port)
{
    port->peer->holds--;
    port->peer = NULL;
    if (port->slot_channel) {
        wire_channel_slot_give(port->slot_channel, port->slot);
        ipc_engine_wake_all(&port->slot_channel->waiters); /* they look where it is now */
    }
    wire_channel_unref(port->slot_channel);
    port->slot_channel = NULL;
    ipc_grants_deinit(&port->grants);
}

struct ipc_port *ipc_port_arrive(struct util_id id, struct ipc_port *target, uint32_t limit)
{
    struct ipc_port *port = ipc_port_find(id);
    if (port)
        leave_owner(port);
    else
        port = port_enter(port_alloc(target ? IPC_ONCE : IPC_PORT, IPC_OWN), id);
    if (!port)
        return NULL;
    port->refs++; /* the receive right's, or the table's */
    port->hops++;
    port->place = IPC_OWN;
    port->limit = limit;
    port->moved = port->unanswered = port->brought = false;
    port->transit = port->arriving = !target;
    port->lent = true;
    if (target) {
        port->target = ipc_port_ref(target);
        util_list_append(&target->nonces, &port->nonces);
    }
    return port;
}

void ipc_port_become_remote(struct ipc_port *port, struct ipc_peer *owner)
{
    ipc_grants_deinit(&port->grants);
    util_list_remove(&port->judge);
    free_aliases(port);
    if (port->kind == IPC_ONCE) {
        util_list_remove(&port->nonces);
        ipc_port_unref(port->target);
        port->target = NULL;
    }
    port->hops++;
    port->place = IPC_REMOTE;
    port->moved = true;
    port->transit = false;
    port->carrier = NULL;
    port->peer = owner;
    owner->holds++;
    (void)ipc_grants_add(&port->grants, owner, 1); /* if not for memory, it is counted for ever */
    ipc_engine_wake_all(&port->senders);
    ipc_port_unref(port); /* the receive right's, or the table's */
}

struct ipc_port *ipc_port_ref(struct ipc_port *port)
{
    port->refs++;
    return port;
}

void ipc_port_unref(struct ipc_port *port)
{
    if (!port || --port->refs > 0)
        return;
    if (port->entry)
        util_idmap_remove(&ipc_task.ids, &port->node);
    vm_entry_unref(port->entry);
    wire_channel_unref(port->slot_channel);
    free(port->service);
    port_free(port);
}

/* A REMOTE port leaves the id table and its peer: dead, or no right to it is left here. */
static void leave_peer(struct ipc_port *port)
{
    util_idmap_remove(&ipc_task.ids, &port->node);
    port->place = IPC_DEAD;
    port->brought = false;
    port->peer->holds--;
    port->peer = NULL;
    if (port->slot_channel)
        wire_channel_slot_give(port->slot_channel, port->slot);
}

/* A remote port has died, or the last right of this task to it is gone: what was counted goes
 * back to whoever counted it. */
static void release(struct ipc_port *port)
{
    struct ipc_peer *owner = port->peer;
    leave_peer(port);
    struct ipc_grants grants = port->grants;
    port->grants = (struct ipc_grants){0};
    while (grants.used) {
        struct ipc_peer *peer = grants.list[0].peer;
        int64_t count = ipc_grants_take(&grants, peer);
        if (count > 0)
            ipc_peer_tell(peer, WIRE_RELEASE, port->node.id, (uint64_t)count);
        if (peer != owner)
            ipc_peer_maybe_bye(peer);
    }
    ipc_grants_give_back(&port->grants, &grants);
    ipc_peer_maybe_bye(owner);
}

struct ipc_port *ipc_port_carry(struct ipc_port *port)
{
    port->local++;
    return ipc_port_ref(port);
}

void ipc_port_drop(struct ipc_port *port)
{
    if (--port->local == 0) {
        if (port->place == IPC_OWN && port->kind == IPC_ONCE && !port->lent && ipc_grant_none(port))
            ipc_notify_send_once(port); /* it was the only one: nobody else can have it */
        else if (port->place == IPC_OWN)
            ipc_grant_dropped(port);
        else if (port->place == IPC_REMOTE)
            release(port);
    } else if (port->local == port->tombs && port->place == IPC_REMOTE) {
        int64_t count = ipc_grants_of(&port->grants, port->peer);
        ipc_peer_tell(port->peer, WIRE_TOMBED, port->node.id, (uint64_t)count);
    }
    ipc_port_unref(port);
}

static void tell_dead(const struct ipc_port *port, struct ipc_peer *peer)
{
    ipc_peer_tell(peer, WIRE_DEAD, port->node.id, 0);
    UTIL_LIST_EACH(at, after, &port->aliases)
    {
        ipc_peer_tell(peer, WIRE_DEAD, UTIL_CONTAINER(at, struct ipc_alias, link)->node.id, 0);
    }
}

/* An OWN port or nonce leaves the table; peers that hold rights to it are told. */
static void leave_table(struct ipc_port *port, bool tell)
{
    util_idmap_remove(&ipc_task.ids, &port->node);
    util_list_remove(&port->judge);
    port->place = IPC_DEAD;
    struct ipc_grants grants = port->grants;
    port->grants = (struct ipc_grants){0};
    while (grants.used) {
        struct ipc_peer *peer = grants.list[0].peer;
        ipc_grants_take(&grants, peer);
        if (tell)
            tell_dead(port, peer);
        ipc_peer_maybe_bye(peer);
    }
    if (tell)
        ipc_riddle_bury(port->node.id);
    ipc_grants_give_back(&port->grants, &grants);
    free_aliases(port);
}

void ipc_port_spend(struct ipc_port *once)
{
    leave_table(once, false);
    util_list_remove(&once->nonces);
    struct ipc_port *target = once->target;
    once->target = NULL;
    ipc_port_unref(target);
    ipc_port_unref(once); /* the table's */
}

/* A nonce whose port dies: dead names everywhere, no notification (S131). */
static void once_die(struct ipc_port *once)
{
    leave_table(once, true);
    ipc_right_died(once);
    util_list_remove(&once->nonces);
    ipc_port_unref(once->target);
    once->target = NULL;
    ipc_port_unref(once); /* the table's */
}

static void close_poll(struct ipc_port *port)
{
    if (port->poll_fd >= 0)
        close(port->poll_fd);
    if (port->event_fd >= 0)
        close(port->event_fd);
    port->poll_fd = port->event_fd = -1;
}

void ipc_port_forget(struct ipc_port *port)
{
    close_poll(port);
    vm_entry_unref(port->entry);
    port->entry = NULL;
    UTIL_LIST_EACH(at, after, &port->queue)
    {
        ipc_kmsg_free(UTIL_CONTAINER(at, struct ipc_kmsg, link));
    }
}

void ipc_port_clear_receiver(struct ipc_port *port)
{
    ipc_pset_remove_from_all(port);
    port->seqno = port->mscount = 0;
    port->context = 0;
    port->guarded = port->strict = port->immovable = false;
    port->moves++;
    port->transit = true;
    ipc_engine_wake_all(&port->receivers);
    close_poll(port);
}

/* A request that will not be met any more: its right ends as any other (S136). */
static void drop_request(struct ipc_port **request)
{
    struct ipc_port *once = *request;
    *request = NULL;
    if (once)
        ipc_port_drop(once);
}

/* Dies for good. Order: S138. */
static void destroy(struct ipc_port *port)
{
    leave_table(port, true);
    ipc_pset_remove_from_all(port);
    if (port->doors)
        ipc_door_close_all_of(port);
    ipc_mqueue_wake_all(port);
    while (!util_list_empty(&port->nonces))
        once_die(UTIL_CONTAINER(port->nonces.next, struct ipc_port, nonces));
    while (!util_list_empty(&port->queue)) {
        struct ipc_kmsg *kmsg = UTIL_CONTAINER(port->queue.next, struct ipc_kmsg, link);
        util_list_remove(&kmsg->link);
        ipc_kmsg_clean(kmsg);
    }
    port->queued = 0;
    drop_request(&port->no_senders);
    ipc_right_died(port);
    close_poll(port);
    ipc_port_unref(port); /* the receive right's */
}

/* A message in the queue of a port that dies may carry a receive right whose port dies with it, and
 * so on: they are taken one after the other, whatever their depth. */
void ipc_port_destroy(struct ipc_port *port)
{
    static struct util_link *doomed; /* of the outermost call; under the task lock */
    if (port->destroyed) {
        struct ipc_port *once = port->destroyed;
        port->destroyed = NULL;
        ipc_port_clear_receiver(port);
        ipc_notify_port_destroyed(once, port);
        return;
    }
    if (doomed) {
        util_list_append(doomed, &port->doomed);
        return;
    }
    struct util_link list;
    util_list_init(&list);
    doomed = &list;
    destroy(port);
    while (!util_list_empty(&list)) {
        struct ipc_port *next = UTIL_CONTAINER(list.next, struct ipc_port, doomed);
        util_list_remove(&next->doomed);
        destroy(next);
    }
    doomed = NULL;
}

void ipc_port_destroy_set(struct ipc_port *set)
{
    set->place = IPC_DEAD;
    ipc_pset_remove_all(set);
    ipc_engine_wake_all(&set->receivers);
    close_poll(set);
    ipc_port_unref(set);
}

void ipc_port_die(struct ipc_port *port)
{
    ipc_port_ref(port);
    release(port);
    if (port->doors)
        ipc_door_close_all_of(port);
    ipc_right_died(port);
    ipc_mqueue_wake_all(port);
    ipc_port_unref(port);
}
