/* A parent that is the bootstrap of its children: servers/bootstrap_requests.h. */
#include "harness/bootstrap_kit.h"

#include <mach/machool.h>
#include <servers/bootstrap_requests.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

typedef boolean_t demux(mach_msg_header_t *request, mach_msg_header_t *reply);

union message {
    mach_msg_header_t header;
    struct machool_bootstrap_request request;
    struct machool_bootstrap_reply reply;
    char bytes[1024];
};

/* One request is received and answered. */
static void serve_one(mach_port_t port, demux *answer)
{
    union message in, out;
    ASSERT_OK(kit_receive(&in.header, sizeof(in), port, 0, PATIENCE));
    ASSERT(answer(&in.header, &out.header));
    ASSERT_EQ(MACH_PORT_NULL, in.request.port.name);
    ASSERT_OK(kit_send(&out.header, MACH_SEND_TIMEOUT, PATIENCE));
}

/* The test as bootstrap: a port in the special place while children are started, and a thread that
 * serves it until the plain message 99. */
static struct {
    mach_port_t saved;
    mach_port_t port;
    demux *answer;
    unsigned served;
    pthread_t thread;
} here;

static void *serve(void *unused)
{
    for (;;) {
        union message in, out;
        ASSERT_OK(kit_receive(&in.header, sizeof(in), here.port, 0, 2 * PATIENCE));
        if (in.header.msgh_id == 99)
            return unused;
        ASSERT(here.answer(&in.header, &out.header));
        ASSERT_EQ(MACH_PORT_NULL, in.request.port.name);
        ASSERT_OK(kit_send(&out.header, MACH_SEND_TIMEOUT, PATIENCE));
        here.served++;
    }
}

static void be_bootstrap(demux *answer)
{
    ASSERT_OK(task_get_bootstrap_port(mach_task_self(), &here.saved));
    here.port = kit_port();
    here.answer = answer;
    here.served = 0;
    ASSERT_OK(task_set_bootstrap_port(mach_task_self(), here.port));
    if (answer != NULL)
        here.thread = kit_thread(serve, NULL);
}

/* Children that are started from here on have the machine's bootstrap again. */
static void restore(void)
{
    ASSERT_OK(task_set_bootstrap_port(mach_task_self(), here.saved));
}

static void be_none(void)
{
    restore();
    if (here.answer != NULL) {
        kit_send_plain(here.port, 99);
        kit_join(here.thread);
    }
    kit_deallocate(here.saved);
    kit_destroy(here.port);
}

/* ---- looking up ---------------------------------------------------------------------------- */

static mach_port_t own; /* what the filter answers "own" with */

static boolean_t filter(mach_msg_header_t *message, mach_msg_header_t *reply)
{
    struct machool_bootstrap_request *request = machool_bootstrap_request(message);
    if (request != NULL && strcmp(request->name, "own") == 0)
        return machool_bootstrap_answer(request, reply, BOOTSTRAP_SUCCESS, own,
                                        MACH_MSG_TYPE_MAKE_SEND);
    if (request != NULL && strncmp(request->name, "hidden", 6) == 0)
        return machool_bootstrap_answer(request, reply, BOOTSTRAP_NOT_PRIVILEGED, MACH_PORT_NULL,
                                        MACH_MSG_TYPE_COPY_SEND);
    return machool_bootstrap_pass_on(message, reply);
}

PEER(serve_looks_up)
{
    mach_port_t first = MACH_PORT_NULL;
    mach_port_t again = MACH_PORT_NULL;
    ASSERT_OK(bootstrap_look_up(bootstrap_port, "own", &first));
    ASSERT_OK(bootstrap_look_up(bootstrap_port, "own", &again));
    ASSERT_EQ(first, again);
    ASSERT_EQ(2, kit_refs(first, MACH_PORT_RIGHT_SEND));
    kit_send_plain(first, 1);
    ASSERT_CODE(BOOTSTRAP_NOT_PRIVILEGED, kit_look_up_code("hidden"));
    ASSERT_CODE(BOOTSTRAP_UNKNOWN_SERVICE, kit_look_up_code("com.example.machool-test.nobody"));
    mach_port_t service = MACH_PORT_NULL;
    ASSERT_OK(bootstrap_look_up(bootstrap_port, parent_argument(), &service));
    kit_send_plain(service, 2);
    kit_deallocate(service);
    kit_destroy(first);
}

