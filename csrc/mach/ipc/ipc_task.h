/* The task: root of all task-wide state of the layer, and its one lock.
 *
 * Tree of the state:
 *   ipc_task
 *     id, lock, marker            who we are; the marker page is wiped in a forked child
 *     space                       name -> right (ipc_space)
 *     ids                         id -> port or nonce (ipc_port)
 *     peers -> channels           the tasks we know and the ways to them (ipc_peer, wire_channel)
 *     doors, ends                 listeners and introduced ends not yet claimed (ipc_door)
 *     engine                      leader, followers, hot channels, pass number (ipc_engine)
 *     spare                       memory of ports, for the next ones (ipc_port)
 *     judge                       ports whose counts are to be judged (ipc_grant)
 *     threads                     those that have a name or a reply port (ipc_thread)
 *     registered, exc_guard       what mach_ports_register() and task_set_exc_guard_behavior() left
 *
 * Fork rule: a child starts with an empty space and its bootstrap port (S142; ipc_bootstrap). The prepare
 * handler takes the lock and makes regions private (S182); the child closes every descriptor of
 * the layer and starts anew. Rings are MADV_DONTFORK; the marker page is MADV_WIPEONFORK, so
 * that even a raw clone() that runs no handlers is noticed on the next call.
 *
 * Lock: `lock` covers everything but the VM side, which has a leaf lock of its own that may be
 * taken under it. It is never held across a blocking wait, nor across copying of out-of-line
 * memory. */
#ifndef MACHOOL_IPC_TASK_H
#define MACHOOL_IPC_TASK_H

#include "ipc/ipc_engine.h"
#include "ipc/ipc_space.h"
#include "os/os_fd.h"
#include "util/util_id.h"
#include "util/util_idmap.h"
#include "util/util_list.h"
#include "wire/wire_format.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct ipc_task {
    pthread_mutex_t lock;
    uint32_t *marker; /* IPC_TASK_MARK while this address space has been set up */
    struct util_id id;
    struct ipc_space space;
    struct util_idmap ids;     /* struct ipc_port */
    struct util_idmap aliases; /* struct ipc_alias */
    struct util_link peers;    /* struct ipc_peer */
    struct util_link channels; /* struct wire_channel */
    struct util_link doors;    /* struct ipc_door */
    struct util_link ends;     /* struct ipc_end */
    struct util_link parting;  /* struct ipc_end: closed, and carrying what they stood for */
    struct util_link judge;    /* struct ipc_port */
    struct util_link threads;  /* struct ipc_thread */
    struct util_idnode *spare; /* struct ipc_port that nobody needs just now, by `chain` */
    unsigned spare_count;
    struct os_address address;  /* of the private listener; length 0: none yet */
    struct ipc_port *bootstrap; /* the right in TASK_BOOTSTRAP_PORT, carried; NULL: none */
    struct ipc_engine engine;
    struct util_link posts;         /* struct ipc_kmsg: made amid reading, to be sent after it */
    struct util_link unsent;        /* of these, what has been tried in vain just now */
    struct ipc_port *posting;       /* where one of them is being sent to; NULL: nowhere */
    uint32_t asides;                /* words set aside, of all peers */
    uint64_t aside_rounds;          /* of answering them */
    bool behind;                    /* something was said to a peer that has moved ports */
    bool moving;                    /* amid a move: nothing else is sent */
    uint64_t moves;                 /* that this task has made, to number them */
    uint32_t armed_requests;        /* for send-possible, that wait for room */
    struct ipc_port *registered[3]; /* send rights, carried; NULL: none */
    uint32_t exc_guard;             /* TASK_EXC_GUARD_ */
    struct ipc_port *machine[WIRE_MACHINE_END]; /* what every task has, carried; NULL: not yet */
    uint64_t messages_sent, messages_received, bytes_inline;
};

extern struct ipc_task ipc_task;

/* Takes the task lock; in a raw clone() the first call starts the task anew. */
void ipc_task_lock(void);
void ipc_task_unlock(void);
/* Lets another thread have the lock for a moment, if one waits for it. */
void ipc_task_yield(void);

/* Opens the engine's descriptors, before anything is to be watched. 0 or -errno. */
int ipc_task_start_engine(void);

/* The port of the machine's that every task has; carried. NULL: no memory. */
struct ipc_port *ipc_task_machine_port(enum wire_machine which);

/* Makes sure the private listener exists, before a right leaves this task. 0 or -errno. */
int ipc_task_listen(void);

#endif
