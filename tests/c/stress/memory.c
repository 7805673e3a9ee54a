/* Random sequences of everything that can be done to memory, against a small model.
 *
 * The model is a set of stores, each a value for every page, and of mappings, each of a part of a
 * store: what shares memory maps the same store, what copies it gets a store of its own. Each page's
 * value is written at both of its ends. All mappings are looked at again and again, by forked
 * children too. MACHOOL_TEST_SEED repeats a run. */
#include "harness/mach_kit.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PAGES = 48, MAPPINGS = 20, STEPS = 20000, THREADS = 3 };

static const vm_prot_t RW = VM_PROT_READ | VM_PROT_WRITE;

struct store {
    unsigned refs;
    uint64_t value[PAGES];
};

struct mapping {
    char *at;
    unsigned pages, first; /* `first`: of the store */
    vm_inherit_t inheritance;
    struct store *store;
};

struct model {
    unsigned seed;
    unsigned count;
    struct mapping mappings[MAPPINGS];
    uint64_t last;
    mach_port_t port;
};

static unsigned below(struct model *model, unsigned limit)
{
    model->seed = model->seed * 1664525u + 1013904223u;
    return (model->seed >> 8) % limit;
}

/* ---- looking and writing --------------------------------------------------------------------- */

static uint64_t *low_end(const struct mapping *mapping, unsigned page)
{
    return (uint64_t *)(void *)(mapping->at + page * vm_page_size);
}

static uint64_t *high_end(const struct mapping *mapping, unsigned page)
{
    return low_end(mapping, page + 1) - 1;
}

static void check(const struct mapping *mapping)
{
    for (unsigned i = 0; i < mapping->pages; i++) {
        ASSERT_EQ(mapping->store->value[mapping->first + i], *low_end(mapping, i));
        ASSERT_EQ(mapping->store->value[mapping->first + i], *high_end(mapping, i));
    }
}

static void check_all(const struct model *model)
{
    for (unsigned i = 0; i < model->count; i++)
        check(&model->mappings[i]);
}

static void put(struct mapping *mapping, unsigned page, uint64_t value)
{
    *low_end(mapping, page) = *high_end(mapping, page) = value;
    mapping->store->value[mapping->first + page] = value;
}

/* ---- the model ------------------------------------------------------------------------------- */

static struct store *store_new(void)
{
    struct store *store = calloc(1, sizeof(*store));
    ASSERT(store);
    return store;
}

/* A store with the values that part of a mapping has now. */
static struct store *store_copy(const struct mapping *from, unsigned page, unsigned pages)
{
    struct store *store = store_new();
    memcpy(store->value, &from->store->value[from->first + page], pages * sizeof(uint64_t));
    return store;
}

static void add(struct model *model, void *at, unsigned pages, struct store *store, unsigned first)
{
    ASSERT(model->count < MAPPINGS);
    store->refs++;
    model->mappings[model->count++] = (struct mapping){at, pages, first, VM_INHERIT_COPY, store};
}

static void forget(struct model *model, unsigned which)
{
    struct store *store = model->mappings[which].store;
    if (--store->refs == 0)
        free(store);
    model->mappings[which] = model->mappings[--model->count];
}

/* ---- what is done ---------------------------------------------------------------------------- */

static void allocate(struct model *model)
{
    unsigned pages = 1 + below(model, PAGES);
    add(model, kit_allocate(pages * vm_page_size), pages, store_new(), 0);
}

/* An entry of as many pages as are one object, or of all if that can be. */
static mach_port_t entry_of(const struct mapping *mapping, unsigned page, unsigned *pages, bool all)
{
    memory_object_size_t size = *pages * vm_page_size;
    mach_port_t entry = MACH_PORT_NULL;
    const memory_object_offset_t at = (memory_object_offset_t)(uintptr_t)low_end(mapping, page);
    if (all && mach_make_memory_entry_64(mach_task_self(), &size, at, RW | MAP_MEM_VM_SHARE, &entry,
                                         MACH_PORT_NULL) == KERN_SUCCESS)
        return entry;
    ASSERT_OK(mach_make_memory_entry_64(mach_task_self(), &size,
                                        (memory_object_offset_t)(uintptr_t)low_end(mapping, page),
                                        RW, &entry, MACH_PORT_NULL));
    ASSERT(size > 0 && size <= *pages * vm_page_size && size % vm_page_size == 0);
    *pages = (unsigned)(size / vm_page_size);
    return entry;
}

