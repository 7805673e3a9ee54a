/* Message: what was received, as Python objects, and the right to reply. */
#include "outgoing.h"

#include <string.h>

/* By which way the memory came that was just received, as a word. */
static PyObject *transport(Py_ssize_t index)
{
    static const char *const words[] = {
        [MACHOOL_TRANSPORT_UNKNOWN] = "",        [MACHOOL_TRANSPORT_INLINE] = "inline",
        [MACHOOL_TRANSPORT_COPIED] = "copied",   [MACHOOL_TRANSPORT_SHARED] = "shared",
        [MACHOOL_TRANSPORT_CHANGES] = "changes", [MACHOOL_TRANSPORT_LENT] = "lent",
        [MACHOOL_TRANSPORT_MOVED] = "moved"};
    int how = machool_transport((unsigned)index);
    return PyUnicode_InternFromString(words[how]);
}

/* Takes one out-of-line part out of the received message: a Region, a view of it, a description. */
static bool take_part(struct state *state, mach_msg_ool_descriptor_t *descriptor, bool readonly,
                      Py_ssize_t index, PyObject **ret_view, PyObject **ret_description)
{
    *ret_description = PyStructSequence_New(state->descriptor_type);
    if (!*ret_description)
        return false;
    PyStructSequence_SetItem(*ret_description, 0,
                             PyLong_FromUnsignedLongLong((uintptr_t)descriptor->address));
    PyStructSequence_SetItem(*ret_description, 1, PyLong_FromUnsignedLong(descriptor->size));
    PyStructSequence_SetItem(*ret_description, 2, PyLong_FromLong((long)descriptor->copy));
    PyStructSequence_SetItem(*ret_description, 3, PyBool_FromLong(descriptor->deallocate != 0));
    PyStructSequence_SetItem(*ret_description, 4, transport(index));
    if (PyErr_Occurred()) /* no memory for one of the numbers */
        return false;
    vm_address_t address = (vm_address_t)(uintptr_t)descriptor->address;
    vm_size_t size = descriptor->size;
    descriptor->address = NULL; /* the Region's from here on */
    descriptor->size = 0;
    PyObject *region = region_adopt(state, address, size, readonly);
    *ret_view = region ? PyMemoryView_FromObject(region) : NULL;
    Py_XDECREF(region);
    return *ret_view != NULL;
}

static bool append(PyObject *list, PyObject *take_item)
{
    bool ok = take_item && PyList_Append(list, take_item) == 0;
    Py_XDECREF(take_item);
    return ok;
}

/* Takes one right out of the received message, and appends a Port, or None for a null right. */
static bool take_port(struct state *state, mach_port_name_t *take_name, unsigned how,
                      PyObject *list)
{
    mach_port_name_t name = *take_name;
    mach_port_right_t right = name == MACH_PORT_DEAD                ? MACH_PORT_RIGHT_DEAD_NAME
                              : how == MACH_MSG_TYPE_PORT_SEND_ONCE ? MACH_PORT_RIGHT_SEND_ONCE
                              : how == MACH_MSG_TYPE_PORT_RECEIVE   ? MACH_PORT_RIGHT_RECEIVE
                                                                    : MACH_PORT_RIGHT_SEND;
    *take_name = MACH_PORT_NULL; /* the Port's from here on */
    return append(list,
                  name == MACH_PORT_NULL ? Py_NewRef(Py_None) : port_adopt(state, name, right));
}

/* Takes the rights of an array; its memory goes with the message. */
static bool take_array(struct state *state, const char *at, PyObject *list)
{
    mach_msg_ool_ports_descriptor_t array;
    memcpy(&array, at, sizeof array);
    mach_port_name_t *names = array.address;
    for (mach_msg_size_t i = 0; i < array.count; i++) {
        if (!take_port(state, &names[i], array.disposition, list))
            return false;
    }
    return true;
}

struct lists {
    PyObject *ool, *descriptors, *ports;
};

