/* Rights and messages between tasks: kmsg -> entry with descriptors, and back.
 *
 * The one place where rights are granted to a peer, come home, or are introduced to a third
 * task. The order is always: reserve room, introduce, send descriptors, publish, count, let go.
 *
 * Locks: the task lock. */
#ifndef MACHOOL_IPC_TRANSIT_H
#define MACHOOL_IPC_TRANSIT_H

#include "util/util_id.h"
#include "wire/wire_format.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct ipc_kmsg;
struct ipc_peer;
struct ipc_port;
struct wire_channel;

/* Publishes a message for a REMOTE port on its peer's channel. 0: the message is consumed.
 * -EAGAIN: no room now, nothing has happened. -EPIPE: the peer is gone, nothing has happened.
 * -ENOBUFS: descriptors or memory are short, nothing has happened. */
int ipc_transit_send(struct ipc_kmsg *kmsg, struct ipc_port *destination);

/* Reads one entry of a channel's ring: files it or does what it says. `payload` is a private
 * copy. 0; -EMFILE: its descriptors cannot be opened now, so it must be read again later;
 * -EBADMSG: the peer broke the rules. */
int ipc_transit_receive(struct wire_channel *channel, uint16_t kind, const void *payload,
                        size_t size);

/* Where the owner of a third task's rights is, once an end connected to it has been taken. */
struct ipc_way {
    struct util_id task;   /* the owner, as the passer knows it */
    bool home;             /* it is this task: the right came home by way of others */
    bool claims;           /* a channel exists: each right is claimed there */
    int end;               /* then the end, open until all are claimed; else -1 */
    struct ipc_peer *peer; /* NULL: the owner is gone, or resources are short; `error` says which */
    int error;             /* -EPIPE, or another -errno */
};

/* Takes an end connected to its owner's listener: the first right that it stands for is `id`.
 * `credentials` are the owner's, where they are known better than by who made the listener; NULL. */
void ipc_transit_open_way(int take_end, struct util_id id, struct util_id owner,
                          const struct ucred *credentials, struct ipc_way *ret_way);
/* A right introduced by that end becomes this task's. Carried; NULL: the owner is gone, or
 * resources are short. */
struct ipc_port *ipc_transit_take_way(const struct ipc_way *way, struct util_id id, uint8_t type,
                                      uint32_t limit);
void ipc_transit_close_way(struct ipc_way *way);

/* All of it for an end that stands for one right. With NULL *ret_error says why. */
struct ipc_port *ipc_transit_take_end(int take_end, struct util_id id, uint8_t type,
                                      struct util_id owner, uint32_t limit,
                                      const struct ucred *credentials, int *ret_error);

#endif
