/* The way in of ipc_transit.h: an entry becomes a message, or news about a right. The way out is in
 * ipc_transit_send.c. */
#include "ipc/ipc_transit.h"

#include "ipc/ipc_door.h"
#include "ipc/ipc_entry_port.h"
#include "ipc/ipc_kmsg.h"
#include "ipc/ipc_mqueue.h"
#include "ipc/ipc_peer.h"
#include "ipc/ipc_port.h"
#include "ipc/ipc_pset.h"
#include "ipc/ipc_right.h"
#include "ipc/ipc_task.h"
#include "os/os_memfd.h"
#include "wire/wire_channel.h"

#include <errno.h>
#include <fcntl.h>
#include <mach/vm_page_size.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FDS_MAX 16400u /* descriptors of one message: 16,383 rights (S39) and a few of its own */

/* One more right to a port of a peer: joins what is there, or is new. Carried; NULL: memory. */
static struct ipc_port *join(struct util_id id, enum ipc_kind kind, struct ipc_peer *peer,
                             uint32_t limit)
{
    struct ipc_port *port = ipc_port_find(id);
    if (port && port->place != IPC_REMOTE)
        return NULL; /* somebody claims a port of ours: not a right at all */
    bool fresh = !port;
    if (fresh)
        port = ipc_port_new_remote(id, kind, peer);
    if (!port)
        return NULL;
    ipc_port_carry(port);
    if (fresh)
        port->limit = limit;
    if (ipc_grants_add(&port->grants, peer, 1) < 0) {
        ipc_port_drop(port);
        return NULL;
    }
    return port;
}

/* The same for a right that the peer counts as ours already: without memory for it, it is given
 * back at once, so that its owner hears of its end. */
static struct ipc_port *join_counted(struct util_id id, enum ipc_kind kind, struct ipc_peer *peer,
                                     uint32_t limit)
{
    struct ipc_port *port = join(id, kind, peer, limit);
    if (!port)
        ipc_peer_tell(peer, WIRE_RELEASE, id, 1);
    return port;
}

void ipc_transit_open_way(int take_end, struct util_id id, struct util_id owner,
                          const struct ucred *credentials, struct ipc_way *ret_way)
{
    struct ucred maker;
    struct ipc_port *port = ipc_port_find(id);
    struct ipc_way way = {
        .task = owner, .end = -1, .home = port && port->place == IPC_OWN, .error = -ENOMEM};
    *ret_way = way;
    if (!credentials && os_peer_credentials(take_end, &maker) == 0)
        credentials = &maker;
    if (way.home || !credentials) {
        close(take_end);
        return;
    }
    struct ipc_peer *peer = ipc_peer_find(owner, credentials->pid);
    if (peer && ipc_peer_channel(peer)) {
        ret_way->peer = peer;
        ret_way->claims = true;
        ret_way->end = take_end;
        return;
    }
    struct os_address listener = {.length = sizeof listener.un};
    (void)getpeername(take_end, (struct sockaddr *)&listener.un, &listener.length);
    struct wire_channel *channel = ipc_peer_hello(take_end, (struct util_id){{0, 0}},
                                                  &ret_way->error);
    if (!channel)
        return;
    ret_way->error = -ENOMEM;
    if (!peer)
        peer = ipc_peer_new(owner, credentials);
    if (!peer) {
        wire_channel_close(channel);
        return;
    }
    if (ipc_peer_add_channel(peer, channel) < 0)
        return;
    peer->listener = listener;
    ret_way->peer = peer;
}

struct ipc_port *ipc_transit_take_way(const struct ipc_way *way, struct util_id id, uint8_t type,
                                      uint32_t limit)
{
    enum ipc_kind kind = type == MACH_MSG_TYPE_PORT_SEND_ONCE ? IPC_ONCE : IPC_PORT;
    struct ipc_port *port = ipc_port_find(id);
    if (way->home || (port && port->place == IPC_OWN))
        return port && port->place == IPC_OWN && port->kind == kind ? ipc_port_carry(port) : NULL;
    if (!way->peer)
        return NULL;
    if (!way->claims)
        return join_counted(id, kind, way->peer, limit);
    port = join(id, kind, way->peer, limit);
    if (port)
        ipc_peer_tell(way->peer, WIRE_CLAIM, id, 1);
    return port;
}

