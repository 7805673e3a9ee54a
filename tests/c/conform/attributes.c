/* What a receive right can be asked and told: status, limit, make-send count, sequence number,
 * context, the message at the head of its queue. Sections 4 to 6. */
#include "harness/port_kit.h"

#include <string.h>
#include <unistd.h>

static kern_return_t get(mach_port_t name, mach_port_flavor_t flavor, void *info,
                         mach_msg_type_number_t *count)
{
    return mach_port_get_attributes(mach_task_self(), name, flavor, (mach_port_info_t)info, count);
}

static kern_return_t set(mach_port_t name, mach_port_flavor_t flavor, void *info,
                         mach_msg_type_number_t count)
{
    return mach_port_set_attributes(mach_task_self(), name, flavor, (mach_port_info_t)info, count);
}

TEST(S140_status_of_a_fresh_port)
{
    mach_port_t port = kit_receive_right();
    mach_port_status_t status;
    mach_msg_type_number_t count = MACH_PORT_RECEIVE_STATUS_COUNT;
    ASSERT_EQ(10, count);
    memset(&status, 0xa5, sizeof(status));
    ASSERT_OK(get(port, MACH_PORT_RECEIVE_STATUS, &status, &count));
    ASSERT_EQ(10, count);
    ASSERT_EQ(0, status.mps_pset);
    ASSERT_EQ(0, status.mps_seqno);
    ASSERT_EQ(0, status.mps_mscount);
    ASSERT_EQ(5, status.mps_qlimit);
    ASSERT_EQ(0, status.mps_msgcount);
    ASSERT_EQ(0, status.mps_sorights);
    ASSERT_EQ(0, status.mps_srights);
    ASSERT_EQ(0, status.mps_pdrequest);
    ASSERT_EQ(0, status.mps_nsrequest);
    ASSERT_EQ(0, status.mps_flags);
    kit_destroy(port);
}

TEST(S140_status_counts)
{
    mach_port_t port = kit_port();
    mach_port_t notify = kit_receive_right();
    mach_port_t once[3];
    mach_port_t members = kit_port_set();
    for (int i = 0; i < 3; i++)
        once[i] = kit_send_once(port);
    ASSERT_OK(mach_port_insert_right(mach_task_self(), port, port, MACH_MSG_TYPE_MAKE_SEND));
    ASSERT_OK(mach_port_insert_member(mach_task_self(), port, members));
    kit_first_request(port, MACH_NOTIFY_NO_SENDERS, 0, notify);
    kit_fill_queue(port, 4);
    kit_expect_plain(port, 0);
    kit_expect_plain(port, 1);
    kit_set_qlimit(port, 17);
    mach_port_status_t status = kit_status(port);
    ASSERT_EQ(1, status.mps_pset);
    ASSERT_EQ(2, status.mps_seqno);
    ASSERT_EQ(2, status.mps_mscount);
    ASSERT_EQ(17, status.mps_qlimit);
    ASSERT_EQ(2, status.mps_msgcount);
    ASSERT_EQ(3, status.mps_sorights);
    ASSERT_EQ(1, status.mps_srights); /* whether, not how many */
    ASSERT_EQ(0, status.mps_pdrequest);
    ASSERT_EQ(1, status.mps_nsrequest);
    kit_destroy(port);
    for (int i = 0; i < 3; i++)
        kit_deallocate(once[i]);
    kit_destroy(members);
    kit_destroy(notify);
}

TEST(S140_a_queued_message_keeps_its_right)
{
    mach_port_t port = kit_port();
    ASSERT_OK(kit_try_plain(port, MACH_MSG_TYPE_MOVE_SEND, 1, 0));
    ASSERT_EQ(MACH_PORT_TYPE_RECEIVE, kit_type(port));
    ASSERT_EQ(1, kit_status(port).mps_srights);
    ASSERT_OK(kit_try_plain(port, MACH_MSG_TYPE_MAKE_SEND_ONCE, 2, 0));
    ASSERT_EQ(1, kit_status(port).mps_sorights);
    kit_expect_plain(port, 1);
    ASSERT_EQ(0, kit_status(port).mps_srights);
    kit_expect_plain(port, 2);
    ASSERT_EQ(0, kit_status(port).mps_sorights);
    kit_destroy(port);
}

