/*
 * A service changes hands, and its client notices nothing.
 *
 * The right to receive can be given away like any other. What waits in the queue goes along, and
 * whoever may send to the port may go on: messages sent while the right is on its way are kept for
 * the new owner. The old owner keeps nothing; here it waits for its children and calls Mach no more.
 */
#include "check.h"

#define QUESTION 1
#define READY 2
#define ROUNDS 6

struct message {
    mach_msg_header_t header;
    int number;
    pid_t by;
    mach_msg_trailer_t trailer;
};

#define SENT_SIZE (sizeof(struct message) - sizeof(mach_msg_trailer_t))

struct right_message {
    mach_msg_header_t header;
    mach_msg_body_t body;
    mach_msg_port_descriptor_t right;
};

static void answer(struct message *question)
{
    struct message reply = {.number = question->number, .by = getpid()};
    address(&reply.header, MACH_MSGH_BITS(MACH_MSGH_BITS_REMOTE(question->header.msgh_bits), 0),
            SENT_SIZE, question->header.msgh_remote_port, MACH_PORT_NULL, QUESTION);
    send_message(&reply.header);
}

static void ask(mach_port_t to, mach_port_t mine, int id, int number)
{
    struct message question = {.number = number};
    address(&question.header, MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MAKE_SEND_ONCE),
            SENT_SIZE, to, mine, id);
    send_message(&question.header);
}

static void client(const char *name)
{
    mach_port_t mine = new_port(), service = find_service(name);
    pid_t first = 0, last = 0;
    for (int i = 0; i < ROUNDS; i++) {
        struct message reply;
        ask(service, mine, QUESTION, i);
        receive_message(&reply.header, sizeof reply, mine);
        EXPECT(reply.number == i);
        first = i == 0 ? reply.by : first;
        last = reply.by;
    }
    printf("client: %d answers, the last by %s\n", ROUNDS,
           first == last ? "the same process" : "another process");
}

static void successor(const char *name)
{
    mach_port_t mine = new_port();
    struct {
        struct right_message message;
        mach_msg_trailer_t trailer;
    } gift;
    ask(find_service(name), mine, READY, 0);
    receive_message(&gift.message.header, sizeof gift, mine);
    mach_port_t service = gift.message.right.name;
    printf("successor: the service is mine\n");
    for (int i = ROUNDS / 2; i < ROUNDS; i++) {
        struct message question;
        receive_message(&question.header, sizeof question, service);
        answer(&question);
    }
    destroy_port(service);
}

static void give_away(mach_port_t right, mach_port_t to)
{
    struct right_message message = {
        .body = {.msgh_descriptor_count = 1},
        .right = {.name = right,
                  .disposition = MACH_MSG_TYPE_MOVE_RECEIVE,
                  .type = MACH_MSG_PORT_DESCRIPTOR},
    };
    address(&message.header,
            MACH_MSGH_BITS_COMPLEX | MACH_MSGH_BITS(MACH_MSG_TYPE_MOVE_SEND_ONCE, 0),
            sizeof message, to, MACH_PORT_NULL, READY);
    send_message(&message.header);
}

int main(void)
{
    char name[BOOTSTRAP_MAX_NAME_LEN];
    mach_port_t service = new_service(name);
    struct message received;
    pid_t heir = start(successor, name);
    receive_message(&received.header, sizeof received, service); /* it is ready */
    mach_port_t to_heir = received.header.msgh_remote_port;
    pid_t customer = start(client, name);
    for (int i = 0; i < ROUNDS / 2; i++) {
        receive_message(&received.header, sizeof received, service);
        answer(&received);
    }
    printf("parent: %d questions answered, giving the service away\n", ROUNDS / 2);
    give_away(service, to_heir);
    finish(heir);
    finish(customer);
    return 0;
}
