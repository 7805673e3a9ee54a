/* See wire_lane.h. */
#include "wire/wire_lane.h"

#include "os/os_cache.h"
#include "os/os_memfd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdalign.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

#define HEADER_SIZE 8192u
#define CREDITS_SIZE 262144u /* (LANE_CREDITS + 1) counters of 4 bytes */
#define SEGMENTS_SIZE (LANE_SEGMENT_SIZE(LANE_SEGMENTS) - LANE_SEGMENT_SIZE(0))
#define DIRECTION_SIZE (CREDITS_SIZE + SEGMENTS_SIZE)
#define LANE_SIZE (HEADER_SIZE + 2 * DIRECTION_SIZE)
#define POPULATE_STEP 65536u
#define POPULATE_FIRST 16384u /* most channels never need more */
#define PAYLOAD_AT (sizeof(struct lane_entry) + sizeof(uint64_t)) /* after the stamp */
#define ENTRY_LINES 4u                                            /* of a small message */
#define SWITCH_ROOM sizeof(struct lane_entry) /* always kept free for a SWITCH */

struct lane_position {
    alignas(64) _Atomic uint64_t tail;
    alignas(64) _Atomic uint64_t head;
};

struct lane_shared {
    alignas(64) _Atomic uint32_t bell;    /* reader sleeps: wake it through the socket */
    _Atomic uint32_t cut;                 /* reader: even, or odd while ports move away from it */
    alignas(64) _Atomic uint32_t waiting; /* producer wants room or a credit */
    alignas(64) _Atomic uint32_t cpu;     /* producer's processor + 1; 0: unknown */
    struct lane_position at[LANE_SEGMENTS];
    alignas(64) struct lane_loans loans;
};

_Static_assert(sizeof(struct lane_shared) * 2 <= HEADER_SIZE, "both directions fit the header");

static uint64_t segment_offset(unsigned i)
{
    return LANE_SEGMENT_SIZE(i) - LANE_SEGMENT_SIZE(0);
}

static size_t entry_size(size_t payload)
{
    return (payload + PAYLOAD_AT + 7) & ~(size_t)7;
}

/* Lays the two directions over the mapping: the maker produces into direction 0. */
static void lay_out(struct lane *lane, void *base, bool maker)
{
    struct lane_shared *shared = base;
    char *first = (char *)base + HEADER_SIZE;
    char *areas[2] = {first, first + DIRECTION_SIZE};
    unsigned out = maker ? 0 : 1, in = 1 - out;

    *lane = (struct lane){.base = base, .size = LANE_SIZE};
    lane->out.shared = &shared[out];
    lane->out.credits = (_Atomic uint32_t *)(void *)areas[out];
    lane->out.segments = areas[out] + CREDITS_SIZE;
    lane->in.shared = &shared[in];
    lane->in.credits = (_Atomic uint32_t *)(void *)areas[in];
    lane->in.segments = areas[in] + CREDITS_SIZE;
}

static int map_lane(struct lane *lane, int borrow_fd, bool maker)
{
    void *base = mmap(NULL, LANE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE,
                      borrow_fd, 0);
    if (base == MAP_FAILED)
        return -errno;
    /* A forked child starts with a fresh space: it must not be able to touch these rings. */
    madvise(base, LANE_SIZE, MADV_DONTFORK);
    lay_out(lane, base, maker);
    return 0;
}

