/*
 * What stubs that MIG has generated call and declare.
 */
#ifndef MACHOOL_MACH_MIG_H
#define MACHOOL_MACH_MIG_H

#include <stdint.h>

#include <mach/message.h>
#include <mach/port.h>
#include <mach/vm_types.h>

#ifndef __MigTypeCheck
#define __MigTypeCheck 1
#endif
#ifndef __MigPackStructs
#define __MigPackStructs 1
#endif

/* A server's routine: reads a request, writes the reply. */
typedef void (*mig_stub_routine_t)(mach_msg_header_t *InHeadP, mach_msg_header_t *OutHeadP);
typedef mig_stub_routine_t mig_routine_t;
/* Which routine a request is for; NULL: none. */
typedef mig_routine_t (*mig_server_routine_t)(mach_msg_header_t *InHeadP);
typedef kern_return_t (*mig_impl_routine_t)(void);

typedef mach_msg_type_descriptor_t routine_arg_descriptor;
typedef mach_msg_type_descriptor_t *routine_arg_descriptor_t;
typedef mach_msg_type_descriptor_t *mig_routine_arg_descriptor_t;

struct routine_descriptor {
    mig_impl_routine_t impl_routine;
    mig_stub_routine_t stub_routine;
    unsigned int argc;
    unsigned int descr_count;
    routine_arg_descriptor_t arg_descr;
    unsigned int max_reply_msg; /* bytes */
};
typedef struct routine_descriptor *routine_descriptor_t;
typedef struct routine_descriptor mig_routine_descriptor;
typedef mig_routine_descriptor *mig_routine_descriptor_t;

/* A subsystem: the routines for ids from `start` to before `end`. */
typedef struct mig_subsystem {
    mig_server_routine_t server;
    mach_msg_id_t start;
    mach_msg_id_t end;
    mach_msg_size_t maxsize; /* of a reply, in bytes */
    vm_address_t reserved;
    mig_routine_descriptor routine[1]; /* as many as there are ids */
} *mig_subsystem_t;

typedef struct mig_symtab {
    char *ms_routine_name;
    int ms_routine_number;
    void (*ms_routine)(void);
} mig_symtab_t;

#define MIG_ROUTINE_ARG_DESCRIPTOR_NULL ((mig_routine_arg_descriptor_t)0)
#define MIG_ROUTINE_DESCRIPTOR_NULL ((mig_routine_descriptor_t)0)
#define MIG_SUBSYSTEM_NULL ((mig_subsystem_t)0)

#ifdef __cplusplus
extern "C" {
#endif

/*
 * The calling thread's own port for replies, made at the first call; it goes with the thread.
 * Borrowed. MACH_PORT_NULL: as mach_reply_port().
 */
mach_port_t mig_get_reply_port(void);

/* After a call whose reply may still come: destroys the thread's reply port. The next call has a
 * new one. `reply_port` is the one that mig_get_reply_port() gave. */
void mig_dealloc_reply_port(mach_port_t reply_port);

/* After a call that went well: nothing to do. */
void mig_put_reply_port(mach_port_t reply_port);

/*
 * Copies a string into `len` bytes at `dest`, cut to fit and always with its NUL; _zerofill clears
 * what is left of `dest`. Returns the bytes written, the NUL among them.
 */
int mig_strncpy(char *dest, const char *src, int len);
int mig_strncpy_zerofill(char *dest, const char *src, int len);

/* vm_allocate() and vm_deallocate() of this task; *ret_address is 0 when there is no room. */
void mig_allocate(vm_address_t *ret_address, vm_size_t size);
void mig_deallocate(vm_address_t address, vm_size_t size);

#ifdef __cplusplus
}
#endif

#endif
