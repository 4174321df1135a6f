/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Live snapshots of disks: the block driver "sunder-snapshot" in C
 *
 * The driver is a filter; its node stands over the disk and has a store (and
 * a map file) of its own.  Opened with start=on, the default, its snapshot's
 * instant is when it is opened.  With start=off everything is prepared and
 * nothing is copied until sunder_snapshot_start(): so that the instants of
 * several disks, and of memory, are one.
 *
 * All functions are called in the main thread with the big lock.
 */
#ifndef SUNDER_BLOCK_SUNDER_SNAPSHOT_H
#define SUNDER_BLOCK_SUNDER_SNAPSHOT_H

#include "block/block-common.h"
#include "target-models/snapshot/snapshot.h"

typedef struct SunderSnapshotInfo {
    bool started;
    SnapState state;            /* if it started */
    uint64_t length;            /* bytes of the disk at the instant */
    uint64_t copied;            /* bytes */
    uint64_t on_demand;         /* bytes of these, because of writes */
    uint64_t rate;              /* bytes a second; 0: no limit */
    uint32_t block;             /* bytes */
    bool persistent;            /* the map is in a file */
    bool cancelled;             /* it was given up */
    const char *reason;         /* it is broken; lives as long as the node */
} SunderSnapshotInfo;

/* Returns: whether @bs is a node of this driver. */
bool sunder_snapshot_is_node(BlockDriverState *bs);

/*
 * sunder_snapshot_insert:
 * @bs: opened with start=off over a disk
 *
 * Puts the node between the disk and all who use it.
 *
 * Returns: true, or false with @errp set.
 */
bool sunder_snapshot_insert(BlockDriverState *bs, Error **errp);

/* Takes it out again if it was put there and nobody reads the snapshot. */
void sunder_snapshot_remove(BlockDriverState *bs);

/*
 * sunder_snapshot_start:
 * @bs: opened with start=off, in the path, drained
 *
 * This is the instant.  Takes microseconds: no I/O.
 *
 * Returns: true, or false with @errp set.
 */
bool sunder_snapshot_start(BlockDriverState *bs, Error **errp);

/* Lets the background copy; call it after the last of several starts. */
void sunder_snapshot_run(BlockDriverState *bs);

/* Gives the snapshot up; the node stays and passes everything on. */
void sunder_snapshot_cancel(BlockDriverState *bs);

void sunder_snapshot_set_rate(BlockDriverState *bs, uint64_t rate);

void sunder_snapshot_info(BlockDriverState *bs, SunderSnapshotInfo *info);

#endif
