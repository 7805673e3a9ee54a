/* vm_allocate, vm_deallocate, their mach_vm_ twins (S174-S177, S184) and what mach/machool.h adds.
 *
 * Large regions are backed by an object of their own, so that they can travel without a copy;
 * small ones are anonymous memory, since each object costs a descriptor. */
#include "api/vm_args.h"
#include "os/os_memfd.h"
#include "vm/vm_loan.h"
#include "vm/vm_map.h"

#include <errno.h>
#include <mach/mach.h>
#include <mach/mach_vm.h>
#include <mach/machool.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* From this size a region gets an object. benchmarks/c/bench_vm_paths: filling, freezing and passing
 * it takes as long as filling and copying anonymous memory at 128 to 256 KiB (below, some 30 us
 * longer), sending it again a quarter. Descriptors are few. */
#define OBJECT_MIN ((size_t)128 << 10)

/* From this size memory that came back is used again; smaller regions are anonymous anyway. */
#define RECYCLED_MIN ((size_t)16 << 10)

static kern_return_t code_of(int error)
{
    return error == ENOMEM || error == EEXIST ? KERN_NO_SPACE : KERN_RESOURCE_SHORTAGE;
}

/* An object of that size, mapped shared and registered. 0 or -errno. With the lock. */
static int allocate_object(size_t size, uintptr_t *ret_address)
{
    uintptr_t address;
    if (!vm_map_has_room(false))
        return -EMFILE;
    int fd = os_memfd_new("machool:region");
    if (fd < 0)
        return fd;
    int r = os_memfd_resize(fd, size);
    if (r == 0)
        r = vm_region_place(size, fd, true, &address);
    if (r < 0) {
        close(fd);
        return r;
    }
    r = vm_map_insert(address, size, fd, VM_REGION_SHARED, false);
    if (r < 0)
        munmap((void *)address, size);
    else
        *ret_address = address;
    return r;
}

/* Pages that came back, which another message has been in. */
static bool allocate_recycled(size_t size, uintptr_t *ret_address)
{
    vm_map_lock();
    bool got = size >= RECYCLED_MIN && vm_loan_allocate(size, ret_address) == 0;
    vm_map_unlock();
    return got;
}

