/* Looking up a service: from its name to a right.
 *
 * The looker connects to the service's door and asks; the owner answers when next it is in its
 * engine. One that does not answer within IPC_LOOKUP_LIMIT (it computes, or is stopped) does not
 * hang the look-up: the connection itself stands for the right, under an id of the looker's
 * choice (the alias), and messages can be queued at once. The answer, when it comes, replaces
 * the alias by the real id.
 *
 * Locks: the task lock, dropped while waiting. */
#ifndef MACHOOL_IPC_LOOKUP_H
#define MACHOOL_IPC_LOOKUP_H

#include "ipc/ipc_engine.h"
#include "ipc/ipc_kmsg.h"
#include "wire/wire_format.h"

#include <mach/kern_return.h>
#include <sys/socket.h>

#define IPC_LOOKUP_LIMIT 100 /* ms */

struct ipc_lookup {
    struct ipc_watch watch; /* first */
    int fd;
    int result; /* 1: `answer` is valid; 0: none yet; -errno */
    struct wire_datagram answer;
    struct ucred owner; /* who answered: the listener may have been made by another */
    struct util_link waiters;
};

/* A right to the named service of another task, carried, and whether anybody has checked in there,
 * as far as the owner has said. BOOTSTRAP_SUCCESS,
 * BOOTSTRAP_UNKNOWN_SERVICE, BOOTSTRAP_NOT_PRIVILEGED (the owner refuses this user),
 * BOOTSTRAP_NO_MEMORY (descriptors, memory, or the owner's backlog). */
kern_return_t ipc_lookup(const char *name, struct ipc_carried *ret_right, bool *ret_active);

/* Whether some task has the name. 0 if none, 1, or -errno. */
int ipc_lookup_exists(const char *name);

/* The answer, or the end of the connection, has arrived. */
void ipc_lookup_read(struct ipc_lookup *lookup);

#endif
