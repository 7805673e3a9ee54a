/* Many clients on one server, many threads on one port, many ports in one task. */
#include "harness/mach_kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { CLIENTS = 24, REQUESTS = 100 };

static mach_msg_return_t call(mach_port_t service, mach_port_t reply, void *memory, size_t size,
                              int id, struct ool_rcv *ret_reply)
{
    kit_header(&ret_reply->header,
               MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MAKE_SEND_ONCE) |
                   MACH_MSGH_BITS_COMPLEX,
               OOL_MSG_SIZE(1), service, reply, id);
    ret_reply->body.msgh_descriptor_count = 1;
    kit_ool(&ret_reply->ool[0], memory, size, 1, false);
    return mach_msg(&ret_reply->header, MACH_SEND_MSG | MACH_RCV_MSG | MACH_RCV_TIMEOUT,
                    OOL_MSG_SIZE(1), sizeof(*ret_reply), reply, PATIENCE, MACH_PORT_NULL);
}

/* Sends regions of its own filling and wants each back, once more by one. */
PEER(crowd_client)
{
    struct kit_pair pair;
    kit_pair_join(&pair);
    mach_port_t reply = kit_receive_right();
    unsigned char seed = (unsigned char)atoi(pair.argument);
    for (int i = 0; i < REQUESTS; i++) {
        struct ool_rcv answer;
        size_t size = i % 10 == 0 ? 1 << 18 : 64;
        char *memory = kit_allocate(size);
        memset(memory, seed, size);
        ASSERT_OK(call(pair.theirs, reply, memory, size, i, &answer));
        ASSERT_EQ(i, answer.header.msgh_id);
        ASSERT_EQ(size, answer.ool[0].size);
        ASSERT_ALL(seed + 1, answer.ool[0].address, size);
        ASSERT_ALL(seed, memory, size);
        kit_free(answer.ool[0].address, size);
        kit_free(memory, size);
    }
    parent_tell();
    parent_hear();
    kit_destroy(reply);
    kit_pair_leave(&pair);
}

struct crowd_server {
    mach_port_t port;
    unsigned served;
};

static void serve(struct ool_rcv *request)
{
    unsigned char *bytes = request->ool[0].address;
    struct ool_msg reply;
    for (size_t i = 0; i < request->ool[0].size; i++)
        bytes[i]++;
    kit_header(
        &reply.header, MACH_MSGH_BITS(MACH_MSG_TYPE_MOVE_SEND_ONCE, 0) | MACH_MSGH_BITS_COMPLEX,
        OOL_MSG_SIZE(1), request->header.msgh_remote_port, MACH_PORT_NULL, request->header.msgh_id);
    reply.body.msgh_descriptor_count = 1;
    kit_ool(&reply.ool[0], bytes, request->ool[0].size, 1, true);
    ASSERT_OK(kit_send(&reply.header, MACH_SEND_TIMEOUT, 0));
}

static void *serve_until_told(void *argument)
{
    struct crowd_server *server = argument;
    for (;;) {
        struct ool_rcv request;
        ASSERT_OK(kit_receive(&request.header, sizeof(request), server->port, 0, 3 * PATIENCE));
        if ((request.header.msgh_bits & MACH_MSGH_BITS_COMPLEX) == 0)
            return NULL;
        serve(&request);
        __atomic_add_fetch(&server->served, 1, __ATOMIC_RELAXED);
    }
}

/* kit_pair_start makes a port for each client; here all of them send to it from one service, the
 * requests being spread over two threads. */
