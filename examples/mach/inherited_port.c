/*
 * Parent and child without a name: the bootstrap port is inherited.
 *
 * A forked child has none of its parent's rights, with one exception that programs have always made
 * use of: the task's bootstrap port. The parent puts a port of its own in that place, forks, and puts
 * the real one back. The child's first message goes there, and the answer brings the child the real
 * bootstrap port, with which it can look up services like anybody.
 */
#include "check.h"

struct answer {
    mach_msg_header_t header;
    mach_msg_body_t body;
    mach_msg_port_descriptor_t bootstrap;
    mach_msg_trailer_t trailer;
};

static void child(const char *unused)
{
    (void)unused;
    mach_port_t parent = MACH_PORT_NULL, mine = new_port();
    CHECK(task_get_bootstrap_port(mach_task_self(), &parent));
    union {
        mach_msg_header_t header;
        struct answer answer;
    } buffer;
    address(&buffer.header, MACH_MSGH_BITS(MACH_MSG_TYPE_MOVE_SEND, MACH_MSG_TYPE_MAKE_SEND_ONCE),
            sizeof buffer.header, parent, mine, 0);
    CHECK(mach_msg(&buffer.header, MACH_SEND_MSG | MACH_RCV_MSG, sizeof buffer.header,
                   sizeof buffer, mine, MACH_MSG_TIMEOUT_NONE, MACH_PORT_NULL));

    mach_port_t bootstrap = buffer.answer.bootstrap.name, nobody = MACH_PORT_NULL;
    CHECK(task_set_bootstrap_port(mach_task_self(), bootstrap));
    printf("child: my parent has answered\n");
    kern_return_t code = bootstrap_look_up(bootstrap, "com.example.mach.nobody", &nobody);
    EXPECT(code == BOOTSTRAP_UNKNOWN_SERVICE);
    printf("child: and the real bootstrap port works\n");
}

int main(void)
{
    mach_port_t mine = new_port(), real = bootstrap_port;
    CHECK(mach_port_insert_right(mach_task_self(), mine, mine, MACH_MSG_TYPE_MAKE_SEND));
    CHECK(task_set_bootstrap_port(mach_task_self(), mine));
    pid_t pid = start(child, NULL);
    CHECK(task_set_bootstrap_port(mach_task_self(), real));

    struct {
        mach_msg_header_t header;
        mach_msg_trailer_t trailer;
    } request;
    receive_message(&request.header, sizeof request, mine);
    printf("parent: a message at a port that has no name\n");
    struct answer answer = {
        .body = {.msgh_descriptor_count = 1},
        .bootstrap = {.name = real,
                      .disposition = MACH_MSG_TYPE_COPY_SEND,
                      .type = MACH_MSG_PORT_DESCRIPTOR},
    };
    address(
        &answer.header, MACH_MSGH_BITS_COMPLEX | MACH_MSGH_BITS(MACH_MSG_TYPE_MOVE_SEND_ONCE, 0),
        sizeof answer - sizeof answer.trailer, request.header.msgh_remote_port, MACH_PORT_NULL, 0);
    send_message(&answer.header);
    finish(pid);
    return 0;
}
