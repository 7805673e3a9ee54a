/*
 * The headers, checked by the compiler: every constant's value, every struct's size and the place
 * of its fields, every type's width, every call's signature. Nothing runs. Ports, messages, memory
 * and services are here; tasks, threads, the host and the clock in static_asserts_task.c, more
 * signatures in static_asserts_calls.c.
 *
 * It is compiled against our headers and against those of the macOS SDK, for both of its machines,
 * so each row says what Darwin says and we say the same. A row that holds on one side only stands
 * under #ifdef with the reason. scripts/check-headers finds constants of ours without a row here.
 */
#include "asserts.h"

#include <AvailabilityMacros.h>
#include <bootstrap.h>
#include <limits.h>
#include <mach/error.h>
#include <mach/mach.h>
#include <mach/mach_time.h>
#include <mach/mach_vm.h>
#include <mach/ndr.h>
#include <mach/notify.h>
#include <mach/vm_region.h>
#include <servers/bootstrap.h>

// clang-format off

/* S162: kern_return.h */
V(KERN_SUCCESS, 0) V(KERN_INVALID_ADDRESS, 1) V(KERN_PROTECTION_FAILURE, 2) V(KERN_NO_SPACE, 3)
V(KERN_INVALID_ARGUMENT, 4) V(KERN_FAILURE, 5) V(KERN_RESOURCE_SHORTAGE, 6)
V(KERN_NOT_RECEIVER, 7) V(KERN_NO_ACCESS, 8) V(KERN_MEMORY_FAILURE, 9) V(KERN_MEMORY_ERROR, 10)
V(KERN_ALREADY_IN_SET, 11) V(KERN_NOT_IN_SET, 12) V(KERN_NAME_EXISTS, 13) V(KERN_ABORTED, 14)
V(KERN_INVALID_NAME, 15) V(KERN_INVALID_TASK, 16) V(KERN_INVALID_RIGHT, 17)
V(KERN_INVALID_VALUE, 18) V(KERN_UREFS_OVERFLOW, 19) V(KERN_INVALID_CAPABILITY, 20)
V(KERN_RIGHT_EXISTS, 21) V(KERN_INVALID_HOST, 22) V(KERN_MEMORY_PRESENT, 23)
V(KERN_MEMORY_DATA_MOVED, 24) V(KERN_MEMORY_RESTART_COPY, 25) V(KERN_INVALID_PROCESSOR_SET, 26)
V(KERN_POLICY_LIMIT, 27) V(KERN_INVALID_POLICY, 28) V(KERN_INVALID_OBJECT, 29)
V(KERN_ALREADY_WAITING, 30) V(KERN_DEFAULT_SET, 31) V(KERN_EXCEPTION_PROTECTED, 32)
V(KERN_INVALID_LEDGER, 33) V(KERN_INVALID_MEMORY_CONTROL, 34) V(KERN_INVALID_SECURITY, 35)
V(KERN_NOT_DEPRESSED, 36) V(KERN_TERMINATED, 37) V(KERN_LOCK_SET_DESTROYED, 38)
V(KERN_LOCK_UNSTABLE, 39) V(KERN_LOCK_OWNED, 40) V(KERN_LOCK_OWNED_SELF, 41)
V(KERN_SEMAPHORE_DESTROYED, 42) V(KERN_RPC_SERVER_TERMINATED, 43)
V(KERN_RPC_TERMINATE_ORPHAN, 44) V(KERN_RPC_CONTINUE_ORPHAN, 45) V(KERN_NOT_SUPPORTED, 46)
V(KERN_NODE_DOWN, 47) V(KERN_NOT_WAITING, 48) V(KERN_OPERATION_TIMED_OUT, 49)
V(KERN_CODESIGN_ERROR, 50) V(KERN_POLICY_STATIC, 51) V(KERN_INSUFFICIENT_BUFFER_SIZE, 52)
V(KERN_DENIED, 53) V(KERN_MISSING_KC, 54) V(KERN_INVALID_KC, 55) V(KERN_NOT_FOUND, 56)
V(KERN_INVALID_GUARD_OBJECT_SLOT, 57) V(KERN_RETURN_MAX, 0x100)

/* S159: what a send returns */
V(MACH_SEND_IN_PROGRESS, 0x10000001) V(MACH_SEND_INVALID_DATA, 0x10000002)
V(MACH_SEND_INVALID_DEST, 0x10000003) V(MACH_SEND_TIMED_OUT, 0x10000004)
V(MACH_SEND_INVALID_VOUCHER, 0x10000005) V(MACH_SEND_INTERRUPTED, 0x10000007)
V(MACH_SEND_MSG_TOO_SMALL, 0x10000008) V(MACH_SEND_INVALID_REPLY, 0x10000009)
V(MACH_SEND_INVALID_RIGHT, 0x1000000a) V(MACH_SEND_INVALID_NOTIFY, 0x1000000b)
V(MACH_SEND_INVALID_MEMORY, 0x1000000c) V(MACH_SEND_NO_BUFFER, 0x1000000d)
V(MACH_SEND_TOO_LARGE, 0x1000000e) V(MACH_SEND_INVALID_TYPE, 0x1000000f)
V(MACH_SEND_INVALID_HEADER, 0x10000010) V(MACH_SEND_INVALID_TRAILER, 0x10000011)
V(MACH_SEND_INVALID_CONTEXT, 0x10000012) V(MACH_SEND_INVALID_OPTIONS, 0x10000013)
V(MACH_SEND_INVALID_RT_OOL_SIZE, 0x10000015) V(MACH_SEND_NO_GRANT_DEST, 0x10000016)
V(MACH_SEND_MSG_FILTERED, 0x10000017) V(MACH_SEND_AUX_TOO_SMALL, 0x10000018)
V(MACH_SEND_AUX_TOO_LARGE, 0x10000019)

/* S160: what a receive returns */
V(MACH_RCV_IN_PROGRESS, 0x10004001) V(MACH_RCV_INVALID_NAME, 0x10004002)
V(MACH_RCV_TIMED_OUT, 0x10004003) V(MACH_RCV_TOO_LARGE, 0x10004004)
V(MACH_RCV_INTERRUPTED, 0x10004005) V(MACH_RCV_PORT_CHANGED, 0x10004006)
V(MACH_RCV_INVALID_NOTIFY, 0x10004007) V(MACH_RCV_INVALID_DATA, 0x10004008)
V(MACH_RCV_PORT_DIED, 0x10004009) V(MACH_RCV_IN_SET, 0x1000400a)
V(MACH_RCV_HEADER_ERROR, 0x1000400b) V(MACH_RCV_BODY_ERROR, 0x1000400c)
V(MACH_RCV_INVALID_TYPE, 0x1000400d) V(MACH_RCV_SCATTER_SMALL, 0x1000400e)
V(MACH_RCV_INVALID_TRAILER, 0x1000400f) V(MACH_RCV_IN_PROGRESS_TIMED, 0x10004011)
V(MACH_RCV_INVALID_REPLY, 0x10004012) V(MACH_RCV_INVALID_ARGUMENTS, 0x10004013)

