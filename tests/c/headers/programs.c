/*
 * Small programs as people write them, each in the manner of a kind that exists: a first experiment,
 * a library with macros of its own, a debugging aid, a port of something older. They have to compile
 * under -Wall -Wextra as they stand, in every C from C99 on, here and on macOS; none is run.
 *
 * People compile without -Wconversion, so it is off here.
 */
#include <mach/mach.h>
#include <mach/mach_time.h>
#include <mach/mach_vm.h>
#include <servers/bootstrap.h>
#include <stdio.h>
#include <stdlib.h>

#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"

/* What their authors repeat from the system's headers, in case those lack it. */
#ifndef MACH_MSGH_BITS_REMOTE_MASK
#error "a fall-back that would be taken"
#endif
#ifndef MACH_RCV_TRAILER_AUDIT
#error "a fall-back that would be taken"
#endif
extern kern_return_t mach_vm_read_overwrite(vm_map_t target_task, mach_vm_address_t address,
                                            mach_vm_size_t size, mach_vm_address_t data,
                                            mach_vm_size_t *outsize);
extern kern_return_t mach_vm_protect(vm_map_t, mach_vm_address_t, mach_vm_size_t, boolean_t,
                                     vm_prot_t);
extern kern_return_t bootstrap_look_up(mach_port_t bp, const char *service_name, mach_port_t *sp);
extern mach_port_t bootstrap_port;

/* A first experiment: two functions, one struct, exit codes. */

#define SERVICE_NAME "org.example.first"
#define MSG_ID 42

typedef struct {
    mach_msg_header_t header;
    int value;
} simple_send_msg;

typedef struct {
    mach_msg_header_t header;
    int value;
    mach_msg_trailer_t trailer;
} simple_recv_msg;

static void first_server(void)
{
    mach_port_t port;
    simple_recv_msg msg;
    kern_return_t ret = mach_port_allocate(mach_task_self(), MACH_PORT_RIGHT_RECEIVE, &port);
    if (ret != KERN_SUCCESS) {
        fprintf(stderr, "mach_port_allocate() failed: %s\n", mach_error_string(ret));
        exit(EXIT_FAILURE);
    }
    if (mach_port_insert_right(mach_task_self(), port, port, MACH_MSG_TYPE_MAKE_SEND)) {
        perror("mach_port_insert_right");
        exit(1);
    }
    ret = bootstrap_register(bootstrap_port, (char *)SERVICE_NAME, port);
    if (ret) {
        mach_error("bootstrap_register", ret);
        exit(ret);
    }
    while (1) {
        memset(&msg, 0, sizeof msg);
        msg.header.msgh_size = sizeof msg;
        ret = mach_msg(&msg.header, MACH_RCV_MSG, 0, sizeof(msg), port, MACH_MSG_TIMEOUT_NONE,
                       MACH_PORT_NULL);
        if (ret != MACH_MSG_SUCCESS)
            break;
        printf("got %d (id %d, %d bytes) from port %d\n", msg.value, msg.header.msgh_id,
               msg.header.msgh_size, msg.header.msgh_remote_port);
    }
}

static int first_client(void)
{
    mach_port_t port;
    simple_send_msg msg = {
        .header = {.msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0),
                   .msgh_size = sizeof(msg),
                   .msgh_local_port = MACH_PORT_NULL,
                   .msgh_voucher_port = MACH_PORT_NULL,
                   .msgh_id = MSG_ID},
        .value = 12,
    };
    if (bootstrap_look_up(bootstrap_port, SERVICE_NAME, &port) != KERN_SUCCESS)
        return EXIT_FAILURE;
    msg.header.msgh_remote_port = port;
    return mach_msg_send(&msg.header);
}

/* Handing the own task's port to a child through the bootstrap port, as debuggers do. */

typedef struct {
    mach_msg_header_t header;
    mach_msg_body_t body;
    mach_msg_port_descriptor_t task_port;
} msg_format_send_t;

typedef struct {
    mach_msg_header_t header;
    mach_msg_body_t body;
    mach_msg_port_descriptor_t task_port;
    mach_msg_trailer_t trailer;
} msg_format_recv_t;

