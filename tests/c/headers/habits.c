/*
 * Habits of sources written for Mach, gathered from those that exist. None of it is to be imitated,
 * all of it has to compile without a warning, here and on macOS: it is compiled and never run.
 *
 * In particular there is no #include <string.h>, <stdbool.h> or <unistd.h> below.
 */
#include <AvailabilityMacros.h>
#include <bootstrap.h>
#include <mach/mach.h>
#include <mach/mach_time.h>
#include <mach/mach_vm.h>
#include <mach/notify.h>
#include <mach/vm_region.h>
#include <servers/bootstrap.h>
#include <stdio.h>

#define PROGRAM_ERROR 0xffffff01 /* a code of the program's own, outside of all of Mach's */

#define CHECK(call)                                                                                \
    do {                                                                                           \
        kern_return_t kr_ = (call);                                                                \
        if (kr_ != KERN_SUCCESS) {                                                                 \
            mach_error(#call ":", kr_);                                                            \
            return kr_;                                                                            \
        }                                                                                          \
    } while (0)

/* A message as one flat struct, descriptors and trailer included, and no packing pragma. */
typedef struct {
    mach_msg_header_t header;
    mach_msg_size_t msgh_descriptor_count;
    mach_msg_ool_descriptor_t descriptor;
} OOLMessage;

typedef struct {
    OOLMessage message;
    mach_msg_trailer_t trailer;
} OOLReceiveMessage;

typedef struct {
    mach_msg_header_t header;
    char bodyStr[32];
    int bodyInt;
} Message;

typedef struct {
    Message message;
    mach_msg_trailer_t trailer;
} ReceiveMessage;

int local_variable_called_bootstrap_port(mach_port_t *service);
int both_names_of_the_voucher_field(mach_msg_header_t *header);
int names_of_both_types_mix(void);
int strings_without_their_header(Message *message);
int unix_without_its_header(void);
int ool_reply(mach_port_name_t replyPort, const ReceiveMessage *request);
mach_msg_return_t receive_with_a_fraction(mach_port_name_t port, OOLReceiveMessage *buffer);
int codes_in_a_switch(mach_msg_return_t ret);
int printing(mach_port_t port, vm_address_t address, vm_size_t size, kern_return_t kr);
int asking_for_the_audit_token(mach_port_t port, uid_t *uid);

int local_variable_called_bootstrap_port(mach_port_t *service)
{
    mach_port_t bootstrap_port = MACH_PORT_NULL;

    CHECK(task_get_special_port(mach_task_self(), TASK_BOOTSTRAP_PORT, &bootstrap_port));
    CHECK(task_get_bootstrap_port(mach_task_self(), &bootstrap_port));
    CHECK(bootstrap_look_up(bootstrap_port, "com.example.habits", service));
    return task_set_bootstrap_port(mach_task_self(), bootstrap_port);
}

int both_names_of_the_voucher_field(mach_msg_header_t *header)
{
    header->msgh_reserved = 0;
    return header->msgh_voucher_port == MACH_PORT_NULL;
}

int names_of_both_types_mix(void)
{
    mach_port_t port = MACH_PORT_NULL, space = mach_task_self();
    mach_port_name_t name = MACH_PORT_DEAD, *which = &port;
    mach_port_t ports[2] = {MACH_PORT_NULL, MACH_PORT_DEAD};
    ipc_space_t task = space;
    natural_t refs = 0;
    vm_offset_t address = 0;
    mach_vm_size_t size = 0;
    memory_object_size_t *entry_size = &size;
    uint64_t wide = 0;

    CHECK(mach_port_allocate(task, MACH_PORT_RIGHT_RECEIVE, &port));
    CHECK(mach_port_allocate(mach_task_self(), MACH_PORT_RIGHT_RECEIVE, &name));
    CHECK(mach_port_insert_right(task, name, port, MACH_MSG_TYPE_MAKE_SEND));
    CHECK(mach_port_get_refs(task, *which, MACH_PORT_RIGHT_SEND, &refs));
    CHECK(vm_allocate(mach_task_self(), &address, vm_page_size, VM_PROT_READ | VM_PROT_WRITE));
    CHECK(vm_allocate(mach_task_self(), &address, round_page(100), TRUE));
    CHECK(mach_vm_allocate(task, &wide, *entry_size, VM_FLAGS_ANYWHERE));
    CHECK(bootstrap_check_in(bootstrap_port, "com.example.habits", &name));
    if (!MACH_PORT_VALID(ports[0]) && ports[1] == MACH_PORT_DEAD)
        return mach_port_mod_refs(task, port, MACH_PORT_RIGHT_RECEIVE, -1);
    return mach_port_deallocate(mach_task_self(), name);
}

int strings_without_their_header(Message *message)
{
    memset(message, 0, sizeof(*message));
    strcpy(message->bodyStr, "Hello Mach!");
    memcpy(message->bodyStr, "Response - ", 11);
    return (int)strlen(message->bodyStr) + strcmp(message->bodyStr, "x");
}

int unix_without_its_header(void)
{
    bool child = fork() == 0;
    char service[64] = "com.example.habits";
    name_t other = "com.example.other";

    if (child == true)
        sleep(1);
    CHECK(bootstrap_register(bootstrap_port, service, mach_task_self()));
    CHECK(bootstrap_register(bootstrap_port, other, MACH_PORT_NULL));
    return getpid();
}

int ool_reply(mach_port_name_t replyPort, const ReceiveMessage *request)
{
    vm_address_t oolBuffer = 0;
    vm_size_t oolBufferSize = vm_page_size;
    OOLMessage message = {0};

    if (vm_allocate(mach_task_self(), &oolBuffer, oolBufferSize, VM_PROT_READ | VM_PROT_WRITE) !=
        KERN_SUCCESS)
        return (int)PROGRAM_ERROR;
    strcpy((char *)oolBuffer, "Hello, OOL data!");
    message.header.msgh_bits = MACH_MSGH_BITS_SET(MACH_MSG_TYPE_COPY_SEND, 0, 0,
                                                  MACH_MSGH_BITS_COMPLEX);
    message.header.msgh_bits |= request->message.header.msgh_bits & MACH_MSGH_BITS_REMOTE_MASK;
    message.header.msgh_remote_port = replyPort;
    message.header.msgh_id = request->message.header.msgh_id;
    message.header.msgh_size = sizeof(message);
    message.msgh_descriptor_count = 1;
    message.descriptor.address = (void *)oolBuffer;
    message.descriptor.size = (mach_msg_size_t)oolBufferSize;
    message.descriptor.copy = MACH_MSG_VIRTUAL_COPY;
    message.descriptor.deallocate = false;
    message.descriptor.type = MACH_MSG_OOL_DESCRIPTOR;
    return mach_msg((mach_msg_header_t *)&message, MACH_SEND_MSG, sizeof(message), 0,
                    MACH_PORT_NULL, MACH_MSG_TIMEOUT_NONE, MACH_PORT_NULL);
}

mach_msg_return_t receive_with_a_fraction(mach_port_name_t port, OOLReceiveMessage *buffer)
{
    mach_msg_timeout_t timeout = (mach_msg_timeout_t)(0.5 * 1000);
    mach_msg_return_t ret = mach_msg(&buffer->message.header,
                                     timeout ? MACH_RCV_MSG | MACH_RCV_TIMEOUT : MACH_RCV_MSG, 0,
                                     sizeof(*buffer), port, timeout, MACH_PORT_NULL);

    if (ret == MACH_MSG_SUCCESS)
        ret = vm_deallocate(mach_task_self(), (vm_address_t)buffer->message.descriptor.address,
                            buffer->message.descriptor.size);
    return ret;
}

int codes_in_a_switch(mach_msg_return_t ret)
{
    switch (ret) {
    case MACH_MSG_SUCCESS:
        return 0;
    case MACH_SEND_TIMED_OUT:
    case MACH_RCV_TIMED_OUT:
        return 1;
    case MACH_RCV_BODY_ERROR | MACH_MSG_VM_SPACE:
        return 2;
    case KERN_FAILURE:
    case BOOTSTRAP_UNKNOWN_SERVICE:
        return 3;
    default:
        return (unsigned)ret == PROGRAM_ERROR;
    }
}

int printing(mach_port_t port, vm_address_t address, vm_size_t size, kern_return_t kr)
{
    mach_timebase_info_data_t timebase;

    mach_timebase_info(&timebase);
    printf("port %d %u 0x%x, code %d %x %s\n", port, port, port, kr, (unsigned)kr,
           mach_error_string(kr));
    printf("buffer %p 0x%lx of 0x%lx, page %lu\n", (void *)address, address, size, vm_page_size);
    return printf("%u/%u %s\n", timebase.numer, timebase.denom, bootstrap_strerror(kr));
}

int asking_for_the_audit_token(mach_port_t port, uid_t *uid)
{
    struct {
        mach_msg_header_t header;
        char body[256];
        mach_msg_audit_trailer_t trailer;
    } message;
    mach_msg_audit_trailer_t *trailer;
    audit_token_t token;

    CHECK(mach_msg(&message.header,
                   MACH_RCV_MSG | MACH_RCV_LARGE |
                       MACH_RCV_TRAILER_TYPE(MACH_MSG_TRAILER_FORMAT_0) |
                       MACH_RCV_TRAILER_ELEMENTS(MACH_RCV_TRAILER_AUDIT),
                   0, sizeof(message), port, MACH_MSG_TIMEOUT_NONE, MACH_PORT_NULL));
    trailer = (mach_msg_audit_trailer_t *)((vm_offset_t)&message +
                                           round_msg(message.header.msgh_size));
    token = trailer->msgh_audit;
    *uid = token.val[1];
    mach_msg_destroy(&message.header);
    return 0;
}
