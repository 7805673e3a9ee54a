/*
 * A question and its answer: a remote procedure call, made by hand.
 *
 * The client sends a send-once right with its request, made anew for each call. It is good for
 * exactly one message, and if the server dies or forgets it, that message is a notification: the
 * client never waits in vain. One mach_msg() sends the request and receives the reply.
 */
#include "check.h"

#include <mach/notify.h>

#define ADD 100
#define FORGET 101 /* the server drops the right and says nothing */
#define STOP 102
#define REPLY 200

struct request {
    mach_msg_header_t header;
    int a, b;
};

struct reply {
    mach_msg_header_t header;
    int sum;
};

union buffer { /* sent from, and received into: room for the larger, and a trailer */
    mach_msg_header_t header;
    struct request request;
    struct reply reply;
    char room[sizeof(struct request) + MAX_TRAILER_SIZE];
};

/* The id of what came back; the sum, if that is a reply. */
static int call(mach_port_t server, mach_port_t mine, int id, int a, int b, int *ret_sum)
{
    union buffer buffer = {.request = {.a = a, .b = b}};
    address(&buffer.header, MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MAKE_SEND_ONCE),
            sizeof buffer.request, server, mine, id);
    CHECK(mach_msg(&buffer.header, MACH_SEND_MSG | MACH_RCV_MSG, sizeof buffer.request,
                   sizeof buffer, mine, MACH_MSG_TIMEOUT_NONE, MACH_PORT_NULL));
    if (buffer.header.msgh_id == REPLY)
        *ret_sum = buffer.reply.sum;
    return buffer.header.msgh_id;
}

static void client(const char *name)
{
    mach_port_t server = find_service(name), mine = new_port();
    int sum = 0;
    for (int i = 1; i <= 3; i++) {
        EXPECT(call(server, mine, ADD, i, i * 10, &sum) == REPLY);
        printf("client: %d + %d = %d\n", i, i * 10, sum);
    }
    EXPECT(call(server, mine, FORGET, 0, 0, &sum) == MACH_NOTIFY_SEND_ONCE);
    printf("client: a notification says that no reply will come\n");
    EXPECT(call(server, mine, STOP, 1, 1, &sum) == REPLY);
}

int main(void)
{
    char name[BOOTSTRAP_MAX_NAME_LEN];
    mach_port_t mine = new_service(name);
    pid_t pid = start(client, name);
    int served = 0;
    union buffer buffer;
    do {
        receive_message(&buffer.header, sizeof buffer, mine);
        served++;
        if (buffer.header.msgh_id == FORGET) {
            mach_msg_destroy(&buffer.header); /* all rights that the message brought */
            continue;
        }
        struct reply reply = {.sum = buffer.request.a + buffer.request.b};
        /* The right is used up by this: MOVE, the only way to send by a send-once right. */
        address(&reply.header, MACH_MSGH_BITS(MACH_MSG_TYPE_MOVE_SEND_ONCE, 0), sizeof reply,
                buffer.header.msgh_remote_port, MACH_PORT_NULL, REPLY);
        send_message(&reply.header);
    } while (buffer.header.msgh_id != STOP);
    finish(pid);
    printf("server: %d requests\n", served);
    return 0;
}
