/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Page-mapping cookies: the translations of an I/O memory management unit
 *
 * Models the translation cache of a DMA remapping unit whose entries prove
 * at each use that they are still valid.  It goes back to US 7,234,038
 * (page mapping cookies between processors' TLBs, see processors.h): each
 * mapping has a cookie, a cached translation carries the cookie that it was
 * made with, and a memory operation proceeds only if they are equal.  An
 * unmodified guest writes no cookies, so the mapping's cookie is made of
 * what it does write: its page-table entries, and its invalidations.
 *
 * Page tables are those of VT-d's legacy mode: second-level tables of 3 or
 * 4 levels with pages of 4 KiB, 2 MiB and 1 GiB (Intel Virtualization
 * Technology for Directed I/O, revision 3.4, 3.7 and 9.10; root and context
 * entries 9.1 and 9.3; faults 7.1.3).
 *
 * Concepts:
 *
 * - A table belongs to one unit.  It holds devices, each with a context
 *   (domain, page tables) and the translations that it has used.
 * - The cookie of a translation is (1) the value of the leaf entry that it
 *   came from and of the up to three entries above it, and (2) the epoch,
 *   the number of the latest invalidation when it was last seen valid.
 * - A cached translation is used without further ado when all of (1) are
 *   still in memory.  That is a hit: no lock, at most four loads of guest
 *   memory.  Its epoch then becomes the present one: hardware that had
 *   dropped it would have fetched the same entries again.
 * - When an entry differs and an invalidation after the epoch covers the
 *   page, the translation was dropped as it should have been: it is made
 *   again (revalidated).
 * - When an entry differs and no invalidation covers it, the use is stale.
 *   Hardware would have served the old page.  What happens is the mode's:
 *   report serves it, enforce blocks it, coherent makes it again.  It is
 *   not stale when the new entries lead to the same address with the
 *   permission that the access needs.
 * - Nothing is dropped for lack of room, except by the limit
 *   PAGING_MAX_BLOCKS that guards against a hostile guest: a device that
 *   would exceed it loses all of its translations (counted), so that a use
 *   after that may be one that is stale and not found.
 * - An invalidation of a domain or of everything costs the same whatever
 *   there is in the table: it is a number that is compared at the next use.
 *   One of pages marks each page of its range.
 * - The ledger tells of each invalidation what it dropped and what of that
 *   had already changed, since when at most.  For pages it is exact.  For
 *   a domain or everything a sweep works it out afterwards, in steps that
 *   the caller runs (paging_table_sweep()), or the next use of an entry if
 *   that comes first: an entry that changes between the invalidation and
 *   that moment counts as stale although it changed after.
 *
 * Known limits: an entry that is cleared and written again with the same
 * value is the same cookie (no use in between: no difference).  When a
 * device gets another context, once its context entry was fetched anew, the
 * translations made under the old one are dropped, stale or not.
 *
 * Thread safety: paging_hit() and paging_translate() may be called from any
 * number of threads at once, and at the same time as anything else here;
 * hits take no lock.  Everything that writes is serialised inside by a lock
 * of the table, so all functions may be called from any thread, except
 * paging_table_free() and paging_device_free(), which need all others to
 * have ended.  A reader is a thread within one of these two: memory that
 * readers may still see is given to PagingMemory.retire, and host addresses
 * that PagingMemory.page gave must stay valid until the readers that were
 * there at the time of paging_table_memory_changed() are gone (in QEMU both
 * is RCU).
 *
 * Time is the caller's virtual clock in nanoseconds; it must not go back.
 */
#ifndef SUNDER_PAGING_PAGING_H
#define SUNDER_PAGING_PAGING_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * Blocks of 64 neighbouring entries that one table holds, all devices
 * together: about 140 MiB of host memory, 4 million translations when they
 * are dense.
 */
#define PAGING_MAX_BLOCKS   65536
/* Invalidations that paging_table_postpone() remembers; the oldest go. */
#define PAGING_MAX_POSTPONED 4096
/* log2 of the pages of one invalidation, VT-d's largest MAMV here. */
#define PAGING_MAX_ORDER    18
/* Independent sets of counters that hits are spread over. */
#define PAGING_SHARDS       16

typedef struct PagingTable PagingTable;
typedef struct PagingDevice PagingDevice;

/* Permissions; as the bits of an entry (9.10: R is bit 0, W is bit 1). */
#define PAGING_READ  1u
#define PAGING_WRITE 2u

typedef enum PagingMode {
    PAGING_MODE_REPORT,
    PAGING_MODE_ENFORCE,
    PAGING_MODE_COHERENT,
} PagingMode;

/* Guest memory, and memory that readers may still see. */
typedef struct PagingMemory {
    /*
     * Returns: the host address, aligned to 8 bytes, of the 4 KiB of guest
     * memory at @address, which is a multiple of that, when all of it is
     * memory that can be read directly; NULL for anything else (a register,
     * nothing at all).  Called with the table's lock held.
     */
    const void *(*page)(void *opaque, uint64_t address);
    /*
     * Frees @memory with g_free() once the readers of now are gone.  NULL:
     * there are none while anything writes, it is freed at once.
     */
    void (*retire)(void *opaque, void *memory);
    void *opaque;
} PagingMemory;

/* What the unit can do, from its capability registers. */
typedef struct PagingUnit {
    uint8_t address_width;      /* bits of host and I/O addresses: 39, 48 */
    bool levels_3;              /* CAP.SAGAW: 39-bit tables */
    bool levels_4;              /* CAP.SAGAW: 48-bit tables */
    bool pass_through;          /* ECAP.PT */
    bool device_tlb;            /* ECAP.DT */
    bool snoop_bit;             /* bit 11 of a leaf is not reserved */
    bool transient_bit;         /* bit 62 of a leaf is not reserved */
} PagingUnit;

/* Fault reasons, by VT-d's numbers (7.1.3, table 27; legacy mode). */
typedef enum PagingReason {
    PAGING_REASON_NONE = 0,
    PAGING_REASON_ROOT_ABSENT = 0x1,
    PAGING_REASON_CONTEXT_ABSENT = 0x2,
    PAGING_REASON_CONTEXT_INVALID = 0x3,
    PAGING_REASON_BEYOND_WIDTH = 0x4,
    PAGING_REASON_WRITE = 0x5,
    PAGING_REASON_READ = 0x6,
    PAGING_REASON_ENTRY_ACCESS = 0x7,
    PAGING_REASON_ROOT_ACCESS = 0x8,
    PAGING_REASON_CONTEXT_ACCESS = 0x9,
    PAGING_REASON_ROOT_RESERVED = 0xa,
    PAGING_REASON_CONTEXT_RESERVED = 0xb,
    PAGING_REASON_ENTRY_RESERVED = 0xc,
    PAGING_REASON_INTERRUPT_ADDRESS = 0xe,
} PagingReason;

/* A context entry, decoded (9.3). */
typedef struct PagingContext {
    uint64_t tables;            /* guest address of the top table */
    uint16_t domain;
    uint8_t levels;             /* 3 or 4 */
    bool pass_through;          /* nothing is translated */
    bool faults_disabled;       /* FPD: qualified faults are not recorded */
} PagingContext;

/* One walk of the page tables: the entries on the way, from the top. */
typedef struct PagingWalk {
    PagingReason reason;        /* NONE: a page was found */
    unsigned n;                 /* entries read, 1 to 4 */
    uint64_t entries[4];
    const void *pages[4];       /* host address of the table of each */
    unsigned level;             /* of the last one: 1 for 4 KiB, 2, 3 */
    unsigned permissions;       /* of all together */
    uint64_t address;           /* guest address of the page; 0 for none */
} PagingWalk;

typedef enum PagingGranularity {
    PAGING_GLOBAL,
    PAGING_DOMAIN,
    PAGING_PAGES,
} PagingGranularity;

typedef struct PagingInvalidation {
    PagingGranularity granularity;
    uint16_t domain;            /* not for GLOBAL */
    uint64_t address;           /* PAGES: of the first; low bits ignored */
    unsigned order;             /* PAGES: log2 of their number, 0 to 18 */
} PagingInvalidation;

typedef enum PagingStatus {
    PAGING_OK,                  /* @address and the like are filled in */
    PAGING_STALE,               /* as OK, unless @action is BLOCKED */
    PAGING_FAULT,               /* @reason tells why */
    PAGING_NO_CONTEXT,          /* the device has none, or pass-through */
} PagingStatus;

typedef enum PagingAction {
    PAGING_SERVED,
    PAGING_BLOCKED,
    PAGING_HEALED,
} PagingAction;

/* What is known of an invalidation that covers a stale page. */
typedef enum PagingInvalidated {
    PAGING_NEVER,
    PAGING_PENDING,             /* postponed and not performed since */
} PagingInvalidated;

typedef struct PagingResult {
    uint64_t address;           /* guest address of the page */
    uint64_t mask;              /* size of the page - 1 */
    unsigned permissions;       /* PAGING_READ | PAGING_WRITE */
    uint64_t entry;             /* leaf that this translation came from */
    PagingReason reason;        /* FAULT, or what a stale use would meet */
    /* For PAGING_STALE: */
    PagingAction action;
    PagingInvalidated invalidation;
    uint64_t old_entry;         /* leaf of the cached translation */
    uint64_t new_entry;         /* leaf there now; 0 for none */
    uint64_t age_ns;            /* since it was last seen valid */
} PagingResult;

/* Stale windows (see Concepts); window: invalidation - last seen valid. */
typedef struct PagingLedger {
    uint64_t invalidations;     /* that covered a translation */
    uint64_t entries;           /* that they dropped */
    uint64_t stale_entries;
    uint64_t window_total_ns;
    uint64_t window_max_ns;
} PagingLedger;

typedef struct PagingCounters {
    uint64_t translations;      /* calls of paging_translate() */
    uint64_t entries;           /* cached now */
    uint64_t misses;            /* translations not cached before */
    uint64_t revalidated;
    uint64_t stale;
    uint64_t faults;
    uint64_t dropped;           /* entries lost to PAGING_MAX_BLOCKS */
    PagingLedger ledger;
} PagingCounters;

/*
 * paging_table_new:
 * @memory: copied
 * @unit: copied
 *
 * Returns: an empty table in mode report, freed with paging_table_free(),
 * which frees its devices too.
 */
PagingTable *paging_table_new(const PagingMemory *memory,
                              const PagingUnit *unit);
void paging_table_free(PagingTable *table);

/* Changes what happens to stale uses from now on. */
void paging_table_set_mode(PagingTable *table, PagingMode mode);
PagingMode paging_table_mode(const PagingTable *table);

/*
 * paging_device_new:
 *
 * Returns: a device without context, owned by the table.
 */
PagingDevice *paging_device_new(PagingTable *table);
void paging_device_free(PagingDevice *device);

/*
 * paging_context_read:
 * @root: guest address of the root table
 * @requester: bus << 8 | device << 3 | function
 *
 * Reads root and context entry of a requester (legacy mode).
 *
 * Returns: NONE with @context filled in, or the reason why there is none;
 * @context->faults_disabled is filled in as far as it is known then.
 */
PagingReason paging_context_read(PagingTable *table, uint64_t root,
                                 uint16_t requester, PagingContext *context);

/*
 * paging_device_set_context:
 * @context: copied, or NULL for none
 *
 * Says which page tables the device uses.  When domain, tables or levels
 * are not those of before, its translations go, without the ledger.
 */
void paging_device_set_context(PagingDevice *device,
                               const PagingContext *context);

/*
 * paging_translate:
 * @iova: I/O virtual address, any
 * @access: PAGING_READ or PAGING_WRITE
 * @now_ns: may be coarse: it is what ages are counted from
 * @shard: less than PAGING_SHARDS; threads that hit at the same time are
 *     best given different ones.  The last one may be shared by any number
 *     of threads; each other belongs to one thread for good.
 *     PAGING_SHARDS itself: it is not counted.
 *
 * Translates one access.  A fault is not cached.
 *
 * Returns: see PagingStatus; permissions of OK hold @access.
 */
PagingStatus paging_translate(PagingDevice *device, uint64_t iova,
                              unsigned access, uint64_t now_ns,
                              unsigned shard, PagingResult *result);

/*
 * paging_hit:
 *
 * The part of paging_translate() that takes no lock and needs no exact
 * time, for callers to whom the time of day is dear.  Counts only hits.
 *
 * Returns: true with @result filled in as for PAGING_OK; or false, and
 * then paging_translate() tells.
 */
bool paging_hit(PagingDevice *device, uint64_t iova, unsigned access,
                uint64_t now_ns, unsigned shard, PagingResult *result);

/*
 * paging_translate_missed:
 *
 * The rest of paging_translate(), for a caller to whom paging_hit() has just
 * said false.  With the lock.
 */
PagingStatus paging_translate_missed(PagingDevice *device, uint64_t iova,
                                     unsigned access, uint64_t now_ns,
                                     unsigned shard, PagingResult *result);

/*
 * paging_walk:
 *
 * Reads the page tables of @context afresh and leaves everything as it is.
 * @walk->reason is what an access of kind @access would meet.
 */
void paging_walk(PagingTable *table, const PagingContext *context,
                 uint64_t iova, unsigned access, PagingWalk *walk);

/*
 * paging_table_invalidate:
 *
 * Performs an invalidation.  One that was postponed before and is the same
 * in all its fields is taken from the list.
 */
void paging_table_invalidate(PagingTable *table,
                             const PagingInvalidation *invalidation,
                             uint64_t now_ns);

/*
 * paging_table_postpone:
 *
 * Remembers that an invalidation was asked for and not performed (a fault
 * lost it or holds it back).  Stale uses that it covers are PENDING.
 */
void paging_table_postpone(PagingTable *table,
                           const PagingInvalidation *invalidation);

/*
 * paging_table_memory_changing, paging_table_memory_changed:
 *
 * Memory is about to go, and has gone: PagingMemory.page no longer gives it.
 * Host addresses given before _changing() are no longer used by calls that
 * begin after it has returned; those given between the two are not kept.
 * _changed() alone will do where page() cannot be called at the same time.
 */
void paging_table_memory_changing(PagingTable *table);
void paging_table_memory_changed(PagingTable *table);

/*
 * paging_table_drop_pages:
 *
 * Drops the translations to guest addresses @address to @address + @size
 * - 1, without the ledger: somebody took the pages away.  Those that are
 * stale stay, so that a use of them is found.  Looks at every translation.
 *
 * Returns: how many.
 */
uint64_t paging_table_drop_pages(PagingTable *table, uint64_t address,
                                 uint64_t size);

/* Drops everything, without the ledger; counters stay. */
void paging_table_drop(PagingTable *table);

/*
 * paging_table_sweep:
 * @budget: entries to look at, at most; UINT_MAX for all
 *
 * Does a part of the ledger's work after invalidations of a domain or of
 * everything.
 *
 * Returns: whether there is more to do.
 */
bool paging_table_sweep(PagingTable *table, unsigned budget);

/* Whether paging_table_sweep() has anything to do. */
bool paging_table_needs_sweep(const PagingTable *table);

/* Fills in @counters; call paging_table_sweep() first to have them exact. */
void paging_device_counters(const PagingDevice *device,
                            PagingCounters *counters);

#define PAGING_ERROR paging_error_quark()
GQuark paging_error_quark(void);

typedef enum PagingError {
    PAGING_ERROR_STATE,         /* a saved state is damaged */
} PagingError;

/* What is left of a saved state. */
typedef struct PagingReader {
    const uint8_t *data;
    size_t size;
} PagingReader;

/*
 * paging_device_save, paging_device_load:
 *
 * A device's context, counters and translations (65,536 at most; those that
 * are stale go first), appended to @bytes, taken from @reader.  Translations
 * are compared with guest memory at their next use, as ever.  paging_table_
 * save() and _load() do the same for what was postponed; load that last.
 *
 * Every number is checked.  Returns: true, or false with @error set, and
 * the device is empty then.
 */
void paging_device_save(PagingDevice *device, GByteArray *bytes);
bool paging_device_load(PagingDevice *device, PagingReader *reader,
                        GError **error);
void paging_table_save(PagingTable *table, GByteArray *bytes);
bool paging_table_load(PagingTable *table, PagingReader *reader,
                       GError **error);

/* Parts of such a state, for callers that have more to save. */
void paging_put(GByteArray *bytes, uint64_t value);
/* Returns: whether there was a number, and it is at most @most. */
bool paging_get(PagingReader *reader, uint64_t most, uint64_t *value);
void paging_invalidation_save(const PagingInvalidation *invalidation,
                              GByteArray *bytes);
bool paging_invalidation_load(PagingReader *reader,
                              PagingInvalidation *invalidation);

/* An address that the device used last, by any shard; false: none yet. */
bool paging_device_last_address(const PagingDevice *device, uint64_t *iova);

#endif
