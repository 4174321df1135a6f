/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Page-mapping cookies: what the files of this folder share
 *
 * Translations live in blocks: one for 64 neighbouring entries of one
 * page table of the guest, so that the entries above are remembered once
 * (the path) and the leaf is found without a pointer of its own.  Blocks
 * of a device stand in a hash by level and address.
 *
 * A block and its hash entry never go while the hash lives; a hash, a block
 * or a path that is replaced is retired.  Slots change in place: entry is
 * the one word that a translation is made of, and it is compared with guest
 * memory whenever it is used, so a reader that meets a slot while it
 * changes finds either a valid translation or a reason to take the lock.
 */
#ifndef SUNDER_PAGING_INTERNAL_H
#define SUNDER_PAGING_INTERNAL_H

#include <stdatomic.h>

#include "target-models/paging/paging.h"

#define PAGE_SHIFT      12
#define LEVEL_BITS      9
#define LEVEL_ENTRIES   512
#define BLOCK_BITS      6
#define BLOCK_SLOTS     (1u << BLOCK_BITS)
#define LEAF_LEVELS     3

/* Slot.stamp: there was a translation here, and an invalidation took it. */
#define STAMP_DROPPED   UINT64_MAX

/*
 * PagingTable.map_epoch is odd while memory changes: what is looked up then
 * may be from before, and is used once.  This one never comes.
 */
#define MAP_EPOCH_NEVER UINT64_MAX

/* Invalidations of a domain or of everything whose time is remembered. */
#define LOG_SIZE        64

/*
 * The way to a table of leaves; immutable but for its users.  Blocks of one
 * table share it, so that it stays in the host's caches.
 */
typedef struct Path {
    uint64_t map_epoch;         /* host addresses are valid in this one */
    unsigned n;                 /* entries above, 0 to 3 */
    unsigned permissions;       /* of those */
    const uint64_t *parents[3];
    uint64_t values[3];
    const uint64_t *leaves;     /* the 512 entries, in guest memory */
    unsigned users;             /* blocks; with the lock */
} Path;

typedef struct Slot {
    _Atomic uint64_t entry;     /* 0: no translation */
    _Atomic uint64_t stamp;     /* epoch when last seen valid */
    _Atomic uint64_t seen_ns;   /* time when last seen valid */
} Slot;

typedef struct Block {
    uint64_t key;
    _Atomic(Path *) path;
    Slot slots[BLOCK_SLOTS];
} Block;

typedef struct Bucket {
    _Atomic uint64_t key;       /* 0: free */
    _Atomic(Block *) block;
} Bucket;

typedef struct Hash {
    unsigned bits;
    unsigned used;
    Bucket buckets[];
} Hash;

/* Counters of hits, a cache line for each thread. */
typedef struct Shard {
    _Alignas(64) _Atomic uint64_t translations;
    _Atomic uint64_t last_iova;
    _Atomic uint64_t last_ns;
} Shard;

struct PagingDevice {
    PagingTable *table;
    _Atomic(Hash *) hash;
    _Atomic unsigned n_blocks[LEAF_LEVELS + 1];     /* by level */
    _Atomic bool has_context;
    PagingContext context;
    _Atomic unsigned domain;            /* context.domain, for readers */
    /*
     * From here on what is written.  The epoch of the latest stamp; 0: none
     * since all were last dropped.  Set before the stamp.
     */
    _Alignas(64) _Atomic uint64_t used_epoch;
    uint64_t live;                      /* slots with an entry */
    uint64_t swept;                     /* epoch up to which it is swept */
    uint64_t sweep_target;              /* of the sweep under way */
    unsigned sweep_at;                  /* its next bucket */
    uint64_t misses, revalidated, stale, faults, dropped;
    uint64_t ledger_invalidations;      /* of pages */
    _Atomic uint64_t ledger_drops;      /* of all, found at the next use */
    _Atomic uint64_t ledger_entries;
    uint64_t ledger_stale, ledger_total_ns, ledger_max_ns;
    Shard shards[PAGING_SHARDS];
};

typedef struct LogEntry {
    uint64_t epoch;
    uint64_t now_ns;
    int domain;                         /* -1: all */
} LogEntry;

typedef struct Postponed {
    PagingInvalidation invalidation;
    uint64_t epoch;
} Postponed;

/*
 * An invalidation of a domain or of everything touches the first two cache
 * lines, the log's next entry and a domain's number, and nothing else.
 */
struct PagingTable {
    _Alignas(64) _Atomic uint64_t epoch;
    _Atomic uint64_t map_epoch;
    _Atomic uint64_t global_epoch;      /* of the latest global one */
    uint64_t address_mask;              /* of an entry's address */
    _Atomic uint64_t *domain_epochs;    /* by domain */
    _Alignas(64) GMutex lock;
    _Atomic bool needs_sweep;
    bool has_postponed;
    unsigned log_at;                    /* entries ever written */
    PagingMemory memory;
    PagingUnit unit;
    _Atomic int mode;
    unsigned n_blocks;
    GPtrArray *devices;
    GArray *postponed;
    LogEntry log[LOG_SIZE];
};

static inline unsigned level_shift(unsigned level)
{
    return PAGE_SHIFT + (level - 1) * LEVEL_BITS;
}