void ipc_transit_close_way(struct ipc_way *way)
{
    if (way->end >= 0) /* only now: until then it is what keeps the rights counted */
        close(way->end);
    way->end = -1;
}

struct ipc_port *ipc_transit_take_end(int take_end, struct util_id id, uint8_t type,
                                      struct util_id owner, uint32_t limit,
                                      const struct ucred *credentials, int *ret_error)
{
    struct ipc_way way;
    ipc_transit_open_way(take_end, id, owner, credentials, &way);
    struct ipc_port *port = ipc_transit_take_way(&way, id, type, limit);
    ipc_transit_close_way(&way);
    *ret_error = way.error;
    return port;
}

struct incoming { /* one message being taken from a channel */
    struct ipc_peer *peer;
    int *fds; /* the message's, taken in order; those taken are -1 */
    unsigned next_fd;
    struct ipc_way *ways; /* one for each END so far */
    unsigned way_count;
    const uint8_t *ool;
};

static int next_fd(struct incoming *in)
{
    int fd = in->fds[in->next_fd];
    in->fds[in->next_fd++] = -1;
    return fd;
}

static void close_ways(struct incoming *in)
{
    for (unsigned i = 0; i < in->way_count; i++)
        ipc_transit_close_way(&in->ways[i]);
    free(in->ways);
}

/* A third task's right: by an end of its own, or one that came before. */
static struct ipc_port *decode_third(struct incoming *in, const struct wire_right *wire)
{
    if (wire->how == WIRE_RIGHT_END) {
        int end = next_fd(in);
        struct ipc_way *ways = realloc(in->ways, (in->way_count + 1) * sizeof *ways);
        if (!ways) {
            close(end);
            return NULL;
        }
        in->ways = ways;
        ipc_transit_open_way(end, wire->id, wire->task, NULL, &ways[in->way_count++]);
    }
    for (unsigned i = in->way_count; i-- > 0;) {
        if (util_id_equal(in->ways[i].task, wire->task))
            return ipc_transit_take_way(&in->ways[i], wire->id, wire->type, wire->limit);
    }
    return NULL;
}

/* A right that arrived. */
static void decode_right(struct incoming *in, const struct wire_right *wire,
                         struct ipc_carried *ret_right)
{
    struct ipc_carried right = {.type = wire->type};
    enum ipc_kind kind = wire->type == MACH_MSG_TYPE_PORT_SEND_ONCE ? IPC_ONCE : IPC_PORT;
    struct ipc_port *port;
    switch (wire->how) {
    case WIRE_RIGHT_OWN:
        right.port = join_counted(wire->id, kind, in->peer, wire->limit);
        break;
    case WIRE_RIGHT_HOME:
        port = ipc_port_find(wire->id);
        if (port && port->place == IPC_OWN && port->kind == kind)
            right.port = ipc_port_carry(port);
        break;
    case WIRE_RIGHT_END:
    case WIRE_RIGHT_SAME:
        right.port = decode_third(in, wire);
        break;
    case WIRE_RIGHT_MACHINE:
        right.port = ipc_task_machine_port((enum wire_machine)wire->id.w[0]);
        break;
    case WIRE_RIGHT_ENTRY:
        right.port = ipc_entry_port_decode(wire, next_fd(in));
        break;
    default:
        break;
    }
    right.dead = wire->how != WIRE_RIGHT_NULL && !right.port;
    *ret_right = right;
}

static void decode_rights(struct incoming *in, const struct wire_descriptor *wire,
                          struct ipc_kmsg_descriptor *d)
{
    d->delivers = wire->delivers;
    for (uint32_t i = 0; i < d->right_count; i++) {
        struct wire_right right;
        memcpy(&right, in->ool, sizeof right);
        in->ool += sizeof right;
        decode_right(in, &right, &d->rights[i]);
    }
}

