/* What is mapped: vm_region and vm_region_recurse in all their forms.
 *
 * Places and protections are the kernel's, maximum and inheritance the layer's, numbers of pages
 * those of /proc/self/smaps. There are no submaps. */
#include "api/vm_args.h"
#include "os/os_maps.h"
#include "os/os_smaps.h"
#include "vm/vm_map.h"
#include "vm/vm_range.h"

#include <mach/mach_vm.h>
#include <stddef.h>
#include <string.h>

struct facts { /* about one region */
    uintptr_t start, end;
    struct os_mapping mapping;
    vm_prot_t max;
    vm_inherit_t inherit;
    bool shared;       /* with other mappings, or other tasks */
    bool cow;          /* pages are shared until they are written */
    bool pager;        /* a file, or what the program itself made of one */
    unsigned int refs; /* of its object */
    struct os_smaps smaps;
};

/* What the layer knows of a mapping. With the lock. */
static void look_up(struct facts *facts, uintptr_t at)
{
    const struct os_mapping *m = &facts->mapping;
    struct vm_range range = vm_range_around(at);
    const struct vm_region *region = vm_map_covering(at);
    facts->start = range.start > m->start ? range.start : m->start;
    facts->end = range.end < m->end ? range.end : m->end;
    facts->max = range.max;
    bool foreign = m->shared && !range.object && !region;
    facts->inherit = range.inherit != VM_RANGE_UNSET ? range.inherit
                     : foreign                       ? VM_INHERIT_SHARE
                                                     : VM_INHERIT_COPY;
    facts->shared = range.object || foreign;
    facts->cow = !m->shared && m->inode != 0;
    facts->pager = m->inode != 0 && !region && !range.object;
    facts->refs = range.object && range.object->refs > 1 ? range.object->refs
                  : facts->shared || facts->cow          ? 2
                                                         : 1;
}

/* The region that covers an address, or the first one above. */
static kern_return_t region_at(mach_vm_address_t address, bool pages, struct facts *ret_facts)
{
    struct facts facts = {0};
    int r = os_maps_next((uintptr_t)address, &facts.mapping);
    if (r < 0 && r != -ENOENT)
        return KERN_RESOURCE_SHORTAGE;
    if (r < 0 || facts.mapping.start > INTPTR_MAX) /* the kernel's own page is not the task's */
        return KERN_INVALID_ADDRESS;
    uintptr_t at = facts.mapping.start > address ? facts.mapping.start : (uintptr_t)address;
    vm_map_lock();
    look_up(&facts, at);
    vm_map_unlock();
    if (pages)
        (void)os_smaps_at(at, &facts.smaps);
    *ret_facts = facts;
    return KERN_SUCCESS;
}

static unsigned int pages_of(const struct facts *facts, uint64_t bytes)
{
    uint64_t size = facts->end - facts->start;
    return (unsigned int)((bytes < size ? bytes : size) / vm_page_size);
}

static bool is_empty(const struct facts *facts)
{
    return !facts->shared && !facts->cow && facts->smaps.resident == 0 && facts->smaps.swapped == 0;
}

static unsigned char share_mode(const struct facts *facts)
{
    return is_empty(facts) ? SM_EMPTY
           : facts->shared ? SM_SHARED
           : facts->cow    ? SM_COW
                           : SM_PRIVATE;
}

static unsigned int references(const struct facts *facts)
{
    return is_empty(facts) ? 0 : facts->refs;
}

static vm_object_id_t object_of(const struct facts *facts)
{
    return facts->mapping.inode ? facts->mapping.inode : facts->start / vm_page_size;
}

/* ---- the flavors ----------------------------------------------------------------------------- */

static void basic_64(const struct facts *facts, void *info)
{
    vm_region_basic_info_data_64_t basic = {
        .protection = facts->mapping.protection,
        .max_protection = facts->max,
        .inheritance = facts->inherit,
        .shared = facts->shared,
        .offset = facts->mapping.offset + (facts->start - facts->mapping.start),
    };
    memcpy(info, &basic, sizeof basic);
}

static void basic_32(const struct facts *facts, void *info)
{
    vm_region_basic_info_data_t basic = {
        .protection = facts->mapping.protection,
        .max_protection = facts->max,
        .inheritance = facts->inherit,
        .shared = facts->shared,
        .offset = (uint32_t)(facts->mapping.offset + (facts->start - facts->mapping.start)),
    };
    memcpy(info, &basic, sizeof basic);
}

