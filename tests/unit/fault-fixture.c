/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/fault-fixture.h"

const FaultOutcome fault_outcomes[] = {
    { "hang", FAULT_KIND_ANSWER, FAULT_PARAM_NONE, FAULT_PARAM_OPTIONAL,
      FAULT_OP_ANY, 'H', "the access waits" },
    { "refuse", FAULT_KIND_ANSWER, FAULT_PARAM_NONE, FAULT_PARAM_NONE,
      FAULT_OP_ANY, 'R', "unsupported request" },
    { "poison", FAULT_KIND_ANSWER, FAULT_PARAM_NONE, FAULT_PARAM_NONE,
      FAULT_OP_READ, 'P', "poisoned data" },
    { "drop", FAULT_KIND_ANSWER, FAULT_PARAM_NONE, FAULT_PARAM_NONE,
      FAULT_OP_WRITE, 'D', "the write is lost" },
    { "xor", FAULT_KIND_VALUE, FAULT_PARAM_REQUIRED, FAULT_PARAM_NONE,
      FAULT_OP_ANY, 'X', "data exclusive-or value" },
    { "slow", FAULT_KIND_DELAY, FAULT_PARAM_NONE, FAULT_PARAM_REQUIRED,
      FAULT_OP_ANY, 'S', "takes duration longer" },
    { "unplug", FAULT_KIND_ACTION, FAULT_PARAM_NONE, FAULT_PARAM_OPTIONAL,
      FAULT_OP_ANY, 'U', "the device goes" },
    { "error", FAULT_KIND_ACTION, FAULT_PARAM_REQUIRED, FAULT_PARAM_NONE,
      FAULT_OP_ANY, 'E', "error of number value", 1 << 4 | 1 << 18 },
    { NULL }
};

FaultEngine *engine;
FaultPoint *dev, *line;

void fault_fixture_init(void)
{
    engine = fault_engine_new(1);
    dev = fault_engine_add_point(engine, "dev", 0x1000, fault_outcomes,
                                 NULL, NULL);
    line = fault_engine_add_point(engine, "line", 0, fault_outcomes,
                                  NULL, NULL);
}

void fault_fixture_fini(void)
{
    fault_engine_free(engine);
}

FaultRuleSpec fault_spec(const char *outcome)
{
    FaultRuleSpec spec;

    fault_rule_spec_init(&spec);
    spec.point = "dev";
    spec.outcome = outcome;
    return spec;
}

FaultRule *fault_add(FaultRuleSpec spec)
{
    g_autoptr(GError) error = NULL;
    FaultRule *rule = fault_engine_add_rule(engine, &spec, &error);

    cr_assert(rule, "%s", error->message);
    return rule;
}

const char *fault_refused(FaultRuleSpec spec, FaultError code)
{
    static char message[1024];
    g_autoptr(GError) error = NULL;

    cr_assert_null(fault_engine_add_rule(engine, &spec, &error));
    cr_assert(g_error_matches(error, FAULT_ERROR, code), "%d: %s",
              error->code, error->message);
    g_strlcpy(message, error->message, sizeof(message));
    return message;
}

const char *fault_play(FaultPoint *point, FaultAccess access, unsigned n)
{
    static GString *played;

    if (!played) {
        played = g_string_new(NULL);
    }
    g_string_truncate(played, 0);
    for (unsigned i = 0; i < n; i++) {
        FaultFiring firings[FAULT_MAX_FIRINGS];
        unsigned fired = fault_engine_check(engine, point, &access, firings);

        g_string_append(played, fired == 0 ? "." : fired > 1 ? "(" : "");
        for (unsigned j = 0; j < fired; j++) {
            g_string_append_c(played, firings[j].outcome->code);
        }
        g_string_append(played, fired > 1 ? ")" : "");
    }
    return played->str;
}

const char *fault_play_reads(unsigned n)
{
    return fault_play(dev, (FaultAccess) { FAULT_OP_READ, 0, 4, 0 }, n);
}
