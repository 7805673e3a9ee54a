/* A channel: one connected socket and its lane, between two tasks.
 *
 * Entries travel in the lane, always; the socket carries descriptors (sent just before the entry
 * that counts them, and tied to it by a token, so that an entry never published cannot shift the
 * others), bells, WELCOME, and by its end the death of the task.
 *
 * States: open; ended (recv gave 0, the ring may still hold entries); broken (the peer broke the
 * rules: as good as ended); closed (socket and lane gone, the struct lives on while messages in
 * queues refer to it). `starved` says that descriptors wait in the socket which this process has
 * no room for.
 *
 * Locks: the task lock. */
#ifndef MACHOOL_WIRE_CHANNEL_H
#define MACHOOL_WIRE_CHANNEL_H

#include "ipc/ipc_engine.h"
#include "os/os_fd.h"
#include "util/util_list.h"
#include "wire/wire_format.h"
#include "wire/wire_lane.h"

#include <stdbool.h>
#include <stdint.h>

struct ipc_kmsg;
struct ipc_peer;
struct ipc_port;
struct ipc_stand;
struct vm_ledger;

struct wire_slots {     /* the sender's side of queue limits: one slot for each port it sends to */
    uint32_t *sent;     /* messages that took the slot */
    uint32_t *returned; /* of them, as last looked at */
    bool *taken;
    uint32_t used, size;
};

struct wire_held { /* the reader's side: what has come and not left its port, for each slot */
    uint16_t *count;
    uint32_t size;
};

struct wire_channel {
    struct ipc_watch watch; /* first */
    uint32_t refs;
    int fd;
    struct lane lane;
    struct util_link in_task, in_peer, hot;
    uint64_t seen; /* the engine's last sweep that read it */
    struct ipc_peer *peer;
    uint64_t number; /* by which both sides know it */
    bool ended, broken, closed, starved, armed;
    bool
        frozen; /* BYE_OK was our last entry, or has been heard: nothing more unless the peer goes on */
    uint64_t bye,
        byes; /* number of the BYE that holds, for nothing came after it, or 0; of the last */
    struct util_id alias;     /* of a look-up that was not answered in time */
    int64_t heard;            /* when an entry of the peer's was last read */
    bool rung;                /* a bell has been read: nothing but bells and descriptors follow */
    unsigned bells;           /* at most so many are in the socket: asked for and not read */
    uint64_t token;           /* of the last descriptors sent */
    struct util_link fds;     /* struct wire_fds: received, not yet asked for */
    struct util_link waiters; /* struct ipc_waiter: senders that wait for room or a slot */
    struct wire_slots slots;
    struct wire_held held;
    struct vm_ledger *lends, *borrows; /* memory that comes back (vm_loan.h) */

    /* Ports that move away (ipc_move.h). Entries are numbered from 1 in either direction. */
    uint64_t published, read;
    uint32_t cut;       /* ours: the word that the peer looks at */
    uint32_t cut_known; /* the peer's, as of the last MOVED that was read */
    uint64_t unsettled; /* number of an entry that may have come after a cut; 0: none */
    const struct ipc_port *unsettled_for;  /* its destination, borrowed */
    const struct ipc_kmsg *unsettled_kmsg; /* and the message, borrowed */
    uint64_t missed_by;                    /* the move that decided whether it did; 0: none has */
    bool missed;                           /* it did */
    int64_t puzzled_at;                    /* when that began */
    uint64_t puzzled; /* an entry names an unknown id: the pass from which on it is unknown; 0 */
    struct ipc_stand
        *stands; /* what its end stood for and is not here, yet (ipc_door.h), or NULL */
    uint32_t stand_count;
    struct util_id stand_alias; /* the peer's own name for it; none */
};

/* A channel over a connected socket and a lane, both taken; refs 1 for being open. NULL: no
 * memory, then both are released. */
struct wire_channel *wire_channel_new(int take_fd, struct lane *take_lane);
struct wire_channel *wire_channel_ref(struct wire_channel *channel);
void wire_channel_unref(struct wire_channel *channel);
/* Closes socket and lane and wakes waiters; drops the reference for being open. */
void wire_channel_close(struct wire_channel *channel);

