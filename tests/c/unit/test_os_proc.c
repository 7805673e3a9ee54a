/* The process and the machine in numbers: names that look like the file around them, memory that
 * comes, processor time that is spent, threads that come and go. */
#include "check.h"

#include "os/os_host.h"
#include "os/os_proc.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#define MIB ((size_t)1 << 20)

/* The file has the name in parentheses and numbers behind: a name may look like its end. */
static void odd_names(void)
{
    static const char *const names[] = {"a) R 1 2 3 (", "))))))))", "", "((", "fifteen-bytes-x"};
    struct os_proc_thread thread;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        CHECK(prctl(PR_SET_NAME, names[i]) == 0);
        CHECK(os_proc_thread(gettid(), &thread) == 0);
        CHECK(strcmp(thread.name, names[i]) == 0);
        CHECK(thread.state == 'R');
        CHECK(thread.nice >= -20 && thread.nice <= 19);
        CHECK(thread.born > 0);
    }
}

static void times(void)
{
    struct os_proc_thread before, now;
    volatile unsigned work = 0;
    CHECK(os_proc_thread(gettid(), &before) == 0);
    do {
        for (unsigned i = 0; i < 1000000; i++)
            work += i;
        CHECK(os_proc_thread(gettid(), &now) == 0);
        CHECK(now.born == before.born && now.age_ns >= before.age_ns);
        CHECK(now.user_ns >= before.user_ns && now.system_ns >= before.system_ns);
    } while (now.user_ns + now.system_ns < before.user_ns + before.system_ns + 20000000);
    CHECK(now.age_ns + 10000000 >= now.user_ns); /* ticks are rounded */
}

static void memory(void)
{
    struct os_proc_memory before, now;
    struct os_proc_ranges few, more;
    const size_t size = 16 * MIB;
    CHECK(os_proc_memory(&before) == 0 && os_proc_ranges(&few) == 0);
    char *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(at != MAP_FAILED);
    memset(at, 1, size);
    CHECK(mprotect(at + MIB, MIB, PROT_NONE) == 0); /* so that there are more mappings */
    CHECK(os_proc_memory(&now) == 0 && os_proc_ranges(&more) == 0);
    CHECK(now.virtual_size >= before.virtual_size + size);
    CHECK(now.anonymous >= before.anonymous + size / 2);
    CHECK(now.resident >= now.anonymous && now.resident_peak + MIB >= now.resident);
    CHECK(more.count >= few.count + 2);
    CHECK((uintptr_t)at >= more.lowest && (uintptr_t)at + size <= more.highest);
    munmap(at, size);
}

static pthread_barrier_t barrier;

static void *wait_there(void *ret_tid)
{
    *(pid_t *)ret_tid = gettid();
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    return NULL;
}

static bool listed(pid_t tid)
{
    pid_t *tids;
    size_t count;
    bool found = false;
    CHECK(os_proc_threads(&tids, &count) == 0);
    for (size_t i = 0; i < count; i++)
        found |= tids[i] == tid;
    free(tids);
    return found;
}

static void threads(void)
{
    enum { MANY = 40 }; /* more than the list has room for at first */
    pthread_t thread[MANY];
    pid_t tid[MANY];
    struct os_proc_thread state;
    CHECK(pthread_barrier_init(&barrier, NULL, MANY + 1) == 0);
    for (int i = 0; i < MANY; i++)
        CHECK(pthread_create(&thread[i], NULL, wait_there, &tid[i]) == 0);
    pthread_barrier_wait(&barrier);
    for (int i = 0; i < MANY; i++)
        CHECK(listed(tid[i]) && os_proc_thread(tid[i], &state) == 0);
    CHECK(listed(gettid()));
    pthread_barrier_wait(&barrier);
    for (int i = 0; i < MANY; i++)
        CHECK(pthread_join(thread[i], NULL) == 0);
    while (listed(tid[0]))
        ; /* a thread is joined a little before it is gone */
    int r = os_proc_thread(tid[0], &state);
    CHECK(r == -ENOENT || r == -ESRCH);
    pthread_barrier_destroy(&barrier);
}

static void host(void)
{
    struct os_host host;
    uint64_t user, nice, system, idle;
    double load[3];
    os_host_read(&host);
    CHECK(host.processors == (int)sysconf(_SC_NPROCESSORS_ONLN));
    CHECK(host.processors_max >= host.processors);
    CHECK(host.cores >= 1 && host.cores <= host.processors && host.cores_max >= host.cores);
    CHECK(host.memory >= 64 * MIB);
    CHECK(host.tick_ms >= 1 && host.quantum_ms >= 1);
    CHECK(os_host_times(&user, &nice, &system, &idle) == 0);
    CHECK(user + nice + system + idle > 0);
    CHECK(os_host_load(load) == 0 && load[0] >= 0 && load[2] >= 0);
}

int main(void)
{
    odd_names();
    times();
    memory();
    threads();
    host();
    return 0;
}
