/*
 * 256 MiB in a message: out-of-line memory, copy-on-write.
 *
 * The parent sends its memory and rewrites all of it right after. The child, looking later, sees
 * what was sent: a message is a snapshot of the moment of its sending. No byte of it is copied
 * until one side writes, and then only the page written to, so sending takes next to no time. The
 * child writes into its pages in turn, which the parent never sees.
 *
 * Another size, in MiB, can be given as the argument.
 */
#include "check.h"

struct memory {
    mach_msg_header_t header;
    mach_msg_body_t body;
    mach_msg_ool_descriptor_t memory;
    mach_msg_trailer_t trailer;
};

struct note {
    mach_msg_header_t header;
    mach_msg_trailer_t trailer;
};

/* One word in each page stands for the page. */
static void fill(char *memory, size_t size, size_t value)
{
    for (size_t at = 0; at < size; at += vm_page_size)
        *(size_t *)(void *)(memory + at) = at + value;
}

static int holds(const char *memory, size_t size, size_t value)
{
    for (size_t at = 0; at < size; at += vm_page_size)
        if (*(const size_t *)(const void *)(memory + at) != at + value)
            return 0;
    return 1;
}

static void child(const char *name)
{
    mach_port_t parent = find_service(name), mine = new_port();
    mach_msg_header_t hello;
    address(&hello, MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MAKE_SEND), sizeof hello,
            parent, mine, 0);
    send_message(&hello);

    struct memory received;
    struct note rewritten;
    receive_message(&received.header, sizeof received, mine);
    receive_message(&rewritten.header, sizeof rewritten, mine);
    char *memory = received.memory.address;
    size_t size = received.memory.size;
    printf("child: the parent has rewritten its memory\n");
    printf("child: mine holds %s\n", holds(memory, size, 1) ? "what was sent" : "something else");
    fill(memory, size, 3);
    EXPECT(holds(memory, size, 3));
    CHECK(vm_deallocate(mach_task_self(), (vm_address_t)memory, size)); /* received, so ours */
    send_message(&hello);
}

int main(int count, char **arguments)
{
    size_t size = (count > 1 ? strtoul(arguments[1], NULL, 10) : 256) << 20;
    char name[BOOTSTRAP_MAX_NAME_LEN];
    mach_port_t mine = new_service(name);
    pid_t pid = start(child, name);
    struct note note;
    receive_message(&note.header, sizeof note, mine);
    mach_port_t other = note.header.msgh_remote_port;

    vm_address_t memory = 0;
    CHECK(vm_allocate(mach_task_self(), &memory, size, VM_FLAGS_ANYWHERE));
    fill((char *)memory, size, 1);
    struct memory message = {
        .body = {.msgh_descriptor_count = 1},
        .memory = {.address = (void *)memory,
                   .size = (mach_msg_size_t)size,
                   .copy = MACH_MSG_VIRTUAL_COPY,
                   .deallocate = FALSE,
                   .type = MACH_MSG_OOL_DESCRIPTOR},
    };
    address(&message.header, MACH_MSGH_BITS_COMPLEX | MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0),
            sizeof message - sizeof message.trailer, other, MACH_PORT_NULL, 0);
    send_message(&message.header);
    printf("parent: sent %zu MiB in a message of %u bytes\n", size >> 20, message.header.msgh_size);

    fill((char *)memory, size, 2);
    address(&note.header, MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0), sizeof note.header, other,
            MACH_PORT_NULL, 0);
    send_message(&note.header);
    receive_message(&note.header, sizeof note, mine);
    finish(pid);
    printf("parent: mine holds %s\n",
           holds((char *)memory, size, 2) ? "what I wrote" : "something else");
    CHECK(vm_deallocate(mach_task_self(), memory, size));
    return 0;
}
