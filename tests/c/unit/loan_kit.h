/* A channel for loans with both ends in this process: what one sends, the other receives, by way of
 * nothing but numbers, descriptors and the words of a lane. A program includes it once. */
#ifndef MACHOOL_TESTS_UNIT_LOAN_KIT_H
#define MACHOOL_TESTS_UNIT_LOAN_KIT_H

#include "vm_kit.h"

#include "os/os_maps.h"
#include "vm/vm_loan_pool.h"

#include <mach/machool.h>

#define SIZE (300 * KiB + 1) /* of an object that has pages to spare */

struct end {
    struct vm_ledger *lends, *borrows;
};

/* What goes over the wire for a loan, and what is kept behind the sender's back. */
struct parcel {
    bool back;
    uint32_t index, size, page_offset;
    int fd; /* -1: known */
};

static struct end here, there;
static struct lane_loans words[2];

static inline void channel_open(void)
{
    memset(words, 0, sizeof words);
    here = (struct end){vm_ledger_new(true, &words[0]), vm_ledger_new(false, &words[1])};
    there = (struct end){vm_ledger_new(true, &words[1]), vm_ledger_new(false, &words[0])};
    CHECK(here.lends && here.borrows && there.lends && there.borrows);
    vm_ledger_pair(here.lends, here.borrows);
    vm_ledger_pair(there.lends, there.borrows);
}

static inline void end_close(struct end *end)
{
    vm_ledger_close(end->lends);
    vm_ledger_close(end->borrows);
    vm_ledger_unref(end->lends);
    vm_ledger_unref(end->borrows);
    *end = (struct end){0};
}

static inline void channel_close(void)
{
    end_close(&here);
    end_close(&there);
}

static inline struct vm_copy loan_send(const struct end *from, const void *memory, size_t size,
                                       bool deallocate)
{
    const struct vm_receiver receiver = {.lender = from->lends};
    struct vm_copy copy;
    CHECK(vm_copyin_for((vm_address_t)memory, size, MACH_MSG_VIRTUAL_COPY, deallocate, &receiver,
                        &copy) == MACH_MSG_SUCCESS);
    return copy;
}

/* The sender's part of the wire. */
static inline struct parcel loan_post(struct vm_copy *take_copy)
{
    const struct vm_loan *loan = take_copy->loan;
    CHECK(take_copy->kind == VM_COPY_LOAN);
    struct parcel parcel = {.back = vm_loan_is_borrowed(loan),
                            .index = vm_loan_index(loan),
                            .size = take_copy->size,
                            .page_offset = take_copy->page_offset,
                            .fd = -1};
    if (!vm_loan_is_known(loan)) {
        parcel.fd = fcntl(vm_loan_fd(loan), F_DUPFD_CLOEXEC, 3);
        CHECK(parcel.fd >= 0);
    }
    vm_loan_publish(take_copy->loan);
    return parcel;
}

/* The receiver's. 0 or -EBADMSG; the descriptor is taken. */
static inline int loan_try(const struct end *at, struct parcel parcel, struct vm_copy *ret_copy)
{
    *ret_copy = (struct vm_copy){.kind = VM_COPY_NONE, .fd = -1};
    if (parcel.fd >= 0)
        CHECK(vm_loan_prepare(at->borrows, &ret_copy->loan));
    int r = vm_copy_borrow(parcel.back ? at->lends : at->borrows, parcel.back, parcel.index,
                           parcel.fd, parcel.size, parcel.page_offset, ret_copy);
    if (r < 0)
        vm_copy_deinit(ret_copy);
    return r;
}

static inline struct vm_copy loan_arrive(const struct end *at, struct parcel parcel)
{
    struct vm_copy copy;
    CHECK(loan_try(at, parcel, &copy) == 0);
    return copy;
}

/* Memory that goes from here to there, as a loan, and is received. */
static inline char *loan_pass(const void *memory, size_t size, bool deallocate)
{
    struct vm_copy copy = loan_send(&here, memory, size, deallocate);
    copy = loan_arrive(&there, loan_post(&copy));
    return receive_memory(&copy);
}

/* In a region of so many bytes, each of them the same. */
static inline char *filled(size_t size, int byte)
{
    char *at = region_new(size);
    memset(at, byte, size);
    return at;
}

static inline struct vm_loan_stats loan_stats(void)
{
    struct vm_loan_stats stats;
    vm_loan_get_stats(&stats);
    return stats;
}

/* The limits of the program's start. */
static inline void loan_limits_reset(void)
{
    vm_loan_limits(64 * MiB, 256 * MiB);
}

/* Runs one test over a channel of its own: it leaves nothing behind. */
static inline void run(void (*test)(void), const char *name)
{
    fprintf(stderr, "%s\n", name);
    loan_limits_reset();
    unsigned fds = count_fds(), regions = count_regions();
    channel_open();
    test();
    if (here.lends)
        end_close(&here);
    if (there.lends)
        end_close(&there);
    CHECK(util_list_empty(&vm_pool.all) && util_list_empty(&vm_pool.by_age));
    struct vm_loan_stats stats = loan_stats();
    CHECK(stats.idle_bytes == 0 && stats.lent_bytes == 0 && stats.borrowed_bytes == 0);
    CHECK(stats.parked == 0 && count_regions() == regions && count_fds() == fds);
}
#define RUN(test) run(test, #test)

#endif
