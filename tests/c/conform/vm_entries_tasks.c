/* Memory entries in messages: a second task maps them. Section 8 has no facts of entries, so names
 * begin without a number. */
#include "harness/mach_kit.h"

#include <string.h>

static const vm_prot_t RW = VM_PROT_READ | VM_PROT_WRITE;

static mach_port_t make_entry(const void *address, size_t size, vm_prot_t permission)
{
    memory_object_size_t got = size;
    mach_port_t entry = MACH_PORT_NULL;
    ASSERT_OK(mach_make_memory_entry_64(mach_task_self(), &got,
                                        (memory_object_offset_t)(uintptr_t)address, permission,
                                        &entry, MACH_PORT_NULL));
    ASSERT_EQ(kit_round(size), got);
    return entry;
}

static kern_return_t try_map(void **ret_at, mach_port_t entry, size_t size, bool copy,
                             vm_prot_t protection)
{
    mach_vm_address_t at = 0;
    kern_return_t kr = mach_vm_map(mach_task_self(), &at, size, 0, VM_FLAGS_ANYWHERE, entry, 0,
                                   copy, protection, protection, VM_INHERIT_DEFAULT);
    if (kr == KERN_SUCCESS)
        *ret_at = (void *)(uintptr_t)at;
    return kr;
}

static char *map_entry(mach_port_t entry, size_t size, bool copy)
{
    void *at = NULL;
    ASSERT_OK(try_map(&at, entry, size, copy, RW));
    return at;
}

static void send_right(mach_port_t to, mach_port_t name, unsigned disposition)
{
    struct port_msg message;
    kit_header(&message.header, MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0) | MACH_MSGH_BITS_COMPLEX,
               PORT_MSG_SIZE(1), to, MACH_PORT_NULL, 1);
    message.body.msgh_descriptor_count = 1;
    kit_port_descriptor(&message.port[0], name, disposition);
    ASSERT_OK(kit_send(&message.header, MACH_SEND_TIMEOUT, PATIENCE));
}

static mach_port_t receive_right(mach_port_t from)
{
    struct port_rcv received;
    ASSERT_OK(kit_receive(&received.header, sizeof(received), from, 0, PATIENCE));
    ASSERT_EQ(MACH_MSG_TYPE_PORT_SEND, received.port[0].disposition);
    ASSERT_EQ(MACH_PORT_TYPE_SEND, kit_type(received.port[0].name));
    return received.port[0].name;
}

enum { SIZE = 1 << 20 };

/* Maps what comes, checks it, answers in the same memory, and sends the entry back. */
PEER(entry_user)
{
    struct kit_pair pair;
    kit_pair_join(&pair);
    mach_port_t entry = receive_right(pair.mine);
    char *memory = map_entry(entry, SIZE, false);
    ASSERT_FILLED(memory, SIZE, 1);
    char *copy = map_entry(entry, SIZE, true);
    kit_fill(memory, SIZE, 2);
    parent_tell();
    parent_hear();
    ASSERT_FILLED(memory, SIZE, 3);
    ASSERT_FILLED(copy, SIZE, 1);
    /* Once more, under the same name. */
    mach_port_t again = receive_right(pair.mine);
    ASSERT_EQ(entry, again);
    ASSERT_EQ(2, kit_refs(entry, MACH_PORT_RIGHT_SEND));
    kit_deallocate(again);
    send_right(pair.theirs, entry, MACH_MSG_TYPE_MOVE_SEND);
    kit_free(memory, SIZE);
    kit_free(copy, SIZE);
    kit_pair_leave(&pair);
}

static void share_with_a_peer(char *memory, mach_port_t entry)
{
    struct kit_pair pair;
    kit_pair_start(&pair, "entry_user", "");
    kit_fill(memory, SIZE, 1);
    send_right(pair.theirs, entry, MACH_MSG_TYPE_COPY_SEND);
    peer_hear(&pair.peer);
    ASSERT_FILLED(memory, SIZE, 2);
    kit_fill(memory, SIZE, 3);
    peer_tell(&pair.peer);
    send_right(pair.theirs, entry, MACH_MSG_TYPE_COPY_SEND);
    ASSERT_EQ(entry, receive_right(pair.mine)); /* it comes home */
    ASSERT_EQ(2, kit_refs(entry, MACH_PORT_RIGHT_SEND));
    kit_pair_end(&pair);
    ASSERT_FILLED(memory, SIZE, 3);
}

TEST(entries_shared_between_tasks)
{
    char *memory = kit_allocate(SIZE);
    mach_port_t entry = make_entry(memory, SIZE, RW);
    share_with_a_peer(memory, entry);
    kit_destroy(entry);
    kit_free(memory, SIZE);
}

TEST(entries_of_fresh_memory_between_tasks)
{
    mach_port_t entry = make_entry(NULL, SIZE, RW | MAP_MEM_NAMED_CREATE);
    char *memory = map_entry(entry, SIZE, false);
    share_with_a_peer(memory, entry);
    kit_destroy(entry);
    kit_free(memory, SIZE);
}

