/* A region: a range of this task's memory that is backed by an object of its own.
 *
 * Only such memory has a struct vm_region; everything else (small regions, the program's own malloc
 * and mmap, a region of which a part went) is legal wherever an address is taken and is copied.
 * States:
 *
 *   SHARED   made by vm_allocate: MAP_SHARED over our memfd. Zero-filled, mutable.
 *   FROZEN   the same range remapped MAP_PRIVATE, and the object sealed: what the object holds is
 *            a snapshot for ever; what this task writes later lives in private pages beside it.
 *            A received region is born FROZEN. `reserved`: its pages have all been allocated.
 *   LOAN     MAP_SHARED over an object that another task has mapped as well, though parked
 *            (vm_loan.h): received, or allocated out of what came back. Never frozen.
 *
 * Freezing is remap, then seal (the other order is EBUSY); the remap is the instant of the
 * snapshot. A frozen region whose pages are all clean can be sent again in O(1).
 *
 * Nothing here is believed without asking the kernel: a program may have unmapped, split or
 * protected the range, or closed the descriptor and opened a file of its own under that number.
 *
 * Regions live in the registry (vm_map.h) and are under its lock. */
#ifndef MACHOOL_VM_REGION_H
#define MACHOOL_VM_REGION_H

#include "os/os_memfd.h"
#include "util/util_id.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* What an object must bear before it is anybody's snapshot. */
#define VM_REGION_SEALS (F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

/* A task that memory goes to or comes from, as ipc_peer.h tells one from another: the id is what the
 * task says, the process what the kernel says. No id: nobody, or it is not known. */
struct vm_task {
    struct util_id id;
    pid_t pid;
};

static inline bool vm_task_equal(struct vm_task a, struct vm_task b)
{
    return util_id_equal(a.id, b.id) && a.pid == b.pid;
}

enum vm_region_state { VM_REGION_SHARED, VM_REGION_FROZEN, VM_REGION_LOAN };

struct vm_loan;

struct vm_region {
    uintptr_t address;
    size_t size; /* whole pages */
    size_t used; /* bytes that count, from the start; a loan may have pages beyond them */
    int fd;      /* owned, as long as it is `id`; LOAN: the loan's, or -1 */
    struct os_memfd_id id;
    enum vm_region_state state;
    bool reserved;
    bool protected;       /* by vm_protect, perhaps */
    bool copied;          /* SHARED: it was sent, as a copy; the next time it freezes */
    bool given;           /* the program will not look at it again if its next send succeeds */
    struct vm_loan *loan; /* LOAN: not owned, of this region alone; else NULL */
    struct vm_task *told; /* owned: tasks that the object has gone to, or has come from */
    size_t told_count;
};

/* Whether the descriptor is still the region's. */
bool vm_region_has_fd(const struct vm_region *region);
/* Closes it, unless the number has become something else. */
void vm_region_close(struct vm_region *region);
/* Remembers that a task can see what the object holds, if it can. */
void vm_region_tell(struct vm_region *region, struct vm_task task);
bool vm_region_has_told(const struct vm_region *region, struct vm_task task);
/* One task turned out to be another. */
void vm_region_retell(struct vm_region *region, struct vm_task from, struct vm_task to);
/* Forgets all of them. */
void vm_region_untell(struct vm_region *region);
/* Whether the whole range is one readable mapping of the object, in the way the state says. */
bool vm_region_intact(const struct vm_region *region, int *ret_protection);
/* Allocates what pages of the object are missing. 0, -ENOSPC or -ENOMEM. */
int vm_region_reserve(struct vm_region *region);
/* SHARED becomes FROZEN. 0; -EAGAIN with the region as it was; -EBUSY: private memory from now on,
 * but its object cannot be sealed, since somebody else maps it: to be forgotten. */
int vm_region_freeze(struct vm_region *region);
/* What is left of a SHARED region that is no longer whole becomes private memory. 0, or -errno:
 * the kernel cannot be asked now, or has no memory. */
int vm_region_privatize(const struct vm_region *region);
/* Private memory with the same contents in place of a shared mapping of which the object cannot be
 * reached, or is not for freezing; `protection` is what the mapping has. 0 or -errno. */
int vm_region_replace(uintptr_t start, uintptr_t end, int protection);

/* Maps `size` bytes (whole pages) of an object at a place of the kernel's choice, readable and
 * writable, aligned to 2 MiB or 1 GiB if it is that large. 0 or -errno. Needs no lock. */
int vm_region_place(size_t size, int borrow_fd, bool shared, uintptr_t *ret_address);
/* An unused range of that size, aligned likewise and inaccessible, to be mapped over or unmapped. 0
 * or -errno. Needs no lock. */
int vm_region_reserve_place(size_t size, uintptr_t *ret_address);

size_t vm_page_round(size_t size);
size_t vm_page_trunc(uintptr_t address);

#endif
