/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A window of a sweep: looking again at armed candidates and taking those
 * that match still
 *
 * Needs GLib and Linux, nothing of QEMU.
 */
#ifndef SUNDER_HW_WINDOW_H
#define SUNDER_HW_WINDOW_H

#include "hw/mem/write-guard.h"

typedef struct SweepWindow {
    WriteGuard *guard;
    const HostMemory *memory;   /* by number of region */
    const uint64_t *super_page; /* bytes, by number of region */
    unsigned regions;
    uint64_t pattern;
    bool super_only;            /* take nothing of broken super pages */
    int fault_errno;            /* discarding fails so, 0: it does not */
    const gint *stop;           /* not 0: take no more; may be NULL */
} SweepWindow;

typedef struct SweepWindowResult {
    GArray *taken;              /* SweepRun, of the caller: appended to */
    uint64_t bytes;             /* taken */
    uint64_t super_pages;       /* of these, whole ones */
    uint64_t pages;             /* of these, the others */
    uint64_t raced;             /* bytes that writers released */
    uint64_t unmatched;         /* bytes that did not match when armed */
} SweepWindowResult;

/*
 * sweep_window_ranges:
 * @ranges: room for @count
 *
 * Turns runs into what write_guard_arm() wants.
 *
 * Returns: the number of ranges, ascending by address.
 */
unsigned sweep_window_ranges(const SweepWindow *window,
                             const SweepRun *runs, unsigned count,
                             struct iovec *ranges);

/*
 * sweep_window_take:
 * @runs: armed
 * @result: added to
 *
 * Returns: false with @error set when memory could not be given back.
 */
bool sweep_window_take(const SweepWindow *window, const SweepRun *runs,
                       unsigned count, SweepWindowResult *result,
                       GError **error);

#endif
