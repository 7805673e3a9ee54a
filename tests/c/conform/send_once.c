/* The promise of a send-once right: exactly one message or one notification, whatever becomes of
 * its holder. Section 5: S125, S129, S131. */
#include "harness/mach_kit.h"

#include <signal.h>
#include <string.h>

static mach_msg_return_t request(mach_port_t service, mach_port_t reply, int id)
{
    struct plain_msg message;
    memset(&message, 0, sizeof(message));
    kit_header(&message.header,
               MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MAKE_SEND_ONCE),
               sizeof(message.header), service, reply, id);
    return kit_send(&message.header, MACH_SEND_TIMEOUT, PATIENCE);
}

TEST(S131_deallocated_in_the_same_task)
{
    mach_port_t port = kit_port();
    for (int i = 0; i < 3; i++) {
        kit_deallocate(kit_send_once(port));
        kit_expect_send_once_notification(port);
    }
    kit_destroy(kit_send_once(port));
    kit_expect_send_once_notification(port);
    ASSERT_EQ(0, kit_status(port).mps_sorights);
    kit_destroy(port);
}

TEST(S131_destroyed_inside_a_message)
{
    mach_port_t service = kit_port();
    mach_port_t reply = kit_receive_right();
    ASSERT_OK(request(service, reply, 1));
    kit_expect_nothing(reply);
    kit_destroy(service); /* with the request in its queue */
    kit_expect_send_once_notification(reply);
    kit_destroy(reply);
}

TEST(S131_destroyed_inside_a_body)
{
    mach_port_t service = kit_port();
    mach_port_t reply = kit_receive_right();
    struct port_msg message;
    kit_header(&message.header, MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0) | MACH_MSGH_BITS_COMPLEX,
               PORT_MSG_SIZE(2), service, MACH_PORT_NULL, 1);
    message.body.msgh_descriptor_count = 2;
    kit_port_descriptor(&message.port[0], reply, MACH_MSG_TYPE_MAKE_SEND_ONCE);
    kit_port_descriptor(&message.port[1], reply, MACH_MSG_TYPE_MAKE_SEND);
    ASSERT_OK(kit_send(&message.header, 0, 0));
    kit_destroy(service);
    kit_expect_send_once_notification(reply);
    ASSERT_EQ(MACH_PORT_TYPE_RECEIVE, kit_type(reply));
    kit_destroy(reply);
}

/* Nothing is made for a port that is dead: nobody could take it. */
TEST(S131_nothing_once_the_port_is_dead)
{
    mach_port_t port = kit_port();
    mach_port_t once = kit_send_once(port);
    kit_destroy(port);
    kit_deallocate(once);
}

/* What a server does with the requests it gets, by its argument. */
PEER(once_server)
{
    struct kit_pair pair;
    struct plain_rcv received;
    kit_pair_join(&pair);
    const char *how = pair.argument;
    for (int i = 0; i < 3; i++) {
        parent_hear();
        if (strncmp(how, "queued", 6) == 0)
            continue;
        ASSERT_OK(kit_receive(&received.header, sizeof(received), pair.mine, 0, PATIENCE));
        mach_port_t reply = received.header.msgh_remote_port;
        ASSERT_EQ(MACH_PORT_TYPE_SEND_ONCE, kit_type(reply));
        if (strcmp(how, "answers") == 0)
            ASSERT_OK(kit_try_plain(reply, MACH_MSG_TYPE_MOVE_SEND_ONCE, 40, 0));
        else if (strcmp(how, "deallocates") == 0)
            kit_deallocate(reply);
        else if (strcmp(how, "destroys-message") == 0)
            mach_msg_destroy(&received.header);
        else if (strcmp(how, "crashes") == 0)
            raise(SIGKILL);
    }
    parent_hear();
    if (strcmp(how, "queued-killed") == 0 || strcmp(how, "holds-killed") == 0)
        raise(SIGKILL);
    if (strcmp(how, "holds-exits") == 0)
        return;
    kit_pair_leave(&pair);
}

struct once {
    struct kit_pair pair;
    mach_port_t reply;
};

static void once_start(struct once *ret_once, const char *how)
{
    kit_pair_start(&ret_once->pair, "once_server", how);
    ret_once->reply = kit_receive_right();
}

static void once_end(struct once *once)
{
    kit_expect_nothing(once->reply);
    kit_pair_drop(&once->pair);
    kit_destroy(once->reply);
}

