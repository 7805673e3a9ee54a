/* Out-of-line arrays of rights: what is legal, what is refused, what is unmapped when, and
 * messages that come back or are destroyed. Sections 1, 2 and 5. */
#include "harness/array_kit.h"

#include <stdlib.h>
#include <string.h>

enum { ID = 6, MOST = 16383 };

TEST(S118_null_and_dead_cross)
{
    mach_port_t carrier = kit_port();
    mach_port_t port = kit_port();
    mach_port_t gone = kit_dead_name();
    mach_port_t names[5] = {MACH_PORT_NULL, port, MACH_PORT_DEAD, gone, MACH_PORT_NULL};
    ASSERT_OK(kit_send_array(carrier, names, 5, MACH_MSG_TYPE_COPY_SEND));
    mach_port_t *seen = kit_take_array(carrier, 5, MACH_MSG_TYPE_PORT_SEND);
    names[3] = MACH_PORT_DEAD; /* S116 */
    ASSERT_MEM(names, seen, sizeof(names));
    ASSERT_EQ(1, kit_refs(gone, MACH_PORT_RIGHT_DEAD_NAME));
    kit_free_array(seen, 5);
    kit_destroy(gone);
    kit_destroy(port);
    kit_destroy(carrier);
}

TEST(S39_one_too_many)
{
    mach_port_t carrier = kit_port();
    mach_port_t *names = kit_new_names(MOST + 1);
    mach_port_t port = kit_port();
    for (unsigned i = 0; i < MOST + 1; i++)
        names[i] = port;
    ASSERT_CODE(MACH_SEND_TOO_LARGE,
                kit_send_array(carrier, names, MOST + 1, MACH_MSG_TYPE_COPY_SEND));
    ASSERT_CODE(MACH_SEND_TOO_LARGE,
                kit_send_array(carrier, names, 0xffffffff, MACH_MSG_TYPE_COPY_SEND));
    ASSERT_EQ(1, kit_refs(port, MACH_PORT_RIGHT_SEND));
    kit_expect_nothing(carrier);
    free(names);
    kit_destroy(port);
    kit_destroy(carrier);
}

/* Two arrays and a port descriptor in one message count together. */
TEST(S39_all_of_a_message_count)
{
    struct {
        mach_msg_header_t header;
        mach_msg_body_t body;
        mach_msg_ool_ports_descriptor_t array[2];
        mach_msg_port_descriptor_t port;
    } message;
    mach_port_t carrier = kit_port();
    mach_port_t port = kit_port();
    mach_port_t *names = kit_new_names(MOST);
    for (unsigned i = 0; i < MOST; i++)
        names[i] = port;
    memset(&message, 0, sizeof(message));
    kit_header(&message.header, MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0) | MACH_MSGH_BITS_COMPLEX,
               sizeof(message), carrier, MACH_PORT_NULL, ID);
    message.body.msgh_descriptor_count = 3;
    for (int i = 0; i < 2; i++) {
        message.array[i].address = names;
        message.array[i].copy = MACH_MSG_VIRTUAL_COPY;
        message.array[i].disposition = MACH_MSG_TYPE_COPY_SEND;
        message.array[i].type = MACH_MSG_OOL_PORTS_DESCRIPTOR;
    }
    kit_port_descriptor(&message.port, port, MACH_MSG_TYPE_COPY_SEND);
    message.array[0].count = MOST - 100;
    message.array[1].count = 100;
    ASSERT_CODE(MACH_SEND_TOO_LARGE, kit_send(&message.header, 0, 0));
    message.array[1].count = 99; /* with the descriptor exactly as many as may be */
    ASSERT_OK(kit_send(&message.header, 0, 0));
    kit_destroy(carrier);
    ASSERT_EQ(1, kit_refs(port, MACH_PORT_RIGHT_SEND));
    free(names);
    kit_destroy(port);
}

/* The array is unmapped as soon as it has been read, whatever becomes of the rights. */
TEST(S38_deallocate)
{
    struct array_msg message;
    mach_port_t carrier = kit_port();
    mach_port_t port = kit_port();
    const size_t size = 3 * vm_page_size;
    mach_port_t *names = kit_allocate(size);
    unsigned count = (unsigned)(size / sizeof(*names));
    for (unsigned i = 0; i < count; i++)
        names[i] = port;
    kit_prepare_array(&message, carrier, names, count, MACH_MSG_TYPE_COPY_SEND);
    message.array.deallocate = TRUE;
    ASSERT_OK(kit_send(&message.header, 0, 0));
    for (int i = 0; i < 3; i++)
        ASSERT(!kit_is_readable((char *)names + (size_t)i * vm_page_size));
    mach_port_t *seen = kit_take_array(carrier, count, MACH_MSG_TYPE_PORT_SEND);
    ASSERT_EQ(port, seen[0]);
    ASSERT_EQ(port, seen[count - 1]);
    kit_free_array(seen, count);
    ASSERT_EQ(count + 1, kit_refs(port, MACH_PORT_RIGHT_SEND));
    kit_destroy(port);
    kit_destroy(carrier);
}

