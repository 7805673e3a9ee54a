/* What the parts of the engine have of each other; see ipc_engine.h.
 *
 * Locks: the task lock. */
#ifndef MACHOOL_IPC_ENGINE_PASS_H
#define MACHOOL_IPC_ENGINE_PASS_H

#include "ipc/ipc_engine.h"

#include <stdbool.h>

struct epoll_event;

#define ENGINE_EVENTS 32 /* of one look at epoll */

/* One pass. Whole: everything there is; otherwise hot rings, and epoll now and then, or at once if
 * `must_look`. True if there was anything. */
bool ipc_engine_pass(bool whole, bool must_look);
/* Has waiting counts judged, as far as that is possible now, and sends what was made amid reading.
 * What goes down in the last of these passes waits on: nobody may sleep upon it. */
void ipc_engine_judge(void);
/* Arms all bells. Nothing is left that only a further pass would do: the last thing to know before
 * falling asleep. */
bool ipc_engine_settled(void);
/* Does what epoll tells. */
void ipc_engine_dispatch(const struct epoll_event *events, int count);
/* Makes an eventfd readable. */
void ipc_engine_signal(int fd);

#endif
