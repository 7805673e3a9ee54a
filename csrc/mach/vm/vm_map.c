/* See vm_map.h. */
#include "vm/vm_map.h"

#include "vm/vm_loan.h"
#include "vm/vm_range.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define MOST 256          /* regions */
#define MOST_RECEIVED 128 /* regions, when one more would be a received one */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static struct { /* sorted by address; regions never overlap */
    struct vm_region *list;
    size_t used, size;
    size_t with_fd; /* of them, those that own a descriptor */
} regions;

void vm_map_lock(void)
{
    pthread_mutex_lock(&lock);
}

void vm_map_unlock(void)
{
    pthread_mutex_unlock(&lock);
}

/* Index of the first region that ends above `address`. */
static size_t lower_bound(uintptr_t address)
{
    size_t low = 0, high = regions.used;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (regions.list[middle].address + regions.list[middle].size <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct vm_region *vm_map_covering(uintptr_t address)
{
    size_t at = lower_bound(address);
    return at < regions.used && regions.list[at].address <= address ? &regions.list[at] : NULL;
}

struct vm_region *vm_map_find(uintptr_t address)
{
    size_t at = lower_bound(address);
    return at < regions.used && regions.list[at].address == address ? &regions.list[at] : NULL;
}

static void remove_at(size_t at)
{
    regions.used--;
    memmove(&regions.list[at], &regions.list[at + 1], (regions.used - at) * sizeof *regions.list);
}

static int grow(void)
{
    size_t grown = regions.size ? regions.size * 2 : 16;
    struct vm_region *list = realloc(regions.list, grown * sizeof *list);
    if (!list)
        return -ENOMEM;
    regions.list = list;
    regions.size = grown;
    return 0;
}

static int insert(const struct vm_region *region)
{
    vm_map_forget(region->address, region->size); /* what was there was unmapped behind our back */
    if (regions.used == regions.size && grow() < 0)
        return -ENOMEM;
    size_t at = lower_bound(region->address);
    memmove(&regions.list[at + 1], &regions.list[at], (regions.used - at) * sizeof *regions.list);
    regions.list[at] = *region;
    regions.used++;
    return 0;
}

int vm_map_insert(uintptr_t address, size_t size, int take_fd, enum vm_region_state state,
                  bool reserved)
{
    struct vm_region region = {.address = address,
                               .size = size,
                               .used = size,
                               .fd = take_fd,
                               .state = state,
                               .reserved = reserved};
    int r = os_memfd_identify(take_fd, &region.id);
    if (r == 0)
        r = insert(&region);
    if (r < 0)
        close(take_fd);
    else
        regions.with_fd++;
    return r;
}

int vm_map_insert_loan(uintptr_t address, size_t size, size_t used, int borrow_fd,
                       const struct os_memfd_id *id, struct vm_loan *loan)
{
    const struct vm_region region = {.address = address,
                                     .size = size,
                                     .used = used,
                                     .fd = borrow_fd,
                                     .id = *id,
                                     .state = VM_REGION_LOAN,
                                     .reserved = true,
                                     .loan = loan};
    return insert(&region);
}

void vm_map_unlist(struct vm_region *region)
{
    vm_region_untell(region);
    regions.with_fd -= region->state != VM_REGION_LOAN;
    remove_at((size_t)(region - regions.list));
}

void vm_map_drop(struct vm_region *region)
{
    if (region->loan)
        vm_loan_keep(region);
    else
        vm_region_close(region);
    vm_map_unlist(region);
}

int vm_map_steal(struct vm_region *region)
{
    int fd = region->fd;
    vm_map_unlist(region);
    return fd;
}

void vm_map_forget(uintptr_t address, size_t size)
{
    uintptr_t end = address + size;
    size_t at = lower_bound(address);
    while (at < regions.used && regions.list[at].address < end) {
        struct vm_region *region = &regions.list[at];
        bool whole = region->address >= address && region->address + region->size <= end;
        if (!whole && region->state != VM_REGION_FROZEN)
            (void)vm_region_privatize(region);
        vm_map_drop(region);
    }
    vm_range_clear(address, end);
}

void vm_map_retell(struct vm_task from, struct vm_task to)
{
    for (size_t i = 0; i < regions.used; i++)
        vm_region_retell(&regions.list[i], from, to);
}

void vm_map_note_protection(uintptr_t start, uintptr_t end)
{
    for (size_t at = lower_bound(start); at < regions.used && regions.list[at].address < end; at++)
        regions.list[at].protected = true;
}

void vm_map_freeze_all(void)
{
    for (size_t i = 0; i < regions.used;) {
        struct vm_region *region = &regions.list[i];
        if (region->loan && vm_region_privatize(region) == 0) {
            vm_map_drop(region);
            continue;
        }
        /* Pages are not reserved: one that was never touched need not exist for a fork. */
        if (region->state == VM_REGION_SHARED && vm_region_freeze(region) < 0 &&
            vm_region_privatize(region) == 0)
            vm_map_drop(region);
        else
            i++;
    }
}

bool vm_map_has_room(bool received)
{
    size_t most = received ? MOST_RECEIVED : MOST;
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur / 4 < most)
        most = (size_t)limit.rlim_cur / 4;
    return regions.with_fd < most;
}

size_t vm_map_count(uint64_t *ret_bytes)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < regions.used; i++)
        bytes += regions.list[i].size;
    *ret_bytes = bytes;
    return regions.used;
}
