/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Translations that carry cookies: hits, stale uses, invalidations
 */
#include <criterion/criterion.h>
#include <string.h>

#include "paging-fixture.h"

#define IOVA UINT64_C(0x40005000)
#define OLD  UINT64_C(0x10000000)
#define NEW  UINT64_C(0x20000000)

/* A guest whose device has used IOVA, mapped to OLD, at time 1000. */
static Guest *used_guest(void)
{
    Guest *guest = guest_new(4);
    PagingResult result;

    guest_map(guest, IOVA, OLD | RW, 1);
    cr_assert_eq(guest_translate(guest, IOVA, PAGING_READ, 1000, &result),
                 PAGING_OK);
    cr_assert_eq(result.address, OLD);
    return guest;
}

static uint64_t translated(Guest *guest, uint64_t iova, uint64_t now_ns)
{
    PagingResult result;

    cr_expect_eq(guest_translate(guest, iova, PAGING_READ, now_ns, &result),
                 PAGING_OK);
    return result.address;
}

Test(table, gives_the_page_and_its_size)
{
    static const uint64_t sizes[] = { 0, PAGE, PAGE << 9, PAGE << 18 };

    for (unsigned level = 1; level <= 3; level++) {
        Guest *guest = guest_new(4);
        PagingResult result;
        uint64_t leaf = (sizes[3] * 2) | RW | (level > 1 ? LARGE : 0);

        guest_map(guest, sizes[3] * 3, leaf, level);
        for (unsigned i = 0; i < 2; i++) {
            cr_expect_eq(guest_translate(guest, sizes[3] * 3 + 0x345,
                                         PAGING_WRITE, 1, &result),
                         PAGING_OK);
            cr_expect_eq(result.address, sizes[3] * 2);
            cr_expect_eq(result.mask, sizes[level] - 1);
            cr_expect_eq(result.permissions, RW);
            cr_expect_eq(result.entry, leaf);
        }
        cr_expect_eq(guest_counters(guest).misses, 1);
        cr_expect_eq(guest_counters(guest).translations, 2);
        guest_free(guest);
    }
}

Test(table, hit_needs_what_was_used_before)
{
    Guest *guest = guest_new(4);
    PagingResult result;

    guest_map(guest, IOVA, OLD | PAGING_READ, 1);
    cr_expect_not(paging_hit(guest->device, IOVA, PAGING_READ, 1, 0,
                             &result));
    guest_translate(guest, IOVA, PAGING_READ, 1, &result);
    cr_expect(paging_hit(guest->device, IOVA, PAGING_READ, 2, 0, &result));
    cr_expect_eq(result.address, OLD);
    cr_expect_not(paging_hit(guest->device, IOVA, PAGING_WRITE, 3, 0,
                             &result));
    cr_expect_not(paging_hit(guest->device, IOVA + PAGE, PAGING_READ, 3, 0,
                             &result));
    guest_free(guest);
}

Test(table, fault_is_not_cached)
{
    Guest *guest = guest_new(4);
    PagingResult result;

    cr_expect_eq(guest_translate(guest, IOVA, PAGING_READ, 1, &result),
                 PAGING_FAULT);
    cr_expect_eq(result.reason, PAGING_REASON_READ);
    guest_map(guest, IOVA, OLD | RW, 1);
    cr_expect_eq(translated(guest, IOVA, 2), OLD);
    cr_expect_eq(guest_counters(guest).faults, 1);
    guest_free(guest);
}

Test(table, without_context_there_is_none)
{
    Guest *guest = guest_new(4);
    PagingContext through = guest->context;
    PagingResult result;

    guest_map(guest, IOVA, OLD | RW, 1);
    through.pass_through = true;
    paging_device_set_context(guest->device, &through);
    cr_expect_eq(guest_translate(guest, IOVA, PAGING_READ, 1, &result),
                 PAGING_NO_CONTEXT);
    paging_device_set_context(guest->device, NULL);
    cr_expect_eq(guest_translate(guest, IOVA, PAGING_READ, 1, &result),
                 PAGING_NO_CONTEXT);
    guest_free(guest);
}

/* What a use finds that is stale: the page is not mapped, or elsewhere. */
static PagingResult stale(Guest *guest, uint64_t leaf)
{
    PagingResult result;

    guest_map(guest, IOVA, leaf, 1);
    cr_expect_eq(guest_translate(guest, IOVA, PAGING_WRITE, 5000, &result),
                 PAGING_STALE);
    cr_expect_eq(result.old_entry, OLD | RW);
    cr_expect_eq(result.new_entry, leaf);
    cr_expect_eq(result.age_ns, 4000);
    cr_expect_eq(result.invalidation, PAGING_NEVER);
    cr_expect_eq(guest_counters(guest).stale, 1);
    return result;
}

