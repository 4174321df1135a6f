/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sweeper of the machine
 *
 * Runs sweeps (target-models/sweep) over the machine's memory and keeps
 * the page-mapping list.  A balloon starts them and says when they end.
 *
 * Concepts:
 *
 * - One sweep runs at a time.  A thread of its own looks through resident
 *   memory with no lock held; for each batch of candidates the main loop
 *   drains block I/O for the moment in which the write guard is armed;
 *   the thread looks again and gives back what matches still.
 * - Swept memory: guest RAM that comes from a memory backend and can be
 *   taken safely.  A memory block that cannot (a private file mapping,
 *   NVDIMM, virtio-mem, guest_memfd, ivshmem, a file on a disk) is left
 *   out and counted as skipped; hugetlbfs is left out unless asked for.
 * - What makes any sweep unsafe (vfio, vhost-user, postcopy, ...)
 *   refuses it, or cancels it at the next batch.
 * - Only zero can be taken: the host gives back discarded memory as
 *   zeroes.  Another pattern can be counted.
 *
 * Except where said, functions are called in the main loop with the big
 * QEMU lock held.
 */
#ifndef SUNDER_HW_SWEEPER_H
#define SUNDER_HW_SWEEPER_H

#include "qapi/qapi-types-sunder.h"
#include "qemu/notify.h"

typedef struct RAMBlock RAMBlock;
typedef struct SunderSweeper SunderSweeper;

/* Which guard a sweep uses. */
typedef enum SunderSweepGuard {
    SUNDER_SWEEP_GUARD_AUTO,    /* protect; where it is refused, pause */
    SUNDER_SWEEP_GUARD_PROTECT,
    SUNDER_SWEEP_GUARD_MOVE,
    SUNDER_SWEEP_GUARD_PAUSE,   /* the only one with vhost-user */
} SunderSweepGuard;

/*
 * SunderSweepDone:
 *
 * The sweep has ended, in whatever way, and the page-mapping list is up
 * to date.  Called once, in the main loop with the big QEMU lock held;
 * from within sunder_sweeper_cancel() too.  It may start another sweep.
 * @sweep is valid during the call.
 */
typedef void SunderSweepDone(void *opaque, const SunderSweep *sweep);

typedef struct SunderSweepRequest {
    SunderSweepCause cause;
    SunderSweepMode mode;
    SunderSweepGuard guard;
    uint64_t pattern;           /* a word in the host's byte order */
    uint64_t limit;             /* bytes to take at most; 0: no limit */
    uint64_t deadline_ns;       /* host time it may take; 0: no end */
    uint64_t min_run;           /* bytes; 0: one page, 64 KiB of memfd */
    bool hugetlb;               /* take pages of hugetlbfs, too */
    SunderSweepDone *done;      /* may be NULL */
    void *opaque;

    /* Faults; all zero without. */
    uint64_t fault_delay_ns;    /* host time to wait before it works */
    int fault_discard_errno;    /* EINVAL or ENOMEM: discarding fails */
    bool fault_refuse_guard;    /* userfaultfd is refused */
} SunderSweepRequest;

/* Returns: a sweeper, idle, with an empty list. */
SunderSweeper *sunder_sweeper_new(void);

/* Cancels the sweep that runs, then frees.  NULL is ignored. */
void sunder_sweeper_free(SunderSweeper *sweeper);

/*
 * sunder_sweeper_inhibited:
 * @request: what would be started; only @guard, @mode, @pattern and
 *     @fault_refuse_guard are looked at
 *
 * Returns: false, or true with @errp set to what stands in the way and
 * what can be done about it.
 */
bool sunder_sweeper_inhibited(SunderSweeper *sweeper,
                              const SunderSweepRequest *request,
                              Error **errp);

/*
 * sunder_sweeper_start:
 * @request: copied
 *
 * Returns: the number of the sweep, or 0 with @errp set when one runs or
 * it is inhibited; @done is not called then.
 */
uint64_t sunder_sweeper_start(SunderSweeper *sweeper,
                              const SunderSweepRequest *request,
                              Error **errp);

/*
 * sunder_sweeper_cancel:
 *
 * Ends the sweep that runs as cancelled and waits until it has let go of
 * the memory (milliseconds); @done has been called when this returns.
 * Does nothing when none runs.
 */
void sunder_sweeper_cancel(SunderSweeper *sweeper);

bool sunder_sweeper_is_running(const SunderSweeper *sweeper);

/*
 * sunder_sweeper_is_pausing:
 *
 * Returns: whether the machine stops or goes on because of the sweep's
 * own pause: a handler of VM state changes must not cancel it then.
 */
bool sunder_sweeper_is_pausing(const SunderSweeper *sweeper);

/*
 * sunder_sweeper_status:
 *
 * Returns: the latest sweep, running or ended, for
 * qapi_free_SunderSweep(); or NULL when there was none.
 */
SunderSweep *sunder_sweeper_status(SunderSweeper *sweeper);

/* Sweeps started so far. */
uint64_t sunder_sweeper_count(const SunderSweeper *sweeper);

typedef struct SunderSweepMemory {
    uint64_t resident;          /* bytes of swept memory, resident now */
    uint64_t swept;             /* bytes taken that have not come back */
    uint64_t came_back;
} SunderSweepMemory;

/*
 * sunder_sweeper_memory:
 *
 * Looks what is resident now (about 3 ms for a GiB of single pages) and
 * brings what came back up to date.
 */
SunderSweepMemory sunder_sweeper_memory(SunderSweeper *sweeper);

/*
 * sunder_sweeper_map:
 *
 * Returns: entries of the page-mapping list, by memory block and offset,
 * for qapi_free_SunderBalloonMappingList().
 */
SunderBalloonMappingList *sunder_sweeper_map(SunderSweeper *sweeper,
                                             uint64_t start,
                                             uint32_t limit);

/* The machine was reset: forgets the list.  Cancel first. */
void sunder_sweeper_reset(SunderSweeper *sweeper);

/*
 * sunder_sweeper_discards:
 * @offset, @length: whole pages of @block
 *
 * To be called before somebody else discards memory: it loses its
 * protection with that, and the sweep that runs must leave it alone.
 */
void sunder_sweeper_discards(SunderSweeper *sweeper, RAMBlock *block,
                             uint64_t offset, uint64_t length);

/* Memory that a sweep has taken: the data of a notification. */
typedef struct SunderSweepTaken {
    RAMBlock *block;
    uint64_t offset;            /* bytes in @block */
    uint64_t length;
} SunderSweepTaken;

/*
 * sunder_sweep_taken_add:
 *
 * Asks to be told of what every sweep takes: in the main loop, after it
 * was taken and before @done.  Removed with notifier_remove().
 */
void sunder_sweep_taken_add(Notifier *notifier);

#endif