TEST(S38_deallocate_before_the_rights_are_examined)
{
    struct array_msg message;
    mach_port_t carrier = kit_port();
    mach_port_t *names = kit_allocate(vm_page_size);
    names[0] = kit_unknown_name();
    kit_prepare_array(&message, carrier, names, 1, MACH_MSG_TYPE_COPY_SEND);
    message.array.deallocate = TRUE;
    ASSERT_CODE(MACH_SEND_INVALID_RIGHT, kit_send(&message.header, 0, 0));
    ASSERT(!kit_is_readable(names));
    kit_expect_nothing(carrier);
    kit_destroy(carrier);
}

/* The array is read when it is sent; a physical copy is no different. */
TEST(S38_array_is_read_at_once)
{
    struct array_msg message;
    mach_port_t carrier = kit_port();
    mach_port_t port = kit_port();
    mach_port_t names[3] = {port, port, port};
    kit_prepare_array(&message, carrier, names, 3, MACH_MSG_TYPE_COPY_SEND);
    message.array.copy = MACH_MSG_PHYSICAL_COPY;
    ASSERT_OK(kit_send(&message.header, 0, 0));
    memset(names, 0xff, sizeof(names));
    mach_port_t *seen = kit_take_array(carrier, 3, MACH_MSG_TYPE_PORT_SEND); /* copy: VIRTUAL */
    for (int i = 0; i < 3; i++)
        ASSERT_EQ(port, seen[i]);
    kit_free_array(seen, 3);
    kit_destroy(port);
    kit_destroy(carrier);
}

/* Newer kernels do not look at `copy`, older ones refuse values that are neither. */
TEST(S40_other_copy_values)
{
    struct array_msg message;
    mach_port_t carrier = kit_port();
    mach_port_t port = kit_port();
    kit_prepare_array(&message, carrier, &port, 1, MACH_MSG_TYPE_COPY_SEND);
    message.array.copy = 3;
    mach_msg_return_t result = kit_send(&message.header, 0, 0);
    if (result == MACH_MSG_SUCCESS)
        kit_free_array(kit_take_array(carrier, 1, MACH_MSG_TYPE_PORT_SEND), 1);
    else
        ASSERT_CODE(MACH_SEND_INVALID_TYPE, result);
    kit_destroy(port);
    kit_destroy(carrier);
}

TEST(S38_unreadable_array)
{
    mach_port_t carrier = kit_port();
    mach_port_t *names = kit_allocate(2 * vm_page_size);
    unsigned page = (unsigned)(vm_page_size / sizeof(*names));
    memset(names, 0, 2 * vm_page_size);
    kit_free(names + page, vm_page_size);
    ASSERT_CODE(MACH_SEND_INVALID_MEMORY,
                kit_send_array(carrier, names, page + 1, MACH_MSG_TYPE_COPY_SEND));
    ASSERT_CODE(MACH_SEND_INVALID_MEMORY,
                kit_send_array(carrier, NULL, 1, MACH_MSG_TYPE_COPY_SEND));
    ASSERT_OK(kit_send_array(carrier, names, page, MACH_MSG_TYPE_COPY_SEND));
    kit_free_array(kit_take_array(carrier, page, MACH_MSG_TYPE_PORT_SEND), page);
    kit_free(names, vm_page_size);
    kit_destroy(carrier);
}

/* One bad right: those before it are gone, those behind it are not touched (S31). */
TEST(S119_bad_right_in_the_middle)
{
    mach_port_t carrier = kit_port();
    mach_port_t notify = kit_receive_right();
    mach_port_t ports[3] = {kit_port(), kit_port(), kit_port()};
    mach_port_t names[3] = {ports[0], kit_unknown_name(), ports[2]};
    kit_first_request(ports[0], MACH_NOTIFY_NO_SENDERS, 0, notify);
    ASSERT_CODE(MACH_SEND_INVALID_RIGHT,
                kit_send_array(carrier, names, 3, MACH_MSG_TYPE_MOVE_SEND));
    ASSERT_EQ(MACH_PORT_TYPE_RECEIVE, kit_type(ports[0]));
    ASSERT_EQ(1, kit_expect_notification(notify, MACH_NOTIFY_NO_SENDERS));
    ASSERT_EQ(MACH_PORT_TYPE_SEND_RECEIVE, kit_type(ports[2]));
    kit_expect_nothing(carrier);
    for (int i = 0; i < 3; i++)
        kit_destroy(ports[i]);
    kit_destroy(notify);
    kit_destroy(carrier);
}

