/* Copyin: a user's message becomes a kmsg (see ipc_kmsg.h).
 *
 * Order, as XNU has it: sizes and kinds of all descriptors are checked before any right is
 * touched (S33); then the header's rights, both or none (S119, S120); then the descriptors in
 * array order (S26). A descriptor that fails after that destroys what was taken so far, header
 * rights included, and leaves the later ones alone (S31). */
#include "ipc/ipc_kmsg.h"

#include "ipc/ipc_mqueue.h"
#include "ipc/ipc_peer.h"
#include "ipc/ipc_port.h"
#include "ipc/ipc_right.h"
#include "ipc/ipc_space.h"
#include "ipc/ipc_task.h"
#include "os/os_maps.h"
#include "vm/vm_loan.h"

#include <mach/mach.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RIGHTS_MAX 16383u       /* in one message (S39) */
#define SMALL_MAX (16u << 10)   /* copied whatever was asked for (S21) */
#define PHYSICAL_MAX (7u << 20) /* of larger memory sent with MACH_MSG_PHYSICAL_COPY (S23) */

union user_descriptor {
    mach_msg_type_descriptor_t type;
    mach_msg_port_descriptor_t port;
    mach_msg_ool_descriptor_t ool;
    mach_msg_ool_ports_descriptor_t ool_ports;
    mach_msg_guarded_port_descriptor_t guarded;
};

static size_t user_descriptor_size(mach_msg_descriptor_type_t type)
{
    return type == MACH_MSG_PORT_DESCRIPTOR ? sizeof(mach_msg_port_descriptor_t)
                                            : sizeof(mach_msg_ool_descriptor_t);
}

/* Reads the user's descriptor at `at`, which may be unaligned for its type. */
static void read_descriptor(const uint8_t *at, union user_descriptor *ret)
{
    memcpy(&ret->type, at, sizeof ret->type);
    if (ret->type.type != MACH_MSG_PORT_DESCRIPTOR)
        memcpy(&ret->ool, at, sizeof ret->ool);
    else
        memcpy(&ret->port, at, sizeof ret->port);
}

/* Sizes and types of the descriptors. On success their number and the bytes that they and their
 * count take. */
static mach_msg_return_t measure(const mach_msg_header_t *header, mach_msg_size_t size,
                                 uint32_t *ret_count, uint32_t *ret_bytes)
{
    *ret_count = *ret_bytes = 0;
    if (!(header->msgh_bits & MACH_MSGH_BITS_COMPLEX))
        return MACH_MSG_SUCCESS;
    if (size < sizeof(mach_msg_base_t))
        return MACH_SEND_MSG_TOO_SMALL;
    const uint8_t *start = (const uint8_t *)header, *at = start + sizeof(mach_msg_base_t);
    const uint8_t *end = start + size;
    mach_msg_body_t body;
    memcpy(&body, header + 1, sizeof body);
    for (uint32_t i = 0; i < body.msgh_descriptor_count; i++) {
        mach_msg_type_descriptor_t type;
        if ((size_t)(end - at) < sizeof type)
            return MACH_SEND_MSG_TOO_SMALL;
        memcpy(&type, at, sizeof type);
        if (type.type > MACH_MSG_DESCRIPTOR_MAX)
            return MACH_SEND_INVALID_TYPE; /* S16 */
        if ((size_t)(end - at) < user_descriptor_size((mach_msg_descriptor_type_t)type.type))
            return MACH_SEND_MSG_TOO_SMALL;
        at += user_descriptor_size((mach_msg_descriptor_type_t)type.type);
    }
    *ret_count = body.msgh_descriptor_count;
    *ret_bytes = (uint32_t)(at - start) - (uint32_t)sizeof *header;
    return MACH_MSG_SUCCESS;
}

/* Only a receive right, and with flags that make sense (S158). */
static bool guarded_is_valid(const mach_msg_guarded_port_descriptor_t *d)
{
    if (d->disposition != MACH_MSG_TYPE_MOVE_RECEIVE || d->flags == MACH_MSG_GUARD_FLAGS_NONE ||
        d->flags & ~MACH_MSG_GUARD_FLAGS_MASK)
        return false;
    return !(d->flags & MACH_MSG_GUARD_FLAGS_UNGUARDED_ON_SEND) || d->context == 0;
}

