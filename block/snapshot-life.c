/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Live snapshots of disks: how a node's snapshot begins, resumes and ends. */
#include "snapshot-node.h"
#include "qapi/error.h"
#include "qemu/cutils.h"

/* --- A disk and its chain ----------------------------------------------- */

static SnapDisk *new_disk(SnapNode *node, uint64_t length)
{
    SnapDisk *disk = g_new0(SnapDisk, 1);

    node->block = node->block ?: snap_node_default_block(length);
    disk->bottom = node->bs;
    qemu_mutex_init(&disk->lock);
    qemu_co_queue_init(&disk->room);
    disk->storage = snap_storage_new(node->block, &snap_node_operations,
                                     disk);
    return disk;
}

/* Returns: the disk whose snapshots @node's joins, or NULL. */
static SnapDisk * GRAPH_RDLOCK disk_below(SnapNode *node)
{
    BlockDriverState *below = node->bs->file->bs;

    return sunder_snapshot_is_node(below) ? snap_node_of(below)->disk : NULL;
}

static bool GRAPH_RDLOCK choose_block(SnapNode *node, Error **errp)
{
    SnapDisk *disk = disk_below(node);
    uint32_t block = disk ? snap_storage_block(disk->storage) : node->block;

    if (node->block && node->block != block) {
        error_setg(errp, "block-size: %u; the snapshots of node \"%s\" have "
                   "%u, and share their copies", node->block,
                   bdrv_get_device_or_node_name(node->bs->file->bs), block);
        return false;
    }
    node->block = block;
    return true;
}

static void GRAPH_RDLOCK join_disk(SnapNode *node)
{
    node->disk = disk_below(node);
    if (!node->disk) {
        node->disk = new_disk(node, bdrv_getlength(node->bs->file->bs));
    }
    node->disk->refs++;
}

void snap_node_leave_disk(SnapNode *node)
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
                                   &child_of_bds, SNAP_KEPT_ROLE, errp);
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

/* Returns: the newest snapshot's node so far, or NULL. */
SnapNode *snap_node_newest(SnapDisk *disk)
{
    Snap *s = NULL, *last = NULL;

    while ((s = snap_storage_next(disk->storage, s))) {
        last = s;
    }
    return last ? snap_opaque(last) : NULL;
}

/* The older one's map names the newer that has copies for it. */
static bool GRAPH_RDLOCK link_older(SnapNode *older, SnapNode *node,
                                    bool resumed, Error **errp)
{
    if (!older || !older->map) {
        return true;
    }
    if (!older->expects_newer) {
        return snap_map_write_newer(older, node, errp);
    }
    if (!resumed || memcmp(older->map->state.newer, node->map->head.uuid,
                           SNAP_MAP_UUID)) {
        error_setg(errp, "the snapshot of node \"%s\" shares copies with "
                   "another one: resume that one, with its map, first",
                   bdrv_get_device_or_node_name(older->bs));
        return false;
    }
    qatomic_set(&older->expects_newer, false);
    return true;
}

/* The snapshot joins the chain; from here on old content is kept. */
bool snap_node_begin(SnapNode *node, CopyMap *resumed, Error **errp)
{
    int64_t length = bdrv_getlength(node->bs->file->bs);
    SnapNode *older = snap_node_newest(node->disk);

    if (!link_older(older, node, resumed, errp)) {
        copy_map_free(resumed);
        return false;
    }
    node->expects_newer = resumed &&
        !buffer_is_zero(node->map->state.newer, SNAP_MAP_UUID);
    QEMU_LOCK_GUARD(&node->disk->lock);
    node->snap = resumed ? snap_resume(node->disk->storage, resumed, node)
                         : snap_begin(node->disk->storage, length, node);
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
           !node->expects_newer &&
           !snap_priority_done(node->snap, SNAP_PRIORITY_FIRST);
}

typedef struct Prints {
    SnapNode *node;
    bool check;
    bool done;
    int ret;
    uint64_t where;
} Prints;

