/* Small limits: descriptors, address space, file size; as an ordinary user. Shortage is a code,
 * nothing is lost, and everything works again when there is room. */
#include "harness/mach_kit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#ifdef __linux__
#include <malloc.h>
#endif

enum { SOME = 20 };

static rlim_t set_limit(int resource, rlim_t soft)
{
    struct rlimit limit;
    ASSERT_SYS(getrlimit(resource, &limit));
    rlim_t before = limit.rlim_cur;
    limit.rlim_cur = soft;
    ASSERT_SYS(setrlimit(resource, &limit));
    return before;
}

/* Leaves room for so many more descriptors: gaps are filled, then the limit set. */
struct squeeze {
    rlim_t before;
    int filled[1024];
    unsigned count;
};

static void squeeze(struct squeeze *ret_squeeze, unsigned more)
{
    int highest = 0;
    ret_squeeze->count = 0;
    for (int fd = 0; fd < 4096; fd++)
        if (fcntl(fd, F_GETFD) >= 0)
            highest = fd;
    for (int fd; (fd = (int)ASSERT_SYS(dup(2))) < highest;) {
        ASSERT(ret_squeeze->count < 1024);
        ret_squeeze->filled[ret_squeeze->count++] = fd;
    }
    ASSERT_SYS(close(highest + 1));
    ret_squeeze->before = set_limit(RLIMIT_NOFILE, (rlim_t)highest + 1 + more);
}

static void release(struct squeeze *squeeze)
{
    set_limit(RLIMIT_NOFILE, squeeze->before);
    while (squeeze->count > 0)
        close(squeeze->filled[--squeeze->count]);
}

static mach_msg_return_t send_region(mach_port_t to, size_t size, unsigned seed)
{
    struct ool_msg message;
    void *memory = kit_allocate(size);
    kit_fill(memory, size, seed);
    kit_ool_msg(&message, to, (mach_msg_id_t)seed, memory, size, 1, false);
    mach_msg_return_t result = kit_send(&message.header, MACH_SEND_TIMEOUT, PATIENCE);
    kit_free(memory, size);
    return result;
}

static void check_region(const struct ool_rcv *received, size_t size, unsigned seed)
{
    ASSERT_EQ(seed, received->header.msgh_id);
    ASSERT_EQ(size, received->ool[0].size);
    ASSERT_FILLED(received->ool[0].address, size, seed);
    kit_free(received->ool[0].address, size);
}

PEER(limits_sender)
{
    struct kit_pair pair;
    kit_pair_join(&pair);
    parent_hear();
    for (unsigned i = 0; i < SOME; i++)
        ASSERT_OK(send_region(pair.theirs, 1 << 20, i));
    parent_tell();
    parent_hear();
    kit_pair_leave(&pair);
}

static void start_sender(struct kit_pair *pair)
{
    kit_pair_start_forked(pair, "limits_sender", "");
    kit_set_qlimit(pair->mine, 1024);
    peer_tell(&pair->peer);
    peer_hear(&pair->peer);
}

/* Twenty regions wait, each a descriptor on its way, and there is room for none or a few. */
static void receive_with_room_for(unsigned descriptors)
{
    struct kit_pair pair;
    struct ool_rcv received;
    unsigned next = 0;
    start_sender(&pair);
    struct squeeze tight;
    squeeze(&tight, descriptors);
    for (int i = 0; i < SOME; i++) {
        mach_msg_return_t result = kit_receive(&received.header, sizeof(received), pair.mine, 0,
                                               20);
        if (result != MACH_MSG_SUCCESS)
            break; /* a code, whichever it is */
        check_region(&received, 1 << 20, next++);
    }
    release(&tight);
    while (next < SOME) {
        ASSERT_OK(kit_receive(&received.header, sizeof(received), pair.mine, 0, PATIENCE));
        check_region(&received, 1 << 20, next++);
    }
    kit_expect_nothing(pair.mine);
    peer_tell(&pair.peer);
    kit_pair_end(&pair);
}

TEST(receiver_without_descriptors_loses_nothing)
{
    kit_become_ordinary();
    receive_with_room_for(0);
}

TEST(receiver_with_few_descriptors_loses_nothing)
{
    kit_become_ordinary();
    for (unsigned room = 1; room < 6; room++)
        receive_with_room_for(room);
}

