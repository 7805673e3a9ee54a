/* Services whose port is another task's than the one that registered it. Section 7: S166 to S169,
 * S173. */
#include "harness/bootstrap_kit.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

/* Has a port that others publish: answers every message by one with the next id, until told. */
PEER(others_server)
{
    struct kit_pair pair;
    struct plain_rcv received;
    kit_pair_join(&pair);
    for (;;) {
        ASSERT_OK(kit_receive(&received.header, sizeof(received), pair.mine, 0, PATIENCE));
        if (received.header.msgh_id == 99)
            break;
        ASSERT_OK(kit_try_plain(received.header.msgh_remote_port, MACH_MSG_TYPE_MOVE_SEND_ONCE,
                                received.header.msgh_id + 1, PATIENCE));
    }
    kit_pair_leave(&pair);
    parent_tell();
    parent_hear();
}

static void ask(mach_port_t service, int id)
{
    struct plain_msg request;
    mach_port_t reply = kit_receive_right();
    memset(&request, 0, sizeof(request));
    kit_header(&request.header,
               MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MAKE_SEND_ONCE),
               sizeof(request), service, reply, id);
    ASSERT_OK(kit_send(&request.header, MACH_SEND_TIMEOUT, PATIENCE));
    kit_expect_plain(reply, id + 1);
    kit_destroy(reply);
}

PEER(others_client)
{
    service_name name;
    mach_port_t found = MACH_PORT_NULL;
    mach_port_t again = MACH_PORT_NULL;
    mach_port_t port = kit_port();
    kit_argument_name(name);
    ASSERT_OK(bootstrap_look_up(bootstrap_port, name, &found));
    ASSERT_EQ(MACH_PORT_TYPE_SEND, kit_type(found));
    ask(found, 20);
    ASSERT_OK(bootstrap_look_up(bootstrap_port, name, &again));
    ASSERT_EQ(found, again);
    ASSERT_EQ(2, kit_refs(found, MACH_PORT_RIGHT_SEND));
    ASSERT_CODE(BOOTSTRAP_NOT_PRIVILEGED, bootstrap_register(bootstrap_port, name, port));
    parent_tell();
    kit_wait_dead(found);
    kit_destroy(found);
    kit_destroy(port);
}

TEST(S166_another_tasks_port_is_registered)
{
    GATE_LAUNCHD();
    service_name name;
    struct kit_pair pair;
    struct peer client;
    mach_port_t found = MACH_PORT_NULL;
    kit_service_name(name, sizeof(name));
    kit_pair_start(&pair, "others_server", "");
    ASSERT_OK(bootstrap_register(bootstrap_port, name, pair.theirs));
    ASSERT_EQ(1, kit_refs(pair.theirs, MACH_PORT_RIGHT_SEND));
    ASSERT_CODE(BOOTSTRAP_SERVICE_ACTIVE, bootstrap_register(bootstrap_port, name, pair.theirs));
    ASSERT_CODE(BOOTSTRAP_SERVICE_ACTIVE, bootstrap_register(bootstrap_port, name, MACH_PORT_NULL));
    peer_start(&client, "others_client", name);
    peer_hear(&client);
    ASSERT_OK(bootstrap_look_up(bootstrap_port, name, &found));
    ASSERT_EQ(pair.theirs, found);
    ASSERT_EQ(2, kit_refs(found, MACH_PORT_RIGHT_SEND));
    kit_deallocate(found);
    ask(found, 30);
    kit_send_plain(pair.theirs, 99); /* the port goes, its task does not */
    peer_hear(&pair.peer);
    peer_join(&client);
    kit_wait_dead(pair.theirs);
    kit_wait_unknown(name);
    peer_tell(&pair.peer);
    kit_pair_end(&pair);
}

TEST(S169_registered_port_of_a_task_that_is_killed)
{
    GATE_LAUNCHD();
    service_name name;
    struct kit_pair pair;
    mach_port_t port = kit_port();
    kit_service_name(name, sizeof(name));
    kit_pair_start(&pair, "others_server", "");
    ASSERT_OK(bootstrap_register(bootstrap_port, name, pair.theirs));
    peer_kill(&pair.peer);
    kit_wait_dead(pair.theirs);
    ASSERT_CODE(BOOTSTRAP_UNKNOWN_SERVICE, kit_look_up_code(name));
    ASSERT_OK(bootstrap_register(bootstrap_port, name, port));
    ASSERT_OK(kit_look_up_code(name));
    kit_pair_drop(&pair);
    kit_destroy(port);
}