Test(stale, use_is_served_in_report)
{
    for (unsigned mapped = 0; mapped < 2; mapped++) {
        Guest *guest = used_guest();
        PagingResult result = stale(guest, mapped ? NEW | RW : 0);

        cr_expect_eq(result.action, PAGING_SERVED);
        cr_expect_eq(result.address, OLD);
        cr_expect_eq(result.permissions, RW);
        cr_expect_eq(result.reason, mapped ? PAGING_REASON_NONE
                                           : PAGING_REASON_WRITE);
        /* And again, until somebody invalidates. */
        cr_expect_eq(guest_translate(guest, IOVA, PAGING_WRITE, 6000,
                                     &result), PAGING_STALE);
        cr_expect_eq(result.address, OLD);
        cr_expect_eq(result.age_ns, 5000);
        guest_free(guest);
    }
}

Test(stale, use_is_blocked_in_enforce)
{
    for (unsigned mapped = 0; mapped < 2; mapped++) {
        Guest *guest = used_guest();
        PagingResult result;

        paging_table_set_mode(guest->table, PAGING_MODE_ENFORCE);
        result = stale(guest, mapped ? NEW | RW : 0);
        cr_expect_eq(result.action, PAGING_BLOCKED);
        cr_expect_eq(result.reason, PAGING_REASON_WRITE);
        guest_free(guest);
    }
}

Test(stale, use_is_healed_in_coherent)
{
    Guest *guest = used_guest();
    PagingResult result;

    paging_table_set_mode(guest->table, PAGING_MODE_COHERENT);
    result = stale(guest, NEW | RW);
    cr_expect_eq(result.action, PAGING_HEALED);
    cr_expect_eq(result.address, NEW);
    cr_expect_eq(translated(guest, IOVA, 6000), NEW);
    guest_free(guest);
    guest = used_guest();
    paging_table_set_mode(guest->table, PAGING_MODE_COHERENT);
    result = stale(guest, 0);
    cr_expect_eq(result.action, PAGING_BLOCKED, "there is nothing new");
    cr_expect_eq(guest_translate(guest, IOVA, PAGING_WRITE, 6000, &result),
                 PAGING_FAULT);
    guest_free(guest);
}

Test(stale, is_a_change_above_the_leaf_too)
{
    for (unsigned level = 2; level <= 4; level++) {
        Guest *guest = used_guest();
        PagingResult result;

        guest_store(guest, guest_entry(guest, IOVA, level), 0);
        cr_expect_eq(guest_translate(guest, IOVA, PAGING_READ, 2000,
                                     &result), PAGING_STALE);
        cr_expect_eq(result.address, OLD);
        cr_expect_eq(result.new_entry, 0);
        guest_free(guest);
    }
}

Test(stale, is_not_what_leads_to_the_same_place)
{
    Guest *guest = used_guest();
    uint64_t table = guest_page(guest);
    PagingResult result;

    /* Another table with the same leaf */
    guest_store(guest, table + (IOVA >> 12 & 511) * 8, OLD | RW);
    guest_store(guest, guest_entry(guest, IOVA, 2), table | RW);
    cr_expect_eq(translated(guest, IOVA, 2000), OLD);
    /* Ignored bits changed */
    guest_map(guest, IOVA, OLD | RW | UINT64_C(1) << 55, 1);
    cr_expect_eq(translated(guest, IOVA, 3000), OLD);
    /* A right that this access does not need was taken. */
    guest_map(guest, IOVA, OLD | PAGING_READ, 1);
    cr_expect_eq(translated(guest, IOVA, 4000), OLD);
    cr_expect_eq(guest_counters(guest).stale, 0);
    /* And one that it does need */
    cr_expect_eq(guest_translate(guest, IOVA, PAGING_WRITE, 5000, &result),
                 PAGING_STALE);
    guest_free(guest);
}

Test(stale, is_not_what_is_seen_for_the_first_time)
{
    Guest *guest = guest_new(4);

    guest_map(guest, IOVA, OLD | RW, 1);
    guest_map(guest, IOVA, NEW | RW, 1);
    cr_expect_eq(translated(guest, IOVA, 1000), NEW);
    cr_expect_eq(guest_counters(guest).stale, 0);
    guest_free(guest);
}

