/* Queue limits, timeouts, blocking, order, death of the port. Section 6: S143 to S150, S156. */
#include "harness/mach_kit.h"

#include <signal.h>
#include <string.h>

TEST(S143_setting_the_limit)
{
    mach_port_t port = kit_port();
    const unsigned limits[] = {0, 1, 5, 16, 1024};
    mach_port_limits_t read_back;
    for (unsigned i = 0; i < 5; i++) {
        mach_msg_type_number_t count = MACH_PORT_LIMITS_INFO_COUNT;
        kit_set_qlimit(port, limits[i]);
        ASSERT_EQ(limits[i], kit_status(port).mps_qlimit);
        ASSERT_OK(mach_port_get_attributes(mach_task_self(), port, MACH_PORT_LIMITS_INFO,
                                           (mach_port_info_t)&read_back, &count));
        ASSERT_EQ(limits[i], read_back.mpl_qlimit);
        ASSERT_EQ(1, count);
    }
    mach_port_limits_t too_many = {.mpl_qlimit = 1025};
    ASSERT_CODE(KERN_INVALID_VALUE,
                mach_port_set_attributes(mach_task_self(), port, MACH_PORT_LIMITS_INFO,
                                         (mach_port_info_t)&too_many, 1));
    ASSERT_EQ(1024, kit_status(port).mps_qlimit);
    kit_destroy(port);
}

TEST(S143_lowering_keeps_what_is_queued)
{
    mach_port_t port = kit_port();
    kit_fill_queue(port, 5);
    kit_set_qlimit(port, 2);
    ASSERT_EQ(5, kit_status(port).mps_msgcount);
    ASSERT_CODE(MACH_SEND_TIMED_OUT, kit_try_plain(port, MACH_MSG_TYPE_COPY_SEND, 9, 0));
    kit_deallocate(port); /* S126: the reference that came back */
    for (int i = 0; i < 4; i++)
        kit_expect_plain(port, i);
    ASSERT_OK(kit_try_plain(port, MACH_MSG_TYPE_COPY_SEND, 9, 0));
    kit_expect_plain(port, 4);
    kit_expect_plain(port, 9);
    kit_destroy(port);
}

TEST(S143_raising_wakes_that_many_senders)
{
    struct kit_event done = KIT_EVENT_INIT;
    struct kit_call senders[4];
    mach_port_t port = kit_port();
    kit_fill_queue(port, 5);
    for (int i = 0; i < 4; i++) {
        senders[i] = (struct kit_call){.port = port, .id = 10 + i, .all = &done};
        kit_call_start(&senders[i], kit_call_sends);
    }
    kit_event_quiet(&done, 0);
    kit_set_qlimit(port, 7);
    kit_event_wait(&done, 2);
    kit_event_quiet(&done, 2);
    kit_set_qlimit(port, 16);
    for (int i = 0; i < 4; i++)
        ASSERT_OK(kit_call_end(&senders[i]));
    ASSERT_EQ(9, kit_status(port).mps_msgcount);
    kit_destroy(port);
}

TEST(S144_sixth_send_blocks_until_there_is_room)
{
    mach_port_t port = kit_port();
    struct kit_call sender = {.port = port, .id = 5};
    kit_fill_queue(port, 5);
    kit_block_sending(&sender);
    kit_expect_plain(port, 0);
    ASSERT_OK(kit_call_end(&sender));
    for (int i = 1; i <= 5; i++)
        kit_expect_plain(port, i);
    kit_destroy(port);
}

TEST(S144_limit_counts_messages_not_bytes)
{
    const mach_msg_size_t size = 1 << 20;
    mach_port_t port = kit_port();
    mach_msg_header_t *message = kit_allocate(size);
    for (int i = 0; i < 6; i++) {
        kit_header(message, MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0), size, port, MACH_PORT_NULL,
                   i);
        ASSERT_CODE(i < 5 ? MACH_MSG_SUCCESS : MACH_SEND_TIMED_OUT,
                    kit_send(message, MACH_SEND_TIMEOUT, 0));
    }
    kit_free(message, size);
    kit_destroy(port);
}

