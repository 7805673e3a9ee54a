/* See os_smaps.h. */
#include "os/os_smaps.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* Whether the line begins a mapping. */
static bool is_head(const char *line, uintptr_t *ret_start, uintptr_t *ret_end)
{
    char permissions[5];
    return sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %4[rwxps-]", ret_start, ret_end, permissions) ==
           3;
}

/* "Name:   123 kB" is added where it belongs. */
static void add_line(const char *line, struct os_smaps *smaps)
{
    char name[32];
    uint64_t kibibytes;
    if (sscanf(line, "%31[A-Za-z_]: %" SCNu64 " kB", name, &kibibytes) != 2)
        return;
    uint64_t bytes = kibibytes << 10;
    if (strcmp(name, "Rss") == 0)
        smaps->resident += bytes;
    else if (strcmp(name, "Anonymous") == 0)
        smaps->anonymous += bytes;
    else if (strcmp(name, "Swap") == 0)
        smaps->swapped += bytes;
    if (strncmp(name, "Shared_", 7) == 0)
        smaps->shared += strcmp(name, "Shared_Hugetlb") == 0 ? 0 : bytes;
    if (strcmp(name, "Shared_Dirty") == 0 || strcmp(name, "Private_Dirty") == 0)
        smaps->dirty += bytes;
}

int os_smaps_at(uintptr_t address, struct os_smaps *ret_smaps)
{
    char line[512];
    struct os_smaps smaps = {0};
    bool inside = false;
    FILE *file = fopen("/proc/self/smaps", "re");
    if (!file)
        return -errno;
    while (fgets(line, sizeof line, file)) {
        uintptr_t start, end;
        if (is_head(line, &start, &end)) {
            if (inside || start > address)
                break;
            inside = address < end;
        } else if (inside) {
            add_line(line, &smaps);
        }
    }
    fclose(file);
    if (!inside)
        return -ENOENT;
    *ret_smaps = smaps;
    return 0;
}
