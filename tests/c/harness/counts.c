/* Counting from /proc on Linux, by asking for each descriptor elsewhere; see counts.h. */
#include "counts.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void count_descriptors(struct counts *counts)
{
    counts->descriptors = 0;
    for (int fd = 0; fd < COUNTS_FDS; fd++) {
        counts->is_open[fd] = fcntl(fd, F_GETFD) >= 0;
        counts->descriptors += counts->is_open[fd];
    }
}

#if defined(__linux__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)

static size_t read_maps(char *text, size_t size)
{
    size_t used = 0;
    int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    while (fd >= 0 && used < size - 1) {
        ssize_t got = read(fd, text + used, size - 1 - used);
        if (got <= 0)
            break;
        used += (size_t)got;
    }
    text[used] = '\0';
    if (fd >= 0)
        close(fd);
    return used;
}

static bool is_counted(const char *line)
{
    return strstr(line, "[heap]") == NULL && strstr(line, "[stack]") == NULL;
}

static void count_mappings(struct counts *counts)
{
    static char text[COUNTS_TEXT];
    char *kept = counts->maps;
    (void)read_maps(text, sizeof(text));
    counts->mappings = 0;
    counts->mapped_bytes = 0;
    for (char *line = text; *line != '\0';) {
        char *end = strchr(line, '\n');
        if (end == NULL)
            break;
        *end = '\0';
        if (is_counted(line)) {
            char *dash = NULL;
            unsigned long long start = strtoull(line, &dash, 16);
            counts->mapped_bytes += strtoull(dash + 1, NULL, 16) - start;
            counts->mappings++;
            size_t length = (size_t)(end - line);
            memcpy(kept, line, length);
            kept[length] = '\n';
            kept += length + 1;
        }
        line = end + 1;
    }
    *kept = '\0';
}

#else

static void count_mappings(struct counts *counts)
{
    counts->mappings = 0;
    counts->mapped_bytes = 0;
    counts->maps[0] = '\0';
}

#endif

#if defined(__linux__) && defined(__SANITIZE_ADDRESS__)

int __lsan_do_recoverable_leak_check(void);
const char *__lsan_default_options(void);
const char *__lsan_default_suppressions(void);

bool counts_memory_lost(void)
{
    return __lsan_do_recoverable_leak_check() != 0;
}

/* A test is a forked child: its task began anew and has nothing any more that leads to the ports
 * its parent had from the start. They cannot be freed there, since a thread that is not in the
 * child may have been using them. */
const char *__lsan_default_suppressions(void)
{
    return "leak:start_anew\n";
}

const char *__lsan_default_options(void)
{
    return "print_suppressions=0";
}

#else

bool counts_memory_lost(void)
{
    return false;
}

#endif

void counts_take(struct counts *ret_counts, size_t (*count_names)(void))
{
    count_descriptors(ret_counts);
    ret_counts->names = count_names != NULL ? count_names() : 0;
    count_mappings(ret_counts);
}

bool counts_equal(const struct counts *before, const struct counts *after)
{
    return before->descriptors == after->descriptors && before->mappings == after->mappings &&
           before->mapped_bytes == after->mapped_bytes && before->names == after->names;
}

static void print_lines_missing_in(const char *mark, const char *from, const char *in)
{
    char line[512];
    while (*from != '\0') {
        size_t length = strcspn(from, "\n");
        size_t kept = length < sizeof(line) - 2 ? length : sizeof(line) - 2;
        memcpy(line, from, kept);
        line[kept] = '\n';
        line[kept + 1] = '\0';
        if (strstr(in, line) == NULL)
            fprintf(stderr, "      %s %s", mark, line);
        from += length + (from[length] == '\n');
    }
}

static void print_descriptor(int fd, const char *mark)
{
    char path[64];
    char target[256];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    ssize_t length = readlink(path, target, sizeof(target) - 1);
    target[length > 0 ? length : 0] = '\0';
    fprintf(stderr, "      %s descriptor %d %s\n", mark, fd, target);
}

void counts_print_difference(const struct counts *before, const struct counts *after)
{
    fprintf(stderr,
            "    left behind: descriptors: %zu before, %zu after; mappings: %zu before, %zu after "
            "(%+lld bytes); names: %zu before, %zu after\n",
            before->descriptors, after->descriptors, before->mappings, after->mappings,
            (long long)(after->mapped_bytes - before->mapped_bytes), before->names, after->names);
    for (int fd = 0; fd < COUNTS_FDS; fd++)
        if (before->is_open[fd] != after->is_open[fd])
            print_descriptor(fd, after->is_open[fd] ? "+" : "-");
    print_lines_missing_in("+", after->maps, before->maps);
    print_lines_missing_in("-", before->maps, after->maps);
}
