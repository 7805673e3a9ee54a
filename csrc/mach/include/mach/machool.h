/*
 * What programs need beside Mach, on Linux and on macOS alike.
 */
#ifndef MACHOOL_MACH_MACHOOL_H
#define MACHOOL_MACH_MACHOOL_H

#include <stdint.h>
#include <sys/types.h>

#include <mach/mach.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * A descriptor for poll, select, epoll or kqueue that is readable while a message may be waiting on
 * the receive right or port set `name`. It may be readable without cause: receive with MACH_RCV_TIMEOUT and
 * timeout 0 until MACH_RCV_TIMED_OUT. Borrowed: the same one at each call, never to be read from or
 * closed by the caller, valid until the right goes. -1 on failure, with errno: EINVAL (no
 * receive right or set), EMFILE, ENFILE, ENOMEM.
 */
int machool_port_fd(mach_port_name_t name);

/*
 * bootstrap_register, open to the `count` users in `uids` besides the caller's own and root. The
 * array is copied. Codes are those of bootstrap_register. On macOS launchd decides who may look up:
 * `count` other than 0 gives KERN_NOT_SUPPORTED.
 */
kern_return_t machool_bootstrap_register(const char *service_name, mach_port_t port,
                                         const uid_t *uids, unsigned count);

/* What this process has moved so far, and what it holds now. */
struct machool_stats {
    uint64_t messages_sent;
    uint64_t messages_received;
    uint64_t bytes_inline; /* sent within messages */
    uint64_t bytes_copied; /* sent out of line, by copying */
    uint64_t bytes_shared; /* sent out of line without a copy */
    uint64_t regions;      /* allocated or received, and still mapped */
    uint64_t region_bytes;
    uint64_t channels; /* other tasks it is connected to */
    uint64_t ports;    /* names in its space */
};

/* Fills *ret_stats. What the system does not tell (macOS: nearly all) is 0. */
void machool_get_stats(struct machool_stats *ret_stats);

/* The version of the layer, as "0.1.0". Borrowed, static. */
const char *machool_version(void);

#ifdef __cplusplus
}
#endif

#endif
