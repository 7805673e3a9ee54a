/*
 * The rest of static_asserts.c: tasks, threads, the host, the clock, and what MIG's stubs need.
 */
#include "asserts.h"

#include <mach/host_special_ports.h>
#include <mach/mach.h>
#include <mach/mach_host.h>
#include <mach/mach_time.h>
#include <mach/mig.h>
#include <mach/task.h>
#include <mach/task_info.h>
#include <mach/thread_act.h>
#include <mach/thread_policy.h>
#include <mach_debug/mach_debug_types.h>

#ifndef __APPLE__
#include <mach/mach_msg2.h>
#endif

// clang-format off

/* Processors */
V(CPU_STATE_USER, 0) V(CPU_STATE_SYSTEM, 1) V(CPU_STATE_IDLE, 2) V(CPU_STATE_NICE, 3)
V(CPU_STATE_MAX, 4) V(CPU_ARCH_MASK, 0xff000000) V(CPU_ARCH_ABI64, 0x1000000)
V(CPU_ARCH_ABI64_32, 0x2000000) V(CPU_TYPE_ANY, -1) V(CPU_TYPE_X86, 7) V(CPU_TYPE_I386, 7)
V(CPU_TYPE_X86_64, 16777223) V(CPU_TYPE_ARM, 12) V(CPU_TYPE_ARM64, 16777228)
V(CPU_TYPE_ARM64_32, 33554444) V(CPU_TYPE_POWERPC, 18) V(CPU_TYPE_POWERPC64, 16777234)
V(CPU_SUBTYPE_MASK, 0xff000000) V(CPU_SUBTYPE_LIB64, 0x80000000) V(CPU_SUBTYPE_ANY, -1)
V(CPU_SUBTYPE_MULTIPLE, -1) V(CPU_SUBTYPE_LITTLE_ENDIAN, 0) V(CPU_SUBTYPE_BIG_ENDIAN, 1)
V(CPU_SUBTYPE_X86_ALL, 3) V(CPU_SUBTYPE_X86_64_ALL, 3) V(CPU_SUBTYPE_X86_ARCH1, 4)
V(CPU_SUBTYPE_X86_64_H, 8) V(CPU_SUBTYPE_ARM_ALL, 0) V(CPU_SUBTYPE_ARM64_ALL, 0)
V(CPU_SUBTYPE_ARM64_V8, 1) V(CPU_SUBTYPE_ARM64E, 2) V(CPU_SUBTYPE_POWERPC_ALL, 0)
V(CPU_THREADTYPE_NONE, 0) V(CPU_THREADTYPE_INTEL_HTT, 1)

/* Scheduling policies of old */
V(POLICY_NULL, 0) V(POLICY_TIMESHARE, 1) V(POLICY_RR, 2) V(POLICY_FIFO, 4)
V(POLICYCLASS_FIXEDPRI, 6) V(POLICY_TIMESHARE_BASE_COUNT, 1) V(POLICY_TIMESHARE_LIMIT_COUNT, 1)
V(POLICY_TIMESHARE_INFO_COUNT, 5) V(POLICY_RR_BASE_COUNT, 2) V(POLICY_RR_LIMIT_COUNT, 1)
V(POLICY_RR_INFO_COUNT, 5) V(POLICY_FIFO_BASE_COUNT, 1) V(POLICY_FIFO_LIMIT_COUNT, 1)
V(POLICY_FIFO_INFO_COUNT, 4)

/* The host's ports */
V(HOST_DYNAMIC_PAGER_PORT, 8) V(HOST_AUDIT_CONTROL_PORT, 9) V(HOST_USER_NOTIFICATION_PORT, 10)
V(HOST_AUTOMOUNTD_PORT, 11) V(HOST_LOCKD_PORT, 12) V(HOST_KTRACE_BACKGROUND_PORT, 13)
V(HOST_SEATBELT_PORT, 14) V(HOST_KEXTD_PORT, 15) V(HOST_LAUNCHCTL_PORT, 16)
V(HOST_UNFREED_PORT, 17) V(HOST_AMFID_PORT, 18) V(HOST_GSSD_PORT, 19) V(HOST_TELEMETRY_PORT, 20)
V(HOST_ATM_NOTIFICATION_PORT, 21) V(HOST_COALITION_PORT, 22) V(HOST_SYSDIAGNOSE_PORT, 23)
V(HOST_XPC_EXCEPTION_PORT, 24) V(HOST_CONTAINERD_PORT, 25) V(HOST_NODE_PORT, 26)
V(HOST_RESOURCE_NOTIFY_PORT, 27) V(HOST_CLOSURED_PORT, 28) V(HOST_SYSPOLICYD_PORT, 29)
V(HOST_FILECOORDINATIOND_PORT, 30) V(HOST_FAIRPLAYD_PORT, 31) V(HOST_IOCOMPRESSIONSTATS_PORT, 32)
V(HOST_MEMORY_ERROR_PORT, 33) V(HOST_MANAGEDAPPDISTD_PORT, 34) V(HOST_DOUBLEAGENTD_PORT, 35)
V(HOST_DISKIMAGESIOD_PORT, 36) V(HOST_CHUD_PORT, 16) V(HOST_MAX_SPECIAL_PORT, 36)

