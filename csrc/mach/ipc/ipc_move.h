/* Receive rights on their way to another task, with their queues and all who hold rights to them.
 *
 * A move is one entry of the new owner's ring: the ports, their send-once rights, the requests for
 * notifications, what waits in the queues, and last the message that carries the rights. Its
 * publication is the move; before it, all can be given up without a trace.
 *
 * Nobody waits for the old owner afterwards. So before that entry the old owner makes a cut through
 * the rings of all holders: it sets the word `cut` of each ring to an odd number, and reads all
 * that is there. A holder looks at that word before and after it publishes; what it published
 * before it could see the cut has been read. Then the holders are told MOVED, with an end connected
 * to the new owner that stands for their rights, and the word gets an even number again. A holder that finds it
 * changed after it published reads MOVED first; an entry that came after the cut and was for a port
 * that moved is sent again to the new owner, and the old owner discards what it reads of it: its
 * tombs say for which ports, until the holder has acknowledged.
 *
 * The old owner keeps a right of its own to each port while there are tombs for it, and says so to
 * the new owner, who does not count it (TOMBED): the ends that it made for the holders, before the
 * move, stand for theirs. What names an id that is not known yet waits until all other rings
 * have been read: a holder may be faster than the move itself.
 *
 * Locks: the task lock, all the time. */
#ifndef MACHOOL_IPC_MOVE_H
#define MACHOOL_IPC_MOVE_H

#include "util/util_id.h"

#include <stdbool.h>
#include <stddef.h>

struct ipc_kmsg;
struct ipc_peer;
struct ipc_port;
struct wire_channel;

/* ipc_transit_send for a message with receive rights. */
int ipc_move_send(struct ipc_kmsg *kmsg, struct ipc_port *destination);

/* A holder that found the word changed, before it published: -ERESTART to look where the port is
 * now, or -EAGAIN while the cut lasts. */
int ipc_move_wait(struct wire_channel *channel);
/* After it published: 0, the entry was in time, or has nothing to do with what moved; -ERESTART: send it
 * again. */
int ipc_move_settle(struct wire_channel *channel, const struct ipc_port *destination,
                    const struct ipc_kmsg *kmsg);

/* A port is on its way to this task, and something is to be sent to it or with a right to it: reads the
 * ring that brings it. -ERESTART: look where it is now; -EMFILE. */
int ipc_move_fetch(const struct ipc_port *port);

/* What was given back to a peer after its cut was not heard: reads where the ports are now, so that
 * their new owners hear it. For a task that does nothing else afterwards. */
void ipc_move_catch_up(void);

/* Entries: WIRE_MOVE, WIRE_MOVED, WIRE_ACK. Results as ipc_transit_receive. */
int ipc_move_receive(struct wire_channel *channel, const void *payload, size_t size);
int ipc_move_hear(struct wire_channel *channel, const void *payload, size_t size);
int ipc_move_acknowledged(struct wire_channel *channel, const void *payload, size_t size);

/* Whether what this channel's peer says about that id was said before it knew of a move. It says so
 * (ACK) on the channel that all else goes by, before anything else that follows from the move. */
bool ipc_move_tombed(const struct wire_channel *channel, struct util_id id);
/* A peer came with a right to `port` (NULL: unknown) that is not, or no longer, here: that is set aside
 * (ipc_aside.h), or it hears that the port is dead, by the peer's own name for it too (`alias`; none). 0 or
 * -EMFILE: again later. */
int ipc_move_late(struct ipc_peer *peer, struct ipc_port *port, struct util_id id,
                  struct util_id alias);
#endif
