/* The out-of-line descriptor on its way out: what is legal, what is refused, what is unmapped when.
 * Section 1: S15 to S33. What arrives is in ool_receive.c and snapshot.c. */
#include "harness/way.h"

#include <string.h>
#include <sys/mman.h>

/* A message to `port` of this task, COPY_SEND, no reply (S33's portable form). */
static void prepare(struct ool_msg *message, mach_port_t port, unsigned count)
{
    kit_header(&message->header,
               MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0) | MACH_MSGH_BITS_COMPLEX,
               OOL_MSG_SIZE(count), port, MACH_PORT_NULL, 1);
    message->body.msgh_descriptor_count = count;
}

static mach_msg_return_t try_region(mach_port_t port, const void *address, size_t size,
                                    unsigned copy, bool deallocate)
{
    struct ool_msg message;
    kit_ool(&message.ool[0], address, size, copy, deallocate);
    prepare(&message, port, 1);
    return kit_send(&message.header, MACH_SEND_TIMEOUT, 0);
}

/* Memory of `pages` pages whose page `hole` is unmapped, or unreadable. */
static char *memory_with_hole(unsigned pages, unsigned hole, bool unreadable)
{
    char *memory = kit_allocate(pages * vm_page_size);
    memset(memory, 1, pages * vm_page_size);
    if (unreadable)
        ASSERT_SYS(mprotect(memory + hole * vm_page_size, vm_page_size, PROT_NONE));
    else
        kit_free(memory + hole * vm_page_size, vm_page_size);
    return memory;
}

static void discard(mach_port_t port)
{
    struct ool_rcv received;
    ASSERT_OK(kit_receive(&received.header, sizeof(received), port, 0, PATIENCE));
    for (unsigned i = 0; i < received.body.msgh_descriptor_count; i++)
        kit_free(received.ool[i].address, received.ool[i].size);
}

TEST(S15_copy_values)
{
    mach_port_t port = kit_port();
    void *page = kit_allocate(vm_page_size);
    for (unsigned copy = 0; copy < 256; copy++) {
        mach_msg_return_t result = try_region(port, page, vm_page_size, copy, false);
        ASSERT_CODE(copy <= 1 ? MACH_MSG_SUCCESS : MACH_SEND_INVALID_TYPE, result);
        if (copy <= 1)
            discard(port);
    }
    kit_expect_nothing(port);
    kit_free(page, vm_page_size);
    kit_destroy(port);
}

TEST(S16_unknown_descriptor_types)
{
    mach_port_t port = kit_port();
    struct ool_msg message;
    void *page = kit_allocate(vm_page_size);
    for (unsigned type = 5; type < 256; type++) {
        kit_ool(&message.ool[0], page, vm_page_size, 1, false);
        message.ool[0].type = type & 0xff;
        prepare(&message, port, 1);
        ASSERT_CODE(MACH_SEND_INVALID_TYPE, kit_send(&message.header, MACH_SEND_TIMEOUT, 0));
    }
    kit_expect_nothing(port);
    kit_free(page, vm_page_size);
    kit_destroy(port);
}

TEST_BOTH_WAYS(S16_volatile_is_taken_like_plain)
{
    struct ool_msg message;
    struct seen seen;
    void *page = kit_allocate(vm_page_size);
    kit_fill(page, vm_page_size, 1);
    kit_ool(&message.ool[0], page, vm_page_size, 1, false);
    message.ool[0].type = MACH_MSG_OOL_VOLATILE_DESCRIPTOR;
    way_prepare(way, &message, 1, 1);
    ASSERT_OK(way_send(way, &message));
    way_look(way, &seen);
    ASSERT_OK(seen.result);
    ASSERT_EQ(3, seen.region[0].type);
    ASSERT_EQ(way_hash_filled(vm_page_size, 1), seen.region[0].hash);
    kit_free(page, vm_page_size);
}

