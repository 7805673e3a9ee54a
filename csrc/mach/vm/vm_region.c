/* See vm_region.h. */
#include "vm/vm_region.h"

#include "os/os_maps.h"
#include "vm/vm_range.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* What one entry of the second and of the third level of page tables covers: so aligned, memory is moved
 * by so many bytes at a time, and huge pages are possible. */
#define HUGE_SIZE ((size_t)2 << 20)
#define GIANT_SIZE ((size_t)1 << 30)

/* Places for parked memory lie below what the kernel gives out by itself, and above these. */
#ifdef __SANITIZE_THREAD__
#define PLACES_GAP UINTPTR_MAX /* none: only the uppermost addresses are the program's */
#else
#define PLACES_GAP ((uintptr_t)1 << 40)
#endif
#define PLACES_LEAST ((uintptr_t)1 << 44)
#define TOLD_MOST ((size_t)64) /* then the first is forgotten: it is sent all once more */

size_t vm_page_trunc(uintptr_t address)
{
    return address & ~((size_t)sysconf(_SC_PAGESIZE) - 1);
}

size_t vm_page_round(size_t size)
{
    return vm_page_trunc(size + (size_t)sysconf(_SC_PAGESIZE) - 1);
}

bool vm_region_has_fd(const struct vm_region *region)
{
    return os_memfd_is(region->fd, &region->id);
}

void vm_region_close(struct vm_region *region)
{
    if (vm_region_has_fd(region))
        close(region->fd);
    region->fd = -1;
}

bool vm_region_has_told(const struct vm_region *region, struct vm_task task)
{
    for (size_t i = 0; i < region->told_count; i++) {
        if (vm_task_equal(region->told[i], task))
            return true;
    }
    return false;
}

void vm_region_tell(struct vm_region *region, struct vm_task task)
{
    size_t count = region->told_count;
    if (util_id_is_none(task.id) || vm_region_has_told(region, task))
        return;
    if (count == TOLD_MOST) {
        memmove(region->told, region->told + 1, --count * sizeof *region->told);
        region->told_count = count;
    } else if ((count & (count - 1)) == 0) { /* full: it grows at powers of two */
        struct vm_task *told = realloc(region->told, (count ? 2 * count : 1) * sizeof *told);
        if (!told)
            return;
        region->told = told;
    }
    region->told[region->told_count++] = task;
}

void vm_region_retell(struct vm_region *region, struct vm_task from, struct vm_task to)
{
    for (size_t i = 0; i < region->told_count; i++) {
        if (vm_task_equal(region->told[i], from))
            region->told[i] = to;
    }
}

void vm_region_untell(struct vm_region *region)
{
    free(region->told);
    region->told = NULL;
    region->told_count = 0;
}

/* Whether a mapping shows the object at the place where the region has it. */
static bool is_piece(const struct vm_region *region, const struct os_mapping *m)
{
    return m->device == region->id.device && m->inode == region->id.inode &&
           m->start - m->offset == region->address;
}

bool vm_region_intact(const struct vm_region *region, int *ret_protection)
{
    struct os_mapping m;
    if (os_maps_next(region->address, &m) < 0 || m.start > region->address ||
        m.end < region->address + region->size)
        return false;
    *ret_protection = m.protection;
    return is_piece(region, &m) && m.protection & PROT_READ &&
           m.shared == (region->state != VM_REGION_FROZEN);
}

int vm_region_reserve(struct vm_region *region)
{
    if (region->reserved)
        return 0;
    int r = os_memfd_reserve(region->fd, 0, region->size);
    if (r == 0)
        region->reserved = true;
    return r;
}

/* Maps a part of the object over its place again, but privately. */
static int remap(const struct vm_region *region, uintptr_t start, uintptr_t end, int protection)
{
    void *at = mmap((void *)start, end - start, protection, MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE,
                    region->fd, (off_t)(start - region->address));
    if (at == MAP_FAILED)
        return -errno;
    vm_range_remark(start, end);
    return 0;
}

int vm_region_freeze(struct vm_region *region)
{
    int protection;
    if (!vm_region_has_fd(region) || !vm_region_intact(region, &protection) ||
        remap(region, region->address, region->address + region->size, protection) < 0)
        return -EAGAIN;
    /* Never back to shared: what other threads have written since would be lost. */
    if (os_memfd_seal(region->fd, VM_REGION_SEALS) < 0)
        return -EBUSY;
    region->state = VM_REGION_FROZEN;
    return 0;
}