/* S161: special bits */
V(MACH_MSG_SUCCESS, 0) V(MACH_MSG_MASK, 0x3e00) V(MACH_MSG_IPC_SPACE, 0x2000)
V(MACH_MSG_VM_SPACE, 0x1000) V(MACH_MSG_IPC_KERNEL, 0x800) V(MACH_MSG_VM_KERNEL, 0x400)

/* S163: bootstrap */
V(BOOTSTRAP_MAX_NAME_LEN, 128)
V(BOOTSTRAP_SUCCESS, 0) V(BOOTSTRAP_NOT_PRIVILEGED, 1100) V(BOOTSTRAP_NAME_IN_USE, 1101)
V(BOOTSTRAP_UNKNOWN_SERVICE, 1102) V(BOOTSTRAP_SERVICE_ACTIVE, 1103)
V(BOOTSTRAP_BAD_COUNT, 1104) V(BOOTSTRAP_NO_MEMORY, 1105) V(BOOTSTRAP_NO_CHILDREN, 1106)

#ifndef __APPLE__
/* The cross compiler's SDK lacks this header, and its stand-in has no more than our sources use. */
V(BOOTSTRAP_MAX_CMD_LEN, 512) V(BOOTSTRAP_MAX_LOOKUP_COUNT, 20)
V(BOOTSTRAP_STATUS_INACTIVE, 0) V(BOOTSTRAP_STATUS_ACTIVE, 1) V(BOOTSTRAP_STATUS_ON_DEMAND, 2)
SIZE(cmd_t, 512) SAME(name_array_t, name_t *) SAME(bootstrap_status_t, int)
SAME(bool_array_t, bool *)
#endif

/* MIG */
V(MIG_TYPE_ERROR, -300) V(MIG_REPLY_MISMATCH, -301) V(MIG_REMOTE_ERROR, -302)
V(MIG_BAD_ID, -303) V(MIG_BAD_ARGUMENTS, -304) V(MIG_NO_REPLY, -305) V(MIG_EXCEPTION, -306)
V(MIG_ARRAY_TOO_LARGE, -307) V(MIG_SERVER_DIED, -308) V(MIG_TRAILER_ERROR, -309)

/* S157: options */
V(MACH_MSG_OPTION_NONE, 0) V(MACH_MSG_STRICT_REPLY, 512) V(MACH_SEND_MSG, 1)
V(MACH_SEND_TIMEOUT, 0x10) V(MACH_SEND_OVERRIDE, 32) V(MACH_SEND_INTERRUPT, 64)
V(MACH_SEND_NOTIFY, 128) V(MACH_SEND_ALWAYS, 65536) V(MACH_SEND_FILTER_NONFATAL, 65536)
V(MACH_SEND_TRAILER, 131072) V(MACH_SEND_NOIMPORTANCE, 262144) V(MACH_SEND_NODENAP, 262144)
V(MACH_SEND_IMPORTANCE, 524288) V(MACH_SEND_SYNC_OVERRIDE, 0x100000)
V(MACH_SEND_PROPAGATE_QOS, 0x200000) V(MACH_SEND_SYNC_USE_THRPRI, 0x200000)
V(MACH_SEND_KERNEL, 0x400000) V(MACH_SEND_SYNC_BOOTSTRAP_CHECKIN, 0x800000) V(MACH_RCV_MSG, 2)
V(MACH_RCV_LARGE, 4) V(MACH_RCV_LARGE_IDENTITY, 8) V(MACH_RCV_TIMEOUT, 256)
V(MACH_RCV_INTERRUPT, 1024) V(MACH_RCV_VOUCHER, 2048) V(MACH_RCV_GUARDED_DESC, 4096)
V(MACH_RCV_SYNC_WAIT, 16384) V(MACH_RCV_SYNC_PEEK, 32768) V(MACH_RCV_NOTIFY, 0)
V(MACH_RCV_OVERWRITE, 0)

/* S84: trailers */
V(MACH_RCV_TRAILER_NULL, 0) V(MACH_RCV_TRAILER_SEQNO, 1) V(MACH_RCV_TRAILER_SENDER, 2)
V(MACH_RCV_TRAILER_AUDIT, 3) V(MACH_RCV_TRAILER_CTX, 4) V(MACH_RCV_TRAILER_AV, 7)
V(MACH_RCV_TRAILER_LABELS, 8) V(MACH_RCV_TRAILER_MASK, 0xf000000)
V(MACH_MSG_TRAILER_FORMAT_0, 0) V(MACH_MSG_TRAILER_MINIMUM_SIZE, 8)
V(MACH_MSG_TRAILER_FORMAT_0_SIZE, 20) V(MAX_TRAILER_SIZE, 68)

/* S95: bits of the header */
V(MACH_MSGH_BITS_ZERO, 0) V(MACH_MSGH_BITS_REMOTE_MASK, 0x1f)
V(MACH_MSGH_BITS_LOCAL_MASK, 0x1f00) V(MACH_MSGH_BITS_VOUCHER_MASK, 0x1f0000)
V(MACH_MSGH_BITS_PORTS_MASK, 0x1f1f1f) V(MACH_MSGH_BITS_COMPLEX, 0x80000000)
V(MACH_MSGH_BITS_USER, 0x801f1f1f) V(MACH_MSGH_BITS_RAISEIMP, 0x20000000)
V(MACH_MSGH_BITS_DENAP, 0x20000000) V(MACH_MSGH_BITS_IMPHOLDASRT, 0x10000000)
V(MACH_MSGH_BITS_DENAPHOLDASRT, 0x10000000) V(MACH_MSGH_BITS_CIRCULAR, 0x10000000)
V(MACH_MSGH_BITS_USED, 0xb01f1f1f)

/* S103: dispositions */
V(MACH_MSG_TYPE_PORT_NONE, 0) V(MACH_MSG_TYPE_PORT_NAME, 15) V(MACH_MSG_TYPE_MOVE_RECEIVE, 16)
V(MACH_MSG_TYPE_MOVE_SEND, 17) V(MACH_MSG_TYPE_MOVE_SEND_ONCE, 18)
V(MACH_MSG_TYPE_COPY_SEND, 19) V(MACH_MSG_TYPE_MAKE_SEND, 20)
V(MACH_MSG_TYPE_MAKE_SEND_ONCE, 21) V(MACH_MSG_TYPE_COPY_RECEIVE, 22)
V(MACH_MSG_TYPE_DISPOSE_RECEIVE, 24) V(MACH_MSG_TYPE_DISPOSE_SEND, 25)
V(MACH_MSG_TYPE_DISPOSE_SEND_ONCE, 26) V(MACH_MSG_TYPE_LAST, 22)
V(MACH_MSG_TYPE_POLYMORPHIC, 0xffffffff) V(MACH_MSG_TYPE_PORT_RECEIVE, 16)
V(MACH_MSG_TYPE_PORT_SEND, 17) V(MACH_MSG_TYPE_PORT_SEND_ONCE, 18)

