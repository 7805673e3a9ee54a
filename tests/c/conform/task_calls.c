/* What a program asks about its task, its threads and the machine. Sections 0 to 8 have no facts of
 * these calls: they stand beside IPC, and programs lean on no more than is asserted here. */
#include "harness/mach_kit.h"

#include <mach/mach_time.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static struct mach_task_basic_info basic_info(void)
{
    struct mach_task_basic_info info;
    mach_msg_type_number_t count = MACH_TASK_BASIC_INFO_COUNT;
    memset(&info, 0xff, sizeof info);
    ASSERT_OK(task_info(mach_task_self(), MACH_TASK_BASIC_INFO, (task_info_t)&info, &count));
    ASSERT_EQ(MACH_TASK_BASIC_INFO_COUNT, count);
    return info;
}

TEST(task_info_follows_the_memory_that_is_touched)
{
    const size_t size = 32 << 20;
    struct mach_task_basic_info before = basic_info();
    char *memory = kit_allocate(size);
    memset(memory, 1, size);
    struct mach_task_basic_info after = basic_info();
    ASSERT(after.virtual_size >= before.virtual_size + size);
    ASSERT(after.resident_size >= before.resident_size + size / 2);
    ASSERT(after.resident_size_max >= after.resident_size / 2);
    ASSERT_EQ(0, after.suspend_count);
    ASSERT_EQ(POLICY_TIMESHARE, after.policy);
    kit_free(memory, size);
}

TEST(task_info_of_every_basic_flavour_agrees)
{
    struct task_basic_info old;
    struct task_vm_info vm;
    mach_msg_type_number_t count = TASK_BASIC_INFO_COUNT;
    ASSERT_OK(task_info(mach_task_self(), TASK_BASIC_INFO, (task_info_t)&old, &count));
    ASSERT_EQ(TASK_BASIC_INFO_COUNT, count);
    count = TASK_VM_INFO_COUNT;
    ASSERT_OK(task_info(mach_task_self(), TASK_VM_INFO, (task_info_t)&vm, &count));
    ASSERT(old.resident_size > 0 && old.virtual_size >= old.resident_size);
    ASSERT_EQ(vm_page_size, vm.page_size);
    ASSERT(vm.region_count > 1 && vm.max_address > vm.min_address && vm.phys_footprint > 0);
    ASSERT((uintptr_t)&vm > vm.min_address && (uintptr_t)&vm < vm.max_address);
    count = TASK_VM_INFO_REV0_COUNT; /* as the oldest programs ask */
    ASSERT_OK(task_info(mach_task_self(), TASK_VM_INFO, (task_info_t)&vm, &count));
    ASSERT_EQ(TASK_VM_INFO_REV0_COUNT, count);
}

TEST(task_info_refuses_what_it_cannot_answer)
{
    struct task_basic_info info;
    mach_msg_type_number_t count = TASK_BASIC_INFO_COUNT - 1;
    ASSERT_CODE(KERN_INVALID_ARGUMENT,
                task_info(mach_task_self(), TASK_BASIC_INFO, (task_info_t)&info, &count));
    count = TASK_BASIC_INFO_COUNT;
    ASSERT_CODE(KERN_INVALID_ARGUMENT,
                task_info(mach_task_self(), 0x7777, (task_info_t)&info, &count));
    ASSERT_CODE(MACH_SEND_INVALID_DEST,
                task_info(MACH_PORT_NULL, TASK_BASIC_INFO, (task_info_t)&info, &count));
}

static uint64_t microseconds(time_value_t time)
{
    return (uint64_t)time.seconds * 1000000 + (uint64_t)time.microseconds;
}

TEST(task_thread_times_grow_with_work)
{
    struct task_thread_times_info times;
    volatile unsigned work = 0;
    for (;;) { /* until the clock of the kernel has noticed */
        mach_msg_type_number_t count = TASK_THREAD_TIMES_INFO_COUNT;
        ASSERT_OK(task_info(mach_task_self(), TASK_THREAD_TIMES_INFO, (task_info_t)&times, &count));
        ASSERT(times.user_time.microseconds < TIME_MICROS_MAX);
        if (microseconds(times.user_time) + microseconds(times.system_time) >= 20000)
            return;
        for (unsigned i = 0; i < 1000000; i++)
            work += i;
    }
}