static int setup_recv_port(mach_port_t *recv_port)
{
    kern_return_t err;
    mach_port_t port = MACH_PORT_NULL;
    if ((err = mach_port_allocate(mach_task_self(), MACH_PORT_RIGHT_RECEIVE, &port)) != 0)
        return mach_error("mach_port_allocate failed:", err), 1;
    err = mach_port_insert_right(mach_task_self(), port, port, MACH_MSG_TYPE_MAKE_SEND);
    if (err)
        return 1;
    *recv_port = port;
    return 0;
}

static int send_port(mach_port_t remote_port, mach_port_t port)
{
    msg_format_send_t msg;
    msg.header.msgh_remote_port = remote_port;
    msg.header.msgh_local_port = MACH_PORT_NULL;
    msg.header.msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0) | MACH_MSGH_BITS_COMPLEX;
    msg.header.msgh_size = sizeof msg;
    msg.header.msgh_reserved = 0;
    msg.header.msgh_id = 0;
    msg.body.msgh_descriptor_count = 1;
    msg.task_port.name = port;
    msg.task_port.disposition = MACH_MSG_TYPE_COPY_SEND;
    msg.task_port.type = MACH_MSG_PORT_DESCRIPTOR;
    return mach_msg_send(&msg.header);
}

static int fork_and_take_port(void)
{
    mach_port_t parent_recv_port = MACH_PORT_NULL, child = MACH_PORT_NULL;
    mach_port_t saved = bootstrap_port;
    msg_format_recv_t msg;
    if (setup_recv_port(&parent_recv_port) != 0)
        return -1;
    task_set_bootstrap_port(mach_task_self(), parent_recv_port);
    switch (fork()) {
    case -1:
        mach_port_deallocate(mach_task_self(), parent_recv_port);
        return -1;
    case 0:
        task_get_bootstrap_port(mach_task_self(), &parent_recv_port);
        if (send_port(parent_recv_port, mach_task_self()))
            _exit(1);
        execl("/bin/true", "true", NULL);
        _exit(0);
    default:
        task_set_bootstrap_port(mach_task_self(), saved);
        if (mach_msg(&msg.header, MACH_RCV_MSG, 0, sizeof msg, parent_recv_port,
                     MACH_MSG_TIMEOUT_NONE, MACH_PORT_NULL) == KERN_SUCCESS)
            child = msg.task_port.name;
    }
    return child == MACH_PORT_NULL;
}

/* A library: one buffer for everything, options put together, the trailer found behind. */

#define LIB_MAX 4096
#define LIB_ASSERT(e) ((e) ? (void)0 : abort())

union lib_message {
    mach_msg_header_t hdr;
    mach_msg_empty_rcv_t empty;
    mach_no_senders_notification_t no_senders;
    mach_dead_name_notification_t dead;
    uint8_t raw[LIB_MAX + MAX_TRAILER_SIZE];
};

static bool lib_receive(mach_port_t port, unsigned timeout_ms, uid_t *uid)
{
    static union lib_message msg;
    const mach_msg_audit_trailer_t *trailer;
    const mach_msg_option_t options = MACH_RCV_MSG | MACH_RCV_LARGE | MACH_RCV_LARGE_IDENTITY |
                                      (timeout_ms ? MACH_RCV_TIMEOUT : 0) |
                                      MACH_RCV_TRAILER_TYPE(MACH_MSG_TRAILER_FORMAT_0) |
                                      MACH_RCV_TRAILER_ELEMENTS(MACH_RCV_TRAILER_AUDIT);
    const mach_msg_return_t mr = mach_msg(&msg.hdr, options, 0, sizeof(msg), port, timeout_ms, 0);
    switch (mr) {
    case MACH_MSG_SUCCESS:
        break;
    case MACH_RCV_TOO_LARGE: {
        mach_msg_size_t needed = msg.hdr.msgh_size + REQUESTED_TRAILER_SIZE(options);
        free(malloc(needed));
        return false;
    }
    case MACH_RCV_TIMED_OUT:
    case MACH_RCV_INTERRUPTED:
        return false;
    default:
        fprintf(stderr, "receive: %#x %s\n", mr, mach_error_string(mr));
        return false;
    }
    trailer = (const mach_msg_audit_trailer_t *)(msg.raw + round_msg(msg.hdr.msgh_size));
    LIB_ASSERT(trailer->msgh_trailer_type == MACH_MSG_TRAILER_FORMAT_0);
    LIB_ASSERT(trailer->msgh_trailer_size >= sizeof(*trailer));
    *uid = trailer->msgh_audit.val[1];
    switch (msg.hdr.msgh_id) {
    case MACH_NOTIFY_NO_SENDERS:
        return msg.no_senders.not_count == 0;
    case MACH_NOTIFY_DEAD_NAME:
        mach_port_deallocate(mach_task_self(), msg.dead.not_port);
        break;
    case MACH_NOTIFY_SEND_ONCE:
        break;
    default:
        mach_msg_destroy(&msg.hdr);
    }
    return true;
}

