/* What is told of regions: vm_region, vm_region_recurse. Section 8 has no facts of them, so names
 * begin without a number; that programs walk all their memory is what they are for. */
#include "harness/mach_kit.h"

#include <mach/vm_region.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static const vm_prot_t RW = VM_PROT_READ | VM_PROT_WRITE;

static vm_region_basic_info_data_64_t basic_of(const void *address, mach_vm_address_t *ret_start,
                                               mach_vm_size_t *ret_size)
{
    vm_region_basic_info_data_64_t info;
    mach_msg_type_number_t count = VM_REGION_BASIC_INFO_COUNT_64;
    mach_port_t object = 77;
    *ret_start = (mach_vm_address_t)(uintptr_t)address;
    ASSERT_OK(mach_vm_region(mach_task_self(), ret_start, ret_size, VM_REGION_BASIC_INFO_64,
                             (vm_region_info_t)&info, &count, &object));
    ASSERT_EQ(VM_REGION_BASIC_INFO_COUNT_64, count);
    ASSERT_EQ(MACH_PORT_NULL, object);
    return info;
}

static vm_region_extended_info_data_t extended_of(const void *address)
{
    vm_region_extended_info_data_t info;
    mach_msg_type_number_t count = VM_REGION_EXTENDED_INFO_COUNT;
    mach_port_t object;
    vm_address_t start = (vm_address_t)address;
    vm_size_t size = 0;
    ASSERT_OK(vm_region_64(mach_task_self(), &start, &size, VM_REGION_EXTENDED_INFO,
                           (vm_region_info_t)&info, &count, &object));
    return info;
}

/* The range is told of, in one or more regions. */
static void assert_told(const char *memory, size_t size, vm_prot_t protection)
{
    mach_vm_address_t end = (mach_vm_address_t)(uintptr_t)memory + size;
    for (mach_vm_address_t at = (mach_vm_address_t)(uintptr_t)memory; at < end;) {
        mach_vm_address_t start;
        mach_vm_size_t length = 0;
        vm_region_basic_info_data_64_t info = basic_of((void *)(uintptr_t)at, &start, &length);
        ASSERT(start <= at && at < start + length);
        ASSERT_EQ(protection, info.protection & RW);
        at = start + length;
    }
}

TEST(region_of_allocated_memory)
{
    const size_t sizes[] = {3 * vm_page_size, 1 << 20};
    for (unsigned i = 0; i < 2; i++) {
        mach_vm_address_t start;
        mach_vm_size_t size;
        char *memory = kit_allocate(sizes[i]);
        vm_region_basic_info_data_64_t info = basic_of(memory + 5, &start, &size);
        assert_told(memory, sizes[i], RW);
        ASSERT_EQ(VM_PROT_ALL, info.max_protection);
        ASSERT_EQ(VM_INHERIT_COPY, info.inheritance);
        ASSERT_EQ(FALSE, info.shared);
        ASSERT_EQ(0, info.user_wired_count);
        kit_free(memory, sizes[i]);
    }
}

TEST(region_after_a_hole)
{
    const size_t page = vm_page_size;
    mach_vm_address_t start;
    mach_vm_size_t size;
    char *memory = kit_allocate(3 * page);
    ASSERT_OK(
        vm_protect(mach_task_self(), (vm_address_t)memory + 2 * page, page, FALSE, VM_PROT_READ));
    kit_free(memory, 2 * page);
    vm_region_basic_info_data_64_t info = basic_of(memory, &start, &size);
    ASSERT_EQ(memory + 2 * page, start);
    ASSERT_EQ(VM_PROT_READ, info.protection);
    kit_free(memory, 3 * page);
}

