/* See vm_copy.h. */
#include "vm/vm_copy.h"

#include "os/os_maps.h"
#include "os/os_memfd.h"
#include "vm/vm_delta.h"
#include "vm/vm_map.h"
#include "vm/vm_region.h"
#include "vm/vm_share.h"

#include <errno.h>
#include <fcntl.h>
#include <mach/mach.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define SMALL_MAX ((uint32_t)16 << 10)  /* up to here data loses its place in the page (S21, S43) */
#define FORWARD_MIN ((uint32_t)1 << 20) /* received objects from this size keep their descriptor */

static atomic_ullong bytes_copied, bytes_shared;

void vm_copy_deinit(struct vm_copy *copy)
{
    if (!copy)
        return;
    if (copy->kind == VM_COPY_BYTES)
        free(copy->bytes);
    else if (copy->kind == VM_COPY_OBJECT || copy->kind == VM_COPY_DELTA)
        close(copy->fd);
    if (copy->kind == VM_COPY_DELTA)
        close(copy->delta_fd);
    *copy = (struct vm_copy){.kind = VM_COPY_NONE, .fd = -1};
}

/* ---- copyin ------------------------------------------------------------------------------ */

static int copyin_bytes(uintptr_t address, uint32_t size, uint32_t page_offset,
                        struct vm_copy *ret_copy)
{
    void *bytes = malloc(size);
    if (!bytes)
        return -ENOMEM;
    int r = os_maps_copy(bytes, address, size);
    if (r < 0) {
        free(bytes);
        return r;
    }
    *ret_copy = (struct vm_copy){.kind = VM_COPY_BYTES,
                                 .how = VM_COPY_INLINE,
                                 .size = size,
                                 .page_offset = page_offset,
                                 .bytes = bytes,
                                 .fd = -1};
    return 0;
}

/* One write into a fresh object; the kernel reads the source, so a bad one is an error code. */
static int copyin_object(uintptr_t address, uint32_t size, uint32_t page_offset,
                         struct vm_copy *ret_copy)
{
    int fd = os_memfd_new("machool:copy");
    if (fd < 0)
        return fd;
    int r = os_memfd_resize(fd, vm_page_round((size_t)page_offset + size));
    if (r == 0)
        r = os_memfd_write(fd, (const void *)address, size, page_offset);
    if (r == 0)
        r = os_memfd_seal(fd, VM_REGION_SEALS);
    if (r < 0) {
        close(fd);
        return r;
    }
    *ret_copy = (struct vm_copy){.kind = VM_COPY_OBJECT,
                                 .how = VM_COPY_COPIED,
                                 .size = size,
                                 .page_offset = page_offset,
                                 .fd = fd};
    return 0;
}

/* Whether the object has only zeros behind the data in its last page. */
static bool tail_is_zero(int fd, uint32_t size)
{
    char tail[65536];
    size_t length = vm_page_round(size) - size;
    if (length > sizeof tail || os_memfd_read(fd, tail, length, size) < 0)
        return false;
    for (size_t i = 0; i < length; i++) {
        if (tail[i])
            return false;
    }
    return true;
}

/* Makes the region's object a snapshot of the region, if it is none yet, but for the delta. 0; -EAGAIN:
 * the region has to be copied (and may be forgotten by now); another -errno: pages cannot be had. */
static int make_snapshot(struct vm_region *region, struct vm_task task, struct vm_delta *ret_delta)
{
    int protection;
    if (!vm_region_has_fd(region)) {
        (void)vm_region_privatize(region);
        vm_map_drop(region);
        return -EAGAIN;
    }
    if (!vm_region_intact(region, &protection))
        return -EAGAIN;
    int r = region->state == VM_REGION_FROZEN ? vm_delta_find(region, task, ret_delta) : 0;
    /* Pages that were never touched do not exist yet: reading them later must not fail. */
    if (r == 0)
        r = vm_region_reserve(region);
    if (r == 0 && region->state == VM_REGION_SHARED)
        r = vm_region_freeze(region);
    if (r == -EBUSY)
        vm_map_drop(region);
    return r == 0 || r == -ENOSPC || r == -ENOMEM ? r : -EAGAIN;
}

/* A whole region of the layer passes without a copy if it is, or can be made, a snapshot, but for the
 * delta, which is still to be written. With `move` it is no longer registered afterwards, and the
 * caller unmaps it. */
