/* The article's client, in C against the standard Mach headers.
 *
 *     cc ool_client.c $(python -m machool config --cflags --libs) -o ool_client
 *     ./ool_client [NAME]
 *
 * It finds the server's port by NAME and asks twice: once for an answer in the message itself
 * (id 8), once for a page of memory (id 10). Every answer goes to one reply port, whose send right
 * travels in the request. An answer with memory is marked COMPLEX and holds a descriptor: the
 * address where the page now is in this process, and its size. The page is this process's own, to
 * write into and to give back with vm_deallocate.
 *
 * The descriptor's copy field only repeats what the sender asked for; it does not tell whether
 * anything was copied (S8).
 *
 * Its twin is ool_client.py; either talks to both servers. */
#include <mach/mach.h>
#include <servers/bootstrap.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ID_INLINE = 8, ID_OOL = 10, PATIENCE_MS = 500 };

struct message {
    mach_msg_header_t header;
    char text[32];
    int number;
};

struct ool_message {
    mach_msg_header_t header;
    mach_msg_body_t body; /* how many descriptors follow */
    mach_msg_ool_descriptor_t data;
};

/* Either answer, with the trailer that every received message ends with. */
union received {
    mach_msg_header_t header;
    struct {
        struct message message;
        mach_msg_trailer_t trailer;
    } plain;
    struct {
        struct ool_message message;
        mach_msg_trailer_t trailer;
    } ool;
};

static void check(kern_return_t result, const char *what)
{
    if (result != KERN_SUCCESS) {
        fprintf(stderr, "%s: %s (0x%x)\n", what, mach_error_string(result), (unsigned)result);
        exit(EXIT_FAILURE);
    }
}

static mach_port_t find(const char *name)
{
    mach_port_t port = MACH_PORT_NULL;
    char service[BOOTSTRAP_MAX_NAME_LEN];
    snprintf(service, sizeof(service), "%s", name);
    check(bootstrap_look_up(bootstrap_port, service, &port), "bootstrap_look_up");
    return port;
}

/* The right to the server is copied into the message and kept; a new right to the reply port is
 * made for each request. */
static void ask(mach_port_t server, mach_port_t reply_port, int id)
{
    struct message request = {0};
    request.header.msgh_bits = MACH_MSGH_BITS_SET(MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MAKE_SEND,
                                                  0, 0);
    request.header.msgh_size = sizeof(request);
    request.header.msgh_remote_port = server;
    request.header.msgh_local_port = reply_port;
    request.header.msgh_id = id;
    strcpy(request.text, "Hello Mach!");
    request.number = 255;
    check(mach_msg(&request.header, MACH_SEND_MSG, sizeof(request), 0, MACH_PORT_NULL,
                   MACH_MSG_TIMEOUT_NONE, MACH_PORT_NULL),
          "mach_msg");
}

static void show_inline(const struct message *reply)
{
    printf("got response message!\n");
    printf("id      : %d\n", reply->header.msgh_id);
    printf("bodyS   : %.32s\n", reply->text);
    printf("bodyI   : %d\n", reply->number);
}

static void show_page(const struct ool_message *reply)
{
    const char *page = reply->data.address;
    printf("%s\n", page);
    printf("copy option: %d\n", (int)reply->data.copy);
    printf("buffer addr: %p\n", (const void *)page);
    printf("total buffer size: 0x%x\n", reply->data.size);
    check(vm_deallocate(mach_task_self(), (vm_address_t)page, reply->data.size), "vm_deallocate");
}

/* Takes answers until none comes for a while. Returns how many there were. */
static int receive_all(mach_port_t reply_port)
{
    for (int count = 0;; count++) {
        union received reply;
        mach_msg_return_t result = mach_msg(&reply.header, MACH_RCV_MSG | MACH_RCV_TIMEOUT, 0,
                                            sizeof(reply), reply_port, PATIENCE_MS, MACH_PORT_NULL);
        if (result == MACH_RCV_TIMED_OUT)
            return count;
        check(result, "mach_msg");
        if (reply.header.msgh_bits & MACH_MSGH_BITS_COMPLEX)
            show_page(&reply.ool.message);
        else
            show_inline(&reply.plain.message);
    }
}

int main(int argc, char **argv)
{
    mach_port_t server = find(argc > 1 ? argv[1] : "com.example.machool.article");
    mach_port_t reply_port;
    check(mach_port_allocate(mach_task_self(), MACH_PORT_RIGHT_RECEIVE, &reply_port),
          "mach_port_allocate");
    ask(server, reply_port, ID_INLINE);
    ask(server, reply_port, ID_OOL);
    int answers = receive_all(reply_port);
    return answers == 2 ? EXIT_SUCCESS : EXIT_FAILURE;
}
