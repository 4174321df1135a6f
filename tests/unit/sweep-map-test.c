/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Zero-page sweep: the page-mapping list. */
#include <criterion/criterion.h>
#include <string.h>

#include "target-models/sweep/sweep.h"

#define MANY 4096

static SweepMap *map;

static void make(void)
{
    map = sweep_map_new(MANY);
}

static void drop(void)
{
    sweep_map_free(map);
}

TestSuite(sweep_map, .init = make, .fini = drop);

static void add(uint32_t region, uint64_t offset, uint64_t length,
                uint64_t sweep)
{
    SweepMapping m = {
        .region = region, .offset = offset, .length = length,
        .sweep = sweep, .time_ns = sweep * 1000,
    };

    sweep_map_add(map, &m);
}

typedef struct List {
    SweepMapping entry[MANY];
    unsigned count;
} List;

static void collect(const SweepMapping *m, void *opaque)
{
    List *list = opaque;

    list->entry[list->count++] = *m;
}

static List *entries(void)
{
    List *list = g_new0(List, 1);

    sweep_map_foreach(map, 0, MANY, collect, list);
    return list;
}

Test(sweep_map, neighbours_of_one_sweep_are_one_entry)
{
    g_autofree List *list = NULL;

    add(0, 100, 10, 1);
    add(0, 120, 10, 1);
    add(0, 110, 10, 1);
    list = entries();
    cr_assert_eq(list->count, 1);
    cr_assert_eq(list->entry[0].offset, 100);
    cr_assert_eq(list->entry[0].length, 30);
}

Test(sweep_map, neighbours_of_two_sweeps_or_regions_are_not)
{
    add(0, 100, 10, 1);
    add(0, 110, 10, 2);
    add(1, 120, 10, 2);
    cr_assert_eq(sweep_map_totals(map).entries, 3);
}

Test(sweep_map, memory_taken_again_belongs_to_the_later_sweep)
{
    g_autofree List *list = NULL;

    add(0, 100, 100, 1);
    add(0, 140, 20, 2);
    list = entries();
    cr_assert_eq(list->count, 3);
    cr_assert_eq(list->entry[0].length, 40);
    cr_assert_eq(list->entry[1].sweep, 2);
    cr_assert_eq(list->entry[2].offset, 160);
    cr_assert_eq(sweep_map_totals(map).taken, 100);
}

Test(sweep_map, what_is_resident_again_has_come_back)
{
    const SweepExtent resident[] = { { 0, 20 }, { 110, 5 }, { 190, 100 } };
    g_autofree List *list = NULL;

    add(0, 100, 20, 1);
    add(0, 180, 20, 1);
    add(1, 100, 20, 1);
    sweep_map_look(map, 0, resident, 3);
    list = entries();
    cr_assert_eq(list->entry[0].came_back, 5);
    cr_assert_eq(list->entry[1].came_back, 10);
    cr_assert_eq(list->entry[2].came_back, 0);
    cr_assert_eq(sweep_map_totals(map).came_back, 15);
}

Test(sweep_map, an_extent_over_two_entries_counts_for_both)
{
    const SweepExtent resident[] = { { 0, 1000 } };

    add(0, 100, 20, 1);
    add(0, 180, 20, 1);
    sweep_map_look(map, 0, resident, 1);
    cr_assert_eq(sweep_map_totals(map).came_back, 40);
    sweep_map_look(map, 0, NULL, 0);
    cr_assert_eq(sweep_map_totals(map).came_back, 0);
}

Test(sweep_map, a_full_list_forgets_the_oldest_sweep)
{
    sweep_map_free(map);
    map = sweep_map_new(16);
    for (unsigned i = 0; i < 8; i++) {
        add(0, i * 100, 10, 1);
    }
    for (unsigned i = 8; i < 17; i++) {
        add(0, i * 100, 10, 2);
    }
    cr_assert_eq(sweep_map_totals(map).entries, 9);
    cr_assert_eq(sweep_map_totals(map).forgotten, 80);
    cr_assert_eq(sweep_map_totals(map).taken, 90);
}

