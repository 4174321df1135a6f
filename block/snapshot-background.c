/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Live snapshots of disks: copying what nobody has asked for yet. */
#include "snapshot-node.h"

/* Begins the next claim; with the lock. */
static bool claim_next(SnapNode *node, SnapTask *task)
{
    snap_task_init(task);
    task->node = node;
    if (!node->snap || !node->runs || node->expects_newer ||
        snap_node_is_quiet(node)) {
        return false;
    }
    return (node->background ||
            !snap_priority_done(node->snap, SNAP_PRIORITY_FIRST)) &&
           snap_background(node->snap, SNAP_MAX_COPY, &task->claim);
}

/* Returns: nanoseconds to rest, or -1 when there is nothing to copy. */
static int64_t coroutine_fn GRAPH_RDLOCK copy_next(SnapNode *node)
{
    int64_t now;
    SnapTask task;

    WITH_QEMU_LOCK_GUARD(&node->disk->lock) {
        if (!claim_next(node, &task)) {
            return -1;
        }
    }
    snap_task_run(&task);
    now = qemu_clock_get_ns(QEMU_CLOCK_REALTIME);
    QEMU_LOCK_GUARD(&node->disk->lock);
    return snap_pace(&node->pace, task.claim.length, now);
}

static void coroutine_fn worker(void *opaque)
{
    SnapNode *node = opaque;
    BlockDriverState *bs = node->bs;
    int64_t rest = 0;

    while (rest == 0) {
        WITH_GRAPH_RDLOCK_GUARD() {
            rest = copy_next(node);
        }
    }
    WITH_QEMU_LOCK_GUARD(&node->disk->lock) {
        node->workers--;
        if (rest > 0 && node->timer) {
            timer_mod_anticipate_ns(node->timer,
                qemu_clock_get_ns(QEMU_CLOCK_REALTIME) + rest);
        }
    }
    qatomic_dec(&node->tasks);
    bdrv_dec_in_flight(bs);
}

void snap_background_kick(SnapNode *node)
{
    unsigned n = 0;

    WITH_QEMU_LOCK_GUARD(&node->disk->lock) {
        if (node->runs && node->snap &&
            snap_state(node->snap) == SNAP_COPYING &&
            !snap_node_is_quiet(node)) {
            n = SNAP_WORKERS - node->workers;
            node->workers += n;
        }
    }
    while (n--) {
        bdrv_inc_in_flight(node->bs);
        qatomic_inc(&node->tasks);
        aio_co_enter(bdrv_get_aio_context(node->bs),
                     qemu_coroutine_create(worker, node));
    }
}

static void rested(void *opaque)
{
    snap_background_kick(opaque);
}

void snap_background_init(SnapNode *node)
{
    node->timer = timer_new_ns(QEMU_CLOCK_REALTIME, rested, node);
}

void snap_background_stop(SnapNode *node)
{
    WITH_QEMU_LOCK_GUARD(&node->disk->lock) {
        node->runs = false;
    }
    AIO_WAIT_WHILE_UNLOCKED(NULL, qatomic_read(&node->tasks) > 0);
    g_clear_pointer(&node->timer, timer_free);
}
