/* Agents: the orders, the task that carries them out, and the calls of the test's side. See
 * port_kit.h.
 *
 * An order and its answer are messages of one fixed shape each, with one right in them (often
 * MACH_PORT_NULL). Whatever goes wrong over there without being what the order reports fails the
 * test. */
#include "port_kit.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum order_kind {
    LEAVE = 1,
    SLEEP,
    ALLOCATE,
    GIVE,
    GET,
    DESTROY,
    DEALLOCATE,
    MOD_REFS,
    TYPE,
    REFS,
    STATUS,
    SEND,
    SEND_RIGHT,
    RECEIVE,
    TAKE,
    TAKE_SAVED,
    REQUEST,
    BLOCK_SENDING,
    BLOCK_RECEIVING,
    WAKE,
};

struct order {
    mach_msg_header_t header;
    mach_msg_body_t body;
    mach_msg_port_descriptor_t right;
    uint32_t kind;
    uint32_t name;
    uint32_t other;
    uint32_t disposition;
    int32_t value;
    uint32_t timeout;
};
struct order_rcv {
    struct order order;
    mach_msg_max_trailer_t trailer;
};
struct answer {
    mach_msg_header_t header;
    mach_msg_body_t body;
    mach_msg_port_descriptor_t right;
    int32_t result;
    uint32_t value;
    mach_port_status_t status;
};
struct answer_rcv {
    struct answer answer;
    mach_msg_max_trailer_t trailer;
};

/* The thread that waits in the agent; one at a time. */
static struct blocked {
    pthread_t thread;
    mach_port_t name;
    mach_msg_id_t id;
    mach_msg_return_t result;
    struct kit_event started;
    struct kit_event done;
} blocked;

static void *block_sending(void *argument)
{
    struct plain_msg message;
    (void)argument;
    memset(&message, 0, sizeof(message));
    snprintf(message.text, sizeof(message.text), "message %d", blocked.id);
    kit_header(&message.header, MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0), sizeof(message),
               blocked.name, MACH_PORT_NULL, blocked.id);
    kit_event_post(&blocked.started);
    blocked.result = kit_send(&message.header, 0, 0);
    kit_event_post(&blocked.done);
    return NULL;
}

static void *block_receiving(void *argument)
{
    struct plain_rcv received;
    (void)argument;
    memset(&received, 0, sizeof(received));
    kit_event_post(&blocked.started);
    blocked.result = mach_msg(&received.header, MACH_RCV_MSG, 0, sizeof(received), blocked.name,
                              MACH_MSG_TIMEOUT_NONE, MACH_PORT_NULL);
    blocked.id = received.header.msgh_id;
    kit_event_post(&blocked.done);
    return NULL;
}

static void start_blocked(const struct order *order, void *(*run)(void *))
{
    blocked.name = order->name;
    blocked.id = order->value;
    blocked.started = blocked.done = (struct kit_event)KIT_EVENT_INIT;
    blocked.thread = kit_thread(run, NULL);
    kit_event_wait(&blocked.started, 1);
    kit_event_quiet(&blocked.done, 0);
}

static void finish_blocked(struct answer *answer)
{
    kit_event_wait(&blocked.done, 1);
    kit_join(blocked.thread);
    answer->result = blocked.result;
    answer->value = (uint32_t)blocked.id;
}

static void receive_any(const struct order *order, struct answer *answer)
{
    struct port_rcv received;
    memset(&received, 0, sizeof(received));
    answer->result = kit_receive(&received.header, sizeof(received), order->name, 0,
                                 order->timeout);
    answer->value = (uint32_t)received.header.msgh_id;
    if (answer->result == MACH_MSG_SUCCESS)
        mach_msg_destroy(&received.header);
}

static void type_of(const struct order *order, struct answer *answer)
{
    mach_port_type_t type = 0;
    answer->result = mach_port_type(mach_task_self(), order->name, &type);
    answer->value = answer->result == KERN_SUCCESS ? type : 0;
}

