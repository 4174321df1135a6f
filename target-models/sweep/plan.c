/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Zero-page sweep: planning
 *
 * Looks at one super page after the other, as far as it is resident.
 * Runs of super pages fill batches at once; runs of pages wait in a list
 * of their own until the super pages are through or the list is full.
 */
#include <stdlib.h>

#include "target-models/sweep/sweep.h"

#define DEFAULT_BATCH       (UINT64_C(64) << 20)
#define DEFAULT_BATCH_RUNS  8192

/* Resident memory that has not been looked at. */
typedef struct PlanExtent {
    uint32_t region;
    uint64_t offset;
    uint64_t length;
} PlanExtent;

struct SweepPlan {
    SweepOptions options;
    GArray *regions;            /* SweepRegion */
    GArray *ends;               /* uint64_t: end of each region's extents */
    GQueue extents;             /* PlanExtent */
    GArray *super;              /* SweepRun: fills up to a batch */
    GArray *waiting;            /* SweepRun: pages, from waiting_at on */
    unsigned waiting_at;
    GArray *batch;              /* SweepRun: as handed out */
    uint64_t super_bytes;
    uint64_t taken;
    bool finished;
    bool stopped;               /* the look said so */
    bool flushing;              /* waiting pages go now */
    SweepTotals totals;
};

SweepPlan *sweep_plan_new(const SweepOptions *options)
{
    SweepPlan *plan = g_new0(SweepPlan, 1);

    plan->options = *options;
    if (!plan->options.batch) {
        plan->options.batch = DEFAULT_BATCH;
    }
    if (!plan->options.batch_runs) {
        plan->options.batch_runs = DEFAULT_BATCH_RUNS;
    }
    plan->regions = g_array_new(FALSE, FALSE, sizeof(SweepRegion));
    plan->ends = g_array_new(FALSE, FALSE, sizeof(uint64_t));
    g_queue_init(&plan->extents);
    plan->super = g_array_new(FALSE, FALSE, sizeof(SweepRun));
    plan->waiting = g_array_new(FALSE, FALSE, sizeof(SweepRun));
    plan->batch = g_array_new(FALSE, FALSE, sizeof(SweepRun));
    return plan;
}

void sweep_plan_free(SweepPlan *plan)
{
    if (!plan) {
        return;
    }
    g_array_unref(plan->regions);
    g_array_unref(plan->ends);
    g_queue_clear_full(&plan->extents, g_free);
    g_array_unref(plan->super);
    g_array_unref(plan->waiting);
    g_array_unref(plan->batch);
    g_free(plan);
}

static bool is_power_of_two(uint64_t n)
{
    return n && !(n & (n - 1));
}

uint32_t sweep_plan_add_region(SweepPlan *plan, const SweepRegion *region)
{
    uint64_t end = 0;

    g_assert(is_power_of_two(region->page) && region->page >= 4096);
    g_assert(is_power_of_two(region->super_page));
    g_assert(region->super_page >= region->page);
    g_assert(region->super_page / region->page <= SWEEP_MAX_PAGES);
    g_assert(region->length % region->page == 0);
    g_array_append_val(plan->regions, *region);
    g_array_append_val(plan->ends, end);
    return plan->regions->len - 1;
}

static const SweepRegion *region_of(const SweepPlan *plan, uint32_t region)
{
    g_assert(region < plan->regions->len);
    return &g_array_index(plan->regions, SweepRegion, region);
}

void sweep_plan_add_extent(SweepPlan *plan, uint32_t region,
                           uint64_t offset, uint64_t length)
{
    const SweepRegion *r = region_of(plan, region);
    uint64_t *end = &g_array_index(plan->ends, uint64_t, region);
    uint64_t first = MIN(offset, r->length);
    uint64_t to = first + MIN(length, r->length - first);
    uint64_t from = MAX(first, *end);
    PlanExtent *last = g_queue_peek_tail(&plan->extents);

    from = (from + r->page - 1) & ~(r->page - 1);
    to &= ~(r->page - 1);
    if (from >= to) {
        return;
    }
    *end = to;
    if (last && last->region == region &&
        last->offset + last->length == from) {
        last->length += to - from;
        return;
    }
    last = g_new(PlanExtent, 1);
    *last = (PlanExtent) { region, from, to - from };
    g_queue_push_tail(&plan->extents, last);
}

void sweep_plan_finish(SweepPlan *plan)
{
    plan->finished = true;
}

void sweep_plan_taken(SweepPlan *plan, uint64_t bytes)
{
    plan->taken += bytes;
}

void sweep_plan_unmatched(SweepPlan *plan, uint64_t bytes)
{
    g_assert(bytes <= plan->totals.matching);
    plan->totals.matching -= bytes;
}