/* Several names for one port, and the order of everything else is free. */
TEST(S168_one_port_under_many_names)
{
    GATE_LAUNCHD();
    enum { MANY = 20 };
    service_name names[MANY];
    struct kit_pair pair;
    mach_port_t found = MACH_PORT_NULL;
    kit_pair_start(&pair, "others_server", "");
    for (int i = 0; i < MANY; i++) {
        kit_service_name(names[i], sizeof(names[i]));
        ASSERT_OK(bootstrap_register(bootstrap_port, names[i], pair.theirs));
    }
    struct peer client;
    peer_start(&client, "others_client", names[MANY / 2]);
    peer_hear(&client);
    for (int i = 0; i < MANY; i++) {
        ASSERT_OK(bootstrap_look_up(bootstrap_port, names[i], &found));
        ASSERT_EQ(pair.theirs, found);
        kit_deallocate(found);
    }
    kit_send_plain(pair.theirs, 99);
    peer_hear(&pair.peer);
    peer_join(&client);
    for (int i = 0; i < MANY; i++)
        kit_wait_unknown(names[i]);
    peer_tell(&pair.peer);
    kit_pair_end(&pair);
}

/* Registers the port that it is sent, and ends. */
PEER(others_registrar)
{
    struct kit_pair pair;
    struct port_rcv received;
    service_name name;
    kit_pair_join(&pair);
    strncpy(name, pair.argument, sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    ASSERT_OK(kit_receive(&received.header, sizeof(received), pair.mine, 0, PATIENCE));
    ASSERT_OK(bootstrap_register(bootstrap_port, name, received.port[0].name));
    kit_pair_leave(&pair);
}

/* Starts a registrar that gives `port` a name, and waits for its end. */
static void have_registered(const char *name, mach_port_t port, unsigned disposition)
{
    struct kit_pair pair;
    struct port_msg message;
    kit_pair_start(&pair, "others_registrar", name);
    memset(&message, 0, sizeof(message));
    kit_port_msg(&message, pair.theirs, 1, port, disposition);
    ASSERT_OK(kit_send(&message.header, MACH_SEND_TIMEOUT, PATIENCE));
    kit_pair_end(&pair);
}

/* The name is a matter between its port's task and whoever looks it up: the registrar may go. */
TEST(D4_registrar_goes_and_the_name_stays)
{
    GATE_DARWIN("launchd removes what a process registered when that process goes");
    service_name name;
    mach_port_t port = kit_port();
    mach_port_t found = MACH_PORT_NULL;
    kit_service_name(name, sizeof(name));
    have_registered(name, port, MACH_MSG_TYPE_COPY_SEND);
    ASSERT_OK(bootstrap_look_up(bootstrap_port, name, &found));
    ASSERT_EQ(port, found);
    ASSERT_CODE(BOOTSTRAP_SERVICE_ACTIVE, bootstrap_register(bootstrap_port, name, port));
    kit_destroy(port);
    kit_wait_unknown(name);
}

/* The third task's port: registrar, owner and looker are three processes. */
TEST(S168_three_tasks_meet_at_a_name)
{
    GATE_LAUNCHD();
    service_name name;
    struct kit_pair pair;
    mach_port_t found = MACH_PORT_NULL;
    kit_service_name(name, sizeof(name));
    kit_pair_start(&pair, "others_server", "");
    have_registered(name, pair.theirs, MACH_MSG_TYPE_COPY_SEND);
    ASSERT_OK(bootstrap_look_up(bootstrap_port, name, &found));
    ASSERT_EQ(pair.theirs, found);
    ASSERT_EQ(2, kit_refs(found, MACH_PORT_RIGHT_SEND));
    ask(found, 50);
    kit_deallocate(found);
    kit_send_plain(pair.theirs, 99);
    peer_hear(&pair.peer);
    kit_wait_unknown(name);
    peer_tell(&pair.peer);
    kit_pair_end(&pair);
}

/* Its owner is stopped before it knows of the name: who looks up can send all the same. */
TEST(S168_owner_is_stopped_when_its_port_is_registered)
{
    GATE_LAUNCHD();
    service_name name;
    struct kit_pair pair;
    struct peer client;
    kit_service_name(name, sizeof(name));
    kit_pair_start(&pair, "others_server", "");
    ASSERT_SYS(kill(pair.peer.pid, SIGSTOP));
    ASSERT_OK(bootstrap_register(bootstrap_port, name, pair.theirs));
    peer_start(&client, "others_client", name); /* asks and waits for the answer */
    ASSERT_OK(kit_look_up_code(name));
    ASSERT_SYS(kill(pair.peer.pid, SIGCONT));
    peer_hear(&client);
    kit_send_plain(pair.theirs, 99);
    peer_hear(&pair.peer);
    peer_join(&client);
    peer_tell(&pair.peer);
    kit_pair_end(&pair);
}
