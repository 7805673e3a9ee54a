/* What a Mach program finds when it starts: its own name, the bootstrap port, the page size. */
#include "ipc/ipc_space.h"

#include <mach/mach_host.h>
#include <mach/mach_init.h>
#include <mach/mach_time.h>
#include <mach/vm_page_size.h>
#include <servers/bootstrap.h>
#include <time.h>
#include <unistd.h>

mach_port_t mach_task_self_ = IPC_NAME_TASK;
mach_port_t bootstrap_port = IPC_NAME_BOOTSTRAP;
vm_size_t vm_page_size;
vm_size_t vm_page_mask;
int vm_page_shift;

__attribute__((constructor)) static void set_page_size(void)
{
    vm_page_size = (vm_size_t)sysconf(_SC_PAGESIZE);
    vm_page_mask = vm_page_size - 1;
    vm_page_shift = __builtin_ctzl(vm_page_size);
}

#undef mach_task_self
mach_port_t mach_task_self(void);
mach_port_t mach_task_self(void)
{
    return mach_task_self_;
}

mach_port_t mach_host_self(void)
{
    return IPC_NAME_HOST;
}

uint64_t mach_absolute_time(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

kern_return_t mach_timebase_info(mach_timebase_info_t info)
{
    info->numer = info->denom = 1; /* ticks are nanoseconds */
    return KERN_SUCCESS;
}
