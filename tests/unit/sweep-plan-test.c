/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Zero-page sweep: what is taken, in which order and in what batches. */
#include <criterion/criterion.h>
#include <string.h>

#include "target-models/sweep/sweep.h"

#define PAGE        4096u
#define SUPER       (16 * PAGE)     /* small, so that tests are */
#define PAGES       2048
#define MAX_REGIONS 3

/* Memory as a test describes it. */
typedef struct World {
    bool zero[MAX_REGIONS][PAGES];
    bool resident[MAX_REGIONS][PAGES];
    bool taken[MAX_REGIONS][PAGES];
    bool looked[MAX_REGIONS][PAGES];
    unsigned looks_left;            /* then look() says stop */
} World;

static World *world;

static void make(void)
{
    world = g_new0(World, 1);
    world->looks_left = G_MAXUINT;
}

static void drop(void)
{
    g_free(world);
}

TestSuite(sweep_plan, .init = make, .fini = drop);

static bool look(void *opaque, uint32_t region, uint64_t offset,
                 unsigned pages, uint64_t *matching)
{
    cr_assert(pages > 0 && pages * PAGE <= SUPER);
    cr_assert_eq(offset / SUPER, (offset + pages * PAGE - 1) / SUPER);
    if (!world->looks_left--) {
        return false;
    }
    memset(matching, 0, (pages + 63) / 64 * sizeof(*matching));
    for (unsigned i = 0; i < pages; i++) {
        unsigned page = offset / PAGE + i;

        cr_assert(world->resident[region][page]);
        cr_assert_not(world->looked[region][page]);
        world->looked[region][page] = true;
        if (world->zero[region][page]) {
            matching[i / 64] |= UINT64_C(1) << (i % 64);
        }
    }
    return true;
}

static SweepPlan *new_plan(SweepMode mode, uint64_t limit, uint64_t batch,
                           unsigned regions, uint64_t min_run)
{
    SweepOptions options = {
        .mode = mode, .limit = limit, .batch = batch, .look = look,
    };
    SweepRegion region = { PAGES * PAGE, PAGE, SUPER, min_run };
    SweepPlan *plan = sweep_plan_new(&options);

    for (unsigned i = 0; i < regions; i++) {
        cr_assert_eq(sweep_plan_add_region(plan, &region), i);
    }
    return plan;
}

static void set(bool *pages, unsigned from, unsigned count)
{
    memset(pages + from, true, count);
}

/* Adds what is resident of a region, in extents of at most @most pages. */
static void add_resident(SweepPlan *plan, uint32_t region, unsigned most)
{
    unsigned at = 0;

    while (at < PAGES) {
        unsigned n = 0;

        while (at + n < PAGES && n < most && world->resident[region][at + n]) {
            n++;
        }
        sweep_plan_add_extent(plan, region, at * (uint64_t)PAGE,
                              n * (uint64_t)PAGE);
        at += n ? n : 1;
    }
}

/* Checks a batch and takes it.  Returns: the bytes. */
static uint64_t take(const SweepRun *runs, unsigned count)
{
    uint64_t bytes = 0;

    for (unsigned i = 0; i < count; i++) {
        const SweepRun *r = &runs[i];

        cr_assert_gt(r->length, 0);
        cr_assert(!i || runs[i - 1].region < r->region ||
                  (runs[i - 1].region == r->region &&
                   runs[i - 1].offset + runs[i - 1].length <= r->offset));
        cr_assert(!r->super_page || !((r->offset | r->length) % SUPER));
        for (uint64_t at = r->offset; at < r->offset + r->length;
             at += PAGE) {
            cr_assert(world->zero[r->region][at / PAGE]);
            cr_assert_not(world->taken[r->region][at / PAGE]);
            world->taken[r->region][at / PAGE] = true;
        }
        bytes += r->length;
    }
    return bytes;
}

/* Returns: the bytes taken until the plan wants more or is over. */
static uint64_t take_all(SweepPlan *plan)
{
    const SweepRun *runs;
    uint64_t total = 0;
    unsigned count;

    while ((runs = sweep_plan_next(plan, &count))) {
        uint64_t bytes = take(runs, count);

        sweep_plan_taken(plan, bytes);
        total += bytes;
    }
    return total;
}

Test(sweep_plan, super_pages_go_before_pages)
{
    SweepPlan *plan = new_plan(SWEEP_ALL, 0, 0, 1, 0);
    const SweepRun *runs;
    unsigned count;

    set(world->resident[0], 0, 64);
    set(world->zero[0], 2, 3);
    set(world->zero[0], 32, 32);
    add_resident(plan, 0, 64);
    sweep_plan_finish(plan);
    runs = sweep_plan_next(plan, &count);
    cr_assert_eq(count, 1);
    cr_assert(runs[0].super_page);
    cr_assert_eq(runs[0].offset, 2 * SUPER);
    cr_assert_eq(runs[0].length, 2 * SUPER);
    runs = sweep_plan_next(plan, &count);
    cr_assert_eq(count, 1);
    cr_assert_not(runs[0].super_page);
    cr_assert_eq(runs[0].offset, 2 * PAGE);
    cr_assert_eq(runs[0].length, 3 * PAGE);
    cr_assert_null(sweep_plan_next(plan, &count));
    cr_assert(sweep_plan_is_over(plan));
    sweep_plan_free(plan);
}

