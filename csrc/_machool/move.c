/* Move: a right that is to go with a message instead of being copied. */
#include "machool.h"

static PyObject *move_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static const char *names[] = {"port", NULL};
    PyObject *port;
    struct state *state = state_of(type);
    if (!state || !PyArg_ParseTupleAndKeywords(args, kwargs, "O!:Move", (char **)(uintptr_t)names,
                                               state->port_type, &port))
        return NULL;
    allocfunc alloc = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    Move *self = (Move *)alloc(type, 0);
    if (self)
        self->port = Py_NewRef(port);
    return (PyObject *)self;
}

static int move_traverse(PyObject *object, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(((Move *)object)->port);
    return 0;
}

static int move_clear(PyObject *object)
{
    Py_CLEAR(((Move *)object)->port);
    return 0;
}

static void move_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    PyObject_GC_UnTrack(object);
    (void)move_clear(object);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(object);
    Py_DECREF(type);
}

static PyObject *move_repr(PyObject *object)
{
    return PyUnicode_FromFormat("Move(%R)", ((Move *)object)->port);
}

static PyMemberDef move_members[] = {
    {"port", T_OBJECT_EX, offsetof(Move, port), READONLY, "The Port whose right will go."},
    {NULL, 0, 0, 0, NULL}};

static PyType_Slot move_slots[] = {
    {Py_tp_doc,
     "Move(port)\n--\n\n"
     "In `ports=` or `reply=`: the right itself goes to the receiver, and the Port is closed once\n"
     "the message has been sent; after a failed send it has its right again. A receive right\n"
     "takes its queue along, and whoever sends to it notices nothing."},
    {Py_tp_new, move_new},
    {Py_tp_dealloc, move_dealloc},
    {Py_tp_traverse, move_traverse},
    {Py_tp_clear, move_clear},
    {Py_tp_repr, move_repr},
    {Py_tp_members, move_members},
    {0, NULL}};

PyType_Spec move_spec = {
    .name = "machool._machool.Move",
    .basicsize = sizeof(Move),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = move_slots,
};
