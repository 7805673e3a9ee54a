/* Intrusive doubly linked list.
 *
 * A list is a ring of links with a head link of its own; a link that is in no list points to
 * itself, so removing twice is harmless. The list owns nothing: whoever embeds the link does.
 * No locking: the owner's lock covers it. */
#ifndef MACHOOL_UTIL_LIST_H
#define MACHOOL_UTIL_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct util_link {
    struct util_link *prev, *next;
};

#define UTIL_CONTAINER(pointer, type, member) ((type *)((char *)(pointer) - offsetof(type, member)))

/* Walks a list; `at` may be removed from it inside the loop body. */
#define UTIL_LIST_EACH(at, after, head)                                                            \
    for (struct util_link *at = (head)->next, *after = at->next; at != (head);                     \
         at = after, after = at->next)

static inline void util_list_init(struct util_link *link)
{
    link->prev = link->next = link;
}

static inline bool util_list_empty(const struct util_link *head)
{
    return head->next == head;
}

static inline void util_list_append(struct util_link *head, struct util_link *link)
{
    link->prev = head->prev;
    link->next = head;
    head->prev->next = link;
    head->prev = link;
}

static inline void util_list_prepend(struct util_link *head, struct util_link *link)
{
    util_list_append(head->next, link);
}

static inline void util_list_remove(struct util_link *link)
{
    link->prev->next = link->next;
    link->next->prev = link->prev;
    util_list_init(link);
}

static inline struct util_link *util_list_first(const struct util_link *head)
{
    return util_list_empty(head) ? NULL : head->next;
}

#endif
