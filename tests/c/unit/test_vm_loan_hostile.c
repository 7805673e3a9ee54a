/* What a peer could say of loans: it breaks its own channel by that, and nothing else comes of it. */
#include "loan_kit.h"
#include "vm_kit.h" /* also tells the builder what to link */

#include <pthread.h>
#include <sys/resource.h>

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW)
#define LENGTH (64 * KiB)

static char plain[SIZE] __attribute__((aligned(65536)));

static struct parcel forged(uint32_t index, int fd)
{
    return (struct parcel){.index = index, .size = LENGTH, .fd = fd};
}

/* The descriptor is gone, nothing has been mapped or counted, and an honest loan still passes. */
static void refused(struct parcel parcel)
{
    struct vm_copy copy;
    unsigned fds = count_fds(), maps = count_maps_with("memfd:"), taken = parcel.fd >= 0;
    struct vm_loan_stats before = loan_stats();
    CHECK(loan_try(&there, parcel, &copy) == -EBADMSG && copy.kind == VM_COPY_NONE);
    CHECK(count_fds() == fds - taken && count_maps_with("memfd:") == maps);
    struct vm_loan_stats after = loan_stats();
    CHECK(memcmp(&before, &after, sizeof after) == 0);
}

static void accepted(struct parcel parcel)
{
    struct vm_copy copy = loan_arrive(&there, parcel);
    region_free(receive_memory(&copy), parcel.size);
}

static void numbers(void)
{
    refused(forged(0, -1)); /* nothing was ever lent */
    refused(forged(LANE_LOANS, object(LENGTH, SEALS, LENGTH)));
    refused(forged(UINT32_MAX, object(LENGTH, SEALS, LENGTH)));
    refused(forged(LANE_LOANS, -1));
    refused(forged(UINT32_MAX, -1));
    accepted(forged(LANE_LOANS - 1, object(LENGTH, SEALS, LENGTH)));
    refused(forged(LANE_LOANS, -1));
    refused(forged(LANE_LOANS - 2, -1));
    accepted(forged(LANE_LOANS - 1, -1));
}

static void loans_that_are_out(void)
{
    struct parcel parcel = forged(5, object(LENGTH, SEALS, LENGTH));
    struct vm_copy copy = loan_arrive(&there, parcel); /* carried */
    refused(forged(5, -1));
    refused(forged(5, object(LENGTH, SEALS, LENGTH)));
    char *got = receive_memory(&copy); /* held */
    memset(got, 1, LENGTH);
    refused(forged(5, -1));
    refused(forged(5, object(LENGTH, SEALS, LENGTH)));
    CHECK(all(got, LENGTH, 1));
    region_free(got, LENGTH);
    accepted(forged(5, object(LENGTH, SEALS, LENGTH))); /* one that was dropped meanwhile */
    accepted(forged(5, -1));
}

static void sizes(void)
{
    struct parcel parcel = forged(1, object(LENGTH, SEALS, LENGTH));
    parcel.size = 0;
    refused(parcel);
    parcel = forged(1, object(LENGTH, SEALS, LENGTH));
    parcel.size = 0;
    parcel.page_offset = 2000;
    refused(parcel);
    parcel = forged(1, object(LENGTH, SEALS, LENGTH));
    parcel.size++;
    refused(parcel);
    parcel = forged(1, object(LENGTH, SEALS, LENGTH));
    parcel.page_offset = 1;
    refused(parcel);
    parcel = forged(1, object(LENGTH + PAGE, SEALS, LENGTH + PAGE));
    parcel.page_offset = (uint32_t)PAGE;
    refused(parcel);
    parcel = forged(1, object(LENGTH, SEALS, LENGTH));
    parcel.page_offset = UINT32_MAX;
    refused(parcel);
    parcel = forged(1, object(LENGTH, SEALS, LENGTH));
    parcel.size = UINT32_MAX;
    refused(parcel);
    refused(forged(1, object(LENGTH - PAGE, SEALS, LENGTH - PAGE)));
    refused(forged(1, object(LENGTH + 1, SEALS, LENGTH + PAGE))); /* the last page cut */
    accepted(forged(1, object(LENGTH, SEALS, LENGTH)));
    parcel = forged(1, -1);
    parcel.size = LENGTH + 1; /* of one that is known */
    refused(parcel);
    parcel.size = LENGTH;
    parcel.page_offset = 4;
    refused(parcel);
    parcel.size = LENGTH - 4;
    struct vm_copy copy = loan_arrive(&there, parcel);
    char *got = receive_memory(&copy);
    CHECK(((uintptr_t)got & (PAGE - 1)) == 4);
    region_free(got, LENGTH - 4);
}

