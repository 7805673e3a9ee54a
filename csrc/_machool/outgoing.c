/* A message to be sent, laid out whole: header, descriptors, body.
 *
 * Out-of-line parts come first, then rights, then the body. Mach counts in words of 4 bytes: a body
 * of another length is padded with zeros, and how many is told in msgh_voucher_port, whose raw value
 * crosses unchanged (S94), so that a Python receiver sees the exact bytes and a C receiver what it
 * expects.
 *
 * Up to MANY rights have a descriptor each, as programs in C expect them. More travel as arrays,
 * one for each run of rights that go the same way. The receiver sees one sequence in both cases.
 *
 * The exports of all buffers are held until the message is gone. A Region that moves is sent like
 * any other memory, as a snapshot that costs nothing, and its pages are dropped once the send has
 * succeeded: a failed send leaves it untouched. A Port whose right moves has no name meanwhile, so
 * that no other thread can use or close what is on its way. */
#include "outgoing.h"

#include <stdlib.h>
#include <string.h>

#define MANY 127

mach_msg_header_t *outgoing_header(struct outgoing *out)
{
    return out->header;
}

/* Ends the move of a right: its owner has none, or has its name again, unless the failed send
 * consumed it (S31). */
static void right_let_go(struct right *right, bool sent)
{
    mach_port_type_t type;
    if (right->owner && !sent &&
        mach_port_type(mach_task_self(), right->name, &type) == KERN_SUCCESS)
        atomic_store(right->at, right->name);
    Py_CLEAR(right->owner);
}

void outgoing_let_go(struct outgoing *out, bool sent)
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
    for (Py_ssize_t i = 0; i < out->right_count; i++)
        right_let_go(&out->rights[i], sent);
    out->right_count = 0;
    right_let_go(&out->remote, sent);
    right_let_go(&out->local, sent);
}

