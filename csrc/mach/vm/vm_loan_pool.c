/* See vm_loan_pool.h. */
#include "vm/vm_loan_pool.h"

#include "os/os_clock.h"
#include "vm/vm_map.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define IDLE_MAX ((uint64_t)64 << 20)
#define LENT_LEAST ((uint64_t)256 << 20)
#define LENT_PART 8                          /* of the machine's memory */
#define IDLE_LONG ((int64_t)30 * 1000000000) /* ns: what was not used for so long is dropped */
#define STEPS 8              /* sizes of objects between two powers of two, but ... */
#define STEP_MAX (64u << 10) /* ... no more than this is added */

struct vm_pool vm_pool = {.all = {&vm_pool.all, &vm_pool.all},
                          .by_age = {&vm_pool.by_age, &vm_pool.by_age},
                          .ledgers = {&vm_pool.ledgers, &vm_pool.ledgers},
                          .idle_max = IDLE_MAX};

/* The bounds, until the program sets others; MACHOOL_LOANS=0 in the environment: no loans. */
__attribute__((constructor)) static void set_up(void)
{
    const char *wanted = secure_getenv("MACHOOL_LOANS");
    uint64_t memory = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    uint64_t part = memory / LENT_PART;
    if (wanted && strcmp(wanted, "0") == 0)
        vm_pool.idle_max = 0;
    else
        vm_pool.lent_max = part > LENT_LEAST ? part : LENT_LEAST;
}

/* ---- counting ------------------------------------------------------------------------------ */

/* Which of the pool's counters a loan is in. */
static uint64_t *counter_of(const struct vm_loan *loan, enum vm_loan_state state)
{
    bool lends = loan->ledger && loan->ledger->lends;
    if (state == VM_LOAN_IDLE)
        return &vm_pool.idle_bytes;
    if (lends)
        return state == VM_LOAN_LENT || state == VM_LOAN_CARRIED ? &vm_pool.lent_bytes : NULL;
    return loan->ledger && (state == VM_LOAN_HELD || state == VM_LOAN_CARRIED)
               ? &vm_pool.borrowed_bytes
               : NULL;
}

static void uncount(struct vm_loan *loan)
{
    uint64_t *counter = counter_of(loan, loan->state);
    if (counter)
        *counter -= loan->capacity;
    if (loan->ledger && loan->state == VM_LOAN_LENT)
        loan->ledger->lent--;
}

void vm_pool_set(struct vm_loan *loan, enum vm_loan_state state)
{
    uncount(loan);
    loan->state = state;
    uint64_t *counter = counter_of(loan, state);
    if (counter)
        *counter += loan->capacity;
    if (loan->ledger && state == VM_LOAN_LENT)
        loan->ledger->lent++;
}

/* ---- ledgers ------------------------------------------------------------------------------- */

struct vm_ledger *vm_ledger_new(bool lends, struct lane_loans *borrow_words)
{
    struct vm_ledger *ledger = calloc(1, sizeof *ledger);
    if (!ledger)
        return NULL;
    atomic_init(&ledger->refs, 1);
    ledger->lends = lends;
    ledger->words = borrow_words;
    util_list_init(&ledger->idle);
    util_list_init(&ledger->in_pool);
    return ledger;
}

struct vm_ledger *vm_ledger_ref(struct vm_ledger *ledger)
{
    atomic_fetch_add(&ledger->refs, 1);
    return ledger;
}

void vm_ledger_unref(struct vm_ledger *ledger)
{
    if (ledger && atomic_fetch_sub(&ledger->refs, 1) == 1)
        free(ledger);
}

void vm_ledger_pair(struct vm_ledger *lends, struct vm_ledger *borrows)
{
    lends->twin = borrows;
    borrows->twin = lends;
}

bool vm_ledger_is_broken(const struct vm_ledger *ledger)
{
    return atomic_load(&ledger->broken);
}