/* S15, S16: descriptors */
V(MACH_MSG_PHYSICAL_COPY, 0) V(MACH_MSG_VIRTUAL_COPY, 1) V(MACH_MSG_ALLOCATE, 2)
V(MACH_MSG_OVERWRITE, 3) V(MACH_MSG_GUARD_FLAGS_NONE, 0)
V(MACH_MSG_GUARD_FLAGS_IMMOVABLE_RECEIVE, 1) V(MACH_MSG_GUARD_FLAGS_UNGUARDED_ON_SEND, 2)
V(MACH_MSG_GUARD_FLAGS_MASK, 3) V(MACH_MSG_PORT_DESCRIPTOR, 0) V(MACH_MSG_OOL_DESCRIPTOR, 1)
V(MACH_MSG_OOL_PORTS_DESCRIPTOR, 2) V(MACH_MSG_OOL_VOLATILE_DESCRIPTOR, 3)
V(MACH_MSG_GUARDED_PORT_DESCRIPTOR, 4) V(MACH_MSG_DESCRIPTOR_MAX, 4)

/* Messages, the rest */
V(MACH_MSG_TIMEOUT_NONE, 0) V(MACH_MSG_SIZE_MAX, 0xffffffff) V(MACH_MSG_PRIORITY_UNSPECIFIED, 0)
V(MACH_MSG_FILTER_POLICY_ALLOW, 0)

/* S113: rights and types */
V(MACH_PORT_RIGHT_SEND, 0) V(MACH_PORT_RIGHT_RECEIVE, 1) V(MACH_PORT_RIGHT_SEND_ONCE, 2)
V(MACH_PORT_RIGHT_PORT_SET, 3) V(MACH_PORT_RIGHT_DEAD_NAME, 4) V(MACH_PORT_RIGHT_LABELH, 5)
V(MACH_PORT_RIGHT_NUMBER, 6) V(MACH_PORT_TYPE_NONE, 0) V(MACH_PORT_TYPE_SEND, 65536)
V(MACH_PORT_TYPE_RECEIVE, 131072) V(MACH_PORT_TYPE_SEND_ONCE, 262144)
V(MACH_PORT_TYPE_PORT_SET, 524288) V(MACH_PORT_TYPE_DEAD_NAME, 0x100000)
V(MACH_PORT_TYPE_LABELH, 0x200000) V(MACH_PORT_TYPE_SEND_RECEIVE, 196608)
V(MACH_PORT_TYPE_SEND_RIGHTS, 327680) V(MACH_PORT_TYPE_PORT_RIGHTS, 458752)
V(MACH_PORT_TYPE_PORT_OR_DEAD, 0x170000) V(MACH_PORT_TYPE_ALL_RIGHTS, 0x1f0000)
V(MACH_PORT_TYPE_DNREQUEST, 0x80000000) V(MACH_PORT_TYPE_SPREQUEST, 0x40000000)
V(MACH_PORT_TYPE_SPREQUEST_DELAYED, 0x20000000)

/* S104, S140, S143: names, limits, status */
V(MACH_PORT_NULL, 0) V(MACH_PORT_DEAD, 0xffffffff) V(MACH_PORT_SRIGHTS_NONE, 0)
V(MACH_PORT_SRIGHTS_PRESENT, 1) V(MACH_PORT_QLIMIT_ZERO, 0) V(MACH_PORT_QLIMIT_BASIC, 5)
V(MACH_PORT_QLIMIT_SMALL, 16) V(MACH_PORT_QLIMIT_LARGE, 1024)
V(MACH_PORT_QLIMIT_KERNEL_SOFT, 4096) V(MACH_PORT_QLIMIT_KERNEL, 65534)
V(MACH_PORT_QLIMIT_MIN, 0) V(MACH_PORT_QLIMIT_DEFAULT, 5) V(MACH_PORT_QLIMIT_MAX, 1024)
V(MACH_PORT_STATUS_FLAG_TEMPOWNER, 1) V(MACH_PORT_STATUS_FLAG_GUARDED, 2)
V(MACH_PORT_STATUS_FLAG_STRICT_GUARD, 4) V(MACH_PORT_STATUS_FLAG_IMP_DONATION, 8)
V(MACH_PORT_STATUS_FLAG_REVIVE, 0x10) V(MACH_PORT_STATUS_FLAG_TASKPTR, 0x20)
V(MACH_PORT_STATUS_FLAG_GUARD_IMMOVABLE_RECEIVE, 0x40) V(MACH_PORT_STATUS_FLAG_NO_GRANT, 0x80)
V(MPO_CONTEXT_AS_GUARD, 1) V(MPO_QLIMIT, 2) V(MPO_TEMPOWNER, 4) V(MPO_IMPORTANCE_RECEIVER, 8)
V(MPO_INSERT_SEND_RIGHT, 0x10) V(MPO_STRICT, 0x20) V(MPO_DENAP_RECEIVER, 0x40)
V(MPO_IMMOVABLE_RECEIVE, 0x80) V(MPO_FILTER_MSG, 0x100) V(MPO_TG_BLOCK_TRACKING, 0x200)
V(MPO_REPLY_PORT, 0x1000) V(MPG_FLAGS_NONE, 0) V(MPG_STRICT, 1) V(MPG_IMMOVABLE_RECEIVE, 2)
SIZE(mach_port_options_t, 24)
SIZE(mach_port_qos_t, 8) AT(mach_port_qos_t, len, 4)
V(MACH_PORT_LIMITS_INFO, 1) V(MACH_PORT_RECEIVE_STATUS, 2) V(MACH_PORT_DNREQUESTS_SIZE, 3)
V(MACH_PORT_TEMPOWNER, 4) V(MACH_PORT_IMPORTANCE_RECEIVER, 5) V(MACH_PORT_DENAP_RECEIVER, 6)
V(MACH_PORT_INFO_EXT, 7) V(MACH_PORT_GUARD_INFO, 8) V(MACH_PORT_SERVICE_THROTTLED, 9)
V(MACH_PORT_LIMITS_INFO_COUNT, 1) V(MACH_PORT_RECEIVE_STATUS_COUNT, 10)
V(MACH_PORT_DNREQUESTS_SIZE_COUNT, 1) V(MACH_PORT_INFO_EXT_COUNT, 17)
V(MACH_PORT_GUARD_INFO_COUNT, 2) V(MACH_PORT_SERVICE_THROTTLED_COUNT, 1)

