/* See ipc_outgoing.h. */
#include "ipc/ipc_outgoing.h"

#include "ipc/ipc_door.h"
#include "ipc/ipc_entry_port.h"
#include "ipc/ipc_kmsg.h"
#include "ipc/ipc_move.h"
#include "ipc/ipc_peer.h"
#include "ipc/ipc_port.h"
#include "ipc/ipc_right.h"
#include "ipc/ipc_task.h"
#include "os/os_memfd.h"
#include "vm/vm_delta.h"
#include "vm/vm_loan.h"
#include "wire/wire_channel.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void ipc_outgoing_deinit(struct ipc_outgoing *out)
{
    for (unsigned i = 0; i < out->fd_count; i++) {
        if (out->own[i])
            close(out->fds[i]);
    }
    for (unsigned i = 0; i < out->end_count; i++)
        free(out->ends[i].ids);
    free(out->ends);
    free(out->fds);
    free(out->own);
}

/* Takes the descriptor if it is to be owned, in every case. 0 or -ENOMEM. */
static int add_fd(struct ipc_outgoing *out, int fd, bool own)
{
    if (out->fd_count == out->fd_size) {
        unsigned size = out->fd_size ? out->fd_size * 2 : 8;
        int *fds = realloc(out->fds, size * sizeof *fds);
        if (fds)
            out->fds = fds;
        bool *owned = realloc(out->own, size * sizeof *owned);
        if (owned)
            out->own = owned;
        if (!fds || !owned) {
            if (own)
                close(fd);
            return -ENOMEM;
        }
        out->fd_size = size;
    }
    out->fds[out->fd_count] = fd;
    out->own[out->fd_count++] = own;
    return 0;
}

static int end_add(struct ipc_outgoing_end *end, struct util_id id)
{
    if (end->count == end->size) {
        uint32_t size = end->size ? end->size * 2 : 4;
        struct util_id *ids = realloc(end->ids, size * sizeof *ids);
        if (!ids)
            return -ENOMEM;
        end->ids = ids;
        end->size = size;
    }
    end->ids[end->count++] = id;
    return 0;
}

/* An end connected to the owner of a third task's port. 0, 1 when the message had one already, or
 * -errno: -EPIPE when the owner is gone. */
static int end_for(struct ipc_outgoing *out, const struct ipc_peer *owner,
                   struct ipc_outgoing_end **ret_end)
{
    for (unsigned i = 0; i < out->end_count; i++) {
        *ret_end = &out->ends[i];
        if (out->ends[i].owner == owner)
            return 1;
    }
    if (!owner->listener.length)
        return -EPIPE;
    struct ipc_outgoing_end *ends = realloc(out->ends, (out->end_count + 1) * sizeof *ends);
    if (!ends)
        return -ENOMEM;
    out->ends = ends;
    int fd = ipc_door_knock(owner);
    if (fd < 0)
        return fd;
    int r = add_fd(out, fd, true);
    if (r < 0)
        return r;
    *ret_end = &out->ends[out->end_count++];
    **ret_end = (struct ipc_outgoing_end){.owner = owner, .fd = fd};
    return 0;
}

/* Whether rights of that owner are moving away: what was said at its door may not have been heard.
 * Then its ring is read, for nobody else does before this is tried again. */
static bool moving(const struct ipc_peer *owner)
{
    struct wire_channel *channel = ipc_peer_channel(owner);
    if (!channel || !ipc_peer_cut(channel))
        return false;
    (void)ipc_move_wait(channel);
    return true;
}

int ipc_outgoing_introduce(struct ipc_outgoing *out)
{
    int r = 0;
    for (unsigned i = 0; r == 0 && i < out->end_count; i++) {
        r = ipc_door_introduce(out->ends[i].fd, out->ends[i].ids, out->ends[i].count);
        if (r == -EPIPE ||
            r == -ECONNRESET) /* that owner has just died: who gets the end finds out */
            r = 0;
        if (r == 0 && moving(out->ends[i].owner))
            r = -ERESTART;
    }
    return r;
}

/* A third task is gone: its last words may be that the port has moved, and nobody has read them yet.
 * True: they have been read now. The room that was reserved may be gone with that. */
static bool last_words(const struct ipc_peer *owner)
{
    struct wire_channel *channel = ipc_peer_channel(owner);
    if (!channel || channel->starved || !lane_ready(&channel->lane.in) || ipc_task.moving)
        return false;
    ipc_engine_poll();
    return true;
}

