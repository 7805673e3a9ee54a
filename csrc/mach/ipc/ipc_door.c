/* See ipc_door.h: doors. Ends are in ipc_end.c. */
#include "ipc/ipc_door.h"

#include "ipc/ipc_grant.h"
#include "ipc/ipc_move.h"
#include "ipc/ipc_peer.h"
#include "ipc/ipc_port.h"
#include "ipc/ipc_task.h"
#include "os/os_memfd.h"

#include <errno.h>
#include <fcntl.h>
#include <servers/bootstrap.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- addresses --------------------------------------------------------------------------- */

/* 128 bits out of a name of up to 127 bytes, which an address of 107 could not hold whole. Two
 * names that met here would share a door; FNV-1a in two lanes makes that a matter of malice, and
 * malice within one user needs no collision. */
static struct util_id name_hash(const char *name)
{
    struct util_id hash = {{0xcbf29ce484222325u, 0x84222325cbf29ce4u}};
    for (const char *at = name; *at; at++) {
        hash.w[0] = (hash.w[0] ^ (unsigned char)*at) * 0x100000001b3u;
        hash.w[1] = (hash.w[1] ^ (unsigned char)(*at + 0x5c)) * 0x10000000233u;
    }
    return hash;
}

/* One bootstrap for all users, as names are global on Darwin's system bootstrap: a stranger is
 * refused by the door, not by not finding it. Private doors are random. */
int ipc_door_address(const char *name, struct os_address *ret_address)
{
    struct os_address address = {.un.sun_family = AF_UNIX};
    const char *dir = getenv("MACHOOL_BOOTSTRAP_DIR");
    struct util_id id = *name ? name_hash(name) : util_id_new();
    char *at = address.un.sun_path;
    size_t room = sizeof address.un.sun_path;
    if (!dir || !*dir) {
        dir = "machool";
        *at++ = 0; /* abstract */
        room--;
    }
    int length = snprintf(at, room, "%s/%s-%016llx%016llx", dir, *name ? "name" : "task",
                          (unsigned long long)id.w[0], (unsigned long long)id.w[1]);
    if (length < 0 || (size_t)length >= room)
        return -ENAMETOOLONG;
    address.length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) +
                                 (size_t)(at - address.un.sun_path) + (size_t)length);
    *ret_address = address;
    return 0;
}

static bool is_path(const struct os_address *address)
{
    return address->un.sun_path[0] != 0;
}

/* A path socket outlives its task when that is killed. Under the directory's lock, a socket that
 * nobody listens on is removed and its place taken. */
static int listen_at_path(const struct os_address *address)
{
    const char *dir = getenv("MACHOOL_BOOTSTRAP_DIR");
    if (mkdir(dir, 0700) < 0 && errno != EEXIST)
        return -errno;
    int lock = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (lock < 0)
        return -errno;
    int r = flock(lock, LOCK_EX) < 0 ? -errno : os_listen(address);
    if (r == -EADDRINUSE) {
        int fd = os_connect(address);
        if (fd >= 0)
            close(fd);
        else if (fd == -ECONNREFUSED && unlink(address->un.sun_path) == 0)
            r = os_listen(address);
    }
    close(lock);
    return r;
}

/* ---- doors ------------------------------------------------------------------------------- */

static void free_door(struct ipc_door *door)
{
    free(door->uids);
    free(door);
}

static struct ipc_door *new_door(const char *name, const uid_t *uids, unsigned uid_count)
{
    struct ipc_door *door = calloc(1, sizeof *door);
    if (!door)
        return NULL;
    door->watch.kind = IPC_WATCH_DOOR;
    door->fd = -1;
    snprintf(door->name, sizeof door->name, "%s", name);
    if (uid_count) {
        door->uids = calloc(uid_count, sizeof *uids);
        if (!door->uids) {
            free(door);
            return NULL;
        }
        memcpy(door->uids, uids, uid_count * sizeof *uids);
        door->uid_count = uid_count;
    }
    return door;
}

