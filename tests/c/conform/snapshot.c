/* Out-of-line memory is a snapshot taken inside the send, at every size and for every kind of
 * memory. Section 3: S65 to S75. In each test the receiver looks only after the sender has done its
 * worst. */
#include "harness/way.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static const size_t sizes[] = {1,     100,   4096,   5000,    16384,
                               32769, 65536, 100001, 1 << 20, (1 << 22) + 1};
enum { SIZES = sizeof(sizes) / sizeof(sizes[0]) };

/* Layer memory or foreign memory, aligned or not. */
struct source {
    char *base;
    char *data;
    size_t mapped;
    bool foreign;
};

static struct source source_new(size_t size, unsigned kind)
{
    struct source source = {.mapped = size + vm_page_size, .foreign = (kind & 2) != 0};
    if (source.foreign) {
        source.base = mmap(NULL, source.mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON, -1,
                           0);
        ASSERT(source.base != MAP_FAILED);
    } else {
        source.base = kit_allocate(source.mapped);
    }
    source.data = source.base + ((kind & 1) != 0 ? 13 : 0);
    return source;
}

static void source_free(struct source *source)
{
    if (source->foreign)
        ASSERT_SYS(munmap(source->base, source->mapped));
    else
        kit_free(source->base, source->mapped);
}

TEST_BOTH_WAYS_FOR(S65_snapshot_fixed_at_send, 60)
{
    for (unsigned i = 0; i < SIZES * 8; i++) {
        struct seen seen;
        size_t size = sizes[i / 8];
        struct source source = source_new(size, i & 3);
        kit_fill(source.data, size, 1);
        uint64_t hash = way_hash(source.data, size);
        way_send_region(way, source.data, size, i >> 2 & 1, false);
        memset(source.data, 0x77, size);
        way_look(way, &seen);
        ASSERT_OK(seen.result);
        ASSERT_EQ(hash, seen.region[0].hash);
        /* S66: the receiver has overwritten its region; nothing came back. */
        ASSERT_ALL(0x77, source.data, size);
        source_free(&source);
    }
}

/* The whole region, as it is allocated, is the path that shares pages instead of copying. */
TEST_BOTH_WAYS(S65_S66_whole_regions_rewritten_page_by_page)
{
    const size_t size = 2 << 20;
    char *memory = kit_allocate(size);
    for (unsigned round = 1; round < 6; round++) {
        struct seen seen;
        kit_fill(memory, size, round);
        uint64_t hash = way_hash(memory, size);
        way_send_region(way, memory, size, 1, false);
        for (size_t at = 0; at < size; at += vm_page_size)
            memory[at]++;
        way_look(way, &seen);
        ASSERT_EQ(hash, seen.region[0].hash);
        for (size_t at = 0; at < size; at += vm_page_size)
            memory[at]--;
        ASSERT_FILLED(memory, size, round);
    }
    kit_free(memory, size);
}

TEST_BOTH_WAYS(S67_two_sends_are_two_snapshots)
{
    for (unsigned i = 0; i < SIZES * 4; i++) {
        struct seen first;
        struct seen second;
        struct seen third;
        size_t size = sizes[i / 4];
        struct source source = source_new(size, i & 3);
        kit_fill(source.data, size, 1);
        way_send_region(way, source.data, size, 1, false);
        kit_fill(source.data, size, 2);
        way_send_region(way, source.data, size, 1, false);
        source.data[size - 1] ^= 1;
        uint64_t hash = way_hash(source.data, size);
        way_send_region(way, source.data, size, 1, false);
        memset(source.data, 3, size);
        way_look(way, &first);
        way_look(way, &second);
        way_look(way, &third);
        ASSERT_EQ(way_hash_filled(size, 1), first.region[0].hash);
        ASSERT_EQ(way_hash_filled(size, 2), second.region[0].hash);
        ASSERT_EQ(hash, third.region[0].hash);
        ASSERT_ALL(3, source.data, size);
        source_free(&source);
    }
}

