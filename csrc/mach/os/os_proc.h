/* The process and its threads in numbers, as /proc has them.
 *
 * Read anew at each call. Safe from any thread and after a fork. */
#ifndef MACHOOL_OS_PROC_H
#define MACHOOL_OS_PROC_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct os_proc_memory { /* bytes */
    uint64_t virtual_size, resident, resident_peak;
    uint64_t anonymous, file, shared, swapped;
};

/* 0 or -errno. */
int os_proc_memory(struct os_proc_memory *ret_memory);

struct os_proc_ranges {
    uint32_t count; /* of mappings */
    uintptr_t lowest, highest;
};

/* The mappings as a whole. 0 or -errno. */
int os_proc_ranges(struct os_proc_ranges *ret_ranges);

struct os_proc_thread {
    uint64_t user_ns, system_ns; /* processor time */
    uint64_t born, age_ns;       /* its start, as a number to compare; and since then */
    char state;                  /* R, S, D, T, ... as in proc(5) */
    int nice;
    char name[16];
};

/* A thread of this process. 0 or -errno; -ENOENT or -ESRCH: there is none of that id. */
int os_proc_thread(pid_t tid, struct os_proc_thread *ret_thread);

/* The ids of all threads, in an array of the caller's, to be freed. 0 or -errno. */
int os_proc_threads(pid_t **ret_tids, size_t *ret_count);

#endif