/* The sender has no descriptor to make an object with: a code, and no harm. */
TEST(sender_without_descriptors)
{
    struct kit_pair pair;
    struct ool_rcv received;
    kit_become_ordinary();
    start_sender(&pair);
    mach_port_t port = kit_port();
    for (unsigned room = 0; room < 3; room++) {
        struct squeeze tight;
        squeeze(&tight, room);
        for (unsigned i = 0; i < 8; i++) {
            mach_msg_return_t result = send_region(port, (1 << 20) + 1, i);
            if (result == MACH_MSG_SUCCESS) {
                ASSERT_OK(kit_receive(&received.header, sizeof(received), port, 0, 0));
                check_region(&received, (1 << 20) + 1, i);
            } else if (result != MACH_MSG_VM_KERNEL) {
                ASSERT_CODE(MACH_SEND_NO_BUFFER, result);
            }
        }
        release(&tight);
        ASSERT_OK(send_region(port, (1 << 20) + 1, 9));
        ASSERT_OK(kit_receive(&received.header, sizeof(received), port, 0, 0));
        check_region(&received, (1 << 20) + 1, 9);
    }
    kit_destroy(port);
    for (unsigned i = 0; i < SOME; i++) {
        ASSERT_OK(kit_receive(&received.header, sizeof(received), pair.mine, 0, PATIENCE));
        check_region(&received, 1 << 20, i);
    }
    peer_tell(&pair.peer);
    kit_pair_end(&pair);
}

/* Descriptors in flight are limited for each user: a receiver that does not run makes the sender
 * feel it as a code, and what was taken arrives. */
PEER(limits_flood)
{
    struct kit_pair pair;
    unsigned sent = 0;
    kit_pair_join(&pair);
    parent_hear();
    set_limit(RLIMIT_NOFILE, 64);
    for (; sent < 400; sent++) {
        mach_msg_return_t result = send_region(pair.theirs, 1 << 18, sent);
        if (result == MACH_MSG_SUCCESS)
            continue;
        if (result != MACH_MSG_VM_KERNEL && result != MACH_SEND_TIMED_OUT)
            ASSERT_CODE(MACH_SEND_NO_BUFFER, result);
        break;
    }
    kit_send_plain(pair.theirs, (mach_msg_id_t)(100000 + sent));
    parent_tell();
    parent_hear();
    kit_pair_leave(&pair);
}

static void *let_it_run(void *argument)
{
    peer_tell(argument);
    peer_hear(argument);
    return NULL;
}

TEST_FOR(flood_of_descriptors_in_flight, 60)
{
    struct kit_pair pair;
    struct ool_rcv received;
    unsigned next = 0;
    kit_become_ordinary();
    kit_pair_start_forked(&pair, "limits_flood", "");
    kit_set_qlimit(pair.mine, 1024);
    pthread_t thread = kit_thread(let_it_run, &pair.peer);
    uint64_t start = kit_milliseconds();
    while (kit_milliseconds() - start < 300) /* not receiving */
        ;
    for (;;) {
        ASSERT_OK(kit_receive(&received.header, sizeof(received), pair.mine, 0, 2 * PATIENCE));
        if (received.header.msgh_id >= 100000)
            break;
        check_region(&received, 1 << 18, next++);
    }
    ASSERT_EQ(100000 + next, received.header.msgh_id); /* all that were said to be sent */
    kit_join(thread);
    peer_tell(&pair.peer);
    kit_pair_end(&pair);
}

static rlim_t limit_address_space(size_t more)
{
    GATE_DARWIN("the kernel does not enforce RLIMIT_AS");
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    ASSERT(file != NULL);
    ASSERT_EQ(1, fscanf(file, "%lu", &pages));
    (void)fclose(file);
    return set_limit(RLIMIT_AS, pages * vm_page_size + more);
}

TEST(S174_no_address_space_to_allocate)
{
    vm_address_t address = 0;
    kit_become_ordinary();
    rlim_t before = limit_address_space(8 << 20);
    ASSERT_CODE(KERN_NO_SPACE,
                vm_allocate(mach_task_self(), &address, 64 << 20, VM_FLAGS_ANYWHERE));
    set_limit(RLIMIT_AS, before);
    kit_free(kit_allocate(64 << 20), 64 << 20);
}

