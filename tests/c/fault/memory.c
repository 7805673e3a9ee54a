/* Failures of calls on memory: shared, mapped, copied, protected. Whatever fails, the memory keeps its
 * contents and nothing is left behind. */
#include "nth.h"

#include <string.h>
#include <sys/mman.h>

enum { SIZE = 1 << 18, KINDS = 3 };

static const vm_prot_t RW = VM_PROT_READ | VM_PROT_WRITE;

/* A region with an object, one that has been sent, and memory of the program's own. */
static char *source_new(unsigned kind)
{
    vm_offset_t data = 0;
    mach_msg_type_number_t count;
    char *memory = kind < 2
                       ? kit_allocate(SIZE)
                       : mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON, -1, 0);
    ASSERT(memory != MAP_FAILED);
    kit_fill(memory, SIZE, kind);
    if (kind == 1) {
        ASSERT_OK(vm_read(mach_task_self(), (vm_address_t)memory, SIZE, &data, &count));
        kit_free((void *)data, count);
    }
    return memory;
}

static void assert_code(const struct nth *nth, kern_return_t result)
{
    if (nth->failed == NULL)
        ASSERT_OK(result);
    if (result != KERN_SUCCESS && result != KERN_NO_SPACE)
        ASSERT_CODE(KERN_RESOURCE_SHORTAGE, result);
}

static kern_return_t make_entry(void *memory, vm_prot_t permission, mach_port_t *entry)
{
    memory_object_size_t size = SIZE;
    *entry = MACH_PORT_NULL;
    return mach_make_memory_entry_64(mach_task_self(), &size,
                                     (memory_object_offset_t)(uintptr_t)memory, permission, entry,
                                     MACH_PORT_NULL);
}

static void make_entries(vm_prot_t permission)
{
    for (unsigned kind = 0; kind < KINDS; kind++) {
        struct nth nth = {0};
        while (nth_next(&nth)) {
            mach_port_t entry;
            char *memory = source_new(kind);
            kern_return_t result = NTH(&nth, make_entry(memory, permission, &entry));
            assert_code(&nth, result);
            ASSERT_FILLED(memory, SIZE, kind);
            if (result == KERN_SUCCESS)
                kit_deallocate(entry);
            kit_free(memory, SIZE);
        }
    }
}

TEST(make_entry_of_memory)
{
    GATE_FAULTS();
    make_entries(RW);
}

TEST(make_entry_of_all)
{
    GATE_FAULTS();
    make_entries(RW | MAP_MEM_VM_SHARE);
}

TEST(make_entry_of_a_copy)
{
    GATE_FAULTS();
    make_entries(RW | MAP_MEM_VM_COPY);
}

TEST(make_entry_of_fresh_memory)
{
    GATE_FAULTS();
    make_entries(RW | MAP_MEM_NAMED_CREATE);
}

static kern_return_t map(mach_port_t entry, bool copy, vm_inherit_t inheritance, vm_address_t *at)
{
    return vm_map(mach_task_self(), at, SIZE, 0, VM_FLAGS_ANYWHERE, entry, 0, copy, VM_PROT_READ,
                  RW, inheritance);
}

static void map_entries(mach_port_t entry, bool copy, vm_inherit_t inheritance)
{
    struct nth nth = {0};
    while (nth_next(&nth)) {
        vm_address_t at = 0;
        kern_return_t result = NTH(&nth, map(entry, copy, inheritance, &at));
        assert_code(&nth, result);
        if (result == KERN_SUCCESS) {
            ASSERT_ALL(0, (void *)at, SIZE);
            kit_free((void *)at, SIZE);
        }
    }
}

TEST(map_entry)
{
    mach_port_t entry;
    GATE_FAULTS();
    ASSERT_OK(make_entry(NULL, RW | MAP_MEM_NAMED_CREATE, &entry));
    map_entries(entry, false, VM_INHERIT_COPY);
    map_entries(entry, true, VM_INHERIT_SHARE);
    kit_deallocate(entry);
    map_entries(MACH_PORT_NULL, false, VM_INHERIT_SHARE);
}

