/* See ipc_bootstrap.h. */
#include "ipc/ipc_bootstrap.h"

#include "ipc/ipc_door.h"
#include "ipc/ipc_peer.h"
#include "ipc/ipc_port.h"
#include "ipc/ipc_task.h"
#include "ipc/ipc_transit.h"
#include "ipc/ipc_way.h"

#include <errno.h>
#include <inttypes.h>
#include <mach/mach_init.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define VARIABLE "MACHOOL_BOOTSTRAP_PORT"
#define TEXT_MAX 256

enum heritage_kind { HERITAGE_MACHINE, HERITAGE_NOTHING, HERITAGE_PORT };

static struct heritage {
    enum heritage_kind kind;
    struct util_id id, owner; /* PORT: the port, its task */
    uint32_t limit;
    struct os_address address; /* the task's listener; length 0: the port is dead, or as good */
    int fd;                    /* an end that stands for the right; -1: none */
    ino_t inode;               /* of its socket */
} heritage = {.fd = -1};

/* ---- the environment ----------------------------------------------------------------------- */

/* ID:OWNER:LIMIT:ADDRESS, an abstract address with @ for its NUL; or "none", or "dead". */
static void write_text(char *ret_text, const struct heritage *from)
{
    const char *path = from->address.un.sun_path;
    size_t length = from->address.length - offsetof(struct sockaddr_un, sun_path);
    snprintf(ret_text, TEXT_MAX,
             "%016" PRIx64 "%016" PRIx64 ":%016" PRIx64 "%016" PRIx64 ":%u:%c%.*s", from->id.w[0],
             from->id.w[1], from->owner.w[0], from->owner.w[1], from->limit,
             path[0] ? path[0] : '@', (int)length - 1, path + 1);
}

static bool read_text(const char *text, struct heritage *ret_heritage)
{
    struct heritage read = {.kind = HERITAGE_PORT, .fd = -1};
    int at = 0;
    if (sscanf(text, "%16" SCNx64 "%16" SCNx64 ":%16" SCNx64 "%16" SCNx64 ":%" SCNu32 ":%n",
               &read.id.w[0], &read.id.w[1], &read.owner.w[0], &read.owner.w[1], &read.limit,
               &at) < 5 ||
        at == 0 || util_id_is_none(read.id))
        return false;
    size_t length = strlen(text + at);
    if (length < 2 || length >= sizeof read.address.un.sun_path)
        return false;
    read.address.un.sun_family = AF_UNIX;
    memcpy(read.address.un.sun_path, text + at, length);
    if (text[at] == '@')
        read.address.un.sun_path[0] = 0;
    read.address.length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
    *ret_heritage = read;
    return true;
}

static int write_environment(void)
{
    char text[TEXT_MAX];
    snprintf(text, sizeof text, "%s", heritage.kind == HERITAGE_NOTHING ? "none" : "dead");
    if (heritage.kind == HERITAGE_PORT && heritage.address.length)
        write_text(text, &heritage);
    int r = heritage.kind == HERITAGE_MACHINE ? unsetenv(VARIABLE) : setenv(VARIABLE, text, 1);
    return r < 0 ? -errno : 0;
}

void ipc_bootstrap_read_environment(void)
{
    const char *text = secure_getenv(VARIABLE);
    if (!text)
        return;
    if (strcmp(text, "none") == 0)
        heritage.kind = HERITAGE_NOTHING;
    else if (strcmp(text, "dead") == 0)
        heritage.kind = HERITAGE_PORT;
    else
        (void)read_text(text, &heritage);
}

/* ---- taking up ------------------------------------------------------------------------------ */

bool ipc_bootstrap_start(void)
{
    bootstrap_port = heritage.kind == HERITAGE_NOTHING ? MACH_PORT_NULL : IPC_NAME_BOOTSTRAP;
    return heritage.kind == HERITAGE_PORT;
}

/* A new end at the owner, where it stands for the right. -EPIPE: the owner is gone. */
static int introduce(void)
{
    if (!heritage.address.length)
        return -EPIPE;
    int fd = os_connect(&heritage.address);
    int r = fd < 0 ? fd : ipc_door_introduce(fd, &heritage.id, 1);
    if (fd >= 0 && r < 0)
        close(fd);
    return r < 0 ? r : fd;
}

