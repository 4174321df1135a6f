/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Live snapshots of disks: the map file made, resumed and closed. */
#include "snapshot-node.h"
#include "qapi/error.h"
#include "qemu/uuid.h"

#define PIECE       (256 * KiB)     /* read or written at once */

/* Tells one boot of this host from another; zeroes where that is unknown. */
static void read_boot(uint8_t boot[SNAP_MAP_BOOT])
{
    g_autofree char *text = NULL;
    QemuUUID uuid = { 0 };

    if (g_file_get_contents("/proc/sys/kernel/random/boot_id", &text, NULL,
                            NULL)) {
        g_strchomp(text);
        qemu_uuid_parse(text, &uuid);
    }
    memcpy(boot, uuid.data, SNAP_MAP_BOOT);
}

static bool write_sync(SnapNode *node, uint64_t offset, uint64_t length,
                       const uint8_t *bytes, Error **errp)
{
    int ret = bdrv_pwrite(node->map_file, offset, length, bytes, 0);

    if (ret < 0) {
        error_setg_errno(errp, -ret, "map: cannot write %" PRIu64 " bytes at "
                         "%" PRIu64, length, offset);
    }
    return ret >= 0;
}

/* Bits, journal (if it is to be blank), head, state: in this order. */
static bool write_sectors(SnapNode *node, const CopyMap *bits, bool journal,
                          Error **errp)
{
    SnapNodeMap *map = node->map;
    uint64_t n = journal ? 2 * (uint64_t)map->head.half_sectors : 0;
    uint64_t total = journal ? n + map->layout.bits_sectors
                             : map->layout.bits_sectors;
    uint64_t start = journal ? map->layout.journal : map->layout.bits;
    g_autofree uint8_t *bytes = g_malloc(PIECE);
    uint64_t i, at = 0;

    for (i = 0; i < total; i++) {
        uint8_t *sector = bytes + i * SNAP_MAP_SECTOR - at;

        if (i < n) {
            snap_map_put_blank(&map->head, i, sector);
        } else {
            snap_map_put_bits(&map->head, bits, i - n, sector);
        }
        if ((i + 1) * SNAP_MAP_SECTOR - at == PIECE || i + 1 == total) {
            if (!write_sync(node, start + at, (i + 1) * SNAP_MAP_SECTOR - at,
                            bytes, errp)) {
                return false;
            }
            at = (i + 1) * SNAP_MAP_SECTOR;
        }
    }
    return true;
}

static bool write_head(SnapNode *node, Error **errp)
{
    SnapNodeMap *map = node->map;
    uint8_t bytes[SNAP_MAP_HEAD];

    snap_map_put_head(&map->head, bytes);
    snap_map_put_state(&map->head, &map->state, bytes + SNAP_MAP_SECTOR);
    return write_sync(node, 0, sizeof(bytes), bytes, errp);
}

static bool flush(SnapNode *node, Error **errp)
{
    int ret = bdrv_flush(node->store->bs);

    ret = ret < 0 ? ret : bdrv_flush(node->map_file->bs);
    if (ret < 0) {
        error_setg_errno(errp, -ret, "map: cannot flush it or the store");
    }
    return ret >= 0;
}

/* --- A new one --- */

static bool create(SnapNode *node, uint64_t length, Error **errp)
{
    SnapNodeMap *map = node->map;
    QemuUUID uuid;
    CopyMap *none;
    bool ok;

    node->block = node->block ?: snap_node_default_block(length);
    none = copy_map_new(length, node->block);
    if (!none) {
        error_setg(errp, "map: no memory for %" PRIu64 " bytes", length);
        return false;
    }
    qemu_uuid_generate(&uuid);
    memcpy(map->head.uuid, uuid.data, SNAP_MAP_UUID);
    map->head.length = length;
    map->head.block = node->block;
    map->state.epoch = 1;
    map->state.power_safe = node->power_safe;
    snap_map_layout(&map->head, &map->layout);
    ok = bdrv_truncate(node->map_file, map->layout.size, false,
                       PREALLOC_MODE_OFF, 0, errp) >= 0 &&
         write_sectors(node, none, true, errp) && write_head(node, errp) &&
         flush(node, errp);
    copy_map_free(none);
    return ok;
}

/* --- Resuming --- */

static bool read_sync(BdrvChild *child, const char *what, uint64_t offset,
                      uint64_t length, uint8_t *bytes, Error **errp)
{
    int ret = bdrv_pread(child, offset, length, bytes, 0);

    if (ret < 0) {
        error_setg_errno(errp, -ret, "%s: cannot read %" PRIu64 " bytes at %"
                         PRIu64, what, length, offset);
    }
    return ret >= 0;
}

