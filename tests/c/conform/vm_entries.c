/* Memory entries: made, mapped, shared, copied; and vm_map without one. Section 8
 * has no facts of entries, so most names begin without a number. */
#include "harness/entry_kit.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static kern_return_t try_entry(const void *address, size_t size, vm_prot_t permission,
                               mach_port_t parent)
{
    memory_object_size_t got = size;
    mach_port_t entry = MACH_PORT_NULL;
    kern_return_t kr = mach_make_memory_entry_64(mach_task_self(), &got,
                                                 (memory_object_offset_t)(uintptr_t)address,
                                                 permission, &entry, parent);
    if (kr == KERN_SUCCESS && entry != MACH_PORT_NULL)
        kit_deallocate(entry);
    return kr;
}

static void assert_apart(char *a, char *b, size_t size)
{
    ASSERT_MEM(a, b, size);
    kit_fill(a, size, 13);
    kit_fill(b, size, 14);
    ASSERT_FILLED(a, size, 13);
    ASSERT_FILLED(b, size, 14);
}

TEST(entries_are_send_rights)
{
    char *memory = kit_allocate(vm_page_size);
    mach_port_t entry = kit_entry(memory, vm_page_size, RW);
    ASSERT_EQ(MACH_PORT_TYPE_SEND, kit_type(entry));
    ASSERT_EQ(1, kit_refs(entry, MACH_PORT_RIGHT_SEND));
    ASSERT_OK(mach_port_mod_refs(mach_task_self(), entry, MACH_PORT_RIGHT_SEND, 1));
    kit_deallocate(entry);
    char *again = kit_map(entry, vm_page_size, 0, false);
    kit_deallocate(entry);
    kit_assert_shared(memory, again, vm_page_size); /* the mapping outlives the entry */
    kit_free(again, vm_page_size);
    kit_free(memory, vm_page_size);
}

TEST(entries_share_allocated_memory)
{
    const size_t sizes[] = {vm_page_size, 1 << 16, 1 << 21};
    for (unsigned i = 0; i < 3; i++) {
        char *memory = kit_allocate(sizes[i]);
        kit_fill(memory, sizes[i], 1);
        mach_port_t entry = kit_entry(memory, sizes[i], RW);
        ASSERT_FILLED(memory, sizes[i], 1);
        char *second = kit_map(entry, sizes[i], 0, false);
        ASSERT_FILLED(second, sizes[i], 1);
        kit_assert_shared(memory, second, sizes[i]);
        char *third = kit_map(entry, sizes[i], 0, false);
        kit_assert_shared(second, third, sizes[i]);
        kit_free(memory, sizes[i]);
        kit_assert_shared(second, third, sizes[i]);
        kit_free(second, sizes[i]);
        kit_free(third, sizes[i]);
        kit_deallocate(entry);
    }
}

TEST(entries_share_memory_of_any_origin)
{
    const size_t size = 1 << 18;
    char *memory = mmap(NULL, size, RW, MAP_PRIVATE | MAP_ANON, -1, 0);
    ASSERT(memory != MAP_FAILED);
    kit_fill(memory, size, 1);
    mach_port_t entry = kit_entry(memory, size, RW);
    char *second = kit_map(entry, size, 0, false);
    ASSERT_FILLED(second, size, 1);
    kit_assert_shared(memory, second, size);
    kit_free(second, size);
    kit_deallocate(entry);
    kit_free(memory, size);
}

/* Data that is not aligned: the entry covers its pages. */
TEST(entries_are_made_of_pages)
{
    char *memory = kit_allocate(4 * vm_page_size);
    memory_object_size_t size = vm_page_size + 10;
    mach_port_t entry = MACH_PORT_NULL;
    kit_fill(memory, 4 * vm_page_size, 1);
    ASSERT_OK(mach_make_memory_entry_64(mach_task_self(), &size,
                                        (memory_object_offset_t)(uintptr_t)memory + 100, RW, &entry,
                                        MACH_PORT_NULL));
    ASSERT_EQ(2 * vm_page_size, size);
    char *second = kit_map(entry, 2 * vm_page_size, 0, false);
    ASSERT_FILLED(second, 2 * vm_page_size, 1);
    memory[99] = 'x';
    ASSERT_EQ('x', second[99]);
    kit_free(second, 2 * vm_page_size);
    kit_deallocate(entry);
    kit_free(memory, 4 * vm_page_size);
}

