/* mach_msg_server and its kin: requests answered by a function. Sections 4 and 6 have the facts of
 * what is sent and received; of these calls there are none, so the names begin without a number. */
#include "harness/mach_kit.h"

#include <mach/mig.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { FINE = 1, SILENT, FAILS, LARGE, STOP, UNKNOWN, LEAVE, CLIENTS = 3, ROUNDS = 50 };

struct request {
    mach_msg_header_t header;
    mach_msg_body_t body;
    mach_msg_port_descriptor_t port;
};

union reply {
    mig_reply_error_t reply;
    struct plain_rcv room;
};

static mach_port_t stopped; /* the port whose receive right STOP takes away, or the last LEAVE */
static int left, seen;

/* Answers in MIG's way: the code says what became of the request. */
static boolean_t answer(mach_msg_header_t *request, mach_msg_header_t *header)
{
    mig_reply_error_t *reply = (mig_reply_error_t *)header;
    header->msgh_bits = MACH_MSGH_BITS(MACH_MSGH_BITS_REMOTE(request->msgh_bits), 0);
    header->msgh_size = sizeof *reply;
    header->msgh_remote_port = request->msgh_remote_port;
    header->msgh_local_port = MACH_PORT_NULL;
    header->msgh_id = request->msgh_id + 100;
    reply->NDR = NDR_record;
    reply->RetCode = KERN_SUCCESS;
    seen++;
    if (request->msgh_id == UNKNOWN) {
        reply->RetCode = MIG_BAD_ID;
        return FALSE;
    }
    if (request->msgh_id == SILENT)
        reply->RetCode = MIG_NO_REPLY;
    else if (request->msgh_id == FAILS)
        reply->RetCode = MIG_BAD_ARGUMENTS;
    else if (request->msgh_id == STOP || (request->msgh_id == LEAVE && ++left == CLIENTS))
        ASSERT_OK(mach_port_mod_refs(mach_task_self(), stopped, MACH_PORT_RIGHT_RECEIVE, -1));
    return TRUE;
}

static void ask(mach_port_t server, mach_port_t reply, unsigned disposition, int id)
{
    struct plain_msg message = {.text = "please"};
    kit_header(&message.header, MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, disposition),
               sizeof message, server, reply, id);
    ASSERT_OK(mach_msg_send(&message.header));
}

static void expect_code(mach_port_t port, int id, kern_return_t code)
{
    union reply received;
    ASSERT_OK(kit_receive(&received.room.header, sizeof received, port, 0, PATIENCE));
    ASSERT_EQ(id, received.room.header.msgh_id);
    ASSERT_CODE(code, received.reply.RetCode);
}

TEST(server_once_answers_one_request)
{
    mach_port_t server = kit_port(), mine = kit_receive_right();
    ask(server, mine, MACH_MSG_TYPE_MAKE_SEND_ONCE, FINE);
    ask(server, mine, MACH_MSG_TYPE_MAKE_SEND_ONCE, FAILS);
    ASSERT_OK(mach_msg_server_once(answer, sizeof(struct plain_msg), server, 0));
    expect_code(mine, FINE + 100, KERN_SUCCESS);
    kit_expect_nothing(mine);
    ASSERT_OK(mach_msg_server_once(answer, sizeof(struct plain_msg), server, 0));
    expect_code(mine, FAILS + 100, MIG_BAD_ARGUMENTS);
    kit_destroy(server);
    kit_destroy(mine);
}

TEST(server_says_nothing_when_told_so)
{
    mach_port_t server = kit_port(), mine = kit_receive_right();
    ask(server, MACH_PORT_NULL, 0, FINE); /* nobody to answer */
    ASSERT_OK(mach_msg_server_once(answer, sizeof(struct plain_msg), server, 0));
    ask(server, mine, MACH_MSG_TYPE_MAKE_SEND, SILENT);
    ASSERT_OK(mach_msg_server_once(answer, sizeof(struct plain_msg), server, 0));
    kit_expect_nothing(mine);
    ASSERT_EQ(1,
              kit_refs(mine, MACH_PORT_RIGHT_SEND)); /* the reply right is the server's to keep */
    kit_destroy(server);
    kit_destroy(mine);
}

TEST(server_destroys_what_a_failed_request_brought)
{
    mach_port_t server = kit_port(), mine = kit_receive_right(), sent = kit_receive_right();
    struct request message;
    for (int id = FINE; id <= FAILS; id += FAILS - FINE) {
        kit_header(&message.header,
                   MACH_MSGH_BITS_SET(MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MAKE_SEND_ONCE, 0,
                                      MACH_MSGH_BITS_COMPLEX),
                   sizeof message, server, mine, id);
        message.body.msgh_descriptor_count = 1;
        kit_port_descriptor(&message.port, sent, MACH_MSG_TYPE_MAKE_SEND);
        ASSERT_OK(mach_msg_send(&message.header));
        ASSERT_OK(mach_msg_server_once(answer, sizeof message, server, 0));
        expect_code(mine, id + 100, id == FINE ? KERN_SUCCESS : MIG_BAD_ARGUMENTS);
        ASSERT_EQ(1,
                  kit_refs(sent, MACH_PORT_RIGHT_SEND)); /* kept of the first, not of the other */
    }
    kit_destroy(server);
    kit_destroy(mine);
    kit_destroy(sent);
}

