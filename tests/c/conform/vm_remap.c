/* The same memory at two addresses, and copies: vm_remap; and advice. Section 8 has no facts of it, so names begin
 * without a number. */
#include "harness/mach_kit.h"

#include <string.h>
#include <sys/mman.h>

static const vm_prot_t RW = VM_PROT_READ | VM_PROT_WRITE;

static char *remap(const void *source, size_t size, bool copy, vm_prot_t wanted)
{
    vm_address_t target = 0;
    vm_prot_t current = 0;
    vm_prot_t maximum = 0;
    ASSERT_OK(vm_remap(mach_task_self(), &target, size, 0, VM_FLAGS_ANYWHERE, mach_task_self(),
                       (vm_address_t)source, copy, &current, &maximum, VM_INHERIT_DEFAULT));
    ASSERT_EQ(wanted, current);
    return (char *)target;
}

TEST(remap_shares)
{
    const size_t sizes[] = {vm_page_size, 1 << 20};
    for (unsigned i = 0; i < 2; i++) {
        char *memory = kit_allocate(sizes[i]);
        kit_fill(memory, sizes[i], 1);
        char *again = remap(memory, sizes[i], false, RW);
        ASSERT_FILLED(again, sizes[i], 1);
        kit_fill(again, sizes[i], 2);
        ASSERT_FILLED(memory, sizes[i], 2);
        char *third = remap(again, sizes[i], false, RW);
        kit_free(again, sizes[i]);
        kit_fill(memory, sizes[i], 3);
        ASSERT_FILLED(third, sizes[i], 3);
        kit_free(memory, sizes[i]);
        ASSERT_FILLED(third, sizes[i], 3);
        kit_free(third, sizes[i]);
    }
}

TEST(remap_copies)
{
    const size_t sizes[] = {vm_page_size, 1 << 20};
    for (unsigned i = 0; i < 2; i++) {
        char *memory = kit_allocate(sizes[i]);
        kit_fill(memory, sizes[i], 1);
        char *copy = remap(memory, sizes[i], true, RW);
        kit_fill(memory, sizes[i], 2);
        ASSERT_FILLED(copy, sizes[i], 1);
        kit_fill(copy, sizes[i], 3);
        ASSERT_FILLED(memory, sizes[i], 2);
        kit_free(memory, sizes[i]);
        kit_free(copy, sizes[i]);
    }
}

TEST(remap_of_memory_of_any_origin)
{
    const size_t size = 1 << 17;
    const int kinds[] = {MAP_PRIVATE | MAP_ANON, MAP_SHARED | MAP_ANON};
    for (unsigned i = 0; i < 2; i++) {
        char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, kinds[i], -1, 0);
        ASSERT(memory != MAP_FAILED);
        kit_fill(memory, size, 1);
        char *copy = remap(memory, size, true, RW);
        char *shared = remap(memory, size, false, RW);
        ASSERT_FILLED(shared, size, 1);
        kit_fill(shared, size, 2);
        ASSERT_FILLED(memory, size, 2);
        ASSERT_FILLED(copy, size, 1);
        kit_free(memory, size);
        kit_free(shared, size);
        kit_free(copy, size);
    }
}

/* Each part keeps its protection; told is what all have. */
TEST(remap_keeps_protections)
{
    const size_t page = vm_page_size;
    char *memory = kit_allocate(3 * page);
    kit_fill(memory, 3 * page, 1);
    ASSERT_OK(vm_protect(mach_task_self(), (vm_address_t)memory + page, page, TRUE, VM_PROT_READ));
    for (boolean_t copy = FALSE; copy <= TRUE; copy++) {
        char *again = remap(memory, 3 * page, copy == TRUE, VM_PROT_READ);
        ASSERT_FILLED(again, 3 * page, 1);
        again[0] = again[0];
        ASSERT_CODE(KERN_PROTECTION_FAILURE,
                    vm_write(mach_task_self(), (vm_address_t)again + page, (vm_offset_t)memory, 1));
        ASSERT_OK(vm_write(mach_task_self(), (vm_address_t)again, (vm_offset_t)memory, 1));
        kit_free(again, 3 * page);
    }
    kit_free(memory, 3 * page);
}

