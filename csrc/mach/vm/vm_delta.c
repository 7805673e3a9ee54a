/* See vm_delta.h. */
#include "vm/vm_delta.h"

#include "wire/wire_format.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

static size_t page_size(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

int vm_delta_find(const struct vm_region *region, struct vm_task task, unsigned part,
                  struct vm_delta *ret_delta)
{
    struct vm_delta delta;
    bool wanted = vm_region_has_told(region, task);
    size_t most = wanted ? region->size / page_size() / part : 0;
    int r = os_maps_dirty(region->address, region->size, most, &delta.runs, &delta.count);
    if (r < 0)
        return r == -ENOMEM ? r : -EAGAIN;
    *ret_delta = delta;
    return 0;
}

void vm_delta_deinit(struct vm_delta *delta)
{
    free(delta->runs);
    *delta = (struct vm_delta){0};
}

/* ---- writing -------------------------------------------------------------------------------- */

/* Where the pages start, behind head and extents. */
static size_t pages_at(size_t extents)
{
    return vm_page_round(sizeof(struct wire_delta) + extents * sizeof(struct wire_extent));
}

/* Head and extents as they stand in the object: malloc'ed, NULL without memory. */
static struct wire_delta *head_of(const struct vm_delta *delta)
{
    struct wire_delta *head = malloc(sizeof *head + delta->count * sizeof(struct wire_extent));
    if (!head)
        return NULL;
    struct wire_extent *extents = (struct wire_extent *)(head + 1);
    *head = (struct wire_delta){.extents = (uint32_t)delta->count};
    for (size_t i = 0; i < delta->count; i++) {
        extents[i] = (struct wire_extent){delta->runs[i].first, delta->runs[i].count};
        head->pages += extents[i].count;
    }
    return head;
}

/* The places of extents in memory at `address`, none going beyond `size`. */
static void places_of(const struct wire_extent *extents, size_t count, uintptr_t address,
                      size_t size, struct iovec *ret_places)
{
    size_t page = page_size();
    for (size_t i = 0; i < count; i++) {
        size_t from = extents[i].first * page, length = extents[i].count * page;
        ret_places[i] = (struct iovec){.iov_base = (void *)(address + from),
                                       .iov_len = length < size - from ? length : size - from};
    }
}

/* Fills and seals a fresh object. 0 or -errno. */
static int fill(int fd, const struct wire_delta *head, uintptr_t address, size_t size)
{
    size_t start = pages_at(head->extents);
    const struct wire_extent *extents = (const struct wire_extent *)(head + 1);
    struct iovec *places = malloc(head->extents * sizeof *places);
    int r = places ? os_memfd_resize(fd, start + head->pages * page_size()) : -ENOMEM;
    if (r == 0) {
        places_of(extents, head->extents, address, size, places);
        r = os_memfd_write(fd, head, sizeof *head + head->extents * sizeof *extents, 0);
    }
    if (r == 0)
        r = os_memfd_gather(fd, places, head->extents, start);
    if (r == 0)
        r = os_memfd_seal(fd, VM_REGION_SEALS);
    free(places);
    return r;
}

int vm_delta_write(const struct vm_delta *delta, uintptr_t address, size_t size)
{
    struct wire_delta *head = head_of(delta);
    int fd = head ? os_memfd_new("machool:delta") : -ENOMEM;
    int r = fd < 0 ? fd : fill(fd, head, address, size);
    free(head);
    if (r < 0 && fd >= 0)
        close(fd);
    return r < 0 ? r : fd;
}

/* ---- reading -------------------------------------------------------------------------------- */

/* Reading allocates nothing, so that a delta that arrives is refused for what it is only. */
#define PART 512u

struct reader {
    int fd;
    uint32_t pages;                    /* of the object that the delta is for */
    struct wire_delta head;            /* checked */
    uint32_t read;                     /* extents */
    uint32_t pages_before, pages_left; /* as wire_extents_check has them */
    struct wire_extent part[PART];     /* the last ones read, checked */
};

/* 0; -EBADMSG: what it is may be anything; or another -errno: it cannot be read now. */
static int reader_open(struct reader *ret_reader, int fd, size_t size)
{
    uint32_t pages = (uint32_t)(vm_page_round(size) / page_size());
    struct wire_delta head;
    int r = os_memfd_verify(fd, VM_REGION_SEALS, sizeof head);
    if (r == 0)
        r = os_memfd_read(fd, &head, sizeof head, 0);
    if (r == 0)
        r = wire_delta_check(&head, pages);
    if (r == 0)
        r = os_memfd_verify(fd, VM_REGION_SEALS, pages_at(head.extents) + head.pages * page_size());
    if (r < 0)
        return r;
    ret_reader->fd = fd;
    ret_reader->pages = pages;
    ret_reader->head = head;
    ret_reader->read = ret_reader->pages_before = 0;
    ret_reader->pages_left = head.pages;
    return 0;
}

/* Reads and checks the next extents. How many there are, 0 behind the last, or -errno as above. */
static int reader_next(struct reader *reader)
{
    uint32_t left = reader->head.extents - reader->read, count = left < PART ? left : PART;
    if (count == 0)
        return reader->pages_left == 0 ? 0 : -EBADMSG;
    int r = os_memfd_read(reader->fd, reader->part, count * sizeof *reader->part,
                          sizeof reader->head + reader->read * sizeof *reader->part);
    if (r == 0)
        r = wire_extents_check(reader->part, count, reader->pages, &reader->pages_before,
                               &reader->pages_left);
    reader->read += count;
    return r < 0 ? r : (int)count;
}

int vm_delta_verify(int borrow_fd, size_t size)
{
    struct reader reader;
    int r = reader_open(&reader, borrow_fd, size);
    if (r == 0) {
        do
            r = reader_next(&reader);
        while (r > 0);
    }
    return r == 0 && !os_memfd_is_backed(borrow_fd) ? -EBADMSG : r;
}

int vm_delta_apply(int borrow_fd, uintptr_t address, size_t size)
{
    struct reader reader;
    struct iovec places[PART];
    int r = reader_open(&reader, borrow_fd, size);
    while (r == 0) {
        uint32_t done = reader.head.pages - reader.pages_left;
        int count = reader_next(&reader);
        if (count <= 0)
            return count;
        places_of(reader.part, (size_t)count, address, vm_page_round(size), places);
        r = os_memfd_scatter(borrow_fd, places, (size_t)count,
                             pages_at(reader.head.extents) + done * page_size());
    }
    return r == -EFAULT ? -ENOMEM : r; /* the memory is ours: there was no page to be had */
}

int vm_delta_flatten(int borrow_base, int borrow_delta, size_t size)
{
    uintptr_t at;
    size_t whole = vm_page_round(size);
    int r = os_memfd_verify(borrow_base, VM_REGION_SEALS, size);
    if (r == 0)
        r = vm_region_place(whole, borrow_base, false, &at);
    if (r < 0)
        return r;
    int fd = os_memfd_new("machool:copy");
    r = fd < 0 ? fd : vm_delta_apply(borrow_delta, at, size);
    if (r == 0)
        r = os_memfd_resize(fd, whole);
    if (r == 0)
        r = os_memfd_write(fd, (const void *)at, size, 0);
    if (r == 0)
        r = os_memfd_seal(fd, VM_REGION_SEALS);
    munmap((void *)at, whole);
    if (r < 0 && fd >= 0)
        close(fd);
    return r < 0 ? r : fd;
}
