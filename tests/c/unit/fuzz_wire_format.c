/* The decoders of ring entries and datagrams, fed what no honest peer would send.
 *
 * Built with the address and undefined-behaviour sanitizers: a decoder that believes a length reads
 * outside the buffer, and that ends the program. What a decoder accepts is walked to its end.
 * With -DLIBFUZZER the same entry serves a coverage-guided fuzzer. */
#include "check.h"

#include "wire/wire_format.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void walk(const struct wire_message_view *view)
{
    unsigned sum = 0;
    const uint8_t *ool = view->ool_bytes;
    for (uint32_t i = 0; i < view->head.inline_size; i++)
        sum += view->inline_bytes[i];
    for (uint32_t i = 0; i < view->head.descriptors; i++) {
        const struct wire_descriptor *d = &view->descriptors[i];
        size_t bytes = d->how == WIRE_DESCRIPTOR_BYTES   ? d->size
                       : d->how == WIRE_DESCRIPTOR_PORTS ? d->size * sizeof(struct wire_right)
                                                         : 0;
        for (size_t at = 0; at < bytes; at++)
            sum += ool[at];
        if (d->how == WIRE_DESCRIPTOR_LOAN || d->how == WIRE_DESCRIPTOR_LOAN_NEW ||
            d->how == WIRE_DESCRIPTOR_LOAN_BACK)
            CHECK(d->size > 0 && d->loan < LANE_LOANS);
        ool += wire_padded(bytes);
    }
    volatile unsigned keep = sum;
    (void)keep;
}

/* Extents that are accepted lie where they should, one behind the other. */
static void read_delta(const uint8_t *data, size_t size)
{
    struct wire_delta head;
    struct wire_extent extents[64];
    const uint32_t pages = 1000;
    if (size < sizeof head)
        return;
    memcpy(&head, data, sizeof head);
    if (wire_delta_check(&head, pages) < 0)
        return;
    CHECK(head.extents > 0 && head.extents <= head.pages && head.pages <= pages);
    uint32_t count = (uint32_t)((size - sizeof head) / sizeof *extents), before = 0, sum = 0,
             end = 0;
    uint32_t left = head.pages;
    count = count < head.extents ? count : head.extents;
    count = count < 64 ? count : 64;
    memcpy(extents, data + sizeof head, count * sizeof *extents);
    if (wire_extents_check(extents, count / 2, pages, &before, &left) < 0 ||
        wire_extents_check(extents + count / 2, count - count / 2, pages, &before, &left) < 0)
        return;
    for (uint32_t i = 0; i < count; i++) {
        CHECK(extents[i].first >= end && extents[i].count > 0);
        end = extents[i].first + extents[i].count;
        sum += extents[i].count;
        CHECK(end <= pages && sum <= head.pages);
    }
    CHECK(before == end && left == head.pages - sum);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    void *copy = aligned_alloc(8, (size + 8) & ~(size_t)7); /* exact, so that over-reads show */
    struct wire_message_view view;
    struct wire_count count;
    struct wire_number number;
    struct wire_spill spill;
    struct wire_door door;
    const uint32_t *uids;
    memcpy(copy, data, size);
    if (wire_message_read(copy, size, &view) == 0)
        walk(&view);
    if (wire_number_read(copy, size, &number) == 0)
        CHECK(number.number > 0);
    if (wire_count_read(copy, size, &count) == 0)
        CHECK(count.count <= INT32_MAX);
    if (wire_spill_read(copy, size, &spill) == 0)
        CHECK(spill.fds > 0);
    if (wire_door_read(copy, size, &door, &uids) == 0) {
        CHECK(strlen(door.name) > 0 && strlen(door.name) < sizeof door.name);
        CHECK(door.uid_count == 0 || uids[door.uid_count - 1] <= UINT32_MAX);
    }
    read_delta(copy, size);
    if (size >= sizeof(struct wire_datagram) || size == WIRE_DATAGRAM_SHORT) {
        struct wire_datagram datagram;
        memset(&datagram, 0xff, sizeof datagram);
        memcpy(&datagram, copy, size < sizeof datagram ? size : sizeof datagram);
        if (wire_datagram_check(&datagram, size) == 0 && size > WIRE_DATAGRAM_SHORT)
            CHECK(strlen(datagram.name) <= WIRE_NAME_MAX);
    }
    free(copy);
    return 0;
}

