/* The header, sizes and trailers. Section 4: S85 to S102. */
#include "harness/way.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static void fill_plain(struct plain_msg *message, mach_port_t port, int id)
{
    memset(message, 0, sizeof(*message));
    strcpy(message->text, "text");
    kit_header(&message->header, MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0), sizeof(*message), port,
               MACH_PORT_NULL, id);
}

static mach_msg_return_t try_bits(mach_port_t port, mach_msg_bits_t bits, mach_port_t remote,
                                  mach_port_t local)
{
    struct plain_msg message;
    fill_plain(&message, port, 1);
    message.header.msgh_bits = bits;
    message.header.msgh_remote_port = remote;
    message.header.msgh_local_port = local;
    return kit_send(&message.header, MACH_SEND_TIMEOUT, 0);
}

TEST(S84_S85_trailer_of_every_kind)
{
    static const unsigned sizes[] = {8, 12, 20, 52, 60, 68, 68, 68};
    mach_port_t port = kit_port();
    for (int elements = 0; elements < 8; elements++) {
        struct plain_rcv received;
        mach_msg_trailer_t trailer;
        unsigned char *end = (unsigned char *)&received + sizeof(struct plain_msg);
        kit_send_plain(port, 1);
        memset(&received, 0xa5, sizeof(received));
        ASSERT_OK(kit_receive(&received.header, sizeof(received), port,
                              MACH_RCV_TRAILER_TYPE(MACH_MSG_TRAILER_FORMAT_0) |
                                  MACH_RCV_TRAILER_ELEMENTS(elements),
                              0));
        memcpy(&trailer, end, sizeof(trailer));
        ASSERT_EQ(sizeof(struct plain_msg), received.header.msgh_size);
        ASSERT_EQ(0, trailer.msgh_trailer_type);
        ASSERT_EQ(sizes[elements], trailer.msgh_trailer_size);
        ASSERT_ALL(0xa5, end + sizes[elements], MAX_TRAILER_SIZE - sizes[elements]);
    }
    kit_destroy(port);
}

static unsigned receive_seqno(mach_port_t port)
{
    struct plain_rcv received;
    mach_msg_seqno_trailer_t trailer;
    ASSERT_OK(kit_receive(&received.header, sizeof(received), port,
                          MACH_RCV_TRAILER_ELEMENTS(MACH_RCV_TRAILER_SEQNO), PATIENCE));
    memcpy(&trailer, (char *)&received + received.header.msgh_size, sizeof(trailer));
    ASSERT_EQ(12, trailer.msgh_trailer_size);
    return trailer.msgh_seqno;
}

TEST(S86_seqno_counts_dequeued_messages)
{
    mach_port_t port = kit_port();
    kit_fill_queue(port, 5);
    ASSERT_EQ(0, receive_seqno(port));
    ASSERT_EQ(1, receive_seqno(port));
    kit_expect_plain(port, 2); /* not asked for, counted all the same */
    ASSERT_EQ(3, receive_seqno(port));
    ASSERT_EQ(4, kit_status(port).mps_seqno);
    ASSERT_EQ(4, receive_seqno(port));
    kit_destroy(port);
}

PEER(header_sender)
{
    struct kit_pair pair;
    kit_pair_join(&pair);
    kit_send_plain(pair.theirs, 2);
    parent_hear();
    kit_pair_leave(&pair);
}

static void check_audit(mach_port_t port, pid_t pid)
{
    struct plain_rcv received;
    mach_msg_audit_trailer_t trailer;
    ASSERT_OK(kit_receive(&received.header, sizeof(received), port,
                          MACH_RCV_TRAILER_ELEMENTS(MACH_RCV_TRAILER_AUDIT), PATIENCE));
    memcpy(&trailer, (char *)&received + received.header.msgh_size, sizeof(trailer));
    ASSERT_EQ(52, trailer.msgh_trailer_size);
    ASSERT_EQ(geteuid(), trailer.msgh_sender.val[0]);
    ASSERT_EQ(getegid(), trailer.msgh_sender.val[1]);
    ASSERT_EQ(geteuid(), trailer.msgh_audit.val[1]);
    ASSERT_EQ(getegid(), trailer.msgh_audit.val[2]);
    ASSERT_EQ(getuid(), trailer.msgh_audit.val[3]);
    ASSERT_EQ(getgid(), trailer.msgh_audit.val[4]);
    ASSERT_EQ(pid, trailer.msgh_audit.val[5]);
}

TEST(S87_audit_trailer_of_this_task)
{
    mach_port_t port = kit_port();
    kit_send_plain(port, 1);
    check_audit(port, getpid());
    kit_destroy(port);
}

