/* Client: a send right that was looked up, and ports for replies.
 *
 * request() gives the server a send-once right, so that exactly one answer or one notification
 * comes back (S131): a server that dies, at whatever moment, ends the call. The reply port is
 * kept for the next request only after a clean answer; after a time-out it is destroyed, so that
 * a late answer cannot be taken for another's. */
#include "outgoing.h"

#include <mach/notify.h>

#define LOOK_MS 250 /* how often a request that no notification ends looks at the service */

typedef struct {
    PyObject_HEAD
    PyObject *weakrefs;
    PyObject *name;
    _Atomic mach_port_name_t service; /* send right; 0: closed */
    _Atomic mach_port_name_t spare;   /* reply port of an earlier request() that nobody uses now */
    _Atomic mach_port_name_t inbox;   /* receive right for send(reply=True) and receive() */
    int64_t milliseconds;             /* default time-out; -1: for ever */
} Client;

static PyObject *client_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static const char *names[] = {"name", "timeout", NULL};
    PyObject *name, *timeout = Py_None;
    int64_t milliseconds;
    mach_port_t service;
    kern_return_t kr;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "U|$O:Client", (char **)(uintptr_t)names, &name,
                                     &timeout) ||
        !timeout_argument(timeout, &milliseconds))
        return NULL;
    struct state *state = state_of(type);
    const char *text = state ? PyUnicode_AsUTF8AndSize(name, NULL) : NULL;
    if (!text)
        return NULL;
    allocfunc alloc = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    Client *self = (Client *)alloc(type, 0);
    if (!self)
        return NULL;
    self->name = Py_NewRef(name);
    self->milliseconds = milliseconds;
    Py_BEGIN_ALLOW_THREADS
    kr = bootstrap_look_up(bootstrap_port, (char *)(uintptr_t)text, &service);
    Py_END_ALLOW_THREADS
    if (kr == BOOTSTRAP_SUCCESS) {
        atomic_store(&self->service, service);
        return (PyObject *)self;
    }
    Py_DECREF(self);
    return raise_code(state, "bootstrap_look_up", kr);
}

static PyObject *client_close(PyObject *object, PyObject *Py_UNUSED(ignored))
{
    Client *self = (Client *)object;
    right_release(atomic_exchange(&self->service, MACH_PORT_NULL), MACH_PORT_RIGHT_SEND);
    right_release(atomic_exchange(&self->spare, MACH_PORT_NULL), MACH_PORT_RIGHT_RECEIVE);
    right_release(atomic_exchange(&self->inbox, MACH_PORT_NULL), MACH_PORT_RIGHT_RECEIVE);
    Py_RETURN_NONE;
}

static int client_traverse(PyObject *object, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(((Client *)object)->name);
    return 0;
}

static void client_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    Client *self = (Client *)object;
    PyObject_GC_UnTrack(object);
    if (self->weakrefs)
        PyObject_ClearWeakRefs(object);
    Py_DECREF(client_close(object, NULL));
    Py_CLEAR(self->name);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(object);
    Py_DECREF(type);
}

static mach_port_name_t new_port(struct state *state)
{
    mach_port_name_t port;
    kern_return_t kr = mach_port_allocate(mach_task_self(), MACH_PORT_RIGHT_RECEIVE, &port);
    if (kr == KERN_SUCCESS)
        return port;
    raise_code(state, "mach_port_allocate", kr);
    return MACH_PORT_NULL;
}

/* The client's own port for answers to send(reply=True), made on first use. */
static mach_port_name_t inbox_of(struct state *state, Client *self)
{
    mach_port_name_t none = MACH_PORT_NULL, port = atomic_load(&self->inbox);
    if (port)
        return port;
    if (!atomic_load(&self->service)) {
        PyErr_SetString(PyExc_ValueError, "the client is closed");
        return MACH_PORT_NULL;
    }
    port = new_port(state);
    if (port && !atomic_compare_exchange_strong(&self->inbox, &none, port)) {
        right_release(port, MACH_PORT_RIGHT_RECEIVE); /* another thread was first */
        port = none;
    }
    return port;
}

