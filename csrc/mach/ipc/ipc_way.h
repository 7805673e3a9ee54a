/* A way to a third task: an end connected to the owner of rights that somebody passed on.
 *
 * The end stands for the rights, counted by the owner, until they are taken: it becomes a channel
 * (HELLO), or, if there is one already, each right is claimed there (CLAIM) and then the end closed.
 *
 * The ports may move on while the end is on its way. Their owner then says so into the end: HOLD
 * while it looks who holds what, then STAY, or GONE with an end connected to the next owner, for
 * some of the rights or for all. So whoever takes an end looks for such words before HELLO, and once
 * more after HELLO or CLAIM: what was said before the owner's HOLD has been read by it.
 *
 * Locks: the task lock. */
#ifndef MACHOOL_IPC_WAY_H
#define MACHOOL_IPC_WAY_H

#include "ipc/ipc_port.h"
#include "util/util_id.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

struct ipc_peer;
struct ipc_way;

struct ipc_gone { /* rights that have moved on */
    struct util_id *ids;
    bool *taken; /* which of them have been, by the way on */
    uint32_t count;
    struct ipc_way *way;
    struct ipc_gone *next;
};

struct ipc_way {
    struct util_id task;   /* the owner, as the passer knows it */
    struct ucred owner;    /* the same, as the kernel knows it */
    int end;               /* -1 once it is a channel, or closed */
    bool opened;           /* `peer` and `claims` are known */
    bool claims;           /* a channel exists: each right is claimed there */
    struct ipc_peer *peer; /* NULL: the owner is gone, or resources are short; `error` says which */
    int error;             /* -EPIPE, or another -errno */
    struct ipc_gone *gone;
    unsigned depth; /* ways within ways */
};

/* Takes an end connected to the door of task `owner`. `credentials` are the owner's, where they are
 * known better than by who made the listener; NULL. */
void ipc_way_open(int take_end, struct util_id owner, const struct ucred *credentials,
                  struct ipc_way *ret_way);
/* A right introduced by that end becomes this task's. Carried; NULL: the owner is gone, or
 * resources are short. */
struct ipc_port *ipc_way_take(struct ipc_way *way, struct util_id id, uint8_t type, uint32_t limit);
/* The owner counts one such right as this task's now; nothing is recorded here. NULL as above, or
 * the port is this task's own. */
struct ipc_peer *ipc_way_claim(struct ipc_way *way, struct util_id id);
/* The peer in whose ring the port's own move to this task is, not read yet; NULL: it is not coming
 * here, or has died here. Until then the right leads there, but nothing is sent by it (`brought`). Reads ends and doors,
 * no ring. */
struct ipc_peer *ipc_way_bringer(const struct ipc_way *way, struct util_id id);
/* A right introduced by that end is not wanted: given back if the end has been taken. */
void ipc_way_leave(struct ipc_way *way, struct util_id id);
void ipc_way_close(struct ipc_way *way);

/* All of it for an end that stands for one right. With NULL *ret_error says why. */
struct ipc_port *ipc_way_take_one(int take_end, struct util_id id, uint8_t type,
                                  struct util_id owner, uint32_t limit,
                                  const struct ucred *credentials, int *ret_error);

/* One more right to a port that its owner, the peer, counts as ours already. Carried; NULL: without
 * memory for it, it is given back at once, so that its owner hears of its end. */
struct ipc_port *ipc_way_counted(struct util_id id, enum ipc_kind kind, struct ipc_peer *peer,
                                 uint32_t limit);

#endif
