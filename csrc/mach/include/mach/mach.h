/*
 * Everything but bootstrap: ports, messages, memory, tasks, codes, and <string.h> with
 * <strings.h>, which programs written for Mach take for granted.
 */
#ifndef MACHOOL_MACH_MACH_H
#define MACHOOL_MACH_MACH_H

#include <string.h>
#include <strings.h>

#include <mach/mach_error.h>
#include <mach/mach_host.h>
#include <mach/mach_init.h>
#include <mach/mach_interface.h>
#include <mach/mach_port.h>
#include <mach/mach_types.h>
#include <mach/mig.h>
#include <mach/mig_errors.h>
#include <mach/std_types.h>
#include <mach/thread_switch.h>
#include <mach/vm_region.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Drops what a message received, or put back by a failed send, brought: the right in
 * msgh_remote_port, the rights of its descriptors, and the regions whose descriptor says
 * `deallocate`. Never msgh_local_port, never the buffer. On a message not yet sent it undoes what
 * sending would have moved.
 */
void mach_msg_destroy(mach_msg_header_t *msg);

#ifdef __cplusplus
}
#endif

#endif
