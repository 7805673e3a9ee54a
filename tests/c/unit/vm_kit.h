/* For tests that drive csrc/mach/vm without the rest of the layer: the few variables that the rest
 * would bring, and what a process holds. A program includes it once. */
#ifndef MACHOOL_TESTS_UNIT_VM_KIT_H
#define MACHOOL_TESTS_UNIT_VM_KIT_H

#include "check.h"

#include "vm/vm_copy.h"
#include "vm/vm_map.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <mach/mach.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define KiB ((size_t)1 << 10)
#define MiB ((size_t)1 << 20)
#define PAGE ((size_t)vm_page_size)

mach_port_t mach_task_self_ = 0x103;
vm_size_t vm_page_size = 4096;

__attribute__((constructor)) static void vm_kit_init(void)
{
    vm_page_size = (vm_size_t)sysconf(_SC_PAGESIZE);
}

static inline unsigned count_fds(void)
{
    unsigned count = 0;
    DIR *folder = opendir("/proc/self/fd");
    CHECK(folder);
    while (readdir(folder))
        count++;
    closedir(folder);
    return count;
}

/* Lines of /proc/self/maps that have the text in them. */
static inline unsigned count_maps_with(const char *text)
{
    char line[512];
    unsigned count = 0;
    FILE *maps = fopen("/proc/self/maps", "r");
    CHECK(maps);
    while (fgets(line, sizeof line, maps))
        count += strstr(line, text) != NULL;
    fclose(maps);
    return count;
}

static inline unsigned count_maps(void)
{
    return count_maps_with("\n");
}

/* A sealed object, with pages for so many of its bytes. */
static inline int object(size_t size, int seals, size_t backed)
{
    int fd = os_memfd_new("test");
    CHECK(fd >= 0 && os_memfd_resize(fd, size) == 0);
    CHECK(backed == 0 || os_memfd_reserve(fd, 0, backed) == 0);
    CHECK(os_memfd_seal(fd, seals) == 0);
    return fd;
}

static inline char *region_new(size_t size)
{
    vm_address_t address = 0;
    CHECK(vm_allocate(mach_task_self_, &address, size, VM_FLAGS_ANYWHERE) == KERN_SUCCESS);
    return (char *)address;
}

static inline void region_free(const void *address, size_t size)
{
    CHECK(vm_deallocate(mach_task_self_, (vm_address_t)address, size) == KERN_SUCCESS);
}

static inline bool all(const char *from, size_t size, int byte)
{
    return size == 0 || (from[0] == (char)byte && memcmp(from, from + 1, size - 1) == 0);
}

static inline bool is_mapped(const void *page)
{
    unsigned char seen;
    return mincore((void *)(uintptr_t)vm_page_trunc((uintptr_t)page), 1, &seen) == 0;
}

/* How many bytes have been shared and copied since the last call. */
struct moved {
    uint64_t copied, shared;
};
static inline struct moved moved(void)
{
    static struct moved before;
    uint64_t regions, bytes;
    struct moved now, change;
    vm_copy_stats(&now.copied, &now.shared, &regions, &bytes);
    change = (struct moved){now.copied - before.copied, now.shared - before.shared};
    before = now;
    return change;
}

static inline unsigned count_regions(void)
{
    uint64_t copied, shared, regions, bytes;
    vm_copy_stats(&copied, &shared, &regions, &bytes);
    return (unsigned)regions;
}

static inline struct vm_copy send_memory(const void *from, size_t size, int option, bool deallocate)
{
    struct vm_copy copy;
    CHECK(vm_copyin((vm_address_t)from, size, option, deallocate, &copy) == MACH_MSG_SUCCESS);
    return copy;
}

static inline char *receive_memory(struct vm_copy *copy)
{
    vm_address_t address = 0;
    CHECK(vm_copyout(copy, &address) == 0);
    return (char *)address;
}

/* Ends of its own accord with the status of its checks. */
static inline void join(pid_t pid)
{
    int status;
    CHECK(waitpid(pid, &status, 0) == pid);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

#endif
