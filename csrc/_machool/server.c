/* Server: a named receive right.
 *
 * Stopping: shutdown() and close() send one message for each thread that is waiting, by a
 * send-once right made on the own port. Such a right ignores the queue limit, and nobody else can
 * have one to this port unless the server itself hands it out, so a message that came by one and
 * bears STOP_ID is ours. */
#include "machool.h"

#include <string.h>

#define STOP_ID 0x6d735450

typedef struct {
    PyObject_HEAD
    PyObject *weakrefs;
    PyObject *name;
    struct state *state;           /* of the module, which the type keeps alive */
    _Atomic mach_port_name_t port; /* receive right, with one send right; 0: closed */
    atomic_bool stopped;
    atomic_uint waiting; /* threads in receive() */
} Server;

static void port_drop(mach_port_name_t take_port)
{
    if (take_port == MACH_PORT_NULL)
        return;
    (void)mach_port_mod_refs(mach_task_self(), take_port, MACH_PORT_RIGHT_SEND, -1);
    (void)mach_port_mod_refs(mach_task_self(), take_port, MACH_PORT_RIGHT_RECEIVE, -1);
}

/* Uids out of a sequence. The count, or -1 with an exception. */
static int uids_of(PyObject *sequence, uid_t *uids, int most)
{
    PyObject *tuple = sequence ? PySequence_Tuple(sequence) : PyTuple_New(0);
    if (!tuple)
        return -1;
    Py_ssize_t count = PyTuple_Size(tuple);
    for (Py_ssize_t i = 0; i < count && i < most && !PyErr_Occurred(); i++) {
        unsigned long uid = PyLong_AsUnsignedLong(PyTuple_GetItem(tuple, i));
        uids[i] = (uid_t)uid;
        if (uids[i] != uid && !PyErr_Occurred())
            PyErr_SetString(PyExc_OverflowError, "a uid has 32 bits");
    }
    Py_DECREF(tuple);
    if (PyErr_Occurred())
        return -1;
    if (count > most) {
        PyErr_Format(PyExc_ValueError, "at most %d uids", most);
        return -1;
    }
    return (int)count;
}

mach_port_name_t server_port(PyObject *server)
{
    return atomic_load(&((Server *)server)->port);
}

/* Makes the port and publishes it. The port, or 0 with an exception. */
static mach_port_name_t publish(struct state *state, const char *name, PyObject *limit,
                                const uid_t *uids, unsigned count)
{
    mach_port_name_t port;
    const char *call = "mach_port_allocate";
    kern_return_t kr = mach_port_allocate(mach_task_self(), MACH_PORT_RIGHT_RECEIVE, &port);
    if (kr != KERN_SUCCESS) {
        raise_code(state, call, kr);
        return MACH_PORT_NULL;
    }
    kr = mach_port_insert_right(mach_task_self(), port, port, MACH_MSG_TYPE_MAKE_SEND);
    if (kr == KERN_SUCCESS && limit != Py_None && !port_limit(state, port, limit)) {
        port_drop(port);
        return MACH_PORT_NULL;
    }
    if (kr == KERN_SUCCESS) {
        call = "bootstrap_register";
        kr = machool_bootstrap_register(name, port, uids, count);
    }
    if (kr == KERN_SUCCESS)
        return port;
    port_drop(port);
    raise_code(state, call, kr);
    return MACH_PORT_NULL;
}

static bool check_name(const char *name, Py_ssize_t length)
{
    if (length == 0 || length >= BOOTSTRAP_MAX_NAME_LEN || strlen(name) != (size_t)length) {
        PyErr_Format(PyExc_ValueError, "a service name has 1 to %d bytes and no NUL",
                     BOOTSTRAP_MAX_NAME_LEN - 1);
        return false;
    }
    return true;
}

static PyObject *server_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static const char *names[] = {"name", "queue_limit", "allow_uids", NULL};
    PyObject *name, *limit = Py_None, *uids_object = NULL;
    uid_t uids[64];
    Py_ssize_t length;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "U|$OO:Server", (char **)(uintptr_t)names, &name,
                                     &limit, &uids_object))
        return NULL;
    struct state *state = state_of(type);
    const char *text = state ? PyUnicode_AsUTF8AndSize(name, &length) : NULL;
    if (!text || !check_name(text, length))
        return NULL;
    int count = uids_of(uids_object, uids, 64);
    if (count < 0)
        return NULL;
    allocfunc alloc = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    Server *self = (Server *)alloc(type, 0);
    if (!self)
        return NULL;
    self->name = Py_NewRef(name);
    self->state = state;
    mach_port_name_t port = publish(state, text, limit, uids, (unsigned)count);
    atomic_store(&self->port, port);
    if (port == MACH_PORT_NULL)
        Py_CLEAR(self);
    return (PyObject *)self;
}

