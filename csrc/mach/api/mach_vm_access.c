/* Reading, writing and copying memory by address: vm_read, vm_write, vm_copy, vm_read_overwrite,
 * vm_read_list and their mach_vm_ twins (S179, S180).
 *
 * Data of any origin, byte granular. A bad address is a code: the ranges are looked at first, and
 * the kernel copies. */
#include "api/vm_args.h"
#include "vm/vm_access.h"
#include "vm/vm_copy.h"

#include <mach/mach_vm.h>
#include <sys/mman.h>

/* Why a range cannot be accessed, after the attempt has failed. */
static kern_return_t reason(mach_vm_address_t address, mach_vm_size_t size, int protection)
{
    int r = vm_access_check((uintptr_t)address, (size_t)size, protection);
    return r == 0 ? KERN_INVALID_ADDRESS : vm_args_code(r);
}

static bool wraps(mach_vm_address_t address, mach_vm_size_t size)
{
    uintptr_t start, end;
    return vm_args_pages(address, size, &start, &end) != KERN_SUCCESS;
}

kern_return_t mach_vm_read(vm_map_read_t task, mach_vm_address_t address, mach_vm_size_t size,
                           vm_offset_t *data, mach_msg_type_number_t *count)
{
    struct vm_copy copy;
    vm_address_t at;
    if (task != mach_task_self_)
        return MACH_SEND_INVALID_DEST;
    if (size > UINT32_MAX || wraps(address, size))
        return KERN_INVALID_ARGUMENT;
    mach_msg_return_t mr = vm_copyin((vm_address_t)address, (vm_size_t)size, MACH_MSG_VIRTUAL_COPY,
                                     false, &copy);
    if (mr == MACH_SEND_INVALID_MEMORY)
        return reason(address, size, PROT_READ);
    if (mr != MACH_MSG_SUCCESS || vm_copyout(&copy, &at) < 0)
        return KERN_RESOURCE_SHORTAGE;
    *data = at;
    *count = (mach_msg_type_number_t)size;
    return KERN_SUCCESS;
}

kern_return_t mach_vm_write(vm_map_t task, mach_vm_address_t address, vm_offset_t data,
                            mach_msg_type_number_t count)
{
    if (task != mach_task_self_)
        return MACH_SEND_INVALID_DEST;
    /* The data goes to the kernel in a message, which fails as messages do. */
    if (wraps(data, count) || vm_access_check(data, count, PROT_READ) < 0)
        return MACH_SEND_INVALID_MEMORY;
    if (wraps(address, count))
        return KERN_INVALID_ARGUMENT;
    int r = vm_access_check((uintptr_t)address, count, PROT_WRITE);
    if (r == 0)
        r = vm_access_copy((uintptr_t)address, data, count);
    return vm_args_code(r);
}

kern_return_t mach_vm_copy(vm_map_t task, mach_vm_address_t source, mach_vm_size_t size,
                           mach_vm_address_t destination)
{
    if (task != mach_task_self_)
        return MACH_SEND_INVALID_DEST;
    if (wraps(source, size) || wraps(destination, size))
        return KERN_INVALID_ARGUMENT;
    int r = vm_access_check((uintptr_t)source, (size_t)size, PROT_READ);
    if (r == 0)
        r = vm_access_check((uintptr_t)destination, (size_t)size, PROT_WRITE);
    if (r == 0)
        r = vm_access_copy((uintptr_t)destination, (uintptr_t)source, (size_t)size);
    return vm_args_code(r);
}

kern_return_t mach_vm_read_overwrite(vm_map_read_t task, mach_vm_address_t address,
                                     mach_vm_size_t size, mach_vm_address_t data,
                                     mach_vm_size_t *outsize)
{
    kern_return_t kr = mach_vm_copy(task, address, size, data);
    if (kr == KERN_SUCCESS)
        *outsize = size;
    return kr;
}

kern_return_t mach_vm_read_list(vm_map_t task, mach_vm_read_entry_t list, natural_t count)
{
    kern_return_t kr = KERN_SUCCESS;
    if (task != mach_task_self_)
        return MACH_SEND_INVALID_DEST;
    if (count > VM_MAP_ENTRY_MAX)
        return KERN_INVALID_ARGUMENT;
    for (natural_t i = 0; i < count; i++) {
        vm_offset_t data = 0;
        mach_msg_type_number_t size = 0;
        if (list[i].size > 0)
            kr = mach_vm_read(task, list[i].address, list[i].size, &data, &size);
        list[i].address = data;
        list[i].size = size;
    }
    return kr;
}

/* ---- the same for addresses of the program's own word ---------------------------------------- */

kern_return_t vm_read(vm_map_read_t task, vm_address_t address, vm_size_t size, vm_offset_t *data,
                      mach_msg_type_number_t *count)
{
    return mach_vm_read(task, address, size, data, count);
}

kern_return_t vm_write(vm_map_t task, vm_address_t address, vm_offset_t data,
                       mach_msg_type_number_t count)
{
    return mach_vm_write(task, address, data, count);
}

kern_return_t vm_copy(vm_map_t task, vm_address_t source, vm_size_t size, vm_address_t destination)
{
    return mach_vm_copy(task, source, size, destination);
}

kern_return_t vm_read_overwrite(vm_map_read_t task, vm_address_t address, vm_size_t size,
                                vm_address_t data, vm_size_t *outsize)
{
    kern_return_t kr = mach_vm_copy(task, address, size, data);
    if (kr == KERN_SUCCESS)
        *outsize = size;
    return kr;
}

kern_return_t vm_read_list(vm_map_t task, vm_read_entry_t list, natural_t count)
{
    mach_vm_read_entry_t wide;
    if (count > VM_MAP_ENTRY_MAX)
        return task == mach_task_self_ ? KERN_INVALID_ARGUMENT : MACH_SEND_INVALID_DEST;
    for (natural_t i = 0; i < count; i++)
        wide[i] = (struct mach_vm_read_entry){.address = list[i].address, .size = list[i].size};
    kern_return_t kr = mach_vm_read_list(task, wide, count);
    if (task != mach_task_self_)
        return kr;
    for (natural_t i = 0; i < count; i++) {
        list[i].address = (vm_address_t)wide[i].address;
        list[i].size = (vm_size_t)wide[i].size;
    }
    return kr;
}