static void request_three(const char *how, bool answered, bool at_once)
{
    struct once once;
    once_start(&once, how);
    for (int i = 0; i < 3; i++) {
        ASSERT_OK(request(once.pair.theirs, once.reply, 1));
        peer_tell(&once.pair.peer);
        if (!at_once)
            continue;
        if (answered)
            kit_expect_plain(once.reply, 40);
        else
            kit_expect_send_once_notification(once.reply);
    }
    peer_tell(&once.pair.peer);
    (void)peer_reap(&once.pair.peer);
    for (int i = 0; !at_once && i < 3; i++) {
        struct plain_rcv received;
        ASSERT_OK(kit_receive(&received.header, sizeof(received), once.reply, 0, PATIENCE));
        ASSERT_EQ(71, received.header.msgh_id);
        ASSERT_EQ(MACH_MSGH_BITS(0, 18), received.header.msgh_bits);
    }
    once_end(&once);
}

TEST(S131_server_answers)
{
    request_three("answers", true, true);
}

TEST(S131_server_deallocates)
{
    request_three("deallocates", false, true);
}

TEST(S131_server_destroys_the_message)
{
    request_three("destroys-message", false, true);
}

TEST(S131_server_exits_with_the_rights)
{
    request_three("holds-exits", false, false);
}

TEST(S131_server_is_killed_with_the_rights)
{
    request_three("holds-killed", false, false);
}

TEST(S131_server_destroys_its_port_with_requests_queued)
{
    request_three("queued", false, false);
}

TEST(S131_server_is_killed_with_requests_queued)
{
    request_three("queued-killed", false, false);
}

TEST(S131_server_is_killed_at_the_first_request)
{
    struct once once;
    once_start(&once, "crashes");
    ASSERT_OK(request(once.pair.theirs, once.reply, 1));
    peer_tell(&once.pair.peer);
    (void)peer_reap(&once.pair.peer);
    kit_expect_send_once_notification(once.reply);
    once_end(&once);
}

/* A request that waits in one call ends with the notification, not with its time limit. */
TEST(S131_request_in_one_call_to_a_server_that_dies)
{
    struct once once;
    struct plain_rcv message;
    once_start(&once, "crashes");
    memset(&message, 0, sizeof(message));
    kit_header(&message.header,
               MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MAKE_SEND_ONCE),
               sizeof(message.header), once.pair.theirs, once.reply, 1);
    peer_tell(&once.pair.peer);
    uint64_t start = kit_milliseconds();
    ASSERT_OK(mach_msg(&message.header, MACH_SEND_MSG | MACH_RCV_MSG | MACH_RCV_TIMEOUT,
                       sizeof(message.header), sizeof(message), once.reply, PATIENCE,
                       MACH_PORT_NULL));
    ASSERT_EQ(71, message.header.msgh_id);
    ASSERT(kit_milliseconds() - start < 1000);
    (void)peer_reap(&once.pair.peer);
    once_end(&once);
}

/* Passes the rights it gets on to its parent's service, or dies with them in flight. */
PEER(once_passer)
{
    struct kit_pair pair;
    struct plain_rcv received;
    kit_pair_join(&pair);
    for (int i = 0; i < 3; i++) {
        struct plain_msg message;
        ASSERT_OK(kit_receive(&received.header, sizeof(received), pair.mine, 0, PATIENCE));
        memset(&message, 0, sizeof(message));
        kit_header(&message.header,
                   MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MOVE_SEND_ONCE),
                   sizeof(message.header), pair.theirs, received.header.msgh_remote_port, 30);
        ASSERT_OK(kit_send(&message.header, MACH_SEND_TIMEOUT, PATIENCE));
    }
    parent_tell();
    parent_hear();
    if (strcmp(pair.argument, "killed") == 0)
        raise(SIGKILL);
    kit_pair_leave(&pair);
}

