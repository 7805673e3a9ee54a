/* The test runner: every TEST() is a process of its own, with a time limit, and must leave as many
 * descriptors, mappings and port names behind as it found.
 *
 *   TEST(S19_size_zero_needs_no_address) { ... ASSERT_CODE(MACH_MSG_SUCCESS, mach_msg(...)); }
 *
 * A test registers itself by a constructor, which works on ELF and on Mach-O alike. The runner
 * forks for each one and makes the child leader of a process group, so that the time limit (20 s
 * unless TEST_FOR says otherwise) takes the test's own children with it. The child warms the
 * layer up, counts, runs the test, waits until things have settled, and counts again.
 *
 *   TEST(name)             must pass
 *   TEST_FOR(name, s)      the same with a time limit of s seconds
 *   HEAVY_TEST(name, s)    wants several GiB of memory: runs with --heavy only
 *   FAIL_TEST(name)        must fail: how the runner itself is tested
 *
 * A test whose fact cannot hold on the system at hand says GATE("reason") first; the reason is
 * one of the kernel, never of convenience. The program's arguments are described in runner.c. */
#ifndef TESTS_HARNESS_RUNNER_H
#define TESTS_HARNESS_RUNNER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    TEST_PASS = 0,
    TEST_FAIL = 1,
    TEST_GATED = 77,
    TEST_SECONDS = 20,
};

struct test_case {
    const char *name;
    void (*run)(void);
    unsigned seconds;
    bool heavy;
    bool must_fail;
    struct test_case *next;
};

void test_register(struct test_case *test);

#define TEST_CASE(name_, seconds_, heavy_, must_fail_)                                             \
    static void name_(void);                                                                       \
    __attribute__((constructor)) static void name_##_register(void)                                \
    {                                                                                              \
        static struct test_case test = {#name_, name_, seconds_, heavy_, must_fail_, NULL};        \
        test_register(&test);                                                                      \
    }                                                                                              \
    static void name_(void)

#define TEST(name) TEST_CASE(name, TEST_SECONDS, false, false)
#define TEST_FOR(name, seconds) TEST_CASE(name, seconds, false, false)
#define HEAVY_TEST(name, seconds) TEST_CASE(name, seconds, true, false)
#define FAIL_TEST(name) TEST_CASE(name, 2, false, true)

/* What the library under test adds to the runner; NULL members are left out. */
struct test_hooks {
    void (*warm_up)(void);       /* before the first count */
    bool (*settle)(void);        /* waits a moment for the library; false: nothing to wait for */
    size_t (*count_names)(void); /* a third count beside descriptors and mappings */
};
void test_set_hooks(const struct test_hooks *hooks);

/* Ends the process: a test as gated, with the reason printed. */
__attribute__((noreturn)) void test_gate(const char *reason);
/* Ends the process as failed. In a peer the test fails with it. Safe in any thread. */
__attribute__((noreturn, format(printf, 3, 4))) void test_fail(const char *file, int line,
                                                               const char *format, ...);

#define GATE(reason) test_gate(reason)
#ifdef __APPLE__
#define GATE_DARWIN(reason) test_gate(reason)
#define GATE_LINUX(reason) ((void)0)
#else
#define GATE_DARWIN(reason) ((void)0)
#define GATE_LINUX(reason) test_gate(reason)
#endif

#define FAIL(...) test_fail(__FILE__, __LINE__, __VA_ARGS__)

#define ASSERT(condition)                                                                          \
    do {                                                                                           \
        if (!(condition))                                                                          \
            FAIL("%s", #condition);                                                                \
    } while (0)

/* Any two integers or pointers; both are printed, in hexadecimal and decimal. */
#define ASSERT_EQ(expected, actual)                                                                \
    test_equal((uint64_t)(expected), (uint64_t)(actual), true, #expected, #actual, __FILE__,       \
               __LINE__)
#define ASSERT_NE(unwanted, actual)                                                                \
    test_equal((uint64_t)(unwanted), (uint64_t)(actual), false, #unwanted, #actual, __FILE__,      \
               __LINE__)
/* Two return codes of Mach or of bootstrap; both are printed by name. */
#define ASSERT_CODE(expected, call)                                                                \
    test_code((int)(expected), (int)(call), #call, __FILE__, __LINE__)
#define ASSERT_OK(call) ASSERT_CODE(0, call)
/* A call that returns -1 and sets errno. */
#define ASSERT_SYS(call) test_system((long)(call), #call, __FILE__, __LINE__)
#define ASSERT_STR(expected, actual) test_string(expected, actual, #actual, __FILE__, __LINE__)
/* `size` bytes; the first one that differs is printed. */
#define ASSERT_MEM(expected, actual, size)                                                         \
    test_memory(expected, actual, size, #actual, __FILE__, __LINE__)
#define ASSERT_ALL(byte, address, size)                                                            \
    test_all_bytes((unsigned char)(byte), address, size, #address, __FILE__, __LINE__)

void test_equal(uint64_t expected, uint64_t actual, bool same, const char *expected_text,
                const char *actual_text, const char *file, int line);
void test_code(int expected, int actual, const char *call, const char *file, int line);
long test_system(long result, const char *call, const char *file, int line);
void test_string(const char *expected, const char *actual, const char *text, const char *file,
                 int line);
void test_memory(const void *expected, const void *actual, size_t size, const char *text,
                 const char *file, int line);
void test_all_bytes(unsigned char byte, const void *address, size_t size, const char *text,
                    const char *file, int line);

/* The path of the running program, for those that start it again. */
const char *test_program(void);
/* Peers run in a plain forked child instead of a fresh program (--fork-peers). */
bool test_forks_peers(void);
/* The pid a failing peer has to tell; 0 in a test itself. Set by peer.c. */
void test_set_parent(int pid, const char *peer_name);

#endif
