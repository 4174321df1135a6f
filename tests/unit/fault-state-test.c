/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Saved states: what travels, and that hostile bytes change nothing. */
#include "tests/unit/fault-fixture.h"

TestSuite(fault_state, .init = fault_fixture_init,
          .fini = fault_fixture_fini);

/* Where things are in a state whose first rule is "a" for "dev", "hang". */
#define AT_VERSION   4
#define AT_SEQ       8
#define AT_ADDED     16
#define AT_COUNT     24
#define AT_RULE      28
#define AT_FLAGS     (AT_RULE + 2 + 4 + 5)
#define AT_OPERATION (AT_FLAGS + 1)
#define AT_NUMBERS   (AT_OPERATION + 1)
#define AT_EVERY     (AT_NUMBERS + 8)
#define AT_MATCHED   (AT_NUMBERS + 10 * 8)
#define AT_FIRED     (AT_NUMBERS + 11 * 8)
#define RULE_SIZE    (AT_NUMBERS + 13 * 8 - AT_RULE)

static FaultRule *add_named(const char *id, const char *outcome)
{
    FaultRuleSpec spec = fault_spec(outcome);

    spec.id = id;
    return fault_add(spec);
}

/* Rules of all kinds, some of them half way. */
static void add_mixture(void)
{
    FaultRuleSpec xor = fault_spec("xor");
    FaultRuleSpec slow = fault_spec("slow");
    FaultRuleSpec unplug = fault_spec("unplug");

    xor.has_value = xor.has_probability = true;
    xor.value = 0x1122334455667788;
    xor.probability = 0.3;
    slow.has_duration = slow.has_at = true;
    slow.duration_ns = 99;
    slow.at_ns = 10;
    slow.every = 3;
    slow.after = 2;
    slow.offset = 2;
    unplug.point = "line";
    unplug.has_at = true;
    unplug.at_ns = UINT64_MAX;
    add_named("a", "poison");
    fault_add(xor);
    fault_add(slow);
    fault_add(unplug);
}

static const char *play_later(unsigned n)
{
    return fault_play(dev, (FaultAccess) { FAULT_OP_READ, 0, 4, 50 }, n);
}

static FaultEngine *fresh_engine(void)
{
    FaultEngine *other = fault_engine_new(1);

    dev = fault_engine_add_point(other, "dev", 0x1000, fault_outcomes, NULL,
                                 NULL);
    line = fault_engine_add_point(other, "line", 0, fault_outcomes, NULL,
                                  NULL);
    return other;
}

static bool load(const GByteArray *state, GError **error)
{
    /* of its exact size, so that a sanitizer sees its end */
    g_autofree uint8_t *data = g_memdup2(state->data, state->len);

    return fault_engine_load(engine, data, state->len, error);
}

static void assert_same_state(const GByteArray *expected)
{
    g_autoptr(GByteArray) now = fault_engine_save(engine);

    cr_assert_eq(now->len, expected->len);
    cr_assert_arr_eq(now->data, expected->data, now->len);
}

/* The message with which @state is refused; the engine must not change. */
static const char *refused(const GByteArray *state)
{
    static char message[1024];
    g_autoptr(GByteArray) before = fault_engine_save(engine);
    g_autoptr(GError) error = NULL;

    cr_assert_not(load(state, &error));
    cr_assert(g_error_matches(error, FAULT_ERROR, FAULT_ERROR_STATE));
    assert_same_state(before);
    g_strlcpy(message, error->message, sizeof(message));
    return message;
}

/* A state of the rule "a" (hang), with @value put at @at. */
static GByteArray *altered(size_t at, unsigned bytes, uint64_t value)
{
    GByteArray *state;

    add_named("a", "hang");
    state = fault_engine_save(engine);
    fault_engine_remove_rule(engine, "a", NULL);
    cr_assert_eq(state->len, AT_RULE + RULE_SIZE);
    for (unsigned i = 0; i < bytes; i++) {
        state->data[at + i] = value >> (8 * i);
    }
    return state;
}

Test(fault_state, an_engine_goes_on_where_the_saved_one_stopped)
{
    g_autoptr(GByteArray) state = NULL;
    g_autofree char *expected = NULL;
    FaultEngine *original = engine;

    add_mixture();
    play_later(7);
    state = fault_engine_save(engine);
    expected = g_strdup(play_later(50));
    engine = fresh_engine();
    cr_assert(load(state, NULL));

    cr_assert_str_eq(play_later(50), expected);
    fault_engine_free(original);
}

Test(fault_state, a_rule_saved_while_it_lets_accesses_pass_lets_the_rest_pass)
{
    g_autoptr(GByteArray) state = NULL;
    FaultRuleSpec spec = fault_spec("hang");

    spec.after = 4;
    spec.every = 2;
    fault_add(spec);
    play_later(3);
    state = fault_engine_save(engine);
    cr_assert(load(state, NULL));

    cr_assert_str_eq(play_later(6), "..H.H.");
}

