/* What becomes of messages nobody will receive: everything in them is let go of, as if it had been
 * received and dropped. Section 5: S125, S131, S134; section 1: S37. */
#include "harness/port_kit.h"

#include <sched.h>
#include <string.h>

enum { NONE_LEFT = 70, REGION = 300000 };

/* A message with one of everything: a reply right, three rights in the body, a region. */
struct everything {
    mach_msg_header_t header;
    mach_msg_body_t body;
    mach_msg_port_descriptor_t port[3];
    mach_msg_ool_descriptor_t ool;
    mach_msg_max_trailer_t trailer;
};
enum { EVERYTHING = 28 + 3 * 12 + 16 };

struct witness {
    mach_port_t reply;  /* a send-once right to it is the reply */
    mach_port_t once;   /* a send-once right to it is in the body */
    mach_port_t sent;   /* its only send right is in the body */
    mach_port_t moved;  /* its receive right is in the body; we hold a send right */
    mach_port_t inside; /* a send-once right to it is in the moved port's queue */
    mach_port_t notify; /* hears that `sent` has no senders */
};

static void witness_new(struct witness *ret_witness)
{
    ret_witness->reply = kit_receive_right();
    ret_witness->once = kit_receive_right();
    ret_witness->sent = kit_port();
    ret_witness->moved = kit_port();
    ret_witness->inside = kit_receive_right();
    ret_witness->notify = kit_receive_right();
    kit_first_request(ret_witness->sent, NONE_LEFT, 0, ret_witness->notify);
    kit_send_right(ret_witness->moved, ret_witness->inside, MACH_MSG_TYPE_MAKE_SEND_ONCE);
}

static mach_msg_return_t send_everything(struct witness *witness, mach_port_t to)
{
    struct everything message;
    void *memory = kit_allocate(REGION);
    kit_fill(memory, REGION, 3);
    memset(&message, 0, sizeof(message));
    kit_header(&message.header,
               MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MAKE_SEND_ONCE) |
                   MACH_MSGH_BITS_COMPLEX,
               EVERYTHING, to, witness->reply, 6);
    message.body.msgh_descriptor_count = 4;
    kit_port_descriptor(&message.port[0], witness->once, MACH_MSG_TYPE_MAKE_SEND_ONCE);
    kit_port_descriptor(&message.port[1], witness->sent, MACH_MSG_TYPE_MOVE_SEND);
    kit_port_descriptor(&message.port[2], witness->moved, MACH_MSG_TYPE_MOVE_RECEIVE);
    kit_ool(&message.ool, memory, REGION, MACH_MSG_VIRTUAL_COPY, true);
    mach_msg_return_t result = kit_send(&message.header, MACH_SEND_TIMEOUT, PATIENCE);
    ASSERT(!kit_is_readable(memory));
    return result;
}

/* It is under way: nobody has heard of anything. */
static void witness_quiet(const struct witness *witness)
{
    kit_stays_quiet(witness->notify);
    kit_expect_nothing(witness->reply);
    kit_expect_nothing(witness->once);
    kit_expect_nothing(witness->inside);
    ASSERT_EQ(MACH_PORT_TYPE_SEND, kit_type(witness->moved));
}

/* It has been destroyed: everybody hears, once. */
static void witness_end(const struct witness *witness)
{
    kit_expect_send_once_notifications(witness->reply, 1);
    kit_expect_send_once_notifications(witness->once, 1);
    ASSERT_EQ(1, kit_expect_notification(witness->notify, NONE_LEFT));
    kit_expect_nothing(witness->notify);
    kit_wait_dead(witness->moved);
    kit_expect_send_once_notifications(witness->inside, 1);
    kit_destroy(witness->reply);
    kit_destroy(witness->once);
    kit_destroy(witness->sent);
    kit_destroy(witness->moved);
    kit_destroy(witness->inside);
    kit_destroy(witness->notify);
}

TEST(S125_port_destroyed)
{
    struct witness witness;
    mach_port_t port = kit_port();
    witness_new(&witness);
    ASSERT_OK(send_everything(&witness, port));
    witness_quiet(&witness);
    kit_destroy(port);
    witness_end(&witness);
}

TEST(S125_several_messages)
{
    enum { COUNT = 5 };
    struct witness witness[COUNT];
    mach_port_t port = kit_port();
    for (int i = 0; i < COUNT; i++) {
        witness_new(&witness[i]);
        ASSERT_OK(send_everything(&witness[i], port));
    }
    ASSERT_OK(mach_port_mod_refs(mach_task_self(), port, MACH_PORT_RIGHT_RECEIVE, -1));
    for (int i = 0; i < COUNT; i++)
        witness_end(&witness[i]);
    kit_destroy(port);
}

