/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Live snapshots: what is copied, when, how often; who waits for whom. */
#include <criterion/criterion.h>

#include "snapshot-lab.h"

#define BLOCK LAB_BLOCK

static Lab lab;

static void open_lab(void)
{
    lab_open(&lab, 32, 1);
}

static void close_lab(void)
{
    lab_close(&lab);
}

TestSuite(snapshot_engine, .init = open_lab, .fini = close_lab);

static void write_cells(unsigned first, unsigned count)
{
    cr_assert(lab_start_writer(&lab, first, count));
    cr_assert(lab_finish(&lab));
}

Test(snapshot_engine, without_a_snapshot_writes_are_free)
{
    cr_assert(snap_write_is_free(lab.storage, 0, UINT64_C(1) << 40));
}

Test(snapshot_engine, first_touch_copies_whole_blocks_once)
{
    LabSnap *s = lab_begin(&lab);

    write_cells(3, 1);
    cr_assert_eq(lab.copies, 2);
    write_cells(2, 2);
    cr_assert_eq(lab.copies, 2);
    cr_assert_eq(copy_map_copied(snap_map(s->snap)), 1);
    cr_assert(snap_write_is_free(lab.storage, BLOCK, BLOCK));
    cr_assert_not(snap_write_is_free(lab.storage, BLOCK, BLOCK + 1));
    lab_check(&lab);
}

Test(snapshot_engine, snapshots_of_one_instant_share_one_copy)
{
    lab_begin(&lab);
    lab_begin(&lab);
    lab_begin(&lab);
    write_cells(0, 8);
    cr_assert_eq(lab.copies, 8);
    lab_check(&lab);
}

Test(snapshot_engine, later_snapshots_copy_what_changed_in_between)
{
    lab_begin(&lab);
    write_cells(0, 2);
    lab_begin(&lab);
    write_cells(0, 4);
    cr_assert_eq(lab.copies, 2 + 4);
    lab_check(&lab);
}

Test(snapshot_engine, cancelled_snapshot_is_kept_while_an_older_shares_it)
{
    LabSnap *older = lab_begin(&lab);
    LabSnap *newer = lab_begin(&lab);

    write_cells(0, 2);
    newer->wanted = false;
    snap_cancel(newer->snap);
    cr_assert_not_null(newer->snap);
    lab_check(&lab);
    while (lab_start_background(&lab, older)) {
        lab_finish(&lab);
    }
    cr_assert_null(newer->snap);
    cr_assert_eq(snap_state(older->snap), SNAP_COMPLETE);
    lab_check(&lab);
}

Test(snapshot_engine, cancelled_snapshot_that_nobody_shares_goes_at_once)
{
    LabSnap *s = lab_begin(&lab);

    write_cells(0, 2);
    s->wanted = false;
    snap_cancel(s->snap);
    cr_assert_null(s->snap);
}

Test(snapshot_engine, after_a_break_the_older_one_is_served)
{
    LabSnap *newer;

    lab_begin(&lab);
    newer = lab_begin(&lab);
    write_cells(0, 2);
    snap_break(newer->snap);
    write_cells(0, 6);
    lab_check(&lab);
    cr_assert_eq(lab.copies, 2 + 4);
}

Test(snapshot_engine, writer_waits_for_the_background)
{
    LabSnap *s = lab_begin(&lab);
    SnapClaim background, mine, *busy;

    cr_assert(snap_background(s->snap, BLOCK, &background));
    cr_assert_eq(snap_write(lab.storage, 0, 1, BLOCK, &mine, &busy),
                 SNAP_WAIT);
    cr_assert_eq(busy, &background);
    snap_claim_end(&background, true);
    cr_assert_eq(snap_write(lab.storage, 0, 1, BLOCK, &mine, &busy),
                 SNAP_GO);
    s->wanted = false;
}

Test(snapshot_engine, writer_waits_for_a_reader_of_the_storage)
{
    LabSnap *s = lab_begin(&lab);
    SnapClaim reader, mine, *busy;

    cr_assert(snap_read(s->snap, 100, 50, &reader));
    cr_assert_null(reader.source);
    cr_assert_eq(reader.length, 50);
    cr_assert_eq(snap_write(lab.storage, 0, 200, BLOCK, &mine, &busy),
                 SNAP_COPY);
    snap_claim_end(&mine, true);
    cr_assert_eq(snap_write(lab.storage, 0, 200, BLOCK, &mine, &busy),
                 SNAP_WAIT);
    cr_assert_not(snap_write_is_free(lab.storage, 0, 200));
    snap_claim_end(&reader, false);
    cr_assert(snap_write_is_free(lab.storage, 0, 200));
    s->wanted = false;
}

Test(snapshot_engine, break_voids_claims_and_lets_writers_go)
{
    LabSnap *s = lab_begin(&lab);
    SnapClaim reader, mine, other, *busy;

    cr_assert(snap_read(s->snap, 0, 50, &reader));
    cr_assert_eq(snap_write(lab.storage, 0, 1, BLOCK, &mine, &busy),
                 SNAP_COPY);
    snap_break(s->snap);
    cr_assert(mine.is_void && reader.is_void);
    cr_assert_eq(snap_write(lab.storage, 0, 1, BLOCK, &other, &busy),
                 SNAP_GO);
    snap_claim_end(&mine, true);
    snap_claim_end(&reader, false);
    cr_assert_eq(copy_map_copied(snap_map(s->snap)), 0);
    cr_assert_not(snap_read(s->snap, 0, 1, &reader));
}

