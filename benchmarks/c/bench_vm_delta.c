/* A region that is sent again after some of its pages were written to: those pages alone, beside a copy
 * of all. Where VM_DELTA_PART in vm/vm_delta.h comes from.
 *
 *   cc -O2 -D_GNU_SOURCE -DMACHOOL_VERSION='"0"' -Icsrc/mach -Icsrc/mach/include -pthread \
 *      benchmarks/c/bench_vm_delta.c $(git ls-files csrc/mach | grep '[.]c$' | grep -v darwin) \
 *      -o bench_vm_delta
 *   ./bench_vm_delta [KIB]      up to that size, 65536 unless said
 *
 * Within one process and without the way between two, which takes the same for both but for a second
 * descriptor: some microseconds. Each figure is the median of a few: of a delta in microseconds, and
 * as a part of the copy's beside it. The sender finds the pages and writes them to a sealed object;
 * the receiver verifies, maps, reads them over, looks at one byte of each page and unmaps. Rows: how
 * many of the pages are dirty. Columns: in how many runs, "all" being each page by itself. */
#include "regions.h"

#include "os/os_maps.h"

#include <string.h>

#define ROUNDS 9

static void send_delta(const struct vm_region *region)
{
    struct vm_delta delta;
    MUST(os_maps_dirty(region->address, region->size, SIZE_MAX / PAGE, &delta.runs, &delta.count) ==
         0);
    int fd = vm_delta_write(&delta, region->address, region->size);
    MUST(fd >= 0);
    vm_delta_deinit(&delta);
    region_receive(dup(region->fd), fd, region->size);
}

/* Both in turns: medians. */
static void both(const struct vm_region *region, double *ret_copy, double *ret_delta)
{
    double copies[ROUNDS], deltas[ROUNDS];
    for (int i = 0; i < ROUNDS; i++) {
        double start = now();
        region_receive(object_of((void *)region->address, region->size), -1, region->size);
        copies[i] = now() - start;
        start = now();
        send_delta(region);
        deltas[i] = now() - start;
    }
    *ret_copy = median(copies, ROUNDS);
    *ret_delta = median(deltas, ROUNDS);
}

static struct vm_region frozen(size_t size)
{
    struct vm_region region = region_new(size);
    memset((void *)region.address, 1, size);
    MUST(vm_region_reserve(&region) == 0 && vm_region_freeze(&region) == 0);
    return region;
}

/* `dirty` pages written to, in so many runs at even distances. */
static void figure(size_t size, size_t dirty, size_t runs)
{
    struct vm_region region = frozen(size);
    double copied, delta;
    size_t pages = size / PAGE;
    if (dirty == 0 || runs > dirty) {
        printf("                 -");
    } else {
        for (size_t run = 0; run < runs; run++) {
            for (size_t i = 0; i < dirty / runs; i++)
                ((char *)region.address)[(pages / runs * run + i) * PAGE] = 2;
        }
        both(&region, &copied, &delta);
        printf(" %10.0f (%4.2f)", delta, delta / copied);
    }
    fflush(stdout);
    region_drop(&region);
}

static void table(size_t size)
{
    static const double parts[] = {0.01, 0.02, 0.05, 0.1, 0.15, 0.25, 0.4, 0.6};
    size_t pages = size / PAGE;
    printf("\n%6zu KiB             1 run           16 runs           64 runs         1,024 runs"
           "               all\n",
           size >> 10);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        size_t dirty = (size_t)((double)pages * parts[i]);
        printf("%8.0f %%", parts[i] * 100);
        figure(size, dirty, 1);
        figure(size, dirty, 16);
        figure(size, dirty, 64);
        figure(size, dirty, 1024);
        figure(size, dirty, dirty);
        printf("\n");
    }
}

int main(int argc, char **argv)
{
    const size_t most = (size_t)(argc > 1 ? atoi(argv[1]) : 64 << 10) << 10;
    printf("us for a delta (and as a part of the copy)\n");
    for (size_t size = (size_t)128 << 10; size <= most; size *= 8)
        table(size);
    return 0;
}