/* One descriptor; its size in *ret_size, 0 for an unknown kind, which ends the walk. */
static bool take_descriptor(struct state *state, char *at, bool readonly, struct lists *lists,
                            size_t *ret_size)
{
    mach_msg_type_descriptor_t type;
    memcpy(&type, at, sizeof type);
    if (type.type == MACH_MSG_PORT_DESCRIPTOR) {
        mach_msg_port_descriptor_t descriptor;
        memcpy(&descriptor, at, sizeof descriptor);
        bool ok = take_port(state, &descriptor.name, descriptor.disposition, lists->ports);
        memcpy(at, &descriptor, sizeof descriptor);
        *ret_size = sizeof descriptor;
        return ok;
    }
    *ret_size = sizeof(mach_msg_ool_descriptor_t);
    if (type.type == MACH_MSG_OOL_PORTS_DESCRIPTOR)
        return take_array(state, at, lists->ports);
    if (type.type != MACH_MSG_OOL_DESCRIPTOR && type.type != MACH_MSG_OOL_VOLATILE_DESCRIPTOR)
        return true; /* a guarded right stays in the message and goes with it */
    mach_msg_ool_descriptor_t descriptor;
    PyObject *view = NULL, *description = NULL;
    memcpy(&descriptor, at, sizeof descriptor);
    bool ok = take_part(state, &descriptor, readonly, PyList_Size(lists->ool), &view, &description);
    memcpy(at, &descriptor, sizeof descriptor);
    ok = append(lists->ool, view) && ok;
    return append(lists->descriptors, description) && ok;
}

/* Walks the descriptors. Where the body starts, or NULL with an exception. */
static const char *take_descriptors(struct state *state, mach_msg_header_t *message, bool readonly,
                                    struct lists *lists)
{
    char *at = (char *)(message + 1);
    if (!(message->msgh_bits & MACH_MSGH_BITS_COMPLEX))
        return at;
    mach_msg_body_t body;
    memcpy(&body, at, sizeof body);
    at += sizeof body;
    for (mach_msg_size_t i = 0; i < body.msgh_descriptor_count; i++) {
        size_t size;
        if (!take_descriptor(state, at, readonly, lists, &size))
            return NULL;
        at += size;
    }
    return at;
}

/* The body's exact bytes: a Python sender tells how many zeros were added (see send.c). */
static PyObject *body_of(const mach_msg_header_t *message, const char *start)
{
    Py_ssize_t size = (const char *)message + message->msgh_size - start;
    Py_ssize_t padding = (Py_ssize_t)message->msgh_voucher_port;
    if (padding > 0 && padding < 4 && padding <= size)
        size -= padding;
    return PyBytes_FromStringAndSize(start, size);
}

/* Parts and rights, of a message that has any. Where the body starts, or NULL with an exception. */
static const char *fill_parts(struct state *state, Message *self, struct incoming *in,
                              bool readonly)
{
    struct lists lists = {PyList_New(0), PyList_New(0), PyList_New(0)};
    const char *start = lists.ool && lists.descriptors && lists.ports
                            ? take_descriptors(state, in->message, readonly, &lists)
                            : NULL;
    if (start) {
        self->ool = PyList_AsTuple(lists.ool);
        self->descriptors = PyList_AsTuple(lists.descriptors);
        self->ports = PyList_AsTuple(lists.ports);
    }
    Py_XDECREF(lists.ool);
    Py_XDECREF(lists.descriptors);
    Py_XDECREF(lists.ports);
    return start;
}

static const char *fill_nothing(Message *self, const struct incoming *in)
{
    self->ool = PyTuple_New(0); /* the one that all share */
    self->descriptors = Py_XNewRef(self->ool);
    self->ports = Py_XNewRef(self->ool);
    return (const char *)(in->message + 1);
}

static bool fill(struct state *state, Message *self, struct incoming *in, bool readonly)
{
    mach_msg_header_t *message = in->message;
    const mach_msg_context_trailer_t *trailer = incoming_trailer(in);
    const char *start = message->msgh_bits & MACH_MSGH_BITS_COMPLEX
                            ? fill_parts(state, self, in, readonly)
                            : fill_nothing(self, in);
    if (start)
        self->body = body_of(message, start);
    if (!start || !self->body || !self->ool || !self->descriptors || !self->ports)
        return false;
    self->id = message->msgh_id;
    self->seqno = trailer->msgh_seqno;
    self->context = trailer->msgh_context;
    self->pid = (pid_t)trailer->msgh_audit.val[5];
    self->uid = trailer->msgh_audit.val[1];
    self->gid = trailer->msgh_audit.val[2];
    self->reply_type = MACH_MSGH_BITS_REMOTE(message->msgh_bits);
    atomic_store(&self->reply_port, message->msgh_remote_port);
    message->msgh_remote_port = MACH_PORT_NULL; /* ours from here on */
    return true;
}

