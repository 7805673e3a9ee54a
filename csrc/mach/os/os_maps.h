/* What this process has mapped, as the kernel sees it.
 *
 * Programs unmap, remap and protect behind the layer's back; before memory is passed on without
 * a copy, the kernel is asked whether it is still what the layer believes. Safe from any thread:
 * descriptors of /proc/self are opened for each use where a forked child could inherit them. */
#ifndef MACHOOL_OS_MAPS_H
#define MACHOOL_OS_MAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct os_mapping {
    uintptr_t start, end;
    uint64_t offset; /* of `start` in its file */
    uint64_t device, inode;
    int protection; /* PROT_ */
    bool shared;
};

/* The mapping that covers `address`, or else the first one above. 0, -ENOENT when there is none, or
 * another -errno: the kernel cannot be asked now. */
int os_maps_next(uintptr_t address, struct os_mapping *ret_mapping);

/* Whether no page of a private file mapping has been written since it was mapped. False also
 * when the kernel does not tell (a process that may not read its own pagemap). */
bool os_maps_clean(uintptr_t address, size_t size);

/* Whether the range is readable memory of no file, which nobody can cut short, or all there and so
 * short that this is not to be feared: it can be read by plain loads, in a third of the time that os_maps_copy takes. False also when the kernel cannot be asked
 * cheaply. */
bool os_maps_plain(uintptr_t address, size_t size);

/* Pages of a range, counted from its start. */
struct os_run {
    uint32_t first, count;
};

/* Which pages of a private file mapping have been written since it was mapped: runs in order, none
 * touching the next, malloc'ed; NULL when there are none. 0; -E2BIG: more than `most` pages, which is
 * known as soon as they are found; or another -errno when the kernel does not tell. */
int os_maps_dirty(uintptr_t address, size_t size, size_t most, struct os_run **ret_runs,
                  size_t *ret_count);

/* Copies memory that may not exist or not be accessible, at either end. 0, -EFAULT, or another -errno for want of
 * something; never a signal. */
int os_maps_copy(void *to, uintptr_t from, size_t size);
/* The same where the two may overlap: all is read before anything is written. */
int os_maps_move(void *to, uintptr_t from, size_t size);

#endif
