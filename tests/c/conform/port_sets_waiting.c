/* Port sets with somebody waiting: threads at a set and at its members, clients in other tasks.
 * Sections 4 to 6. */
#include "harness/port_kit.h"

#include <string.h>

static kern_return_t insert(mach_port_t member, mach_port_t set)
{
    return mach_port_insert_member(mach_task_self(), member, set);
}

static kern_return_t extract(mach_port_t member, mach_port_t set)
{
    return mach_port_extract_member(mach_task_self(), member, set);
}

TEST(S100_blocked_on_a_set)
{
    mach_port_t set = kit_port_set();
    struct kit_call waiter = {.port = set};
    mach_port_t first = kit_port();
    mach_port_t second = kit_port();
    ASSERT_OK(insert(first, set));
    kit_block_receiving(&waiter);
    ASSERT_OK(insert(second, set)); /* joins while somebody waits */
    kit_event_quiet(&waiter.done, 0);
    kit_send_plain(second, 5);
    ASSERT_OK(kit_call_end(&waiter));
    ASSERT_EQ(5, waiter.id);
    ASSERT_EQ(second, waiter.message.header.msgh_local_port);
    kit_destroy(set);
    kit_destroy(first);
    kit_destroy(second);
}

TEST(S139_joining_with_a_message_wakes_the_set)
{
    mach_port_t set = kit_port_set();
    struct kit_call waiter = {.port = set};
    mach_port_t port = kit_port();
    kit_send_plain(port, 5);
    kit_block_receiving(&waiter); /* without members it waits just so */
    ASSERT_OK(insert(port, set));
    ASSERT_OK(kit_call_end(&waiter));
    ASSERT_EQ(5, waiter.id);
    ASSERT_EQ(port, waiter.message.header.msgh_local_port);
    kit_destroy(set);
    kit_destroy(port);
}

TEST(S139_extracted_port_no_longer_wakes_the_set)
{
    mach_port_t set = kit_port_set();
    struct kit_call waiter = {.port = set};
    mach_port_t gone = kit_port();
    mach_port_t stays = kit_port();
    ASSERT_OK(insert(gone, set));
    ASSERT_OK(insert(stays, set));
    kit_block_receiving(&waiter);
    ASSERT_OK(extract(gone, set));
    kit_send_plain(gone, 1);
    kit_event_quiet(&waiter.done, 0);
    kit_send_plain(stays, 2);
    ASSERT_OK(kit_call_end(&waiter));
    ASSERT_EQ(2, waiter.id);
    kit_expect_plain(gone, 1);
    kit_destroy(set);
    kit_destroy(gone);
    kit_destroy(stays);
}

TEST(S151_joining_does_not_disturb_who_waits_at_the_port)
{
    mach_port_t set = kit_port_set();
    mach_port_t port = kit_port();
    struct kit_call waiter = {.port = port};
    kit_block_receiving(&waiter);
    ASSERT_OK(insert(port, set));
    kit_event_quiet(&waiter.done, 0);
    ASSERT_OK(extract(port, set));
    kit_event_quiet(&waiter.done, 0);
    ASSERT_OK(mach_port_move_member(mach_task_self(), port, set));
    kit_event_quiet(&waiter.done, 0);
    kit_send_plain(port, 6);
    ASSERT_OK(kit_call_end(&waiter));
    ASSERT_EQ(6, waiter.id);
    kit_expect_nothing(set);
    kit_destroy(set);
    kit_destroy(port);
}

static void expect_changed(mach_msg_return_t result)
{
    if (result != MACH_RCV_PORT_DIED)
        ASSERT_CODE(MACH_RCV_PORT_CHANGED, result);
}

TEST(S150_set_destroyed_while_somebody_waits)
{
    mach_port_t set = kit_port_set();
    struct kit_call waiter = {.port = set};
    mach_port_t port = kit_port();
    ASSERT_OK(insert(port, set));
    kit_block_receiving(&waiter);
    kit_destroy(set);
    expect_changed(kit_call_end(&waiter));
    kit_send_plain(port, 1);
    kit_expect_plain(port, 1);
    kit_destroy(port);
}

