/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Live snapshots of a storage: who must copy what, when
 *
 * A snapshot is what a storage (a disk, guest memory) held at one instant
 * (US 7,100,006).  The storage is written on: its initial portion is
 * copied at once, a block that is about to be written is copied first, the
 * rest is copied in the background.  This is the engine that decides; it
 * copies nothing itself.  Who uses it reads, stores, waits and counts time.
 *
 * Concepts:
 *
 * - A storage is an array of bytes in blocks; it has snapshots, from the
 *   oldest to the newest.  Each has a copy map and, with its user, a store
 *   of its own for the old content.
 * - A block of a snapshot is not copied, being copied, or copied.  What a
 *   snapshot holds at a block is found in the first of: its own store, the
 *   stores of newer snapshots from the next one on, the storage itself.
 *   So a write copies an old block once, into the newest snapshot's store,
 *   however many snapshots there are: those before it share that copy.
 * - A claim is a range that somebody copies or reads at this moment.
 *   It names where to read (@source: a snapshot, or NULL for the storage).
 *   While it lasts nobody else copies its blocks into that snapshot, and if
 *   it reads the storage nobody writes there.
 * - The initial portion is priority 0; the background copies ranges with
 *   priorities by rising priority, in the order in which they were added,
 *   then the rest in ascending order.
 * - A broken snapshot has lost its instant: it will hold nothing more and
 *   nobody waits for it.  What its store holds may still serve older
 *   snapshots.
 *
 * A write, in the words of the functions: while snap_write() gives SNAP_COPY,
 * copy what the claim says (in turn, or with several at work) and end it
 * with snap_claim_end(); at SNAP_WAIT wait until the claim it names has
 * ended and ask again; at SNAP_GO write.  snap_write_is_free() tells in a
 * few instructions that the answer would be SNAP_GO.
 *
 * Writes that are under way when a snapshot begins belong to neither side of
 * its instant: there must be none.  A write is under way from its SNAP_GO
 * until it is in the storage.
 *
 * Growing a storage concerns no snapshot: it ends where the storage ended at
 * its instant.  Shrinking is a write to what goes.  Discarding is a write.
 *
 * Threads: the caller serialises everything (one mutex for a storage; no
 * call takes long or sleeps), except snap_write_is_free(): any thread, at
 * any time but during snap_begin(), snap_resume() and snap_cancel(), when
 * there are no writes.  No memory is allocated by claims: the caller
 * embeds SnapClaim in what it has for the work.
 */
#ifndef SUNDER_SNAPSHOT_SNAPSHOT_H
#define SUNDER_SNAPSHOT_SNAPSHOT_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "target-models/snapshot/copy-map.h"

/* Snapshots of one storage, those that are kept for others included. */
#define SNAP_MAX_SNAPSHOTS   32
/* Ranges with a priority in one snapshot. */
#define SNAP_MAX_RANGES      4096
#define SNAP_PRIORITY_FIRST  0          /* the initial portion */

typedef struct SnapStorage SnapStorage;
typedef struct Snap Snap;

typedef enum SnapState {
    SNAP_COPYING,               /* blocks are left to be copied */
    SNAP_COMPLETE,              /* all in its own store */
    SNAP_BROKEN,                /* lost */
    SNAP_CANCELLED,             /* kept for an older one that shares it */
} SnapState;

typedef enum SnapPurpose {
    SNAP_DEMAND,                /* copied because it is to be written */
    SNAP_BACKGROUND,            /* copied in its turn */
    SNAP_READ,                  /* somebody reads the snapshot */
} SnapPurpose;

/*
 * SnapClaim:
 *
 * The caller's memory, which must stay where it is until the claim ends.
 * All members are read-only.
 */
typedef struct SnapClaim SnapClaim;
struct SnapClaim {
    Snap *snap;                 /* copied into, or read */
    Snap *source;               /* whose store is read; NULL: the storage */
    SnapPurpose purpose;
    bool is_void;               /* the snapshot broke or was cancelled */
    uint64_t offset;            /* bytes; whole blocks when copied, ... */
    uint64_t length;            /* ... but the snapshot's last may be short */
    SnapClaim *next, *prev;     /* private */
};

/*
 * SnapWake:
 *
 * @claim has ended, or is void and nobody waits for it any more: who waits
 * may ask again.  Called with the caller's lock held, from
 * snap_claim_end(), snap_break() and snap_cancel().  It must not call the
 * engine.
 */
typedef void SnapWake(void *opaque, SnapClaim *claim);

/*
 * SnapRelease:
 *
 * Nothing needs the cancelled snapshot any more; it is freed when this
 * returns.  Its store may be closed.
 */
typedef void SnapRelease(void *opaque, Snap *snap);

typedef struct SnapOperations {
    SnapWake *wake;
    SnapRelease *release;       /* may be NULL */
} SnapOperations;

/* --- Storage and snapshots -------------------------------------------- */

/*
 * snap_storage_new:
 * @block: bytes, a power of two, see copy-map.h
 * @operations: kept
 */
SnapStorage *snap_storage_new(uint32_t block, const SnapOperations *operations,
                              void *opaque);

/* Frees the snapshots too, without telling; there must be no claims. */
void snap_storage_free(SnapStorage *storage);

