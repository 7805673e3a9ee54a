/* What the layer does otherwise than Darwin, pinned down: the D-numbers of
 * csrc/mach/DIFFERENCES.md. Each test is gated on macOS by what the kernel does there. */
#include "harness/port_kit.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

PEER(differences_fills)
{
    struct kit_pair pair;
    kit_pair_join(&pair);
    parent_hear(); /* our hello has been taken */
    kit_fill_queue(pair.theirs, 5);
    ASSERT_CODE(MACH_SEND_TIMED_OUT, kit_try_plain(pair.theirs, MACH_MSG_TYPE_COPY_SEND, 9, 0));
    parent_tell();
    parent_hear();
    kit_pair_leave(&pair);
}

TEST(D1_queue_limit_is_for_each_sending_task)
{
    GATE_DARWIN("the kernel has one queue and counts all that is in it");
    struct kit_pair pair;
    kit_pair_start(&pair, "differences_fills", "");
    peer_tell(&pair.peer);
    peer_hear(&pair.peer);
    /* Another task's five do not keep this one from sending its own. */
    kit_fill_queue(pair.mine, 1);
    int seen = 0;
    for (int i = 0; i < 6; i++) {
        struct plain_rcv received;
        ASSERT_OK(kit_receive(&received.header, sizeof(received), pair.mine, 0, PATIENCE));
        seen |= 1 << received.header.msgh_id;
    }
    ASSERT_EQ(0x1f, seen);
    kit_expect_nothing(pair.mine);
    peer_tell(&pair.peer);
    kit_pair_end(&pair);
}

PEER(differences_answers)
{
    struct kit_pair pair;
    kit_pair_join(&pair);
    for (;;) {
        struct plain_rcv request;
        ASSERT_OK(kit_receive(&request.header, sizeof(request), pair.mine, 0, PATIENCE));
        if (request.header.msgh_remote_port == MACH_PORT_NULL)
            break;
        ASSERT_OK(kit_try_plain(request.header.msgh_remote_port, MACH_MSG_TYPE_MOVE_SEND_ONCE,
                                request.header.msgh_id, PATIENCE));
    }
    kit_pair_leave(&pair);
}

/* A reply that its sender has been told was sent is not lost, though a queue of the kernel's would
 * have ended before it. */
TEST_FOR(D1_queue_takes_every_reply_of_other_tasks, 60)
{
    GATE_DARWIN("the kernel refuses what is one too many, and the sender knows");
    enum { REPLIES = 65534 + 300 };
    struct kit_pair pair;
    mach_port_t reply = kit_receive_right();
    kit_pair_start(&pair, "differences_answers", "");
    for (int i = 0; i < REPLIES; i++) {
        struct plain_msg message;
        kit_header(&message.header,
                   MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MAKE_SEND_ONCE),
                   sizeof(message.header), pair.theirs, reply, i);
        ASSERT_OK(kit_send(&message.header, MACH_SEND_TIMEOUT, PATIENCE));
    }
    kit_send_plain(pair.theirs, 0);
    for (int i = 0; i < REPLIES; i++)
        kit_expect_plain(reply, i);
    kit_expect_nothing(reply);
    kit_destroy(reply);
    kit_pair_end(&pair);
}