/* A door for `port` is in the list from now on. */
static void hang(struct ipc_door *door, struct ipc_port *port)
{
    door->port = ipc_port_carry(port);
    port->doors++;
    util_list_append(&ipc_task.doors, &door->link);
}

/* A listener is taken from one's own user and from root: accept() on it can be made to block. */
static bool takes_doors_from(uid_t owner, uid_t giver)
{
    return giver == owner || giver == 0;
}

int ipc_door_open(const char *name, struct ipc_port *borrow_port, const uid_t *uids,
                  unsigned uid_count)
{
    struct ipc_door *door = new_door(name, uids, uid_count);
    if (!door)
        return -ENOMEM;
    int r = ipc_door_address(name, &door->address);
    if (r == 0)
        r = is_path(&door->address) ? listen_at_path(&door->address) : os_listen(&door->address);
    if (r >= 0) {
        door->fd = r;
        r = ipc_engine_watch(door->fd, &door->watch);
    }
    if (r < 0) {
        if (door->fd >= 0)
            close(door->fd);
        free_door(door);
        return r;
    }
    if (borrow_port)
        hang(door, borrow_port);
    else
        util_list_append(&ipc_task.doors, &door->link);
    if (!borrow_port)
        ipc_task.address = door->address;
    return 0;
}

int ipc_door_hand_over(struct ipc_door *door, struct ipc_peer *to)
{
    struct wire_channel *channel = ipc_peer_channel(to);
    if (!channel)
        return -EPIPE;
    if (!takes_doors_from(to->credentials.uid, geteuid()))
        return -EPERM;
    if (door->uid_count > WIRE_UIDS_MAX)
        return -E2BIG;
    struct {
        struct wire_door head;
        uint32_t uids[WIRE_UIDS_MAX];
    } entry = {.head = {.id = door->port->node.id, .uid_count = door->uid_count}};
    memcpy(entry.head.name, door->name, sizeof entry.head.name);
    for (unsigned i = 0; i < door->uid_count; i++)
        entry.uids[i] = door->uids[i];
    int r = wire_channel_send_fds(channel, &door->fd, 1, &entry.head.token);
    if (r == 0)
        r = ipc_peer_turn(channel);
    if (r == 0)
        r = wire_channel_publish(channel, WIRE_DOOR, &entry,
                                 sizeof entry.head + door->uid_count * sizeof(uint32_t));
    if (r < 0)
        return r;
    ipc_engine_unwatch(door->fd, &door->watch);
    close(door->fd);
    door->fd = -1;
    return 0;
}

