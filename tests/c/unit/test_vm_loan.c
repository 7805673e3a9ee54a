/* Loans between two ends in one process: they come back, hold to their bounds, show nothing of another
 * message, and survive what programs do to memory. */
#include "loan_kit.h"
#include "vm_kit.h" /* also tells the builder what to link */

#include <mach/mach_vm.h>

static char plain[SIZE + 2 * 65536] __attribute__((aligned(65536)));

static bool bit(const _Atomic uint64_t *row, uint32_t index)
{
    return (atomic_load(&row[index / 64]) >> index % 64) & 1;
}

/* ---- there and back ------------------------------------------------------------------------- */

static void a_copy_comes_back(void)
{
    memset(plain, 1, SIZE);
    struct vm_copy copy = loan_send(&here, plain, SIZE, false);
    CHECK(copy.kind == VM_COPY_LOAN && copy.how == VM_COPY_LENT && copy.size == SIZE);
    struct parcel parcel = loan_post(&copy);
    uint32_t number = parcel.index;
    CHECK(!parcel.back && parcel.fd >= 0);
    CHECK(loan_stats().lent_bytes >= SIZE && loan_stats().parked == 1);
    copy = loan_arrive(&there, parcel);
    char *got = receive_memory(&copy);
    CHECK(all(got, SIZE, 1) && all(got + SIZE, vm_page_round(SIZE) - SIZE, 0));
    CHECK(loan_stats().borrowed_bytes >= SIZE);
    memset(got, 2, SIZE); /* the receiver's own */
    CHECK(all(plain, SIZE, 1));
    unsigned fds = count_fds(); /* none is needed from here on */
    for (int round = 3; round < 50; round++) {
        region_free(got, SIZE);
        CHECK(!is_mapped(got) && bit(words[0].returned, number));
        memset(plain, round, SIZE);
        copy = loan_send(&here, plain, SIZE, false);
        CHECK(!bit(words[0].returned, number));
        parcel = loan_post(&copy);
        CHECK(parcel.index == number && parcel.fd == -1);
        copy = loan_arrive(&there, parcel);
        got = receive_memory(&copy);
        CHECK(all(got, SIZE, round) && count_fds() == fds);
    }
    region_free(got, SIZE);
    CHECK(loan_stats().lent_bytes == 0 && loan_stats().idle_bytes >= SIZE);
    CHECK(loan_stats().borrowed_bytes == 0 && loan_stats().parked == 2);
}

static void a_region_moves_and_leaves_a_hole(void)
{
    char *at = filled(SIZE, 5);
    struct vm_copy copy = loan_send(&here, at, SIZE, true);
    CHECK(copy.kind == VM_COPY_LOAN && copy.how == VM_COPY_MOVED && !is_mapped(at));
    CHECK(!is_mapped(at + SIZE - 1) && count_regions() == 0);
    copy = loan_arrive(&there, loan_post(&copy));
    char *got = receive_memory(&copy);
    CHECK(all(got, SIZE, 5));
    region_free(got, SIZE);
}

static void moved_back_to_its_lender(void)
{
    char *at = filled(SIZE, 5), *got;
    for (int round = 0; round < 20; round++) {
        got = loan_pass(at, SIZE, true);
        CHECK(loan_stats().lent_bytes > 0 && all(got, SIZE, 5));
        got[7] = 7;
        struct vm_copy copy = loan_send(&there, got, SIZE, true);
        CHECK(copy.how == VM_COPY_MOVED && !is_mapped(got));
        struct parcel parcel = loan_post(&copy);
        CHECK(parcel.back && parcel.fd == -1);
        copy = loan_arrive(&here, parcel);
        at = receive_memory(&copy);
        CHECK(at[7] == 7 && loan_stats().lent_bytes == 0 && loan_stats().borrowed_bytes == 0);
        at[7] = 5;
        CHECK(all(at, SIZE, 5) && loan_stats().parked == 1);
    }
    region_free(at, SIZE);
}

