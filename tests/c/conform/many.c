/* Thousands of ports and rights, in tasks that may open 1,024 descriptors and, where the test is
 * root, as an ordinary user. Section 5: S104, S105, S131, S132, S134, S139. */
#include "harness/array_kit.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum { MANY = 3000, AT_ONCE = 1000, DESCRIPTORS = 1024 };

/* Peers inherit both. */
static void limit_everybody(bool ordinary)
{
    struct rlimit limit;
    ASSERT_SYS(getrlimit(RLIMIT_NOFILE, &limit));
    if (limit.rlim_cur > DESCRIPTORS)
        limit.rlim_cur = DESCRIPTORS;
    ASSERT_SYS(setrlimit(RLIMIT_NOFILE, &limit));
    if (ordinary)
        kit_become_ordinary();
}

TEST_FOR(S104_thousands_of_ports, 60)
{
    enum { PORTS = 20000 };
    limit_everybody(false);
    mach_port_t *ports = kit_new_ports(PORTS);
    for (int i = 0; i < PORTS; i++)
        kit_send_plain(ports[i], i);
    for (int i = PORTS - 1; i >= 0; i--)
        kit_expect_plain(ports[i], i);
    for (int i = 0; i < PORTS; i += 2)
        ASSERT_OK(mach_port_mod_refs(mach_task_self(), ports[i], MACH_PORT_RIGHT_RECEIVE, -1));
    for (int i = 0; i < PORTS; i++)
        ASSERT_EQ(i % 2 == 0 ? MACH_PORT_TYPE_DEAD_NAME : MACH_PORT_TYPE_SEND_RECEIVE,
                  kit_type(ports[i]));
    kit_drop_ports(ports, PORTS);
}

TEST_FOR(S139_thousands_of_members, 60)
{
    limit_everybody(false);
    mach_port_t set = kit_port_set();
    mach_port_t *ports = kit_new_ports(MANY);
    for (int i = 0; i < MANY; i++)
        ASSERT_OK(mach_port_insert_member(mach_task_self(), ports[i], set));
    for (int i = 0; i < MANY; i++)
        kit_send_plain(ports[(i * 7) % MANY], (i * 7) % MANY);
    for (int i = 0; i < MANY; i++) {
        struct plain_rcv received;
        ASSERT_OK(kit_receive(&received.header, sizeof(received), set, 0, 0));
        ASSERT_EQ(ports[received.header.msgh_id], received.header.msgh_local_port);
    }
    kit_expect_nothing(set);
    kit_drop_ports(ports, MANY);
    kit_destroy(set);
}

static void send_all(mach_port_t to, const mach_port_t *names, unsigned disposition)
{
    for (unsigned i = 0; i < MANY; i += AT_ONCE)
        ASSERT_OK(kit_send_array(to, names + i, AT_ONCE, disposition));
}

static mach_port_t *take_all(mach_port_t port, unsigned disposition)
{
    mach_port_t *names = kit_new_names(MANY);
    for (unsigned i = 0; i < MANY; i += AT_ONCE) {
        mach_port_t *some = kit_take_array(port, AT_ONCE, disposition);
        memcpy(names + i, some, AT_ONCE * sizeof(*names));
        kit_free_array(some, AT_ONCE);
    }
    return names;
}

/* Makes the ports, gives the rights away, and hears of each port once. */
PEER(many_owner)
{
    struct kit_pair pair;
    kit_pair_join(&pair);
    mach_port_t *ports = kit_new_names(MANY);
    for (int i = 0; i < MANY; i++)
        ports[i] = kit_receive_right();
    send_all(pair.theirs, ports, MACH_MSG_TYPE_MAKE_SEND);
    for (int i = 0; i < MANY; i++)
        kit_expect_plain(ports[i], i);
    parent_tell();
    parent_hear();
    kit_drop_ports(ports, MANY);
    kit_pair_leave(&pair);
}

static void use_all(const mach_port_t *names)
{
    for (int i = 0; i < MANY; i++)
        kit_send_plain(names[i], i);
}

