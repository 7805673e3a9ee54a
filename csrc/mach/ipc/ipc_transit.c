/* See ipc_transit.h. */
#include "ipc/ipc_transit.h"

#include "ipc/ipc_kmsg.h"
#include "ipc/ipc_mqueue.h"
#include "ipc/ipc_peer.h"
#include "ipc/ipc_port.h"
#include "ipc/ipc_right.h"
#include "ipc/ipc_task.h"
#include "os/os_memfd.h"
#include "wire/wire_channel.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FDS_MAX 16400u /* descriptors of one message: 16,383 rights (S39) and a few of its own */

/* ---- sending ----------------------------------------------------------------------------- */

struct outgoing { /* one message being prepared for a channel */
    struct wire_channel *channel;
    struct ipc_kmsg *kmsg;
    int *fds;  /* borrowed from payloads, or ends that are ours to close */
    bool *own; /* which of them are ours */
    unsigned fd_count;
};

static void outgoing_deinit(struct outgoing *out)
{
    for (unsigned i = 0; i < out->fd_count; i++) {
        if (out->own[i])
            close(out->fds[i]);
    }
    free(out->fds);
    free(out->own);
}

static void add_fd(struct outgoing *out, int fd, bool own)
{
    out->fds[out->fd_count] = fd;
    out->own[out->fd_count++] = own;
}

/* Connects to the owner of a third task's port and introduces the right there. The end, or
 * -errno: -EPIPE when the owner is gone. */
static int introduce(const struct ipc_port *port)
{
    const struct wire_datagram intro = {
        .kind = WIRE_INTRO, .version = WIRE_VERSION, .id = port->node.id};
    if (!port->peer->listener.length)
        return -EPIPE;
    int fd = os_connect(&port->peer->listener);
    if (fd < 0)
        return fd == -ECONNREFUSED || fd == -ENOENT ? -EPIPE : fd;
    int r = os_send(fd, &intro, sizeof intro, NULL, 0, true);
    if (r < 0) {
        close(fd);
        return r;
    }
    return fd;
}

/* The form in which a right crosses to this channel's peer. 0 or -errno. */
static int encode_right(struct outgoing *out, const struct ipc_carried *right,
                        struct wire_right *ret_wire)
{
    struct wire_right wire = {.how = WIRE_RIGHT_NULL, .type = (uint8_t)right->type};
    struct ipc_port *port = right->port;
    if (right->dead || (port && (port->place == IPC_DEAD || port->place == IPC_SPECIAL))) {
        wire.how = WIRE_RIGHT_DEAD;
    } else if (port) {
        wire.id = port->node.id;
        wire.limit = port->limit;
        if (port->place == IPC_OWN) {
            wire.how = WIRE_RIGHT_OWN;
        } else if (port->peer == out->channel->peer) {
            wire.how = WIRE_RIGHT_HOME;
        } else {
            int fd = introduce(port);
            if (fd < 0 && fd != -EPIPE)
                return fd;
            wire.how = fd < 0 ? WIRE_RIGHT_DEAD : WIRE_RIGHT_END;
            wire.task = port->peer->id;
            if (fd >= 0)
                add_fd(out, fd, true);
        }
    }
    *ret_wire = wire;
    return 0;
}

static int encode_descriptor(struct outgoing *out, const struct ipc_kmsg_descriptor *d,
                             struct wire_descriptor *ret_wire)
{
    struct wire_descriptor wire = {.type = (uint8_t)d->type,
                                   .copy = (uint8_t)d->copy,
                                   .size = d->size,
                                   .page_offset = d->memory.page_offset};
    int r = 0;
    if (d->type == MACH_MSG_PORT_DESCRIPTOR) {
        wire.how = WIRE_DESCRIPTOR_PORT;
        r = encode_right(out, &d->right, &wire.right);
    } else if (d->memory.kind == VM_COPY_BYTES) {
        wire.how = WIRE_DESCRIPTOR_BYTES;
    } else if (d->memory.kind == VM_COPY_OBJECT) {
        wire.how = WIRE_DESCRIPTOR_OBJECT;
        add_fd(out, d->memory.fd, false);
    } else {
        wire.how = WIRE_DESCRIPTOR_EMPTY;
    }
    *ret_wire = wire;
    return r;
}

/* Bytes of out-of-line memory that travel in the entry. */
static size_t ool_size(const struct ipc_kmsg *kmsg)
{
    size_t size = 0;
    for (uint32_t i = 0; i < kmsg->descriptor_count; i++) {
        if (kmsg->descriptors[i].memory.kind == VM_COPY_BYTES)
            size += wire_padded(kmsg->descriptors[i].size);
    }
    return size;
}

