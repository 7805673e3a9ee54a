/* What arrives of an out-of-line descriptor, who frees it. Section 2: S41 to S49, S59 to S64. */
#include "harness/way.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static void receive(mach_port_t port, struct ool_rcv *ret_received)
{
    memset(ret_received, 0xa5, sizeof(*ret_received));
    ASSERT_OK(kit_receive(&ret_received->header, sizeof(*ret_received), port, 0, PATIENCE));
}

TEST_BOTH_WAYS(S41_regions_are_new_and_apart)
{
    struct ool_msg message;
    struct seen seen;
    const size_t size = 1 << 18;
    char *memory = kit_allocate(size);
    kit_fill(memory, size, 1);
    for (unsigned i = 0; i < KIT_OOL_MAX; i++)
        kit_ool(&message.ool[i], memory, i % 2 == 0 ? size : 100, i / 2 % 2, false);
    way_prepare(way, &message, KIT_OOL_MAX, 1);
    ASSERT_OK(way_send(way, &message));
    way_look(way, &seen);
    ASSERT_OK(seen.result);
    ASSERT_EQ(KIT_OOL_MAX, seen.count);
    for (unsigned i = 0; i < KIT_OOL_MAX; i++) {
        ASSERT_EQ(way_hash(memory, i % 2 == 0 ? size : 100), seen.region[i].hash);
        ASSERT(!seen.region[i].overlaps);
        ASSERT(!seen.region[i].is_null);
        ASSERT(seen.region[i].freed);
    }
    ASSERT_FILLED(memory, size, 1);
    kit_free(memory, size);
}

/* Not where the sender has it, and one can go while the others stay. */
TEST(S41_regions_are_freed_one_by_one)
{
    const size_t sizes[] = {1, vm_page_size, 1 << 20};
    mach_port_t port = kit_port();
    for (unsigned i = 0; i < 3; i++) {
        struct ool_msg message;
        struct ool_rcv received;
        char *memory = kit_allocate(sizes[i]);
        kit_fill(memory, sizes[i], i);
        for (unsigned j = 0; j < 3; j++)
            kit_ool(&message.ool[j], memory, sizes[i], 1, false);
        kit_header(&message.header,
                   MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0) | MACH_MSGH_BITS_COMPLEX,
                   OOL_MSG_SIZE(3), port, MACH_PORT_NULL, 1);
        message.body.msgh_descriptor_count = 3;
        ASSERT_OK(kit_send(&message.header, 0, 0));
        receive(port, &received);
        for (unsigned j = 0; j < 3; j++)
            ASSERT(!kit_overlap(memory, sizes[i], received.ool[j].address, sizes[i]));
        kit_free(received.ool[1].address, sizes[i]);
        ASSERT_FILLED(received.ool[0].address, sizes[i], i);
        ASSERT_FILLED(received.ool[2].address, sizes[i], i);
        kit_free(memory, sizes[i]);
        ASSERT_FILLED(received.ool[0].address, sizes[i], i);
        kit_free(received.ool[0].address, sizes[i]);
        kit_free(received.ool[2].address, sizes[i]);
    }
    kit_destroy(port);
}

static void send_region(mach_port_t port, const void *address, size_t size, unsigned copy,
                        bool deallocate, struct ool_rcv *ret_received)
{
    struct ool_msg message;
    kit_ool_msg(&message, port, 1, address, size, copy, deallocate);
    ASSERT_OK(kit_send(&message.header, 0, 0));
    receive(port, ret_received);
}

TEST(S42_region_is_read_write_whatever_the_source)
{
    const size_t sizes[] = {100, 1 << 20};
    mach_port_t port = kit_port();
    for (unsigned i = 0; i < 2 * 2; i++) {
        struct ool_rcv received;
        size_t size = sizes[i / 2];
        char *memory = kit_allocate(size);
        kit_fill(memory, size, 1);
        ASSERT_SYS(mprotect(memory, size, PROT_READ));
        send_region(port, memory, size, i & 1, false, &received);
        memset(received.ool[0].address, 2, size);
        /* The maximum allows to take writing away and to give it back. */
        ASSERT_SYS(mprotect(received.ool[0].address, size, PROT_READ));
        ASSERT_SYS(mprotect(received.ool[0].address, size, PROT_READ | PROT_WRITE));
        memset(received.ool[0].address, 3, size);
        /* ... in Mach's words too: nothing is more than the maximum. */
        vm_address_t region = (vm_address_t)received.ool[0].address;
        ASSERT_OK(vm_protect(mach_task_self(), region, size, false, VM_PROT_NONE));
        ASSERT_OK(vm_protect(mach_task_self(), region, size, false, VM_PROT_READ | VM_PROT_WRITE));
        ASSERT_ALL(3, received.ool[0].address, size);
        ASSERT_FILLED(memory, size, 1);
        kit_free(received.ool[0].address, size);
        kit_free(memory, size);
    }
    kit_destroy(port);
}

