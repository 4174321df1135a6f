/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table's state in bytes: what travels, and that hostile bytes change
 * nothing.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "target-models/rac/rac.h"

#define SECOND  UINT64_C(1000000000)

/* Where things are in the state of one entry called "a": see state.c. */
#define AT_VERSION      4
#define AT_COUNT        8
#define AT_NAME_LENGTH  12
#define AT_NAME         16
#define AT_LENGTH       17
#define AT_RECORD       21
#define AT_LABEL        AT_RECORD
#define AT_REASON       (AT_RECORD + 1)
#define AT_FAKE         (AT_RECORD + 2)
#define AT_MAPPED       (AT_RECORD + 3)
#define AT_ADDRESS      (AT_RECORD + 68)
#define AT_HELD         (AT_RECORD + 76)
#define AT_TIMES        (AT_RECORD + 80)

static RacTable *from, *to;

static void make_tables(void)
{
    from = rac_table_new();
    to = rac_table_new();
}

static void free_tables(void)
{
    rac_table_free(from);
    rac_table_free(to);
}

TestSuite(rac_state, .init = make_tables, .fini = free_tables);
TestSuite(rac_hostile_state, .init = make_tables, .fini = free_tables);

static RacEntry *add(RacTable *table, const char *resource)
{
    RacEntry *e = rac_table_add(table, resource, RAC_SPACE_MEMORY, 4096,
                                RAC_FAKE_ONES, 0, NULL, NULL);

    cr_assert_not_null(e);
    return e;
}

static void set_policy(RacTable *table, uint32_t label_after,
                       uint64_t window_ns)
{
    RacPolicy policy = { label_after, window_ns };

    rac_table_set_policy(table, &policy);
}

static void transfer(void)
{
    GByteArray *state = rac_table_save(from);

    cr_assert(rac_table_load(to, state->data, state->len, NULL));
    g_byte_array_unref(state);
}

/* A state of one entry "a" that has held two faults and a label. */
static GByteArray *sample(void)
{
    RacEntry *e = add(from, "a");

    set_policy(from, 5, 0);
    rac_entry_fault(from, e, 1);
    rac_entry_fault(from, e, 2);
    rac_entry_label(e, RAC_REASON_COMMAND);
    return rac_table_save(from);
}

/* Loads @state, which must be refused and must leave the table alone. */
static void assert_refused(GByteArray *state)
{
    RacEntry *e = add(to, "a");
    GError *error = NULL;

    cr_assert_not(rac_table_load(to, state->data, state->len, &error));
    cr_assert(g_error_matches(error, RAC_ERROR, RAC_ERROR_STATE));
    cr_assert_not(e->labelled);
    cr_assert_eq(e->counters.faults, 0);
    g_error_free(error);
    g_byte_array_unref(state);
}

Test(rac_state, label_and_reason_travel)
{
    RacEntry *e = add(to, "a");

    rac_entry_label(add(from, "a"), RAC_REASON_CONTAINMENT);
    transfer();

    cr_assert(e->labelled);
    cr_assert_eq(e->reason, RAC_REASON_CONTAINMENT);
}

/* Of a device that is in reset nobody can ask for it any more. */
Test(rac_state, the_address_travels)
{
    RacEntry *e = add(to, "a");
    RacTranslation t;

    rac_table_map(from, add(from, "a"), 0x123456789000);
    transfer();

    cr_assert(rac_table_translate(to, RAC_SPACE_MEMORY, 0x123456789004, &t));
    cr_assert_eq(t.entry, e);
    cr_assert_eq(t.offset, 4);
}

Test(rac_state, an_entry_without_address_is_unmapped)
{
    RacEntry *e = add(to, "a");

    rac_table_map(to, e, 0x1000);
    add(from, "a");
    transfer();

    cr_assert_not(e->mapped);
}

Test(rac_state, the_address_of_an_entry_that_comes_later_is_kept_for_it)
{
    rac_table_map(from, add(from, "a"), 0x2000);
    transfer();

    cr_assert(add(to, "a")->mapped);
}

