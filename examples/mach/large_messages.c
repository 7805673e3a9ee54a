/*
 * Messages of unknown size: MACH_RCV_LARGE.
 *
 * A message that is larger than the receiver's buffer is lost, unless the receive says
 * MACH_RCV_LARGE: then it stays in the queue, and the header tells how large it is. The client
 * begins with a small buffer and lets it grow. The size told is that of the message: the trailer
 * needs its room besides.
 */
#include "check.h"

#include <string.h>

static const mach_msg_size_t sizes[] = {100, 40, 5000, 300000, 80};

#define COUNT ((int)(sizeof sizes / sizeof *sizes))

struct buffer {
    mach_msg_header_t *message;
    mach_msg_size_t size;
    int times_grown;
};

static void grow(struct buffer *buffer, mach_msg_size_t size)
{
    free(buffer->message);
    buffer->message = malloc(size);
    EXPECT(buffer->message != NULL);
    buffer->size = size;
    buffer->times_grown++;
}

static void receive_any(struct buffer *buffer, mach_port_t from)
{
    for (;;) {
        mach_msg_return_t code = mach_msg(buffer->message, MACH_RCV_MSG | MACH_RCV_LARGE, 0,
                                          buffer->size, from, MACH_MSG_TIMEOUT_NONE,
                                          MACH_PORT_NULL);
        if (code != MACH_RCV_TOO_LARGE) {
            CHECK(code);
            return;
        }
        grow(buffer, buffer->message->msgh_size + MAX_TRAILER_SIZE);
    }
}

static int is_filled_with(const mach_msg_header_t *message, int letter)
{
    const char *bytes = (const char *)(message + 1);
    for (size_t i = 0; i < message->msgh_size - sizeof *message; i++)
        if (bytes[i] != letter)
            return 0;
    return 1;
}

static void client(const char *name)
{
    mach_port_t mine = new_port();
    mach_msg_header_t hello;
    address(&hello, MACH_MSGH_BITS(MACH_MSG_TYPE_MOVE_SEND, MACH_MSG_TYPE_MAKE_SEND), sizeof hello,
            find_service(name), mine, 0);
    send_message(&hello);

    struct buffer buffer = {0};
    grow(&buffer, 64 + MAX_TRAILER_SIZE);
    for (int i = 0; i < COUNT; i++) {
        receive_any(&buffer, mine);
        EXPECT(buffer.message->msgh_id == i && is_filled_with(buffer.message, 'a' + i));
        printf("client: message of %u bytes\n", buffer.message->msgh_size);
    }
    printf("client: the buffer grew %d times\n", buffer.times_grown - 1);
    free(buffer.message);
}

int main(void)
{
    char name[BOOTSTRAP_MAX_NAME_LEN];
    mach_port_t mine = new_service(name);
    pid_t pid = start(client, name);
    struct {
        mach_msg_header_t header;
        mach_msg_trailer_t trailer;
    } hello;
    receive_message(&hello.header, sizeof hello, mine);
    for (int i = 0; i < COUNT; i++) {
        mach_msg_header_t *message = malloc(sizes[i]);
        EXPECT(message != NULL);
        memset(message, 'a' + i, sizes[i]);
        address(message, MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0), sizes[i],
                hello.header.msgh_remote_port, MACH_PORT_NULL, i);
        send_message(message);
        free(message);
    }
    finish(pid);
    return 0;
}
