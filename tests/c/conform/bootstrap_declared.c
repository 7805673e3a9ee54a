/* Services that are declared before they are served: bootstrap_create_service and _create_server,
 * removal, status. Section 7: S165 to S168, S171. */
#include "harness/bootstrap_kit.h"

#include <poll.h>
#include <string.h>
#include <unistd.h>

TEST(S171_null_removes_a_declared_service)
{
    GATE_LAUNCHD();
    service_name name;
    mach_port_t service = MACH_PORT_NULL;
    mach_port_t port = kit_port();
    kit_service_name(name, sizeof(name));
    ASSERT_OK(bootstrap_register(bootstrap_port, name, MACH_PORT_NULL)); /* nothing to remove */
    ASSERT_OK(bootstrap_create_service(bootstrap_port, name, &service));
    ASSERT_OK(kit_look_up_code(name));
    ASSERT_CODE(BOOTSTRAP_NOT_PRIVILEGED, bootstrap_register(bootstrap_port, name, port));
    ASSERT_OK(bootstrap_register(bootstrap_port, name, MACH_PORT_NULL));
    ASSERT_EQ(MACH_PORT_TYPE_DEAD_NAME, kit_type(service));
    ASSERT_CODE(BOOTSTRAP_UNKNOWN_SERVICE, kit_look_up_code(name));
    ASSERT_OK(bootstrap_register(bootstrap_port, name, port));
    kit_destroy(service);
    kit_destroy(port);
}

TEST(S171_null_for_an_active_service)
{
    GATE_LAUNCHD();
    service_name registered;
    service_name checked_in;
    mach_port_t server = MACH_PORT_NULL;
    mach_port_t port = kit_port();
    kit_service_name(registered, sizeof(registered));
    kit_service_name(checked_in, sizeof(checked_in));
    ASSERT_OK(bootstrap_register(bootstrap_port, registered, port));
    ASSERT_OK(bootstrap_check_in(bootstrap_port, checked_in, &server));
    ASSERT_CODE(BOOTSTRAP_SERVICE_ACTIVE,
                bootstrap_register(bootstrap_port, registered, MACH_PORT_NULL));
    ASSERT_CODE(BOOTSTRAP_SERVICE_ACTIVE,
                bootstrap_register(bootstrap_port, checked_in, MACH_PORT_NULL));
    ASSERT_OK(kit_look_up_code(registered));
    ASSERT_OK(kit_look_up_code(checked_in));
    kit_destroy(port);
    kit_destroy(server);
}

PEER(declared_stranger)
{
    service_name name;
    mach_port_t port = MACH_PORT_NULL;
    bootstrap_status_t status = -1;
    kit_argument_name(name);
    ASSERT_OK(bootstrap_status(bootstrap_port, name, &status));
    ASSERT_EQ(BOOTSTRAP_STATUS_INACTIVE, status);
    ASSERT_CODE(BOOTSTRAP_NOT_PRIVILEGED, bootstrap_check_in(bootstrap_port, name, &port));
    ASSERT_CODE(BOOTSTRAP_NOT_PRIVILEGED, bootstrap_create_service(bootstrap_port, name, &port));
    ASSERT_CODE(BOOTSTRAP_NOT_PRIVILEGED, bootstrap_register(bootstrap_port, name, MACH_PORT_NULL));
    ASSERT_OK(bootstrap_look_up(bootstrap_port, name, &port));
    kit_send_plain(port, 1);
    kit_send_plain(port, 2);
    parent_tell();
    parent_hear();
    ASSERT_OK(bootstrap_status(bootstrap_port, name, &status));
    ASSERT_EQ(BOOTSTRAP_STATUS_ACTIVE, status);
    kit_send_plain(port, 3);
    kit_deallocate(port);
}

/* Whoever waits for messages answers look-ups meanwhile. */
static void serve_until_told(struct peer *peer)
{
    struct pollfd told = {.fd = peer->from, .events = POLLIN};
    mach_port_t idle = kit_receive_right();
    while (ASSERT_SYS(poll(&told, 1, 0)) == 0) {
        struct plain_rcv received;
        ASSERT_CODE(MACH_RCV_TIMED_OUT,
                    kit_receive(&received.header, sizeof(received), idle, 0, A_MOMENT));
    }
    peer_hear(peer);
    kit_destroy(idle);
}

