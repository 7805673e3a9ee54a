/* A region that is sent again after a few of its pages were written to. Whatever way its memory takes,
 * each message is a snapshot of its own. Sections 1 to 3: S20, S27, S34, S35, S37, S45, S65 to S74, and
 * S123, where messages follow a port to a task that never had the region. */
#include "harness/port_kit.h"
#include "harness/way.h"

#include <string.h>
#include <sys/mman.h>

static const size_t sizes[] = {(128 << 10) + 1, 1 << 20, (3 << 20) - 100, (9 << 20) + 5};
enum { SIZES = sizeof(sizes) / sizeof(sizes[0]), ROUNDS = 4 };

/* The first and the last byte, and some in between, in pages that change from round to round. */
static void write_some(char *memory, size_t size, unsigned round)
{
    memory[0] = (char)(memory[0] + 1);
    memory[size - 1] = (char)(memory[size - 1] + 1);
    for (size_t at = round * 5 * vm_page_size + round; at < size; at += 50 * vm_page_size)
        memory[at] = (char)(memory[at] ^ 0x3f);
}

/* Writes some and sends; what was sent. */
static uint64_t write_and_send(struct way *way, char *memory, size_t size, unsigned round)
{
    write_some(memory, size, round);
    uint64_t hash = way_hash(memory, size);
    way_send_region(way, memory, size, 1, false);
    return hash;
}

/* A region that the receiver has had once. */
static char *sent_region(struct way *way, size_t size, unsigned seed)
{
    struct seen seen;
    char *memory = kit_allocate(size);
    kit_fill(memory, size, seed);
    way_send_region(way, memory, size, 1, false);
    way_look(way, &seen);
    ASSERT_EQ(way_hash_filled(size, seed), seen.region[0].hash);
    return memory;
}

static void look_for(struct way *way, uint64_t hash, size_t size)
{
    struct seen seen;
    way_look(way, &seen);
    ASSERT_OK(seen.result);
    ASSERT_EQ(1, seen.count);
    ASSERT_EQ(size, seen.region[0].size);
    ASSERT_EQ(hash, seen.region[0].hash);
    ASSERT(seen.region[0].edges_zero); /* S45 */
    ASSERT(seen.region[0].freed);
}

TEST_BOTH_WAYS(S65_S67_each_send_is_what_it_was_then)
{
    for (unsigned i = 0; i < SIZES; i++) {
        size_t size = sizes[i];
        uint64_t hash[ROUNDS];
        char *memory = sent_region(way, size, i);
        for (unsigned round = 0; round < ROUNDS; round++)
            hash[round] = write_and_send(way, memory, size, round);
        write_some(memory, size, 9); /* not seen by any of them */
        for (unsigned round = 0; round < ROUNDS; round++)
            look_for(way, hash[round], size);
        kit_free(memory, size);
    }
}

/* The receiver overwrites all it gets; the sender goes on writing. */
TEST_BOTH_WAYS(S66_neither_side_sees_the_other_write)
{
    for (unsigned i = 0; i < SIZES; i++) {
        size_t size = sizes[i];
        char *memory = sent_region(way, size, i);
        for (unsigned round = 0; round < ROUNDS; round++) {
            uint64_t hash = write_and_send(way, memory, size, round);
            write_some(memory, size, round + 20);
            uint64_t now = way_hash(memory, size);
            look_for(way, hash, size);
            ASSERT_EQ(now, way_hash(memory, size));
        }
        kit_free(memory, size);
    }
}

TEST_BOTH_WAYS(S68_twice_in_one_message)
{
    for (unsigned i = 0; i < SIZES; i++) {
        struct ool_msg message;
        struct seen seen;
        size_t size = sizes[i];
        char *memory = sent_region(way, size, i);
        write_some(memory, size, 1);
        for (unsigned j = 0; j < 4; j++)
            kit_ool(&message.ool[j], memory, size, 1, j == 3);
        uint64_t hash = way_hash(memory, size);
        way_prepare(way, &message, 4, 1);
        ASSERT_OK(way_send(way, &message));
        ASSERT(!kit_is_readable(memory)); /* S27 */
        way_look(way, &seen);
        ASSERT_EQ(4, seen.count);
        for (unsigned j = 0; j < 4; j++) {
            ASSERT_EQ(hash, seen.region[j].hash);
            ASSERT(!seen.region[j].overlaps);
            ASSERT(seen.region[j].edges_zero);
        }
    }
}

