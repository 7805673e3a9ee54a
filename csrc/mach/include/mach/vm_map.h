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

/*
 * Maps `size` bytes, rounded up to pages, of a memory entry, or with `object` MACH_PORT_NULL fresh
 * memory as vm_allocate does. `offset` is where in the entry to begin, taken down to a page. `flags`
 * and *address as for vm_allocate; with ANYWHERE the bits of `mask` are zero in the address. The
 * memory is the entry's own, seen by all who map it; with `copy` a private copy of what it is now.
 * The caller's until vm_deallocate; the entry is not needed for it any more.
 *
 * KERN_SUCCESS; KERN_NO_SPACE: no room, or the fixed range is in use; KERN_INVALID_RIGHT: the entry
 * does not allow these protections; KERN_INVALID_ARGUMENT: unknown flags, protections or
 * inheritance, size 0, more than the entry has, more protection than the maximum;
 * KERN_INVALID_OBJECT: a right that is no entry; MACH_SEND_INVALID_RIGHT: no send right;
 * KERN_INVALID_ADDRESS: a fixed range outside the address space; KERN_RESOURCE_SHORTAGE.
 */
kern_return_t vm_map(vm_map_t target_task, vm_address_t *address, vm_size_t size, vm_address_t mask,
                     int flags, mem_entry_name_port_t object, vm_offset_t offset, boolean_t copy,
                     vm_prot_t cur_protection, vm_prot_t max_protection, vm_inherit_t inheritance);

/* vm_map with a 64-bit offset. */
kern_return_t vm_map_64(vm_map_t target_task, vm_address_t *address, vm_size_t size,
                        vm_address_t mask, int flags, mem_entry_name_port_t object,
                        memory_object_offset_t offset, boolean_t copy, vm_prot_t cur_protection,
                        vm_prot_t max_protection, vm_inherit_t inheritance);

/*
 * The memory of [src_address, src_address + size), whole pages, at a second address: the same
 * memory, or a copy. `src_task` is mach_task_self(). Each part has the protections it has at its
 * source; *cur_protection and *max_protection get what all parts allow. With `copy` FALSE private
 * memory is put into shared memory at once, as vm_inherit does it. KERN_SUCCESS;
 * KERN_INVALID_ADDRESS: a hole; KERN_NO_SPACE: no room, or the fixed range is in use;
 * KERN_INVALID_ARGUMENT: unknown flags or inheritance, size 0, another task, a
 * fixed target that overlaps the source; KERN_RESOURCE_SHORTAGE.
 */
kern_return_t vm_remap(vm_map_t target_task, vm_address_t *target_address, vm_size_t size,
                       vm_address_t mask, int flags, vm_map_t src_task, vm_address_t src_address,
                       boolean_t copy, vm_prot_t *cur_protection, vm_prot_t *max_protection,
                       vm_inherit_t inheritance);

/*
 * Makes a memory entry: a send right, the caller's, that can be mapped with vm_map, here or by
 * whom it is sent to. `permission` is the protection that mappings may have, with MAP_MEM_ flags:
 *
 *   none                   of the memory at address `offset`, which is shared with all mappings from
 *                          then on; as much of it as is one object: *size says how much
 *   MAP_MEM_VM_SHARE       of all of [offset, offset + *size)
 *   MAP_MEM_VM_COPY        of a copy of it
 *   MAP_MEM_NAMED_CREATE   of fresh, zero-filled memory
 *   with a parent_entry    of a part of that entry; `offset` is where
 *
 * Sizes and places are rounded outward to pages; *size gets the entry's. With VM_PROT_IS_MASK the
 * entry allows what of `permission` the memory does. Private memory is put into shared memory as
 * vm_inherit does it. KERN_SUCCESS, with *size 0 and the null name for fresh memory of size 0;
 * KERN_INVALID_ADDRESS: a hole; KERN_PROTECTION_FAILURE: the memory, or the parent, does not allow
 * the permission; KERN_INVALID_ARGUMENT: size 0, beyond the parent's end, or a copied parent;
 * KERN_INVALID_VALUE: unknown flags; KERN_FAILURE: memory that cannot be shared, since the program
 * itself has mapped it shared; MACH_SEND_INVALID_RIGHT: `parent_entry` is no send right;
 * KERN_RESOURCE_SHORTAGE.
 */
kern_return_t mach_make_memory_entry(vm_map_t target_task, vm_size_t *size, vm_offset_t offset,
                                     vm_prot_t permission, mem_entry_name_port_t *object_handle,
                                     mem_entry_name_port_t parent_entry);

/* The same with 64-bit sizes. */
kern_return_t mach_make_memory_entry_64(vm_map_t target_task, memory_object_size_t *size,
                                        memory_object_offset_t offset, vm_prot_t permission,
                                        mach_port_t *object_handle,
                                        mem_entry_name_port_t parent_entry);

/*
 * Tells of the region that covers *address, or of the first one above it: where it starts, how long
 * it is, and in `info`, of *count words, what `flavor` asks for: one of the structs of
 * mach/vm_region.h. Regions are the mappings of the system, cut where maximum protection or
 * inheritance changes. *object_name gets MACH_PORT_NULL. KERN_SUCCESS; KERN_INVALID_ADDRESS: nothing
 * is mapped there or above; KERN_INVALID_ARGUMENT: an unknown flavor, or too few words.
 */
kern_return_t vm_region(vm_map_read_t target_task, vm_address_t *address, vm_size_t *size,
                        vm_region_flavor_t flavor, vm_region_info_t info,
                        mach_msg_type_number_t *count, mach_port_t *object_name);
kern_return_t vm_region_64(vm_map_read_t target_task, vm_address_t *address, vm_size_t *size,
                           vm_region_flavor_t flavor, vm_region_info_t info,
                           mach_msg_type_number_t *count, mach_port_t *object_name);

/*
 * The same with more to tell: a struct vm_region_submap_info; with _64 a
 * struct vm_region_submap_info_64, or by the number of words its short form. There are no submaps:
 * *nesting_depth becomes 0.
 */
kern_return_t vm_region_recurse(vm_map_read_t target_task, vm_address_t *address, vm_size_t *size,
                                natural_t *nesting_depth, vm_region_recurse_info_t info,
                                mach_msg_type_number_t *count);
kern_return_t vm_region_recurse_64(vm_map_read_t target_task, vm_address_t *address,
                                   vm_size_t *size, natural_t *nesting_depth,
                                   vm_region_recurse_info_64_t info, mach_msg_type_number_t *count);

#ifdef __cplusplus
}
#endif

#endif
