/*
 * The page of the running system. Never a constant here: Linux knows 4, 16 and 64 KiB.
 */
#ifndef MACHOOL_MACH_VM_PARAM_H
#define MACHOOL_MACH_VM_PARAM_H

#include <mach/vm_page_size.h>

/* The names belong to the C library too (sys/user.h): what it has defined stays. */
#ifndef PAGE_SIZE
#define PAGE_SIZE vm_page_size
#endif

#ifndef PAGE_MASK
#define PAGE_MASK (PAGE_SIZE - 1)
#endif

#ifndef PAGE_SHIFT
#define PAGE_SHIFT vm_page_shift
#endif

#endif
