/* What travels between two tasks: the layouts of ring entries and of socket datagrams, and the
 * bounds-checked reading of both. Pure: no I/O, no allocation, no locks.
 *
 * Both ends are on one machine and run the same version, so fields are in native order and
 * layout; the version number in HELLO, LOOKUP and INTRO refuses anything else. Everything read
 * here was written by a peer and is hostile until one of these functions has accepted it. A
 * reader works on a private copy, never on shared memory, but for one word (wire_decide). */
#ifndef MACHOOL_WIRE_FORMAT_H
#define MACHOOL_WIRE_FORMAT_H

#include "util/util_id.h"
#include "wire/wire_lane.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WIRE_VERSION 4u

/* ---- rights ---------------------------------------------------------------------------- */

#define WIRE_RIGHTS_MAX 16383u /* in one message (S39) */

enum wire_right_how {
    WIRE_RIGHT_NULL,    /* MACH_PORT_NULL */
    WIRE_RIGHT_DEAD,    /* MACH_PORT_DEAD: the port died before the message left */
    WIRE_RIGHT_OWN,     /* to a port (or send-once right) of the sender: counted by it */
    WIRE_RIGHT_HOME,    /* to a port of the receiver: it comes home */
    WIRE_RIGHT_END,     /* to a third task's port: the next descriptor is an end connected to it */
    WIRE_RIGHT_SAME,    /* introduced by an end of this message that came before, for that task */
    WIRE_RIGHT_ENTRY,   /* a memory entry, whose object is the next descriptor */
    WIRE_RIGHT_RECEIVE, /* the receive right of a port that comes with this very entry */
    WIRE_RIGHT_MACHINE, /* to a port that every task has: `id` begins with an enum wire_machine */
};

enum wire_machine {
    WIRE_MACHINE_NONE,
    WIRE_MACHINE_BOOTSTRAP,
    WIRE_MACHINE_HOST,
    WIRE_MACHINE_END
};

struct wire_right {
    struct util_id id;
    struct util_id task;  /* END, SAME: the owner, as the passer knows it; ENTRY: offset and size */
    uint8_t how;          /* enum wire_right_how */
    uint8_t type;         /* as delivered: MACH_MSG_TYPE_MOVE_SEND or _MOVE_SEND_ONCE */
    uint16_t data_offset; /* ENTRY: in its first page */
    uint32_t limit;       /* the port's queue limit, as the passer knows it; ENTRY: see below */
};

#define WIRE_ENTRY_PROTECTION 7u /* bits of `limit`: VM_PROT_ */
#define WIRE_ENTRY_COPY 8u       /* made by copying */

#define WIRE_NAME_MAX 128

/* ---- ring entries ---------------------------------------------------------------------- */

enum wire_kind {
    WIRE_MESSAGE = LANE_FIRST_PAYLOAD, /* struct wire_message, descriptors, inline, OOL bytes */
    WIRE_SPILL,                        /* struct wire_spill: a message too large for the ring */
    WIRE_CLAIM,                        /* struct wire_count: I hold this right now (was: an end) */
    WIRE_RELEASE,                      /* struct wire_count: I gave back that many */
    WIRE_DEAD,                         /* struct wire_count: that port of mine has died */
    WIRE_LIMIT,                        /* struct wire_count: that port's new queue limit */
    WIRE_DOOR,                         /* struct wire_door: a service of your port's */
    WIRE_MOVE,                         /* struct wire_spill: a message with receive rights */
    WIRE_MOVED,  /* struct wire_moved: these ports of mine are another's now */
    WIRE_ACK,    /* struct wire_number: I have read MOVED of that serial number */
    WIRE_TOMBED, /* struct wire_count: of my right to that port only tombs are left */
    WIRE_BYE,    /* struct wire_number: I hold nothing of yours, may we end? */
    WIRE_BYE_OK, /* struct wire_number, of that BYE: neither do I, and I shall publish no more */
    WIRE_AFTER,  /* struct wire_after: what follows here comes after that */
    WIRE_KIND_END,
};

struct wire_message {
    struct util_id destination;
    uint64_t token; /* of the datagrams that bring `fds` descriptors; 0: none */
    struct wire_right reply;
    uint32_t bits; /* MACH_MSGH_BITS_COMPLEX or 0 */
    int32_t msgh_id;
    uint32_t voucher;     /* raw value that crosses unchanged (S94) */
    uint32_t credit;      /* the sender's slot for this port; LANE_NO_CREDIT: none */
    uint32_t descriptors; /* struct wire_descriptor that follow */
    uint32_t inline_size; /* bytes that follow them */
    uint32_t fds;
    uint32_t kernel; /* a notification: believed of the same user's tasks */
};