TEST(S140_too_little_room)
{
    mach_port_t port = kit_port();
    natural_t words[24];
    mach_msg_type_number_t count = 9;
    ASSERT_CODE(KERN_FAILURE, get(port, MACH_PORT_RECEIVE_STATUS, words, &count));
    count = 0;
    ASSERT_CODE(KERN_FAILURE, get(port, MACH_PORT_LIMITS_INFO, words, &count));
    ASSERT_CODE(KERN_FAILURE, set(port, MACH_PORT_LIMITS_INFO, words, 0));
    count = 0;
    ASSERT_CODE(KERN_FAILURE, get(port, MACH_PORT_DNREQUESTS_SIZE, words, &count));
    count = 10;
    ASSERT_CODE(KERN_FAILURE, get(port, MACH_PORT_INFO_EXT, words, &count));
    count = 24; /* more than enough: says how much it was */
    ASSERT_OK(get(port, MACH_PORT_RECEIVE_STATUS, words, &count));
    ASSERT_EQ(10, count);
    count = 24;
    ASSERT_OK(get(port, MACH_PORT_LIMITS_INFO, words, &count));
    ASSERT_EQ(1, count);
    ASSERT_EQ(5, words[0]);
    kit_destroy(port);
}

TEST(S140_names_of_the_wrong_kind)
{
    mach_port_t members = kit_port_set();
    mach_port_t dead = kit_dead_name();
    mach_port_limits_t limits = {1};
    mach_port_status_t status;
    mach_msg_type_number_t count = 1;
    ASSERT_CODE(KERN_INVALID_NAME, get(kit_unknown_name(), MACH_PORT_LIMITS_INFO, &limits, &count));
    ASSERT_CODE(KERN_INVALID_RIGHT, get(members, MACH_PORT_LIMITS_INFO, &limits, &count));
    ASSERT_CODE(KERN_INVALID_RIGHT, get(dead, MACH_PORT_LIMITS_INFO, &limits, &count));
    count = MACH_PORT_RECEIVE_STATUS_COUNT;
    ASSERT_CODE(KERN_INVALID_RIGHT, get(MACH_PORT_NULL, MACH_PORT_RECEIVE_STATUS, &status, &count));
    ASSERT_CODE(KERN_INVALID_NAME, set(kit_unknown_name(), MACH_PORT_LIMITS_INFO, &limits, 1));
    ASSERT_CODE(KERN_INVALID_RIGHT, set(members, MACH_PORT_LIMITS_INFO, &limits, 1));
    ASSERT_CODE(KERN_INVALID_RIGHT, set(MACH_PORT_NULL, MACH_PORT_LIMITS_INFO, &limits, 1));
    kit_destroy(members);
    kit_destroy(dead);
}

TEST(S140_unknown_flavours)
{
    mach_port_t port = kit_port();
    natural_t words[24] = {0};
    mach_msg_type_number_t count = 24;
    ASSERT_CODE(KERN_INVALID_ARGUMENT, get(port, 0, words, &count));
    ASSERT_CODE(KERN_INVALID_ARGUMENT, get(port, 99, words, &count));
    ASSERT_CODE(KERN_INVALID_ARGUMENT, get(port, MACH_PORT_GUARD_INFO, words, &count));
    ASSERT_CODE(KERN_INVALID_ARGUMENT, set(port, 99, words, 24));
    ASSERT_CODE(KERN_INVALID_ARGUMENT, set(port, MACH_PORT_RECEIVE_STATUS, words, 10));
    kit_destroy(port);
}

TEST(S140_extended_status)
{
    mach_port_t port = kit_port();
    mach_port_info_ext_t info;
    mach_msg_type_number_t count = MACH_PORT_INFO_EXT_COUNT;
    kit_fill_queue(port, 2);
    memset(&info, 0xa5, sizeof(info));
    ASSERT_OK(get(port, MACH_PORT_INFO_EXT, &info, &count));
    ASSERT_EQ(MACH_PORT_INFO_EXT_COUNT, count);
    ASSERT_EQ(2, info.mpie_status.mps_msgcount);
    ASSERT_EQ(1, info.mpie_status.mps_mscount);
    ASSERT_EQ(0, info.mpie_boost_cnt);
    kit_destroy(port);
}

