/*
 * What task_info() can tell: flavours, structs, and their sizes in words.
 */
#ifndef MACHOOL_MACH_TASK_INFO_H
#define MACHOOL_MACH_TASK_INFO_H

#include <mach/machine.h>
#include <mach/machine/vm_types.h>
#include <mach/message.h>
#include <mach/policy.h>
#include <mach/time_value.h>
#include <mach/vm_statistics.h>

typedef natural_t task_flavor_t;
typedef integer_t *task_info_t; /* one of the structs below, as words */

#define TASK_INFO_MAX (1024)
typedef integer_t task_info_data_t[TASK_INFO_MAX];

#pragma pack(push, 4)

/*
 * The basic flavours. Sizes in bytes; times are those of threads that have ended, the others' are
 * in TASK_THREAD_TIMES_INFO.
 */

#define TASK_BASIC_INFO_32 4
#define TASK_BASIC2_INFO_32 6

struct task_basic_info_32 {
    integer_t suspend_count;
    natural_t virtual_size;
    natural_t resident_size;
    time_value_t user_time;
    time_value_t system_time;
    policy_t policy;
};
typedef struct task_basic_info_32 task_basic_info_32_data_t, *task_basic_info_32_t;

struct task_basic_info_64 {
    integer_t suspend_count;
    mach_vm_size_t virtual_size;
    mach_vm_size_t resident_size;
    time_value_t user_time;
    time_value_t system_time;
    policy_t policy;
};
typedef struct task_basic_info_64 task_basic_info_64_data_t, *task_basic_info_64_t;

/* The same struct has two numbers: each machine has always used its own. */
#ifdef __aarch64__
#define TASK_BASIC_INFO_64_2 18
#define TASK_BASIC_INFO_64 TASK_BASIC_INFO_64_2
#else
#define TASK_BASIC_INFO_64 5
#endif

struct task_basic_info {
    integer_t suspend_count;
    vm_size_t virtual_size;
    vm_size_t resident_size;
    time_value_t user_time;
    time_value_t system_time;
    policy_t policy;
};
typedef struct task_basic_info task_basic_info_data_t, *task_basic_info_t;
#define TASK_BASIC_INFO TASK_BASIC_INFO_64

#define MACH_TASK_BASIC_INFO 20

struct mach_task_basic_info {
    mach_vm_size_t virtual_size;
    mach_vm_size_t resident_size;
    mach_vm_size_t resident_size_max;
    time_value_t user_time;
    time_value_t system_time;
    policy_t policy;
    integer_t suspend_count;
};
typedef struct mach_task_basic_info mach_task_basic_info_data_t, *mach_task_basic_info_t;

/* Counts since the task's start. */
#define TASK_EVENTS_INFO 2

struct task_events_info {
    integer_t faults;
    integer_t pageins;
    integer_t cow_faults;
    integer_t messages_sent;
    integer_t messages_received;
    integer_t syscalls_mach;
    integer_t syscalls_unix;
    integer_t csw; /* context switches */
};
typedef struct task_events_info task_events_info_data_t, *task_events_info_t;

/* Time spent by the threads that live. */
#define TASK_THREAD_TIMES_INFO 3

struct task_thread_times_info {
    time_value_t user_time;
    time_value_t system_time;
};
typedef struct task_thread_times_info task_thread_times_info_data_t, *task_thread_times_info_t;

/* The same times, all threads and the living ones, in ticks of mach_absolute_time(). */
#define TASK_ABSOLUTETIME_INFO 1

struct task_absolutetime_info {
    uint64_t total_user;
    uint64_t total_system;
    uint64_t threads_user;
    uint64_t threads_system;
};
typedef struct task_absolutetime_info task_absolutetime_info_data_t, *task_absolutetime_info_t;

/* Who the task is, as the trailers of its messages say. */
#define TASK_SECURITY_TOKEN 13
#define TASK_AUDIT_TOKEN 15

/* Memory in more detail. Bytes, but for the two counts. */
#define TASK_VM_INFO 22
#define TASK_VM_INFO_PURGEABLE 23

struct task_vm_info {
    mach_vm_size_t virtual_size;
    integer_t region_count;
    integer_t page_size;
    mach_vm_size_t resident_size;
    mach_vm_size_t resident_size_peak;
    mach_vm_size_t device;
    mach_vm_size_t device_peak;
    mach_vm_size_t internal; /* anonymous memory */
    mach_vm_size_t internal_peak;
    mach_vm_size_t external; /* pages of files */
    mach_vm_size_t external_peak;
    mach_vm_size_t reusable;
    mach_vm_size_t reusable_peak;
    mach_vm_size_t purgeable_volatile_pmap;
    mach_vm_size_t purgeable_volatile_resident;
    mach_vm_size_t purgeable_volatile_virtual;
    mach_vm_size_t compressed; /* out of memory: compressed there, swapped here */
    mach_vm_size_t compressed_peak;
    mach_vm_size_t compressed_lifetime;

    mach_vm_size_t phys_footprint; /* what the task alone is to blame for */

    mach_vm_address_t min_address;
    mach_vm_address_t max_address;

