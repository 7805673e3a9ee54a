/* SIGKILL at random instants, of a server, a client, a middleman. The survivor hears of every
 * request exactly once, and its descriptors, mappings and names come back to what they were. */
#include "harness/mach_kit.h"

#include <signal.h>
#include <string.h>

enum { ROUNDS = 120, DIED = 71 };

static const size_t sizes[] = {0, 100, 5000, 70000, 300001, 1 << 20};

static size_t random_size(void)
{
    return sizes[kit_random(sizeof(sizes) / sizeof(sizes[0]))];
}

/* A message with one region, which it takes along. */
static mach_msg_return_t send_region(mach_port_t to, unsigned to_type, mach_port_t reply,
                                     unsigned reply_type, size_t size, unsigned seed)
{
    struct ool_msg message;
    void *memory = kit_allocate(size);
    kit_fill(memory, size, seed);
    bool deallocate = kit_random(2) != 0;
    kit_header(&message.header, MACH_MSGH_BITS(to_type, reply_type) | MACH_MSGH_BITS_COMPLEX,
               OOL_MSG_SIZE(1), to, reply, (mach_msg_id_t)seed);
    message.body.msgh_descriptor_count = 1;
    kit_ool(&message.ool[0], memory, size, 1, deallocate);
    mach_msg_return_t result = kit_send(&message.header, MACH_SEND_TIMEOUT, PATIENCE);
    if (!deallocate || result != MACH_MSG_SUCCESS)
        kit_free(memory, size);
    return result;
}

static void check_region(const struct ool_rcv *received)
{
    ASSERT_EQ(1, received->body.msgh_descriptor_count);
    ASSERT_FILLED(received->ool[0].address, received->ool[0].size,
                  (unsigned)received->header.msgh_id);
    kit_free(received->ool[0].address, received->ool[0].size);
}

/* Answers one request. False: the client has gone. */
static bool answer(struct ool_rcv *request)
{
    mach_port_t reply = request->header.msgh_remote_port;
    check_region(request);
    if (reply == MACH_PORT_DEAD)
        return false;
    mach_msg_return_t result = send_region(reply, MACH_MSG_TYPE_MOVE_SEND_ONCE, MACH_PORT_NULL, 0,
                                           random_size(), (unsigned)request->header.msgh_id + 1);
    if (result == MACH_MSG_SUCCESS)
        return true;
    ASSERT_CODE(MACH_SEND_INVALID_DEST, result);
    kit_deallocate(reply); /* a dead name */
    return false;
}

PEER(kill_server)
{
    struct kit_pair pair;
    kit_pair_join(&pair);
    for (;;) {
        struct ool_rcv request;
        ASSERT_OK(kit_receive(&request.header, sizeof(request), pair.mine, 0, PATIENCE));
        (void)answer(&request);
    }
}

struct client {
    struct kit_pair *pair;
    mach_port_t reply;
    struct kit_event answered;
};

/* Asks until the server is found dead. Every request has one answer or one notification. */
static void *ask_until_dead(void *argument)
{
    struct client *client = argument;
    for (unsigned seed = 1000;; seed++) {
        struct ool_rcv reply;
        mach_msg_return_t result = send_region(client->pair->theirs, MACH_MSG_TYPE_COPY_SEND,
                                               client->reply, MACH_MSG_TYPE_MAKE_SEND_ONCE,
                                               random_size(), seed);
        if (result == MACH_SEND_INVALID_DEST)
            return NULL;
        ASSERT_OK(result);
        ASSERT_OK(kit_receive(&reply.header, sizeof(reply), client->reply, 0, PATIENCE));
        if (reply.header.msgh_id == DIED)
            return NULL;
        ASSERT_EQ(seed + 1, reply.header.msgh_id);
        check_region(&reply);
        kit_event_post(&client->answered);
    }
}

