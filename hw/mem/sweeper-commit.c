/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sweeper: the main loop's part of a sweep
 *
 * It runs from the iohandler context, which no nested aio_poll() serves:
 * draining is never begun inside another drain.
 */
#include "qemu/osdep.h"

#include "block/aio.h"
#include "block/block-global-state.h"
#include "exec/ramblock.h"
#include "hw/mem/sweeper-job.h"
#include "qapi/error.h"
#include "qemu/main-loop.h"
#include "qemu/timer.h"
#include "system/runstate.h"

void sweep_job_tell_taken(SweepJob *job)
{
    g_autoptr(GArray) taken = NULL;

    qemu_mutex_lock(&job->lock);
    taken = job->taken;
    job->taken = g_array_new(FALSE, FALSE, sizeof(SweepTaken));
    qemu_mutex_unlock(&job->lock);
    for (unsigned i = 0; i < taken->len; i++) {
        const SweepTaken *t = &g_array_index(taken, SweepTaken, i);
        RAMBlock *block = job->blocks->blocks->pdata[t->run.region];
        SweepMapping mapping = {
            .region = sweeper_block_number(job->sweeper, block),
            .super_page = t->run.super_page,
            .offset = t->run.offset,
            .length = t->run.length,
            .sweep = job->sweeper->count,
            .time_ns = t->time_ns,
        };

        sweep_map_add(job->sweeper->map, &mapping);
        sweeper_notify_taken(block, t->run.offset, t->run.length);
    }
}

/*
 * Arms the batch while no block I/O is in flight: it has pinned its pages
 * and would write to them behind the guard.
 */
static bool arm_drained(SweepJob *job, Error **errp)
{
    GError *error = NULL;
    bool armed = false;

    bdrv_drain_all_begin();
    /* draining serves events: one may have cancelled the sweep */
    if (!g_atomic_int_get(&job->stop)) {
        armed = write_guard_arm(job->guard, job->ranges, job->count,
                                &error);
    }
    bdrv_drain_all_end();
    if (error) {
        error_setg(errp, "%s", error->message);
        g_error_free(error);
    }
    return armed;
}

/*
 * Pauses the machine and takes the batch at once.  Stopping lets go of the
 * big QEMU lock: the sweep may be cancelled, and the balloon be gone.
 */
static bool take_paused(SweepJob *job)
{
    bool live = runstate_is_live(runstate_get());
    bool stopped;

    job->pausing = true;
    if (live) {
        vm_stop(RUN_STATE_PAUSED);
    }
    bdrv_drain_all_begin();
    stopped = g_atomic_int_get(&job->stop);
    if (!stopped) {
        write_guard_arm(job->guard, job->ranges, job->count, NULL);
        sweep_job_take(job);
    }
    bdrv_drain_all_end();
    if (live && runstate_check(RUN_STATE_PAUSED)) {
        vm_start();
    }
    job->pausing = false;
    return !stopped;
}

static SweepStep commit(SweepJob *job)
{
    const bool pause = sweep_job_is_pause(job);
    Error *error = NULL;
    bool done;

    if (sweep_inhibited(pause, false, &error)) {
        sweep_job_fails(job, error);
        return STEP_REFUSED;
    }
    done = pause ? take_paused(job) : arm_drained(job, &error);
    if (error) {
        sweep_job_fails(job, error);
    }
    if (!done) {
        return STEP_REFUSED;
    }
    return pause ? STEP_TAKEN : STEP_ARMED;
}

static void answer(void *opaque)
{
    SweepJob *job = opaque;
    SweepStep step = STEP_REFUSED;

    if (job->sweeper && !g_atomic_int_get(&job->stop)) {
        sweep_job_tell_taken(job);
        job->time_ns = MAX(qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL), 0);
        step = commit(job);
    }
    qemu_mutex_lock(&job->lock);
    job->step = step;
    qemu_cond_signal(&job->changed);
    qemu_mutex_unlock(&job->lock);
    sweep_job_unref(job);
}

void sweep_job_in_main_loop(SweepJob *job, QEMUBHFunc *function)
{
    aio_bh_schedule_oneshot(iohandler_get_aio_context(), function,
                            sweep_job_ref(job));
}

void sweep_job_ask(SweepJob *job)
{
    sweep_job_in_main_loop(job, answer);
}
