/* See ipc_kmsg.h. Making, destroying and describing messages; ipc_copyin.c and ipc_copyout.c move
 * them over the border between program and layer. */
#include "ipc/ipc_kmsg.h"

#include "ipc/ipc_port.h"
#include "ipc/ipc_right.h"
#include "wire/wire_channel.h"

#include <stdlib.h>
#include <string.h>

struct ipc_kmsg *ipc_kmsg_new(uint32_t descriptors, uint32_t inline_size)
{
    size_t table = descriptors * sizeof(struct ipc_kmsg_descriptor);
    struct ipc_kmsg *kmsg = malloc(sizeof *kmsg + table + inline_size);
    if (!kmsg)
        return NULL;
    memset(kmsg, 0, sizeof *kmsg + table);
    util_list_init(&kmsg->link);
    kmsg->descriptors = (struct ipc_kmsg_descriptor *)(kmsg + 1);
    kmsg->descriptor_count = descriptors;
    kmsg->inline_bytes = (uint8_t *)(kmsg + 1) + table;
    kmsg->inline_size = inline_size;
    for (uint32_t i = 0; i < descriptors; i++)
        kmsg->descriptors[i].memory.fd = -1;
    return kmsg;
}

bool ipc_kmsg_hold_rights(struct ipc_kmsg_descriptor *d, uint32_t count)
{
    if (d->type != MACH_MSG_OOL_PORTS_DESCRIPTOR) {
        d->rights = &d->right;
        d->right_count = 1;
        return true;
    }
    d->rights = count ? calloc(count, sizeof *d->rights) : NULL;
    if (count && !d->rights)
        return false;
    d->right_count = count;
    return true;
}

mach_msg_size_t ipc_kmsg_user_size(const struct ipc_kmsg *kmsg)
{
    size_t size = sizeof(mach_msg_header_t) + kmsg->inline_size;
    if (kmsg->complex)
        size += sizeof(mach_msg_body_t);
    for (uint32_t i = 0; i < kmsg->descriptor_count; i++)
        size += kmsg->descriptors[i].type == MACH_MSG_PORT_DESCRIPTOR
                    ? sizeof(mach_msg_port_descriptor_t)
                    : sizeof(mach_msg_ool_descriptor_t);
    return (mach_msg_size_t)size;
}

void ipc_kmsg_return_credit(struct ipc_kmsg *kmsg)
{
    struct wire_channel *channel = kmsg->credit_channel;
    kmsg->credit_channel = NULL;
    if (!channel)
        return;
    wire_channel_release(channel, kmsg->credit);
    wire_channel_unref(channel);
}

void ipc_kmsg_free(struct ipc_kmsg *take_kmsg)
{
    for (uint32_t i = 0; i < take_kmsg->descriptor_count; i++) {
        struct ipc_kmsg_descriptor *d = &take_kmsg->descriptors[i];
        vm_copy_deinit(&d->memory);
        if (d->rights != &d->right)
            free(d->rights);
    }
    free(take_kmsg);
}

static void clean_rights(struct ipc_kmsg *kmsg)
{
    ipc_right_clean(&kmsg->destination);
    ipc_right_clean(&kmsg->reply);
    for (uint32_t i = 0; i < kmsg->descriptor_count; i++) {
        for (uint32_t k = 0; k < kmsg->descriptors[i].right_count; k++)
            ipc_right_clean(&kmsg->descriptors[i].rights[k]);
    }
}

/* Calls `visit` for each receive right in the message until it says true. */
static bool any_receive(const struct ipc_kmsg *kmsg,
                        bool (*visit)(struct ipc_port *, struct ipc_port *), struct ipc_port *with)
{
    for (uint32_t i = 0; kmsg->receives && i < kmsg->descriptor_count; i++) {
        for (uint32_t k = 0; k < kmsg->descriptors[i].right_count; k++) {
            const struct ipc_carried *right = &kmsg->descriptors[i].rights[k];
            if (right->port && right->type == MACH_MSG_TYPE_PORT_RECEIVE &&
                visit(right->port, with))
                return true;
        }
    }
    return false;
}

static bool set_carrier(struct ipc_port *port, struct ipc_port *carrier)
{
    port->carrier = carrier;
    return false;
}

void ipc_kmsg_set_carrier(struct ipc_kmsg *kmsg, struct ipc_port *port)
{
    (void)any_receive(kmsg, set_carrier, port);
}

/* Whether the way of `port`'s receive right leads through `right`. */
static bool travels_in(struct ipc_port *right, struct ipc_port *port)
{
    while (port && port != right)
        port = port->transit ? port->carrier : NULL;
    return port == right;
}

bool ipc_kmsg_circular(const struct ipc_kmsg *kmsg, struct ipc_port *port)
{
    return any_receive(kmsg, travels_in, port);
}

void ipc_kmsg_clean(struct ipc_kmsg *take_kmsg)
{
    if (!take_kmsg)
        return;
    ipc_kmsg_return_credit(take_kmsg);
    clean_rights(take_kmsg);
    ipc_kmsg_free(take_kmsg);
}

void ipc_kmsg_trailer(const struct ipc_kmsg *kmsg, const struct ipc_port *port,
                      mach_msg_option_t option, void *at, mach_msg_size_t room)
{
    mach_msg_max_trailer_t trailer;
    mach_msg_size_t size = REQUESTED_TRAILER_SIZE(option);
    memset(&trailer, 0, sizeof trailer);
    trailer.msgh_trailer_type = MACH_MSG_TRAILER_FORMAT_0;
    trailer.msgh_trailer_size = size;
    trailer.msgh_seqno = kmsg->seqno;
    trailer.msgh_context = port->context;
    if (kmsg->kernel) {
        trailer.msgh_sender.val[1] = 1; /* KERNEL_SECURITY_TOKEN_VALUE (S88) */
    } else {
        const struct ipc_sender *from = &kmsg->sender;
        trailer.msgh_sender.val[0] = from->uid;
        trailer.msgh_sender.val[1] = from->gid;
        /* {auid, euid, egid, ruid, rgid, pid, asid, pidversion}; the last two have no like (S87) */
        const unsigned audit[8] = {from->uid, from->uid,           from->gid, from->uid,
                                   from->gid, (unsigned)from->pid, 0,         0};
        memcpy(trailer.msgh_audit.val, audit, sizeof audit);
    }
    memcpy(at, &trailer, size < room ? size : room);
}
