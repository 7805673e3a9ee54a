/* The names of services. Section 7: S164 to S169, S172, S173. */
#include "harness/bootstrap_kit.h"

#include <string.h>

TEST(S164_unknown_name)
{
    service_name name;
    kit_service_name(name, sizeof(name));
    ASSERT_CODE(BOOTSTRAP_UNKNOWN_SERVICE, kit_look_up_code(name));
    ASSERT(strlen(bootstrap_strerror(BOOTSTRAP_UNKNOWN_SERVICE)) > 5);
}

/* 127 characters count; what is longer is cut off, on both sides. */
TEST(S165_names_are_cut_at_127)
{
    GATE_LAUNCHD();
    char name[201];
    char cut[201];
    service_name prefix;
    mach_port_t port = kit_port();
    mach_port_t found;
    kit_service_name(prefix, sizeof(prefix));
    memset(name, 'x', sizeof(name) - 1);
    name[200] = '\0';
    memcpy(name, prefix, strlen(prefix));
    memcpy(cut, name, sizeof(cut));
    cut[127] = '\0';
    ASSERT_OK(bootstrap_register(bootstrap_port, name, port));
    ASSERT_OK(bootstrap_look_up(bootstrap_port, cut, &found));
    ASSERT_EQ(port, found);
    name[150] = 'y';
    ASSERT_OK(bootstrap_look_up(bootstrap_port, name, &found));
    ASSERT_EQ(port, found);
    cut[126] = '\0';
    ASSERT_CODE(BOOTSTRAP_UNKNOWN_SERVICE, kit_look_up_code(cut));
    name[126] = 'y';
    ASSERT_CODE(BOOTSTRAP_UNKNOWN_SERVICE, kit_look_up_code(name));
    kit_destroy(port);
}

PEER(bootstrap_registers)
{
    mach_port_t port = kit_port();
    service_name name;
    kit_argument_name(name);
    ASSERT_CODE(BOOTSTRAP_NOT_PRIVILEGED, bootstrap_register(bootstrap_port, name, port));
    ASSERT_CODE(BOOTSTRAP_NOT_PRIVILEGED, bootstrap_check_in(bootstrap_port, name, &port));
}

TEST(S166_registering_twice)
{
    GATE_LAUNCHD();
    service_name name;
    struct peer peer;
    mach_port_t port = kit_port();
    mach_port_t other = kit_port();
    kit_service_name(name, sizeof(name));
    ASSERT_OK(bootstrap_register(bootstrap_port, name, port));
    ASSERT_CODE(BOOTSTRAP_SERVICE_ACTIVE, bootstrap_register(bootstrap_port, name, port));
    ASSERT_CODE(BOOTSTRAP_SERVICE_ACTIVE, bootstrap_register(bootstrap_port, name, other));
    peer_start(&peer, "bootstrap_registers", name);
    peer_join(&peer);
    kit_destroy(port);
    kit_destroy(other);
}

TEST(S167_check_in_creates_and_returns_the_receive_right)
{
    GATE_LAUNCHD();
    service_name name;
    struct peer peer;
    mach_port_t port = MACH_PORT_NULL;
    mach_port_t again = MACH_PORT_NULL;
    mach_port_t found = MACH_PORT_NULL;
    kit_service_name(name, sizeof(name));
    ASSERT_OK(bootstrap_check_in(bootstrap_port, name, &port));
    ASSERT_EQ(MACH_PORT_TYPE_RECEIVE, kit_type(port));
    ASSERT_CODE(BOOTSTRAP_SERVICE_ACTIVE, bootstrap_check_in(bootstrap_port, name, &again));
    peer_start(&peer, "bootstrap_registers", name);
    peer_join(&peer);
    ASSERT_OK(bootstrap_look_up(bootstrap_port, name, &found));
    ASSERT_EQ(port, found);
    ASSERT_EQ(MACH_PORT_TYPE_SEND_RECEIVE, kit_type(port));
    kit_send_plain(port, 1);
    kit_expect_plain(port, 1);
    kit_destroy(port);
}

PEER(bootstrap_finds)
{
    service_name name;
    struct plain_rcv received;
    mach_port_t first = MACH_PORT_NULL;
    mach_port_t second = MACH_PORT_NULL;
    mach_port_t reply = kit_receive_right();
    kit_argument_name(name);
    ASSERT_OK(bootstrap_look_up(bootstrap_port, name, &first));
    ASSERT_EQ(MACH_PORT_TYPE_SEND, kit_type(first));
    ASSERT_OK(bootstrap_look_up(bootstrap_port, name, &second));
    ASSERT_EQ(first, second);
    ASSERT_EQ(2, kit_refs(first, MACH_PORT_RIGHT_SEND));
    /* The answer comes from the same task, by another right. */
    kit_header(&received.header,
               MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MAKE_SEND_ONCE), 24, first,
               reply, 3);
    ASSERT_OK(kit_send(&received.header, MACH_SEND_TIMEOUT, PATIENCE));
    kit_expect_plain(reply, 4);
    parent_tell();
    parent_hear(); /* the owner is about to go */
    kit_wait_dead(first);
    ASSERT_EQ(2, kit_refs(first, MACH_PORT_RIGHT_DEAD_NAME));
    kit_destroy(first);
    kit_destroy(reply);
}

static void answer_one(mach_port_t port)
{
    struct plain_rcv received;
    ASSERT_OK(kit_receive(&received.header, sizeof(received), port, 0, PATIENCE));
    ASSERT_OK(kit_try_plain(received.header.msgh_remote_port, MACH_MSG_TYPE_MOVE_SEND_ONCE, 4, 0));
}

