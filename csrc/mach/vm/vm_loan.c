/* See vm_loan.h: what happens to one loan. The task's bounds and fork are in vm_loan_pool.c. */
#include "vm/vm_loan.h"

#include "os/os_maps.h"
#include "vm/vm_loan_pool.h"
#include "vm/vm_map.h"
#include "vm/vm_range.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

#define LOAN_SEALS (F_SEAL_SHRINK | F_SEAL_GROW)
#define FEW 4u /* small messages that go in the ring, before a loan is made */

uint32_t vm_loan_index(const struct vm_loan *loan)
{
    return loan->index;
}

uintptr_t vm_loan_address(const struct vm_loan *loan)
{
    return loan->address;
}

size_t vm_loan_capacity(const struct vm_loan *loan)
{
    return loan->capacity;
}

int vm_loan_fd(const struct vm_loan *loan)
{
    return loan->fd;
}

bool vm_loan_is_of(const struct vm_loan *loan, const struct vm_ledger *ledger)
{
    return ledger && loan->ledger && (loan->ledger == ledger || loan->ledger == ledger->twin);
}

bool vm_loan_is_borrowed(const struct vm_loan *loan)
{
    return loan->ledger && !loan->ledger->lends;
}

bool vm_loan_is_known(const struct vm_loan *loan)
{
    return loan->known;
}

/* ---- mappings ------------------------------------------------------------------------------ */

/* Maps the object, if it is not mapped yet. 0 or -errno. */
static int map(struct vm_loan *loan)
{
    if (loan->address)
        return 0;
    /* A program that closes what is not its own may have another file there by now. */
    if (!os_memfd_is(loan->fd, &loan->id))
        return -EBADF;
    return vm_region_place(loan->capacity, loan->fd, true, &loan->address);
}

/* The descriptor is needed until the peer has it and the object is mapped here. */
static void close_fd_if_done(struct vm_loan *loan)
{
    if (loan->address && loan->known)
        vm_pool_close_fd(loan);
}

/* Written by way of its descriptor the first time, it has its pages in no page table yet: one call
 * instead of a fault for each. */
static void warm_up(struct vm_loan *loan)
{
    if (!loan->warm)
        (void)madvise((void *)loan->address, loan->capacity, MADV_POPULATE_WRITE);
    loan->warm = true;
}

/* Moves the mapping by page table to a place that nobody knows; what stays is a hole, or zero pages.
 * With zeros the old range shows the object until it has been covered: there is no moment in which
 * another thread's mapping could land there. */
static int move_away(struct vm_loan *loan, bool zeros)
{
    uintptr_t to;
    void *from = (void *)loan->address;
    size_t size = loan->capacity;
    int flags = MREMAP_MAYMOVE | MREMAP_FIXED;
    int r = vm_region_reserve_place(size, &to);
    if (r < 0)
        return r;
    bool moved = zeros && mremap(from, size, size, flags | MREMAP_DONTUNMAP, to) != MAP_FAILED;
    if (!moved && mremap(from, size, size, flags, to) == MAP_FAILED) {
        r = -errno;
        munmap((void *)to, size);
        return r;
    }
    loan->address = to;
    if (zeros) /* before Linux 5.13 the old range is a hole for the blink of an eye */
        (void)mmap(from, size, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE |
                       (moved ? MAP_FIXED : MAP_FIXED_NOREPLACE),
                   -1, 0);
    return 0;
}

int vm_loan_map(struct vm_loan *loan, uintptr_t *ret_address)
{
    int r = map(loan);
    if (r == 0)
        *ret_address = loan->address;
    return r;
}

bool vm_loan_has_home(const struct vm_loan *loan)
{
    return loan->home != 0;
}

void vm_loan_forget_home(struct vm_loan *loan)
{
    loan->home = 0;
}

/* ---- lending ------------------------------------------------------------------------------- */

/* The idle loan to copy into: what came back last and suits, if possible none that a region could be
 * built in. NULL: none, or the bound has been reached. */
