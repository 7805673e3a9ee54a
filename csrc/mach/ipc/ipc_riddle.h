/* Riddles: entries about an id that is not known here.
 *
 * Its port may be on its way in a ring that has not been read, so such an entry waits until all other
 * rings have been (ipc_engine_puzzled). Riddles are given up one at a time, the oldest first: what it
 * brings to light may explain the others. An id that is known to have died here is none.
 *
 * Locks: the task lock. */
#ifndef MACHOOL_IPC_RIDDLE_H
#define MACHOOL_IPC_RIDDLE_H

#include "util/util_id.h"

#include <stdbool.h>

struct ipc_peer;

/* That port has died here. The last thousand are remembered: others only wait longer. */
void ipc_riddle_bury(struct util_id id);
bool ipc_riddle_buried(struct util_id id);
/* Not here, as far as is known: it may be on its way in a ring that has not been read. */
bool ipc_riddle_is(struct util_id id);
/* The same of a right that a peer has: what is known to have moved on is set aside (ipc_aside.h). */
bool ipc_riddle_is_right(struct util_id id);
/* Whether some channel stands at a riddle; of that peer, or, with NULL, of anybody. */
bool ipc_riddle_waits(const struct ipc_peer *peer);

#endif