TEST_BOTH_WAYS(S17_deallocate_is_a_truth_value_and_pad_is_ignored)
{
    static const unsigned char truths[] = {1, 2, 0x7f, 0x80, 0xff};
    for (unsigned i = 0; i < sizeof(truths); i++) {
        struct ool_msg message;
        struct seen seen;
        void *page = kit_allocate(vm_page_size);
        kit_fill(page, vm_page_size, i);
        kit_ool(&message.ool[0], page, vm_page_size, 1, false);
        ((unsigned char *)&message.ool[0])[8] = truths[i];
        message.ool[0].pad1 = 0x5a;
        way_prepare(way, &message, 1, 1);
        ASSERT_OK(way_send(way, &message));
        ASSERT(!kit_is_readable(page));
        way_look(way, &seen);
        ASSERT_OK(seen.result);
        ASSERT_EQ(1, seen.region[0].deallocate);
        ASSERT_EQ(0, seen.region[0].pad);
        ASSERT_EQ(way_hash_filled(vm_page_size, i), seen.region[0].hash);
    }
}

/* Every size about a page and about the thresholds, from every kind of offset. */
TEST_BOTH_WAYS_FOR(S18_any_address_and_any_size, 60)
{
    const size_t page = vm_page_size;
    const size_t sizes[] = {1,
                            2,
                            3,
                            4,
                            7,
                            page - 1,
                            page,
                            page + 1,
                            2 * page,
                            4 * page,
                            16383,
                            16384,
                            16385,
                            32768,
                            32769,
                            65535,
                            65536,
                            65537,
                            100 * page + 1,
                            (1 << 20) - 1,
                            1 << 20,
                            (1 << 20) + 1,
                            (1 << 21) + 3};
    const size_t offsets[] = {0, 1, 4, 4095, page - 1};
    char *memory = kit_allocate((1 << 22) + 2 * page);
    kit_fill(memory, (1 << 22) + 2 * page, 3);
    for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        for (unsigned j = 0; j < sizeof(offsets) / sizeof(offsets[0]); j++) {
            struct seen seen;
            const char *data = memory + offsets[j];
            way_send_region(way, data, sizes[i], (i + j) % 2, false);
            way_look(way, &seen);
            ASSERT_OK(seen.result);
            ASSERT_EQ(sizes[i], seen.region[0].size);
            ASSERT_EQ(way_hash(data, sizes[i]), seen.region[0].hash);
            ASSERT(seen.region[0].edges_zero);
            ASSERT(seen.region[0].freed);
        }
    }
    kit_free(memory, (1 << 22) + 2 * page);
}

TEST_BOTH_WAYS(S19_size_zero_with_any_address)
{
    void *page = kit_allocate(vm_page_size);
    void *const addresses[] = {NULL, (void *)1, (void *)(uintptr_t)0xfffffffffffff000, page};
    for (unsigned i = 0; i < 4 * 4; i++) {
        struct seen seen;
        way_send_region(way, addresses[i / 4], 0, i & 1, (i & 2) != 0);
        way_look(way, &seen);
        ASSERT_OK(seen.result);
        ASSERT_EQ(1, seen.count);
        ASSERT(seen.region[0].is_null);
        ASSERT_EQ(0, seen.region[0].size);
        ASSERT_EQ(i & 1, seen.region[0].copy);
        ASSERT_EQ(i & 1, seen.region[0].deallocate);
    }
    ASSERT(kit_is_readable(page));
    kit_free(page, vm_page_size);
}

