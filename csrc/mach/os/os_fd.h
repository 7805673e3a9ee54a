/* Sockets that carry datagrams, descriptors and credentials.
 *
 * Every descriptor is close-on-exec from birth and every socket non-blocking. A receive either
 * hands over all descriptors of a datagram or says that some were lost; surplus ones are closed
 * before it returns. Functions return a value >= 0 or -errno; none takes a lock. */
#ifndef MACHOOL_OS_FD_H
#define MACHOOL_OS_FD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>

#define OS_FD_MAX 253 /* descriptors in one datagram: the kernel's SCM_MAX_FD */

struct os_address {
    socklen_t length; /* of the used part of `un`; 0: none */
    struct sockaddr_un un;
};

/* A listening SEQPACKET socket at that address whose accepted sockets report credentials. */
int os_listen(const struct os_address *address);

/* A connected SEQPACKET socket, never waiting: -EAGAIN when the backlog is full, -ECONNREFUSED
 * when nobody listens. */
int os_connect(const struct os_address *address);

/* The next connection, or -EAGAIN. */
int os_accept(int listener);

/* Sends one datagram with copies of `count` descriptors (the caller keeps its own) and, when
 * asked, this process's credentials. Never waits. 0 or -errno. */
int os_send(int fd, const void *data, size_t size, const int *borrow_fds, unsigned count,
            bool with_credentials);

struct os_received {
    size_t size;    /* bytes of the datagram that fit */
    unsigned count; /* descriptors now owned by the caller */
    int fds[OS_FD_MAX];
    bool lost;            /* the kernel could not install all descriptors */
    bool has_credentials; /* `credentials` is valid */
    struct ucred credentials;
};

/* Takes the next datagram: 1, 0 at the end of the stream, -EAGAIN, or another -errno. A pending
 * reset is passed over, since datagrams may still be queued behind it. */
int os_receive(int fd, void *data, size_t size, struct os_received *ret_received);

/* Looks at the next datagram without taking it or its descriptors; results as os_receive, the
 * datagram's size in *ret_size. */
int os_peek(int fd, void *data, size_t size, size_t *ret_size);

/* Whether the other end is closed, whatever is still to be read. */
bool os_hung_up(int fd);

/* Takes the next datagram and throws it away, whatever came with it. 0 or -errno. */
int os_discard(int fd);

/* Whether `count` more descriptors can be opened now. */
bool os_fd_headroom(unsigned count);

/* Process, user and group at the other end, as the kernel noted them at connect or listen. */
int os_peer_credentials(int fd, struct ucred *ret_credentials);

void os_fd_close_all(int *take_fds, unsigned count);

#endif
