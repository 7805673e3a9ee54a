/* The runner's main program and the assertions.
 *
 *   PROGRAM [options] [NAME...]
 *     --list          print the names, one a line, with "heavy" or "must-fail" behind them
 *     --heavy         run the heavy tests too
 *     --timeout S     one time limit for all
 *     --no-fork       run in this process, for a debugger: one NAME, no time limit
 *     --fork-peers    peers are forked children instead of fresh programs
 *     --plain         a FAIL_TEST that fails counts as a failure
 *
 * One line a test on stdout, a summary at the end; what a test has to say about its failure goes
 * to stderr before its line. Exit status: 0 all passed, 1 some failed, 77 nothing but gates.
 *
 * The time limit is SIGALRM in the runner: the handler kills the test's process group and the
 * blocking wait returns by itself. A peer that fails tells the test by SIGUSR2 after printing why,
 * so that the test ends at once instead of waiting for a message that will never come.
 *
 * Nothing here knows Mach; the hooks of mach_kit.c bring it in. */
#include "runner.h"

#include "codes.h"
#include "counts.h"
#include "peer.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#ifdef __APPLE__
#include <mach-o/dyld.h>
#endif

/* The exit status of a test that ran to its end; exit(0) in the middle is not one. */
enum { TEST_DONE = 42 };

struct options {
    bool list, heavy, no_fork, fork_peers, plain;
    unsigned seconds;
};

static struct test_case *first_test;
static struct test_case **last_test = &first_test;
static struct test_hooks hooks;
static struct options options;
static char program[4096];
static int parent_pid;
static const char *peer_name;
static volatile sig_atomic_t timed_out;
static volatile sig_atomic_t running_pid;

void test_register(struct test_case *test)
{
    *last_test = test;
    last_test = &test->next;
}

void test_set_hooks(const struct test_hooks *new_hooks)
{
    hooks = *new_hooks;
}

const char *test_program(void)
{
    return program;
}

bool test_forks_peers(void)
{
    return options.fork_peers;
}

void test_set_parent(int pid, const char *name)
{
    parent_pid = pid;
    peer_name = name;
}

/* Assertions. */

void test_gate(const char *reason)
{
    fprintf(stderr, "    gate: %s\n", reason);
    _exit(TEST_GATED);
}

void test_fail(const char *file, int line, const char *format, ...)
{
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    const char *slash = strrchr(file, '/');
    fprintf(stderr, "    %s:%d: %s%s%s\n", slash != NULL ? slash + 1 : file, line,
            peer_name != NULL ? peer_name : "", peer_name != NULL ? ": " : "", text);
    if (parent_pid != 0)
        kill(parent_pid, SIGUSR2);
    _exit(TEST_FAIL);
}

void test_equal(uint64_t expected, uint64_t actual, bool same, const char *expected_text,
                const char *actual_text, const char *file, int line)
{
    if ((expected == actual) == same)
        return;
    if (!same)
        test_fail(file, line, "%s is %s: 0x%llx", actual_text, expected_text,
                  (unsigned long long)actual);
    test_fail(file, line, "%s: expected %s = 0x%llx (%lld), got 0x%llx (%lld)", actual_text,
              expected_text, (unsigned long long)expected, (long long)expected,
              (unsigned long long)actual, (long long)actual);
}

void test_code(int expected, int actual, const char *call, const char *file, int line)
{
    char expected_name[64];
    char actual_name[64];
    if (expected != actual)
        test_fail(file, line, "%s: expected %s, got %s", call,
                  code_name(expected, expected_name, sizeof(expected_name)),
                  code_name(actual, actual_name, sizeof(actual_name)));
}

long test_system(long result, const char *call, const char *file, int line)
{
    if (result < 0)
        test_fail(file, line, "%s: %s", call, strerror(errno));
    return result;
}

void test_string(const char *expected, const char *actual, const char *text, const char *file,
                 int line)
{
    if (strcmp(expected, actual) != 0)
        test_fail(file, line, "%s: expected \"%s\", got \"%s\"", text, expected, actual);
}