/* Hardware would have fetched the same entries again at that hit. */
Test(stale, is_what_changes_after_an_invalidation_and_a_hit)
{
    Guest *guest = used_guest();
    PagingResult result;

    guest_invalidate(guest, PAGING_GLOBAL, 0, 2000);
    translated(guest, IOVA, 3000);
    guest_map(guest, IOVA, 0, 1);
    cr_expect_eq(guest_translate(guest, IOVA, PAGING_READ, 4000, &result),
                 PAGING_STALE);
    cr_expect_eq(result.age_ns, 1000);
    guest_free(guest);
}

/* Drops the translation by @invalidation, or not; what a use then finds */
static PagingStatus use_after(PagingInvalidation invalidation)
{
    Guest *guest = used_guest();
    PagingStatus status;
    PagingResult result;

    guest_map(guest, IOVA, NEW | RW, 1);
    paging_table_invalidate(guest->table, &invalidation, 2000);
    status = guest_translate(guest, IOVA, PAGING_READ, 3000, &result);
    cr_expect_eq(result.address, status == PAGING_OK ? NEW : OLD);
    cr_expect_eq(guest_counters(guest).revalidated, status == PAGING_OK);
    guest_free(guest);
    return status;
}

Test(invalidation, of_what_covers_the_page_explains)
{
    cr_expect_eq(use_after((PagingInvalidation) { PAGING_GLOBAL }),
                 PAGING_OK);
    cr_expect_eq(use_after((PagingInvalidation) { PAGING_DOMAIN, 1 }),
                 PAGING_OK);
    cr_expect_eq(use_after((PagingInvalidation) { PAGING_PAGES, 1, IOVA }),
                 PAGING_OK);
    cr_expect_eq(use_after((PagingInvalidation) {
        PAGING_PAGES, 1, IOVA + 0xfff, 0 }), PAGING_OK);
    cr_expect_eq(use_after((PagingInvalidation) {
        PAGING_PAGES, 1, IOVA & ~UINT64_C(0xffff), 4 }), PAGING_OK);
    cr_expect_eq(use_after((PagingInvalidation) {
        PAGING_PAGES, 1, 0x40000000, 18 }), PAGING_OK);
}

Test(invalidation, of_anything_else_does_not)
{
    cr_expect_eq(use_after((PagingInvalidation) { PAGING_DOMAIN, 2 }),
                 PAGING_STALE);
    cr_expect_eq(use_after((PagingInvalidation) { PAGING_DOMAIN, 0xffff }),
                 PAGING_STALE);
    cr_expect_eq(use_after((PagingInvalidation) { PAGING_PAGES, 2, IOVA }),
                 PAGING_STALE);
    cr_expect_eq(use_after((PagingInvalidation) {
        PAGING_PAGES, 1, IOVA + PAGE }), PAGING_STALE);
    cr_expect_eq(use_after((PagingInvalidation) {
        PAGING_PAGES, 1, IOVA - PAGE }), PAGING_STALE);
    cr_expect_eq(use_after((PagingInvalidation) {
        PAGING_PAGES, 1, UINT64_MAX, 18 }), PAGING_STALE);
}

Test(invalidation, of_small_pages_drops_a_large_one)
{
    Guest *guest = guest_new(4);

    guest_map(guest, 0x40000000, OLD | RW | LARGE, 2);
    translated(guest, 0x40000000, 1);
    guest_map(guest, 0x40000000, NEW | RW | LARGE, 2);
    guest_invalidate_pages(guest, 0x401ff000, 0, 2);
    cr_expect_eq(translated(guest, 0x40000000, 3), NEW);
    guest_free(guest);
}

Test(invalidation, before_the_change_does_not_explain)
{
    Guest *guest = used_guest();
    PagingResult result;

    translated(guest, IOVA, 1500);
    guest_invalidate(guest, PAGING_DOMAIN, 1, 2000);
    translated(guest, IOVA, 2500);
    guest_map(guest, IOVA, NEW | RW, 1);
    cr_expect_eq(guest_translate(guest, IOVA, PAGING_READ, 3000, &result),
                 PAGING_STALE);
    guest_free(guest);
}

Test(invalidation, with_a_huge_order_is_bounded)
{
    Guest *guest = used_guest();

    guest_invalidate_pages(guest, UINT64_MAX, UINT_MAX, 2000);
    guest_invalidate_pages(guest, IOVA, 63, 2000);
    cr_expect_eq(guest_counters(guest).entries, 0);
    guest_free(guest);
}

