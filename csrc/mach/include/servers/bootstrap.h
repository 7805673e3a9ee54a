/*
 * Services by name: how two tasks that share nothing find each other.
 *
 * A service is a name of up to 127 bytes, longer ones are cut; compared byte for byte. It lasts as
 * long as its owner. `bp` is the bootstrap_port, or what task_get_bootstrap_port gave. A service is
 * found by the owner's own user and by root; machool_bootstrap_register() opens it to others. With
 * MACHOOL_BOOTSTRAP_DIR in the environment names live in that directory instead.
 */
#ifndef MACHOOL_SERVERS_BOOTSTRAP_H
#define MACHOOL_SERVERS_BOOTSTRAP_H

#include <stdbool.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include <mach/mach.h>

#define BOOTSTRAP_MAX_NAME_LEN 128 /* with its NUL */
#define BOOTSTRAP_MAX_CMD_LEN 512
#define BOOTSTRAP_MAX_LOOKUP_COUNT 20

#define BOOTSTRAP_SUCCESS 0
#define BOOTSTRAP_NOT_PRIVILEGED 1100
#define BOOTSTRAP_NAME_IN_USE 1101
#define BOOTSTRAP_UNKNOWN_SERVICE 1102
#define BOOTSTRAP_SERVICE_ACTIVE 1103
#define BOOTSTRAP_BAD_COUNT 1104
#define BOOTSTRAP_NO_MEMORY 1105
#define BOOTSTRAP_NO_CHILDREN 1106

#define BOOTSTRAP_STATUS_INACTIVE 0
#define BOOTSTRAP_STATUS_ACTIVE 1
#define BOOTSTRAP_STATUS_ON_DEMAND 2

typedef char name_t[BOOTSTRAP_MAX_NAME_LEN];
typedef char cmd_t[BOOTSTRAP_MAX_CMD_LEN];
typedef name_t *name_array_t;
typedef int bootstrap_status_t;
typedef bootstrap_status_t *bootstrap_status_array_t;
typedef bool *bool_array_t;

#ifdef __cplusplus
extern "C" {
#endif

/*
 * In all of these calls a `bp` that is no send right gives MACH_SEND_INVALID_DEST. One that is not
 * the machine's bootstrap, but a program's for its children, is asked (bootstrap_requests.h): then
 * the codes are what it answers, MIG_SERVER_DIED, MIG_REPLY_MISMATCH, or KERN_OPERATION_TIMED_OUT.
 *
 * The names are plain strings, any length: a parameter of type name_t would have the compiler warn
 * of every literal shorter than 128 bytes. To a caller the two are the same.
 */

/*
 * Publishes a port, the caller's own or another task's, under a name; the caller keeps its send
 * right `sp`. The name goes when the port does; another task's port is that task's service from
 * then on. BOOTSTRAP_SUCCESS; BOOTSTRAP_SERVICE_ACTIVE: the caller publishes that name already;
 * BOOTSTRAP_NOT_PRIVILEGED: another task does, or the caller declared it and is to check in, or
 * the port's task runs as another user; BOOTSTRAP_NO_MEMORY: descriptors or memory are short, or
 * `sp` is dead; MACH_SEND_INVALID_RIGHT: `sp` is no send right; KERN_INVALID_ARGUMENT: no name.
 *
 * MACH_PORT_NULL for `sp` removes a service that the caller declared and nobody checked in: its
 * port dies. Where there is none, nothing happens, successfully.
 */
kern_return_t bootstrap_register(mach_port_t bp, const char *service_name, mach_port_t sp);

/*
 * Becomes the server of a service: returns the receive right, the caller's; with it the name goes.
 * A service that the caller declared gives its port, with the messages that have been waiting; a
 * new name is published with a new port. BOOTSTRAP_SUCCESS; BOOTSTRAP_SERVICE_ACTIVE: the caller
 * has it already; BOOTSTRAP_NOT_PRIVILEGED: another task has; BOOTSTRAP_NO_MEMORY.
 */
kern_return_t bootstrap_check_in(mach_port_t bp, const char *service_name, mach_port_t *sp);

/*
 * A send right to a service, with one reference more at each call, the caller's; the same port has
 * the same name each time. Waits a short while for the owner's answer; an owner that is stopped or
 * busy does not stop it: the right is good for sending all the same. BOOTSTRAP_SUCCESS;
 * BOOTSTRAP_UNKNOWN_SERVICE: nobody publishes that name; BOOTSTRAP_NOT_PRIVILEGED: its owner
 * refuses the caller's user; BOOTSTRAP_NO_MEMORY: descriptors or memory are short.
 */
kern_return_t bootstrap_look_up(mach_port_t bp, const char *service_name, mach_port_t *sp);

/*
 * Declares a service without serving it yet, and returns a send right, the caller's. It can be
 * looked up and messages wait in its port; bootstrap_check_in gives the caller its receive right.
 * Codes are those of bootstrap_check_in.
 */
kern_return_t bootstrap_create_service(mach_port_t bp, const char *service_name, mach_port_t *sp);

/*
 * A port to declare and to serve services by, as `bp` does. Nothing runs `server_cmd`, be it on
 * demand or at once: the caller, or whom it starts, is the server. What was declared lasts as long
 * as the task that did it. BOOTSTRAP_SUCCESS; BOOTSTRAP_NO_MEMORY.
 */
kern_return_t bootstrap_create_server(mach_port_t bp, const char *server_cmd, uid_t server_uid,
                                      boolean_t on_demand, mach_port_t *server_port);

/*
 * BOOTSTRAP_STATUS_ACTIVE or, for a service that was declared and not checked in,
 * BOOTSTRAP_STATUS_INACTIVE. Waits and fails as bootstrap_look_up.
 */
kern_return_t bootstrap_status(mach_port_t bp, const char *service_name,
                               bootstrap_status_t *service_active);

/*
 * The port above `bp`, for root: the topmost is its own. The caller owns the reference.
 * BOOTSTRAP_SUCCESS; BOOTSTRAP_NOT_PRIVILEGED: the caller's effective user is not root.
 */
kern_return_t bootstrap_parent(mach_port_t bp, mach_port_t *parent_port);

/* `bp` itself, with one reference more. KERN_SUCCESS; KERN_INVALID_NAME, KERN_INVALID_RIGHT. */
kern_return_t bootstrap_unprivileged(mach_port_t bp, mach_port_t *unpriv_port);

/* The text of a code of these calls, never NULL. Borrowed, as mach_error_string()'s. */
const char *bootstrap_strerror(kern_return_t r);

#ifdef __cplusplus
}
#endif

#endif