TEST(S87_audit_trailer_of_another_task)
{
    struct kit_pair pair;
    kit_pair_start(&pair, "header_sender", "");
    check_audit(pair.mine, pair.peer.pid);
    peer_tell(&pair.peer);
    kit_pair_end(&pair);
}

TEST(S88_audit_trailer_of_a_notification)
{
    mach_port_t port = kit_receive_right();
    struct plain_rcv received;
    mach_msg_audit_trailer_t trailer;
    kit_deallocate(kit_send_once(port));
    ASSERT_OK(kit_receive(&received.header, sizeof(received), port,
                          MACH_RCV_TRAILER_ELEMENTS(MACH_RCV_TRAILER_AUDIT), PATIENCE));
    ASSERT_EQ(71, received.header.msgh_id);
    memcpy(&trailer, (char *)&received + received.header.msgh_size, sizeof(trailer));
    ASSERT_EQ(0, trailer.msgh_sender.val[0]);
    ASSERT_EQ(1, trailer.msgh_sender.val[1]);
    ASSERT_ALL(0, &trailer.msgh_audit, sizeof(trailer.msgh_audit));
    kit_destroy(port);
}

TEST(S89_trailer_type_bits_are_masked_off)
{
    mach_port_t port = kit_port();
    struct plain_rcv received;
    for (unsigned type = 1; type < 16; type++) {
        kit_send_plain(port, 1);
        ASSERT_OK(kit_receive(&received.header, sizeof(received), port,
                              (mach_msg_option_t)MACH_RCV_TRAILER_TYPE(type), 0));
    }
    kit_destroy(port);
}

TEST(S90_send_size_is_what_counts)
{
    mach_port_t port = kit_port();
    struct plain_msg message;
    struct plain_rcv received;
    const mach_msg_size_t claims[] = {0, 4, 24, 1000000, 0xffffffff};
    for (unsigned i = 0; i < 5; i++) {
        fill_plain(&message, port, 1);
        message.header.msgh_size = claims[i];
        ASSERT_OK(mach_msg(&message.header, MACH_SEND_MSG, 44, 0, MACH_PORT_NULL, 0, 0));
        ASSERT_EQ(claims[i], message.header.msgh_size);
        memset(&received, 0xa5, sizeof(received));
        ASSERT_OK(kit_receive(&received.header, sizeof(received), port, 0, 0));
        ASSERT_EQ(44, received.header.msgh_size);
        ASSERT_MEM(message.text, received.text, 20);
    }
    kit_destroy(port);
}

TEST(S91_too_small_or_not_a_multiple_of_four)
{
    mach_port_t port = kit_port();
    struct plain_msg message;
    for (mach_msg_size_t size = 0; size < 60; size++) {
        fill_plain(&message, port, 1);
        bool good = size >= 24 && size % 4 == 0;
        ASSERT_CODE(good ? MACH_MSG_SUCCESS : MACH_SEND_MSG_TOO_SMALL,
                    mach_msg(&message.header, MACH_SEND_MSG, size, 0, MACH_PORT_NULL, 0, 0));
        if (good) {
            struct plain_rcv received;
            ASSERT_OK(kit_receive(&received.header, sizeof(received), port, 0, 0));
        }
    }
    fill_plain(&message, port, 1);
    message.header.msgh_bits |= MACH_MSGH_BITS_COMPLEX;
    ASSERT_CODE(MACH_SEND_MSG_TOO_SMALL,
                mach_msg(&message.header, MACH_SEND_MSG, 24, 0, MACH_PORT_NULL, 0, 0));
    kit_expect_nothing(port);
    kit_destroy(port);
}

TEST(S92_the_largest_message)
{
    const mach_msg_size_t largest = 50331580;
    mach_port_t port = kit_port();
    mach_msg_header_t *message = kit_allocate(largest + 4);
    mach_msg_header_t *received = kit_allocate(largest + MAX_TRAILER_SIZE);
    kit_fill(message, largest, 1);
    kit_header(message, MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0), largest, port, MACH_PORT_NULL,
               3);
    ASSERT_CODE(MACH_SEND_TOO_LARGE,
                mach_msg(message, MACH_SEND_MSG, largest + 4, 0, MACH_PORT_NULL, 0, 0));
    ASSERT_CODE(MACH_SEND_TOO_LARGE,
                mach_msg(message, MACH_SEND_MSG, 0xfffffffc, 0, MACH_PORT_NULL, 0, 0));
    ASSERT_OK(mach_msg(message, MACH_SEND_MSG, largest, 0, MACH_PORT_NULL, 0, 0));
    ASSERT_OK(kit_receive(received, largest + 8, port, 0, 0));
    ASSERT_EQ(largest, received->msgh_size);
    ASSERT_MEM((char *)message + 24, (char *)received + 24, largest - 24);
    kit_free(message, largest + 4);
    kit_free(received, largest + MAX_TRAILER_SIZE);
    kit_destroy(port);
}