static void request(const struct order *order, struct answer *answer)
{
    mach_port_t previous = MACH_PORT_NULL;
    answer->result = mach_port_request_notification(mach_task_self(), order->name, order->value,
                                                    order->other, order->right.name,
                                                    MACH_MSG_TYPE_MOVE_SEND_ONCE, &previous);
    ASSERT_EQ(MACH_PORT_NULL, previous);
}

static void carry_out_waiting(const struct order *order, struct answer *answer)
{
    switch (order->kind) {
    case SEND:
        answer->result = kit_try_plain(order->name, order->disposition, order->value,
                                       order->timeout);
        break;
    case SEND_RIGHT:
        answer->result = kit_try_right(order->other, order->name, order->disposition);
        break;
    case RECEIVE:
        receive_any(order, answer);
        break;
    case TAKE:
        answer->value = kit_take_right(order->name, order->disposition);
        break;
    case TAKE_SAVED:
        answer->value = kit_expect_port_destroyed(order->name);
        break;
    case BLOCK_SENDING:
        start_blocked(order, block_sending);
        break;
    case BLOCK_RECEIVING:
        start_blocked(order, block_receiving);
        break;
    case WAKE:
        finish_blocked(answer);
        break;
    default:
        FAIL("order %u", order->kind);
    }
}

static void carry_out(const struct order *order, struct answer *answer)
{
    switch (order->kind) {
    case LEAVE:
    case SLEEP:
        break;
    case ALLOCATE:
        answer->value = kit_receive_right();
        break;
    case GIVE:
        answer->value = order->right.name;
        break;
    case GET:
        kit_port_descriptor(&answer->right, order->name, order->disposition);
        break;
    case DESTROY:
        answer->result = mach_port_destroy(mach_task_self(), order->name);
        break;
    case DEALLOCATE:
        answer->result = mach_port_deallocate(mach_task_self(), order->name);
        break;
    case MOD_REFS:
        answer->result = mach_port_mod_refs(mach_task_self(), order->name, order->other,
                                            order->value);
        break;
    case TYPE:
        type_of(order, answer);
        break;
    case REFS:
        answer->value = kit_refs(order->name, order->other);
        break;
    case STATUS:
        answer->status = kit_status(order->name);
        break;
    case REQUEST:
        request(order, answer);
        break;
    default:
        carry_out_waiting(order, answer);
    }
}

PEER(kit_agent)
{
    struct kit_pair pair;
    struct order_rcv seen;
    kit_pair_join(&pair);
    do {
        struct answer answer;
        memset(&answer, 0, sizeof(answer));
        ASSERT_OK(kit_receive(&seen.order.header, sizeof(seen), pair.mine, 0, 10 * PATIENCE));
        kit_header(&answer.header,
                   MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0) | MACH_MSGH_BITS_COMPLEX,
                   sizeof(answer), pair.theirs, MACH_PORT_NULL, seen.order.header.msgh_id);
        answer.body.msgh_descriptor_count = 1;
        kit_port_descriptor(&answer.right, MACH_PORT_NULL, MACH_MSG_TYPE_COPY_SEND);
        carry_out(&seen.order, &answer);
        ASSERT_OK(kit_send(&answer.header, MACH_SEND_TIMEOUT, PATIENCE));
    } while (seen.order.kind != LEAVE && seen.order.kind != SLEEP);
    while (seen.order.kind == SLEEP)
        pause();
}

/* The test's side. */

static struct order new_order(enum order_kind kind, mach_port_t name)
{
    struct order order;
    memset(&order, 0, sizeof(order));
    order.kind = kind;
    order.name = name;
    kit_port_descriptor(&order.right, MACH_PORT_NULL, MACH_MSG_TYPE_COPY_SEND);
    return order;
}

