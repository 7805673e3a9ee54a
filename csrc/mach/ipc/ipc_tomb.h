/* Tombs: which ports have moved away, for each peer that may not know it yet.
 *
 * A tomb carries a right to each of its ports, so that this task can tell late comers where the port
 * is. The new owner is told when tombs are all that is left of this task's right, and does not
 * count it then. A tomb is of the peer, not of a channel: what the peer heard on one of two, it heeds
 * on both.
 *
 * Locks: the task lock. */
#ifndef MACHOOL_IPC_TOMB_H
#define MACHOOL_IPC_TOMB_H

#include "util/util_id.h"

#include <stdbool.h>
#include <stdint.h>

struct ipc_peer;
struct ipc_port;
struct ipc_tomb;

/* Room for so many ports, made before the move. NULL: no memory. */
struct ipc_tomb *ipc_tomb_new(uint32_t count);
void ipc_tomb_free(struct ipc_tomb *tomb);
/* A tomb for the move of that number, for as many ports as there is room for. */
void ipc_tomb_add(struct ipc_peer *peer, uint64_t serial, struct ipc_port *const *ports,
                  struct ipc_tomb *take_tomb);
/* The peer has read MOVED of that number, and with it those before. */
void ipc_tomb_lift(struct ipc_peer *peer, uint64_t serial);
void ipc_tomb_lift_all(struct ipc_peer *peer);
/* The two turned out to be one. */
void ipc_tomb_merge(struct ipc_peer *from, struct ipc_peer *to);
bool ipc_tomb_has(const struct ipc_peer *peer, struct util_id id);

#endif
