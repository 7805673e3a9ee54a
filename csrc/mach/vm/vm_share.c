/* See vm_share.h. */
#include "vm/vm_share.h"

#include "os/os_maps.h"
#include "os/os_still.h"
#include "vm/vm_map.h"

#include <errno.h>
#include <fcntl.h>
#include <mach/vm_inherit.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

static bool shows(const struct os_mapping *m, uintptr_t address, const struct os_memfd_id *id,
                  uint64_t offset)
{
    return m->shared && m->device == id->device && m->inode == id->inode &&
           m->offset + (address - m->start) == offset;
}

int vm_share_at(uintptr_t address, struct vm_range *ret_range)
{
    struct os_mapping m;
    struct vm_range range = vm_range_at(address);
    int r = range.object ? os_maps_next(address, &m) : -ENOENT;
    if (r < 0 && r != -ENOENT)
        return r;
    if (r < 0 || m.start > address || !shows(&m, address, &range.object->id, range.offset))
        range.object = NULL;
    else if (m.end < range.end)
        range.end = m.end;
    *ret_range = range;
    return 0;
}

/* Forgets what of a range is no longer mapped as it was. */
static void sweep_range(const struct vm_range *range)
{
    struct os_mapping m;
    for (uintptr_t at = range->start; at < range->end;) {
        int r = os_maps_next(at, &m);
        if (r < 0 && r != -ENOENT)
            return;
        bool hole = r < 0 || m.start > at;
        uintptr_t end = r < 0 ? range->end : hole ? m.start : m.end;
        end = end < range->end ? end : range->end;
        if (hole || !shows(&m, at, &range->object->id, range->offset + (at - range->start)))
            vm_range_clear(at, end);
        at = end;
    }
}

void vm_share_sweep(void)
{
    static size_t enough =
        64; /* intervals; twice as many as the last time, so that it costs little */
    uintptr_t at = 0;
    if (vm_range_count() < enough)
        return;
    for (const struct vm_range *next; (next = vm_range_next(at));) {
        struct vm_range range = *next;
        at = range.end;
        if (range.object) {
            vm_object_ref(range.object);
            sweep_range(&range);
            vm_object_unref(range.object);
        }
    }
    enough = 64 + 2 * vm_range_count();
}

/* ---- making it shared ---------------------------------------------------------------------- */

/* A region that has not been sent becomes a range with an object, as it is. */
static int share_region(struct vm_region *region)
{
    struct vm_object *object;
    uintptr_t start = region->address, end = start + region->size;
    int fd = fcntl(region->fd, F_DUPFD_CLOEXEC, 3);
    if (fd < 0)
        return -errno;
    int r = vm_object_new(fd, region->size, &object);
    if (r < 0)
        return r;
    r = vm_range_set_object(start, end, object, 0);
    vm_object_unref(object);
    if (r == 0)
        vm_map_drop(region);
    return r;
}

/* A move of private memory into an object, for the moment in which nothing may write to it. */
struct move {
    uintptr_t start;
    size_t size;
    int fd, protection, result;
    uint64_t offset; /* in the object */
};

static void move_now(void *argument)
{
    struct move *move = argument;
    void *at = (void *)move->start;
    if (!(move->protection & PROT_READ) && mprotect(at, move->size, PROT_READ) < 0)
        move->result = -errno;
    else
        move->result = os_memfd_write(move->fd, at, move->size, move->offset);
    if (move->result == 0 &&
        mmap(at, move->size, move->protection, MAP_SHARED | MAP_FIXED | MAP_NORESERVE, move->fd,
             (off_t)move->offset) == MAP_FAILED)
        move->result = -errno;
    if (move->result < 0 && !(move->protection & PROT_READ))
        (void)mprotect(at, move->size, move->protection);
}

static int share_private(uintptr_t start, uintptr_t end, int protection, struct vm_object *object,
                         uint64_t offset)
{
    struct move move = {.start = start,
                        .size = end - start,
                        .protection = protection,
                        .fd = object->fd,
                        .offset = offset};
    int r = vm_range_set_object(start, end, object, offset);
    if (r == 0)
        r = os_still_run(start, end, move_now, &move);
    if (r == 0)
        r = move.result;
    if (r < 0)
        (void)vm_range_set_object(start, end, NULL, 0);
    else
        vm_range_remark(start, end);
    return r;
}

static int share_alone(uintptr_t start, uintptr_t end, int protection)
{
    struct vm_object *object;
    int r = vm_object_new_zero(end - start, &object);
    if (r < 0)
        return r;
    r = share_private(start, end, protection, object, 0);
    vm_object_unref(object);
    return r;
}

/* What the program itself has mapped shared: a privileged process can open it. A file is refused:
 * it may be cut short at any time. */
