/* Regions of the layer without the rest of it, for the benchmarks of csrc/mach/vm. */
#ifndef BENCHMARKS_REGIONS_H
#define BENCHMARKS_REGIONS_H

#include "figures.h"

#include "os/os_memfd.h"
#include "vm/vm_delta.h"
#include "vm/vm_region.h"

#include <sys/mman.h>
#include <unistd.h>

#define PAGE ((size_t)4096)

static inline struct vm_region region_new(size_t size)
{
    struct vm_region region = {.size = size, .fd = os_memfd_new("bench")};
    MUST(region.fd >= 0 && os_memfd_resize(region.fd, size) == 0);
    MUST(os_memfd_identify(region.fd, &region.id) == 0);
    MUST(vm_region_place(size, region.fd, true, &region.address) == 0);
    return region;
}

static inline void region_drop(const struct vm_region *region)
{
    munmap((void *)region->address, region->size);
    close(region->fd);
}

/* A sealed object with these bytes. */
static inline int object_of(const void *from, size_t size)
{
    int fd = os_memfd_new("bench");
    MUST(fd >= 0 && os_memfd_resize(fd, size) == 0 && os_memfd_write(fd, from, size, 0) == 0);
    MUST(os_memfd_seal(fd, VM_REGION_SEALS) == 0);
    return fd;
}

static inline void look_and_unmap(char *at, size_t size)
{
    volatile char sum = 0;
    for (size_t i = 0; i < size; i += PAGE)
        sum = (char)(sum + at[i]);
    munmap(at, size);
}

/* The receiver's part of a region that is sent; without a delta, take_delta is -1. */
static inline void region_receive(int take_fd, int take_delta, size_t size)
{
    uintptr_t at;
    MUST(os_memfd_verify(take_fd, VM_REGION_SEALS, size) == 0 && os_memfd_is_backed(take_fd));
    MUST(take_delta < 0 || vm_delta_verify(take_delta, size) == 0);
    MUST(vm_region_place(size, take_fd, false, &at) == 0);
    MUST(take_delta < 0 || vm_delta_apply(take_delta, at, size) == 0);
    close(take_fd);
    if (take_delta >= 0)
        close(take_delta);
    look_and_unmap((char *)at, size);
}

#endif