PyObject *message_new(struct state *state, struct incoming *in, bool readonly, PyObject *port)
{
    bool system = notification_is(in);
    PyTypeObject *type = system ? state->notification_type : state->message_type;
    allocfunc alloc = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    Message *self = (Message *)alloc(type, 0);
    if (self) {
        self->port = Py_NewRef(port ? port : Py_None);
        if (!fill(state, self, in, readonly) ||
            (system && !notification_fill(state, (Notification *)self, in->message)))
            Py_CLEAR(self);
    }
    incoming_free(in);
    return (PyObject *)self;
}

static void release_reply(Message *self)
{
    mach_port_name_t name = atomic_exchange(&self->reply_port, MACH_PORT_NULL);
    if (MACH_PORT_VALID(name))
        (void)mach_port_deallocate(mach_task_self(), name);
}

static int message_traverse(PyObject *object, visitproc visit, void *arg)
{
    Message *self = (Message *)object;
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(self->body);
    Py_VISIT(self->ool);
    Py_VISIT(self->descriptors);
    Py_VISIT(self->ports);
    Py_VISIT(self->port);
    return 0;
}

static int message_clear(PyObject *object)
{
    Message *self = (Message *)object;
    Py_CLEAR(self->body);
    Py_CLEAR(self->ool);
    Py_CLEAR(self->descriptors);
    Py_CLEAR(self->ports);
    Py_CLEAR(self->port);
    return 0;
}

static void message_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    Message *self = (Message *)object;
    PyObject_GC_UnTrack(object);
    if (self->weakrefs)
        PyObject_ClearWeakRefs(object);
    release_reply(self);
    (void)message_clear(object);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(object);
    Py_DECREF(type);
}

/* Mach lets a message to a send-once right whose port has just died vanish (S117), unless somebody
 * has looked at the name: look. */
static bool asker_gone(mach_port_name_t name)
{
    mach_port_type_t type;
    return mach_port_type(mach_task_self(), name, &type) == KERN_SUCCESS &&
           type & MACH_PORT_TYPE_DEAD_NAME;
}

/* A send right can be replied to again and again; a send-once right is used up. */
static bool send_reply(struct state *state, Message *self, struct outgoing *out,
                       int64_t milliseconds)
{
    bool once = self->reply_type == MACH_MSG_TYPE_PORT_SEND_ONCE;
    mach_port_name_t name = atomic_load(&self->reply_port);
    if (name && asker_gone(name)) {
        release_reply(self);
        raise_code(state, "mach_msg", MACH_SEND_INVALID_DEST);
        return false;
    }
    if (!outgoing_address(out, (PyObject *)self, &self->reply_port,
                          once ? MACH_PORT_RIGHT_SEND_ONCE : MACH_PORT_RIGHT_SEND)) {
        PyErr_SetString(PyExc_ValueError, "the message asks for no reply, or has been answered");
        return false;
    }
    return outgoing_send(state, out, milliseconds);
}

static PyObject *message_reply(PyObject *object, PyTypeObject *defining, PyObject *const *args,
                               Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"body", "ool", "ports", "id", "timeout"};
    PyObject *values[5];
    int64_t milliseconds;
    struct state *state = PyType_GetModuleState(defining);
    if (!arguments("reply", names, 5, 1, args, nargs, kwnames, values) ||
        !timeout_argument(values[4], &milliseconds))
        return NULL;
    const struct contents contents = {
        .body = values[0], .ool = values[1], .ports = values[2], .id = values[3]};
    struct outgoing room;
    struct outgoing *out = outgoing_new(state, &contents, &room);
    if (!out)
        return NULL;
    if (!values[3]) /* like the article's server: an answer bears the question's id */
        outgoing_header(out)->msgh_id = ((Message *)object)->id;
    bool sent = send_reply(state, (Message *)object, out, milliseconds);
    outgoing_free(out);
    if (!sent)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *message_get_has_reply(PyObject *object, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(MACH_PORT_VALID(atomic_load(&((Message *)object)->reply_port)));
}

