/*
 * mach_msg with the header passed by value and options of 64 bits. On Darwin this call is private,
 * hence a header of its own: programs that carry a mach_msg2 of theirs do not include it.
 */
#ifndef MACHOOL_MACH_MACH_MSG2_H
#define MACHOOL_MACH_MACH_MSG2_H

#include <stdint.h>

#include <mach/message.h>

/* The options of mach_msg in the lower half, and what is known of the destination in the upper. */
typedef uint64_t mach_msg_option64_t;

#define MACH64_SEND_MSG ((mach_msg_option64_t)MACH_SEND_MSG)
#define MACH64_RCV_MSG ((mach_msg_option64_t)MACH_RCV_MSG)
#define MACH64_SEND_TIMEOUT ((mach_msg_option64_t)MACH_SEND_TIMEOUT)
#define MACH64_RCV_TIMEOUT ((mach_msg_option64_t)MACH_RCV_TIMEOUT)
#define MACH64_RCV_LARGE ((mach_msg_option64_t)MACH_RCV_LARGE)
#define MACH64_SEND_NOTIFY ((mach_msg_option64_t)MACH_SEND_NOTIFY)
#define MACH64_MSG_VECTOR 0x100000000ull
#define MACH64_SEND_KOBJECT_CALL 0x200000000ull
#define MACH64_SEND_MQ_CALL 0x400000000ull
#define MACH64_SEND_ANY 0x800000000ull

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Sends, receives, or both, as mach_msg() does with the message at `data`. What is sent has `header`
 * for its header, `send_size` for its size; the one at `data` is overwritten. `priority` is not
 * looked at. Codes are mach_msg()'s, and MACH_SEND_INVALID_OPTIONS: MACH64_MSG_VECTOR, which is not
 * there.
 */
mach_msg_return_t mach_msg2(void *data, mach_msg_option64_t option64, mach_msg_header_t header,
                            mach_msg_size_t send_size, mach_msg_size_t rcv_size,
                            mach_port_t rcv_name, uint64_t timeout, uint32_t priority);

#ifdef __cplusplus
}
#endif

#endif
