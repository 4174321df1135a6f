/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fuzz target: fault_engine_load().
 *
 * An input that starts with an odd byte is a state as it comes; one that
 * starts with an even byte says how to damage a good one, in steps of three
 * bytes: where (two bytes) and what to exclusive-or there.
 */
#include <string.h>

#include "target-models/fault/fault.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const FaultOutcome outcomes[] = {
    { "hang", FAULT_KIND_ANSWER, FAULT_PARAM_NONE, FAULT_PARAM_OPTIONAL,
      FAULT_OP_ANY, 0, "waits" },
    { "poison", FAULT_KIND_ANSWER, FAULT_PARAM_NONE, FAULT_PARAM_NONE,
      FAULT_OP_READ, 1, "is bad" },
    { "xor", FAULT_KIND_VALUE, FAULT_PARAM_REQUIRED, FAULT_PARAM_NONE,
      FAULT_OP_ANY, 2, "flips bits" },
    { "unplug", FAULT_KIND_ACTION, FAULT_PARAM_NONE, FAULT_PARAM_NONE,
      FAULT_OP_ANY, 3, "goes" },
    { NULL }
};

static FaultEngine *make_engine(void)
{
    FaultEngine *engine = fault_engine_new(1);

    fault_engine_add_point(engine, "a", 64, outcomes, NULL, NULL);
    fault_engine_add_point(engine, "b", 0, outcomes, NULL, NULL);
    return engine;
}

static void add_rule(FaultEngine *engine, const char *point,
                     const char *outcome, bool value, double probability)
{
    FaultRuleSpec spec;

    fault_rule_spec_init(&spec);
    spec.point = point;
    spec.outcome = outcome;
    spec.has_value = value;
    spec.has_probability = probability > 0;
    spec.probability = probability;
    g_assert_nonnull(fault_engine_add_rule(engine, &spec, NULL));
}

static GByteArray *good_state(void)
{
    FaultEngine *engine = make_engine();
    GByteArray *state;

    add_rule(engine, "a", "hang", false, 0);
    add_rule(engine, "a", "xor", true, 0.5);
    add_rule(engine, "b", "unplug", false, 0);
    add_rule(engine, "b", "poison", false, 0.25);
    state = fault_engine_save(engine);
    fault_engine_free(engine);
    return state;
}

static GByteArray *damaged_state(const uint8_t *data, size_t size)
{
    GByteArray *state = good_state();

    for (; size >= 3; data += 3, size -= 3) {
        state->data[(data[0] | data[1] << 8) % state->len] ^= data[2];
    }
    return state;
}

/* What was taken must come out again, and must survive being used. */
static void use_loaded(FaultEngine *engine)
{
    g_autoptr(GByteArray) first = fault_engine_save(engine);
    g_autoptr(GByteArray) second = NULL;
    FaultPoint *point = fault_engine_find_point(engine, "a", NULL);
    FaultFiring firings[FAULT_MAX_FIRINGS];

    g_assert_cmpuint(first->len, <=, FAULT_MAX_STATE);
    g_assert_true(fault_engine_load(engine, first->data, first->len, NULL));
    second = fault_engine_save(engine);
    g_assert_cmpmem(first->data, first->len, second->data, second->len);
    for (unsigned i = 0; i < 8; i++) {
        FaultAccess access = { i % 3, i * 9, 4, i };

        fault_engine_check(engine, point, &access, firings);
    }
    fault_engine_remove_point(engine, point);
    g_assert_true(fault_engine_load(engine, first->data, first->len, NULL));
    fault_engine_add_point(engine, "a", 64, outcomes, NULL, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    FaultEngine *engine = make_engine();
    g_autoptr(GByteArray) damaged = NULL;
    bool loaded;

    if (size && data[0] % 2 == 0) {
        damaged = damaged_state(data + 1, size - 1);
        loaded = fault_engine_load(engine, damaged->data, damaged->len, NULL);
    } else {
        loaded = fault_engine_load(engine, data + !!size, size - !!size,
                                   NULL);
    }
    if (loaded) {
        use_loaded(engine);
    }
    fault_engine_free(engine);
    return 0;
}
