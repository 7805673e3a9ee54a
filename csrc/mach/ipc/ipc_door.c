/* See ipc_door.h. */
#include "ipc/ipc_door.h"

#include "ipc/ipc_grant.h"
#include "ipc/ipc_peer.h"
#include "ipc/ipc_port.h"
#include "ipc/ipc_task.h"
#include "os/os_memfd.h"

#include <errno.h>
#include <fcntl.h>
#include <servers/bootstrap.h>
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
    door->starved = false;
    for (;;) {
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
        *end = (struct ipc_end){.watch.kind = IPC_WATCH_END, .fd = fd, .door = door};
        util_list_append(&ipc_task.ends, &end->link);
        if (ipc_engine_watch(fd, &end->watch) < 0)
            ipc_end_close(end);
        else
            ipc_end_read(end);
    }
}

/* ---- ends -------------------------------------------------------------------------------- */

/* The rights that the end stood for are no longer its. */
static void end_drop_rights(struct ipc_end *end)
{
    struct ipc_stand *stands = end->stands;
    uint32_t count = end->stand_count;
    end->stands = NULL;
    end->stand_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct ipc_port *port = stands[i].port;
        if (!port)
            continue;
        port->pending--;
        ipc_grant_dropped(port);
        ipc_port_unref(port);
    }
    free(stands);
}

static void free_end(struct ipc_end *end)
{
    end_drop_rights(end);
    util_list_remove(&end->link);
    free(end);
}

void ipc_end_close(struct ipc_end *end)
{
    ipc_engine_unwatch(end->fd, &end->watch);
    close(end->fd);
    free_end(end);
}

/* The end stands for a right to each of these from now on. False: no memory. */
static bool end_take_rights(struct ipc_end *end, const struct util_id *ids, uint32_t count)
{
    struct ipc_stand *stands = calloc(count, sizeof *stands);
    end_drop_rights(end);
    if (!stands)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        struct ipc_port *port = ipc_port_find(ids[i]);
        stands[i].id = ids[i];
        if (!port || port->place != IPC_OWN)
            continue;
        stands[i].port = ipc_port_ref(port);
        port->pending++;
    }
    end->stands = stands;
    end->stand_count = count;
    return true;
}

int ipc_door_introduce(int end, const struct util_id *ids, uint32_t count)
{
    struct wire_datagram intro = {.kind = WIRE_INTRO, .version = WIRE_VERSION, .count = count};
    if (count == 1) {
        intro.id = ids[0];
        return os_send(end, &intro, sizeof intro, NULL, 0, true);
    }
    int list = os_memfd_sealed("machool:rights", ids, count * sizeof *ids);
    if (list < 0)
        return list;
    int r = os_send(end, &intro, sizeof intro, &list, 1, true);
    close(list);
    return r;
}

/* INTRO: one id in the datagram, or many in an object. False: not what it should be. */
static bool end_introduced(struct ipc_end *end, const struct wire_datagram *intro,
                           const struct os_received *received)
{
    size_t size = intro->count * sizeof(struct util_id);
    if (intro->count == 1)
        return end_take_rights(end, &intro->id, 1);
    if (intro->count > WIRE_RIGHTS_MAX || received->count != 1 ||
        os_memfd_verify(received->fds[0], F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW, size) < 0)
        return false;
    struct util_id *ids = malloc(size ? size : 1);
    bool done = ids && os_memfd_read(received->fds[0], ids, size, 0) == 0 &&
                end_take_rights(end, ids, intro->count);
    free(ids);
    return done;
}

static bool may_look_up(const struct ipc_door *door, uid_t uid)
{
    if (uid == geteuid() || uid == 0)
        return true;
    for (unsigned i = 0; i < door->uid_count; i++) {
        if (door->uids[i] == uid)
            return true;
    }
    return false;
}

static void refuse(struct ipc_end *end, uint32_t code)
{
    const struct wire_datagram refused = {
        .kind = WIRE_REFUSED, .version = WIRE_VERSION, .count = code};
    (void)os_send(end->fd, &refused, sizeof refused, NULL, 0, false);
}

/* LOOKUP: who asks is checked by the kernel's word, then told which port the name leads to.
 * False: refused. */
static bool end_look_up(struct ipc_end *end, const struct wire_datagram *datagram)
{
    struct ucred asker;
    struct ipc_door *door = end->door;
    if (!door || !door->port || door->port->place != IPC_OWN ||
        strcmp(door->name, datagram->name) != 0) {
        refuse(end, BOOTSTRAP_UNKNOWN_SERVICE);
        return false;
    }
    if (os_peer_credentials(end->fd, &asker) < 0 || !may_look_up(door, asker.uid)) {
        refuse(end, BOOTSTRAP_NOT_PRIVILEGED);
        return false;
    }
    (void)end_take_rights(end, &door->port->node.id, 1);
    end->alias = datagram->id;
    struct wire_datagram answer = {.kind = WIRE_ANSWER,
                                   .version = WIRE_VERSION,
                                   .count = door->declared,
                                   .id = door->port->node.id,
                                   .task = ipc_task.id,
                                   .limit = door->port->limit};
    /* An asker that has ended already may have said more before: read on. */
    (void)os_send(end->fd, &answer, sizeof answer, NULL, 0, true);
    return true;
}

