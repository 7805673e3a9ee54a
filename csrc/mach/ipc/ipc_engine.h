/* The engine: whoever waits for anything makes progress for all.
 *
 * One thread leads: it reads rings, sockets and listeners, files what it finds, and sleeps in
 * epoll when there is nothing. The others follow: each sleeps on an eventfd of its own until
 * woken. A leader that leaves with followers behind hands over to one of them.
 *
 * Channels are hot (their ring is polled by who spins, their bell is not asked for) or armed
 * (their bell is asked for, epoll tells). A channel becomes hot when its bell rang and is armed
 * again before the leader sleeps, or when others push it out of the hot set. Nobody in the engine
 * means at most that hot rings wait until the next pass, which every call begins with; when a
 * descriptor was handed out (machool_port_fd), leaving arms every channel, so that it polls true.
 *
 * Passes are numbered. A whole pass reads every ring, every readable socket and the accept
 * queues; ipc_grant's judgement needs one.
 *
 * Spinning: before it sleeps, a leader polls hot rings, for at most ENGINE_SPIN nanoseconds and
 * only while the peer's last processor is another one. A spin that found nothing halves the next
 * one, down to none; one that did, or a sleep that was so short that spinning would have done,
 * restores it: so a task that is called now and then goes to sleep at once. A peer on this
 * very processor cannot answer while this task spins: it is yielded to, until a yield finds
 * nobody, or somebody else who keeps the processor.
 *
 * Locks: the task lock, dropped while sleeping or spinning. */
#ifndef MACHOOL_IPC_ENGINE_H
#define MACHOOL_IPC_ENGINE_H

#include "util/util_idmap.h"
#include "util/util_list.h"

#include <stdbool.h>
#include <stdint.h>

#define ENGINE_PUZZLE_PASSES 16      /* whole passes until an id that nobody explains is unknown, */
#define ENGINE_PUZZLE_TIME 200000000 /* ns, and time: whoever holds up a ring may be interrupted */

struct wire_channel;

/* A thread that waits; lives on its stack. */
struct ipc_waiter {
    struct util_link link;   /* at the port or channel it waits for; empty once woken */
    struct util_link follow; /* among the engine's followers */
    int event_fd;            /* its eventfd while it follows; -1 otherwise */
    bool ready;              /* woken */
};

struct ipc_engine {
    int epoll_fd; /* -1 before first use */
    int kick_fd;  /* wakes a sleeping leader */
    uint64_t pass;
    struct ipc_waiter *leader;
    bool asleep;               /* the leader is in epoll */
    bool watched;              /* a descriptor was handed out: arm on leaving */
    struct util_idmap watches; /* struct ipc_watch by serial number */
    uint64_t serial;
    struct util_link followers;
    struct util_link hot; /* struct wire_channel */
    unsigned hot_count;
    bool behind;      /* some busy ring is neither hot nor armed: look at all of them */
    bool starved;     /* some channel or listener is short of descriptors */
    unsigned polls;   /* passes since epoll was last looked at */
    int64_t looked;   /* when that was */
    int64_t now;      /* the time, when it was last looked at: never later than it is */
    bool now_is_new;  /* that was while spinning, and no pass has begun since */
    int64_t budget;   /* ns that the leader may spin before it sleeps */
    bool rang;        /* a peer was woken since somebody last waited: where it runs, nobody knows */
    bool yielded;     /* to a peer, since epoll was last looked at: others may have run too */
    int64_t crowded;  /* until when other processes' work forbids to yield to a peer */
    int64_t crowding; /* how long that was the last time */
    unsigned depth;   /* entries being read just now, one within another */
    uint64_t sweep;   /* number of the last reading of all rings */
    uint64_t idle_pass; /* the last whole pass that found nothing in any ring */
    bool many_cpus;
};

/* The state before first use; forgets, closes nothing. */
void ipc_engine_reset(void);
/* Creates the descriptors. 0 or -errno. */
int ipc_engine_init(void);
/* Closes them (forked child). */
void ipc_engine_deinit(void);

enum ipc_watch_kind {
    IPC_WATCH_CHANNEL,
    IPC_WATCH_DOOR,
    IPC_WATCH_END,
    IPC_WATCH_LOOKUP,
    IPC_WATCH_KICK,
};

/* First member of whatever is watched. Events come back by serial number, not by address: a
 * thread may hold events of something that another thread has closed meanwhile. */
struct ipc_watch {
    struct util_idnode node;
    enum ipc_watch_kind kind;
};

/* Adds a descriptor, or removes it. 0 or -errno. */
int ipc_engine_watch(int fd, struct ipc_watch *what);
void ipc_engine_unwatch(int fd, struct ipc_watch *what);

/* Reads what is there now, without sleeping; judges counts as far as that allows. */
void ipc_engine_poll(void);

/* One whole pass. */
void ipc_engine_read_all(void);
/* Every ring is read to its end, unless an entry is being read just now. */
void ipc_engine_read_others(void);
/* An entry of the channel names an id that is not known (ipc_riddle.h): true as long as other rings may
 * still tell of it, so that it is to be left unread. */
bool ipc_engine_puzzled(struct wire_channel *channel);

/* For calls that only look at the space: as ipc_engine_poll if the engine runs at all, so that
 * deaths of other tasks are seen, and leaves as it came. */
void ipc_engine_catch_up(void);

/* Waits until the waiter is woken, the deadline passes (-ETIMEDOUT) or a signal comes (-EINTR).
 * The waiter is in its port's or channel's list, and is taken out before return. */
int ipc_engine_wait(struct ipc_waiter *waiter, int64_t deadline);

/* Wakes all waiters in a list, or the first one. */
void ipc_engine_wake_all(struct util_link *waiters);
void ipc_engine_wake_first(struct util_link *waiters);

/* A call is about to return to the program. If the leader sleeps or a descriptor was handed out,
 * counts that this call made zero are judged (somebody may be waiting for the notification), and
 * whatever it made hot is armed again; what remains to be done wakes the leader. */
void ipc_engine_leave(void);

/* A descriptor will be handed out: from now on leave with every bell asked for. */
int ipc_engine_expose(void);

/* A channel showed life or is new: it becomes hot, and what is in its ring is read. */
void ipc_engine_read(struct wire_channel *channel);
/* Reads what is in a channel's ring now, may end it. */
void ipc_engine_look(struct wire_channel *channel);
/* Its socket was read for something else, and a bell may have been among it: it becomes hot. */
void ipc_engine_heat(struct wire_channel *channel);
/* A peer that slept was woken up. */
void ipc_engine_rang(void);
/* The time as of the last look at the clock: within this call for whoever has just sent, or heard
 * from, something; or looks at it now. */
int64_t ipc_engine_time(void);
int64_t ipc_engine_clock(void);
/* A channel is going. */
void ipc_engine_cool(struct wire_channel *channel);

#endif
