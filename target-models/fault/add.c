/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Adding a rule: room for it, its id and seed, its place among others.
 */
#include "internal.h"

static bool contradicts_any(FaultEngine *engine, const FaultRule *rule,
                            GError **error)
{
    for (guint i = 0; i < engine->rules->len; i++) {
        const FaultRule *older = engine->rules->pdata[i];

        if (older->point == rule->point &&
            fault_rule_contradicts(rule, older, error)) {
            return true;
        }
    }
    return false;
}

/* The first "faultN" that is free, from the number of rules added on. */
static char *choose_id(FaultEngine *engine)
{
    uint64_t number = engine->added;
    char *id = g_strdup_printf("fault%" G_GUINT64_FORMAT, number);

    while (fault_engine_find_rule(engine, id)) {
        g_free(id);
        id = g_strdup_printf("fault%" G_GUINT64_FORMAT, ++number);
    }
    return id;
}

static bool room_for(FaultEngine *engine, const char *id, GError **error)
{
    if (engine->rules->len >= FAULT_MAX_RULES) {
        g_set_error(error, FAULT_ERROR, FAULT_ERROR_LIMIT,
                    "there are %d fault rules already, which is the limit: "
                    "remove one first", FAULT_MAX_RULES);
        return false;
    }
    if (id && fault_engine_find_rule(engine, id)) {
        g_set_error(error, FAULT_ERROR, FAULT_ERROR_RULE,
                    "fault rule \"%s\" exists already: remove it first or "
                    "choose another id", id);
        return false;
    }
    return true;
}

/* What the engine chooses for the rule where the user did not. */
static void complete(FaultEngine *engine, FaultRuleSpec *spec, char **id)
{
    if (!spec->id) {
        spec->id = *id = choose_id(engine);
    }
    if (spec->has_probability && !spec->has_seed) {
        spec->has_seed = true;
        spec->seed = fault_random_derive(engine->seed, engine->added);
    }
}

FaultRule *fault_engine_add_rule(FaultEngine *engine,
                                 const FaultRuleSpec *spec, GError **error)
{
    FaultRuleSpec full = *spec;
    g_autofree char *id = NULL;
    FaultPoint *point = fault_engine_find_point(engine, spec->point, error);
    FaultRule *rule;

    if (!point || !fault_rule_spec_valid(spec, error) ||
        !room_for(engine, spec->id, error)) {
        return NULL;
    }
    complete(engine, &full, &id);
    rule = fault_rule_new(&full);
    if (!fault_rule_resolve(rule, point, error) ||
        contradicts_any(engine, rule, error)) {
        fault_rule_free(rule);
        return NULL;
    }
    fault_rule_start(rule);
    fault_engine_insert_rule(engine, rule);
    engine->added++;
    return rule;
}