static void extended(const struct facts *facts, void *info)
{
    vm_region_extended_info_data_t more = {
        .protection = facts->mapping.protection,
        .pages_resident = pages_of(facts, facts->smaps.resident),
        .pages_shared_now_private = facts->cow ? pages_of(facts, facts->smaps.anonymous) : 0,
        .pages_swapped_out = pages_of(facts, facts->smaps.swapped),
        .pages_dirtied = pages_of(facts, facts->smaps.dirty),
        .ref_count = references(facts),
        .external_pager = facts->pager,
        .share_mode = share_mode(facts),
    };
    memcpy(info, &more, sizeof more);
}

static void top(const struct facts *facts, void *info)
{
    uint64_t others = facts->smaps.shared < facts->smaps.resident ? facts->smaps.shared
                                                                  : facts->smaps.resident;
    vm_region_top_info_data_t top_info = {
        .obj_id = (unsigned int)object_of(facts),
        .ref_count = references(facts),
        .private_pages_resident = pages_of(facts, facts->smaps.resident - others),
        .shared_pages_resident = pages_of(facts, others),
        .share_mode = share_mode(facts),
    };
    memcpy(info, &top_info, sizeof top_info);
}

static const struct flavor {
    vm_region_flavor_t flavor;
    mach_msg_type_number_t count;
    bool pages;
    void (*fill)(const struct facts *facts, void *info);
} flavors[] = {
    {VM_REGION_BASIC_INFO_64, VM_REGION_BASIC_INFO_COUNT_64, false, basic_64},
    {VM_REGION_BASIC_INFO, VM_REGION_BASIC_INFO_COUNT, false, basic_32},
    {VM_REGION_EXTENDED_INFO, VM_REGION_EXTENDED_INFO_COUNT, true, extended},
    {VM_REGION_TOP_INFO, VM_REGION_TOP_INFO_COUNT, true, top},
};

kern_return_t mach_vm_region(vm_map_read_t task, mach_vm_address_t *address, mach_vm_size_t *size,
                             vm_region_flavor_t flavor, vm_region_info_t info,
                             mach_msg_type_number_t *count, mach_port_t *object_name)
{
    const struct flavor *wanted = NULL;
    struct facts facts;
    if (task != mach_task_self_)
        return MACH_SEND_INVALID_DEST;
    for (size_t i = 0; i < sizeof flavors / sizeof flavors[0]; i++) {
        if (flavors[i].flavor == flavor)
            wanted = &flavors[i];
    }
    if (!wanted || *count < wanted->count)
        return KERN_INVALID_ARGUMENT;
    kern_return_t kr = region_at(*address, wanted->pages, &facts);
    if (kr != KERN_SUCCESS)
        return kr;
    wanted->fill(&facts, info);
    *count = wanted->count;
    *address = facts.start;
    *size = facts.end - facts.start;
    if (object_name)
        *object_name = MACH_PORT_NULL;
    return KERN_SUCCESS;
}

/* ---- the recursive ones ---------------------------------------------------------------------- */

static void submap_64(const struct facts *facts, vm_region_submap_info_data_64_t *ret_info)
{
    *ret_info = (vm_region_submap_info_data_64_t){
        .protection = facts->mapping.protection,
        .max_protection = facts->max,
        .inheritance = facts->inherit,
        .offset = facts->mapping.offset + (facts->start - facts->mapping.start),
        .pages_resident = pages_of(facts, facts->smaps.resident),
        .pages_shared_now_private = facts->cow ? pages_of(facts, facts->smaps.anonymous) : 0,
        .pages_swapped_out = pages_of(facts, facts->smaps.swapped),
        .pages_dirtied = pages_of(facts, facts->smaps.dirty),
        .ref_count = references(facts),
        .external_pager = facts->pager,
        .share_mode = share_mode(facts),
        .object_id = (vm32_object_id_t)object_of(facts),
        .object_id_full = object_of(facts),
    };
}

static void submap_short(const struct facts *facts, void *info)
{
    vm_region_submap_short_info_data_64_t brief = {
        .protection = facts->mapping.protection,
        .max_protection = facts->max,
        .inheritance = facts->inherit,
        .offset = facts->mapping.offset + (facts->start - facts->mapping.start),
        .ref_count = references(facts),
        .external_pager = facts->pager,
        .share_mode = share_mode(facts),
        .object_id = (vm32_object_id_t)object_of(facts),
    };
    memcpy(info, &brief, sizeof brief);
}