Test(fault_state, saving_what_was_loaded_gives_the_same_bytes)
{
    g_autoptr(GByteArray) state = NULL;

    add_mixture();
    play_later(7);
    state = fault_engine_save(engine);
    cr_assert(load(state, NULL));

    assert_same_state(state);
}

Test(fault_state, the_number_of_firings_and_of_rules_goes_on)
{
    g_autoptr(GByteArray) state = NULL;
    FaultFiring firings[FAULT_MAX_FIRINGS];
    FaultAccess access = { FAULT_OP_READ };
    FaultRuleSpec other = fault_spec("hang");

    fault_add(fault_spec("poison"));
    play_later(9);
    state = fault_engine_save(engine);
    fault_fixture_fini();
    fault_fixture_init();
    cr_assert(load(state, NULL));
    fault_engine_check(engine, dev, &access, firings);
    other.point = "line";

    cr_assert_eq(firings[0].seq, 10);
    cr_assert_str_eq(fault_rule_id(fault_add(other)), "fault1");
}

Test(fault_state, loading_replaces_the_rules_there_were)
{
    g_autoptr(GByteArray) empty = fault_engine_save(engine);

    add_mixture();
    cr_assert(load(empty, NULL));

    cr_assert_eq(dev->n_rules, 0);
    cr_assert_not(fault_point_armed(dev));
    cr_assert_null(fault_engine_find_rule(engine, "a"));
}

Test(fault_state, a_spent_rule_stays_spent)
{
    g_autoptr(GByteArray) state = NULL;
    FaultRuleSpec once = fault_spec("hang");

    once.count = 1;
    once.id = "a";
    fault_add(once);
    play_later(1);
    state = fault_engine_save(engine);
    cr_assert(load(state, NULL));

    cr_assert(fault_rule_spent(fault_engine_find_rule(engine, "a")));
    cr_assert_not(fault_point_armed(dev));
    cr_assert_eq(dev->n_rules, 1);
}

Test(fault_state, an_action_that_happened_is_not_repeated)
{
    g_autoptr(GByteArray) state = NULL;
    FaultFiring firing;

    fault_engine_fire_action(engine, add_named("a", "unplug"), 1, &firing);
    state = fault_engine_save(engine);
    cr_assert(load(state, NULL));

    cr_assert_not(fault_engine_fire_action(
        engine, fault_engine_find_rule(engine, "a"), 2, &firing));
}

Test(fault_state, rules_wait_for_points_that_are_added_later)
{
    g_autoptr(GByteArray) state = NULL;
    g_autofree char *expected = NULL;
    FaultRule *rule;

    add_mixture();
    play_later(7);
    state = fault_engine_save(engine);
    expected = g_strdup(play_later(20));
    fault_engine_remove_point(engine, dev);
    cr_assert(load(state, NULL));
    rule = fault_engine_find_rule(engine, "a");
    cr_assert_null(fault_rule_point(rule));
    cr_assert_null(fault_rule_outcome(rule));
    assert_same_state(state);

    dev = fault_engine_add_point(engine, "dev", 0x1000, fault_outcomes, NULL,
                                 NULL);
    cr_assert_eq(fault_rule_point(rule), dev);
    cr_assert_eq(dev->n_rules, 3);
    cr_assert_str_eq(play_later(20), expected);
}

Test(fault_state, a_rule_waits_on_when_its_point_comes_back_smaller)
{
    g_autoptr(GByteArray) state = NULL;
    FaultFiring firing;
    FaultRule *rule;

    add_named("a", "hang");
    state = fault_engine_save(engine);
    fault_engine_remove_point(engine, dev);
    cr_assert(load(state, NULL));
    dev = fault_engine_add_point(engine, "dev", 0x800, fault_outcomes, NULL,
                                 NULL);
    rule = fault_engine_find_rule(engine, "a");

    cr_assert_null(fault_rule_point(rule));
    cr_assert_str_eq(play_later(1), ".");
    cr_assert_not(fault_engine_fire_action(engine, rule, 1, &firing));
    cr_assert(fault_engine_remove_rule(engine, "a", NULL));
}

Test(fault_state, a_waiting_rule_keeps_its_id)
{
    g_autoptr(GByteArray) state = NULL;
    FaultRuleSpec same = fault_spec("hang");

    add_named("a", "hang");
    state = fault_engine_save(engine);
    fault_engine_remove_point(engine, dev);
    cr_assert(load(state, NULL));
    same.id = "a";
    same.point = "line";

    fault_refused(same, FAULT_ERROR_RULE);
}

