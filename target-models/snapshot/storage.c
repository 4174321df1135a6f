/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Live snapshots: the chain of snapshots of a storage, birth and end. */
#include "snapshot-internal.h"

SnapStorage *snap_storage_new(uint32_t block, const SnapOperations *operations,
                              void *opaque)
{
    SnapStorage *storage = g_new0(SnapStorage, 1);

    g_assert(block >= COPY_MAP_MIN_BLOCK && block <= COPY_MAP_MAX_BLOCK);
    g_assert((block & (block - 1)) == 0);
    storage->block = block;
    storage->operations = operations;
    storage->opaque = opaque;
    storage->claims.next = storage->claims.prev = &storage->claims;
    return storage;
}

uint32_t snap_storage_block(const SnapStorage *storage)
{
    return storage->block;
}

/* Writes copy into the newest that lives. */
static void choose_target(SnapStorage *storage)
{
    Snap *snap = storage->newest;

    while (snap && !snap_lives(snap)) {
        snap = snap->older;
    }
    __atomic_store_n(&storage->target, snap, __ATOMIC_RELEASE);
}

static void unlink_snap(Snap *snap)
{
    SnapStorage *storage = snap->storage;

    *(snap->older ? &snap->older->newer : &storage->oldest) = snap->newer;
    *(snap->newer ? &snap->newer->older : &storage->newest) = snap->older;
    storage->n_snaps--;
}

static void free_snap(Snap *snap)
{
    copy_map_free(snap->map);
    g_array_unref(snap->ranges);
    g_free(snap);
}

void snap_storage_free(SnapStorage *storage)
{
    Snap *snap, *next;

    if (!storage) {
        return;
    }
    g_assert(storage->claims.next == &storage->claims);
    for (snap = storage->oldest; snap; snap = next) {
        next = snap->newer;
        free_snap(snap);
    }
    g_free(storage);
}

Snap *snap_resume(SnapStorage *storage, CopyMap *map, void *opaque)
{
    Snap *snap;

    g_assert(copy_map_block(map) == storage->block);
    if (storage->n_snaps >= SNAP_MAX_SNAPSHOTS) {
        copy_map_free(map);
        return NULL;
    }
    snap = g_new0(Snap, 1);
    snap->storage = storage;
    snap->map = map;
    snap->opaque = opaque;
    snap->state = copy_map_left(map) ? SNAP_COPYING : SNAP_COMPLETE;
    snap->ranges = g_array_new(false, false, sizeof(Range));
    snap->rest.end = copy_map_blocks(map);
    snap->older = storage->newest;
    *(snap->older ? &snap->older->newer : &storage->oldest) = snap;
    storage->newest = snap;
    storage->n_snaps++;
    choose_target(storage);
    return snap;
}

Snap *snap_begin(SnapStorage *storage, uint64_t length, void *opaque)
{
    CopyMap *map = copy_map_new(length, storage->block);

    return map ? snap_resume(storage, map, opaque) : NULL;
}

/* Nobody waits for what is copied into it or read of it any more. */
static void void_claims(Snap *snap)
{
    SnapStorage *storage = snap->storage;
    SnapClaim *claim;

    for (claim = storage->claims.next; claim != &storage->claims;
         claim = claim->next) {
        if (claim->snap == snap && !claim->is_void) {
            claim->is_void = true;
            if (!claim->source) {
                __atomic_sub_fetch(&storage->n_reading, 1, __ATOMIC_RELEASE);
            }
            storage->operations->wake(storage->opaque, claim);
        }
    }
}

void snap_break(Snap *snap)
{
    if (snap_lives(snap)) {
        snap->state = SNAP_BROKEN;
        choose_target(snap->storage);
        void_claims(snap);
        snap_settled(snap);
    }
}

void snap_cancel(Snap *snap)
{
    if (snap->state != SNAP_CANCELLED) {
        snap->state = SNAP_CANCELLED;
        choose_target(snap->storage);
        void_claims(snap);
        snap_settled(snap);
    }
}

/* Whether an older one that lives has blocks in @snap's store only. */
static bool shared(const Snap *snap)
{
    for (const Snap *s = snap->older; s; s = s->older) {
        if (s->state == SNAP_COPYING &&
            copy_map_any_only_in(s->map, snap->map)) {
            return true;
        }
    }
    return false;
}

void snap_storage_reap(SnapStorage *storage)
{
    Snap *snap, *next;

    for (snap = storage->oldest; snap; snap = next) {
        next = snap->newer;
        if (snap->is_unneeded && snap->names == 0) {
            unlink_snap(snap);
            if (storage->operations->release) {
                storage->operations->release(storage->opaque, snap);
            }
            free_snap(snap);
        }
    }
}

/* It and those newer than it may be needed no longer. */
void snap_settled(Snap *snap)
{
    for (Snap *s = snap; s; s = s->newer) {
        if (s->state == SNAP_CANCELLED && !s->is_unneeded) {
            s->is_unneeded = !shared(s);
        }
    }
    snap_storage_reap(snap->storage);
}

SnapState snap_state(const Snap *snap)
{
    return snap->state;
}

const CopyMap *snap_map(const Snap *snap)
{
    return snap->map;
}

void *snap_opaque(const Snap *snap)
{
    return snap->opaque;
}

SnapStorage *snap_storage(const Snap *snap)
{
    return snap->storage;
}

Snap *snap_storage_next(const SnapStorage *storage, const Snap *snap)
{
    return snap ? snap->newer : storage->oldest;
}
