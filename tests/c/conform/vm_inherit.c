/* What a forked child gets of memory. Section 8: S181, S182. */
#include "harness/mach_kit.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static kern_return_t inherit(const void *address, size_t size, vm_inherit_t how)
{
    return vm_inherit(mach_task_self(), (vm_address_t)address, size, how);
}

TEST(S181_inherit_bad_arguments)
{
    char *memory = kit_allocate(vm_page_size);
    ASSERT_CODE(KERN_INVALID_ARGUMENT, inherit(memory, vm_page_size, 3));
    ASSERT_CODE(KERN_INVALID_ARGUMENT, inherit(memory, vm_page_size, 77));
    ASSERT_CODE(KERN_INVALID_ARGUMENT, inherit(memory, (size_t)-1, VM_INHERIT_COPY));
    ASSERT_OK(inherit(memory, 0, VM_INHERIT_NONE));
    kit_free(memory, vm_page_size);
}

TEST(S181_inherit_ignores_holes)
{
    const size_t page = vm_page_size;
    const vm_inherit_t ways[] = {VM_INHERIT_SHARE, VM_INHERIT_COPY, VM_INHERIT_NONE};
    for (unsigned i = 0; i < 3; i++) {
        char *memory = kit_allocate(3 * page);
        kit_free(memory + page, page);
        ASSERT_OK(inherit(memory, 3 * page, ways[i]));
        ASSERT_OK(inherit(memory + page, page, ways[i]));
        kit_free(memory, 3 * page);
    }
}

/* Fork, and let the child write 'c' everywhere; then the parent writes 'p', which the child sees or
 * not. */
static void fork_and_write(char *memory, size_t size, bool shared)
{
    int ends[2];
    char byte;
    memset(memory, '.', size);
    ASSERT_SYS(pipe(ends));
    pid_t pid = (pid_t)ASSERT_SYS(fork());
    if (pid == 0) {
        ASSERT_EQ(1, read(ends[0], &byte, 1));
        ASSERT_ALL(shared ? 'p' : '.', memory, size);
        memset(memory, 'c', size);
        _exit(0);
    }
    memset(memory, 'p', size);
    ASSERT_EQ(1, write(ends[1], "!", 1));
    kit_wait_child(pid);
    ASSERT_ALL(shared ? 'c' : 'p', memory, size);
    close(ends[0]);
    close(ends[1]);
}

static void each_inheritance(char *memory, size_t size)
{
    fork_and_write(memory, size, false);
    ASSERT_OK(inherit(memory, size, VM_INHERIT_SHARE));
    fork_and_write(memory, size, true);
    fork_and_write(memory, size, true);
    ASSERT_OK(inherit(memory, size, VM_INHERIT_COPY));
    fork_and_write(memory, size, false);
    fork_and_write(memory, size, false);
}

TEST(S181_S182_share_and_copy_of_allocated_memory)
{
    const size_t sizes[] = {vm_page_size, 1 << 16, 1 << 21};
    for (unsigned i = 0; i < 3; i++) {
        char *memory = kit_allocate(sizes[i]);
        each_inheritance(memory, sizes[i]);
        kit_free(memory, sizes[i]);
    }
}

TEST(S181_S182_share_and_copy_of_mapped_memory)
{
    const size_t size = 1 << 18;
    char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON, -1, 0);
    ASSERT(memory != MAP_FAILED);
    each_inheritance(memory, size);
    kit_free(memory, size);
}

/* What the child has in a moment, before it does anything else. */
TEST(S181_contents_survive_being_shared)
{
    const size_t size = 1 << 18;
    char *memory = kit_allocate(size);
    kit_fill(memory, size, 1);
    ASSERT_OK(inherit(memory + 5, size - 10, VM_INHERIT_SHARE));
    ASSERT_FILLED(memory, size, 1);
    ASSERT_OK(inherit(memory, size, VM_INHERIT_COPY));
    ASSERT_FILLED(memory, size, 1);
    kit_free(memory, size);
}

