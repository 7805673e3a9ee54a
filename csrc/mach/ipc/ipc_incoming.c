/* See ipc_incoming.h. */
#include "ipc/ipc_incoming.h"

#include "ipc/ipc_entry_port.h"
#include "ipc/ipc_kmsg.h"
#include "ipc/ipc_peer.h"
#include "ipc/ipc_port.h"
#include "ipc/ipc_task.h"
#include "ipc/ipc_transit.h"
#include "ipc/ipc_way.h"
#include "vm/vm_loan.h"

#include <errno.h>
#include <mach/vm_page_size.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int next_fd(struct ipc_incoming *in)
{
    int fd = in->fds[in->next_fd];
    in->fds[in->next_fd++] = -1;
    return fd;
}

void ipc_incoming_deinit(struct ipc_incoming *in)
{
    for (unsigned i = 0; i < in->way_count; i++)
        ipc_way_close(&in->ways[i]);
    free(in->ways);
}

/* A third task's right: by an end of its own, or one that came before. */
static struct ipc_port *decode_third(struct ipc_incoming *in, const struct wire_right *wire)
{
    if (wire->how == WIRE_RIGHT_END) {
        int end = next_fd(in);
        struct ipc_way *ways = realloc(in->ways, (in->way_count + 1) * sizeof *ways);
        if (!ways) {
            close(end);
            return NULL;
        }
        in->ways = ways;
        ipc_way_open(end, wire->task, NULL, &ways[in->way_count++]);
    }
    for (unsigned i = in->way_count; i-- > 0;) {
        if (util_id_equal(in->ways[i].task, wire->task))
            return ipc_way_take(&in->ways[i], wire->id, wire->type, wire->limit);
    }
    return NULL;
}

