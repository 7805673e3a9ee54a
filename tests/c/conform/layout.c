/* Sizes, offsets and numbers that programs compile in. Sections 4 to 8: S79 to S84, S103, S113,
 * S128, S143, S157, S159 to S163, S176, S183. */
#include "harness/mach_kit.h"

#include <mach/notify.h>

#include <stddef.h>
#include <string.h>

TEST(S79_sizes_and_alignment)
{
    ASSERT_EQ(24, sizeof(mach_msg_header_t));
    ASSERT_EQ(4, sizeof(mach_msg_body_t));
    ASSERT_EQ(28, sizeof(mach_msg_base_t));
    ASSERT_EQ(12, sizeof(mach_msg_port_descriptor_t));
    ASSERT_EQ(16, sizeof(mach_msg_ool_descriptor_t));
    ASSERT_EQ(16, sizeof(mach_msg_ool_ports_descriptor_t));
    ASSERT_EQ(16, sizeof(mach_msg_guarded_port_descriptor_t));
    ASSERT_EQ(12, sizeof(mach_msg_type_descriptor_t));
    ASSERT_EQ(16, sizeof(mach_msg_descriptor_t));
    ASSERT_EQ(4, _Alignof(mach_msg_header_t));
    ASSERT_EQ(4, _Alignof(mach_msg_ool_descriptor_t));
    ASSERT_EQ(4, _Alignof(mach_msg_descriptor_t));
}

TEST(S80_header_offsets)
{
    ASSERT_EQ(0, offsetof(mach_msg_header_t, msgh_bits));
    ASSERT_EQ(4, offsetof(mach_msg_header_t, msgh_size));
    ASSERT_EQ(8, offsetof(mach_msg_header_t, msgh_remote_port));
    ASSERT_EQ(12, offsetof(mach_msg_header_t, msgh_local_port));
    ASSERT_EQ(16, offsetof(mach_msg_header_t, msgh_voucher_port));
    ASSERT_EQ(20, offsetof(mach_msg_header_t, msgh_id));
}

TEST(S80_S82_descriptor_bytes)
{
    unsigned char bytes[16];
    mach_msg_ool_descriptor_t ool;
    mach_msg_port_descriptor_t port;
    memset(&ool, 0, sizeof(ool));
    ool.address = (void *)(uintptr_t)0x0807060504030201;
    ool.deallocate = 1;
    ool.copy = 2;
    ool.pad1 = 3;
    ool.type = 4;
    ool.size = 0x14131211;
    memcpy(bytes, &ool, sizeof(ool));
    ASSERT_MEM("\1\2\3\4\5\6\7\10\1\2\3\4\x11\x12\x13\x14", bytes, 16);
    memset(&port, 0, sizeof(port));
    port.name = 0x04030201;
    port.pad1 = 0x08070605;
    port.disposition = 20;
    port.type = 1;
    memcpy(bytes, &port, sizeof(port));
    ASSERT_MEM("\1\2\3\4\5\6\7\10\0\0\24\1", bytes, 12);
}

/* Steps over descriptors as S81 says: 12 bytes for a port, 16 for anything else. */
TEST(S81_type_is_byte_11_of_every_descriptor)
{
    unsigned char bytes[16];
    mach_msg_ool_ports_descriptor_t ports;
    mach_msg_guarded_port_descriptor_t guarded;
    mach_msg_type_descriptor_t any;
    memset(&ports, 0, sizeof(ports));
    ports.type = 0x7f;
    ports.disposition = 0x11;
    ports.count = 0x01020304;
    memcpy(bytes, &ports, sizeof(ports));
    ASSERT_EQ(0x7f, bytes[11]);
    ASSERT_EQ(0x11, bytes[10]);
    ASSERT_EQ(4, bytes[12]);
    memset(&guarded, 0, sizeof(guarded));
    guarded.type = 0x7f;
    memcpy(bytes, &guarded, sizeof(guarded));
    ASSERT_EQ(0x7f, bytes[11]);
    memset(&any, 0, sizeof(any));
    any.type = 0x7f;
    memcpy(bytes, &any, sizeof(any));
    ASSERT_EQ(0x7f, bytes[11]);
}

