/* Making memory entries: mach_make_memory_entry and its kin.
 *
 * A range of the task's memory, a part of another entry, fresh memory or a copy of some becomes a
 * send right. What an entry is, vm_entry.h; where its right is, ipc_entry_port.h. */
#include "vm/vm_entry.h"

#include "api/vm_args.h"
#include "api/vm_entries.h"
#include "ipc/ipc_entry_port.h"
#include "ipc/ipc_space.h"
#include "ipc/ipc_task.h"

#include <mach/mach_vm.h>

kern_return_t vm_entries_take(mach_port_name_t name, struct vm_entry **ret_entry, bool *ret_dead)
{
    kern_return_t kr = KERN_SUCCESS;
    *ret_entry = NULL;
    *ret_dead = name == MACH_PORT_NULL || name == MACH_PORT_DEAD;
    if (*ret_dead)
        return KERN_SUCCESS;
    ipc_task_lock();
    struct vm_entry *found = ipc_entry_port_find(name);
    const struct ipc_entry *entry = ipc_space_find(name);
    if (found)
        *ret_entry = vm_entry_ref(found);
    else if (entry && entry->type & MACH_PORT_TYPE_DEAD_NAME)
        *ret_dead = true;
    else if (!entry || !(entry->type & MACH_PORT_TYPE_SEND))
        kr = MACH_SEND_INVALID_RIGHT; /* it goes to the kernel in a message */
    ipc_task_unlock();
    return kr;
}

static kern_return_t insert(struct vm_entry *take_entry, mach_port_t *ret_name)
{
    ipc_task_lock();
    kern_return_t kr = ipc_entry_port_insert(take_entry, ret_name);
    ipc_task_unlock();
    return kr;
}

/* What is asked for, in whole pages; `offset` an address or a place in the parent. */
struct request {
    uintptr_t start, end;
    uint32_t data_offset;
    vm_prot_t permission; /* with MAP_MEM_ flags */
    const struct vm_entry *parent;
};

static kern_return_t of_parent(const struct request *request, struct vm_entry **ret_entry)
{
    const struct vm_entry *parent = request->parent;
    vm_prot_t protection = request->permission & VM_PROT_ALL;
    if (request->end > parent->size || request->end == request->start)
        return KERN_INVALID_ARGUMENT;
    if (request->permission & VM_PROT_IS_MASK)
        protection &= parent->protection;
    if (protection & ~parent->protection)
        return KERN_PROTECTION_FAILURE;
    return vm_args_code(vm_entry_part(parent, request->start, request->end - request->start,
                                      protection, ret_entry));
}

static kern_return_t of_fresh(const struct request *request, struct vm_entry **ret_entry)
{
    vm_prot_t permission = request->permission;
    if (permission & (MAP_MEM_USE_DATA_ADDR | MAP_MEM_4K_DATA_ADDR) ||
        (permission & MAP_MEM_PURGABLE && !(permission & VM_PROT_WRITE)))
        return KERN_INVALID_ARGUMENT;
    if (request->end - request->start > INT64_MAX)
        return KERN_FAILURE;
    return vm_args_code(
        vm_entry_new(request->end - request->start, permission & VM_PROT_ALL, ret_entry));
}

static kern_return_t of_memory(const struct request *request, struct vm_entry **ret_entry)
{
    vm_prot_t permission = request->permission, protection = permission & VM_PROT_ALL;
    if (permission & MAP_MEM_VM_COPY)
        return vm_args_code(vm_entry_copy(request->start, request->end, protection, ret_entry));
    return vm_args_code(vm_entry_share(request->start, request->end, protection,
                                       permission & VM_PROT_IS_MASK, permission & MAP_MEM_VM_SHARE,
                                       ret_entry));
}

static kern_return_t make_entry(const struct request *request, struct vm_entry **ret_entry)
{
    const struct vm_entry *parent = request->parent;
    int of_range = MAP_MEM_VM_COPY | MAP_MEM_VM_SHARE | MAP_MEM_NAMED_REUSE;
    if (request->permission & MAP_MEM_NAMED_CREATE)
        return of_fresh(request, ret_entry);
    if (parent && !(request->permission & of_range))
        return of_parent(request, ret_entry);
    return of_memory(request, ret_entry);
}

