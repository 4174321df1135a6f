/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Live snapshots of disks: the block driver "sunder-snapshot". */
#include "snapshot-node.h"
#include "qapi/error.h"
#include "qemu/cutils.h"

#define DEFAULT_BLOCK   (4 * KiB)
/* A store kept for reading; the child is not known yet when its role is. */
#define KEPT_ROLE       (BDRV_CHILD_DATA | BDRV_CHILD_METADATA)
/* The map may take this much before blocks become larger. */
#define MAX_MAP_BYTES   (32 * MiB)

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

/* --- A disk and its chain ----------------------------------------------- */

static uint32_t default_block(uint64_t length)
{
    uint32_t block = DEFAULT_BLOCK;

    while (length / block / 8 > MAX_MAP_BYTES && block < 1 * MiB) {
        block *= 2;
    }
    return block;
}

static SnapDisk *new_disk(SnapNode *node, uint64_t length)
{
    SnapDisk *disk = g_new0(SnapDisk, 1);

    if (!node->block) {
        node->block = default_block(length);
    }
    disk->refs = 1;
    disk->bottom = node->bs;
    qemu_mutex_init(&disk->lock);
    qemu_co_queue_init(&disk->room);
    disk->storage = snap_storage_new(node->block, &snap_node_operations,
                                     disk);
    return disk;
}

static bool GRAPH_RDLOCK join_disk(SnapNode *node, SnapDisk *disk,
                                   Error **errp)
{
    uint32_t block = snap_storage_block(disk->storage);

    if (node->block && node->block != block) {
        error_setg(errp, "block-size: %u; the snapshots of node \"%s\" have "
                   "%u, and share their copies", node->block,
                   bdrv_get_device_or_node_name(node->bs->file->bs), block);
        return false;
    }
    node->block = block;
    node->disk = disk;
    disk->refs++;
    return true;
}

static bool GRAPH_RDLOCK find_disk(SnapNode *node, Error **errp)
{
    BlockDriverState *below = node->bs->file->bs;
    int64_t length = bdrv_getlength(below);

    if (sunder_snapshot_is_node(below)) {
        return join_disk(node, snap_node_of(below)->disk, errp);
    }
    node->disk = new_disk(node, length);
    return true;
}

static void leave_disk(SnapNode *node)
{
    SnapDisk *disk = node->disk;

    if (disk && --disk->refs == 0) {
        snap_storage_free(disk->storage);
        qemu_mutex_destroy(&disk->lock);
        g_free(disk);
    }
}

/* The bottom node has the store, too: it stays while somebody needs it. */
static int keep_store(SnapNode *node, Error **errp)
{
    BlockDriverState *bottom = node->disk->bottom;
    BlockDriverState *store = node->store->bs;

    if (bottom == node->bs) {
        return 0;
    }
    bdrv_ref(store);
    bdrv_drain_all_begin();
    bdrv_graph_wrlock();
    node->kept = bdrv_attach_child(bottom, store, "kept-store",
                                   &child_of_bds, KEPT_ROLE, errp);
    bdrv_graph_wrunlock();
    bdrv_drain_all_end();
    return node->kept ? 0 : -EPERM;
}

/* --- Opening and closing ------------------------------------------------ */

static bool open_children(SnapNode *node, QDict *options, Error **errp)
{
    BlockDriverState *bs = node->bs;

    if (bdrv_open_file_child(NULL, options, "file", bs, errp) < 0) {
        return false;
    }
    node->store = bdrv_open_child(NULL, options, "store", bs, &child_of_bds,
                                  BDRV_CHILD_DATA, false, errp);
    if (!node->store) {
        error_prepend(errp, "store: ");
        return false;
    }
    node->map_file = bdrv_open_child(NULL, options, "map", bs, &child_of_bds,
                                     BDRV_CHILD_METADATA, true, errp);
    return node->map_file || !*errp;
}

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

static bool begin(SnapNode *node, Error **errp)
{
    int64_t length = bdrv_getlength(node->bs->file->bs);

    QEMU_LOCK_GUARD(&node->disk->lock);
    node->snap = snap_begin(node->disk->storage, length, node);
    if (!node->snap) {
        error_setg(errp, "no memory for the map of %" PRId64 " bytes, or "
                   "more than %d snapshots of one disk", length,
                   SNAP_MAX_SNAPSHOTS);
        return false;
    }
    return snap_node_prefer(node, errp);
}

