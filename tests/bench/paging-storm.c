/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A remap storm on simulated processors
 */
#include "paging-processors.h"

typedef struct Frames {
    uint64_t *free;             /* a ring: what was freed first is used first */
    unsigned size, head;
} Frames;

typedef struct Run {
    const Storm *storm;
    Processors *processors;
    Frames frames;
    uint64_t *mapped;           /* the frame of each page, space by space */
    unsigned pages;             /* of a space */
    uint64_t seed;
    uint64_t stale;
} Run;

/* xorshift64*, Vigna, "An experimental exploration of Marsaglia's xorshift
 * generators, scrambled", 2016 */
static uint64_t run_random(Run *run)
{
    run->seed ^= run->seed >> 12;
    run->seed ^= run->seed << 25;
    run->seed ^= run->seed >> 27;
    return (run->seed * UINT64_C(2685821657736338717)) >> 32;
}

static unsigned space_of(const Run *run, unsigned cpu)
{
    return run->storm->pattern == STORM_PROCESSES ? cpu : 0;
}

/* The first page that @cpu works on */
static unsigned first_page(const Run *run, unsigned cpu)
{
    return run->storm->pattern == STORM_PRIVATE ? cpu * run->storm->pages
                                                : 0;
}

static void run_operation(Run *run, unsigned cpu)
{
    unsigned page = first_page(run, cpu) +
                    (unsigned)(run_random(run) % run->storm->pages);
    uint64_t mapped = run->mapped[space_of(run, cpu) * run->pages + page];
    ProcessorsAccess access;

    processors_access(run->processors, cpu, page, !(run_random(run) & 3),
                      &access);
    run->stale += access.outcome != PROCESSORS_DONE ||
                  access.frame != mapped;
}

static void run_remap(Run *run, unsigned cpu)
{
    unsigned batch = MIN(run->storm->batch, run->storm->pages);
    unsigned page = first_page(run, cpu) +
        (unsigned)(run_random(run) % (run->storm->pages - batch + 1));
    uint64_t *mapped = &run->mapped[space_of(run, cpu) * run->pages + page];
    g_autofree uint64_t *frames = g_new(uint64_t, batch);

    for (unsigned i = 0; i < batch; i++) {
        unsigned at = (run->frames.head + i) % run->frames.size;

        frames[i] = run->frames.free[at];
        run->frames.free[at] = mapped[i];
        mapped[i] = frames[i];
    }
    run->frames.head = (run->frames.head + batch) % run->frames.size;
    processors_remap(run->processors, cpu, space_of(run, cpu), page, batch,
                     frames);
}

static void run_operations(Run *run, uint64_t operations)
{
    g_autofree unsigned *left = g_new(unsigned, run->storm->processors);

    /* So that they do not all remap at once */
    for (unsigned cpu = 0; cpu < run->storm->processors; cpu++) {
        left[cpu] = run->storm->interval
            ? 1 + (unsigned)(run_random(run) % run->storm->interval) : 0;
    }
    while (operations--) {
        unsigned cpu = processors_next(run->processors);

        run_operation(run, cpu);
        if (run->storm->interval && !--left[cpu]) {
            run_remap(run, cpu);
            left[cpu] = run->storm->interval;
        }
    }
}

static void run_begin(Run *run, const Storm *storm, ProcessorsScheme scheme)
{
    unsigned spaces = storm->pattern == STORM_PROCESSES ? storm->processors
                                                        : 1;
    ProcessorsConfig config;
    unsigned used, total;

    processors_default_config(&config);
    run->storm = storm;
    run->seed = 20261123;
    run->pages = storm->pages *
        (storm->pattern == STORM_PRIVATE ? storm->processors : 1);
    used = run->pages * spaces;
    run->frames.size = MAX(used / 4, 256);
    total = used + run->frames.size;
    config.scheme = scheme;
    config.processors = storm->processors;
    config.spaces = spaces;
    config.pages = run->pages;
    config.frames = total;
    config.costs.cookie = storm->cookie_cycles;
    run->processors = processors_new(&config, NULL);
    run->mapped = g_new(uint64_t, total);
    for (unsigned i = 0; i < total; i++) {
        /* Shuffled: neighbours in a line of cookies are strangers. */
        unsigned other = storm->contiguous
            ? i : (unsigned)(run_random(run) % (i + 1));

        run->mapped[i] = run->mapped[other];
        run->mapped[other] = i;
    }
    run->frames.free = run->mapped + used;
    for (unsigned i = 0; i < used; i++) {
        processors_map(run->processors, 0, i / run->pages, i % run->pages,
                       run->mapped[i], true);
    }
    for (unsigned cpu = 0; cpu < storm->processors; cpu++) {
        processors_switch(run->processors, cpu, space_of(run, cpu));
    }
}

static uint64_t run_cycles(const Run *run)
{
    uint64_t cycles = 0;

    for (unsigned cpu = 0; cpu < run->storm->processors; cpu++) {
        cycles += processors_clock(run->processors, cpu);
    }
    return cycles;
}

StormResult storm_run(const Storm *storm, ProcessorsScheme scheme)
{
    Run run = { 0 };
    const ProcessorsCounters *counters;
    ProcessorsCounters before;
    StormResult result;
    uint64_t cycles;

    run_begin(&run, storm, scheme);
    counters = processors_counters(run.processors);
    run_operations(&run, storm->operations);
    before = *counters;
    cycles = run_cycles(&run);
    run_operations(&run, storm->operations);
    result = (StormResult) {
        .operation = (double)(run_cycles(&run) - cycles) /
                     (double)storm->operations,
        .remap = counters->changes == before.changes ? 0
            : (double)(counters->change_cycles - before.change_cycles) /
              (double)(counters->changes - before.changes),
        .stale = run.stale,
        .counters = *counters,
    };
    processors_free(run.processors);
    g_free(run.mapped);
    return result;
}