TEST(task_info_tells_who_the_task_is)
{
    audit_token_t audit;
    security_token_t security;
    mach_msg_type_number_t count = TASK_AUDIT_TOKEN_COUNT;
    ASSERT_OK(task_info(mach_task_self(), TASK_AUDIT_TOKEN, (task_info_t)&audit, &count));
    ASSERT_EQ(8, count);
    ASSERT_EQ(geteuid(), audit.val[1]);
    ASSERT_EQ(getegid(), audit.val[2]);
    ASSERT_EQ(getpid(), audit.val[5]);
    count = TASK_SECURITY_TOKEN_COUNT;
    ASSERT_OK(task_info(mach_task_self(), TASK_SECURITY_TOKEN, (task_info_t)&security, &count));
    ASSERT_EQ(2, count);
    ASSERT_EQ(geteuid(), security.val[0]);
    ASSERT_EQ(getegid(), security.val[1]);
}

TEST(task_counts_its_messages)
{
    struct task_events_info before, after;
    mach_msg_type_number_t count = TASK_EVENTS_INFO_COUNT;
    mach_port_t port = kit_port();
    ASSERT_OK(task_info(mach_task_self(), TASK_EVENTS_INFO, (task_info_t)&before, &count));
    for (int i = 0; i < 10; i++) {
        kit_send_plain(port, i);
        kit_expect_plain(port, i);
    }
    ASSERT_OK(task_info(mach_task_self(), TASK_EVENTS_INFO, (task_info_t)&after, &count));
    ASSERT(after.messages_sent - before.messages_sent >= 10);
    ASSERT(after.messages_received - before.messages_received >= 10);
    kit_destroy(port);
}

TEST(thread_self_adds_a_reference_at_each_call)
{
    mach_port_t self = mach_thread_self();
    unsigned refs = kit_refs(self, MACH_PORT_RIGHT_SEND);
    ASSERT_EQ(self, mach_thread_self());
    ASSERT_EQ(refs + 1, kit_refs(self, MACH_PORT_RIGHT_SEND));
    ASSERT_EQ(MACH_PORT_TYPE_SEND, kit_type(self));
    kit_deallocate(self);
    ASSERT_EQ(refs, kit_refs(self, MACH_PORT_RIGHT_SEND));
    kit_deallocate(self);
}

static void *give_its_name(void *ret_name)
{
    *(mach_port_t *)ret_name = mach_thread_self();
    return NULL;
}

TEST(thread_that_has_ended_leaves_a_dead_name)
{
    mach_port_t self = mach_thread_self(), other = MACH_PORT_NULL;
    struct thread_basic_info info;
    mach_msg_type_number_t count = THREAD_BASIC_INFO_COUNT;
    kit_join(kit_thread(give_its_name, &other));
    ASSERT_NE(self, other);
    kit_wait_dead(other); /* the thread is joined a little before it is gone */
    ASSERT_EQ(1, kit_refs(other, MACH_PORT_RIGHT_DEAD_NAME));
    ASSERT_CODE(MACH_SEND_INVALID_DEST,
                thread_info(other, THREAD_BASIC_INFO, (thread_info_t)&info, &count));
    kit_deallocate(other);
    kit_deallocate(self);
}

TEST(thread_info_describes_the_caller)
{
    mach_port_t self = mach_thread_self();
    struct thread_basic_info basic;
    struct thread_identifier_info identifier;
    mach_msg_type_number_t count = THREAD_BASIC_INFO_COUNT;
    ASSERT_OK(thread_info(self, THREAD_BASIC_INFO, (thread_info_t)&basic, &count));
    ASSERT_EQ(THREAD_BASIC_INFO_COUNT, count);
    ASSERT_EQ(TH_STATE_RUNNING, basic.run_state);
    ASSERT_EQ(0, basic.suspend_count);
    ASSERT(basic.cpu_usage >= 0 && basic.cpu_usage <= TH_USAGE_SCALE);
    count = THREAD_IDENTIFIER_INFO_COUNT;
    ASSERT_OK(thread_info(self, THREAD_IDENTIFIER_INFO, (thread_info_t)&identifier, &count));
    ASSERT_NE(0, identifier.thread_id);
    count = THREAD_BASIC_INFO_COUNT - 1;
    ASSERT_CODE(KERN_INVALID_ARGUMENT,
                thread_info(self, THREAD_BASIC_INFO, (thread_info_t)&basic, &count));
    kit_deallocate(self);
}

