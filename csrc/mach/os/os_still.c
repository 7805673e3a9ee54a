/* See os_still.h. */
#include "os/os_still.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/wait.h>

#define STACK_SIZE ((size_t)64 << 10)
#define ABOVE 256 /* bytes of the caller's frame that may still be used */

struct call {
    void (*work)(void *);
    void *argument;
};

static int run(void *argument)
{
    struct call *call = argument;
    call->work(call->argument);
    return 0;
}

/* A process that shares everything with this one, and that this thread waits for in clone(): it has
 * the address space to work on, but no other thread's stack. No signal tells of its end. */
static int run_elsewhere(struct call *call)
{
    sigset_t all, before;
    char *stack = mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (stack == MAP_FAILED)
        return -errno;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int flags = CLONE_VM | CLONE_VFORK | CLONE_FILES | CLONE_FS;
    int pid = clone(run, stack + STACK_SIZE, flags, call);
    int r = pid < 0 ? -errno : 0;
    while (r == 0 && waitpid(pid, NULL, (int)__WCLONE) < 0 && errno == EINTR)
        continue;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    munmap(stack, STACK_SIZE);
    return r;
}

int os_still_run(uintptr_t start, uintptr_t end, void (*work)(void *), void *argument)
{
    struct call call = {.work = work, .argument = argument};
    uintptr_t here = (uintptr_t)__builtin_frame_address(0);
    if (start < here + ABOVE && here - STACK_SIZE < end)
        return run_elsewhere(&call);
    work(argument);
    return 0;
}
