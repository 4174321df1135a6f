/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a rule may say, and the messages for what it may not. */
#include <math.h>

#include "tests/unit/fault-fixture.h"

TestSuite(fault_rule, .init = fault_fixture_init, .fini = fault_fixture_fini);

Test(fault_rule, ids_are_chosen_in_the_order_of_adding)
{
    FaultRuleSpec spec = fault_spec("xor");

    spec.has_value = true;

    cr_assert_str_eq(fault_rule_id(fault_add(spec)), "fault0");
    cr_assert_str_eq(fault_rule_id(fault_add(spec)), "fault1");
}

Test(fault_rule, a_chosen_id_avoids_one_that_is_taken)
{
    FaultRuleSpec spec = fault_spec("xor");

    spec.has_value = true;
    spec.id = "fault1";
    fault_add(spec);
    spec.id = NULL;

    cr_assert_str_eq(fault_rule_id(fault_add(spec)), "fault2");
}

Test(fault_rule, a_refused_rule_does_not_move_the_numbers)
{
    FaultRuleSpec spec = fault_spec("hang");

    fault_refused(fault_spec("nonsense"), FAULT_ERROR_OUTCOME);

    cr_assert_str_eq(fault_rule_id(fault_add(spec)), "fault0");
}

Test(fault_rule, strings_are_copied)
{
    char id[] = "mine", point[] = "dev", outcome[] = "hang";
    FaultRuleSpec spec = fault_spec(outcome);
    FaultRule *rule;

    spec.id = id;
    spec.point = point;
    rule = fault_add(spec);
    id[0] = point[0] = outcome[0] = '?';

    cr_assert_str_eq(fault_rule_id(rule), "mine");
    cr_assert_str_eq(fault_rule_spec(rule)->point, "dev");
    cr_assert_str_eq(fault_rule_spec(rule)->outcome, "hang");
    cr_assert_eq(fault_engine_find_rule(engine, "mine"), rule);
}

Test(fault_rule, a_length_left_out_reaches_the_end_of_the_point)
{
    FaultRuleSpec spec = fault_spec("hang");

    spec.offset = 0x100;

    cr_assert_eq(fault_rule_spec(fault_add(spec))->length, 0xf00);
}

Test(fault_rule, a_second_rule_with_the_same_id_is_refused)
{
    FaultRuleSpec spec = fault_spec("xor");

    spec.id = "mine";
    spec.has_value = true;
    fault_add(spec);

    cr_assert_has(fault_refused(spec, FAULT_ERROR_RULE),
                  "\"mine\" exists already");
}

Test(fault_rule, an_unknown_outcome_lists_those_of_the_point)
{
    cr_assert_str_eq(fault_refused(fault_spec("explode"),
                                   FAULT_ERROR_OUTCOME),
                     "fault point dev has no outcome \"explode\"; it "
                     "accepts: drop, error, hang, poison, refuse, slow, "
                     "unplug, xor");
}

Test(fault_rule, an_id_with_a_space_is_refused)
{
    FaultRuleSpec spec = fault_spec("hang");

    spec.id = "my rule";

    cr_assert_has(fault_refused(spec, FAULT_ERROR_INVALID),
                  "rule id \"my rule\" is not a name");
}

Test(fault_rule, every_zero_is_refused)
{
    FaultRuleSpec spec = fault_spec("hang");

    spec.every = 0;

    cr_assert_has(fault_refused(spec, FAULT_ERROR_INVALID), "every 0");
}

Test(fault_rule, count_zero_is_refused)
{
    FaultRuleSpec spec = fault_spec("hang");

    spec.count = 0;

    cr_assert_has(fault_refused(spec, FAULT_ERROR_INVALID), "count 0");
}

Test(fault_rule, a_rule_that_could_never_fire_is_refused)
{
    FaultRuleSpec spec = fault_spec("hang");

    spec.after = UINT64_MAX;

    cr_assert_has(fault_refused(spec, FAULT_ERROR_INVALID), "never fire");
}

Test(fault_rule, a_probability_that_is_none_is_refused)
{
    const double wrong[] = { 0, -0.5, 1.0001, NAN, INFINITY, -INFINITY };
    FaultRuleSpec spec = fault_spec("hang");

    spec.has_probability = true;
    for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++) {
        spec.probability = wrong[i];
        cr_expect_has(fault_refused(spec, FAULT_ERROR_INVALID),
                      "expected a number above 0 and up to 1");
    }
}

