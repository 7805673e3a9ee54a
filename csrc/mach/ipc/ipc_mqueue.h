/* The queue of a port, and the threads that wait at it.
 *
 * Filing never blocks and never loses: who may send was decided at the sender (slots,
 * ipc_mqueue_send), and send-once replies and notifications ignore the limit (S145). A peer that
 * sends more than its slots allow is none any longer (ipc_transit).
 *
 * Locks: the task lock; waiting drops it. */
#ifndef MACHOOL_IPC_MQUEUE_H
#define MACHOOL_IPC_MQUEUE_H

#include <mach/message.h>
#include <mach/port.h>
#include <stdbool.h>
#include <stdint.h>

struct ipc_kmsg;
struct ipc_port;

#define IPC_MQUEUE_MAX 65534u /* S145: a task's own sends see it */

/* Puts a message at the end of an OWN port's queue and wakes a receiver; a dead port cleans it.
 * Consumes the message. */
void ipc_mqueue_file(struct ipc_port *port, struct ipc_kmsg *take_kmsg);

/* The number of messages of a port or set changes by `by`; its descriptor polls accordingly. */
void ipc_mqueue_count(struct ipc_port *port, int32_t by);
/* A message is there that the thread just woken did not take: somebody else may. */
void ipc_mqueue_pass_on(struct ipc_port *port);

/* Delivers a message to an OWN port or send-once right. MACH_SEND_TIMED_OUT: its queue is full. */
mach_msg_return_t ipc_mqueue_deliver(struct ipc_kmsg *kmsg, struct ipc_port *port);

/* Takes the oldest message off; NULL: none. Returns its slot to the sender and wakes one who
 * waits for room. */
struct ipc_kmsg *ipc_mqueue_take(struct ipc_port *port);

/* The message that would be taken next, still queued; NULL: none. */
struct ipc_kmsg *ipc_mqueue_peek(const struct ipc_port *port);
/* The message that `number` others are in front of, or NULL. */
struct ipc_kmsg *ipc_mqueue_at(const struct ipc_port *port, uint32_t number);

/* For calls that look at one name: sees whether its port has died, or all that there is to see. */
void ipc_mqueue_catch_up(mach_port_name_t name);

/* Looks whether the task behind a send right is still there, so that a send to a dead one fails
 * before anything is consumed (S148). */
void ipc_mqueue_check(mach_port_name_t name);

/* Sends a copied-in message to its destination, waiting for room for so long (-1: for ever).
 * MACH_MSG_SUCCESS consumes it (also when the destination turned out dead: S37, S148); with
 * MACH_SEND_TIMED_OUT, _INTERRUPTED and _NO_BUFFER it stays the caller's for the pseudo-receive. */
mach_msg_return_t ipc_mqueue_send(struct ipc_kmsg *kmsg, int64_t milliseconds);

/* Waits until the port or set has a message. MACH_MSG_SUCCESS, MACH_RCV_TIMED_OUT, _INTERRUPTED,
 * _PORT_CHANGED when the right went away meanwhile, or MACH_RCV_BODY_ERROR | MACH_MSG_IPC_KERNEL
 * while its next message needs descriptors that this process cannot open. */
mach_msg_return_t ipc_mqueue_wait(struct ipc_port *port, int64_t deadline);

/* Sets the queue limit and tells all who may send; those who wait for room look again (S143). */
void ipc_mqueue_set_limit(struct ipc_port *port, uint32_t limit);
/* Wakes all receivers and senders of a port (it died or its limit changed). */
void ipc_mqueue_wake_all(struct ipc_port *port);

/* The pollable descriptor of a port (machool_port_fd). fd or -errno. */
int ipc_mqueue_poll_fd(struct ipc_port *port);

#endif