static struct vm_loan *ready(struct vm_ledger *ledger, size_t size)
{
    struct vm_loan *found = NULL;
    if (!vm_pool_collect(ledger))
        return NULL;
    UTIL_LIST_EACH(at, after, &ledger->idle)
    {
        struct vm_loan *loan = UTIL_CONTAINER(at, struct vm_loan, idle);
        if (!vm_pool_suits(loan, size) || vm_pool.lent_bytes + loan->capacity > vm_pool.lent_max)
            continue;
        if (!found || !loan->built)
            found = loan;
        if (!loan->built)
            break;
    }
    return found;
}

bool vm_loan_is_ready(struct vm_ledger *ledger, size_t size)
{
    return ready(ledger, size) != NULL;
}

int vm_loan_find(struct vm_ledger *ledger, size_t size, struct vm_loan **ret_loan)
{
    struct vm_loan *loan = ready(ledger, size);
    if (!loan)
        return -ENOENT;
    warm_up(loan);
    vm_pool_unidle(loan);
    vm_pool_set(loan, VM_LOAN_CARRIED);
    loan->built = false;
    *ret_loan = loan;
    return 0;
}

int vm_loan_make(struct vm_ledger *ledger, size_t size, struct vm_loan **ret_loan)
{
    struct vm_loan *loan;
    size_t capacity = vm_pool_capacity(size);
    if (!vm_pool_keeps(capacity) || !vm_pool_collect(ledger))
        return -ENOENT;
    int r = vm_pool_new(ledger, capacity, &loan);
    if (r < 0)
        return r;
    loan->fd = os_memfd_new("machool:loan");
    r = loan->fd < 0 ? loan->fd : os_memfd_resize(loan->fd, capacity);
    if (r == 0)
        r = os_memfd_identify(loan->fd, &loan->id);
    if (r == 0)
        r = os_memfd_seal(loan->fd, LOAN_SEALS);
    if (r == 0 && capacity > vm_page_round(size)) /* what will not be written by this message */
        r = os_memfd_reserve(loan->fd, vm_page_round(size), capacity - vm_page_round(size));
    if (r == 0) /* now: later it could land where the program has just deallocated something */
        r = map(loan);
    if (r < 0) {
        vm_pool_free(loan);
        return r;
    }
    *ret_loan = loan;
    return 0;
}

/* A region of the layer's that was never sent becomes a loan of the ledger's. */
static int adopt_region(struct vm_ledger *ledger, struct vm_region *region,
                        struct vm_loan **ret_loan)
{
    struct vm_loan *loan;
    if (region->state != VM_REGION_SHARED || !vm_region_has_fd(region))
        return -EAGAIN;
    int r = vm_region_reserve(region);
    if (r == 0)
        r = vm_pool_new(ledger, region->size, &loan);
    if (r < 0)
        return r;
    r = os_memfd_seal(region->fd, LOAN_SEALS);
    if (r < 0) {
        vm_pool_free(loan);
        return r;
    }
    loan->id = region->id;
    loan->address = region->address;
    loan->warm = true;
    *ret_loan = loan;
    return 0;
}

/* Whether nothing is remembered of it: maximum protection, inheritance. */
static bool is_unmarked(const struct vm_region *region)
{
    const struct vm_range *range = vm_range_next(region->address);
    return !range || range->start >= region->address + region->size;
}

/* As the layer made it: one readable and writable mapping, of which nothing is remembered. */
static bool is_plain(const struct vm_region *region)
{
    int protection;
    if (!is_unmarked(region) || !vm_region_intact(region, &protection))
        return false;
    return protection == (PROT_READ | PROT_WRITE) ||
           mprotect((void *)region->address, region->size, PROT_READ | PROT_WRITE) == 0;
}

/* The pages stay the region's, as before. */
static void disown(struct vm_loan *take_loan)
{
    take_loan->address = 0;
    vm_pool_free(take_loan);
}