static kern_return_t lib_watch(mach_port_name_t name, mach_port_t notify)
{
    mach_port_t previous;
    kern_return_t kr = mach_port_request_notification(mach_task_self(), name, MACH_NOTIFY_DEAD_NAME,
                                                      0, notify, MACH_MSG_TYPE_MAKE_SEND_ONCE,
                                                      &previous);
    if (kr == KERN_SUCCESS && previous != MACH_PORT_NULL)
        (void)mach_port_deallocate(mach_task_self(), previous);
    return kr;
}

static kern_return_t lib_make_port(mach_port_t *ret_port, uintptr_t context)
{
    mach_port_options_t options = {
        .flags = MPO_CONTEXT_AS_GUARD | MPO_QLIMIT | MPO_STRICT | MPO_INSERT_SEND_RIGHT,
        .mpl = {.mpl_qlimit = MACH_PORT_QLIMIT_LARGE},
    };
    struct mach_port_limits limits = {1};
    mach_port_status_t status;
    mach_msg_type_number_t count = MACH_PORT_RECEIVE_STATUS_COUNT;
    kern_return_t kr = mach_port_construct(mach_task_self(), &options, context, ret_port);
    if (kr != KERN_SUCCESS)
        return kr;
    kr = mach_port_get_attributes(mach_task_self(), *ret_port, MACH_PORT_RECEIVE_STATUS,
                                  (mach_port_info_t)&status, &count);
    if (kr == KERN_SUCCESS && status.mps_msgcount == status.mps_qlimit)
        kr = mach_port_set_attributes(mach_task_self(), *ret_port, MACH_PORT_LIMITS_INFO,
                                      (mach_port_info_t)&limits, MACH_PORT_LIMITS_INFO_COUNT);
    return kr ? kr : mach_port_destruct(mach_task_self(), *ret_port, -1, context);
}

/* Descriptors one after the other, of any kind. */

static void walk_descriptors(mach_msg_base_t *base)
{
    uint8_t *at = (uint8_t *)(base + 1);
    for (mach_msg_size_t i = 0; i < base->body.msgh_descriptor_count; i++) {
        mach_msg_descriptor_t *d = (mach_msg_descriptor_t *)at;
        switch (d->type.type) {
        case MACH_MSG_PORT_DESCRIPTOR:
            if (d->port.disposition == MACH_MSG_TYPE_PORT_SEND)
                mach_port_deallocate(mach_task_self(), d->port.name);
            else if (d->port.disposition == MACH_MSG_TYPE_PORT_RECEIVE)
                mach_port_mod_refs(mach_task_self(), d->port.name, MACH_PORT_RIGHT_RECEIVE, -1);
            at += sizeof(mach_msg_port_descriptor_t);
            break;
        case MACH_MSG_OOL_DESCRIPTOR:
        case MACH_MSG_OOL_VOLATILE_DESCRIPTOR:
            printf("%p: %u bytes, copy %d\n", d->out_of_line.address, d->out_of_line.size,
                   d->out_of_line.copy);
            vm_deallocate(mach_task_self(), (vm_address_t)d->out_of_line.address,
                          d->out_of_line.size);
            at += sizeof(mach_msg_ool_descriptor_t);
            break;
        case MACH_MSG_OOL_PORTS_DESCRIPTOR: {
            mach_port_t *ports = d->ool_ports.address;
            for (unsigned j = 0; j < d->ool_ports.count; ++j)
                mach_port_deallocate(mach_task_self(), ports[j]);
            vm_deallocate(mach_task_self(), (vm_address_t)ports,
                          d->ool_ports.count * sizeof(mach_port_t));
            at += sizeof(mach_msg_ool_ports_descriptor_t);
            break;
        }
        default:
            return;
        }
    }
}