static kern_return_t remap(const void *source, bool copy, vm_address_t *at)
{
    vm_prot_t current, maximum;
    return vm_remap(mach_task_self(), at, SIZE, 0, VM_FLAGS_ANYWHERE, mach_task_self(),
                    (vm_address_t)source, copy, &current, &maximum, VM_INHERIT_DEFAULT);
}

TEST(remap_memory)
{
    GATE_FAULTS();
    for (unsigned kind = 0; kind < 2 * KINDS; kind++) {
        struct nth nth = {0};
        while (nth_next(&nth)) {
            vm_address_t at = 0;
            char *memory = source_new(kind / 2);
            kern_return_t result = NTH(&nth, remap(memory, kind % 2, &at));
            assert_code(&nth, result);
            ASSERT_FILLED(memory, SIZE, kind / 2);
            if (result == KERN_SUCCESS) {
                ASSERT_FILLED((void *)at, SIZE, kind / 2);
                kit_free((void *)at, SIZE);
            }
            kit_free(memory, SIZE);
        }
    }
}

TEST(inherit_memory)
{
    GATE_FAULTS();
    for (unsigned kind = 0; kind < 3 * KINDS; kind++) {
        struct nth nth = {0};
        while (nth_next(&nth)) {
            char *memory = source_new(kind / 3);
            kern_return_t result = NTH(
                &nth, vm_inherit(mach_task_self(), (vm_address_t)memory, SIZE, kind % 3));
            assert_code(&nth, result);
            ASSERT_FILLED(memory, SIZE, kind / 3);
            kit_free(memory, SIZE);
        }
    }
}

TEST(protect_memory)
{
    GATE_FAULTS();
    for (unsigned kind = 0; kind < KINDS; kind++) {
        struct nth nth = {0};
        while (nth_next(&nth)) {
            char *memory = source_new(kind);
            kern_return_t result = NTH(&nth, vm_protect(mach_task_self(),
                                                        (vm_address_t)memory + vm_page_size,
                                                        vm_page_size, TRUE, VM_PROT_READ));
            assert_code(&nth, result);
            ASSERT_FILLED(memory, SIZE, kind);
            kit_free(memory, SIZE);
        }
    }
}

static kern_return_t read_and_write(char *memory, vm_offset_t *data, mach_msg_type_number_t *count)
{
    kern_return_t kr = vm_read(mach_task_self(), (vm_address_t)memory, SIZE, data, count);
    if (kr == KERN_SUCCESS)
        kr = vm_write(mach_task_self(), (vm_address_t)memory, *data, *count);
    if (kr == KERN_SUCCESS)
        kr = vm_copy(mach_task_self(), (vm_address_t)memory, SIZE - 5, (vm_address_t)memory + 5);
    if (kr == KERN_SUCCESS)
        kr = vm_copy(mach_task_self(), (vm_address_t)memory + 5, SIZE - 5, (vm_address_t)memory);
    return kr;
}

TEST(read_and_write_memory)
{
    GATE_FAULTS();
    for (unsigned kind = 0; kind < KINDS; kind++) {
        struct nth nth = {0};
        while (nth_next(&nth)) {
            vm_offset_t data = 0;
            mach_msg_type_number_t count = 0;
            char *memory = source_new(kind);
            kern_return_t result = NTH(&nth, read_and_write(memory, &data, &count));
            assert_code(&nth, result);
            if (data) {
                ASSERT_FILLED((void *)data, SIZE, kind);
                kit_free((void *)data, count);
            }
            kit_free(memory, SIZE);
        }
    }
}

/* ---- entries in messages --------------------------------------------------------------------- */

enum { ID_ENTRY = 7, ID_LAST = 8 };