PEER(queue_full)
{
    struct kit_pair pair;
    kit_pair_join(&pair);
    parent_hear(); /* our hello has been taken */
    kit_fill_queue(pair.theirs, 5);
    ASSERT_CODE(MACH_SEND_TIMED_OUT, kit_try_plain(pair.theirs, MACH_MSG_TYPE_COPY_SEND, 9, 20));
    kit_deallocate(pair.theirs);
    parent_tell();
    kit_send_plain(pair.theirs, 5); /* waits for room */
    parent_tell();
    for (int i = 6; i < 60; i++)
        kit_send_plain(pair.theirs, i);
    parent_hear();
    kit_pair_leave(&pair);
}

TEST(S144_sixth_send_blocks_between_tasks)
{
    struct kit_pair pair;
    kit_pair_start(&pair, "queue_full", "");
    peer_tell(&pair.peer);
    peer_hear(&pair.peer);
    kit_expect_plain(pair.mine, 0);
    peer_hear(&pair.peer);
    for (int i = 1; i < 60; i++)
        kit_expect_plain(pair.mine, i);
    kit_expect_nothing(pair.mine);
    peer_tell(&pair.peer);
    kit_pair_end(&pair);
}

TEST(S144_limit_zero_blocks_even_with_a_waiting_receiver)
{
    struct kit_call receiver = {.port = kit_port()};
    kit_set_qlimit(receiver.port, 0);
    kit_block_receiving(&receiver);
    ASSERT_CODE(MACH_SEND_TIMED_OUT, kit_try_plain(receiver.port, MACH_MSG_TYPE_COPY_SEND, 1, 20));
    kit_deallocate(receiver.port);
    kit_set_qlimit(receiver.port, 1);
    kit_send_plain(receiver.port, 2);
    ASSERT_OK(kit_call_end(&receiver));
    ASSERT_EQ(2, receiver.id);
    kit_destroy(receiver.port);
}

TEST(S145_send_once_messages_ignore_the_limit)
{
    mach_port_t port = kit_port();
    mach_port_t once[20];
    for (int i = 0; i < 20; i++)
        once[i] = kit_send_once(port);
    kit_fill_queue(port, 5);
    for (int i = 0; i < 20; i++)
        ASSERT_OK(kit_try_plain(once[i], MACH_MSG_TYPE_MOVE_SEND_ONCE, 10 + i, 0));
    ASSERT_EQ(25, kit_status(port).mps_msgcount);
    kit_destroy(port);
}

/* The only limit of what ignores the limit. */
TEST(S145_queues_end_at_65534)
{
    mach_port_t port = kit_receive_right();
    struct plain_msg message;
    for (unsigned i = 0; i < 65534; i++)
        ASSERT_OK(kit_try_plain(port, MACH_MSG_TYPE_MAKE_SEND_ONCE, 1, 0));
    ASSERT_EQ(65534, kit_status(port).mps_msgcount);
    memset(&message, 0, sizeof(message));
    kit_header(&message.header, MACH_MSGH_BITS(MACH_MSG_TYPE_MAKE_SEND_ONCE, 0), sizeof(message),
               port, MACH_PORT_NULL, 2);
    ASSERT_CODE(MACH_SEND_NO_BUFFER, kit_send(&message.header, MACH_SEND_TIMEOUT, 0));
    /* S126: the message comes back with the right that was made for it, good for another time. */
    ASSERT_EQ(MACH_MSGH_BITS(MACH_MSG_TYPE_MOVE_SEND_ONCE, 0), message.header.msgh_bits);
    kit_expect_plain(port, 1);
    ASSERT_OK(kit_send(&message.header, MACH_SEND_TIMEOUT, 0));
    ASSERT_EQ(65534, kit_status(port).mps_msgcount);
    kit_destroy(port);
}

