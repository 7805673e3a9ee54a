/* See ipc_space.h. */
#include "ipc/ipc_space.h"

#include "ipc/ipc_port.h"
#include "ipc/ipc_task.h"

#include <stdlib.h>
#include <string.h>

#define SPACE_MAX (1u << 22) /* indexes; also the bound for names that a caller chooses */
#define GENERATION_FIRST 3u
#define GENERATION_STEP 4u

static struct ipc_space *space(void)
{
    return &ipc_task.space;
}

static uint32_t index_of(mach_port_name_t name)
{
    return name >> 8;
}

struct ipc_entry *ipc_space_find(mach_port_name_t name)
{
    uint32_t index = index_of(name);
    if (name == MACH_PORT_NULL || index >= space()->size)
        return NULL;
    struct ipc_entry *entry = &space()->entries[index];
    return entry->name == name ? entry : NULL;
}

/* Makes `index` valid. */
static bool reach(uint32_t index)
{
    if (index < space()->size)
        return true;
    uint32_t size = space()->size ? space()->size : 32;
    while (size <= index)
        size *= 2;
    if (index >= SPACE_MAX)
        return false;
    struct ipc_entry *entries = realloc(space()->entries, size * sizeof *entries);
    if (!entries)
        return false;
    memset(entries + space()->size, 0, (size - space()->size) * sizeof *entries);
    space()->entries = entries;
    space()->size = size;
    return true;
}

/* Generation of the name that an index will bear next. The last one it bore is kept in
 * `urefs` of the free entry. */
static uint32_t next_generation(const struct ipc_entry *entry)
{
    uint32_t generation = entry->urefs + GENERATION_STEP;
    return generation > 255 || entry->urefs == 0 ? GENERATION_FIRST : generation;
}

static struct ipc_entry *take(uint32_t index, mach_port_name_t name, struct ipc_port *port)
{
    struct ipc_entry *entry = &space()->entries[index];
    *entry = (struct ipc_entry){.name = name, .port = port};
    space()->used++;
    return entry;
}

struct ipc_entry *ipc_space_alloc(struct ipc_port *borrow_port)
{
    uint32_t index = space()->first_free;
    while (index && space()->entries[index].name) { /* taken by name meanwhile */
        index = space()->first_free = space()->entries[index].next_free;
    }
    if (index) {
        space()->first_free = space()->entries[index].next_free;
        if (!space()->first_free)
            space()->last_free = 0;
    } else {
        if (space()->fresh < IPC_SPACE_FIRST)
            space()->fresh = IPC_SPACE_FIRST;
        do {
            index = space()->fresh;
            if (!reach(index))
                return NULL;
            space()->fresh++;
        } while (space()->entries[index].name);
    }
    uint32_t generation = next_generation(&space()->entries[index]);
    return take(index, index << 8 | generation, borrow_port);
}

kern_return_t ipc_space_alloc_name(mach_port_name_t name, struct ipc_port *borrow_port,
                                   struct ipc_entry **ret_entry)
{
    uint32_t index = index_of(name);
    *ret_entry = NULL;
    if (index >= SPACE_MAX)
        return KERN_NO_SPACE;
    if ((name & GENERATION_FIRST) != GENERATION_FIRST)
        return KERN_INVALID_VALUE;
    if (index == 0)
        return KERN_FAILURE;
    if (!reach(index))
        return KERN_RESOURCE_SHORTAGE;
    if (space()->entries[index].name)
        return space()->entries[index].name == name ? KERN_NAME_EXISTS : KERN_FAILURE;
    *ret_entry = take(index, name, borrow_port);
    return KERN_SUCCESS;
}

kern_return_t ipc_space_rename(mach_port_name_t old, mach_port_name_t name)
{
    struct ipc_entry *to, *from;
    kern_return_t kr = ipc_space_alloc_name(name, NULL, &to);
    if (kr != KERN_SUCCESS)
        return kr;
    from = ipc_space_find(old);
    if (!from) {
        ipc_space_free(to);
        return KERN_INVALID_NAME;
    }
    *to = *from;
    to->name = name;
    if (to->port && to->port->name == old)
        to->port->name = name;
    ipc_space_free(from);
    return KERN_SUCCESS;
}

void ipc_space_free(struct ipc_entry *entry)
{
    uint32_t index = index_of(entry->name);
    uint32_t generation = entry->name & 255;
    *entry = (struct ipc_entry){.urefs = generation};
    space()->used--;
    if (index >= space()->fresh)
        return; /* was taken by name; the index comes up in its turn */
    if (space()->last_free)
        space()->entries[space()->last_free].next_free = index;
    else
        space()->first_free = index;
    space()->last_free = index;
}

struct ipc_entry *ipc_space_next(uint32_t *index)
{
    while (*index < space()->size) {
        struct ipc_entry *entry = &space()->entries[(*index)++];
        if (entry->name)
            return entry;
    }
    return NULL;
}

void ipc_space_reset(void)
{
    free(space()->entries);
    *space() = (struct ipc_space){0};
}
