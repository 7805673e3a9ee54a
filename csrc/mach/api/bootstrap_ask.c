/* See bootstrap_ask.h: each call is one request and one reply.
 *
 * A service that is declared at such a port has its receive right here, in a door without a
 * listener; the server is told of the service as if it had been checked in. */
#include "api/bootstrap_ask.h"

#include "ipc/ipc_door.h"
#include "ipc/ipc_port.h"
#include "ipc/ipc_right.h"
#include "ipc/ipc_space.h"
#include "ipc/ipc_task.h"

#include <mach/mach.h>
#include <mach/notify.h>
#include <servers/bootstrap_requests.h>
#include <string.h>

struct reply_buffer {
    struct machool_bootstrap_reply reply;
    mach_msg_max_trailer_t trailer;
};

/* A send right that nobody wants. */
static void drop(mach_port_t port)
{
    if (MACH_PORT_VALID(port))
        (void)mach_port_deallocate(mach_task_self_, port);
}

/* A kept service comes with its receive right. */
static bool may_bring(mach_msg_id_t id, mach_msg_type_name_t disposition)
{
    return disposition == MACH_MSG_TYPE_PORT_SEND ||
           (disposition == MACH_MSG_TYPE_PORT_RECEIVE && id == MACHOOL_BOOTSTRAP_CHECK_IN);
}

/* Whether what came is the reply to request `id`. */
static kern_return_t check_reply(mach_msg_header_t *header, mach_msg_id_t id)
{
    const struct machool_bootstrap_reply *reply = (const void *)header;
    if (header->msgh_id == MACH_NOTIFY_SEND_ONCE)
        return MIG_SERVER_DIED;
    if (header->msgh_id == id + MACHOOL_BOOTSTRAP_REPLY && header->msgh_size == sizeof *reply &&
        header->msgh_bits & MACH_MSGH_BITS_COMPLEX && reply->body.msgh_descriptor_count == 1 &&
        reply->port.type == MACH_MSG_PORT_DESCRIPTOR && may_bring(id, reply->port.disposition))
        return KERN_SUCCESS;
    mach_msg_destroy(header);
    return MIG_REPLY_MISMATCH;
}

/* A call's own code where mach_msg has failed. What had been made of the message is dropped: a
 * request that came back has other bits, a reply that could not be had whole has some. */
static kern_return_t failed(mach_msg_header_t *header, mach_msg_bits_t untouched,
                            mach_msg_return_t mr)
{
    if (header->msgh_bits != untouched)
        mach_msg_destroy(header);
    switch (mr & ~MACH_MSG_MASK) {
    case MACH_SEND_TIMED_OUT:
    case MACH_RCV_TIMED_OUT:
        return KERN_OPERATION_TIMED_OUT;
    case MACH_SEND_NO_BUFFER:
    case MACH_RCV_HEADER_ERROR:
    case MACH_RCV_BODY_ERROR:
        return BOOTSTRAP_NO_MEMORY;
    default:
        return mr;
    }
}

/* Sends a request and receives its reply at a port of its own. */
static kern_return_t exchange(struct machool_bootstrap_request *request, mach_port_t at,
                              struct reply_buffer *ret_reply)
{
    mach_msg_bits_t bits = request->header.msgh_bits;
    mach_msg_header_t *reply = &ret_reply->reply.header;
    mach_msg_return_t mr = mach_msg(&request->header, MACH_SEND_MSG | MACH_SEND_TIMEOUT,
                                    sizeof *request, 0, MACH_PORT_NULL, MACHOOL_BOOTSTRAP_PATIENCE,
                                    MACH_PORT_NULL);
    if (mr != MACH_MSG_SUCCESS && request->header.msgh_bits != bits)
        drop(request->header.msgh_local_port); /* the reply right came back, which destroy leaves */
    if (mr != MACH_MSG_SUCCESS)
        return failed(&request->header, bits, mr);
    reply->msgh_bits = 0;
    mr = mach_msg(reply, MACH_RCV_MSG | MACH_RCV_TIMEOUT, 0, sizeof *ret_reply, at,
                  MACHOOL_BOOTSTRAP_PATIENCE, MACH_PORT_NULL);
    return mr == MACH_MSG_SUCCESS ? check_reply(reply, request->header.msgh_id)
                                  : failed(reply, 0, mr);
}

