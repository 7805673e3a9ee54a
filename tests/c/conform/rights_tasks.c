/* Rights that cross between tasks: coalescing, death of their ports and of their holders, and the
 * way to a third task. Section 5: S105, S114, S115. */
#include "harness/port_kit.h"

#include <signal.h>
#include <string.h>

/* Hands out send rights to a port of its own, then destroys the port and lives on. */
PEER(rights_giver)
{
    struct kit_pair pair;
    kit_pair_join(&pair);
    mach_port_t port = kit_receive_right();
    for (int i = 0; i < 3; i++)
        kit_send_right(pair.theirs, port, MACH_MSG_TYPE_MAKE_SEND);
    kit_send_right(pair.theirs, port, MACH_MSG_TYPE_MAKE_SEND_ONCE);
    parent_tell();
    parent_hear();
    kit_destroy(port);
    parent_tell();
    parent_hear();
    kit_pair_leave(&pair);
}

TEST(S105_S114_rights_of_another_task_coalesce_and_die)
{
    struct kit_pair pair;
    kit_pair_start(&pair, "rights_giver", "");
    peer_hear(&pair.peer);
    mach_port_t name = kit_take_right(pair.mine, MACH_MSG_TYPE_PORT_SEND);
    ASSERT_EQ(MACH_PORT_TYPE_SEND, kit_type(name));
    for (unsigned i = 2; i <= 3; i++) {
        ASSERT_EQ(name, kit_take_right(pair.mine, MACH_MSG_TYPE_PORT_SEND));
        ASSERT_EQ(i, kit_refs(name, MACH_PORT_RIGHT_SEND));
    }
    mach_port_t once = kit_take_right(pair.mine, MACH_MSG_TYPE_PORT_SEND_ONCE);
    ASSERT_NE(name, once);
    ASSERT_EQ(MACH_PORT_TYPE_SEND_ONCE, kit_type(once));
    peer_tell(&pair.peer);
    peer_hear(&pair.peer); /* the port has died, its task lives */
    kit_wait_dead(name);
    kit_wait_dead(once);
    ASSERT_EQ(3, kit_refs(name, MACH_PORT_RIGHT_DEAD_NAME));
    ASSERT_EQ(1, kit_refs(once, MACH_PORT_RIGHT_DEAD_NAME));
    ASSERT_CODE(MACH_SEND_INVALID_DEST, kit_try_plain(name, MACH_MSG_TYPE_COPY_SEND, 1, 0));
    ASSERT_EQ(3, kit_refs(name, MACH_PORT_RIGHT_DEAD_NAME));
    kit_destroy(name);
    kit_destroy(once);
    peer_tell(&pair.peer);
    kit_pair_end(&pair);
}

TEST(S114_rights_of_a_killed_task_die)
{
    struct kit_pair pair;
    kit_pair_start(&pair, "rights_giver", "");
    peer_hear(&pair.peer);
    mach_port_t name = kit_take_right(pair.mine, MACH_MSG_TYPE_PORT_SEND);
    peer_kill(&pair.peer);
    /* What it had sent is still there, and is dead on arrival or soon after (S102). */
    for (int i = 0; i < 2; i++) {
        mach_port_t again = kit_take_right(pair.mine, MACH_MSG_TYPE_PORT_SEND);
        if (again != MACH_PORT_DEAD) {
            kit_wait_dead(again);
            if (again != name)
                kit_destroy(again);
        }
    }
    mach_port_t once = kit_take_right(pair.mine, MACH_MSG_TYPE_PORT_SEND_ONCE);
    if (once != MACH_PORT_DEAD) {
        kit_wait_dead(once);
        kit_destroy(once);
    }
    kit_wait_dead(name);
    kit_destroy(name);
    kit_pair_drop(&pair);
}

TEST(S115_make_needs_the_receive_right)
{
    struct kit_pair pair;
    mach_port_t carrier = kit_port();
    kit_pair_start(&pair, "rights_giver", "");
    peer_hear(&pair.peer);
    ASSERT_CODE(MACH_SEND_INVALID_RIGHT,
                kit_try_right(carrier, pair.theirs, MACH_MSG_TYPE_MAKE_SEND));
    ASSERT_CODE(MACH_SEND_INVALID_RIGHT,
                kit_try_right(carrier, pair.theirs, MACH_MSG_TYPE_MAKE_SEND_ONCE));
    ASSERT_CODE(MACH_SEND_INVALID_DEST, kit_try_plain(pair.theirs, MACH_MSG_TYPE_MAKE_SEND, 1, 0));
    /* A moved send right leaves no name behind; it comes home alone. */
    kit_send_right(carrier, pair.theirs, MACH_MSG_TYPE_MOVE_SEND);
    mach_port_type_t type;
    ASSERT_CODE(KERN_INVALID_NAME, mach_port_type(mach_task_self(), pair.theirs, &type));
    pair.theirs = kit_take_right(carrier, MACH_MSG_TYPE_PORT_SEND);
    kit_destroy(carrier);
    peer_tell(&pair.peer);
    peer_hear(&pair.peer);
    peer_tell(&pair.peer);
    for (int i = 0; i < 3; i++) {
        mach_port_t name = kit_take_right(pair.mine, MACH_MSG_TYPE_PORT_SEND);
        if (name != MACH_PORT_DEAD)
            kit_destroy(name);
    }
    mach_port_t once = kit_take_right(pair.mine, MACH_MSG_TYPE_PORT_SEND_ONCE);
    if (once != MACH_PORT_DEAD)
        kit_destroy(once);
    kit_pair_end(&pair);
}

