/* What a send that gives up hands back: the pseudo-received message. Sections 1 and 5: S34 to S36,
 * S126, S127. */
#include "harness/mach_kit.h"

#include <string.h>

static mach_msg_return_t send_ool(mach_port_t port, struct ool_msg *message, const void *address,
                                  size_t size, unsigned copy, bool deallocate)
{
    kit_ool_msg(message, port, 9, address, size, copy, deallocate);
    return kit_send(&message->header, MACH_SEND_TIMEOUT, 1);
}

static void drain(mach_port_t port, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        kit_expect_plain(port, (mach_msg_id_t)i);
}

TEST(S34_S36_deallocated_memory_comes_back_as_new)
{
    const size_t sizes[] = {100, vm_page_size, 1 << 20};
    mach_port_t port = kit_port();
    kit_fill_queue(port, 5);
    for (unsigned i = 0; i < 3 * 2; i++) {
        struct ool_msg message;
        size_t size = sizes[i / 2];
        void *memory = kit_allocate(size);
        kit_fill(memory, size, i);
        ASSERT_CODE(MACH_SEND_TIMED_OUT, send_ool(port, &message, memory, size, i & 1, true));
        void *back = message.ool[0].address;
        ASSERT_NE(0, back);
        ASSERT_EQ(size, message.ool[0].size);
        ASSERT_EQ(MACH_MSG_OOL_DESCRIPTOR, message.ool[0].type);
        ASSERT_EQ(i & 1, message.ool[0].copy);
        ASSERT_EQ(i & 1, message.ool[0].deallocate);
        ASSERT_FILLED(back, size, i);
        if (back != memory)
            ASSERT(!kit_is_readable(memory));
        memset(back, 1, size);
        kit_free(back, size);
        kit_deallocate(port); /* the destination's reference in the message */
    }
    ASSERT_EQ(1, kit_refs(port, MACH_PORT_RIGHT_SEND));
    drain(port, 5);
    kit_destroy(port);
}

TEST(S35_kept_memory_comes_back_as_an_extra_region)
{
    const size_t sizes[] = {100, vm_page_size, 1 << 20};
    mach_port_t port = kit_port();
    kit_fill_queue(port, 5);
    for (unsigned i = 0; i < 3 * 2; i++) {
        struct ool_msg message;
        size_t size = sizes[i / 2];
        void *memory = kit_allocate(size);
        kit_fill(memory, size, 1);
        ASSERT_CODE(MACH_SEND_TIMED_OUT, send_ool(port, &message, memory, size, i & 1, false));
        void *extra = message.ool[0].address;
        ASSERT(!kit_overlap(memory, size, extra, size));
        ASSERT_FILLED(extra, size, 1);
        memset(extra, 2, size);
        ASSERT_FILLED(memory, size, 1);
        kit_free(extra, size);
        kit_free(memory, size);
        kit_deallocate(port);
    }
    kit_destroy(port);
}

TEST(S127_message_can_be_sent_again_as_it_came_back)
{
    const size_t size = 1 << 20;
    mach_port_t port = kit_port();
    struct ool_msg message;
    struct ool_rcv received;
    void *memory = kit_allocate(size);
    kit_fill(memory, size, 1);
    kit_fill_queue(port, 5);
    ASSERT_CODE(MACH_SEND_TIMED_OUT, send_ool(port, &message, memory, size, 1, true));
    for (int i = 0; i < 3; i++)
        ASSERT_CODE(MACH_SEND_TIMED_OUT, kit_send(&message.header, MACH_SEND_TIMEOUT, 0));
    void *back = message.ool[0].address;
    ASSERT_FILLED(back, size, 1);
    drain(port, 5);
    ASSERT_OK(kit_send(&message.header, MACH_SEND_TIMEOUT, 0));
    ASSERT(!kit_is_readable(back)); /* S36: a virtual copy moves */
    ASSERT_OK(kit_receive(&received.header, sizeof(received), port, 0, 0));
    ASSERT_FILLED(received.ool[0].address, size, 1);
    ASSERT_EQ(1, kit_refs(port, MACH_PORT_RIGHT_SEND));
    kit_free(received.ool[0].address, size);
    kit_destroy(port);
}

TEST(S127_mach_msg_destroy_cleans_up)
{
    const size_t size = 1 << 20;
    mach_port_t port = kit_port();
    struct ool_msg message;
    void *memory = kit_allocate(size);
    kit_fill_queue(port, 5);
    ASSERT_CODE(MACH_SEND_TIMED_OUT, send_ool(port, &message, memory, size, 1, true));
    mach_msg_destroy(&message.header);
    ASSERT_EQ(1, kit_refs(port, MACH_PORT_RIGHT_SEND));
    kit_destroy(port);
}

struct header_form {
    unsigned remote, local; /* as sent */
    unsigned remote_back, local_back;
};

static mach_port_t right_for(unsigned disposition, mach_port_t port)
{
    return disposition == MACH_MSG_TYPE_MOVE_SEND_ONCE ? kit_send_once(port) : port;
}

