/* Forked children: copy-on-write both ways, whatever state a region is in (S182, L18). */
#include "vm_kit.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/resource.h>

#define SIZE ((size_t)1 << 20)

static char fate(const char *at)
{
    return all(at, SIZE, at[0]) ? at[0] : '?';
}

/* Each side writes what the other must not see; `before` is what both have at first. */
static void both_ways(char *at, char before)
{
    int go[2];
    char byte = 0;
    CHECK(pipe2(go, O_CLOEXEC) == 0);
    vm_fork_prepare();
    pid_t pid = fork();
    if (pid == 0) {
        vm_fork_child();
        CHECK(read(go[0], &byte, 1) == 1); /* the parent has written */
        CHECK(fate(at) == before);
        memset(at, 'c', SIZE);
        CHECK(fate(at) == 'c');
        _exit(0);
    }
    vm_fork_parent();
    memset(at, 'p', SIZE);
    CHECK(write(go[1], "!", 1) == 1);
    join(pid);
    CHECK(fate(at) == 'p');
    close(go[0]);
    close(go[1]);
}

static char *filled(char with)
{
    char *at = region_new(SIZE);
    memset(at, with, SIZE);
    return at;
}

static void every_state(void)
{
    char *at = filled('a');
    both_ways(at, 'a');
    both_ways(at, 'p'); /* frozen by now, and written to since */
    region_free(at, SIZE);

    at = region_new(SIZE);
    both_ways(at, 0); /* never touched */
    region_free(at, SIZE);

    at = filled('s');
    struct vm_copy copy = send_memory(at, SIZE, 1, false);
    both_ways(at, 's');
    char *received = receive_memory(&copy);
    CHECK(fate(received) == 's');
    both_ways(received, 's');
    region_free(received, SIZE);
    region_free(at, SIZE);
}

static void meddled_with(void)
{
    char *at = filled('m');
    CHECK(mprotect(at + 4 * PAGE, PAGE, PROT_READ) == 0);
    CHECK(mprotect(at + 8 * PAGE, PAGE, PROT_NONE) == 0);
    vm_fork_prepare();
    pid_t pid = fork();
    if (pid == 0) {
        vm_fork_child();
        CHECK(mprotect(at, SIZE, PROT_READ | PROT_WRITE) == 0);
        CHECK(fate(at) == 'm');
        memset(at, 'c', SIZE);
        _exit(0);
    }
    vm_fork_parent();
    join(pid);
    CHECK(mprotect(at, SIZE, PROT_READ | PROT_WRITE) == 0);
    CHECK(fate(at) == 'm');
    region_free(at, SIZE);

    at = filled('d');
    int null = open("/dev/null", O_RDWR | O_CLOEXEC), fd = vm_map_find((uintptr_t)at)->fd;
    CHECK(dup2(null, fd) == fd); /* its object cannot be reached any more */
    both_ways(at, 'd');
    region_free(at, SIZE);
    close(null);
    close(fd);

    at = filled('x');
    void *other = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED,
                       vm_map_find((uintptr_t)at)->fd, 0); /* it cannot be sealed */
    both_ways(at, 'x');
    munmap(other, PAGE);
    region_free(at, SIZE);
}

/* A child sends what it inherited, and the parent's stays as it is. */
static void child_sends(void)
{
    char *at = filled('i'), *fresh = filled('f');
    struct vm_copy copy = send_memory(at, SIZE, 1, false);
    vm_copy_deinit(&copy);
    vm_fork_prepare();
    pid_t pid = fork();
    if (pid == 0) {
        vm_fork_child();
        (void)moved();
        char *const regions[] = {at, fresh};
        for (int i = 0; i < 2; i++) {
            copy = send_memory(regions[i], SIZE, 1, false);
            CHECK(moved().shared == SIZE); /* clean, as it was in the parent */
            char *got = receive_memory(&copy);
            memset(regions[i], 'c', SIZE);
            CHECK(fate(got) == "if"[i]);
            copy = send_memory(regions[i], SIZE, 1, true);
            CHECK(moved().copied == SIZE && vm_map_find((uintptr_t)regions[i]) == NULL);
            vm_copy_deinit(&copy);
        }
        char *own = filled('o');
        CHECK(fate(own) == 'o');
        _exit(0);
    }
    vm_fork_parent();
    join(pid);
    CHECK(fate(at) == 'i' && fate(fresh) == 'f');
    region_free(at, SIZE);
    region_free(fresh, SIZE);
}

/* A fork costs no pages, a send after it does, and only once. */
static void pages_come_when_needed(void)
{
    const size_t size = 64 * MiB;
    struct stat status;
    char *at = region_new(size);
    at[0] = 'a';
    vm_fork_prepare();
    vm_fork_parent();
    CHECK(fstat(vm_map_find((uintptr_t)at)->fd, &status) == 0);
    CHECK((size_t)status.st_blocks * 512 <= 4 * MiB);
    CHECK(!vm_map_find((uintptr_t)at)->reserved);
    (void)moved();
    struct vm_copy copy = send_memory(at, size, 1, false);
    CHECK(moved().shared == size && os_memfd_is_backed(copy.fd));
    CHECK(vm_map_find((uintptr_t)at)->reserved);
    vm_copy_deinit(&copy);
    region_free(at, size);
}

/* The kernel cannot be asked: the region waits for the next fork. */
static void short_of_descriptors(void)
{
    struct rlimit before, none;
    char *at = filled('e');
    CHECK(getrlimit(RLIMIT_NOFILE, &before) == 0);
    none = before;
    none.rlim_cur = 0;
    CHECK(setrlimit(RLIMIT_NOFILE, &none) == 0);
    vm_fork_prepare();
    vm_fork_parent();
    CHECK(setrlimit(RLIMIT_NOFILE, &before) == 0);
    both_ways(at, 'e');
    region_free(at, SIZE);
}

/* ---- threads -------------------------------------------------------------------------------- */

static atomic_bool stop;

static void *send_on(void *unused)
{
    while (!atomic_load(&stop)) {
        char *at = filled('t');
        struct vm_copy copy = send_memory(at, SIZE, 1, false);
        char *got = receive_memory(&copy);
        CHECK(fate(got) == 't' && fate(at) == 't');
        region_free(got, SIZE);
        copy = send_memory(at, SIZE, 1, true);
        vm_copy_deinit(&copy);
    }
    return unused;
}

static void beside_senders(void)
{
    pthread_t threads[2];
    CHECK(pthread_atfork(vm_fork_prepare, vm_fork_parent, vm_fork_child) == 0);
    for (int i = 0; i < 2; i++)
        CHECK(pthread_create(&threads[i], NULL, send_on, NULL) == 0);
    char *at = filled('b');
    for (int i = 0; i < 30; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            memset(at, 'c', SIZE);
            vm_address_t own = 0; /* the lock is nobody's */
            _exit(vm_allocate(mach_task_self_, &own, SIZE, VM_FLAGS_ANYWHERE) != KERN_SUCCESS);
        }
        join(pid);
        CHECK(fate(at) == 'b');
    }
    atomic_store(&stop, true);
    for (int i = 0; i < 2; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    region_free(at, SIZE);
}

int main(void)
{
    region_free(region_new(SIZE), SIZE);
    unsigned fds = count_fds();
    every_state();
    meddled_with();
    child_sends();
    pages_come_when_needed();
    short_of_descriptors();
    beside_senders();
    CHECK(count_fds() == fds && count_regions() == 0);
    return 0;
}
