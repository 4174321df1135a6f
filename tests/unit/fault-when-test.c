/* SPDX-License-Identifier: GPL-2.0-or-later */
/* When a rule fires: turns, narrowing, time, and how outcomes combine. */
#include "tests/unit/fault-fixture.h"

TestSuite(fault_when, .init = fault_fixture_init, .fini = fault_fixture_fini);

Test(fault_when, a_point_without_rules_is_not_armed_and_fires_nothing)
{
    cr_assert_not(fault_point_armed(dev));
    cr_assert_str_eq(fault_play_reads(3), "...");
}

Test(fault_when, a_rule_with_defaults_fires_on_every_access)
{
    fault_add(fault_spec("hang"));

    cr_assert(fault_point_armed(dev));
    cr_assert_not(fault_point_armed(line));
    cr_assert_str_eq(fault_play_reads(3), "HHH");
}

Test(fault_when, after_lets_accesses_pass_first)
{
    FaultRuleSpec spec = fault_spec("hang");

    spec.after = 3;
    fault_add(spec);

    cr_assert_str_eq(fault_play_reads(5), "...HH");
}

Test(fault_when, every_third_is_the_third_sixth_and_ninth)
{
    FaultRuleSpec spec = fault_spec("hang");

    spec.every = 3;
    fault_add(spec);

    cr_assert_str_eq(fault_play_reads(9), "..H..H..H");
}

Test(fault_when, after_every_and_count_work_together)
{
    FaultRuleSpec spec = fault_spec("hang");

    spec.after = 2;
    spec.every = 2;
    spec.count = 2;
    fault_add(spec);

    cr_assert_str_eq(fault_play_reads(10), "...H.H....");
}

Test(fault_when, a_rule_is_spent_after_count_firings_and_disarms_its_point)
{
    FaultRuleSpec spec = fault_spec("hang");
    FaultRule *rule;

    spec.count = 2;
    rule = fault_add(spec);
    fault_play_reads(5);

    cr_assert(fault_rule_spent(rule));
    cr_assert_eq(fault_rule_fired(rule), 2);
    cr_assert_eq(fault_rule_matched(rule), 2);
    cr_assert_not(fault_point_armed(dev));
    cr_assert_eq(dev->n_rules, 1);
}

Test(fault_when, the_greatest_after_does_not_wrap)
{
    FaultRuleSpec spec = fault_spec("hang");

    spec.after = UINT64_MAX - 1;
    fault_add(spec);

    cr_assert_str_eq(fault_play_reads(4), "....");
}

Test(fault_when, a_rule_for_writes_ignores_reads_and_does_not_count_them)
{
    FaultRuleSpec spec = fault_spec("hang");
    FaultRule *rule;

    spec.operation = FAULT_OP_WRITE;
    rule = fault_add(spec);

    cr_assert_str_eq(fault_play_reads(2), "..");
    cr_assert_eq(fault_rule_matched(rule), 0);
    cr_assert_str_eq(fault_play(dev, (FaultAccess) { FAULT_OP_WRITE, 0, 4 },
                                1), "H");
}

Test(fault_when, an_outcome_for_reads_narrows_its_rule_to_reads)
{
    FaultRule *rule = fault_add(fault_spec("poison"));

    cr_assert_eq(fault_rule_spec(rule)->operation, FAULT_OP_READ);
    cr_assert_str_eq(fault_play(dev, (FaultAccess) { FAULT_OP_WRITE, 0, 4 },
                                1), ".");
}

Test(fault_when, an_event_without_direction_matches_rules_for_any_only)
{
    FaultRuleSpec spec = fault_spec("xor");

    spec.point = "line";
    spec.has_value = true;
    spec.operation = FAULT_OP_READ;
    fault_add(spec);
    spec.operation = FAULT_OP_ANY;
    fault_add(spec);

    cr_assert_str_eq(fault_play(line, (FaultAccess) { FAULT_OP_ANY }, 1),
                     "X");
}

Test(fault_when, a_range_matches_accesses_that_touch_one_byte_of_it)
{
    const struct { uint64_t offset; uint32_t size; const char *fired; } t[] = {
        { 0x0c, 4, "." }, { 0x0d, 4, "H" }, { 0x10, 4, "H" },
        { 0x17, 1, "H" }, { 0x18, 4, "." }, { 0x00, 64, "H" },
        { 0x10, 0, "H" }, { UINT64_MAX, 8, "." },
    };
    FaultRuleSpec spec = fault_spec("hang");

    spec.offset = 0x10;
    spec.length = 8;
    fault_add(spec);

    for (size_t i = 0; i < G_N_ELEMENTS(t); i++) {
        FaultAccess access = { FAULT_OP_READ, t[i].offset, t[i].size };

        cr_expect_str_eq(fault_play(dev, access, 1), t[i].fired, "%zu", i);
    }
}

Test(fault_when, a_point_without_offsets_does_not_look_at_them)
{
    FaultRuleSpec spec = fault_spec("hang");

    spec.point = "line";
    fault_add(spec);

    cr_assert_str_eq(fault_play(line, (FaultAccess) { FAULT_OP_READ, 999, 8 },
                                1), "H");
}