/* host_info */
V(HOST_INFO_MAX, 1024) V(KERNEL_VERSION_MAX, 512) V(HOST_BASIC_INFO, 1) V(HOST_SCHED_INFO, 3)
V(HOST_RESOURCE_SIZES, 4) V(HOST_PRIORITY_INFO, 5) V(HOST_SEMAPHORE_TRAPS, 7)
V(HOST_MACH_MSG_TRAP, 8) V(HOST_VM_PURGABLE, 9) V(HOST_DEBUG_INFO_INTERNAL, 10)
V(HOST_CAN_HAS_DEBUGGER, 11) V(HOST_PREFERRED_USER_ARCH, 12) V(HOST_LOAD_INFO, 1)
V(HOST_VM_INFO, 2) V(HOST_CPU_LOAD_INFO, 3) V(HOST_BASIC_INFO_COUNT, 12)
V(HOST_SCHED_INFO_COUNT, 2) V(HOST_RESOURCE_SIZES_COUNT, 5) V(HOST_PRIORITY_INFO_COUNT, 8)
V(HOST_CAN_HAS_DEBUGGER_COUNT, 1) V(HOST_PREFERRED_USER_ARCH_COUNT, 2) V(HOST_LOAD_INFO_COUNT, 6)
V(HOST_CPU_LOAD_INFO_COUNT, 4)

/* Processors one by one */
V(PROCESSOR_INFO_MAX, 1024) V(PROCESSOR_SET_INFO_MAX, 1024) V(PROCESSOR_BASIC_INFO, 1)
V(PROCESSOR_CPU_LOAD_INFO, 2) V(PROCESSOR_BASIC_INFO_COUNT, 5) V(PROCESSOR_CPU_LOAD_INFO_COUNT, 4)
V(LOAD_SCALE, 1000)

/* task_info */
V(TASK_INFO_MAX, 1024) V(TASK_BASIC_INFO_32, 4) V(TASK_BASIC2_INFO_32, 6)
V(MACH_TASK_BASIC_INFO, 20) V(TASK_EVENTS_INFO, 2) V(TASK_THREAD_TIMES_INFO, 3)
V(TASK_ABSOLUTETIME_INFO, 1) V(TASK_SECURITY_TOKEN, 13) V(TASK_AUDIT_TOKEN, 15) V(TASK_VM_INFO, 22)
V(TASK_VM_INFO_PURGEABLE, 23) V(TASK_FLAGS_INFO, 28) V(TF_LP64, 1) V(TF_64B_DATA, 2)
V(TASK_BASIC_INFO_32_COUNT, 8) V(TASK_BASIC_INFO_64_COUNT, 10) V(TASK_BASIC_INFO_COUNT, 10)
V(MACH_TASK_BASIC_INFO_COUNT, 12) V(TASK_EVENTS_INFO_COUNT, 8) V(TASK_THREAD_TIMES_INFO_COUNT, 4)
V(TASK_ABSOLUTETIME_INFO_COUNT, 8) V(TASK_SECURITY_TOKEN_COUNT, 2) V(TASK_AUDIT_TOKEN_COUNT, 8)
V(TASK_FLAGS_INFO_COUNT, 1) V(TASK_VM_INFO_COUNT, 93) V(TASK_VM_INFO_REV7_COUNT, 93)
V(TASK_VM_INFO_REV6_COUNT, 89) V(TASK_VM_INFO_REV5_COUNT, 87) V(TASK_VM_INFO_REV4_COUNT, 86)
V(TASK_VM_INFO_REV3_COUNT, 84) V(TASK_VM_INFO_REV2_COUNT, 42) V(TASK_VM_INFO_REV1_COUNT, 38)
V(TASK_VM_INFO_REV0_COUNT, 36) V(TASK_EXC_GUARD_NONE, 0) V(TASK_EXC_GUARD_VM_DELIVER, 1)
V(TASK_EXC_GUARD_VM_ONCE, 2) V(TASK_EXC_GUARD_VM_CORPSE, 4) V(TASK_EXC_GUARD_VM_FATAL, 8)
V(TASK_EXC_GUARD_VM_ALL, 0xf) V(TASK_EXC_GUARD_MP_DELIVER, 0x10) V(TASK_EXC_GUARD_MP_ONCE, 0x20)
V(TASK_EXC_GUARD_MP_CORPSE, 0x40) V(TASK_EXC_GUARD_MP_FATAL, 0x80) V(TASK_EXC_GUARD_MP_ALL, 0xf0)
V(TASK_EXC_GUARD_ALL, 0xff)

/* Registers */
V(THREAD_STATE_MAX, 1296) V(THREAD_STATE_FLAVOR_LIST, 0) V(THREAD_STATE_FLAVOR_LIST_NEW, 128)

