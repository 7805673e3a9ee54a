/* Copyout: a kmsg becomes a user's message (see ipc_kmsg.h).
 *
 * Rights first, under the task lock; memory after it, without: mapping may take long. Both write
 * into the user's buffer, whose room has been checked. */
#include "ipc/ipc_kmsg.h"

#include "ipc/ipc_port.h"
#include "ipc/ipc_right.h"
#include "ipc/ipc_task.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Writes the part after the header: count, descriptors, inline bytes. `each` fills one
 * descriptor's user form. */
static uint8_t *descriptors_of(mach_msg_header_t *header)
{
    return (uint8_t *)header + sizeof(mach_msg_base_t);
}

static void write_port(uint8_t *at, mach_port_name_t name, mach_msg_type_name_t type)
{
    mach_msg_port_descriptor_t user;
    memset(&user, 0, sizeof user);
    user.name = name;
    user.disposition = type & 0xff;
    user.type = MACH_MSG_PORT_DESCRIPTOR;
    memcpy(at, &user, sizeof user);
}

static void write_guarded(uint8_t *at, const struct ipc_kmsg_descriptor *d, mach_port_name_t name)
{
    mach_msg_guarded_port_descriptor_t user;
    memset(&user, 0, sizeof user);
    user.context = name ? d->guard : 0;
    user.flags = d->guard_flags;
    user.disposition = MACH_MSG_TYPE_PORT_RECEIVE;
    user.type = MACH_MSG_GUARDED_PORT_DESCRIPTOR;
    user.name = name;
    memcpy(at, &user, sizeof user);
}

static void write_ool_ports(uint8_t *at, const struct ipc_kmsg_descriptor *d, vm_address_t address,
                            uint32_t count)
{
    mach_msg_ool_ports_descriptor_t user;
    memset(&user, 0, sizeof user);
    user.address = (void *)address;
    user.count = count;
    user.copy = MACH_MSG_VIRTUAL_COPY; /* S50 */
    user.deallocate = TRUE;
    user.disposition = d->delivers & 0xff;
    user.type = MACH_MSG_OOL_PORTS_DESCRIPTOR;
    memcpy(at, &user, sizeof user);
}

static void write_ool(uint8_t *at, const struct ipc_kmsg_descriptor *d, vm_address_t address,
                      uint32_t size)
{
    mach_msg_ool_descriptor_t user;
    memset(&user, 0, sizeof user);
    user.address = (void *)address;
    user.size = size;
    user.copy = d->copy & 0xff;
    user.deallocate = d->copy == MACH_MSG_VIRTUAL_COPY; /* S47 */
    user.type = d->type & 0xff;
    memcpy(at, &user, sizeof user);
}

/* An array of rights becomes an array of names, to be mapped like other memory. */
static mach_msg_return_t copyout_ool_ports(struct ipc_kmsg_descriptor *d)
{
    mach_msg_return_t bits = MACH_MSG_SUCCESS;
    uint32_t size = d->right_count * (uint32_t)sizeof(mach_port_name_t);
    mach_port_name_t *names = size ? malloc(size) : NULL;
    if (!names)
        return size ? MACH_MSG_IPC_KERNEL : MACH_MSG_SUCCESS;
    for (uint32_t i = 0; i < d->right_count; i++) {
        if (ipc_right_copyout(&d->rights[i], &names[i]) != KERN_SUCCESS)
            bits = MACH_MSG_IPC_SPACE;
    }
    d->memory = (struct vm_copy){.kind = VM_COPY_BYTES, .size = size, .bytes = names, .fd = -1};
    return bits;
}

/* A receive right for who asked to see guarded ones; else it is destroyed (S158). If the sender
 * wished it so, the address of the buffer guards it from now on, and holds it fast unless that
 * buffer is the sender's own again. */
static mach_msg_return_t copyout_guarded(struct ipc_kmsg *kmsg, struct ipc_kmsg_descriptor *d,
                                         const mach_msg_header_t *header,
                                         mach_port_name_t *ret_name)
{
    struct ipc_port *port = d->right.port;
    if (!kmsg->keeps_guards)
        ipc_right_clean(&d->right);
    mach_msg_return_t bits = ipc_right_copyout(&d->right, ret_name) == KERN_SUCCESS
                                 ? MACH_MSG_SUCCESS
                                 : MACH_MSG_IPC_SPACE;
    if (port && MACH_PORT_VALID(*ret_name) &&
        d->guard_flags & MACH_MSG_GUARD_FLAGS_IMMOVABLE_RECEIVE) {
        port->guarded = true;
        port->immovable = !kmsg->pseudo;
        port->context = d->guard = (uintptr_t)header;
        d->guard_flags = MACH_MSG_GUARD_FLAGS_IMMOVABLE_RECEIVE;
    }
    return bits;
}

/* One descriptor's rights; memory gets its address later. Returns the descriptor's size. */
static size_t copyout_descriptor(struct ipc_kmsg *kmsg, struct ipc_kmsg_descriptor *d,
                                 const mach_msg_header_t *header, uint8_t *at,
                                 mach_msg_return_t *bits)
{
    mach_msg_type_name_t type = d->right.type;
    mach_port_name_t name;
    switch (d->type) {
    case MACH_MSG_PORT_DESCRIPTOR:
        if (ipc_right_copyout(&d->right, &name) != KERN_SUCCESS)
            *bits |= MACH_MSG_IPC_SPACE;
        write_port(at, name, type);
        return sizeof(mach_msg_port_descriptor_t);
    case MACH_MSG_GUARDED_PORT_DESCRIPTOR:
        *bits |= copyout_guarded(kmsg, d, header, &name);
        write_guarded(at, d, name);
        break;
    case MACH_MSG_OOL_PORTS_DESCRIPTOR:
        *bits |= copyout_ool_ports(d);
        break;
    default:
        break;
    }
    return sizeof(mach_msg_ool_descriptor_t);
}

