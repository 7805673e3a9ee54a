/* The registry of regions that are backed by an object of their own: address -> region.
 *
 * Only such memory needs remembering; everything else (small regions, the program's own malloc
 * and mmap) is legal wherever an address is taken and is copied. States of a region:
 *
 *   SHARED   made by vm_allocate: MAP_SHARED over our memfd. Zero-filled, mutable.
 *   FROZEN   the same range remapped MAP_PRIVATE, and the object sealed: what the object holds is
 *            a snapshot for ever; what this task writes later lives in private pages beside it.
 *            A received region is born FROZEN.
 *
 * Freezing is remap, then seal (the other order is EBUSY); the remap is the instant of the
 * snapshot. A frozen region whose pages are all clean can be sent again in O(1).
 *
 * A region is registered only as a whole. When part of it goes, the rest is made private (it may
 * be shared with nobody, but fork must not share it) and forgotten.
 *
 * Locks: vm_lock, a leaf: taken under the task lock or alone, and nothing is taken under it. */
#ifndef MACHOOL_VM_MAP_H
#define MACHOOL_VM_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum vm_region_state { VM_REGION_SHARED, VM_REGION_FROZEN };

struct vm_region {
    uintptr_t address;
    size_t size; /* whole pages */
    int fd;      /* owned */
    uint64_t inode;
    enum vm_region_state state;
};

void vm_map_lock(void);
void vm_map_unlock(void);

/* All below are called with the lock held. */

/* The region that starts exactly there; NULL: none. Valid until the registry changes. */
struct vm_region *vm_map_find(uintptr_t address);
/* Registers a region; takes the descriptor. 0 or -errno with the descriptor closed. */
int vm_map_insert(uintptr_t address, size_t size, int take_fd, enum vm_region_state state);
/* Forgets one region and hands its descriptor to the caller. */
int vm_map_steal(struct vm_region *region);
/* The range goes, or is mapped anew: regions in it are forgotten, and what remains of those that
 * only overlap it becomes private memory. */
void vm_map_forget(uintptr_t address, size_t size);
/* Whether the kernel still has the region mapped as registered. */
bool vm_map_intact(const struct vm_region *region, bool *ret_writable);
/* Makes a SHARED region FROZEN. 0, or -errno with the region as it was. */
int vm_map_freeze(struct vm_region *region);
/* Every SHARED region becomes FROZEN, for fork. */
void vm_map_freeze_all(void);

size_t vm_map_count(uint64_t *ret_bytes);

/* Memory of `size` bytes (whole pages) over the object, at a place of the kernel's choice,
 * aligned to 2 MiB if it is that large. 0 or -errno. */
int vm_map_place(size_t size, int borrow_fd, bool shared, uintptr_t *ret_address);

size_t vm_page_round(size_t size);
size_t vm_page_trunc(uintptr_t address);

#endif
