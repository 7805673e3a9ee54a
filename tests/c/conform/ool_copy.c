/* When out-of-line memory is copied cannot be told from what arrives; and what becomes of it when
 * the destination is gone or the receiver has no room. Sections 1 and 2: S21 to S23, S37, S58. */
#include "harness/way.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static void prepare(struct ool_msg *message, mach_port_t port, unsigned count)
{
    kit_header(&message->header,
               MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0) | MACH_MSGH_BITS_COMPLEX,
               OOL_MSG_SIZE(count), port, MACH_PORT_NULL, 7);
    message->body.msgh_descriptor_count = count;
}

/* One region of a size, from `offset` in its first page, in all four ways: bytes, size and flags
 * are the same but for copy and deallocate themselves. */
static void send_four_ways(struct way *way, size_t size, size_t offset)
{
    for (unsigned how = 0; how < 4; how++) {
        struct ool_msg message;
        struct seen seen;
        unsigned copy = how & 1;
        bool deallocate = how >= 2;
        size_t whole = kit_round(offset + size);
        char *memory = kit_allocate(whole);
        kit_fill(memory + offset, size, how);
        kit_ool(&message.ool[0], memory + offset, size, copy, deallocate);
        way_prepare(way, &message, 1, 1);
        ASSERT_OK(way_send(way, &message));
        if (!deallocate)
            memset(memory, 0xee, whole);
        way_look(way, &seen);
        ASSERT_OK(seen.result);
        ASSERT_EQ(way_hash_filled(size, how), seen.region[0].hash);
        ASSERT_EQ(size, seen.region[0].size);
        ASSERT_EQ(copy, seen.region[0].copy);
        ASSERT_EQ(copy == MACH_MSG_VIRTUAL_COPY, seen.region[0].deallocate);
        ASSERT(seen.region[0].edges_zero);
        if (!deallocate) {
            ASSERT_ALL(0xee, memory, whole);
            kit_free(memory, whole);
        }
    }
}

TEST_BOTH_WAYS(S21_small_memory_is_alike_whatever_copy_says)
{
    const size_t sizes[] = {1, 2047, 2048, 4095, 4096, 8191};
    for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
        for (size_t offset = 0; offset < 200; offset += 101)
            send_four_ways(way, sizes[i], offset);
}

/* All sizes at which any system changes its ways, with their neighbours. */
TEST_BOTH_WAYS(S21_S22_thresholds_cannot_be_told)
{
    for (size_t size = 8192; size <= 262144; size *= 2) {
        send_four_ways(way, size - 1, 0);
        send_four_ways(way, size, 0);
        send_four_ways(way, size + 1, 0);
    }
}

TEST_BOTH_WAYS(S22_large_memory_is_alike_in_all_four_ways)
{
    send_four_ways(way, 1 << 20, 0);
    send_four_ways(way, (1 << 20) + 4097, 3);
    send_four_ways(way, 3 << 20, 1000);
}

/* Rights count with eight bytes each towards what physical copies may take; the names below are
 * all of nothing, which is legal (S118). */
TEST(S23_rights_count_with_eight_bytes_each)
{
    const size_t limit = 7 << 20;
    mach_port_t port = kit_port();
    struct {
        mach_msg_header_t header;
        mach_msg_body_t body;
        mach_msg_ool_descriptor_t memory;
        mach_msg_ool_ports_descriptor_t rights;
    } message;
    struct ool_rcv received;
    enum { RIGHTS = 512 };
    size_t room = limit - kit_round(8 * RIGHTS);
    mach_port_t none[RIGHTS + 1] = {MACH_PORT_NULL};
    char *memory = kit_allocate(limit);
    for (unsigned over = 0; over < 2; over++) {
        memset(&message, 0, sizeof(message));
        kit_header(&message.header,
                   MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0) | MACH_MSGH_BITS_COMPLEX,
                   sizeof(message), port, MACH_PORT_NULL, 7);
        message.body.msgh_descriptor_count = 2;
        kit_ool(&message.memory, memory, room + over * kit_round(8 * RIGHTS),
                MACH_MSG_PHYSICAL_COPY, false);
        message.rights.address = none;
        message.rights.count = RIGHTS;
        message.rights.disposition = MACH_MSG_TYPE_COPY_SEND;
        message.rights.type = MACH_MSG_OOL_PORTS_DESCRIPTOR;
        ASSERT_CODE(over ? MACH_MSG_VM_KERNEL : MACH_MSG_SUCCESS,
                    kit_send(&message.header, MACH_SEND_TIMEOUT, 0));
    }
    ASSERT_OK(kit_receive(&received.header, sizeof(received), port, 0, 0));
    kit_free(received.ool[0].address, room);
    kit_free(received.ool[1].address, RIGHTS * sizeof(mach_port_t));
    kit_expect_nothing(port);
    kit_free(memory, limit);
    kit_destroy(port);
}

