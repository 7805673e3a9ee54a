/* Memory entries on their way to another task, and what a hostile one could send in their place. */
#include "vm_kit.h"

#include "vm/vm_entry.h"
#include "vm/vm_place.h"
#include "vm/vm_range.h"

#define RW (VM_PROT_READ | VM_PROT_WRITE)

static char *map(const struct vm_entry *entry, size_t size, int protection, bool copy)
{
    uintptr_t address = 0;
    vm_map_lock();
    CHECK(vm_place(&address, size, 0, VM_FLAGS_ANYWHERE) == 0);
    CHECK(vm_entry_map(entry, 0, address, size, protection, copy) == 0);
    vm_map_unlock();
    return (char *)address;
}

static void refuse(int take_fd, uint64_t offset, uint64_t size)
{
    struct vm_entry_words words = {.offset = offset, .size = size, .protection = RW};
    struct vm_entry *entry;
    unsigned fds = count_fds();
    CHECK(vm_entry_adopt(take_fd, &words, &entry) == -EBADMSG);
    CHECK(count_fds() == fds - 1);
}

static void test_adopt_refuses(void)
{
    const size_t size = 4 * PAGE;
    int ends[2];
    refuse(object(size, 0, 0), 0, size); /* could be cut short */
    refuse(object(size, F_SEAL_GROW, 0), 0, size);
    refuse(object(size, F_SEAL_SHRINK, 0), 0, size + PAGE);
    refuse(object(size, F_SEAL_SHRINK, 0), PAGE, size);
    refuse(object(size, F_SEAL_SHRINK, 0), 1, PAGE);
    refuse(object(size, F_SEAL_SHRINK, 0), 0, PAGE - 1);
    refuse(object(size, F_SEAL_SHRINK, 0), 0, 0);
    refuse(object(size, F_SEAL_SHRINK, 0), (uint64_t)0 - PAGE, PAGE);
    refuse(object(size, F_SEAL_SHRINK, 0), PAGE, (uint64_t)0 - PAGE);
    CHECK(pipe(ends) == 0);
    close(ends[1]);
    refuse(ends[0], 0, PAGE);
    refuse(open("/proc/self/exe", O_RDONLY | O_CLOEXEC), 0, PAGE);
}

static struct vm_entry *over_a_channel(const struct vm_entry *entry)
{
    struct vm_entry_words words;
    struct vm_entry *other;
    int fd = vm_entry_export(entry, &words);
    CHECK(fd >= 0);
    CHECK(vm_entry_adopt(fd, &words, &other) == 0);
    return other;
}

static void test_export_and_adopt(void)
{
    const size_t size = 4 * PAGE;
    char *memory = region_new(size);
    struct vm_entry *entry;
    memset(memory, 1, size);
    CHECK(vm_entry_share((uintptr_t)memory, (uintptr_t)memory + size, RW, false, false, &entry) ==
          0);
    struct vm_entry *other = over_a_channel(entry);
    CHECK(other->size == size && other->protection == RW && !other->copy);
    char *mapped = map(other, size, PROT_READ | PROT_WRITE, false);
    CHECK(all(mapped, size, 1));
    memset(mapped, 2, size);
    CHECK(all(memory, size, 2));
    vm_entry_unref(other);
    vm_entry_unref(entry);
    memset(memory, 3, size);
    CHECK(all(mapped, size, 3));
    region_free(mapped, size);
    region_free(memory, size);
}

/* What may only be read goes as a descriptor that cannot be written through. */
static void test_export_read_only(void)
{
    struct vm_entry *entry;
    CHECK(vm_entry_new(PAGE, VM_PROT_READ, &entry) == 0);
    struct vm_entry *other = over_a_channel(entry);
    CHECK(other->protection == VM_PROT_READ);
    CHECK(mmap(NULL, PAGE, PROT_WRITE, MAP_SHARED, other->object->fd, 0) == MAP_FAILED);
    CHECK(pwrite(other->object->fd, "x", 1, 0) < 0);
    char *mapped = map(other, PAGE, PROT_READ, false);
    CHECK(all(mapped, PAGE, 0));
    CHECK(mprotect(mapped, PAGE, PROT_READ | PROT_WRITE) < 0);
    region_free(mapped, PAGE);
    vm_entry_unref(other);
    vm_entry_unref(entry);
}