/* thread_info */
V(THREAD_INFO_MAX, 32) V(THREAD_BASIC_INFO, 3) V(TH_USAGE_SCALE, 1000) V(TH_STATE_RUNNING, 1)
V(TH_STATE_STOPPED, 2) V(TH_STATE_WAITING, 3) V(TH_STATE_UNINTERRUPTIBLE, 4) V(TH_STATE_HALTED, 5)
V(TH_FLAGS_SWAPPED, 1) V(TH_FLAGS_IDLE, 2) V(TH_FLAGS_GLOBAL_FORCED_IDLE, 4)
V(THREAD_IDENTIFIER_INFO, 4) V(THREAD_EXTENDED_INFO, 5) V(MAXTHREADNAMESIZE, 64)
V(THREAD_BASIC_INFO_COUNT, 10) V(THREAD_IDENTIFIER_INFO_COUNT, 6) V(THREAD_EXTENDED_INFO_COUNT, 28)
V(THREAD_SCHED_TIMESHARE_INFO, 10) V(THREAD_SCHED_RR_INFO, 11) V(THREAD_SCHED_FIFO_INFO, 12)

/* thread_policy_set */
V(THREAD_STANDARD_POLICY, 1) V(THREAD_STANDARD_POLICY_COUNT, 0) V(THREAD_EXTENDED_POLICY, 1)
V(THREAD_TIME_CONSTRAINT_POLICY, 2) V(THREAD_PRECEDENCE_POLICY, 3) V(THREAD_AFFINITY_POLICY, 4)
V(THREAD_AFFINITY_TAG_NULL, 0) V(THREAD_BACKGROUND_POLICY, 5)
V(THREAD_BACKGROUND_POLICY_DARWIN_BG, 0x1000) V(THREAD_LATENCY_QOS_POLICY, 7)
V(THREAD_THROUGHPUT_QOS_POLICY, 8) V(THREAD_EXTENDED_POLICY_COUNT, 1)
V(THREAD_TIME_CONSTRAINT_POLICY_COUNT, 4) V(THREAD_PRECEDENCE_POLICY_COUNT, 1)
V(THREAD_AFFINITY_POLICY_COUNT, 1) V(THREAD_BACKGROUND_POLICY_COUNT, 1)
V(THREAD_LATENCY_QOS_POLICY_COUNT, 1) V(THREAD_THROUGHPUT_QOS_POLICY_COUNT, 1)

/* A thread's ports */
V(THREAD_KERNEL_PORT, 1) V(THREAD_INSPECT_PORT, 2) V(THREAD_READ_PORT, 3)
V(THREAD_MAX_SPECIAL_PORT, 3)

/* thread_switch */
V(SWITCH_OPTION_NONE, 0) V(SWITCH_OPTION_DEPRESS, 1) V(SWITCH_OPTION_WAIT, 2)

/* Exceptions */
V(FIRST_EXCEPTION, 1) V(EXC_BAD_ACCESS, 1) V(EXC_BAD_INSTRUCTION, 2) V(EXC_ARITHMETIC, 3)
V(EXC_EMULATION, 4) V(EXC_SOFTWARE, 5) V(EXC_BREAKPOINT, 6) V(EXC_SYSCALL, 7)
V(EXC_MACH_SYSCALL, 8) V(EXC_RPC_ALERT, 9) V(EXC_CRASH, 10) V(EXC_RESOURCE, 11) V(EXC_GUARD, 12)
V(EXC_CORPSE_NOTIFY, 13) V(EXC_TYPES_COUNT, 14) V(EXC_SOFT_SIGNAL, 0x10003)
V(EXC_MASK_BAD_ACCESS, 2) V(EXC_MASK_BAD_INSTRUCTION, 4) V(EXC_MASK_ARITHMETIC, 8)
V(EXC_MASK_EMULATION, 16) V(EXC_MASK_SOFTWARE, 32) V(EXC_MASK_BREAKPOINT, 64)
V(EXC_MASK_SYSCALL, 128) V(EXC_MASK_MACH_SYSCALL, 256) V(EXC_MASK_RPC_ALERT, 512)
V(EXC_MASK_CRASH, 1024) V(EXC_MASK_RESOURCE, 2048) V(EXC_MASK_GUARD, 4096)
V(EXC_MASK_CORPSE_NOTIFY, 8192) V(EXC_MASK_MACHINE, 0) V(EXC_MASK_ALL, 7166)
V(EXCEPTION_DEFAULT, 1) V(EXCEPTION_STATE, 2) V(EXCEPTION_STATE_IDENTITY, 3)
V(EXCEPTION_IDENTITY_PROTECTED, 4) V(EXCEPTION_STATE_IDENTITY_PROTECTED, 5)
V(MACH_EXCEPTION_BACKTRACE_PREFERRED, 0x20000000) V(MACH_EXCEPTION_ERRORS, 0x40000000)
V(MACH_EXCEPTION_CODES, 0x80000000) V(MACH_EXCEPTION_MASK, 3758096384)

/* Vouchers */
V(MACH_VOUCHER_NULL, 0) V(MACH_VOUCHER_NAME_NULL, 0) V(IPC_VOUCHER_NULL, 0)
V(MACH_VOUCHER_SELECTOR_CURRENT, 0) V(MACH_VOUCHER_SELECTOR_EFFECTIVE, 1)
V(MACH_VOUCHER_ATTR_KEY_ALL, 4294967295) V(MACH_VOUCHER_ATTR_KEY_NONE, 0)
V(MACH_VOUCHER_ATTR_KEY_ATM, 1) V(MACH_VOUCHER_ATTR_KEY_IMPORTANCE, 2)
V(MACH_VOUCHER_ATTR_KEY_BANK, 3) V(MACH_VOUCHER_ATTR_KEY_PTHPRIORITY, 4)
V(MACH_VOUCHER_ATTR_KEY_USER_DATA, 7) V(MACH_VOUCHER_ATTR_KEY_TEST, 8) V(MACH_VOUCHER_ATTR_NOOP, 0)
V(MACH_VOUCHER_ATTR_COPY, 1) V(MACH_VOUCHER_ATTR_REMOVE, 2) V(MACH_VOUCHER_ATTR_REDEEM, 10)

