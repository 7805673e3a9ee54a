/*
 * How many messages a second: several clients, one server.
 *
 * A port's queue takes five messages unless told otherwise. A sender waits while it is full, so fast
 * clients never flood a slow server. With a higher limit more messages travel for each turn of the
 * scheduler. Clients say when they are done in the same queue: messages of one sender arrive in their
 * order, so all before have been counted.
 *
 * Clients, messages each and queue limit can be given as arguments.
 */
#include "check.h"

#include <mach/mach_time.h>

#define WORK 1
#define DONE 2

static int messages = 20000;

struct work {
    mach_msg_header_t header;
    pid_t sender;
    int number;
};

struct received {
    struct work work;
    mach_msg_trailer_t trailer;
};

static void client(const char *name)
{
    struct work work = {.sender = getpid()};
    mach_port_t server = find_service(name);
    for (work.number = 0; work.number <= messages; work.number++) {
        address(&work.header, MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0), sizeof work, server,
                MACH_PORT_NULL, work.number < messages ? WORK : DONE);
        send_message(&work.header);
    }
}

static double seconds(void)
{
    mach_timebase_info_data_t base;
    CHECK(mach_timebase_info(&base));
    return (double)mach_absolute_time() * base.numer / base.denom * 1e-9;
}

/* The number of messages taken from all clients. */
static long serve(mach_port_t port, int clients)
{
    long taken = 0;
    while (clients > 0) {
        struct received received;
        receive_message(&received.work.header, sizeof received, port);
        if (received.work.header.msgh_id == DONE) {
            EXPECT(received.work.number == messages);
            clients--;
        } else {
            taken++;
        }
    }
    return taken;
}

static int argument(int count, char **arguments, int i, int otherwise)
{
    return count > i ? atoi(arguments[i]) : otherwise;
}

int main(int count, char **arguments)
{
    int clients = argument(count, arguments, 1, 4);
    messages = argument(count, arguments, 2, messages);
    mach_port_limits_t limits = {
        .mpl_qlimit = (mach_port_msgcount_t)argument(count, arguments, 3, MACH_PORT_QLIMIT_LARGE),
    };
    char name[BOOTSTRAP_MAX_NAME_LEN];
    mach_port_t port = new_service(name);
    CHECK(mach_port_set_attributes(mach_task_self(), port, MACH_PORT_LIMITS_INFO,
                                   (mach_port_info_t)&limits, MACH_PORT_LIMITS_INFO_COUNT));
    double from = seconds();
    for (int i = 0; i < clients; i++)
        (void)start(client, name);
    long taken = serve(port, clients);
    double took = seconds() - from;
    for (int i = 0; i < clients; i++) {
        int status = 0;
        EXPECT(waitpid(-1, &status, 0) > 0 && status == 0);
    }
    printf("%ld messages from %d clients, %.0f in a second\n", taken, clients,
           (double)taken / took);
    return 0;
}