/* A demultiplexer for mach_msg_server. */

static boolean_t demux(mach_msg_header_t *request, mach_msg_header_t *reply)
{
    mig_reply_error_t *error = (mig_reply_error_t *)reply;
    reply->msgh_bits = MACH_MSGH_BITS(MACH_MSGH_BITS_REMOTE(request->msgh_bits), 0);
    reply->msgh_remote_port = request->msgh_remote_port;
    reply->msgh_local_port = MACH_PORT_NULL;
    reply->msgh_size = sizeof(*error);
    reply->msgh_id = request->msgh_id + 100;
    error->NDR = NDR_record;
    error->RetCode = request->msgh_id == 1 ? KERN_SUCCESS : MIG_BAD_ID;
    return error->RetCode == KERN_SUCCESS ? TRUE : FALSE;
}

static mach_msg_return_t serve(mach_port_t port)
{
    return mach_msg_server(demux, LIB_MAX, port, MACH_MSG_TIMEOUT_NONE);
}

/* A debugging aid that prints the memory map. */

static const char *share_mode(unsigned char mode)
{
    switch (mode) {
    case SM_COW:
        return "COW";
    case SM_PRIVATE:
        return "PRV";
    case SM_EMPTY:
        return "NUL";
    case SM_SHARED:
    case SM_TRUESHARED:
        return "SHM";
    default:
        return "???";
    }
}

static void print_map(task_t task)
{
    mach_vm_address_t address = 0;
    mach_vm_size_t size = 0;
    natural_t depth = 0;
    for (;; address += size) {
        vm_region_submap_info_data_64_t info;
        mach_msg_type_number_t count = VM_REGION_SUBMAP_INFO_COUNT_64;
        if (mach_vm_region_recurse(task, &address, &size, &depth, (vm_region_recurse_info_t)&info,
                                   &count) != KERN_SUCCESS)
            break;
        if (info.is_submap) {
            depth++;
            size = 0;
            continue;
        }
        printf("%016lx-%016lx %c%c%c %s %u\n", (unsigned long)address,
               (unsigned long)(address + size), info.protection & VM_PROT_READ ? 'r' : '-',
               info.protection & VM_PROT_WRITE ? 'w' : '-',
               info.protection & VM_PROT_EXECUTE ? 'x' : '-', share_mode(info.share_mode),
               info.pages_resident);
    }
}

static int print_names(void)
{
    mach_port_name_array_t names;
    mach_port_type_array_t types;
    mach_msg_type_number_t ncount, tcount;
    kern_return_t kr = mach_port_names(mach_task_self(), &names, &ncount, &types, &tcount);
    if (kr)
        return kr;
    for (mach_msg_type_number_t i = 0; i < ncount; i++) {
        mach_port_urefs_t refs = 0;
        mach_port_get_refs(mach_task_self(), names[i], MACH_PORT_RIGHT_SEND, &refs);
        printf("0x%08x %s%s%s %d\n", names[i], types[i] & MACH_PORT_TYPE_RECEIVE ? "recv " : "",
               types[i] & MACH_PORT_TYPE_SEND ? "send " : "",
               types[i] & MACH_PORT_TYPE_DEAD_NAME ? "dead" : "", refs);
    }
    vm_deallocate(mach_task_self(), (vm_address_t)names, ncount * sizeof(*names));
    vm_deallocate(mach_task_self(), (vm_address_t)types, tcount * sizeof(*types));
    return 0;
}

/* How much memory, how many processors, how long: what benchmarks ask. */

static size_t resident_set(void)
{
    struct mach_task_basic_info info;
    mach_msg_type_number_t infoCount = MACH_TASK_BASIC_INFO_COUNT;
    if (task_info(mach_task_self(), MACH_TASK_BASIC_INFO, (task_info_t)&info, &infoCount) !=
        KERN_SUCCESS)
        return (size_t)0L;
    return (size_t)info.resident_size;
}

