/* The seed scenario: a server that answers with inline data or with one page of out-of-line memory,
 * and its client, each a task of its own. Section 0: S1 to S14. */
#include "harness/mach_kit.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum { ID_PLAIN = 8, ID_OOL = 10, ID_DONE = 99 };

static const char page_text[] = "Hello, OOL data!";

struct request {
    mach_msg_header_t header;
    char text[32];
    int number;
};
struct request_rcv {
    struct request request;
    mach_msg_trailer_t trailer;
};
struct ool_reply {
    mach_msg_header_t header;
    mach_msg_body_t body;
    mach_msg_ool_descriptor_t data;
};
struct ool_reply_rcv {
    struct ool_reply reply;
    mach_msg_trailer_t trailer;
};

static void make_request(struct request *request, mach_port_t service, mach_port_t reply, int id)
{
    memset(request, 0, sizeof(*request));
    kit_header(&request->header,
               reply == MACH_PORT_NULL
                   ? MACH_MSGH_BITS_SET(MACH_MSG_TYPE_COPY_SEND, 0, 0, 0)
                   : MACH_MSGH_BITS_SET(MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MAKE_SEND, 0, 0),
               sizeof(*request), service, reply, id);
    strcpy(request->text, "Hello Mach!");
    request->number = 500 + id;
}

static void send_request(mach_port_t service, mach_port_t reply, int id)
{
    struct request request;
    make_request(&request, service, reply, id);
    ASSERT_OK(kit_send(&request.header, MACH_SEND_TIMEOUT, PATIENCE));
}

static void answer_plain(const struct request *request)
{
    struct request reply;
    memset(&reply, 0, sizeof(reply));
    kit_header(&reply.header, request->header.msgh_bits & MACH_MSGH_BITS_REMOTE_MASK, sizeof(reply),
               request->header.msgh_remote_port, MACH_PORT_NULL, request->header.msgh_id);
    strcpy(reply.text, "Response - ");
    strcat(reply.text, request->text);
    reply.number = request->number + 2;
    ASSERT_OK(kit_send(&reply.header, MACH_SEND_TIMEOUT, PATIENCE));
}

static void answer_ool(const struct request *request, void *page)
{
    struct ool_reply reply;
    memset(&reply, 0, sizeof(reply));
    kit_header(
        &reply.header, MACH_MSGH_BITS_SET(MACH_MSG_TYPE_COPY_SEND, 0, 0, MACH_MSGH_BITS_COMPLEX),
        sizeof(reply), request->header.msgh_remote_port, MACH_PORT_NULL, request->header.msgh_id);
    reply.body.msgh_descriptor_count = 1;
    kit_ool(&reply.data, page, vm_page_size, MACH_MSG_VIRTUAL_COPY, false);
    ASSERT_OK(kit_send(&reply.header, MACH_SEND_TIMEOUT, PATIENCE));
}

/* Serves until ID_DONE. Counts the urefs of the one reply name as S3 has it. */
PEER(seed_server)
{
    struct kit_pair pair;
    struct request_rcv received;
    mach_port_t reply_name = MACH_PORT_NULL;
    unsigned refs = 0;
    void *page = kit_allocate(vm_page_size);
    memcpy(page, page_text, sizeof(page_text));
    kit_pair_join(&pair);
    ASSERT_EQ(68, sizeof(received));
    for (;;) {
        struct request *request = &received.request;
        memset(&received, 0xa5, sizeof(received));
        ASSERT_OK(kit_receive(&request->header, sizeof(received), pair.mine, 0, PATIENCE));
        ASSERT_EQ(60, request->header.msgh_size);
        ASSERT_EQ(pair.mine, request->header.msgh_local_port);
        ASSERT_EQ(0, received.trailer.msgh_trailer_type);
        ASSERT_EQ(8, received.trailer.msgh_trailer_size);
        if (request->header.msgh_id == ID_DONE)
            break;
        ASSERT_EQ(0x1111, request->header.msgh_bits);
        if (reply_name == MACH_PORT_NULL)
            reply_name = request->header.msgh_remote_port;
        ASSERT_EQ(reply_name, request->header.msgh_remote_port);
        ASSERT_EQ(++refs, kit_refs(reply_name, MACH_PORT_RIGHT_SEND));
        if (request->header.msgh_id == ID_OOL) {
            answer_ool(request, page);
        } else {
            answer_plain(request);
            refs--;
        }
        if (refs > 0)
            ASSERT_EQ(refs, kit_refs(reply_name, MACH_PORT_RIGHT_SEND));
        else
            reply_name = MACH_PORT_NULL;
    }
    /* S14: no reply asked for, none offered. */
    ASSERT_EQ(0x1100, received.request.header.msgh_bits);
    ASSERT_EQ(MACH_PORT_NULL, received.request.header.msgh_remote_port);
    /* S7: what clients wrote into their regions never came here. */
    ASSERT_STR(page_text, (char *)page);
    ASSERT_ALL(0, (char *)page + sizeof(page_text), vm_page_size - sizeof(page_text));
    if (reply_name != MACH_PORT_NULL)
        kit_destroy(reply_name);
    kit_free(page, vm_page_size);
    kit_pair_leave(&pair);
}

