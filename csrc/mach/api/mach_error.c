/*
 * Codes in words.
 *
 * A code is a system, a subsystem and a number (mach/error.h); each family that the layer can
 * return has a table here, indexed by number, so a code without words is a hole that the test for
 * holes finds. Two families lie outside that scheme: bootstrap's codes, which are plain numbers
 * from 1100 on, and MIG's, which are negative. A send or receive code may carry special bits that
 * say what was short: those are taken off first and put into words behind it.
 *
 * Invariants: texts are constant; only a text that has to be put together (special bits, errno, an
 * unknown code) is written, into a buffer of the calling thread. No lock, no allocation: safe when
 * memory is what is short.
 */
#include <mach/mach_error.h>

#include <mach/message.h>
#include <mach/mig_errors.h>
#include <servers/bootstrap.h>
#include <stdio.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define KERN_TYPE "(os/kern)"
#define UNIX_TYPE "(os/unix)"
#define SEND_TYPE "(ipc/send)"
#define RCV_TYPE "(ipc/rcv)"
#define SHORT_TYPE "(ipc/msg)"
#define MIG_TYPE "(ipc/mig)"
#define BOOTSTRAP_TYPE "(bootstrap)"
#define UNKNOWN_TYPE "(unknown)"

#define SUB_SEND 0
#define SUB_RCV 1
#define SUB_UNIX 3

#define MIG_FIRST MIG_TYPE_ERROR /* the codes count down from here */

