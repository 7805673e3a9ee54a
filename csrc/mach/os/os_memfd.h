/* memfd: anonymous shared memory that lives as long as somebody has a descriptor or a mapping.
 *
 * All functions return a value >= 0 or -errno and take no lock. */
#ifndef MACHOOL_OS_MEMFD_H
#define MACHOOL_OS_MEMFD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

/* Which object a descriptor is. Programs close descriptors that are not theirs, and get the same
 * numbers for files of their own: before a number kept for long is used or closed, it is asked. */
struct os_memfd_id {
    uint64_t device, inode;
};

/* A new, empty, sealable object; close-on-exec, and never executable where the kernel can say so. */
int os_memfd_new(const char *name);
/* Sets the size. -EFBIG where RLIMIT_FSIZE forbids it, instead of the signal. */
int os_memfd_resize(int fd, uint64_t size);
/* Reserves pages, so that touching them cannot fail later; sealed objects too. Makes progress under
 * any storm of signals. -ENOSPC or -ENOMEM. */
int os_memfd_reserve(int fd, uint64_t offset, uint64_t size);
/* Writes all of it, or fails: -EFAULT when the source cannot be read, -EFBIG instead of SIGXFSZ. */
int os_memfd_write(int fd, const void *from, uint64_t size, uint64_t offset);
/* Reads all of it, or fails. */
int os_memfd_read(int fd, void *to, uint64_t size, uint64_t offset);
/* The same of, and to, many places in memory, which lie in the object one after the other. The array
 * is used up. -EFAULT when a place cannot be read, or written. */
int os_memfd_gather(int fd, struct iovec *use_places, size_t count, uint64_t offset);
int os_memfd_scatter(int fd, struct iovec *use_places, size_t count, uint64_t offset);
/* A new object that holds just these bytes, sealed for ever; fd or -errno. */
int os_memfd_sealed(const char *name, const void *bytes, uint64_t size);
/* Adds seals. -EBUSY: a write seal while somebody has it mapped writable and shared. */
int os_memfd_seal(int fd, int seals);
/* Whether a descriptor that came from elsewhere is a memfd of ordinary pages with at least these
 * seals and at least this size: 0 or -EBADMSG. */
int os_memfd_verify(int fd, int seals, uint64_t size_at_least);
/* Whether as many pages are there as its size takes: touching them allocates nothing. */
bool os_memfd_is_backed(int fd);
int os_memfd_identify(int fd, struct os_memfd_id *ret_id);
bool os_memfd_is(int fd, const struct os_memfd_id *id);

#endif
