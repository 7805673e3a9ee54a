/* Those who are told where ports are, on rings that were cut for it (ipc_move.h): holders of rights to
 * what moves, or one who came late with a right to what has moved on (ipc_aside.h).
 *
 * Locks: the task lock. */
#ifndef MACHOOL_IPC_HOLDER_H
#define MACHOOL_IPC_HOLDER_H

#include "util/util_id.h"

#include <stdbool.h>
#include <stdint.h>

struct ipc_peer;
struct ipc_port;
struct ipc_tomb;
struct wire_channel;

struct ipc_holder {               /* one ring that is cut */
    struct wire_channel *channel; /* referenced */
    struct ipc_port **ports; /* which of them its peer holds; tombs carry them once it is told */
    uint32_t count;
    bool primary;          /* this is the channel that tells its peer the way */
    int end;               /* connected to the new owner; -1: none needed */
    struct ipc_tomb *tomb; /* for its peer, if this is the primary one; NULL: not, or laid */
    uint64_t token;
};

struct ipc_holders {
    struct ipc_holder *list;
    uint32_t count;
};

/* Whether this task has made a cut there. */
bool ipc_channel_is_cut(const struct wire_channel *channel);
/* Cuts the rings of the peers that are marked (`cut`), and takes the marks away. True: there was one that
 * had not been cut. */
bool ipc_holders_cut(void);
/* All rings that are cut, and which of the ports their peers hold; `asker` (NULL: none) all of them. 0
 * or -ENOMEM. */
int ipc_holders_find(struct ipc_holders *holders, struct ipc_port *const *ports, uint32_t count,
                     const struct ipc_peer *asker);
/* Connects each to the owner that it is to hear of: the end stands for its rights until it takes them. 0;
 * -EPIPE: that owner is gone; or -errno. */
int ipc_holders_introduce(struct ipc_holders *holders, const struct ipc_peer *owner);
/* A new number, and tombs: what they said before they knew is discarded from now on. */
void ipc_holders_bury(struct ipc_holders *holders);
/* Tells them, and ends the cuts. */
void ipc_holders_tell(const struct ipc_holders *holders, struct util_id owner);
/* The same of one who came late, and whose messages have been passed on to that owner. */
void ipc_holders_tell_after(const struct ipc_holders *holders, const struct ipc_peer *owner);
/* Nothing has happened: all rings are whole again. */
void ipc_holders_give_up(const struct ipc_holders *holders);
void ipc_holders_deinit(struct ipc_holders *holders);

#endif
