/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One processor's TLB, against a plain list
 */
#include <criterion/criterion.h>

#include "target-models/paging/processor-tlb.h"

static CookieTranslation translation(uint64_t value)
{
    return (CookieTranslation) { value, value ^ 1 };
}

Test(tlb, of_impossible_form_is_refused)
{
    cr_expect_null(processor_tlb_new(0, 1));
    cr_expect_null(processor_tlb_new(8, 0));
    cr_expect_null(processor_tlb_new(4, 8));
    cr_expect_null(processor_tlb_new(12, 4));       /* three sets */
    cr_expect_null(processor_tlb_new(9, 4));
    cr_expect_null(processor_tlb_new(PROCESSOR_TLB_MAX_ENTRIES * 2, 2));
    processor_tlb_free(NULL);
}

Test(tlb, of_real_processors_can_be_made)
{
    static const unsigned forms[][2] = {
        { 64, 4 }, { 96, 6 }, { 1536, 12 }, { 2048, 16 }, { 32, 32 },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(forms); i++) {
        ProcessorTlb *tlb = processor_tlb_new(forms[i][0], forms[i][1]);

        cr_expect_not_null(tlb);
        processor_tlb_free(tlb);
    }
}

Test(tlb, knows_pages_by_their_space)
{
    ProcessorTlb *tlb = processor_tlb_new(8, 2);

    processor_tlb_insert(tlb, 1, 7, translation(17), NULL);
    processor_tlb_insert(tlb, 2, 7, translation(27), NULL);
    cr_expect_eq(processor_tlb_find(tlb, 1, 7)->translation.entry, 17);
    cr_expect_eq(processor_tlb_find(tlb, 2, 7)->translation.entry, 27);
    cr_expect_null(processor_tlb_find(tlb, 3, 7));
    cr_expect_eq(processor_tlb_flush_space(tlb, 1), 1);
    cr_expect_null(processor_tlb_find(tlb, 1, 7));
    cr_expect_not_null(processor_tlb_find(tlb, 2, 7));
    cr_expect(processor_tlb_drop(tlb, 2, 7));
    cr_expect_not(processor_tlb_drop(tlb, 2, 7));
    processor_tlb_free(tlb);
}

Test(tlb, replaces_what_was_not_used_for_longest)
{
    ProcessorTlb *tlb = processor_tlb_new(4, 4);
    ProcessorTlbEntry replaced;

    for (uint64_t page = 0; page < 4; page++) {
        processor_tlb_insert(tlb, 0, page, translation(page), &replaced);
        cr_expect_not(replaced.valid);
    }
    processor_tlb_find(tlb, 0, 0);
    processor_tlb_insert(tlb, 0, 9, translation(9), &replaced);
    cr_expect(replaced.valid);
    cr_expect_eq(replaced.page, 1);
    cr_expect_not_null(processor_tlb_find(tlb, 0, 0));
    cr_expect_null(processor_tlb_find(tlb, 0, 1));
    processor_tlb_free(tlb);
}

/* The reference: entries in the order of their use, the latest last */
typedef struct Reference {
    unsigned sets, ways;
    GArray *entries;            /* of ProcessorTlbEntry */
} Reference;

static ProcessorTlbEntry *reference_at(Reference *reference, unsigned i)
{
    return &g_array_index(reference->entries, ProcessorTlbEntry, i);
}

/* Takes the entry out of the list, if it is there. */
static bool reference_take(Reference *reference, uint32_t space,
                           uint64_t page, ProcessorTlbEntry *taken)
{
    for (unsigned i = 0; i < reference->entries->len; i++) {
        *taken = *reference_at(reference, i);
        if (taken->space == space && taken->page == page) {
            g_array_remove_index(reference->entries, i);
            return true;
        }
    }
    return false;
}

static void reference_insert(Reference *reference, ProcessorTlbEntry entry)
{
    ProcessorTlbEntry old;
    unsigned in_set = 0, oldest = 0;

    reference_take(reference, entry.space, entry.page, &old);
    for (unsigned i = reference->entries->len; i-- > 0;) {
        if (reference_at(reference, i)->page % reference->sets ==
            entry.page % reference->sets) {
            in_set++;
            oldest = i;
        }
    }
    if (in_set == reference->ways) {
        g_array_remove_index(reference->entries, oldest);
    }
    g_array_append_val(reference->entries, entry);
}

static unsigned reference_flush(Reference *reference, bool all,
                                uint32_t space)
{
    unsigned dropped = 0;

    for (unsigned i = reference->entries->len; i-- > 0;) {
        if (all || reference_at(reference, i)->space == space) {
            g_array_remove_index(reference->entries, i);
            dropped++;
        }
    }
    return dropped;
}

static void step(ProcessorTlb *tlb, Reference *reference, GRand *rand)
{
    uint32_t space = g_rand_int_range(rand, 0, 3);
    uint64_t page = g_rand_int_range(rand, 0, 40);
    unsigned what = g_rand_int_range(rand, 0, 100);
    ProcessorTlbEntry entry = { .space = space, .page = page };
    ProcessorTlbEntry *found;

    if (what < 45) {
        found = processor_tlb_find(tlb, space, page);
        if (!reference_take(reference, space, page, &entry)) {
            cr_assert_null(found);
            return;
        }
        cr_assert_not_null(found);
        cr_assert_eq(found->translation.entry, entry.translation.entry);
        cr_assert_eq(found->translation.cookie, entry.translation.cookie);
        g_array_append_val(reference->entries, entry);
    } else if (what < 85) {
        entry.translation = translation(g_rand_int(rand));
        processor_tlb_insert(tlb, space, page, entry.translation, NULL);
        reference_insert(reference, entry);
    } else if (what < 97) {
        cr_assert_eq(processor_tlb_drop(tlb, space, page),
                     reference_take(reference, space, page, &entry));
    } else if (what < 99) {
        cr_assert_eq(processor_tlb_flush_space(tlb, space),
                     reference_flush(reference, false, space));
    } else {
        cr_assert_eq(processor_tlb_flush(tlb),
                     reference_flush(reference, true, 0));
    }
}

Test(tlb, does_what_a_plain_list_does)
{
    static const unsigned forms[][2] = {
        { 1, 1 }, { 8, 1 }, { 8, 2 }, { 12, 3 }, { 16, 16 },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(forms); i++) {
        g_autoptr(GRand) rand = g_rand_new_with_seed(20261123 + i);
        ProcessorTlb *tlb = processor_tlb_new(forms[i][0], forms[i][1]);
        Reference reference = {
            .sets = forms[i][0] / forms[i][1], .ways = forms[i][1],
            .entries = g_array_new(FALSE, FALSE, sizeof(ProcessorTlbEntry)),
        };

        for (unsigned n = 0; n < 30000; n++) {
            step(tlb, &reference, rand);
        }
        g_array_unref(reference.entries);
        processor_tlb_free(tlb);
    }
}
