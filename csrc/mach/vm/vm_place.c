/* See vm_place.h. */
#include "vm/vm_place.h"

#include "vm/vm_map.h"

#include <errno.h>
#include <mach/vm_statistics.h>
#include <sys/mman.h>

#define RESERVED (MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE)

/* More than is needed, of which the ends go back. */
static int place_anywhere(uintptr_t *ret_address, size_t size, uintptr_t mask)
{
    size_t spare = mask > vm_page_trunc(mask) ? vm_page_trunc(mask) : mask;
    size_t more;
    if (__builtin_add_overflow(size, spare, &more))
        return -EEXIST;
    char *at = mmap(NULL, more, PROT_NONE, RESERVED, -1, 0);
    if (at == MAP_FAILED)
        return -EEXIST;
    uintptr_t start = (uintptr_t)at;
    uintptr_t found = (start + spare) & ~(spare ? mask : 0);
    if (found < start || found + size > start + more)
        found = start; /* a mask that is no alignment */
    if (found > start)
        munmap(at, found - start);
    if (found + size < start + more)
        munmap((void *)(found + size), start + more - found - size);
    *ret_address = found;
    return found & mask ? -EEXIST : 0;
}

int vm_place(uintptr_t *address, size_t size, uintptr_t mask, int flags)
{
    if (flags & VM_FLAGS_ANYWHERE) {
        uintptr_t found;
        int r = place_anywhere(&found, size, mask);
        if (r == 0) {
            vm_map_forget(found, size);
            *address = found;
        }
        return r;
    }
    if (*address & mask)
        return -EEXIST;
    bool overwrite = flags & VM_FLAGS_OVERWRITE;
    void *got = *address == 0
                    ? MAP_FAILED
                    : mmap((void *)*address, size, PROT_NONE,
                           RESERVED | (overwrite ? MAP_FIXED : MAP_FIXED_NOREPLACE), -1, 0);
    if (got == MAP_FAILED)
        return *address != 0 && errno == EEXIST ? -EEXIST : -EFAULT;
    if ((uintptr_t)got != *address) { /* a kernel that knows no NOREPLACE */
        munmap(got, size);
        return -EEXIST;
    }
    vm_map_forget(*address, size);
    return 0;
}