static void objects(void)
{
    refused(forged(1, open("/dev/null", O_RDWR | O_CLOEXEC)));
    refused(forged(1, open("/dev/zero", O_RDWR | O_CLOEXEC)));
    refused(forged(1, open("/proc/self/exe", O_RDONLY | O_CLOEXEC)));
    refused(forged(1, open("/", O_RDONLY | O_CLOEXEC)));
    int ends[2];
    CHECK(pipe2(ends, O_CLOEXEC) == 0);
    refused(forged(1, ends[0]));
    refused(forged(1, ends[1]));
    refused(forged(1, object(LENGTH, 0, LENGTH)));
    refused(forged(1, object(LENGTH, F_SEAL_SHRINK, LENGTH)));
    refused(forged(1, object(LENGTH, F_SEAL_GROW, LENGTH)));
    refused(forged(1, object(LENGTH, SEALS, 0)));             /* without pages */
    refused(forged(1, object(LENGTH, SEALS, LENGTH - PAGE))); /* one is missing */
    refused(forged(1, object((size_t)1 << 45, SEALS, LENGTH)));
    int huge = memfd_create("huge", MFD_CLOEXEC | MFD_ALLOW_SEALING | 4 /* MFD_HUGETLB */);
    if (huge >= 0)
        refused(forged(1, huge));
    accepted(forged(1, object(LENGTH, SEALS, LENGTH)));
}

/* Objects that cannot be written to pass for loans until they are mapped: the receive fails then. */
static void objects_that_cannot_be_written(void)
{
    struct vm_copy copy;
    vm_address_t at = 0;
    for (int i = 0; i < 2; i++) {
        int fd = object(LENGTH, SEALS | (i ? 16 /* F_SEAL_FUTURE_WRITE */ : F_SEAL_WRITE), LENGTH);
        copy = loan_arrive(&there, forged((uint32_t)i, fd));
        CHECK(vm_copyout(&copy, &at) < 0 && at == 0 && count_regions() == 0);
    }
    int own = object(LENGTH, SEALS, LENGTH);
    char path[32];
    snprintf(path, sizeof path, "/proc/self/fd/%d", own);
    int read_only = open(path, O_RDONLY | O_CLOEXEC);
    close(own);
    copy = loan_arrive(&there, forged(2, read_only));
    CHECK(vm_copyout(&copy, &at) < 0 && at == 0 && count_regions() == 0);
    CHECK(loan_stats().borrowed_bytes == 0 && loan_stats().parked == 0);
    accepted(forged(3, object(LENGTH, SEALS, LENGTH)));
}

/* The lender cuts holes into what it has lent, or closes it: what is held stays memory. */
static void pages_taken_away(void)
{
    int fd = object(LENGTH, SEALS, LENGTH), own = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    struct vm_copy copy = loan_arrive(&there, forged(1, fd));
    char *got = receive_memory(&copy);
    memset(got, 1, LENGTH);
    CHECK(fallocate(own, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, (off_t)LENGTH) == 0);
    CHECK(all(got, LENGTH, 0)); /* no worse than what two tasks of a user can do anyway */
    CHECK(ftruncate(own, 0) < 0);
    memset(got, 2, LENGTH);
    close(own);
    CHECK(all(got, LENGTH, 2));
    region_free(got, LENGTH);
}

/* ---- to the lender --------------------------------------------------------------------------- */

static bool is_broken(void)
{
    (void)loan_stats(); /* looks at the words, where something is lent */
    return vm_ledger_is_broken(here.lends);
}

