/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Live snapshots of disks: the map file while the snapshot is in use.
 *
 * A record is in the file before the guest's data is on the disk; whoever
 * finds no write under way writes all records that wait.
 */
#include "snapshot-node.h"

#define WRITE_AT_ONCE       (64 * KiB)
/* Copies between two checkpoints: what a resume has to read again. */
#define CHECKPOINT_BYTES    (256 * MiB)

static uint8_t *new_buffer(SnapNode *node, size_t size)
{
    return qemu_blockalign(node->map_file->bs, size);
}

static int coroutine_fn GRAPH_RDLOCK
write_map(SnapNode *node, uint64_t offset, uint64_t length,
          const uint8_t *bytes)
{
    return bdrv_co_pwrite(node->map_file, offset, length, bytes, 0);
}

/* Writes what waits; with the lock, which it lets go meanwhile. */
static void coroutine_fn GRAPH_RDLOCK write_records(SnapNode *node)
{
    SnapNodeMap *map = node->map;
    QemuMutex *lock = &node->disk->lock;
    uint64_t offset, length;
    uint8_t *bytes = new_buffer(node, WRITE_AT_ONCE);
    int ret;

    length = snap_journal_take(map->journal, bytes, WRITE_AT_ONCE, &offset);
    if (length) {
        map->writing = true;
        qemu_mutex_unlock(lock);
        ret = write_map(node, offset, length, bytes);
        qemu_mutex_lock(lock);
        map->writing = false;
        snap_journal_wrote(map->journal, ret >= 0);
        map->error = ret < 0 ? ret : map->error;
        qemu_co_queue_restart_all(&map->written);
    }
    qemu_vfree(bytes);
}

/* Waits until both halves of the journal are not full, with the lock. */
static int coroutine_fn GRAPH_RDLOCK
add_record(SnapNode *node, const SnapMapRecord *record, uint64_t *ticket)
{
    SnapNodeMap *map = node->map;

    while (!snap_journal_add(map->journal, record, ticket)) {
        if (map->error) {
            return map->error;
        }
        qemu_co_queue_wait(&map->room, &node->disk->lock);
    }
    return 0;
}

int coroutine_fn snap_map_record(SnapTask *task, uint64_t sum)
{
    SnapNode *node = task->node;
    SnapNodeMap *map = node->map;
    const SnapClaim *claim = &task->claim;
    SnapMapRecord record = {
        .first = claim->offset / node->block,
        .count = DIV_ROUND_UP(claim->length, node->block),
        .sum = sum,
    };
    int ret;

    QEMU_LOCK_GUARD(&node->disk->lock);
    ret = add_record(node, &record, &task->ticket);
    if (ret < 0) {
        return ret;
    }
    task->has_ticket = true;
    while (!snap_journal_has(map->journal, task->ticket)) {
        if (map->error) {
            return map->error;
        } else if (map->writing) {
            qemu_co_queue_wait(&map->written, &node->disk->lock);
        } else {
            write_records(node);
        }
    }
    return 0;
}

void snap_map_settle(SnapTask *task)
{
    if (task->has_ticket) {
        snap_journal_settle(task->node->map->journal, task->ticket);
        task->has_ticket = false;
    }
}

/* --- State --- */

int coroutine_fn snap_map_write_state(SnapNode *node)
{
    SnapNodeMap *map = node->map;
    uint8_t *sector = new_buffer(node, SNAP_MAP_SECTOR);
    int ret;

    qemu_co_mutex_lock(&map->state_lock);
    WITH_QEMU_LOCK_GUARD(&node->disk->lock) {
        snap_map_put_state(&map->head, &map->state, sector);
    }
    ret = write_map(node, SNAP_MAP_SECTOR, SNAP_MAP_SECTOR, sector);
    if (ret >= 0 && node->power_safe) {
        ret = bdrv_co_flush(node->map_file->bs);
    }
    qemu_co_mutex_unlock(&map->state_lock);
    qemu_vfree(sector);
    return ret;
}

/* --- Checkpoint --- */

/* Sectors of bits that lie side by side are one write. */
static int coroutine_fn GRAPH_RDLOCK write_dirty(SnapNode *node)
{
    SnapNodeMap *map = node->map;
    uint64_t sectors = map->layout.bits_sectors;
    uint8_t *bytes = new_buffer(node, WRITE_AT_ONCE);
    uint64_t n = 0, first, length;
    int ret = 0;

    do {
        WITH_QEMU_LOCK_GUARD(&node->disk->lock) {
            first = n = snap_journal_next_dirty(map->journal, n);
            for (length = 0; n < sectors && length < WRITE_AT_ONCE &&
                 snap_journal_next_dirty(map->journal, n) == n; n++) {
                snap_map_put_bits(&map->head, snap_map(node->snap), n,
                                  bytes + length);
                length += SNAP_MAP_SECTOR;
            }
        }
        if (length) {
            ret = write_map(node, map->layout.bits + first * SNAP_MAP_SECTOR,
                            length, bytes);
        }
    } while (ret >= 0 && first < sectors);
    qemu_vfree(bytes);
    return ret;
}

static int coroutine_fn GRAPH_RDLOCK checkpoint(SnapNode *node)
{
    SnapNodeMap *map = node->map;
    int ret = write_dirty(node);

    if (ret >= 0 && node->power_safe) {
        ret = bdrv_co_flush(node->map_file->bs);
    }
    if (ret >= 0) {
        WITH_QEMU_LOCK_GUARD(&node->disk->lock) {
            map->state.epoch = snap_journal_epoch(map->journal);
        }
        ret = snap_map_write_state(node);
    }
    return ret;
}

/* Whether it is time, and nobody else is at it; with the lock. */
static bool begin_checkpoint(SnapNode *node)
{
    SnapNodeMap *map = node->map;

    if (map->error || !node->snap || snap_state(node->snap) == SNAP_BROKEN) {
        return false;
    }
    if (snap_journal_wants_checkpoint(map->journal, CHECKPOINT_BYTES)) {
        snap_journal_turn(map->journal);
        map->turned = true;
    }
    if (!map->turned || !snap_journal_turned(map->journal)) {
        return false;
    }
    map->turned = false;
    return true;
}

void coroutine_fn snap_map_checkpoint(SnapNode *node)
{
    SnapNodeMap *map = node->map;
    int ret;

    WITH_QEMU_LOCK_GUARD(&node->disk->lock) {
        if (!begin_checkpoint(node)) {
            return;
        }
    }
    ret = checkpoint(node);
    QEMU_LOCK_GUARD(&node->disk->lock);
    if (ret < 0) {
        snap_journal_checkpoint_failed(map->journal);
        map->error = ret;
    } else {
        snap_journal_checkpointed(map->journal);
    }
    qemu_co_queue_restart_all(&map->room);
}
