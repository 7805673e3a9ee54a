/* A parent that is the bootstrap of its children: servers/bootstrap_requests.h. */
#include "serve_kit.h"

#include <mach/machool.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

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
    restore_bootstrap();
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
    restore_bootstrap();
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

/* Without a thread: whoever waits for messages serves between two of its own calls. */
TEST(serve_one_request_at_a_time)
{
    struct peer peer;
    own = kit_receive_right();
    be_bootstrap(NULL);
    peer_start(&peer, "serve_asks_once", "");
    ASSERT(serve_one(here.port, filter));
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

/* ---- publishing ---------------------------------------------------------------------------- */

PEER(serve_registers)
{
    char name[BOOTSTRAP_MAX_NAME_LEN];
    mach_port_t found = MACH_PORT_NULL;
    mach_port_t port = kit_port();
    kit_argument_name(name);
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
    kit_argument_name(name);
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
    kit_argument_name(name);
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