/* Writes the message at `at`. The order of descriptors is the order of `fds`. */
static int encode(struct outgoing *out, const struct ipc_port *destination, uint32_t credit,
                  uint8_t *at)
{
    const struct ipc_kmsg *kmsg = out->kmsg;
    struct wire_message head = {.destination = destination->node.id,
                                .bits = kmsg->complex ? MACH_MSGH_BITS_COMPLEX : 0,
                                .msgh_id = kmsg->msgh_id,
                                .voucher = kmsg->voucher,
                                .credit = credit,
                                .descriptors = kmsg->descriptor_count,
                                .inline_size = kmsg->inline_size};
    uint8_t *wire_at = at + sizeof head;
    int r = encode_right(out, &kmsg->reply, &head.reply);
    for (uint32_t i = 0; r == 0 && i < kmsg->descriptor_count; i++) {
        struct wire_descriptor wire;
        r = encode_descriptor(out, &kmsg->descriptors[i], &wire);
        memcpy(wire_at, &wire, sizeof wire);
        wire_at += sizeof wire;
    }
    if (r < 0)
        return r;
    head.fds = out->fd_count;
    memcpy(at, &head, sizeof head);
    memcpy(wire_at, kmsg->inline_bytes, kmsg->inline_size);
    wire_at += wire_padded(kmsg->inline_size);
    for (uint32_t i = 0; i < kmsg->descriptor_count; i++) {
        const struct vm_copy *memory = &kmsg->descriptors[i].memory;
        if (memory->kind == VM_COPY_BYTES) {
            memcpy(wire_at, memory->bytes, memory->size);
            wire_at += wire_padded(memory->size);
        }
    }
    return 0;
}

/* The message's rights now belong to the peer: count what was granted, let go of the rest. */
static void let_go(struct outgoing *out, struct ipc_carried *right)
{
    struct ipc_port *port = right->port;
    if (port && port->place == IPC_OWN)
        (void)ipc_grants_add(&port->grants, out->channel->peer, 1); /* room was made before */
    ipc_right_clean(right);
}

/* Makes sure that counting cannot fail once the entry is published. */
static int make_room_for_grant(struct outgoing *out, const struct ipc_carried *right)
{
    struct ipc_port *port = right->port;
    struct ipc_peer *peer = out->channel->peer;
    if (!port || port->place != IPC_OWN)
        return 0;
    int r = ipc_grants_add(&port->grants, peer, 1);
    if (r == 0)
        r = ipc_grants_add(&port->grants, peer, -1);
    return r;
}

static int make_room_for_grants(struct outgoing *out)
{
    int r = make_room_for_grant(out, &out->kmsg->reply);
    for (uint32_t i = 0; r == 0 && i < out->kmsg->descriptor_count; i++)
        r = make_room_for_grant(out, &out->kmsg->descriptors[i].right);
    return r;
}

/* The slot that counts against the port's limit; LANE_NO_CREDIT where none does. */
static int take_credit(struct outgoing *out, struct ipc_port *port, uint32_t *ret_credit)
{
    *ret_credit = LANE_NO_CREDIT;
    if (port->kind == IPC_ONCE)
        return 0; /* S145 */
    if (port->slot_channel != out->channel) {
        uint32_t slot;
        int r = wire_channel_slot_take(out->channel, &slot);
        if (r < 0)
            return r;
        if (port->slot_channel)
            wire_channel_slot_give(port->slot_channel, port->slot);
        wire_channel_unref(port->slot_channel);
        port->slot_channel = wire_channel_ref(out->channel);
        port->slot = slot;
    }
    if (wire_channel_slot_in_flight(out->channel, port->slot) >= port->limit)
        return -EAGAIN;
    *ret_credit = port->slot;
    return 0;
}

/* A message too large for the ring: its bytes go in a sealed memfd, whose descriptor comes
 * first. `*ret_fd` is the caller's. */
