/* See os_proc.h. */
#include "os/os_proc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* A small file of /proc, with a NUL behind it. 0 or -errno. */
static int read_text(const char *path, char *text, size_t room)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    ssize_t size = read(fd, text, room - 1);
    int r = size < 0 ? -errno : 0;
    close(fd);
    text[size > 0 ? size : 0] = 0;
    return r;
}

/* The number in a line "Label:   1234 kB", in bytes; 0 when the kernel has no such line. */
static uint64_t kilobytes(const char *text, const char *label)
{
    const char *at = strstr(text, label);
    return at ? strtoull(at + strlen(label), NULL, 10) * 1024 : 0;
}

int os_proc_memory(struct os_proc_memory *ret_memory)
{
    char text[4096];
    int r = read_text("/proc/self/status", text, sizeof text);
    if (r < 0)
        return r;
    *ret_memory = (struct os_proc_memory){
        .virtual_size = kilobytes(text, "\nVmSize:"),
        .resident = kilobytes(text, "\nVmRSS:"),
        .resident_peak = kilobytes(text, "\nVmHWM:"),
        .anonymous = kilobytes(text, "\nRssAnon:"),
        .file = kilobytes(text, "\nRssFile:"),
        .shared = kilobytes(text, "\nRssShmem:"),
        .swapped = kilobytes(text, "\nVmSwap:"),
    };
    return 0;
}

int os_proc_ranges(struct os_proc_ranges *ret_ranges)
{
    struct os_proc_ranges ranges = {.lowest = UINTPTR_MAX};
    FILE *maps = fopen("/proc/self/maps", "re");
    if (!maps)
        return -errno;
    char line[512];
    bool fresh = true; /* a long path makes a line of several reads */
    while (fgets(line, sizeof line, maps)) {
        unsigned long start, end;
        if (fresh && sscanf(line, "%lx-%lx", &start, &end) == 2 && end < UINTPTR_MAX / 2) {
            ranges.count++;
            ranges.lowest = start < ranges.lowest ? start : ranges.lowest;
            ranges.highest = end > ranges.highest ? end : ranges.highest;
        }
        fresh = strchr(line, '\n') != NULL;
    }
    fclose(maps);
    *ret_ranges = ranges;
    return 0;
}

/* Ticks of the kernel's clock as nanoseconds. */
static uint64_t ticks_ns(unsigned long long ticks)
{
    return ticks * (1000000000u / (uint64_t)sysconf(_SC_CLK_TCK));
}

int os_proc_thread(pid_t tid, struct os_proc_thread *ret_thread)
{
    char path[64], text[1024];
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", (int)tid);
    int r = read_text(path, text, sizeof text);
    if (r < 0)
        return r;
    const char *name = strchr(text, '(');
    const char *rest = strrchr(text, ')'); /* the name may hold anything */
    struct os_proc_thread thread = {0};
    unsigned long long user, system, born;
    if (!name || !rest ||
        sscanf(rest + 1,
               " %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %*d %*d %*d %d %*d %*d %llu",
               &thread.state, &user, &system, &thread.nice, &born) != 5)
        return -EIO;
    snprintf(thread.name, sizeof thread.name, "%.*s", (int)(rest - name - 1), name + 1);
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    uint64_t now_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    thread.user_ns = ticks_ns(user);
    thread.system_ns = ticks_ns(system);
    thread.born = born;
    thread.age_ns = now_ns > ticks_ns(born) ? now_ns - ticks_ns(born) : 0;
    *ret_thread = thread;
    return 0;
}

int os_proc_threads(pid_t **ret_tids, size_t *ret_count)
{
    DIR *folder = opendir("/proc/self/task");
    if (!folder)
        return -errno;
    pid_t *tids = NULL;
    size_t count = 0, room = 0;
    int r = 0;
    for (struct dirent *at; r == 0 && (at = readdir(folder));) {
        if (at->d_name[0] == '.')
            continue;
        if (count == room) {
            room = room ? 2 * room : 16;
            pid_t *more = realloc(tids, room * sizeof *tids);
            if (!more) {
                r = -ENOMEM;
                break;
            }
            tids = more;
        }
        tids[count++] = (pid_t)strtol(at->d_name, NULL, 10);
    }
    closedir(folder);
    if (r < 0) {
        free(tids);
        return r;
    }
    *ret_tids = tids;
    *ret_count = count;
    return 0;
}
