/* bootstrap_*: names for ports, without a bootstrap server (design: ipc_door, ipc_lookup).
 *
 * A service is a door of its owner. One that was declared (bootstrap_create_service) and not yet
 * checked in has a port that no name denotes: its receive right is the door's, messages queue. */
#include "api/bootstrap_ask.h"
#include "ipc/ipc_door.h"
#include "ipc/ipc_lookup.h"
#include "ipc/ipc_port.h"
#include "ipc/ipc_right.h"
#include "ipc/ipc_space.h"
#include "ipc/ipc_task.h"

#include <errno.h>
#include <mach/mach.h>
#include <mach/machool.h>
#include <servers/bootstrap_requests.h>
#include <string.h>
#include <unistd.h>

typedef char service_name[BOOTSTRAP_MAX_NAME_LEN];

/* Names longer than 127 bytes are cut, not refused (S165). */
static void cut_name(char *ret_name, const char *name)
{
    size_t length = strnlen(name, BOOTSTRAP_MAX_NAME_LEN - 1);
    memcpy(ret_name, name, length);
    ret_name[length] = 0;
}

static kern_return_t code_of(int error)
{
    switch (error) {
    case 0:
        return BOOTSTRAP_SUCCESS;
    case -EADDRINUSE: /* another task's (S166) */
    case -EPERM:      /* the port's task runs as another user */
    case -EACCES:     /* the directory of names is another user's */
        return BOOTSTRAP_NOT_PRIVILEGED;
    default:
        return BOOTSTRAP_NO_MEMORY;
    }
}

#define ELSEWHERE (-1) /* a program serves that port: it is to be asked */

/* Takes the task lock; leaves it again unless `bp` is one of this layer's own bootstrap ports. */
static kern_return_t enter(mach_port_t bp)
{
    kern_return_t kr = MACH_SEND_INVALID_DEST;
    ipc_task_lock();
    ipc_engine_catch_up(); /* services whose port has died in another task are gone */
    struct ipc_entry *entry = ipc_space_find(bp);
    if (entry && entry->port && entry->port->bootstrap)
        return BOOTSTRAP_SUCCESS;
    if (entry && entry->type & MACH_PORT_TYPE_SEND && entry->port->place != IPC_SPECIAL)
        kr = ELSEWHERE;
    ipc_task_unlock();
    return kr;
}

bool bootstrap_is_elsewhere(mach_port_t bp)
{
    kern_return_t kr = enter(bp);
    if (kr == BOOTSTRAP_SUCCESS)
        ipc_task_unlock();
    return kr == ELSEWHERE;
}

static kern_return_t leave(kern_return_t kr)
{
    ipc_engine_leave();
    ipc_task_unlock();
    return kr;
}

/* ---- publishing -------------------------------------------------------------------------- */

static kern_return_t open_door(const char *service, struct ipc_port *port, const uid_t *uids,
                               unsigned count)
{
    int r = ipc_task_start_engine();
    if (r == 0)
        r = ipc_door_open(service, port, uids, count);
    if (r < 0 || port->place == IPC_OWN)
        return code_of(r);
    struct ipc_door *door = ipc_door_find(service);
    r = ipc_door_hand_over(door, port->peer);
    if (r < 0)
        ipc_door_close(door);
    return code_of(r);
}

/* register with MACH_PORT_NULL: a declared service of one's own goes (S171). */
static kern_return_t unregister(const char *service)
{
    struct ipc_door *door = ipc_door_find(service);
    if (!door) {
        int r = ipc_lookup_exists(service);
        return code_of(r > 0 ? -EADDRINUSE : r);
    }
    if (!door->declared)
        return BOOTSTRAP_SERVICE_ACTIVE;
    ipc_port_destroy(door->port); /* closes the door */
    return BOOTSTRAP_SUCCESS;
}

static kern_return_t register_port(const char *service, mach_port_t name, const uid_t *uids,
                                   unsigned count)
{
    if (name == MACH_PORT_NULL)
        return unregister(service);
    struct ipc_entry *entry = name == MACH_PORT_DEAD ? NULL : ipc_space_find(name);
    bool dead = name == MACH_PORT_DEAD || (entry && entry->type & MACH_PORT_TYPE_DEAD_NAME);
    if (!dead && (!entry || !(entry->type & MACH_PORT_TYPE_SEND)))
        return MACH_SEND_INVALID_RIGHT; /* as if it were to go to launchd */
    if (dead || (entry->port->place != IPC_OWN && entry->port->place != IPC_REMOTE))
        return BOOTSTRAP_NO_MEMORY;
    struct ipc_door *door = ipc_door_find(service);
    if (door) /* a declared one is to be checked in, not replaced */
        return door->declared ? BOOTSTRAP_NOT_PRIVILEGED : BOOTSTRAP_SERVICE_ACTIVE;
    return open_door(service, entry->port, uids, count);
}

