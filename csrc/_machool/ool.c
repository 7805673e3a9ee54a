/* OOL: one out-of-line descriptor to send, before it is sent. */
#include "machool.h"

static PyObject *ool_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static const char *names[] = {"buffer", "copy", "deallocate", NULL};
    PyObject *buffer;
    int copy = MACH_MSG_VIRTUAL_COPY, deallocate = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|$ip:OOL", (char **)(uintptr_t)names, &buffer,
                                     &copy, &deallocate))
        return NULL;
    struct state *state = state_of(type);
    if (!state)
        return NULL;
    if (copy != MACH_MSG_VIRTUAL_COPY && copy != MACH_MSG_PHYSICAL_COPY) {
        PyErr_SetString(PyExc_ValueError, "copy must be VIRTUAL_COPY or PHYSICAL_COPY");
        return NULL;
    }
    if (!PyObject_CheckBuffer(buffer)) {
        PyErr_Format(PyExc_TypeError, "a bytes-like object is required, not %R",
                     (PyObject *)Py_TYPE(buffer));
        return NULL;
    }
    if (deallocate && !Py_IS_TYPE(buffer, state->region_type)) {
        PyErr_SetString(PyExc_ValueError, "only a Region can be sent with deallocate=True");
        return NULL;
    }
    allocfunc alloc = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    Ool *self = (Ool *)alloc(type, 0);
    if (!self)
        return NULL;
    self->buffer = Py_NewRef(buffer);
    self->copy = copy;
    self->deallocate = deallocate;
    return (PyObject *)self;
}

static int ool_traverse(PyObject *object, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(((Ool *)object)->buffer);
    return 0;
}

static int ool_clear(PyObject *object)
{
    Py_CLEAR(((Ool *)object)->buffer);
    return 0;
}

static void ool_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    PyObject_GC_UnTrack(object);
    (void)ool_clear(object);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(object);
    Py_DECREF(type);
}

static PyObject *ool_repr(PyObject *object)
{
    Ool *self = (Ool *)object;
    return PyUnicode_FromFormat("OOL(%R, copy=%d, deallocate=%s)", self->buffer, self->copy,
                                self->deallocate ? "True" : "False");
}

static PyMemberDef ool_members[] = {
    {"buffer", T_OBJECT_EX, offsetof(Ool, buffer), READONLY, "What will be sent."},
    {"copy", T_INT, offsetof(Ool, copy), READONLY, "VIRTUAL_COPY or PHYSICAL_COPY."},
    {"deallocate", T_BOOL, offsetof(Ool, deallocate), READONLY,
     "Whether the memory moves away from this task."},
    {NULL, 0, 0, 0, NULL}};

static PyType_Slot ool_slots[] = {
    {Py_tp_doc,
     "OOL(buffer, *, copy=VIRTUAL_COPY, deallocate=False)\n--\n\n"
     "One out-of-line part of a message to be sent.\n\n"
     "The receiver gets a private snapshot of the buffer's bytes as they are when it is sent.\n"
     "With deallocate=True a Region moves: sending raises BufferError while views of it exist,\n"
     "and afterwards its `moved` is true. At most 4 GiB - 1 bytes."},
    {Py_tp_new, ool_new},
    {Py_tp_dealloc, ool_dealloc},
    {Py_tp_traverse, ool_traverse},
    {Py_tp_clear, ool_clear},
    {Py_tp_repr, ool_repr},
    {Py_tp_members, ool_members},
    {0, NULL}};

PyType_Spec ool_spec = {
    .name = "machool._machool.OOL",
    .basicsize = sizeof(Ool),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = ool_slots,
};
