/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Live snapshots of disks: copying, and who waits for it. */
#include "snapshot-node.h"
#include "qemu/cutils.h"

#define RETRY_NS    (100 * SCALE_MS)

/* A copy that nobody wants any more takes no room either. */
static void wake(void *opaque, SnapClaim *claim)
{
    SnapDisk *disk = opaque;
    SnapTask *task = container_of(claim, SnapTask, claim);

    disk->buffered -= task->buffered;
    task->buffered = 0;
    qemu_co_queue_restart_all(&disk->room);
    qemu_co_queue_restart_all(&task->waiters);
}

static void released(void *opaque, Snap *snap)
{
    SnapNode *node = snap_opaque(snap);

    node->snap = NULL;
    if (!node->bs) {
        snap_node_free(node);
    }
}

const SnapOperations snap_node_operations = { wake, released };

void snap_task_init(SnapTask *task)
{
    memset(task, 0, sizeof(*task));
    qemu_co_queue_init(&task->waiters);
}

BdrvChild *snap_node_source(SnapNode *node, Snap *source)
{
    SnapNode *other;

    if (!source) {
        return node->bs->file;
    }
    other = snap_opaque(source);
    return other->kept ?: other->store;
}

static bool lives(const SnapNode *node)
{
    return node->snap && (snap_state(node->snap) == SNAP_COPYING ||
                          snap_state(node->snap) == SNAP_COMPLETE);
}

void coroutine_fn snap_node_break(SnapNode *node, char *reason)
{
    WITH_QEMU_LOCK_GUARD(&node->disk->lock) {
        if (!lives(node) || node->reason) {
            g_free(reason);
            return;
        }
        node->reason = reason;
        if (node->map) {
            snap_map_set_reason(node, reason);
        }
    }
    if (node->map) {
        snap_map_write_state(node);
    }
    WITH_QEMU_LOCK_GUARD(&node->disk->lock) {
        if (node->snap) {
            snap_break(node->snap);
        }
    }
    snap_node_tell(node);
}

static int coroutine_fn GRAPH_RDLOCK read_old(SnapTask *task, void *buffer)
{
    const SnapClaim *claim = &task->claim;
    BdrvChild *source = snap_node_source(task->node, claim->source);
    int ret;

    if (claim->length >= 64 * KiB &&
        bdrv_co_is_zero_fast(source->bs, claim->offset, claim->length) == 1) {
        task->is_zero = true;
        return 0;
    }
    ret = bdrv_co_pread(source, claim->offset, claim->length, buffer, 0);
    task->is_zero = ret >= 0 && buffer_is_zero(buffer, claim->length);
    return ret;
}

static int coroutine_fn GRAPH_RDLOCK store_old(SnapTask *task, void *buffer)
{
    const SnapClaim *claim = &task->claim;
    BdrvChild *store = task->node->store;

    if (task->is_zero) {
        return bdrv_co_pwrite_zeroes(store, claim->offset, claim->length,
                                     BDRV_REQ_MAY_UNMAP);
    }
    return bdrv_co_pwrite(store, claim->offset, claim->length, buffer, 0);
}

static char *why_failed(const SnapTask *task, const char *what, int ret)
{
    return g_strdup_printf("%s %" PRIu64 " bytes at %" PRIu64 ": %s", what,
                           task->claim.length, task->claim.offset,
                           strerror(-ret));
}

/* A write to the store beside the write to the map file. */
typedef struct Store {
    SnapTask *task;
    void *buffer;
    Coroutine *waiter;
    bool done;
    int ret;
} Store;

static void coroutine_fn store_entry(void *opaque)
{
    Store *store = opaque;

    WITH_GRAPH_RDLOCK_GUARD() {
        store->ret = store_old(store->task, store->buffer);
    }
    store->done = true;
    if (store->waiter) {
        aio_co_wake(store->waiter);
    }
}

static int coroutine_fn GRAPH_RDLOCK flush_store(SnapNode *node)
{
    int ret = bdrv_co_flush(node->store->bs);

    return ret < 0 ? ret : bdrv_co_flush(node->map_file->bs);
}

/*
 * Both at once: after a crash the checksum tells whether the store has it.
 */
static int coroutine_fn GRAPH_RDLOCK store_and_record(SnapTask *task,
                                                      void *buffer)
{
    Store store = { .task = task, .buffer = buffer };
    int ret;

    if (task->is_zero) {
        memset(buffer, 0, task->claim.length);
    }
    qemu_coroutine_enter(qemu_coroutine_create(store_entry, &store));
    ret = snap_map_record(task, snap_map_sum(buffer, task->claim.length));
    if (!store.done) {
        store.waiter = qemu_coroutine_self();
        qemu_coroutine_yield();
    }
    ret = ret < 0 ? ret : store.ret;
    if (ret >= 0 && task->node->power_safe) {
        ret = flush_store(task->node);
    }
    return ret;
}

