/*
 * The types of the calls that look into a task's name space.
 */
#ifndef MACHOOL_MACH_DEBUG_TYPES_H
#define MACHOOL_MACH_DEBUG_TYPES_H

#include <mach_debug/ipc_info.h>

typedef char symtab_name_t[32];

#define KOBJECT_DESCRIPTION_LENGTH 512
typedef char kobject_description_t[KOBJECT_DESCRIPTION_LENGTH];

#endif
