/* See wire_format.h. */
#include "wire/wire_format.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#define TYPE_SEND 17      /* MACH_MSG_TYPE_MOVE_SEND; this file knows no public header */
#define TYPE_RECEIVE 16   /* MACH_MSG_TYPE_MOVE_RECEIVE */
#define TYPE_SEND_ONCE 18 /* MACH_MSG_TYPE_MOVE_SEND_ONCE */

/* MACH_MSG_*_DESCRIPTOR */
enum { DESCRIPTOR_PORT, DESCRIPTOR_OOL, DESCRIPTOR_PORTS, DESCRIPTOR_VOLATILE, DESCRIPTOR_GUARDED };

size_t wire_padded(size_t size)
{
    return (size + 7) & ~(size_t)7;
}

size_t wire_message_size(uint32_t descriptors, uint32_t inline_size, size_t ool)
{
    return sizeof(struct wire_message) + (size_t)descriptors * sizeof(struct wire_descriptor) +
           wire_padded(inline_size) + ool;
}

static bool brings_fd(const struct wire_right *right)
{
    return right->how == WIRE_RIGHT_END || right->how == WIRE_RIGHT_ENTRY;
}

static bool right_valid(const struct wire_right *right)
{
    if (right->how > WIRE_RIGHT_MACHINE)
        return false;
    if (right->how == WIRE_RIGHT_MACHINE)
        return right->type == TYPE_SEND && right->id.w[0] > WIRE_MACHINE_NONE &&
               right->id.w[0] < WIRE_MACHINE_END;
    if (right->how == WIRE_RIGHT_ENTRY && right->type != TYPE_SEND)
        return false;
    if (right->how <= WIRE_RIGHT_DEAD)
        return true;
    if (right->how == WIRE_RIGHT_RECEIVE)
        return right->type == TYPE_RECEIVE && !util_id_is_none(right->id);
    return (right->type == TYPE_SEND || right->type == TYPE_SEND_ONCE) &&
           !util_id_is_none(right->id);
}

/* The rights of a PORTS descriptor, among the OOL bytes. */
static bool rights_valid(const uint8_t *at, uint32_t count, uint32_t *fds)
{
    for (uint32_t i = 0; i < count; i++) {
        struct wire_right right;
        memcpy(&right, at + i * sizeof right, sizeof right);
        if (!right_valid(&right))
            return false;
        *fds += brings_fd(&right);
    }
    return true;
}

/* Checks one descriptor and adds up what it needs of OOL bytes, of which `left` follow `at`, and of
 * descriptors. */
static bool descriptor_valid(const struct wire_descriptor *d, const uint8_t *at, size_t left,
                             size_t *ool, uint32_t *fds)
{
    size_t start = *ool;
    bool memory = d->type == DESCRIPTOR_OOL || d->type == DESCRIPTOR_VOLATILE;
    if (memory == (d->how == WIRE_DESCRIPTOR_PORT || d->how == WIRE_DESCRIPTOR_PORTS))
        return false;
    switch (d->how) {
    case WIRE_DESCRIPTOR_PORTS:
        if (d->size > WIRE_RIGHTS_MAX || d->type != DESCRIPTOR_PORTS)
            return false;
        *ool += d->size * sizeof(struct wire_right);
        return *ool <= left && rights_valid(at + start, d->size, fds);
    case WIRE_DESCRIPTOR_PORT:
        if (d->type != DESCRIPTOR_PORT && d->type != DESCRIPTOR_GUARDED)
            return false;
        *fds += brings_fd(&d->right);
        return right_valid(&d->right);
    case WIRE_DESCRIPTOR_EMPTY:
        return d->size == 0;
    case WIRE_DESCRIPTOR_BYTES:
        if (d->size == 0 || __builtin_add_overflow(*ool, wire_padded(d->size), ool))
            return false;
        return true;
    case WIRE_DESCRIPTOR_OBJECT:
        *fds += 1;
        return d->size != 0;
    case WIRE_DESCRIPTOR_DELTA:
        *fds += 2;
        return d->size != 0 && d->page_offset == 0;
    case WIRE_DESCRIPTOR_LOAN:
    case WIRE_DESCRIPTOR_LOAN_NEW:
    case WIRE_DESCRIPTOR_LOAN_BACK:
        *fds += d->how == WIRE_DESCRIPTOR_LOAN_NEW;
        return d->size != 0 && d->loan < LANE_LOANS;
    default:
        return false;
    }
}

