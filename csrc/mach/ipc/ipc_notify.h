/* Notifications: messages that the layer itself makes, with kernel identity (S88).
 *
 * Locks: the task lock. */
#ifndef MACHOOL_IPC_NOTIFY_H
#define MACHOOL_IPC_NOTIFY_H

struct ipc_port;

/* The last holder of a send-once right is gone without using it: its port gets id 71 (S131) and
 * the right is spent. */
void ipc_notify_send_once(struct ipc_port *once);

#endif
