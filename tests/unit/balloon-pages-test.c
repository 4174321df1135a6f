/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The balloon's pages: what is in it, what is held, what is given back. */
#include <criterion/criterion.h>
#include <string.h>

#include "target-models/balloon/balloon.h"

#define S BALLOON_SUPER_PAGE

/* What balloon_pages_give() has offered. */
typedef struct Offers {
    BalloonRun runs[16];
    unsigned n;
    bool refuse;
} Offers;

static bool take(BalloonRun run, void *opaque)
{
    Offers *offers = opaque;

    cr_assert_lt(offers->n, 16);
    offers->runs[offers->n++] = run;
    return !offers->refuse;
}

static Offers give(BalloonPages *pages, BalloonGive what)
{
    Offers offers = { .n = 0 };

    balloon_pages_give(pages, what, take, &offers);
    return offers;
}

static BalloonRun run(uint64_t first, uint64_t count)
{
    return (BalloonRun){ first, count };
}

static void expect_run(BalloonRun actual, uint64_t first, uint64_t count)
{
    cr_expect_eq(actual.first, first, "first is %" G_GUINT64_FORMAT,
                 actual.first);
    cr_expect_eq(actual.count, count, "count is %" G_GUINT64_FORMAT,
                 actual.count);
}

Test(balloon_pages, added_pages_count_once)
{
    BalloonPages *pages = balloon_pages_new();

    cr_expect_eq(balloon_pages_add(pages, run(10, 5)), 5);
    cr_expect_eq(balloon_pages_add(pages, run(12, 5)), 2);
    cr_expect_eq(balloon_pages_count(pages), 7);
    cr_expect_eq(balloon_pages_held(pages), 7);

    balloon_pages_free(pages);
}

Test(balloon_pages, removed_pages_are_gone)
{
    BalloonPages *pages = balloon_pages_new();

    balloon_pages_add(pages, run(0, 2 * S));
    cr_expect_eq(balloon_pages_remove(pages, run(S - 1, 2)), 2);
    cr_expect_eq(balloon_pages_remove(pages, run(S - 1, 2)), 0);
    cr_expect_eq(balloon_pages_count(pages), 2 * S - 2);
    cr_expect_eq(balloon_pages_held(pages), 2 * S - 2);
    cr_expect(balloon_pages_contain(pages, run(0, S - 1)));
    cr_expect_not(balloon_pages_contain(pages, run(0, S)));

    balloon_pages_free(pages);
}

Test(balloon_pages, a_super_page_is_offered_when_it_is_whole)
{
    BalloonPages *pages = balloon_pages_new();
    Offers offers;

    balloon_pages_add(pages, run(3 * S + S / 2, S / 2));
    offers = give(pages, BALLOON_GIVE_WHOLE);
    cr_expect_eq(offers.n, 0);
    balloon_pages_add(pages, run(3 * S, S / 2));
    offers = give(pages, BALLOON_GIVE_WHOLE);
    cr_assert_eq(offers.n, 1);
    expect_run(offers.runs[0], 3 * S, S);
    cr_expect_eq(balloon_pages_held(pages), 0);

    balloon_pages_free(pages);
}

Test(balloon_pages, neighbouring_super_pages_are_one_run)
{
    BalloonPages *pages = balloon_pages_new();
    Offers offers;

    balloon_pages_add(pages, run(2 * S, S));
    balloon_pages_add(pages, run(0, S));
    balloon_pages_add(pages, run(S, S));
    offers = give(pages, BALLOON_GIVE_WHOLE);
    cr_assert_eq(offers.n, 1);
    expect_run(offers.runs[0], 0, 3 * S);

    balloon_pages_free(pages);
}

Test(balloon_pages, single_pages_are_offered_when_all_is_asked_for)
{
    BalloonPages *pages = balloon_pages_new();
    Offers offers;

    balloon_pages_add(pages, run(5, 2));
    balloon_pages_add(pages, run(9, 1));
    offers = give(pages, BALLOON_GIVE_ALL);
    cr_assert_eq(offers.n, 2);
    expect_run(offers.runs[0], 5, 2);
    expect_run(offers.runs[1], 9, 1);
    offers = give(pages, BALLOON_GIVE_ALL);
    cr_expect_eq(offers.n, 0);

    balloon_pages_free(pages);
}

/* The rest of it may be resident again: a super page comes back whole. */
Test(balloon_pages, a_super_page_is_offered_whole_though_a_part_was_given)
{
    BalloonPages *pages = balloon_pages_new();
    Offers offers;

    balloon_pages_add(pages, run(0, S - 1));
    give(pages, BALLOON_GIVE_ALL);
    balloon_pages_add(pages, run(S - 1, 1));
    offers = give(pages, BALLOON_GIVE_WHOLE);
    cr_assert_eq(offers.n, 1);
    expect_run(offers.runs[0], 0, S);

    balloon_pages_free(pages);
}

Test(balloon_pages, only_what_is_held_is_offered_when_that_is_asked_for)
{
    BalloonPages *pages = balloon_pages_new();
    Offers offers;

    balloon_pages_add(pages, run(0, S - 1));
    give(pages, BALLOON_GIVE_HELD);
    balloon_pages_add(pages, run(S - 1, 1));
    offers = give(pages, BALLOON_GIVE_HELD);
    cr_assert_eq(offers.n, 1);
    expect_run(offers.runs[0], S - 1, 1);

    balloon_pages_free(pages);
}

