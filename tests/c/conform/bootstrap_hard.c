/* Names under fire: races, kills, owners that are stopped, many threads, services that come and go.
 * Section 7: S166, S168, S169, S173. */
#include "harness/bootstrap_kit.h"

#include <signal.h>
#include <unistd.h>

#define GATE_STOPPED() GATE_DARWIN("launchd answers, whatever the owner does")

/* ---- races ----------------------------------------------------------------------------------- */

enum { RACE_GO = 1, RACE_WON, RACE_LOST, RACE_OVER, RACE_FREE, RACE_HERE, RACE_END };

/* Registers the name whenever told, says whether it won, and lets go of it when told. */
PEER(hard_racer)
{
    struct kit_pair pair;
    struct plain_rcv received;
    mach_port_t port = MACH_PORT_NULL;
    kit_pair_join(&pair);
    for (;;) {
        ASSERT_OK(kit_receive(&received.header, sizeof(received), pair.mine, 0, PATIENCE));
        if (received.header.msgh_id == RACE_END)
            break;
        if (received.header.msgh_id == RACE_GO) {
            port = kit_port();
            kern_return_t result = bootstrap_register(bootstrap_port, pair.argument, port);
            if (result != BOOTSTRAP_SUCCESS)
                ASSERT_CODE(BOOTSTRAP_NOT_PRIVILEGED, result);
            kit_send_plain(pair.theirs, result == BOOTSTRAP_SUCCESS ? RACE_WON : RACE_LOST);
            if (result == BOOTSTRAP_SUCCESS) {
                kit_expect_plain(port, RACE_HERE);
                kit_send_plain(pair.theirs, RACE_HERE);
            }
        } else {
            ASSERT_EQ(RACE_OVER, received.header.msgh_id);
            kit_destroy(port);
            kit_send_plain(pair.theirs, RACE_FREE);
        }
    }
    kit_pair_leave(&pair);
}

static int hear_racer(struct kit_pair *racer)
{
    struct plain_rcv received;
    ASSERT_OK(kit_receive(&received.header, sizeof(received), racer->mine, 0, PATIENCE));
    return received.header.msgh_id;
}

TEST_FOR(S166_two_tasks_race_for_a_name, 60)
{
    GATE_LAUNCHD();
    enum { ROUNDS = 300 };
    service_name name;
    struct kit_pair racers[2];
    unsigned wins[2] = {0, 0};
    kit_service_name(name, sizeof(name));
    for (int i = 0; i < 2; i++)
        kit_pair_start(&racers[i], "hard_racer", name);
    for (int round = 0; round < ROUNDS; round++) {
        mach_port_t found = MACH_PORT_NULL;
        for (int i = 0; i < 2; i++)
            kit_send_plain(racers[(round + i) % 2].theirs, RACE_GO);
        int first = hear_racer(&racers[0]);
        int second = hear_racer(&racers[1]);
        ASSERT_EQ(RACE_WON + RACE_LOST, first + second);
        int winner = first == RACE_WON ? 0 : 1;
        wins[winner]++;
        ASSERT_OK(bootstrap_look_up(bootstrap_port, name, &found));
        kit_send_plain(found, RACE_HERE);
        ASSERT_EQ(RACE_HERE, hear_racer(&racers[winner]));
        for (int i = 0; i < 2; i++)
            kit_send_plain(racers[i].theirs, RACE_OVER);
        for (int i = 0; i < 2; i++)
            ASSERT_EQ(RACE_FREE, hear_racer(&racers[i]));
        kit_wait_dead(found);
        kit_destroy(found);
    }
    ASSERT_EQ(ROUNDS, wins[0] + wins[1]);
    for (int i = 0; i < 2; i++)
        kit_send_plain(racers[i].theirs, RACE_END);
    for (int i = 0; i < 2; i++)
        kit_pair_end(&racers[i]);
}

/* Killed and reaped: the very next call finds the name free. */
TEST_FOR(S169_name_is_free_once_its_owner_is_reaped, 60)
{
    GATE_DARWIN("launchd hears of the end by a notification, in its own time");
    service_name name;
    kit_service_name(name, sizeof(name));
    for (int round = 0; round < 60; round++) {
        struct peer peer;
        mach_port_t held = MACH_PORT_NULL;
        mach_port_t port = kit_port();
        peer_start(&peer, "kit_owns_a_service", name);
        peer_hear(&peer);
        if (round % 3 == 1) /* with a connection that its owner never answered */
            ASSERT_OK(bootstrap_look_up(bootstrap_port, name, &held));
        peer_kill(&peer);
        ASSERT_OK(bootstrap_register(bootstrap_port, name, port));
        ASSERT_OK(kit_look_up_code(name));
        kit_destroy(port);
        if (held != MACH_PORT_NULL) {
            kit_wait_dead(held);
            kit_destroy(held);
        }
    }
}

