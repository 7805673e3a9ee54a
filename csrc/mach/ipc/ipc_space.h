/* The task's name space: 32-bit names -> rights.
 *
 * A name is index << 8 | generation (S104); the generation changes with each reuse of an index,
 * and free indexes are reused oldest first, so a stale name is not soon valid again. Send and
 * receive rights to one port share a name; each send-once right has its own (S105).
 *
 * An entry's type bits say what it is: RECEIVE, SEND (possibly both), SEND_ONCE, PORT_SET, or
 * DEAD_NAME with no port. An entry holds one reference to its port, and one `local` of it while SEND or
 * SEND_ONCE is set.
 *
 * Locks: the task lock. */
#ifndef MACHOOL_IPC_SPACE_H
#define MACHOOL_IPC_SPACE_H

#include <mach/kern_return.h>
#include <mach/port.h>
#include <stdbool.h>
#include <stdint.h>

struct ipc_port;

#define IPC_UREFS_MAX 65535u /* and there they stay (S109) */

struct ipc_entry {
    mach_port_name_t name; /* 0: free */
    mach_port_type_t type;
    uint32_t urefs; /* of SEND, SEND_ONCE (1) or DEAD_NAME */
    uint32_t next_free;
    bool
        unnoticed; /* a send-once right whose port died and that nobody has looked at since (S117) */
    struct ipc_port *port;    /* NULL: dead name */
    struct ipc_port *request; /* send-once right for a notification about the name, carried; NULL */
    bool possible, armed;     /* the request is for send-possible too; a sender was turned away */
};

struct ipc_space {
    struct ipc_entry *entries;
    uint32_t size, used;            /* allocated; in use */
    uint32_t first_free, last_free; /* queue of freed indexes; 0: none */
    uint32_t fresh;                 /* first index never used */
};

/* Names that every task has from its start. */
#define IPC_NAME_TASK 0x203u
#define IPC_NAME_HOST 0x307u
#define IPC_NAME_BOOTSTRAP 0x40bu
#define IPC_SPACE_FIRST 5u /* first index for other names */

/* The entry of a name, or NULL. Entries move when the space grows: do not keep the pointer. */
struct ipc_entry *ipc_space_find(mach_port_name_t name);
/* A new entry with no type yet, under a name of the space's choice; NULL: no memory. */
struct ipc_entry *ipc_space_alloc(struct ipc_port *borrow_port);
/* A new entry under a given name. KERN_NAME_EXISTS; KERN_FAILURE: another name has its index, or
 * none may; KERN_INVALID_VALUE: no name ends like that; KERN_NO_SPACE: beyond all names. */
kern_return_t ipc_space_alloc_name(mach_port_name_t name, struct ipc_port *borrow_port,
                                   struct ipc_entry **ret_entry);
/* The entry of `old` is under `name` from now on, with all that it holds. As above, and
 * KERN_INVALID_NAME: there is no `old`. */
kern_return_t ipc_space_rename(mach_port_name_t old, mach_port_name_t name);
/* Removes an entry; the references it held are the caller's to drop. */
void ipc_space_free(struct ipc_entry *entry);
/* Walks the entries in use; `index` starts at 0. NULL at the end. */
struct ipc_entry *ipc_space_next(uint32_t *index);
/* Forgets everything without dropping references (forked child). */
void ipc_space_reset(void);

#endif