static void settle(SnapTask *task)
{
    QEMU_LOCK_GUARD(&task->node->disk->lock);
    snap_map_settle(task);
}

/* Returns: 0, or -errno with @reason set. */
static int coroutine_fn GRAPH_RDLOCK copy_once(SnapTask *task, void *buffer,
                                               char **reason)
{
    int ret = read_old(task, buffer);

    if (ret < 0) {
        *reason = why_failed(task, "disk: cannot read", ret);
        return ret;
    }
    ret = task->node->map ? store_and_record(task, buffer)
                          : store_old(task, buffer);
    if (ret < 0) {
        settle(task);
        *reason = why_failed(task, "store: cannot write", ret);
    }
    return ret;
}

static bool may_hold(SnapTask *task)
{
    SnapNode *node = task->node;

    QEMU_LOCK_GUARD(&node->disk->lock);
    return node->hold && !task->claim.is_void &&
           !snap_node_is_quiet(node);
}

static int coroutine_fn GRAPH_RDLOCK copy(SnapTask *task, char **reason)
{
    BlockDriverState *bs = task->node->bs;
    void *buffer = qemu_try_blockalign(bs->file->bs, task->claim.length);
    int ret;

    if (!buffer) {
        *reason = why_failed(task, "no memory for", -ENOMEM);
        return -ENOMEM;
    }
    while ((ret = copy_once(task, buffer, reason)) < 0 && may_hold(task)) {
        g_clear_pointer(reason, g_free);
        qemu_co_sleep_ns(QEMU_CLOCK_REALTIME, RETRY_NS);
    }
    qemu_vfree(buffer);
    return ret;
}

void coroutine_fn snap_task_run(SnapTask *task)
{
    SnapNode *node = task->node;
    bool on_demand = task->claim.purpose == SNAP_DEMAND;
    char *reason = NULL;
    int ret = copy(task, &reason);

    if (ret < 0) {
        snap_node_break(node, reason);
    }
    WITH_QEMU_LOCK_GUARD(&node->disk->lock) {
        if (ret >= 0 && !task->claim.is_void) {
            node->on_demand += on_demand ? task->claim.length : 0;
            node->needs_flush = true;
        }
        snap_claim_end(&task->claim, ret >= 0);
        snap_map_settle(task);
    }
    if (node->map) {
        snap_map_checkpoint(node);
    }
    snap_node_tell(node);
}

/* --- Guest writes -------------------------------------------------------- */

/* A task of its own: the writer may be let go before it ends. */
static void coroutine_fn copy_entry(void *opaque)
{
    SnapTask *task = opaque;
    SnapNode *node = task->node;

    WITH_GRAPH_RDLOCK_GUARD() {
        snap_task_run(task);
    }
    g_free(task);
    qatomic_dec(&node->tasks);
    bdrv_dec_in_flight(node->bs);
}

static void coroutine_fn start_copy(SnapTask *task)
{
    SnapNode *node = task->node;

    bdrv_inc_in_flight(node->bs);
    qatomic_inc(&node->tasks);
    qemu_coroutine_enter(qemu_coroutine_create(copy_entry, task));
}

/* A write that waits. */
typedef struct Wait {
    SnapDisk *disk;
    int64_t start;
    Snap *snap;                 /* on whose account; NULL: not any more */
} Wait;

static char *too_slow(SnapNode *node)
{
    return g_strdup_printf("store: too slow: a write would have waited longer "
                           "than max-wait (%" PRIu64 " ms)",
                           node->max_wait_ns / SCALE_MS);
}

/* It may have been released since somebody began to wait for it. */
static bool is_in_chain(SnapDisk *disk, const Snap *snap)
{
    Snap *s = NULL;

    while ((s = snap_storage_next(disk->storage, s))) {
        if (s == snap) {
            return true;
        }
    }
    return false;
}

/* Returns: the node to be given up, which stays while it is in flight. */
static SnapNode *take_late(Wait *wait)
{
    SnapNode *node;

    QEMU_LOCK_GUARD(&wait->disk->lock);
    if (!wait->snap || !is_in_chain(wait->disk, wait->snap)) {
        return NULL;
    }
    node = snap_opaque(wait->snap);
    if (!node->bs) {
        return NULL;
    }
    bdrv_inc_in_flight(node->bs);
    qatomic_inc(&node->tasks);
    return node;
}

static void coroutine_fn time_out_entry(void *opaque)
{
    SnapNode *node = take_late(opaque);

    if (node) {
        WITH_GRAPH_RDLOCK_GUARD() {
            snap_node_break(node, too_slow(node));
        }
        qatomic_dec(&node->tasks);
        bdrv_dec_in_flight(node->bs);
    }
}

static void time_out(void *opaque)
{
    qemu_coroutine_enter(qemu_coroutine_create(time_out_entry, opaque));
}

/* A part of the time is for the map file, which has to say so first. */
static int64_t deadline_of(const Wait *wait, const SnapNode *node)
{
    uint64_t most = node->max_wait_ns;

    return wait->start + (node->map ? most / 4 * 3 : most);
}

