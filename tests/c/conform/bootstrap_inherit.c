/* A bootstrap port of one's own, and the children that inherit it. Section 5: S134, S142. */
#include "harness/port_kit.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define GATE_NEW_PROGRAM()                                                                         \
    GATE_DARWIN("a new program's system libraries talk to the bootstrap port before main")

static mach_port_t get_bootstrap(void)
{
    mach_port_t port = 1;
    ASSERT_OK(task_get_special_port(mach_task_self(), TASK_BOOTSTRAP_PORT, &port));
    return port;
}

static void set_bootstrap(mach_port_t port)
{
    ASSERT_OK(task_set_special_port(mach_task_self(), TASK_BOOTSTRAP_PORT, port));
}

/* Sends a request to the bootstrap port, whatever name that has here, and gets the answer. */
static void ask_bootstrap(int id)
{
    struct plain_msg request;
    mach_port_t reply = kit_receive_right();
    memset(&request, 0, sizeof(request));
    kit_header(&request.header,
               MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MAKE_SEND_ONCE),
               sizeof(request), bootstrap_port, reply, id);
    ASSERT_OK(kit_send(&request.header, MACH_SEND_TIMEOUT, PATIENCE));
    kit_expect_plain(reply, id + 1);
    kit_destroy(reply);
}

/* The parent's side: one request, one answer. */
static void answer_at(mach_port_t port, int id)
{
    struct plain_rcv received;
    ASSERT_OK(kit_receive(&received.header, sizeof(received), port, 0, PATIENCE));
    ASSERT_EQ(id, received.header.msgh_id);
    ASSERT_OK(kit_try_plain(received.header.msgh_remote_port, MACH_MSG_TYPE_MOVE_SEND_ONCE, id + 1,
                            PATIENCE));
}

TEST(S142_special_port_is_a_right_of_its_own)
{
    mach_port_t saved = get_bootstrap();
    mach_port_t port = kit_port();
    set_bootstrap(port);
    ASSERT_EQ(1, kit_refs(port, MACH_PORT_RIGHT_SEND));
    ASSERT_EQ(port, get_bootstrap());
    ASSERT_EQ(2, kit_refs(port, MACH_PORT_RIGHT_SEND));
    ASSERT_OK(mach_port_mod_refs(mach_task_self(), port, MACH_PORT_RIGHT_SEND, -2));
    ASSERT_EQ(MACH_PORT_TYPE_RECEIVE, kit_type(port));
    ASSERT_EQ(port, get_bootstrap());
    ASSERT_EQ(MACH_PORT_TYPE_SEND_RECEIVE, kit_type(port));
    set_bootstrap(saved);
    ASSERT_EQ(saved, get_bootstrap());
    ASSERT_EQ(bootstrap_port, saved);
    kit_deallocate(saved);
    kit_deallocate(saved);
    kit_destroy(port);
}

TEST(S142_special_port_that_dies)
{
    mach_port_t saved = get_bootstrap();
    mach_port_t port = kit_port();
    set_bootstrap(port);
    kit_destroy(port);
    ASSERT_EQ(MACH_PORT_DEAD, get_bootstrap());
    set_bootstrap(saved);
    kit_deallocate(saved);
}

TEST(S142_special_port_wants_a_send_right)
{
    mach_port_t receive = kit_receive_right();
    mach_port_t port = MACH_PORT_NULL;
    ASSERT_CODE(MACH_SEND_INVALID_RIGHT,
                task_set_special_port(mach_task_self(), TASK_BOOTSTRAP_PORT, receive));
    ASSERT_CODE(MACH_SEND_INVALID_RIGHT,
                task_set_special_port(mach_task_self(), TASK_BOOTSTRAP_PORT, kit_unknown_name()));
    ASSERT_CODE(KERN_INVALID_ARGUMENT, task_set_special_port(mach_task_self(), 77, bootstrap_port));
    ASSERT_CODE(KERN_INVALID_ARGUMENT, task_get_special_port(mach_task_self(), 77, &port));
    kit_destroy(receive);
}

/* Set, fork, restore: the child has a right to its parent's port. */
TEST(S142_child_inherits_the_bootstrap_port)
{
    mach_port_t saved = get_bootstrap();
    mach_port_t port = kit_port();
    set_bootstrap(port);
    pid_t pid = (pid_t)ASSERT_SYS(fork());
    if (pid == 0) {
        ASSERT_EQ(MACH_PORT_TYPE_SEND, kit_type(bootstrap_port));
        ASSERT_EQ(1, kit_refs(bootstrap_port, MACH_PORT_RIGHT_SEND));
        ASSERT_EQ(bootstrap_port, get_bootstrap());
        ASSERT_EQ(2, kit_refs(bootstrap_port, MACH_PORT_RIGHT_SEND));
        ask_bootstrap(10);
        _exit(0);
    }
    set_bootstrap(saved);
    answer_at(port, 10);
    kit_wait_child(pid);
    kit_deallocate(saved);
    kit_destroy(port);
}