Test(sweep_plan, a_super_page_that_is_not_all_resident_is_pages)
{
    SweepPlan *plan = new_plan(SWEEP_SUPER_PAGES, 0, 0, 1, 0);

    set(world->resident[0], 0, 15);
    set(world->zero[0], 0, 16);
    add_resident(plan, 0, 16);
    sweep_plan_finish(plan);
    cr_assert_eq(take_all(plan), 0);
    cr_assert_eq(sweep_plan_totals(plan).matching, 15 * PAGE);
    sweep_plan_free(plan);
}

Test(sweep_plan, a_super_page_may_come_in_two_extents)
{
    SweepPlan *plan = new_plan(SWEEP_SUPER_PAGES, 0, 0, 1, 0);

    set(world->resident[0], 0, 16);
    set(world->zero[0], 0, 16);
    sweep_plan_add_extent(plan, 0, 0, 8 * PAGE);
    cr_assert_eq(take_all(plan), 0);
    sweep_plan_add_extent(plan, 0, 8 * PAGE, 8 * PAGE);
    sweep_plan_finish(plan);
    cr_assert_eq(take_all(plan), SUPER);
    sweep_plan_free(plan);
}

Test(sweep_plan, count_takes_nothing)
{
    SweepPlan *plan = new_plan(SWEEP_COUNT, 0, 0, 1, 0);

    set(world->resident[0], 0, PAGES);
    set(world->zero[0], 0, 100);
    add_resident(plan, 0, PAGES);
    sweep_plan_finish(plan);
    cr_assert_eq(take_all(plan), 0);
    cr_assert_eq(sweep_plan_totals(plan).scanned, PAGES * PAGE);
    cr_assert_eq(sweep_plan_totals(plan).matching, 100 * PAGE);
    sweep_plan_free(plan);
}

Test(sweep_plan, short_runs_stay_and_are_counted)
{
    SweepPlan *plan = new_plan(SWEEP_ALL, 0, 0, 1, 4 * PAGE);

    set(world->resident[0], 0, 64);
    set(world->zero[0], 0, 3);
    set(world->zero[0], 20, 4);
    add_resident(plan, 0, 64);
    sweep_plan_finish(plan);
    cr_assert_eq(take_all(plan), 4 * PAGE);
    cr_assert_eq(sweep_plan_totals(plan).skipped, 3 * PAGE);
    sweep_plan_free(plan);
}

Test(sweep_plan, the_limit_is_never_passed)
{
    for (uint64_t limit = 1; limit < 5 * SUPER; limit += PAGE + 100) {
        SweepPlan *plan = new_plan(SWEEP_ALL, limit, SUPER, 1, 0);

        memset(world, 0, sizeof(*world));
        world->looks_left = G_MAXUINT;
        set(world->resident[0], 0, PAGES);
        set(world->zero[0], 5, PAGES - 5);
        add_resident(plan, 0, PAGES);
        sweep_plan_finish(plan);
        cr_assert_eq(take_all(plan), limit / PAGE * PAGE);
        cr_assert(sweep_plan_is_over(plan));
        sweep_plan_free(plan);
    }
}

Test(sweep_plan, what_was_not_taken_does_not_count_towards_the_limit)
{
    SweepPlan *plan = new_plan(SWEEP_ALL, 2 * SUPER, SUPER, 1, 0);
    unsigned count;

    set(world->resident[0], 0, 4 * 16);
    set(world->zero[0], 0, 4 * 16);
    add_resident(plan, 0, PAGES);
    sweep_plan_finish(plan);
    cr_assert_not_null(sweep_plan_next(plan, &count));
    sweep_plan_taken(plan, 0);
    cr_assert_eq(take_all(plan), 2 * SUPER);
    sweep_plan_free(plan);
}

Test(sweep_plan, a_super_page_bigger_than_a_batch_goes_alone)
{
    SweepPlan *plan = new_plan(SWEEP_ALL, 0, PAGE, 1, 0);
    const SweepRun *runs;
    unsigned count;

    set(world->resident[0], 0, 32);
    set(world->zero[0], 0, 32);
    add_resident(plan, 0, PAGES);
    sweep_plan_finish(plan);
    runs = sweep_plan_next(plan, &count);
    cr_assert_eq(count, 1);
    cr_assert_eq(runs[0].length, SUPER);
    sweep_plan_free(plan);
}

