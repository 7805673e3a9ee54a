/* Names of return codes, for messages. The numbers are written out here on purpose: the tests must
 * not take them from the library they test. */
#ifndef TESTS_HARNESS_CODES_H
#define TESTS_HARNESS_CODES_H

#include <stddef.h>

/* "MACH_SEND_INVALID_DEST (0x10000003)"; unknown codes as a number alone. Returns `text`. */
const char *code_name(int code, char *text, size_t size);

#endif
