/* What the owner of a receive right can ask and set about its port. */
#include "api/api.h"
#include "ipc/ipc_engine.h"
#include "ipc/ipc_kmsg.h"
#include "ipc/ipc_mqueue.h"
#include "ipc/ipc_peer.h"
#include "ipc/ipc_port.h"
#include "ipc/ipc_pset.h"
#include "ipc/ipc_request.h"
#include "ipc/ipc_right.h"
#include "ipc/ipc_space.h"
#include "ipc/ipc_task.h"

#include <mach/mach.h>
#include <string.h>

/* The port of a receive right; or the code for the name that is not one. */
static struct ipc_port *receiver(mach_port_name_t name, kern_return_t *ret_code)
{
    struct ipc_port *port = ipc_right_receiver(name);
    if (port)
        *ret_code = KERN_SUCCESS;
    else if (!MACH_PORT_VALID(name) || ipc_space_find(name))
        *ret_code = KERN_INVALID_RIGHT;
    else
        *ret_code = KERN_INVALID_NAME;
    return port;
}

static mach_port_rights_t length(const struct util_link *list)
{
    mach_port_rights_t count = 0;
    UTIL_LIST_EACH(at, after, list) count++;
    return count;
}

/* Send-once rights that exist; a message that came by one keeps it until it is received. */
static mach_port_rights_t once_rights(const struct ipc_port *port)
{
    mach_port_rights_t count = length(&port->nonces);
    UTIL_LIST_EACH(at, after, &port->queue)
    {
        const struct ipc_kmsg *kmsg = UTIL_CONTAINER(at, struct ipc_kmsg, link);
        count += kmsg->local_type == MACH_MSG_TYPE_PORT_SEND_ONCE;
    }
    return count;
}

/* The state of a receive right in Mach's terms (S140). */
static void fill_status(const struct ipc_port *port, mach_port_status_t *status)
{
    memset(status, 0, sizeof *status);
    status->mps_pset = !util_list_empty(&port->sets);
    status->mps_seqno = port->seqno;
    status->mps_mscount = port->mscount;
    status->mps_qlimit = port->limit;
    status->mps_msgcount = port->queued;
    status->mps_sorights = once_rights(port);
    status->mps_srights = !ipc_grant_none(port);
    status->mps_pdrequest = port->destroyed != NULL;
    status->mps_nsrequest = port->no_senders != NULL;
    if (port->guarded)
        status->mps_flags |= MACH_PORT_STATUS_FLAG_GUARDED;
    if (port->guarded && port->strict)
        status->mps_flags |= MACH_PORT_STATUS_FLAG_STRICT_GUARD;
    if (port->guarded && port->immovable)
        status->mps_flags |= MACH_PORT_STATUS_FLAG_GUARD_IMMOVABLE_RECEIVE;
}

/* The flavour's answer, into `info` of that many words. */
static void fill_info(const struct ipc_port *port, mach_port_flavor_t flavor, mach_port_info_t info)
{
    mach_port_limits_t limits = {.mpl_qlimit = port->limit};
    mach_port_info_ext_t extended;
    switch (flavor) {
    case MACH_PORT_LIMITS_INFO:
        memcpy(info, &limits, sizeof limits);
        break;
    case MACH_PORT_RECEIVE_STATUS:
    case MACH_PORT_INFO_EXT:
        memset(&extended, 0, sizeof extended);
        fill_status(port, &extended.mpie_status);
        memcpy(info, &extended,
               flavor == MACH_PORT_INFO_EXT ? sizeof extended : sizeof extended.mpie_status);
        break;
    default: /* MACH_PORT_DNREQUESTS_SIZE: there is no table that could be full */
        *info = 0;
    }
}

/* Words of the flavour's answer; 0: no such flavour. */
static mach_msg_type_number_t info_count(mach_port_flavor_t flavor)
{
    switch (flavor) {
    case MACH_PORT_LIMITS_INFO:
        return MACH_PORT_LIMITS_INFO_COUNT;
    case MACH_PORT_RECEIVE_STATUS:
        return MACH_PORT_RECEIVE_STATUS_COUNT;
    case MACH_PORT_DNREQUESTS_SIZE:
        return MACH_PORT_DNREQUESTS_SIZE_COUNT;
    case MACH_PORT_INFO_EXT:
        return MACH_PORT_INFO_EXT_COUNT;
    default:
        return 0;
    }
}

