/* See util_idmap.h. */
#include "util/util_idmap.h"

#include <errno.h>
#include <stdlib.h>

static size_t bucket_of(const struct util_idmap *map, struct util_id id)
{
    return (size_t)id.w[0] & (map->size - 1);
}

static int grow(struct util_idmap *map)
{
    size_t size = map->size ? map->size * 2 : 64;
    struct util_idnode **buckets = calloc(size, sizeof *buckets);
    if (!buckets)
        return map->size ? 0 : -ENOMEM; /* longer chains are slower, not wrong */
    struct util_idmap grown = {.buckets = buckets, .size = size, .count = map->count};
    for (size_t i = 0; i < map->size; i++) {
        for (struct util_idnode *node = map->buckets[i], *after; node; node = after) {
            after = node->chain;
            struct util_idnode **slot = &buckets[bucket_of(&grown, node->id)];
            node->chain = *slot;
            *slot = node;
        }
    }
    free(map->buckets);
    *map = grown;
    return 0;
}

int util_idmap_insert(struct util_idmap *map, struct util_idnode *node)
{
    if (map->count >= map->size) {
        int r = grow(map);
        if (r < 0)
            return r;
    }
    struct util_idnode **slot = &map->buckets[bucket_of(map, node->id)];
    node->chain = *slot;
    *slot = node;
    map->count++;
    return 0;
}

struct util_idnode *util_idmap_find(const struct util_idmap *map, struct util_id id)
{
    if (!map->size)
        return NULL;
    struct util_idnode *node = map->buckets[bucket_of(map, id)];
    while (node && !util_id_equal(node->id, id))
        node = node->chain;
    return node;
}

void util_idmap_remove(struct util_idmap *map, struct util_idnode *node)
{
    if (!map->size)
        return;
    struct util_idnode **slot = &map->buckets[bucket_of(map, node->id)];
    while (*slot && *slot != node)
        slot = &(*slot)->chain;
    if (!*slot)
        return;
    *slot = node->chain;
    node->chain = NULL;
    map->count--;
}

struct util_idnode *util_idmap_next(const struct util_idmap *map, const struct util_idnode *node)
{
    size_t i = 0;
    if (node) {
        if (node->chain)
            return node->chain;
        i = bucket_of(map, node->id) + 1;
    }
    for (; i < map->size; i++) {
        if (map->buckets[i])
            return map->buckets[i];
    }
    return NULL;
}

void util_idmap_deinit(struct util_idmap *map)
{
    free(map->buckets);
    *map = (struct util_idmap){0};
}
