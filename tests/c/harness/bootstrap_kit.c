/* Names of services; see bootstrap_kit.h. */
#include "bootstrap_kit.h"

#include <string.h>

kern_return_t kit_look_up_code(const char *name)
{
    mach_port_t port = MACH_PORT_NULL;
    kern_return_t result = bootstrap_look_up(bootstrap_port, name, &port);
    if (result == KERN_SUCCESS)
        kit_deallocate(port);
    return result;
}

void kit_wait_unknown(const char *name)
{
    uint64_t end = kit_milliseconds() + PATIENCE;
    kern_return_t result;
    while ((result = kit_look_up_code(name)) == KERN_SUCCESS)
        ASSERT(kit_milliseconds() < end);
    ASSERT_CODE(BOOTSTRAP_UNKNOWN_SERVICE, result);
}

void kit_argument_name(service_name ret_name)
{
    strncpy(ret_name, parent_argument(), BOOTSTRAP_MAX_NAME_LEN - 1);
    ret_name[BOOTSTRAP_MAX_NAME_LEN - 1] = '\0';
}

PEER(kit_owns_a_service)
{
    service_name name;
    mach_port_t port = kit_port();
    kit_argument_name(name);
    ASSERT_OK(bootstrap_register(bootstrap_port, name, port));
    parent_tell();
    parent_hear();
}
