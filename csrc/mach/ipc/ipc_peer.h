/* A peer: another task that this one shares at least one channel with.
 *
 * Identity is the pair of the task's id, as it says, and its process, as the kernel says. All
 * that is for a peer is published on the first channel known (`channels` is in order of age),
 * however many exist; everything that comes in is read. A peer dies with its last channel.
 *
 * A peer reached by a look-up that was not answered in time has no id yet (`id` none); the answer
 * gives it one, or merges it with the peer that already bears it.
 *
 * Locks: the task lock. */
#ifndef MACHOOL_IPC_PEER_H
#define MACHOOL_IPC_PEER_H

#include "os/os_fd.h"
#include "util/util_id.h"
#include "util/util_list.h"
#include "vm/vm_region.h"
#include "wire/wire_channel.h"

struct ipc_peer {
    struct util_link link; /* in the task's list */
    struct util_id id;
    struct util_id
        alias; /* instead of the id, as long as there is none, in what memory it has seen */
    struct ucred credentials;
    struct os_address listener; /* for introducing others to it; length 0: not known */
    struct util_link channels;  /* oldest first */
    struct wire_channel
        *last;       /* what was published for it went there; referenced; NULL: nothing yet */
    uint32_t holds;  /* REMOTE ports of this peer */
    uint32_t listed; /* lists of grants that name it */
    struct util_link tombs;  /* ipc_tomb: of what moved away, and it may not know that yet */
    struct util_link asides; /* ipc_aside: words of its that wait */
    bool cut;                /* while a cut is made: it holds of what moves */
};

struct ipc_peer *ipc_peer_find(struct util_id id, pid_t pid);
/* Whether it is still there: reading may have taken it away. The pointer is only compared. */
bool ipc_peer_is_known(const struct ipc_peer *peer);
/* A peer without channels yet; NULL: no memory. */
struct ipc_peer *ipc_peer_new(struct util_id id, const struct ucred *credentials);
/* What the peer is to regions, and to memory in messages. */
struct vm_task ipc_peer_task(const struct ipc_peer *peer);
/* Adds a channel, and has the engine watch it. 0, or -errno with the channel closed. */
int ipc_peer_add_channel(struct ipc_peer *peer, struct wire_channel *take_channel);
/* The channel to publish on; NULL: none is left. */
struct wire_channel *ipc_peer_channel(const struct ipc_peer *peer);
/* Whether ports have begun to move away since MOVED was last read: on that channel of a peer's, or on
 * another one, for the peer may not know the newest yet. */
bool ipc_peer_cut(const struct wire_channel *channel);
/* Before an entry is published there: if others were on another channel, says after which of them it
 * comes (WIRE_AFTER). Not for MOVED and BYE_OK. 0 or as wire_channel_publish. */
int ipc_peer_turn(struct wire_channel *channel);
/* AFTER came in. 0; -EAGAIN: that channel comes first; -EBADMSG. */
int ipc_peer_hear_after(struct wire_channel *channel, const void *payload, size_t size);
/* Publishes a control entry to a peer; a failure can only mean that it is dying. */
void ipc_peer_say(struct ipc_peer *peer, enum wire_kind kind, const void *entry, size_t size);
/* The same for a struct wire_count. */
void ipc_peer_tell(struct ipc_peer *peer, enum wire_kind kind, struct util_id id, uint64_t count);
/* DEAD of that id, unless it is none: a name of the peer's own that it may not have made up. */
void ipc_peer_tell_dead(struct ipc_peer *peer, struct util_id id);
/* A channel has come to its end: close it; with the last one the peer dies, its rights return,
 * and ours to its ports become dead names. Frees the peer then. */
void ipc_peer_lose(struct wire_channel *channel);
/* The unnamed peer turned out to be `to`: its channels and rights move there. */
void ipc_peer_merge(struct ipc_peer *take_from, struct ipc_peer *to);
/* Says BYE when this task neither holds nor lends the peer anything any more. The other side, if
 * it agrees, answers BYE_OK and publishes nothing further there; then this side closes. Either
 * goes on as if nothing had been said when it needs the channel before that. Only the last BYE can
 * be agreed to: it has a number. */
void ipc_peer_maybe_bye(struct ipc_peer *peer);
/* BYE or BYE_OK came in. 0 or -EBADMSG. */
int ipc_peer_hear_bye(struct wire_channel *channel, enum wire_kind kind, const void *payload,
                      size_t size);

/* Channel out of an end connected to a peer's listener: makes the lane and says HELLO. On
 * success the end is taken; on failure it is closed. NULL: failed, *ret_error says why. */
struct wire_channel *ipc_peer_hello(int take_end, struct util_id alias, int *ret_error);
/* Reads who the unnamed peers are, as far as they have said. May free them. */
void ipc_peer_meet(void);
/* The datagram handler for channels. */
wire_welcome ipc_peer_welcome;

#endif
