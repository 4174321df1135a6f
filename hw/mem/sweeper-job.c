/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sweeper: one sweep, and its thread
 */
#include "qemu/osdep.h"

#include "exec/ramblock.h"
#include "hw/mem/sweeper-job.h"
#include "qapi/error.h"
#include "qemu/timer.h"
#include "qemu/units.h"

/* What is armed at once, and in how many pieces at most. */
#define BATCH             (32 * MiB)
#define BATCH_RUNS        2048
/* A pause costs a flush of every disk: do more of it at once. */
#define PAUSE_BATCH       (1 * GiB)
#define PAUSE_BATCH_RUNS  65536
/* Residency is asked for so much of a block at a time. */
#define SLICE             (1 * GiB)
/* Runs of memfd below this cost more time than they give memory. */
#define MEMFD_MIN_RUN     (64 * KiB)

SweepJob *sweep_job_ref(SweepJob *job)
{
    g_atomic_int_inc(&job->refs);
    return job;
}

void sweep_job_unref(SweepJob *job)
{
    if (!g_atomic_int_dec_and_test(&job->refs)) {
        return;
    }
    write_guard_free(job->guard);
    sweep_blocks_free(job->blocks);
    sweep_plan_free(job->plan);
    g_free(job->ranges);
    g_free(job->note);
    error_free(job->error);
    g_array_unref(job->taken);
    g_array_unref(job->result.taken);
    qemu_cond_destroy(&job->changed);
    qemu_mutex_destroy(&job->lock);
    g_free(job);
}

static bool is_stopped(SweepJob *job)
{
    int64_t spent = qemu_clock_get_ns(QEMU_CLOCK_REALTIME) - job->start_ns;

    if (job->request.deadline_ns && spent > job->request.deadline_ns) {
        job->expired = true;
        g_atomic_int_set(&job->stop, 1);
    }
    return g_atomic_int_get(&job->stop);
}

void sweep_job_fails(SweepJob *job, Error *error)
{
    qemu_mutex_lock(&job->lock);
    if (job->error) {
        error_free(error);
    } else {
        job->error = error;
    }
    g_atomic_int_set(&job->stop, 1);
    qemu_mutex_unlock(&job->lock);
}

static void job_fails_as(SweepJob *job, GError *gerror)
{
    Error *error = NULL;

    error_setg(&error, "%s", gerror->message);
    g_error_free(gerror);
    sweep_job_fails(job, error);
}

/* --- Taking: the thread, or the main loop in a pause ------------------- */

/* Moves what a window took to where the main loop finds it. */
static void publish(SweepJob *job, SweepWindowResult *window)
{
    qemu_mutex_lock(&job->lock);
    for (unsigned i = 0; i < window->taken->len; i++) {
        SweepTaken taken = {
            g_array_index(window->taken, SweepRun, i), job->time_ns,
        };

        g_array_append_val(job->taken, taken);
    }
    job->result.bytes += window->bytes;
    job->result.super_pages += window->super_pages;
    job->result.pages += window->pages;
    job->result.raced += window->raced;
    qemu_mutex_unlock(&job->lock);
}

static SweepWindow job_window(SweepJob *job)
{
    return (SweepWindow) {
        .guard = job->guard,
        .memory = (const HostMemory *)job->blocks->memory->data,
        .super_page = (const uint64_t *)job->blocks->super_page->data,
        .regions = job->blocks->memory->len,
        .pattern = job->request.pattern,
        .super_only = job->request.mode == SUNDER_SWEEP_MODE_SUPER_PAGES,
        .fault_errno = job->request.fault_discard_errno,
        .stop = &job->stop,
    };
}

void sweep_job_take(SweepJob *job)
{
    SweepWindowResult window = { .taken = job->result.taken };
    SweepWindow w = job_window(job);
    GError *error = NULL;

    g_array_set_size(window.taken, 0);
    if (!sweep_window_take(&w, job->runs, job->count, &window, &error)) {
        job_fails_as(job, error);
    }
    write_guard_disarm(job->guard);
    sweep_plan_taken(job->plan, window.bytes);
    sweep_plan_unmatched(job->plan, window.unmatched);
    publish(job, &window);
}