TEST(S92_unreadable_message)
{
    mach_port_t port = kit_port();
    char *pages = kit_allocate(2 * vm_page_size);
    struct plain_msg *message = (struct plain_msg *)(void *)(pages + vm_page_size - 40);
    ASSERT_CODE(MACH_SEND_INVALID_DATA, mach_msg(NULL, MACH_SEND_MSG, 24, 0, MACH_PORT_NULL, 0, 0));
    fill_plain(message, port, 1);
    kit_free(pages + vm_page_size, vm_page_size);
    ASSERT_CODE(MACH_SEND_INVALID_DATA,
                mach_msg(&message->header, MACH_SEND_MSG, 60, 0, MACH_PORT_NULL, 0, 0));
    ASSERT_SYS(mprotect(pages, vm_page_size, PROT_NONE));
    ASSERT_CODE(MACH_SEND_INVALID_DATA,
                mach_msg(&message->header, MACH_SEND_MSG, 24, 0, MACH_PORT_NULL, 0, 0));
    kit_expect_nothing(port);
    kit_free(pages, 2 * vm_page_size);
    kit_destroy(port);
}

PEER(header_echo)
{
    struct kit_pair pair;
    mach_msg_header_t *buffer = kit_allocate(4 << 20);
    kit_pair_join(&pair);
    for (;;) {
        ASSERT_OK(kit_receive(buffer, 4 << 20, pair.mine, 0, PATIENCE));
        if (buffer->msgh_id == 99)
            break;
        kit_header(buffer, MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0), buffer->msgh_size,
                   pair.theirs, MACH_PORT_NULL, buffer->msgh_id);
        ASSERT_OK(kit_send(buffer, MACH_SEND_TIMEOUT, PATIENCE));
    }
    kit_free(buffer, 4 << 20);
    kit_pair_leave(&pair);
}

TEST(S93_inline_bytes_and_id_cross_unchanged)
{
    const mach_msg_size_t sizes[] = {24,    28,    60,     1000,   4096,    16384,   65500,
                                     65536, 65540, 131072, 262144, 1000000, 3 << 20, 24};
    const mach_msg_id_t ids[] = {0, 1, -1, 0x7fffffff, (mach_msg_id_t)0x80000000, 71};
    struct kit_pair pair;
    mach_msg_header_t *message = kit_allocate(4 << 20);
    mach_msg_header_t *received = kit_allocate(4 << 20);
    kit_pair_start(&pair, "header_echo", "");
    for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        kit_fill(message, sizes[i], i);
        kit_header(message, MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0), sizes[i], pair.theirs,
                   MACH_PORT_NULL, ids[i % 6]);
        ASSERT_OK(kit_send(message, MACH_SEND_TIMEOUT, PATIENCE));
        ASSERT_OK(kit_receive(received, 4 << 20, pair.mine, 0, PATIENCE));
        ASSERT_EQ(sizes[i], received->msgh_size);
        ASSERT_EQ(ids[i % 6], received->msgh_id);
        ASSERT_MEM((char *)message + 24, (char *)received + 24, sizes[i] - 24);
    }
    kit_send_plain(pair.theirs, 99);
    kit_free(message, 4 << 20);
    kit_free(received, 4 << 20);
    kit_pair_end(&pair);
}

/* A successful send writes nothing into the caller's message. */
TEST_BOTH_WAYS(S93_message_can_be_sent_again_as_it_is)
{
    struct ool_msg message;
    struct ool_msg before;
    struct seen seen;
    void *page = kit_allocate(vm_page_size);
    kit_ool(&message.ool[0], page, vm_page_size, 1, false);
    way_prepare(way, &message, 1, 7);
    memcpy(&before, &message, OOL_MSG_SIZE(1));
    for (unsigned i = 0; i < 3; i++) {
        ASSERT_OK(way_send(way, &message));
        ASSERT_MEM(&before, &message, OOL_MSG_SIZE(1));
        way_look(way, &seen);
        ASSERT_OK(seen.result);
    }
    kit_free(page, vm_page_size);
}

