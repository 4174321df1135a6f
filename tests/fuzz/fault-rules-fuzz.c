/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fuzz target: rules and accesses in any order.
 *
 * The input is a program: each operation is a byte that says which, and the
 * operands it takes.  The assertions are what fault.h promises; one is that
 * of rules that leave nothing to chance two never have to answer the same
 * access, for then the later one should have been refused.
 */
#include <string.h>

#include "target-models/fault/fault.h"
#include "tests/fuzz/input.h"

#define LENGTH 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const FaultOutcome outcomes[] = {
    { "hang", FAULT_KIND_ANSWER, FAULT_PARAM_NONE, FAULT_PARAM_OPTIONAL,
      FAULT_OP_ANY, 0, "waits" },
    { "poison", FAULT_KIND_ANSWER, FAULT_PARAM_NONE, FAULT_PARAM_NONE,
      FAULT_OP_READ, 1, "is bad" },
    { "xor", FAULT_KIND_VALUE, FAULT_PARAM_REQUIRED, FAULT_PARAM_NONE,
      FAULT_OP_ANY, 2, "flips bits" },
    { "slow", FAULT_KIND_DELAY, FAULT_PARAM_NONE, FAULT_PARAM_OPTIONAL,
      FAULT_OP_ANY, 3, "waits" },
    { "unplug", FAULT_KIND_ACTION, FAULT_PARAM_NONE, FAULT_PARAM_NONE,
      FAULT_OP_ANY, 4, "goes" },
    { NULL }
};

typedef struct Run {
    FuzzInput program;
    FaultEngine *engine;
    FaultPoint *point;
    uint64_t now_ns;
    uint64_t seq;
    bool chancy;                /* turns may have shifted by chance */
} Run;

/* Mostly small; sometimes near the end of the range. */
static uint64_t next_number(Run *run)
{
    uint8_t value = next8(&run->program);

    return value < 0xf0 ? value % 8 : UINT64_MAX - (value & 0xf);
}

static void add_rule(Run *run)
{
    uint8_t what = next8(&run->program), given = next8(&run->program);
    FaultRuleSpec spec;

    fault_rule_spec_init(&spec);
    spec.point = "dev";
    spec.outcome = outcomes[what % (G_N_ELEMENTS(outcomes) - 1)].name;
    spec.operation = what / 16 % 4;
    spec.after = given & 1 ? next_number(run) : 0;
    spec.every = given & 2 ? next_number(run) : 1;
    spec.count = given & 4 ? next_number(run) : FAULT_NO_LIMIT;
    spec.offset = given & 8 ? next_number(run) : 0;
    spec.length = given & 16 ? next_number(run) : 0;
    spec.has_at = given & 32;
    spec.at_ns = spec.has_at ? next_number(run) * 4 : 0;
    spec.has_probability = given & 64;
    spec.probability = spec.has_probability ? next8(&run->program) / 200.0 : 0;
    spec.has_value = given & 128;
    if (fault_engine_add_rule(run->engine, &spec, NULL)) {
        run->chancy |= spec.has_probability;
    }
}

static bool has_turn(const FaultRule *rule)
{
    const FaultRuleSpec *spec = fault_rule_spec(rule);
    uint64_t matched = fault_rule_matched(rule);

    return matched > spec->after &&
           (matched - spec->after) % spec->every == 0;
}

typedef struct Before {
    const FaultRule *rules[FAULT_MAX_RULES];
    uint64_t matched[FAULT_MAX_RULES];
    unsigned n;
    unsigned unspent;
} Before;

static void note_counters(FaultRule *rule, void *opaque)
{
    Before *before = opaque;
    FaultKind kind = fault_rule_outcome(rule)->kind;

    before->unspent += !fault_rule_spent(rule) && kind != FAULT_KIND_ACTION;
    if (kind == FAULT_KIND_ANSWER) {
        before->rules[before->n] = rule;
        before->matched[before->n++] = fault_rule_matched(rule);
    }
}

static unsigned answers_whose_turn_it_was(const Before *before)
{
    unsigned turns = 0;

    for (unsigned i = 0; i < before->n; i++) {
        turns += fault_rule_matched(before->rules[i]) != before->matched[i] &&
                 has_turn(before->rules[i]);
    }
    return turns;
}

static void make_access(Run *run)
{
    uint8_t what = next8(&run->program);
    FaultAccess access = { what % 3, what / 4 % LENGTH, 1, run->now_ns };
    FaultFiring firings[FAULT_MAX_FIRINGS];
    Before before;
    unsigned n, answers = 0;

    before.n = before.unspent = 0;
    fault_engine_foreach_rule(run->engine, note_counters, &before);
    g_assert_cmpuint(before.unspent, ==, run->point->armed);
    n = fault_engine_check(run->engine, run->point, &access, firings);
    g_assert_cmpuint(n, <=, FAULT_MAX_FIRINGS);
    for (unsigned i = 0; i < n; i++) {
        g_assert_cmpuint(firings[i].seq, ==, ++run->seq);
        g_assert_true(has_turn(firings[i].rule));
        answers += firings[i].outcome->kind == FAULT_KIND_ANSWER;
    }
    run->chancy |= n == FAULT_MAX_FIRINGS;
    g_assert_cmpuint(answers, <=, 1);
    g_assert_true(run->chancy || answers_whose_turn_it_was(&before) <= 1);
}

static void remove_rule(Run *run)
{
    g_autofree char *id = g_strdup_printf("fault%u", next8(&run->program) % 16);

    fault_engine_remove_rule(run->engine, id, NULL);
}

static void fire_action(Run *run)
{
    g_autofree char *id = g_strdup_printf("fault%u", next8(&run->program) % 16);
    FaultRule *rule = fault_engine_find_rule(run->engine, id);
    FaultFiring firing;

    if (rule && fault_engine_fire_action(run->engine, rule, run->now_ns,
                                         &firing)) {
        g_assert_cmpuint(firing.seq, ==, ++run->seq);
        g_assert_true(fault_rule_spent(rule));
    }
}

static void add_point(Run *run)
{
    run->point = fault_engine_add_point(run->engine, "dev", LENGTH, outcomes,
                                        NULL, NULL);
    g_assert_nonnull(run->point);
}

/* @away: while the point is not there, so that its rules wait for it */
static void save_and_load(Run *run, bool away)
{
    g_autoptr(GByteArray) state = fault_engine_save(run->engine);
    g_autoptr(GByteArray) again = NULL;

    if (away) {
        fault_engine_remove_point(run->engine, run->point);
    }
    g_assert_true(fault_engine_load(run->engine, state->data, state->len,
                                    NULL));
    if (away) {
        add_point(run);
    }
    again = fault_engine_save(run->engine);
    g_assert_cmpmem(state->data, state->len, again->data, again->len);
}

static void step(Run *run)
{
    switch (next8(&run->program) % 16) {
    case 0:
    case 1:
    case 2:
        add_rule(run);
        break;
    case 4:
        remove_rule(run);
        break;
    case 5:
        fire_action(run);
        break;
    case 6:
        save_and_load(run, next8(&run->program) % 2);
        break;
    case 7:
        run->now_ns += next8(&run->program);
        break;
    default:
        make_access(run);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Run run = { .program = { data, size } };

    run.engine = fault_engine_new(size);
    add_point(&run);
    while (run.program.left) {
        step(&run);
    }
    fault_engine_remove_point(run.engine, run.point);
    fault_engine_free(run.engine);
    return 0;
}
