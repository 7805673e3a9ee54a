/* SIGKILL at random instants, of tasks that juggle send-once rights: hold them, use them, drop them,
 * send them on to each other and to themselves, one by one and in arrays. For each right that was
 * made there is one message or one notification, never none and never two (S131). */
#include "harness/array_kit.h"

#include <string.h>

enum { ROUNDS = 300, USED = 40, UNUSED = 71, RIGHTS = 3, IN_ARRAY = 20 };

struct rights_msg {
    mach_msg_header_t header;
    mach_msg_body_t body;
    mach_msg_port_descriptor_t port[RIGHTS];
    mach_msg_ool_ports_descriptor_t array;
};
struct rights_rcv {
    struct rights_msg message;
    mach_msg_max_trailer_t trailer;
};
enum { RIGHTS_SIZE = 28 + 12 * RIGHTS + 16 };

/* One message with rights: the reply, some in descriptors, some in an array. What comes back of a
 * message that found no room is dropped (S126). */
static mach_msg_return_t send_rights(mach_port_t to, mach_port_t reply, const mach_port_t *names,
                                     const mach_port_t *array, unsigned count, unsigned disposition)
{
    struct rights_msg message;
    memset(&message, 0, sizeof(message));
    kit_header(&message.header,
               MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, reply ? disposition : 0) |
                   MACH_MSGH_BITS_COMPLEX,
               RIGHTS_SIZE, to, reply, 1);
    message.body.msgh_descriptor_count = RIGHTS + 1;
    for (int i = 0; i < RIGHTS; i++)
        kit_port_descriptor(&message.port[i], names[i], disposition);
    message.array.address = (void *)(uintptr_t)array;
    message.array.count = count;
    message.array.disposition = disposition & 0xff;
    message.array.type = MACH_MSG_OOL_PORTS_DESCRIPTOR;
    mach_msg_return_t result = kit_send(&message.header, MACH_SEND_TIMEOUT, 0);
    if (result == MACH_SEND_TIMED_OUT)
        mach_msg_destroy(&message.header);
    return result;
}

/* A task that does anything with what it gets. */

struct juggler {
    mach_port_t own;  /* its port */
    mach_port_t next; /* another juggler's; may have died */
};

static void drop(mach_port_t name)
{
    if (MACH_PORT_VALID(name))
        kit_deallocate(name);
}

/* In a message of its own; dropped if there is no room, or nobody. */
static void throw_one(mach_port_t to, mach_port_t name)
{
    const mach_port_t names[RIGHTS] = {name};
    mach_msg_return_t result = send_rights(to, MACH_PORT_NULL, names, NULL, 0,
                                           MACH_MSG_TYPE_MOVE_SEND_ONCE);
    if (result == MACH_SEND_INVALID_DEST)
        drop(name);
    else if (result != MACH_SEND_TIMED_OUT)
        ASSERT_OK(result);
}

static void juggle(const struct juggler *juggler, mach_port_t name)
{
    if (!MACH_PORT_VALID(name))
        return;
    switch (kit_random(5)) {
    case 0: {
        mach_msg_return_t result = kit_try_plain(name, MACH_MSG_TYPE_MOVE_SEND_ONCE, USED, 0);
        if (result != MACH_MSG_SUCCESS)
            drop(name);
        break;
    }
    case 1:
        drop(name);
        break;
    case 2:
        throw_one(juggler->own, name);
        break;
    case 3:
        throw_one(juggler->next, name);
        break;
    default: /* kept */
        break;
    }
}

static void catch_and_juggle(const struct juggler *juggler)
{
    struct rights_rcv received;
    ASSERT_OK(
        kit_receive(&received.message.header, sizeof(received), juggler->own, 0, 10 * PATIENCE));
    juggle(juggler, received.message.header.msgh_remote_port);
    for (int i = 0; i < RIGHTS; i++)
        juggle(juggler, received.message.port[i].name);
    const mach_port_t *array = received.message.array.address;
    for (unsigned i = 0; i < received.message.array.count; i++)
        juggle(juggler, array[i]);
    if (received.message.array.count > 0)
        kit_free(array, received.message.array.count * sizeof(*array));
}

