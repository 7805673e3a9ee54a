/* Copyin and copyout: which way memory takes, what arrives, what is refused, what is left behind. */
#include "vm_kit.h"

#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#define SIZE ((size_t)1 << 20)

static unsigned fallocates_fail, seals_fail; /* so many of the next calls */

int fallocate(int fd, int mode, off_t offset, off_t size)
{
    if (fallocates_fail) {
        fallocates_fail--;
        errno = ENOSPC;
        return -1;
    }
    return (int)syscall(SYS_fallocate, fd, mode, offset, size);
}

int fcntl(int fd, int command, ...)
{
    va_list arguments;
    va_start(arguments, command);
    void *argument = va_arg(arguments, void *);
    va_end(arguments);
    if (command == F_ADD_SEALS && seals_fail) {
        seals_fail--;
        errno = EBUSY;
        return -1;
    }
    return (int)syscall(SYS_fcntl, fd, command, argument);
}

static mach_msg_return_t refused(const void *from, size_t size)
{
    struct vm_copy copy;
    mach_msg_return_t result = vm_copyin((vm_address_t)from, size, 1, false, &copy);
    CHECK(copy.kind == VM_COPY_NONE);
    return result;
}

/* Sent and received within the task: what arrives, and whether it came without a copy. */
static char *exchange(const void *from, size_t size, bool deallocate, bool expect_shared)
{
    (void)moved();
    struct vm_copy copy = send_memory(from, size, MACH_MSG_VIRTUAL_COPY, deallocate);
    struct moved change = moved();
    CHECK(change.shared == (expect_shared ? size : 0));
    CHECK(change.copied == (expect_shared || size <= VM_COPY_BYTES_MAX ? 0 : size));
    return receive_memory(&copy);
}

static void nothing(void)
{
    const uintptr_t anywhere[] = {0, 1, 0x10, UINTPTR_MAX};
    for (unsigned i = 0; i < 8; i++) {
        struct vm_copy copy = send_memory((void *)anywhere[i % 4], 0, i & 1, i & 4);
        CHECK(copy.kind == VM_COPY_NONE && receive_memory(&copy) == NULL);
    }
    vm_copy_deinit(NULL);
}

static const size_t sizes[] = {
    1, 100, 4095, 4096, 4097, 16 << 10, (16 << 10) + 1, 65535, 65536, 65537, 200000, 1 << 20,
};

/* S43, S44, S45, S48: place in the page, contents, and zeros around them. */
static void check_arrival(const char *base, size_t from, size_t size, int option, bool deallocate)
{
    struct vm_copy copy = send_memory(base + from, size, option, deallocate);
    bool lazy = size > 16 * KiB && (option == MACH_MSG_VIRTUAL_COPY || deallocate);
    CHECK(copy.size == size && copy.page_offset == (lazy ? from % PAGE : 0));
    char *at = receive_memory(&copy);
    CHECK((uintptr_t)at % PAGE == (lazy ? from % PAGE : 0));
    for (size_t i = 0; i < size; i++)
        CHECK(at[i] == (char)((from + i) * 31 + 1));
    char *first = (char *)vm_page_trunc((uintptr_t)at);
    char *last = (char *)vm_page_round((size_t)at + size);
    CHECK(all(first, (size_t)(at - first), 0) && all(at + size, (size_t)(last - at) - size, 0));
    memset(first, 1, (size_t)(last - first)); /* S42 */
    region_free(at, size);
    CHECK(!is_mapped(first) && !is_mapped(last - 1)); /* S49 */
}

static void sizes_and_places(void)
{
    const size_t offsets[] = {0, 1, 1000, PAGE - 1};
    for (unsigned i = 0; i < sizeof sizes / sizeof *sizes * 4 * 4; i++) {
        size_t size = sizes[i / 16], whole = 2 * MiB, from = PAGE + offsets[i / 4 % 4];
        char *base = region_new(whole);
        for (size_t j = 0; j < whole; j++)
            base[j] = (char)(j * 31 + 1);
        check_arrival(base, from, size, i & 1, i & 2);
        bool gone = i & 2; /* S28: whole pages, and no others */
        CHECK(is_mapped(base) && is_mapped(base + PAGE) == !gone);
        CHECK(is_mapped(base + from + size - 1) == !gone);
        CHECK(is_mapped(base + vm_page_round(from + size)));
        region_free(base, whole);
    }
}