Test(fault_state, a_state_cut_anywhere_is_refused)
{
    g_autoptr(GByteArray) state = NULL;

    add_mixture();
    play_later(7);
    state = fault_engine_save(engine);
    while (state->len > 0) {
        g_byte_array_set_size(state, state->len - 1);
        cr_assert_has(refused(state), "saved fault rules: ");
    }
}

Test(fault_state, every_flipped_bit_is_refused_or_gives_usable_rules)
{
    g_autoptr(GByteArray) state = NULL;
    unsigned loaded = 0;

    add_mixture();
    play_later(7);
    state = fault_engine_save(engine);
    for (unsigned bit = 0; bit < state->len * 8; bit++) {
        state->data[bit / 8] ^= 1 << bit % 8;
        if (load(state, NULL)) {
            g_autoptr(GByteArray) taken = fault_engine_save(engine);

            cr_assert(load(taken, NULL));
            assert_same_state(taken);
            play_later(3);
            loaded++;
        }
        state->data[bit / 8] ^= 1 << bit % 8;
    }
    cr_assert_gt(loaded, 0);
    cr_assert(load(state, NULL));
}

Test(fault_state, no_bytes_at_all_are_refused)
{
    cr_assert_not(fault_engine_load(engine, NULL, 0, NULL));
}

Test(fault_state, another_version_is_refused_by_number)
{
    g_autoptr(GByteArray) state = altered(AT_VERSION, 4, 2);

    cr_assert_has(refused(state), "version 2: expected 1");
}

Test(fault_state, more_rules_than_fit_are_refused_before_they_are_read)
{
    g_autoptr(GByteArray) state = altered(AT_COUNT, 4, UINT32_MAX);

    cr_assert_has(refused(state), "beyond the limits");
}

Test(fault_state, counters_near_overflow_are_refused)
{
    g_autoptr(GByteArray) seq = altered(AT_SEQ, 8, UINT64_MAX);
    g_autoptr(GByteArray) added = altered(AT_ADDED, 8, UINT64_MAX);
    g_autoptr(GByteArray) matched = altered(AT_MATCHED, 8, UINT64_MAX);

    cr_assert_has(refused(seq), "beyond the limits");
    cr_assert_has(refused(added), "beyond the limits");
    cr_assert_has(refused(matched), "cannot be");
}

Test(fault_state, more_firings_than_matches_are_refused)
{
    g_autoptr(GByteArray) state = altered(AT_FIRED, 8, 1);

    cr_assert_has(refused(state), "matched 0 and fired 1 cannot be");
}

Test(fault_state, a_rule_that_could_not_have_been_added_is_refused)
{
    g_autoptr(GByteArray) state = altered(AT_EVERY, 8, 0);

    cr_assert_has(refused(state), "rule 0: every 0");
}

Test(fault_state, unknown_flags_are_refused)
{
    g_autoptr(GByteArray) state = altered(AT_FLAGS, 1, 0x80);

    cr_assert_has(refused(state), "rule 0: flags");
}

Test(fault_state, an_unknown_operation_is_refused)
{
    g_autoptr(GByteArray) state = altered(AT_OPERATION, 1, 3);

    cr_assert_has(refused(state), "operation 3");
}

Test(fault_state, a_nul_in_a_name_is_refused)
{
    g_autoptr(GByteArray) state = altered(AT_RULE + 1, 1, 0);

    cr_assert_has(refused(state), "NUL");
}

Test(fault_state, two_rules_of_one_id_are_refused)
{
    g_autoptr(GByteArray) state = altered(AT_COUNT, 4, 2);
    g_autofree uint8_t *rule = g_memdup2(state->data + AT_RULE, RULE_SIZE);

    g_byte_array_append(state, rule, RULE_SIZE);

    cr_assert_has(refused(state), "a second rule called a");
}

Test(fault_state, bytes_after_the_last_rule_are_refused)
{
    g_autoptr(GByteArray) state = altered(AT_COUNT, 4, 0);

    cr_assert_has(refused(state), "bytes after the last rule");
}

Test(fault_state, a_full_engine_fits_into_the_announced_size)
{
    g_autofree char *name = g_strnfill(FAULT_MAX_NAME, 'n');
    g_autoptr(GByteArray) state = NULL;

    dev = fault_engine_add_point(engine, name, 16, fault_outcomes, NULL,
                                 NULL);
    for (unsigned i = 0; i < FAULT_MAX_RULES; i++) {
        g_autofree char *id = g_strdup_printf("%0*u", FAULT_MAX_NAME, i);
        FaultRuleSpec spec = fault_spec("xor");

        spec.id = id;
        spec.point = name;
        spec.has_value = true;
        fault_add(spec);
    }
    state = fault_engine_save(engine);

    cr_assert_leq(state->len + FAULT_MAX_RULES * FAULT_MAX_NAME,
                  FAULT_MAX_STATE);
    cr_assert(load(state, NULL));
}
