/* What the layer remembers of ranges of memory beyond what the kernel knows: the maximum
 * protection, the inheritance, and the object that a range shares with others.
 *
 * A table of intervals, sorted, never overlapping; whatever is not in it has the values of
 * vm_range_default: every protection allowed, inherited as its mapping says (private memory is
 * copied, shared memory shared), no object. Intervals are whole pages. Memory of any origin can be
 * in it. The layer clears an interval when it unmaps or maps there; a program that does so itself
 * leaves a stale interval behind, which is why an `object` is believed only where the kernel shows
 * it mapped (vm_share.h).
 *
 * Locks: vm_lock. */
#ifndef MACHOOL_VM_RANGE_H
#define MACHOOL_VM_RANGE_H

#include "vm/vm_object.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VM_RANGE_UNSET 0xffu /* inheritance: as the mapping has it */

struct vm_range {
    uintptr_t start, end;
    uint8_t max;              /* VM_PROT_ */
    uint8_t inherit;          /* VM_INHERIT_ or VM_RANGE_UNSET */
    struct vm_object *object; /* mapped here, shared; holds a reference; NULL: none */
    uint64_t offset;          /* of `start` in the object */
};

/* The values at an address, cut to where they hold: from `address` on, to the next change. */
struct vm_range vm_range_at(uintptr_t address);
/* The same with its whole extent. */
struct vm_range vm_range_around(uintptr_t address);
/* The first interval of the table that ends above `address`; NULL: none. Valid until a change. */
const struct vm_range *vm_range_next(uintptr_t address);
/* How many intervals there are. */
size_t vm_range_count(void);

/* Each sets one value over [start, end). 0 or -ENOMEM with nothing changed. */
int vm_range_set_max(uintptr_t start, uintptr_t end, uint8_t max);
int vm_range_set_inherit(uintptr_t start, uintptr_t end, uint8_t inherit);
/* Offset: of `start` in the object. NULL: no object any more. */
int vm_range_set_object(uintptr_t start, uintptr_t end, struct vm_object *object, uint64_t offset);
/* Back to the default values: the memory goes, or is new. */
void vm_range_clear(uintptr_t start, uintptr_t end);

/* After the layer has mapped a range anew in its place: memory that no child inherits is marked so
 * again. */
void vm_range_remark(uintptr_t start, uintptr_t end);

#endif
