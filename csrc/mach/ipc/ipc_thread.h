/* Threads of this task that Mach knows of: those that asked for their name or for a reply port, and
 * those that task_threads() has listed.
 *
 * A thread's name is a special port (ipc_port). It dies with the thread: at once if the thread had
 * asked for anything itself, else when the list is next looked through. A forked child starts with
 * an empty list.
 *
 * Locks: the task lock. */
#ifndef MACHOOL_IPC_THREAD_H
#define MACHOOL_IPC_THREAD_H

#include "util/util_list.h"

#include <mach/kern_return.h>
#include <mach/port.h>
#include <stdint.h>
#include <sys/types.h>

struct ipc_thread {
    struct util_link link; /* in the task's list */
    pid_t tid;
    uint64_t born;               /* when it started, for ids are used again; 0: not known */
    struct ipc_port *port;       /* a reference; NULL: nobody has asked */
    mach_port_name_t reply_port; /* mig_get_reply_port()'s, whose receive right is the thread's */
};

/* The calling thread, entered in the list. NULL: no memory. */
struct ipc_thread *ipc_thread_self(void);
/* A thread by its id, entered in the list. NULL: no memory, or no such thread (any more). */
struct ipc_thread *ipc_thread_enter(pid_t tid);
/* The thread that a name stands for; NULL: none. */
struct ipc_thread *ipc_thread_find(mach_port_name_t name);
/* One more reference to the thread's name. KERN_SUCCESS or KERN_RESOURCE_SHORTAGE. */
kern_return_t ipc_thread_name(struct ipc_thread *thread, mach_port_name_t *ret_name);
/* Forgets the threads that have ended. */
void ipc_thread_sweep(void);

#endif