/* S128: notifications */
V(MACH_NOTIFY_FIRST, 64) V(MACH_NOTIFY_PORT_DELETED, 65) V(MACH_NOTIFY_SEND_POSSIBLE, 66)
V(MACH_NOTIFY_PORT_DESTROYED, 69) V(MACH_NOTIFY_NO_SENDERS, 70) V(MACH_NOTIFY_SEND_ONCE, 71)
V(MACH_NOTIFY_DEAD_NAME, 72) V(MACH_NOTIFY_LAST, 77)

/* NDR */
V(NDR_PROTOCOL_2_0, 0) V(NDR_INT_BIG_ENDIAN, 0) V(NDR_INT_LITTLE_ENDIAN, 1) V(NDR_FLOAT_IEEE, 0)
V(NDR_FLOAT_VAX, 1) V(NDR_FLOAT_CRAY, 2) V(NDR_FLOAT_IBM, 3) V(NDR_CHAR_ASCII, 0)
V(NDR_CHAR_EBCDIC, 1)

/* S176: flags of vm_allocate, tags */
V(VM_FLAGS_FIXED, 0) V(VM_FLAGS_ANYWHERE, 1) V(VM_FLAGS_PURGABLE, 2) V(VM_FLAGS_4GB_CHUNK, 4)
V(VM_FLAGS_RANDOM_ADDR, 8) V(VM_FLAGS_NO_CACHE, 0x10) V(VM_FLAGS_RESILIENT_CODESIGN, 0x20)
V(VM_FLAGS_RESILIENT_MEDIA, 0x40) V(VM_FLAGS_PERMANENT, 0x80) V(VM_FLAGS_OVERWRITE, 0x4000)
V(VM_FLAGS_SUPERPAGE_MASK, 0x70000) V(VM_FLAGS_RETURN_DATA_ADDR, 0x100000)
V(VM_FLAGS_RETURN_4K_DATA_ADDR, 0x800000) V(VM_FLAGS_ALIAS_MASK, 0xff000000)
V(VM_MEMORY_MALLOC, 1) V(VM_MEMORY_MALLOC_SMALL, 2) V(VM_MEMORY_MALLOC_LARGE, 3)
V(VM_MEMORY_MALLOC_HUGE, 4) V(VM_MEMORY_SBRK, 5) V(VM_MEMORY_REALLOC, 6)
V(VM_MEMORY_MALLOC_TINY, 7) V(VM_MEMORY_MACH_MSG, 20) V(VM_MEMORY_IOKIT, 21)
V(VM_MEMORY_STACK, 30) V(VM_MEMORY_GUARD, 31) V(VM_MEMORY_SHARED_PMAP, 32)
V(VM_MEMORY_DYLIB, 33) V(VM_MEMORY_APPLICATION_SPECIFIC_1, 240)
V(VM_MEMORY_APPLICATION_SPECIFIC_16, 255)

/* S181: inheritance */
V(VM_INHERIT_SHARE, 0) V(VM_INHERIT_COPY, 1) V(VM_INHERIT_NONE, 2) V(VM_INHERIT_DONATE_COPY, 3)
V(VM_INHERIT_DEFAULT, 1) V(VM_INHERIT_LAST_VALID, 2)

/* Protections and behaviours */
V(VM_PROT_NONE, 0) V(VM_PROT_READ, 1) V(VM_PROT_WRITE, 2) V(VM_PROT_EXECUTE, 4)
V(VM_PROT_DEFAULT, 3) V(VM_PROT_ALL, 7) V(VM_PROT_NO_CHANGE_LEGACY, 8)
V(VM_PROT_NO_CHANGE, 0x1000000) V(VM_PROT_COPY, 0x10) V(VM_PROT_WANTS_COPY, 0x10)
V(VM_PROT_IS_MASK, 0x40) V(VM_PROT_STRIP_READ, 0x80) V(VM_PROT_EXECUTE_ONLY, 0x84)
V(VM_BEHAVIOR_DEFAULT, 0) V(VM_BEHAVIOR_RANDOM, 1) V(VM_BEHAVIOR_SEQUENTIAL, 2)
V(VM_BEHAVIOR_RSEQNTL, 3) V(VM_BEHAVIOR_WILLNEED, 4) V(VM_BEHAVIOR_DONTNEED, 5)
V(VM_BEHAVIOR_FREE, 6) V(VM_BEHAVIOR_ZERO_WIRED_PAGES, 7) V(VM_BEHAVIOR_REUSABLE, 8)
V(VM_BEHAVIOR_REUSE, 9) V(VM_BEHAVIOR_CAN_REUSE, 10) V(VM_BEHAVIOR_PAGEOUT, 11)
V(VM_BEHAVIOR_ZERO, 12) V(VM_BEHAVIOR_LAST_VALID, 12)
V(VM_SYNC_ASYNCHRONOUS, 1) V(VM_SYNC_SYNCHRONOUS, 2) V(VM_SYNC_INVALIDATE, 4)
V(VM_SYNC_KILLPAGES, 8) V(VM_SYNC_DEACTIVATE, 0x10) V(VM_SYNC_CONTIGUOUS, 0x20)
V(MAP_MEM_PROT_MASK, 0xff) V(MAP_MEM_LEDGER_TAGGED, 0x2000)
V(MAP_MEM_PURGABLE_KERNEL_ONLY, 0x4000) V(MAP_MEM_GRAB_SECLUDED, 0x8000)
V(MAP_MEM_ONLY, 0x10000) V(MAP_MEM_NAMED_CREATE, 0x20000) V(MAP_MEM_PURGABLE, 0x40000)
V(MAP_MEM_NAMED_REUSE, 0x80000) V(MAP_MEM_USE_DATA_ADDR, 0x100000) V(MAP_MEM_VM_COPY, 0x200000)
V(MAP_MEM_VM_SHARE, 0x400000) V(MAP_MEM_4K_DATA_ADDR, 0x800000)
V(MAP_MEM_FLAGS_MASK, 0xffff00) V(MAP_MEM_FLAGS_USER, 0xffe000) V(MAP_MEM_NOOP, 0)
V(MAP_MEM_COPYBACK, 1) V(MAP_MEM_IO, 2) V(MAP_MEM_WTHRU, 3) V(MAP_MEM_WCOMB, 4)
V(MAP_MEM_INNERWBACK, 5)
V(VM_SYNC_REUSABLEPAGES, 0x40) V(VM_MAP_ENTRY_MAX, 256)
SIZE(mach_vm_read_entry_t, 4096) SIZE(vm_read_entry_t, 4096)

