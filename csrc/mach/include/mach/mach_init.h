/*
 * What a task has from its start: its own port, its host's, and the way to services.
 */
#ifndef MACHOOL_MACH_MACH_INIT_H
#define MACHOOL_MACH_MACH_INIT_H

#include <stdarg.h>

#include <mach/mach_traps.h>
#include <mach/mach_types.h>
#include <mach/vm_page_size.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * A send right to the caller's own task. Borrowed: do not deallocate it. The macro below saves the
 * call; the function is there for who takes its address.
 */
mach_port_t mach_task_self(void);

extern mach_port_t mach_task_self_;
#define mach_task_self() mach_task_self_
#define current_task() mach_task_self()

/* Whether `task` names the caller's own task. */
boolean_t mach_task_is_self(task_name_t task);

/*
 * A send right to the calling thread, with one reference more at each call, the caller's. When the
 * thread ends, what is left of it is a dead name. MACH_PORT_NULL: no memory.
 */
mach_port_t mach_thread_self(void);

/*
 * A send right to the host, with one reference more at each call. Programs that deallocate it and
 * programs that do not are both right.
 */
mach_port_t mach_host_self(void);

/* The size of a page, into *ret_size. KERN_SUCCESS; MACH_SEND_INVALID_DEST: not the host. */
kern_return_t host_page_size(host_t host, vm_size_t *ret_size);

/*
 * The send right that bootstrap calls take. A variable like any other: programs assign to it, and
 * may have local variables of that name.
 */
extern mach_port_t bootstrap_port;

/* What programs of old kept in the places of mach_ports_register(). */
#define NAME_SERVER_SLOT 0
#define ENVIRONMENT_SLOT 1
#define SERVICE_SLOT 2
#define MACH_PORTS_SLOTS_USED 3

#ifdef __cplusplus
}
#endif

#endif