TEST(S143_limits)
{
    static const unsigned good[] = {0, 1, 5, 16, 1023, 1024};
    static const unsigned bad[] = {1025, 65534, 0x7fffffff, 0xffffffff};
    mach_port_t port = kit_port();
    mach_port_limits_t limits;
    for (unsigned i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        limits.mpl_qlimit = good[i];
        ASSERT_OK(set(port, MACH_PORT_LIMITS_INFO, &limits, 1));
        ASSERT_EQ(good[i], kit_status(port).mps_qlimit);
    }
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        limits.mpl_qlimit = bad[i];
        ASSERT_CODE(KERN_INVALID_VALUE, set(port, MACH_PORT_LIMITS_INFO, &limits, 1));
        ASSERT_EQ(1024, kit_status(port).mps_qlimit);
    }
    kit_destroy(port);
}

TEST(S143_lowering_below_what_is_queued)
{
    mach_port_t port = kit_port();
    kit_fill_queue(port, 5);
    kit_set_qlimit(port, 2);
    ASSERT_EQ(5, kit_status(port).mps_msgcount);
    for (int i = 0; i < 4; i++) {
        ASSERT_CODE(MACH_SEND_TIMED_OUT, kit_try_plain(port, MACH_MSG_TYPE_COPY_SEND, 9, 0));
        kit_deallocate(port);
        kit_expect_plain(port, i);
    }
    ASSERT_OK(kit_try_plain(port, MACH_MSG_TYPE_COPY_SEND, 5, 0)); /* the second of two */
    kit_expect_plain(port, 4);
    kit_expect_plain(port, 5);
    kit_destroy(port);
}

/* The limit travels to senders in other tasks. */
TEST(S143_limit_holds_between_tasks)
{
    struct agent sender;
    mach_msg_id_t id = 0;
    mach_port_t port = kit_receive_right();
    agent_start(&sender);
    kit_set_qlimit(port, 2);
    mach_port_t theirs = agent_give(&sender, port, MACH_MSG_TYPE_MAKE_SEND);
    ASSERT_OK(agent_send(&sender, theirs, MACH_MSG_TYPE_COPY_SEND, 0, 0));
    ASSERT_OK(agent_send(&sender, theirs, MACH_MSG_TYPE_COPY_SEND, 1, 0));
    ASSERT_CODE(MACH_SEND_TIMED_OUT, agent_send(&sender, theirs, MACH_MSG_TYPE_COPY_SEND, 9, 0));
    agent_block_sending(&sender, theirs, 2);
    kit_set_qlimit(port, 3); /* wakes it */
    ASSERT_OK(agent_wake(&sender, &id));
    ASSERT_CODE(MACH_SEND_TIMED_OUT, agent_send(&sender, theirs, MACH_MSG_TYPE_COPY_SEND, 9, 0));
    for (int i = 0; i < 3; i++)
        kit_expect_plain(port, i);
    kit_set_qlimit(port, 0);
    ASSERT_CODE(MACH_SEND_TIMED_OUT, agent_send(&sender, theirs, MACH_MSG_TYPE_COPY_SEND, 9, 0));
    kit_set_qlimit(port, 1024);
    for (int i = 0; i < 200; i++)
        ASSERT_OK(agent_send(&sender, theirs, MACH_MSG_TYPE_COPY_SEND, i, 0));
    for (int i = 0; i < 200; i++)
        kit_expect_plain(port, i);
    agent_end(&sender);
    kit_destroy(port);
}

TEST(S107_make_send_count)
{
    mach_port_t port = kit_receive_right();
    for (unsigned i = 1; i <= 3; i++) {
        ASSERT_OK(mach_port_insert_right(mach_task_self(), port, port, MACH_MSG_TYPE_MAKE_SEND));
        ASSERT_EQ(i, kit_status(port).mps_mscount);
    }
    ASSERT_OK(mach_port_insert_right(mach_task_self(), port, port, MACH_MSG_TYPE_COPY_SEND));
    ASSERT_EQ(3, kit_status(port).mps_mscount);
    kit_send_right(port, port, MACH_MSG_TYPE_MAKE_SEND);
    ASSERT_EQ(4, kit_status(port).mps_mscount);
    kit_deallocate(kit_take_right(port, MACH_MSG_TYPE_PORT_SEND));
    kit_deallocate(kit_send_once(port)); /* send-once rights are not counted */
    ASSERT_EQ(4, kit_status(port).mps_mscount);
    ASSERT_OK(mach_port_set_mscount(mach_task_self(), port, 0));
    ASSERT_EQ(0, kit_status(port).mps_mscount);
    ASSERT_OK(mach_port_set_mscount(mach_task_self(), port, 0xfffffffe));
    ASSERT_OK(mach_port_insert_right(mach_task_self(), port, port, MACH_MSG_TYPE_MAKE_SEND));
    ASSERT_EQ(0xffffffff, kit_status(port).mps_mscount);
    kit_destroy(port);
}

