/* The receiving end of a way, in this task or in a peer; see way.h.
 *
 * The peer is told by its pipe when to receive, and answers with its `struct seen` as the body of
 * a message, so that looking does not disturb what is being looked at. */
#include "way.h"

#include <string.h>

enum { WAY_SEEN_ID = 5000 };

struct seen_msg {
    mach_msg_header_t header;
    struct seen seen;
};
struct seen_rcv {
    mach_msg_header_t header;
    struct seen seen;
    mach_msg_max_trailer_t trailer;
};

/* FNV-1a over eight bytes at a time: fast enough for gigabytes, and every byte counts. */
uint64_t way_hash(const void *bytes, size_t size)
{
    const unsigned char *at = bytes;
    uint64_t hash = 0xcbf29ce484222325 ^ size;
    for (; size >= 8; size -= 8, at += 8) {
        uint64_t word;
        memcpy(&word, at, 8);
        hash = (hash ^ word) * 0x100000001b3;
        hash ^= hash >> 29;
    }
    for (; size > 0; size--, at++)
        hash = (hash ^ *at) * 0x100000001b3;
    return hash;
}

uint64_t way_hash_filled(size_t size, unsigned seed)
{
    void *memory = kit_allocate(size);
    kit_fill(memory, size, seed);
    uint64_t hash = way_hash(memory, size);
    kit_free(memory, size);
    return hash;
}

uint64_t way_hash_all(size_t size, unsigned char byte)
{
    void *memory = kit_allocate(size);
    memset(memory, byte, size);
    uint64_t hash = way_hash(memory, size);
    kit_free(memory, size);
    return hash;
}

static bool is_zero(uintptr_t from, uintptr_t to)
{
    for (; from < to; from++)
        if (*(const unsigned char *)from != 0)
            return false;
    return true;
}

static void see_region(const mach_msg_ool_descriptor_t *ool, struct seen_region *ret_region)
{
    uintptr_t start = (uintptr_t)ool->address;
    uintptr_t end = start + ool->size;
    struct seen_region region = {
        .size = ool->size,
        .page_offset = (uint32_t)kit_page_offset(ool->address),
        .copy = (uint8_t)ool->copy,
        .deallocate = (uint8_t)ool->deallocate,
        .type = (uint8_t)ool->type,
        .pad = (uint8_t)ool->pad1,
        .is_null = start == 0,
        .edges_zero = true,
    };
    if (start != 0) {
        region.hash = way_hash(ool->address, ool->size);
        region.edges_zero = is_zero(start - region.page_offset, start) &&
                            is_zero(end, kit_round(end));
    }
    *ret_region = region;
}

static void see_overlaps(const struct ool_rcv *message, struct seen *seen)
{
    for (unsigned i = 0; i < seen->count; i++)
        for (unsigned j = 0; j < seen->count; j++)
            if (i != j && kit_overlap(message->ool[i].address, message->ool[i].size,
                                      message->ool[j].address, message->ool[j].size))
                seen->region[i].overlaps = true;
}

static void free_region(const mach_msg_ool_descriptor_t *ool, struct seen_region *region)
{
    uintptr_t start = (uintptr_t)ool->address;
    if (start == 0)
        return;
    memset((void *)start, 0xee, ool->size);
    kit_free((void *)start, ool->size);
    region->freed = !kit_is_readable((void *)start) &&
                    !kit_is_readable((void *)(start + ool->size - 1)) &&
                    !kit_is_readable((void *)(start + ool->size / 2));
}

static void see(const struct ool_rcv *message, struct seen *seen)
{
    seen->bits = message->header.msgh_bits;
    seen->size = message->header.msgh_size;
    seen->id = message->header.msgh_id;
    if ((seen->bits & MACH_MSGH_BITS_COMPLEX) == 0)
        return;
    seen->count = message->body.msgh_descriptor_count;
    ASSERT(seen->count <= KIT_OOL_MAX);
    for (unsigned i = 0; i < seen->count; i++)
        see_region(&message->ool[i], &seen->region[i]);
    see_overlaps(message, seen);
    /* Writing into one must not show in another (S68): what is seen was hashed before. */
    for (unsigned i = 0; i < seen->count; i++) {
        if (i > 0 && message->ool[i].address != NULL)
            ASSERT_EQ(seen->region[i].hash,
                      way_hash(message->ool[i].address, message->ool[i].size));
        free_region(&message->ool[i], &seen->region[i]);
    }
}

