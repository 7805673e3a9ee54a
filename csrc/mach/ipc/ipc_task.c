/* See ipc_task.h. */
#include "ipc/ipc_task.h"

#include "ipc/ipc_bootstrap.h"
#include "ipc/ipc_door.h"
#include "ipc/ipc_move.h"
#include "ipc/ipc_peer.h"
#include "ipc/ipc_port.h"
#include "vm/vm_copy.h"

#include <errno.h>
#include <mach/mach_init.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define IPC_TASK_MARK 0x6d616368u
#define IPC_TASK_HEIR 0x68656972u /* set up, and a bootstrap port is to be taken up yet */

struct ipc_task ipc_task = {
    .lock = PTHREAD_MUTEX_INITIALIZER,
    .engine = {.epoll_fd = -1, .kick_fd = -1},
};

static uint32_t mark(void)
{
    return __atomic_load_n(ipc_task.marker, __ATOMIC_RELAXED);
}

static void set_mark(uint32_t value)
{
    __atomic_store_n(ipc_task.marker, value, __ATOMIC_RELAXED);
}

static atomic_uint wanted; /* threads that wait for the lock: a spinning leader gives it up */

static void init_lists(void)
{
    util_list_init(&ipc_task.peers);
    util_list_init(&ipc_task.channels);
    util_list_init(&ipc_task.doors);
    util_list_init(&ipc_task.ends);
    util_list_init(&ipc_task.parting);
    util_list_init(&ipc_task.judge);
    util_list_init(&ipc_task.posts);
    util_list_init(&ipc_task.unsent);
    util_list_init(&ipc_task.threads);
}

/* A name of the kernel's: it exists from the start, under a fixed number. */
static struct ipc_port *add_name(mach_port_name_t name, struct ipc_port *take_port)
{
    struct ipc_entry *entry;
    struct ipc_port *port = take_port;
    if (!port || ipc_space_alloc_name(name, port, &entry) != KERN_SUCCESS)
        abort(); /* a task without its own name cannot exist; memory is out at start-up */
    entry->type = MACH_PORT_TYPE_SEND;
    entry->urefs = 1;
    port->name = name;
    port->local = 1;
    return port;
}

static void before_fork(void)
{
    ipc_task_lock();
    ipc_bootstrap_before_fork(mark() == IPC_TASK_MARK);
    vm_fork_prepare();
}

static void after_fork_parent(void)
{
    vm_fork_parent();
    ipc_bootstrap_after_fork();
    pthread_mutex_unlock(&ipc_task.lock);
}

/* Closes every descriptor that the layer had; the objects they belonged to are forgotten, since
 * the threads that may have been using them do not exist here. */
static void close_inherited(void)
{
    UTIL_LIST_EACH(at, after, &ipc_task.channels)
    {
        struct wire_channel *channel = UTIL_CONTAINER(at, struct wire_channel, in_task);
        close(channel->fd);
        wire_channel_forget_fds(channel);
    }
    UTIL_LIST_EACH(at2, after2, &ipc_task.doors)
    {
        struct ipc_door *door = UTIL_CONTAINER(at2, struct ipc_door, link);
        if (door->fd >= 0)
            close(door->fd);
        if (door->declared)
            ipc_port_forget(door->port); /* no name leads to it */
    }
    UTIL_LIST_EACH(at3, after3, &ipc_task.ends)
    {
        close(UTIL_CONTAINER(at3, struct ipc_end, link)->fd);
    }
    uint32_t index = 0;
    for (struct ipc_entry *entry; (entry = ipc_space_next(&index));) {
        if (entry->port)
            ipc_port_forget(entry->port);
    }
    ipc_engine_deinit();
}