struct seed {
    struct kit_pair pair;
    mach_port_t reply;
};

static void seed_start(struct seed *ret_seed)
{
    kit_pair_start(&ret_seed->pair, "seed_server", "");
    ret_seed->reply = kit_receive_right();
}

static void seed_end(struct seed *seed)
{
    send_request(seed->pair.theirs, MACH_PORT_NULL, ID_DONE);
    kit_pair_end(&seed->pair);
    kit_destroy(seed->reply);
}

static void receive_ool(mach_port_t port, struct ool_reply_rcv *ret_received)
{
    memset(ret_received, 0xa5, sizeof(*ret_received));
    ASSERT_EQ(52, sizeof(*ret_received));
    ASSERT_OK(kit_receive(&ret_received->reply.header, sizeof(*ret_received), port, 0, PATIENCE));
}

TEST(S1_request_is_60_bytes_of_known_layout)
{
    struct request request;
    mach_port_t port = kit_receive_right();
    make_request(&request, 1, 2, ID_OOL);
    ASSERT_EQ(60, sizeof(request));
    ASSERT_EQ(24, offsetof(struct request, text));
    ASSERT_EQ(56, offsetof(struct request, number));
    ASSERT_EQ(0x00001413, request.header.msgh_bits);
    kit_destroy(port);
}

TEST(S2_request_fits_68_bytes_and_not_67)
{
    struct request_rcv received;
    mach_port_t port = kit_port();
    send_request(port, MACH_PORT_NULL, ID_PLAIN);
    ASSERT_OK(kit_receive(&received.request.header, 68, port, 0, 0));
    send_request(port, MACH_PORT_NULL, ID_PLAIN);
    ASSERT_CODE(MACH_RCV_TOO_LARGE, kit_receive(&received.request.header, 67, port, 0, 0));
    kit_destroy(port);
}

TEST(S2_S3_server_sees_swapped_ports_and_coalesced_names)
{
    struct seed seed;
    struct ool_reply_rcv ool;
    struct request_rcv plain;
    seed_start(&seed);
    for (int i = 0; i < 12; i++) {
        if (i % 3 != 2) {
            send_request(seed.pair.theirs, seed.reply, ID_OOL);
            receive_ool(seed.reply, &ool);
            kit_free(ool.reply.data.address, ool.reply.data.size);
        } else {
            send_request(seed.pair.theirs, seed.reply, ID_PLAIN);
            ASSERT_OK(kit_receive(&plain.request.header, sizeof(plain), seed.reply, 0, PATIENCE));
        }
    }
    seed_end(&seed);
}

/* The buffer is what the pointer points to, and nothing beside it is written. */
TEST(S11_receive_into_memory_behind_a_pointer)
{
    struct {
        unsigned char before[64];
        struct request_rcv received;
        unsigned char after[64];
    } *buffer = malloc(sizeof(*buffer));
    ASSERT(buffer != NULL);
    struct request_rcv *pointer = &buffer->received;
    struct request_rcv *const kept = pointer;
    mach_port_t port = kit_port();
    memset(buffer, 0xa5, sizeof(*buffer));
    send_request(port, MACH_PORT_NULL, ID_PLAIN);
    ASSERT_OK(kit_receive((mach_msg_header_t *)pointer, sizeof(*pointer), port, 0, 0));
    ASSERT_EQ(kept, pointer);
    ASSERT_EQ(ID_PLAIN, pointer->request.header.msgh_id);
    ASSERT_EQ(60, pointer->request.header.msgh_size);
    ASSERT_ALL(0xa5, buffer->before, sizeof(buffer->before));
    ASSERT_ALL(0xa5, buffer->after, sizeof(buffer->after));
    kit_destroy(port);
    free(buffer);
}

