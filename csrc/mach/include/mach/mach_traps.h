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

/*
 * Gives up the processor: `option` SWITCH_OPTION_NONE or _DEPRESS to whoever else can run, _WAIT for
 * `option_time` milliseconds. `thread` says whom the caller would like to see run: a hint that is
 * not taken. KERN_SUCCESS; KERN_INVALID_ARGUMENT: another option.
 */
kern_return_t thread_switch(mach_port_name_t thread, int option, mach_msg_timeout_t option_time);

/* Gives up the processor. Whether somebody else could run cannot be said: always FALSE. */
boolean_t swtch(void);
boolean_t swtch_pri(int pri);

#ifdef __cplusplus
}
#endif

#endif