TEST(entries_of_the_middle_of_a_region)
{
    const size_t page = vm_page_size;
    const size_t size = 1 << 20;
    char *memory = kit_allocate(size);
    kit_fill(memory, size, 1);
    mach_port_t entry = kit_entry(memory + 8 * page, 4 * page, RW);
    char *second = kit_map(entry, 4 * page, 0, false);
    ASSERT_MEM(memory + 8 * page, second, 4 * page);
    kit_assert_shared(memory + 8 * page, second, 4 * page);
    char *third = kit_map(entry, page, 2 * page, false);
    kit_assert_shared(memory + 10 * page, third, page);
    kit_free(second, 4 * page);
    kit_free(third, page);
    kit_deallocate(entry);
    kit_free(memory, size);
}

TEST(entries_mapped_as_copies)
{
    const size_t sizes[] = {vm_page_size, 1 << 20};
    for (unsigned i = 0; i < 2; i++) {
        char *memory = kit_allocate(sizes[i]);
        kit_fill(memory, sizes[i], 1);
        mach_port_t entry = kit_entry(memory, sizes[i], RW);
        char *copy = kit_map(entry, sizes[i], 0, true);
        char *shared = kit_map(entry, sizes[i], 0, false);
        assert_apart(memory, copy, sizes[i]);
        kit_assert_shared(memory, shared, sizes[i]);
        kit_free(copy, sizes[i]);
        kit_free(shared, sizes[i]);
        kit_deallocate(entry);
        kit_free(memory, sizes[i]);
    }
}

TEST(entries_of_a_copy)
{
    const size_t sizes[] = {vm_page_size, 1 << 20};
    for (unsigned i = 0; i < 2; i++) {
        char *memory = kit_allocate(sizes[i]);
        kit_fill(memory, sizes[i], 1);
        mach_port_t entry = kit_entry(memory, sizes[i], RW | MAP_MEM_VM_COPY);
        kit_fill(memory, sizes[i], 2);
        char *mapped = kit_map(entry, sizes[i], 0, false);
        ASSERT_FILLED(mapped, sizes[i], 1);
        kit_fill(mapped, sizes[i], 3);
        ASSERT_FILLED(memory, sizes[i], 2);
        ASSERT_CODE(KERN_INVALID_ARGUMENT, try_entry(NULL, vm_page_size, RW, entry));
        kit_free(mapped, sizes[i]);
        kit_deallocate(entry);
        kit_free(memory, sizes[i]);
    }
}

TEST(entries_of_fresh_memory)
{
    const size_t size = 3 * vm_page_size;
    mach_port_t entry = kit_entry(NULL, size - 5, RW | MAP_MEM_NAMED_CREATE);
    char *first = kit_map(entry, size, 0, false);
    char *second = kit_map(entry, size, 0, false);
    ASSERT_ALL(0, first, size);
    kit_assert_shared(first, second, size);
    kit_free(first, size);
    kit_free(second, size);
    kit_deallocate(entry);
}

TEST(entries_of_nothing)
{
    memory_object_size_t size = 0;
    mach_port_t entry = 77;
    char *memory = kit_allocate(vm_page_size);
    ASSERT_OK(mach_make_memory_entry_64(mach_task_self(), &size, 0, RW | MAP_MEM_NAMED_CREATE,
                                        &entry, MACH_PORT_NULL));
    ASSERT_EQ(0, size);
    ASSERT_EQ(MACH_PORT_NULL, entry);
    ASSERT_CODE(KERN_INVALID_ARGUMENT, try_entry(memory, 0, RW, MACH_PORT_NULL));
    ASSERT_CODE(KERN_INVALID_ARGUMENT, try_entry(memory, 0, RW | MAP_MEM_VM_COPY, MACH_PORT_NULL));
    kit_free(memory, vm_page_size);
}