/* Answering with the received bits moves the reply right away, so that nothing piles up. */
TEST(S3_plain_reply_moves_the_right_back)
{
    struct seed seed;
    struct request_rcv received;
    seed_start(&seed);
    for (int i = 0; i < 4; i++) {
        send_request(seed.pair.theirs, seed.reply, ID_PLAIN);
        ASSERT_OK(kit_receive(&received.request.header, sizeof(received), seed.reply, 0, PATIENCE));
        ASSERT_EQ(ID_PLAIN, received.request.header.msgh_id);
        ASSERT_EQ(0x1100, received.request.header.msgh_bits);
        ASSERT_STR("Response - Hello Mach!", received.request.text);
        ASSERT_EQ(510, received.request.number);
    }
    seed_end(&seed);
}

TEST(S4_ool_reply_is_44_bytes_of_known_layout)
{
    struct ool_reply reply;
    unsigned char bytes[44];
    void *address = (void *)(uintptr_t)0x1122334455667788;
    memset(&reply, 0, sizeof(reply));
    kit_header(&reply.header,
               MACH_MSGH_BITS_SET(MACH_MSG_TYPE_COPY_SEND, 0, 0, MACH_MSGH_BITS_COMPLEX), 44, 1, 0,
               ID_OOL);
    reply.body.msgh_descriptor_count = 0x21222324;
    kit_ool(&reply.data, address, 0x31323334, MACH_MSG_VIRTUAL_COPY, false);
    ASSERT_EQ(0x80000013, reply.header.msgh_bits);
    ASSERT_EQ(44, sizeof(reply));
    memcpy(bytes, &reply, sizeof(bytes));
    ASSERT_MEM("\x24\x23\x22\x21", bytes + 24, 4);
    ASSERT_MEM("\x88\x77\x66\x55\x44\x33\x22\x11", bytes + 28, 8);
    ASSERT_EQ(0, bytes[36]);
    ASSERT_EQ(1, bytes[37]);
    ASSERT_EQ(1, bytes[39]);
    ASSERT_MEM("\x34\x33\x32\x31", bytes + 40, 4);
}

TEST(S5_S6_S12_client_sees_the_descriptor)
{
    struct seed seed;
    struct ool_reply_rcv received;
    seed_start(&seed);
    send_request(seed.pair.theirs, seed.reply, ID_OOL);
    receive_ool(seed.reply, &received);
    ASSERT_EQ(0x80001100, received.reply.header.msgh_bits);
    ASSERT_EQ(44, received.reply.header.msgh_size);
    ASSERT_EQ(MACH_PORT_NULL, received.reply.header.msgh_remote_port);
    ASSERT_EQ(seed.reply, received.reply.header.msgh_local_port);
    ASSERT_EQ(ID_OOL, received.reply.header.msgh_id);
    ASSERT_EQ(1, received.reply.body.msgh_descriptor_count);
    ASSERT_EQ(MACH_MSG_OOL_DESCRIPTOR, received.reply.data.type);
    ASSERT_EQ(vm_page_size, received.reply.data.size);
    ASSERT_EQ(1, received.reply.data.copy);
    ASSERT_EQ(1, received.reply.data.deallocate); /* the server sent 0 */
    ASSERT_NE(0, received.reply.data.address);
    ASSERT_EQ(0, kit_page_offset(received.reply.data.address));
    kit_free(received.reply.data.address, received.reply.data.size);
    seed_end(&seed);
}

