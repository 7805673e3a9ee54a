/* Counts of rights by peer task, and the judgement of zero.
 *
 * Counts are kept for each peer, not for each channel to it. A release can be read before the
 * grant or claim it belongs to when two channels exist, so a count may be negative for a moment;
 * that is honest and not an error.
 *
 * A task that moved a port away keeps a right to it until all holders have acknowledged, which may
 * take as long as it does not call in. That right counts for nothing: the holders' own are counted
 * by the ends that it made for them before.
 *
 * A zero is believed only after a complete pass over rings, sockets and accept queues that began
 * after the last decrement: whoever gave a right away introduced it before releasing its own.
 *
 * Locks: the task lock. */
#ifndef MACHOOL_IPC_GRANT_H
#define MACHOOL_IPC_GRANT_H

#include <stdbool.h>
#include <stdint.h>

struct ipc_peer;
struct ipc_port;

struct ipc_grant {
    struct ipc_peer *peer;
    int64_t count; /* never 0 while listed */
    bool tombed;   /* the peer moved the port here, and holds it for its tombs alone */
    bool mover;    /* it moved the port here, to which nobody had a right */
};

struct ipc_grants {
    struct ipc_grant *list;
    uint32_t used, size;
};

/* Adds to the count of one peer. 0 or -ENOMEM (only when a new peer is to be listed). */
int ipc_grants_add(struct ipc_grants *grants, struct ipc_peer *peer, int64_t by);
/* Makes sure that one more can be counted for that peer. 0 or -ENOMEM. */
int ipc_grants_make_room(struct ipc_grants *grants, const struct ipc_peer *peer);
/* What is counted for that peer; 0 if nothing. */
int64_t ipc_grants_of(const struct ipc_grants *grants, const struct ipc_peer *peer);
/* Takes a peer's count out and returns it. */
int64_t ipc_grants_take(struct ipc_grants *grants, const struct ipc_peer *peer);
/* The count of the peer that moved a port here, 1; `senders`: others held rights to it. 0 or
 * -ENOMEM. */
int ipc_grants_add_mover(struct ipc_grants *grants, struct ipc_peer *peer, bool senders);
/* Whether what is counted for that peer is no right that anybody could have sent by. */
bool ipc_grants_is_mover(const struct ipc_grants *grants, const struct ipc_peer *peer);
/* That peer uses its `count` rights no more, and keeps them for late comers (ipc_tomb.h). If there
 * are others, it had not heard of them when it said so, and will say so again. */
void ipc_grants_tombed(struct ipc_grants *grants, const struct ipc_peer *peer, uint64_t count);
/* All counts of `from` become counts of `to`. */
void ipc_grants_merge(struct ipc_grants *grants, const struct ipc_peer *from, struct ipc_peer *to);
/* Counts nothing any more, and keeps its room. */
void ipc_grants_clear(struct ipc_grants *grants);
/* The room of a list that was taken out of `grants` and is empty now. */
void ipc_grants_give_back(struct ipc_grants *grants, struct ipc_grants *take_empty);
void ipc_grants_deinit(struct ipc_grants *grants);

/* Whether nobody is known to hold a right to the OWN port. */
bool ipc_grant_none(const struct ipc_port *port);
/* How many rights are known. */
uint64_t ipc_grant_total(const struct ipc_port *port);
/* A right to an OWN port ended: if all are zero now, have it judged after the next whole pass. */
void ipc_grant_dropped(struct ipc_port *port);
/* The same when it was a mover's: that alone is no sender's end. */
void ipc_grant_settled(struct ipc_port *port);
/* Judges what has waited for the pass just finished. */
void ipc_grant_judge(uint64_t finished_pass);
/* Whether anything is waiting for judgement. */
bool ipc_grant_waiting(void);

#endif
