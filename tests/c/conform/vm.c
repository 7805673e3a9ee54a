/* Allocating and freeing memory. Section 8: S174 to S177, S184. */
#include "harness/mach_kit.h"

#include <string.h>
#include <sys/mman.h>

TEST(S174_allocate_anywhere)
{
    const size_t sizes[] = {1, 100, vm_page_size, vm_page_size + 1, 1 << 20, (1 << 25) + 1};
    for (unsigned i = 0; i < 6; i++) {
        vm_address_t address = 0xdeadbeef;
        ASSERT_OK(vm_allocate(mach_task_self(), &address, sizes[i], VM_FLAGS_ANYWHERE));
        ASSERT_NE(0, address);
        ASSERT_EQ(0, address % vm_page_size);
        ASSERT_ALL(0, (void *)address, kit_round(sizes[i]));
        memset((void *)address, 1, kit_round(sizes[i]));
        kit_free((void *)address, sizes[i]);
        ASSERT(!kit_is_readable((void *)address));
        ASSERT(!kit_is_readable((void *)(address + kit_round(sizes[i]) - 1)));
    }
}

TEST(S174_allocate_nothing)
{
    vm_address_t address = 0x1234;
    ASSERT_OK(vm_allocate(mach_task_self(), &address, 0, VM_FLAGS_ANYWHERE));
    ASSERT_EQ(0, address);
}

TEST(S174_unknown_flags)
{
    vm_address_t address = 0;
    ASSERT_CODE(KERN_INVALID_ARGUMENT, vm_allocate(mach_task_self(), &address, vm_page_size,
                                                   VM_FLAGS_ANYWHERE | 0x100000));
}

TEST(S174_no_room)
{
    vm_address_t address = 0;
    ASSERT_CODE(KERN_NO_SPACE,
                vm_allocate(mach_task_self(), &address, (vm_size_t)1 << 55, VM_FLAGS_ANYWHERE));
}

TEST(S175_allocate_fixed)
{
    char *memory = kit_allocate(4 * vm_page_size);
    vm_address_t address = (vm_address_t)memory + vm_page_size + 5;
    kit_fill(memory, 4 * vm_page_size, 1);
    ASSERT_CODE(KERN_NO_SPACE,
                vm_allocate(mach_task_self(), &address, vm_page_size, VM_FLAGS_FIXED));
    ASSERT_FILLED(memory, 4 * vm_page_size, 1);
    kit_free(memory + vm_page_size, vm_page_size);
    /* The address is truncated to its page. */
    address = (vm_address_t)memory + vm_page_size + 5;
    ASSERT_OK(vm_allocate(mach_task_self(), &address, vm_page_size - 5, VM_FLAGS_FIXED));
    ASSERT_EQ((vm_address_t)memory + vm_page_size, address);
    ASSERT_ALL(0, (void *)address, vm_page_size);
    memset((void *)address, 1, vm_page_size);
    kit_free(memory, 4 * vm_page_size);
}

TEST(S175_fixed_over_foreign_memory)
{
    void *foreign = mmap(NULL, vm_page_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON, -1, 0);
    ASSERT(foreign != MAP_FAILED);
    vm_address_t address = (vm_address_t)foreign;
    memset(foreign, 1, vm_page_size);
    ASSERT_CODE(KERN_NO_SPACE,
                vm_allocate(mach_task_self(), &address, vm_page_size, VM_FLAGS_FIXED));
    ASSERT_ALL(1, foreign, vm_page_size);
    ASSERT_SYS(munmap(foreign, vm_page_size));
}

TEST(S175_fixed_out_of_range)
{
    vm_address_t address = (vm_address_t)0xfffffffffffff000;
    ASSERT_CODE(KERN_INVALID_ADDRESS,
                vm_allocate(mach_task_self(), &address, vm_page_size, VM_FLAGS_FIXED));
}

TEST(S175_fixed_with_overwrite)
{
    char *memory = kit_allocate(4 * vm_page_size);
    vm_address_t address = (vm_address_t)memory + vm_page_size;
    kit_fill(memory, 4 * vm_page_size, 1);
    ASSERT_OK(
        vm_allocate(mach_task_self(), &address, vm_page_size, VM_FLAGS_FIXED | VM_FLAGS_OVERWRITE));
    ASSERT_EQ(memory + vm_page_size, address);
    ASSERT_ALL(0, memory + vm_page_size, vm_page_size);
    ASSERT_FILLED(memory, vm_page_size, 1);
    kit_free(memory, 4 * vm_page_size);
}

TEST(S176_flags_that_are_accepted)
{
    const int flags[] = {VM_FLAGS_ANYWHERE, VM_FLAGS_ANYWHERE | VM_FLAGS_PURGABLE,
                         VM_FLAGS_ANYWHERE | VM_FLAGS_RANDOM_ADDR,
                         VM_FLAGS_ANYWHERE | VM_FLAGS_NO_CACHE, VM_FLAGS_ANYWHERE | 100 << 24};
    for (unsigned i = 0; i < 5; i++) {
        vm_address_t address = 0;
        ASSERT_OK(vm_allocate(mach_task_self(), &address, vm_page_size, flags[i]));
        memset((void *)address, 1, vm_page_size);
        kit_free((void *)address, vm_page_size);
    }
}

