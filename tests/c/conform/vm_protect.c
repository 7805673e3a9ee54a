/* Protection. Section 8: S178. */
#include "harness/mach_kit.h"

#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>

static sigjmp_buf fault;

static void on_fault(int signal)
{
    (void)signal;
    siglongjmp(fault, 1);
}

static void catch_faults(void)
{
    struct sigaction action = {.sa_handler = on_fault};
    ASSERT_SYS(sigaction(SIGSEGV, &action, NULL));
    ASSERT_SYS(sigaction(SIGBUS, &action, NULL));
}

static bool can_write(volatile char *address)
{
    if (sigsetjmp(fault, 1))
        return false;
    *address = 'w';
    return true;
}

static bool can_read(volatile const char *address)
{
    if (sigsetjmp(fault, 1))
        return false;
    return *address >= 0 || *address < 0;
}

static kern_return_t protect(const char *address, size_t size, bool maximum, vm_prot_t protection)
{
    return vm_protect(mach_task_self(), (vm_address_t)address, size, maximum, protection);
}

TEST(S178_protect)
{
    char *memory = kit_allocate(4 * vm_page_size);
    const size_t page = vm_page_size;
    catch_faults();
    memset(memory, 1, 4 * page);
    /* Every page that the range touches. */
    ASSERT_OK(protect(memory + 2 * page - 1, 2, false, VM_PROT_READ));
    ASSERT(can_write(memory + page - 1));
    ASSERT(!can_write(memory + page));
    ASSERT(!can_write(memory + 3 * page - 1));
    ASSERT(can_write(memory + 3 * page));
    ASSERT(can_read(memory + page));
    ASSERT_OK(protect(memory, 4 * page, false, VM_PROT_NONE));
    ASSERT(!can_read(memory));
    ASSERT_OK(protect(memory, 4 * page, false, VM_PROT_READ | VM_PROT_WRITE));
    ASSERT_ALL(1, memory + page, 2 * page);
    ASSERT(can_write(memory));
    kit_free(memory, 4 * page);
}

TEST(S178_protect_of_memory_of_any_origin)
{
    char *foreign = mmap(NULL, 2 * vm_page_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON, -1,
                         0);
    ASSERT(foreign != MAP_FAILED);
    catch_faults();
    ASSERT_OK(protect(foreign, vm_page_size, false, VM_PROT_READ));
    ASSERT(!can_write(foreign));
    ASSERT(can_write(foreign + vm_page_size));
    ASSERT_SYS(munmap(foreign, 2 * vm_page_size));
}

TEST(S178_protect_over_a_hole)
{
    const size_t page = vm_page_size;
    char *memory = kit_allocate(3 * page);
    kit_free(memory + page, page);
    catch_faults();
    ASSERT_CODE(KERN_INVALID_ADDRESS, protect(memory, 3 * page, false, VM_PROT_READ));
    ASSERT(can_write(memory));
    ASSERT_CODE(KERN_INVALID_ADDRESS, protect(memory + page, page, false, VM_PROT_READ));
    ASSERT_CODE(KERN_INVALID_ADDRESS, protect(memory + page, page, true, VM_PROT_READ));
    kit_free(memory, 3 * page);
}

TEST(S178_protect_bad_arguments)
{
    char *memory = kit_allocate(vm_page_size);
    ASSERT_CODE(KERN_INVALID_ARGUMENT, protect(memory, vm_page_size, false, 0x100));
    ASSERT_CODE(KERN_INVALID_ARGUMENT, protect(memory, 0, false, 0x100));
    ASSERT_CODE(KERN_INVALID_ARGUMENT, protect(memory, (size_t)-1, false, VM_PROT_READ));
    ASSERT_OK(protect((char *)0x10, 0, false, VM_PROT_READ));
    kit_free(memory, vm_page_size);
}

TEST(S178_maximum)
{
    const size_t page = vm_page_size;
    char *memory = kit_allocate(3 * page);
    catch_faults();
    ASSERT_OK(protect(memory + page, page, true, VM_PROT_READ));
    ASSERT(!can_write(memory + page)); /* current is clipped */
    ASSERT(can_read(memory + page));
    ASSERT(can_write(memory));
    ASSERT_CODE(KERN_PROTECTION_FAILURE,
                protect(memory + page, page, false, VM_PROT_READ | VM_PROT_WRITE));
    ASSERT_CODE(KERN_PROTECTION_FAILURE,
                protect(memory, 3 * page, false, VM_PROT_READ | VM_PROT_WRITE));
    ASSERT_CODE(KERN_PROTECTION_FAILURE,
                protect(memory + page, page, true, VM_PROT_READ | VM_PROT_WRITE));
    ASSERT_OK(protect(memory, page, false, VM_PROT_READ | VM_PROT_WRITE));
    ASSERT_OK(protect(memory + page, page, false, VM_PROT_NONE));
    ASSERT_OK(protect(memory + page, page, false, VM_PROT_READ));
    kit_free(memory, 3 * page);
}