static int spill(struct outgoing *out, const struct ipc_port *destination, uint32_t credit,
                 size_t size, int *ret_fd)
{
    uint8_t *bytes = malloc(size);
    int fd = bytes ? os_memfd_new("machool:message") : -ENOMEM;
    int r = fd < 0 ? fd : encode(out, destination, credit, bytes);
    if (r == 0)
        r = os_memfd_write(fd, bytes, size, 0);
    if (r == 0)
        r = os_memfd_seal(fd, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
    free(bytes);
    if (r < 0) {
        if (fd >= 0)
            close(fd);
        return r;
    }
    memmove(out->fds + 1, out->fds, out->fd_count * sizeof *out->fds);
    memmove(out->own + 1, out->own, out->fd_count * sizeof *out->own);
    out->fds[0] = fd;
    out->own[0] = true;
    out->fd_count++;
    *ret_fd = fd;
    return 0;
}

/* Publishes the message as one entry, or spilled. */
static int publish(struct outgoing *out, const struct ipc_port *destination, uint32_t credit)
{
    size_t size = wire_message_size(out->kmsg->descriptor_count, out->kmsg->inline_size,
                                    ool_size(out->kmsg));
    bool spilled = size > LANE_ENTRY_MAX;
    uint64_t token = 0;
    void *at;
    int spill_fd;
    int r = wire_channel_reserve(out->channel, spilled ? sizeof(struct wire_spill) : size, &at);
    if (r == 0)
        r = spilled ? spill(out, destination, credit, size, &spill_fd)
                    : encode(out, destination, credit, at);
    if (r == 0 && out->fd_count)
        r = wire_channel_send_fds(out->channel, out->fds, out->fd_count, &token);
    if (r < 0)
        return r;
    if (spilled)
        *(struct wire_spill *)at = (struct wire_spill){
            .token = token, .size = size, .fds = out->fd_count, .credit = credit};
    else
        ((struct wire_message *)at)->token = token;
    if (credit != LANE_NO_CREDIT)
        out->channel->slots.sent[credit]++;
    wire_channel_commit(out->channel, spilled ? WIRE_SPILL : WIRE_MESSAGE,
                        spilled ? sizeof(struct wire_spill) : size);
    return 0;
}

/* After publishing: grants are counted and everything the message held goes. */
static void consume(struct outgoing *out, struct ipc_port *destination)
{
    struct ipc_kmsg *kmsg = out->kmsg;
    let_go(out, &kmsg->reply);
    for (uint32_t i = 0; i < kmsg->descriptor_count; i++)
        let_go(out, &kmsg->descriptors[i].right);
    if (destination->kind == IPC_ONCE && destination->place == IPC_REMOTE) {
        /* used: nothing is to be given back, the owner spends it */
        (void)ipc_grants_take(&destination->grants, out->channel->peer);
    }
    ipc_kmsg_clean(kmsg);
}

static int errno_for_caller(int r)
{
    return r == -EAGAIN || r == -EPIPE ? r : -ENOBUFS;
}

int ipc_transit_send(struct ipc_kmsg *kmsg, struct ipc_port *destination)
{
    struct outgoing out = {.channel = ipc_peer_channel(destination->peer), .kmsg = kmsg};
    uint32_t credit;
    if (!out.channel)
        return -EPIPE;
    int r = take_credit(&out, destination, &credit);
    if (r < 0)
        return errno_for_caller(r);
    unsigned most = kmsg->descriptor_count + 2;
    out.fds = calloc(most, sizeof *out.fds);
    out.own = calloc(most, sizeof *out.own);
    r = out.fds && out.own ? ipc_task_listen() : -ENOMEM;
    if (r == 0)
        r = make_room_for_grants(&out);
    if (r == 0)
        r = publish(&out, destination, credit);
    if (r == 0) {
        lane_tell_cpu(&out.channel->lane.out, (uint32_t)sched_getcpu());
        ipc_task.bytes_inline += kmsg->inline_size;
        consume(&out, destination);
    }
    outgoing_deinit(&out);
    return r < 0 ? errno_for_caller(r) : 0;
}

/* ---- receiving --------------------------------------------------------------------------- */

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

struct ipc_port *ipc_transit_take_end(int take_end, struct util_id id, uint8_t type,
                                      struct util_id owner, uint32_t limit)
{
    struct ucred credentials;
    enum ipc_kind kind = type == MACH_MSG_TYPE_PORT_SEND_ONCE ? IPC_ONCE : IPC_PORT;
    struct ipc_port *port = ipc_port_find(id);
    if (port && port->place == IPC_OWN) { /* it came home by way of others */
        close(take_end);
        return ipc_port_carry(port);
    }
    if (os_peer_credentials(take_end, &credentials) < 0) {
        close(take_end);
        return NULL;
    }
    struct ipc_peer *peer = ipc_peer_find(owner, credentials.pid);
    if (peer && ipc_peer_channel(peer)) {
        port = join(id, kind, peer, limit);
        if (port)
            ipc_peer_tell(peer, WIRE_CLAIM, id, 1);
        close(take_end); /* only now: until then it is what keeps the right counted */
        return port;
    }
    struct os_address listener = {.length = sizeof listener.un};
    (void)getpeername(take_end, (struct sockaddr *)&listener.un, &listener.length);
    int error;
    struct wire_channel *channel = ipc_peer_hello(take_end, (struct util_id){{0, 0}}, &error);
    if (!channel)
        return NULL;
    if (!peer)
        peer = ipc_peer_new(owner, &credentials);
    if (!peer) {
        wire_channel_close(channel);
        return NULL;
    }
    if (ipc_peer_add_channel(peer, channel) < 0)
        return NULL;
    peer->listener = listener;
    return join_counted(id, kind, peer, limit);
}

/* A right that arrived. `fds` are the message's; an END takes the next one. */
static void decode_right(struct ipc_peer *peer, const struct wire_right *wire, int *fds,
                         unsigned *next_fd, struct ipc_carried *ret_right)
{
    struct ipc_carried right = {.type = wire->type};
    enum ipc_kind kind = wire->type == MACH_MSG_TYPE_PORT_SEND_ONCE ? IPC_ONCE : IPC_PORT;
    struct ipc_port *port;
    switch (wire->how) {
    case WIRE_RIGHT_OWN:
        right.port = join_counted(wire->id, kind, peer, wire->limit);
        break;
    case WIRE_RIGHT_HOME:
        port = ipc_port_find(wire->id);
        if (port && port->place == IPC_OWN && port->kind == kind)
            right.port = ipc_port_carry(port);
        break;
    case WIRE_RIGHT_END:
        right.port = ipc_transit_take_end(fds[*next_fd], wire->id, wire->type, wire->task,
                                          wire->limit);
        fds[(*next_fd)++] = -1;
        break;
    default:
        break;
    }
    right.dead = wire->how != WIRE_RIGHT_NULL && !right.port;
    *ret_right = right;
}

/* One descriptor that arrived. 0, or -errno when its memory is not what it should be. */
static int decode_descriptor(struct ipc_peer *peer, const struct wire_descriptor *wire,
                             const uint8_t **ool, int *fds, unsigned *next_fd,
                             struct ipc_kmsg_descriptor *d)
{
    d->type = wire->type;
    d->copy = wire->copy;
    d->size = wire->size;
    switch (wire->how) {
    case WIRE_DESCRIPTOR_PORT:
        decode_right(peer, &wire->right, fds, next_fd, &d->right);
        return 0;
    case WIRE_DESCRIPTOR_BYTES: /* make_room has made room */
        memcpy(d->memory.bytes, *ool, wire->size);
        *ool += wire_padded(wire->size);
        return 0;
    case WIRE_DESCRIPTOR_OBJECT: {
        int fd = fds[*next_fd];
        fds[(*next_fd)++] = -1;
        return vm_copy_adopt(fd, wire->size, wire->page_offset, &d->memory);
    }
    default:
        return 0;
    }
}

/* A kmsg with all the memory that the message will need, made before anything of it is taken, so
 * that for want of memory it just stays in the ring. */
static struct ipc_kmsg *make_room(const struct wire_message_view *view)
{
    struct ipc_kmsg *kmsg = ipc_kmsg_new(view->head.descriptors, view->head.inline_size);
    for (uint32_t i = 0; kmsg && i < view->head.descriptors; i++) {
        const struct wire_descriptor *wire = &view->descriptors[i];
        if (wire->how != WIRE_DESCRIPTOR_BYTES)
            continue;
        void *bytes = malloc(wire->size);
        if (!bytes) {
            ipc_kmsg_clean(kmsg);
            return NULL;
        }
        kmsg->descriptors[i].memory = (struct vm_copy){
            .kind = VM_COPY_BYTES, .size = wire->size, .bytes = bytes, .fd = -1};
    }
    return kmsg;
}

/* Turns a checked message into a kmsg that make_room made. Takes from `fds` what it uses. 0, or
 * -errno: the peer lied about its memory. */
static int decode(struct wire_channel *channel, const struct wire_message_view *view, int *fds,
                  struct ipc_kmsg *kmsg)
{
    struct ipc_peer *peer = channel->peer;
    unsigned next_fd = 0;
    int r = 0;
    kmsg->msgh_id = view->head.msgh_id;
    kmsg->voucher = view->head.voucher;
    kmsg->complex = view->head.bits == MACH_MSGH_BITS_COMPLEX;
    kmsg->sender = (struct ipc_sender){
        .pid = peer->credentials.pid, .uid = peer->credentials.uid, .gid = peer->credentials.gid};
    decode_right(peer, &view->head.reply, fds, &next_fd, &kmsg->reply);
    const uint8_t *ool = view->ool_bytes;
    for (uint32_t i = 0; r == 0 && i < view->head.descriptors; i++)
        r = decode_descriptor(peer, &view->descriptors[i], &ool, fds, &next_fd,
                              &kmsg->descriptors[i]);
    memcpy(kmsg->inline_bytes, view->inline_bytes, view->head.inline_size);
    return r;
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
    if (port->kind == IPC_ONCE)
        ipc_port_spend(port);
    queue->starved = false;
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
        if (port && port->place == IPC_REMOTE)
            ipc_grants_take(&port->grants, peer);
        if (theirs)
            ipc_port_die(port);
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
    case WIRE_BYE:
    case WIRE_BYE_OK:
        ipc_peer_hear_bye(channel, kind);
        return 0;
    default:
        return -EBADMSG;
    }
}
