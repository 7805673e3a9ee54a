/* Tests that must fail: what the runner is there to notice. Each plants one fault; test_c.py runs
 * them as they are and again with --plain, where each has to come out as a failure with its
 * reason. Needs no Mach. */
#include "peer.h"
#include "runner.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

TEST(nothing_is_wrong)
{
    ASSERT_EQ(4, 2 + 2);
    ASSERT_STR("one", "one");
}

TEST(what_is_given_back_is_no_leak)
{
    int fd = (int)ASSERT_SYS(dup(1));
    void *page = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON, -1, 0);
    ASSERT(page != MAP_FAILED);
    ASSERT_SYS(munmap(page, 1 << 20));
    ASSERT_SYS(close(fd));
}

PEER(selftest_answers)
{
    parent_hear();
    ASSERT_STR("an argument", parent_argument());
    parent_tell();
}

TEST(a_peer_answers)
{
    struct peer peer;
    peer_start(&peer, "selftest_answers", "an argument");
    peer_tell(&peer);
    peer_hear(&peer);
    peer_join(&peer);
}

TEST(is_gated)
{
    GATE("two and two are four");
}

FAIL_TEST(leaks_a_descriptor)
{
    ASSERT_SYS(dup(1));
}

FAIL_TEST(loses_a_descriptor)
{
    ASSERT_SYS(close(0));
}

FAIL_TEST(leaks_a_mapping)
{
#ifdef __APPLE__
    FAIL("mappings are not counted here: the kernel maps for its own libraries at any time");
#endif
    void *page = mmap(NULL, 4096, PROT_READ, MAP_SHARED | MAP_ANON, -1, 0);
    ASSERT(page != MAP_FAILED);
}

/* The kernel joins it to its neighbour, so that only the bytes tell. */
FAIL_TEST(leaks_a_joined_mapping)
{
#ifdef __APPLE__
    FAIL("mappings are not counted here: the kernel maps for its own libraries at any time");
#endif
    for (int i = 0; i < 2; i++)
        ASSERT(mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON, -1, 0) !=
               MAP_FAILED);
}

FAIL_TEST(hangs)
{
    for (;;)
        pause();
}

FAIL_TEST(crashes)
{
    raise(SIGSEGV);
}

FAIL_TEST(aborts)
{
    abort();
}

FAIL_TEST(exits_early)
{
    _exit(3);
}

FAIL_TEST(exits_with_success)
{
    _exit(0);
}

FAIL_TEST(breaks_an_assertion)
{
    ASSERT_EQ(5, 2 + 2);
}

FAIL_TEST(gets_another_code)
{
    ASSERT_CODE(0x10000003, 0x10004003);
}

PEER(selftest_fails)
{
    ASSERT_STR("expected", "something else");
}

/* The test itself waits for a word that never comes. */
FAIL_TEST(has_a_failing_peer)
{
    struct peer peer;
    peer_start(&peer, "selftest_fails", "");
    for (;;)
        pause();
}

PEER(selftest_crashes)
{
    raise(SIGSEGV);
}

FAIL_TEST(has_a_crashing_peer)
{
    struct peer peer;
    peer_start(&peer, "selftest_crashes", "");
    peer_join(&peer);
}

PEER(selftest_lives_on)
{
    parent_hear();
}

FAIL_TEST(forgets_a_peer)
{
    struct peer peer;
    peer_start(&peer, "selftest_lives_on", "");
    memset(&peer, 0, sizeof(peer));
}
