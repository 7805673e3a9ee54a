/*
 * Ports: names, rights, limits, status.
 *
 * A name is a number in one task's space. What it stands for is a right: to receive from a port, to
 * send to it, to send to it once, a set of ports, or a dead name, what is left of a send right when
 * its port has died. Send rights, and dead names, are counted: user references, "urefs".
 */
#ifndef MACHOOL_MACH_PORT_NAMES_H
#define MACHOOL_MACH_PORT_NAMES_H

#include <stdint.h>

#include <mach/boolean.h>
#include <mach/machine/vm_types.h>

/* One and the same type, as in a program on Darwin: pointers to them mix. */
typedef natural_t mach_port_name_t;
typedef natural_t mach_port_t;

typedef mach_port_name_t *mach_port_name_array_t;
typedef mach_port_t *mach_port_array_t;

#define MACH_PORT_NULL 0
#define MACH_PORT_DEAD ((mach_port_name_t)~0)
#define MACH_PORT_VALID(name) (((name) != MACH_PORT_NULL) && ((name) != MACH_PORT_DEAD))

/* A name is an index and a generation, so that a name let go of is not used again at once. */
#define MACH_PORT_INDEX(name) ((name) >> 8)
#define MACH_PORT_GEN(name) (((name) & 0xff) << 24)
#define MACH_PORT_MAKE(index, gen) (((index) << 8) | ((gen) >> 24))

/* The kinds of right, to ask for one kind. */
typedef natural_t mach_port_right_t;

#define MACH_PORT_RIGHT_SEND ((mach_port_right_t)0)
#define MACH_PORT_RIGHT_RECEIVE ((mach_port_right_t)1)
#define MACH_PORT_RIGHT_SEND_ONCE ((mach_port_right_t)2)
#define MACH_PORT_RIGHT_PORT_SET ((mach_port_right_t)3)
#define MACH_PORT_RIGHT_DEAD_NAME ((mach_port_right_t)4)
#define MACH_PORT_RIGHT_LABELH ((mach_port_right_t)5)
#define MACH_PORT_RIGHT_NUMBER ((mach_port_right_t)6)

/* The same as bits, since one name may stand for a receive and a send right at a time. */
typedef natural_t mach_port_type_t;
typedef mach_port_type_t *mach_port_type_array_t;

#define MACH_PORT_TYPE(right)                                                                      \
    ((mach_port_type_t)(((mach_port_type_t)1) << ((right) + ((mach_port_right_t)16))))

#define MACH_PORT_TYPE_NONE ((mach_port_type_t)0L)
#define MACH_PORT_TYPE_SEND MACH_PORT_TYPE(MACH_PORT_RIGHT_SEND)
#define MACH_PORT_TYPE_RECEIVE MACH_PORT_TYPE(MACH_PORT_RIGHT_RECEIVE)
#define MACH_PORT_TYPE_SEND_ONCE MACH_PORT_TYPE(MACH_PORT_RIGHT_SEND_ONCE)
#define MACH_PORT_TYPE_PORT_SET MACH_PORT_TYPE(MACH_PORT_RIGHT_PORT_SET)
#define MACH_PORT_TYPE_DEAD_NAME MACH_PORT_TYPE(MACH_PORT_RIGHT_DEAD_NAME)
#define MACH_PORT_TYPE_LABELH MACH_PORT_TYPE(MACH_PORT_RIGHT_LABELH)

#define MACH_PORT_TYPE_SEND_RECEIVE (MACH_PORT_TYPE_SEND | MACH_PORT_TYPE_RECEIVE)
#define MACH_PORT_TYPE_SEND_RIGHTS (MACH_PORT_TYPE_SEND | MACH_PORT_TYPE_SEND_ONCE)
#define MACH_PORT_TYPE_PORT_RIGHTS (MACH_PORT_TYPE_SEND_RIGHTS | MACH_PORT_TYPE_RECEIVE)
#define MACH_PORT_TYPE_PORT_OR_DEAD (MACH_PORT_TYPE_PORT_RIGHTS | MACH_PORT_TYPE_DEAD_NAME)
#define MACH_PORT_TYPE_ALL_RIGHTS (MACH_PORT_TYPE_PORT_OR_DEAD | MACH_PORT_TYPE_PORT_SET)

/* Notifications asked for, in mach_port_type()'s answer. */
#define MACH_PORT_TYPE_DNREQUEST 0x80000000
#define MACH_PORT_TYPE_SPREQUEST 0x40000000
#define MACH_PORT_TYPE_SPREQUEST_DELAYED 0x20000000

typedef natural_t mach_port_urefs_t;
typedef integer_t mach_port_delta_t;
typedef natural_t mach_port_seqno_t;
typedef natural_t mach_port_mscount_t;
typedef natural_t mach_port_msgcount_t;
typedef natural_t mach_port_rights_t;
typedef unsigned int mach_port_srights_t;

#define MACH_PORT_SRIGHTS_NONE 0
#define MACH_PORT_SRIGHTS_PRESENT 1

/* How many messages wait in a port before a sender has to. */
#define MACH_PORT_QLIMIT_ZERO (0)
#define MACH_PORT_QLIMIT_BASIC (5)
#define MACH_PORT_QLIMIT_SMALL (16)
#define MACH_PORT_QLIMIT_LARGE (1024)
#define MACH_PORT_QLIMIT_KERNEL_SOFT (4 * MACH_PORT_QLIMIT_LARGE)
#define MACH_PORT_QLIMIT_KERNEL (65534)
#define MACH_PORT_QLIMIT_MIN MACH_PORT_QLIMIT_ZERO
#define MACH_PORT_QLIMIT_DEFAULT MACH_PORT_QLIMIT_BASIC
#define MACH_PORT_QLIMIT_MAX MACH_PORT_QLIMIT_LARGE

