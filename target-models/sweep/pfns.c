/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Zero-page sweep: page frame numbers of an inflate request
 *
 * Linux allocates the pages of a balloon downwards, so its request is a
 * few long runs in descending order: one discard a run instead of one a
 * page.
 */
#include <stdlib.h>

#include "target-models/sweep/sweep.h"

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a;
    uint32_t y = *(const uint32_t *)b;

    return x < y ? -1 : x > y;
}

static void reverse(uint32_t *pfns, unsigned count)
{
    for (unsigned i = 0; i < count / 2; i++) {
        uint32_t swap = pfns[i];

        pfns[i] = pfns[count - 1 - i];
        pfns[count - 1 - i] = swap;
    }
}

/* Sorts; what Linux sends needs no more than to be turned round. */
static void sort(uint32_t *pfns, unsigned count)
{
    unsigned up = 0, down = 0;

    for (unsigned i = 1; i < count; i++) {
        up += pfns[i - 1] <= pfns[i];
        down += pfns[i - 1] >= pfns[i];
    }
    if (count < 2 || up == count - 1) {
        return;
    }
    if (down == count - 1) {
        reverse(pfns, count);
    } else {
        qsort(pfns, count, sizeof(*pfns), compare);
    }
}

unsigned sweep_pfns_coalesce(uint32_t *pfns, unsigned count,
                             SweepPfnRun *runs, unsigned *duplicates)
{
    unsigned n = 0, same = 0;

    sort(pfns, count);
    for (unsigned i = 0; i < count; i++) {
        if (i && pfns[i] == pfns[i - 1]) {
            same++;
        } else if (i && pfns[i] - 1 == pfns[i - 1]) {
            runs[n - 1].count++;
        } else {
            runs[n++] = (SweepPfnRun) { .first = pfns[i], .count = 1 };
        }
    }
    if (duplicates) {
        *duplicates = same;
    }
    return n;
}