/* The receiver also checks that writing into one leaves the other alone. */
TEST_BOTH_WAYS(S68_same_region_twice_in_one_message)
{
    for (unsigned i = 0; i < SIZES * 4; i++) {
        struct ool_msg message;
        struct seen seen;
        size_t size = sizes[i / 4];
        struct source source = source_new(size, i & 3);
        kit_fill(source.data, size, 1);
        for (unsigned j = 0; j < 3; j++)
            kit_ool(&message.ool[j], source.data, size, j != 1, false); /* S23 */
        way_prepare(way, &message, 3, 1);
        ASSERT_OK(way_send(way, &message));
        memset(source.data, 0, size);
        way_look(way, &seen);
        ASSERT_OK(seen.result);
        for (unsigned j = 0; j < 3; j++) {
            ASSERT_EQ(way_hash_filled(size, 1), seen.region[j].hash);
            ASSERT(!seen.region[j].overlaps);
        }
        source_free(&source);
    }
}

TEST_BOTH_WAYS(S69_sender_frees_or_protects_after_the_send)
{
    for (unsigned i = 0; i < SIZES * 4; i++) {
        struct seen seen;
        size_t size = sizes[i / 4];
        struct source source = source_new(size, i & 3);
        kit_fill(source.data, size, 1);
        way_send_region(way, source.data, size, 1, false);
        ASSERT_SYS(mprotect(source.base, source.mapped, PROT_NONE));
        way_send_region(way, NULL, 0, 1, false); /* the layer is used while it is so */
        source_free(&source);
        way_look(way, &seen);
        ASSERT_OK(seen.result);
        ASSERT_EQ(way_hash_filled(size, 1), seen.region[0].hash);
        way_look(way, &seen);
    }
}

/* Sends one region of each size, then ends as the argument says, or waits to be killed. */
PEER(snapshot_sender)
{
    struct kit_pair pair;
    kit_pair_join(&pair);
    for (unsigned i = 0; i < 5; i++) {
        struct ool_msg message;
        size_t size = sizes[2 * i + 1];
        void *memory = kit_allocate(size);
        kit_fill(memory, size, i);
        kit_ool_msg(&message, pair.theirs, 1, memory, size, 1, i % 2 == 0);
        ASSERT_OK(kit_send(&message.header, MACH_SEND_TIMEOUT, PATIENCE));
    }
    parent_tell();
    if (strcmp(pair.argument, "killed") == 0)
        parent_hear();
}

static void sender_ends_first(bool killed)
{
    struct kit_pair pair;
    struct ool_rcv received;
    kit_pair_start(&pair, "snapshot_sender", killed ? "killed" : "exits");
    peer_hear(&pair.peer);
    if (killed)
        peer_kill(&pair.peer);
    else
        peer_join(&pair.peer);
    for (unsigned i = 0; i < 5; i++) {
        size_t size = sizes[2 * i + 1];
        ASSERT_OK(kit_receive(&received.header, sizeof(received), pair.mine, 0, PATIENCE));
        ASSERT_EQ(size, received.ool[0].size);
        ASSERT_FILLED(received.ool[0].address, size, i);
        kit_free(received.ool[0].address, size);
    }
    kit_expect_nothing(pair.mine);
    kit_pair_drop(&pair);
}

TEST(S69_sender_exits_before_the_receiver_looks)
{
    sender_ends_first(false);
}

TEST(S69_sender_is_killed_before_the_receiver_looks)
{
    sender_ends_first(true);
}

static void receive_region(mach_port_t port, size_t size, void **ret_region)
{
    struct ool_rcv received;
    ASSERT_OK(kit_receive(&received.header, sizeof(received), port, 0, PATIENCE));
    ASSERT_EQ(size, received.ool[0].size);
    *ret_region = received.ool[0].address;
}

static void send_to(mach_port_t port, const void *address, size_t size, bool deallocate)
{
    struct ool_msg message;
    kit_ool_msg(&message, port, 1, address, size, 1, deallocate);
    ASSERT_OK(kit_send(&message.header, MACH_SEND_TIMEOUT, PATIENCE));
}

/* What is forwarded is what the forwarder sees: untouched, written in part, written whole. */
TEST_BOTH_WAYS(S70_forwarding_a_received_region)
{
    mach_port_t port = kit_port();
    for (unsigned i = 0; i < SIZES * 3; i++) {
        struct seen seen;
        void *region;
        size_t size = sizes[i / 3];
        char *memory = kit_allocate(size);
        kit_fill(memory, size, 1);
        send_to(port, memory, size, false);
        receive_region(port, size, &region);
        if (i % 3 == 1)
            ((char *)region)[size / 2] ^= 0x55;
        if (i % 3 == 2)
            kit_fill(region, size, 2);
        uint64_t hash = way_hash(region, size);
        way_send_region(way, region, size, 1, false);
        memset(region, 9, size);
        way_look(way, &seen);
        ASSERT_OK(seen.result);
        ASSERT_EQ(hash, seen.region[0].hash);
        ASSERT_FILLED(memory, size, 1);
        ASSERT_ALL(9, region, size);
        kit_free(region, size);
        kit_free(memory, size);
    }
    kit_destroy(port);
}

