/* mach_port_construct and mach_port_destruct: a port with all that belongs to it in one call
 * (S141). */
#include "api/api.h"
#include "ipc/ipc_engine.h"
#include "ipc/ipc_port.h"
#include "ipc/ipc_right.h"
#include "ipc/ipc_space.h"
#include "ipc/ipc_task.h"

#include <mach/mach.h>

#define OPTIONS_KNOWN                                                                              \
    (MPO_CONTEXT_AS_GUARD | MPO_QLIMIT | MPO_TEMPOWNER | MPO_IMPORTANCE_RECEIVER |                 \
     MPO_INSERT_SEND_RIGHT | MPO_STRICT | MPO_DENAP_RECEIVER | MPO_IMMOVABLE_RECEIVE |             \
     MPO_FILTER_MSG | MPO_TG_BLOCK_TRACKING | MPO_REPLY_PORT)

/* Gives a new port what the options ask for. With the task lock. */
static void apply(mach_port_name_t name, const mach_port_options_t *options,
                  mach_port_context_t context)
{
    struct ipc_port *port = ipc_right_receiver(name);
    if (options->flags & MPO_QLIMIT)
        port->limit = options->mpl.mpl_qlimit;
    port->context = context;
    port->guarded = options->flags & MPO_CONTEXT_AS_GUARD;
    port->strict = port->guarded && options->flags & MPO_STRICT;
    port->immovable = port->guarded && options->flags & MPO_IMMOVABLE_RECEIVE;
}

kern_return_t mach_port_construct(ipc_space_t task, mach_port_options_ptr_t options,
                                  mach_port_context_t context, mach_port_name_t *name)
{
    CHECK_TASK(task);
    if (!options || options->flags & ~(uint32_t)OPTIONS_KNOWN)
        return KERN_INVALID_ARGUMENT;
    if (options->flags & MPO_QLIMIT && options->mpl.mpl_qlimit > MACH_PORT_QLIMIT_MAX)
        return KERN_INVALID_VALUE;
    kern_return_t kr = mach_port_allocate(task, MACH_PORT_RIGHT_RECEIVE, name);
    if (kr != KERN_SUCCESS)
        return kr;
    ipc_task_lock();
    apply(*name, options, context);
    ipc_task_unlock();
    if (options->flags & MPO_INSERT_SEND_RIGHT)
        kr = mach_port_insert_right(task, *name, *name, MACH_MSG_TYPE_MAKE_SEND);
    return kr;
}

/* The receive right and `-srdelta` references of the send right beside it. */
static kern_return_t destruct(mach_port_name_t name, mach_port_delta_t srdelta,
                              mach_port_context_t guard)
{
    struct ipc_port *port = ipc_right_receiver(name);
    struct ipc_entry *entry = ipc_space_find(name);
    if (!port)
        return entry ? KERN_INVALID_RIGHT : KERN_INVALID_NAME;
    if (port->guarded && port->context != guard)
        return KERN_INVALID_ARGUMENT;
    if (srdelta > 0 || (srdelta && !(entry->type & MACH_PORT_TYPE_SEND)))
        return srdelta > 0 ? KERN_INVALID_VALUE : KERN_INVALID_RIGHT;
    if ((int64_t)entry->urefs + srdelta < 0)
        return KERN_INVALID_VALUE;
    port->guarded = false;
    if (srdelta)
        (void)ipc_right_mod_refs(name, MACH_PORT_RIGHT_SEND, srdelta);
    return ipc_right_mod_refs(name, MACH_PORT_RIGHT_RECEIVE, -1);
}

kern_return_t mach_port_destruct(ipc_space_t task, mach_port_name_t name, mach_port_delta_t srdelta,
                                 mach_port_context_t guard)
{
    CHECK_TASK(task);
    ipc_task_lock();
    kern_return_t kr = destruct(name, srdelta, guard);
    ipc_engine_catch_up();
    ipc_engine_leave();
    ipc_task_unlock();
    return kr;
}
