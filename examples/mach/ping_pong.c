/*
 * Two processes, each with a port, send a number back and forth.
 *
 * A port is a queue of messages: one task may receive from it, many may send. The child finds the
 * parent's by name; its first message brings, in the header's local port, a right to send to the
 * child's own. MACH_MSG_TYPE_MAKE_SEND makes that right out of the right to receive. From then on
 * each has what it needs; MACH_MSG_TYPE_COPY_SEND uses a send right and keeps it.
 */
#include "check.h"

#define ROUNDS 3

struct message {
    mach_msg_header_t header;
    int number;
};

struct received {
    struct message message;
    mach_msg_trailer_t trailer; /* what every received message ends with */
};

static void hit(mach_port_t other, int number)
{
    struct message ball = {.number = number};
    address(&ball.header, MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0), sizeof ball, other,
            MACH_PORT_NULL, 0);
    send_message(&ball.header);
}

static int wait_for_ball(mach_port_t mine)
{
    struct received ball;
    receive_message(&ball.message.header, sizeof ball, mine);
    return ball.message.number;
}

static void child(const char *name)
{
    mach_port_t parent = find_service(name), mine = new_port();
    struct message hello = {.number = 1};
    address(&hello.header, MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MAKE_SEND),
            sizeof hello, parent, mine, 0);
    send_message(&hello.header);
    for (int i = 0; i < ROUNDS; i++) {
        int number = wait_for_ball(mine);
        printf("child: pong %d\n", number);
        if (i < ROUNDS - 1)
            hit(parent, number + 1);
    }
}

int main(void)
{
    char name[BOOTSTRAP_MAX_NAME_LEN];
    mach_port_t mine = new_service(name);
    pid_t pid = start(child, name);

    /* To the receiver, the other side is always the remote port: here is the child's right. */
    struct received hello;
    receive_message(&hello.message.header, sizeof hello, mine);
    mach_port_t other = hello.message.header.msgh_remote_port;

    int number = hello.message.number;
    for (int i = 0; i < ROUNDS; i++) {
        printf("parent: ping %d\n", number);
        hit(other, number + 1);
        if (i < ROUNDS - 1)
            number = wait_for_ball(mine);
    }
    finish(pid);
    printf("done after %d rounds\n", ROUNDS);
    return 0;
}