SweepTotals sweep_plan_totals(const SweepPlan *plan)
{
    return plan->totals;
}

static uint64_t remaining(const SweepPlan *plan)
{
    if (!plan->options.limit) {
        return UINT64_MAX;
    }
    return plan->options.limit - MIN(plan->taken, plan->options.limit);
}

/* Whether not even the smallest piece may be taken any more. */
static bool limit_reached(const SweepPlan *plan)
{
    uint64_t smallest = UINT64_MAX;

    for (unsigned i = 0; i < plan->regions->len; i++) {
        const SweepRegion *r = region_of(plan, i);

        smallest = MIN(smallest, plan->options.mode == SWEEP_ALL ?
                                 r->page : r->super_page);
    }
    return plan->options.mode != SWEEP_COUNT && plan->options.limit &&
           remaining(plan) < smallest;
}

static unsigned waiting_runs(const SweepPlan *plan)
{
    return plan->waiting->len - plan->waiting_at;
}

/* Whether all that will ever come has been looked at. */
static bool all_seen(const SweepPlan *plan)
{
    return plan->stopped || (plan->finished && !plan->extents.length);
}

static bool is_drained(const SweepPlan *plan)
{
    return all_seen(plan) && !plan->super->len && !waiting_runs(plan);
}

bool sweep_plan_is_over(const SweepPlan *plan)
{
    return limit_reached(plan) || is_drained(plan);
}

/* Adds a run to a list, joined to the last where they touch. */
static void append(GArray *runs, unsigned from, const SweepRun *run)
{
    if (runs->len > from) {
        SweepRun *last = &g_array_index(runs, SweepRun, runs->len - 1);

        if (last->region == run->region &&
            last->super_page == run->super_page &&
            last->offset + last->length == run->offset) {
            last->length += run->length;
            return;
        }
    }
    g_array_append_val(runs, *run);
}

static void found_super(SweepPlan *plan, const PlanExtent *block)
{
    SweepRun run = { block->region, true, block->offset, block->length };

    plan->totals.matching += block->length;
    if (plan->options.mode != SWEEP_COUNT) {
        append(plan->super, 0, &run);
        plan->super_bytes += block->length;
    }
}

static void found_pages(SweepPlan *plan, const SweepRun *run)
{
    plan->totals.matching += run->length;
    if (run->length < region_of(plan, run->region)->min_run) {
        plan->totals.skipped += run->length;
    } else if (plan->options.mode == SWEEP_ALL) {
        append(plan->waiting, plan->waiting_at, run);
    }
}

/* Returns: the first bit from @at on that equals @set, or @bits. */
static unsigned next_bit(const uint64_t *words, unsigned bits, unsigned at,
                         bool set)
{
    while (at < bits) {
        uint64_t word = set ? words[at / 64] : ~words[at / 64];

        word >>= at % 64;
        if (word) {
            at += __builtin_ctzll(word);
            return MIN(at, bits);
        }
        at = (at / 64 + 1) * 64;
    }
    return bits;
}

/* Looks at resident memory within one super page. */
static void look(SweepPlan *plan, const PlanExtent *block)
{
    const SweepRegion *r = region_of(plan, block->region);
    uint64_t matching[SWEEP_MAX_PAGES / 64];
    unsigned pages = block->length / r->page, at = 0;

    if (!plan->options.look(plan->options.opaque, block->region,
                            block->offset, pages, matching)) {
        plan->stopped = true;
        return;
    }
    plan->totals.scanned += block->length;
    if (block->length == r->super_page &&
        next_bit(matching, pages, 0, false) == pages) {
        found_super(plan, block);
        return;
    }
    while ((at = next_bit(matching, pages, at, true)) < pages) {
        unsigned end = next_bit(matching, pages, at, false);
        SweepRun run = { block->region, false,
                         block->offset + at * r->page,
                         (end - at) * r->page };

        found_pages(plan, &run);
        at = end;
    }
}

/* Looks at the next piece of an extent.  Returns: whether there was one. */
static bool look_next(SweepPlan *plan)
{
    PlanExtent *extent = g_queue_peek_head(&plan->extents);
    const SweepRegion *r;
    PlanExtent block;

    if (!extent || plan->stopped) {
        return false;
    }
    r = region_of(plan, extent->region);
    block = *extent;
    block.length = r->super_page - (block.offset & (r->super_page - 1));
    block.length = MIN(block.length, extent->length);
    /*
     * The rest of a super page may come with the next extent: it is one
     * candidate, not two halves.
     */
    if (block.length == extent->length && !plan->finished &&
        (block.offset + block.length) & (r->super_page - 1) &&
        block.offset + block.length < r->length &&
        extent == g_queue_peek_tail(&plan->extents)) {
        return false;
    }
    extent->offset += block.length;
    extent->length -= block.length;
    if (!extent->length) {
        g_free(g_queue_pop_head(&plan->extents));
    }
    look(plan, &block);
    return true;
}

