/* Memory objects: what is refused, what the limits do, and that reserving always gets done. */
#include "check.h"

#include "os/os_memfd.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#define PAGE ((uint64_t)4096)
#define MIB ((uint64_t)1 << 20)
#define ALL (F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

static unsigned fallocates, fail_at; /* the call with this number fails, counted from 1 */
static uint64_t interrupt_above;     /* and longer ones are interrupted */

int fallocate(int fd, int mode, off_t offset, off_t size)
{
    if (++fallocates == fail_at || (interrupt_above && (uint64_t)size > interrupt_above)) {
        errno = fallocates == fail_at ? ENOSPC : EINTR;
        return -1;
    }
    return (int)syscall(SYS_fallocate, fd, mode, offset, size);
}

static int object(uint64_t size)
{
    int fd = os_memfd_new("test");
    CHECK(fd >= 0 && fcntl(fd, F_GETFD) == FD_CLOEXEC);
    CHECK(os_memfd_resize(fd, size) == 0);
    return fd;
}

static void contents(void)
{
    char in[3000], out[3000];
    int fd = object(2 * PAGE);
    for (size_t i = 0; i < sizeof in; i++)
        in[i] = (char)(i * 7);
    CHECK(os_memfd_write(fd, in, sizeof in, 2000) == 0);
    CHECK(os_memfd_read(fd, out, sizeof out, 2000) == 0);
    CHECK(memcmp(in, out, sizeof in) == 0);
    CHECK(os_memfd_read(fd, out, 10, 1990) == 0 && out[9] == 0);
    CHECK(os_memfd_read(fd, out, 10, 2 * PAGE - 5) < 0);
    close(fd);
}

