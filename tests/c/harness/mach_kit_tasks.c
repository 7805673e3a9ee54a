/* Memory, threads and the pair of tasks; see mach_kit.h. */
#include "mach_kit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

void *kit_allocate(size_t size)
{
    vm_address_t address = 0;
    ASSERT_OK(vm_allocate(mach_task_self(), &address, size, VM_FLAGS_ANYWHERE));
    return (void *)address;
}

void kit_free(const void *address, size_t size)
{
    ASSERT_OK(vm_deallocate(mach_task_self(), (vm_address_t)address, size));
}

static unsigned char pattern(size_t at, unsigned seed)
{
    return (unsigned char)(at ^ (at >> 8) ^ (at >> 16) ^ (seed * 37 + 11));
}

void kit_fill(void *address, size_t size, unsigned seed)
{
    unsigned char *bytes = address;
    for (size_t at = 0; at < size; at++)
        bytes[at] = pattern(at, seed);
}

void kit_check(const void *address, size_t size, unsigned seed, const char *file, int line)
{
    const unsigned char *bytes = address;
    for (size_t at = 0; at < size; at++)
        if (bytes[at] != pattern(at, seed))
            test_fail(file, line, "byte %zu of %zu: expected 0x%02x (seed %u), got 0x%02x", at,
                      size, pattern(at, seed), seed, bytes[at]);
}

bool kit_is_readable(const void *address)
{
    int ends[2];
    ASSERT_SYS(pipe(ends));
    bool readable = write(ends[1], address, 1) == 1;
    if (!readable)
        ASSERT_EQ(EFAULT, errno);
    close(ends[0]);
    close(ends[1]);
    return readable;
}

uintptr_t kit_page_offset(const void *address)
{
    return (uintptr_t)address % vm_page_size;
}

uintptr_t kit_round(uintptr_t value)
{
    return (value + vm_page_size - 1) / vm_page_size * vm_page_size;
}

bool kit_overlap(const void *a, size_t a_size, const void *b, size_t b_size)
{
    return (uintptr_t)a < (uintptr_t)b + b_size && (uintptr_t)b < (uintptr_t)a + a_size;
}

pthread_t kit_thread(void *(*run)(void *), void *argument)
{
    pthread_t thread;
    pthread_attr_t attributes;
    ASSERT_EQ(0, pthread_attr_init(&attributes));
    ASSERT_EQ(0, pthread_attr_setstacksize(&attributes, 1 << 18));
    ASSERT_EQ(0, pthread_create(&thread, &attributes, run, argument));
    pthread_attr_destroy(&attributes);
    return thread;
}

void kit_join(pthread_t thread)
{
    ASSERT_EQ(0, pthread_join(thread, NULL));
}

void kit_event_post(struct kit_event *event)
{
    pthread_mutex_lock(&event->lock);
    event->count++;
    pthread_cond_broadcast(&event->changed);
    pthread_mutex_unlock(&event->lock);
}

unsigned kit_event_count(struct kit_event *event)
{
    pthread_mutex_lock(&event->lock);
    unsigned count = event->count;
    pthread_mutex_unlock(&event->lock);
    return count;
}

/* Waits until the count is not `count`, or for so many milliseconds. Lock held. */
static void wait_for_change(struct kit_event *event, unsigned count, unsigned milliseconds)
{
    struct timespec end;
    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += milliseconds / 1000;
    end.tv_nsec += (long)(milliseconds % 1000) * 1000000;
    if (end.tv_nsec >= 1000000000) {
        end.tv_sec++;
        end.tv_nsec -= 1000000000;
    }
    while (event->count == count)
        if (pthread_cond_timedwait(&event->changed, &event->lock, &end) == ETIMEDOUT)
            return;
}

void kit_event_wait(struct kit_event *event, unsigned count)
{
    pthread_mutex_lock(&event->lock);
    while (event->count < count) {
        unsigned seen = event->count;
        wait_for_change(event, seen, PATIENCE);
        if (event->count == seen)
            FAIL("waited in vain: %u of %u", seen, count);
    }
    pthread_mutex_unlock(&event->lock);
}

void kit_event_quiet(struct kit_event *event, unsigned count)
{
    pthread_mutex_lock(&event->lock);
    if (event->count == count)
        wait_for_change(event, count, A_MOMENT);
    if (event->count != count)
        FAIL("happened too early: %u, expected to stay %u", event->count, count);
    pthread_mutex_unlock(&event->lock);
}

static void *call_ends(struct kit_call *call)
{
    kit_event_post(&call->done);
    if (call->all != NULL)
        kit_event_post(call->all);
    return NULL;
}

void *kit_call_receives(void *argument)
{
    struct kit_call *call = argument;
    mach_msg_size_t size = call->size != 0 ? call->size : sizeof(call->message);
    kit_event_post(&call->started);
    call->result = mach_msg(&call->message.header, MACH_RCV_MSG | call->options, 0, size,
                            call->port, call->timeout, MACH_PORT_NULL);
    call->id = call->message.header.msgh_id;
    return call_ends(call);
}

void *kit_call_sends(void *argument)
{
    struct kit_call *call = argument;
    kit_header(&call->message.header, MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0),
               sizeof(call->message.header), call->port, MACH_PORT_NULL, call->id);
    kit_event_post(&call->started);
    call->result = kit_send(&call->message.header, call->options, call->timeout);
    return call_ends(call);
}

void kit_call_start(struct kit_call *call, void *(*run)(void *))
{
    call->started = call->done = (struct kit_event)KIT_EVENT_INIT;
    call->thread = kit_thread(run, call);
}

