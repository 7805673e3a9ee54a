/* names(): what the task's space holds. */
#include "machool.h"

/* dict: name -> the types it has, as a number. */
static PyObject *as_dict(const mach_port_name_t *names, const mach_port_type_t *types,
                         mach_msg_type_number_t count)
{
    PyObject *dict = PyDict_New();
    for (mach_msg_type_number_t i = 0; dict && i < count; i++) {
        PyObject *name = PyLong_FromUnsignedLong(names[i]);
        PyObject *type = PyLong_FromUnsignedLong(types[i]);
        if (!name || !type || PyDict_SetItem(dict, name, type) < 0)
            Py_CLEAR(dict);
        Py_XDECREF(name);
        Py_XDECREF(type);
    }
    return dict;
}

PyObject *space_names(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    mach_port_name_array_t names = NULL;
    mach_port_type_array_t types = NULL;
    mach_msg_type_number_t name_count = 0, type_count = 0;
    kern_return_t kr = mach_port_names(mach_task_self(), &names, &name_count, &types, &type_count);
    if (kr != KERN_SUCCESS)
        return raise_code(PyModule_GetState(module), "mach_port_names", kr);
    PyObject *dict = as_dict(names, types, name_count < type_count ? name_count : type_count);
    (void)vm_deallocate(mach_task_self(), (vm_address_t)names, name_count * sizeof *names);
    (void)vm_deallocate(mach_task_self(), (vm_address_t)types, type_count * sizeof *types);
    return dict;
}