int vm_loan_take(struct vm_ledger *ledger, struct vm_region *region, enum vm_loan_leave leave,
                 struct vm_loan **ret_loan)
{
    struct vm_loan *loan = region->loan;
    if (!vm_pool_collect(ledger) || !is_plain(region) || (loan && !vm_loan_is_of(loan, ledger)))
        return -EAGAIN;
    bool fresh = !loan;
    if (loan && loan->ledger == ledger && vm_pool.lent_bytes + region->size > vm_pool.lent_max)
        return -EAGAIN;
    if (fresh && adopt_region(ledger, region, &loan) < 0)
        return -EAGAIN;
    uintptr_t home = region->address;
    if (move_away(loan, leave == VM_LOAN_ZEROS) < 0) {
        if (fresh)
            disown(loan);
        return -EAGAIN;
    }
    loan->used = region->used;
    loan->built = loan->ledger == ledger;
    if (fresh)
        loan->fd = vm_map_steal(region);
    else
        vm_map_unlist(region);
    loan->home = leave == VM_LOAN_ZEROS ? home : 0;
    vm_pool_set(loan, VM_LOAN_CARRIED);
    *ret_loan = loan;
    return 0;
}

/* Registers what the program gets. */
static int hold(struct vm_loan *loan, size_t used)
{
    int r = vm_map_insert_loan(loan->address, loan->capacity, used, loan->fd, &loan->id, loan);
    if (r == 0) {
        loan->home = 0;
        vm_pool_set(loan, VM_LOAN_HELD);
    }
    return r;
}

int vm_loan_allocate(size_t size, uintptr_t *ret_address)
{
    struct vm_loan *loan = vm_pool_any_idle(size);
    if (!loan)
        return -ENOENT;
    vm_pool_unidle(loan);
    warm_up(loan);
    if (hold(loan, size) < 0) {
        vm_pool_park(loan);
        return -ENOENT;
    }
    *ret_address = loan->address;
    return 0;
}

bool vm_loan_is_worthwhile(struct vm_ledger *ledger)
{
    if (atomic_load_explicit(&ledger->asked, memory_order_relaxed) >= FEW)
        return true;
    return atomic_fetch_add_explicit(&ledger->asked, 1, memory_order_relaxed) >= FEW;
}

void vm_loan_publish(struct vm_loan *loan)
{
    vm_map_lock();
    loan->known = true;
    loan->home = 0;
    if (vm_loan_is_borrowed(loan)) {
        vm_pool_set(loan, VM_LOAN_AWAY);
    } else if (loan->ledger) { /* else the channel ended in the midst of it */
        vm_pool_set(loan, VM_LOAN_LENT);
        close_fd_if_done(loan);
    } else {
        vm_pool_free(loan);
    }
    vm_map_unlock();
}

/* ---- borrowing ----------------------------------------------------------------------------- */

bool vm_loan_prepare(struct vm_ledger *ledger, struct vm_loan **ret_spare)
{
    vm_map_lock();
    *ret_spare = vm_pool_has_table(ledger) ? calloc(1, sizeof **ret_spare) : NULL;
    vm_map_unlock();
    return *ret_spare != NULL;
}

void vm_loan_free_spare(struct vm_loan *take_spare)
{
    free(take_spare);
}

/* The peer's number for something new: in place of what it dropped meanwhile. */
static int accept_new(struct vm_ledger *ledger, uint32_t index, int take_fd, uint64_t size,
                      struct vm_loan *spare)
{
    struct vm_loan *old = ledger->loans[index];
    struct stat status;
    if ((old && old->state != VM_LOAN_AWAY) || os_memfd_verify(take_fd, LOAN_SEALS, size) < 0 ||
        fstat(take_fd, &status) < 0 || status.st_size % (off_t)vm_page_round(1) ||
        !os_memfd_is_backed(take_fd) || os_memfd_identify(take_fd, &spare->id) < 0) {
        close(take_fd);
        return -EBADMSG;
    }
    if (old)
        vm_pool_free(old);
    spare->fd = take_fd;
    spare->capacity = (size_t)status.st_size;
    spare->known = true;
    vm_pool_enter(ledger, spare, index);
    return 0;
}

