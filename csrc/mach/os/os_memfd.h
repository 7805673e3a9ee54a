/* memfd: anonymous shared memory that lives as long as somebody has a descriptor or a mapping.
 *
 * All functions return a value >= 0 or -errno and take no lock. */
#ifndef MACHOOL_OS_MEMFD_H
#define MACHOOL_OS_MEMFD_H

#include <stdint.h>

/* A new, empty, sealable object; close-on-exec, and never executable where the kernel can say so. */
int os_memfd_new(const char *name);
/* Sets the size. -EFBIG where RLIMIT_FSIZE forbids it, instead of the signal. */
int os_memfd_resize(int fd, uint64_t size);
/* Reserves pages, so that touching them cannot fail later. -ENOSPC or -ENOMEM. */
int os_memfd_reserve(int fd, uint64_t offset, uint64_t size);
/* Writes all of it, or fails: -EFAULT when the source cannot be read. */
int os_memfd_write(int fd, const void *from, uint64_t size, uint64_t offset);
/* Reads all of it, or fails. */
int os_memfd_read(int fd, void *to, uint64_t size, uint64_t offset);
/* Adds seals. -EBUSY: a write seal while somebody has it mapped writable and shared. */
int os_memfd_seal(int fd, int seals);
/* Whether a descriptor that came from elsewhere is a memfd with at least these seals and at
 * least this size: 0 or -EBADMSG. */
int os_memfd_verify(int fd, int seals, uint64_t size_at_least);

#endif
