/* SPDX-License-Identifier: GPL-2.0-or-later */
/* When the selector changes the policy, and to which. */
#include <criterion/criterion.h>
#include <string.h>

#include "target-models/net/selector.h"

static Selector s;

static void set_up(void)
{
    SelectorConfig config;

    selector_config_init(&config);
    selector_init(&s, &config, NIC_POLICY_L2);
}

TestSuite(selector, .init = set_up);

/* Four ports; the busiest has @spread times the mean. */
static SelectorSample sample(double spread)
{
    SelectorSample sample = { .n_ports = 4, .packets = 1000 };
    uint64_t rest = (4 - spread) / 3 * 10000;

    sample.load[0] = spread * 10000;
    for (unsigned i = 1; i < 4; i++) {
        sample.load[i] = rest;
    }
    return sample;
}

static SelectorDecision interval(double spread)
{
    SelectorSample one = sample(spread);

    return selector_interval(&s, &one);
}

static SelectorDecision forecast_interval(double spread, NicPolicy policy,
                                          double forecast)
{
    SelectorSample one = sample(spread);

    one.forecast[policy] = forecast;
    return selector_interval(&s, &one);
}

Test(selector, spread_is_the_busiest_over_the_mean)
{
    static const uint64_t one[] = { 8, 0, 0, 0 }, even[] = { 5, 5, 5 };

    cr_assert_float_eq(selector_spread(one, 4), 4.0, 1e-9);
    cr_assert_float_eq(selector_spread(even, 3), 1.0, 1e-9);
    cr_assert_eq(selector_spread((uint64_t[]){ 0, 0 }, 2), 0);
    cr_assert_eq(selector_spread(NULL, 0), 0);
}

Test(selector, one_bad_interval_is_not_enough)
{
    cr_assert_eq(interval(4).action, SELECTOR_STAY);
    cr_assert_eq(interval(1.1).action, SELECTOR_STAY);
    cr_assert_eq(interval(4).action, SELECTOR_STAY);
    cr_assert_eq(interval(4).action, SELECTOR_TRY);
}

Test(selector, without_a_forecast_the_next_policy_is_tried)
{
    interval(4);
    cr_assert_eq(interval(4).policy, NIC_POLICY_L3);
}

Test(selector, a_policy_that_is_better_is_kept)
{
    SelectorDecision d;

    interval(4);
    interval(4);
    d = interval(1.1);
    cr_assert_eq(d.action, SELECTOR_KEEP);
    cr_assert_eq(d.from, NIC_POLICY_L2);
    cr_assert_eq(d.policy, NIC_POLICY_L3);
    cr_assert_float_eq(d.before, 4, 0.01);
    cr_assert_float_eq(d.spread, 1.1, 0.01);
    cr_assert_eq(s.changes, 1);
}

Test(selector, a_policy_that_is_hardly_better_is_not_kept)
{
    SelectorDecision d;

    interval(2);
    interval(2);
    d = interval(1.85);
    cr_assert_eq(d.action, SELECTOR_REVERT);
    cr_assert_eq(d.policy, NIC_POLICY_L2);
    cr_assert_eq(s.reverts, 1);
}

Test(selector, what_failed_rests_and_the_next_is_tried)
{
    interval(4);
    interval(4);
    interval(4);
    cr_assert_eq(interval(4).policy, NIC_POLICY_L2_L3);
    cr_assert_eq(interval(4).action, SELECTOR_REVERT);
    cr_assert_eq(interval(4).policy, NIC_POLICY_L3_L4);
}

/* Until every policy has failed; then it waits, longer each time. */
Test(selector, gives_up_when_nothing_helps_and_never_tries_round_robin)
{
    unsigned tries[2] = { 0 };

    for (unsigned i = 0; i < 200; i++) {
        SelectorDecision d = interval(4);

        if (d.action == SELECTOR_TRY) {
            cr_assert_neq(d.policy, NIC_POLICY_ROUND_ROBIN);
            tries[i >= 100]++;
        }
    }
    cr_assert_geq(tries[0], 7);
    cr_assert_lt(tries[1], 50);
}

Test(selector, is_asked_for_a_forecast_only_when_it_makes_up_its_mind)
{
    cr_assert_not(selector_wants_forecast(&s));
    interval(4);
    cr_assert(selector_wants_forecast(&s));
    interval(1);
    cr_assert_not(selector_wants_forecast(&s));
    interval(4);
    interval(4);
    cr_assert_not(selector_wants_forecast(&s), "it is trying");
}

Test(selector, the_first_policy_that_would_do_is_tried)
{
    SelectorSample one = sample(4);

    interval(4);
    one.forecast[NIC_POLICY_L3] = 4;
    one.forecast[NIC_POLICY_L4] = 1.04;
    one.forecast[NIC_POLICY_BUCKETS] = 1.0;
    cr_assert_eq(selector_interval(&s, &one).policy, NIC_POLICY_L4);
}

