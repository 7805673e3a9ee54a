/* The same memory, or a copy of it, at a second address: vm_remap and its mach_vm_ twin. */
#include "api/vm_args.h"
#include "os/os_maps.h"
#include "vm/vm_access.h"
#include "vm/vm_copy.h"
#include "vm/vm_map.h"
#include "vm/vm_place.h"
#include "vm/vm_share.h"

#include <mach/mach_vm.h>
#include <string.h>
#include <sys/mman.h>

#define FLAGS                                                                                      \
    ((int)(VM_FLAGS_ANYWHERE | VM_FLAGS_RANDOM_ADDR | VM_FLAGS_OVERWRITE |                         \
           VM_FLAGS_RESILIENT_CODESIGN | VM_FLAGS_RESILIENT_MEDIA | VM_ARGS_DATA_ADDR |            \
           (int)VM_FLAGS_ALIAS_MASK))

struct remap {
    uintptr_t source, end; /* whole pages */
    uintptr_t target;
    bool copy;
    vm_prot_t current, maximum; /* what all of it allows */
};

/* One part at its new place, shared. What the program itself mapped shared is doubled as it is. */
static int double_part(uintptr_t from, size_t size, uintptr_t to, int protection)
{
    struct vm_range range;
    int r = vm_share_at(from, &range);
    if (r < 0)
        return r;
    if (!range.object)
        return mremap((void *)from, 0, size, MREMAP_MAYMOVE | MREMAP_FIXED, (void *)to) ==
                       MAP_FAILED
                   ? -errno
                   : 0;
    if (mmap((void *)to, size, protection, MAP_SHARED | MAP_FIXED | MAP_NORESERVE, range.object->fd,
             (off_t)range.offset) == MAP_FAILED)
        return -errno;
    return vm_range_set_object(to, to + size, range.object, range.offset);
}

/* The same as private memory with a copy of what is there now, whatever its protection. */
static int copy_part(uintptr_t from, size_t size, uintptr_t to, int protection)
{
    bool hidden = !(protection & PROT_READ);
    if (mmap((void *)to, size, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0) == MAP_FAILED ||
        (hidden && mprotect((void *)from, size, PROT_READ) < 0))
        return -errno;
    int r = os_maps_copy((void *)to, from, size);
    if (hidden)
        (void)mprotect((void *)from, size, protection);
    if (r == 0 && mprotect((void *)to, size, protection) < 0)
        r = -errno;
    return r;
}

static int fill(struct remap *remap)
{
    struct os_mapping m;
    remap->current = remap->maximum = VM_PROT_ALL;
    for (uintptr_t at = remap->source; at < remap->end;) {
        int r = os_maps_next(at, &m);
        if (r < 0 || m.start > at)
            return r < 0 && r != -ENOENT ? r : -EFAULT;
        struct vm_range range = vm_range_at(at);
        uintptr_t stop = m.end < range.end ? m.end : range.end;
        stop = stop < remap->end ? stop : remap->end;
        uintptr_t to = remap->target + (at - remap->source);
        r = remap->copy ? copy_part(at, stop - at, to, m.protection)
                        : double_part(at, stop - at, to, m.protection);
        if (r == 0 && range.max != VM_PROT_ALL)
            r = vm_range_set_max(to, to + (stop - at), range.max);
        if (r < 0)
            return r;
        remap->current &= m.protection;
        remap->maximum &= range.max;
        at = stop;
    }
    return 0;
}

/* A whole region of the layer, copied to wherever there is room: it goes the way of a message to
 * oneself, which shares its pages until somebody writes. -EAGAIN: it is no such thing. */
