/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Map file: crashes at any moment.
 *
 * A disk, a store and a map file in memory.  Writes to store and file are
 * under way for a while; a crash lets any of their sectors arrive and any
 * not.  What is resumed afterwards must be the snapshot, bit by bit.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "target-models/snapshot/map-file.h"

#define SCHEDULES   20000
#define BLOCK       512
#define BLOCKS      48
#define COPIES      5
#define FILE_SIZE   (64 * 1024)

typedef enum Step { IDLE, COPYING, COPIED } Step;

typedef struct Copy {
    Step step;
    unsigned block;
    uint64_t ticket;
    bool stored;
} Copy;

typedef struct Rig {
    uint64_t random;
    uint32_t now[BLOCKS], frozen[BLOCKS], store[BLOCKS], next;
    uint8_t file[FILE_SIZE];
    uint8_t pending[4096];      /* the write of the journal under way */
    uint64_t pending_at, pending_length;
    SnapMapHead head;
    SnapMapLayout layout;
    SnapMapState state;
    CopyMap *map;
    SnapJournal *journal;
    Copy copies[COPIES];
    bool turned;
    unsigned checkpoints, resumed_records;
} Rig;

static unsigned dice(Rig *r, unsigned n)
{
    uint64_t z = r->random += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return (z ^ z >> 31) % n;
}

static uint64_t sum_of(uint32_t content)
{
    return snap_map_sum(&content, sizeof(content));
}

static void put_state(Rig *r)
{
    snap_map_put_state(&r->head, &r->state, r->file + SNAP_MAP_SECTOR);
}

static void put_bits(Rig *r, uint64_t n)
{
    snap_map_put_bits(&r->head, r->map, n,
                      r->file + r->layout.bits + n * SNAP_MAP_SECTOR);
}

static void begin(Rig *r, uint64_t seed)
{
    memset(r, 0, sizeof(*r));
    r->random = seed;
    r->head = (SnapMapHead) { .length = BLOCKS * BLOCK, .block = BLOCK,
                              .half_sectors = 1 + seed % 3 };
    snap_map_layout(&r->head, &r->layout);
    cr_assert_leq(r->layout.size, sizeof(r->file));
    r->head.n_prints = snap_map_prints_wanted(&r->head);
    for (unsigned i = 0; i < BLOCKS; i++) {
        r->frozen[i] = r->now[i] = ++r->next;
        r->store[i] = 0xdddddddd;
    }
    r->map = copy_map_new(r->head.length, BLOCK);
    r->state.epoch = 1;
    r->journal = snap_journal_new(&r->head, 1);
    snap_map_put_head(&r->head, r->file);
    put_state(r);
    for (unsigned n = 0; n < 2 * r->head.half_sectors; n++) {
        snap_map_put_blank(&r->head, n, r->file + r->layout.journal +
                                        n * SNAP_MAP_SECTOR);
    }
    put_bits(r, 0);
}

static bool is_claimed(const Rig *r, unsigned block)
{
    for (unsigned i = 0; i < COPIES; i++) {
        if (r->copies[i].step != IDLE && r->copies[i].block == block) {
            return true;
        }
    }
    return false;
}

/* A guest's write: free, or begins a copy. */
static void write_block(Rig *r)
{
    unsigned block = dice(r, BLOCKS);
    Copy *copy = &r->copies[dice(r, COPIES)];

    if (copy_map_holds(r->map, block, 1)) {
        r->now[block] = ++r->next;
    } else if (copy->step == IDLE && !is_claimed(r, block)) {
        SnapMapRecord record = { block, 1, sum_of(r->now[block]) };

        *copy = (Copy) { .block = block };
        if (snap_journal_add(r->journal, &record, &copy->ticket)) {
            copy->step = COPYING;
        }
    }
}

static void step_copy(Rig *r)
{
    Copy *copy = &r->copies[dice(r, COPIES)];

    if (copy->step != COPYING) {
        return;
    }
    if (!copy->stored) {
        /* now and then the store fails, with half of it written */
        copy->stored = dice(r, 16);
        r->store[copy->block] = copy->stored ? r->now[copy->block] : 0xbad;
        if (!copy->stored) {
            snap_journal_settle(r->journal, copy->ticket);
            copy->step = IDLE;
        }
    } else if (snap_journal_has(r->journal, copy->ticket)) {
        copy_map_set(r->map, copy->block, 1);
        snap_journal_settle(r->journal, copy->ticket);
        copy->step = IDLE;
    }
}

static void arrive(Rig *r, bool all)
{
    for (uint64_t at = 0; at < r->pending_length; at += SNAP_MAP_SECTOR) {
        if (all || dice(r, 2)) {
            memcpy(r->file + r->pending_at + at, r->pending + at,
                   SNAP_MAP_SECTOR);
        }
    }
}

