/*
 * The calls on tasks and on memory together.
 */
#ifndef MACHOOL_MACH_MACH_INTERFACE_H
#define MACHOOL_MACH_MACH_INTERFACE_H

#include <mach/task.h>
#include <mach/vm_map.h>

#endif
