/* Regions of gigabytes. Sections 1 and 3: S23, S24, S65 at 2 GiB and at the largest size a
 * descriptor can carry. */
#include "harness/way.h"

#include <string.h>

enum { CHECKED = 4096 };

/* One word at the start of each page, first and last byte: enough to know every page. */
static void stamp(char *memory, size_t size, uint64_t seed)
{
    for (size_t at = 0; at + 8 <= size; at += CHECKED) {
        uint64_t word = at * 0x9e3779b97f4a7c15 ^ seed;
        memcpy(memory + at, &word, 8);
    }
    memory[size - 1] = (char)seed;
}

static void check_stamp(const char *memory, size_t size, uint64_t seed)
{
    for (size_t at = 0; at + 8 <= size; at += CHECKED) {
        uint64_t word;
        memcpy(&word, memory + at, 8);
        ASSERT_EQ(at * 0x9e3779b97f4a7c15 ^ seed, word);
    }
    ASSERT_EQ((char)seed, memory[size - 1]);
}

/* Receives one region, checks it, writes into it, and says so. */
PEER(big_receiver)
{
    struct kit_pair pair;
    struct ool_rcv received;
    kit_pair_join(&pair);
    parent_hear();
    for (;;) {
        ASSERT_OK(kit_receive(&received.header, sizeof(received), pair.mine, 0, 6 * PATIENCE));
        if ((received.header.msgh_bits & MACH_MSGH_BITS_COMPLEX) == 0)
            break;
        char *region = received.ool[0].address;
        size_t size = received.ool[0].size;
        check_stamp(region, size, (unsigned)received.header.msgh_id);
        region[0] ^= 1;
        region[size / 2] ^= 1;
        region[size - 1] ^= 1;
        kit_free(region, size);
        kit_send_plain(pair.theirs, received.header.msgh_id);
        parent_hear();
    }
    kit_pair_leave(&pair);
}

static void send_big(struct kit_pair *pair, char *memory, size_t size, bool deallocate, int id)
{
    struct ool_msg message;
    kit_ool_msg(&message, pair->theirs, id, memory, size, 1, deallocate);
    ASSERT_OK(kit_send(&message.header, MACH_SEND_TIMEOUT, PATIENCE));
}

static void big_round(struct kit_pair *pair, size_t size)
{
    char *memory = kit_allocate(size);
    stamp(memory, size, 1);
    send_big(pair, memory, size, false, 1);
    stamp(memory, size, 2); /* every page rewritten while the message is queued */
    peer_tell(&pair->peer);
    kit_expect_plain(pair->mine, 1);
    check_stamp(memory, size, 2);
    send_big(pair, memory, size, true, 2);
    ASSERT(!kit_is_readable(memory));
    ASSERT(!kit_is_readable(memory + size - 1));
    peer_tell(&pair->peer);
    kit_expect_plain(pair->mine, 2);
}

static void big_pair(size_t size)
{
    struct kit_pair pair;
    kit_pair_start(&pair, "big_receiver", "");
    big_round(&pair, size);
    peer_tell(&pair.peer);
    kit_send_plain(pair.theirs, 0);
    kit_pair_end(&pair);
}

TEST_FOR(S65_256_MiB_rewritten_while_queued, 60)
{
    big_pair((size_t)256 << 20);
}

HEAVY_TEST(S24_S65_2_GiB, 300)
{
    big_pair((size_t)2 << 30);
}

HEAVY_TEST(S24_S65_4_GiB_less_one_byte, 300)
{
    big_pair(((size_t)4 << 30) - 1);
}

/* Memory that is not the layer's own, at an odd address. */
HEAVY_TEST(S18_S24_2_GiB_unaligned_within_a_region, 300)
{
    const size_t size = (size_t)2 << 30;
    struct kit_pair pair;
    char *memory = kit_allocate(size + 2 * vm_page_size);
    kit_pair_start(&pair, "big_receiver", "");
    stamp(memory + 4097, size, 3);
    send_big(&pair, memory + 4097, size, false, 3);
    stamp(memory + 4097, size, 4);
    peer_tell(&pair.peer);
    kit_expect_plain(pair.mine, 3);
    kit_free(memory, size + 2 * vm_page_size);
    peer_tell(&pair.peer);
    kit_send_plain(pair.theirs, 0);
    kit_pair_end(&pair);
}
