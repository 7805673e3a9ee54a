/* See ipc_engine.h: the engine's descriptors, and what they watch. */
#include "ipc/ipc_engine.h"
#include "ipc/ipc_task.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

static struct ipc_engine *engine(void)
{
    return &ipc_task.engine;
}

void ipc_engine_reset(void)
{
    struct ipc_engine *e = engine();
    *e = (struct ipc_engine){.epoll_fd = -1, .kick_fd = -1};
    util_list_init(&e->followers);
    util_list_init(&e->hot);
}

int ipc_engine_init(void)
{
    static struct ipc_watch kick;
    struct ipc_engine *e = engine();
    kick = (struct ipc_watch){.kind = IPC_WATCH_KICK};
    e->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    e->kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    e->many_cpus = sysconf(_SC_NPROCESSORS_ONLN) > 1;
    if (e->epoll_fd < 0 || e->kick_fd < 0 || ipc_engine_watch(e->kick_fd, &kick) < 0)
        return -errno;
    return 0;
}

void ipc_engine_deinit(void)
{
    struct ipc_engine *e = engine();
    UTIL_LIST_EACH(at, after, &e->followers)
    {
        struct ipc_waiter *waiter = UTIL_CONTAINER(at, struct ipc_waiter, follow);
        if (waiter->event_fd >= 0)
            close(waiter->event_fd);
    }
    util_idmap_deinit(&e->watches);
    if (e->kick_fd >= 0)
        close(e->kick_fd);
    if (e->epoll_fd >= 0)
        close(e->epoll_fd);
    ipc_engine_reset();
}

int ipc_engine_watch(int fd, struct ipc_watch *what)
{
    what->node.id = (struct util_id){{++engine()->serial, 1}};
    int r = util_idmap_insert(&engine()->watches, &what->node);
    if (r < 0)
        return r;
    struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP | EPOLLET,
                                .data.u64 = engine()->serial};
    if (epoll_ctl(engine()->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0)
        return 0;
    r = -errno;
    util_idmap_remove(&engine()->watches, &what->node);
    return r;
}

void ipc_engine_unwatch(int fd, struct ipc_watch *what)
{
    (void)epoll_ctl(engine()->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
    util_idmap_remove(&engine()->watches, &what->node);
}
