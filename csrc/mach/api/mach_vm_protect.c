/* Protection, inheritance and advice: vm_protect, vm_inherit, vm_behavior_set, vm_msync and their
 * mach_vm_ twins (S178, S181, S182).
 *
 * Current protections are the kernel's; maximum protections and inheritance are remembered in
 * vm_range.h. */
#include "api/vm_args.h"
#include "os/os_maps.h"
#include "vm/vm_access.h"
#include "vm/vm_map.h"
#include "vm/vm_share.h"

#include <mach/mach_vm.h>
#include <sys/mman.h>

/* ---- protection ---------------------------------------------------------------------------- */

/* The whole range must be there, and allow the protection. */
static kern_return_t check_protection(uintptr_t start, uintptr_t end, vm_prot_t protection)
{
    struct os_mapping m;
    for (uintptr_t at = start; at < end;) {
        struct vm_range range = vm_range_at(at);
        int r = os_maps_next(at, &m);
        if (r < 0 && r != -ENOENT)
            return KERN_RESOURCE_SHORTAGE;
        if (r < 0 || m.start > at)
            return KERN_INVALID_ADDRESS;
        if (protection & ~range.max)
            return KERN_PROTECTION_FAILURE;
        at = m.end < range.end ? m.end : range.end;
    }
    return KERN_SUCCESS;
}

static kern_return_t protect(uintptr_t start, uintptr_t end, vm_prot_t protection)
{
    if (mprotect((void *)start, end - start, (int)protection) == 0)
        return KERN_SUCCESS;
    return errno == EACCES ? KERN_PROTECTION_FAILURE : KERN_RESOURCE_SHORTAGE;
}

/* Lowers the maximum, and the current protections with it. */
static kern_return_t set_maximum(uintptr_t start, uintptr_t end, vm_prot_t maximum)
{
    struct os_mapping m;
    kern_return_t kr = KERN_SUCCESS;
    if (vm_range_set_max(start, end, (uint8_t)maximum) < 0)
        return KERN_RESOURCE_SHORTAGE;
    for (uintptr_t at = start; kr == KERN_SUCCESS && at < end; at = m.end) {
        int r = os_maps_next(at, &m);
        if (r < 0 && r != -ENOENT)
            return KERN_RESOURCE_SHORTAGE;
        if (r < 0 || m.start >= end)
            break;
        uintptr_t low = m.start > at ? m.start : at;
        if (m.protection & ~maximum)
            kr = protect(low, m.end < end ? m.end : end, m.protection & maximum);
    }
    return kr;
}

/* VM_PROT_COPY: what others may see becomes a copy, and can be written whatever the maximum. */
static kern_return_t make_copy(uintptr_t start, uintptr_t end)
{
    int r = vm_share_end(start, end);
    for (uintptr_t at = start; r == 0 && at < end;) {
        struct vm_range range = vm_range_at(at);
        uintptr_t stop = range.end < end ? range.end : end;
        r = vm_range_set_max(at, stop, range.max | VM_PROT_WRITE);
        at = stop;
    }
    return vm_args_code(r);
}

static kern_return_t protect_range(uintptr_t start, uintptr_t end, bool maximum,
                                   vm_prot_t protection)
{
    vm_prot_t wanted = protection & VM_PROT_ALL;
    bool copy = protection & VM_PROT_COPY;
    kern_return_t kr = check_protection(start, end, copy ? wanted & ~VM_PROT_WRITE : wanted);
    if (kr == KERN_SUCCESS && copy)
        kr = make_copy(start, end);
    if (kr != KERN_SUCCESS)
        return kr;
    return maximum ? set_maximum(start, end, wanted) : protect(start, end, wanted);
}

kern_return_t mach_vm_protect(vm_map_t task, mach_vm_address_t address, mach_vm_size_t size,
                              boolean_t maximum, vm_prot_t protection)
{
    uintptr_t start, end;
    if (task != mach_task_self_)
        return MACH_SEND_INVALID_DEST;
    if (protection & ~(VM_PROT_ALL | VM_PROT_COPY))
        return KERN_INVALID_ARGUMENT;
    kern_return_t kr = vm_args_pages(address, size, &start, &end);
    if (kr != KERN_SUCCESS || size == 0)
        return kr;
    vm_map_lock();
    vm_map_note_protection(start, end);
    kr = protect_range(start, end, maximum, protection);
    vm_map_unlock();
    return kr;
}

/* ---- inheritance --------------------------------------------------------------------------- */