TEST_FOR(server_is_killed_at_random_instants, 120)
{
    for (int round = 0; round < ROUNDS; round++) {
        struct kit_pair pair;
        struct client client = {.pair = &pair, .answered = KIT_EVENT_INIT};
        kit_pair_start(&pair, "kill_server", "");
        client.reply = kit_receive_right();
        pthread_t thread = kit_thread(ask_until_dead, &client);
        kit_event_wait(&client.answered, kit_random(8));
        kit_spin(kit_random(300));
        peer_kill(&pair.peer);
        kit_join(thread);
        kit_expect_nothing(client.reply);
        kit_destroy(client.reply);
        kit_pair_drop(&pair);
    }
}

/* The same through one call that sends and waits: it never hangs. */
TEST_FOR(server_is_killed_during_a_call, 120)
{
    for (int round = 0; round < ROUNDS; round++) {
        struct kit_pair pair;
        mach_port_t reply = kit_receive_right();
        kit_pair_start(&pair, "kill_server", "");
        struct ool_rcv message;
        kit_header(&message.header,
                   MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MAKE_SEND_ONCE) |
                       MACH_MSGH_BITS_COMPLEX,
                   OOL_MSG_SIZE(1), pair.theirs, reply, 5);
        message.body.msgh_descriptor_count = 1;
        kit_ool(&message.ool[0], NULL, 0, 1, false);
        kill(pair.peer.pid, SIGKILL);
        mach_msg_return_t result = mach_msg(
            &message.header, MACH_SEND_MSG | MACH_RCV_MSG | MACH_RCV_TIMEOUT, OOL_MSG_SIZE(1),
            sizeof(message), reply, PATIENCE, MACH_PORT_NULL);
        if (result == MACH_MSG_SUCCESS && message.header.msgh_id != DIED)
            check_region(&message);
        else if (result != MACH_MSG_SUCCESS)
            ASSERT_CODE(MACH_SEND_INVALID_DEST, result);
        (void)peer_reap(&pair.peer);
        kit_expect_nothing(reply);
        kit_destroy(reply);
        kit_pair_drop(&pair);
    }
}

static void *ask_for_ever(void *argument)
{
    struct kit_pair *pair = argument;
    struct client client = {.pair = pair, .answered = KIT_EVENT_INIT};
    client.reply = kit_receive_right();
    return ask_until_dead(&client);
}

PEER(kill_client)
{
    struct kit_pair pair;
    kit_pair_join(&pair);
    pthread_t other = kit_thread(ask_for_ever, &pair);
    (void)ask_for_ever(&pair);
    kit_join(other);
}

TEST_FOR(client_is_killed_at_random_instants, 120)
{
    for (int round = 0; round < ROUNDS; round++) {
        struct kit_pair pair;
        struct ool_rcv request;
        kit_pair_start(&pair, "kill_client", "");
        for (unsigned left = kit_random(12); left > 0; left--) {
            ASSERT_OK(kit_receive(&request.header, sizeof(request), pair.mine, 0, PATIENCE));
            ASSERT(answer(&request));
        }
        kit_spin(kit_random(300));
        peer_kill(&pair.peer);
        /* What it had sent is still served. */
        while (kit_receive(&request.header, sizeof(request), pair.mine, 0, 0) == MACH_MSG_SUCCESS)
            (void)answer(&request);
        kit_pair_drop(&pair);
    }
}

/* A producer that ends while its regions are queued: they all arrive. */
PEER(kill_producer)
{
    struct kit_pair pair;
    kit_pair_join(&pair);
    parent_hear();
    for (unsigned seed = 1; seed <= 40; seed++) {
        ASSERT_OK(send_region(pair.theirs, MACH_MSG_TYPE_COPY_SEND, MACH_PORT_NULL, 0,
                              random_size(), seed));
        parent_tell();
    }
    for (;;)
        parent_hear();
}

TEST_FOR(producer_is_killed_at_random_instants, 120)
{
    for (int round = 0; round < ROUNDS; round++) {
        struct kit_pair pair;
        unsigned told = kit_random(41);
        kit_pair_start(&pair, "kill_producer", "");
        kit_set_qlimit(pair.mine, 1024);
        peer_tell(&pair.peer);
        struct ool_rcv received;
        unsigned taken = 0;
        for (unsigned i = 0; i < told; i++) {
            peer_hear(&pair.peer);
            if (kit_random(3) == 0) {
                ASSERT_OK(kit_receive(&received.header, sizeof(received), pair.mine, 0, PATIENCE));
                ASSERT_EQ(++taken, received.header.msgh_id);
                check_region(&received);
            }
        }
        kit_spin(kit_random(100));
        peer_kill(&pair.peer);
        while (kit_receive(&received.header, sizeof(received), pair.mine, 0, 0) ==
               MACH_MSG_SUCCESS) {
            ASSERT_EQ(++taken, received.header.msgh_id);
            check_region(&received);
        }
        ASSERT(taken >= told); /* what it had said it sent */
        kit_pair_drop(&pair);
    }
}

