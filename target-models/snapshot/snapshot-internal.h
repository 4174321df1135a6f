/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Live snapshots: what the files of the engine share. */
#ifndef SUNDER_SNAPSHOT_SNAPSHOT_INTERNAL_H
#define SUNDER_SNAPSHOT_SNAPSHOT_INTERNAL_H

#include "target-models/snapshot/snapshot.h"

typedef struct Range {
    unsigned priority;
    uint64_t first, end;        /* blocks */
    uint64_t cursor;            /* all before it are copied */
} Range;

struct Snap {
    SnapStorage *storage;
    Snap *older, *newer;
    CopyMap *map;
    void *opaque;
    SnapState state;
    GArray *ranges;             /* by priority */
    Range rest;
    unsigned names;             /* claims that name it */
    bool is_unneeded;           /* cancelled, and no older one shares it */
};

struct SnapStorage {
    uint32_t block;
    const SnapOperations *operations;
    void *opaque;
    Snap *oldest, *newest;
    unsigned n_snaps;
    Snap *target;               /* newest that lives; atomic */
    unsigned n_reading;         /* claims that read the storage; atomic */
    SnapClaim claims;           /* head of a ring */
};

static inline bool snap_lives(const Snap *snap)
{
    return snap->state == SNAP_COPYING || snap->state == SNAP_COMPLETE;
}

/*
 * Where @snap's block @first is found; @end is lowered to the end of the
 * run that is in the same place.  Returns: NULL for the storage.
 */
Snap *snap_locate(const Snap *snap, uint64_t first, uint64_t *end);

/*
 * Looks for blocks in [*@first, *@end) that no claim copies into @snap.
 * Returns: NULL with *@end lowered to where the next such claim begins, or
 * the claim that covers *@first.
 */
SnapClaim *snap_copying(const Snap *snap, uint64_t first, uint64_t *end);

/* Begins a claim of bytes; a copy's are cut off at the snapshot's end. */
void snap_claim_begin(SnapClaim *claim, Snap *snap, Snap *source,
                      SnapPurpose purpose, uint64_t offset, uint64_t length);

/* Blocks of the snapshot that [@offset, @offset + @length) touches. */
void snap_touched(const Snap *snap, uint64_t offset, uint64_t length,
                  uint64_t *first, uint64_t *end);

/* A snapshot lost its claims or its end: see who is not needed now. */
void snap_storage_reap(SnapStorage *storage);

/* After @snap changed so that others may need it, or it others, no more. */
void snap_settled(Snap *snap);

#endif
