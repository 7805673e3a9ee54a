/* See os_memfd.h. */
#include "os/os_memfd.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008u
#endif

int os_memfd_new(const char *name)
{
    int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
    if (fd < 0 && errno == EINVAL) /* before Linux 6.3 */
        fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    return fd < 0 ? -errno : fd;
}

int os_memfd_resize(int fd, uint64_t size)
{
    struct rlimit limit;
    if (size > INT64_MAX)
        return -EFBIG;
    if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY &&
        size > limit.rlim_cur)
        return -EFBIG; /* the kernel would send SIGXFSZ */
    return ftruncate(fd, (off_t)size) < 0 ? -errno : 0;
}

int os_memfd_reserve(int fd, uint64_t offset, uint64_t size)
{
    int r;
    do {
        r = fallocate(fd, FALLOC_FL_KEEP_SIZE, (off_t)offset, (off_t)size);
    } while (r < 0 && errno == EINTR);
    return r < 0 ? -errno : 0;
}

int os_memfd_write(int fd, const void *from, uint64_t size, uint64_t offset)
{
    const char *at = from;
    while (size > 0) {
        ssize_t r = pwrite(fd, at, size, (off_t)offset);
        if (r < 0 && errno == EINTR)
            continue;
        if (r <= 0)
            return r < 0 ? -errno : -EIO;
        at += r;
        offset += (uint64_t)r;
        size -= (uint64_t)r;
    }
    return 0;
}

int os_memfd_read(int fd, void *to, uint64_t size, uint64_t offset)
{
    char *at = to;
    while (size > 0) {
        ssize_t r = pread(fd, at, size, (off_t)offset);
        if (r < 0 && errno == EINTR)
            continue;
        if (r <= 0)
            return r < 0 ? -errno : -EIO;
        at += r;
        offset += (uint64_t)r;
        size -= (uint64_t)r;
    }
    return 0;
}

int os_memfd_seal(int fd, int seals)
{
    return fcntl(fd, F_ADD_SEALS, seals) < 0 ? -errno : 0;
}

int os_memfd_verify(int fd, int seals, uint64_t size_at_least)
{
    struct stat status;
    int have = fcntl(fd, F_GET_SEALS);
    if (have < 0 || (have & seals) != seals)
        return -EBADMSG;
    if (fstat(fd, &status) < 0 || status.st_size < 0 || (uint64_t)status.st_size < size_at_least)
        return -EBADMSG;
    return 0;
}
