/*
 * Being the bootstrap of one's children: what they ask, and how to answer. Linux only; on macOS the
 * requests are launchd's own and not published.
 *
 * A program that puts a port of its own into TASK_BOOTSTRAP_PORT (task_set_special_port) gets the
 * bootstrap calls of its children as messages on that port: each call is one request and waits for
 * one reply, MACHOOL_BOOTSTRAP_PATIENCE at most. The program answers as it likes: itself, with a
 * refusal, or with what its own bootstrap says. The demultiplexer of a filter that knows one name
 * itself, hides another and passes all else on:
 *
 *     boolean_t filter(mach_msg_header_t *message, mach_msg_header_t *reply)
 *     {
 *         struct machool_bootstrap_request *request = machool_bootstrap_request(message);
 *         if (request && !strcmp(request->name, "my.service"))
 *             return machool_bootstrap_answer(request, reply, BOOTSTRAP_SUCCESS, my_port,
 *                                             MACH_MSG_TYPE_MAKE_SEND);
 *         if (request && !strcmp(request->name, "hidden"))
 *             return machool_bootstrap_answer(request, reply, BOOTSTRAP_UNKNOWN_SERVICE,
 *                                             MACH_PORT_NULL, MACH_MSG_TYPE_COPY_SEND);
 *         return machool_bootstrap_pass_on(message, reply);
 *     }
 *
 * A server that has kept the port of a service answers a MACHOOL_BOOTSTRAP_CHECK_IN with its receive
 * right (MACH_MSG_TYPE_MOVE_RECEIVE) and the messages that wait there; the child's new port is then
 * not wanted and dies. With MACH_PORT_NULL the new port is the service's.
 *
 * All of it is safe in any thread.
 */
#ifndef MACHOOL_SERVERS_BOOTSTRAP_REQUESTS_H
#define MACHOOL_SERVERS_BOOTSTRAP_REQUESTS_H

#include <mach/mach.h>
#include <servers/bootstrap.h>

/* msgh_id of a request; its reply bears the same and MACHOOL_BOOTSTRAP_REPLY more. */
#define MACHOOL_BOOTSTRAP_LOOK_UP 730001  /* the reply brings a send right */
#define MACHOOL_BOOTSTRAP_REGISTER 730002 /* brings a send right, or MACH_PORT_NULL to unregister */
#define MACHOOL_BOOTSTRAP_CHECK_IN 730003 /* brings a send right to a new port for the service */
#define MACHOOL_BOOTSTRAP_CREATE 730004   /* the same, of a service that is only declared yet */
#define MACHOOL_BOOTSTRAP_STATUS 730005   /* the reply says */
#define MACHOOL_BOOTSTRAP_PARENT 730006   /* the reply brings a send right, if there is one above */
#define MACHOOL_BOOTSTRAP_REPLY 100

/*
 * How long a child waits for a reply, in milliseconds, before its call fails with
 * KERN_OPERATION_TIMED_OUT. A server that dies, or drops the request, is noticed at once:
 * MIG_SERVER_DIED.
 */
#define MACHOOL_BOOTSTRAP_PATIENCE 10000

#pragma pack(push, 4)

/* What a child asks; a trailer follows. It waits for the reply on the header's remote port. */
struct machool_bootstrap_request {
    mach_msg_header_t header;
    mach_msg_body_t body;            /* of one descriptor */
    mach_msg_port_descriptor_t port; /* MACH_PORT_NULL where there is nothing to bring */
    name_t name;                     /* NUL-terminated */
};

/* What it is told. */
struct machool_bootstrap_reply {
    mach_msg_header_t header;
    mach_msg_body_t body;            /* of one descriptor */
    mach_msg_port_descriptor_t port; /* MACH_PORT_NULL where there is nothing to bring */
    kern_return_t result;            /* what the child's call returns */
    bootstrap_status_t status;       /* of a service that was asked about */
};

#pragma pack(pop)

#ifdef __cplusplus
extern "C" {
#endif

/* A received message as a request, if it is a well-formed one; else NULL. Borrowed. */
struct machool_bootstrap_request *machool_bootstrap_request(mach_msg_header_t *message);

/*
 * Fills `*reply`, a struct machool_bootstrap_reply, to be sent by the caller or by mach_msg_server:
 * `result`, and `port` by `disposition`, or MACH_PORT_NULL. The status of a service that is there
 * becomes BOOTSTRAP_STATUS_ACTIVE; change it in the reply. Drops the right that the request brought;
 * to keep it, take it and leave MACH_PORT_NULL in its place. Returns TRUE.
 */
boolean_t machool_bootstrap_answer(struct machool_bootstrap_request *request,
                                   mach_msg_header_t *reply, kern_return_t result, mach_port_t port,
                                   mach_msg_type_name_t disposition);

/*
 * Does what the child asks for at the caller's own `bootstrap_port`, and fills `*reply` with how that
 * went, as machool_bootstrap_answer does. A port that a child publishes so is its own service (see
 * bootstrap_register). FALSE, and nothing is filled, when `*message` is no well-formed request.
 */
boolean_t machool_bootstrap_pass_on(mach_msg_header_t *message, mach_msg_header_t *reply);

#ifdef __cplusplus
}
#endif

#endif
