/* See vm_copy.h: payloads, and the way out of them. The way in is in vm_copyin.c. */
#include "vm/vm_copy.h"

#include "os/os_memfd.h"
#include "vm/vm_copyin.h"
#include "vm/vm_delta.h"
#include "vm/vm_loan.h"
#include "vm/vm_map.h"
#include "vm/vm_region.h"
#include "vm/vm_share.h"

#include <errno.h>
#include <mach/mach.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define FORWARD_MIN ((uint32_t)1 << 20) /* received objects from this size keep their descriptor */

void vm_copy_deinit(struct vm_copy *copy)
{
    if (!copy)
        return;
    switch (copy->kind) {
    case VM_COPY_NONE:
        vm_loan_free_spare(copy->loan);
        break;
    case VM_COPY_BYTES:
        free(copy->bytes);
        break;
    case VM_COPY_LOAN:
        (void)vm_loan_drop(copy->loan);
        break;
    case VM_COPY_DELTA:
        close(copy->delta_fd);
        close(copy->fd);
        break;
    default:
        close(copy->fd);
    }
    *copy = (struct vm_copy){.kind = VM_COPY_NONE, .fd = -1};
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

static int copyout_loan(struct vm_copy *copy, vm_address_t *ret_address)
{
    uintptr_t at;
    if (vm_loan_has_home(copy->loan)) {
        bool back = vm_loan_drop(copy->loan);
        *copy = (struct vm_copy){.kind = VM_COPY_NONE, .fd = -1};
        return back ? -ECANCELED : -EFAULT;
    }
    vm_map_lock();
    int r = vm_loan_place(copy->loan, (size_t)copy->page_offset + copy->size, &at);
    vm_map_unlock();
    if (r < 0)
        return r;
    *ret_address = at + copy->page_offset;
    *copy = (struct vm_copy){.kind = VM_COPY_NONE, .fd = -1}; /* it is the registry's */
    return 0;
}

int vm_copyout(struct vm_copy *take_copy, vm_address_t *ret_address)
{
    vm_address_t address = 0;
    int r = 0;
    if (take_copy->kind == VM_COPY_BYTES)
        r = copyout_bytes(take_copy, &address);
    else if (take_copy->kind == VM_COPY_LOAN)
        r = copyout_loan(take_copy, &address);
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

int vm_copy_borrow(struct vm_ledger *ledger, bool back, uint32_t index, int take_fd, uint32_t size,
                   uint32_t page_offset, struct vm_copy *ret_copy)
{
    struct vm_loan *loan;
    uint64_t whole = size && page_offset < vm_page_size ? (uint64_t)page_offset + size : 0;
    if ((back ? vm_loan_accept_back(ledger, index, whole, &loan)
              : vm_loan_accept(ledger, index, take_fd, whole, ret_copy->loan, &loan)) < 0)
        return -EBADMSG;
    if (take_fd < 0)
        vm_loan_free_spare(ret_copy->loan);
    *ret_copy = (struct vm_copy){
        .kind = VM_COPY_LOAN, .size = size, .page_offset = page_offset, .fd = -1, .loan = loan};
    return 0;
}

int vm_copy_reseal(struct vm_copy *copy)
{
    struct vm_copy object;
    uintptr_t at;
    vm_map_lock();
    int r = vm_loan_map(copy->loan, &at);
    vm_map_unlock();
    if (r == 0)
        r = vm_copyin_object(at + copy->page_offset, copy->size, copy->page_offset, &object);
    if (r < 0)
        return r;
    vm_loan_forget_home(copy->loan);
    vm_copy_deinit(copy);
    *copy = object;
    return 0;
}

int vm_copy_give(vm_address_t address, vm_size_t size)
{
    vm_map_lock();
    struct vm_region *region = vm_map_find(address);
    bool whole = region && vm_page_round(region->used) == vm_page_round(size);
    if (whole)
        region->given = true;
    vm_map_unlock();
    return whole ? 0 : -EINVAL;
}

void vm_copy_ungive(vm_address_t address)
{
    vm_map_lock();
    struct vm_region *region = vm_map_find(address);
    if (region)
        region->given = false;
    vm_map_unlock();
}

/* ---- the rest ---------------------------------------------------------------------------- */

void vm_copy_stats(uint64_t *ret_bytes_copied, uint64_t *ret_bytes_shared, uint64_t *ret_regions,
                   uint64_t *ret_region_bytes)
{
    vm_copyin_stats(ret_bytes_copied, ret_bytes_shared);
    vm_map_lock();
    *ret_regions = vm_map_count(ret_region_bytes);
    vm_map_unlock();
}

void vm_fork_prepare(void)
{
    vm_map_lock();
    vm_map_freeze_all();
    vm_loan_fork_prepare();
    vm_share_fork_prepare();
}

void vm_fork_parent(void)
{
    vm_share_fork_parent();
    vm_loan_fork_parent();
    vm_map_unlock();
}

void vm_fork_child(void)
{
    vm_share_fork_child();
    vm_loan_fork_child();
    vm_map_unlock(); /* it was this thread that locked it */
}