TEST(S146_send_timeout_waits_that_long)
{
    mach_port_t port = kit_port();
    kit_fill_queue(port, 5);
    uint64_t start = kit_milliseconds();
    ASSERT_CODE(MACH_SEND_TIMED_OUT, kit_try_plain(port, MACH_MSG_TYPE_COPY_SEND, 9, 100));
    uint64_t took = kit_milliseconds() - start;
    ASSERT(took >= 99 && took < 3000);
    kit_destroy(port);
}

/* Without the flag the number means nothing: this would otherwise time out. */
TEST(S146_timeout_without_the_flag_is_ignored)
{
    mach_port_t port = kit_port();
    struct kit_call sender = {.port = port, .id = 5};
    struct kit_call receiver = {.port = kit_port(), .timeout = 1};
    kit_block_receiving(&receiver);
    kit_fill_queue(port, 5);
    kit_block_sending(&sender);
    kit_expect_plain(port, 0);
    kit_send_plain(receiver.port, 3);
    ASSERT_OK(kit_call_end(&sender));
    ASSERT_OK(kit_call_end(&receiver));
    ASSERT_EQ(3, receiver.id);
    kit_destroy(port);
    kit_destroy(receiver.port);
}

TEST(S147_timeout_zero_takes_what_is_there)
{
    mach_port_t port = kit_port();
    struct plain_rcv received;
    for (int i = 0; i < 3; i++) {
        kit_expect_nothing(port);
        kit_send_plain(port, i);
        ASSERT_OK(kit_receive(&received.header, sizeof(received), port, 0, 0));
    }
    kit_destroy(port);
}

PEER(queue_tells)
{
    struct kit_pair pair;
    kit_pair_join(&pair);
    for (int i = 0; i < 50; i++) {
        kit_send_plain(pair.theirs, i);
        parent_tell();
        parent_hear();
    }
    kit_pair_leave(&pair);
}

/* What another task has sent before, by its own word, is there. */
TEST(S147_timeout_zero_between_tasks)
{
    struct kit_pair pair;
    kit_pair_start(&pair, "queue_tells", "");
    for (int i = 0; i < 50; i++) {
        struct plain_rcv received;
        peer_hear(&pair.peer);
        ASSERT_OK(kit_receive(&received.header, sizeof(received), pair.mine, 0, 0));
        ASSERT_EQ(i, received.header.msgh_id);
        peer_tell(&pair.peer);
    }
    kit_pair_end(&pair);
}

TEST(S148_blocked_sender_whose_destination_dies)
{
    mach_port_t port = kit_port();
    struct kit_call sender = {.port = port, .id = 5};
    kit_fill_queue(port, 5);
    kit_block_sending(&sender);
    ASSERT_OK(mach_port_mod_refs(mach_task_self(), port, MACH_PORT_RIGHT_RECEIVE, -1));
    ASSERT_OK(kit_call_end(&sender));
    ASSERT_CODE(MACH_SEND_INVALID_DEST, kit_try_plain(port, MACH_MSG_TYPE_COPY_SEND, 1, 0));
    kit_destroy(port);
}

PEER(queue_dies)
{
    struct kit_pair pair;
    kit_pair_join(&pair);
    parent_hear();
    if (strcmp(pair.argument, "killed") == 0)
        raise(SIGKILL);
    kit_pair_leave(&pair);
}

static void blocked_sender_of_a_dying_task(const char *how)
{
    struct kit_pair pair;
    kit_pair_start(&pair, "queue_dies", how);
    struct kit_call sender = {.port = pair.theirs, .id = 5};
    kit_fill_queue(pair.theirs, 5);
    kit_block_sending(&sender);
    peer_tell(&pair.peer);
    (void)peer_reap(&pair.peer);
    ASSERT_OK(kit_call_end(&sender));
    kit_wait_dead(pair.theirs);
    ASSERT_CODE(MACH_SEND_INVALID_DEST, kit_try_plain(pair.theirs, MACH_MSG_TYPE_COPY_SEND, 1, 0));
    kit_pair_drop(&pair);
}