TEST(S150_member_destroyed_while_somebody_waits_at_the_set)
{
    mach_port_t set = kit_port_set();
    struct kit_call waiter = {.port = set};
    mach_port_t port = kit_port();
    mach_port_t other = kit_port();
    ASSERT_OK(insert(port, set));
    ASSERT_OK(insert(other, set));
    kit_block_receiving(&waiter);
    kit_destroy(port);
    kit_event_quiet(&waiter.done, 0);
    kit_send_plain(other, 3);
    ASSERT_OK(kit_call_end(&waiter));
    ASSERT_EQ(other, waiter.message.header.msgh_local_port);
    kit_destroy(other);
    kit_destroy(set);
}

TEST(S139_many_threads_at_one_set)
{
    enum { THREADS = 6, ROUNDS = 20 };
    struct kit_call waiters[THREADS];
    mach_port_t ports[THREADS];
    mach_port_t set = kit_port_set();
    for (int i = 0; i < THREADS; i++) {
        ports[i] = kit_port();
        ASSERT_OK(insert(ports[i], set));
    }
    for (int round = 0; round < ROUNDS; round++) {
        unsigned seen = 0;
        for (int i = 0; i < THREADS; i++) {
            waiters[i] = (struct kit_call){.port = set};
            kit_call_start(&waiters[i], kit_call_receives);
        }
        for (int i = 0; i < THREADS; i++)
            kit_send_plain(ports[round % 2 == 0 ? i : 0], i); /* one each, or all at one port */
        for (int i = 0; i < THREADS; i++) {
            ASSERT_OK(kit_call_end(&waiters[i]));
            seen |= 1u << waiters[i].id;
        }
        ASSERT_EQ((1u << THREADS) - 1, seen);
        kit_expect_nothing(set);
    }
    for (int i = 0; i < THREADS; i++)
        kit_destroy(ports[i]);
    kit_destroy(set);
}

/* A server with a port for each client. */
TEST(S100_clients_in_other_tasks)
{
    enum { CLIENTS = 3 };
    struct agent clients[CLIENTS];
    mach_port_t theirs[CLIENTS];
    mach_port_t ports[CLIENTS];
    mach_port_t set = kit_port_set();
    for (int i = 0; i < CLIENTS; i++) {
        agent_start(&clients[i]);
        ports[i] = kit_receive_right();
        theirs[i] = agent_give(&clients[i], ports[i], MACH_MSG_TYPE_MAKE_SEND);
        ASSERT_OK(insert(ports[i], set));
        kit_first_request(ports[i], MACH_NOTIFY_NO_SENDERS, 0, ports[i]);
    }
    for (int round = 0; round < 5; round++)
        for (int i = 0; i < CLIENTS; i++)
            ASSERT_OK(agent_send(&clients[i], theirs[i], MACH_MSG_TYPE_COPY_SEND, i, PATIENCE));
    unsigned counts[CLIENTS] = {0};
    for (int i = 0; i < 5 * CLIENTS; i++) {
        struct plain_rcv received;
        ASSERT_OK(kit_receive(&received.header, sizeof(received), set, 0, PATIENCE));
        ASSERT_EQ(ports[received.header.msgh_id], received.header.msgh_local_port);
        counts[received.header.msgh_id]++;
    }
    for (int i = 0; i < CLIENTS; i++) {
        ASSERT_EQ(5, counts[i]);
        agent_kill(&clients[i]);
        (void)kit_expect_notification(set, MACH_NOTIFY_NO_SENDERS);
        agent_forget(&clients[i]);
        kit_destroy(ports[i]);
    }
    kit_destroy(set);
}

TEST(S152_send_and_receive_on_a_set_in_one_call)
{
    struct plain_rcv message;
    mach_port_t set = kit_port_set();
    mach_port_t port = kit_port();
    ASSERT_OK(insert(port, set));
    memset(&message, 0, sizeof(message));
    kit_header(&message.header, MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0),
               sizeof(struct plain_msg), port, MACH_PORT_NULL, 5);
    ASSERT_OK(mach_msg(&message.header, MACH_SEND_MSG | MACH_RCV_MSG | MACH_RCV_TIMEOUT,
                       sizeof(struct plain_msg), sizeof(message), set, PATIENCE, MACH_PORT_NULL));
    ASSERT_EQ(5, message.header.msgh_id);
    ASSERT_EQ(port, message.header.msgh_local_port);
    kit_destroy(port);
    kit_destroy(set);
}
