/* A player of schedule/schedule.c: it does whatever comes to mind. */
#include "schedule.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { KNOWN = 600 };

/* What a player knows of one name. */
struct known {
    mach_port_t name;
    uint32_t id, sends;
    bool receives, once, watched;
    bool quiet; /* no senders was said, and none made since: so many more messages may come */
    uint32_t allowed;
};

static struct game *game;
static struct known table[KNOWN];
static unsigned known;
static mach_port_t set, home;
static uint32_t me, number;
static uint64_t state;

static unsigned roll(unsigned limit)
{
    state += 0x9e3779b97f4a7c15;
    uint64_t value = (state ^ state >> 30) * 0xbf58476d1ce4e5b9;
    value = (value ^ value >> 27) * 0x94d049bb133111eb;
    return (unsigned)((value ^ value >> 31) % limit);
}

/* ---- names ------------------------------------------------------------------------------- */

static struct known *find(mach_port_t name)
{
    for (unsigned i = 0; i < known; i++)
        if (table[i].name == name)
            return &table[i];
    return NULL;
}

static struct known *entry_of(mach_port_t name, uint32_t id)
{
    struct known *entry = find(name);
    if (entry == NULL) {
        ASSERT(known < KNOWN);
        entry = &table[known++];
        *entry = (struct known){.name = name, .id = id};
    }
    ASSERT_EQ(entry->id, id); /* one name for each port (S105) */
    return entry;
}

static void forget_if_empty(struct known *entry)
{
    if (!entry->sends && !entry->receives && !entry->once)
        *entry = table[--known];
}

/* A right that came: by a message, or back because one could not be sent. */
static void absorb(mach_port_t name, unsigned disposition, uint32_t id)
{
    if (!MACH_PORT_VALID(name))
        return;
    struct known *entry = entry_of(name, id);
    if (disposition == MACH_MSG_TYPE_PORT_RECEIVE) {
        entry->receives = true;
        ASSERT_OK(mach_port_move_member(mach_task_self(), name, set));
        atomic_fetch_or(&game->ports[id].owners, 1u << me);
        atomic_store(&game->ports[id].owner, (int)me);
    } else if (disposition == MACH_MSG_TYPE_PORT_SEND_ONCE) {
        entry->once = true;
    } else {
        entry->sends++;
    }
}

static void new_port(void)
{
    uint32_t id = atomic_fetch_add(&game->ids, 1);
    if (id < IDS && known < KNOWN - 10)
        absorb(kit_receive_right(), MACH_MSG_TYPE_PORT_RECEIVE, id);
}

/* A random entry that the player may use so; NULL: the first try found none. */
static struct known *any_of(bool (*fits)(const struct known *))
{
    unsigned start = known ? roll(known) : 0;
    for (unsigned i = 0; i < known; i++) {
        struct known *entry = &table[(start + i) % known];
        if (fits(entry))
            return entry;
    }
    return NULL;
}

static bool can_send(const struct known *entry)
{
    return entry->sends || entry->once;
}
static bool can_own(const struct known *entry)
{
    return entry->receives && entry->name != home;
}
static bool is_send(const struct known *entry)
{
    return entry->sends;
}
static bool is_once(const struct known *entry)
{
    return entry->once;
}

static void drop(struct known *entry)
{
    ASSERT_OK(mach_port_deallocate(mach_task_self(), entry->name));
    if (entry->once)
        entry->once = false;
    else
        entry->sends--;
    forget_if_empty(entry);
}

static void destroy(struct known *entry)
{
    atomic_store(&game->ports[entry->id].owner, -1);
    kit_destroy(entry->name);
    *entry = table[--known];
}

/* ---- messages ---------------------------------------------------------------------------- */

/* One right for the message, taken from its name as the send will take it. Circles are avoided as in
 * the model: a receive right goes only to a port with a smaller number. */
static void pick(struct note *note, unsigned i, uint32_t to)
{
    unsigned what = roll(6);
    struct known *entry = NULL;
    unsigned disposition = MACH_MSG_TYPE_COPY_SEND;
    if (what < 3 && (entry = any_of(can_own)) != NULL) {
        static const unsigned of_receiver[3] = {MACH_MSG_TYPE_MOVE_RECEIVE, MACH_MSG_TYPE_MAKE_SEND,
                                                MACH_MSG_TYPE_MAKE_SEND_ONCE};
        disposition = of_receiver[what];
        if (what == 0 && entry->id <= to)
            disposition = MACH_MSG_TYPE_MAKE_SEND;
    } else if (what == 3 && (entry = any_of(is_once)) != NULL) {
        disposition = MACH_MSG_TYPE_MOVE_SEND_ONCE;
    } else if (what > 3 && (entry = any_of(is_send)) != NULL) {
        disposition = what == 4 ? MACH_MSG_TYPE_COPY_SEND : MACH_MSG_TYPE_MOVE_SEND;
    }
    kit_port_descriptor(&note->right[i], entry != NULL ? entry->name : MACH_PORT_NULL, disposition);
    if (entry == NULL)
        return;
    note->ids[i] = entry->id;
    entry->quiet &= disposition != MACH_MSG_TYPE_MAKE_SEND;
    if (disposition == MACH_MSG_TYPE_MAKE_SEND_ONCE)
        atomic_fetch_add(&game->ports[entry->id].made, 1);
    if (disposition == MACH_MSG_TYPE_MOVE_RECEIVE) {
        entry->receives = entry->quiet = false;
        atomic_store(&game->ports[entry->id].owner, -1);
        atomic_store(&game->ports[entry->id].moved, true);
    }
    entry->once &= disposition != MACH_MSG_TYPE_MOVE_SEND_ONCE;
    entry->sends -= disposition == MACH_MSG_TYPE_MOVE_SEND;
    forget_if_empty(entry);
}

