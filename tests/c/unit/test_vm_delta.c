/* Deltas: which pages of a frozen region travel when it is sent again, what arrives, to whom none may
 * go, and what a peer may make of them. */
#include "vm_kit.h"

#include "kernel_kit.h"

#include "vm/vm_delta.h"
#include "wire/wire_format.h"

#include <pthread.h>
#include <stdatomic.h>

#define SIZE ((size_t)2 << 20)
#define PAGES (SIZE / PAGE)

static const struct vm_task nobody = {{{0}}, 7}, friend = {{{1, 2}}, 7}, stranger = {{{1, 2}}, 8};

static struct vm_copy send_to(struct vm_task task, const void *from, size_t size, bool move)
{
    struct vm_copy copy;
    CHECK(vm_copyin_for((vm_address_t)from, size, MACH_MSG_VIRTUAL_COPY, move,
                        &(struct vm_receiver){.task = task}, &copy) == MACH_MSG_SUCCESS);
    return copy;
}

/* Sent, and received here as the other task would; what went must be of that kind. */
static char *pass_to(struct vm_task task, const void *from, size_t size, bool move,
                     enum vm_copy_kind kind)
{
    struct vm_copy copy = send_to(task, from, size, move);
    CHECK(copy.kind == kind && copy.size == size);
    CHECK((copy.how == VM_COPY_CHANGES) == (kind == VM_COPY_DELTA));
    if (kind == VM_COPY_DELTA)
        CHECK(vm_copy_adopt_delta(copy.fd, copy.delta_fd, copy.size, &copy) == 0);
    return receive_memory(&copy);
}

static char fill_of(size_t page)
{
    return (char)(page % 100 + 1);
}

/* A region that `friend` has been sent. */
static char *sent_region(size_t size)
{
    char *at = region_new(vm_page_round(size));
    for (size_t i = 0; i < size; i++)
        at[i] = fill_of(i / PAGE);
    region_free(pass_to(friend, at, size, false, VM_COPY_OBJECT), size);
    return at;
}

/* The same bytes, zeros behind them, and neither shows the other's later writes. */
static void check_and_free(char *got, char *from, size_t size)
{
    CHECK(memcmp(got, from, size) == 0);
    CHECK(all(got + size, vm_page_round(size) - size, 0));
    char before = from[0];
    memset(got, 0x55, size);
    CHECK(from[0] == before);
    region_free(got, size);
}

static void few_pages(void)
{
    char *at = sent_region(SIZE);
    for (int way = 0; way < 2; way++) {
        old_kernel = way;
        at[5] = 9;
        at[SIZE - 1] = 8;
        memset(at + 7 * PAGE + 1, 7, 3 * PAGE); /* four pages */
        (void)moved();
        char *got = pass_to(friend, at, SIZE, false, VM_COPY_DELTA);
        struct moved change = moved();
        size_t written = (6 + (size_t)way) * PAGE; /* see below */
        CHECK(change.copied == written && change.shared == SIZE - written);
        at[6 * PAGE] = 1; /* later than the snapshot */
        CHECK(got[6 * PAGE] == 7);
        at[6 * PAGE] = 7;
        check_and_free(got, at, SIZE);
    }
    old_kernel = false;
    region_free(at, SIZE);
}

static void every_number_of_pages(void)
{
    char *at = sent_region(SIZE);
    check_and_free(pass_to(friend, at, SIZE, false, VM_COPY_OBJECT), at, SIZE); /* clean */
    for (size_t page = 0; page < PAGES / VM_DELTA_PART; page++) {
        at[page * VM_DELTA_PART * PAGE] = (char)~page;
        if (page % 16 == 0)
            check_and_free(pass_to(friend, at, SIZE, false, VM_COPY_DELTA), at, SIZE);
    }
    check_and_free(pass_to(friend, at, SIZE, false, VM_COPY_DELTA), at, SIZE);
    at[PAGE] = 1; /* one too many */
    check_and_free(pass_to(friend, at, SIZE, false, VM_COPY_OBJECT), at, SIZE);
    memset(at, 3, SIZE);
    check_and_free(pass_to(friend, at, SIZE, false, VM_COPY_OBJECT), at, SIZE);
    region_free(at, SIZE);
}