/* Regions */
V(SM_COW, 1) V(SM_PRIVATE, 2) V(SM_EMPTY, 3) V(SM_SHARED, 4) V(SM_TRUESHARED, 5)
V(SM_PRIVATE_ALIASED, 6) V(SM_SHARED_ALIASED, 7) V(SM_LARGE_PAGE, 8) V(VM_REGION_INFO_MAX, 1024)
V(VM_REGION_BASIC_INFO_64, 9) V(VM_REGION_BASIC_INFO, 10) V(VM_REGION_TOP_INFO, 12)
V(VM_REGION_EXTENDED_INFO, 13) V(VM_REGION_BASIC_INFO_COUNT_64, 9)
V(VM_REGION_BASIC_INFO_COUNT, 8) V(VM_REGION_EXTENDED_INFO_COUNT, 9)
V(VM_REGION_TOP_INFO_COUNT, 5) V(VM_REGION_SUBMAP_INFO_COUNT, 15)
V(VM_REGION_SUBMAP_INFO_COUNT_64, 21) V(VM_REGION_SUBMAP_SHORT_INFO_COUNT_64, 12)

/* Special ports */
V(TASK_KERNEL_PORT, 1) V(TASK_HOST_PORT, 2) V(TASK_NAME_PORT, 3) V(TASK_BOOTSTRAP_PORT, 4)
V(TASK_INSPECT_PORT, 5) V(TASK_READ_PORT, 6) V(TASK_ACCESS_PORT, 9)
V(TASK_DEBUG_CONTROL_PORT, 10) V(TASK_RESOURCE_NOTIFY_PORT, 11) V(TASK_MAX_SPECIAL_PORT, 11)
V(HOST_SECURITY_PORT, 0) V(HOST_MIN_SPECIAL_PORT, 0) V(HOST_PORT, 1) V(HOST_PRIV_PORT, 2)
V(HOST_IO_MAIN_PORT, 3) V(HOST_MAX_SPECIAL_KERNEL_PORT, 7) V(HOST_LAST_SPECIAL_KERNEL_PORT, 3)
V(HOST_LOCAL_NODE, -1) V(HOST_NULL, 0) V(HOST_PRIV_NULL, 0)

/* Null names */
V(TASK_NULL, 0) V(TASK_NAME_NULL, 0) V(TASK_INSPECT_NULL, 0) V(TASK_READ_NULL, 0)
V(THREAD_NULL, 0) V(THR_ACT_NULL, 0) V(IPC_SPACE_NULL, 0) V(IPC_SPACE_READ_NULL, 0)
V(IPC_SPACE_INSPECT_NULL, 0) V(SEMAPHORE_NULL, 0) V(VM_MAP_NULL, 0) V(VM_MAP_INSPECT_NULL, 0)
V(VM_MAP_READ_NULL, 0) V(VM_NAMED_ENTRY_NULL, 0) V(MEMORY_OBJECT_NULL, 0)
V(MEMORY_OBJECT_NAME_NULL, 0)

/* Truth, time */
V(TRUE, 1) V(FALSE, 0) V(TIME_MICROS_MAX, 1000000)

/* error.h: how a code is made */
V(err_none, 0) V(ERR_SUCCESS, 0) V(system_emask, -67108864) V(sub_emask, 0x3ffc000)
V(code_emask, 0x3fff) V(err_kern, 0) V(err_us, 0x4000000) V(err_server, 0x8000000)
V(err_ipc, 0xc000000) V(err_mach_ipc, 0x10000000) V(err_dipc, 0x1c000000) V(err_vm, 0x20000000)
V(err_local, -134217728) V(err_ipc_compat, -67108864) V(err_max_system, 63)

/* Words and addresses. boolean_t is unsigned on x86_64 macOS: only its width counts. */

SIZE(boolean_t, 4) SIZE(kern_return_t, 4) SIZE(natural_t, 4) SIZE(integer_t, 4)
SIZE(vm_offset_t, 8) SIZE(vm_address_t, 8) SIZE(vm_size_t, 8) SIZE(pointer_t, 8)
SIZE(mach_vm_address_t, 8) SIZE(mach_vm_offset_t, 8) SIZE(mach_vm_size_t, 8)
SIZE(vm_map_offset_t, 8) SIZE(vm_map_address_t, 8) SIZE(vm_map_size_t, 8)
SIZE(mach_port_context_t, 8) SIZE(addr64_t, 8)
SIZE(memory_object_offset_t, 8) SIZE(memory_object_size_t, 8) SIZE(vm_object_id_t, 8)
SIZE(vm_object_offset_t, 8) SIZE(vm_object_size_t, 8)
SIZE(vm_prot_t, 4) SIZE(vm_inherit_t, 4) SIZE(vm_behavior_t, 4)
SIZE(time_value_t, 8) SIZE(mach_timebase_info_data_t, 8)

SAME(kern_return_t, int) SAME(mach_error_t, int) SAME(mach_msg_return_t, int)
SAME(natural_t, unsigned int) SAME(integer_t, int)
SAME(vm_address_t, uintptr_t) SAME(vm_size_t, uintptr_t) SAME(vm_offset_t, uintptr_t)
SAME(vm_prot_t, int) SAME(vm_inherit_t, unsigned int)
SAME(mach_vm_address_t, uint64_t) SAME(mach_vm_size_t, uint64_t) SAME(mach_vm_offset_t, uint64_t)
SAME(memory_object_size_t, mach_vm_size_t) SAME(memory_object_offset_t, mach_vm_offset_t)

/* Names mix freely, whatever they are called. */

SAME(mach_port_t, unsigned int) SAME(mach_port_t, mach_port_name_t) SAME(mach_port_t, task_t)
SAME(mach_port_t, ipc_space_t) SAME(mach_port_t, ipc_space_read_t) SAME(mach_port_t, vm_map_t)
SAME(mach_port_t, task_inspect_t) SAME(mach_port_t, thread_t) SAME(mach_port_t, thread_act_t)
SAME(mach_port_t, host_t) SAME(mach_port_t, host_priv_t) SAME(mach_port_t, mem_entry_name_port_t)
SAME(mach_port_t, bootstrap_t) SAME(mach_port_t, notify_port_t) SAME(mach_port_t, semaphore_t)
SAME(mach_port_t, task_port_t) SAME(mach_port_t, thread_port_t) SAME(mach_port_t, task_name_t)
SAME(mach_port_t, memory_object_t) SAME(mach_port_t, exception_handler_t)
SAME(mach_port_array_t, mach_port_name_array_t)

SAME(mach_port_right_t, natural_t) SAME(mach_port_type_t, natural_t)
SAME(mach_port_urefs_t, natural_t) SAME(mach_port_delta_t, integer_t)
SAME(mach_port_seqno_t, natural_t) SAME(mach_port_mscount_t, natural_t)
SAME(mach_port_msgcount_t, natural_t) SAME(mach_port_rights_t, natural_t)
SAME(mach_port_flavor_t, int) SAME(mach_port_info_t, integer_t *)
SAME(mach_port_type_array_t, mach_port_type_t *)