/* A client that comes before the server: its messages wait. */
TEST(S167_check_in_of_a_declared_service)
{
    GATE_LAUNCHD();
    service_name name;
    struct peer peer;
    mach_port_t service = MACH_PORT_NULL;
    mach_port_t port = MACH_PORT_NULL;
    kit_service_name(name, sizeof(name));
    ASSERT_OK(bootstrap_create_service(bootstrap_port, name, &service));
    ASSERT_EQ(MACH_PORT_TYPE_SEND, kit_type(service));
    ASSERT_EQ(1, kit_refs(service, MACH_PORT_RIGHT_SEND));
    peer_start(&peer, "declared_stranger", name);
    kit_send_plain(service, 0);
    serve_until_told(&peer);
    ASSERT_OK(bootstrap_check_in(bootstrap_port, name, &port));
    ASSERT_EQ(service, port);
    ASSERT_EQ(MACH_PORT_TYPE_SEND_RECEIVE, kit_type(port));
    ASSERT_CODE(BOOTSTRAP_SERVICE_ACTIVE, bootstrap_check_in(bootstrap_port, name, &service));
    for (int id = 0; id < 3; id++)
        kit_expect_plain(port, id);
    peer_tell(&peer);
    kit_expect_plain(port, 3);
    peer_join(&peer);
    kit_destroy(port);
    ASSERT_CODE(BOOTSTRAP_UNKNOWN_SERVICE, kit_look_up_code(name));
}

/* Send rights that went before the check-in make no difference. */
TEST(S167_check_in_without_a_send_right)
{
    GATE_LAUNCHD();
    service_name name;
    mach_port_t service = MACH_PORT_NULL;
    mach_port_t port = MACH_PORT_NULL;
    kit_service_name(name, sizeof(name));
    ASSERT_OK(bootstrap_create_service(bootstrap_port, name, &service));
    kit_send_plain(service, 8);
    kit_deallocate(service);
    ASSERT_OK(bootstrap_check_in(bootstrap_port, name, &port));
    ASSERT_EQ(MACH_PORT_TYPE_RECEIVE, kit_type(port));
    kit_expect_plain(port, 8);
    kit_destroy(port);
}

TEST(S166_declaring_twice)
{
    GATE_LAUNCHD();
    service_name name;
    service_name registered;
    mach_port_t service = MACH_PORT_NULL;
    mach_port_t again = MACH_PORT_NULL;
    mach_port_t port = kit_port();
    kit_service_name(name, sizeof(name));
    kit_service_name(registered, sizeof(registered));
    ASSERT_OK(bootstrap_create_service(bootstrap_port, name, &service));
    ASSERT_CODE(BOOTSTRAP_SERVICE_ACTIVE, bootstrap_create_service(bootstrap_port, name, &again));
    ASSERT_OK(bootstrap_register(bootstrap_port, registered, port));
    ASSERT_CODE(BOOTSTRAP_SERVICE_ACTIVE,
                bootstrap_create_service(bootstrap_port, registered, &again));
    ASSERT_OK(bootstrap_register(bootstrap_port, name, MACH_PORT_NULL));
    kit_destroy(service);
    kit_destroy(port);
}

PEER(declared_and_gone)
{
    service_name name;
    mach_port_t service = MACH_PORT_NULL;
    kit_argument_name(name);
    ASSERT_OK(bootstrap_create_service(bootstrap_port, name, &service));
    parent_tell();
    parent_hear();
}

/* What was declared goes with whoever did it. */
TEST(S169_declarer_is_killed)
{
    GATE_LAUNCHD();
    service_name name;
    struct peer peer;
    mach_port_t found = MACH_PORT_NULL;
    kit_service_name(name, sizeof(name));
    peer_start(&peer, "declared_and_gone", name);
    peer_hear(&peer);
    ASSERT_OK(bootstrap_look_up(bootstrap_port, name, &found));
    kit_send_plain(found, 1);
    peer_kill(&peer);
    kit_wait_dead(found);
    ASSERT_CODE(BOOTSTRAP_UNKNOWN_SERVICE, kit_look_up_code(name));
    kit_destroy(found);
}

TEST(S163_server_ports)
{
    GATE_LAUNCHD();
    char command[] = "/bin/false";
    service_name name;
    mach_port_t server = MACH_PORT_NULL;
    mach_port_t service = MACH_PORT_NULL;
    mach_port_t port = MACH_PORT_NULL;
    kit_service_name(name, sizeof(name));
    ASSERT_OK(bootstrap_create_server(bootstrap_port, command, getuid(), FALSE, &server));
    ASSERT_NE(bootstrap_port, server);
    ASSERT_EQ(MACH_PORT_TYPE_SEND, kit_type(server));
    ASSERT_OK(bootstrap_create_service(server, name, &service));
    ASSERT_OK(kit_look_up_code(name));
    ASSERT_OK(bootstrap_check_in(server, name, &port));
    ASSERT_EQ(service, port);
    kit_send_plain(service, 4);
    kit_expect_plain(port, 4);
    kit_destroy(port);
    kit_deallocate(server);
    ASSERT_CODE(MACH_SEND_INVALID_DEST, bootstrap_look_up(server, name, &port));
}

