/*
 * What every example here begins with: return codes that are looked at, a header filled in, and a
 * second process. Standard headers only.
 */
#ifndef EXAMPLES_MACH_CHECK_H
#define EXAMPLES_MACH_CHECK_H

#include <mach/mach.h>
#include <servers/bootstrap.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* Ends the program with the call and its code in words if it failed. */
#define CHECK(call) check((call), #call)

static inline void check(kern_return_t code, const char *call)
{
    if (code == KERN_SUCCESS)
        return;
    fprintf(stderr, "%s: %s (%#x)\n", call, mach_error_string(code), (unsigned)code);
    exit(EXIT_FAILURE);
}

/* Like CHECK, for what is just true or not: a wrong value, a child that failed. */
#define EXPECT(condition) expect((condition), #condition)

static inline void expect(int condition, const char *text)
{
    if (condition)
        return;
    fprintf(stderr, "not so: %s\n", text);
    exit(EXIT_FAILURE);
}

/* A port of ours: the right to receive from it. */
static inline mach_port_t new_port(void)
{
    mach_port_t port = MACH_PORT_NULL;
    CHECK(mach_port_allocate(mach_task_self(), MACH_PORT_RIGHT_RECEIVE, &port));
    return port;
}

/* Gives up the right to receive: the port dies. */
static inline void destroy_port(mach_port_t port)
{
    CHECK(mach_port_mod_refs(mach_task_self(), port, MACH_PORT_RIGHT_RECEIVE, -1));
}

/* A port that other processes find under a name which no other run of the program has. */
static inline mach_port_t new_service(char name[BOOTSTRAP_MAX_NAME_LEN])
{
    mach_port_t port = new_port();
    snprintf(name, BOOTSTRAP_MAX_NAME_LEN, "com.example.mach.%d", (int)getpid());
    CHECK(mach_port_insert_right(mach_task_self(), port, port, MACH_MSG_TYPE_MAKE_SEND));
    CHECK(bootstrap_register(bootstrap_port, name, port));
    return port;
}

/* In the other process: a right to send there. */
static inline mach_port_t find_service(const char *name)
{
    mach_port_t port = MACH_PORT_NULL;
    CHECK(bootstrap_look_up(bootstrap_port, name, &port));
    return port;
}

/* Runs `body(name)` in a forked child. A child is a task of its own and starts without any rights
 * of its parent's, so all it gets to know is the name. */
static inline pid_t start(void (*body)(const char *name), const char *name)
{
    (void)setvbuf(stdout, NULL, _IOLBF, 0); /* lines of several processes, in their order */
    pid_t child = fork();
    EXPECT(child >= 0);
    if (child == 0) {
        body(name);
        exit(EXIT_SUCCESS);
    }
    return child;
}

/* Waits for a child, which has to have ended well. */
static inline void finish(pid_t child)
{
    int status = 0;
    EXPECT(waitpid(child, &status, 0) == child);
    EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS);
}

/* Fills in a header. `bits` says what to do with the two rights: MACH_MSGH_BITS(remote, local), and
 * MACH_MSGH_BITS_COMPLEX if the message carries more than bytes. */
static inline void address(mach_msg_header_t *header, mach_msg_bits_t bits, mach_msg_size_t size,
                           mach_port_t remote, mach_port_t local, mach_msg_id_t id)
{
    *header = (mach_msg_header_t){
        .msgh_bits = bits,
        .msgh_size = size,
        .msgh_remote_port = remote,
        .msgh_local_port = local,
        .msgh_id = id,
    };
}

/* Sends a message; waits for room at the port, if need be. */
static inline void send_message(mach_msg_header_t *message)
{
    CHECK(mach_msg(message, MACH_SEND_MSG, message->msgh_size, 0, MACH_PORT_NULL,
                   MACH_MSG_TIMEOUT_NONE, MACH_PORT_NULL));
}

/* Waits for a message. The buffer has `size` bytes: the kernel adds a trailer to what was sent. */
static inline void receive_message(mach_msg_header_t *message, size_t size, mach_port_t from)
{
    CHECK(mach_msg(message, MACH_RCV_MSG, 0, (mach_msg_size_t)size, from, MACH_MSG_TIMEOUT_NONE,
                   MACH_PORT_NULL));
}

#endif
