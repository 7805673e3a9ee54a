/* See os_fd.h. */
#include "os/os_fd.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#define BACKLOG 4096

static int new_socket(void)
{
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    int on = 1;
    if (setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof on) < 0) {
        int r = -errno;
        close(fd);
        return r;
    }
    return fd;
}

int os_listen(const struct os_address *address)
{
    int fd = new_socket();
    if (fd < 0)
        return fd;
    if (bind(fd, (const struct sockaddr *)&address->un, address->length) < 0 ||
        listen(fd, BACKLOG) < 0) {
        int r = -errno;
        close(fd);
        return r;
    }
    return fd;
}

int os_connect(const struct os_address *address)
{
    int fd = new_socket();
    if (fd < 0)
        return fd;
    if (connect(fd, (const struct sockaddr *)&address->un, address->length) < 0) {
        int r = -errno;
        close(fd);
        return r;
    }
    return fd;
}

int os_accept(int listener)
{
    int fd;
    do {
        fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    } while (fd < 0 && (errno == EINTR || errno == ECONNABORTED));
    return fd < 0 ? -errno : fd;
}

/* A datagram without company: that is most of them, bells. */
static int send_alone(int fd, const void *data, size_t size)
{
    ssize_t r;
    do { /* as below */
        r = send(fd, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    } while (r < 0 && (errno == EINTR || errno == ECONNRESET));
    return r < 0 ? -errno : 0;
}

int os_send(int fd, const void *data, size_t size, const int *borrow_fds, unsigned count,
            bool with_credentials)
{
    if (count == 0 && !with_credentials)
        return send_alone(fd, data, size);
    struct iovec io = {.iov_base = (void *)(uintptr_t)data, .iov_len = size};
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(OS_FD_MAX * sizeof(int)) + CMSG_SPACE(sizeof(struct ucred))];
    } control;
    struct msghdr msg = {.msg_iov = &io, .msg_iovlen = 1};
    size_t used = 0;
    memset(&control, 0, sizeof control);
    msg.msg_control = control.bytes;
    msg.msg_controllen = sizeof control.bytes;
    struct cmsghdr *at = CMSG_FIRSTHDR(&msg);
    if (count) {
        *at = (struct cmsghdr){.cmsg_level = SOL_SOCKET,
                               .cmsg_type = SCM_RIGHTS,
                               .cmsg_len = CMSG_LEN(count * sizeof(int))};
        memcpy(CMSG_DATA(at), borrow_fds, count * sizeof(int));
        used += CMSG_SPACE(count * sizeof(int));
        at = CMSG_NXTHDR(&msg, at);
    }
    if (with_credentials) {
        struct ucred self = {.pid = getpid(), .uid = geteuid(), .gid = getegid()};
        *at = (struct cmsghdr){.cmsg_level = SOL_SOCKET,
                               .cmsg_type = SCM_CREDENTIALS,
                               .cmsg_len = CMSG_LEN(sizeof self)};
        memcpy(CMSG_DATA(at), &self, sizeof self);
        used += CMSG_SPACE(sizeof self);
    }
    msg.msg_controllen = used;
    ssize_t r;
    do { /* a peer that died with data unread says so by one ECONNRESET, then by EPIPE */
        r = sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
    } while (r < 0 && (errno == EINTR || errno == ECONNRESET));
    return r < 0 ? -errno : 0;
}

/* Sorts the control messages of a datagram into `received`; every descriptor ends up there. */
static void take_control(struct msghdr *msg, struct os_received *received)
{
    for (struct cmsghdr *at = CMSG_FIRSTHDR(msg); at; at = CMSG_NXTHDR(msg, at)) {
        if (at->cmsg_level != SOL_SOCKET)
            continue;
        if (at->cmsg_type == SCM_RIGHTS) {
            unsigned count = (unsigned)((at->cmsg_len - CMSG_LEN(0)) / sizeof(int));
            const char *data = (const char *)CMSG_DATA(at);
            for (unsigned i = 0; i < count; i++) {
                int fd;
                memcpy(&fd, data + i * sizeof fd, sizeof fd);
                if (received->count < OS_FD_MAX)
                    received->fds[received->count++] = fd;
                else
                    close(fd);
            }
        } else if (at->cmsg_type == SCM_CREDENTIALS &&
                   at->cmsg_len >= CMSG_LEN(sizeof(struct ucred))) {
            memcpy(&received->credentials, CMSG_DATA(at), sizeof received->credentials);
            received->has_credentials = true;
        }
    }
}

int os_receive(int fd, void *data, size_t size, struct os_received *ret_received)
{
    struct iovec io = {.iov_base = data, .iov_len = size};
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(OS_FD_MAX * sizeof(int)) + CMSG_SPACE(sizeof(struct ucred))];
    } control;
    struct msghdr msg = {.msg_iov = &io,
                         .msg_iovlen = 1,
                         .msg_control = control.bytes,
                         .msg_controllen = sizeof control.bytes};
    ssize_t r;
    do {
        r = recvmsg(fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    } while (r < 0 && (errno == EINTR || errno == ECONNRESET));
    if (r < 0)
        return -errno;
    ret_received->size = (size_t)r;
    ret_received->count = 0;
    ret_received->has_credentials = false;
    ret_received->lost = (msg.msg_flags & MSG_CTRUNC) != 0;
    take_control(&msg, ret_received);
    return r > 0 || ret_received->count ? 1 : 0;
}

int os_peek(int fd, void *data, size_t size, size_t *ret_size)
{
    ssize_t r;
    do {
        r = recv(fd, data, size, MSG_DONTWAIT | MSG_PEEK);
    } while (r < 0 && (errno == EINTR || errno == ECONNRESET));
    if (r < 0)
        return -errno;
    *ret_size = (size_t)r;
    return r > 0 ? 1 : 0;
}

bool os_hung_up(int fd)
{
    struct pollfd ask = {.fd = fd, .events = POLLRDHUP};
    return poll(&ask, 1, 0) == 1;
}

int os_discard(int fd)
{
    char byte; /* without room for descriptors the kernel closes them */
    ssize_t r;
    do {
        r = recv(fd, &byte, sizeof byte, MSG_DONTWAIT);
    } while (r < 0 && (errno == EINTR || errno == ECONNRESET));
    return r < 0 ? -errno : 0;
}

bool os_fd_headroom(unsigned count)
{
    int fds[OS_FD_MAX];
    unsigned have = 0;
    int probe = open("/", O_PATH | O_CLOEXEC);
    if (probe < 0)
        return false;
    fds[have++] = probe;
    while (have < count && have < OS_FD_MAX) {
        int fd = fcntl(probe, F_DUPFD_CLOEXEC, 0);
        if (fd < 0)
            break;
        fds[have++] = fd;
    }
    bool enough = have >= count || have == OS_FD_MAX;
    os_fd_close_all(fds, have);
    return enough;
}

int os_peer_credentials(int fd, struct ucred *ret_credentials)
{
    socklen_t size = sizeof *ret_credentials;
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, ret_credentials, &size) < 0 ? -errno : 0;
}

void os_fd_close_all(int *take_fds, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        close(take_fds[i]);
        take_fds[i] = -1;
    }
}
