/* Receiving: mach_msg -> a buffer with a message and its audit trailer. */
#include "machool.h"

#include <stdlib.h>
#include <string.h>

/* Makes room for a message that turned out to be larger. */
static bool grow(struct incoming *in, mach_msg_size_t size)
{
    void *larger = realloc(in->message == &in->first.header ? NULL : in->message, size);
    if (!larger) {
        PyErr_NoMemory();
        return false;
    }
    in->message = larger;
    in->size = size;
    return true;
}

/* One attempt, of at most so many milliseconds (-1: for ever), with the GIL released. */
static mach_msg_return_t receive_once(struct incoming *in, mach_port_name_t name, int64_t sleep)
{
    mach_msg_option_t option = INCOMING_OPTION;
    mach_msg_return_t mr;
    if (sleep >= 0)
        option |= MACH_RCV_TIMEOUT;
    Py_BEGIN_ALLOW_THREADS
    mr = mach_msg(in->message, option, 0, in->size, name, sleep > 0 ? (mach_msg_timeout_t)sleep : 0,
                  MACH_PORT_NULL);
    Py_END_ALLOW_THREADS
    return mr;
}

static void release_buffer(struct incoming *in)
{
    if (in->message != &in->first.header)
        free(in->message);
    in->message = NULL;
}

/* Attempts until there is a message, the deadline, or an error; the first has been made if `started`. */
static int receive_until(struct incoming *in, mach_port_name_t name, int64_t deadline, bool started,
                         mach_msg_return_t mr)
{
    int64_t left = -1, sleep = 0; /* of an attempt that is not the last */
    bool first = true, again = true;
    while (again) {
        if (!started) {
            left = milliseconds_left(deadline);
            sleep = next_sleep(left, first);
            mr = receive_once(in, name, sleep);
        }
        started = false;
        if (mr == MACH_RCV_INTERRUPTED || (mr == MACH_RCV_TIMED_OUT && sleep != left)) {
            first = mr == MACH_RCV_INTERRUPTED; /* a handler may run now: that is work */
            again = PyErr_CheckSignals() == 0;
        } else {
            again = mr == MACH_RCV_TOO_LARGE &&
                    grow(in, in->message->msgh_size + (mach_msg_size_t)MAX_TRAILER_SIZE);
        }
    }
    /* Short of address space for a part: the rest has arrived (S58). */
    if (mr == MACH_MSG_SUCCESS ||
        ((mr & ~MACH_MSG_MASK) == MACH_RCV_BODY_ERROR && !(mr & MACH_MSG_IPC_KERNEL)))
        return MACH_MSG_SUCCESS;
    release_buffer(in);
    return PyErr_Occurred() ? -1 : mr;
}

int incoming_receive(struct incoming *in, mach_port_name_t name, int64_t milliseconds)
{
    incoming_init(in);
    return receive_until(in, name, deadline_after(milliseconds), false, MACH_MSG_SUCCESS);
}

int incoming_go_on(struct incoming *in, mach_port_name_t name, int64_t deadline,
                   mach_msg_return_t mr)
{
    return receive_until(in, name, deadline, true, mr);
}

void incoming_free(struct incoming *in)
{
    if (!in->message)
        return;
    if (in->message->msgh_bits & MACH_MSGH_BITS_COMPLEX || in->message->msgh_remote_port)
        mach_msg_destroy(in->message);
    release_buffer(in);
}

const mach_msg_context_trailer_t *incoming_trailer(const struct incoming *in)
{
    return (const mach_msg_context_trailer_t *)(const void *)((const char *)in->message +
                                                              round_msg(in->message->msgh_size));
}

bool incoming_is_kernels(const struct incoming *in)
{
    static const audit_token_t kernel_audit;
    const mach_msg_context_trailer_t *trailer = incoming_trailer(in);
    return trailer->msgh_sender.val[0] == 0 && trailer->msgh_sender.val[1] == 1 &&
           memcmp(&trailer->msgh_audit, &kernel_audit, sizeof kernel_audit) == 0;
}
