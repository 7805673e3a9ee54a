/* The registry against a list that is searched from end to end, and its limits. */
#include "vm_kit.h"

#include <sys/resource.h>

enum { SLOTS = 64 };

/* Every slot of the arena that a region covers bears its number. */
static char *arena;
static unsigned model[SLOTS];
static unsigned numbers;

static void forget_in_model(unsigned from, unsigned to)
{
    for (unsigned i = from; i < to; i++) {
        unsigned number = model[i];
        for (unsigned j = 0; number && j < SLOTS; j++) {
            if (model[j] == number)
                model[j] = 0;
        }
    }
}

static void insert(unsigned from, unsigned to)
{
    uintptr_t at = (uintptr_t)arena + from * PAGE;
    size_t size = (to - from) * PAGE;
    int fd = object(size, 0, 0);
    CHECK(mmap((void *)at, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) ==
          (void *)at);
    CHECK(vm_map_insert(at, size, fd, VM_REGION_SHARED, false) == 0);
    forget_in_model(from, to);
    numbers++;
    for (unsigned i = from; i < to; i++)
        model[i] = numbers;
}

static void compare(void)
{
    unsigned count = 0;
    uint64_t slots = 0, bytes;
    for (unsigned i = 0; i < SLOTS; i++) {
        bool starts = model[i] && (i == 0 || model[i - 1] != model[i]);
        struct vm_region *region = vm_map_find((uintptr_t)arena + i * PAGE);
        CHECK((region != NULL) == starts);
        count += starts;
        slots += model[i] != 0;
        for (size_t j = 0; region && j < region->size / PAGE; j++)
            CHECK(model[i + j] == model[i]);
        CHECK(!region || i + region->size / PAGE == SLOTS ||
              model[i + region->size / PAGE] != model[i]);
    }
    CHECK(vm_map_count(&bytes) == count && bytes == slots * PAGE);
}

static void against_the_model(void)
{
    unsigned seed = 1;
    arena = mmap(NULL, SLOTS * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(arena != MAP_FAILED);
    for (int round = 0; round < 3000; round++) {
        unsigned from = next_random(&seed) % SLOTS;
        unsigned to = from + 1 + next_random(&seed) % 8;
        to = to > SLOTS ? SLOTS : to;
        if (next_random(&seed) % 3) {
            insert(from, to);
        } else {
            vm_map_forget((uintptr_t)arena + from * PAGE, (to - from) * PAGE);
            forget_in_model(from, to);
        }
        compare();
    }
    vm_map_forget((uintptr_t)arena, SLOTS * PAGE);
    munmap(arena, SLOTS * PAGE);
}

/* What is left of a region of which a part was freed is shared with no child. */
static void rest_is_private(void)
{
    const size_t size = 256 * KiB;
    char *at = region_new(size);
    memset(at, 3, size);
    region_free(at + 10 * PAGE, PAGE);
    CHECK(!is_mapped(at + 10 * PAGE) && is_mapped(at + 9 * PAGE) && is_mapped(at + 11 * PAGE));
    pid_t pid = fork();
    if (pid == 0) {
        memset(at, 4, 10 * PAGE);
        memset(at + 11 * PAGE, 4, size - 11 * PAGE);
        _exit(0);
    }
    join(pid);
    CHECK(all(at, 10 * PAGE, 3) && all(at + 11 * PAGE, size - 11 * PAGE, 3));
    CHECK(count_regions() == 0);
    region_free(at, size);
}

/* Regions leave descriptors for others: a quarter of the limit is theirs. */
static void room(void)
{
    enum { MANY = 100 };
    char *at[MANY];
    struct rlimit before, small;
    unsigned fds = count_fds();
    CHECK(getrlimit(RLIMIT_NOFILE, &before) == 0);
    small = before;
    small.rlim_cur = 64;
    CHECK(setrlimit(RLIMIT_NOFILE, &small) == 0);
    for (int i = 0; i < MANY; i++)
        at[i] = region_new(MiB);
    CHECK(count_fds() == fds + 16 && count_regions() == 16);
    CHECK(!vm_map_has_room(false) && !vm_map_has_room(true));
    for (int i = 0; i < MANY; i++) {
        at[i][MiB - 1] = 1;
        region_free(at[i], MiB);
    }
    CHECK(setrlimit(RLIMIT_NOFILE, &before) == 0);
    CHECK(count_fds() == fds && count_regions() == 0);
    CHECK(vm_map_has_room(false) && vm_map_has_room(true));
}

static void a_bad_descriptor(void)
{
    CHECK(vm_map_insert(0x10000, PAGE, -1, VM_REGION_SHARED, false) == -EBADF);
    CHECK(count_regions() == 0);
}

int main(void)
{
    region_free(region_new(MiB), MiB);
    unsigned fds = count_fds();
    against_the_model();
    CHECK(count_fds() == fds);
    rest_is_private();
    room();
    a_bad_descriptor();
    CHECK(count_fds() == fds);
    return 0;
}
