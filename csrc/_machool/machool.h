/* The binding's own header: module state, object structs, prototypes grouped by file.
 *
 * The binding speaks Python, libc and the standard Mach headers (and mach/machool.h), nothing
 * else, so that the same files compile against the macOS SDK.
 *
 * Rules of all files here:
 * - No mutable statics: whatever lives longer than a call is in the module state or an object.
 * - The GIL is never held across a call that can block (a send of a small message that does not
 *   wait cannot), and no lock of ours across a call into Python. State is looked at again after both.
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
    PyTypeObject *region_type, *ool_type, *message_type, *notification_type;
    PyTypeObject *port_type, *move_type, *port_set_type, *server_type, *client_type;
    PyTypeObject *descriptor_type; /* structseq OOLDescriptor */
    PyTypeObject *sender_type;     /* structseq Sender */
    PyTypeObject *status_type;     /* structseq PortStatus */
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
/* Raises BufferTooSmall, which brings the message. */
void raise_too_small(struct state *state, PyObject *message, Py_ssize_t needed, Py_ssize_t size);

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

/* ---- outgoing.c, send.c ------------------------------------------------------------------ */

/* What a message is made of, as the methods receive it; borrowed references, NULL for absent. */
struct contents {
    PyObject *body, *ool, *ports, *id;
};

struct outgoing; /* a message being sent: its buffer, and the exports and rights it holds */

/* Checks everything and lays the message out in `room`, which is of the caller's stack (outgoing.h);
 * nothing is sent or consumed. NULL with an exception: ValueError, TypeError, BufferError, MemoryError. */
struct outgoing *outgoing_new(struct state *state, const struct contents *contents,
                              struct outgoing *room);
mach_msg_header_t *outgoing_header(struct outgoing *out);
/* Whereto: a right of that kind whose name is at `at`, within the owner. False if there is none. */
bool outgoing_address(struct outgoing *out, PyObject *owner, _Atomic mach_port_name_t *at,
                      mach_port_right_t kind);
/* Where answers go: a Port (a receive right makes a send-once right), a Move, or None. False with
 * an exception. */
bool outgoing_reply_to(struct state *state, struct outgoing *out, PyObject *port);
/* Sends it, with the GIL released unless it is small and there is room for it, until the deadline of
 * `milliseconds` (-1: for ever). True: sent. False with an exception; then what a failed send hands
 * back is its owner's again, or has been released. */
bool outgoing_send(struct state *state, struct outgoing *out, int64_t milliseconds);
/* Releases all that it holds; NULL is fine. */
void outgoing_free(struct outgoing *out);

struct incoming;
/* The same; where the GIL was released for it, then by the same call the first attempt to receive the
 * answer on `reply`: what that came to in *ret_result, for incoming_go_on, as the deadline is. */
bool outgoing_request(struct state *state, struct outgoing *out, int64_t milliseconds,
                      mach_port_name_t reply, struct incoming *in, int64_t *ret_deadline,
                      mach_msg_return_t *ret_result);

/* ---- receive.c --------------------------------------------------------------------------- */

struct incoming {
    mach_msg_header_t *message; /* `first`, or malloc'ed; with its context trailer */
    mach_msg_size_t size;       /* of the buffer */
    union {
        mach_msg_header_t header;
        char bytes[1024];
    } first;
};

#define INCOMING_OPTION                                                                            \
    (MACH_RCV_MSG | MACH_RCV_LARGE | MACH_RCV_INTERRUPT |                                          \
     MACH_RCV_TRAILER_TYPE(MACH_MSG_TRAILER_FORMAT_0) |                                            \
     MACH_RCV_TRAILER_ELEMENTS(MACH_RCV_TRAILER_CTX))

/* Ready for a first attempt. Owns nothing. */
static inline void incoming_init(struct incoming *in)
{
    in->message = &in->first.header;
    in->size = sizeof in->first;
}

/* Receives on `name` with the GIL released. MACH_MSG_SUCCESS, or a code with nothing received;
 * -1 with an exception (a signal handler raised, no memory). */
int incoming_receive(struct incoming *in, mach_port_name_t name, int64_t milliseconds);
/* The same after a first attempt that came to `mr`, until the deadline. */
int incoming_go_on(struct incoming *in, mach_port_name_t name, int64_t deadline,
                   mach_msg_return_t mr);
/* Releases what the message still carries, and the buffer. */
void incoming_free(struct incoming *in);
const mach_msg_context_trailer_t *incoming_trailer(const struct incoming *in);
/* Whether the kernel sent it: nobody else can forge its trailer. */
bool incoming_is_kernels(const struct incoming *in);

/* ---- message.c --------------------------------------------------------------------------- */

