/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Saved translations: what travels, and that hostile bytes change nothing. */
#include <criterion/criterion.h>

#include "paging-fixture.h"

#define IOVA    UINT64_C(0x7ff9c000)
#define OLD     UINT64_C(0x40000000)
#define NEW     UINT64_C(0x50000000)
#define PAGES   5u

/* Numbers of a device's state: context, counters, entries, and each entry. */
#define CONTEXT_NUMBERS 6
#define COUNTERS        11
#define AT_LEVELS       (3 * 8)
#define AT_ENTRIES      ((CONTEXT_NUMBERS + COUNTERS) * 8)
#define AT_FIRST        (AT_ENTRIES + 8)
#define ENTRY_SIZE      (3 * 8)

/* A device that has used PAGES pages and a large one. */
static Guest *used_guest(void)
{
    Guest *guest = guest_new(4);
    PagingResult result;

    for (unsigned i = 0; i < PAGES; i++) {
        guest_map(guest, IOVA + i * PAGE, (OLD + i * PAGE) | RW, 1);
        guest_translate(guest, IOVA + i * PAGE, PAGING_WRITE, 1, &result);
    }
    guest_map(guest, 0x80000000, OLD | RW | LARGE, 2);
    guest_translate(guest, 0x80000000, PAGING_READ, 1, &result);
    return guest;
}

static GByteArray *saved(Guest *guest)
{
    GByteArray *bytes = g_byte_array_new();

    paging_device_save(guest->device, bytes);
    return bytes;
}

static bool load(Guest *guest, const uint8_t *data, size_t size)
{
    PagingReader reader = { data, size };
    g_autoptr(GError) error = NULL;
    bool ok = paging_device_load(guest->device, &reader, &error);

    cr_assert_eq(ok, error == NULL);
    return ok;
}

/* Over a guest that knows nothing, as in another process */
static void load_afresh(Guest *guest, const GByteArray *bytes)
{
    paging_device_free(guest->device);
    guest->device = paging_device_new(guest->table);
    cr_assert(load(guest, bytes->data, bytes->len));
}

static void expect_empty(Guest *guest)
{
    PagingResult result;

    cr_expect_eq(guest_counters(guest).entries, 0);
    cr_expect_not(paging_hit(guest->device, IOVA, PAGING_READ, 2, 0,
                             &result));
}

Test(state, brings_counters_and_translations)
{
    Guest *guest = used_guest();
    PagingCounters before = guest_counters(guest), after;
    g_autoptr(GByteArray) bytes = saved(guest);
    PagingResult result;

    load_afresh(guest, bytes);
    after = guest_counters(guest);
    cr_expect_arr_eq(&after, &before, sizeof(after));
    for (unsigned i = 0; i < PAGES; i++) {
        cr_expect_eq(guest_translate(guest, IOVA + i * PAGE, PAGING_WRITE, 2,
                                     &result), PAGING_OK);
        cr_expect_eq(result.address, OLD + i * PAGE);
    }
    cr_expect_eq(guest_counters(guest).entries, PAGES + 1);
    guest_free(guest);
}

Test(state, stale_translation_is_found_after_it_was_loaded)
{
    Guest *guest = used_guest();
    g_autoptr(GByteArray) bytes = NULL;
    PagingResult result;

    guest_map(guest, IOVA, NEW | RW, 1);
    bytes = saved(guest);
    load_afresh(guest, bytes);
    cr_expect_eq(guest_translate(guest, IOVA, PAGING_WRITE, 5, &result),
                 PAGING_STALE);
    cr_expect_eq(result.address, OLD);
    cr_expect_eq(result.old_entry, OLD | RW);
    cr_expect_eq(result.new_entry, NEW | RW);
    cr_expect_eq(result.age_ns, 4);
    guest_free(guest);
}

Test(state, what_was_invalidated_stays_behind)
{
    Guest *guest = used_guest();
    g_autoptr(GByteArray) bytes = NULL;
    PagingResult result;

    guest_map(guest, IOVA, NEW | RW, 1);
    guest_invalidate(guest, PAGING_DOMAIN, 1, 3);
    bytes = saved(guest);
    load_afresh(guest, bytes);
    cr_expect_eq(guest_counters(guest).entries, 0);
    cr_expect_eq(guest_translate(guest, IOVA, PAGING_WRITE, 5, &result),
                 PAGING_OK);
    cr_expect_eq(result.address, NEW);
    guest_free(guest);
}

