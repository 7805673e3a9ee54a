/* See vm_copy.h. */
#include "vm/vm_copy.h"

#include "os/os_maps.h"
#include "os/os_memfd.h"
#include "vm/vm_map.h"

#include <errno.h>
#include <fcntl.h>
#include <mach/mach.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define SEALS (F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)
#define FORWARD_MIN ((uint32_t)1 << 20) /* received objects from this size keep their descriptor */
#define FORWARD_MOST 128                /* but no more than this many of them */

static atomic_ullong bytes_copied, bytes_shared;

void vm_copy_deinit(struct vm_copy *copy)
{
    if (!copy)
        return;
    if (copy->kind == VM_COPY_BYTES)
        free(copy->bytes);
    else if (copy->kind == VM_COPY_OBJECT)
        close(copy->fd);
    *copy = (struct vm_copy){.kind = VM_COPY_NONE, .fd = -1};
}

/* ---- copyin ------------------------------------------------------------------------------ */

static int copyin_bytes(uintptr_t address, uint32_t size, struct vm_copy *ret_copy)
{
    void *bytes = malloc(size);
    if (!bytes)
        return -ENOMEM;
    int r = os_maps_copy(bytes, address, size);
    if (r < 0) {
        free(bytes);
        return r;
    }
    *ret_copy = (struct vm_copy){.kind = VM_COPY_BYTES, .size = size, .bytes = bytes, .fd = -1};
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
        r = os_memfd_seal(fd, SEALS);
    if (r < 0) {
        close(fd);
        return r;
    }
    *ret_copy = (struct vm_copy){
        .kind = VM_COPY_OBJECT, .size = size, .page_offset = page_offset, .fd = fd};
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

/* A whole region of the layer passes without a copy if it is, or can be made, a snapshot.
 * 0; -EAGAIN: it has to be copied; another -errno: pages cannot be had. With the lock. */
static int share_region(uintptr_t address, uint32_t size, bool move, struct vm_copy *ret_copy)
{
    struct vm_region *region = vm_map_find(address);
    bool writable;
    if (!region || region->size != vm_page_round(size) || !vm_map_intact(region, &writable))
        return -EAGAIN;
    if (region->state == VM_REGION_SHARED) {
        int r = vm_map_freeze(region);
        if (r < 0)
            return r == -ENOSPC || r == -ENOMEM ? r : -EAGAIN;
    } else if (!os_maps_clean(address, region->size)) {
        return -EAGAIN;
    }
    if (!tail_is_zero(region->fd, size)) /* looked at once frozen: writers may be about */
        return -EAGAIN;
    size_t mapped = region->size;
    int fd;
    if (move) {
        fd = vm_map_steal(region);
        munmap((void *)address, mapped);
    } else {
        fd = fcntl(region->fd, F_DUPFD_CLOEXEC, 3);
        if (fd < 0)
            return -errno;
    }
    *ret_copy = (struct vm_copy){.kind = VM_COPY_OBJECT, .size = size, .fd = fd};
    return 0;
}

static mach_msg_return_t code_of(int error)
{
    return error == 0         ? MACH_MSG_SUCCESS
           : error == -EFAULT ? MACH_SEND_INVALID_MEMORY
                              : MACH_MSG_VM_KERNEL;
}

/* `*deallocate` is cleared when the region itself moved: its addresses may be another thread's
 * mapping by now. */
static int copyin_large(uintptr_t address, uint32_t size, int copy_option, bool *deallocate,
                        struct vm_copy *ret_copy)
{
    vm_map_lock();
    int r = copy_option == MACH_MSG_PHYSICAL_COPY && !*deallocate
                ? -EAGAIN
                : share_region(address, size, *deallocate, ret_copy);
    vm_map_unlock();
    if (r == 0) {
        *deallocate = false;
        atomic_fetch_add(&bytes_shared, size);
        return 0;
    }
    if (r != -EAGAIN)
        return r;
    bool keeps_offset = copy_option == MACH_MSG_VIRTUAL_COPY || *deallocate;
    uint32_t offset = keeps_offset ? (uint32_t)(address - vm_page_trunc(address)) : 0;
    r = copyin_object(address, size, offset, ret_copy);
    if (r == 0)
        atomic_fetch_add(&bytes_copied, size);
    return r;
}

mach_msg_return_t vm_copyin(vm_address_t address, vm_size_t size, int copy_option, bool deallocate,
                            struct vm_copy *ret_copy)
{
    *ret_copy = (struct vm_copy){.kind = VM_COPY_NONE, .fd = -1};
    vm_address_t end;
    if (size == 0)
        return MACH_MSG_SUCCESS;
    if (size > UINT32_MAX || __builtin_add_overflow(address, size, &end) ||
        end > UINTPTR_MAX - vm_page_size)
        return MACH_SEND_INVALID_MEMORY;
    int r = size <= VM_COPY_BYTES_MAX
                ? copyin_bytes(address, (uint32_t)size, ret_copy)
                : copyin_large(address, (uint32_t)size, copy_option, &deallocate, ret_copy);
    if (r == 0 && deallocate)
        (void)vm_deallocate(mach_task_self_, address, size);
    return code_of(r);
}

/* ---- copyout ----------------------------------------------------------------------------- */

static int copyout_bytes(const struct vm_copy *copy, vm_address_t *ret_address)
{
    void *at = mmap(NULL, vm_page_round(copy->size), PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED)
        return -errno;
    memcpy(at, copy->bytes, copy->size);
    *ret_address = (vm_address_t)at;
    return 0;
}

/* Maps the object privately. A large one is remembered, so that it can be forwarded whole. */
static int copyout_object(struct vm_copy *copy, vm_address_t *ret_address)
{
    uintptr_t at;
    size_t size = vm_page_round((size_t)copy->page_offset + copy->size);
    int r = vm_map_place(size, copy->fd, false, &at);
    if (r < 0)
        return r;
    uint64_t bytes;
    vm_map_lock();
    if (copy->size >= FORWARD_MIN && copy->page_offset == 0 &&
        vm_map_count(&bytes) < FORWARD_MOST) {
        (void)vm_map_insert(at, size, copy->fd, VM_REGION_FROZEN);
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
    else if (take_copy->kind == VM_COPY_OBJECT)
        r = copyout_object(take_copy, &address);
    vm_copy_deinit(take_copy);
    if (r == 0)
        *ret_address = address;
    return r;
}

int vm_copy_adopt(int take_fd, uint32_t size, uint32_t page_offset, struct vm_copy *ret_copy)
{
    int r = page_offset >= vm_page_size
                ? -EBADMSG
                : os_memfd_verify(take_fd, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW,
                                  (uint64_t)page_offset + size);
    if (r < 0) {
        close(take_fd);
        return r;
    }
    *ret_copy = (struct vm_copy){
        .kind = VM_COPY_OBJECT, .size = size, .page_offset = page_offset, .fd = take_fd};
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
}

void vm_fork_parent(void)
{
    vm_map_unlock();
}

void vm_fork_child(void)
{
    vm_map_unlock(); /* it was this thread that locked it */
}