/* Looks up all the time; a service is there or not, and nothing else. */
struct looker {
    const char *name;
    unsigned found;
    bool *stop;
};

static void *look_up_until_stopped(void *argument)
{
    struct looker *looker = argument;
    while (!__atomic_load_n(looker->stop, __ATOMIC_RELAXED)) {
        kern_return_t result = kit_look_up_code(looker->name);
        if (result == BOOTSTRAP_SUCCESS)
            looker->found++;
        else
            ASSERT_CODE(BOOTSTRAP_UNKNOWN_SERVICE, result);
    }
    return NULL;
}

/* Publishes and destroys, again and again. */
PEER(hard_flickers)
{
    service_name name;
    kit_argument_name(name);
    for (int i = 0; i < 300; i++) {
        mach_port_t port = kit_port();
        struct plain_rcv received;
        ASSERT_OK(bootstrap_register(bootstrap_port, name, port));
        ASSERT_CODE(MACH_RCV_TIMED_OUT,
                    kit_receive(&received.header, sizeof(received), port, 0, (unsigned)i % 3));
        kit_destroy(port);
    }
}

TEST_FOR(S173_look_ups_while_the_service_comes_and_goes, 60)
{
    GATE_LAUNCHD();
    service_name name;
    struct peer peer;
    bool stop = false;
    struct looker lookers[3];
    pthread_t threads[3];
    kit_service_name(name, sizeof(name));
    for (int i = 0; i < 3; i++) {
        lookers[i] = (struct looker){name, 0, &stop};
        threads[i] = kit_thread(look_up_until_stopped, &lookers[i]);
    }
    peer_start(&peer, "hard_flickers", name);
    peer_join(&peer);
    __atomic_store_n(&stop, true, __ATOMIC_RELAXED);
    for (int i = 0; i < 3; i++)
        kit_join(threads[i]);
    ASSERT(lookers[0].found + lookers[1].found + lookers[2].found > 0);
    kit_wait_unknown(name);
}

/* ---- owners that are stopped ------------------------------------------------------------------ */

struct one_look_up {
    const char *name;
    mach_port_t found;
    uint64_t milliseconds;
};

static void *look_up_once(void *argument)
{
    struct one_look_up *look = argument;
    uint64_t start = kit_milliseconds();
    ASSERT_OK(bootstrap_look_up(bootstrap_port, look->name, &look->found));
    look->milliseconds = kit_milliseconds() - start;
    return NULL;
}

TEST(S168_many_threads_look_up_while_the_owner_is_stopped)
{
    GATE_STOPPED();
    enum { THREADS = 6 };
    service_name name;
    struct peer peer;
    struct one_look_up looks[THREADS];
    pthread_t threads[THREADS];
    kit_service_name(name, sizeof(name));
    peer_start(&peer, "kit_owns_a_service", name);
    peer_hear(&peer);
    ASSERT_SYS(kill(peer.pid, SIGSTOP));
    for (int i = 0; i < THREADS; i++) {
        looks[i] = (struct one_look_up){name, MACH_PORT_NULL, 0};
        threads[i] = kit_thread(look_up_once, &looks[i]);
    }
    for (int i = 0; i < THREADS; i++) {
        kit_join(threads[i]);
        ASSERT(looks[i].milliseconds < 3000);
        ASSERT_EQ(looks[0].found, looks[i].found); /* one port has one name */
    }
    ASSERT_EQ(THREADS, kit_refs(looks[0].found, MACH_PORT_RIGHT_SEND));
    peer_kill(&peer);
    kit_wait_dead(looks[0].found);
    kit_destroy(looks[0].found);
    kit_wait_unknown(name);
}

