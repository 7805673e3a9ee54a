/*
 * Options of thread_switch().
 */
#ifndef MACHOOL_MACH_THREAD_SWITCH_H
#define MACHOOL_MACH_THREAD_SWITCH_H

#include <mach/kern_return.h>
#include <mach/mach_traps.h>
#include <mach/mach_types.h>
#include <mach/message.h>

#define SWITCH_OPTION_NONE 0
#define SWITCH_OPTION_DEPRESS 1
#define SWITCH_OPTION_WAIT 2

#endif
