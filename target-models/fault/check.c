/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One access: which rules match, whose turn it is, who fires.
 */
#include "internal.h"

const char *fault_rule_id(const FaultRule *rule)
{
    return rule->spec.id;
}

FaultPoint *fault_rule_point(const FaultRule *rule)
{
    return rule->point;
}

const FaultOutcome *fault_rule_outcome(const FaultRule *rule)
{
    return rule->outcome;
}

const FaultRuleSpec *fault_rule_spec(const FaultRule *rule)
{
    return &rule->spec;
}

uint64_t fault_rule_matched(const FaultRule *rule)
{
    return rule->matched;
}

uint64_t fault_rule_fired(const FaultRule *rule)
{
    return rule->fired;
}

bool fault_rule_spent(const FaultRule *rule)
{
    return rule->spent;
}

static bool matches(const FaultRule *rule, const FaultAccess *access,
                    uint64_t first, uint64_t last)
{
    const FaultRuleSpec *spec = &rule->spec;

    return (spec->operation == FAULT_OP_ANY ||
            spec->operation == access->operation) &&
           first <= rule->last && last >= rule->first &&
           (!spec->has_at || access->now_ns >= spec->at_ns);
}

/* Counts a matching access; whether it is the rule's turn. */
static bool takes_turn(FaultRule *rule)
{
    rule->matched++;
    if (--rule->until) {
        return false;
    }
    rule->until = rule->spec.every;
    return true;
}

static bool chance(FaultRule *rule)
{
    return !rule->spec.has_probability ||
           fault_random_happens(&rule->random, rule->threshold);
}

static void record(FaultEngine *engine, FaultRule *rule,
                   const FaultAccess *access, FaultFiring *firing)
{
    const FaultRuleSpec *spec = &rule->spec;

    rule->fired++;
    *firing = (FaultFiring) {
        .rule = rule,
        .point = rule->point,
        .outcome = rule->outcome,
        .seq = ++engine->seq,
        .now_ns = access->now_ns,
        .operation = access->operation,
        .offset = access->offset,
        .size = access->size,
        .has_value = spec->has_value,
        .value = spec->has_value ? spec->value : 0,
        .has_duration = spec->has_duration,
        .duration_ns = spec->has_duration ? spec->duration_ns : 0,
    };
}

/* The last byte of @access, however far it claims to reach. */
static uint64_t last_byte(const FaultAccess *access)
{
    uint64_t beyond = access->size ? access->size - 1 : 0;

    return access->offset > UINT64_MAX - beyond ? UINT64_MAX
                                                : access->offset + beyond;
}

unsigned fault_engine_check(FaultEngine *engine, FaultPoint *point,
                            const FaultAccess *access,
                            FaultFiring firings[FAULT_MAX_FIRINGS])
{
    GPtrArray *active = ((Point *)point)->active;
    uint64_t first = point->length ? access->offset : 0;
    uint64_t last = point->length ? last_byte(access) : 0;
    bool answered = false;
    unsigned n = 0;
    guint i = 0;

    while (i < active->len) {
        FaultRule *rule = active->pdata[i++];
        bool answer = rule->outcome->kind == FAULT_KIND_ANSWER;

        if (!matches(rule, access, first, last) || !takes_turn(rule) ||
            (answer && answered) || n == FAULT_MAX_FIRINGS ||
            !chance(rule)) {
            continue;
        }
        answered |= answer;
        record(engine, rule, access, &firings[n++]);
        if (rule->fired == rule->spec.count) {
            rule->spent = true;
            g_ptr_array_remove_index(active, --i);
            fault_point_arm(point, active->len);
        }
    }
    return n;
}

bool fault_engine_fire_action(FaultEngine *engine, FaultRule *rule,
                              uint64_t now_ns, FaultFiring *firing)
{
    FaultAccess access = { .now_ns = now_ns };

    if (rule->spent || !rule->outcome ||
        rule->outcome->kind != FAULT_KIND_ACTION) {
        return false;
    }
    rule->matched++;
    rule->spent = true;
    if (!chance(rule)) {
        return false;
    }
    record(engine, rule, &access, firing);
    return true;
}
