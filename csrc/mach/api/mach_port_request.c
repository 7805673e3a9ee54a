/* mach_port_request_notification: who wants to be told of what. */
#include "api/api.h"
#include "ipc/ipc_engine.h"
#include "ipc/ipc_kmsg.h"
#include "ipc/ipc_port.h"
#include "ipc/ipc_request.h"
#include "ipc/ipc_right.h"
#include "ipc/ipc_task.h"

#include <mach/mach.h>

/* The send-once right that the notification will go by; `*ret_once` NULL for none. */
static kern_return_t copyin_notify(mach_port_t notify, mach_msg_type_name_t disposition,
                                   struct ipc_port **ret_once)
{
    struct ipc_carried right = {0};
    *ret_once = NULL;
    if (notify == MACH_PORT_NULL)
        return KERN_SUCCESS;
    if (notify == MACH_PORT_DEAD)
        return KERN_INVALID_CAPABILITY;
    if (disposition != MACH_MSG_TYPE_MAKE_SEND_ONCE && disposition != MACH_MSG_TYPE_MOVE_SEND_ONCE)
        return KERN_INVALID_RIGHT;
    kern_return_t kr = ipc_right_copyin(notify, disposition, false, &right);
    if (kr == KERN_SUCCESS)
        *ret_once = right.port;
    return kr;
}

kern_return_t mach_port_request_notification(ipc_space_t task, mach_port_name_t name,
                                             mach_msg_id_t msgid, mach_port_mscount_t sync,
                                             mach_port_t notify, mach_msg_type_name_t notifyPoly,
                                             mach_port_t *previous)
{
    CHECK_TASK(task);
    struct ipc_port *once, *before = NULL;
    ipc_task_lock();
    ipc_engine_catch_up();
    kern_return_t kr = copyin_notify(notify, notifyPoly, &once);
    if (kr == KERN_SUCCESS)
        kr = ipc_request(name, msgid, sync, once, &before);
    if (kr == KERN_SUCCESS) {
        struct ipc_carried right = {.port = before, .type = MACH_MSG_TYPE_PORT_SEND_ONCE};
        kr = ipc_right_copyout(&right, previous);
    }
    ipc_engine_leave();
    ipc_task_unlock();
    return kr;
}
