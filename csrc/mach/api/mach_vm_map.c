/* Mapping: vm_map with memory entries and without, and its mach_vm_ twin.
 *
 * Without an entry it is vm_allocate with more to say. With one, a place is reserved first, and the
 * entry mapped over it. */
#include "api/vm_args.h"
#include "api/vm_entries.h"
#include "vm/vm_entry.h"
#include "vm/vm_map.h"
#include "vm/vm_place.h"
#include "vm/vm_range.h"

#include <mach/mach_vm.h>
#include <sys/mman.h>

struct request { /* what is to be mapped, and how */
    uintptr_t address;
    size_t size; /* whole pages */
    uintptr_t mask;
    int flags;
    uint64_t offset;
    bool copy;
    vm_prot_t current, maximum;
    vm_inherit_t inheritance;
};

static kern_return_t place_code(int error)
{
    return error == -EEXIST ? KERN_NO_SPACE : vm_args_code(error);
}

/* Maximum and inheritance of what has just been mapped; unmaps it if that fails. */
static kern_return_t finish(const struct request *request)
{
    kern_return_t kr = KERN_SUCCESS;
    if (request->maximum != VM_PROT_ALL)
        kr = mach_vm_protect(mach_task_self_, request->address, request->size, TRUE,
                             request->maximum);
    if (kr == KERN_SUCCESS && request->inheritance != VM_INHERIT_DEFAULT)
        kr = mach_vm_inherit(mach_task_self_, request->address, request->size,
                             request->inheritance);
    if (kr != KERN_SUCCESS)
        (void)mach_vm_deallocate(mach_task_self_, request->address, request->size);
    return kr;
}

static kern_return_t map_fresh(struct request *request)
{
    int flags = request->flags & VM_ARGS_ALLOCATE;
    if (request->mask) {
        vm_map_lock();
        int r = vm_place(&request->address, request->size, request->mask, flags);
        vm_map_unlock();
        if (r < 0)
            return place_code(r);
        flags = (flags & ~VM_FLAGS_ANYWHERE) | VM_FLAGS_OVERWRITE;
    }
    mach_vm_address_t address = request->address;
    kern_return_t kr = mach_vm_allocate(mach_task_self_, &address, request->size, flags);
    if (kr != KERN_SUCCESS)
        return kr;
    request->address = (uintptr_t)address;
    if (request->current != VM_PROT_DEFAULT &&
        mprotect((void *)request->address, request->size, request->current) < 0) {
        (void)mach_vm_deallocate(mach_task_self_, address, request->size);
        return KERN_RESOURCE_SHORTAGE;
    }
    return finish(request);
}

static int map_entry_locked(struct request *request, const struct vm_entry *entry)
{
    int r = vm_place(&request->address, request->size, request->mask, request->flags);
    if (r < 0)
        return r;
    r = vm_entry_map(entry, request->offset, request->address, request->size, request->current,
                     request->copy);
    if (r < 0) {
        vm_map_forget(request->address, request->size);
        munmap((void *)request->address, request->size);
    }
    return r;
}

static kern_return_t map_entry(struct request *request, const struct vm_entry *entry)
{
    vm_map_lock();
    int r = map_entry_locked(request, entry);
    vm_map_unlock();
    return r < 0 ? place_code(r) : finish(request);
}

/* What an entry allows, and where in it the mapping begins. */
static kern_return_t check_entry(struct request *request, const struct vm_entry *entry,
                                 mach_vm_size_t size, uintptr_t *ret_data)
{
    uint64_t end;
    if (request->maximum & VM_PROT_IS_MASK)
        request->maximum &= entry->protection;
    if (request->current & VM_PROT_IS_MASK)
        request->current &= entry->protection;
    if ((request->maximum | request->current) & ~entry->protection)
        return KERN_INVALID_RIGHT;
    if (request->flags & VM_ARGS_DATA_ADDR &&
        __builtin_add_overflow(request->offset, entry->data_offset, &request->offset))
        return KERN_INVALID_ARGUMENT;
    if (__builtin_add_overflow(request->offset, size, &end) ||
        vm_page_round((size_t)end) > entry->size || end > entry->size)
        return KERN_INVALID_ARGUMENT;
    uint64_t start = vm_page_trunc((uintptr_t)request->offset);
    *ret_data = request->flags & VM_ARGS_DATA_ADDR ? (uintptr_t)(request->offset - start) : 0;
    request->size = vm_page_round((size_t)end) - (size_t)start;
    request->offset = start;
    return KERN_SUCCESS;
}