static int share_foreign(const struct os_mapping *m, uintptr_t start, uintptr_t end)
{
    char path[96];
    struct vm_object *object;
    uint64_t offset = m->offset + (start - m->start);
    snprintf(path, sizeof path, "/proc/self/map_files/%jx-%jx", (uintmax_t)m->start,
             (uintmax_t)m->end);
    int fd = open(path, (m->protection & PROT_WRITE ? O_RDWR : O_RDONLY) | O_CLOEXEC);
    if (fd < 0)
        return -EPERM;
    if (os_memfd_verify(fd, F_SEAL_SHRINK, offset + (end - start)) < 0) {
        close(fd);
        return -EPERM;
    }
    int r = vm_object_adopt(fd, offset + (end - start), &object);
    if (r < 0)
        return r;
    r = vm_range_set_object(start, end, object, offset);
    vm_object_unref(object);
    return r;
}

/* What a call to share a range is about. */
struct sharing {
    uintptr_t start, end;
    int flags;
    struct vm_object *one; /* AS_ONE: the object for all */
};

/* Shares what `m` maps of [start, end). 0, or -EAGAIN: the mapping is to be looked at again. */
static int share_part(const struct sharing *sharing, const struct os_mapping *m, uintptr_t start,
                      uintptr_t end)
{
    struct vm_region *region = vm_map_covering(start);
    if (region && region->state == VM_REGION_SHARED && !sharing->one && vm_region_has_fd(region) &&
        shows(m, start, &region->id, start - region->address))
        return share_region(region);
    if (region) { /* sent before, no longer as the layer made it, or to be one with others */
        int r = region->state != VM_REGION_FROZEN ? vm_region_privatize(region) : 0;
        vm_map_drop(region);
        return r < 0 ? r : -EAGAIN;
    }
    if (m->shared)
        return sharing->flags & VM_SHARE_FOREIGN ? 0 : share_foreign(m, start, end);
    return sharing->one
               ? share_private(start, end, m->protection, sharing->one, start - sharing->start)
               : share_alone(start, end, m->protection);
}

/* How far from `at` what `m` maps is of one kind. */
static uintptr_t part_end(const struct os_mapping *m, uintptr_t at, uintptr_t end)
{
    uintptr_t stop = m->end < end ? m->end : end;
    const struct vm_range *next = vm_range_next(at); /* an object may begin later */
    if (next && next->object && next->start > at && next->start < stop)
        stop = next->start;
    const struct vm_region *region = vm_map_covering(at);
    if (region && region->address + region->size < stop)
        stop = region->address + region->size;
    return stop;
}

static int share_all(const struct sharing *sharing)
{
    struct os_mapping m;
    bool holes = sharing->flags & VM_SHARE_HOLES;
    for (uintptr_t at = sharing->start; at < sharing->end;) {
        int r = os_maps_next(at, &m);
        if (r < 0 && r != -ENOENT)
            return r;
        if (r < 0 || m.start >= sharing->end)
            return holes ? 0 : -EFAULT;
        if (m.start > at && !holes)
            return -EFAULT;
        if (m.start > at)
            at = m.start;
        struct vm_range range = vm_range_at(at);
        if (range.object && shows(&m, at, &range.object->id, range.offset)) {
            uintptr_t stop = m.end < sharing->end ? m.end : sharing->end;
            stop = range.end < stop ? range.end : stop;
            if (sharing->one && vm_object_is_alone(range.object))
                r = share_private(at, stop, m.protection, sharing->one, at - sharing->start);
            if (r < 0)
                return r;
            at = stop;
            continue;
        }
        uintptr_t stop = part_end(&m, at, sharing->end);
        r = share_part(sharing, &m, at, stop);
        if (r < 0 && r != -EAGAIN)
            return r;
        if (r == 0)
            at = stop;
    }
    return 0;
}

int vm_share_range(uintptr_t start, uintptr_t end, int flags)
{
    struct sharing sharing = {.start = start, .end = end, .flags = flags};
    vm_share_sweep();
    if (flags & VM_SHARE_AS_ONE) {
        int r = vm_object_new_zero(end - start, &sharing.one);
        if (r < 0)
            return r;
    }
    int r = share_all(&sharing);
    vm_object_unref(sharing.one);
    return r;
}

/* ---- making it private --------------------------------------------------------------------- */

int vm_share_end(uintptr_t start, uintptr_t end)
{
    struct os_mapping m;
    for (uintptr_t at = start; at < end; at = m.end) {
        int r = os_maps_next(at, &m);
        if (r == -ENOENT || (r == 0 && m.start >= end))
            break;
        if (r < 0)
            return r;
        if (!m.shared)
            continue;
        uintptr_t low = m.start > at ? m.start : at;
        uintptr_t high = m.end < end ? m.end : end;
        r = vm_region_replace(low, high, m.protection);
        if (r < 0)
            return r;
    }
    return vm_range_set_object(start, end, NULL, 0);
}

/* ---- fork ---------------------------------------------------------------------------------- */

/* Between prepare and the other two. The list is not in the heap, which may itself be shared, and is
 * the last thing that changes before the fork. */
