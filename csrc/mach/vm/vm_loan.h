/* Loans: objects that keep their pages and their mappings, in both tasks, from message to message.
 *
 * Making, faulting in and freeing pages costs several times what copying them does. So memory for
 * another task of the same user travels in objects that come back: the lender makes one (a memfd
 * that can be neither shrunk nor grown), passes its descriptor once, and later its number alone.
 * The borrower owns the pages until it returns them, which it does by a bit in the lane.
 *
 * An object is bound to one peer for as long as it lives, and once lent it is never frozen: the
 * peer's mapping of it remains. What keeps a message private is that neither side's program can
 * reach a mapping that is not its own at the time: whatever is sent or given back is moved away by
 * page table, to a place that nobody knows (`parked`).
 *
 * States, seen from one side:
 *
 *               lender                                  borrower
 *   IDLE        parked here, nobody's                   -
 *   HELD        the program's, a registered region      the program's, received
 *   CARRIED     in a message that is to be sent         in a message, not received yet
 *   LENT        with the peer; parked here, untouched   -
 *   AWAY        -                                       returned; parked here for the next time
 *
 * A borrower that moves what it received on to its lender sends the loan back with the message: no
 * copy is made in either direction.
 *
 * A ledger has the loans of one direction of a channel, at one of its ends. When the channel ends,
 * the lender forgets what is lent (the borrower may still write to it) and drops the rest; what the
 * program holds, or a message carries, stays valid: such a loan has no ledger any more.
 *
 * Bounds: idle bytes of the task (the oldest are dropped, and so is what was idle for long), and
 * bytes lent. Where they end, messages travel as sealed objects (vm_copy.h). Dropping makes a hole
 * in the object, which frees its pages in both tasks.
 *
 * Hostile peers: a lender believes a returned bit only of what is lent, a borrower a number only of
 * what it has returned; anything else breaks the channel. Everything else a peer could do by keeping
 * its mapping is what tasks of one user can do to each other anyway; vm_loan_limits() turns loans off.
 *
 * Locks: vm_lock, unless said otherwise. */
#ifndef MACHOOL_VM_LOAN_H
#define MACHOOL_VM_LOAN_H

#include "vm/vm_region.h"
#include "wire/wire_lane.h"

struct vm_ledger;
struct vm_loan;

/* How a region ends: as a hole; with zero pages in its place; or where it is, since the caller
 * vouches that no pointer into it is left, and that it mapped and protected nothing there. */
enum vm_loan_leave { VM_LOAN_HOLE, VM_LOAN_ZEROS, VM_LOAN_IN_PLACE };

/* ---- ledgers ------------------------------------------------------------------------------- */

/* The loans made by this side, or those that come in. `borrow_words` are the lane's until
 * vm_ledger_close. NULL: no memory. Needs no lock; references are counted atomically. */
struct vm_ledger *vm_ledger_new(bool lends, struct lane_loans *borrow_words);
struct vm_ledger *vm_ledger_ref(struct vm_ledger *ledger);
void vm_ledger_unref(struct vm_ledger *ledger); /* NULL is fine */
/* The two of one channel: what was borrowed can go back with a message in it. Both are closed
 * together, the one that lends first. */
void vm_ledger_pair(struct vm_ledger *lends, struct vm_ledger *borrows);
/* The channel ends. Takes the lock. */
void vm_ledger_close(struct vm_ledger *ledger);
/* Whether the peer has returned what it did not have. Needs no lock. */
bool vm_ledger_is_broken(const struct vm_ledger *ledger);

/* ---- lending ------------------------------------------------------------------------------- */

/* An idle loan of at least `size` bytes, its pages at hand: 0, and CARRIED; -ENOENT: none, or the bound has
 * been reached. */
int vm_loan_find(struct vm_ledger *ledger, size_t size, struct vm_loan **ret_loan);
/* A new one, without pages: to be filled through vm_loan_fd(), which takes half the time of touching
 * them. 0, and CARRIED; or -errno. */
int vm_loan_make(struct vm_ledger *ledger, size_t size, struct vm_loan **ret_loan);
/* The region itself, which is no longer registered then: a loan of this ledger, one borrowed from
 * there, or one that has never been sent. With zeros in its place or a hole. After VM_LOAN_ZEROS an unsent loan that is
 * dropped goes back there. 0, and CARRIED; or -errno with the region as it was. */
int vm_loan_take(struct vm_ledger *ledger, struct vm_region *region, enum vm_loan_leave leave,
                 struct vm_loan **ret_loan);