/* Destinations that go after the message has been copied in. */

struct gift {
    mach_port_t to;
    mach_port_t once; /* a send-once right that is moved along */
    char *memory;
    size_t size;
    mach_msg_return_t result;
    struct kit_event done;
};

/* A region that is given away and a send-once right in one message, without a time limit. */
static void *give(void *argument)
{
    struct gift *gift = argument;
    struct {
        mach_msg_header_t header;
        mach_msg_body_t body;
        mach_msg_ool_descriptor_t ool;
        mach_msg_port_descriptor_t port;
    } message;
    memset(&message, 0, sizeof(message));
    kit_header(&message.header, MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0) | MACH_MSGH_BITS_COMPLEX,
               sizeof(message), gift->to, MACH_PORT_NULL, 7);
    message.body.msgh_descriptor_count = 2;
    kit_ool(&message.ool, gift->memory, gift->size, MACH_MSG_VIRTUAL_COPY, true);
    kit_port_descriptor(&message.port, gift->once, MACH_MSG_TYPE_MOVE_SEND_ONCE);
    gift->result = kit_send(&message.header, 0, 0);
    kit_event_post(&gift->done);
    return NULL;
}

static void make_gift(struct gift *ret_gift, mach_port_t to, mach_port_t notify)
{
    *ret_gift = (struct gift){.to = to, .size = 1 << 20, .done = KIT_EVENT_INIT};
    ret_gift->once = kit_send_once(notify);
    ret_gift->memory = kit_allocate(ret_gift->size);
    kit_fill(ret_gift->memory, ret_gift->size, 1);
}

/* The send has succeeded, and all of it is gone. */
static void check_gift_is_gone(const struct gift *gift, mach_port_t notify)
{
    mach_port_type_t type;
    ASSERT_OK(gift->result);
    ASSERT(!kit_is_readable(gift->memory));
    ASSERT(!kit_is_readable(gift->memory + gift->size - 1));
    ASSERT_CODE(KERN_INVALID_NAME, mach_port_type(mach_task_self(), gift->once, &type));
    kit_expect_send_once_notification(notify);
}

TEST(S37_destination_dies_while_the_sender_waits)
{
    struct gift gift;
    mach_port_t port = kit_port();
    mach_port_t notify = kit_receive_right();
    kit_fill_queue(port, 5);
    make_gift(&gift, port, notify);
    pthread_t thread = kit_thread(give, &gift);
    kit_event_quiet(&gift.done, 0);
    ASSERT(!kit_is_readable(gift.memory)); /* S27: taken before it waited */
    ASSERT_OK(mach_port_mod_refs(mach_task_self(), port, MACH_PORT_RIGHT_RECEIVE, -1));
    kit_join(thread);
    check_gift_is_gone(&gift, notify);
    kit_destroy(port);
    kit_destroy(notify);
}

PEER(ool_copy_dies)
{
    struct kit_pair pair;
    kit_pair_join(&pair);
    parent_hear();
    kit_pair_leave(&pair);
}

TEST(S37_destination_dies_with_its_task)
{
    struct gift gift;
    struct kit_pair pair;
    mach_port_t notify = kit_receive_right();
    kit_pair_start(&pair, "ool_copy_dies", "");
    kit_fill_queue(pair.theirs, 5);
    make_gift(&gift, pair.theirs, notify);
    pthread_t thread = kit_thread(give, &gift);
    kit_event_quiet(&gift.done, 0);
    peer_tell(&pair.peer);
    kit_join(thread);
    check_gift_is_gone(&gift, notify);
    kit_pair_end(&pair);
    kit_destroy(notify);
}

/* A send-once right whose port has died unnoticed is a destination that is found dead too late
 * (S117). */
