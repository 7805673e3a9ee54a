/* Port: one right as an object, and what Server and Client share of it. */
#include "outgoing.h"

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

PyObject *receive_failed(struct state *state, int result, const char *closed)
{
    if (result == MACH_RCV_INVALID_NAME || result == MACH_RCV_PORT_CHANGED ||
        result == MACH_RCV_PORT_DIED)
        PyErr_SetString(PyExc_ValueError, closed);
    else if (result != -1)
        raise_code(state, "mach_msg", result);
    return NULL;
}

PyObject *fileno_of(mach_port_name_t name)
{
    int fd = machool_port_fd(name);
    return fd < 0 ? PyErr_SetFromErrno(PyExc_OSError) : PyLong_FromLong(fd);
}

mach_port_name_t port_name(PyObject *object)
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

/* A new right of that kind. NULL with an exception. */
static PyObject *allocate(struct state *state, mach_port_right_t right)
{
    mach_port_name_t name;
    kern_return_t kr = mach_port_allocate(mach_task_self(), right, &name);
    if (kr != KERN_SUCCESS)
        return raise_code(state, "mach_port_allocate", kr);
    return port_adopt(state, name, right);
}

static PyObject *port_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static const char *names[] = {"queue_limit", NULL};
    PyObject *limit = Py_None;
    struct state *state = state_of(type);
    if (!state ||
        !PyArg_ParseTupleAndKeywords(args, kwargs, "|$O:Port", (char **)(uintptr_t)names, &limit))
        return NULL;
    PyObject *self = allocate(state, MACH_PORT_RIGHT_RECEIVE);
    if (self && limit != Py_None && !port_limit(state, port_name(self), limit))
        Py_CLEAR(self);
    return self;
}

static PyObject *port_allocate(PyObject *type, PyObject *args)
{
    unsigned long right = MACH_PORT_RIGHT_RECEIVE;
    struct state *state = state_of((PyTypeObject *)type);
    if (!state || !PyArg_ParseTuple(args, "|k:allocate", &right))
        return NULL;
    if (right != MACH_PORT_RIGHT_RECEIVE && right != MACH_PORT_RIGHT_DEAD_NAME) {
        PyErr_SetString(PyExc_ValueError, "only receive rights and dead names can be allocated; "
                                          "PortSet() makes a port set");
        return NULL;
    }
    return allocate(state, (mach_port_right_t)right);
}

/* A send right made of this one's receive right. */
static PyObject *port_make_send(PyObject *object, PyObject *Py_UNUSED(ignored))
{
    struct state *state = state_of(Py_TYPE(object));
    mach_port_name_t name = state ? port_name(object) : MACH_PORT_NULL;
    if (!name)
        return NULL;
    kern_return_t kr = KERN_INVALID_RIGHT; /* another Port may hold a receive right of the name */
    if (((Port *)object)->right == MACH_PORT_RIGHT_RECEIVE)
        kr = mach_port_insert_right(mach_task_self(), name, name, MACH_MSG_TYPE_MAKE_SEND);
    if (kr != KERN_SUCCESS)
        return raise_code(state, "mach_port_insert_right", kr);
    return port_adopt(state, name, MACH_PORT_RIGHT_SEND);
}

static PyObject *port_make_send_once(PyObject *object, PyObject *Py_UNUSED(ignored))
{
    struct state *state = state_of(Py_TYPE(object));
    mach_port_name_t name = state ? port_name(object) : MACH_PORT_NULL;
    mach_port_t made;
    mach_msg_type_name_t kind;
    if (!name)
        return NULL;
    kern_return_t kr = KERN_INVALID_RIGHT;
    if (((Port *)object)->right == MACH_PORT_RIGHT_RECEIVE)
        kr = mach_port_extract_right(mach_task_self(), name, MACH_MSG_TYPE_MAKE_SEND_ONCE, &made,
                                     &kind);
    if (kr != KERN_SUCCESS)
        return raise_code(state, "mach_port_extract_right", kr);
    return port_adopt(state, made, MACH_PORT_RIGHT_SEND_ONCE);
}

