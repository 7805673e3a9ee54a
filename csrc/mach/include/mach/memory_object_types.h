/*
 * Offsets and sizes within a memory object. uint64_t, like mach_vm_size_t: the two mix by pointer.
 */
#ifndef MACHOOL_MACH_MEMORY_OBJECT_TYPES_H
#define MACHOOL_MACH_MEMORY_OBJECT_TYPES_H

#include <stdint.h>

#include <mach/machine/vm_types.h>
#include <mach/port.h>
#include <mach/vm_prot.h>

typedef uint64_t memory_object_offset_t;
typedef uint64_t memory_object_size_t;
typedef uint64_t vm_object_id_t;

typedef mach_port_t memory_object_t;
typedef mach_port_t memory_object_name_t;

/* Bits beside the protection when a memory entry is made. */
#define MAP_MEM_PROT_MASK 0xFF
#define MAP_MEM_LEDGER_TAGGED 0x002000        /* accepted */
#define MAP_MEM_PURGABLE_KERNEL_ONLY 0x004000 /* accepted */
#define MAP_MEM_GRAB_SECLUDED 0x008000        /* accepted */
#define MAP_MEM_ONLY 0x010000                 /* makes nothing: caching of the parent, accepted */
#define MAP_MEM_NAMED_CREATE 0x020000         /* of fresh, zero-filled memory */
#define MAP_MEM_PURGABLE 0x040000             /* accepted; the layer never purges */
#define MAP_MEM_NAMED_REUSE 0x080000          /* accepted; the entry is a new one */
#define MAP_MEM_USE_DATA_ADDR 0x100000        /* remembers where in its page the memory begins */
#define MAP_MEM_VM_COPY 0x200000              /* of a copy of the memory */
#define MAP_MEM_VM_SHARE 0x400000             /* of all the memory, whatever its objects */
#define MAP_MEM_4K_DATA_ADDR 0x800000         /* the same in units of 4 KiB */
#define MAP_MEM_FLAGS_MASK 0x00FFFF00
#define MAP_MEM_FLAGS_USER                                                                         \
    (MAP_MEM_PURGABLE_KERNEL_ONLY | MAP_MEM_GRAB_SECLUDED | MAP_MEM_ONLY | MAP_MEM_NAMED_CREATE |  \
     MAP_MEM_PURGABLE | MAP_MEM_NAMED_REUSE | MAP_MEM_USE_DATA_ADDR | MAP_MEM_VM_COPY |            \
     MAP_MEM_VM_SHARE | MAP_MEM_LEDGER_TAGGED | MAP_MEM_4K_DATA_ADDR)

/* And ways of caching, in the upper byte: accepted. */
#define MAP_MEM_NOOP 0
#define MAP_MEM_COPYBACK 1
#define MAP_MEM_IO 2
#define MAP_MEM_WTHRU 3
#define MAP_MEM_WCOMB 4
#define MAP_MEM_INNERWBACK 5
#define GET_MAP_MEM(flags) ((((unsigned int)(flags)) >> 24) & 0xFF)
#define SET_MAP_MEM(caching, flags)                                                                \
    ((flags) = (vm_prot_t)((((unsigned int)(caching)) << 24) & 0xFF000000u) | (flags))

#define MEMORY_OBJECT_NULL ((memory_object_t)0)
#define MEMORY_OBJECT_NAME_NULL ((memory_object_name_t)0)

#endif
