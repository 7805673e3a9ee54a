/* Guarded-port descriptors: receive rights that arrive guarded, and only where that is expected.
 * Sections 1, 2, 5 and 6. */
#include "harness/port_kit.h"

#include <string.h>

enum {
    ID = 6,
    SIZE = 28 + 16,
    IMMOVABLE = MACH_MSG_GUARD_FLAGS_IMMOVABLE_RECEIVE,
    UNGUARDED = MACH_MSG_GUARD_FLAGS_UNGUARDED_ON_SEND,
};

static const mach_port_context_t GUARD = 0x1122334455667788;

struct guarded_msg {
    mach_msg_header_t header;
    mach_msg_body_t body;
    mach_msg_guarded_port_descriptor_t port;
};
struct guarded_rcv {
    struct guarded_msg message;
    mach_msg_max_trailer_t trailer;
};

static mach_msg_return_t send_guarded(mach_port_t to, mach_port_t name, unsigned disposition,
                                      unsigned flags, mach_port_context_t context)
{
    struct guarded_msg message;
    ASSERT_EQ(SIZE, sizeof(message));
    memset(&message, 0, sizeof(message));
    kit_header(&message.header, MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0) | MACH_MSGH_BITS_COMPLEX,
               sizeof(message), to, MACH_PORT_NULL, ID);
    message.body.msgh_descriptor_count = 1;
    message.port.context = context;
    message.port.flags = flags & 0xffff;
    message.port.disposition = disposition & 0xff;
    message.port.type = MACH_MSG_GUARDED_PORT_DESCRIPTOR;
    message.port.name = name;
    return kit_send(&message.header, MACH_SEND_TIMEOUT, 0);
}

static mach_port_t guarded_port(void)
{
    mach_port_t port = kit_port();
    ASSERT_OK(mach_port_guard(mach_task_self(), port, GUARD, FALSE));
    return port;
}

static void take(mach_port_t port, mach_msg_option_t options, struct guarded_rcv *ret_received)
{
    memset(ret_received, 0xa5, sizeof(*ret_received));
    ASSERT_OK(
        kit_receive(&ret_received->message.header, sizeof(*ret_received), port, options, PATIENCE));
    ASSERT_EQ(ID, ret_received->message.header.msgh_id);
    ASSERT_EQ(SIZE, ret_received->message.header.msgh_size);
    ASSERT_EQ(1, ret_received->message.body.msgh_descriptor_count);
    ASSERT_EQ(MACH_MSG_GUARDED_PORT_DESCRIPTOR, ret_received->message.port.type);
    ASSERT_EQ(MACH_MSG_TYPE_PORT_RECEIVE, ret_received->message.port.disposition);
}

TEST(S158_only_receive_rights)
{
    mach_port_t carrier = kit_port();
    mach_port_t port = kit_port();
    for (unsigned disposition = 0; disposition < 24; disposition++)
        if (disposition != MACH_MSG_TYPE_MOVE_RECEIVE)
            ASSERT_CODE(MACH_SEND_INVALID_TYPE,
                        send_guarded(carrier, port, disposition, IMMOVABLE | UNGUARDED, 0));
    kit_expect_nothing(carrier);
    ASSERT_EQ(MACH_PORT_TYPE_SEND_RECEIVE, kit_type(port));
    kit_destroy(port);
    kit_destroy(carrier);
}

TEST(S158_flags_are_checked)
{
    mach_port_t carrier = kit_port();
    mach_port_t port = kit_port();
    const unsigned receive = MACH_MSG_TYPE_MOVE_RECEIVE;
    ASSERT_CODE(MACH_SEND_INVALID_TYPE, send_guarded(carrier, port, receive, 0, 0));
    ASSERT_CODE(MACH_SEND_INVALID_TYPE, send_guarded(carrier, port, receive, 4, 0));
    ASSERT_CODE(MACH_SEND_INVALID_TYPE, send_guarded(carrier, port, receive, 0x8001, 0));
    ASSERT_CODE(MACH_SEND_INVALID_TYPE, send_guarded(carrier, port, receive, UNGUARDED, 1));
    kit_expect_nothing(carrier);
    ASSERT_EQ(MACH_PORT_TYPE_SEND_RECEIVE, kit_type(port));
    kit_destroy(port);
    kit_destroy(carrier);
}