static struct {
    struct aside {
        uintptr_t start;
        size_t size;
        void *copy;
    } *list;
    size_t used, size;
} asides;

static struct aside *new_aside(void)
{
    if (asides.used < asides.size)
        return &asides.list[asides.used];
    size_t page = vm_page_round(1), bytes = asides.size * sizeof(struct aside);
    size_t more = asides.size ? vm_page_round(bytes) * 2 : page;
    void *list = asides.size
                     ? mremap(asides.list, vm_page_round(bytes), more, MREMAP_MAYMOVE)
                     : mmap(NULL, more, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (list == MAP_FAILED)
        return NULL;
    asides.list = list;
    asides.size = more / sizeof(struct aside);
    return &asides.list[asides.used];
}

static void drop_asides(void)
{
    if (asides.size)
        munmap(asides.list, vm_page_round(asides.size * sizeof(struct aside)));
    asides.list = NULL;
    asides.used = asides.size = 0;
}

/* Copies a shared mapping aside. For want of memory the child shares it after all. */
static void set_aside(uintptr_t start, uintptr_t end, int protection)
{
    size_t size = end - start;
    struct aside *aside = new_aside();
    void *copy = aside ? mmap(NULL, size, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
                       : MAP_FAILED;
    if (copy == MAP_FAILED)
        return;
    bool readable = protection & PROT_READ;
    int r = readable || mprotect((void *)start, size, PROT_READ) == 0 ? 0 : -errno;
    if (r == 0)
        r = os_maps_copy(copy, start, size);
    if (!readable)
        (void)mprotect((void *)start, size, protection);
    if (r < 0 || mprotect(copy, size, protection) < 0) {
        munmap(copy, size);
        return;
    }
    *aside = (struct aside){.start = start, .size = size, .copy = copy};
    asides.used++;
}

/* Whether a child gets a copy of such memory, whatever its mapping says. */
static bool is_copied(const struct vm_range *range)
{
    return range->inherit == VM_INHERIT_COPY || (range->object && range->inherit == VM_RANGE_UNSET);
}

/* What nobody else has is private memory from now on, for parent and child. */
static bool end_alone(const struct vm_range *range)
{
    struct os_mapping m;
    if (!vm_object_is_alone(range->object) || !os_memfd_is(range->object->fd, &range->object->id))
        return false;
    for (uintptr_t at = range->start; at < range->end; at = m.end) {
        int r = os_maps_next(at, &m);
        if (r == -ENOENT || (r == 0 && m.start >= range->end))
            break;
        uintptr_t start = m.start > at ? m.start : at;
        uintptr_t end = m.end < range->end ? m.end : range->end;
        uint64_t offset = range->offset + (start - range->start);
        if (r < 0)
            return false;
        if (shows(&m, start, &range->object->id, offset) &&
            mmap((void *)start, end - start, m.protection, MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE,
                 range->object->fd, (off_t)offset) == MAP_FAILED)
            return false;
    }
    return vm_range_set_object(range->start, range->end, NULL, 0) == 0;
}

/* A range with an object: whether that is all there is to do for it. */
static bool settle(const struct vm_range *range)
{
    if (!range->object)
        return false;
    if (is_copied(range))
        return end_alone(range);
    if (range->inherit == VM_INHERIT_SHARE)
        range->object->lent = true;
    return true;
}

void vm_share_fork_prepare(void)
{
    struct os_mapping m;
    uintptr_t at = 0;
    for (const struct vm_range *next; (next = vm_range_next(at));) {
        struct vm_range range = *next;
        at = range.end;
        if (settle(&range))
            continue;
        for (uintptr_t low = range.start; is_copied(&range) && low < range.end; low = m.end) {
            if (os_maps_next(low, &m) < 0 || m.start >= range.end)
                break;
            uintptr_t start = m.start > low ? m.start : low;
            uintptr_t end = m.end < range.end ? m.end : range.end;
            bool ours = !range.object ||
                        shows(&m, start, &range.object->id, range.offset + (start - range.start));
            if (m.shared && ours)
                set_aside(start, end, m.protection);
        }
    }
}

void vm_share_fork_parent(void)
{
    for (size_t i = 0; i < asides.used; i++)
        munmap(asides.list[i].copy, asides.list[i].size);
    drop_asides();
}

void vm_share_fork_child(void)
{
    for (size_t i = 0; i < asides.used; i++) {
        struct aside *aside = &asides.list[i];
        (void)mremap(aside->copy, aside->size, aside->size, MREMAP_MAYMOVE | MREMAP_FIXED,
                     (void *)aside->start);
        (void)vm_range_set_object(aside->start, aside->start + aside->size, NULL, 0);
    }
    drop_asides();
    uintptr_t at = 0;
    for (const struct vm_range *next; (next = vm_range_next(at));) {
        struct vm_range range = *next;
        at = range.end;
        if (range.inherit == VM_INHERIT_NONE)
            vm_map_forget(range.start, range.end - range.start);
    }
}