TEST(S140_setting_needs_the_receive_right)
{
    mach_port_t dead = kit_dead_name();
    mach_port_t unknown = kit_unknown_name();
    mach_port_context_t context;
    ASSERT_CODE(KERN_INVALID_NAME, mach_port_set_mscount(mach_task_self(), unknown, 1));
    ASSERT_CODE(KERN_INVALID_RIGHT, mach_port_set_mscount(mach_task_self(), dead, 1));
    ASSERT_CODE(KERN_INVALID_RIGHT, mach_port_set_mscount(mach_task_self(), MACH_PORT_NULL, 1));
    ASSERT_CODE(KERN_INVALID_NAME, mach_port_set_seqno(mach_task_self(), unknown, 1));
    ASSERT_CODE(KERN_INVALID_RIGHT, mach_port_set_seqno(mach_task_self(), dead, 1));
    ASSERT_CODE(KERN_INVALID_NAME, mach_port_set_context(mach_task_self(), unknown, 1));
    ASSERT_CODE(KERN_INVALID_RIGHT, mach_port_set_context(mach_task_self(), dead, 1));
    ASSERT_CODE(KERN_INVALID_NAME, mach_port_get_context(mach_task_self(), unknown, &context));
    ASSERT_CODE(KERN_INVALID_RIGHT, mach_port_get_context(mach_task_self(), dead, &context));
    kit_destroy(dead);
}

static mach_msg_context_trailer_t trailer_of_next(mach_port_t port)
{
    struct plain_rcv received;
    mach_msg_context_trailer_t trailer;
    memset(&received, 0xa5, sizeof(received));
    ASSERT_OK(kit_receive(&received.header, sizeof(received), port,
                          MACH_RCV_TRAILER_ELEMENTS(MACH_RCV_TRAILER_CTX), PATIENCE));
    memcpy(&trailer, (char *)&received + received.header.msgh_size, sizeof(trailer));
    ASSERT_EQ(sizeof(trailer), trailer.msgh_trailer_size);
    return trailer;
}

TEST(S86_sequence_number_is_set)
{
    mach_port_t port = kit_port();
    kit_fill_queue(port, 3);
    ASSERT_EQ(0, trailer_of_next(port).msgh_seqno);
    ASSERT_OK(mach_port_set_seqno(mach_task_self(), port, 4000000000u));
    ASSERT_EQ(4000000000u, kit_status(port).mps_seqno);
    ASSERT_EQ(4000000000u, trailer_of_next(port).msgh_seqno);
    ASSERT_EQ(4000000001u, trailer_of_next(port).msgh_seqno);
    kit_destroy(port);
}

TEST(S87_context_travels_in_the_trailer)
{
    mach_port_t port = kit_port();
    mach_port_context_t context = 1;
    ASSERT_OK(mach_port_get_context(mach_task_self(), port, &context));
    ASSERT_EQ(0, context);
    kit_fill_queue(port, 2);
    ASSERT_EQ(0, trailer_of_next(port).msgh_context);
    ASSERT_OK(mach_port_set_context(mach_task_self(), port, 0x123456789abcdef0));
    ASSERT_OK(mach_port_get_context(mach_task_self(), port, &context));
    ASSERT_EQ(0x123456789abcdef0, context);
    ASSERT_EQ(0x123456789abcdef0, trailer_of_next(port).msgh_context); /* as it is at receive */
    ASSERT_EQ(0, kit_status(port).mps_flags & MACH_PORT_STATUS_FLAG_GUARDED);
    kit_destroy(port);
}