/* A maximum belongs to the memory, not to the address. */
TEST(S178_maximum_goes_with_the_memory)
{
    const size_t sizes[] = {vm_page_size, 1 << 20};
    for (unsigned i = 0; i < 2; i++) {
        char *memory = kit_allocate(sizes[i]);
        vm_address_t address = (vm_address_t)memory;
        ASSERT_OK(protect(memory, sizes[i], true, VM_PROT_READ));
        kit_free(memory, sizes[i]);
        ASSERT_OK(vm_allocate(mach_task_self(), &address, sizes[i], VM_FLAGS_FIXED));
        ASSERT_OK(protect(memory, sizes[i], false, VM_PROT_READ | VM_PROT_WRITE));
        ASSERT_OK(protect(memory, sizes[i], true, VM_PROT_READ));
        ASSERT_OK(
            vm_allocate(mach_task_self(), &address, sizes[i], VM_FLAGS_FIXED | VM_FLAGS_OVERWRITE));
        memset(memory, 1, sizes[i]);
        ASSERT_OK(protect(memory, sizes[i], false, VM_PROT_READ | VM_PROT_WRITE));
        kit_free(memory, sizes[i]);
    }
}

/* Protected memory is sent as it is, and a region that is sent stays protected. */
TEST(S178_protected_memory_is_sent)
{
    const size_t size = 1 << 20;
    vm_offset_t data;
    mach_msg_type_number_t count;
    char *memory = kit_allocate(size);
    catch_faults();
    kit_fill(memory, size, 1);
    ASSERT_OK(protect(memory, size, true, VM_PROT_READ));
    ASSERT_OK(vm_read(mach_task_self(), (vm_address_t)memory, size, &data, &count));
    ASSERT_FILLED((void *)data, size, 1);
    ASSERT(can_write((char *)data));
    ASSERT(!can_write(memory));
    kit_free((void *)data, count);
    kit_free(memory, size);
}

/* What others see becomes a copy of one's own, which may be written whatever the maximum. */
TEST(S178_protect_with_copy)
{
    memory_object_size_t size = 2 * vm_page_size;
    mach_port_t entry = MACH_PORT_NULL;
    char *memory = kit_allocate(size);
    vm_address_t at = 0;
    ASSERT_OK(mach_make_memory_entry_64(mach_task_self(), &size,
                                        (memory_object_offset_t)(uintptr_t)memory,
                                        VM_PROT_READ | VM_PROT_WRITE, &entry, MACH_PORT_NULL));
    ASSERT_OK(vm_map(mach_task_self(), &at, size, 0, VM_FLAGS_ANYWHERE, entry, 0, FALSE,
                     VM_PROT_READ, VM_PROT_READ, VM_INHERIT_DEFAULT));
    char *mapped = (char *)at;
    kit_fill(memory, size, 1);
    ASSERT_CODE(KERN_PROTECTION_FAILURE,
                protect(mapped, vm_page_size, false, VM_PROT_READ | VM_PROT_WRITE));
    ASSERT_OK(protect(mapped, vm_page_size, false, VM_PROT_READ | VM_PROT_WRITE | VM_PROT_COPY));
    ASSERT_FILLED(mapped, size, 1);
    memset(mapped, 2, vm_page_size);
    ASSERT_FILLED(memory, size, 1);
    kit_fill(memory, size, 3);
    ASSERT_ALL(2, mapped, vm_page_size);
    ASSERT_MEM(memory + vm_page_size, mapped + vm_page_size, vm_page_size); /* still shared */
    kit_free(mapped, size);
    kit_free(memory, size);
    kit_deallocate(entry);
}

TEST(S178_mach_vm_protect)
{
    char *memory = kit_allocate(vm_page_size);
    catch_faults();
    ASSERT_OK(mach_vm_protect(mach_task_self(), (mach_vm_address_t)memory, 1, FALSE, VM_PROT_READ));
    ASSERT(!can_write(memory + vm_page_size - 1));
    kit_free(memory, vm_page_size);
}