static void interposed(bool forked)
{
    char name[BOOTSTRAP_MAX_NAME_LEN];
    struct peer peer;
    mach_port_t service = kit_port();
    own = kit_receive_right();
    kit_service_name(name, sizeof(name));
    ASSERT_OK(bootstrap_register(bootstrap_port, name, service));
    be_bootstrap(filter);
    if (forked)
        peer_start_forked(&peer, "serve_looks_up", name);
    else
        peer_start(&peer, "serve_looks_up", name);
    restore();
    kit_expect_plain(own, 1);
    kit_expect_plain(service, 2);
    peer_join(&peer);
    be_none();
    ASSERT_EQ(5, here.served);
    kit_destroy(service);
    kit_destroy(own);
}

TEST(serve_look_ups_of_a_forked_child)
{
    interposed(true);
}

TEST(serve_look_ups_of_a_new_program)
{
    interposed(false);
}

/* The grandparent's port is found by going up, and does not know the parent's "own". */
PEER(serve_goes_up)
{
    mach_port_t above = MACH_PORT_NULL;
    mach_port_t top = MACH_PORT_NULL;
    ASSERT_OK(bootstrap_parent(bootstrap_port, &above));
    ASSERT_NE(bootstrap_port, above);
    ASSERT_OK(bootstrap_parent(above, &top));
    ASSERT_EQ(above, top);
    kit_deallocate(above);
    kit_deallocate(top);
}

/* A filter on top of a filter. */
PEER(serve_nested)
{
    struct peer peer;
    own = kit_receive_right();
    be_bootstrap(filter);
    peer_start_forked(&peer, "serve_looks_up", parent_argument());
    kit_expect_plain(own, 1);
    peer_join(&peer);
    if (geteuid() == 0) {
        mach_port_t above = MACH_PORT_NULL;
        peer_start_forked(&peer, "serve_goes_up", "");
        peer_join(&peer);
        ASSERT_OK(bootstrap_parent(here.port, &above)); /* asked of oneself */
        kit_deallocate(above);
    }
    be_none();
    kit_destroy(own);
    ASSERT_CODE(BOOTSTRAP_NOT_PRIVILEGED, kit_look_up_code("hidden"));
}

TEST(serve_filter_on_top_of_a_filter)
{
    char name[BOOTSTRAP_MAX_NAME_LEN];
    struct peer peer;
    mach_port_t service = kit_port();
    own = kit_receive_right();
    kit_service_name(name, sizeof(name));
    ASSERT_OK(bootstrap_register(bootstrap_port, name, service));
    be_bootstrap(filter);
    peer_start(&peer, "serve_nested", name);
    restore();
    kit_expect_plain(service, 2);
    peer_join(&peer);
    be_none();
    ASSERT_EQ(geteuid() == 0 ? 4 : 3, here.served); /* nobody, the service, hidden; parent */
    kit_destroy(service);
    kit_destroy(own);
}

static void *look_up_often(void *name)
{
    for (int i = 0; i < 50; i++)
        ASSERT_OK(kit_look_up_code(name));
    return NULL;
}

PEER(serve_many_threads)
{
    char name[] = "own";
    pthread_t threads[6];
    for (int i = 0; i < 6; i++)
        threads[i] = kit_thread(look_up_often, name);
    for (int i = 0; i < 6; i++)
        kit_join(threads[i]);
}

TEST(serve_many_threads_of_several_children)
{
    struct peer peers[3];
    own = kit_receive_right();
    be_bootstrap(filter);
    for (int i = 0; i < 3; i++)
        peer_start(&peers[i], "serve_many_threads", "");
    for (int i = 0; i < 3; i++)
        peer_join(&peers[i]);
    be_none();
    ASSERT_EQ(3 * 6 * 50, here.served);
    kit_destroy(own);
}

/* ---- publishing ---------------------------------------------------------------------------- */

