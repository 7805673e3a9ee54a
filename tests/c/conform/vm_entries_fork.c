/* Memory entries, and what is mapped of them, over fork and in messages of the task to itself.
 * Section 8 has no facts of entries, so names without a number are beyond the facts. */
#include "harness/entry_kit.h"

#include <string.h>
#include <unistd.h>

static char *map_with(mach_port_t entry, size_t size, vm_inherit_t inheritance)
{
    mach_vm_address_t at = 0;
    ASSERT_OK(mach_vm_map(mach_task_self(), &at, size, 0, VM_FLAGS_ANYWHERE, entry, 0, FALSE, RW,
                          RW, inheritance));
    return (char *)(uintptr_t)at;
}

/* A mapping is inherited as it says: COPY, although the memory is shared here. */
TEST(S182_entries_over_fork)
{
    const size_t sizes[] = {vm_page_size, 1 << 20};
    for (unsigned i = 0; i < 2; i++) {
        const size_t size = sizes[i];
        mach_port_t entries[] = {kit_entry(NULL, size, RW | MAP_MEM_NAMED_CREATE), MACH_PORT_NULL};
        for (unsigned j = 0; j < 2; j++) {
            char *shared = map_with(entries[j], size, VM_INHERIT_SHARE);
            char *copied = map_with(entries[j], size, VM_INHERIT_COPY);
            char *absent = map_with(entries[j], size, VM_INHERIT_NONE);
            memset(shared, '1', size);
            memset(copied, '2', size);
            pid_t pid = (pid_t)ASSERT_SYS(fork());
            if (pid == 0) {
                ASSERT_ALL('2', copied, size);
                ASSERT_ALL(j == 0 ? '2' : '1', shared, size);
                ASSERT(!kit_is_readable(absent));
                memset(copied, 'c', size);
                memset(shared, 's', size);
                _exit(0);
            }
            kit_wait_child(pid);
            ASSERT_ALL('s', shared, size);
            ASSERT_ALL(j == 0 ? 's' : '2', copied, size);
            kit_free(shared, size);
            kit_free(copied, size);
            kit_free(absent, size);
        }
        kit_deallocate(entries[0]);
    }
}

/* Entries are rights, which a child does not have (S142). */
TEST(S142_entries_are_not_inherited)
{
    char *memory = kit_allocate(vm_page_size);
    mach_port_t entry = kit_entry(memory, vm_page_size, RW);
    pid_t pid = (pid_t)ASSERT_SYS(fork());
    if (pid == 0) {
        mach_port_type_t type;
        ASSERT_CODE(KERN_INVALID_NAME, mach_port_type(mach_task_self(), entry, &type));
        mach_port_t own = kit_entry(NULL, vm_page_size, RW | MAP_MEM_NAMED_CREATE);
        char *mapped = kit_map(own, vm_page_size, 0, false);
        memset(mapped, 1, vm_page_size);
        _exit(0);
    }
    kit_wait_child(pid);
    char *mapped = kit_map(entry, vm_page_size, 0, false);
    kit_assert_shared(memory, mapped, vm_page_size);
    kit_free(mapped, vm_page_size);
    kit_deallocate(entry);
    kit_free(memory, vm_page_size);
}

/* A snapshot although others can write to it (S65). */
TEST(S65_entries_shared_memory_is_sent_as_a_copy)
{
    const size_t size = 1 << 20;
    char *memory = kit_allocate(size);
    mach_port_t entry = kit_entry(memory, size, RW);
    char *shared = kit_map(entry, size, 0, false);
    vm_offset_t data;
    mach_msg_type_number_t count;
    kit_fill(memory, size, 1);
    ASSERT_OK(vm_read(mach_task_self(), (vm_address_t)memory, size, &data, &count));
    kit_fill(shared, size, 2);
    ASSERT_FILLED((void *)data, size, 1);
    kit_fill((char *)data, size, 3);
    ASSERT_FILLED(memory, size, 2);
    kit_free((void *)data, count);
    kit_free(shared, size);
    kit_deallocate(entry);
    kit_free(memory, size);
}

/* And the other way about: memory that has been sent, or received, is made shared. */
TEST(S65_entries_of_sent_and_received_memory)
{
    const size_t size = 1 << 20;
    char *memory = kit_allocate(size);
    vm_offset_t data;
    mach_msg_type_number_t count;
    kit_fill(memory, size, 1);
    ASSERT_OK(vm_read(mach_task_self(), (vm_address_t)memory, size, &data, &count));
    mach_port_t sent = kit_entry(memory, size, RW);
    mach_port_t received = kit_entry((void *)data, size, RW);
    char *first = kit_map(sent, size, 0, false);
    char *second = kit_map(received, size, 0, false);
    ASSERT_FILLED(first, size, 1);
    ASSERT_FILLED(second, size, 1);
    kit_fill(memory, size, 2);
    ASSERT_FILLED(first, size, 2);
    ASSERT_FILLED((void *)data, size, 1);
    kit_assert_shared((char *)data, second, size);
    ASSERT_FILLED(first, size, 2);
    kit_free(first, size);
    kit_free(second, size);
    kit_free((void *)data, count);
    kit_free(memory, size);
    kit_deallocate(sent);
    kit_deallocate(received);
}

TEST(entries_sent_within_the_task)
{
    mach_port_t port = kit_port();
    mach_port_t entry = kit_entry(NULL, vm_page_size, RW | MAP_MEM_NAMED_CREATE);
    struct port_msg message;
    struct port_rcv received;
    kit_port_msg(&message, port, 1, entry, MACH_MSG_TYPE_MOVE_SEND);
    char *first = kit_map(entry, vm_page_size, 0, false);
    ASSERT_OK(kit_send(&message.header, 0, 0));
    ASSERT_OK(kit_receive(&received.header, sizeof(received), port, 0, 0));
    char *second = kit_map(received.port[0].name, vm_page_size, 0, false);
    kit_assert_shared(first, second, vm_page_size);
    kit_free(first, vm_page_size);
    kit_free(second, vm_page_size);
    kit_deallocate(received.port[0].name);
    kit_destroy(port);
}