/* Inheritance is copy: neither side of a fork sees the other's writes. */
TEST(S42_S182_region_is_copied_by_fork)
{
    const size_t sizes[] = {100, 1 << 20};
    mach_port_t port = kit_port();
    for (unsigned i = 0; i < 2; i++) {
        struct ool_rcv received;
        int ends[2];
        char byte = 0;
        size_t size = sizes[i];
        char *memory = kit_allocate(size);
        kit_fill(memory, size, 1);
        send_region(port, memory, size, 1, true, &received);
        char *region = received.ool[0].address;
        ASSERT_SYS(pipe(ends));
        pid_t pid = (pid_t)ASSERT_SYS(fork());
        if (pid == 0) {
            ASSERT_EQ(1, read(ends[0], &byte, 1)); /* the parent has written */
            ASSERT_FILLED(region, size, 1);
            memset(region, 3, size);
            _exit(0);
        }
        memset(region, 2, size);
        ASSERT_EQ(1, write(ends[1], "!", 1));
        kit_wait_child(pid);
        ASSERT_ALL(2, region, size);
        close(ends[0]);
        close(ends[1]);
        kit_free(region, size);
    }
    kit_destroy(port);
}

TEST_BOTH_WAYS(S43_small_data_starts_a_page)
{
    const size_t sizes[] = {1, 100, 4096};
    char *memory = kit_allocate(4 * vm_page_size);
    for (unsigned i = 0; i < 3 * 4; i++) {
        struct seen seen;
        way_send_region(way, memory + 1 + i % 7, sizes[i / 4], i & 1, false);
        way_look(way, &seen);
        ASSERT_OK(seen.result);
        ASSERT_EQ(0, seen.region[0].page_offset);
    }
    kit_free(memory, 4 * vm_page_size);
}

TEST_BOTH_WAYS(S43_physical_and_kept_starts_a_page)
{
    const size_t size = 1 << 20;
    char *memory = kit_allocate(size + vm_page_size);
    for (unsigned offset = 0; offset < 3; offset++) {
        struct seen seen;
        way_send_region(way, memory + offset * 1001, size, MACH_MSG_PHYSICAL_COPY, false);
        way_look(way, &seen);
        ASSERT_OK(seen.result);
        ASSERT_EQ(0, seen.region[0].page_offset);
    }
    kit_free(memory, size + vm_page_size);
}

static void large_data_keeps_its_offset(struct way *way, size_t size)
{
    const size_t offsets[] = {0, 1, 17, 1000, vm_page_size - 1};
    for (unsigned i = 0; i < 5 * 3; i++) {
        struct seen seen;
        char *memory = kit_allocate(size + 2 * vm_page_size);
        char *data = memory + vm_page_size + offsets[i / 3];
        bool deallocate = i % 3 != 0;
        kit_fill(memory, size + 2 * vm_page_size, i);
        uint64_t hash = way_hash(data, size);
        way_send_region(way, data, size, i % 3 == 2 ? MACH_MSG_PHYSICAL_COPY : 1, deallocate);
        way_look(way, &seen);
        ASSERT_OK(seen.result);
        ASSERT_EQ(offsets[i / 3], seen.region[0].page_offset);
        ASSERT_EQ(hash, seen.region[0].hash);
        ASSERT(seen.region[0].edges_zero);
        ASSERT(seen.region[0].freed);
        kit_free(memory, size + 2 * vm_page_size);
    }
}

TEST_BOTH_WAYS(S44_large_virtual_data_keeps_its_offset)
{
    const size_t sizes[] = {33 << 10, 64 << 10, 100 << 10, 1 << 20}; /* all above S21's limits */
    for (unsigned i = 0; i < 4; i++)
        large_data_keeps_its_offset(way, sizes[i]);
}