static void coroutine_fn prints_entry(void *opaque)
{
    Prints *p = opaque;

    WITH_GRAPH_RDLOCK_GUARD() {
        p->ret = p->check ? snap_map_check_prints(p->node, &p->where)
                          : snap_map_save_prints(p->node);
    }
    p->done = true;
    aio_wait_kick();
}

static bool prints_sync(SnapNode *node, bool check, Error **errp)
{
    Prints p = { .node = node, .check = check };

    aio_co_enter(bdrv_get_aio_context(node->bs),
                 qemu_coroutine_create(prints_entry, &p));
    BDRV_POLL_WHILE(node->bs, !p.done);
    if (p.ret < 0) {
        error_setg_errno(errp, -p.ret, "map: cannot read or write the "
                         "fingerprint of the disk");
    } else if (p.ret > 0) {
        error_setg(errp, "map: at byte %" PRIu64 " the snapshot is not what "
                   "it was: the map is of another disk or store, or the disk "
                   "was written to without its filter", p.where);
    }
    return p.ret == 0;
}

/* The fingerprints of those that are whole now, or of the new one. */
static bool check_or_save_prints(SnapNode *node, bool resumed, Error **errp)
{
    Snap *s = NULL;

    if (!node->map) {
        return true;
    }
    if (!resumed) {
        return prints_sync(node, false, errp);
    }
    while ((s = snap_storage_next(node->disk->storage, s))) {
        SnapNode *other = snap_opaque(s);

        if (other->map && !node->expects_newer &&
            !prints_sync(other, true, errp)) {
            return false;
        }
    }
    return true;
}

bool snap_node_start_now(SnapNode *node, CopyMap *resumed, Error **errp)
{
    BlockDriverState *bs = node->bs;
    bool ok;

    bdrv_graph_rdlock_main_loop();
    ok = snap_node_begin(node, resumed, errp);
    bdrv_graph_rdunlock_main_loop();
    if (!ok || !check_or_save_prints(node, resumed, errp)) {
        return false;
    }
    sunder_snapshot_run(bs);
    BDRV_POLL_WHILE(bs, initial_portion_left(node));
    return true;
}

static bool GRAPH_RDLOCK prepare_map(SnapNode *node, bool start,
                                     CopyMap **resumed, Error **errp)
{
    if (node->power_safe && !node->map_file) {
        error_setg(errp, "power-safe: there is no map to be kept; give a map");
        return false;
    }
    if (node->map_file && !snap_node_map_open(node, resumed, errp)) {
        return false;
    }
    if (*resumed && !start) {
        error_setg(errp, "map: it has a snapshot to resume, which cannot "
                   "begin later: give an empty file, or start=on");
        return false;
    }
    return true;
}

bool snap_node_prepare(SnapNode *node, QDict *options, bool *start,
                    CopyMap **resumed, Error **errp)
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
    ok = snap_node_check(node, errp) && choose_block(node, errp) &&
         prepare_map(node, *start, resumed, errp);
    if (ok) {
        join_disk(node);
    }
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
void snap_node_cancel(SnapNode *node, const char *reason)
{
    BlockDriverState *bottom = node->disk->bottom;

    bdrv_drained_begin(bottom);
    AIO_WAIT_WHILE_UNLOCKED(NULL, qatomic_read(&node->tasks) > 0);
    snap_node_map_close(node, reason);
    qemu_coroutine_enter(qemu_coroutine_create(cancel_entry, node));
    bdrv_drained_end(bottom);
}

/* Nobody has copies for the one below any more. */
void snap_node_unlink_older(SnapNode *node)
{
    SnapNode *older = snap_node_newest(node->disk);

    bdrv_graph_rdlock_main_loop();
    if (older && older->bs && older->map && !older->expects_newer) {
        snap_map_write_newer(older, NULL, NULL);
    }
    bdrv_graph_rdunlock_main_loop();
}