/* One descriptor, and what it adds to what all together ask for. */
static mach_msg_return_t check_descriptor(const union user_descriptor *d, uint64_t *physical,
                                          uint64_t *rights)
{
    switch (d->type.type) {
    case MACH_MSG_PORT_DESCRIPTOR:
        *rights += 1;
        return MACH_MSG_SUCCESS;
    case MACH_MSG_GUARDED_PORT_DESCRIPTOR:
        *rights += 1;
        return guarded_is_valid(&d->guarded) ? MACH_MSG_SUCCESS : MACH_SEND_INVALID_TYPE;
    case MACH_MSG_OOL_PORTS_DESCRIPTOR:
        *rights += d->ool_ports.count;
        return MACH_MSG_SUCCESS;
    default:
        if (d->ool.copy != MACH_MSG_PHYSICAL_COPY && d->ool.copy != MACH_MSG_VIRTUAL_COPY)
            return MACH_SEND_INVALID_TYPE; /* S15 */
        if (d->ool.copy == MACH_MSG_PHYSICAL_COPY && !d->ool.deallocate && d->ool.size > SMALL_MAX)
            *physical += (uint64_t)round_page((vm_size_t)d->ool.size);
        return MACH_MSG_SUCCESS;
    }
}

/* Copy options, and what all descriptors together may ask for. */
static mach_msg_return_t check_descriptors(const mach_msg_header_t *header, uint32_t count)
{
    const uint8_t *at = (const uint8_t *)header + sizeof(mach_msg_base_t);
    uint64_t physical = 0, rights = 0;
    for (uint32_t i = 0; i < count; i++) {
        union user_descriptor d;
        read_descriptor(at, &d);
        at += user_descriptor_size((mach_msg_descriptor_type_t)d.type.type);
        mach_msg_return_t mr = check_descriptor(&d, &physical, &rights);
        if (mr != MACH_MSG_SUCCESS)
            return mr;
    }
    if (rights > RIGHTS_MAX)
        return MACH_SEND_TOO_LARGE;
    return physical + 8u * rights > PHYSICAL_MAX ? MACH_MSG_VM_KERNEL : MACH_MSG_SUCCESS;
}

static bool send_disposition(mach_msg_type_name_t type)
{
    return type >= MACH_MSG_TYPE_MOVE_SEND && type <= MACH_MSG_TYPE_MAKE_SEND_ONCE;
}

/* What a disposition becomes on its way. */
static mach_msg_type_name_t delivered_type(mach_msg_type_name_t type)
{
    switch (type) {
    case MACH_MSG_TYPE_MOVE_SEND:
    case MACH_MSG_TYPE_COPY_SEND:
    case MACH_MSG_TYPE_MAKE_SEND:
        return MACH_MSG_TYPE_PORT_SEND;
    case MACH_MSG_TYPE_MOVE_SEND_ONCE:
    case MACH_MSG_TYPE_MAKE_SEND_ONCE:
        return MACH_MSG_TYPE_PORT_SEND_ONCE;
    case MACH_MSG_TYPE_MOVE_RECEIVE:
        return MACH_MSG_TYPE_PORT_RECEIVE;
    default:
        return 0;
    }
}

/* The header's dispositions and names, before any right is looked at (S94-S97). */
static mach_msg_return_t check_header(const mach_msg_header_t *header)
{
    mach_msg_type_name_t remote = MACH_MSGH_BITS_REMOTE(header->msgh_bits);
    mach_msg_type_name_t local = MACH_MSGH_BITS_LOCAL(header->msgh_bits);
    if (!send_disposition(remote))
        return MACH_SEND_INVALID_HEADER;
    if (local == 0 ? header->msgh_local_port != MACH_PORT_NULL : !send_disposition(local))
        return MACH_SEND_INVALID_HEADER;
    if (MACH_MSGH_BITS_VOUCHER(header->msgh_bits) != 0)
        return MACH_SEND_INVALID_VOUCHER;
    if (!MACH_PORT_VALID(header->msgh_remote_port))
        return MACH_SEND_INVALID_DEST;
    return MACH_MSG_SUCCESS;
}