PEER(once_juggler)
{
    struct kit_pair pair;
    struct port_rcv first;
    kit_pair_join(&pair);
    kit_set_qlimit(pair.mine, 200);
    ASSERT_OK(kit_receive(&first.header, sizeof(first), pair.mine, 0, PATIENCE));
    const struct juggler juggler = {.own = pair.mine, .next = first.port[0].name};
    parent_tell();
    for (;;)
        catch_and_juggle(&juggler);
}

/* The test: makes rights, gives them away, kills, counts. */

/* Returns how many rights have been made by it. */
static unsigned give(struct kit_pair *to, mach_port_t port, unsigned messages)
{
    mach_port_t names[IN_ARRAY];
    unsigned made = 0;
    for (int i = 0; i < IN_ARRAY; i++)
        names[i] = port;
    for (unsigned i = 0; i < messages; i++) {
        unsigned count = kit_random(IN_ARRAY + 1);
        mach_msg_return_t result = send_rights(to->theirs, port, names, names, count,
                                               MACH_MSG_TYPE_MAKE_SEND_ONCE);
        if (result != MACH_MSG_SUCCESS) {
            ASSERT_CODE(MACH_SEND_INVALID_DEST, result);
            break;
        }
        made += 1 + RIGHTS + count;
    }
    return made;
}

/* Each right has had its one message, and then there is no other. */
static void expect_fates(mach_port_t port, unsigned made)
{
    struct plain_rcv received;
    for (unsigned i = 0; i < made; i++) {
        memset(&received, 0, sizeof(received));
        mach_msg_return_t result = kit_receive(&received.header, sizeof(received), port, 0,
                                               PATIENCE);
        if (result != MACH_MSG_SUCCESS)
            FAIL("%u of %u rights have had a message: 0x%x", i, made, result);
        ASSERT(received.header.msgh_id == USED || received.header.msgh_id == UNUSED);
    }
    kit_expect_nothing(port);
}

static void one_round(bool second_dies_first)
{
    struct kit_pair first;
    struct kit_pair second;
    mach_port_t port = kit_receive_right();
    kit_pair_start(&first, "once_juggler", "");
    kit_pair_start(&second, "once_juggler", "");
    kit_send_right(first.theirs, second.theirs, MACH_MSG_TYPE_COPY_SEND);
    kit_send_right(second.theirs, first.theirs, MACH_MSG_TYPE_COPY_SEND);
    peer_hear(&first.peer);
    peer_hear(&second.peer);
    unsigned made = give(&first, port, 1 + kit_random(3));
    made += give(&second, port, kit_random(3));
    kit_spin(kit_random(2000));
    struct kit_pair *dies = second_dies_first ? &second : &first;
    struct kit_pair *lives = second_dies_first ? &first : &second;
    peer_kill(&dies->peer);
    made += give(lives, port, kit_random(2));
    kit_spin(kit_random(200));
    peer_kill(&lives->peer);
    expect_fates(port, made);
    ASSERT_EQ(0, kit_status(port).mps_sorights);
    kit_pair_drop(&first);
    kit_pair_drop(&second);
    kit_expect_nothing(port);
    kit_destroy(port);
}

TEST_FOR(send_once_rights_outlive_whoever_juggles_them, 180)
{
    for (int round = 0; round < ROUNDS; round++)
        one_round(false);
}

TEST_FOR(send_once_rights_outlive_the_second_juggler, 180)
{
    for (int round = 0; round < ROUNDS; round++)
        one_round(true);
}

/* Nobody reads: the rights die in the queue of a task that is killed. */
PEER(once_sleeper)
{
    struct kit_pair pair;
    kit_pair_join(&pair);
    kit_set_qlimit(pair.mine, 200);
    parent_tell();
    parent_hear();
}

TEST_FOR(send_once_rights_in_a_queue_outlive_its_task, 180)
{
    for (int round = 0; round < ROUNDS; round++) {
        struct kit_pair pair;
        mach_port_t port = kit_receive_right();
        kit_pair_start(&pair, "once_sleeper", "");
        peer_hear(&pair.peer);
        unsigned made = give(&pair, port, kit_random(5));
        kit_spin(kit_random(100));
        peer_kill(&pair.peer);
        expect_fates(port, made);
        kit_pair_drop(&pair);
        kit_destroy(port);
    }
}
