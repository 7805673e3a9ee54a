/* Memory that is lent, moved and given back, every call on the way failing once: what was not sent is
 * where it was, or comes back with the message; what was sent arrives. */
#include "nth.h"

#include <mach/machool.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { SIZE = 300000, ID = 7, ID_END = 8 };

enum kind { FRESH, RECYCLED };

static mach_msg_return_t send_memory(mach_port_t to, const void *memory, bool move,
                                     mach_msg_timeout_t timeout, struct ool_msg *ret_message)
{
    kit_ool_msg(ret_message, to, ID, memory, SIZE, 1, move);
    return kit_send(&ret_message->header, MACH_SEND_TIMEOUT, timeout);
}

/* Looks at each part, and answers; asked to, it moves the part back. */
PEER(fault_borrower)
{
    struct kit_pair pair;
    kit_pair_join(&pair);
    for (;;) {
        struct ool_rcv received;
        struct ool_msg answer;
        ASSERT_OK(kit_receive(&received.header, sizeof(received), pair.mine, 0, 3 * PATIENCE));
        if (received.header.msgh_id == ID_END)
            break;
        ASSERT_FILLED(received.ool[0].address, SIZE, 1);
        if (pair.argument[0] == 'b') {
            ASSERT_OK(send_memory(pair.theirs, received.ool[0].address, true, PATIENCE, &answer));
            continue;
        }
        kit_free(received.ool[0].address, SIZE);
        kit_send_plain(pair.theirs, ID);
    }
    kit_pair_leave(&pair);
}

static char *make(const struct kit_pair *pair, enum kind kind)
{
    struct ool_msg message;
    char *memory = kit_allocate(SIZE);
    if (kind == RECYCLED) {
        kit_fill(memory, SIZE, 1);
        ASSERT_OK(send_memory(pair->theirs, memory, true, PATIENCE, &message));
        kit_expect_plain(pair->mine, ID);
        memory = kit_allocate(SIZE); /* that same memory, as a rule */
    } else {
        machool_trim();
    }
    kit_fill(memory, SIZE, 1);
    return memory;
}

/* It is at its place, or came back with the message, or both say the same. */
static void after_failure(mach_msg_return_t result, struct ool_msg *message, char *memory)
{
    bool came_back = nth_came_back(&message->header);
    char *other = message->ool[0].size ? message->ool[0].address : NULL;
    bool here = kit_is_readable(memory);
    if (result != MACH_MSG_VM_KERNEL && result != MACH_SEND_TIMED_OUT)
        ASSERT_CODE(MACH_SEND_NO_BUFFER, result);
    ASSERT(here || (came_back && other));
    if (came_back && other)
        ASSERT_FILLED(other, SIZE, 1);
    if (here && memory[1])
        ASSERT_FILLED(memory, SIZE, 1);
    else
        ASSERT(came_back && other); /* not lost */
    if (came_back)
        mach_msg_destroy(&message->header);
}

static void every_call_fails_once(enum kind kind, bool move, bool give)
{
    struct nth nth = {0};
    struct kit_pair pair;
    kit_pair_start(&pair, "fault_borrower", "");
    kit_free(make(&pair, RECYCLED), SIZE); /* they know each other */
    while (nth_next(&nth)) {
        struct ool_msg message;
        char *memory = make(&pair, kind);
        if (give)
            (void)machool_give((vm_address_t)memory, SIZE);
        mach_msg_return_t result = NTH(&nth,
                                       send_memory(pair.theirs, memory, move, PATIENCE, &message));
        if (nth.failed == NULL)
            ASSERT_OK(result);
        if (result == MACH_MSG_SUCCESS)
            kit_expect_plain(pair.mine, ID);
        else
            after_failure(result, &message, memory);
        kit_free(memory, SIZE);
        machool_trim();
    }
    kit_send_plain(pair.theirs, ID_END);
    kit_pair_end(&pair);
}

TEST_FOR(move_of_a_fresh_region, 60)
{
    GATE_FAULTS();
    every_call_fails_once(FRESH, true, false);
}

TEST_FOR(move_of_a_recycled_region, 60)
{
    GATE_FAULTS();
    every_call_fails_once(RECYCLED, true, false);
}

TEST_FOR(gift_of_a_fresh_region, 60)
{
    GATE_FAULTS();
    every_call_fails_once(FRESH, false, true);
}

TEST_FOR(gift_of_a_recycled_region, 60)
{
    GATE_FAULTS();
    every_call_fails_once(RECYCLED, false, true);
}

/* Nobody takes it, and on its way back a call fails as well. */
TEST_FOR(gift_that_times_out, 60)
{
    struct nth nth = {0};
    struct kit_pair pair;
    GATE_FAULTS();
    kit_pair_start(&pair, "fault_borrower", "");
    kit_free(make(&pair, RECYCLED), SIZE);
    kill(pair.peer.pid, SIGSTOP);
    while (kit_try_plain(pair.theirs, MACH_MSG_TYPE_COPY_SEND, ID_END, 0) == MACH_MSG_SUCCESS)
        continue;
    while (nth_next(&nth)) {
        struct ool_msg message;
        char *memory = kit_allocate(SIZE);
        kit_fill(memory, SIZE, 1);
        (void)machool_give((vm_address_t)memory, SIZE);
        mach_msg_return_t result = NTH(&nth, send_memory(pair.theirs, memory, false, 0, &message));
        if (nth.failed == NULL)
            ASSERT_CODE(MACH_SEND_TIMED_OUT, result);
        ASSERT(kit_is_readable(memory));
        ASSERT_FILLED(memory, SIZE, 1); /* whatever failed: at its place */
        after_failure(result, &message, memory);
        kit_free(memory, SIZE);
        machool_trim();
    }
    peer_kill(&pair.peer);
    kit_pair_drop(&pair);
}