TEST(S20_null_and_unmapped_addresses)
{
    mach_port_t port = kit_port();
    const size_t sizes[] = {1, vm_page_size, 1 << 20};
    char *gone = kit_allocate(1 << 20);
    kit_free(gone, 1 << 20);
    for (unsigned i = 0; i < 3 * 4; i++) {
        size_t size = sizes[i / 4];
        unsigned copy = i & 1;
        bool deallocate = (i & 2) != 0;
        ASSERT_CODE(MACH_SEND_INVALID_MEMORY, try_region(port, NULL, size, copy, deallocate));
        ASSERT_CODE(MACH_SEND_INVALID_MEMORY, try_region(port, gone, size, copy, deallocate));
        ASSERT_CODE(MACH_SEND_INVALID_MEMORY, try_region(port, gone + 5, size, copy, deallocate));
        ASSERT_CODE(
            MACH_SEND_INVALID_MEMORY,
            try_region(port, (void *)(uintptr_t)0xfffffffffffff000, size, copy, deallocate));
    }
    kit_expect_nothing(port);
    kit_destroy(port);
}

/* First, middle and last page missing, at sizes that travel in different ways; foreign memory of
 * mmap beside memory of vm_allocate. */
static void try_holes(bool unreadable)
{
    mach_port_t port = kit_port();
    const unsigned pages[] = {3, 64, 512};
    for (unsigned i = 0; i < 3; i++) {
        const unsigned holes[] = {0, pages[i] / 2, pages[i] - 1};
        size_t size = pages[i] * vm_page_size;
        for (unsigned j = 0; j < 3; j++) {
            char *memory = memory_with_hole(pages[i], holes[j], unreadable);
            for (unsigned copy = 0; copy <= 1; copy++) {
                ASSERT_CODE(MACH_SEND_INVALID_MEMORY, try_region(port, memory, size, copy, false));
                ASSERT_CODE(MACH_SEND_INVALID_MEMORY,
                            try_region(port, memory + 1, size - 2, copy, true));
            }
            /* S30: what failed unmapped nothing. */
            for (unsigned page = 0; page < pages[i]; page++)
                ASSERT_EQ(page != holes[j], kit_is_readable(memory + page * vm_page_size));
            kit_free(memory, size);
        }
    }
    kit_expect_nothing(port);
    kit_destroy(port);
}

TEST(S20_S30_a_hole_in_the_range)
{
    try_holes(false);
}

TEST(S20_S30_an_unreadable_page_in_the_range)
{
    try_holes(true);
}

TEST(S20_holes_in_foreign_memory)
{
    mach_port_t port = kit_port();
    const size_t size = 1 << 20;
    char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON, -1, 0);
    ASSERT(memory != MAP_FAILED);
    memset(memory, 1, size);
    ASSERT_SYS(mprotect(memory + vm_page_size, vm_page_size, PROT_NONE));
    ASSERT_CODE(MACH_SEND_INVALID_MEMORY, try_region(port, memory, size, 1, false));
    ASSERT_CODE(MACH_SEND_INVALID_MEMORY, try_region(port, memory, 2 * vm_page_size, 0, false));
    ASSERT_SYS(munmap(memory + vm_page_size, vm_page_size));
    ASSERT_CODE(MACH_SEND_INVALID_MEMORY, try_region(port, memory, size, 0, false));
    ASSERT_CODE(MACH_SEND_INVALID_MEMORY, try_region(port, memory, 2 * vm_page_size, 1, false));
    ASSERT_SYS(munmap(memory, size));
    kit_expect_nothing(port);
    kit_destroy(port);
}

/* A program may unmap out-of-line memory by itself; the layer then must not believe its notes. */
TEST(S20_region_unmapped_behind_the_back)
{
    mach_port_t port = kit_port();
    const size_t size = 1 << 20;
    char *memory = kit_allocate(size);
    memset(memory, 1, size);
    ASSERT_SYS(munmap(memory + size / 2, vm_page_size));
    ASSERT_CODE(MACH_SEND_INVALID_MEMORY, try_region(port, memory, size, 1, false));
    kit_free(memory, size);
    kit_destroy(port);
}