TEST_FOR(many_clients_on_one_server, 120)
{
    struct crowd_server server = {.port = kit_port()};
    struct peer peers[CLIENTS];
    char argument[BOOTSTRAP_MAX_NAME_LEN + KIT_TEXT];
    char service[BOOTSTRAP_MAX_NAME_LEN];
    struct plain_rcv hello;
    kit_service_name(service, sizeof(service));
    ASSERT_OK(bootstrap_register(bootstrap_port, service, server.port));
    kit_set_qlimit(server.port, 1024);
    mach_port_t clients[CLIENTS];
    for (int i = 0; i < CLIENTS; i++) {
        /* The hello is taken before the next one starts, so that it is nobody's request. */
        snprintf(argument, sizeof(argument), "%s %d", service, 10 * i);
        peer_start(&peers[i], "crowd_client", argument);
        for (;;) {
            struct ool_rcv first;
            ASSERT_OK(kit_receive(&first.header, sizeof(first), server.port, 0, PATIENCE));
            if ((first.header.msgh_bits & MACH_MSGH_BITS_COMPLEX) == 0) {
                memcpy(&hello, &first, sizeof(first.header));
                break;
            }
            serve(&first);
            server.served++;
        }
        clients[i] = hello.header.msgh_remote_port;
    }
    pthread_t first = kit_thread(serve_until_told, &server);
    pthread_t second = kit_thread(serve_until_told, &server);
    for (int i = 0; i < CLIENTS; i++)
        peer_hear(&peers[i]);
    for (int i = 0; i < 2; i++)
        kit_send_plain(server.port, 0);
    kit_join(first);
    kit_join(second);
    ASSERT_EQ(CLIENTS * REQUESTS, server.served);
    for (int i = 0; i < CLIENTS; i++) {
        peer_tell(&peers[i]);
        peer_join(&peers[i]);
        kit_wait_dead(clients[i]);
        kit_destroy(clients[i]);
    }
    kit_destroy(server.port);
}

enum { SENDERS = 8, RECEIVERS = 8, EACH = 2000 };

struct port_user {
    mach_port_t port;
    unsigned first;
    unsigned char *seen; /* one byte for each message */
    unsigned *total;
    struct kit_event *all;
};

static void *send_each(void *argument)
{
    struct port_user *user = argument;
    for (unsigned i = 0; i < EACH; i++)
        kit_send_plain(user->port, (mach_msg_id_t)(user->first + i));
    return NULL;
}

/* Order within a sender shows at each receiver as increasing numbers. */
static void *receive_each(void *argument)
{
    struct port_user *user = argument;
    int last[SENDERS];
    memset(last, 0xff, sizeof(last));
    for (;;) {
        struct plain_rcv received;
        ASSERT_OK(kit_receive(&received.header, sizeof(received), user->port, 0, PATIENCE));
        int id = received.header.msgh_id;
        if (id < 0)
            return NULL;
        ASSERT(id > last[id / EACH]);
        last[id / EACH] = id;
        ASSERT_EQ(0, __atomic_fetch_add(&user->seen[id], 1, __ATOMIC_RELAXED));
        if (__atomic_add_fetch(user->total, 1, __ATOMIC_RELAXED) == SENDERS * EACH)
            kit_event_post(user->all);
    }
}

TEST_FOR(many_threads_on_one_port, 60)
{
    static unsigned char seen[SENDERS * EACH];
    pthread_t senders[SENDERS];
    pthread_t receivers[RECEIVERS];
    struct port_user users[SENDERS];
    mach_port_t port = kit_port();
    struct kit_event all = KIT_EVENT_INIT;
    unsigned total = 0;
    for (unsigned i = 0; i < SENDERS; i++)
        users[i] = (struct port_user){port, i * EACH, seen, &total, &all};
    for (int i = 0; i < RECEIVERS; i++)
        receivers[i] = kit_thread(receive_each, &users[0]);
    for (int i = 0; i < SENDERS; i++)
        senders[i] = kit_thread(send_each, &users[i]);
    for (int i = 0; i < SENDERS; i++)
        kit_join(senders[i]);
    kit_event_wait(&all, 1);
    for (int i = 0; i < RECEIVERS; i++)
        kit_send_plain(port, -1);
    for (int i = 0; i < RECEIVERS; i++)
        kit_join(receivers[i]);
    ASSERT_ALL(1, seen, sizeof(seen));
    kit_destroy(port);
}

