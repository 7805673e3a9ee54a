/* Mach codes become exceptions here, and nowhere else. */
#include "machool.h"

PyObject *raise_code(struct state *state, const char *call, kern_return_t code)
{
    if (!state->errors)
        state->errors = PyImport_ImportModule("machool.errors");
    if (!state->errors)
        return NULL;
    const char *text = mach_error_string(code);
    PyObject *error = PyObject_CallMethod(state->errors, "from_code", "sis", call, (int)code,
                                          text ? text : "");
    if (error) {
        PyErr_SetObject((PyObject *)Py_TYPE(error), error);
        Py_DECREF(error);
    }
    return NULL;
}