static void welcome(struct wire_channel *channel)
{
    struct wire_datagram datagram = {
        .kind = WIRE_WELCOME, .version = WIRE_VERSION, .task = ipc_task.id};
    if (ipc_task_listen() == 0) { /* the door that was knocked at may go before the others do */
        datagram.address_size = ipc_task.address.length;
        memcpy(datagram.address, &ipc_task.address.un, ipc_task.address.length);
    }
    (void)os_send(channel->fd, &datagram, sizeof datagram, NULL, 0, true);
}

/* The peer that says HELLO: known, or new. */
static struct ipc_peer *peer_of_hello(const struct wire_datagram *datagram,
                                      const struct ucred *credentials)
{
    struct ipc_peer *peer = ipc_peer_find(datagram->task, credentials->pid);
    if (!peer)
        peer = ipc_peer_new(datagram->task, credentials);
    if (!peer)
        return NULL;
    peer->credentials = *credentials;
    peer->listener.length = datagram->address_size;
    memcpy(&peer->listener.un, datagram->address, datagram->address_size);
    return peer;
}

/* What an end stood for is the peer's now. `alias` is none, or the looker's own name for it. */
static void stand_becomes_right(const struct ipc_stand *stand, struct ipc_peer *peer,
                                struct util_id alias)
{
    if (stand->port && stand->port->place == IPC_OWN) {
        (void)ipc_grants_add(&stand->port->grants, peer, 1);
        if (!util_id_is_none(alias))
            (void)ipc_port_alias(stand->port, alias);
        return;
    }
    ipc_peer_tell(peer, WIRE_DEAD, stand->id,
                  0); /* it may have died since a look-up was answered */
    if (!util_id_is_none(alias))
        ipc_peer_tell(peer, WIRE_DEAD, alias, 0);
}

/* HELLO: the end becomes a channel, and its rights the peer's. The end is gone after this. */
static void end_becomes_channel(struct ipc_end *end, const struct wire_datagram *datagram,
                                struct os_received *received)
{
    struct lane lane;
    struct ipc_peer *peer = NULL;
    bool has_lane = received->count == 1 && received->has_credentials &&
                    lane_adopt(&lane, received->fds[0]) == 0;
    if (has_lane)
        peer = peer_of_hello(datagram, &received->credentials);
    else if (received->count != 1 || !received->has_credentials)
        os_fd_close_all(received->fds, received->count);
    if (!peer) {
        if (has_lane)
            lane_deinit(&lane);
        ipc_end_close(end);
        return;
    }
    ipc_engine_unwatch(end->fd, &end->watch);
    struct wire_channel *channel = wire_channel_new(end->fd, &lane);
    if (channel && ipc_peer_add_channel(peer, channel) < 0)
        channel = NULL;
    if (channel) {
        welcome(channel);
        for (uint32_t i = 0; i < end->stand_count; i++)
            stand_becomes_right(&end->stands[i], peer, datagram->id);
        if (!end->stand_count && !util_id_is_none(datagram->id)) /* a look-up that was refused */
            ipc_peer_tell(peer, WIRE_DEAD, datagram->id, 0);
        ipc_engine_read(channel);
    }
    free_end(end);
}

/* One datagram. False: the end is gone, or has nothing more. */
static bool end_datagram(struct ipc_end *end)
{
    struct wire_datagram datagram;
    struct os_received received;
    end->starved = !os_fd_headroom(1); /* for the lane of HELLO, or a list of rights */
    if (end->starved) {
        ipc_task.engine.starved = true;
        return false;
    }
    int r = os_receive(end->fd, &datagram, sizeof datagram, &received);
    if (r == -EAGAIN)
        return false;
    if (r <= 0 || wire_datagram_check(&datagram, received.size) < 0) {
        if (r > 0)
            os_fd_close_all(received.fds, received.count);
        ipc_end_close(end);
        return false;
    }
    if (datagram.kind == WIRE_HELLO) {
        end_becomes_channel(end, &datagram, &received);
        return false;
    }
    bool good = datagram.kind == WIRE_INTRO    ? end_introduced(end, &datagram, &received)
                : datagram.kind == WIRE_LOOKUP ? end_look_up(end, &datagram)
                                               : false;
    os_fd_close_all(received.fds, received.count);
    if (good)
        return true;
    ipc_end_close(end);
    return false;
}

void ipc_end_read(struct ipc_end *end)
{
    while (end_datagram(end))
        ;
}