Test(postponed, invalidation_is_pending_until_it_is_performed)
{
    Guest *guest = used_guest();
    PagingInvalidation invalidation = { PAGING_PAGES, 1, IOVA, 0 };
    PagingInvalidation other = { PAGING_PAGES, 1, IOVA + PAGE, 0 };
    PagingResult result;

    guest_map(guest, IOVA, NEW | RW, 1);
    paging_table_postpone(guest->table, &other);
    guest_translate(guest, IOVA, PAGING_READ, 2000, &result);
    cr_expect_eq(result.invalidation, PAGING_NEVER);
    paging_table_postpone(guest->table, &invalidation);
    cr_expect_eq(guest_translate(guest, IOVA, PAGING_READ, 2000, &result),
                 PAGING_STALE);
    cr_expect_eq(result.invalidation, PAGING_PENDING);
    paging_table_invalidate(guest->table, &invalidation, 3000);
    cr_expect_eq(translated(guest, IOVA, 4000), NEW);
    guest_map(guest, IOVA, 0, 1);
    guest_translate(guest, IOVA, PAGING_READ, 5000, &result);
    cr_expect_eq(result.invalidation, PAGING_NEVER, "that was another one");
    guest_free(guest);
}

Test(postponed, list_has_an_end)
{
    Guest *guest = used_guest();
    PagingInvalidation first = { PAGING_PAGES, 1, IOVA, 0 };
    PagingResult result;

    guest_map(guest, IOVA, 0, 1);
    paging_table_postpone(guest->table, &first);
    for (unsigned i = 0; i < PAGING_MAX_POSTPONED; i++) {
        PagingInvalidation other = { PAGING_PAGES, 2, i * PAGE, 0 };

        paging_table_postpone(guest->table, &other);
    }
    guest_translate(guest, IOVA, PAGING_READ, 2000, &result);
    cr_expect_eq(result.invalidation, PAGING_NEVER, "the oldest have gone");
    guest_free(guest);
}

Test(table, other_tables_forget_what_was_cached)
{
    Guest *guest = used_guest();
    PagingResult result;

    paging_device_set_context(guest->device, &guest->context);
    cr_expect_eq(guest_counters(guest).entries, 1, "nothing is different");
    guest->context.tables = guest_page(guest);
    paging_device_set_context(guest->device, &guest->context);
    cr_expect_eq(guest_counters(guest).entries, 0);
    cr_expect_eq(guest_translate(guest, IOVA, PAGING_READ, 2000, &result),
                 PAGING_FAULT);
    cr_expect_eq(guest_counters(guest).ledger.entries, 0);
    guest_free(guest);
}

Test(table, devices_do_not_share_translations)
{
    Guest *guest = used_guest();
    PagingDevice *second = paging_device_new(guest->table);
    PagingCounters counters;
    PagingResult result;

    paging_device_set_context(second, &guest->context);
    cr_expect_not(paging_hit(second, IOVA, PAGING_READ, 2000, 0, &result));
    guest_map(guest, IOVA, NEW | RW, 1);
    cr_expect_eq(paging_translate(second, IOVA, PAGING_READ, 2000, 0,
                                  &result), PAGING_OK);
    cr_expect_eq(guest_translate(guest, IOVA, PAGING_READ, 2000, &result),
                 PAGING_STALE);
    paging_device_counters(second, &counters);
    cr_expect_eq(counters.stale, 0);
    paging_device_free(second);
    guest_free(guest);
}

Test(table, pages_that_go_away_take_their_translations)
{
    Guest *guest = guest_new(4);
    PagingResult result;

    for (unsigned i = 0; i < 8; i++) {
        guest_map(guest, IOVA + i * PAGE, (OLD + i * PAGE) | RW, 1);
        translated(guest, IOVA + i * PAGE, 1);
    }
    guest_map(guest, 0x80000000, OLD | RW | LARGE, 2);
    translated(guest, 0x80000000, 1);
    cr_expect_eq(paging_table_drop_pages(guest->table, OLD + 2 * PAGE,
                                         3 * PAGE), 4);
    cr_expect_eq(guest_counters(guest).entries, 5);
    cr_expect_not(paging_hit(guest->device, IOVA + 2 * PAGE, PAGING_READ, 2,
                             0, &result));
    cr_expect(paging_hit(guest->device, IOVA + 5 * PAGE, PAGING_READ, 2, 0,
                         &result));
    paging_table_drop(guest->table);
    cr_expect_eq(guest_counters(guest).entries, 0);
    guest_free(guest);
}

/* Who gives a freed page to the host must not hide that it is still used. */
Test(table, pages_that_go_away_leave_stale_translations)
{
    Guest *guest = used_guest();
    PagingResult result;

    guest_map(guest, IOVA, 0, 1);
    cr_expect_eq(paging_table_drop_pages(guest->table, OLD, PAGE), 0);
    cr_expect_eq(guest_translate(guest, IOVA, PAGING_READ, 2000, &result),
                 PAGING_STALE);
    cr_expect_eq(result.address, OLD);
    guest_free(guest);
}

