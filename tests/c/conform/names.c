/* Names of the caller's choice, names that change, and the space as a whole. Section 5: S104, S105,
 * S108, S113, S132. */
#include "harness/port_kit.h"

#include <string.h>

static const mach_port_t chosen = 0x70003; /* an index far from those in use, and a generation */

static kern_return_t rename_to(mach_port_t old, mach_port_t name)
{
    return mach_port_rename(mach_task_self(), old, name);
}

TEST(S104_allocated_under_a_chosen_name)
{
    static const mach_port_right_t rights[] = {MACH_PORT_RIGHT_RECEIVE, MACH_PORT_RIGHT_PORT_SET,
                                               MACH_PORT_RIGHT_DEAD_NAME};
    for (int i = 0; i < 3; i++) {
        ASSERT_OK(mach_port_allocate_name(mach_task_self(), rights[i], chosen));
        ASSERT_EQ(MACH_PORT_TYPE(rights[i]), kit_type(chosen));
        ASSERT_CODE(KERN_NAME_EXISTS, mach_port_allocate_name(mach_task_self(), rights[i], chosen));
        /* The same place with another generation is taken too. */
        ASSERT_CODE(KERN_FAILURE, mach_port_allocate_name(mach_task_self(), rights[i], chosen + 4));
        kit_destroy(chosen);
    }
}

TEST(S104_allocated_by_one_call_with_or_without_a_name)
{
    const mach_port_t self = mach_task_self();
    mach_port_qos_t qos = {.name = 1};
    mach_port_t name = chosen;
    ASSERT_OK(mach_port_allocate_full(self, MACH_PORT_RIGHT_RECEIVE, MACH_PORT_NULL, &qos, &name));
    ASSERT_EQ(chosen, name);
    ASSERT_EQ(MACH_PORT_TYPE_RECEIVE, kit_type(chosen));
    ASSERT_CODE(KERN_NAME_EXISTS, mach_port_allocate_full(self, MACH_PORT_RIGHT_PORT_SET,
                                                          MACH_PORT_NULL, &qos, &name));
    ASSERT_CODE(KERN_INVALID_ARGUMENT,
                mach_port_allocate_qos(self, MACH_PORT_RIGHT_PORT_SET, &qos, &name));
    qos.name = 0;
    ASSERT_CODE(KERN_INVALID_VALUE,
                mach_port_allocate_full(self, MACH_PORT_RIGHT_RECEIVE, chosen, &qos, &name));
    kit_destroy(chosen);
    ASSERT_OK(mach_port_allocate_full(self, MACH_PORT_RIGHT_PORT_SET, MACH_PORT_NULL, &qos, &name));
    ASSERT_EQ(MACH_PORT_TYPE_PORT_SET, kit_type(name));
    kit_destroy(name);
    ASSERT_OK(mach_port_allocate_qos(self, MACH_PORT_RIGHT_RECEIVE, &qos, &name));
    ASSERT_EQ(MACH_PORT_TYPE_RECEIVE, kit_type(name));
    kit_destroy(name);
    ASSERT_CODE(KERN_INVALID_VALUE,
                mach_port_allocate_qos(self, MACH_PORT_RIGHT_SEND, &qos, &name));
}

TEST(S104_names_that_cannot_be)
{
    const mach_port_t self = mach_task_self();
    const mach_port_right_t dead = MACH_PORT_RIGHT_DEAD_NAME;
    ASSERT_CODE(KERN_INVALID_VALUE, mach_port_allocate_name(self, dead, MACH_PORT_NULL));
    ASSERT_CODE(KERN_INVALID_VALUE, mach_port_allocate_name(self, dead, MACH_PORT_DEAD));
    ASSERT_CODE(KERN_FAILURE, mach_port_allocate_name(self, dead, 123));
    ASSERT_CODE(KERN_INVALID_VALUE, mach_port_allocate_name(self, dead, 122));
    ASSERT_CODE(KERN_INVALID_VALUE, mach_port_allocate_name(self, dead, chosen + 1));
    ASSERT_CODE(KERN_NO_SPACE, mach_port_allocate_name(self, dead, 0xfffffe03));
    ASSERT_CODE(KERN_INVALID_VALUE, mach_port_allocate_name(self, MACH_PORT_RIGHT_SEND, chosen));
}

