/* For tests of rights: rights in messages, requests for notifications, and agents, which are other
 * tasks that do what the test tells them to.
 *
 *   struct agent owner;
 *   agent_start(&owner);
 *   mach_port_t theirs = agent_allocate(&owner);                      a receive right over there
 *   mach_port_t ours = agent_get(&owner, theirs, MACH_MSG_TYPE_MAKE_SEND);
 *   agent_destroy(&owner, theirs);
 *   agent_end(&owner);
 *
 * `theirs` is always a name in the agent's space. An agent waits for its next order in mach_msg, so
 * its task makes progress in between; agent_sleep makes one that never calls in again. */
#ifndef TESTS_HARNESS_PORT_KIT_H
#define TESTS_HARNESS_PORT_KIT_H

#include "mach_kit.h"

/* Rights in messages. One port descriptor, id 6, never blocks. */
mach_msg_return_t kit_try_right(mach_port_t to, mach_port_t name, unsigned disposition);
void kit_send_right(mach_port_t to, mach_port_t name, unsigned disposition);
/* Receives such a message, checks the disposition (16, 17, 18), returns the name. */
mach_port_t kit_take_right(mach_port_t port, unsigned disposition);
/* A name that denotes nothing any more. */
bool kit_is_gone(mach_port_t name);
/* mach_port_type with the request bits. */
mach_port_type_t kit_type_and_requests(mach_port_t name);
/* A dead name with one reference. */
mach_port_t kit_dead_name(void);
mach_port_t kit_port_set(void);

/* Notifications. The request is made with MAKE_SEND_ONCE on `notify`, or cancelled with NULL; it
 * must succeed, and returns the right of the request before it. */
mach_port_t kit_request(mach_port_t name, mach_msg_id_t id, unsigned sync, mach_port_t notify);
/* The same where there was none before. */
void kit_first_request(mach_port_t name, mach_msg_id_t id, unsigned sync, mach_port_t notify);
/* A request that fails with `code`, and whose send-once right is destroyed (S131). */
void kit_refused_request(kern_return_t code, mach_port_t name, mach_msg_id_t id, unsigned sync,
                         mach_port_t notify);
/* Receives one notification with a word in it (65, 66, 70, 72) and checks all else about it
 * (S88, S129, S130); returns the word: a name or a count. */
natural_t kit_expect_notification(mach_port_t port, mach_msg_id_t id);
/* The same for 69; returns the receive right. */
mach_port_t kit_expect_port_destroyed(mach_port_t port);
/* Nothing comes within A_MOMENT. */
void kit_stays_quiet(mach_port_t port);
/* So many messages, all of them send-once notifications. */
void kit_expect_send_once_notifications(mach_port_t port, unsigned count);

/* Agents. */
struct agent {
    struct kit_pair pair;
};
void agent_start(struct agent *ret_agent);
void agent_end(struct agent *agent);  /* it exits, with all its rights */
void agent_exit(struct agent *agent); /* the same, and its port is left to agent_forget */
void agent_kill(struct agent *agent); /* SIGKILL; agent_forget must follow */
void agent_forget(struct agent *agent);
void agent_sleep(struct agent *agent); /* in pause() from now on: to be killed */
void agent_stop(struct agent *agent);  /* SIGSTOP */
void agent_go_on(struct agent *agent);

mach_port_t agent_allocate(struct agent *agent);
mach_port_t agent_give(struct agent *agent, mach_port_t ours, unsigned disposition);
mach_port_t agent_get(struct agent *agent, mach_port_t theirs, unsigned disposition);
/* From one agent to another, by messages that do not pass through this task; agent_pass returns the
 * name over there. */
struct agent_route {
    struct agent *from;
    struct agent *to;
    mach_port_t out; /* a send right of `from` */
    mach_port_t in;  /* a receive right of `to` */
};
void agent_introduce(struct agent_route *ret_route, struct agent *from, struct agent *to);
mach_port_t agent_pass(struct agent_route *route, mach_port_t theirs, unsigned disposition);
void agent_destroy(struct agent *agent, mach_port_t theirs);
void agent_deallocate(struct agent *agent, mach_port_t theirs);
kern_return_t agent_mod_refs(struct agent *agent, mach_port_t theirs, mach_port_right_t right,
                             int delta);
mach_port_type_t agent_type(struct agent *agent, mach_port_t theirs); /* 0: no such name */
unsigned agent_refs(struct agent *agent, mach_port_t theirs, mach_port_right_t right);
mach_port_status_t agent_status(struct agent *agent, mach_port_t theirs);
/* A plain message to `theirs`; the result is mach_msg's. */
mach_msg_return_t agent_send(struct agent *agent, mach_port_t theirs, unsigned disposition,
                             mach_msg_id_t id, unsigned timeout);
void agent_sends(struct agent *agent, mach_port_t theirs, int id); /* with COPY_SEND; it must go */
/* `theirs` inside a message to `to`, as kit_try_right. */
mach_msg_return_t agent_send_right(struct agent *agent, mach_port_t to, mach_port_t theirs,
                                   unsigned disposition);
/* One message; its rights are dropped. */
mach_msg_return_t agent_receive(struct agent *agent, mach_port_t theirs, unsigned timeout,
                                mach_msg_id_t *ret_id);
/* So many plain messages with ids from `first` on, and no other. */
void agent_expect(struct agent *agent, mach_port_t theirs, int first, int count);
/* As kit_take_right over there. */
mach_port_t agent_take(struct agent *agent, mach_port_t theirs, unsigned disposition);
/* As kit_expect_port_destroyed over there. */
mach_port_t agent_take_saved(struct agent *agent, mach_port_t theirs);
/* Notifications go to `notify`, a port of ours. */
void agent_request(struct agent *agent, mach_port_t theirs, mach_msg_id_t id, unsigned sync,
                   mach_port_t notify);
/* A thread of the agent's blocks in a send, or a receive, without a time limit; agent_blocked waits
 * a moment to see that it does. agent_wake collects the result. */
void agent_block_sending(struct agent *agent, mach_port_t theirs, mach_msg_id_t id);
void agent_block_receiving(struct agent *agent, mach_port_t theirs);
mach_msg_return_t agent_wake(struct agent *agent, mach_msg_id_t *ret_id);

#endif