/* The opposite of pick. */
static void restore(const struct note *note, unsigned i)
{
    mach_port_t name = note->right[i].name;
    switch (note->right[i].disposition) {
    case MACH_MSG_TYPE_MOVE_RECEIVE:
        absorb(name, MACH_MSG_TYPE_PORT_RECEIVE, note->ids[i]);
        break;
    case MACH_MSG_TYPE_MOVE_SEND:
        absorb(name, MACH_MSG_TYPE_PORT_SEND, note->ids[i]);
        break;
    case MACH_MSG_TYPE_MOVE_SEND_ONCE:
        absorb(name, MACH_MSG_TYPE_PORT_SEND_ONCE, note->ids[i]);
        break;
    case MACH_MSG_TYPE_MAKE_SEND_ONCE:
        atomic_fetch_sub(&game->ports[note->ids[i]].made, 1);
        break;
    default:
        break;
    }
}

/* Not sent: all that it carries is here again (S126). */
static void take_back(const struct note *note, bool once)
{
    for (unsigned i = 0; i < 2; i++)
        absorb(note->right[i].name, note->right[i].disposition, note->ids[i]);
    if (once)
        absorb(note->header.msgh_remote_port, MACH_MSG_TYPE_PORT_SEND_ONCE, note->to);
    else
        kit_deallocate(note->header.msgh_remote_port);
}

static void send_something(void)
{
    struct note note;
    struct known *entry = any_of(can_send);
    if (entry == NULL)
        return;
    struct known dest = *entry;
    unsigned how = dest.once ? MACH_MSG_TYPE_MOVE_SEND_ONCE : MACH_MSG_TYPE_COPY_SEND;
    if (dest.once) {
        entry->once = false;
        forget_if_empty(entry);
    }
    memset(&note, 0, sizeof(note));
    note.sender = me;
    note.number = ++number;
    note.to = dest.id;
    note.once = dest.once;
    kit_header(&note.header, MACH_MSGH_BITS(how, 0) | MACH_MSGH_BITS_COMPLEX, sizeof(note),
               dest.name, MACH_PORT_NULL, MESSAGE_ID);
    note.body.msgh_descriptor_count = 2;
    for (unsigned i = 0; i < 2; i++)
        pick(&note, i, dest.id);
    mach_msg_return_t result = kit_send(&note.header, MACH_SEND_TIMEOUT, roll(4) == 0 ? 1 : 0);
    if (result == MACH_SEND_INVALID_DEST) { /* a dead name: nothing has been taken */
        for (unsigned i = 0; i < 2; i++)
            restore(&note, i);
        if (dest.once)
            kit_deallocate(dest.name);
        else
            drop(find(dest.name));
    } else if (result == MACH_SEND_TIMED_OUT) {
        take_back(&note, dest.once);
    } else {
        ASSERT_OK(result);
        if (!dest.once)
            atomic_fetch_add(&game->ports[dest.id].sent[me], 1);
    }
}

/* ---- what comes -------------------------------------------------------------------------- */

static void news(const struct note_rcv *received)
{
    mach_port_t port = received->news.header.msgh_local_port;
    struct known *entry = find(port);
    ASSERT_NE(NULL, entry);
    switch (received->news.header.msgh_id) {
    case NO_SENDERS:
        atomic_fetch_add(&game->ports[entry->id].ended, 1);
        atomic_store(&game->ports[entry->id].told, true);
        /* rights are numbered anew with each move (S121): only before the first is it clear which are
         * meant */
        entry->quiet = !atomic_load(&game->ports[entry->id].moved) &&
                       kit_status(port).mps_mscount == received->news.word;
        entry->allowed = kit_status(port).mps_msgcount;
        break;
    case SEND_ONCE_DIED:
        if (port != home)
            atomic_fetch_add(&game->ports[entry->id].ended, 1);
        break;
    case DEAD_NAME: /* with one more reference to it */
        kit_deallocate(received->news.word);
        break;
    default:
        break;
    }
}