/* The form in which a right crosses to this channel's peer. 0 or -errno. */
static int encode_right(struct ipc_outgoing *out, struct ipc_carried *right,
                        struct wire_right *ret_wire)
{
    struct wire_right wire = {.how = WIRE_RIGHT_NULL, .type = (uint8_t)right->type};
    struct ipc_port *port = right->port;
    right->home = false;
    if (port && port->entry) {
        int fd = ipc_entry_port_encode(port, &wire);
        int r = fd < 0 ? fd : add_fd(out, fd, true);
        if (r < 0)
            return r;
    } else if (right->dead || (port && port->place == IPC_DEAD)) {
        wire.how = WIRE_RIGHT_DEAD;
    } else if (port && port->place == IPC_SPECIAL) {
        wire.how = port->machine ? WIRE_RIGHT_MACHINE : WIRE_RIGHT_DEAD;
        wire.id.w[0] = port->machine;
    } else if (port) {
        wire.id = port->node.id;
        wire.limit = port->limit;
        if (right->type == MACH_MSG_TYPE_PORT_RECEIVE) {
            wire.how = WIRE_RIGHT_RECEIVE;
        } else if (port->moving) {
            wire.how = WIRE_RIGHT_HOME; /* its port goes along */
        } else if (port->place == IPC_OWN) {
            wire.how = WIRE_RIGHT_OWN;
        } else if (port->brought) {
            return ipc_move_fetch(port);
        } else if (port->peer == out->channel->peer) {
            wire.how = WIRE_RIGHT_HOME;
            right->home = true;
        } else {
            struct ipc_outgoing_end *end;
            int r = end_for(out, port->peer, &end);
            if (r == -EPIPE && last_words(port->peer))
                return -ERESTART;
            if (r < 0 && r != -EPIPE)
                return r;
            wire.how = r < 0 ? WIRE_RIGHT_DEAD : r > 0 ? WIRE_RIGHT_SAME : WIRE_RIGHT_END;
            wire.task = port->peer->id;
            if (r >= 0 && end_add(end, wire.id) < 0)
                return -ENOMEM;
        }
    }
    *ret_wire = wire;
    return 0;
}

static int encode_loan(struct ipc_outgoing *out, const struct vm_loan *loan,
                       struct wire_descriptor *wire)
{
    wire->how = vm_loan_is_borrowed(loan) ? WIRE_DESCRIPTOR_LOAN_BACK : WIRE_DESCRIPTOR_LOAN;
    wire->loan = vm_loan_index(loan);
    if (vm_loan_is_known(loan))
        return 0;
    wire->how = WIRE_DESCRIPTOR_LOAN_NEW;
    return add_fd(out, vm_loan_fd(loan), false);
}

/* A delta, for the task that it was made for; for any other, to which its port has moved, the whole
 * memory: it has no business with what that was before. */
static int encode_delta(struct ipc_outgoing *out, const struct vm_copy *memory,
                        struct wire_descriptor *wire)
{
    if (vm_task_equal(memory->task, ipc_peer_task(out->channel->peer))) {
        wire->how = WIRE_DESCRIPTOR_DELTA;
        int r = add_fd(out, memory->fd, false);
        return r < 0 ? r : add_fd(out, memory->delta_fd, false);
    }
    wire->how = WIRE_DESCRIPTOR_OBJECT;
    wire->delivers = VM_COPY_COPIED;
    int fd = vm_delta_flatten(memory->fd, memory->delta_fd, memory->size);
    return fd < 0 ? fd : add_fd(out, fd, true);
}

