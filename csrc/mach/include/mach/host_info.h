/*
 * What host_info() can tell: flavours, structs, and their sizes in words.
 */
#ifndef MACHOOL_MACH_HOST_INFO_H
#define MACHOOL_MACH_HOST_INFO_H

#include <mach/machine.h>
#include <mach/machine/vm_types.h>
#include <mach/message.h>
#include <mach/time_value.h>
#include <mach/vm_statistics.h>

typedef integer_t *host_info_t; /* one of the structs below, as words */
typedef integer_t *host_info64_t;
typedef integer_t host_flavor_t;

#define HOST_INFO_MAX (1024)
typedef integer_t host_info_data_t[HOST_INFO_MAX];

#define KERNEL_VERSION_MAX (512)
typedef char kernel_version_t[KERNEL_VERSION_MAX];

/* Flavours of host_info(). */
#define HOST_BASIC_INFO 1
#define HOST_SCHED_INFO 3
#define HOST_RESOURCE_SIZES 4
#define HOST_PRIORITY_INFO 5
#define HOST_SEMAPHORE_TRAPS 7
#define HOST_MACH_MSG_TRAP 8
#define HOST_VM_PURGABLE 9
#define HOST_DEBUG_INFO_INTERNAL 10
#define HOST_CAN_HAS_DEBUGGER 11
#define HOST_PREFERRED_USER_ARCH 12

#pragma pack(push, 4)
struct host_basic_info {
    integer_t max_cpus;    /* processors that there may be */
    integer_t avail_cpus;  /* processors running now */
    natural_t memory_size; /* bytes, or 2 GiB if there are more: see max_mem */
    cpu_type_t cpu_type;
    cpu_subtype_t cpu_subtype;
    cpu_threadtype_t cpu_threadtype; /* whether one core is several processors */
    integer_t physical_cpu;          /* cores running now */
    integer_t physical_cpu_max;
    integer_t logical_cpu; /* processors running now */
    integer_t logical_cpu_max;
    uint64_t max_mem; /* bytes of memory */
};
#pragma pack(pop)
typedef struct host_basic_info host_basic_info_data_t, *host_basic_info_t;

/* Milliseconds. */
struct host_sched_info {
    integer_t min_timeout; /* the shortest wait */
    integer_t min_quantum; /* the shortest turn of a thread */
};
typedef struct host_sched_info host_sched_info_data_t, *host_sched_info_t;

/* Bytes of kernel memory for one of each. */
struct kernel_resource_sizes {
    natural_t task;
    natural_t thread;
    natural_t port;
    natural_t memory_region;
    natural_t memory_object;
};
typedef struct kernel_resource_sizes kernel_resource_sizes_data_t, *kernel_resource_sizes_t;

struct host_priority_info {
    integer_t kernel_priority;
    integer_t system_priority;
    integer_t server_priority;
    integer_t user_priority;
    integer_t depress_priority;
    integer_t idle_priority;
    integer_t minimum_priority;
    integer_t maximum_priority;
};
typedef struct host_priority_info host_priority_info_data_t, *host_priority_info_t;

struct host_can_has_debugger_info {
    boolean_t can_has_debugger;
};
typedef struct host_can_has_debugger_info host_can_has_debugger_info_data_t,
    *host_can_has_debugger_info_t;

struct host_preferred_user_arch {
    cpu_type_t cpu_type;
    cpu_subtype_t cpu_subtype;
};
typedef struct host_preferred_user_arch host_preferred_user_arch_data_t,
    *host_preferred_user_arch_t;

/* Flavours of host_statistics(). */
#define HOST_LOAD_INFO 1
#define HOST_VM_INFO 2
#define HOST_CPU_LOAD_INFO 3

/* Load of the last 5, 30 and 60 seconds on Darwin; here of 1, 5 and 15 minutes. By LOAD_SCALE. */
struct host_load_info {
    integer_t avenrun[3];     /* threads that could run */
    integer_t mach_factor[3]; /* what is left for one more */
};
typedef struct host_load_info host_load_info_data_t, *host_load_info_t;

/* Ticks of a hundredth of a second since the system's start, all processors together. */
struct host_cpu_load_info {
    natural_t cpu_ticks[CPU_STATE_MAX];
};
typedef struct host_cpu_load_info host_cpu_load_info_data_t, *host_cpu_load_info_t;

#define HOST_BASIC_INFO_COUNT                                                                      \
    ((mach_msg_type_number_t)(sizeof(host_basic_info_data_t) / sizeof(integer_t)))
#define HOST_SCHED_INFO_COUNT                                                                      \
    ((mach_msg_type_number_t)(sizeof(host_sched_info_data_t) / sizeof(integer_t)))
#define HOST_RESOURCE_SIZES_COUNT                                                                  \
    ((mach_msg_type_number_t)(sizeof(kernel_resource_sizes_data_t) / sizeof(integer_t)))
#define HOST_PRIORITY_INFO_COUNT                                                                   \
    ((mach_msg_type_number_t)(sizeof(host_priority_info_data_t) / sizeof(integer_t)))
#define HOST_CAN_HAS_DEBUGGER_COUNT                                                                \
    ((mach_msg_type_number_t)(sizeof(host_can_has_debugger_info_data_t) / sizeof(integer_t)))
#define HOST_PREFERRED_USER_ARCH_COUNT                                                             \
    ((mach_msg_type_number_t)(sizeof(host_preferred_user_arch_data_t) / sizeof(integer_t)))
#define HOST_LOAD_INFO_COUNT                                                                       \
    ((mach_msg_type_number_t)(sizeof(host_load_info_data_t) / sizeof(integer_t)))
#define HOST_CPU_LOAD_INFO_COUNT                                                                   \
    ((mach_msg_type_number_t)(sizeof(host_cpu_load_info_data_t) / sizeof(integer_t)))

#endif
