/* Reading, writing and copying memory by address. Section 8: S179, S180. */
#include "harness/mach_kit.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static const size_t SIZES[] = {1, 100, 5000, 1 << 16, (1 << 20) + 77};
enum { SIZE_COUNT = 5 };

static char *protected_page(int protection)
{
    char *page = mmap(NULL, vm_page_size, protection, MAP_PRIVATE | MAP_ANON, -1, 0);
    ASSERT(page != MAP_FAILED);
    return page;
}

/* Three pages, the middle one unmapped. */
static char *with_a_hole(void)
{
    char *memory = kit_allocate(3 * vm_page_size);
    kit_fill(memory, 3 * vm_page_size, 3);
    kit_free(memory + vm_page_size, vm_page_size);
    return memory;
}

TEST(S179_read_is_a_new_region)
{
    for (unsigned i = 0; i < SIZE_COUNT; i++) {
        vm_offset_t data = 0;
        mach_msg_type_number_t count = 0;
        char *source = malloc(SIZES[i] + 3);
        ASSERT(source);
        kit_fill(source + 3, SIZES[i], i);
        ASSERT_OK(vm_read(mach_task_self(), (vm_address_t)source + 3, SIZES[i], &data, &count));
        memset(source, 0xee, SIZES[i] + 3); /* a snapshot */
        ASSERT_EQ(SIZES[i], count);
        ASSERT_FILLED((void *)data, SIZES[i], i);
        ASSERT(!kit_overlap(source, SIZES[i], (void *)data, SIZES[i]));
        memset((void *)data, 1, SIZES[i]); /* writable */
        kit_free((void *)data, count);
        ASSERT(!kit_is_readable((void *)data));
        free(source);
    }
}

/* S43 and S44 hold for vm_read as they do for messages. */
TEST(S179_read_keeps_the_place_in_the_page_of_large_data)
{
    const size_t size = 1 << 20;
    vm_offset_t data;
    mach_msg_type_number_t count;
    char *source = kit_allocate(size);
    kit_fill(source, size, 1);
    ASSERT_OK(vm_read(mach_task_self(), (vm_address_t)source + 5, size - 100, &data, &count));
    ASSERT_EQ(5, data % vm_page_size);
    ASSERT_MEM(source + 5, (void *)data, size - 100);
    kit_free((void *)data, count);
    ASSERT_OK(vm_read(mach_task_self(), (vm_address_t)source, size, &data, &count));
    memset(source, 0, size);
    ASSERT_FILLED((void *)data, size, 1);
    kit_free((void *)data, count);
    kit_free(source, size);
}

TEST(S179_read_of_nothing)
{
    vm_offset_t data = 1;
    mach_msg_type_number_t count = 1;
    ASSERT_OK(vm_read(mach_task_self(), 0x10, 0, &data, &count));
    ASSERT_EQ(0, data);
    ASSERT_EQ(0, count);
}

TEST(S179_read_of_a_hole)
{
    char *memory = with_a_hole();
    vm_offset_t data = 7;
    mach_msg_type_number_t count = 7;
    const size_t size = 3 * vm_page_size;
    ASSERT_CODE(KERN_INVALID_ADDRESS,
                vm_read(mach_task_self(), (vm_address_t)memory, size, &data, &count));
    ASSERT_CODE(KERN_INVALID_ADDRESS,
                vm_read(mach_task_self(), (vm_address_t)memory + vm_page_size, 16, &data, &count));
    ASSERT_CODE(KERN_INVALID_ADDRESS, vm_read(mach_task_self(), 0x10, 16, &data, &count));
    ASSERT_EQ(7, data);
    ASSERT_EQ(7, count);
    kit_free(memory, size);
}

TEST(S179_read_of_unreadable_memory)
{
    const size_t size = 1 << 17;
    vm_offset_t data;
    mach_msg_type_number_t count;
    char *memory = kit_allocate(size);
    ASSERT_SYS(mprotect(memory, size, PROT_NONE));
    ASSERT_CODE(KERN_PROTECTION_FAILURE,
                vm_read(mach_task_self(), (vm_address_t)memory, size, &data, &count));
    kit_free(memory, size);
}

TEST(S179_mach_vm_read)
{
    const size_t size = (1 << 20) + 5;
    vm_offset_t data;
    mach_msg_type_number_t count;
    char *source = kit_allocate(size);
    kit_fill(source, size, 1);
    ASSERT_OK(mach_vm_read(mach_task_self(), (mach_vm_address_t)source, size, &data, &count));
    ASSERT_EQ(size, count);
    ASSERT_FILLED((void *)data, size, 1);
    kit_free((void *)data, size);
    kit_free(source, size);
}

