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
 * -ENOBUFS: descriptors or memory are short, nothing has happened. -ERESTART: the port has moved
 * meanwhile: look where it is and send again. */
int ipc_transit_send(struct ipc_kmsg *kmsg, struct ipc_port *destination);

/* Reads one entry of a channel's ring: files it or does what it says. `payload` is a private
 * copy. 0; -EMFILE: its descriptors cannot be opened now, so it must be read again later; -EAGAIN:
 * it is about a port of which other rings may tell more; -EBADMSG: the peer broke the rules. */
int ipc_transit_receive(struct wire_channel *channel, uint16_t kind, const void *payload,
                        size_t size);

/* A message for a REMOTE port, made while an entry is being read: sent as soon as that is done. */
void ipc_transit_post(struct ipc_kmsg *take_kmsg);
void ipc_transit_flush(void);
/* The port has come here, and what waits to be sent to it is filed. */
void ipc_transit_resolve(struct ipc_port *port);
/* Whether such a message waits for that port, or is being sent to it. */
bool ipc_transit_waits(const struct ipc_port *port);

/* The slot that counts against the port's limit; LANE_NO_CREDIT where none does. 0; -EAGAIN: the
 * queue is full; or -errno. */
int ipc_transit_take_credit(struct wire_channel *channel, struct ipc_port *port,
                            uint32_t *ret_credit);

/* Whether the sender kept to the limit, which it counts itself: a queue takes whatever has come. 0;
 * -EMFILE: no memory to count the message now; -EBADMSG. */
int ipc_transit_check_credit(struct wire_channel *channel, const struct wire_message *head);
/* Files a message that arrived on the channel at the port or send-once right of that id, or destroys
 * it. Its credit has been checked. */
void ipc_transit_file(struct wire_channel *channel, const struct wire_message_view *view,
                      struct ipc_kmsg *take_kmsg);
/* Whether the peer is believed when it speaks for others of its user: its layer, that a message is a
 * notification; its queue, who sent what. */
bool ipc_transit_trusts(const struct ipc_peer *peer);

/* The bytes of a sealed object that a peer announced. 0 and what to free; -EMFILE: no memory for
 * them now; -EBADMSG: it is not what was announced. */
int ipc_transit_read_spill(struct wire_channel *channel, const struct wire_spill *spill,
                           uint8_t **ret_bytes);

#endif