TEST(S119_bad_dispositions)
{
    static const unsigned bad[] = {0, 1, 15, 22, 23, 255};
    mach_port_t carrier = kit_port();
    mach_port_t port = kit_port();
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        mach_msg_return_t result = kit_send_array(carrier, &port, 1, bad[i]);
        if (result != MACH_SEND_INVALID_TYPE)
            ASSERT_CODE(MACH_SEND_INVALID_RIGHT, result);
    }
    ASSERT_EQ(1, kit_refs(port, MACH_PORT_RIGHT_SEND));
    kit_expect_nothing(carrier);
    kit_destroy(port);
    kit_destroy(carrier);
}

/* Destroying a received message drops the rights and frees the array. */
TEST(S62_destroying_a_received_array)
{
    struct array_rcv received;
    mach_port_t carrier = kit_port();
    mach_port_t port = kit_port();
    mach_port_t names[10];
    for (int i = 0; i < 10; i++)
        names[i] = port;
    ASSERT_OK(kit_send_array(carrier, names, 10, MACH_MSG_TYPE_COPY_SEND));
    ASSERT_OK(kit_receive(&received.message.header, sizeof(received), carrier, 0, 0));
    ASSERT_EQ(11, kit_refs(port, MACH_PORT_RIGHT_SEND));
    mach_msg_destroy(&received.message.header);
    ASSERT_EQ(1, kit_refs(port, MACH_PORT_RIGHT_SEND));
    ASSERT(!kit_is_readable(received.message.array.address));
    kit_destroy(port);
    kit_destroy(carrier);
}

/* Unsent, with rights to be made: they are made and dropped, and fire what that fires. */
TEST(S64_destroying_an_unsent_array)
{
    struct array_msg message;
    mach_port_t carrier = kit_port();
    mach_port_t port = kit_receive_right();
    mach_port_t notify = kit_receive_right();
    mach_port_t names[4] = {port, port, port, port};
    kit_first_request(port, MACH_NOTIFY_NO_SENDERS, 1, notify);
    kit_prepare_array(&message, MACH_PORT_NULL, names, 4, MACH_MSG_TYPE_MAKE_SEND);
    mach_msg_destroy(&message.header);
    (void)kit_expect_notification(notify, MACH_NOTIFY_NO_SENDERS);
    ASSERT_EQ(MACH_PORT_TYPE_RECEIVE, kit_type(port));
    kit_prepare_array(&message, MACH_PORT_NULL, names, 4, MACH_MSG_TYPE_MAKE_SEND_ONCE);
    mach_msg_destroy(&message.header);
    kit_expect_send_once_notifications(port, 4);
    kit_destroy(port);
    kit_destroy(notify);
    kit_destroy(carrier);
}

/* A send that times out brings the rights back, in an array of their own (S34, S126). */
TEST(S126_timed_out_with_an_array)
{
    struct array_msg message;
    mach_port_t carrier = kit_port();
    mach_port_t *names = kit_new_ports(50);
    mach_port_t kept[50];
    memcpy(kept, names, sizeof(kept));
    kit_fill_queue(carrier, 5);
    kit_prepare_array(&message, carrier, names, 50, MACH_MSG_TYPE_MOVE_SEND);
    ASSERT_CODE(MACH_SEND_TIMED_OUT, kit_send(&message.header, MACH_SEND_TIMEOUT, 0));
    ASSERT_EQ(MACH_MSG_TYPE_MOVE_SEND, message.array.disposition);
    ASSERT_EQ(50, message.array.count);
    ASSERT_EQ(TRUE, message.array.deallocate);
    ASSERT_NE((uintptr_t)names, (uintptr_t)message.array.address);
    ASSERT_MEM(kept, message.array.address, sizeof(kept));
    for (int i = 0; i < 50; i++)
        ASSERT_EQ(MACH_PORT_TYPE_SEND_RECEIVE, kit_type(kept[i]));
    kit_expect_plain(carrier, 0);
    ASSERT_OK(kit_send(&message.header, 0, 0)); /* as it is */
    for (int i = 1; i < 5; i++)
        kit_expect_plain(carrier, i);
    mach_port_t *seen = kit_take_array(carrier, 50, MACH_MSG_TYPE_PORT_SEND);
    ASSERT_MEM(kept, seen, sizeof(kept));
    kit_free_array(seen, 50);
    kit_drop_ports(names, 50);
    kit_destroy(carrier);
}