TEST(S179_read_list)
{
    static vm_read_entry_t list;
    static char memory[3][10000];
    for (unsigned i = 0; i < 3; i++) {
        kit_fill(memory[i], sizeof(memory[i]), i);
        list[i].address = (vm_address_t)memory[i];
        list[i].size = sizeof(memory[i]) - i;
    }
    ASSERT_OK(vm_read_list(mach_task_self(), list, 3));
    for (unsigned i = 0; i < 3; i++) {
        ASSERT_EQ(sizeof(memory[i]) - i, list[i].size);
        ASSERT_NE(memory[i], list[i].address);
        ASSERT_FILLED((void *)list[i].address, list[i].size, i);
        kit_free((void *)list[i].address, list[i].size);
    }
    ASSERT_CODE(KERN_INVALID_ARGUMENT, vm_read_list(mach_task_self(), list, VM_MAP_ENTRY_MAX + 1));
}

TEST(S179_read_list_with_bad_ranges)
{
    static mach_vm_read_entry_t list;
    static char memory[10000];
    kit_fill(memory, sizeof(memory), 1);
    list[0].address = 0x10;
    list[0].size = 8;
    list[1].address = (mach_vm_address_t)memory;
    list[1].size = sizeof(memory);
    list[2].address = 0x20;
    list[2].size = 8;
    ASSERT_CODE(KERN_INVALID_ADDRESS, mach_vm_read_list(mach_task_self(), list, 3));
    ASSERT_EQ(0, list[0].address);
    ASSERT_EQ(0, list[0].size);
    ASSERT_EQ(sizeof(memory), list[1].size);
    ASSERT_FILLED((void *)(uintptr_t)list[1].address, sizeof(memory), 1);
    ASSERT_EQ(0, list[2].address);
    kit_free((void *)(uintptr_t)list[1].address, sizeof(memory));
}

TEST(S180_write)
{
    for (unsigned i = 0; i < SIZE_COUNT; i++) {
        char *source = malloc(SIZES[i] + 1);
        char *target = kit_allocate(SIZES[i] + 20);
        ASSERT(source);
        kit_fill(source + 1, SIZES[i], i);
        ASSERT_OK(vm_write(mach_task_self(), (vm_address_t)target + 10, (vm_offset_t)source + 1,
                           (mach_msg_type_number_t)SIZES[i]));
        ASSERT_FILLED(target + 10, SIZES[i], i);
        ASSERT_ALL(0, target, 10);
        ASSERT_ALL(0, target + 10 + SIZES[i], 10);
        kit_free(target, SIZES[i] + 20);
        free(source);
    }
}

TEST(S180_write_to_what_cannot_be_written)
{
    char data[64] = "data";
    char *page = protected_page(PROT_READ);
    char *hole = with_a_hole(); /* the last mapping, which the hole might take otherwise */
    const mach_msg_type_number_t size = sizeof(data);
    ASSERT_CODE(KERN_INVALID_ADDRESS,
                vm_write(mach_task_self(), (vm_address_t)hole + vm_page_size - 10,
                         (vm_offset_t)data, size));
    ASSERT_CODE(KERN_PROTECTION_FAILURE,
                vm_write(mach_task_self(), (vm_address_t)page, (vm_offset_t)data, size));
    ASSERT_ALL(0, page, vm_page_size);
    ASSERT_FILLED(hole, vm_page_size, 3); /* nothing was written */
    ASSERT_CODE(MACH_SEND_INVALID_MEMORY,
                mach_vm_write(mach_task_self(), (mach_vm_address_t)hole, 0x10, size));
    ASSERT_OK(vm_write(mach_task_self(), 0x10, (vm_offset_t)data, 0));
    ASSERT_SYS(munmap(page, vm_page_size));
    kit_free(hole, 3 * vm_page_size);
}

TEST(S180_copy)
{
    for (unsigned i = 0; i < SIZE_COUNT; i++) {
        char *source = kit_allocate(SIZES[i]);
        char *target = malloc(SIZES[i] + 7);
        ASSERT(target);
        kit_fill(source, SIZES[i], i);
        ASSERT_OK(
            vm_copy(mach_task_self(), (vm_address_t)source, SIZES[i], (vm_address_t)target + 7));
        memset(source, 0xee, SIZES[i]);
        ASSERT_FILLED(target + 7, SIZES[i], i);
        kit_free(source, SIZES[i]);
        free(target);
    }
}

TEST(S180_copy_of_overlapping_ranges)
{
    const size_t size = (1 << 20) + 3;
    char *memory = kit_allocate(size + 1000);
    char *expected = malloc(size);
    ASSERT(expected);
    kit_fill(expected, size, 1);
    memcpy(memory, expected, size);
    ASSERT_OK(
        mach_vm_copy(mach_task_self(), (vm_address_t)memory, size, (vm_address_t)memory + 999));
    ASSERT_MEM(expected, memory + 999, size);
    ASSERT_OK(
        mach_vm_copy(mach_task_self(), (vm_address_t)memory + 999, size, (vm_address_t)memory));
    ASSERT_MEM(expected, memory, size);
    free(expected);
    kit_free(memory, size + 1000);
}

