/* Port: one right as an object, and what Server and Client share of it. */
#include "machool.h"

#include <errno.h>

void right_release(mach_port_name_t take_name, mach_port_right_t right)
{
    if (!MACH_PORT_VALID(take_name))
        return;
    if (right == MACH_PORT_RIGHT_RECEIVE)
        (void)mach_port_mod_refs(mach_task_self(), take_name, right, -1);
    else
        (void)mach_port_deallocate(mach_task_self(), take_name);
}

PyObject *port_adopt(struct state *state, mach_port_name_t take_name, mach_port_right_t right)
{
    allocfunc alloc = (allocfunc)PyType_GetSlot(state->port_type, Py_tp_alloc);
    Port *self = (Port *)alloc(state->port_type, 0);
    if (!self) {
        right_release(take_name, right);
        return NULL;
    }
    atomic_store(&self->name, take_name);
    self->right = right;
    return (PyObject *)self;
}

PyObject *receive_message(struct state *state, mach_port_name_t name, int64_t milliseconds,
                          bool readonly)
{
    struct incoming in;
    int r = incoming_receive(&in, name, milliseconds);
    if (r == MACH_MSG_SUCCESS)
        return message_new(state, &in, readonly);
    if (r == MACH_RCV_INVALID_NAME || r == MACH_RCV_PORT_CHANGED || r == MACH_RCV_PORT_DIED)
        PyErr_SetString(PyExc_ValueError, "the receive right is closed");
    else if (r != -1)
        raise_code(state, "mach_msg", r);
    return NULL;
}

PyObject *fileno_of(mach_port_name_t name)
{
    int fd = machool_port_fd(name);
    return fd < 0 ? PyErr_SetFromErrno(PyExc_OSError) : PyLong_FromLong(fd);
}

/* The name, or 0 with ValueError. */
static mach_port_name_t open_name(PyObject *object)
{
    mach_port_name_t name = atomic_load(&((Port *)object)->name);
    if (name == MACH_PORT_NULL)
        PyErr_SetString(PyExc_ValueError, "the port is closed");
    return name;
}

static PyObject *port_close(PyObject *object, PyObject *Py_UNUSED(ignored))
{
    Port *self = (Port *)object;
    right_release(atomic_exchange(&self->name, MACH_PORT_NULL), self->right);
    Py_RETURN_NONE;
}

static void port_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    Port *self = (Port *)object;
    PyObject_GC_UnTrack(object);
    if (self->weakrefs)
        PyObject_ClearWeakRefs(object);
    right_release(atomic_load(&self->name), self->right);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(object);
    Py_DECREF(type);
}

static int port_traverse(PyObject *object, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(object));
    return 0;
}

static PyObject *port_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static const char *names[] = {NULL};
    mach_port_name_t name;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, ":Port", (char **)(uintptr_t)names))
        return NULL;
    struct state *state = state_of(type);
    if (!state)
        return NULL;
    kern_return_t kr = mach_port_allocate(mach_task_self(), MACH_PORT_RIGHT_RECEIVE, &name);
    if (kr != KERN_SUCCESS)
        return raise_code(state, "mach_port_allocate", kr);
    return port_adopt(state, name, MACH_PORT_RIGHT_RECEIVE);
}

/* A further right made from this one's receive right, or a copy of a send right. */
static PyObject *port_make_send(PyObject *object, PyTypeObject *defining,
                                PyObject *const *Py_UNUSED(args), Py_ssize_t nargs,
                                PyObject *kwnames)
{
    Port *self = (Port *)object;
    struct state *state = PyType_GetModuleState(defining);
    mach_port_name_t name = open_name(object);
    if (nargs || (kwnames && PyTuple_Size(kwnames))) {
        PyErr_SetString(PyExc_TypeError, "make_send() takes no arguments");
        return NULL;
    }
    if (!name)
        return NULL;
    mach_msg_type_name_t how = self->right == MACH_PORT_RIGHT_RECEIVE ? MACH_MSG_TYPE_MAKE_SEND
                                                                      : MACH_MSG_TYPE_COPY_SEND;
    kern_return_t kr = mach_port_insert_right(mach_task_self(), name, name, how);
    if (kr != KERN_SUCCESS)
        return raise_code(state, "mach_port_insert_right", kr);
    return port_adopt(state, name, MACH_PORT_RIGHT_SEND);
}