TEST_BOTH_WAYS(S69_sender_protects_or_frees_it)
{
    for (unsigned i = 0; i < SIZES; i++) {
        size_t size = sizes[i];
        char *memory = sent_region(way, size, i);
        uint64_t first = write_and_send(way, memory, size, 1);
        ASSERT_SYS(mprotect(memory, kit_round(size), PROT_NONE));
        look_for(way, first, size);
        ASSERT_SYS(mprotect(memory, kit_round(size), PROT_READ | PROT_WRITE));
        uint64_t second = write_and_send(way, memory, size, 2);
        kit_free(memory, size);
        look_for(way, second, size);
    }
}

TEST_BOTH_WAYS(S27_moved_after_a_few_pages)
{
    for (unsigned i = 0; i < SIZES; i++) {
        size_t size = sizes[i];
        char *memory = sent_region(way, size, i);
        write_some(memory, size, 1);
        uint64_t hash = way_hash(memory, size);
        way_send_region(way, memory, size, i % 2, true);
        ASSERT(!kit_is_readable(memory));
        ASSERT(!kit_is_readable(memory + size - 1));
        look_for(way, hash, size);
    }
}

/* Read-only memory is sent as it is; unreadable is a code, and stays (S30). */
TEST_BOTH_WAYS(S20_S74_protected_since_it_was_written_to)
{
    for (unsigned i = 0; i < SIZES; i++) {
        struct ool_msg message;
        size_t size = sizes[i];
        char *memory = sent_region(way, size, i);
        write_some(memory, size, 1);
        uint64_t hash = way_hash(memory, size);
        ASSERT_SYS(mprotect(memory, kit_round(size), PROT_READ));
        way_send_region(way, memory, size, 1, false);
        look_for(way, hash, size);
        ASSERT_SYS(mprotect(memory, vm_page_size, PROT_NONE));
        kit_ool(&message.ool[0], memory, size, 1, true);
        way_prepare(way, &message, 1, 1);
        ASSERT_CODE(MACH_SEND_INVALID_MEMORY, way_send(way, &message));
        ASSERT_SYS(mprotect(memory, kit_round(size), PROT_READ));
        ASSERT_EQ(hash, way_hash(memory, size));
        kit_free(memory, size);
    }
}

/* ---- what was received ----------------------------------------------------------------------- */

static char *receive_region(mach_port_t port, size_t size)
{
    struct ool_rcv received;
    ASSERT_OK(kit_receive(&received.header, sizeof(received), port, 0, PATIENCE));
    ASSERT_EQ(size, received.ool[0].size);
    return received.ool[0].address;
}

static mach_msg_return_t send_to(mach_port_t port, const void *address, size_t size,
                                 bool deallocate, struct ool_msg *ret_message)
{
    kit_ool_msg(ret_message, port, 9, address, size, 1, deallocate);
    return kit_send(&ret_message->header, MACH_SEND_TIMEOUT, 1);
}

/* A region that this task has had once, and then again with some of it written to. */
static char *received_again(mach_port_t port, size_t size, char **ret_source)
{
    struct ool_msg message;
    char *memory = kit_allocate(size);
    kit_fill(memory, size, 1);
    ASSERT_OK(send_to(port, memory, size, false, &message));
    kit_free(receive_region(port, size), size);
    write_some(memory, size, 1);
    ASSERT_OK(send_to(port, memory, size, false, &message));
    *ret_source = memory;
    return receive_region(port, size);
}