TEST(server_grows_for_a_large_request)
{
    static struct {
        mach_msg_header_t header;
        char text[100000];
    } message;
    mach_port_t server = kit_port(), mine = kit_receive_right();
    kit_header(&message.header,
               MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MAKE_SEND_ONCE),
               sizeof message, server, mine, LARGE);
    ASSERT_OK(mach_msg_send(&message.header));
    ASSERT_OK(mach_msg_server_once(answer, 64, server, MACH_RCV_LARGE));
    expect_code(mine, LARGE + 100, KERN_SUCCESS);
    ASSERT_OK(mach_msg_send(&message.header));
    ASSERT_CODE(MACH_RCV_TOO_LARGE, mach_msg_server_once(answer, 64, server, 0));
    kit_expect_send_once_notification(mine); /* the request was lost, and its reply right with it */
    kit_destroy(server);
    kit_destroy(mine);
}

TEST(server_survives_clients_that_do_not_listen)
{
    mach_port_t server = kit_port(), gone = kit_receive_right(), full = kit_port();
    ask(server, gone, MACH_MSG_TYPE_MAKE_SEND, FINE);
    kit_destroy(gone);
    ASSERT_OK(mach_msg_server_once(answer, sizeof(struct plain_msg), server, 0));
    kit_fill_queue(full, 5);
    ask(server, full, MACH_MSG_TYPE_MAKE_SEND, FINE);
    ASSERT_OK(mach_msg_server_once(answer, sizeof(struct plain_msg), server, 0));
    ASSERT_EQ(5, kit_status(full).mps_msgcount);
#ifndef __APPLE__ /* libSystem leaves it with the caller, who knows nothing of it */
    ASSERT_EQ(1, kit_refs(full, MACH_PORT_RIGHT_SEND)); /* the answer's right went with it */
#endif
    kit_destroy(server);
    kit_destroy(full);
}

typedef mach_msg_return_t loop(boolean_t (*)(mach_msg_header_t *, mach_msg_header_t *),
                               mach_msg_size_t, mach_port_t, mach_msg_options_t);

static void goes_on_until_a_call_fails(loop *serve)
{
    mach_port_t server = kit_port(), mine = kit_receive_right();
    stopped = server;
    for (int i = 0; i < 4; i++)
        ask(server, mine, MACH_MSG_TYPE_MAKE_SEND_ONCE, FINE);
    ask(server, mine, MACH_MSG_TYPE_MAKE_SEND_ONCE, STOP);
    ASSERT_CODE(MACH_RCV_INVALID_NAME, serve(answer, sizeof(struct plain_msg), server, 0));
    for (int i = 0; i < 4; i++)
        expect_code(mine, FINE + 100, KERN_SUCCESS);
    expect_code(mine, STOP + 100, KERN_SUCCESS);
    kit_destroy(server);
    kit_destroy(mine);
}

TEST(server_goes_on_until_a_call_fails)
{
    goes_on_until_a_call_fails(mach_msg_server);
}

TEST(server_importance_goes_on_until_a_call_fails)
{
    goes_on_until_a_call_fails(mach_msg_server_importance);
}

PEER(server_client)
{
    mach_port_t server = MACH_PORT_NULL, mine = kit_receive_right();
    ASSERT_OK(bootstrap_look_up(bootstrap_port, parent_argument(), &server));
    for (int i = 0; i < ROUNDS; i++) {
        ask(server, mine, MACH_MSG_TYPE_MAKE_SEND_ONCE, FINE);
        expect_code(mine, FINE + 100, KERN_SUCCESS);
    }
    ask(server, mine, MACH_MSG_TYPE_MAKE_SEND_ONCE,
        UNKNOWN); /* FALSE is no reason to say nothing */
    expect_code(mine, UNKNOWN + 100, MIG_BAD_ID);
    ask(server, MACH_PORT_NULL, 0, SILENT);
    ask(server, mine, MACH_MSG_TYPE_MAKE_SEND_ONCE, LEAVE);
    expect_code(mine, LEAVE + 100, KERN_SUCCESS);
    kit_deallocate(server);
    kit_destroy(mine);
}

PEER(server_client_that_ends)
{
    mach_port_t server = MACH_PORT_NULL, mine = kit_receive_right();
    ASSERT_OK(bootstrap_look_up(bootstrap_port, parent_argument(), &server));
    ask(server, mine, MACH_MSG_TYPE_MAKE_SEND_ONCE, FINE);
    ask(server, mine, MACH_MSG_TYPE_MAKE_SEND, FAILS);
    parent_tell();
    parent_hear(); /* killed here */
}

TEST(server_of_several_clients_one_of_which_is_killed)
{
    char name[64];
    (void)snprintf(name, sizeof name, "com.example.test.server.%d", (int)getpid());
    mach_port_t server = stopped = kit_port();
    ASSERT_OK(bootstrap_register(bootstrap_port, name, server));
    struct peer killed, clients[CLIENTS];
    peer_start(&killed, "server_client_that_ends", name);
    peer_hear(&killed);
    peer_kill(&killed); /* its requests are queued, its reply port is gone */
    for (int i = 0; i < CLIENTS; i++)
        peer_start(&clients[i], "server_client", name);
    ASSERT_CODE(MACH_RCV_INVALID_NAME,
                mach_msg_server(answer, sizeof(struct plain_msg), server, 0));
    for (int i = 0; i < CLIENTS; i++)
        peer_join(&clients[i]);
    ASSERT_EQ(2 + CLIENTS * (ROUNDS + 3), seen);
    kit_destroy(server);
}

TEST(msg_receive_takes_size_and_port_from_the_header)
{
    mach_port_t port = kit_port();
    struct plain_rcv received;
    kit_send_plain(port, 9);
    kit_header(&received.header, 0, sizeof received, MACH_PORT_NULL, port, 0);
    ASSERT_OK(mach_msg_receive(&received.header));
    ASSERT_EQ(9, received.header.msgh_id);
    kit_destroy(port);
}
