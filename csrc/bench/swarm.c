/*
 * The swarm. Clients and the process that started them share one mapping: a client sleeps on its
 * pipe until it is told how long to be busy, counts its answers in its own slot, and says in another
 * pipe, which all share, that it is done.
 */
#define _GNU_SOURCE
#include "swarm.h"

#include <errno.h>
#include <fcntl.h>
#include <mach/mach.h>
#include <poll.h>
#include <servers/bootstrap.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define REQUEST_BYTES 64
#define ANSWER_WAIT 60000 /* milliseconds */
#define GATHERING 0.05    /* seconds until all have been told */
#define GATHERING_EACH 2e-4
#define PATIENCE 60.0 /* seconds beyond what was asked for */

struct member {
    _Alignas(64) uint64_t answers;
    pid_t pid;
    int orders; /* where it is told; EOF ends it */
};

/* When a client is to be busy, on the monotonic clock: all at the same time. */
struct span {
    double from, to;
};

struct bench_swarm {
    unsigned count;
    int done[2]; /* a byte from each client that is ready, or has been busy */
    struct member members[];
};

static size_t swarm_size(unsigned count)
{
    return sizeof(struct bench_swarm) + count * sizeof(struct member);
}

static double seconds_now(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void sleep_until(double when)
{
    time_t whole = (time_t)when;
    struct timespec at = {.tv_sec = whole, .tv_nsec = (long)((when - (double)whole) * 1e9)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR)
        continue;
}

/* ---- a client -------------------------------------------------------------------------------- */

static bool ask(mach_port_t service, mach_port_t reply)
{
    union {
        mach_msg_header_t header;
        struct {
            mach_msg_header_t header;
            char bytes[REQUEST_BYTES];
        } request;
        char room[512];
    } buffer = {
        .header = {
            .msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MAKE_SEND_ONCE),
            .msgh_size = sizeof buffer.request,
            .msgh_remote_port = service,
            .msgh_local_port = reply,
        }};
    return mach_msg(&buffer.header, MACH_SEND_MSG | MACH_RCV_MSG | MACH_RCV_TIMEOUT,
                    sizeof buffer.request, sizeof buffer, reply, ANSWER_WAIT,
                    MACH_PORT_NULL) == MACH_MSG_SUCCESS;
}

static _Noreturn void live(struct bench_swarm *swarm, struct member *self, int orders,
                           const char *name)
{
    mach_port_t service = MACH_PORT_NULL, reply = MACH_PORT_NULL;
    struct span span;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (bootstrap_look_up(bootstrap_port, name, &service) ||
        mach_port_allocate(mach_task_self(), MACH_PORT_RIGHT_RECEIVE, &reply) ||
        !ask(service, reply) || write(swarm->done[1], "r", 1) != 1)
        _exit(1);
    while (read(orders, &span, sizeof span) == sizeof span) {
        uint64_t answers = 0;
        sleep_until(span.from);
        for (; seconds_now() < span.to; answers++)
            if (!ask(service, reply))
                _exit(1);
        self->answers = answers;
        if (write(swarm->done[1], "d", 1) != 1)
            _exit(1);
    }
    _exit(0);
}

/* ---- who keeps them -------------------------------------------------------------------------- */

/* Waits until so many clients have said that they are done. */
static int hear(struct bench_swarm *swarm, unsigned count, double seconds)
{
    double end = seconds_now() + seconds + PATIENCE;
    char bytes[64];
    while (count) {
        struct pollfd one = {.fd = swarm->done[0], .events = POLLIN};
        siginfo_t ended = {0};
        int ready = poll(&one, 1, 200);
        if (ready > 0) {
            ssize_t got = read(one.fd, bytes, count < sizeof bytes ? count : sizeof bytes);
            count -= got > 0 ? (unsigned)got : 0;
        } else if (seconds_now() > end ||
                   (!waitid(P_ALL, 0, &ended, WEXITED | WNOHANG | WNOWAIT) && ended.si_pid)) {
            return ECHILD;
        }
    }
    return 0;
}

static int add(struct bench_swarm *swarm, struct member *member, const char *service)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC))
        return errno;
    member->orders = ends[1];
    member->pid = fork();
    if (member->pid == 0) {
        for (struct member *other = swarm->members; other <= member; other++)
            (void)close(other->orders);
        live(swarm, member, ends[0], service);
    }
    int error = member->pid < 0 ? errno : 0;
    (void)close(ends[0]);
    return error;
}

struct bench_swarm *bench_swarm_start(const char *service, unsigned count)
{
    struct bench_swarm *swarm = mmap(NULL, swarm_size(count), PROT_READ | PROT_WRITE,
                                     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (swarm == MAP_FAILED)
        return NULL;
    if (pipe2(swarm->done, O_CLOEXEC)) {
        (void)munmap(swarm, swarm_size(count));
        return NULL;
    }
    int error = 0;
    while (!error && swarm->count < count)
        error = add(swarm, &swarm->members[swarm->count++], service);
    if (!error)
        error = hear(swarm, count, 0);
    if (error) {
        bench_swarm_end(swarm);
        errno = error;
        return NULL;
    }
    return swarm;
}

int bench_swarm_run(struct bench_swarm *swarm, unsigned busy, double seconds, uint64_t *ret_answers)
{
    struct span span = {.from = seconds_now() + GATHERING + busy * GATHERING_EACH};
    span.to = span.from + seconds;
    for (unsigned i = 0; i < busy; i++)
        if (write(swarm->members[i].orders, &span, sizeof span) != sizeof span)
            return ECHILD;
    int error = hear(swarm, busy, seconds);
    for (unsigned i = 0; !error && i < busy; i++)
        ret_answers[i] = swarm->members[i].answers;
    return error;
}

void bench_swarm_end(struct bench_swarm *take_swarm)
{
    if (!take_swarm)
        return;
    unsigned count = take_swarm->count;
    for (unsigned i = 0; i < count; i++) {
        struct member *member = &take_swarm->members[i];
        (void)close(member->orders);
        if (member->pid > 0)
            (void)kill(member->pid, SIGKILL);
    }
    for (unsigned i = 0; i < count; i++)
        while (take_swarm->members[i].pid > 0 && waitpid(take_swarm->members[i].pid, NULL, 0) < 0 &&
               errno == EINTR)
            continue;
    (void)close(take_swarm->done[0]);
    (void)close(take_swarm->done[1]);
    (void)munmap(take_swarm, swarm_size(count));
}
