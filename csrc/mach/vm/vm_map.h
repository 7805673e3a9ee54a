/* The registry of regions: address -> struct vm_region (vm_region.h), sorted, never overlapping.
 *
 * A region is registered only as a whole. When part of it goes, the rest is made private (it may
 * be shared with nobody, but fork must not share it) and forgotten.
 *
 * Each region keeps a descriptor, and the usual soft limit is 1,024: there is room for so many of
 * them only, and for a quarter of what the limit allows at most.
 *
 * Locks: vm_lock, a leaf: taken under the task lock or alone, and nothing is taken under it. It is
 * held across system calls on a region's pages, since they must not be anything else meanwhile. */
#ifndef MACHOOL_VM_MAP_H
#define MACHOOL_VM_MAP_H

#include "vm/vm_region.h"

void vm_map_lock(void);
void vm_map_unlock(void);

/* All below are called with the lock held. */

/* The region that starts exactly there; NULL: none. Valid until the registry changes. */
struct vm_region *vm_map_find(uintptr_t address);
/* The region that covers it; NULL: none. */
struct vm_region *vm_map_covering(uintptr_t address);
/* Registers a region; takes the descriptor. `reserved`: no page of it is missing. 0 or -errno with
 * the descriptor closed. */
int vm_map_insert(uintptr_t address, size_t size, int take_fd, enum vm_region_state state,
                  bool reserved);
/* The same for a loan: registered over all of its object, of which `used` bytes count. */
int vm_map_insert_loan(uintptr_t address, size_t size, size_t used, int borrow_fd,
                       const struct os_memfd_id *id, struct vm_loan *loan);
/* Forgets one region and closes its descriptor; the memory stays. A loan will not come back. */
void vm_map_drop(struct vm_region *region);
/* Forgets one region and touches nothing that belongs to it. */
void vm_map_unlist(struct vm_region *region);
/* Forgets one region and hands its descriptor to the caller. */
int vm_map_steal(struct vm_region *region);
/* The range goes, or has gone, or has been mapped anew: regions in it are forgotten, and what
 * remains of those that only overlap it becomes private memory. What vm_range.h knows of it goes as
 * well. */
void vm_map_forget(uintptr_t address, size_t size);
/* What one task has seen, another has: it is that other. */
void vm_map_retell(struct vm_task from, struct vm_task to);
/* Protections in the range are no longer what they were at first. */
void vm_map_note_protection(uintptr_t start, uintptr_t end);
/* No region is shared memory any more, for fork. */
void vm_map_freeze_all(void);

/* Whether one more region may keep a descriptor. Received ones leave room for our own. */
bool vm_map_has_room(bool received);
size_t vm_map_count(uint64_t *ret_bytes);

#endif
