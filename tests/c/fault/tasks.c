/* Failures between tasks: sending, receiving, publishing and finding services, and a program's
 * first use of the layer. The other task never fails; it sees whole messages or none. */
#include "nth.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { SMALL_SIZE = 300, LARGE_SIZE = 1 << 20, ID = 7, ID_END = 8 };

/* Two regions, two rights and a send-once reply. */
struct loaded_msg {
    mach_msg_header_t header;
    mach_msg_body_t body;
    mach_msg_ool_descriptor_t small;
    mach_msg_port_descriptor_t own; /* a right to a port of the sender */
    mach_msg_ool_descriptor_t large;
    mach_msg_port_descriptor_t third; /* a right to a port of a third task, or null */
};
struct loaded_rcv {
    struct loaded_msg message;
    mach_msg_max_trailer_t trailer;
};

struct load {
    char *small, *large;
    mach_port_t own, third, reply;
};

static void load_open(struct load *ret_load, mach_port_t third)
{
    ret_load->small = kit_allocate(SMALL_SIZE);
    ret_load->large = kit_allocate(LARGE_SIZE);
    ret_load->own = kit_receive_right();
    ret_load->reply = kit_receive_right();
    ret_load->third = third;
    kit_fill(ret_load->small, SMALL_SIZE, 1);
    kit_fill(ret_load->large, LARGE_SIZE, 2);
}

static void load_close(struct load *load)
{
    kit_free(load->small, SMALL_SIZE);
    kit_free(load->large, LARGE_SIZE);
    kit_destroy(load->own);
    kit_destroy(load->reply);
}

static void load_prepare(const struct load *load, mach_port_t to, struct loaded_msg *ret_message)
{
    memset(ret_message, 0, sizeof(*ret_message));
    kit_header(&ret_message->header,
               MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MAKE_SEND_ONCE) |
                   MACH_MSGH_BITS_COMPLEX,
               sizeof(*ret_message), to, load->reply, ID);
    ret_message->body.msgh_descriptor_count = 4;
    kit_ool(&ret_message->small, load->small, SMALL_SIZE, 1, false);
    kit_ool(&ret_message->large, load->large, LARGE_SIZE, 1, false);
    kit_port_descriptor(&ret_message->own, load->own, MACH_MSG_TYPE_MAKE_SEND);
    kit_port_descriptor(&ret_message->third, load->third, MACH_MSG_TYPE_COPY_SEND);
}

/* A whole message: checked, its rights used, everything dropped. */
static void check_whole(const struct loaded_msg *message, bool third)
{
    ASSERT_EQ(4, message->body.msgh_descriptor_count);
    ASSERT_EQ(SMALL_SIZE, message->small.size);
    ASSERT_EQ(LARGE_SIZE, message->large.size);
    ASSERT_FILLED(message->small.address, SMALL_SIZE, 1);
    ASSERT_FILLED(message->large.address, LARGE_SIZE, 2);
    ASSERT_EQ(third, message->third.name != MACH_PORT_NULL);
    kit_free(message->small.address, SMALL_SIZE);
    kit_free(message->large.address, LARGE_SIZE);
    if (message->own.name != MACH_PORT_DEAD)
        kit_deallocate(message->own.name);
    if (third)
        kit_deallocate(message->third.name);
}

/* Takes what comes and answers each message with its reply right. */
PEER(fault_receiver)
{
    struct kit_pair pair;
    kit_pair_join(&pair);
    for (;;) {
        struct loaded_rcv received;
        ASSERT_OK(
            kit_receive(&received.message.header, sizeof(received), pair.mine, 0, 3 * PATIENCE));
        if (received.message.header.msgh_id == ID_END)
            break;
        check_whole(&received.message, strcmp(pair.argument, "third") == 0);
        ASSERT_OK(kit_try_plain(received.message.header.msgh_remote_port,
                                MACH_MSG_TYPE_MOVE_SEND_ONCE, 9, 0));
    }
    kit_pair_leave(&pair);
}