/* One descriptor that arrived. 0, or -errno when its memory is not what it should be. */
static int decode_descriptor(struct incoming *in, const struct wire_descriptor *wire,
                             struct ipc_kmsg_descriptor *d)
{
    d->copy = wire->copy;
    d->size = wire->size;
    switch (wire->how) {
    case WIRE_DESCRIPTOR_PORT:
        d->guard = wire->guard;
        d->guard_flags = (uint16_t)wire->guard_flags;
        decode_right(in, &wire->right, &d->right);
        return 0;
    case WIRE_DESCRIPTOR_PORTS:
        decode_rights(in, wire, d);
        return 0;
    case WIRE_DESCRIPTOR_BYTES: /* make_room has made room */
        if (wire->page_offset >= vm_page_size)
            return -EBADMSG;
        d->memory.page_offset = wire->page_offset;
        memcpy(d->memory.bytes, in->ool, wire->size);
        in->ool += wire_padded(wire->size);
        return 0;
    case WIRE_DESCRIPTOR_OBJECT:
        return vm_copy_adopt(next_fd(in), wire->size, wire->page_offset, &d->memory);
    default:
        return 0;
    }
}

/* Room for what one descriptor brings: bytes, or rights. False: no memory. */
static bool make_room_for(const struct wire_descriptor *wire, struct ipc_kmsg_descriptor *d)
{
    d->type = wire->type;
    if (wire->how == WIRE_DESCRIPTOR_PORT || wire->how == WIRE_DESCRIPTOR_PORTS)
        return ipc_kmsg_hold_rights(d, wire->size);
    if (wire->how != WIRE_DESCRIPTOR_BYTES)
        return true;
    void *bytes = malloc(wire->size);
    if (bytes)
        d->memory = (struct vm_copy){
            .kind = VM_COPY_BYTES, .size = wire->size, .bytes = bytes, .fd = -1};
    return bytes != NULL;
}

/* A kmsg with all the memory that the message will need, made before anything of it is taken, so
 * that for want of memory it just stays in the ring. */
static struct ipc_kmsg *make_room(const struct wire_message_view *view)
{
    struct ipc_kmsg *kmsg = ipc_kmsg_new(view->head.descriptors, view->head.inline_size);
    for (uint32_t i = 0; kmsg && i < view->head.descriptors; i++) {
        if (make_room_for(&view->descriptors[i], &kmsg->descriptors[i]))
            continue;
        ipc_kmsg_clean(kmsg);
        return NULL;
    }
    return kmsg;
}

/* Turns a checked message into a kmsg that make_room made. Takes from `fds` what it uses. 0, or
 * -errno: the peer lied about its memory. */
static int decode(struct wire_channel *channel, const struct wire_message_view *view, int *fds,
                  struct ipc_kmsg *kmsg)
{
    struct ipc_peer *peer = channel->peer;
    struct incoming in = {.peer = peer, .fds = fds, .ool = view->ool_bytes};
    int r = 0;
    kmsg->msgh_id = view->head.msgh_id;
    kmsg->voucher = view->head.voucher;
    kmsg->complex = view->head.bits == MACH_MSGH_BITS_COMPLEX;
    kmsg->sender = (struct ipc_sender){
        .pid = peer->credentials.pid, .uid = peer->credentials.uid, .gid = peer->credentials.gid};
    decode_right(&in, &view->head.reply, &kmsg->reply);
    for (uint32_t i = 0; r == 0 && i < view->head.descriptors; i++)
        r = decode_descriptor(&in, &view->descriptors[i], &kmsg->descriptors[i]);
    close_ways(&in);
    memcpy(kmsg->inline_bytes, view->inline_bytes, view->head.inline_size);
    return r;
}

/* Whether the peer's layer is believed that a message is a notification: its user's word is ours. */
static bool is_kernel(const struct ipc_peer *peer)
{
    return peer->credentials.uid == geteuid() || peer->credentials.uid == 0;
}

