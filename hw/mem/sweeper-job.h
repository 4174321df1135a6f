/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sweeper: one sweep, as its two files share it
 *
 * The thread plans, looks and takes; the main loop only arms.  For each
 * batch the thread asks (STEP_ASKED), the main loop answers (STEP_ARMED,
 * or STEP_TAKEN when it had to pause the machine and did the work itself,
 * or STEP_REFUSED).  The thread never needs the big QEMU lock: so it can be
 * waited for with the lock held.
 */
#ifndef SUNDER_HW_SWEEPER_JOB_H
#define SUNDER_HW_SWEEPER_JOB_H

#include "block/aio.h"
#include "hw/mem/sweeper-internal.h"

typedef enum SweepStep {
    STEP_NONE,
    STEP_ASKED,
    STEP_ARMED,
    STEP_TAKEN,
    STEP_REFUSED,
} SweepStep;

/* Taken, to be told to others by the main loop. */
typedef struct SweepTaken {
    SweepRun run;
    uint64_t time_ns;
} SweepTaken;

struct SweepJob {
    gint refs;
    SunderSweeper *sweeper;     /* NULL once it has ended */
    SunderSweepRequest request;
    SweepBlocks *blocks;
    WriteGuard *guard;          /* NULL: nothing is taken */
    WriteGuardEngine engine;
    bool discard_required;
    bool pausing;               /* the machine, just now */
    int64_t start_ns;
    char *note;                 /* what a user should know */
    QemuThread thread;

    /* the thread's */
    SweepPlan *plan;
    struct iovec *ranges;
    gint stop;                  /* set by cancelling and by the deadline */
    bool expired;

    QemuMutex lock;             /* of what follows */
    QemuCond changed;
    SweepStep step;
    const SweepRun *runs;       /* of the batch asked for */
    unsigned count;
    uint64_t time_ns;           /* virtual, when it was armed */
    bool cancelled;
    Error *error;
    GArray *taken;              /* SweepTaken */
    SweepWindowResult result;
    SweepTotals totals;
};

/* --- sweeper-job.c ---------------------------------------------------- */

SweepJob *sweep_job_ref(SweepJob *job);
void sweep_job_unref(SweepJob *job);

/* Ends the sweep with @error, which is taken over, unless it has one. */
void sweep_job_fails(SweepJob *job, Error *error);

/* Takes the batch that is armed, and disarms. */
void sweep_job_take(SweepJob *job);

/* --- sweeper-commit.c ------------------------------------------------- */

/* Asks the main loop to arm the batch; it answers in @step. */
void sweep_job_ask(SweepJob *job);

/*
 * Brings the list up to date and tells whoever asked.  In the main loop, or
 * under the big QEMU lock when the thread has ended.
 */
void sweep_job_tell_taken(SweepJob *job);

/* Calls @function in the main loop, with a reference to @job. */
void sweep_job_in_main_loop(SweepJob *job, QEMUBHFunc *function);

static inline bool sweep_job_is_pause(const SweepJob *job)
{
    return job->engine == WRITE_GUARD_NONE;
}

#endif
