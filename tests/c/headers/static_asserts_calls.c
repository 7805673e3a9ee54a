/*
 * More of static_asserts.c: the signatures of the calls on ports and memory.
 */
#include "asserts.h"

#include <mach/mach.h>
#include <mach/mach_vm.h>

// clang-format off

/* Ports */
FN(mach_port_allocate_name, kern_return_t, (ipc_space_t, mach_port_right_t, mach_port_name_t))
FN(mach_port_allocate_full, kern_return_t,
   (ipc_space_t, mach_port_right_t, mach_port_t, mach_port_qos_t *, mach_port_name_t *))
FN(mach_port_allocate_qos, kern_return_t,
   (ipc_space_t, mach_port_right_t, mach_port_qos_t *, mach_port_name_t *))
FN(mach_port_construct, kern_return_t,
   (ipc_space_t, mach_port_options_ptr_t, mach_port_context_t, mach_port_name_t *))
FN(mach_port_destruct, kern_return_t,
   (ipc_space_t, mach_port_name_t, mach_port_delta_t, mach_port_context_t))
FN(mach_port_dnrequest_info, kern_return_t,
   (ipc_space_t, mach_port_name_t, unsigned *, unsigned *))
FN(mach_port_extract_member, kern_return_t, (ipc_space_t, mach_port_name_t, mach_port_name_t))
FN(mach_port_extract_right, kern_return_t,
   (ipc_space_t, mach_port_name_t, mach_msg_type_name_t, mach_port_t *, mach_msg_type_name_t *))
FN(mach_port_get_context, kern_return_t,
   (ipc_space_read_t, mach_port_name_t, mach_port_context_t *))
FN(mach_port_get_set_status, kern_return_t,
   (ipc_space_read_t, mach_port_name_t, mach_port_name_array_t *, mach_msg_type_number_t *))
FN(mach_port_get_srights, kern_return_t, (ipc_space_t, mach_port_name_t, mach_port_rights_t *))
FN(mach_port_guard, kern_return_t, (ipc_space_t, mach_port_name_t, mach_port_context_t, boolean_t))
FN(mach_port_guard_with_flags, kern_return_t,
   (ipc_space_t, mach_port_name_t, mach_port_context_t, uint64_t))
FN(mach_port_insert_member, kern_return_t, (ipc_space_t, mach_port_name_t, mach_port_name_t))
FN(mach_port_move_member, kern_return_t, (ipc_space_t, mach_port_name_t, mach_port_name_t))
FN(mach_port_peek, kern_return_t,
   (ipc_space_t, mach_port_name_t, mach_msg_trailer_type_t, mach_port_seqno_t *, mach_msg_size_t *,
    mach_msg_id_t *, mach_msg_trailer_info_t, mach_msg_type_number_t *))
FN(mach_port_rename, kern_return_t, (ipc_space_t, mach_port_name_t, mach_port_name_t))
FN(mach_port_request_notification, kern_return_t,
   (ipc_space_t, mach_port_name_t, mach_msg_id_t, mach_port_mscount_t, mach_port_t,
    mach_msg_type_name_t, mach_port_t *))
FN(mach_port_set_context, kern_return_t, (ipc_space_t, mach_port_name_t, mach_port_context_t))
FN(mach_port_set_mscount, kern_return_t, (ipc_space_t, mach_port_name_t, mach_port_mscount_t))
FN(mach_port_set_seqno, kern_return_t, (ipc_space_t, mach_port_name_t, mach_port_seqno_t))
FN(mach_port_swap_guard, kern_return_t,
   (ipc_space_t, mach_port_name_t, mach_port_context_t, mach_port_context_t))
FN(mach_port_unguard, kern_return_t, (ipc_space_t, mach_port_name_t, mach_port_context_t))

/* Memory, by the addresses of this task */
FN(mach_make_memory_entry, kern_return_t,
   (vm_map_t, vm_size_t *, vm_offset_t, vm_prot_t, mem_entry_name_port_t *, mem_entry_name_port_t))
FN(mach_make_memory_entry_64, kern_return_t,
   (vm_map_t, memory_object_size_t *, memory_object_offset_t, vm_prot_t, mach_port_t *,
    mem_entry_name_port_t))
FN(mach_memory_object_memory_entry, kern_return_t,
   (host_t, boolean_t, vm_size_t, vm_prot_t, memory_object_t, mach_port_t *))
FN(mach_memory_object_memory_entry_64, kern_return_t,
   (host_t, boolean_t, memory_object_size_t, vm_prot_t, memory_object_t, mach_port_t *))
FN(vm_behavior_set, kern_return_t, (vm_map_t, vm_address_t, vm_size_t, vm_behavior_t))
FN(vm_copy, kern_return_t, (vm_map_t, vm_address_t, vm_size_t, vm_address_t))
FN(vm_inherit, kern_return_t, (vm_map_t, vm_address_t, vm_size_t, vm_inherit_t))
FN(vm_map, kern_return_t,
   (vm_map_t, vm_address_t *, vm_size_t, vm_address_t, int, mem_entry_name_port_t, vm_offset_t,
    boolean_t, vm_prot_t, vm_prot_t, vm_inherit_t))
