/* The module: state, types, definition.
 *
 * Three definitions that differ in their slots alone: an interpreter refuses slots it does not
 * know, and an abi3 module meets all of them. PyInit_ picks one by the running version; filling
 * one array at run time would be a race between interpreters with GILs of their own. */
#include "machool.h"

static int module_exec(PyObject *module);
static int module_traverse(PyObject *module, visitproc visit, void *arg);
static int module_clear(PyObject *module);
static void module_free(void *module);

static PyMethodDef methods[] = {
    {"stats", memory_stats, METH_NOARGS,
     "stats($module, /)\n--\n\n"
     "Counters of this process: messages, bytes by the way they travelled, regions, channels,\n"
     "names; memory that came back and lies idle, that is with other tasks (lent), or is theirs\n"
     "(borrowed), in bytes; mappings parked for it; the limits. What the system does not tell is 0."},
    {"trim", memory_trim, METH_NOARGS,
     "trim($module, /)\n--\n\n"
     "Gives memory that came back from other tasks, and lies idle, back to the system."},
    {"set_limits", (PyCFunction)(void (*)(void))memory_set_limits, METH_VARARGS | METH_KEYWORDS,
     "set_limits($module, /, *, idle_bytes=None, lent_bytes=None)\n--\n\n"
     "How many bytes may lie idle in this process until they travel again, and how many may be\n"
     "with other tasks at a time; None leaves a limit as it is. Above the second, and when it is 0,\n"
     "memory travels in sealed objects of its own, which takes longer. stats() has both."},
    {"names", space_names, METH_NOARGS,
     "names($module, /)\n--\n\n"
     "The names in this task's space: a dict of name to MACH_PORT_TYPE_ bits."},
    {NULL, NULL, 0, NULL}};

static PyModuleDef_Slot slots_3_11[] = {{Py_mod_exec, module_exec}, {0, NULL}};
static PyModuleDef_Slot slots_3_12[] = {
    {Py_mod_exec, module_exec}, {SLOT_MULTIPLE_INTERPRETERS, PER_INTERPRETER_GIL}, {0, NULL}};
static PyModuleDef_Slot slots_3_13[] = {{Py_mod_exec, module_exec},
                                        {SLOT_MULTIPLE_INTERPRETERS, PER_INTERPRETER_GIL},
                                        {SLOT_GIL, GIL_NOT_USED},
                                        {0, NULL}};

#define DEFINITION(slots)                                                                          \
    {                                                                                              \
        PyModuleDef_HEAD_INIT,                                                                     \
        .m_name = "machool._machool",                                                              \
        .m_doc = "Mach messages with out-of-line memory. Use it as `machool`.",                    \
        .m_size = sizeof(struct state),                                                            \
        .m_methods = methods,                                                                      \
        .m_slots = (slots),                                                                        \
        .m_traverse = module_traverse,                                                             \
        .m_clear = module_clear,                                                                   \
        .m_free = module_free,                                                                     \
    }

static PyModuleDef definition_3_11 = DEFINITION(slots_3_11);
static PyModuleDef definition_3_12 = DEFINITION(slots_3_12);
static PyModuleDef definition_3_13 = DEFINITION(slots_3_13);

static PyModuleDef *definition(void)
{
    return running_version() >= VERSION_3_13   ? &definition_3_13
           : running_version() >= VERSION_3_12 ? &definition_3_12
                                               : &definition_3_11;
}

struct state *state_of(PyTypeObject *type)
{
    for (PyTypeObject *at = type; at; at = PyType_GetSlot(at, Py_tp_base)) {
        PyObject *module = PyType_GetFlags(at) & Py_TPFLAGS_HEAPTYPE ? PyType_GetModule(at) : NULL;
        if (module && PyModule_GetDef(module) == definition())
            return PyModule_GetState(module);
        PyErr_Clear();
    }
    PyErr_SetString(PyExc_TypeError, "not a type of machool");
    return NULL;
}

static PyStructSequence_Field descriptor_fields[] = {
    {"address", "where the memory was mapped"},
    {"size", "exact bytes"},
    {"copy", "the sender's copy option, unchanged: not a report of what happened (S46)"},
    {"deallocate", "true for a virtual copy (S47)"},
    {"transport", "by which way it came, or ''"},
    {NULL, NULL}};
static PyStructSequence_Desc descriptor_desc = {"machool._machool.OOLDescriptor",
                                                "An out-of-line descriptor as it arrived.",
                                                descriptor_fields, 4};
