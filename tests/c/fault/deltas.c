/* Regions that are sent again after some of their pages were written to: failures on either side, and
 * senders that lie about those pages. */
#include "harness/way.h"
#include "nth.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { SIZE = 1 << 20, WRITTEN = 5, ID = 7, ID_END = 8 };

struct hash_msg {
    mach_msg_header_t header;
    uint64_t hash;
};
struct hash_rcv {
    struct hash_msg message;
    mach_msg_max_trailer_t trailer;
};

static void write_some(char *memory)
{
    for (int i = 0; i < WRITTEN; i++)
        memory[i * SIZE / WRITTEN + i]++;
}

static mach_msg_return_t send_region(mach_port_t to, const void *memory, bool move,
                                     struct ool_msg *ret_message)
{
    kit_ool_msg(ret_message, to, ID, memory, SIZE, 1, move);
    return kit_send(&ret_message->header, MACH_SEND_TIMEOUT, PATIENCE);
}

static void expect_hash(mach_port_t port, uint64_t hash)
{
    struct hash_rcv received;
    ASSERT_OK(kit_receive(&received.message.header, sizeof(received), port, 0, PATIENCE));
    ASSERT_EQ(hash, received.message.hash);
}

/* Answers each region with its hash. */
PEER(fault_hasher)
{
    struct kit_pair pair;
    kit_pair_join(&pair);
    for (;;) {
        struct ool_rcv received;
        struct hash_msg answer;
        ASSERT_OK(kit_receive(&received.header, sizeof(received), pair.mine, 0, 3 * PATIENCE));
        if (received.header.msgh_id == ID_END)
            break;
        answer.hash = way_hash(received.ool[0].address, SIZE);
        kit_free(received.ool[0].address, SIZE);
        kit_header(&answer.header, MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0), sizeof(answer),
                   pair.theirs, MACH_PORT_NULL, ID);
        ASSERT_OK(kit_send(&answer.header, MACH_SEND_TIMEOUT, PATIENCE));
    }
    kit_pair_leave(&pair);
}

/* What came back is what was sent; what was refused is as it was. */
static void after_failed_send(struct ool_msg *message, mach_msg_return_t result, const char *memory,
                              uint64_t hash)
{
    bool came_back = nth_came_back(&message->header);
    if (result != MACH_MSG_VM_KERNEL)
        ASSERT_CODE(MACH_SEND_NO_BUFFER, result);
    if (came_back) {
        if (message->ool[0].size != 0)
            ASSERT_EQ(hash, way_hash(message->ool[0].address, SIZE));
        mach_msg_destroy(&message->header);
    }
    if (kit_is_readable(memory))
        ASSERT_EQ(hash, way_hash(memory, SIZE));
}

static void send_again(bool move)
{
    struct nth nth = {0};
    struct kit_pair pair;
    kit_pair_start(&pair, "fault_hasher", "");
    while (nth_next(&nth)) {
        struct ool_msg message;
        char *memory = kit_allocate(SIZE);
        kit_fill(memory, SIZE, 1);
        ASSERT_OK(send_region(pair.theirs, memory, false, &message));
        expect_hash(pair.mine, way_hash(memory, SIZE));
        write_some(memory);
        uint64_t hash = way_hash(memory, SIZE);
        mach_msg_return_t result = NTH(&nth, send_region(pair.theirs, memory, move, &message));
        if (nth.failed == NULL)
            ASSERT_OK(result);
        if (result == MACH_MSG_SUCCESS)
            expect_hash(pair.mine, hash);
        else
            after_failed_send(&message, result, memory, hash);
        ASSERT_EQ(1, kit_refs(pair.theirs, MACH_PORT_RIGHT_SEND));
        kit_free(memory, SIZE);
    }
    kit_send_plain(pair.theirs, ID_END);
    kit_pair_end(&pair);
}

TEST_FOR(send_of_a_delta, 60)
{
    GATE_FAULTS();
    send_again(false);
}

TEST_FOR(move_of_a_delta, 60)
{
    GATE_FAULTS();
    send_again(true);
}

/* Sends a region, and then as often as it is told the same with more of it written to, each time with
 * its hash behind it. */
PEER(fault_resender)
{
    struct kit_pair pair;
    struct ool_msg message;
    struct hash_msg hash;
    char *memory = kit_allocate(SIZE);
    kit_pair_join(&pair);
    kit_fill(memory, SIZE, 1);
    ASSERT_OK(send_region(pair.theirs, memory, false, &message));
    while (!parent_gone()) {
        write_some(memory);
        ASSERT_OK(send_region(pair.theirs, memory, false, &message));
        hash.hash = way_hash(memory, SIZE);
        kit_header(&hash.header, MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0), sizeof(hash),
                   pair.theirs, MACH_PORT_NULL, ID_END);
        ASSERT_OK(kit_send(&hash.header, MACH_SEND_TIMEOUT, PATIENCE));
        parent_tell();
    }
}

