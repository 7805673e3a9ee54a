/* Sending: mach_msg, and what a failed send hands back. */
#include "outgoing.h"

#include <string.h>

/* Memory that a failed send handed back (S126) is released, and the descriptors name the memory to
 * be sent again. Never left to mach_msg_destroy: it leaks what came back as a physical copy (S63). */
static void restore_parts(struct outgoing *out)
{
    char *at = (char *)(out->header + 1) + sizeof(mach_msg_body_t);
    for (Py_ssize_t i = 0; i < out->part_count; i++) {
        const struct part *part = &out->parts[i];
        mach_msg_ool_descriptor_t descriptor;
        memcpy(&descriptor, at, sizeof descriptor);
        if (descriptor.size)
            (void)vm_deallocate(mach_task_self(), (vm_address_t)descriptor.address,
                                descriptor.size);
        descriptor.address = part->region ? (void *)part->region->address : part->view.buf;
        descriptor.size = (mach_msg_size_t)(part->region ? part->region->size : part->view.len);
        descriptor.deallocate = false;
        memcpy(at, &descriptor, sizeof descriptor);
        at += sizeof descriptor;
    }
}

/* A right that a failed send handed back, possibly under a new name: its owner's again. */
static void take_back(struct right *right, mach_port_name_t *take_name)
{
    if (!right->owner)
        return;
    right->name = *take_name;
    *take_name = MACH_PORT_NULL;
}

static void take_back_rights(struct outgoing *out)
{
    char *at = (char *)(out->header + 1) + sizeof(mach_msg_body_t) +
               (size_t)out->part_count * sizeof(mach_msg_ool_descriptor_t);
    for (Py_ssize_t i = 0; i < out->right_count;) {
        if (out->names) {
            mach_msg_ool_ports_descriptor_t array;
            memcpy(&array, at, sizeof array);
            for (mach_msg_size_t j = 0; j < array.count && i < out->right_count; j++)
                take_back(&out->rights[i++], (mach_port_name_t *)array.address + j);
            at += sizeof array;
        } else {
            mach_msg_port_descriptor_t single;
            memcpy(&single, at, sizeof single);
            take_back(&out->rights[i++], &single.name);
            memcpy(at, &single, sizeof single);
            at += sizeof single;
        }
    }
}

/* What a failed send handed back returns to those whose rights moved, and is released else. The
 * memory is the caller's own (restore_parts). */
static void release_pseudo(struct outgoing *out)
{
    mach_msg_header_t *header = out->header;
    if (out->right_count)
        take_back_rights(out);
    take_back(&out->remote, &header->msgh_remote_port);
    take_back(&out->local, &header->msgh_local_port);
    if (MACH_PORT_VALID(header->msgh_local_port))
        (void)mach_port_deallocate(mach_task_self(), header->msgh_local_port);
    mach_msg_destroy(header);
}

static bool handed_back(mach_msg_return_t mr)
{
    return mr == MACH_SEND_TIMED_OUT || mr == MACH_SEND_INTERRUPTED || mr == MACH_SEND_NO_BUFFER;
}

/* Regions that move may leave with the message, instead of being copied. */
static void give_parts(const struct outgoing *out)
{
    for (Py_ssize_t i = 0; i < out->part_count; i++) {
        const Region *region = out->parts[i].region;
        if (region && region->size)
            (void)machool_give(region->address, (vm_size_t)region->size);
    }
}

/* One attempt, of at most so many milliseconds (-1: for ever), with the GIL released. */
static mach_msg_return_t send_once(struct outgoing *out, int64_t sleep)
{
    mach_msg_option_t option = MACH_SEND_MSG | MACH_SEND_INTERRUPT;
    mach_msg_return_t mr;
    if (sleep >= 0)
        option |= MACH_SEND_TIMEOUT;
    Py_BEGIN_ALLOW_THREADS
    give_parts(out);
    mr = mach_msg(out->header, option, out->size, 0, MACH_PORT_NULL,
                  sleep > 0 ? (mach_msg_timeout_t)sleep : 0, MACH_PORT_NULL);
    if (handed_back(mr))
        restore_parts(out);
    Py_END_ALLOW_THREADS
    return mr;
}

/* An attempt that never waits, of a message that is sent sooner than the GIL has changed hands, and
 * gives it to nobody who computes: what follows a send is not put off by his turn. */