int lane_create(struct lane *lane, int *ret_fd)
{
    int fd = os_memfd_new("machool:lane");
    if (fd < 0)
        return fd;
    int r = os_memfd_resize(fd, LANE_SIZE);
    if (r == 0)
        r = os_memfd_reserve(fd, 0, HEADER_SIZE);
    if (r == 0)
        r = os_memfd_seal(fd, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
    if (r == 0)
        r = map_lane(lane, fd, true);
    if (r < 0) {
        close(fd);
        return r;
    }
    *ret_fd = fd;
    return 0;
}

int lane_adopt(struct lane *lane, int take_fd)
{
    int r = os_memfd_verify(take_fd, F_SEAL_SHRINK | F_SEAL_GROW, LANE_SIZE);
    if (r == 0)
        r = map_lane(lane, take_fd, false);
    close(take_fd);
    return r;
}

void lane_deinit(struct lane *lane)
{
    if (lane->base)
        munmap(lane->base, lane->size);
    *lane = (struct lane){0};
}

/* Bytes in use in the current segment, or -EBADMSG when the reader's head is impossible. */
static int64_t in_use(struct lane_out *out)
{
    out->head = atomic_load_explicit(&out->shared->at[out->segment].head, memory_order_acquire);
    uint64_t used = out->tail - out->head;
    return used > LANE_SEGMENT_SIZE(out->segment) ? -EBADMSG : (int64_t)used;
}

/* The same, or more: the reader's line is left alone as long as that is enough to know. */
static int64_t in_use_at_most(struct lane_out *out, uint64_t enough)
{
    uint64_t used = out->tail - out->head;
    return used <= enough ? (int64_t)used : in_use(out);
}

static bool segment_empty(const struct lane_out *out, unsigned i)
{
    return atomic_load_explicit(&out->shared->at[i].head, memory_order_acquire) ==
           atomic_load_explicit(&out->shared->at[i].tail, memory_order_relaxed);
}

static struct lane_entry *entry_at(const struct lane_out *out, uint64_t position)
{
    uint64_t offset = position & (LANE_SEGMENT_SIZE(out->segment) - 1);
    return (struct lane_entry *)(void *)(out->segments + segment_offset(out->segment) + offset);
}

/* Leaves the current segment for another, empty one: publishes SWITCH in the room kept for it. */
static void go_to_segment(struct lane_out *out, unsigned next)
{
    *entry_at(out, out->tail) = (struct lane_entry){
        .size = sizeof(struct lane_entry), .kind = LANE_SWITCH, .argument = (uint16_t)next};
    out->tail += sizeof(struct lane_entry);
    atomic_store_explicit(&out->shared->at[out->segment].tail, out->tail, memory_order_release);
    out->stale |= 1u << out->segment;
    out->stale &= ~(1u << next);
    out->segment = next;
    out->tail = atomic_load_explicit(&out->shared->at[next].tail, memory_order_relaxed);
    out->head = out->tail; /* it is empty */
}

/* Gives back the pages of large segments that the reader has left. */
static void drop_stale(struct lane_out *out)
{
    for (unsigned i = 1; i < LANE_SEGMENTS; i++) {
        if (!(out->stale & 1u << i) || !segment_empty(out, i))
            continue;
        madvise(out->segments + segment_offset(i), LANE_SEGMENT_SIZE(i), MADV_REMOVE);
        out->populated[i] = 0;
        out->stale &= ~(1u << i);
    }
}

/* Makes sure that the bytes about to be written have pages, so that a full system is an error
 * code here and not a SIGBUS. Kernels before 5.14 lack the advice: there it stays a risk. */
static int populate(struct lane_out *out, uint64_t offset, size_t size)
{
    uint64_t capacity = LANE_SEGMENT_SIZE(out->segment);
    uint64_t *have = &out->populated[out->segment];
    while (*have < offset + size) {
        uint64_t step = *have ? POPULATE_STEP - *have % POPULATE_STEP : POPULATE_FIRST;
        if (step > capacity - *have)
            step = capacity - *have;
        char *at = out->segments + segment_offset(out->segment) + *have;
        if (madvise(at, step, MADV_POPULATE_WRITE) < 0 && errno != EINVAL)
            return -ENOMEM;
        *have += step;
    }
    return 0;
}

/* Places an entry of `size` bytes in the current segment, with a WRAP before it if it would
 * cross the end. 1 placed, 0 no room, or -errno. */
static int place(struct lane_out *out, size_t size, void **ret_payload)
{
    uint64_t capacity = LANE_SEGMENT_SIZE(out->segment);
    uint64_t to_end = capacity - (out->tail & (capacity - 1));
    size_t total = size <= to_end ? size : size + (size_t)to_end;
    uint64_t most = total + SWITCH_ROOM < capacity ? capacity - total - SWITCH_ROOM : 0;
    int64_t used = in_use_at_most(out, most);
    if (used < 0)
        return (int)used;
    if (capacity - (uint64_t)used < total + SWITCH_ROOM)
        return 0;
    uint64_t at = out->tail;
    if (size > to_end)
        at += to_end;
    int r = populate(out, at & (capacity - 1), size);
    if (r < 0)
        return r;
    if (at != out->tail) {
        *entry_at(out, out->tail) = (struct lane_entry){.size = (uint32_t)to_end,
                                                        .kind = LANE_WRAP};
        out->tail = at; /* published together with the entry */
    }
    *ret_payload = (char *)entry_at(out, out->tail) + PAYLOAD_AT;
    return 1;
}

/* The smallest larger segment that is empty and roomy enough, or 0. */
static unsigned larger_segment(const struct lane_out *out, size_t size)
{
    for (unsigned i = out->segment + 1; i < LANE_SEGMENTS; i++) {
        if (LANE_SEGMENT_SIZE(i) >= 2 * size && segment_empty(out, i))
            return i;
    }
    return 0;
}

int lane_reserve(struct lane_out *out, size_t payload, void **ret_payload)
{
    if (payload > LANE_ENTRY_MAX)
        return -EMSGSIZE;
    size_t size = entry_size(payload);
    if (out->stale)
        drop_stale(out);
    if (out->segment > 0 && size <= LANE_SEGMENT_SIZE(0) / 4 && in_use(out) == 0 &&
        segment_empty(out, 0))
        go_to_segment(out, 0);
    for (;;) {
        int r = place(out, size, ret_payload);
        if (r != 0)
            return r < 0 ? r : 0;
        unsigned next = larger_segment(out, size);
        if (!next)
            return -EAGAIN;
        go_to_segment(out, next);
    }
}

/* The reader still has the lines of an earlier entry where the next one goes: better now than when
 * somebody waits for it. */
static void fetch_next(const struct lane_out *out)
{
    const char *at = (const char *)entry_at(out, out->tail);
    for (unsigned i = 0; i < ENTRY_LINES; i++)
        os_cache_own(at + i * 64u);
}

bool lane_commit(struct lane_out *out, uint16_t kind, size_t payload)
{
    struct lane_entry *entry = entry_at(out, out->tail);
    size_t size = entry_size(payload);
    *entry = (struct lane_entry){.size = (uint32_t)size, .kind = kind};
    memcpy(entry + 1, &out->stamp, sizeof out->stamp);
    out->tail += size;
    atomic_store_explicit(&out->shared->at[out->segment].tail, out->tail, memory_order_release);
    atomic_thread_fence(memory_order_seq_cst);
    fetch_next(out);
    return atomic_load_explicit(&out->shared->bell, memory_order_relaxed) != 0 &&
           atomic_exchange_explicit(&out->shared->bell, 0, memory_order_seq_cst) != 0;
}

void lane_set_cut(struct lane_in *in, uint32_t cut)
{
    atomic_store_explicit(&in->shared->cut, cut, memory_order_seq_cst);
    atomic_thread_fence(memory_order_seq_cst);
}

uint32_t lane_cut(const struct lane_out *out)
{
    return atomic_load_explicit(&out->shared->cut, memory_order_acquire);
}

bool lane_ready(const struct lane_in *in)
{
    uint64_t head = in->head[in->segment];
    if (atomic_load_explicit(&in->shared->at[in->segment].tail, memory_order_acquire) == head)
        return false;
    /* It is read soon: its lines are on their way meanwhile, all at once. */
    const char *at = in->segments + segment_offset(in->segment) +
                     (head & (LANE_SEGMENT_SIZE(in->segment) - 1));
    for (unsigned i = 0; i < ENTRY_LINES; i++)
        os_cache_want(at + i * 64u);
    return true;
}

static void advance(struct lane_in *in, uint64_t by)
{
    in->head[in->segment] += by;
    atomic_store_explicit(&in->shared->at[in->segment].head, in->head[in->segment],
                          memory_order_release);
}

int lane_peek(struct lane_in *in, uint16_t *ret_kind, const void **ret_payload, size_t *ret_size)
{
    /* A hostile producer could chain SWITCH entries for ever: a fair one needs few. */
    for (unsigned steps = 0; steps < 4 * LANE_SEGMENTS; steps++) {
        uint64_t capacity = LANE_SEGMENT_SIZE(in->segment), head = in->head[in->segment];
        uint64_t used = atomic_load_explicit(&in->shared->at[in->segment].tail,
                                             memory_order_acquire) -
                        head;
        if (used == 0)
            return 0;
        if (used > capacity || used % 8)
            return -EBADMSG;
        uint64_t offset = head & (capacity - 1);
        const char *at = in->segments + segment_offset(in->segment) + offset;
        struct lane_entry entry;
        memcpy(&entry, at, sizeof entry);
        if (entry.size < sizeof entry || entry.size % 8 || entry.size > used ||
            entry.size > capacity - offset)
            return -EBADMSG;
        if (entry.kind >= LANE_FIRST_PAYLOAD) {
            uint64_t stamp;
            if (entry.size < PAYLOAD_AT)
                return -EBADMSG;
            memcpy(&stamp, at + sizeof entry, sizeof stamp);
            if (stamp > in->stamp)
                in->stamp = stamp;
            *ret_kind = entry.kind;
            *ret_payload = at + PAYLOAD_AT;
            *ret_size = entry.size - PAYLOAD_AT;
            return 1;
        }
        if (entry.kind != LANE_WRAP && entry.kind != LANE_SWITCH)
            return -EBADMSG;
        advance(in, entry.size);
        if (entry.kind == LANE_SWITCH) {
            if (entry.argument >= LANE_SEGMENTS || entry.argument == in->segment)
                return -EBADMSG;
            in->segment = entry.argument;
        }
    }
    return -EBADMSG;
}

bool lane_peek_stamp(struct lane_in *in)
{
    uint16_t kind;
    const void *payload;
    size_t size;
    return lane_ready(in) && lane_peek(in, &kind, &payload, &size) != 0;
}

void lane_consume(struct lane_in *in, size_t payload)
{
    in->unasked += payload + PAYLOAD_AT;
    advance(in, payload + PAYLOAD_AT);
}

bool lane_arm(struct lane_in *in)
{
    atomic_store_explicit(&in->shared->bell, 1, memory_order_relaxed);
    atomic_thread_fence(memory_order_seq_cst);
    return lane_ready(in);
}

void lane_disarm(struct lane_in *in)
{
    atomic_store_explicit(&in->shared->bell, 0, memory_order_relaxed);
}

/* Clears the producer's wish, if there is one. */
static bool take_wish(struct lane_in *in)
{
    return atomic_load_explicit(&in->shared->waiting, memory_order_seq_cst) != 0 &&
           atomic_exchange_explicit(&in->shared->waiting, 0, memory_order_seq_cst) != 0;
}

bool lane_credit_return(struct lane_in *in, uint32_t slot)
{
    if (slot >= LANE_CREDITS)
        return false;
    atomic_fetch_add_explicit(&in->credits[slot], 1, memory_order_seq_cst);
    return take_wish(in);
}

uint32_t lane_credit_returned(const struct lane_out *out, uint32_t slot)
{
    return atomic_load_explicit(&out->credits[slot], memory_order_acquire);
}

void lane_want_room(struct lane_out *out)
{
    atomic_store_explicit(&out->shared->waiting, 1, memory_order_relaxed);
    atomic_thread_fence(memory_order_seq_cst);
}

bool lane_room_wanted(struct lane_in *in)
{
    in->unasked = 0;
    atomic_thread_fence(memory_order_seq_cst);
    return take_wish(in);
}

/* What was consumed before the last question, a waiting producer has seen; so what it took for
 * unread has been consumed since, or is still to be. It finds no room only in the largest segment,
 * with all but an entry and its padding unread. */
bool lane_room_wanted_now(struct lane_in *in)
{
    _Static_assert(LANE_SEGMENT_SIZE(LANE_SEGMENTS - 1) - 2 * LANE_ENTRY_MAX > 2 * LANE_ASK,
                   "a full ring holds more than is consumed between two questions");
    return in->unasked >= LANE_ASK && lane_room_wanted(in);
}

struct lane_loans *lane_lent(const struct lane_out *out)
{
    return &out->shared->loans;
}

struct lane_loans *lane_borrowed(const struct lane_in *in)
{
    return &in->shared->loans;
}

void lane_tell_cpu(struct lane_out *out, uint32_t cpu)
{
    if (out->cpu == cpu + 1)
        return; /* the reader polls that line: each store would take it away */
    out->cpu = cpu + 1;
    atomic_store_explicit(&out->shared->cpu, cpu + 1, memory_order_relaxed);
}

uint32_t lane_peer_cpu(const struct lane_in *in)
{
    return atomic_load_explicit(&in->shared->cpu, memory_order_relaxed) - 1;
}