/* More runs than are read at a time. */
static void many_runs(void)
{
    const size_t size = 32 * MiB;
    char *at = sent_region(size);
    for (size_t page = 1; page < size / PAGE; page += 5)
        at[page * PAGE + page % PAGE] ^= 0x40;
    for (int way = 0; way < 2; way++) {
        old_kernel = way;
        check_and_free(pass_to(friend, at, size, false, VM_COPY_DELTA), at, size);
    }
    old_kernel = false;
    region_free(at, size);
}

/* Object and delta hold zeros behind the data (S45). */
static void last_page(void)
{
    const size_t size = SIZE - 100;
    char *at = sent_region(size);
    memset(at + size - 10, 6, 110);
    struct vm_copy copy = send_to(friend, at, size, false);
    CHECK(copy.kind == VM_COPY_DELTA);
    char seen[100];
    CHECK(os_memfd_read(copy.delta_fd, seen, 100, 2 * PAGE - 100) == 0 && all(seen, 100, 0));
    CHECK(os_memfd_read(copy.delta_fd, seen, 10, 2 * PAGE - 110) == 0 && all(seen, 10, 6));
    check_and_free(receive_memory(&copy), at, size);
    /* More of it than was sent before: the object shows zeros there, the delta the rest. */
    check_and_free(pass_to(friend, at, SIZE, false, VM_COPY_DELTA), at, SIZE);
    region_free(at, SIZE);

    at = sent_region(SIZE); /* less: the object has something there */
    at[0] = 7;
    check_and_free(pass_to(friend, at, size, false, VM_COPY_OBJECT), at, size);
    region_free(at, SIZE);
}

/* What a region held before is nobody's business but of those who were sent it. */
static void others_get_all(void)
{
    const struct vm_task other = {{{9, 9}}, 9};
    char *at = sent_region(SIZE);
    at[0] = 1;
    check_and_free(pass_to(stranger, at, SIZE, false, VM_COPY_OBJECT), at, SIZE);
    check_and_free(pass_to(stranger, at, SIZE, false, VM_COPY_OBJECT), at, SIZE);
    check_and_free(pass_to(nobody, at, SIZE, false, VM_COPY_OBJECT), at, SIZE);
    check_and_free(pass_to(friend, at, SIZE, false, VM_COPY_DELTA), at, SIZE);
    region_free(at, SIZE);

    at = sent_region(SIZE);
    check_and_free(pass_to(stranger, at, SIZE, false, VM_COPY_OBJECT), at, SIZE); /* clean */
    at[0] = 1;
    check_and_free(pass_to(stranger, at, SIZE, false, VM_COPY_DELTA), at, SIZE);
    vm_map_retell(friend, other); /* it turned out to be that one */
    check_and_free(pass_to(friend, at, SIZE, false, VM_COPY_OBJECT), at, SIZE);
    check_and_free(pass_to(other, at, SIZE, false, VM_COPY_DELTA), at, SIZE);
    vm_map_retell(other, friend);
    check_and_free(pass_to(friend, at, SIZE, false, VM_COPY_DELTA), at, SIZE);
    for (uint64_t i = 0; i < 64; i++) /* more than are remembered */
        vm_region_tell(vm_map_find((uintptr_t)at), (struct vm_task){{{7, i}}, 7});
    check_and_free(pass_to(friend, at, SIZE, false, VM_COPY_OBJECT), at, SIZE);
    region_free(at, SIZE);
}

/* One object for who may not have two: no byte of what was. */
static void flattening(void)
{
    const size_t size = SIZE - 5;
    char *at = sent_region(size), *seen = malloc(SIZE);
    memset(at + 3 * PAGE, 0x77, PAGE);
    at[size - 1] = 0x77;
    struct vm_copy copy = send_to(friend, at, size, false);
    int fd = vm_delta_flatten(copy.fd, copy.delta_fd, size);
    CHECK(fd >= 0 && copy.kind == VM_COPY_DELTA && seen);
    CHECK(os_memfd_read(fd, seen, SIZE, 0) == 0 && memcmp(seen, at, size) == 0);
    CHECK(all(seen + size, SIZE - size, 0));
    struct vm_copy flat = {.kind = VM_COPY_NONE, .fd = -1};
    CHECK(vm_copy_adopt(fd, (uint32_t)size, 0, &flat) == 0);
    vm_copy_deinit(&flat);
    CHECK(vm_delta_flatten(copy.delta_fd, copy.delta_fd, size) == -EBADMSG); /* too small */
    CHECK(vm_delta_flatten(copy.fd, copy.fd, size) == -EBADMSG);
    vm_copy_deinit(&copy);
    free(seen);
    region_free(at, size);
}

