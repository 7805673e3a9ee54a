/*
 * Calls on a task's memory. `target_task` must be mach_task_self(); anything else gives
 * MACH_SEND_INVALID_DEST. Safe from any thread.
 */
#ifndef MACHOOL_MACH_VM_MAP_H
#define MACHOOL_MACH_VM_MAP_H

#include <string.h>

#include <mach/mach_types.h>
#include <mach/vm_region.h>

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

/*
 * Sets the protection of every page that [address, address + size) touches; with `set_maximum` the
 * maximum, which can only be lowered, and which lowers the current protection too. Memory of any
 * origin; all protections are allowed until a maximum says otherwise. KERN_SUCCESS, for size 0 as
 * well; KERN_INVALID_ADDRESS: a hole; KERN_PROTECTION_FAILURE: more than the maximum allows, or
 * than the file that is mapped; KERN_INVALID_ARGUMENT: unknown bits, or the range wraps around. In
 * these cases nothing has changed. VM_PROT_COPY makes memory that is shared a copy first.
 */
kern_return_t vm_protect(vm_map_t target_task, vm_address_t address, vm_size_t size,
                         boolean_t set_maximum, vm_prot_t new_protection);

/*
 * Says what a child made by fork gets of every page that the range touches: a VM_INHERIT_ value.
 * Holes do not matter. With SHARE, what is private until now is put into shared memory at once:
 * other threads must not write to it meanwhile. KERN_SUCCESS; KERN_INVALID_ARGUMENT: no such value,
 * or the range wraps around; KERN_RESOURCE_SHORTAGE.
 */
kern_return_t vm_inherit(vm_map_t target_task, vm_address_t address, vm_size_t size,
                         vm_inherit_t new_inheritance);

/*
 * A copy of [address, address + size) as a new region, as out-of-line memory arrives: at the same
 * place within its page if it is larger than 16 KiB, else at the start of one; private to this
 * task, and to be freed with vm_deallocate(*data, *count). KERN_SUCCESS; KERN_INVALID_ADDRESS: a
 * hole; KERN_PROTECTION_FAILURE: unreadable memory; KERN_INVALID_ARGUMENT: the range wraps around,
 * or is of 4 GiB and more; KERN_RESOURCE_SHORTAGE. Size 0 gives address 0.
 */
kern_return_t vm_read(vm_map_read_t target_task, vm_address_t address, vm_size_t size,
                      vm_offset_t *data, mach_msg_type_number_t *count);

/*
 * vm_read for each of the first `count` ranges of the list, which become the copies. A range that
 * cannot be read becomes {0, 0}; the others are copied all the same. KERN_SUCCESS, or the code of
 * the last range that failed.
 */
kern_return_t vm_read_list(vm_map_read_t target_task, vm_read_entry_t list, natural_t count);

/*
 * Copies `count` bytes from `data` to `address`; the two may overlap. KERN_SUCCESS;
 * KERN_INVALID_ADDRESS: a hole at `address`; KERN_PROTECTION_FAILURE: not writable there;
 * MACH_SEND_INVALID_MEMORY: `data` cannot be read. In these cases nothing has been written.
 */
kern_return_t vm_write(vm_map_t target_task, vm_address_t address, vm_offset_t data,
                       mach_msg_type_number_t count);

/*
 * The same with both ends in the task's memory: KERN_INVALID_ADDRESS for a hole and
 * KERN_PROTECTION_FAILURE for a protection at either end, the source first.
 */
kern_return_t vm_copy(vm_map_t target_task, vm_address_t source_address, vm_size_t size,
                      vm_address_t dest_address);

/* vm_copy to `data`, with the number of bytes copied. */
kern_return_t vm_read_overwrite(vm_map_read_t target_task, vm_address_t address, vm_size_t size,
                                vm_address_t data, vm_size_t *outsize);

/*
 * A hint, VM_BEHAVIOR_, on how the range will be used. KERN_SUCCESS; KERN_INVALID_ADDRESS: a hole;
 * KERN_INVALID_ARGUMENT: no such value, or the range wraps around. Contents never change.
 */
kern_return_t vm_behavior_set(vm_map_t target_task, vm_address_t address, vm_size_t size,
                              vm_behavior_t new_behavior);

/*
 * Writes changed pages of mapped files, as VM_SYNC_ flags say. KERN_SUCCESS; KERN_INVALID_ADDRESS:
 * a hole, with VM_SYNC_CONTIGUOUS; KERN_INVALID_ARGUMENT: flags that exclude each other, or the
 * range wraps around; KERN_FAILURE: the file cannot be written.
 */
kern_return_t vm_msync(vm_map_t target_task, vm_address_t address, vm_size_t size,
                       vm_sync_t sync_flags);

#ifdef __cplusplus
}
#endif

#endif