TEST(S7_regions_are_private_to_each_receiver)
{
    struct seed seed;
    struct ool_reply_rcv first;
    struct ool_reply_rcv second;
    seed_start(&seed);
    send_request(seed.pair.theirs, seed.reply, ID_OOL);
    receive_ool(seed.reply, &first);
    ASSERT_STR(page_text, (char *)first.reply.data.address);
    ASSERT_ALL(0, (char *)first.reply.data.address + sizeof(page_text),
               vm_page_size - sizeof(page_text));
    memset(first.reply.data.address, 0xee, vm_page_size);
    send_request(seed.pair.theirs, seed.reply, ID_OOL);
    receive_ool(seed.reply, &second);
    ASSERT_NE(first.reply.data.address, second.reply.data.address);
    ASSERT_STR(page_text, (char *)second.reply.data.address);
    ASSERT_ALL(0xee, first.reply.data.address, vm_page_size);
    kit_free(first.reply.data.address, vm_page_size);
    kit_free(second.reply.data.address, vm_page_size);
    seed_end(&seed);
}

TEST(S8_copy_is_an_echo_of_one_page_too)
{
    struct ool_reply_rcv received;
    struct ool_reply reply;
    mach_port_t port = kit_port();
    void *page = kit_allocate(vm_page_size);
    for (unsigned copy = 0; copy <= 1; copy++) {
        kit_header(&reply.header, 0x80000013, sizeof(reply), port, MACH_PORT_NULL, ID_OOL);
        reply.body.msgh_descriptor_count = 1;
        kit_ool(&reply.data, page, vm_page_size, copy, false);
        ASSERT_OK(kit_send(&reply.header, 0, 0));
        receive_ool(port, &received);
        ASSERT_EQ(copy, received.reply.data.copy);
        kit_free(received.reply.data.address, vm_page_size);
    }
    kit_free(page, vm_page_size);
    kit_destroy(port);
}

TEST(S9_vm_allocate_takes_flags_3)
{
    vm_address_t address = 0x12345;
    ASSERT_EQ(3, VM_PROT_READ | VM_PROT_WRITE);
    ASSERT_CODE(KERN_SUCCESS, vm_allocate(mach_task_self(), &address, vm_page_size,
                                          VM_PROT_READ | VM_PROT_WRITE));
    ASSERT_NE(0, address);
    ASSERT_NE(0x12345, address);
    ASSERT_ALL(0, (void *)address, vm_page_size);
    memset((void *)address, 1, vm_page_size);
    kit_free((void *)address, vm_page_size);
}

TEST(S10_purgeable_memory_is_sent_like_any_other)
{
    const size_t size = 1 << 20;
    vm_address_t address = 0;
    struct ool_reply_rcv received;
    struct ool_reply reply;
    mach_port_t port = kit_port();
    ASSERT_OK(vm_allocate(mach_task_self(), &address, size, 3));
    kit_fill((void *)address, size, 1);
    kit_header(&reply.header, 0x80000013, sizeof(reply), port, MACH_PORT_NULL, ID_OOL);
    reply.body.msgh_descriptor_count = 1;
    kit_ool(&reply.data, (void *)address, size, MACH_MSG_VIRTUAL_COPY, false);
    ASSERT_OK(kit_send(&reply.header, 0, 0));
    kit_fill((void *)address, size, 2);
    receive_ool(port, &received);
    ASSERT_FILLED(received.reply.data.address, size, 1);
    kit_free(received.reply.data.address, size);
    kit_free((void *)address, size);
    kit_destroy(port);
}

TEST(S13_timed_out_receive_leaves_the_buffer_alone)
{
    struct ool_reply_rcv received;
    mach_port_t port = kit_port();
    uint64_t start = kit_milliseconds();
    memset(&received, 0xa5, sizeof(received));
    ASSERT_EQ(0x10004003, mach_msg(&received.reply.header, MACH_RCV_MSG | MACH_RCV_TIMEOUT, 0,
                                   sizeof(received), port, 500, MACH_PORT_NULL));
    uint64_t took = kit_milliseconds() - start;
    ASSERT(took >= 499 && took < 5000);
    ASSERT_ALL(0xa5, &received, sizeof(received));
    kit_destroy(port);
}

TEST(S14_no_reply_port_is_seen_as_null)
{
    struct request_rcv received;
    mach_port_t port = kit_port();
    send_request(port, MACH_PORT_NULL, ID_PLAIN);
    ASSERT_OK(kit_receive(&received.request.header, sizeof(received), port, 0, 0));
    ASSERT_EQ(0x1100, received.request.header.msgh_bits);
    ASSERT_EQ(MACH_PORT_NULL, received.request.header.msgh_remote_port);
    kit_destroy(port);
}