static void step_journal(Rig *r)
{
    if (r->pending_length) {
        bool ok = dice(r, 16);

        arrive(r, ok);
        r->pending_length = 0;
        snap_journal_wrote(r->journal, ok);
    } else {
        r->pending_length = snap_journal_take(r->journal, r->pending,
                                              sizeof(r->pending),
                                              &r->pending_at);
    }
}

/* Its parts are in order, so a crash between them is one before or after. */
static void step_checkpoint(Rig *r)
{
    if (snap_journal_wants_checkpoint(r->journal, 5 * BLOCK)) {
        snap_journal_turn(r->journal);
        r->turned = true;
    }
    if (!r->turned || !snap_journal_turned(r->journal)) {
        return;
    }
    for (uint64_t n = 0; (n = snap_journal_next_dirty(r->journal, n)) <
                         r->layout.bits_sectors; n++) {
        put_bits(r, n);
    }
    if (dice(r, 8) == 0) {
        snap_journal_checkpoint_failed(r->journal);
    } else {
        r->state.epoch = snap_journal_epoch(r->journal);
        put_state(r);
        snap_journal_checkpointed(r->journal);
        r->checkpoints++;
    }
    r->turned = false;
}

static void resume(Rig *r)
{
    GArray *records = g_array_new(false, false, sizeof(SnapMapRecord));
    GError *error = NULL;

    cr_assert(snap_map_get_head(r->file, sizeof(r->file), &r->head, &r->state,
                                &error), "%s", error ? error->message : "");
    r->map = copy_map_new(r->head.length, BLOCK);
    cr_assert(snap_map_get_bits(&r->head, 0, r->file + r->layout.bits, r->map,
                                NULL));
    for (unsigned n = 0; n < 2 * r->head.half_sectors; n++) {
        cr_assert(snap_map_get_records(&r->head, &r->state, n,
                                       r->file + r->layout.journal +
                                       n * SNAP_MAP_SECTOR, records, &error),
                  "%s", error ? error->message : "");
    }
    for (unsigned i = 0; i < records->len; i++) {
        SnapMapRecord *record = &g_array_index(records, SnapMapRecord, i);

        if (sum_of(r->store[record->first]) == record->sum) {
            copy_map_set(r->map, record->first, 1);
            r->resumed_records++;
        }
    }
    g_array_unref(records);
    put_bits(r, 0);
    r->state.epoch += 2;
    put_state(r);
    r->journal = snap_journal_new(&r->head, r->state.epoch);
}

static void check(const Rig *r, uint64_t seed)
{
    for (unsigned b = 0; b < BLOCKS; b++) {
        uint32_t content = copy_map_holds(r->map, b, 1) ? r->store[b]
                                                         : r->now[b];

        cr_assert_eq(content, r->frozen[b], "seed %" G_GUINT64_FORMAT
                     ", block %u", seed, b);
    }
}

static void end(Rig *r)
{
    copy_map_free(r->map);
    snap_journal_free(r->journal);
}

static void crash(Rig *r)
{
    arrive(r, false);
    r->pending_length = 0;
    for (unsigned i = 0; i < COPIES; i++) {
        Copy *copy = &r->copies[i];

        if (copy->step == COPYING && !copy->stored) {
            r->store[copy->block] = dice(r, 2) ? r->now[copy->block]
                                               : 0xdeadbeef;
        }
    }
    memset(r->copies, 0, sizeof(r->copies));
    r->turned = false;
    end(r);
    resume(r);
}

static void act(Rig *r, uint64_t seed)
{
    unsigned n = dice(r, 100);

    if (n < 30) {
        write_block(r);
    } else if (n < 65) {
        step_copy(r);
    } else if (n < 90) {
        step_journal(r);
    } else if (n < 99) {
        step_checkpoint(r);
    } else {
        crash(r);
        check(r, seed);
    }
}

Test(snapshot_crash, whatever_arrived_the_snapshot_is_whole)
{
    const char *s = getenv("SCHEDULES");
    unsigned n = s ? strtoul(s, NULL, 10) : SCHEDULES;
    uint64_t checkpoints = 0, records = 0;

    for (uint64_t seed = 1; seed <= n; seed++) {
        Rig r;

        begin(&r, seed);
        for (unsigned i = 0; i < 500; i++) {
            act(&r, seed);
        }
        crash(&r);
        check(&r, seed);
        end(&r);
        checkpoints += r.checkpoints;
        records += r.resumed_records;
    }
    cr_assert_gt(checkpoints, n);
    cr_assert_gt(records, n);
}