static void message(const struct note *note)
{
    struct known *entry = find(note->header.msgh_local_port);
    struct record *port = &game->ports[note->to];
    ASSERT_NE(NULL, entry);
    ASSERT_EQ(entry->id, note->to);
    ASSERT(entry->receives);
    if (note->once) {
        atomic_fetch_add(&port->ended, 1);
    } else if (note->sender < PLAYERS) {
        ASSERT(note->number > atomic_exchange(&port->last[note->sender], note->number));
        atomic_fetch_add(&port->got[note->sender], 1);
        if (entry->quiet)
            ASSERT(entry->allowed-- > 0); /* there were no senders any more */
    }
    for (unsigned i = 0; i < note->body.msgh_descriptor_count; i++)
        absorb(note->right[i].name, note->right[i].disposition, note->ids[i]);
}

static bool receive_one(unsigned timeout)
{
    struct note_rcv received;
    mach_msg_return_t result = kit_receive(&received.note.header, sizeof(received), set, 0,
                                           timeout);
    if (result == MACH_RCV_TIMED_OUT) {
        atomic_fetch_add(&game->idle[me], 1);
        return false;
    }
    ASSERT_OK(result);
    atomic_fetch_add(&game->activity, 1);
    if (received.note.header.msgh_id == MESSAGE_ID)
        message(&received.note);
    else
        news(&received);
    return true;
}

/* ---- a player ---------------------------------------------------------------------------- */

static void ask(void)
{
    struct known *entry = roll(2) ? any_of(can_own) : any_of(is_send);
    mach_port_t previous = MACH_PORT_NULL;
    if (entry == NULL)
        return;
    if (can_own(entry)) { /* told at the port itself, wherever that is then */
        atomic_fetch_add(&game->ports[entry->id].made, 1);
        ASSERT_OK(mach_port_request_notification(mach_task_self(), entry->name,
                                                 MACH_NOTIFY_NO_SENDERS, 0, entry->name,
                                                 MACH_MSG_TYPE_MAKE_SEND_ONCE, &previous));
        if (MACH_PORT_VALID(previous))
            kit_deallocate(previous);
    } else if (!entry->watched) {
        entry->watched = true;
        kern_return_t result = mach_port_request_notification(
            mach_task_self(), entry->name, MACH_NOTIFY_DEAD_NAME, 0, home,
            MACH_MSG_TYPE_MAKE_SEND_ONCE, &previous);
        if (result != KERN_SUCCESS)
            ASSERT_CODE(KERN_INVALID_ARGUMENT, result); /* dead already */
    }
}

static void step(void)
{
    unsigned what = roll(100);
    struct known *entry = NULL;
    if (what < 45)
        send_something();
    else if (what < 85)
        (void)receive_one(what == 84);
    else if (what < 90 && (entry = any_of(can_send)) != NULL)
        drop(entry);
    else if (what < 91 && (entry = any_of(can_own)) != NULL)
        destroy(entry);
    else if (what < 94)
        new_port();
    else
        ask();
}

static void until(enum phase phase, bool dropping)
{
    struct known *entry;
    while (atomic_load(&game->phase) < (int)phase) {
        while (dropping && (entry = any_of(can_send)) != NULL)
            drop(entry);
        (void)receive_one(1);
    }
}

struct game *schedule_open(const char *path)
{
    int fd = (int)ASSERT_SYS(open(path, O_RDWR));
    struct game *opened = mmap(NULL, sizeof(*opened), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    ASSERT_NE(MAP_FAILED, opened);
    close(fd);
    return opened;
}

/* For no senders, of each port that is here: all have been dropped. */
static void ask_of_all(void)
{
    for (unsigned i = 0; i < known; i++) {
        mach_port_t previous = MACH_PORT_NULL;
        struct known *entry = &table[i];
        if (!can_own(entry))
            continue;
        atomic_fetch_add(&game->ports[entry->id].made, 1);
        atomic_store(&game->ports[entry->id].told, false);
        atomic_store(&game->ports[entry->id].asked, true);
        ASSERT_OK(mach_port_request_notification(mach_task_self(), entry->name,
                                                 MACH_NOTIFY_NO_SENDERS, 0, entry->name,
                                                 MACH_MSG_TYPE_MAKE_SEND_ONCE, &previous));
        if (MACH_PORT_VALID(previous))
            kit_deallocate(previous);
    }
}

PEER(schedule_player)
{
    struct kit_pair pair;
    char path[KIT_TEXT];
    kit_pair_join(&pair);
    ASSERT_EQ(2, sscanf(pair.argument, "%u:%60s", &me, path));
    game = schedule_open(path);
    state = (uint64_t)kit_random(1u << 30) << 8 | me;
    set = kit_port_set();
    home = pair.mine;
    absorb(home, MACH_MSG_TYPE_PORT_RECEIVE, me);
    for (unsigned i = 0; i < 2; i++)
        new_port();
    parent_tell();
    parent_hear();
    for (unsigned i = 0; i < STEPS; i++)
        step();
    atomic_fetch_add(&game->done, 1);
    until(DROP, false);
    until(ASK, true);
    ask_of_all();
    until(LEAVE, true);
    while (known)
        if (table[0].name == home)
            table[0] = table[--known];
        else
            destroy(&table[0]);
    kit_destroy(set);
    parent_tell();
    parent_hear();
    kit_pair_leave(&pair);
}