static void forwarded_to_a_third(void)
{
    struct vm_copy copy;
    char *got = loan_pass(filled(SIZE, 6), SIZE, true);
    struct lane_loans others = {0};
    struct vm_ledger *third = vm_ledger_new(true, &others);
    CHECK(vm_copyin_for((vm_address_t)got, SIZE, MACH_MSG_VIRTUAL_COPY, true,
                        &(struct vm_receiver){.lender = third}, &copy) == MACH_MSG_SUCCESS);
    CHECK(copy.kind == VM_COPY_LOAN && copy.how == VM_COPY_LENT); /* never another's pages */
    CHECK(!is_mapped(got) && loan_stats().borrowed_bytes == 0);
    CHECK(vm_loan_is_of(copy.loan, third) && !vm_loan_is_of(copy.loan, there.lends));
    CHECK(vm_copy_reseal(&copy) == 0 && copy.kind == VM_COPY_OBJECT);
    got = receive_memory(&copy);
    CHECK(all(got, SIZE, 6) && all(got + SIZE, vm_page_round(SIZE) - SIZE, 0));
    region_free(got, SIZE);
    vm_ledger_close(third);
    vm_ledger_unref(third);
}

/* Copied once where pages lie ready; sent again, it is a snapshot, until it has been written to. */
static void a_region_sent_again_is_shared(void)
{
    region_free(loan_pass(plain, SIZE, false), SIZE);
    char *at = filled(SIZE, 5);
    for (unsigned round = 0; round < 4; round++) {
        struct vm_copy copy = loan_send(&here, at, SIZE, false);
        CHECK(copy.how == (round == 0 ? VM_COPY_LENT : VM_COPY_SHARED));
        CHECK((copy.kind == VM_COPY_LOAN) == (round == 0));
        vm_copy_deinit(&copy);
    }
    memset(at, 6, SIZE);
    struct vm_copy copy = loan_send(&here, at, SIZE, false);
    CHECK(copy.how == VM_COPY_LENT);
    copy = loan_arrive(&there, loan_post(&copy));
    char *got = receive_memory(&copy);
    CHECK(all(got, SIZE, 6) && all(at, SIZE, 6));
    region_free(got, SIZE);
    region_free(at, SIZE);
}

/* ---- nothing of another message -------------------------------------------------------------- */

static void recycled_memory_is_zero(void)
{
    const size_t sizes[] = {SIZE, SIZE - 2 * PAGE, 320 * KiB, 200 * KiB, 170 * KiB};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        vm_address_t at = 0;
        region_free(loan_pass(filled(320 * KiB, 0x77), 320 * KiB, true), 320 * KiB);
        CHECK(machool_allocate(&at, sizes[i], MACHOOL_UNCLEARED) == KERN_SUCCESS);
        CHECK(all((char *)at, sizes[i], 0x77)); /* it is really that memory */
        region_free((char *)at, sizes[i]);
        CHECK(machool_allocate(&at, sizes[i], 0) == KERN_SUCCESS);
        CHECK(loan_stats().idle_bytes == 0 && all((char *)at, vm_page_round(sizes[i]), 0));
        memset((char *)at, 0x66, sizes[i]);
        region_free((char *)at, sizes[i]);
        char *region = region_new(sizes[i]);
        CHECK(loan_stats().idle_bytes == 0 && all(region, vm_page_round(sizes[i]), 0));
        region_free(region, sizes[i]);
        vm_loan_trim();
        CHECK(loan_stats().idle_bytes == 0);
    }
}

/* A loan that held more, from another place in its page (S43 to S45). */
static void edges_are_zero(void)
{
    memset(plain, 0x11, sizeof plain);
    for (size_t offset = 0; offset < 2 * PAGE; offset += 1001) {
        for (size_t size = 170 * KiB + 1; size <= SIZE; size += 33333) {
            char *got = loan_pass(plain, SIZE + 3 * PAGE, false); /* 0x11 all over */
            memset(got, 0x22, SIZE + 3 * PAGE);
            region_free(got, SIZE + 3 * PAGE);
            got = loan_pass(plain + offset, size, false);
            size_t before = (size_t)((uintptr_t)got - vm_page_trunc((uintptr_t)got));
            CHECK(before == offset % PAGE && all(got, size, 0x11));
            CHECK(all(got - before, before, 0));
            CHECK(all(got + size, vm_page_round(before + size) - before - size, 0));
            region_free(got, size);
        }
    }
    size_t part = vm_page_round(SIZE) - 7; /* of a region of which the last bytes do not count */
    char *at = filled(part + 7, 0x33);
    char *got = loan_pass(at, part, true);
    CHECK(all(got, part, 0x33) && all(got + part, 7, 0));
    region_free(got, part);
}