TEST(S23_physical_copies_have_a_limit_for_each_message)
{
    const size_t limit = 7 << 20;
    mach_port_t port = kit_port();
    struct ool_msg message;
    char *memory = kit_allocate(2 * limit);
    ASSERT_OK(try_region(port, memory, limit, MACH_MSG_PHYSICAL_COPY, false));
    discard(port);
    ASSERT_CODE(0x400, try_region(port, memory, limit + 1, MACH_MSG_PHYSICAL_COPY, false));
    for (unsigned i = 0; i < 2; i++)
        kit_ool(&message.ool[i], memory, limit / 2 + vm_page_size, MACH_MSG_PHYSICAL_COPY, false);
    prepare(&message, port, 2);
    ASSERT_CODE(0x400, kit_send(&message.header, MACH_SEND_TIMEOUT, 0));
    kit_expect_nothing(port);
    /* S24: virtual copies have none. */
    ASSERT_OK(try_region(port, memory, 2 * limit, MACH_MSG_VIRTUAL_COPY, false));
    discard(port);
    kit_free(memory, 2 * limit);
    kit_destroy(port);
}

TEST(S25_descriptors_must_fit_into_the_message)
{
    mach_port_t port = kit_port();
    struct ool_msg message;
    void *page = kit_allocate(vm_page_size);
    const unsigned counts[] = {2, 3, 100, 0x10000000, 0x15555556, 0xffffffff};
    for (unsigned i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        kit_ool(&message.ool[0], page, vm_page_size, 1, false);
        prepare(&message, port, 1);
        message.body.msgh_descriptor_count = counts[i];
        ASSERT_CODE(MACH_SEND_MSG_TOO_SMALL, kit_send(&message.header, MACH_SEND_TIMEOUT, 0));
    }
    /* Room for twelve bytes, where this one takes sixteen. */
    prepare(&message, port, 1);
    message.header.msgh_size = 28 + 12;
    ASSERT_CODE(MACH_SEND_MSG_TOO_SMALL, kit_send(&message.header, MACH_SEND_TIMEOUT, 0));
    kit_expect_nothing(port);
    kit_free(page, vm_page_size);
    kit_destroy(port);
}

TEST_BOTH_WAYS(S26_same_and_overlapping_memory)
{
    struct ool_msg message;
    struct seen seen;
    const size_t size = 300000;
    char *memory = kit_allocate(size);
    kit_fill(memory, size, 4);
    kit_ool(&message.ool[0], memory, size, 1, false);
    kit_ool(&message.ool[1], memory, size, 1, false);
    kit_ool(&message.ool[2], memory + 1000, size - 2000, 0, false);
    kit_ool(&message.ool[3], memory + 5, 10, 1, false);
    kit_ool(&message.ool[4], memory, 0, 1, false);
    kit_ool(&message.ool[5], memory + size - 5000, 5000, 0, false);
    way_prepare(way, &message, 6, 1);
    ASSERT_OK(way_send(way, &message));
    way_look(way, &seen);
    ASSERT_OK(seen.result);
    ASSERT_EQ(6, seen.count);
    ASSERT_EQ(way_hash(memory, size), seen.region[0].hash);
    ASSERT_EQ(way_hash(memory, size), seen.region[1].hash);
    ASSERT_EQ(way_hash(memory + 1000, size - 2000), seen.region[2].hash);
    ASSERT_EQ(way_hash(memory + 5, 10), seen.region[3].hash);
    ASSERT(seen.region[4].is_null);
    ASSERT_EQ(way_hash(memory + size - 5000, 5000), seen.region[5].hash);
    for (unsigned i = 0; i < 6; i++)
        ASSERT(!seen.region[i].overlaps);
    kit_free(memory, size);
}

static void try_deallocate(struct way *way, size_t pages, size_t offset, size_t size, unsigned copy)
{
    struct seen seen;
    char *memory = kit_allocate(pages * vm_page_size);
    kit_fill(memory, pages * vm_page_size, 6);
    uint64_t hash = way_hash(memory + offset, size);
    way_send_region(way, memory + offset, size, copy, true);
    /* S27: before anyone has received. S28: whole pages. */
    size_t first = offset / vm_page_size;
    size_t last = (offset + size - 1) / vm_page_size;
    for (size_t page = 0; page < pages; page++)
        ASSERT_EQ(page < first || page > last, kit_is_readable(memory + page * vm_page_size));
    way_look(way, &seen);
    ASSERT_OK(seen.result);
    ASSERT_EQ(hash, seen.region[0].hash);
    ASSERT(seen.region[0].edges_zero);
    kit_free(memory, pages * vm_page_size);
}

