/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The translation table: entries, addresses, labels and the policy. */
#include <criterion/criterion.h>
#include <string.h>

#include "target-models/rac/rac.h"

#define SECOND  UINT64_C(1000000000)

static RacTable *table;

static void make_table(void)
{
    table = rac_table_new();
}

static void free_table(void)
{
    rac_table_free(table);
}

TestSuite(rac_table, .init = make_table, .fini = free_table);
TestSuite(rac_policy, .init = make_table, .fini = free_table);
TestSuite(rac_label, .init = make_table, .fini = free_table);

static RacEntry *add(const char *resource, uint64_t size)
{
    RacEntry *e = rac_table_add(table, resource, RAC_SPACE_MEMORY, size,
                                RAC_FAKE_ONES, 0, NULL, NULL);

    cr_assert_not_null(e);
    return e;
}

static RacEntry *add_mapped(const char *resource, uint64_t address,
                            uint64_t size)
{
    RacEntry *e = add(resource, size);

    rac_table_map(table, e, address);
    return e;
}

static RacEntry *entry_at(uint64_t address)
{
    RacTranslation t;

    return rac_table_translate(table, RAC_SPACE_MEMORY, address, &t)
           ? t.entry : NULL;
}

static void set_policy(uint32_t label_after, uint64_t window_ns)
{
    RacPolicy policy = { label_after, window_ns };

    rac_table_set_policy(table, &policy);
}

/* Returns: the number of the fault, from 1, that labelled; 0 for none. */
static unsigned fault_times(RacEntry *entry, unsigned n, uint64_t interval_ns)
{
    for (unsigned i = 0; i < n; i++) {
        if (rac_entry_fault(table, entry, i * interval_ns)) {
            return i + 1;
        }
    }
    return 0;
}

Test(rac_table, a_new_entry_is_as_it_was_asked_for)
{
    int mine;
    RacEntry *e = rac_table_add(table, "rac0/nic0/bar2", RAC_SPACE_IO, 32,
                                RAC_FAKE_CONSTANT, 7, &mine, NULL);

    cr_assert_str_eq(e->resource, "rac0/nic0/bar2");
    cr_assert_eq(e->space, RAC_SPACE_IO);
    cr_assert_eq(e->size, 32);
    cr_assert_eq(e->fake, RAC_FAKE_CONSTANT);
    cr_assert_eq(e->value, 7);
    cr_assert_eq(e->opaque, &mine);
}

Test(rac_table, a_new_entry_is_healthy_and_not_mapped)
{
    RacEntry *e = add("rac0/nic0/bar0", 4096);

    cr_assert_not(e->labelled);
    cr_assert_not(e->mapped);
    cr_assert_eq(e->counters.faults, 0);
}

Test(rac_table, the_name_of_a_resource_is_copied)
{
    char name[] = "rac0/nic0";
    RacEntry *e = add(name, 4096);

    name[0] = 'x';

    cr_assert_str_eq(e->resource, "rac0/nic0");
}

Test(rac_table, an_entry_of_no_size_has_one_byte)
{
    cr_assert_eq(add("rac0/nic0", 0)->size, 1);
}

Test(rac_table, a_taken_name_is_refused_by_name)
{
    GError *error = NULL;

    add("rac0/nic0/bar0", 4096);

    cr_assert_null(rac_table_add(table, "rac0/nic0/bar0", RAC_SPACE_MEMORY,
                                 4096, RAC_FAKE_ONES, 0, NULL, &error));
    cr_assert(g_error_matches(error, RAC_ERROR, RAC_ERROR_RESOURCE));
    cr_assert_not_null(strstr(error->message, "'rac0/nic0/bar0'"));
    g_error_free(error);
}

Test(rac_table, an_empty_name_is_refused)
{
    GError *error = NULL;

    cr_assert_null(rac_table_add(table, "", RAC_SPACE_MEMORY, 1,
                                 RAC_FAKE_ONES, 0, NULL, &error));
    cr_assert(g_error_matches(error, RAC_ERROR, RAC_ERROR_RESOURCE));
    g_error_free(error);
}

Test(rac_table, a_name_of_the_greatest_length_is_accepted)
{
    char name[RAC_MAX_NAME + 1];

    memset(name, 'a', RAC_MAX_NAME);
    name[RAC_MAX_NAME] = '\0';

    cr_assert_str_eq(add(name, 1)->resource, name);
}