Test(selector, the_best_is_tried_when_none_would_do)
{
    SelectorSample one = sample(4);

    interval(4);
    one.forecast[NIC_POLICY_L3] = 2;
    one.forecast[NIC_POLICY_L4] = 1.3;
    one.forecast[NIC_POLICY_L2_L3_L4] = 1.6;
    cr_assert_eq(selector_interval(&s, &one).policy, NIC_POLICY_L4);
}

Test(selector, a_forecast_without_gain_changes_nothing)
{
    interval(2);
    cr_assert_eq(forecast_interval(2, NIC_POLICY_L4, 1.9).action,
                 SELECTOR_STAY);
    cr_assert_eq(s.policy, NIC_POLICY_L2);
}

Test(selector, buckets_may_be_mapped_anew)
{
    SelectorDecision d;

    selector_set_policy(&s, NIC_POLICY_BUCKETS);
    interval(2);
    d = forecast_interval(2, NIC_POLICY_BUCKETS, 1.01);
    cr_assert_eq(d.action, SELECTOR_TRY);
    cr_assert_eq(d.policy, NIC_POLICY_BUCKETS);
}

Test(selector, quiet_disturbed_and_lonely_intervals_are_not_judged)
{
    SelectorSample quiet = sample(4), disturbed = sample(4);
    SelectorSample lonely = sample(4);

    quiet.packets = 63;
    disturbed.disturbed = true;
    lonely.n_ports = 1;
    interval(4);
    cr_assert_eq(selector_interval(&s, &quiet).spread, 0);
    cr_assert_eq(selector_interval(&s, &disturbed).spread, 0);
    cr_assert_eq(selector_interval(&s, &lonely).spread, 0);
    cr_assert_eq(interval(4).action, SELECTOR_TRY, "the row goes on");
    cr_assert_eq(selector_interval(&s, &quiet).action, SELECTOR_STAY);
    cr_assert_eq(interval(1).action, SELECTOR_KEEP);
}

Test(selector, that_is_not_adaptive_only_watches)
{
    s.config.adaptive = false;
    for (unsigned i = 0; i < 10; i++) {
        cr_assert_eq(interval(4).action, SELECTOR_STAY);
    }
    cr_assert_float_eq(s.spread, 4, 0.01);
}

Test(selector, the_users_choice_ends_a_trial)
{
    interval(4);
    interval(4);
    selector_set_policy(&s, NIC_POLICY_L4);
    cr_assert_eq(interval(1).action, SELECTOR_STAY);
    cr_assert_eq(s.policy, NIC_POLICY_L4);
}

Test(selector, policies_have_names)
{
    g_autoptr(GError) error = NULL;

    for (unsigned i = 1; i < NIC_POLICY__MAX; i++) {
        cr_assert_eq(nic_policy_from_name(nic_policy_name(i), NULL), i);
    }
    cr_assert_eq(nic_policy_from_name("l5", &error), 0);
    cr_assert_not_null(strstr(error->message, "policy l5: no such policy; "
                              "choose one of l2, l3, l2+l3, l4"));
}

Test(selector, numbers_out_of_range_are_named)
{
    SelectorConfig config;
    g_autoptr(GError) error = NULL;

    selector_config_init(&config);
    cr_assert(selector_config_check(&config, NULL));
    config.threshold = 0.5;
    cr_assert_not(selector_config_check(&config, &error));
    cr_assert_str_eq(error->message,
                     "selector: threshold is 0.5; give 1 to 32");
    selector_config_init(&config);
    config.hysteresis = 0.0 / 0.0;
    cr_assert_not(selector_config_check(&config, NULL));
}

Test(selector, a_trial_travels)
{
    g_autoptr(GByteArray) state = g_byte_array_new();
    BytesReader reader;
    SelectorConfig config;

    interval(4);
    interval(4);
    selector_save(&s, state);
    selector_config_init(&config);
    selector_init(&s, &config, NIC_POLICY_L2);
    reader = (BytesReader){ state->data, state->len, false };
    cr_assert(selector_load(&s, &reader));
    cr_assert_eq(reader.left, 0);
    cr_assert_eq(interval(1.1).action, SELECTOR_KEEP);
}

Test(selector, a_state_that_cannot_be_is_refused)
{
    g_autoptr(GByteArray) state = g_byte_array_new();

    selector_save(&s, state);
    for (unsigned size = 0; size < state->len; size++) {
        BytesReader reader = { state->data, size, false };

        cr_assert_not(selector_load(&s, &reader));
    }
    state->data[0] = 0;
    cr_assert_not(selector_load(&s, &(BytesReader){ state->data, state->len,
                                                    false }));
    state->data[0] = NIC_POLICY__MAX;
    cr_assert_not(selector_load(&s, &(BytesReader){ state->data, state->len,
                                                    false }));
}
