/* The stand-ins; see inject.h. Each fails with the error that its real namesake gives when the
 * system is short of what it hands out. */
#include "inject.h"

#include "harness/runner.h"

#include <stddef.h>

#ifdef __linux__
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static __thread bool armed;
static __thread bool stops;
static __thread unsigned left;
static __thread const char *failed;
static bool (*before_seals)(int fd);

void inject_before_seals(bool (*hook)(int fd))
{
    before_seals = hook;
}

bool inject_is_named(int fd, const char *part)
{
    char link[64], path[64];
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    ssize_t length = ASSERT_SYS(readlink(link, path, sizeof(path) - 1));
    path[length] = '\0';
    return strstr(path, part) != NULL;
}

void inject_arm(unsigned nth)
{
    left = nth;
    failed = NULL;
    stops = false;
    armed = true;
}

void inject_arm_stop(unsigned nth)
{
    inject_arm(nth);
    stops = true;
}

const char *inject_disarm(void)
{
    armed = false;
    return failed;
}

/* Whether the call that asks is the one to fail. */
static bool turn(const char *name, int error)
{
    if (!armed || left-- > 0)
        return false;
    armed = false;
    failed = name;
    if (stops)
        raise(SIGSTOP);
    errno = stops ? errno : error;
    return !stops;
}

/* The allocator that would have been called, under its second name: libc's, or the sanitizer's. */
#ifdef __SANITIZE_ADDRESS__
#define REAL(name) __interceptor_##name
#else
#define REAL(name) __libc_##name
#endif
void *REAL(malloc)(size_t size);
void *REAL(calloc)(size_t count, size_t size);
void *REAL(realloc)(void *memory, size_t size);

void *malloc(size_t size)
{
    return turn("malloc", ENOMEM) ? NULL : REAL(malloc)(size);
}

void *calloc(size_t count, size_t size)
{
    return turn("calloc", ENOMEM) ? NULL : REAL(calloc)(count, size);
}

void *realloc(void *memory, size_t size)
{
    return turn("realloc", ENOMEM) ? NULL : REAL(realloc)(memory, size);
}

void *mmap(void *address, size_t size, int protection, int flags, int fd, off_t offset)
{
    if (turn("mmap", ENOMEM))
        return MAP_FAILED;
    return (void *)syscall(SYS_mmap, address, size, protection, flags, fd, offset);
}

int memfd_create(const char *name, unsigned flags)
{
    return turn("memfd_create", EMFILE) ? -1 : (int)syscall(SYS_memfd_create, name, flags);
}

int ftruncate(int fd, off_t size)
{
    return turn("ftruncate", ENOSPC) ? -1 : (int)syscall(SYS_ftruncate, fd, size);
}

void *mremap(void *from, size_t size, size_t new_size, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    void *to = flags & MREMAP_FIXED ? va_arg(arguments, void *) : NULL;
    va_end(arguments);
    if (turn("mremap", ENOMEM))
        return MAP_FAILED;
    return (void *)syscall(SYS_mremap, from, size, new_size, flags, to);
}

int fallocate(int fd, int mode, off_t offset, off_t size)
{
    return turn("fallocate", ENOSPC) ? -1 : (int)syscall(SYS_fallocate, fd, mode, offset, size);
}

ssize_t pwrite(int fd, const void *bytes, size_t size, off_t offset)
{
    return turn("pwrite", ENOSPC) ? -1 : (ssize_t)syscall(SYS_pwrite64, fd, bytes, size, offset);
}

ssize_t pread(int fd, void *bytes, size_t size, off_t offset)
{
    return turn("pread", ENOMEM) ? -1 : (ssize_t)syscall(SYS_pread64, fd, bytes, size, offset);
}

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset)
{
    if (turn("pwritev", ENOSPC))
        return -1;
    return (ssize_t)syscall(SYS_pwritev, fd, parts, count, offset, 0);
}

ssize_t preadv(int fd, const struct iovec *parts, int count, off_t offset)
{
    if (turn("preadv", ENOMEM))
        return -1;
    return (ssize_t)syscall(SYS_preadv, fd, parts, count, offset, 0);
}

