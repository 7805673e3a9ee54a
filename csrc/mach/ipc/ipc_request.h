/* Requests for notifications about names and ports.
 *
 * A request is a carried send-once right: sending the notification uses it up, dropping it makes
 * its port hear of that (S131). About a name there is one request at most, for its death and, if
 * `possible`, for room in the queue; about a receive right one for no-senders and one for
 * port-destroyed.
 *
 * Locks: the task lock. */
#ifndef MACHOOL_IPC_REQUEST_H
#define MACHOOL_IPC_REQUEST_H

#include <mach/kern_return.h>
#include <mach/message.h>
#include <mach/port.h>
#include <stdbool.h>
#include <stdint.h>

struct ipc_entry;
struct ipc_port;

/* mach_port_request_notification with each of its ids. Takes `take_once`, NULL to withdraw a
 * request; the one before it, carried, or NULL in *ret_previous. On failure nothing has changed
 * and the right has been dropped. */
kern_return_t ipc_request(mach_port_name_t name, mach_msg_id_t id, uint32_t sync,
                          struct ipc_port *take_once, struct ipc_port **ret_previous);

/* The entry is a dead name now: one more reference and a dead-name notification (S132). */
void ipc_request_name_died(struct ipc_entry *entry);
/* The entry is about to be freed: a port-deleted notification. */
void ipc_request_name_freed(struct ipc_entry *entry);
/* A sender to that port was turned away for want of room, and wants to be told (MACH_SEND_NOTIFY). */
void ipc_request_turned_away(struct ipc_port *port);
/* There may be room at the port: send-possible. */
void ipc_request_room(struct ipc_port *port);
/* The same for ports of other tasks that somebody waits for; called now and then. */
void ipc_request_look(void);
/* Nobody can send to the port any longer: no-senders (S134). */
void ipc_request_no_senders(struct ipc_port *port);
/* Type bits of the request about a name (MACH_PORT_TYPE_DNREQUEST, ...). */
mach_port_type_t ipc_request_type(const struct ipc_entry *entry);

#endif