TEST(entries_of_a_part_of_an_entry)
{
    const size_t page = vm_page_size;
    char *memory = kit_allocate(8 * page);
    mach_port_t parent = kit_entry(memory, 8 * page, RW);
    memory_object_size_t size = 3 * page;
    mach_port_t part = MACH_PORT_NULL;
    ASSERT_OK(
        mach_make_memory_entry_64(mach_task_self(), &size, 2 * page, VM_PROT_READ, &part, parent));
    ASSERT_EQ(3 * page, size);
    kit_deallocate(parent);
    void *mapped = NULL;
    ASSERT_CODE(KERN_INVALID_RIGHT, kit_try_map(&mapped, part, size, 0, false, RW, RW));
    ASSERT_CODE(KERN_INVALID_RIGHT, kit_try_map(&mapped, part, size, 0, false, VM_PROT_READ, RW));
    ASSERT_CODE(KERN_PROTECTION_FAILURE, try_entry(NULL, page, RW, part));
    ASSERT_CODE(KERN_INVALID_ARGUMENT, try_entry((void *)page, 3 * page, VM_PROT_READ, part));
    ASSERT_OK(kit_try_map(&mapped, part, page, page, false, VM_PROT_READ, VM_PROT_READ));
    kit_fill(memory, 8 * page, 1);
    ASSERT_MEM(memory + 3 * page, mapped, page);
    ASSERT_CODE(KERN_PROTECTION_FAILURE,
                vm_protect(mach_task_self(), (vm_address_t)mapped, page, FALSE, RW));
    kit_free(mapped, page);
    kit_deallocate(part);
    kit_free(memory, 8 * page);
}

TEST(entries_of_memory_that_is_not_there)
{
    const size_t page = vm_page_size;
    char *memory = kit_allocate(4 * page);
    kit_free(memory, page);
    const vm_prot_t kinds[] = {RW, RW | MAP_MEM_VM_SHARE, RW | MAP_MEM_VM_COPY};
    for (unsigned i = 0; i < 3; i++) {
        ASSERT_CODE(KERN_INVALID_ADDRESS, try_entry(memory, 2 * page, kinds[i], MACH_PORT_NULL));
        ASSERT_CODE(KERN_INVALID_ADDRESS, try_entry((void *)page, page, kinds[i], MACH_PORT_NULL));
    }
    kit_free(memory, 4 * page);
}

TEST(entries_of_memory_without_the_permission)
{
    char *memory = kit_allocate(vm_page_size);
    ASSERT_OK(
        vm_protect(mach_task_self(), (vm_address_t)memory, vm_page_size, FALSE, VM_PROT_READ));
    ASSERT_CODE(KERN_PROTECTION_FAILURE, try_entry(memory, vm_page_size, RW, MACH_PORT_NULL));
    /* As a mask: what there is. */
    mach_port_t entry = kit_entry(memory, vm_page_size, RW | VM_PROT_IS_MASK);
    void *mapped = NULL;
    ASSERT_CODE(KERN_INVALID_RIGHT, kit_try_map(&mapped, entry, vm_page_size, 0, false, RW, RW));
    ASSERT_OK(kit_try_map(&mapped, entry, vm_page_size, 0, false, VM_PROT_READ, VM_PROT_READ));
    kit_free(mapped, vm_page_size);
    kit_deallocate(entry);
    kit_free(memory, vm_page_size);
}

TEST(entries_unknown_flags)
{
    char *memory = kit_allocate(vm_page_size);
    ASSERT_CODE(KERN_INVALID_VALUE, try_entry(memory, vm_page_size, RW | 0x100, MACH_PORT_NULL));
    kit_free(memory, vm_page_size);
}

/* More than one object is asked for: the entry ends with the first. */
TEST(entries_larger_than_the_object)
{
    const size_t size = 1 << 20;
    char *memory = kit_allocate(2 * size);
    kit_free(memory, 2 * size);
    vm_address_t first = (vm_address_t)memory;
    vm_address_t second = first + size;
    mach_port_t other = kit_entry(NULL, size, RW | MAP_MEM_NAMED_CREATE);
    ASSERT_OK(vm_allocate(mach_task_self(), &first, size, VM_FLAGS_FIXED));
    ASSERT_OK(vm_map(mach_task_self(), &second, size, 0, VM_FLAGS_FIXED, other, 0, FALSE, RW, RW,
                     VM_INHERIT_DEFAULT));
    memory_object_size_t got = 2 * size;
    mach_port_t entry = MACH_PORT_NULL;
    ASSERT_OK(mach_make_memory_entry_64(mach_task_self(), &got, first, RW, &entry, MACH_PORT_NULL));
    ASSERT_EQ(size, got);
    void *mapped = NULL;
    ASSERT_CODE(KERN_INVALID_ARGUMENT, kit_try_map(&mapped, entry, 2 * size, 0, false, RW, RW));
    ASSERT_CODE(KERN_INVALID_ARGUMENT,
                kit_try_map(&mapped, entry, size, vm_page_size, false, RW, RW));
    mapped = kit_map(entry, size, 0, false);
    kit_assert_shared((char *)first, mapped, size);
    kit_free(mapped, size);
    kit_deallocate(entry);
    kit_deallocate(other);
    kit_free(memory, 2 * size);
}

