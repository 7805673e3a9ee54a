/* What small messages cost, part by part, between C processes with the standard headers.
 *
 *   cc -O2 benchmarks/c/bench_lanes.c $(python -m machool config --cflags --libs) -o bench_lanes
 *   ./bench_lanes [PART...]                 hot apart together asleep lookup setup third; all without one
 *
 * hot      request and reply of 64 bytes, one after the other, where the scheduler puts the two
 *          processes; apart with a CPU for each; together with one for both
 * asleep   the same after 2 ms of rest, so that the other side has to be woken up; beside it two
 *          processes that do so over a blocking SEQPACKET socket, and two that wait for theirs by epoll
 * lookup   a name looked up, and its right given back, at a task that is known
 * setup    a name looked up at a task that is not known, and the first answer of its port; the
 *          channel ends before the next
 * third    a message that passes a third task's right on, beside one that carries nothing
 *
 * Figures are microseconds: the least, the median. BATCHES in the environment makes runs longer. */
#define _GNU_SOURCE
#include "figures.h"

#include <mach/mach.h>
#include <mach/machool.h>
#include <sched.h>
#include <servers/bootstrap.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#define BODY 64
#define BATCH 200u /* round trips between two looks at the clock */
#define MOST 20000u
#define UNREAD 32u    /* datagrams left in a socket */
#define ANYWHERE 1000 /* msgh_id: no CPU in particular */

struct letter {
    mach_msg_header_t header;
    mach_msg_body_t body;
    mach_msg_port_descriptor_t right;
};

union buffer {
    mach_msg_header_t header;
    struct {
        mach_msg_header_t header;
        char bytes[BODY];
    } plain;
    struct letter letter;
    char room[1024];
};

static char service[2][BOOTSTRAP_MAX_NAME_LEN];
static unsigned batches = 200;

static void check(kern_return_t code, const char *what)
{
    if (code == KERN_SUCCESS)
        return;
    fprintf(stderr, "bench_lanes: %s: %s\n", what, mach_error_string(code));
    exit(EXIT_FAILURE);
}

static void rest(void)
{
    const struct timespec span = {.tv_nsec = 2000000};
    (void)nanosleep(&span, NULL);
}

/* ---- figures --------------------------------------------------------------------------------- */

struct figure {
    double took[MOST];
    unsigned count;
};

static struct figure figures[3];

static void add(struct figure *figure, double took)
{
    if (figure->count < MOST)
        figure->took[figure->count++] = took;
}

static double show(struct figure *figure, const char *name)
{
    double middle = median(figure->took, figure->count);
    printf("%-28s %10.3f %10.3f\n", name, figure->took[0], middle);
    figure->count = 0;
    return middle;
}

/* ---- the other task -------------------------------------------------------------------------- */

static void answer(mach_msg_header_t *request)
{
    struct {
        mach_msg_header_t header;
        char bytes[BODY];
    } reply = {.header = {.msgh_bits = MACH_MSGH_BITS(MACH_MSGH_BITS_REMOTE(request->msgh_bits), 0),
                          .msgh_size = sizeof reply,
                          .msgh_remote_port = request->msgh_remote_port}};
    check(mach_msg(&reply.header, MACH_SEND_MSG, sizeof reply, 0, MACH_PORT_NULL,
                   MACH_MSG_TIMEOUT_NONE, MACH_PORT_NULL),
          "reply");
}

/* What a message's number asks for: to run on CPU `id` - 1 alone, or anywhere. */
static void settle(mach_msg_id_t id)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (id == ANYWHERE || cpu + 1 == (size_t)id)
            CPU_SET(cpu, &set);
    (void)sched_setaffinity(0, sizeof set, &set);
}

static _Noreturn void serve(const char *name, int ready)
{
    mach_port_t port;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    check(mach_port_allocate(mach_task_self(), MACH_PORT_RIGHT_RECEIVE, &port), "allocate");
    check(mach_port_insert_right(mach_task_self(), port, port, MACH_MSG_TYPE_MAKE_SEND), "insert");
    check(bootstrap_register(bootstrap_port, (char *)(size_t)name, port), "register");
    (void)!write(ready, "r", 1);
    for (;;) {
        union buffer in;
        check(mach_msg(&in.header, MACH_RCV_MSG, 0, sizeof in, port, MACH_MSG_TIMEOUT_NONE,
                       MACH_PORT_NULL),
              "receive");
        if (in.header.msgh_id)
            settle(in.header.msgh_id);
        if (in.header.msgh_bits & MACH_MSGH_BITS_COMPLEX)
            (void)mach_port_deallocate(mach_task_self(), in.letter.right.name);
        if (in.header.msgh_remote_port)
            answer(&in.header);
    }
}