TEST(S169_owner_is_killed_while_it_is_stopped)
{
    GATE_STOPPED();
    service_name name;
    struct peer peer;
    mach_port_t found = MACH_PORT_NULL;
    kit_service_name(name, sizeof(name));
    peer_start(&peer, "kit_owns_a_service", name);
    peer_hear(&peer);
    ASSERT_SYS(kill(peer.pid, SIGSTOP));
    ASSERT_OK(bootstrap_look_up(bootstrap_port, name, &found));
    kit_send_plain(found, 1);
    peer_kill(&peer);
    kit_wait_dead(found);
    ASSERT_CODE(BOOTSTRAP_UNKNOWN_SERVICE, kit_look_up_code(name));
    ASSERT_CODE(MACH_SEND_INVALID_DEST, kit_try_plain(found, MACH_MSG_TYPE_COPY_SEND, 2, 0));
    kit_destroy(found);
}

/* Others register, look up and serve while one task is stopped. */
TEST(S168_a_stopped_owner_is_in_nobodys_way)
{
    GATE_STOPPED();
    service_name stopped, name;
    struct peer peer, other;
    mach_port_t port = kit_port();
    mach_port_t found = MACH_PORT_NULL;
    kit_service_name(stopped, sizeof(stopped));
    kit_service_name(name, sizeof(name));
    peer_start(&peer, "kit_owns_a_service", stopped);
    peer_hear(&peer);
    ASSERT_SYS(kill(peer.pid, SIGSTOP));
    ASSERT_CODE(BOOTSTRAP_NOT_PRIVILEGED, bootstrap_register(bootstrap_port, stopped, port));
    ASSERT_CODE(BOOTSTRAP_NOT_PRIVILEGED, bootstrap_check_in(bootstrap_port, stopped, &found));
    peer_start(&other, "kit_owns_a_service", name);
    peer_hear(&other);
    ASSERT_OK(kit_look_up_code(name));
    peer_tell(&other);
    peer_join(&other);
    ASSERT_SYS(kill(peer.pid, SIGCONT));
    peer_tell(&peer);
    peer_join(&peer);
    kit_destroy(port);
}

/* ---- many threads ----------------------------------------------------------------------------- */

struct many_look_ups {
    service_name *names;
    mach_port_t *found; /* the same for everybody, or 0 yet */
};

enum { SERVICES = 4, LOOKERS = 6, LOOKS = 60 };

static void *look_up_all(void *argument)
{
    struct many_look_ups *many = argument;
    for (int i = 0; i < LOOKS; i++) {
        mach_port_t found = MACH_PORT_NULL;
        mach_port_t before = MACH_PORT_NULL;
        ASSERT_OK(bootstrap_look_up(bootstrap_port, many->names[i % SERVICES], &found));
        ASSERT_NE(MACH_PORT_NULL, found);
        if (!__atomic_compare_exchange_n(&many->found[i % SERVICES], &before, found, false,
                                         __ATOMIC_RELAXED, __ATOMIC_RELAXED))
            ASSERT_EQ(before, found);
    }
    return NULL;
}

/* Serves nothing, but waits for a message, and so answers look-ups. */
PEER(hard_waits)
{
    struct kit_pair pair;
    mach_port_t port = kit_port();
    kit_pair_join(&pair);
    ASSERT_OK(bootstrap_register(bootstrap_port, pair.argument, port));
    parent_tell();
    kit_expect_plain(pair.mine, 1);
    kit_destroy(port);
    kit_pair_leave(&pair);
}

TEST(S168_look_ups_of_many_threads)
{
    service_name names[SERVICES];
    struct kit_pair pairs[SERVICES];
    mach_port_t found[SERVICES] = {0};
    struct many_look_ups many = {names, found};
    pthread_t threads[LOOKERS];
    for (int i = 0; i < SERVICES; i++) {
        kit_service_name(names[i], sizeof(names[i]));
        kit_pair_start(&pairs[i], "hard_waits", names[i]);
        peer_hear(&pairs[i].peer);
    }
    for (int i = 0; i < LOOKERS; i++)
        threads[i] = kit_thread(look_up_all, &many);
    for (int i = 0; i < LOOKERS; i++)
        kit_join(threads[i]);
    for (int i = 0; i < SERVICES; i++) {
        ASSERT_EQ(LOOKERS * LOOKS / SERVICES, kit_refs(found[i], MACH_PORT_RIGHT_SEND));
        kit_destroy(found[i]);
        kit_send_plain(pairs[i].theirs, 1);
        kit_pair_end(&pairs[i]);
    }
}