int wire_message_read(const void *buffer, size_t size, struct wire_message_view *ret_view)
{
    struct wire_message_view view;
    if (size < sizeof view.head)
        return -EBADMSG;
    memcpy(&view.head, buffer, sizeof view.head);
    size_t left = size - sizeof view.head;
    const uint8_t *at = (const uint8_t *)buffer + sizeof view.head;

    if (view.head.descriptors > left / sizeof(struct wire_descriptor))
        return -EBADMSG;
    view.descriptors = (const struct wire_descriptor *)(const void *)at;
    size_t used = (size_t)view.head.descriptors * sizeof(struct wire_descriptor);
    at += used;
    left -= used;
    if (wire_padded(view.head.inline_size) > left || view.head.inline_size % 4)
        return -EBADMSG;
    view.inline_bytes = at;
    view.ool_bytes = at + wire_padded(view.head.inline_size);
    left -= wire_padded(view.head.inline_size);

    size_t ool = 0;
    uint32_t fds = brings_fd(&view.head.reply);
    if (!right_valid(&view.head.reply) || view.head.reply.how == WIRE_RIGHT_RECEIVE)
        return -EBADMSG;
    for (uint32_t i = 0; i < view.head.descriptors; i++) {
        if (!descriptor_valid(&view.descriptors[i], view.ool_bytes, left, &ool, &fds))
            return -EBADMSG;
    }
    if (ool > left || fds != view.head.fds || util_id_is_none(view.head.destination))
        return -EBADMSG;
    *ret_view = view;
    return 0;
}

int wire_delta_check(const struct wire_delta *delta, uint32_t pages)
{
    return delta->extents == 0 || delta->extents > delta->pages || delta->pages > pages ? -EBADMSG
                                                                                        : 0;
}

int wire_extents_check(const struct wire_extent *extents, uint32_t count, uint32_t pages,
                       uint32_t *pages_before, uint32_t *pages_left)
{
    for (uint32_t i = 0; i < count; i++) {
        uint32_t first = extents[i].first, length = extents[i].count;
        if (length == 0 || first < *pages_before || first > pages || length > pages - first ||
            length > *pages_left)
            return -EBADMSG;
        *pages_before = first + length;
        *pages_left -= length;
    }
    return 0;
}

int wire_count_read(const void *buffer, size_t size, struct wire_count *ret_count)
{
    if (size < sizeof *ret_count)
        return -EBADMSG;
    memcpy(ret_count, buffer, sizeof *ret_count);
    return util_id_is_none(ret_count->id) || ret_count->count > INT32_MAX ? -EBADMSG : 0;
}

int wire_after_read(const void *buffer, size_t size, struct wire_after *ret_after)
{
    if (size < sizeof *ret_after)
        return -EBADMSG;
    memcpy(ret_after, buffer, sizeof *ret_after);
    return 0;
}

int wire_number_read(const void *buffer, size_t size, struct wire_number *ret_number)
{
    if (size < sizeof *ret_number)
        return -EBADMSG;
    memcpy(ret_number, buffer, sizeof *ret_number);
    return ret_number->number == 0 ? -EBADMSG : 0;
}

int wire_spill_read(const void *buffer, size_t size, struct wire_spill *ret_spill)
{
    if (size < sizeof *ret_spill)
        return -EBADMSG;
    memcpy(ret_spill, buffer, sizeof *ret_spill);
    return ret_spill->fds == 0 ? -EBADMSG : 0;
}

bool wire_decide(void *shared_entry, enum wire_decision decision)
{
    char *at = (char *)shared_entry + offsetof(struct wire_spill, decision);
    uint64_t now = WIRE_UNDECIDED, wanted = decision;
    return atomic_compare_exchange_strong((_Atomic uint64_t *)(void *)at, &now, wanted) ||
           now == wanted;
}

