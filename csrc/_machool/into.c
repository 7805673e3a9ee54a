/* Memory that the caller has: Message.copy_into, and recv_into of all that receives.
 *
 * Mach receives to memory of its own choice (S60), so a part is copied once, here, and its pages are
 * given back. A message that does not fit is not lost: BufferTooSmall brings it. */
#include "machool.h"

#include <string.h>

#define LARGE ((Py_ssize_t)64 << 10) /* copied with the GIL released */

/* The bytes of the caller's memory, asked for as outgoing.c asks. False with an exception. */
static bool writable_buffer(const char *call, PyObject *object, Py_buffer *ret_buffer)
{
    if (!object) {
        PyErr_Format(PyExc_TypeError, "%s() needs a buffer", call);
        return false;
    }
    if (PyObject_GetBuffer(object, ret_buffer, PyBUF_WRITABLE | PyBUF_STRIDES) < 0)
        return false;
    if (PyBuffer_IsContiguous(ret_buffer, 'C'))
        return true;
    PyBuffer_Release(ret_buffer);
    PyErr_SetString(PyExc_BufferError, "the buffer is not C-contiguous");
    return false;
}

/* What `index` means: a part, or the body of a message without any. Borrowed; NULL with IndexError. */
static PyObject *source_of(const Message *self, Py_ssize_t index)
{
    Py_ssize_t count = PyTuple_Size(self->ool);
    if (count == 0 && index == 0)
        return self->body;
    if (index >= 0 && index < count)
        return PyTuple_GetItem(self->ool, index);
    PyErr_Format(PyExc_IndexError, "no part %zd: the message has %zd", index, count);
    return NULL;
}

/* Into a buffer that is at least as large. */
static void copy(void *to, const Py_buffer *from)
{
    if (from->len < LARGE) {
        memmove(to, from->buf, (size_t)from->len); /* it may be a view of the part itself */
        return;
    }
    Py_BEGIN_ALLOW_THREADS
    memmove(to, from->buf, (size_t)from->len);
    Py_END_ALLOW_THREADS
}

/* How many bytes were copied; -1 with an exception. */
static Py_ssize_t copy_into(struct state *state, Message *self, Py_ssize_t index,
                            const Py_buffer *buffer)
{
    Py_buffer from;
    PyObject *source = source_of(self, index);
    if (!source || PyObject_GetBuffer(source, &from, PyBUF_SIMPLE) < 0)
        return -1;
    Py_ssize_t size = from.len;
    if (size <= buffer->len)
        copy(buffer->buf, &from);
    PyBuffer_Release(&from);
    if (size <= buffer->len)
        return size;
    raise_too_small(state, (PyObject *)self, size, buffer->len);
    return -1;
}

PyObject *message_copy_into(PyObject *object, PyTypeObject *defining, PyObject *const *args,
                            Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"buffer", "index"};
    PyObject *values[2];
    Py_buffer buffer;
    if (!arguments("copy_into", names, 2, 2, args, nargs, kwnames, values))
        return NULL;
    Py_ssize_t index = values[1] ? PyNumber_AsSsize_t(values[1], PyExc_IndexError) : 0;
    if ((index == -1 && PyErr_Occurred()) || !writable_buffer("copy_into", values[0], &buffer))
        return NULL;
    Py_ssize_t size = copy_into(PyType_GetModuleState(defining), (Message *)object, index, &buffer);
    PyBuffer_Release(&buffer);
    return size < 0 ? NULL : PyLong_FromSsize_t(size);
}

/* The tuple with another first item; takes that, NULL with an exception. */
static PyObject *with_first(PyObject *tuple, PyObject *take_first)
{
    Py_ssize_t count = PyTuple_Size(tuple);
    PyObject *changed = take_first ? PyTuple_New(count) : NULL;
    if (!changed) {
        Py_XDECREF(take_first);
        return NULL;
    }
    PyTuple_SetItem(changed, 0, take_first);
    for (Py_ssize_t i = 1; i < count; i++)
        PyTuple_SetItem(changed, i, Py_NewRef(PyTuple_GetItem(tuple, i)));
    return changed;
}

static PyObject *empty_view(void)
{
    PyObject *nothing = PyBytes_FromStringAndSize(NULL, 0);
    PyObject *view = nothing ? PyMemoryView_FromObject(nothing) : NULL;
    Py_XDECREF(nothing);
    return view;
}

/* As it arrived, but for the address, where nothing is any more. */
static PyObject *without_address(struct state *state, PyObject *description)
{
    PyObject *changed = PyStructSequence_New(state->descriptor_type);
    if (!changed)
        return NULL;
    PyStructSequence_SetItem(changed, 0, PyLong_FromLong(0));
    for (Py_ssize_t i = 1; i < 5; i++)
        PyStructSequence_SetItem(changed, i, Py_NewRef(PyStructSequence_GetItem(description, i)));
    return changed;
}

/* The first part's memory goes. The message is new: nobody else has it, or a view of it. */
static bool drop_first(struct state *state, Message *self)
{
    if (PyTuple_Size(self->ool) == 0)
        return true;
    PyObject *ool = with_first(self->ool, empty_view());
    PyObject *descriptors = with_first(
        self->descriptors, without_address(state, PyTuple_GetItem(self->descriptors, 0)));
    if (!ool || !descriptors) {
        Py_XDECREF(ool);
        Py_XDECREF(descriptors);
        return false;
    }
    PyObject *whole = self->ool, *whole_descriptors = self->descriptors;
    self->ool = ool;
    self->descriptors = descriptors;
    Py_DECREF(whole);
    Py_DECREF(whole_descriptors);
    return true;
}

/* What receive() of that object, maybe a subclass's own, has got. NULL with an exception. */
static PyObject *receive(struct state *state, PyObject *object, PyObject *timeout)
{
    PyObject *message = timeout ? PyObject_CallMethod(object, "receive", "(O)", timeout)
                                : PyObject_CallMethod(object, "receive", NULL);
    if (message && !PyObject_TypeCheck(message, state->message_type)) {
        PyErr_SetString(PyExc_TypeError, "receive() returned no Message");
        Py_CLEAR(message);
    }
    return message;
}

PyObject *recv_into(PyObject *object, PyTypeObject *defining, PyObject *const *args,
                    Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"buffer", "timeout"};
    PyObject *values[2];
    Py_buffer buffer;
    struct state *state = PyType_GetModuleState(defining);
    if (!arguments("recv_into", names, 2, 2, args, nargs, kwnames, values) ||
        !writable_buffer("recv_into", values[0], &buffer))
        return NULL;
    PyObject *message = receive(state, object, values[1]);
    Py_ssize_t size = message ? copy_into(state, (Message *)message, 0, &buffer) : -1;
    PyBuffer_Release(&buffer);
    if (size < 0 || !drop_first(state, (Message *)message)) {
        Py_XDECREF(message);
        return NULL;
    }
    return Py_BuildValue("nN", size, message);
}