enum wire_descriptor_how {
    WIRE_DESCRIPTOR_PORT,
    WIRE_DESCRIPTOR_PORTS, /* `size` struct wire_right among the out-of-line bytes */
    WIRE_DESCRIPTOR_EMPTY,
    WIRE_DESCRIPTOR_BYTES,
    WIRE_DESCRIPTOR_OBJECT,
    WIRE_DESCRIPTOR_DELTA, /* two objects: one whole, and pages that go over it (struct wire_delta) */
    WIRE_DESCRIPTOR_LOAN,      /* `loan` is the number of what the receiver has returned */
    WIRE_DESCRIPTOR_LOAN_NEW,  /* the next descriptor, `loan` from now on */
    WIRE_DESCRIPTOR_LOAN_BACK, /* `loan` is the number of what the receiver has lent */
};

struct wire_descriptor {
    struct wire_right right; /* PORT */
    uint8_t how;             /* enum wire_descriptor_how */
    uint8_t type;            /* mach_msg_descriptor_type_t */
    uint8_t copy;            /* as sent: echoed to the receiver (S46) */
    uint8_t delivers;        /* PORTS: what they are on arrival; memory: its enum vm_copy_how */
    uint32_t size;           /* bytes of out-of-line memory, or rights */
    uint32_t page_offset;    /* where its first byte lies in its page (S43, S44) */
    uint32_t guard_flags;    /* of a guarded port, with its guard */
    uint32_t loan;
    uint64_t guard;
};

struct wire_spill {
    uint64_t token; /* of the datagrams; the first descriptor holds the WIRE_MESSAGE payload */
    uint64_t size;
    uint32_t fds; /* of the spill itself and of the message in it */
    uint32_t credit;
    uint64_t decision; /* enum wire_decision, of a move; changed in the ring, by either side */
};

/* A move holds only if no cut was to be seen when it had been published. Until its sender has said so its
 * reader may refuse it. */
enum wire_decision { WIRE_UNDECIDED, WIRE_MADE, WIRE_REFUSED_MOVE };

/* Decides the entry in the ring, which holds a struct wire_spill. True: so it is now. */
bool wire_decide(void *shared_entry, enum wire_decision decision);

struct wire_count {
    struct util_id id;
    uint64_t count; /* CLAIM: its number, which the answer bears that the port is elsewhere */
};

struct wire_number {
    uint64_t number;
};

struct wire_after {
    uint64_t channel; /* its number, as HELLO said */
    uint64_t entry;   /* the last that was published there, by the same side */
};

/* The listener of a service goes to the task that has its port; one descriptor. The users that may
 * look up follow. */
struct wire_door {
    struct util_id id;
    uint64_t token;
    uint32_t uid_count;
    uint32_t unused;
    char name[WIRE_NAME_MAX];
};

#define WIRE_UIDS_MAX 256u

/* A message with receive rights is one spilled object: this, the ports and their send-once rights,
 * then packets: what waits in the ports' queues, and last the message itself. */
struct wire_move {
    uint32_t ports; /* struct wire_moving that follow */
    uint32_t packets;
};

struct wire_moving {
    struct util_id id;
    struct util_id target; /* of a send-once right; none: a port */
    uint32_t limit;
    uint32_t senders; /* whether any right to it was known, but the receive right */
};

enum wire_role {
    WIRE_ROLE_QUEUED,   /* was in the queue of its destination */
    WIRE_ROLE_REQUESTS, /* two port descriptors: no-senders, port-destroyed */
    WIRE_ROLE_MESSAGE,  /* the message itself */
};

struct wire_packet {
    uint64_t size; /* of the WIRE_MESSAGE payload that follows, padded to 8 */
    uint32_t role;
    uint32_t local_type; /* QUEUED: by what it was sent */
    uint32_t kernel;
    int32_t pid;
    uint32_t uid, gid;
};

#define WIRE_ELSEWHERE UINT64_MAX

struct wire_moved {
    struct util_id task; /* the new owner */
    uint64_t token;      /* of an end connected to it that stands for the rights; 0: none;
                          * WIRE_ELSEWHERE: it comes with the same word on another channel */
    /* The move's number, acknowledged where the way is told; also of a word to one who came later and
     * needs it as the others did. 0: none was made. */
    uint64_t serial;
    uint64_t read; /* entries of yours that were read before the ports went */
    /* Where what was passed on to the new owner came: what follows this is to come after it (struct
     * wire_after). 0: nothing was. */
    uint64_t channel, entry;
    uint32_t cut;   /* this one's number, always even */
    uint32_t count; /* struct util_id that follow: the ports' and send-once rights' ids */
};

/* An object of pages that differ from another object's: this, the extents, zeros up to a page, then
 * the pages, those of one extent after those of another. */
