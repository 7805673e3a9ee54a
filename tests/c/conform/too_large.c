/* A receive buffer that is too small, with and without MACH_RCV_LARGE. Section 2: S51 to S57. */
#include "harness/mach_kit.h"

#include <stddef.h>
#include <string.h>

enum { TRAILER = 8 };

/* A message with a region, a port and a send-once reply: all that can be lost with it. */
struct loaded_msg {
    mach_msg_header_t header;
    mach_msg_body_t body;
    mach_msg_ool_descriptor_t ool;
    mach_msg_port_descriptor_t port;
    char text[KIT_TEXT];
};
struct loaded_rcv {
    struct loaded_msg message;
    mach_msg_max_trailer_t trailer;
};

struct loaded {
    mach_port_t port;
    mach_port_t inside; /* its send right travels in the message */
    mach_port_t reply;
    void *memory;
    size_t size;
};

static void loaded_open(struct loaded *ret_loaded)
{
    ret_loaded->port = kit_port();
    ret_loaded->inside = kit_receive_right();
    ret_loaded->reply = kit_receive_right();
    ret_loaded->size = 1 << 20;
    ret_loaded->memory = kit_allocate(ret_loaded->size);
    kit_fill(ret_loaded->memory, ret_loaded->size, 1);
}

static void loaded_close(struct loaded *loaded)
{
    kit_destroy(loaded->port);
    kit_destroy(loaded->inside);
    kit_destroy(loaded->reply);
    kit_free(loaded->memory, loaded->size);
}

static void loaded_send(struct loaded *loaded, int id)
{
    struct loaded_msg message;
    memset(&message, 0, sizeof(message));
    kit_header(&message.header,
               MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MAKE_SEND_ONCE) |
                   MACH_MSGH_BITS_COMPLEX,
               sizeof(message), loaded->port, loaded->reply, id);
    message.body.msgh_descriptor_count = 2;
    kit_ool(&message.ool, loaded->memory, loaded->size, 1, false);
    kit_port_descriptor(&message.port, loaded->inside, MACH_MSG_TYPE_MAKE_SEND);
    strcpy(message.text, "the text");
    ASSERT_OK(kit_send(&message.header, MACH_SEND_TIMEOUT, 0));
}

static void loaded_check(struct loaded *loaded, const struct loaded_rcv *received)
{
    const struct loaded_msg *message = &received->message;
    ASSERT_EQ(sizeof(*message), message->header.msgh_size);
    ASSERT_EQ(2, message->body.msgh_descriptor_count);
    ASSERT_FILLED(message->ool.address, loaded->size, 1);
    ASSERT_EQ(loaded->inside, message->port.name);
    ASSERT_STR("the text", message->text);
    kit_free(message->ool.address, loaded->size);
    kit_deallocate(message->port.name);
    kit_deallocate(message->header.msgh_remote_port); /* answers with id 71 */
    kit_expect_send_once_notification(loaded->reply);
}

TEST(S51_too_large_destroys_the_message)
{
    struct loaded loaded;
    struct loaded_rcv received;
    loaded_open(&loaded);
    for (unsigned short_by = 1; short_by < sizeof(struct loaded_msg) - 24; short_by += 13) {
        loaded_send(&loaded, 5);
        ASSERT_EQ(0x10004004,
                  kit_receive(&received.message.header,
                              (mach_msg_size_t)sizeof(struct loaded_msg) + TRAILER - short_by,
                              loaded.port, 0, 0));
        kit_expect_nothing(loaded.port);
        kit_expect_send_once_notification(loaded.reply);
        ASSERT_EQ(MACH_PORT_TYPE_RECEIVE, kit_type(loaded.inside));
    }
    loaded_close(&loaded);
}

/* The requested trailer counts. */
TEST(S51_too_large_for_the_trailer)
{
    mach_port_t port = kit_port();
    struct plain_rcv received;
    const mach_msg_option_t audit = MACH_RCV_TRAILER_ELEMENTS(MACH_RCV_TRAILER_AUDIT);
    kit_send_plain(port, 1);
    ASSERT_CODE(MACH_RCV_TOO_LARGE,
                kit_receive(&received.header, sizeof(struct plain_msg) + 51, port, audit, 0));
    kit_send_plain(port, 2);
    ASSERT_OK(kit_receive(&received.header, sizeof(struct plain_msg) + 52, port, audit, 0));
    ASSERT_EQ(2, received.header.msgh_id);
    kit_destroy(port);
}

