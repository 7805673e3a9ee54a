/* See os_maps.h. */
#include "os/os_maps.h"

#include "os/os_memfd.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <unistd.h>

/* Since Linux 6.11; layout from Documentation/filesystems/proc.rst and fs/proc/task_mmu.c. */
struct procmap_query {
    uint64_t size, flags, address;
    uint64_t start, end, vma_flags, page_size, offset, inode;
    uint32_t dev_major, dev_minor, name_size, build_id_size;
    uint64_t name_address, build_id_address;
};
#define QUERY_MAP _IOWR(0x66, 17, struct procmap_query)
#define QUERY_OR_NEXT 0x10u /* the mapping that covers the address, or the next one */
#define QUERY_PROTECTION 7u /* readable 1, writable 2, executable 4: the values of PROT_ */
#define QUERY_SHARED 8u

/* Since Linux 6.7; Documentation/admin-guide/mm/pagemap.rst. */
struct scan_arg {
    uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages;
    uint64_t inverted, mask, any_of, return_mask;
};
struct scan_region {
    uint64_t start, end, categories;
};
#define SCAN_PAGES _IOWR(0x66, 16, struct scan_arg)
#define SCAN_FILE (1u << 2)
#define SCAN_PRESENT (1u << 3)
#define SCAN_SWAPPED (1u << 4)

#define PAGEMAP_PRESENT (UINT64_C(1) << 63)
#define PAGEMAP_SWAPPED (UINT64_C(1) << 62)
#define PAGEMAP_FILE (UINT64_C(1) << 61)

/* The text form, for kernels without the query. */
static int next_in_text(FILE *maps, uintptr_t address, struct os_mapping *ret_mapping)
{
    char line[512];
    while (fgets(line, sizeof line, maps)) {
        struct os_mapping m = {0};
        char perms[5];
        unsigned major, minor;
        if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %4s %" SCNx64 " %x:%x %" SCNu64, &m.start,
                   &m.end, perms, &m.offset, &major, &minor, &m.inode) != 7)
            continue; /* the rest of a long line */
        if (address >= m.end)
            continue;
        m.device = makedev(major, minor);
        m.protection = (perms[0] == 'r' ? PROT_READ : 0) | (perms[1] == 'w' ? PROT_WRITE : 0) |
                       (perms[2] == 'x' ? PROT_EXEC : 0);
        m.shared = perms[3] == 's';
        *ret_mapping = m;
        return 0;
    }
    return -ENOENT;
}

static int next_by_query(int fd, uintptr_t address, struct os_mapping *ret_mapping)
{
    struct procmap_query query = {.size = sizeof query, .flags = QUERY_OR_NEXT, .address = address};
    if (ioctl(fd, QUERY_MAP, &query) < 0)
        return -errno;
    *ret_mapping = (struct os_mapping){.start = query.start,
                                       .end = query.end,
                                       .offset = query.offset,
                                       .device = makedev(query.dev_major, query.dev_minor),
                                       .inode = query.inode,
                                       .protection = (int)(query.vma_flags & QUERY_PROTECTION),
                                       .shared = query.vma_flags & QUERY_SHARED};
    return 0;
}

bool os_maps_plain(uintptr_t address, size_t size)
{
    uintptr_t at = address, end = address + size;
    struct os_mapping m = {0};
    int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    while (fd >= 0 && at < end && next_by_query(fd, at, &m) == 0 && m.start <= at &&
           m.protection & PROT_READ && m.inode == 0)
        at = m.end;
    if (fd >= 0)
        close(fd);
    return at >= end;
}

int os_maps_next(uintptr_t address, struct os_mapping *ret_mapping)
{
    int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int r = next_by_query(fd, address, ret_mapping);
    if (r == 0 || r == -ENOENT) {
        close(fd);
        return r;
    }
    FILE *maps = fdopen(fd, "r");
    if (!maps) {
        close(fd);
        return -ENOMEM;
    }
    r = next_in_text(maps, address, ret_mapping);
    fclose(maps);
    return r;
}

/* Page by page, for kernels without the scan. */
static bool clean_by_pagemap(int pagemap, uintptr_t address, size_t size)
{
    uint64_t entries[512];
    size_t page = (size_t)sysconf(_SC_PAGESIZE), count = size / page;
    off_t at = (off_t)(address / page * sizeof entries[0]);
    while (count > 0) {
        size_t part = count < 512 ? count : 512;
        ssize_t r = pread(pagemap, entries, part * sizeof entries[0], at);
        if (r != (ssize_t)(part * sizeof entries[0]))
            return false;
        for (size_t i = 0; i < part; i++) {
            if (entries[i] & (PAGEMAP_PRESENT | PAGEMAP_SWAPPED) && !(entries[i] & PAGEMAP_FILE))
                return false;
        }
        at += r;
        count -= part;
    }
    return true;
}

bool os_maps_clean(uintptr_t address, size_t size)
{
    int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    if (pagemap < 0)
        return false;
    struct scan_region found;
    struct scan_arg scan = {.size = sizeof scan,
                            .start = address,
                            .end = address + size,
                            .vec = (uint64_t)(uintptr_t)&found,
                            .vec_len = 1,
                            .max_pages = 1,
                            .inverted = SCAN_FILE,
                            .mask = SCAN_FILE,
                            .any_of = SCAN_PRESENT | SCAN_SWAPPED,
                            .return_mask = SCAN_PRESENT};
    int r = ioctl(pagemap, SCAN_PAGES, &scan);
    bool clean = r >= 0 ? r == 0 : clean_by_pagemap(pagemap, address, size);
    close(pagemap);
    return clean;
}

/* By way of an object: write() and read() check addresses as well. */
int os_maps_move(void *to, uintptr_t from, size_t size)
{
    int fd = os_memfd_new("machool:bounce");
    if (fd < 0)
        return fd;
    int r = os_memfd_write(fd, (const void *)from, size, 0);
    if (r == 0)
        r = os_memfd_read(fd, to, size, 0);
    close(fd);
    return r;
}

int os_maps_copy(void *to, uintptr_t from, size_t size)
{
    while (size > 0) {
        struct iovec local = {.iov_base = to, .iov_len = size};
        struct iovec remote = {.iov_base = (void *)from, .iov_len = size};
        ssize_t r = process_vm_readv(getpid(), &local, 1, &remote, 1, 0);
        if (r < 0 && (errno == EPERM || errno == ENOSYS)) /* a sandbox forbids it */
            return os_maps_move(to, from, size);
        if (r <= 0)
            return r < 0 ? -errno : -EFAULT;
        to = (char *)to + r;
        from += (size_t)r;
        size -= (size_t)r;
    }
    return 0;
}
