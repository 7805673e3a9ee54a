/* A message being sent: what outgoing.c lays out and send.c sends. It stands on its caller's stack,
 * where the layer below need not ask the kernel whether the message can be read. */
#ifndef MACHOOL_BINDING_OUTGOING_H
#define MACHOOL_BINDING_OUTGOING_H

#include "machool.h"

struct part {       /* one out-of-line descriptor */
    Py_buffer view; /* held; view.obj NULL if none */
    Region *region; /* moving: a reference, begun */
};

struct right {                    /* one right to be sent */
    PyObject *owner;              /* of a right that moves: a reference; else NULL */
    _Atomic mach_port_name_t *at; /* the owner's name, taken out meanwhile */
    mach_port_name_t name;        /* 0: none */
    mach_msg_type_name_t how;
};

#define OUTGOING_SMALL 512

struct outgoing {
    mach_msg_header_t *header; /* `small`, or malloc'ed */
    mach_msg_size_t size;
    struct part *parts;
    Py_ssize_t part_count;
    struct right *rights;
    Py_ssize_t right_count;
    mach_port_name_t *names;    /* of all rights, when they travel as arrays; else NULL */
    struct right remote, local; /* of the header */
    union {
        mach_msg_header_t header;
        char bytes[OUTGOING_SMALL];
    } small;
};

/* Ends moves and exports: what moved is gone if the message was sent, else it is as before. */
void outgoing_let_go(struct outgoing *out, bool sent);

#endif
