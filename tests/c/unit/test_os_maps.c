/* What is mapped: the query and the text say the same, dirty pages are found, bad memory is read
 * without a signal, on kernels and in sandboxes that lack the short ways too. */
#include "vm_kit.h"

#include "kernel_kit.h"

#include "os/os_maps.h"

#include <sys/uio.h>

static bool sandbox;

ssize_t process_vm_readv(pid_t pid, const struct iovec *local, unsigned long locals,
                         const struct iovec *remote, unsigned long remotes, unsigned long flags)
{
    if (sandbox) {
        errno = EPERM;
        return -1;
    }
    return (ssize_t)syscall(SYS_process_vm_readv, pid, local, locals, remote, remotes, flags);
}

static bool same(const struct os_mapping *a, const struct os_mapping *b)
{
    return a->start == b->start && a->end == b->end && a->offset == b->offset &&
           a->inode == b->inode && a->device == b->device && a->protection == b->protection &&
           a->shared == b->shared;
}

static void query_and_text_agree(const void *upto)
{
    struct os_mapping query, text;
    unsigned count = 0;
    for (uintptr_t at = 0; at <= (uintptr_t)upto; at = query.end) {
        CHECK(os_maps_next(at, &query) == 0);
        old_kernel = true;
        CHECK(os_maps_next(at, &text) == 0);
        old_kernel = false;
        if (query.start <= (uintptr_t)upto) /* what is above may be the allocator's, and change */
            CHECK(same(&query, &text));
        count++;
    }
    CHECK(count > 3);
    CHECK(os_maps_next(UINTPTR_MAX - PAGE, &query) == -ENOENT);
}

