/*
 * Watching another process: a dead-name notification.
 *
 * A port dies with the task that receives from it, however that ends. Whoever holds a send right
 * can ask to be told. The right has become a dead name then, which stays ours until we drop it; the
 * notification brings a reference of its own.
 */
#include "check.h"

#include <mach/notify.h>
#include <signal.h>

struct hello {
    mach_msg_header_t header;
    mach_msg_trailer_t trailer;
};

/* Gives the parent a right to a port of its own, and waits there for what never comes. */
static void child(const char *name)
{
    mach_port_t mine = new_port();
    struct hello hello;
    address(&hello.header, MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MAKE_SEND),
            sizeof hello.header, find_service(name), mine, 0);
    send_message(&hello.header);
    receive_message(&hello.header, sizeof hello, mine);
}

static const char *kind(mach_port_t name)
{
    mach_port_type_t type = 0;
    CHECK(mach_port_type(mach_task_self(), name, &type));
    return type & MACH_PORT_TYPE_DEAD_NAME ? "a dead name"
           : type & MACH_PORT_TYPE_SEND    ? "a send right"
                                           : "something else";
}

int main(void)
{
    char name[BOOTSTRAP_MAX_NAME_LEN];
    mach_port_t mine = new_service(name), notify = new_port(), previous = MACH_PORT_NULL;
    pid_t pid = start(child, name);

    struct hello hello;
    receive_message(&hello.header, sizeof hello, mine);
    mach_port_t other = hello.header.msgh_remote_port;
    printf("the child's port is %s\n", kind(other));

    CHECK(mach_port_request_notification(mach_task_self(), other, MACH_NOTIFY_DEAD_NAME, 0, notify,
                                         MACH_MSG_TYPE_MAKE_SEND_ONCE, &previous));
    EXPECT(previous == MACH_PORT_NULL);

    EXPECT(kill(pid, SIGKILL) == 0);
    mach_dead_name_notification_t news; /* with room for its trailer */
    receive_message(&news.not_header, sizeof news, notify);
    EXPECT(news.not_header.msgh_id == MACH_NOTIFY_DEAD_NAME);
    EXPECT(news.not_port == other);
    printf("notified: it is %s\n", kind(other));

    mach_port_urefs_t references = 0;
    CHECK(mach_port_get_refs(mach_task_self(), other, MACH_PORT_RIGHT_DEAD_NAME, &references));
    printf("with %u references: the right's, and the notification's\n", references);
    CHECK(mach_port_mod_refs(mach_task_self(), other, MACH_PORT_RIGHT_DEAD_NAME,
                             -(mach_port_delta_t)references));
    EXPECT(waitpid(pid, NULL, 0) == pid);
    return 0;
}