/* Whether a small message should be lent: not the first few of a channel, which may be the only ones.
 * Counts the call; needs no lock. */
bool vm_loan_is_worthwhile(struct vm_ledger *ledger);
/* Any idle loan of at least `size` bytes becomes a registered region. 0, or -ENOENT. */
int vm_loan_allocate(size_t size, uintptr_t *ret_address);

/* Whether vm_loan_find would find one. */
bool vm_loan_is_ready(struct vm_ledger *ledger, size_t size);

uint32_t vm_loan_index(const struct vm_loan *loan);
/* Where its pages are; 0: not mapped. */
uintptr_t vm_loan_address(const struct vm_loan *loan);
size_t vm_loan_capacity(const struct vm_loan *loan);
/* Borrowed; -1: the loan needs none any more. */
int vm_loan_fd(const struct vm_loan *loan);
/* Whether it can go by the channel of this ledger, which lends; whether the peer has its descriptor;
 * and whether it is the peer's own. Need no lock, but the task's. */
bool vm_loan_is_of(const struct vm_loan *loan, const struct vm_ledger *ledger);
bool vm_loan_is_known(const struct vm_loan *loan);
bool vm_loan_is_borrowed(const struct vm_loan *loan);
/* It has been published: LENT, or AWAY if it goes back. Takes the lock. */
void vm_loan_publish(struct vm_loan *loan);

/* ---- borrowing ----------------------------------------------------------------------------- */

/* Room for a new loan, made before anything is received. False: no memory. Takes the lock. */
bool vm_loan_prepare(struct vm_ledger *ledger, struct vm_loan **ret_spare);
void vm_loan_free_spare(struct vm_loan *take_spare);
/* A number of the peer's: of a known loan (`take_fd` -1), or of a new one in `take_spare`. 0, and
 * CARRIED; -EBADMSG: it lied. Takes the descriptor, and the spare if 0. Takes the lock. */
int vm_loan_accept(struct vm_ledger *ledger, uint32_t index, int take_fd, uint64_t size,
                   struct vm_loan *spare, struct vm_loan **ret_loan);

/* The lender's: its number comes back with a message. 0, and CARRIED; -EBADMSG: it is not lent. Takes
 * the lock. */
int vm_loan_accept_back(struct vm_ledger *ledger, uint32_t index, uint64_t size,
                        struct vm_loan **ret_loan);

/* ---- both ---------------------------------------------------------------------------------- */

/* CARRIED becomes a registered region of which `used` bytes count. 0 or -errno. */
int vm_loan_place(struct vm_loan *take_loan, size_t used, uintptr_t *ret_address);
/* Where the pages of a carried loan are; maps it if need be. 0 or -errno. */
int vm_loan_map(struct vm_loan *loan, uintptr_t *ret_address);
/* Whether it goes back to its place if it is dropped. Needs no lock; nor does making it not so. */
bool vm_loan_has_home(const struct vm_loan *loan);
void vm_loan_forget_home(struct vm_loan *loan);
/* CARRIED comes to nothing: idle again, or back at its place, or returned. True: it is back at its
 * place. Takes the lock. */
bool vm_loan_drop(struct vm_loan *take_loan);
/* The whole region at `start`, of `size` bytes in whole pages, ends: it is parked, and returned if
 * borrowed. False: it is no loan, or not as it was: to be unmapped like other memory. */
bool vm_loan_park(uintptr_t start, size_t size, enum vm_loan_leave leave);
/* HELD is the program's for good: its registration is about to go. */
void vm_loan_keep(struct vm_region *region);

/* ---- the task's ---------------------------------------------------------------------------- */

struct vm_loan_stats {
    uint64_t idle_bytes, lent_bytes, borrowed_bytes; /* borrowed: held, or carried by messages */
    uint64_t parked;                                 /* objects mapped here that are nobody's now */
    uint64_t idle_max, lent_max;
};

/* Takes the lock. Bytes that may lie idle, and may be lent; 0 and 0: no loans are made. */
void vm_loan_limits(uint64_t idle_max, uint64_t lent_max);
/* Drops what is idle, and gives parked pages back as far as this side can. Takes the lock. */
void vm_loan_trim(void);
void vm_loan_get_stats(struct vm_loan_stats *ret_stats);

/* For fork, with the lock held: no child inherits parked memory. */
void vm_loan_fork_prepare(void);
void vm_loan_fork_parent(void);
/* All loans are forgotten. */
void vm_loan_fork_child(void);

#endif
