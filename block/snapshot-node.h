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
#include "target-models/snapshot/map-file.h"

#define SNAP_MAX_COPY      (1 * MiB)    /* bytes in one claim */
#define SNAP_MAX_BUFFERED  (64 * MiB)   /* being copied for writes */
#define SNAP_WORKERS       2            /* in the background, each node */

/* The map file of a node; under its disk's lock but for head and layout. */
typedef struct SnapNodeMap {
    SnapMapHead head;
    SnapMapLayout layout;
    SnapMapState state;
    SnapJournal *journal;
    CoQueue written;            /* who waits for a write of the journal */
    CoQueue room;               /* who waits for a checkpoint */
    CoMutex state_lock;         /* one writes the state at a time */
    bool writing;
    bool turned;                /* a checkpoint waits for its epoch */
    int error;                  /* -errno of a write that failed */
} SnapNodeMap;

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
    uint64_t on_demand;         /* bytes */
    bool told_end;              /* the event was sent */
    bool needs_flush;           /* copied since the last flush */
    SnapPace pace;
    unsigned workers;
    bool runs;                  /* the background may */
    /* options */
    uint32_t block;
    bool hold;
    bool background;
    bool power_safe;
    uint64_t max_wait_ns;       /* 0: no bound */
    GArray *first;              /* of SnapExtent: the initial portion */
    /* atomic */
    int tasks;
    QEMUTimer *timer;           /* wakes the background; main loop */
    bool alone;                 /* nobody else may write to the disk */
    bool expects_newer;         /* resumed; the one that shares with it not */
    bool inserted;              /* by sunder_snapshot_insert() */
    bool cancelled;
} SnapNode;

/* A claim at work; on the heap, or in a reader's frame. */
typedef struct SnapTask {
    SnapClaim claim;
    CoQueue waiters;
    SnapNode *node;
    uint64_t buffered;
    bool is_zero;
    bool has_ticket;            /* in the map file's journal */
    uint64_t ticket;
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

/* Bytes of a block of a disk of @length bytes, unless the user says. */
uint32_t snap_node_default_block(uint64_t length);

/* Tells the engine of the initial portion. */
bool snap_node_prefer(SnapNode *node, Error **errp);

/* --- snapshot-life.c ------------------------------------------------------ */

/* A store kept for reading; the child is not known yet when its role is. */
#define SNAP_KEPT_ROLE      (BDRV_CHILD_DATA | BDRV_CHILD_METADATA)

/*
 * Opens the children, checks them, joins the disk.  @resumed: what a map
 * file said was copied, or NULL.
 */
bool snap_node_prepare(SnapNode *node, QDict *options, bool *start,
                       CopyMap **resumed, Error **errp);

/* The snapshot joins the chain; takes @resumed. */
bool GRAPH_RDLOCK snap_node_begin(SnapNode *node, CopyMap *resumed,
                                  Error **errp);

/* Begins or resumes, and copies the initial portion. */
bool snap_node_start_now(SnapNode *node, CopyMap *resumed, Error **errp);

/* Ends it; @reason NULL: its map file may be resumed. */
void snap_node_cancel(SnapNode *node, const char *reason);

/* Returns: the node of the newest snapshot, or NULL. */
SnapNode *snap_node_newest(SnapDisk *disk);

/* The older one's map needs no newer one any more. */
void snap_node_unlink_older(SnapNode *node);
void snap_node_leave_disk(SnapNode *node);

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

/* Returns: the child that holds what @source has; NULL: the disk. */
BdrvChild * GRAPH_RDLOCK snap_node_source(SnapNode *node, Snap *source);

/*
 * Gives the snapshot up and tells; the map file says so before anybody may
 * write.  Without the lock.  Takes @reason.
 */
void coroutine_fn GRAPH_RDLOCK snap_node_break(SnapNode *node, char *reason);

/* What was copied is on its medium when this returns, or broken. */
void coroutine_fn GRAPH_RDLOCK snap_node_flush(SnapNode *node);

/* --- snapshot-qmp.c ------------------------------------------------------- */

/* Sends the events that are due; without the lock. */
void snap_node_tell(SnapNode *node);

/* --- snapshot-background.c ---------------------------------------------- */

void snap_background_init(SnapNode *node);
void snap_background_kick(SnapNode *node);
void snap_background_stop(SnapNode *node);

/* --- snapshot-view.c ------------------------------------------------------ */

/* Reads what the snapshot holds.  Returns: 0 or -errno. */
int coroutine_fn GRAPH_RDLOCK
snap_node_read(SnapNode *node, int64_t offset, int64_t bytes,
               QEMUIOVector *qiov, size_t qiov_offset);

/* --- snapshot-map.c ------------------------------------------------------- */

/*
 * Makes the map file, or reads the one there is: then *@resumed is what was
 * copied.  Main thread, as all here that is no coroutine.
 */
bool GRAPH_RDLOCK snap_node_map_open(SnapNode *node, CopyMap **resumed,
                                     Error **errp);

/* The older snapshot that shares its copies with @node's, or NULL. */
bool GRAPH_RDLOCK snap_map_write_newer(SnapNode *older, SnapNode *newer,
                                       Error **errp);

/* @cancelled: NULL, or why it is not to be resumed. */
void snap_node_map_close(SnapNode *node, const char *cancelled);
void snap_node_map_free(SnapNode *node);
void snap_map_set_reason(SnapNode *node, const char *reason);

/* The fingerprint: taken after the start, compared after a resume. */
int coroutine_fn GRAPH_RDLOCK snap_map_save_prints(SnapNode *node);
/* Returns: 0, 1 with *@where set when it is another's, or -errno. */
int coroutine_fn GRAPH_RDLOCK snap_map_check_prints(SnapNode *node,
                                                    uint64_t *where);

/* --- snapshot-journal.c --------------------------------------------------- */

/* Puts a record of the claim into the file.  Returns: 0 or -errno. */
int coroutine_fn GRAPH_RDLOCK snap_map_record(SnapTask *task, uint64_t sum);

/* The claim has ended; with the lock. */
void snap_map_settle(SnapTask *task);
int coroutine_fn GRAPH_RDLOCK snap_map_write_state(SnapNode *node);

/* Makes a checkpoint if it is time. */
void coroutine_fn GRAPH_RDLOCK snap_map_checkpoint(SnapNode *node);

#endif
