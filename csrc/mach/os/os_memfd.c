/* See os_memfd.h. */
#include "os/os_memfd.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008u
#endif
#define FS_TMPFS 0x01021994 /* what fstatfs calls a memfd of ordinary pages */

/* A signal undoes a fallocate under way: pieces small enough to get done between two ticks of a
 * profiler, and smaller still when even they do not. */
#define RESERVE_PIECE ((uint64_t)2 << 20)
#define RESERVE_LEAST ((uint64_t)64 << 10)

int os_memfd_new(const char *name)
{
    int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
    if (fd < 0 && errno == EINVAL) /* before Linux 6.3 */
        fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    return fd < 0 ? -errno : fd;
}

/* The kernel would send SIGXFSZ. */
static bool too_large(uint64_t size)
{
    struct rlimit limit;
    return size > INT64_MAX || (getrlimit(RLIMIT_FSIZE, &limit) == 0 &&
                                limit.rlim_cur != RLIM_INFINITY && size > limit.rlim_cur);
}

int os_memfd_resize(int fd, uint64_t size)
{
    if (too_large(size))
        return -EFBIG;
    return ftruncate(fd, (off_t)size) < 0 ? -errno : 0;
}

int os_memfd_reserve(int fd, uint64_t offset, uint64_t size)
{
    uint64_t piece = RESERVE_PIECE;
    while (size > 0) {
        uint64_t part = size < piece ? size : piece;
        if (fallocate(fd, FALLOC_FL_KEEP_SIZE, (off_t)offset, (off_t)part) < 0) {
            if (errno != EINTR)
                return -errno;
            piece = piece / 2 > RESERVE_LEAST ? piece / 2 : RESERVE_LEAST;
            continue;
        }
        offset += part;
        size -= part;
    }
    return 0;
}

/* Whole pages of the program's are written, stack among them: an address sanitizer that looked at
 * them would object to what lies between its variables. */
static ssize_t write_pages(int fd, const void *from, size_t size, off_t offset)
{
#ifdef __SANITIZE_ADDRESS__
    return syscall(SYS_pwrite64, fd, from, size, offset);
#else
    return pwrite(fd, from, size, offset);
#endif
}

int os_memfd_write(int fd, const void *from, uint64_t size, uint64_t offset)
{
    const char *at = from;
    uint64_t end;
    if (__builtin_add_overflow(offset, size, &end) || too_large(end))
        return -EFBIG;
    while (size > 0) {
        ssize_t r = write_pages(fd, at, size, (off_t)offset);
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

#define PLACES_MOST ((size_t)1024) /* in one call: IOV_MAX */

/* Whole pages of the program's once more, which its threads may write to at the time (S76). */
static ssize_t move_pages(int fd, bool write, const struct iovec *places, int count, off_t offset)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return syscall(write ? SYS_pwritev : SYS_preadv, fd, places, (long)count, (long)offset, 0L);
#else
    return write ? pwritev(fd, places, count, offset) : preadv(fd, places, count, offset);
#endif
}

static int move_all(int fd, bool write, struct iovec *places, size_t count, uint64_t offset)
{
    while (count > 0) {
        size_t part = count < PLACES_MOST ? count : PLACES_MOST;
        ssize_t r = move_pages(fd, write, places, (int)part, (off_t)offset);
        if (r < 0 && errno == EINTR)
            continue;
        if (r <= 0)
            return r < 0 ? -errno : -EIO;
        offset += (uint64_t)r;
        for (size_t left = (size_t)r; left > 0;) {
            size_t taken = left < places->iov_len ? left : places->iov_len;
            places->iov_base = (char *)places->iov_base + taken;
            places->iov_len -= taken;
            left -= taken;
            if (places->iov_len == 0) {
                places++;
                count--;
            }
        }
    }
    return 0;
}

int os_memfd_gather(int fd, struct iovec *use_places, size_t count, uint64_t offset)
{
    uint64_t end = offset;
    for (size_t i = 0; i < count; i++)
        end += use_places[i].iov_len;
    return too_large(end) ? -EFBIG : move_all(fd, true, use_places, count, offset);
}

int os_memfd_scatter(int fd, struct iovec *use_places, size_t count, uint64_t offset)
{
    return move_all(fd, false, use_places, count, offset);
}

int os_memfd_seal(int fd, int seals)
{
    return fcntl(fd, F_ADD_SEALS, seals) < 0 ? -errno : 0;
}

int os_memfd_verify(int fd, int seals, uint64_t size_at_least)
{
    struct stat status;
    struct statfs filesystem;
    int have = fcntl(fd, F_GET_SEALS);
    if (have < 0 || (have & seals) != seals)
        return -EBADMSG;
    /* Huge pages have seals as well, but a mapping of them is longer than was asked for: it would
     * cover what lies behind it. */
    if (fstatfs(fd, &filesystem) < 0 || filesystem.f_type != FS_TMPFS)
        return -EBADMSG;
    if (fstat(fd, &status) < 0 || status.st_size < 0 || (uint64_t)status.st_size < size_at_least)
        return -EBADMSG;
    return 0;
}

bool os_memfd_is_backed(int fd)
{
    struct stat status;
    return fstat(fd, &status) == 0 && status.st_blocks >= (status.st_size + 511) / 512;
}

int os_memfd_identify(int fd, struct os_memfd_id *ret_id)
{
    struct stat status;
    if (fstat(fd, &status) < 0)
        return -errno;
    *ret_id = (struct os_memfd_id){.device = status.st_dev, .inode = status.st_ino};
    return 0;
}

bool os_memfd_is(int fd, const struct os_memfd_id *id)
{
    struct os_memfd_id now;
    return os_memfd_identify(fd, &now) == 0 && now.device == id->device && now.inode == id->inode;
}

int os_memfd_sealed(const char *name, const void *bytes, uint64_t size)
{
    int fd = os_memfd_new(name);
    int r = fd < 0 ? fd : os_memfd_write(fd, bytes, size, 0);
    if (r == 0)
        r = os_memfd_seal(fd, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
    if (r < 0 && fd >= 0)
        close(fd);
    return r < 0 ? r : fd;
}