static int copy_whole(struct remap *remap)
{
    struct os_mapping m;
    struct vm_copy copy;
    vm_address_t at;
    size_t size = remap->end - remap->source;
    vm_map_lock();
    const struct vm_region *region = vm_map_find(remap->source);
    struct vm_range range = vm_range_around(remap->source);
    bool whole = region && region->size == size && range.end >= remap->end &&
                 os_maps_next(remap->source, &m) == 0 && m.start <= remap->source &&
                 m.end >= remap->end && m.protection & PROT_READ;
    vm_map_unlock();
    if (!whole ||
        vm_copyin(remap->source, size, MACH_MSG_VIRTUAL_COPY, false, &copy) != MACH_MSG_SUCCESS ||
        vm_copyout(&copy, &at) < 0)
        return -EAGAIN;
    remap->target = at;
    remap->current = m.protection;
    remap->maximum = range.max;
    int r = mprotect((void *)at, size, m.protection) < 0 ? -errno : 0;
    vm_map_lock();
    if (r == 0 && range.max != VM_PROT_ALL)
        r = vm_range_set_max(at, at + size, range.max);
    vm_map_unlock();
    if (r < 0)
        (void)mach_vm_deallocate(mach_task_self_, at, size);
    return r;
}

static int remap_locked(struct remap *remap, uintptr_t mask, int flags)
{
    size_t size = remap->end - remap->source;
    int r = vm_access_check(remap->source, size, PROT_NONE);
    if (r == 0 && !remap->copy)
        r = vm_share_range(remap->source, remap->end, VM_SHARE_FOREIGN);
    if (r == 0)
        r = vm_place(&remap->target, size, mask, flags);
    if (r < 0)
        return r;
    r = fill(remap);
    if (r < 0) {
        vm_map_forget(remap->target, size);
        munmap((void *)remap->target, size);
    }
    return r;
}

/* The target would replace what is to be mapped there. */
static bool overlaps(const struct remap *remap)
{
    size_t size = remap->end - remap->source;
    return remap->target < remap->end && remap->target + size > remap->source;
}

kern_return_t mach_vm_remap(vm_map_t task, mach_vm_address_t *target, mach_vm_size_t size,
                            mach_vm_offset_t mask, int flags, vm_map_t source_task,
                            mach_vm_address_t source, boolean_t copy, vm_prot_t *current,
                            vm_prot_t *maximum, vm_inherit_t inheritance)
{
    struct remap remap = {.target = vm_page_trunc((uintptr_t)*target), .copy = copy};
    if (task != mach_task_self_)
        return MACH_SEND_INVALID_DEST;
    if (flags & ~FLAGS || inheritance > VM_INHERIT_LAST_VALID || size == 0 ||
        source_task != mach_task_self_ ||
        vm_args_pages(source, size, &remap.source, &remap.end) != KERN_SUCCESS ||
        (!(flags & VM_FLAGS_ANYWHERE) && overlaps(&remap)))
        return KERN_INVALID_ARGUMENT;
    int r = copy && flags & VM_FLAGS_ANYWHERE && !mask ? copy_whole(&remap) : -EAGAIN;
    if (r == -EAGAIN) {
        vm_map_lock();
        r = remap_locked(&remap, (uintptr_t)mask, flags);
        vm_map_unlock();
    }
    if (r < 0)
        return r == -EEXIST ? KERN_NO_SPACE : vm_args_code(r);
    if (inheritance != VM_INHERIT_DEFAULT)
        (void)mach_vm_inherit(task, remap.target, remap.end - remap.source, inheritance);
    *target = remap.target + (flags & VM_ARGS_DATA_ADDR ? source - remap.source : 0);
    *current = remap.current;
    *maximum = remap.maximum;
    return KERN_SUCCESS;
}

kern_return_t vm_remap(vm_map_t task, vm_address_t *target, vm_size_t size, vm_address_t mask,
                       int flags, vm_map_t source_task, vm_address_t source, boolean_t copy,
                       vm_prot_t *current, vm_prot_t *maximum, vm_inherit_t inheritance)
{
    mach_vm_address_t at = *target;
    kern_return_t kr = mach_vm_remap(task, &at, size, mask, flags, source_task, source, copy,
                                     current, maximum, inheritance);
    if (kr == KERN_SUCCESS)
        *target = (vm_address_t)at;
    return kr;
}
