/* Tombs: which ports have moved away, for each ring whose producer may not know it yet.
 *
 * A tomb carries a right to each of its ports, so that this task can tell late comers where the port
 * is. The new owner is told when tombs are all that is left of this task's right, and does not
 * count it then.
 *
 * Locks: the task lock. */
#ifndef MACHOOL_IPC_TOMB_H
#define MACHOOL_IPC_TOMB_H

#include "util/util_id.h"

#include <stdbool.h>
#include <stdint.h>

struct ipc_port;
struct wire_channel;

/* A tomb for the cut that the channel is in. Without memory the channel breaks. */
void ipc_tomb_add(struct wire_channel *channel, struct ipc_port *const *ports, uint32_t count);
/* The peer has read MOVED number `cut` and those before. */
void ipc_tomb_lift(struct wire_channel *channel, uint32_t cut);
void ipc_tomb_lift_all(struct wire_channel *channel);
bool ipc_tomb_has(const struct wire_channel *channel, struct util_id id);

#endif
