/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ledger of stale windows
 */
#include <criterion/criterion.h>
#include <inttypes.h>

#include "paging-fixture.h"

#define IOVA UINT64_C(0x40005000)
#define OLD  UINT64_C(0x10000000)
#define NEW  UINT64_C(0x20000000)

/* Pages from IOVA on, used at times 1000, 1100, 1200 and so on */
static Guest *used_guest(unsigned pages)
{
    Guest *guest = guest_new(4);
    PagingResult result;

    for (unsigned i = 0; i < pages; i++) {
        guest_map(guest, IOVA + i * PAGE, (OLD + i * PAGE) | RW, 1);
        guest_translate(guest, IOVA + i * PAGE, PAGING_READ, 1000 + 100 * i,
                        &result);
    }
    return guest;
}

static void unmap(Guest *guest, unsigned page)
{
    guest_map(guest, IOVA + page * PAGE, 0, 1);
}

static void expect_ledger(const Guest *guest, PagingLedger expected)
{
    PagingLedger got = guest_counters(guest).ledger;

    cr_expect_eq(got.invalidations, expected.invalidations, "%" PRIu64,
                 got.invalidations);
    cr_expect_eq(got.entries, expected.entries, "%" PRIu64, got.entries);
    cr_expect_eq(got.stale_entries, expected.stale_entries, "%" PRIu64,
                 got.stale_entries);
    cr_expect_eq(got.window_total_ns, expected.window_total_ns, "%" PRIu64,
                 got.window_total_ns);
    cr_expect_eq(got.window_max_ns, expected.window_max_ns, "%" PRIu64,
                 got.window_max_ns);
}

Test(ledger, begins_empty)
{
    Guest *guest = used_guest(3);

    expect_ledger(guest, (PagingLedger) { 0 });
    guest_invalidate_pages(guest, IOVA + 64 * PAGE, 0, 5000);
    expect_ledger(guest, (PagingLedger) { 0 });
    guest_invalidate(guest, PAGING_DOMAIN, 9, 5000);
    expect_ledger(guest, (PagingLedger) { 0 });
    guest_free(guest);
}

Test(ledger, tells_of_pages_that_had_changed)
{
    Guest *guest = used_guest(4);

    unmap(guest, 0);
    unmap(guest, 2);
    guest_invalidate_pages(guest, IOVA & ~UINT64_C(0xffff), 4, 5000);
    expect_ledger(guest, (PagingLedger) { 1, 4, 2, 4000 + 3800, 4000 });
    /* They are gone: nothing to tell of a second one. */
    guest_invalidate_pages(guest, IOVA & ~UINT64_C(0xffff), 4, 6000);
    expect_ledger(guest, (PagingLedger) { 1, 4, 2, 7800, 4000 });
    guest_free(guest);
}

Test(ledger, counts_from_the_last_use)
{
    Guest *guest = used_guest(1);
    PagingResult result;

    guest_translate(guest, IOVA, PAGING_READ, 4000, &result);
    unmap(guest, 0);
    guest_invalidate_pages(guest, IOVA, 0, 5000);
    expect_ledger(guest, (PagingLedger) { 1, 1, 1, 1000, 1000 });
    guest_free(guest);
}

/* The sweep comes later; the window ends with the invalidation. */
Test(ledger, tells_of_a_domain_when_it_is_swept)
{
    for (unsigned all = 0; all < 2; all++) {
        Guest *guest = used_guest(4);

        unmap(guest, 1);
        unmap(guest, 3);
        cr_expect_not(paging_table_needs_sweep(guest->table));
        guest_invalidate(guest, all ? PAGING_GLOBAL : PAGING_DOMAIN, 1,
                         5000);
        cr_expect(paging_table_needs_sweep(guest->table));
        expect_ledger(guest, (PagingLedger) { 1, 4, 2, 3900 + 3700, 3900 });
        cr_expect_not(paging_table_needs_sweep(guest->table));
        guest_free(guest);
    }
}

Test(ledger, tells_of_a_domain_at_the_next_use)
{
    Guest *guest = used_guest(2);
    PagingCounters counters;
    PagingResult result;

    guest_map(guest, IOVA, NEW | RW, 1);
    guest_invalidate(guest, PAGING_DOMAIN, 1, 5000);
    guest_translate(guest, IOVA, PAGING_READ, 9000, &result);
    guest_translate(guest, IOVA + PAGE, PAGING_READ, 9000, &result);
    paging_device_counters(guest->device, &counters);
    cr_expect_eq(counters.ledger.entries, 2);
    cr_expect_eq(counters.ledger.stale_entries, 1);
    cr_expect_eq(counters.ledger.window_total_ns, 4000);
    cr_expect_eq(counters.revalidated, 1);
    cr_expect_eq(counters.entries, 2);
    /* The sweep finds nothing more. */
    expect_ledger(guest, (PagingLedger) { 1, 2, 1, 4000, 4000 });
    guest_free(guest);
}