TEST(S148_blocked_sender_of_a_task_that_ends)
{
    blocked_sender_of_a_dying_task("ends");
}

TEST(S148_blocked_sender_of_a_task_that_is_killed)
{
    blocked_sender_of_a_dying_task("killed");
}

TEST(S149_receive_on_what_is_no_receive_right)
{
    struct plain_rcv received;
    struct kit_pair pair;
    mach_port_t dead = kit_port();
    ASSERT_OK(mach_port_mod_refs(mach_task_self(), dead, MACH_PORT_RIGHT_RECEIVE, -1));
    kit_pair_start(&pair, "queue_dies", "");
    const mach_port_t names[] = {MACH_PORT_NULL, MACH_PORT_DEAD, kit_unknown_name(), dead,
                                 pair.theirs};
    for (unsigned i = 0; i < 5; i++)
        ASSERT_EQ(0x10004002, kit_receive(&received.header, sizeof(received), names[i], 0, 0));
    kit_deallocate(dead);
    peer_tell(&pair.peer);
    kit_pair_end(&pair);
}

TEST(S150_blocked_receiver_whose_port_is_destroyed)
{
    struct kit_call receiver = {.port = kit_port()};
    kit_block_receiving(&receiver);
    kit_destroy(receiver.port);
    mach_msg_return_t result = kit_call_end(&receiver);
    if (result != MACH_RCV_PORT_DIED)
        ASSERT_CODE(MACH_RCV_PORT_CHANGED, result);
}

enum { FIFO_COUNT = 3000 };

PEER(queue_fifo)
{
    struct kit_pair pair;
    void *memory = kit_allocate(1 << 16);
    kit_pair_join(&pair);
    for (int i = 0; i < FIFO_COUNT; i++) {
        if (i % 10 == 9) { /* messages that travel in another way keep their place */
            struct ool_msg message;
            kit_ool_msg(&message, pair.theirs, i, memory, i % 20 == 9 ? 10 : 1 << 16, 1, false);
            ASSERT_OK(kit_send(&message.header, MACH_SEND_TIMEOUT, PATIENCE));
        } else {
            kit_send_plain(pair.theirs, i);
        }
    }
    kit_free(memory, 1 << 16);
    parent_hear();
    kit_pair_leave(&pair);
}

TEST(S156_messages_of_one_sender_keep_their_order)
{
    struct kit_pair pair;
    kit_pair_start(&pair, "queue_fifo", "");
    for (int i = 0; i < FIFO_COUNT; i++) {
        struct ool_rcv received;
        ASSERT_OK(kit_receive(&received.header, sizeof(received), pair.mine, 0, PATIENCE));
        ASSERT_EQ(i, received.header.msgh_id);
        if ((received.header.msgh_bits & MACH_MSGH_BITS_COMPLEX) != 0)
            kit_free(received.ool[0].address, received.ool[0].size);
    }
    peer_tell(&pair.peer);
    kit_pair_end(&pair);
}

/* Nine replies of one task to one port with the default limit and no timeout. */
PEER(queue_nine)
{
    struct kit_pair pair;
    struct plain_msg message;
    kit_pair_join(&pair);
    for (int i = 0; i < 9; i++) {
        memset(&message, 0, sizeof(message));
        kit_header(&message.header, MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0),
                   sizeof(message.header), pair.theirs, MACH_PORT_NULL, i);
        ASSERT_OK(kit_send(&message.header, 0, 0));
    }
    ASSERT_EQ(1, kit_refs(pair.theirs, MACH_PORT_RIGHT_SEND));
    kit_pair_leave(&pair);
}

TEST(S144_nine_messages_wait_for_the_receiver)
{
    struct kit_pair pair;
    kit_pair_start(&pair, "queue_nine", "");
    for (int i = 0; i < 9; i++)
        kit_expect_plain(pair.mine, i);
    kit_pair_end(&pair);
}