Test(rac_table, a_name_that_is_too_long_is_refused)
{
    char name[RAC_MAX_NAME + 2];
    GError *error = NULL;

    memset(name, 'a', RAC_MAX_NAME + 1);
    name[RAC_MAX_NAME + 1] = '\0';

    cr_assert_null(rac_table_add(table, name, RAC_SPACE_MEMORY, 1,
                                 RAC_FAKE_ONES, 0, NULL, &error));
    cr_assert_not_null(strstr(error->message, "255"));
    g_error_free(error);
}

Test(rac_table, a_removed_name_can_be_added_again_as_healthy)
{
    RacEntry *e = add_mapped("rac0/nic0/bar0", 0x1000, 4096);

    rac_entry_label(e, RAC_REASON_COMMAND);
    rac_table_remove(table, e);

    cr_assert_not(add("rac0/nic0/bar0", 4096)->labelled);
}

Test(rac_table, a_table_with_mapped_entries_can_be_freed)
{
    RacTable *other = rac_table_new();
    RacEntry *e = rac_table_add(other, "a", RAC_SPACE_MEMORY, 16,
                                RAC_FAKE_LAST, 0, NULL, NULL);

    rac_table_map(other, e, 0);
    rac_entry_observe(e, 0, 4, 1);
    rac_table_free(other);
}

Test(rac_table, an_address_inside_translates_to_entry_and_offset)
{
    RacEntry *e = add_mapped("a", 0x1000, 0x100);
    RacTranslation t;

    cr_assert(rac_table_translate(table, RAC_SPACE_MEMORY, 0x1034, &t));

    cr_assert_eq(t.entry, e);
    cr_assert_eq(t.offset, 0x34);
    cr_assert_not(t.fake);
}

Test(rac_table, the_translation_of_a_labelled_entry_says_fake)
{
    RacEntry *e = add_mapped("a", 0x1000, 0x100);
    RacTranslation t;

    rac_entry_label(e, RAC_REASON_COMMAND);

    cr_assert(rac_table_translate(table, RAC_SPACE_MEMORY, 0x1000, &t));
    cr_assert(t.fake);
}

Test(rac_table, the_first_and_last_byte_of_an_entry_belong_to_it)
{
    RacEntry *e = add_mapped("a", 0x1000, 0x100);

    cr_assert_eq(entry_at(0x1000), e);
    cr_assert_eq(entry_at(0x10ff), e);
}

Test(rac_table, the_bytes_around_an_entry_do_not_belong_to_it)
{
    add_mapped("a", 0x1000, 0x100);

    cr_assert_null(entry_at(0x0fff));
    cr_assert_null(entry_at(0x1100));
}

Test(rac_table, an_address_of_another_space_is_not_translated)
{
    RacTranslation t;

    add_mapped("a", 0x1000, 0x100);

    cr_assert_not(rac_table_translate(table, RAC_SPACE_IO, 0x1000, &t));
    cr_assert_not(rac_table_translate(table, RAC_SPACE_CONFIG, 0x1000, &t));
}

Test(rac_table, an_entry_that_is_not_mapped_is_not_translated)
{
    add("a", UINT64_MAX);

    cr_assert_null(entry_at(0));
}

Test(rac_table, an_entry_is_found_only_where_it_was_mapped_last)
{
    RacEntry *e = add_mapped("a", 0x1000, 0x100);

    rac_table_map(table, e, 0x5000);

    cr_assert_null(entry_at(0x1000));
    cr_assert_eq(entry_at(0x5000), e);
    cr_assert_eq(e->address, 0x5000);
}

Test(rac_table, an_unmapped_entry_is_not_translated_any_more)
{
    RacEntry *e = add_mapped("a", 0x1000, 0x100);

    rac_table_unmap(table, e);

    cr_assert_not(e->mapped);
    cr_assert_null(entry_at(0x1000));
}

Test(rac_table, unmapping_twice_is_harmless)
{
    RacEntry *e = add_mapped("a", 0x1000, 0x100);

    rac_table_unmap(table, e);
    rac_table_unmap(table, e);

    cr_assert_null(entry_at(0x1000));
}

Test(rac_table, of_overlapping_entries_the_one_mapped_last_wins)
{
    RacEntry *first = add_mapped("a", 0x1000, 0x100);
    RacEntry *second = add_mapped("b", 0x1080, 0x100);

    cr_assert_eq(entry_at(0x107f), first);
    cr_assert_eq(entry_at(0x1080), second);
}