/* Offset and size become pages; flags that exclude each other, or mean something else. */
static kern_return_t read_request(memory_object_offset_t offset, memory_object_size_t size,
                                  vm_prot_t permission, const struct vm_entry *parent,
                                  struct request *ret_request)
{
    struct request request = {.permission = permission, .parent = parent};
    if (parent && permission & (MAP_MEM_USE_DATA_ADDR | MAP_MEM_4K_DATA_ADDR) &&
        __builtin_add_overflow(offset, parent->data_offset, &offset))
        return KERN_INVALID_ARGUMENT;
    kern_return_t kr = vm_args_pages(offset, size, &request.start, &request.end);
    if (kr != KERN_SUCCESS)
        return kr;
    uint32_t in_page = (uint32_t)(offset - request.start);
    if (permission & MAP_MEM_4K_DATA_ADDR)
        request.data_offset = in_page & ~0xfffu;
    else if (permission & MAP_MEM_USE_DATA_ADDR)
        request.data_offset = in_page;
    *ret_request = request;
    return KERN_SUCCESS;
}

static kern_return_t make(memory_object_size_t *size, memory_object_offset_t offset,
                          vm_prot_t permission, mach_port_t *ret_name,
                          const struct vm_entry *parent)
{
    struct request request;
    struct vm_entry *entry;
    if (parent && parent->copy)
        return KERN_INVALID_ARGUMENT;
    if (permission & MAP_MEM_ONLY) { /* caching, which there is none to choose of */
        *ret_name = MACH_PORT_NULL;
        return parent ? KERN_SUCCESS : KERN_INVALID_ARGUMENT;
    }
    if (*size == 0 && permission & MAP_MEM_NAMED_CREATE) {
        *ret_name = MACH_PORT_NULL;
        return KERN_SUCCESS;
    }
    if (*size == 0)
        return KERN_INVALID_ARGUMENT;
    kern_return_t kr = read_request(offset, *size, permission, parent, &request);
    if (kr == KERN_SUCCESS)
        kr = make_entry(&request, &entry);
    if (kr != KERN_SUCCESS)
        return kr;
    entry->data_offset = request.data_offset;
    memory_object_size_t made = entry->size - entry->data_offset;
    kr = insert(entry, ret_name);
    if (kr == KERN_SUCCESS)
        *size = made;
    return kr;
}

kern_return_t mach_make_memory_entry_64(vm_map_t task, memory_object_size_t *size,
                                        memory_object_offset_t offset, vm_prot_t permission,
                                        mach_port_t *handle, mem_entry_name_port_t parent)
{
    struct vm_entry *above;
    bool dead;
    if (task != mach_task_self_)
        return MACH_SEND_INVALID_DEST;
    kern_return_t kr = vm_entries_take(parent, &above, &dead);
    if (kr != KERN_SUCCESS)
        return kr;
    if (permission & MAP_MEM_FLAGS_MASK & ~MAP_MEM_FLAGS_USER)
        kr = KERN_INVALID_VALUE;
    else
        kr = make(size, offset, permission, handle, above);
    vm_entry_unref(above);
    return kr;
}

kern_return_t mach_make_memory_entry(vm_map_t task, vm_size_t *size, vm_offset_t offset,
                                     vm_prot_t permission, mem_entry_name_port_t *handle,
                                     mem_entry_name_port_t parent)
{
    memory_object_size_t wide = *size;
    kern_return_t kr = mach_make_memory_entry_64(task, &wide, offset, permission, handle, parent);
    if (kr == KERN_SUCCESS)
        *size = (vm_size_t)wide;
    return kr;
}

kern_return_t mach_memory_object_memory_entry_64(host_t host, boolean_t internal,
                                                 memory_object_size_t size, vm_prot_t permission,
                                                 memory_object_t pager, mach_port_t *handle)
{
    struct vm_entry *entry;
    uintptr_t start, end;
    if (host != IPC_NAME_HOST)
        return MACH_SEND_INVALID_DEST;
    if (size == 0 || !internal || pager != MEMORY_OBJECT_NULL ||
        vm_args_pages(0, size, &start, &end) != KERN_SUCCESS)
        return KERN_INVALID_ARGUMENT; /* there are no pagers */
    int r = vm_entry_new(end, permission & VM_PROT_ALL, &entry);
    return r < 0 ? vm_args_code(r) : insert(entry, handle);
}

kern_return_t mach_memory_object_memory_entry(host_t host, boolean_t internal, vm_size_t size,
                                              vm_prot_t permission, memory_object_t pager,
                                              mach_port_t *handle)
{
    return mach_memory_object_memory_entry_64(host, internal, size, permission, pager, handle);
}
