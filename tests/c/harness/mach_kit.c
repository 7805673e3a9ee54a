/* Ports, messages and the runner's hooks; see mach_kit.h. */
#include "mach_kit.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

mach_port_t kit_receive_right(void)
{
    mach_port_t name = MACH_PORT_NULL;
    ASSERT_OK(mach_port_allocate(mach_task_self(), MACH_PORT_RIGHT_RECEIVE, &name));
    ASSERT_NE(MACH_PORT_NULL, name);
    ASSERT_NE(MACH_PORT_DEAD, name);
    return name;
}

mach_port_t kit_port(void)
{
    mach_port_t name = kit_receive_right();
    ASSERT_OK(mach_port_insert_right(mach_task_self(), name, name, MACH_MSG_TYPE_MAKE_SEND));
    return name;
}

mach_port_t kit_send_once(mach_port_t port)
{
    mach_port_t carrier = kit_port();
    struct plain_msg message;
    struct plain_rcv received;
    kit_header(&message.header,
               MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MAKE_SEND_ONCE),
               sizeof(message.header), carrier, port, 0);
    ASSERT_OK(kit_send(&message.header, MACH_SEND_TIMEOUT, 0));
    ASSERT_OK(kit_receive(&received.header, sizeof(received), carrier, 0, PATIENCE));
    kit_destroy(carrier);
    return received.header.msgh_remote_port;
}

void kit_destroy(mach_port_t name)
{
    ASSERT_OK(mach_port_destroy(mach_task_self(), name));
}

void kit_deallocate(mach_port_t name)
{
    ASSERT_OK(mach_port_deallocate(mach_task_self(), name));
}

unsigned kit_refs(mach_port_t name, mach_port_right_t right)
{
    mach_port_urefs_t refs = 0;
    ASSERT_OK(mach_port_get_refs(mach_task_self(), name, right, &refs));
    return refs;
}

mach_port_type_t kit_type(mach_port_t name)
{
    mach_port_type_t type = 0;
    ASSERT_OK(mach_port_type(mach_task_self(), name, &type));
    return type & MACH_PORT_TYPE_ALL_RIGHTS;
}

mach_port_status_t kit_status(mach_port_t receive)
{
    mach_port_status_t status;
    mach_msg_type_number_t count = MACH_PORT_RECEIVE_STATUS_COUNT;
    memset(&status, 0, sizeof(status));
    ASSERT_OK(mach_port_get_attributes(mach_task_self(), receive, MACH_PORT_RECEIVE_STATUS,
                                       (mach_port_info_t)&status, &count));
    return status;
}

void kit_set_qlimit(mach_port_t receive, unsigned limit)
{
    mach_port_limits_t limits = {.mpl_qlimit = limit};
    ASSERT_OK(mach_port_set_attributes(mach_task_self(), receive, MACH_PORT_LIMITS_INFO,
                                       (mach_port_info_t)&limits, MACH_PORT_LIMITS_INFO_COUNT));
}

void kit_wait_dead(mach_port_t name)
{
    mach_port_t idle = kit_receive_right();
    struct plain_rcv received;
    uint64_t end = kit_milliseconds() + PATIENCE;
    while (kit_type(name) != MACH_PORT_TYPE_DEAD_NAME) {
        if (kit_milliseconds() > end)
            FAIL("name 0x%x did not become a dead name", name);
        ASSERT_CODE(MACH_RCV_TIMED_OUT,
                    kit_receive(&received.header, sizeof(received), idle, 0, 5));
    }
    kit_destroy(idle);
}

mach_port_t kit_unknown_name(void)
{
    mach_port_t name = kit_receive_right();
    kit_destroy(name);
    return name;
}

void kit_header(mach_msg_header_t *header, mach_msg_bits_t bits, mach_msg_size_t size,
                mach_port_t remote, mach_port_t local, mach_msg_id_t id)
{
    header->msgh_bits = bits;
    header->msgh_size = size;
    header->msgh_remote_port = remote;
    header->msgh_local_port = local;
    header->msgh_voucher_port = MACH_PORT_NULL;
    header->msgh_id = id;
}

void kit_ool(mach_msg_ool_descriptor_t *ool, const void *address, size_t size, unsigned copy,
             bool deallocate)
{
    memset(ool, 0, sizeof(*ool));
    ool->address = (void *)(uintptr_t)address;
    ool->size = (mach_msg_size_t)size;
    ool->copy = (mach_msg_copy_options_t)copy & 0xff;
    ool->deallocate = deallocate;
    ool->type = MACH_MSG_OOL_DESCRIPTOR;
}

void kit_port_descriptor(mach_msg_port_descriptor_t *port, mach_port_t name, unsigned disposition)
{
    memset(port, 0, sizeof(*port));
    port->name = name;
    port->disposition = (mach_msg_type_name_t)disposition & 0xff;
    port->type = MACH_MSG_PORT_DESCRIPTOR;
}

void kit_ool_msg(struct ool_msg *ret_message, mach_port_t to, mach_msg_id_t id, const void *address,
                 size_t size, unsigned copy, bool deallocate)
{
    kit_header(&ret_message->header,
               MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0) | MACH_MSGH_BITS_COMPLEX, OOL_MSG_SIZE(1),
               to, MACH_PORT_NULL, id);
    ret_message->body.msgh_descriptor_count = 1;
    kit_ool(&ret_message->ool[0], address, size, copy, deallocate);
}

void kit_port_msg(struct port_msg *ret_message, mach_port_t to, mach_msg_id_t id, mach_port_t name,
                  unsigned disposition)
{
    kit_header(&ret_message->header,
               MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0) | MACH_MSGH_BITS_COMPLEX,
               PORT_MSG_SIZE(1), to, MACH_PORT_NULL, id);
    ret_message->body.msgh_descriptor_count = 1;
    kit_port_descriptor(&ret_message->port[0], name, disposition);
}

