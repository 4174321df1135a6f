/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Map file: a copy map that survives its process
 *
 * Two parts: the format, which is checked in full when it is read, and the
 * journal, which decides what has to be written where and when.  Bytes
 * are read and written by the caller.
 *
 * Concepts:
 *
 * - The file is an array of sectors of 512 bytes, the unit that a disk
 *   writes whole or not at all.  Each carries its kind, its number, the
 *   snapshot's UUID and a checksum: a sector that is torn, altered, from
 *   another file or in another place is known.
 * - The head says what the snapshot is: sizes, UUID, the fingerprint of the
 *   disk.  The state says how it is: clean or in use, on which boot of the
 *   host, the first epoch of the journal that counts, why it broke, which
 *   newer snapshot shares its copies with it.
 * - The fingerprint is checksums of up to SNAP_MAP_PRINTS blocks, spread
 *   over the disk, as they were at the instant.  Read through the resumed
 *   snapshot they must be the same: or map, store and disk do not belong
 *   together.
 * - The journal has two halves that take turns.  A record names blocks that
 *   are being copied and the checksum of their old content; it is
 *   written at the same time as the store, and before the guest's data.
 *   After a crash the store is read: where the checksum is right the copy
 *   had arrived, where it is not the guest's write had not begun.
 * - An epoch is the time between two turns.  When it ends and its copies
 *   have arrived, the bits they set are written (a checkpoint) and the
 *   state names the next epoch as the first that counts.
 *
 * The caller serialises.  Not the host's byte order: little-endian.
 */
#ifndef SUNDER_SNAPSHOT_MAP_FILE_H
#define SUNDER_SNAPSHOT_MAP_FILE_H

#include "target-models/snapshot/copy-map.h"

#define SNAP_MAP_SECTOR     512
#define SNAP_MAP_VERSION    1
#define SNAP_MAP_PRINTS     56
#define SNAP_MAP_REASON     160         /* bytes of a reason with its NUL */
#define SNAP_MAP_UUID       16
#define SNAP_MAP_BOOT       16
/* Bytes of head and state, at the start of the file. */
#define SNAP_MAP_HEAD       (2 * SNAP_MAP_SECTOR)

#define SNAP_MAP_ERROR snap_map_error_quark()
GQuark snap_map_error_quark(void);

typedef enum SnapMapError {
    SNAP_MAP_ERROR_EMPTY,       /* nothing was ever written there */
    SNAP_MAP_ERROR_FORMAT,      /* no map file, or of another version */
    SNAP_MAP_ERROR_DAMAGED,     /* truncated, altered, torn */
    SNAP_MAP_ERROR_OTHER,       /* of another disk or store */
    SNAP_MAP_ERROR_UNSAFE,      /* the host stopped before it was flushed */
    SNAP_MAP_ERROR_BROKEN,      /* the snapshot broke while it was in use */
} SnapMapError;

typedef struct SnapMapHead {
    uint64_t length;            /* bytes of the snapshot */
    uint32_t block;             /* bytes */
    uint32_t half_sectors;      /* of each half of the journal */
    uint8_t uuid[SNAP_MAP_UUID];
    uint32_t n_prints;          /* 0 until they have been taken */
    uint64_t prints[SNAP_MAP_PRINTS];
} SnapMapHead;

typedef struct SnapMapState {
    bool clean;                 /* closed: all bits are written */
    bool power_safe;            /* flushed before each guest's write */
    uint64_t epoch;             /* the first that counts */
    uint8_t boot[SNAP_MAP_BOOT];
    uint8_t newer[SNAP_MAP_UUID];       /* zeroes: none */
    char reason[SNAP_MAP_REASON];       /* not empty: it is broken */
} SnapMapState;

/* Where things are, in bytes. */
typedef struct SnapMapLayout {
    uint64_t journal;           /* two halves */
    uint64_t half;              /* bytes of one */
    uint64_t bits;
    uint64_t bits_sectors;
    uint64_t size;              /* of the file */
} SnapMapLayout;

/* Blocks in one sector of bits. */
#define SNAP_MAP_BITS       (8 * 472)

/* @half_sectors 0: a fitting number.  Sets @head->half_sectors. */
void snap_map_layout(SnapMapHead *head, SnapMapLayout *layout);

/* Returns: the checksum of old content, for prints and records. */
uint64_t snap_map_sum(const void *bytes, uint64_t length);

/*
 * snap_map_print_offset:
 * @n: 0 to snap_map_prints_wanted() - 1
 *
 * Returns: the first byte of the block that print @n is taken of; the last
 * block may be short.
 */
unsigned snap_map_prints_wanted(const SnapMapHead *head);
uint64_t snap_map_print_offset(const SnapMapHead *head, unsigned n);

void snap_map_put_head(const SnapMapHead *head,
                       uint8_t sector[SNAP_MAP_SECTOR]);
void snap_map_put_state(const SnapMapHead *head, const SnapMapState *state,
                        uint8_t sector[SNAP_MAP_SECTOR]);