static void attributes(void)
{
    struct os_memfd_id id;
    struct os_mapping m;
    int fd = os_memfd_new("test");
    CHECK(os_memfd_resize(fd, 8 * PAGE) == 0 && os_memfd_identify(fd, &id) == 0);
    char *at = mmap(NULL, 16 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(mmap(at + 4 * PAGE, 4 * PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, fd, (off_t)PAGE) ==
          at + 4 * PAGE);
    CHECK(munmap(at + 2 * PAGE, 2 * PAGE) == 0);
    for (int text = 0; text < 2; text++) {
        old_kernel = text;
        CHECK(os_maps_next((uintptr_t)at + 2 * PAGE, &m) == 0); /* a hole: the next one */
        CHECK(m.start == (uintptr_t)at + 4 * PAGE && m.end == (uintptr_t)at + 8 * PAGE);
        CHECK(m.device == id.device && m.inode == id.inode && m.offset == PAGE);
        CHECK(m.protection == PROT_READ && m.shared);
        CHECK(os_maps_next((uintptr_t)at + 5 * PAGE + 7, &m) == 0);
        CHECK(m.start == (uintptr_t)at + 4 * PAGE);
        CHECK(os_maps_next((uintptr_t)at, &m) == 0 && m.protection == PROT_NONE && !m.shared);
    }
    old_kernel = false;
    query_and_text_agree(at + 4 * PAGE);
    munmap(at, 16 * PAGE);
    close(fd);
}

static void clean_and_dirty(void)
{
    const size_t pages = 1500;
    int fd = os_memfd_new("test");
    CHECK(os_memfd_resize(fd, pages * PAGE) == 0);
    CHECK(os_memfd_reserve(fd, 0, pages * PAGE) == 0);
    const size_t written[] = {0, 1, 511, 512, 700, pages - 1};
    for (unsigned i = 0; i <= sizeof written / sizeof *written; i++) {
        char *at = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
        CHECK(at != MAP_FAILED);
        for (int way = 0; way < 3; way++) {
            old_kernel = way == 1;
            no_pagemap = way == 2;
            CHECK(os_maps_clean((uintptr_t)at, pages * PAGE) == !no_pagemap);
            CHECK(all(at, pages * PAGE, 0)); /* read, they are still clean */
            CHECK(os_maps_clean((uintptr_t)at, pages * PAGE) == !no_pagemap);
        }
        no_pagemap = false;
        if (i < sizeof written / sizeof *written) {
            at[written[i] * PAGE + 5] = 0; /* what is written does not matter */
            for (int way = 0; way < 2; way++) {
                old_kernel = way;
                CHECK(!os_maps_clean((uintptr_t)at, pages * PAGE));
                CHECK(os_maps_clean((uintptr_t)at, written[i] * PAGE));
            }
        }
        old_kernel = false;
        munmap(at, pages * PAGE);
    }
    close(fd);
}

static bool same_runs(const struct os_run *runs, size_t count, const struct os_run *expected,
                      size_t expected_count)
{
    return count == expected_count && memcmp(runs, expected, count * sizeof *runs) == 0;
}

/* Runs, in order, with any number of them and by both ways; as many pages as were allowed for. */
static void runs_of_dirty_pages(void)
{
    const size_t pages = 3000, scattered = 1000;
    struct os_run expected[1003], *runs;
    size_t count, written = 0, n = 0;
    int fd = os_memfd_new("test");
    CHECK(os_memfd_resize(fd, pages * PAGE) == 0);
    char *at = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    CHECK(at != MAP_FAILED && all(at, pages * PAGE, 0)); /* all present */
    CHECK(os_maps_dirty((uintptr_t)at, pages * PAGE, 0, &runs, &count) == 0);
    CHECK(count == 0 && runs == NULL);
    expected[n++] = (struct os_run){0, 1};
    for (size_t i = 0; i < scattered; i++)
        expected[n++] = (struct os_run){(uint32_t)(10 + 2 * i), 1};
    expected[n++] = (struct os_run){2500, 10};
    expected[n++] = (struct os_run){(uint32_t)pages - 3, 3};
    for (size_t i = 0; i < n; i++) {
        memset(at + expected[i].first * PAGE, 0, expected[i].count * PAGE);
        written += expected[i].count;
    }
    for (int way = 0; way < 2; way++) {
        old_kernel = way;
        CHECK(os_maps_dirty((uintptr_t)at, pages * PAGE, pages, &runs, &count) == 0);
        CHECK(same_runs(runs, count, expected, n));
        free(runs);
        CHECK(os_maps_dirty((uintptr_t)at, pages * PAGE, written, &runs, &count) == 0);
        CHECK(same_runs(runs, count, expected, n));
        free(runs);
        CHECK(os_maps_dirty((uintptr_t)at, pages * PAGE, written - 1, &runs, &count) == -E2BIG);
        CHECK(os_maps_dirty((uintptr_t)at, pages * PAGE, 0, &runs, &count) == -E2BIG);
        CHECK(os_maps_dirty((uintptr_t)at + 11 * PAGE, 3 * PAGE, 2, &runs, &count) == 0);
        CHECK(count == 1 && runs[0].first == 1 && runs[0].count == 1);
        free(runs);
    }
    old_kernel = false;
    no_pagemap = true;
    CHECK(os_maps_dirty((uintptr_t)at, pages * PAGE, pages, &runs, &count) == -EACCES);
    no_pagemap = false;
    munmap(at, pages * PAGE);
    close(fd);
}

static void copying(void)
{
    const size_t size = 3 * PAGE;
    char *to = malloc(size), path[] = "/tmp/machool-test-XXXXXX";
    char *from = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int file = mkstemp(path);
    unlink(path);
    CHECK(to && from != MAP_FAILED && file >= 0 && ftruncate(file, (off_t)PAGE) == 0);
    char *short_file = mmap(NULL, 2 * PAGE, PROT_READ, MAP_PRIVATE, file, 0);
    CHECK(short_file != MAP_FAILED);
    memset(from, 5, size);
    CHECK(mprotect(from + 2 * PAGE, PAGE, PROT_NONE) == 0);
    for (int way = 0; way < 2; way++) {
        sandbox = way;
        memset(to, 0, size);
        CHECK(os_maps_copy(to, (uintptr_t)from + 3, 2 * PAGE - 3) == 0);
        CHECK(all(to, 2 * PAGE - 3, 5) && to[2 * PAGE - 3] == 0);
        CHECK(os_maps_copy(to, (uintptr_t)from, size) == -EFAULT);
        CHECK(os_maps_copy(to, 0, 1) == -EFAULT);
        CHECK(os_maps_copy(to, UINTPTR_MAX - 10, 5) == -EFAULT);
        CHECK(os_maps_copy(to, (uintptr_t)short_file, PAGE) == 0);
        CHECK(os_maps_copy(to, (uintptr_t)short_file + PAGE, 1) == -EFAULT); /* else SIGBUS */
        CHECK(os_maps_copy(to, (uintptr_t)"literal", 8) == 0 && strcmp(to, "literal") == 0);
    }
    sandbox = false;
    munmap(short_file, 2 * PAGE);
    munmap(from, size);
    close(file);
    free(to);
}

int main(void)
{
    unsigned fds = count_fds();
    attributes();
    clean_and_dirty();
    runs_of_dirty_pages();
    copying();
    CHECK(count_fds() == fds);
    return 0;
}