TEST(sender_without_address_space)
{
    const size_t size = 16 << 20;
    mach_port_t port = kit_port();
    struct ool_rcv received;
    kit_become_ordinary();
    char *memory = malloc(size);
    ASSERT(memory != NULL);
    kit_fill(memory, size, 3);
    rlim_t before = limit_address_space(1 << 20);
    struct ool_msg message;
    kit_ool_msg(&message, port, 3, memory, size, 1, false);
    mach_msg_return_t result = kit_send(&message.header, MACH_SEND_TIMEOUT, 0);
    set_limit(RLIMIT_AS, before);
    if (result == MACH_MSG_SUCCESS) {
        ASSERT_OK(kit_receive(&received.header, sizeof(received), port, 0, 0));
        check_region(&received, size, 3);
    } else {
        ASSERT_CODE(MACH_MSG_VM_KERNEL, result);
    }
    free(memory);
    kit_destroy(port);
}

/* The file size limit counts for memory objects too, and breaking it is a signal. */
TEST(file_size_limit_kills_nobody)
{
    mach_port_t port = kit_port();
    struct ool_rcv received;
    char *foreign = malloc(1 << 20);
    ASSERT(foreign != NULL);
    rlim_t before = set_limit(RLIMIT_FSIZE, 4096);
    vm_address_t address = 0;
    kern_return_t allocated = vm_allocate(mach_task_self(), &address, 1 << 20, VM_FLAGS_ANYWHERE);
    if (allocated == KERN_SUCCESS) {
        memset((void *)address, 1, 1 << 20);
        kit_free((void *)address, 1 << 20);
    }
    struct ool_msg message;
    kit_header(&message.header, MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0) | MACH_MSGH_BITS_COMPLEX,
               OOL_MSG_SIZE(1), port, MACH_PORT_NULL, 3);
    message.body.msgh_descriptor_count = 1;
    memset(foreign, 7, 1 << 20);
    kit_ool(&message.ool[0], foreign, 1 << 20, 1, false);
    mach_msg_return_t result = kit_send(&message.header, MACH_SEND_TIMEOUT, 0);
    set_limit(RLIMIT_FSIZE, before);
    if (result == MACH_MSG_SUCCESS) {
        ASSERT_OK(kit_receive(&received.header, sizeof(received), port, 0, 0));
        ASSERT_ALL(7, received.ool[0].address, 1 << 20);
        kit_free(received.ool[0].address, 1 << 20);
    } else {
        ASSERT_CODE(MACH_MSG_VM_KERNEL, result);
    }
    free(foreign);
    kit_destroy(port);
}

/* Ports and rights cost no descriptor. */
TEST(thousands_of_rights_with_few_descriptors)
{
    enum { MANY = 3000 };
    static mach_port_t ports[MANY];
    kit_become_ordinary();
    struct squeeze tight;
    squeeze(&tight, 4);
    for (int i = 0; i < MANY; i++)
        ports[i] = kit_port();
    for (int i = 0; i < MANY; i++) {
        kit_send_plain(ports[i], i);
        kit_expect_plain(ports[i], i);
        kit_destroy(ports[i]);
    }
    release(&tight);
}

static size_t heap_in_use(void)
{
#ifdef __GLIBC__
    return mallinfo2().uordblks;
#else
    return 0;
#endif
}

PEER(limits_echo)
{
    struct kit_pair pair;
    kit_pair_join(&pair);
    for (;;) {
        struct ool_rcv request;
        ASSERT_OK(kit_receive(&request.header, sizeof(request), pair.mine, 0, PATIENCE));
        if ((request.header.msgh_bits & MACH_MSGH_BITS_COMPLEX) == 0)
            break;
        kit_header(&request.header,
                   MACH_MSGH_BITS(MACH_MSG_TYPE_MOVE_SEND_ONCE, 0) | MACH_MSGH_BITS_COMPLEX,
                   OOL_MSG_SIZE(1), request.header.msgh_remote_port, MACH_PORT_NULL, 2);
        request.ool[0].deallocate = TRUE;
        ASSERT_OK(kit_send(&request.header, MACH_SEND_TIMEOUT, PATIENCE));
    }
    kit_pair_leave(&pair);
}

