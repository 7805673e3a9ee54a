/* PortSet: several receive rights that are waited for at once.
 *
 * The set keeps its members alive, by the name under which each is in the set. A member that has
 * been closed or has moved away has left the set by itself: it is forgotten when it is met.
 *
 * A Server in a set is received from like any port; messages that end its receive() (see server.c)
 * are for threads that wait at the server itself, and skipped here. */
#include "machool.h"

typedef struct {
    PyObject_HEAD
    PyObject *weakrefs;
    PyObject *members;             /* dict: name -> Port or Server */
    _Atomic mach_port_name_t name; /* of the set; 0: closed */
} PortSet;

/* The set's name, or 0 with ValueError. */
static mach_port_name_t open_name(PortSet *self)
{
    mach_port_name_t name = atomic_load(&self->name);
    if (!name)
        PyErr_SetString(PyExc_ValueError, "the port set is closed");
    return name;
}

/* The name of the receive right that the object holds now; 0: none. -1 with TypeError for what
 * cannot be in a set. */
static int64_t receiver_of(struct state *state, PyObject *object)
{
    if (Py_IS_TYPE(object, state->port_type) && ((Port *)object)->right == MACH_PORT_RIGHT_RECEIVE)
        return atomic_load(&((Port *)object)->name);
    if (PyObject_TypeCheck(object, state->server_type))
        return server_port(object);
    PyErr_SetString(PyExc_TypeError, "a Server or a Port with a receive right is required");
    return -1;
}

/* Keeps or forgets the member of that name. -1 with an exception. */
static int remember(PortSet *self, mach_port_name_t name, PyObject *member)
{
    PyObject *key = PyLong_FromUnsignedLong(name);
    int r = !key     ? -1
            : member ? PyDict_SetItem(self->members, key, member)
                     : PyDict_DelItem(self->members, key);
    Py_XDECREF(key);
    return r;
}

