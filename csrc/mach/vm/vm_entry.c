/* See vm_entry.h. */
#include "vm/vm_entry.h"

#include "os/os_maps.h"
#include "vm/vm_access.h"
#include "vm/vm_map.h"
#include "vm/vm_share.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* An entry over an object, whose reference it takes in any case. */
static int entry_over(struct vm_object *take_object, uint64_t offset, uint64_t size,
                      vm_prot_t protection, bool copy, struct vm_entry **ret_entry)
{
    struct vm_entry *entry = malloc(sizeof *entry);
    if (!entry) {
        vm_object_unref(take_object);
        return -ENOMEM;
    }
    *entry = (struct vm_entry){.refs = 1,
                               .copy = copy,
                               .protection = protection,
                               .object = take_object,
                               .offset = offset,
                               .size = size};
    *ret_entry = entry;
    return 0;
}

int vm_entry_new(uint64_t size, vm_prot_t protection, struct vm_entry **ret_entry)
{
    struct vm_object *object;
    int r = vm_object_new_zero(size, &object);
    return r < 0 ? r : entry_over(object, 0, size, protection, false, ret_entry);
}

int vm_entry_copy(uintptr_t start, uintptr_t end, vm_prot_t protection, struct vm_entry **ret_entry)
{
    struct vm_object *object;
    int r = vm_access_check(start, end - start, PROT_READ);
    if (r == 0)
        r = vm_object_new_zero(end - start, &object);
    if (r < 0)
        return r;
    r = os_memfd_write(object->fd, (const void *)start, end - start, 0);
    if (r < 0) {
        vm_object_unref(object);
        return r;
    }
    return entry_over(object, 0, end - start, protection, true, ret_entry);
}

/* ---- sharing what is mapped ------------------------------------------------------------------ */

/* Where the one object that is mapped at `start` ends, if that is before `end`. With the lock. */
static uintptr_t end_of_object(uintptr_t start, uintptr_t end)
{
    struct os_mapping m;
    struct vm_range range = vm_range_at(start);
    const struct vm_region *region = vm_map_covering(start);
    if (range.object)
        return range.end < end ? range.end : end;
    if (region)
        return region->address + region->size < end ? region->address + region->size : end;
    if (os_maps_next(start, &m) == 0 && m.end < end)
        end = m.end;
    const struct vm_range *next = vm_range_next(start);
    return next && next->object && next->start > start && next->start < end ? next->start : end;
}

/* What all of a range allows now: 0 with it, or -EFAULT. With the lock. */
static int protection_of(uintptr_t start, uintptr_t end, int *ret_protection)
{
    struct os_mapping m;
    int all = PROT_READ | PROT_WRITE | PROT_EXEC;
    for (uintptr_t at = start; at < end; at = m.end) {
        int r = os_maps_next(at, &m);
        if (r < 0 && r != -ENOENT)
            return r;
        if (r < 0 || m.start > at)
            return -EFAULT;
        all &= m.protection;
    }
    *ret_protection = all;
    return 0;
}

/* 0 and its beginning if [start, end) is one piece of one object, -EPERM if not. With the lock. */
static int is_one(uintptr_t start, uintptr_t end, struct vm_range *ret_first)
{
    struct vm_range first, next;
    int r = vm_share_at(start, &first);
    next = first;
    for (uintptr_t at = start; r == 0 && at < end; at = next.end) {
        r = vm_share_at(at, &next);
        if (r == 0 && (!next.object || next.object != first.object ||
                       next.offset != first.offset + (at - start)))
            r = -EPERM;
    }
    *ret_first = first;
    return r;
}

static int share(uintptr_t start, uintptr_t end, vm_prot_t protection, bool mask, bool whole,
                 struct vm_entry **ret_entry)
{
    struct vm_range first;
    int allowed;
    if (!whole)
        end = end_of_object(start, end);
    int r = protection_of(start, end, &allowed);
    if (r < 0)
        return r;
    if (mask)
        protection &= allowed;
    if (mask ? !protection : (allowed & protection) != protection)
        return -EACCES;
    r = is_one(start, end, &first);
    if (r == -EPERM) {
        r = vm_share_range(start, end, whole ? VM_SHARE_AS_ONE : 0);
        if (r == 0)
            r = is_one(start, end, &first);
    }
    if (r < 0)
        return r;
    return entry_over(vm_object_ref(first.object), first.offset, end - start, protection, whole,
                      ret_entry);
}

