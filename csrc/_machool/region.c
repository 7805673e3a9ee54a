/* Region: sole owner of one range of memory.
 *
 * States: open; sending (a move is under way); moved; closed. In the last two no new view can be
 * had. The pages are replaced by untouched zero pages as soon as nothing can rightfully look at
 * them (moved; or closed, and the last view gone), which gives the memory back, and the range
 * itself is deallocated when the object dies: an array made with np.ndarray(buffer=region) holds a
 * reference to the region but no export, and must find memory there, not a hole. */
#include "machool.h"

#include <string.h>

static const char nothing[1]; /* where an empty region points; never looked at */

static void *data_of(const Region *self)
{
    return self->size ? (void *)self->address : (void *)(uintptr_t)nothing;
}

/* Replaces the pages by zero pages in place, atomically. With the lock, or nobody else about. */
static void retire(Region *self)
{
    vm_address_t start = self->address & ~(vm_page_size - 1);
    vm_size_t span = self->address + (vm_size_t)self->size - start;
    if (self->retired || !self->size)
        return;
    self->retired = true;
    (void)vm_allocate(mach_task_self(), &start, span, VM_FLAGS_FIXED | VM_FLAGS_OVERWRITE);
}

static Region *region_alloc(PyTypeObject *type, vm_address_t address, vm_size_t size, bool readonly)
{
    allocfunc alloc = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    Region *self = (Region *)alloc(type, 0);
    if (!self)
        return NULL;
    pthread_mutex_init(&self->lock, NULL);
    self->address = address;
    self->size = (Py_ssize_t)size;
    self->readonly = readonly;
    return self;
}

PyObject *region_adopt(struct state *state, vm_address_t take_address, vm_size_t size,
                       bool readonly)
{
    Region *self = region_alloc(state->region_type, take_address, size, readonly);
    if (!self)
        (void)vm_deallocate(mach_task_self(), take_address, size);
    return (PyObject *)self;
}

static PyObject *region_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static const char *names[] = {"size", "zeroed", NULL};
    Py_ssize_t size;
    int zeroed = 1;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "n|$p:Region", (char **)(uintptr_t)names, &size,
                                     &zeroed))
        return NULL;
    if (size < 0) {
        PyErr_SetString(PyExc_ValueError, "size must be >= 0");
        return NULL;
    }
    struct state *state = state_of(type);
    if (!state)
        return NULL;
    vm_address_t address = 0;
    kern_return_t kr = machool_allocate(&address, (vm_size_t)size, zeroed ? 0 : MACHOOL_UNCLEARED);
    if (kr == KERN_NO_SPACE || kr == KERN_RESOURCE_SHORTAGE)
        return PyErr_NoMemory();
    if (kr != KERN_SUCCESS)
        return raise_code(state, "machool_allocate", kr);
    Region *self = region_alloc(type, address, (vm_size_t)size, false);
    if (!self)
        (void)vm_deallocate(mach_task_self(), address, (vm_size_t)size);
    return (PyObject *)self;
}

static void region_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    Region *self = (Region *)object;
    PyObject_GC_UnTrack(object);
    if (self->weakrefs)
        PyObject_ClearWeakRefs(object);
    if (self->size) /* nobody can have a pointer: views and arrays keep a reference */
        (void)machool_deallocate(self->address, (vm_size_t)self->size);
    pthread_mutex_destroy(&self->lock);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(object);
    Py_DECREF(type);
}

static int region_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    return 0;
}

/* Why the region cannot be looked at, or NULL. With the lock. */
static const char *gone(const Region *self)
{
    return self->moved    ? "the region has been moved to another task"
           : self->closed ? "the region is closed"
                          : NULL;
}

static int region_getbuffer(PyObject *object, Py_buffer *view, int flags)
{
    Region *self = (Region *)object;
    pthread_mutex_lock(&self->lock);
    const char *why = gone(self);
    bool sending = self->sending;
    if (!why && !sending)
        self->exports++;
    pthread_mutex_unlock(&self->lock);
    if (why || sending) {
        view->obj = NULL;
        PyErr_SetString(why ? PyExc_ValueError : PyExc_BufferError,
                        why ? why : "the region is being sent");
        return -1;
    }
    if (PyBuffer_FillInfo(view, object, data_of(self), self->size, self->readonly, flags) == 0)
        return 0;
    pthread_mutex_lock(&self->lock);
    self->exports--;
    pthread_mutex_unlock(&self->lock);
    return -1;
}

static void region_releasebuffer(PyObject *object, Py_buffer *Py_UNUSED(view))
{
    Region *self = (Region *)object;
    pthread_mutex_lock(&self->lock);
    if (--self->exports == 0 && self->closed)
        retire(self);
    pthread_mutex_unlock(&self->lock);
}