/* Made when asked for: few ask. */
static PyObject *message_get_sender(PyObject *object, void *Py_UNUSED(closure))
{
    const Message *self = (const Message *)object;
    struct state *state = state_of(Py_TYPE(object));
    PyObject *sender = state ? PyStructSequence_New(state->sender_type) : NULL;
    if (!sender)
        return NULL;
    PyStructSequence_SetItem(sender, 0, PyLong_FromLong((long)self->pid));
    PyStructSequence_SetItem(sender, 1, PyLong_FromUnsignedLong(self->uid));
    PyStructSequence_SetItem(sender, 2, PyLong_FromUnsignedLong(self->gid));
    if (PyErr_Occurred()) /* no memory for one of the numbers */
        Py_CLEAR(sender);
    return sender;
}

static PyObject *message_repr(PyObject *object)
{
    Message *self = (Message *)object;
    return PyUnicode_FromFormat("<machool.Message id=%d, %zd bytes, %zd out-of-line parts>",
                                self->id, self->body ? PyBytes_Size(self->body) : 0,
                                self->ool ? PyTuple_Size(self->ool) : 0);
}

static PyMethodDef message_methods[] = {
    {"copy_into", (PyCFunction)(void (*)(void))message_copy_into,
     METH_METHOD | METH_FASTCALL | METH_KEYWORDS,
     "copy_into($self, /, buffer, index=0)\n--\n\n"
     "Copies an out-of-line part into `buffer`, from its start, and returns the number of bytes.\n"
     "A message without parts has its body as part 0. Raises BufferTooSmall, IndexError, and\n"
     "BufferError unless `buffer` is writable and contiguous."},
    {"reply", (PyCFunction)(void (*)(void))message_reply,
     METH_METHOD | METH_FASTCALL | METH_KEYWORDS,
     "reply($self, /, body=b'', *, ool=(), ports=(), id=None, timeout=None)\n--\n\n"
     "Answers the message. The id is the request's unless given.\n\n"
     "Raises ValueError if no reply is asked for or it has been sent, PeerDied if the asker is\n"
     "gone, TimedOut if it does not take the message in time (the reply can be tried again)."},
    {NULL, NULL, 0, NULL}};

static PyGetSetDef message_getset[] = {
    {"has_reply_port", message_get_has_reply, NULL, "Whether reply() has somewhere to go.", NULL},
    {"sender", message_get_sender, NULL, "Who sent it: pid, uid, gid, as the kernel vouches.",
     NULL},
    {NULL, NULL, NULL, NULL, NULL}};

static PyMemberDef message_members[] = {
    {"id", T_INT, offsetof(Message, id), READONLY, "The sender's number for it, 32 bits."},
    {"seqno", T_UINT, offsetof(Message, seqno), READONLY,
     "Its place among the messages received from this port, from 0."},
    {"context", T_ULONGLONG, offsetof(Message, context), READONLY,
     "The context of the port it was received from, as the trailer has it."},
    {"port", T_OBJECT_EX, offsetof(Message, port), READONLY,
     "The Port it was received from, or the member of a PortSet; None from a Server or Client."},
    {"body", T_OBJECT_EX, offsetof(Message, body), READONLY, "The inline part, bytes."},
    {"ool", T_OBJECT_EX, offsetof(Message, ool), READONLY,
     "Tuple of memoryviews over the received pages: private, writable unless asked otherwise."},
    {"descriptors", T_OBJECT_EX, offsetof(Message, descriptors), READONLY,
     "Tuple of OOLDescriptor, one for each of `ool`, as they arrived."},
    {"ports", T_OBJECT_EX, offsetof(Message, ports), READONLY,
     "Tuple of Port (None for a null right)."},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(Message, weakrefs), READONLY, NULL},
    {NULL, 0, 0, 0, NULL}};

static PyType_Slot message_slots[] = {
    {Py_tp_doc, "A received message. Dropping it unanswered tells the asker at once (PeerDied)."},
    {Py_tp_dealloc, message_dealloc},
    {Py_tp_traverse, message_traverse},
    {Py_tp_clear, message_clear},
    {Py_tp_repr, message_repr},
    {Py_tp_methods, message_methods},
    {Py_tp_getset, message_getset},
    {Py_tp_members, message_members},
    {0, NULL}};

PyType_Spec message_spec = {
    .name = "machool._machool.Message",
    .basicsize = sizeof(Message),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE |
             Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_BASETYPE,
    .slots = message_slots,
};
