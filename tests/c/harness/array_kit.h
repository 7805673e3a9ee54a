/* For tests of out-of-line arrays of rights: messages with one array, and names to fill it. */
#ifndef TESTS_HARNESS_ARRAY_KIT_H
#define TESTS_HARNESS_ARRAY_KIT_H

#include "port_kit.h"

struct array_msg {
    mach_msg_header_t header;
    mach_msg_body_t body;
    mach_msg_ool_ports_descriptor_t array;
};
struct array_rcv {
    struct array_msg message;
    mach_msg_max_trailer_t trailer;
};

enum { ARRAY_MSG_SIZE = 28 + 16 };

/* A message to `to`, COPY_SEND, with one array; copy is virtual, deallocate false. */
void kit_prepare_array(struct array_msg *message, mach_port_t to, const mach_port_t *names,
                       unsigned count, unsigned disposition);
/* Prepares and sends it, within PATIENCE. */
mach_msg_return_t kit_send_array(mach_port_t to, const mach_port_t *names, unsigned count,
                                 unsigned disposition);
/* Receives one, and checks what holds for every array (S50). The caller frees it. */
mach_port_t *kit_take_array(mach_port_t port, unsigned count, unsigned disposition);
/* Writes to a received array and unmaps it. */
void kit_free_array(mach_port_t *names, unsigned count);

/* Room for so many names; to be freed. */
mach_port_t *kit_new_names(unsigned count);
/* So many ports, each with a send right; drop_ports destroys them and frees the names. */
mach_port_t *kit_new_ports(unsigned count);
void kit_drop_ports(mach_port_t *names, unsigned count);

#endif
