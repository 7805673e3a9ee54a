/*
 * The calls of mach/vm_map.h with 64-bit types whatever the program's word; the contracts are
 * there.
 */
#ifndef MACHOOL_MACH_MACH_VM_H
#define MACHOOL_MACH_MACH_VM_H

#include <string.h>

#include <mach/mach_types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* vm_allocate. */
kern_return_t mach_vm_allocate(vm_map_t target, mach_vm_address_t *address, mach_vm_size_t size,
                               int flags);

/* vm_deallocate. */
kern_return_t mach_vm_deallocate(vm_map_t target, mach_vm_address_t address, mach_vm_size_t size);

#ifdef __cplusplus
}
#endif

#endif
