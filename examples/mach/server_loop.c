/*
 * A server in one call: mach_msg_server().
 *
 * It receives a request, has a function of ours answer it, sends the answer, and begins again, until
 * a call fails. The answer has the layout that MIG, the interface generator, gives it: a code, and
 * what is asked for behind it. With the code MIG_NO_REPLY nothing is sent. A client that has died
 * in the meantime does not stop it.
 *
 * The function ends the loop in the usual way: it gives up the right to receive.
 */
#include "check.h"

#include <mach/mig_errors.h>

#define CLIENTS 2
#define SQUARE 500
#define LOG 501 /* wants no answer */
#define LEAVE 502
#define REPLY_IDS 100 /* the id of an answer is that of the request and 100 */

struct request {
    mach_msg_header_t header;
    int number;
};

struct answer {
    mig_reply_error_t start; /* header, data format, code */
    int square;
};

union buffer {
    mach_msg_header_t header;
    struct request request;
    struct answer answer;
    char room[sizeof(struct answer) + MAX_TRAILER_SIZE];
};

static mach_port_t service;
static int squares, logged, left;

static boolean_t demux(mach_msg_header_t *header, mach_msg_header_t *reply)
{
    const struct request *request = (const struct request *)header;
    struct answer *answer = (struct answer *)reply;
    address(reply, MACH_MSGH_BITS(MACH_MSGH_BITS_REMOTE(header->msgh_bits), 0), sizeof *answer,
            header->msgh_remote_port, MACH_PORT_NULL, header->msgh_id + REPLY_IDS);
    answer->start.NDR = NDR_record;
    answer->start.RetCode = KERN_SUCCESS;
    switch (header->msgh_id) {
    case SQUARE:
        answer->square = request->number * request->number;
        squares++;
        return TRUE;
    case LOG:
        logged++;
        answer->start.RetCode = MIG_NO_REPLY;
        return TRUE;
    case LEAVE:
        if (++left == CLIENTS)
            destroy_port(service);
        return TRUE;
    default:
        answer->start.RetCode = MIG_BAD_ID;
        reply->msgh_size = sizeof answer->start;
        return FALSE;
    }
}

static int call(mach_port_t server, mach_port_t mine, int id, int number, int *ret_square)
{
    union buffer buffer = {.request = {.number = number}};
    address(&buffer.header, MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MAKE_SEND_ONCE),
            sizeof buffer.request, server, mine, id);
    CHECK(mach_msg(&buffer.header, MACH_SEND_MSG | MACH_RCV_MSG, sizeof buffer.request,
                   sizeof buffer, mine, MACH_MSG_TIMEOUT_NONE, MACH_PORT_NULL));
    EXPECT(buffer.header.msgh_id == id + REPLY_IDS);
    *ret_square = buffer.answer.square;
    return buffer.answer.start.RetCode;
}

static void client(const char *name)
{
    mach_port_t server = find_service(name), mine = new_port();
    int square = 0;
    for (int i = 1; i <= 10; i++) {
        EXPECT(call(server, mine, SQUARE, i, &square) == KERN_SUCCESS && square == i * i);
        struct request note = {.number = i};
        address(&note.header, MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0), sizeof note, server,
                MACH_PORT_NULL, LOG);
        send_message(&note.header);
    }
    EXPECT(call(server, mine, 7, 0, &square) == MIG_BAD_ID);
    EXPECT(call(server, mine, LEAVE, 0, &square) == KERN_SUCCESS);
}

int main(void)
{
    char name[BOOTSTRAP_MAX_NAME_LEN];
    service = new_service(name);
    pid_t pids[CLIENTS];
    for (int i = 0; i < CLIENTS; i++)
        pids[i] = start(client, name);
    mach_msg_return_t end = mach_msg_server(demux, sizeof(union buffer), service,
                                            MACH_MSG_OPTION_NONE);
    for (int i = 0; i < CLIENTS; i++)
        finish(pids[i]);
    printf("%d squares, %d notes, %d clients\n", squares, logged, left);
    printf("ended because there was nothing to receive from: %s\n",
           end == MACH_RCV_INVALID_NAME ? "yes" : mach_error_string(end));
    return 0;
}
