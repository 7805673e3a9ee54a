/* A message, or several, being taken from a channel: rights and memory out of the form in which they
 * crossed.
 *
 * Locks: the task lock. */
#ifndef MACHOOL_IPC_INCOMING_H
#define MACHOOL_IPC_INCOMING_H

#include "wire/wire_format.h"

struct ipc_kmsg;
struct ipc_peer;
struct ipc_way;
struct wire_channel;

struct ipc_incoming {
    struct ipc_peer *peer;
    struct wire_channel *channel; /* whose loans may be among it; NULL: none */
    int *fds;                     /* the entry's, taken in order; those taken are -1 */
    unsigned next_fd;
    struct ipc_way *ways; /* one for each END so far */
    unsigned way_count;
    const uint8_t *ool;
};

void ipc_incoming_deinit(struct ipc_incoming *in);
/* A kmsg with all the memory that the message will need, made before anything of it is taken, so
 * that for want of memory it just stays in the ring. NULL: no memory. */
struct ipc_kmsg *ipc_incoming_make_room(const struct wire_message_view *view,
                                        struct wire_channel *channel);
/* Turns a checked message into such a kmsg. Takes from `fds` what it uses. 0, or -errno: the peer
 * lied about its memory. */
int ipc_incoming_decode(struct ipc_incoming *in, const struct wire_message_view *view,
                        struct ipc_kmsg *kmsg);

#endif