static const char *const kern_texts[] = {
    [KERN_SUCCESS] = KERN_TYPE " success",
    [KERN_INVALID_ADDRESS] = KERN_TYPE " address not mapped, or outside the address space",
    [KERN_PROTECTION_FAILURE] = KERN_TYPE " protection of the memory forbids it",
    [KERN_NO_SPACE] = KERN_TYPE " no room in the address space or name space",
    [KERN_INVALID_ARGUMENT] = KERN_TYPE " an argument makes no sense to this call",
    [KERN_FAILURE] = KERN_TYPE " cannot be done, no closer reason",
    [KERN_RESOURCE_SHORTAGE] = KERN_TYPE " the system is short of what it takes",
    [KERN_NOT_RECEIVER] = KERN_TYPE " the task does not hold the receive right",
    [KERN_NO_ACCESS] = KERN_TYPE " access to the object is restricted",
    [KERN_MEMORY_FAILURE] = KERN_TYPE " the memory object was destroyed",
    [KERN_MEMORY_ERROR] = KERN_TYPE " the memory object gave no data",
    [KERN_ALREADY_IN_SET] = KERN_TYPE " the right is in the set already",
    [KERN_NOT_IN_SET] = KERN_TYPE " the right is in no such set",
    [KERN_NAME_EXISTS] = KERN_TYPE " the name is in use",
    [KERN_ABORTED] = KERN_TYPE " the call was aborted",
    [KERN_INVALID_NAME] = KERN_TYPE " the name stands for no right",
    [KERN_INVALID_TASK] = KERN_TYPE " not a living task",
    [KERN_INVALID_RIGHT] = KERN_TYPE " the name stands for another kind of right",
    [KERN_INVALID_VALUE] = KERN_TYPE " value out of range",
    [KERN_UREFS_OVERFLOW] = KERN_TYPE " too many references to the name",
    [KERN_INVALID_CAPABILITY] = KERN_TYPE " not a right that can be used here",
    [KERN_RIGHT_EXISTS] = KERN_TYPE " the task has the right under another name",
    [KERN_INVALID_HOST] = KERN_TYPE " not a host",
    [KERN_MEMORY_PRESENT] = KERN_TYPE " the memory is there already",
    [KERN_MEMORY_DATA_MOVED] = KERN_TYPE " the memory was moved, not copied",
    [KERN_MEMORY_RESTART_COPY] = KERN_TYPE " the copy has to be started again",
    [KERN_INVALID_PROCESSOR_SET] = KERN_TYPE " not a processor set's control port",
    [KERN_POLICY_LIMIT] = KERN_TYPE " beyond the limits of the scheduling policy",
    [KERN_INVALID_POLICY] = KERN_TYPE " not a scheduling policy of this set",
    [KERN_INVALID_OBJECT] = KERN_TYPE " not an object of this kind",
    [KERN_ALREADY_WAITING] = KERN_TYPE " a thread is waiting there already",
    [KERN_DEFAULT_SET] = KERN_TYPE " the default set cannot be destroyed",
    [KERN_EXCEPTION_PROTECTED] = KERN_TYPE " the exception port is protected",
    [KERN_INVALID_LEDGER] = KERN_TYPE " not a ledger",
    [KERN_INVALID_MEMORY_CONTROL] = KERN_TYPE " not a memory object's control port",
    [KERN_INVALID_SECURITY] = KERN_TYPE " not the host's security port",
    [KERN_NOT_DEPRESSED] = KERN_TYPE " the thread's priority is not lowered",
    [KERN_TERMINATED] = KERN_TYPE " the object is being or has been terminated",
    [KERN_LOCK_SET_DESTROYED] = KERN_TYPE " the lock set was destroyed",
    [KERN_LOCK_UNSTABLE] = KERN_TYPE " the holder of the lock has died",
    [KERN_LOCK_OWNED] = KERN_TYPE " another thread holds the lock",
    [KERN_LOCK_OWNED_SELF] = KERN_TYPE " the thread holds the lock already",
    [KERN_SEMAPHORE_DESTROYED] = KERN_TYPE " the semaphore was destroyed",
    [KERN_RPC_SERVER_TERMINATED] = KERN_TYPE " the server ended during the call",
    [KERN_RPC_TERMINATE_ORPHAN] = KERN_TYPE " end the call that lost its caller",
    [KERN_RPC_CONTINUE_ORPHAN] = KERN_TYPE " let the call that lost its caller go on",
    [KERN_NOT_SUPPORTED] = KERN_TYPE " not supported here",
    [KERN_NODE_DOWN] = KERN_TYPE " the other machine cannot be reached",
    [KERN_NOT_WAITING] = KERN_TYPE " no thread is waiting",
    [KERN_OPERATION_TIMED_OUT] = KERN_TYPE " timed out",
    [KERN_CODESIGN_ERROR] = KERN_TYPE " the code's signature does not hold",
    [KERN_POLICY_STATIC] = KERN_TYPE " the policy cannot be changed while it is in use",
    [KERN_INSUFFICIENT_BUFFER_SIZE] = KERN_TYPE " the buffer is too small for the answer",
    [KERN_DENIED] = KERN_TYPE " denied by policy",
    [KERN_MISSING_KC] = KERN_TYPE " a kernel collection is missing",
    [KERN_INVALID_KC] = KERN_TYPE " a kernel collection is damaged",
    [KERN_NOT_FOUND] = KERN_TYPE " what was looked for is not there",
    [KERN_INVALID_GUARD_OBJECT_SLOT] = KERN_TYPE " not a slot of the guard object",
};