static PyObject *set_add(PyObject *object, PyObject *member)
{
    PortSet *self = (PortSet *)object;
    struct state *state = state_of(Py_TYPE(object));
    mach_port_name_t set = state ? open_name(self) : MACH_PORT_NULL;
    int64_t name = set ? receiver_of(state, member) : -1;
    if (name < 0)
        return NULL;
    if (name == 0) {
        PyErr_SetString(PyExc_ValueError, "the port is closed");
        return NULL;
    }
    kern_return_t kr = mach_port_insert_member(mach_task_self(), (mach_port_name_t)name, set);
    if (kr != KERN_SUCCESS && kr != KERN_ALREADY_IN_SET)
        return raise_code(state, "mach_port_insert_member", kr);
    if (remember(self, (mach_port_name_t)name, member) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *set_remove(PyObject *object, PyObject *member)
{
    PortSet *self = (PortSet *)object;
    struct state *state = state_of(Py_TYPE(object));
    mach_port_name_t set = state ? open_name(self) : MACH_PORT_NULL;
    int64_t name = set ? receiver_of(state, member) : -1;
    if (name < 0)
        return NULL;
    kern_return_t kr = mach_port_extract_member(mach_task_self(), (mach_port_name_t)name, set);
    if (kr == KERN_NOT_IN_SET || kr == KERN_INVALID_NAME) {
        PyErr_SetString(PyExc_ValueError, "the port is not in the set");
        return NULL;
    }
    if (kr != KERN_SUCCESS)
        return raise_code(state, "mach_port_extract_member", kr);
    if (remember(self, (mach_port_name_t)name, NULL) < 0)
        PyErr_Clear(); /* a member by its name alone: C code of this process added it */
    Py_RETURN_NONE;
}

/* The members that are still there: a tuple, or NULL. Forgets the others. */
static PyObject *set_get_members(PyObject *object, void *Py_UNUSED(closure))
{
    PortSet *self = (PortSet *)object;
    struct state *state = state_of(Py_TYPE(object));
    PyObject *items = state ? PyDict_Items(self->members) : NULL;
    PyObject *list = items ? PyList_New(0) : NULL;
    bool ok = list != NULL;
    for (Py_ssize_t i = 0; ok && i < PyList_Size(items); i++) {
        PyObject *item = PyList_GetItem(items, i), *member = PyTuple_GetItem(item, 1);
        unsigned long name = PyLong_AsUnsignedLong(PyTuple_GetItem(item, 0));
        if (receiver_of(state, member) == (int64_t)name)
            ok = PyList_Append(list, member) == 0;
        else if (remember(self, (mach_port_name_t)name, NULL) < 0)
            PyErr_Clear(); /* another thread was first */
    }
    PyObject *members = ok ? PyList_AsTuple(list) : NULL;
    Py_XDECREF(items);
    Py_XDECREF(list);
    return members;
}

/* The member that a message came to, borrowed; NULL if it is not known. */
static PyObject *borrow_member(PortSet *self, mach_port_name_t name)
{
    PyObject *key = PyLong_FromUnsignedLong(name);
    PyObject *member = key ? PyDict_GetItemWithError(self->members, key) : NULL;
    Py_XDECREF(key);
    return member;
}

static PyObject *receive(struct state *state, PortSet *self, int64_t milliseconds, bool readonly)
{
    mach_port_name_t set = open_name(self);
    int64_t deadline = deadline_after(milliseconds);
    struct incoming in;
    if (!set)
        return NULL;
    for (;;) {
        int r = incoming_receive(&in, set, milliseconds_left(deadline));
        if (r != MACH_MSG_SUCCESS)
            return receive_failed(state, r, "the port set is closed");
        PyObject *member = borrow_member(self, in.message->msgh_local_port);
        if (!member || !PyObject_TypeCheck(member, state->server_type) || !server_is_stop(&in))
            return message_new(state, &in, readonly, member);
        incoming_free(&in);
    }
}

static PyObject *set_receive(PyObject *object, PyTypeObject *defining, PyObject *const *args,
                             Py_ssize_t nargs, PyObject *kwnames)
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
    return receive(PyType_GetModuleState(defining), (PortSet *)object, milliseconds, readonly);
}

static PyObject *set_next(PyObject *object)
{
    PortSet *self = (PortSet *)object;
    struct state *state = state_of(Py_TYPE(object));
    if (!state || !atomic_load(&self->name))
        return NULL; /* StopIteration */
    PyObject *message = receive(state, self, -1, false);
    if (!message && !atomic_load(&self->name) && PyErr_ExceptionMatches(PyExc_ValueError))
        PyErr_Clear(); /* closed while it waited */
    return message;
}

static PyObject *set_iter(PyObject *self)
{
    return Py_NewRef(self);
}

static PyObject *set_fileno(PyObject *object, PyObject *Py_UNUSED(ignored))
{
    mach_port_name_t name = open_name((PortSet *)object);
    return name ? fileno_of(name) : NULL;
}

static void release_set(PortSet *self)
{
    mach_port_name_t name = atomic_exchange(&self->name, MACH_PORT_NULL);
    if (name)
        (void)mach_port_mod_refs(mach_task_self(), name, MACH_PORT_RIGHT_PORT_SET, -1);
}

static PyObject *set_close(PyObject *object, PyObject *Py_UNUSED(ignored))
{
    release_set((PortSet *)object);
    PyDict_Clear(((PortSet *)object)->members);
    Py_RETURN_NONE;
}

static PyObject *set_enter(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    return Py_NewRef(self);
}

static PyObject *set_exit(PyObject *self, PyObject *Py_UNUSED(args))
{
    return set_close(self, NULL);
}

/* Adds each member that the iterable gives. False with an exception. */
static bool add_all(PyObject *self, PyObject *members)
{
    PyObject *each = PyObject_GetIter(members), *member;
    bool ok = each != NULL;
    while (ok && (member = PyIter_Next(each)) != NULL) {
        PyObject *added = set_add(self, member);
        ok = added != NULL;
        Py_XDECREF(added);
        Py_DECREF(member);
    }
    Py_XDECREF(each);
    return ok && !PyErr_Occurred();
}

static PyObject *set_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static const char *names[] = {"members", NULL};
    PyObject *members = NULL;
    struct state *state = state_of(type);
    mach_port_name_t name;
    if (!state || !PyArg_ParseTupleAndKeywords(args, kwargs, "|O:PortSet",
                                               (char **)(uintptr_t)names, &members))
        return NULL;
    allocfunc alloc = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    PortSet *self = (PortSet *)alloc(type, 0);
    self = self && (self->members = PyDict_New()) == NULL ? NULL : self;
    if (!self)
        return NULL;
    kern_return_t kr = mach_port_allocate(mach_task_self(), MACH_PORT_RIGHT_PORT_SET, &name);
    if (kr == KERN_SUCCESS)
        atomic_store(&self->name, name);
    else
        raise_code(state, "mach_port_allocate", kr);
    if (kr != KERN_SUCCESS || (members && !add_all((PyObject *)self, members)))
        Py_CLEAR(self);
    return (PyObject *)self;
}