kern_return_t mach_port_get_attributes(ipc_space_t task, mach_port_name_t name,
                                       mach_port_flavor_t flavor, mach_port_info_t info,
                                       mach_msg_type_number_t *count)
{
    CHECK_TASK(task);
    mach_msg_type_number_t needed = info_count(flavor);
    kern_return_t kr;
    if (needed == 0)
        return KERN_INVALID_ARGUMENT;
    if (*count < needed)
        return KERN_FAILURE;
    ipc_task_lock();
    ipc_engine_catch_up();
    struct ipc_port *port = receiver(name, &kr);
    if (port)
        fill_info(port, flavor, info);
    ipc_task_unlock();
    if (kr == KERN_SUCCESS)
        *count = needed;
    return kr;
}

kern_return_t mach_port_set_attributes(ipc_space_t task, mach_port_name_t name,
                                       mach_port_flavor_t flavor, mach_port_info_t info,
                                       mach_msg_type_number_t count)
{
    CHECK_TASK(task);
    mach_port_limits_t limits;
    kern_return_t kr;
    if (flavor != MACH_PORT_LIMITS_INFO && flavor != MACH_PORT_DNREQUESTS_SIZE &&
        flavor != MACH_PORT_TEMPOWNER && flavor != MACH_PORT_DENAP_RECEIVER &&
        flavor != MACH_PORT_IMPORTANCE_RECEIVER)
        return KERN_INVALID_ARGUMENT;
    if (flavor == MACH_PORT_LIMITS_INFO && count < MACH_PORT_LIMITS_INFO_COUNT)
        return KERN_FAILURE;
    if (flavor == MACH_PORT_LIMITS_INFO) {
        memcpy(&limits, info, sizeof limits);
        if (limits.mpl_qlimit > MACH_PORT_QLIMIT_MAX)
            return KERN_INVALID_VALUE;
    }
    ipc_task_lock();
    struct ipc_port *port = receiver(name, &kr);
    if (port && flavor == MACH_PORT_LIMITS_INFO) /* the others change nothing here */
        ipc_mqueue_set_limit(port, limits.mpl_qlimit);
    ipc_task_unlock();
    return kr;
}

kern_return_t mach_port_get_srights(ipc_space_t task, mach_port_name_t name,
                                    mach_port_rights_t *srights)
{
    CHECK_TASK(task);
    kern_return_t kr;
    ipc_task_lock();
    ipc_engine_catch_up();
    struct ipc_port *port = receiver(name, &kr);
    if (port)
        *srights = (mach_port_rights_t)ipc_grant_total(port);
    ipc_task_unlock();
    return kr;
}

kern_return_t mach_port_set_mscount(ipc_space_t task, mach_port_name_t name,
                                    mach_port_mscount_t mscount)
{
    CHECK_TASK(task);
    kern_return_t kr;
    ipc_task_lock();
    struct ipc_port *port = receiver(name, &kr);
    if (port)
        port->mscount = mscount;
    ipc_task_unlock();
    return kr;
}

kern_return_t mach_port_set_seqno(ipc_space_t task, mach_port_name_t name, mach_port_seqno_t seqno)
{
    CHECK_TASK(task);
    kern_return_t kr;
    ipc_task_lock();
    struct ipc_port *port = receiver(name, &kr);
    if (port)
        port->seqno = seqno;
    ipc_task_unlock();
    return kr;
}

kern_return_t mach_port_get_context(ipc_space_t task, mach_port_name_t name,
                                    mach_port_context_t *context)
{
    CHECK_TASK(task);
    kern_return_t kr;
    ipc_task_lock();
    struct ipc_port *port = receiver(name, &kr);
    if (port)
        *context = port->strict ? 0 : port->context;
    ipc_task_unlock();
    return kr;
}

kern_return_t mach_port_set_context(ipc_space_t task, mach_port_name_t name,
                                    mach_port_context_t context)
{
    CHECK_TASK(task);
    kern_return_t kr;
    ipc_task_lock();
    struct ipc_port *port = receiver(name, &kr);
    if (port && port->strict)
        kr = KERN_INVALID_ARGUMENT;
    else if (port)
        port->context = context;
    ipc_task_unlock();
    return kr;
}

