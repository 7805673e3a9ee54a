/* Notifications: messages that the layer itself makes, with kernel identity (S88).
 *
 * Each goes through a send-once right, which it uses up: one of this task's ports, or of another's.
 * They never wait for room (S130).
 *
 * Locks: the task lock. */
#ifndef MACHOOL_IPC_NOTIFY_H
#define MACHOOL_IPC_NOTIFY_H

#include <mach/message.h>
#include <mach/port.h>
#include <stdint.h>

struct ipc_port;

/* The last holder of a send-once right is gone without using it: its port gets id 71 (S131) and
 * the right is spent. */
void ipc_notify_send_once(struct ipc_port *once);

/* MACH_NOTIFY_DEAD_NAME, _PORT_DELETED or _SEND_POSSIBLE about a name. Takes the carried right. */
void ipc_notify_name(struct ipc_port *take_once, mach_msg_id_t id, mach_port_name_t name);
/* No send right is left; `mscount` had been made. */
void ipc_notify_no_senders(struct ipc_port *take_once, uint32_t mscount);
/* Hands over the receive right of a port that would have died. Takes both. */
void ipc_notify_port_destroyed(struct ipc_port *take_once, struct ipc_port *take_port);

#endif
