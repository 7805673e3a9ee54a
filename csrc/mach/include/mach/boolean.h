/*
 * Mach's truth values.
 */
#ifndef MACHOOL_MACH_BOOLEAN_H
#define MACHOOL_MACH_BOOLEAN_H

/* int on every machine, as on arm64 macOS; an 8-bit field of this type holds it in messages. */
typedef int boolean_t;

#ifndef TRUE
#define TRUE 1
#endif

#ifndef FALSE
#define FALSE 0
#endif

#endif