/* The end from before the fork, if it is still that. */
static int steal_end(void)
{
    struct stat status;
    int fd = heritage.fd;
    heritage.fd = -1;
    return fd >= 0 && fstat(fd, &status) == 0 && S_ISSOCK(status.st_mode) &&
                   status.st_ino == heritage.inode
               ? fd
               : -EBADF;
}

/* An end at the owner, whose address may long be somebody else's: another user is not believed. */
static int connect_anew(void)
{
    struct ucred owner;
    int fd = introduce();
    if (fd < 0)
        return fd;
    if (os_peer_credentials(fd, &owner) == 0 &&
        (owner.uid == geteuid() || owner.uid == getuid() || owner.uid == 0))
        return fd;
    close(fd);
    return -EPIPE;
}

/* Another try may find more, unless the owner is gone. */
static bool passing(int error)
{
    return error != -EPIPE && error != -ECONNRESET && error != -ECONNREFUSED && error != -ENOENT;
}

/* The name that every task has from its start, dead until there is more behind it. */
static struct ipc_entry *entry_of_name(void)
{
    struct ipc_entry *entry = ipc_space_find(IPC_NAME_BOOTSTRAP);
    if (entry)
        return entry;
    if (ipc_space_alloc_name(IPC_NAME_BOOTSTRAP, NULL, &entry) == KERN_SUCCESS) {
        entry->type = MACH_PORT_TYPE_DEAD_NAME;
        entry->urefs = 1;
    }
    return entry;
}

bool ipc_bootstrap_take_up(void)
{
    int error = 0;
    struct ipc_entry *entry = entry_of_name();
    if (!ipc_task.bootstrap)
        ipc_task.bootstrap = ipc_port_new_dead();
    if (!entry || !ipc_task.bootstrap)
        return true;
    int fd = steal_end();
    if (fd < 0)
        fd = connect_anew();
    if (fd < 0)
        return passing(fd);
    struct ipc_port *port = ipc_way_take_one(fd, heritage.id, MACH_MSG_TYPE_PORT_SEND,
                                             heritage.owner, heritage.limit, NULL, &error);
    if (!port)
        return passing(error);
    entry->port = port;
    entry->type = MACH_PORT_TYPE_SEND;
    entry->urefs = 1;
    port->name = IPC_NAME_BOOTSTRAP;
    ipc_port_drop(ipc_task.bootstrap);
    ipc_task.bootstrap = ipc_port_carry(port);
    return false;
}

/* ---- leaving -------------------------------------------------------------------------------- */

/* What children of this task are left, but for the end. */
static int describe(const struct ipc_port *port, struct heritage *ret_heritage)
{
    struct heritage left = {.kind = HERITAGE_PORT, .fd = -1};
    if (!port) {
        left.kind = HERITAGE_NOTHING;
    } else if (port->bootstrap) {
        left.kind = HERITAGE_MACHINE;
    } else if (port->place == IPC_OWN) {
        int r = ipc_task_listen();
        if (r < 0)
            return r;
        left.owner = ipc_task.id;
        left.address = ipc_task.address;
    } else if (port->place == IPC_REMOTE) {
        left.owner = port->peer->id;
        left.address = port->peer->listener;
    }
    if (left.kind == HERITAGE_PORT) {
        left.id = port->node.id;
        left.limit = port->limit;
    }
    *ret_heritage = left;
    return 0;
}

int ipc_bootstrap_set(struct ipc_port *take_port)
{
    struct heritage before = heritage;
    struct ipc_port *old = ipc_task.bootstrap;
    int r = describe(take_port, &heritage);
    if (r == 0)
        r = write_environment();
    if (r < 0) {
        heritage = before;
        return r;
    }
    ipc_task.bootstrap = take_port;
    if (old)
        ipc_port_drop(old);
    return 0;
}

void ipc_bootstrap_before_fork(bool taken_up)
{
    struct stat status;
    struct ipc_port *port = ipc_task.bootstrap;
    if (!taken_up || !port || describe(port, &heritage) < 0 || heritage.kind != HERITAGE_PORT)
        return;
    heritage.fd = introduce(); /* or else the child tries for itself */
    if (heritage.fd >= 0 && fstat(heritage.fd, &status) == 0)
        heritage.inode = status.st_ino;
}

void ipc_bootstrap_after_fork(void)
{
    if (heritage.fd >= 0)
        close(heritage.fd);
    heritage.fd = -1;
}