Test(rac_state, a_healthy_entry_takes_the_label_off)
{
    RacEntry *e = add(to, "a");

    add(from, "a");
    rac_entry_label(e, RAC_REASON_COMMAND);
    transfer();

    cr_assert_not(e->labelled);
}

Test(rac_state, the_way_to_fake_travels)
{
    RacEntry *e = add(to, "a");

    rac_entry_set_fake(add(from, "a"), RAC_FAKE_CONSTANT, 0x12345678);
    transfer();

    cr_assert_eq(e->fake, RAC_FAKE_CONSTANT);
    cr_assert_eq(rac_entry_read(e, 0, 4), 0x12345678);
}

Test(rac_state, last_travels_without_its_values)
{
    RacEntry *source = add(from, "a"), *e = add(to, "a");

    rac_entry_set_fake(source, RAC_FAKE_LAST, 0);
    rac_entry_observe(source, 0, 4, 1);
    transfer();

    cr_assert_eq(rac_entry_read(e, 0, 4), 0xffffffff);
    rac_entry_observe(e, 0, 4, 2);
    cr_assert_eq(rac_entry_read(e, 0, 4), 2);
}

Test(rac_state, all_counters_travel)
{
    RacEntry *source = add(from, "a"), *e = add(to, "a");

    source->counters = (RacCounters) { 1, 2, 3, 4, 5, 6, UINT64_MAX };
    transfer();

    cr_assert_arr_eq(&e->counters, &source->counters, sizeof(RacCounters));
}

Test(rac_state, faults_held_before_count_after)
{
    RacEntry *source = add(from, "a"), *e = add(to, "a");

    set_policy(from, 3, SECOND);
    set_policy(to, 3, SECOND);
    rac_entry_fault(from, source, 0);
    rac_entry_fault(from, source, 1);
    transfer();

    cr_assert(rac_entry_fault(to, e, SECOND));
}

Test(rac_state, the_times_of_held_faults_travel_in_their_order)
{
    RacEntry *source = add(from, "a"), *e = add(to, "a");

    set_policy(from, 3, SECOND);
    set_policy(to, 3, SECOND);
    for (unsigned i = 0; i < 4; i++) {
        rac_entry_fault(from, source, i * SECOND);
    }
    transfer();

    cr_assert_not(rac_entry_fault(to, e, 3 * SECOND + 1));
    cr_assert(rac_entry_fault(to, e, 4 * SECOND));
}

Test(rac_state, a_stricter_policy_on_the_other_side_uses_the_latest_faults)
{
    RacEntry *source = add(from, "a"), *e = add(to, "a");

    set_policy(from, 5, SECOND);
    set_policy(to, 2, SECOND);
    rac_entry_fault(from, source, 0);
    rac_entry_fault(from, source, 10 * SECOND);
    transfer();

    cr_assert(rac_entry_fault(to, e, 11 * SECOND));
}

Test(rac_state, a_laxer_policy_on_the_other_side_goes_on_counting)
{
    RacEntry *source = add(from, "a"), *e = add(to, "a");

    set_policy(from, 3, 0);
    set_policy(to, 4, 0);
    rac_entry_fault(from, source, 0);
    rac_entry_fault(from, source, 0);
    transfer();

    cr_assert_not(rac_entry_fault(to, e, 0));
    cr_assert(rac_entry_fault(to, e, 0));
}

Test(rac_state, a_state_waits_for_its_entry)
{
    rac_entry_label(add(from, "a"), RAC_REASON_POLICY);
    transfer();

    cr_assert(add(to, "a")->labelled);
}

Test(rac_state, a_state_that_waits_is_applied_once)
{
    rac_entry_label(add(from, "a"), RAC_REASON_POLICY);
    transfer();
    rac_table_remove(to, add(to, "a"));

    cr_assert_not(add(to, "a")->labelled);
}

Test(rac_state, a_second_state_takes_the_place_of_one_that_waits)
{
    RacEntry *source = add(from, "a");

    rac_entry_label(source, RAC_REASON_POLICY);
    transfer();
    rac_table_remove(from, source);
    transfer();

    cr_assert_not(add(to, "a")->labelled);
}