static pid_t start(unsigned number)
{
    int fds[2];
    char ready;
    (void)snprintf(service[number], sizeof service[number], "com.example.machool.lanes.%d.%u",
                   (int)getpid(), number);
    if (pipe(fds))
        exit(EXIT_FAILURE);
    pid_t child = fork();
    if (child == 0)
        serve(service[number], fds[1]);
    if (read(fds[0], &ready, 1) != 1)
        exit(EXIT_FAILURE);
    close(fds[0]);
    close(fds[1]);
    return child;
}

/* ---- this task ------------------------------------------------------------------------------- */

static mach_port_t reply_port;

static mach_port_t look_up(unsigned number)
{
    mach_port_t port;
    check(bootstrap_look_up(bootstrap_port, service[number], &port), "look up");
    return port;
}

static void give_back(mach_port_t port)
{
    check(mach_port_deallocate(mach_task_self(), port), "deallocate");
}

static void request_numbered(mach_port_t port, mach_msg_id_t id)
{
    union buffer buffer;
    buffer.header = (mach_msg_header_t){
        .msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MAKE_SEND_ONCE),
        .msgh_size = sizeof buffer.plain,
        .msgh_remote_port = port,
        .msgh_local_port = reply_port,
        .msgh_id = id};
    memset(buffer.plain.bytes, 1, BODY);
    check(mach_msg(&buffer.header, MACH_SEND_MSG | MACH_RCV_MSG, sizeof buffer.plain, sizeof buffer,
                   reply_port, MACH_MSG_TIMEOUT_NONE, MACH_PORT_NULL),
          "request");
}

static void request(mach_port_t port)
{
    request_numbered(port, 0);
}

/* One way: with a right to `third`, or with none. */
static void tell(mach_port_t port, mach_port_t third)
{
    struct letter letter = {
        .header = {.msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0) | MACH_MSGH_BITS_COMPLEX,
                   .msgh_size = sizeof letter,
                   .msgh_remote_port = port},
        .body = {1},
        .right = {.name = third,
                  .disposition = MACH_MSG_TYPE_COPY_SEND,
                  .type = MACH_MSG_PORT_DESCRIPTOR}};
    check(mach_msg(&letter.header, MACH_SEND_MSG, sizeof letter, 0, MACH_PORT_NULL,
                   MACH_MSG_TIMEOUT_NONE, MACH_PORT_NULL),
          "tell");
}

/* Both processes to where the numbers say (see settle), then round trips. */
static void hot_at(const char *name, mach_msg_id_t here, mach_msg_id_t there)
{
    mach_port_t port = look_up(0);
    settle(here);
    request_numbered(port, there);
    for (unsigned i = 0; i < batches; i++) {
        double from = now();
        for (unsigned k = 0; k < BATCH; k++)
            request(port);
        add(&figures[0], (now() - from) / BATCH);
    }
    (void)show(&figures[0], name);
    settle(ANYWHERE);
    request_numbered(port, ANYWHERE);
    give_back(port);
}

static void hot(void)
{
    hot_at("hot", ANYWHERE, ANYWHERE);
}

static void apart(void)
{
    hot_at("hot, two CPUs", 1, 2);
}

static void together(void)
{
    hot_at("hot, one CPU", 1, 1);
}

/* ---- asleep ---------------------------------------------------------------------------------- */

/* One end of a socket; by epoll: that says when something has come, and it is left there for a while, as the
 * layer does with its bells. */
struct end {
    int fd, epoll_fd; /* -1: by recv */
    unsigned unread;
};

static void end_open(struct end *ret_end, int take_fd, bool by_epoll)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP | EPOLLET};
    *ret_end = (struct end){.fd = take_fd, .epoll_fd = -1};
    if (!by_epoll)
        return;
    MUST((ret_end->epoll_fd = epoll_create1(EPOLL_CLOEXEC)) >= 0);
    MUST(epoll_ctl(ret_end->epoll_fd, EPOLL_CTL_ADD, take_fd, &event) == 0);
}

/* False: the other end is gone. */
static bool end_wait(struct end *end)
{
    char bytes[BODY];
    struct epoll_event event = {0};
    if (end->epoll_fd < 0)
        return recv(end->fd, bytes, sizeof bytes, 0) == BODY;
    (void)epoll_wait(end->epoll_fd, &event, 1, -1);
    if (++end->unread < UNREAD)
        return !(event.events & EPOLLRDHUP);
    end->unread = 0;
    ssize_t got = 1;
    while (got > 0)
        got = recv(end->fd, bytes, sizeof bytes, MSG_DONTWAIT);
    return got < 0;
}