/* The first thing the child does is to send, by the variable. */
TEST(S142_child_sends_at_once)
{
    mach_port_t saved = get_bootstrap();
    mach_port_t port = kit_port();
    set_bootstrap(port);
    pid_t pid = (pid_t)ASSERT_SYS(fork());
    if (pid == 0) {
        kit_send_plain(bootstrap_port, 11);
        _exit(0);
    }
    set_bootstrap(saved);
    kit_wait_child(pid);
    kit_expect_plain(port, 11);
    kit_deallocate(saved);
    kit_destroy(port);
}

PEER(inherit_asks)
{
    ASSERT_EQ(MACH_PORT_TYPE_SEND, kit_type(bootstrap_port));
    ask_bootstrap(20);
    parent_tell();
}

TEST(S142_new_program_inherits_the_bootstrap_port)
{
    GATE_NEW_PROGRAM();
    struct peer peer;
    mach_port_t saved = get_bootstrap();
    mach_port_t port = kit_port();
    set_bootstrap(port);
    peer_start(&peer, "inherit_asks", "");
    set_bootstrap(saved);
    answer_at(port, 20);
    peer_hear(&peer);
    peer_join(&peer);
    /* Restored: the next child has the machine's. */
    peer_start(&peer, "inherit_default", "");
    peer_join(&peer);
    kit_deallocate(saved);
    kit_destroy(port);
}

PEER(inherit_default)
{
    mach_port_t port = MACH_PORT_NULL;
    ASSERT_CODE(BOOTSTRAP_UNKNOWN_SERVICE,
                bootstrap_look_up(bootstrap_port, "com.example.machool-test.nobody", &port));
}

/* Grandchildren too, by fork after fork, and by a fork within a new program. */
PEER(inherit_forks)
{
    pid_t pid = (pid_t)ASSERT_SYS(fork());
    if (pid == 0) {
        pid_t grandchild = (pid_t)ASSERT_SYS(fork());
        if (grandchild == 0) {
            ask_bootstrap(30);
            _exit(0);
        }
        kit_wait_child(grandchild);
        ask_bootstrap(31);
        _exit(0);
    }
    kit_wait_child(pid);
    ask_bootstrap(32);
}

static void grandchildren(bool forked)
{
    struct peer peer;
    mach_port_t saved = get_bootstrap();
    mach_port_t port = kit_port();
    set_bootstrap(port);
    if (forked)
        peer_start_forked(&peer, "inherit_forks", "");
    else
        peer_start(&peer, "inherit_forks", "");
    set_bootstrap(saved);
    for (int id = 30; id < 33; id++)
        answer_at(port, id);
    peer_join(&peer);
    kit_deallocate(saved);
    kit_destroy(port);
}

TEST(S142_grandchildren_inherit_by_fork)
{
    grandchildren(true);
}

TEST(S142_grandchildren_inherit_by_a_new_program)
{
    GATE_NEW_PROGRAM();
    grandchildren(false);
}

/* Serves one request at its port when told, then waits to be told again. */
PEER(inherit_owner)
{
    struct kit_pair pair;
    kit_pair_join(&pair);
    parent_hear();
    answer_at(pair.mine, 40);
    parent_tell();
    parent_hear();
    kit_pair_leave(&pair);
}

/* The port of a third task is handed on. */
static void hand_on(bool forked)
{
    struct kit_pair pair;
    struct peer peer;
    mach_port_t saved = get_bootstrap();
    kit_pair_start(&pair, "inherit_owner", "");
    set_bootstrap(pair.theirs);
    if (forked)
        peer_start_forked(&peer, "inherit_asks_third", "");
    else
        peer_start(&peer, "inherit_asks_third", "");
    set_bootstrap(saved);
    peer_tell(&pair.peer);
    peer_hear(&pair.peer);
    peer_hear(&peer);
    peer_tell(&pair.peer);
    kit_pair_end(&pair);
    peer_tell(&peer);
    peer_join(&peer);
    kit_deallocate(saved);
}

PEER(inherit_asks_third)
{
    ask_bootstrap(40);
    parent_tell();
    parent_hear(); /* the owner has ended */
    kit_wait_dead(bootstrap_port);
    ASSERT_EQ(MACH_PORT_DEAD, get_bootstrap());
}

TEST(S142_third_tasks_port_is_inherited_by_fork)
{
    hand_on(true);
}

TEST(S142_third_tasks_port_is_inherited_by_a_new_program)
{
    GATE_NEW_PROGRAM();
    hand_on(false);
}

