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

/*
 * Memory for producers and consumers that hand over much of it. It is vm_allocate's and
 * vm_deallocate's memory in all respects, and either pair takes what the other has made.
 *
 * machool_allocate: `size` bytes, rounded up to whole pages, anywhere. With MACHOOL_UNCLEARED the
 * pages may have any contents: for who overwrites all of them. Codes are those of vm_allocate.
 *
 * machool_deallocate: for who vouches that no pointer into the range is left anywhere, and that nothing
 * was mapped or protected there but by calls of Mach; it may then stay mapped for the next message. Codes are those of vm_deallocate.
 *
 * machool_give: once the next send of exactly this region has succeeded, its contents are of no interest
 * any more, though that send does not deallocate it; the range stays, with zeros in it. If the send
 * fails the contents are there again; its descriptor may come back with size 0 then (S35).
 * KERN_INVALID_ARGUMENT: it is no region that could go without a copy, and nothing changes.
 */
#define MACHOOL_UNCLEARED 1
kern_return_t machool_allocate(vm_address_t *address, vm_size_t size, int flags);
kern_return_t machool_deallocate(vm_address_t address, vm_size_t size);
kern_return_t machool_give(vm_address_t address, vm_size_t size);

/*
 * Memory that travels between tasks of one user comes back to be used again. So many bytes of it may
 * lie idle in this process (64 MiB until told otherwise, of which the two that came back last may be twice as
 * much; a smaller bound is kept to the byte), and so many may be with others (an eighth of the machine's
 * memory, 256 MiB at least); what is above goes in memory of its own. 0 and 0 turn it off, as does
 * MACHOOL_LOANS=0 in the environment. Without effect on macOS.
 */
void machool_set_limits(uint64_t idle_bytes, uint64_t lent_bytes);
/* Gives idle memory back to the system. */
void machool_trim(void);

/*
 * By which way the out-of-line memory came that this thread has received last: of the index-th memory
 * descriptor of that message, counted from 0. A report, for tuning; up to 32 of a message are known.
 */
#define MACHOOL_TRANSPORT_UNKNOWN 0
#define MACHOOL_TRANSPORT_INLINE 1 /* its bytes were in the message itself */
#define MACHOOL_TRANSPORT_COPIED 2 /* copied into an object of its own */
#define MACHOOL_TRANSPORT_SHARED                                                                   \
    3 /* the sender's region, without a copy: shared until written to */
#define MACHOOL_TRANSPORT_CHANGES 4 /* the same, and copies of the pages that have changed since */
#define MACHOOL_TRANSPORT_LENT 5    /* copied into memory that goes back to the sender when freed */
#define MACHOOL_TRANSPORT_MOVED 6   /* the sender's own pages, which go back likewise */
int machool_transport(unsigned index);

/* What this process has moved so far, and what it holds now. */
struct machool_stats {
    uint64_t messages_sent;
    uint64_t messages_received;
    uint64_t bytes_inline; /* sent within messages */
    uint64_t bytes_copied; /* sent out of line, by copying */
    uint64_t bytes_shared; /* sent out of line without a copy */
    uint64_t regions;      /* allocated or received, and still mapped */
    uint64_t region_bytes;
    uint64_t channels;       /* other tasks it is connected to */
    uint64_t ports;          /* names in its space */
    uint64_t idle_bytes;     /* came back, and wait to be used again */
    uint64_t lent_bytes;     /* with other tasks, or on the way there */
    uint64_t borrowed_bytes; /* of other tasks, received and not given back */
    uint64_t idle_limit;
    uint64_t lent_limit;
    uint64_t parked; /* mappings kept for such memory while it is nobody's here */
};

/* Fills *ret_stats. What the system does not tell (macOS: nearly all) is 0. */
void machool_get_stats(struct machool_stats *ret_stats);

/* The version of the layer, as "0.1.0". Borrowed, static. */
const char *machool_version(void);

#ifdef __cplusplus
}
#endif

#endif
