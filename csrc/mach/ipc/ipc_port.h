/* A port, a send-once right or a port set, as this task knows it.
 *
 * Ports and send-once rights are identified by a random 128-bit id; a send-once right is an id of
 * its own (a nonce) that leads to a port. A set has no id: it never leaves its task, and is OWN. One
 * struct serves the places such a thing can be:
 *
 *   OWN      the receive right is here (kind PORT), or the nonce leads to a port that is (ONCE).
 *            `grants` counts, for each peer task, the rights lent to it; `pending` the ends that
 *            were introduced and not yet claimed; `local` the rights that this task itself holds.
 *            When all three are zero, and a full pass of the engine that began after the last
 *            decrement has found no more, nobody can send any longer: a nonce then yields its
 *            send-once notification, a port its no-senders notification if that is asked for.
 *            The receive right is under a name of the space, or carried by a message (`transit`).
 *   REMOTE   another task's; `peer` is its task, `grants` what we owe back when the last right
 *            of this task goes. In the id table, so that a further right joins this one (S3).
 *   DEAD     the port has died, or its last right here went; in no table. Whoever still points
 *            here (a message under way, a waiting thread) finds that out by looking.
 *   SPECIAL  the host's or the bootstrap port, a thread's: a name without a queue.
 *
 * The task's own port is OWN without a receive right: it dies with the task, so other tasks may
 * watch it, and what is sent there is destroyed.
 *
 * References: `refs` counts pointers (a space entry, a carried right, a waiter, a nonce's target,
 * the receive right itself); `local` counts rights: one for a space entry with a send or
 * send-once right, one for each right that a message of this task carries.
 *
 * Locks: the task lock, for everything. */
#ifndef MACHOOL_IPC_PORT_H
#define MACHOOL_IPC_PORT_H

#include "ipc/ipc_grant.h"
#include "util/util_idmap.h"
#include "util/util_list.h"

#include <mach/kern_return.h>
#include <mach/message.h>
#include <mach/port.h>

struct ipc_peer;
struct vm_entry;
struct wire_channel;

enum ipc_kind { IPC_PORT, IPC_ONCE, IPC_SET };
enum ipc_place { IPC_OWN, IPC_REMOTE, IPC_DEAD, IPC_SPECIAL };

struct ipc_port {
    struct util_idnode node;
    uint32_t refs;
    uint32_t local;
    uint8_t kind;          /* enum ipc_kind */
    uint8_t place;         /* enum ipc_place */
    bool starved;          /* OWN: its next message waits for descriptors (EMFILE) */
    bool task;             /* OWN: the task's own, and nobody's to receive from */
    bool bootstrap;        /* SPECIAL: bootstrap calls take it */
    uint8_t machine;       /* SPECIAL: as what it crosses to other tasks, enum wire_machine */
    uint16_t doors;        /* services in the task's list that lead here */
    mach_port_name_t name; /* its one name in the space, or 0 */
    struct vm_entry
        *entry; /* SPECIAL: the memory entry it stands for; holds a reference; or NULL */
    struct ipc_grants grants;
    uint32_t limit; /* queue limit; REMOTE: as last heard */

    /* OWN */
    uint32_t pending;
    uint64_t last_drop;       /* number of the pass during which a count last went down */
    struct util_link judge;   /* in the task's list while a count is to be judged */
    struct ipc_port *target;  /* ONCE: the port; holds a reference */
    struct util_link nonces;  /* PORT: its nonces; ONCE: in its port's list */
    struct util_link aliases; /* other ids by which look-ups that were not answered know it */
    struct util_link sets;    /* PORT: struct ipc_member; SET: its members, who is next first */
    struct util_link queue;   /* struct ipc_kmsg, oldest first */
    uint32_t queued;          /* SET: in all its members together */
    uint32_t seqno, mscount;
    uint32_t moves;              /* how often the receive right left a name: waiters compare */
    uint64_t context;            /* the owner's word for it; with a guard, the guard */
    bool had_senders;            /* since they were last judged to be none */
    bool guarded;                /* the receive right goes only by destruct, with the guard */
    bool strict, immovable;      /* and: `context` is hidden; no message takes the right */
    bool transit;                /* a message carries the receive right */
    bool moving;                 /* on its way to another task, in the very act (ipc_move.h) */
    bool arriving;               /* the same, from another: no message carries the right yet */
    bool lent;                   /* other tasks have had rights to it */
    bool moved;                  /* REMOTE: was once this task's */
    struct ipc_port *carrier;    /* the port in whose queue that message is; borrowed; NULL: none */
    struct ipc_port *no_senders; /* send-once right for that notification, carried; or NULL */
    struct ipc_port *destroyed;  /* the same for port-destroyed */
    struct util_link doomed;     /* while its death waits for that of others */
    struct util_link receivers;  /* struct ipc_waiter */
    struct util_link senders;    /* struct ipc_waiter: local threads that wait for room */
    int event_fd, poll_fd;       /* machool_port_fd; -1: not asked for */

