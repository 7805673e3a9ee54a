/* Failures of calls on memory: shared, mapped, copied, protected. Whatever fails, the memory keeps its
 * contents and nothing is left behind. */
#include "harness/mach_kit.h"
#include "nth.h"

#include <string.h>
#include <sys/mman.h>

#define GATE_FAULTS() GATE_DARWIN("the kernel's allocations cannot be made to fail from outside")

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