/* --- The thread -------------------------------------------------------- */

/* Returns: the main loop's answer, or STEP_NONE when it is not awaited. */
static SweepStep ask(SweepJob *job, const SweepRun *runs, unsigned count)
{
    SweepWindow w = job_window(job);
    SweepStep step;

    job->ranges = g_renew(struct iovec, job->ranges, count);
    sweep_window_ranges(&w, runs, count, job->ranges);
    qemu_mutex_lock(&job->lock);
    job->runs = runs;
    job->count = count;
    job->step = STEP_ASKED;
    sweep_job_ask(job);
    while (job->step == STEP_ASKED && !job->cancelled) {
        qemu_cond_wait(&job->changed, &job->lock);
    }
    step = job->step;
    job->step = STEP_NONE;
    qemu_mutex_unlock(&job->lock);
    return step;
}

static void note_totals(SweepJob *job)
{
    qemu_mutex_lock(&job->lock);
    job->totals = sweep_plan_totals(job->plan);
    qemu_mutex_unlock(&job->lock);
}

static void take_all(SweepJob *job)
{
    const SweepRun *runs;
    unsigned count;

    while (!is_stopped(job) &&
           (runs = sweep_plan_next(job->plan, &count))) {
        note_totals(job);
        if (!is_stopped(job) && ask(job, runs, count) == STEP_ARMED) {
            sweep_job_take(job);
        }
    }
    note_totals(job);
}

/*
 * What is taken is looked at in full when it is armed, and counted then.
 * Six lines of a page of hugetlbfs would say little.
 */
static bool look(void *opaque, uint32_t region, uint64_t offset,
                 unsigned pages, uint64_t *matching)
{
    SweepJob *job = opaque;
    const HostMemory *m = &g_array_index(job->blocks->memory, HostMemory,
                                         region);

    if (job->guard && m->kind != HOST_MEMORY_HUGETLB) {
        sweep_screen(m->host + offset, m->page, pages,
                     job->request.pattern, matching);
    } else {
        sweep_classify(m->host + offset, m->page, pages,
                       job->request.pattern, matching);
    }
    return !is_stopped(job);
}

/* Adds what is resident in a slice of a region. */
static bool add_slice(SweepJob *job, uint32_t region, uint64_t offset,
                      uint64_t length)
{
    const HostMemory *m = &g_array_index(job->blocks->memory, HostMemory,
                                         region);
    g_autoptr(GArray) extents = g_array_new(FALSE, FALSE,
                                            sizeof(SweepExtent));
    GError *error = NULL;

    if (!host_memory_resident(m, offset, length, extents, &error)) {
        job_fails_as(job, error);
        return false;
    }
    for (unsigned i = 0; i < extents->len; i++) {
        const SweepExtent *e = &g_array_index(extents, SweepExtent, i);

        sweep_plan_add_extent(job->plan, region, e->offset, e->length);
    }
    return true;
}

static void sweep_region(SweepJob *job, uint32_t region)
{
    const HostMemory *m = &g_array_index(job->blocks->memory, HostMemory,
                                         region);

    for (uint64_t at = 0; at < m->length && !is_stopped(job) &&
                          !sweep_plan_is_over(job->plan); at += SLICE) {
        if (!add_slice(job, region, at, MIN(SLICE, m->length - at))) {
            return;
        }
        take_all(job);
    }
}

/* A fault: nothing happens for a while. */
static void delay(SweepJob *job)
{
    int64_t end = job->start_ns + job->request.fault_delay_ns;

    while (!is_stopped(job)) {
        int64_t left = end - qemu_clock_get_ns(QEMU_CLOCK_REALTIME);

        if (left <= 0) {
            return;
        }
        qemu_mutex_lock(&job->lock);
        if (!job->cancelled) {
            qemu_cond_timedwait(&job->changed, &job->lock,
                                MIN(left / SCALE_MS + 1, 20));
        }
        qemu_mutex_unlock(&job->lock);
    }
}