/* What a receive right's owner can ask about the port: flavour MACH_PORT_RECEIVE_STATUS. */
typedef struct mach_port_status {
    mach_port_rights_t mps_pset;       /* sets it is in */
    mach_port_seqno_t mps_seqno;       /* of the next message received */
    mach_port_mscount_t mps_mscount;   /* send rights made so far */
    mach_port_msgcount_t mps_qlimit;   /* queue limit */
    mach_port_msgcount_t mps_msgcount; /* messages queued */
    mach_port_rights_t mps_sorights;   /* send-once rights that exist */
    boolean_t mps_srights;             /* whether any send right exists */
    boolean_t mps_pdrequest;           /* a port-destroyed notification is asked for */
    boolean_t mps_nsrequest;           /* a no-senders notification is asked for */
    natural_t mps_flags;               /* MACH_PORT_STATUS_FLAG_ */
} mach_port_status_t;

#define MACH_PORT_STATUS_FLAG_TEMPOWNER 0x01
#define MACH_PORT_STATUS_FLAG_GUARDED 0x02
#define MACH_PORT_STATUS_FLAG_STRICT_GUARD 0x04
#define MACH_PORT_STATUS_FLAG_IMP_DONATION 0x08
#define MACH_PORT_STATUS_FLAG_REVIVE 0x10
#define MACH_PORT_STATUS_FLAG_TASKPTR 0x20
#define MACH_PORT_STATUS_FLAG_GUARD_IMMOVABLE_RECEIVE 0x40
#define MACH_PORT_STATUS_FLAG_NO_GRANT 0x80

/* Flavour MACH_PORT_LIMITS_INFO, to read and to set. */
typedef struct mach_port_limits {
    mach_port_msgcount_t mpl_qlimit;
} mach_port_limits_t;

typedef struct mach_port_info_ext {
    mach_port_status_t mpie_status;
    mach_port_msgcount_t mpie_boost_cnt;
    uint32_t reserved[6];
} mach_port_info_ext_t;

typedef struct mach_port_guard_info {
    uint64_t mpgi_guard;
} mach_port_guard_info_t;

typedef integer_t *mach_port_info_t; /* one of the structs above, as words */
typedef int mach_port_flavor_t;

#define MACH_PORT_LIMITS_INFO 1
#define MACH_PORT_RECEIVE_STATUS 2
#define MACH_PORT_DNREQUESTS_SIZE 3
#define MACH_PORT_TEMPOWNER 4
#define MACH_PORT_IMPORTANCE_RECEIVER 5
#define MACH_PORT_DENAP_RECEIVER 6
#define MACH_PORT_INFO_EXT 7
#define MACH_PORT_GUARD_INFO 8
#define MACH_PORT_SERVICE_THROTTLED 9

/* Their sizes in words. */
#define MACH_PORT_LIMITS_INFO_COUNT ((natural_t)(sizeof(mach_port_limits_t) / sizeof(natural_t)))
#define MACH_PORT_RECEIVE_STATUS_COUNT ((natural_t)(sizeof(mach_port_status_t) / sizeof(natural_t)))
#define MACH_PORT_DNREQUESTS_SIZE_COUNT 1
#define MACH_PORT_INFO_EXT_COUNT ((natural_t)(sizeof(mach_port_info_ext_t) / sizeof(natural_t)))
#define MACH_PORT_GUARD_INFO_COUNT ((natural_t)(sizeof(mach_port_guard_info_t) / sizeof(natural_t)))
#define MACH_PORT_SERVICE_THROTTLED_COUNT 1

/* What mach_port_allocate_full is asked for. */
typedef struct mach_port_qos {
    unsigned int name : 1;     /* the name is given */
    unsigned int prealloc : 1; /* memory for one message is set aside */
    boolean_t pad1 : 30;
    natural_t len; /* of that message, in bytes */
} mach_port_qos_t;

/* What mach_port_construct gives a new port: bits of `flags`. Those about scheduling and about
 * services are accepted and change nothing. */
#define MPO_CONTEXT_AS_GUARD 0x01 /* the context is its guard */
#define MPO_QLIMIT 0x02           /* `mpl` is its queue limit */
#define MPO_TEMPOWNER 0x04
#define MPO_IMPORTANCE_RECEIVER 0x08
#define MPO_INSERT_SEND_RIGHT 0x10 /* a send right beside the receive right */
#define MPO_STRICT 0x20            /* the context cannot be read or set */
#define MPO_DENAP_RECEIVER 0x40
#define MPO_IMMOVABLE_RECEIVE 0x80 /* no message takes the receive right, while it is guarded */
#define MPO_FILTER_MSG 0x100
#define MPO_TG_BLOCK_TRACKING 0x200
#define MPO_REPLY_PORT 0x1000

typedef struct mach_port_options {
    uint32_t flags;
    mach_port_limits_t mpl;
    __extension__ union { /* C99 has no unnamed ones */
        uint64_t reserved[2];
        mach_port_name_t work_interval_port;
        mach_port_name_t service_port_name;
    };
} mach_port_options_t;

typedef mach_port_options_t *mach_port_options_ptr_t;

/* Flags of mach_port_guard_with_flags. */
#define MPG_FLAGS_NONE 0x00
#define MPG_STRICT 0x01
#define MPG_IMMOVABLE_RECEIVE 0x02

#endif
