/* Regions whose memory or descriptor the program has meddled with, and freezing beside writers. */
#include "vm_kit.h"

#include "os/os_maps.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#define SIZE ((size_t)1 << 20)

static struct vm_region *found(const char *at)
{
    return vm_map_find((uintptr_t)at);
}

static void privately(const char *at, size_t size)
{
    struct os_mapping m;
    for (uintptr_t next = (uintptr_t)at; next < (uintptr_t)at + size; next = m.end) {
        if (os_maps_next(next, &m) < 0 || m.start >= (uintptr_t)at + size)
            return;
        CHECK(!m.shared);
    }
}

static void freezing(void)
{
    char *at = region_new(SIZE);
    struct vm_region *region = found(at);
    int protection;
    CHECK(region && region->state == VM_REGION_SHARED && region->size == SIZE);
    CHECK(vm_region_has_fd(region) && vm_region_intact(region, &protection));
    CHECK(protection == (PROT_READ | PROT_WRITE));
    memset(at, 1, SIZE);
    CHECK(vm_region_freeze(region) == 0 && region->state == VM_REGION_FROZEN);
    CHECK(os_memfd_verify(region->fd, VM_REGION_SEALS, SIZE) == 0);
    CHECK(vm_region_intact(region, &protection));
    memset(at, 2, SIZE / 2);
    CHECK(all(at, SIZE / 2, 2) && all(at + SIZE / 2, SIZE / 2, 1));
    char byte;
    CHECK(os_memfd_read(region->fd, &byte, 1, 5) == 0 && byte == 1);
    region_free(at, SIZE);
    CHECK(found(at) == NULL);
}

static void protection_survives(void)
{
    char *at = region_new(SIZE);
    int protection;
    memset(at, 1, SIZE);
    CHECK(mprotect(at, SIZE, PROT_READ) == 0);
    CHECK(vm_region_freeze(found(at)) == 0);
    CHECK(vm_region_intact(found(at), &protection) && protection == PROT_READ);
    CHECK(mprotect(at, SIZE, PROT_NONE) == 0);
    CHECK(!vm_region_intact(found(at), &protection));
    region_free(at, SIZE);
}

/* Nobody else's memory is touched, however the range came to be something else. */
static void gone_behind_our_back(void)
{
    int protection;
    char *at = region_new(SIZE), *other;
    CHECK(munmap(at, SIZE) == 0);
    CHECK(!vm_region_intact(found(at), &protection));
    CHECK(vm_region_freeze(found(at)) == -EAGAIN);
    CHECK(vm_region_privatize(found(at)) == 0);
    CHECK(!is_mapped(at));

    other = mmap(at, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    memset(other, 9, SIZE);
    CHECK(vm_region_freeze(found(at)) == -EAGAIN && vm_region_privatize(found(at)) == 0);
    CHECK(all(other, SIZE, 9));
    vm_map_freeze_all();
    CHECK(found(at) == NULL); /* nothing of it is left */
    struct os_mapping m;
    CHECK(os_maps_next((uintptr_t)other, &m) == 0 && m.shared);
    munmap(other, SIZE);
}

/* Another object at the same place, as when the range was freed and allocated past the layer. */
static void another_object(void)
{
    int protection, fd = os_memfd_new("other");
    char *at = region_new(SIZE);
    CHECK(os_memfd_resize(fd, SIZE) == 0);
    CHECK(mmap(at, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) == at);
    CHECK(!vm_region_intact(found(at), &protection));
    CHECK(mmap(at, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, found(at)->fd, 0) == at);
    CHECK(vm_region_intact(found(at), &protection));
    CHECK(mmap(at, SIZE - PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, found(at)->fd, (off_t)PAGE) ==
          at);
    CHECK(!vm_region_intact(found(at), &protection)); /* its pages, but not in their places */
    CHECK(vm_region_freeze(found(at)) == -EAGAIN);
    region_free(at, SIZE);
    close(fd);
}

static void split(void)
{
    int protection;
    char *at = region_new(SIZE);
    memset(at, 4, SIZE);
    CHECK(mprotect(at + 8 * PAGE, 4 * PAGE, PROT_READ) == 0);
    CHECK(mprotect(at + 20 * PAGE, PAGE, PROT_NONE) == 0);
    CHECK(munmap(at + 30 * PAGE, PAGE) == 0);
    CHECK(!vm_region_intact(found(at), &protection));
    CHECK(vm_region_freeze(found(at)) == -EAGAIN);
    CHECK(vm_region_privatize(found(at)) == 0);
    privately(at, SIZE);
    CHECK(!is_mapped(at + 30 * PAGE));
    struct os_mapping m;
    CHECK(os_maps_next((uintptr_t)at + 8 * PAGE, &m) == 0 && m.protection == PROT_READ);
    CHECK(os_maps_next((uintptr_t)at + 20 * PAGE, &m) == 0 && m.protection == PROT_NONE);
    CHECK(mprotect(at + 20 * PAGE, PAGE, PROT_READ) == 0);
    CHECK(all(at, 30 * PAGE, 4) && all(at + 31 * PAGE, SIZE - 31 * PAGE, 4));
    region_free(at, SIZE);
}

/* A program that closes what is not its own, and opens a file that gets the number. */
static void descriptor_taken_over(void)
{
    char *at = region_new(SIZE);
    struct vm_region *region = found(at);
    int fd = region->fd, pipes[2];
    memset(at, 6, SIZE);
    CHECK(pipe2(pipes, O_CLOEXEC) == 0 && dup2(pipes[0], fd) == fd);
    CHECK(!vm_region_has_fd(region));
    CHECK(vm_region_freeze(region) == -EAGAIN);
    CHECK(mprotect(at, PAGE, PROT_NONE) == 0);
    CHECK(vm_region_privatize(region) == 0); /* by copying */
    privately(at, SIZE);
    CHECK(mprotect(at, PAGE, PROT_READ) == 0);
    CHECK(all(at, SIZE, 6));
    region_free(at, SIZE);
    CHECK(fcntl(fd, F_GETFD) >= 0); /* it was not ours to close */
    close(fd);
    close(pipes[0]);
    close(pipes[1]);
}

/* Somebody maps the object shared: it cannot be sealed, and the region stays private. */
static void seal_refused(void)
{
    char *at = region_new(SIZE);
    memset(at, 7, SIZE);
    void *other = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, found(at)->fd, 0);
    CHECK(other != MAP_FAILED);
    CHECK(vm_region_freeze(found(at)) == -EBUSY);
    privately(at, SIZE);
    CHECK(all(at, SIZE, 7));
    memset(at, 8, SIZE);
    vm_map_drop(found(at));
    CHECK(all(at, SIZE, 8));
    munmap(other, PAGE);
    region_free(at, SIZE);
}

