/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fuzz target: the loader of the map file.
 *
 * An input that starts with an odd byte is a file as it comes; one that
 * starts with an even byte says how to damage a good one, in steps of three
 * bytes: where (two bytes) and what to exclusive-or there.  If the second
 * byte is odd the damaged sector gets a good checksum, so that what is
 * behind it is reached.
 */
#include <string.h>

#include "target-models/snapshot/map-file.h"

#define SECTOR SNAP_MAP_SECTOR
#define FILE_SIZE 16384

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void good_file(uint8_t *file)
{
    SnapMapHead head = { .length = 1000000, .block = 4096,
                         .half_sectors = 2, .uuid = { 1, 2, 3 } };
    SnapMapState state = { .epoch = 3 };
    SnapMapLayout layout;
    CopyMap *map = copy_map_new(head.length, head.block);
    SnapJournal *journal = snap_journal_new(&head, 3);
    SnapMapRecord record = { .first = 4, .count = 2, .sum = 99 };
    uint64_t ticket, offset;

    snap_map_layout(&head, &layout);
    g_assert(layout.size <= FILE_SIZE);
    memset(file, 0, FILE_SIZE);
    snap_map_put_head(&head, file);
    snap_map_put_state(&head, &state, file + SECTOR);
    for (unsigned n = 0; n < 4; n++) {
        snap_map_put_blank(&head, n, file + layout.journal + n * SECTOR);
    }
    copy_map_set(map, 1, 3);
    snap_map_put_bits(&head, map, 0, file + layout.bits);
    snap_journal_add(journal, &record, &ticket);
    snap_journal_take(journal, file + layout.journal + 2 * SECTOR, SECTOR,
                      &offset);
    g_assert(offset == layout.journal + 2 * SECTOR);
    snap_journal_free(journal);
    copy_map_free(map);
}

static void damage(uint8_t *file, const uint8_t *data, size_t size, bool mend)
{
    for (; size >= 3; data += 3, size -= 3) {
        size_t at = (data[0] | data[1] << 8) % FILE_SIZE;
        uint8_t *sector = file + at / SECTOR * SECTOR;
        uint64_t sum;

        file[at] ^= data[2];
        if (mend) {
            sum = GUINT64_TO_LE(snap_map_sum(sector, SECTOR - 8));
            memcpy(sector + SECTOR - 8, &sum, 8);
        }
    }
}

/* Loads as the block driver does, and uses what was taken. */
static void load(const uint8_t *file)
{
    static const uint8_t boot[SNAP_MAP_BOOT];
    SnapMapHead head;
    SnapMapState state;
    SnapMapLayout layout;
    GArray *records;
    CopyMap *map;

    if (!snap_map_get_head(file, FILE_SIZE, &head, &state, NULL)) {
        return;
    }
    snap_map_check_use(&head, &state, boot, 4096, NULL);
    snap_map_layout(&head, &layout);
    g_assert(layout.size <= FILE_SIZE);
    map = copy_map_new(head.length, head.block);
    g_assert_nonnull(map);
    for (uint64_t n = 0; n < layout.bits_sectors; n++) {
        snap_map_get_bits(&head, n, file + layout.bits + n * SECTOR, map,
                          NULL);
    }
    records = g_array_new(false, false, sizeof(SnapMapRecord));
    for (uint64_t n = 0; n < 2 * (uint64_t)head.half_sectors; n++) {
        snap_map_get_records(&head, &state, n,
                             file + layout.journal + n * SECTOR, records,
                             NULL);
    }
    for (unsigned i = 0; i < records->len; i++) {
        SnapMapRecord *r = &g_array_index(records, SnapMapRecord, i);

        copy_map_set(map, r->first, r->count);
    }
    for (unsigned i = 0; i < snap_map_prints_wanted(&head); i++) {
        g_assert(snap_map_print_offset(&head, i) < head.length);
    }
    g_array_unref(records);
    copy_map_free(map);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t file[FILE_SIZE] = { 0 };

    if (size && data[0] % 2) {
        memcpy(file, data + 1, MIN(size - 1, sizeof(file)));
    } else {
        good_file(file);
        if (size > 2) {
            damage(file, data + 2, size - 2, data[1] % 2);
        }
    }
    load(file);
    return 0;
}
