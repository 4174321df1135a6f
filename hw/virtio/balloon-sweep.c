/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sunder-balloon: when it sweeps, and the request that waits for a sweep
 *
 * The order is: inflate command, the driver's first request, sweep of the
 * guest's memory, update of the page-mapping list, answer to the request.
 */
#include "qemu/osdep.h"
#include "hw/virtio/balloon.h"
#include "qapi/error.h"
#include "qapi/qapi-events-sunder.h"
#include "qemu/main-loop.h"
#include "qemu/timer.h"
#include "hw/trace.h"

static const char *const guard_names[] = {
    [SUNDER_SWEEP_GUARD_AUTO] = "auto",
    [SUNDER_SWEEP_GUARD_PROTECT] = "write-protect",
    [SUNDER_SWEEP_GUARD_MOVE] = "move",
    [SUNDER_SWEEP_GUARD_PAUSE] = "pause",
};

static bool parse_guard(SunderBalloon *b, Error **errp)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(guard_names); i++) {
        if (!b->guard_name || g_str_equal(b->guard_name, guard_names[i])) {
            b->guard = i;
            return true;
        }
    }
    error_setg(errp, "%s: sweep-guard '%.40s' does not exist; there are: "
               "auto, write-protect, move, pause", b->id, b->guard_name);
    return false;
}

SunderSweepRequest balloon_sweep_request(SunderBalloon *b)
{
    return (SunderSweepRequest) {
        .cause = SUNDER_SWEEP_CAUSE_COMMAND,
        .mode = SUNDER_SWEEP_MODE_ALL,
        .guard = b->guard,
        .pattern = b->pattern,
        .min_run = b->min_run,
        .hugetlb = b->hugetlb,
    };
}

/* Answers the request that waits, and those that have come meanwhile. */
static void release_waiting(SunderBalloon *b)
{
    VirtQueueElement *e = g_steal_pointer(&b->waiting);

    timer_del(b->hold_timer);
    qemu_bh_cancel(b->start_bh);
    if (!e) {
        return;
    }
    balloon_answer(b, b->inflate_vq, e);
    if (VIRTIO_DEVICE(b)->vm_running) {
        qemu_bh_schedule(b->request_bh);
    }
}

/*
 * Memory that the sweep has taken is memory that the guest need not give up,
 * until it uses it again.
 */
static void credit_swept(SunderBalloon *b, const SunderSweep *sweep)
{
    uint64_t taken = sweep->taken >> BALLOON_PAGE_SHIFT;
    uint64_t wanted = b->target - MIN(b->target, taken);
    uint64_t have = MAX(balloon_pages_count(b->pages), b->actual);

    if (b->withheld || b->target <= have) {
        return;
    }
    b->shown = MAX(wanted, have);
    trace_sunder_balloon_credit(b->id, b->target, b->shown);
    virtio_notify_config(VIRTIO_DEVICE(b));
}

static void sweep_done(void *opaque, const SunderSweep *sweep)
{
    SunderBalloon *b = opaque;

    trace_sunder_balloon_swept(b->id, sweep->id,
                               SunderSweepState_str(sweep->state),
                               sweep->taken, sweep->duration_ns);
    qapi_event_send_sunder_balloon_swept(b->id, (SunderSweep *)sweep,
                                         sunder_fault_now_ns());
    if (b->credit && sweep->cause == SUNDER_SWEEP_CAUSE_INFLATE &&
        sweep->mode != SUNDER_SWEEP_MODE_COUNT) {
        credit_swept(b, sweep);
    }
    if (b->waiting && sweep->mode == SUNDER_SWEEP_MODE_COUNT) {
        /* it met a sweep that takes nothing: now comes its own */
        qemu_bh_schedule(b->start_bh);
    } else {
        release_waiting(b);
    }
}

bool balloon_sweep_start(SunderBalloon *b, SunderSweepRequest *request,
                         Error **errp)
{
    request->done = sweep_done;
    request->opaque = b;
    balloon_fault_sweep(b, request);
    return sunder_sweeper_start(b->sweeper, request, errp) != 0;
}

