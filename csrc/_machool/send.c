/* Sending: Python objects -> a Mach message -> mach_msg.
 *
 * A message is laid out whole before anything is sent: header, descriptors (out-of-line parts,
 * then rights), body. Mach counts in words of 4 bytes: a body of another length is padded with
 * zeros, and how many is told in msgh_voucher_port, whose raw value crosses unchanged (S94), so
 * that a Python receiver sees the exact bytes and a C receiver what it expects.
 *
 * The exports of all buffers are held until the message is gone. A Region that moves is sent like
 * any other memory, as a snapshot that costs nothing, and its pages are dropped once the send has
 * succeeded: a failed send leaves it untouched. */
#include "machool.h"

#include <stdlib.h>
#include <string.h>

struct part {       /* one out-of-line descriptor */
    Py_buffer view; /* held; view.obj NULL if none */
    Region *region; /* moving: a reference, begun */
};

struct outgoing {
    mach_msg_header_t *header;
    mach_msg_size_t size;
    struct part *parts;
    Py_ssize_t part_count;
    Port **ports; /* one reference each; NULL where a send-once right does not move */
    Py_ssize_t port_count;
};

mach_msg_header_t *outgoing_header(struct outgoing *out)
{
    return out->header;
}

/* Ends moves and exports. */
static void let_go(struct outgoing *out, bool sent)
{
    for (Py_ssize_t i = 0; i < out->part_count; i++) {
        struct part *part = &out->parts[i];
        if (part->region) {
            region_move_end(part->region, sent);
            Py_CLEAR(part->region);
        }
        if (part->view.obj)
            PyBuffer_Release(&part->view);
    }
    out->part_count = 0;
    for (Py_ssize_t i = 0; i < out->port_count; i++) {
        if (sent && out->ports[i])
            atomic_store(&out->ports[i]->name, MACH_PORT_NULL);
        Py_CLEAR(out->ports[i]);
    }
    out->port_count = 0;
}

void outgoing_free(struct outgoing *take_out)
{
    if (!take_out)
        return;
    let_go(take_out, false);
    free(take_out->parts);
    free(take_out->ports);
    free(take_out->header);
    free(take_out);
}

/* A sequence of what was given: a single item stands for itself. New reference. */
static PyObject *as_sequence(PyObject *value, bool single)
{
    if (!value || value == Py_None)
        return PyTuple_New(0);
    if (single)
        return PyTuple_Pack(1, value);
    return PySequence_Tuple(value);
}

/* The bytes of a C-contiguous buffer. Asked for with strides, since for one that has gaps some
 * exporters would raise ValueError where BufferError is due. */
static bool get_buffer(PyObject *object, Py_buffer *ret_view)
{
    if (PyObject_GetBuffer(object, ret_view, PyBUF_STRIDED_RO) < 0) {
        ret_view->obj = NULL;
        return false;
    }
    if (PyBuffer_IsContiguous(ret_view, 'C'))
        return true;
    PyBuffer_Release(ret_view);
    ret_view->obj = NULL;
    PyErr_SetString(PyExc_BufferError, "the buffer is not C-contiguous");
    return false;
}

/* Fills one part and its descriptor from an OOL or a bare buffer. */
static bool add_part(struct state *state, struct outgoing *out, PyObject *item,
                     mach_msg_ool_descriptor_t *descriptor)
{
    struct part *part = &out->parts[out->part_count];
    Ool *ool = Py_IS_TYPE(item, state->ool_type) ? (Ool *)item : NULL;
    PyObject *buffer = ool ? ool->buffer : item;
    void *data;
    Py_ssize_t size;
    if (ool && ool->deallocate) {
        Region *region = (Region *)buffer;
        if (!region_move_begin(region))
            return false;
        part->region = (Region *)Py_NewRef(buffer);
        data = (void *)region->address;
        size = region->size;
    } else {
        if (!get_buffer(buffer, &part->view))
            return false;
        data = part->view.buf;
        size = part->view.len;
    }
    out->part_count++;
    if ((uint64_t)size > UINT32_MAX) {
        PyErr_SetString(PyExc_ValueError, "an out-of-line part holds at most 4 GiB - 1 bytes: "
                                          "send larger memory as several parts");
        return false;
    }
    memset(descriptor, 0, sizeof *descriptor);
    descriptor->address = data;
    descriptor->size = (mach_msg_size_t)size;
    descriptor->copy = (unsigned)(ool ? ool->copy : MACH_MSG_VIRTUAL_COPY) & 0xff;
    descriptor->type = MACH_MSG_OOL_DESCRIPTOR;
    return true;
}