/* One stop message, which wakes one receive(). */
static void send_stop(mach_port_name_t port)
{
    mach_msg_header_t header = {
        .msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_MAKE_SEND_ONCE, 0),
        .msgh_remote_port = port,
        .msgh_id = STOP_ID,
    };
    (void)mach_msg(&header, MACH_SEND_MSG | MACH_SEND_TIMEOUT, sizeof header, 0, MACH_PORT_NULL, 0,
                   MACH_PORT_NULL);
}

bool server_is_stop(const struct incoming *in)
{
    return in->message->msgh_id == STOP_ID &&
           MACH_MSGH_BITS_LOCAL(in->message->msgh_bits) == MACH_MSG_TYPE_PORT_SEND_ONCE;
}

static PyObject *server_shutdown(PyObject *object, PyObject *Py_UNUSED(ignored))
{
    Server *self = (Server *)object;
    mach_port_name_t port = atomic_load(&self->port);
    atomic_store(&self->stopped, true);
    if (port != MACH_PORT_NULL) {
        unsigned waiting = atomic_load(&self->waiting);
        for (unsigned i = 0; i < waiting; i++)
            send_stop(port);
    }
    Py_RETURN_NONE;
}

static PyObject *server_close(PyObject *object, PyObject *Py_UNUSED(ignored))
{
    Server *self = (Server *)object;
    atomic_store(&self->stopped, true);
    port_drop(atomic_exchange(&self->port, MACH_PORT_NULL)); /* wakes those who wait */
    Py_RETURN_NONE;
}

static int server_traverse(PyObject *object, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(((Server *)object)->name);
    return 0;
}

static void server_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    Server *self = (Server *)object;
    PyObject_GC_UnTrack(object);
    if (self->weakrefs)
        PyObject_ClearWeakRefs(object);
    port_drop(atomic_load(&self->port));
    Py_CLEAR(self->name);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(object);
    Py_DECREF(type);
}

static PyObject *stopped_error(void)
{
    PyErr_SetString(PyExc_EOFError, "the server has been shut down");
    return NULL;
}

/* The next message that is not a stop; EOFError once the server is to stop. */
static PyObject *receive(Server *self, int64_t milliseconds, bool readonly)
{
    struct state *state = self->state;
    mach_port_name_t port = atomic_load(&self->port);
    struct incoming in;
    if (port == MACH_PORT_NULL) {
        PyErr_SetString(PyExc_ValueError, "the server is closed");
        return NULL;
    }
    atomic_fetch_add(&self->waiting, 1);
    int r;
    do { /* counted before the flag is looked at, as shutdown() sets it before it counts */
        r = atomic_load(&self->stopped) ? MACH_RCV_PORT_CHANGED
                                        : incoming_receive(&in, port, milliseconds);
        if (r == MACH_MSG_SUCCESS && server_is_stop(&in)) {
            incoming_free(&in); /* a stop meant for a thread that had left by itself is stale */
            r = MACH_RCV_INTERRUPTED;
        }
    } while (r == MACH_RCV_INTERRUPTED);
    atomic_fetch_sub(&self->waiting, 1);
    if (r == MACH_MSG_SUCCESS)
        return message_new(state, &in, readonly, NULL);
    if (r == -1)
        return NULL;
    if (atomic_load(&self->stopped))
        return stopped_error();
    return raise_code(state, "mach_msg", r);
}

static PyObject *server_receive(PyObject *object, PyTypeObject *Py_UNUSED(defining),
                                PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"timeout", "readonly"};
    PyObject *values[2];
    int64_t milliseconds;
    if (!arguments("receive", names, 2, 1, args, nargs, kwnames, values) ||
        !timeout_argument(values[0], &milliseconds))
        return NULL;
    int readonly = values[1] ? PyObject_IsTrue(values[1]) : 0;
    if (readonly < 0)
        return NULL;
    return receive((Server *)object, milliseconds, readonly);
}

static PyObject *server_iter(PyObject *self)
{
    return Py_NewRef(self);
}

static PyObject *server_next(PyObject *object)
{
    Server *self = (Server *)object;
    if (atomic_load(&self->stopped))
        return NULL; /* StopIteration */
    PyObject *message = receive(self, -1, false);
    if (!message && PyErr_ExceptionMatches(PyExc_EOFError))
        PyErr_Clear();
    return message;
}