Test(rac_table, mapping_an_entry_again_puts_it_before_the_others)
{
    RacEntry *first = add_mapped("a", 0x1000, 0x100);

    add_mapped("b", 0x1000, 0x100);
    rac_table_map(table, first, 0x1000);

    cr_assert_eq(entry_at(0x1000), first);
}

Test(rac_table, removing_the_upper_entry_uncovers_the_lower_one)
{
    RacEntry *first = add_mapped("a", 0x1000, 0x100);
    RacEntry *second = add_mapped("b", 0x1000, 0x100);

    rac_table_remove(table, second);

    cr_assert_eq(entry_at(0x1000), first);
}

Test(rac_table, an_entry_at_the_end_of_the_space_does_not_wrap)
{
    RacEntry *e = add_mapped("a", UINT64_MAX - 0xf, 0x100);

    cr_assert_eq(entry_at(UINT64_MAX), e);
    cr_assert_null(entry_at(0));
}

static void append_name(RacEntry *entry, void *opaque)
{
    g_string_append_printf(opaque, "%s ", entry->resource);
}

static void assert_names(const char *prefix, unsigned count,
                         const char *expected)
{
    GString *names = g_string_new(NULL);

    cr_assert_eq(rac_table_foreach(table, prefix, append_name, names), count);
    cr_assert_str_eq(names->str, expected);
    g_string_free(names, TRUE);
}

Test(rac_table, entries_are_visited_in_the_order_of_their_names)
{
    add("b", 1);
    add("c", 1);
    add("a", 1);

    assert_names(NULL, 3, "a b c ");
}

Test(rac_table, a_prefix_names_the_entry_itself_and_those_below)
{
    add("rac0/nic1", 1);
    add("rac0/nic1/bar0", 1);
    add("rac1/nic1", 1);

    assert_names("rac0/nic1", 2, "rac0/nic1 rac0/nic1/bar0 ");
}

Test(rac_table, a_prefix_ends_where_a_name_in_the_path_ends)
{
    add("rac0/nic10/bar0", 1);

    assert_names("rac0/nic1", 0, "");
}

Test(rac_table, an_empty_table_has_nothing_to_visit)
{
    assert_names(NULL, 0, "");
}

Test(rac_label, labelling_sets_label_and_reason)
{
    RacEntry *e = add("a", 1);

    cr_assert(rac_entry_label(e, RAC_REASON_LINK_DOWN));

    cr_assert(e->labelled);
    cr_assert_eq(e->reason, RAC_REASON_LINK_DOWN);
}

Test(rac_label, a_label_that_is_there_keeps_its_reason)
{
    RacEntry *e = add("a", 1);

    rac_entry_label(e, RAC_REASON_POLICY);

    cr_assert_not(rac_entry_label(e, RAC_REASON_LINK_DOWN));
    cr_assert_eq(e->reason, RAC_REASON_POLICY);
}

Test(rac_label, a_user_s_label_outlives_the_cause_of_another)
{
    RacEntry *e = add("a", 1);

    rac_entry_label(e, RAC_REASON_LINK_DOWN);

    cr_assert_not(rac_entry_label(e, RAC_REASON_COMMAND));
    cr_assert_eq(e->reason, RAC_REASON_COMMAND);
}

Test(rac_label, clearing_takes_the_label_off)
{
    RacEntry *e = add("a", 1);

    rac_entry_label(e, RAC_REASON_COMMAND);

    cr_assert(rac_entry_clear(e));
    cr_assert_not(e->labelled);
}

Test(rac_label, clearing_what_has_no_label_changes_no_label)
{
    cr_assert_not(rac_entry_clear(add("a", 1)));
}

Test(rac_label, clearing_leaves_the_counters_of_accesses)
{
    RacEntry *e = add("a", 1);

    rac_entry_label(e, RAC_REASON_COMMAND);
    rac_entry_read(e, 0, 1);
    rac_entry_write(e);
    rac_entry_clear(e);

    cr_assert_eq(e->counters.faked_reads, 1);
    cr_assert_eq(e->counters.faked_writes, 1);
}

Test(rac_policy, without_a_policy_faults_are_counted_but_never_label)
{
    RacEntry *e = add("a", 1);

    cr_assert_eq(fault_times(e, 100, 0), 0);
    cr_assert_eq(e->counters.faults, 100);
    cr_assert_not(e->labelled);
}

