/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Live snapshots of disks: the block driver "sunder-snapshot". */
#include "snapshot-node.h"
#include "qapi/error.h"
#include "qemu/cutils.h"


static BlockDriver bdrv_sunder_snapshot;

/* What QEMU allocates and frees with the block node. */
typedef struct SnapHolder {
    SnapNode *node;
} SnapHolder;

SnapNode *snap_node_of(BlockDriverState *bs)
{
    SnapHolder *holder = bs->opaque;

    return holder->node;
}

bool sunder_snapshot_is_node(BlockDriverState *bs)
{
    return bs->drv == &bdrv_sunder_snapshot;
}

void snap_node_free(SnapNode *node)
{
    if (node->first) {
        g_array_unref(node->first);
    }
    g_free(node->reason);
    g_free(node);
}

/* --- Opening and closing ------------------------------------------------- */

static void set_limits(BlockDriverState *bs)
{
    GRAPH_RDLOCK_GUARD_MAINLOOP();
    bs->total_sectors = bs->file->bs->total_sectors;
    /* without FUA: the block layer flushes instead, and we order that */
    bs->supported_write_flags = BDRV_REQ_WRITE_UNCHANGED;
    bs->supported_zero_flags = BDRV_REQ_WRITE_UNCHANGED |
        ((BDRV_REQ_MAY_UNMAP | BDRV_REQ_NO_FALLBACK) &
         bs->file->bs->supported_zero_flags);
}

static void snapshot_close(BlockDriverState *bs)
{
    SnapNode *node = snap_node_of(bs);
    bool was_newest = node->snap && snap_node_newest(node->disk) == node;

    snap_background_stop(node);
    snap_node_cancel(node, NULL);
    if (was_newest && !node->snap) {
        snap_node_unlink_older(node);
    }
    snap_node_leave_disk(node);
    snap_node_map_free(node);
    node->bs = NULL;
    node->store = node->map_file = NULL;
    if (!node->snap) {
        snap_node_free(node);
    }
}

static int snapshot_open(BlockDriverState *bs, QDict *options, int flags,
                         Error **errp)
{
    ERRP_GUARD();
    SnapHolder *holder = bs->opaque;
    SnapNode *node = g_new0(SnapNode, 1);
    CopyMap *resumed = NULL;
    bool start;

    holder->node = node;
    node->bs = bs;
    node->alone = true;
    if (!snap_node_prepare(node, options, &start, &resumed, errp)) {
        copy_map_free(resumed);
        snap_node_map_free(node);
        snap_node_leave_disk(node);
        snap_node_free(node);
        holder->node = NULL;
        return -EINVAL;
    }
    snap_background_init(node);
    set_limits(bs);
    node->alone = start;
    if (start && !snap_node_start_now(node, resumed, errp)) {
        if (node->map) {
            node->map->error = -EIO;    /* it is not closed clean */
        }
        snapshot_close(bs);
        return -EINVAL;
    }
    return 0;
}

/* --- Requests ----------------------------------------------------------- */

static int coroutine_fn GRAPH_RDLOCK
snapshot_co_preadv_part(BlockDriverState *bs, int64_t offset, int64_t bytes,
                        QEMUIOVector *qiov, size_t qiov_offset,
                        BdrvRequestFlags flags)
{
    return bdrv_co_preadv_part(bs->file, offset, bytes, qiov, qiov_offset,
                               flags);
}

static int coroutine_fn GRAPH_RDLOCK
before_write(BlockDriverState *bs, int64_t offset, int64_t bytes,
             BdrvRequestFlags flags)
{
    if (flags & BDRV_REQ_WRITE_UNCHANGED) {
        return 0;
    }
    return snap_node_before_write(snap_node_of(bs), offset, bytes);
}

static int coroutine_fn GRAPH_RDLOCK
snapshot_co_pwritev_part(BlockDriverState *bs, int64_t offset, int64_t bytes,
                         QEMUIOVector *qiov, size_t qiov_offset,
                         BdrvRequestFlags flags)
{
    int ret = before_write(bs, offset, bytes, flags);

    return ret < 0 ? ret : bdrv_co_pwritev_part(bs->file, offset, bytes, qiov,
                                                qiov_offset, flags);
}

