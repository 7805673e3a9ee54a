/* 128-bit random identities: of tasks, of ports, of send-once rights.
 *
 * An id is a capability: who can present it may send. It comes from the kernel's generator and
 * is never derived from anything a stranger could know. The all-zero id means "none". */
#ifndef MACHOOL_UTIL_ID_H
#define MACHOOL_UTIL_ID_H

#include <stdbool.h>
#include <stdint.h>

struct util_id {
    uint64_t w[2];
};

static inline bool util_id_equal(struct util_id a, struct util_id b)
{
    return a.w[0] == b.w[0] && a.w[1] == b.w[1];
}

static inline bool util_id_is_none(struct util_id id)
{
    return (id.w[0] | id.w[1]) == 0;
}

/* A fresh id. Under the task lock. */
struct util_id util_id_new(void);
/* A forked child must not hand out the ids that its parent will. */
void util_id_forget(void);

#endif