uint32_t snap_storage_block(const SnapStorage *storage);

/*
 * snap_begin:
 * @length: bytes of the storage now
 * @opaque: the caller's, see snap_opaque()
 *
 * This is the instant: from now on old blocks are kept for it, too.
 * Ranges of the initial portion that cannot be trapped must be copied
 * (snap_background(), after snap_prefer()) before the first write.
 *
 * Returns: the newest snapshot, or NULL when there is no memory or there
 * are SNAP_MAX_SNAPSHOTS.
 */
Snap *snap_begin(SnapStorage *storage, uint64_t length, void *opaque);

/*
 * snap_resume:
 * @map: what was copied; owned by the snapshot from now on, also when
 *     this fails
 *
 * As snap_begin() for a snapshot that began earlier: oldest first, before
 * any write.  Its map's block size is the storage's.
 */
Snap *snap_resume(SnapStorage *storage, CopyMap *map, void *opaque);

/*
 * snap_break:
 *
 * Gives the snapshot up; its claims are void.  Does nothing unless it is
 * being copied or complete.
 */
void snap_break(Snap *snap);

/*
 * snap_cancel:
 *
 * The user needs it no longer, whatever its state.  Its claims are void,
 * but who reads or copies for older ones from its store may go on.
 * It is released (SnapRelease) in this call, or later, when the last
 * older snapshot that shares its copies has gone or has its own, and the
 * last claim that names it has ended.
 */
void snap_cancel(Snap *snap);

SnapState snap_state(const Snap *snap);
const CopyMap *snap_map(const Snap *snap);
void *snap_opaque(const Snap *snap);
SnapStorage *snap_storage(const Snap *snap);

/* Returns: the next newer snapshot, or NULL; with NULL: the oldest. */
Snap *snap_storage_next(const SnapStorage *storage, const Snap *snap);

/* --- Writes ------------------------------------------------------------ */

typedef enum SnapVerdict {
    SNAP_GO,
    SNAP_COPY,
    SNAP_WAIT,
} SnapVerdict;

/*
 * snap_write_is_free:
 * @offset, @length: any range of the storage
 *
 * Returns: true when a write can go at once; false when snap_write() is
 * to be asked.
 */
bool snap_write_is_free(const SnapStorage *storage, uint64_t offset,
                        uint64_t length);

/*
 * snap_write:
 * @max: bytes to claim at most; rounded up to a block
 * @claim: filled in and begun at SNAP_COPY
 * @busy: set at SNAP_WAIT to a claim that stands in the way
 */
SnapVerdict snap_write(SnapStorage *storage, uint64_t offset, uint64_t length,
                       uint64_t max, SnapClaim *claim, SnapClaim **busy);

/*
 * snap_claim_end:
 * @copied: the old content is in the store (for SNAP_READ: ignored)
 *
 * If it was not copied its blocks are as if never claimed: who waited will
 * try again, unless the snapshot is broken before.
 */
void snap_claim_end(SnapClaim *claim, bool copied);

/* --- Background --------------------------------------------------------- */

/*
 * snap_prefer:
 * @priority: SNAP_PRIORITY_FIRST for the initial portion; higher is later
 *
 * What lies beyond the snapshot is cut off; blocks that are touched in part
 * count as a whole.
 *
 * Returns: false when there are SNAP_MAX_RANGES.
 */
bool snap_prefer(Snap *snap, unsigned priority, uint64_t offset,
                 uint64_t length);

/*
 * snap_background:
 * @max: bytes to claim at most; rounded up to a block
 *
 * Begins the claim that is next in turn.
 *
 * Returns: false when nothing is left that is not being copied.
 */
bool snap_background(Snap *snap, uint64_t max, SnapClaim *claim);

/* Whether every range of priority @priority or before it is copied. */
bool snap_priority_done(const Snap *snap, unsigned priority);

/* --- Reading ------------------------------------------------------------ */

/*
 * snap_read:
 * @offset, @length: within the snapshot, @length not 0
 *
 * Begins a claim on the longest part from @offset on that is in one
 * place.  After reading, a claim that is void means that what was read
 * is nothing: the snapshot is gone.  Ranges need not be whole blocks.
 *
 * Returns: false when the snapshot is broken or cancelled.
 */
bool snap_read(Snap *snap, uint64_t offset, uint64_t length,
               SnapClaim *claim);

/*
 * snap_place:
 * @length: bytes, not 0; set to how many from @offset on are there
 * @source: set to whose store holds them, or NULL for the storage
 *
 * Where snap_read() would read, without a claim.
 */
void snap_place(const Snap *snap, uint64_t offset, uint64_t *length,
                Snap **source);

/* --- Rate ---------------------------------------------------------------- */

/*
 * How fast the background may copy.  Zero it, then set @rate, which may
 * change at any time.
 */
typedef struct SnapPace {
    uint64_t rate;              /* bytes a second; 0: no limit */
    uint64_t free_ns;           /* private */
} SnapPace;

/*
 * snap_pace:
 * @bytes: just copied
 * @now_ns: any clock that does not go back
 *
 * Returns: nanoseconds to wait before copying more.  At most a tenth of a
 * second of rest is saved up.
 */
uint64_t snap_pace(SnapPace *pace, uint64_t bytes, uint64_t now_ns);

#endif