static void small_messages(void)
{
    struct vm_copy copy;
    memset(plain, 0x44, sizeof plain);
    for (int i = 0; i < 4; i++) { /* the first may be the only ones */
        copy = loan_send(&here, plain, 5000, false);
        CHECK(copy.kind == VM_COPY_BYTES);
        vm_copy_deinit(&copy);
    }
    for (int i = 0; i < 40; i++) {
        size_t size = 2049 + (size_t)i * 199;
        char *got = loan_pass(plain + i, size, false);
        CHECK(all(got, size, 0x44) && all(got + size, vm_page_round(size) - size, 0));
        memset(got, 0x45, size);
        region_free(got, size);
    }
    copy = loan_send(&here, plain, 2048, false);
    CHECK(copy.kind == VM_COPY_BYTES);
    vm_copy_deinit(&copy);
}

/* ---- bounds ---------------------------------------------------------------------------------- */

static void idle_memory_is_bounded(void)
{
    char *got[20];
    vm_loan_limits(1 * MiB, 256 * MiB);
    for (int i = 0; i < 20; i++)
        got[i] = loan_pass(plain, SIZE, false);
    CHECK(loan_stats().lent_bytes >= 20 * SIZE);
    for (int i = 0; i < 20; i++)
        region_free(got[i], SIZE);
    struct vm_loan_stats stats = loan_stats();
    CHECK(stats.lent_bytes == 0 && stats.idle_bytes <= 1 * MiB && stats.idle_bytes >= 2 * SIZE);
    vm_loan_limits(400 * KiB, 256 * MiB); /* at once */
    CHECK(loan_stats().idle_bytes <= 400 * KiB && loan_stats().idle_bytes >= SIZE);
    region_free(loan_pass(plain, SIZE, false), SIZE);
    vm_loan_limits(SIZE / 2, 256 * MiB);
    CHECK(loan_stats().idle_bytes == 0);
    region_free(loan_pass(region_new(600 * KiB), 600 * KiB, true), 600 * KiB);
    CHECK(loan_stats().idle_bytes == 0);
}

static void lent_memory_is_bounded(void)
{
    char *got[20];
    struct vm_copy copy;
    int loans = 0;
    vm_loan_limits(64 * MiB, 1 * MiB);
    for (int i = 0; i < 20; i++) {
        memset(plain, i, SIZE);
        copy = loan_send(&here, plain, SIZE, false);
        CHECK(copy.kind == (i < 3 ? VM_COPY_LOAN : VM_COPY_OBJECT));
        if (copy.kind == VM_COPY_LOAN)
            copy = loan_arrive(&there, loan_post(&copy)), loans++;
        got[i] = receive_memory(&copy);
        CHECK(loan_stats().lent_bytes <= 1 * MiB);
    }
    CHECK(loans == 3);
    char *at = filled(SIZE, 9); /* a move, too */
    copy = loan_send(&here, at, SIZE, true);
    CHECK(copy.kind == VM_COPY_OBJECT);
    at = receive_memory(&copy);
    CHECK(all(at, SIZE, 9));
    region_free(at, SIZE);
    for (int i = 0; i < 20; i++) {
        CHECK(all(got[i], SIZE, i));
        region_free(got[i], SIZE);
    }
    region_free(loan_pass(plain, SIZE, false), SIZE); /* goes again */
    vm_loan_limits(0, 0);
    copy = loan_send(&here, plain, SIZE, false);
    CHECK(copy.kind == VM_COPY_OBJECT && loan_stats().idle_bytes == 0);
    vm_copy_deinit(&copy);
}

