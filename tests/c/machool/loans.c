/* machool_allocate, machool_deallocate, machool_give, the limits and the counters, between two tasks. */
#include "harness/mach_kit.h"

#include <mach/machool.h>
#include <signal.h>
#include <string.h>

enum { SIZE = 300000, DONE = 99 };

static struct machool_stats stats(void)
{
    struct machool_stats now;
    machool_get_stats(&now);
    return now;
}

static char *allocate(int flags)
{
    vm_address_t address = 0;
    ASSERT_OK(machool_allocate(&address, SIZE, flags));
    return (char *)address;
}

static mach_msg_return_t send(const struct kit_pair *pair, const void *memory, bool deallocate,
                              mach_msg_timeout_t timeout, struct ool_msg *ret_message)
{
    kit_ool_msg(ret_message, pair->theirs, 1, memory, SIZE, 1, deallocate);
    return kit_send(&ret_message->header, MACH_SEND_TIMEOUT, timeout);
}

/* Tells what byte each part has throughout, and gives the part back. */
PEER(loans_reader)
{
    struct kit_pair pair;
    kit_pair_join(&pair);
    for (;;) {
        struct ool_rcv received;
        ASSERT_OK(kit_receive(&received.header, sizeof(received), pair.mine, 0, PATIENCE));
        if (received.header.msgh_id == DONE)
            break;
        const unsigned char *bytes = received.ool[0].address;
        ASSERT_EQ(SIZE, received.ool[0].size);
        ASSERT_ALL(bytes[0], bytes, SIZE);
        unsigned char byte = bytes[0];
        kit_free(received.ool[0].address, SIZE);
        kit_send_plain(pair.theirs, 1000 + byte);
    }
    parent_hear();
    kit_pair_leave(&pair);
}

static void start(struct kit_pair *ret_pair)
{
    kit_pair_start(ret_pair, "loans_reader", "");
}

static void end(struct kit_pair *pair)
{
    kit_send_plain(pair->theirs, DONE);
    peer_tell(&pair->peer);
    kit_pair_end(pair);
}

static void expect(const struct kit_pair *pair, int byte)
{
    kit_expect_plain(pair->mine, 1000 + byte);
}

TEST(moved_memory_is_a_hole_and_comes_back_zeroed)
{
    struct kit_pair pair;
    struct ool_msg message;
    start(&pair);
    for (int byte = 1; byte < 20; byte++) {
        char *memory = allocate(byte % 2 ? 0 : MACHOOL_UNCLEARED);
        if (byte % 2)
            ASSERT_ALL(0, memory, SIZE);
        memset(memory, byte, SIZE);
        ASSERT_OK(send(&pair, memory, true, PATIENCE, &message));
        ASSERT(!kit_is_readable(memory) && !kit_is_readable(memory + SIZE - 1));
        expect(&pair, byte);
        char *next = kit_allocate(SIZE);
        ASSERT_ALL(0, next, SIZE);
        kit_free(next, SIZE);
        ASSERT(!kit_is_readable(next));
    }
    end(&pair);
}

TEST(given_memory_leaves_zeros_or_stays)
{
    struct kit_pair pair;
    struct ool_msg message;
    start(&pair);
    char *memory = allocate(0);
    for (int byte = 1; byte < 20; byte++) {
        memset(memory, byte, SIZE);
        kern_return_t kr = machool_give((vm_address_t)memory, SIZE);
        ASSERT(kr == KERN_SUCCESS || kr == KERN_INVALID_ARGUMENT);
        ASSERT_OK(send(&pair, memory, false, PATIENCE, &message));
        expect(&pair, byte);
        unsigned char left = (unsigned char)memory[0];
        ASSERT(left == byte || left == 0); /* a copy where it cannot leave */
        ASSERT_ALL(left, memory, SIZE);
    }
    kit_free(memory, SIZE);
    char small[100];
    ASSERT_CODE(KERN_INVALID_ARGUMENT, machool_give((vm_address_t)small, sizeof(small)));
    ASSERT_CODE(KERN_INVALID_ARGUMENT, machool_give(0, SIZE));
    end(&pair);
}

