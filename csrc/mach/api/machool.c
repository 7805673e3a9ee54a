/* mach/machool.h on Linux: what Mach lacks and both systems need. */
#include "ipc/ipc_engine.h"
#include "ipc/ipc_kmsg.h"
#include "ipc/ipc_mqueue.h"
#include "ipc/ipc_port.h"
#include "ipc/ipc_right.h"
#include "ipc/ipc_task.h"
#include "vm/vm_copy.h"
#include "vm/vm_loan.h"

#include <errno.h>
#include <mach/machool.h>

int machool_port_fd(mach_port_name_t name)
{
    ipc_task_lock();
    struct ipc_port *port = ipc_right_receiver(name);
    if (!port)
        port = ipc_right_set(name);
    int r = port ? ipc_task_start_engine() : -EINVAL;
    if (r == 0)
        r = ipc_mqueue_poll_fd(port);
    ipc_task_unlock();
    if (r >= 0)
        return r;
    errno = -r;
    return -1;
}

void machool_get_stats(struct machool_stats *ret_stats)
{
    struct machool_stats stats = {0};
    ipc_task_lock();
    stats.messages_sent = ipc_task.messages_sent;
    stats.messages_received = ipc_task.messages_received;
    stats.bytes_inline = ipc_task.bytes_inline;
    stats.ports = ipc_task.space.used;
    UTIL_LIST_EACH(at, after, &ipc_task.channels) stats.channels++;
    ipc_task_unlock();
    vm_copy_stats(&stats.bytes_copied, &stats.bytes_shared, &stats.regions, &stats.region_bytes);
    struct vm_loan_stats loans;
    vm_loan_get_stats(&loans);
    stats.idle_bytes = loans.idle_bytes;
    stats.lent_bytes = loans.lent_bytes;
    stats.borrowed_bytes = loans.borrowed_bytes;
    stats.parked = loans.parked;
    stats.idle_limit = loans.idle_max;
    stats.lent_limit = loans.lent_max;
    *ret_stats = stats;
}

kern_return_t machool_give(vm_address_t address, vm_size_t size)
{
    return vm_copy_give(address, size) == 0 ? KERN_SUCCESS : KERN_INVALID_ARGUMENT;
}

void machool_set_limits(uint64_t idle_bytes, uint64_t lent_bytes)
{
    vm_loan_limits(idle_bytes, lent_bytes);
}

_Static_assert(MACHOOL_TRANSPORT_INLINE == (int)VM_COPY_INLINE &&
                   MACHOOL_TRANSPORT_COPIED == (int)VM_COPY_COPIED &&
                   MACHOOL_TRANSPORT_SHARED == (int)VM_COPY_SHARED &&
                   MACHOOL_TRANSPORT_CHANGES == (int)VM_COPY_CHANGES &&
                   MACHOOL_TRANSPORT_LENT == (int)VM_COPY_LENT &&
                   MACHOOL_TRANSPORT_MOVED == (int)VM_COPY_MOVED,
               "the wire's numbers are the header's");

int machool_transport(unsigned index)
{
    return (int)ipc_kmsg_how(index);
}

void machool_trim(void)
{
    vm_loan_trim();
}

const char *machool_version(void)
{
    return MACHOOL_VERSION; /* from the build */
}