Test(balloon_pages, a_page_that_was_taken_out_is_not_offered)
{
    BalloonPages *pages = balloon_pages_new();
    Offers offers;

    balloon_pages_add(pages, run(0, S));
    balloon_pages_remove(pages, run(7, 1));
    offers = give(pages, BALLOON_GIVE_WHOLE);
    cr_expect_eq(offers.n, 0);
    offers = give(pages, BALLOON_GIVE_ALL);
    cr_assert_eq(offers.n, 2);
    expect_run(offers.runs[0], 0, 7);
    expect_run(offers.runs[1], 8, S - 8);

    balloon_pages_free(pages);
}

Test(balloon_pages, what_was_refused_is_offered_again_on_demand)
{
    BalloonPages *pages = balloon_pages_new();
    Offers offers = { .refuse = true };

    balloon_pages_add(pages, run(0, S));
    balloon_pages_give(pages, BALLOON_GIVE_ALL, take, &offers);
    cr_expect_eq(balloon_pages_held(pages), S);
    cr_expect_eq(give(pages, BALLOON_GIVE_ALL).n, 0);
    balloon_pages_retry(pages);
    cr_expect_eq(give(pages, BALLOON_GIVE_ALL).n, 1);
    cr_expect_eq(balloon_pages_held(pages), 0);

    balloon_pages_free(pages);
}

Test(balloon_pages, an_emptied_super_page_is_not_offered)
{
    BalloonPages *pages = balloon_pages_new();

    balloon_pages_add(pages, run(0, 3));
    balloon_pages_remove(pages, run(0, 3));
    cr_expect_eq(give(pages, BALLOON_GIVE_ALL).n, 0);

    balloon_pages_free(pages);
}

Test(balloon_pages, clear_forgets_everything)
{
    BalloonPages *pages = balloon_pages_new();

    balloon_pages_add(pages, run(0, 3 * S));
    balloon_pages_clear(pages);
    cr_expect_eq(balloon_pages_count(pages), 0);
    cr_expect_eq(balloon_pages_held(pages), 0);
    cr_expect_eq(give(pages, BALLOON_GIVE_ALL).n, 0);

    balloon_pages_free(pages);
}

Test(balloon_pages, numbers_end_at_32_bits)
{
    BalloonPages *pages = balloon_pages_new();

    cr_expect_eq(balloon_pages_add(pages, run(BALLOON_PAGES_MAX - 1,
                                              UINT64_MAX)), 1);
    cr_expect_eq(balloon_pages_add(pages, run(BALLOON_PAGES_MAX, 1)), 0);
    cr_expect_eq(balloon_pages_remove(pages, run(BALLOON_PAGES_MAX - 1,
                                                 UINT64_MAX)), 1);

    balloon_pages_free(pages);
}

static void load_fails(const uint8_t *data, size_t size, uint64_t limit,
                       const char *expected)
{
    BalloonPages *pages = balloon_pages_new();
    GError *error = NULL;

    balloon_pages_add(pages, run(1, 1));
    cr_assert_not(balloon_pages_load(pages, data, size, limit, &error));
    cr_expect(strstr(error->message, expected) != NULL, "%s",
              error->message);
    cr_expect_eq(balloon_pages_count(pages), 1);

    g_error_free(error);
    balloon_pages_free(pages);
}

Test(balloon_state, saved_pages_are_loaded_and_held)
{
    BalloonPages *pages = balloon_pages_new(), *copy = balloon_pages_new();
    GByteArray *bytes;
    GArray *runs;

    balloon_pages_add(pages, run(0, 3));
    balloon_pages_add(pages, run(S - 1, S + 2));
    balloon_pages_add(pages, run(BALLOON_PAGES_MAX - 1, 1));
    bytes = balloon_pages_save(pages);
    cr_assert(balloon_pages_load(copy, bytes->data, bytes->len, 2 * S, NULL));
    runs = balloon_pages_runs(copy);
    cr_assert_eq(runs->len, 3);
    expect_run(g_array_index(runs, BalloonRun, 0), 0, 3);
    expect_run(g_array_index(runs, BalloonRun, 1), S - 1, S + 2);
    expect_run(g_array_index(runs, BalloonRun, 2), BALLOON_PAGES_MAX - 1, 1);
    cr_expect_eq(balloon_pages_held(copy), S + 6);

    g_array_unref(runs);
    g_byte_array_unref(bytes);
    balloon_pages_free(copy);
    balloon_pages_free(pages);
}

Test(balloon_state, damaged_states_are_refused)
{
    static const uint8_t version[] = { 2, 0, 0, 0, 0, 0, 0, 0 };
    static const uint8_t too_short[] = { 1, 0, 0, 0, 1, 0, 0, 0, 9 };
    static const uint8_t empty_run[] = {
        1, 0, 0, 0, 1, 0, 0, 0,
        5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    };
    static const uint8_t backwards[] = {
        1, 0, 0, 0, 2, 0, 0, 0,
        5, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0,
        6, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0,
    };
    static const uint8_t beyond[] = {
        1, 0, 0, 0, 1, 0, 0, 0,
        0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0,
    };
    static const uint8_t two_pages[] = {
        1, 0, 0, 0, 1, 0, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0,
    };

    load_fails(version, 4, 9, "its size is 4, expected at least 8");
    load_fails(version, sizeof(version), 9, "its version is 2, expected 1");
    load_fails(too_short, sizeof(too_short), 9, "16 bytes for each run");
    load_fails(empty_run, sizeof(empty_run), 9, "the length of a run is 0");
    load_fails(backwards, sizeof(backwards), 9, "the first page of a run");
    load_fails(beyond, sizeof(beyond), 9, "the first page of a run");
    load_fails(two_pages, sizeof(two_pages), 1, "the number of its pages");
}