TEST(remap_to_an_address)
{
    const size_t page = vm_page_size;
    char *memory = kit_allocate(page);
    char *other = kit_allocate(3 * page);
    vm_address_t target = (vm_address_t)other + page;
    vm_prot_t current, maximum;
    kit_fill(memory, page, 1);
    kit_fill(other, 3 * page, 2);
    ASSERT_CODE(KERN_NO_SPACE,
                vm_remap(mach_task_self(), &target, page, 0, VM_FLAGS_FIXED, mach_task_self(),
                         (vm_address_t)memory, FALSE, &current, &maximum, VM_INHERIT_DEFAULT));
    ASSERT_FILLED(other, 3 * page, 2);
    ASSERT_OK(vm_remap(mach_task_self(), &target, page, 0, VM_FLAGS_FIXED | VM_FLAGS_OVERWRITE,
                       mach_task_self(), (vm_address_t)memory, FALSE, &current, &maximum,
                       VM_INHERIT_DEFAULT));
    ASSERT_EQ(other + page, target);
    ASSERT_FILLED(other + page, page, 1);
    ASSERT_FILLED(other, page, 2);
    kit_free(other, 3 * page);
    kit_free(memory, page);
}

/* Advice changes nothing but speed. */
TEST(behavior_of_memory)
{
    const size_t size = 1 << 18;
    const vm_behavior_t hints[] = {VM_BEHAVIOR_DEFAULT, VM_BEHAVIOR_RANDOM, VM_BEHAVIOR_SEQUENTIAL,
                                   VM_BEHAVIOR_WILLNEED};
    char *memory = kit_allocate(size);
    const vm_address_t at = (vm_address_t)memory;
    kit_fill(memory, size, 1);
    for (unsigned i = 0; i < 4; i++) {
        ASSERT_OK(vm_behavior_set(mach_task_self(), at, size, hints[i]));
        ASSERT_OK(mach_vm_behavior_set(mach_task_self(), at + 5, 1, hints[i]));
        ASSERT_FILLED(memory, size, 1);
    }
    ASSERT_CODE(KERN_INVALID_ARGUMENT, vm_behavior_set(mach_task_self(), at, size, 99));
    kit_free(memory + vm_page_size, vm_page_size);
    ASSERT_CODE(KERN_INVALID_ADDRESS,
                vm_behavior_set(mach_task_self(), at, size, VM_BEHAVIOR_RANDOM));
    kit_free(memory, size);
}

TEST(msync_of_memory)
{
    const size_t size = 4 * vm_page_size;
    char *memory = kit_allocate(size);
    const vm_address_t at = (vm_address_t)memory;
    kit_fill(memory, size, 1);
    ASSERT_OK(vm_msync(mach_task_self(), at, size, VM_SYNC_SYNCHRONOUS));
    ASSERT_OK(mach_vm_msync(mach_task_self(), at, size, VM_SYNC_ASYNCHRONOUS));
    ASSERT_CODE(KERN_INVALID_ARGUMENT,
                vm_msync(mach_task_self(), at, size, VM_SYNC_SYNCHRONOUS | VM_SYNC_ASYNCHRONOUS));
    ASSERT_FILLED(memory, size, 1);
    kit_free(memory + vm_page_size, vm_page_size);
    ASSERT_CODE(KERN_INVALID_ADDRESS,
                vm_msync(mach_task_self(), at, size, VM_SYNC_SYNCHRONOUS | VM_SYNC_CONTIGUOUS));
    kit_free(memory, size);
}

TEST(remap_bad_arguments)
{
    const size_t page = vm_page_size;
    char *memory = kit_allocate(3 * page);
    mach_vm_address_t target = 0;
    vm_prot_t current, maximum;
    const mach_vm_address_t source = (mach_vm_address_t)(uintptr_t)memory;
    kit_free(memory + page, page);
    for (boolean_t copy = FALSE; copy <= TRUE; copy++)
        ASSERT_CODE(KERN_INVALID_ADDRESS,
                    mach_vm_remap(mach_task_self(), &target, 3 * page, 0, VM_FLAGS_ANYWHERE,
                                  mach_task_self(), source, copy, &current, &maximum,
                                  VM_INHERIT_DEFAULT));
    ASSERT_CODE(KERN_INVALID_ARGUMENT,
                mach_vm_remap(mach_task_self(), &target, 0, 0, VM_FLAGS_ANYWHERE, mach_task_self(),
                              source, FALSE, &current, &maximum, VM_INHERIT_DEFAULT));
    ASSERT_CODE(KERN_INVALID_ARGUMENT,
                mach_vm_remap(mach_task_self(), &target, page, 0, VM_FLAGS_ANYWHERE,
                              mach_task_self(), source, FALSE, &current, &maximum, 3));
    ASSERT_CODE(MACH_SEND_INVALID_DEST,
                mach_vm_remap(MACH_PORT_NULL, &target, page, 0, VM_FLAGS_ANYWHERE, mach_task_self(),
                              source, FALSE, &current, &maximum, VM_INHERIT_DEFAULT));
    kit_free(memory, 3 * page);
}
