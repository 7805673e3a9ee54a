/*
 * A name space in detail, as mach_port_space_info() and mach_port_kobject() report it.
 */
#ifndef MACHOOL_MACH_DEBUG_IPC_INFO_H
#define MACHOOL_MACH_DEBUG_IPC_INFO_H

#include <mach/boolean.h>
#include <mach/machine/vm_types.h>
#include <mach/port.h>

/* The space as a whole. */
typedef struct ipc_info_space {
    natural_t iis_genno_mask; /* bits of a name that are its generation */
    natural_t iis_table_size; /* names that there is room for */
    natural_t iis_table_next; /* room after it has grown */
    natural_t iis_tree_size;
    natural_t iis_tree_small;
    natural_t iis_tree_hash;
} ipc_info_space_t;

typedef struct ipc_info_space_basic {
    natural_t iisb_genno_mask;
    natural_t iisb_table_size;
    natural_t iisb_table_next;
    natural_t iisb_table_inuse;
    natural_t iisb_reserved[2];
} ipc_info_space_basic_t;

/* One name of it. */
typedef struct ipc_info_name {
    mach_port_name_t iin_name;
    integer_t iin_collision;
    mach_port_type_t iin_type; /* MACH_PORT_TYPE_ bits */
    mach_port_urefs_t iin_urefs;
    natural_t iin_object; /* equal for names of the same object */
    natural_t iin_next;
    natural_t iin_hash;
} ipc_info_name_t;
typedef ipc_info_name_t *ipc_info_name_array_t;

typedef struct ipc_info_tree_name {
    ipc_info_name_t iitn_name;
    mach_port_name_t iitn_lchild;
    mach_port_name_t iitn_rchild;
} ipc_info_tree_name_t;
typedef ipc_info_tree_name_t *ipc_info_tree_name_array_t;

typedef struct ipc_info_port {
    natural_t iip_port_object;
    natural_t iip_receiver_object;
} ipc_info_port_t;
typedef ipc_info_port_t *exception_handler_info_array_t;

/* What stands behind a port that no task receives from. */
typedef natural_t ipc_info_object_type_t;

#define IPC_OTYPE_NONE 0
#define IPC_OTYPE_THREAD_CONTROL 1
#define IPC_OTYPE_TASK_CONTROL 2
#define IPC_OTYPE_HOST 3
#define IPC_OTYPE_HOST_PRIV 4
#define IPC_OTYPE_PROCESSOR 5
#define IPC_OTYPE_PROCESSOR_SET 6
#define IPC_OTYPE_MEMORY_OBJECT 11
#define IPC_OTYPE_TASK_NAME 20
#define IPC_OTYPE_SEMAPHORE 23
#define IPC_OTYPE_CLOCK 25
#define IPC_OTYPE_NAMED_ENTRY 28
#define IPC_OTYPE_FILEPORT 34
#define IPC_OTYPE_VOUCHER 37
#define IPC_OTYPE_UNKNOWN (~0u)

#endif
