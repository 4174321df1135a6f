/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Zero-page sweep: comparing memory with a pattern; page frame numbers. */
#include <criterion/criterion.h>
#include <string.h>

#include "target-models/sweep/sweep.h"

#define PAGE    4096u
#define PATTERN UINT64_C(0xfeedfacecafebeef)

static void fill(uint64_t *memory, size_t length, uint64_t pattern)
{
    for (size_t i = 0; i < length / 8; i++) {
        memory[i] = pattern;
    }
}

static uint64_t *alloc(size_t length)
{
    return g_malloc0(length);
}

Test(sweep_pattern, memory_full_of_the_pattern_matches)
{
    static const uint64_t patterns[] = { 0, UINT64_MAX, PATTERN };

    for (unsigned i = 0; i < G_N_ELEMENTS(patterns); i++) {
        for (size_t length = 64; length <= 1024; length += 64) {
            g_autofree uint64_t *memory = alloc(length);

            fill(memory, length, patterns[i]);
            cr_assert(sweep_matches(memory, length, patterns[i]));
        }
    }
}

Test(sweep_pattern, one_bit_anywhere_is_seen)
{
    g_autofree uint64_t *memory = alloc(PAGE);

    fill(memory, PAGE, PATTERN);
    for (unsigned bit = 0; bit < PAGE * 8; bit += 7) {
        memory[bit / 64] ^= UINT64_C(1) << (bit % 64);
        cr_assert_not(sweep_matches(memory, PAGE, PATTERN), "bit %u", bit);
        memory[bit / 64] ^= UINT64_C(1) << (bit % 64);
    }
    cr_assert(sweep_matches(memory, PAGE, PATTERN));
}

Test(sweep_pattern, nothing_beyond_the_end_is_looked_at)
{
    g_autofree uint64_t *memory = alloc(PAGE + 64);

    memory[PAGE / 8] = 1;
    cr_assert(sweep_matches(memory, PAGE, 0));
}

Test(sweep_pattern, a_bit_is_set_for_each_page_that_matches)
{
    const unsigned pages = 130;
    g_autofree uint64_t *memory = alloc(pages * PAGE);
    uint64_t matching[3] = { 0, 0, UINT64_MAX };

    for (unsigned i = 0; i < pages; i += 3) {
        memory[(i + 1) * PAGE / 8 - 1] = 1;
    }
    sweep_classify(memory, PAGE, pages, 0, matching);
    for (unsigned i = 0; i < 192; i++) {
        bool bit = matching[i / 64] >> (i % 64) & 1;

        cr_assert_eq(bit, i < pages && i % 3 != 0, "page %u", i);
    }
}

/* Memory in which one word of every third page differs. */
static uint64_t *make_mixed(unsigned pages, GRand *random)
{
    uint64_t *memory = alloc(pages * PAGE);

    for (unsigned i = 0; i < pages; i += 3) {
        memory[i * PAGE / 8 + g_rand_int_range(random, 0, PAGE / 8)] = 1;
    }
    return memory;
}

Test(sweep_pattern, a_screen_never_leaves_out_a_page_that_matches)
{
    g_autoptr(GRand) random = g_rand_new_with_seed(9);

    for (unsigned pages = 1; pages <= 130; pages += 43) {
        g_autofree uint64_t *memory = make_mixed(pages, random);
        uint64_t matching[3], screened[3] = { 0, 0, 0 };

        sweep_classify(memory, PAGE, pages, 0, matching);
        sweep_screen(memory, PAGE, pages, 0, screened);
        for (unsigned i = 0; i < (pages + 63) / 64; i++) {
            cr_assert_eq(matching[i] & ~screened[i], 0);
        }
        cr_assert_eq(pages % 64 ? screened[pages / 64] >> pages % 64 : 0,
                     0);
    }
}

Test(sweep_pattern, a_screen_sees_a_page_that_is_full_of_something_else)
{
    g_autofree uint64_t *memory = alloc(70 * PAGE);
    uint64_t screened[2];

    fill(memory + 5 * PAGE / 8, PAGE, PATTERN);
    sweep_screen(memory, PAGE, 70, 0, screened);
    cr_assert_eq(screened[0], ~(UINT64_C(1) << 5));
    cr_assert_eq(screened[1], 63);
}

Test(sweep_pattern, a_screen_of_pages_that_all_match_sets_all_bits)
{
    g_autofree uint64_t *memory = alloc(70 * PAGE);
    uint64_t screened[2] = { 0, UINT64_MAX };

    sweep_screen(memory, PAGE, 70, 0, screened);
    cr_assert_eq(screened[0], UINT64_MAX);
    cr_assert_eq(screened[1], 63);
}

/* --- Page frame numbers ------------------------------------------------ */

Test(sweep_pfns, a_descending_request_is_one_run)
{
    uint32_t pfns[256];
    SweepPfnRun runs[256];
    unsigned duplicates;

    for (unsigned i = 0; i < 256; i++) {
        pfns[i] = 5000 - i;
    }
    cr_assert_eq(sweep_pfns_coalesce(pfns, 256, runs, &duplicates), 1);
    cr_assert_eq(runs[0].first, 4745);
    cr_assert_eq(runs[0].count, 256);
    cr_assert_eq(duplicates, 0);
}

Test(sweep_pfns, no_numbers_are_no_runs)
{
    SweepPfnRun run;

    cr_assert_eq(sweep_pfns_coalesce(NULL, 0, &run, NULL), 0);
}

Test(sweep_pfns, a_number_given_twice_counts_once)
{
    uint32_t pfns[] = { 7, 8, 7, 7, 9 };
    SweepPfnRun runs[5];
    unsigned duplicates;

    cr_assert_eq(sweep_pfns_coalesce(pfns, 5, runs, &duplicates), 1);
    cr_assert_eq(runs[0].count, 3);
    cr_assert_eq(duplicates, 2);
}

Test(sweep_pfns, the_last_number_does_not_wrap_to_the_first)
{
    uint32_t pfns[] = { UINT32_MAX, 0 };
    SweepPfnRun runs[2];

    cr_assert_eq(sweep_pfns_coalesce(pfns, 2, runs, NULL), 2);
    cr_assert_eq(runs[0].first, 0);
    cr_assert_eq(runs[1].first, UINT32_MAX);
}

/* Every number is in exactly one run, and nothing else is. */
Test(sweep_pfns, any_request_is_covered_exactly)
{
    g_autoptr(GRand) random = g_rand_new_with_seed(5);

    for (unsigned round = 0; round < 2000; round++) {
        unsigned n = g_rand_int_range(random, 1, 257), covered = 0;
        uint32_t pfns[256];
        SweepPfnRun runs[256];
        bool wanted[512] = { false };
        unsigned distinct = 0, count;

        for (unsigned i = 0; i < n; i++) {
            pfns[i] = g_rand_int_range(random, 0, 512);
            distinct += !wanted[pfns[i]];
            wanted[pfns[i]] = true;
        }
        count = sweep_pfns_coalesce(pfns, n, runs, NULL);
        for (unsigned i = 0; i < count; i++) {
            cr_assert(!i || runs[i].first > runs[i - 1].first +
                                            runs[i - 1].count);
            for (unsigned j = 0; j < runs[i].count; j++) {
                cr_assert(wanted[runs[i].first + j]);
            }
            covered += runs[i].count;
        }
        cr_assert_eq(covered, distinct);
    }
}
