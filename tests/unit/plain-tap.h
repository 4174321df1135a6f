/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * TAP from a program that is no Criterion test
 */
#ifndef TESTS_UNIT_PLAIN_TAP_H
#define TESTS_UNIT_PLAIN_TAP_H

#include <stdbool.h>
#include <stdio.h>

typedef struct PlainTap {
    unsigned count, failed;
} PlainTap;

static inline void plain_check(PlainTap *tap, bool ok, const char *name)
{
    printf("%s %u - %s\n", ok ? "ok" : "not ok", ++tap->count, name);
    fflush(stdout);
    tap->failed += !ok;
}

/* Returns: the program's exit status. */
static inline int plain_finish(const PlainTap *tap)
{
    printf("1..%u\n", tap->count);
    return tap->failed ? 1 : 0;
}

#endif
