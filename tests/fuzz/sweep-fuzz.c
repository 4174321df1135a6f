/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fuzz target: a sweep's plan, its page-mapping list and the page frame
 * numbers of inflate requests.
 *
 * The input is a program: each operation is a byte that says which, and the
 * operands it takes.  Sanitizers watch memory; the assertions here are what
 * sweep.h promises.
 */
#include <string.h>

#include "target-models/sweep/sweep.h"
#include "tests/fuzz/input.h"

#define PAGE    4096u
#define REGIONS 3
#define ENTRIES 32

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct Run {
    FuzzInput program;
    SweepPlan *plan;
    SweepMap *map;
    uint64_t pages[REGIONS];    /* of each region */
    uint64_t limit;
    uint64_t taken;
    uint64_t sweep;
} Run;

static bool look(void *opaque, uint32_t region, uint64_t offset,
                 unsigned pages, uint64_t *matching)
{
    Run *run = opaque;

    g_assert(region < REGIONS && pages && pages <= SWEEP_MAX_PAGES);
    g_assert(offset % PAGE == 0);
    g_assert(offset / PAGE + pages <= run->pages[region]);
    memset(matching, 0, (pages + 63) / 64 * sizeof(*matching));
    for (unsigned i = 0; i < pages; i += 64) {
        uint64_t word = (next8(&run->program) & 1) ? UINT64_MAX
                                                   : next64(&run->program);
        unsigned left = pages - i;

        matching[i / 64] = left < 64 ? word & ~(UINT64_MAX << left) : word;
    }
    return run->program.left > 0;
}

static void begin(Run *run)
{
    SweepOptions options = {
        .mode = next8(&run->program) % 3,
        .limit = next8(&run->program) * (uint64_t)(PAGE / 2),
        .batch = next8(&run->program) * (uint64_t)PAGE,
        .batch_runs = next8(&run->program),
        .look = look,
        .opaque = run,
    };

    run->limit = options.limit;
    run->plan = sweep_plan_new(&options);
    for (unsigned i = 0; i < REGIONS; i++) {
        SweepRegion region = { .page = PAGE };

        run->pages[i] = next8(&run->program) * 16;
        region.length = run->pages[i] * PAGE;
        region.super_page = (uint64_t)PAGE << next8(&run->program) % 10;
        region.min_run = next8(&run->program) % 4 * PAGE;
        sweep_plan_add_region(run->plan, &region);
    }
    run->map = sweep_map_new(ENTRIES);
}

static void take_run(Run *run, const SweepRun *r)
{
    SweepMapping m = {
        .region = r->region, .super_page = r->super_page,
        .offset = r->offset, .length = r->length,
        .sweep = run->sweep, .time_ns = run->sweep,
    };

    g_assert(r->region < REGIONS && r->length);
    g_assert((r->offset | r->length) % PAGE == 0);
    g_assert((r->offset + r->length) / PAGE <= run->pages[r->region]);
    sweep_map_add(run->map, &m);
}

static void take_batch(Run *run)
{
    unsigned count;
    const SweepRun *runs = sweep_plan_next(run->plan, &count);
    uint64_t bytes = 0;

    g_assert(!runs == !count);
    for (unsigned i = 0; i < count; i++) {
        take_run(run, &runs[i]);
        bytes += runs[i].length;
    }
    if (next8(&run->program) & 1) {
        sweep_plan_taken(run->plan, bytes);
        run->taken += bytes;
        g_assert(!run->limit || run->taken <= run->limit);
    }
}

static void look_at_map(Run *run)
{
    SweepExtent extents[16];
    uint64_t at = 0;
    unsigned n;

    for (n = 0; n < G_N_ELEMENTS(extents); n++) {
        at += next8(&run->program) * (uint64_t)PAGE;
        extents[n].offset = at;
        extents[n].length = (next8(&run->program) + 1) * (uint64_t)PAGE;
        at += extents[n].length;
    }
    sweep_map_look(run->map, next8(&run->program) % REGIONS, extents, n);
}

static void sum(const SweepMapping *m, void *opaque)
{
    SweepMapTotals *totals = opaque;

    g_assert(m->came_back <= m->length);
    totals->entries++;
    totals->taken += m->length;
    totals->came_back += m->came_back;
}

static void check_map(Run *run)
{
    SweepMapTotals told = sweep_map_totals(run->map), found = { 0 };

    sweep_map_foreach(run->map, 0, G_MAXUINT, sum, &found);
    g_assert(told.entries == found.entries && told.entries <= ENTRIES);
    g_assert(told.taken == found.taken);
    g_assert(told.came_back == found.came_back);
}

static void coalesce(Run *run)
{
    uint32_t pfns[64];
    SweepPfnRun runs[64];
    unsigned n = next8(&run->program) % 65, duplicates, count;
    uint64_t covered = 0;

    for (unsigned i = 0; i < n; i++) {
        pfns[i] = next8(&run->program) & 1 ? next64(&run->program)
                                           : next8(&run->program);
    }
    count = sweep_pfns_coalesce(pfns, n, runs, &duplicates);
    for (unsigned i = 0; i < count; i++) {
        covered += runs[i].count;
        g_assert(!i || runs[i].first - 1 > runs[i - 1].first +
                                           (runs[i - 1].count - 1));
    }
    g_assert(covered + duplicates == n);
}

static void step(Run *run)
{
    FuzzInput *p = &run->program;

    switch (next8(p) % 8) {
    case 0:
    case 1:
        sweep_plan_add_extent(run->plan, next8(p) % REGIONS,
                              next8(p) & 1 ? next64(p)
                                           : next8(p) * (uint64_t)PAGE,
                              next8(p) & 1 ? next64(p)
                                           : next8(p) * (uint64_t)PAGE);
        break;
    case 2:
    case 3:
        take_batch(run);
        break;
    case 4:
        sweep_map_remove(run->map, next8(p) % REGIONS, next64(p) >> 40,
                         next64(p) >> next8(p) % 64);
        break;
    case 5:
        look_at_map(run);
        break;
    case 6:
        coalesce(run);
        break;
    case 7:
        run->sweep++;
        if (next8(p) == 0) {
            sweep_plan_finish(run->plan);
        }
        break;
    }
    check_map(run);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Run run = { .program = { data, size } };

    begin(&run);
    while (run.program.left) {
        step(&run);
    }
    sweep_plan_finish(run.plan);
    sweep_plan_free(run.plan);
    sweep_map_free(run.map);
    return 0;
}