Test(fault_when, accesses_before_at_are_not_even_counted)
{
    FaultRuleSpec spec = fault_spec("hang");
    FaultRule *rule;

    spec.has_at = true;
    spec.at_ns = 1000;
    spec.after = 1;
    rule = fault_add(spec);

    cr_assert_str_eq(fault_play(dev, (FaultAccess) { FAULT_OP_READ, 0, 4,
                                                     999 }, 5), ".....");
    cr_assert_eq(fault_rule_matched(rule), 0);
    cr_assert_str_eq(fault_play(dev, (FaultAccess) { FAULT_OP_READ, 0, 4,
                                                     1000 }, 2), ".H");
}

Test(fault_when, values_and_delays_fire_beside_one_answer_in_order_of_adding)
{
    FaultRuleSpec slow = fault_spec("slow");
    FaultRuleSpec xor = fault_spec("xor");

    slow.has_duration = true;
    xor.has_value = true;
    fault_add(xor);
    fault_add(slow);
    fault_add(fault_spec("hang"));
    fault_add(xor);

    cr_assert_str_eq(fault_play_reads(1), "(XSHX)");
}

Test(fault_when, the_first_answer_wins_and_the_second_loses_its_turn)
{
    FaultRuleSpec likely = fault_spec("hang");
    FaultRuleSpec refuse = fault_spec("refuse");
    FaultRule *second;

    likely.has_probability = true;
    likely.probability = 0.9999;
    likely.count = 1;
    refuse.every = 2;
    fault_add(likely);
    second = fault_add(refuse);

    cr_assert_str_eq(fault_play_reads(1), "H");
    cr_assert_eq(fault_rule_matched(second), 1);
    cr_assert_str_eq(fault_play_reads(3), "R.R");
}

Test(fault_when, sixteen_rules_fire_on_an_access_and_no_more)
{
    FaultFiring firings[FAULT_MAX_FIRINGS];
    FaultAccess access = { FAULT_OP_READ, 0, 4 };
    FaultRuleSpec xor = fault_spec("xor");
    FaultRule *last = NULL;

    xor.has_value = true;
    for (unsigned i = 0; i < FAULT_MAX_FIRINGS + 1; i++) {
        last = fault_add(xor);
    }

    cr_assert_eq(fault_engine_check(engine, dev, &access, firings),
                 FAULT_MAX_FIRINGS);
    cr_assert_eq(fault_rule_matched(last), 1);
    cr_assert_eq(fault_rule_fired(last), 0);
}

Test(fault_when, a_firing_tells_the_rule_the_access_and_its_number)
{
    FaultFiring firings[FAULT_MAX_FIRINGS];
    FaultAccess access = { FAULT_OP_WRITE, 0x20, 8, 77 };
    FaultRuleSpec spec = fault_spec("xor");
    FaultRule *rule;

    spec.has_value = true;
    spec.value = 0xff00;
    rule = fault_add(spec);
    fault_engine_check(engine, dev, &access, firings);
    fault_engine_check(engine, dev, &access, firings);

    cr_assert_eq(firings[0].rule, rule);
    cr_assert_eq(firings[0].point, dev);
    cr_assert_str_eq(firings[0].outcome->name, "xor");
    cr_assert_eq(firings[0].seq, 2);
    cr_assert_eq(firings[0].now_ns, 77);
    cr_assert_eq(firings[0].operation, FAULT_OP_WRITE);
    cr_assert_eq(firings[0].offset, 0x20);
    cr_assert_eq(firings[0].size, 8);
    cr_assert(firings[0].has_value);
    cr_assert_eq(firings[0].value, 0xff00);
    cr_assert_not(firings[0].has_duration);
}

Test(fault_when, an_action_does_not_arm_its_point_and_fires_on_no_access)
{
    fault_add(fault_spec("unplug"));

    cr_assert_not(fault_point_armed(dev));
    cr_assert_eq(dev->n_rules, 1);
    cr_assert_str_eq(fault_play_reads(2), "..");
}

Test(fault_when, an_action_happens_once)
{
    FaultRule *rule = fault_add(fault_spec("unplug"));
    FaultFiring firing;

    cr_assert(fault_engine_fire_action(engine, rule, 5, &firing));
    cr_assert_eq(firing.outcome->code, 'U');
    cr_assert_eq(firing.now_ns, 5);
    cr_assert_eq(firing.seq, 1);
    cr_assert(fault_rule_spent(rule));
    cr_assert_not(fault_engine_fire_action(engine, rule, 6, &firing));
}

Test(fault_when, an_action_that_chance_decides_against_is_over_too)
{
    FaultRuleSpec spec = fault_spec("unplug");
    FaultRule *rule;
    FaultFiring firing;

    spec.has_probability = true;
    spec.probability = 1e-9;
    rule = fault_add(spec);

    cr_assert_not(fault_engine_fire_action(engine, rule, 5, &firing));
    cr_assert(fault_rule_spent(rule));
    cr_assert_eq(fault_rule_fired(rule), 0);
}

Test(fault_when, a_rule_for_accesses_cannot_be_fired_as_an_action)
{
    FaultRule *rule = fault_add(fault_spec("hang"));
    FaultFiring firing;

    cr_assert_not(fault_engine_fire_action(engine, rule, 5, &firing));
    cr_assert_eq(fault_rule_matched(rule), 0);
}