void outgoing_free(struct outgoing *out)
{
    if (!out)
        return;
    outgoing_let_go(out, false);
    free(out->parts);
    free(out->rights);
    free(out->names);
    if (out->header != &out->small.header)
        free(out->header);
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

/* How a right travels: a send right is copied, a receive right makes a send right, a send-once right
 * cannot but move. `moves`: the right itself goes. */
static mach_msg_type_name_t disposition(mach_port_right_t right, bool moves)
{
    switch (right) {
    case MACH_PORT_RIGHT_RECEIVE:
        return moves ? MACH_MSG_TYPE_MOVE_RECEIVE : MACH_MSG_TYPE_MAKE_SEND;
    case MACH_PORT_RIGHT_SEND_ONCE:
        return MACH_MSG_TYPE_MOVE_SEND_ONCE;
    default:
        return moves ? MACH_MSG_TYPE_MOVE_SEND : MACH_MSG_TYPE_COPY_SEND;
    }
}

/* Takes or reads the name at `at`, which is the owner's. False if there is none. */
static bool take_right(struct right *right, PyObject *owner, _Atomic mach_port_name_t *at,
                       mach_port_right_t kind, bool moves)
{
    moves = moves || kind == MACH_PORT_RIGHT_SEND_ONCE;
    right->how = disposition(kind, moves);
    right->name = moves ? atomic_exchange(at, MACH_PORT_NULL) : atomic_load(at);
    right->owner = moves && right->name ? Py_NewRef(owner) : NULL;
    right->at = at;
    return right->name != MACH_PORT_NULL;
}

/* Takes what is needed of a Port, a Move or None. False with an exception. */
static bool add_right(struct state *state, struct right *right, PyObject *item)
{
    bool moves = Py_IS_TYPE(item, state->move_type);
    PyObject *object = moves ? ((Move *)item)->port : item;
    *right = (struct right){.how = MACH_MSG_TYPE_COPY_SEND};
    if (object == Py_None)
        return true;
    if (!Py_IS_TYPE(object, state->port_type)) {
        PyErr_Format(PyExc_TypeError, "a Port, a Move or None is required, not %R",
                     (PyObject *)Py_TYPE(item));
        return false;
    }
    Port *port = (Port *)object;
    if (take_right(right, object, &port->name, port->right, moves))
        return true;
    PyErr_SetString(PyExc_ValueError, "the port is closed");
    return false;
}

/* The end of the run of rights that go the same way as the one at `start`. */
static Py_ssize_t run_end(const struct outgoing *out, Py_ssize_t start)
{
    Py_ssize_t end = start + 1;
    while (out->names && end < out->right_count && out->rights[end].how == out->rights[start].how)
        end++;
    return end;
}

/* Descriptors that the rights take. */
static Py_ssize_t count_runs(const struct outgoing *out)
{
    Py_ssize_t count = 0;
    for (Py_ssize_t i = 0; i < out->right_count; i = run_end(out, i))
        count++;
    return count;
}

static char *put(char *at, const void *what, size_t size)
{
    memcpy(at, what, size);
    return at + size;
}

/* Writes the descriptors of all rights; returns where they end. */
static char *put_rights(const struct outgoing *out, char *at)
{
    for (Py_ssize_t i = 0, end; i < out->right_count; i = end) {
        end = run_end(out, i);
        mach_msg_ool_ports_descriptor_t array = {0};
        mach_msg_port_descriptor_t single = {0};
        if (out->names) {
            array.address = out->names + i;
            array.count = (mach_msg_size_t)(end - i);
            array.copy = MACH_MSG_PHYSICAL_COPY;
            array.disposition = out->rights[i].how & 0xff;
            array.type = MACH_MSG_OOL_PORTS_DESCRIPTOR;
            at = put(at, &array, sizeof array);
        } else {
            single.name = out->rights[i].name;
            single.disposition = out->rights[i].how & 0xff;
            single.type = MACH_MSG_PORT_DESCRIPTOR;
            at = put(at, &single, sizeof single);
        }
    }
    return at;
}

/* With room for so many parts and rights. False with MemoryError. */
static bool outgoing_init(struct outgoing *out, Py_ssize_t parts, Py_ssize_t rights)
{
    memset(out, 0, offsetof(struct outgoing, small));
    out->parts = parts ? calloc((size_t)parts, sizeof *out->parts) : NULL;
    out->rights = rights ? calloc((size_t)rights, sizeof *out->rights) : NULL;
    out->names = rights > MANY ? calloc((size_t)rights, sizeof *out->names) : NULL;
    if ((!parts || out->parts) && (!rights || out->rights) && (rights <= MANY || out->names))
        return true;
    PyErr_NoMemory();
    return false;
}

static bool add_rights(struct state *state, struct outgoing *out, PyObject *ports)
{
    Py_ssize_t count = PyTuple_Size(ports);
    for (Py_ssize_t i = 0; i < count; i++) {
        out->right_count++;
        if (!add_right(state, &out->rights[i], PyTuple_GetItem(ports, i)))
            return false;
        if (out->names)
            out->names[i] = out->rights[i].name;
    }
    return true;
}

/* Allocates the message itself, for so many descriptors and bytes. False with MemoryError. */
static bool add_header(struct outgoing *out, Py_ssize_t parts, Py_ssize_t runs, size_t padded)
{
    size_t size = sizeof(mach_msg_header_t) + padded;
    size_t one = out->names ? sizeof(mach_msg_ool_ports_descriptor_t)
                            : sizeof(mach_msg_port_descriptor_t);
    if (parts + runs)
        size += sizeof(mach_msg_body_t) + (size_t)parts * sizeof(mach_msg_ool_descriptor_t) +
                (size_t)runs * one;
    if (size <= sizeof out->small) {
        memset(&out->small, 0, size);
        out->header = &out->small.header;
    } else {
        out->header = calloc(1, size);
    }
    if (!out->header) {
        PyErr_NoMemory();
        return false;
    }
    out->size = (mach_msg_size_t)size;
    out->header->msgh_bits = parts + runs ? MACH_MSGH_BITS_COMPLEX : 0;
    out->header->msgh_size = out->size;
    return true;
}

/* Takes parts and rights and writes their descriptors. Where the body goes, or NULL with an
 * exception. */
static char *add_descriptors(struct state *state, struct outgoing *out, PyObject *ool,
                             PyObject *ports, size_t padded)
{
    Py_ssize_t parts = PyTuple_Size(ool);
    if (!add_rights(state, out, ports))
        return NULL;
    Py_ssize_t runs = count_runs(out);
    if (!add_header(out, parts, runs, padded))
        return NULL;
    char *at = (char *)(out->header + 1);
    if (parts + runs == 0)
        return at;
    const mach_msg_body_t body = {(mach_msg_size_t)(parts + runs)};
    at = put(at, &body, sizeof body);
    for (Py_ssize_t i = 0; i < parts; i++) {
        mach_msg_ool_descriptor_t descriptor;
        if (!add_part(state, out, PyTuple_GetItem(ool, i), &descriptor))
            return NULL;
        at = put(at, &descriptor, sizeof descriptor);
    }
    return put_rights(out, at);
}

static struct outgoing *lay_out(struct state *state, PyObject *ool, PyObject *ports,
                                const Py_buffer *body, struct outgoing *out)
{
    size_t length = body->obj ? (size_t)body->len : 0, padded = (length + 3) & ~(size_t)3;
    if (padded > 48u << 20) {
        PyErr_SetString(PyExc_ValueError, "a body holds at most 48 MiB: send larger data in ool=");
        return NULL;
    }
    char *at = outgoing_init(out, PyTuple_Size(ool), PyTuple_Size(ports))
                   ? add_descriptors(state, out, ool, ports, padded)
                   : NULL;
    if (!at) {
        outgoing_free(out);
        return NULL;
    }
    if (length)
        memcpy(at, body->buf, length);
    out->header->msgh_voucher_port = (mach_port_name_t)(padded - length);
    return out;
}

struct outgoing *outgoing_new(struct state *state, const struct contents *contents,
                              struct outgoing *room)
{
    mach_msg_id_t id;
    Py_buffer body = {.obj = NULL};
    struct outgoing *out = NULL;
    bool one_part = contents->ool && (Py_IS_TYPE(contents->ool, state->ool_type) ||
                                      PyObject_CheckBuffer(contents->ool));
    bool one_port = contents->ports && (Py_IS_TYPE(contents->ports, state->port_type) ||
                                        Py_IS_TYPE(contents->ports, state->move_type));
    if (!id_argument(contents->id, &id))
        return NULL;
    PyObject *ool = as_sequence(contents->ool, one_part);
    PyObject *ports = ool ? as_sequence(contents->ports, one_port) : NULL;
    if (ports && (!contents->body || get_buffer(contents->body, &body))) {
        out = lay_out(state, ool, ports, &body, room);
        if (body.obj)
            PyBuffer_Release(&body);
    }
    if (out)
        out->header->msgh_id = id;
    Py_XDECREF(ool);
    Py_XDECREF(ports);
    return out;
}

bool outgoing_address(struct outgoing *out, PyObject *owner, _Atomic mach_port_name_t *at,
                      mach_port_right_t kind)
{
    if (!take_right(&out->remote, owner, at, kind, false))
        return false;
    out->header->msgh_remote_port = out->remote.name;
    out->header->msgh_bits |= out->remote.how;
    return true;
}

bool outgoing_reply_to(struct state *state, struct outgoing *out, PyObject *port)
{
    struct right *local = &out->local;
    if (!add_right(state, local, port))
        return false;
    if (local->how == MACH_MSG_TYPE_MAKE_SEND)
        local->how = MACH_MSG_TYPE_MAKE_SEND_ONCE;
    if (local->how == MACH_MSG_TYPE_MOVE_RECEIVE) {
        PyErr_SetString(PyExc_ValueError, "a receive right is no place to reply to");
        return false;
    }
    out->header->msgh_local_port = local->name;
    out->header->msgh_bits |= MACH_MSGH_BITS(0, local->name ? local->how : 0);
    return true;
}