static void submap_32(const struct facts *facts, void *info)
{
    vm_region_submap_info_data_64_t wide;
    submap_64(facts, &wide);
    vm_region_submap_info_data_t narrow = {
        .protection = wide.protection,
        .max_protection = wide.max_protection,
        .inheritance = wide.inheritance,
        .offset = (uint32_t)wide.offset,
        .pages_resident = wide.pages_resident,
        .pages_shared_now_private = wide.pages_shared_now_private,
        .pages_swapped_out = wide.pages_swapped_out,
        .pages_dirtied = wide.pages_dirtied,
        .ref_count = wide.ref_count,
        .external_pager = wide.external_pager,
        .share_mode = wide.share_mode,
        .object_id = wide.object_id,
    };
    memcpy(info, &narrow, sizeof narrow);
}

/* How many words of the long form a caller with `count` of them gets: the form has grown, and older
 * programs know its first part only. 0: it is the short form. */
static mach_msg_type_number_t words_of(mach_msg_type_number_t count)
{
    size_t first = offsetof(vm_region_submap_info_data_64_t, pages_reusable) / sizeof(natural_t);
    if (count >= VM_REGION_SUBMAP_INFO_COUNT_64)
        return VM_REGION_SUBMAP_INFO_COUNT_64;
    return count >= first ? count : 0;
}

kern_return_t mach_vm_region_recurse(vm_map_read_t task, mach_vm_address_t *address,
                                     mach_vm_size_t *size, natural_t *depth,
                                     vm_region_recurse_info_t info, mach_msg_type_number_t *count)
{
    struct facts facts;
    vm_region_submap_info_data_64_t all;
    if (task != mach_task_self_)
        return MACH_SEND_INVALID_DEST;
    if (*count < VM_REGION_SUBMAP_SHORT_INFO_COUNT_64)
        return KERN_INVALID_ARGUMENT;
    kern_return_t kr = region_at(*address, true, &facts);
    if (kr != KERN_SUCCESS)
        return kr;
    mach_msg_type_number_t words = words_of(*count);
    if (words > 0) {
        submap_64(&facts, &all);
        memcpy(info, &all, words * sizeof(natural_t));
        *count = words;
    } else {
        submap_short(&facts, info);
        *count = VM_REGION_SUBMAP_SHORT_INFO_COUNT_64;
    }
    *address = facts.start;
    *size = facts.end - facts.start;
    *depth = 0;
    return KERN_SUCCESS;
}

kern_return_t vm_region_recurse(vm_map_read_t task, vm_address_t *address, vm_size_t *size,
                                natural_t *depth, vm_region_recurse_info_t info,
                                mach_msg_type_number_t *count)
{
    struct facts facts;
    if (task != mach_task_self_)
        return MACH_SEND_INVALID_DEST;
    if (*count < VM_REGION_SUBMAP_INFO_COUNT)
        return KERN_INVALID_ARGUMENT;
    kern_return_t kr = region_at(*address, true, &facts);
    if (kr != KERN_SUCCESS)
        return kr;
    submap_32(&facts, info);
    *count = VM_REGION_SUBMAP_INFO_COUNT;
    *address = facts.start;
    *size = facts.end - facts.start;
    *depth = 0;
    return KERN_SUCCESS;
}

/* ---- the same for addresses of the program's own word ---------------------------------------- */

kern_return_t vm_region_recurse_64(vm_map_read_t task, vm_address_t *address, vm_size_t *size,
                                   natural_t *depth, vm_region_recurse_info_64_t info,
                                   mach_msg_type_number_t *count)
{
    mach_vm_address_t at = *address;
    mach_vm_size_t length = *size;
    kern_return_t kr = mach_vm_region_recurse(task, &at, &length, depth, info, count);
    *address = (vm_address_t)at;
    *size = (vm_size_t)length;
    return kr;
}

kern_return_t vm_region_64(vm_map_read_t task, vm_address_t *address, vm_size_t *size,
                           vm_region_flavor_t flavor, vm_region_info_t info,
                           mach_msg_type_number_t *count, mach_port_t *object_name)
{
    mach_vm_address_t at = *address;
    mach_vm_size_t length = *size;
    kern_return_t kr = mach_vm_region(task, &at, &length, flavor, info, count, object_name);
    *address = (vm_address_t)at;
    *size = (vm_size_t)length;
    return kr;
}

kern_return_t vm_region(vm_map_read_t task, vm_address_t *address, vm_size_t *size,
                        vm_region_flavor_t flavor, vm_region_info_t info,
                        mach_msg_type_number_t *count, mach_port_t *object_name)
{
    return vm_region_64(task, address, size, flavor, info, count, object_name);
}