/* Whether MADV_HUGEPAGE has been said of the mapping that starts there, or cannot be. */
static bool is_for_huge_pages(const char *at)
{
    char line[512], start[32];
    bool inside = false, advised = false;
    if (access("/sys/kernel/mm/transparent_hugepage", F_OK) < 0)
        return true;
    FILE *smaps = fopen("/proc/self/smaps", "r");
    CHECK(smaps);
    snprintf(start, sizeof start, "%lx-", (unsigned long)at);
    while (fgets(line, sizeof line, smaps)) {
        if (strncmp(line, start, strlen(start)) == 0)
            inside = true;
        else if (inside && strncmp(line, "VmFlags:", 8) == 0) {
            advised = strstr(line, " hg") != NULL;
            break;
        }
    }
    fclose(smaps);
    return advised;
}

/* Regions of the program's and received ones from 2 MiB: large pages may back them. */
static void aligned(void)
{
    unsigned maps = count_maps();
    for (size_t size = 2 * MiB; size <= 32 * MiB; size = size * 3 / 2 / PAGE * PAGE) {
        char *at = region_new(size);
        CHECK((uintptr_t)at % (2 * MiB) == 0);
        CHECK(count_maps() <= maps + 1);
        CHECK(is_for_huge_pages(at));
        struct vm_copy copy = send_memory(at, size, 1, false);
        char *got = receive_memory(&copy);
        CHECK((uintptr_t)got % (2 * MiB) == 0 && is_for_huge_pages(got));
        region_free(got, size);
        region_free(at, size);
    }
    CHECK(count_maps() == maps);
}

/* ---- freezing beside a writer: it loses nothing, and the snapshot does not move ------------- */

static atomic_bool stop;
static atomic_uintptr_t target, current; /* where to write, and where that is done */

static void *write_on(void *unused)
{
    (void)unused;
    for (uint64_t n = 1; !atomic_load(&stop); n++) {
        volatile uint64_t *at = (volatile uint64_t *)atomic_load(&target);
        atomic_store(&current, (uintptr_t)at);
        at[n % (SIZE / 8)] = n;
        CHECK(at[n % (SIZE / 8)] == n);
    }
    return NULL;
}

static void freezing_beside_a_writer(void)
{
    pthread_t writer;
    char *at = region_new(SIZE), *first = malloc(SIZE), *second = malloc(SIZE);
    CHECK(first && second);
    atomic_store(&target, (uintptr_t)at);
    CHECK(pthread_create(&writer, NULL, write_on, NULL) == 0);
    for (int round = 0; round < 100; round++) {
        while (atomic_load(&current) != (uintptr_t)at)
            sched_yield();
        CHECK(vm_region_freeze(found(at)) == 0);
        CHECK(os_memfd_read(found(at)->fd, first, SIZE, 0) == 0);
        char *next = region_new(SIZE);
        CHECK(os_memfd_read(found(at)->fd, second, SIZE, 0) == 0);
        CHECK(memcmp(first, second, SIZE) == 0);
        atomic_store(&target, (uintptr_t)next);
        while (atomic_load(&current) != (uintptr_t)next)
            sched_yield();
        region_free(at, SIZE);
        at = next;
    }
    atomic_store(&stop, true);
    CHECK(pthread_join(writer, NULL) == 0);
    region_free(at, SIZE);
    free(first);
    free(second);
}

int main(void)
{
    region_free(region_new(SIZE), SIZE);
    unsigned fds = count_fds(), maps = count_maps();
    freezing();
    protection_survives();
    gone_behind_our_back();
    another_object();
    split();
    descriptor_taken_over();
    seal_refused();
    aligned();
    CHECK(count_fds() == fds && count_maps() <= maps + 1);
    freezing_beside_a_writer();
    CHECK(count_fds() == fds && count_regions() == 0);
    return 0;
}
