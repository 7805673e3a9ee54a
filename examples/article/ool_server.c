/* The article's server, in C against the standard Mach headers: nothing here knows on which system
 * it runs.
 *
 *     cc ool_server.c $(python -m machool config --cflags --libs) -o ool_server
 *     ./ool_server [NAME]                                                 (Ctrl-C ends it)
 *
 * It publishes a port under NAME and answers every request on it. Most are answered in the message
 * itself, with a string and a number. A request with id 10 is answered with a page of memory: the
 * message holds only a descriptor of it, and the page arrives in the client's address space as a
 * private copy of what it was at that moment. The server keeps its page and goes on using it.
 *
 * Its twin is ool_server.py; either serves both clients. */
#include <mach/mach.h>
#include <servers/bootstrap.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ID_OOL = 10 };

/* What a message looks like when it is sent; when it is received, a trailer follows. */
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

struct received {
    struct message message;
    mach_msg_trailer_t trailer;
};

static void check(kern_return_t result, const char *what)
{
    if (result != KERN_SUCCESS) {
        fprintf(stderr, "%s: %s (0x%x)\n", what, mach_error_string(result), (unsigned)result);
        exit(EXIT_FAILURE);
    }
}

/* A port that this program receives on, with a send right to give away, known by that name. */
static mach_port_t publish(const char *name)
{
    mach_port_t port;
    char service[BOOTSTRAP_MAX_NAME_LEN];
    snprintf(service, sizeof(service), "%s", name);
    check(mach_port_allocate(mach_task_self(), MACH_PORT_RIGHT_RECEIVE, &port),
          "mach_port_allocate");
    check(mach_port_insert_right(mach_task_self(), port, port, MACH_MSG_TYPE_MAKE_SEND),
          "mach_port_insert_right");
    check(bootstrap_register(bootstrap_port, service, port), "bootstrap_register");
    return port;
}

/* vm_allocate's last argument is flags. Programs have always passed protections there, whose
 * value 3 means "anywhere, purgeable" (S9): the page is zero-filled, readable and writable. */
static void *make_page(void)
{
    vm_address_t page = 0;
    check(vm_allocate(mach_task_self(), &page, vm_page_size, VM_PROT_READ | VM_PROT_WRITE),
          "vm_allocate");
    strcpy((char *)page, "Hello, OOL data!");
    return (void *)page;
}

/* The received bits name the reply right as one to be moved: sending with them gives it back. */
static mach_msg_return_t reply_inline(const struct message *request)
{
    struct message reply = {0};
    reply.header.msgh_bits = request->header.msgh_bits & MACH_MSGH_BITS_REMOTE_MASK;
    reply.header.msgh_size = sizeof(reply);
    reply.header.msgh_remote_port = request->header.msgh_remote_port;
    reply.header.msgh_id = request->header.msgh_id;
    strcpy(reply.text, "Response - Hello Mach!");
    reply.number = request->number << 1;
    return mach_msg(&reply.header, MACH_SEND_MSG, sizeof(reply), 0, MACH_PORT_NULL,
                    MACH_MSG_TIMEOUT_NONE, MACH_PORT_NULL);
}

static mach_msg_return_t reply_with_page(const struct message *request, void *page)
{
    struct ool_message reply = {0};
    mach_port_t to = request->header.msgh_remote_port;
    reply.header.msgh_bits = MACH_MSGH_BITS_SET(MACH_MSG_TYPE_COPY_SEND, 0, 0,
                                                MACH_MSGH_BITS_COMPLEX);
    reply.header.msgh_size = sizeof(reply);
    reply.header.msgh_remote_port = to;
    reply.header.msgh_id = request->header.msgh_id;
    reply.body.msgh_descriptor_count = 1;
    reply.data.address = page;
    reply.data.size = (mach_msg_size_t)vm_page_size;
    reply.data.deallocate = FALSE; /* the page stays here */
    reply.data.copy = MACH_MSG_VIRTUAL_COPY;
    reply.data.type = MACH_MSG_OOL_DESCRIPTOR;
    mach_msg_return_t result = mach_msg(&reply.header, MACH_SEND_MSG, sizeof(reply), 0,
                                        MACH_PORT_NULL, MACH_MSG_TIMEOUT_NONE, MACH_PORT_NULL);
    if (result == MACH_MSG_SUCCESS) /* the right was copied: this one is still ours (S3) */
        check(mach_port_deallocate(mach_task_self(), to), "mach_port_deallocate");
    return result;
}

/* A client may be gone when its answer is ready; that is no failure of the server. */
static void answer(struct received *request, void *page)
{
    mach_msg_return_t result;
    if (request->message.header.msgh_remote_port == MACH_PORT_NULL)
        return;
    if (request->message.header.msgh_id == ID_OOL)
        result = reply_with_page(&request->message, page);
    else
        result = reply_inline(&request->message);
    if (result != MACH_MSG_SUCCESS) {
        fprintf(stderr, "no reply: %s\n", mach_error_string(result));
        mach_msg_destroy(&request->message.header); /* the reply right in it is ours to drop */
    }
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "com.example.machool.article";
    mach_port_t port = publish(name);
    void *page = make_page();
    printf("serving %s\n", name);
    fflush(stdout);
    for (;;) {
        struct received request = {0};
        check(mach_msg(&request.message.header, MACH_RCV_MSG, 0, sizeof(request), port,
                       MACH_MSG_TIMEOUT_NONE, MACH_PORT_NULL),
              "mach_msg");
        request.message.text[sizeof(request.message.text) - 1] = '\0';
        printf("got message!\n");
        printf("id      : %d\n", request.message.header.msgh_id);
        printf("bodyS   : %s\n", request.message.text);
        printf("bodyI   : %d\n", request.message.number);
        fflush(stdout);
        answer(&request, page);
    }
}
