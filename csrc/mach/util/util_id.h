/* 128-bit random identities: of tasks, of ports, of send-once rights.
 *
 * An id is a capability: who can present it may send. It comes from the kernel's generator and
 * is never derived from anything a stranger could know. The all-zero id means "none". */
#ifndef MACHOOL_UTIL_ID_H
#define MACHOOL_UTIL_ID_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/random.h>

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

/* A fresh id. getrandom of 16 bytes neither blocks nor fails once the system is up; the loop is
 * for the signal that may interrupt it before that. */
static inline struct util_id util_id_new(void)
{
    struct util_id id = {{0, 0}};
    while (getrandom(&id, sizeof id, 0) != (ssize_t)sizeof id || util_id_is_none(id))
        ;
    return id;
}

#endif
