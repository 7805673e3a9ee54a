/*
 * What a task has from its start: its own port, its host's, and the way to services.
 */
#ifndef MACHOOL_MACH_MACH_INIT_H
#define MACHOOL_MACH_MACH_INIT_H

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

/* A send right to the host. Programs that deallocate it and programs that do not are both right. */
mach_port_t mach_host_self(void);

/*
 * The send right that bootstrap calls take. A variable like any other: programs assign to it, and
 * may have local variables of that name.
 */
extern mach_port_t bootstrap_port;

#ifdef __cplusplus
}
#endif

#endif