Test(state, postponed_invalidation_is_still_pending)
{
    Guest *guest = used_guest();
    PagingInvalidation invalidation = { PAGING_PAGES, 1, IOVA, 0 };
    g_autoptr(GByteArray) table = g_byte_array_new();
    g_autoptr(GByteArray) bytes = NULL;
    PagingReader reader;
    PagingResult result;

    guest_map(guest, IOVA, NEW | RW, 1);
    paging_table_postpone(guest->table, &invalidation);
    bytes = saved(guest);
    paging_table_save(guest->table, table);
    paging_table_drop(guest->table);
    load_afresh(guest, bytes);
    reader = (PagingReader) { table->data, table->len };
    cr_assert(paging_table_load(guest->table, &reader, NULL));
    cr_expect_eq(reader.size, 0);
    cr_expect_eq(guest_translate(guest, IOVA, PAGING_WRITE, 5, &result),
                 PAGING_STALE);
    cr_expect_eq(result.invalidation, PAGING_PENDING);
    guest_free(guest);
}

Test(state, that_is_cut_off_is_refused)
{
    Guest *guest = used_guest();
    g_autoptr(GByteArray) bytes = saved(guest);

    cr_assert_eq(bytes->len, AT_FIRST + (PAGES + 1) * ENTRY_SIZE);
    for (unsigned size = 0; size < bytes->len; size++) {
        cr_expect_not(load(guest, bytes->data, size), "%u bytes", size);
        if (size >= CONTEXT_NUMBERS * 8) {
            expect_empty(guest);
        }
    }
    guest_free(guest);
}

/* A number out of its range, by where it is */
static void expect_refused(unsigned at, uint64_t value)
{
    Guest *guest = used_guest();
    g_autoptr(GByteArray) bytes = saved(guest);

    value = GUINT64_TO_LE(value);
    memcpy(bytes->data + at, &value, sizeof(value));
    cr_expect_not(load(guest, bytes->data, bytes->len), "%#x", at);
    guest_free(guest);
}

Test(state, with_a_number_out_of_range_is_refused)
{
    expect_refused(0, 2);
    expect_refused(2 * 8, 65536);
    expect_refused(AT_LEVELS, 2);
    expect_refused(AT_LEVELS, 5);
    expect_refused(4 * 8, 2);
    expect_refused(AT_ENTRIES, PAGES + 2);
    expect_refused(AT_ENTRIES, UINT64_MAX);
    expect_refused(AT_FIRST, IOVA);             /* level 0 */
    expect_refused(AT_FIRST, IOVA | 4);
    expect_refused(AT_FIRST + 8, 0);            /* no entry */
}

/* Any other damage gives translations that are compared before they serve. */
Test(state, that_is_damaged_serves_no_page_that_is_not_mapped)
{
    Guest *guest = used_guest();
    g_autoptr(GByteArray) bytes = saved(guest);
    PagingResult result;

    paging_table_set_mode(guest->table, PAGING_MODE_COHERENT);
    for (unsigned bit = 0; bit < bytes->len * 8; bit++) {
        bytes->data[bit / 8] ^= 1 << bit % 8;
        if (load(guest, bytes->data, bytes->len)) {
            paging_device_set_context(guest->device, &guest->context);
            for (unsigned i = 0; i < PAGES; i++) {
                guest_translate(guest, IOVA + i * PAGE, PAGING_WRITE, 2,
                                &result);
                cr_expect_eq(result.address, OLD + i * PAGE, "bit %u", bit);
            }
        }
        bytes->data[bit / 8] ^= 1 << bit % 8;
    }
    guest_free(guest);
}

Test(state, of_the_table_is_checked)
{
    Guest *guest = guest_new(4);
    PagingInvalidation invalidation = { PAGING_PAGES, 1, IOVA, 3 };
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    static const struct {
        unsigned at;
        uint64_t value;
    } wrong[] = {
        { 0, PAGING_MAX_POSTPONED + 1 }, { 0, 2 }, { 8, PAGING_PAGES + 1 },
        { 16, 65536 }, { 32, PAGING_MAX_ORDER + 1 },
    };

    paging_table_postpone(guest->table, &invalidation);
    paging_table_save(guest->table, bytes);
    for (unsigned i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_autofree uint8_t *copy = g_memdup2(bytes->data, bytes->len);
        PagingReader reader = { copy, bytes->len };
        uint64_t value = GUINT64_TO_LE(wrong[i].value);

        memcpy(copy + wrong[i].at, &value, sizeof(value));
        cr_expect_not(paging_table_load(guest->table, &reader, NULL),
                      "case %u", i);
    }
    guest_free(guest);
}
