/* Receiving: mach_msg -> a buffer with a message and its audit trailer. */
#include "machool.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_SIZE 1024u
#define TRAILER_OPTION                                                                             \
    (MACH_RCV_TRAILER_TYPE(MACH_MSG_TRAILER_FORMAT_0) |                                            \
     MACH_RCV_TRAILER_ELEMENTS(MACH_RCV_TRAILER_CTX))

/* Makes room for a message that turned out to be larger. */
static bool grow(struct incoming *in, mach_msg_size_t size)
{
    void *larger = realloc(in->message, size);
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
    mach_msg_option_t option = MACH_RCV_MSG | MACH_RCV_LARGE | MACH_RCV_INTERRUPT | TRAILER_OPTION;
    mach_msg_return_t mr;
    if (sleep >= 0)
        option |= MACH_RCV_TIMEOUT;
    Py_BEGIN_ALLOW_THREADS
    mr = mach_msg(in->message, option, 0, in->size, name, sleep > 0 ? (mach_msg_timeout_t)sleep : 0,
                  MACH_PORT_NULL);
    Py_END_ALLOW_THREADS
    return mr;
}

int incoming_receive(struct incoming *in, mach_port_name_t name, int64_t milliseconds)
{
    int64_t deadline = deadline_after(milliseconds);
    bool first = true, again = true;
    mach_msg_return_t mr = MACH_MSG_SUCCESS;
    *in = (struct incoming){0};
    if (!grow(in, FIRST_SIZE))
        return -1;
    while (again) {
        int64_t left = milliseconds_left(deadline), sleep = next_sleep(left, first);
        mr = receive_once(in, name, sleep);
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
    free(in->message);
    in->message = NULL;
    return PyErr_Occurred() ? -1 : mr;
}

void incoming_free(struct incoming *in)
{
    if (!in->message)
        return;
    mach_msg_destroy(in->message);
    free(in->message);
    in->message = NULL;
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