/* Clocks */
V(SYSTEM_CLOCK, 0) V(REALTIME_CLOCK, 0) V(CALENDAR_CLOCK, 1) V(TIME_ABSOLUTE, 0)
V(TIME_RELATIVE, 1) V(NSEC_PER_USEC, 1000) V(NSEC_PER_MSEC, 1000000) V(NSEC_PER_SEC, 1000000000)
V(USEC_PER_SEC, 1000000)

/* mach_port_space_info */
V(IPC_OTYPE_NONE, 0) V(IPC_OTYPE_THREAD_CONTROL, 1) V(IPC_OTYPE_TASK_CONTROL, 2)
V(IPC_OTYPE_HOST, 3) V(IPC_OTYPE_HOST_PRIV, 4) V(IPC_OTYPE_PROCESSOR, 5)
V(IPC_OTYPE_PROCESSOR_SET, 6) V(IPC_OTYPE_MEMORY_OBJECT, 11) V(IPC_OTYPE_TASK_NAME, 20)
V(IPC_OTYPE_SEMAPHORE, 23) V(IPC_OTYPE_CLOCK, 25) V(IPC_OTYPE_NAMED_ENTRY, 28)
V(IPC_OTYPE_FILEPORT, 34) V(IPC_OTYPE_VOUCHER, 37) V(IPC_OTYPE_UNKNOWN, 4294967295)
V(KOBJECT_DESCRIPTION_LENGTH, 512)

/* Null names, flavours */
V(HOST_SECURITY_NULL, 0) V(LOCK_SET_NULL, 0) V(LEDGER_NULL, 0) V(ALARM_NULL, 0)
V(PROCESSOR_NULL, 0) V(PROCESSOR_SET_NULL, 0) V(THREAD_INSPECT_NULL, 0) V(THREAD_READ_NULL, 0)
V(TASK_FLAVOR_CONTROL, 0) V(TASK_FLAVOR_READ, 1) V(TASK_FLAVOR_INSPECT, 2) V(TASK_FLAVOR_NAME, 3)
V(TASK_FLAVOR_MAX, 3) V(THREAD_FLAVOR_CONTROL, 0) V(THREAD_FLAVOR_READ, 1)
V(THREAD_FLAVOR_INSPECT, 2) V(THREAD_FLAVOR_MAX, 2)

/* Places of mach_ports_register */
V(NAME_SERVER_SLOT, 0) V(ENVIRONMENT_SLOT, 1) V(SERVICE_SLOT, 2) V(MACH_PORTS_SLOTS_USED, 3)

/* Each machine has numbers of its own. */
V(TASK_BASIC_INFO, TASK_BASIC_INFO_64)
#ifdef __aarch64__
V(TASK_BASIC_INFO_64, 18) V(TASK_BASIC_INFO_64_2, 18) V(TASK_BASIC_INFO_64_2_COUNT, 10)
#else
V(TASK_BASIC_INFO_64, 5)
#endif

/* MIG looks at these while it compiles its stubs. */
V(__MigTypeCheck, 1) V(__MigPackStructs, 1)

/* Structs */