/* A receiver that does not know of these descriptors gets no right: it is destroyed. */
TEST(S158_received_without_the_option)
{
    struct guarded_rcv received;
    mach_port_t carrier = kit_port();
    mach_port_t port = guarded_port();
    kit_fill_queue(port, 2);
    ASSERT_OK(send_guarded(carrier, port, MACH_MSG_TYPE_MOVE_RECEIVE, IMMOVABLE, GUARD));
    ASSERT_EQ(MACH_PORT_TYPE_SEND, kit_type(port));
    take(carrier, 0, &received);
    ASSERT_EQ(MACH_PORT_NULL, received.message.port.name);
    kit_wait_dead(port);
    kit_destroy(port);
    kit_destroy(carrier);
}

/* What arrives is guarded by the address of the buffer it was received in. */
static void expect_guarded(const struct guarded_rcv *received, mach_port_t name)
{
    const mach_port_context_t context = (mach_port_context_t)(uintptr_t)received;
    mach_port_context_t seen = 0;
    ASSERT_EQ(name, received->message.port.name);
    ASSERT_EQ(context, received->message.port.context);
    ASSERT_EQ(IMMOVABLE, received->message.port.flags);
    ASSERT_OK(mach_port_get_context(mach_task_self(), name, &seen));
    ASSERT_EQ(context, seen);
    ASSERT_EQ(MACH_PORT_STATUS_FLAG_GUARDED | MACH_PORT_STATUS_FLAG_GUARD_IMMOVABLE_RECEIVE,
              kit_status(name).mps_flags &
                  (MACH_PORT_STATUS_FLAG_GUARDED | MACH_PORT_STATUS_FLAG_STRICT_GUARD |
                   MACH_PORT_STATUS_FLAG_GUARD_IMMOVABLE_RECEIVE));
}

TEST(S158_guarded_port_arrives_guarded)
{
    struct guarded_rcv received;
    mach_port_t carrier = kit_port();
    mach_port_t port = guarded_port();
    kit_fill_queue(port, 2);
    ASSERT_OK(send_guarded(carrier, port, MACH_MSG_TYPE_MOVE_RECEIVE, IMMOVABLE, GUARD));
    take(carrier, MACH_RCV_GUARDED_DESC, &received);
    expect_guarded(&received, port);
    kit_expect_plain(port, 0); /* the queue came along */
    kit_expect_plain(port, 1);
    ASSERT_OK(mach_port_destruct(mach_task_self(), port, -1, received.message.port.context));
    ASSERT(kit_is_gone(port));
    kit_destroy(carrier);
}

TEST(S158_unguarded_port_arrives_guarded)
{
    struct guarded_rcv received;
    mach_port_t carrier = kit_port();
    mach_port_t port = kit_port();
    ASSERT_OK(send_guarded(carrier, port, MACH_MSG_TYPE_MOVE_RECEIVE, IMMOVABLE | UNGUARDED, 0));
    take(carrier, MACH_RCV_GUARDED_DESC, &received);
    expect_guarded(&received, port);
    ASSERT_OK(mach_port_destruct(mach_task_self(), port, -1, received.message.port.context));
    kit_destroy(carrier);
}

TEST(S158_unguarded_port_arrives_unguarded)
{
    struct guarded_rcv received;
    mach_port_t carrier = kit_port();
    mach_port_t port = kit_port();
    ASSERT_OK(send_guarded(carrier, port, MACH_MSG_TYPE_MOVE_RECEIVE, UNGUARDED, 0));
    take(carrier, MACH_RCV_GUARDED_DESC, &received);
    ASSERT_EQ(port, received.message.port.name);
    ASSERT_EQ(0, received.message.port.context);
    ASSERT_EQ(UNGUARDED, received.message.port.flags);
    ASSERT_EQ(0, kit_status(port).mps_flags & MACH_PORT_STATUS_FLAG_GUARDED);
    kit_send_plain(port, 1);
    kit_expect_plain(port, 1);
    kit_destroy(port);
    kit_destroy(carrier);
}