kern_return_t bootstrap_register(mach_port_t bp, const char *name, mach_port_t sp)
{
    service_name service;
    if (!name)
        return KERN_INVALID_ARGUMENT;
    cut_name(service, name);
    kern_return_t kr = enter(bp);
    if (kr == ELSEWHERE)
        return bootstrap_ask_register(bp, service, sp);
    return kr == BOOTSTRAP_SUCCESS ? leave(register_port(service, sp, NULL, 0)) : kr;
}

kern_return_t machool_bootstrap_register(const char *name, mach_port_t port, const uid_t *uids,
                                         unsigned count)
{
    service_name service;
    if (!name)
        return KERN_INVALID_ARGUMENT;
    cut_name(service, name);
    kern_return_t kr = enter(bootstrap_port);
    if (kr == ELSEWHERE)
        return count ? KERN_NOT_SUPPORTED : bootstrap_ask_register(bootstrap_port, service, port);
    return kr == BOOTSTRAP_SUCCESS ? leave(register_port(service, port, uids, count)) : kr;
}

/* Whether two ports are one task's. */
static bool same_owner(const struct ipc_port *a, const struct ipc_port *b)
{
    return a->place == b->place && a->peer == b->peer;
}

kern_return_t bootstrap_register_for(const char *service, mach_port_t name)
{
    kern_return_t kr = enter(bootstrap_port);
    if (kr == ELSEWHERE)
        return bootstrap_ask_register(bootstrap_port, service, name);
    if (kr != BOOTSTRAP_SUCCESS)
        return kr;
    struct ipc_door *door = ipc_door_find(service);
    struct ipc_entry *entry = ipc_space_find(name);
    if (door && entry && entry->port && !same_owner(door->port, entry->port))
        return leave(BOOTSTRAP_NOT_PRIVILEGED);
    return leave(register_port(service, name, NULL, 0));
}

/* A service without a server: `*ret_door` holds the receive right of its new port. */
static kern_return_t declare(const char *service, struct ipc_door **ret_door)
{
    if (ipc_door_find(service))
        return BOOTSTRAP_SERVICE_ACTIVE;
    struct ipc_port *port = ipc_port_new();
    kern_return_t kr = port ? open_door(service, port, NULL, 0) : BOOTSTRAP_NO_MEMORY;
    if (kr != BOOTSTRAP_SUCCESS) {
        if (port)
            ipc_port_destroy(port);
        return kr;
    }
    *ret_door = ipc_door_find(service);
    (*ret_door)->declared = true;
    return BOOTSTRAP_SUCCESS;
}

/* The receive right of a declared service, or of one that is new. */
static kern_return_t check_in(const char *service, mach_port_t *ret_port)
{
    struct ipc_door *door = ipc_door_find(service);
    bool known = door && door->declared;
    kern_return_t kr = known ? BOOTSTRAP_SUCCESS : declare(service, &door);
    if (kr != BOOTSTRAP_SUCCESS)
        return kr;
    struct ipc_carried right = {.port = door->port, .type = MACH_MSG_TYPE_PORT_RECEIVE};
    door->declared = false;
    if (ipc_right_copyout(&right, ret_port) != KERN_SUCCESS) /* and the service is gone with it */
        return BOOTSTRAP_NO_MEMORY;
    return BOOTSTRAP_SUCCESS;
}

kern_return_t bootstrap_check_in(mach_port_t bp, const char *name, mach_port_t *sp)
{
    service_name service;
    cut_name(service, name);
    kern_return_t kr = enter(bp);
    if (kr == ELSEWHERE)
        return bootstrap_ask_check_in(bp, service, sp);
    return kr == BOOTSTRAP_SUCCESS ? leave(check_in(service, sp)) : kr;
}

/* ---- finding ----------------------------------------------------------------------------- */

/* A right to a service of any task, carried. */
static kern_return_t find(const char *service, struct ipc_carried *ret_right, bool *ret_active)
{
    struct ipc_door *door = ipc_door_find(service);
    if (!door)
        return ipc_lookup(service, ret_right, ret_active);
    *ret_active = !door->declared;
    *ret_right = (struct ipc_carried){.port = ipc_port_carry(door->port),
                                      .type = MACH_MSG_TYPE_PORT_SEND};
    return BOOTSTRAP_SUCCESS;
}

static kern_return_t look_up(const char *service, mach_port_t *ret_port)
{
    struct ipc_carried right;
    mach_port_name_t name = MACH_PORT_NULL;
    bool active;
    kern_return_t kr = find(service, &right, &active);
    if (kr != BOOTSTRAP_SUCCESS)
        return kr;
    if (ipc_right_copyout(&right, &name) != KERN_SUCCESS)
        return BOOTSTRAP_NO_MEMORY;
    if (!MACH_PORT_VALID(name))
        return BOOTSTRAP_UNKNOWN_SERVICE; /* died between the answer and the name */
    *ret_port = name;
    return BOOTSTRAP_SUCCESS;
}

