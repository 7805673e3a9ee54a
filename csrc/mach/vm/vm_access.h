/* Looking at memory of any origin, and copying it, without ever raising a signal: what the calls
 * that take addresses need (S178-S180).
 *
 * The kernel is asked before, for the right code, and copies itself, so that a range which changes
 * in between is a code as well. No locks. */
#ifndef MACHOOL_VM_ACCESS_H
#define MACHOOL_VM_ACCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whether [start, start + size) is one range of mapped memory with at least these PROT_ bits: 0,
 * -EFAULT (a hole) or -EACCES (a protection), whichever comes first. Where the kernel does not tell,
 * 0: the access will show it. */
int vm_access_check(uintptr_t start, size_t size, int protection);

/* Copies `size` bytes as memmove does. 0, -EFAULT, or another -errno for want of something. */
int vm_access_copy(uintptr_t to, uintptr_t from, size_t size);

#endif
