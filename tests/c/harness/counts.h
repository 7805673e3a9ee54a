/* What a process holds: open descriptors, mappings, and what a hook counts besides.
 *
 * Mappings are counted as lines and as bytes, since the kernel joins neighbours that look alike;
 * heap and main stack grow at will and are left out. On macOS only descriptors are counted: the
 * kernel there maps and unmaps on behalf of its own libraries at any time. */
#ifndef TESTS_HARNESS_COUNTS_H
#define TESTS_HARNESS_COUNTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { COUNTS_TEXT = 1 << 18, COUNTS_FDS = 4096 };

struct counts {
    size_t descriptors;
    size_t mappings;
    uint64_t mapped_bytes;
    size_t names;
    bool is_open[COUNTS_FDS];
    char maps[COUNTS_TEXT]; /* the lines that were counted */
};

void counts_take(struct counts *ret_counts, size_t (*count_names)(void));
bool counts_equal(const struct counts *before, const struct counts *after);
/* To stderr: the numbers, and which descriptors and mappings came or went. */
void counts_print_difference(const struct counts *before, const struct counts *after);
/* Whether memory of malloc was lost, and to stderr, whose. Known with the address sanitizer only. */
bool counts_memory_lost(void);

#endif