/* Fills the descriptor of a right: send rights are copied, receive rights make a send right. */
static bool add_port(struct state *state, struct outgoing *out, PyObject *item,
                     mach_msg_port_descriptor_t *descriptor)
{
    out->ports[out->port_count++] = NULL;
    memset(descriptor, 0, sizeof *descriptor);
    descriptor->type = MACH_MSG_PORT_DESCRIPTOR;
    descriptor->disposition = MACH_MSG_TYPE_COPY_SEND;
    if (item == Py_None)
        return true;
    if (!Py_IS_TYPE(item, state->port_type)) {
        PyErr_Format(PyExc_TypeError, "ports must be Port objects or None, not %R",
                     (PyObject *)Py_TYPE(item));
        return false;
    }
    Port *port = (Port *)item;
    descriptor->name = atomic_load(&port->name);
    if (!descriptor->name) {
        PyErr_SetString(PyExc_ValueError, "the port is closed");
        return false;
    }
    if (port->right == MACH_PORT_RIGHT_RECEIVE)
        descriptor->disposition = MACH_MSG_TYPE_MAKE_SEND;
    else if (port->right == MACH_PORT_RIGHT_SEND_ONCE) {
        descriptor->disposition = MACH_MSG_TYPE_MOVE_SEND_ONCE;
        out->ports[out->port_count - 1] = (Port *)Py_NewRef(item);
    }
    return true;
}

/* Allocates for so many parts, rights and bytes. */
static struct outgoing *outgoing_alloc(Py_ssize_t parts, Py_ssize_t ports, size_t padded)
{
    size_t size = sizeof(mach_msg_header_t) + padded;
    if (parts + ports)
        size += sizeof(mach_msg_body_t) + (size_t)parts * sizeof(mach_msg_ool_descriptor_t) +
                (size_t)ports * sizeof(mach_msg_port_descriptor_t);
    struct outgoing *out = calloc(1, sizeof *out);
    if (out) {
        out->parts = calloc((size_t)parts + 1, sizeof *out->parts);
        out->ports = calloc((size_t)ports + 1, sizeof *out->ports);
        out->header = calloc(1, size);
        out->size = (mach_msg_size_t)size;
    }
    if (!out || !out->parts || !out->ports || !out->header) {
        outgoing_free(out);
        PyErr_NoMemory();
        return NULL;
    }
    if (parts + ports)
        out->header->msgh_bits = MACH_MSGH_BITS_COMPLEX;
    out->header->msgh_size = out->size;
    return out;
}

/* Writes descriptors; returns where the body goes, or NULL with an exception. */
static char *add_descriptors(struct state *state, struct outgoing *out, PyObject *ool,
                             PyObject *ports)
{
    char *at = (char *)(out->header + 1);
    Py_ssize_t part_count = PyTuple_Size(ool), port_count = PyTuple_Size(ports);
    if (part_count + port_count == 0)
        return at;
    const mach_msg_body_t body = {(mach_msg_size_t)(part_count + port_count)};
    memcpy(at, &body, sizeof body);
    at += sizeof body;
    for (Py_ssize_t i = 0; i < part_count; i++) {
        mach_msg_ool_descriptor_t descriptor;
        if (!add_part(state, out, PyTuple_GetItem(ool, i), &descriptor))
            return NULL;
        memcpy(at, &descriptor, sizeof descriptor);
        at += sizeof descriptor;
    }
    for (Py_ssize_t i = 0; i < port_count; i++) {
        mach_msg_port_descriptor_t descriptor;
        if (!add_port(state, out, PyTuple_GetItem(ports, i), &descriptor))
            return NULL;
        memcpy(at, &descriptor, sizeof descriptor);
        at += sizeof descriptor;
    }
    return at;
}

static struct outgoing *lay_out(struct state *state, PyObject *ool, PyObject *ports,
                                const Py_buffer *body)
{
    size_t length = body->obj ? (size_t)body->len : 0, padded = (length + 3) & ~(size_t)3;
    if (padded > 48u << 20) {
        PyErr_SetString(PyExc_ValueError, "a body holds at most 48 MiB: send larger data in ool=");
        return NULL;
    }
    struct outgoing *out = outgoing_alloc(PyTuple_Size(ool), PyTuple_Size(ports), padded);
    char *at = out ? add_descriptors(state, out, ool, ports) : NULL;
    if (!at) {
        outgoing_free(out);
        return NULL;
    }
    if (length)
        memcpy(at, body->buf, length);
    out->header->msgh_voucher_port = (mach_port_name_t)(padded - length);
    return out;
}

