/* Map from 128-bit id to whatever embeds the node.
 *
 * Chained buckets that double when full; the map owns only its bucket array. Ids are random, so
 * their low bits serve as hash; a peer that chooses ids badly only lengthens chains of its own
 * rights. No locking: the owner's lock covers it. */
#ifndef MACHOOL_UTIL_IDMAP_H
#define MACHOOL_UTIL_IDMAP_H

#include "util/util_id.h"

#include <stddef.h>

struct util_idnode {
    struct util_id id;
    struct util_idnode *chain;
};

struct util_idmap {
    struct util_idnode **buckets;
    size_t size; /* power of two, or 0 before the first insert */
    size_t count;
};

/* Puts a node, whose id is set and not yet in the map, into it. 0 or -ENOMEM. */
int util_idmap_insert(struct util_idmap *map, struct util_idnode *node);

/* The node of that id, or NULL. */
struct util_idnode *util_idmap_find(const struct util_idmap *map, struct util_id id);

/* Takes the node out; harmless when it is not in. */
void util_idmap_remove(struct util_idmap *map, struct util_idnode *node);

/* The next node after `node` in no particular order (NULL: the first); NULL at the end. */
struct util_idnode *util_idmap_next(const struct util_idmap *map, const struct util_idnode *node);

/* Frees the bucket array; the nodes are their owners'. */
void util_idmap_deinit(struct util_idmap *map);

#endif