TEST(S94_voucher_field)
{
    mach_port_t port = kit_port();
    struct plain_msg message;
    struct plain_rcv received;
    fill_plain(&message, port, 1);
    message.header.msgh_voucher_port = 0x12345678;
    ASSERT_OK(kit_send(&message.header, 0, 0));
    ASSERT_OK(kit_receive(&received.header, sizeof(received), port, 0, 0));
    ASSERT_EQ(0x12345678, received.header.msgh_voucher_port);
    fill_plain(&message, port, 1);
    message.header.msgh_bits = MACH_MSGH_BITS_SET(MACH_MSG_TYPE_COPY_SEND, 0,
                                                  MACH_MSG_TYPE_COPY_SEND, 0);
    message.header.msgh_voucher_port = port;
    ASSERT_CODE(MACH_SEND_INVALID_VOUCHER, kit_send(&message.header, 0, 0));
    ASSERT_EQ(1, kit_refs(port, MACH_PORT_RIGHT_SEND));
    kit_expect_nothing(port);
    kit_destroy(port);
}

TEST(S95_bits_outside_the_user_mask_are_dropped)
{
    GATE_DARWIN("XNU 11 refuses such bits, XNU 15 drops them");
    mach_port_t port = kit_port();
    struct plain_rcv received;
    ASSERT_OK(try_bits(port, MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0) | 0x60e0e0e0, port, 0));
    ASSERT_OK(kit_receive(&received.header, sizeof(received), port, 0, 0));
    ASSERT_EQ(MACH_MSGH_BITS(0, MACH_MSG_TYPE_PORT_SEND), received.header.msgh_bits);
    kit_destroy(port);
}

TEST(S96_remote_dispositions)
{
    mach_port_t port = kit_port();
    for (unsigned disposition = 0; disposition < 32; disposition++)
        if (disposition < 17 || disposition > 21)
            ASSERT_CODE(MACH_SEND_INVALID_HEADER,
                        try_bits(port, MACH_MSGH_BITS(disposition, 0), port, 0));
    ASSERT_CODE(MACH_SEND_INVALID_DEST,
                try_bits(port, MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0), MACH_PORT_NULL, 0));
    ASSERT_CODE(MACH_SEND_INVALID_DEST,
                try_bits(port, MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0), MACH_PORT_DEAD, 0));
    ASSERT_CODE(MACH_SEND_INVALID_DEST,
                try_bits(port, MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0), kit_unknown_name(), 0));
    kit_expect_nothing(port);
    kit_destroy(port);
}

TEST(S97_local_dispositions)
{
    mach_port_t port = kit_port();
    for (unsigned disposition = 1; disposition < 32; disposition++)
        if (disposition < 17 || disposition > 21)
            ASSERT_CODE(
                MACH_SEND_INVALID_HEADER,
                try_bits(port, MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, disposition), port, port));
    ASSERT_CODE(MACH_SEND_INVALID_HEADER,
                try_bits(port, MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0), port, port));
    kit_expect_nothing(port);
    for (unsigned disposition = 17; disposition <= 21; disposition++) {
        struct plain_rcv received;
        ASSERT_OK(try_bits(port, MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, disposition), port,
                           MACH_PORT_NULL));
        ASSERT_OK(kit_receive(&received.header, sizeof(received), port, 0, 0));
        ASSERT_EQ(MACH_PORT_NULL, received.header.msgh_remote_port);
        bool once = disposition == MACH_MSG_TYPE_MOVE_SEND_ONCE ||
                    disposition == MACH_MSG_TYPE_MAKE_SEND_ONCE;
        ASSERT_EQ(once ? MACH_MSG_TYPE_PORT_SEND_ONCE : MACH_MSG_TYPE_PORT_SEND,
                  MACH_MSGH_BITS_REMOTE(received.header.msgh_bits));
    }
    kit_destroy(port);
}

static void check_bits(mach_port_t port, mach_port_t remote, unsigned remote_type,
                       mach_port_t local, unsigned local_type, mach_msg_bits_t expected)
{
    struct plain_rcv received;
    ASSERT_OK(try_bits(port, MACH_MSGH_BITS(remote_type, local_type), remote, local));
    ASSERT_OK(kit_receive(&received.header, sizeof(received), port, 0, 0));
    ASSERT_EQ(expected, received.header.msgh_bits);
    ASSERT_EQ(port, received.header.msgh_local_port);
    if (received.header.msgh_remote_port != MACH_PORT_NULL)
        kit_deallocate(received.header.msgh_remote_port);
}

