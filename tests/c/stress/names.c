/* Names among tasks that come and go: workers register, declare, check in, look up, publish each
 * other's ports under further names, and are killed at random instants. Every call returns, with a
 * code it may return; a message goes to a port that has, or had, the name; and in the end every
 * name is free. */
#include "harness/mach_kit.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { WORKERS = 5, NAMES = 6, PORTS = 4, SECONDS = 6, SLOW = 3000, FIRST_ID = 5000 };

static char prefix[64];

static const char *name_of(unsigned number)
{
    static char name[BOOTSTRAP_MAX_NAME_LEN];
    snprintf(name, sizeof(name), "%s.%u", prefix, number);
    return name;
}

/* What a worker has: its ports, and whether it has ever given them a name or lent them to others. */
static struct {
    mach_port_t ports[PORTS];
    uint64_t longest;
} mine;

static void took(uint64_t start)
{
    uint64_t time = kit_milliseconds() - start;
    if (time > mine.longest)
        mine.longest = time;
    ASSERT(time < SLOW);
}

static void read_messages(mach_port_t port)
{
    struct plain_rcv received;
    mach_msg_return_t result;
    while ((result = kit_receive(&received.header, sizeof(received), port, 0, 0)) ==
           MACH_MSG_SUCCESS) {
        ASSERT(received.header.msgh_id >= FIRST_ID && received.header.msgh_id < FIRST_ID + NAMES);
        ASSERT_EQ(MACH_PORT_NULL, received.header.msgh_remote_port);
    }
    ASSERT_CODE(MACH_RCV_TIMED_OUT, result);
}

/* Another task may have the name, or this one. */
static void check_publishing(kern_return_t result)
{
    if (result != BOOTSTRAP_SERVICE_ACTIVE && result != BOOTSTRAP_NOT_PRIVILEGED)
        ASSERT_OK(result);
}

static void publish(mach_port_t *port, const char *name)
{
    if (*port == MACH_PORT_NULL)
        *port = kit_port();
    check_publishing(bootstrap_register(bootstrap_port, name, *port));
}

static void check_in(mach_port_t *port, const char *name)
{
    mach_port_t service = MACH_PORT_NULL;
    mach_port_t server = MACH_PORT_NULL;
    kern_return_t result = bootstrap_create_service(bootstrap_port, name, &service);
    check_publishing(result);
    if (result != BOOTSTRAP_SUCCESS)
        return;
    kit_send_plain(service, FIRST_ID);
    ASSERT_OK(bootstrap_check_in(bootstrap_port, name, &server));
    ASSERT_EQ(service, server);
    if (*port != MACH_PORT_NULL)
        kit_destroy(*port);
    *port = server;
}

/* Looks a name up, sends something there, and perhaps gives that port another name. */
static void visit(const char *name, unsigned number)
{
    mach_port_t found = MACH_PORT_NULL;
    kern_return_t result = bootstrap_look_up(bootstrap_port, name, &found);
    if (result == BOOTSTRAP_UNKNOWN_SERVICE)
        return;
    ASSERT_OK(result);
    mach_msg_return_t sent = kit_try_plain(found, MACH_MSG_TYPE_COPY_SEND,
                                           FIRST_ID + (mach_msg_id_t)number, 0);
    if (sent == MACH_SEND_TIMED_OUT)
        kit_deallocate(found); /* it came back with the message (S126) */
    else if (sent != MACH_SEND_INVALID_DEST)
        ASSERT_OK(sent);
    if (kit_random(3) == 0) {
        result = bootstrap_register(bootstrap_port, name_of(kit_random(NAMES)), found);
        if (result != BOOTSTRAP_NO_MEMORY) /* it has died */
            check_publishing(result);
    }
    kit_deallocate(found);
}

PEER(names_worker)
{
    snprintf(prefix, sizeof(prefix), "%s", parent_argument());
    parent_tell();
    for (;;) {
        unsigned number = kit_random(NAMES);
        mach_port_t *port = &mine.ports[kit_random(PORTS)];
        uint64_t start = kit_milliseconds();
        switch (kit_random(6)) {
        case 0:
            publish(port, name_of(number));
            break;
        case 1:
            check_in(port, name_of(number));
            break;
        case 2:
            if (*port != MACH_PORT_NULL)
                kit_destroy(*port);
            *port = MACH_PORT_NULL;
            break;
        default:
            visit(name_of(number), number);
        }
        took(start);
        for (int i = 0; i < PORTS; i++) {
            if (mine.ports[i] != MACH_PORT_NULL)
                read_messages(mine.ports[i]);
        }
    }
}

TEST_FOR(names_among_tasks_that_are_killed, 60)
{
    struct peer workers[WORKERS];
    unsigned kills = 0;
    kit_service_name(prefix, sizeof(prefix));
    for (int i = 0; i < WORKERS; i++) {
        peer_start(&workers[i], "names_worker", prefix);
        peer_hear(&workers[i]);
    }
    for (uint64_t end = kit_milliseconds() + SECONDS * 1000; kit_milliseconds() < end; kills++) {
        struct peer *worker = &workers[kit_random(WORKERS)];
        uint64_t moment = kit_milliseconds() + kit_random(60);
        while (kit_milliseconds() < moment)
            visit(name_of(kit_random(NAMES)), 0);
        peer_kill(worker);
        peer_start(worker, "names_worker", prefix);
        peer_hear(worker);
    }
    for (int i = 0; i < WORKERS; i++)
        peer_kill(&workers[i]);
    ASSERT(kills > 10);
    for (unsigned i = 0; i < NAMES; i++) {
        mach_port_t port = kit_port();
        mach_port_t found = MACH_PORT_NULL;
        uint64_t end = kit_milliseconds() + PATIENCE;
        kern_return_t result;
        /* What this task has registered for others ends as it hears of their ends. */
        while ((result = bootstrap_register(bootstrap_port, name_of(i), port)) ==
               BOOTSTRAP_SERVICE_ACTIVE)
            ASSERT(kit_milliseconds() < end);
        ASSERT_OK(result);
        ASSERT_OK(bootstrap_look_up(bootstrap_port, name_of(i), &found));
        ASSERT_EQ(port, found);
        kit_destroy(port);
    }
}