TEST(S158_null_and_dead_names_cross)
{
    struct guarded_rcv received;
    mach_port_t carrier = kit_port();
    for (int i = 0; i < 2; i++) {
        mach_port_t name = i == 0 ? MACH_PORT_NULL : MACH_PORT_DEAD;
        ASSERT_OK(send_guarded(carrier, name, MACH_MSG_TYPE_MOVE_RECEIVE, UNGUARDED, 0));
        take(carrier, MACH_RCV_GUARDED_DESC, &received);
        ASSERT_EQ(name, received.message.port.name);
    }
    kit_destroy(carrier);
}

TEST(S158_wrong_right)
{
    mach_port_t carrier = kit_port();
    struct agent owner;
    agent_start(&owner);
    mach_port_t send = agent_get(&owner, agent_allocate(&owner), MACH_MSG_TYPE_MAKE_SEND);
    ASSERT_CODE(MACH_SEND_INVALID_RIGHT,
                send_guarded(carrier, send, MACH_MSG_TYPE_MOVE_RECEIVE, UNGUARDED, 0));
    ASSERT_CODE(MACH_SEND_INVALID_RIGHT, send_guarded(carrier, kit_unknown_name(),
                                                      MACH_MSG_TYPE_MOVE_RECEIVE, UNGUARDED, 0));
    kit_expect_nothing(carrier);
    kit_destroy(send);
    agent_end(&owner);
    kit_destroy(carrier);
}

/* The sender says what the guard is, and must be right. */
TEST(S158_wrong_guard)
{
    GATE_DARWIN("a violated guard is an exception there, which ends the process");
    mach_port_t carrier = kit_port();
    mach_port_t plain = kit_port();
    mach_port_t guarded = guarded_port();
    const unsigned receive = MACH_MSG_TYPE_MOVE_RECEIVE;
    ASSERT_CODE(MACH_SEND_INVALID_RIGHT,
                send_guarded(carrier, guarded, receive, IMMOVABLE, GUARD + 1));
    ASSERT_CODE(MACH_SEND_INVALID_RIGHT, send_guarded(carrier, guarded, receive, UNGUARDED, 0));
    ASSERT_CODE(MACH_SEND_INVALID_RIGHT, send_guarded(carrier, plain, receive, IMMOVABLE, 0));
    ASSERT_CODE(MACH_SEND_INVALID_RIGHT, send_guarded(carrier, plain, receive, IMMOVABLE, GUARD));
    kit_expect_nothing(carrier);
    ASSERT_EQ(MACH_PORT_TYPE_SEND_RECEIVE, kit_type(guarded));
    ASSERT_EQ(MACH_PORT_TYPE_SEND_RECEIVE, kit_type(plain));
    kit_destroy(plain);
    ASSERT_OK(mach_port_destruct(mach_task_self(), guarded, -1, GUARD));
    kit_destroy(carrier);
}

/* Sent and turned away it is guarded by its buffer, and goes again just so (S126). */
TEST(S126_timed_out_with_a_guarded_port)
{
    struct guarded_rcv message;
    mach_port_t carrier = kit_port();
    mach_port_t port = guarded_port();
    kit_fill_queue(carrier, 5);
    memset(&message, 0, sizeof(message));
    kit_header(&message.message.header,
               MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0) | MACH_MSGH_BITS_COMPLEX, SIZE, carrier,
               MACH_PORT_NULL, ID);
    message.message.body.msgh_descriptor_count = 1;
    message.message.port.context = GUARD;
    message.message.port.flags = IMMOVABLE;
    message.message.port.disposition = MACH_MSG_TYPE_MOVE_RECEIVE;
    message.message.port.type = MACH_MSG_GUARDED_PORT_DESCRIPTOR;
    message.message.port.name = port;
    ASSERT_CODE(MACH_SEND_TIMED_OUT, kit_send(&message.message.header, MACH_SEND_TIMEOUT, 0));
    ASSERT_EQ(port, message.message.port.name);
    ASSERT_EQ((uintptr_t)&message, message.message.port.context);
    ASSERT_EQ(MACH_PORT_STATUS_FLAG_GUARDED, kit_status(port).mps_flags);
    kit_expect_plain(carrier, 0);
    ASSERT_OK(kit_send(&message.message.header, 0, 0));
    for (int i = 1; i < 5; i++)
        kit_expect_plain(carrier, i);
    take(carrier, MACH_RCV_GUARDED_DESC, &message);
    expect_guarded(&message, port);
    ASSERT_OK(mach_port_destruct(mach_task_self(), port, -1, message.message.port.context));
    kit_destroy(carrier);
}