/* In the main loop; the driver's request came on a CPU's thread. */
static void start_for_waiting(void *opaque)
{
    SunderBalloon *b = opaque;
    SunderSweepRequest request = balloon_sweep_request(b);
    g_autoptr(Error) error = NULL;

    request.cause = SUNDER_SWEEP_CAUSE_INFLATE;
    request.deadline_ns = (uint64_t)b->hold_ms * SCALE_MS;
    if (sunder_sweeper_is_running(b->sweeper)) {
        /* started by command: the request waits for that one */
        return;
    }
    if (!balloon_sweep_start(b, &request, &error)) {
        trace_sunder_balloon_no_sweep(b->id, error_get_pretty(error));
        release_waiting(b);
    }
}

static void hold_is_over(void *opaque)
{
    release_waiting(opaque);
}

void balloon_sweep_command(SunderBalloon *b, bool inflate)
{
    b->sweep_wanted = inflate && b->when == SUNDER_SWEEP_WHEN_INFLATE;
}

bool balloon_sweep_keep(SunderBalloon *b, VirtQueueElement *e)
{
    if (!b->sweep_wanted) {
        return false;
    }
    b->sweep_wanted = false;
    b->waiting = e;
    timer_mod(b->hold_timer,
              qemu_clock_get_ms(QEMU_CLOCK_REALTIME) + b->hold_ms);
    qemu_bh_schedule(b->start_bh);
    return true;
}

/* The sweep's own pause is over before anything else can happen. */
void balloon_sweep_stop(SunderBalloon *b)
{
    if (sunder_sweeper_is_pausing(b->sweeper)) {
        return;
    }
    sunder_sweeper_cancel(b->sweeper);
    release_waiting(b);
}

void balloon_sweep_detach(SunderBalloon *b)
{
    VirtQueueElement *e = g_steal_pointer(&b->waiting);

    if (e) {
        virtqueue_detach_element(b->inflate_vq, e, 0);
        g_free(e);
        sunder_sweeper_cancel(b->sweeper);
    }
    release_waiting(b);
}

void balloon_sweep_forget(SunderBalloon *b)
{
    sunder_sweeper_cancel(b->sweeper);
    sunder_sweeper_reset(b->sweeper);
}

static void schedule_period(SunderBalloon *b)
{
    timer_mod(b->period_timer,
              qemu_clock_get_ms(QEMU_CLOCK_VIRTUAL) + b->period_ms);
}

static void period_is_over(void *opaque)
{
    SunderBalloon *b = opaque;
    SunderSweepRequest request = balloon_sweep_request(b);
    g_autoptr(Error) error = NULL;

    request.cause = SUNDER_SWEEP_CAUSE_PERIOD;
    if (!sunder_sweeper_is_running(b->sweeper) &&
        !balloon_sweep_start(b, &request, &error)) {
        trace_sunder_balloon_no_sweep(b->id, error_get_pretty(error));
    }
    schedule_period(b);
}

static bool check_properties(SunderBalloon *b, Error **errp)
{
    if (b->when == SUNDER_SWEEP_WHEN_PERIODIC && b->period_ms == 0) {
        error_setg(errp, "%s: sweep=periodic needs sweep-period, the "
                   "milliseconds between two sweeps: at least 1", b->id);
        return false;
    }
    if (b->hold_ms == 0 || b->hold_ms > BALLOON_HOLD_MAX_MS) {
        error_setg(errp, "%s: sweep-hold=%u: expected 1 to %u milliseconds "
                   "(a driver that waits longer is reported as hung)", b->id,
                   b->hold_ms, BALLOON_HOLD_MAX_MS);
        return false;
    }
    return parse_guard(b, errp);
}

bool balloon_sweep_realize(SunderBalloon *b, Error **errp)
{
    if (!check_properties(b, errp)) {
        return false;
    }
    b->sweeper = sunder_sweeper_new();
    b->start_bh = qemu_bh_new(start_for_waiting, b);
    b->hold_timer = timer_new_ms(QEMU_CLOCK_REALTIME, hold_is_over, b);
    b->period_timer = timer_new_ms(QEMU_CLOCK_VIRTUAL, period_is_over, b);
    if (b->when == SUNDER_SWEEP_WHEN_PERIODIC) {
        schedule_period(b);
    }
    return true;
}

void balloon_sweep_unrealize(SunderBalloon *b)
{
    balloon_sweep_detach(b);
    g_clear_pointer(&b->sweeper, sunder_sweeper_free);
    g_clear_pointer(&b->period_timer, timer_free);
    g_clear_pointer(&b->hold_timer, timer_free);
    g_clear_pointer(&b->start_bh, qemu_bh_delete);
}
