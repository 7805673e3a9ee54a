/* What a Mach program finds when it starts: its own name, the bootstrap port, the page size. */
#include "ipc/ipc_space.h"
#include "ipc/ipc_task.h"
#include "ipc/ipc_thread.h"

#include <mach/mach_init.h>
#include <mach/vm_page_size.h>
#include <servers/bootstrap.h>
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

boolean_t mach_task_is_self(task_name_t task)
{
    return task == mach_task_self_;
}

mach_port_t mach_thread_self(void)
{
    mach_port_name_t name = MACH_PORT_NULL;
    ipc_task_lock();
    struct ipc_thread *thread = ipc_thread_self();
    if (thread)
        (void)ipc_thread_name(thread, &name);
    ipc_task_unlock();
    return name;
}

mach_port_t mach_host_self(void)
{
    ipc_task_lock();
    struct ipc_entry *entry = ipc_space_find(IPC_NAME_HOST);
    if (entry && entry->urefs < IPC_UREFS_MAX)
        entry->urefs++;
    ipc_task_unlock();
    return IPC_NAME_HOST;
}
