/* A delta: what a frozen region's memory holds that its object does not.
 *
 * A region that was sent is FROZEN (vm_region.h): its object stays what it was, later writes live in
 * private pages. When these are few, sending it again takes two objects, the region's own and a
 * second, sealed one with just those pages (struct wire_delta, wire/wire_format.h). The receiver maps
 * the first privately and reads the second over it. So a delta costs in proportion to what changed.
 *
 * With its object a region's former contents become visible to whoever gets it. A delta is therefore
 * only for a task that this very object has gone to, or come from, before (`told` of the region); any
 * other, also one to which a waiting message moves on, gets a flat copy.
 *
 * Runs of pages are found under vm_lock; their contents are read without it, as all out-of-line
 * memory is. A page written to meanwhile is either found or has its old contents in the object: each
 * byte is old or new (S76). */
#ifndef MACHOOL_VM_DELTA_H
#define MACHOOL_VM_DELTA_H

#include "os/os_maps.h"
#include "vm/vm_region.h"

/* A delta is made of at most this part of a region's pages; above it a copy of all is sent. Measured
 * with benchmarks/c/bench_vm_delta from 1 to 64 MiB: a hundredth of the pages takes 0.15-0.24 of a
 * copy, a tenth 0.35-0.40, a quarter 0.65-0.70, and two fifths as long as the copy. No limit on the
 * number of runs: a page by itself costs what it costs in a row, since one call moves many. */
#define VM_DELTA_PART 4u
/* The same where pages to copy into lie ready. */
#define VM_DELTA_PART_READY 64u

struct vm_delta { /* owned: runs */
    struct os_run *runs;
    size_t count; /* 0: clean */
};

/* Finds what was written of a FROZEN region since it froze, for a task. With vm_lock. 0; -EAGAIN: more
 * than one in `part` pages, or not for that task, or the kernel does not tell; or -ENOMEM. */
int vm_delta_find(const struct vm_region *region, struct vm_task task, unsigned part,
                  struct vm_delta *ret_delta);
/* An object of those pages of the memory at `address`, whose data is `size` bytes: what is behind them
 * in their last page arrives as zeros (S45). A descriptor or -errno: -EFAULT when the memory is gone. */
int vm_delta_write(const struct vm_delta *delta, uintptr_t address, size_t size);
void vm_delta_deinit(struct vm_delta *delta);

/* Whether an object that came from elsewhere is a delta, sealed and with all its pages, for an object
 * of `size` bytes. 0; -EBADMSG; or another -errno: it cannot be read now. */
int vm_delta_verify(int borrow_fd, size_t size);
/* Verifies it and reads its pages over memory of `size` bytes at `address`. 0 or -errno. */
int vm_delta_apply(int borrow_fd, uintptr_t address, size_t size);
/* One sealed object with the data of the two, `size` bytes. A descriptor or -errno. */
int vm_delta_flatten(int borrow_base, int borrow_delta, size_t size);

#endif
