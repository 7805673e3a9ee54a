/* A message, or several, being prepared for a channel: the form in which rights and memory cross, and
 * the descriptors they need.
 *
 * Preparing changes no count, so that it can be given up at any point; once the entry has been
 * published, lend counts what was granted and let_go lets go of the rest. Nothing is read between
 * publishing and lend: a right may be another task's, or this one's, afterwards.
 *
 * Locks: the task lock. */
#ifndef MACHOOL_IPC_OUTGOING_H
#define MACHOOL_IPC_OUTGOING_H

#include "util/util_id.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ipc_kmsg;
struct ipc_peer;
struct vm_ledger;
struct wire_channel;

struct ipc_outgoing_end { /* an end connected to a third task, for all its rights */
    const struct ipc_peer *owner;
    int fd; /* in `fds` too */
    struct util_id *ids;
    uint32_t count, size;
};

struct ipc_outgoing {
    struct wire_channel *channel;
    const struct vm_ledger *lender; /* whose loans may go as such; NULL: none */
    int *fds;                       /* borrowed from payloads, or ends that are ours to close */
    bool *own;                      /* which of them are ours */
    unsigned fd_count, fd_size;
    struct ipc_outgoing_end *ends;
    unsigned end_count;
};

void ipc_outgoing_deinit(struct ipc_outgoing *out);
/* Bytes of the message as a WIRE_MESSAGE payload. */
size_t ipc_outgoing_size(const struct ipc_kmsg *kmsg);
/* Writes it at `at`. The order of descriptors is the order of `fds`. Loans that cannot go this way become
 * objects first. 0 or -errno. */
int ipc_outgoing_encode(struct ipc_outgoing *out, struct ipc_kmsg *kmsg, struct util_id destination,
                        uint32_t credit, uint8_t *at);
/* Tells each owner which of its rights the ends stand for. 0; -ERESTART when one of these rights is
 * moving to another owner just now, so that all is to be prepared anew; or -errno. */
int ipc_outgoing_introduce(struct ipc_outgoing *out);
/* Bytes too large for the ring go in a sealed object, whose descriptor comes first. 0 or -errno. */
int ipc_outgoing_spill(struct ipc_outgoing *out, const void *bytes, size_t size);

/* Makes sure that counting cannot fail once the entry is published. 0 or -ENOMEM. */
int ipc_outgoing_make_room(struct ipc_outgoing *out, const struct ipc_kmsg *kmsg);
/* Counts what the message grants. */
void ipc_outgoing_lend(struct ipc_outgoing *out, struct ipc_kmsg *kmsg);
/* Whether it brings a right to that port of the peer's home. */
bool ipc_outgoing_leads_home(const struct ipc_kmsg *kmsg, struct util_id id);
/* The peer has not read it, and it is sent again: nothing is granted. */
void ipc_outgoing_take_back(struct ipc_kmsg *kmsg, struct ipc_peer *peer);
/* The message's rights and loans belong to the peer now. */
void ipc_outgoing_let_go(struct ipc_kmsg *kmsg);

#endif