/* Unlike a remap this is no single instant: a writer beside it may lose what it writes. */
int vm_region_replace(uintptr_t start, uintptr_t end, int protection)
{
    size_t size = end - start;
    void *copy = mmap(NULL, size, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (copy == MAP_FAILED)
        return -errno;
    int r = protection & PROT_READ ? 0 : mprotect((void *)start, size, PROT_READ);
    if (r == 0)
        memcpy(copy, (void *)start, size);
    if (r < 0 || mprotect(copy, size, protection) < 0 ||
        mremap(copy, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, (void *)start) == MAP_FAILED) {
        r = -errno;
        munmap(copy, size);
    } else {
        vm_range_remark(start, end);
    }
    return r;
}

int vm_region_privatize(const struct vm_region *region)
{
    bool reachable = vm_region_has_fd(region);
    uintptr_t end = region->address + vm_page_round(region->used);
    struct os_mapping m;
    int r = 0;
    for (uintptr_t at = region->address; r == 0 && at < end; at = m.end) {
        r = os_maps_next(at, &m);
        if (r == -ENOENT || (r == 0 && m.start >= end))
            return 0;
        if (r < 0 || !m.shared || !is_piece(region, &m))
            continue;
        uintptr_t start = m.start > at ? m.start : at;
        uintptr_t stop = m.end < end ? m.end : end;
        r = reachable ? remap(region, start, stop, m.protection)
                      : vm_region_replace(start, stop, m.protection);
    }
    return r;
}

/* The next place below the last one, so that no address comes up twice for long: a stale pointer
 * into memory that was deallocated should find a hole, not what was mapped there since. NULL: taken. */
static char *next_place(size_t size, size_t alignment)
{
    static _Atomic uintptr_t last;
    uintptr_t below = atomic_load(&last), at;
    if (below <= PLACES_LEAST + size + alignment) { /* at first, and when all have been used */
        void *any = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (any == MAP_FAILED)
            return NULL;
        munmap(any, size);
        below = (uintptr_t)any > PLACES_GAP ? (uintptr_t)any - PLACES_GAP : 0;
        if (below <= PLACES_LEAST + size + alignment)
            return NULL;
    }
    at = (below - size) & ~(alignment - 1);
    atomic_store(&last, at); /* two threads at once: one of them finds it taken */
    void *got = mmap((void *)at, size, PROT_NONE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
    if (got != MAP_FAILED && got != (void *)at) /* before Linux 4.17 */
        munmap(got, size);
    return got == (void *)at ? got : NULL;
}

int vm_region_reserve_place(size_t size, uintptr_t *ret_address)
{
    size_t slack = size >= GIANT_SIZE ? GIANT_SIZE : size >= HUGE_SIZE ? HUGE_SIZE : 0;
    char *place = next_place(size, slack ? slack : vm_page_round(1));
    if (place) {
        *ret_address = (uintptr_t)place;
        return 0;
    }
    char *at = mmap(NULL, size + slack, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
                    0);
    if (at == MAP_FAILED)
        return -errno;
    size_t skip = slack ? (slack - ((uintptr_t)at & (slack - 1))) & (slack - 1) : 0;
    if (skip)
        munmap(at, skip);
    if (slack)
        munmap(at + skip + size, slack - skip);
    *ret_address = (uintptr_t)at + skip;
    return 0;
}

int vm_region_place(size_t size, int borrow_fd, bool shared, uintptr_t *ret_address)
{
    uintptr_t hint = 0;
    if (size >= HUGE_SIZE)
        (void)vm_region_reserve_place(size, &hint);
    int flags = (shared ? MAP_SHARED : MAP_PRIVATE) | MAP_NORESERVE | (hint ? MAP_FIXED : 0);
    void *at = mmap((void *)hint, size, PROT_READ | PROT_WRITE, flags, borrow_fd, 0);
    if (at == MAP_FAILED) {
        int r = -errno;
        if (hint)
            munmap((void *)hint, size);
        return r;
    }
    if (size >= HUGE_SIZE)
        (void)madvise(at, size, MADV_HUGEPAGE); /* where the kernel allows it for shmem */
    *ret_address = (uintptr_t)at;
    return 0;
}