    int64_t ledger_phys_footprint_peak;
    int64_t ledger_purgeable_nonvolatile;
    int64_t ledger_purgeable_novolatile_compressed;
    int64_t ledger_purgeable_volatile;
    int64_t ledger_purgeable_volatile_compressed;
    int64_t ledger_tag_network_nonvolatile;
    int64_t ledger_tag_network_nonvolatile_compressed;
    int64_t ledger_tag_network_volatile;
    int64_t ledger_tag_network_volatile_compressed;
    int64_t ledger_tag_media_footprint;
    int64_t ledger_tag_media_footprint_compressed;
    int64_t ledger_tag_media_nofootprint;
    int64_t ledger_tag_media_nofootprint_compressed;
    int64_t ledger_tag_graphics_footprint;
    int64_t ledger_tag_graphics_footprint_compressed;
    int64_t ledger_tag_graphics_nofootprint;
    int64_t ledger_tag_graphics_nofootprint_compressed;
    int64_t ledger_tag_neural_footprint;
    int64_t ledger_tag_neural_footprint_compressed;
    int64_t ledger_tag_neural_nofootprint;
    int64_t ledger_tag_neural_nofootprint_compressed;

    uint64_t limit_bytes_remaining;

    integer_t decompressions;

    int64_t ledger_swapins;

    int64_t ledger_tag_neural_nofootprint_total;
    int64_t ledger_tag_neural_nofootprint_peak;
};
typedef struct task_vm_info task_vm_info_data_t, *task_vm_info_t;

/* Whether the task has 64-bit addresses and registers. */
#define TASK_FLAGS_INFO 28

struct task_flags_info {
    uint32_t flags;
};
typedef struct task_flags_info task_flags_info_data_t, *task_flags_info_t;

#define TF_LP64 0x00000001
#define TF_64B_DATA 0x00000002

#pragma pack(pop)

#define TASK_BASIC_INFO_32_COUNT (sizeof(task_basic_info_32_data_t) / sizeof(natural_t))
#define TASK_BASIC_INFO_64_COUNT (sizeof(task_basic_info_64_data_t) / sizeof(natural_t))
#ifdef __aarch64__
#define TASK_BASIC_INFO_64_2_COUNT TASK_BASIC_INFO_64_COUNT
#endif
#define TASK_BASIC_INFO_COUNT (sizeof(task_basic_info_data_t) / sizeof(natural_t))
#define MACH_TASK_BASIC_INFO_COUNT (sizeof(mach_task_basic_info_data_t) / sizeof(natural_t))
#define TASK_EVENTS_INFO_COUNT                                                                     \
    ((mach_msg_type_number_t)(sizeof(task_events_info_data_t) / sizeof(natural_t)))
#define TASK_THREAD_TIMES_INFO_COUNT                                                               \
    ((mach_msg_type_number_t)(sizeof(task_thread_times_info_data_t) / sizeof(natural_t)))
#define TASK_ABSOLUTETIME_INFO_COUNT                                                               \
    ((mach_msg_type_number_t)(sizeof(task_absolutetime_info_data_t) / sizeof(natural_t)))
#define TASK_SECURITY_TOKEN_COUNT                                                                  \
    ((mach_msg_type_number_t)(sizeof(security_token_t) / sizeof(natural_t)))
#define TASK_AUDIT_TOKEN_COUNT (sizeof(audit_token_t) / sizeof(natural_t))
#define TASK_FLAGS_INFO_COUNT                                                                      \
    ((mach_msg_type_number_t)(sizeof(task_flags_info_data_t) / sizeof(natural_t)))

/* The struct has grown over the years; an older program asks for fewer words. */
#define TASK_VM_INFO_COUNT                                                                         \
    ((mach_msg_type_number_t)(sizeof(task_vm_info_data_t) / sizeof(natural_t)))
#define TASK_VM_INFO_REV7_COUNT TASK_VM_INFO_COUNT
#define TASK_VM_INFO_REV6_COUNT ((mach_msg_type_number_t)(TASK_VM_INFO_REV7_COUNT - 4))
#define TASK_VM_INFO_REV5_COUNT ((mach_msg_type_number_t)(TASK_VM_INFO_REV6_COUNT - 2))
#define TASK_VM_INFO_REV4_COUNT ((mach_msg_type_number_t)(TASK_VM_INFO_REV5_COUNT - 1))
#define TASK_VM_INFO_REV3_COUNT ((mach_msg_type_number_t)(TASK_VM_INFO_REV4_COUNT - 2))
#define TASK_VM_INFO_REV2_COUNT ((mach_msg_type_number_t)(TASK_VM_INFO_REV3_COUNT - 42))
#define TASK_VM_INFO_REV1_COUNT ((mach_msg_type_number_t)(TASK_VM_INFO_REV2_COUNT - 4))
#define TASK_VM_INFO_REV0_COUNT ((mach_msg_type_number_t)(TASK_VM_INFO_REV1_COUNT - 2))

/* What a violation of a guard leads to, for memory and for ports. */
typedef uint32_t task_exc_guard_behavior_t;

#define TASK_EXC_GUARD_NONE 0x00
#define TASK_EXC_GUARD_VM_DELIVER 0x01
#define TASK_EXC_GUARD_VM_ONCE 0x02
#define TASK_EXC_GUARD_VM_CORPSE 0x04
#define TASK_EXC_GUARD_VM_FATAL 0x08
#define TASK_EXC_GUARD_VM_ALL 0x0f
#define TASK_EXC_GUARD_MP_DELIVER 0x10
#define TASK_EXC_GUARD_MP_ONCE 0x20
#define TASK_EXC_GUARD_MP_CORPSE 0x40
#define TASK_EXC_GUARD_MP_FATAL 0x80
#define TASK_EXC_GUARD_MP_ALL 0xf0
#define TASK_EXC_GUARD_ALL 0xff

#endif