static void take_one(mach_port_t port, unsigned patience, struct seen *ret_seen)
{
    struct ool_rcv message;
    memset(&message, 0, sizeof(message));
    memset(ret_seen, 0, sizeof(*ret_seen));
    ret_seen->result = kit_receive(&message.header, sizeof(message), port, 0, patience);
    if (ret_seen->result == MACH_MSG_SUCCESS)
        see(&message, ret_seen);
}

PEER(way_receiver)
{
    struct kit_pair pair;
    struct seen_msg answer;
    kit_pair_join(&pair);
    /* The name of the port for the messages under test, beside the one for this talk. */
    mach_port_t port = kit_port();
    kit_header(&answer.header, MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MAKE_SEND),
               sizeof(answer.header), pair.theirs, port, 0);
    ASSERT_OK(kit_send(&answer.header, MACH_SEND_TIMEOUT, PATIENCE));
    while (!parent_gone()) {
        struct plain_rcv order;
        ASSERT_OK(kit_receive(&order.header, sizeof(order), pair.mine, 0, PATIENCE));
        if (order.header.msgh_id < 0)
            break;
        memset(&answer, 0, sizeof(answer));
        take_one(port, (unsigned)order.header.msgh_id, &answer.seen);
        kit_header(&answer.header, MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0), sizeof(answer),
                   pair.theirs, MACH_PORT_NULL, WAY_SEEN_ID);
        ASSERT_OK(kit_send(&answer.header, MACH_SEND_TIMEOUT, PATIENCE));
    }
    kit_destroy(port);
    kit_pair_leave(&pair);
}

void way_open(struct way *ret_way, bool between_tasks)
{
    struct plain_rcv hello;
    memset(ret_way, 0, sizeof(*ret_way));
    ret_way->between_tasks = between_tasks;
    if (!between_tasks) {
        ret_way->to = kit_port();
        return;
    }
    kit_pair_start(&ret_way->pair, "way_receiver", "");
    ASSERT_OK(kit_receive(&hello.header, sizeof(hello), ret_way->pair.mine, 0, PATIENCE));
    ret_way->to = hello.header.msgh_remote_port;
}

void way_close(struct way *way)
{
    if (!way->between_tasks) {
        kit_destroy(way->to);
        return;
    }
    kit_send_plain(way->pair.theirs, -1);
    peer_tell(&way->pair.peer);
    kit_pair_end(&way->pair);
    kit_wait_dead(way->to);
    kit_destroy(way->to);
}

void way_prepare(struct way *way, struct ool_msg *message, unsigned count, mach_msg_id_t id)
{
    kit_header(&message->header,
               MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0) | MACH_MSGH_BITS_COMPLEX,
               OOL_MSG_SIZE(count), way->to, MACH_PORT_NULL, id);
    message->body.msgh_descriptor_count = count;
}

mach_msg_return_t way_send(struct way *way, struct ool_msg *message)
{
    (void)way;
    return kit_send(&message->header, MACH_SEND_TIMEOUT, 0);
}

void way_send_region(struct way *way, const void *address, size_t size, unsigned copy,
                     bool deallocate)
{
    struct ool_msg message;
    kit_ool(&message.ool[0], address, size, copy, deallocate);
    way_prepare(way, &message, 1, 1);
    ASSERT_OK(way_send(way, &message));
}

static void order_a_look(struct way *way, unsigned patience, struct seen *ret_seen)
{
    struct seen_rcv answer;
    if (!way->between_tasks) {
        take_one(way->to, patience, ret_seen);
        return;
    }
    kit_send_plain(way->pair.theirs, (mach_msg_id_t)patience);
    peer_tell(&way->pair.peer);
    ASSERT_OK(kit_receive(&answer.header, sizeof(answer), way->pair.mine, 0, 2 * PATIENCE));
    ASSERT_EQ(WAY_SEEN_ID, answer.header.msgh_id);
    *ret_seen = answer.seen;
}

void way_look(struct way *way, struct seen *ret_seen)
{
    order_a_look(way, PATIENCE, ret_seen);
}

void way_expect_nothing(struct way *way)
{
    struct seen seen;
    order_a_look(way, 0, &seen);
    ASSERT_CODE(MACH_RCV_TIMED_OUT, seen.result);
}