/* Rights of this task go through one peer to another, which deallocates, answers or dies. */
static void through_a_passer(const char *passer_end, const char *server, bool answered)
{
    struct once once;
    struct kit_pair passer;
    struct plain_rcv received;
    once_start(&once, server);
    kit_pair_start(&passer, "once_passer", passer_end);
    for (int i = 0; i < 3; i++)
        ASSERT_OK(request(passer.theirs, once.reply, 1));
    peer_hear(&passer.peer);
    peer_tell(&passer.peer);
    (void)peer_reap(&passer.peer);
    for (int i = 0; i < 3; i++) {
        struct plain_msg message;
        ASSERT_OK(kit_receive(&received.header, sizeof(received), passer.mine, 0, PATIENCE));
        ASSERT_EQ(MACH_MSG_TYPE_PORT_SEND_ONCE, MACH_MSGH_BITS_REMOTE(received.header.msgh_bits));
        memset(&message, 0, sizeof(message));
        kit_header(&message.header,
                   MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MOVE_SEND_ONCE),
                   sizeof(message.header), once.pair.theirs, received.header.msgh_remote_port, 31);
        ASSERT_OK(kit_send(&message.header, MACH_SEND_TIMEOUT, PATIENCE));
        peer_tell(&once.pair.peer);
    }
    peer_tell(&once.pair.peer);
    (void)peer_reap(&once.pair.peer);
    for (int i = 0; i < 3; i++) {
        ASSERT_OK(kit_receive(&received.header, sizeof(received), once.reply, 0, PATIENCE));
        ASSERT_EQ(answered ? 40 : 71, received.header.msgh_id);
    }
    once_end(&once);
    kit_pair_drop(&passer);
}

TEST(S131_through_another_task_and_answered)
{
    through_a_passer("leaves", "answers", true);
}

TEST(S131_through_another_task_and_deallocated)
{
    through_a_passer("leaves", "deallocates", false);
}

TEST(S131_through_another_task_and_killed)
{
    through_a_passer("leaves", "holds-killed", false);
}

TEST(S131_passer_is_killed_after_passing)
{
    through_a_passer("killed", "answers", true);
}

/* Not home again: the right goes from this task's port to a second and a third directly. */
PEER(once_relay)
{
    struct kit_pair pair;
    struct port_rcv received;
    kit_pair_join(&pair);
    ASSERT_OK(kit_receive(&received.header, sizeof(received), pair.mine, 0, PATIENCE));
    mach_port_t next = received.port[0].name;
    for (int i = 0; i < 3; i++) {
        struct plain_msg message;
        struct plain_rcv asked;
        ASSERT_OK(kit_receive(&asked.header, sizeof(asked), pair.mine, 0, PATIENCE));
        memset(&message, 0, sizeof(message));
        kit_header(&message.header,
                   MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MOVE_SEND_ONCE),
                   sizeof(message.header), next, asked.header.msgh_remote_port, 30);
        ASSERT_OK(kit_send(&message.header, MACH_SEND_TIMEOUT, PATIENCE));
    }
    parent_tell();
    if (strcmp(pair.argument, "killed") == 0)
        parent_hear();
    kit_deallocate(next);
    kit_pair_leave(&pair);
}

static void through_a_relay(bool kill_relay, const char *server, bool answered)
{
    struct once once;
    struct kit_pair relay;
    struct port_msg introduce;
    once_start(&once, server);
    kit_pair_start(&relay, "once_relay", kill_relay ? "killed" : "leaves");
    kit_port_msg(&introduce, relay.theirs, 1, once.pair.theirs, MACH_MSG_TYPE_COPY_SEND);
    ASSERT_OK(kit_send(&introduce.header, MACH_SEND_TIMEOUT, PATIENCE));
    for (int i = 0; i < 3; i++)
        ASSERT_OK(request(relay.theirs, once.reply, 1));
    peer_hear(&relay.peer);
    if (kill_relay)
        peer_kill(&relay.peer);
    else
        peer_join(&relay.peer);
    for (int i = 0; i < 4; i++)
        peer_tell(&once.pair.peer);
    (void)peer_reap(&once.pair.peer);
    for (int i = 0; i < 3; i++) {
        struct plain_rcv received;
        ASSERT_OK(kit_receive(&received.header, sizeof(received), once.reply, 0, PATIENCE));
        ASSERT_EQ(answered ? 40 : 71, received.header.msgh_id);
    }
    once_end(&once);
    kit_pair_drop(&relay);
}

TEST(S131_relayed_to_a_third_task_and_answered)
{
    through_a_relay(false, "answers", true);
}

TEST(S131_relayed_to_a_third_task_and_deallocated)
{
    through_a_relay(false, "deallocates", false);
}

TEST(S131_relayed_to_a_third_task_that_is_killed)
{
    through_a_relay(false, "holds-killed", false);
}

TEST(S131_relay_is_killed_and_the_third_task_answers)
{
    through_a_relay(true, "answers", true);
}
