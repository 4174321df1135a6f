/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Processors with TLBs, against page tables that are looked at every time
 *
 * Whatever is mapped, remapped and protected by whichever processor, no
 * operation reaches a frame that its page has left: with either scheme,
 * with caches of any form, and with cookies that run out all the time.
 */
#include <criterion/criterion.h>

#include "target-models/paging/processors.h"

#define CPUS   5
#define SPACES 3
#define PAGES  24
#define FRAMES 40       /* few: they come back soon, as ABA wants */
#define STEPS  60000

typedef struct Page {
    bool mapped, writable;
    uint64_t frame;
} Page;

typedef struct World {
    Processors *processors;
    Page pages[SPACES][PAGES];
    unsigned space[CPUS];
    GRand *rand;
    uint64_t accesses[3];
} World;

static unsigned below(World *world, unsigned end)
{
    return (unsigned)g_rand_int_range(world->rand, 0, (gint32)end);
}

static void access_page(World *world)
{
    unsigned cpu = below(world, CPUS), number = below(world, PAGES);
    bool write = below(world, 2);
    const Page *page = &world->pages[world->space[cpu]][number];
    ProcessorsOutcome expected = !page->mapped ? PROCESSORS_NOT_MAPPED
        : write && !page->writable ? PROCESSORS_NOT_WRITABLE
                                   : PROCESSORS_DONE;
    ProcessorsAccess access;

    cr_assert(processors_access(world->processors, cpu, number, write,
                                &access));
    cr_assert_eq(access.outcome, expected, "page %u of space %u: %u, not %u",
                 number, world->space[cpu], access.outcome, expected);
    if (expected == PROCESSORS_DONE) {
        cr_assert_eq(access.frame, page->frame);
    }
    world->accesses[expected]++;
}

static void map_page(World *world)
{
    unsigned cpu = below(world, CPUS), space = below(world, SPACES);
    unsigned number = below(world, PAGES);
    Page *page = &world->pages[space][number];
    Page new = { true, below(world, 2), below(world, FRAMES) };

    cr_assert_eq(processors_map(world->processors, cpu, space, number,
                                new.frame, new.writable), !page->mapped);
    if (!page->mapped) {
        *page = new;
    }
}

static void change_pages(World *world, unsigned what)
{
    unsigned cpu = below(world, CPUS), space = below(world, SPACES);
    unsigned number = below(world, PAGES);
    unsigned count = below(world, MIN(6, PAGES - number) + 1);
    uint64_t frames[PAGES];

    for (unsigned i = 0; i < count; i++) {
        Page *page = &world->pages[space][number + i];

        frames[i] = below(world, FRAMES);
        if (what == 0 && page->mapped) {
            page->frame = frames[i];
        } else if (what == 1) {
            *page = (Page) { 0 };
        } else if (what == 2) {
            page->writable = false;
        }
    }
    switch (what) {
    case 0:
        cr_assert(processors_remap(world->processors, cpu, space, number,
                                   count, frames));
        break;
    case 1:
        cr_assert(processors_unmap(world->processors, cpu, space, number,
                                   count));
        break;
    default:
        cr_assert(processors_protect(world->processors, cpu, space, number,
                                     count));
    }
}

static void step(World *world)
{
    unsigned what = below(world, 100);

    if (what < 70) {
        access_page(world);
    } else if (what < 82) {
        map_page(world);
    } else if (what < 94) {
        change_pages(world, what % 3);
    } else {
        unsigned cpu = below(world, CPUS);

        world->space[cpu] = below(world, SPACES);
        cr_assert(processors_switch(world->processors, cpu,
                                    world->space[cpu]));
    }
}

static ProcessorsConfig small_config(unsigned width)
{
    ProcessorsConfig config;

    processors_default_config(&config);
    config.processors = CPUS;
    config.spaces = SPACES;
    config.pages = PAGES;
    config.frames = FRAMES;
    config.cookie_width = width;
    config.flush_ceiling = 3;
    return config;
}

static ProcessorsCounters run(const ProcessorsConfig *config, unsigned seed)
{
    World world = {
        .processors = processors_new(config, NULL),
        .rand = g_rand_new_with_seed(seed),
    };
    ProcessorsCounters counters;

    cr_assert_not_null(world.processors);
    for (unsigned i = 0; i < STEPS; i++) {
        step(&world);
    }
    for (unsigned i = 0; i < 3; i++) {
        cr_expect_gt(world.accesses[i], STEPS / 100);
    }
    counters = *processors_counters(world.processors);
    g_rand_free(world.rand);
    processors_free(world.processors);
    return counters;
}

Test(processors, never_use_an_old_mapping_with_cookies)
{
    static const unsigned widths[] = { 1, 2, 3, 5, 8, 16, 32, 64 };

    for (unsigned i = 0; i < G_N_ELEMENTS(widths); i++) {
        ProcessorsConfig config = small_config(widths[i]);
        ProcessorsCounters counters = run(&config, 100 + i);

        /* A frame changes some 180 times here. */
        cr_expect_eq(counters.exhausted > 0, widths[i] <= 5,
                     "width %u", widths[i]);
        if (widths[i] > 5) {
            cr_expect_gt(counters.restarts, 1000);
            cr_expect_eq(counters.interrupts, 0);
        }
    }
}

Test(processors, never_use_an_old_mapping_with_shoot_down)
{
    ProcessorsConfig config = small_config(32);
    ProcessorsCounters counters;

    config.scheme = PROCESSORS_SHOOTDOWN;
    counters = run(&config, 200);
    cr_expect_gt(counters.interrupts, 1000);
    cr_expect_gt(counters.spaces_flushed, 100);
    cr_expect_gt(counters.pages_invalidated, 1000);
    cr_expect_eq(counters.restarts, 0);
}

/* Caches of one entry, of one set, of one line: all is replaced always. */
Test(processors, never_use_an_old_mapping_with_tiny_caches)
{
    for (unsigned scheme = 0; scheme < 2; scheme++) {
        ProcessorsConfig config = small_config(2);

        config.scheme = scheme;
        config.dtlb_entries = config.dtlb_ways = 1;
        config.stlb_entries = config.stlb_ways = 2;
        config.line_entries = config.line_ways = 1;
        config.far_entries = config.far_ways = 1;
        config.line_bytes = 8;
        run(&config, 300 + scheme);
    }
}

Test(processors, count_the_same_cycles_for_the_same_calls)
{
    for (unsigned scheme = 0; scheme < 2; scheme++) {
        ProcessorsConfig config = small_config(4);
        ProcessorsCounters first, second;

        config.scheme = scheme;
        first = run(&config, 400);
        second = run(&config, 400);
        cr_expect_arr_eq(&first, &second, sizeof(first));
    }
}
