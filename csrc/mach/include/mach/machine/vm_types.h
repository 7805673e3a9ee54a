/*
 * The integers that everything else is made of.
 *
 * The widths are Darwin's for 64-bit programs. The 64-bit types are uint64_t, so that they mix with
 * it and with each other by pointer as they do there; for Linux that is unsigned long: print them
 * with PRIx64, or cast, where Darwin's programs may say %llx.
 */
#ifndef MACHOOL_MACH_MACHINE_VM_TYPES_H
#define MACHOOL_MACH_MACHINE_VM_TYPES_H

#include <stdint.h>

#if !defined(__LP64__)
#error "the Mach layer is for 64-bit programs"
#endif

typedef unsigned int natural_t; /* the word of messages, 32 bits */
typedef int integer_t;

/* Addresses and sizes of the caller's own memory. */
typedef uintptr_t vm_offset_t;
typedef uintptr_t vm_size_t;

/* The same for any task's memory. */
typedef uint64_t mach_vm_address_t;
typedef uint64_t mach_vm_offset_t;
typedef uint64_t mach_vm_size_t;

typedef uint64_t vm_map_offset_t;
typedef uint64_t vm_map_address_t;
typedef uint64_t vm_map_size_t;

typedef vm_offset_t mach_port_context_t;

#endif
