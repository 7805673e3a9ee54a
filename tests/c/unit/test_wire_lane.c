/* Lanes: order, wrapping, growth through all segments, the way back, and hostile neighbours. */
#include "check.h"

#include "wire/wire_format.h"
#include "wire/wire_lane.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define KIND ((uint16_t)(LANE_FIRST_PAYLOAD + 2))
#define HEADER 8192 /* room of both directions' positions at the start of the mapping */

static void open_pair(struct lane *maker, struct lane *adopter)
{
    int fd;
    CHECK(lane_create(maker, &fd) == 0);
    CHECK(lane_adopt(adopter, fd) == 0);
}

static void close_pair(struct lane *maker, struct lane *adopter)
{
    lane_deinit(maker);
    lane_deinit(adopter);
    lane_deinit(adopter); /* harmless */
}

static int put(struct lane *lane, unsigned number, size_t size)
{
    void *at;
    int r = lane_reserve(&lane->out, size, &at);
    if (r < 0)
        return r;
    memset(at, (int)(number & 0xff), size);
    memcpy(at, &number, sizeof number);
    lane_commit(&lane->out, KIND, size);
    return 0;
}

static void get(struct lane *lane, unsigned number, size_t size)
{
    uint16_t kind;
    const void *at;
    size_t got;
    unsigned found;
    CHECK(lane_peek(&lane->in, &kind, &at, &got) == 1);
    CHECK(kind == KIND && got >= size && got < size + 8);
    memcpy(&found, at, sizeof found);
    CHECK(found == number);
    CHECK(((const unsigned char *)at)[size - 1] == (number & 0xff) || size <= sizeof number);
    lane_consume(&lane->in, got);
}

static void check_empty(struct lane *lane)
{
    uint16_t kind;
    const void *at;
    size_t size;
    CHECK(lane_peek(&lane->in, &kind, &at, &size) == 0);
}

/* Random sizes in random bursts: what goes in comes out, in order, in both directions. */
static void order(void)
{
    struct lane a, b;
    unsigned seed = 1, sent = 0, taken = 0, sizes = 7, taken_sizes = 7;
    open_pair(&a, &b);
    for (int round = 0; round < 3000; round++) {
        for (unsigned i = next_random(&seed) % 40; i > 0; i--) {
            if (put(&a, sent, 4 + next_random(&sizes) % 9000) < 0)
                abort();
            sent++;
        }
        for (unsigned i = next_random(&seed) % 60; i > 0 && taken < sent; i--)
            get(&b, taken++, 4 + next_random(&taken_sizes) % 9000);
        CHECK(put(&b, (unsigned)round, 16) == 0);
        get(&a, (unsigned)round, 16);
        check_empty(&a);
    }
    while (taken < sent)
        get(&b, taken++, 4 + next_random(&taken_sizes) % 9000);
    check_empty(&b);
    close_pair(&a, &b);
}

/* Nobody reads: megabytes go in before the lane is full, and all come out; then it is small again. */
static void growth(void)
{
    struct lane a, b;
    open_pair(&a, &b);
    for (int round = 0; round < 3; round++) {
        unsigned sent = 0, taken = 0;
        int r;
        while ((r = put(&a, sent, 30000)) == 0)
            sent++;
        CHECK(r == -EAGAIN);
        CHECK(sent > (4u << 20) / 30000);
        CHECK(a.out.segment > 2);
        while (taken < sent)
            get(&b, taken++, 30000);
        check_empty(&b);
        CHECK(put(&a, 1, 100) == 0); /* the smallest segment again */
        CHECK(a.out.segment == 0);
        get(&b, 1, 100);
    }
    close_pair(&a, &b);
}

static void limits(void)
{
    struct lane a, b;
    void *at;
    open_pair(&a, &b);
    CHECK(lane_reserve(&a.out, LANE_ENTRY_MAX + 1, &at) == -EMSGSIZE);
    CHECK(put(&a, 5, LANE_ENTRY_MAX) == 0);
    get(&b, 5, LANE_ENTRY_MAX);
    CHECK(lane_reserve(&a.out, 100, &at) == 0); /* forgotten */
    CHECK(put(&a, 6, 200) == 0);
    get(&b, 6, 200);
    check_empty(&b);
    close_pair(&a, &b);
}

