/* Failures within one task: allocating, sending to oneself, receiving. */
#include "nth.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

TEST(port_allocate)
{
    struct nth nth = {0};
    GATE_FAULTS();
    while (nth_next(&nth)) {
        mach_port_t name = MACH_PORT_NULL;
        kern_return_t result = NTH(
            &nth, mach_port_allocate(mach_task_self(), MACH_PORT_RIGHT_RECEIVE, &name));
        if (nth.failed == NULL)
            ASSERT_OK(result);
        if (result == KERN_SUCCESS)
            kit_destroy(name);
        else
            ASSERT_CODE(KERN_RESOURCE_SHORTAGE, result);
    }
}

TEST(port_insert_right)
{
    struct nth nth = {0};
    GATE_FAULTS();
    while (nth_next(&nth)) {
        mach_port_t name = kit_receive_right();
        kern_return_t result = NTH(
            &nth, mach_port_insert_right(mach_task_self(), name, name, MACH_MSG_TYPE_MAKE_SEND));
        if (nth.failed == NULL)
            ASSERT_OK(result);
        if (result != KERN_SUCCESS)
            ASSERT_CODE(KERN_RESOURCE_SHORTAGE, result);
        ASSERT_EQ(result == KERN_SUCCESS, kit_refs(name, MACH_PORT_RIGHT_SEND));
        kit_destroy(name);
    }
}

static kern_return_t get_names(mach_port_name_array_t *names, mach_msg_type_number_t *count,
                               mach_port_type_array_t *types)
{
    mach_msg_type_number_t type_count = 0;
    return mach_port_names(mach_task_self(), names, count, types, &type_count);
}

TEST(port_names)
{
    struct nth nth = {0};
    GATE_FAULTS();
    while (nth_next(&nth)) {
        mach_port_name_array_t names = NULL;
        mach_port_type_array_t types = NULL;
        mach_msg_type_number_t count = 0;
        kern_return_t result = NTH(&nth, get_names(&names, &count, &types));
        if (nth.failed == NULL)
            ASSERT_OK(result);
        if (result == KERN_SUCCESS) {
            kit_free(names, count * sizeof(*names));
            kit_free(types, count * sizeof(*types));
        } else {
            ASSERT_CODE(KERN_RESOURCE_SHORTAGE, result);
        }
    }
}

static void allocate_size(size_t size)
{
    struct nth nth = {0};
    while (nth_next(&nth)) {
        vm_address_t address = 0;
        kern_return_t result = NTH(
            &nth, vm_allocate(mach_task_self(), &address, size, VM_FLAGS_ANYWHERE));
        if (nth.failed == NULL)
            ASSERT_OK(result);
        if (result == KERN_SUCCESS) {
            ASSERT_ALL(0, (void *)address, size);
            memset((void *)address, 1, size);
            kit_free((void *)address, size);
        } else if (result != KERN_NO_SPACE) {
            ASSERT_CODE(KERN_RESOURCE_SHORTAGE, result);
        }
    }
}

TEST(vm_allocate_small)
{
    GATE_FAULTS();
    allocate_size(100);
}

TEST(vm_allocate_large)
{
    GATE_FAULTS();
    allocate_size(4 << 20);
}

/* Freeing cannot fail for want of anything. */
TEST(vm_deallocate_part)
{
    struct nth nth = {0};
    GATE_FAULTS();
    while (nth_next(&nth)) {
        const size_t size = 4 << 20;
        char *memory = kit_allocate(size);
        kern_return_t result = NTH(
            &nth,
            vm_deallocate(mach_task_self(), (vm_address_t)memory + vm_page_size, vm_page_size));
        ASSERT_OK(result);
        ASSERT(!kit_is_readable(memory + vm_page_size));
        memory[0] = memory[size - 1] = 1;
        kit_free(memory, size);
    }
}

/* Kinds of memory that a region can be sent from. */
enum kind { SMALL, REGION, REGION_SENT_BEFORE, PART_OF_REGION, FOREIGN, KINDS };
enum { SIZE = 1 << 20 };

struct source {
    char *base, *data;
    size_t mapped, size;
    bool foreign;
};

