/* For tests of the names of services. Uses the standard headers alone. */
#ifndef TESTS_HARNESS_BOOTSTRAP_KIT_H
#define TESTS_HARNESS_BOOTSTRAP_KIT_H

#include "mach_kit.h"

#define GATE_LAUNCHD() GATE_DARWIN("the codes of the launchd in use are not published")

/* Every name is its own buffer: Darwin's prototypes take `char *`. */
typedef char service_name[BOOTSTRAP_MAX_NAME_LEN];

/* Looks the name up and drops the right. */
kern_return_t kit_look_up_code(const char *name);
/* Until the name of a service whose owner goes is unknown (S173), within PATIENCE. */
void kit_wait_unknown(const char *name);
/* What the parent said: the name of a service. */
void kit_argument_name(service_name ret_name);

/* The peer "kit_owns_a_service" registers the name that is its argument, and owns it until it is told
 * again, or killed. */

#endif