PEER(serve_registers)
{
    char name[BOOTSTRAP_MAX_NAME_LEN];
    mach_port_t found = MACH_PORT_NULL;
    mach_port_t port = kit_port();
    snprintf(name, sizeof(name), "%s", parent_argument());
    ASSERT_OK(bootstrap_register(bootstrap_port, name, port));
    ASSERT_EQ(1, kit_refs(port, MACH_PORT_RIGHT_SEND));
    ASSERT_CODE(BOOTSTRAP_SERVICE_ACTIVE, bootstrap_register(bootstrap_port, name, port));
    ASSERT_CODE(BOOTSTRAP_SERVICE_ACTIVE, bootstrap_register(bootstrap_port, name, MACH_PORT_NULL));
    ASSERT_CODE(BOOTSTRAP_NOT_PRIVILEGED, bootstrap_register(bootstrap_port, "hidden", port));
    ASSERT_CODE(BOOTSTRAP_NO_MEMORY, bootstrap_register(bootstrap_port, "dead", MACH_PORT_DEAD));
    ASSERT_OK(bootstrap_look_up(bootstrap_port, name, &found));
    ASSERT_EQ(port, found); /* it came home */
    ASSERT_EQ(2, kit_refs(port, MACH_PORT_RIGHT_SEND));
    parent_tell();
    kit_expect_plain(port, 1);
    parent_hear();
    kit_destroy(port);
    parent_tell();
    parent_hear();
}

PEER(serve_registers_late)
{
    char name[BOOTSTRAP_MAX_NAME_LEN];
    mach_port_t port = kit_port();
    snprintf(name, sizeof(name), "%s", parent_argument());
    ASSERT_CODE(BOOTSTRAP_NOT_PRIVILEGED, bootstrap_register(bootstrap_port, name, port));
    ASSERT_CODE(BOOTSTRAP_NOT_PRIVILEGED, bootstrap_check_in(bootstrap_port, name, &port));
    ASSERT_CODE(BOOTSTRAP_NOT_PRIVILEGED, bootstrap_create_service(bootstrap_port, name, &port));
    ASSERT_CODE(KERN_NOT_SUPPORTED, machool_bootstrap_register(name, port, &(uid_t){1}, 1));
    kit_destroy(port);
}

TEST(serve_children_that_register)
{
    char name[BOOTSTRAP_MAX_NAME_LEN];
    struct peer peer, late;
    mach_port_t found = MACH_PORT_NULL;
    kit_service_name(name, sizeof(name));
    be_bootstrap(filter);
    peer_start(&peer, "serve_registers", name);
    peer_hear(&peer);
    peer_start(&late, "serve_registers_late", name);
    peer_join(&late);
    /* The service is the machine's, since the filter passed it on. */
    ASSERT_OK(bootstrap_look_up(bootstrap_port, name, &found));
    kit_send_plain(found, 1);
    peer_tell(&peer);
    peer_hear(&peer);
    kit_wait_unknown(name);
    kit_wait_dead(found);
    kit_destroy(found);
    peer_tell(&peer);
    peer_join(&peer);
    be_none();
}

PEER(serve_checks_in)
{
    char name[BOOTSTRAP_MAX_NAME_LEN];
    char declared[BOOTSTRAP_MAX_NAME_LEN];
    mach_port_t port = MACH_PORT_NULL;
    mach_port_t service = MACH_PORT_NULL;
    mach_port_t again = MACH_PORT_NULL;
    snprintf(name, sizeof(name), "%s", parent_argument());
    snprintf(declared, sizeof(declared), "%s.declared", parent_argument());
    ASSERT_OK(bootstrap_check_in(bootstrap_port, name, &port));
    ASSERT_EQ(MACH_PORT_TYPE_RECEIVE, kit_type(port));
    ASSERT_CODE(BOOTSTRAP_SERVICE_ACTIVE, bootstrap_check_in(bootstrap_port, name, &again));
    ASSERT_OK(bootstrap_create_service(bootstrap_port, declared, &service));
    ASSERT_EQ(MACH_PORT_TYPE_SEND, kit_type(service));
    ASSERT_CODE(BOOTSTRAP_SERVICE_ACTIVE,
                bootstrap_create_service(bootstrap_port, declared, &again));
    parent_tell();
    kit_expect_plain(port, 1);
    ASSERT_OK(bootstrap_check_in(bootstrap_port, declared, &again));
    ASSERT_EQ(service, again);
    kit_expect_plain(again, 2);
    kit_destroy(port);
    kit_destroy(again);
    /* One that is withdrawn before anybody serves it. */
    snprintf(declared, sizeof(declared), "%s.withdrawn", parent_argument());
    ASSERT_OK(bootstrap_create_service(bootstrap_port, declared, &service));
    ASSERT_OK(bootstrap_register(bootstrap_port, declared, MACH_PORT_NULL));
    ASSERT_EQ(MACH_PORT_TYPE_DEAD_NAME, kit_type(service));
    kit_destroy(service);
    kit_wait_unknown(declared);
    parent_tell();
    parent_hear();
}