/* Three tasks: a producer that is dead, the forwarder that moves the region on, the receiver. */
TEST(S70_forwarding_to_a_third_task)
{
    struct kit_pair pair;
    struct way way;
    void *region;
    way_open(&way, true);
    kit_pair_start(&pair, "snapshot_sender", "killed");
    peer_hear(&pair.peer);
    peer_kill(&pair.peer);
    for (unsigned i = 0; i < 5; i++) {
        struct seen seen;
        size_t size = sizes[2 * i + 1];
        receive_region(pair.mine, size, &region);
        way_send_region(&way, region, size, 1, false);
        memset(region, 1, size);
        way_send_region(&way, region, size, 1, true);
        ASSERT(!kit_is_readable(region));
        way_look(&way, &seen);
        ASSERT_EQ(way_hash_filled(size, i), seen.region[0].hash);
        way_look(&way, &seen);
        ASSERT_EQ(way_hash_all(size, 1), seen.region[0].hash);
    }
    kit_pair_drop(&pair);
    way_close(&way);
}

TEST_BOTH_WAYS(S71_sub_range_delivers_only_its_bytes)
{
    const size_t size = 4 << 20;
    char *memory = kit_allocate(size);
    memset(memory, 0xff, size);
    for (unsigned i = 0; i < SIZES - 1; i++) {
        for (unsigned j = 0; j < 3; j++) {
            struct seen seen;
            const size_t places[] = {0, 12345, size - sizes[i]};
            way_send_region(way, memory + places[j], sizes[i], 1, false);
            way_look(way, &seen);
            ASSERT_EQ(sizes[i], seen.region[0].size);
            ASSERT_EQ(way_hash_all(sizes[i], 0xff), seen.region[0].hash);
            ASSERT(seen.region[0].edges_zero);
        }
    }
    kit_free(memory, size);
}

TEST(S72_sending_to_oneself_gives_a_second_region)
{
    mach_port_t port = kit_port();
    for (unsigned i = 0; i < SIZES; i++) {
        void *region;
        char *memory = kit_allocate(sizes[i]);
        kit_fill(memory, sizes[i], 1);
        send_to(port, memory, sizes[i], false);
        receive_region(port, sizes[i], &region);
        ASSERT(!kit_overlap(memory, sizes[i], region, sizes[i]));
        memset(memory, 2, sizes[i]);
        ASSERT_FILLED(region, sizes[i], 1);
        memset(region, 3, sizes[i]);
        ASSERT_ALL(2, memory, sizes[i]);
        kit_free(memory, sizes[i]);
        kit_free(region, sizes[i]);
    }
    kit_destroy(port);
}

/* A second view of the same file stands for the other task: what it writes later is not seen. */
TEST_BOTH_WAYS(S73_source_mapped_shared)
{
    char path[] = "/tmp/machool-test-XXXXXX";
    const size_t size = 1 << 20;
    int fd = (int)ASSERT_SYS(mkstemp(path));
    ASSERT_SYS(unlink(path));
    ASSERT_SYS(ftruncate(fd, (off_t)size));
    char *view = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    char *other = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    ASSERT(view != MAP_FAILED);
    ASSERT(other != MAP_FAILED);
    for (unsigned i = 0; i < SIZES - 1; i++) {
        struct seen seen;
        kit_fill(view, sizes[i], i);
        way_send_region(way, view, sizes[i], i % 2, false);
        memset(other, 0xee, sizes[i]);
        ASSERT_ALL(0xee, view, sizes[i]);
        way_look(way, &seen);
        ASSERT_EQ(way_hash_filled(sizes[i], i), seen.region[0].hash);
        ASSERT_ALL(0xee, other, sizes[i]);
    }
    munmap(view, size);
    munmap(other, size);
    close(fd);
}