TEST_BOTH_WAYS(S27_S28_deallocate_unmaps_whole_pages_during_send)
{
    const size_t page = vm_page_size;
    for (unsigned copy = 0; copy <= 1; copy++) {
        try_deallocate(way, 1, 0, page, copy);
        try_deallocate(way, 3, page, page, copy);
        try_deallocate(way, 4, page + 7, page, copy);
        try_deallocate(way, 4, 2 * page - 1, 2, copy);
        try_deallocate(way, 3, page, 1, copy);
        try_deallocate(way, 16, 0, 16 * page, copy);
        try_deallocate(way, 300, 0, 300 * page, copy);
        try_deallocate(way, 300, page + 100, 256 * page, copy);
        try_deallocate(way, 300, 5 * page, 100 * page + 1, copy);
    }
}

TEST_BOTH_WAYS(S28_foreign_memory_is_unmapped_too)
{
    struct seen seen;
    const size_t size = 64 * vm_page_size;
    char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON, -1, 0);
    ASSERT(memory != MAP_FAILED);
    kit_fill(memory, size, 1);
    uint64_t hash = way_hash(memory, size);
    way_send_region(way, memory, size, 1, true);
    ASSERT(!kit_is_readable(memory));
    ASSERT(!kit_is_readable(memory + size - 1));
    way_look(way, &seen);
    ASSERT_EQ(hash, seen.region[0].hash);
}

TEST(S29_same_region_twice_with_deallocate)
{
    const size_t sizes[] = {vm_page_size, 256 * vm_page_size};
    mach_port_t port = kit_port();
    for (unsigned i = 0; i < 2; i++) {
        struct ool_msg message;
        char *memory = kit_allocate(sizes[i]);
        memset(memory, 1, sizes[i]);
        kit_ool(&message.ool[0], memory, sizes[i], 1, true);
        kit_ool(&message.ool[1], memory, sizes[i], 1, true);
        prepare(&message, port, 2);
        ASSERT_CODE(MACH_SEND_INVALID_MEMORY, kit_send(&message.header, MACH_SEND_TIMEOUT, 0));
        ASSERT(!kit_is_readable(memory));
        kit_expect_nothing(port);
    }
    kit_destroy(port);
}

TEST(S31_failure_at_a_later_descriptor)
{
    const size_t size = 256 * vm_page_size;
    mach_port_t port = kit_port();
    struct ool_msg message;
    char *first = kit_allocate(size);
    char *third = kit_allocate(size);
    ASSERT_OK(mach_port_insert_right(mach_task_self(), port, port, MACH_MSG_TYPE_MAKE_SEND));
    memset(first, 1, size);
    memset(third, 1, size);
    kit_ool(&message.ool[0], first, size, 1, true);
    kit_ool(&message.ool[1], NULL, size, 1, true);
    kit_ool(&message.ool[2], third, size, 1, true);
    prepare(&message, port, 3);
    message.header.msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_MOVE_SEND, 0) | MACH_MSGH_BITS_COMPLEX;
    ASSERT_EQ(2, kit_refs(port, MACH_PORT_RIGHT_SEND));
    ASSERT_CODE(MACH_SEND_INVALID_MEMORY, kit_send(&message.header, MACH_SEND_TIMEOUT, 0));
    ASSERT(!kit_is_readable(first));                    /* lost */
    ASSERT(kit_is_readable(third));                     /* untouched */
    ASSERT_EQ(1, kit_refs(port, MACH_PORT_RIGHT_SEND)); /* header rights consumed */
    kit_expect_nothing(port);
    kit_free(third, size);
    kit_destroy(port);
}