/* The lender's program keeps what it has, sends nothing more as a loan, and ends as always. */
static void only_the_channel_breaks(char *held)
{
    CHECK(is_broken() && all(held, SIZE, 3));
    struct vm_copy copy = loan_send(&here, plain, SIZE, false);
    CHECK(copy.kind == VM_COPY_OBJECT);
    vm_copy_deinit(&copy);
    copy = loan_send(&here, held, SIZE, true);
    CHECK(copy.kind != VM_COPY_LOAN);
    held = receive_memory(&copy);
    CHECK(all(held, SIZE, 3));
    region_free(held, SIZE);
    channel_close();
    channel_open();
    region_free(loan_pass(plain, SIZE, false), SIZE);
}

/* A loan that is lent, one that is idle, and a region of the program's out of a third. */
static char *scene(uint32_t *ret_lent, uint32_t *ret_idle, uint32_t *ret_held)
{
    memset(plain, 9, SIZE);
    char *given = loan_pass(filled(SIZE, 1), SIZE, true);
    struct vm_copy copy = loan_send(&there, given, SIZE, true);
    struct parcel parcel = loan_post(&copy);
    copy = loan_arrive(&here, parcel);
    char *held = receive_memory(&copy);
    memset(held, 3, SIZE);
    *ret_held = parcel.index;
    char *first = loan_pass(plain, SIZE, false);
    copy = loan_send(&here, plain, SIZE, false);
    parcel = loan_post(&copy);
    *ret_lent = parcel.index;
    close(parcel.fd); /* the hostile one need not map it */
    region_free(first, SIZE);
    (void)loan_stats();
    *ret_idle = UTIL_CONTAINER(vm_pool.by_age.next, struct vm_loan, by_age)->index;
    CHECK(!is_broken() && *ret_idle != *ret_lent && *ret_idle != *ret_held);
    return held;
}

static void words_that_lie(void)
{
    for (int word = 0; word < 2; word++) {
        for (int way = 0; way < 5; way++) {
            uint32_t lent, idle, free_one = 99, held_one;
            char *held = scene(&lent, &idle, &held_one);
            _Atomic uint64_t *row = word ? words[0].kept : words[0].returned;
            uint64_t one = 1;
            if (way == 0)
                atomic_fetch_or(&row[free_one / 64], one << free_one % 64);
            else if (way == 1)
                atomic_fetch_or(&row[idle / 64], one << idle % 64);
            else if (way == 2)
                atomic_fetch_or(&row[held_one / 64], one << held_one % 64);
            else if (way == 3) /* both: it is at home by the first */
                atomic_fetch_or(&words[0].kept[lent / 64], one << lent % 64),
                    atomic_fetch_or(&words[0].returned[lent / 64], one << lent % 64);
            else
                atomic_store(&row[LANE_LOAN_WORDS - 1], UINT64_MAX);
            if (way == 3 && !is_broken()) { /* nothing else is lent: not looked at until it is */
                struct vm_copy copy = loan_send(&here, plain, SIZE, false);
                if (copy.kind == VM_COPY_LOAN)
                    close(loan_post(&copy).fd);
                else
                    vm_copy_deinit(&copy);
            }
            only_the_channel_breaks(held);
        }
    }
}

static void returned_twice(void)
{
    uint32_t lent, idle, held_one;
    char *held = scene(&lent, &idle, &held_one);
    struct vm_copy copy = loan_send(&here, plain, SIZE, false);
    uint32_t other = loan_post(&copy).index; /* so that something is lent all the time */
    CHECK(other == idle);
    atomic_fetch_or(&words[0].returned[lent / 64], UINT64_C(1) << lent % 64);
    CHECK(!is_broken() && loan_stats().idle_bytes >= SIZE);
    atomic_fetch_or(&words[0].returned[lent / 64], UINT64_C(1) << lent % 64);
    only_the_channel_breaks(held);
}

/* A bit that comes while the message is still being sent waits until it has been. */
static void returned_while_carried(void)
{
    struct vm_copy copy = loan_send(&here, plain, SIZE, false);
    int fd = loan_post(&copy).fd;
    copy = loan_send(&here, plain, SIZE, false); /* another; the first keeps the words looked at */
    uint32_t index = vm_loan_index(copy.loan);
    atomic_fetch_or(&words[0].returned[index / 64], UINT64_C(1) << index % 64);
    CHECK(!is_broken() && copy.loan->state == VM_LOAN_CARRIED);
    close(loan_post(&copy).fd);
    CHECK(!is_broken() && loan_stats().idle_bytes >= SIZE);
    close(fd);
}

