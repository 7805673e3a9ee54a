/* What MIG's stubs call. */
#include "ipc/ipc_task.h"
#include "ipc/ipc_thread.h"

#include <mach/mach.h>
#include <string.h>

NDR_record_t NDR_record = {
    .mig_vers = NDR_PROTOCOL_2_0,
    .int_rep = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? NDR_INT_LITTLE_ENDIAN
                                                         : NDR_INT_BIG_ENDIAN,
    .char_rep = NDR_CHAR_ASCII,
    .float_rep = NDR_FLOAT_IEEE,
};

/* The calling thread's reply port, becoming `port`; returns what it was. */
static mach_port_t exchange_reply_port(mach_port_t port)
{
    mach_port_t old = MACH_PORT_NULL;
    ipc_task_lock();
    struct ipc_thread *thread = ipc_thread_self();
    if (thread) {
        old = thread->reply_port;
        thread->reply_port = port;
    }
    ipc_task_unlock();
    return old;
}

mach_port_t mig_get_reply_port(void)
{
    ipc_task_lock();
    struct ipc_thread *thread = ipc_thread_self();
    mach_port_t port = thread ? thread->reply_port : MACH_PORT_NULL;
    ipc_task_unlock();
    if (port != MACH_PORT_NULL || !thread)
        return port;
    port = mach_reply_port();
    (void)exchange_reply_port(port);
    return port;
}

void mig_dealloc_reply_port(mach_port_t reply_port)
{
    mach_port_t port = exchange_reply_port(MACH_PORT_NULL);
    (void)reply_port; /* the thread's is meant, whatever a stub says */
    if (port != MACH_PORT_NULL)
        (void)mach_port_mod_refs(mach_task_self_, port, MACH_PORT_RIGHT_RECEIVE, -1);
}

void mig_put_reply_port(mach_port_t reply_port)
{
    (void)reply_port;
}

int mig_strncpy(char *dest, const char *src, int len)
{
    if (len <= 0)
        return 0;
    size_t size = strnlen(src, (size_t)len - 1);
    memcpy(dest, src, size);
    dest[size] = 0;
    return (int)size + 1;
}

int mig_strncpy_zerofill(char *dest, const char *src, int len)
{
    int copied = mig_strncpy(dest, src, len);
    if (copied < len)
        memset(dest + copied, 0, (size_t)(len - copied));
    return copied;
}

void mig_allocate(vm_address_t *ret_address, vm_size_t size)
{
    vm_address_t address = 0;
    bool had = vm_allocate(mach_task_self_, &address, size, VM_FLAGS_ANYWHERE) == KERN_SUCCESS;
    *ret_address = had ? address : 0;
}

void mig_deallocate(vm_address_t address, vm_size_t size)
{
    (void)vm_deallocate(mach_task_self_, address, size);
}
