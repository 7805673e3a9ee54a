/* The pool: all loans of the task, their ledgers, and the bounds on them. Private to vm_loan*.c.
 *
 * Locks: vm_lock. */
#ifndef MACHOOL_VM_LOAN_POOL_H
#define MACHOOL_VM_LOAN_POOL_H

#include "util/util_list.h"
#include "vm/vm_loan.h"

#include <stdatomic.h>

enum vm_loan_state {
    VM_LOAN_IDLE = 1,
    VM_LOAN_HELD,
    VM_LOAN_CARRIED,
    VM_LOAN_LENT,
    VM_LOAN_AWAY,
};

struct vm_loan {
    struct util_link all;     /* in the pool */
    struct util_link idle;    /* IDLE: in its ledger, most lately returned first */
    struct util_link by_age;  /* IDLE: in the pool, likewise */
    struct vm_ledger *ledger; /* NULL: the channel has ended; what comes back is dropped */
    enum vm_loan_state state;
    uint32_t index;
    bool known; /* lender: the peer has the descriptor; borrower: always */
    bool warm;  /* its pages are in this task's page table */
    bool built; /* a region, the last time: memory to build the next one in, not to copy to */
    uintptr_t address; /* 0: not mapped */
    size_t capacity;
    size_t used;    /* CARRIED with a home: bytes of the region that count */
    uintptr_t home; /* CARRIED: zero pages hold its place there; 0: nowhere */
    int fd;         /* -1: none any more */
    struct os_memfd_id id;
    int64_t since; /* IDLE: when that began */
};

struct vm_ledger {
    atomic_uint refs;
    atomic_bool broken;
    bool lends;
    atomic_uint asked;        /* small messages that asked for a loan */
    unsigned lent;            /* loans with the peer */
    struct vm_ledger *twin;   /* the channel's other one, valid while this one is open */
    struct lane_loans *words; /* NULL: closed */
    struct vm_loan **loans;   /* LANE_LOANS of them; NULL: none yet */
    struct util_link idle;    /* struct vm_loan */
    struct util_link in_pool; /* once it has a table */
};

struct vm_pool {
    struct util_link all, by_age, ledgers;
    uint64_t idle_bytes, lent_bytes, borrowed_bytes, idle_max, lent_max;
};

extern struct vm_pool vm_pool;

/* Takes what the peer has returned. False: nothing can be lent here. */
bool vm_pool_collect(struct vm_ledger *ledger);
/* Bytes of an object that is to hold so many, with room for a little more the next time. */
size_t vm_pool_capacity(size_t size);
/* Whether an object of that size may lie idle at all: copies into larger ones would be dropped when they come
 * back, at the expense of the next message. */
bool vm_pool_keeps(size_t capacity);
bool vm_pool_suits(const struct vm_loan *loan, size_t size);
/* The loan that became idle last and suits, of any ledger, and was a region before: what lies ready for
 * copies stays there. Still idle. NULL: none. */
struct vm_loan *vm_pool_any_idle(size_t size);

bool vm_pool_has_table(struct vm_ledger *ledger);
/* A new loan under a free number, CARRIED. 0, -ENOSPC (numbers or bytes), -ENOMEM. */
int vm_pool_new(struct vm_ledger *ledger, size_t capacity, struct vm_loan **ret_loan);
/* A borrowed one under the lender's number, AWAY. */
void vm_pool_enter(struct vm_ledger *ledger, struct vm_loan *take_loan, uint32_t index);
/* Changes the state, and what is counted by it. */
void vm_pool_set(struct vm_loan *loan, enum vm_loan_state state);
/* Leaves the lists of idle ones. */
void vm_pool_unidle(struct vm_loan *loan);
/* HELD or CARRIED is done: idle again, or returned to the peer, or freed if nobody waits for it. */
void vm_pool_park(struct vm_loan *take_loan);
/* It will never come back: the peer is told. */
void vm_pool_keep(struct vm_loan *take_loan);
/* Unmaps, closes and forgets it. */
void vm_pool_free(struct vm_loan *take_loan);
void vm_pool_close_fd(struct vm_loan *loan);

#endif