static int inherit_range(uintptr_t start, uintptr_t end, vm_inherit_t inheritance)
{
    int r = 0;
    if (inheritance == VM_INHERIT_SHARE)
        r = vm_share_range(start, end, VM_SHARE_HOLES | VM_SHARE_FOREIGN);
    if (r == 0)
        r = vm_range_set_inherit(start, end, (uint8_t)inheritance);
    if (r == 0) /* holes are passed over, with a complaint */
        (void)madvise((void *)start, end - start,
                      inheritance == VM_INHERIT_NONE ? MADV_DONTFORK : MADV_DOFORK);
    return r;
}

kern_return_t mach_vm_inherit(vm_map_t task, mach_vm_address_t address, mach_vm_size_t size,
                              vm_inherit_t inheritance)
{
    uintptr_t start, end;
    if (task != mach_task_self_)
        return MACH_SEND_INVALID_DEST;
    if (inheritance > VM_INHERIT_LAST_VALID)
        return KERN_INVALID_ARGUMENT;
    kern_return_t kr = vm_args_pages(address, size, &start, &end);
    if (kr != KERN_SUCCESS || size == 0)
        return kr;
    vm_map_lock();
    int r = inherit_range(start, end, inheritance);
    vm_map_unlock();
    return vm_args_code(r);
}

/* ---- advice -------------------------------------------------------------------------------- */

kern_return_t mach_vm_behavior_set(vm_map_t task, mach_vm_address_t address, mach_vm_size_t size,
                                   vm_behavior_t behavior)
{
    uintptr_t start, end;
    if (task != mach_task_self_)
        return MACH_SEND_INVALID_DEST;
    if (behavior < VM_BEHAVIOR_DEFAULT || behavior > VM_BEHAVIOR_LAST_VALID)
        return KERN_INVALID_ARGUMENT;
    kern_return_t kr = vm_args_pages(address, size, &start, &end);
    if (kr != KERN_SUCCESS || size == 0)
        return kr;
    int advice = behavior == VM_BEHAVIOR_RANDOM       ? MADV_RANDOM
                 : behavior == VM_BEHAVIOR_SEQUENTIAL ? MADV_SEQUENTIAL
                 : behavior == VM_BEHAVIOR_WILLNEED   ? MADV_WILLNEED
                                                      : MADV_NORMAL;
    if (vm_access_check(start, end - start, 0) == -EFAULT)
        return KERN_INVALID_ADDRESS;
    /* Advice changes no contents, and what the kernel makes of it is its own. */
    (void)madvise((void *)start, end - start, advice);
    return KERN_SUCCESS;
}

kern_return_t mach_vm_msync(vm_map_t task, mach_vm_address_t address, mach_vm_size_t size,
                            vm_sync_t flags)
{
    uintptr_t start, end;
    if (task != mach_task_self_)
        return MACH_SEND_INVALID_DEST;
    if (flags & VM_SYNC_ASYNCHRONOUS && flags & VM_SYNC_SYNCHRONOUS)
        return KERN_INVALID_ARGUMENT;
    kern_return_t kr = vm_args_pages(address, size, &start, &end);
    if (kr != KERN_SUCCESS || size == 0)
        return kr;
    int how = flags & VM_SYNC_SYNCHRONOUS ? MS_SYNC : MS_ASYNC;
    int r = msync((void *)start, end - start, how) < 0 ? -errno : 0;
    if (r == -ENOMEM)
        return flags & VM_SYNC_CONTIGUOUS ? KERN_INVALID_ADDRESS : KERN_SUCCESS;
    return r == 0 ? KERN_SUCCESS : KERN_FAILURE;
}

/* ---- the same for addresses of the program's own word ---------------------------------------- */

kern_return_t vm_protect(vm_map_t task, vm_address_t address, vm_size_t size, boolean_t maximum,
                         vm_prot_t protection)
{
    return mach_vm_protect(task, address, size, maximum, protection);
}

kern_return_t vm_inherit(vm_map_t task, vm_address_t address, vm_size_t size,
                         vm_inherit_t inheritance)
{
    return mach_vm_inherit(task, address, size, inheritance);
}

kern_return_t vm_behavior_set(vm_map_t task, vm_address_t address, vm_size_t size,
                              vm_behavior_t behavior)
{
    return mach_vm_behavior_set(task, address, size, behavior);
}

kern_return_t vm_msync(vm_map_t task, vm_address_t address, vm_size_t size, vm_sync_t flags)
{
    return mach_vm_msync(task, address, size, flags);
}
