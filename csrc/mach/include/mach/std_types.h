/*
 * The basic types together.
 */
#ifndef MACHOOL_MACH_STD_TYPES_H
#define MACHOOL_MACH_STD_TYPES_H

#include <stdint.h>

#include <mach/boolean.h>
#include <mach/kern_return.h>
#include <mach/port.h>
#include <mach/vm_types.h>

#endif