static int coroutine_fn GRAPH_RDLOCK
snapshot_co_pwrite_zeroes(BlockDriverState *bs, int64_t offset, int64_t bytes,
                          BdrvRequestFlags flags)
{
    int ret = before_write(bs, offset, bytes, flags);

    return ret < 0 ? ret : bdrv_co_pwrite_zeroes(bs->file, offset, bytes,
                                                 flags);
}

static int coroutine_fn GRAPH_RDLOCK
snapshot_co_pdiscard(BlockDriverState *bs, int64_t offset, int64_t bytes)
{
    int ret = before_write(bs, offset, bytes, 0);

    return ret < 0 ? ret : bdrv_co_pdiscard(bs->file, offset, bytes);
}

/* What a shrinking disk loses is old content, too. */
static int coroutine_fn GRAPH_RDLOCK
snapshot_co_truncate(BlockDriverState *bs, int64_t offset, bool exact,
                     PreallocMode prealloc, BdrvRequestFlags flags,
                     Error **errp)
{
    int64_t length = bdrv_co_getlength(bs->file->bs);
    int ret;

    if (length > offset) {
        ret = before_write(bs, offset, length - offset, 0);
        if (ret < 0) {
            error_setg_errno(errp, -ret, "cannot keep what goes");
            return ret;
        }
    }
    return bdrv_co_truncate(bs->file, offset, exact, prealloc, flags, errp);
}

static int64_t coroutine_fn GRAPH_RDLOCK
snapshot_co_getlength(BlockDriverState *bs)
{
    return bdrv_co_getlength(bs->file->bs);
}

static int coroutine_fn GRAPH_RDLOCK snapshot_co_flush(BlockDriverState *bs)
{
    snap_node_flush(snap_node_of(bs));
    return bdrv_co_flush(bs->file->bs);
}

/* --- The graph ---------------------------------------------------------- */

static void GRAPH_RDLOCK
snapshot_child_perm(BlockDriverState *bs, BdrvChild *c, BdrvChildRole role,
                    BlockReopenQueue *queue, uint64_t perm, uint64_t shared,
                    uint64_t *nperm, uint64_t *nshared)
{
    SnapNode *node = snap_node_of(bs);

    if (role & BDRV_CHILD_FILTERED) {
        bdrv_default_perms(bs, c, role, queue, perm, shared, nperm, nshared);
        *nperm |= BLK_PERM_CONSISTENT_READ;
        if (node->alone || !QLIST_EMPTY(&bs->parents)) {
            *nshared &= ~(BLK_PERM_WRITE | BLK_PERM_RESIZE);
        }
    } else if ((role & SNAP_KEPT_ROLE) == SNAP_KEPT_ROLE) {
        *nperm = BLK_PERM_CONSISTENT_READ;
        *nshared = BLK_PERM_ALL;
    } else {
        *nperm = BLK_PERM_CONSISTENT_READ | BLK_PERM_WRITE;
        *nperm |= role & BDRV_CHILD_METADATA ? BLK_PERM_RESIZE : 0;
        *nshared = BLK_PERM_CONSISTENT_READ | BLK_PERM_WRITE_UNCHANGED;
    }
}

static void GRAPH_RDLOCK snapshot_refresh_filename(BlockDriverState *bs)
{
    pstrcpy(bs->exact_filename, sizeof(bs->exact_filename),
            bs->file->bs->filename);
}

/* Comes while the node is being opened, too. */
static void snapshot_drain_end(BlockDriverState *bs)
{
    SnapNode *node = snap_node_of(bs);

    if (node && node->disk) {
        snap_background_kick(node);
    }
}

static BlockDriver bdrv_sunder_snapshot = {
    .format_name            = "sunder-snapshot",
    .instance_size          = sizeof(SnapHolder),
    .is_filter              = true,
    .bdrv_open              = snapshot_open,
    .bdrv_close             = snapshot_close,
    .bdrv_co_preadv_part    = snapshot_co_preadv_part,
    .bdrv_co_pwritev_part   = snapshot_co_pwritev_part,
    .bdrv_co_pwrite_zeroes  = snapshot_co_pwrite_zeroes,
    .bdrv_co_pdiscard       = snapshot_co_pdiscard,
    .bdrv_co_truncate       = snapshot_co_truncate,
    .bdrv_co_getlength      = snapshot_co_getlength,
    .bdrv_co_flush          = snapshot_co_flush,
    .bdrv_child_perm        = snapshot_child_perm,
    .bdrv_refresh_filename  = snapshot_refresh_filename,
    .bdrv_drain_end         = snapshot_drain_end,
};