/* Returns: the job's, ended as it is; takes over nothing. */
static SunderSweepState end_state(const SweepJob *job)
{
    if (job->cancelled) {
        return SUNDER_SWEEP_STATE_CANCELLED;
    }
    if (job->error) {
        return SUNDER_SWEEP_STATE_FAILED;
    }
    return job->expired ? SUNDER_SWEEP_STATE_EXPIRED
                        : SUNDER_SWEEP_STATE_COMPLETED;
}

/* Ends the job, in the main loop or from within a cancellation. */
static void job_end(SweepJob *job)
{
    SunderSweeper *sweeper = job->sweeper;
    SunderSweep status;

    if (!sweeper) {
        return;
    }
    qemu_thread_join(&job->thread);
    sweep_job_tell_taken(job);
    if (job->discard_required) {
        ram_block_discard_require(false);
    }
    sweep_job_status(job, &status);
    status.state = end_state(job);
    job->sweeper = NULL;
    g_clear_pointer(&job->guard, write_guard_free);
    sweeper_job_ended(sweeper, &status, job->request.done,
                      job->request.opaque);
    sweep_job_unref(job);
}

static void finish(void *opaque)
{
    SweepJob *job = opaque;

    job_end(job);
    sweep_job_unref(job);
}

static void *sweep_thread(void *opaque)
{
    SweepJob *job = opaque;

    delay(job);
    for (unsigned i = 0; i < job->blocks->memory->len; i++) {
        sweep_region(job, i);
    }
    sweep_plan_finish(job->plan);
    take_all(job);
    sweep_job_in_main_loop(job, finish);
    sweep_job_unref(job);
    return NULL;
}

/* --- Starting and cancelling ------------------------------------------- */

static void make_plan(SweepJob *job)
{
    static const SweepMode modes[] = {
        [SUNDER_SWEEP_MODE_COUNT] = SWEEP_COUNT,
        [SUNDER_SWEEP_MODE_SUPER_PAGES] = SWEEP_SUPER_PAGES,
        [SUNDER_SWEEP_MODE_ALL] = SWEEP_ALL,
    };
    SweepOptions options = {
        .mode = modes[job->request.mode],
        .limit = job->request.limit,
        .batch = sweep_job_is_pause(job) ? PAUSE_BATCH : BATCH,
        .batch_runs = sweep_job_is_pause(job) ? PAUSE_BATCH_RUNS : BATCH_RUNS,
        .look = look,
        .opaque = job,
    };

    job->plan = sweep_plan_new(&options);
    for (unsigned i = 0; i < job->blocks->memory->len; i++) {
        const HostMemory *m = &g_array_index(job->blocks->memory,
                                             HostMemory, i);
        SweepRegion region = {
            .length = m->length,
            .page = m->page,
            .super_page = g_array_index(job->blocks->super_page, uint64_t,
                                        i),
            .min_run = job->request.min_run,
        };

        if (!region.min_run && m->kind == HOST_MEMORY_SHARED) {
            region.min_run = MEMFD_MIN_RUN;
        }
        sweep_plan_add_region(job->plan, &region);
    }
}

/* Returns: whether a machine that cannot be guarded is paused instead. */
static bool may_pause(const SweepJob *job, const GError *error)
{
    return job->request.guard == SUNDER_SWEEP_GUARD_AUTO &&
           !g_error_matches(error, WRITE_GUARD_ERROR,
                            WRITE_GUARD_ERROR_BUSY);
}

static bool make_guard(SweepJob *job, Error **errp)
{
    static const WriteGuardEngine engines[] = {
        [SUNDER_SWEEP_GUARD_AUTO] = WRITE_GUARD_PROTECT,
        [SUNDER_SWEEP_GUARD_PROTECT] = WRITE_GUARD_PROTECT,
        [SUNDER_SWEEP_GUARD_MOVE] = WRITE_GUARD_MOVE,
        [SUNDER_SWEEP_GUARD_PAUSE] = WRITE_GUARD_NONE,
    };
    WriteGuardOptions options = {
        .engine = engines[job->request.guard],
        .memory = (const HostMemory *)job->blocks->memory->data,
        .count = job->blocks->memory->len,
        .release = 2 * MiB,
        .refuse = job->request.fault_refuse_guard,
    };
    g_autoptr(GError) error = NULL;

    job->guard = write_guard_new(&options, &error);
    if (!job->guard && may_pause(job, error)) {
        job->note = g_strdup_printf("the machine was paused: %s",
                                    error->message);
        options.engine = WRITE_GUARD_NONE;
        job->guard = write_guard_new(&options, NULL);
    }
    job->engine = options.engine;
    if (!job->guard) {
        error_setg(errp, "%s", error->message);
        return false;
    }
    return true;
}

