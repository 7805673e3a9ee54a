/* Starting peers and talking to them; see peer.h.
 *
 * A fresh program finds its ends of the pipes as numbers in its arguments:
 *   PROGRAM --peer NAME ARGUMENT FROM-PARENT TO-PARENT
 * All ends are close-on-exec from birth, so no peer holds the pipes of another one open. */
#include "peer.h"

#include "runner.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static struct peer_case *first_case;
static int running; /* peers started and not yet reaped */

/* Set in a peer. */
static const char *argument;
static int from_parent = -1;
static int to_parent = -1;

void peer_register(struct peer_case *peer)
{
    peer->next = first_case;
    first_case = peer;
}

static void run_case(const char *name)
{
    for (const struct peer_case *peer = first_case; peer != NULL; peer = peer->next) {
        if (strcmp(peer->name, name) == 0) {
            test_set_parent((int)getppid(), name);
            peer->run();
            fflush(NULL);
            _exit(TEST_PASS);
        }
    }
    FAIL("no peer is named %s", name);
}

int peer_main(int argc, char **argv)
{
    if (argc != 6)
        FAIL("--peer NAME ARGUMENT FROM TO");
    argument = argv[3];
    from_parent = (int)strtol(argv[4], NULL, 10);
    to_parent = (int)strtol(argv[5], NULL, 10);
    (void)fcntl(from_parent, F_SETFD, FD_CLOEXEC);
    (void)fcntl(to_parent, F_SETFD, FD_CLOEXEC);
    run_case(argv[2]);
    return 0;
}

static void make_pipe(int ends[2])
{
    ASSERT_SYS(pipe(ends));
    ASSERT_SYS(fcntl(ends[0], F_SETFD, FD_CLOEXEC));
    ASSERT_SYS(fcntl(ends[1], F_SETFD, FD_CLOEXEC));
}

__attribute__((noreturn)) static void start_program(const char *name, const char *text, int from,
                                                    int to)
{
    char from_text[16];
    char to_text[16];
    snprintf(from_text, sizeof(from_text), "%d", from);
    snprintf(to_text, sizeof(to_text), "%d", to);
    (void)fcntl(from, F_SETFD, 0);
    (void)fcntl(to, F_SETFD, 0);
    execl(test_program(), test_program(), "--peer", name, text, from_text, to_text, (char *)NULL);
    FAIL("exec %s: %s", test_program(), strerror(errno));
}

static void start(struct peer *ret_peer, const char *name, const char *text, bool fresh)
{
    int down[2];
    int up[2];
    make_pipe(down);
    make_pipe(up);
    fflush(NULL);
    pid_t pid = (pid_t)ASSERT_SYS(fork());
    if (pid == 0) {
        running = 0;
        close(down[1]);
        close(up[0]);
        if (fresh)
            start_program(name, text, down[0], up[1]);
        argument = text;
        from_parent = down[0];
        to_parent = up[1];
        run_case(name);
    }
    close(down[0]);
    close(up[1]);
    running++;
    *ret_peer = (struct peer){.name = name, .pid = pid, .to = down[1], .from = up[0]};
}

void peer_start(struct peer *ret_peer, const char *name, const char *text)
{
    /* A test that became another user may have lost the way to the program. */
    bool runnable = access(test_program(), X_OK) == 0;
    start(ret_peer, name, text, runnable && !test_forks_peers());
}

void peer_start_forked(struct peer *ret_peer, const char *name, const char *text)
{
    start(ret_peer, name, text, false);
}

/* False: the other side has gone. */
static bool hear(int fd)
{
    char byte;
    ssize_t got;
    do {
        got = read(fd, &byte, 1);
    } while (got < 0 && errno == EINTR);
    return got == 1;
}

static bool tell(int fd)
{
    ssize_t put;
    do {
        put = write(fd, "!", 1);
    } while (put < 0 && errno == EINTR);
    return put == 1;
}

void peer_tell(struct peer *peer)
{
    if (!tell(peer->to))
        FAIL("peer %s has ended: %s", peer->name, strerror(errno));
}

void peer_hear(struct peer *peer)
{
    if (!hear(peer->from))
        FAIL("peer %s has ended", peer->name);
}

int peer_reap(struct peer *peer)
{
    int status = 0;
    while (waitpid(peer->pid, &status, 0) < 0)
        if (errno != EINTR)
            FAIL("waitpid for peer %s: %s", peer->name, strerror(errno));
    close(peer->to);
    close(peer->from);
    running--;
    return status;
}

void peer_join(struct peer *peer)
{
    int status = peer_reap(peer);
    if (WIFSIGNALED(status))
        FAIL("peer %s: killed by signal %d", peer->name, WTERMSIG(status));
    if (WEXITSTATUS(status) == TEST_GATED)
        _exit(TEST_GATED);
    if (WEXITSTATUS(status) != TEST_PASS)
        FAIL("peer %s: exit status %d", peer->name, WEXITSTATUS(status));
}

void peer_kill(struct peer *peer)
{
    kill(peer->pid, SIGKILL);
    (void)peer_reap(peer);
}

const char *parent_argument(void)
{
    return argument;
}

void parent_tell(void)
{
    if (!tell(to_parent))
        _exit(TEST_FAIL); /* the test has ended and said why */
}

void parent_hear(void)
{
    if (!hear(from_parent))
        _exit(TEST_FAIL);
}

bool parent_gone(void)
{
    return !hear(from_parent);
}

void peer_assert_none_left(void)
{
    if (running != 0)
        FAIL("%d peers were never joined", running);
}