mach_msg_return_t kit_send(mach_msg_header_t *header, mach_msg_option_t options,
                           mach_msg_timeout_t timeout)
{
    return mach_msg(header, MACH_SEND_MSG | options, header->msgh_size, 0, MACH_PORT_NULL, timeout,
                    MACH_PORT_NULL);
}

mach_msg_return_t kit_receive(mach_msg_header_t *header, mach_msg_size_t size, mach_port_t port,
                              mach_msg_option_t options, mach_msg_timeout_t timeout)
{
    return mach_msg(header, MACH_RCV_MSG | MACH_RCV_TIMEOUT | options, 0, size, port, timeout,
                    MACH_PORT_NULL);
}

mach_msg_return_t kit_try_plain(mach_port_t to, unsigned disposition, mach_msg_id_t id,
                                mach_msg_timeout_t timeout)
{
    struct plain_msg message;
    memset(&message, 0, sizeof(message));
    kit_header(&message.header, MACH_MSGH_BITS(disposition, 0), sizeof(message), to, MACH_PORT_NULL,
               id);
    snprintf(message.text, sizeof(message.text), "message %d", id);
    return kit_send(&message.header, MACH_SEND_TIMEOUT, timeout);
}

void kit_send_plain(mach_port_t to, mach_msg_id_t id)
{
    ASSERT_OK(kit_try_plain(to, MACH_MSG_TYPE_COPY_SEND, id, PATIENCE));
}

void kit_expect_plain(mach_port_t port, mach_msg_id_t id)
{
    struct plain_rcv received;
    char text[KIT_TEXT];
    ASSERT_OK(kit_receive(&received.header, sizeof(received), port, 0, PATIENCE));
    ASSERT_EQ(id, received.header.msgh_id);
    if (received.header.msgh_size == sizeof(struct plain_msg)) {
        snprintf(text, sizeof(text), "message %d", id);
        ASSERT_STR(text, received.text);
    }
    if (received.header.msgh_remote_port != MACH_PORT_NULL)
        kit_deallocate(received.header.msgh_remote_port);
}

void kit_expect_nothing(mach_port_t port)
{
    struct plain_rcv received;
    ASSERT_CODE(MACH_RCV_TIMED_OUT, kit_receive(&received.header, sizeof(received), port, 0, 0));
}

void kit_expect_send_once_notification(mach_port_t port)
{
    struct plain_rcv received;
    memset(&received, 0xa5, sizeof(received));
    ASSERT_OK(kit_receive(&received.header, sizeof(received), port, 0, PATIENCE));
    ASSERT_EQ(71, received.header.msgh_id);
    ASSERT_EQ(24, received.header.msgh_size);
    ASSERT_EQ(MACH_MSGH_BITS(0, MACH_MSG_TYPE_PORT_SEND_ONCE), received.header.msgh_bits);
    ASSERT_EQ(MACH_PORT_NULL, received.header.msgh_remote_port);
    ASSERT_EQ(port, received.header.msgh_local_port);
    kit_expect_nothing(port);
}

void kit_fill_queue(mach_port_t to, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        ASSERT_OK(kit_try_plain(to, MACH_MSG_TYPE_COPY_SEND, (mach_msg_id_t)i, 0));
}

/* The hooks: the first use of everything that a task keeps for good happens before the count. */

PEER(kit_warms_up)
{
    struct kit_pair pair;
    kit_pair_join(&pair);
    kit_expect_plain(pair.mine, 1);
    kit_send_plain(pair.theirs, 2);
    kit_pair_leave(&pair);
}

static void *receive_a_moment(void *argument)
{
    mach_port_t *port = argument;
    struct plain_rcv received;
    (void)kit_receive(&received.header, sizeof(received), *port, 0, 1);
    return NULL;
}

static void warm_up(void)
{
    struct kit_pair pair;
    struct ool_msg message;
    struct ool_rcv received;
    const size_t size = 1 << 20;
    void *memory = kit_allocate(size);
    kit_pair_start(&pair, "kit_warms_up", "");
    kit_join(kit_thread(receive_a_moment, &pair.mine));
    kit_send_plain(pair.theirs, 1);
    kit_expect_plain(pair.mine, 2);
    kit_ool_msg(&message, pair.mine, 3, memory, size, MACH_MSG_VIRTUAL_COPY, false);
    ASSERT_OK(kit_send(&message.header, 0, 0));
    ASSERT_OK(kit_receive(&received.header, sizeof(received), pair.mine, 0, PATIENCE));
    kit_free(received.ool[0].address, size);
    kit_free(memory, size);
    kit_pair_end(&pair);
}

static bool settle(void)
{
    mach_port_t idle = kit_receive_right();
    struct plain_rcv received;
    (void)kit_receive(&received.header, sizeof(received), idle, 0, 5);
    kit_destroy(idle);
    return true;
}

static size_t count_names(void)
{
#ifdef __APPLE__
    return 0; /* the system's own libraries make and drop rights at any time */
#else
    mach_port_name_array_t names = NULL;
    mach_port_type_array_t types = NULL;
    mach_msg_type_number_t name_count = 0;
    mach_msg_type_number_t type_count = 0;
    ASSERT_OK(mach_port_names(mach_task_self(), &names, &name_count, &types, &type_count));
    ASSERT_EQ(name_count, type_count);
    kit_free(names, name_count * sizeof(*names));
    kit_free(types, type_count * sizeof(*types));
    return name_count;
#endif
}

__attribute__((constructor)) static void set_hooks(void)
{
    const struct test_hooks hooks = {
        .warm_up = warm_up, .settle = settle, .count_names = count_names};
    test_set_hooks(&hooks);
}
