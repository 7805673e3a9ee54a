/*
 * Calls on the host: the machine and its kernel. `host` is what mach_host_self() gives; anything
 * else gives MACH_SEND_INVALID_DEST. Safe from any thread; none blocks.
 */
#ifndef MACHOOL_MACH_MACH_HOST_H
#define MACHOOL_MACH_MACH_HOST_H

#include <string.h>

#include <mach/host_info.h>
#include <mach/host_special_ports.h>
#include <mach/mach_init.h>
#include <mach/mach_types.h>
#include <mach_debug/mach_debug_types.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * The machine, by flavour: HOST_BASIC_INFO, HOST_SCHED_INFO, HOST_RESOURCE_SIZES (all zero, as on
 * Darwin), HOST_CAN_HAS_DEBUGGER, HOST_PREFERRED_USER_ARCH, or the empty HOST_SEMAPHORE_TRAPS and
 * HOST_MACH_MSG_TRAP. `host_info_outCnt`: words of room in, words written out. KERN_SUCCESS;
 * KERN_FAILURE: too little room; KERN_INVALID_ARGUMENT: another flavour.
 */
kern_return_t host_info(host_t host, host_flavor_t flavor, host_info_t host_info_out,
                        mach_msg_type_number_t *host_info_outCnt);

/*
 * What the machine has been doing: HOST_LOAD_INFO or HOST_CPU_LOAD_INFO. Codes are those of
 * host_info().
 */
kern_return_t host_statistics(host_t host_priv, host_flavor_t flavor, host_info_t host_info_out,
                              mach_msg_type_number_t *host_info_outCnt);

/* The kernel's name, release and version as one line. KERN_SUCCESS. */
kern_return_t host_kernel_version(host_t host, kernel_version_t kernel_version);

#ifdef __cplusplus
}
#endif

#ifdef __cplusplus
extern "C" {
#endif

/*
 * A memory entry (mach_make_memory_entry_64) of fresh memory: `internal` TRUE and `pager`
 * MEMORY_OBJECT_NULL, since there are no pagers here. `host` is mach_host_self(). KERN_SUCCESS;
 * KERN_INVALID_ARGUMENT: size 0, or a pager; MACH_SEND_INVALID_DEST: another host;
 * KERN_RESOURCE_SHORTAGE.
 */
kern_return_t mach_memory_object_memory_entry(host_t host, boolean_t internal, vm_size_t size,
                                              vm_prot_t permission, memory_object_t pager,
                                              mach_port_t *entry_handle);
kern_return_t mach_memory_object_memory_entry_64(host_t host, boolean_t internal,
                                                 memory_object_size_t size, vm_prot_t permission,
                                                 memory_object_t pager, mach_port_t *entry_handle);

#ifdef __cplusplus
}
#endif

#endif