kern_return_t bootstrap_look_up(mach_port_t bp, const char *name, mach_port_t *sp)
{
    service_name service;
    cut_name(service, name);
    kern_return_t kr = enter(bp);
    if (kr == ELSEWHERE)
        return bootstrap_ask_port(bp, MACHOOL_BOOTSTRAP_LOOK_UP, service, sp);
    return kr == BOOTSTRAP_SUCCESS ? leave(look_up(service, sp)) : kr;
}

static kern_return_t status(const char *service, bootstrap_status_t *ret_status)
{
    struct ipc_carried right;
    bool active;
    kern_return_t kr = find(service, &right, &active);
    if (kr != BOOTSTRAP_SUCCESS)
        return kr;
    ipc_right_clean(&right);
    *ret_status = active ? BOOTSTRAP_STATUS_ACTIVE : BOOTSTRAP_STATUS_INACTIVE;
    return BOOTSTRAP_SUCCESS;
}

kern_return_t bootstrap_status(mach_port_t bp, const char *name, bootstrap_status_t *service_active)
{
    service_name service;
    cut_name(service, name);
    kern_return_t kr = enter(bp);
    if (kr == ELSEWHERE)
        return bootstrap_ask_status(bp, service, service_active);
    return kr == BOOTSTRAP_SUCCESS ? leave(status(service, service_active)) : kr;
}

/* ---- declaring --------------------------------------------------------------------------- */

kern_return_t bootstrap_create_service(mach_port_t bp, const char *name, mach_port_t *sp)
{
    struct ipc_door *door;
    service_name service;
    cut_name(service, name);
    kern_return_t kr = enter(bp);
    if (kr == ELSEWHERE)
        return bootstrap_ask_create(bp, service, sp);
    if (kr != BOOTSTRAP_SUCCESS)
        return kr;
    kr = declare(service, &door);
    if (kr == BOOTSTRAP_SUCCESS)
        kr = look_up(service, sp);
    return leave(kr);
}

/* One more port that bootstrap calls take. */
static kern_return_t new_bootstrap(mach_port_t *ret_port)
{
    struct ipc_port *port = ipc_port_new_special();
    struct ipc_entry *entry = port ? ipc_space_alloc(port) : NULL;
    if (!entry) {
        ipc_port_unref(port);
        return BOOTSTRAP_NO_MEMORY;
    }
    port->bootstrap = true;
    port->machine = WIRE_MACHINE_BOOTSTRAP; /* elsewhere it is like the machine's */
    port->local = 1;
    port->name = *ret_port = entry->name;
    entry->type = MACH_PORT_TYPE_SEND;
    entry->urefs = 1;
    return BOOTSTRAP_SUCCESS;
}

kern_return_t bootstrap_create_server(mach_port_t bp, const char *server_cmd, uid_t server_uid,
                                      boolean_t on_demand, mach_port_t *server_port)
{
    (void)server_cmd; /* nobody is there to run it: DIFFERENCES */
    (void)server_uid;
    (void)on_demand;
    kern_return_t kr = enter(bp);
    if (kr == ELSEWHERE) /* it does for that itself */
        return bootstrap_unprivileged(bp, server_port);
    return kr == BOOTSTRAP_SUCCESS ? leave(new_bootstrap(server_port)) : kr;
}

/* ---- contexts ---------------------------------------------------------------------------- */

/* One reference more to the same port. */
static kern_return_t same_again(mach_port_t bp, mach_port_t *ret_port)
{
    kern_return_t kr = ipc_right_mod_refs(bp, MACH_PORT_RIGHT_SEND, 1);
    if (kr == KERN_SUCCESS)
        *ret_port = bp;
    return kr;
}

kern_return_t bootstrap_unprivileged(mach_port_t bp, mach_port_t *unpriv_port)
{
    ipc_task_lock();
    kern_return_t kr = same_again(bp, unpriv_port);
    ipc_task_unlock();
    return kr;
}

kern_return_t bootstrap_parent(mach_port_t bp, mach_port_t *parent_port)
{
    kern_return_t kr = enter(bp);
    if (kr == ELSEWHERE)
        return geteuid() == 0 ? bootstrap_ask_parent(bp, parent_port) : BOOTSTRAP_NOT_PRIVILEGED;
    if (kr != BOOTSTRAP_SUCCESS)
        return kr;
    return leave(geteuid() == 0 ? same_again(bp, parent_port) : BOOTSTRAP_NOT_PRIVILEGED);
}