TEST(S182_memory_the_child_does_not_get)
{
    const size_t sizes[] = {2 * vm_page_size, 1 << 21};
    for (unsigned i = 0; i < 2; i++) {
        const size_t page = vm_page_size;
        char *memory = kit_allocate(sizes[i]);
        kit_fill(memory, sizes[i], 1);
        ASSERT_OK(inherit(memory + page, page, VM_INHERIT_NONE));
        pid_t pid = (pid_t)ASSERT_SYS(fork());
        if (pid == 0) {
            vm_address_t address = (vm_address_t)memory + page;
            ASSERT(kit_is_readable(memory));
            ASSERT(!kit_is_readable(memory + page));
            ASSERT_OK(vm_allocate(mach_task_self(), &address, page, VM_FLAGS_FIXED));
            ASSERT_ALL(0, memory + page, page);
            pid_t grandchild = (pid_t)ASSERT_SYS(fork());
            if (grandchild == 0) {
                ASSERT_ALL(0, memory + page, page); /* new memory: the default */
                _exit(0);
            }
            kit_wait_child(grandchild);
            _exit(0);
        }
        kit_wait_child(pid);
        ASSERT_FILLED(memory, sizes[i], 1);
        ASSERT_OK(inherit(memory, sizes[i], VM_INHERIT_COPY));
        pid = (pid_t)ASSERT_SYS(fork());
        if (pid == 0) {
            ASSERT_FILLED(memory, sizes[i], 1);
            _exit(0);
        }
        kit_wait_child(pid);
        kit_free(memory, sizes[i]);
    }
}

/* One page of three: the granularity is the page. */
TEST(S181_inherit_is_page_granular)
{
    const size_t page = vm_page_size;
    char *memory = kit_allocate(3 * page);
    memset(memory, '.', 3 * page);
    ASSERT_OK(inherit(memory + page + 7, 1, VM_INHERIT_SHARE));
    pid_t pid = (pid_t)ASSERT_SYS(fork());
    if (pid == 0) {
        memset(memory, 'c', 3 * page);
        _exit(0);
    }
    kit_wait_child(pid);
    ASSERT_ALL('.', memory, page);
    ASSERT_ALL('c', memory + page, page);
    ASSERT_ALL('.', memory + 2 * page, page);
    kit_free(memory, 3 * page);
}

/* Children of a child, and siblings, all see the same. */
TEST(S182_shared_over_generations)
{
    const size_t size = 1 << 18;
    char *memory = kit_allocate(size);
    ASSERT_OK(mach_vm_inherit(mach_task_self(), (mach_vm_address_t)memory, size, VM_INHERIT_SHARE));
    pid_t child = (pid_t)ASSERT_SYS(fork());
    if (child == 0) {
        memory[0] = 'a';
        pid_t grandchild = (pid_t)ASSERT_SYS(fork());
        if (grandchild == 0) {
            memory[1] = 'b';
            _exit(0);
        }
        kit_wait_child(grandchild);
        _exit(0);
    }
    kit_wait_child(child);
    ASSERT_MEM("ab", memory, 2);
    kit_free(memory, size);
}

/* Shared memory is still memory to be sent: a snapshot. */
TEST(S65_S182_sending_memory_that_children_share)
{
    const size_t size = 1 << 20;
    vm_offset_t data;
    mach_msg_type_number_t count;
    char *memory = kit_allocate(size);
    ASSERT_OK(inherit(memory, size, VM_INHERIT_SHARE));
    memset(memory, 1, size);
    ASSERT_OK(vm_read(mach_task_self(), (vm_address_t)memory, size, &data, &count));
    pid_t pid = (pid_t)ASSERT_SYS(fork());
    if (pid == 0) {
        memset(memory, 2, size);
        memset((void *)data, 3, size);
        _exit(0);
    }
    kit_wait_child(pid);
    ASSERT_ALL(2, memory, size);
    ASSERT_ALL(1, (void *)data, size);
    kit_free((void *)data, count);
    kit_free(memory, size);
}

/* A page of the stack that nobody calls from. */
static void share_part_of_the_stack(void)
{
    volatile char *stack = __builtin_alloca(16 * vm_page_size);
    memset((void *)(uintptr_t)stack, 1, 16 * vm_page_size);
    volatile char *page = stack + 8 * vm_page_size;
    ASSERT_OK(inherit((const void *)(uintptr_t)page, 1, VM_INHERIT_SHARE));
    pid_t pid = (pid_t)ASSERT_SYS(fork());
    if (pid == 0) {
        page[0] = 'c';
        _exit(0);
    }
    kit_wait_child(pid);
    ASSERT_EQ('c', page[0]);
    ASSERT_EQ(1, page[1]);
}

/* All that is in use. Only one process may go on with it afterwards. */
static void share_the_stack(void)
{
    char local[KIT_TEXT] = "contents";
    const char *start = local - 8 * vm_page_size;
    ASSERT_OK(inherit(start, 9 * vm_page_size, VM_INHERIT_SHARE));
    ASSERT_STR("contents", local);
}

/* In a child, since stacks stay. */
TEST(S182_stack_that_is_shared)
{
    pid_t pid = (pid_t)ASSERT_SYS(fork());
    if (pid == 0) {
        share_part_of_the_stack();
        share_the_stack();
        _exit(0);
    }
    kit_wait_child(pid);
}