FN(vm_map_64, kern_return_t,
   (vm_map_t, vm_address_t *, vm_size_t, vm_address_t, int, mem_entry_name_port_t,
    memory_object_offset_t, boolean_t, vm_prot_t, vm_prot_t, vm_inherit_t))
FN(vm_msync, kern_return_t, (vm_map_t, vm_address_t, vm_size_t, vm_sync_t))
FN(vm_protect, kern_return_t, (vm_map_t, vm_address_t, vm_size_t, boolean_t, vm_prot_t))
FN(vm_read, kern_return_t,
   (vm_map_read_t, vm_address_t, vm_size_t, vm_offset_t *, mach_msg_type_number_t *))
FN(vm_read_list, kern_return_t, (vm_map_read_t, vm_read_entry_t, natural_t))
FN(vm_read_overwrite, kern_return_t,
   (vm_map_read_t, vm_address_t, vm_size_t, vm_address_t, vm_size_t *))
FN(vm_region, kern_return_t,
   (vm_map_read_t, vm_address_t *, vm_size_t *, vm_region_flavor_t, vm_region_info_t,
    mach_msg_type_number_t *, mach_port_t *))
FN(vm_region_64, kern_return_t,
   (vm_map_read_t, vm_address_t *, vm_size_t *, vm_region_flavor_t, vm_region_info_t,
    mach_msg_type_number_t *, mach_port_t *))
FN(vm_region_recurse, kern_return_t,
   (vm_map_read_t, vm_address_t *, vm_size_t *, natural_t *, vm_region_recurse_info_t,
    mach_msg_type_number_t *))
FN(vm_region_recurse_64, kern_return_t,
   (vm_map_read_t, vm_address_t *, vm_size_t *, natural_t *, vm_region_recurse_info_64_t,
    mach_msg_type_number_t *))
FN(vm_remap, kern_return_t,
   (vm_map_t, vm_address_t *, vm_size_t, vm_address_t, int, vm_map_t, vm_address_t, boolean_t,
    vm_prot_t *, vm_prot_t *, vm_inherit_t))
FN(vm_write, kern_return_t, (vm_map_t, vm_address_t, vm_offset_t, mach_msg_type_number_t))

/* Memory */
FN(mach_vm_behavior_set, kern_return_t,
   (vm_map_t, mach_vm_address_t, mach_vm_size_t, vm_behavior_t))
FN(mach_vm_copy, kern_return_t, (vm_map_t, mach_vm_address_t, mach_vm_size_t, mach_vm_address_t))
FN(mach_vm_inherit, kern_return_t, (vm_map_t, mach_vm_address_t, mach_vm_size_t, vm_inherit_t))
FN(mach_vm_map, kern_return_t,
   (vm_map_t, mach_vm_address_t *, mach_vm_size_t, mach_vm_offset_t, int, mem_entry_name_port_t,
    memory_object_offset_t, boolean_t, vm_prot_t, vm_prot_t, vm_inherit_t))
FN(mach_vm_msync, kern_return_t, (vm_map_t, mach_vm_address_t, mach_vm_size_t, vm_sync_t))
FN(mach_vm_protect, kern_return_t,
   (vm_map_t, mach_vm_address_t, mach_vm_size_t, boolean_t, vm_prot_t))
FN(mach_vm_read, kern_return_t,
   (vm_map_read_t, mach_vm_address_t, mach_vm_size_t, vm_offset_t *, mach_msg_type_number_t *))
FN(mach_vm_read_list, kern_return_t, (vm_map_read_t, mach_vm_read_entry_t, natural_t))
FN(mach_vm_read_overwrite, kern_return_t,
   (vm_map_read_t, mach_vm_address_t, mach_vm_size_t, mach_vm_address_t, mach_vm_size_t *))
FN(mach_vm_region, kern_return_t,
   (vm_map_read_t, mach_vm_address_t *, mach_vm_size_t *, vm_region_flavor_t, vm_region_info_t,
    mach_msg_type_number_t *, mach_port_t *))
FN(mach_vm_region_recurse, kern_return_t,
   (vm_map_read_t, mach_vm_address_t *, mach_vm_size_t *, natural_t *, vm_region_recurse_info_t,
    mach_msg_type_number_t *))
FN(mach_vm_remap, kern_return_t,
   (vm_map_t, mach_vm_address_t *, mach_vm_size_t, mach_vm_offset_t, int, vm_map_t,
    mach_vm_address_t, boolean_t, vm_prot_t *, vm_prot_t *, vm_inherit_t))
FN(mach_vm_write, kern_return_t,
   (vm_map_t, mach_vm_address_t, vm_offset_t, mach_msg_type_number_t))
