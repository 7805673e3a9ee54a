/* See vm_range.h. */
#include "vm/vm_range.h"

#include <errno.h>
#include <mach/vm_inherit.h>
#include <mach/vm_prot.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static struct {
    struct vm_range *list;
    size_t used, size;
} ranges;

/* Index of the first interval that ends above `address`. */
static size_t lower_bound(uintptr_t address)
{
    size_t low = 0, high = ranges.used;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (ranges.list[middle].end <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct vm_range default_of(uintptr_t start, uintptr_t end)
{
    return (struct vm_range){
        .start = start, .end = end, .max = VM_PROT_ALL, .inherit = VM_RANGE_UNSET};
}

struct vm_range vm_range_at(uintptr_t address)
{
    size_t at = lower_bound(address);
    if (at == ranges.used)
        return default_of(address, UINTPTR_MAX);
    struct vm_range found = ranges.list[at];
    if (found.start > address)
        return default_of(address, found.start);
    found.offset += address - found.start;
    found.start = address;
    return found;
}

struct vm_range vm_range_around(uintptr_t address)
{
    size_t at = lower_bound(address);
    if (at < ranges.used && ranges.list[at].start <= address)
        return ranges.list[at];
    return default_of(at > 0 ? ranges.list[at - 1].end : 0,
                      at < ranges.used ? ranges.list[at].start : UINTPTR_MAX);
}

const struct vm_range *vm_range_next(uintptr_t address)
{
    size_t at = lower_bound(address);
    return at < ranges.used ? &ranges.list[at] : NULL;
}

size_t vm_range_count(void)
{
    return ranges.used;
}

/* Room for `count` more. */
static int make_room(size_t count)
{
    if (ranges.used + count <= ranges.size)
        return 0;
    size_t size = (ranges.used + count) * 2 + 14;
    struct vm_range *list = realloc(ranges.list, size * sizeof *list);
    if (!list)
        return -ENOMEM;
    ranges.list = list;
    ranges.size = size;
    return 0;
}

static void open_gap(size_t at)
{
    memmove(&ranges.list[at + 1], &ranges.list[at], (ranges.used - at) * sizeof *ranges.list);
    ranges.used++;
}

static void remove_at(size_t at)
{
    vm_object_unref(ranges.list[at].object);
    ranges.used--;
    memmove(&ranges.list[at], &ranges.list[at + 1], (ranges.used - at) * sizeof *ranges.list);
}

/* Makes `address` a boundary between intervals. There must be room. */
static void split(uintptr_t address)
{
    size_t at = lower_bound(address);
    if (at == ranges.used || ranges.list[at].start >= address)
        return;
    open_gap(at);
    struct vm_range *low = &ranges.list[at], *high = &ranges.list[at + 1];
    if (low->object)
        vm_object_ref(low->object);
    low->end = address;
    high->offset += address - high->start;
    high->start = address;
}

/* Intervals for every part of [start, end): both ends are boundaries, and gaps are filled with
 * default values. Index of the first one, or -ENOMEM. */
static long cover(uintptr_t start, uintptr_t end)
{
    size_t first = lower_bound(start), last = lower_bound(end);
    /* Two splits, and a gap before each interval and behind the last. */
    if (make_room(2 + (last - first + 2)) < 0)
        return -ENOMEM;
    split(start);
    split(end);
    first = lower_bound(start);
    size_t at = first;
    for (uintptr_t done = start; done < end; done = ranges.list[at++].end) {
        if (at < ranges.used && ranges.list[at].start == done)
            continue;
        uintptr_t gap_end = end;
        if (at < ranges.used && ranges.list[at].start < end)
            gap_end = ranges.list[at].start;
        open_gap(at);
        ranges.list[at] = default_of(done, gap_end);
    }
    return (long)first;
}

static bool says_nothing(const struct vm_range *range)
{
    return range->max == VM_PROT_ALL && range->inherit == VM_RANGE_UNSET && !range->object;
}

static bool continues(const struct vm_range *low, const struct vm_range *high)
{
    return low->end == high->start && low->max == high->max && low->inherit == high->inherit &&
           low->object == high->object &&
           (!low->object || low->offset + (low->end - low->start) == high->offset);
}

/* Drops intervals that say nothing and joins neighbours that say the same. */
static void tidy(uintptr_t start, uintptr_t end)
{
    size_t at = lower_bound(start);
    at = at > 0 ? at - 1 : 0;
    while (at < ranges.used && ranges.list[at].start <= end) {
        if (says_nothing(&ranges.list[at])) {
            remove_at(at);
        } else if (at + 1 < ranges.used && continues(&ranges.list[at], &ranges.list[at + 1])) {
            ranges.list[at].end = ranges.list[at + 1].end;
            remove_at(at + 1);
        } else {
            at++;
        }
    }
}

int vm_range_set_max(uintptr_t start, uintptr_t end, uint8_t max)
{
    long first = cover(start, end);
    if (first < 0)
        return (int)first;
    for (size_t i = (size_t)first; i < ranges.used && ranges.list[i].start < end; i++)
        ranges.list[i].max = max;
    tidy(start, end);
    return 0;
}

int vm_range_set_inherit(uintptr_t start, uintptr_t end, uint8_t inherit)
{
    long first = cover(start, end);
    if (first < 0)
        return (int)first;
    for (size_t i = (size_t)first; i < ranges.used && ranges.list[i].start < end; i++)
        ranges.list[i].inherit = inherit;
    tidy(start, end);
    return 0;
}

int vm_range_set_object(uintptr_t start, uintptr_t end, struct vm_object *object, uint64_t offset)
{
    long first = cover(start, end);
    if (first < 0)
        return (int)first;
    for (size_t i = (size_t)first; i < ranges.used && ranges.list[i].start < end; i++) {
        struct vm_range *range = &ranges.list[i];
        if (object)
            vm_object_ref(object);
        vm_object_unref(range->object);
        range->object = object;
        range->offset = object ? offset + (range->start - start) : 0;
    }
    tidy(start, end);
    return 0;
}

void vm_range_clear(uintptr_t start, uintptr_t end)
{
    size_t at = lower_bound(start);
    if (at == ranges.used || ranges.list[at].start >= end)
        return;
    if (ranges.list[at].start < start && ranges.list[at].end > end && make_room(1) < 0) {
        ranges.list[at].end = start; /* out of memory: what lies behind is forgotten, too */
        return;
    }
    if (ranges.list[at].start < start && ranges.list[at].end > end)
        split(start);
    while ((at = lower_bound(start)) < ranges.used && ranges.list[at].start < end) {
        struct vm_range *range = &ranges.list[at];
        if (range->start < start) {
            range->end = start;
        } else if (range->end > end) {
            range->offset += range->object ? end - range->start : 0;
            range->start = end;
        } else {
            remove_at(at);
        }
    }
}

void vm_range_remark(uintptr_t start, uintptr_t end)
{
    for (size_t i = lower_bound(start); i < ranges.used && ranges.list[i].start < end; i++) {
        const struct vm_range *range = &ranges.list[i];
        if (range->inherit != VM_INHERIT_NONE)
            continue;
        uintptr_t low = range->start > start ? range->start : start;
        uintptr_t high = range->end < end ? range->end : end;
        (void)madvise((void *)low, high - low, MADV_DONTFORK);
    }
}
