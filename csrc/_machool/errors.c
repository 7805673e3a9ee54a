/* Mach codes become exceptions here, and nowhere else; so does a buffer that is too small. */
#include "machool.h"

/* machool.errors, borrowed; NULL with an exception. */
static PyObject *errors_of(struct state *state)
{
    if (!state->errors)
        state->errors = PyImport_ImportModule("machool.errors");
    return state->errors;
}

static void raise_made(PyObject *take_error)
{
    if (take_error)
        PyErr_SetObject((PyObject *)Py_TYPE(take_error), take_error);
    Py_XDECREF(take_error);
}

PyObject *raise_code(struct state *state, const char *call, kern_return_t code)
{
    if (!errors_of(state))
        return NULL;
    const char *text = mach_error_string(code);
    raise_made(
        PyObject_CallMethod(state->errors, "from_code", "sis", call, (int)code, text ? text : ""));
    return NULL;
}

void raise_too_small(struct state *state, PyObject *message, Py_ssize_t needed, Py_ssize_t size)
{
    if (errors_of(state))
        raise_made(
            PyObject_CallMethod(state->errors, "BufferTooSmall", "Onn", message, needed, size));
}
