/* Ports made and unmade in one call, and guards. Section 5. */
#include "harness/port_kit.h"

#include <string.h>

static const uint64_t GUARD = 0xfeedf00ddeadbeef;

static mach_port_t construct(unsigned flags, mach_port_context_t context)
{
    mach_port_options_t options;
    mach_port_t name = MACH_PORT_NULL;
    memset(&options, 0, sizeof(options));
    options.flags = flags;
    ASSERT_OK(mach_port_construct(mach_task_self(), &options, context, &name));
    return name;
}

static kern_return_t destruct(mach_port_t name, int delta, mach_port_context_t guard)
{
    return mach_port_destruct(mach_task_self(), name, delta, guard);
}

static mach_port_context_t context_of(mach_port_t name)
{
    mach_port_context_t context = 0xa5;
    ASSERT_OK(mach_port_get_context(mach_task_self(), name, &context));
    return context;
}

static unsigned flags_of(mach_port_t name)
{
    return kit_status(name).mps_flags &
           (MACH_PORT_STATUS_FLAG_GUARDED | MACH_PORT_STATUS_FLAG_STRICT_GUARD |
            MACH_PORT_STATUS_FLAG_GUARD_IMMOVABLE_RECEIVE);
}

TEST(S141_plain_port)
{
    mach_port_t port = construct(0, 0);
    ASSERT_EQ(MACH_PORT_TYPE_RECEIVE, kit_type_and_requests(port));
    ASSERT_EQ(5, kit_status(port).mps_qlimit);
    ASSERT_EQ(0, kit_status(port).mps_mscount);
    ASSERT_EQ(0, flags_of(port));
    ASSERT_OK(destruct(port, 0, 0));
    ASSERT(kit_is_gone(port));
}

TEST(S141_with_a_send_right)
{
    mach_port_t port = construct(MPO_INSERT_SEND_RIGHT, 0);
    ASSERT_EQ(MACH_PORT_TYPE_SEND_RECEIVE, kit_type(port));
    ASSERT_EQ(1, kit_refs(port, MACH_PORT_RIGHT_SEND));
    ASSERT_EQ(1, kit_status(port).mps_mscount);
    kit_send_plain(port, 1);
    kit_expect_plain(port, 1);
    ASSERT_OK(destruct(port, -1, 0));
    ASSERT(kit_is_gone(port));
}

TEST(S141_with_a_queue_limit)
{
    mach_port_options_t options;
    mach_port_t port = MACH_PORT_NULL;
    memset(&options, 0, sizeof(options));
    options.flags = MPO_QLIMIT | MPO_INSERT_SEND_RIGHT;
    options.mpl.mpl_qlimit = 16;
    ASSERT_OK(mach_port_construct(mach_task_self(), &options, 0, &port));
    ASSERT_EQ(16, kit_status(port).mps_qlimit);
    kit_fill_queue(port, 16);
    ASSERT_OK(destruct(port, -1, 0));
    options.mpl.mpl_qlimit = 1025;
    ASSERT_CODE(KERN_INVALID_VALUE, mach_port_construct(mach_task_self(), &options, 0, &port));
}

TEST(S141_with_a_context)
{
    mach_port_t port = construct(0, 77);
    ASSERT_EQ(77, context_of(port));
    ASSERT_EQ(0, flags_of(port));
    ASSERT_OK(destruct(port, 0, 0));
}

TEST(S141_destruct_leaves_a_dead_name)
{
    mach_port_t port = construct(MPO_INSERT_SEND_RIGHT, 0);
    ASSERT_OK(mach_port_insert_right(mach_task_self(), port, port, MACH_MSG_TYPE_MAKE_SEND));
    ASSERT_OK(mach_port_insert_right(mach_task_self(), port, port, MACH_MSG_TYPE_MAKE_SEND));
    ASSERT_OK(destruct(port, -1, 0)); /* one of three (S112) */
    ASSERT_EQ(MACH_PORT_TYPE_DEAD_NAME, kit_type(port));
    ASSERT_EQ(2, kit_refs(port, MACH_PORT_RIGHT_DEAD_NAME));
    kit_destroy(port);
}

TEST(S141_destruct_refused)
{
    mach_port_t port = construct(0, 0);
    mach_port_t dead = kit_dead_name();
    ASSERT_CODE(KERN_INVALID_RIGHT, destruct(port, -1, 0)); /* it has no send right */
    ASSERT_OK(mach_port_insert_right(mach_task_self(), port, port, MACH_MSG_TYPE_MAKE_SEND));
    ASSERT_CODE(KERN_INVALID_VALUE, destruct(port, -2, 0));
    ASSERT_CODE(KERN_INVALID_VALUE, destruct(port, 1, 0));
    ASSERT_CODE(KERN_INVALID_RIGHT, destruct(dead, 0, 0));
    ASSERT_CODE(KERN_INVALID_NAME, destruct(kit_unknown_name(), 0, 0));
    ASSERT_CODE(KERN_INVALID_NAME, destruct(MACH_PORT_NULL, 0, 0));
    ASSERT_EQ(MACH_PORT_TYPE_SEND_RECEIVE, kit_type(port));
    ASSERT_EQ(1, kit_refs(port, MACH_PORT_RIGHT_SEND));
    kit_destroy(port);
    kit_destroy(dead);
}