/* Passes every reply right it gets on to the port it was given first. */
PEER(kill_relay)
{
    struct kit_pair pair;
    struct port_rcv introduction;
    kit_pair_join(&pair);
    ASSERT_OK(kit_receive(&introduction.header, sizeof(introduction), pair.mine, 0, PATIENCE));
    for (;;) {
        struct plain_rcv request;
        ASSERT_OK(kit_receive(&request.header, sizeof(request), pair.mine, 0, PATIENCE));
        mach_port_t reply = request.header.msgh_remote_port;
        mach_msg_return_t result = send_region(introduction.port[0].name, MACH_MSG_TYPE_COPY_SEND,
                                               reply, MACH_MSG_TYPE_MOVE_SEND_ONCE, 100,
                                               (unsigned)request.header.msgh_id);
        if (result != MACH_MSG_SUCCESS) {
            ASSERT_CODE(MACH_SEND_INVALID_DEST, result);
            if (reply != MACH_PORT_DEAD)
                kit_deallocate(reply); /* the answer is a notification */
        }
    }
}

static void introduce(struct kit_pair *relay, struct kit_pair *server)
{
    struct port_msg message;
    kit_port_msg(&message, relay->theirs, 1, server->theirs, MACH_MSG_TYPE_COPY_SEND);
    ASSERT_OK(kit_send(&message.header, MACH_SEND_TIMEOUT, PATIENCE));
}

/* Requests go out with send-once rights to one port. Returns how many could be sent. */
static unsigned request_some(struct kit_pair *relay, mach_port_t reply, unsigned count)
{
    unsigned sent = 0;
    for (unsigned i = 0; i < count; i++) {
        struct plain_msg message;
        memset(&message, 0, sizeof(message));
        kit_header(&message.header,
                   MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MAKE_SEND_ONCE),
                   sizeof(message.header), relay->theirs, reply, (mach_msg_id_t)i + 1000);
        mach_msg_return_t result = kit_send(&message.header, MACH_SEND_TIMEOUT, PATIENCE);
        if (result == MACH_SEND_INVALID_DEST)
            break;
        ASSERT_OK(result);
        sent++;
    }
    return sent;
}

/* One fate for each right: an answer or a notification, whoever of the two is killed. */
static void relay_round(bool kill_relay)
{
    struct kit_pair relay;
    struct kit_pair server;
    mach_port_t reply = kit_receive_right();
    kit_pair_start(&relay, "kill_relay", "");
    kit_pair_start(&server, "kill_server", "");
    introduce(&relay, &server);
    unsigned sent = request_some(&relay, reply, kit_random(6));
    kit_spin(kit_random(400));
    peer_kill(kill_relay ? &relay.peer : &server.peer);
    sent += request_some(&relay, reply, kit_random(4));
    for (unsigned i = 0; i < sent; i++) {
        struct ool_rcv received;
        ASSERT_OK(kit_receive(&received.header, sizeof(received), reply, 0, PATIENCE));
        if (received.header.msgh_id != DIED)
            check_region(&received);
    }
    kit_expect_nothing(reply);
    peer_kill(kill_relay ? &server.peer : &relay.peer);
    kit_pair_drop(&relay);
    kit_pair_drop(&server);
    kit_expect_nothing(reply);
    kit_destroy(reply);
}

TEST_FOR(relay_is_killed_at_random_instants, 120)
{
    for (int round = 0; round < ROUNDS; round++)
        relay_round(true);
}

TEST_FOR(third_task_is_killed_at_random_instants, 120)
{
    for (int round = 0; round < ROUNDS; round++)
        relay_round(false);
}