static PyObject *server_fileno(PyObject *object, PyObject *Py_UNUSED(ignored))
{
    mach_port_name_t port = atomic_load(&((Server *)object)->port);
    if (port)
        return fileno_of(port);
    PyErr_SetString(PyExc_ValueError, "the server is closed");
    return NULL;
}

static PyObject *server_enter(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    return Py_NewRef(self);
}

static PyObject *server_exit(PyObject *self, PyObject *Py_UNUSED(args))
{
    return server_close(self, NULL);
}

static PyObject *server_get_port(PyObject *object, void *Py_UNUSED(closure))
{
    struct state *state = ((Server *)object)->state;
    mach_port_name_t port = atomic_load(&((Server *)object)->port);
    if (!port) {
        PyErr_SetString(PyExc_ValueError, "the server is closed");
        return NULL;
    }
    kern_return_t kr = mach_port_insert_right(mach_task_self(), port, port,
                                              MACH_MSG_TYPE_MAKE_SEND);
    if (kr != KERN_SUCCESS)
        return raise_code(state, "mach_port_insert_right", kr);
    return port_adopt(state, port, MACH_PORT_RIGHT_SEND);
}

static PyObject *server_get_closed(PyObject *object, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(atomic_load(&((Server *)object)->port) == MACH_PORT_NULL);
}

static PyObject *server_repr(PyObject *object)
{
    Server *self = (Server *)object;
    return PyUnicode_FromFormat("<machool.Server %R%s>", self->name,
                                atomic_load(&self->port) ? "" : ", closed");
}

static PyMethodDef server_methods[] = {
    {"receive", (PyCFunction)(void (*)(void))server_receive,
     METH_METHOD | METH_FASTCALL | METH_KEYWORDS,
     "receive($self, /, timeout=None, *, readonly=False)\n--\n\n"
     "The next Message. Blocks up to `timeout` seconds (None: for ever) with the GIL released;\n"
     "any number of threads may wait at once. `readonly` makes the views of its out-of-line\n"
     "parts read-only. Raises TimedOut, EOFError after shutdown(), ValueError when closed."},
    RECV_INTO,
    {"shutdown", server_shutdown, METH_NOARGS,
     "shutdown($self, /)\n--\n\n"
     "Ends the service: every receive() returns with EOFError and iteration ends, in all\n"
     "threads. Messages not yet received stay in the queue until close(). May be called from\n"
     "any thread or signal handler, and again."},
    {"fileno", server_fileno, METH_NOARGS,
     "fileno($self, /)\n--\n\n"
     "A descriptor for select, poll or asyncio that is readable while a message may be waiting:\n"
     "then call receive(0) until TimedOut. It is the server's; do not read or close it."},
    {"close", server_close, METH_NOARGS,
     "close($self, /)\n--\n\n"
     "Destroys the port and its name. Requests in its queue die, and who waits for an answer\n"
     "gets PeerDied. May be called again."},
    {"__enter__", server_enter, METH_NOARGS, "__enter__($self, /)\n--\n\nThe server itself."},
    {"__exit__", server_exit, METH_VARARGS, "__exit__($self, /, *args)\n--\n\nclose()."},
    {NULL, NULL, 0, NULL}};

static PyGetSetDef server_getset[] = {
    {"port", server_get_port, NULL, "A Port with a further send right to the service.", NULL},
    {"closed", server_get_closed, NULL, "Whether close() was called.", NULL},
    {NULL, NULL, NULL, NULL, NULL}};

static PyMemberDef server_members[] = {
    {"name", T_OBJECT_EX, offsetof(Server, name), READONLY, "The name it is published under."},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(Server, weakrefs), READONLY, NULL},
    {NULL, 0, 0, 0, NULL}};

static PyType_Slot server_slots[] = {
    {Py_tp_doc,
     "Server(name, *, queue_limit=None, allow_uids=())\n--\n\n"
     "A service that clients find by name. Iterate over it for its messages.\n\n"
     "`queue_limit` is how many messages each sending task may have in its queue (0 to 1024,\n"
     "default 5). Only the same user and root may look the name up, and the users in\n"
     "`allow_uids`. Raises ServiceExists, NotPermitted."},
    {Py_tp_new, server_new},
    {Py_tp_dealloc, server_dealloc},
    {Py_tp_traverse, server_traverse},
    {Py_tp_iter, server_iter},
    {Py_tp_iternext, server_next},
    {Py_tp_repr, server_repr},
    {Py_tp_methods, server_methods},
    {Py_tp_getset, server_getset},
    {Py_tp_members, server_members},
    {0, NULL}};

PyType_Spec server_spec = {
    .name = "machool._machool.Server",
    .basicsize = sizeof(Server),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE |
             Py_TPFLAGS_BASETYPE,
    .slots = server_slots,
};