ssize_t process_vm_readv(pid_t pid, const struct iovec *local, unsigned long locals,
                         const struct iovec *remote, unsigned long remotes, unsigned long flags)
{
    if (turn("process_vm_readv", ENOMEM))
        return -1;
    return (ssize_t)syscall(SYS_process_vm_readv, pid, local, locals, remote, remotes, flags);
}

int open(const char *path, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    int mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(arguments, int) : 0;
    va_end(arguments);
    return turn("open", EMFILE) ? -1 : (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

/* Duplicates and seals can fail; the rest only asks. */
int fcntl(int fd, int command, ...)
{
    va_list arguments;
    va_start(arguments, command);
    void *argument = va_arg(arguments, void *);
    va_end(arguments);
    if (command == F_DUPFD_CLOEXEC && turn("fcntl(F_DUPFD_CLOEXEC)", EMFILE))
        return -1;
    if (command == F_ADD_SEALS && turn("fcntl(F_ADD_SEALS)", EBUSY))
        return -1;
    if (command == F_ADD_SEALS && before_seals != NULL && before_seals(fd))
        return 0;
    return (int)syscall(SYS_fcntl, fd, command, argument);
}

/* Newer kernels answer questions about mappings; older ones know no such request. */
int ioctl(int fd, unsigned long request, ...)
{
    va_list arguments;
    va_start(arguments, request);
    void *argument = va_arg(arguments, void *);
    va_end(arguments);
    return turn("ioctl", ENOTTY) ? -1 : (int)syscall(SYS_ioctl, fd, request, argument);
}

int socket(int domain, int type, int protocol)
{
    return turn("socket", EMFILE) ? -1 : (int)syscall(SYS_socket, domain, type, protocol);
}

int bind(int fd, const struct sockaddr *address, socklen_t size)
{
    return turn("bind", ENOMEM) ? -1 : (int)syscall(SYS_bind, fd, address, size);
}

int listen(int fd, int backlog)
{
    return turn("listen", ENOMEM) ? -1 : (int)syscall(SYS_listen, fd, backlog);
}

int connect(int fd, const struct sockaddr *address, socklen_t size)
{
    return turn("connect", EAGAIN) ? -1 : (int)syscall(SYS_connect, fd, address, size);
}

int accept4(int fd, struct sockaddr *address, socklen_t *size, int flags)
{
    return turn("accept4", EMFILE) ? -1 : (int)syscall(SYS_accept4, fd, address, size, flags);
}

/* Only what carries descriptors can be refused: too many of them in flight. All others may stop. */
ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    const struct cmsghdr *control = CMSG_FIRSTHDR(message);
    bool refusable = control != NULL && control->cmsg_type == SCM_RIGHTS;
    if ((refusable || stops) && turn("sendmsg", ETOOMANYREFS))
        return -1;
    return (ssize_t)syscall(SYS_sendmsg, fd, message, flags);
}

ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
    return turn("recvmsg", ENOMEM) ? -1 : (ssize_t)syscall(SYS_recvmsg, fd, message, flags);
}

int epoll_create1(int flags)
{
    return turn("epoll_create1", EMFILE) ? -1 : (int)syscall(SYS_epoll_create1, flags);
}

int epoll_ctl(int fd, int operation, int target, struct epoll_event *event)
{
    if (operation == EPOLL_CTL_ADD && turn("epoll_ctl(ADD)", ENOSPC))
        return -1;
    return (int)syscall(SYS_epoll_ctl, fd, operation, target, event);
}

int eventfd(unsigned value, int flags)
{
    return turn("eventfd", EMFILE) ? -1 : (int)syscall(SYS_eventfd2, value, flags);
}

#else

void inject_before_seals(bool (*hook)(int fd))
{
    (void)hook;
}

void inject_arm(unsigned nth)
{
    (void)nth;
}

void inject_arm_stop(unsigned nth)
{
    (void)nth;
}

const char *inject_disarm(void)
{
    return NULL;
}

#endif