TEST(S83_trailer_sizes)
{
    ASSERT_EQ(8, sizeof(mach_msg_trailer_t));
    ASSERT_EQ(12, sizeof(mach_msg_seqno_trailer_t));
    ASSERT_EQ(20, sizeof(mach_msg_security_trailer_t));
    ASSERT_EQ(52, sizeof(mach_msg_audit_trailer_t));
    ASSERT_EQ(60, sizeof(mach_msg_context_trailer_t));
    ASSERT_EQ(52, offsetof(mach_msg_context_trailer_t, msgh_context));
    ASSERT_EQ(68, sizeof(mach_msg_mac_trailer_t));
    ASSERT_EQ(68, sizeof(mach_msg_max_trailer_t));
    ASSERT_EQ(68, MAX_TRAILER_SIZE);
    ASSERT_EQ(20, MACH_MSG_TRAILER_FORMAT_0_SIZE);
}

TEST(S84_requested_trailer_size)
{
    static const unsigned sizes[] = {8, 12, 20, 52, 60, 68, 68, 68, 68};
    for (unsigned elements = 0; elements < 9; elements++)
        ASSERT_EQ(sizes[elements], REQUESTED_TRAILER_SIZE(MACH_RCV_TRAILER_ELEMENTS(elements)));
}

TEST(S95_bits_macros)
{
    ASSERT_EQ(0x80000000, MACH_MSGH_BITS_COMPLEX);
    ASSERT_EQ(0x1f, MACH_MSGH_BITS_REMOTE_MASK);
    ASSERT_EQ(0x1f00, MACH_MSGH_BITS_LOCAL_MASK);
    ASSERT_EQ(0x1413, MACH_MSGH_BITS(19, 20));
    ASSERT_EQ(0x80111413, MACH_MSGH_BITS_SET(19, 20, 17, MACH_MSGH_BITS_COMPLEX));
    ASSERT_EQ(19, MACH_MSGH_BITS_REMOTE(0x80111413));
    ASSERT_EQ(20, MACH_MSGH_BITS_LOCAL(0x80111413));
    ASSERT_EQ(17, MACH_MSGH_BITS_VOUCHER(0x80111413));
}

TEST(S103_dispositions)
{
    ASSERT_EQ(16, MACH_MSG_TYPE_MOVE_RECEIVE);
    ASSERT_EQ(17, MACH_MSG_TYPE_MOVE_SEND);
    ASSERT_EQ(18, MACH_MSG_TYPE_MOVE_SEND_ONCE);
    ASSERT_EQ(19, MACH_MSG_TYPE_COPY_SEND);
    ASSERT_EQ(20, MACH_MSG_TYPE_MAKE_SEND);
    ASSERT_EQ(21, MACH_MSG_TYPE_MAKE_SEND_ONCE);
    ASSERT_EQ(16, MACH_MSG_TYPE_PORT_RECEIVE);
    ASSERT_EQ(17, MACH_MSG_TYPE_PORT_SEND);
    ASSERT_EQ(18, MACH_MSG_TYPE_PORT_SEND_ONCE);
}

TEST(S104_S113_rights_and_type_masks)
{
    ASSERT_EQ(0, MACH_PORT_NULL);
    ASSERT_EQ(0xffffffff, MACH_PORT_DEAD);
    ASSERT_EQ(0, MACH_PORT_RIGHT_SEND);
    ASSERT_EQ(1, MACH_PORT_RIGHT_RECEIVE);
    ASSERT_EQ(2, MACH_PORT_RIGHT_SEND_ONCE);
    ASSERT_EQ(3, MACH_PORT_RIGHT_PORT_SET);
    ASSERT_EQ(4, MACH_PORT_RIGHT_DEAD_NAME);
    ASSERT_EQ(0x10000, MACH_PORT_TYPE_SEND);
    ASSERT_EQ(0x20000, MACH_PORT_TYPE_RECEIVE);
    ASSERT_EQ(0x40000, MACH_PORT_TYPE_SEND_ONCE);
    ASSERT_EQ(0x80000, MACH_PORT_TYPE_PORT_SET);
    ASSERT_EQ(0x100000, MACH_PORT_TYPE_DEAD_NAME);
    ASSERT_EQ(0x80000000, MACH_PORT_TYPE_DNREQUEST);
    ASSERT_EQ(0x30000, MACH_PORT_TYPE_SEND_RECEIVE);
}

TEST(S128_notification_ids)
{
    ASSERT_EQ(65, MACH_NOTIFY_PORT_DELETED);
    ASSERT_EQ(69, MACH_NOTIFY_PORT_DESTROYED);
    ASSERT_EQ(70, MACH_NOTIFY_NO_SENDERS);
    ASSERT_EQ(71, MACH_NOTIFY_SEND_ONCE);
    ASSERT_EQ(72, MACH_NOTIFY_DEAD_NAME);
}

