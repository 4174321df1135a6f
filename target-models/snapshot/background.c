/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Live snapshots: what the background copies next, and how fast. */
#include "snapshot-internal.h"

#define SECOND  UINT64_C(1000000000)
#define SAVED   (SECOND / 10)

bool snap_prefer(Snap *snap, unsigned priority, uint64_t offset,
                 uint64_t length)
{
    Range range = { .priority = priority };
    unsigned at = snap->ranges->len;

    if (snap->ranges->len >= SNAP_MAX_RANGES) {
        return false;
    }
    snap_touched(snap, offset, length, &range.first, &range.end);
    range.cursor = range.first;
    while (at && g_array_index(snap->ranges, Range, at - 1).priority >
                 priority) {
        at--;
    }
    g_array_insert_val(snap->ranges, at, range);
    return true;
}

/* Begins a claim on the first run in @range that has none. */
static bool claim_in(Snap *snap, Range *range, uint64_t max, SnapClaim *claim)
{
    uint32_t block = snap->storage->block;
    uint64_t b, end;

    range->cursor = copy_map_next(snap->map, range->cursor, range->end, false);
    for (b = range->cursor; b < range->end;
         b = copy_map_next(snap->map, b, range->end, false)) {
        SnapClaim *other;
        Snap *source;

        end = copy_map_next(snap->map, b, range->end, true);
        other = snap_copying(snap, b, &end);
        if (other) {
            b = (other->offset + other->length - 1) / block + 1;
            continue;
        }
        source = snap_locate(snap, b, &end);
        end = MIN(end, b + MAX(max / block, 1));
        snap_claim_begin(claim, snap, source, SNAP_BACKGROUND, b * block,
                         (end - b) * block);
        return true;
    }
    return false;
}

bool snap_background(Snap *snap, uint64_t max, SnapClaim *claim)
{
    if (snap->state != SNAP_COPYING) {
        return false;
    }
    for (unsigned i = 0; i < snap->ranges->len; i++) {
        if (claim_in(snap, &g_array_index(snap->ranges, Range, i), max,
                     claim)) {
            return true;
        }
    }
    return claim_in(snap, &snap->rest, max, claim);
}

bool snap_priority_done(const Snap *snap, unsigned priority)
{
    for (unsigned i = 0; i < snap->ranges->len; i++) {
        const Range *range = &g_array_index(snap->ranges, Range, i);

        if (range->priority <= priority &&
            !copy_map_holds(snap->map, range->first,
                            range->end - range->first)) {
            return false;
        }
    }
    return true;
}

uint64_t snap_pace(SnapPace *pace, uint64_t bytes, uint64_t now_ns)
{
    uint64_t rest;

    if (pace->rate == 0) {
        return 0;
    }
    rest = now_ns > SAVED ? now_ns - SAVED : 0;
    pace->free_ns = MAX(pace->free_ns, rest);
    pace->free_ns += bytes / pace->rate * SECOND +
                     (uint64_t)((double)(bytes % pace->rate) / pace->rate *
                                SECOND);
    return pace->free_ns > now_ns ? pace->free_ns - now_ns : 0;
}