static mach_msg_return_t send_entry(mach_port_t to, mach_port_t entry, mach_msg_id_t id)
{
    struct port_msg message;
    kit_port_msg(&message, to, id, entry, MACH_MSG_TYPE_COPY_SEND);
    mach_msg_return_t result = kit_send(&message.header, MACH_SEND_TIMEOUT, PATIENCE);
    /* What came back: its rights are the caller's once more. */
    if (nth_came_back(&message.header))
        mach_msg_destroy(&message.header);
    return result;
}

static void check_entry(mach_port_t entry)
{
    vm_address_t at = 0;
    ASSERT_OK(map(entry, false, VM_INHERIT_COPY, &at));
    ASSERT_ALL(0, (void *)at, SIZE);
    kit_free((void *)at, SIZE);
}

/* Maps every entry that comes, and answers. */
PEER(fault_entry_receiver)
{
    struct kit_pair pair;
    kit_pair_join(&pair);
    for (;;) {
        struct port_rcv received;
        ASSERT_OK(kit_receive(&received.header, sizeof(received), pair.mine, 0, 3 * PATIENCE));
        if (received.header.msgh_id == ID_LAST)
            break;
        check_entry(received.port[0].name);
        kit_deallocate(received.port[0].name);
        kit_send_plain(pair.theirs, 9);
    }
    kit_pair_leave(&pair);
}

TEST_FOR(send_of_an_entry, 60)
{
    struct nth nth = {0};
    struct kit_pair pair;
    mach_port_t entry;
    GATE_FAULTS();
    ASSERT_OK(make_entry(NULL, RW | MAP_MEM_NAMED_CREATE, &entry));
    kit_pair_start(&pair, "fault_entry_receiver", "");
    while (nth_next(&nth)) {
        mach_msg_return_t result = NTH(&nth, send_entry(pair.theirs, entry, ID_ENTRY));
        if (nth.failed == NULL)
            ASSERT_OK(result);
        if (result == MACH_MSG_SUCCESS)
            kit_expect_plain(pair.mine, 9);
        else if (result != MACH_MSG_VM_KERNEL)
            ASSERT_CODE(MACH_SEND_NO_BUFFER, result);
        ASSERT_EQ(1, kit_refs(entry, MACH_PORT_RIGHT_SEND));
        ASSERT_EQ(1, kit_refs(pair.theirs, MACH_PORT_RIGHT_SEND));
    }
    kit_send_plain(pair.theirs, ID_LAST);
    kit_pair_end(&pair);
    kit_deallocate(entry);
}

/* Sends a fresh entry for each tell, until it is killed. */
PEER(fault_entry_sender)
{
    struct kit_pair pair;
    mach_port_t entry;
    kit_pair_join(&pair);
    for (;;) {
        parent_hear();
        ASSERT_OK(make_entry(NULL, RW | MAP_MEM_NAMED_CREATE, &entry));
        ASSERT_OK(send_entry(pair.theirs, entry, ID_ENTRY));
        kit_deallocate(entry);
        parent_tell();
    }
}

TEST_FOR(receive_of_an_entry, 60)
{
    struct nth nth = {0};
    struct kit_pair pair;
    struct port_rcv received;
    GATE_FAULTS();
    kit_pair_start(&pair, "fault_entry_sender", "");
    while (nth_next(&nth)) {
        peer_tell(&pair.peer);
        peer_hear(&pair.peer);
        mach_msg_return_t result = nth_receive(&nth, &received.header, sizeof(received), pair.mine,
                                               ID_ENTRY);
        if (result != MACH_MSG_SUCCESS)
            ASSERT_CODE(MACH_RCV_BODY_ERROR, result & ~MACH_MSG_MASK);
        /* What could not be had is dead. */
        if (MACH_PORT_VALID(received.port[0].name)) {
            check_entry(received.port[0].name);
            kit_deallocate(received.port[0].name);
        } else {
            ASSERT_NE(NULL, nth.failed);
        }
        kit_expect_nothing(pair.mine);
    }
    peer_kill(&pair.peer);
    kit_pair_drop(&pair);
}