static int share_region(uintptr_t address, uint32_t size, bool move, struct vm_task task,
                        struct vm_delta *ret_delta, struct vm_copy *ret_copy)
{
    struct vm_region *region = vm_map_find(address);
    if (!region || region->size != vm_page_round(size))
        return -EAGAIN;
    int r = make_snapshot(region, task, ret_delta);
    if (r < 0)
        return r;
    if (!tail_is_zero(region->fd, size)) /* looked at once frozen: writers may be about */
        return -EAGAIN;
    vm_region_tell(region, task);
    int fd = move ? vm_map_steal(region) : fcntl(region->fd, F_DUPFD_CLOEXEC, 3);
    if (fd < 0)
        return -errno;
    *ret_copy = (struct vm_copy){
        .kind = VM_COPY_OBJECT, .how = VM_COPY_SHARED, .size = size, .fd = fd, .task = task};
    return 0;
}

/* What was shared goes with what has changed since. 0 or -errno with the payload gone. */
static int add_delta(const struct vm_delta *delta, uintptr_t address, struct vm_copy *copy)
{
    uint64_t changed = 0;
    int fd = vm_delta_write(delta, address, copy->size);
    if (fd < 0) {
        vm_copy_deinit(copy);
        return fd;
    }
    copy->kind = VM_COPY_DELTA;
    copy->how = VM_COPY_CHANGES;
    copy->delta_fd = fd;
    for (size_t i = 0; i < delta->count; i++)
        changed += delta->runs[i].count * vm_page_size;
    changed = changed < copy->size ? changed : copy->size;
    atomic_fetch_add(&bytes_copied, changed);
    atomic_fetch_add(&bytes_shared, copy->size - changed);
    return 0;
}

/* Without a copy, or with one of a few pages. As copyin_large; -EAGAIN: it has to be copied. */
static int copyin_shared(uintptr_t address, uint32_t size, bool move, struct vm_task task,
                         struct vm_copy *ret_copy)
{
    struct vm_delta delta = {0};
    vm_map_lock();
    int r = share_region(address, size, move, task, &delta, ret_copy);
    vm_map_unlock();
    if (r == 0 && delta.count)
        r = add_delta(&delta, address, ret_copy);
    else if (r == 0)
        atomic_fetch_add(&bytes_shared, size);
    vm_delta_deinit(&delta);
    return r;
}

static mach_msg_return_t code_of(int error)
{
    return error == 0         ? MACH_MSG_SUCCESS
           : error == -EFAULT ? MACH_SEND_INVALID_MEMORY
                              : MACH_MSG_VM_KERNEL;
}

static int copyin_large(uintptr_t address, uint32_t size, uint32_t page_offset, bool may_share,
                        bool move, struct vm_task task, struct vm_copy *ret_copy)
{
    int r = may_share ? copyin_shared(address, size, move, task, ret_copy) : -EAGAIN;
    if (r != -EAGAIN)
        return r;
    r = copyin_object(address, size, page_offset, ret_copy);
    if (r == 0)
        atomic_fetch_add(&bytes_copied, size);
    return r;
}

mach_msg_return_t vm_copyin(vm_address_t address, vm_size_t size, int copy_option, bool deallocate,
                            struct vm_copy *ret_copy)
{
    return vm_copyin_for(address, size, copy_option, deallocate, (struct vm_task){0}, ret_copy);
}

mach_msg_return_t vm_copyin_for(vm_address_t address, vm_size_t size, int copy_option,
                                bool deallocate, struct vm_task task, struct vm_copy *ret_copy)
{
    *ret_copy = (struct vm_copy){.kind = VM_COPY_NONE, .fd = -1};
    vm_address_t end;
    if (size == 0)
        return MACH_MSG_SUCCESS;
    if (size > UINT32_MAX || __builtin_add_overflow(address, size, &end) ||
        end > UINTPTR_MAX - vm_page_size)
        return MACH_SEND_INVALID_MEMORY;
    /* Lazily copied in Mach's terms: such data stays where it is in its page (S22, S44). */
    bool lazy = size > SMALL_MAX && (copy_option == MACH_MSG_VIRTUAL_COPY || deallocate);
    uint32_t page_offset = lazy ? (uint32_t)(address - vm_page_trunc(address)) : 0;
    int r = size <= VM_COPY_BYTES_MAX ? copyin_bytes(address, (uint32_t)size, page_offset, ret_copy)
                                      : copyin_large(address, (uint32_t)size, page_offset, lazy,
                                                     deallocate, task, ret_copy);
    if (r == 0 && deallocate)
        (void)vm_deallocate(mach_task_self_, address, size);
    return code_of(r);
}

/* ---- copyout ----------------------------------------------------------------------------- */

static int copyout_bytes(const struct vm_copy *copy, vm_address_t *ret_address)
{
    char *at = mmap(NULL, vm_page_round((size_t)copy->page_offset + copy->size),
                    PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED)
        return -errno;
    memcpy(at + copy->page_offset, copy->bytes, copy->size);
    vm_map_lock();
    vm_map_forget((uintptr_t)at, vm_page_round((size_t)copy->page_offset + copy->size));
    vm_map_unlock();
    *ret_address = (vm_address_t)at + copy->page_offset;
    return 0;
}