static mach_msg_return_t send_at_once(struct outgoing *out)
{
    const mach_msg_option_t option = MACH_SEND_MSG | MACH_SEND_INTERRUPT | MACH_SEND_TIMEOUT;
    return mach_msg(out->header, option, out->size, 0, MACH_PORT_NULL, 0, MACH_PORT_NULL);
}

static bool is_small(const struct outgoing *out)
{
    return out->header == &out->small.header && !out->part_count && !out->right_count;
}

/* A code that says that the message was sent. */
static bool is_of_receive(mach_msg_return_t mr)
{
    const mach_msg_return_t kind = MACH_RCV_IN_PROGRESS & ~MACH_SEND_IN_PROGRESS; /* the bit */
    return mr == MACH_MSG_SUCCESS || (mr & kind) != 0;
}

struct exchange { /* a request, and what the first attempt to receive the answer came to */
    mach_port_name_t reply;
    struct incoming *in;
    mach_msg_return_t result;
};

/* The same, and an attempt to receive. */
static mach_msg_return_t exchange_once(struct outgoing *out, struct exchange *with, int64_t sleep)
{
    mach_msg_option_t option = MACH_SEND_MSG | MACH_SEND_INTERRUPT | INCOMING_OPTION;
    mach_msg_return_t mr;
    if (sleep >= 0)
        option |= MACH_SEND_TIMEOUT | MACH_RCV_TIMEOUT;
    Py_BEGIN_ALLOW_THREADS
    mr = mach_msg_overwrite(out->header, option, out->size, with->in->size, with->reply,
                            sleep > 0 ? (mach_msg_timeout_t)sleep : 0, MACH_PORT_NULL,
                            with->in->message, 0);
    if (handed_back(mr))
        restore_parts(out);
    Py_END_ALLOW_THREADS
    with->result = mr;
    return is_of_receive(mr) ? MACH_MSG_SUCCESS : mr;
}

/* Sends until it has gone, the deadline, or an error other than a signal's. -1 with an exception of
 * a signal handler's. *ret_holds: an attempt handed the rights back, so they are in the message. */
static int send_until(struct outgoing *out, int64_t deadline, struct exchange *with,
                      bool *ret_holds)
{
    bool first = true;
    for (;;) {
        int64_t left = milliseconds_left(deadline), sleep = next_sleep(left, first);
        mach_msg_return_t mr = with ? exchange_once(out, with, sleep) : send_once(out, sleep);
        *ret_holds |= handed_back(mr);
        if (mr != MACH_SEND_INTERRUPTED && (mr != MACH_SEND_TIMED_OUT || sleep == left))
            return mr;
        first = mr == MACH_SEND_INTERRUPTED; /* a handler may run now: that is work */
        if (PyErr_CheckSignals() < 0)
            return -1;
    }
}

/* The deadline of `milliseconds` in *ret_deadline: it is looked for once a small message is under way. */
static bool send(struct state *state, struct outgoing *out, int64_t milliseconds,
                 struct exchange *with, int64_t *ret_deadline)
{
    int r = MACH_SEND_TIMED_OUT;
    bool holds = false;
    if (is_small(out)) {
        r = send_at_once(out);
        holds = handed_back(r);
    }
    *ret_deadline = deadline_after(milliseconds);
    if (r == MACH_SEND_TIMED_OUT || r == MACH_SEND_INTERRUPTED)
        r = send_until(out, *ret_deadline, with, &holds);
    if (r == MACH_MSG_SUCCESS) {
        outgoing_let_go(out, true);
        return true;
    }
    if (r == -1 || handed_back(r) || (holds && r == MACH_SEND_INVALID_DEST))
        release_pseudo(out);
    if (r != -1)
        raise_code(state, "mach_msg", r);
    return false;
}

bool outgoing_send(struct state *state, struct outgoing *out, int64_t milliseconds)
{
    int64_t deadline;
    return send(state, out, milliseconds, NULL, &deadline);
}

bool outgoing_request(struct state *state, struct outgoing *out, int64_t milliseconds,
                      mach_port_name_t reply, struct incoming *in, int64_t *ret_deadline,
                      mach_msg_return_t *ret_result)
{
    struct exchange with = {.reply = reply, .in = in, .result = MACH_RCV_INTERRUPTED};
    bool holds = out->part_count || out->right_count; /* to be let go before any waiting */
    incoming_init(in);
    if (!send(state, out, milliseconds, holds ? NULL : &with, ret_deadline))
        return false;
    *ret_result = with.result;
    return true;
}