/* Files a decoded message where it belongs. */
static void file(struct wire_channel *channel, const struct wire_message_view *view,
                 struct ipc_kmsg *kmsg)
{
    struct ipc_port *port = ipc_port_find(view->head.destination);
    if (view->head.credit != LANE_NO_CREDIT) {
        kmsg->credit_channel = wire_channel_ref(channel);
        kmsg->credit = view->head.credit;
    }
    if (!port || port->place != IPC_OWN) {
        ipc_kmsg_clean(kmsg);
        return;
    }
    kmsg->local_type = port->kind == IPC_ONCE ? MACH_MSG_TYPE_PORT_SEND_ONCE
                                              : MACH_MSG_TYPE_PORT_SEND;
    struct ipc_port *queue = ipc_port_ref(port->kind == IPC_ONCE ? port->target : port);
    kmsg->kernel = view->head.kernel && port->kind == IPC_ONCE && is_kernel(channel->peer);
    if (port->kind == IPC_ONCE)
        ipc_port_spend(port);
    else
        kmsg->destination = (struct ipc_carried){.port = ipc_port_carry(port),
                                                 .type = MACH_MSG_TYPE_PORT_SEND};
    if (queue->starved)
        ipc_pset_starved(queue, queue->starved = false);
    ipc_mqueue_file(queue, kmsg);
    ipc_port_unref(queue);
}

/* The port whose next message cannot be taken in now: its receivers get a code. */
static void mark_starved(const struct wire_message_view *view)
{
    struct ipc_port *port = ipc_port_find(view->head.destination);
    if (port && port->kind == IPC_ONCE)
        port = port->target;
    if (!port || port->place != IPC_OWN || port->starved)
        return;
    port->starved = true;
    ipc_engine_wake_all(&port->receivers);
    ipc_pset_starved(port, true);
}

/* A message whose descriptors are at hand (all `count` of them taken, in every case). */
static int deliver(struct wire_channel *channel, const struct wire_message_view *view,
                   int *take_fds, unsigned count, struct ipc_kmsg *take_kmsg)
{
    int r = decode(channel, view, take_fds, take_kmsg);
    for (unsigned i = 0; i < count; i++) {
        if (take_fds[i] >= 0)
            close(take_fds[i]);
    }
    if (r < 0) {
        ipc_kmsg_clean(take_kmsg);
        return -EBADMSG;
    }
    file(channel, view, take_kmsg);
    return 0;
}

/* Takes the message's descriptors, if any, and delivers it. 0; -EMFILE: again later; -EBADMSG.
 * `first` descriptors that came before its own are closed. */
static int take_message(struct wire_channel *channel, const struct wire_message_view *view,
                        uint64_t token, unsigned first)
{
    unsigned count = first + view->head.fds;
    struct ipc_kmsg *kmsg = make_room(view);
    if (kmsg && count == 0)
        return deliver(channel, view, NULL, 0, kmsg);
    int *fds = kmsg ? calloc(count, sizeof *fds) : NULL;
    int r = fds ? wire_channel_take_fds(channel, token, count, fds, ipc_peer_welcome) : -EMFILE;
    if (r == 0) {
        os_fd_close_all(fds, first);
        r = deliver(channel, view, fds + first, view->head.fds, kmsg);
    } else {
        ipc_kmsg_clean(kmsg);
        r = r == -EMFILE ? r : -EBADMSG;
    }
    free(fds);
    return r;
}

static int receive_message(struct wire_channel *channel, const void *payload, size_t size)
{
    struct wire_message_view view;
    int r = wire_message_read(payload, size, &view);
    if (r == 0)
        r = take_message(channel, &view, view.head.token, 0);
    if (r == -EMFILE)
        mark_starved(&view);
    return r;
}

/* Reads a spilled message from its sealed object. 0 and its bytes; -EMFILE: no memory for them
 * now; -EBADMSG: it is not what was announced. */
static int read_spill(int borrow_fd, size_t size, uint8_t **ret_bytes)
{
    int seals = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW;
    if (os_memfd_verify(borrow_fd, seals, size) < 0)
        return -EBADMSG;
    uint8_t *bytes = malloc(size);
    int r = bytes ? os_memfd_read(borrow_fd, bytes, size, 0) : -ENOMEM;
    if (r < 0) {
        free(bytes);
        return -EMFILE;
    }
    *ret_bytes = bytes;
    return 0;
}

