/* What the layer does with this process's memory: counters, bounds, giving back. */
#include "machool.h"

#include <stddef.h>

static const struct {
    const char *name;
    size_t offset;
} counters[] = {
#define COUNTER(name) {#name, offsetof(struct machool_stats, name)}
    COUNTER(messages_sent), COUNTER(messages_received), COUNTER(bytes_inline),
    COUNTER(bytes_copied),  COUNTER(bytes_shared),      COUNTER(regions),
    COUNTER(region_bytes),  COUNTER(channels),          COUNTER(ports),
    COUNTER(idle_bytes),    COUNTER(lent_bytes),        COUNTER(borrowed_bytes),
    COUNTER(parked),        COUNTER(idle_limit),        COUNTER(lent_limit),
#undef COUNTER
};

PyObject *memory_stats(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    struct machool_stats stats;
    PyObject *dict = PyDict_New();
    machool_get_stats(&stats);
    for (size_t i = 0; dict && i < sizeof counters / sizeof *counters; i++) {
        uint64_t count = *(const uint64_t *)(const void *)((const char *)&stats +
                                                           counters[i].offset);
        PyObject *number = PyLong_FromUnsignedLongLong(count);
        if (!number || PyDict_SetItemString(dict, counters[i].name, number) < 0)
            Py_CLEAR(dict);
        Py_XDECREF(number);
    }
    return dict;
}

PyObject *memory_trim(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    Py_BEGIN_ALLOW_THREADS
    machool_trim();
    Py_END_ALLOW_THREADS
    Py_RETURN_NONE;
}

/* None: the limit that there is. */
static bool limit_argument(PyObject *value, uint64_t *limit)
{
    if (value == Py_None)
        return true;
    unsigned long long bytes = PyLong_AsUnsignedLongLong(value);
    if (bytes == (unsigned long long)-1 && PyErr_Occurred()) {
        if (PyErr_ExceptionMatches(PyExc_OverflowError)) {
            PyErr_Clear();
            PyErr_SetString(PyExc_ValueError, "a limit must be from 0 to 2**64 - 1");
        }
        return false;
    }
    *limit = bytes;
    return true;
}

PyObject *memory_set_limits(PyObject *Py_UNUSED(module), PyObject *args, PyObject *kwargs)
{
    static const char *names[] = {"idle_bytes", "lent_bytes", NULL};
    PyObject *idle = Py_None, *lent = Py_None;
    struct machool_stats stats;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|$OO:set_limits", (char **)(uintptr_t)names,
                                     &idle, &lent))
        return NULL;
    machool_get_stats(&stats);
    if (!limit_argument(idle, &stats.idle_limit) || !limit_argument(lent, &stats.lent_limit))
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    machool_set_limits(stats.idle_limit, stats.lent_limit);
    Py_END_ALLOW_THREADS
    Py_RETURN_NONE;
}
