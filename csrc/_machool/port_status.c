/* What a Port tells about its port, and what can be set. */
#include "machool.h"

/* The name, or 0 with ValueError: closed, or not a receive right. */
static mach_port_name_t receive_name(PyObject *object)
{
    Port *self = (Port *)object;
    if (self->right == MACH_PORT_RIGHT_RECEIVE)
        return port_name(object);
    PyErr_SetString(PyExc_ValueError, "this takes a receive right");
    return MACH_PORT_NULL;
}

static bool read_status(PyObject *object, mach_port_status_t *ret_status)
{
    struct state *state = state_of(Py_TYPE(object));
    mach_port_name_t name = state ? receive_name(object) : MACH_PORT_NULL;
    mach_msg_type_number_t count = MACH_PORT_RECEIVE_STATUS_COUNT;
    if (!name)
        return false;
    kern_return_t kr = mach_port_get_attributes(mach_task_self(), name, MACH_PORT_RECEIVE_STATUS,
                                                (mach_port_info_t)ret_status, &count);
    if (kr != KERN_SUCCESS)
        raise_code(state, "mach_port_get_attributes", kr);
    return kr == KERN_SUCCESS;
}

PyObject *port_get_status(PyObject *object, void *Py_UNUSED(closure))
{
    mach_port_status_t status;
    if (!read_status(object, &status))
        return NULL;
    PyObject *result = PyStructSequence_New(state_of(Py_TYPE(object))->status_type);
    if (!result)
        return NULL;
    const unsigned long numbers[] = {status.mps_seqno, status.mps_mscount, status.mps_qlimit,
                                     status.mps_msgcount, status.mps_sorights};
    for (Py_ssize_t i = 0; i < 5; i++)
        PyStructSequence_SetItem(result, i, PyLong_FromUnsignedLong(numbers[i]));
    PyStructSequence_SetItem(result, 5, PyBool_FromLong(status.mps_srights));
    PyStructSequence_SetItem(result, 6, PyBool_FromLong(status.mps_pdrequest));
    PyStructSequence_SetItem(result, 7, PyBool_FromLong(status.mps_nsrequest));
    PyStructSequence_SetItem(result, 8, PyLong_FromUnsignedLong(status.mps_flags));
    if (PyErr_Occurred()) /* no memory for one of the numbers */
        Py_CLEAR(result);
    return result;
}

PyObject *port_get_queue_limit(PyObject *object, void *Py_UNUSED(closure))
{
    mach_port_status_t status;
    return read_status(object, &status) ? PyLong_FromUnsignedLong(status.mps_qlimit) : NULL;
}

bool port_limit(struct state *state, mach_port_name_t name, PyObject *value)
{
    long limit = PyLong_AsLong(value);
    if (limit == -1 && PyErr_Occurred())
        return false;
    if (limit < 0 || limit > (long)MACH_PORT_QLIMIT_MAX) {
        PyErr_Format(PyExc_ValueError, "queue_limit must be 0 to %d", (int)MACH_PORT_QLIMIT_MAX);
        return false;
    }
    mach_port_limits_t limits = {.mpl_qlimit = (mach_port_msgcount_t)limit};
    kern_return_t kr = mach_port_set_attributes(mach_task_self(), name, MACH_PORT_LIMITS_INFO,
                                                (mach_port_info_t)&limits,
                                                MACH_PORT_LIMITS_INFO_COUNT);
    if (kr != KERN_SUCCESS)
        raise_code(state, "mach_port_set_attributes", kr);
    return kr == KERN_SUCCESS;
}

static bool refuse_deletion(PyObject *value)
{
    if (!value)
        PyErr_SetString(PyExc_AttributeError, "it cannot be deleted");
    return !value;
}

int port_set_queue_limit(PyObject *object, PyObject *value, void *Py_UNUSED(closure))
{
    struct state *state = state_of(Py_TYPE(object));
    mach_port_name_t name = refuse_deletion(value) || !state ? MACH_PORT_NULL
                                                             : receive_name(object);
    return name && port_limit(state, name, value) ? 0 : -1;
}

PyObject *port_get_context(PyObject *object, void *Py_UNUSED(closure))
{
    struct state *state = state_of(Py_TYPE(object));
    mach_port_name_t name = state ? receive_name(object) : MACH_PORT_NULL;
    mach_port_context_t context;
    if (!name)
        return NULL;
    kern_return_t kr = mach_port_get_context(mach_task_self(), name, &context);
    return kr == KERN_SUCCESS ? PyLong_FromUnsignedLongLong(context)
                              : raise_code(state, "mach_port_get_context", kr);
}

int port_set_context(PyObject *object, PyObject *value, void *Py_UNUSED(closure))
{
    struct state *state = state_of(Py_TYPE(object));
    mach_port_name_t name = refuse_deletion(value) || !state ? MACH_PORT_NULL
                                                             : receive_name(object);
    if (!name)
        return -1;
    unsigned long long context = PyLong_AsUnsignedLongLong(value);
    if (PyErr_Occurred())
        return -1;
    kern_return_t kr = mach_port_set_context(mach_task_self(), name, (mach_port_context_t)context);
    if (kr != KERN_SUCCESS)
        raise_code(state, "mach_port_set_context", kr);
    return kr == KERN_SUCCESS ? 0 : -1;
}

PyObject *port_get_refs(PyObject *object, void *Py_UNUSED(closure))
{
    struct state *state = state_of(Py_TYPE(object));
    mach_port_name_t name = state ? port_name(object) : MACH_PORT_NULL;
    mach_port_right_t right = ((Port *)object)->right;
    mach_port_urefs_t refs = 0;
    if (!name)
        return NULL;
    kern_return_t kr = mach_port_get_refs(mach_task_self(), name, right, &refs);
    if (kr == KERN_SUCCESS && refs == 0) /* the port has died since */
        kr = mach_port_get_refs(mach_task_self(), name, MACH_PORT_RIGHT_DEAD_NAME, &refs);
    return kr == KERN_SUCCESS ? PyLong_FromUnsignedLong(refs)
                              : raise_code(state, "mach_port_get_refs", kr);
}

PyObject *port_get_dead(PyObject *object, void *Py_UNUSED(closure))
{
    Port *self = (Port *)object;
    mach_port_name_t name = atomic_load(&self->name);
    mach_port_type_t type = 0;
    if (self->right == MACH_PORT_RIGHT_DEAD_NAME || name == MACH_PORT_DEAD)
        Py_RETURN_TRUE;
    if (name)
        (void)mach_port_type(mach_task_self(), name, &type);
    return PyBool_FromLong((type & MACH_PORT_TYPE_DEAD_NAME) != 0);
}