/* S20, and never a signal. S30: what fails unmaps nothing. */
static void bad_memory(void)
{
    for (size_t size = 3 * PAGE; size <= 300 * PAGE; size *= 10) {
        char *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        char *middle = (char *)vm_page_trunc((uintptr_t)at + size / 2);
        struct vm_copy copy;
        CHECK(refused(NULL, size) == MACH_SEND_INVALID_MEMORY);
        CHECK(refused((void *)(UINTPTR_MAX - 10), size) == MACH_SEND_INVALID_MEMORY);
        CHECK(refused((void *)(UINTPTR_MAX / 2), size) == MACH_SEND_INVALID_MEMORY);
        CHECK(mprotect(middle, PAGE, PROT_NONE) == 0);
        CHECK(refused(at, size) == MACH_SEND_INVALID_MEMORY);
        CHECK(munmap(middle, PAGE) == 0);
        CHECK(vm_copyin((vm_address_t)at, size, 1, true, &copy) == MACH_SEND_INVALID_MEMORY);
        CHECK(is_mapped(at) && is_mapped(at + size - 1));
        munmap(at, size);
        CHECK(refused(at, size) == MACH_SEND_INVALID_MEMORY);
    }
    char *region = region_new(SIZE);
    CHECK(mprotect(region, SIZE, PROT_NONE) == 0);
    CHECK(refused(region, SIZE) == MACH_SEND_INVALID_MEMORY);
    CHECK(mprotect(region, SIZE, PROT_READ) == 0);
    region_free(exchange(region, SIZE, false, true), SIZE); /* S74 */
    region_free(region, SIZE);
    CHECK(refused(region, SIZE) == MACH_SEND_INVALID_MEMORY);
    CHECK(refused(region, (vm_size_t)UINT32_MAX + 1) == MACH_SEND_INVALID_MEMORY);
}

/* S65-S67, S72, S75: a snapshot each time; again for nothing as long as it is clean. */
static void whole_regions(void)
{
    char *at = region_new(SIZE);
    char *zeros = exchange(at, SIZE, false, true);
    CHECK(all(zeros, SIZE, 0));
    memset(at, 1, SIZE);
    CHECK(all(zeros, SIZE, 0));
    char *ones = exchange(at, SIZE, false, false); /* dirty: copied */
    region_free(at, SIZE);
    CHECK(all(ones, SIZE, 1));

    at = region_new(SIZE);
    memset(at, 2, SIZE);
    char *first = exchange(at, SIZE, false, true), *second = exchange(at, SIZE, false, true);
    memset(first, 3, SIZE);
    CHECK(all(at, SIZE, 2) && all(second, SIZE, 2));
    at[SIZE / 2] = 4;
    CHECK(second[SIZE / 2] == 2);
    char *third = exchange(at, SIZE, false, false);
    CHECK(third[SIZE / 2] == 4 && all(third, SIZE / 2, 2));

    /* S70: what was received goes on, as it is now. */
    char *on = exchange(second, SIZE, false, true);
    CHECK(all(on, SIZE, 2));
    on = exchange(on, SIZE, true, true);
    CHECK(all(on, SIZE, 2));
    region_free(on, SIZE);
    second[0] = 9;
    on = exchange(second, SIZE, true, false);
    CHECK(on[0] == 9 && all(on + 1, SIZE - 1, 2));
    region_free(zeros, SIZE);
    region_free(ones, SIZE);
    region_free(at, SIZE);
    region_free(first, SIZE);
    region_free(third, SIZE);
    region_free(on, SIZE);
}