/* Room for an entry; results as lane_reserve; -EPIPE on a channel that is closed or broken. */
int wire_channel_reserve(struct wire_channel *channel, size_t payload, void **ret_payload);
/* Publishes it. True: the reader is to be rung. */
bool wire_channel_commit_quietly(struct wire_channel *channel, enum wire_kind kind, size_t payload);
/* Publishes it and rings if the reader asked. */
void wire_channel_commit(struct wire_channel *channel, enum wire_kind kind, size_t payload);
/* Both, for a small entry that must not wait (control entries). 0 or -errno. */
int wire_channel_publish(struct wire_channel *channel, enum wire_kind kind, const void *payload,
                         size_t size);
/* Sends descriptors for the entry that will bear *ret_token. 0, or -EAGAIN, -ETOOMANYREFS, ...;
 * the caller keeps its descriptors. */
int wire_channel_send_fds(struct wire_channel *channel, const int *borrow_fds, unsigned count,
                          uint64_t *ret_token);
/* Rings the peer's bell: it has asked for that, as a reader or for room. */
void wire_channel_ring(struct wire_channel *channel);
/* As lane_arm and lane_want_room: every bell that this side asks for is counted. */
bool wire_channel_arm(struct wire_channel *channel);
void wire_channel_want_room(struct wire_channel *channel);
/* Whether ports have begun to move away from the peer since the last MOVED that was read. */
bool wire_channel_cut(const struct wire_channel *channel);

/* A bell rang for what is in the ring: whether the datagram may stay in the socket, for now. A few of
 * them cost nothing there, and the end of the socket is another event. */
bool wire_channel_leave_bell(struct wire_channel *channel);

typedef void wire_welcome(struct wire_channel *channel, const struct wire_datagram *datagram,
                          const struct os_received *received);
/* Reads the socket until it is empty, or, with `to_bell`, until a bell has been read: it says all
 * that those behind it can say, descriptors are fetched when their entry asks for them, and an end
 * brings an event of its own. Not so when many bells have been asked for, since one event may tell of
 * several: left unread, they would fill the socket. Bells wake who waits for room; where descriptors
 * were, the peer hears of the room. WELCOME and a late ANSWER go to `welcome`. Sets ended, starved,
 * broken. */
void wire_channel_read_socket(struct wire_channel *channel, bool to_bell, wire_welcome *welcome);
/* Exactly `count` descriptors that came with that token, owned by the caller. 0, -EMFILE (they
 * are still in the socket), -EBADMSG (the peer lied) or -ENOENT (lost in the kernel). */
int wire_channel_take_fds(struct wire_channel *channel, uint64_t token, unsigned count,
                          int *ret_fds, wire_welcome *welcome);
/* The first of them, still the channel's: to look into it before taking any. Or -errno as above. */
int wire_channel_first_fd(struct wire_channel *channel, uint64_t token, unsigned count,
                          wire_welcome *welcome);

/* Closes received descriptors that no entry has asked for (forked child). */
void wire_channel_forget_fds(struct wire_channel *channel);

/* Whether the other side is known to be gone, looking at the socket unless it was heard of just
 * now. */
bool wire_channel_gone(struct wire_channel *channel);

/* A slot for a port. 0, or -ENOMEM / -ENOSPC. */
int wire_channel_slot_take(struct wire_channel *channel, uint32_t *ret_slot);
/* The port needs it no longer; it is reused once its messages have left their queue. */
void wire_channel_slot_give(struct wire_channel *channel, uint32_t slot);
/* Messages that took the slot and have not left their port. */
uint32_t wire_channel_slot_in_flight(const struct wire_channel *channel, uint32_t slot);
/* Whether that is below the limit; the reader's count is looked at only if it may not be. */
bool wire_channel_slot_has_room(struct wire_channel *channel, uint32_t slot, uint32_t limit);

/* Whether a message that took the peer's slot may come in. 0, -ENOMEM, or -EBADMSG: `most` of them are
 * here already, or there is no such slot. */
int wire_channel_may_hold(struct wire_channel *channel, uint32_t slot, uint32_t most);
/* It came in, as could be; it has left its port, and the slot is returned to the peer. */
void wire_channel_hold(struct wire_channel *channel, uint32_t slot);
void wire_channel_release(struct wire_channel *channel, uint32_t slot);

#endif