static const char in_rodata[] = "a string literal, not page-aligned and not writable";

TEST_BOTH_WAYS(S74_read_only_sources)
{
    struct seen seen;
    way_send_region(way, in_rodata, sizeof(in_rodata), 1, false);
    way_look(way, &seen);
    ASSERT_EQ(way_hash(in_rodata, sizeof(in_rodata)), seen.region[0].hash);
    for (unsigned i = 0; i < SIZES * 4; i++) {
        size_t size = sizes[i / 4];
        struct source source = source_new(size, i & 3);
        kit_fill(source.data, size, 1);
        ASSERT_SYS(mprotect(source.base, source.mapped, PROT_READ));
        way_send_region(way, source.data, size, 1, false);
        ASSERT_FILLED(source.data, size, 1);
        way_look(way, &seen);
        ASSERT_EQ(way_hash_filled(size, 1), seen.region[0].hash);
        source_free(&source);
    }
}

/* Read-only pages stay read-only although the layer worked on them. */
TEST(S74_protection_of_the_source_is_kept)
{
    const size_t size = 1 << 20;
    mach_port_t port = kit_port();
    void *region;
    char *memory = kit_allocate(size);
    memset(memory, 1, size);
    ASSERT_SYS(mprotect(memory, size, PROT_READ));
    send_to(port, memory, size, false);
    receive_region(port, size, &region);
    int ends[2];
    ASSERT_SYS(pipe(ends));
    ASSERT_EQ(1, write(ends[1], "!", 1));
    ASSERT_EQ((ssize_t)-1, read(ends[0], memory, 1)); /* EFAULT */
    ASSERT_ALL(1, memory, size);
    close(ends[0]);
    close(ends[1]);
    kit_free(region, size);
    kit_free(memory, size);
    kit_destroy(port);
}

TEST_BOTH_WAYS(S75_untouched_memory_is_zeros)
{
    for (unsigned i = 0; i < SIZES * 2; i++) {
        struct seen seen;
        size_t size = sizes[i / 2];
        char *memory = kit_allocate(size);
        way_send_region(way, memory, size, i & 1, i % 3 == 0);
        way_look(way, &seen);
        ASSERT_OK(seen.result);
        ASSERT_EQ(way_hash_all(size, 0), seen.region[0].hash);
        if (i % 3 != 0)
            kit_free(memory, size);
    }
}

/* The same clean region again and again, then edited in one byte, then freed in part: the paths
 * on which a layer may reuse what it sent before. */
TEST_BOTH_WAYS(S65_S67_repeated_sends_with_small_edits)
{
    const size_t size = 1 << 20;
    char *memory = kit_allocate(size);
    kit_fill(memory, size, 1);
    for (unsigned round = 0; round < 40; round++) {
        struct seen seen;
        if (round % 4 == 3)
            memory[(round * 7919 * 13) % size] ^= (char)round;
        if (round % 7 == 6)
            memset(memory + round * vm_page_size, (int)round, vm_page_size);
        uint64_t hash = way_hash(memory, size);
        way_send_region(way, memory, size, 1, false);
        memory[round * 1000]++;
        way_look(way, &seen);
        ASSERT_EQ(hash, seen.region[0].hash);
        if (round % 2 == 0)
            memory[round * 1000]--;
    }
    kit_free(memory, size);
}

TEST_BOTH_WAYS(S65_region_freed_in_part_and_allocated_anew)
{
    const size_t size = 1 << 20;
    const size_t page = vm_page_size;
    char *memory = kit_allocate(size);
    struct seen seen;
    kit_fill(memory, size, 1);
    way_send_region(way, memory, size, 1, false);
    way_look(way, &seen);
    vm_address_t fixed = (vm_address_t)(memory + 4 * page);
    kit_free((void *)fixed, 2 * page);
    ASSERT_OK(vm_allocate(mach_task_self(), &fixed, 2 * page, VM_FLAGS_FIXED));
    ASSERT_EQ(memory + 4 * page, fixed);
    ASSERT_ALL(0, (void *)fixed, 2 * page);
    uint64_t hash = way_hash(memory, size);
    way_send_region(way, memory, size, 1, false);
    memset(memory, 0xee, size);
    way_look(way, &seen);
    ASSERT_EQ(hash, seen.region[0].hash);
    kit_free(memory, size);
}