static PyStructSequence_Field sender_fields[] = {
    {"pid", "process"}, {"uid", "effective user"}, {"gid", "effective group"}, {NULL, NULL}};
static PyStructSequence_Desc sender_desc = {
    "machool._machool.Sender", "Who sent a message, as the kernel vouches.", sender_fields, 3};

static PyStructSequence_Field status_fields[] = {
    {"seqno", "number of the next message received"},
    {"mscount", "send rights made so far"},
    {"qlimit", "queue limit"},
    {"msgcount", "messages queued"},
    {"sorights", "send-once rights that exist"},
    {"srights", "whether any send right exists"},
    {"pdrequest", "whether a PORT_DESTROYED notification is asked for"},
    {"nsrequest", "whether a NO_SENDERS notification is asked for"},
    {"flags", "MACH_PORT_STATUS_FLAG_ bits"},
    {NULL, NULL}};
static PyStructSequence_Desc status_desc = {"machool._machool.PortStatus",
                                            "What a receive right tells of its port (S140).",
                                            status_fields, 9};

/* Makes a heap type and adds it under the last part of its name. */
static bool add_type(PyObject *module, PyType_Spec *spec, PyTypeObject *base,
                     PyTypeObject **ret_type)
{
    *ret_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, spec, (PyObject *)base);
    return *ret_type && PyModule_AddType(module, *ret_type) == 0;
}

static bool add_sequence(PyObject *module, PyStructSequence_Desc *desc, PyTypeObject **ret_type)
{
    *ret_type = PyStructSequence_NewType(desc);
    return *ret_type && PyModule_AddType(module, *ret_type) == 0;
}

static int module_exec(PyObject *module)
{
    struct state *state = PyModule_GetState(module);
    bool ok = add_type(module, &region_spec, NULL, &state->region_type) &&
              add_type(module, &ool_spec, NULL, &state->ool_type) &&
              add_type(module, &message_spec, NULL, &state->message_type) &&
              add_type(module, &notification_spec, state->message_type,
                       &state->notification_type) &&
              add_type(module, &port_spec, NULL, &state->port_type) &&
              add_type(module, &move_spec, NULL, &state->move_type) &&
              add_type(module, &port_set_spec, NULL, &state->port_set_type) &&
              add_type(module, &server_spec, NULL, &state->server_type) &&
              add_type(module, &client_spec, NULL, &state->client_type) &&
              add_sequence(module, &status_desc, &state->status_type) &&
              add_sequence(module, &descriptor_desc, &state->descriptor_type) &&
              add_sequence(module, &sender_desc, &state->sender_type) &&
              constants_add(module) == 0 &&
              PyModule_AddIntConstant(module, "page_size", (long)vm_page_size) == 0 &&
              PyModule_AddStringConstant(module, "version", machool_version()) == 0;
    return ok ? 0 : -1;
}

static int module_traverse(PyObject *module, visitproc visit, void *arg)
{
    struct state *state = PyModule_GetState(module);
    Py_VISIT(state->region_type);
    Py_VISIT(state->ool_type);
    Py_VISIT(state->message_type);
    Py_VISIT(state->notification_type);
    Py_VISIT(state->port_type);
    Py_VISIT(state->move_type);
    Py_VISIT(state->port_set_type);
    Py_VISIT(state->server_type);
    Py_VISIT(state->client_type);
    Py_VISIT(state->descriptor_type);
    Py_VISIT(state->sender_type);
    Py_VISIT(state->status_type);
    Py_VISIT(state->errors);
    return 0;
}

static int module_clear(PyObject *module)
{
    struct state *state = PyModule_GetState(module);
    Py_CLEAR(state->region_type);
    Py_CLEAR(state->ool_type);
    Py_CLEAR(state->message_type);
    Py_CLEAR(state->notification_type);
    Py_CLEAR(state->port_type);
    Py_CLEAR(state->move_type);
    Py_CLEAR(state->port_set_type);
    Py_CLEAR(state->server_type);
    Py_CLEAR(state->client_type);
    Py_CLEAR(state->descriptor_type);
    Py_CLEAR(state->sender_type);
    Py_CLEAR(state->status_type);
    Py_CLEAR(state->errors);
    return 0;
}

static void module_free(void *module)
{
    (void)module_clear(module);
}

PyMODINIT_FUNC PyInit__machool(void);
PyMODINIT_FUNC PyInit__machool(void)
{
    return PyModuleDef_Init(definition());
}