static void block(struct kit_call *call, void *(*run)(void *))
{
    kit_call_start(call, run);
    kit_event_wait(&call->started, 1);
    kit_event_quiet(&call->done, 0);
}

void kit_block_receiving(struct kit_call *call)
{
    block(call, kit_call_receives);
}

void kit_block_sending(struct kit_call *call)
{
    block(call, kit_call_sends);
}

mach_msg_return_t kit_call_end(struct kit_call *call)
{
    kit_event_wait(&call->done, 1);
    kit_join(call->thread);
    return call->result;
}

uint64_t kit_milliseconds(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000 + (uint64_t)time.tv_nsec / 1000000;
}

void kit_spin(unsigned microseconds)
{
    struct timespec start;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &start);
    do {
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while ((now.tv_sec - start.tv_sec) * 1000000 + (now.tv_nsec - start.tv_nsec) / 1000 <
             (long)microseconds);
}

void kit_become_ordinary(void)
{
    enum { NOBODY = 65534 };
    if (geteuid() != 0)
        return;
    ASSERT_SYS(setregid(NOBODY, NOBODY));
    ASSERT_SYS(setreuid(NOBODY, NOBODY));
#ifdef __linux__
    ASSERT_SYS(prctl(PR_SET_DUMPABLE, 1)); /* so that /proc/self is still ours to read */
#endif
}

void kit_wait_child(pid_t pid)
{
    int status = 0;
    ASSERT_EQ(pid, waitpid(pid, &status, 0));
    ASSERT_EQ(0, status);
}

unsigned kit_random(unsigned limit)
{
    static uint64_t state;
    uint64_t seen = __atomic_load_n(&state, __ATOMIC_RELAXED);
    if (seen == 0) {
        char text[32];
        const char *wanted = getenv("MACHOOL_TEST_SEED");
        uint64_t seed = wanted != NULL ? strtoull(wanted, NULL, 0)
                                       : (uint64_t)getpid() << 32 ^ kit_milliseconds();
        if (__atomic_compare_exchange_n(&state, &seen, seed | 1, false, __ATOMIC_RELAXED,
                                        __ATOMIC_RELAXED) &&
            wanted == NULL && parent_argument() == NULL) { /* peers keep quiet */
            snprintf(text, sizeof(text), "%llu", (unsigned long long)seed);
            setenv("MACHOOL_TEST_SEED", text, 1);
            fprintf(stderr, "    MACHOOL_TEST_SEED=%s\n", text);
        }
    }
    uint64_t value = __atomic_add_fetch(&state, 0x9e3779b97f4a7c15, __ATOMIC_RELAXED);
    value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9;
    value = (value ^ value >> 27) * 0x94d049bb133111eb;
    return (unsigned)((value ^ value >> 31) % limit);
}

void kit_service_name(char *text, size_t size)
{
    static unsigned number;
    snprintf(text, size, "com.example.machool-test.%d.%u", (int)getpid(), number++);
}

static void start_pair(struct kit_pair *ret_pair, const char *peer_name, const char *argument,
                       void (*start)(struct peer *, const char *, const char *))
{
    char service[BOOTSTRAP_MAX_NAME_LEN];
    char both[BOOTSTRAP_MAX_NAME_LEN + KIT_TEXT];
    struct plain_rcv hello;
    memset(ret_pair, 0, sizeof(*ret_pair));
    kit_service_name(service, sizeof(service));
    ret_pair->mine = kit_port();
    ASSERT_OK(bootstrap_register(bootstrap_port, service, ret_pair->mine));
    snprintf(both, sizeof(both), "%s %s", service, argument);
    start(&ret_pair->peer, peer_name, both);
    ASSERT_OK(kit_receive(&hello.header, sizeof(hello), ret_pair->mine, 0, PATIENCE));
    ASSERT_EQ(1, hello.header.msgh_id);
    ret_pair->theirs = hello.header.msgh_remote_port;
    ASSERT_EQ(MACH_PORT_TYPE_SEND, kit_type(ret_pair->theirs));
}

void kit_pair_start(struct kit_pair *ret_pair, const char *peer_name, const char *argument)
{
    start_pair(ret_pair, peer_name, argument, peer_start);
}

void kit_pair_start_forked(struct kit_pair *ret_pair, const char *peer_name, const char *argument)
{
    start_pair(ret_pair, peer_name, argument, peer_start_forked);
}

void kit_pair_drop(struct kit_pair *pair)
{
    kit_wait_dead(pair->theirs);
    kit_destroy(pair->theirs);
    kit_destroy(pair->mine);
}

void kit_pair_end(struct kit_pair *pair)
{
    peer_join(&pair->peer);
    kit_pair_drop(pair);
}

void kit_pair_join(struct kit_pair *ret_pair)
{
    char service[BOOTSTRAP_MAX_NAME_LEN];
    struct plain_msg hello;
    memset(ret_pair, 0, sizeof(*ret_pair));
    memset(&hello, 0, sizeof(hello));
    if (sscanf(parent_argument(), "%127s %63s", service, ret_pair->argument) < 1)
        FAIL("no service in \"%s\"", parent_argument());
    ASSERT_OK(bootstrap_look_up(bootstrap_port, service, &ret_pair->theirs));
    ret_pair->mine = kit_port();
    kit_header(&hello.header, MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MAKE_SEND),
               sizeof(hello.header), ret_pair->theirs, ret_pair->mine, 1);
    ASSERT_OK(kit_send(&hello.header, MACH_SEND_TIMEOUT, PATIENCE));
}

void kit_pair_leave(struct kit_pair *pair)
{
    kit_destroy(pair->mine);
    kit_deallocate(pair->theirs);
}