bool region_move_begin(Region *self)
{
    pthread_mutex_lock(&self->lock);
    const char *why = gone(self);
    bool busy = self->exports > 0 || self->sending;
    if (!why && !busy)
        self->sending = true;
    pthread_mutex_unlock(&self->lock);
    if (why)
        PyErr_SetString(PyExc_ValueError, why);
    else if (busy)
        PyErr_SetString(PyExc_BufferError, "a region with exported views cannot be moved");
    return !why && !busy;
}

void region_move_end(Region *self, bool went)
{
    pthread_mutex_lock(&self->lock);
    self->sending = false;
    if (went) {
        self->moved = true;
        retire(self);
    }
    pthread_mutex_unlock(&self->lock);
}

static PyObject *region_close(PyObject *object, PyObject *Py_UNUSED(ignored))
{
    Region *self = (Region *)object;
    pthread_mutex_lock(&self->lock);
    self->closed = true;
    if (self->exports == 0 && !self->sending)
        retire(self);
    pthread_mutex_unlock(&self->lock);
    Py_RETURN_NONE;
}

static PyObject *region_enter(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    return Py_NewRef(self);
}

static PyObject *region_exit(PyObject *self, PyObject *Py_UNUSED(args))
{
    return region_close(self, NULL);
}

static PyObject *region_get_address(PyObject *self, void *Py_UNUSED(closure))
{
    return PyLong_FromUnsignedLongLong(((Region *)self)->address);
}

static PyObject *region_get_size(PyObject *self, void *Py_UNUSED(closure))
{
    return PyLong_FromSsize_t(((Region *)self)->size);
}

static PyObject *region_get_moved(PyObject *self, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(((Region *)self)->moved);
}

static PyObject *region_get_closed(PyObject *self, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(((Region *)self)->closed);
}

static PyObject *region_get_readonly(PyObject *self, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(((Region *)self)->readonly);
}

static Py_ssize_t region_length(PyObject *self)
{
    return ((Region *)self)->size;
}

static PyObject *region_repr(PyObject *object)
{
    Region *self = (Region *)object;
    const char *state = self->moved ? " moved" : self->closed ? " closed" : "";
    return PyUnicode_FromFormat("<machool.Region of %zd bytes at %p%s>", self->size,
                                (void *)self->address, state);
}

static PyMethodDef region_methods[] = {
    {"close", region_close, METH_NOARGS,
     "close($self, /)\n--\n\n"
     "Ends the use of the region: no new view of it can be had. Views that exist stay valid; the\n"
     "memory is given back when the last of them dies. Never raises; may be called again."},
    {"__enter__", region_enter, METH_NOARGS, "__enter__($self, /)\n--\n\nThe region itself."},
    {"__exit__", region_exit, METH_VARARGS, "__exit__($self, /, *args)\n--\n\nclose()."},
    {NULL, NULL, 0, NULL}};

static PyGetSetDef region_getset[] = {
    {"address", region_get_address, NULL, "Address of the first byte in this process; 0 if empty.",
     NULL},
    {"size", region_get_size, NULL, "Exact number of bytes.", NULL},
    {"moved", region_get_moved, NULL, "Whether the memory went to another task.", NULL},
    {"closed", region_get_closed, NULL, "Whether close() was called.", NULL},
    {"readonly", region_get_readonly, NULL, "Whether its views refuse writing.", NULL},
    {NULL, NULL, NULL, NULL, NULL}};

static PyMemberDef region_members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(Region, weakrefs), READONLY, NULL},
    {NULL, 0, 0, 0, NULL}};

static PyType_Slot region_slots[] = {
    {Py_tp_doc,
     "Region(size, *, zeroed=True)\n--\n\n"
     "Page-aligned memory of exactly `size` bytes that can be sent without a copy.\n\n"
     "Zero-filled and writable. Supports the buffer protocol (bytes, C-contiguous): memoryview(),\n"
     "numpy.frombuffer() and the like look into the memory itself and keep it alive. The parts of\n"
     "a received message are the same type. Raises MemoryError. Safe to use from many threads."},
    {Py_tp_new, region_new},
    {Py_tp_dealloc, region_dealloc},
    {Py_tp_traverse, region_traverse},
    {Py_tp_repr, region_repr},
    {Py_tp_methods, region_methods},
    {Py_tp_getset, region_getset},
    {Py_tp_members, region_members},
    {Py_sq_length, region_length},
    {Py_bf_getbuffer, region_getbuffer},
    {Py_bf_releasebuffer, region_releasebuffer},
    {0, NULL}};

PyType_Spec region_spec = {
    .name = "machool._machool.Region",
    .basicsize = sizeof(Region),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = region_slots,
};