/* Destination and reply that name one and the same right (S120). */
static mach_msg_return_t check_shared(const mach_msg_header_t *header)
{
    mach_msg_type_name_t remote = MACH_MSGH_BITS_REMOTE(header->msgh_bits);
    mach_msg_type_name_t local = MACH_MSGH_BITS_LOCAL(header->msgh_bits);
    if (header->msgh_remote_port != header->msgh_local_port)
        return MACH_MSG_SUCCESS;
    if (remote == MACH_MSG_TYPE_MOVE_SEND_ONCE || local == MACH_MSG_TYPE_MOVE_SEND_ONCE)
        return MACH_SEND_INVALID_DEST;
    struct ipc_entry *entry = ipc_space_find(header->msgh_remote_port);
    if (remote == MACH_MSG_TYPE_MOVE_SEND && local == MACH_MSG_TYPE_MOVE_SEND && entry &&
        entry->urefs < 2)
        return MACH_SEND_INVALID_DEST;
    return MACH_MSG_SUCCESS;
}

/* Takes both header rights, or neither. With the task lock. A COPY of the right that the other
 * half MOVEs is taken first. */
static mach_msg_return_t copyin_header(const mach_msg_header_t *header, struct ipc_kmsg *kmsg)
{
    mach_msg_type_name_t remote = MACH_MSGH_BITS_REMOTE(header->msgh_bits);
    mach_msg_type_name_t local = MACH_MSGH_BITS_LOCAL(header->msgh_bits);
    bool has_reply = local != 0 && MACH_PORT_VALID(header->msgh_local_port);
    mach_msg_return_t mr = check_shared(header);
    if (mr != MACH_MSG_SUCCESS)
        return mr;
    if (ipc_right_copyin_check(header->msgh_remote_port, remote, false) != KERN_SUCCESS)
        return MACH_SEND_INVALID_DEST;
    if (has_reply && ipc_right_copyin_check(header->msgh_local_port, local, false) != KERN_SUCCESS)
        return MACH_SEND_INVALID_REPLY;
    bool reply_first = has_reply && local == MACH_MSG_TYPE_COPY_SEND;
    if (reply_first)
        (void)ipc_right_copyin_checked(header->msgh_local_port, local, &kmsg->reply);
    if (ipc_right_copyin_checked(header->msgh_remote_port, remote, &kmsg->destination) !=
        KERN_SUCCESS)
        return MACH_SEND_NO_BUFFER;
    if (has_reply && !reply_first &&
        ipc_right_copyin_checked(header->msgh_local_port, local, &kmsg->reply) != KERN_SUCCESS)
        return MACH_SEND_NO_BUFFER;
    if (local && !has_reply) { /* the type crosses with a null or dead name (S97) */
        kmsg->reply.type = delivered_type(local);
        kmsg->reply.dead = header->msgh_local_port == MACH_PORT_DEAD;
    }
    return MACH_MSG_SUCCESS;
}

/* One right of the body. With the task lock. */
static mach_msg_return_t copyin_right(mach_port_name_t name, mach_msg_type_name_t disposition,
                                      struct ipc_carried *right)
{
    if (!MACH_PORT_VALID(name)) { /* crosses as such, whatever the disposition (S118) */
        right->dead = name == MACH_PORT_DEAD;
        right->type = delivered_type(disposition);
        return MACH_MSG_SUCCESS;
    }
    return ipc_right_copyin(name, disposition, true, right) == KERN_SUCCESS
               ? MACH_MSG_SUCCESS
               : MACH_SEND_INVALID_RIGHT;
}