typedef struct {
    PyObject_HEAD
    PyObject *body, *ool, *descriptors, *ports;
    PyObject *port; /* what it was received from; None: a Server, a Client */
    PyObject *weakrefs;
    int id;
    unsigned seqno;
    unsigned long long context;
    pid_t pid; /* the sender's */
    uid_t uid;
    gid_t gid;
    mach_msg_type_name_t reply_type;     /* 0: none (left) */
    _Atomic mach_port_name_t reply_port; /* owned */
} Message;

extern PyType_Spec message_spec;
/* A Message, or a Notification, out of what was received from `port` (NULL: not told); consumes
 * it. NULL with an exception. */
PyObject *message_new(struct state *state, struct incoming *in, bool readonly, PyObject *port);

/* ---- into.c ------------------------------------------------------------------------------ */

PyObject *message_copy_into(PyObject *object, PyTypeObject *defining, PyObject *const *args,
                            Py_ssize_t nargs, PyObject *kwnames);
/* Of whatever has receive(): calls that. */
PyObject *recv_into(PyObject *object, PyTypeObject *defining, PyObject *const *args,
                    Py_ssize_t nargs, PyObject *kwnames);
#define RECV_INTO                                                                                  \
    {"recv_into", (PyCFunction)(void (*)(void))recv_into,                                          \
     METH_METHOD | METH_FASTCALL | METH_KEYWORDS,                                                  \
     "recv_into($self, /, buffer, timeout=...)\n--\n\n"                                            \
     "Receives the next message, as receive() does, and copies its first out-of-line part into\n"  \
     "`buffer`, or its body if it has no part. Returns the number of bytes and the Message, in\n"  \
     "whose `ool` that part is empty. Raises BufferError, before anything is received, unless\n"   \
     "`buffer` is writable and contiguous, and BufferTooSmall if it is shorter than the part:\n"   \
     "that exception's `message` is the message, whole."}

/* ---- notification.c ---------------------------------------------------------------------- */

typedef struct {
    Message message;
    mach_port_name_t name;
    unsigned count;
} Notification;

extern PyType_Spec notification_spec;
bool notification_is(const struct incoming *in);
/* Adds what a notification has beside a message. False with an exception. */
bool notification_fill(struct state *state, Notification *self, const mach_msg_header_t *message);
PyObject *port_request_notification(PyObject *object, PyTypeObject *defining, PyObject *const *args,
                                    Py_ssize_t nargs, PyObject *kwnames);

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
/* The name of a Port, or 0 with ValueError: it is closed. */
mach_port_name_t port_name(PyObject *object);
/* Gives back one right of that kind. */
void right_release(mach_port_name_t take_name, mach_port_right_t right);
/* The exception for a receive that failed: -1 has one already; `closed` is the text of a
 * ValueError for a right that is gone. Always NULL. */
PyObject *receive_failed(struct state *state, int result, const char *closed);
/* machool_port_fd as a Python int, or OSError. */
PyObject *fileno_of(mach_port_name_t name);

/* ---- port_status.c ----------------------------------------------------------------------- */

PyObject *port_get_status(PyObject *object, void *closure);
PyObject *port_get_refs(PyObject *object, void *closure);
PyObject *port_get_dead(PyObject *object, void *closure);
PyObject *port_get_queue_limit(PyObject *object, void *closure);
int port_set_queue_limit(PyObject *object, PyObject *value, void *closure);
PyObject *port_get_context(PyObject *object, void *closure);
int port_set_context(PyObject *object, PyObject *value, void *closure);
/* Sets the queue limit of a receive right to a Python int. False with an exception. */
bool port_limit(struct state *state, mach_port_name_t name, PyObject *value);

/* ---- move.c, port_set.c ------------------------------------------------------------------ */

typedef struct {
    PyObject_HEAD
    PyObject *port;
} Move;

extern PyType_Spec move_spec;
extern PyType_Spec port_set_spec;

/* ---- space.c ----------------------------------------------------------------------------- */

PyObject *space_names(PyObject *module, PyObject *ignored);

/* ---- memory.c ---------------------------------------------------------------------------- */

PyObject *memory_stats(PyObject *module, PyObject *ignored);
PyObject *memory_trim(PyObject *module, PyObject *ignored);
PyObject *memory_set_limits(PyObject *module, PyObject *args, PyObject *kwargs);

/* ---- server.c, client.c ------------------------------------------------------------------ */

extern PyType_Spec server_spec;
extern PyType_Spec client_spec;
/* The name of a Server's receive right; 0: closed. */
mach_port_name_t server_port(PyObject *server);
/* Whether a message that came to a server is one that ends a receive(). */
bool server_is_stop(const struct incoming *in);

/* ---- constants.c ------------------------------------------------------------------------- */

/* Adds every Mach constant that machool.mach shows. -1 with an exception. */
int constants_add(PyObject *module);

#endif