PEER(fault_bystander)
{
    struct kit_pair pair;
    kit_pair_join(&pair);
    kit_expect_plain(pair.mine, ID_END);
    kit_pair_leave(&pair);
}

/* The message came back, or was refused before anything was taken: either way nobody waits. */
static void after_failed_send(struct loaded_msg *message, const struct load *load,
                              mach_msg_return_t result)
{
    bool came_back = nth_came_back(&message->header);
    if (result == MACH_MSG_VM_KERNEL) { /* from copyin: the header's rights are spent (S31) */
        struct plain_rcv received;
        ASSERT_OK(kit_receive(&received.header, sizeof(received), load->reply, 0, PATIENCE));
        ASSERT_EQ(71, received.header.msgh_id);
        return;
    }
    ASSERT_CODE(MACH_SEND_NO_BUFFER, result);
    if (!came_back)
        return;
    ASSERT_FILLED(message->small.address, SMALL_SIZE, 1);
    ASSERT_FILLED(message->large.address, LARGE_SIZE, 2);
    kit_deallocate(message->header.msgh_local_port);
    mach_msg_destroy(&message->header);
    kit_expect_send_once_notification(load->reply);
}

static void send_to_task(bool with_third)
{
    struct nth nth = {0};
    struct kit_pair pair;
    struct kit_pair third;
    struct load load;
    kit_pair_start(&pair, "fault_receiver", with_third ? "third" : "");
    if (with_third)
        kit_pair_start(&third, "fault_bystander", "");
    while (nth_next(&nth)) {
        struct loaded_msg message;
        load_open(&load, with_third ? third.theirs : MACH_PORT_NULL);
        load_prepare(&load, pair.theirs, &message);
        mach_msg_return_t result = NTH(&nth,
                                       kit_send(&message.header, MACH_SEND_TIMEOUT, PATIENCE));
        if (nth.failed == NULL)
            ASSERT_OK(result);
        if (result == MACH_MSG_SUCCESS)
            kit_expect_plain(load.reply, 9);
        else
            after_failed_send(&message, &load, result);
        kit_expect_nothing(load.reply);
        ASSERT_EQ(1, kit_refs(pair.theirs, MACH_PORT_RIGHT_SEND));
        load_close(&load);
    }
    kit_send_plain(pair.theirs, ID_END);
    kit_pair_end(&pair);
    if (with_third) {
        ASSERT_EQ(1, kit_refs(third.theirs, MACH_PORT_RIGHT_SEND));
        kit_send_plain(third.theirs, ID_END);
        kit_pair_end(&third);
    }
}

TEST_FOR(send_to_another_task, 60)
{
    GATE_FAULTS();
    send_to_task(false);
}

TEST_FOR(send_of_a_third_tasks_right, 60)
{
    GATE_FAULTS();
    send_to_task(true);
}

/* Sends one message for each tell; wants an answer or a notification for each. */
PEER(fault_sender)
{
    struct kit_pair pair;
    struct kit_pair none = {.theirs = MACH_PORT_NULL};
    kit_pair_join(&pair);
    for (;;) {
        struct load load;
        struct loaded_msg message;
        struct plain_rcv answer;
        parent_hear();
        load_open(&load, none.theirs);
        load_prepare(&load, pair.theirs, &message);
        ASSERT_OK(kit_send(&message.header, MACH_SEND_TIMEOUT, PATIENCE));
        parent_tell();
        ASSERT_OK(kit_receive(&answer.header, sizeof(answer), load.reply, 0, PATIENCE));
        kit_expect_nothing(load.reply);
        load_close(&load);
        if (answer.header.msgh_id == ID_END)
            break;
        parent_tell();
    }
    kit_pair_leave(&pair);
}

