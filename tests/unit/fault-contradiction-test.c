/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Two rules that would have to answer the same access. */
#include "tests/unit/fault-fixture.h"

TestSuite(fault_contradiction, .init = fault_fixture_init,
          .fini = fault_fixture_fini);

static FaultRuleSpec turns(const char *outcome, uint64_t after,
                           uint64_t every, uint64_t count)
{
    FaultRuleSpec spec = fault_spec(outcome);

    spec.after = after;
    spec.every = every;
    spec.count = count;
    return spec;
}

static FaultRuleSpec range(const char *outcome, uint64_t offset,
                           uint64_t length, uint64_t count)
{
    FaultRuleSpec spec = fault_spec(outcome);

    spec.offset = offset;
    spec.length = length;
    spec.count = count;
    return spec;
}

static void assert_contradict(FaultRuleSpec first, FaultRuleSpec second)
{
    fault_add(first);
    cr_assert_has(fault_refused(second, FAULT_ERROR_CONTRADICTION),
                  "contradicts rule \"fault0\"");
}

static void assert_agree(FaultRuleSpec first, FaultRuleSpec second)
{
    fault_add(first);
    fault_add(second);
}

Test(fault_contradiction, two_answers_to_every_access)
{
    fault_add(fault_spec("hang"));

    cr_assert_str_eq(
        fault_refused(fault_spec("refuse"), FAULT_ERROR_CONTRADICTION),
        "rule \"fault1\" (refuse) contradicts rule \"fault0\" (hang) at "
        "fault point dev: both would answer the matching access 1 from now; "
        "remove one, or let them differ in range, operation, after, every "
        "or count, or give one a probability below 1");
}

Test(fault_contradiction, a_refused_rule_leaves_no_trace)
{
    assert_contradict(fault_spec("hang"), fault_spec("refuse"));

    cr_assert_eq(dev->n_rules, 1);
    cr_assert_str_eq(fault_play_reads(2), "HH");
}

Test(fault_contradiction, the_same_answer_twice_is_one_too)
{
    assert_contradict(fault_spec("hang"), fault_spec("hang"));
}

Test(fault_contradiction, not_between_an_answer_and_a_value)
{
    FaultRuleSpec xor = fault_spec("xor");

    xor.has_value = true;
    assert_agree(fault_spec("hang"), xor);
}

Test(fault_contradiction, not_between_an_answer_and_an_action)
{
    assert_agree(fault_spec("hang"), fault_spec("unplug"));
}

Test(fault_contradiction, not_when_one_leaves_it_to_chance)
{
    FaultRuleSpec maybe = fault_spec("refuse");

    maybe.has_probability = true;
    maybe.probability = 0.5;
    assert_agree(fault_spec("hang"), maybe);
}

Test(fault_contradiction, a_probability_of_one_is_no_chance)
{
    FaultRuleSpec sure = fault_spec("refuse");

    sure.has_probability = true;
    sure.probability = 1;
    assert_contradict(fault_spec("hang"), sure);
}

Test(fault_contradiction, not_between_points)
{
    FaultRuleSpec other = fault_spec("refuse");

    other.point = "line";
    assert_agree(fault_spec("hang"), other);
}

Test(fault_contradiction, not_between_reads_and_writes)
{
    assert_agree(fault_spec("poison"), fault_spec("drop"));
}

Test(fault_contradiction, not_between_ranges_that_do_not_overlap)
{
    assert_agree(range("hang", 0, 4, FAULT_NO_LIMIT),
                 range("refuse", 4, 4, FAULT_NO_LIMIT));
}

Test(fault_contradiction, between_ranges_that_share_a_byte)
{
    assert_contradict(range("hang", 0, 5, FAULT_NO_LIMIT),
                      range("refuse", 4, 4, FAULT_NO_LIMIT));
}

Test(fault_contradiction, not_between_even_and_odd_turns)
{
    assert_agree(turns("hang", 0, 2, FAULT_NO_LIMIT),
                 turns("refuse", 1, 2, FAULT_NO_LIMIT));
    cr_assert_str_eq(fault_play_reads(5), ".HRHR");
}

Test(fault_contradiction, the_first_common_turn_is_named)
{
    fault_add(turns("hang", 0, 4, FAULT_NO_LIMIT));

    /* 4, 8, 12, ... and 3 + 3k: they meet at 12. */
    cr_assert_has(fault_refused(turns("refuse", 0, 3, FAULT_NO_LIMIT),
                                FAULT_ERROR_CONTRADICTION),
                  "the matching access 12 from now");
}

Test(fault_contradiction, not_when_the_first_is_spent_before_they_meet)
{
    assert_agree(turns("hang", 0, 4, 2), turns("refuse", 0, 3, 3));
}

Test(fault_contradiction, when_the_last_turn_is_the_common_one)
{
    assert_contradict(turns("hang", 0, 4, 3), turns("refuse", 0, 3, 4));
}

Test(fault_contradiction, first_three_then_the_rest_agree)
{
    assert_agree(turns("hang", 0, 1, 3),
                 turns("refuse", 3, 1, FAULT_NO_LIMIT));
    cr_assert_str_eq(fault_play_reads(5), "HHHRR");
}