PEER(crowd_senders)
{
    struct kit_pair pair;
    struct port_user users[SENDERS];
    pthread_t senders[SENDERS];
    kit_pair_join(&pair);
    for (unsigned i = 0; i < SENDERS; i++) {
        users[i] = (struct port_user){.port = pair.theirs, .first = i * EACH};
        senders[i] = kit_thread(send_each, &users[i]);
    }
    for (int i = 0; i < SENDERS; i++)
        kit_join(senders[i]);
    parent_tell();
    parent_hear();
    kit_pair_leave(&pair);
}

TEST_FOR(many_threads_of_two_tasks_on_one_port, 60)
{
    static unsigned char seen[SENDERS * EACH];
    pthread_t receivers[RECEIVERS];
    struct kit_pair pair;
    kit_pair_start(&pair, "crowd_senders", "");
    struct kit_event all = KIT_EVENT_INIT;
    unsigned total = 0;
    struct port_user user = {pair.mine, 0, seen, &total, &all};
    for (int i = 0; i < RECEIVERS; i++)
        receivers[i] = kit_thread(receive_each, &user);
    peer_hear(&pair.peer);
    kit_event_wait(&all, 1); /* order holds within a sender only (S156) */
    for (int i = 0; i < RECEIVERS; i++)
        kit_send_plain(pair.mine, -1);
    for (int i = 0; i < RECEIVERS; i++)
        kit_join(receivers[i]);
    ASSERT_ALL(1, seen, sizeof(seen));
    peer_tell(&pair.peer);
    kit_pair_end(&pair);
}

struct call_user {
    mach_port_t service;
    int first;
};

static void *call_often(void *argument)
{
    struct call_user *user = argument;
    mach_port_t reply = kit_receive_right();
    for (int i = 0; i < 300; i++) {
        struct ool_rcv answer;
        char *memory = kit_allocate(100);
        memset(memory, user->first + i, 100);
        ASSERT_OK(call(user->service, reply, memory, 100, user->first + i, &answer));
        ASSERT_EQ(user->first + i, answer.header.msgh_id);
        ASSERT_ALL(user->first + i + 1, answer.ool[0].address, 100);
        kit_free(answer.ool[0].address, 100);
        kit_free(memory, 100);
    }
    kit_destroy(reply);
    return NULL;
}

PEER(crowd_callers)
{
    struct kit_pair pair;
    pthread_t threads[6];
    struct call_user users[6];
    kit_pair_join(&pair);
    for (int i = 0; i < 6; i++) {
        users[i] = (struct call_user){.service = pair.theirs, .first = 1000 * i};
        threads[i] = kit_thread(call_often, &users[i]);
    }
    for (int i = 0; i < 6; i++)
        kit_join(threads[i]);
    parent_tell();
    parent_hear();
    kit_pair_leave(&pair);
}

/* Each calling thread waits on a port of its own; the answers find their way. */
TEST_FOR(threads_of_one_task_wait_on_ports_of_their_own, 60)
{
    struct kit_pair pair;
    kit_pair_start(&pair, "crowd_callers", "");
    struct crowd_server server = {.port = pair.mine};
    pthread_t threads[3];
    for (int i = 0; i < 3; i++)
        threads[i] = kit_thread(serve_until_told, &server);
    peer_hear(&pair.peer);
    for (int i = 0; i < 3; i++)
        kit_send_plain(pair.mine, 0);
    for (int i = 0; i < 3; i++)
        kit_join(threads[i]);
    ASSERT_EQ(6 * 300, server.served);
    peer_tell(&pair.peer);
    kit_pair_end(&pair);
}

struct blocked {
    mach_port_t port;
    struct kit_event *ended;
    mach_msg_return_t result;
};

static void *block_in_receive(void *argument)
{
    struct blocked *blocked = argument;
    struct plain_rcv received;
    blocked->result = mach_msg(&received.header, MACH_RCV_MSG, 0, sizeof(received), blocked->port,
                               0, MACH_PORT_NULL);
    kit_event_post(blocked->ended);
    return NULL;
}