static void bells(void)
{
    struct lane a, b;
    void *at;
    open_pair(&a, &b);
    CHECK(!lane_arm(&b.in));
    CHECK(lane_reserve(&a.out, 8, &at) == 0);
    CHECK(lane_commit(&a.out, KIND, 8)); /* asked for */
    CHECK(lane_reserve(&a.out, 8, &at) == 0);
    CHECK(!lane_commit(&a.out, KIND, 8)); /* once */
    CHECK(lane_arm(&b.in));               /* something is there: do not sleep */
    lane_disarm(&b.in);
    CHECK(!lane_room_wanted(&b.in));
    lane_want_room(&a.out);
    CHECK(lane_room_wanted(&b.in));
    CHECK(!lane_room_wanted(&b.in));
    lane_credit_return(&b.in, 3);
    lane_credit_return(&b.in, LANE_NO_CREDIT); /* no slot: ignored */
    CHECK(lane_credit_returned(&a.out, 3) == 1 && lane_credit_returned(&a.out, 4) == 0);
    close_pair(&a, &b);
}

static void refused(void)
{
    struct lane lane;
    int unsealed = memfd_create("x", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    CHECK(ftruncate(unsealed, 64 << 20) == 0);
    CHECK(lane_adopt(&lane, unsealed) < 0);
    int small = memfd_create("x", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    CHECK(ftruncate(small, 4096) == 0);
    CHECK(fcntl(small, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) == 0);
    CHECK(lane_adopt(&lane, small) < 0);
    int pipes[2];
    CHECK(pipe(pipes) == 0);
    CHECK(lane_adopt(&lane, pipes[0]) < 0);
    close(pipes[1]);
    CHECK(fcntl(pipes[0], F_GETFD) < 0); /* taken in every case */
}

/* The peer writes whatever it likes where it may: codes come back, and nothing is read outside. */
static void hostile(void)
{
    unsigned seed = 99;
    for (int round = 0; round < 400; round++) {
        struct lane a, b;
        open_pair(&a, &b);
        for (unsigned i = 0; i < 5; i++)
            CHECK(put(&a, i, 100) == 0);
        unsigned char *shared = a.base;
        for (unsigned i = next_random(&seed) % 30; i > 0; i--) {
            size_t at = next_random(&seed) % 2 ? next_random(&seed) % HEADER
                                               : HEADER + 262144 + next_random(&seed) % 1000;
            shared[at] = (unsigned char)next_random(&seed);
        }
        for (int reads = 0; reads < 1000; reads++) {
            uint16_t kind;
            const void *at;
            size_t size;
            int r = lane_peek(&b.in, &kind, &at, &size);
            CHECK(r == 0 || r == 1 || r == -EBADMSG);
            if (r != 1)
                break;
            CHECK((const char *)at >= (const char *)b.base &&
                  (const char *)at + size <= (const char *)b.base + b.size);
            lane_consume(&b.in, size);
        }
        void *at;
        int r = lane_reserve(&a.out, 100, &at);
        CHECK(r == 0 || r == -EBADMSG || r == -EAGAIN);
        close_pair(&a, &b);
    }
}

/* A move's entry is decided once, in the ring, by whichever side is first. */
static void decided(enum wire_decision sender, enum wire_decision reader, bool sender_first)
{
    struct lane a, b;
    void *mine;
    const void *theirs;
    uint16_t kind;
    size_t size;
    open_pair(&a, &b);
    CHECK(lane_reserve(&a.out, sizeof(struct wire_spill), &mine) == 0);
    *(struct wire_spill *)mine = (struct wire_spill){.fds = 1};
    lane_commit(&a.out, WIRE_MOVE, sizeof(struct wire_spill));
    CHECK(lane_peek(&b.in, &kind, &theirs, &size) == 1 && kind == WIRE_MOVE);
    void *entry = (void *)(uintptr_t)theirs;
    if (sender_first)
        CHECK(wire_decide(mine, sender));
    CHECK(wire_decide(entry, reader) == (!sender_first || reader == sender));
    if (!sender_first)
        CHECK(wire_decide(mine, sender) == (reader == sender));
    close_pair(&a, &b);
}

int main(void)
{
    decided(WIRE_MADE, WIRE_REFUSED_MOVE, true);
    decided(WIRE_MADE, WIRE_REFUSED_MOVE, false);
    decided(WIRE_REFUSED_MOVE, WIRE_REFUSED_MOVE, true);
    decided(WIRE_REFUSED_MOVE, WIRE_REFUSED_MOVE, false);
    order();
    growth();
    limits();
    bells();
    refused();
    hostile();
    return 0;
}