PEER(inherit_dead)
{
    mach_port_t port = MACH_PORT_NULL;
    char name[] = "com.example.machool-test.nobody";
    ASSERT_EQ(MACH_PORT_DEAD, get_bootstrap());
    ASSERT_CODE(MACH_SEND_INVALID_DEST, bootstrap_look_up(bootstrap_port, name, &port));
    ASSERT_CODE(MACH_SEND_INVALID_DEST,
                kit_try_plain(bootstrap_port, MACH_MSG_TYPE_COPY_SEND, 1, 0));
}

/* The owner went before the child came. */
static void owner_is_gone(bool forked)
{
    struct kit_pair pair;
    struct peer peer;
    mach_port_t saved = get_bootstrap();
    kit_pair_start(&pair, "inherit_owner", "");
    set_bootstrap(pair.theirs);
    peer_kill(&pair.peer);
    if (forked)
        peer_start_forked(&peer, "inherit_dead", "");
    else
        peer_start(&peer, "inherit_dead", "");
    peer_join(&peer);
    kit_wait_dead(pair.theirs);
    ASSERT_EQ(MACH_PORT_DEAD, get_bootstrap());
    if (forked)
        peer_start_forked(&peer, "inherit_dead", "");
    else
        peer_start(&peer, "inherit_dead", "");
    peer_join(&peer);
    set_bootstrap(saved);
    kit_pair_drop(&pair);
    kit_deallocate(saved);
}

TEST(S142_inherited_by_fork_from_an_owner_that_is_gone)
{
    owner_is_gone(true);
}

TEST(S142_inherited_by_a_new_program_from_an_owner_that_is_gone)
{
    GATE_NEW_PROGRAM();
    owner_is_gone(false);
}

PEER(inherit_null)
{
    mach_port_t port = MACH_PORT_NULL;
    char name[] = "com.example.machool-test.nobody";
    ASSERT_EQ(MACH_PORT_NULL, get_bootstrap());
    ASSERT_EQ(MACH_PORT_NULL, bootstrap_port);
    ASSERT_CODE(MACH_SEND_INVALID_DEST, bootstrap_look_up(bootstrap_port, name, &port));
}

TEST(S142_no_bootstrap_port_is_inherited_by_fork)
{
    struct peer peer;
    mach_port_t saved = get_bootstrap();
    set_bootstrap(MACH_PORT_NULL);
    ASSERT_EQ(MACH_PORT_NULL, get_bootstrap());
    peer_start_forked(&peer, "inherit_null", "");
    set_bootstrap(saved);
    peer_join(&peer);
    kit_deallocate(saved);
}

TEST(S142_no_bootstrap_port_is_inherited_by_a_new_program)
{
    GATE_NEW_PROGRAM();
    struct peer peer;
    mach_port_t saved = get_bootstrap();
    set_bootstrap(MACH_PORT_NULL);
    peer_start(&peer, "inherit_null", "");
    set_bootstrap(saved);
    peer_join(&peer);
    kit_deallocate(saved);
}

/* Daemons close what they do not know before they do anything else. */
TEST(S142_child_that_closes_all_descriptors_inherits_too)
{
    mach_port_t saved = get_bootstrap();
    mach_port_t port = kit_port();
    set_bootstrap(port);
    pid_t pid = (pid_t)ASSERT_SYS(fork());
    if (pid == 0) {
        int ends[2];
        for (int fd = 3; fd < 64; fd++)
            (void)close(fd);
        for (int i = 0; i < 4; i++)
            ASSERT_SYS(pipe(ends)); /* its number is another file's now */
        ask_bootstrap(50);
        _exit(0);
    }
    set_bootstrap(saved);
    answer_at(port, 50);
    kit_wait_child(pid);
    kit_deallocate(saved);
    kit_destroy(port);
}

TEST(S142_many_children_inherit_at_once)
{
    enum { CHILDREN = 24 };
    pid_t pids[CHILDREN];
    mach_port_t saved = get_bootstrap();
    mach_port_t port = kit_port();
    set_bootstrap(port);
    for (int i = 0; i < CHILDREN; i++) {
        pids[i] = (pid_t)ASSERT_SYS(fork());
        if (pids[i] == 0) {
            ask_bootstrap(60);
            _exit(0);
        }
    }
    set_bootstrap(saved);
    for (int i = 0; i < CHILDREN; i++)
        answer_at(port, 60);
    for (int i = 0; i < CHILDREN; i++)
        kit_wait_child(pids[i]);
    kit_deallocate(saved);
    kit_destroy(port);
}

