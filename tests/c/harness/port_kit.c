/* Rights in messages and notifications; see port_kit.h. */
#include "port_kit.h"

#include <string.h>

enum { RIGHT_ID = 6, WORD_SIZE = 36, DESTROYED_SIZE = 40 };

mach_msg_return_t kit_try_right(mach_port_t to, mach_port_t name, unsigned disposition)
{
    struct port_msg message;
    kit_port_msg(&message, to, RIGHT_ID, name, disposition);
    return kit_send(&message.header, MACH_SEND_TIMEOUT, 0);
}

void kit_send_right(mach_port_t to, mach_port_t name, unsigned disposition)
{
    ASSERT_OK(kit_try_right(to, name, disposition));
}

mach_port_t kit_take_right(mach_port_t port, unsigned disposition)
{
    struct port_rcv received;
    memset(&received, 0xa5, sizeof(received));
    ASSERT_OK(kit_receive(&received.header, sizeof(received), port, 0, PATIENCE));
    ASSERT_EQ(RIGHT_ID, received.header.msgh_id);
    ASSERT_EQ(PORT_MSG_SIZE(1), received.header.msgh_size);
    ASSERT_EQ(1, received.body.msgh_descriptor_count);
    ASSERT_EQ(MACH_MSG_PORT_DESCRIPTOR, received.port[0].type);
    ASSERT_EQ(disposition, received.port[0].disposition);
    return received.port[0].name;
}

bool kit_is_gone(mach_port_t name)
{
    mach_port_type_t type = 0;
    kern_return_t result = mach_port_type(mach_task_self(), name, &type);
    if (result != KERN_SUCCESS)
        ASSERT_CODE(KERN_INVALID_NAME, result);
    return result != KERN_SUCCESS;
}

mach_port_type_t kit_type_and_requests(mach_port_t name)
{
    mach_port_type_t type = 0;
    ASSERT_OK(mach_port_type(mach_task_self(), name, &type));
    return type;
}

mach_port_t kit_dead_name(void)
{
    mach_port_t name = MACH_PORT_NULL;
    ASSERT_OK(mach_port_allocate(mach_task_self(), MACH_PORT_RIGHT_DEAD_NAME, &name));
    return name;
}

mach_port_t kit_port_set(void)
{
    mach_port_t name = MACH_PORT_NULL;
    ASSERT_OK(mach_port_allocate(mach_task_self(), MACH_PORT_RIGHT_PORT_SET, &name));
    return name;
}

mach_port_t kit_request(mach_port_t name, mach_msg_id_t id, unsigned sync, mach_port_t notify)
{
    mach_port_t previous = 0xa5a5a5a5;
    ASSERT_OK(mach_port_request_notification(mach_task_self(), name, id, sync, notify,
                                             MACH_MSG_TYPE_MAKE_SEND_ONCE, &previous));
    return previous;
}

void kit_first_request(mach_port_t name, mach_msg_id_t id, unsigned sync, mach_port_t notify)
{
    ASSERT_EQ(MACH_PORT_NULL, kit_request(name, id, sync, notify));
}

void kit_refused_request(kern_return_t code, mach_port_t name, mach_msg_id_t id, unsigned sync,
                         mach_port_t notify)
{
    mach_port_t previous = MACH_PORT_NULL;
    ASSERT_CODE(code, mach_port_request_notification(mach_task_self(), name, id, sync, notify,
                                                     MACH_MSG_TYPE_MAKE_SEND_ONCE, &previous));
    kit_expect_send_once_notification(notify);
}

/* The kernel's identity is {0, 1}, and its audit token all zeros (S88). */
static void check_trailer(const mach_msg_header_t *header)
{
    mach_msg_audit_trailer_t trailer;
    memcpy(&trailer, (const char *)header + header->msgh_size, sizeof(trailer));
    ASSERT_EQ(MACH_MSG_TRAILER_FORMAT_0, trailer.msgh_trailer_type);
    ASSERT_EQ(sizeof(trailer), trailer.msgh_trailer_size);
    ASSERT_EQ(0, trailer.msgh_sender.val[0]);
    ASSERT_EQ(1, trailer.msgh_sender.val[1]);
    ASSERT_ALL(0, &trailer.msgh_audit, sizeof(trailer.msgh_audit));
}

static void receive_notification(mach_msg_header_t *header, mach_msg_size_t room, mach_port_t port,
                                 mach_msg_id_t id, mach_msg_size_t size, mach_msg_bits_t complex)
{
    memset(header, 0xa5, room);
    ASSERT_OK(kit_receive(header, room, port, MACH_RCV_TRAILER_ELEMENTS(MACH_RCV_TRAILER_AUDIT),
                          PATIENCE));
    ASSERT_EQ(id, header->msgh_id);
    ASSERT_EQ(size, header->msgh_size);
    ASSERT_EQ(MACH_MSGH_BITS(0, MACH_MSG_TYPE_PORT_SEND_ONCE) | complex, header->msgh_bits);
    ASSERT_EQ(MACH_PORT_NULL, header->msgh_remote_port);
    if (kit_type(port) != MACH_PORT_TYPE_PORT_SET)
        ASSERT_EQ(port, header->msgh_local_port);
    check_trailer(header);
}

natural_t kit_expect_notification(mach_port_t port, mach_msg_id_t id)
{
    static const unsigned char ndr[8] = {0, 0, 0, 0, 1, 0, 0, 0};
    struct {
        mach_msg_header_t header;
        unsigned char ndr[8];
        natural_t word;
        mach_msg_max_trailer_t trailer;
    } seen;
    receive_notification(&seen.header, sizeof(seen), port, id, WORD_SIZE, 0);
    ASSERT_MEM(ndr, seen.ndr, sizeof(ndr));
    return seen.word;
}

mach_port_t kit_expect_port_destroyed(mach_port_t port)
{
    struct port_rcv seen;
    receive_notification(&seen.header, sizeof(seen), port, MACH_NOTIFY_PORT_DESTROYED,
                         DESTROYED_SIZE, MACH_MSGH_BITS_COMPLEX);
    ASSERT_EQ(1, seen.body.msgh_descriptor_count);
    ASSERT_EQ(MACH_MSG_PORT_DESCRIPTOR, seen.port[0].type);
    ASSERT_EQ(MACH_MSG_TYPE_PORT_RECEIVE, seen.port[0].disposition);
    return seen.port[0].name;
}

void kit_stays_quiet(mach_port_t port)
{
    struct plain_rcv received;
    memset(&received, 0, sizeof(received));
    mach_msg_return_t result = kit_receive(&received.header, sizeof(received), port, 0,
                                           (mach_msg_timeout_t)A_MOMENT);
    if (result == MACH_MSG_SUCCESS)
        FAIL("unexpected message %d", received.header.msgh_id);
    ASSERT_CODE(MACH_RCV_TIMED_OUT, result);
}

void kit_expect_send_once_notifications(mach_port_t port, unsigned count)
{
    struct plain_rcv seen;
    for (unsigned i = 0; i < count; i++)
        receive_notification(&seen.header, sizeof(seen), port, MACH_NOTIFY_SEND_ONCE,
                             sizeof(mach_msg_header_t), 0);
    kit_expect_nothing(port);
}