/* An array of names: read, unmapped if asked for (S38), then its rights in order. */
static mach_msg_return_t copyin_ool_ports(const mach_msg_ool_ports_descriptor_t *user,
                                          struct ipc_kmsg_descriptor *d)
{
    size_t size = user->count * sizeof(mach_port_name_t);
    vm_address_t address = (vm_address_t)(uintptr_t)user->address;
    mach_port_name_t *names = malloc(size ? size : 1);
    mach_msg_return_t mr = names && ipc_kmsg_hold_rights(d, user->count) ? MACH_MSG_SUCCESS
                                                                         : MACH_SEND_NO_BUFFER;
    d->delivers = delivered_type(user->disposition);
    if (mr == MACH_MSG_SUCCESS && size && os_maps_copy(names, address, size) < 0)
        mr = MACH_SEND_INVALID_MEMORY;
    if (mr == MACH_MSG_SUCCESS && size && user->deallocate)
        (void)vm_deallocate(mach_task_self_, address, size);
    ipc_task_lock();
    for (uint32_t i = 0; mr == MACH_MSG_SUCCESS && i < user->count; i++)
        mr = copyin_right(names[i], user->disposition, &d->rights[i]);
    ipc_task_unlock();
    free(names);
    return mr;
}

/* Whose guard the descriptor says, or who is unguarded and said to be so (S158). */
static bool guard_is_right(const struct ipc_port *port,
                           const mach_msg_guarded_port_descriptor_t *user)
{
    if (port->guarded)
        return port->context == user->context;
    return user->flags & MACH_MSG_GUARD_FLAGS_UNGUARDED_ON_SEND && user->context == 0;
}

static mach_msg_return_t copyin_guarded(const mach_msg_guarded_port_descriptor_t *user,
                                        struct ipc_kmsg_descriptor *d)
{
    const struct ipc_port *port = ipc_right_receiver(user->name);
    d->guard = user->context;
    d->guard_flags = (uint16_t)user->flags;
    if (port && !guard_is_right(port, user))
        return MACH_SEND_INVALID_RIGHT;
    return copyin_right(user->name, user->disposition, &d->right);
}

/* A descriptor that is not memory. */
static mach_msg_return_t copyin_ports(const union user_descriptor *user,
                                      struct ipc_kmsg_descriptor *d)
{
    if (d->type == MACH_MSG_OOL_PORTS_DESCRIPTOR)
        return copyin_ool_ports(&user->ool_ports, d);
    (void)ipc_kmsg_hold_rights(d, 1);
    ipc_task_lock();
    mach_msg_return_t mr = d->type == MACH_MSG_GUARDED_PORT_DESCRIPTOR
                               ? copyin_guarded(&user->guarded, d)
                               : copyin_right(user->port.name, user->port.disposition, &d->right);
    ipc_task_unlock();
    return mr;
}

/* To whom the message goes, as far as is known yet: where memory is lent if that is the same user's
 * task. `ret_receiver->lender` is a reference. With the task lock. */
static void find_receiver(const struct ipc_port *port, struct vm_receiver *ret_receiver)
{
    *ret_receiver = (struct vm_receiver){.lender = NULL};
    if (port && port->place == IPC_OWN)
        ret_receiver->task = (struct vm_task){.id = ipc_task.id, .pid = getpid()};
    if (!port || port->place != IPC_REMOTE)
        return;
    struct wire_channel *channel = ipc_peer_channel(port->peer);
    ret_receiver->task = ipc_peer_task(port->peer);
    if (channel && port->peer->credentials.uid == geteuid())
        ret_receiver->lender = vm_ledger_ref(channel->lends);
}

static mach_msg_return_t copyin_ool(const mach_msg_ool_descriptor_t *user,
                                    const struct vm_receiver *receiver,
                                    struct ipc_kmsg_descriptor *d)
{
    d->copy = user->copy;
    d->size = user->size;
    return vm_copyin_for((vm_address_t)(uintptr_t)user->address, user->size, user->copy,
                         user->deallocate != 0, receiver, &d->memory);
}

