/* What Mach tests share: small calls that must succeed, memory with recognisable contents, threads
 * and events, and the pair of tasks.
 *
 * Uses the standard Mach headers alone. Everything here fails the test when something it takes for
 * granted goes wrong; what a test is about, it calls itself. No call waits longer than PATIENCE, so
 * that a message that never comes is reported with file and line. */
#ifndef TESTS_HARNESS_MACH_KIT_H
#define TESTS_HARNESS_MACH_KIT_H

#include "peer.h"
#include "runner.h"

#include <mach/mach.h>
#include <mach/mach_vm.h>
#include <servers/bootstrap.h>

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum {
    PATIENCE = 10000, /* ms: far longer than anything takes */
    A_MOMENT = 30,    /* ms: how long a test watches for what must not happen */
    KIT_OOL_MAX = 8,
    KIT_TEXT = 64,
};

/* The message shapes of the tests; the rcv forms have room for any trailer. */
struct plain_msg {
    mach_msg_header_t header;
    char text[KIT_TEXT];
};
struct plain_rcv {
    mach_msg_header_t header;
    char text[KIT_TEXT];
    mach_msg_max_trailer_t trailer;
};
struct ool_msg {
    mach_msg_header_t header;
    mach_msg_body_t body;
    mach_msg_ool_descriptor_t ool[KIT_OOL_MAX];
};
struct ool_rcv {
    mach_msg_header_t header;
    mach_msg_body_t body;
    mach_msg_ool_descriptor_t ool[KIT_OOL_MAX];
    mach_msg_max_trailer_t trailer;
};
struct port_msg {
    mach_msg_header_t header;
    mach_msg_body_t body;
    mach_msg_port_descriptor_t port[KIT_OOL_MAX];
};
struct port_rcv {
    mach_msg_header_t header;
    mach_msg_body_t body;
    mach_msg_port_descriptor_t port[KIT_OOL_MAX];
    mach_msg_max_trailer_t trailer;
};

/* Sizes as sent, with `count` descriptors. */
#define OOL_MSG_SIZE(count) ((mach_msg_size_t)(28 + 16 * (count)))
#define PORT_MSG_SIZE(count) ((mach_msg_size_t)(28 + 12 * (count)))

/* Ports. */
mach_port_t kit_receive_right(void);         /* a receive right alone */
mach_port_t kit_port(void);                  /* with one send right under the same name */
mach_port_t kit_send_once(mach_port_t port); /* a send-once right to `port`, by message */
void kit_destroy(mach_port_t name);          /* mach_port_destroy */
void kit_deallocate(mach_port_t name);
unsigned kit_refs(mach_port_t name, mach_port_right_t right);
mach_port_type_t kit_type(mach_port_t name); /* without the request bits */
mach_port_status_t kit_status(mach_port_t receive);
void kit_set_qlimit(mach_port_t receive, unsigned limit);
/* Waits until `name` is a dead name; `receive` is any receive right of ours to wait on. */
void kit_wait_dead(mach_port_t name);
/* A name that denotes nothing in this task. */
mach_port_t kit_unknown_name(void);

/* Messages. The header's size is `size`; voucher port and id are set too. */
void kit_header(mach_msg_header_t *header, mach_msg_bits_t bits, mach_msg_size_t size,
                mach_port_t remote, mach_port_t local, mach_msg_id_t id);
void kit_ool(mach_msg_ool_descriptor_t *ool, const void *address, size_t size, unsigned copy,
             bool deallocate);
void kit_port_descriptor(mach_msg_port_descriptor_t *port, mach_port_t name, unsigned disposition);
/* Messages with one descriptor, to a port of which we keep the send right. */
void kit_ool_msg(struct ool_msg *ret_message, mach_port_t to, mach_msg_id_t id, const void *address,
                 size_t size, unsigned copy, bool deallocate);
void kit_port_msg(struct port_msg *ret_message, mach_port_t to, mach_msg_id_t id, mach_port_t name,
                  unsigned disposition);
/* mach_msg with MACH_SEND_MSG | options; `timeout` counts with MACH_SEND_TIMEOUT among them. */
mach_msg_return_t kit_send(mach_msg_header_t *header, mach_msg_option_t options,
                           mach_msg_timeout_t timeout);
/* mach_msg with MACH_RCV_MSG | MACH_RCV_TIMEOUT | options. */
mach_msg_return_t kit_receive(mach_msg_header_t *header, mach_msg_size_t size, mach_port_t port,
                              mach_msg_option_t options, mach_msg_timeout_t timeout);