/* A right to the port of one task, handed by a second to a third, who uses it directly. */
PEER(rights_passer)
{
    struct kit_pair pair;
    kit_pair_join(&pair);
    mach_port_t name = kit_take_right(pair.mine, MACH_MSG_TYPE_PORT_SEND);
    mach_port_t once = kit_take_right(pair.mine, MACH_MSG_TYPE_PORT_SEND_ONCE);
    if (strcmp(pair.argument, "uses") == 0) {
        kit_send_plain(name, 11);
        ASSERT_OK(kit_try_plain(once, MACH_MSG_TYPE_MOVE_SEND_ONCE, 12, 0));
        kit_deallocate(name);
    } else {
        kit_send_right(pair.theirs, name, MACH_MSG_TYPE_MOVE_SEND);
        kit_send_right(pair.theirs, once, MACH_MSG_TYPE_MOVE_SEND_ONCE);
    }
    parent_hear();
    kit_pair_leave(&pair);
}

static void hand_over(struct kit_pair *pair, mach_port_t name, mach_port_t once)
{
    kit_send_right(pair->theirs, name, MACH_MSG_TYPE_MOVE_SEND);
    kit_send_right(pair->theirs, once, MACH_MSG_TYPE_MOVE_SEND_ONCE);
}

/* Port of A (this task), through B, back to A: it is the old name again. */
TEST(S105_right_comes_home_through_another_task)
{
    struct kit_pair pair;
    mach_port_t port = kit_port();
    kit_pair_start(&pair, "rights_passer", "passes");
    hand_over(&pair, port, kit_send_once(port));
    ASSERT_EQ(MACH_PORT_TYPE_RECEIVE, kit_type(port));
    ASSERT_EQ(port, kit_take_right(pair.mine, MACH_MSG_TYPE_PORT_SEND));
    ASSERT_EQ(MACH_PORT_TYPE_SEND_RECEIVE, kit_type(port));
    mach_port_t once = kit_take_right(pair.mine, MACH_MSG_TYPE_PORT_SEND_ONCE);
    ASSERT_OK(kit_try_plain(once, MACH_MSG_TYPE_MOVE_SEND_ONCE, 12, 0));
    kit_expect_plain(port, 12);
    kit_expect_nothing(port);
    peer_tell(&pair.peer);
    kit_pair_end(&pair);
    kit_destroy(port);
}

/* Port of A, through B and back through A, used by C. */
TEST(S115_rights_pass_on_to_a_third_task)
{
    struct kit_pair passer;
    struct kit_pair user;
    mach_port_t port = kit_port();
    kit_pair_start(&passer, "rights_passer", "passes");
    kit_pair_start(&user, "rights_passer", "uses");
    hand_over(&passer, port, kit_send_once(port));
    mach_port_t name = kit_take_right(passer.mine, MACH_MSG_TYPE_PORT_SEND);
    mach_port_t once = kit_take_right(passer.mine, MACH_MSG_TYPE_PORT_SEND_ONCE);
    hand_over(&user, name, once);
    kit_expect_plain(port, 11);
    kit_expect_plain(port, 12);
    kit_expect_nothing(port);
    peer_tell(&passer.peer);
    peer_tell(&user.peer);
    kit_pair_end(&passer);
    kit_pair_end(&user);
    kit_destroy(port);
}

/* The rights of B's port go from A to C; B hears from C although A is gone from the way. */
PEER(rights_owner)
{
    struct kit_pair pair;
    kit_pair_join(&pair);
    mach_port_t port = kit_receive_right();
    kit_send_right(pair.theirs, port, MACH_MSG_TYPE_MAKE_SEND);
    kit_send_right(pair.theirs, port, MACH_MSG_TYPE_MAKE_SEND_ONCE);
    kit_expect_plain(port, 11);
    kit_expect_plain(port, 12);
    parent_tell();
    parent_hear();
    kit_destroy(port);
    kit_pair_leave(&pair);
}

TEST(S115_right_of_a_second_task_used_by_a_third)
{
    struct kit_pair owner;
    struct kit_pair user;
    kit_pair_start(&owner, "rights_owner", "");
    kit_pair_start(&user, "rights_passer", "uses");
    mach_port_t name = kit_take_right(owner.mine, MACH_MSG_TYPE_PORT_SEND);
    mach_port_t once = kit_take_right(owner.mine, MACH_MSG_TYPE_PORT_SEND_ONCE);
    hand_over(&user, name, once);
    peer_hear(&owner.peer);
    peer_tell(&owner.peer);
    peer_tell(&user.peer);
    kit_pair_end(&owner);
    kit_pair_end(&user);
}

/* The same while the owner is stopped: rights in flight do not wait for it. */
TEST(S115_right_passes_on_while_its_owner_does_not_run)
{
    struct kit_pair pair;
    struct kit_pair owner;
    kit_pair_start(&owner, "rights_owner", "");
    mach_port_t name = kit_take_right(owner.mine, MACH_MSG_TYPE_PORT_SEND);
    mach_port_t once = kit_take_right(owner.mine, MACH_MSG_TYPE_PORT_SEND_ONCE);
    kill(owner.peer.pid, SIGSTOP);
    kit_pair_start(&pair, "rights_passer", "passes");
    hand_over(&pair, name, once);
    name = kit_take_right(pair.mine, MACH_MSG_TYPE_PORT_SEND);
    once = kit_take_right(pair.mine, MACH_MSG_TYPE_PORT_SEND_ONCE);
    kill(owner.peer.pid, SIGCONT);
    kit_send_plain(name, 11);
    ASSERT_OK(kit_try_plain(once, MACH_MSG_TYPE_MOVE_SEND_ONCE, 12, 0));
    peer_hear(&owner.peer);
    kit_deallocate(name);
    peer_tell(&owner.peer);
    peer_tell(&pair.peer);
    kit_pair_end(&pair);
    kit_pair_end(&owner);
}