TEST(S126_header_comes_back_in_post_copyin_form)
{
    static const struct header_form forms[] = {
        {19, 0, 17, 0},   {17, 0, 17, 0},   {20, 0, 17, 0},   {19, 19, 17, 17},
        {19, 17, 17, 17}, {19, 20, 17, 17}, {19, 21, 17, 18}, {19, 18, 17, 18},
    };
    for (unsigned i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        const struct header_form *form = &forms[i];
        mach_port_t port = kit_port();
        mach_port_t reply = form->local != 0 ? kit_port() : MACH_PORT_NULL;
        mach_port_t local = form->local != 0 ? right_for(form->local, reply) : MACH_PORT_NULL;
        struct plain_rcv message; /* room for a trailer that must not come */
        memset(&message, 0xa5, sizeof(message));
        kit_fill_queue(port, 5);
        kit_header(&message.header, MACH_MSGH_BITS(form->remote, form->local),
                   sizeof(struct plain_msg), port, local, 9);
        ASSERT_CODE(MACH_SEND_TIMED_OUT, kit_send(&message.header, MACH_SEND_TIMEOUT, 0));
        ASSERT_EQ(MACH_MSGH_BITS(form->remote_back, form->local_back), message.header.msgh_bits);
        ASSERT_EQ(port, message.header.msgh_remote_port);
        ASSERT_EQ(9, message.header.msgh_id);
        ASSERT_ALL(0xa5, message.text, sizeof(message) - sizeof(message.header));
        ASSERT_EQ(form->remote == 17 ? 1 : 2, kit_refs(port, MACH_PORT_RIGHT_SEND));
        if (form->local_back == 17) {
            ASSERT_EQ(reply, message.header.msgh_local_port);
            ASSERT_EQ(form->local == 17 ? 1 : 2, kit_refs(reply, MACH_PORT_RIGHT_SEND));
        } else if (form->local_back == 18) {
            mach_port_t once = message.header.msgh_local_port;
            ASSERT_NE(reply, once);
            ASSERT_EQ(MACH_PORT_TYPE_SEND_ONCE, kit_type(once));
            ASSERT_OK(kit_try_plain(once, MACH_MSG_TYPE_MOVE_SEND_ONCE, 1, 0));
            kit_expect_plain(reply, 1);
            kit_expect_nothing(reply);
        } else {
            ASSERT_EQ(MACH_PORT_NULL, message.header.msgh_local_port);
        }
        kit_destroy(port);
        if (reply != MACH_PORT_NULL)
            kit_destroy(reply);
    }
}

TEST(S126_port_descriptors_come_back)
{
    mach_port_t port = kit_port();
    mach_port_t body = kit_port();
    struct port_msg message;
    kit_fill_queue(port, 5);
    kit_header(&message.header, MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0) | MACH_MSGH_BITS_COMPLEX,
               PORT_MSG_SIZE(4), port, MACH_PORT_NULL, 9);
    message.body.msgh_descriptor_count = 4;
    kit_port_descriptor(&message.port[0], body, MACH_MSG_TYPE_COPY_SEND);
    kit_port_descriptor(&message.port[1], body, MACH_MSG_TYPE_MAKE_SEND);
    kit_port_descriptor(&message.port[2], body, MACH_MSG_TYPE_MAKE_SEND_ONCE);
    kit_port_descriptor(&message.port[3], body, MACH_MSG_TYPE_MOVE_SEND);
    ASSERT_CODE(MACH_SEND_TIMED_OUT, kit_send(&message.header, MACH_SEND_TIMEOUT, 0));
    ASSERT_EQ(4, message.body.msgh_descriptor_count);
    ASSERT_EQ(17, message.port[0].disposition);
    ASSERT_EQ(body, message.port[0].name);
    ASSERT_EQ(17, message.port[1].disposition);
    ASSERT_EQ(body, message.port[1].name);
    ASSERT_EQ(18, message.port[2].disposition);
    ASSERT_NE(body, message.port[2].name);
    ASSERT_EQ(17, message.port[3].disposition);
    ASSERT_EQ(3, kit_refs(body, MACH_PORT_RIGHT_SEND));
    mach_msg_destroy(&message.header);
    ASSERT_EQ(MACH_PORT_TYPE_RECEIVE, kit_type(body));
    kit_expect_send_once_notification(body);
    kit_destroy(body);
    kit_destroy(port);
}

PEER(pseudo_idle)
{
    struct kit_pair pair;
    struct ool_rcv received;
    kit_pair_join(&pair);
    parent_hear();
    for (int i = 0; i < 5; i++)
        kit_expect_plain(pair.mine, i);
    kit_expect_nothing(pair.mine);
    parent_tell();
    ASSERT_OK(kit_receive(&received.header, sizeof(received), pair.mine, 0, PATIENCE));
    ASSERT_FILLED(received.ool[0].address, 1 << 20, 1);
    kit_free(received.ool[0].address, 1 << 20);
    parent_hear();
    kit_pair_leave(&pair);
}

TEST(S34_S126_S127_between_tasks)
{
    struct kit_pair pair;
    struct ool_msg message;
    const size_t size = 1 << 20;
    void *memory = kit_allocate(size);
    kit_fill(memory, size, 1);
    kit_pair_start(&pair, "pseudo_idle", "");
    kit_fill_queue(pair.theirs, 5);
    ASSERT_CODE(MACH_SEND_TIMED_OUT, send_ool(pair.theirs, &message, memory, size, 1, true));
    ASSERT_EQ(MACH_MSGH_BITS(17, 0) | MACH_MSGH_BITS_COMPLEX, message.header.msgh_bits);
    ASSERT_EQ(pair.theirs, message.header.msgh_remote_port);
    ASSERT_EQ(2, kit_refs(pair.theirs, MACH_PORT_RIGHT_SEND));
    ASSERT_FILLED(message.ool[0].address, size, 1);
    peer_tell(&pair.peer);
    peer_hear(&pair.peer);
    ASSERT_OK(kit_send(&message.header, MACH_SEND_TIMEOUT, PATIENCE));
    ASSERT_EQ(1, kit_refs(pair.theirs, MACH_PORT_RIGHT_SEND));
    peer_tell(&pair.peer);
    kit_pair_end(&pair);
}