static int receive_spill(struct wire_channel *channel, const void *payload, size_t size)
{
    struct wire_spill head;
    struct wire_message_view view;
    uint8_t *bytes;
    int r = wire_spill_read(payload, size, &head);
    if (r < 0 || head.fds == 0 || head.fds > FDS_MAX || head.size > UINT32_MAX)
        return -EBADMSG;
    int fd = wire_channel_first_fd(channel, head.token, head.fds, ipc_peer_welcome);
    if (fd < 0)
        return fd == -EMFILE ? fd : -EBADMSG;
    r = read_spill(fd, (size_t)head.size, &bytes);
    if (r < 0)
        return r;
    r = wire_message_read(bytes, (size_t)head.size, &view);
    if (r == 0 && (view.head.fds != head.fds - 1 || view.head.credit != head.credit))
        r = -EBADMSG;
    if (r == 0)
        r = take_message(channel, &view, head.token, 1);
    free(bytes);
    return r;
}

/* A port of the peer's died. The word may come on one channel before another has been heard to be
 * the same task's: an unanswered look-up, whose answer was sent before this. */
static void receive_dead(struct wire_channel *channel, struct util_id id)
{
    struct ipc_port *port = ipc_port_find(id);
    if (!port || port->place != IPC_REMOTE || port->peer != channel->peer) {
        ipc_peer_meet();
        port = ipc_port_find(id);
    }
    if (!port || port->place != IPC_REMOTE)
        return;
    ipc_grants_take(&port->grants, channel->peer);
    if (port->peer == channel->peer)
        ipc_port_die(port);
}

/* CLAIM, RELEASE, LIMIT and DEAD: counts and news about one port. */
static int receive_count(struct wire_channel *channel, uint16_t kind, const void *payload,
                         size_t size)
{
    struct wire_count entry;
    struct ipc_peer *peer = channel->peer;
    int r = wire_count_read(payload, size, &entry);
    if (r < 0)
        return r;
    struct ipc_port *port = ipc_port_find(entry.id);
    bool own = port && port->place == IPC_OWN;
    bool theirs = port && port->place == IPC_REMOTE && port->peer == peer;
    switch (kind) {
    case WIRE_CLAIM:
        if (!own)
            ipc_peer_tell(peer, WIRE_DEAD, entry.id, 0);
        else if (ipc_grants_add(&port->grants, peer, 1) < 0)
            return -EMFILE; /* again later */
        break;
    case WIRE_RELEASE:
        if (own)
            (void)ipc_grants_add(&port->grants, peer, -(int64_t)entry.count);
        break;
    case WIRE_LIMIT:
        if (theirs) {
            port->limit = (uint32_t)entry.count;
            ipc_engine_wake_all(&channel->waiters);
        }
        break;
    default: /* WIRE_DEAD */
        receive_dead(channel, entry.id);
    }
    if (own) {
        ipc_grant_dropped(port);
        ipc_peer_maybe_bye(peer);
    }
    return 0;
}

int ipc_transit_receive(struct wire_channel *channel, uint16_t kind, const void *payload,
                        size_t size)
{
    if (kind != WIRE_BYE && kind != WIRE_BYE_OK)
        channel->frozen = false; /* the peer goes on after all */
    switch (kind) {
    case WIRE_MESSAGE:
        return receive_message(channel, payload, size);
    case WIRE_SPILL:
        return receive_spill(channel, payload, size);
    case WIRE_CLAIM:
    case WIRE_RELEASE:
    case WIRE_DEAD:
    case WIRE_LIMIT:
        return receive_count(channel, kind, payload, size);
    case WIRE_DOOR:
        return ipc_door_receive(channel, payload, size);
    case WIRE_BYE:
    case WIRE_BYE_OK:
        ipc_peer_hear_bye(channel, kind);
        return 0;
    default:
        return -EBADMSG;
    }
}
