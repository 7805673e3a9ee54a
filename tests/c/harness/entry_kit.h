/* For tests of memory entries: made, mapped, compared. Uses the standard headers alone. */
#ifndef TESTS_HARNESS_ENTRY_KIT_H
#define TESTS_HARNESS_ENTRY_KIT_H

#include "mach_kit.h"

#define RW (VM_PROT_READ | VM_PROT_WRITE)

/* An entry of exactly this size. */
mach_port_t kit_entry(const void *address, size_t size, vm_prot_t permission);
/* Anywhere; *ret_at is left alone when it fails. */
kern_return_t kit_try_map(void **ret_at, mach_port_t entry, size_t size, size_t offset, bool copy,
                          vm_prot_t current, vm_prot_t maximum);
/* To be read and written. */
char *kit_map(mach_port_t entry, size_t size, size_t offset, bool copy);
/* Each sees what the other writes. */
void kit_assert_shared(char *a, char *b, size_t size);

#endif
