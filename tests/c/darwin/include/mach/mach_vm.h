/*
 * Check-only stand-in for the SDK's <mach/mach_vm.h>: see ../../README.md.
 */
#ifndef CHECK_ONLY_MACH_MACH_VM_H
#define CHECK_ONLY_MACH_MACH_VM_H

#include <mach/mach.h>

#ifdef __cplusplus
extern "C" {
#endif

kern_return_t mach_vm_allocate(vm_map_t target, mach_vm_address_t *address, mach_vm_size_t size,
                               int flags);
kern_return_t mach_vm_deallocate(vm_map_t target, mach_vm_address_t address, mach_vm_size_t size);

#ifdef __cplusplus
}
#endif

#endif