/* What was lent comes back with a message, and is received by every call but one. */
TEST_FOR(receive_of_what_comes_home, 60)
{
    struct nth nth = {0};
    struct kit_pair pair;
    GATE_FAULTS();
    kit_pair_start(&pair, "fault_borrower", "b");
    while (nth_next(&nth)) {
        struct ool_msg message;
        struct ool_rcv received;
        char *memory = kit_allocate(SIZE);
        kit_fill(memory, SIZE, 1);
        ASSERT_OK(send_memory(pair.theirs, memory, true, PATIENCE, &message));
        mach_msg_return_t result = nth_receive(&nth, &received.header, sizeof(received), pair.mine,
                                               ID);
        if (received.ool[0].size) {
            ASSERT_FILLED(received.ool[0].address, SIZE, 1);
            kit_free(received.ool[0].address, SIZE);
        } else { /* it could not be mapped (S58) */
            ASSERT_CODE(MACH_RCV_BODY_ERROR, result & ~MACH_MSG_MASK);
        }
        machool_trim();
    }
    kit_send_plain(pair.theirs, ID_END);
    kit_pair_end(&pair);
}

/* ---- lies ------------------------------------------------------------------------------------ */

#ifdef __linux__

enum lie { UNSEALED, HALF_SEALED, SHORT, ODD, HOLES, LIES };
enum { LENT = 1 << 20 };

static enum lie lie;

/* Of a region that is about to be lent. */
static bool tell_a_lie(int fd)
{
    if (!inject_is_named(fd, "machool:region"))
        return false;
    if (lie == HALF_SEALED)
        ASSERT_SYS(syscall(SYS_fcntl, fd, F_ADD_SEALS, F_SEAL_GROW)); /* not through the hook */
    else if (lie == SHORT)
        ASSERT_SYS(ftruncate(fd, LENT / 2));
    else if (lie == ODD)
        ASSERT_SYS(ftruncate(fd, LENT + 1));
    else if (lie == HOLES)
        ASSERT_SYS(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4096, 4096));
    return lie == UNSEALED || lie == HALF_SEALED;
}

static void lend(mach_port_t to)
{
    struct ool_msg message;
    char *memory = kit_allocate(LENT);
    kit_fill(memory, LENT, 1);
    kit_ool_msg(&message, to, ID, memory, LENT, 1, true);
    ASSERT_OK(kit_send(&message.header, MACH_SEND_TIMEOUT, PATIENCE));
}

PEER(fault_lender)
{
    struct kit_pair pair;
    kit_pair_join(&pair);
    lend(pair.theirs); /* perhaps before the two have met: that is no loan then */
    lend(pair.theirs);
    parent_hear();
    if (pair.argument[0]) {
        lie = (enum lie)atoi(pair.argument);
        inject_before_seals(tell_a_lie);
        machool_trim(); /* so that it is a new one */
        lend(pair.theirs);
        kit_wait_dead(pair.theirs); /* the other side has hung up */
        parent_tell();
        parent_hear();
    }
    while (!parent_gone())
        lend(pair.theirs);
}

static void take(const struct kit_pair *pair, struct ool_rcv *ret_received)
{
    ASSERT_OK(kit_receive(&ret_received->header, sizeof(*ret_received), pair->mine, 0, PATIENCE));
    ASSERT_EQ(LENT, ret_received->ool[0].size);
    ASSERT_FILLED(ret_received->ool[0].address, LENT, 1);
}

static void start(struct kit_pair *ret_pair, const char *argument, struct ool_rcv *ret_received)
{
    kit_pair_start(ret_pair, "fault_lender", argument);
    take(ret_pair, ret_received);
    kit_free(ret_received->ool[0].address, LENT);
    take(ret_pair, ret_received);
}

#endif

/* The liar's connection ends, and nothing else: what it lent before stays, an honest one's arrives. */
TEST_FOR(lies_about_a_loan, 60)
{
#ifdef __linux__
    struct kit_pair honest;
    struct ool_rcv received, from_honest;
    struct machool_stats stats;
    GATE_FAULTS();
    machool_get_stats(&stats);
    if (vm_page_size != 4096 || stats.lent_limit == 0)
        return;
    start(&honest, "", &from_honest);
    peer_tell(&honest.peer);
    for (int i = 0; i < LIES; i++) {
        struct kit_pair liar;
        char argument[16];
        snprintf(argument, sizeof(argument), "%d", i);
        start(&liar, argument, &received);
        machool_get_stats(&stats);
        ASSERT_EQ(LENT,
                  stats.borrowed_bytes); /* the honest one's is a copy since the fork (S182) */
        peer_tell(&liar.peer);
        kit_wait_dead(liar.theirs);
        peer_hear(&liar.peer);
        kit_expect_nothing(liar.mine);
        machool_get_stats(&stats);
        ASSERT_EQ(0, stats.borrowed_bytes); /* what it lent has no lender any more */
        ASSERT_FILLED(received.ool[0].address, LENT, 1);
        memset(received.ool[0].address, 2, LENT);
        kit_free(received.ool[0].address, LENT);
        peer_kill(&liar.peer);
        kit_pair_drop(&liar);

        kit_free(from_honest.ool[0].address, LENT);
        peer_tell(&honest.peer);
        take(&honest, &from_honest);
    }
    kit_free(from_honest.ool[0].address, LENT);
    peer_kill(&honest.peer);
    kit_pair_drop(&honest);
#endif
}
