/* Memory that others see: making memory of any origin shared, and private again; and what fork does
 * with shared memory.
 *
 * Sharing a range puts an object (vm_object.h) under each part of it. A region of the layer that
 * has not been sent has one already; other private memory is copied into a fresh object, which is
 * then mapped in its place. That is no single instant: what another thread writes to the range
 * during the call can be lost. The calling thread's own stack may be in the range.
 *
 * Locks: vm_lock. */
#ifndef MACHOOL_VM_SHARE_H
#define MACHOOL_VM_SHARE_H

#include "vm/vm_range.h"

enum {
    VM_SHARE_HOLES = 1,   /* holes are passed over, instead of -EFAULT */
    VM_SHARE_FOREIGN = 2, /* what the program itself mapped shared stays as it is */
    VM_SHARE_AS_ONE = 4,  /* all private parts go into one object, whatever has one of its own */
};

/* Puts objects under [start, end): 0; -EFAULT: a hole; -EPERM: the program itself has mapped
 * something shared there that cannot be reached; or another -errno for want of something. Parts may
 * be shared after a failure; their contents are the same. */
int vm_share_range(uintptr_t start, uintptr_t end, int flags);

/* The part of a shared object that is mapped at `address`, and to where: as vm_range_at, but with
 * the kernel asked. `object` NULL: none. 0, or -errno: the kernel cannot be asked now. */
int vm_share_at(uintptr_t address, struct vm_range *ret_range);

/* Forgets ranges whose objects are no longer mapped there, now and then: a program that unmaps
 * without the layer leaves them behind, with a descriptor each. Before an object is mapped. */
void vm_share_sweep(void);

/* Private copies in place of whatever is mapped shared in the range. 0 or -errno. */
int vm_share_end(uintptr_t start, uintptr_t end);

/* For the fork handlers, with the lock held throughout (S182). Before: what a child gets a copy of
 * although it is shared is copied aside. Parent: the copies are dropped. Child: they take their
 * places, and memory that was not inherited is forgotten. */
void vm_share_fork_prepare(void);
void vm_share_fork_parent(void);
void vm_share_fork_child(void);

#endif
