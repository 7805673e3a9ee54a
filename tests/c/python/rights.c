/*
 * A C program that exchanges rights with Python, for tests/test_ports_c.py. `rights NAME` serves:
 *
 *   1  a receive right: what is queued in it is counted, up to the message 9; the right goes back
 *   2  an array of send rights: each is sent its number, and the array goes back
 *   3  a send right: says so when its port has died
 *   4  answers with a right to a new port: says so when nobody has one any more
 *   0  the end
 */
#include "check.h"

#include <mach/notify.h>
#include <stdbool.h>

union message {
    mach_msg_header_t header;
    struct {
        mach_msg_header_t header;
        mach_msg_body_t body;
        mach_msg_port_descriptor_t port;
        unsigned count;
    } one;
    struct {
        mach_msg_header_t header;
        mach_msg_body_t body;
        mach_msg_ool_ports_descriptor_t ports;
    } many;
    mach_dead_name_notification_t dead;
    mach_no_senders_notification_t unused;
    char space[256];
};

static void answer(union message *message, mach_msg_size_t size, bool complex)
{
    mach_msg_header_t *header = &message->header;
    address(header,
            MACH_MSGH_BITS(MACH_MSG_TYPE_MOVE_SEND_ONCE, 0) |
                (complex ? MACH_MSGH_BITS_COMPLEX : 0),
            size, header->msgh_remote_port, MACH_PORT_NULL, header->msgh_id);
    send_message(header);
}

static void drain_and_return(union message *message)
{
    mach_port_t port = message->one.port.name;
    union message queued;
    message->one.count = 0;
    do {
        receive_message(&queued.header, sizeof queued, port);
        message->one.count++;
    } while (queued.header.msgh_id != 9);
    message->one.port.disposition = MACH_MSG_TYPE_MOVE_RECEIVE;
    answer(message, sizeof message->one, true);
}

static void number_and_return(union message *message)
{
    mach_port_t *ports = message->many.ports.address;
    for (mach_msg_size_t i = 0; i < message->many.ports.count; i++) {
        mach_msg_header_t number;
        address(&number, MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0), sizeof number, ports[i],
                MACH_PORT_NULL, (mach_msg_id_t)i);
        send_message(&number);
    }
    message->many.ports.disposition = MACH_MSG_TYPE_MOVE_SEND;
    message->many.ports.deallocate = TRUE;
    answer(message, sizeof message->many, true);
}

static void ask(mach_port_t name, mach_msg_id_t what, mach_port_mscount_t sync, mach_port_t notify)
{
    mach_port_t previous;
    CHECK(mach_port_request_notification(mach_task_self(), name, what, sync, notify,
                                         MACH_MSG_TYPE_MAKE_SEND_ONCE, &previous));
}

static void lend(union message *message, mach_port_t notify)
{
    mach_port_t port = new_port();
    message->one.body.msgh_descriptor_count = 1;
    message->one.port = (mach_msg_port_descriptor_t){
        .name = port,
        .disposition = MACH_MSG_TYPE_MAKE_SEND,
        .type = MACH_MSG_PORT_DESCRIPTOR,
    };
    message->one.count = 0;
    ask(port, MACH_NOTIFY_NO_SENDERS, 1, notify);
    answer(message, sizeof message->one, true);
}

static void serve(union message *message, mach_port_t mine)
{
    switch (message->header.msgh_id) {
    case 1:
        drain_and_return(message);
        break;
    case 2:
        number_and_return(message);
        break;
    case 3:
        ask(message->one.port.name, MACH_NOTIFY_DEAD_NAME, 0, mine);
        answer(message, sizeof message->header, false);
        break;
    case 4:
        lend(message, mine);
        break;
    case MACH_NOTIFY_DEAD_NAME:
        CHECK(mach_port_deallocate(mach_task_self(), message->dead.not_port));
        printf("'dead'\n");
        break;
    case MACH_NOTIFY_NO_SENDERS:
        printf("'no senders of %u'\n", message->unused.not_count);
        break;
    }
}

int main(int argc, char **argv)
{
    mach_port_t mine = new_port();
    union message message = {0};
    EXPECT(argc == 2);
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    CHECK(mach_port_insert_right(mach_task_self(), mine, mine, MACH_MSG_TYPE_MAKE_SEND));
    CHECK(bootstrap_register(bootstrap_port, argv[1], mine));
    printf("'ready'\n");
    do {
        receive_message(&message.header, sizeof message, mine);
        serve(&message, mine);
    } while (message.header.msgh_id != 0);
    return 0;
}
