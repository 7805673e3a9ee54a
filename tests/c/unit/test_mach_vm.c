/* vm_allocate and vm_deallocate where the system is short of something, and what backs what. The
 * contract itself is in conform/vm.c. */
#include "vm_kit.h"

#include <sys/resource.h>
#include <sys/syscall.h>

#define SIZE ((size_t)1 << 20)

static bool no_objects, no_splitting;

int memfd_create(const char *name, unsigned flags)
{
    if (no_objects) {
        errno = EMFILE;
        return -1;
    }
    return (int)syscall(SYS_memfd_create, name, flags);
}

int munmap(void *address, size_t size)
{
    if (no_splitting) {
        errno = ENOMEM;
        return -1;
    }
    return (int)syscall(SYS_munmap, address, size);
}

static void what_has_an_object(void)
{
    char *small = region_new(64 * KiB), *large = region_new(SIZE);
    CHECK(vm_map_find((uintptr_t)small) == NULL && vm_map_find((uintptr_t)large) != NULL);
    vm_address_t fixed = (vm_address_t)large;
    region_free(large, SIZE);
    CHECK(vm_map_find((uintptr_t)large) == NULL);
    CHECK(vm_allocate(mach_task_self_, &fixed, SIZE, VM_FLAGS_FIXED) == KERN_SUCCESS);
    CHECK(all(large, SIZE, 0));
    region_free(large, SIZE);
    region_free(small, 64 * KiB);
}

/* Memory all the same, only that it will be copied. */
static void without_objects(void)
{
    struct rlimit before, small;
    unsigned fds = count_fds();
    no_objects = true;
    char *at = region_new(SIZE);
    no_objects = false;
    CHECK(count_fds() == fds && count_regions() == 0 && all(at, SIZE, 0));
    region_free(at, SIZE);

    CHECK(getrlimit(RLIMIT_FSIZE, &before) == 0);
    small = before;
    small.rlim_cur = SIZE / 2;
    CHECK(setrlimit(RLIMIT_FSIZE, &small) == 0);
    at = region_new(SIZE);
    memset(at, 1, SIZE);
    CHECK(setrlimit(RLIMIT_FSIZE, &before) == 0);
    CHECK(count_fds() == fds && count_regions() == 0);
    region_free(at, SIZE);
}

static void no_room(void)
{
    struct rlimit before, small;
    unsigned fds = count_fds(), maps = count_maps();
    vm_address_t at = 77;
    CHECK(vm_allocate(mach_task_self_, &at, (vm_size_t)1 << 50, VM_FLAGS_ANYWHERE) ==
          KERN_NO_SPACE);
    CHECK(vm_allocate(mach_task_self_, &at, UINTPTR_MAX - 5, VM_FLAGS_ANYWHERE) == KERN_NO_SPACE);
    CHECK(at == 77 && count_fds() == fds && count_maps() == maps);
    CHECK(getrlimit(RLIMIT_DATA, &before) == 0);
    small = before;
    small.rlim_cur = PAGE; /* no private memory: what is shared is not counted */
    CHECK(setrlimit(RLIMIT_DATA, &small) == 0);
    kern_return_t kr = vm_allocate(mach_task_self_, &at, 64 * KiB, VM_FLAGS_ANYWHERE);
    char *large = region_new(SIZE);
    struct vm_copy copy;
    mach_msg_return_t sent = vm_copyin((vm_address_t)large, SIZE, 1, false, &copy);
    CHECK(setrlimit(RLIMIT_DATA, &before) == 0);
    CHECK(kr == KERN_NO_SPACE);
    CHECK(sent == MACH_MSG_SUCCESS); /* copied, as it could not be frozen */
    CHECK(vm_map_find((uintptr_t)large)->state == VM_REGION_SHARED);
    vm_copy_deinit(&copy);
    region_free(large, SIZE);
    CHECK(count_fds() == fds);
}

/* Fixed memory over a region: the rest of it stays, and is nobody else's. */
static void overwriting(void)
{
    unsigned fds = count_fds();
    char *at = region_new(SIZE);
    memset(at, 1, SIZE);
    vm_address_t middle = (vm_address_t)at + 16 * PAGE;
    CHECK(vm_allocate(mach_task_self_, &middle, PAGE, VM_FLAGS_FIXED) == KERN_NO_SPACE);
    CHECK(count_regions() == 1);
    CHECK(vm_allocate(mach_task_self_, &middle, PAGE, VM_FLAGS_OVERWRITE) == KERN_SUCCESS);
    CHECK(count_regions() == 0 && count_fds() == fds);
    CHECK(all(at, 16 * PAGE, 1) && all(at + 16 * PAGE, PAGE, 0));
    CHECK(all(at + 17 * PAGE, SIZE - 17 * PAGE, 1));
    region_free(at, SIZE);
    at = region_new(SIZE);
    middle = (vm_address_t)at;
    CHECK(vm_allocate(mach_task_self_, &middle, SIZE, VM_FLAGS_OVERWRITE) == KERN_SUCCESS);
    CHECK(count_regions() == 0 && all(at, SIZE, 0));
    region_free(at, SIZE);
}

static void one_mapping_too_many(void)
{
    char *at = region_new(SIZE);
    memset(at, 1, SIZE);
    no_splitting = true;
    kern_return_t kr = vm_deallocate(mach_task_self_, (vm_address_t)at + PAGE, PAGE);
    no_splitting = false;
    CHECK(kr == KERN_RESOURCE_SHORTAGE);
    CHECK(all(at, SIZE, 1));
    region_free(at, SIZE);
    CHECK(!is_mapped(at));
}

/* A range that the program unmapped itself, and that the kernel gave to the layer once more. */
static void stale_regions(void)
{
    unsigned fds = count_fds();
    for (int i = 0; i < 200; i++) {
        char *at = region_new(SIZE);
        CHECK(all(at, SIZE, 0));
        memset(at, 1, SIZE);
        CHECK(munmap(at, SIZE) == 0);
        if (i > 10)
            CHECK(count_regions() <= 4); /* the same addresses come back */
    }
    CHECK(count_fds() <= fds + 4);
}

int main(void)
{
    region_free(region_new(SIZE), SIZE);
    what_has_an_object();
    without_objects();
    no_room();
    overwriting();
    one_mapping_too_many();
    stale_regions();
    return 0;
}
