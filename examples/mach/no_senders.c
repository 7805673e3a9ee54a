/*
 * A service that ends with its last client: a no-senders notification.
 *
 * Clients come to the front door, a port with a name, and get a right to a second port. Once all
 * have been there, the service asks to be told when nobody can send to the second port any more.
 * Mach counts the rights, so it does not matter how a client ends; one here is killed.
 *
 * The front door itself would not do: whoever finds it by name gets a right, at any time.
 */
#include "check.h"

#include <mach/notify.h>
#include <signal.h>

#define CLIENTS 3

struct welcome {
    mach_msg_header_t header;
    mach_msg_body_t body;
    mach_msg_port_descriptor_t service;
    int number;
    mach_msg_trailer_t trailer;
};

struct greeting {
    mach_msg_header_t header;
    int number;
};

union news { /* what comes to the second port */
    mach_msg_header_t header;
    struct greeting greeting;
    mach_no_senders_notification_t no_senders;
    char room[sizeof(struct greeting) + MAX_TRAILER_SIZE];
};

static void client(const char *name)
{
    mach_port_t mine = new_port();
    union {
        mach_msg_header_t header;
        struct welcome welcome;
    } buffer;
    address(&buffer.header, MACH_MSGH_BITS(MACH_MSG_TYPE_MOVE_SEND, MACH_MSG_TYPE_MAKE_SEND_ONCE),
            sizeof buffer.header, find_service(name), mine, 0);
    CHECK(mach_msg(&buffer.header, MACH_SEND_MSG | MACH_RCV_MSG, sizeof buffer.header,
                   sizeof buffer, mine, MACH_MSG_TIMEOUT_NONE, MACH_PORT_NULL));

    struct greeting greeting = {.number = buffer.welcome.number};
    address(&greeting.header, MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0), sizeof greeting,
            buffer.welcome.service.name, MACH_PORT_NULL, 0);
    send_message(&greeting.header);
    if (greeting.number == CLIENTS)
        (void)raise(SIGKILL); /* and no clean end */
}

static void let_in(mach_port_t door, mach_port_t service, int number)
{
    struct {
        mach_msg_header_t header;
        mach_msg_trailer_t trailer;
    } knock;
    receive_message(&knock.header, sizeof knock, door);
    struct welcome welcome = {
        .body = {.msgh_descriptor_count = 1},
        .service = {.name = service,
                    .disposition = MACH_MSG_TYPE_MAKE_SEND,
                    .type = MACH_MSG_PORT_DESCRIPTOR},
        .number = number,
    };
    address(
        &welcome.header, MACH_MSGH_BITS_COMPLEX | MACH_MSGH_BITS(MACH_MSG_TYPE_MOVE_SEND_ONCE, 0),
        sizeof welcome - sizeof welcome.trailer, knock.header.msgh_remote_port, MACH_PORT_NULL, 0);
    send_message(&welcome.header);
}

int main(void)
{
    char name[BOOTSTRAP_MAX_NAME_LEN];
    mach_port_t door = new_service(name), service = new_port(), previous = MACH_PORT_NULL;
    for (int i = 0; i < CLIENTS; i++)
        (void)start(client, name);
    for (int i = 1; i <= CLIENTS; i++)
        let_in(door, service, i);

    /* Now, and not before: a client that has come and gone would else have ended it for all. If
     * all have gone already, the notification comes at once. */
    CHECK(mach_port_request_notification(mach_task_self(), service, MACH_NOTIFY_NO_SENDERS, CLIENTS,
                                         service, MACH_MSG_TYPE_MAKE_SEND_ONCE, &previous));
    int greetings = 0;
    union news news;
    for (;;) {
        receive_message(&news.header, sizeof news, service);
        if (news.header.msgh_id == MACH_NOTIFY_NO_SENDERS)
            break;
        greetings++;
    }
    printf("%d clients said hello\n", greetings);
    printf("nobody is left: %u rights had been made, the service ends\n",
           news.no_senders.not_count);
    while (waitpid(-1, NULL, 0) > 0)
        ;
    return 0;
}
