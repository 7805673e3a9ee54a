/* What programs do to memory that was lent to them: fork, protect, unmap, map over, share, close
 * descriptors. They keep their memory, and the lender hears that it will not come back. */
#include "loan_kit.h"
#include "vm_kit.h" /* also tells the builder what to link */

#include "vm/vm_range.h"
#include "vm/vm_share.h"

#include <sys/syscall.h>

#define WHOLE vm_page_round(SIZE)

static char plain[SIZE] __attribute__((aligned(65536)));

/* Received there, with the byte all over. */
static char *lent(int byte)
{
    memset(plain, byte, SIZE);
    char *got = loan_pass(plain, SIZE, false);
    CHECK(all(got, SIZE, byte));
    return got;
}

/* How many loans of the lender's the other end has, or could return. */
static unsigned still_lent(void)
{
    (void)loan_stats(); /* takes what has been returned, or kept */
    return here.lends->lent;
}

static bool is_shared(const char *at)
{
    struct os_mapping m;
    CHECK(os_maps_next((uintptr_t)at, &m) == 0 && m.start <= (uintptr_t)at);
    return m.shared;
}

static bool is_mapped_anywhere(const struct os_memfd_id *id)
{
    char line[512];
    unsigned long inode;
    bool found = false;
    FILE *maps = fopen("/proc/self/maps", "r");
    CHECK(maps);
    while (fgets(line, sizeof line, maps))
        found |= sscanf(line, "%*s %*s %*s %*s %lu", &inode) == 1 && inode == id->inode;
    fclose(maps);
    return found;
}

static struct vm_loan *loan_at(const char *at)
{
    vm_map_lock();
    const struct vm_region *region = vm_map_find((uintptr_t)at);
    vm_map_unlock();
    return region ? region->loan : NULL;
}

/* ---- fork ------------------------------------------------------------------------------------ */

static void in_the_child(char *held, char *mine, uintptr_t parked, int go)
{
    char byte;
    vm_fork_child();
    CHECK(read(go, &byte, 1) == 1); /* the parent has written */
    CHECK(all(held, SIZE, 1) && all(mine, SIZE, 0));
    memset(held, 'c', SIZE);
    memset(mine, 'd', SIZE);
    CHECK(!is_mapped((void *)parked));
    CHECK(loan_stats().parked == 0 && loan_stats().idle_bytes == 0);
    CHECK(loan_stats().lent_bytes == 0 && loan_stats().borrowed_bytes == 0);
    char *region = region_new(SIZE); /* not out of what was idle */
    CHECK(all(region, SIZE, 0) && util_list_empty(&vm_pool.all));
    region_free(region, SIZE);
    region_free(held, SIZE);
    region_free(mine, SIZE);
    _exit(0);
}

/* S182: a child has copies of what the program holds, and nothing of what is parked. */
static void a_child_inherits_copies_only(void)
{
    int go[2];
    char *held = lent(1), *other = loan_pass(filled(SIZE, 2), SIZE, true), *third = lent(3);
    region_free(other, SIZE); /* IDLE here, AWAY there */
    char *mine = region_new(SIZE);
    CHECK(loan_at(mine) && loan_at(mine)->ledger == here.lends);
    region_free(third, SIZE);
    CHECK(loan_stats().idle_bytes >= SIZE && loan_stats().parked >= 3);
    struct vm_loan *idle = UTIL_CONTAINER(vm_pool.by_age.next, struct vm_loan, by_age);
    uintptr_t parked = idle->address;
    CHECK(is_mapped((void *)parked) && pipe2(go, O_CLOEXEC) == 0);
    vm_fork_prepare();
    pid_t pid = fork();
    if (pid == 0)
        in_the_child(held, mine, parked, go[0]);
    vm_fork_parent();
    memset(held, 'p', SIZE);
    memset(mine, 'q', SIZE);
    CHECK(write(go[1], "!", 1) == 1);
    join(pid);
    CHECK(all(held, SIZE, 'p') && all(mine, SIZE, 'q') && !is_shared(held) && !is_shared(mine));
    CHECK(is_mapped((void *)parked) && still_lent() == 0); /* kept: HELD is no loan any more */
    region_free(held, SIZE);
    region_free(mine, SIZE);
    region_free(lent(4), SIZE); /* the channel goes on */
    close(go[0]);
    close(go[1]);
}

/* A message that waits while its task forks arrives, and in the child it is gone. */
static void a_fork_with_carried_loans(void)
{
    memset(plain, 6, SIZE);
    struct vm_copy out = loan_send(&here, plain, SIZE, false);
    struct vm_copy more = loan_send(&here, plain, SIZE, false);
    struct vm_copy in = loan_arrive(&there, loan_post(&more));
    vm_fork_prepare();
    pid_t pid = fork();
    if (pid == 0) {
        vm_fork_child();
        vm_copy_deinit(&out);
        vm_copy_deinit(&in);
        CHECK(util_list_empty(&vm_pool.all) && loan_stats().parked == 0);
        _exit(0);
    }
    vm_fork_parent();
    join(pid);
    char *got = receive_memory(&in);
    out = loan_arrive(&there, loan_post(&out));
    char *second = receive_memory(&out);
    CHECK(all(got, SIZE, 6) && all(second, SIZE, 6));
    region_free(got, SIZE);
    region_free(second, SIZE);
    CHECK(still_lent() == 0);
}