/* A right that arrived. */
static void decode_right(struct ipc_incoming *in, const struct wire_right *wire,
                         struct ipc_carried *ret_right)
{
    struct ipc_carried right = {.type = wire->type};
    enum ipc_kind kind = wire->type == MACH_MSG_TYPE_PORT_SEND_ONCE ? IPC_ONCE : IPC_PORT;
    struct ipc_port *port;
    switch (wire->how) {
    case WIRE_RIGHT_OWN:
        right.port = ipc_way_counted(wire->id, kind, in->peer, wire->limit);
        break;
    case WIRE_RIGHT_HOME:
        port = ipc_port_find(wire->id);
        if (port && port->kind == kind && (port->place == IPC_OWN || port->place == IPC_REMOTE))
            right.port = ipc_port_carry(port); /* REMOTE: it has moved away meanwhile */
        break;
    case WIRE_RIGHT_RECEIVE:
        port = ipc_port_find(wire->id);
        if (port && port->arriving) {
            right.port = port; /* the reference that it is */
            port->arriving = false;
        }
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

static void decode_rights(struct ipc_incoming *in, const struct wire_descriptor *wire,
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

static int decode_loan(struct ipc_incoming *in, const struct wire_descriptor *wire,
                       struct ipc_kmsg_descriptor *d)
{
    int fd = wire->how == WIRE_DESCRIPTOR_LOAN_NEW ? next_fd(in) : -1;
    bool back = wire->how == WIRE_DESCRIPTOR_LOAN_BACK;
    if (in->channel && ipc_transit_trusts(in->peer))
        return vm_copy_borrow(back ? in->channel->lends : in->channel->borrows, back, wire->loan,
                              fd, wire->size, wire->page_offset, &d->memory);
    if (fd >= 0)
        close(fd);
    return -EBADMSG;
}

/* Memory in objects, which its sender has of course. 0 or -errno. */
static int decode_objects(struct ipc_incoming *in, const struct wire_descriptor *wire,
                          struct vm_copy *ret_memory)
{
    int fd = next_fd(in);
    int r = wire->how == WIRE_DESCRIPTOR_OBJECT
                ? vm_copy_adopt(fd, wire->size, wire->page_offset, ret_memory)
                : vm_copy_adopt_delta(fd, next_fd(in), wire->size, ret_memory);
    if (r == 0)
        ret_memory->task = ipc_peer_task(in->peer);
    return r;
}

/* One descriptor that arrived. 0, or -errno when its memory is not what it should be. */
static int decode_descriptor(struct ipc_incoming *in, struct ipc_kmsg *kmsg,
                             const struct wire_descriptor *wire, struct ipc_kmsg_descriptor *d)
{
    d->copy = wire->copy;
    d->size = wire->size;
    int r = 0;
    switch (wire->how) {
    case WIRE_DESCRIPTOR_PORT:
        d->guard = wire->guard;
        d->guard_flags = (uint16_t)wire->guard_flags;
        decode_right(in, &wire->right, &d->right);
        kmsg->receives |= d->right.port && d->right.type == MACH_MSG_TYPE_PORT_RECEIVE;
        return 0;
    case WIRE_DESCRIPTOR_PORTS:
        decode_rights(in, wire, d);
        kmsg->receives |= wire->delivers == MACH_MSG_TYPE_PORT_RECEIVE;
        return 0;
    case WIRE_DESCRIPTOR_BYTES: /* make_room has made room */
        if (wire->page_offset >= vm_page_size)
            return -EBADMSG;
        d->memory.page_offset = wire->page_offset;
        memcpy(d->memory.bytes, in->ool, wire->size);
        in->ool += wire_padded(wire->size);
        break;
    case WIRE_DESCRIPTOR_OBJECT:
    case WIRE_DESCRIPTOR_DELTA:
        r = decode_objects(in, wire, &d->memory);
        break;
    case WIRE_DESCRIPTOR_LOAN:
    case WIRE_DESCRIPTOR_LOAN_NEW:
    case WIRE_DESCRIPTOR_LOAN_BACK:
        r = decode_loan(in, wire, d);
        break;
    default:
        break;
    }
    d->memory.how = wire->delivers < VM_COPY_HOW_END ? wire->delivers : VM_COPY_UNTOLD;
    return r;
}

/* Room for what one descriptor brings: bytes, or rights. False: no memory. */
static bool make_room_for(const struct wire_descriptor *wire, struct wire_channel *channel,
                          struct ipc_kmsg_descriptor *d)
{
    d->type = wire->type;
    if (wire->how == WIRE_DESCRIPTOR_PORT || wire->how == WIRE_DESCRIPTOR_PORTS)
        return ipc_kmsg_hold_rights(d, wire->size);
    if (wire->how == WIRE_DESCRIPTOR_LOAN_NEW && channel)
        return vm_loan_prepare(channel->borrows, &d->memory.loan);
    if (wire->how != WIRE_DESCRIPTOR_BYTES)
        return true;
    void *bytes = malloc(wire->size);
    if (bytes)
        d->memory = (struct vm_copy){
            .kind = VM_COPY_BYTES, .size = wire->size, .bytes = bytes, .fd = -1};
    return bytes != NULL;
}

struct ipc_kmsg *ipc_incoming_make_room(const struct wire_message_view *view,
                                        struct wire_channel *channel)
{
    struct ipc_kmsg *kmsg = ipc_kmsg_new(view->head.descriptors, view->head.inline_size);
    for (uint32_t i = 0; kmsg && i < view->head.descriptors; i++) {
        if (make_room_for(&view->descriptors[i], channel, &kmsg->descriptors[i]))
            continue;
        ipc_kmsg_clean(kmsg);
        return NULL;
    }
    return kmsg;
}

int ipc_incoming_decode(struct ipc_incoming *in, const struct wire_message_view *view,
                        struct ipc_kmsg *kmsg)
{
    const struct ipc_peer *peer = in->peer;
    int r = 0;
    in->ool = view->ool_bytes;
    kmsg->msgh_id = view->head.msgh_id;
    kmsg->voucher = view->head.voucher;
    kmsg->complex = view->head.bits == MACH_MSGH_BITS_COMPLEX;
    kmsg->sender = (struct ipc_sender){
        .pid = peer->credentials.pid, .uid = peer->credentials.uid, .gid = peer->credentials.gid};
    decode_right(in, &view->head.reply, &kmsg->reply);
    for (uint32_t i = 0; r == 0 && i < view->head.descriptors; i++)
        r = decode_descriptor(in, kmsg, &view->descriptors[i], &kmsg->descriptors[i]);
    memcpy(kmsg->inline_bytes, view->inline_bytes, view->head.inline_size);
    return r;
}
