/* See util_id.h. */
#include "util/util_id.h"

#include <string.h>
#include <sys/random.h>

#define POOL                                                                                       \
    64 /* ids fetched from the kernel at once: a system call for each is a tenth of a send */

static struct {
    struct util_id ids[POOL];
    unsigned left;
} pool;

static void refill(void)
{
    size_t have = 0;
    while (have < sizeof pool.ids) { /* a signal may cut it short before the system is up */
        ssize_t r = getrandom((char *)pool.ids + have, sizeof pool.ids - have, 0);
        have += r > 0 ? (size_t)r : 0;
    }
    pool.left = POOL;
}

struct util_id util_id_new(void)
{
    struct util_id id = {{0, 0}};
    while (util_id_is_none(id)) {
        if (pool.left == 0)
            refill();
        id = pool.ids[--pool.left];
        memset(&pool.ids[pool.left], 0, sizeof id);
    }
    return id;
}

void util_id_forget(void)
{
    memset(&pool, 0, sizeof pool);
}