static void numbers_run_out(void)
{
    static char *got[LANE_LOANS];
    struct vm_loan *loan;
    for (size_t i = 0; i < LANE_LOANS; i++)
        got[i] = loan_pass(plain, 70000, false);
    vm_map_lock();
    CHECK(vm_loan_make(here.lends, 70000, &loan) == -ENOSPC);
    CHECK(vm_loan_find(here.lends, 70000, &loan) == -ENOENT);
    vm_map_unlock();
    struct vm_copy copy = loan_send(&here, plain, 70000, false);
    CHECK(copy.kind == VM_COPY_OBJECT);
    vm_copy_deinit(&copy);
    char *at = filled(SIZE, 4);
    copy = loan_send(&here, at, SIZE, true);
    CHECK(copy.kind == VM_COPY_OBJECT && !is_mapped(at));
    vm_copy_deinit(&copy);
    region_free(got[200], 70000);
    got[200] = loan_pass(plain, 70000, false);
    for (size_t i = 0; i < LANE_LOANS; i++)
        region_free(got[i], 70000);
}

static void trimmed(void)
{
    region_free(loan_pass(plain, SIZE, false), SIZE);
    char *kept = loan_pass(filled(SIZE, 3), SIZE, true);
    region_free(loan_pass(plain, SIZE, false), SIZE);
    struct vm_loan *away = NULL;
    for (uint32_t i = 0; i < LANE_LOANS; i++) {
        if (there.borrows->loans[i] && there.borrows->loans[i]->state == VM_LOAN_AWAY)
            away = there.borrows->loans[i];
    }
    CHECK(loan_stats().idle_bytes >= SIZE && away && is_mapped((void *)away->address));
    vm_loan_trim();
    CHECK(loan_stats().idle_bytes == 0 && loan_stats().lent_bytes >= SIZE);
    unsigned char resident[vm_page_round(SIZE) / PAGE];
    CHECK(mincore((void *)away->address, vm_page_round(SIZE), resident) == 0);
    for (size_t i = 0; i < sizeof resident; i++)
        CHECK(!(resident[i] & 1)); /* gone from the object, which is still mapped there */
    CHECK(all(kept, SIZE, 3));
    region_free(kept, SIZE);
    region_free(loan_pass(plain, SIZE, false), SIZE); /* works again */
}

/* ---- ends ------------------------------------------------------------------------------------ */

/* Loans in every state, at both ends; then one end closes, or the other first. */
static void closed_in_every_state(bool lender_first)
{
    struct vm_copy carried_here, carried_there;
    memset(plain, 8, sizeof plain);
    char *held_there = loan_pass(plain, SIZE, false);
    char *kept = loan_pass(plain, SIZE, false), *back;
    struct vm_copy copy = loan_send(&here, plain, SIZE, false);
    struct parcel in_ring = loan_post(&copy); /* LENT, and never received */
    copy = loan_send(&here, plain, SIZE, false);
    carried_there = loan_arrive(&there, loan_post(&copy));
    copy = loan_send(&there, kept, SIZE, true);
    copy = loan_arrive(&here, loan_post(&copy));
    back = receive_memory(&copy); /* HELD here, AWAY there */
    char *given = loan_pass(plain, SIZE, false);
    region_free(loan_pass(plain, SIZE, false), SIZE); /* IDLE here, AWAY there */
    region_free(given, SIZE);
    carried_here = loan_send(&here, plain, SIZE, false);
    CHECK(loan_stats().idle_bytes > 0);
    end_close(lender_first ? &here : &there);
    CHECK(all(held_there, SIZE, 8) && all(back, SIZE, 8));
    end_close(lender_first ? &there : &here);
    CHECK(loan_stats().idle_bytes + loan_stats().lent_bytes + loan_stats().borrowed_bytes == 0);
    memset(held_there, 9, SIZE);
    char *arrived = receive_memory(&carried_there);
    CHECK(all(held_there, SIZE, 9) && all(back, SIZE, 8) && all(arrived, SIZE, 8));
    CHECK(vm_copy_reseal(&carried_here) == 0);
    char *resealed = receive_memory(&carried_here);
    CHECK(all(resealed, SIZE, 8));
    close(in_ring.fd);
    region_free(held_there, SIZE);
    region_free(arrived, SIZE);
    region_free(back, SIZE);
    region_free(resealed, SIZE);
    CHECK(!is_mapped(held_there) && !is_mapped(arrived) && !is_mapped(back));
}

static void the_lender_closes_first(void)
{
    closed_in_every_state(true);
}

static void the_borrower_closes_first(void)
{
    closed_in_every_state(false);
}

