/* See vm_map.h. */
#include "vm/vm_map.h"

#include "os/os_maps.h"
#include "os/os_memfd.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define HUGE_SIZE ((size_t)2 << 20)
#define SEALS (F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static struct { /* sorted by address; regions never overlap */
    struct vm_region *list;
    size_t used, size;
} regions;

size_t vm_page_trunc(uintptr_t address)
{
    return address & ~((size_t)sysconf(_SC_PAGESIZE) - 1);
}

size_t vm_page_round(size_t size)
{
    return vm_page_trunc(size + (size_t)sysconf(_SC_PAGESIZE) - 1);
}

void vm_map_lock(void)
{
    pthread_mutex_lock(&lock);
}

void vm_map_unlock(void)
{
    pthread_mutex_unlock(&lock);
}

/* Index of the first region that ends above `address`. */
static size_t lower_bound(uintptr_t address)
{
    size_t low = 0, high = regions.used;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (regions.list[middle].address + regions.list[middle].size <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct vm_region *vm_map_find(uintptr_t address)
{
    size_t at = lower_bound(address);
    return at < regions.used && regions.list[at].address == address ? &regions.list[at] : NULL;
}

static void remove_at(size_t at)
{
    regions.used--;
    memmove(&regions.list[at], &regions.list[at + 1], (regions.used - at) * sizeof *regions.list);
}

int vm_map_insert(uintptr_t address, size_t size, int take_fd, enum vm_region_state state)
{
    struct stat status;
    int r = fstat(take_fd, &status) < 0 ? -errno : 0;
    vm_map_forget(address, size); /* what was there was unmapped behind our back */
    if (r == 0 && regions.used == regions.size) {
        size_t grown = regions.size ? regions.size * 2 : 16;
        struct vm_region *list = realloc(regions.list, grown * sizeof *list);
        if (list) {
            regions.list = list;
            regions.size = grown;
        } else {
            r = -ENOMEM;
        }
    }
    if (r < 0) {
        close(take_fd);
        return r;
    }
    size_t at = lower_bound(address);
    memmove(&regions.list[at + 1], &regions.list[at], (regions.used - at) * sizeof *regions.list);
    regions.list[at] = (struct vm_region){
        .address = address, .size = size, .fd = take_fd, .inode = status.st_ino, .state = state};
    regions.used++;
    return 0;
}

int vm_map_steal(struct vm_region *region)
{
    int fd = region->fd;
    remove_at((size_t)(region - regions.list));
    return fd;
}

/* What remains of a partly unmapped SHARED region, as private memory over the sealed object. */
static void privatize(const struct vm_region *region, uintptr_t from, uintptr_t to)
{
    if (from >= to || region->state != VM_REGION_SHARED)
        return;
    (void)mmap((void *)from, to - from, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, region->fd,
               (off_t)(from - region->address));
}

void vm_map_forget(uintptr_t address, size_t size)
{
    uintptr_t end = address + size;
    size_t at = lower_bound(address);
    while (at < regions.used && regions.list[at].address < end) {
        struct vm_region region = regions.list[at];
        bool writable;
        if (vm_map_intact(&region, &writable)) {
            privatize(&region, region.address, address);
            privatize(&region, end, region.address + region.size);
        }
        close(region.fd);
        remove_at(at);
    }
}

bool vm_map_intact(const struct vm_region *region, bool *ret_writable)
{
    struct os_mapping m;
    if (os_maps_find(region->address, &m) < 0)
        return false;
    *ret_writable = m.writable;
    return m.inode == region->inode && m.readable && m.start <= region->address &&
           m.offset + (region->address - m.start) == 0 && m.end >= region->address + region->size &&
           m.shared == (region->state == VM_REGION_SHARED);
}

/* Maps the object over its range again, shared or privately. */
static int remap(const struct vm_region *region, int protection, int flags)
{
    void *at = mmap((void *)region->address, region->size, protection, flags | MAP_FIXED,
                    region->fd, 0);
    return at == MAP_FAILED ? -errno : 0;
}

int vm_map_freeze(struct vm_region *region)
{
    bool writable;
    if (!vm_map_intact(region, &writable))
        return -EFAULT;
    int protection = PROT_READ | (writable ? PROT_WRITE : 0);
    /* Pages that were never touched do not exist yet: reading them later must not fail. */
    int r = os_memfd_reserve(region->fd, 0, region->size);
    if (r == 0)
        r = remap(region, protection, MAP_PRIVATE);
    if (r < 0)
        return r;
    r = os_memfd_seal(region->fd, SEALS);
    if (r < 0) { /* somebody else maps it shared: as it was */
        (void)remap(region, protection, MAP_SHARED);
        return r;
    }
    region->state = VM_REGION_FROZEN;
    return 0;
}

void vm_map_freeze_all(void)
{
    for (size_t i = 0; i < regions.used;) {
        struct vm_region *region = &regions.list[i];
        bool writable;
        if (region->state == VM_REGION_SHARED && vm_map_freeze(region) < 0) {
            /* No pages to reserve, or the kernel refused: private all the same, and forgotten. */
            if (vm_map_intact(region, &writable))
                (void)remap(region, PROT_READ | (writable ? PROT_WRITE : 0), MAP_PRIVATE);
            close(vm_map_steal(region));
            continue;
        }
        i++;
    }
}

size_t vm_map_count(uint64_t *ret_bytes)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < regions.used; i++)
        bytes += regions.list[i].size;
    *ret_bytes = bytes;
    return regions.used;
}

/* An unused range of `size` bytes aligned to 2 MiB, reserved. */
static char *reserve_aligned(size_t size)
{
    char *at = mmap(NULL, size + HUGE_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                    -1, 0);
    if (at == MAP_FAILED)
        return NULL;
    size_t skip = (HUGE_SIZE - ((uintptr_t)at & (HUGE_SIZE - 1))) & (HUGE_SIZE - 1);
    if (skip)
        munmap(at, skip);
    munmap(at + skip + size, HUGE_SIZE - skip);
    return at + skip;
}

int vm_map_place(size_t size, int borrow_fd, bool shared, uintptr_t *ret_address)
{
    char *hint = size >= HUGE_SIZE ? reserve_aligned(size) : NULL;
    int flags = (shared ? MAP_SHARED : MAP_PRIVATE) | MAP_NORESERVE | (hint ? MAP_FIXED : 0);
    void *at = mmap(hint, size, PROT_READ | PROT_WRITE, flags, borrow_fd, 0);
    if (at == MAP_FAILED) {
        int r = -errno;
        if (hint)
            munmap(hint, size);
        return r;
    }
    if (size >= HUGE_SIZE)
        (void)madvise(at, size, MADV_HUGEPAGE); /* where the kernel allows it for shmem */
    *ret_address = (uintptr_t)at;
    return 0;
}
