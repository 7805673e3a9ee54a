/* Work on a range of memory that may hold the stack of the thread which does it. */
#ifndef MACHOOL_OS_STILL_H
#define MACHOOL_OS_STILL_H

#include <stdint.h>

/* Calls `work`. If this thread's stack is in [start, end), the call is made on a stack of its own
 * while this thread stands still in the kernel, so that nothing of its stack changes meanwhile;
 * `work` must then be content with system calls. 0, or -errno and no call was made. */
int os_still_run(uintptr_t start, uintptr_t end, void (*work)(void *), void *argument);

#endif
