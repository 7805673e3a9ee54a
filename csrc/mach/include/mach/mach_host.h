/*
 * The host: mach_host_self() names it.
 */
#ifndef MACHOOL_MACH_MACH_HOST_H
#define MACHOOL_MACH_MACH_HOST_H

#include <string.h>

#include <mach/host_special_ports.h>
#include <mach/mach_init.h>
#include <mach/mach_types.h>

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
