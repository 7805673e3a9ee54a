/* Names and the inherited bootstrap port when the n-th call fails: the code says so, and afterwards
 * the same works. */
#include "nth.h"

#include <servers/bootstrap_requests.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { ID_ASK = 1, ID_END = 99 };

/* A declared service, looked up and removed. */
TEST(bootstrap_create_service_and_remove)
{
    struct nth nth = {0};
    char name[BOOTSTRAP_MAX_NAME_LEN];
    kit_service_name(name, sizeof(name));
    while (nth_next(&nth)) {
        mach_port_t port = MACH_PORT_NULL;
        mach_port_t server = MACH_PORT_NULL;
        kern_return_t result = NTH(&nth, bootstrap_create_service(bootstrap_port, name, &port));
        if (nth.failed == NULL)
            ASSERT_OK(result);
        if (result != KERN_SUCCESS) {
            ASSERT_CODE(BOOTSTRAP_NO_MEMORY, result);
            ASSERT_OK(bootstrap_create_service(bootstrap_port, name, &port));
        }
        ASSERT_OK(bootstrap_check_in(bootstrap_port, name, &server));
        ASSERT_EQ(port, server);
        kit_destroy(server);
    }
    nth = (struct nth){0};
    while (nth_next(&nth)) {
        mach_port_t port = MACH_PORT_NULL;
        ASSERT_OK(bootstrap_create_service(bootstrap_port, name, &port));
        kern_return_t result = NTH(&nth, bootstrap_register(bootstrap_port, name, MACH_PORT_NULL));
        ASSERT_OK(result);
        kit_destroy(port);
    }
}

TEST(bootstrap_create_server_port)
{
    struct nth nth = {0};
    while (nth_next(&nth)) {
        mach_port_t port = MACH_PORT_NULL;
        kern_return_t result = NTH(
            &nth, bootstrap_create_server(bootstrap_port, "/bin/false", getuid(), TRUE, &port));
        if (nth.failed == NULL)
            ASSERT_OK(result);
        if (result == KERN_SUCCESS)
            kit_deallocate(port);
        else
            ASSERT_CODE(BOOTSTRAP_NO_MEMORY, result);
    }
}

/* Answers bootstrap requests as its own bootstrap does. */
PEER(fault_bootstrap)
{
    struct kit_pair pair;
    kit_pair_join(&pair);
    for (;;) {
        struct {
            struct machool_bootstrap_request request;
            mach_msg_max_trailer_t trailer;
        } in;
        struct machool_bootstrap_reply out;
        ASSERT_OK(kit_receive(&in.request.header, sizeof(in), pair.mine, 0, PATIENCE));
        if (in.request.header.msgh_id == ID_END)
            break;
        ASSERT(machool_bootstrap_pass_on(&in.request.header, &out.header));
        (void)kit_send(&out.header, MACH_SEND_TIMEOUT, 0); /* who asked may have given up */
    }
    kit_pair_leave(&pair);
}

/* Another task's port is registered under a new name each round: a listener goes there. */
TEST(bootstrap_register_for_another_task)
{
    struct nth nth = {0};
    struct kit_pair pair;
    kit_pair_start(&pair, "fault_bootstrap", "");
    while (nth_next(&nth)) {
        char name[BOOTSTRAP_MAX_NAME_LEN];
        mach_port_t found = MACH_PORT_NULL;
        kit_service_name(name, sizeof(name));
        kern_return_t result = NTH(&nth, bootstrap_register(bootstrap_port, name, pair.theirs));
        if (nth.failed == NULL)
            ASSERT_OK(result);
        if (result != KERN_SUCCESS) {
            ASSERT_CODE(BOOTSTRAP_NO_MEMORY, result);
            ASSERT_OK(bootstrap_register(bootstrap_port, name, pair.theirs));
        }
        ASSERT_OK(bootstrap_look_up(bootstrap_port, name, &found));
        ASSERT_EQ(pair.theirs, found);
        kit_deallocate(found);
    }
    kit_send_plain(pair.theirs, ID_END);
    kit_pair_end(&pair);
}

