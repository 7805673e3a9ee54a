/* mach_msg2, in terms of mach_msg. */
#include <mach/mach_msg2.h>

#include "os/os_user.h"

#include <mach/mach.h>
#include <stdint.h>

#define KNOWN_DESTINATION (MACH64_SEND_KOBJECT_CALL | MACH64_SEND_MQ_CALL | MACH64_SEND_ANY)

mach_msg_return_t mach_msg2(void *data, mach_msg_option64_t option64, mach_msg_header_t header,
                            mach_msg_size_t send_size, mach_msg_size_t rcv_size,
                            mach_port_t rcv_name, uint64_t timeout, uint32_t priority)
{
    (void)priority;
    if (option64 & ~(KNOWN_DESTINATION | UINT32_MAX))
        return MACH_SEND_INVALID_OPTIONS;
    if (option64 & MACH64_SEND_MSG && send_size >= sizeof header) {
        if (!os_user_writable(data, sizeof header))
            return MACH_SEND_INVALID_DATA;
        header.msgh_size = send_size;
        *(mach_msg_header_t *)data = header;
    }
    mach_msg_timeout_t wait = timeout < UINT32_MAX ? (mach_msg_timeout_t)timeout : UINT32_MAX;
    return mach_msg(data, (mach_msg_option_t)(uint32_t)option64, send_size, rcv_size, rcv_name,
                    wait, MACH_PORT_NULL);
}
