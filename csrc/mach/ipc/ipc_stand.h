/* What an end stands for (ipc_door.h): rights of whoever has its other end. When it becomes a channel,
 * they are its peer's; what is not here then may be on its way in a ring that has not been read: the channel
 * keeps it, and it is read before the channel's entries, as a CLAIM would be.
 *
 * Locks: the task lock. */
#ifndef MACHOOL_IPC_STAND_H
#define MACHOOL_IPC_STAND_H

#include "util/util_id.h"

#include <stdbool.h>
#include <stdint.h>

struct ipc_port;
struct wire_channel;

struct ipc_stand {
    struct util_id id;     /* by which the right was introduced */
    struct ipc_port *port; /* counted in `pending`, referenced; NULL: no such port here, yet */
    bool moved;            /* it has moved away since: carried instead */
};

/* They stand for nothing any more. */
void ipc_stand_forget(struct ipc_stand *take_stands, uint32_t count);
/* The end has become that channel. `alias` is the peer's own name for what it looked up; none. */
void ipc_stand_hand_on(struct wire_channel *channel, struct ipc_stand *take_stands, uint32_t count,
                       struct util_id alias);
/* The port has come: the channel's peer holds it. */
void ipc_stand_resolve(struct wire_channel *channel, struct ipc_port *port);
/* What the channel's end stood for, amid reading its ring. True: there is one less. */
bool ipc_stand_read(struct wire_channel *channel);
/* The channel goes. */
void ipc_stand_forget_all(struct wire_channel *channel);

#endif