/* It goes on as it is: untouched, written to, written to again, moved. */
TEST_BOTH_WAYS(S70_forwarding_what_was_sent_again)
{
    mach_port_t port = kit_port();
    for (unsigned i = 0; i < SIZES; i++) {
        char *source;
        size_t size = sizes[i];
        char *region = received_again(port, size, &source);
        uint64_t before = way_hash(source, size);
        ASSERT_EQ(before, way_hash(region, size));
        way_send_region(way, region, size, 1, false);
        look_for(way, before, size);
        for (unsigned round = 2; round < 4; round++) {
            uint64_t hash = write_and_send(way, region, size, round);
            look_for(way, hash, size);
        }
        uint64_t last = way_hash(region, size);
        way_send_region(way, region, size, 1, true);
        ASSERT_EQ(before, way_hash(source, size));
        look_for(way, last, size);
        kit_free(source, size);
    }
    kit_destroy(port);
}

/* Sends back whatever it gets, with some pages written to, and keeps it for the next time. */
PEER(resend_echo)
{
    struct kit_pair pair;
    struct ool_msg message;
    kit_pair_join(&pair);
    for (unsigned i = 0; i < SIZES; i++) {
        char *region = receive_region(pair.mine, sizes[i]);
        for (unsigned round = 0; round < ROUNDS; round++) {
            write_some(region, sizes[i], round + 30);
            ASSERT_OK(send_to(pair.theirs, region, sizes[i], false, &message));
            char *next = receive_region(pair.mine, sizes[i]);
            kit_free(region, sizes[i]);
            region = next;
        }
        kit_free(region, sizes[i]);
    }
    kit_pair_leave(&pair);
}

/* The same memory there and back between two tasks, each writing to what it got from the other. */
TEST(S70_to_and_fro_between_two_tasks)
{
    struct kit_pair pair;
    struct ool_msg message;
    kit_pair_start(&pair, "resend_echo", "");
    for (unsigned i = 0; i < SIZES; i++) {
        size_t size = sizes[i];
        char *region = kit_allocate(size);
        char *expected = kit_allocate(size);
        kit_fill(region, size, i);
        kit_fill(expected, size, i);
        ASSERT_OK(send_to(pair.theirs, region, size, false, &message));
        for (unsigned round = 0; round < ROUNDS; round++) {
            kit_free(region, size);
            region = receive_region(pair.mine, size);
            write_some(expected, size, round + 30);
            ASSERT_EQ(way_hash(expected, size), way_hash(region, size));
            write_some(region, size, round);
            write_some(expected, size, round);
            ASSERT_OK(send_to(pair.theirs, region, size, false, &message));
        }
        kit_free(region, size);
        kit_free(expected, size);
    }
    kit_pair_end(&pair);
}

/* ---- messages that do not arrive where they were sent ----------------------------------------- */

TEST(S34_S35_S36_comes_back_from_a_full_queue)
{
    mach_port_t port = kit_port();
    for (unsigned i = 0; i < SIZES * 2; i++) {
        char *memory;
        struct ool_msg message;
        size_t size = sizes[i / 2];
        bool moved = i % 2;
        kit_free(received_again(port, size, &memory), size);
        write_some(memory, size, 2);
        uint64_t hash = way_hash(memory, size);
        kit_fill_queue(port, 5);
        ASSERT_CODE(MACH_SEND_TIMED_OUT, send_to(port, memory, size, moved, &message));
        char *back = message.ool[0].address;
        ASSERT_EQ(size, message.ool[0].size);
        ASSERT(moved || !kit_overlap(memory, size, back, size));
        ASSERT_EQ(hash, way_hash(back, size));
        ASSERT_CODE(MACH_SEND_TIMED_OUT, kit_send(&message.header, MACH_SEND_TIMEOUT, 0));
        back = message.ool[0].address; /* S127: moved there, and back again */
        ASSERT_EQ(hash, way_hash(back, size));
        kit_free(back, size);
        kit_deallocate(port);
        if (!moved) {
            ASSERT_EQ(hash, way_hash(memory, size));
            kit_free(memory, size);
        }
        for (int left = 0; left < 5; left++)
            kit_expect_plain(port, left);
    }
    kit_destroy(port);
}

/* Destroyed in the queue, or with a dead destination: nothing of it is left (the runner counts). */
TEST(S37_S125_destroyed_unread)
{
    for (unsigned i = 0; i < SIZES; i++) {
        struct ool_msg message;
        char *memory;
        mach_port_t port = kit_port();
        kit_free(received_again(port, sizes[i], &memory), sizes[i]);
        write_some(memory, sizes[i], 2);
        ASSERT_OK(send_to(port, memory, sizes[i], false, &message));
        write_some(memory, sizes[i], 3);
        ASSERT_OK(send_to(port, memory, sizes[i], true, &message));
        kit_destroy(port);
    }
}

