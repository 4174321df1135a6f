/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Live snapshots of disks: the block driver "sunder-snapshot-access".
 *
 * A read-only node that shows what the disk was at the instant of the
 * snapshot of its file, which is a "sunder-snapshot" node.
 */
#include "snapshot-node.h"
#include "qapi/error.h"
#include "qemu/cutils.h"

static int view_open(BlockDriverState *bs, QDict *options, int flags,
                     Error **errp)
{
    SunderSnapshotInfo info;

    bdrv_open_child(NULL, options, "file", bs, &child_of_bds,
                    BDRV_CHILD_DATA | BDRV_CHILD_PRIMARY, false, errp);
    GRAPH_RDLOCK_GUARD_MAINLOOP();
    if (!bs->file) {
        return -EINVAL;
    }
    if (!sunder_snapshot_is_node(bs->file->bs)) {
        error_setg(errp, "file: node \"%s\" has no snapshot (driver %s); "
                   "expected a node of the driver sunder-snapshot",
                   bdrv_get_device_or_node_name(bs->file->bs),
                   bs->file->bs->drv->format_name);
        return -EINVAL;
    }
    sunder_snapshot_info(bs->file->bs, &info);
    if (!info.started) {
        error_setg(errp, "file: the snapshot of node \"%s\" has not started",
                   bdrv_get_device_or_node_name(bs->file->bs));
        return -EINVAL;
    }
    bs->total_sectors = DIV_ROUND_UP(info.length, BDRV_SECTOR_SIZE);
    return bdrv_apply_auto_read_only(bs, "a snapshot cannot be written to: "
                                     "give read-only=on",
                                     errp);
}

/* Begins a claim on the next part; or -errno. */
static int begin_read(SnapNode *node, int64_t offset, int64_t bytes,
                      SnapTask *task)
{
    snap_task_init(task);
    task->node = node;
    QEMU_LOCK_GUARD(&node->disk->lock);
    if (!node->snap || node->expects_newer ||
        !snap_read(node->snap, offset, bytes, &task->claim)) {
        return -EACCES;
    }
    return 0;
}

/* Ends it; what was read while it lost its ground is nothing. */
static int coroutine_fn end_read(SnapTask *task, int ret)
{
    bool is_void;

    WITH_QEMU_LOCK_GUARD(&task->node->disk->lock) {
        is_void = task->claim.is_void;
        snap_claim_end(&task->claim, false);
    }
    return is_void ? -EACCES : ret;
}

int coroutine_fn snap_node_read(SnapNode *node, int64_t offset, int64_t bytes,
                                QEMUIOVector *qiov, size_t qiov_offset)
{
    while (bytes > 0) {
        SnapTask task;
        uint64_t length;
        int ret = begin_read(node, offset, bytes, &task);

        if (ret < 0) {
            return ret;
        }
        length = task.claim.length;
        ret = bdrv_co_preadv_part(snap_node_source(node, task.claim.source),
                                  offset, length, qiov, qiov_offset, 0);
        ret = end_read(&task, ret);
        if (ret < 0) {
            return ret;
        }
        offset += length;
        qiov_offset += length;
        bytes -= length;
    }
    return 0;
}

static int coroutine_fn GRAPH_RDLOCK
view_co_preadv_part(BlockDriverState *bs, int64_t offset, int64_t bytes,
                    QEMUIOVector *qiov, size_t qiov_offset,
                    BdrvRequestFlags flags)
{
    uint64_t end = bs->total_sectors * BDRV_SECTOR_SIZE;

    return snap_node_read(snap_node_of(bs->file->bs), offset,
                          MIN(bytes, end - offset), qiov, qiov_offset);
}

static int coroutine_fn GRAPH_RDLOCK
view_co_block_status(BlockDriverState *bs, bool want_zero, int64_t offset,
                     int64_t bytes, int64_t *pnum, int64_t *map,
                     BlockDriverState **file)
{
    SnapNode *node = snap_node_of(bs->file->bs);
    BdrvChild *child;
    SnapTask task;
    int ret = begin_read(node, offset, bytes, &task);

    if (ret < 0) {
        return ret;
    }
    child = snap_node_source(node, task.claim.source);
    ret = bdrv_co_block_status_above(child->bs, NULL, offset,
                                     task.claim.length, pnum, NULL, NULL);
    ret = end_read(&task, ret);
    if (ret < 0) {
        return ret;
    }
    /* what is not there at the end of a short store reads as zero */
    *pnum = MAX(*pnum, 1);
    return ret & BDRV_BLOCK_ZERO ? BDRV_BLOCK_ZERO | BDRV_BLOCK_ALLOCATED
                                 : BDRV_BLOCK_DATA | BDRV_BLOCK_ALLOCATED;
}

static void GRAPH_RDLOCK
view_child_perm(BlockDriverState *bs, BdrvChild *c, BdrvChildRole role,
                BlockReopenQueue *queue, uint64_t perm, uint64_t shared,
                uint64_t *nperm, uint64_t *nshared)
{
    *nperm = 0;
    *nshared = BLK_PERM_ALL;
}

static void GRAPH_RDLOCK view_refresh_filename(BlockDriverState *bs)
{
    pstrcpy(bs->exact_filename, sizeof(bs->exact_filename),
            bs->file->bs->filename);
}

static BlockDriver bdrv_sunder_snapshot_access = {
    .format_name            = "sunder-snapshot-access",
    .bdrv_open              = view_open,
    .bdrv_co_preadv_part    = view_co_preadv_part,
    .bdrv_co_block_status   = view_co_block_status,
    .bdrv_refresh_filename  = view_refresh_filename,
    .bdrv_child_perm        = view_child_perm,
};

static void view_init(void)
{
    bdrv_register(&bdrv_sunder_snapshot_access);
}

block_init(view_init);