TEST(S31_moved_port_right_before_the_failing_descriptor)
{
    mach_port_t port = kit_port();
    mach_port_t moved = kit_port();
    struct {
        mach_msg_header_t header;
        mach_msg_body_t body;
        mach_msg_port_descriptor_t port;
        mach_msg_ool_descriptor_t ool;
    } message;
    kit_header(&message.header, MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0) | MACH_MSGH_BITS_COMPLEX,
               sizeof(message), port, MACH_PORT_NULL, 1);
    message.body.msgh_descriptor_count = 2;
    kit_port_descriptor(&message.port, moved, MACH_MSG_TYPE_MOVE_SEND);
    kit_ool(&message.ool, NULL, 1, 1, false);
    ASSERT_CODE(MACH_SEND_INVALID_MEMORY, kit_send(&message.header, MACH_SEND_TIMEOUT, 0));
    ASSERT_EQ(MACH_PORT_TYPE_RECEIVE, kit_type(moved));
    kit_destroy(port);
    kit_destroy(moved);
}

TEST(S32_failed_send_spends_the_send_once_reply)
{
    mach_port_t port = kit_port();
    mach_port_t reply = kit_receive_right();
    struct ool_msg message;
    kit_ool(&message.ool[0], NULL, 1, 1, false);
    prepare(&message, port, 1);
    message.header.msgh_bits |= MACH_MSGH_BITS(0, MACH_MSG_TYPE_MAKE_SEND_ONCE);
    message.header.msgh_local_port = reply;
    ASSERT_CODE(MACH_SEND_INVALID_MEMORY, kit_send(&message.header, MACH_SEND_TIMEOUT, 0));
    kit_expect_send_once_notification(reply);
    kit_destroy(port);
    kit_destroy(reply);
}

TEST(S33_refusals_that_are_checked_first_consume_nothing)
{
    mach_port_t port = kit_port();
    struct ool_msg message;
    void *page = kit_allocate(vm_page_size);
    kit_ool(&message.ool[0], page, vm_page_size, 2, true);
    prepare(&message, port, 1);
    ASSERT_CODE(MACH_SEND_INVALID_TYPE, kit_send(&message.header, MACH_SEND_TIMEOUT, 0));
    ASSERT(kit_is_readable(page));
    ASSERT_EQ(1, kit_refs(port, MACH_PORT_RIGHT_SEND));
    kit_free(page, vm_page_size);
    kit_destroy(port);
}

TEST(S33_refusals_leave_a_moved_destination)
{
    GATE_DARWIN("XNU 11 consumes the header's rights before these checks, XNU 15 does not");
    mach_port_t port = kit_port();
    mach_port_t reply = kit_receive_right();
    struct ool_msg message;
    void *page = kit_allocate(vm_page_size);
    kit_ool(&message.ool[0], page, vm_page_size, 2, true);
    prepare(&message, port, 1);
    message.header.msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_MOVE_SEND,
                                              MACH_MSG_TYPE_MAKE_SEND_ONCE) |
                               MACH_MSGH_BITS_COMPLEX;
    message.header.msgh_local_port = reply;
    ASSERT_CODE(MACH_SEND_INVALID_TYPE, kit_send(&message.header, MACH_SEND_TIMEOUT, 0));
    kit_ool(&message.ool[0], page, vm_page_size, 1, true);
    message.body.msgh_descriptor_count = 2;
    ASSERT_CODE(MACH_SEND_MSG_TOO_SMALL, kit_send(&message.header, MACH_SEND_TIMEOUT, 0));
    ASSERT(kit_is_readable(page));
    ASSERT_EQ(1, kit_refs(port, MACH_PORT_RIGHT_SEND));
    kit_expect_nothing(reply);
    kit_free(page, vm_page_size);
    kit_destroy(port);
    kit_destroy(reply);
}
