/* The test as the bootstrap of its children. */
#ifndef TESTS_MACHOOL_SERVE_KIT_H
#define TESTS_MACHOOL_SERVE_KIT_H

#include "harness/bootstrap_kit.h"

#include <servers/bootstrap_requests.h>

typedef boolean_t demux(mach_msg_header_t *request, mach_msg_header_t *reply);

union message {
    mach_msg_header_t header;
    struct machool_bootstrap_request request;
    struct machool_bootstrap_reply reply;
    char bytes[1024];
};

/* What be_bootstrap began. */
extern struct serving {
    mach_port_t saved;
    mach_port_t port;
    demux *answer;
    unsigned served;
    pthread_t thread;
} here;

/* A port in the special place while children are started, and a thread that serves it until be_none;
 * without an answer, the port alone. */
void be_bootstrap(demux *answer);
/* Children that are started from here on have the machine's bootstrap again. */
void restore_bootstrap(void);
void be_none(void);
/* One request at `port` is received and answered; false: it was the end, the plain message 99. */
bool serve_one(mach_port_t port, demux *answer);

#endif
