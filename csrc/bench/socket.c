/*
 * A SEQPACKET socket, both ends of which block: what a message costs whose receiver sleeps, and what
 * the kernel's two copies cost.
 */
#define _GNU_SOURCE
#include "pair.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PRODUCER, CONSUMER };

static int socket_open(struct bench_pair *pair)
{
    pair->source = pair_memory_own(pair);
    pair->sink = pair_memory_shared(pair);
    if (!pair->source || !pair->sink)
        return ENOMEM;
    return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair->socket) ? errno : 0;
}

static int close_end(struct bench_pair *pair, int end)
{
    (void)close(pair->socket[end]);
    pair->socket[end] = -1;
    return 0;
}

static int socket_open_consumer(struct bench_pair *pair)
{
    return close_end(pair, PRODUCER);
}

static int socket_open_producer(struct bench_pair *pair)
{
    return close_end(pair, CONSUMER);
}

static int send_whole(int fd, const void *from, size_t size)
{
    return send(fd, from, size, MSG_NOSIGNAL) == (ssize_t)size ? 0 : EIO;
}

static int socket_step(struct bench_pair *pair, unsigned char value, uint64_t *ret_seen)
{
    int fd = pair->socket[PRODUCER];
    pair_fill(pair, pair->source, value);
    int error = send_whole(fd, pair->source, pair->size);
    if (!error && recv(fd, ret_seen, sizeof *ret_seen, 0) != sizeof *ret_seen)
        error = ECHILD;
    return error;
}

static int socket_take(struct bench_pair *pair)
{
    int fd = pair->socket[CONSUMER];
    if (recv(fd, pair->sink, pair->size, 0) != (ssize_t)pair->size)
        return EIO;
    uint64_t seen = pair_read(pair, pair->sink);
    return send_whole(fd, &seen, sizeof seen);
}

static void socket_close(struct bench_pair *pair)
{
    for (int end = 0; end < 2; end++)
        if (pair->socket[end] >= 0)
            (void)close_end(pair, end);
}

const struct way socket_copy = {socket_open, socket_open_consumer, socket_open_producer,
                                socket_step, socket_take,          socket_close,
                                false};