TEST(S108_insert_right_under_a_chosen_name)
{
    struct agent owner;
    const mach_port_t self = mach_task_self();
    mach_port_t port = kit_receive_right();
    agent_start(&owner);
    mach_port_t send = agent_get(&owner, agent_allocate(&owner), MACH_MSG_TYPE_MAKE_SEND);
    ASSERT_CODE(KERN_RIGHT_EXISTS,
                mach_port_insert_right(self, chosen, send, MACH_MSG_TYPE_COPY_SEND));
    ASSERT_CODE(KERN_NAME_EXISTS,
                mach_port_insert_right(self, port, send, MACH_MSG_TYPE_COPY_SEND));
    ASSERT_CODE(KERN_FAILURE, mach_port_insert_right(self, 123, send, MACH_MSG_TYPE_COPY_SEND));
    ASSERT_CODE(KERN_INVALID_VALUE,
                mach_port_insert_right(self, 122, send, MACH_MSG_TYPE_COPY_SEND));
    ASSERT_EQ(1, kit_refs(send, MACH_PORT_RIGHT_SEND));
    ASSERT_OK(mach_port_insert_right(self, chosen, port, MACH_MSG_TYPE_MAKE_SEND_ONCE));
    ASSERT_EQ(MACH_PORT_TYPE_SEND_ONCE, kit_type(chosen));
    ASSERT_OK(kit_try_plain(chosen, MACH_MSG_TYPE_MOVE_SEND_ONCE, 3, 0));
    kit_expect_plain(port, 3);
    agent_end(&owner);
    kit_destroy(send);
    kit_destroy(port);
}

TEST(S105_renamed_port_is_the_same)
{
    mach_port_t port = kit_port();
    mach_port_t set = kit_port_set();
    struct plain_rcv received;
    kit_fill_queue(port, 2);
    ASSERT_OK(mach_port_insert_member(mach_task_self(), port, set));
    ASSERT_OK(rename_to(port, chosen));
    ASSERT(kit_is_gone(port));
    ASSERT_EQ(MACH_PORT_TYPE_SEND_RECEIVE, kit_type(chosen));
    kit_expect_plain(chosen, 0);
    ASSERT_OK(kit_receive(&received.header, sizeof(received), set, 0, 0));
    ASSERT_EQ(chosen, received.header.msgh_local_port); /* S100 */
    kit_send_right(chosen, chosen, MACH_MSG_TYPE_COPY_SEND);
    ASSERT_EQ(chosen, kit_take_right(chosen, MACH_MSG_TYPE_PORT_SEND));
    ASSERT_EQ(2, kit_refs(chosen, MACH_PORT_RIGHT_SEND));
    kit_destroy(chosen);
    kit_destroy(set);
}

TEST(S105_renamed_right_of_another_task)
{
    struct agent owner;
    agent_start(&owner);
    mach_port_t theirs = agent_allocate(&owner);
    mach_port_t port = agent_get(&owner, theirs, MACH_MSG_TYPE_MAKE_SEND);
    ASSERT_OK(rename_to(port, chosen));
    ASSERT_EQ(chosen, agent_get(&owner, theirs, MACH_MSG_TYPE_MAKE_SEND));
    ASSERT_EQ(2, kit_refs(chosen, MACH_PORT_RIGHT_SEND));
    agent_destroy(&owner, theirs);
    kit_wait_dead(chosen);
    kit_destroy(chosen);
    agent_end(&owner);
}

TEST(S132_requests_are_about_the_new_name)
{
    mach_port_t notify = kit_receive_right();
    mach_port_t port = kit_port();
    kit_first_request(port, MACH_NOTIFY_DEAD_NAME, 0, notify);
    ASSERT_OK(rename_to(port, chosen));
    ASSERT_EQ(MACH_PORT_TYPE_SEND_RECEIVE | MACH_PORT_TYPE_DNREQUEST,
              kit_type_and_requests(chosen));
    ASSERT_OK(mach_port_mod_refs(mach_task_self(), chosen, MACH_PORT_RIGHT_RECEIVE, -1));
    ASSERT_EQ(chosen, kit_expect_notification(notify, MACH_NOTIFY_DEAD_NAME));
    ASSERT_EQ(2, kit_refs(chosen, MACH_PORT_RIGHT_DEAD_NAME));
    kit_destroy(chosen);
    kit_destroy(notify);
}

