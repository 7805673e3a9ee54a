/* A lane: the shared memory of a channel, with one ring of entries for each direction.
 *
 * One memfd, sized once and sealed against shrinking and growing, mapped by both tasks; its
 * descriptor is closed after mmap. It is sparse: pages exist only where entries have been. Each
 * direction has LANE_SEGMENTS rings of doubling size. A producer stays in a segment until an
 * entry does not fit; then it publishes SWITCH and goes on in a larger, empty one, so that
 * replies and control entries never wait for the reader (a ring that blocks replies deadlocks
 * two honest peers). The reader empties the old segment before it follows. An idle producer
 * comes back to the smallest segment and gives the pages of the others back.
 *
 *      header page(s)                    per direction
 *     +-----------------------------+   +---------+-----------+---------------+- - -
 *     | bell, waiting, tails, heads |   | seg 0   |  seg 1    |  seg 2        |
 *     +-----------------------------+   +---------+-----------+---------------+- - -
 *
 * Memory ordering: an entry is written, then `tail` is stored with release, then a full fence,
 * then `bell` is looked at. A reader that is about to sleep stores `bell`, then a full fence,
 * then looks at `tail`. With anything weaker than sequential consistency on both sides a wake-up
 * can be lost.
 *
 * Everything the other side writes here is hostile: positions are checked against the segment
 * before use, entries are copied out before they are looked into, and this side's own positions
 * live in its private struct. A lane that breaks the rules is an error of that channel alone.
 *
 * Locks: the task lock covers both private structs. */
#ifndef MACHOOL_WIRE_LANE_H
#define MACHOOL_WIRE_LANE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LANE_SEGMENTS 7
#define LANE_SEGMENT_SIZE(i) ((uint64_t)65536 << (i)) /* 64 KiB ... 4 MiB */
#define LANE_CREDITS 65535                            /* slots; see lane_credit_returned */
#define LANE_NO_CREDIT UINT32_MAX                     /* an entry that takes no slot */
#define LANE_ASK 65536                                /* see lane_room_wanted_now */
#define LANE_ENTRY_MAX 262144                         /* bytes; larger messages are spilled */
#define LANE_LOANS 256u                               /* of each direction (vm_loan.h) */
#define LANE_LOAN_WORDS (LANE_LOANS / 64)

enum lane_kind { LANE_WRAP = 1, LANE_SWITCH, LANE_FIRST_PAYLOAD };

struct lane_entry { /* in shared memory, 8-byte aligned; stamp and payload follow */
    uint32_t size;  /* header, stamp and payload, a multiple of 8 */
    uint16_t kind;
    uint16_t argument; /* LANE_SWITCH: the segment to go on in */
};

/* What the reader says of the producer's loans, a bit for each: it sets them, the producer takes
 * them by exchange. */
struct lane_loans {
    _Atomic uint64_t returned[LANE_LOAN_WORDS]; /* may be lent again */
    _Atomic uint64_t kept[LANE_LOAN_WORDS];     /* the reader's for good */
};

struct lane_shared; /* one direction's part of the header */

struct lane_out { /* producer's side of one direction */
    struct lane_shared *shared;
    char *segments;
    _Atomic uint32_t *credits;         /* messages taken off ports, by slot; the reader counts up */
    uint64_t stamp;                    /* when the next entry is published, as its producer says */
    unsigned segment;                  /* where the next entry goes */
    uint64_t tail;                     /* of that segment: published, plus what is reserved */
    uint64_t head;                     /* of that segment, as last looked at */
    uint64_t populated[LANE_SEGMENTS]; /* bytes known to have pages */
    unsigned stale; /* bit i: segment i was left and its pages not given back yet */
    uint32_t cpu;   /* last told to the reader, plus 1 */
};

struct lane_in { /* reader's side of one direction */
    struct lane_shared *shared;
    char *segments;
    _Atomic uint32_t *credits;
    unsigned segment;
    uint64_t head[LANE_SEGMENTS];
    uint64_t stamp; /* of the entry last looked at; never less than of the one before */
    size_t unasked; /* bytes consumed since the producer was last asked whether it waits */
};

struct lane {
    void *base; /* NULL: no lane */
    size_t size;
    struct lane_out out;
    struct lane_in in;
};

/* Makes a lane. 0 and its memfd, owned by the caller, or -errno. The maker produces into
 * direction 0, the one who adopts into direction 1. */
int lane_create(struct lane *lane, int *ret_fd);

/* Maps a lane that a peer made, after checking kind, size and seals. Takes the descriptor in
 * every case. 0, or -errno (-EBADMSG: not a lane). */
int lane_adopt(struct lane *lane, int take_fd);

/* Unmaps; harmless on a lane that never was. */
void lane_deinit(struct lane *lane);

/* Room for one entry with `payload` bytes. 0 and where to write them, -EAGAIN when even the
 * largest segment is full, -EMSGSIZE above LANE_ENTRY_MAX, -ENOMEM when pages cannot be had,
 * -EBADMSG when the reader's position is impossible. Nothing is visible before the commit; a
 * reservation that is not committed is simply forgotten. */
int lane_reserve(struct lane_out *out, size_t payload, void **ret_payload);

/* Publishes the reserved entry. True: the reader asked for its bell, and this was the first
 * entry since. */
bool lane_commit(struct lane_out *out, uint16_t kind, size_t payload);

/* The next entry: 1, its kind, and its payload still in shared memory (copy before looking);
 * 0 when there is none; -EBADMSG when the producer broke the rules. */
int lane_peek(struct lane_in *in, uint16_t *ret_kind, const void **ret_payload, size_t *ret_size);

/* Looks at the next entry's stamp alone, for comparing with other lanes. False: there is none. What
 * breaks the rules has the stamp of what came before. */
bool lane_peek_stamp(struct lane_in *in);

/* Gives back the room of the entry just peeked. */
void lane_consume(struct lane_in *in, size_t payload);

/* Reader: ports are moving away from here (odd), or have (even, another number than before): what
 * is published without having seen this is read before they go. */
void lane_set_cut(struct lane_in *in, uint32_t cut);
/* Producer: that word, to be looked at after each commit. */
uint32_t lane_cut(const struct lane_out *out);

/* Whether there is anything to read: two loads, for polling. */
bool lane_ready(const struct lane_in *in);

/* Asks for the bell. True: something is there already, so do not sleep. */
bool lane_arm(struct lane_in *in);
void lane_disarm(struct lane_in *in);

/* Reader: one message that took this slot has left its port. True: the producer waits for that, as
 * lane_room_wanted. */
bool lane_credit_return(struct lane_in *in, uint32_t slot);
/* Producer: how many of this slot's messages have left their port (wraps; compare by difference). */
uint32_t lane_credit_returned(const struct lane_out *out, uint32_t slot);

/* Producer: a thread is about to wait for room or for a slot. Look again after it. */
void lane_want_room(struct lane_out *out);
/* Reader: whether the producer waits; clears the wish, so that one bell answers it. */
bool lane_room_wanted(struct lane_in *in);
/* The same after reading, and without a look as long as too little has been consumed for anybody
 * to wait: a producer finds no room only when more than LANE_ASK bytes are unread. */
bool lane_room_wanted_now(struct lane_in *in);

/* Where the loans are told of that were made here, and those that came from the other side. */
struct lane_loans *lane_lent(const struct lane_out *out);
struct lane_loans *lane_borrowed(const struct lane_in *in);

/* The processor a task last ran on, told to the other side as a hint for spinning. */
void lane_tell_cpu(struct lane_out *out, uint32_t cpu);
uint32_t lane_peer_cpu(const struct lane_in *in);

#endif