/* The descriptor; the rights of an array go to `*ool`, which moves on. */
static int encode_descriptor(struct ipc_outgoing *out, struct ipc_kmsg_descriptor *d, uint8_t **ool,
                             struct wire_descriptor *ret_wire)
{
    struct wire_descriptor wire = {.type = (uint8_t)d->type,
                                   .copy = (uint8_t)d->copy,
                                   .delivers = (uint8_t)d->memory.how,
                                   .size = d->size,
                                   .page_offset = d->memory.page_offset,
                                   .guard = d->guard,
                                   .guard_flags = d->guard_flags};
    int r = 0;
    if (d->type == MACH_MSG_OOL_PORTS_DESCRIPTOR) {
        wire.how = WIRE_DESCRIPTOR_PORTS;
        wire.size = d->right_count;
        wire.delivers = (uint8_t)d->delivers;
        for (uint32_t i = 0; r == 0 && i < d->right_count; i++) {
            struct wire_right right;
            r = encode_right(out, &d->rights[i], &right);
            if (r < 0)
                break; /* and no room is left to write to: rings have been read */
            memcpy(*ool, &right, sizeof right);
            *ool += sizeof right;
        }
    } else if (d->right_count) {
        wire.how = WIRE_DESCRIPTOR_PORT;
        r = encode_right(out, &d->right, &wire.right);
    } else if (d->memory.kind == VM_COPY_BYTES) {
        wire.how = WIRE_DESCRIPTOR_BYTES;
        memcpy(*ool, d->memory.bytes, d->memory.size);
        *ool += wire_padded(d->memory.size);
    } else if (d->memory.kind == VM_COPY_OBJECT) {
        wire.how = WIRE_DESCRIPTOR_OBJECT;
        r = add_fd(out, d->memory.fd, false);
    } else if (d->memory.kind == VM_COPY_LOAN) {
        r = encode_loan(out, d->memory.loan, &wire);
    } else if (d->memory.kind == VM_COPY_DELTA) {
        r = encode_delta(out, &d->memory, &wire);
    } else {
        wire.how = WIRE_DESCRIPTOR_EMPTY;
    }
    *ret_wire = wire;
    return r;
}

/* Bytes of out-of-line memory and arrays of rights that travel in the entry. */
static size_t ool_size(const struct ipc_kmsg *kmsg)
{
    size_t size = 0;
    for (uint32_t i = 0; i < kmsg->descriptor_count; i++) {
        const struct ipc_kmsg_descriptor *d = &kmsg->descriptors[i];
        if (d->type == MACH_MSG_OOL_PORTS_DESCRIPTOR)
            size += d->right_count * sizeof(struct wire_right);
        else if (d->memory.kind == VM_COPY_BYTES)
            size += wire_padded(d->size);
    }
    return size;
}

/* A loan is bound to one channel: a port may have moved behind another since the message was made, or
 * the message waits in a queue that moves. */
static int reseal(const struct ipc_outgoing *out, struct ipc_kmsg *kmsg)
{
    int r = 0;
    for (uint32_t i = 0; r == 0 && i < kmsg->descriptor_count; i++) {
        struct vm_copy *memory = &kmsg->descriptors[i].memory;
        if (memory->kind == VM_COPY_LOAN && !vm_loan_is_of(memory->loan, out->lender))
            r = vm_copy_reseal(memory);
    }
    return r;
}

int ipc_outgoing_encode(struct ipc_outgoing *out, struct ipc_kmsg *kmsg, struct util_id destination,
                        uint32_t credit, uint8_t *at)
{
    unsigned fds = out->fd_count;
    struct wire_message head = {.destination = destination,
                                .bits = kmsg->complex ? MACH_MSGH_BITS_COMPLEX : 0,
                                .msgh_id = kmsg->msgh_id,
                                .voucher = kmsg->voucher,
                                .credit = credit,
                                .descriptors = kmsg->descriptor_count,
                                .inline_size = kmsg->inline_size,
                                .kernel = kmsg->kernel};
    uint8_t *descriptor_at = at + sizeof head;
    uint8_t *inline_at = descriptor_at + kmsg->descriptor_count * sizeof(struct wire_descriptor);
    uint8_t *ool_at = inline_at + wire_padded(kmsg->inline_size);
    int r = reseal(out, kmsg);
    if (r == 0)
        r = encode_right(out, &kmsg->reply, &head.reply);
    for (uint32_t i = 0; r == 0 && i < kmsg->descriptor_count; i++) {
        struct wire_descriptor wire;
        r = encode_descriptor(out, &kmsg->descriptors[i], &ool_at, &wire);
        if (r < 0)
            break;
        memcpy(descriptor_at, &wire, sizeof wire);
        descriptor_at += sizeof wire;
    }
    if (r < 0)
        return r;
    head.fds = out->fd_count - fds;
    memcpy(at, &head, sizeof head);
    memcpy(inline_at, kmsg->inline_bytes, kmsg->inline_size);
    return 0;
}

static bool leads_home(const struct ipc_carried *right, struct util_id id)
{
    return right->home && right->port && util_id_equal(right->port->node.id, id);
}