static void published_after_the_end(void)
{
    struct vm_copy copy = loan_send(&here, plain, SIZE, false);
    struct vm_loan *loan = copy.loan;
    end_close(&here);
    CHECK(!vm_loan_is_of(loan, here.lends));
    vm_loan_publish(loan);
}

static void what_fails_goes_back(void)
{
    char *at = filled(SIZE, 1);
    for (int round = 1; round < 100; round++) {
        memset(at, round, SIZE);
        CHECK(vm_copy_give((vm_address_t)at, SIZE) == 0);
        struct vm_copy copy = loan_send(&here, at, SIZE, false);
        CHECK(copy.how == VM_COPY_MOVED && all(at, SIZE, 0)); /* zeros in its place */
        at[3] = 3;
        if (round % 2) {
            vm_copy_deinit(&copy);
        } else {
            vm_address_t nowhere = 77;
            CHECK(vm_copyout(&copy, &nowhere) == -ECANCELED && nowhere == 77);
        }
        CHECK(all(at, SIZE, round) && count_regions() == 1 && loan_stats().lent_bytes == 0);
    }
    CHECK(vm_copy_give((vm_address_t)at, SIZE) == 0);
    char *got = loan_pass(at, SIZE, false);
    CHECK(all(got, SIZE, 99) && all(at, SIZE, 0));
    memset(at, 5, SIZE); /* a stale pointer writes to nobody */
    CHECK(all(got, SIZE, 99));
    region_free(at, SIZE);
    region_free(got, SIZE);
    CHECK(vm_copy_give((vm_address_t)plain, SIZE) == -EINVAL);
}

/* A gift holds for one send: not for a later one, when the first was never made, or was a copy. */
static void gifts_hold_once(void)
{
    char *at = filled(SIZE, 1);
    for (int way = 0; way < 3; way++) {
        struct vm_copy copy;
        const struct vm_receiver receiver = {.lender = here.lends};
        CHECK(vm_copy_give((vm_address_t)at, SIZE) == 0);
        if (way == 0) {
            vm_copy_ungive((vm_address_t)at);
        } else if (way == 1) {
            CHECK(vm_copyin_for((vm_address_t)at, SIZE, MACH_MSG_PHYSICAL_COPY, false, &receiver,
                                &copy) == MACH_MSG_SUCCESS);
            vm_copy_deinit(&copy);
        } else {
            copy = loan_send(&here, at, SIZE - PAGE, false);
            vm_copy_deinit(&copy);
        }
        copy = loan_send(&here, at, SIZE, false);
        CHECK(copy.how != VM_COPY_MOVED && all(at, SIZE, 1));
        vm_copy_deinit(&copy);
    }
    vm_copy_ungive((vm_address_t)plain);
    region_free(at, SIZE);
    at = filled(170 * KiB, 2);
    at = loan_pass(at, 170 * KiB, true);
    CHECK(vm_copy_give((vm_address_t)at, 170 * KiB) == 0);
    struct vm_copy copy = loan_send(&here, at, 170 * KiB, false); /* not to whom it belongs */
    CHECK(copy.how != VM_COPY_MOVED && all(at, 170 * KiB, 2));
    vm_copy_deinit(&copy);
    copy = loan_send(&there, at, 170 * KiB, false);
    CHECK(copy.how == VM_COPY_LENT && all(at, 170 * KiB, 2));
    vm_copy_deinit(&copy);
    region_free(at, 170 * KiB);
}

int main(void)
{
    RUN(a_copy_comes_back);
    RUN(a_region_moves_and_leaves_a_hole);
    RUN(moved_back_to_its_lender);
    RUN(forwarded_to_a_third);
    RUN(a_region_sent_again_is_shared);
    RUN(recycled_memory_is_zero);
    RUN(edges_are_zero);
    RUN(small_messages);
    RUN(idle_memory_is_bounded);
    RUN(lent_memory_is_bounded);
    RUN(numbers_run_out);
    RUN(trimmed);
    RUN(the_lender_closes_first);
    RUN(the_borrower_closes_first);
    RUN(published_after_the_end);
    RUN(what_fails_goes_back);
    RUN(gifts_hold_once);
    return 0;
}
