/* Servers: receive, have the request answered, send the answer; and the two short forms of mach_msg.
 *
 * The buffers belong to one run of a server. The request's grows when MACH_RCV_LARGE says that it
 * may; the reply's has room for whatever the server said replies are at most. */
#include <mach/mach.h>
#include <stdbool.h>

typedef boolean_t demux_t(mach_msg_header_t *request, mach_msg_header_t *reply);

struct server {
    demux_t *demux;
    mach_port_t port;
    mach_msg_options_t options; /* of the caller, without what says send or receive */
    mig_reply_error_t *request, *reply;
    mach_msg_size_t request_size, reply_size; /* as allocated */
    mach_msg_size_t receive_size;             /* what a request may have, with its trailer */
};

static mig_reply_error_t *allocate(mach_msg_size_t size)
{
    vm_address_t address = 0;
    int flags = VM_MAKE_TAG(VM_MEMORY_MACH_MSG) | VM_FLAGS_ANYWHERE;
    (void)vm_allocate(mach_task_self_, &address, size, flags);
    return (mig_reply_error_t *)address;
}

static void deallocate(mig_reply_error_t *buffer, mach_msg_size_t size)
{
    if (buffer)
        (void)vm_deallocate(mach_task_self_, (vm_address_t)buffer, size);
}

static void server_deinit(struct server *server)
{
    deallocate(server->request, server->request_size);
    deallocate(server->reply, server->reply_size);
}

static kern_return_t server_init(struct server *server, demux_t *demux, mach_msg_size_t max_size,
                                 mach_port_t port, mach_msg_options_t options)
{
    options &= ~(MACH_SEND_MSG | MACH_RCV_MSG | MACH_RCV_VOUCHER);
    mach_msg_size_t trailer = (mach_msg_size_t)REQUESTED_TRAILER_SIZE(options);
    mach_msg_size_t reply_trailer = options & MACH_SEND_TRAILER ? MAX_TRAILER_SIZE : 0;
    *server = (struct server){
        .demux = demux,
        .port = port,
        .options = options,
        .request_size = (mach_msg_size_t)round_page(max_size + trailer),
        .reply_size = (mach_msg_size_t)round_page(max_size + reply_trailer),
    };
    server->receive_size = options & MACH_RCV_LARGE ? server->request_size : max_size + trailer;
    server->request = allocate(server->request_size);
    server->reply = allocate(server->reply_size);
    if (server->request && server->reply)
        return KERN_SUCCESS;
    server_deinit(server);
    return KERN_NO_SPACE;
}

/* Room for the message that was too large. */
static bool server_grow(struct server *server)
{
    mach_msg_size_t trailer = (mach_msg_size_t)REQUESTED_TRAILER_SIZE(server->options);
    mach_msg_size_t size = (mach_msg_size_t)round_page(server->request->Head.msgh_size + trailer);
    mig_reply_error_t *larger = allocate(size);
    if (!larger)
        return false;
    deallocate(server->request, server->request_size);
    server->request = larger;
    server->request_size = server->receive_size = size;
    return true;
}

static mach_msg_return_t server_receive(struct server *server)
{
    for (;;) {
        mach_msg_return_t ret = mach_msg(&server->request->Head, MACH_RCV_MSG | server->options, 0,
                                         server->receive_size, server->port, MACH_MSG_TIMEOUT_NONE,
                                         MACH_PORT_NULL);
        if (ret != MACH_RCV_TOO_LARGE || !(server->options & MACH_RCV_LARGE))
            return ret;
        if (!server_grow(server))
            return KERN_NO_SPACE;
    }
}

/* What a plain reply says about itself and the request: there is to be none, or the request's rights
 * and memory were not taken. The reply port is needed still. */