static int set_traverse(PyObject *object, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(((PortSet *)object)->members);
    return 0;
}

static int set_clear(PyObject *object)
{
    Py_CLEAR(((PortSet *)object)->members);
    return 0;
}

static void set_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    PortSet *self = (PortSet *)object;
    PyObject_GC_UnTrack(object);
    if (self->weakrefs)
        PyObject_ClearWeakRefs(object);
    release_set(self);
    Py_CLEAR(self->members);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(object);
    Py_DECREF(type);
}

static PyObject *set_get_name(PyObject *object, void *Py_UNUSED(closure))
{
    return PyLong_FromUnsignedLong(atomic_load(&((PortSet *)object)->name));
}

static PyObject *set_repr(PyObject *object)
{
    PortSet *self = (PortSet *)object;
    return PyUnicode_FromFormat("<machool.PortSet 0x%x, %zd ports>", (int)atomic_load(&self->name),
                                PyDict_Size(self->members));
}

static PyMethodDef set_methods[] = {
    {"add", set_add, METH_O,
     "add($self, port, /)\n--\n\n"
     "Adds a Server or a Port with a receive right, and keeps it alive. It can be in several\n"
     "sets, and still be received from by itself."},
    {"remove", set_remove, METH_O,
     "remove($self, port, /)\n--\n\nTakes it out. Raises ValueError if it is not in the set."},
    {"receive", (PyCFunction)(void (*)(void))set_receive,
     METH_METHOD | METH_FASTCALL | METH_KEYWORDS,
     "receive($self, /, timeout=None, *, readonly=False)\n--\n\n"
     "The next message of any member, in turn among those that have some; its `port` is that\n"
     "member. Raises TimedOut, and ValueError when the set is closed."},
    RECV_INTO,
    {"fileno", set_fileno, METH_NOARGS,
     "fileno($self, /)\n--\n\n"
     "A descriptor that polls readable while a member may have a message: then call receive(0)\n"
     "until TimedOut. It is the set's; do not read or close it."},
    {"close", set_close, METH_NOARGS,
     "close($self, /)\n--\n\nDestroys the set; its members live on. May be called again."},
    {"__enter__", set_enter, METH_NOARGS, "__enter__($self, /)\n--\n\nThe set itself."},
    {"__exit__", set_exit, METH_VARARGS, "__exit__($self, /, *args)\n--\n\nclose()."},
    {NULL, NULL, 0, NULL}};

static PyGetSetDef set_getset[] = {
    {"members", set_get_members, NULL, "Tuple of the ports and servers that are in it.", NULL},
    {"name", set_get_name, NULL, "The Mach name in this task; 0 once closed.", NULL},
    {NULL, NULL, NULL, NULL, NULL}};

static PyMemberDef set_members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(PortSet, weakrefs), READONLY, NULL},
    {NULL, 0, 0, 0, NULL}};

static PyType_Slot set_slots[] = {
    {Py_tp_doc, "PortSet(members=())\n--\n\n"
                "Receive rights that are waited for at once. Iterate over it for the messages."},
    {Py_tp_new, set_new},
    {Py_tp_dealloc, set_dealloc},
    {Py_tp_traverse, set_traverse},
    {Py_tp_clear, set_clear},
    {Py_tp_iter, set_iter},
    {Py_tp_iternext, set_next},
    {Py_tp_repr, set_repr},
    {Py_tp_methods, set_methods},
    {Py_tp_getset, set_getset},
    {Py_tp_members, set_members},
    {0, NULL}};

PyType_Spec port_set_spec = {
    .name = "machool._machool.PortSet",
    .basicsize = sizeof(PortSet),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = set_slots,
};