/* Makes all that may fail. */
static bool job_prepare(SweepJob *job, Error **errp)
{
    bool count = job->request.mode == SUNDER_SWEEP_MODE_COUNT;

    if (!count && !make_guard(job, errp)) {
        return false;
    }
    if (!count && sweep_job_is_pause(job) &&
        sweep_inhibited(true, false, errp)) {
        return false;
    }
    if (!count && ram_block_discard_require(true) < 0) {
        error_setg(errp, "discarding of guest memory has been disabled");
        return false;
    }
    job->discard_required = !count;
    make_plan(job);
    return true;
}

SweepJob *sweep_job_start(SunderSweeper *sweeper,
                          const SunderSweepRequest *request, Error **errp)
{
    SweepJob *job = g_new0(SweepJob, 1);

    job->refs = 1;
    job->request = *request;
    job->engine = WRITE_GUARD_PROTECT;
    job->blocks = sweep_blocks_new(request->hugetlb);
    job->taken = g_array_new(FALSE, FALSE, sizeof(SweepTaken));
    job->result.taken = g_array_new(FALSE, FALSE, sizeof(SweepRun));
    qemu_mutex_init(&job->lock);
    qemu_cond_init(&job->changed);
    job->start_ns = qemu_clock_get_ns(QEMU_CLOCK_REALTIME);
    if (!job_prepare(job, errp)) {
        sweep_job_unref(job);
        return NULL;
    }
    job->sweeper = sweeper;
    if (!job->note) {
        job->note = g_strdup(job->blocks->reason);
    }
    qemu_thread_create(&job->thread, "sweep", sweep_thread, sweep_job_ref(job),
                       QEMU_THREAD_JOINABLE);
    return job;
}

void sweep_job_cancel(SweepJob *job)
{
    sweep_job_ref(job);
    qemu_mutex_lock(&job->lock);
    job->cancelled = true;
    g_atomic_int_set(&job->stop, 1);
    qemu_cond_signal(&job->changed);
    qemu_mutex_unlock(&job->lock);
    job_end(job);
    sweep_job_unref(job);
}

bool sweep_job_is_pausing(const SweepJob *job)
{
    return job->pausing;
}

void sweep_job_forget(SweepJob *job, void *host, uint64_t length)
{
    if (job->guard) {
        write_guard_forget(job->guard, host, length);
    }
}

void sweep_job_status(SweepJob *job, SunderSweep *status)
{
    static const SunderWriteGuard guards[] = {
        [WRITE_GUARD_PROTECT] = SUNDER_WRITE_GUARD_WRITE_PROTECT,
        [WRITE_GUARD_MOVE] = SUNDER_WRITE_GUARD_MOVE,
        [WRITE_GUARD_NONE] = SUNDER_WRITE_GUARD_PAUSE,
    };

    qemu_mutex_lock(&job->lock);
    *status = (SunderSweep) {
        .id = job->sweeper->count,
        .cause = job->request.cause,
        .mode = job->request.mode,
        .state = SUNDER_SWEEP_STATE_RUNNING,
        .has_guard = job->result.bytes > 0,
        .guard = guards[job->engine],
        .scanned = job->totals.scanned,
        .matching = job->totals.matching,
        .taken = job->result.bytes,
        .super_pages = job->result.super_pages,
        .pages = job->result.pages,
        .raced = job->result.raced,
        .skipped = job->totals.skipped + job->blocks->skipped,
        .duration_ns = qemu_clock_get_ns(QEMU_CLOCK_REALTIME) -
                       job->start_ns,
    };
    status->error = g_strdup(job->error ? error_get_pretty(job->error)
                                        : job->note);
    qemu_mutex_unlock(&job->lock);
    if (job->guard) {
        status->stall_max_ns = write_guard_stats(job->guard).stall_max_ns;
    }
}