TEST(serve_children_that_check_in)
{
    char name[BOOTSTRAP_MAX_NAME_LEN];
    char declared[BOOTSTRAP_MAX_NAME_LEN + 16];
    struct peer peer;
    mach_port_t found = MACH_PORT_NULL;
    mach_port_t waiting = MACH_PORT_NULL;
    kit_service_name(name, sizeof(name));
    snprintf(declared, sizeof(declared), "%s.declared", name);
    be_bootstrap(filter);
    peer_start(&peer, "serve_checks_in", name);
    peer_hear(&peer);
    ASSERT_OK(bootstrap_look_up(bootstrap_port, declared, &waiting));
    kit_send_plain(waiting, 2);
    ASSERT_OK(bootstrap_look_up(bootstrap_port, name, &found));
    kit_send_plain(found, 1);
    peer_hear(&peer);
    kit_wait_unknown(name);
    kit_wait_unknown(declared);
    kit_destroy(found);
    kit_destroy(waiting);
    peer_tell(&peer);
    peer_join(&peer);
    be_none();
}

/* ---- all else ------------------------------------------------------------------------------ */

PEER(serve_asks_the_rest)
{
    char command[] = "/bin/false";
    char long_name[200];
    bootstrap_status_t status = -1;
    mach_port_t port = MACH_PORT_NULL;
    ASSERT_OK(bootstrap_status(bootstrap_port, "own", &status));
    ASSERT_EQ(BOOTSTRAP_STATUS_ACTIVE, status);
    ASSERT_CODE(BOOTSTRAP_UNKNOWN_SERVICE,
                bootstrap_status(bootstrap_port, "com.example.machool-test.nobody", &status));
    ASSERT_OK(bootstrap_status(bootstrap_port, parent_argument(), &status));
    ASSERT_EQ(BOOTSTRAP_STATUS_INACTIVE, status);
    ASSERT_OK(bootstrap_unprivileged(bootstrap_port, &port));
    ASSERT_EQ(bootstrap_port, port);
    kit_deallocate(port);
    ASSERT_OK(bootstrap_create_server(bootstrap_port, command, getuid(), FALSE, &port));
    ASSERT_EQ(bootstrap_port, port);
    kit_deallocate(port);
    if (geteuid() == 0) {
        ASSERT_OK(bootstrap_parent(bootstrap_port, &port));
        ASSERT_EQ(bootstrap_port, port); /* the machine's is not to be had by going up */
        kit_deallocate(port);
    }
    memset(long_name, 'x', sizeof(long_name));
    memcpy(long_name, "hidden", 6);
    long_name[199] = '\0';
    ASSERT_CODE(BOOTSTRAP_NOT_PRIVILEGED, kit_look_up_code(long_name));
}

TEST(serve_status_and_contexts)
{
    char name[BOOTSTRAP_MAX_NAME_LEN];
    struct peer peer;
    mach_port_t service = MACH_PORT_NULL;
    kit_service_name(name, sizeof(name));
    ASSERT_OK(bootstrap_create_service(bootstrap_port, name, &service));
    own = kit_receive_right();
    be_bootstrap(filter);
    peer_start(&peer, "serve_asks_the_rest", name);
    peer_join(&peer);
    be_none();
    ASSERT_OK(bootstrap_register(bootstrap_port, name, MACH_PORT_NULL));
    kit_destroy(service);
    kit_destroy(own);
}

static kern_return_t wanted;

static boolean_t refuse(mach_msg_header_t *message, mach_msg_header_t *reply)
{
    struct machool_bootstrap_request *request = machool_bootstrap_request(message);
    ASSERT(request != NULL);
    return machool_bootstrap_answer(request, reply, wanted, MACH_PORT_NULL,
                                    MACH_MSG_TYPE_COPY_SEND);
}