SAME(mach_msg_bits_t, unsigned int) SAME(mach_msg_size_t, natural_t) SAME(mach_msg_id_t, integer_t)
SAME(mach_msg_timeout_t, natural_t) SAME(mach_msg_option_t, integer_t)
SAME(mach_msg_options_t, integer_t) SAME(mach_msg_type_name_t, unsigned int)
SAME(mach_msg_type_number_t, natural_t) SAME(mach_msg_type_size_t, natural_t)
SAME(mach_msg_copy_options_t, unsigned int) SAME(mach_msg_descriptor_type_t, unsigned int)
SAME(mach_msg_trailer_type_t, unsigned int) SAME(mach_msg_trailer_size_t, unsigned int)
SAME(mach_msg_guard_flags_t, unsigned int) SAME(mach_msg_priority_t, unsigned int)
SAME(mach_msg_filter_id, int) SAME(task_special_port_t, int)

/* S79, S80: header, body, descriptors */

MSG(mach_msg_header_t, 24)
AT(mach_msg_header_t, msgh_bits, 0) AT(mach_msg_header_t, msgh_size, 4)
AT(mach_msg_header_t, msgh_remote_port, 8) AT(mach_msg_header_t, msgh_local_port, 12)
AT(mach_msg_header_t, msgh_voucher_port, 16) AT(mach_msg_header_t, msgh_reserved, 16)
AT(mach_msg_header_t, msgh_id, 20)

MSG(mach_msg_body_t, 4) AT(mach_msg_body_t, msgh_descriptor_count, 0)
MSG(mach_msg_base_t, 28) AT(mach_msg_base_t, header, 0) AT(mach_msg_base_t, body, 24)

MSG(mach_msg_type_descriptor_t, 12) AT(mach_msg_type_descriptor_t, pad1, 0)
AT(mach_msg_type_descriptor_t, pad2, 4)
MSG(mach_msg_port_descriptor_t, 12) AT(mach_msg_port_descriptor_t, name, 0)
AT(mach_msg_port_descriptor_t, pad1, 4)
MSG(mach_msg_ool_descriptor_t, 16) AT(mach_msg_ool_descriptor_t, address, 0)
AT(mach_msg_ool_descriptor_t, size, 12)
MSG(mach_msg_ool_ports_descriptor_t, 16) AT(mach_msg_ool_ports_descriptor_t, address, 0)
AT(mach_msg_ool_ports_descriptor_t, count, 12)
MSG(mach_msg_guarded_port_descriptor_t, 16) AT(mach_msg_guarded_port_descriptor_t, context, 0)
AT(mach_msg_guarded_port_descriptor_t, name, 12)
MSG(mach_msg_descriptor_t, 16)

MSG(mach_msg_ool_descriptor32_t, 12) AT(mach_msg_ool_descriptor32_t, size, 4)
MSG(mach_msg_ool_descriptor64_t, 16) AT(mach_msg_ool_descriptor64_t, size, 12)
MSG(mach_msg_ool_ports_descriptor32_t, 12) AT(mach_msg_ool_ports_descriptor32_t, count, 4)
MSG(mach_msg_ool_ports_descriptor64_t, 16) AT(mach_msg_ool_ports_descriptor64_t, count, 12)
MSG(mach_msg_guarded_port_descriptor32_t, 12) AT(mach_msg_guarded_port_descriptor32_t, name, 4)
MSG(mach_msg_guarded_port_descriptor64_t, 16) AT(mach_msg_guarded_port_descriptor64_t, name, 12)

MSG(mach_msg_empty_send_t, 24) MSG(mach_msg_empty_rcv_t, 32) MSG(mach_msg_empty_t, 32)

/* S4: a struct of header, count and one descriptor has no hole. */

struct one_ool {
    mach_msg_header_t header;
    mach_msg_size_t count;
    mach_msg_ool_descriptor_t ool;
};
MSG(struct one_ool, 44) AT(struct one_ool, count, 24) AT(struct one_ool, ool, 28)

/* S83, S84: trailers */

MSG(mach_msg_trailer_t, 8)
AT(mach_msg_trailer_t, msgh_trailer_type, 0) AT(mach_msg_trailer_t, msgh_trailer_size, 4)
MSG(mach_msg_seqno_trailer_t, 12) AT(mach_msg_seqno_trailer_t, msgh_seqno, 8)
MSG(mach_msg_security_trailer_t, 20) AT(mach_msg_security_trailer_t, msgh_sender, 12)
MSG(mach_msg_audit_trailer_t, 52) AT(mach_msg_audit_trailer_t, msgh_audit, 20)
MSG(mach_msg_context_trailer_t, 60) AT(mach_msg_context_trailer_t, msgh_context, 52)
MSG(mach_msg_mac_trailer_t, 68)
AT(mach_msg_mac_trailer_t, msgh_ad, 60) AT(mach_msg_mac_trailer_t, msgh_labels, 64)
MSG(mach_msg_max_trailer_t, 68) MSG(mach_msg_format_0_trailer_t, 20)
SIZE(security_token_t, 8) SIZE(audit_token_t, 32) SIZE(msg_labels_t, 4)
AT(security_token_t, val, 0) AT(audit_token_t, val, 0) AT(msg_labels_t, sender, 0)

V(REQUESTED_TRAILER_SIZE(MACH_RCV_TRAILER_ELEMENTS(0)), 8)
V(REQUESTED_TRAILER_SIZE(MACH_RCV_TRAILER_ELEMENTS(1)), 12)
V(REQUESTED_TRAILER_SIZE(MACH_RCV_TRAILER_ELEMENTS(2)), 20)
V(REQUESTED_TRAILER_SIZE(MACH_RCV_TRAILER_ELEMENTS(3)), 52)
V(REQUESTED_TRAILER_SIZE(MACH_RCV_TRAILER_ELEMENTS(4)), 60)
V(REQUESTED_TRAILER_SIZE(MACH_RCV_TRAILER_ELEMENTS(5)), 68)
V(REQUESTED_TRAILER_SIZE(MACH_RCV_TRAILER_ELEMENTS(6)), 68)
V(REQUESTED_TRAILER_SIZE(MACH_RCV_TRAILER_ELEMENTS(7)), 68)
V(REQUESTED_TRAILER_SIZE(MACH_RCV_TRAILER_ELEMENTS(8)), 68)
V(REQUESTED_TRAILER_SIZE(MACH_RCV_MSG | MACH_RCV_TIMEOUT | MACH_RCV_TRAILER_ELEMENTS(3)), 52)
V(MACH_RCV_TRAILER_TYPE(MACH_MSG_TRAILER_FORMAT_0), 0) V(MACH_RCV_TRAILER_TYPE(1), 0x10000000)
V(MACH_RCV_TRAILER_ELEMENTS(MACH_RCV_TRAILER_AUDIT), 0x03000000)
V(GET_RCV_ELEMENTS(0x03000102), 3)

/* S1, S2, S95: putting header bits together and apart */