/* A message in a queue whose own port is in a message: both go. */
TEST(S125_queue_within_a_queue)
{
    struct witness witness;
    mach_port_t outer = kit_port();
    mach_port_t port = kit_port();
    witness_new(&witness);
    ASSERT_OK(send_everything(&witness, port));
    kit_send_right(outer, port, MACH_MSG_TYPE_MOVE_RECEIVE);
    witness_quiet(&witness);
    kit_destroy(outer);
    witness_end(&witness);
    kit_destroy(port);
}

TEST(S51_too_large)
{
    struct witness witness;
    struct plain_rcv received;
    mach_port_t port = kit_port();
    witness_new(&witness);
    ASSERT_OK(send_everything(&witness, port));
    ASSERT_CODE(MACH_RCV_TOO_LARGE, kit_receive(&received.header, 60, port, 0, 0));
    witness_end(&witness);
    kit_destroy(port);
}

TEST(S62_received_and_destroyed)
{
    struct witness witness;
    struct everything received;
    mach_port_t port = kit_port();
    witness_new(&witness);
    ASSERT_OK(send_everything(&witness, port));
    ASSERT_OK(kit_receive(&received.header, sizeof(received), port, 0, 0));
    ASSERT_FILLED(received.ool.address, REGION, 3);
    mach_msg_destroy(&received.header);
    ASSERT(!kit_is_readable(received.ool.address));
    witness_end(&witness);
    kit_destroy(port);
}

/* The destination dies while the message waits for room: the send succeeds, all of it is gone. */
struct blocked {
    struct witness witness;
    mach_port_t to;
    mach_msg_return_t result;
    struct kit_event done;
};

static void *send_blocked(void *argument)
{
    struct blocked *blocked = argument;
    blocked->result = send_everything(&blocked->witness, blocked->to);
    kit_event_post(&blocked->done);
    return NULL;
}

TEST(S37_S148_destination_dies_while_the_message_waits)
{
    struct blocked blocked = {.to = kit_port(), .done = KIT_EVENT_INIT};
    witness_new(&blocked.witness);
    kit_fill_queue(blocked.to, 5);
    pthread_t thread = kit_thread(send_blocked, &blocked);
    while (kit_type(blocked.witness.sent) == MACH_PORT_TYPE_SEND_RECEIVE)
        sched_yield();
    kit_event_quiet(&blocked.done, 0);
    witness_quiet(&blocked.witness);
    ASSERT_OK(mach_port_mod_refs(mach_task_self(), blocked.to, MACH_PORT_RIGHT_RECEIVE, -1));
    kit_event_wait(&blocked.done, 1);
    kit_join(thread);
    ASSERT_OK(blocked.result);
    witness_end(&blocked.witness);
    kit_destroy(blocked.to);
}

/* The same in another task's queue. */
static void in_another_task(void (*end)(struct agent *, mach_port_t))
{
    struct witness witness[3];
    struct agent owner;
    agent_start(&owner);
    mach_port_t theirs = agent_allocate(&owner);
    mach_port_t port = agent_get(&owner, theirs, MACH_MSG_TYPE_MAKE_SEND);
    for (int i = 0; i < 3; i++) {
        witness_new(&witness[i]);
        ASSERT_OK(send_everything(&witness[i], port));
    }
    for (int i = 0; i < 3; i++)
        witness_quiet(&witness[i]);
    end(&owner, theirs);
    for (int i = 0; i < 3; i++)
        witness_end(&witness[i]);
    agent_forget(&owner);
    kit_wait_dead(port);
    kit_destroy(port);
}

static void by_destroying(struct agent *owner, mach_port_t theirs)
{
    agent_destroy(owner, theirs);
    agent_exit(owner);
}

static void by_exit(struct agent *owner, mach_port_t theirs)
{
    (void)theirs;
    agent_exit(owner);
}

static void by_kill(struct agent *owner, mach_port_t theirs)
{
    (void)theirs;
    agent_kill(owner);
}

static void by_kill_while_stopped(struct agent *owner, mach_port_t theirs)
{
    (void)theirs;
    agent_stop(owner);
    agent_kill(owner);
}

TEST(S125_owner_destroys_the_port)
{
    in_another_task(by_destroying);
}

TEST(S125_owner_exits)
{
    in_another_task(by_exit);
}

TEST(S125_owner_is_killed)
{
    in_another_task(by_kill);
}

TEST(S125_owner_is_killed_while_it_does_not_run)
{
    in_another_task(by_kill_while_stopped);
}
