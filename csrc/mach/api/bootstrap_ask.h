/* Bootstrap calls at a bootstrap port that some program serves (servers/bootstrap_requests.h). */
#ifndef MACHOOL_API_BOOTSTRAP_ASK_H
#define MACHOOL_API_BOOTSTRAP_ASK_H

#include <servers/bootstrap.h>

/* Names are of at most 127 bytes already. No lock is held. */
kern_return_t bootstrap_ask_port(mach_port_t bp, mach_msg_id_t id, const char *name,
                                 mach_port_t *ret_port);
kern_return_t bootstrap_ask_register(mach_port_t bp, const char *name, mach_port_t port);
kern_return_t bootstrap_ask_check_in(mach_port_t bp, const char *name, mach_port_t *ret_port);
kern_return_t bootstrap_ask_create(mach_port_t bp, const char *name, mach_port_t *ret_port);
kern_return_t bootstrap_ask_status(mach_port_t bp, const char *name,
                                   bootstrap_status_t *ret_status);

kern_return_t bootstrap_ask_parent(mach_port_t bp, mach_port_t *ret_port);

/* Whether a program serves that port. */
bool bootstrap_is_elsewhere(mach_port_t bp);

/* bootstrap_register by the task's own bootstrap port, for the task whose port it is: that of
 * another is another's (S166). */
kern_return_t bootstrap_register_for(const char *name, mach_port_t port);

#endif
