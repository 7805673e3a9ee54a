/* Channels: bells and descriptors in a socket that holds few of either. The engine and the ledgers are
 * played. */
#include "check.h"

#include "ipc/ipc_engine.h"
#include "os/os_fd.h"
#include "vm/vm_loan.h"
#include "wire/wire_channel.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ROUNDS 2000
#define DESCRIPTORS 200 /* that must have room beside the bells */

/* ---- what a channel wants of others ------------------------------------------------------- */

static unsigned woken;

void ipc_engine_wake_all(struct util_link *waiters)
{
    (void)waiters;
    woken++;
}

void ipc_engine_rang(void)
{
}

void ipc_engine_cool(struct wire_channel *channel)
{
    (void)channel;
}

void ipc_engine_unwatch(int fd, struct ipc_watch *what)
{
    (void)fd;
    (void)what;
}

int64_t ipc_engine_time(void)
{
    return 0;
}

int64_t ipc_engine_clock(void)
{
    return 0;
}

struct vm_ledger *vm_ledger_new(bool lends, struct lane_loans *loans)
{
    (void)lends;
    return (struct vm_ledger *)(void *)loans;
}

void vm_ledger_unref(struct vm_ledger *ledger)
{
    (void)ledger;
}

void vm_ledger_pair(struct vm_ledger *lends, struct vm_ledger *borrows)
{
    (void)lends;
    (void)borrows;
}

void vm_ledger_close(struct vm_ledger *ledger)
{
    (void)ledger;
}

bool vm_ledger_is_broken(const struct vm_ledger *ledger)
{
    (void)ledger;
    return false;
}

/* ---- two channels, of one socket and one lane --------------------------------------------- */

struct pair {
    struct wire_channel *a, *b;
};

static void nobody_is_welcome(struct wire_channel *channel, const struct wire_datagram *datagram,
                              const struct os_received *received)
{
    (void)channel;
    (void)datagram;
    (void)received;
    CHECK(false);
}

static struct pair open_pair(void)
{
    struct lane maker, adopter;
    int fd, sockets[2];
    CHECK(lane_create(&maker, &fd) == 0 && lane_adopt(&adopter, fd) == 0);
    CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sockets) == 0);
    struct pair pair = {wire_channel_new(sockets[0], &maker),
                        wire_channel_new(sockets[1], &adopter)};
    CHECK(pair.a && pair.b);
    return pair;
}

static void close_pair(struct pair pair)
{
    wire_channel_close(pair.a);
    wire_channel_close(pair.b);
}

static void publish(struct wire_channel *channel, uint64_t token)
{
    CHECK(wire_channel_publish(channel, WIRE_MESSAGE, &token, sizeof token) == 0);
}

/* Reads an entry, and the descriptor that it names. */
static void read_entry(struct wire_channel *channel)
{
    uint16_t kind;
    const void *at;
    size_t size;
    uint64_t token;
    int fd;
    CHECK(lane_peek(&channel->lane.in, &kind, &at, &size) == 1 && kind == WIRE_MESSAGE);
    memcpy(&token, at, sizeof token);
    lane_consume(&channel->lane.in, size);
    if (!token)
        return;
    CHECK(wire_channel_take_fds(channel, token, 1, &fd, nobody_is_welcome) == 0);
    CHECK(close(fd) == 0);
}

/* What a reader does when epoll says that there is something; of how many datagrams it does not say. */
static void event(struct wire_channel *channel)
{
    if (!wire_channel_leave_bell(channel))
        wire_channel_read_socket(channel, true, nobody_is_welcome);
}

/* Sends one descriptor. 0 or -EAGAIN. */
static int send_one(struct wire_channel *channel, uint64_t *ret_token)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    CHECK(fd >= 0);
    int r = wire_channel_send_fds(channel, &fd, 1, ret_token);
    CHECK(r == 0 || r == -EAGAIN);
    CHECK(close(fd) == 0);
    return r;
}

/* Two bells for each event, one asked for by who is about to sleep and one by who waits for room: what
 * stays in the socket must not add up, or nothing else gets through it. */
static void bells_never_fill_the_socket(bool ready)
{
    struct pair pair = open_pair();
    uint64_t token;
    for (unsigned i = 0; i < ROUNDS; i++) {
        CHECK(!wire_channel_arm(pair.b));
        publish(pair.a, 0);
        wire_channel_want_room(pair.b);
        CHECK(lane_room_wanted(&pair.a->lane.in));
        wire_channel_ring(pair.a);
        if (!ready)
            read_entry(pair.b);
        event(pair.b);
        if (ready)
            read_entry(pair.b);
    }
    for (unsigned i = 0; i < DESCRIPTORS; i++) {
        CHECK(send_one(pair.a, &token) == 0);
        publish(pair.a, token);
    }
    for (unsigned i = 0; i < DESCRIPTORS; i++)
        read_entry(pair.b);
    close_pair(pair);
}

/* A bell that is read in search of descriptors may be the one that a sender waits for. */
static void a_bell_before_descriptors_wakes(void)
{
    struct pair pair = open_pair();
    uint64_t token;
    wire_channel_want_room(pair.b);
    CHECK(lane_room_wanted(&pair.a->lane.in));
    wire_channel_ring(pair.a);
    CHECK(send_one(pair.a, &token) == 0);
    publish(pair.a, token);
    woken = 0;
    read_entry(pair.b);
    CHECK(woken > 0);
    close_pair(pair);
}

/* Who finds the socket full of descriptors is told when some have been taken, however few bytes of the
 * ring they belong to. */
static void room_for_descriptors_is_told(void)
{
    struct pair pair = open_pair();
    struct wire_datagram datagram;
    uint64_t token;
    size_t size;
    unsigned sent = 0;
    while (send_one(pair.a, &token) == 0) {
        publish(pair.a, token);
        CHECK(++sent < ROUNDS);
    }
    wire_channel_want_room(pair.a);
    CHECK(send_one(pair.a, &token) == -EAGAIN);
    CHECK(os_peek(pair.a->fd, &datagram, sizeof datagram, &size) == -EAGAIN);
    for (unsigned i = 0; i < sent; i++)
        read_entry(pair.b);
    CHECK(os_peek(pair.a->fd, &datagram, sizeof datagram, &size) == 1);
    CHECK(datagram.kind == WIRE_BELL);
    CHECK(send_one(pair.a, &token) == 0);
    close_pair(pair);
}

int main(void)
{
    bells_never_fill_the_socket(false);
    bells_never_fill_the_socket(true);
    a_bell_before_descriptors_wakes();
    room_for_descriptors_is_told();
    return 0;
}