TEST(S105_rename_refused)
{
    mach_port_t port = kit_port();
    mach_port_t other = kit_port();
    ASSERT_CODE(KERN_NAME_EXISTS, rename_to(port, other));
    ASSERT_CODE(KERN_NAME_EXISTS, rename_to(port, port));
    ASSERT_CODE(KERN_INVALID_NAME, rename_to(kit_unknown_name(), chosen));
    ASSERT_CODE(KERN_INVALID_NAME, rename_to(MACH_PORT_NULL, chosen));
    ASSERT_CODE(KERN_INVALID_VALUE, rename_to(port, MACH_PORT_NULL));
    ASSERT_CODE(KERN_INVALID_VALUE, rename_to(port, MACH_PORT_DEAD));
    ASSERT(kit_is_gone(chosen));
    kit_destroy(port);
    kit_destroy(other);
}

TEST(S113_space_in_detail)
{
    ipc_info_space_t space;
    ipc_info_space_basic_t basic;
    ipc_info_name_array_t table = NULL;
    ipc_info_tree_name_array_t tree = NULL;
    mach_msg_type_number_t count = 0;
    mach_msg_type_number_t tree_count = 7;
    mach_port_t notify = kit_receive_right();
    mach_port_t port = kit_port();
    mach_port_t dead = kit_dead_name();
    unsigned found = 0;
    ASSERT_OK(mach_port_insert_right(mach_task_self(), port, port, MACH_MSG_TYPE_MAKE_SEND));
    kit_first_request(port, MACH_NOTIFY_DEAD_NAME, 0, notify);
    ASSERT_OK(mach_port_space_info(mach_task_self(), &space, &table, &count, &tree, &tree_count));
    ASSERT_EQ(0, tree_count);
    for (unsigned i = 0; i < count; i++) {
        if (table[i].iin_name == port) {
            ASSERT_EQ(MACH_PORT_TYPE_SEND_RECEIVE | MACH_PORT_TYPE_DNREQUEST, table[i].iin_type);
            ASSERT_EQ(2, table[i].iin_urefs);
            found++;
        } else if (table[i].iin_name == dead) {
            ASSERT_EQ(MACH_PORT_TYPE_DEAD_NAME, table[i].iin_type);
            ASSERT_EQ(1, table[i].iin_urefs);
            found++;
        }
    }
    ASSERT_EQ(2, found);
    kit_free(table, count * sizeof(*table));
    ASSERT_OK(mach_port_space_basic_info(mach_task_self(), &basic));
    ASSERT(basic.iisb_table_inuse >= 3);
    ASSERT(basic.iisb_table_size >= basic.iisb_table_inuse);
    kit_destroy(port);
    kit_destroy(dead);
    kit_destroy(notify);
}

TEST(S113_what_is_behind_a_name)
{
    ipc_info_object_type_t type = 99;
    mach_vm_address_t address = 99;
    mach_port_t port = kit_port();
    mach_port_t dead = kit_dead_name();
    ASSERT_OK(mach_port_kobject(mach_task_self(), port, &type, &address));
    ASSERT_EQ(0, type);
    ASSERT_EQ(0, address);
    ASSERT_OK(mach_port_kobject(mach_task_self(), mach_task_self(), &type, &address));
    ASSERT_EQ(IPC_OTYPE_TASK_CONTROL, type);
    ASSERT_CODE(KERN_INVALID_RIGHT, mach_port_kobject(mach_task_self(), dead, &type, &address));
    ASSERT_CODE(KERN_INVALID_NAME,
                mach_port_kobject(mach_task_self(), kit_unknown_name(), &type, &address));
    kit_destroy(port);
    kit_destroy(dead);
}

TEST(S132_how_many_requests)
{
    unsigned total = 99;
    unsigned used = 99;
    mach_port_t notify = kit_receive_right();
    mach_port_t port = kit_port();
    ASSERT_OK(mach_port_dnrequest_info(mach_task_self(), port, &total, &used));
    ASSERT_EQ(0, used);
    kit_first_request(port, MACH_NOTIFY_DEAD_NAME, 0, notify);
    ASSERT_OK(mach_port_dnrequest_info(mach_task_self(), port, &total, &used));
    ASSERT_EQ(1, used);
    ASSERT(total >= 1);
    kit_destroy(port);
    ASSERT_EQ(port, kit_expect_notification(notify, MACH_NOTIFY_PORT_DELETED));
    kit_destroy(notify);
}