/* Addresses the message; ValueError when the client is closed. */
static bool address(Client *self, struct outgoing *out, mach_port_name_t reply,
                    mach_msg_type_name_t how)
{
    mach_msg_header_t *header = outgoing_header(out);
    header->msgh_local_port = reply;
    header->msgh_bits |= MACH_MSGH_BITS(0, reply ? how : 0);
    if (outgoing_address(out, (PyObject *)self, &self->service, MACH_PORT_RIGHT_SEND))
        return true;
    PyErr_SetString(PyExc_ValueError, "the client is closed");
    return false;
}

/* The arguments that send() and request() share; the default time-out where none is given. */
static struct outgoing *common(struct state *state, Client *self, PyObject *const *values,
                               int64_t *ret_milliseconds, struct outgoing *room)
{
    const struct contents contents = {
        .body = values[0], .ool = values[1], .ports = values[2], .id = values[3]};
    if (values[4] ? !timeout_argument(values[4], ret_milliseconds) : false)
        return NULL;
    if (!values[4])
        *ret_milliseconds = self->milliseconds;
    return outgoing_new(state, &contents, room);
}

static PyObject *client_send(PyObject *object, PyTypeObject *defining, PyObject *const *args,
                             Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"body", "ool", "ports", "id", "timeout", "reply"};
    PyObject *values[6];
    int64_t milliseconds;
    Client *self = (Client *)object;
    struct state *state = PyType_GetModuleState(defining);
    if (!arguments("send", names, 6, 1, args, nargs, kwnames, values))
        return NULL;
    int wants = values[5] ? PyObject_IsTrue(values[5]) : 0;
    struct outgoing room;
    struct outgoing *out = wants < 0 ? NULL : common(state, self, values, &milliseconds, &room);
    if (!out)
        return NULL;
    mach_port_name_t reply = wants ? inbox_of(state, self) : MACH_PORT_NULL;
    bool sent = (reply || !wants) && address(self, out, reply, MACH_MSG_TYPE_MAKE_SEND_ONCE) &&
                outgoing_send(state, out, milliseconds);
    outgoing_free(out);
    if (!sent)
        return NULL;
    Py_RETURN_NONE;
}

/* Whether the service's task is known to be gone. */
static bool service_dead(Client *self)
{
    mach_port_name_t service = atomic_load(&self->service);
    mach_port_type_t type;
    return mach_port_type(mach_task_self(), service, &type) != KERN_SUCCESS ||
           type & MACH_PORT_TYPE_DEAD_NAME;
}

/* Receives on the reply port. A plain send right brings no notification when its holder dies: then
 * the service is looked at now and then. Results as incoming_receive; MACH_SEND_INVALID_DEST if the
 * service has died. */
static int receive_answer(Client *self, struct incoming *in, mach_port_name_t reply,
                          int64_t deadline)
{
    for (;;) {
        int64_t left = milliseconds_left(deadline);
        bool slice = left < 0 || left > LOOK_MS;
        int r = incoming_receive(in, reply, slice ? LOOK_MS : left);
        if (r != MACH_RCV_TIMED_OUT || !slice)
            return r;
        if (service_dead(self))
            return MACH_SEND_INVALID_DEST;
    }
}

/* Nobody will answer: the send-once right ended without a message. */
static bool is_refusal(const struct incoming *in)
{
    return in->message->msgh_id == MACH_NOTIFY_SEND_ONCE && notification_is(in);
}

/* The one message that answers, received into `in` with that result; the reply port is kept or
 * destroyed. */
static PyObject *take_answer(struct state *state, Client *self, struct incoming *in, int r,
                             mach_port_name_t take_reply, bool once, bool readonly)
{
    mach_port_name_t none = MACH_PORT_NULL;
    /* Whoever holds a plain send right could send more: such a port is not used again. */
    bool keep = once && r == MACH_MSG_SUCCESS && atomic_load(&self->service) != MACH_PORT_NULL;
    if (!keep || !atomic_compare_exchange_strong(&self->spare, &none, take_reply))
        right_release(take_reply, MACH_PORT_RIGHT_RECEIVE);
    if (r == -1)
        return NULL;
    if (r != MACH_MSG_SUCCESS)
        return raise_code(state, r == MACH_SEND_INVALID_DEST ? "request" : "mach_msg", r);
    if (!is_refusal(in))
        return message_new(state, in, readonly, NULL);
    incoming_free(in);
    return raise_code(state, "request", MACH_SEND_INVALID_DEST);
}