Test(fault_rule, a_seed_without_a_probability_is_refused)
{
    FaultRuleSpec spec = fault_spec("hang");

    spec.has_seed = true;

    cr_assert_has(fault_refused(spec, FAULT_ERROR_INVALID), "seed 0");
}

Test(fault_rule, an_offset_behind_the_end_is_refused)
{
    FaultRuleSpec spec = fault_spec("hang");

    spec.offset = 0x1000;

    cr_assert_has(fault_refused(spec, FAULT_ERROR_INVALID),
                  "offset 4096: fault point dev ends at 4096");
}

Test(fault_rule, a_length_that_overflows_is_refused)
{
    FaultRuleSpec spec = fault_spec("hang");

    spec.offset = 0xfff;
    spec.length = UINT64_MAX;

    cr_assert_has(fault_refused(spec, FAULT_ERROR_INVALID), "ends at 4096");
}

Test(fault_rule, a_range_on_a_point_without_offsets_is_refused)
{
    FaultRuleSpec spec = fault_spec("hang");

    spec.point = "line";
    spec.length = 1;

    cr_assert_has(fault_refused(spec, FAULT_ERROR_INVALID), "no offset");
}

Test(fault_rule, a_write_rule_for_an_outcome_of_reads_is_refused)
{
    FaultRuleSpec spec = fault_spec("poison");

    spec.operation = FAULT_OP_WRITE;

    cr_assert_has(fault_refused(spec, FAULT_ERROR_INVALID),
                  "operation write: outcome poison is only for a read");
}

Test(fault_rule, an_operation_that_is_none_is_refused)
{
    FaultRuleSpec spec = fault_spec("hang");

    spec.operation = 7;

    cr_assert_has(fault_refused(spec, FAULT_ERROR_INVALID), "operation 7");
}

Test(fault_rule, a_missing_value_is_asked_for)
{
    cr_assert_has(fault_refused(fault_spec("xor"), FAULT_ERROR_INVALID),
                  "outcome xor needs a value");
}

Test(fault_rule, a_value_that_has_no_meaning_is_refused)
{
    FaultRuleSpec spec = fault_spec("refuse");

    spec.has_value = true;

    cr_assert_has(fault_refused(spec, FAULT_ERROR_INVALID),
                  "outcome refuse takes no value");
}

Test(fault_rule, a_value_that_the_outcome_does_not_know_is_refused)
{
    FaultRuleSpec spec = fault_spec("error");

    spec.has_value = true;
    spec.value = 99;

    cr_assert_has(fault_refused(spec, FAULT_ERROR_INVALID),
                  "value 99: outcome error takes one of 4, 18");
}

Test(fault_rule, a_missing_duration_is_asked_for)
{
    cr_assert_has(fault_refused(fault_spec("slow"), FAULT_ERROR_INVALID),
                  "outcome slow needs a duration");
}

Test(fault_rule, an_optional_duration_may_be_given_or_not)
{
    FaultRuleSpec spec = fault_spec("hang");

    spec.has_duration = true;
    spec.duration_ns = 5;

    cr_assert_eq(fault_rule_spec(fault_add(spec))->duration_ns, 5);
}

Test(fault_rule, an_action_takes_no_word_about_accesses)
{
    FaultRuleSpec wrong[6];
    const char *const named[] = { "after", "every", "count", "offset",
                                  "length", "operation" };

    for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++) {
        wrong[i] = fault_spec("unplug");
    }
    wrong[0].after = 1;
    wrong[1].every = 2;
    wrong[2].count = 2;
    wrong[3].offset = 1;
    wrong[4].length = 1;
    wrong[5].operation = FAULT_OP_READ;

    for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_autofree char *part = g_strdup_printf("takes no %s;", named[i]);

        cr_expect_has(fault_refused(wrong[i], FAULT_ERROR_INVALID), part);
    }
}

Test(fault_rule, the_engine_is_full_at_its_limit_and_usable_after_a_removal)
{
    FaultRuleSpec spec = fault_spec("xor");

    spec.has_value = true;
    for (unsigned i = 0; i < FAULT_MAX_RULES; i++) {
        fault_add(spec);
    }

    cr_assert_has(fault_refused(spec, FAULT_ERROR_LIMIT), "4096");
    cr_assert(fault_engine_remove_rule(engine, "fault7", NULL));
    fault_add(spec);
}
