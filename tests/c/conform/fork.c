/* Fork: a fresh name space, the bootstrap port, and memory by inheritance. Sections 5 and 8: S142,
 * S182. */
#include "harness/mach_kit.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

TEST(S142_child_has_none_of_the_parents_names)
{
    mach_port_t port = kit_port();
    mach_port_t other = kit_port();
    mach_port_t once = kit_send_once(port);
    pid_t pid = (pid_t)ASSERT_SYS(fork());
    if (pid == 0) {
        const mach_port_t names[] = {port, other, once};
        struct plain_rcv received;
        mach_port_type_t type;
        for (int i = 0; i < 3; i++) {
            ASSERT_CODE(KERN_INVALID_NAME, mach_port_type(mach_task_self(), names[i], &type));
            ASSERT_CODE(KERN_INVALID_NAME, mach_port_deallocate(mach_task_self(), names[i]));
            ASSERT_CODE(MACH_SEND_INVALID_DEST,
                        kit_try_plain(names[i], MACH_MSG_TYPE_COPY_SEND, 1, 0));
            ASSERT_CODE(MACH_RCV_INVALID_NAME,
                        kit_receive(&received.header, sizeof(received), names[i], 0, 0));
        }
        _exit(0);
    }
    kit_wait_child(pid);
    kit_expect_nothing(port); /* the child's end told nobody: it held nothing */
    ASSERT_EQ(MACH_PORT_TYPE_SEND_RECEIVE, kit_type(port));
    ASSERT_EQ(MACH_PORT_TYPE_SEND_ONCE, kit_type(once));
    kit_destroy(once);
    kit_destroy(port);
    kit_destroy(other);
}

/* The child works as a task of its own and finds its parent through bootstrap. */
TEST(S142_child_has_the_bootstrap_port)
{
    char service[BOOTSTRAP_MAX_NAME_LEN];
    mach_port_t port = kit_port();
    kit_service_name(service, sizeof(service));
    ASSERT_OK(bootstrap_register(bootstrap_port, service, port));
    pid_t pid = (pid_t)ASSERT_SYS(fork());
    if (pid == 0) {
        mach_port_t found;
        mach_port_t special;
        mach_port_t own = kit_port();
        ASSERT_OK(task_get_special_port(mach_task_self(), TASK_BOOTSTRAP_PORT, &special));
        ASSERT_OK(bootstrap_look_up(special, service, &found));
        kit_send_plain(found, 5);
        kit_send_plain(own, 6);
        kit_expect_plain(own, 6);
        _exit(0);
    }
    kit_expect_plain(port, 5);
    kit_wait_child(pid);
    kit_destroy(port);
}

PEER(fork_parent)
{
    struct kit_pair pair;
    kit_pair_join(&pair);
    parent_hear();
    pid_t pid = (pid_t)ASSERT_SYS(fork());
    if (pid == 0) {
        parent_tell(); /* the grandchild lives ... */
        parent_hear(); /* ... until it is told */
        _exit(0);
    }
    if (strcmp(pair.argument, "dies") == 0)
        _exit(0);
    kit_expect_plain(pair.mine, 8);
    kit_send_plain(pair.theirs, 9);
    kit_wait_child(pid);
    kit_pair_leave(&pair);
}

TEST(S142_peers_see_the_parents_death_while_the_child_lives)
{
    struct kit_pair pair;
    siginfo_t info;
    kit_pair_start(&pair, "fork_parent", "dies");
    peer_tell(&pair.peer);
    peer_hear(&pair.peer);
    ASSERT_SYS(waitid(P_PID, (id_t)pair.peer.pid, &info, WEXITED | WNOWAIT));
    kit_wait_dead(pair.theirs);
    peer_tell(&pair.peer);
    peer_join(&pair.peer);
    kit_pair_drop(&pair);
}

TEST(S142_parent_goes_on_after_fork)
{
    struct kit_pair pair;
    kit_pair_start(&pair, "fork_parent", "lives");
    peer_tell(&pair.peer);
    peer_hear(&pair.peer);
    kit_send_plain(pair.theirs, 8);
    kit_expect_plain(pair.mine, 9);
    ASSERT_EQ(MACH_PORT_TYPE_SEND, kit_type(pair.theirs));
    peer_tell(&pair.peer);
    kit_pair_end(&pair);
}