static kern_return_t map(struct request *request, mach_vm_size_t size, mem_entry_name_port_t object,
                         mach_vm_address_t *ret_address)
{
    struct vm_entry *entry;
    uintptr_t data = 0;
    bool dead;
    kern_return_t kr = vm_entries_take(object, &entry, &dead);
    if (kr != KERN_SUCCESS)
        return kr;
    if (!entry && !dead)
        return KERN_INVALID_OBJECT;
    if (entry)
        kr = check_entry(request, entry, size, &data);
    request->current &= VM_PROT_ALL;
    request->maximum &= VM_PROT_ALL;
    if (kr == KERN_SUCCESS && request->current & ~request->maximum)
        kr = KERN_INVALID_ARGUMENT;
    if (kr == KERN_SUCCESS)
        kr = entry ? map_entry(request, entry) : map_fresh(request);
    vm_entry_unref(entry);
    if (kr == KERN_SUCCESS)
        *ret_address = request->address + data;
    return kr;
}

kern_return_t mach_vm_map(vm_map_t task, mach_vm_address_t *address, mach_vm_size_t size,
                          mach_vm_offset_t mask, int flags, mem_entry_name_port_t object,
                          memory_object_offset_t offset, boolean_t copy, vm_prot_t current,
                          vm_prot_t maximum, vm_inherit_t inheritance)
{
    uintptr_t start, end;
    if (task != mach_task_self_)
        return MACH_SEND_INVALID_DEST;
    if (flags & ~VM_ARGS_MAP || (current | maximum) & ~(VM_PROT_ALL | VM_PROT_IS_MASK) ||
        inheritance > VM_INHERIT_LAST_VALID || size == 0)
        return KERN_INVALID_ARGUMENT;
    /* Without ANYWHERE the pages that are touched at the address; else as many as the size takes. */
    mach_vm_address_t from = flags & VM_FLAGS_ANYWHERE ? 0 : vm_page_trunc((uintptr_t)*address);
    if (vm_args_pages(from, size, &start, &end) != KERN_SUCCESS)
        return flags & VM_FLAGS_ANYWHERE ? KERN_NO_SPACE : KERN_INVALID_ARGUMENT;
    struct request request = {.address = start,
                              .size = end - start,
                              .mask = (uintptr_t)mask,
                              .flags = flags,
                              .offset = offset,
                              .copy = copy,
                              .current = current,
                              .maximum = maximum,
                              .inheritance = inheritance};
    return map(&request, size, object, address);
}

kern_return_t vm_map(vm_map_t task, vm_address_t *address, vm_size_t size, vm_address_t mask,
                     int flags, mem_entry_name_port_t object, vm_offset_t offset, boolean_t copy,
                     vm_prot_t current, vm_prot_t maximum, vm_inherit_t inheritance)
{
    mach_vm_address_t at = *address;
    kern_return_t kr = mach_vm_map(task, &at, size, mask, flags, object, offset, copy, current,
                                   maximum, inheritance);
    if (kr == KERN_SUCCESS)
        *address = (vm_address_t)at;
    return kr;
}

kern_return_t vm_map_64(vm_map_t task, vm_address_t *address, vm_size_t size, vm_address_t mask,
                        int flags, mem_entry_name_port_t object, memory_object_offset_t offset,
                        boolean_t copy, vm_prot_t current, vm_prot_t maximum,
                        vm_inherit_t inheritance)
{
    return vm_map(task, address, size, mask, flags, object, (vm_offset_t)offset, copy, current,
                  maximum, inheritance);
}
