/* The table of intervals against a plain array with a value for every page: whatever is set and
 * cleared, in whatever order, the two say the same, and no object is lost or kept too long. */
#include "vm_kit.h"

#include "vm/vm_range.h"

enum { PAGES = 64, STEPS = 20000, OBJECTS = 4 };

struct page {
    uint8_t max, inherit;
    struct vm_object *object;
    uint64_t offset;
};

static struct page model[PAGES];
static struct vm_object *objects[OBJECTS];

static uintptr_t address_of(unsigned page)
{
    return (uintptr_t)0x10000000 + page * PAGE;
}

static void compare(void)
{
    const struct vm_range *range;
    uintptr_t last = 0;
    uint32_t refs[OBJECTS] = {1, 1, 1, 1};
    for (unsigned i = 0; i < PAGES; i++) {
        struct vm_range at = vm_range_at(address_of(i));
        struct vm_range around = vm_range_around(address_of(i));
        CHECK(at.start == address_of(i) && at.end > at.start);
        CHECK(around.start <= at.start && around.end == at.end && around.max == at.max);
        CHECK(at.max == model[i].max && at.inherit == model[i].inherit);
        CHECK(at.object == model[i].object);
        CHECK(!at.object || at.offset == model[i].offset);
    }
    for (uintptr_t at = 0; (range = vm_range_next(at)); at = range->end) {
        CHECK(range->start >= last && range->start < range->end); /* sorted, never overlapping */
        CHECK(range->object || range->max != VM_PROT_ALL || range->inherit != VM_RANGE_UNSET);
        for (unsigned i = 0; i < OBJECTS; i++)
            refs[i] += range->object == objects[i];
        last = range->end;
    }
    for (unsigned i = 0; i < OBJECTS; i++)
        CHECK(objects[i]->refs == refs[i]);
}

static void step(unsigned *seed)
{
    unsigned first = next_random(seed) % PAGES;
    unsigned last = first + 1 + next_random(seed) % (PAGES - first);
    unsigned what = next_random(seed) % 5, value = next_random(seed);
    uintptr_t start = address_of(first), end = address_of(last);
    struct vm_object *object = value % 5 < OBJECTS ? objects[value % 5] : NULL;
    if (what == 0)
        CHECK(vm_range_set_max(start, end, value % 8) == 0);
    else if (what == 1)
        CHECK(vm_range_set_inherit(start, end, value % 4 == 3 ? VM_RANGE_UNSET : value % 4) == 0);
    else if (what == 2)
        CHECK(vm_range_set_object(start, end, object, value % 7 * PAGE) == 0);
    else
        vm_range_clear(start, end);
    for (unsigned i = first; i < last; i++) {
        struct page *page = &model[i];
        if (what == 0)
            page->max = value % 8;
        else if (what == 1)
            page->inherit = value % 4 == 3 ? VM_RANGE_UNSET : value % 4;
        else if (what == 2)
            *page = (struct page){page->max, page->inherit, object,
                                  value % 7 * PAGE + (i - first) * PAGE};
        else
            *page = (struct page){VM_PROT_ALL, VM_RANGE_UNSET, NULL, 0};
    }
}

int main(void)
{
    unsigned seed = 1;
    unsigned fds = count_fds();
    for (unsigned i = 0; i < OBJECTS; i++)
        CHECK(vm_object_new_zero(PAGE, &objects[i]) == 0);
    for (unsigned i = 0; i < PAGES; i++)
        model[i] = (struct page){VM_PROT_ALL, VM_RANGE_UNSET, NULL, 0};
    for (unsigned i = 0; i < STEPS; i++) {
        step(&seed);
        compare();
    }
    vm_range_clear(0, UINTPTR_MAX);
    CHECK(!vm_range_next(0));
    for (unsigned i = 0; i < OBJECTS; i++)
        vm_object_unref(objects[i]);
    CHECK(count_fds() == fds);
    return 0;
}
