/* See os_maps.h. */
#include "os/os_maps.h"

#include "os/os_memfd.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
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

/* Since Linux 5.14. */
#define POPULATE_READ 22
#define PLAIN_FEW ((size_t)128 << 10) /* bytes */

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

/* One call that looks at each page, which for a few is the cheaper one. */
static bool populates(uintptr_t address, size_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), skip = address & (page - 1);
    return size <= PLAIN_FEW && madvise((void *)(address - skip), size + skip, POPULATE_READ) == 0;
}

bool os_maps_plain(uintptr_t address, size_t size)
{
    if (populates(address, size))
        return true;
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

/* ---- which pages are dirty ------------------------------------------------------------------ */

struct found {
    struct os_run *runs;
    size_t count, size;
    size_t pages, most;
};

/* 0, -E2BIG or -ENOMEM. */
static int found_add(struct found *found, size_t first, size_t count)
{
    found->pages += count;
    if (found->pages > found->most)
        return -E2BIG;
    struct os_run *last = found->count ? &found->runs[found->count - 1] : NULL;
    if (last && last->first + last->count == first) {
        last->count += (uint32_t)count;
        return 0;
    }
    if (found->count == found->size) {
        size_t size = found->size ? found->size * 2 : 64;
        struct os_run *runs = realloc(found->runs, size * sizeof *runs);
        if (!runs)
            return -ENOMEM;
        found->runs = runs;
        found->size = size;
    }
    found->runs[found->count++] = (struct os_run){(uint32_t)first, (uint32_t)count};
    return 0;
}

/* By the scan, which stops when its array is full. -ENOTTY where the kernel knows it not. */
static int dirty_by_scan(int pagemap, uintptr_t address, size_t size, struct found *found)
{
    struct scan_region regions[256];
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uintptr_t end = address + size;
    int r = 0;
    for (uintptr_t at = address; r == 0 && at < end;) {
        struct scan_arg scan = {.size = sizeof scan,
                                .start = at,
                                .end = end,
                                .vec = (uint64_t)(uintptr_t)regions,
                                .vec_len = sizeof regions / sizeof *regions,
                                .max_pages = found->most - found->pages + 1,
                                .inverted = SCAN_FILE,
                                .mask = SCAN_FILE,
                                .any_of = SCAN_PRESENT | SCAN_SWAPPED,
                                .return_mask = SCAN_FILE};
        int count = ioctl(pagemap, SCAN_PAGES, &scan);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return -errno;
        for (int i = 0; r == 0 && i < count; i++)
            r = found_add(found, (regions[i].start - address) / page,
                          (regions[i].end - regions[i].start) / page);
        if (scan.walk_end <= at)
            return -EIO;
        at = scan.walk_end;
    }
    return r;
}

/* Page by page, for kernels without the scan. */
static int dirty_by_pagemap(int pagemap, uintptr_t address, size_t size, struct found *found)
{
    uint64_t entries[512];
    size_t page = (size_t)sysconf(_SC_PAGESIZE), count = size / page;
    off_t start = (off_t)(address / page * sizeof entries[0]);
    int r = 0;
    for (size_t at = 0; r == 0 && at < count; at += sizeof entries / sizeof *entries) {
        size_t part = count - at < 512 ? count - at : 512;
        ssize_t got = pread(pagemap, entries, part * sizeof *entries,
                            start + (off_t)(at * sizeof *entries));
        if (got != (ssize_t)(part * sizeof *entries))
            return got < 0 ? -errno : -EIO;
        for (size_t i = 0; r == 0 && i < part; i++) {
            if (entries[i] & (PAGEMAP_PRESENT | PAGEMAP_SWAPPED) && !(entries[i] & PAGEMAP_FILE))
                r = found_add(found, at + i, 1);
        }
    }
    return r;
}

int os_maps_dirty(uintptr_t address, size_t size, size_t most, struct os_run **ret_runs,
                  size_t *ret_count)
{
    struct found found = {.most = most};
    int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    if (pagemap < 0)
        return -errno;
    int r = dirty_by_scan(pagemap, address, size, &found);
    if (r < 0 && r != -E2BIG && r != -ENOMEM) {
        found.count = found.pages = 0;
        r = dirty_by_pagemap(pagemap, address, size, &found);
    }
    close(pagemap);
    if (r < 0) {
        free(found.runs);
        return r;
    }
    *ret_runs = found.runs;
    *ret_count = found.count;
    return 0;
}

bool os_maps_clean(uintptr_t address, size_t size)
{
    struct os_run *runs;
    size_t count;
    return os_maps_dirty(address, size, 0, &runs, &count) == 0; /* then there are none */
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
