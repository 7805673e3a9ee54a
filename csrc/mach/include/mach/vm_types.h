/*
 * Types of the virtual-memory calls.
 */
#ifndef MACHOOL_MACH_VM_TYPES_H
#define MACHOOL_MACH_VM_TYPES_H

#include <stdint.h>

#include <mach/error.h>
#include <mach/machine/vm_types.h>
#include <mach/port.h>

typedef vm_offset_t pointer_t;
typedef vm_offset_t vm_address_t;

/* The memory of a task, named by the task's port. */
typedef mach_port_t vm_map_t;
typedef mach_port_t vm_map_read_t;
typedef mach_port_t vm_map_inspect_t;
typedef mach_port_t vm_named_entry_t;

#define VM_MAP_NULL ((vm_map_t)0)
#define VM_MAP_INSPECT_NULL ((vm_map_inspect_t)0)
#define VM_MAP_READ_NULL ((vm_map_read_t)0)
#define VM_NAMED_ENTRY_NULL ((vm_named_entry_t)0)

typedef uint64_t addr64_t;
typedef uint64_t vm_object_offset_t;
typedef uint64_t vm_object_size_t;

#endif