void test_memory(const void *expected, const void *actual, size_t size, const char *text,
                 const char *file, int line)
{
    const unsigned char *left = expected;
    const unsigned char *right = actual;
    if (size == 0 || memcmp(left, right, size) == 0)
        return;
    size_t at = 0;
    while (left[at] == right[at])
        at++;
    test_fail(file, line, "%s: byte %zu of %zu: expected 0x%02x, got 0x%02x", text, at, size,
              left[at], right[at]);
}

void test_all_bytes(unsigned char byte, const void *address, size_t size, const char *text,
                    const char *file, int line)
{
    const unsigned char *bytes = address;
    if (size == 0 || (bytes[0] == byte && memcmp(bytes, bytes + 1, size - 1) == 0))
        return;
    size_t at = 0;
    while (bytes[at] == byte)
        at++;
    test_fail(file, line, "%s: byte %zu of %zu: expected 0x%02x, got 0x%02x", text, at, size, byte,
              bytes[at]);
}

/* Running one test in its child. */

static void on_peer_failure(int signal)
{
    (void)signal;
    _exit(TEST_FAIL);
}

static void compare_counts(struct counts *before)
{
    static struct counts after;
    for (int round = 0; round < 300; round++) {
        counts_take(&after, hooks.count_names);
        if (counts_equal(before, &after))
            return;
        if (hooks.settle == NULL || !hooks.settle())
            break;
    }
    counts_print_difference(before, &after);
    _exit(TEST_FAIL);
}

static void run_here(const struct test_case *test)
{
    static struct counts before;
    if (hooks.warm_up != NULL)
        hooks.warm_up();
    counts_take(&before, hooks.count_names);
    test->run();
    peer_assert_none_left();
    compare_counts(&before);
    if (counts_memory_lost())
        FAIL("memory was lost");
}

static int run_child(const struct test_case *test)
{
    setpgid(0, 0);
    signal(SIGUSR2, on_peer_failure);
    run_here(test);
    fflush(NULL);
    _exit(TEST_DONE);
}

static void on_alarm(int signal)
{
    (void)signal;
    timed_out = 1;
    if (running_pid > 0)
        kill(-(pid_t)running_pid, SIGKILL);
}

/* Forks, waits, and ends what the test left running. Returns the wait status. */
static int run_forked(const struct test_case *test)
{
    siginfo_t info;
    int status = 0;
    fflush(NULL);
    timed_out = 0;
    pid_t pid = fork();
    if (pid < 0)
        FAIL("fork: %s", strerror(errno));
    if (pid == 0)
        run_child(test);
    setpgid(pid, pid); /* either side may be first */
    running_pid = (sig_atomic_t)pid;
    alarm(options.seconds != 0 ? options.seconds : test->seconds);
    while (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT) != 0 && errno == EINTR)
        ;
    alarm(0);
    running_pid = 0;
    kill(-pid, SIGKILL); /* the group still exists: its leader is a zombie until reaped here */
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return status;
}

static const char *outcome_text(int status, char *text, size_t size)
{
    if (timed_out)
        snprintf(text, size, "timed out");
    else if (WIFSIGNALED(status))
        snprintf(text, size, "killed by signal %d (%s)", WTERMSIG(status),
                 strsignal(WTERMSIG(status)));
    else
        snprintf(text, size, "exit status %d", WEXITSTATUS(status));
    return text;
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e3 + (double)time.tv_nsec / 1e6;
}

struct tally {
    unsigned passed, failed, gated, skipped;
};

static void run_test(const struct test_case *test, struct tally *tally)
{
    char text[128];
    if (test->heavy && !options.heavy) {
        printf("skip %s: heavy\n", test->name);
        tally->skipped++;
        return;
    }
    double start = now();
    int status = run_forked(test);
    double took = now() - start;
    bool failed = timed_out || !WIFEXITED(status) || WEXITSTATUS(status) != TEST_DONE;
    if (failed && !timed_out && WIFEXITED(status) && WEXITSTATUS(status) == TEST_GATED) {
        printf("gate %s\n", test->name);
        tally->gated++;
    } else if (failed != (test->must_fail && !options.plain)) {
        printf("FAIL %s: %s (%.0f ms)\n", test->name,
               failed ? outcome_text(status, text, sizeof(text)) : "passed but must fail", took);
        tally->failed++;
    } else {
        printf("ok   %s (%.0f ms)%s%s\n", test->name, took, failed ? ": fails as it must: " : "",
               failed ? outcome_text(status, text, sizeof(text)) : "");
        tally->passed++;
    }
    fflush(stdout);
}

