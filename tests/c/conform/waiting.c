/* One call that sends and receives, and signals while it waits. Section 6: S152 to S155. */
#include "harness/mach_kit.h"

#include <signal.h>
#include <string.h>

TEST(S152_send_and_receive_in_one_call)
{
    mach_port_t port = kit_port();
    struct plain_rcv message;
    memset(&message, 0, sizeof(message));
    kit_header(&message.header, MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0),
               sizeof(struct plain_msg), port, MACH_PORT_NULL, 5);
    strcpy(message.text, "there and back");
    ASSERT_OK(mach_msg(&message.header, MACH_SEND_MSG | MACH_RCV_MSG | MACH_RCV_TIMEOUT,
                       sizeof(struct plain_msg), sizeof(message), port, PATIENCE, MACH_PORT_NULL));
    ASSERT_EQ(5, message.header.msgh_id);
    ASSERT_EQ(MACH_MSGH_BITS(0, 17), message.header.msgh_bits);
    ASSERT_STR("there and back", message.text);
    kit_destroy(port);
}

TEST(S152_no_receive_after_a_failed_send)
{
    mach_port_t port = kit_port();
    struct plain_rcv message;
    kit_send_plain(port, 1);
    memset(&message, 0, sizeof(message));
    kit_header(&message.header, MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0),
               sizeof(struct plain_msg), MACH_PORT_NULL, MACH_PORT_NULL, 5);
    ASSERT_CODE(MACH_SEND_INVALID_DEST,
                mach_msg(&message.header, MACH_SEND_MSG | MACH_RCV_MSG | MACH_RCV_TIMEOUT,
                         sizeof(struct plain_msg), sizeof(message), port, 0, MACH_PORT_NULL));
    kit_expect_plain(port, 1);
    kit_destroy(port);
}

TEST(S152_failed_receive_after_a_good_send)
{
    mach_port_t port = kit_port();
    mach_port_t quiet = kit_port();
    struct plain_rcv message;
    memset(&message, 0, sizeof(message));
    kit_header(&message.header, MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0), sizeof(message.header),
               port, MACH_PORT_NULL, 5);
    ASSERT_CODE(MACH_RCV_TIMED_OUT,
                mach_msg(&message.header, MACH_SEND_MSG | MACH_RCV_MSG | MACH_RCV_TIMEOUT,
                         sizeof(message.header), sizeof(message), quiet, 10, MACH_PORT_NULL));
    ASSERT_CODE(MACH_RCV_INVALID_NAME,
                mach_msg(&message.header, MACH_SEND_MSG | MACH_RCV_MSG | MACH_RCV_TIMEOUT,
                         sizeof(message.header), sizeof(message), MACH_PORT_NULL, 10,
                         MACH_PORT_NULL));
    kit_expect_plain(port, 5);
    kit_expect_plain(port, 5);
    kit_destroy(port);
    kit_destroy(quiet);
}

struct drain {
    mach_port_t port;
    uint64_t at; /* when it made room */
};

static void *drain_after_a_moment(void *argument)
{
    struct drain *drain = argument;
    struct kit_event never = KIT_EVENT_INIT;
    kit_event_quiet(&never, 0);
    drain->at = kit_milliseconds();
    kit_expect_plain(drain->port, 0);
    return NULL;
}

/* The receive has the whole time again, however long the send took. */
TEST(S152_each_half_has_the_whole_time)
{
    const unsigned time = 200;
    struct drain drain = {.port = kit_port()};
    mach_port_t quiet = kit_port();
    struct plain_rcv message;
    memset(&message, 0, sizeof(message));
    kit_fill_queue(drain.port, 5);
    kit_header(&message.header, MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0), sizeof(message.header),
               drain.port, MACH_PORT_NULL, 5);
    pthread_t thread = kit_thread(drain_after_a_moment, &drain);
    mach_msg_option_t both = MACH_SEND_MSG | MACH_RCV_MSG | MACH_SEND_TIMEOUT | MACH_RCV_TIMEOUT;
    mach_msg_return_t result = mach_msg(&message.header, both, sizeof(message.header),
                                        sizeof(message), quiet, time, MACH_PORT_NULL);
    uint64_t end = kit_milliseconds();
    kit_join(thread);
    ASSERT_CODE(MACH_RCV_TIMED_OUT, result);
    ASSERT(end >= drain.at + time - 1);
    for (int id = 1; id <= 5; id++)
        kit_expect_plain(drain.port, id);
    kit_destroy(drain.port);
    kit_destroy(quiet);
}

TEST(S153_neither_send_nor_receive)
{
    ASSERT_OK(mach_msg(NULL, 0, 0, 0, MACH_PORT_NULL, 0, MACH_PORT_NULL));
    ASSERT_OK(mach_msg(NULL, MACH_SEND_TIMEOUT | MACH_RCV_TIMEOUT, 0, 0, MACH_PORT_NULL, 0, 0));
}

static struct kit_event *signal_seen;

static void on_signal(int number)
{
    (void)number;
    if (signal_seen != NULL)
        __atomic_add_fetch(&signal_seen->count, 1, __ATOMIC_SEQ_CST);
}

static void catch_signals(struct kit_event *event)
{
    struct sigaction action = {.sa_handler = on_signal}; /* no SA_RESTART */
    signal_seen = event;
    ASSERT_SYS(sigaction(SIGUSR1, &action, NULL));
}

