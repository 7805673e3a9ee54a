/* Failing calls: the n-th allocation or system call that a thread makes from now on fails, or is where
 * the process stops.
 *
 * The functions are defined in this program under the names of libc, so the library's calls arrive
 * here first; they pass on to the kernel, or to libc's allocator, unless it is their turn to fail.
 * Only the thread that armed it is affected, and only one call fails. Linux only: the layer, and
 * the way names are bound, are Linux's. */
#ifndef TESTS_FAULT_INJECT_H
#define TESTS_FAULT_INJECT_H

#include <stdbool.h>

/* The call number `nth`, counted from 0, will fail. */
void inject_arm(unsigned nth);
/* It will not fail: the process stops itself (SIGSTOP) just before it, and goes on when it is told to. */
void inject_arm_stop(unsigned nth);
/* No more failures. The name of the call that failed, or NULL if it never came to that. */
const char *inject_disarm(void);

/* Called with each object that is about to be sealed, by whatever thread; true: it is not sealed, and
 * the caller believes it is. NULL: no more. For tasks that lie. */
void inject_before_seals(bool (*hook)(int fd));
/* For the hook: whether the name of the object has that in it. Linux only. */
bool inject_is_named(int fd, const char *part);

#endif