static void end_wake(const struct end *end)
{
    static const char bytes[BODY];
    (void)!send(end->fd, bytes, sizeof bytes, MSG_NOSIGNAL);
}

/* Two processes on a socket; the other one answers. */
static struct end answered_socket(bool by_epoll)
{
    struct end here, there;
    int fds[2];
    MUST(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds) == 0);
    if (fork() == 0) {
        close(fds[0]);
        end_open(&there, fds[1], by_epoll);
        while (end_wait(&there))
            end_wake(&there);
        _exit(0);
    }
    close(fds[1]);
    end_open(&here, fds[0], by_epoll);
    return here;
}

static void asleep(void)
{
    mach_port_t port = look_up(0);
    struct end ends[2] = {answered_socket(false), answered_socket(true)};
    for (unsigned i = 0; i < batches * 2; i++) {
        for (unsigned k = 0; k < 2; k++) {
            rest();
            double from = now();
            end_wake(&ends[k]);
            (void)end_wait(&ends[k]);
            add(&figures[k], now() - from);
        }
        rest();
        double from = now();
        request(port);
        add(&figures[2], now() - from);
    }
    close(ends[0].fd);
    close(ends[1].fd);
    double socket = show(&figures[0], "asleep, socket"), epoll = show(&figures[1], "asleep, epoll");
    double mach = show(&figures[2], "asleep");
    printf("%-28s %10s %10.2f\n", "asleep, epoll of socket", "", epoll / socket);
    printf("%-28s %10s %10.2f\n", "asleep of socket", "", mach / socket);
    give_back(port);
}

/* ---- tasks that are new ---------------------------------------------------------------------- */

static void lookup(void)
{
    mach_port_t known = look_up(0);
    for (unsigned i = 0; i < batches * 10; i++) {
        double from = now();
        give_back(look_up(0));
        add(&figures[0], now() - from);
    }
    double middle = show(&figures[0], "look-up");
    printf("%-28s %10s %10.0f\n", "look-ups a second", "", 1e6 / middle);
    give_back(known);
}

static bool any_channel(void)
{
    struct machool_stats stats;
    machool_get_stats(&stats);
    return stats.channels > 0;
}

static void setup(void)
{
    for (unsigned i = 0; i < batches; i++) {
        double from = now();
        mach_port_t port = look_up(0);
        double opened = now();
        request(port);
        double answered = now();
        add(&figures[0], opened - from);
        add(&figures[1], answered - from);
        give_back(port);
        mach_port_type_t type; /* calls that look at the space hear of ends */
        for (unsigned k = 0; any_channel() && k < 1000; k++) {
            rest();
            (void)mach_port_type(mach_task_self(), reply_port, &type);
        }
    }
    (void)show(&figures[0], "set-up, opener");
    (void)show(&figures[1], "set-up, first answer");
}

static void third(void)
{
    mach_port_t port = look_up(0), other = look_up(1);
    for (unsigned i = 0; i < batches * 5; i++) {
        request(port);
        double from = now();
        tell(port, MACH_PORT_NULL);
        add(&figures[0], now() - from);
        request(port);
        from = now();
        tell(port, other);
        add(&figures[1], now() - from);
    }
    double plain = show(&figures[0], "a message"), with = show(&figures[1], "with a third's right");
    printf("%-28s %10s %10.3f\n", "introduction", "", with - plain);
    give_back(port);
    give_back(other);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(void);
    } parts[] = {{"hot", hot},       {"apart", apart}, {"together", together}, {"asleep", asleep},
                 {"lookup", lookup}, {"setup", setup}, {"third", third}};
    const char *text = getenv("BATCHES");
    if (text)
        batches = (unsigned)strtoul(text, NULL, 10);
    pid_t children[2] = {start(0), start(1)};
    check(mach_port_allocate(mach_task_self(), MACH_PORT_RIGHT_RECEIVE, &reply_port), "allocate");
    printf("%-28s %10s %10s\n", "microseconds", "least", "median");
    for (unsigned i = 0; i < sizeof parts / sizeof *parts; i++) {
        bool wanted = argc < 2;
        for (int k = 1; k < argc; k++)
            wanted |= strcmp(argv[k], parts[i].name) == 0;
        if (wanted)
            parts[i].run();
    }
    for (unsigned i = 0; i < 2; i++)
        (void)kill(children[i], SIGKILL);
    return 0;
}
