/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Points in time until which something may take
 *
 * A deadline is a time of g_get_monotonic_time() in microseconds, or
 * DEADLINE_NEVER.
 */
#ifndef SUNDER_DEADLINE_H
#define SUNDER_DEADLINE_H

#include <glib.h>

#define DEADLINE_NEVER G_MAXINT64

/* The deadline @timeout_ms from now; below 0 is never. */
static inline gint64 deadline_after(int timeout_ms)
{
    return timeout_ms < 0 ? DEADLINE_NEVER
                          : g_get_monotonic_time() + timeout_ms * 1000LL;
}

/* Milliseconds left, rounded up, for poll(): 0 when over, -1 for never. */
static inline int deadline_left(gint64 deadline)
{
    gint64 left;

    if (deadline == DEADLINE_NEVER) {
        return -1;
    }
    left = deadline - g_get_monotonic_time();
    return left <= 0 ? 0 : (int)MIN((left + 999) / 1000, G_MAXINT);
}

#endif /* SUNDER_DEADLINE_H */
