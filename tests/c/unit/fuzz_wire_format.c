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
        ool += wire_padded(bytes);
    }
    volatile unsigned keep = sum;
    (void)keep;
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
/* A message that the decoder accepts, to start from: four descriptors and some bytes. */
static size_t honest(uint8_t *buffer)
{
    struct wire_message head = {
        .destination = {{1, 2}}, .descriptors = 4, .inline_size = 40, .fds = 1};
    struct wire_descriptor d[4] = {{.how = WIRE_DESCRIPTOR_BYTES, .type = 1, .size = 100},
                                   {.how = WIRE_DESCRIPTOR_OBJECT, .type = 1, .size = 5000},
                                   {.how = WIRE_DESCRIPTOR_EMPTY, .type = 3},
                                   {.how = WIRE_DESCRIPTOR_PORTS, .type = 2, .size = 2}};
    size_t rights = 2 * sizeof(struct wire_right);
    size_t size = wire_message_size(4, 40, wire_padded(100) + rights);
    memset(buffer, 7, size - rights);
    memset(buffer + size - rights, 0, rights);
    memcpy(buffer, &head, sizeof head);
    memcpy(buffer + sizeof head, d, sizeof d);
    return size;
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
    return 0;
}
#endif