Test(snapshot_engine, copy_that_failed_is_tried_again)
{
    LabSnap *s = lab_begin(&lab);
    SnapClaim mine, *busy;

    snap_write(lab.storage, 0, 1, BLOCK, &mine, &busy);
    snap_claim_end(&mine, false);
    cr_assert_eq(snap_write(lab.storage, 0, 1, BLOCK, &mine, &busy),
                 SNAP_COPY);
    snap_claim_end(&mine, true);
    s->wanted = false;
}

Test(snapshot_engine, background_goes_by_priority)
{
    LabSnap *s = lab_begin(&lab);
    static const uint64_t order[] = { 10, 11, 4, 0, 1 };
    SnapClaim claims[G_N_ELEMENTS(order)];

    snap_prefer(s->snap, 7, 4 * BLOCK, 1);
    snap_prefer(s->snap, SNAP_PRIORITY_FIRST, 10 * BLOCK + 1, BLOCK);
    for (unsigned i = 0; i < G_N_ELEMENTS(order); i++) {
        cr_assert(snap_background(s->snap, BLOCK, &claims[i]));
        cr_expect_eq(claims[i].offset, order[i] * BLOCK, "claim %u", i);
    }
    cr_assert_not(snap_priority_done(s->snap, 0));
    for (unsigned i = 0; i < G_N_ELEMENTS(order); i++) {
        snap_claim_end(&claims[i], true);
        cr_expect_eq(snap_priority_done(s->snap, 0), i >= 1);
    }
    cr_assert(snap_priority_done(s->snap, 7));
    s->wanted = false;
}

Test(snapshot_engine, claims_are_no_longer_than_asked)
{
    LabSnap *s = lab_begin(&lab);
    SnapClaim claim;

    snap_background(s->snap, 3 * BLOCK, &claim);
    cr_assert_eq(claim.length, 3 * BLOCK);
    snap_claim_end(&claim, false);
    snap_background(s->snap, 0, &claim);
    cr_assert_eq(claim.length, BLOCK);
    snap_claim_end(&claim, false);
    s->wanted = false;
}

Test(snapshot_engine, short_last_block_is_copied_as_far_as_it_goes)
{
    LabSnap *s;
    SnapClaim mine, *busy;

    lab.cells = 31;
    s = lab_begin(&lab);
    cr_assert_eq(snap_write(lab.storage, 30 * LAB_CELL, 1, BLOCK, &mine,
                            &busy), SNAP_COPY);
    cr_assert_eq(mine.length, LAB_CELL);
    snap_claim_end(&mine, true);
    cr_assert_eq(copy_map_left(snap_map(s->snap)), 30 * LAB_CELL);
    s->wanted = false;
}

Test(snapshot_engine, what_the_storage_grew_by_is_free)
{
    lab_begin(&lab);
    lab_grow(&lab, 48);
    cr_assert(snap_write_is_free(lab.storage, 32 * LAB_CELL,
                                 16 * LAB_CELL));
}

Test(snapshot_engine, shrinking_keeps_what_goes)
{
    lab_begin(&lab);
    lab_start_resizer(&lab, 7);
    cr_assert(lab_finish(&lab));
    cr_assert_eq(lab.cells, 7);
    lab_check(&lab);
    lab_grow(&lab, 32);
    write_cells(10, 20);
    lab_check(&lab);
}

Test(snapshot_engine, there_is_a_limit_of_snapshots)
{
    for (unsigned i = 0; i < SNAP_MAX_SNAPSHOTS; i++) {
        cr_assert_not_null(lab_begin(&lab));
    }
    cr_assert_null(lab_begin(&lab));
}

Test(snapshot_engine, map_of_sixteen_tebibytes_takes_32_mebibytes)
{
    CopyMap *map = copy_map_new(UINT64_C(16) << 40, 64 * 1024);

    cr_assert_eq(copy_map_blocks(map) / 8, 32 * 1024 * 1024);
    copy_map_set(map, copy_map_blocks(map) - 100, 100);
    cr_assert_eq(copy_map_next(map, 0, copy_map_blocks(map), true),
                 copy_map_blocks(map) - 100);
    copy_map_free(map);
}

Test(snapshot_engine, pace_lets_through_its_rate)
{
    SnapPace pace = { .rate = 1000 };
    uint64_t now = UINT64_C(5000000000), start = now, wait;

    for (unsigned i = 0; i < 30; i++) {
        wait = snap_pace(&pace, 100, now);
        now += wait;
    }
    cr_assert_geq(now - start, UINT64_C(2800000000));
    cr_assert_leq(now - start, UINT64_C(3000000000));
    pace.rate = 0;
    cr_assert_eq(snap_pace(&pace, 1 << 30, now), 0);
}