static PyObject *port_send(PyObject *object, PyTypeObject *defining, PyObject *const *args,
                           Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"body", "ool", "ports", "id", "timeout", "reply"};
    PyObject *values[6];
    int64_t milliseconds;
    Port *self = (Port *)object;
    struct state *state = PyType_GetModuleState(defining);
    if (!arguments("send", names, 6, 1, args, nargs, kwnames, values) ||
        !timeout_argument(values[4], &milliseconds))
        return NULL;
    if (values[5] && values[5] != Py_None &&
        (!Py_IS_TYPE(values[5], state->port_type) ||
         ((Port *)values[5])->right != MACH_PORT_RIGHT_RECEIVE)) {
        PyErr_SetString(PyExc_TypeError, "reply must be a Port with a receive right");
        return NULL;
    }
    const struct contents contents = {
        .body = values[0], .ool = values[1], .ports = values[2], .id = values[3]};
    struct outgoing *out = open_name(object) ? outgoing_new(state, &contents) : NULL;
    if (!out)
        return NULL;
    bool once = self->right == MACH_PORT_RIGHT_SEND_ONCE;
    mach_msg_header_t *header = outgoing_header(out);
    mach_port_name_t back = MACH_PORT_NULL;
    header->msgh_remote_port = once ? atomic_exchange(&self->name, MACH_PORT_NULL)
                                    : atomic_load(&self->name);
    header->msgh_bits |= once ? MACH_MSG_TYPE_MOVE_SEND_ONCE
                         : self->right == MACH_PORT_RIGHT_RECEIVE
                             ? (mach_msg_bits_t)MACH_MSG_TYPE_MAKE_SEND
                             : (mach_msg_bits_t)MACH_MSG_TYPE_COPY_SEND;
    if (values[5] && values[5] != Py_None) {
        header->msgh_local_port = atomic_load(&((Port *)values[5])->name);
        header->msgh_bits |= MACH_MSGH_BITS(0, MACH_MSG_TYPE_MAKE_SEND_ONCE);
    }
    bool sent = outgoing_send(state, out, milliseconds, once ? &back : NULL);
    if (!sent && once)
        atomic_store(&self->name, back);
    outgoing_free(out);
    if (!sent)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *port_receive(PyObject *object, PyTypeObject *defining, PyObject *const *args,
                              Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"timeout", "readonly"};
    PyObject *values[2];
    int64_t milliseconds;
    mach_port_name_t name = open_name(object);
    if (!name || !arguments("receive", names, 2, 1, args, nargs, kwnames, values) ||
        !timeout_argument(values[0], &milliseconds))
        return NULL;
    int readonly = values[1] ? PyObject_IsTrue(values[1]) : 0;
    if (readonly < 0)
        return NULL;
    return receive_message(PyType_GetModuleState(defining), name, milliseconds, readonly);
}

static PyObject *port_fileno(PyObject *object, PyObject *Py_UNUSED(ignored))
{
    mach_port_name_t name = open_name(object);
    return name ? fileno_of(name) : NULL;
}

static PyObject *port_enter(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    return Py_NewRef(self);
}

static PyObject *port_exit(PyObject *self, PyObject *Py_UNUSED(args))
{
    return port_close(self, NULL);
}

static PyObject *port_get_name(PyObject *object, void *Py_UNUSED(closure))
{
    return PyLong_FromUnsignedLong(atomic_load(&((Port *)object)->name));
}