/* ---- protection, inheritance, sharing --------------------------------------------------------- */

static void protected_memory(void)
{
    char *got = loan_pass(filled(320 * KiB, 1), 320 * KiB, true); /* no page to spare */
    CHECK(mprotect(got, 320 * KiB, PROT_READ) == 0);
    region_free(got, 320 * KiB);
    CHECK(still_lent() == 0 && loan_stats().idle_bytes == 320 * KiB && !is_mapped(got));
    got = lent(1);
    CHECK(mprotect(got, WHOLE, PROT_READ) == 0);
    region_free(got, SIZE);
    CHECK(still_lent() == 0 && !is_mapped(got) && !is_mapped(got + WHOLE));
    got = lent(2);
    CHECK(mprotect(got + PAGE, PAGE, PROT_NONE) == 0); /* in pieces now */
    region_free(got, SIZE);
    CHECK(!is_mapped(got) && !is_mapped(got + PAGE) && still_lent() == 0);
    got = lent(3);
    CHECK(vm_protect(mach_task_self_, (vm_address_t)got, WHOLE, TRUE, VM_PROT_READ) ==
          KERN_SUCCESS);
    CHECK(vm_protect(mach_task_self_, (vm_address_t)got, WHOLE, FALSE,
                     VM_PROT_READ | VM_PROT_WRITE) == KERN_PROTECTION_FAILURE);
    CHECK(all(got, SIZE, 3));
    struct vm_copy copy = loan_send(&there, got, SIZE, true); /* that stays behind */
    CHECK(!is_mapped(got) && still_lent() == 0);
    got = receive_memory(&copy);
    CHECK(all(got, SIZE, 3));
    got[0] = 4;
    region_free(got, SIZE);
    got = lent(5);
    CHECK(vm_inherit(mach_task_self_, (vm_address_t)got, WHOLE, VM_INHERIT_NONE) == KERN_SUCCESS);
    region_free(got, SIZE);
    CHECK(!is_mapped(got) && still_lent() == 0 && vm_range_count() == 0);
}

static void shared_memory(void)
{
    char *got = lent(7);
    vm_map_lock();
    CHECK(vm_share_range((uintptr_t)got, (uintptr_t)got + WHOLE, 0) == 0);
    vm_map_unlock();
    CHECK(is_shared(got) && all(got, SIZE, 7) &&
          still_lent() == 0); /* with others, not the lender */
    memset(got, 8, SIZE);
    char *next = lent(9);
    CHECK(all(got, SIZE, 8));
    region_free(got, SIZE);
    region_free(next, SIZE);
    CHECK(vm_range_count() == 0);
}

/* ---- parts ------------------------------------------------------------------------------------ */

/* The object has more pages than the message: what is behind it goes with the first cut. */
static void a_part_is_deallocated(void)
{
    for (int way = 0; way < 3; way++) {
        char *got = lent(11);
        struct vm_loan *loan = loan_at(got);
        struct os_memfd_id id = loan->id;
        CHECK(loan->capacity > WHOLE && is_mapped(got + WHOLE));
        size_t cut = way == 0 ? 0 : way == 1 ? WHOLE - PAGE : 8 * PAGE;
        region_free(got + cut, PAGE);
        CHECK(!is_mapped(got + cut) && !is_mapped(got + WHOLE) && still_lent() == 0);
        for (size_t at = 0; at < SIZE; at += PAGE)
            CHECK(at == cut || (got[at] == 11 && !is_shared(got + at)));
        region_free(got, SIZE);
        CHECK(!is_mapped(got + PAGE) && !is_mapped_anywhere(&id));
    }
}

static void more_than_the_region_is_deallocated(void)
{
    char *got = lent(12);
    region_free(got, WHOLE + PAGE); /* what is behind belongs to nobody that the program knows */
    CHECK(!is_mapped(got) && !is_mapped(got + WHOLE - 1) && still_lent() == 0);
    got = lent(13);
    vm_address_t at = (vm_address_t)got;
    CHECK(vm_allocate(mach_task_self_, &at, WHOLE, VM_FLAGS_FIXED | VM_FLAGS_OVERWRITE) ==
          KERN_SUCCESS);
    CHECK(at == (vm_address_t)got && all(got, WHOLE, 0) && still_lent() == 0);
    memset(got, 14, WHOLE);
    char *next = lent(15); /* in the pages that came back by that */
    CHECK(all(got, WHOLE, 14));
    region_free(next, SIZE);
    region_free(got, WHOLE);
    CHECK(!is_mapped(got));
}

/* ---- behind the layer's back ------------------------------------------------------------------ */