int vm_loan_accept(struct vm_ledger *ledger, uint32_t index, int take_fd, uint64_t size,
                   struct vm_loan *spare, struct vm_loan **ret_loan)
{
    vm_map_lock();
    int r = size && index < LANE_LOANS && ledger->loans && ledger->words ? 0 : -EBADMSG;
    if (r == 0 && take_fd >= 0)
        r = accept_new(ledger, index, take_fd, size, spare);
    else if (take_fd >= 0)
        close(take_fd);
    struct vm_loan *loan = r == 0 ? ledger->loans[index] : NULL;
    if (!loan || loan->state != VM_LOAN_AWAY || size > loan->capacity)
        r = -EBADMSG;
    if (r == 0) {
        vm_pool_set(loan, VM_LOAN_CARRIED);
        *ret_loan = loan;
    }
    vm_map_unlock();
    return r;
}

int vm_loan_accept_back(struct vm_ledger *ledger, uint32_t index, uint64_t size,
                        struct vm_loan **ret_loan)
{
    vm_map_lock();
    struct vm_loan *loan = index < LANE_LOANS && ledger->loans ? ledger->loans[index] : NULL;
    int r = loan && loan->state == VM_LOAN_LENT && size && size <= loan->capacity ? 0 : -EBADMSG;
    if (r == 0) {
        vm_pool_set(loan, VM_LOAN_CARRIED);
        *ret_loan = loan;
    }
    vm_map_unlock();
    return r;
}

/* ---- both ---------------------------------------------------------------------------------- */

int vm_loan_place(struct vm_loan *take_loan, size_t used, uintptr_t *ret_address)
{
    struct vm_loan *loan = take_loan;
    int r = map(loan);
    if (r == 0) {
        close_fd_if_done(loan);
        r = hold(loan, used);
    }
    if (r == 0)
        *ret_address = loan->address;
    return r;
}

/* Back to where zero pages hold its place, registered first: it must never lie there unregistered. */
static bool move_home(struct vm_loan *loan)
{
    uintptr_t from = loan->address, home = loan->home;
    size_t size = loan->capacity;
    loan->address = home;
    if (hold(loan, loan->used) == 0) {
        if (mremap((void *)from, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, (void *)home) !=
            MAP_FAILED)
            return true;
        vm_map_unlist(vm_map_find(home));
        vm_pool_set(loan, VM_LOAN_CARRIED);
    }
    loan->address = from;
    loan->home = home;
    return false;
}

/* Where its pages cannot go, the bytes can. */
static bool copy_home(const struct vm_loan *loan)
{
    void *home = mmap((void *)loan->home, loan->capacity, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
    if (home == MAP_FAILED)
        return false;
    memcpy(home, (const void *)loan->address, loan->used);
    return true;
}

bool vm_loan_drop(struct vm_loan *take_loan)
{
    struct vm_loan *loan = take_loan;
    vm_map_lock();
    bool held = loan->home && move_home(loan);
    bool home = held || (loan->home && copy_home(loan));
    if (!held)
        vm_pool_park(loan);
    vm_map_unlock();
    return home;
}

bool vm_loan_park(uintptr_t start, size_t size, enum vm_loan_leave leave)
{
    struct vm_region *region = vm_map_find(start);
    struct vm_loan *loan = region ? region->loan : NULL;
    if (!loan || vm_page_round(region->used) != size)
        return false;
    bool vouched = leave == VM_LOAN_IN_PLACE && !region->protected && is_unmarked(region);
    if (!vouched && !is_plain(region))
        return false;
    if (leave != VM_LOAN_IN_PLACE && move_away(loan, leave == VM_LOAN_ZEROS) < 0)
        return false;
    vm_map_unlist(region);
    vm_pool_park(loan);
    return true;
}

/* What lies behind the part that counts belongs to nobody from now on. */
static void shed_tail(const struct vm_region *region)
{
    struct os_mapping m;
    uintptr_t tail = region->address + vm_page_round(region->used);
    uintptr_t end = region->address + region->size;
    if (tail < end && os_maps_next(tail, &m) == 0 && m.start <= tail && m.end >= end && m.shared &&
        m.inode == region->id.inode && m.device == region->id.device)
        munmap((void *)tail, end - tail);
}

void vm_loan_keep(struct vm_region *region)
{
    struct vm_loan *loan = region->loan;
    region->loan = NULL;
    shed_tail(region);
    loan->address = 0; /* the mapping, or what is left of it, is the program's */
    vm_pool_keep(loan);
}
