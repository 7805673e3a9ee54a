/* Notification: a message of the system's own about a right, and how one asks for it. */
#include "machool.h"

#include <mach/notify.h>
#include <string.h>

bool notification_is(const struct incoming *in)
{
    mach_msg_id_t id = in->message->msgh_id;
    return id >= MACH_NOTIFY_FIRST && id <= MACH_NOTIFY_LAST && incoming_is_kernels(in);
}

/* The word that follows the NDR record: a name, or a count. */
static unsigned word_of(const mach_msg_header_t *message)
{
    unsigned word;
    if (message->msgh_bits & MACH_MSGH_BITS_COMPLEX ||
        message->msgh_size < sizeof *message + sizeof(NDR_record_t) + sizeof word)
        return 0;
    memcpy(&word, (const char *)(message + 1) + sizeof(NDR_record_t), sizeof word);
    return word;
}

bool notification_fill(struct state *state, Notification *self, const mach_msg_header_t *message)
{
    unsigned word = word_of(message);
    if (message->msgh_id == MACH_NOTIFY_NO_SENDERS)
        self->count = word;
    else
        self->name = word;
    if (message->msgh_id != MACH_NOTIFY_DEAD_NAME)
        return true;
    /* The name has one reference more on that account (S132), which is the receiver's. */
    PyObject *port = port_adopt(state, self->name, MACH_PORT_RIGHT_DEAD_NAME);
    PyObject *ports = port ? PyTuple_Pack(1, port) : NULL;
    Py_XDECREF(port);
    if (!ports)
        return false;
    Py_DECREF(
        self->message.ports); /* an empty tuple: no other notification of this kind brings one */
    self->message.ports = ports;
    return true;
}

static PyObject *notification_get_kind(PyObject *object, void *Py_UNUSED(closure))
{
    PyObject *enums = PyImport_ImportModule("machool.enums");
    PyObject *kind = enums ? PyObject_CallMethod(enums, "NotificationKind", "i",
                                                 ((Notification *)object)->message.id)
                           : NULL;
    Py_XDECREF(enums);
    return kind;
}

static PyObject *notification_repr(PyObject *object)
{
    Notification *self = (Notification *)object;
    return PyUnicode_FromFormat("<machool.Notification id=%d, name=0x%x, count=%u>",
                                self->message.id, (int)self->name, self->count);
}

static PyGetSetDef notification_getset[] = {
    {"kind", notification_get_kind, NULL, "What happened: a NotificationKind.", NULL},
    {NULL, NULL, NULL, NULL, NULL}};

static PyMemberDef notification_members[] = {
    {"name", T_UINT, offsetof(Notification, name), READONLY,
     "The Mach name that it is about (DEAD_NAME, PORT_DELETED, SEND_POSSIBLE), else 0."},
    {"count", T_UINT, offsetof(Notification, count), READONLY,
     "NO_SENDERS: how many send rights had been made; else 0."},
    {NULL, 0, 0, 0, NULL}};

static PyType_Slot notification_slots[] = {
    {Py_tp_doc,
     "A message of the system's own about a right. Nobody can forge one: what merely looks like\n"
     "it is a plain Message. DEAD_NAME brings the dead name in `ports`, PORT_DESTROYED the\n"
     "receive right."},
    {Py_tp_repr, notification_repr},
    {Py_tp_getset, notification_getset},
    {Py_tp_members, notification_members},
    {0, NULL}};

/* Collected as a Message is: the flag and the functions are inherited. */
PyType_Spec notification_spec = {
    .name = "machool._machool.Notification",
    .basicsize = sizeof(Notification),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = notification_slots,
};

/* The send-once right that the notification will use, made from or taken of `notify`. */
static bool notify_right(struct state *state, PyObject *notify, mach_port_name_t *ret_name,
                         mach_msg_type_name_t *ret_how)
{
    *ret_name = MACH_PORT_NULL;
    *ret_how = MACH_MSG_TYPE_MAKE_SEND_ONCE;
    if (notify == Py_None)
        return true;
    Port *port = Py_IS_TYPE(notify, state->port_type) ? (Port *)notify : NULL;
    if (!port ||
        (port->right != MACH_PORT_RIGHT_RECEIVE && port->right != MACH_PORT_RIGHT_SEND_ONCE)) {
        PyErr_SetString(PyExc_TypeError, "notify must be None or a Port with a receive or "
                                         "send-once right");
        return false;
    }
    if (port->right == MACH_PORT_RIGHT_SEND_ONCE) {
        *ret_how = MACH_MSG_TYPE_MOVE_SEND_ONCE;
        *ret_name = atomic_exchange(&port->name, MACH_PORT_NULL);
    } else {
        *ret_name = atomic_load(&port->name);
    }
    if (!*ret_name)
        PyErr_SetString(PyExc_ValueError, "the port is closed");
    return *ret_name != MACH_PORT_NULL;
}

PyObject *port_request_notification(PyObject *object, PyTypeObject *defining, PyObject *const *args,
                                    Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"kind", "notify", "sync"};
    PyObject *values[3];
    struct state *state = PyType_GetModuleState(defining);
    mach_port_name_t name = port_name(object), notify;
    mach_port_t previous = MACH_PORT_NULL;
    mach_msg_type_name_t how;
    if (!name || !arguments("request_notification", names, 3, 2, args, nargs, kwnames, values))
        return NULL;
    if (!values[0] || !values[1]) {
        PyErr_SetString(PyExc_TypeError, "request_notification() takes a kind and a notify port");
        return NULL;
    }
    long kind = PyLong_AsLong(values[0]);
    unsigned long sync = values[2] ? PyLong_AsUnsignedLong(values[2]) : 0;
    if (PyErr_Occurred() || !notify_right(state, values[1], &notify, &how))
        return NULL;
    kern_return_t kr = mach_port_request_notification(mach_task_self(), name, (mach_msg_id_t)kind,
                                                      (mach_port_mscount_t)sync, notify, how,
                                                      &previous);
    if (kr != KERN_SUCCESS) {
        if (how == MACH_MSG_TYPE_MOVE_SEND_ONCE) /* an error consumes nothing */
            atomic_store(&((Port *)values[1])->name, notify);
        return raise_code(state, "mach_port_request_notification", kr);
    }
    if (previous == MACH_PORT_NULL)
        Py_RETURN_NONE;
    return port_adopt(state, previous, MACH_PORT_RIGHT_SEND_ONCE);
}
