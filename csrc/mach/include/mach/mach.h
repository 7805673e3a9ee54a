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

/* mach_msg() of a message whose msgh_size is set: sends it, without a time limit. */
mach_msg_return_t mach_msg_send(mach_msg_header_t *msg);

/* mach_msg() into a buffer of msgh_size bytes from the port msgh_local_port, without a time limit. */
mach_msg_return_t mach_msg_receive(mach_msg_header_t *msg);

/*
 * Serves a port: receives a request, has `demux` answer it, sends the answer, and again until a call
 * fails; mach_msg_server_once() does so one time. Requests and answers have up to `max_size` bytes;
 * larger requests with MACH_RCV_LARGE among the `options`, which go into every mach_msg().
 *
 * `demux` fills in the reply, header and all, laid out as mig_reply_error_t when it carries neither
 * right nor memory: RetCode MIG_NO_REPLY, or no remote port, and nothing is sent; another failure,
 * and what a complex request brought is destroyed. What it returns is not looked at. An answer that
 * finds its client dead, or a queue full behind a plain send right, is dropped.
 *
 * Returns what stopped it: a code of mach_msg(), or KERN_NO_SPACE.
 *
 * mach_msg_server_importance() would lend the server its client's priority where there is such a
 * thing; it is mach_msg_server() here.
 */
mach_msg_return_t mach_msg_server(boolean_t (*demux)(mach_msg_header_t *, mach_msg_header_t *),
                                  mach_msg_size_t max_size, mach_port_t rcv_name,
                                  mach_msg_options_t options);
mach_msg_return_t mach_msg_server_once(boolean_t (*demux)(mach_msg_header_t *, mach_msg_header_t *),
                                       mach_msg_size_t max_size, mach_port_t rcv_name,
                                       mach_msg_options_t options);
mach_msg_return_t mach_msg_server_importance(boolean_t (*demux)(mach_msg_header_t *,
                                                                mach_msg_header_t *),
                                             mach_msg_size_t max_size, mach_port_t rcv_name,
                                             mach_msg_options_t options);

#ifdef __cplusplus
}
#endif

#endif