/* The object is shared with its receiver, so it must hold nothing but what was sent (S45, S71). */
static void parts(void)
{
    char *at = region_new(SIZE);
    memset(at, 1, SIZE);
    region_free(exchange(at + PAGE, SIZE - PAGE, false, false), SIZE - PAGE);
    region_free(exchange(at, SIZE - PAGE, false, false), SIZE - PAGE);
    char *got = exchange(at, SIZE - 1, false, false); /* the last byte is no zero */
    CHECK(got[SIZE - 1] == 0);
    region_free(got, SIZE);
    region_free(at, SIZE);

    at = region_new(SIZE);
    memset(at, 1, SIZE - 1);
    got = exchange(at, SIZE - 1, false, true);
    CHECK(all(got, SIZE - 1, 1) && got[SIZE - 1] == 0);
    region_free(got, SIZE);
    region_free(at, SIZE);
}

static void physical_copies(void)
{
    char *at = region_new(SIZE);
    (void)moved();
    struct vm_copy copy = send_memory(at, SIZE, MACH_MSG_PHYSICAL_COPY, false);
    CHECK(moved().copied == SIZE);
    vm_copy_deinit(&copy);
    copy = send_memory(at, SIZE, MACH_MSG_PHYSICAL_COPY, true);
    CHECK(moved().shared == SIZE && !is_mapped(at));
    vm_copy_deinit(&copy);
    CHECK(copy.kind == VM_COPY_NONE);
}

/* S27, S29 */
static void moves(void)
{
    struct vm_copy copy;
    unsigned regions = count_regions();
    char *at = region_new(SIZE);
    memset(at, 5, SIZE);
    struct vm_copy moved_away = send_memory(at, SIZE, 1, true);
    CHECK(!is_mapped(at) && !is_mapped(at + SIZE - 1));
    CHECK(vm_copyin((vm_address_t)at, SIZE, 1, true, &copy) == MACH_SEND_INVALID_MEMORY);
    vm_address_t again = (vm_address_t)at;
    CHECK(vm_allocate(mach_task_self_, &again, SIZE, VM_FLAGS_FIXED) == KERN_SUCCESS);
    char *got = receive_memory(&moved_away);
    CHECK(all(got, SIZE, 5) && all(at, SIZE, 0));
    region_free(at, SIZE);
    region_free(got, SIZE);
    CHECK(count_regions() == regions);
}