/* Nobody waits for these any more; what is in use here stays valid. */
static void release_all(struct vm_ledger *ledger)
{
    for (uint32_t i = 0; ledger->loans && i < LANE_LOANS; i++) {
        struct vm_loan *loan = ledger->loans[i];
        if (!loan)
            continue;
        if (loan->state != VM_LOAN_HELD && loan->state != VM_LOAN_CARRIED) {
            vm_pool_free(loan);
            continue;
        }
        uncount(loan);
        ledger->loans[i] = NULL;
        loan->ledger = NULL;
    }
}

void vm_ledger_close(struct vm_ledger *ledger)
{
    vm_map_lock();
    release_all(ledger);
    free(ledger->loans);
    ledger->loans = NULL;
    ledger->words = NULL;
    util_list_remove(&ledger->in_pool);
    vm_map_unlock();
}

bool vm_pool_has_table(struct vm_ledger *ledger)
{
    if (!ledger->words)
        return false;
    if (!ledger->loans) {
        ledger->loans = calloc(LANE_LOANS, sizeof(struct vm_loan *));
        if (ledger->loans)
            util_list_append(&vm_pool.ledgers, &ledger->in_pool);
    }
    return ledger->loans != NULL;
}

/* ---- pages and descriptors ------------------------------------------------------------------ */

void vm_pool_close_fd(struct vm_loan *loan)
{
    if (loan->fd >= 0 && os_memfd_is(loan->fd, &loan->id))
        close(loan->fd);
    loan->fd = -1;
}

void vm_pool_unidle(struct vm_loan *loan)
{
    util_list_remove(&loan->idle);
    util_list_remove(&loan->by_age);
}

void vm_pool_free(struct vm_loan *take_loan)
{
    struct vm_loan *loan = take_loan;
    uncount(loan);
    vm_pool_unidle(loan);
    util_list_remove(&loan->all);
    if (loan->ledger)
        loan->ledger->loans[loan->index] = NULL;
    if (loan->address)
        munmap((void *)loan->address, loan->capacity);
    vm_pool_close_fd(loan);
    free(loan);
}

/* ---- numbers ------------------------------------------------------------------------------- */

static void enter(struct vm_ledger *ledger, struct vm_loan *loan, uint32_t index,
                  enum vm_loan_state state)
{
    util_list_append(&vm_pool.all, &loan->all);
    util_list_init(&loan->idle);
    util_list_init(&loan->by_age);
    loan->ledger = ledger;
    loan->index = index;
    ledger->loans[index] = loan;
    vm_pool_set(loan, state);
}

int vm_pool_new(struct vm_ledger *ledger, size_t capacity, struct vm_loan **ret_loan)
{
    uint32_t index = 0;
    if (!vm_pool_has_table(ledger))
        return -ENOMEM;
    while (index < LANE_LOANS && ledger->loans[index])
        index++;
    if (index == LANE_LOANS || vm_pool.lent_bytes + capacity > vm_pool.lent_max)
        return -ENOSPC;
    struct vm_loan *loan = calloc(1, sizeof *loan);
    if (!loan)
        return -ENOMEM;
    loan->capacity = capacity;
    loan->fd = -1;
    enter(ledger, loan, index, VM_LOAN_CARRIED);
    *ret_loan = loan;
    return 0;
}

void vm_pool_enter(struct vm_ledger *ledger, struct vm_loan *take_loan, uint32_t index)
{
    enter(ledger, take_loan, index, VM_LOAN_AWAY);
}

/* ---- sizes --------------------------------------------------------------------------------- */

size_t vm_pool_capacity(size_t size)
{
    size_t step = vm_page_round(1), pages = vm_page_round(size);
    while (step * STEPS * 2 <= pages && step < STEP_MAX)
        step *= 2;
    return (pages + step - 1) & ~(step - 1);
}

bool vm_pool_keeps(size_t capacity)
{
    uint64_t most = vm_pool.idle_max > IDLE_MAX ? vm_pool.idle_max : IDLE_MAX;
    return capacity <= 2 * (most + STEP_MAX);
}

bool vm_pool_suits(const struct vm_loan *loan, size_t size)
{
    return loan->capacity >= size && loan->capacity / 2 <= vm_page_round(size);
}

/* ---- idle ---------------------------------------------------------------------------------- */