/* S70: the receiver's region is one like the sender's, and its first owner has its object. */
static void sent_back_and_forth(void)
{
    char *at = sent_region(SIZE);
    at[0] = 2;
    char *got = pass_to(friend, at, SIZE, false, VM_COPY_DELTA);
    got[PAGE] = 3;
    char *back = pass_to(friend, got, SIZE, false, VM_COPY_OBJECT); /* adopted from nobody */
    CHECK(back[0] == 2 && back[PAGE] == 3);
    region_free(back, SIZE);
    region_free(got, SIZE);

    struct vm_copy copy = send_to(friend, at, SIZE, false);
    copy.task = friend; /* as ipc_incoming has it */
    got = receive_memory(&copy);
    got[PAGE] = 4;
    back = pass_to(friend, got, SIZE, true, VM_COPY_DELTA);
    CHECK(back[0] == 2 && back[PAGE] == 4);
    region_free(back, SIZE);
    region_free(at, SIZE);
}

/* S27: the memory goes at once; the delta does without it. */
static void moves(void)
{
    char *at = sent_region(SIZE), *kept = malloc(SIZE);
    unsigned regions = count_regions();
    CHECK(kept);
    at[9 * PAGE] = 5;
    memcpy(kept, at, SIZE);
    struct vm_copy copy = send_to(friend, at, SIZE, true);
    CHECK(copy.kind == VM_COPY_DELTA && !is_mapped(at) && count_regions() == regions - 1);
    check_and_free(receive_memory(&copy), kept, SIZE);

    at = sent_region(SIZE);
    at[0] = 1;
    copy = send_to(friend, at, SIZE, false);
    region_free(at, SIZE);
    vm_copy_deinit(&copy);
    CHECK(copy.kind == VM_COPY_NONE);
    free(kept);
}

/* S20, S74: what may be read is sent, what may not is a code. */
static void protections(void)
{
    struct vm_copy copy;
    char *at = sent_region(SIZE);
    at[0] = 1;
    CHECK(mprotect(at, SIZE, PROT_READ) == 0);
    check_and_free(pass_to(friend, at, SIZE, false, VM_COPY_DELTA), at, SIZE);
    CHECK(mprotect(at, SIZE, PROT_READ | PROT_WRITE) == 0);
    CHECK(mprotect(at + PAGE, PAGE, PROT_READ) == 0); /* no single mapping */
    check_and_free(pass_to(friend, at, SIZE, false, VM_COPY_OBJECT), at, SIZE);
    CHECK(mprotect(at, PAGE, PROT_NONE) == 0);
    CHECK(vm_copyin_for((vm_address_t)at, SIZE, 1, true, &(struct vm_receiver){.task = friend},
                        &copy) == MACH_SEND_INVALID_MEMORY);
    CHECK(mprotect(at, SIZE, PROT_NONE) == 0);
    CHECK(vm_copyin_for((vm_address_t)at, SIZE, 1, true, &(struct vm_receiver){.task = friend},
                        &copy) == MACH_SEND_INVALID_MEMORY);
    CHECK(is_mapped(at) || mprotect(at, SIZE, PROT_READ) == 0); /* S30 */
    region_free(at, SIZE);

    /* It goes between finding and reading. */
    const struct os_run run = {.first = 3, .count = 2};
    const struct vm_delta delta = {.runs = (struct os_run *)&run, .count = 1};
    CHECK(vm_delta_write(&delta, (uintptr_t)at, SIZE) == -EFAULT);
}

static void kernel_does_not_tell(void)
{
    char *at = sent_region(SIZE);
    at[0] = 1;
    no_pagemap = true;
    check_and_free(pass_to(friend, at, SIZE, false, VM_COPY_OBJECT), at, SIZE);
    no_pagemap = false;
    check_and_free(pass_to(friend, at, SIZE, false, VM_COPY_DELTA), at, SIZE);
    region_free(at, SIZE);
}