static kern_return_t allocate_anywhere(size_t size, mach_vm_address_t *address, bool zeroed)
{
    uintptr_t at;
    if (allocate_recycled(size, &at)) {
        if (zeroed) /* as much as filling them takes; faulting in fresh ones takes several times that */
            memset((void *)at, 0, size);
        *address = at;
        return KERN_SUCCESS;
    }
    if (size >= OBJECT_MIN) {
        vm_map_lock();
        int r = allocate_object(size, &at);
        vm_map_unlock();
        if (r == 0) {
            *address = at;
            return KERN_SUCCESS;
        }
    }
    void *anonymous = mmap(NULL, size, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (anonymous == MAP_FAILED)
        return KERN_NO_SPACE;
    vm_map_lock();
    vm_map_forget((uintptr_t)anonymous, size); /* what stood there was unmapped behind our back */
    vm_map_unlock();
    *address = (mach_vm_address_t)(uintptr_t)anonymous;
    return KERN_SUCCESS;
}

/* At the address given, which must be free unless `overwrite`. */
static kern_return_t allocate_fixed(uintptr_t at, size_t size, bool overwrite)
{
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE |
                (overwrite ? MAP_FIXED : MAP_FIXED_NOREPLACE);
    if (at == 0)
        return KERN_INVALID_ADDRESS;
    vm_map_lock();
    if (overwrite && vm_loan_park(at, size, VM_LOAN_ZEROS)) {
        vm_map_unlock();
        return KERN_SUCCESS;
    }
    void *got = mmap((void *)at, size, PROT_READ | PROT_WRITE, flags, -1, 0);
    int error = got == MAP_FAILED ? errno : 0;
    if (error == 0 && (uintptr_t)got == at)
        vm_map_forget(at, size);
    vm_map_unlock();
    if (got != MAP_FAILED && (uintptr_t)got != at) { /* a kernel that knows no NOREPLACE */
        munmap(got, size);
        error = EEXIST;
    }
    if (error == ENOMEM || error == EINVAL || error == EPERM)
        return KERN_INVALID_ADDRESS;
    return error ? code_of(error) : KERN_SUCCESS;
}

kern_return_t mach_vm_allocate(vm_map_t task, mach_vm_address_t *address, mach_vm_size_t size,
                               int flags)
{
    if (task != mach_task_self_)
        return MACH_SEND_INVALID_DEST;
    if (flags & ~VM_ARGS_ALLOCATE)
        return KERN_INVALID_ARGUMENT;
    if (size == 0) {
        *address = 0;
        return KERN_SUCCESS;
    }
    if (size > SIZE_MAX / 4)
        return flags & VM_FLAGS_ANYWHERE ? KERN_NO_SPACE : KERN_INVALID_ARGUMENT;
    size_t pages = vm_page_round((size_t)size);
    if (flags & VM_FLAGS_ANYWHERE)
        return allocate_anywhere(pages, address, true);
    uintptr_t at = vm_page_trunc((uintptr_t)*address);
    uintptr_t end;
    if (__builtin_add_overflow(at, pages, &end))
        return KERN_INVALID_ADDRESS;
    kern_return_t kr = allocate_fixed(at, pages, flags & VM_FLAGS_OVERWRITE);
    if (kr == KERN_SUCCESS)
        *address = at;
    return kr;
}

kern_return_t machool_allocate(vm_address_t *address, vm_size_t size, int flags)
{
    mach_vm_address_t at = 0;
    if (flags & ~MACHOOL_UNCLEARED)
        return KERN_INVALID_ARGUMENT;
    if (size == 0 || size > SIZE_MAX / 4)
        return vm_allocate(mach_task_self_, address, size, VM_FLAGS_ANYWHERE);
    kern_return_t kr = allocate_anywhere(vm_page_round(size), &at, !(flags & MACHOOL_UNCLEARED));
    if (kr == KERN_SUCCESS)
        *address = (vm_address_t)at;
    return kr;
}

static kern_return_t deallocate(vm_map_t task, mach_vm_address_t address, mach_vm_size_t size,
                                enum vm_loan_leave leave)
{
    mach_vm_address_t end;
    if (task != mach_task_self_)
        return MACH_SEND_INVALID_DEST;
    if (size == 0)
        return KERN_SUCCESS;
    if (__builtin_add_overflow(address, size, &end) || end > UINTPTR_MAX - vm_page_size)
        return KERN_INVALID_ARGUMENT;
    uintptr_t start = vm_page_trunc((uintptr_t)address);
    size_t pages = vm_page_round((size_t)end) - start;
    vm_map_lock();
    bool parked = vm_loan_park(start, pages, leave);
    if (!parked)
        vm_map_forget(start, pages);
    vm_map_unlock();
    if (parked)
        return KERN_SUCCESS;
    /* Freeing pages takes its time, and needs no lock any more. Holes are fine. A hole in the midst
     * of a mapping makes two of it, which may be one too many for the kernel. */
    if (munmap((void *)start, pages) < 0 && errno == ENOMEM)
        return KERN_RESOURCE_SHORTAGE;
    return KERN_SUCCESS;
}

kern_return_t mach_vm_deallocate(vm_map_t task, mach_vm_address_t address, mach_vm_size_t size)
{
    return deallocate(task, address, size, VM_LOAN_HOLE);
}

kern_return_t machool_deallocate(vm_address_t address, vm_size_t size)
{
    return deallocate(mach_task_self_, address, size, VM_LOAN_IN_PLACE);
}

kern_return_t vm_allocate(vm_map_t task, vm_address_t *address, vm_size_t size, int flags)
{
    mach_vm_address_t at = *address;
    kern_return_t kr = mach_vm_allocate(task, &at, size, flags);
    if (kr == KERN_SUCCESS)
        *address = (vm_address_t)at;
    return kr;
}

kern_return_t vm_deallocate(vm_map_t task, vm_address_t address, vm_size_t size)
{
    return mach_vm_deallocate(task, address, size);
}