/* Count, descriptors with the names of their rights, and inline bytes. */
static mach_msg_return_t copyout_body(struct ipc_kmsg *kmsg, mach_msg_header_t *header)
{
    mach_msg_return_t bits = MACH_MSG_SUCCESS;
    uint8_t *at = (uint8_t *)(header + 1);
    if (kmsg->complex) {
        const mach_msg_body_t body = {.msgh_descriptor_count = kmsg->descriptor_count};
        memcpy(at, &body, sizeof body);
        at = descriptors_of(header);
    }
    for (uint32_t i = 0; i < kmsg->descriptor_count; i++) {
        at += copyout_descriptor(kmsg, &kmsg->descriptors[i], header, at, &bits);
    }
    memcpy(at, kmsg->inline_bytes, kmsg->inline_size);
    return bits;
}

static void write_header(const struct ipc_kmsg *kmsg, mach_msg_header_t *header,
                         mach_msg_type_name_t remote_type, mach_port_name_t remote,
                         mach_msg_type_name_t local_type, mach_port_name_t local)
{
    header->msgh_bits = MACH_MSGH_BITS(remote_type, local_type) |
                        (kmsg->complex ? MACH_MSGH_BITS_COMPLEX : 0);
    header->msgh_size = ipc_kmsg_user_size(kmsg);
    header->msgh_remote_port = remote;
    header->msgh_local_port = local;
    header->msgh_voucher_port = kmsg->voucher;
    header->msgh_id = kmsg->msgh_id;
}

mach_msg_return_t ipc_kmsg_copyout_rights(struct ipc_kmsg *kmsg, mach_port_name_t local_name,
                                          mach_msg_header_t *header)
{
    mach_msg_type_name_t remote_type = kmsg->reply.type;
    mach_port_name_t remote;
    mach_msg_return_t bits = MACH_MSG_SUCCESS;
    if (ipc_right_copyout(&kmsg->reply, &remote) != KERN_SUCCESS)
        bits = MACH_MSG_IPC_SPACE;
    write_header(kmsg, header, remote_type, remote, kmsg->local_type, local_name);
    return bits | copyout_body(kmsg, header);
}

/* Of the memory that this thread copied out last. */
static _Thread_local struct {
    uint8_t how[32];
    unsigned count;
} came;

enum vm_copy_how ipc_kmsg_how(unsigned index)
{
    return index < came.count ? (enum vm_copy_how)came.how[index] : VM_COPY_UNTOLD;
}

static void note(const struct ipc_kmsg_descriptor *d)
{
    if (d->type != MACH_MSG_OOL_PORTS_DESCRIPTOR && came.count < sizeof came.how)
        came.how[came.count++] = (uint8_t)d->memory.how;
}

/* Maps every OOL payload; one that finds no room arrives as address 0, size 0 (S58). */
static mach_msg_return_t copyout_memory(struct ipc_kmsg *kmsg, mach_msg_header_t *header)
{
    mach_msg_return_t bits = MACH_MSG_SUCCESS;
    uint8_t *at = descriptors_of(header);
    came.count = 0;
    for (uint32_t i = 0; i < kmsg->descriptor_count; i++) {
        struct ipc_kmsg_descriptor *d = &kmsg->descriptors[i];
        if (d->type == MACH_MSG_PORT_DESCRIPTOR) {
            at += sizeof(mach_msg_port_descriptor_t);
            continue;
        }
        if (d->type != MACH_MSG_GUARDED_PORT_DESCRIPTOR) {
            vm_address_t address = 0;
            note(d);
            int r = vm_copyout(&d->memory, &address);
            if (r < 0)
                bits |= r == -ENOMEM ? MACH_MSG_VM_SPACE : MACH_MSG_VM_KERNEL;
            if (d->type == MACH_MSG_OOL_PORTS_DESCRIPTOR)
                write_ool_ports(at, d, address, address ? d->right_count : 0);
            else
                write_ool(at, d, address, r < 0 ? 0 : d->size);
        }
        at += sizeof(mach_msg_ool_descriptor_t);
    }
    return bits;
}

mach_msg_return_t ipc_kmsg_copyout_memory(struct ipc_kmsg *take_kmsg, mach_msg_header_t *header)
{
    mach_msg_return_t bits = copyout_memory(take_kmsg, header);
    ipc_kmsg_free(take_kmsg); /* rights and memory have all left it */
    return bits;
}

void ipc_kmsg_copyout_pseudo(struct ipc_kmsg *take_kmsg, mach_msg_header_t *header)
{
    mach_msg_type_name_t remote_type = take_kmsg->destination.type;
    mach_msg_type_name_t local_type = take_kmsg->reply.type;
    mach_port_name_t remote, local;
    take_kmsg->keeps_guards = take_kmsg->pseudo = true;
    ipc_task_lock();
    (void)ipc_right_copyout(&take_kmsg->destination, &remote);
    (void)ipc_right_copyout(&take_kmsg->reply, &local);
    write_header(take_kmsg, header, remote_type, remote, local_type, local);
    (void)copyout_body(take_kmsg, header);
    ipc_task_unlock();
    (void)copyout_memory(take_kmsg, header);
    ipc_kmsg_free(take_kmsg);
}