Test(ledger, counts_an_entry_once_for_several_invalidations)
{
    Guest *guest = used_guest(1);

    unmap(guest, 0);
    guest_invalidate(guest, PAGING_DOMAIN, 1, 5000);
    guest_invalidate(guest, PAGING_GLOBAL, 0, 6000);
    guest_invalidate_pages(guest, IOVA, 0, 7000);
    expect_ledger(guest, (PagingLedger) { 1, 1, 1, 4000, 4000 });
    guest_free(guest);
}

/* Found at the next use, by the sweep, or when it is asked for. */
Test(ledger, counts_an_invalidation_that_dropped_something)
{
    Guest *guest = used_guest(2);
    PagingResult result;

    guest_invalidate(guest, PAGING_DOMAIN, 1, 5000);
    guest_invalidate(guest, PAGING_GLOBAL, 0, 5100);
    guest_translate(guest, IOVA, PAGING_READ, 5200, &result);
    guest_invalidate(guest, PAGING_DOMAIN, 9, 5300);
    guest_translate(guest, IOVA, PAGING_READ, 5400, &result);
    expect_ledger(guest, (PagingLedger) { 1, 2 });
    guest_invalidate(guest, PAGING_GLOBAL, 0, 5500);
    expect_ledger(guest, (PagingLedger) { 2, 3 });
    guest_invalidate(guest, PAGING_DOMAIN, 1, 5600);
    expect_ledger(guest, (PagingLedger) { 2, 3 });
    guest_translate(guest, IOVA, PAGING_READ, 5700, &result);
    expect_ledger(guest, (PagingLedger) { 2, 3 });
    guest_free(guest);
}

Test(ledger, can_be_swept_in_steps)
{
    enum { PAGES = 3000 };
    Guest *guest = used_guest(PAGES);
    unsigned steps = 1;

    for (unsigned i = 0; i < PAGES; i += 3) {
        unmap(guest, i);
    }
    guest_invalidate(guest, PAGING_GLOBAL, 0, 1000000);
    while (paging_table_sweep(guest->table, 100)) {
        steps++;
        cr_assert_lt(steps, PAGES);
    }
    cr_expect_gt(steps, 20);
    cr_expect_eq(guest_counters(guest).ledger.entries, PAGES);
    cr_expect_eq(guest_counters(guest).ledger.stale_entries, PAGES / 3);
    cr_expect_eq(guest_counters(guest).entries, 0);
    guest_free(guest);
}

/* A sweep under way, and translations and invalidations in between */
Test(ledger, misses_nothing_that_comes_while_it_is_swept)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(7);
    Guest *guest = used_guest(1500);
    uint64_t now_ns = 200000, entries = 1500;
    PagingResult result;

    for (unsigned i = 0; i < 300; i++) {
        unsigned page = g_rand_int_range(rand, 0, 1500);

        guest_invalidate(guest, i % 2 ? PAGING_GLOBAL : PAGING_DOMAIN, 1,
                         now_ns++);
        paging_table_sweep(guest->table, 200);
        guest_translate(guest, IOVA + page * PAGE, PAGING_READ, now_ns++,
                        &result);
    }
    /* Each of the 300 was dropped again, the last one is still there. */
    entries += 300 - 1;
    cr_expect_eq(guest_counters(guest).ledger.entries, entries, "%" PRIu64,
                 guest_counters(guest).ledger.entries);
    cr_expect_eq(guest_counters(guest).entries, 1);
    guest_free(guest);
}

Test(ledger, is_swept_again_for_what_was_used_meanwhile)
{
    enum { PAGES = 1500 };
    Guest *guest = used_guest(PAGES);
    PagingCounters counters;
    PagingResult result;

    guest_invalidate(guest, PAGING_GLOBAL, 0, 200000);
    cr_assert(paging_table_sweep(guest->table, 500));
    for (unsigned i = 0; i < PAGES; i++) {
        guest_translate(guest, IOVA + i * PAGE, PAGING_READ, 200001,
                        &result);
    }
    guest_invalidate(guest, PAGING_GLOBAL, 0, 200002);
    while (paging_table_sweep(guest->table, 500)) {
        /* as the idle loop would */
    }
    paging_device_counters(guest->device, &counters);
    cr_expect_eq(counters.ledger.entries, 2 * PAGES);
    cr_expect_eq(counters.entries, 0);
    guest_free(guest);
}

Test(ledger, tells_nothing_of_what_goes_without_an_invalidation)
{
    Guest *guest = used_guest(4);

    unmap(guest, 0);
    paging_table_drop_pages(guest->table, OLD, PAGE);
    guest->context.domain = 2;
    paging_device_set_context(guest->device, &guest->context);
    paging_table_drop(guest->table);
    guest_invalidate(guest, PAGING_GLOBAL, 0, 5000);
    expect_ledger(guest, (PagingLedger) { 0 });
    guest_free(guest);
}

Test(ledger, is_not_confused_by_a_clock_that_stands)
{
    Guest *guest = used_guest(1);

    unmap(guest, 0);
    guest_invalidate_pages(guest, IOVA, 0, 10);
    expect_ledger(guest, (PagingLedger) { 1, 1, 1, 0, 0 });
    guest_free(guest);
}
