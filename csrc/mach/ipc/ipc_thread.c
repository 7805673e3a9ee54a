/* See ipc_thread.h. */
#include "ipc/ipc_thread.h"

#include "ipc/ipc_engine.h"
#include "ipc/ipc_port.h"
#include "ipc/ipc_right.h"
#include "ipc/ipc_space.h"
#include "ipc/ipc_task.h"
#include "os/os_proc.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

static pthread_key_t at_exit; /* set in the threads that are to be told of their end */
static pthread_once_t once = PTHREAD_ONCE_INIT;

static struct ipc_thread *find_tid(pid_t tid)
{
    UTIL_LIST_EACH(at, after, &ipc_task.threads)
    {
        struct ipc_thread *thread = UTIL_CONTAINER(at, struct ipc_thread, link);
        if (thread->tid == tid)
            return thread;
    }
    return NULL;
}

/* The thread has ended: its name becomes a dead name, its reply port goes. */
static void ended(struct ipc_thread *thread)
{
    util_list_remove(&thread->link);
    if (thread->reply_port)
        (void)ipc_right_mod_refs(thread->reply_port, MACH_PORT_RIGHT_RECEIVE, -1);
    if (thread->port) {
        thread->port->place = IPC_DEAD;
        ipc_right_died(thread->port);
        ipc_port_unref(thread->port);
    }
    free(thread);
}

/* A thread's last act. In a forked child the list may not know it. */
static void leave(void *marked)
{
    (void)marked;
    ipc_task_lock();
    struct ipc_thread *thread = find_tid(gettid());
    if (thread)
        ended(thread);
    ipc_engine_leave();
    ipc_task_unlock();
}

static void make_key(void)
{
    if (pthread_key_create(&at_exit, leave) != 0)
        abort(); /* at the first call of all: the process is out of keys */
}

static struct ipc_thread *enter(pid_t tid, uint64_t born)
{
    struct ipc_thread *thread = calloc(1, sizeof *thread);
    if (!thread)
        return NULL;
    thread->tid = tid;
    thread->born = born;
    util_list_append(&ipc_task.threads, &thread->link);
    return thread;
}

/* Whether the entry is of a thread that is no more. Not being able to ask is no answer. */
static bool has_ended(const struct ipc_thread *thread)
{
    struct os_proc_thread state;
    int r = os_proc_thread(thread->tid, &state);
    if (r < 0)
        return r == -ENOENT || r == -ESRCH;
    return thread->born != 0 && thread->born != state.born; /* the id is another's by now */
}

struct ipc_thread *ipc_thread_self(void)
{
    pid_t tid = gettid();
    struct ipc_thread *thread = find_tid(tid);
    pthread_once(&once, make_key);
    if (thread && pthread_getspecific(at_exit))
        return thread;
    if (thread && has_ended(thread)) { /* nobody saw it end */
        ended(thread);
        thread = NULL;
    }
    if (!thread) {
        struct os_proc_thread state;
        thread = enter(tid, os_proc_thread(tid, &state) == 0 ? state.born : 0);
    }
    if (thread)
        (void)pthread_setspecific(at_exit, &at_exit); /* without it, a sweep finds out later */
    return thread;
}

struct ipc_thread *ipc_thread_enter(pid_t tid)
{
    struct os_proc_thread state;
    struct ipc_thread *thread = find_tid(tid);
    if (thread)
        return thread;
    return os_proc_thread(tid, &state) == 0 ? enter(tid, state.born) : NULL;
}

struct ipc_thread *ipc_thread_find(mach_port_name_t name)
{
    struct ipc_entry *entry = ipc_space_find(name);
    if (!entry || !entry->port)
        return NULL;
    UTIL_LIST_EACH(at, after, &ipc_task.threads)
    {
        struct ipc_thread *thread = UTIL_CONTAINER(at, struct ipc_thread, link);
        if (thread->port == entry->port)
            return thread;
    }
    return NULL;
}

kern_return_t ipc_thread_name(struct ipc_thread *thread, mach_port_name_t *ret_name)
{
    if (!thread->port)
        thread->port = ipc_port_new_special();
    if (!thread->port)
        return KERN_RESOURCE_SHORTAGE;
    struct ipc_carried right = {.port = ipc_port_carry(thread->port),
                                .type = MACH_MSG_TYPE_PORT_SEND};
    return ipc_right_copyout(&right, ret_name);
}

void ipc_thread_sweep(void)
{
    UTIL_LIST_EACH(at, after, &ipc_task.threads)
    {
        struct ipc_thread *thread = UTIL_CONTAINER(at, struct ipc_thread, link);
        if (has_ended(thread))
            ended(thread);
    }
}
