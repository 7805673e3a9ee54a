/* See ipc_notify.h. */
#include "ipc/ipc_notify.h"

#include "ipc/ipc_kmsg.h"
#include "ipc/ipc_mqueue.h"
#include "ipc/ipc_port.h"

#include <mach/notify.h>

void ipc_notify_send_once(struct ipc_port *once)
{
    struct ipc_kmsg *kmsg = ipc_kmsg_new(0, 0);
    if (!kmsg)
        return; /* judged again with the next decrement; nothing better can be done without memory */
    kmsg->msgh_id = MACH_NOTIFY_SEND_ONCE;
    kmsg->local_type = MACH_MSG_TYPE_PORT_SEND_ONCE;
    kmsg->kernel = true;
    struct ipc_port *port = ipc_port_ref(once->target);
    ipc_port_spend(once);
    ipc_mqueue_file(port, kmsg);
    ipc_port_unref(port);
}
