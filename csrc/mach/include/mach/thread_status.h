/*
 * A thread's registers, as words. No call here reads or writes them.
 */
#ifndef MACHOOL_MACH_THREAD_STATUS_H
#define MACHOOL_MACH_THREAD_STATUS_H

#include <mach/machine/vm_types.h>

/* Words of the largest state. */
#define THREAD_STATE_MAX 1296

typedef natural_t *thread_state_t;
typedef natural_t thread_state_data_t[THREAD_STATE_MAX];

typedef int thread_state_flavor_t;
typedef thread_state_flavor_t *thread_state_flavor_array_t;

#define THREAD_STATE_FLAVOR_LIST 0
#define THREAD_STATE_FLAVOR_LIST_NEW 128

#endif
