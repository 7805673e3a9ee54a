/* What vm_copyin.c has for vm_copy.c alone. */
#ifndef MACHOOL_VM_COPYIN_H
#define MACHOOL_VM_COPYIN_H

#include "vm/vm_copy.h"

/* One write into a fresh, sealed object; the kernel reads the source, so a bad one is an error code.
 * 0 or -errno. */
int vm_copyin_object(uintptr_t address, uint32_t size, uint32_t page_offset,
                     struct vm_copy *ret_copy);
/* Bytes taken in by copying, and without. Of a delta the pages written count as copied. */
void vm_copyin_stats(uint64_t *ret_copied, uint64_t *ret_shared);

#endif
