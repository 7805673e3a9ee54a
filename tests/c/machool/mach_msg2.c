/* mach_msg2: the header by value, options of 64 bits. */
#include "harness/mach_kit.h"

#include <mach/mach_msg2.h>
#include <string.h>

static mach_msg_header_t header_to(mach_port_t to, mach_msg_id_t id)
{
    mach_msg_header_t header;
    kit_header(&header, MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0), 0, to, MACH_PORT_NULL, id);
    return header;
}

TEST(msg2_sends_with_the_header_it_is_given)
{
    struct plain_msg message = {.text = "as given"};
    struct plain_rcv received;
    mach_port_t port = kit_port();
    memset(&message.header, 0xee, sizeof message.header);
    ASSERT_OK(mach_msg2(&message, MACH64_SEND_MSG | MACH64_SEND_MQ_CALL, header_to(port, 7),
                        sizeof message, 0, MACH_PORT_NULL, 0, 0));
    ASSERT_OK(mach_msg2(&received, MACH64_RCV_MSG | MACH64_RCV_TIMEOUT, header_to(port, 0), 0,
                        sizeof received, port, PATIENCE, 0));
    ASSERT_EQ(7, received.header.msgh_id);
    ASSERT_EQ(sizeof message, received.header.msgh_size);
    ASSERT_STR("as given", received.text);
    kit_destroy(port);
}

TEST(msg2_refuses_what_is_not_there)
{
    struct plain_msg message = {.text = ""};
    mach_port_t port = kit_port();
    ASSERT_CODE(MACH_SEND_INVALID_OPTIONS,
                mach_msg2(&message, MACH64_SEND_MSG | MACH64_MSG_VECTOR, header_to(port, 7),
                          sizeof message, 0, MACH_PORT_NULL, 0, 0));
    ASSERT_CODE(MACH_SEND_INVALID_DATA, mach_msg2(NULL, MACH64_SEND_MSG, header_to(port, 7),
                                                  sizeof message, 0, MACH_PORT_NULL, 0, 0));
    ASSERT_CODE(MACH_RCV_TIMED_OUT, mach_msg2(&message, MACH64_RCV_MSG | MACH64_RCV_TIMEOUT,
                                              header_to(port, 0), 0, sizeof message, port, 0, 0));
    kit_destroy(port);
}