static const char *const send_texts[] = {
    [MACH_SEND_IN_PROGRESS & 0x3fff] = SEND_TYPE " the send is under way",
    [MACH_SEND_INVALID_DATA & 0x3fff] = SEND_TYPE " the message cannot be read",
    [MACH_SEND_INVALID_DEST & 0x3fff] = SEND_TYPE " no such destination, or it has died",
    [MACH_SEND_TIMED_OUT & 0x3fff] = SEND_TYPE " timed out: the receiver's queue is full",
    [MACH_SEND_INVALID_VOUCHER & 0x3fff] = SEND_TYPE " not a voucher",
    [MACH_SEND_INTERRUPTED & 0x3fff] = SEND_TYPE " interrupted by a signal",
    [MACH_SEND_MSG_TOO_SMALL & 0x3fff] = SEND_TYPE
    " the size is too small for what the header says, or no multiple of 4",
    [MACH_SEND_INVALID_REPLY & 0x3fff] = SEND_TYPE " the reply port's right does not allow this",
    [MACH_SEND_INVALID_RIGHT & 0x3fff] = SEND_TYPE " a descriptor's right does not allow this",
    [MACH_SEND_INVALID_NOTIFY & 0x3fff] = SEND_TYPE " not a port to notify",
    [MACH_SEND_INVALID_MEMORY & 0x3fff] = SEND_TYPE " out-of-line memory cannot be read",
    [MACH_SEND_NO_BUFFER & 0x3fff] = SEND_TYPE " nowhere to put the message",
    [MACH_SEND_TOO_LARGE & 0x3fff] = SEND_TYPE " the message or its rights are too many",
    [MACH_SEND_INVALID_TYPE & 0x3fff] = SEND_TYPE " a descriptor's type or options are unknown",
    [MACH_SEND_INVALID_HEADER & 0x3fff] = SEND_TYPE " a disposition in the header is wrong",
    [MACH_SEND_INVALID_TRAILER & 0x3fff] = SEND_TYPE " the trailer to be sent is wrong",
    [MACH_SEND_INVALID_CONTEXT & 0x3fff] = SEND_TYPE " the context to be sent is wrong",
    [MACH_SEND_INVALID_OPTIONS & 0x3fff] = SEND_TYPE " these options do not go together",
    [MACH_SEND_INVALID_RT_OOL_SIZE & 0x3fff] = SEND_TYPE
    " out-of-line memory too large for a real-time thread",
    [MACH_SEND_NO_GRANT_DEST & 0x3fff] = SEND_TYPE " the destination takes no such right",
    [MACH_SEND_MSG_FILTERED & 0x3fff] = SEND_TYPE " the message was filtered out",
    [MACH_SEND_AUX_TOO_SMALL & 0x3fff] = SEND_TYPE " the auxiliary data is too small",
    [MACH_SEND_AUX_TOO_LARGE & 0x3fff] = SEND_TYPE " the auxiliary data is too large",
};

static const char *const rcv_texts[] = {
    [MACH_RCV_IN_PROGRESS & 0x3fff] = RCV_TYPE " the receive is under way",
    [MACH_RCV_INVALID_NAME & 0x3fff] = RCV_TYPE " no receive right of that name",
    [MACH_RCV_TIMED_OUT & 0x3fff] = RCV_TYPE " timed out: no message",
    [MACH_RCV_TOO_LARGE & 0x3fff] = RCV_TYPE " the message is larger than the buffer",
    [MACH_RCV_INTERRUPTED & 0x3fff] = RCV_TYPE " interrupted by a signal",
    [MACH_RCV_PORT_CHANGED & 0x3fff] = RCV_TYPE " the receive right went while waiting",
    [MACH_RCV_INVALID_NOTIFY & 0x3fff] = RCV_TYPE " not a port to notify",
    [MACH_RCV_INVALID_DATA & 0x3fff] = RCV_TYPE " the buffer cannot be written",
    [MACH_RCV_PORT_DIED & 0x3fff] = RCV_TYPE " the port died while waiting",
    [MACH_RCV_IN_SET & 0x3fff] = RCV_TYPE " the port is in a set",
    [MACH_RCV_HEADER_ERROR & 0x3fff] = RCV_TYPE " a right of the header was lost",
    [MACH_RCV_BODY_ERROR & 0x3fff] = RCV_TYPE " a right or region of a descriptor was lost",
    [MACH_RCV_INVALID_TYPE & 0x3fff] = RCV_TYPE " the scatter list is of the wrong type",
    [MACH_RCV_SCATTER_SMALL & 0x3fff] = RCV_TYPE " a region of the scatter list is too small",
    [MACH_RCV_INVALID_TRAILER & 0x3fff] = RCV_TYPE " no such trailer",
    [MACH_RCV_IN_PROGRESS_TIMED & 0x3fff] = RCV_TYPE " the receive is under way, with a limit",
    [MACH_RCV_INVALID_REPLY & 0x3fff] = RCV_TYPE " the reply port's right does not allow this",
    [MACH_RCV_INVALID_ARGUMENTS & 0x3fff] = RCV_TYPE " an argument makes no sense to a receive",
};