Test(sweep_map, a_list_full_of_one_sweep_forgets_what_is_new)
{
    sweep_map_free(map);
    map = sweep_map_new(16);
    for (unsigned i = 0; i < 20; i++) {
        add(0, i * 100, 10, 1);
    }
    cr_assert_eq(sweep_map_totals(map).entries, 16);
    cr_assert_eq(sweep_map_totals(map).forgotten, 40);
}

Test(sweep_map, iteration_starts_and_ends_where_told)
{
    g_autofree List *list = g_new0(List, 1);

    for (unsigned i = 0; i < 10; i++) {
        add(0, i * 100, 10, 1);
    }
    cr_assert_eq(sweep_map_foreach(map, 3, 2, collect, list), 2);
    cr_assert_eq(list->entry[0].offset, 300);
    cr_assert_eq(sweep_map_foreach(map, 10, 5, collect, list), 0);
}

/* --- Against a plain reference ------------------------------------------ */

#define UNITS   200
#define REGIONS 2

/* Which sweep each unit belongs to, 0: none. */
typedef struct Reference {
    uint64_t sweep[REGIONS][UNITS];
    bool resident[REGIONS][UNITS];
} Reference;

static void compare_entries(const Reference *ref, bool looked)
{
    g_autofree List *list = entries();
    uint64_t seen[REGIONS][UNITS] = { { 0 } };
    uint64_t taken = 0, back = 0;

    for (unsigned i = 0; i < list->count; i++) {
        const SweepMapping *m = &list->entry[i];
        uint64_t came_back = 0;

        cr_assert(!i || list->entry[i - 1].region < m->region ||
                  list->entry[i - 1].offset + list->entry[i - 1].length <=
                  m->offset);
        for (uint64_t u = m->offset; u < m->offset + m->length; u++) {
            seen[m->region][u] = m->sweep;
            came_back += ref->resident[m->region][u];
        }
        cr_assert_leq(m->came_back, m->length);
        cr_assert(!looked || m->came_back == came_back);
        taken += m->length;
        back += m->came_back;
    }
    cr_assert(!memcmp(seen, ref->sweep, sizeof(seen)));
    cr_assert_eq(sweep_map_totals(map).taken, taken);
    cr_assert_eq(sweep_map_totals(map).came_back, back);
}

static void look_at(Reference *ref, GRand *random, uint32_t region)
{
    SweepExtent extents[UNITS];
    unsigned n = 0;

    for (unsigned u = 0; u < UNITS; u++) {
        ref->resident[region][u] = g_rand_int_range(random, 0, 3) == 0;
        if (ref->resident[region][u]) {
            extents[n++] = (SweepExtent) { u, 1 };
        }
    }
    sweep_map_look(map, region, extents, n);
}

Test(sweep_map, any_order_of_operations_gives_what_a_plain_array_does)
{
    g_autoptr(GRand) random = g_rand_new_with_seed(11);
    g_autofree Reference *ref = g_new0(Reference, 1);

    for (unsigned step = 1; step <= 20000; step++) {
        uint32_t region = g_rand_int_range(random, 0, REGIONS);
        uint64_t offset = g_rand_int_range(random, 0, UNITS);
        uint64_t length = g_rand_int_range(random, 0, UNITS - offset + 1);
        unsigned what = g_rand_int_range(random, 0, 10);
        bool looked = what == 9;
        uint64_t sweep = what == 8 ? 0 : step / 8 + 1;

        length = what < 7 ? MIN(length, 12) : length;
        if (looked) {
            look_at(ref, random, 0);
            look_at(ref, random, 1);
        } else {
            if (what == 8) {
                sweep_map_remove(map, region, offset, length);
            } else {
                add(region, offset, length, sweep);
            }
            for (uint64_t u = offset; u < offset + length; u++) {
                ref->sweep[region][u] = sweep;
            }
        }
        compare_entries(ref, looked);
    }
}
