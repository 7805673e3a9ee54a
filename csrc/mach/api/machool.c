/* mach/machool.h on Linux: what Mach lacks and both systems need. */
#include "ipc/ipc_engine.h"
#include "ipc/ipc_mqueue.h"
#include "ipc/ipc_port.h"
#include "ipc/ipc_right.h"
#include "ipc/ipc_task.h"
#include "vm/vm_copy.h"

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
    *ret_stats = stats;
}

const char *machool_version(void)
{
    return MACHOOL_VERSION; /* from the build */
}
