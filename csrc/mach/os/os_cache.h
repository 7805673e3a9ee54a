/* What a processor can be told of memory that it shares with others. */
#ifndef MACHOOL_OS_CACHE_H
#define MACHOOL_OS_CACHE_H

/* It is going to write there: a hint, whatever is there. The compiler has none for any x86-64. */
static inline void os_cache_own(const void *at)
{
#if defined(__x86_64__)
    __asm__ volatile("prefetchw %0" : : "m"(*(const char *)at));
#else
    __builtin_prefetch(at, 1, 3);
#endif
}

/* It is going to read there: a hint, too. */
static inline void os_cache_want(const void *at)
{
    __builtin_prefetch(at, 0, 3);
}

#endif