Test(rac_state, an_entry_that_the_state_does_not_name_stays_as_it_is)
{
    RacEntry *e = add(to, "b");

    rac_entry_label(e, RAC_REASON_COMMAND);
    add(from, "a");
    transfer();

    cr_assert(e->labelled);
}

Test(rac_state, an_empty_table_can_be_saved_and_loaded)
{
    GByteArray *state = rac_table_save(from);

    cr_assert_eq(state->len, 12);
    cr_assert(rac_table_load(to, state->data, state->len, NULL));
    g_byte_array_unref(state);
}

Test(rac_state, saving_what_was_loaded_gives_the_same_bytes)
{
    GByteArray *first = sample(), *second;

    add(to, "a");
    transfer();
    second = rac_table_save(to);

    cr_assert_eq(first->len, second->len);
    cr_assert_arr_eq(first->data, second->data, first->len);
    g_byte_array_unref(first);
    g_byte_array_unref(second);
}

Test(rac_state, the_bytes_are_little_endian_and_where_they_are_said_to_be)
{
    GByteArray *state = sample();

    cr_assert_arr_eq(state->data, "SRAC\1\0\0\0\1\0\0\0\1\0\0\0a\x60\0\0\0",
                     AT_RECORD);
    cr_assert_eq(state->data[AT_LABEL], 1);
    cr_assert_eq(state->data[AT_REASON], RAC_REASON_COMMAND);
    cr_assert_eq(state->data[AT_MAPPED], 0);
    cr_assert_arr_eq(state->data + AT_ADDRESS, "\0\0\0\0\0\0\0\0", 8);
    cr_assert_arr_eq(state->data + AT_HELD, "\2\0\0\0", 4);
    cr_assert_arr_eq(state->data + AT_TIMES + 8, "\2\0\0\0\0\0\0\0", 8);
    cr_assert_eq(state->len, AT_TIMES + 16);
    g_byte_array_unref(state);
}

Test(rac_hostile_state, no_bytes_at_all_are_refused)
{
    GError *error = NULL;

    cr_assert_not(rac_table_load(to, NULL, 0, &error));
    cr_assert(g_error_matches(error, RAC_ERROR, RAC_ERROR_STATE));
    g_error_free(error);
}

Test(rac_hostile_state, every_truncation_is_refused)
{
    GByteArray *state = sample();

    add(to, "a");
    for (unsigned n = 0; n < state->len; n++) {
        cr_assert_not(rac_table_load(to, state->data, n, NULL), "%u", n);
    }
    g_byte_array_unref(state);
}

Test(rac_hostile_state, a_byte_too_many_is_refused)
{
    GByteArray *state = sample();

    g_byte_array_append(state, (const uint8_t *)"", 1);
    assert_refused(state);
}

Test(rac_hostile_state, another_magic_is_refused)
{
    GByteArray *state = sample();

    state->data[0] = 'X';
    assert_refused(state);
}

Test(rac_hostile_state, another_version_is_refused)
{
    GByteArray *state = sample();

    state->data[AT_VERSION] = 2;
    assert_refused(state);
}

Test(rac_hostile_state, four_billion_entries_are_refused_at_once)
{
    GByteArray *state = sample();

    memset(state->data + AT_COUNT, 0xff, 4);
    assert_refused(state);
}

Test(rac_hostile_state, an_entry_less_than_there_are_is_refused)
{
    GByteArray *state = sample();

    state->data[AT_COUNT] = 0;
    assert_refused(state);
}

Test(rac_hostile_state, an_empty_name_is_refused)
{
    GByteArray *state = sample();

    state->data[AT_NAME_LENGTH] = 0;
    g_byte_array_remove_index(state, AT_NAME);
    assert_refused(state);
}

Test(rac_hostile_state, a_name_with_a_nul_is_refused)
{
    GByteArray *state = sample();

    state->data[AT_NAME] = '\0';
    assert_refused(state);
}

