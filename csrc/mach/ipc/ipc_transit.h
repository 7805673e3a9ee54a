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

/* A right behind an end connected to its owner's listener becomes this task's. Takes the end.
 * Returns it carried, or NULL when the owner is gone or resources are short. */
struct ipc_port *ipc_transit_take_end(int take_end, struct util_id id, uint8_t type,
                                      struct util_id owner, uint32_t limit);
/* The same where the owner is known better than by who made the listener. */
struct ipc_port *ipc_transit_take_end_of(int take_end, struct util_id id, uint8_t type,
                                         struct util_id owner, uint32_t limit,
                                         const struct ucred *credentials);

#endif
