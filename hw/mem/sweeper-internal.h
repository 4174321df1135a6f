/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sweeper: what its files share
 */
#ifndef SUNDER_HW_SWEEPER_INTERNAL_H
#define SUNDER_HW_SWEEPER_INTERNAL_H

#include "exec/memory.h"
#include "exec/ramlist.h"
#include "hw/mem/sweeper.h"
#include "hw/mem/window.h"
#include "qemu/thread.h"

typedef struct SweepJob SweepJob;

/* A memory block that was swept once: its number is that of the list. */
typedef struct SweeperBlock {
    char *name;
    void *host;
} SweeperBlock;

struct SunderSweeper {
    SweepMap *map;
    GArray *blocks;             /* SweeperBlock */
    RAMBlockNotifier removed;
    SweepJob *job;              /* NULL: idle */
    uint64_t count;
    SunderSweep last;           /* of @count, once it has ended */
};

/* --- sweeper-blocks.c: which memory ----------------------------------- */

/* The memory of a sweep; arrays by number of the region. */
typedef struct SweepBlocks {
    GArray *memory;             /* HostMemory */
    GArray *super_page;         /* uint64_t */
    GPtrArray *blocks;          /* RAMBlock, its MemoryRegion referenced */
    uint64_t skipped;           /* bytes that cannot be swept */
    char *reason;               /* of the first of them; or NULL */
} SweepBlocks;

SweepBlocks *sweep_blocks_new(bool hugetlb);
void sweep_blocks_free(SweepBlocks *blocks);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SweepBlocks, sweep_blocks_free)

/* --- sweeper-inhibit.c: when not ------------------------------------- */

/*
 * sweep_inhibited:
 * @pause: whether the machine will be paused meanwhile
 * @count: whether nothing will be taken
 *
 * Returns: false, or true with @errp set.
 */
bool sweep_inhibited(bool pause, bool count, Error **errp);

/* --- sweeper-job.c: one sweep ------------------------------------------ */

SweepJob *sweep_job_start(SunderSweeper *sweeper,
                          const SunderSweepRequest *request, Error **errp);
void sweep_job_cancel(SweepJob *job);

/* Whether the machine stops or goes on because of it. */
bool sweep_job_is_pausing(const SweepJob *job);

/* Leaves pages alone that somebody else discards next. */
void sweep_job_forget(SweepJob *job, void *host, uint64_t length);

/* Fills in the figures of a sweep that runs; @error is the caller's. */
void sweep_job_status(SweepJob *job, SunderSweep *status);

/* --- sweeper.c -------------------------------------------------------- */

/* Returns: the number of the block in the list. */
uint32_t sweeper_block_number(SunderSweeper *sweeper, RAMBlock *block);

/* Tells whoever asked. */
void sweeper_notify_taken(RAMBlock *block, uint64_t offset,
                          uint64_t length);

/* The job has ended; @status is taken over. */
void sweeper_job_ended(SunderSweeper *sweeper, const SunderSweep *status,
                       SunderSweepDone *done, void *opaque);

#endif
