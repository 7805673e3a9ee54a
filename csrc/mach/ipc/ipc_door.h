/* Doors and ends: how two tasks meet.
 *
 * A door is a listener: the task's private one, or one for each name it registered. An end is an
 * accepted connection that is not (yet) a channel. It stands for rights: INTRO names them by id
 * (somebody passed them on to a third task), LOOKUP one by service name. They are counted
 * (`pending`) as long as the end waits; HELLO makes the end a channel and the rights its peer's,
 * the end's death gives them back. What is not here then may be on its way in a ring that has not been
 * read: the channel keeps it, and it is read before the channel's entries, as a CLAIM would be.
 *
 * A door stands where its port is: to register another task's port, the name's listener is handed
 * to that task, whoever knocked already with it. The task that registered keeps a door without a
 * descriptor, so that it knows what it has registered.
 *
 * Locks: the task lock. */
#ifndef MACHOOL_IPC_DOOR_H
#define MACHOOL_IPC_DOOR_H

#include "ipc/ipc_engine.h"
#include "os/os_fd.h"
#include "util/util_id.h"
#include "util/util_list.h"
#include "wire/wire_format.h"

#include <stdbool.h>
#include <sys/types.h>

struct ipc_peer;
struct ipc_port;
struct wire_channel;

struct ipc_door {
    struct ipc_watch watch; /* first */
    struct util_link link;
    int fd; /* -1: it stands in the task that has the port */
    bool starved;
    bool declared; /* nobody has checked in: the port's receive right is the door's */
    struct os_address address;
    char name[WIRE_NAME_MAX]; /* empty: the private door */
    struct ipc_port *port;    /* a named door's right, carried */
    struct ipc_port *context; /* the bootstrap port it was declared at, referenced; NULL: here */
    uid_t *uids;              /* further users that may look up */
    unsigned uid_count;
};

struct ipc_end {
    struct ipc_watch watch; /* first */
    struct util_link link;
    int fd;
    bool starved;
    uint64_t seen;            /* the last reading of all ends that read it */
    struct ipc_door *door;    /* NULL once its door has closed */
    struct ipc_stand *stands; /* the rights it stands for */
    uint32_t stand_count;
    struct util_id alias; /* LOOKUP: the looker's own name for it */
    bool held;            /* was told HOLD */
    int onward;           /* connected to the next owner, to be sent with GONE; -1: none */
};

/* The port has come here: ends that were introduced to it before stand for it now; of those that have
 * become channels, the peers hold it. */
void ipc_door_resolve(struct ipc_port *port);
/* Ports are `moving`: ends that stand for one of them are told HOLD. True: there was one more. */
bool ipc_door_hold(void);
/* An end connected to the private door of a peer that has said where it is; -EPIPE: it is gone; or
 * -errno. */
int ipc_door_knock(const struct ipc_peer *peer);
/* Connects each of them to the next owner. 0 or -errno. */
int ipc_door_prepare(const struct ipc_peer *owner);
/* The move is made: GONE, and such ends are counted as this task's own rights. */
void ipc_door_gone(struct util_id owner);
/* It is given up: STAY. */
void ipc_door_stay(void);
/* The ids of INTRO or GONE: one in the datagram, or `count` in an object (borrowed). 0 or -EBADMSG. */
int ipc_door_read_ids(const struct wire_datagram *datagram, int borrow_list,
                      struct util_id *ret_ids);
/* The services of a port follow it to the peer. */
void ipc_door_follow(struct ipc_port *port, struct ipc_peer *to);
/* Tells the owner behind a connected end which rights it stands for. 0 or -errno. */
int ipc_door_introduce(int end, const struct util_id *ids, uint32_t count);

/* Opens a door: private (name empty, port NULL) or for a service; carries `port`. 0 or -errno:
 * -EADDRINUSE when the name is taken. */
int ipc_door_open(const char *name, struct ipc_port *borrow_port, const uid_t *uids,
                  unsigned uid_count);
/* Hands a door to the task where its port is now; it stays in the list without its descriptor. 0,
 * -EPERM (that task runs as another user), or -errno with nothing changed. */
int ipc_door_hand_over(struct ipc_door *door, struct ipc_peer *to);
/* WIRE_DOOR: a listener for a port of ours. 0, -EMFILE (read the entry again later), -EBADMSG. */
int ipc_door_receive(struct wire_channel *channel, const void *payload, size_t size);
/* The door of a service this task registered; NULL: none. */
struct ipc_door *ipc_door_find(const char *name);
/* A service declared at some program's bootstrap port: a door without a listener that holds the
 * receive right of `port`, carries it and refers to `context`. 0 or -ENOMEM; finding it. */
int ipc_door_declare_at(struct ipc_port *context, const char *name, struct ipc_port *port);
struct ipc_door *ipc_door_find_at(const struct ipc_port *context, const char *name);
/* The task ends: path sockets outlive it, and only what was killed may leave them. */
void ipc_door_remove_paths(void);
/* Closes it and drops its right. */
void ipc_door_close(struct ipc_door *door);
/* Closes the doors of a port that has died. */
void ipc_door_close_all_of(struct ipc_port *port);
/* Accepts what waits; ends are read at once. */
void ipc_door_accept(struct ipc_door *door);
/* Reads an end: INTRO, LOOKUP, HELLO, or its death. */
void ipc_end_read(struct ipc_end *end);
void ipc_end_close(struct ipc_end *end);
/* Ends that were closed before that whole pass began, and carried what has moved on, let go of it. */
void ipc_end_part(uint64_t finished);
/* All ends, then all doors. No ring is read. */
void ipc_end_read_all(void);
/* Address of a service's door, or of a task's private one. 0 or -ENAMETOOLONG. */
int ipc_door_address(const char *name, struct os_address *ret_address);

#endif