static void exchange(mach_port_t port, const void *data, size_t size)
{
    struct ool_rcv message;
    kit_header(&message.header, MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0) | MACH_MSGH_BITS_COMPLEX,
               OOL_MSG_SIZE(1), port, MACH_PORT_NULL, 1);
    message.body.msgh_descriptor_count = 1;
    kit_ool(&message.ool[0], data, size, 1, false);
    ASSERT_OK(mach_msg(&message.header, MACH_SEND_MSG | MACH_RCV_MSG, OOL_MSG_SIZE(1),
                       sizeof(message), port, 0, MACH_PORT_NULL));
    kit_free(message.ool[0].address, size);
}

static struct source source_new(enum kind kind, mach_port_t port)
{
    struct source source = {.mapped = SIZE, .size = SIZE, .foreign = kind == FOREIGN};
    source.base = source.foreign
                      ? mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON, -1, 0)
                      : kit_allocate(SIZE);
    ASSERT(source.base != MAP_FAILED);
    source.data = source.base;
    if (kind == SMALL)
        source.size = 100;
    if (kind == PART_OF_REGION) {
        source.data += 100;
        source.size -= 3 * vm_page_size;
    }
    kit_fill(source.data, source.size, kind);
    if (kind == REGION_SENT_BEFORE)
        exchange(port, source.data, source.size);
    return source;
}

static void source_free(struct source *source)
{
    if (source->foreign)
        ASSERT_SYS(munmap(source->base, source->mapped));
    else
        kit_free(source->base, source->mapped);
}

struct loaded_msg {
    mach_msg_header_t header;
    mach_msg_body_t body;
    mach_msg_ool_descriptor_t ool;
    mach_msg_port_descriptor_t port;
};
struct loaded_rcv {
    struct loaded_msg message;
    mach_msg_max_trailer_t trailer;
};

static void prepare(struct loaded_msg *message, mach_port_t to, const struct source *source,
                    bool deallocate, mach_port_t inside, mach_port_t reply)
{
    memset(message, 0, sizeof(*message));
    kit_header(&message->header,
               MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MAKE_SEND_ONCE) |
                   MACH_MSGH_BITS_COMPLEX,
               sizeof(*message), to, reply, 7);
    message->body.msgh_descriptor_count = 2;
    kit_ool(&message->ool, source->data, source->size, 1, deallocate);
    kit_port_descriptor(&message->port, inside, MACH_MSG_TYPE_COPY_SEND);
}

static void receive_loaded(mach_port_t port, enum kind kind, size_t size, mach_port_t inside)
{
    struct loaded_rcv received;
    ASSERT_OK(kit_receive(&received.message.header, sizeof(received), port, 0, PATIENCE));
    ASSERT_EQ(7, received.message.header.msgh_id);
    ASSERT_EQ(size, received.message.ool.size);
    ASSERT_FILLED(received.message.ool.address, size, kind);
    ASSERT_EQ(inside, received.message.port.name);
    kit_free(received.message.ool.address, size);
    kit_deallocate(received.message.port.name);
    kit_deallocate(received.message.header.msgh_remote_port);
}

/* A send that fails for want of something is a code of that meaning, and either leaves the message
 * as it was (0x400, from a descriptor: the header's rights are gone, S31) or hands it back. */
static void after_failed_send(struct loaded_msg *message, const struct source *source,
                              enum kind kind, bool deallocate, mach_msg_return_t result)
{
    if (result == MACH_MSG_VM_KERNEL) {
        ASSERT_FILLED(source->data, source->size, kind); /* S30 */
        return;
    }
    ASSERT_CODE(MACH_SEND_NO_BUFFER, result);
    if (message->header.msgh_bits & MACH_MSGH_BITS_COMPLEX && nth_came_back(&message->header)) {
        if (message->ool.address != NULL)
            ASSERT_FILLED(message->ool.address, source->size, kind);
        mach_msg_destroy(&message->header);
        kit_deallocate(message->header.msgh_local_port);
        return;
    }
    ASSERT_FILLED(source->data, source->size, kind); /* refused before anything was taken */
    (void)deallocate;
}

static void drain(mach_port_t port)
{
    struct plain_rcv received;
    while (kit_receive(&received.header, sizeof(received), port, 0, 0) == MACH_MSG_SUCCESS)
        ASSERT_EQ(71, received.header.msgh_id);
}

