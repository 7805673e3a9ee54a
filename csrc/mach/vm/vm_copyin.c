/* See vm_copy.h: the way in, from a program's memory to a payload.
 *
 * In this order: a region that goes leaves by its own pages; one that is a snapshot already goes again,
 * with what has changed if that is little; another is made a snapshot, unless it is sent for the first
 * time and pages to copy it into lie ready; everything else is copied, into a loan if the receiver is one
 * to lend to. */
#include "vm/vm_copyin.h"

#include "os/os_maps.h"
#include "os/os_memfd.h"
#include "vm/vm_delta.h"
#include "vm/vm_loan.h"
#include "vm/vm_map.h"
#include "vm/vm_region.h"

#include <errno.h>
#include <fcntl.h>
#include <mach/mach.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SMALL_MAX ((uint32_t)16 << 10) /* up to here data loses its place in the page (S21, S43) */

static atomic_ullong bytes_copied, bytes_shared;

void vm_copyin_stats(uint64_t *ret_copied, uint64_t *ret_shared)
{
    *ret_copied = atomic_load(&bytes_copied);
    *ret_shared = atomic_load(&bytes_shared);
}

/* ---- copies -------------------------------------------------------------------------------- */

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

int vm_copyin_object(uintptr_t address, uint32_t size, uint32_t page_offset,
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

/* What surrounds the data in its first and last page is zero (S45): a loan has the last message's. */
static void clear_edges(uintptr_t object, uint32_t page_offset, uint32_t size)
{
    uintptr_t end = object + page_offset + size;
    memset((void *)object, 0, page_offset);
    memset((void *)end, 0, vm_page_round(end) - end);
}

/* Whether the range lies in a region that is as the layer made it: nobody can cut it short. */
static bool is_region(uintptr_t address, uint32_t size)
{
    int protection;
    vm_map_lock();
    const struct vm_region *region = vm_map_covering(address);
    bool intact = region && address + size <= region->address + region->size &&
                  vm_region_intact(region, &protection);
    vm_map_unlock();
    return intact;
}

/* Fills a loan that is mapped. 0, -EFAULT, or another -errno. */
static int fill_mapped(const struct vm_loan *loan, uintptr_t address, uint32_t size,
                       uint32_t page_offset)
{
    uintptr_t object = vm_loan_address(loan);
    clear_edges(object, page_offset, size);
    if (!is_region(address, size) && !os_maps_plain(address, size))
        return os_maps_copy((void *)(object + page_offset), address, size);
    memcpy((void *)(object + page_offset), (const void *)address, size);
    return 0;
}

/* One copy into a loan: into pages that are at hand, or else into a new object. 0; -EFAULT; or another
 * -errno: there is none to be had. Pages are written to without the lock: the loan is carried. */
static int copyin_loan(struct vm_ledger *lender, uintptr_t address, uint32_t size,
                       uint32_t page_offset, struct vm_copy *ret_copy)
{
    struct vm_loan *loan;
    uint64_t whole = (uint64_t)page_offset + size;
    vm_map_lock();
    bool warm = vm_loan_find(lender, whole, &loan) == 0;
    int r = warm ? 0 : vm_loan_make(lender, whole, &loan);
    vm_map_unlock();
    if (r < 0)
        return r;
    r = warm ? fill_mapped(loan, address, size, page_offset)
             : os_memfd_write(vm_loan_fd(loan), (const void *)address, size, page_offset);
    if (r < 0) {
        (void)vm_loan_drop(loan);
        return r;
    }
    atomic_fetch_add(&bytes_copied, size);
    *ret_copy = (struct vm_copy){.kind = VM_COPY_LOAN,
                                 .how = VM_COPY_LENT,
                                 .size = size,
                                 .page_offset = page_offset,
                                 .fd = -1,
                                 .loan = loan};
    return 0;
}

/* Small memory goes as a loan where one lies ready, or is worth making; else in the ring. */
static int copyin_small(uintptr_t address, uint32_t size, uint32_t page_offset,
                        struct vm_ledger *lender, struct vm_copy *ret_copy)
{
    int r = -ENOENT;
    if (lender && size > VM_COPY_BYTES_LOANS && vm_loan_is_worthwhile(lender))
        r = copyin_loan(lender, address, size, page_offset, ret_copy);
    return r == 0 || r == -EFAULT ? r : copyin_bytes(address, size, page_offset, ret_copy);
}

/* ---- regions ------------------------------------------------------------------------------- */

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

/* What of a frozen region has changed, if sending that is worth while: copying all of it takes a
 * fraction of the time where pages for it lie ready. */
static int find_delta(const struct vm_region *region, const struct vm_receiver *receiver,
                      struct vm_delta *ret_delta)
{
    bool ready = receiver->lender && vm_loan_is_ready(receiver->lender, region->used);
    return vm_delta_find(region, receiver->task, ready ? VM_DELTA_PART_READY : VM_DELTA_PART,
                         ret_delta);
}

/* Makes the region's object a snapshot of the region, if it is none yet, but for the delta. 0; -EAGAIN:
 * the region has to be copied (and may be forgotten by now); another -errno: pages cannot be had. */
static int make_snapshot(struct vm_region *region, const struct vm_receiver *receiver,
                         struct vm_delta *ret_delta)
{
    int protection;
    if (region->state == VM_REGION_LOAN)
        return -EAGAIN;
    if (!vm_region_has_fd(region)) {
        (void)vm_region_privatize(region);
        vm_map_drop(region);
        return -EAGAIN;
    }
    if (!vm_region_intact(region, &protection))
        return -EAGAIN;
    int r = region->state == VM_REGION_FROZEN ? find_delta(region, receiver, ret_delta) : 0;
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
static int share_region(uintptr_t address, uint32_t size, bool move,
                        const struct vm_receiver *receiver, struct vm_delta *ret_delta,
                        struct vm_copy *ret_copy)
{
    struct vm_region *region = vm_map_find(address);
    if (!region || vm_page_round(region->used) != vm_page_round(size))
        return -EAGAIN;
    int r = make_snapshot(region, receiver, ret_delta);
    if (r < 0)
        return r;
    if (!tail_is_zero(region->fd, size)) /* looked at once frozen: writers may be about */
        return -EAGAIN;
    vm_region_tell(region, receiver->task);
    int fd = move ? vm_map_steal(region) : fcntl(region->fd, F_DUPFD_CLOEXEC, 3);
    if (fd < 0)
        return -errno;
    *ret_copy = (struct vm_copy){.kind = VM_COPY_OBJECT,
                                 .how = VM_COPY_SHARED,
                                 .size = size,
                                 .fd = fd,
                                 .task = receiver->task};
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

/* A whole region leaves as a loan, by its own pages. 0 or -EAGAIN. `gives`: not by deallocation. */
static int lend_region(struct vm_ledger *lender, uintptr_t address, uint32_t size, bool gives,
                       struct vm_copy *ret_copy)
{
    struct vm_loan *loan;
    struct vm_region *region = vm_map_find(address);
    if (!lender || !region || vm_page_round(region->used) != vm_page_round(size) ||
        vm_loan_take(lender, region, gives ? VM_LOAN_ZEROS : VM_LOAN_HOLE, &loan) < 0)
        return -EAGAIN;
    clear_edges(vm_loan_address(loan), 0, size);
    *ret_copy = (struct vm_copy){
        .kind = VM_COPY_LOAN, .how = VM_COPY_MOVED, .size = size, .fd = -1, .loan = loan};
    return 0;
}

/* Whether the region at the address was given up for this send; that holds once. */
static bool take_gift(uintptr_t address)
{
    struct vm_region *region = vm_map_find(address);
    bool given = region && region->given;
    if (given)
        region->given = false;
    return given;
}

/* Whether it is better copied into a loan that lies ready than frozen, which would cost the program a
 * fault for each page that it writes to later: once, since who sends it again may have left it as it was.
 * What is frozen already costs nothing more. */
static bool better_copied(struct vm_ledger *lender, uintptr_t address, uint32_t size)
{
    struct vm_region *region = vm_map_find(address);
    if (!region || region->state != VM_REGION_SHARED || region->copied ||
        !vm_loan_is_ready(lender, size))
        return false;
    region->copied = true;
    return true;
}

/* A region passes by itself if it can, but for the delta. 0; -EAGAIN: it has to be copied; or another
 * -errno. `*move` is no longer true if it has gone by that. With the lock. */
static int pass_region(const struct vm_receiver *receiver, uintptr_t address, uint32_t size,
                       bool *move, struct vm_delta *ret_delta, struct vm_copy *ret_copy)
{
    bool gives = take_gift(address);
    int r = *move || gives ? lend_region(receiver->lender, address, size, !*move, ret_copy)
                           : -EAGAIN;
    if (r == 0) {
        *move = false;
        return 0;
    }
    if (!*move && better_copied(receiver->lender, address, size))
        return -EAGAIN;
    return share_region(address, size, *move, receiver, ret_delta, ret_copy);
}

/* Without a copy, or with one of a few pages. As pass_region. */
static int copyin_region(const struct vm_receiver *receiver, uintptr_t address, uint32_t size,
                         bool *move, struct vm_copy *ret_copy)
{
    struct vm_delta delta = {0};
    vm_map_lock();
    int r = pass_region(receiver, address, size, move, &delta, ret_copy);
    vm_map_unlock();
    if (r == 0 && delta.count)
        r = add_delta(&delta, address, ret_copy);
    else if (r == 0)
        atomic_fetch_add(&bytes_shared, size);
    vm_delta_deinit(&delta);
    return r;
}

/* ---- all kinds ----------------------------------------------------------------------------- */

static mach_msg_return_t code_of(int error)
{
    return error == 0         ? MACH_MSG_SUCCESS
           : error == -EFAULT ? MACH_SEND_INVALID_MEMORY
                              : MACH_MSG_VM_KERNEL;
}

static int copyin_large(uintptr_t address, uint32_t size, uint32_t page_offset, bool may_pass,
                        const struct vm_receiver *receiver, bool *move, struct vm_copy *ret_copy)
{
    int r = may_pass ? copyin_region(receiver, address, size, move, ret_copy) : -EAGAIN;
    if (r != -EAGAIN)
        return r;
    if (receiver->lender)
        r = copyin_loan(receiver->lender, address, size, page_offset, ret_copy);
    if (r == 0 || r == -EFAULT)
        return r;
    r = vm_copyin_object(address, size, page_offset, ret_copy);
    if (r == 0)
        atomic_fetch_add(&bytes_copied, size);
    return r;
}

/* Whether a small region can leave by its own pages. */
static bool is_lent(uintptr_t address, bool deallocate)
{
    vm_map_lock();
    const struct vm_region *region = vm_map_find(address);
    bool lent = region && region->loan && (deallocate || region->given);
    vm_map_unlock();
    return lent;
}

mach_msg_return_t vm_copyin(vm_address_t address, vm_size_t size, int copy_option, bool deallocate,
                            struct vm_copy *ret_copy)
{
    const struct vm_receiver nobody = {.lender = NULL};
    return vm_copyin_for(address, size, copy_option, deallocate, &nobody, ret_copy);
}

mach_msg_return_t vm_copyin_for(vm_address_t address, vm_size_t size, int copy_option,
                                bool deallocate, const struct vm_receiver *receiver,
                                struct vm_copy *ret_copy)
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
    bool large = size > VM_COPY_BYTES_MAX || is_lent(address, deallocate);
    if (large && !lazy) /* it is copied */
        vm_copy_ungive(address);
    int r = large ? copyin_large(address, (uint32_t)size, page_offset, lazy, receiver, &deallocate,
                                 ret_copy)
                  : copyin_small(address, (uint32_t)size, page_offset, receiver->lender, ret_copy);
    if (r == 0 && deallocate)
        (void)vm_deallocate(mach_task_self_, address, size);
    return code_of(r);
}