/* The descriptors, in order; stops at the first that fails. */
static mach_msg_return_t copyin_body(const mach_msg_header_t *header,
                                     const struct vm_receiver *receiver, struct ipc_kmsg *kmsg)
{
    const uint8_t *at = (const uint8_t *)header + sizeof(mach_msg_base_t);
    for (uint32_t i = 0; i < kmsg->descriptor_count; i++) {
        struct ipc_kmsg_descriptor *d = &kmsg->descriptors[i];
        union user_descriptor user;
        read_descriptor(at, &user);
        d->type = (mach_msg_descriptor_type_t)user.type.type;
        bool memory = d->type == MACH_MSG_OOL_DESCRIPTOR ||
                      d->type == MACH_MSG_OOL_VOLATILE_DESCRIPTOR;
        mach_msg_return_t mr = memory ? copyin_ool(&user.ool, receiver, d) : copyin_ports(&user, d);
        if (mr != MACH_MSG_SUCCESS)
            return mr;
        for (uint32_t k = 0; k < d->right_count && !kmsg->receives; k++)
            kmsg->receives = d->rights[k].type == MACH_MSG_TYPE_PORT_RECEIVE && d->rights[k].port;
        at += user_descriptor_size(d->type);
    }
    return MACH_MSG_SUCCESS;
}

/* What was given up for a send that comes to nothing is not given up for a later one. */
static void ungive(const mach_msg_header_t *header, mach_msg_size_t size)
{
    const uint8_t *at = (const uint8_t *)header + sizeof(mach_msg_base_t);
    uint32_t count, bytes;
    if (measure(header, size, &count, &bytes) != MACH_MSG_SUCCESS)
        return;
    for (uint32_t i = 0; i < count; i++) {
        union user_descriptor user;
        read_descriptor(at, &user);
        if (user.type.type == MACH_MSG_OOL_DESCRIPTOR ||
            user.type.type == MACH_MSG_OOL_VOLATILE_DESCRIPTOR)
            vm_copy_ungive((vm_address_t)(uintptr_t)user.ool.address);
        at += user_descriptor_size((mach_msg_descriptor_type_t)user.type.type);
    }
}

static mach_msg_return_t copyin(const mach_msg_header_t *header, mach_msg_size_t size,
                                struct ipc_kmsg **ret_kmsg)
{
    uint32_t count, bytes;
    mach_msg_return_t mr = check_header(header);
    if (mr == MACH_MSG_SUCCESS)
        mr = measure(header, size, &count, &bytes);
    if (mr == MACH_MSG_SUCCESS)
        mr = check_descriptors(header, count);
    if (mr != MACH_MSG_SUCCESS)
        return mr;
    uint32_t inline_at = (uint32_t)sizeof *header + bytes;
    struct ipc_kmsg *kmsg = ipc_kmsg_new(count, size - inline_at);
    if (!kmsg)
        return MACH_SEND_NO_BUFFER;
    kmsg->msgh_id = header->msgh_id;
    kmsg->voucher = header->msgh_voucher_port;
    kmsg->complex = (header->msgh_bits & MACH_MSGH_BITS_COMPLEX) != 0;
    memcpy(kmsg->inline_bytes, (const uint8_t *)header + inline_at, kmsg->inline_size);

    ipc_task_lock();
    ipc_mqueue_check(header->msgh_remote_port);
    mr = copyin_header(header, kmsg);
    if (mr == MACH_MSG_SUCCESS && count) {
        struct vm_receiver receiver;
        find_receiver(kmsg->destination.port, &receiver);
        ipc_task_unlock();
        mr = copyin_body(header, &receiver, kmsg);
        vm_ledger_unref(receiver.lender);
        ipc_task_lock();
    }
    if (mr != MACH_MSG_SUCCESS) {
        ipc_kmsg_clean(kmsg);
        ipc_task_unlock();
        return mr;
    }
    *ret_kmsg = kmsg;
    return MACH_MSG_SUCCESS;
}

mach_msg_return_t ipc_kmsg_copyin(const mach_msg_header_t *header, mach_msg_size_t size,
                                  struct ipc_kmsg **ret_kmsg)
{
    mach_msg_return_t mr = copyin(header, size, ret_kmsg);
    if (mr != MACH_MSG_SUCCESS)
        ungive(header, size);
    return mr;
}
