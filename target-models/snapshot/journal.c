/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Map file: the journal. */
#include <string.h>

#include "map-file-internal.h"

/* One epoch, in one half of the journal. */
typedef struct Half {
    uint64_t epoch;
    GArray *records;            /* of SnapMapRecord */
    unsigned written;           /* of these */
    unsigned settled;
    uint64_t blocks;            /* in all of them */
    uint64_t *dirty;            /* a bit for each sector of bits */
} Half;

struct SnapJournal {
    SnapMapHead head;
    SnapMapLayout layout;
    Half half[2];
    uint64_t epoch;             /* the one that goes on */
    bool ended;                 /* the one before is not checkpointed yet */
    bool checkpoint;            /* and somebody is at it */
    Half *writing;              /* NULL: no write is under way */
    unsigned writing_to;        /* records that are in it */
};

static Half *half_of(const SnapJournal *j, uint64_t epoch)
{
    return (Half *)&j->half[epoch % 2];
}

static unsigned capacity(const SnapJournal *j)
{
    return j->head.half_sectors * RECORDS;
}

static size_t dirty_words(const SnapJournal *j)
{
    return j->layout.bits_sectors / 64 + 1;
}

static void begin_epoch(SnapJournal *j, uint64_t epoch)
{
    Half *half = half_of(j, epoch);

    half->epoch = epoch;
    g_array_set_size(half->records, 0);
    half->written = half->settled = 0;
    half->blocks = 0;
    memset(half->dirty, 0, dirty_words(j) * sizeof(*half->dirty));
    j->epoch = epoch;
}

SnapJournal *snap_journal_new(const SnapMapHead *head, uint64_t epoch)
{
    SnapJournal *j = g_new0(SnapJournal, 1);

    j->head = *head;
    snap_map_layout(&j->head, &j->layout);
    for (unsigned i = 0; i < 2; i++) {
        j->half[i].records = g_array_new(false, false, sizeof(SnapMapRecord));
        j->half[i].dirty = g_new0(uint64_t, dirty_words(j));
    }
    begin_epoch(j, epoch);
    return j;
}

void snap_journal_free(SnapJournal *j)
{
    if (!j) {
        return;
    }
    for (unsigned i = 0; i < 2; i++) {
        g_array_unref(j->half[i].records);
        g_free(j->half[i].dirty);
    }
    g_free(j);
}

static void end_epoch(SnapJournal *j)
{
    j->ended = true;
    begin_epoch(j, j->epoch + 1);
}

bool snap_journal_add(SnapJournal *j, const SnapMapRecord *record,
                      uint64_t *ticket)
{
    Half *half = half_of(j, j->epoch);

    if (half->records->len >= capacity(j)) {
        if (j->ended) {
            return false;
        }
        end_epoch(j);
        half = half_of(j, j->epoch);
    }
    *ticket = j->epoch << 32 | half->records->len;
    g_array_append_val(half->records, *record);
    half->blocks += record->count;
    return true;
}

/* An epoch that has gone was written and settled. */
static Half *half_at(const SnapJournal *j, uint64_t ticket)
{
    Half *half = half_of(j, ticket >> 32);

    return half->epoch == ticket >> 32 ? half : NULL;
}

bool snap_journal_has(const SnapJournal *j, uint64_t ticket)
{
    const Half *half = half_at(j, ticket);

    return !half || (uint32_t)ticket < half->written;
}

void snap_journal_settle(SnapJournal *j, uint64_t ticket)
{
    Half *half = half_at(j, ticket);
    const SnapMapRecord *r;

    if (!half) {
        return;
    }
    r = &g_array_index(half->records, SnapMapRecord, (uint32_t)ticket);
    for (uint64_t n = r->first / SNAP_MAP_BITS;
         n <= (r->first + r->count - 1) / SNAP_MAP_BITS; n++) {
        half->dirty[n / 64] |= UINT64_C(1) << n % 64;
    }
    half->settled++;
}

/* The epoch that ended goes first: its checkpoint waits for it. */
static Half *half_to_write(SnapJournal *j)
{
    Half *before = half_of(j, j->epoch + 1);
    Half *now = half_of(j, j->epoch);

    if (j->ended && before->written < before->records->len) {
        return before;
    }
    return now->written < now->records->len ? now : NULL;
}

uint64_t snap_journal_take(SnapJournal *j, uint8_t *bytes, uint64_t max,
                           uint64_t *offset)
{
    Half *half = j->writing ? NULL : half_to_write(j);
    unsigned first, sector, n;
    uint64_t base;

    if (!half) {
        return 0;
    }
    first = half->written / RECORDS;
    base = half->epoch % 2 * j->head.half_sectors;
    for (sector = first; sector * RECORDS < half->records->len &&
         (uint64_t)(sector - first + 1) * SNAP_MAP_SECTOR <= max; sector++) {
        n = MIN(half->records->len - sector * RECORDS, RECORDS);
        map_put_records(&j->head, base + sector, half->epoch,
                        &g_array_index(half->records, SnapMapRecord,
                                       sector * RECORDS),
                        n, bytes + (sector - first) * SNAP_MAP_SECTOR);
    }
    j->writing = half;
    j->writing_to = MIN(sector * RECORDS, half->records->len);
    *offset = j->layout.journal + (base + first) * SNAP_MAP_SECTOR;
    return (uint64_t)(sector - first) * SNAP_MAP_SECTOR;
}

void snap_journal_wrote(SnapJournal *j, bool ok)
{
    if (ok) {
        j->writing->written = j->writing_to;
    }
    j->writing = NULL;
}

bool snap_journal_wants_checkpoint(const SnapJournal *j, uint64_t bytes)
{
    if (j->checkpoint) {
        return false;
    }
    return j->ended || half_of(j, j->epoch)->blocks * j->head.block >= bytes;
}

void snap_journal_turn(SnapJournal *j)
{
    j->checkpoint = true;
    if (!j->ended) {
        end_epoch(j);
    }
}

bool snap_journal_turned(const SnapJournal *j)
{
    const Half *before = half_of(j, j->epoch + 1);

    return before->settled == before->records->len &&
           before->written == before->records->len && j->writing != before;
}

uint64_t snap_journal_epoch(const SnapJournal *j)
{
    return j->epoch;
}

uint64_t snap_journal_next_dirty(const SnapJournal *j, uint64_t n)
{
    const Half *before = half_of(j, j->epoch + 1);

    for (; n < j->layout.bits_sectors; n++) {
        if (before->dirty[n / 64] >> n % 64 & 1) {
            return n;
        }
        if (before->dirty[n / 64] == 0) {
            n |= 63;
        }
    }
    return j->layout.bits_sectors;
}

void snap_journal_checkpointed(SnapJournal *j)
{
    j->ended = j->checkpoint = false;
}

void snap_journal_checkpoint_failed(SnapJournal *j)
{
    j->checkpoint = false;
}