/* With MAP_MEM_VM_SHARE all of the range, whatever it is made of. */
TEST(entries_of_several_regions)
{
    const size_t size = 1 << 18;
    char *memory = kit_allocate(3 * size);
    kit_free(memory, 3 * size);
    for (unsigned i = 0; i < 3; i++) {
        vm_address_t at = (vm_address_t)memory + i * size;
        ASSERT_OK(vm_allocate(mach_task_self(), &at, size, VM_FLAGS_FIXED));
    }
    ASSERT_OK(vm_inherit(mach_task_self(), (vm_address_t)memory, size, VM_INHERIT_NONE));
    kit_fill(memory, 3 * size, 1);
    mach_port_t entry = kit_entry(memory, 3 * size, RW | MAP_MEM_VM_SHARE);
    char *mapped = kit_map(entry, 3 * size, 0, false);
    ASSERT_FILLED(mapped, 3 * size, 1);
    kit_assert_shared(memory, mapped, 3 * size);
    kit_free(mapped, 3 * size);
    kit_deallocate(entry);
    kit_free(memory, 3 * size);
}

/* First a part of it, then all. */
TEST(entries_of_all_after_a_part)
{
    const size_t page = vm_page_size;
    char *memory = kit_allocate(8 * page);
    kit_fill(memory, 8 * page, 1);
    kit_deallocate(kit_entry(memory + 2 * page, 3 * page, RW));
    mach_port_t entry = kit_entry(memory, 8 * page, RW | MAP_MEM_VM_SHARE);
    char *mapped = kit_map(entry, 8 * page, 0, false);
    ASSERT_FILLED(mapped, 8 * page, 1);
    kit_assert_shared(memory, mapped, 8 * page);
    kit_free(mapped, 8 * page);
    kit_deallocate(entry);
    kit_free(memory, 8 * page);
}

TEST(entries_bad_arguments_of_vm_map)
{
    const size_t page = vm_page_size;
    mach_port_t entry = kit_entry(NULL, page, RW | MAP_MEM_NAMED_CREATE);
    mach_port_t port = kit_port();
    mach_vm_address_t at = 0;
    void *mapped = NULL;
    ASSERT_CODE(KERN_INVALID_ARGUMENT, kit_try_map(&mapped, entry, 0, 0, false, RW, RW));
    ASSERT_CODE(KERN_INVALID_ARGUMENT, kit_try_map(&mapped, entry, page, 0, false, 0x1000, RW));
    ASSERT_CODE(KERN_INVALID_OBJECT, kit_try_map(&mapped, port, page, 0, false, RW, RW));
    ASSERT_CODE(MACH_SEND_INVALID_DEST, mach_vm_map(MACH_PORT_NULL, &at, page, 0, VM_FLAGS_ANYWHERE,
                                                    entry, 0, FALSE, RW, RW, VM_INHERIT_DEFAULT));
    ASSERT_CODE(KERN_INVALID_ARGUMENT, mach_vm_map(mach_task_self(), &at, page, 0,
                                                   VM_FLAGS_ANYWHERE, entry, 0, FALSE, RW, RW, 3));
    kit_destroy(port);
    kit_deallocate(entry);
}