/* Where protection, maximum or inheritance change, a region ends. */
TEST(region_shows_attributes)
{
    const size_t page = vm_page_size;
    mach_vm_address_t start;
    mach_vm_size_t size;
    char *memory = kit_allocate(4 * page);
    const vm_address_t at = (vm_address_t)memory;
    ASSERT_OK(vm_protect(mach_task_self(), at + page, page, TRUE, VM_PROT_READ));
    ASSERT_OK(vm_inherit(mach_task_self(), at + 2 * page, page, VM_INHERIT_NONE));
    vm_region_basic_info_data_64_t info = basic_of(memory + page, &start, &size);
    ASSERT_EQ(at + page, start);
    ASSERT_EQ(page, size);
    ASSERT_EQ(VM_PROT_READ, info.protection);
    ASSERT_EQ(VM_PROT_READ, info.max_protection);
    info = basic_of(memory + 2 * page, &start, &size);
    ASSERT_EQ(at + 2 * page, start);
    ASSERT_EQ(page, size);
    ASSERT_EQ(VM_INHERIT_NONE, info.inheritance);
    ASSERT_EQ(VM_PROT_ALL, info.max_protection);
    info = basic_of(memory + 3 * page, &start, &size);
    ASSERT_EQ(at + 3 * page, start);
    ASSERT_EQ(VM_INHERIT_COPY, info.inheritance);
    kit_free(memory, 4 * page);
}

TEST(region_pages_that_are_there)
{
    const size_t page = vm_page_size;
    char *memory = kit_allocate(16 * page);
    memset(memory, 1, 16 * page);
    vm_region_extended_info_data_t info = extended_of(memory);
    ASSERT(info.pages_resident >= 16);
    ASSERT(info.ref_count >= 1);
    ASSERT(info.share_mode == SM_PRIVATE || info.share_mode == SM_COW);
    ASSERT_EQ(RW, info.protection);
    ASSERT_EQ(0, info.external_pager);
    kit_free(memory, 16 * page);
}

TEST(region_that_is_shared)
{
    const size_t size = 1 << 18;
    memory_object_size_t got = size;
    mach_port_t entry = MACH_PORT_NULL;
    char *memory = kit_allocate(size);
    memset(memory, 1, size);
    ASSERT_OK(mach_make_memory_entry_64(mach_task_self(), &got,
                                        (memory_object_offset_t)(uintptr_t)memory, RW, &entry,
                                        MACH_PORT_NULL));
    vm_address_t at = 0;
    ASSERT_OK(vm_map(mach_task_self(), &at, size, 0, VM_FLAGS_ANYWHERE, entry, 0, FALSE, RW, RW,
                     VM_INHERIT_SHARE));
    vm_region_extended_info_data_t info = extended_of((void *)at);
    ASSERT(info.share_mode == SM_SHARED || info.share_mode == SM_TRUESHARED ||
           info.share_mode == SM_SHARED_ALIASED);
    ASSERT(info.ref_count >= 2);
    kit_free((void *)at, size);
    kit_free(memory, size);
    kit_deallocate(entry);
}

TEST(region_top_info)
{
    char *memory = kit_allocate(vm_page_size);
    vm_region_top_info_data_t info;
    mach_msg_type_number_t count = VM_REGION_TOP_INFO_COUNT;
    mach_port_t object;
    mach_vm_address_t start = (mach_vm_address_t)(uintptr_t)memory;
    mach_vm_size_t size;
    memory[0] = 1;
    ASSERT_OK(mach_vm_region(mach_task_self(), &start, &size, VM_REGION_TOP_INFO,
                             (vm_region_info_t)&info, &count, &object));
    ASSERT(info.private_pages_resident + info.shared_pages_resident >= 1);
    ASSERT(info.ref_count >= 1);
    kit_free(memory, vm_page_size);
}

TEST(region_recurse)
{
    const size_t page = vm_page_size;
    char *memory = kit_allocate(16 * page);
    vm_region_submap_info_data_64_t info;
    vm_region_submap_short_info_data_64_t brief;
    mach_msg_type_number_t count = VM_REGION_SUBMAP_INFO_COUNT_64;
    natural_t depth = 1000;
    mach_vm_address_t start = (mach_vm_address_t)(uintptr_t)memory;
    mach_vm_size_t size = 0;
    memset(memory, 1, 16 * page);
    ASSERT_OK(mach_vm_region_recurse(mach_task_self(), &start, &size, &depth,
                                     (vm_region_recurse_info_t)&info, &count));
    ASSERT(start <= (uintptr_t)memory && (uintptr_t)memory < start + size);
    ASSERT_EQ(0, info.is_submap);
    ASSERT_EQ(RW, info.protection);
    ASSERT_EQ(VM_INHERIT_COPY, info.inheritance);
    ASSERT(info.pages_resident >= 16);
    count = VM_REGION_SUBMAP_SHORT_INFO_COUNT_64;
    ASSERT_OK(mach_vm_region_recurse(mach_task_self(), &start, &size, &depth,
                                     (vm_region_recurse_info_t)&brief, &count));
    ASSERT_EQ(RW, brief.protection);
    ASSERT_EQ(VM_REGION_SUBMAP_SHORT_INFO_COUNT_64, count);
    count = 3;
    ASSERT_CODE(KERN_INVALID_ARGUMENT,
                mach_vm_region_recurse(mach_task_self(), &start, &size, &depth,
                                       (vm_region_recurse_info_t)&info, &count));
    kit_free(memory, 16 * page);
}