SIZE(struct time_value, 8) AT(struct time_value, microseconds, 4)
SIZE(struct mach_timespec, 8) AT(struct mach_timespec, tv_nsec, 4)
SIZE(struct mach_timebase_info, 8) AT(struct mach_timebase_info, denom, 4)
SIZE(struct policy_timeshare_base, 4) AT(struct policy_timeshare_base, base_priority, 0)
SIZE(struct policy_timeshare_limit, 4) AT(struct policy_timeshare_limit, max_priority, 0)
SIZE(struct policy_timeshare_info, 20) AT(struct policy_timeshare_info, base_priority, 4)
AT(struct policy_timeshare_info, cur_priority, 8) AT(struct policy_timeshare_info, depressed, 12)
AT(struct policy_timeshare_info, depress_priority, 16)
SIZE(struct policy_rr_base, 8) AT(struct policy_rr_base, quantum, 4)
SIZE(struct policy_rr_limit, 4) AT(struct policy_rr_limit, max_priority, 0)
SIZE(struct policy_rr_info, 20) AT(struct policy_rr_info, base_priority, 4)
AT(struct policy_rr_info, quantum, 8) AT(struct policy_rr_info, depressed, 12)
AT(struct policy_rr_info, depress_priority, 16)
SIZE(struct policy_fifo_base, 4) AT(struct policy_fifo_base, base_priority, 0)
SIZE(struct policy_fifo_limit, 4) AT(struct policy_fifo_limit, max_priority, 0)
SIZE(struct policy_fifo_info, 16) AT(struct policy_fifo_info, base_priority, 4)
AT(struct policy_fifo_info, depressed, 8) AT(struct policy_fifo_info, depress_priority, 12)
SIZE(struct host_basic_info, 48) AT(struct host_basic_info, avail_cpus, 4)
AT(struct host_basic_info, memory_size, 8) AT(struct host_basic_info, cpu_type, 12)
AT(struct host_basic_info, cpu_subtype, 16) AT(struct host_basic_info, cpu_threadtype, 20)
AT(struct host_basic_info, physical_cpu, 24) AT(struct host_basic_info, physical_cpu_max, 28)
AT(struct host_basic_info, logical_cpu, 32) AT(struct host_basic_info, logical_cpu_max, 36)
AT(struct host_basic_info, max_mem, 40)
SIZE(struct host_sched_info, 8) AT(struct host_sched_info, min_quantum, 4)
SIZE(struct kernel_resource_sizes, 20) AT(struct kernel_resource_sizes, thread, 4)
AT(struct kernel_resource_sizes, port, 8) AT(struct kernel_resource_sizes, memory_region, 12)
AT(struct kernel_resource_sizes, memory_object, 16)
SIZE(struct host_priority_info, 32) AT(struct host_priority_info, system_priority, 4)
AT(struct host_priority_info, server_priority, 8) AT(struct host_priority_info, user_priority, 12)
AT(struct host_priority_info, depress_priority, 16)
AT(struct host_priority_info, idle_priority, 20)
AT(struct host_priority_info, minimum_priority, 24)
AT(struct host_priority_info, maximum_priority, 28)
SIZE(struct host_can_has_debugger_info, 4)
AT(struct host_can_has_debugger_info, can_has_debugger, 0)
SIZE(struct host_preferred_user_arch, 8) AT(struct host_preferred_user_arch, cpu_subtype, 4)
SIZE(struct host_load_info, 24) AT(struct host_load_info, mach_factor, 12)
SIZE(struct host_cpu_load_info, 16) AT(struct host_cpu_load_info, cpu_ticks, 0)
SIZE(struct processor_basic_info, 20) AT(struct processor_basic_info, cpu_subtype, 4)
AT(struct processor_basic_info, running, 8) AT(struct processor_basic_info, slot_num, 12)
AT(struct processor_basic_info, is_master, 16)
SIZE(struct processor_cpu_load_info, 16) AT(struct processor_cpu_load_info, cpu_ticks, 0)
SIZE(struct task_basic_info_32, 32) AT(struct task_basic_info_32, virtual_size, 4)
AT(struct task_basic_info_32, resident_size, 8) AT(struct task_basic_info_32, user_time, 12)
AT(struct task_basic_info_32, system_time, 20) AT(struct task_basic_info_32, policy, 28)
SIZE(struct task_basic_info_64, 40) AT(struct task_basic_info_64, virtual_size, 4)
AT(struct task_basic_info_64, resident_size, 12) AT(struct task_basic_info_64, user_time, 20)
AT(struct task_basic_info_64, system_time, 28) AT(struct task_basic_info_64, policy, 36)
SIZE(struct task_basic_info, 40) AT(struct task_basic_info, virtual_size, 4)
AT(struct task_basic_info, resident_size, 12) AT(struct task_basic_info, user_time, 20)
AT(struct task_basic_info, system_time, 28) AT(struct task_basic_info, policy, 36)
SIZE(struct mach_task_basic_info, 48) AT(struct mach_task_basic_info, resident_size, 8)
AT(struct mach_task_basic_info, resident_size_max, 16)
AT(struct mach_task_basic_info, user_time, 24) AT(struct mach_task_basic_info, system_time, 32)
AT(struct mach_task_basic_info, policy, 40) AT(struct mach_task_basic_info, suspend_count, 44)
SIZE(struct task_events_info, 32) AT(struct task_events_info, pageins, 4)
AT(struct task_events_info, cow_faults, 8) AT(struct task_events_info, messages_sent, 12)
AT(struct task_events_info, messages_received, 16) AT(struct task_events_info, syscalls_mach, 20)
AT(struct task_events_info, syscalls_unix, 24) AT(struct task_events_info, csw, 28)
SIZE(struct task_thread_times_info, 16) AT(struct task_thread_times_info, system_time, 8)
SIZE(struct task_absolutetime_info, 32) AT(struct task_absolutetime_info, total_system, 8)
AT(struct task_absolutetime_info, threads_user, 16)
AT(struct task_absolutetime_info, threads_system, 24)
SIZE(struct task_vm_info, 372) AT(struct task_vm_info, region_count, 8)
AT(struct task_vm_info, page_size, 12) AT(struct task_vm_info, resident_size, 16)
AT(struct task_vm_info, resident_size_peak, 24) AT(struct task_vm_info, device, 32)
AT(struct task_vm_info, device_peak, 40) AT(struct task_vm_info, internal, 48)
AT(struct task_vm_info, internal_peak, 56) AT(struct task_vm_info, external, 64)
AT(struct task_vm_info, external_peak, 72) AT(struct task_vm_info, reusable, 80)
AT(struct task_vm_info, reusable_peak, 88) AT(struct task_vm_info, purgeable_volatile_pmap, 96)
AT(struct task_vm_info, purgeable_volatile_resident, 104)
AT(struct task_vm_info, purgeable_volatile_virtual, 112) AT(struct task_vm_info, compressed, 120)
AT(struct task_vm_info, compressed_peak, 128) AT(struct task_vm_info, compressed_lifetime, 136)
AT(struct task_vm_info, phys_footprint, 144) AT(struct task_vm_info, min_address, 152)
AT(struct task_vm_info, max_address, 160) AT(struct task_vm_info, ledger_phys_footprint_peak, 168)
AT(struct task_vm_info, ledger_purgeable_nonvolatile, 176)
AT(struct task_vm_info, ledger_purgeable_novolatile_compressed, 184)
AT(struct task_vm_info, ledger_purgeable_volatile, 192)
AT(struct task_vm_info, ledger_purgeable_volatile_compressed, 200)
AT(struct task_vm_info, ledger_tag_network_nonvolatile, 208)
AT(struct task_vm_info, ledger_tag_network_nonvolatile_compressed, 216)
AT(struct task_vm_info, ledger_tag_network_volatile, 224)
AT(struct task_vm_info, ledger_tag_network_volatile_compressed, 232)
AT(struct task_vm_info, ledger_tag_media_footprint, 240)
AT(struct task_vm_info, ledger_tag_media_footprint_compressed, 248)
AT(struct task_vm_info, ledger_tag_media_nofootprint, 256)
AT(struct task_vm_info, ledger_tag_media_nofootprint_compressed, 264)
AT(struct task_vm_info, ledger_tag_graphics_footprint, 272)
AT(struct task_vm_info, ledger_tag_graphics_footprint_compressed, 280)
AT(struct task_vm_info, ledger_tag_graphics_nofootprint, 288)
AT(struct task_vm_info, ledger_tag_graphics_nofootprint_compressed, 296)
AT(struct task_vm_info, ledger_tag_neural_footprint, 304)
AT(struct task_vm_info, ledger_tag_neural_footprint_compressed, 312)
AT(struct task_vm_info, ledger_tag_neural_nofootprint, 320)
AT(struct task_vm_info, ledger_tag_neural_nofootprint_compressed, 328)
AT(struct task_vm_info, limit_bytes_remaining, 336) AT(struct task_vm_info, decompressions, 344)
AT(struct task_vm_info, ledger_swapins, 348)
AT(struct task_vm_info, ledger_tag_neural_nofootprint_total, 356)
AT(struct task_vm_info, ledger_tag_neural_nofootprint_peak, 364)
SIZE(struct task_flags_info, 4) AT(struct task_flags_info, flags, 0)
SIZE(struct thread_basic_info, 40) AT(struct thread_basic_info, system_time, 8)
AT(struct thread_basic_info, cpu_usage, 16) AT(struct thread_basic_info, policy, 20)
AT(struct thread_basic_info, run_state, 24) AT(struct thread_basic_info, flags, 28)
AT(struct thread_basic_info, suspend_count, 32) AT(struct thread_basic_info, sleep_time, 36)
SIZE(struct thread_identifier_info, 24) AT(struct thread_identifier_info, thread_handle, 8)
AT(struct thread_identifier_info, dispatch_qaddr, 16)
SIZE(struct thread_extended_info, 112) AT(struct thread_extended_info, pth_system_time, 8)
AT(struct thread_extended_info, pth_cpu_usage, 16) AT(struct thread_extended_info, pth_policy, 20)
AT(struct thread_extended_info, pth_run_state, 24) AT(struct thread_extended_info, pth_flags, 28)
AT(struct thread_extended_info, pth_sleep_time, 32) AT(struct thread_extended_info, pth_curpri, 36)
AT(struct thread_extended_info, pth_priority, 40)
AT(struct thread_extended_info, pth_maxpriority, 44) AT(struct thread_extended_info, pth_name, 48)
SIZE(struct thread_standard_policy, 4) AT(struct thread_standard_policy, no_data, 0)
SIZE(struct thread_extended_policy, 4) AT(struct thread_extended_policy, timeshare, 0)
SIZE(struct thread_time_constraint_policy, 16)
AT(struct thread_time_constraint_policy, computation, 4)
AT(struct thread_time_constraint_policy, constraint, 8)
AT(struct thread_time_constraint_policy, preemptible, 12)
SIZE(struct thread_precedence_policy, 4) AT(struct thread_precedence_policy, importance, 0)
SIZE(struct thread_affinity_policy, 4) AT(struct thread_affinity_policy, affinity_tag, 0)
SIZE(struct thread_background_policy, 4) AT(struct thread_background_policy, priority, 0)
SIZE(struct thread_latency_qos_policy, 4)
AT(struct thread_latency_qos_policy, thread_latency_qos_tier, 0)
SIZE(struct thread_throughput_qos_policy, 4)
AT(struct thread_throughput_qos_policy, thread_throughput_qos_tier, 0)
SIZE(struct mach_voucher_attr_recipe_data, 16) AT(struct mach_voucher_attr_recipe_data, command, 4)
AT(struct mach_voucher_attr_recipe_data, previous_voucher, 8)
AT(struct mach_voucher_attr_recipe_data, content_size, 12)
SIZE(struct routine_descriptor, 40) AT(struct routine_descriptor, stub_routine, 8)
AT(struct routine_descriptor, argc, 16) AT(struct routine_descriptor, descr_count, 20)
AT(struct routine_descriptor, arg_descr, 24) AT(struct routine_descriptor, max_reply_msg, 32)
SIZE(struct mig_subsystem, 72) AT(struct mig_subsystem, start, 8) AT(struct mig_subsystem, end, 12)
AT(struct mig_subsystem, maxsize, 16) AT(struct mig_subsystem, reserved, 24)
AT(struct mig_subsystem, routine, 32)
SIZE(struct mig_symtab, 24) AT(struct mig_symtab, ms_routine_number, 8)
SIZE(struct ipc_info_space, 24) AT(struct ipc_info_space, iis_table_size, 4)
AT(struct ipc_info_space, iis_table_next, 8) AT(struct ipc_info_space, iis_tree_size, 12)
AT(struct ipc_info_space, iis_tree_small, 16) AT(struct ipc_info_space, iis_tree_hash, 20)
SIZE(struct ipc_info_space_basic, 24) AT(struct ipc_info_space_basic, iisb_table_size, 4)
AT(struct ipc_info_space_basic, iisb_table_next, 8)
AT(struct ipc_info_space_basic, iisb_table_inuse, 12)
AT(struct ipc_info_space_basic, iisb_reserved, 16)
SIZE(struct ipc_info_name, 28) AT(struct ipc_info_name, iin_collision, 4)
AT(struct ipc_info_name, iin_type, 8) AT(struct ipc_info_name, iin_urefs, 12)
AT(struct ipc_info_name, iin_object, 16) AT(struct ipc_info_name, iin_next, 20)
AT(struct ipc_info_name, iin_hash, 24)
SIZE(struct ipc_info_tree_name, 36) AT(struct ipc_info_tree_name, iitn_lchild, 28)
AT(struct ipc_info_tree_name, iitn_rchild, 32)
SIZE(struct ipc_info_port, 8) AT(struct ipc_info_port, iip_receiver_object, 4)
SIZE(thread_state_data_t, 4 * THREAD_STATE_MAX) SIZE(host_info_data_t, 4096)
SIZE(task_info_data_t, 4096) SIZE(thread_info_data_t, 128) SIZE(kernel_version_t, 512)
SIZE(processor_info_data_t, 4096) SIZE(processor_set_info_data_t, 4096)
SIZE(symtab_name_t, 32) SIZE(kobject_description_t, 512)

