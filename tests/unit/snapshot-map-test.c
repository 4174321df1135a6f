/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Map file: what is written can be read; what is not right is refused. */
#include <criterion/criterion.h>
#include <string.h>

#include "target-models/snapshot/map-file.h"

#define LENGTH  (UINT64_C(64) * 1024 * 1024 - 512)
#define BLOCK   4096

static SnapMapHead head;
static SnapMapLayout layout;
static SnapMapState state;
static uint8_t bytes[SNAP_MAP_HEAD];
static const uint8_t boot[SNAP_MAP_BOOT] = { 7 };

static void make(void)
{
    head = (SnapMapHead) { .length = LENGTH, .block = BLOCK };
    memset(head.uuid, 0x5a, sizeof(head.uuid));
    snap_map_layout(&head, &layout);
    head.n_prints = snap_map_prints_wanted(&head);
    for (unsigned i = 0; i < head.n_prints; i++) {
        head.prints[i] = 1000 + i;
    }
    state = (SnapMapState) { .epoch = 5 };
    memcpy(state.boot, boot, sizeof(boot));
    snap_map_put_head(&head, bytes);
    snap_map_put_state(&head, &state, bytes + SNAP_MAP_SECTOR);
}

TestSuite(snapshot_map, .init = make);

static void expect(GError *error, SnapMapError code, const char *words)
{
    cr_assert_not_null(error);
    cr_assert_eq(error->code, (int)code, "%s", error->message);
    cr_assert_not_null(strstr(error->message, words), "%s", error->message);
    g_error_free(error);
}

static void refused(SnapMapError code, const char *words)
{
    SnapMapHead h;
    SnapMapState s;
    GError *error = NULL;

    cr_assert_not(snap_map_get_head(bytes, layout.size, &h, &s, &error));
    expect(error, code, words);
}

static void unusable(SnapMapError code, const char *words)
{
    GError *error = NULL;

    cr_assert_not(snap_map_check_use(&head, &state, boot, 0, &error));
    expect(error, code, words);
}

Test(snapshot_map, head_and_state_come_back)
{
    SnapMapHead h;
    SnapMapState s;

    strcpy(state.reason, "store: full");
    snap_map_put_state(&head, &state, bytes + SNAP_MAP_SECTOR);
    cr_assert(snap_map_get_head(bytes, layout.size, &h, &s, NULL));
    cr_assert_eq(h.length, LENGTH);
    cr_assert_eq(h.block, BLOCK);
    cr_assert_eq(h.prints[55], 1055);
    cr_assert_eq(s.epoch, 5);
    cr_assert_str_eq(s.reason, "store: full");
}

Test(snapshot_map, empty_file_is_told_apart)
{
    memset(bytes, 0, sizeof(bytes));
    refused(SNAP_MAP_ERROR_EMPTY, "nothing was written");
}

Test(snapshot_map, other_files_are_refused)
{
    memcpy(bytes, "QFI\xfb", 4);
    refused(SNAP_MAP_ERROR_FORMAT, "no map file");
}

Test(snapshot_map, unknown_version_is_refused)
{
    bytes[4] = 9;
    refused(SNAP_MAP_ERROR_FORMAT, "version 9; expected version 1");
}

Test(snapshot_map, truncated_file_is_refused)
{
    SnapMapHead h;
    SnapMapState s;
    GError *error = NULL;

    cr_assert_not(snap_map_get_head(bytes, layout.size - 1, &h, &s, &error));
    expect(error, SNAP_MAP_ERROR_DAMAGED, "truncated");
}

Test(snapshot_map, every_altered_byte_is_noticed)
{
    for (unsigned i = 0; i < sizeof(bytes); i++) {
        SnapMapHead h;
        SnapMapState s;

        bytes[i] ^= 0x10;
        cr_expect_not(snap_map_get_head(bytes, layout.size, &h, &s, NULL),
                      "byte %u", i);
        bytes[i] ^= 0x10;
    }
}

Test(snapshot_map, broken_snapshot_says_why)
{
    strcpy(state.reason, "store: full");
    unusable(SNAP_MAP_ERROR_BROKEN, "store: full");
}

