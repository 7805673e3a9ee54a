/* See os_user.h. */
#include "os/os_user.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
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

/* Where the brk heap starts: field 47 of /proc/self/stat; the highest address if unknown. */
static uintptr_t find_heap(void)
{
    char text[1024];
    int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
    ssize_t size = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        close(fd);
    text[size > 0 ? size : 0] = 0;
    const char *at = strrchr(text, ')'); /* the name before it may hold anything */
    for (int field = 2; at && field < 47; field++)
        at = strchr(at + 1, ' ');
    uintptr_t start = at ? (uintptr_t)strtoull(at, NULL, 10) : 0;
    return start ? start : UINTPTR_MAX;
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

/* In the brk heap, which malloc keeps readable and writable as a whole. Its start is found once. */
static bool on_heap(uintptr_t start, uintptr_t end)
{
    static _Atomic uintptr_t heap;
    uintptr_t from = atomic_load_explicit(&heap, memory_order_relaxed);
    if (!from) {
        from = find_heap();
        atomic_store_explicit(&heap, from, memory_order_relaxed);
    }
    return start >= from && end > start && end <= (uintptr_t)sbrk(0);
}

static bool present(const void *at, size_t size, int advice)
{
    uintptr_t start = (uintptr_t)at, end;
    if (size == 0)
        return true;
    if (__builtin_add_overflow(start, size, &end))
        return false;
    if (on_stack(start, end) || on_heap(start, end))
        return true;
    start &= ~((uintptr_t)sysconf(_SC_PAGESIZE) - 1);
    int r;
    do {
        r = madvise((void *)start, end - start, advice);
    } while (r < 0 && errno == EINTR);
    if (r < 0 &&
        errno == EINVAL) /* protected, special, or a kernel before 5.14: look at the ends */
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
