/*
 * The calls on tasks, threads and memory together.
 */
#ifndef MACHOOL_MACH_MACH_INTERFACE_H
#define MACHOOL_MACH_MACH_INTERFACE_H

#include <mach/task.h>
#include <mach/thread_act.h>
#include <mach/vm_map.h>

#endif
