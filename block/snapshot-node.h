/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Live snapshots of disks: what the files of the driver share.
 *
 * A SnapDisk is one disk with its chain of snapshots; a SnapNode is one node
 * of the driver with one of them.  A node whose file is such a node shares
 * its disk.  SnapDisk.lock is held for the engine and for a moment; what may
 * wake a coroutine runs in one.
 */
#ifndef SUNDER_BLOCK_SNAPSHOT_NODE_H
#define SUNDER_BLOCK_SNAPSHOT_NODE_H

#include "qemu/osdep.h"
#include "qemu/coroutine.h"
#include "qemu/lockable.h"
#include "qemu/thread.h"
#include "qemu/timer.h"
#include "qemu/memalign.h"
#include "qemu/units.h"
#include "block/block-io.h"
#include "block/block-global-state.h"
#include "block/block_int.h"
#include "block/aio-wait.h"
#include "sunder-snapshot.h"

#define SNAP_MAX_COPY      (1 * MiB)    /* bytes in one claim */
#define SNAP_MAX_BUFFERED  (64 * MiB)   /* being copied for writes */
#define SNAP_WORKERS       2            /* in the background, each node */

typedef struct SnapNodeMap SnapNodeMap;

typedef struct SnapExtent {
    uint64_t offset, length;    /* bytes */
} SnapExtent;

typedef struct SnapDisk {
    unsigned refs;              /* nodes; main thread */
    BlockDriverState *bottom;   /* the node over the disk itself */
    QemuMutex lock;
    SnapStorage *storage;
    uint64_t buffered;          /* bytes being copied for writes */
    CoQueue room;               /* who waits until that is less */
} SnapDisk;

/*
 * Outlives its block node while older snapshots share what its store has.
 */
typedef struct SnapNode {
    BlockDriverState *bs;       /* NULL: closed */
    SnapDisk *disk;
    BdrvChild *store;           /* of the node */
    BdrvChild *kept;            /* the same, of the bottom node */
    BdrvChild *map_file;        /* NULL: the map is in memory only */
    SnapNodeMap *map;
    /* under the disk's lock */
    Snap *snap;                 /* NULL: not started, or gone */
    char *reason;               /* why it broke */
    uint64_t copied, on_demand; /* bytes */
    bool told_end;              /* the event was sent */
    bool needs_flush;           /* copied since the last flush */
    SnapPace pace;
    unsigned workers;
    bool runs;                  /* the background may */
    /* options */
    uint32_t block;
    bool hold;
    bool background;
    uint64_t max_wait_ns;       /* 0: no bound */
    GArray *first;              /* of SnapExtent: the initial portion */
    /* atomic */
    int tasks;
    QEMUTimer *timer;           /* wakes the background; main loop */
    bool alone;                 /* nobody else may write to the disk */
} SnapNode;

/* A claim at work; on the heap, or in a reader's frame. */
typedef struct SnapTask {
    SnapClaim claim;
    CoQueue waiters;
    SnapNode *node;
    uint64_t buffered;
    bool is_zero;
} SnapTask;

/* Returns: the node of @bs, whose driver is sunder-snapshot. */
SnapNode *snap_node_of(BlockDriverState *bs);

/* Frees a node that was closed, when its snapshot is released. */
void snap_node_free(SnapNode *node);

/* --- snapshot-options.c -------------------------------------------------- */

bool snap_node_parse(SnapNode *node, QDict *options, bool *start,
                     Error **errp);

/* Refuses children that cannot serve. */
bool GRAPH_RDLOCK snap_node_check(SnapNode *node, Error **errp);

/* Tells the engine of the initial portion. */
bool snap_node_prefer(SnapNode *node, Error **errp);

/* --- snapshot-copy.c ---------------------------------------------------- */

extern const SnapOperations snap_node_operations;

/* Waits until [@offset, @offset + @bytes) may be written. */
int coroutine_fn GRAPH_RDLOCK
snap_node_before_write(SnapNode *node, int64_t offset, int64_t bytes);

/* Whether the node may begin to copy, or is in a drained section. */
static inline bool snap_node_is_quiet(const SnapNode *node)
{
    return qatomic_read(&node->bs->quiesce_counter) > 0;
}

/* Copies what the claim says, ends it, and tells who wants to know. */
void coroutine_fn GRAPH_RDLOCK snap_task_run(SnapTask *task);
void snap_task_init(SnapTask *task);

/* Ends the claim; called without the lock. */
void coroutine_fn snap_task_end(SnapTask *task, bool copied);

/* Returns: the child that holds what @source has; NULL: the disk. */
BdrvChild * GRAPH_RDLOCK snap_node_source(SnapNode *node, Snap *source);

/* Breaks the snapshot, with the lock; tells without. */
void coroutine_fn snap_node_break_locked(SnapNode *node, char *reason);

/* What was copied is on its medium when this returns, or broken. */
void coroutine_fn GRAPH_RDLOCK snap_node_flush(SnapNode *node);

/* --- snapshot-events.c ---------------------------------------------------- */

/* Sends the events that are due; without the lock. */
void snap_node_tell(SnapNode *node);

/* --- snapshot-background.c ---------------------------------------------- */

void snap_background_init(SnapNode *node);
void snap_background_kick(SnapNode *node);
void snap_background_stop(SnapNode *node);

/* --- snapshot-map.c ------------------------------------------------------ */

bool snap_node_map_open(SnapNode *node, CopyMap **resumed, Error **errp);
void snap_node_map_close(SnapNode *node);

#endif
