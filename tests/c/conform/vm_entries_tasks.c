/* Memory entries in messages: a second task maps them. Section 8 has no facts of entries, so names
 * begin without a number. */
#include "harness/entry_kit.h"
#include "harness/port_kit.h"

#include <string.h>

static mach_port_t take_entry(mach_port_t from)
{
    mach_port_t entry = kit_take_right(from, MACH_MSG_TYPE_PORT_SEND);
    ASSERT_EQ(MACH_PORT_TYPE_SEND, kit_type(entry));
    return entry;
}

enum { SIZE = 1 << 20 };

/* Maps what comes, checks it, answers in the same memory, and sends the entry back. */
PEER(entry_user)
{
    struct kit_pair pair;
    kit_pair_join(&pair);
    mach_port_t entry = take_entry(pair.mine);
    char *memory = kit_map(entry, SIZE, 0, false);
    ASSERT_FILLED(memory, SIZE, 1);
    char *copy = kit_map(entry, SIZE, 0, true);
    kit_fill(memory, SIZE, 2);
    parent_tell();
    parent_hear();
    ASSERT_FILLED(memory, SIZE, 3);
    ASSERT_FILLED(copy, SIZE, 1);
    /* Once more, under the same name. */
    mach_port_t again = take_entry(pair.mine);
    ASSERT_EQ(entry, again);
    ASSERT_EQ(2, kit_refs(entry, MACH_PORT_RIGHT_SEND));
    kit_deallocate(again);
    kit_send_right(pair.theirs, entry, MACH_MSG_TYPE_MOVE_SEND);
    kit_free(memory, SIZE);
    kit_free(copy, SIZE);
    kit_pair_leave(&pair);
}

static void share_with_a_peer(char *memory, mach_port_t entry)
{
    struct kit_pair pair;
    kit_pair_start(&pair, "entry_user", "");
    kit_fill(memory, SIZE, 1);
    kit_send_right(pair.theirs, entry, MACH_MSG_TYPE_COPY_SEND);
    peer_hear(&pair.peer);
    ASSERT_FILLED(memory, SIZE, 2);
    kit_fill(memory, SIZE, 3);
    peer_tell(&pair.peer);
    kit_send_right(pair.theirs, entry, MACH_MSG_TYPE_COPY_SEND);
    ASSERT_EQ(entry, take_entry(pair.mine)); /* it comes home */
    ASSERT_EQ(2, kit_refs(entry, MACH_PORT_RIGHT_SEND));
    kit_pair_end(&pair);
    ASSERT_FILLED(memory, SIZE, 3);
}

TEST(entries_shared_between_tasks)
{
    char *memory = kit_allocate(SIZE);
    mach_port_t entry = kit_entry(memory, SIZE, RW);
    share_with_a_peer(memory, entry);
    kit_destroy(entry);
    kit_free(memory, SIZE);
}

TEST(entries_of_fresh_memory_between_tasks)
{
    mach_port_t entry = kit_entry(NULL, SIZE, RW | MAP_MEM_NAMED_CREATE);
    char *memory = kit_map(entry, SIZE, 0, false);
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
    mach_port_t entry = take_entry(pair.mine);
    ASSERT_CODE(KERN_INVALID_RIGHT, kit_try_map(&memory, entry, SIZE, 0, false, RW, RW));
    ASSERT_OK(kit_try_map(&memory, entry, SIZE, 0, false, VM_PROT_READ, VM_PROT_READ));
    ASSERT_FILLED(memory, SIZE, 1);
    ASSERT_CODE(KERN_PROTECTION_FAILURE,
                vm_protect(mach_task_self(), (vm_address_t)memory, SIZE, FALSE, RW));
    ASSERT_CODE(KERN_INVALID_ARGUMENT, kit_try_map(&memory, entry, SIZE + vm_page_size, 0, false,
                                                   VM_PROT_READ, VM_PROT_READ));
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
    mach_port_t entry = kit_entry(memory, SIZE, VM_PROT_READ);
    kit_send_right(pair.theirs, entry, MACH_MSG_TYPE_MOVE_SEND);
    kit_pair_end(&pair);
    kit_free(memory, SIZE);
}

/* A snapshot, and a part: the peer sees neither later writes nor neighbours. */
PEER(entry_of_part_user)
{
    struct kit_pair pair;
    void *memory = NULL;
    kit_pair_join(&pair);
    mach_port_t copied = take_entry(pair.mine);
    mach_port_t part = take_entry(pair.mine);
    char *snapshot = kit_map(copied, SIZE, 0, false);
    ASSERT_FILLED(snapshot, SIZE, 1);
    ASSERT_CODE(KERN_INVALID_ARGUMENT,
                kit_try_map(&memory, part, 2 * vm_page_size, 0, false, RW, RW));
    char *page = kit_map(part, vm_page_size, 0, false);
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
    mach_port_t copied = kit_entry(memory, SIZE, RW | MAP_MEM_VM_COPY);
    memset(memory, 'm', SIZE);
    memset(memory + 3 * vm_page_size, 'p', vm_page_size);
    mach_port_t part = kit_entry(memory + 3 * vm_page_size, vm_page_size, RW);
    kit_send_right(pair.theirs, copied, MACH_MSG_TYPE_MOVE_SEND);
    kit_send_right(pair.theirs, part, MACH_MSG_TYPE_MOVE_SEND);
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
    mach_port_t entry = kit_entry(NULL, SIZE, RW | MAP_MEM_NAMED_CREATE);
    char *memory = kit_map(entry, SIZE, 0, false);
    kit_fill(memory, SIZE, 4);
    kit_send_right(pair.theirs, entry, MACH_MSG_TYPE_MOVE_SEND);
    kit_free(memory, SIZE);
    parent_hear();
    kit_pair_leave(&pair);
}

TEST(entries_outlive_their_maker)
{
    struct kit_pair pair;
    kit_pair_start(&pair, "entry_maker", "");
    mach_port_t entry = take_entry(pair.mine);
    peer_tell(&pair.peer);
    kit_pair_end(&pair);
    char *first = kit_map(entry, SIZE, 0, false);
    char *second = kit_map(entry, SIZE, 0, false);
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
        mach_port_t entry = kit_entry(NULL, SIZE, RW | MAP_MEM_NAMED_CREATE);
        kit_send_right(pair.theirs, entry, MACH_MSG_TYPE_MOVE_SEND);
        ASSERT_CODE(KERN_INVALID_NAME, mach_port_deallocate(mach_task_self(), entry));
    }
    peer_tell(&pair.peer);
    kit_pair_end(&pair);
}