/* The kernel reads the source, so a bad one is an error code. */
static void bad_sources(void)
{
    int fd = object(4 * PAGE);
    char *pages = mmap(NULL, 3 * PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(pages != MAP_FAILED);
    CHECK(os_memfd_write(fd, NULL, 1, 0) == -EFAULT);
    CHECK(munmap(pages + PAGE, PAGE) == 0);
    CHECK(os_memfd_write(fd, pages, 3 * PAGE, 0) == -EFAULT);
    CHECK(os_memfd_write(fd, pages, PAGE, 0) == 0);
    CHECK(mprotect(pages, PAGE, PROT_NONE) == 0);
    CHECK(os_memfd_write(fd, pages, PAGE, 0) == -EFAULT);
    munmap(pages, 3 * PAGE);
    close(fd);
}

/* The signal would end this program. */
static void file_size_limit(void)
{
    struct rlimit before, small = {.rlim_cur = PAGE};
    char bytes[100] = {0};
    int fd = object(PAGE);
    CHECK(getrlimit(RLIMIT_FSIZE, &before) == 0);
    small.rlim_max = before.rlim_max;
    CHECK(setrlimit(RLIMIT_FSIZE, &small) == 0);
    CHECK(os_memfd_resize(fd, PAGE + 1) == -EFBIG);
    CHECK(os_memfd_write(fd, bytes, sizeof bytes, PAGE - 50) == -EFBIG);
    CHECK(os_memfd_write(fd, bytes, sizeof bytes, PAGE - 100) == 0);
    CHECK(os_memfd_reserve(fd, 0, PAGE) == 0);
    CHECK(setrlimit(RLIMIT_FSIZE, &before) == 0);
    CHECK(os_memfd_resize(fd, PAGE + 1) == 0);
    CHECK(os_memfd_resize(fd, UINT64_MAX) == -EFBIG);
    CHECK(os_memfd_write(fd, bytes, 100, UINT64_MAX - 50) == -EFBIG);
    close(fd);
}

static void reserving(void)
{
    int fd = object(9 * MIB + 5);
    CHECK(!os_memfd_is_backed(fd));
    CHECK(os_memfd_reserve(fd, 0, 9 * MIB) == 0);
    CHECK(!os_memfd_is_backed(fd));
    CHECK(os_memfd_reserve(fd, 0, 9 * MIB + 5) == 0);
    CHECK(os_memfd_is_backed(fd));
    close(fd);

    fd = object(9 * MIB);
    fail_at = fallocates + 3;
    CHECK(os_memfd_reserve(fd, 0, 9 * MIB) == -ENOSPC);
    CHECK(!os_memfd_is_backed(fd));
    CHECK(os_memfd_seal(fd, ALL) == 0);
    CHECK(os_memfd_reserve(fd, 0, 9 * MIB) == 0); /* sealed: its pages can come still */
    CHECK(os_memfd_is_backed(fd));
    CHECK(os_memfd_reserve(fd, 9 * MIB, PAGE) == -EPERM);
    struct stat status;
    CHECK(fstat(fd, &status) == 0 && (uint64_t)status.st_size == 9 * MIB);
    close(fd);
}

static void tick(int number)
{
    (void)number;
}

/* A signal undoes the fallocate it meets. */
static void reserving_under_signals(void)
{
    int fd = object(8 * MIB);
    interrupt_above = 100 << 10; /* as if signals came that often */
    CHECK(os_memfd_reserve(fd, 0, 8 * MIB) == 0);
    interrupt_above = 0;
    CHECK(os_memfd_is_backed(fd));
    close(fd);

    struct sigaction action = {.sa_handler = tick, .sa_flags = SA_RESTART};
    struct itimerval often = {{0, 1000}, {0, 1000}}, never = {{0, 0}, {0, 0}};
    CHECK(sigaction(SIGALRM, &action, NULL) == 0);
    fd = object(128 * MIB); /* 40 ms and more */
    CHECK(setitimer(ITIMER_REAL, &often, NULL) == 0);
    CHECK(os_memfd_reserve(fd, 0, 128 * MIB) == 0);
    CHECK(setitimer(ITIMER_REAL, &never, NULL) == 0);
    CHECK(os_memfd_is_backed(fd));
    close(fd);
}

static void sealing(void)
{
    int fd = object(PAGE);
    char *shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(shared != MAP_FAILED);
    CHECK(os_memfd_seal(fd, ALL) == -EBUSY);
    CHECK(os_memfd_verify(fd, F_SEAL_WRITE, PAGE) == -EBADMSG);
    munmap(shared, PAGE);
    CHECK(os_memfd_seal(fd, ALL) == 0);
    CHECK(os_memfd_verify(fd, ALL, PAGE) == 0);
    CHECK(os_memfd_resize(fd, 0) == -EPERM && os_memfd_resize(fd, 2 * PAGE) == -EPERM);
    CHECK(os_memfd_write(fd, "x", 1, 0) == -EPERM);
    close(fd);
}

/* What a peer may send in place of a snapshot. */
static void refused(void)
{
    static const int seals[] = {F_SEAL_WRITE, F_SEAL_SHRINK, F_SEAL_GROW, F_SEAL_SEAL};
    for (int missing = 0; missing < 4; missing++) {
        int fd = object(PAGE);
        CHECK(os_memfd_seal(fd, ALL & ~seals[missing]) == 0);
        CHECK(os_memfd_verify(fd, ALL, PAGE) == -EBADMSG);
        close(fd);
    }
    int fd = object(PAGE);
    CHECK(os_memfd_seal(fd, (ALL & ~F_SEAL_WRITE) | F_SEAL_FUTURE_WRITE) == 0);
    CHECK(os_memfd_verify(fd, ALL, PAGE) == -EBADMSG);
    close(fd);
    fd = object(PAGE);
    CHECK(os_memfd_seal(fd, ALL) == 0);
    CHECK(os_memfd_verify(fd, ALL, PAGE + 1) == -EBADMSG);
    CHECK(os_memfd_verify(fd, ALL, UINT64_MAX) == -EBADMSG);
    close(fd);
    CHECK(os_memfd_verify(fd, ALL, 0) == -EBADMSG); /* closed */

    char path[] = "/tmp/machool-test-XXXXXX";
    int other[] = {mkstemp(path), open("/dev/zero", O_RDWR), open("/dev/null", O_RDONLY)};
    unlink(path);
    for (unsigned i = 0; i < sizeof other / sizeof *other; i++) {
        CHECK(other[i] >= 0);
        CHECK(os_memfd_verify(other[i], ALL, 0) == -EBADMSG);
        CHECK(os_memfd_verify(other[i], 0, 0) == -EBADMSG);
        close(other[i]);
    }
}

/* Mapped, they would cover more than was asked for. */
static void huge_pages_are_refused(void)
{
    int fd = memfd_create("huge", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_HUGETLB);
    if (fd < 0)
        return; /* a kernel without them */
    CHECK(ftruncate(fd, 2 * (off_t)MIB) == 0);
    CHECK(os_memfd_seal(fd, ALL) == 0);
    CHECK(os_memfd_verify(fd, ALL, PAGE) == -EBADMSG);
    close(fd);
}

static void identity(void)
{
    struct os_memfd_id id;
    int fd = object(PAGE), copy = dup(fd), other = object(PAGE);
    CHECK(os_memfd_identify(fd, &id) == 0);
    CHECK(os_memfd_is(fd, &id) && os_memfd_is(copy, &id) && !os_memfd_is(other, &id));
    CHECK(dup2(other, fd) == fd);
    CHECK(!os_memfd_is(fd, &id));
    close(fd);
    CHECK(!os_memfd_is(fd, &id));
    CHECK(os_memfd_identify(fd, &id) == -EBADF);
    close(copy);
    close(other);
}

int main(void)
{
    contents();
    bad_sources();
    file_size_limit();
    reserving();
    reserving_under_signals();
    sealing();
    refused();
    huge_pages_are_refused();
    identity();
    return 0;
}