static inline uint64_t level_mask(unsigned level)
{
    return (UINT64_C(1) << level_shift(level)) - 1;
}

static inline unsigned level_index(uint64_t iova, unsigned level)
{
    return (iova >> level_shift(level)) & (LEVEL_ENTRIES - 1);
}

static inline unsigned slot_index(uint64_t iova, unsigned level)
{
    return level_index(iova, level) & (BLOCK_SLOTS - 1);
}

static inline uint64_t block_key(uint64_t iova, unsigned level)
{
    return (iova >> (level_shift(level) + BLOCK_BITS)) << 2 | level;
}

static inline uint64_t block_iova(uint64_t key)
{
    return (key >> 2) << (level_shift(key & 3) + BLOCK_BITS);
}

/* Entries in guest memory are little endian and change at any time. */
static inline uint64_t load_entry(const uint64_t *entry)
{
    return GUINT64_FROM_LE(__atomic_load_n(entry, __ATOMIC_RELAXED));
}

static inline uint64_t load(_Atomic uint64_t *value)
{
    return atomic_load_explicit(value, memory_order_relaxed);
}

static inline void store(_Atomic uint64_t *value, uint64_t to)
{
    atomic_store_explicit(value, to, memory_order_relaxed);
}

static inline bool path_holds(const Path *path, uint64_t map_epoch)
{
    if (path->map_epoch != map_epoch) {
        return false;
    }
    for (unsigned i = 0; i < path->n; i++) {
        if (load_entry(path->parents[i]) != path->values[i]) {
            return false;
        }
    }
    return true;
}

/* Returns: the block of @key, or NULL. */
static inline Block *hash_find(Hash *hash, uint64_t key)
{
    unsigned mask = (1u << hash->bits) - 1;
    unsigned i = key * UINT64_C(0x9e3779b97f4a7c15) >> (64 - hash->bits);

    for (;; i = (i + 1) & mask) {
        uint64_t k = atomic_load_explicit(&hash->buckets[i].key,
                                          memory_order_acquire);

        if (k == key) {
            return atomic_load_explicit(&hash->buckets[i].block,
                                        memory_order_relaxed);
        }
        if (k == 0) {
            return NULL;
        }
    }
}

static inline Block *device_find(PagingDevice *device, uint64_t iova,
                                 unsigned level)
{
    if (!atomic_load_explicit(&device->n_blocks[level],
                              memory_order_relaxed)) {
        return NULL;
    }
    return hash_find(atomic_load_explicit(&device->hash,
                                          memory_order_acquire),
                     block_key(iova, level));
}

/* The number of the latest invalidation of all that @device has. */
static inline uint64_t device_invalidated(const PagingDevice *device)
{
    PagingTable *table = device->table;
    unsigned domain = atomic_load_explicit(&device->domain,
                                           memory_order_relaxed);

    return MAX(load(&table->global_epoch),
               load(&table->domain_epochs[domain]));
}

/*
 * A translation of @device is about to be stamped with @epoch, when the
 * latest invalidation of all was @invalidated.  Invalidations of all look at
 * no device: that one dropped something of this one is found here.  Any
 * thread.
 */
static inline void device_note_use(PagingDevice *device, uint64_t epoch,
                                   uint64_t invalidated)
{
    uint64_t used = load(&device->used_epoch);

    while (used < epoch) {
        if (atomic_compare_exchange_weak(&device->used_epoch, &used, epoch)) {
            if (used && used < invalidated) {
                atomic_fetch_add_explicit(&device->ledger_drops, 1,
                                          memory_order_relaxed);
            }
            return;
        }
    }
}

bool paging_entry_is_leaf(uint64_t entry, unsigned level);
/* Returns: what an access of kind @access through @entry meets. */
PagingReason paging_entry_check(const PagingTable *table, uint64_t entry,
                                unsigned level, unsigned access);

/* All of these want the lock. */

void paging_walk_locked(PagingTable *table, const PagingContext *context,
                        uint64_t iova, unsigned access, PagingWalk *walk);

void paging_retire(PagingTable *table, void *memory);
/* Gives @block another path, which gets a user more. */
void paging_block_set_path(PagingTable *table, Block *block, Path *path);
/* Returns: the block, made when there is none. */
Block *paging_device_block(PagingDevice *device, uint64_t iova,
                           unsigned level);
/* Drops all translations of @device. */
void paging_device_drop(PagingDevice *device);

/* Whether what is in memory differs from what @slot was made from. */
bool paging_slot_changed(PagingDevice *device, Block *block, Slot *slot);
/* Takes the translation out of @slot, which has one. */
void paging_slot_drop(PagingDevice *device, Slot *slot);
/*
 * Writes in the ledger that an invalidation at @now_ns took @slot.
 */
void paging_ledger_drop(PagingDevice *device, Block *block, Slot *slot,
                        uint64_t now_ns);
/* Returns: how many invalidations dropped something of @device. */
uint64_t paging_ledger_invalidations(PagingDevice *device);
/* Time of the first invalidation of the domain or of all after @epoch. */
uint64_t paging_log_time(const PagingDevice *device, uint64_t epoch);
void paging_log_add(PagingTable *table, int domain, uint64_t now_ns);

#endif