TEST(S98_received_bits)
{
    mach_port_t port = kit_port();
    mach_port_t reply = kit_port();
    check_bits(port, port, MACH_MSG_TYPE_COPY_SEND, 0, 0, MACH_MSGH_BITS(0, 17));
    check_bits(port, port, MACH_MSG_TYPE_MAKE_SEND, 0, 0, MACH_MSGH_BITS(0, 17));
    check_bits(port, port, MACH_MSG_TYPE_MAKE_SEND_ONCE, 0, 0, MACH_MSGH_BITS(0, 18));
    check_bits(port, port, MACH_MSG_TYPE_COPY_SEND, reply, MACH_MSG_TYPE_MAKE_SEND,
               MACH_MSGH_BITS(17, 17));
    check_bits(port, port, MACH_MSG_TYPE_COPY_SEND, reply, MACH_MSG_TYPE_COPY_SEND,
               MACH_MSGH_BITS(17, 17));
    check_bits(port, port, MACH_MSG_TYPE_COPY_SEND, reply, MACH_MSG_TYPE_MAKE_SEND_ONCE,
               MACH_MSGH_BITS(18, 17));
    check_bits(port, port, MACH_MSG_TYPE_COPY_SEND, kit_send_once(reply),
               MACH_MSG_TYPE_MOVE_SEND_ONCE, MACH_MSGH_BITS(18, 17));
    check_bits(port, port, MACH_MSG_TYPE_MAKE_SEND_ONCE, reply, MACH_MSG_TYPE_MOVE_SEND,
               MACH_MSGH_BITS(17, 18));
    ASSERT_EQ(MACH_PORT_TYPE_RECEIVE, kit_type(reply));
    kit_destroy(port);
    kit_destroy(reply);
}

TEST_BOTH_WAYS(S99_complex_with_no_descriptors)
{
    struct ool_msg message;
    struct seen seen;
    way_prepare(way, &message, 0, 1);
    ASSERT_OK(way_send(way, &message));
    way_look(way, &seen);
    ASSERT_OK(seen.result);
    ASSERT_EQ(MACH_MSGH_BITS(0, 17) | MACH_MSGH_BITS_COMPLEX, seen.bits);
    ASSERT_EQ(28, seen.size);
    ASSERT_EQ(0, seen.count);
}

/* Without COMPLEX a body that looks like a descriptor is bytes. */
TEST_BOTH_WAYS(S99_body_without_complex_is_opaque)
{
    struct ool_msg message;
    struct seen seen;
    char *page = kit_allocate(vm_page_size);
    kit_ool(&message.ool[0], page, vm_page_size, 1, true);
    way_prepare(way, &message, 1, 1);
    message.header.msgh_bits &= ~MACH_MSGH_BITS_COMPLEX;
    ASSERT_OK(way_send(way, &message));
    ASSERT(kit_is_readable(page));
    way_look(way, &seen);
    ASSERT_OK(seen.result);
    ASSERT_EQ(MACH_MSGH_BITS(0, 17), seen.bits);
    ASSERT_EQ(OOL_MSG_SIZE(1), seen.size);
    kit_free(page, vm_page_size);
}

TEST(S100_a_set_names_the_member)
{
    mach_port_t set = MACH_PORT_NULL;
    mach_port_t member[3];
    ASSERT_OK(mach_port_allocate(mach_task_self(), MACH_PORT_RIGHT_PORT_SET, &set));
    for (int i = 0; i < 3; i++) {
        member[i] = kit_port();
        ASSERT_OK(mach_port_insert_member(mach_task_self(), member[i], set));
    }
    for (int i = 2; i >= 0; i--) {
        struct plain_rcv received;
        kit_send_plain(member[i], 10 + i);
        ASSERT_OK(kit_receive(&received.header, sizeof(received), set, 0, 0));
        ASSERT_EQ(10 + i, received.header.msgh_id);
        ASSERT_EQ(member[i], received.header.msgh_local_port);
    }
    for (int i = 0; i < 3; i++)
        kit_destroy(member[i]);
    kit_destroy(set);
}

TEST(S102_reply_port_dead_at_receive)
{
    mach_port_t port = kit_port();
    const unsigned types[] = {MACH_MSG_TYPE_MAKE_SEND, MACH_MSG_TYPE_MAKE_SEND_ONCE};
    for (unsigned i = 0; i < 2; i++) {
        struct plain_rcv received;
        mach_port_t reply = kit_receive_right();
        ASSERT_OK(try_bits(port, MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, types[i]), port, reply));
        kit_destroy(reply);
        ASSERT_OK(kit_receive(&received.header, sizeof(received), port, 0, 0));
        ASSERT_EQ(0xffffffff, received.header.msgh_remote_port);
        ASSERT_EQ(MACH_MSGH_BITS(17 + i, 17), received.header.msgh_bits);
    }
    kit_destroy(port);
}
