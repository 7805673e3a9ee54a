/* What all calls on memory do with their arguments: addresses become whole pages, errors of the
 * machine below become codes. */
#ifndef MACHOOL_API_VM_ARGS_H
#define MACHOOL_API_VM_ARGS_H

#include "vm/vm_region.h"

#include <errno.h>
#include <mach/mach.h>

/* Bits of `flags` that macOS accepts. Purgeable, random address, no cache, super pages and tags
 * change nothing here. */
#define VM_ARGS_ALLOCATE                                                                           \
    ((int)(VM_FLAGS_ANYWHERE | VM_FLAGS_PURGABLE | VM_FLAGS_4GB_CHUNK | VM_FLAGS_RANDOM_ADDR |     \
           VM_FLAGS_NO_CACHE | VM_FLAGS_RESILIENT_CODESIGN | VM_FLAGS_PERMANENT |                  \
           VM_FLAGS_OVERWRITE | VM_FLAGS_SUPERPAGE_MASK | (int)VM_FLAGS_ALIAS_MASK))
#define VM_ARGS_DATA_ADDR (VM_FLAGS_RETURN_DATA_ADDR | VM_FLAGS_RETURN_4K_DATA_ADDR)
#define VM_ARGS_MAP (VM_ARGS_ALLOCATE | VM_ARGS_DATA_ADDR)

/* The pages that [address, address + size) touches. KERN_INVALID_ARGUMENT: it wraps around. */
static inline kern_return_t vm_args_pages(mach_vm_address_t address, mach_vm_size_t size,
                                          uintptr_t *ret_start, uintptr_t *ret_end)
{
    mach_vm_address_t end;
    if (__builtin_add_overflow(address, size, &end) || end > UINTPTR_MAX - vm_page_size)
        return KERN_INVALID_ARGUMENT;
    *ret_start = vm_page_trunc((uintptr_t)address);
    *ret_end = vm_page_round((size_t)end);
    return KERN_SUCCESS;
}

static inline kern_return_t vm_args_code(int error)
{
    return error == 0         ? KERN_SUCCESS
           : error == -EFAULT ? KERN_INVALID_ADDRESS
           : error == -EACCES ? KERN_PROTECTION_FAILURE
           : error == -EPERM  ? KERN_FAILURE
                              : KERN_RESOURCE_SHORTAGE;
}

#endif