/* One call. On success the right that came, if any, is the caller's. */
static kern_return_t ask(mach_port_t bp, mach_msg_id_t id, const char *name, mach_port_t port,
                         mach_msg_type_name_t disposition, struct machool_bootstrap_reply *ret)
{
    struct reply_buffer reply;
    struct machool_bootstrap_request request;
    mach_port_t at = mach_reply_port();
    if (at == MACH_PORT_NULL)
        return BOOTSTRAP_NO_MEMORY;
    memset(&request, 0, sizeof request);
    request.header.msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND,
                                              MACH_MSG_TYPE_MAKE_SEND_ONCE) |
                               MACH_MSGH_BITS_COMPLEX;
    request.header.msgh_size = sizeof request;
    request.header.msgh_remote_port = bp;
    request.header.msgh_local_port = at;
    request.header.msgh_id = id;
    request.body.msgh_descriptor_count = 1;
    request.port.name = port;
    request.port.disposition = disposition & 0xff;
    request.port.type = MACH_MSG_PORT_DESCRIPTOR;
    strncpy(request.name, name, sizeof request.name - 1);
    kern_return_t kr = exchange(&request, at, &reply);
    (void)mach_port_mod_refs(mach_task_self_, at, MACH_PORT_RIGHT_RECEIVE, -1);
    if (kr == KERN_SUCCESS && reply.reply.result != BOOTSTRAP_SUCCESS) {
        kr = reply.reply.result;
        mach_msg_destroy(&reply.reply.header);
    }
    if (kr == KERN_SUCCESS)
        *ret = reply.reply;
    return kr;
}

kern_return_t bootstrap_ask_port(mach_port_t bp, mach_msg_id_t id, const char *name,
                                 mach_port_t *ret_port)
{
    struct machool_bootstrap_reply reply;
    kern_return_t kr = ask(bp, id, name, MACH_PORT_NULL, MACH_MSG_TYPE_COPY_SEND, &reply);
    if (kr == BOOTSTRAP_SUCCESS && !MACH_PORT_VALID(reply.port.name))
        kr = BOOTSTRAP_UNKNOWN_SERVICE; /* died on the way */
    if (kr == BOOTSTRAP_SUCCESS)
        *ret_port = reply.port.name;
    return kr;
}

/* Above the topmost there is nothing: it is its own parent. */
kern_return_t bootstrap_ask_parent(mach_port_t bp, mach_port_t *ret_port)
{
    struct machool_bootstrap_reply reply;
    kern_return_t kr = ask(bp, MACHOOL_BOOTSTRAP_PARENT, "", MACH_PORT_NULL,
                           MACH_MSG_TYPE_COPY_SEND, &reply);
    if (kr == BOOTSTRAP_SUCCESS && reply.port.name == MACH_PORT_NULL)
        return bootstrap_unprivileged(bp, ret_port);
    if (kr == BOOTSTRAP_SUCCESS)
        *ret_port = reply.port.name;
    return kr;
}

kern_return_t bootstrap_ask_status(mach_port_t bp, const char *name, bootstrap_status_t *ret_status)
{
    struct machool_bootstrap_reply reply;
    kern_return_t kr = ask(bp, MACHOOL_BOOTSTRAP_STATUS, name, MACH_PORT_NULL,
                           MACH_MSG_TYPE_COPY_SEND, &reply);
    if (kr == BOOTSTRAP_SUCCESS) {
        drop(reply.port.name);
        *ret_status = reply.status;
    }
    return kr;
}

/* ---- services that are declared here --------------------------------------------------------- */

/* The bootstrap port behind a name. With the task lock. */
static struct ipc_port *context_of(mach_port_t bp)
{
    struct ipc_entry *entry = ipc_space_find(bp);
    return entry ? entry->port : NULL;
}

static struct ipc_door *find_declared(mach_port_t bp, const char *name)
{
    struct ipc_port *context = context_of(bp);
    struct ipc_door *door = context ? ipc_door_find_at(context, name) : NULL;
    return door && door->declared ? door : NULL;
}

/* Removes a declared service: its port dies. Whether there was one. */
static bool withdraw(mach_port_t bp, const char *name)
{
    ipc_task_lock();
    struct ipc_door *door = find_declared(bp, name);
    if (door)
        ipc_port_destroy(door->port); /* closes the door */
    ipc_engine_leave();
    ipc_task_unlock();
    return door;
}

