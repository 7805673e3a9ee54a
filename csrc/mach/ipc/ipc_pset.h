/* Port sets: which ports are in which, and who of them is next.
 *
 * A port may be in several sets, and may be received from directly all the while (S139). A set's
 * `queued` is the sum over its members, so that whoever waits looks at sets and ports alike.
 * Members are served in turn.
 *
 * Locks: the task lock. */
#ifndef MACHOOL_IPC_PSET_H
#define MACHOOL_IPC_PSET_H

#include "util/util_list.h"

#include <stdbool.h>

struct ipc_port;

struct ipc_member {
    struct util_link in_set, in_port;
    struct ipc_port *set, *port;
};

/* Whether the port is in the set. */
bool ipc_pset_has(const struct ipc_port *set, const struct ipc_port *port);
/* Adds a port that is not in it yet. 0 or -ENOMEM. */
int ipc_pset_add(struct ipc_port *set, struct ipc_port *port);
/* Removes it. False: it was not in. */
bool ipc_pset_remove(struct ipc_port *set, struct ipc_port *port);
void ipc_pset_remove_from_all(struct ipc_port *port);
/* The set lets go of its members. */
void ipc_pset_remove_all(struct ipc_port *set);
unsigned ipc_pset_size(const struct ipc_port *set);

/* The next member that has a message; it becomes the last in turn. NULL: none has. */
struct ipc_port *ipc_pset_pick(struct ipc_port *set);

/* The port's queue grew or shrank by one message. */
void ipc_pset_filed(struct ipc_port *port);
void ipc_pset_taken(struct ipc_port *port);
/* A message waits at the port and nobody waits at it directly: a receiver of one of its sets. */
void ipc_pset_wake(struct ipc_port *port);
/* The port's next message waits for descriptors, or no longer does. */
void ipc_pset_starved(struct ipc_port *port, bool starved);

#endif