/* Types */

SAME(task_flavor_t, natural_t) SAME(task_info_t, integer_t *) SAME(host_flavor_t, integer_t)
SAME(host_info_t, integer_t *) SAME(host_info64_t, integer_t *) SAME(policy_t, int)
SAME(policy_info_t, integer_t *) SAME(policy_base_t, integer_t *) SAME(policy_limit_t, integer_t *)
SAME(thread_flavor_t, natural_t) SAME(thread_info_t, integer_t *)
SAME(thread_policy_flavor_t, natural_t) SAME(thread_policy_t, integer_t *)
SAME(thread_state_t, natural_t *) SAME(thread_state_flavor_t, int)
SAME(thread_latency_qos_t, integer_t) SAME(thread_throughput_qos_t, integer_t)
SAME(task_exc_guard_behavior_t, uint32_t) SAME(processor_info_t, integer_t *)
SAME(processor_info_array_t, integer_t *) SAME(processor_flavor_t, int)
SAME(processor_set_info_t, integer_t *) SAME(processor_set_flavor_t, int)
SAME(cpu_type_t, int) SAME(cpu_subtype_t, int) SAME(cpu_threadtype_t, int)
SAME(clock_res_t, int) SAME(clock_id_t, int) SAME(sleep_type_t, int) SAME(alarm_type_t, int)
SAME(clock_attr_t, int *) SAME(clock_flavor_t, int)
SAME(exception_type_t, int) SAME(exception_mask_t, unsigned int) SAME(exception_behavior_t, int)
SAME(exception_mask_array_t, unsigned int *) SAME(exception_behavior_array_t, int *)
SAME(exception_flavor_array_t, int *) SAME(exception_port_array_t, mach_port_t *)
SAME(exception_data_t, integer_t *) SAME(mach_exception_data_t, int64_t *)
SAME(mach_exception_code_t, int64_t) SAME(mach_exception_subcode_t, int64_t)
SAME(mach_voucher_t, mach_port_t) SAME(ipc_voucher_t, mach_port_t)
SAME(mach_voucher_name_t, mach_port_name_t) SAME(mach_voucher_selector_t, uint32_t)
SAME(mach_voucher_attr_key_t, uint32_t) SAME(mach_voucher_attr_recipe_command_t, uint32_t)
SAME(mach_voucher_attr_content_t, uint8_t *) SAME(mach_voucher_attr_raw_recipe_t, uint8_t *)
SAME(mach_voucher_attr_raw_recipe_array_t, uint8_t *)
SAME(task_policy_set_t, mach_port_t) SAME(task_suspension_token_t, mach_port_t)
SAME(processor_set_name_t, mach_port_t) SAME(io_main_t, mach_port_t)
SAME(thread_act_array_t, mach_port_t *) SAME(ledger_array_t, mach_port_t *)
SAME(exception_handler_info_t, ipc_info_port_t) SAME(mach_task_flavor_t, unsigned int)
SAME(ipc_info_name_array_t, ipc_info_name_t *) SIZE(ipc_info_object_type_t, 4)
SAME(mig_routine_descriptor_t, struct routine_descriptor *)
SAME(mig_subsystem_t, struct mig_subsystem *)