/* Pages dropped by the program are the object's again, here as there. */
static void dropped_pages(void)
{
    char *at = sent_region(SIZE);
    at[0] = at[PAGE] = 99;
    CHECK(madvise(at, PAGE, MADV_DONTNEED) == 0 && at[0] == 1);
    check_and_free(pass_to(friend, at, SIZE, false, VM_COPY_DELTA), at, SIZE);
    region_free(at, SIZE);
}

/* ---- what peers send ------------------------------------------------------------------------ */

enum { EXTENTS = 3 };

struct lie {
    struct wire_delta head;
    struct wire_extent extents[EXTENTS];
    size_t size; /* of the object */
    int seals;
    bool hole;
};

static const struct lie honest = {.head = {.extents = 3, .pages = 6},
                                  .extents = {{0, 1}, {1, 3}, {510, 2}},
                                  .size = 7 * 4096,
                                  .seals = VM_REGION_SEALS};

static int object_of(const struct lie *lie)
{
    int fd = os_memfd_new("test");
    CHECK(fd >= 0 && os_memfd_resize(fd, lie->size) == 0);
    CHECK(lie->hole || os_memfd_reserve(fd, 0, lie->size) == 0);
    size_t length = sizeof lie->head + sizeof lie->extents;
    CHECK(os_memfd_write(fd, lie, length < lie->size ? length : lie->size, 0) == 0);
    CHECK(os_memfd_seal(fd, lie->seals) == 0);
    return fd;
}

/* Refused when it arrives, and when it is to be used: nothing outside the memory is written. */
static void check_lie(const struct lie *lie, bool good)
{
    char *around = mmap(NULL, SIZE + 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                        -1, 0);
    CHECK(around != MAP_FAILED);
    memset(around, 1, SIZE + 2 * PAGE);
    int fd = object_of(lie);
    CHECK(vm_delta_verify(fd, SIZE) == (good ? 0 : -EBADMSG));
    if (!lie->hole)
        CHECK(vm_delta_apply(fd, (uintptr_t)around + PAGE, SIZE) == (good ? 0 : -EBADMSG));
    CHECK(all(around, PAGE, 1) && all(around + PAGE + SIZE, PAGE, 1));

    struct vm_copy copy = {.kind = VM_COPY_NONE, .fd = -1};
    int base = object(SIZE, VM_REGION_SEALS, SIZE);
    CHECK(vm_copy_adopt_delta(base, fd, SIZE, &copy) == (good ? 0 : -EBADMSG));
    vm_copy_deinit(&copy);
    CHECK(fcntl(base, F_GETFD) < 0 && fcntl(fd, F_GETFD) < 0); /* taken in any case */
    munmap(around, SIZE + 2 * PAGE);
}

#define LIE(field, value)                                                                          \
    do {                                                                                           \
        struct lie lie = honest;                                                                   \
        lie.field = value;                                                                         \
        check_lie(&lie, false);                                                                    \
    } while (0)

static void hostile_deltas(void)
{
    CHECK(PAGE != 4096 || PAGES == 512);
    if (PAGE != 4096)
        return;
    check_lie(&honest, true);
    LIE(head.extents, 0);
    LIE(head.extents, 2);
    LIE(head.extents, 4);
    LIE(head.extents, UINT32_MAX);
    LIE(head.pages, 0);
    LIE(head.pages, 5);
    LIE(head.pages, 7);
    LIE(head.pages, UINT32_MAX);
    LIE(extents[0].count, 0);
    LIE(extents[0].count, 2);          /* overlaps, and one too many */
    LIE(extents[1].first, 0);          /* overlaps */
    LIE(extents[1].count, UINT32_MAX); /* overflows */
    LIE(extents[2].first, 511);        /* out of range */
    LIE(extents[2].first, 512);
    LIE(extents[2].first, UINT32_MAX);
    LIE(extents[2].first, 2); /* backwards */
    LIE(size, 0);
    LIE(size, 8);
    LIE(size, 4096);
    LIE(size, 7 * 4096 - 1); /* short */
    LIE(seals, VM_REGION_SEALS & ~F_SEAL_WRITE);
    LIE(seals, VM_REGION_SEALS & ~F_SEAL_SHRINK);
    LIE(seals, VM_REGION_SEALS & ~F_SEAL_GROW);
    LIE(seals, VM_REGION_SEALS & ~F_SEAL_SEAL);
    LIE(hole, true);
}