static void snapshot_init(void)
{
    bdrv_register(&bdrv_sunder_snapshot);
}

block_init(snapshot_init);

/* --- For the rest of the emulator --------------------------------------- */

bool sunder_snapshot_insert(BlockDriverState *bs, Error **errp)
{
    SnapNode *node = snap_node_of(bs);

    node->inserted = bdrv_replace_node(bs->file->bs, bs, errp) == 0;
    return node->inserted;
}

static bool GRAPH_RDLOCK has_reader(BlockDriverState *bs)
{
    BdrvChild *c;

    QLIST_FOREACH(c, &bs->parents, next_parent) {
        if (c->role & BDRV_CHILD_DATA && !(c->role & BDRV_CHILD_FILTERED) &&
            c->perm == 0) {
            return true;
        }
    }
    return false;
}

void sunder_snapshot_remove(BlockDriverState *bs)
{
    SnapNode *node = snap_node_of(bs);
    bool read;

    bdrv_graph_rdlock_main_loop();
    read = has_reader(bs);
    bdrv_graph_rdunlock_main_loop();
    if (node->inserted && !read) {
        bdrv_drain_all_begin();
        node->inserted = bdrv_replace_node(bs, bs->file->bs, NULL) < 0;
        bdrv_drain_all_end();
    }
}

bool sunder_snapshot_start(BlockDriverState *bs, Error **errp)
{
    SnapNode *node = snap_node_of(bs);

    GRAPH_RDLOCK_GUARD_MAINLOOP();
    if (node->snap) {
        error_setg(errp, "the snapshot of node \"%s\" has started already",
                   bdrv_get_device_or_node_name(bs));
        return false;
    }
    return snap_node_begin(node, NULL, errp);
}

/* After a start that could not wait for it. */
static void coroutine_fn save_prints_entry(void *opaque)
{
    SnapNode *node = opaque;

    WITH_GRAPH_RDLOCK_GUARD() {
        if (snap_map_save_prints(node) < 0) {
            snap_node_break(node, g_strdup("map: cannot take the "
                                           "fingerprint of the disk"));
        }
    }
    qatomic_dec(&node->tasks);
    bdrv_dec_in_flight(node->bs);
}

void sunder_snapshot_run(BlockDriverState *bs)
{
    SnapNode *node = snap_node_of(bs);

    WITH_QEMU_LOCK_GUARD(&node->disk->lock) {
        node->runs = true;
    }
    if (node->map && node->map->head.n_prints == 0 && node->snap) {
        bdrv_inc_in_flight(bs);
        qatomic_inc(&node->tasks);
        aio_co_enter(bdrv_get_aio_context(bs),
                     qemu_coroutine_create(save_prints_entry, node));
    }
    snap_background_kick(node);
}

void sunder_snapshot_cancel(BlockDriverState *bs)
{
    SnapNode *node = snap_node_of(bs);

    snap_node_cancel(node, "it was cancelled");
    node->cancelled = true;
    node->alone = false;
}

void sunder_snapshot_set_rate(BlockDriverState *bs, uint64_t rate)
{
    SnapNode *node = snap_node_of(bs);

    WITH_QEMU_LOCK_GUARD(&node->disk->lock) {
        node->pace.rate = rate;
        node->pace.free_ns = 0;
    }
    snap_background_kick(node);
}

void sunder_snapshot_info(BlockDriverState *bs, SunderSnapshotInfo *info)
{
    SnapNode *node = snap_node_of(bs);

    QEMU_LOCK_GUARD(&node->disk->lock);
    *info = (SunderSnapshotInfo) {
        .started = node->snap,
        .on_demand = node->on_demand,
        .rate = node->pace.rate,
        .reason = node->reason,
        .block = node->block,
        .persistent = node->map_file,
        .cancelled = node->cancelled,
    };
    if (node->snap) {
        info->state = snap_state(node->snap);
        info->length = copy_map_length(snap_map(node->snap));
        info->copied = info->length - copy_map_left(snap_map(node->snap));
    }
}
