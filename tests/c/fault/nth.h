/* The loop of the fault tests: an operation runs again and again, its first failing call being the
 * first, the second, the third ... it makes, until it runs through without one. After each round
 * the test puts things right as a caller would, and nothing may be left behind. */
#ifndef TESTS_FAULT_NTH_H
#define TESTS_FAULT_NTH_H

#include "inject.h"

#include "harness/mach_kit.h"

#define GATE_FAULTS() GATE_DARWIN("the kernel's calls cannot be made to fail or stop from outside")

struct nth {
    unsigned round;
    const char *failed; /* after the call: the name of what failed in it, or NULL */
};

/* True: another round is to be run. Checks what the round before it left behind. */
bool nth_next(struct nth *nth);
void nth_ran(struct nth *nth); /* for NTH: the round's call has returned */

/* result = NTH(&nth, call): the call with the round's failure. */
#define NTH(nth, call)                                                                             \
    ({                                                                                             \
        inject_arm((nth)->round - 1);                                                              \
        __typeof__(call) nth_result_ = (call);                                                     \
        nth_ran(nth);                                                                              \
        nth_result_;                                                                               \
    })

/* After a receive in a round: if what came is not `id`, that has stayed in the queue, and is received
 * now. Returns the result that counts. */
mach_msg_return_t nth_received(const struct nth *nth, mach_msg_return_t result,
                               mach_msg_header_t *header, mach_msg_size_t size, mach_port_t port,
                               mach_msg_id_t id);
/* A receive with the round's failure, into zeros, and nth_received. */
mach_msg_return_t nth_receive(struct nth *nth, mach_msg_header_t *header, mach_msg_size_t size,
                              mach_port_t port, mach_msg_id_t id);
/* The message came back with what it held, as if received: the caller is to destroy it. */
bool nth_came_back(const mach_msg_header_t *header);
/* For rounds in forked children: the child's last call, and whether the round was the last one. */
_Noreturn void nth_child_ends(const struct nth *nth);
bool nth_child_ran_through(pid_t pid);

#endif