/* A child that inherits and never calls, or that is killed, leaves nothing. */
TEST(S142_children_that_do_nothing)
{
    mach_port_t saved = get_bootstrap();
    mach_port_t port = kit_port();
    set_bootstrap(port);
    for (int i = 0; i < 8; i++) {
        pid_t pid = (pid_t)ASSERT_SYS(fork());
        if (pid == 0) {
            if (i % 2)
                pause();
            _exit(0);
        }
        int status = 0;
        if (i % 2)
            ASSERT_SYS(kill(pid, SIGKILL));
        ASSERT_EQ(pid, waitpid(pid, &status, 0));
    }
    set_bootstrap(saved);
    kit_expect_nothing(port);
    kit_deallocate(saved);
    kit_destroy(port);
}

/* The inherited right is one like any other: as long as the child lives, the port has a sender. */
static void sender_lives(bool uses_it)
{
    int ends[2];
    char byte = 0;
    mach_port_t saved = get_bootstrap();
    mach_port_t port = kit_port();
    mach_port_t notify = kit_receive_right();
    ASSERT_SYS(pipe(ends));
    kit_first_request(port, MACH_NOTIFY_NO_SENDERS, 0, notify);
    set_bootstrap(port);
    kit_deallocate(port);
    pid_t pid = (pid_t)ASSERT_SYS(fork());
    if (pid == 0) {
        close(ends[1]);
        if (uses_it)
            kit_send_plain(bootstrap_port, 70);
        ASSERT_EQ(0, read(ends[0], &byte, 1)); /* until the parent closes its end */
        _exit(0);
    }
    set_bootstrap(saved); /* from here on the child's is the only one */
    close(ends[0]);
    if (uses_it)
        kit_expect_plain(port, 70);
    kit_stays_quiet(notify);
    close(ends[1]);
    (void)kit_expect_notification(notify, MACH_NOTIFY_NO_SENDERS);
    kit_wait_child(pid);
    kit_deallocate(saved);
    kit_destroy(port);
    kit_destroy(notify);
}

TEST(S134_S142_inherited_right_is_a_sender)
{
    sender_lives(true);
}

TEST(S134_S142_inherited_right_is_a_sender_unused)
{
    sender_lives(false);
}

/* The classic way to make parent and child acquainted: the child finds its parent's port in place of
 * bootstrap's, sends a port of its own there, and is given the real bootstrap port back. */
static mach_port_t take_right(mach_port_t port)
{
    struct port_rcv received;
    ASSERT_OK(kit_receive(&received.header, sizeof(received), port, 0, PATIENCE));
    ASSERT_EQ(MACH_MSG_TYPE_PORT_SEND, received.port[0].disposition);
    return received.port[0].name;
}

static void meet_parent(const char *service)
{
    mach_port_t parent = get_bootstrap();
    mach_port_t child = kit_port();
    mach_port_t found = MACH_PORT_NULL;
    kit_send_right(parent, child, MACH_MSG_TYPE_COPY_SEND);
    kit_send_right(parent, mach_host_self(), MACH_MSG_TYPE_COPY_SEND);
    bootstrap_port = take_right(child);
    ASSERT_EQ(MACH_PORT_TYPE_SEND, kit_type(bootstrap_port));
    set_bootstrap(bootstrap_port);
    ASSERT_EQ(bootstrap_port, get_bootstrap());
    ASSERT_OK(bootstrap_look_up(bootstrap_port, service, &found));
    kit_send_plain(found, 90);
    /* What it starts has the machine's again. */
    struct peer peer;
    peer_start(&peer, "inherit_default", "");
    peer_join(&peer);
    kit_send_plain(parent, 91);
}

TEST(S142_real_bootstrap_port_is_handed_back)
{
    char service[BOOTSTRAP_MAX_NAME_LEN];
    mach_port_t saved = get_bootstrap();
    mach_port_t port = kit_port();
    mach_port_t registered = kit_port();
    kit_service_name(service, sizeof(service));
    ASSERT_OK(bootstrap_register(bootstrap_port, service, registered));
    set_bootstrap(port);
    pid_t pid = (pid_t)ASSERT_SYS(fork());
    if (pid == 0) {
        meet_parent(service);
        _exit(0);
    }
    set_bootstrap(saved);
    mach_port_t child = take_right(port);
    mach_port_t host = take_right(port);
    ASSERT_EQ(mach_host_self(), host); /* one machine, one name */
    kit_send_right(child, bootstrap_port, MACH_MSG_TYPE_COPY_SEND);
    kit_expect_plain(registered, 90);
    kit_expect_plain(port, 91);
    kit_wait_child(pid);
    kit_wait_dead(child);
    kit_destroy(child);
    kit_deallocate(host);
    kit_deallocate(saved);
    kit_destroy(port);
    kit_destroy(registered);
}
