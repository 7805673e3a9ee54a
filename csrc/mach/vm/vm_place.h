/* Where a new mapping goes: a range of addresses that nothing else can take until it is filled.
 *
 * Locks: vm_lock. */
#ifndef MACHOOL_VM_PLACE_H
#define MACHOOL_VM_PLACE_H

#include <stddef.h>
#include <stdint.h>

/* Reserves whole pages, as inaccessible memory: with VM_FLAGS_ANYWHERE at an address whose bits of
 * `mask` are zero, else at *address, which must be free unless VM_FLAGS_OVERWRITE says that what is
 * there may go. 0; -EEXIST: no room, or taken; -EFAULT: no address for user memory. */
int vm_place(uintptr_t *address, size_t size, uintptr_t mask, int flags);

#endif
