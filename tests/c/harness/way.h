/* Ways: one test body for a message within a task and for one between two tasks.
 *
 *   TEST_BOTH_WAYS(S48_size_is_exact) { ... way_send(way, &message, 0); way_look(way, &seen); ... }
 *
 * makes two tests, S48_size_is_exact_in_one_task and S48_size_is_exact_between_tasks. The receiver,
 * here or in the other task, does not receive before way_look; it then writes down what it sees of
 * the message and of each region in `struct seen`, overwrites every byte of every region (S66),
 * and deallocates them. */
#ifndef TESTS_HARNESS_WAY_H
#define TESTS_HARNESS_WAY_H

#include "mach_kit.h"

struct seen_region {
    uint64_t hash; /* way_hash() of its bytes */
    uint32_t size;
    uint32_t page_offset; /* of its address */
    uint8_t copy, deallocate, type, pad;
    uint8_t is_null;    /* address 0 */
    uint8_t edges_zero; /* the rest of its first and last page reads as zero (S45) */
    uint8_t overlaps;   /* another region of the message */
    uint8_t freed;      /* no page of it was left after vm_deallocate(address, size) (S49) */
};

struct seen {
    mach_msg_return_t result;
    mach_msg_bits_t bits;
    mach_msg_size_t size;
    mach_msg_id_t id;
    uint32_t count;
    uint32_t spare;
    struct seen_region region[KIT_OOL_MAX];
};

struct way {
    bool between_tasks;
    mach_port_t to; /* a send right to the receiver's port; in one task also its receive right */
    struct kit_pair pair;
};

void way_open(struct way *ret_way, bool between_tasks);
void way_close(struct way *way);

/* Fills in header and count of a message whose first `count` descriptors are set. */
void way_prepare(struct way *way, struct ool_msg *message, unsigned count, mach_msg_id_t id);
/* Sends a prepared message; never blocks. */
mach_msg_return_t way_send(struct way *way, struct ool_msg *message);
/* One region in a message; the call must succeed. */
void way_send_region(struct way *way, const void *address, size_t size, unsigned copy,
                     bool deallocate);
/* Lets the receiver take one message and tell; `result` may be an error of mach_msg. */
void way_look(struct way *way, struct seen *ret_seen);
/* Lets the receiver find its queue empty. */
void way_expect_nothing(struct way *way);

uint64_t way_hash(const void *bytes, size_t size);
uint64_t way_hash_filled(size_t size, unsigned seed); /* of what kit_fill writes */
uint64_t way_hash_all(size_t size, unsigned char byte);

#define TEST_BOTH_WAYS_FOR(name, seconds)                                                          \
    static void name##_both(struct way *way);                                                      \
    static void name##_run(bool between_tasks)                                                     \
    {                                                                                              \
        struct way way;                                                                            \
        way_open(&way, between_tasks);                                                             \
        name##_both(&way);                                                                         \
        way_close(&way);                                                                           \
    }                                                                                              \
    TEST_FOR(name##_in_one_task, seconds)                                                          \
    {                                                                                              \
        name##_run(false);                                                                         \
    }                                                                                              \
    TEST_FOR(name##_between_tasks, seconds)                                                        \
    {                                                                                              \
        name##_run(true);                                                                          \
    }                                                                                              \
    static void name##_both(struct way *way)

#define TEST_BOTH_WAYS(name) TEST_BOTH_WAYS_FOR(name, TEST_SECONDS)

#endif