kern_return_t bootstrap_ask_register(mach_port_t bp, const char *name, mach_port_t port)
{
    struct machool_bootstrap_reply reply;
    if (port == MACH_PORT_NULL && withdraw(bp, name))
        return BOOTSTRAP_SUCCESS;
    kern_return_t kr = ask(bp, MACHOOL_BOOTSTRAP_REGISTER, name, port, MACH_MSG_TYPE_COPY_SEND,
                           &reply);
    if (kr == BOOTSTRAP_SUCCESS)
        drop(reply.port.name);
    return kr;
}

/* A new port whose receive right is a door's, and a send right to it. */
static kern_return_t declare(mach_port_t bp, const char *name, mach_port_t *ret_port)
{
    kern_return_t kr = BOOTSTRAP_SERVICE_ACTIVE;
    ipc_task_lock();
    struct ipc_port *context = context_of(bp), *port = NULL;
    if (!context)
        kr = MACH_SEND_INVALID_DEST;
    else if (!ipc_door_find_at(context, name))
        kr = (port = ipc_port_new()) ? BOOTSTRAP_SUCCESS : BOOTSTRAP_NO_MEMORY;
    if (port) {
        struct ipc_carried right = {.port = ipc_port_carry(port), .type = MACH_MSG_TYPE_PORT_SEND};
        if (ipc_door_declare_at(context, name, port) < 0 ||
            ipc_right_copyout(&right, ret_port) != KERN_SUCCESS) {
            ipc_right_clean(&right);
            ipc_port_destroy(port);
            kr = BOOTSTRAP_NO_MEMORY;
        }
    }
    ipc_task_unlock();
    return kr;
}

kern_return_t bootstrap_ask_create(mach_port_t bp, const char *name, mach_port_t *ret_port)
{
    mach_port_t port;
    struct machool_bootstrap_reply reply;
    kern_return_t kr = declare(bp, name, &port);
    if (kr != BOOTSTRAP_SUCCESS)
        return kr;
    kr = ask(bp, MACHOOL_BOOTSTRAP_CREATE, name, port, MACH_MSG_TYPE_COPY_SEND, &reply);
    if (kr == BOOTSTRAP_SUCCESS) {
        drop(reply.port.name);
        *ret_port = port;
        return BOOTSTRAP_SUCCESS;
    }
    (void)withdraw(bp, name);
    drop(port);
    return kr;
}

/* The receive right of a service that was declared here. MACH_PORT_NULL: there is none. */
static kern_return_t check_in_declared(mach_port_t bp, const char *name, mach_port_t *ret_port)
{
    *ret_port = MACH_PORT_NULL;
    kern_return_t kr = BOOTSTRAP_SUCCESS;
    ipc_task_lock();
    struct ipc_door *door = find_declared(bp, name);
    if (door) {
        struct ipc_carried right = {.port = door->port, .type = MACH_MSG_TYPE_PORT_RECEIVE};
        door->declared = false;
        if (ipc_right_copyout(&right, ret_port) != KERN_SUCCESS) /* the service is gone with it */
            kr = BOOTSTRAP_NO_MEMORY;
    }
    ipc_task_unlock();
    return kr;
}

kern_return_t bootstrap_ask_check_in(mach_port_t bp, const char *name, mach_port_t *ret_port)
{
    mach_port_t port;
    struct machool_bootstrap_reply reply;
    kern_return_t kr = check_in_declared(bp, name, &port);
    if (kr != BOOTSTRAP_SUCCESS || port != MACH_PORT_NULL) {
        *ret_port = port;
        return kr;
    }
    kr = mach_port_allocate(mach_task_self_, MACH_PORT_RIGHT_RECEIVE, &port);
    if (kr != KERN_SUCCESS)
        return BOOTSTRAP_NO_MEMORY;
    kr = ask(bp, MACHOOL_BOOTSTRAP_CHECK_IN, name, port, MACH_MSG_TYPE_MAKE_SEND, &reply);
    bool kept = kr == BOOTSTRAP_SUCCESS && MACH_PORT_VALID(reply.port.name) &&
                reply.port.disposition == MACH_MSG_TYPE_PORT_RECEIVE;
    if (kr != BOOTSTRAP_SUCCESS || kept)
        (void)mach_port_mod_refs(mach_task_self_, port, MACH_PORT_RIGHT_RECEIVE, -1);
    if (kr == BOOTSTRAP_SUCCESS && !kept)
        drop(reply.port.name);
    if (kr == BOOTSTRAP_SUCCESS)
        *ret_port = kept ? reply.port.name : port;
    return kr;
}