Test(rac_policy, a_policy_of_one_labels_on_the_first_fault)
{
    RacEntry *e = add("a", 1);

    set_policy(1, SECOND);

    cr_assert_eq(fault_times(e, 2, 0), 1);
    cr_assert_eq(e->reason, RAC_REASON_POLICY);
}

Test(rac_policy, a_policy_of_three_labels_on_the_third_fault)
{
    RacEntry *e = add("a", 1);

    set_policy(3, 0);

    cr_assert_eq(fault_times(e, 10, SECOND), 3);
    cr_assert(e->labelled);
}

Test(rac_policy, faults_exactly_a_window_apart_are_within_it)
{
    RacEntry *e = add("a", 1);

    set_policy(3, SECOND);

    cr_assert_eq(fault_times(e, 3, SECOND / 2), 3);
}

Test(rac_policy, faults_spread_wider_than_the_window_never_label)
{
    RacEntry *e = add("a", 1);

    set_policy(3, SECOND - 1);

    cr_assert_eq(fault_times(e, 100, SECOND / 2), 0);
    cr_assert_eq(e->counters.faults, 100);
}

Test(rac_policy, old_faults_slide_out_of_the_window)
{
    RacEntry *e = add("a", 1);

    set_policy(3, SECOND);
    rac_entry_fault(table, e, 0);
    rac_entry_fault(table, e, SECOND / 2);

    cr_assert_not(rac_entry_fault(table, e, 2 * SECOND));
    cr_assert_not(rac_entry_fault(table, e, 2 * SECOND + 1));
    cr_assert(rac_entry_fault(table, e, 2 * SECOND + 2));
}

Test(rac_policy, each_entry_has_a_window_of_its_own)
{
    RacEntry *a = add("a", 1), *b = add("b", 1);

    set_policy(2, 0);
    rac_entry_fault(table, a, 0);

    cr_assert_not(rac_entry_fault(table, b, 0));
    cr_assert_not(a->labelled);
}

Test(rac_policy, a_fault_of_a_labelled_entry_only_counts)
{
    RacEntry *e = add("a", 1);

    set_policy(1, 0);
    rac_entry_label(e, RAC_REASON_COMMAND);

    cr_assert_not(rac_entry_fault(table, e, 0));
    cr_assert_eq(e->counters.faults, 1);
    cr_assert_eq(e->reason, RAC_REASON_COMMAND);
}

Test(rac_policy, clearing_starts_the_count_anew)
{
    RacEntry *e = add("a", 1);

    set_policy(3, 0);
    fault_times(e, 3, 0);
    rac_entry_clear(e);

    cr_assert_eq(e->counters.faults, 0);
    cr_assert_eq(fault_times(e, 10, 0), 3);
}

Test(rac_policy, clearing_a_healthy_entry_forgets_its_faults)
{
    RacEntry *e = add("a", 1);

    set_policy(3, 0);
    fault_times(e, 2, 0);
    rac_entry_clear(e);

    cr_assert_eq(fault_times(e, 10, 0), 3);
}

Test(rac_policy, a_stricter_policy_counts_the_faults_before_it)
{
    RacEntry *e = add("a", 1);

    set_policy(5, 0);
    fault_times(e, 4, 0);
    set_policy(3, 0);

    cr_assert(rac_entry_fault(table, e, 0));
}

Test(rac_policy, a_stricter_policy_keeps_the_latest_faults)
{
    RacEntry *e = add("a", 1);

    set_policy(5, SECOND);
    rac_entry_fault(table, e, 0);
    rac_entry_fault(table, e, 10 * SECOND);
    set_policy(2, SECOND);

    cr_assert(rac_entry_fault(table, e, 11 * SECOND));
}

Test(rac_policy, a_laxer_policy_goes_on_counting)
{
    RacEntry *e = add("a", 1);

    set_policy(2, SECOND);
    fault_times(e, 10, 2 * SECOND);
    set_policy(3, 100 * SECOND);

    cr_assert(rac_entry_fault(table, e, 20 * SECOND));
}

Test(rac_policy, more_faults_than_the_limit_are_clipped_to_it)
{
    RacEntry *e = add("a", 1);

    set_policy(UINT32_MAX, 0);

    cr_assert_eq(fault_times(e, RAC_MAX_LABEL_AFTER + 1, 0),
                 RAC_MAX_LABEL_AFTER);
}
