/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The fake response generator. */
#include <criterion/criterion.h>

#include "target-models/rac/rac.h"

static RacTable *table;
static RacEntry *entry;

static void make_entry(void)
{
    table = rac_table_new();
    entry = rac_table_add(table, "rac0/nic0/bar0", RAC_SPACE_MEMORY,
                          UINT64_MAX, RAC_FAKE_ONES, 0, NULL, NULL);
}

static void free_entry(void)
{
    rac_table_free(table);
}

TestSuite(rac_fake, .init = make_entry, .fini = free_entry);

Test(rac_fake, ones_fill_exactly_the_size_of_the_read)
{
    cr_assert_eq(rac_entry_read(entry, 0, 1), 0xff);
    cr_assert_eq(rac_entry_read(entry, 0, 2), 0xffff);
    cr_assert_eq(rac_entry_read(entry, 0, 4), 0xffffffff);
    cr_assert_eq(rac_entry_read(entry, 0, 8), UINT64_MAX);
}

Test(rac_fake, a_read_of_three_bytes_gets_three_bytes_of_ones)
{
    cr_assert_eq(rac_entry_read(entry, 1, 3), 0xffffff);
}

Test(rac_fake, zero_gives_zero)
{
    rac_entry_set_fake(entry, RAC_FAKE_ZERO, 0x1234);

    cr_assert_eq(rac_entry_read(entry, 0, 8), 0);
}

Test(rac_fake, a_constant_has_its_least_significant_byte_first)
{
    rac_entry_set_fake(entry, RAC_FAKE_CONSTANT, 0x1122334455667788);

    cr_assert_eq(rac_entry_read(entry, 0, 1), 0x88);
    cr_assert_eq(rac_entry_read(entry, 7, 1), 0x11);
}

Test(rac_fake, a_read_inside_a_constant_sees_its_part_of_it)
{
    rac_entry_set_fake(entry, RAC_FAKE_CONSTANT, 0x1122334455667788);

    cr_assert_eq(rac_entry_read(entry, 0, 8), 0x1122334455667788);
    cr_assert_eq(rac_entry_read(entry, 4, 4), 0x11223344);
    cr_assert_eq(rac_entry_read(entry, 2, 2), 0x5566);
}

Test(rac_fake, a_constant_repeats_every_eight_bytes)
{
    rac_entry_set_fake(entry, RAC_FAKE_CONSTANT, 0x1122334455667788);

    cr_assert_eq(rac_entry_read(entry, 16, 8), 0x1122334455667788);
    cr_assert_eq(rac_entry_read(entry, 0xfffffffc, 4), 0x11223344);
}

Test(rac_fake, a_read_across_the_repeat_of_a_constant_wraps_into_the_next)
{
    rac_entry_set_fake(entry, RAC_FAKE_CONSTANT, 0x1122334455667788);

    cr_assert_eq(rac_entry_read(entry, 6, 4), 0x77881122);
    cr_assert_eq(rac_entry_read(entry, 4, 8), 0x5566778811223344);
}

Test(rac_fake, an_offset_never_observed_reads_as_ones_in_last)
{
    rac_entry_set_fake(entry, RAC_FAKE_LAST, 0);

    cr_assert_eq(rac_entry_read(entry, 0x10, 4), 0xffffffff);
}

Test(rac_fake, last_gives_the_latest_value_observed)
{
    rac_entry_set_fake(entry, RAC_FAKE_LAST, 0);
    rac_entry_observe(entry, 0x10, 4, 0xdeadbeef);
    rac_entry_observe(entry, 0x10, 4, 0xcafef00d);

    cr_assert_eq(rac_entry_read(entry, 0x10, 4), 0xcafef00d);
}

Test(rac_fake, last_remembers_zero)
{
    rac_entry_set_fake(entry, RAC_FAKE_LAST, 0);
    rac_entry_observe(entry, 0x10, 4, 0);

    cr_assert_eq(rac_entry_read(entry, 0x10, 4), 0);
}

Test(rac_fake, last_remembers_the_first_byte_of_a_resource)
{
    rac_entry_set_fake(entry, RAC_FAKE_LAST, 0);
    rac_entry_observe(entry, 0, 1, 0x5a);

    cr_assert_eq(rac_entry_read(entry, 0, 1), 0x5a);
}

Test(rac_fake, last_answers_reads_of_other_sizes_than_observed)
{
    rac_entry_set_fake(entry, RAC_FAKE_LAST, 0);
    rac_entry_observe(entry, 0x10, 8, 0x1122334455667788);

    cr_assert_eq(rac_entry_read(entry, 0x14, 4), 0x11223344);
    cr_assert_eq(rac_entry_read(entry, 0x11, 1), 0x77);
}

Test(rac_fake, last_fills_the_bytes_it_does_not_know_with_ones)
{
    rac_entry_set_fake(entry, RAC_FAKE_LAST, 0);
    rac_entry_observe(entry, 0x10, 2, 0x1234);

    cr_assert_eq(rac_entry_read(entry, 0x10, 4), 0xffff1234);
}

Test(rac_fake, last_ignores_bits_beyond_the_size_observed)
{
    rac_entry_set_fake(entry, RAC_FAKE_LAST, 0);
    rac_entry_observe(entry, 0x10, 1, 0xabcd12);

    cr_assert_eq(rac_entry_read(entry, 0x10, 2), 0xff12);
}

Test(rac_fake, observing_means_nothing_to_the_other_ways_to_fake)
{
    rac_entry_observe(entry, 0, 4, 0x12345678);
    rac_entry_set_fake(entry, RAC_FAKE_LAST, 0);

    cr_assert_eq(rac_entry_read(entry, 0, 4), 0xffffffff);
}

Test(rac_fake, setting_last_again_forgets_the_values)
{
    rac_entry_set_fake(entry, RAC_FAKE_LAST, 0);
    rac_entry_observe(entry, 0, 4, 0x12345678);
    rac_entry_set_fake(entry, RAC_FAKE_LAST, 0);

    cr_assert_eq(rac_entry_read(entry, 0, 4), 0xffffffff);
}

static void observe_all_that_last_can_hold(void)
{
    rac_entry_set_fake(entry, RAC_FAKE_LAST, 0);
    for (unsigned i = 0; i < RAC_MAX_LAST_VALUES; i++) {
        rac_entry_observe(entry, i, 1, 0x11);
    }
}

Test(rac_fake, last_remembers_as_many_bytes_as_it_says)
{
    observe_all_that_last_can_hold();

    cr_assert_eq(rac_entry_read(entry, RAC_MAX_LAST_VALUES - 1, 1), 0x11);
}

Test(rac_fake, last_does_not_remember_more_bytes_than_it_says)
{
    observe_all_that_last_can_hold();
    rac_entry_observe(entry, RAC_MAX_LAST_VALUES, 1, 0x22);

    cr_assert_eq(rac_entry_read(entry, RAC_MAX_LAST_VALUES, 1), 0xff);
}

Test(rac_fake, a_full_memory_still_follows_the_offsets_it_knows)
{
    observe_all_that_last_can_hold();
    rac_entry_observe(entry, 0, 1, 0x22);

    cr_assert_eq(rac_entry_read(entry, 0, 1), 0x22);
}

Test(rac_fake, each_faked_access_is_counted)
{
    rac_entry_read(entry, 0, 4);
    rac_entry_read(entry, 4, 8);
    rac_entry_write(entry);

    cr_assert_eq(entry->counters.faked_reads, 2);
    cr_assert_eq(entry->counters.faked_writes, 1);
    cr_assert_eq(entry->counters.faults, 0);
}