/* What waits in a queue goes with its port, here to a task that has never had the region; what is sent
 * to the port afterwards goes there too. */
static void queue_moves(bool with_earlier_port)
{
    struct kit_pair pair;
    kit_pair_start(&pair, "resend_taker", with_earlier_port ? "earlier" : "");
    for (unsigned i = 0; i < SIZES; i++) {
        struct ool_msg message;
        char *memory;
        size_t size = sizes[i];
        mach_port_t port = kit_port();
        kit_free(received_again(port, size, &memory), size);
        if (with_earlier_port) /* the taker has had it, by a port of its own */
            ASSERT_OK(send_to(pair.theirs, memory, size, false, &message));
        for (unsigned round = 0; round < 2; round++) {
            write_some(memory, size, round);
            ASSERT_OK(send_to(port, memory, size, false, &message));
        }
        kit_send_right(pair.theirs, port, MACH_MSG_TYPE_MOVE_RECEIVE);
        write_some(memory, size, 2);
        ASSERT_OK(send_to(port, memory, size, true, &message));
        kit_expect_plain(pair.mine, 1);
        kit_deallocate(port);
    }
    kit_pair_end(&pair);
}

PEER(resend_taker)
{
    struct kit_pair pair;
    kit_pair_join(&pair);
    for (unsigned i = 0; i < SIZES; i++) {
        size_t size = sizes[i];
        char *expected = kit_allocate(size);
        kit_fill(expected, size, 1);
        write_some(expected, size, 1);
        if (strcmp(pair.argument, "earlier") == 0)
            kit_free(receive_region(pair.mine, size), size);
        mach_port_t port = kit_take_right(pair.mine, MACH_MSG_TYPE_PORT_RECEIVE);
        for (unsigned round = 0; round < 3; round++) {
            char *region = receive_region(port, size);
            write_some(expected, size, round);
            ASSERT_EQ(way_hash(expected, size), way_hash(region, size));
            kit_free(region, size);
        }
        kit_destroy(port);
        kit_free(expected, size);
        kit_send_plain(pair.theirs, 1);
    }
    kit_pair_leave(&pair);
}

TEST(S123_waiting_messages_move_to_another_task)
{
    queue_moves(false);
}

TEST(S123_waiting_messages_move_to_a_task_that_had_the_region)
{
    queue_moves(true);
}

/* ---- writers --------------------------------------------------------------------------------- */

struct writer {
    _Atomic bool stop;
    char *memory;
    size_t size;
};

static void *write_on(void *argument)
{
    struct writer *writer = argument;
    for (unsigned n = 0; !writer->stop; n++)
        for (size_t at = 0; at < writer->size; at += 40 * vm_page_size)
            __atomic_store_n(&writer->memory[at], (char)n, __ATOMIC_RELAXED);
    return NULL;
}

/* What another thread writes meanwhile is in the message or not, but what has arrived stays, and no
 * other byte is touched. */
TEST_FOR(S65_another_thread_writes_all_the_time, 60)
{
    mach_port_t port = kit_port();
    struct writer writer = {.size = 1 << 20};
    writer.memory = kit_allocate(writer.size);
    memset(writer.memory, 1, writer.size);
    pthread_t thread = kit_thread(write_on, &writer);
    for (int i = 0; i < 200; i++) {
        struct ool_msg message;
        ASSERT_OK(send_to(port, writer.memory, writer.size, false, &message));
        char *region = receive_region(port, writer.size);
        uint64_t hash = way_hash(region, writer.size);
        for (size_t at = 0; at < writer.size; at += vm_page_size)
            ASSERT_ALL(1, region + at + 1, vm_page_size - 1);
        ASSERT_EQ(hash, way_hash(region, writer.size));
        kit_free(region, writer.size);
    }
    writer.stop = true;
    kit_join(thread);
    kit_free(writer.memory, writer.size);
    kit_destroy(port);
}