TEST(S52_bare_header_after_too_large)
{
    struct loaded loaded;
    unsigned char buffer[200];
    mach_msg_header_t header;
    unsigned word;
    loaded_open(&loaded);
    loaded_send(&loaded, 0x1234567);
    memset(buffer, 0xa5, sizeof(buffer));
    ASSERT_CODE(MACH_RCV_TOO_LARGE, kit_receive((mach_msg_header_t *)(void *)buffer,
                                                sizeof(struct loaded_msg), loaded.port, 0, 0));
    memcpy(&header, buffer, sizeof(header));
    memcpy(&word, buffer + 24, sizeof(word));
    ASSERT_EQ(24, header.msgh_size);
    ASSERT_EQ(0x1234567, header.msgh_id);
    ASSERT_EQ(loaded.port, header.msgh_local_port);
    ASSERT_EQ(MACH_PORT_NULL, header.msgh_remote_port);
    ASSERT_EQ(MACH_MSGH_BITS(MACH_MSG_TYPE_PORT_SEND_ONCE, MACH_MSG_TYPE_PORT_SEND),
              header.msgh_bits & ~MACH_MSGH_BITS_COMPLEX);
    ASSERT_EQ(0, word);
    ASSERT_ALL(0xa5, buffer + 24 + MAX_TRAILER_SIZE, sizeof(buffer) - 24 - MAX_TRAILER_SIZE);
    kit_expect_send_once_notification(loaded.reply);
    loaded_close(&loaded);
}

TEST(S53_buffer_smaller_than_a_header)
{
    GATE_DARWIN("XNU 11 and 15 differ in what a buffer below 24 bytes gets");
    mach_port_t port = kit_port();
    unsigned char buffer[64];
    for (unsigned size = 0; size < 24; size += 4) {
        kit_send_plain(port, 1);
        ASSERT_CODE(MACH_RCV_INVALID_DATA,
                    kit_receive((mach_msg_header_t *)(void *)buffer, size, port, 0, 0));
        kit_expect_nothing(port);
    }
    /* Room for the header and a part of the trailer. */
    kit_send_plain(port, 1);
    memset(buffer, 0xa5, sizeof(buffer));
    ASSERT_CODE(MACH_RCV_TOO_LARGE,
                kit_receive((mach_msg_header_t *)(void *)buffer, 28, port, 0, 0));
    ASSERT_ALL(0xa5, buffer + 28, sizeof(buffer) - 28);
    kit_destroy(port);
}

TEST(S54_S56_large_keeps_the_message)
{
    struct loaded loaded;
    struct loaded_rcv received;
    unsigned char before[sizeof(received)];
    loaded_open(&loaded);
    loaded_send(&loaded, 5);
    memset(&received, 0xa5, sizeof(received));
    memset(before, 0xa5, sizeof(before));
    for (unsigned i = 0; i < 3; i++) {
        ASSERT_CODE(MACH_RCV_TOO_LARGE,
                    kit_receive(&received.message.header, sizeof(struct loaded_msg) + TRAILER - 1,
                                loaded.port, MACH_RCV_LARGE, 0));
        /* The size without the trailer, and nothing else. */
        ASSERT_EQ(sizeof(struct loaded_msg), received.message.header.msgh_size);
        ASSERT_MEM(before, &received, 4);
        ASSERT_MEM(before + 8, (unsigned char *)&received + 8, sizeof(received) - 8);
    }
    ASSERT_OK(kit_receive(&received.message.header, sizeof(struct loaded_msg) + TRAILER,
                          loaded.port, MACH_RCV_LARGE, 0));
    loaded_check(&loaded, &received);
    loaded_close(&loaded);
}

TEST(S54_large_with_tiny_buffers)
{
    GATE_DARWIN("XNU 11 wants 16 bytes for the size, XNU 15 wants 8");
    mach_port_t port = kit_port();
    unsigned word[16];
    kit_send_plain(port, 1);
    for (unsigned size = 0; size <= 24; size += 4) {
        memset(word, 0xa5, sizeof(word));
        ASSERT_CODE(MACH_RCV_TOO_LARGE,
                    kit_receive((mach_msg_header_t *)(void *)word, size, port, MACH_RCV_LARGE, 0));
        ASSERT_EQ(0xa5a5a5a5, word[0]);
        ASSERT_EQ(size >= 8 ? sizeof(struct plain_msg) : 0xa5a5a5a5, word[1]);
        ASSERT_ALL(0xa5, word + 2, sizeof(word) - 8);
    }
    kit_expect_plain(port, 1);
    kit_destroy(port);
}