/* The head of the queue, without receiving. The size counts the kernel's header, 8 bytes more. */
TEST(S140_peek)
{
    enum { QUIRK = 8 };
    mach_port_t port = kit_port();
    mach_port_seqno_t seqno = 0;
    mach_msg_size_t size = 1;
    mach_msg_id_t id = 1;
    mach_msg_audit_trailer_t trailer;
    mach_msg_type_number_t room = sizeof(trailer);
    const mach_msg_trailer_type_t want = MACH_RCV_TRAILER_ELEMENTS(MACH_RCV_TRAILER_AUDIT);
    ASSERT_CODE(KERN_FAILURE, mach_port_peek(mach_task_self(), port, want, &seqno, &size, &id,
                                             (mach_msg_trailer_info_t)&trailer, &room));
    kit_fill_queue(port, 3);
    kit_expect_plain(port, 0);
    for (int again = 0; again < 2; again++) {
        seqno = 0;
        room = sizeof(trailer);
        memset(&trailer, 0, sizeof(trailer));
        ASSERT_OK(mach_port_peek(mach_task_self(), port, want, &seqno, &size, &id,
                                 (mach_msg_trailer_info_t)&trailer, &room));
        ASSERT_EQ(1, seqno);
        ASSERT_EQ(sizeof(struct plain_msg) + QUIRK, size);
        ASSERT_EQ(1, id);
        ASSERT_EQ(sizeof(trailer), room);
        ASSERT_EQ(geteuid(), trailer.msgh_sender.val[0]);
        ASSERT_EQ(getegid(), trailer.msgh_sender.val[1]);
    }
    seqno = 2; /* the one that will have that number */
    room = sizeof(trailer);
    ASSERT_OK(mach_port_peek(mach_task_self(), port, want, &seqno, &size, &id,
                             (mach_msg_trailer_info_t)&trailer, &room));
    ASSERT_EQ(2, seqno);
    ASSERT_EQ(2, id);
    seqno = 3;
    room = sizeof(trailer);
    ASSERT_CODE(KERN_FAILURE, mach_port_peek(mach_task_self(), port, want, &seqno, &size, &id,
                                             (mach_msg_trailer_info_t)&trailer, &room));
    kit_expect_plain(port, 1); /* nothing was taken */
    kit_expect_plain(port, 2);
    kit_destroy(port);
}

TEST(S140_peek_refused)
{
    mach_port_t port = kit_port();
    mach_port_t dead = kit_dead_name();
    mach_port_seqno_t seqno = 0;
    mach_msg_size_t size;
    mach_msg_id_t id;
    mach_msg_max_trailer_t trailer;
    mach_msg_trailer_info_t info = (mach_msg_trailer_info_t)&trailer;
    mach_msg_type_number_t room = 51;
    kit_send_plain(port, 1);
    ASSERT_CODE(KERN_INVALID_VALUE,
                mach_port_peek(mach_task_self(), port, 3 << 24, &seqno, &size, &id, info, &room));
    room = sizeof(trailer);
    ASSERT_CODE(KERN_INVALID_VALUE,
                mach_port_peek(mach_task_self(), port, 4 << 24, &seqno, &size, &id, info, &room));
    room = sizeof(trailer);
    ASSERT_CODE(KERN_INVALID_NAME, mach_port_peek(mach_task_self(), kit_unknown_name(), 0, &seqno,
                                                  &size, &id, info, &room));
    room = sizeof(trailer);
    ASSERT_CODE(KERN_INVALID_RIGHT,
                mach_port_peek(mach_task_self(), dead, 0, &seqno, &size, &id, info, &room));
    room = sizeof(trailer);
    ASSERT_OK(mach_port_peek(mach_task_self(), port, 0, &seqno, &size, &id, info, &room));
    ASSERT_EQ(8, room);
    kit_destroy(port);
    kit_destroy(dead);
}