/* ---- guards ------------------------------------------------------------------------------ */

kern_return_t mach_port_guard_with_flags(ipc_space_t task, mach_port_name_t name,
                                         mach_port_context_t guard, uint64_t flags)
{
    CHECK_TASK(task);
    kern_return_t kr;
    if (flags & ~(uint64_t)(MPG_STRICT | MPG_IMMOVABLE_RECEIVE))
        return KERN_INVALID_ARGUMENT;
    ipc_task_lock();
    struct ipc_port *port = receiver(name, &kr);
    if (port && (port->guarded || port->context)) { /* a context is taken for a guard */
        kr = KERN_INVALID_ARGUMENT;
    } else if (port) {
        port->guarded = true;
        port->strict = flags & MPG_STRICT;
        port->immovable |= (flags & MPG_IMMOVABLE_RECEIVE) != 0;
        port->context = guard;
    }
    ipc_task_unlock();
    return kr;
}

kern_return_t mach_port_guard(ipc_space_t task, mach_port_name_t name, mach_port_context_t guard,
                              boolean_t strict)
{
    return mach_port_guard_with_flags(task, name, guard, strict ? MPG_STRICT : 0);
}

/* Takes the guard off if it is `guard`, or puts `then` in its place. An immovable right stays so. */
static kern_return_t change_guard(mach_port_name_t name, mach_port_context_t guard, bool keep,
                                  mach_port_context_t then)
{
    kern_return_t kr;
    ipc_task_lock();
    struct ipc_port *port = receiver(name, &kr);
    if (port && (!port->guarded || port->context != guard || (keep && port->strict))) {
        kr = KERN_INVALID_ARGUMENT;
    } else if (port) {
        port->guarded = keep;
        port->strict &= keep;
        port->context = then;
    }
    ipc_task_unlock();
    return kr;
}

kern_return_t mach_port_unguard(ipc_space_t task, mach_port_name_t name, mach_port_context_t guard)
{
    CHECK_TASK(task);
    return change_guard(name, guard, false, 0);
}

kern_return_t mach_port_swap_guard(ipc_space_t task, mach_port_name_t name,
                                   mach_port_context_t old_guard, mach_port_context_t new_guard)
{
    CHECK_TASK(task);
    return change_guard(name, old_guard, true, new_guard);
}

/* ---- what waits in the queue ------------------------------------------------------------- */

kern_return_t mach_port_peek(ipc_space_t task, mach_port_name_t name,
                             mach_msg_trailer_type_t trailer_type, mach_port_seqno_t *seqno,
                             mach_msg_size_t *size, mach_msg_id_t *id,
                             mach_msg_trailer_info_t trailer, mach_msg_type_number_t *trailer_count)
{
    CHECK_TASK(task);
    enum { HEADER_GROWS = 8 }; /* the kernel's header is so much longer, and is counted */
    mach_msg_option_t option = (mach_msg_option_t)trailer_type;
    mach_msg_size_t trailer_size = REQUESTED_TRAILER_SIZE(option);
    kern_return_t kr;
    if (!MACH_PORT_VALID(name))
        return KERN_INVALID_RIGHT;
    if (GET_RCV_ELEMENTS(option) > MACH_RCV_TRAILER_AUDIT || trailer_size > *trailer_count)
        return KERN_INVALID_VALUE;
    *trailer_count = trailer_size;
    ipc_task_lock();
    ipc_engine_catch_up();
    struct ipc_port *port = receiver(name, &kr);
    /* Found by the number it will have, or the oldest (0). */
    uint32_t number = port && *seqno ? *seqno - port->seqno : 0;
    const struct ipc_kmsg *kmsg = port ? ipc_mqueue_at(port, number) : NULL;
    if (port && !kmsg) {
        kr = KERN_FAILURE;
    } else if (port) {
        *seqno = port->seqno + number;
        *size = ipc_kmsg_user_size(kmsg) + HEADER_GROWS;
        *id = kmsg->msgh_id;
        ipc_kmsg_trailer(kmsg, port, option, trailer, trailer_size);
        memcpy(trailer + offsetof(mach_msg_seqno_trailer_t, msgh_seqno), seqno,
               trailer_size >= sizeof(mach_msg_seqno_trailer_t) ? sizeof *seqno : 0);
    }
    ipc_task_unlock();
    return kr;
}
