/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Zero-page sweep: what to take from a guest, and what was taken
 *
 * Plans a sweep through the guest's resident memory (US 9,280,458): which
 * runs of memory hold nothing but a pattern, in which order and in what
 * batches they are given back, and the page-mapping list of what was.
 * Finding resident memory, looking into it and giving it back is the
 * caller's.
 *
 * Concepts:
 *
 * - A region is a piece of guest memory with one page size: a RAMBlock.
 *   It is named by a number from 0; offsets count bytes from its start.
 * - A page is the smallest piece that can be given back (4 KiB, or the
 *   page size of hugetlbfs); a super page is the piece worth keeping
 *   whole (2 MiB, 1 GiB), a power of two of at most SWEEP_MAX_PAGES
 *   pages, aligned to its size in the region.
 * - An extent is memory that is resident.  What is not resident costs
 *   nothing and is never looked at.
 * - A candidate is a page that matched when it was looked at.  That was a
 *   while ago: the caller looks again when nobody can write.
 * - A run is neighbouring candidates; a batch is the runs that are taken
 *   in one go.  Super pages come first, single pages when there are no
 *   more of them or too many runs of pages wait (SWEEP_MAX_WAITING).
 *
 * Memory, time and numbers of sweeps come in as arguments.  Nothing here
 * is thread safe: the caller serialises.  Arguments out of the stated
 * ranges are programming errors unless said otherwise.
 */
#ifndef SUNDER_SWEEP_SWEEP_H
#define SUNDER_SWEEP_SWEEP_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* Pages in a super page; runs of pages that wait for super pages. */
#define SWEEP_MAX_PAGES    512
#define SWEEP_MAX_WAITING  262144

/* --- Looking at memory ------------------------------------------------ */

/*
 * sweep_matches:
 * @memory: aligned to 8 bytes
 * @length: bytes, a multiple of 64, at least 64
 * @pattern: a word in the host's byte order
 *
 * Looks at a few words first, so that memory which does not match costs
 * little.
 *
 * Returns: whether every word of @memory equals @pattern.
 */
bool sweep_matches(const void *memory, uint64_t length, uint64_t pattern);

/*
 * sweep_classify:
 * @memory: the first of @pages pages of @page bytes
 * @pages: 1 to SWEEP_MAX_PAGES
 * @matching: (@pages + 63) / 64 words, overwritten: bit N % 64 of word
 *     N / 64 is set when page N matches, bits beyond @pages are clear
 */
void sweep_classify(const void *memory, uint64_t page, unsigned pages,
                    uint64_t pattern, uint64_t *matching);

/*
 * sweep_screen:
 *
 * The same at a tenth of the work: looks at a few lines of each page.  A
 * bit that is clear is certain; a page whose bit is set may not match.
 */
void sweep_screen(const void *memory, uint64_t page, unsigned pages,
                  uint64_t pattern, uint64_t *matching);

/* --- Planning --------------------------------------------------------- */

typedef struct SweepPlan SweepPlan;

typedef enum SweepMode {
    SWEEP_COUNT,                /* count the candidates, take nothing */
    SWEEP_SUPER_PAGES,          /* take whole super pages only */
    SWEEP_ALL,                  /* super pages, then pages */
} SweepMode;

typedef struct SweepRegion {
    uint64_t length;            /* bytes, a multiple of @page */
    uint64_t page;              /* bytes, a power of two, >= 4096 */
    uint64_t super_page;        /* bytes, a power of two, >= @page */
    uint64_t min_run;           /* shorter runs of pages stay; 0: none do */
} SweepRegion;

typedef struct SweepRun {
    uint32_t region;
    bool super_page;            /* made of whole super pages */
    uint64_t offset;            /* bytes in the region */
    uint64_t length;            /* bytes, a multiple of the page */
} SweepRun;

/*
 * SweepLook:
 *
 * Looks at @pages pages at @offset of @region, all resident and within
 * one super page, and sets @matching as sweep_classify() does.  Where
 * it is sweep_screen() that looks, sweep_plan_unmatched() corrects the
 * totals later.
 *
 * Returns: false to stop the plan: it finds no more candidates.
 */
typedef bool SweepLook(void *opaque, uint32_t region, uint64_t offset,
                       unsigned pages, uint64_t *matching);

typedef struct SweepOptions {
    SweepMode mode;
    uint64_t limit;             /* bytes to take at most; 0: no limit */
    uint64_t batch;             /* bytes in a batch; 0: 64 MiB */
    unsigned batch_runs;        /* runs in a batch; 0: 8192 */
    SweepLook *look;
    void *opaque;
} SweepOptions;

typedef struct SweepTotals {
    uint64_t scanned;           /* bytes looked at */
    uint64_t matching;          /* bytes of candidates */
    uint64_t skipped;           /* of these, in runs below min_run */
} SweepTotals;