static struct test_case *find_test(const char *name)
{
    for (struct test_case *test = first_test; test != NULL; test = test->next)
        if (strcmp(test->name, name) == 0)
            return test;
    fprintf(stderr, "no test is named %s\n", name);
    exit(2);
}

static int run_tests(int count, char **names)
{
    struct tally tally = {0, 0, 0, 0};
    struct sigaction action = {.sa_handler = on_alarm};
    sigaction(SIGALRM, &action, NULL);
    if (count == 0)
        for (const struct test_case *test = first_test; test != NULL; test = test->next)
            run_test(test, &tally);
    for (int i = 0; i < count; i++)
        run_test(find_test(names[i]), &tally);
    printf("%u passed, %u failed, %u gated, %u skipped\n", tally.passed, tally.failed, tally.gated,
           tally.skipped);
    if (tally.failed != 0)
        return TEST_FAIL;
    return tally.passed == 0 && tally.gated != 0 ? TEST_GATED : TEST_PASS;
}

static void list_tests(void)
{
    for (const struct test_case *test = first_test; test != NULL; test = test->next)
        printf("%s%s%s\n", test->name, test->heavy ? " heavy" : "",
               test->must_fail ? " must-fail" : "");
}

/* Thread stacks that glibc keeps, per-thread heaps and large blocks of malloc would look like
 * leaked mappings. These settings are read at program start, so the program starts itself again with them. */
static void restart_tuned(char **argv)
{
#ifdef __linux__
    const char *wanted = "glibc.malloc.arena_max=1:glibc.malloc.mmap_threshold=33554432:"
                         "glibc.pthread.stack_cache_size=1";
    const char *present = getenv("GLIBC_TUNABLES");
    ssize_t length = readlink("/proc/self/exe", program, sizeof(program) - 1);
    if (length <= 0)
        FAIL("/proc/self/exe: %s", strerror(errno));
    if (present != NULL && strcmp(present, wanted) == 0)
        return;
    setenv("GLIBC_TUNABLES", wanted, 1);
    execv(program, argv);
    FAIL("exec %s: %s", program, strerror(errno));
#else
    uint32_t size = sizeof(program);
    (void)argv;
    if (_NSGetExecutablePath(program, &size) != 0)
        FAIL("the path of the program is longer than %zu", sizeof(program));
#endif
}

static int parse_options(int argc, char **argv)
{
    int at = 1;
    for (; at < argc && strncmp(argv[at], "--", 2) == 0; at++) {
        if (strcmp(argv[at], "--list") == 0)
            options.list = true;
        else if (strcmp(argv[at], "--heavy") == 0)
            options.heavy = true;
        else if (strcmp(argv[at], "--no-fork") == 0)
            options.no_fork = true;
        else if (strcmp(argv[at], "--fork-peers") == 0)
            options.fork_peers = true;
        else if (strcmp(argv[at], "--plain") == 0)
            options.plain = true;
        else if (strcmp(argv[at], "--timeout") == 0 && at + 1 < argc)
            options.seconds = (unsigned)strtoul(argv[++at], NULL, 10);
        else {
            fprintf(stderr, "unknown option %s\n", argv[at]);
            exit(2);
        }
    }
    return at;
}

int main(int argc, char **argv)
{
    restart_tuned(argv);
    if (argc > 1 && strcmp(argv[1], "--peer") == 0)
        return peer_main(argc, argv);
    int first_name = parse_options(argc, argv);
    if (options.list) {
        list_tests();
        return 0;
    }
    if (options.no_fork) {
        options.fork_peers = true;
        run_here(find_test(first_name < argc ? argv[first_name] : ""));
        return 0;
    }
    return run_tests(argc - first_name, argv + first_name);
}