bool ipc_outgoing_leads_home(const struct ipc_kmsg *kmsg, struct util_id id)
{
    bool leads = leads_home(&kmsg->reply, id);
    for (uint32_t i = 0; i < kmsg->descriptor_count; i++) {
        const struct ipc_kmsg_descriptor *d = &kmsg->descriptors[i];
        for (uint32_t k = 0; k < d->right_count; k++)
            leads |= leads_home(&d->rights[k], id);
    }
    return leads;
}

static void lend(struct ipc_carried *right, struct ipc_peer *peer)
{
    struct ipc_port *port = right->port;
    right->lent = port && right->type != MACH_MSG_TYPE_PORT_RECEIVE && port->place == IPC_OWN &&
                  !port->moving;
    if (!right->lent)
        return;
    port->lent = true;
    (void)ipc_grants_add(&port->grants, peer, 1); /* room was made before */
}

static void take_back(struct ipc_carried *right, struct ipc_peer *peer)
{
    if (right->lent && peer)
        (void)ipc_grants_add(&right->port->grants, peer, -1);
    right->lent = false;
}

/* A receive right has become the peer's; of the others this task's part goes. */
static void let_go(struct ipc_carried *right)
{
    if (right->port && right->type == MACH_MSG_TYPE_PORT_RECEIVE)
        *right = (struct ipc_carried){0};
    else
        ipc_right_clean(right);
}

static int make_room_for_grant(struct ipc_outgoing *out, const struct ipc_carried *right)
{
    struct ipc_port *port = right->port;
    struct ipc_peer *peer = out->channel->peer;
    if (!port || port->place != IPC_OWN || port->moving)
        return 0;
    return ipc_grants_make_room(&port->grants, peer);
}

int ipc_outgoing_make_room(struct ipc_outgoing *out, const struct ipc_kmsg *kmsg)
{
    int r = make_room_for_grant(out, &kmsg->reply);
    for (uint32_t i = 0; r == 0 && i < kmsg->descriptor_count; i++) {
        const struct ipc_kmsg_descriptor *d = &kmsg->descriptors[i];
        for (uint32_t k = 0; r == 0 && k < d->right_count; k++)
            r = make_room_for_grant(out, &d->rights[k]);
    }
    return r;
}

void ipc_outgoing_lend(struct ipc_outgoing *out, struct ipc_kmsg *kmsg)
{
    struct ipc_peer *peer = out->channel->peer;
    lend(&kmsg->reply, peer);
    for (uint32_t i = 0; i < kmsg->descriptor_count; i++) {
        for (uint32_t k = 0; k < kmsg->descriptors[i].right_count; k++)
            lend(&kmsg->descriptors[i].rights[k], peer);
    }
}

void ipc_outgoing_take_back(struct ipc_kmsg *kmsg, struct ipc_peer *peer)
{
    take_back(&kmsg->reply, peer);
    for (uint32_t i = 0; i < kmsg->descriptor_count; i++) {
        for (uint32_t k = 0; k < kmsg->descriptors[i].right_count; k++)
            take_back(&kmsg->descriptors[i].rights[k], peer);
    }
}

void ipc_outgoing_let_go(struct ipc_kmsg *kmsg)
{
    let_go(&kmsg->reply);
    for (uint32_t i = 0; i < kmsg->descriptor_count; i++) {
        struct vm_copy *memory = &kmsg->descriptors[i].memory;
        for (uint32_t k = 0; k < kmsg->descriptors[i].right_count; k++)
            let_go(&kmsg->descriptors[i].rights[k]);
        if (memory->kind != VM_COPY_LOAN)
            continue;
        vm_loan_publish(memory->loan);
        *memory = (struct vm_copy){.kind = VM_COPY_NONE, .fd = -1};
    }
}

size_t ipc_outgoing_size(const struct ipc_kmsg *kmsg)
{
    return wire_message_size(kmsg->descriptor_count, kmsg->inline_size, ool_size(kmsg));
}

int ipc_outgoing_spill(struct ipc_outgoing *out, const void *bytes, size_t size)
{
    int fd = os_memfd_sealed("machool:message", bytes, size);
    int r = fd < 0 ? fd : add_fd(out, fd, true);
    if (r < 0)
        return r;
    memmove(out->fds + 1, out->fds, (out->fd_count - 1) * sizeof *out->fds);
    memmove(out->own + 1, out->own, (out->fd_count - 1) * sizeof *out->own);
    out->fds[0] = fd;
    out->own[0] = true;
    return 0;
}