#ifndef LIBFUZZER
/* A message that the decoder accepts, to start from: eight descriptors and some bytes. */
static size_t honest(uint8_t *buffer)
{
    struct wire_message head = {
        .destination = {{1, 2}}, .descriptors = 8, .inline_size = 40, .fds = 4};
    struct wire_descriptor d[8] = {
        {.how = WIRE_DESCRIPTOR_BYTES, .type = 1, .size = 100},
        {.how = WIRE_DESCRIPTOR_OBJECT, .type = 1, .size = 5000},
        {.how = WIRE_DESCRIPTOR_DELTA, .type = 1, .size = 5000},
        {.how = WIRE_DESCRIPTOR_EMPTY, .type = 3},
        {.how = WIRE_DESCRIPTOR_LOAN, .type = 1, .size = 1},
        {.how = WIRE_DESCRIPTOR_LOAN_NEW, .type = 1, .size = 9, .loan = 9},
        {.how = WIRE_DESCRIPTOR_LOAN_BACK, .type = 1, .size = 5000, .loan = LANE_LOANS - 1},
        {.how = WIRE_DESCRIPTOR_PORTS, .type = 2, .size = 2}};
    size_t rights = 2 * sizeof(struct wire_right);
    size_t size = wire_message_size(8, 40, wire_padded(100) + rights);
    memset(buffer, 7, size - rights);
    memset(buffer + size - rights, 0, rights);
    memcpy(buffer, &head, sizeof head);
    memcpy(buffer + sizeof head, d, sizeof d);
    return size;
}

/* A delta that is accepted, cut and bent. */
static void deltas(unsigned *seed, unsigned long rounds)
{
    for (unsigned long round = 0; round < rounds; round++) {
        struct {
            struct wire_delta head;
            struct wire_extent extents[6];
        } delta = {{6, 100}, {{0, 1}, {1, 9}, {20, 50}, {100, 10}, {900, 20}, {990, 10}}};
        for (unsigned i = next_random(seed) % 3; i > 0; i--)
            ((uint32_t *)&delta)[next_random(seed) % 14] = next_random(seed) % 3
                                                               ? next_random(seed) % 1100
                                                               : UINT32_MAX - next_random(seed) % 9;
        LLVMFuzzerTestOneInput((uint8_t *)&delta, sizeof delta - next_random(seed) % 2 * 8);
    }
}

int main(int argc, char **argv)
{
    _Alignas(8) uint8_t buffer[2048];
    struct wire_message_view view;
    unsigned seed = argc > 1 ? (unsigned)atoi(argv[1]) : 1;
    unsigned long rounds = argc > 2 ? strtoul(argv[2], NULL, 10) : 300000;
    size_t size = honest(buffer);
    CHECK(wire_message_read(buffer, size, &view) == 0);
    for (size_t cut = 0; cut < size; cut++)
        CHECK(wire_message_read(buffer, cut, &view) < 0);
    for (unsigned long round = 0; round < rounds; round++) {
        size = honest(buffer);
        if (next_random(&seed) % 4 == 0)
            size = next_random(&seed) % sizeof buffer;
        else if (next_random(&seed) % 2)
            size = next_random(&seed) % (size + 16);
        for (unsigned i = next_random(&seed) % 12; i > 0; i--)
            buffer[next_random(&seed) % sizeof buffer] = (uint8_t)next_random(&seed);
        LLVMFuzzerTestOneInput(buffer, size);
    }
    deltas(&seed, rounds / 10);
    return 0;
}
#endif