Test(snapshot_map, start_that_was_cut_short_is_refused)
{
    head.n_prints = 0;
    unusable(SNAP_MAP_ERROR_UNSAFE, "cut short");
}

Test(snapshot_map, after_the_host_stopped_only_what_was_flushed_is_used)
{
    state.boot[0] = 8;
    unusable(SNAP_MAP_ERROR_UNSAFE, "the host stopped");
    state.power_safe = true;
    cr_assert(snap_map_check_use(&head, &state, boot, 0, NULL));
    state.power_safe = false;
    state.clean = true;
    cr_assert(snap_map_check_use(&head, &state, boot, BLOCK, NULL));
    cr_assert_not(snap_map_check_use(&head, &state, boot, 2 * BLOCK, NULL));
}

Test(snapshot_map, bits_come_back)
{
    CopyMap *map = copy_map_new(LENGTH, BLOCK);
    CopyMap *back = copy_map_new(LENGTH, BLOCK);
    uint8_t sector[SNAP_MAP_SECTOR];

    for (uint64_t b = 0; b < copy_map_blocks(map); b += 7) {
        copy_map_set(map, b, 2);
    }
    for (uint64_t n = 0; n < layout.bits_sectors; n++) {
        snap_map_put_bits(&head, map, n, sector);
        cr_assert(snap_map_get_bits(&head, n, sector, back, NULL));
        cr_assert_not(snap_map_get_bits(&head, n + 1, sector, back, NULL));
    }
    cr_assert_eq(copy_map_copied(map), copy_map_copied(back));
    cr_assert_not(copy_map_any_only_in(map, back));
    copy_map_free(map);
    copy_map_free(back);
}

Test(snapshot_map, sectors_of_another_snapshot_are_refused)
{
    CopyMap *map = copy_map_new(LENGTH, BLOCK);
    uint8_t sector[SNAP_MAP_SECTOR];
    GError *error = NULL;

    snap_map_put_bits(&head, map, 0, sector);
    head.uuid[3]++;
    cr_assert_not(snap_map_get_bits(&head, 0, sector, map, &error));
    expect(error, SNAP_MAP_ERROR_DAMAGED, "another snapshot");
    copy_map_free(map);
}

Test(snapshot_map, records_beyond_the_disk_are_refused)
{
    SnapJournal *journal = snap_journal_new(&head, 5);
    SnapMapRecord record = { LENGTH / BLOCK + 1, 1, 0 };
    GArray *records = g_array_new(false, false, sizeof(SnapMapRecord));
    uint8_t sector[SNAP_MAP_SECTOR];
    uint64_t ticket, offset;
    GError *error = NULL;

    snap_journal_add(journal, &record, &ticket);
    snap_journal_take(journal, sector, sizeof(sector), &offset);
    cr_assert_not(snap_map_get_records(&head, &state, head.half_sectors,
                                       sector, records, &error));
    expect(error, SNAP_MAP_ERROR_DAMAGED, "beyond the disk");
    snap_journal_free(journal);
    g_array_unref(records);
}

Test(snapshot_map, prints_are_spread_from_first_to_last_block)
{
    unsigned n = snap_map_prints_wanted(&head);

    cr_assert_eq(n, SNAP_MAP_PRINTS);
    cr_assert_eq(snap_map_print_offset(&head, 0), 0);
    cr_assert_eq(snap_map_print_offset(&head, n - 1), LENGTH / BLOCK * BLOCK);
    head.length = 1;
    cr_assert_eq(snap_map_prints_wanted(&head), 1);
    cr_assert_eq(snap_map_print_offset(&head, 0), 0);
    head.length = 0;
    cr_assert_eq(snap_map_prints_wanted(&head), 0);
}

Test(snapshot_map, checksum_depends_on_every_byte_and_the_length)
{
    uint8_t data[100] = { 0 };
    uint64_t sum = snap_map_sum(data, sizeof(data));

    cr_assert_neq(sum, snap_map_sum(data, sizeof(data) - 1));
    for (unsigned i = 0; i < sizeof(data); i++) {
        data[i] = 1;
        cr_expect_neq(snap_map_sum(data, sizeof(data)), sum, "byte %u", i);
        data[i] = 0;
    }
}
