/* See ipc_notify.h. */
#include "ipc/ipc_notify.h"

#include "ipc/ipc_kmsg.h"
#include "ipc/ipc_mqueue.h"
#include "ipc/ipc_port.h"
#include "ipc/ipc_transit.h"

#include <mach/ndr.h>
#include <mach/notify.h>
#include <string.h>

static struct ipc_kmsg *new_notification(mach_msg_id_t id, uint32_t descriptors, uint32_t size)
{
    struct ipc_kmsg *kmsg = ipc_kmsg_new(descriptors, size);
    if (!kmsg)
        return NULL;
    kmsg->msgh_id = id;
    kmsg->local_type = MACH_MSG_TYPE_PORT_SEND_ONCE;
    kmsg->kernel = true;
    return kmsg;
}

void ipc_notify_send_once(struct ipc_port *once)
{
    struct ipc_kmsg *kmsg = new_notification(MACH_NOTIFY_SEND_ONCE, 0, 0);
    if (!kmsg)
        return; /* judged again with the next decrement; nothing better can be done without memory */
    struct ipc_port *port = ipc_port_ref(once->target);
    ipc_port_spend(once);
    ipc_mqueue_file(port, kmsg);
    ipc_port_unref(port);
}

/* Sends it by a carried right, which is used up. Without memory for the message (NULL) the right is
 * dropped, and its port hears at least of that. */
static void post(struct ipc_port *take_once, struct ipc_kmsg *take_kmsg)
{
    if (take_kmsg && take_once->place == IPC_OWN) {
        struct ipc_port *port = ipc_port_ref(take_once->target);
        ipc_port_spend(take_once);
        ipc_mqueue_file(port, take_kmsg);
        ipc_port_unref(port);
    } else if (take_kmsg && take_once->place == IPC_REMOTE) {
        take_kmsg->destination = (struct ipc_carried){.port = ipc_port_carry(take_once),
                                                      .type = MACH_MSG_TYPE_PORT_SEND_ONCE};
        ipc_transit_post(take_kmsg);
    } else {
        ipc_kmsg_clean(take_kmsg);
    }
    ipc_port_drop(take_once);
}

/* NDR record and one word. */
static void send_word(struct ipc_port *take_once, mach_msg_id_t id, uint32_t word)
{
    const NDR_record_t ndr = {
        .int_rep = NDR_INT_LITTLE_ENDIAN, .char_rep = NDR_CHAR_ASCII, .float_rep = NDR_FLOAT_IEEE};
    struct ipc_kmsg *kmsg = new_notification(id, 0, sizeof ndr + sizeof word);
    if (kmsg) {
        memcpy(kmsg->inline_bytes, &ndr, sizeof ndr);
        memcpy(kmsg->inline_bytes + sizeof ndr, &word, sizeof word);
    }
    post(take_once, kmsg);
}

void ipc_notify_name(struct ipc_port *take_once, mach_msg_id_t id, mach_port_name_t name)
{
    send_word(take_once, id, name);
}

void ipc_notify_no_senders(struct ipc_port *take_once, uint32_t mscount)
{
    send_word(take_once, MACH_NOTIFY_NO_SENDERS, mscount);
}

void ipc_notify_port_destroyed(struct ipc_port *take_once, struct ipc_port *take_port)
{
    struct ipc_kmsg *kmsg = new_notification(MACH_NOTIFY_PORT_DESTROYED, 1, 0);
    if (!kmsg) {
        ipc_port_destroy(take_port);
    } else {
        struct ipc_kmsg_descriptor *d = &kmsg->descriptors[0];
        kmsg->complex = kmsg->receives = true;
        d->type = MACH_MSG_PORT_DESCRIPTOR;
        (void)ipc_kmsg_hold_rights(d, 1);
        d->right = (struct ipc_carried){.port = take_port, .type = MACH_MSG_TYPE_PORT_RECEIVE};
    }
    post(take_once, kmsg);
}