/* Forgets everything and starts with an empty space and the bootstrap port (S142). */
static void start_anew(void)
{
    ipc_space_reset();
    util_idmap_deinit(&ipc_task.ids);
    util_idmap_deinit(&ipc_task.aliases);
    ipc_task = (struct ipc_task){
        .lock = PTHREAD_MUTEX_INITIALIZER,
        .marker = ipc_task.marker,
        .exc_guard = ipc_task.exc_guard, /* a child inherits it */
    };
    ipc_engine_reset();
    atomic_store(&wanted, 0);
    init_lists();
    util_id_forget();
    ipc_task.id = util_id_new();
    ipc_port_ref(add_name(IPC_NAME_TASK, ipc_port_new()))->task = true;
    ipc_task.machine[WIRE_MACHINE_HOST] = ipc_port_carry(
        add_name(IPC_NAME_HOST, ipc_port_new_special()));
    ipc_task.machine[WIRE_MACHINE_HOST]->machine = WIRE_MACHINE_HOST;
    bool heir = ipc_bootstrap_start();
    if (!heir && bootstrap_port != MACH_PORT_NULL) {
        struct ipc_port *port = add_name(IPC_NAME_BOOTSTRAP, ipc_port_new_special());
        port->bootstrap = true;
        port->machine = WIRE_MACHINE_BOOTSTRAP;
        ipc_task.machine[WIRE_MACHINE_BOOTSTRAP] = ipc_port_carry(port);
        ipc_task.bootstrap = ipc_port_carry(port);
    }
    set_mark(heir ? IPC_TASK_HEIR : IPC_TASK_MARK);
}

static void after_fork_child(void)
{
    vm_fork_child();
    close_inherited();
    ipc_task_unlock(); /* by the thread that locked it; then all is new, the lock too */
    start_anew();
}

/* The page whose wiping tells that this is another process. Without it (old kernels) only the
 * at-fork handlers notice. */
static uint32_t *new_marker(void)
{
    size_t size = (size_t)sysconf(_SC_PAGESIZE);
    void *page = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED)
        abort();
    (void)madvise(page, size, MADV_WIPEONFORK);
    return page;
}

__attribute__((constructor)) static void set_up(void)
{
    ipc_task.marker = new_marker();
    ipc_bootstrap_read_environment();
    start_anew();
    pthread_atfork(before_fork, after_fork_parent, after_fork_child);
}

/* exit(). Not in a raw clone, where the doors are the parent's. */
__attribute__((destructor)) static void tear_down(void)
{
    if (mark() != IPC_TASK_MARK || pthread_mutex_trylock(&ipc_task.lock) != 0)
        return; /* in the midst of a call that a handler has ended: as if killed */
    ipc_door_remove_paths();
    pthread_mutex_unlock(&ipc_task.lock);
}

/* The first lock in this process. */
static void lock_anew(void)
{
    if (mark() != IPC_TASK_HEIR && mark() != IPC_TASK_MARK)
        start_anew(); /* a raw clone(): the lock may be held by a thread that is not here */
    pthread_mutex_lock(&ipc_task.lock);
    if (mark() == IPC_TASK_HEIR && !ipc_bootstrap_take_up())
        set_mark(IPC_TASK_MARK);
}

void ipc_task_lock(void)
{
    if (mark() != IPC_TASK_MARK) {
        lock_anew();
    } else if (pthread_mutex_trylock(&ipc_task.lock) != 0) {
        atomic_fetch_add(&wanted, 1);
        pthread_mutex_lock(&ipc_task.lock);
        atomic_fetch_sub(&wanted, 1);
    }
}

void ipc_task_unlock(void)
{
    if (ipc_task.behind)
        ipc_move_catch_up();
    pthread_mutex_unlock(&ipc_task.lock);
}

void ipc_task_yield(void)
{
    if (atomic_load_explicit(&wanted, memory_order_relaxed) == 0)
        return;
    ipc_task_unlock();
    sched_yield();
    ipc_task_lock();
}

int ipc_task_start_engine(void)
{
    if (ipc_task.engine.epoll_fd >= 0)
        return 0;
    int r = ipc_engine_init();
    if (r < 0)
        ipc_engine_deinit();
    return r;
}

struct ipc_port *ipc_task_machine_port(enum wire_machine which)
{
    struct ipc_port *port = ipc_task.machine[which];
    if (port)
        return ipc_port_carry(port);
    port = ipc_port_new_special();
    if (!port)
        return NULL;
    port->local = 1;
    port->machine = (uint8_t)which;
    port->bootstrap = which == WIRE_MACHINE_BOOTSTRAP;
    ipc_task.machine[which] = port;
    return ipc_port_carry(port);
}

int ipc_task_listen(void)
{
    if (ipc_task.address.length)
        return 0;
    int r = ipc_task_start_engine();
    return r < 0 ? r : ipc_door_open("", NULL, NULL, 0);
}
