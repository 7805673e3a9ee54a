/* For tests of what is done on kernels, and in sandboxes, that lack something. A program includes it
 * once, after vm_kit.h. */
#ifndef MACHOOL_TESTS_UNIT_KERNEL_KIT_H
#define MACHOOL_TESTS_UNIT_KERNEL_KIT_H

#include <stdarg.h>
#include <sys/syscall.h>

static bool old_kernel; /* knows none of the requests on files of /proc */
static bool no_pagemap;

int ioctl(int fd, unsigned long request, ...)
{
    va_list arguments;
    va_start(arguments, request);
    void *argument = va_arg(arguments, void *);
    va_end(arguments);
    if (old_kernel) {
        errno = ENOTTY;
        return -1;
    }
    return (int)syscall(SYS_ioctl, fd, request, argument);
}

int open(const char *path, int flags, ...)
{
    if (no_pagemap && strstr(path, "pagemap")) {
        errno = EACCES;
        return -1;
    }
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags, 0);
}

#endif