PEER(serve_is_refused)
{
    mach_port_t port = kit_port();
    mach_port_t other = MACH_PORT_NULL;
    bootstrap_status_t status;
    ASSERT_CODE(BOOTSTRAP_NAME_IN_USE, bootstrap_register(bootstrap_port, "a", port));
    ASSERT_CODE(BOOTSTRAP_NAME_IN_USE, bootstrap_check_in(bootstrap_port, "a", &other));
    ASSERT_CODE(BOOTSTRAP_NAME_IN_USE, bootstrap_create_service(bootstrap_port, "a", &other));
    ASSERT_CODE(BOOTSTRAP_NAME_IN_USE, bootstrap_look_up(bootstrap_port, "a", &other));
    ASSERT_CODE(BOOTSTRAP_NAME_IN_USE, bootstrap_status(bootstrap_port, "a", &status));
    ASSERT_CODE(geteuid() == 0 ? BOOTSTRAP_NAME_IN_USE : BOOTSTRAP_NOT_PRIVILEGED,
                bootstrap_parent(bootstrap_port, &other));
    ASSERT_EQ(1, kit_refs(port, MACH_PORT_RIGHT_SEND));
    kit_destroy(port);
}

TEST(serve_refusals_drop_what_came)
{
    struct peer peer;
    wanted = BOOTSTRAP_NAME_IN_USE;
    be_bootstrap(refuse);
    peer_start(&peer, "serve_is_refused", "");
    peer_join(&peer);
    be_none();
}

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
    restore();
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

/* A service that the server has kept: whoever checks in gets its port, with what waits there. */
static boolean_t give_kept(mach_msg_header_t *message, mach_msg_header_t *reply)
{
    struct machool_bootstrap_request *request = machool_bootstrap_request(message);
    ASSERT(request != NULL);
    if (strcmp(request->name, "kept") != 0 || own == MACH_PORT_NULL)
        return machool_bootstrap_answer(request, reply, BOOTSTRAP_SUCCESS, MACH_PORT_NULL,
                                        MACH_MSG_TYPE_COPY_SEND);
    (void)machool_bootstrap_answer(request, reply, BOOTSTRAP_SUCCESS, own,
                                   MACH_MSG_TYPE_MOVE_RECEIVE);
    own = MACH_PORT_NULL;
    return TRUE;
}

TEST(serve_a_port_that_was_kept)
{
    mach_port_t served = MACH_PORT_NULL;
    mach_port_t fresh = MACH_PORT_NULL;
    own = kit_port();
    mach_port_t kept = own;
    kit_send_plain(kept, 80);
    be_bootstrap(give_kept);
    ASSERT_OK(bootstrap_check_in(here.port, "kept", &served)); /* asked of oneself */
    ASSERT_EQ(kept, served);
    ASSERT_EQ(MACH_PORT_TYPE_SEND_RECEIVE, kit_type(served));
    kit_expect_plain(served, 80);
    ASSERT_OK(bootstrap_check_in(here.port, "other", &fresh));
    ASSERT_EQ(MACH_PORT_TYPE_RECEIVE, kit_type(fresh));
    kit_destroy(served);
    kit_destroy(fresh);
    /* Where no receive right belongs, none is taken. */
    own = kit_receive_right();
    ASSERT_CODE(MIG_REPLY_MISMATCH, bootstrap_look_up(here.port, "kept", &fresh));
    ASSERT_EQ(MACH_PORT_NULL, own);
    be_none();
}

/* Without a thread: whoever waits for messages serves between two of its own calls. */
TEST(serve_one_request_at_a_time)
{
    struct peer peer;
    own = kit_receive_right();
    be_bootstrap(NULL);
    peer_start(&peer, "serve_asks_once", "");
    serve_one(here.port, filter);
    kit_expect_plain(own, 6);
    peer_join(&peer);
    be_none();
    kit_destroy(own);
}

PEER(serve_asks_once)
{
    mach_port_t port = MACH_PORT_NULL;
    ASSERT_OK(bootstrap_look_up(bootstrap_port, "own", &port));
    kit_send_plain(port, 6);
    kit_deallocate(port);
}
