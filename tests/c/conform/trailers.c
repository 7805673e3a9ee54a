/* Trailers of every kind, of plain messages and of such with descriptors, from this task and from
 * another. Section 4: S84 to S87. */
#include "harness/mach_kit.h"

#include <string.h>
#include <unistd.h>

enum { KINDS = 8 };

static const unsigned sizes[KINDS] = {8, 12, 20, 52, 60, 68, 68, 68};

/* A receive buffer that shows what was written to it. */
struct canvas {
    union {
        mach_msg_header_t header;
        unsigned char bytes[512];
    } of;
};

static void receive_kind(mach_port_t port, unsigned elements, struct canvas *ret_canvas)
{
    memset(ret_canvas, 0xa5, sizeof(*ret_canvas));
    ASSERT_OK(kit_receive(&ret_canvas->of.header, sizeof(*ret_canvas), port,
                          (mach_msg_option_t)MACH_RCV_TRAILER_ELEMENTS(elements), PATIENCE));
}

/* The trailer right behind the message, each element where and what it has to be; nothing behind
 * it is touched. `seqno` counts from 0, `sender` is the task that sent. */
static void check_kind(const struct canvas *canvas, unsigned elements, unsigned seqno,
                       mach_port_context_t context, pid_t sender)
{
    mach_msg_mac_trailer_t trailer;
    unsigned size = sizes[elements];
    const unsigned char *at = canvas->of.bytes + canvas->of.header.msgh_size;
    ASSERT_ALL(0xa5, at + size, (size_t)(canvas->of.bytes + sizeof(*canvas) - at) - size);
    memset(&trailer, 0, sizeof(trailer));
    memcpy(&trailer, at, size);
    ASSERT_EQ(0, trailer.msgh_trailer_type);
    ASSERT_EQ(size, trailer.msgh_trailer_size);
    if (size >= 12)
        ASSERT_EQ(seqno, trailer.msgh_seqno);
    if (size >= 20) {
        ASSERT_EQ(geteuid(), trailer.msgh_sender.val[0]);
        ASSERT_EQ(getegid(), trailer.msgh_sender.val[1]);
    }
    if (size >= 52) {
        ASSERT_EQ(geteuid(), trailer.msgh_audit.val[1]);
        ASSERT_EQ(sender, trailer.msgh_audit.val[5]);
    }
    if (size >= 60)
        ASSERT_EQ(context, trailer.msgh_context);
}

static void send_plain(mach_port_t to, unsigned length)
{
    struct plain_msg message;
    memset(&message, 0x11, sizeof(message));
    kit_header(&message.header, MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0), 24 + length, to,
               MACH_PORT_NULL, 1);
    ASSERT_OK(kit_send(&message.header, MACH_SEND_TIMEOUT, PATIENCE));
}

TEST(S84_S85_S86_S87_all_kinds_at_all_places)
{
    const mach_port_context_t context = 0x1122334455667788;
    mach_port_t port = kit_port();
    unsigned seqno = 0;
    ASSERT_OK(mach_port_set_context(mach_task_self(), port, context));
    for (unsigned elements = 0; elements < KINDS; elements++)
        for (unsigned length = 0; length <= 24; length += 4) {
            struct canvas canvas;
            send_plain(port, length);
            receive_kind(port, elements, &canvas);
            ASSERT_EQ(24 + length, canvas.of.header.msgh_size);
            check_kind(&canvas, elements, seqno++, context, getpid());
        }
    kit_destroy(port);
}

/* A descriptor of each size; the trailer stands behind the bytes that follow them. */
static void send_descriptors(mach_port_t to, void *memory)
{
    struct {
        mach_msg_header_t header;
        mach_msg_body_t body;
        mach_msg_port_descriptor_t port;
        mach_msg_ool_descriptor_t ool;
        char bytes[20];
    } message;
    memset(&message, 0x11, sizeof(message));
    kit_header(&message.header, MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0) | MACH_MSGH_BITS_COMPLEX,
               sizeof(message), to, MACH_PORT_NULL, 1);
    message.body.msgh_descriptor_count = 2;
    kit_port_descriptor(&message.port, MACH_PORT_NULL, MACH_MSG_TYPE_COPY_SEND);
    kit_ool(&message.ool, memory, 100, MACH_MSG_PHYSICAL_COPY, false);
    ASSERT_EQ(76, sizeof(message));
    ASSERT_OK(kit_send(&message.header, MACH_SEND_TIMEOUT, PATIENCE));
}

static void receive_descriptors(mach_port_t port, unsigned elements, unsigned seqno, pid_t sender)
{
    struct canvas canvas;
    mach_msg_ool_descriptor_t ool;
    receive_kind(port, elements, &canvas);
    ASSERT_EQ(76, canvas.of.header.msgh_size);
    ASSERT_ALL(0x11, canvas.of.bytes + 56, 20);
    check_kind(&canvas, elements, seqno, 0, sender);
    memcpy(&ool, canvas.of.bytes + 40, sizeof(ool));
    ASSERT_EQ(100, ool.size);
    kit_free(ool.address, ool.size);
}

TEST(S85_trailer_follows_descriptors_and_bytes)
{
    mach_port_t port = kit_port();
    char memory[100] = {1};
    for (unsigned elements = 0; elements < KINDS; elements++) {
        send_descriptors(port, memory);
        receive_descriptors(port, elements, elements, getpid());
    }
    kit_destroy(port);
}

PEER(trailers_sender)
{
    struct kit_pair pair;
    char memory[100] = {1};
    kit_pair_join(&pair);
    for (unsigned i = 0; i < KINDS; i++)
        send_descriptors(pair.theirs, memory);
    parent_hear();
    kit_pair_leave(&pair);
}

/* The pair's first message has taken number 0. */
TEST(S84_S85_S86_S87_all_kinds_between_tasks)
{
    struct kit_pair pair;
    kit_pair_start(&pair, "trailers_sender", "");
    for (unsigned elements = 0; elements < KINDS; elements++)
        receive_descriptors(pair.mine, elements, 1 + elements, pair.peer.pid);
    peer_tell(&pair.peer);
    kit_pair_end(&pair);
}

/* A buffer with room for the message and for some of its trailer is too small. */
TEST(S56_S84_the_trailer_asked_for_must_fit)
{
    mach_port_t port = kit_port();
    for (unsigned elements = 0; elements < KINDS; elements++) {
        struct canvas canvas;
        mach_msg_option_t options = MACH_RCV_LARGE |
                                    (mach_msg_option_t)MACH_RCV_TRAILER_ELEMENTS(elements);
        send_plain(port, 40);
        for (unsigned room = 0; room < sizes[elements]; room += 4) {
            ASSERT_CODE(MACH_RCV_TOO_LARGE,
                        kit_receive(&canvas.of.header, 64 + room, port, options, 0));
            ASSERT_EQ(64, canvas.of.header.msgh_size);
        }
        ASSERT_OK(kit_receive(&canvas.of.header, 64 + sizes[elements], port, options, 0));
    }
    kit_destroy(port);
}
