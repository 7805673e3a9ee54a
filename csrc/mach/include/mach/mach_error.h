/*
 * Mach codes in words: every code of mach/kern_return.h, mach/message.h, mach/mig_errors.h and
 * servers/bootstrap.h, special bits included. Safe from any thread.
 */
#ifndef MACHOOL_MACH_ERROR_H
#define MACHOOL_MACH_ERROR_H

#include <mach/error.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * The text of a code, never NULL; an unknown one says so. Borrowed, not to be written to: valid
 * until the calling thread's next call.
 */
char *mach_error_string(mach_error_t error_value);

/* Prints `str`, a space, the text and the code in hexadecimal as one line on stderr. */
void mach_error(const char *str, mach_error_t error_value);

/* The family a code belongs to, as in "(ipc/send)", never NULL. Borrowed, static. */
char *mach_error_type(mach_error_t error_value);

#ifdef __cplusplus
}
#endif

#endif
