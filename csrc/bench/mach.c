/*
 * The same step by Mach messages, as a C program would do it: with the standard headers,
 * and memory that it need not have cleared.
 */
#include "pair.h"

#include <errno.h>
#include <mach/machool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define INLINE_MOST 4096
#define WAIT                                                                                       \
    60000 /* milliseconds: a consumer that is dead is known earlier, by the send-once right */

struct small {
    mach_msg_header_t header;
    uint32_t size;
    char bytes[INLINE_MOST];
};

struct large {
    mach_msg_header_t header;
    mach_msg_body_t body;
    mach_msg_ool_descriptor_t memory;
};

struct answer {
    mach_msg_header_t header;
    uint32_t padding;
    uint64_t seen;
};

union received {
    mach_msg_header_t header;
    struct {
        struct small message;
        mach_msg_max_trailer_t trailer;
    } small;
    struct {
        struct large message;
        mach_msg_max_trailer_t trailer;
    } large;
    struct {
        struct answer message;
        mach_msg_max_trailer_t trailer;
    } answer;
};

static int new_port(mach_port_t *ret_port)
{
    return mach_port_allocate(mach_task_self(), MACH_PORT_RIGHT_RECEIVE, ret_port) ? EIO : 0;
}

static int mach_open(struct bench_pair *pair)
{
    static _Atomic unsigned number;
    (void)snprintf(pair->service, sizeof pair->service, "com.example.machool.bench.c.%d.%u",
                   (int)getpid(), atomic_fetch_add(&number, 1));
    return 0;
}

static int copy_open(struct bench_pair *pair)
{
    pair->source = pair_memory_own(pair);
    return pair->source ? mach_open(pair) : ENOMEM;
}

static int mach_open_consumer(struct bench_pair *pair)
{
    int error = new_port(&pair->port);
    if (!error &&
        mach_port_insert_right(mach_task_self(), pair->port, pair->port, MACH_MSG_TYPE_MAKE_SEND))
        error = EIO;
    if (!error && bootstrap_register(bootstrap_port, pair->service, pair->port))
        error = EIO;
    return error;
}

static int mach_open_producer(struct bench_pair *pair)
{
    int error = new_port(&pair->reply);
    if (!error && bootstrap_look_up(bootstrap_port, pair->service, &pair->port))
        error = EIO;
    return error;
}

static int again_open_producer(struct bench_pair *pair)
{
    if (vm_allocate(mach_task_self(), &pair->region, pair->size, VM_FLAGS_ANYWHERE))
        return ENOMEM;
    return mach_open_producer(pair);
}

/* ---- the producer ---------------------------------------------------------------------------- */

static void address(const struct bench_pair *pair, mach_msg_header_t *header, size_t size)
{
    *header = (mach_msg_header_t){
        .msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MAKE_SEND_ONCE),
        .msgh_size = (mach_msg_size_t)size,
        .msgh_remote_port = pair->port,
        .msgh_local_port = pair->reply,
    };
}

/* Sends what is in the buffer and waits for the answer, in one call. */
static int request(struct bench_pair *pair, union received *buffer, uint64_t *ret_seen)
{
    kern_return_t code = mach_msg(&buffer->header, MACH_SEND_MSG | MACH_RCV_MSG | MACH_RCV_TIMEOUT,
                                  buffer->header.msgh_size, sizeof *buffer, pair->reply, WAIT,
                                  MACH_PORT_NULL);
    if (code)
        return EIO;
    *ret_seen = buffer->answer.message.seen;
    return buffer->header.msgh_size == sizeof(struct answer) ? 0 : ECHILD;
}

static int request_memory(struct bench_pair *pair, void *at, bool move, uint64_t *ret_seen)
{
    union received buffer;
    address(pair, &buffer.header, sizeof(struct large));
    buffer.header.msgh_bits |= MACH_MSGH_BITS_COMPLEX;
    buffer.large.message.body.msgh_descriptor_count = 1;
    buffer.large.message.memory = (mach_msg_ool_descriptor_t){
        .address = at,
        .size = (mach_msg_size_t)pair->size,
        .deallocate = move,
        .copy = MACH_MSG_VIRTUAL_COPY,
        .type = MACH_MSG_OOL_DESCRIPTOR,
    };
    return request(pair, &buffer, ret_seen);
}

static int copy_step(struct bench_pair *pair, unsigned char value, uint64_t *ret_seen)
{
    pair_fill(pair, pair->source, value);
    if (pair->size > INLINE_MOST)
        return request_memory(pair, pair->source, false, ret_seen);
    union received buffer;
    address(pair, &buffer.header,
            sizeof(mach_msg_header_t) + sizeof(uint32_t) + (pair->size + 3) / 4 * 4);
    buffer.small.message.size = (uint32_t)pair->size;
    memcpy(buffer.small.message.bytes, pair->source, pair->size);
    return request(pair, &buffer, ret_seen);
}

static int built_step(struct bench_pair *pair, unsigned char value, uint64_t *ret_seen)
{
    vm_address_t at = 0;
    if (machool_allocate(&at, pair->size, MACHOOL_UNCLEARED)) /* every byte is filled */
        return ENOMEM;
    pair_fill(pair, (void *)at, value);
    return request_memory(pair, (void *)at, true, ret_seen);
}

static int again_step(struct bench_pair *pair, unsigned char value, uint64_t *ret_seen)
{
    pair_fill(pair, (void *)pair->region, value);
    return request_memory(pair, (void *)pair->region, false, ret_seen);
}

/* ---- the consumer ---------------------------------------------------------------------------- */

static int mach_take(struct bench_pair *pair)
{
    union received buffer;
    if (mach_msg(&buffer.header, MACH_RCV_MSG, 0, sizeof buffer, pair->port, MACH_MSG_TIMEOUT_NONE,
                 MACH_PORT_NULL))
        return EIO;
    bool large = (buffer.header.msgh_bits & MACH_MSGH_BITS_COMPLEX) != 0;
    void *at = large ? buffer.large.message.memory.address : buffer.small.message.bytes;
    size_t size = large ? buffer.large.message.memory.size : buffer.small.message.size;
    if (size != pair->size)
        return EBADMSG;
    struct answer answer = {
        .header = {.msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_MOVE_SEND_ONCE, 0),
                   .msgh_size = sizeof answer,
                   .msgh_remote_port = buffer.header.msgh_remote_port},
        .seen = pair_read(pair, at),
    };
    if (large && vm_deallocate(mach_task_self(), (vm_address_t)at, size))
        return EIO; /* before answering: the producer finds the pages at hand again */
    if (mach_msg(&answer.header, MACH_SEND_MSG, sizeof answer, 0, MACH_PORT_NULL,
                 MACH_MSG_TIMEOUT_NONE, MACH_PORT_NULL))
        return EIO;
    return 0;
}

static void mach_close(struct bench_pair *pair)
{
    if (pair->region)
        (void)vm_deallocate(mach_task_self(), pair->region, pair->size);
    if (pair->reply)
        (void)mach_port_mod_refs(mach_task_self(), pair->reply, MACH_PORT_RIGHT_RECEIVE, -1);
    if (pair->port)
        (void)mach_port_deallocate(mach_task_self(), pair->port);
}

const struct way mach_copy = {
    copy_open, mach_open_consumer, mach_open_producer, copy_step, mach_take, mach_close, false};
const struct way mach_built = {
    mach_open, mach_open_consumer, mach_open_producer, built_step, mach_take, mach_close, false};
const struct way mach_again = {
    mach_open, mach_open_consumer, again_open_producer, again_step, mach_take, mach_close, false};