/* A hole in the object takes its pages from both tasks, whoever has it mapped. */
static void drop_idle(struct vm_loan *take_loan)
{
    struct vm_loan *loan = take_loan;
    if (loan->address)
        (void)madvise((void *)loan->address, loan->capacity, MADV_REMOVE);
    vm_pool_free(loan);
}

/* Whether no more is idle than may be; or the two that came back last, of twice as much: who sends one large
 * message after another has two under way, if the answer comes before the pages. Who has set a smaller
 * bound wants it so. */
static bool is_within(uint64_t most)
{
    const struct util_link *second = vm_pool.by_age.next->next;
    bool few = second == &vm_pool.by_age || second->next == &vm_pool.by_age;
    return vm_pool.idle_bytes <= most ||
           (few && most >= IDLE_MAX && vm_pool.idle_bytes <= 2 * (most + STEP_MAX));
}

/* Keeps to the bound, and drops what nobody has wanted for long. */
static void trim(uint64_t most, int64_t now)
{
    while (!util_list_empty(&vm_pool.by_age)) {
        struct vm_loan *oldest = UTIL_CONTAINER(vm_pool.by_age.prev, struct vm_loan, by_age);
        if (is_within(most) && now - oldest->since < IDLE_LONG)
            break;
        drop_idle(oldest);
    }
}

static void make_idle(struct vm_loan *loan, int64_t now)
{
    vm_pool_set(loan, VM_LOAN_IDLE);
    loan->since = now;
    util_list_prepend(&loan->ledger->idle, &loan->idle);
    util_list_prepend(&vm_pool.by_age, &loan->by_age);
}

/* One word of bits, taken; each names a loan that is lent, or else the peer lies. */
static void take_word(struct vm_ledger *ledger, _Atomic uint64_t *word, uint32_t first, bool kept)
{
    if (atomic_load_explicit(word, memory_order_relaxed) == 0)
        return;
    uint64_t bits = atomic_exchange_explicit(word, 0, memory_order_acquire);
    int64_t now = os_clock_now();
    for (; bits; bits &= bits - 1) {
        struct vm_loan *loan = ledger->loans[first + (uint32_t)__builtin_ctzll(bits)];
        if (loan && loan->state == VM_LOAN_CARRIED) /* published, and back before we say so */
            atomic_fetch_or_explicit(word, bits & -bits, memory_order_relaxed);
        else if (!loan || loan->state != VM_LOAN_LENT)
            atomic_store(&ledger->broken, true);
        else if (kept)
            vm_pool_free(loan);
        else
            make_idle(loan, now);
    }
    trim(vm_pool.idle_max, now);
}

bool vm_pool_collect(struct vm_ledger *ledger)
{
    if (!ledger || !ledger->words || !ledger->lends || atomic_load(&ledger->broken) ||
        vm_pool.lent_max == 0)
        return false;
    for (uint32_t i = 0; ledger->lent && i < LANE_LOAN_WORDS; i++) {
        take_word(ledger, &ledger->words->returned[i], i * 64, false);
        take_word(ledger, &ledger->words->kept[i], i * 64, true);
    }
    return !atomic_load(&ledger->broken);
}

static void collect_all(void)
{
    UTIL_LIST_EACH(at, after, &vm_pool.ledgers)
    {
        struct vm_ledger *ledger = UTIL_CONTAINER(at, struct vm_ledger, in_pool);
        if (ledger->lends && ledger->lent)
            (void)vm_pool_collect(ledger);
    }
}

struct vm_loan *vm_pool_any_idle(size_t size)
{
    collect_all();
    UTIL_LIST_EACH(at, after, &vm_pool.by_age)
    {
        struct vm_loan *loan = UTIL_CONTAINER(at, struct vm_loan, by_age);
        if (loan->built && vm_pool_suits(loan, size))
            return loan;
    }
    return NULL;
}

/* ---- ends ---------------------------------------------------------------------------------- */

static void tell(_Atomic uint64_t *words, uint32_t index)
{
    /* Release: what was read of the pages was read before. */
    atomic_fetch_or_explicit(&words[index / 64], UINT64_C(1) << index % 64, memory_order_release);
}