TEST_BOTH_WAYS(S45_edges_are_zero)
{
    const size_t page = vm_page_size;
    const size_t sizes[] = {1, 10, page - 2, page + 2, 40 * page + 3, 300 * page - 5};
    char *memory = kit_allocate(400 * page);
    memset(memory, 0xff, 400 * page); /* the neighbours that must not be seen */
    for (unsigned i = 0; i < 6 * 4; i++) {
        struct seen seen;
        char *data = memory + page + (i % 4) * 333 + 1;
        way_send_region(way, data, sizes[i / 4], i & 1, false);
        way_look(way, &seen);
        ASSERT_OK(seen.result);
        ASSERT_EQ(way_hash_all(sizes[i / 4], 0xff), seen.region[0].hash);
        ASSERT(seen.region[0].edges_zero);
    }
    kit_free(memory, 400 * page);
}

TEST_BOTH_WAYS(S46_S47_S48_the_received_descriptor)
{
    const size_t sizes[] = {1, 4095, 4096, 4097, 100000, 1 << 20};
    for (unsigned i = 0; i < 6 * 8; i++) {
        struct ool_msg message;
        struct seen seen;
        size_t size = sizes[i / 8];
        unsigned copy = i & 1;
        bool deallocate = (i & 2) != 0;
        unsigned type = (i & 4) != 0 ? 3 : 1;
        char *memory = kit_allocate(size);
        kit_ool(&message.ool[0], memory, size, copy, deallocate);
        message.ool[0].type = type & 0xff;
        way_prepare(way, &message, 1, 1);
        ASSERT_OK(way_send(way, &message));
        way_look(way, &seen);
        ASSERT_OK(seen.result);
        ASSERT_EQ(copy, seen.region[0].copy);
        ASSERT_EQ(copy == 1, seen.region[0].deallocate);
        ASSERT_EQ(size, seen.region[0].size);
        ASSERT_EQ(type, seen.region[0].type);
        ASSERT(seen.region[0].freed);
        if (!deallocate)
            kit_free(memory, size);
    }
}

TEST(S49_deallocate_takes_all_pages_of_an_unaligned_region)
{
    mach_port_t port = kit_port();
    struct ool_rcv received;
    const size_t size = 300 * vm_page_size;
    char *memory = kit_allocate(size + 2 * vm_page_size);
    send_region(port, memory + vm_page_size - 1, size + 2, 1, false, &received);
    uintptr_t start = (uintptr_t)received.ool[0].address;
    ASSERT_EQ(vm_page_size - 1, start % vm_page_size);
    kit_free((void *)start, size + 2);
    for (unsigned page = 0; page <= 301; page++)
        ASSERT(!kit_is_readable((void *)(start - start % vm_page_size + page * vm_page_size)));
    kit_free(memory, size + 2 * vm_page_size);
    kit_destroy(port);
}

TEST(S59_unwritable_receive_buffer)
{
    mach_port_t port = kit_port();
    void *page = kit_allocate(vm_page_size);
    kit_send_plain(port, 1);
    ASSERT_SYS(mprotect(page, vm_page_size, PROT_READ));
    ASSERT_CODE(MACH_RCV_INVALID_DATA,
                kit_receive(page, (mach_msg_size_t)vm_page_size, port, 0, 0));
    kit_send_plain(port, 2);
    kit_free(page, vm_page_size);
    ASSERT_CODE(MACH_RCV_INVALID_DATA,
                kit_receive(page, (mach_msg_size_t)vm_page_size, port, 0, 0));
    kit_send_plain(port, 3);
    ASSERT_CODE(MACH_RCV_INVALID_DATA,
                kit_receive(NULL, (mach_msg_size_t)vm_page_size, port, 0, 0));
    kit_destroy(port);
}

TEST(S61_mach_msg_overwrite_has_a_buffer_of_its_own)
{
    mach_port_t port = kit_port();
    struct plain_msg request;
    struct plain_msg before;
    struct plain_rcv received;
    memset(&request, 0, sizeof(request));
    strcpy(request.text, "stays");
    kit_header(&request.header, MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0), sizeof(request), port,
               MACH_PORT_NULL, 77);
    before = request;
    ASSERT_OK(mach_msg_overwrite(&request.header, MACH_SEND_MSG | MACH_RCV_MSG | MACH_RCV_TIMEOUT,
                                 sizeof(request), sizeof(received), port, PATIENCE, MACH_PORT_NULL,
                                 &received.header, 0));
    ASSERT_MEM(&before, &request, sizeof(request));
    ASSERT_EQ(77, received.header.msgh_id);
    ASSERT_STR("stays", received.text);
    kit_destroy(port);
}

