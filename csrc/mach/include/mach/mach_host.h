/*
 * The host: mach_host_self() names it.
 */
#ifndef MACHOOL_MACH_MACH_HOST_H
#define MACHOOL_MACH_MACH_HOST_H

#include <string.h>

#include <mach/host_special_ports.h>
#include <mach/mach_init.h>
#include <mach/mach_types.h>

#endif
