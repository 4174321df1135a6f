/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Processors with TLBs: what each thing costs, and what is refused
 */
#include <criterion/criterion.h>
#include <string.h>

#include "target-models/paging/processors.h"

/* Each cost is a digit of its own, so that a sum tells what is in it. */
static ProcessorsConfig plain_config(ProcessorsScheme scheme)
{
    ProcessorsConfig config;

    processors_default_config(&config);
    config.scheme = scheme;
    config.processors = 4;
    config.spaces = 2;
    config.pages = 64;
    config.frames = 128;
    config.flush_ceiling = 4;
    config.costs = (ProcessorsCosts) {
        .access = 1, .stlb = 10, .walk = 100, .cookie = 1000,
        .line_far = 5000, .line_fetch = 10000, .line_transfer = 100000,
        .entry_write = 3, .invlpg = 20, .flush = 400, .ipi_send = 7,
        .ipi_deliver = 30000, .ipi_handle = 200, .switch_space = 6,
    };
    return config;
}

static Processors *plain(ProcessorsScheme scheme)
{
    ProcessorsConfig config = plain_config(scheme);
    Processors *processors = processors_new(&config, NULL);

    cr_assert_not_null(processors);
    for (unsigned page = 0; page < 64; page++) {
        cr_assert(processors_map(processors, 3, 0, page, page, true));
    }
    return processors;
}

static ProcessorsAccess access_page(Processors *processors, unsigned cpu,
                                    uint64_t page)
{
    ProcessorsAccess access;

    cr_assert(processors_access(processors, cpu, page, true, &access));
    return access;
}

static uint64_t remap(Processors *processors, unsigned cpu, uint64_t page,
                      uint64_t frame)
{
    uint64_t before = processors_clock(processors, cpu);

    cr_assert(processors_remap(processors, cpu, 0, page, 1, &frame));
    return processors_clock(processors, cpu) - before;
}

Test(cost, of_a_miss_and_a_hit_with_shoot_down)
{
    Processors *processors = plain(PROCESSORS_SHOOTDOWN);

    cr_expect_eq(access_page(processors, 0, 5).cycles, 111);
    cr_expect_eq(access_page(processors, 0, 5).cycles, 1);
    cr_expect_eq(processors_clock(processors, 0), 112);
    processors_free(processors);
}

Test(cost, of_a_miss_and_a_hit_with_cookies)
{
    Processors *processors = plain(PROCESSORS_COOKIES);

    cr_expect_eq(access_page(processors, 0, 5).cycles, 11111);
    cr_expect_eq(access_page(processors, 0, 5).cycles, 1001);
    /* The next cookie is in the same line. */
    cr_expect_eq(access_page(processors, 0, 6).cycles, 1111);
    processors_free(processors);
}

Test(cost, of_a_hit_in_the_second_tlb)
{
    ProcessorsConfig config = plain_config(PROCESSORS_SHOOTDOWN);
    Processors *processors;

    config.dtlb_entries = config.dtlb_ways = 1;
    processors = processors_new(&config, NULL);
    processors_map(processors, 0, 0, 1, 1, true);
    processors_map(processors, 0, 0, 2, 2, true);
    access_page(processors, 0, 1);
    access_page(processors, 0, 2);
    cr_expect_eq(access_page(processors, 0, 1).cycles, 11);
    cr_expect_eq(processors_counters(processors)->stlb_hits, 1);
    processors_free(processors);
}

Test(cost, of_a_cookie_in_the_larger_cache)
{
    ProcessorsConfig config = plain_config(PROCESSORS_COOKIES);
    Processors *processors;

    config.line_entries = config.line_ways = 1;
    processors = processors_new(&config, NULL);
    processors_map(processors, 0, 0, 1, 1, true);
    processors_map(processors, 0, 0, 2, 100, true);
    access_page(processors, 0, 1);
    access_page(processors, 0, 2);
    cr_expect_eq(access_page(processors, 0, 1).cycles, 6001);
    cr_expect_eq(processors_counters(processors)->line_far_hits, 1);
    processors_free(processors);
}