static void unmapped_behind_the_back(void)
{
    char *got = lent(21);
    struct os_memfd_id id = loan_at(got)->id;
    CHECK(munmap(got, WHOLE) == 0);
    region_free(got, SIZE);
    CHECK(still_lent() == 0 && !is_mapped_anywhere(&id));
    got = lent(22);
    CHECK(munmap(got + 4 * PAGE, PAGE) == 0);
    struct vm_copy copy;
    CHECK(vm_copyin_for((vm_address_t)got, SIZE, MACH_MSG_VIRTUAL_COPY, true,
                        &(struct vm_receiver){.lender = there.lends},
                        &copy) == MACH_SEND_INVALID_MEMORY);
    CHECK(got[0] == 22 && got[SIZE - 1] == 22);
    region_free(got, SIZE);
    CHECK(still_lent() == 0 && !is_mapped(got));
}

static void mapped_over(void)
{
    for (int way = 0; way < 3; way++) {
        char *got = lent(23);
        struct os_memfd_id id = loan_at(got)->id;
        CHECK(mmap(got, WHOLE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
                   0) == got);
        memset(got, 24, WHOLE);
        if (way == 0) {
            region_free(got, SIZE);
        } else if (way == 1) {
            struct vm_copy copy = loan_send(&there, got, SIZE, true);
            CHECK(copy.how == VM_COPY_LENT); /* what is there, and not the pages that were */
            copy = loan_arrive(&here, loan_post(&copy));
            char *back = receive_memory(&copy);
            CHECK(all(back, SIZE, 24));
            region_free(back, SIZE);
        } else {
            CHECK(vm_copy_give((vm_address_t)got, SIZE) == 0);
            struct vm_copy copy = loan_send(&there, got, SIZE, false);
            CHECK(copy.how == VM_COPY_LENT && all(got, SIZE, 24));
            vm_copy_deinit(&copy);
            CHECK(all(got, SIZE, 24));
            region_free(got, SIZE);
        }
        CHECK(!is_mapped(got) && still_lent() == 0 && !is_mapped_anywhere(&id));
    }
}

static void moved_by_the_program(void)
{
    char *got = lent(25);
    char *to = mremap(got, WHOLE, WHOLE, MREMAP_MAYMOVE | MREMAP_FIXED, got + 64 * MiB);
    CHECK(to == got + 64 * MiB && all(to, SIZE, 25));
    region_free(got, SIZE);
    CHECK(still_lent() == 0 && all(to, SIZE, 25));
    region_free(lent(26), SIZE);
    CHECK(all(to, SIZE, 25)); /* those pages have not been lent again */
    CHECK(munmap(to, WHOLE) == 0);
}

/* ---- descriptors ------------------------------------------------------------------------------ */

/* A program closes what is not its own, and has a file of its own there later. */
static int take_number(int fd)
{
    int own = os_memfd_new("own"); /* could be mapped in place of what was there */
    CHECK(own >= 0 && os_memfd_resize(own, 1 * MiB) == 0);
    CHECK(fd >= 0 && dup2(own, fd) == fd);
    close(own);
    return fd;
}

static void numbers_of_the_program(void)
{
    memset(plain, 31, SIZE);
    struct vm_copy copy = loan_send(&here, plain, SIZE, false);
    int sent = vm_loan_fd(copy.loan);
    struct parcel parcel = loan_post(&copy);
    CHECK(parcel.fd >= 0 && fcntl(sent, F_GETFD) < 0); /* no longer needed here */
    copy = loan_arrive(&there, parcel);
    int received = take_number(vm_loan_fd(copy.loan));
    vm_address_t at = 0;
    CHECK(vm_copyout(&copy, &at) < 0 && at == 0); /* lost, and said so; never what the file holds */
    CHECK(fcntl(received, F_GETFD) >= 0);         /* the program's file is still open */
    close(received);
    vm_loan_trim();

    copy = loan_send(&here, plain, SIZE, false);
    sent = take_number(vm_loan_fd(copy.loan));
    vm_copy_deinit(&copy);
    CHECK(fcntl(sent, F_GETFD) >= 0);
    vm_loan_trim();
    CHECK(fcntl(sent, F_GETFD) >= 0);
    close(sent);

    char *region = filled(SIZE, 32);
    CHECK(vm_copy_give((vm_address_t)region, SIZE) == 0);
    copy = loan_send(&here, region, SIZE, false);
    sent = take_number(vm_loan_fd(copy.loan));
    vm_copy_deinit(&copy);
    CHECK(all(region, SIZE, 32));
    region_free(region, SIZE);
    CHECK(fcntl(sent, F_GETFD) >= 0);
    close(sent);
}

int main(void)
{
    RUN(a_child_inherits_copies_only);
    RUN(a_fork_with_carried_loans);
    RUN(protected_memory);
    RUN(shared_memory);
    RUN(a_part_is_deallocated);
    RUN(more_than_the_region_is_deallocated);
    RUN(unmapped_behind_the_back);
    RUN(mapped_over);
    RUN(moved_by_the_program);
    RUN(numbers_of_the_program);
    return 0;
}
