/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Chance: the same seed and accesses give the same log, byte for byte. */
#include "tests/unit/fault-fixture.h"

TestSuite(fault_chance, .init = fault_fixture_init,
          .fini = fault_fixture_fini);

static FaultRuleSpec chance_spec(double probability)
{
    FaultRuleSpec spec = fault_spec("xor");

    spec.has_value = true;
    spec.has_probability = true;
    spec.probability = probability;
    return spec;
}

/* The log of 1,000 mixed accesses to a fresh engine with three rules. */
static char *log_of_seed(uint64_t seed)
{
    GString *log = g_string_new(NULL);
    FaultFiring firings[FAULT_MAX_FIRINGS];

    fault_fixture_fini();
    fault_fixture_init();
    fault_engine_set_seed(engine, seed);
    fault_add(chance_spec(0.25));
    fault_add(chance_spec(0.5));
    fault_add(fault_spec("hang"));
    for (unsigned i = 0; i < 1000; i++) {
        FaultAccess access = { 1 + i % 2, i, 4, i * 10 };
        unsigned n = fault_engine_check(engine, dev, &access, firings);

        for (unsigned j = 0; j < n; j++) {
            g_string_append_printf(log, "%s %" G_GUINT64_FORMAT " %"
                                   G_GUINT64_FORMAT "\n",
                                   fault_rule_id(firings[j].rule),
                                   firings[j].seq, firings[j].now_ns);
        }
    }
    return g_string_free(log, FALSE);
}

Test(fault_chance, the_same_seed_gives_the_same_log)
{
    g_autofree char *first = log_of_seed(42);
    g_autofree char *second = log_of_seed(42);

    cr_assert_str_eq(first, second);
}

Test(fault_chance, another_seed_gives_another_log)
{
    g_autofree char *first = log_of_seed(42);
    g_autofree char *second = log_of_seed(43);

    cr_assert_str_neq(first, second);
}

Test(fault_chance, the_sequence_of_a_seed_never_changes_between_versions)
{
    FaultRuleSpec spec = chance_spec(0.5);

    spec.has_seed = true;
    spec.seed = 1234567;
    fault_add(spec);

    /*
     * SplitMix64 of this seed begins 6457827717110365317,
     * 3203168211198807973, 9817491932198370423 (Rosetta Code's values): the
     * first two and the fourth are below 2^63.
     */
    cr_assert_str_eq(fault_play_reads(16), "XX.X.X.XX.XX.XXX");
}

Test(fault_chance, a_rule_shows_the_seed_that_repeats_it)
{
    FaultRuleSpec spec = chance_spec(0.5);
    FaultRule *rule = fault_add(spec);
    g_autofree char *first = g_strdup(fault_play_reads(64));

    cr_assert(fault_rule_spec(rule)->has_seed);
    spec.has_seed = true;
    spec.seed = fault_rule_spec(rule)->seed;
    fault_engine_remove_rule(engine, fault_rule_id(rule), NULL);
    fault_add(spec);

    cr_assert_str_eq(fault_play_reads(64), first);
}

Test(fault_chance, rules_added_one_after_another_draw_differently)
{
    FaultRule *first = fault_add(chance_spec(0.5));
    g_autofree char *drawn = g_strdup(fault_play_reads(64));

    fault_engine_remove_rule(engine, fault_rule_id(first), NULL);
    fault_add(chance_spec(0.5));

    cr_assert_str_neq(fault_play_reads(64), drawn);
}

Test(fault_chance, a_rule_draws_only_on_its_own_turns)
{
    FaultRuleSpec spec = chance_spec(0.5);
    g_autofree char *alone = NULL;
    FaultAccess other = { FAULT_OP_WRITE, 0, 4 };

    spec.has_seed = true;
    spec.operation = FAULT_OP_READ;
    fault_add(spec);
    alone = g_strdup(fault_play_reads(32));
    fault_fixture_fini();
    fault_fixture_init();
    fault_add(spec);
    fault_play(dev, other, 100);

    cr_assert_str_eq(fault_play_reads(32), alone);
}

Test(fault_chance, firings_come_as_often_as_the_probability_says)
{
    FaultRule *rule = fault_add(chance_spec(0.125));

    fault_play_reads(80000);

    /* 10,000 expected, standard deviation 94: five of them either way. */
    cr_assert_geq(fault_rule_fired(rule), 9530);
    cr_assert_leq(fault_rule_fired(rule), 10470);
}

Test(fault_chance, probability_one_always_fires)
{
    FaultRule *rule = fault_add(chance_spec(1.0));

    fault_play_reads(1000);

    cr_assert_eq(fault_rule_fired(rule), 1000);
}

Test(fault_chance, the_smallest_probability_is_not_taken_for_none)
{
    FaultRuleSpec spec = chance_spec(5e-324);

    fault_add(spec);

    cr_assert_str_eq(fault_play_reads(8), "........");
}
