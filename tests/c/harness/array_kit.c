/* Messages with an array of rights; see array_kit.h. */
#include "array_kit.h"

#include <stdlib.h>
#include <string.h>

enum { ID = 6 };

void kit_prepare_array(struct array_msg *message, mach_port_t to, const mach_port_t *names,
                       unsigned count, unsigned disposition)
{
    memset(message, 0, sizeof(*message));
    kit_header(&message->header,
               MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0) | MACH_MSGH_BITS_COMPLEX, ARRAY_MSG_SIZE,
               to, MACH_PORT_NULL, ID);
    message->body.msgh_descriptor_count = 1;
    message->array.address = (void *)(uintptr_t)names;
    message->array.count = count;
    message->array.copy = MACH_MSG_VIRTUAL_COPY;
    message->array.disposition = disposition & 0xff;
    message->array.type = MACH_MSG_OOL_PORTS_DESCRIPTOR;
}

mach_msg_return_t kit_send_array(mach_port_t to, const mach_port_t *names, unsigned count,
                                 unsigned disposition)
{
    struct array_msg message;
    ASSERT_EQ(ARRAY_MSG_SIZE, sizeof(message));
    kit_prepare_array(&message, to, names, count, disposition);
    return kit_send(&message.header, MACH_SEND_TIMEOUT, PATIENCE);
}

mach_port_t *kit_take_array(mach_port_t port, unsigned count, unsigned disposition)
{
    struct array_rcv received;
    memset(&received, 0xa5, sizeof(received));
    ASSERT_OK(kit_receive(&received.message.header, sizeof(received), port, 0, PATIENCE));
    const mach_msg_ool_ports_descriptor_t *array = &received.message.array;
    ASSERT_EQ(ID, received.message.header.msgh_id);
    ASSERT_EQ(ARRAY_MSG_SIZE, received.message.header.msgh_size);
    ASSERT_EQ(MACH_MSGH_BITS(0, 17) | MACH_MSGH_BITS_COMPLEX, received.message.header.msgh_bits);
    ASSERT_EQ(1, received.message.body.msgh_descriptor_count);
    ASSERT_EQ(MACH_MSG_OOL_PORTS_DESCRIPTOR, array->type);
    ASSERT_EQ(count, array->count);
    ASSERT_EQ(disposition, array->disposition);
    ASSERT_EQ(TRUE, array->deallocate);
    ASSERT_EQ(MACH_MSG_VIRTUAL_COPY, array->copy);
    if (count == 0)
        ASSERT_EQ(0, (uintptr_t)array->address);
    else
        ASSERT_EQ(0, kit_page_offset(array->address));
    return array->address;
}

void kit_free_array(mach_port_t *names, unsigned count)
{
    if (count == 0)
        return;
    names[count - 1] = 1; /* it is writable */
    kit_free(names, count * sizeof(*names));
    ASSERT(!kit_is_readable(names));
}

mach_port_t *kit_new_names(unsigned count)
{
    mach_port_t *names = malloc((count + 1) * sizeof(*names));
    ASSERT(names != NULL);
    return names;
}

mach_port_t *kit_new_ports(unsigned count)
{
    mach_port_t *names = kit_new_names(count);
    for (unsigned i = 0; i < count; i++)
        names[i] = kit_port();
    return names;
}

void kit_drop_ports(mach_port_t *names, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        kit_destroy(names[i]);
    free(names);
}
