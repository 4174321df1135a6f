/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Page numbers as runs. */
#include <stdlib.h>

#include "target-models/balloon/balloon.h"

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a;
    uint32_t y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

/*
 * Linux allocates from the top of a free block downwards, so its requests
 * come in descending order for the most part.
 */
static bool reverse_descending(uint32_t *pfns, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        if (pfns[i] >= pfns[i - 1]) {
            return false;
        }
    }
    for (size_t i = 0; i < n / 2; i++) {
        uint32_t last = pfns[n - 1 - i];

        pfns[n - 1 - i] = pfns[i];
        pfns[i] = last;
    }
    return true;
}

size_t balloon_runs_from_pfns(uint32_t *pfns, size_t n, BalloonRun *runs)
{
    size_t used = 0;

    if (!reverse_descending(pfns, n)) {
        qsort(pfns, n, sizeof(*pfns), compare);
    }
    for (size_t i = 0; i < n; i++) {
        BalloonRun *last = used ? &runs[used - 1] : NULL;

        if (last && pfns[i] < last->first + last->count) {
            continue;
        } else if (last && pfns[i] == last->first + last->count) {
            last->count++;
        } else {
            runs[used++] = (BalloonRun){ pfns[i], 1 };
        }
    }
    return used;
}
