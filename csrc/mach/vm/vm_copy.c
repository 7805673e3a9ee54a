/* See vm_copy.h. */
#include "vm/vm_copy.h"

#include "os/os_maps.h"
#include "os/os_memfd.h"
#include "vm/vm_loan.h"
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
    else if (copy->kind == VM_COPY_OBJECT)
        close(copy->fd);
    else if (copy->kind == VM_COPY_LOAN)
        (void)vm_loan_drop(copy->loan);
    else
        vm_loan_free_spare(copy->loan);
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
    *ret_copy = (struct vm_copy){
        .kind = VM_COPY_BYTES, .size = size, .page_offset = page_offset, .bytes = bytes, .fd = -1};
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

/* Makes the region's object a snapshot of the region, if it is none yet. 0; -EAGAIN: the region has
 * to be copied (and may be forgotten by now); another -errno: pages cannot be had. */
static int make_snapshot(struct vm_region *region)
{
    int protection;
    if (region->state == VM_REGION_LOAN)
        return -EAGAIN;
    if (!vm_region_has_fd(region)) {
        (void)vm_region_privatize(region);
        vm_map_drop(region);
        return -EAGAIN;
    }
    if (!vm_region_intact(region, &protection) ||
        (region->state == VM_REGION_FROZEN && !os_maps_clean(region->address, region->size)))
        return -EAGAIN;
    /* Pages that were never touched do not exist yet: reading them later must not fail. */
    int r = vm_region_reserve(region);
    if (r == 0 && region->state == VM_REGION_SHARED)
        r = vm_region_freeze(region);
    if (r == -EBUSY)
        vm_map_drop(region);
    return r == 0 || r == -ENOSPC || r == -ENOMEM ? r : -EAGAIN;
}

/* A whole region of the layer passes without a copy if it is, or can be made, a snapshot. With
 * `move` it is no longer registered afterwards, and the caller unmaps it. */
static int share_region(uintptr_t address, uint32_t size, bool move, struct vm_copy *ret_copy)
{
    struct vm_region *region = vm_map_find(address);
    if (!region || vm_page_round(region->used) != vm_page_round(size))
        return -EAGAIN;
    int r = make_snapshot(region);
    if (r < 0)
        return r;
    if (!tail_is_zero(region->fd, size)) /* looked at once frozen: writers may be about */
        return -EAGAIN;
    int fd = move ? vm_map_steal(region) : fcntl(region->fd, F_DUPFD_CLOEXEC, 3);
    if (fd < 0)
        return -errno;
    *ret_copy = (struct vm_copy){.kind = VM_COPY_OBJECT, .size = size, .fd = fd};
    return 0;
}

static mach_msg_return_t code_of(int error)
{
    return error == 0         ? MACH_MSG_SUCCESS
           : error == -EFAULT ? MACH_SEND_INVALID_MEMORY
                              : MACH_MSG_VM_KERNEL;
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
    *ret_copy = (struct vm_copy){.kind = VM_COPY_LOAN,
                                 .size = size,
                                 .page_offset = page_offset,
                                 .fd = -1,
                                 .loan = loan};
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
    *ret_copy = (struct vm_copy){.kind = VM_COPY_LOAN, .size = size, .fd = -1, .loan = loan};
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
 * fault for each page that it writes to later. What is frozen already costs nothing more. */
static bool better_copied(struct vm_ledger *lender, uintptr_t address, uint32_t size)
{
    const struct vm_region *region = vm_map_find(address);
    return region && region->state == VM_REGION_SHARED && vm_loan_is_ready(lender, size);
}

/* A region passes by itself if it can. 0; -EAGAIN: it has to be copied; or another -errno. `*move` is
 * no longer true if it has gone by that. With the lock. */
static int pass_region(struct vm_ledger *lender, uintptr_t address, uint32_t size, bool *move,
                       struct vm_copy *ret_copy)
{
    bool gives = take_gift(address);
    int r = *move || gives ? lend_region(lender, address, size, !*move, ret_copy) : -EAGAIN;
    if (r == 0) {
        *move = false;
        return 0;
    }
    if (!*move && better_copied(lender, address, size))
        return -EAGAIN;
    return share_region(address, size, *move, ret_copy);
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

static int copyin_large(uintptr_t address, uint32_t size, uint32_t page_offset, bool may_share,
                        struct vm_ledger *lender, bool *move, struct vm_copy *ret_copy)
{
    int r = -EAGAIN;
    if (may_share) {
        vm_map_lock();
        r = pass_region(lender, address, size, move, ret_copy);
        vm_map_unlock();
    }
    if (r == 0)
        atomic_fetch_add(&bytes_shared, size);
    if (r != -EAGAIN)
        return r;
    r = lender ? copyin_loan(lender, address, size, page_offset, ret_copy) : -EAGAIN;
    if (r < 0 && r != -EFAULT)
        r = copyin_object(address, size, page_offset, ret_copy);
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
                            struct vm_ledger *lender, struct vm_copy *ret_copy)
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
    int r = size > VM_COPY_BYTES_MAX || is_lent(address, deallocate)
                ? copyin_large(address, (uint32_t)size, page_offset, lazy, lender, &deallocate,
                               ret_copy)
                : copyin_small(address, (uint32_t)size, page_offset, lender, ret_copy);
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

/* Maps the object privately. A large one is remembered, so that it can be forwarded whole. */
static int copyout_object(struct vm_copy *copy, vm_address_t *ret_address)
{
    uintptr_t at;
    size_t size = vm_page_round((size_t)copy->page_offset + copy->size);
    /* Again: a program that closes what is not its own may have another file there by now. */
    int r = os_memfd_verify(copy->fd, VM_REGION_SEALS, (uint64_t)copy->page_offset + copy->size);
    if (r == 0)
        r = vm_region_place(size, copy->fd, false, &at);
    if (r < 0)
        return r;
    vm_map_lock();
    vm_map_forget(at, size);
    if (copy->size >= FORWARD_MIN && copy->page_offset == 0 && vm_map_has_room(true)) {
        (void)vm_map_insert(at, size, copy->fd, VM_REGION_FROZEN, true);
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
    else if (take_copy->kind == VM_COPY_OBJECT)
        r = copyout_object(take_copy, &address);
    else if (take_copy->kind == VM_COPY_LOAN)
        r = copyout_loan(take_copy, &address);
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

int vm_copy_borrow(struct vm_ledger *ledger, bool back, uint32_t index, int take_fd, uint32_t size,
                   uint32_t page_offset, struct vm_copy *ret_copy)
{
    struct vm_loan *loan;
    uint64_t whole = page_offset < vm_page_size ? (uint64_t)page_offset + size : 0;
    if ((back ? vm_loan_accept_back(ledger, index, whole, &loan)
              : vm_loan_accept(ledger, index, take_fd, whole, ret_copy->loan, &loan)) < 0)
        return -EBADMSG;
    if (take_fd < 0)
        vm_loan_free_spare(ret_copy->loan);
    *ret_copy = (struct vm_copy){.kind = VM_COPY_LOAN,
                                 .size = size,
                                 .page_offset = page_offset,
                                 .fd = -1,
                                 .loan = loan};
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
        r = copyin_object(at + copy->page_offset, copy->size, copy->page_offset, &object);
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