Test(fault_contradiction, accesses_already_counted_shift_the_turns)
{
    fault_add(turns("hang", 0, 2, FAULT_NO_LIMIT));
    fault_play_reads(1);

    /* The hang is next, and then every second: 1, 3, 5 from now. */
    cr_assert_has(fault_refused(turns("refuse", 0, 3, FAULT_NO_LIMIT),
                                FAULT_ERROR_CONTRADICTION),
                  "access 3 from now");
    fault_add(turns("refuse", 0, 2, FAULT_NO_LIMIT));
}

Test(fault_contradiction, a_spent_rule_contradicts_nothing)
{
    fault_add(turns("hang", 0, 1, 1));
    fault_play_reads(1);

    fault_add(fault_spec("refuse"));
}

Test(fault_contradiction, steps_and_starts_near_the_limit_do_not_overflow)
{
    /* 2^64 - 2 and 2^64 - 1: neighbours that never meet in time. */
    assert_agree(turns("hang", UINT64_MAX - 2, 1, 1),
                 turns("refuse", 0, UINT64_MAX, FAULT_NO_LIMIT));
}

Test(fault_contradiction, huge_steps_that_meet_are_found)
{
    assert_contradict(turns("hang", 0, UINT64_C(1) << 62, FAULT_NO_LIMIT),
                      turns("refuse", 0, UINT64_C(3) << 62, 1));
}

Test(fault_contradiction, steps_without_common_divisor_meet_within_product)
{
    fault_add(turns("hang", 0, 4294967291, FAULT_NO_LIMIT));

    cr_assert_has(fault_refused(turns("refuse", 0, 4294967279,
                                      FAULT_NO_LIMIT),
                                FAULT_ERROR_CONTRADICTION),
                  "access 18446743979220271189 from now");
}

Test(fault_contradiction, a_wider_rule_can_be_ahead)
{
    /* The wide rule may use up 9 turns elsewhere: its 10th meets the 1st. */
    assert_contradict(range("hang", 0, 8, 10), range("refuse", 0, 4, 1));
}

Test(fault_contradiction, a_wider_rule_cannot_be_behind)
{
    FaultRuleSpec wide = range("hang", 0, 8, 3);
    FaultRuleSpec narrow = range("refuse", 0, 4, FAULT_NO_LIMIT);

    /* When the narrow one has seen four, the wide one saw at least four. */
    narrow.after = 3;
    assert_agree(wide, narrow);
}

Test(fault_contradiction, rules_that_both_see_more_can_always_meet)
{
    FaultRuleSpec low = range("hang", 0, 8, 1);
    FaultRuleSpec high = range("refuse", 4, 8, 1);

    high.after = 1000;
    assert_contradict(low, high);
}

Test(fault_contradiction, a_rule_for_all_operations_can_be_ahead)
{
    assert_contradict(turns("poison", 0, 1, 1), turns("refuse", 5, 1, 1));
}

Test(fault_contradiction, a_rule_without_end_meets_a_later_one)
{
    FaultRuleSpec later = fault_spec("refuse");

    later.has_at = true;
    later.at_ns = 1000;
    assert_contradict(fault_spec("hang"), later);
}

Test(fault_contradiction, a_finite_rule_may_still_be_there_at_a_later_time)
{
    FaultRuleSpec later = fault_spec("refuse");

    later.has_at = true;
    later.at_ns = 1000;
    assert_contradict(turns("hang", 0, 1, 3), later);
}

Test(fault_contradiction, rules_from_the_same_time_on_count_in_step)
{
    FaultRuleSpec even = turns("hang", 0, 2, FAULT_NO_LIMIT);
    FaultRuleSpec odd = turns("refuse", 1, 2, FAULT_NO_LIMIT);

    even.has_at = odd.has_at = true;
    even.at_ns = odd.at_ns = 1000;
    assert_agree(even, odd);
}

#define AFTERS 4
#define STEPS  4
#define COUNTS 4
#define PAIRS  (AFTERS * STEPS * COUNTS)
/* Beyond the last first meeting: 3 + 3 * 4 * 4. */
#define PLAYED 64

static FaultRuleSpec small(const char *outcome, unsigned number)
{
    unsigned count = number / AFTERS / STEPS;

    return turns(outcome, number % AFTERS, 1 + number / AFTERS % STEPS,
                 count == 0 ? FAULT_NO_LIMIT : count);
}

/* Which of PLAYED reads the rule answers, as bits. */
static uint64_t answered(FaultRuleSpec spec)
{
    uint64_t bits = 0;
    const char *played;

    fault_fixture_fini();
    fault_fixture_init();
    fault_add(spec);
    played = fault_play_reads(PLAYED);
    for (unsigned i = 0; i < PLAYED; i++) {
        bits |= (uint64_t)(played[i] != '.') << i;
    }
    return bits;
}

static bool refused(FaultRuleSpec first, FaultRuleSpec second)
{
    FaultRule *rule;

    fault_fixture_fini();
    fault_fixture_init();
    fault_add(first);
    rule = fault_engine_add_rule(engine, &second, NULL);
    return rule == NULL;
}

Test(fault_contradiction, arithmetic_agrees_with_playing_every_small_pair)
{
    uint64_t bits[PAIRS];

    for (unsigned i = 0; i < PAIRS; i++) {
        bits[i] = answered(small("hang", i));
    }
    for (unsigned i = 0; i < PAIRS * PAIRS; i++) {
        unsigned a = i / PAIRS, b = i % PAIRS;

        cr_expect_eq(refused(small("hang", a), small("refuse", b)),
                     (bits[a] & bits[b]) != 0, "pair %u, %u", a, b);
    }
}