TEST(S104_names_lists_every_kind)
{
    mach_port_name_array_t names = NULL;
    mach_port_type_array_t types = NULL;
    mach_msg_type_number_t name_count = 0;
    mach_msg_type_number_t type_count = 0;
    mach_port_t notify = kit_receive_right();
    mach_port_t port = kit_port();
    mach_port_t members = kit_port_set();
    mach_port_t dead = kit_dead_name();
    mach_port_t once = kit_send_once(port);
    kit_first_request(port, MACH_NOTIFY_DEAD_NAME, 0, notify);
    ASSERT_OK(mach_port_names(mach_task_self(), &names, &name_count, &types, &type_count));
    ASSERT_EQ(name_count, type_count);
    unsigned found = 0;
    for (unsigned i = 0; i < name_count; i++) {
        mach_port_type_t type = 0;
        ASSERT_OK(mach_port_type(mach_task_self(), names[i], &type));
        ASSERT_EQ(type, types[i]);
        found += names[i] == notify || names[i] == port || names[i] == members ||
                 names[i] == dead || names[i] == once;
    }
    ASSERT_EQ(5, found);
    kit_free(names, name_count * sizeof(*names));
    kit_free(types, type_count * sizeof(*types));
    kit_destroy(port);
    kit_destroy(members);
    kit_destroy(dead);
    kit_destroy(once);
    kit_destroy(notify);
}

/* Extracting is receiving the right from oneself. */
TEST(S115_extract_right)
{
    mach_port_t port = kit_receive_right();
    mach_port_t right = MACH_PORT_NULL;
    mach_msg_type_name_t type = 0;
    ASSERT_OK(
        mach_port_extract_right(mach_task_self(), port, MACH_MSG_TYPE_MAKE_SEND, &right, &type));
    ASSERT_EQ(port, right);
    ASSERT_EQ(MACH_MSG_TYPE_PORT_SEND, type);
    ASSERT_EQ(1, kit_status(port).mps_mscount);
    ASSERT_OK(
        mach_port_extract_right(mach_task_self(), port, MACH_MSG_TYPE_COPY_SEND, &right, &type));
    ASSERT_EQ(port, right);
    ASSERT_EQ(2, kit_refs(port, MACH_PORT_RIGHT_SEND));
    ASSERT_EQ(1, kit_status(port).mps_mscount);
    ASSERT_OK(
        mach_port_extract_right(mach_task_self(), port, MACH_MSG_TYPE_MOVE_SEND, &right, &type));
    ASSERT_EQ(port, right);
    ASSERT_EQ(2, kit_refs(port, MACH_PORT_RIGHT_SEND));
    ASSERT_OK(mach_port_extract_right(mach_task_self(), port, MACH_MSG_TYPE_MAKE_SEND_ONCE, &right,
                                      &type));
    ASSERT_NE(port, right);
    ASSERT_EQ(MACH_MSG_TYPE_PORT_SEND_ONCE, type);
    ASSERT_EQ(MACH_PORT_TYPE_SEND_ONCE, kit_type(right));
    ASSERT_OK(kit_try_plain(right, MACH_MSG_TYPE_MOVE_SEND_ONCE, 4, 0));
    kit_expect_plain(port, 4);
    kit_destroy(port);
}

TEST(S115_extract_right_refused)
{
    mach_port_t port = kit_receive_right();
    mach_port_t right = MACH_PORT_NULL;
    mach_msg_type_name_t type = 0;
    ASSERT_CODE(
        KERN_INVALID_RIGHT,
        mach_port_extract_right(mach_task_self(), port, MACH_MSG_TYPE_COPY_SEND, &right, &type));
    ASSERT_CODE(KERN_INVALID_RIGHT,
                mach_port_extract_right(mach_task_self(), port, MACH_MSG_TYPE_MOVE_SEND_ONCE,
                                        &right, &type));
    ASSERT_CODE(KERN_INVALID_VALUE,
                mach_port_extract_right(mach_task_self(), port, 15, &right, &type));
    ASSERT_CODE(KERN_INVALID_VALUE,
                mach_port_extract_right(mach_task_self(), port, 22, &right, &type));
    ASSERT_CODE(KERN_INVALID_NAME, mach_port_extract_right(mach_task_self(), kit_unknown_name(),
                                                           MACH_MSG_TYPE_MAKE_SEND, &right, &type));
    ASSERT_CODE(KERN_INVALID_RIGHT,
                mach_port_extract_right(mach_task_self(), MACH_PORT_NULL, MACH_MSG_TYPE_MAKE_SEND,
                                        &right, &type));
    kit_destroy(port);
}