static const char *const mig_texts[] = {
    [MIG_FIRST - MIG_TYPE_ERROR] = MIG_TYPE " an argument is of the wrong type",
    [MIG_FIRST - MIG_REPLY_MISMATCH] = MIG_TYPE " the reply answers another request",
    [MIG_FIRST - MIG_REMOTE_ERROR] = MIG_TYPE " the server found an error",
    [MIG_FIRST - MIG_BAD_ID] = MIG_TYPE " the server knows no such request",
    [MIG_FIRST - MIG_BAD_ARGUMENTS] = MIG_TYPE " the server could not read the arguments",
    [MIG_FIRST - MIG_NO_REPLY] = MIG_TYPE " there will be no reply",
    [MIG_FIRST - MIG_EXCEPTION] = MIG_TYPE " the server raised an exception",
    [MIG_FIRST - MIG_ARRAY_TOO_LARGE] = MIG_TYPE " an array is larger than there is room for",
    [MIG_FIRST - MIG_SERVER_DIED] = MIG_TYPE " the server died",
    [MIG_FIRST - MIG_TRAILER_ERROR] = MIG_TYPE " the trailer is not as asked for",
};

static const char *const bootstrap_texts[] = {
    [BOOTSTRAP_NOT_PRIVILEGED - 1100] = BOOTSTRAP_TYPE " not permitted: the service is another's",
    [BOOTSTRAP_NAME_IN_USE - 1100] = BOOTSTRAP_TYPE " the service name is in use",
    [BOOTSTRAP_UNKNOWN_SERVICE - 1100] = BOOTSTRAP_TYPE " nobody publishes that service",
    [BOOTSTRAP_SERVICE_ACTIVE - 1100] = BOOTSTRAP_TYPE " the service is active already",
    [BOOTSTRAP_BAD_COUNT - 1100] = BOOTSTRAP_TYPE " too many names at once",
    [BOOTSTRAP_NO_MEMORY - 1100] = BOOTSTRAP_TYPE " memory or descriptors are short",
    [BOOTSTRAP_NO_CHILDREN - 1100] = BOOTSTRAP_TYPE " no bootstrap below this one",
};

/* One family: `sign` says which way its codes run from `first`. */
struct family {
    const char *type;
    const char *const *texts;
    size_t count;
    int first;
    int sign;
};

static const struct family kern_family = {KERN_TYPE, kern_texts, COUNT(kern_texts), 0, 1};
static const struct family send_family = {SEND_TYPE, send_texts, COUNT(send_texts),
                                          (int)err_mach_ipc, 1};
static const struct family rcv_family = {RCV_TYPE, rcv_texts, COUNT(rcv_texts),
                                         (int)err_mach_ipc | err_sub(SUB_RCV), 1};
static const struct family mig_family = {MIG_TYPE, mig_texts, COUNT(mig_texts), MIG_FIRST, -1};
static const struct family bootstrap_family = {BOOTSTRAP_TYPE, bootstrap_texts,
                                               COUNT(bootstrap_texts), 1100, 1};
static const struct family unix_family = {UNIX_TYPE, NULL, 0, (int)err_sub(SUB_UNIX), 1};
static const struct family short_family = {SHORT_TYPE, NULL, 0, 0, 1};

/* A text that had to be put together lives here until the thread's next call. */
static _Thread_local char composed[256];