static void send_locally(enum kind kind, bool deallocate)
{
    struct nth nth = {0};
    mach_port_t port = kit_port();
    mach_port_t inside = kit_port();
    mach_port_t reply = kit_receive_right();
    while (nth_next(&nth)) {
        struct loaded_msg message;
        struct source source = source_new(kind, port);
        prepare(&message, port, &source, deallocate, inside, reply);
        mach_msg_return_t result = NTH(&nth, kit_send(&message.header, MACH_SEND_TIMEOUT, 0));
        if (nth.failed == NULL)
            ASSERT_OK(result);
        if (result == MACH_MSG_SUCCESS)
            receive_loaded(port, kind, source.size, inside);
        else
            after_failed_send(&message, &source, kind, deallocate, result);
        kit_expect_nothing(port);
        ASSERT_EQ(1, kit_refs(inside, MACH_PORT_RIGHT_SEND));
        ASSERT_EQ(1, kit_refs(port, MACH_PORT_RIGHT_SEND));
        drain(reply);
        source_free(&source);
    }
    kit_destroy(port);
    kit_destroy(inside);
    kit_destroy(reply);
}

TEST_FOR(send_to_oneself_kept, 60)
{
    GATE_FAULTS();
    for (unsigned kind = 0; kind < KINDS; kind++)
        send_locally((enum kind)kind, false);
}

TEST_FOR(send_to_oneself_deallocated, 60)
{
    GATE_FAULTS();
    for (unsigned kind = 0; kind < KINDS; kind++)
        send_locally((enum kind)kind, true);
}

/* A message is delivered with what could not be mapped or named missing, or stays queued. */
static void receive_locally(enum kind kind, bool deallocate)
{
    struct nth nth = {0};
    mach_port_t port = kit_port();
    mach_port_t inside = kit_port();
    mach_port_t reply = kit_receive_right();
    while (nth_next(&nth)) {
        struct loaded_msg message;
        struct loaded_rcv received;
        struct source source = source_new(kind, port);
        prepare(&message, port, &source, deallocate, inside, reply);
        ASSERT_OK(kit_send(&message.header, MACH_SEND_TIMEOUT, 0));
        memset(&received, 0xa5, sizeof(received));
        mach_msg_return_t result = NTH(
            &nth, kit_receive(&received.message.header, sizeof(received), port, 0, 0));
        if (nth.failed == NULL)
            ASSERT_OK(result);
        if (result != MACH_MSG_SUCCESS && received.message.header.msgh_id != 7) {
            receive_loaded(port, kind, source.size, inside); /* it had stayed */
        } else {
            if (result != MACH_MSG_SUCCESS)
                ASSERT_CODE(MACH_RCV_BODY_ERROR, result & ~MACH_MSG_MASK);
            if (received.message.ool.address != NULL)
                ASSERT_FILLED(received.message.ool.address, source.size, kind);
            else
                ASSERT_EQ(0, received.message.ool.size);
            mach_msg_destroy(&received.message.header);
        }
        kit_expect_nothing(port);
        ASSERT_EQ(1, kit_refs(inside, MACH_PORT_RIGHT_SEND));
        drain(reply);
        source_free(&source);
    }
    kit_destroy(port);
    kit_destroy(inside);
    kit_destroy(reply);
}

TEST_FOR(receive_from_oneself, 60)
{
    GATE_FAULTS();
    for (unsigned kind = 0; kind < KINDS; kind++) {
        receive_locally((enum kind)kind, false);
        receive_locally((enum kind)kind, true);
    }
}

/* The message that comes back from a full queue (S34) needs memory too. */
TEST(send_that_times_out)
{
    struct nth nth = {0};
    GATE_FAULTS();
    mach_port_t port = kit_port();
    kit_fill_queue(port, 5);
    while (nth_next(&nth)) {
        struct ool_msg message;
        char *memory = kit_allocate(SIZE);
        kit_fill(memory, SIZE, 1);
        kit_ool_msg(&message, port, 9, memory, SIZE, 1, false);
        mach_msg_return_t result = NTH(&nth, kit_send(&message.header, MACH_SEND_TIMEOUT, 0));
        if (nth.failed == NULL)
            ASSERT_CODE(MACH_SEND_TIMED_OUT, result);
        ASSERT_NE(MACH_MSG_SUCCESS, result);
        if (message.ool[0].address != memory)
            mach_msg_destroy(&message.header);
        ASSERT_EQ(1, kit_refs(port, MACH_PORT_RIGHT_SEND));
        ASSERT_FILLED(memory, SIZE, 1);
        kit_free(memory, SIZE);
    }
    kit_destroy(port);
}