TEST(S143_queue_limits)
{
    ASSERT_EQ(5, MACH_PORT_QLIMIT_DEFAULT);
    ASSERT_EQ(16, MACH_PORT_QLIMIT_SMALL);
    ASSERT_EQ(1024, MACH_PORT_QLIMIT_LARGE);
    ASSERT_EQ(1024, MACH_PORT_QLIMIT_MAX);
}

TEST(S60_S157_options)
{
    ASSERT_EQ(0x1, MACH_SEND_MSG);
    ASSERT_EQ(0x2, MACH_RCV_MSG);
    ASSERT_EQ(0x4, MACH_RCV_LARGE);
    ASSERT_EQ(0x8, MACH_RCV_LARGE_IDENTITY);
    ASSERT_EQ(0x10, MACH_SEND_TIMEOUT);
    ASSERT_EQ(0x40, MACH_SEND_INTERRUPT);
    ASSERT_EQ(0x80, MACH_SEND_NOTIFY);
    ASSERT_EQ(0x100, MACH_RCV_TIMEOUT);
    ASSERT_EQ(0x400, MACH_RCV_INTERRUPT);
    ASSERT_EQ(0x0, MACH_RCV_OVERWRITE);
    ASSERT_EQ(0, MACH_MSG_TIMEOUT_NONE);
    ASSERT_EQ(0, MACH_MSG_PHYSICAL_COPY);
    ASSERT_EQ(1, MACH_MSG_VIRTUAL_COPY);
    ASSERT_EQ(0, MACH_MSG_PORT_DESCRIPTOR);
    ASSERT_EQ(1, MACH_MSG_OOL_DESCRIPTOR);
    ASSERT_EQ(2, MACH_MSG_OOL_PORTS_DESCRIPTOR);
    ASSERT_EQ(3, MACH_MSG_OOL_VOLATILE_DESCRIPTOR);
    ASSERT_EQ(4, MACH_MSG_GUARDED_PORT_DESCRIPTOR);
}

TEST(S159_send_errors)
{
    ASSERT_EQ(0x10000001, MACH_SEND_IN_PROGRESS);
    ASSERT_EQ(0x10000002, MACH_SEND_INVALID_DATA);
    ASSERT_EQ(0x10000003, MACH_SEND_INVALID_DEST);
    ASSERT_EQ(0x10000004, MACH_SEND_TIMED_OUT);
    ASSERT_EQ(0x10000005, MACH_SEND_INVALID_VOUCHER);
    ASSERT_EQ(0x10000007, MACH_SEND_INTERRUPTED);
    ASSERT_EQ(0x10000008, MACH_SEND_MSG_TOO_SMALL);
    ASSERT_EQ(0x10000009, MACH_SEND_INVALID_REPLY);
    ASSERT_EQ(0x1000000a, MACH_SEND_INVALID_RIGHT);
    ASSERT_EQ(0x1000000b, MACH_SEND_INVALID_NOTIFY);
    ASSERT_EQ(0x1000000c, MACH_SEND_INVALID_MEMORY);
    ASSERT_EQ(0x1000000d, MACH_SEND_NO_BUFFER);
    ASSERT_EQ(0x1000000e, MACH_SEND_TOO_LARGE);
    ASSERT_EQ(0x1000000f, MACH_SEND_INVALID_TYPE);
    ASSERT_EQ(0x10000010, MACH_SEND_INVALID_HEADER);
    ASSERT_EQ(0x10000011, MACH_SEND_INVALID_TRAILER);
}