/* What the program did to its region without a word to the layer. */
static void meddled_with(void)
{
    char *at = region_new(SIZE);
    memset(at, 1, SIZE);
    CHECK(mprotect(at, PAGE, PROT_READ) == 0);
    char *got = exchange(at, SIZE, false, false);
    CHECK(all(got, SIZE, 1));
    region_free(got, SIZE);
    CHECK(mmap(at, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
          at);
    memset(at, 2, SIZE);
    got = exchange(at, SIZE, false, false);
    CHECK(all(got, SIZE, 2));
    region_free(got, SIZE);
    region_free(at, SIZE);

    at = region_new(SIZE);
    memset(at, 3, SIZE);
    int null = open("/dev/null", O_RDWR), fd = vm_map_find((uintptr_t)at)->fd;
    CHECK(dup2(null, fd) == fd);
    got = exchange(at, SIZE, false, false);
    CHECK(all(got, SIZE, 3));
    CHECK(vm_map_find((uintptr_t)at) == NULL && fcntl(fd, F_GETFD) >= 0);
    region_free(got, SIZE);
    region_free(at, SIZE);
    close(null);
    close(fd);

    /* The same to a payload that waits. */
    static char bytes[SIZE];
    struct vm_copy copy = send_memory(bytes, SIZE, 1, false);
    vm_address_t address = 7;
    null = open("/dev/null", O_RDWR);
    CHECK(dup2(null, copy.fd) == copy.fd);
    CHECK(vm_copyout(&copy, &address) < 0 && address == 7 && copy.kind == VM_COPY_NONE);
    close(null);
}

/* For want of pages a send fails as a whole; nothing of the region is lost. */
static void shortage(void)
{
    struct vm_copy copy;
    char *at = region_new(SIZE);
    memset(at, 1, SIZE / 2);
    for (int move = 0; move < 2; move++) {
        fallocates_fail = 1;
        CHECK(vm_copyin((vm_address_t)at, SIZE, 1, move, &copy) == MACH_MSG_VM_KERNEL);
        CHECK(copy.kind == VM_COPY_NONE && fallocates_fail == 0);
        CHECK(all(at, SIZE / 2, 1) && all(at + SIZE / 2, SIZE / 2, 0));
    }
    seals_fail = 1;
    char *got = exchange(at, SIZE, false, false);
    CHECK(all(got, SIZE / 2, 1) && all(got + SIZE / 2, SIZE / 2, 0));
    memset(at, 2, SIZE);
    CHECK(all(got, SIZE / 2, 1) &&
          count_regions() == 1); /* what arrived; the source is forgotten */
    region_free(got, SIZE);
    region_free(at, SIZE);
}

static void short_of_descriptors(void)
{
    struct rlimit before, none;
    char *at = region_new(SIZE), *foreign = calloc(1, SIZE), *moving = region_new(SIZE);
    CHECK(getrlimit(RLIMIT_NOFILE, &before) == 0);
    CHECK(foreign);
    region_free(exchange(at, SIZE, false, true), SIZE);
    region_free(at, SIZE);
    at = region_new(SIZE);
    none = before;
    none.rlim_cur = 0;
    CHECK(setrlimit(RLIMIT_NOFILE, &none) == 0);
    CHECK(refused(at, SIZE) == MACH_MSG_VM_KERNEL);
    CHECK(refused(foreign, SIZE) == MACH_MSG_VM_KERNEL);
    struct vm_copy small = send_memory(foreign, 100, 1, false);
    CHECK(all(receive_memory(&small), PAGE, 0));
    CHECK(setrlimit(RLIMIT_NOFILE, &before) == 0);
    region_free(at, SIZE);
    region_free(moving, SIZE);
    free(foreign);
}

/* ---- what peers send ------------------------------------------------------------------------ */

static int adopt(int fd, uint32_t size, uint32_t offset)
{
    struct vm_copy copy = {.kind = VM_COPY_NONE, .fd = -1};
    int r = vm_copy_adopt(fd, size, offset, &copy);
    CHECK((r == 0) == (copy.kind == VM_COPY_OBJECT));
    if (r < 0)
        CHECK(fcntl(fd, F_GETFD) < 0); /* taken in any case */
    vm_copy_deinit(&copy);
    return r;
}

static void adopting(void)
{
    const int seals = VM_REGION_SEALS;
    int pipes[2];
    CHECK(adopt(object(2 * PAGE, seals, 2 * PAGE), (uint32_t)PAGE + 1, 5) == 0);
    CHECK(adopt(object(2 * PAGE, seals, 2 * PAGE), (uint32_t)PAGE * 2, 0) == 0);
    CHECK(adopt(object(2 * PAGE, seals, 2 * PAGE), (uint32_t)PAGE * 2, 1) == -EBADMSG);
    CHECK(adopt(object(2 * PAGE, seals, 2 * PAGE), 1, (uint32_t)PAGE) == -EBADMSG);
    CHECK(adopt(object(2 * PAGE, seals, 2 * PAGE), UINT32_MAX, 0) == -EBADMSG);
    CHECK(adopt(object(2 * PAGE, seals, 0), 1, 0) == -EBADMSG); /* pages for us to find */
    CHECK(adopt(object(PAGE, seals & ~F_SEAL_WRITE, PAGE), 1, 0) == -EBADMSG);
    CHECK(adopt(object(PAGE, seals & ~F_SEAL_SHRINK, PAGE), 1, 0) == -EBADMSG);
    CHECK(adopt(object(PAGE, seals & ~F_SEAL_GROW, PAGE), 1, 0) == -EBADMSG);
    CHECK(adopt(object(PAGE, seals & ~F_SEAL_SEAL, PAGE), 1, 0) == -EBADMSG);
    CHECK(pipe2(pipes, O_CLOEXEC) == 0);
    CHECK(adopt(pipes[0], 1, 0) == -EBADMSG && adopt(pipes[1], 1, 0) == -EBADMSG);
    CHECK(adopt(open("/dev/zero", O_RDWR | O_CLOEXEC), 1, 0) == -EBADMSG);
}

/* Everything that copyin makes is welcome at a peer's. */
static void our_own_are_adopted(void)
{
    char *at = region_new(SIZE);
    for (int way = 0; way < 3; way++) { /* an untouched region, a part of it, again as a whole */
        struct vm_copy copy = send_memory(at + way % 2, SIZE - (size_t)way % 2, 1, false);
        uint32_t offset = copy.page_offset, size = copy.size;
        CHECK(copy.kind == VM_COPY_OBJECT);
        CHECK(vm_copy_adopt(copy.fd, size, offset, &copy) == 0);
        char *got = receive_memory(&copy);
        CHECK(all(got, size, 0));
        region_free(got, size);
    }
    region_free(at, SIZE);
}

/* ---- threads -------------------------------------------------------------------------------- */

static atomic_bool stop;
static char *busy;

static void *send_on(void *unused)
{
    char *seen = malloc(SIZE);
    CHECK(seen);
    for (int i = 0; i < 200; i++) {
        struct vm_copy copy = send_memory(busy, SIZE, 1, false);
        char *got = receive_memory(&copy);
        memcpy(seen, got, SIZE);
        sched_yield();
        CHECK(memcmp(seen, got, SIZE) == 0); /* whatever it is, it stays */
        region_free(got, SIZE);
    }
    free(seen);
    return unused;
}

static void *write_on(void *unused)
{
    for (unsigned n = 0; !atomic_load(&stop); n++)
        ((volatile char *)busy)[n * 4099 % SIZE] = (char)n;
    return unused;
}

static void *allocate_on(void *unused)
{
    while (!atomic_load(&stop)) {
        char *at = region_new(SIZE);
        at[0] = at[SIZE - 1] = 1;
        region_free(at, SIZE);
    }
    return unused;
}

/* Two threads send the same region at once, a third writes to it, a fourth allocates beside it. */
static void together(void)
{
    pthread_t threads[4];
    void *(*const jobs[])(void *) = {send_on, send_on, write_on, allocate_on};
    busy = region_new(SIZE);
    for (int i = 0; i < 4; i++)
        CHECK(pthread_create(&threads[i], NULL, jobs[i], NULL) == 0);
    CHECK(pthread_join(threads[0], NULL) == 0 && pthread_join(threads[1], NULL) == 0);
    atomic_store(&stop, true);
    CHECK(pthread_join(threads[2], NULL) == 0 && pthread_join(threads[3], NULL) == 0);
    region_free(busy, SIZE);
}

/* Ten thousand of everything. */
static void nothing_is_left(void)
{
    const size_t size = 128 * KiB;
    static char foreign[128 << 10];
    unsigned fds = count_fds(), maps = count_maps();
    char *clean = region_new(size);
    for (int i = 0; i < 10000; i++) {
        bool move = i % 5 == 0;
        char *fresh = move ? region_new(size) : NULL;
        const char *from = move ? fresh : i % 5 == 1 ? foreign : clean;
        size_t part = i % 5 == 2;
        struct vm_copy copy = send_memory(from + part, size - part, i % 3 != 0, move);
        if (i % 7 == 0)
            vm_copy_deinit(&copy);
        else
            region_free(receive_memory(&copy), size - part);
        if (i % 2000 == 0)
            CHECK(count_fds() <= fds + 2 && count_maps() <= maps + 4);
    }
    region_free(clean, size);
    CHECK(count_fds() == fds && count_maps() <= maps + 1 && count_regions() == 0);
}

int main(void)
{
    region_free(region_new(SIZE), SIZE);
    unsigned fds = count_fds();
    nothing();
    sizes_and_places();
    bad_memory();
    whole_regions();
    parts();
    physical_copies();
    moves();
    meddled_with();
    shortage();
    short_of_descriptors();
    adopting();
    our_own_are_adopted();
    CHECK(count_fds() == fds && count_regions() == 0);
    together();
    nothing_is_left();
    CHECK(count_fds() == fds);
    return 0;
}
