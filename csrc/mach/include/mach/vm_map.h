/*
 * Calls on a task's memory. `target_task` must be mach_task_self(); anything else gives
 * MACH_SEND_INVALID_DEST. Safe from any thread.
 */
#ifndef MACHOOL_MACH_VM_MAP_H
#define MACHOOL_MACH_VM_MAP_H

#include <string.h>

#include <mach/mach_types.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Zero-filled memory, readable and writable, `size` rounded up to pages; the caller's until
 * vm_deallocate or until it goes away in a message. `flags` are VM_FLAGS_: with ANYWHERE the
 * initial *address is not looked at, without it the region starts at the page of *address. Size 0
 * gives address 0. KERN_SUCCESS; KERN_NO_SPACE: no room, or the fixed range is in use;
 * KERN_INVALID_ADDRESS: a fixed range outside the address space; KERN_INVALID_ARGUMENT: unknown
 * flags; KERN_RESOURCE_SHORTAGE.
 */
kern_return_t vm_allocate(vm_map_t target_task, vm_address_t *address, vm_size_t size, int flags);

/*
 * Unmaps every page that [address, address + size) touches: allocated, received or mapped
 * otherwise, whole regions or parts; holes do not matter. KERN_SUCCESS; KERN_INVALID_ARGUMENT: the
 * range wraps around.
 */
kern_return_t vm_deallocate(vm_map_t target_task, vm_address_t address, vm_size_t size);

#ifdef __cplusplus
}
#endif

#endif