/* Sends signals one by one, each after the one before it was seen. */
static void shower(struct kit_call *call, struct kit_event *seen, unsigned count)
{
    uint64_t end = kit_milliseconds() + PATIENCE;
    for (unsigned i = 1; i <= count; i++) {
        ASSERT_EQ(0, pthread_kill(call->thread, SIGUSR1));
        while (__atomic_load_n(&seen->count, __ATOMIC_SEQ_CST) < i)
            ASSERT(kit_milliseconds() < end);
    }
}

TEST(S154_plain_receive_goes_on_after_signals)
{
    struct kit_event seen = KIT_EVENT_INIT;
    struct kit_call receiver = {.port = kit_port()};
    catch_signals(&seen);
    kit_block_receiving(&receiver);
    shower(&receiver, &seen, 20);
    kit_event_quiet(&receiver.done, 0);
    kit_send_plain(receiver.port, 3);
    ASSERT_OK(kit_call_end(&receiver));
    ASSERT_EQ(3, receiver.id);
    kit_destroy(receiver.port);
}

/* Each signal starts the time anew. */
TEST(S154_the_time_starts_again_with_every_signal)
{
    const unsigned time = 150;
    struct kit_event seen = KIT_EVENT_INIT;
    struct kit_call receiver = {.port = kit_port(), .options = MACH_RCV_TIMEOUT, .timeout = time};
    catch_signals(&seen);
    kit_block_receiving(&receiver);
    uint64_t before = kit_milliseconds();
    shower(&receiver, &seen, 1);
    kit_event_wait(&receiver.done, 1);
    uint64_t took = kit_milliseconds() - before;
    ASSERT_CODE(MACH_RCV_TIMED_OUT, kit_call_end(&receiver));
    ASSERT(took >= time - 1);
    kit_destroy(receiver.port);
}

TEST(S154_plain_send_goes_on_after_signals)
{
    struct kit_event seen = KIT_EVENT_INIT;
    mach_port_t port = kit_port();
    struct kit_call sender = {.port = port, .id = 5};
    catch_signals(&seen);
    kit_fill_queue(port, 5);
    kit_block_sending(&sender);
    shower(&sender, &seen, 20);
    kit_event_quiet(&sender.done, 0);
    kit_expect_plain(port, 0);
    ASSERT_OK(kit_call_end(&sender));
    kit_destroy(port);
}

/* A signal can come before the thread waits, so one is sent until the call ends. */
static void interrupt(struct kit_call *call)
{
    uint64_t end = kit_milliseconds() + PATIENCE;
    while (kit_event_count(&call->done) == 0) {
        ASSERT(kit_milliseconds() < end);
        ASSERT_EQ(0, pthread_kill(call->thread, SIGUSR1));
    }
}

TEST(S154_receive_with_interrupt_ends)
{
    struct kit_event seen = KIT_EVENT_INIT;
    struct kit_call receiver = {.port = kit_port(), .options = MACH_RCV_INTERRUPT};
    catch_signals(&seen);
    kit_block_receiving(&receiver);
    interrupt(&receiver);
    ASSERT_EQ(0x10004005, kit_call_end(&receiver));
    kit_send_plain(receiver.port, 3);
    kit_expect_plain(receiver.port, 3);
    kit_destroy(receiver.port);
}

TEST(S126_S154_send_with_interrupt_ends)
{
    struct kit_event seen = KIT_EVENT_INIT;
    mach_port_t port = kit_port();
    struct kit_call sender = {.port = port, .id = 5, .options = MACH_SEND_INTERRUPT};
    catch_signals(&seen);
    kit_fill_queue(port, 5);
    kit_block_sending(&sender);
    interrupt(&sender);
    ASSERT_EQ(0x10000007, kit_call_end(&sender));
    /* S126: interruption hands the message back too. */
    ASSERT_EQ(MACH_MSGH_BITS(MACH_MSG_TYPE_MOVE_SEND, 0), sender.message.header.msgh_bits);
    ASSERT_EQ(2, kit_refs(port, MACH_PORT_RIGHT_SEND));
    kit_destroy(port);
}

static void *send_and_receive(void *argument)
{
    struct kit_call *call = argument;
    mach_msg_header_t *header = &call->message.header;
    kit_header(header, MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0), sizeof(*header),
               (mach_port_t)call->id, MACH_PORT_NULL, 7);
    call->result = mach_msg(header, MACH_SEND_MSG | MACH_RCV_MSG, sizeof(*header),
                            sizeof(call->message), call->port, 0, 0);
    call->id = header->msgh_id;
    kit_event_post(&call->done);
    return NULL;
}

TEST(S155_only_the_receive_half_is_restarted)
{
    struct kit_event seen = KIT_EVENT_INIT;
    struct kit_call receiver = {.port = kit_port()};
    mach_port_t requests = kit_port();
    receiver.id = (mach_msg_id_t)requests;
    catch_signals(&seen);
    kit_call_start(&receiver, send_and_receive);
    kit_expect_plain(requests, 7);
    kit_event_quiet(&receiver.done, 0);
    shower(&receiver, &seen, 20);
    kit_expect_nothing(requests);
    kit_send_plain(receiver.port, 3);
    ASSERT_OK(kit_call_end(&receiver));
    ASSERT_EQ(3, receiver.id);
    kit_destroy(requests);
    kit_destroy(receiver.port);
}
