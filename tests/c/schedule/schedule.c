/* The schedules of tests/model with real processes: players send each other messages with rights of all
 * kinds and receive rights, receive, drop, destroy, ask for notifications, all at once, while the test
 * stops and kills some of them. What each did stands in memory that all share.
 *
 * What must hold (tests/model/README.md): a message that was accepted is received once, each sender's
 * in order, unless a death took it or its port; a send-once right comes to one end, a message or a
 * notification; no senders is said only when there are none, and then without fail; and in the end
 * nothing is left. A port that a killed player has had may have died, and with it what was sent there
 * (D24 among it); all else about it must still be true.
 *
 * MACHOOL_TEST_SEED plays the same programs again; how they meet is up to the system. */
#include "schedule.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static struct game *game;
static struct kit_pair players[PLAYERS];

static bool lives(unsigned i)
{
    return (atomic_load(&game->killed) & 1u << i) == 0;
}

static void new_game(char *path)
{
    int fd = (int)ASSERT_SYS(mkstemp(path));
    ASSERT_SYS(ftruncate(fd, sizeof(*game)));
    close(fd);
    game = schedule_open(path);
    atomic_store(&game->ids, PLAYERS);
    for (unsigned i = 0; i < IDS; i++)
        atomic_store(&game->ports[i].owner, -1);
}

static void start_players(const char *path)
{
    char argument[KIT_TEXT];
    for (unsigned i = 0; i < PLAYERS; i++) {
        snprintf(argument, sizeof(argument), "%u:%s", i, path);
        kit_pair_start(&players[i], "schedule_player", argument);
    }
    for (unsigned i = 0; i < PLAYERS; i++)
        peer_hear(&players[i].peer);
    for (unsigned i = 0; i < PLAYERS * PLAYERS; i++) {
        struct note note;
        unsigned to = i / PLAYERS;
        if (to == i % PLAYERS)
            continue;
        memset(&note, 0, sizeof(note));
        kit_header(&note.header,
                   MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0) | MACH_MSGH_BITS_COMPLEX,
                   sizeof(note), players[to].theirs, MACH_PORT_NULL, MESSAGE_ID);
        note.body.msgh_descriptor_count = 1;
        kit_port_descriptor(&note.right[0], players[i % PLAYERS].theirs, MACH_MSG_TYPE_COPY_SEND);
        note.ids[0] = i % PLAYERS;
        note.sender = TEST_PLAYER;
        note.to = to;
        ASSERT_OK(kit_send(&note.header, MACH_SEND_TIMEOUT, PATIENCE));
    }
    for (unsigned i = 0; i < PLAYERS; i++)
        peer_tell(&players[i].peer);
}

/* Lets the others look at what comes, and this task's own part in it be done. */
static void wait_a_little(void)
{
    struct plain_rcv received;
    ASSERT_CODE(MACH_RCV_TIMED_OUT, kit_receive(&received.header, sizeof(received), players[0].mine,
                                                0, 1 + kit_random(3)));
}

/* Stops some for a moment, and kills so many, until the others have played. */
static void disturb(unsigned kills)
{
    unsigned killed = 0;
    while (atomic_load(&game->done) + (int)killed < PLAYERS) {
        unsigned i = kit_random(PLAYERS);
        bool kill_it = killed < kills && kit_random(6) == 0;
        if (!lives(i))
            continue;
        ASSERT_SYS(kill(players[i].peer.pid, SIGSTOP));
        wait_a_little();
        if (kill_it) {
            int done = atomic_load(&game->done);
            peer_kill(&players[i].peer);
            atomic_fetch_or(&game->killed, 1u << i);
            killed++;
            if (done == PLAYERS) /* it may have been one of these */
                return;
        } else {
            ASSERT_SYS(kill(players[i].peer.pid, SIGCONT));
        }
    }
}

/* Everybody alive has looked so often, and nothing has come. */
static bool all_idle(const unsigned *before)
{
    for (unsigned i = 0; i < PLAYERS; i++)
        if (lives(i) && atomic_load(&game->idle[i]) - before[i] < A_MOMENT)
            return false;
    return true;
}

