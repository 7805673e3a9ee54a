/*
 * The vocabulary of the assertions about the headers. Rows of several lines start at the margin, so
 * clang-format is off where they are used.
 *
 *   V(name, value)            a constant
 *   SIZE(type, bytes)         the size of a type
 *   MSG(type, bytes)          the same, alignment 4 being checked as well
 *   AT(type, field, offset)   a field that is not a bit-field; habits.c looks at those at run time
 *   SAME(type, type)          one and the same type
 *   FN(name, result, args)    a call's signature
 */
#ifndef MACHOOL_TESTS_ASSERTS_H
#define MACHOOL_TESTS_ASSERTS_H

#include <stddef.h>
#include <stdint.h>

// clang-format off

#define V(name, value) _Static_assert((long long)(name) == (value), #name);
#define SIZE(type, bytes) _Static_assert(sizeof(type) == (bytes), #type);
#define MSG(type, bytes) SIZE(type, bytes) _Static_assert(_Alignof(type) == 4, #type " alignment");
#define AT(type, field, offset) _Static_assert(offsetof(type, field) == (offset), #type "." #field);
#define SAME(type, other) \
    _Static_assert(_Generic((type *)0, other * : 1, default : 0), #type " is " #other);
#define FN(name, result, args) \
    _Static_assert(_Generic(&name, result (*) args : 1, default : 0), #name);

#endif