static struct answer tell(struct agent *agent, struct order *order)
{
    static mach_msg_id_t number = 1000;
    struct answer_rcv seen;
    kit_header(&order->header, MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0) | MACH_MSGH_BITS_COMPLEX,
               sizeof(*order), agent->pair.theirs, MACH_PORT_NULL, ++number);
    order->body.msgh_descriptor_count = 1;
    ASSERT_OK(kit_send(&order->header, MACH_SEND_TIMEOUT, PATIENCE));
    ASSERT_OK(kit_receive(&seen.answer.header, sizeof(seen), agent->pair.mine, 0, 2 * PATIENCE));
    ASSERT_EQ(number, seen.answer.header.msgh_id);
    return seen.answer;
}

static struct answer simple(struct agent *agent, enum order_kind kind, mach_port_t name)
{
    struct order order = new_order(kind, name);
    return tell(agent, &order);
}

void agent_start(struct agent *ret_agent)
{
    kit_pair_start(&ret_agent->pair, "kit_agent", "");
}

void agent_end(struct agent *agent)
{
    agent_exit(agent);
    agent_forget(agent);
}

void agent_exit(struct agent *agent)
{
    (void)simple(agent, LEAVE, MACH_PORT_NULL);
    peer_join(&agent->pair.peer);
}

void agent_kill(struct agent *agent)
{
    peer_kill(&agent->pair.peer);
}

void agent_forget(struct agent *agent)
{
    kit_pair_drop(&agent->pair);
}

void agent_sleep(struct agent *agent)
{
    (void)simple(agent, SLEEP, MACH_PORT_NULL);
}

void agent_stop(struct agent *agent)
{
    ASSERT_SYS(kill(agent->pair.peer.pid, SIGSTOP));
}

void agent_go_on(struct agent *agent)
{
    ASSERT_SYS(kill(agent->pair.peer.pid, SIGCONT));
}

mach_port_t agent_allocate(struct agent *agent)
{
    return simple(agent, ALLOCATE, MACH_PORT_NULL).value;
}

mach_port_t agent_give(struct agent *agent, mach_port_t ours, unsigned disposition)
{
    struct order order = new_order(GIVE, MACH_PORT_NULL);
    kit_port_descriptor(&order.right, ours, disposition);
    return tell(agent, &order).value;
}

mach_port_t agent_get(struct agent *agent, mach_port_t theirs, unsigned disposition)
{
    struct order order = new_order(GET, theirs);
    order.disposition = disposition;
    return tell(agent, &order).right.name;
}

void agent_introduce(struct agent_route *ret_route, struct agent *from, struct agent *to)
{
    mach_port_t in = agent_allocate(to);
    mach_port_t ours = agent_get(to, in, MACH_MSG_TYPE_MAKE_SEND);
    mach_port_t out = agent_give(from, ours, MACH_MSG_TYPE_MOVE_SEND);
    *ret_route = (struct agent_route){.from = from, .to = to, .out = out, .in = in};
}

/* What a right that is sent with `disposition` arrives as. */
static unsigned arrives_as(unsigned disposition)
{
    switch (disposition) {
    case MACH_MSG_TYPE_MOVE_RECEIVE:
        return MACH_MSG_TYPE_PORT_RECEIVE;
    case MACH_MSG_TYPE_MOVE_SEND_ONCE:
    case MACH_MSG_TYPE_MAKE_SEND_ONCE:
        return MACH_MSG_TYPE_PORT_SEND_ONCE;
    default:
        return MACH_MSG_TYPE_PORT_SEND;
    }
}

mach_port_t agent_pass(struct agent_route *route, mach_port_t theirs, unsigned disposition)
{
    ASSERT_OK(agent_send_right(route->from, route->out, theirs, disposition));
    return agent_take(route->to, route->in, arrives_as(disposition));
}

void agent_destroy(struct agent *agent, mach_port_t theirs)
{
    ASSERT_OK(simple(agent, DESTROY, theirs).result);
}

void agent_deallocate(struct agent *agent, mach_port_t theirs)
{
    ASSERT_OK(simple(agent, DEALLOCATE, theirs).result);
}