static PyObject *port_get_right(PyObject *object, void *Py_UNUSED(closure))
{
    static const char *const words[] = {"send", "receive", "send-once", "port-set", "dead-name"};
    return PyUnicode_FromString(words[((Port *)object)->right]);
}

static PyObject *port_get_dead(PyObject *object, void *Py_UNUSED(closure))
{
    Port *self = (Port *)object;
    mach_port_name_t name = atomic_load(&self->name);
    mach_port_type_t type = 0;
    if (self->right == MACH_PORT_RIGHT_DEAD_NAME || name == MACH_PORT_DEAD)
        Py_RETURN_TRUE;
    if (name)
        (void)mach_port_type(mach_task_self(), name, &type);
    return PyBool_FromLong((type & MACH_PORT_TYPE_DEAD_NAME) != 0);
}

static PyObject *port_repr(PyObject *object)
{
    static const char *const words[] = {"send", "receive", "send-once", "port-set", "dead-name"};
    Port *self = (Port *)object;
    return PyUnicode_FromFormat("<machool.Port 0x%x, %s right>", (int)atomic_load(&self->name),
                                words[self->right]);
}

#define FASTCALL (METH_METHOD | METH_FASTCALL | METH_KEYWORDS)
#define METHOD(f) ((PyCFunction)(void (*)(void))(f))

static PyMethodDef port_methods[] = {
    {"make_send", METHOD(port_make_send), FASTCALL,
     "make_send($self, /)\n--\n\nA Port with a further send right to the same port."},
    {"send", METHOD(port_send), FASTCALL,
     "send($self, /, body=b'', *, ool=(), ports=(), id=0, timeout=None, reply=None)\n--\n\n"
     "Sends one message; waits while the queue is full. `reply` is a Port with a receive right,\n"
     "to which the receiver gets a send-once right. Raises PeerDied, TimedOut, InvalidMemory."},
    {"receive", METHOD(port_receive), FASTCALL,
     "receive($self, /, timeout=None, *, readonly=False)\n--\n\n"
     "The next message. Raises TimedOut, and ValueError if this is no receive right."},
    {"fileno", port_fileno, METH_NOARGS,
     "fileno($self, /)\n--\n\nA descriptor that polls readable while a message may be waiting."},
    {"close", port_close, METH_NOARGS,
     "close($self, /)\n--\n\nGives the right back. May be called again."},
    {"__enter__", port_enter, METH_NOARGS, "__enter__($self, /)\n--\n\nThe port itself."},
    {"__exit__", port_exit, METH_VARARGS, "__exit__($self, /, *args)\n--\n\nclose()."},
    {NULL, NULL, 0, NULL}};

static PyGetSetDef port_getset[] = {
    {"name", port_get_name, NULL, "The Mach name in this task; 0 once closed.", NULL},
    {"right", port_get_right, NULL, "'receive', 'send', 'send-once' or 'dead-name'.", NULL},
    {"dead", port_get_dead, NULL, "Whether the port behind the right has died.", NULL},
    {NULL, NULL, NULL, NULL, NULL}};

static PyMemberDef port_members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(Port, weakrefs), READONLY, NULL},
    {NULL, 0, 0, 0, NULL}};

static PyType_Slot port_slots[] = {
    {Py_tp_doc, "Port()\n--\n\n"
                "One right to a Mach port. Port() makes a new port and holds its receive right;\n"
                "rights in messages arrive as Port too. Can be sent in `ports=`: a send right is\n"
                "copied, a receive right makes a send right, a send-once right moves."},
    {Py_tp_new, port_new},
    {Py_tp_dealloc, port_dealloc},
    {Py_tp_traverse, port_traverse},
    {Py_tp_repr, port_repr},
    {Py_tp_methods, port_methods},
    {Py_tp_getset, port_getset},
    {Py_tp_members, port_members},
    {0, NULL}};

PyType_Spec port_spec = {
    .name = "machool._machool.Port",
    .basicsize = sizeof(Port),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = port_slots,
};