static double cpu_seconds(void)
{
    task_thread_times_info_data_t times;
    thread_basic_info_data_t tinfo;
    mach_msg_type_number_t count = TASK_THREAD_TIMES_INFO_COUNT;
    mach_msg_type_number_t tcount = THREAD_BASIC_INFO_COUNT;
    thread_port_t thread = mach_thread_self();
    task_info(mach_task_self(), TASK_THREAD_TIMES_INFO, (task_info_t)&times, &count);
    if (thread_info(thread, THREAD_BASIC_INFO, (thread_info_t)&tinfo, &tcount) == KERN_SUCCESS &&
        (tinfo.flags & TH_FLAGS_IDLE) == 0)
        time_value_add(&times.user_time, &tinfo.user_time);
    mach_port_deallocate(mach_task_self(), thread);
    return times.user_time.seconds + times.user_time.microseconds * 10e-6;
}

static int processors(void)
{
    host_basic_info_data_t hostinfo;
    mach_msg_type_number_t count = HOST_BASIC_INFO_COUNT;
    host_t host = mach_host_self();
    vm_size_t page;
    host_page_size(host, &page);
    if (host_info(host, HOST_BASIC_INFO, (host_info_t)&hostinfo, &count) != KERN_SUCCESS)
        return 1;
    if (hostinfo.cpu_type == CPU_TYPE_X86_64 || hostinfo.cpu_type == CPU_TYPE_ARM64)
        return hostinfo.physical_cpu;
    return hostinfo.avail_cpus;
}

static uint64_t now_ns(void)
{
    static mach_timebase_info_data_t timebase;
    if (timebase.denom == 0)
        (void)mach_timebase_info(&timebase);
    return mach_absolute_time() * timebase.numer / timebase.denom;
}

static void become_real_time(double period_ms)
{
    struct thread_time_constraint_policy ttcpolicy;
    mach_timebase_info_data_t tb;
    mach_timebase_info(&tb);
    ttcpolicy.period = (uint32_t)(period_ms * NSEC_PER_MSEC * tb.denom / tb.numer);
    ttcpolicy.computation = ttcpolicy.period / 4;
    ttcpolicy.constraint = ttcpolicy.period / 2;
    ttcpolicy.preemptible = 1;
    if (thread_policy_set(mach_thread_self(), THREAD_TIME_CONSTRAINT_POLICY,
                          (thread_policy_t)&ttcpolicy,
                          THREAD_TIME_CONSTRAINT_POLICY_COUNT) != KERN_SUCCESS)
        fprintf(stderr, "set_realtime() failed.\n");
}

/* Shared memory by a memory entry. */

static void *share(memory_object_size_t size, mach_port_t *handle)
{
    mach_vm_address_t address = 0, other = 0;
    if (mach_vm_allocate(mach_task_self(), &address, size, VM_FLAGS_ANYWHERE) ||
        mach_make_memory_entry_64(mach_task_self(), &size, address,
                                  MAP_MEM_NAMED_CREATE | VM_PROT_DEFAULT, handle, MACH_PORT_NULL))
        return NULL;
    if (mach_vm_map(mach_task_self(), &other, size, 0, VM_FLAGS_ANYWHERE, *handle, 0, FALSE,
                    VM_PROT_READ | VM_PROT_WRITE, VM_PROT_ALL, VM_INHERIT_NONE))
        return NULL;
    return (void *)other;
}

/* From the days of the first Mach: BSD's strings, truth values for flags. */

static kern_return_t old_style(mach_port_t port)
{
    kern_return_t r;
    vm_address_t data = 0;
    vm_size_t len = PAGE_SIZE;
    natural_t mask = 0;
    integer_t tries = 3;
    if ((r = vm_allocate(mach_task_self(), &data, len, TRUE)) != KERN_SUCCESS)
        return (r);
    bzero((char *)data, len);
    bcopy("mach", (char *)data, 5);
    while (tries-- > 0 && mask != (natural_t)~0)
        mask |= 1 << tries;
    r = mach_port_move_member(mach_task_self(), port, MACH_PORT_NULL);
    return (vm_deallocate(mach_task_self(), data, len) == KERN_SUCCESS ? r : KERN_FAILURE);
}

/* All of them, so that none is unused. */
extern const void *const programs[];
const void *const programs[] = {
    first_server,     first_client, fork_and_take_port, lib_receive, lib_watch,    lib_make_port,
    walk_descriptors, serve,        print_map,          print_names, resident_set, cpu_seconds,
    processors,       now_ns,       become_real_time,   share,       old_style,
};
