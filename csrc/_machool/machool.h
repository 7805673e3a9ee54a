/* The binding's own header: module state, object structs, prototypes grouped by file.
 *
 * The binding speaks Python, libc and the standard Mach headers (and mach/machool.h), nothing
 * else, so that the same files compile against the macOS SDK.
 *
 * Rules of all files here:
 * - No mutable statics: whatever lives longer than a call is in the module state or an object.
 * - The GIL is never held across a call that can block, and no lock of ours across a call into
 *   Python. State is looked at again after both.
 * - A Mach name or range has one owner at every moment; a comment says so where it changes hands. */
#ifndef MACHOOL_BINDING_H
#define MACHOOL_BINDING_H

#include "compat.h"

#include <structmember.h>

#include <mach/mach.h>
#include <mach/machool.h>
#include <pthread.h>
#include <servers/bootstrap.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

static inline int64_t monotonic_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* The moment (us) so many milliseconds from now; -1: never. */
static inline int64_t deadline_after(int64_t milliseconds)
{
    return milliseconds < 0 ? -1 : monotonic_us() + milliseconds * 1000;
}

/* Milliseconds until then, rounded up so that nothing ends early; -1: for ever. */
static inline int64_t milliseconds_left(int64_t deadline)
{
    int64_t left = deadline < 0 ? -1000 : deadline - monotonic_us();
    return deadline < 0 ? -1 : left > 0 ? (left + 999) / 1000 : 0;
}

/* A signal that comes after the last look for signals, but before the thread sleeps, interrupts
 * nothing. So the first sleep after any work is short, and signals are looked for once more. */
#define FIRST_SLEEP 50 /* ms */

static inline int64_t next_sleep(int64_t left, bool first)
{
    return first && (left < 0 || left > FIRST_SLEEP) ? FIRST_SLEEP : left;
}

/* ---- module.c ---------------------------------------------------------------------------- */

struct state {
    PyTypeObject *region_type, *ool_type, *message_type, *port_type, *server_type, *client_type;
    PyTypeObject *descriptor_type; /* structseq OOLDescriptor */
    PyTypeObject *sender_type;     /* structseq Sender */
    PyObject *errors;              /* machool.errors, imported when first needed */
};

/* The state of the module that defined this type or a base of it; NULL with an exception. */
struct state *state_of(PyTypeObject *type);

/* ---- arguments.c ------------------------------------------------------------------------- */

/* Sorts FASTCALL arguments into `values` by name. `positional` of them may be given without one.
 * What is not given stays NULL. False with a TypeError. */
bool arguments(const char *call, const char *const *names, unsigned count, unsigned positional,
               PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames, PyObject **values);

/* A time-out in seconds: NULL or None is for ever. Milliseconds, rounded up, or -1 for ever.
 * False with ValueError or TypeError. */
bool timeout_argument(PyObject *value, int64_t *ret_milliseconds);
/* An id: any 32 bits, signed or not. False with an exception. */
bool id_argument(PyObject *value, mach_msg_id_t *ret_id);

/* ---- errors.c ---------------------------------------------------------------------------- */

/* Raises the MachError subclass for a code of that call. Always returns NULL. */
PyObject *raise_code(struct state *state, const char *call, kern_return_t code);

/* ---- region.c ---------------------------------------------------------------------------- */

/* Owner of one range of vm_allocate'd or received memory. The range is given back when the object
 * dies, never before: views and careless arrays may still lead into it. */
typedef struct {
    PyObject_HEAD
    PyObject *weakrefs;
    pthread_mutex_t lock; /* covers the flags and `exports`; a leaf */
    vm_address_t address; /* of the first byte; 0 when empty */
    Py_ssize_t size;      /* exact bytes */
    Py_ssize_t exports;
    bool readonly;
    bool closed;
    bool moved;
    bool sending; /* a move is under way: no new exports */
    bool retired; /* its pages have been replaced by zeros */
} Region;

extern PyType_Spec region_spec;
/* A region over memory that was received; takes the range in any case. NULL with an exception. */
PyObject *region_adopt(struct state *state, vm_address_t take_address, vm_size_t size,
                       bool readonly);
