/* The ways in which out-of-line memory can travel, timed one against the other: where the layer's
 * thresholds come from (VM_COPY_BYTES_MAX in vm/vm_copy.h, OBJECT_MIN in api/mach_vm.c).
 *
 *   cc -O2 -D_GNU_SOURCE -DMACHOOL_VERSION='"0"' -Icsrc/mach -Icsrc/mach/include -pthread \
 *      benchmarks/c/bench_vm_paths.c $(git ls-files csrc/mach | grep '[.]c$' | grep -v darwin) \
 *      -o bench_vm_paths
 *   ./bench_vm_paths [KIB]      up to that size, 65536 unless said
 *
 * Each line is one message of that size within one process, in microseconds, median of many: the
 * sender's part, the way, the receiver's part, which reads a byte of each page and unmaps. What all
 * ways share (ring entry, wake-up) is left out. Only columns of one run compare.
 *
 *   bytes     process_vm_readv, copied into and out of a ring, and to fresh pages at the receiver
 *   object    written to a fresh sealed memfd, whose descriptor passes a socket, mapped privately
 *   anon      the producer fills fresh anonymous memory, which is then sent as "bytes" up to 64 KiB
 *             and as "object" above, and unmapped
 *   region    the producer fills a fresh memfd-backed region, which is frozen, passed and unmapped
 *   rewrite   a region that exists already is filled again, and sent as an object
 *   clean     a frozen region is sent again, unchanged */
#include "regions.h"

#include "os/os_maps.h"

#include <string.h>
#include <sys/socket.h>

#define RING ((size_t)4 << 20)
#define BYTES_MOST ((size_t)1 << 20) /* what "bytes" is tried up to */

static int ends[2];
static char *ring;
static size_t ring_at;

/* ---- the parts ------------------------------------------------------------------------------ */

static int pass(int fd)
{
    char byte = 0, control[CMSG_SPACE(sizeof fd)] = {0};
    struct iovec part = {.iov_base = &byte, .iov_len = 1};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof control};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    *header = (struct cmsghdr){
        .cmsg_len = CMSG_LEN(sizeof fd), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
    memcpy(CMSG_DATA(header), &fd, sizeof fd);
    MUST(sendmsg(ends[0], &message, 0) == 1);
    MUST(recvmsg(ends[1], &message, MSG_CMSG_CLOEXEC) == 1);
    memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof fd);
    return fd;
}

static void send_bytes(const char *from, size_t size)
{
    char *in = malloc(size), *out = malloc(size);
    MUST(in && out && os_maps_copy(in, (uintptr_t)from, size) == 0);
    if (ring_at + size > RING)
        ring_at = 0;
    memcpy(ring + ring_at, in, size);
    memcpy(out, ring + ring_at, size);
    ring_at += size;
    char *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    MUST(at != MAP_FAILED);
    memcpy(at, out, size);
    free(in);
    free(out);
    look_and_unmap(at, size);
}

static void send_object(const char *from, size_t size)
{
    int fd = object_of(from, size);
    int received = pass(fd);
    close(fd);
    region_receive(received, -1, size);
}

/* ---- the ways ------------------------------------------------------------------------------- */

static char *source;
static struct vm_region kept;

static void way_bytes(size_t size)
{
    send_bytes(source, size);
}

static void way_object(size_t size)
{
    send_object(source, size);
}

static void way_anon(size_t size)
{
    char *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    MUST(at != MAP_FAILED);
    memcpy(at, source, size);
    if (size <= 65536)
        send_bytes(at, size);
    else
        send_object(at, size);
    munmap(at, size);
}

static void way_region(size_t size)
{
    struct vm_region region = region_new(size);
    memcpy((void *)region.address, source, size);
    MUST(vm_region_reserve(&region) == 0 && vm_region_freeze(&region) == 0);
    region_receive(pass(region.fd), -1, size);
    region_drop(&region);
}

static void way_rewrite(size_t size)
{
    memcpy((void *)kept.address, source, size);
    if (size <= 65536)
        send_bytes((char *)kept.address, size);
    else
        send_object((char *)kept.address, size);
}

static void way_clean(size_t size)
{
    int protection;
    MUST(vm_region_has_fd(&kept) && vm_region_intact(&kept, &protection));
    MUST(os_maps_clean(kept.address, size));
    region_receive(pass(kept.fd), -1, size);
}

/* ---- tables --------------------------------------------------------------------------------- */

static void column(void (*way)(size_t), size_t size)
{
    enum { MOST = 1000 };
    double times[MOST];
    size_t rounds = ((size_t)256 << 20) / size;
    rounds = rounds > MOST ? MOST : rounds < 7 ? 7 : rounds;
    for (size_t i = 0; i < rounds; i++) {
        double start = now();
        way(size);
        times[i] = now() - start;
    }
    printf(" %9.1f", median(times, rounds));
    fflush(stdout);
}

static void line(size_t size)
{
    printf("%6zu KiB", size >> 10);
    if (size <= BYTES_MOST)
        column(way_bytes, size);
    else
        printf(" %9s", "-");
    column(way_object, size);
    column(way_anon, size);
    column(way_region, size);
    kept = region_new(size);
    column(way_rewrite, size);
    MUST(vm_region_freeze(&kept) == 0);
    column(way_clean, size);
    printf("\n");
    region_drop(&kept);
}

/* The single steps that the ways are made of. */
static void steps(size_t size)
{
    struct vm_region region = region_new(size);
    double t[8];
    int protection;
    t[0] = now();
    MUST(os_memfd_reserve(region.fd, 0, size) == 0);
    t[1] = now();
    memcpy((void *)region.address, source, size);
    t[2] = now();
    MUST(os_memfd_reserve(region.fd, 0, size) == 0);
    t[3] = now();
    MUST(vm_region_freeze(&region) == 0);
    t[4] = now();
    MUST(vm_region_intact(&region, &protection));
    t[5] = now();
    MUST(os_maps_clean(region.address, size));
    t[6] = now();
    region_drop(&region);
    t[7] = now();
    printf("%6zu KiB", size >> 10);
    for (int i = 0; i < 7; i++)
        printf(" %9.1f", t[i + 1] - t[i]);
    printf("\n");
}

int main(int argc, char **argv)
{
    const size_t most = (size_t)(argc > 1 ? atoi(argv[1]) : 64 << 10) << 10;
    ring = mmap(NULL, RING, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    source = malloc(most);
    MUST(ring != MAP_FAILED && source);
    MUST(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0);
    memset(ring, 1, RING);
    memset(source, 2, most);
    printf("a message, us     bytes    object      anon    region   rewrite     clean\n");
    for (size_t size = 4096; size <= most; size *= size < (1 << 20) ? 2 : 4)
        line(size);
    printf("\nits steps, us   reserve      fill   reserve    freeze    intact     clean      free\n"
           "                (new)               (filled)\n");
    for (size_t size = 65536; size <= most; size *= 4)
        steps(size);
    return 0;
}
