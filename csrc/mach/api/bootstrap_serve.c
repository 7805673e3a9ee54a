/* The server's side of servers/bootstrap_requests.h. */
#include "api/bootstrap_ask.h"

#include <mach/mach.h>
#include <servers/bootstrap_requests.h>
#include <string.h>

struct machool_bootstrap_request *machool_bootstrap_request(mach_msg_header_t *message)
{
    struct machool_bootstrap_request *request = (void *)message;
    if (message->msgh_id < MACHOOL_BOOTSTRAP_LOOK_UP ||
        message->msgh_id > MACHOOL_BOOTSTRAP_PARENT || message->msgh_size != sizeof *request ||
        !(message->msgh_bits & MACH_MSGH_BITS_COMPLEX) ||
        request->body.msgh_descriptor_count != 1 ||
        request->port.type != MACH_MSG_PORT_DESCRIPTOR ||
        request->port.disposition != MACH_MSG_TYPE_PORT_SEND ||
        !memchr(request->name, 0, sizeof request->name))
        return NULL;
    return request;
}

boolean_t machool_bootstrap_answer(struct machool_bootstrap_request *request,
                                   mach_msg_header_t *reply, kern_return_t result, mach_port_t port,
                                   mach_msg_type_name_t disposition)
{
    struct machool_bootstrap_reply *answer = (void *)reply;
    if (MACH_PORT_VALID(request->port.name))
        (void)mach_port_deallocate(mach_task_self_, request->port.name);
    request->port.name = MACH_PORT_NULL;
    memset(answer, 0, sizeof *answer);
    answer->header.msgh_bits = MACH_MSGH_BITS(MACH_MSGH_BITS_REMOTE(request->header.msgh_bits), 0) |
                               MACH_MSGH_BITS_COMPLEX;
    answer->header.msgh_size = sizeof *answer;
    answer->header.msgh_remote_port = request->header.msgh_remote_port;
    answer->header.msgh_id = request->header.msgh_id + MACHOOL_BOOTSTRAP_REPLY;
    answer->body.msgh_descriptor_count = 1;
    answer->port.name = port;
    answer->port.disposition = disposition & 0xff;
    answer->port.type = MACH_MSG_PORT_DESCRIPTOR;
    answer->result = result;
    answer->status = BOOTSTRAP_STATUS_ACTIVE;
    return TRUE;
}

boolean_t machool_bootstrap_pass_on(mach_msg_header_t *message, mach_msg_header_t *reply)
{
    struct machool_bootstrap_request *request = machool_bootstrap_request(message);
    mach_port_t port = MACH_PORT_NULL;
    bootstrap_status_t status = BOOTSTRAP_STATUS_ACTIVE;
    kern_return_t kr;
    if (!request)
        return FALSE;
    switch (message->msgh_id) {
    case MACHOOL_BOOTSTRAP_LOOK_UP:
        kr = bootstrap_look_up(bootstrap_port, request->name, &port);
        break;
    case MACHOOL_BOOTSTRAP_STATUS:
        kr = bootstrap_status(bootstrap_port, request->name, &status);
        break;
    case MACHOOL_BOOTSTRAP_PARENT:
        kr = KERN_SUCCESS;
        if (bootstrap_is_elsewhere(bootstrap_port))
            kr = bootstrap_unprivileged(bootstrap_port, &port);
        break;
    default: /* REGISTER, CHECK_IN, CREATE */
        kr = bootstrap_register_for(request->name, request->port.name);
    }
    (void)machool_bootstrap_answer(request, reply, kr, kr == KERN_SUCCESS ? port : MACH_PORT_NULL,
                                   MACH_MSG_TYPE_MOVE_SEND);
    ((struct machool_bootstrap_reply *)(void *)reply)->status = status;
    return TRUE;
}
