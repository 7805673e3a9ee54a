/*
 * Flags of allocation and mapping.
 */
#ifndef MACHOOL_MACH_VM_STATISTICS_H
#define MACHOOL_MACH_VM_STATISTICS_H

#include <mach/kern_return.h>
#include <mach/machine/vm_types.h>

#define VM_FLAGS_FIXED 0x00000000       /* at the address given, if that is free */
#define VM_FLAGS_ANYWHERE 0x00000001    /* wherever there is room; the address given is ignored */
#define VM_FLAGS_PURGABLE 0x00000002    /* accepted; the layer never purges */
#define VM_FLAGS_4GB_CHUNK 0x00000004   /* accepted */
#define VM_FLAGS_RANDOM_ADDR 0x00000008 /* accepted; placement is the system's */
#define VM_FLAGS_NO_CACHE 0x00000010    /* accepted */
#define VM_FLAGS_RESILIENT_CODESIGN 0x00000020
#define VM_FLAGS_RESILIENT_MEDIA 0x00000040
#define VM_FLAGS_PERMANENT 0x00000080
#define VM_FLAGS_OVERWRITE 0x00004000 /* with FIXED: replaces what is there */
#define VM_FLAGS_SUPERPAGE_MASK 0x00070000
#define VM_FLAGS_RETURN_DATA_ADDR 0x00100000
#define VM_FLAGS_RETURN_4K_DATA_ADDR 0x00800000
#define VM_FLAGS_ALIAS_MASK 0xFF000000 /* a tag for the owner's own accounting, ignored */

#define VM_GET_FLAGS_ALIAS(flags, alias) (alias) = (((flags) >> 24) & 0xff)
#define VM_SET_FLAGS_ALIAS(flags, alias)                                                           \
    (flags) = (((flags) & ~VM_FLAGS_ALIAS_MASK) | (((alias) & ~VM_FLAGS_ALIAS_MASK) << 24))
#define VM_MAKE_TAG(tag) ((int)((unsigned)(tag) << 24))

/* Tags that programs pass. */
#define VM_MEMORY_MALLOC 1
#define VM_MEMORY_MALLOC_SMALL 2
#define VM_MEMORY_MALLOC_LARGE 3
#define VM_MEMORY_MALLOC_HUGE 4
#define VM_MEMORY_SBRK 5
#define VM_MEMORY_REALLOC 6
#define VM_MEMORY_MALLOC_TINY 7
#define VM_MEMORY_MACH_MSG 20
#define VM_MEMORY_IOKIT 21
#define VM_MEMORY_STACK 30
#define VM_MEMORY_GUARD 31
#define VM_MEMORY_SHARED_PMAP 32
#define VM_MEMORY_DYLIB 33
#define VM_MEMORY_APPLICATION_SPECIFIC_1 240
#define VM_MEMORY_APPLICATION_SPECIFIC_16 255

#endif