static void map_by_entry(struct model *model, struct mapping *from, unsigned page, unsigned pages,
                         bool copy)
{
    mach_vm_address_t at = 0;
    mach_port_t entry = entry_of(from, page, &pages, below(model, 3) == 0);
    ASSERT_OK(mach_vm_map(mach_task_self(), &at, pages * vm_page_size, 0, VM_FLAGS_ANYWHERE, entry,
                          0, copy, RW, RW, VM_INHERIT_DEFAULT));
    kit_deallocate(entry);
    add(model, (void *)(uintptr_t)at, pages, copy ? store_copy(from, page, pages) : from->store,
        copy ? 0 : from->first + page);
}

static void remap(struct model *model, struct mapping *from, unsigned page, unsigned pages,
                  bool copy)
{
    vm_address_t at = 0;
    vm_prot_t current, maximum;
    ASSERT_OK(vm_remap(mach_task_self(), &at, pages * vm_page_size, 0, VM_FLAGS_ANYWHERE,
                       mach_task_self(), (vm_address_t)low_end(from, page), copy, &current,
                       &maximum, VM_INHERIT_DEFAULT));
    ASSERT_EQ(RW, current);
    add(model, (void *)at, pages, copy ? store_copy(from, page, pages) : from->store,
        copy ? 0 : from->first + page);
}

static void read_part(struct model *model, struct mapping *from, unsigned page, unsigned pages)
{
    vm_offset_t data;
    mach_msg_type_number_t count;
    ASSERT_OK(vm_read(mach_task_self(), (vm_address_t)low_end(from, page), pages * vm_page_size,
                      &data, &count));
    add(model, (void *)data, pages, store_copy(from, page, pages), 0);
}

/* A message to oneself, which may take the whole mapping along. */
static void send(struct model *model, unsigned which, bool moves)
{
    struct mapping from = model->mappings[which];
    struct ool_msg message;
    struct ool_rcv received;
    kit_ool_msg(&message, model->port, 1, from.at, from.pages * vm_page_size, MACH_MSG_VIRTUAL_COPY,
                moves);
    ASSERT_OK(kit_send(&message.header, 0, 0));
    struct store *store = store_copy(&from, 0, from.pages);
    if (moves)
        forget(model, which);
    else
        put(&model->mappings[which], 0, ++model->last); /* the message has the old value */
    ASSERT_OK(kit_receive(&received.header, sizeof(received), model->port, 0, PATIENCE));
    add(model, received.ool[0].address, from.pages, store, 0);
}

static void copy_pages(struct model *model, struct mapping *from)
{
    struct mapping *to = &model->mappings[below(model, model->count)];
    unsigned page = below(model, from->pages), target = below(model, to->pages);
    uint64_t value = from->store->value[from->first + page];
    if (below(model, 2))
        ASSERT_OK(vm_copy(mach_task_self(), (vm_address_t)low_end(from, page), vm_page_size,
                          (vm_address_t)low_end(to, target)));
    else
        ASSERT_OK(vm_write(mach_task_self(), (vm_address_t)low_end(to, target),
                           (vm_offset_t)low_end(from, page), (mach_msg_type_number_t)vm_page_size));
    to->store->value[to->first + target] = value;
}

static void protect(const struct mapping *mapping)
{
    vm_size_t size = mapping->pages * vm_page_size;
    ASSERT_OK(vm_protect(mach_task_self(), (vm_address_t)mapping->at, size, FALSE, VM_PROT_READ));
    check(mapping);
    ASSERT_OK(vm_protect(mach_task_self(), (vm_address_t)mapping->at, size, FALSE, RW));
}

static void free_some(struct model *model, unsigned which)
{
    struct mapping *mapping = &model->mappings[which];
    unsigned page = below(model, mapping->pages), pages = 1 + below(model, mapping->pages - page);
    struct mapping old = *mapping;
    unsigned rest = old.pages - page - pages;
    if ((page > 0) + (rest > 0) > 1 && model->count == MAPPINGS)
        return;
    kit_free(low_end(&old, page), pages * vm_page_size);
    old.store->refs++;
    forget(model, which);
    if (page > 0)
        add(model, old.at, page, old.store, old.first);
    if (page > 0)
        model->mappings[model->count - 1].inheritance = old.inheritance;
    if (rest > 0)
        add(model, low_end(&old, page + pages), rest, old.store, old.first + page + pages);
    if (rest > 0)
        model->mappings[model->count - 1].inheritance = old.inheritance;
    if (--old.store->refs == 0)
        free(old.store);
}