TEST(S62_S63_mach_msg_destroy_frees_virtual_copies_only)
{
    mach_port_t port = kit_port();
    struct ool_rcv received;
    const size_t size = 1 << 20;
    char *memory = kit_allocate(size);
    send_region(port, memory, size, MACH_MSG_VIRTUAL_COPY, false, &received);
    char *virtual_copy = received.ool[0].address;
    mach_msg_destroy(&received.header);
    ASSERT(!kit_is_readable(virtual_copy));
    send_region(port, memory, size, MACH_MSG_PHYSICAL_COPY, false, &received);
    char *physical_copy = received.ool[0].address;
    mach_msg_destroy(&received.header);
    ASSERT(kit_is_readable(physical_copy));
    kit_free(physical_copy, size);
    kit_free(memory, size);
    kit_destroy(port);
}

TEST(S62_mach_msg_destroy_drops_the_rights)
{
    mach_port_t port = kit_port();
    mach_port_t other = kit_port();
    mach_port_t reply = kit_receive_right();
    struct port_msg message;
    struct port_rcv received;
    kit_header(&message.header,
               MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MAKE_SEND_ONCE) |
                   MACH_MSGH_BITS_COMPLEX,
               PORT_MSG_SIZE(2), port, reply, 1);
    message.body.msgh_descriptor_count = 2;
    kit_port_descriptor(&message.port[0], other, MACH_MSG_TYPE_COPY_SEND);
    kit_port_descriptor(&message.port[1], other, MACH_MSG_TYPE_MAKE_SEND_ONCE);
    ASSERT_OK(kit_send(&message.header, 0, 0));
    ASSERT_OK(kit_receive(&received.header, sizeof(received), port, 0, PATIENCE));
    ASSERT_EQ(2, kit_refs(other, MACH_PORT_RIGHT_SEND));
    mach_msg_destroy(&received.header);
    ASSERT_EQ(1, kit_refs(other, MACH_PORT_RIGHT_SEND));
    kit_expect_send_once_notification(other);
    kit_expect_send_once_notification(reply);
    ASSERT_EQ(MACH_PORT_TYPE_SEND_RECEIVE, kit_type(port)); /* the local port stays */
    ASSERT_EQ(1, kit_refs(port, MACH_PORT_RIGHT_SEND));
    kit_destroy(port);
    kit_destroy(other);
    kit_destroy(reply);
}

TEST(S64_mach_msg_destroy_skips_volatile_memory)
{
    mach_port_t port = kit_port();
    struct ool_msg message;
    struct ool_rcv received;
    const size_t size = 1 << 20;
    char *memory = kit_allocate(size);
    kit_ool_msg(&message, port, 1, memory, size, 1, false);
    message.ool[0].type = MACH_MSG_OOL_VOLATILE_DESCRIPTOR;
    ASSERT_OK(kit_send(&message.header, 0, 0));
    receive(port, &received);
    mach_msg_destroy(&received.header);
    ASSERT(kit_is_readable(received.ool[0].address));
    kit_free(received.ool[0].address, size);
    kit_free(memory, size);
    kit_destroy(port);
}

TEST(S64_mach_msg_destroy_of_an_unsent_message)
{
    mach_port_t port = kit_port();
    mach_port_t reply = kit_receive_right();
    struct plain_msg message;
    kit_header(&message.header,
               MACH_MSGH_BITS(MACH_MSG_TYPE_MAKE_SEND_ONCE, MACH_MSG_TYPE_MAKE_SEND),
               sizeof(message), reply, port, 1);
    mach_msg_destroy(&message.header);
    kit_expect_send_once_notification(reply);
    kit_header(&message.header, MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0), sizeof(message), port,
               MACH_PORT_NULL, 1);
    mach_msg_destroy(&message.header);
    ASSERT_EQ(1, kit_refs(port, MACH_PORT_RIGHT_SEND));
    kit_destroy(port);
    kit_destroy(reply);
}