/* What came must be a listener, whose address then is that of the door. */
static bool is_listener(struct ipc_door *door)
{
    int listening = 0, type = 0;
    socklen_t size = sizeof(int);
    struct os_address *address = &door->address;
    address->length = sizeof address->un;
    return getsockopt(door->fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) == 0 && listening &&
           getsockopt(door->fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_SEQPACKET &&
           getsockname(door->fd, (struct sockaddr *)&address->un, &address->length) == 0 &&
           address->un.sun_family == AF_UNIX &&
           fcntl(door->fd, F_SETFL, fcntl(door->fd, F_GETFL) | O_NONBLOCK) == 0;
}

int ipc_door_receive(struct wire_channel *channel, const void *payload, size_t size)
{
    struct wire_door head;
    const uint32_t *uids;
    int r = wire_door_read(payload, size, &head, &uids);
    if (r < 0)
        return r;
    struct ipc_door *door = new_door(head.name, uids, head.uid_count);
    if (!door)
        return -EMFILE;
    r = wire_channel_take_fds(channel, head.token, 1, &door->fd, ipc_peer_welcome);
    if (r < 0) {
        free_door(door);
        return r == -ENOENT ? 0 : r;
    }
    struct ipc_port *port = ipc_port_find(head.id);
    bool mine = port && port->place == IPC_OWN && port->kind == IPC_PORT;
    if (!mine || !takes_doors_from(geteuid(), channel->peer->credentials.uid) ||
        !is_listener(door) || ipc_engine_watch(door->fd, &door->watch) < 0) {
        close(door->fd); /* whoever knocks hears that there is no such service */
        free_door(door);
        return 0;
    }
    hang(door, port);
    ipc_door_accept(door);
    return 0;
}

int ipc_door_declare_at(struct ipc_port *context, const char *name, struct ipc_port *port)
{
    struct ipc_door *door = new_door(name, NULL, 0);
    if (!door)
        return -ENOMEM;
    door->declared = true;
    door->context = ipc_port_ref(context);
    hang(door, port);
    return 0;
}

struct ipc_door *ipc_door_find_at(const struct ipc_port *context, const char *name)
{
    UTIL_LIST_EACH(at, after, &ipc_task.doors)
    {
        struct ipc_door *door = UTIL_CONTAINER(at, struct ipc_door, link);
        if (door->port && door->context == context && strcmp(door->name, name) == 0)
            return door;
    }
    return NULL;
}

struct ipc_door *ipc_door_find(const char *name)
{
    return ipc_door_find_at(NULL, name);
}

void ipc_door_close(struct ipc_door *door)
{
    if (door->fd >= 0)
        ipc_door_accept(door); /* who knocked in time is let in, and hears of the death */
    UTIL_LIST_EACH(at, after, &ipc_task.ends)
    {
        struct ipc_end *end = UTIL_CONTAINER(at, struct ipc_end, link);
        if (end->door == door)
            end->door = NULL;
    }
    if (door->fd >= 0) {
        ipc_engine_unwatch(door->fd, &door->watch);
        if (is_path(&door->address))
            (void)unlink(door->address.un.sun_path);
        close(door->fd);
    }
    util_list_remove(&door->link);
    if (door->port) {
        door->port->doors--;
        ipc_port_drop(door->port);
    }
    ipc_port_unref(door->context);
    free_door(door);
}

void ipc_door_remove_paths(void)
{
    UTIL_LIST_EACH(at, after, &ipc_task.doors)
    {
        const struct ipc_door *door = UTIL_CONTAINER(at, struct ipc_door, link);
        if (door->fd >= 0 && is_path(&door->address))
            (void)unlink(door->address.un.sun_path);
    }
}

void ipc_door_close_all_of(struct ipc_port *port)
{
    UTIL_LIST_EACH(at, after, &ipc_task.doors)
    {
        struct ipc_door *door = UTIL_CONTAINER(at, struct ipc_door, link);
        if (door->port == port)
            ipc_door_close(door);
    }
}

void ipc_door_accept(struct ipc_door *door)
{
    const struct util_id watch = door->watch.node.id;
    door->starved = false;
    while (util_idmap_find(&ipc_task.engine.watches, watch)) { /* what is read may close the door */
        if (!os_fd_headroom(2)) { /* the connection, and the lane that it will bring */
            door->starved = ipc_task.engine.starved = true;
            return;
        }
        int fd = os_accept(door->fd);
        if (fd < 0) { /* a shortage: the connection waits, and no event will tell again */
            door->starved = fd != -EAGAIN;
            ipc_task.engine.starved |= door->starved;
            return;
        }
        struct ipc_end *end = calloc(1, sizeof *end);
        if (!end) {
            close(fd);
            return;
        }
        *end = (struct ipc_end){.watch.kind = IPC_WATCH_END, .fd = fd, .onward = -1, .door = door};
        util_list_append(&ipc_task.ends, &end->link);
        if (ipc_engine_watch(fd, &end->watch) < 0)
            ipc_end_close(end);
        else
            ipc_end_read(end);
    }
}

void ipc_door_follow(struct ipc_port *port, struct ipc_peer *to)
{
    if (!port->doors)
        return;
    UTIL_LIST_EACH(at, after, &ipc_task.doors)
    {
        struct ipc_door *door = UTIL_CONTAINER(at, struct ipc_door, link);
        if (door->port == port && door->fd >= 0)
            (void)ipc_door_hand_over(door, to); /* if not, who knocks here is told of nothing */
    }
}