V(MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MAKE_SEND), 0x1413)
V(MACH_MSGH_BITS_SET(MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MAKE_SEND, 0, 0), 0x1413)
V(MACH_MSGH_BITS_SET(19, 0, 0, MACH_MSGH_BITS_COMPLEX), 0x80000013)
V(MACH_MSGH_BITS_SET(0xff, 0xff, 0xff, 0xffffffffU), 0xffffffff)
V(MACH_MSGH_BITS_SET_PORTS(1, 2, 3), 0x30201)
V(MACH_MSGH_BITS_REMOTE(0x801f1213U), 0x13) V(MACH_MSGH_BITS_LOCAL(0x801f1213U), 0x12)
V(MACH_MSGH_BITS_VOUCHER(0x801f1213U), 0x1f) V(MACH_MSGH_BITS_PORTS(0x801f1213U), 0x1f1213)
V(MACH_MSGH_BITS_OTHER(0x801f1213U), 0x80000000)
V(MACH_MSGH_BITS_HAS_REMOTE(0x1100), 0) V(MACH_MSGH_BITS_HAS_LOCAL(0x1100), 1)
V(MACH_MSGH_BITS_HAS_VOUCHER(0x1100), 0) V(MACH_MSGH_BITS_IS_COMPLEX(0x80001100U), 1)
V(MACH_MSGH_BITS_RAISED_IMPORTANCE(0x20000000U), 1)
V(MACH_MSGH_BITS_HOLDS_IMPORTANCE_ASSERTION(0x20000000U), 0)

V(MACH_MSG_TYPE_PORT_ANY(15), 0) V(MACH_MSG_TYPE_PORT_ANY(16), 1) V(MACH_MSG_TYPE_PORT_ANY(22), 0)
V(MACH_MSG_TYPE_PORT_ANY_SEND(16), 0) V(MACH_MSG_TYPE_PORT_ANY_SEND(21), 1)
V(MACH_MSG_TYPE_PORT_ANY_SEND_ONCE(18), 1) V(MACH_MSG_TYPE_PORT_ANY_SEND_ONCE(20), 0)
V(MACH_MSG_TYPE_PORT_ANY_RIGHT(18), 1) V(MACH_MSG_TYPE_PORT_ANY_RIGHT(19), 0)
V(round_msg(1), 4) V(round_msg(60), 60) V(round_msg(61), 64)

/* S104, S113 */

V(MACH_PORT_VALID(0), 0) V(MACH_PORT_VALID(MACH_PORT_DEAD), 0) V(MACH_PORT_VALID(0x103), 1)
V(MACH_PORT_INDEX(0x1203), 0x12) V(MACH_PORT_GEN(0x1203), 0x03000000)
V(MACH_PORT_MAKE(0x12, 0x03000000), 0x1203) V(MACH_PORT_TYPE(MACH_PORT_RIGHT_RECEIVE), 0x20000)

/* S140, S143 */

SIZE(mach_port_status_t, 40)
AT(mach_port_status_t, mps_pset, 0) AT(mach_port_status_t, mps_seqno, 4)
AT(mach_port_status_t, mps_mscount, 8) AT(mach_port_status_t, mps_qlimit, 12)
AT(mach_port_status_t, mps_msgcount, 16) AT(mach_port_status_t, mps_sorights, 20)
AT(mach_port_status_t, mps_srights, 24) AT(mach_port_status_t, mps_pdrequest, 28)
AT(mach_port_status_t, mps_nsrequest, 32) AT(mach_port_status_t, mps_flags, 36)
SIZE(mach_port_limits_t, 4) AT(struct mach_port_limits, mpl_qlimit, 0)
SIZE(mach_port_info_ext_t, 68)
AT(mach_port_info_ext_t, mpie_status, 0) AT(mach_port_info_ext_t, mpie_boost_cnt, 40)
SIZE(mach_port_guard_info_t, 8) AT(mach_port_guard_info_t, mpgi_guard, 0)

/* S129: notifications, each with 20 bytes of trailer */

SIZE(NDR_record_t, 8) AT(NDR_record_t, int_rep, 4) AT(NDR_record_t, float_rep, 6)
MSG(mach_port_deleted_notification_t, 36 + 20) AT(mach_port_deleted_notification_t, not_port, 32)
MSG(mach_send_possible_notification_t, 36 + 20) AT(mach_send_possible_notification_t, not_port, 32)
MSG(mach_port_destroyed_notification_t, 40 + 20)
AT(mach_port_destroyed_notification_t, not_body, 24)
AT(mach_port_destroyed_notification_t, not_port, 28)
MSG(mach_no_senders_notification_t, 36 + 20) AT(mach_no_senders_notification_t, not_count, 32)
MSG(mach_send_once_notification_t, 24 + 20) AT(mach_send_once_notification_t, trailer, 24)
MSG(mach_dead_name_notification_t, 36 + 20) AT(mach_dead_name_notification_t, NDR, 24)
AT(mach_dead_name_notification_t, not_port, 32) AT(mach_dead_name_notification_t, trailer, 36)
MSG(mig_reply_error_t, 36) AT(mig_reply_error_t, NDR, 24) AT(mig_reply_error_t, RetCode, 32)

/* error.h */

V(err_system(4), 0x10000000) V(err_sub(1), 0x4000) V(err_get_system(0x10004003), 4)
V(err_get_sub(0x10004003), 1) V(err_get_code(0x10004003), 3) V(unix_err(2), 0xc002)

/* Memory */

V(VM_MAKE_TAG(VM_MEMORY_MACH_MSG), 20 << 24)
SIZE(time_value_t, 8) AT(time_value_t, seconds, 0) AT(time_value_t, microseconds, 4)
AT(struct mach_timebase_info, numer, 0) AT(struct mach_timebase_info, denom, 4)

