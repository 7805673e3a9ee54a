/* What the players of schedule/schedule.c and the test share. */
#ifndef TESTS_SCHEDULE_SCHEDULE_H
#define TESTS_SCHEDULE_SCHEDULE_H

#include "harness/port_kit.h"

#include <stdatomic.h>

enum {
    PLAYERS = 4,
    STEPS = 1500,
    IDS = 4000, /* ports of one game; the first are the players' homes, which never move */
    MESSAGE_ID = 9000,
    NO_SENDERS = 70,
    SEND_ONCE_DIED = 71,
    DEAD_NAME = 72,
    TEST_PLAYER = PLAYERS, /* as a sender */
};

enum phase { PLAY, DROP, ASK, LEAVE };

struct record {         /* of one port */
    atomic_uint owners; /* a bit for each player that has had it */
    atomic_int owner;   /* who has it; -1: on its way, or dead */
    atomic_uint sent[PLAYERS], got[PLAYERS], last[PLAYERS];
    atomic_uint made, ended; /* send-once rights */
    atomic_bool moved;
    atomic_bool asked, told; /* at the end, for no senders */
};

struct game {
    atomic_int phase;
    atomic_uint ids, activity, killed;
    atomic_int done;           /* players that have played all their steps */
    atomic_uint idle[PLAYERS]; /* how often nothing has come within a millisecond */
    struct record ports[IDS];
};

struct note {
    mach_msg_header_t header;
    mach_msg_body_t body;
    mach_msg_port_descriptor_t right[2];
    uint32_t sender, number, to, once;
    uint32_t ids[2];
};
struct note_rcv {
    union {
        struct note note;
        struct {
            mach_msg_header_t header;
            NDR_record_t ndr;
            natural_t word;
        } news;
    };
    mach_msg_max_trailer_t trailer;
};

/* Maps the game that lies in a file. */
struct game *schedule_open(const char *path);

#endif