/* Where the store holds what the record says, the copy had arrived. */
static bool take_record(SnapNode *node, const SnapMapRecord *record,
                        CopyMap *bits, Error **errp)
{
    uint64_t offset = record->first * node->block;
    uint64_t length = MIN((uint64_t)record->count * node->block,
                          node->map->head.length - offset);
    g_autofree uint8_t *bytes = NULL;

    if (length > SNAP_MAX_COPY) {
        error_setg(errp, "map: journal: a record of %" PRIu64 " bytes",
                   length);
        return false;
    }
    bytes = g_malloc(length);
    if (!read_sync(node->store, "store", offset, length, bytes, errp)) {
        return false;
    }
    if (snap_map_sum(bytes, length) == record->sum) {
        copy_map_set(bits, record->first, record->count);
    }
    return true;
}

static bool load_sector(SnapNode *node, uint64_t n, const uint8_t *sector,
                        CopyMap *bits, GArray *records, Error **errp)
{
    SnapNodeMap *map = node->map;
    uint64_t journal = 2 * (uint64_t)map->head.half_sectors;
    g_autoptr(GError) error = NULL;
    bool ok = n < journal
        ? snap_map_get_records(&map->head, &map->state, n, sector, records,
                               &error)
        : snap_map_get_bits(&map->head, n - journal, sector, bits, &error);

    if (!ok) {
        error_setg(errp, "%s", error->message);
    }
    return ok;
}

static bool load_sectors(SnapNode *node, CopyMap *bits, GArray *records,
                         Error **errp)
{
    SnapNodeMap *map = node->map;
    uint64_t total = 2 * (uint64_t)map->head.half_sectors +
                     map->layout.bits_sectors;
    g_autofree uint8_t *bytes = g_malloc(PIECE);

    for (uint64_t i = 0; i < total; i++) {
        uint64_t at = i % (PIECE / SNAP_MAP_SECTOR) * SNAP_MAP_SECTOR;

        if (at == 0 &&
            !read_sync(node->map_file, "map",
                       map->layout.journal + i * SNAP_MAP_SECTOR,
                       MIN(PIECE, (total - i) * SNAP_MAP_SECTOR), bytes,
                       errp)) {
            return false;
        }
        if (!load_sector(node, i, bytes + at, bits, records, errp)) {
            return false;
        }
    }
    return true;
}

static bool load(SnapNode *node, CopyMap *bits, Error **errp)
{
    g_autoptr(GArray) records = g_array_new(false, false,
                                            sizeof(SnapMapRecord));

    if (!load_sectors(node, bits, records, errp)) {
        return false;
    }
    for (unsigned i = 0; i < records->len; i++) {
        if (!take_record(node, &g_array_index(records, SnapMapRecord, i),
                         bits, errp)) {
            return false;
        }
    }
    return true;
}

/* What the disk has lost since must be in the store. */
static bool check_length(SnapNode *node, const CopyMap *bits, uint64_t length,
                         Error **errp)
{
    uint64_t first = DIV_ROUND_UP(length, node->block);
    uint64_t blocks = copy_map_blocks(bits);

    if (first < blocks && !copy_map_holds(bits, first, blocks - first)) {
        error_setg(errp, "map: it is of a disk of %" PRIu64 " bytes, this one "
                   "has %" PRIu64, node->map->head.length, length);
        return false;
    }
    return true;
}

static CopyMap *resume(SnapNode *node, uint64_t length, Error **errp)
{
    SnapNodeMap *map = node->map;
    CopyMap *bits;

    node->block = map->head.block;
    snap_map_layout(&map->head, &map->layout);
    bits = copy_map_new(map->head.length, map->head.block);
    if (!bits) {
        error_setg(errp, "map: no memory for %" PRIu64 " bytes",
                   map->head.length);
        return NULL;
    }
    /* the bits, then the epoch that makes the journal's records void */
    if (!load(node, bits, errp) || !check_length(node, bits, length, errp) ||
        !write_sectors(node, bits, false, errp) || !flush(node, errp)) {
        copy_map_free(bits);
        return NULL;
    }
    map->state.epoch += 2;
    return bits;
}

/* Returns: false when it cannot be used; *@found tells whether it is one. */
static bool look_at(SnapNode *node, bool *found, Error **errp)
{
    SnapNodeMap *map = node->map;
    int64_t size = bdrv_getlength(node->map_file->bs);
    uint8_t bytes[SNAP_MAP_HEAD] = { 0 }, boot[SNAP_MAP_BOOT];
    g_autoptr(GError) error = NULL;

    if (size > 0 && !read_sync(node->map_file, "map", 0,
                               MIN(size, sizeof(bytes)), bytes, errp)) {
        return false;
    }
    *found = snap_map_get_head(bytes, MAX(size, 0), &map->head, &map->state,
                               &error);
    if (!*found && g_error_matches(error, SNAP_MAP_ERROR,
                                   SNAP_MAP_ERROR_EMPTY)) {
        return true;
    }
    read_boot(boot);
    if (!*found || !snap_map_check_use(&map->head, &map->state, boot,
                                       node->block, &error)) {
        error_setg(errp, "%s", error->message);
        return false;
    }
    return true;
}