/*
 * The page callback gives other addresses from now on.  What is still at the
 * old ones has no meaning, even if it looks right.
 */
Test(table, follows_memory_that_moves)
{
    Guest *guest = used_guest();
    uint64_t *old = guest->ram;
    uint64_t *moved = g_new(uint64_t, GUEST_PAGES * 512);
    PagingResult result;

    memcpy(moved, old, GUEST_PAGES * PAGE);
    guest->ram = moved;
    paging_table_memory_changed(guest->table);
    guest_map(guest, IOVA, NEW | RW, 1);
    cr_expect_eq(guest_translate(guest, IOVA, PAGING_READ, 2000, &result),
                 PAGING_STALE);
    cr_expect_eq(result.new_entry, NEW | RW);
    guest_invalidate(guest, PAGING_GLOBAL, 0, 3000);
    memset(old, 0xff, GUEST_PAGES * PAGE);
    cr_expect_eq(translated(guest, IOVA, 4000), NEW);
    cr_expect_eq(guest_counters(guest).stale, 1);
    guest->ram = old;
    guest_free(guest);
    g_free(moved);
}

/* What is looked up while memory goes is good for that look only. */
Test(table, keeps_no_address_while_memory_changes)
{
    Guest *guest = used_guest();
    PagingResult result;

    paging_table_memory_changing(guest->table);
    cr_expect_not(paging_hit(guest->device, IOVA, PAGING_READ, 2000, 0,
                             &result));
    for (unsigned i = 0; i < 2; i++) {
        cr_expect_eq(translated(guest, IOVA, 2000), OLD);
        cr_expect_not(paging_hit(guest->device, IOVA, PAGING_READ, 2000, 0,
                                 &result));
    }
    paging_table_memory_changed(guest->table);
    cr_expect_not(paging_hit(guest->device, IOVA, PAGING_READ, 2000, 0,
                             &result));
    cr_expect_eq(translated(guest, IOVA, 2000), OLD);
    cr_expect(paging_hit(guest->device, IOVA, PAGING_READ, 2000, 0,
                         &result));
    guest_free(guest);
}

Test(table, holds_many_translations)
{
    Guest *guest = guest_new(4);
    const unsigned pages = 100000;

    for (unsigned i = 0; i < pages; i++) {
        guest_map(guest, i * PAGE, (OLD + i * PAGE) | RW, 1);
        cr_assert_eq(translated(guest, i * PAGE, 1), OLD + i * PAGE);
    }
    for (unsigned i = 0; i < pages; i++) {
        PagingResult result;

        cr_assert(paging_hit(guest->device, i * PAGE, PAGING_READ, 2, 0,
                             &result));
        cr_assert_eq(result.address, OLD + i * PAGE);
    }
    cr_expect_eq(guest_counters(guest).entries, pages);
    cr_expect_eq(guest_counters(guest).dropped, 0);
    guest_free(guest);
}

/* One table serves for all addresses: blocks without end at no cost. */
Test(table, is_bounded_against_a_hostile_guest)
{
    Guest *guest = guest_new(4);
    uint64_t loop = guest_page(guest);
    PagingResult result;

    for (unsigned i = 0; i < 512; i++) {
        guest_store(guest, loop + i * 8, loop | RW);
        guest_store(guest, guest->context.tables + i * 8, loop | RW);
    }
    for (uint64_t i = 0; i < PAGING_MAX_BLOCKS + 1000; i++) {
        cr_assert_eq(guest_translate(guest, i << 18, PAGING_READ, 1,
                                     &result), PAGING_OK);
    }
    cr_expect_leq(guest_counters(guest).entries, PAGING_MAX_BLOCKS);
    cr_expect_eq(guest_counters(guest).dropped, PAGING_MAX_BLOCKS);
    guest_free(guest);
}

Test(table, remembers_the_last_address)
{
    Guest *guest = guest_new(4);
    uint64_t iova;
    PagingResult result;

    cr_expect_not(paging_device_last_address(guest->device, &iova));
    guest_map(guest, IOVA, OLD | RW, 1);
    guest_translate(guest, IOVA + 8, PAGING_READ, 1, &result);
    cr_expect(paging_device_last_address(guest->device, &iova));
    cr_expect_eq(iova, IOVA + 8);
    paging_translate(guest->device, IOVA, PAGING_READ, 1, PAGING_SHARDS,
                     &result);
    cr_expect_eq(guest_counters(guest).translations, 1, "not counted");
    guest_free(guest);
}
