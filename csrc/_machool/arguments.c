/* Arguments of FASTCALL methods: a hot path is no place for a format string. */
#include "machool.h"

#include <math.h>

/* Index of a keyword among the names, or -1. */
static int find_name(const char *const *names, unsigned count, PyObject *keyword)
{
    for (unsigned i = 0; i < count; i++) {
        if (PyUnicode_CompareWithASCIIString(keyword, names[i]) == 0)
            return (int)i;
    }
    return -1;
}

bool arguments(const char *call, const char *const *names, unsigned count, unsigned positional,
               PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames, PyObject **values)
{
    if (nargs > (Py_ssize_t)positional) {
        PyErr_Format(PyExc_TypeError, "%s() takes at most %u positional arguments (%zd given)",
                     call, positional, nargs);
        return false;
    }
    for (unsigned i = 0; i < count; i++)
        values[i] = (Py_ssize_t)i < nargs ? args[i] : NULL;
    Py_ssize_t keywords = kwnames ? PyTuple_Size(kwnames) : 0;
    for (Py_ssize_t i = 0; i < keywords; i++) {
        PyObject *keyword = PyTuple_GetItem(kwnames, i);
        int at = find_name(names, count, keyword);
        if (at < 0 || values[at]) {
            PyErr_Format(PyExc_TypeError, "%s() got %s argument '%U'", call,
                         at < 0 ? "an unexpected keyword" : "multiple values for", keyword);
            return false;
        }
        values[at] = args[nargs + i];
    }
    return true;
}

bool timeout_argument(PyObject *value, int64_t *ret_milliseconds)
{
    *ret_milliseconds = -1;
    if (!value || value == Py_None)
        return true;
    double seconds = PyFloat_AsDouble(value);
    if (seconds == -1.0 && PyErr_Occurred())
        return false;
    if (isnan(seconds) || seconds < 0) {
        PyErr_SetString(PyExc_ValueError, "timeout must be None or a number of seconds >= 0");
        return false;
    }
    double milliseconds = ceil(seconds * 1000.0);
    *ret_milliseconds = milliseconds > 4e9 ? -1 : (int64_t)milliseconds; /* seven weeks: for ever */
    return true;
}

bool id_argument(PyObject *value, mach_msg_id_t *ret_id)
{
    *ret_id = 0;
    if (!value)
        return true;
    long long id = PyLong_AsLongLong(value);
    if (id == -1 && PyErr_Occurred())
        return false;
    if (id < INT32_MIN || id > UINT32_MAX) {
        PyErr_SetString(PyExc_ValueError, "id must fit in 32 bits");
        return false;
    }
    *ret_id = (mach_msg_id_t)(uint32_t)id;
    return true;
}