bool snap_node_map_open(SnapNode *node, CopyMap **resumed, Error **errp)
{
    SnapNodeMap *map = node->map = g_new0(SnapNodeMap, 1);
    int64_t length = bdrv_getlength(node->bs->file->bs);
    bool found;

    qemu_co_queue_init(&map->written);
    qemu_co_queue_init(&map->room);
    qemu_co_mutex_init(&map->state_lock);
    if (!look_at(node, &found, errp)) {
        return false;
    }
    if (found) {
        *resumed = resume(node, length, errp);
        if (!*resumed) {
            return false;
        }
    } else if (!create(node, length, errp)) {
        return false;
    }
    map->state.clean = false;
    map->state.power_safe = node->power_safe;
    read_boot(map->state.boot);
    map->journal = snap_journal_new(&map->head, map->state.epoch);
    if (!write_head(node, errp) || !flush(node, errp)) {
        copy_map_free(g_steal_pointer(resumed));
        return false;
    }
    return true;
}

/* --- The fingerprint --- */

static int coroutine_fn GRAPH_RDLOCK
take_prints(SnapNode *node, uint64_t *prints)
{
    const SnapMapHead *head = &node->map->head;
    unsigned n = snap_map_prints_wanted(head);
    void *bytes = qemu_blockalign(node->bs, head->block);
    int ret = 0;

    for (unsigned i = 0; i < n && ret >= 0; i++) {
        uint64_t offset = snap_map_print_offset(head, i);
        uint64_t length = MIN(head->block, head->length - offset);
        QEMUIOVector qiov = QEMU_IOVEC_INIT_BUF(qiov, bytes, length);

        ret = snap_node_read(node, offset, length, &qiov, 0);
        prints[i] = snap_map_sum(bytes, length);
    }
    qemu_vfree(bytes);
    return ret;
}

int coroutine_fn snap_map_save_prints(SnapNode *node)
{
    SnapMapHead *head = &node->map->head;
    uint8_t *sector;
    int ret = take_prints(node, head->prints);

    if (ret < 0) {
        return ret;
    }
    head->n_prints = snap_map_prints_wanted(head);
    sector = qemu_blockalign(node->map_file->bs, SNAP_MAP_SECTOR);
    snap_map_put_head(head, sector);
    ret = bdrv_co_pwrite(node->map_file, 0, SNAP_MAP_SECTOR, sector, 0);
    qemu_vfree(sector);
    return ret;
}

int coroutine_fn snap_map_check_prints(SnapNode *node, uint64_t *where)
{
    const SnapMapHead *head = &node->map->head;
    uint64_t now[SNAP_MAP_PRINTS];
    int ret = take_prints(node, now);

    for (unsigned i = 0; i < head->n_prints && ret >= 0; i++) {
        if (now[i] != head->prints[i]) {
            *where = snap_map_print_offset(head, i);
            return 1;
        }
    }
    return ret;
}

/* --- The end --- */

/* All bits are written, and it says so; if it lives still. */
static void close_clean(SnapNode *node)
{
    SnapNodeMap *map = node->map;

    if (map->error || !write_sectors(node, snap_map(node->snap), false, NULL) ||
        !flush(node, NULL)) {
        return;
    }
    map->state.epoch = snap_journal_epoch(map->journal) + 2;
    map->state.clean = true;
    if (write_head(node, NULL)) {
        flush(node, NULL);
    }
}

bool snap_map_write_newer(SnapNode *older, SnapNode *newer, Error **errp)
{
    QemuUUID uuid = { 0 };

    if (!older->map) {
        return true;
    }
    if (newer && newer->map) {
        memcpy(uuid.data, newer->map->head.uuid, SNAP_MAP_UUID);
    } else if (newer) {
        qemu_uuid_generate(&uuid);      /* nobody can bring that one back */
    }
    memcpy(older->map->state.newer, uuid.data, SNAP_MAP_UUID);
    return write_head(older, errp) && flush(older, errp);
}

void snap_map_set_reason(SnapNode *node, const char *reason)
{
    g_strlcpy(node->map->state.reason, reason, SNAP_MAP_REASON);
}

void snap_node_map_close(SnapNode *node, const char *cancelled)
{
    if (!node->map) {
        return;
    }
    bdrv_graph_rdlock_main_loop();
    if (cancelled) {
        snap_map_set_reason(node, cancelled);
        write_head(node, NULL);
    } else if (node->snap && snap_state(node->snap) != SNAP_BROKEN &&
               snap_state(node->snap) != SNAP_CANCELLED) {
        close_clean(node);
    }
    bdrv_graph_rdunlock_main_loop();
}

void snap_node_map_free(SnapNode *node)
{
    if (node->map) {
        snap_journal_free(node->map->journal);
        g_clear_pointer(&node->map, g_free);
    }
}