static void not_even_objects(void)
{
    int pipes[2], zero = open("/dev/zero", O_RDWR | O_CLOEXEC);
    CHECK(pipe2(pipes, O_CLOEXEC) == 0 && zero >= 0);
    const int fds[] = {pipes[0], pipes[1], zero, -1};
    for (unsigned i = 0; i < sizeof fds / sizeof *fds; i++)
        CHECK(vm_delta_verify(fds[i], SIZE) == -EBADMSG);
    close(pipes[0]);
    close(pipes[1]);
    close(zero);

    /* The program's own file under the number of a payload that waits. */
    char *at = sent_region(SIZE);
    vm_address_t address = 7;
    at[0] = 1;
    struct vm_copy copy = send_to(friend, at, SIZE, false);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    unsigned maps = count_maps();
    CHECK(copy.kind == VM_COPY_DELTA && dup2(null, copy.delta_fd) == copy.delta_fd);
    CHECK(vm_copyout(&copy, &address) < 0 && address == 7 && copy.kind == VM_COPY_NONE);
    CHECK(count_maps() == maps);
    close(null);
    region_free(at, SIZE);
}

/* ---- threads -------------------------------------------------------------------------------- */

static atomic_bool stop;
static char *busy;

/* Each byte counts up; what is seen of one is never less than was seen before the send. */
static void *write_on(void *unused)
{
    for (unsigned n = 1; !atomic_load(&stop); n++) {
        for (size_t page = 0; page < PAGES; page += 16)
            __atomic_store_n(&busy[page * PAGE], (char)(n & 63), __ATOMIC_RELAXED);
    }
    return unused;
}

/* S76, S65: old or new, and then for ever. */
static void racing_writer(void)
{
    pthread_t thread;
    char seen[PAGES];
    busy = sent_region(SIZE);
    CHECK(pthread_create(&thread, NULL, write_on, NULL) == 0);
    for (int i = 0; i < 300; i++) {
        struct vm_copy copy = send_to(friend, busy, SIZE, false);
        char *got = receive_memory(&copy);
        for (size_t page = 0; page < PAGES; page++) {
            seen[page] = got[page * PAGE];
            CHECK(page % 16 == 0 || seen[page] == fill_of(page));
            CHECK(got[page * PAGE + 1] == fill_of(page));
        }
        for (size_t page = 0; page < PAGES; page++)
            CHECK(seen[page] == got[page * PAGE]);
        region_free(got, SIZE);
    }
    atomic_store(&stop, true);
    CHECK(pthread_join(thread, NULL) == 0);
    region_free(busy, SIZE);
}

/* A child of fork has the memory as it was, and its own deltas. */
static void forked(void)
{
    char *at = sent_region(SIZE);
    at[0] = 42;
    vm_fork_prepare();
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        vm_fork_child();
        char *got = pass_to(friend, at, SIZE, false, VM_COPY_DELTA);
        CHECK(got[0] == 42);
        at[PAGE] = 43;
        region_free(got, SIZE);
        got = pass_to(friend, at, SIZE, false, VM_COPY_DELTA);
        CHECK(got[0] == 42 && got[PAGE] == 43);
        _exit(0);
    }
    vm_fork_parent();
    join(pid);
    CHECK(at[PAGE] == 2);
    check_and_free(pass_to(friend, at, SIZE, false, VM_COPY_DELTA), at, SIZE);
    region_free(at, SIZE);
}

int main(void)
{
    region_free(region_new(SIZE), SIZE);
    unsigned fds = count_fds();
    few_pages();
    every_number_of_pages();
    many_runs();
    last_page();
    others_get_all();
    flattening();
    sent_back_and_forth();
    moves();
    protections();
    kernel_does_not_tell();
    dropped_pages();
    hostile_deltas();
    not_even_objects();
    racing_writer();
    forked();
    CHECK(count_fds() == fds && count_regions() == 0);
    return 0;
}