TEST(S54_seqno_is_not_consumed)
{
    mach_port_t port = kit_port();
    struct plain_rcv received;
    const mach_msg_option_t seqno = MACH_RCV_TRAILER_ELEMENTS(MACH_RCV_TRAILER_SEQNO);
    mach_msg_seqno_trailer_t trailer;
    for (unsigned expected = 0; expected < 3; expected++) {
        kit_send_plain(port, 1);
        ASSERT_CODE(MACH_RCV_TOO_LARGE,
                    kit_receive(&received.header, 40, port, MACH_RCV_LARGE | seqno, 0));
        ASSERT_OK(kit_receive(&received.header, sizeof(received), port, seqno, 0));
        memcpy(&trailer, (char *)&received + received.header.msgh_size, sizeof(trailer));
        ASSERT_EQ(expected, trailer.msgh_seqno);
    }
    kit_destroy(port);
}

TEST(S55_large_identity_names_the_port)
{
    mach_port_t port = kit_port();
    struct plain_rcv received;
    kit_send_plain(port, 1);
    memset(&received, 0xa5, sizeof(received));
    ASSERT_CODE(MACH_RCV_TOO_LARGE, kit_receive(&received.header, 16, port,
                                                MACH_RCV_LARGE | MACH_RCV_LARGE_IDENTITY, 0));
    ASSERT_EQ(sizeof(struct plain_msg), received.header.msgh_size);
    ASSERT_EQ(port, received.header.msgh_local_port);
    kit_expect_plain(port, 1);
    kit_destroy(port);
}

PEER(too_large_sender)
{
    struct kit_pair pair;
    kit_pair_join(&pair);
    struct ool_msg message;
    void *memory = kit_allocate(1 << 20);
    kit_fill(memory, 1 << 20, 1);
    kit_ool_msg(&message, pair.theirs, 1, memory, 1 << 20, 1, false);
    for (int i = 0; i < 2; i++)
        ASSERT_OK(kit_send(&message.header, MACH_SEND_TIMEOUT, PATIENCE));
    kit_free(memory, 1 << 20);
    parent_hear();
    kit_pair_leave(&pair);
}

TEST(S51_S56_between_tasks)
{
    struct kit_pair pair;
    struct ool_rcv received;
    kit_pair_start(&pair, "too_large_sender", "");
    ASSERT_CODE(MACH_RCV_TOO_LARGE,
                kit_receive(&received.header, 28, pair.mine, MACH_RCV_LARGE, PATIENCE));
    ASSERT_EQ(OOL_MSG_SIZE(1), received.header.msgh_size);
    ASSERT_OK(
        kit_receive(&received.header, OOL_MSG_SIZE(1) + TRAILER, pair.mine, MACH_RCV_LARGE, 0));
    ASSERT_FILLED(received.ool[0].address, 1 << 20, 1);
    kit_free(received.ool[0].address, 1 << 20);
    ASSERT_CODE(MACH_RCV_TOO_LARGE, kit_receive(&received.header, 28, pair.mine, 0, PATIENCE));
    kit_expect_nothing(pair.mine);
    peer_tell(&pair.peer);
    kit_pair_end(&pair);
}

TEST(S57_waiter_with_a_small_buffer_leaves_the_message)
{
    struct kit_call waiter = {.port = kit_port(), .size = 40, .options = MACH_RCV_LARGE};
    kit_block_receiving(&waiter);
    kit_send_plain(waiter.port, 4);
    ASSERT_CODE(MACH_RCV_TOO_LARGE, kit_call_end(&waiter));
    ASSERT_EQ(sizeof(struct plain_msg), waiter.message.header.msgh_size);
    kit_expect_plain(waiter.port, 4);
    kit_destroy(waiter.port);
}

/* The message goes on to the next waiter, whose buffer takes it. */
TEST(S57_message_goes_to_the_next_waiter)
{
    struct kit_call small = {.port = kit_port(), .size = 40, .options = MACH_RCV_LARGE};
    struct kit_call big = {.port = small.port};
    kit_block_receiving(&small);
    kit_block_receiving(&big);
    kit_send_plain(small.port, 4);
    ASSERT_OK(kit_call_end(&big));
    ASSERT_EQ(4, big.id);
    if (kit_event_count(&small.done) == 0)
        kit_send_plain(small.port, 5); /* it had not been first in line, or has only just begun */
    ASSERT_CODE(MACH_RCV_TOO_LARGE, kit_call_end(&small));
    kit_destroy(small.port);
}