/* Signatures */

FN(mach_thread_self, mach_port_t, (void))
FN(host_page_size, kern_return_t, (host_t, vm_size_t *))
FN(host_info, kern_return_t, (host_t, host_flavor_t, host_info_t, mach_msg_type_number_t *))
FN(host_statistics, kern_return_t, (host_t, host_flavor_t, host_info_t, mach_msg_type_number_t *))
FN(host_kernel_version, kern_return_t, (host_t, char *))
FN(mach_ports_register, kern_return_t, (task_t, mach_port_array_t, mach_msg_type_number_t))
FN(mach_ports_lookup, kern_return_t, (task_t, mach_port_array_t *, mach_msg_type_number_t *))
FN(task_info, kern_return_t, (task_name_t, task_flavor_t, task_info_t, mach_msg_type_number_t *))
FN(task_threads, kern_return_t, (task_inspect_t, thread_act_array_t *, mach_msg_type_number_t *))
FN(task_get_exc_guard_behavior, kern_return_t, (task_inspect_t, task_exc_guard_behavior_t *))
FN(task_set_exc_guard_behavior, kern_return_t, (task_t, task_exc_guard_behavior_t))
FN(task_terminate, kern_return_t, (task_t))
FN(task_suspend, kern_return_t, (task_read_t))
FN(task_resume, kern_return_t, (task_read_t))
FN(task_create, kern_return_t,
   (task_t, ledger_array_t, mach_msg_type_number_t, boolean_t, task_t *))