Test(cost, of_a_remap_with_cookies)
{
    Processors *processors = plain(PROCESSORS_COOKIES);
    ProcessorsAccess access;
    uint64_t others;

    access_page(processors, 1, 5);
    others = processors_clock(processors, 1);
    /* Another one reads the line: it has to give it up. */
    cr_expect_eq(remap(processors, 0, 5, 70), 100003);
    cr_expect_eq(processors_clock(processors, 1), others,
                 "nobody is interrupted");
    /* The line is ours now. */
    cr_expect_eq(remap(processors, 0, 6, 71), 1003);
    access = access_page(processors, 1, 5);
    cr_expect(access.restarted);
    cr_expect(access.walked);
    cr_expect_eq(access.frame, 70);
    /* Line of frame 5 from the one who changed it, walk, line of frame 70 */
    cr_expect_eq(access.cycles, 1 + 101000 + 100 + 11000);
    processors_free(processors);
}

Test(cost, of_a_remap_with_shoot_down)
{
    Processors *processors = plain(PROCESSORS_SHOOTDOWN);
    uint64_t others;
    ProcessorsAccess access;

    access_page(processors, 1, 5);
    access_page(processors, 0, 5);
    others = processors_clock(processors, 1);
    /* Three sends, the last one's delivery, its handler, its answer */
    cr_expect_eq(remap(processors, 0, 5, 70),
                 3 + 3 * 7 + 30000 + 220 + 100000);
    cr_expect_eq(processors_clock(processors, 1), others + 220);
    access = access_page(processors, 1, 5);
    cr_expect_not(access.restarted);
    cr_expect(access.walked);
    cr_expect_eq(access.frame, 70);
    cr_expect_eq(processors_counters(processors)->interrupts, 3);
    processors_free(processors);
}

Test(cost, of_many_pages_is_a_flush)
{
    Processors *processors = plain(PROCESSORS_SHOOTDOWN);
    uint64_t frames[5] = { 70, 71, 72, 73, 74 };
    uint64_t before;

    access_page(processors, 1, 60);
    before = processors_clock(processors, 1);
    processors_remap(processors, 0, 0, 0, 4, frames);
    cr_expect_eq(processors_clock(processors, 1), before + 200 + 4 * 20);
    cr_expect_not(access_page(processors, 1, 60).walked);
    before = processors_clock(processors, 1);
    processors_remap(processors, 0, 0, 8, 5, frames);
    cr_expect_eq(processors_clock(processors, 1), before + 200 + 400);
    cr_expect(access_page(processors, 1, 60).walked);
    processors_free(processors);
}

Test(cost, of_an_interrupt_while_waiting_is_in_the_wait)
{
    Processors *processors = plain(PROCESSORS_SHOOTDOWN);
    uint64_t waited;

    remap(processors, 0, 5, 70);        /* 0 waits for 130,000 cycles */
    waited = processors_clock(processors, 0);
    remap(processors, 1, 6, 71);
    cr_expect_eq(processors_clock(processors, 0), waited);
    processors_free(processors);
}

Test(cost, of_others_is_none_when_they_run_elsewhere)
{
    Processors *processors = plain(PROCESSORS_SHOOTDOWN);
    ProcessorsAccess access;

    access_page(processors, 1, 5);
    for (unsigned cpu = 1; cpu < 4; cpu++) {
        processors_switch(processors, cpu, 1);
    }
    cr_expect_eq(remap(processors, 0, 5, 70), 3 + 20);
    cr_expect_eq(processors_counters(processors)->interrupts, 0);
    /* Coming back it flushes, as the space has changed. */
    processors_switch(processors, 1, 0);
    access = access_page(processors, 1, 5);
    cr_expect_eq(access.frame, 70);
    cr_expect(access.walked);
    cr_expect_eq(processors_counters(processors)->spaces_flushed, 1);
    processors_free(processors);
}

Test(cost, of_a_change_that_changes_nothing_is_none)
{
    for (unsigned scheme = 0; scheme < 2; scheme++) {
        Processors *processors = plain(scheme);
        uint64_t before;

        processors_unmap(processors, 0, 0, 5, 1);
        before = processors_clock(processors, 0);
        processors_unmap(processors, 0, 0, 5, 1);
        cr_expect_eq(remap(processors, 0, 5, 70), 0);
        cr_expect_eq(remap(processors, 0, 6, 6), 0);
        processors_remap(processors, 0, 0, 6, 0, NULL);
        cr_expect_eq(processors_clock(processors, 0), before);
        processors_free(processors);
    }
}

