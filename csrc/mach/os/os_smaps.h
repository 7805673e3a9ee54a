/* How much of a mapping is in memory, as the kernel counts it. Reads /proc/self/smaps, which takes
 * time that grows with the mappings before: for questions, not for hot paths. No locks. */
#ifndef MACHOOL_OS_SMAPS_H
#define MACHOOL_OS_SMAPS_H

#include <stdint.h>

struct os_smaps { /* all in bytes */
    uint64_t resident, shared, dirty, anonymous, swapped;
};

/* Of the whole mapping that covers an address. 0, -ENOENT: none does; or another -errno. */
int os_smaps_at(uintptr_t address, struct os_smaps *ret_smaps);

#endif