/* A look-up that is a request to another task. */
TEST(bootstrap_look_up_by_request)
{
    struct nth nth = {0};
    struct kit_pair pair;
    char name[BOOTSTRAP_MAX_NAME_LEN];
    mach_port_t port = kit_port();
    kit_service_name(name, sizeof(name));
    ASSERT_OK(bootstrap_register(bootstrap_port, name, port));
    kit_pair_start(&pair, "fault_bootstrap", "");
    while (nth_next(&nth)) {
        mach_port_t found = MACH_PORT_NULL;
        kern_return_t result = NTH(&nth, bootstrap_look_up(pair.theirs, name, &found));
        if (nth.failed == NULL)
            ASSERT_OK(result);
        if (result != KERN_SUCCESS)
            ASSERT_OK(bootstrap_look_up(pair.theirs, name, &found));
        ASSERT_EQ(port, found);
        kit_deallocate(found);
    }
    nth = (struct nth){0};
    while (nth_next(&nth)) {
        char fresh[BOOTSTRAP_MAX_NAME_LEN];
        mach_port_t service = MACH_PORT_NULL;
        kit_service_name(fresh, sizeof(fresh));
        kern_return_t result = NTH(&nth, bootstrap_check_in(pair.theirs, fresh, &service));
        if (nth.failed == NULL)
            ASSERT_OK(result);
        if (result == KERN_SUCCESS)
            kit_destroy(service);
    }
    kit_send_plain(pair.theirs, ID_END);
    kit_pair_end(&pair);
    kit_destroy(port);
}

TEST(task_set_bootstrap_port_again)
{
    struct nth nth = {0};
    mach_port_t saved = MACH_PORT_NULL;
    mach_port_t port = kit_port();
    mach_port_t found = MACH_PORT_NULL;
    ASSERT_OK(task_get_bootstrap_port(mach_task_self(), &saved));
    while (nth_next(&nth)) {
        kern_return_t result = NTH(&nth, task_set_bootstrap_port(mach_task_self(), port));
        if (nth.failed == NULL)
            ASSERT_OK(result);
        if (result != KERN_SUCCESS)
            ASSERT_CODE(KERN_RESOURCE_SHORTAGE, result);
        ASSERT_OK(task_get_bootstrap_port(mach_task_self(), &found));
        ASSERT_EQ(result == KERN_SUCCESS ? port : saved, found);
        kit_deallocate(found);
        ASSERT_OK(task_set_bootstrap_port(mach_task_self(), saved));
    }
    kit_deallocate(saved);
    kit_destroy(port);
}

/* What a child does for the first time, its bootstrap port being its parent's: whatever fails, the
 * port is there in the end. */
TEST_FOR(first_use_of_an_inherited_port, 60)
{
    mach_port_t saved = MACH_PORT_NULL;
    mach_port_t port = kit_port();
    bool ran_through = false;
    ASSERT_OK(task_get_bootstrap_port(mach_task_self(), &saved));
    ASSERT_OK(task_set_bootstrap_port(mach_task_self(), port));
    for (unsigned round = 1; !ran_through; round++) {
        ASSERT(round < 400);
        pid_t pid = (pid_t)ASSERT_SYS(fork());
        if (pid == 0) {
            struct nth nth = {.round = round};
            mach_port_t mine = MACH_PORT_NULL;
            (void)NTH(&nth, task_get_bootstrap_port(mach_task_self(), &mine));
            ASSERT_OK(task_get_bootstrap_port(mach_task_self(), &mine));
            ASSERT_EQ(bootstrap_port, mine);
            kit_send_plain(mine, ID_ASK);
            nth_child_ends(&nth);
        }
        kit_expect_plain(port, ID_ASK);
        ran_through = nth_child_ran_through(pid);
    }
    ASSERT_OK(task_set_bootstrap_port(mach_task_self(), saved));
    kit_deallocate(saved);
    kit_destroy(port);
}
