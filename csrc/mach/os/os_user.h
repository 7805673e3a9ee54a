/* Whether a program's message buffer can be read or written (S59, S92): a wild pointer is to give a
 * code, not a signal.
 *
 * The kernel is asked to have the pages present, which it refuses for memory that is not there.
 * Buffers on the caller's own stack or in the
 * brk heap, as most are, need no question. Where the kernel does not know
 * the advice (before 5.14), only the two ends of the buffer are looked at. */
#ifndef MACHOOL_OS_USER_H
#define MACHOOL_OS_USER_H

#include <stdbool.h>
#include <stddef.h>

bool os_user_readable(const void *at, size_t size);
bool os_user_writable(void *at, size_t size);

#endif
