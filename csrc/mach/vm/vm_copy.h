/* Out-of-line memory on its way: copyin, copyout, and what came from a peer.
 *
 * A payload is BYTES (small: it travels in the ring), an OBJECT: a sealed memfd that holds exactly the
 * data, nothing of its neighbours, and zeros around it (S45, S71), or a LOAN (vm_loan.h), which holds
 * the data among its pages. Whole regions of the layer become one or the other without a copy; all
 * else is copied once. A DELTA is an object that was sent before, and another with what has changed
 * since (vm_delta.h).
 *
 * No function here raises a signal for a bad address (S20). Locks: takes vm_lock; called without
 * the task lock, except vm_copy_deinit and the fork functions, which may be called under it. */
#ifndef MACHOOL_VM_COPY_H
#define MACHOOL_VM_COPY_H

#include "vm/vm_region.h"

#include <mach/mach_types.h>
#include <mach/message.h>
#include <stdbool.h>
#include <stdint.h>

/* Up to this many bytes travel in the ring. Measured with benchmarks/c/bench_vm_paths: 37-46 us
 * against an object's 55-63 at 32 KiB, the same at 64 KiB, 235-289 against 145-173 at 128 KiB. */
#define VM_COPY_BYTES_MAX 65536u

/* Up to this many where loans are made: they have pages at hand, where bytes have to be mapped and
 * faulted in. A round trip from Python took 15.4 us against 23.2 at 2 KiB, 15.8 against 28.8 at 16 KiB. */
#define VM_COPY_BYTES_LOANS 2048u

enum vm_copy_kind { VM_COPY_NONE, VM_COPY_BYTES, VM_COPY_OBJECT, VM_COPY_DELTA, VM_COPY_LOAN };

/* In what way the sender's memory got into the payload: told along, for reports only. */
enum vm_copy_how {
    VM_COPY_UNTOLD,
    VM_COPY_INLINE,  /* BYTES */
    VM_COPY_COPIED,  /* OBJECT: written for this message */
    VM_COPY_SHARED,  /* OBJECT: the region's own */
    VM_COPY_CHANGES, /* DELTA */
    VM_COPY_LENT,    /* LOAN: written for this message */
    VM_COPY_MOVED,   /* LOAN: the region's own pages */
    VM_COPY_HOW_END
};

struct vm_ledger;
struct vm_loan;

struct vm_copy { /* owned by whoever holds it */
    enum vm_copy_kind kind;
    enum vm_copy_how how;
    uint32_t size;        /* exact bytes */
    uint32_t page_offset; /* where in its first page the data starts at the receiver (S43, S44) */
    void *bytes;          /* BYTES: malloc'ed */
    int fd;               /* OBJECT, DELTA: sealed, data at page_offset; else -1 */
    int delta_fd;         /* DELTA: sealed; else not valid */
    struct vm_task task;  /* OBJECT, DELTA: who has seen `fd` beside this task, if anybody */
    struct vm_loan *loan; /* LOAN: carried, data at page_offset; NONE: room for one, or NULL */
};

/* For whom a message is, as far as is known when memory is taken in. */
struct vm_receiver {
    struct vm_task task;      /* may be this one; only there may a DELTA go */
    struct vm_ledger *lender; /* where loans for it are made; NULL: nowhere */
};

/* Takes the range in. MACH_MSG_SUCCESS, MACH_SEND_INVALID_MEMORY, or bare MACH_MSG_VM_KERNEL on
 * shortage (S24). `deallocate` unmaps the whole pages after a good copy (S27, S28, S30). Size 0
 * gives kind NONE and looks at nothing (S19). */
mach_msg_return_t vm_copyin(vm_address_t address, vm_size_t size, int copy_option, bool deallocate,
                            struct vm_copy *ret_copy);

/* The same for a message to that receiver. */
mach_msg_return_t vm_copyin_for(vm_address_t address, vm_size_t size, int copy_option,
                                bool deallocate, const struct vm_receiver *receiver,
                                struct vm_copy *ret_copy);

/* Maps it at an address of the kernel's choice, private, readable and writable (S41, S42), and
 * consumes it in any case. 0 and the address (0 for NONE), or -errno; -ECANCELED: it went back to
 * where it came from (vm_copy_give). */
int vm_copyout(struct vm_copy *take_copy, vm_address_t *ret_address);

/* An object that a peer sent: refused unless it is a memfd, sealed against every change, and
 * large enough. 0 or -errno; takes the descriptor in any case. */
int vm_copy_adopt(int take_fd, uint32_t size, uint32_t page_offset, struct vm_copy *ret_copy);

/* The two objects of a DELTA, under the same conditions and checked as vm_delta.h says. */
int vm_copy_adopt_delta(int take_fd, int take_delta_fd, uint32_t size, struct vm_copy *ret_copy);

/* What a peer lent, or sends `back` to this ledger: number, descriptor if it is new (else -1; taken in
 * any case), and room made before in `ret_copy->loan` for a new one. 0, or -EBADMSG: it lied. */
int vm_copy_borrow(struct vm_ledger *ledger, bool back, uint32_t index, int take_fd, uint32_t size,
                   uint32_t page_offset, struct vm_copy *ret_copy);

/* A loan that has to go another way than was thought becomes an object. 0 or -errno with the copy as
 * it was. May be called with the task lock: it happens when ports move. */
int vm_copy_reseal(struct vm_copy *copy);

/* The whole region at `address` of `size` bytes will not be looked at again by the program if its
 * next send succeeds, though that does not deallocate it: it may leave, with zero pages in its place. If
 * the send fails it is back. 0, or -EINVAL: no such region. */
int vm_copy_give(vm_address_t address, vm_size_t size);
/* Takes that back: the send came to nothing before the region was looked at. */
void vm_copy_ungive(vm_address_t address);

/* NULL and NONE are fine. */
void vm_copy_deinit(struct vm_copy *copy);

/* Of a DELTA the pages written count as copied, the others as shared. */
void vm_copy_stats(uint64_t *ret_bytes_copied, uint64_t *ret_bytes_shared, uint64_t *ret_regions,
                   uint64_t *ret_region_bytes);

/* For the task's at-fork handlers: regions become private, both ways (S182). */
void vm_fork_prepare(void);
void vm_fork_parent(void);
void vm_fork_child(void);

#endif