/* What may be done with it goes along. */
PEER(entry_reader)
{
    struct kit_pair pair;
    void *memory = NULL;
    kit_pair_join(&pair);
    mach_port_t entry = receive_right(pair.mine);
    ASSERT_CODE(KERN_INVALID_RIGHT, try_map(&memory, entry, SIZE, false, RW));
    ASSERT_OK(try_map(&memory, entry, SIZE, false, VM_PROT_READ));
    ASSERT_FILLED(memory, SIZE, 1);
    ASSERT_CODE(KERN_PROTECTION_FAILURE,
                vm_protect(mach_task_self(), (vm_address_t)memory, SIZE, FALSE, RW));
    ASSERT_CODE(KERN_INVALID_ARGUMENT,
                try_map(&memory, entry, SIZE + vm_page_size, false, VM_PROT_READ));
    kit_free(memory, SIZE);
    kit_deallocate(entry);
    kit_pair_leave(&pair);
}

TEST(entries_to_be_read_between_tasks)
{
    struct kit_pair pair;
    char *memory = kit_allocate(SIZE);
    kit_fill(memory, SIZE, 1);
    kit_pair_start(&pair, "entry_reader", "");
    mach_port_t entry = make_entry(memory, SIZE, VM_PROT_READ);
    send_right(pair.theirs, entry, MACH_MSG_TYPE_MOVE_SEND);
    kit_pair_end(&pair);
    kit_free(memory, SIZE);
}

/* A snapshot, and a part: the peer sees neither later writes nor neighbours. */
PEER(entry_of_part_user)
{
    struct kit_pair pair;
    void *memory = NULL;
    kit_pair_join(&pair);
    mach_port_t copied = receive_right(pair.mine);
    mach_port_t part = receive_right(pair.mine);
    char *snapshot = map_entry(copied, SIZE, false);
    ASSERT_FILLED(snapshot, SIZE, 1);
    ASSERT_CODE(KERN_INVALID_ARGUMENT, try_map(&memory, part, 2 * vm_page_size, false, RW));
    char *page = map_entry(part, vm_page_size, false);
    ASSERT_ALL('p', page, vm_page_size);
    memset(page, 'q', vm_page_size);
    kit_free(snapshot, SIZE);
    kit_free(page, vm_page_size);
    kit_deallocate(copied);
    kit_deallocate(part);
    kit_pair_leave(&pair);
}

TEST(entries_of_copies_and_parts_between_tasks)
{
    struct kit_pair pair;
    char *memory = kit_allocate(SIZE);
    kit_fill(memory, SIZE, 1);
    kit_pair_start(&pair, "entry_of_part_user", "");
    mach_port_t copied = make_entry(memory, SIZE, RW | MAP_MEM_VM_COPY);
    memset(memory, 'm', SIZE);
    memset(memory + 3 * vm_page_size, 'p', vm_page_size);
    mach_port_t part = make_entry(memory + 3 * vm_page_size, vm_page_size, RW);
    send_right(pair.theirs, copied, MACH_MSG_TYPE_MOVE_SEND);
    send_right(pair.theirs, part, MACH_MSG_TYPE_MOVE_SEND);
    kit_pair_end(&pair);
    ASSERT_ALL('q', memory + 3 * vm_page_size, vm_page_size);
    ASSERT_ALL('m', memory, 3 * vm_page_size);
    ASSERT_ALL('m', memory + 4 * vm_page_size, SIZE - 4 * vm_page_size);
    kit_free(memory, SIZE);
}

/* The maker is gone; what it shared is not. */
PEER(entry_maker)
{
    struct kit_pair pair;
    kit_pair_join(&pair);
    mach_port_t entry = make_entry(NULL, SIZE, RW | MAP_MEM_NAMED_CREATE);
    char *memory = map_entry(entry, SIZE, false);
    kit_fill(memory, SIZE, 4);
    send_right(pair.theirs, entry, MACH_MSG_TYPE_MOVE_SEND);
    kit_free(memory, SIZE);
    parent_hear();
    kit_pair_leave(&pair);
}

TEST(entries_outlive_their_maker)
{
    struct kit_pair pair;
    kit_pair_start(&pair, "entry_maker", "");
    mach_port_t entry = receive_right(pair.mine);
    peer_tell(&pair.peer);
    kit_pair_end(&pair);
    char *first = map_entry(entry, SIZE, false);
    char *second = map_entry(entry, SIZE, false);
    ASSERT_FILLED(first, SIZE, 4);
    memset(first, 5, SIZE);
    ASSERT_ALL(5, second, SIZE);
    kit_free(first, SIZE);
    kit_free(second, SIZE);
    kit_deallocate(entry);
}

/* In an array of rights, and as what is never received. */
PEER(entry_ignorer)
{
    struct kit_pair pair;
    kit_pair_join(&pair);
    parent_tell();
    parent_hear();
    kit_pair_leave(&pair);
}

TEST(entries_that_nobody_takes)
{
    struct kit_pair pair;
    kit_pair_start(&pair, "entry_ignorer", "");
    peer_hear(&pair.peer);
    for (int i = 0; i < 3; i++) {
        mach_port_t entry = make_entry(NULL, SIZE, RW | MAP_MEM_NAMED_CREATE);
        send_right(pair.theirs, entry, MACH_MSG_TYPE_MOVE_SEND);
        ASSERT_CODE(KERN_INVALID_NAME, mach_port_deallocate(mach_task_self(), entry));
    }
    peer_tell(&pair.peer);
    kit_pair_end(&pair);
}