kern_return_t agent_mod_refs(struct agent *agent, mach_port_t theirs, mach_port_right_t right,
                             int delta)
{
    struct order order = new_order(MOD_REFS, theirs);
    order.other = right;
    order.value = delta;
    return tell(agent, &order).result;
}

mach_port_type_t agent_type(struct agent *agent, mach_port_t theirs)
{
    return simple(agent, TYPE, theirs).value & MACH_PORT_TYPE_ALL_RIGHTS;
}

unsigned agent_refs(struct agent *agent, mach_port_t theirs, mach_port_right_t right)
{
    struct order order = new_order(REFS, theirs);
    order.other = right;
    return tell(agent, &order).value;
}

mach_port_status_t agent_status(struct agent *agent, mach_port_t theirs)
{
    return simple(agent, STATUS, theirs).status;
}

mach_msg_return_t agent_send(struct agent *agent, mach_port_t theirs, unsigned disposition,
                             mach_msg_id_t id, unsigned timeout)
{
    struct order order = new_order(SEND, theirs);
    order.disposition = disposition;
    order.value = id;
    order.timeout = timeout;
    return tell(agent, &order).result;
}

mach_msg_return_t agent_send_right(struct agent *agent, mach_port_t to, mach_port_t theirs,
                                   unsigned disposition)
{
    struct order order = new_order(SEND_RIGHT, theirs);
    order.other = to;
    order.disposition = disposition;
    return tell(agent, &order).result;
}

mach_msg_return_t agent_receive(struct agent *agent, mach_port_t theirs, unsigned timeout,
                                mach_msg_id_t *ret_id)
{
    struct order order = new_order(RECEIVE, theirs);
    order.timeout = timeout;
    struct answer answer = tell(agent, &order);
    *ret_id = (mach_msg_id_t)answer.value;
    return answer.result;
}

void agent_sends(struct agent *agent, mach_port_t theirs, int id)
{
    ASSERT_OK(agent_send(agent, theirs, MACH_MSG_TYPE_COPY_SEND, id, PATIENCE));
}

void agent_expect(struct agent *agent, mach_port_t theirs, int first, int count)
{
    mach_msg_id_t id = 0;
    for (int i = 0; i < count; i++) {
        ASSERT_OK(agent_receive(agent, theirs, PATIENCE, &id));
        ASSERT_EQ(first + i, id);
    }
    ASSERT_CODE(MACH_RCV_TIMED_OUT, agent_receive(agent, theirs, 0, &id));
}

mach_port_t agent_take(struct agent *agent, mach_port_t theirs, unsigned disposition)
{
    struct order order = new_order(TAKE, theirs);
    order.disposition = disposition;
    return tell(agent, &order).value;
}

mach_port_t agent_take_saved(struct agent *agent, mach_port_t theirs)
{
    return simple(agent, TAKE_SAVED, theirs).value;
}

void agent_request(struct agent *agent, mach_port_t theirs, mach_msg_id_t id, unsigned sync,
                   mach_port_t notify)
{
    struct order order = new_order(REQUEST, theirs);
    order.value = id;
    order.other = sync;
    kit_port_descriptor(&order.right, notify, MACH_MSG_TYPE_MAKE_SEND_ONCE);
    ASSERT_OK(tell(agent, &order).result);
}

void agent_block_sending(struct agent *agent, mach_port_t theirs, mach_msg_id_t id)
{
    struct order order = new_order(BLOCK_SENDING, theirs);
    order.value = id;
    (void)tell(agent, &order);
}

void agent_block_receiving(struct agent *agent, mach_port_t theirs)
{
    (void)simple(agent, BLOCK_RECEIVING, theirs);
}

mach_msg_return_t agent_wake(struct agent *agent, mach_msg_id_t *ret_id)
{
    struct answer answer = simple(agent, WAKE, MACH_PORT_NULL);
    *ret_id = (mach_msg_id_t)answer.value;
    return answer.result;
}