struct wire_delta {
    uint32_t extents; /* struct wire_extent that follow: ascending, never overlapping */
    uint32_t pages;   /* of all of them */
};

struct wire_extent {
    uint32_t first, count; /* pages of the other object */
};

/* A message split into its parts; pointers lead into the checked buffer. */
struct wire_message_view {
    struct wire_message head;
    const struct wire_descriptor *descriptors;
    const uint8_t *inline_bytes;
    const uint8_t *ool_bytes; /* payloads of BYTES and PORTS, in order, each padded to 8 */
};

/* Bytes of a message with these parts; `ool` counts padded BYTES payloads. */
size_t wire_message_size(uint32_t descriptors, uint32_t inline_size, size_t ool);
size_t wire_padded(size_t size); /* to 8 */

/* Checks a WIRE_MESSAGE payload (8-byte aligned private memory) whole: counts, lengths, kinds,
 * and that the descriptors it needs are the descriptors it names. 0 or -EBADMSG. */
int wire_message_read(const void *buffer, size_t size, struct wire_message_view *ret_view);

/* Checks the counts of a whole object; `*ret_ports` and `*ret_packets` lead into it. */
int wire_move_read(const void *buffer, size_t size, struct wire_move *ret_move,
                   const struct wire_moving **ret_ports, const uint8_t **ret_packets);
/* The packet at `*at`, which moves on. 0 or -EBADMSG. */
int wire_packet_read(const uint8_t **at, const uint8_t *end, struct wire_packet *ret_packet,
                     struct wire_message_view *ret_view);
int wire_moved_read(const void *buffer, size_t size, struct wire_moved *ret_moved,
                    const struct util_id **ret_ids);

/* Checks the head of a delta for an object of so many pages. 0 or -EBADMSG. */
int wire_delta_check(const struct wire_delta *delta, uint32_t pages);
/* Checks extents, some at a time: `*pages_before` is where the last ones ended, and `*pages_left` what
 * the head says that is still to come; both move on. Once all have been read, none must be left. */
int wire_extents_check(const struct wire_extent *extents, uint32_t count, uint32_t pages,
                       uint32_t *pages_before, uint32_t *pages_left);

int wire_count_read(const void *buffer, size_t size, struct wire_count *ret_count);
int wire_after_read(const void *buffer, size_t size, struct wire_after *ret_after);
int wire_number_read(const void *buffer, size_t size, struct wire_number *ret_number);
int wire_spill_read(const void *buffer, size_t size, struct wire_spill *ret_spill);
/* `*ret_uids` leads into the buffer; the name is NUL-terminated. */
int wire_door_read(const void *buffer, size_t size, struct wire_door *ret_door,
                   const uint32_t **ret_uids);

/* ---- datagrams ------------------------------------------------------------------------- */

enum wire_datagram_kind {
    WIRE_BELL = 1, /* look at the ring */
    WIRE_FDS,      /* `count` descriptors for the entry with `token` */
    WIRE_INTRO,    /* this end stands for a right to `id`, or to each of the `count` in a memfd */
    WIRE_LOOKUP,   /* the same by `name`; `id` is the looker's own name for it until answered */
    WIRE_ANSWER,   /* to LOOKUP: port `id` of task `task`, queue limit `limit`; `count` is 1 while
                      the service is declared and nobody has checked in */
    WIRE_REFUSED,  /* to LOOKUP: `count` is a bootstrap code */
    WIRE_HELLO,    /* this end becomes a channel of `task`, known by the number `token`; brings the
                      lane; credentials */
    WIRE_WELCOME,  /* to HELLO: I am `task`; credentials */
    WIRE_HOLD,     /* into an end: its rights may be moving, STAY or GONE will follow */
    WIRE_STAY,     /* they did not, or the end is a channel by now */
    WIRE_GONE,     /* rights as INTRO names them are at `task` now: an end connected to it; then, if
                      there are several, the memfd */
    WIRE_DATAGRAM_END,
};

struct wire_datagram {
    uint32_t kind;
    uint32_t count;
    uint64_t token;
    /* BELL, FDS, HOLD and STAY end here */
    uint32_t version;
    uint32_t limit;
    struct util_id id;
    struct util_id task;
    uint32_t address_size; /* HELLO, WELCOME: the sender's listener, a struct sockaddr_un */
    char address[110];
    char name[WIRE_NAME_MAX + 2]; /* LOOKUP, NUL-terminated */
};

#define WIRE_DATAGRAM_SHORT 16u

/* Bytes to send for a datagram of that kind. */
size_t wire_datagram_size(uint32_t kind);
/* Checks a datagram of `size` bytes in place; NUL-terminates its name. 0 or -EBADMSG. */
int wire_datagram_check(struct wire_datagram *datagram, size_t size);

#endif
