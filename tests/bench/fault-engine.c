/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Benchmark: what a fault point costs.
 *
 * Prints nanoseconds an access for a point without rules, with rules that do
 * not match, that match without firing, and that fire; each the best of a few
 * rounds, as other work on the machine only ever adds.  The cost of an empty
 * loop is in all of them.
 */
#include <stdio.h>

#include "target-models/fault/fault.h"

#define ROUNDS 5

static const FaultOutcome outcomes[] = {
    { "xor", FAULT_KIND_VALUE, FAULT_PARAM_OPTIONAL, FAULT_PARAM_NONE,
      FAULT_OP_ANY, 0, "flips bits" },
    { NULL }
};

static FaultEngine *engine;
static FaultPoint *point;

/* As a model does it. */
static unsigned access_point(uint64_t offset)
{
    FaultFiring firings[FAULT_MAX_FIRINGS];
    FaultAccess access = { FAULT_OP_READ, offset, 4, 1000 };

    return fault_engine_check(engine, point, &access, firings);
}

static double best_ns(unsigned accesses)
{
    double best = 1e30;

    for (unsigned round = 0; round < ROUNDS; round++) {
        gint64 start = g_get_monotonic_time();
        double ns;

        for (unsigned i = 0; i < accesses; i++) {
            /* The compiler may not know that the point stays as it is. */
            __asm__ volatile("" : : : "memory");
            if (fault_point_armed(point)) {
                access_point(i % 16);
            }
        }
        ns = (g_get_monotonic_time() - start) * 1000.0 / accesses;
        best = MIN(best, ns);
    }
    return best;
}

static FaultRuleSpec plain_spec(void)
{
    FaultRuleSpec spec;

    fault_rule_spec_init(&spec);
    spec.point = "dev";
    spec.outcome = "xor";
    return spec;
}

static void measure(const char *what, const FaultRuleSpec *spec,
                    unsigned rules, unsigned accesses)
{
    engine = fault_engine_new(1);
    point = fault_engine_add_point(engine, "dev", 4096, outcomes, NULL, NULL);
    for (unsigned i = 0; i < rules; i++) {
        g_assert_nonnull(fault_engine_add_rule(engine, spec, NULL));
    }
    printf("%-44s %8.2f ns\n", what, best_ns(accesses));
    fault_engine_free(engine);
}

int main(void)
{
    FaultRuleSpec elsewhere = plain_spec();
    FaultRuleSpec later = plain_spec();
    FaultRuleSpec chance = plain_spec();
    FaultRuleSpec always = plain_spec();

    elsewhere.offset = 2048;
    later.after = UINT64_MAX / 2;
    chance.has_probability = true;
    chance.probability = 1e-12;
    measure("no rule", NULL, 0, 100000000);
    measure("1 rule for another range", &elsewhere, 1, 20000000);
    measure("16 rules for another range", &elsewhere, 16, 5000000);
    measure("1 rule that matches, not its turn", &later, 1, 20000000);
    measure("1 rule that matches, chance decides against", &chance, 1,
            20000000);
    measure("1 rule that fires", &always, 1, 20000000);
    measure("16 rules that fire", &always, 16, 1000000);
    return 0;
}
