/* See ipc_lookup.h. */
#include "ipc/ipc_lookup.h"

#include "ipc/ipc_door.h"
#include "ipc/ipc_grant.h"
#include "ipc/ipc_peer.h"
#include "ipc/ipc_port.h"
#include "ipc/ipc_task.h"
#include "ipc/ipc_transit.h"
#include "ipc/ipc_way.h"
#include "os/os_clock.h"

#include <errno.h>
#include <servers/bootstrap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void ipc_lookup_read(struct ipc_lookup *lookup)
{
    struct os_received received;
    int r = os_receive(lookup->fd, &lookup->answer, sizeof lookup->answer, &received);
    if (r == -EAGAIN)
        return;
    if (r > 0)
        os_fd_close_all(received.fds, received.count);
    if (r == 0)
        r = -ECONNRESET;
    if (r > 0 && !received.has_credentials)
        r = -EBADMSG;
    if (r > 0 && (wire_datagram_check(&lookup->answer, received.size) < 0 ||
                  (lookup->answer.kind != WIRE_ANSWER && lookup->answer.kind != WIRE_REFUSED)))
        r = -EBADMSG;
    lookup->owner = received.credentials;
    lookup->result = r;
    ipc_engine_wake_all(&lookup->waiters);
}

static kern_return_t code_of(int error)
{
    switch (error) {
    case -ECONNREFUSED:
    case -ENOENT:
    case -ECONNRESET:
    case -EPIPE:
        return BOOTSTRAP_UNKNOWN_SERVICE;
    case -EACCES: /* the directory of names is another user's */
        return BOOTSTRAP_NOT_PRIVILEGED;
    default:
        return BOOTSTRAP_NO_MEMORY;
    }
}

/* Waits for the answer, a limited time. The fd stays the caller's. */
static int wait_for_answer(struct ipc_lookup *lookup)
{
    int64_t deadline = os_clock_after(IPC_LOOKUP_LIMIT);
    int r = ipc_engine_watch(lookup->fd, &lookup->watch);
    if (r < 0)
        return r;
    do {
        struct ipc_waiter waiter = {.event_fd = -1};
        util_list_init(&waiter.follow);
        util_list_append(&lookup->waiters, &waiter.link);
        r = ipc_engine_wait(&waiter, deadline);
    } while (lookup->result == 0 && r != -ETIMEDOUT);
    ipc_engine_unwatch(lookup->fd, &lookup->watch);
    return lookup->result;
}

/* A port that was looked up under this name and has not been answered for yet. */
static struct ipc_port *find_unanswered(const char *name)
{
    for (struct util_idnode *node = util_idmap_next(&ipc_task.ids, NULL); node;
         node = util_idmap_next(&ipc_task.ids, node)) {
        struct ipc_port *port = UTIL_CONTAINER(node, struct ipc_port, node);
        if (port->place == IPC_REMOTE && port->unanswered && port->service &&
            strcmp(port->service, name) == 0)
            return port;
    }
    return NULL;
}

/* No answer in time: the connection becomes a channel to a peer without a name. */
static kern_return_t go_ahead(int take_fd, const char *name, struct util_id alias,
                              struct ipc_carried *ret_right)
{
    struct ipc_port *port = find_unanswered(name);
    if (port && ipc_grants_add(&port->grants, port->peer, 1) == 0) {
        ipc_peer_tell(port->peer, WIRE_CLAIM, port->node.id, 0);
        close(take_fd);
        *ret_right = (struct ipc_carried){.port = ipc_port_carry(port),
                                          .type = MACH_MSG_TYPE_PORT_SEND};
        return BOOTSTRAP_SUCCESS;
    }
    struct ucred owner;
    int r;
    if (os_peer_credentials(take_fd, &owner) < 0) {
        close(take_fd);
        return BOOTSTRAP_NO_MEMORY;
    }
    struct wire_channel *channel = ipc_peer_hello(take_fd, alias, &r);
    if (!channel)
        return r == -EPIPE || r == -ECONNRESET ? BOOTSTRAP_UNKNOWN_SERVICE : BOOTSTRAP_NO_MEMORY;
    channel->alias = alias;
    struct ipc_peer *peer = ipc_peer_new((struct util_id){{0, 0}}, &owner);
    if (!peer || ipc_peer_add_channel(peer, channel) < 0) {
        if (!peer)
            wire_channel_close(channel);
        return BOOTSTRAP_NO_MEMORY;
    }
    port = ipc_port_new_remote(alias, IPC_PORT, peer);
    if (!port)
        return BOOTSTRAP_NO_MEMORY;
    port->unanswered = true;
    port->service = strdup(name);
    (void)ipc_grants_add(&port->grants, peer, 1);
    *ret_right = (struct ipc_carried){.port = ipc_port_carry(port),
                                      .type = MACH_MSG_TYPE_PORT_SEND};
    return BOOTSTRAP_SUCCESS;
}

/* The owner answered: the end becomes a right like any other that was introduced. */
static kern_return_t accept_answer(const struct ipc_lookup *lookup, struct ipc_carried *ret_right)
{
    const struct wire_datagram *answer = &lookup->answer;
    if (answer->kind == WIRE_REFUSED || util_id_is_none(answer->id)) {
        close(lookup->fd);
        return answer->count == BOOTSTRAP_NOT_PRIVILEGED ? BOOTSTRAP_NOT_PRIVILEGED
                                                         : BOOTSTRAP_UNKNOWN_SERVICE;
    }
    int error;
    struct ipc_port *port = ipc_way_take_one(lookup->fd, answer->id, MACH_MSG_TYPE_PORT_SEND,
                                             answer->task, answer->limit, &lookup->owner, &error);
    if (!port)
        return code_of(error);
    *ret_right = (struct ipc_carried){.port = port, .type = MACH_MSG_TYPE_PORT_SEND};
    return BOOTSTRAP_SUCCESS;
}

int ipc_lookup_exists(const char *name)
{
    struct os_address address;
    int r = ipc_door_address(name, &address);
    if (r == 0)
        r = os_connect(&address);
    if (r < 0)
        return r == -ECONNREFUSED || r == -ENOENT ? 0 : r == -EAGAIN ? 1 : r;
    close(r);
    return 1;
}

kern_return_t ipc_lookup(const char *name, struct ipc_carried *ret_right, bool *ret_active)
{
    struct ipc_lookup lookup = {.watch.kind = IPC_WATCH_LOOKUP, .fd = -1};
    struct wire_datagram ask = {
        .kind = WIRE_LOOKUP, .version = WIRE_VERSION, .id = util_id_new(), .task = ipc_task.id};
    struct os_address address;
    int r = ipc_task_start_engine();
    if (r == 0)
        r = ipc_door_address(name, &address);
    if (r == 0)
        r = lookup.fd = os_connect(&address);
    if (r < 0)
        return code_of(r);
    util_list_init(&lookup.waiters);
    snprintf(ask.name, sizeof ask.name, "%s", name);
    r = os_send(lookup.fd, &ask, sizeof ask, NULL, 0, true);
    if (r == 0)
        r = wait_for_answer(&lookup);
    if (r < 0) {
        close(lookup.fd);
        return code_of(r);
    }
    *ret_active = r <= 0 || lookup.answer.count == 0;
    return r > 0 ? accept_answer(&lookup, ret_right) : go_ahead(lookup.fd, name, ask.id, ret_right);
}
