/* See nth.h. */
#include "nth.h"

#include "harness/counts.h"

#include <mach/machool.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST_ROUNDS = 400 };

static size_t no_names(void)
{
    return 0;
}

/* The layer may have something under way with its peers: it gets a moment, as in the runner. What waits
 * to be used again is no leak. */
static bool settled(const struct counts *before, struct counts *after)
{
    for (int i = 0; i < 100; i++) {
        machool_trim();
        counts_take(after, no_names);
        if (counts_equal(before, after))
            return true;
        struct plain_rcv received;
        mach_port_t idle = kit_receive_right();
        (void)kit_receive(&received.header, sizeof(received), idle, 0, 5);
        kit_destroy(idle);
    }
    return false;
}

void nth_ran(struct nth *nth)
{
    nth->failed = inject_disarm();
    if (getenv("MACHOOL_TEST_VERBOSE") != NULL)
        fprintf(stderr, "    round %u: %s\n", nth->round,
                nth->failed != NULL ? nth->failed : "ran through");
}

bool nth_next(struct nth *nth)
{
    static struct counts before;
    static struct counts after;
    if (nth->round == 0) {
        machool_trim();
        counts_take(&before, no_names);
    } else {
        if (!settled(&before, &after)) {
            counts_print_difference(&before, &after);
            FAIL("left behind after call %u, %s, failed", nth->round,
                 nth->failed != NULL ? nth->failed : "none");
        }
        if (nth->failed == NULL)
            return false;
    }
    if (++nth->round > MOST_ROUNDS)
        FAIL("no end of calls");
    nth->failed = NULL;
    return true;
}

mach_msg_return_t nth_received(const struct nth *nth, mach_msg_return_t result,
                               mach_msg_header_t *header, mach_msg_size_t size, mach_port_t port,
                               mach_msg_id_t id)
{
    if (nth->failed == NULL)
        ASSERT_OK(result);
    if (header->msgh_id == id)
        return result;
    ASSERT_OK(kit_receive(header, size, port, 0, PATIENCE)); /* nothing is lost */
    return MACH_MSG_SUCCESS;
}

mach_msg_return_t nth_receive(struct nth *nth, mach_msg_header_t *header, mach_msg_size_t size,
                              mach_port_t port, mach_msg_id_t id)
{
    memset(header, 0, size);
    mach_msg_return_t result = NTH(nth, kit_receive(header, size, port, 0, PATIENCE));
    return nth_received(nth, result, header, size, port, id);
}

bool nth_came_back(const mach_msg_header_t *header)
{
    return MACH_MSGH_BITS_REMOTE(header->msgh_bits) == MACH_MSG_TYPE_MOVE_SEND;
}

void nth_child_ends(const struct nth *nth)
{
    _exit(nth->failed == NULL ? 1 : 0);
}

bool nth_child_ran_through(pid_t pid)
{
    int status = 0;
    ASSERT_EQ(pid, waitpid(pid, &status, 0));
    ASSERT(WIFEXITED(status));
    return WEXITSTATUS(status) == 1;
}