Test(sweep_plan, what_never_matched_leaves_the_totals)
{
    SweepPlan *plan = new_plan(SWEEP_ALL, 0, 0, 1, 0);
    unsigned count;

    set(world->resident[0], 0, 10);
    set(world->zero[0], 0, 10);
    add_resident(plan, 0, PAGES);
    sweep_plan_finish(plan);
    cr_assert_not_null(sweep_plan_next(plan, &count));
    sweep_plan_taken(plan, 7 * PAGE);
    sweep_plan_unmatched(plan, 3 * PAGE);
    cr_assert_eq(sweep_plan_totals(plan).matching, 7 * PAGE);
    sweep_plan_free(plan);
}

Test(sweep_plan, a_look_that_says_stop_ends_it)
{
    SweepPlan *plan = new_plan(SWEEP_ALL, 0, 0, 1, 0);

    set(world->resident[0], 0, PAGES);
    set(world->zero[0], 0, PAGES);
    world->looks_left = 3;
    add_resident(plan, 0, PAGES);
    sweep_plan_finish(plan);
    cr_assert_eq(take_all(plan), 3 * SUPER);
    cr_assert(sweep_plan_is_over(plan));
    cr_assert_eq(sweep_plan_totals(plan).scanned, 3 * SUPER);
    sweep_plan_free(plan);
}

Test(sweep_plan, what_lies_beyond_the_region_is_cut_off)
{
    SweepPlan *plan = new_plan(SWEEP_ALL, 0, 0, 1, 0);

    set(world->resident[0], PAGES - 1, 1);
    set(world->zero[0], PAGES - 1, 1);
    sweep_plan_add_extent(plan, 0, (PAGES - 1) * (uint64_t)PAGE - 100,
                          UINT64_MAX);
    sweep_plan_add_extent(plan, 0, UINT64_MAX - 5000, 10000);
    sweep_plan_finish(plan);
    cr_assert_eq(take_all(plan), PAGE);
    sweep_plan_free(plan);
}

/* --- Against a plain reference ------------------------------------------ */

static void make_random(GRand *random, unsigned regions)
{
    memset(world, 0, sizeof(*world));
    world->looks_left = G_MAXUINT;
    for (unsigned r = 0; r < regions; r++) {
        for (unsigned at = 0; at < PAGES; ) {
            unsigned n = g_rand_int_range(random, 1, 60);
            unsigned kind = g_rand_int_range(random, 0, 4);

            for (; n-- && at < PAGES; at++) {
                world->resident[r][at] = kind != 0;
                world->zero[r][at] = kind >= 2;
            }
        }
    }
}

/* What a plan without a limit must take. */
static bool must_take(unsigned region, unsigned page, SweepMode mode)
{
    unsigned first = page / 16 * 16;

    if (!world->resident[region][page] || !world->zero[region][page]) {
        return false;
    }
    if (mode == SWEEP_ALL) {
        return true;
    }
    for (unsigned i = first; i < first + 16; i++) {
        if (!world->resident[region][i] || !world->zero[region][i]) {
            return false;
        }
    }
    return mode == SWEEP_SUPER_PAGES;
}

Test(sweep_plan, any_memory_is_taken_as_a_plain_loop_would)
{
    g_autoptr(GRand) random = g_rand_new_with_seed(3);

    for (unsigned round = 0; round < 300; round++) {
        unsigned regions = g_rand_int_range(random, 1, MAX_REGIONS + 1);
        SweepMode mode = g_rand_int_range(random, SWEEP_COUNT,
                                          SWEEP_ALL + 1);
        uint64_t batch = g_rand_int_range(random, 1, 40) * PAGE;
        unsigned most = g_rand_int_range(random, 1, 100);
        SweepPlan *plan = new_plan(mode, 0, batch, regions, 0);

        make_random(random, regions);
        for (unsigned r = 0; r < regions; r++) {
            add_resident(plan, r, most);
            take_all(plan);
        }
        sweep_plan_finish(plan);
        take_all(plan);
        cr_assert(sweep_plan_is_over(plan));
        for (unsigned r = 0; r < regions; r++) {
            for (unsigned p = 0; p < PAGES; p++) {
                cr_assert_eq(world->taken[r][p], must_take(r, p, mode));
                cr_assert_eq(world->looked[r][p], world->resident[r][p]);
            }
        }
        sweep_plan_free(plan);
    }
}

Test(sweep_plan, a_limit_is_used_up_whatever_the_memory)
{
    g_autoptr(GRand) random = g_rand_new_with_seed(4);

    for (unsigned round = 0; round < 300; round++) {
        uint64_t limit = g_rand_int_range(random, 1, PAGES * 2) * PAGE;
        uint64_t there = 0;
        SweepPlan *plan = new_plan(SWEEP_ALL, limit, 64 * PAGE, 2, 0);

        make_random(random, 2);
        for (unsigned r = 0; r < 2; r++) {
            add_resident(plan, r, PAGES);
            for (unsigned p = 0; p < PAGES; p++) {
                there += must_take(r, p, SWEEP_ALL) * PAGE;
            }
        }
        sweep_plan_finish(plan);
        cr_assert_eq(take_all(plan), MIN(limit, there));
        sweep_plan_free(plan);
    }
}
