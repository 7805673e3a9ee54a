/* A memory entry: a handle to a part of an object, that can be mapped wherever it comes to.
 *
 * Counted: the port that names it in a space holds a reference, and so does a call that uses it.
 * Immutable otherwise. An entry made by copying (`copy`) has an object of its own.
 *
 * Locks: takes vm_lock, except where `with the lock` is said; may be called under the task lock. */
#ifndef MACHOOL_VM_ENTRY_H
#define MACHOOL_VM_ENTRY_H

#include "vm/vm_object.h"

#include <mach/vm_prot.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vm_entry {
    uint32_t refs;
    bool copy;
    vm_prot_t protection; /* what a mapping of it may be allowed at most */
    struct vm_object *object;
    uint64_t offset, size; /* whole pages */
    uint32_t data_offset;  /* of what was asked for, in the first page */
};

/* All results are one reference, the caller's. 0 or -errno. */

/* Over fresh memory of that size, whole pages. */
int vm_entry_new(uint64_t size, vm_prot_t protection, struct vm_entry **ret_entry);
/* A snapshot of [start, end), whole pages: -EFAULT a hole, -EACCES unreadable. */
int vm_entry_copy(uintptr_t start, uintptr_t end, vm_prot_t protection,
                  struct vm_entry **ret_entry);
/* The memory of [start, end) itself, which is shared from then on. Unless `whole`, as much of it as
 * is one object: the entry may be smaller. With `mask` its protection is what of `protection` all of
 * it has; otherwise all of it must have `protection`. -EFAULT: a hole; -EACCES: a protection; -EPERM:
 * memory that cannot be shared, or not as one. */
int vm_entry_share(uintptr_t start, uintptr_t end, vm_prot_t protection, bool mask, bool whole,
                   struct vm_entry **ret_entry);
/* A part of an entry, which it must have. */
int vm_entry_part(const struct vm_entry *parent, uint64_t offset, uint64_t size,
                  vm_prot_t protection, struct vm_entry **ret_entry);

struct vm_entry *vm_entry_ref(struct vm_entry *entry);
/* NULL is fine. */
void vm_entry_unref(struct vm_entry *entry);

/* Maps a part of it over an address that is the caller's to fill: the memory itself, or with `copy`
 * a private copy of what is in it now. Whole pages; PROT_ bits. With the lock. 0 or -errno. */
int vm_entry_map(const struct vm_entry *entry, uint64_t offset, uintptr_t address, size_t size,
                 int protection, bool copy);

/* An entry on its way to another task: a descriptor, and these words beside it. */
struct vm_entry_words {
    uint64_t offset, size;
    uint32_t protection, copy, data_offset;
};

/* A descriptor for another task, the caller's to close, or -errno. Read-only unless the entry allows
 * writing. */
int vm_entry_export(const struct vm_entry *entry, struct vm_entry_words *ret_words);
/* What a peer sent: refused with -EBADMSG unless the object is a memfd of ordinary pages that can no
 * longer shrink, and holds what the words say. Takes the descriptor in any case. */
int vm_entry_adopt(int take_fd, const struct vm_entry_words *words, struct vm_entry **ret_entry);

#endif
