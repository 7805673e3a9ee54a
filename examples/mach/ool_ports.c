/*
 * Many rights in one message: an out-of-line array of ports.
 *
 * The child makes a hundred ports and sends a right to each, all in one descriptor. The parent
 * receives an array of names, in memory of its own that it gives back when done, and sends its
 * number to each. The child collects them from a port set.
 */
#include "check.h"

#define PORTS 100

struct rights {
    mach_msg_header_t header;
    mach_msg_body_t body;
    mach_msg_ool_ports_descriptor_t ports;
    mach_msg_trailer_t trailer;
};

struct number {
    mach_msg_header_t header;
    int number;
    mach_msg_trailer_t trailer;
};

static void child(const char *name)
{
    static mach_port_t ports[PORTS];
    mach_port_t set;
    CHECK(mach_port_allocate(mach_task_self(), MACH_PORT_RIGHT_PORT_SET, &set));
    for (int i = 0; i < PORTS; i++) {
        ports[i] = new_port();
        CHECK(mach_port_move_member(mach_task_self(), ports[i], set));
    }

    struct rights message = {
        .body = {.msgh_descriptor_count = 1},
        .ports = {.address = ports,
                  .count = PORTS,
                  .disposition = MACH_MSG_TYPE_MAKE_SEND, /* one for all of them */
                  .copy = MACH_MSG_VIRTUAL_COPY,
                  .deallocate = FALSE,
                  .type = MACH_MSG_OOL_PORTS_DESCRIPTOR},
    };
    address(&message.header, MACH_MSGH_BITS_COMPLEX | MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0),
            sizeof message - sizeof message.trailer, find_service(name), MACH_PORT_NULL, 0);
    send_message(&message.header);

    int right_ones = 0;
    for (int i = 0; i < PORTS; i++) {
        struct number received;
        receive_message(&received.header, sizeof received, set);
        right_ones += received.header.msgh_local_port == ports[received.number];
    }
    printf("child: %d messages, each at the port of its number\n", right_ones);
}

int main(void)
{
    char name[BOOTSTRAP_MAX_NAME_LEN];
    mach_port_t mine = new_service(name);
    pid_t pid = start(child, name);

    struct rights received;
    receive_message(&received.header, sizeof received, mine);
    mach_msg_type_number_t count = received.ports.count;
    mach_port_t *ports = received.ports.address;
    printf("parent: %u rights in a message of %u bytes\n", count, received.header.msgh_size);
    for (mach_msg_type_number_t i = 0; i < count; i++) {
        struct number message = {.number = (int)i};
        address(&message.header, MACH_MSGH_BITS(MACH_MSG_TYPE_MOVE_SEND, 0),
                sizeof message - sizeof message.trailer, ports[i], MACH_PORT_NULL, 0);
        send_message(&message.header);
    }
    CHECK(vm_deallocate(mach_task_self(), (vm_address_t)ports, count * sizeof *ports));
    finish(pid);
    return 0;
}
