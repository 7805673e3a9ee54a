/* The loop of the fault tests: an operation runs again and again, its first failing call being the
 * first, the second, the third ... it makes, until it runs through without one. After each round
 * the test puts things right as a caller would, and nothing may be left behind. */
#ifndef TESTS_FAULT_NTH_H
#define TESTS_FAULT_NTH_H

#include "inject.h"

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

#endif