/* A plain message with COPY_SEND; fails the test unless it goes within PATIENCE. */
void kit_send_plain(mach_port_t to, mach_msg_id_t id);
mach_msg_return_t kit_try_plain(mach_port_t to, unsigned disposition, mach_msg_id_t id,
                                mach_msg_timeout_t timeout);
/* Receives a message within PATIENCE and checks its id; the header's remote right is dropped. */
void kit_expect_plain(mach_port_t port, mach_msg_id_t id);
void kit_expect_nothing(mach_port_t port); /* the queue is empty */
/* Exactly one send-once notification (S129, S131), now or within PATIENCE. */
void kit_expect_send_once_notification(mach_port_t port);
/* Sends plain messages until the queue holds five. */
void kit_fill_queue(mach_port_t to, unsigned count);

/* Memory. The pattern depends on the seed and on the place. */
void *kit_allocate(size_t size); /* vm_allocate ANYWHERE */
void kit_free(const void *address, size_t size);
void kit_fill(void *address, size_t size, unsigned seed);
void kit_check(const void *address, size_t size, unsigned seed, const char *file, int line);
#define ASSERT_FILLED(address, size, seed) kit_check(address, size, seed, __FILE__, __LINE__)
bool kit_is_readable(const void *address); /* no signal, whatever the address */
uintptr_t kit_page_offset(const void *address);
uintptr_t kit_round(uintptr_t value); /* up to pages */
bool kit_overlap(const void *a, size_t a_size, const void *b, size_t b_size);

/* Threads and events. */
pthread_t kit_thread(void *(*run)(void *), void *argument);
void kit_join(pthread_t thread);
struct kit_event {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned count;
};
#define KIT_EVENT_INIT {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0}
void kit_event_post(struct kit_event *event);
unsigned kit_event_count(struct kit_event *event);
void kit_event_wait(struct kit_event *event, unsigned count);  /* until posted `count` times */
void kit_event_quiet(struct kit_event *event, unsigned count); /* stays at `count` for A_MOMENT */
uint64_t kit_milliseconds(void);                               /* monotonic */
void kit_spin(unsigned microseconds); /* busy all the time: finer than a sleep */
/* Waits for a forked child, which must end with 0. */
void kit_wait_child(pid_t pid);
/* Root has no limit on descriptors in flight; from here on the task is somebody else, if it was root. */
void kit_become_ordinary(void);

/* A thread that blocks in one call of mach_msg. The test sets the port and, as it needs them, what
 * follows it; all else begins as zeros. */
struct kit_call {
    mach_port_t port; /* received from, or sent to */
    mach_msg_id_t id; /* of the message that goes, or came */
    mach_msg_option_t options;
    mach_msg_timeout_t timeout; /* counts with MACH_RCV_TIMEOUT or MACH_SEND_TIMEOUT */
    mach_msg_size_t size;       /* the room for what comes; 0: for all */
    struct kit_event *all;      /* posted at the end of the call too, unless NULL */
    mach_msg_return_t result;
    struct plain_rcv message; /* as the call left it; a header alone is sent */
    struct kit_event started;
    struct kit_event done;
    pthread_t thread;
};
void *kit_call_receives(void *call); /* the two that kit_call_start can run */
void *kit_call_sends(void *call);
void kit_call_start(struct kit_call *call, void *(*run)(void *));
void kit_block_receiving(struct kit_call *call); /* starts it and sees that it waits */
void kit_block_sending(struct kit_call *call);
mach_msg_return_t kit_call_end(struct kit_call *call); /* within PATIENCE; its result */

/* The pair: two tasks with a port each and a send right to each other's. The test registers a
 * service of its own name, the peer looks it up and sends its port. `argument` reaches the peer. */
struct kit_pair {
    struct peer peer;   /* the test's side only */
    mach_port_t mine;   /* our receive right, with one send right */
    mach_port_t theirs; /* a send right */
    char argument[KIT_TEXT];
};
void kit_pair_start(struct kit_pair *ret_pair, const char *peer_name, const char *argument);
void kit_pair_start_forked(struct kit_pair *ret_pair, const char *peer_name, const char *argument);
void kit_pair_end(struct kit_pair *pair);      /* joins; their port must die; drops both rights */
void kit_pair_drop(struct kit_pair *pair);     /* the same after the peer has been reaped */
void kit_pair_join(struct kit_pair *ret_pair); /* the peer's side */
void kit_pair_leave(struct kit_pair *pair);    /* the peer's side: drops both rights */
/* Random numbers below `limit`; the seed is MACHOOL_TEST_SEED or new, and printed once. Safe in any
 * thread. */
unsigned kit_random(unsigned limit);
/* A service name no other test uses at this time. */
void kit_service_name(char *text, size_t size);

#endif