/* Waits in @queue because of @snap, with the lock; no longer than allowed. */
static void coroutine_fn GRAPH_RDLOCK wait_in(Wait *wait, CoQueue *queue,
                                              Snap *snap)
{
    SnapNode *node = snap_opaque(snap);
    QEMUTimer timer;

    if (!node->max_wait_ns || node->reason) {
        qemu_co_queue_wait(queue, &wait->disk->lock);
        return;
    }
    if (qemu_clock_get_ns(QEMU_CLOCK_REALTIME) >= deadline_of(wait, node)) {
        wait->snap = snap;
        qemu_mutex_unlock(&wait->disk->lock);
        time_out_entry(wait);
        qemu_mutex_lock(&wait->disk->lock);
        wait->snap = NULL;
        return;
    }
    wait->snap = snap;
    aio_timer_init(qemu_get_current_aio_context(), &timer,
                   QEMU_CLOCK_REALTIME, SCALE_NS, time_out, wait);
    timer_mod(&timer, deadline_of(wait, node));
    qemu_co_queue_wait(queue, &wait->disk->lock);
    wait->snap = NULL;
    timer_del(&timer);
}

/* The newest that lives, for which writes copy. */
static Snap *live_snap(SnapDisk *disk)
{
    Snap *s = NULL, *live = NULL;

    while ((s = snap_storage_next(disk->storage, s))) {
        if (snap_state(s) == SNAP_COPYING || snap_state(s) == SNAP_COMPLETE) {
            live = s;
        }
    }
    return live;
}

static void coroutine_fn GRAPH_RDLOCK wait_for_room(Wait *wait)
{
    SnapDisk *disk = wait->disk;

    while (disk->buffered >= SNAP_MAX_BUFFERED && live_snap(disk)) {
        wait_in(wait, &disk->room, live_snap(disk));
    }
}

static int coroutine_fn GRAPH_RDLOCK
wait_for_copies(SnapDisk *disk, int64_t offset, int64_t bytes)
{
    Wait wait = {
        .disk = disk,
        .start = qemu_clock_get_ns(QEMU_CLOCK_REALTIME),
    };
    SnapTask *task = g_new(SnapTask, 1);
    SnapVerdict verdict;
    SnapClaim *busy;

    qemu_mutex_lock(&disk->lock);
    for (;;) {
        wait_for_room(&wait);
        snap_task_init(task);
        verdict = snap_write(disk->storage, offset, bytes, SNAP_MAX_COPY,
                             &task->claim, &busy);
        if (verdict == SNAP_GO) {
            break;
        } else if (verdict == SNAP_COPY) {
            task->node = snap_opaque(task->claim.snap);
            task->buffered = task->claim.length;
            disk->buffered += task->buffered;
            qemu_mutex_unlock(&disk->lock);
            start_copy(task);
            task = g_new(SnapTask, 1);
            qemu_mutex_lock(&disk->lock);
        } else {
            wait_in(&wait, &container_of(busy, SnapTask, claim)->waiters,
                    busy->snap);
        }
    }
    qemu_mutex_unlock(&disk->lock);
    g_free(task);
    return 0;
}

int coroutine_fn snap_node_before_write(SnapNode *node, int64_t offset,
                                        int64_t bytes)
{
    SnapDisk *disk = node->disk;

    if (likely(snap_write_is_free(disk->storage, offset, bytes))) {
        return 0;
    }
    if (qatomic_read(&node->expects_newer)) {
        snap_node_break(node, g_strdup("the disk was written to before the "
                                       "newer snapshot was resumed that "
                                       "shares its copies"));
    }
    return wait_for_copies(disk, offset, bytes);
}

/* --- Flushing ------------------------------------------------------------ */

/* The nodes of the disk that copied since their last flush. */
static unsigned to_flush(SnapDisk *disk, SnapNode **nodes)
{
    unsigned n = 0;
    Snap *s = NULL;

    QEMU_LOCK_GUARD(&disk->lock);
    while ((s = snap_storage_next(disk->storage, s))) {
        SnapNode *node = snap_opaque(s);

        if (node->needs_flush && node->bs) {
            node->needs_flush = false;
            nodes[n++] = node;
        }
    }
    return n;
}

/* Old content must be on its medium before the new is on the disk's. */
void coroutine_fn snap_node_flush(SnapNode *node)
{
    SnapNode *nodes[SNAP_MAX_SNAPSHOTS];
    unsigned n = to_flush(node->disk, nodes);

    for (unsigned i = 0; i < n; i++) {
        int ret = bdrv_co_flush(nodes[i]->store->bs);

        if (ret >= 0 && nodes[i]->map_file) {
            ret = bdrv_co_flush(nodes[i]->map_file->bs);
        }
        if (ret < 0) {
            snap_node_break(nodes[i],
                            g_strdup_printf("store: cannot flush: %s",
                                            strerror(-ret)));
        }
    }
}