void vm_pool_park(struct vm_loan *take_loan)
{
    struct vm_loan *loan = take_loan;
    loan->home = 0;
    if (!loan->ledger) {
        vm_pool_free(loan);
    } else if (loan->ledger->lends) {
        int64_t now = os_clock_now();
        make_idle(loan, now);
        trim(vm_pool.idle_max, now);
    } else {
        vm_pool_set(loan, VM_LOAN_AWAY);
        tell(loan->ledger->words->returned, loan->index);
    }
}

void vm_pool_keep(struct vm_loan *take_loan)
{
    struct vm_loan *loan = take_loan;
    if (loan->ledger && !loan->ledger->lends)
        tell(loan->ledger->words->kept, loan->index);
    vm_pool_free(loan);
}

/* ---- the task's ---------------------------------------------------------------------------- */

void vm_loan_limits(uint64_t idle_max, uint64_t lent_max)
{
    vm_map_lock();
    vm_pool.idle_max = idle_max;
    vm_pool.lent_max = lent_max;
    trim(idle_max, os_clock_now());
    vm_map_unlock();
}

void vm_loan_trim(void)
{
    vm_map_lock();
    collect_all();
    trim(0, os_clock_now());
    UTIL_LIST_EACH(at, after, &vm_pool.all)
    {
        /* Returned pages are the lender's to free; here they only leave the page table. */
        struct vm_loan *loan = UTIL_CONTAINER(at, struct vm_loan, all);
        if (loan->address && (loan->state == VM_LOAN_AWAY || loan->state == VM_LOAN_LENT)) {
            (void)madvise((void *)loan->address, loan->capacity, MADV_DONTNEED);
            loan->warm = false;
        }
    }
    vm_map_unlock();
}

void vm_loan_get_stats(struct vm_loan_stats *ret_stats)
{
    uint64_t parked = 0;
    vm_map_lock();
    collect_all();
    UTIL_LIST_EACH(at, after, &vm_pool.all)
    {
        const struct vm_loan *loan = UTIL_CONTAINER(at, struct vm_loan, all);
        parked += loan->address && loan->state != VM_LOAN_HELD;
    }
    *ret_stats = (struct vm_loan_stats){.idle_bytes = vm_pool.idle_bytes,
                                        .lent_bytes = vm_pool.lent_bytes,
                                        .borrowed_bytes = vm_pool.borrowed_bytes,
                                        .parked = parked,
                                        .idle_max = vm_pool.idle_max,
                                        .lent_max = vm_pool.lent_max};
    vm_map_unlock();
}

/* ---- fork ---------------------------------------------------------------------------------- */

static void advise_parked(int advice)
{
    UTIL_LIST_EACH(at, after, &vm_pool.all)
    {
        struct vm_loan *loan = UTIL_CONTAINER(at, struct vm_loan, all);
        if (loan->address && loan->state != VM_LOAN_HELD)
            (void)madvise((void *)loan->address, loan->capacity, advice);
    }
}

void vm_loan_fork_prepare(void)
{
    advise_parked(MADV_DONTFORK);
}

void vm_loan_fork_parent(void)
{
    advise_parked(MADV_DOFORK);
}

void vm_loan_fork_child(void)
{
    UTIL_LIST_EACH(at, after, &vm_pool.all)
    {
        struct vm_loan *loan = UTIL_CONTAINER(at, struct vm_loan, all);
        bool parked = loan->state != VM_LOAN_HELD;
        vm_pool_close_fd(loan);
        if (parked)
            loan->address = 0; /* it was not inherited */
        if (loan->ledger)
            loan->ledger->loans[loan->index] = NULL;
        loan->ledger = NULL;
        if (parked && loan->state != VM_LOAN_CARRIED)
            vm_pool_free(loan);
    }
    UTIL_LIST_EACH(at2, after2, &vm_pool.ledgers)
    {
        struct vm_ledger *ledger = UTIL_CONTAINER(at2, struct vm_ledger, in_pool);
        util_list_remove(&ledger->in_pool);
        ledger->words = NULL;
    }
    vm_pool.idle_bytes = vm_pool.lent_bytes = vm_pool.borrowed_bytes = 0;
}
