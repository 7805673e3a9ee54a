/* A message between copyin and copyout.
 *
 * It owns all that it carries: rights (each carried: one reference and one `local` of its port),
 * out-of-line payloads, inline bytes. From copyin until it is delivered or cleaned, nothing else
 * owns them; ipc_kmsg_clean is the one place where an undelivered message lets go (S125).
 *
 * Layout of one allocation: struct, descriptors, inline bytes.
 *
 * Locks: the task lock for rights and queues; payloads are copied in and out without it. */
#ifndef MACHOOL_IPC_KMSG_H
#define MACHOOL_IPC_KMSG_H

#include "util/util_list.h"
#include "vm/vm_copy.h"

#include <mach/message.h>
#include <mach/port.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct ipc_port;
struct wire_channel;

/* A right on its way: `port` is carried; NULL with `dead` false is MACH_PORT_NULL. A port that
 * has died meanwhile is found DEAD at copyout (S102). */
struct ipc_carried {
    struct ipc_port *port;
    mach_msg_type_name_t type; /* MACH_MSG_TYPE_PORT_SEND, _SEND_ONCE or _RECEIVE; 0: none */
    bool dead;                 /* MACH_PORT_DEAD */
    bool lent;                 /* counted for the peer that it is sent to */
    bool home;                 /* encoded as a right to a port of that peer's */
};

struct ipc_kmsg_descriptor {
    mach_msg_descriptor_type_t type;
    mach_msg_copy_options_t copy;
    struct ipc_carried right;      /* of a port or guarded port descriptor */
    struct ipc_carried *rights;    /* MACH_MSG_OOL_PORTS_DESCRIPTOR: owned, or NULL; else &right */
    uint32_t right_count;          /* 0 for memory */
    mach_msg_type_name_t delivers; /* MACH_MSG_OOL_PORTS_DESCRIPTOR: what they are on arrival */
    uint64_t guard;                /* MACH_MSG_GUARDED_PORT_DESCRIPTOR */
    uint16_t guard_flags;
    uint32_t size; /* MACH_MSG_OOL_DESCRIPTOR: as sent */
    struct vm_copy memory;
};

struct ipc_sender {
    pid_t pid;
    uid_t uid;
    gid_t gid;
};

struct ipc_kmsg {
    struct util_link link; /* in a port's queue */
    mach_msg_id_t msgh_id;
    mach_port_name_t voucher;
    bool complex;
    bool kernel;                    /* a notification: kernel identity in its trailer (S88) */
    bool receives;                  /* carries a receive right */
    bool keeps_guards;              /* its receiver asked for guarded ports (S158) */
    bool pseudo;                    /* it goes back to its sender (S126) */
    struct ipc_carried destination; /* the send right it is sent by, until it leaves the queue */
    mach_msg_type_name_t local_type;
    struct ipc_carried reply;
    struct ipc_sender sender;
    struct wire_channel *credit_channel; /* referenced; NULL: no slot to return */
    uint32_t credit;
    uint32_t seqno; /* at its port, once taken off the queue */
    uint32_t descriptor_count;
    uint32_t inline_size;
    struct ipc_kmsg_descriptor *descriptors;
    uint8_t *inline_bytes;
};

/* An empty message with room for its parts. NULL: no memory. */
struct ipc_kmsg *ipc_kmsg_new(uint32_t descriptors, uint32_t inline_size);

/* The descriptor holds `count` rights, all null yet. False: no memory. */
bool ipc_kmsg_hold_rights(struct ipc_kmsg_descriptor *d, uint32_t count);

/* Size of the message as a task sees it, without trailer. */
mach_msg_size_t ipc_kmsg_user_size(const struct ipc_kmsg *kmsg);

/* Takes a user's message in: header rights, descriptors, memory, inline bytes. Called without the
 * task lock. MACH_MSG_SUCCESS, with the lock; or the code, with the clean-up that S31-S33 prescribe
 * done and without it. */
mach_msg_return_t ipc_kmsg_copyin(const mach_msg_header_t *header, mach_msg_size_t size,
                                  struct ipc_kmsg **ret_kmsg);

/* Names for the rights of a received message. With the task lock. MACH_MSG_SUCCESS or special
 * bits for the descriptors' rights that found no room (their names are 0). */
mach_msg_return_t ipc_kmsg_copyout_rights(struct ipc_kmsg *kmsg, mach_port_name_t local_name,
                                          mach_msg_header_t *header);

/* Maps the memory of a received message into the descriptors that copyout_rights wrote and frees
 * the message. Without the task lock. MACH_MSG_SUCCESS or special bits (S58). */
mach_msg_return_t ipc_kmsg_copyout_memory(struct ipc_kmsg *take_kmsg, mach_msg_header_t *header);

/* By which way the index-th memory of the last message came that this thread has copied out. */
enum vm_copy_how ipc_kmsg_how(unsigned index);

/* A send that failed after copyin is received back into its own buffer (S126). Without the lock. */
void ipc_kmsg_copyout_pseudo(struct ipc_kmsg *take_kmsg, mach_msg_header_t *header);

/* Destroys an undelivered message and all it carries (S125). With the task lock. NULL is fine. */
void ipc_kmsg_clean(struct ipc_kmsg *take_kmsg);

/* Frees a message whose rights have all left it; in a forked child, whatever they were. */
void ipc_kmsg_free(struct ipc_kmsg *take_kmsg);
/* Returns the sender's slot, if the message took one. With the task lock. */
void ipc_kmsg_return_credit(struct ipc_kmsg *kmsg);

/* The receive rights in the message are in that port's queue now; NULL: in none. */
void ipc_kmsg_set_carrier(struct ipc_kmsg *kmsg, struct ipc_port *port);
/* Whether the message carries `port`'s receive right, or one in whose queue that travels, at
 * whatever depth: it could never be received (S124). */
bool ipc_kmsg_circular(const struct ipc_kmsg *kmsg, struct ipc_port *port);

/* The trailer that `option` asks for, written at `at` with at most `room` bytes (S83-S88). */
void ipc_kmsg_trailer(const struct ipc_kmsg *kmsg, const struct ipc_port *port,
                      mach_msg_option_t option, void *at, mach_msg_size_t room);

#endif
