/* A parent that is the bootstrap of its children and does not answer, or not what was asked; requests
 * that are none. */
#include "serve_kit.h"

#include <string.h>

static mach_port_t own; /* what the wrong answers hold */

/* ---- servers that do not answer ------------------------------------------------------------- */

PEER(serve_waits)
{
    mach_port_t port = MACH_PORT_NULL;
    int code = MIG_SERVER_DIED;
    if (strcmp(parent_argument(), "slow") == 0)
        code = KERN_OPERATION_TIMED_OUT;
    uint64_t start = kit_milliseconds();
    parent_tell();
    ASSERT_CODE(code, bootstrap_look_up(bootstrap_port, "anything", &port));
    uint64_t waited = kit_milliseconds() - start;
    ASSERT(code == MIG_SERVER_DIED ? waited < MACHOOL_BOOTSTRAP_PATIENCE
                                   : waited >= MACHOOL_BOOTSTRAP_PATIENCE);
    parent_tell();
}

TEST(serve_request_that_is_dropped)
{
    struct peer peer;
    union message in;
    be_bootstrap(NULL);
    peer_start(&peer, "serve_waits", "");
    ASSERT_OK(kit_receive(&in.header, sizeof(in), here.port, 0, PATIENCE));
    mach_msg_destroy(&in.header);
    peer_join(&peer);
    be_none();
}

/* Serves nothing: it is to be killed. */
PEER(serve_mute)
{
    struct kit_pair pair;
    kit_pair_join(&pair);
    parent_hear();
}

TEST(serve_server_that_is_killed)
{
    struct kit_pair pair;
    struct peer peer;
    kit_pair_start(&pair, "serve_mute", "");
    ASSERT_OK(task_get_bootstrap_port(mach_task_self(), &here.saved));
    ASSERT_OK(task_set_bootstrap_port(mach_task_self(), pair.theirs));
    peer_start(&peer, "serve_waits", "");
    restore_bootstrap();
    peer_hear(&peer);
    uint64_t moment = kit_milliseconds() +
                      A_MOMENT; /* it is waiting by now, or else sends too late */
    while (kit_milliseconds() < moment)
        ASSERT_CODE(BOOTSTRAP_UNKNOWN_SERVICE, kit_look_up_code("com.example.machool-test.nobody"));
    peer_kill(&pair.peer);
    peer_join(&peer);
    kit_pair_drop(&pair);
    kit_deallocate(here.saved);
}

TEST_FOR(serve_server_that_does_not_answer, 40)
{
    struct peer peer;
    union message in;
    be_bootstrap(NULL);
    peer_start(&peer, "serve_waits", "slow");
    ASSERT_OK(kit_receive(&in.header, sizeof(in), here.port, 0, PATIENCE));
    peer_hear(&peer);
    peer_hear(&peer); /* gave up; the answer leads nowhere */
    union message out;
    ASSERT(machool_bootstrap_pass_on(&in.header, &out.header));
    mach_msg_return_t result = kit_send(&out.header, MACH_SEND_TIMEOUT, 0);
    if (result == MACH_SEND_INVALID_DEST)
        mach_msg_destroy(&out.header);
    else
        ASSERT_OK(result);
    peer_join(&peer);
    be_none();
}

/* ---- messages that are not what they should be ------------------------------------------------ */

static void fill(struct machool_bootstrap_request *request)
{
    memset(request, 0, sizeof(*request));
    kit_header(&request->header,
               MACH_MSGH_BITS(MACH_MSG_TYPE_PORT_SEND_ONCE, 0) | MACH_MSGH_BITS_COMPLEX,
               sizeof(*request), MACH_PORT_NULL, MACH_PORT_NULL, MACHOOL_BOOTSTRAP_LOOK_UP);
    request->body.msgh_descriptor_count = 1;
    request->port.type = MACH_MSG_PORT_DESCRIPTOR;
    request->port.disposition = MACH_MSG_TYPE_PORT_SEND;
}

TEST(serve_malformed_requests_are_none)
{
    struct machool_bootstrap_request request;
    struct machool_bootstrap_reply reply;
    fill(&request);
    ASSERT_EQ(&request, machool_bootstrap_request(&request.header));
    request.header.msgh_id = MACHOOL_BOOTSTRAP_LOOK_UP - 1;
    ASSERT(!machool_bootstrap_pass_on(&request.header, &reply.header));
    request.header.msgh_id = MACHOOL_BOOTSTRAP_PARENT + 1;
    ASSERT(!machool_bootstrap_pass_on(&request.header, &reply.header));
    fill(&request);
    request.header.msgh_size -= 4;
    ASSERT(!machool_bootstrap_pass_on(&request.header, &reply.header));
    fill(&request);
    request.header.msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_PORT_SEND_ONCE, 0);
    ASSERT(!machool_bootstrap_pass_on(&request.header, &reply.header));
    fill(&request);
    request.body.msgh_descriptor_count = 2;
    ASSERT(!machool_bootstrap_pass_on(&request.header, &reply.header));
    fill(&request);
    request.port.type = MACH_MSG_OOL_DESCRIPTOR;
    ASSERT(!machool_bootstrap_pass_on(&request.header, &reply.header));
    fill(&request);
    request.port.disposition = MACH_MSG_TYPE_PORT_SEND_ONCE;
    ASSERT(!machool_bootstrap_pass_on(&request.header, &reply.header));
    fill(&request);
    memset(request.name, 'x', sizeof(request.name));
    ASSERT(!machool_bootstrap_pass_on(&request.header, &reply.header));
}

/* A reply that is none of what was asked: of another kind, too short, with rights. */
static boolean_t answer_wrongly(mach_msg_header_t *message, mach_msg_header_t *reply)
{
    struct machool_bootstrap_request *request = machool_bootstrap_request(message);
    ASSERT(request != NULL);
    (void)machool_bootstrap_answer(request, reply, BOOTSTRAP_SUCCESS, own, MACH_MSG_TYPE_MAKE_SEND);
    if (strcmp(request->name, "other") == 0)
        reply->msgh_id++;
    if (strcmp(request->name, "short") == 0)
        reply->msgh_size -= 4;
    if (strcmp(request->name, "once") == 0)
        ((struct machool_bootstrap_reply *)reply)->port.disposition = MACH_MSG_TYPE_MAKE_SEND_ONCE;
    return TRUE;
}

PEER(serve_hears_nonsense)
{
    mach_port_t port = MACH_PORT_NULL;
    ASSERT_CODE(MIG_REPLY_MISMATCH, bootstrap_look_up(bootstrap_port, "other", &port));
    ASSERT_CODE(MIG_REPLY_MISMATCH, bootstrap_look_up(bootstrap_port, "short", &port));
    ASSERT_CODE(MIG_REPLY_MISMATCH, bootstrap_look_up(bootstrap_port, "once", &port));
    mach_port_name_array_t names;
    mach_port_type_array_t types;
    mach_msg_type_number_t count, type_count;
    ASSERT_OK(mach_port_names(mach_task_self(), &names, &count, &types, &type_count));
    ASSERT_EQ(3, count); /* task, host, bootstrap: what came is gone again */
    kit_free(names, count * sizeof(*names));
    kit_free(types, type_count * sizeof(*types));
}

TEST(serve_replies_that_are_none)
{
    struct peer peer;
    own = kit_receive_right();
    be_bootstrap(answer_wrongly);
    peer_start(&peer, "serve_hears_nonsense", "");
    peer_join(&peer);
    be_none();
    kit_expect_send_once_notification(own);
    kit_destroy(own);
}
