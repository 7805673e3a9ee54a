/* The task's bootstrap port, and how its children come to have it too.
 *
 * The special place holds a send right of its own. What a child is to find there is its *heritage*:
 * nothing, the machine's own bootstrap, or a right to some task's port, written down as the port's
 * id and the address of its owner's listener.
 *
 *   fork   the heritage is in memory, with an end connected to the owner that stands for the right:
 *          made before the fork, so that the right counts from then on, whatever the parent does.
 *   exec   only the environment goes on: MACHOOL_BOOTSTRAP_PORT, set whenever the place is. The
 *          right counts from the new program's first Mach call.
 *
 * A child takes its heritage up when it first takes the task lock. Until then, and if it runs
 * another program at once, it costs nothing but a descriptor. A descriptor that the program closed
 * behind the layer's back is noticed, and the owner is connected to anew.
 *
 * Locks: the task lock, but for what runs in an at-fork handler or before there are threads. */
#ifndef MACHOOL_IPC_BOOTSTRAP_H
#define MACHOOL_IPC_BOOTSTRAP_H

#include <stdbool.h>

struct ipc_port;

/* The program has begun: what the environment says. */
void ipc_bootstrap_read_environment(void);
/* The space is new. True: there is a heritage to be taken up. */
bool ipc_bootstrap_start(void);
/* Takes it up. True: again at the next call: the owner's backlog is full, or descriptors are short. */
bool ipc_bootstrap_take_up(void);

/* A fork is about to happen, in a task that has taken up its own heritage or could not yet; and has
 * happened, seen from the parent. */
void ipc_bootstrap_before_fork(bool taken_up);
void ipc_bootstrap_after_fork(void);

/* Puts a right, taken, into the special place; NULL: none. Writes the environment. 0 or -errno with
 * nothing changed and the right still the caller's. */
int ipc_bootstrap_set(struct ipc_port *take_port);

#endif