PEER(differences_owner)
{
    char name[BOOTSTRAP_MAX_NAME_LEN];
    mach_port_t port = kit_port();
    strncpy(name, parent_argument(), sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    ASSERT_OK(bootstrap_register(bootstrap_port, name, port));
    parent_tell();
    kit_expect_plain(port, 7);
    parent_tell();
    parent_hear();
}

TEST(D3_a_stranger_is_refused)
{
    GATE_DARWIN("launchd's services are open to all users of a session");
    char name[BOOTSTRAP_MAX_NAME_LEN];
    mach_port_t found = MACH_PORT_NULL;
    struct peer peer;
    if (geteuid() != 0)
        GATE("only root may become another user");
    kit_service_name(name, sizeof(name));
    peer_start(&peer, "differences_owner", name);
    peer_hear(&peer);
    ASSERT_SYS(seteuid(65534));
    ASSERT_CODE(BOOTSTRAP_NOT_PRIVILEGED, bootstrap_look_up(bootstrap_port, name, &found));
    ASSERT_SYS(seteuid(0));
    ASSERT_OK(bootstrap_look_up(bootstrap_port, name, &found));
    kit_send_plain(found, 7);
    peer_hear(&peer);
    peer_tell(&peer);
    peer_join(&peer);
    kit_wait_dead(found);
    kit_destroy(found);
}

/* The right works before its owner runs again. */
TEST(D5_look_up_while_the_owner_is_stopped)
{
    GATE_DARWIN("launchd answers, whatever the owner does");
    char name[BOOTSTRAP_MAX_NAME_LEN];
    struct peer peer;
    mach_port_t found = MACH_PORT_NULL;
    kit_service_name(name, sizeof(name));
    peer_start(&peer, "differences_owner", name);
    peer_hear(&peer);
    ASSERT_SYS(kill(peer.pid, SIGSTOP));
    uint64_t start = kit_milliseconds();
    ASSERT_OK(bootstrap_look_up(bootstrap_port, name, &found));
    ASSERT(kit_milliseconds() - start < 2000);
    ASSERT_EQ(MACH_PORT_TYPE_SEND, kit_type(found));
    kit_send_plain(found, 7);
    ASSERT_SYS(kill(peer.pid, SIGCONT));
    peer_hear(&peer);
    peer_tell(&peer);
    peer_join(&peer);
    kit_wait_dead(found);
    kit_destroy(found);
}

PEER(differences_task)
{
    struct kit_pair pair;
    kit_pair_join(&pair);
    kit_send_right(pair.theirs, mach_task_self(), MACH_MSG_TYPE_COPY_SEND);
    kit_send_right(pair.theirs, mach_task_self(), MACH_MSG_TYPE_COPY_SEND);
    ASSERT_EQ(mach_task_self(), kit_take_right(pair.mine, MACH_MSG_TYPE_PORT_SEND)); /* home */
    parent_tell();
    parent_hear();
}

/* It can be watched, passed on and sent back; nothing answers there. */
TEST(D9_task_port_of_another_task)
{
    GATE_DARWIN("task control ports do not leave their task, and the kernel serves them");
    struct kit_pair pair;
    struct plain_msg message;
    mach_port_t notify = kit_receive_right();
    mach_port_t reply = kit_receive_right();
    task_info_data_t info;
    mach_msg_type_number_t count = TASK_INFO_MAX;
    kit_pair_start(&pair, "differences_task", "");
    mach_port_t task = kit_take_right(pair.mine, MACH_MSG_TYPE_PORT_SEND);
    ASSERT_EQ(task, kit_take_right(pair.mine, MACH_MSG_TYPE_PORT_SEND));
    ASSERT_EQ(MACH_PORT_TYPE_SEND, kit_type(task));
    ASSERT_EQ(2, kit_refs(task, MACH_PORT_RIGHT_SEND));
    ASSERT_NE(mach_task_self(), task);
    ASSERT_CODE(MACH_SEND_INVALID_DEST, task_info(task, MACH_TASK_BASIC_INFO, info, &count));
    kit_first_request(task, MACH_NOTIFY_DEAD_NAME, 0, notify);
    memset(&message, 0, sizeof(message));
    for (int i = 0; i < 20; i++) { /* more than a queue holds */
        kit_header(&message.header,
                   MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MAKE_SEND_ONCE),
                   sizeof(message), task, reply, 3402);
        ASSERT_OK(kit_send(&message.header, MACH_SEND_TIMEOUT, PATIENCE));
        kit_expect_send_once_notification(reply);
    }
    kit_send_right(pair.theirs, task, MACH_MSG_TYPE_COPY_SEND);
    peer_hear(&pair.peer);
    peer_kill(&pair.peer);
    ASSERT_EQ(task, kit_expect_notification(notify, MACH_NOTIFY_DEAD_NAME));
    kit_destroy(task);
    kit_pair_drop(&pair);
    kit_destroy(reply);
    kit_destroy(notify);
}

PEER(differences_looks)
{
    struct kit_pair pair;
    kit_pair_join(&pair);
    struct port_rcv received;
    ASSERT_OK(kit_receive(&received.header, sizeof(received), pair.mine, 0, PATIENCE));
    ASSERT_EQ(MACH_PORT_DEAD, received.port[0].name);
    kit_pair_leave(&pair);
}

TEST(D9_thread_ports_arrive_dead)
{
    GATE_DARWIN("the kernel itself is behind these ports");
    struct kit_pair pair;
    mach_port_t thread = mach_thread_self();
    kit_pair_start(&pair, "differences_looks", "");
    kit_send_right(pair.theirs, thread, MACH_MSG_TYPE_COPY_SEND);
    kit_pair_end(&pair);
    kit_deallocate(thread);
}

TEST(D18_saved_port_of_a_task_that_ends)
{
    GATE_DARWIN("the kernel has the port and sends it on");
    for (int killed = 0; killed < 2; killed++) {
        struct agent owner;
        mach_port_t notify = kit_receive_right();
        agent_start(&owner);
        mach_port_t theirs = agent_allocate(&owner);
        mach_port_t port = agent_get(&owner, theirs, MACH_MSG_TYPE_MAKE_SEND);
        agent_request(&owner, theirs, MACH_NOTIFY_PORT_DESTROYED, 0, notify);
        if (killed)
            agent_kill(&owner);
        else
            agent_exit(&owner);
        kit_expect_send_once_notification(notify);
        kit_wait_dead(port);
        agent_forget(&owner);
        kit_destroy(port);
        kit_destroy(notify);
    }
}