static void settle(void)
{
    unsigned idle[PLAYERS];
    unsigned activity;
    do {
        activity = atomic_load(&game->activity);
        for (unsigned i = 0; i < PLAYERS; i++)
            idle[i] = atomic_load(&game->idle[i]);
        for (unsigned i = 0; !all_idle(idle) && atomic_load(&game->activity) == activity; i++) {
            ASSERT(i < 3 * PATIENCE);
            wait_a_little();
        }
    } while (atomic_load(&game->activity) != activity);
}

static bool all_told(void)
{
    for (unsigned i = PLAYERS; i < IDS; i++)
        if (atomic_load(&game->ports[i].asked) && !atomic_load(&game->ports[i].told))
            return false;
    return true;
}

static void check(unsigned id)
{
    struct record *port = &game->ports[id];
    int owner = atomic_load(&port->owner);
    if (owner < 0 || !lives((unsigned)owner))
        return; /* dead, or died on its way */
    bool untouched = (atomic_load(&port->owners) & atomic_load(&game->killed)) == 0;
    for (unsigned i = 0; i < PLAYERS; i++) {
        unsigned sent = atomic_load(&port->sent[i]);
        unsigned got = atomic_load(&port->got[i]);
        if (got > sent + !lives(i) || (untouched && got < sent))
            FAIL("port %u: %u messages of %u were accepted, %u came; owners 0x%x, killed 0x%x", id,
                 sent, i, got, atomic_load(&port->owners), atomic_load(&game->killed));
    }
    if (id < PLAYERS)
        return;
    ASSERT(atomic_load(&port->told));
    unsigned made = atomic_load(&port->made);
    unsigned ended = atomic_load(&port->ended);
    if (ended > made || (untouched && ended < made))
        FAIL("port %u: %u send-once rights were made, %u came to an end", id, made, ended);
}

static void tell_what_was_played(void)
{
    unsigned ports = 0;
    unsigned moved = 0;
    unsigned messages = 0;
    unsigned once = 0;
    if (getenv("MACHOOL_TEST_VERBOSE") == NULL)
        return;
    for (unsigned id = 0; id < IDS; id++) {
        struct record *port = &game->ports[id];
        unsigned owners = atomic_load(&port->owners);
        ports += owners != 0;
        moved += (owners & (owners - 1)) != 0;
        once += atomic_load(&port->made);
        for (unsigned i = 0; i < PLAYERS; i++)
            messages += atomic_load(&port->sent[i]);
    }
    fprintf(stderr, "    %u messages, %u send-once rights, %u ports, %u of them moved; %u killed\n",
            messages, once, ports, moved, (unsigned)__builtin_popcount(atomic_load(&game->killed)));
}

static void end_players(void)
{
    for (unsigned i = 0; i < PLAYERS; i++) {
        if (!lives(i)) {
            kit_pair_drop(&players[i]);
            continue;
        }
        peer_hear(&players[i].peer);
        peer_tell(&players[i].peer);
        kit_pair_end(&players[i]);
    }
}

static void play(unsigned kills)
{
    char path[] = "/tmp/machool-game-XXXXXX";
    new_game(path);
    start_players(path);
    disturb(kills);
    atomic_store(&game->phase, DROP);
    settle();
    atomic_store(&game->phase, ASK);
    settle();
    for (unsigned i = 0; !all_told(); i++) {
        if (i > PATIENCE)
            FAIL("some port was not told that it has no senders");
        wait_a_little();
    }
    for (unsigned id = 0; id < IDS; id++)
        check(id);
    tell_what_was_played();
    atomic_store(&game->phase, LEAVE);
    end_players();
    ASSERT_SYS(munmap(game, sizeof(*game)));
    ASSERT_SYS(unlink(path));
}

TEST_FOR(schedules_of_tasks_that_are_stopped, 120)
{
    for (unsigned i = 0; i < 6; i++)
        play(0);
}

TEST_FOR(schedules_of_tasks_that_are_killed, 120)
{
    for (unsigned i = 0; i < 6; i++)
        play(1 + kit_random(2));
}