    /* REMOTE */
    struct ipc_peer *peer;
    struct wire_channel *slot_channel; /* where `slot` was taken; holds a reference */
    uint32_t slot;
    uint32_t hops;   /* how often it went to another task: compared around a send */
    uint32_t tombs;  /* how many of `local` are tombs' */
    bool brought;    /* its move to this task is in a ring of its peer's, not read yet */
    char *service;   /* looked up under this name; owned; NULL: not */
    bool unanswered; /* its id is our own alias until the owner answers */
};

/* Another id for an OWN port. */
struct ipc_alias {
    struct util_idnode node;
    struct util_link link;
    struct ipc_port *port;
};

/* A new port with its receive right here, in the id table, with one reference for the right.
 * NULL: no memory. */
struct ipc_port *ipc_port_new(void);
/* The port of that id, or the send-once right to `target`, has come to this task: OWN, in transit,
 * whatever rights this task had to it already. NULL: no memory. */
struct ipc_port *ipc_port_arrive(struct util_id id, struct ipc_port *target, uint32_t limit);
/* An OWN port or send-once right has gone to that peer: REMOTE, one right of this task's counted
 * there. Its queue and requests have left it. The caller has carried it. */
void ipc_port_become_remote(struct ipc_port *port, struct ipc_peer *owner);
/* A new send-once right to an OWN port, carried (refs 1, local 1). NULL: no memory. */
struct ipc_port *ipc_port_new_once(struct ipc_port *target);
/* Another task's port or nonce, in the id table, not carried yet (refs 0). NULL: no memory. */
struct ipc_port *ipc_port_new_remote(struct util_id id, enum ipc_kind kind, struct ipc_peer *peer);
/* An empty set; refs 1. NULL: no memory. */
struct ipc_port *ipc_port_new_set(void);
/* A memory entry's port, in the id table under `id`, or under a new one if that is none; refs 1. Takes
 * the entry's reference in any case. NULL: no memory. */
struct ipc_port *ipc_port_new_entry(struct util_id id, struct vm_entry *take_entry);
/* A port without queue for a name of the kernel's; refs 1. */
struct ipc_port *ipc_port_new_special(void);
/* A port that has died, carried; NULL: no memory. */
struct ipc_port *ipc_port_new_dead(void);

/* The port or nonce of that id, through aliases too; NULL: unknown. */
struct ipc_port *ipc_port_find(struct util_id id);
/* Makes `id` lead to `port` as well. 0 or -ENOMEM. */
int ipc_port_alias(struct ipc_port *port, struct util_id id);
/* REMOTE: its owner answered: the alias becomes the real id. */
void ipc_port_rename(struct ipc_port *port, struct util_id id);

struct ipc_port *ipc_port_ref(struct ipc_port *port);
void ipc_port_unref(struct ipc_port *port);

/* One more right of this task: a reference and a `local`. */
struct ipc_port *ipc_port_carry(struct ipc_port *port);
/* One right of this task goes; the last one is returned to the owner, or judged. */
void ipc_port_drop(struct ipc_port *port);

/* The receive right goes: messages are cleaned (S125), waiters wake, holders hear of the death;
 * unless a port-destroyed notification takes it away (S137). Its name has let go of it. */
void ipc_port_destroy(struct ipc_port *port);
/* The receive right leaves its name for a message: counts and context start anew, sets forget it,
 * receivers wake (S121). */
void ipc_port_clear_receiver(struct ipc_port *port);
/* Drops the set: its members stay (S139). */
void ipc_port_destroy_set(struct ipc_port *set);
/* A REMOTE port's owner is gone or said so: names become dead names, waiters wake. */
void ipc_port_die(struct ipc_port *port);
/* A forked child closes the descriptors of a port that it inherited, and forgets it. */
void ipc_port_forget(struct ipc_port *port);
/* An OWN nonce was used, or its notification sent: it leads nowhere any more. */
void ipc_port_spend(struct ipc_port *once);

#endif