int wire_door_read(const void *buffer, size_t size, struct wire_door *ret_door,
                   const uint32_t **ret_uids)
{
    if (size < sizeof *ret_door)
        return -EBADMSG;
    memcpy(ret_door, buffer, sizeof *ret_door);
    if (util_id_is_none(ret_door->id) || ret_door->uid_count > WIRE_UIDS_MAX ||
        ret_door->uid_count * sizeof(uint32_t) > size - sizeof *ret_door ||
        !memchr(ret_door->name, 0, sizeof ret_door->name) || !ret_door->name[0])
        return -EBADMSG;
    *ret_uids = (const uint32_t *)(const void *)((const uint8_t *)buffer + sizeof *ret_door);
    return 0;
}

int wire_move_read(const void *buffer, size_t size, struct wire_move *ret_move,
                   const struct wire_moving **ret_ports, const uint8_t **ret_packets)
{
    const uint8_t *at = (const uint8_t *)buffer + sizeof *ret_move;
    if (size < sizeof *ret_move)
        return -EBADMSG;
    memcpy(ret_move, buffer, sizeof *ret_move);
    size_t left = size - sizeof *ret_move;
    if (ret_move->ports == 0 || ret_move->packets == 0 ||
        ret_move->ports > left / sizeof(struct wire_moving))
        return -EBADMSG;
    *ret_ports = (const struct wire_moving *)(const void *)at;
    *ret_packets = at + ret_move->ports * sizeof(struct wire_moving);
    left -= ret_move->ports * sizeof(struct wire_moving);
    if (ret_move->packets > left / (sizeof(struct wire_packet) + sizeof(struct wire_message)))
        return -EBADMSG;
    for (uint32_t i = 0; i < ret_move->ports; i++) {
        if (util_id_is_none((*ret_ports)[i].id))
            return -EBADMSG;
    }
    return 0;
}

int wire_packet_read(const uint8_t **at, const uint8_t *end, struct wire_packet *ret_packet,
                     struct wire_message_view *ret_view)
{
    size_t left = (size_t)(end - *at);
    if (left < sizeof *ret_packet)
        return -EBADMSG;
    memcpy(ret_packet, *at, sizeof *ret_packet);
    left -= sizeof *ret_packet;
    if (ret_packet->size > left || wire_padded((size_t)ret_packet->size) > left ||
        ret_packet->role > WIRE_ROLE_MESSAGE)
        return -EBADMSG;
    const uint8_t *payload = *at + sizeof *ret_packet;
    *at = payload + wire_padded((size_t)ret_packet->size);
    return wire_message_read(payload, (size_t)ret_packet->size, ret_view);
}

int wire_moved_read(const void *buffer, size_t size, struct wire_moved *ret_moved,
                    const struct util_id **ret_ids)
{
    if (size < sizeof *ret_moved)
        return -EBADMSG;
    memcpy(ret_moved, buffer, sizeof *ret_moved);
    if (ret_moved->cut % 2 || ret_moved->count > (size - sizeof *ret_moved) / sizeof **ret_ids)
        return -EBADMSG;
    *ret_ids = (const struct util_id *)(const void *)((const uint8_t *)buffer + sizeof *ret_moved);
    return 0;
}

size_t wire_datagram_size(uint32_t kind)
{
    bool is_short = kind == WIRE_BELL || kind == WIRE_FDS || kind == WIRE_HOLD || kind == WIRE_STAY;
    return is_short ? WIRE_DATAGRAM_SHORT : sizeof(struct wire_datagram);
}

int wire_datagram_check(struct wire_datagram *datagram, size_t size)
{
    if (size < WIRE_DATAGRAM_SHORT || datagram->kind == 0 || datagram->kind >= WIRE_DATAGRAM_END ||
        size != wire_datagram_size(datagram->kind))
        return -EBADMSG;
    if (size == WIRE_DATAGRAM_SHORT)
        return 0;
    if (datagram->version != WIRE_VERSION || datagram->address_size > sizeof datagram->address)
        return -EBADMSG;
    datagram->name[WIRE_NAME_MAX] = 0;
    return 0;
}