TEST_FOR(receive_of_a_delta, 60)
{
    struct nth nth = {0};
    struct kit_pair pair;
    struct ool_rcv received;
    GATE_FAULTS();
    kit_pair_start(&pair, "fault_resender", "");
    ASSERT_OK(kit_receive(&received.header, sizeof(received), pair.mine, 0, PATIENCE));
    kit_free(received.ool[0].address, SIZE);
    while (nth_next(&nth)) {
        uint64_t seen = 0;
        peer_tell(&pair.peer);
        peer_hear(&pair.peer);
        mach_msg_return_t result = nth_receive(&nth, &received.header, sizeof(received), pair.mine,
                                               ID);
        if (received.ool[0].size != 0) {
            seen = way_hash(received.ool[0].address, SIZE);
            kit_free(received.ool[0].address, SIZE);
        }
        if (result == MACH_MSG_SUCCESS) {
            expect_hash(pair.mine, seen);
        } else { /* it could not be mapped (S58) */
            struct hash_rcv hash;
            ASSERT_CODE(MACH_RCV_BODY_ERROR, result & ~MACH_MSG_MASK);
            ASSERT_EQ(0, seen);
            ASSERT_OK(kit_receive(&hash.message.header, sizeof(hash), pair.mine, 0, PATIENCE));
        }
    }
    peer_kill(&pair.peer);
    kit_pair_drop(&pair);
}

/* ---- lies ------------------------------------------------------------------------------------ */

#ifdef __linux__

enum lie { OVERLAP, BEYOND, BACKWARDS, TOO_MANY, NONE, WRONG_SUM, UNSEALED, SHORT, HOLES, LIES };

static enum lie lie;

/* Struct wire_delta: extents and pages, then first and count of each extent. */
static bool tell_a_lie(int fd)
{
    static const struct {
        off_t at;
        uint32_t word;
    } words[] = {
        [OVERLAP] = {16, 0},   [BEYOND] = {40, SIZE / 4096},
        [BACKWARDS] = {24, 0}, [TOO_MANY] = {0, 6},
        [NONE] = {0, 0},       [WRONG_SUM] = {4, 6},
    };
    if (!inject_is_named(fd, "machool:delta"))
        return false;
    if (lie < UNSEALED)
        ASSERT_EQ(4, pwrite(fd, &words[lie].word, 4, words[lie].at));
    else if (lie == SHORT)
        ASSERT_SYS(ftruncate(fd, WRITTEN * 4096));
    else if (lie == HOLES)
        ASSERT_SYS(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4096, 4096));
    return lie == UNSEALED;
}

PEER(fault_liar)
{
    struct kit_pair pair;
    struct ool_msg message;
    char *memory = kit_allocate(SIZE);
    kit_pair_join(&pair);
    lie = (enum lie)atoi(pair.argument);
    kit_fill(memory, SIZE, 1);
    ASSERT_OK(send_region(pair.theirs, memory, false, &message));
    parent_hear();
    inject_before_seals(tell_a_lie);
    write_some(memory);
    ASSERT_OK(send_region(pair.theirs, memory, false, &message));
    kit_wait_dead(pair.theirs); /* the other side has hung up */
    parent_tell();
    parent_hear();
}

#endif

/* The liar's connection ends, and nothing else: no signal, no byte out of place, an honest task's memory
 * arrives as before. */
TEST_FOR(lies_about_a_delta, 60)
{
#ifdef __linux__
    struct kit_pair honest;
    struct ool_rcv received;
    GATE_FAULTS();
    if (vm_page_size != 4096)
        return;
    kit_pair_start(&honest, "fault_resender", "");
    ASSERT_OK(kit_receive(&received.header, sizeof(received), honest.mine, 0, PATIENCE));
    kit_free(received.ool[0].address, SIZE);
    for (int i = 0; i < LIES; i++) {
        struct kit_pair liar;
        char argument[16];
        snprintf(argument, sizeof(argument), "%d", i);
        kit_pair_start(&liar, "fault_liar", argument);
        ASSERT_OK(kit_receive(&received.header, sizeof(received), liar.mine, 0, PATIENCE));
        ASSERT_FILLED(received.ool[0].address, SIZE, 1);
        peer_tell(&liar.peer);
        kit_wait_dead(liar.theirs);
        peer_hear(&liar.peer);
        ASSERT_FILLED(received.ool[0].address, SIZE, 1); /* what came before stays */
        kit_free(received.ool[0].address, SIZE);
        kit_expect_nothing(liar.mine);
        peer_kill(&liar.peer);
        kit_pair_drop(&liar);

        peer_tell(&honest.peer);
        peer_hear(&honest.peer);
        ASSERT_OK(kit_receive(&received.header, sizeof(received), honest.mine, 0, PATIENCE));
        uint64_t seen = way_hash(received.ool[0].address, SIZE);
        kit_free(received.ool[0].address, SIZE);
        expect_hash(honest.mine, seen);
    }
    peer_kill(&honest.peer);
    kit_pair_drop(&honest);
#endif
}
