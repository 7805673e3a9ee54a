/*
 * The calls that are traps of the kernel on Darwin.
 */
#ifndef MACHOOL_MACH_MACH_TRAPS_H
#define MACHOOL_MACH_MACH_TRAPS_H

#include <mach/mach_types.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * A new port's receive right, as mach_port_allocate gives it, or MACH_PORT_NULL when names or
 * memory are short. The caller's: mach_port_mod_refs(RECEIVE, -1) ends it.
 */
mach_port_name_t mach_reply_port(void);

#ifdef __cplusplus
}
#endif

#endif