/* mach_msg_destroy takes the guard off first. */
TEST(S62_destroying_a_received_guarded_port)
{
    struct guarded_rcv received;
    mach_port_t carrier = kit_port();
    mach_port_t port = guarded_port();
    ASSERT_OK(send_guarded(carrier, port, MACH_MSG_TYPE_MOVE_RECEIVE, IMMOVABLE, GUARD));
    take(carrier, MACH_RCV_GUARDED_DESC, &received);
    mach_msg_destroy(&received.message.header);
    kit_wait_dead(port);
    kit_destroy(port);
    kit_destroy(carrier);
}

/* The moved port in another task, where it is guarded, and works. */
PEER(guarded_taker)
{
    struct kit_pair pair;
    struct guarded_rcv received;
    kit_pair_join(&pair);
    take(pair.mine, MACH_RCV_GUARDED_DESC, &received);
    mach_port_t port = received.message.port.name;
    ASSERT_EQ(MACH_PORT_TYPE_RECEIVE, kit_type(port));
    expect_guarded(&received, port);
    for (int i = 0; i < 4; i++)
        kit_expect_plain(port, i);
    ASSERT_OK(mach_port_destruct(mach_task_self(), port, 0, received.message.port.context));
    parent_tell();
    kit_pair_leave(&pair);
}

TEST(S158_between_tasks)
{
    struct kit_pair pair;
    mach_port_t port = guarded_port();
    kit_pair_start(&pair, "guarded_taker", "");
    kit_fill_queue(port, 3);
    ASSERT_OK(send_guarded(pair.theirs, port, MACH_MSG_TYPE_MOVE_RECEIVE, IMMOVABLE, GUARD));
    kit_send_plain(port, 3);
    peer_hear(&pair.peer);
    kit_wait_dead(port);
    kit_destroy(port);
    kit_pair_end(&pair);
}

/* Between descriptors of other kinds: the walk steps 16 bytes over it (S81). */
TEST(S16_among_other_descriptors)
{
    struct {
        mach_msg_header_t header;
        mach_msg_body_t body;
        mach_msg_port_descriptor_t first;
        mach_msg_guarded_port_descriptor_t guarded;
        mach_msg_ool_descriptor_t ool;
        mach_msg_port_descriptor_t last;
        mach_msg_max_trailer_t trailer;
    } message;
    enum { WHOLE = 28 + 12 + 16 + 16 + 12 };
    static const char text[] = "between";
    mach_port_t carrier = kit_port();
    mach_port_t port = kit_port();
    mach_port_t other = kit_receive_right();
    memset(&message, 0, sizeof(message));
    kit_header(&message.header, MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0) | MACH_MSGH_BITS_COMPLEX,
               WHOLE, carrier, MACH_PORT_NULL, ID);
    message.body.msgh_descriptor_count = 4;
    kit_port_descriptor(&message.first, other, MACH_MSG_TYPE_MAKE_SEND);
    message.guarded.flags = UNGUARDED;
    message.guarded.disposition = MACH_MSG_TYPE_MOVE_RECEIVE;
    message.guarded.type = MACH_MSG_GUARDED_PORT_DESCRIPTOR;
    message.guarded.name = port;
    kit_ool(&message.ool, text, sizeof(text), MACH_MSG_VIRTUAL_COPY, false);
    kit_port_descriptor(&message.last, other, MACH_MSG_TYPE_MAKE_SEND);
    ASSERT_OK(kit_send(&message.header, 0, 0));
    memset(&message, 0xa5, sizeof(message));
    ASSERT_OK(kit_receive(&message.header, sizeof(message), carrier, MACH_RCV_GUARDED_DESC, 0));
    ASSERT_EQ(WHOLE, message.header.msgh_size);
    ASSERT_EQ(other, message.first.name);
    ASSERT_EQ(port, message.guarded.name);
    ASSERT_STR(text, (const char *)message.ool.address);
    ASSERT_EQ(other, message.last.name);
    ASSERT_EQ(2, kit_refs(other, MACH_PORT_RIGHT_SEND));
    kit_free(message.ool.address, sizeof(text));
    kit_destroy(other);
    kit_destroy(port);
    kit_destroy(carrier);
}