struct outgoing *outgoing_new(struct state *state, const struct contents *contents)
{
    mach_msg_id_t id;
    Py_buffer body = {.obj = NULL};
    struct outgoing *out = NULL;
    bool one_part = contents->ool && (Py_IS_TYPE(contents->ool, state->ool_type) ||
                                      PyObject_CheckBuffer(contents->ool));
    bool one_port = contents->ports && Py_IS_TYPE(contents->ports, state->port_type);
    if (!id_argument(contents->id, &id))
        return NULL;
    PyObject *ool = as_sequence(contents->ool, one_part);
    PyObject *ports = ool ? as_sequence(contents->ports, one_port) : NULL;
    if (ports && (!contents->body || get_buffer(contents->body, &body))) {
        out = lay_out(state, ool, ports, &body);
        if (body.obj)
            PyBuffer_Release(&body);
    }
    if (out)
        out->header->msgh_id = id;
    Py_XDECREF(ool);
    Py_XDECREF(ports);
    return out;
}

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

/* What a failed send handed back is released: all rights, and the reply right. The memory is the
 * caller's own (restore_parts). */
static void release_pseudo(struct outgoing *out, mach_port_name_t *keep_remote)
{
    mach_msg_header_t *header = out->header;
    if (header->msgh_bits & MACH_MSGH_BITS_COMPLEX) {
        char *at = (char *)(header + 1) + sizeof(mach_msg_body_t) +
                   (size_t)out->part_count * sizeof(mach_msg_ool_descriptor_t);
        for (Py_ssize_t i = 0; i < out->port_count; i++) { /* ours again, under a new name */
            mach_msg_port_descriptor_t descriptor;
            memcpy(&descriptor, at, sizeof descriptor);
            if (out->ports[i]) {
                atomic_store(&out->ports[i]->name, descriptor.name);
                descriptor.name = MACH_PORT_NULL;
                memcpy(at, &descriptor, sizeof descriptor);
            }
            at += sizeof descriptor;
        }
    }
    if (keep_remote) {
        *keep_remote = header->msgh_remote_port;
        header->msgh_remote_port = MACH_PORT_NULL;
    }
    if (MACH_PORT_VALID(header->msgh_local_port))
        (void)mach_port_deallocate(mach_task_self(), header->msgh_local_port);
    mach_msg_destroy(header);
}

static bool handed_back(mach_msg_return_t mr)
{
    return mr == MACH_SEND_TIMED_OUT || mr == MACH_SEND_INTERRUPTED || mr == MACH_SEND_NO_BUFFER;
}

/* One attempt, of at most so many milliseconds (-1: for ever), with the GIL released. */
static mach_msg_return_t send_once(struct outgoing *out, int64_t sleep)
{
    mach_msg_option_t option = MACH_SEND_MSG | MACH_SEND_INTERRUPT;
    mach_msg_return_t mr;
    if (sleep >= 0)
        option |= MACH_SEND_TIMEOUT;
    Py_BEGIN_ALLOW_THREADS
    mr = mach_msg(out->header, option, out->size, 0, MACH_PORT_NULL,
                  sleep > 0 ? (mach_msg_timeout_t)sleep : 0, MACH_PORT_NULL);
    if (handed_back(mr))
        restore_parts(out);
    Py_END_ALLOW_THREADS
    return mr;
}

bool outgoing_send(struct state *state, struct outgoing *out, int64_t milliseconds,
                   mach_port_name_t *keep_remote)
{
    int64_t deadline = deadline_after(milliseconds);
    bool first = true, again = true;
    mach_msg_return_t mr = MACH_MSG_SUCCESS;
    while (again) {
        int64_t left = milliseconds_left(deadline), sleep = next_sleep(left, first);
        mr = send_once(out, sleep);
        again = mr == MACH_SEND_INTERRUPTED || (mr == MACH_SEND_TIMED_OUT && sleep != left);
        first = mr == MACH_SEND_INTERRUPTED; /* a handler may run now: that is work */
        if (again && PyErr_CheckSignals() < 0) {
            release_pseudo(out, keep_remote);
            return false;
        }
    }
    if (mr == MACH_MSG_SUCCESS) {
        let_go(out, true);
        return true;
    }
    if (handed_back(mr))
        release_pseudo(out, keep_remote);
    raise_code(state, "mach_msg", mr);
    return false;
}