static void send_rights(bool ordinary, bool killed)
{
    struct kit_pair pair;
    mach_port_t notify = kit_receive_right();
    limit_everybody(ordinary);
    kit_pair_start(&pair, "many_owner", "");
    mach_port_t *names = take_all(pair.mine, MACH_MSG_TYPE_PORT_SEND);
    for (int i = 0; i < MANY; i++)
        kit_first_request(names[i], MACH_NOTIFY_DEAD_NAME, 0, notify);
    use_all(names);
    peer_hear(&pair.peer);
    if (killed) {
        peer_kill(&pair.peer);
    } else {
        peer_tell(&pair.peer);
        peer_join(&pair.peer);
    }
    uint64_t sum = 0;
    uint64_t expected = 0;
    for (int i = 0; i < MANY; i++) {
        sum += kit_expect_notification(notify, MACH_NOTIFY_DEAD_NAME);
        expected += names[i];
    }
    ASSERT_EQ(expected, sum);
    kit_expect_nothing(notify);
    kit_pair_drop(&pair);
    kit_drop_ports(names, MANY);
    kit_destroy(notify);
}

TEST_FOR(S132_thousands_of_rights_of_another_task, 60)
{
    send_rights(false, false);
}

TEST_FOR(S132_thousands_of_rights_of_an_ordinary_users_task, 60)
{
    send_rights(true, false);
}

TEST_FOR(S132_thousands_of_rights_of_a_task_that_is_killed, 60)
{
    send_rights(true, true);
}

/* Uses the rights of a third task that it is handed. */
PEER(many_user)
{
    struct kit_pair pair;
    kit_pair_join(&pair);
    mach_port_t *names = take_all(pair.mine, MACH_MSG_TYPE_PORT_SEND);
    use_all(names);
    kit_drop_ports(names, MANY);
    parent_hear();
    kit_pair_leave(&pair);
}

TEST_FOR(S105_thousands_of_rights_for_a_third_task, 120)
{
    struct kit_pair owner;
    struct kit_pair user;
    limit_everybody(true);
    kit_pair_start(&owner, "many_owner", "");
    kit_pair_start(&user, "many_user", "");
    mach_port_t *names = take_all(owner.mine, MACH_MSG_TYPE_PORT_SEND);
    send_all(user.theirs, names, MACH_MSG_TYPE_MOVE_SEND);
    free(names);
    peer_hear(&owner.peer);
    peer_tell(&owner.peer);
    peer_tell(&user.peer);
    kit_pair_end(&user);
    kit_pair_end(&owner);
}

/* Holds whatever it is given. */
PEER(many_holder)
{
    struct kit_pair pair;
    kit_pair_join(&pair);
    unsigned type = (unsigned)strtoul(pair.argument, NULL, 10);
    mach_port_t *names = take_all(pair.mine, type);
    parent_tell();
    parent_hear();
    kit_drop_ports(names, MANY);
    kit_pair_leave(&pair);
}

TEST_FOR(S134_thousands_of_ports_lose_their_senders, 60)
{
    struct kit_pair pair;
    limit_everybody(true);
    mach_port_t notify = kit_receive_right();
    mach_port_t *ports = kit_new_ports(MANY);
    kit_pair_start(&pair, "many_holder", "17");
    for (int i = 0; i < MANY; i++)
        kit_first_request(ports[i], MACH_NOTIFY_NO_SENDERS, 0, notify);
    send_all(pair.theirs, ports, MACH_MSG_TYPE_MOVE_SEND);
    peer_hear(&pair.peer);
    kit_stays_quiet(notify);
    peer_kill(&pair.peer);
    for (int i = 0; i < MANY; i++)
        ASSERT_EQ(1, kit_expect_notification(notify, MACH_NOTIFY_NO_SENDERS));
    kit_expect_nothing(notify);
    kit_pair_drop(&pair);
    kit_drop_ports(ports, MANY);
    kit_destroy(notify);
}

static void send_once_rights(bool killed)
{
    struct kit_pair pair;
    limit_everybody(true);
    mach_port_t port = kit_receive_right();
    mach_port_t *names = kit_new_names(MANY);
    for (int i = 0; i < MANY; i++)
        names[i] = port;
    kit_pair_start(&pair, "many_holder", "18");
    send_all(pair.theirs, names, MACH_MSG_TYPE_MAKE_SEND_ONCE);
    peer_hear(&pair.peer);
    ASSERT_EQ(MANY, kit_status(port).mps_sorights);
    if (killed) {
        peer_kill(&pair.peer);
    } else {
        peer_tell(&pair.peer);
        peer_join(&pair.peer);
    }
    kit_expect_send_once_notifications(port, MANY);
    kit_pair_drop(&pair);
    free(names);
    kit_destroy(port);
}

TEST_FOR(S131_thousands_of_send_once_rights_dropped, 60)
{
    send_once_rights(false);
}

TEST_FOR(S131_thousands_of_send_once_rights_die_with_their_holder, 60)
{
    send_once_rights(true);
}
