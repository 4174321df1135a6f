/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fuzz target: requests of a balloon's driver.  Page numbers are sorted into
 * runs, go into the account and out of it, are given back or not, and the
 * account is saved and loaded, damaged at times.  A plain array of pages
 * tells what must come out.
 */
#include <string.h>

#include "target-models/balloon/balloon.h"
#include "target-models/sweep/sweep.h"
#include "tests/fuzz/input.h"

/* Pages that the array knows: four super pages at the end of all numbers. */
#define N_PAGES (4 * BALLOON_SUPER_PAGE)
#define BASE    (BALLOON_PAGES_MAX - N_PAGES)
#define MAX_PFNS 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct Run {
    FuzzInput program;
    BalloonPages *pages;
    bool in[N_PAGES];
    bool held[N_PAGES];
    BalloonGive what;
    uint64_t last_end;          /* of the run offered before */
} Run;

static uint32_t next_page(Run *r)
{
    uint32_t page = next8(&r->program);

    return (page | (uint32_t)next8(&r->program) << 8) % N_PAGES;
}

static void expect_counts(Run *r)
{
    uint64_t count = 0, held = 0;

    for (unsigned i = 0; i < N_PAGES; i++) {
        count += r->in[i];
        held += r->held[i];
    }
    g_assert_cmpuint(balloon_pages_count(r->pages), ==, count);
    g_assert_cmpuint(balloon_pages_held(r->pages), ==, held);
}

static void apply(Run *r, SweepPfnRun run, bool add)
{
    BalloonRun pages = { run.first, run.count };
    uint64_t changed = 0;

    for (unsigned i = 0; i < run.count; i++) {
        unsigned page = run.first - BASE + i;

        changed += r->in[page] != add;
        r->held[page] = add && (r->held[page] || !r->in[page]);
        r->in[page] = add;
    }
    if (add) {
        g_assert_cmpuint(balloon_pages_add(r->pages, pages), ==, changed);
    } else {
        g_assert_cmpuint(balloon_pages_remove(r->pages, pages), ==, changed);
    }
    g_assert(balloon_pages_contain(r->pages, pages) == add);
}

static void request(Run *r, bool add)
{
    uint32_t pfns[MAX_PFNS];
    SweepPfnRun runs[MAX_PFNS];
    unsigned n = next8(&r->program) % MAX_PFNS, n_runs, n_pages = 0, duplicates;
    uint32_t first = next_page(r);

    for (unsigned i = 0; i < n; i++) {
        pfns[i] = BASE + (first + next8(&r->program)) % N_PAGES;
    }
    n_runs = sweep_pfns_coalesce(pfns, n, runs, &duplicates);
    for (unsigned i = 0; i < n_runs; i++) {
        g_assert(i == 0 ||
                 runs[i].first > (uint64_t)runs[i - 1].first +
                                 runs[i - 1].count);
        apply(r, runs[i], add);
        n_pages += runs[i].count;
    }
    g_assert_cmpuint(n_pages + duplicates, ==, n);
}

static void add_range(Run *r, bool add)
{
    uint32_t first = next_page(r);
    uint32_t count = next8(&r->program) * 8u + 1;

    count = MIN(count, N_PAGES - first);
    apply(r, (SweepPfnRun){ BASE + first, count }, add);
}

static bool offered(BalloonRun run, void *opaque)
{
    Run *r = opaque;
    bool taken = next8(&r->program) % 4;
    bool any_held = false;

    g_assert_cmpuint(run.count, >, 0);
    g_assert_cmpuint(run.first, >=, r->last_end);
    r->last_end = run.first + run.count;
    for (uint64_t i = run.first - BASE; i < r->last_end - BASE; i++) {
        g_assert(r->in[i]);
        g_assert(r->what != BALLOON_GIVE_HELD || r->held[i]);
        any_held |= r->held[i];
        r->held[i] &= !taken;
    }
    g_assert(any_held);
    return taken;
}

static void give(Run *r)
{
    r->what = next8(&r->program) % 3;
    r->last_end = 0;
    balloon_pages_give(r->pages, r->what, offered, r);
}

/* Saves and loads, with a byte changed if there is one to change. */
static void move(Run *r)
{
    g_autoptr(GByteArray) bytes = balloon_pages_save(r->pages);
    unsigned where = next8(&r->program);
    uint8_t change = next8(&r->program);

    g_assert_cmpuint(bytes->len, <=,
                     BALLOON_STATE_MAX(balloon_pages_count(r->pages)));
    if (change == 0) {
        g_assert(balloon_pages_load(r->pages, bytes->data, bytes->len,
                                    N_PAGES, NULL));
        memcpy(r->held, r->in, sizeof(r->held));
        return;
    }
    bytes->data[where % bytes->len] ^= change;
    if (balloon_pages_load(r->pages, bytes->data, bytes->len, N_PAGES,
                           NULL)) {
        balloon_pages_clear(r->pages);
        memset(r->in, 0, sizeof(r->in));
        memset(r->held, 0, sizeof(r->held));
    }
}

/* The input itself as a state. */
static void load_input(const uint8_t *data, size_t size)
{
    BalloonPages *pages = balloon_pages_new();

    if (balloon_pages_load(pages, data, size, N_PAGES, NULL)) {
        g_assert_cmpuint(balloon_pages_count(pages), <=, N_PAGES);
    }
    balloon_pages_free(pages);
}

static void step(Run *r)
{
    uint8_t what = next8(&r->program);

    switch (what % 8) {
    case 0:
    case 1:
        request(r, what % 8 == 0);
        break;
    case 2:
    case 3:
        add_range(r, true);
        break;
    case 4:
        add_range(r, false);
        break;
    case 5:
        give(r);
        break;
    case 6:
        balloon_pages_retry(r->pages);
        break;
    default:
        move(r);
    }
    expect_counts(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Run run = { .program = { data, size }, .pages = balloon_pages_new() };

    load_input(data, size);
    while (run.program.left) {
        step(&run);
    }
    balloon_pages_free(run.pages);
    return 0;
}