TEST(S37_S117_memory_for_a_dead_send_once_right)
{
    struct ool_msg message;
    mach_port_t port = kit_port();
    mach_port_t once = kit_send_once(port);
    char *memory = kit_allocate(1 << 20);
    kit_destroy(port);
    kit_ool(&message.ool[0], memory, 1 << 20, MACH_MSG_VIRTUAL_COPY, true);
    prepare(&message, once, 1);
    message.header.msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_MOVE_SEND_ONCE, 0) |
                               MACH_MSGH_BITS_COMPLEX;
    ASSERT_OK(kit_send(&message.header, MACH_SEND_TIMEOUT, 0));
    ASSERT(!kit_is_readable(memory));
}

/* Receivers without room. */

static rlim_t set_address_space(rlim_t limit)
{
    struct rlimit both;
    ASSERT_SYS(getrlimit(RLIMIT_AS, &both));
    rlim_t before = both.rlim_cur;
    both.rlim_cur = limit;
    ASSERT_SYS(setrlimit(RLIMIT_AS, &both));
    return before;
}

/* What is in use, and so many bytes more. */
static rlim_t limit_address_space(size_t more)
{
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    ASSERT(file != NULL);
    ASSERT_EQ(1, fscanf(file, "%lu", &pages));
    (void)fclose(file);
    return set_address_space(pages * vm_page_size + more);
}

enum { BIG = 64 << 20, SMALL = 1 << 16 };

static void send_big_between_small(mach_port_t port, char *memory)
{
    struct ool_msg message;
    kit_fill(memory, SMALL, 1);
    kit_ool(&message.ool[0], memory, 100, MACH_MSG_VIRTUAL_COPY, false);
    kit_ool(&message.ool[1], memory, BIG, MACH_MSG_VIRTUAL_COPY, false);
    kit_ool(&message.ool[2], memory, SMALL, MACH_MSG_VIRTUAL_COPY, false);
    prepare(&message, port, 3);
    ASSERT_OK(kit_send(&message.header, MACH_SEND_TIMEOUT, PATIENCE));
}

/* The one that does not fit is missing, all else is there, and the queue is empty afterwards. */
static void receive_without_room(mach_port_t port)
{
    struct ool_rcv received;
    rlim_t before = limit_address_space(8 << 20);
    mach_msg_return_t result = kit_receive(&received.header, sizeof(received), port, 0, PATIENCE);
    set_address_space(before);
    if (result != (MACH_RCV_BODY_ERROR | MACH_MSG_VM_KERNEL))
        ASSERT_CODE(MACH_RCV_BODY_ERROR | MACH_MSG_VM_SPACE, result);
    ASSERT_EQ(7, received.header.msgh_id);
    ASSERT_EQ(OOL_MSG_SIZE(3), received.header.msgh_size);
    ASSERT_EQ(3, received.body.msgh_descriptor_count);
    ASSERT_EQ(0, received.ool[1].address);
    ASSERT_EQ(0, received.ool[1].size);
    ASSERT_EQ(100, received.ool[0].size);
    ASSERT_EQ(SMALL, received.ool[2].size);
    ASSERT_FILLED(received.ool[0].address, 100, 1);
    ASSERT_FILLED(received.ool[2].address, SMALL, 1);
    kit_free(received.ool[0].address, 100);
    kit_free(received.ool[2].address, SMALL);
    kit_expect_nothing(port);
}

TEST(S58_no_address_space_for_a_region)
{
    GATE_DARWIN("the kernel does not enforce RLIMIT_AS");
    mach_port_t port = kit_port();
    char *memory = kit_allocate(BIG);
    send_big_between_small(port, memory);
    receive_without_room(port);
    kit_free(memory, BIG);
    kit_destroy(port);
}

PEER(ool_copy_without_room)
{
    struct kit_pair pair;
    kit_pair_join(&pair);
    receive_without_room(pair.mine);
    parent_tell();
    kit_expect_plain(pair.mine, 8); /* and goes on working */
    kit_pair_leave(&pair);
}

TEST(S58_no_address_space_in_another_task)
{
    GATE_DARWIN("the kernel does not enforce RLIMIT_AS");
    struct kit_pair pair;
    char *memory = kit_allocate(BIG);
    kit_pair_start(&pair, "ool_copy_without_room", "");
    send_big_between_small(pair.theirs, memory);
    peer_hear(&pair.peer);
    kit_send_plain(pair.theirs, 8);
    kit_pair_end(&pair);
    kit_free(memory, BIG);
}
