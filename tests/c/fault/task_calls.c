/* Failures in what is asked about the task, its threads and the machine. */
#include "nth.h"

#include <mach/mig.h>

/* In a thread of its own, which the layer does not know yet. */
static void *name_thread(void *argument)
{
    struct nth *nth = argument;
    mach_port_t self = NTH(nth, mach_thread_self());
    if (nth->failed == NULL)
        ASSERT_NE(MACH_PORT_NULL, self);
    mach_port_t again = mach_thread_self();
    ASSERT_NE(MACH_PORT_NULL, again);
    ASSERT_EQ(self == again ? 2 : 1, kit_refs(again, MACH_PORT_RIGHT_SEND));
    ASSERT_OK(mach_port_destroy(mach_task_self(), again));
    return NULL;
}

TEST(thread_self)
{
    struct nth nth = {0};
    GATE_FAULTS();
    while (nth_next(&nth))
        kit_join(kit_thread(name_thread, &nth));
}

static void *get_reply_port(void *argument)
{
    struct nth *nth = argument;
    mach_port_t port = NTH(nth, mig_get_reply_port());
    if (nth->failed == NULL)
        ASSERT_NE(MACH_PORT_NULL, port);
    if (port == MACH_PORT_NULL)
        ASSERT_NE(MACH_PORT_NULL, mig_get_reply_port());
    mig_dealloc_reply_port(port);
    return NULL;
}

TEST(mig_reply_port)
{
    struct nth nth = {0};
    GATE_FAULTS();
    while (nth_next(&nth))
        kit_join(kit_thread(get_reply_port, &nth));
}

/* A thread keeps its name when the system cannot be asked about it. */
TEST(threads_listed)
{
    struct nth nth = {0};
    GATE_FAULTS();
    mach_port_t self = mach_thread_self();
    while (nth_next(&nth)) {
        thread_act_array_t list = NULL;
        mach_msg_type_number_t count = 0;
        kern_return_t result = NTH(&nth, task_threads(mach_task_self(), &list, &count));
        if (nth.failed == NULL)
            ASSERT_OK(result);
        ASSERT_EQ(MACH_PORT_TYPE_SEND, kit_type(self));
        if (result == KERN_SUCCESS) {
            for (mach_msg_type_number_t i = 0; i < count; i++)
                kit_deallocate(list[i]);
            kit_free(list, count * sizeof(*list));
        } else {
            ASSERT_CODE(KERN_RESOURCE_SHORTAGE, result);
        }
    }
    kit_deallocate(self);
}

TEST(thread_described)
{
    struct nth nth = {0};
    GATE_FAULTS();
    mach_port_t self = mach_thread_self();
    while (nth_next(&nth)) {
        struct thread_basic_info info;
        mach_msg_type_number_t count = THREAD_BASIC_INFO_COUNT;
        kern_return_t result = NTH(
            &nth, thread_info(self, THREAD_BASIC_INFO, (thread_info_t)&info, &count));
        if (nth.failed == NULL)
            ASSERT_OK(result);
        else if (result != KERN_SUCCESS)
            ASSERT_CODE(KERN_RESOURCE_SHORTAGE, result);
        ASSERT_EQ(MACH_PORT_TYPE_SEND, kit_type(self));
    }
    kit_deallocate(self);
}

static void task_info_of(task_flavor_t flavor)
{
    struct nth nth = {0};
    while (nth_next(&nth)) {
        integer_t info[TASK_INFO_MAX];
        mach_msg_type_number_t count = TASK_INFO_MAX;
        kern_return_t result = NTH(&nth, task_info(mach_task_self(), flavor, info, &count));
        if (nth.failed == NULL)
            ASSERT_OK(result);
        else if (result != KERN_SUCCESS)
            ASSERT_CODE(KERN_FAILURE, result);
    }
}

TEST(task_described)
{
    GATE_FAULTS();
    task_info_of(MACH_TASK_BASIC_INFO);
    task_info_of(TASK_VM_INFO);
    task_info_of(TASK_ABSOLUTETIME_INFO);
}

TEST(ports_registered)
{
    struct nth nth = {0};
    mach_port_t none[1] = {MACH_PORT_NULL};
    GATE_FAULTS();
    while (nth_next(&nth)) {
        mach_port_t port = kit_port();
        mach_port_array_t found = NULL;
        mach_msg_type_number_t count = 0;
        ASSERT_OK(mach_ports_register(mach_task_self(), &port, 1));
        kern_return_t result = NTH(&nth, mach_ports_lookup(mach_task_self(), &found, &count));
        if (nth.failed == NULL)
            ASSERT_OK(result);
        if (result == KERN_SUCCESS)
            kit_free(found, count * sizeof(*found));
        else
            ASSERT_CODE(KERN_RESOURCE_SHORTAGE, result);
        ASSERT_OK(mach_ports_register(mach_task_self(), none, 1));
        kit_destroy(port);
    }
}

static boolean_t silent(mach_msg_header_t *request, mach_msg_header_t *reply)
{
    (void)request, (void)reply;
    return FALSE;
}

TEST(server_once)
{
    struct nth nth = {0};
    GATE_FAULTS();
    while (nth_next(&nth)) {
        mach_port_t port = kit_port();
        kit_send_plain(port, 1);
        mach_msg_return_t result = NTH(
            &nth, mach_msg_server_once(silent, sizeof(struct plain_rcv), port, 0));
        if (nth.failed == NULL)
            ASSERT_OK(result);
        if (result == KERN_NO_SPACE)
            kit_expect_plain(port, 1); /* it waits still */
        else
            ASSERT_OK(result);
        kit_destroy(port);
    }
}