/* Into a full queue, and to a dead name: the contents are where they were. */
TEST(given_memory_is_back_when_the_send_fails)
{
    struct kit_pair pair;
    struct ool_msg message;
    start(&pair);
    char *memory = allocate(0);
    memset(memory, 7, SIZE);
    ASSERT_OK(send(&pair, memory, false, PATIENCE, &message)); /* they know each other */
    expect(&pair, 7);
    kill(pair.peer.pid, SIGSTOP);
    unsigned sent = 0;
    while (kit_try_plain(pair.theirs, MACH_MSG_TYPE_COPY_SEND, 1, 0) == MACH_MSG_SUCCESS)
        ASSERT(++sent < 1000);
    for (int i = 0; i < 50; i++) {
        memset(memory, i, SIZE);
        (void)machool_give((vm_address_t)memory, SIZE);
        ASSERT_CODE(MACH_SEND_TIMED_OUT, send(&pair, memory, false, 0, &message));
        ASSERT_ALL(i, memory, SIZE);
        if (message.ool[0].address != memory && message.ool[0].size)
            kit_free(message.ool[0].address, SIZE); /* received here instead (S33) */
        kit_deallocate(message.header.msgh_remote_port);
    }
    ASSERT_EQ(0, stats().lent_bytes);
    peer_kill(&pair.peer);
    kit_wait_dead(pair.theirs);
    (void)machool_give((vm_address_t)memory, SIZE);
    ASSERT_CODE(MACH_SEND_INVALID_DEST, send(&pair, memory, false, 0, &message));
    ASSERT_ALL(49, memory, SIZE);
    struct kit_pair other;
    start(&other);
    ASSERT_OK(send(&other, memory, false, PATIENCE, &message)); /* not given for this one */
    expect(&other, 49);
    ASSERT_ALL(49, memory, SIZE);
    kit_free(memory, SIZE);
    end(&other);
    kit_pair_drop(&pair);
}

TEST(limits_are_told_and_kept)
{
    struct kit_pair pair;
    struct ool_msg message;
    struct machool_stats before = stats();
    start(&pair);
    machool_set_limits(SIZE, 1 << 20);
    ASSERT_EQ(SIZE, stats().idle_limit);
    ASSERT_EQ(1 << 20, stats().lent_limit);
    for (int byte = 1; byte < 20; byte++) {
        char *memory = allocate(0);
        memset(memory, byte, SIZE);
        ASSERT_OK(send(&pair, memory, true, PATIENCE, &message));
        ASSERT(stats().lent_bytes <= 1 << 20);
        if (byte > 4) /* some are under way at a time */
            expect(&pair, byte - 4);
    }
    for (int byte = 16; byte < 20; byte++)
        expect(&pair, byte);
    ASSERT(stats().idle_bytes <= 2 * (SIZE + 65536));
    machool_set_limits(0, 0);
    ASSERT_EQ(0, stats().idle_bytes);
    uint64_t lent = stats().lent_bytes;
    char *memory = allocate(0);
    memset(memory, 3, SIZE);
    ASSERT_OK(send(&pair, memory, true, PATIENCE, &message));
    ASSERT(stats().lent_bytes <= lent);
    expect(&pair, 3);
    machool_set_limits(before.idle_limit, before.lent_limit);
    machool_trim();
    ASSERT_EQ(0, stats().idle_bytes);
    end(&pair);
}

TEST(allocation_flags_and_sizes)
{
    vm_address_t address = 1;
    ASSERT_CODE(KERN_INVALID_ARGUMENT, machool_allocate(&address, SIZE, 2));
    ASSERT_OK(machool_allocate(&address, 0, 0));
    ASSERT_CODE(KERN_NO_SPACE, machool_allocate(&address, ~(vm_size_t)0 / 2, 0));
    ASSERT_OK(machool_allocate(&address, 1, MACHOOL_UNCLEARED));
    *(char *)address = 1;
    ASSERT_OK(machool_deallocate(address, 1));
    ASSERT_OK(machool_deallocate(address, 0));
    ASSERT_CODE(KERN_INVALID_ARGUMENT, machool_deallocate(~(vm_address_t)0, SIZE));
}