static bool initial_portion_left(SnapNode *node)
{
    QEMU_LOCK_GUARD(&node->disk->lock);
    return node->snap && snap_state(node->snap) == SNAP_COPYING &&
           !snap_priority_done(node->snap, SNAP_PRIORITY_FIRST);
}

static bool start_now(SnapNode *node, Error **errp)
{
    BlockDriverState *bs = node->bs;

    bool ok;

    bdrv_graph_rdlock_main_loop();
    ok = begin(node, errp);
    bdrv_graph_rdunlock_main_loop();
    if (!ok) {
        return false;
    }
    sunder_snapshot_run(bs);
    BDRV_POLL_WHILE(bs, initial_portion_left(node));
    return true;
}

static bool prepare(SnapNode *node, QDict *options, bool *start, Error **errp)
{
    bool ok;

    if (!snap_node_parse(node, options, start, errp) ||
        !open_children(node, options, errp)) {
        return false;
    }
    if (!(node->bs->open_flags & BDRV_O_RDWR)) {
        error_setg(errp, "the node is opened read-only; a snapshot is "
                   "written to its store: give read-only=off");
        return false;
    }
    bdrv_graph_rdlock_main_loop();
    ok = snap_node_check(node, errp) && find_disk(node, errp);
    bdrv_graph_rdunlock_main_loop();
    return ok && keep_store(node, errp) == 0;
}

static void coroutine_fn cancel_entry(void *opaque)
{
    SnapNode *node = opaque;

    QEMU_LOCK_GUARD(&node->disk->lock);
    if (node->snap) {
        snap_cancel(node->snap);
    }
}

/* What wakes coroutines has to run in one; it does not yield. */
static void cancel(SnapNode *node)
{
    BlockDriverState *bottom = node->disk->bottom;

    bdrv_drained_begin(bottom);
    qemu_coroutine_enter(qemu_coroutine_create(cancel_entry, node));
    bdrv_drained_end(bottom);
}

static void snapshot_close(BlockDriverState *bs)
{
    SnapNode *node = snap_node_of(bs);

    snap_background_stop(node);
    cancel(node);
    AIO_WAIT_WHILE_UNLOCKED(NULL, qatomic_read(&node->tasks) > 0);
    leave_disk(node);
    node->bs = NULL;
    node->store = NULL;
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
    bool start;

    holder->node = node;
    node->bs = bs;
    node->alone = true;
    if (!prepare(node, options, &start, errp)) {
        leave_disk(node);
        snap_node_free(node);
        holder->node = NULL;
        return -EINVAL;
    }
    snap_background_init(node);
    set_limits(bs);
    node->alone = start;
    if (start && !start_now(node, errp)) {
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
    } else if ((role & KEPT_ROLE) == KEPT_ROLE) {
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

bool sunder_snapshot_start(BlockDriverState *bs, Error **errp)
{
    SnapNode *node = snap_node_of(bs);

    GRAPH_RDLOCK_GUARD_MAINLOOP();
    if (node->snap) {
        error_setg(errp, "the snapshot of node \"%s\" has started already",
                   bdrv_get_device_or_node_name(bs));
        return false;
    }
    return begin(node, errp);
}

void sunder_snapshot_run(BlockDriverState *bs)
{
    SnapNode *node = snap_node_of(bs);

    WITH_QEMU_LOCK_GUARD(&node->disk->lock) {
        node->runs = true;
    }
    snap_background_kick(node);
}

void sunder_snapshot_cancel(BlockDriverState *bs)
{
    cancel(snap_node_of(bs));
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
        .copied = node->copied,
        .on_demand = node->on_demand,
        .rate = node->pace.rate,
        .reason = node->reason,
    };
    if (node->snap) {
        info->state = snap_state(node->snap);
        info->length = copy_map_length(snap_map(node->snap));
        info->copied = info->length - copy_map_left(snap_map(node->snap));
    }
}