FN(task_sample, kern_return_t, (task_t, mach_port_t))
FN(thread_create, kern_return_t, (task_t, thread_act_t *))
FN(thread_create_running, kern_return_t,
   (task_t, thread_state_flavor_t, thread_state_t, mach_msg_type_number_t, thread_act_t *))
FN(thread_info, kern_return_t,
   (thread_inspect_t, thread_flavor_t, thread_info_t, mach_msg_type_number_t *))
FN(thread_policy_set, kern_return_t,
   (thread_act_t, thread_policy_flavor_t, thread_policy_t, mach_msg_type_number_t))
FN(thread_switch, kern_return_t, (mach_port_name_t, int, mach_msg_timeout_t))
FN(swtch, boolean_t, (void)) FN(swtch_pri, boolean_t, (int))
FN(mach_msg_send, mach_msg_return_t, (mach_msg_header_t *))
FN(mach_msg_receive, mach_msg_return_t, (mach_msg_header_t *))
FN(mach_msg_server, mach_msg_return_t,
   (boolean_t (*)(mach_msg_header_t *, mach_msg_header_t *), mach_msg_size_t, mach_port_t,
    mach_msg_options_t))
FN(mach_msg_server_once, mach_msg_return_t,
   (boolean_t (*)(mach_msg_header_t *, mach_msg_header_t *), mach_msg_size_t, mach_port_t,
    mach_msg_options_t))
FN(mach_port_space_info, kern_return_t,
   (ipc_space_read_t, ipc_info_space_t *, ipc_info_name_array_t *, mach_msg_type_number_t *,
    ipc_info_tree_name_array_t *, mach_msg_type_number_t *))
FN(mach_port_space_basic_info, kern_return_t, (ipc_space_inspect_t, ipc_info_space_basic_t *))
FN(mach_port_kobject, kern_return_t,
   (ipc_space_read_t, mach_port_name_t, natural_t *, mach_vm_address_t *))
FN(mach_approximate_time, uint64_t, (void)) FN(mach_continuous_time, uint64_t, (void))
FN(mach_continuous_approximate_time, uint64_t, (void))
FN(mach_wait_until, kern_return_t, (uint64_t))
FN(mig_get_reply_port, mach_port_t, (void))
FN(mig_dealloc_reply_port, void, (mach_port_t)) FN(mig_put_reply_port, void, (mach_port_t))
FN(mig_strncpy, int, (char *, const char *, int))
FN(mig_strncpy_zerofill, int, (char *, const char *, int))
FN(mig_allocate, void, (vm_address_t *, vm_size_t))
FN(mig_deallocate, void, (vm_address_t, vm_size_t))
SAME(__typeof__(NDR_record), NDR_record_t)
#ifndef __APPLE__
/* Not in the SDK. */
V(MACH64_SEND_MSG, 1) V(MACH64_RCV_MSG, 2) V(MACH64_SEND_TIMEOUT, 0x10) V(MACH64_RCV_LARGE, 4)
V(MACH64_RCV_TIMEOUT, 0x100) V(MACH64_SEND_NOTIFY, 0x80) V(MACH64_MSG_VECTOR, 0x100000000)
V(MACH64_SEND_KOBJECT_CALL, 0x200000000) V(MACH64_SEND_MQ_CALL, 0x400000000)
V(MACH64_SEND_ANY, 0x800000000)
FN(mach_msg2, mach_msg_return_t,
   (void *, mach_msg_option64_t, mach_msg_header_t, mach_msg_size_t, mach_msg_size_t, mach_port_t,
    uint64_t, uint32_t))
/* Younger than the oldest macOS that the table is compiled for. */
FN(mach_task_is_self, boolean_t, (task_name_t))
#endif