static void server_heed_code(struct server *server)
{
    mach_msg_header_t *request = &server->request->Head;
    if (server->reply->Head.msgh_bits & MACH_MSGH_BITS_COMPLEX)
        return; /* a reply that carries something is a success, and has no code there */
    if (server->reply->RetCode == MIG_NO_REPLY) {
        server->reply->Head.msgh_remote_port = MACH_PORT_NULL;
    } else if (server->reply->RetCode != KERN_SUCCESS &&
               request->msgh_bits & MACH_MSGH_BITS_COMPLEX) {
        request->msgh_remote_port = MACH_PORT_NULL;
        mach_msg_destroy(request);
    }
}

/* A client that has gone, or that does not empty its queue, is no reason to stop. A send-once right
 * never waits. */
static mach_msg_return_t server_reply(struct server *server)
{
    mach_msg_header_t *reply = &server->reply->Head;
    bool once = MACH_MSGH_BITS_REMOTE(reply->msgh_bits) == MACH_MSG_TYPE_MOVE_SEND_ONCE;
    if (reply->msgh_remote_port != MACH_PORT_NULL) {
        mach_msg_option_t options = MACH_SEND_MSG | (once ? 0 : MACH_SEND_TIMEOUT) |
                                    server->options;
        mach_msg_return_t ret = mach_msg(reply, options, reply->msgh_size, 0, MACH_PORT_NULL,
                                         MACH_MSG_TIMEOUT_NONE, MACH_PORT_NULL);
        if (ret != MACH_SEND_INVALID_DEST && ret != MACH_SEND_TIMED_OUT)
            return ret;
        mach_msg_destroy(reply); /* what came back, the reply right with it */
    } else if (reply->msgh_bits & MACH_MSGH_BITS_COMPLEX) {
        mach_msg_destroy(reply);
    }
    return MACH_MSG_SUCCESS;
}

/* One request from beginning to end. */
static mach_msg_return_t server_turn(struct server *server)
{
    mach_msg_return_t ret = server_receive(server);
    if (ret != MACH_MSG_SUCCESS)
        return ret;
    *server->reply = (mig_reply_error_t){0}; /* a demultiplexer that does nothing answers nothing */
    (void)server->demux(&server->request->Head, &server->reply->Head);
    server_heed_code(server);
    return server_reply(server);
}

mach_msg_return_t mach_msg_server_once(demux_t *demux, mach_msg_size_t max_size,
                                       mach_port_t rcv_name, mach_msg_options_t options)
{
    struct server server;
    kern_return_t kr = server_init(&server, demux, max_size, rcv_name, options);
    if (kr != KERN_SUCCESS)
        return kr;
    mach_msg_return_t ret = server_turn(&server);
    server_deinit(&server);
    return ret;
}

mach_msg_return_t mach_msg_server(demux_t *demux, mach_msg_size_t max_size, mach_port_t rcv_name,
                                  mach_msg_options_t options)
{
    struct server server;
    kern_return_t kr = server_init(&server, demux, max_size, rcv_name, options);
    if (kr != KERN_SUCCESS)
        return kr;
    mach_msg_return_t ret;
    do {
        ret = server_turn(&server);
    } while (ret == MACH_MSG_SUCCESS);
    server_deinit(&server);
    return ret;
}

mach_msg_return_t mach_msg_server_importance(demux_t *demux, mach_msg_size_t max_size,
                                             mach_port_t rcv_name, mach_msg_options_t options)
{
    return mach_msg_server(demux, max_size, rcv_name, options);
}

mach_msg_return_t mach_msg_send(mach_msg_header_t *msg)
{
    return mach_msg(msg, MACH_SEND_MSG, msg->msgh_size, 0, MACH_PORT_NULL, MACH_MSG_TIMEOUT_NONE,
                    MACH_PORT_NULL);
}

mach_msg_return_t mach_msg_receive(mach_msg_header_t *msg)
{
    return mach_msg(msg, MACH_RCV_MSG, 0, msg->msgh_size, msg->msgh_local_port,
                    MACH_MSG_TIMEOUT_NONE, MACH_PORT_NULL);
}
