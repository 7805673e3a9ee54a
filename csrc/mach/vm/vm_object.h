/* An object: memory that several mappings, tasks and memory entries share by agreement.
 *
 * A memfd that can be neither shrunk nor grown, nor sealed any further, so that whoever maps it can
 * rely on its pages; counted, since ranges (vm_range.h) and entries (vm_entry.h) hold it, and its
 * descriptor goes with the last of them. Such memory is never frozen: others write to it.
 *
 * Locks: vm_lock. */
#ifndef MACHOOL_VM_OBJECT_H
#define MACHOOL_VM_OBJECT_H

#include "os/os_memfd.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>

/* What a shared object bears. */
#define VM_OBJECT_SEALS (F_SEAL_SHRINK | F_SEAL_GROW)

struct vm_object {
    uint32_t refs;
    int fd; /* owned, as long as it is `id` */
    struct os_memfd_id id;
    uint64_t size;
    bool lent; /* other tasks may have it, too */
};

/* Whether the one reference to it is all there is: nobody else can see its pages. */
static inline bool vm_object_is_alone(const struct vm_object *object)
{
    return object->refs == 1 && !object->lent;
}

/* An object around a memfd of that size, which is sealed here; one reference, the
 * caller's. 0 or -errno; takes the descriptor in any case. */
int vm_object_new(int take_fd, uint64_t size, struct vm_object **ret_object);
/* Around a memfd that came sealed from elsewhere and has been verified: it is lent. */
int vm_object_adopt(int take_fd, uint64_t size, struct vm_object **ret_object);
/* The same over fresh, zero-filled memory. */
int vm_object_new_zero(uint64_t size, struct vm_object **ret_object);
struct vm_object *vm_object_ref(struct vm_object *object);
/* NULL is fine. */
void vm_object_unref(struct vm_object *object);

#endif
