/*
 * Three processes: a broker brings two together that know nothing of each other.
 *
 * Rights travel in messages, as port descriptors; that is the only way to get one. The worker gives
 * the broker a right to send to it, the broker passes that on to the customer and keeps nothing, and
 * the customer's message goes to the worker directly. Names like 0x203 are local to each task; what
 * travels is the right.
 */
#include "check.h"

#define OFFER 1
#define WANTED 2
#define JOB 3

struct right_message {
    mach_msg_header_t header;
    mach_msg_body_t body; /* how many descriptors follow */
    mach_msg_port_descriptor_t right;
};

struct right_received {
    struct right_message message;
    mach_msg_trailer_t trailer;
};

struct job {
    mach_msg_header_t header;
    int customer;
    mach_msg_trailer_t trailer;
};

/* Sends a right to `to`, itself a right used in the way `how`. */
static void send_right(mach_port_t to, mach_msg_bits_t how, int id, mach_port_t right,
                       unsigned char disposition)
{
    struct right_message message = {
        .body = {.msgh_descriptor_count = 1},
        .right = {.name = right, .disposition = disposition, .type = MACH_MSG_PORT_DESCRIPTOR},
    };
    address(&message.header, MACH_MSGH_BITS_COMPLEX | MACH_MSGH_BITS(how, 0), sizeof message, to,
            MACH_PORT_NULL, id);
    send_message(&message.header);
}

static void worker(const char *name)
{
    mach_port_t mine = new_port();
    send_right(find_service(name), MACH_MSG_TYPE_COPY_SEND, OFFER, mine, MACH_MSG_TYPE_MAKE_SEND);
    struct job job;
    receive_message(&job.header, sizeof job, mine);
    printf("worker: a job from %s, not from the broker\n",
           job.customer != getpid() && job.customer != getppid() ? "a third process" : "nobody");
}

static void customer(const char *name)
{
    mach_port_t mine = new_port(), broker = find_service(name);
    mach_msg_header_t wanted;
    address(&wanted, MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MAKE_SEND_ONCE),
            sizeof wanted, broker, mine, WANTED);
    send_message(&wanted);

    struct right_received answer;
    receive_message(&answer.message.header, sizeof answer, mine);
    mach_port_t to_worker = answer.message.right.name;
    printf("customer: got a right to send to the worker\n");

    struct job job = {.customer = getpid()};
    address(&job.header, MACH_MSGH_BITS(MACH_MSG_TYPE_MOVE_SEND, 0),
            sizeof job - sizeof job.trailer, to_worker, MACH_PORT_NULL, JOB);
    send_message(&job.header);
}

int main(void)
{
    char name[BOOTSTRAP_MAX_NAME_LEN];
    mach_port_t mine = new_service(name);
    pid_t children[] = {start(worker, name), start(customer, name)};
    mach_port_t offered = MACH_PORT_NULL, asking = MACH_PORT_NULL;
    while (offered == MACH_PORT_NULL || asking == MACH_PORT_NULL) {
        struct right_received received;
        receive_message(&received.message.header, sizeof received, mine);
        if (received.message.header.msgh_id == OFFER)
            offered = received.message.right.name;
        else
            asking = received.message.header.msgh_remote_port;
    }
    printf("broker: passing it on\n");
    send_right(asking, MACH_MSG_TYPE_MOVE_SEND_ONCE, OFFER, offered, MACH_MSG_TYPE_MOVE_SEND);
    destroy_port(mine); /* the broker is not needed any more */
    finish(children[0]);
    finish(children[1]);
    return 0;
}
