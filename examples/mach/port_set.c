/*
 * One thread, several ports: a port set.
 *
 * A receive from the set takes a message from any of its members, and the header's local port says
 * from which one. A port can be moved out of the set: what comes to it then waits.
 */
#include "check.h"

#define ORDERS 3

struct introduction {
    mach_msg_header_t header;
    mach_msg_body_t body;
    mach_msg_port_descriptor_t orders, complaints;
    mach_msg_trailer_t trailer;
};

struct message {
    mach_msg_header_t header;
    mach_msg_trailer_t trailer;
};

static void customer(const char *name)
{
    mach_port_t mine = new_port();
    union {
        mach_msg_header_t header;
        struct introduction introduction;
    } buffer;
    address(&buffer.header, MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MAKE_SEND_ONCE),
            sizeof buffer.header, find_service(name), mine, 0);
    CHECK(mach_msg(&buffer.header, MACH_SEND_MSG | MACH_RCV_MSG, sizeof buffer.header,
                   sizeof buffer, mine, MACH_MSG_TIMEOUT_NONE, MACH_PORT_NULL));
    mach_port_t orders = buffer.introduction.orders.name;
    mach_port_t complaints = buffer.introduction.complaints.name;
    for (int i = 1; i <= ORDERS + 1; i++) {
        mach_msg_header_t message;
        address(&message, MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0), sizeof message,
                i <= ORDERS ? orders : complaints, MACH_PORT_NULL, i);
        send_message(&message);
    }
}

/* The front port's only message: answered with rights to the two others. */
static void introduce(mach_port_t reply, mach_port_t orders, mach_port_t complaints)
{
    mach_msg_port_descriptor_t right = {.disposition = MACH_MSG_TYPE_MAKE_SEND,
                                        .type = MACH_MSG_PORT_DESCRIPTOR};
    struct introduction message = {
        .body = {.msgh_descriptor_count = 2}, .orders = right, .complaints = right};
    message.orders.name = orders;
    message.complaints.name = complaints;
    address(&message.header,
            MACH_MSGH_BITS_COMPLEX | MACH_MSGH_BITS(MACH_MSG_TYPE_MOVE_SEND_ONCE, 0),
            sizeof message - sizeof message.trailer, reply, MACH_PORT_NULL, 0);
    send_message(&message.header);
}

int main(void)
{
    char name[BOOTSTRAP_MAX_NAME_LEN];
    mach_port_t front = new_service(name), orders = new_port(), complaints = new_port(), set;
    CHECK(mach_port_allocate(mach_task_self(), MACH_PORT_RIGHT_PORT_SET, &set));
    mach_port_t members[] = {front, orders, complaints};
    for (int i = 0; i < 3; i++)
        CHECK(mach_port_move_member(mach_task_self(), members[i], set));
    pid_t pid = start(customer, name);

    struct message message;
    for (int i = 0; i < ORDERS + 2; i++) {
        receive_message(&message.header, sizeof message, set);
        mach_port_t from = message.header.msgh_local_port;
        if (from == front)
            introduce(message.header.msgh_remote_port, orders, complaints);
        else
            printf("%s: message %d\n", from == orders ? "orders" : "complaints",
                   message.header.msgh_id);
    }
    finish(pid);
    CHECK(mach_port_move_member(mach_task_self(), complaints, MACH_PORT_NULL));
    mach_port_name_array_t names;
    mach_msg_type_number_t count = 0;
    CHECK(mach_port_get_set_status(mach_task_self(), set, &names, &count));
    printf("%u ports are left in the set\n", count);
    CHECK(vm_deallocate(mach_task_self(), (vm_address_t)names, count * sizeof *names));
    CHECK(mach_port_mod_refs(mach_task_self(), set, MACH_PORT_RIGHT_PORT_SET, -1));
    return 0;
}