/* Destroying is destroying: everybody hears of it. */
TEST(S141_destruct_tells_everybody)
{
    struct agent holder;
    mach_port_t notify = kit_receive_right();
    mach_port_t inside = kit_receive_right();
    mach_port_t port = construct(MPO_INSERT_SEND_RIGHT, 0);
    agent_start(&holder);
    mach_port_t theirs = agent_give(&holder, port, MACH_MSG_TYPE_COPY_SEND);
    agent_request(&holder, theirs, MACH_NOTIFY_DEAD_NAME, 0, notify);
    kit_send_right(port, inside, MACH_MSG_TYPE_MAKE_SEND_ONCE);
    ASSERT_OK(destruct(port, -1, 0));
    kit_expect_send_once_notification(inside);
    ASSERT_EQ(theirs, kit_expect_notification(notify, MACH_NOTIFY_DEAD_NAME));
    agent_end(&holder);
    kit_destroy(inside);
    kit_destroy(notify);
}

TEST(S141_dropping_the_last_right_in_destruct)
{
    mach_port_t notify = kit_receive_right();
    mach_port_t port = construct(MPO_INSERT_SEND_RIGHT, 0);
    kit_first_request(port, MACH_NOTIFY_NO_SENDERS, 0, notify);
    ASSERT_OK(destruct(port, -1, 0));
    struct plain_rcv received; /* either no senders were left, or no port */
    ASSERT_OK(kit_receive(&received.header, sizeof(received), notify, 0, PATIENCE));
    ASSERT(received.header.msgh_id == 70 || received.header.msgh_id == 71);
    kit_expect_nothing(notify);
    kit_destroy(notify);
}

/* Guards. */

TEST(S141_context_as_guard)
{
    mach_port_t port = construct(MPO_CONTEXT_AS_GUARD | MPO_INSERT_SEND_RIGHT, GUARD);
    ASSERT_EQ(MACH_PORT_STATUS_FLAG_GUARDED, flags_of(port));
    ASSERT_EQ(GUARD, context_of(port));
    kit_send_plain(port, 1); /* sending and receiving as ever */
    kit_expect_plain(port, 1);
    ASSERT_OK(destruct(port, -1, GUARD));
    ASSERT(kit_is_gone(port));
}

TEST(S141_strict_guard_hides_the_context)
{
    mach_port_t port = construct(MPO_CONTEXT_AS_GUARD | MPO_STRICT, GUARD);
    ASSERT_EQ(MACH_PORT_STATUS_FLAG_GUARDED | MACH_PORT_STATUS_FLAG_STRICT_GUARD, flags_of(port));
    ASSERT_EQ(0, context_of(port));
    ASSERT_OK(destruct(port, 0, GUARD));
}

TEST(S141_guard_and_unguard)
{
    mach_port_t port = kit_port();
    ASSERT_OK(mach_port_guard(mach_task_self(), port, GUARD, FALSE));
    ASSERT_EQ(MACH_PORT_STATUS_FLAG_GUARDED, flags_of(port));
    ASSERT_OK(mach_port_unguard(mach_task_self(), port, GUARD));
    ASSERT_EQ(0, flags_of(port));
    ASSERT_EQ(0, context_of(port));
    ASSERT_OK(mach_port_guard(mach_task_self(), port, GUARD, TRUE));
    ASSERT_EQ(MACH_PORT_STATUS_FLAG_GUARDED | MACH_PORT_STATUS_FLAG_STRICT_GUARD, flags_of(port));
    ASSERT_OK(mach_port_unguard(mach_task_self(), port, GUARD));
    kit_destroy(port);
}

TEST(S141_guard_with_flags)
{
    mach_port_t port = kit_port();
    ASSERT_OK(mach_port_guard_with_flags(mach_task_self(), port, GUARD,
                                         MPG_STRICT | MPG_IMMOVABLE_RECEIVE));
    ASSERT_EQ(MACH_PORT_STATUS_FLAG_GUARDED | MACH_PORT_STATUS_FLAG_STRICT_GUARD |
                  MACH_PORT_STATUS_FLAG_GUARD_IMMOVABLE_RECEIVE,
              flags_of(port));
    ASSERT_OK(mach_port_unguard(mach_task_self(), port, GUARD));
    ASSERT_EQ(0, flags_of(port));
    kit_destroy(port);
}

TEST(S141_swap_guard)
{
    mach_port_t port = construct(MPO_CONTEXT_AS_GUARD, GUARD);
    ASSERT_OK(mach_port_swap_guard(mach_task_self(), port, GUARD, 5));
    ASSERT_EQ(5, context_of(port));
    ASSERT_OK(destruct(port, 0, 5));
}