TEST(S163_status_of_services)
{
    GATE_LAUNCHD();
    service_name name;
    mach_port_t service = MACH_PORT_NULL;
    bootstrap_status_t status = -1;
    kit_service_name(name, sizeof(name));
    ASSERT_CODE(BOOTSTRAP_UNKNOWN_SERVICE, bootstrap_status(bootstrap_port, name, &status));
    ASSERT_OK(bootstrap_create_service(bootstrap_port, name, &service));
    ASSERT_OK(bootstrap_status(bootstrap_port, name, &status));
    ASSERT_EQ(BOOTSTRAP_STATUS_INACTIVE, status);
    ASSERT_OK(bootstrap_check_in(bootstrap_port, name, &service));
    ASSERT_OK(bootstrap_status(bootstrap_port, name, &status));
    ASSERT_EQ(BOOTSTRAP_STATUS_ACTIVE, status);
    kit_destroy(service);
}

TEST(S163_parent_and_unprivileged)
{
    GATE_LAUNCHD();
    mach_port_t parent = MACH_PORT_NULL;
    mach_port_t plain = MACH_PORT_NULL;
    unsigned refs = kit_refs(bootstrap_port, MACH_PORT_RIGHT_SEND);
    ASSERT_OK(bootstrap_unprivileged(bootstrap_port, &plain));
    ASSERT_EQ(bootstrap_port, plain);
    ASSERT_EQ(refs + 1, kit_refs(plain, MACH_PORT_RIGHT_SEND));
    kit_deallocate(plain);
    if (geteuid() != 0) {
        ASSERT_CODE(BOOTSTRAP_NOT_PRIVILEGED, bootstrap_parent(bootstrap_port, &parent));
        return;
    }
    ASSERT_OK(bootstrap_parent(bootstrap_port, &parent));
    ASSERT_EQ(bootstrap_port, parent);
    kit_deallocate(parent);
}

/* Names of every length up to the limit, and beyond it. */
TEST(S165_names_of_every_length)
{
    GATE_LAUNCHD();
    service_name prefix;
    char name[161];
    mach_port_t port = kit_port();
    kit_service_name(prefix, sizeof(prefix));
    size_t start = strlen(prefix);
    for (size_t length = start; length < sizeof(name); length += length < 120 ? 13 : 1) {
        mach_port_t found = MACH_PORT_NULL;
        memset(name, 'z', sizeof(name));
        memcpy(name, prefix, start);
        name[length] = '\0';
        ASSERT_CODE(length > 127 ? BOOTSTRAP_SERVICE_ACTIVE : BOOTSTRAP_SUCCESS,
                    bootstrap_register(bootstrap_port, name, port));
        ASSERT_OK(bootstrap_look_up(bootstrap_port, name, &found));
        ASSERT_EQ(port, found);
    }
    kit_destroy(port);
}

TEST(S166_ports_that_are_none)
{
    GATE_LAUNCHD();
    service_name name;
    mach_port_t dead = kit_port();
    mach_port_t receive = kit_receive_right();
    mach_port_t found = MACH_PORT_NULL;
    kit_service_name(name, sizeof(name));
    ASSERT_CODE(BOOTSTRAP_NO_MEMORY, bootstrap_register(bootstrap_port, name, MACH_PORT_DEAD));
    ASSERT_CODE(MACH_SEND_INVALID_RIGHT,
                bootstrap_register(bootstrap_port, name, kit_unknown_name()));
    ASSERT_CODE(MACH_SEND_INVALID_RIGHT, bootstrap_register(bootstrap_port, name, receive));
    ASSERT_CODE(MACH_SEND_INVALID_DEST, bootstrap_register(MACH_PORT_NULL, name, dead));
    ASSERT_CODE(MACH_SEND_INVALID_DEST, bootstrap_look_up(MACH_PORT_DEAD, name, &found));
    ASSERT_CODE(MACH_SEND_INVALID_DEST, bootstrap_check_in(receive, name, &found));
    ASSERT_CODE(BOOTSTRAP_UNKNOWN_SERVICE, kit_look_up_code(name));
    ASSERT_OK(mach_port_mod_refs(mach_task_self(), dead, MACH_PORT_RIGHT_RECEIVE, -1));
    ASSERT_CODE(BOOTSTRAP_NO_MEMORY, bootstrap_register(bootstrap_port, name, dead));
    ASSERT_CODE(BOOTSTRAP_UNKNOWN_SERVICE, kit_look_up_code(name));
    kit_destroy(dead);
    kit_destroy(receive);
}