static void drop_region(const mach_msg_ool_descriptor_t *ool, size_t size, unsigned seed)
{
    if (ool->address == NULL) {
        ASSERT_EQ(0, ool->size);
        return;
    }
    ASSERT_EQ(size, ool->size);
    ASSERT_FILLED(ool->address, size, seed);
    kit_free(ool->address, size);
}

/* Something of it could not be had: that is missing, everything else is there. */
static void check_parts(const struct loaded_msg *message)
{
    drop_region(&message->small, SMALL_SIZE, 1);
    drop_region(&message->large, LARGE_SIZE, 2);
    if (message->own.name != MACH_PORT_NULL && message->own.name != MACH_PORT_DEAD)
        kit_deallocate(message->own.name);
}

TEST_FOR(receive_from_another_task, 60)
{
    struct nth nth = {0};
    struct kit_pair pair;
    struct loaded_rcv received;
    struct loaded_msg *message = &received.message;
    int id = 9;
    GATE_FAULTS();
    kit_pair_start(&pair, "fault_sender", "");
    do {
        bool more = nth_next(&nth);
        peer_tell(&pair.peer);
        peer_hear(&pair.peer);
        memset(&received, 0xa5, sizeof(received));
        mach_msg_return_t result;
        if (more) {
            result = NTH(&nth,
                         kit_receive(&message->header, sizeof(received), pair.mine, 0, PATIENCE));
        } else {
            id = ID_END;
            result = kit_receive(&message->header, sizeof(received), pair.mine, 0, PATIENCE);
        }
        result = nth_received(&nth, result, &message->header, sizeof(received), pair.mine, ID);
        if (result == MACH_MSG_SUCCESS) {
            check_whole(message, false);
        } else {
            ASSERT_CODE(MACH_RCV_BODY_ERROR, result & ~MACH_MSG_MASK);
            check_parts(message);
        }
        /* A right that could not be named is dead here; its sender hears of that instead. */
        mach_port_t reply = message->header.msgh_remote_port;
        if (MACH_PORT_VALID(reply))
            ASSERT_OK(kit_try_plain(reply, MACH_MSG_TYPE_MOVE_SEND_ONCE, id, 0));
        else
            ASSERT_NE(NULL, nth.failed);
        kit_expect_nothing(pair.mine);
        if (id != ID_END)
            peer_hear(&pair.peer);
    } while (id != ID_END);
    kit_pair_end(&pair);
}

static kern_return_t register_service(char *name, mach_port_t port)
{
    return bootstrap_register(bootstrap_port, name, port);
}

/* After a failure the name is still free. */
TEST(bootstrap_register_and_check_in)
{
    struct nth nth = {0};
    char name[BOOTSTRAP_MAX_NAME_LEN];
    GATE_FAULTS();
    kit_service_name(name, sizeof(name));
    while (nth_next(&nth)) {
        mach_port_t port = kit_port();
        kern_return_t result = NTH(&nth, register_service(name, port));
        if (nth.failed == NULL)
            ASSERT_OK(result);
        if (result != KERN_SUCCESS) {
            ASSERT_CODE(BOOTSTRAP_NO_MEMORY, result);
            ASSERT_OK(register_service(name, port));
        }
        kit_destroy(port);
    }
    nth = (struct nth){0};
    while (nth_next(&nth)) {
        mach_port_t port = MACH_PORT_NULL;
        kern_return_t result = NTH(&nth, bootstrap_check_in(bootstrap_port, name, &port));
        if (nth.failed == NULL)
            ASSERT_OK(result);
        if (result != KERN_SUCCESS) {
            ASSERT_CODE(BOOTSTRAP_NO_MEMORY, result);
            ASSERT_OK(bootstrap_check_in(bootstrap_port, name, &port));
        }
        kit_destroy(port);
    }
}

PEER(fault_service)
{
    struct kit_pair pair;
    kit_pair_join(&pair);
    mach_port_t port = kit_port();
    char name[BOOTSTRAP_MAX_NAME_LEN];
    snprintf(name, sizeof(name), "%s", pair.argument);
    ASSERT_OK(register_service(name, port));
    parent_tell();
    kit_expect_plain(pair.mine, ID_END);
    kit_destroy(port);
    kit_pair_leave(&pair);
}