void snap_map_put_bits(const SnapMapHead *head, const CopyMap *map,
                       uint64_t n, uint8_t sector[SNAP_MAP_SECTOR]);

/* Sector @n of the journal, both halves counted, as it is at first. */
void snap_map_put_blank(const SnapMapHead *head, uint64_t n,
                        uint8_t sector[SNAP_MAP_SECTOR]);

/*
 * snap_map_get_head:
 * @bytes: the first SNAP_MAP_HEAD bytes of the file
 * @file_size: bytes of the file; it may be longer than the layout
 * @state: filled in too
 *
 * Returns: true, or false with @error set: what is wrong, what was found
 * and what was expected.  A snapshot that is broken is no error here.
 */
bool snap_map_get_head(const uint8_t *bytes, uint64_t file_size,
                       SnapMapHead *head, SnapMapState *state,
                       GError **error);

/*
 * snap_map_check_use:
 * @boot: of this host now
 * @block: bytes wanted, or 0
 *
 * Returns: whether the snapshot can be resumed here, or false with @error.
 */
bool snap_map_check_use(const SnapMapHead *head, const SnapMapState *state,
                        const uint8_t boot[SNAP_MAP_BOOT], uint32_t block,
                        GError **error);

/* Sets the bits of sector @n; or false with @error set, none set. */
bool snap_map_get_bits(const SnapMapHead *head, uint64_t n,
                       const uint8_t sector[SNAP_MAP_SECTOR], CopyMap *map,
                       GError **error);

/* What was being copied: blocks, and the checksum of their old content. */
typedef struct SnapMapRecord {
    uint64_t first;             /* block */
    uint32_t count;             /* blocks, at least 1 */
    uint64_t sum;
} SnapMapRecord;

/*
 * snap_map_get_records:
 * @n: of the sector, from the start of the journal, both halves counted
 *
 * Appends the records of sector @n to @records (of SnapMapRecord) if it
 * belongs to @state->epoch or the one after; what is older has none.
 */
bool snap_map_get_records(const SnapMapHead *head, const SnapMapState *state,
                          uint64_t n, const uint8_t sector[SNAP_MAP_SECTOR],
                          GArray *records, GError **error);

/* --- Writing it ---------------------------------------------------------- */

typedef struct SnapJournal SnapJournal;

/*
 * snap_journal_new:
 * @head: copied; laid out
 * @epoch: the first; for a resumed map two above the state's
 */
SnapJournal *snap_journal_new(const SnapMapHead *head, uint64_t epoch);
void snap_journal_free(SnapJournal *journal);

/*
 * snap_journal_add:
 * @ticket: set to what tells the record apart
 *
 * Adds a record.  It counts once snap_journal_wrote() has taken in the
 * write that holds it: snap_journal_has().
 *
 * Returns: false when both halves are full: wait for the checkpoint.
 */
bool snap_journal_add(SnapJournal *journal, const SnapMapRecord *record,
                      uint64_t *ticket);

/* Whether the record is in the file. */
bool snap_journal_has(const SnapJournal *journal, uint64_t ticket);

/* The copy has arrived and its bit is set, or it was given up. */
void snap_journal_settle(SnapJournal *journal, uint64_t ticket);

/*
 * snap_journal_take:
 * @bytes: room for @max bytes, a multiple of SNAP_MAP_SECTOR
 * @offset: set to where in the file to write them
 *
 * Returns: bytes to write now; 0 when there is nothing, or a write is
 * under way: one at a time.
 */
uint64_t snap_journal_take(SnapJournal *journal, uint8_t *bytes, uint64_t max,
                           uint64_t *offset);

/* The write that was taken ended; on failure it is given again. */
void snap_journal_wrote(SnapJournal *journal, bool ok);

/*
 * snap_journal_wants_checkpoint:
 *
 * Whether an epoch is over, or the one going on has @bytes of copies or
 * more, and no checkpoint is under way.
 */
bool snap_journal_wants_checkpoint(const SnapJournal *journal,
                                   uint64_t bytes);

/*
 * A checkpoint.  snap_journal_turn() ends the epoch that goes on, unless
 * it has ended.  Once snap_journal_turned() tells that all of its records
 * are settled, the caller writes the sectors of bits that
 * snap_journal_next_dirty() names, flushes if it is power safe, writes the
 * state with snap_journal_epoch() and calls snap_journal_checkpointed().
 * If writing fails snap_journal_checkpoint_failed(): all is as before.
 */
void snap_journal_turn(SnapJournal *journal);
bool snap_journal_turned(const SnapJournal *journal);
uint64_t snap_journal_epoch(const SnapJournal *journal);

/*
 * snap_journal_next_dirty:
 * @n: sector of bits from which to look
 *
 * Returns: the next sector whose bits changed in the epoch that ended, or
 * the number of sectors.
 */
uint64_t snap_journal_next_dirty(const SnapJournal *journal, uint64_t n);
void snap_journal_checkpointed(SnapJournal *journal);
void snap_journal_checkpoint_failed(SnapJournal *journal);

#endif
