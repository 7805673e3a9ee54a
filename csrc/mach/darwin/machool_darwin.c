/* mach/machool.h on macOS: the kernel does the rest.
 *
 * A pollable descriptor for a port is a kqueue that watches it (EVFILT_MACHPORT); kqueues can be
 * polled and nested. One is kept for each name that was asked for, and closed some time
 * after the name has ceased to be a receive right.
 *
 * Locks: `lock` covers the table. */
#include <mach/mach.h>
#include <mach/machool.h>
#include <errno.h>
#include <pthread.h>
#include <servers/bootstrap.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/event.h>
#include <unistd.h>

struct watched {
    mach_port_name_t name;
    int fd;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
    struct watched *list;
    size_t used, size;
} table;

/* Whether the name denotes something that can be received from. */
static bool receivable(mach_port_name_t name)
{
    mach_port_type_t type;
    return mach_port_type(mach_task_self(), name, &type) == KERN_SUCCESS &&
           type & (MACH_PORT_TYPE_RECEIVE | MACH_PORT_TYPE_PORT_SET);
}

/* Has the kqueue watch whatever port the name denotes now. 0 or -errno. */
static int watch(int kqueue_fd, mach_port_name_t name)
{
    struct kevent change;
    EV_SET(&change, name, EVFILT_MACHPORT, EV_DELETE, 0, 0, NULL);
    (void)kevent(kqueue_fd, &change, 1, NULL, 0, NULL); /* the name's earlier port, if any */
    EV_SET(&change, name, EVFILT_MACHPORT, EV_ADD, 0, 0, NULL);
    return kevent(kqueue_fd, &change, 1, NULL, 0, NULL) < 0 ? -errno : 0;
}

/* Forgets the ports that have died. */
static void sweep(void)
{
    for (size_t i = 0; i < table.used;) {
        if (receivable(table.list[i].name)) {
            i++;
            continue;
        }
        close(table.list[i].fd);
        table.list[i] = table.list[--table.used];
    }
}

static struct watched *find(mach_port_name_t name)
{
    for (size_t i = 0; i < table.used; i++) {
        if (table.list[i].name == name)
            return &table.list[i];
    }
    return NULL;
}

/* Adds a port. fd or -errno. With the lock. */
static int add(mach_port_name_t name)
{
    sweep();
    if (table.used == table.size) {
        size_t size = table.size ? table.size * 2 : 8;
        struct watched *list = realloc(table.list, size * sizeof *list);
        if (!list)
            return -ENOMEM;
        table.list = list;
        table.size = size;
    }
    int fd = kqueue();
    if (fd < 0)
        return -errno;
    int r = watch(fd, name);
    if (r < 0) {
        close(fd);
        return r;
    }
    table.list[table.used++] = (struct watched){name, fd};
    return fd;
}

int machool_port_fd(mach_port_name_t name)
{
    if (!receivable(name)) {
        errno = EINVAL;
        return -1;
    }
    pthread_mutex_lock(&lock);
    struct watched *known = find(name);
    int r = known ? watch(known->fd, name) : add(name);
    if (known && r == 0)
        r = known->fd;
    pthread_mutex_unlock(&lock);
    if (r >= 0)
        return r;
    errno = -r;
    return -1;
}

kern_return_t machool_bootstrap_register(const char *service_name, mach_port_t port,
                                         const uid_t *uids, unsigned count)
{
    name_t name;
    (void)uids;
    if (count)
        return KERN_NOT_SUPPORTED; /* launchd decides who may look up */
    strlcpy(name, service_name, sizeof name);
    return bootstrap_register(bootstrap_port, name, port);
}

kern_return_t machool_allocate(vm_address_t *address, vm_size_t size, int flags)
{
    if (flags & ~MACHOOL_UNCLEARED)
        return KERN_INVALID_ARGUMENT;
    return vm_allocate(mach_task_self(), address, size, VM_FLAGS_ANYWHERE);
}

kern_return_t machool_deallocate(vm_address_t address, vm_size_t size)
{
    return vm_deallocate(mach_task_self(), address, size);
}

/* The kernel copies lazily, and what was copied is dropped soon after. */
kern_return_t machool_give(vm_address_t address, vm_size_t size)
{
    (void)address;
    (void)size;
    return KERN_INVALID_ARGUMENT;
}

void machool_set_limits(uint64_t idle_bytes, uint64_t lent_bytes)
{
    (void)idle_bytes;
    (void)lent_bytes;
}

void machool_trim(void)
{
}

int machool_transport(unsigned index)
{
    (void)index;
    return MACHOOL_TRANSPORT_UNKNOWN; /* the kernel does not tell */
}

void machool_get_stats(struct machool_stats *ret_stats)
{
    memset(ret_stats, 0, sizeof *ret_stats); /* the kernel does not tell */
}

const char *machool_version(void)
{
    return MACHOOL_VERSION;
}