/* Many messages with regions and send-once rights: nothing grows. */
TEST_FOR(nothing_grows_over_many_messages, 60)
{
    struct kit_pair pair;
    size_t warm = 0;
    mach_port_t reply = kit_receive_right();
    kit_pair_start(&pair, "limits_echo", "");
    for (int i = 0; i < 20000; i++) {
        struct ool_rcv message;
        size_t size = i % 8 == 0 ? 1 << 17 : 500;
        char *memory = kit_allocate(size);
        memory[0] = (char)i;
        kit_header(&message.header,
                   MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MAKE_SEND_ONCE) |
                       MACH_MSGH_BITS_COMPLEX,
                   OOL_MSG_SIZE(1), pair.theirs, reply, 1);
        message.body.msgh_descriptor_count = 1;
        kit_ool(&message.ool[0], memory, size, 1, true);
        ASSERT_OK(mach_msg(&message.header, MACH_SEND_MSG | MACH_RCV_MSG | MACH_RCV_TIMEOUT,
                           OOL_MSG_SIZE(1), sizeof(message), reply, PATIENCE, MACH_PORT_NULL));
        ASSERT_EQ((char)i, *(char *)message.ool[0].address);
        kit_free(message.ool[0].address, size);
        if (i == 2000)
            warm = heap_in_use();
    }
    ASSERT_EQ(warm, heap_in_use());
    kit_send_plain(pair.theirs, 0);
    kit_destroy(reply);
    kit_pair_end(&pair);
}

/* Programs that close all descriptors they do not know of. What the layer had is gone then; it
 * must not hang, crash, or use a stranger's descriptor. */
PEER(limits_closes_all)
{
    struct kit_pair pair;
    struct plain_rcv received;
    kit_pair_join(&pair);
    parent_hear();
    for (int fd = 3; fd < 256; fd++)
        (void)close(fd);
    mach_port_t port = kit_port();
    kit_send_plain(port, 1);
    kit_expect_plain(port, 1); /* within the task nothing needs a descriptor */
    (void)kit_receive(&received.header, sizeof(received), pair.mine, 0, 50);
    (void)kit_try_plain(pair.theirs, MACH_MSG_TYPE_COPY_SEND, 2, 50);
    (void)mach_port_destroy(mach_task_self(), pair.mine);
    (void)mach_port_destroy(mach_task_self(), port);
}

TEST(all_descriptors_closed_behind_the_back)
{
    struct kit_pair pair;
    kit_pair_start(&pair, "limits_closes_all", "");
    peer_tell(&pair.peer);
    kit_pair_end(&pair);
}

/* What the layer has open here, by what /proc says it is. */
static unsigned count_layer_descriptors(void)
{
    unsigned count = 0;
    for (int fd = 3; fd < 256; fd++) {
        char path[64];
        char target[256];
        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        ssize_t length = readlink(path, target, sizeof(target) - 1);
        target[length > 0 ? length : 0] = '\0';
        if (strncmp(target, "/memfd:machool", 14) == 0 || strncmp(target, "anon_inode:", 11) == 0 ||
            strncmp(target, "socket:", 7) == 0) {
            fprintf(stderr, "    descriptor %d: %s\n", fd, target);
            count++;
        }
    }
    return count;
}

/* A child that held on to a socket or to memory of its parent would keep both alive. */
TEST(S142_child_holds_no_descriptor_of_its_parent)
{
    GATE_DARWIN("the kernel holds rights and memory in transit, no descriptor does");
    struct kit_pair pair;
    kit_pair_start(&pair, "limits_echo", "");
    mach_port_t port = kit_port();
    ASSERT_OK(send_region(port, 1 << 20, 1)); /* memory in a queue */
    char *memory = kit_allocate(1 << 20);     /* and in a region */
    memory[0] = 1;
    pid_t pid = (pid_t)ASSERT_SYS(fork());
    if (pid == 0) {
        ASSERT_EQ(1, memory[0]);
        kit_free(memory, 1 << 20);
        ASSERT_EQ(0, count_layer_descriptors());
        _exit(0);
    }
    kit_wait_child(pid);
    kit_free(memory, 1 << 20);
    kit_destroy(port);
    kit_send_plain(pair.theirs, 0);
    kit_pair_end(&pair);
}