/* The pages that have changed over those of the object, which is mapped there; it is an OBJECT then.
 * 0, or -errno with the memory unmapped. */
static int lay_over(struct vm_copy *copy, uintptr_t at, size_t size)
{
    int r = vm_delta_apply(copy->delta_fd, at, copy->size);
    if (r < 0) {
        munmap((void *)at, size);
        return r;
    }
    close(copy->delta_fd);
    copy->kind = VM_COPY_OBJECT;
    return 0;
}

/* Maps the object privately. A large one is remembered, so that it can be forwarded whole. */
static int copyout_object(struct vm_copy *copy, vm_address_t *ret_address)
{
    uintptr_t at;
    size_t size = vm_page_round((size_t)copy->page_offset + copy->size);
    /* Again: a program that closes what is not its own may have another file there by now. */
    int r = os_memfd_verify(copy->fd, VM_REGION_SEALS, (uint64_t)copy->page_offset + copy->size);
    if (r == 0)
        r = vm_region_place(size, copy->fd, false, &at);
    if (r == 0 && copy->kind == VM_COPY_DELTA)
        r = lay_over(copy, at, size);
    if (r < 0)
        return r;
    vm_map_lock();
    vm_map_forget(at, size);
    if (copy->size >= FORWARD_MIN && copy->page_offset == 0 && vm_map_has_room(true)) {
        if (vm_map_insert(at, size, copy->fd, VM_REGION_FROZEN, true) == 0)
            vm_region_tell(vm_map_find(at), copy->task);
        copy->kind = VM_COPY_NONE; /* the descriptor is the registry's */
    }
    vm_map_unlock();
    *ret_address = at + copy->page_offset;
    return 0;
}

int vm_copyout(struct vm_copy *take_copy, vm_address_t *ret_address)
{
    vm_address_t address = 0;
    int r = 0;
    if (take_copy->kind == VM_COPY_BYTES)
        r = copyout_bytes(take_copy, &address);
    else if (take_copy->kind != VM_COPY_NONE)
        r = copyout_object(take_copy, &address);
    vm_copy_deinit(take_copy);
    if (r == 0)
        *ret_address = address;
    return r;
}

int vm_copy_adopt(int take_fd, uint32_t size, uint32_t page_offset, struct vm_copy *ret_copy)
{
    uint64_t end = (uint64_t)page_offset + size;
    /* Pages that are missing would be ours to find, at the moment of a touch. */
    if (page_offset >= vm_page_size || os_memfd_verify(take_fd, VM_REGION_SEALS, end) < 0 ||
        !os_memfd_is_backed(take_fd)) {
        close(take_fd);
        return -EBADMSG;
    }
    *ret_copy = (struct vm_copy){
        .kind = VM_COPY_OBJECT, .size = size, .page_offset = page_offset, .fd = take_fd};
    return 0;
}

int vm_copy_adopt_delta(int take_fd, int take_delta_fd, uint32_t size, struct vm_copy *ret_copy)
{
    struct vm_copy copy = {.kind = VM_COPY_NONE, .fd = -1};
    int r = vm_copy_adopt(take_fd, size, 0, &copy);
    if (r == 0 && vm_delta_verify(take_delta_fd, size) == -EBADMSG)
        r = -EBADMSG; /* what cannot be read now is looked at again when it is mapped */
    if (r < 0) {
        close(take_delta_fd);
        vm_copy_deinit(&copy);
        return r;
    }
    copy.kind = VM_COPY_DELTA;
    copy.delta_fd = take_delta_fd;
    *ret_copy = copy;
    return 0;
}

/* ---- the rest ---------------------------------------------------------------------------- */

void vm_copy_stats(uint64_t *ret_bytes_copied, uint64_t *ret_bytes_shared, uint64_t *ret_regions,
                   uint64_t *ret_region_bytes)
{
    *ret_bytes_copied = atomic_load(&bytes_copied);
    *ret_bytes_shared = atomic_load(&bytes_shared);
    vm_map_lock();
    *ret_regions = vm_map_count(ret_region_bytes);
    vm_map_unlock();
}

void vm_fork_prepare(void)
{
    vm_map_lock();
    vm_map_freeze_all();
    vm_share_fork_prepare();
}

void vm_fork_parent(void)
{
    vm_share_fork_parent();
    vm_map_unlock();
}

void vm_fork_child(void)
{
    vm_share_fork_child();
    vm_map_unlock(); /* it was this thread that locked it */
}