static PyObject *client_request(PyObject *object, PyTypeObject *defining, PyObject *const *args,
                                Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"body",    "ool",      "ports",    "id",
                                        "timeout", "readonly", "send_once"};
    PyObject *values[7];
    int64_t milliseconds;
    Client *self = (Client *)object;
    struct state *state = PyType_GetModuleState(defining);
    if (!arguments("request", names, 7, 1, args, nargs, kwnames, values))
        return NULL;
    int readonly = values[5] ? PyObject_IsTrue(values[5]) : 0;
    int once = values[6] ? PyObject_IsTrue(values[6]) : 1;
    struct outgoing room;
    struct outgoing *out = readonly < 0 || once < 0
                               ? NULL
                               : common(state, self, values, &milliseconds, &room);
    if (!out)
        return NULL;
    int64_t deadline = once ? -1 : deadline_after(milliseconds);
    mach_port_name_t reply = atomic_exchange(&self->spare, MACH_PORT_NULL);
    if (!reply)
        reply = new_port(state);
    struct incoming in;
    mach_msg_return_t mr;
    bool sent = reply &&
                address(self, out, reply,
                        once ? MACH_MSG_TYPE_MAKE_SEND_ONCE : MACH_MSG_TYPE_MAKE_SEND) &&
                (once ? outgoing_request(state, out, milliseconds, reply, &in, &deadline, &mr)
                      : outgoing_send(state, out, milliseconds));
    outgoing_free(out);
    if (!sent) {
        right_release(reply, MACH_PORT_RIGHT_RECEIVE);
        return NULL;
    }
    int r = once ? incoming_go_on(&in, reply, deadline, mr)
                 : receive_answer(self, &in, reply, deadline);
    return take_answer(state, self, &in, r, reply, once, readonly);
}

static PyObject *client_receive(PyObject *object, PyTypeObject *defining, PyObject *const *args,
                                Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"timeout", "readonly"};
    PyObject *values[2];
    struct state *state = PyType_GetModuleState(defining);
    Client *self = (Client *)object;
    int64_t milliseconds = self->milliseconds;
    struct incoming in;
    if (!arguments("receive", names, 2, 1, args, nargs, kwnames, values) ||
        (values[0] && !timeout_argument(values[0], &milliseconds)))
        return NULL;
    int readonly = values[1] ? PyObject_IsTrue(values[1]) : 0;
    mach_port_name_t inbox = readonly < 0 ? MACH_PORT_NULL : inbox_of(state, self);
    if (!inbox)
        return NULL;
    int r = incoming_receive(&in, inbox, milliseconds);
    if (r == -1)
        return NULL;
    if (r != MACH_MSG_SUCCESS)
        return raise_code(state, "mach_msg", r);
    if (!is_refusal(&in))
        return message_new(state, &in, readonly, NULL);
    incoming_free(&in);
    return raise_code(state, "receive", MACH_SEND_INVALID_DEST);
}

static PyObject *client_fileno(PyObject *object, PyObject *Py_UNUSED(ignored))
{
    struct state *state = state_of(Py_TYPE(object));
    mach_port_name_t inbox = state ? inbox_of(state, (Client *)object) : MACH_PORT_NULL;
    return inbox ? fileno_of(inbox) : NULL;
}

static PyObject *client_enter(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    return Py_NewRef(self);
}

static PyObject *client_exit(PyObject *self, PyObject *Py_UNUSED(args))
{
    return client_close(self, NULL);
}

static PyObject *client_get_closed(PyObject *object, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(atomic_load(&((Client *)object)->service) == MACH_PORT_NULL);
}

static PyObject *client_get_port(PyObject *object, void *Py_UNUSED(closure))
{
    struct state *state = state_of(Py_TYPE(object));
    mach_port_name_t service = atomic_load(&((Client *)object)->service);
    if (!state)
        return NULL;
    kern_return_t kr = mach_port_mod_refs(mach_task_self(), service, MACH_PORT_RIGHT_SEND, 1);
    if (service == MACH_PORT_NULL || kr != KERN_SUCCESS) {
        PyErr_SetString(PyExc_ValueError, "the client is closed or its service is gone");
        return NULL;
    }
    return port_adopt(state, service, MACH_PORT_RIGHT_SEND);
}