/* From the first to the last, without end or overlap, and with what is known to be there. */
TEST(region_walk_of_everything)
{
    static char data[10000];
    const uintptr_t known[] = {(uintptr_t)data, (uintptr_t)&known, (uintptr_t)getpid};
    bool found[3] = {false, false, false};
    mach_vm_address_t at = 0, last = 0;
    unsigned regions = 0;
    for (;;) {
        vm_region_basic_info_data_64_t info;
        mach_msg_type_number_t count = VM_REGION_BASIC_INFO_COUNT_64;
        mach_port_t object;
        mach_vm_size_t size = 0;
        kern_return_t kr = mach_vm_region(mach_task_self(), &at, &size, VM_REGION_BASIC_INFO_64,
                                          (vm_region_info_t)&info, &count, &object);
        if (kr != KERN_SUCCESS) {
            ASSERT_CODE(KERN_INVALID_ADDRESS, kr);
            break;
        }
        ASSERT(at >= last);
        ASSERT(size > 0 && size % vm_page_size == 0);
        for (unsigned i = 0; i < 3; i++)
            found[i] |= at <= known[i] && known[i] < at + size;
        at += size;
        last = at;
        regions++;
    }
    ASSERT(regions > 5);
    ASSERT(found[0] && found[1] && found[2]);
}

TEST(region_bad_arguments)
{
    vm_region_basic_info_data_64_t info;
    mach_msg_type_number_t count = VM_REGION_BASIC_INFO_COUNT_64 - 1;
    mach_port_t object;
    mach_vm_address_t at = 0;
    mach_vm_size_t size;
    ASSERT_CODE(KERN_INVALID_ARGUMENT,
                mach_vm_region(mach_task_self(), &at, &size, VM_REGION_BASIC_INFO_64,
                               (vm_region_info_t)&info, &count, &object));
    count = VM_REGION_BASIC_INFO_COUNT_64;
    ASSERT_CODE(KERN_INVALID_ARGUMENT, mach_vm_region(mach_task_self(), &at, &size, 999,
                                                      (vm_region_info_t)&info, &count, &object));
    ASSERT_CODE(MACH_SEND_INVALID_DEST,
                mach_vm_region(MACH_PORT_NULL, &at, &size, VM_REGION_BASIC_INFO_64,
                               (vm_region_info_t)&info, &count, &object));
    at = ~(mach_vm_address_t)0 - vm_page_size;
    ASSERT_CODE(KERN_INVALID_ADDRESS,
                mach_vm_region(mach_task_self(), &at, &size, VM_REGION_BASIC_INFO_64,
                               (vm_region_info_t)&info, &count, &object));
}

/* The forms of old. */
TEST(region_in_the_old_forms)
{
    char *memory = kit_allocate(vm_page_size);
    vm_region_submap_info_data_64_t wide;
    vm_address_t at = (vm_address_t)memory;
    vm_size_t size = 0;
    natural_t depth = 1;
    mach_msg_type_number_t count = VM_REGION_SUBMAP_INFO_COUNT_64;
    ASSERT_OK(vm_region_recurse_64(mach_task_self(), &at, &size, &depth,
                                   (vm_region_recurse_info_64_t)&wide, &count));
    ASSERT_EQ(RW, wide.protection);
    ASSERT(at <= (vm_address_t)memory);
    kit_free(memory, vm_page_size);
}