TEST(entries_mapped_at_an_address)
{
    const size_t page = vm_page_size;
    char *memory = kit_allocate(3 * page);
    mach_port_t entry = kit_entry(NULL, page, RW | MAP_MEM_NAMED_CREATE);
    char *other = kit_map(entry, page, 0, false);
    vm_address_t at = (vm_address_t)memory + page + 7;
    memset(memory, 1, 3 * page);
    ASSERT_CODE(KERN_NO_SPACE, vm_map(mach_task_self(), &at, page, 0, VM_FLAGS_FIXED, entry, 0,
                                      FALSE, RW, RW, VM_INHERIT_DEFAULT));
    ASSERT_ALL(1, memory, 3 * page);
    at = (vm_address_t)memory + page;
    ASSERT_OK(vm_map(mach_task_self(), &at, page, 0, VM_FLAGS_FIXED | VM_FLAGS_OVERWRITE, entry, 0,
                     FALSE, RW, RW, VM_INHERIT_DEFAULT));
    ASSERT_EQ(memory + page, at);
    kit_assert_shared(other, memory + page, page);
    ASSERT_ALL(1, memory, page);
    ASSERT_ALL(1, memory + 2 * page, page);
    kit_free(other, page);
    kit_free(memory, 3 * page);
    kit_deallocate(entry);
}

TEST(S174_vm_map_of_fresh_memory)
{
    const size_t sizes[] = {100, 1 << 20};
    for (unsigned i = 0; i < 2; i++) {
        vm_address_t at = 0;
        ASSERT_OK(vm_map(mach_task_self(), &at, sizes[i], 0, VM_FLAGS_ANYWHERE, MACH_PORT_NULL, 0,
                         FALSE, RW, VM_PROT_ALL, VM_INHERIT_DEFAULT));
        ASSERT_ALL(0, (void *)at, kit_round(sizes[i]));
        memset((void *)at, 1, kit_round(sizes[i]));
        kit_free((void *)at, sizes[i]);
    }
}

TEST(S174_vm_map_with_a_mask)
{
    const vm_address_t mask = (1 << 22) - 1;
    mach_port_t entry = kit_entry(NULL, vm_page_size, RW | MAP_MEM_NAMED_CREATE);
    for (unsigned i = 0; i < 4; i++) {
        vm_address_t at = 0;
        ASSERT_OK(vm_map(mach_task_self(), &at, vm_page_size, mask, VM_FLAGS_ANYWHERE,
                         i % 2 ? entry : MACH_PORT_NULL, 0, FALSE, RW, RW, VM_INHERIT_DEFAULT));
        ASSERT_EQ(0, at & mask);
        memset((void *)at, 1, vm_page_size);
        kit_free((void *)at, vm_page_size);
    }
    kit_deallocate(entry);
}

TEST(S178_vm_map_with_a_maximum)
{
    vm_address_t at = 0;
    ASSERT_OK(vm_map(mach_task_self(), &at, vm_page_size, 0, VM_FLAGS_ANYWHERE, MACH_PORT_NULL, 0,
                     FALSE, VM_PROT_READ, VM_PROT_READ, VM_INHERIT_DEFAULT));
    ASSERT_ALL(0, (void *)at, vm_page_size);
    ASSERT_CODE(KERN_PROTECTION_FAILURE, vm_protect(mach_task_self(), at, vm_page_size, FALSE, RW));
    kit_free((void *)at, vm_page_size);
}

TEST(entries_of_the_host)
{
    mach_port_t entry = MACH_PORT_NULL;
    ASSERT_OK(mach_memory_object_memory_entry_64(mach_host_self(), TRUE, vm_page_size + 1, RW,
                                                 MEMORY_OBJECT_NULL, &entry));
    char *first = kit_map(entry, vm_page_size, 0, false);
    char *second = kit_map(entry, vm_page_size, 0, false);
    kit_assert_shared(first, second, vm_page_size);
    kit_free(first, vm_page_size);
    kit_free(second, vm_page_size);
    kit_deallocate(entry);
    ASSERT_CODE(
        KERN_INVALID_ARGUMENT,
        mach_memory_object_memory_entry(mach_host_self(), TRUE, 0, RW, MEMORY_OBJECT_NULL, &entry));
}

TEST(entries_of_the_old_call)
{
    vm_size_t size = vm_page_size + 1;
    mach_port_t entry = MACH_PORT_NULL;
    char *memory = kit_allocate(2 * vm_page_size);
    ASSERT_OK(mach_make_memory_entry(mach_task_self(), &size, (vm_offset_t)memory, RW, &entry,
                                     MACH_PORT_NULL));
    ASSERT_EQ(2 * vm_page_size, size);
    char *mapped = kit_map(entry, size, 0, false);
    kit_assert_shared(memory, mapped, size);
    kit_free(mapped, size);
    kit_deallocate(entry);
    kit_free(memory, 2 * vm_page_size);
}