TEST(S180_copy_from_and_to_bad_ranges)
{
    char *good = kit_allocate(3 * vm_page_size);
    char *unreadable = protected_page(PROT_NONE);
    char *constant = protected_page(PROT_READ);
    char *hole = with_a_hole();
    const vm_size_t size = 3 * vm_page_size;
    ASSERT_CODE(KERN_INVALID_ADDRESS,
                vm_copy(mach_task_self(), (vm_address_t)hole, size, (vm_address_t)good));
    ASSERT_CODE(KERN_INVALID_ADDRESS,
                vm_copy(mach_task_self(), (vm_address_t)good, size, (vm_address_t)hole));
    ASSERT_CODE(KERN_PROTECTION_FAILURE,
                vm_copy(mach_task_self(), (vm_address_t)unreadable, 9, (vm_address_t)good));
    ASSERT_CODE(KERN_PROTECTION_FAILURE,
                vm_copy(mach_task_self(), (vm_address_t)good, 9, (vm_address_t)constant));
    ASSERT_ALL(0, good, size);
    kit_free(hole, size);
    kit_free(good, size);
    ASSERT_SYS(munmap(unreadable, vm_page_size));
    ASSERT_SYS(munmap(constant, vm_page_size));
}

TEST(S180_read_overwrite)
{
    for (unsigned i = 0; i < SIZE_COUNT; i++) {
        vm_size_t size = 0;
        mach_vm_size_t wide = 0;
        char *source = malloc(SIZES[i]);
        char *target = kit_allocate(SIZES[i] + 9);
        ASSERT(source);
        kit_fill(source, SIZES[i], i);
        ASSERT_OK(vm_read_overwrite(mach_task_self(), (vm_address_t)source, SIZES[i],
                                    (vm_address_t)target + 9, &size));
        ASSERT_EQ(SIZES[i], size);
        ASSERT_FILLED(target + 9, SIZES[i], i);
        memset(target, 0, SIZES[i]);
        ASSERT_OK(mach_vm_read_overwrite(mach_task_self(), (mach_vm_address_t)source, SIZES[i],
                                         (mach_vm_address_t)target, &wide));
        ASSERT_EQ(SIZES[i], wide);
        ASSERT_FILLED(target, SIZES[i], i);
        kit_free(target, SIZES[i] + 9);
        free(source);
    }
}

TEST(S180_read_overwrite_of_bad_ranges)
{
    char *good = kit_allocate(vm_page_size);
    vm_size_t size = 5;
    ASSERT_CODE(KERN_INVALID_ADDRESS,
                vm_read_overwrite(mach_task_self(), 0x10, 16, (vm_address_t)good, &size));
    ASSERT_CODE(KERN_INVALID_ADDRESS,
                vm_read_overwrite(mach_task_self(), (vm_address_t)good, 16, 0x10, &size));
    ASSERT_EQ(5, size);
    kit_free(good, vm_page_size);
}

/* What was received is memory like any other. */
TEST(S180_write_into_a_received_region)
{
    const size_t size = 1 << 21;
    vm_offset_t data;
    mach_msg_type_number_t count;
    char *source = kit_allocate(size);
    kit_fill(source, size, 1);
    ASSERT_OK(vm_read(mach_task_self(), (vm_address_t)source, size, &data, &count));
    ASSERT_OK(vm_write(mach_task_self(), data, (vm_offset_t) "written", 7));
    ASSERT_MEM("written", (void *)data, 7);
    ASSERT_FILLED(source, size, 1);
    kit_free((void *)data, count);
    kit_free(source, size);
}

TEST(S184_access_to_no_task)
{
    char memory[16];
    vm_offset_t data;
    vm_size_t size;
    mach_msg_type_number_t count;
    const vm_address_t here = (vm_address_t)memory;
    ASSERT_CODE(MACH_SEND_INVALID_DEST, vm_read(MACH_PORT_NULL, here, 4, &data, &count));
    ASSERT_CODE(MACH_SEND_INVALID_DEST, vm_write(MACH_PORT_NULL, here, here, 4));
    ASSERT_CODE(MACH_SEND_INVALID_DEST, vm_copy(MACH_PORT_NULL, here, 4, here + 8));
    ASSERT_CODE(MACH_SEND_INVALID_DEST, vm_read_overwrite(MACH_PORT_NULL, here, 4, here, &size));
    ASSERT_CODE(MACH_SEND_INVALID_DEST,
                vm_protect(MACH_PORT_NULL, here, 4, FALSE, VM_PROT_DEFAULT));
    ASSERT_CODE(MACH_SEND_INVALID_DEST, vm_inherit(MACH_PORT_NULL, here, 4, VM_INHERIT_COPY));
}