/* The family of a code, or NULL. */
static const struct family *family_of(mach_error_t code)
{
    int system = err_get_system(code);
    int sub = err_get_sub(code);

    if (code <= MIG_FIRST && code > MIG_FIRST - (int)COUNT(mig_texts))
        return &mig_family;
    if (system == err_get_system(err_mach_ipc) && sub == SUB_SEND)
        return &send_family;
    if (system == err_get_system(err_mach_ipc) && sub == SUB_RCV)
        return &rcv_family;
    if (system == 0 && sub == SUB_UNIX)
        return &unix_family;
    if (system != 0 || sub != 0)
        return NULL;
    if (code >= 1100 && code < 1100 + (int)COUNT(bootstrap_texts))
        return &bootstrap_family;
    if (code != 0 && (code & ~MACH_MSG_MASK) == 0)
        return &short_family;
    return &kern_family;
}

/* The constant text of a code of `family`, or NULL. */
static const char *find_text(const struct family *family, mach_error_t code)
{
    int number = (code - family->first) * family->sign;

    return number >= 0 && (size_t)number < family->count ? family->texts[number] : NULL;
}

/* `start` and what the special bits of `code` say, in the thread's buffer. */
static const char *compose_short(const char *start, mach_error_t code)
{
    static const struct {
        int bit;
        const char *text;
    } bits[] = {
        {MACH_MSG_IPC_SPACE, "no room for names"},
        {MACH_MSG_VM_SPACE, "no room in the address space"},
        {MACH_MSG_IPC_KERNEL, "the system is short of memory for rights"},
        {MACH_MSG_VM_KERNEL, "the system is short of memory for regions"},
    };
    size_t used = (size_t)snprintf(composed, sizeof(composed), "%s", start);
    const char *between = strcmp(start, SHORT_TYPE) == 0 ? " " : "; ";

    for (size_t i = 0; i < COUNT(bits) && used < sizeof(composed); i++) {
        if (!(code & bits[i].bit))
            continue;
        used += (size_t)snprintf(composed + used, sizeof(composed) - used, "%s%s", between,
                                 bits[i].text);
        between = "; ";
    }
    return composed;
}

static const char *compose_unix(mach_error_t code)
{
    char text[128];

    /* GNU's form, which may return a text of its own instead of filling ours. */
    snprintf(composed, sizeof(composed), "%s %s", UNIX_TYPE,
             strerror_r(err_get_code(code), text, sizeof(text)));
    return composed;
}

static const char *compose_unknown(mach_error_t code)
{
    snprintf(composed, sizeof(composed), "%s unknown code 0x%x", mach_error_type(code),
             (unsigned)code);
    return composed;
}

static const char *describe(mach_error_t code)
{
    const struct family *family = family_of(code);
    const char *text;

    if (family == NULL)
        return compose_unknown(code);
    if (family == &unix_family)
        return compose_unix(code);
    if (family == &short_family)
        return compose_short(SHORT_TYPE, code);
    text = find_text(family, code);
    if (text != NULL)
        return text;
    if (family != &send_family && family != &rcv_family)
        return compose_unknown(code);
    text = find_text(family, code & ~MACH_MSG_MASK);
    return text != NULL ? compose_short(text, code) : compose_unknown(code);
}

char *mach_error_string(mach_error_t error_value)
{
    return (char *)describe(error_value);
}

char *mach_error_type(mach_error_t error_value)
{
    const struct family *family = family_of(error_value);

    return (char *)(family != NULL ? family->type : UNKNOWN_TYPE);
}

void mach_error(const char *str, mach_error_t error_value)
{
    fprintf(stderr, "%s %s (0x%x)\n", str, describe(error_value), (unsigned)error_value);
}

/* Without the family's name: who asks here knows it. */
const char *bootstrap_strerror(kern_return_t r)
{
    const char *text = find_text(&bootstrap_family, r);

    if (r == BOOTSTRAP_SUCCESS)
        return "success";
    return text != NULL ? text + sizeof(BOOTSTRAP_TYPE " ") - 1 : describe(r);
}