/* Shared memory is no region any more: nothing freezes it, neither a send nor a fork. */
static void test_shared_is_never_frozen(void)
{
    const size_t size = MiB;
    char *memory = region_new(size);
    struct vm_entry *entry;
    CHECK(count_regions() == 1);
    CHECK(vm_entry_share((uintptr_t)memory, (uintptr_t)memory + size, RW, false, false, &entry) ==
          0);
    CHECK(count_regions() == 0);
    char *mapped = map(entry, size, PROT_READ | PROT_WRITE, false);
    (void)moved();
    struct vm_copy copy = send_memory(memory, size, MACH_MSG_VIRTUAL_COPY, false);
    struct moved change = moved();
    CHECK(change.copied == size && change.shared == 0);
    memset(mapped, 7, size);
    char *received = receive_memory(&copy);
    CHECK(all(received, size, 0) && all(memory, size, 7));
    vm_fork_prepare();
    vm_fork_parent();
    memset(memory, 8, size);
    CHECK(all(mapped, size, 8));
    region_free(received, size);
    region_free(mapped, size);
    region_free(memory, size);
    vm_entry_unref(entry);
}

/* What nobody else has any more is private again at a fork, without a copy. */
static void test_fork_of_what_is_alone(void)
{
    const size_t size = MiB;
    unsigned fds = count_fds();
    struct vm_entry *entry;
    CHECK(vm_entry_new(size, RW, &entry) == 0);
    char *mapped = map(entry, size, PROT_READ | PROT_WRITE, false);
    memset(mapped, 5, size);
    vm_fork_prepare();
    vm_fork_parent();
    CHECK(count_fds() == fds + 1); /* the entry has it */
    vm_entry_unref(entry);
    vm_fork_prepare();
    vm_fork_parent();
    CHECK(count_fds() == fds);
    CHECK(all(mapped, size, 5));
    memset(mapped, 6, size);
    region_free(mapped, size);
}

/* A region of which only a part is shared: the rest is as before, and the whole is one object. */
static void test_part_of_a_region(void)
{
    const size_t size = MiB;
    char *memory = region_new(size);
    struct vm_entry *entry;
    uintptr_t start = (uintptr_t)memory + 8 * PAGE;
    CHECK(vm_entry_share(start, start + 4 * PAGE, RW, false, false, &entry) == 0);
    CHECK(entry->offset == 8 * PAGE && entry->size == 4 * PAGE);
    CHECK(entry->object->size == size);
    vm_entry_unref(entry);
    region_free(memory, size);
}

/* The program unmaps behind our back, and something else comes to lie there. */
static void test_stale_ranges(void)
{
    char *memory = region_new(PAGE);
    struct vm_entry *entry, *again;
    uintptr_t start = (uintptr_t)memory;
    CHECK(vm_entry_share(start, start + PAGE, RW, false, false, &entry) == 0);
    CHECK(mmap(memory, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
               0) == memory);
    memory[0] = 'n';
    char *mapped = map(entry, PAGE, PROT_READ | PROT_WRITE, false);
    CHECK(mapped[0] == 0);
    CHECK(vm_entry_share(start, start + PAGE, RW, false, false, &again) == 0);
    CHECK(again->object != entry->object);
    mapped[0] = 'o';
    CHECK(memory[0] == 'n');
    region_free(mapped, PAGE);
    region_free(memory, PAGE);
    vm_entry_unref(entry);
    vm_entry_unref(again);
}

/* Many that the program unmapped itself: their descriptors do not pile up for ever. */
static void test_sweep(void)
{
    enum { MANY = 300 };
    unsigned fds = count_fds();
    for (unsigned i = 0; i < MANY; i++) {
        struct vm_entry *entry;
        CHECK(vm_entry_new(PAGE, RW, &entry) == 0);
        char *mapped = map(entry, PAGE, PROT_READ | PROT_WRITE, false);
        vm_entry_unref(entry);
        CHECK(munmap(mapped, PAGE) == 0);
    }
    CHECK(count_fds() < fds + MANY / 2);
    vm_map_lock();
    vm_range_clear(0, UINTPTR_MAX);
    vm_map_unlock();
    CHECK(count_fds() == fds);
}

static void test_all(void)
{
    test_adopt_refuses();
    test_export_and_adopt();
    test_export_read_only();
    test_shared_is_never_frozen();
    test_fork_of_what_is_alone();
    test_part_of_a_region();
    test_stale_ranges();
    test_sweep();
}

int main(void)
{
    test_all(); /* the heap has what it wants */
    unsigned fds = count_fds(), maps = count_maps();
    test_all();
    CHECK(count_fds() == fds);
    CHECK(count_maps() == maps);
    return 0;
}