static void refused_back(uint32_t index, uint32_t size, uint32_t page_offset)
{
    struct vm_copy copy;
    struct parcel parcel = {
        .back = true, .index = index, .size = size, .page_offset = page_offset, .fd = -1};
    struct vm_loan_stats before = loan_stats();
    CHECK(loan_try(&here, parcel, &copy) == -EBADMSG);
    struct vm_loan_stats after = loan_stats();
    CHECK(memcmp(&before, &after, sizeof after) == 0);
}

static void sent_back_what_is_not_lent(void)
{
    struct vm_copy copy;
    refused_back(0, 1, 0);
    uint32_t lent, idle, held_one;
    char *held = scene(&lent, &idle, &held_one);
    refused_back(idle, LENGTH, 0);
    refused_back(held_one, LENGTH, 0);
    refused_back(99, LENGTH, 0);
    refused_back(LANE_LOANS, LENGTH, 0);
    refused_back(UINT32_MAX, LENGTH, 0);
    refused_back(lent, 0, 0);
    refused_back(lent, 512 * KiB, 0);
    refused_back(lent, UINT32_MAX, 0);
    refused_back(lent, LENGTH, (uint32_t)PAGE);
    refused_back(lent, LENGTH, UINT32_MAX);
    struct parcel parcel = {.back = true, .index = lent, .size = LENGTH, .fd = -1};
    CHECK(loan_try(&here, parcel, &copy) == 0);
    refused_back(lent, LENGTH, 0); /* twice */
    char *got = receive_memory(&copy);
    CHECK(all(got, LENGTH, 9));
    refused_back(lent, LENGTH, 0);
    region_free(got, LENGTH);
    CHECK(all(held, SIZE, 3));
    region_free(held, SIZE);
}

/* Whatever it says, in whatever order. */
static void anything(void)
{
    unsigned seed = 7;
    char *held[8] = {0};
    for (int round = 0; round < 3000; round++) {
        struct vm_copy copy;
        uint32_t index = next_random(&seed) % 6;
        struct parcel parcel = {.back = next_random(&seed) % 3 == 0,
                                .index = next_random(&seed) % 50 ? index : LANE_LOANS + index,
                                .size = next_random(&seed) % 8 * (uint32_t)PAGE,
                                .page_offset = next_random(&seed) % 3 * 2000,
                                .fd = -1};
        size_t pages = next_random(&seed) % 8 * PAGE;
        if (!parcel.back && next_random(&seed) % 2)
            parcel.fd = object(pages + next_random(&seed) % 9 / 8, SEALS, pages);
        atomic_fetch_or(&words[1].returned[0], (uint64_t)next_random(&seed) % 64);
        atomic_fetch_or(&words[1].kept[0], (uint64_t)next_random(&seed) % 64);
        if (loan_try(&there, parcel, &copy) < 0)
            continue;
        unsigned place = next_random(&seed) % 8;
        if (held[place]) /* a part of it, which ends the loan; all others are left where they are */
            region_free(held[place], PAGE);
        held[place] = NULL;
        if (next_random(&seed) % 3) {
            held[place] = receive_memory(&copy);
            memset(held[place], round, parcel.size);
            if (next_random(&seed) % 2) {
                region_free(held[place], parcel.size);
                held[place] = NULL;
            }
        } else {
            vm_copy_deinit(&copy);
        }
        struct vm_loan *loan;
        vm_map_lock();
        bool got = vm_loan_make(there.lends, 3 * PAGE, &loan) == 0;
        vm_map_unlock();
        if (got)
            vm_loan_publish(loan);
    }
    for (size_t i = 0; i < 8; i++) {
        if (held[i])
            region_free(held[i], PAGE);
    }
}

int main(void)
{
    RUN(numbers);
    RUN(loans_that_are_out);
    RUN(sizes);
    RUN(objects);
    RUN(objects_that_cannot_be_written);
    RUN(pages_taken_away);
    RUN(words_that_lie);
    RUN(returned_twice);
    RUN(returned_while_carried);
    RUN(sent_back_what_is_not_lent);
    RUN(anything);
    return 0;
}
