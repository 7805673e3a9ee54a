/*
 * The page size, and rounding to it.
 */
#ifndef MACHOOL_MACH_VM_PAGE_SIZE_H
#define MACHOOL_MACH_VM_PAGE_SIZE_H

#include <mach/mach_types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Set before main() runs; to be read only. */
extern vm_size_t vm_page_size;
extern vm_size_t vm_page_mask; /* vm_page_size - 1 */
extern int vm_page_shift;      /* its logarithm */

#ifdef __cplusplus
}
#endif

#define trunc_page(x) ((x) & (~(vm_page_size - 1)))
#define round_page(x) trunc_page((x) + (vm_page_size - 1))

#define mach_vm_trunc_page(x) ((mach_vm_offset_t)(x) & ~(mach_vm_offset_t)vm_page_mask)
#define mach_vm_round_page(x)                                                                      \
    (((mach_vm_offset_t)(x) + vm_page_mask) & ~(mach_vm_offset_t)vm_page_mask)

#endif