/*
 * Moves from the head of @run to the batch what @room bytes allow, in
 * units of @unit.  Returns: the bytes.
 */
static uint64_t move_run(SweepPlan *plan, SweepRun *run, uint64_t room,
                         uint64_t unit)
{
    SweepRun part = *run;

    part.length = MIN(run->length, room & ~(unit - 1));
    if (part.length) {
        append(plan->batch, 0, &part);
        run->offset += part.length;
        run->length -= part.length;
    }
    return part.length;
}

/* The first super page goes even if it is bigger than a batch. */
static void move_super(SweepPlan *plan, uint64_t room)
{
    unsigned done = 0;

    while (done < plan->super->len &&
           plan->batch->len < plan->options.batch_runs) {
        SweepRun *run = &g_array_index(plan->super, SweepRun, done);
        uint64_t unit = region_of(plan, run->region)->super_page;
        uint64_t bytes = move_run(plan, run, done ? room : MAX(room, unit),
                                  unit);

        plan->super_bytes -= bytes;
        room -= MIN(room, bytes);
        if (run->length) {
            break;
        }
        done++;
    }
    g_array_remove_range(plan->super, 0, done);
}

static void move_waiting(SweepPlan *plan, uint64_t room)
{
    while (plan->waiting_at < plan->waiting->len &&
           plan->batch->len < plan->options.batch_runs) {
        SweepRun *run = &g_array_index(plan->waiting, SweepRun,
                                       plan->waiting_at);
        uint64_t unit = region_of(plan, run->region)->page;
        uint64_t bytes = move_run(plan, run, room, unit);

        room -= bytes;
        if (run->length) {
            return;
        }
        plan->waiting_at++;
    }
    if (plan->waiting_at == plan->waiting->len) {
        g_array_set_size(plan->waiting, 0);
        plan->waiting_at = 0;
    }
}

static int compare_runs(const void *a, const void *b)
{
    const SweepRun *x = a, *y = b;

    if (x->region != y->region) {
        return x->region < y->region ? -1 : 1;
    }
    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

/*
 * Gives up super pages that the limit leaves no room for: their pages
 * may be taken one by one.
 */
static void break_super(SweepPlan *plan)
{
    for (unsigned i = 0; i < plan->super->len; i++) {
        SweepRun run = g_array_index(plan->super, SweepRun, i);

        run.super_page = false;
        if (plan->options.mode == SWEEP_ALL) {
            append(plan->waiting, plan->waiting_at, &run);
        }
    }
    g_array_set_size(plan->super, 0);
    plan->super_bytes = 0;
    if (waiting_runs(plan) > 0) {
        qsort(&g_array_index(plan->waiting, SweepRun, plan->waiting_at),
              waiting_runs(plan), sizeof(SweepRun), compare_runs);
    }
}

/* Whether the limit forbids the first super page that is there. */
static bool super_too_big(const SweepPlan *plan)
{
    const SweepRun *run = &g_array_index(plan->super, SweepRun, 0);

    return plan->super->len &&
           remaining(plan) < region_of(plan, run->region)->super_page;
}

/* Fills the batch with what there is.  Returns: whether it is not empty. */
static bool fill(SweepPlan *plan)
{
    uint64_t room = MIN(plan->options.batch, remaining(plan));

    g_array_set_size(plan->batch, 0);
    if (super_too_big(plan)) {
        break_super(plan);
        plan->flushing = true;
    }
    if (plan->super->len) {
        move_super(plan, room);
    } else if (plan->flushing) {
        move_waiting(plan, room);
        plan->flushing = plan->waiting_at < plan->waiting->len;
    }
    return plan->batch->len > 0;
}

/* Whether the super pages found so far make a batch, or end the limit. */
static bool super_full(const SweepPlan *plan)
{
    return plan->super_bytes >= MIN(plan->options.batch, remaining(plan)) ||
           plan->super->len >= plan->options.batch_runs;
}

const SweepRun *sweep_plan_next(SweepPlan *plan, unsigned *count)
{
    *count = 0;
    while (!sweep_plan_is_over(plan)) {
        bool full = super_full(plan);

        if (!full && !plan->flushing &&
            waiting_runs(plan) < SWEEP_MAX_WAITING && look_next(plan)) {
            continue;
        }
        plan->flushing |= all_seen(plan) ||
                          waiting_runs(plan) >= SWEEP_MAX_WAITING;
        if (!full && !plan->flushing) {
            return NULL;
        }
        if (fill(plan)) {
            *count = plan->batch->len;
            return (const SweepRun *)plan->batch->data;
        }
    }
    return NULL;
}