/* Begins to move a region away: false with BufferError (views exist) or ValueError (gone). */
bool region_move_begin(Region *region);
/* Ends it: the memory has gone, or has not. Callable without the GIL. */
void region_move_end(Region *region, bool gone);

/* ---- ool.c ------------------------------------------------------------------------------- */

typedef struct {
    PyObject_HEAD
    PyObject *buffer;
    int copy;
    bool deallocate;
} Ool;

extern PyType_Spec ool_spec;

/* ---- send.c ------------------------------------------------------------------------------ */

/* What a message is made of, as the methods receive it; borrowed references, NULL for absent. */
struct contents {
    PyObject *body, *ool, *ports, *id;
};

struct outgoing; /* a message being sent: its buffer, and the exports it holds */

/* Checks everything and lays the message out; nothing is sent or consumed. NULL with an
 * exception: ValueError, TypeError, BufferError, MemoryError. */
struct outgoing *outgoing_new(struct state *state, const struct contents *contents);
mach_msg_header_t *outgoing_header(struct outgoing *out);
/* Sends it to where its header says, with the GIL released, until the deadline of `milliseconds`
 * (-1: for ever). True: sent. False with an exception; then what a failed send hands back has
 * been released, except the right in `keep_remote`, if not NULL, which gets its name. */
bool outgoing_send(struct state *state, struct outgoing *out, int64_t milliseconds,
                   mach_port_name_t *keep_remote);
void outgoing_free(struct outgoing *take_out);

/* ---- receive.c --------------------------------------------------------------------------- */

struct incoming {
    mach_msg_header_t *message; /* malloc'ed; with its audit trailer */
    mach_msg_size_t size;       /* of the buffer */
};

/* Receives on `name` with the GIL released. MACH_MSG_SUCCESS, or a code with nothing received;
 * -1 with an exception (a signal handler raised, no memory). */
int incoming_receive(struct incoming *in, mach_port_name_t name, int64_t milliseconds);
/* Releases what the message still carries, and the buffer. */
void incoming_free(struct incoming *in);
const mach_msg_audit_trailer_t *incoming_trailer(const struct incoming *in);
/* A notification of the kernel's, with that id: nobody else can forge its trailer. */
bool incoming_is_notification(const struct incoming *in, mach_msg_id_t id);

/* ---- message.c --------------------------------------------------------------------------- */

typedef struct {
    PyObject_HEAD
    PyObject *body, *ool, *descriptors, *ports, *sender;
    PyObject *weakrefs;
    int id;
    unsigned seqno;
    mach_msg_type_name_t reply_type;     /* 0: none (left) */
    _Atomic mach_port_name_t reply_port; /* owned */
} Message;

extern PyType_Spec message_spec;
/* A Message out of what was received; consumes it. NULL with an exception. */
PyObject *message_new(struct state *state, struct incoming *in, bool readonly);

/* ---- port.c ------------------------------------------------------------------------------ */

typedef struct {
    PyObject_HEAD
    PyObject *weakrefs;
    _Atomic mach_port_name_t name; /* 0: closed */
    mach_port_right_t right;       /* RECEIVE, SEND, SEND_ONCE or DEAD_NAME */
} Port;

extern PyType_Spec port_spec;
/* A Port that owns one right; takes it in any case. NULL with an exception. */
PyObject *port_adopt(struct state *state, mach_port_name_t take_name, mach_port_right_t right);
/* Gives back one right of that kind. */
void right_release(mach_port_name_t take_name, mach_port_right_t right);
/* Receives on a name until a deadline; shared by Port, Server and Client. NULL with an
 * exception: TimedOut, ValueError when the right is gone. */
PyObject *receive_message(struct state *state, mach_port_name_t name, int64_t milliseconds,
                          bool readonly);
/* machool_port_fd as a Python int, or OSError. */
PyObject *fileno_of(mach_port_name_t name);

/* ---- server.c, client.c ------------------------------------------------------------------ */

extern PyType_Spec server_spec;
extern PyType_Spec client_spec;

/* ---- constants.c ------------------------------------------------------------------------- */

/* Adds every Mach constant that machool.mach shows. -1 with an exception. */
int constants_add(PyObject *module);

#endif