TEST(thread_policy_accepts_the_ordinary_and_checks_the_rest)
{
    mach_port_t self = mach_thread_self();
    struct thread_extended_policy ordinary = {.timeshare = TRUE};
    struct thread_precedence_policy as_it_is = {.importance = 0};
    struct thread_time_constraint_policy wrong = {1000000, 500000, 400000, FALSE};
    ASSERT_OK(thread_policy_set(self, THREAD_EXTENDED_POLICY, (thread_policy_t)&ordinary,
                                THREAD_EXTENDED_POLICY_COUNT));
    ASSERT_OK(thread_policy_set(self, THREAD_STANDARD_POLICY, (thread_policy_t)&ordinary,
                                THREAD_STANDARD_POLICY_COUNT));
    ASSERT_OK(thread_policy_set(self, THREAD_PRECEDENCE_POLICY, (thread_policy_t)&as_it_is,
                                THREAD_PRECEDENCE_POLICY_COUNT));
    ASSERT_CODE(KERN_INVALID_ARGUMENT,
                thread_policy_set(self, THREAD_TIME_CONSTRAINT_POLICY, (thread_policy_t)&wrong,
                                  THREAD_TIME_CONSTRAINT_POLICY_COUNT));
    ASSERT_CODE(KERN_INVALID_ARGUMENT,
                thread_policy_set(self, THREAD_TIME_CONSTRAINT_POLICY, (thread_policy_t)&wrong,
                                  THREAD_TIME_CONSTRAINT_POLICY_COUNT - 1));
    kit_deallocate(self);
}

struct waiting_thread {
    struct kit_event named, done;
    mach_port_t name;
};

static void *name_itself_and_wait(void *argument)
{
    struct waiting_thread *thread = argument;
    thread->name = mach_thread_self();
    kit_event_post(&thread->named);
    kit_event_wait(&thread->done, 1);
    return NULL;
}

TEST(task_threads_lists_the_living_by_their_names)
{
    struct waiting_thread thread = {KIT_EVENT_INIT, KIT_EVENT_INIT, MACH_PORT_NULL};
    pthread_t other = kit_thread(name_itself_and_wait, &thread);
    mach_port_t self = mach_thread_self();
    thread_act_array_t list = NULL;
    mach_msg_type_number_t count = 0;
    bool has_self = false, has_other = false;
    kit_event_wait(&thread.named, 1);
    ASSERT_OK(task_threads(mach_task_self(), &list, &count));
    for (mach_msg_type_number_t i = 0; i < count; i++) {
        has_self |= list[i] == self;
        has_other |= list[i] == thread.name;
        kit_deallocate(list[i]);
    }
    ASSERT(has_self && has_other && count >= 2);
    ASSERT_EQ(1, kit_refs(thread.name, MACH_PORT_RIGHT_SEND));
    kit_free(list, count * sizeof *list);
    kit_event_post(&thread.done);
    kit_join(other);
    kit_deallocate(thread.name);
    kit_deallocate(self);
}

TEST(registered_ports_are_found_again)
{
    mach_port_t first = kit_port(), second = kit_port();
    mach_port_t given[3] = {first, MACH_PORT_NULL, second};
    mach_port_array_t found = NULL;
    mach_msg_type_number_t count = 0;
    mach_port_t receive = kit_receive_right();
    ASSERT_OK(mach_ports_register(mach_task_self(), given, 3));
    ASSERT_EQ(1, kit_refs(first, MACH_PORT_RIGHT_SEND)); /* the caller's, as before */
    ASSERT_CODE(MACH_SEND_INVALID_RIGHT, mach_ports_register(mach_task_self(), &receive, 1));
    ASSERT_OK(mach_ports_lookup(mach_task_self(), &found, &count));
    ASSERT_EQ(3, count);
    ASSERT_MEM(given, found, sizeof given);
    ASSERT_EQ(2, kit_refs(first, MACH_PORT_RIGHT_SEND));
    ASSERT_EQ(2, kit_refs(second, MACH_PORT_RIGHT_SEND));
    kit_free(found, sizeof given);
    given[0] = given[2] = MACH_PORT_NULL;
    ASSERT_OK(mach_ports_register(mach_task_self(), given, 3));
    ASSERT_CODE(KERN_INVALID_ARGUMENT, mach_ports_register(mach_task_self(), given, 4));
    ASSERT_OK(mach_ports_lookup(mach_task_self(), &found, &count));
    ASSERT_EQ(MACH_PORT_NULL, found[0]);
    kit_free(found, sizeof given);
    kit_destroy(first);
    kit_destroy(second);
    kit_destroy(receive);
}

TEST(registered_right_keeps_senders_alive)
{
    mach_port_t port = kit_port(), none[1] = {MACH_PORT_NULL};
    ASSERT_OK(mach_ports_register(mach_task_self(), &port, 1));
    ASSERT_OK(mach_port_mod_refs(mach_task_self(), port, MACH_PORT_RIGHT_SEND, -1));
    ASSERT_EQ(TRUE, kit_status(port).mps_srights);
    ASSERT_OK(mach_ports_register(mach_task_self(), none, 1));
    ASSERT_EQ(FALSE, kit_status(port).mps_srights);
    kit_destroy(port);
}