TEST(S168_look_up_from_another_task)
{
    service_name name;
    struct peer peer;
    mach_port_t port = kit_port();
    kit_service_name(name, sizeof(name));
    ASSERT_OK(bootstrap_register(bootstrap_port, name, port));
    peer_start(&peer, "bootstrap_finds", name);
    answer_one(port);
    peer_hear(&peer);
    kit_destroy(port);
    peer_tell(&peer);
    peer_join(&peer);
}

TEST(S168_look_up_of_ones_own_service)
{
    service_name name;
    mach_port_t port = kit_port();
    mach_port_t found = MACH_PORT_NULL;
    kit_service_name(name, sizeof(name));
    ASSERT_OK(bootstrap_register(bootstrap_port, name, port));
    for (unsigned refs = 2; refs < 5; refs++) {
        ASSERT_OK(bootstrap_look_up(bootstrap_port, name, &found));
        ASSERT_EQ(port, found);
        ASSERT_EQ(refs, kit_refs(port, MACH_PORT_RIGHT_SEND));
    }
    kit_destroy(port);
}

static void owner_goes(bool killed)
{
    service_name name;
    struct peer peer;
    mach_port_t held = MACH_PORT_NULL;
    mach_port_t port = kit_port();
    kit_service_name(name, sizeof(name));
    peer_start(&peer, "kit_owns_a_service", name);
    peer_hear(&peer);
    ASSERT_OK(bootstrap_look_up(bootstrap_port, name, &held));
    ASSERT_EQ(MACH_PORT_TYPE_SEND, kit_type(held));
    if (killed) {
        peer_kill(&peer);
    } else {
        peer_tell(&peer);
        peer_join(&peer);
    }
    kit_wait_unknown(name);
    kit_wait_dead(held);
    kit_destroy(held);
    /* The name is free for the next one. */
    ASSERT_OK(bootstrap_register(bootstrap_port, name, port));
    ASSERT_OK(kit_look_up_code(name));
    kit_destroy(port);
}

TEST(S169_owner_exits)
{
    owner_goes(false);
}

TEST(S169_owner_is_killed)
{
    owner_goes(true);
}

/* What a look-up still finds after the owner's end is dead, or soon will be. */
TEST(S173_what_is_found_after_the_owners_end_is_dead)
{
    service_name name;
    struct peer peer;
    kern_return_t result = KERN_SUCCESS;
    uint64_t end = kit_milliseconds() + PATIENCE;
    kit_service_name(name, sizeof(name));
    peer_start(&peer, "kit_owns_a_service", name);
    peer_hear(&peer);
    peer_kill(&peer);
    while (result == KERN_SUCCESS) {
        mach_port_t found = MACH_PORT_NULL;
        result = bootstrap_look_up(bootstrap_port, name, &found);
        if (result == KERN_SUCCESS) {
            kit_wait_dead(found);
            kit_destroy(found);
        }
        ASSERT(kit_milliseconds() < end);
    }
    ASSERT_CODE(BOOTSTRAP_UNKNOWN_SERVICE, result);
}

TEST(S169_owner_destroys_the_port)
{
    service_name name;
    mach_port_t port = kit_port();
    kit_service_name(name, sizeof(name));
    ASSERT_OK(bootstrap_register(bootstrap_port, name, port));
    ASSERT_OK(kit_look_up_code(name));
    kit_destroy(port);
    kit_wait_unknown(name);
}

TEST(S172_names_are_compared_byte_for_byte)
{
    service_name name;
    service_name upper;
    mach_port_t port = kit_port();
    kit_service_name(name, sizeof(name));
    memcpy(upper, name, sizeof(upper));
    upper[0] = 'C';
    ASSERT_OK(bootstrap_register(bootstrap_port, name, port));
    ASSERT_CODE(BOOTSTRAP_UNKNOWN_SERVICE, kit_look_up_code(upper));
    strcat(upper, "x");
    ASSERT_CODE(BOOTSTRAP_UNKNOWN_SERVICE, kit_look_up_code(upper));
    kit_destroy(port);
}

TEST(S168_many_services_of_one_task)
{
    enum { MANY = 40 };
    service_name names[MANY];
    mach_port_t ports[MANY];
    for (int i = 0; i < MANY; i++) {
        kit_service_name(names[i], sizeof(names[i]));
        ports[i] = kit_port();
        ASSERT_OK(bootstrap_register(bootstrap_port, names[i], ports[i]));
    }
    for (int i = 0; i < MANY; i++) {
        mach_port_t found;
        ASSERT_OK(bootstrap_look_up(bootstrap_port, names[i], &found));
        ASSERT_EQ(ports[i], found);
        kit_destroy(ports[i]);
    }
}

/* Programs ask in three ways for the port that leads to bootstrap. */
TEST(S142_the_bootstrap_port)
{
    mach_port_t special = MACH_PORT_NULL;
    mach_port_t by_macro = MACH_PORT_NULL;
    ASSERT_NE(MACH_PORT_NULL, bootstrap_port);
    ASSERT_OK(task_get_special_port(mach_task_self(), TASK_BOOTSTRAP_PORT, &special));
    ASSERT_OK(task_get_bootstrap_port(mach_task_self(), &by_macro));
    ASSERT_EQ(bootstrap_port, special);
    ASSERT_EQ(bootstrap_port, by_macro);
    kit_deallocate(special);
    kit_deallocate(by_macro);
}
