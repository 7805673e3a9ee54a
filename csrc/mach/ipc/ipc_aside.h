/* Words set aside: of peers that came with a right to a port which has moved on from here.
 *
 * A ring that stood at such a word (CLAIM, or what an end stood for) as long as the port's owner makes a
 * cut would keep what stands behind it from being read, and that may be what ends the cut. So the word
 * is set aside with a right to the port, the ring goes on, and the word is looked at again after each
 * pass: it is answered, as holders are told of a move (ipc_holder.h), or the port comes here, or it dies;
 * or the peer gives the right back, or dies. It is a word of the peer's, whichever channel it came on.
 *
 * Locks: the task lock. */
#ifndef MACHOOL_IPC_ASIDE_H
#define MACHOOL_IPC_ASIDE_H

#include "util/util_id.h"

#include <stdbool.h>
#include <stdint.h>

struct ipc_peer;
struct ipc_port;

/* A word about a REMOTE port that was this task's; `alias` is the peer's own name for it, or none. 0 or
 * -EMFILE: no memory now. */
int ipc_aside_add(struct ipc_peer *peer, struct ipc_port *port, struct util_id alias);
/* RELEASE: the peer gives so many rights back, of which these are some. */
void ipc_aside_given_back(struct ipc_peer *peer, struct util_id id, uint64_t count);
/* The port is here: whoever waits for a word about it holds it. */
void ipc_aside_resolve(struct ipc_port *port);
/* Answers what can be answered now. Reads; not amid reading or moving. */
void ipc_aside_answer(void);
/* Whether anything could be. */
bool ipc_aside_ready(void);
/* The peer is gone. */
void ipc_aside_forget_all(struct ipc_peer *peer);
/* The two turned out to be one. */
void ipc_aside_merge(struct ipc_peer *from, struct ipc_peer *to);

#endif