TEST(S150_all_blocked_threads_wake_when_their_port_dies)
{
    enum { THREADS = 12 };
    struct kit_event ended = KIT_EVENT_INIT;
    struct blocked blocked[THREADS];
    pthread_t threads[THREADS];
    mach_port_t ports[3] = {kit_port(), kit_port(), kit_port()};
    for (int i = 0; i < THREADS; i++) {
        blocked[i] = (struct blocked){.port = ports[i % 3], .ended = &ended};
        threads[i] = kit_thread(block_in_receive, &blocked[i]);
    }
    kit_event_quiet(&ended, 0);
    for (unsigned i = 0; i < 3; i++) {
        kit_destroy(ports[i]);
        kit_event_wait(&ended, (i + 1) * THREADS / 3);
        kit_event_quiet(&ended, (i + 1) * THREADS / 3);
    }
    for (int i = 0; i < THREADS; i++) {
        kit_join(threads[i]);
        if (blocked[i].result != MACH_RCV_PORT_DIED)
            ASSERT_CODE(MACH_RCV_PORT_CHANGED, blocked[i].result);
    }
}

static void *make_and_use_ports(void *argument)
{
    (void)argument;
    for (int i = 0; i < 500; i++) {
        mach_port_t port = kit_port();
        mach_port_t once = kit_send_once(port);
        char *memory = kit_allocate(1 << 17);
        memory[0] = 1;
        kit_send_plain(port, i);
        kit_expect_plain(port, i);
        kit_deallocate(once);
        kit_expect_send_once_notification(port);
        kit_free(memory, 1 << 17);
        kit_destroy(port);
    }
    return NULL;
}

TEST_FOR(threads_make_and_destroy_ports_and_memory, 60)
{
    pthread_t threads[6];
    for (int i = 0; i < 6; i++)
        threads[i] = kit_thread(make_and_use_ports, NULL);
    for (int i = 0; i < 6; i++)
        kit_join(threads[i]);
}

struct mover {
    mach_port_t port;
    bool ended;
};

static void *map_and_check(void *argument)
{
    struct mover *mover = argument;
    const size_t size = 1 << 18;
    while (!__atomic_load_n(&mover->ended, __ATOMIC_RELAXED)) {
        char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON, -1, 0);
        ASSERT(memory != MAP_FAILED);
        for (size_t at = 0; at < size; at += vm_page_size)
            memory[at] = 1;
        for (size_t at = 0; at < size; at += vm_page_size)
            ASSERT_EQ(1, memory[at]);
        ASSERT_SYS(munmap(memory, size));
    }
    return NULL;
}

/* A region that moves leaves its addresses to whoever maps there next. */
TEST_FOR(S27_moves_do_not_unmap_the_memory_of_other_threads, 60)
{
    const size_t size = 1 << 18;
    struct mover mover = {.port = kit_port()};
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        threads[i] = kit_thread(map_and_check, &mover);
    for (int i = 0; i < 3000; i++) {
        struct ool_rcv message;
        char *memory = kit_allocate(size);
        memory[0] = (char)i;
        kit_header(&message.header,
                   MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0) | MACH_MSGH_BITS_COMPLEX,
                   OOL_MSG_SIZE(1), mover.port, MACH_PORT_NULL, i);
        message.body.msgh_descriptor_count = 1;
        kit_ool(&message.ool[0], memory, size, 1, true);
        ASSERT_OK(mach_msg(&message.header, MACH_SEND_MSG | MACH_RCV_MSG, OOL_MSG_SIZE(1),
                           sizeof(message), mover.port, 0, MACH_PORT_NULL));
        ASSERT_EQ((char)i, *(char *)message.ool[0].address);
        kit_free(message.ool[0].address, size);
    }
    __atomic_store_n(&mover.ended, true, __ATOMIC_RELAXED);
    for (int i = 0; i < 2; i++)
        kit_join(threads[i]);
    kit_destroy(mover.port);
}
