/* The only file that looks at the Python version or at the GIL. */
#ifndef MACHOOL_COMPAT_H
#define MACHOOL_COMPAT_H

#include <Python.h>

/* Slots of later versions, as numbers: the limited API of 3.11 does not name them. Which array is
 * used is decided when the module is imported, by the version that imports it. */
#define SLOT_MULTIPLE_INTERPRETERS 3 /* since 3.12 */
#define SLOT_GIL 4                   /* since 3.13 */
#define PER_INTERPRETER_GIL ((void *)2)
#define GIL_NOT_USED ((void *)1)

#define VERSION_3_12 0x030C0000
#define VERSION_3_13 0x030D0000

/* The interpreter's version, not the headers'. */
static inline unsigned long running_version(void)
{
    return Py_Version;
}

#endif