int vm_entry_share(uintptr_t start, uintptr_t end, vm_prot_t protection, bool mask, bool whole,
                   struct vm_entry **ret_entry)
{
    vm_map_lock();
    int r = share(start, end, protection, mask, whole, ret_entry);
    vm_map_unlock();
    return r;
}

int vm_entry_part(const struct vm_entry *parent, uint64_t offset, uint64_t size,
                  vm_prot_t protection, struct vm_entry **ret_entry)
{
    vm_map_lock();
    int r = entry_over(vm_object_ref(parent->object), parent->offset + offset, size, protection,
                       parent->copy, ret_entry);
    vm_map_unlock();
    return r;
}

struct vm_entry *vm_entry_ref(struct vm_entry *entry)
{
    vm_map_lock();
    entry->refs++;
    vm_map_unlock();
    return entry;
}

void vm_entry_unref(struct vm_entry *entry)
{
    if (!entry)
        return;
    vm_map_lock();
    bool last = --entry->refs == 0;
    if (last)
        vm_object_unref(entry->object);
    vm_map_unlock();
    if (last)
        free(entry);
}

/* ---- mapping --------------------------------------------------------------------------------- */

static int map_copy(const struct vm_entry *entry, uint64_t offset, uintptr_t address, size_t size,
                    int protection)
{
    void *at = mmap((void *)address, size, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED)
        return -errno;
    int r = os_memfd_read(entry->object->fd, at, size, entry->offset + offset);
    if (r == 0 && protection != (PROT_READ | PROT_WRITE) && mprotect(at, size, protection) < 0)
        r = -errno;
    return r;
}

int vm_entry_map(const struct vm_entry *entry, uint64_t offset, uintptr_t address, size_t size,
                 int protection, bool copy)
{
    struct vm_object *object = entry->object;
    if (!os_memfd_is(object->fd, &object->id))
        return -EBADF;
    if (copy)
        return map_copy(entry, offset, address, size, protection);
    vm_share_sweep();
    if (mmap((void *)address, size, protection, MAP_SHARED | MAP_FIXED | MAP_NORESERVE, object->fd,
             (off_t)(entry->offset + offset)) == MAP_FAILED)
        return -errno;
    return vm_range_set_object(address, address + size, object, entry->offset + offset);
}

/* ---- to other tasks -------------------------------------------------------------------------- */

int vm_entry_export(const struct vm_entry *entry, struct vm_entry_words *ret_words)
{
    char path[32];
    int fd;
    if (!os_memfd_is(entry->object->fd, &entry->object->id))
        return -EBADF;
    if (entry->protection & VM_PROT_WRITE) {
        fd = fcntl(entry->object->fd, F_DUPFD_CLOEXEC, 3);
    } else {
        snprintf(path, sizeof path, "/proc/self/fd/%d", entry->object->fd);
        fd = open(path, O_RDONLY | O_CLOEXEC);
    }
    if (fd < 0)
        return -errno;
    entry->object->lent = true;
    *ret_words = (struct vm_entry_words){.offset = entry->offset,
                                         .size = entry->size,
                                         .protection = (uint32_t)entry->protection,
                                         .copy = entry->copy,
                                         .data_offset = entry->data_offset};
    return fd;
}

int vm_entry_adopt(int take_fd, const struct vm_entry_words *words, struct vm_entry **ret_entry)
{
    struct vm_object *object;
    uint64_t end, page_mask = (uint64_t)sysconf(_SC_PAGESIZE) - 1;
    if (words->size == 0 || (words->size | words->offset) & page_mask ||
        words->data_offset > page_mask ||
        __builtin_add_overflow(words->offset, words->size, &end) || end > INT64_MAX ||
        os_memfd_verify(take_fd, F_SEAL_SHRINK, end) < 0) {
        close(take_fd);
        return -EBADMSG;
    }
    int r = vm_object_adopt(take_fd, end, &object);
    if (r == 0)
        r = entry_over(object, words->offset, words->size,
                       (vm_prot_t)words->protection & VM_PROT_ALL, words->copy != 0, ret_entry);
    if (r == 0)
        (*ret_entry)->data_offset = words->data_offset;
    return r;
}