static void inherit(struct mapping *mapping, vm_inherit_t inheritance)
{
    ASSERT_OK(vm_inherit(mach_task_self(), (vm_address_t)mapping->at, mapping->pages * vm_page_size,
                         inheritance));
    mapping->inheritance = inheritance;
}

/* What a child sees and does: copies are its own, what is shared it may change for all. */
static void be_a_child(struct model *model, uint64_t shared_value)
{
    for (unsigned i = 0; i < model->count; i++) {
        struct mapping *mapping = &model->mappings[i];
        if (mapping->inheritance == VM_INHERIT_NONE)
            ASSERT(!kit_is_readable(mapping->at));
        else
            check(mapping);
    }
    for (unsigned i = 0; i < model->count; i++) {
        struct mapping *mapping = &model->mappings[i];
        if (mapping->inheritance == VM_INHERIT_COPY)
            memset(mapping->at, 0xcc, mapping->pages * vm_page_size);
    }
    for (unsigned i = 0; i < model->count; i++) {
        if (model->mappings[i].inheritance == VM_INHERIT_SHARE)
            put(&model->mappings[i], 0, shared_value);
    }
}

static void fork_one(struct model *model)
{
    uint64_t shared_value = ++model->last;
    pid_t pid = (pid_t)ASSERT_SYS(fork());
    if (pid == 0) {
        be_a_child(model, shared_value);
        _exit(0);
    }
    kit_wait_child(pid);
    for (unsigned i = 0; i < model->count; i++) {
        struct mapping *mapping = &model->mappings[i];
        if (mapping->inheritance == VM_INHERIT_SHARE)
            mapping->store->value[mapping->first] = shared_value;
    }
}

static void step(struct model *model)
{
    if (model->count == 0 || (model->count < MAPPINGS / 2 && below(model, 8) == 0)) {
        allocate(model);
        return;
    }
    unsigned which = below(model, model->count), what = below(model, 24);
    struct mapping *mapping = &model->mappings[which];
    unsigned page = below(model, mapping->pages), pages = 1 + below(model, mapping->pages - page);
    bool full = model->count == MAPPINGS, second = below(model, 2) == 0;
    if (what < 8)
        put(mapping, page, ++model->last);
    else if (what < 10 && !full)
        map_by_entry(model, mapping, page, pages, second);
    else if (what < 12 && !full)
        remap(model, mapping, page, pages, second);
    else if (what == 12 && !full)
        read_part(model, mapping, page, pages);
    else if (what == 13 && !full)
        send(model, which, second);
    else if (what == 14)
        copy_pages(model, mapping);
    else if (what == 15)
        protect(mapping);
    else if (what < 18)
        inherit(mapping, below(model, 3));
    else if (what == 18)
        fork_one(model);
    else if (what > 20 || full)
        free_some(model, which);
}

static void *play(void *argument)
{
    struct model *model = argument;
    model->port = kit_port();
    for (unsigned i = 0; i < STEPS; i++) {
        step(model);
        if (i % 8 == 0)
            check_all(model);
    }
    check_all(model);
    while (model->count > 0) {
        kit_free(model->mappings[0].at, model->mappings[0].pages * vm_page_size);
        forget(model, 0);
    }
    kit_destroy(model->port);
    return NULL;
}

TEST_FOR(memory_against_a_model, 60)
{
    static struct model model;
    model.seed = kit_random(1u << 30);
    play(&model);
}

TEST_FOR(memory_against_a_model_in_threads, 60)
{
    static struct model models[THREADS];
    pthread_t threads[THREADS];
    for (unsigned i = 0; i < THREADS; i++) {
        models[i].seed = kit_random(1u << 30);
        threads[i] = kit_thread(play, &models[i]);
    }
    for (unsigned i = 0; i < THREADS; i++)
        kit_join(threads[i]);
}