SIZE(vm_region_basic_info_data_t, 32) AT(struct vm_region_basic_info, offset, 20)
AT(struct vm_region_basic_info, behavior, 24)
AT(struct vm_region_basic_info, user_wired_count, 28)
SIZE(vm_region_basic_info_data_64_t, 36) AT(struct vm_region_basic_info_64, max_protection, 4)
AT(struct vm_region_basic_info_64, inheritance, 8) AT(struct vm_region_basic_info_64, shared, 12)
AT(struct vm_region_basic_info_64, reserved, 16) AT(struct vm_region_basic_info_64, offset, 20)
AT(struct vm_region_basic_info_64, behavior, 28)
AT(struct vm_region_basic_info_64, user_wired_count, 32)
SIZE(vm_region_extended_info_data_t, 36) AT(struct vm_region_extended_info, user_tag, 4)
AT(struct vm_region_extended_info, pages_resident, 8)
AT(struct vm_region_extended_info, pages_shared_now_private, 12)
AT(struct vm_region_extended_info, pages_swapped_out, 16)
AT(struct vm_region_extended_info, pages_dirtied, 20)
AT(struct vm_region_extended_info, ref_count, 24)
AT(struct vm_region_extended_info, shadow_depth, 28)
AT(struct vm_region_extended_info, external_pager, 30)
AT(struct vm_region_extended_info, share_mode, 31)
AT(struct vm_region_extended_info, pages_reusable, 32)
SIZE(vm_region_top_info_data_t, 20) AT(struct vm_region_top_info, ref_count, 4)
AT(struct vm_region_top_info, private_pages_resident, 8)
AT(struct vm_region_top_info, shared_pages_resident, 12)
AT(struct vm_region_top_info, share_mode, 16)
SIZE(vm_region_submap_info_data_t, 60) AT(struct vm_region_submap_info, offset, 12)
AT(struct vm_region_submap_info, share_mode, 43) AT(struct vm_region_submap_info, is_submap, 44)
AT(struct vm_region_submap_info, object_id, 52)
SIZE(vm_region_submap_info_data_64_t, 84) AT(struct vm_region_submap_info_64, offset, 12)
AT(struct vm_region_submap_info_64, user_tag, 20)
AT(struct vm_region_submap_info_64, pages_resident, 24)
AT(struct vm_region_submap_info_64, ref_count, 40)
AT(struct vm_region_submap_info_64, share_mode, 47)
AT(struct vm_region_submap_info_64, is_submap, 48)
AT(struct vm_region_submap_info_64, flags, 62)
AT(struct vm_region_submap_info_64, pages_reusable, 64)
AT(struct vm_region_submap_info_64, object_id_full, 68)
AT(struct vm_region_submap_info_64, pages_wired, 76)
AT(struct vm_region_submap_info_64, wire_tag, 80)
SIZE(vm_region_submap_short_info_data_64_t, 48)
AT(struct vm_region_submap_short_info_64, is_submap, 32)
AT(struct vm_region_submap_short_info_64, flags, 46)

/* Signatures */

FN(mach_msg, mach_msg_return_t,
   (mach_msg_header_t *, mach_msg_option_t, mach_msg_size_t, mach_msg_size_t, mach_port_name_t,
    mach_msg_timeout_t, mach_port_name_t))
FN(mach_msg_overwrite, mach_msg_return_t,
   (mach_msg_header_t *, mach_msg_option_t, mach_msg_size_t, mach_msg_size_t, mach_port_name_t,
    mach_msg_timeout_t, mach_port_name_t, mach_msg_header_t *, mach_msg_size_t))
FN(mach_msg_destroy, void, (mach_msg_header_t *))
FN(mach_port_allocate, kern_return_t, (ipc_space_t, mach_port_right_t, mach_port_name_t *))
FN(mach_port_deallocate, kern_return_t, (ipc_space_t, mach_port_name_t))
FN(mach_port_insert_right, kern_return_t,
   (ipc_space_t, mach_port_name_t, mach_port_t, mach_msg_type_name_t))
FN(mach_port_mod_refs, kern_return_t,
   (ipc_space_t, mach_port_name_t, mach_port_right_t, mach_port_delta_t))
FN(mach_port_destroy, kern_return_t, (ipc_space_t, mach_port_name_t))
FN(mach_port_type, kern_return_t, (ipc_space_t, mach_port_name_t, mach_port_type_t *))
FN(mach_port_get_refs, kern_return_t,
   (ipc_space_t, mach_port_name_t, mach_port_right_t, mach_port_urefs_t *))
FN(mach_port_names, kern_return_t,
   (ipc_space_t, mach_port_name_array_t *, mach_msg_type_number_t *, mach_port_type_array_t *,
    mach_msg_type_number_t *))
FN(mach_port_get_attributes, kern_return_t,
   (ipc_space_read_t, mach_port_name_t, mach_port_flavor_t, mach_port_info_t,
    mach_msg_type_number_t *))
FN(mach_port_set_attributes, kern_return_t,
   (ipc_space_t, mach_port_name_t, mach_port_flavor_t, mach_port_info_t, mach_msg_type_number_t))
FN(mach_host_self, mach_port_t, (void))
FN(task_get_special_port, kern_return_t, (task_inspect_t, int, mach_port_t *))
FN(task_set_special_port, kern_return_t, (task_t, int, mach_port_t))
FN(vm_allocate, kern_return_t, (vm_map_t, vm_address_t *, vm_size_t, int))
FN(vm_deallocate, kern_return_t, (vm_map_t, vm_address_t, vm_size_t))
FN(mach_vm_allocate, kern_return_t, (vm_map_t, mach_vm_address_t *, mach_vm_size_t, int))
FN(mach_vm_deallocate, kern_return_t, (vm_map_t, mach_vm_address_t, mach_vm_size_t))
FN(mach_error_string, char *, (mach_error_t))
FN(mach_error_type, char *, (mach_error_t))
FN(mach_error, void, (const char *, mach_error_t))
FN(mach_absolute_time, uint64_t, (void))
FN(mach_timebase_info, kern_return_t, (mach_timebase_info_t))
FN(bootstrap_check_in, kern_return_t, (mach_port_t, const char *, mach_port_t *))
FN(bootstrap_look_up, kern_return_t, (mach_port_t, const char *, mach_port_t *))
FN(bootstrap_strerror, const char *, (kern_return_t))
FN(bootstrap_parent, kern_return_t, (mach_port_t, mach_port_t *))
FN(bootstrap_unprivileged, kern_return_t, (mach_port_t, mach_port_t *))
SIZE(name_t, 128)

SAME(__typeof__(bootstrap_port), mach_port_t) SAME(__typeof__(mach_task_self()), mach_port_t)
SAME(__typeof__(vm_page_size), vm_size_t) SAME(__typeof__(vm_page_mask), vm_size_t)
SAME(__typeof__(vm_page_shift), int)

#ifdef __APPLE__
/* Darwin's takes a name it may write to, but does not: ours takes string literals in C++ too. */
FN(bootstrap_register, kern_return_t, (mach_port_t, char *, mach_port_t))
FN(bootstrap_create_service, kern_return_t, (mach_port_t, char *, mach_port_t *))
FN(bootstrap_create_server, kern_return_t, (mach_port_t, char *, uid_t, boolean_t, mach_port_t *))
FN(bootstrap_status, kern_return_t, (mach_port_t, char *, bootstrap_status_t *))
#else
FN(bootstrap_register, kern_return_t, (mach_port_t, const char *, mach_port_t))
FN(bootstrap_create_service, kern_return_t, (mach_port_t, const char *, mach_port_t *))
FN(bootstrap_create_server, kern_return_t,
   (mach_port_t, const char *, uid_t, boolean_t, mach_port_t *))
FN(bootstrap_status, kern_return_t, (mach_port_t, const char *, bootstrap_status_t *))
/* The SDK's newest headers have the symbol but not the declaration. */
FN(mach_reply_port, mach_port_name_t, (void))
/* int here, as on arm64 macOS; x86_64 macOS has unsigned int. */
SAME(boolean_t, int)
/* In the SDK a macro only. */
_Static_assert(_Generic((mach_task_self), mach_port_t (*)(void) : 1, default : 0), "function");
#endif
