/* Peers: the other processes of a test.
 *
 *   PEER(echo) { parent_hear(); ... parent_tell(); }
 *   TEST(...)  { struct peer peer; peer_start(&peer, "echo", "argument"); peer_tell(&peer); ... }
 *
 * A peer is this program started again (or a forked child, with --fork-peers), so it is a task of
 * its own with nothing but its bootstrap port. It is named like a test and has one string argument.
 * Test and peer meet by single bytes on two pipes: tell never blocks, hear waits for one tell.
 * A peer that fails an assertion fails the test. */
#ifndef TESTS_HARNESS_PEER_H
#define TESTS_HARNESS_PEER_H

#include <stdbool.h>
#include <sys/types.h>

struct peer {
    const char *name;
    pid_t pid;
    int to;   /* our end of the pipe to the peer */
    int from; /* our end of the pipe from the peer */
};

struct peer_case {
    const char *name;
    void (*run)(void);
    struct peer_case *next;
};

void peer_register(struct peer_case *peer);

#define PEER(name_)                                                                                \
    static void peer_##name_(void);                                                                \
    __attribute__((constructor)) static void peer_##name_##_register(void)                         \
    {                                                                                              \
        static struct peer_case peer = {#name_, peer_##name_, NULL};                               \
        peer_register(&peer);                                                                      \
    }                                                                                              \
    static void peer_##name_(void)

/* The test's side. Failures of these calls fail the test. */
void peer_start(struct peer *ret_peer, const char *name, const char *argument);
/* Always as a forked child: for tests whose peers may not run the program anew. */
void peer_start_forked(struct peer *ret_peer, const char *name, const char *argument);
void peer_tell(struct peer *peer);
void peer_hear(struct peer *peer);
/* Waits for the end and closes the pipes: join wants exit status 0, reap takes what comes and
 * returns the wait status. */
void peer_join(struct peer *peer);
int peer_reap(struct peer *peer);
void peer_kill(struct peer *peer); /* SIGKILL and reap */

/* The peer's side. */
const char *parent_argument(void);
void parent_tell(void);
void parent_hear(void);
bool parent_gone(void); /* waits for a tell like parent_hear; true when the test ended instead */

/* For the runner. */
int peer_main(int argc, char **argv);
void peer_assert_none_left(void);

#endif