/* What is already guarded, or in use as context, is refused; so is a wrong kind of name. */
TEST(S141_guard_refused)
{
    mach_port_t port = kit_port();
    mach_port_t dead = kit_dead_name();
    ASSERT_CODE(KERN_INVALID_NAME,
                mach_port_guard(mach_task_self(), kit_unknown_name(), GUARD, FALSE));
    ASSERT_CODE(KERN_INVALID_RIGHT, mach_port_guard(mach_task_self(), dead, GUARD, FALSE));
    ASSERT_OK(mach_port_set_context(mach_task_self(), port, 9));
    ASSERT_CODE(KERN_INVALID_ARGUMENT, mach_port_guard(mach_task_self(), port, GUARD, FALSE));
    ASSERT_OK(mach_port_set_context(mach_task_self(), port, 0));
    ASSERT_OK(mach_port_guard(mach_task_self(), port, GUARD, FALSE));
    ASSERT_CODE(KERN_INVALID_ARGUMENT, mach_port_guard(mach_task_self(), port, GUARD, FALSE));
    ASSERT_OK(destruct(port, -1, GUARD));
    kit_destroy(dead);
}

#define GATE_GUARD() GATE_DARWIN("a violated guard is an exception there, which ends the process")

TEST(S141_wrong_guard)
{
    GATE_GUARD();
    mach_port_t port = construct(MPO_CONTEXT_AS_GUARD, GUARD);
    ASSERT_CODE(KERN_INVALID_ARGUMENT, destruct(port, 0, GUARD + 1));
    ASSERT_CODE(KERN_INVALID_ARGUMENT, destruct(port, 0, 0));
    ASSERT_CODE(KERN_INVALID_ARGUMENT, mach_port_unguard(mach_task_self(), port, GUARD + 1));
    ASSERT_CODE(KERN_INVALID_ARGUMENT, mach_port_swap_guard(mach_task_self(), port, GUARD + 1, 5));
    ASSERT_EQ(MACH_PORT_STATUS_FLAG_GUARDED, flags_of(port));
    ASSERT_OK(mach_port_unguard(mach_task_self(), port, GUARD));
    ASSERT_CODE(KERN_INVALID_ARGUMENT, mach_port_unguard(mach_task_self(), port, GUARD));
    ASSERT_CODE(KERN_INVALID_ARGUMENT, mach_port_swap_guard(mach_task_self(), port, GUARD, 5));
    kit_destroy(port);
}

TEST(S141_guarded_port_is_not_destroyed_without_its_guard)
{
    GATE_GUARD();
    mach_port_t port = construct(MPO_CONTEXT_AS_GUARD | MPO_INSERT_SEND_RIGHT, GUARD);
    ASSERT_CODE(KERN_INVALID_RIGHT,
                mach_port_mod_refs(mach_task_self(), port, MACH_PORT_RIGHT_RECEIVE, -1));
    ASSERT_CODE(KERN_INVALID_RIGHT, mach_port_destroy(mach_task_self(), port));
    ASSERT_EQ(MACH_PORT_TYPE_SEND_RECEIVE, kit_type(port));
    kit_deallocate(port); /* its send right is not guarded */
    ASSERT_EQ(MACH_PORT_TYPE_RECEIVE, kit_type(port));
    ASSERT_OK(destruct(port, 0, GUARD));
}

TEST(S141_strict_guard_keeps_its_context)
{
    GATE_GUARD();
    mach_port_t port = construct(MPO_CONTEXT_AS_GUARD | MPO_STRICT, GUARD);
    ASSERT_CODE(KERN_INVALID_ARGUMENT, mach_port_set_context(mach_task_self(), port, 5));
    ASSERT_CODE(KERN_INVALID_ARGUMENT, mach_port_swap_guard(mach_task_self(), port, GUARD, 5));
    ASSERT_OK(destruct(port, 0, GUARD));
}

TEST(S141_immovable_port_does_not_move)
{
    GATE_GUARD();
    mach_port_t carrier = kit_port();
    mach_port_t port = kit_port();
    ASSERT_OK(mach_port_guard_with_flags(mach_task_self(), port, GUARD, MPG_IMMOVABLE_RECEIVE));
    ASSERT_CODE(MACH_SEND_INVALID_RIGHT, kit_try_right(carrier, port, MACH_MSG_TYPE_MOVE_RECEIVE));
    ASSERT_EQ(MACH_PORT_TYPE_SEND_RECEIVE, kit_type(port));
    ASSERT_OK(mach_port_unguard(mach_task_self(), port, GUARD)); /* it stays where it is even so */
    ASSERT_CODE(MACH_SEND_INVALID_RIGHT, kit_try_right(carrier, port, MACH_MSG_TYPE_MOVE_RECEIVE));
    kit_destroy(port);
    kit_destroy(carrier);
}