Test(cost, of_cookies_that_run_out_is_a_shoot_down)
{
    Processors *processors = plain(PROCESSORS_COOKIES);
    CookieBuffer *cookies = processors_cookies(processors);

    cookie_buffer_set(cookies, 5, UINT32_MAX - 1);
    cr_expect_gt(remap(processors, 0, 5, 70), 100000);
    cr_expect_eq(processors_counters(processors)->exhausted, 1);
    cr_expect_eq(processors_counters(processors)->interrupts, 3);
    cr_expect_eq(cookie_buffer_read(cookies, 5), 0);
    processors_free(processors);
}

Test(processors, next_is_the_one_that_is_behind)
{
    Processors *processors = plain(PROCESSORS_SHOOTDOWN);

    cr_expect_eq(processors_next(processors), 0);
    access_page(processors, 0, 1);
    cr_expect_eq(processors_next(processors), 1);
    processors_free(processors);
}

Test(processors, refuse_what_is_not_there)
{
    Processors *processors = plain(PROCESSORS_COOKIES);
    uint64_t far[2] = { 1, 128 };
    ProcessorsAccess access;

    cr_expect_not(processors_access(processors, 4, 0, false, &access));
    cr_expect_not(processors_access(processors, 0, 64, false, &access));
    cr_expect_not(processors_map(processors, 0, 1, 64, 0, true));
    cr_expect_not(processors_map(processors, 0, 1, 0, 128, true));
    cr_expect_not(processors_map(processors, 0, 2, 0, 0, true));
    cr_expect_not(processors_map(processors, 4, 1, 0, 0, true));
    cr_expect_not(processors_map(processors, 0, 0, 0, 1, true), "is mapped");
    cr_expect_not(processors_unmap(processors, 0, 0, 63, 2));
    cr_expect_not(processors_unmap(processors, 0, 0, 1, UINT64_MAX));
    cr_expect_not(processors_unmap(processors, 0, 0, UINT64_MAX, 1));
    cr_expect_not(processors_remap(processors, 0, 0, 0, 2, far));
    cr_expect_not(processors_protect(processors, 9, 0, 0, 1));
    cr_expect_not(processors_switch(processors, 0, 2));
    cr_expect_eq(processors_clock(processors, 4), 0);
    cr_expect_eq(access_page(processors, 0, 0).frame, 0, "nothing happened");
    processors_free(processors);
}

#define expect_refused(member, value) do {                              \
        ProcessorsConfig config = plain_config(PROCESSORS_COOKIES);     \
        g_autoptr(GError) error = NULL;                                 \
        config.member = value;                                          \
        cr_expect_null(processors_new(&config, &error), #member);       \
        cr_expect(g_error_matches(error, PROCESSORS_ERROR,              \
                                  PROCESSORS_ERROR_CONFIG));            \
    } while (0)

Test(processors, refuse_impossible_machines)
{
    expect_refused(processors, 0);
    expect_refused(processors, 65);
    expect_refused(spaces, 0);
    expect_refused(spaces, PROCESSORS_MAX_SPACES + 1);
    expect_refused(pages, 0);
    expect_refused(frames, PROCESSORS_MAX_FRAMES + 1);
    expect_refused(dtlb_ways, 0);
    expect_refused(stlb_entries, 1000);
    expect_refused(line_entries, 0);
    expect_refused(far_ways, 3);
    expect_refused(line_bytes, 48);
    expect_refused(line_bytes, 4);
    expect_refused(cookie_width, 0);
    expect_refused(cookie_width, 65);
}

Test(processors, name_what_is_impossible)
{
    ProcessorsConfig config = plain_config(PROCESSORS_COOKIES);
    g_autoptr(GError) error = NULL;

    config.processors = 65;
    cr_expect_null(processors_new(&config, &error));
    cr_expect_str_eq(error->message, "processors: 65: expected 1 to 64");
}