static PyObject *client_repr(PyObject *object)
{
    Client *self = (Client *)object;
    return PyUnicode_FromFormat("<machool.Client of %R%s>", self->name,
                                atomic_load(&self->service) ? "" : ", closed");
}

#define FASTCALL (METH_METHOD | METH_FASTCALL | METH_KEYWORDS)
#define METHOD(f) ((PyCFunction)(void (*)(void))(f))

static PyMethodDef client_methods[] = {
    {"send", METHOD(client_send), FASTCALL,
     "send($self, /, body=b'', *, ool=(), ports=(), id=0, timeout=..., reply=False)\n--\n\n"
     "Sends one message; waits while the server's queue is full, with the GIL released. With\n"
     "reply=True the server can answer, and receive() gets the answer. `ool` is a buffer, an OOL\n"
     "or a sequence of them; `ports` a Port or a sequence. Raises PeerDied, TimedOut,\n"
     "InvalidMemory; BufferError, ValueError or TypeError before anything is sent."},
    {"request", METHOD(client_request), FASTCALL,
     "request($self, /, body=b'', *, ool=(), ports=(), id=0, timeout=..., readonly=False,\n"
     "        send_once=True)\n--\n\n"
     "Sends one message and returns the Message that answers it. `timeout` covers both. Raises\n"
     "PeerDied as soon as the server dies or drops the request, and what send() raises. Any\n"
     "number of threads may have requests under way. With send_once=False the server gets a\n"
     "plain send right, as C servers may expect that answer by COPY_SEND: then a dropped\n"
     "request is not noticed, and a dead server within a second."},
    {"receive", METHOD(client_receive), FASTCALL,
     "receive($self, /, timeout=..., *, readonly=False)\n--\n\n"
     "The next answer to a message sent with reply=True. Raises TimedOut, PeerDied."},
    RECV_INTO,
    {"fileno", client_fileno, METH_NOARGS,
     "fileno($self, /)\n--\n\n"
     "A descriptor for select, poll or asyncio that is readable while receive() may have an\n"
     "answer: then call receive(0) until TimedOut. It is the client's; do not read or close it."},
    {"close", client_close, METH_NOARGS,
     "close($self, /)\n--\n\nGives the right back. What was received stays valid. May be called "
     "again."},
    {"__enter__", client_enter, METH_NOARGS, "__enter__($self, /)\n--\n\nThe client itself."},
    {"__exit__", client_exit, METH_VARARGS, "__exit__($self, /, *args)\n--\n\nclose()."},
    {NULL, NULL, 0, NULL}};

static PyGetSetDef client_getset[] = {
    {"port", client_get_port, NULL, "A Port with a further send right to the service.", NULL},
    {"closed", client_get_closed, NULL, "Whether close() was called.", NULL},
    {NULL, NULL, NULL, NULL, NULL}};

static PyMemberDef client_members[] = {
    {"name", T_OBJECT_EX, offsetof(Client, name), READONLY, "The service's name."},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(Client, weakrefs), READONLY, NULL},
    {NULL, 0, 0, 0, NULL}};

static PyType_Slot client_slots[] = {
    {Py_tp_doc, "Client(name, *, timeout=None)\n--\n\n"
                "A way to the service of that name. `timeout` in seconds is the default for all\n"
                "its calls (None: for ever). Raises ServiceNotFound, NotPermitted."},
    {Py_tp_new, client_new},
    {Py_tp_dealloc, client_dealloc},
    {Py_tp_traverse, client_traverse},
    {Py_tp_repr, client_repr},
    {Py_tp_methods, client_methods},
    {Py_tp_getset, client_getset},
    {Py_tp_members, client_members},
    {0, NULL}};

PyType_Spec client_spec = {
    .name = "machool._machool.Client",
    .basicsize = sizeof(Client),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE |
             Py_TPFLAGS_BASETYPE,
    .slots = client_slots,
};