/* One reference more of the same name. A send right may have died: then it is a dead name. */
static PyObject *port_copy(PyObject *object, PyObject *Py_UNUSED(ignored))
{
    struct state *state = state_of(Py_TYPE(object));
    mach_port_name_t name = state ? port_name(object) : MACH_PORT_NULL;
    mach_port_right_t right = ((Port *)object)->right;
    kern_return_t kr = KERN_INVALID_RIGHT;
    if (!name)
        return NULL;
    if (right == MACH_PORT_RIGHT_SEND)
        kr = mach_port_mod_refs(mach_task_self(), name, right, 1);
    if (kr == KERN_INVALID_RIGHT &&
        (right == MACH_PORT_RIGHT_SEND || right == MACH_PORT_RIGHT_DEAD_NAME)) {
        right = MACH_PORT_RIGHT_DEAD_NAME;
        kr = mach_port_mod_refs(mach_task_self(), name, right, 1);
    }
    return kr == KERN_SUCCESS ? port_adopt(state, name, right)
                              : raise_code(state, "mach_port_mod_refs", kr);
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
    const struct contents contents = {
        .body = values[0], .ool = values[1], .ports = values[2], .id = values[3]};
    struct outgoing room;
    struct outgoing *out = port_name(object) ? outgoing_new(state, &contents, &room) : NULL;
    if (!out)
        return NULL;
    bool sent = false;
    if (!outgoing_address(out, object, &self->name, self->right))
        PyErr_SetString(PyExc_ValueError, "the port is closed"); /* by another thread */
    else if (!values[5] || outgoing_reply_to(state, out, values[5]))
        sent = outgoing_send(state, out, milliseconds);
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
    struct incoming in;
    struct state *state = PyType_GetModuleState(defining);
    mach_port_name_t name = port_name(object);
    if (!name || !arguments("receive", names, 2, 1, args, nargs, kwnames, values) ||
        !timeout_argument(values[0], &milliseconds))
        return NULL;
    int readonly = values[1] ? PyObject_IsTrue(values[1]) : 0;
    if (readonly < 0)
        return NULL;
    int r = incoming_receive(&in, name, milliseconds);
    if (r != MACH_MSG_SUCCESS)
        return receive_failed(state, r, "the receive right is closed");
    return message_new(state, &in, readonly, object);
}

static PyObject *port_fileno(PyObject *object, PyObject *Py_UNUSED(ignored))
{
    mach_port_name_t name = port_name(object);
    return name ? fileno_of(name) : NULL;
}

static PyObject *port_on_death(PyObject *object, PyObject *callback)
{
    PyObject *deaths = PyImport_ImportModule("machool.deaths");
    PyObject *watch = deaths ? PyObject_CallMethod(deaths, "watch", "OO", object, callback) : NULL;
    Py_XDECREF(deaths);
    return watch;
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
    {"allocate", port_allocate, METH_VARARGS | METH_CLASS,
     "allocate($type, right=Right.RECEIVE, /)\n--\n\n"
     "A new right: a port's receive right, as Port() gives, or a dead name of its own."},
    {"make_send", port_make_send, METH_NOARGS,
     "make_send($self, /)\n--\n\n"
     "A Port with a send right, made of this receive right. Raises MachError if it is none."},
    {"make_send_once", port_make_send_once, METH_NOARGS,
     "make_send_once($self, /)\n--\n\n"
     "A Port with a send-once right, made of this receive right: one message can be sent by it,\n"
     "and a Notification comes here if it ends without one. Raises MachError if it is none."},
    {"copy", port_copy, METH_NOARGS,
     "copy($self, /)\n--\n\n"
     "A further Port for this send right or dead name. Raises MachError for other rights."},
    {"send", METHOD(port_send), FASTCALL,
     "send($self, /, body=b'', *, ool=(), ports=(), id=0, timeout=None, reply=None)\n--\n\n"
     "Sends one message; waits while the queue is full. `reply` is where the receiver is to\n"
     "answer: a receive right gives it a send-once right, a send right is copied, a Move or a\n"
     "send-once right goes. Raises PeerDied, TimedOut, InvalidMemory."},
    {"receive", METHOD(port_receive), FASTCALL,
     "receive($self, /, timeout=None, *, readonly=False)\n--\n\n"
     "The next message. Raises TimedOut, and ValueError if this is no receive right."},
    RECV_INTO,
    {"request_notification", METHOD(port_request_notification), FASTCALL,
     "request_notification($self, kind, notify, /, *, sync=0)\n--\n\n"
     "Asks the system for a Notification of that NotificationKind, to be sent to `notify`: a\n"
     "Port whose receive right gives a send-once right, or a send-once right, which goes; None\n"
     "withdraws the request. Returns the request's earlier send-once right, or None. `sync`:\n"
     "for NO_SENDERS the make-send count before which it does not fire."},
    {"on_death", port_on_death, METH_O,
     "on_death($self, callback, /)\n--\n\n"
     "Calls callback(port) once, in a thread of its own, when the port behind the right has\n"
     "died. Returns a DeathWatch, whose cancel() withdraws it."},
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
    {"refs", port_get_refs, NULL,
     "User references of this kind of right under the name; each Port has one.", NULL},
    {"status", port_get_status, NULL, "Of a receive right: a PortStatus.", NULL},
    {"queue_limit", port_get_queue_limit, port_set_queue_limit,
     "Of a receive right: how many messages each sending task may have in its queue.", NULL},
    {"context", port_get_context, port_set_context,
     "Of a receive right: a number of 64 bits that each message brings along.", NULL},
    {NULL, NULL, NULL, NULL, NULL}};

static PyMemberDef port_members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(Port, weakrefs), READONLY, NULL},
    {NULL, 0, 0, 0, NULL}};

static PyType_Slot port_slots[] = {
    {Py_tp_doc, "Port(*, queue_limit=None)\n--\n\n"
                "One right to a Mach port. Port() makes a new port and holds its receive right;\n"
                "rights in messages arrive as Port too. In `ports=` a send right is copied, a\n"
                "receive right makes a send right, a send-once right moves; Move(port) makes any\n"
                "right move. The right is given back when the object dies."},
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