TEST(S160_S161_receive_errors)
{
    ASSERT_EQ(0x10004001, MACH_RCV_IN_PROGRESS);
    ASSERT_EQ(0x10004002, MACH_RCV_INVALID_NAME);
    ASSERT_EQ(0x10004003, MACH_RCV_TIMED_OUT);
    ASSERT_EQ(0x10004004, MACH_RCV_TOO_LARGE);
    ASSERT_EQ(0x10004005, MACH_RCV_INTERRUPTED);
    ASSERT_EQ(0x10004006, MACH_RCV_PORT_CHANGED);
    ASSERT_EQ(0x10004007, MACH_RCV_INVALID_NOTIFY);
    ASSERT_EQ(0x10004008, MACH_RCV_INVALID_DATA);
    ASSERT_EQ(0x10004009, MACH_RCV_PORT_DIED);
    ASSERT_EQ(0x1000400a, MACH_RCV_IN_SET);
    ASSERT_EQ(0x1000400b, MACH_RCV_HEADER_ERROR);
    ASSERT_EQ(0x1000400c, MACH_RCV_BODY_ERROR);
    ASSERT_EQ(0x1000400d, MACH_RCV_INVALID_TYPE);
    ASSERT_EQ(0x1000400e, MACH_RCV_SCATTER_SMALL);
    ASSERT_EQ(0x1000400f, MACH_RCV_INVALID_TRAILER);
    ASSERT_EQ(0x10004011, MACH_RCV_IN_PROGRESS_TIMED);
    ASSERT_EQ(0x2000, MACH_MSG_IPC_SPACE);
    ASSERT_EQ(0x1000, MACH_MSG_VM_SPACE);
    ASSERT_EQ(0x800, MACH_MSG_IPC_KERNEL);
    ASSERT_EQ(0x400, MACH_MSG_VM_KERNEL);
    ASSERT_EQ(0x3e00, MACH_MSG_MASK);
}

TEST(S162_kern_return_codes)
{
    ASSERT_EQ(0, KERN_SUCCESS);
    ASSERT_EQ(1, KERN_INVALID_ADDRESS);
    ASSERT_EQ(2, KERN_PROTECTION_FAILURE);
    ASSERT_EQ(3, KERN_NO_SPACE);
    ASSERT_EQ(4, KERN_INVALID_ARGUMENT);
    ASSERT_EQ(5, KERN_FAILURE);
    ASSERT_EQ(6, KERN_RESOURCE_SHORTAGE);
    ASSERT_EQ(7, KERN_NOT_RECEIVER);
    ASSERT_EQ(8, KERN_NO_ACCESS);
    ASSERT_EQ(13, KERN_NAME_EXISTS);
    ASSERT_EQ(14, KERN_ABORTED);
    ASSERT_EQ(15, KERN_INVALID_NAME);
    ASSERT_EQ(16, KERN_INVALID_TASK);
    ASSERT_EQ(17, KERN_INVALID_RIGHT);
    ASSERT_EQ(18, KERN_INVALID_VALUE);
    ASSERT_EQ(19, KERN_UREFS_OVERFLOW);
    ASSERT_EQ(20, KERN_INVALID_CAPABILITY);
    ASSERT_EQ(21, KERN_RIGHT_EXISTS);
    ASSERT_EQ(37, KERN_TERMINATED);
    ASSERT_EQ(46, KERN_NOT_SUPPORTED);
    ASSERT_EQ(49, KERN_OPERATION_TIMED_OUT);
}

TEST(S163_bootstrap_codes)
{
    ASSERT_EQ(0, BOOTSTRAP_SUCCESS);
    ASSERT_EQ(1100, BOOTSTRAP_NOT_PRIVILEGED);
    ASSERT_EQ(1101, BOOTSTRAP_NAME_IN_USE);
    ASSERT_EQ(1102, BOOTSTRAP_UNKNOWN_SERVICE);
    ASSERT_EQ(1103, BOOTSTRAP_SERVICE_ACTIVE);
    ASSERT_EQ(1104, BOOTSTRAP_BAD_COUNT);
    ASSERT_EQ(1105, BOOTSTRAP_NO_MEMORY);
    ASSERT_EQ(1106, BOOTSTRAP_NO_CHILDREN);
}

TEST(S176_vm_flags)
{
    ASSERT_EQ(0, VM_FLAGS_FIXED);
    ASSERT_EQ(1, VM_FLAGS_ANYWHERE);
    ASSERT_EQ(2, VM_FLAGS_PURGABLE);
    ASSERT_EQ(8, VM_FLAGS_RANDOM_ADDR);
    ASSERT_EQ(0x10, VM_FLAGS_NO_CACHE);
    ASSERT_EQ(0x4000, VM_FLAGS_OVERWRITE);
}

TEST(S183_page_size_is_a_power_of_two)
{
    ASSERT(vm_page_size >= 4096);
    ASSERT_EQ(0, vm_page_size & (vm_page_size - 1));
    ASSERT_EQ(vm_page_size - 1, vm_page_mask);
    ASSERT_EQ(vm_page_size, (vm_size_t)1 << vm_page_shift);
}
