/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Live snapshots: where old content is; claims, writes and readers. */
#include "snapshot-internal.h"

Snap *snap_locate(const Snap *snap, uint64_t first, uint64_t *end)
{
    for (const Snap *s = snap; s; s = s->newer) {
        uint64_t blocks = MIN(*end, copy_map_blocks(s->map));
        uint64_t next = copy_map_next(s->map, first, blocks, true);

        if (first < blocks && next == first) {
            *end = copy_map_next(s->map, first, blocks, false);
            return (Snap *)s;
        }
        if (next < blocks) {
            *end = next;
        }
    }
    return NULL;
}

void snap_touched(const Snap *snap, uint64_t offset, uint64_t length,
                  uint64_t *first, uint64_t *end)
{
    uint32_t block = snap->storage->block;
    uint64_t limit = copy_map_length(snap->map);

    if (length == 0 || offset >= limit) {
        *first = *end = 0;
        return;
    }
    length = MIN(length, limit - offset);
    *first = offset / block;
    *end = (offset + length - 1) / block + 1;
}

SnapClaim *snap_copying(const Snap *snap, uint64_t first, uint64_t *end)
{
    const SnapClaim *ring = &snap->storage->claims;
    uint32_t block = snap->storage->block;

    for (SnapClaim *c = ring->next; c != ring; c = c->next) {
        uint64_t begins = c->offset / block;
        uint64_t ends = (c->offset + c->length - 1) / block + 1;

        if (c->snap != snap || c->is_void || c->purpose == SNAP_READ ||
            ends <= first || begins >= *end) {
            continue;
        }
        if (begins <= first) {
            return c;
        }
        *end = begins;
    }
    return NULL;
}

void snap_claim_begin(SnapClaim *claim, Snap *snap, Snap *source,
                      SnapPurpose purpose, uint64_t offset, uint64_t length)
{
    SnapStorage *storage = snap->storage;
    SnapClaim *ring = &storage->claims;

    *claim = (SnapClaim) {
        .snap = snap,
        .source = source,
        .purpose = purpose,
        .offset = offset,
        .length = MIN(length, copy_map_length(snap->map) - offset),
        .next = ring,
        .prev = ring->prev,
    };
    ring->prev->next = claim;
    ring->prev = claim;
    snap->names++;
    if (source) {
        source->names++;
    } else {
        __atomic_add_fetch(&storage->n_reading, 1, __ATOMIC_RELEASE);
    }
}

static void set_copied(SnapClaim *claim)
{
    Snap *snap = claim->snap;
    uint64_t first, end;

    snap_touched(snap, claim->offset, claim->length, &first, &end);
    copy_map_set(snap->map, first, end - first);
    if (copy_map_copied(snap->map) == copy_map_blocks(snap->map)) {
        snap->state = SNAP_COMPLETE;
    }
}

void snap_claim_end(SnapClaim *claim, bool copied)
{
    Snap *snap = claim->snap;
    SnapStorage *storage = snap->storage;
    bool lives = !claim->is_void;

    /* bits before the count: see snap_write_is_free() */
    if (lives && copied && claim->purpose != SNAP_READ) {
        set_copied(claim);
    }
    if (lives && !claim->source) {
        __atomic_sub_fetch(&storage->n_reading, 1, __ATOMIC_RELEASE);
    }
    claim->prev->next = claim->next;
    claim->next->prev = claim->prev;
    snap->names--;
    if (claim->source) {
        claim->source->names--;
    }
    if (lives) {
        storage->operations->wake(storage->opaque, claim);
    }
    if (snap->state == SNAP_COMPLETE && claim->purpose != SNAP_READ) {
        snap_settled(snap);
    } else if (!lives || claim->source) {
        snap_storage_reap(storage);
    }
}

/*
 * A claim on the storage begins only where no snapshot's bit is set.  So
 * who sees the bit and then a count of 0 knows that those which began
 * before have ended, and that none will begin.
 */
bool snap_write_is_free(const SnapStorage *storage, uint64_t offset,
                        uint64_t length)
{
    const Snap *target = __atomic_load_n(&storage->target, __ATOMIC_ACQUIRE);
    uint64_t first, end;

    if (!target) {
        return true;
    }
    snap_touched(target, offset, length, &first, &end);
    return copy_map_holds(target->map, first, end - first) &&
           __atomic_load_n(&storage->n_reading, __ATOMIC_ACQUIRE) == 0;
}

/* A claim that reads the storage where it is to be written. */
static SnapClaim *reader_at(const SnapStorage *storage, uint64_t offset,
                            uint64_t length)
{
    const SnapClaim *ring = &storage->claims;

    for (SnapClaim *c = ring->next; c != ring; c = c->next) {
        if (!c->is_void && !c->source && c->offset < offset + length &&
            offset < c->offset + c->length) {
            return c;
        }
    }
    return NULL;
}

/* Begins a claim on the first run that is neither kept nor claimed. */
static bool claim_needed(Snap *target, uint64_t first, uint64_t end,
                         uint64_t max, SnapClaim *claim, SnapClaim **busy)
{
    uint32_t block = target->storage->block;
    uint64_t run;

    for (uint64_t b = first; b < end; b = run) {
        SnapClaim *other;

        run = end;
        if (snap_locate(target, b, &run)) {
            continue;
        }
        other = snap_copying(target, b, &run);
        if (other) {
            *busy = other;
            run = (other->offset + other->length - 1) / block + 1;
            continue;
        }
        run = MIN(run, b + MAX(max / block, 1));
        snap_claim_begin(claim, target, NULL, SNAP_DEMAND, b * block,
                         (run - b) * block);
        return true;
    }
    return false;
}

SnapVerdict snap_write(SnapStorage *storage, uint64_t offset, uint64_t length,
                       uint64_t max, SnapClaim *claim, SnapClaim **busy)
{
    Snap *target = storage->target;
    uint64_t first, end;

    *busy = NULL;
    if (!target || length == 0) {
        return SNAP_GO;
    }
    snap_touched(target, offset, length, &first, &end);
    if (claim_needed(target, first, end, max, claim, busy)) {
        return SNAP_COPY;
    }
    if (!*busy) {
        *busy = reader_at(storage, offset, length);
    }
    return *busy ? SNAP_WAIT : SNAP_GO;
}

void snap_place(const Snap *snap, uint64_t offset, uint64_t *length,
                Snap **source)
{
    uint32_t block = snap->storage->block;
    uint64_t first, end;

    snap_touched(snap, offset, *length, &first, &end);
    *source = snap_locate(snap, first, &end);
    *length = MIN(*length, end * block - offset);
}

bool snap_read(Snap *snap, uint64_t offset, uint64_t length, SnapClaim *claim)
{
    Snap *source;

    if (!snap_lives(snap)) {
        return false;
    }
    snap_place(snap, offset, &length, &source);
    snap_claim_begin(claim, snap, source, SNAP_READ, offset, length);
    return true;
}