TEST(guard_behaviour_is_kept)
{
    task_exc_guard_behavior_t before, now;
    ASSERT_OK(task_get_exc_guard_behavior(mach_task_self(), &before));
    GATE_DARWIN("the kernel lets no ordinary program change it");
    ASSERT_OK(task_set_exc_guard_behavior(mach_task_self(), TASK_EXC_GUARD_MP_DELIVER));
    ASSERT_OK(task_get_exc_guard_behavior(mach_task_self(), &now));
    ASSERT_EQ(TASK_EXC_GUARD_MP_DELIVER, now);
    ASSERT_CODE(KERN_INVALID_ARGUMENT, task_set_exc_guard_behavior(mach_task_self(), 0x100));
    ASSERT_OK(task_set_exc_guard_behavior(mach_task_self(), before));
}

TEST(task_terminate_ends_the_process)
{
    int status = 0;
    pid_t pid = (pid_t)ASSERT_SYS(fork());
    if (pid == 0) {
        (void)task_terminate(mach_task_self());
        _exit(3);
    }
    ASSERT_EQ(pid, waitpid(pid, &status, 0));
    ASSERT(WIFSIGNALED(status));
    ASSERT_EQ(SIGKILL, WTERMSIG(status));
}

TEST(child_has_a_name_of_its_own_for_its_thread)
{
    mach_port_t self = mach_thread_self();
    pid_t pid = (pid_t)ASSERT_SYS(fork());
    if (pid == 0) {
        mach_port_t mine = mach_thread_self();
        ASSERT_EQ(1, kit_refs(mine, MACH_PORT_RIGHT_SEND));
        kit_deallocate(mine);
        _exit(0);
    }
    kit_wait_child(pid);
    kit_deallocate(self);
}

TEST(host_info_describes_the_machine)
{
    host_basic_info_data_t info;
    mach_msg_type_number_t count = HOST_BASIC_INFO_COUNT;
    mach_port_t host = mach_host_self();
    ASSERT_OK(host_info(host, HOST_BASIC_INFO, (host_info_t)&info, &count));
    ASSERT_EQ(HOST_BASIC_INFO_COUNT, count);
    ASSERT_EQ(sysconf(_SC_NPROCESSORS_ONLN), info.avail_cpus);
    ASSERT(info.max_cpus >= info.avail_cpus && info.physical_cpu >= 1);
    ASSERT(info.physical_cpu <= info.logical_cpu && info.logical_cpu <= info.logical_cpu_max);
    ASSERT(info.max_mem >= info.memory_size && info.memory_size > 0);
#ifdef __aarch64__
    ASSERT_EQ(CPU_TYPE_ARM64, info.cpu_type);
#else
    ASSERT_EQ(CPU_TYPE_X86, info.cpu_type);
#endif
    count = 4;
    ASSERT_CODE(KERN_FAILURE, host_info(host, HOST_BASIC_INFO, (host_info_t)&info, &count));
    count = HOST_BASIC_INFO_COUNT;
    ASSERT_CODE(KERN_INVALID_ARGUMENT, host_info(host, 0x7777, (host_info_t)&info, &count));
    ASSERT_CODE(MACH_SEND_INVALID_DEST,
                host_info(MACH_PORT_NULL, HOST_BASIC_INFO, (host_info_t)&info, &count));
    kit_deallocate(host);
}

TEST(host_tells_page_size_and_kernel)
{
    vm_size_t size = 0;
    kernel_version_t version = "";
    mach_port_t host = mach_host_self();
    ASSERT_OK(host_page_size(host, &size));
    ASSERT_EQ(vm_page_size, size);
    ASSERT_OK(host_kernel_version(host, version));
    ASSERT(strlen(version) > 5);
    kit_deallocate(host);
}

TEST(host_self_survives_as_many_deallocations_as_calls)
{
    for (int i = 0; i < 3; i++)
        kit_deallocate(mach_host_self());
    ASSERT_EQ(MACH_PORT_TYPE_SEND, kit_type(mach_host_self()));
    kit_deallocate(mach_host_self());
    ASSERT_OK(mach_port_deallocate(mach_task_self(), mach_host_self()));
}

static uint64_t nanoseconds(uint64_t ticks)
{
    mach_timebase_info_data_t base;
    ASSERT_OK(mach_timebase_info(&base));
    return ticks * base.numer / base.denom;
}

