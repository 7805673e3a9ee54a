/* See os_user.h. */
#include "os/os_user.h"

#include <errno.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif

#define STACK_NEAR ((uintptr_t)65536)

/* Above the current frame and near it: the stack of this thread. */
static bool on_stack(uintptr_t start, uintptr_t end)
{
    uintptr_t frame = (uintptr_t)__builtin_frame_address(0);
    return start >= frame && end - frame <= STACK_NEAR && end >= start;
}

/* Reads one byte, and writes it back if `write`, through the kernel. */
static bool touch(uintptr_t at, bool write)
{
    char byte;
    struct iovec local = {.iov_base = &byte, .iov_len = 1};
    struct iovec remote = {.iov_base = (void *)at, .iov_len = 1};
    pid_t self = getpid();
    return process_vm_readv(self, &local, 1, &remote, 1, 0) == 1 &&
           (!write || process_vm_writev(self, &local, 1, &remote, 1, 0) == 1);
}

static bool present(const void *at, size_t size, int advice)
{
    uintptr_t start = (uintptr_t)at, end;
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    if (size == 0)
        return true;
    if (__builtin_add_overflow(start, size, &end))
        return false;
    if (on_stack(start, end))
        return true;
    start &= ~(page - 1);
    int r;
    do {
        r = madvise((void *)start, end - start, advice);
    } while (r < 0 && errno == EINTR);
    if (r < 0 && errno == EINVAL) /* protected, special, or a kernel before 5.14: look at the ends */
        return touch((uintptr_t)at, advice == MADV_POPULATE_WRITE) &&
               touch(end - 1, advice == MADV_POPULATE_WRITE);
    return r == 0 || (errno != ENOMEM && errno != EFAULT);
}

bool os_user_readable(const void *at, size_t size)
{
    return present(at, size, MADV_POPULATE_READ);
}

bool os_user_writable(void *at, size_t size)
{
    return present(at, size, MADV_POPULATE_WRITE);
}
