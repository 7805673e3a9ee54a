/* See vm_access.h. */
#include "vm/vm_access.h"

#include "os/os_maps.h"

#include <errno.h>

int vm_access_check(uintptr_t start, size_t size, int protection)
{
    struct os_mapping m;
    uintptr_t end = start + size;
    for (uintptr_t at = start; at < end; at = m.end) {
        int r = os_maps_next(at, &m);
        if (r < 0 && r != -ENOENT)
            return 0;
        if (r < 0 || m.start > at)
            return -EFAULT;
        if ((m.protection & protection) != protection)
            return -EACCES;
    }
    return 0;
}

int vm_access_copy(uintptr_t to, uintptr_t from, size_t size)
{
    bool overlap = to < from + size && from < to + size;
    return overlap ? os_maps_move((void *)to, from, size) : os_maps_copy((void *)to, from, size);
}