TEST(clocks_go_forward_and_waits_last)
{
    mach_timebase_info_data_t base;
    uint64_t start = mach_absolute_time(), continuous = mach_continuous_time();
    ASSERT_OK(mach_timebase_info(&base));
    ASSERT_OK(mach_wait_until(start + (uint64_t)20000000 * base.denom / base.numer));
    ASSERT(nanoseconds(mach_absolute_time() - start) >= 20000000);
    ASSERT(nanoseconds(mach_continuous_time() - continuous) >= 19000000);
    ASSERT(nanoseconds(mach_absolute_time()) + 1000000 >= nanoseconds(mach_approximate_time()));
    ASSERT_OK(mach_wait_until(start)); /* long past */
}

TEST(thread_switch_gives_way)
{
    ASSERT_OK(thread_switch(MACH_PORT_NULL, SWITCH_OPTION_NONE, 0));
    ASSERT_OK(thread_switch(MACH_PORT_NULL, SWITCH_OPTION_WAIT, 1));
    ASSERT_CODE(KERN_INVALID_ARGUMENT, thread_switch(MACH_PORT_NULL, 77, 0));
}

static void *get_reply_port(void *ret_name)
{
    mach_port_t port = mig_get_reply_port();
    ASSERT_EQ(port, mig_get_reply_port());
    ASSERT_EQ(MACH_PORT_TYPE_RECEIVE, kit_type(port));
    *(mach_port_t *)ret_name = port;
    return NULL;
}

TEST(mig_reply_port_is_the_threads_own)
{
    mach_port_t mine = mig_get_reply_port(), other = MACH_PORT_NULL, next;
    kit_join(kit_thread(get_reply_port, &other));
    ASSERT_NE(mine, other);
    mig_put_reply_port(mine);
    ASSERT_EQ(mine, mig_get_reply_port());
    mig_dealloc_reply_port(mine);
    next = mig_get_reply_port();
    ASSERT_NE(MACH_PORT_NULL, next);
    ASSERT_NE(mine, next);
    mig_dealloc_reply_port(next);
}

TEST(mig_strings_are_cut_to_fit)
{
    char room[4];
    ASSERT_EQ(3, mig_strncpy(room, "ab", 4));
    ASSERT_STR("ab", room);
    ASSERT_EQ(4, mig_strncpy(room, "abcdef", 4));
    ASSERT_STR("abc", room);
    ASSERT_EQ(2, mig_strncpy_zerofill(room, "a", 4));
    ASSERT_MEM("a\0\0", room, sizeof room);
}

TEST(refused_calls_say_so)
{
    task_t task;
    thread_act_t thread;
    GATE_DARWIN("the kernel has other reasons, and might do it");
    ASSERT_CODE(KERN_NOT_SUPPORTED, task_create(mach_task_self(), NULL, 0, FALSE, &task));
    ASSERT_CODE(KERN_NOT_SUPPORTED, thread_create(mach_task_self(), &thread));
    ASSERT_CODE(KERN_NOT_SUPPORTED, thread_create_running(mach_task_self(), 0, NULL, 0, &thread));
    ASSERT_CODE(KERN_NOT_SUPPORTED, task_sample(mach_task_self(), MACH_PORT_NULL));
    ASSERT_CODE(KERN_NOT_SUPPORTED, task_suspend(mach_task_self()));
    ASSERT_CODE(KERN_FAILURE, task_resume(mach_task_self()));
    ASSERT_CODE(MACH_SEND_INVALID_DEST, task_resume(MACH_PORT_NULL));
}

TEST(child_has_no_registered_ports)
{
    mach_port_t port = kit_port(), none[1] = {MACH_PORT_NULL};
    GATE_DARWIN("the kernel hands them on (D42)");
    ASSERT_OK(mach_ports_register(mach_task_self(), &port, 1));
    pid_t pid = (pid_t)ASSERT_SYS(fork());
    if (pid == 0) {
        mach_port_array_t found;
        mach_msg_type_number_t count;
        ASSERT_OK(mach_ports_lookup(mach_task_self(), &found, &count));
        ASSERT_EQ(MACH_PORT_NULL, found[0]);
        _exit(0);
    }
    kit_wait_child(pid);
    ASSERT_OK(mach_ports_register(mach_task_self(), none, 1));
    kit_destroy(port);
}

TEST(thread_stands_behind_its_name)
{
    natural_t type;
    mach_vm_address_t address;
    mach_port_t thread = mach_thread_self();
    GATE_DARWIN("the kernel tells debuggers only");
    ASSERT_OK(mach_port_kobject(mach_task_self(), thread, &type, &address));
    ASSERT_EQ(IPC_OTYPE_THREAD_CONTROL, type);
    kit_deallocate(thread);
}