Test(rac_hostile_state, a_name_longer_than_the_state_is_refused)
{
    GByteArray *state = sample();

    memset(state->data + AT_NAME_LENGTH, 0xff, 4);
    assert_refused(state);
}

Test(rac_hostile_state, a_name_longer_than_names_can_be_is_refused)
{
    GByteArray *state;
    char rest[RAC_MAX_NAME];

    memset(rest, 'a', sizeof(rest));
    state = sample();
    memcpy(state->data + AT_NAME_LENGTH, "\0\1\0\0", 4);
    g_byte_array_set_size(state, AT_NAME + 1);
    g_byte_array_append(state, (const uint8_t *)rest, sizeof(rest));
    g_byte_array_append(state, (const uint8_t *)"\x50\0\0\0", 4);
    g_byte_array_set_size(state, state->len + 0x50);
    memset(state->data + state->len - 0x50, 0, 0x50);

    assert_refused(state);
}

Test(rac_hostile_state, a_record_that_is_too_short_is_refused)
{
    GByteArray *state = sample();

    state->data[AT_LENGTH] = 79;
    g_byte_array_set_size(state, AT_RECORD + 79);
    assert_refused(state);
}

Test(rac_hostile_state, fault_times_that_do_not_fill_the_record_are_refused)
{
    GByteArray *state = sample();

    state->data[AT_HELD] = 1;
    assert_refused(state);
}

Test(rac_hostile_state, more_fault_times_than_a_policy_can_ask_for_are_refused)
{
    GByteArray *state = sample();
    unsigned held = RAC_MAX_LABEL_AFTER + 1, length = 80 + held * 8;
    uint32_t bytes;

    g_byte_array_set_size(state, AT_RECORD + length);
    memset(state->data + AT_TIMES, 0, held * 8);
    bytes = GUINT32_TO_LE(length);
    memcpy(state->data + AT_LENGTH, &bytes, 4);
    bytes = GUINT32_TO_LE(held);
    memcpy(state->data + AT_HELD, &bytes, 4);
    assert_refused(state);
}

Test(rac_hostile_state, a_count_of_times_whose_size_overflows_is_refused)
{
    GByteArray *state = sample();

    /* 8 times this is 16 in 32 bits, which is what is there */
    memcpy(state->data + AT_HELD, "\2\0\0\x20", 4);
    assert_refused(state);
}

Test(rac_hostile_state, a_label_that_is_neither_on_nor_off_is_refused)
{
    GByteArray *state = sample();

    state->data[AT_LABEL] = 2;
    assert_refused(state);
}

Test(rac_hostile_state, a_reason_that_does_not_exist_is_refused)
{
    GByteArray *state = sample();

    state->data[AT_REASON] = RAC_REASON__MAX;
    assert_refused(state);
}

Test(rac_hostile_state, a_fake_that_does_not_exist_is_refused)
{
    GByteArray *state = sample();

    state->data[AT_FAKE] = RAC_FAKE__MAX;
    assert_refused(state);
}

Test(rac_hostile_state, an_entry_neither_mapped_nor_not_is_refused)
{
    GByteArray *state = sample();

    state->data[AT_MAPPED] = 2;
    assert_refused(state);
}

Test(rac_hostile_state, a_resource_that_appears_twice_is_refused)
{
    GByteArray *state = sample();
    unsigned length = state->len - AT_NAME_LENGTH;

    state->data[AT_COUNT] = 2;
    g_byte_array_set_size(state, state->len + length);
    memcpy(state->data + AT_NAME_LENGTH + length,
           state->data + AT_NAME_LENGTH, length);
    assert_refused(state);
}

Test(rac_hostile_state, a_bad_second_entry_leaves_the_first_unchanged)
{
    GByteArray *state = sample();
    unsigned length = state->len - AT_NAME_LENGTH;

    state->data[AT_COUNT] = 2;
    g_byte_array_set_size(state, state->len + length);
    memcpy(state->data + AT_NAME_LENGTH + length,
           state->data + AT_NAME_LENGTH, length);
    state->data[AT_NAME + length] = 'b';
    state->data[AT_LABEL + length] = 2;
    assert_refused(state);
}