/* A service of a task that is known already, found afresh each round. */
TEST(bootstrap_look_up_of_another_task)
{
    struct nth nth = {0};
    struct kit_pair pair;
    char name[KIT_TEXT];
    GATE_FAULTS();
    kit_service_name(name, sizeof(name));
    kit_pair_start(&pair, "fault_service", name);
    peer_hear(&pair.peer);
    while (nth_next(&nth)) {
        mach_port_t port = MACH_PORT_NULL;
        kern_return_t result = NTH(&nth, bootstrap_look_up(bootstrap_port, name, &port));
        if (nth.failed == NULL)
            ASSERT_OK(result);
        if (result != KERN_SUCCESS) {
            ASSERT_CODE(BOOTSTRAP_NO_MEMORY, result);
            ASSERT_OK(bootstrap_look_up(bootstrap_port, name, &port));
        }
        ASSERT_EQ(1, kit_refs(port, MACH_PORT_RIGHT_SEND));
        kit_deallocate(port);
    }
    kit_send_plain(pair.theirs, ID_END);
    kit_pair_end(&pair);
}

/* Everything a task does for the first time, in a child for each round: its space is new (S142).
 * The code is of no matter; afterwards the same must work. */
static void first_use(const char *service, struct nth *nth)
{
    mach_port_t found = MACH_PORT_NULL;
    kern_return_t result = NTH(nth, bootstrap_look_up(bootstrap_port, service, &found));
    if (result != KERN_SUCCESS)
        ASSERT_OK(bootstrap_look_up(bootstrap_port, service, &found));
    mach_port_t reply = kit_receive_right();
    struct plain_msg message;
    memset(&message, 0, sizeof(message));
    kit_header(&message.header,
               MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MAKE_SEND_ONCE),
               sizeof(message), found, reply, 3);
    ASSERT_OK(kit_send(&message.header, MACH_SEND_TIMEOUT, PATIENCE));
    kit_expect_plain(reply, 4);
}

TEST_FOR(first_use_of_a_task, 60)
{
    char service[BOOTSTRAP_MAX_NAME_LEN];
    mach_port_t port = kit_port();
    bool ran_through = false;
    GATE_FAULTS();
    kit_service_name(service, sizeof(service));
    ASSERT_OK(register_service(service, port));
    for (unsigned round = 1; !ran_through; round++) {
        struct plain_rcv request;
        ASSERT(round < 400);
        pid_t pid = (pid_t)ASSERT_SYS(fork());
        if (pid == 0) {
            struct nth nth = {.round = round};
            first_use(service, &nth);
            nth_child_ends(&nth);
        }
        ASSERT_OK(kit_receive(&request.header, sizeof(request), port, 0, PATIENCE));
        ASSERT_OK(
            kit_try_plain(request.header.msgh_remote_port, MACH_MSG_TYPE_MOVE_SEND_ONCE, 4, 0));
        ran_through = nth_child_ran_through(pid);
    }
    kit_destroy(port);
}

/* The first message of a fresh task to itself, with memory, fails in every way it can. */
TEST_FOR(first_message_of_a_task, 60)
{
    bool ran_through = false;
    GATE_FAULTS();
    for (unsigned round = 1; !ran_through; round++) {
        ASSERT(round < 400);
        pid_t pid = (pid_t)ASSERT_SYS(fork());
        if (pid == 0) {
            struct nth nth = {.round = round};
            struct plain_rcv received;
            mach_port_t port = kit_port();
            (void)NTH(&nth, kit_receive(&received.header, sizeof(received), port, 0, 1));
            kit_send_plain(port, 1);
            kit_expect_plain(port, 1);
            kit_expect_nothing(port);
            nth_child_ends(&nth);
        }
        ran_through = nth_child_ran_through(pid);
    }
}