SweepPlan *sweep_plan_new(const SweepOptions *options);
void sweep_plan_free(SweepPlan *plan);

/* Returns: the number of the region, from 0. */
uint32_t sweep_plan_add_region(SweepPlan *plan, const SweepRegion *region);

/*
 * sweep_plan_add_extent:
 *
 * Adds resident memory: whole pages, behind everything added to the
 * region so far.  What lies beyond the region or is not whole pages is
 * cut off.
 */
void sweep_plan_add_extent(SweepPlan *plan, uint32_t region,
                           uint64_t offset, uint64_t length);

/* No more extents will come: the last candidates may go. */
void sweep_plan_finish(SweepPlan *plan);

/*
 * sweep_plan_next:
 * @count: set to the number of runs
 *
 * Looks at extents until a batch is full.
 *
 * Returns: the runs of the batch by region and offset, super pages
 * before pages, valid until the next call; or NULL: more extents are
 * wanted, or after sweep_plan_finish(), or when the limit is reached, it
 * is over.
 */
const SweepRun *sweep_plan_next(SweepPlan *plan, unsigned *count);

/* Tells that @bytes of the last batch were taken: the limit counts them. */
void sweep_plan_taken(SweepPlan *plan, uint64_t bytes);

/* Tells that @bytes of the last batch had never matched. */
void sweep_plan_unmatched(SweepPlan *plan, uint64_t bytes);

/* Whether sweep_plan_next() will give no more, whatever is added. */
bool sweep_plan_is_over(const SweepPlan *plan);

SweepTotals sweep_plan_totals(const SweepPlan *plan);

/* --- Page-mapping list ------------------------------------------------ */

/*
 * What sweeps took.  Entries never overlap: memory that is taken again
 * belongs to the later sweep.  Neighbours of one sweep, kind and time are
 * one entry.
 */
typedef struct SweepMap SweepMap;

typedef struct SweepMapping {
    uint32_t region;
    bool super_page;
    uint64_t offset;            /* bytes in the region */
    uint64_t length;            /* bytes */
    uint64_t sweep;             /* its number */
    uint64_t time_ns;           /* when it was taken */
    uint64_t came_back;         /* bytes in use again at the last look */
} SweepMapping;

typedef struct SweepMapTotals {
    unsigned entries;
    uint64_t taken;             /* bytes in all entries */
    uint64_t came_back;         /* of these, in use again */
    uint64_t forgotten;         /* bytes whose entries had to go */
} SweepMapTotals;

typedef struct SweepExtent {
    uint64_t offset;            /* bytes in the region */
    uint64_t length;
} SweepExtent;

/*
 * sweep_map_new:
 * @max_entries: at least 16
 *
 * When the list is full the entries of the oldest sweep are forgotten;
 * when there is only one sweep, new entries are.
 */
SweepMap *sweep_map_new(unsigned max_entries);
void sweep_map_free(SweepMap *map);

/*
 * sweep_map_add:
 * @mapping: @came_back is ignored; @length 0 does nothing
 *
 * Memory that has an entry already is in use again, or it could not have
 * been taken: that entry shrinks.
 */
void sweep_map_add(SweepMap *map, const SweepMapping *mapping);

/* Forgets what it knows of [@offset, @offset + @length) of @region. */
void sweep_map_remove(SweepMap *map, uint32_t region, uint64_t offset,
                      uint64_t length);

/*
 * sweep_map_look:
 * @extents: the resident memory of @region, ascending, not overlapping
 *
 * Sets @came_back of each entry of the region.
 */
void sweep_map_look(SweepMap *map, uint32_t region,
                    const SweepExtent *extents, unsigned count);

SweepMapTotals sweep_map_totals(const SweepMap *map);

/*
 * sweep_map_foreach:
 * @start: entries to leave out; @limit: entries to show
 *
 * Calls @func by region and offset; it must not change the list.
 *
 * Returns: the number of calls.
 */
typedef void SweepMapFunc(const SweepMapping *mapping, void *opaque);
unsigned sweep_map_foreach(const SweepMap *map, uint64_t start,
                           unsigned limit, SweepMapFunc *func,
                           void *opaque);

/* --- Page frame numbers of an inflate request ------------------------- */

typedef struct SweepPfnRun {
    uint32_t first;             /* page frame number */
    uint32_t count;             /* pages, at least 1 */
} SweepPfnRun;

/*
 * sweep_pfns_coalesce:
 * @pfns: any numbers in any order, also twice; sorted in place
 * @runs: room for @count
 * @duplicates: set to how many were there before; may be NULL
 *
 * Returns: the number of runs, ascending, no two of them adjacent.
 */
unsigned sweep_pfns_coalesce(uint32_t *pfns, unsigned count,
                             SweepPfnRun *runs, unsigned *duplicates);

#endif