TEST(S177_deallocate_rounds_outward)
{
    char *memory = kit_allocate(4 * vm_page_size);
    kit_free(memory + vm_page_size - 1, 2);
    ASSERT(!kit_is_readable(memory));
    ASSERT(!kit_is_readable(memory + vm_page_size));
    ASSERT(kit_is_readable(memory + 2 * vm_page_size));
    ASSERT(kit_is_readable(memory + 3 * vm_page_size));
    kit_free(memory + 2 * vm_page_size, 2 * vm_page_size);
}

TEST(S177_deallocate_splits_and_spans)
{
    const size_t size = 1 << 21;
    const size_t page = vm_page_size;
    char *memory = kit_allocate(size);
    kit_fill(memory, size, 1);
    kit_free(memory + 10 * page, 5 * page);
    kit_free(memory + 20 * page, page);
    ASSERT(kit_is_readable(memory + 9 * page));
    ASSERT(!kit_is_readable(memory + 14 * page));
    ASSERT(kit_is_readable(memory + 15 * page));
    ASSERT_FILLED(memory, 10 * page, 1);
    kit_free(memory + 5 * page, 30 * page); /* over holes */
    ASSERT(!kit_is_readable(memory + 15 * page));
    kit_free(memory, size);
    kit_free(memory, size); /* once more */
    kit_free(memory, 0);
    ASSERT_CODE(KERN_INVALID_ARGUMENT,
                vm_deallocate(mach_task_self(), (vm_address_t)memory, (vm_size_t)-1));
}

TEST(S177_deallocate_spans_two_regions)
{
    char *memory = kit_allocate(4 * vm_page_size);
    vm_address_t second = (vm_address_t)memory + 2 * vm_page_size;
    kit_free((void *)second, 2 * vm_page_size);
    ASSERT_OK(vm_allocate(mach_task_self(), &second, 2 * vm_page_size, VM_FLAGS_FIXED));
    kit_free(memory + vm_page_size, 2 * vm_page_size);
    ASSERT(kit_is_readable(memory));
    ASSERT(!kit_is_readable(memory + vm_page_size));
    ASSERT(!kit_is_readable(memory + 2 * vm_page_size));
    ASSERT(kit_is_readable(memory + 3 * vm_page_size));
    kit_free(memory, 4 * vm_page_size);
}

TEST(S177_deallocate_of_foreign_memory)
{
    char *memory = mmap(NULL, 4 * vm_page_size, PROT_READ, MAP_PRIVATE | MAP_ANON, -1, 0);
    ASSERT(memory != MAP_FAILED);
    kit_free(memory, 4 * vm_page_size);
    ASSERT(!kit_is_readable(memory));
}

TEST(S174_S177_mach_vm_twins)
{
    mach_vm_address_t address = 0;
    ASSERT_OK(mach_vm_allocate(mach_task_self(), &address, 3 * vm_page_size, VM_FLAGS_ANYWHERE));
    ASSERT_ALL(0, (void *)(uintptr_t)address, 3 * vm_page_size);
    ASSERT_OK(mach_vm_deallocate(mach_task_self(), address, 3 * vm_page_size));
    ASSERT(!kit_is_readable((void *)(uintptr_t)address));
}

TEST(S184_task_names_that_are_none)
{
    const mach_port_t names[] = {MACH_PORT_NULL, kit_unknown_name()};
    for (unsigned i = 0; i < 2; i++) {
        vm_address_t address = 0;
        mach_port_t port = MACH_PORT_NULL;
        ASSERT_CODE(MACH_SEND_INVALID_DEST,
                    vm_allocate(names[i], &address, vm_page_size, VM_FLAGS_ANYWHERE));
        ASSERT_CODE(MACH_SEND_INVALID_DEST, vm_deallocate(names[i], 0x1000, vm_page_size));
        ASSERT_CODE(MACH_SEND_INVALID_DEST,
                    mach_port_allocate(names[i], MACH_PORT_RIGHT_RECEIVE, &port));
        ASSERT_CODE(MACH_SEND_INVALID_DEST, mach_port_deallocate(names[i], 1));
    }
}

TEST(S174_many_regions)
{
    enum { MANY = 2000 };
    static char *regions[MANY];
    for (unsigned i = 0; i < MANY; i++) {
        regions[i] = kit_allocate(vm_page_size * (1 + i % 20));
        regions[i][0] = (char)i;
    }
    for (unsigned i = 0; i < MANY; i++) {
        unsigned at = i * 7 % MANY;
        ASSERT_EQ((char)at, regions[at][0]);
        kit_free(regions[at], vm_page_size * (1 + at % 20));
    }
}

/* mach_error_string knows every code by a text of its own; mach_error only prints. */
TEST(S159_S162_every_code_has_a_text)
{
    const int codes[] = {0,          1,          3,          4,          15,         17,
                         0x10000003, 0x10000004, 0x1000000c, 0x10004002, 0x10004003, 0x10004004};
    for (unsigned i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        ASSERT(strlen(mach_error_string(codes[i])) > 3);
        for (unsigned j = 0; j < i; j++)
            ASSERT(strcmp(mach_error_string(codes[i]), mach_error_string(codes[j])) != 0);
    }
}
