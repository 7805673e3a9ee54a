/*
 * The calls of mach/vm_map.h with 64-bit types whatever the program's word; the contracts are
 * there.
 */
#ifndef MACHOOL_MACH_MACH_VM_H
#define MACHOOL_MACH_MACH_VM_H

#include <string.h>

#include <mach/mach_types.h>
#include <mach/vm_region.h>

#ifdef __cplusplus
extern "C" {
#endif

/* vm_allocate. */
kern_return_t mach_vm_allocate(vm_map_t target, mach_vm_address_t *address, mach_vm_size_t size,
                               int flags);

/* vm_deallocate. */
kern_return_t mach_vm_deallocate(vm_map_t target, mach_vm_address_t address, mach_vm_size_t size);

/* vm_protect. */
kern_return_t mach_vm_protect(vm_map_t target_task, mach_vm_address_t address, mach_vm_size_t size,
                              boolean_t set_maximum, vm_prot_t new_protection);

/* vm_inherit. */
kern_return_t mach_vm_inherit(vm_map_t target_task, mach_vm_address_t address, mach_vm_size_t size,
                              vm_inherit_t new_inheritance);

/* vm_read. */
kern_return_t mach_vm_read(vm_map_read_t target_task, mach_vm_address_t address,
                           mach_vm_size_t size, vm_offset_t *data, mach_msg_type_number_t *count);

/* vm_read_list. */
kern_return_t mach_vm_read_list(vm_map_read_t target_task, mach_vm_read_entry_t list,
                                natural_t count);

/* vm_write. */
kern_return_t mach_vm_write(vm_map_t target_task, mach_vm_address_t address, vm_offset_t data,
                            mach_msg_type_number_t count);

/* vm_copy. */
kern_return_t mach_vm_copy(vm_map_t target_task, mach_vm_address_t source_address,
                           mach_vm_size_t size, mach_vm_address_t dest_address);

/* vm_read_overwrite. */
kern_return_t mach_vm_read_overwrite(vm_map_read_t target_task, mach_vm_address_t address,
                                     mach_vm_size_t size, mach_vm_address_t data,
                                     mach_vm_size_t *outsize);

/* vm_behavior_set. */
kern_return_t mach_vm_behavior_set(vm_map_t target_task, mach_vm_address_t address,
                                   mach_vm_size_t size, vm_behavior_t new_behavior);

/* vm_msync. */
kern_return_t mach_vm_msync(vm_map_t target_task, mach_vm_address_t address, mach_vm_size_t size,
                            vm_sync_t sync_flags);

/* vm_map. */
kern_return_t mach_vm_map(vm_map_t target_task, mach_vm_address_t *address, mach_vm_size_t size,
                          mach_vm_offset_t mask, int flags, mem_entry_name_port_t object,
                          memory_object_offset_t offset, boolean_t copy, vm_prot_t cur_protection,
                          vm_prot_t max_protection, vm_inherit_t inheritance);

/* vm_remap. */
kern_return_t mach_vm_remap(vm_map_t target_task, mach_vm_address_t *target_address,
                            mach_vm_size_t size, mach_vm_offset_t mask, int flags,
                            vm_map_t src_task, mach_vm_address_t src_address, boolean_t copy,
                            vm_prot_t *cur_protection, vm_prot_t *max_protection,
                            vm_inherit_t inheritance);

/* vm_region. */
kern_return_t mach_vm_region(vm_map_read_t target_task, mach_vm_address_t *address,
                             mach_vm_size_t *size, vm_region_flavor_t flavor, vm_region_info_t info,
                             mach_msg_type_number_t *count, mach_port_t *object_name);

/* vm_region_recurse_64. */
kern_return_t mach_vm_region_recurse(vm_map_read_t target_task, mach_vm_address_t *address,
                                     mach_vm_size_t *size, natural_t *nesting_depth,
                                     vm_region_recurse_info_t info, mach_msg_type_number_t *count);

#ifdef __cplusplus
}
#endif

#endif
