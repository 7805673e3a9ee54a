/* Calls on the task: registered ports, threads, the guard behaviour, its end. task_info is next
 * door. */
#include "api/api.h"
#include "ipc/ipc_engine.h"
#include "ipc/ipc_port.h"
#include "ipc/ipc_right.h"
#include "ipc/ipc_task.h"
#include "ipc/ipc_thread.h"
#include "os/os_proc.h"

#include <mach/mach.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#define REGISTERED_MAX (sizeof ipc_task.registered / sizeof ipc_task.registered[0])

static void clean_all(struct ipc_carried *rights)
{
    for (size_t i = 0; i < REGISTERED_MAX; i++)
        ipc_right_clean(&rights[i]);
}

/* Rights of the caller's names, one more of each; nothing on failure. */
static kern_return_t copyin_all(const mach_port_t *names, mach_msg_type_number_t count,
                                struct ipc_carried *rights)
{
    for (mach_msg_type_number_t i = 0; i < count; i++) {
        if (!MACH_PORT_VALID(names[i]))
            continue;
        if (ipc_right_copyin(names[i], MACH_MSG_TYPE_COPY_SEND, true, &rights[i]) != KERN_SUCCESS) {
            clean_all(rights);
            return MACH_SEND_INVALID_RIGHT;
        }
    }
    return KERN_SUCCESS;
}

kern_return_t mach_ports_register(task_t task, mach_port_array_t names,
                                  mach_msg_type_number_t count)
{
    CHECK_TASK(task);
    if (count > REGISTERED_MAX || (count > 0 && !names))
        return KERN_INVALID_ARGUMENT;
    struct ipc_carried rights[REGISTERED_MAX] = {0};
    ipc_task_lock();
    kern_return_t kr = copyin_all(names, count, rights);
    for (size_t i = 0; kr == KERN_SUCCESS && i < REGISTERED_MAX; i++) {
        if (ipc_task.registered[i])
            ipc_port_drop(ipc_task.registered[i]);
        ipc_task.registered[i] = rights[i].port; /* a dead name leaves the place empty */
    }
    ipc_engine_leave();
    ipc_task_unlock();
    return kr;
}

kern_return_t mach_ports_lookup(task_t task, mach_port_array_t *names,
                                mach_msg_type_number_t *count)
{
    CHECK_TASK(task);
    vm_address_t page = 0;
    if (vm_allocate(mach_task_self_, &page, REGISTERED_MAX * sizeof(mach_port_t),
                    VM_FLAGS_ANYWHERE) != KERN_SUCCESS)
        return KERN_RESOURCE_SHORTAGE;
    mach_port_t *list = (mach_port_t *)page;
    ipc_task_lock();
    ipc_engine_catch_up(); /* a port may have died */
    for (size_t i = 0; i < REGISTERED_MAX; i++) {
        struct ipc_carried right = {.type = MACH_MSG_TYPE_PORT_SEND};
        if (ipc_task.registered[i])
            right.port = ipc_port_carry(ipc_task.registered[i]);
        (void)ipc_right_copyout(&right, &list[i]); /* no room for a name: null */
    }
    ipc_task_unlock();
    *names = list;
    *count = REGISTERED_MAX;
    return KERN_SUCCESS;
}

/* Names for the threads of `tids`, the caller's first. With the task lock. Returns how many. */
static mach_msg_type_number_t name_threads(const pid_t *tids, size_t count, mach_port_t *ret_names)
{
    mach_msg_type_number_t named = 0;
    pid_t self = gettid();
    ipc_thread_sweep();
    struct ipc_thread *thread = ipc_thread_self();
    if (thread && ipc_thread_name(thread, &ret_names[named]) == KERN_SUCCESS)
        named++;
    for (size_t i = 0; i < count; i++) {
        thread = tids[i] != self ? ipc_thread_enter(tids[i]) : NULL; /* NULL: it has ended */
        if (thread && ipc_thread_name(thread, &ret_names[named]) == KERN_SUCCESS)
            named++;
    }
    return named;
}

kern_return_t task_threads(task_inspect_t task, thread_act_array_t *names,
                           mach_msg_type_number_t *count)
{
    CHECK_TASK(task);
    pid_t *tids;
    size_t found;
    if (os_proc_threads(&tids, &found) < 0)
        return KERN_RESOURCE_SHORTAGE;
    vm_address_t page = 0;
    kern_return_t kr = vm_allocate(mach_task_self_, &page, (found + 1) * sizeof(mach_port_t),
                                   VM_FLAGS_ANYWHERE);
    if (kr == KERN_SUCCESS) {
        ipc_task_lock();
        *names = (thread_act_array_t)page;
        *count = name_threads(tids, found, *names);
        ipc_task_unlock();
    }
    free(tids);
    return kr == KERN_SUCCESS ? KERN_SUCCESS : KERN_RESOURCE_SHORTAGE;
}

kern_return_t task_get_exc_guard_behavior(task_inspect_t task, task_exc_guard_behavior_t *behavior)
{
    CHECK_TASK(task);
    ipc_task_lock();
    *behavior = ipc_task.exc_guard;
    ipc_task_unlock();
    return KERN_SUCCESS;
}

kern_return_t task_set_exc_guard_behavior(task_t task, task_exc_guard_behavior_t behavior)
{
    CHECK_TASK(task);
    if (behavior & ~(task_exc_guard_behavior_t)TASK_EXC_GUARD_ALL)
        return KERN_INVALID_ARGUMENT;
    ipc_task_lock();
    ipc_task.exc_guard = behavior;
    ipc_task_unlock();
    return KERN_SUCCESS;
}

kern_return_t task_terminate(task_t task)
{
    CHECK_TASK(task);
    (void)kill(getpid(), SIGKILL);
    return KERN_FAILURE; /* the first process of a PID namespace cannot kill itself */
}

kern_return_t task_suspend(task_read_t task)
{
    CHECK_TASK(task);
    return KERN_NOT_SUPPORTED;
}

kern_return_t task_resume(task_read_t task)
{
    CHECK_TASK(task);
    return KERN_FAILURE;
}

kern_return_t task_create(task_t task, ledger_array_t ledgers, mach_msg_type_number_t count,
                          boolean_t inherit_memory, task_t *child)
{
    CHECK_TASK(task);
    (void)ledgers, (void)count, (void)inherit_memory, (void)child;
    return KERN_NOT_SUPPORTED;
}

kern_return_t task_sample(task_t task, mach_port_t reply)
{
    CHECK_TASK(task);
    (void)reply;
    return KERN_NOT_SUPPORTED;
}

kern_return_t thread_create(task_t task, thread_act_t *child)
{
    CHECK_TASK(task);
    (void)child;
    return KERN_NOT_SUPPORTED;
}

kern_return_t thread_create_running(task_t task, thread_state_flavor_t flavor, thread_state_t state,
                                    mach_msg_type_number_t count, thread_act_t *child)
{
    CHECK_TASK(task);
    (void)flavor, (void)state, (void)count, (void)child;
    return KERN_NOT_SUPPORTED;
}