TEST(S142_queued_messages_stay_with_the_parent)
{
    const size_t size = 1 << 20;
    mach_port_t port = kit_port();
    struct ool_msg message;
    struct ool_rcv received;
    void *memory = kit_allocate(size);
    kit_fill(memory, size, 1);
    kit_ool_msg(&message, port, 1, memory, size, 1, true);
    ASSERT_OK(kit_send(&message.header, 0, 0));
    pid_t pid = (pid_t)ASSERT_SYS(fork());
    if (pid == 0)
        _exit(0);
    kit_wait_child(pid);
    ASSERT_OK(kit_receive(&received.header, sizeof(received), port, 0, 0));
    ASSERT_FILLED(received.ool[0].address, size, 1);
    kit_free(received.ool[0].address, size);
    kit_destroy(port);
}

/* Memory of vm_allocate: copy-on-write both ways, whether or not it has been sent before. */
static void writes_stay_apart(char *memory, size_t size)
{
    int ends[2];
    char byte = 0;
    kit_fill(memory, size, 1);
    ASSERT_SYS(pipe(ends));
    pid_t pid = (pid_t)ASSERT_SYS(fork());
    if (pid == 0) {
        ASSERT_EQ(1, read(ends[0], &byte, 1));
        ASSERT_FILLED(memory, size, 1);
        memset(memory, 3, size);
        kit_free(memory, size); /* the child's own to free */
        ASSERT(!kit_is_readable(memory));
        _exit(0);
    }
    memset(memory, 2, size);
    ASSERT_EQ(1, write(ends[1], "!", 1));
    kit_wait_child(pid);
    ASSERT_ALL(2, memory, size);
    close(ends[0]);
    close(ends[1]);
}

TEST(S182_allocated_memory_is_copied_by_fork)
{
    const size_t sizes[] = {100, 1 << 16, 1 << 21};
    for (unsigned i = 0; i < 3; i++) {
        char *memory = kit_allocate(sizes[i]);
        writes_stay_apart(memory, sizes[i]);
        writes_stay_apart(memory, sizes[i]);
        kit_free(memory, sizes[i]);
    }
}

TEST(S182_sent_memory_is_copied_by_fork)
{
    const size_t size = 1 << 21;
    mach_port_t port = kit_port();
    struct ool_msg message;
    struct ool_rcv received;
    char *memory = kit_allocate(size);
    memset(memory, 7, size);
    kit_ool_msg(&message, port, 1, memory, size, 1, false);
    ASSERT_OK(kit_send(&message.header, 0, 0));
    writes_stay_apart(memory, size);
    ASSERT_OK(kit_receive(&received.header, sizeof(received), port, 0, 0));
    ASSERT_ALL(7, received.ool[0].address, size);
    writes_stay_apart(received.ool[0].address, size);
    kit_free(received.ool[0].address, size);
    kit_free(memory, size);
    kit_destroy(port);
}

/* What is sent after a fork is a snapshot as ever, from parent and from child. */
TEST(S65_S182_sending_inherited_memory)
{
    const size_t size = 1 << 21;
    char service[BOOTSTRAP_MAX_NAME_LEN];
    mach_port_t port = kit_port();
    char *memory = kit_allocate(size);
    kit_fill(memory, size, 1);
    kit_service_name(service, sizeof(service));
    ASSERT_OK(bootstrap_register(bootstrap_port, service, port));
    pid_t pid = (pid_t)ASSERT_SYS(fork());
    struct ool_msg message;
    mach_port_t to = port;
    if (pid == 0)
        ASSERT_OK(bootstrap_look_up(bootstrap_port, service, &to));
    memory[0] = pid == 0 ? 'c' : 'p';
    kit_ool_msg(&message, to, pid == 0, memory, size, 1, false);
    ASSERT_OK(kit_send(&message.header, MACH_SEND_TIMEOUT, PATIENCE));
    memset(memory, 0xee, size);
    if (pid == 0)
        _exit(0);
    kit_wait_child(pid);
    for (int i = 0; i < 2; i++) {
        struct ool_rcv received;
        ASSERT_OK(kit_receive(&received.header, sizeof(received), port, 0, PATIENCE));
        char *region = received.ool[0].address;
        ASSERT_EQ(received.header.msgh_id == 1 ? 'c' : 'p', region[0]);
        kit_fill(memory, size, 1);
        ASSERT_MEM(memory + 1, region + 1, size - 1);
        kit_free(region, size);
    }
    kit_free(memory, size);
    kit_destroy(port);
}
