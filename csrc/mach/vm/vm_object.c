/* See vm_object.h. */
#include "vm/vm_object.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static int object_around(int take_fd, uint64_t size, bool lent, struct vm_object **ret_object)
{
    struct vm_object *object = calloc(1, sizeof *object);
    int r = object ? os_memfd_identify(take_fd, &object->id) : -ENOMEM;
    if (r < 0) {
        free(object);
        close(take_fd);
        return r;
    }
    object->refs = 1;
    object->fd = take_fd;
    object->size = size;
    object->lent = lent;
    *ret_object = object;
    return 0;
}

int vm_object_new(int take_fd, uint64_t size, struct vm_object **ret_object)
{
    int r = os_memfd_seal(take_fd, VM_OBJECT_SEALS | F_SEAL_SEAL);
    if (r < 0) {
        close(take_fd);
        return r;
    }
    return object_around(take_fd, size, false, ret_object);
}

int vm_object_adopt(int take_fd, uint64_t size, struct vm_object **ret_object)
{
    return object_around(take_fd, size, true, ret_object);
}

int vm_object_new_zero(uint64_t size, struct vm_object **ret_object)
{
    int fd = os_memfd_new("machool:object");
    if (fd < 0)
        return fd;
    int r = os_memfd_resize(fd, size);
    if (r < 0) {
        close(fd);
        return r;
    }
    return vm_object_new(fd, size, ret_object);
}

struct vm_object *vm_object_ref(struct vm_object *object)
{
    object->refs++;
    return object;
}

void vm_object_unref(struct vm_object *object)
{
    if (!object || --object->refs > 0)
        return;
    if (os_memfd_is(object->fd, &object->id))
        close(object->fd);
    free(object);
}
