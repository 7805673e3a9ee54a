/*
 * Offsets and sizes within a memory object. uint64_t, like mach_vm_size_t: the two mix by pointer.
 */
#ifndef MACHOOL_MACH_MEMORY_OBJECT_TYPES_H
#define MACHOOL_MACH_MEMORY_OBJECT_TYPES_H

#include <stdint.h>

#include <mach/machine/vm_types.h>
#include <mach/port.h>

typedef uint64_t memory_object_offset_t;
typedef uint64_t memory_object_size_t;
typedef uint64_t vm_object_id_t;

typedef mach_port_t memory_object_t;
typedef mach_port_t memory_object_name_t;

#define MEMORY_OBJECT_NULL ((memory_object_t)0)
#define MEMORY_OBJECT_NAME_NULL ((memory_object_name_t)0)

#endif
