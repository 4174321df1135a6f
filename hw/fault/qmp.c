/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * QMP commands of the fault points; qapi/sunder.json documents them.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qapi/qapi-commands-sunder.h"
#include "hw/fault/registry.h"

/* Passes @error on; what does not exist is a class of its own. */
static void raise_error(Error **errp, const GError *error, FaultError absent)
{
    if (error->code == absent) {
        error_set(errp, ERROR_CLASS_DEVICE_NOT_FOUND, "%s", error->message);
    } else {
        error_setg(errp, "%s", error->message);
    }
}

static FaultOperation operation_from_qapi(SunderFaultOperation operation)
{
    switch (operation) {
    case SUNDER_FAULT_OPERATION_READ:
        return FAULT_OP_READ;
    case SUNDER_FAULT_OPERATION_WRITE:
        return FAULT_OP_WRITE;
    default:
        return FAULT_OP_ANY;
    }
}

static SunderFaultOperation operation_to_qapi(FaultOperation operation)
{
    switch (operation) {
    case FAULT_OP_READ:
        return SUNDER_FAULT_OPERATION_READ;
    case FAULT_OP_WRITE:
        return SUNDER_FAULT_OPERATION_WRITE;
    default:
        return SUNDER_FAULT_OPERATION_ANY;
    }
}

/* Strings stay @rule's. */
static void spec_from_qapi(FaultRuleSpec *spec, const SunderFaultRule *rule)
{
    fault_rule_spec_init(spec);
    spec->id = rule->id;
    spec->point = rule->point;
    spec->outcome = rule->outcome;
    spec->after = rule->has_after ? rule->after : 0;
    spec->every = rule->has_every ? rule->every : 1;
    spec->count = rule->has_count ? rule->count : FAULT_NO_LIMIT;
    spec->has_at = rule->has_at;
    spec->at_ns = rule->at;
    spec->has_probability = rule->has_probability;
    spec->probability = rule->probability;
    spec->has_seed = rule->has_seed;
    spec->seed = rule->seed;
    spec->offset = rule->has_offset ? rule->offset : 0;
    spec->length = rule->has_length ? rule->length : 0;
    spec->operation = rule->has_operation
        ? operation_from_qapi(rule->operation) : FAULT_OP_ANY;
    spec->has_value = rule->has_value;
    spec->value = rule->value;
    spec->has_duration = rule->has_duration;
    spec->duration_ns = rule->duration;
}

/* QAPI takes -1 for 2^64 - 1, which nobody means here. */
static bool numbers_valid(const SunderFaultRule *rule, Error **errp)
{
    const struct { const char *name; bool given; uint64_t value; } t[] = {
        { "after", rule->has_after, rule->after },
        { "every", rule->has_every, rule->every },
        { "count", rule->has_count, rule->count },
        { "at", rule->has_at, rule->at },
        { "duration", rule->has_duration, rule->duration },
    };

    for (unsigned i = 0; i < ARRAY_SIZE(t); i++) {
        if (t[i].given && t[i].value > INT64_MAX) {
            error_setg(errp, "%s %" PRIu64 ": expected at most %" PRId64
                       ", and nothing negative", t[i].name, t[i].value,
                       INT64_MAX);
            return false;
        }
    }
    if (rule->has_length && rule->length == 0) {
        error_setg(errp, "length 0: expected at least 1; leave length out "
                   "for all up to the end of the point");
        return false;
    }
    return true;
}

SunderFaultId *qmp_sunder_fault_add(SunderFaultRule *rule, Error **errp)
{
    g_autoptr(GError) error = NULL;
    FaultRuleSpec spec;
    SunderFaultId *result;
    char *id;

    if (!numbers_valid(rule, errp)) {
        return NULL;
    }
    spec_from_qapi(&spec, rule);
    id = sunder_fault_rule_add(&spec, &error);
    if (!id) {
        raise_error(errp, error, FAULT_ERROR_POINT);
        return NULL;
    }
    result = g_new0(SunderFaultId, 1);
    result->id = id;
    return result;
}

void qmp_sunder_fault_remove(const char *id, Error **errp)
{
    g_autoptr(GError) error = NULL;

    if (!sunder_fault_rule_remove(id, &error)) {
        raise_error(errp, error, FAULT_ERROR_RULE);
    }
}

static SunderFaultRule *rule_to_qapi(const FaultRuleSpec *spec, bool action)
{
    SunderFaultRule *rule = g_new0(SunderFaultRule, 1);

    rule->id = g_strdup(spec->id);
    rule->point = g_strdup(spec->point);
    rule->outcome = g_strdup(spec->outcome);
    rule->has_after = rule->has_every = rule->has_operation = !action;
    rule->after = spec->after;
    rule->every = spec->every;
    rule->operation = operation_to_qapi(spec->operation);
    rule->has_count = spec->count != FAULT_NO_LIMIT;
    rule->count = spec->count;
    rule->has_at = spec->has_at;
    rule->at = spec->at_ns;
    rule->has_probability = spec->has_probability;
    rule->probability = spec->probability;
    rule->has_seed = spec->has_seed;
    rule->seed = spec->seed;
    rule->has_offset = rule->has_length = spec->length != 0;
    rule->offset = spec->offset;
    rule->length = spec->length;
    rule->has_value = spec->has_value;
    rule->value = spec->value;
    rule->has_duration = spec->has_duration;
    rule->duration = spec->duration_ns;
    return rule;
}

static void append_status(FaultRule *rule, void *opaque)
{
    SunderFaultStatusList ***tail = opaque;
    SunderFaultStatus *status = g_new0(SunderFaultStatus, 1);
    const FaultOutcome *outcome = fault_rule_outcome(rule);

    status->rule = rule_to_qapi(fault_rule_spec(rule), outcome &&
                                outcome->kind == FAULT_KIND_ACTION);
    status->matched = fault_rule_matched(rule);
    status->fired = fault_rule_fired(rule);
    status->spent = fault_rule_spent(rule);
    status->waiting = !fault_rule_point(rule);
    QAPI_LIST_APPEND(*tail, status);
}

SunderFaultStatusList *qmp_query_sunder_faults(Error **errp)
{
    SunderFaultStatusList *list = NULL;
    SunderFaultStatusList **tail = &list;

    QEMU_LOCK_GUARD(&sunder_fault_mutex);
    fault_engine_foreach_rule(sunder_fault_engine(), append_status, &tail);
    return list;
}

static SunderFaultOutcomeKind kind_to_qapi(FaultKind kind)
{
    switch (kind) {
    case FAULT_KIND_ANSWER:
        return SUNDER_FAULT_OUTCOME_KIND_ANSWER;
    case FAULT_KIND_VALUE:
        return SUNDER_FAULT_OUTCOME_KIND_VALUE;
    case FAULT_KIND_DELAY:
        return SUNDER_FAULT_OUTCOME_KIND_DELAY;
    default:
        return SUNDER_FAULT_OUTCOME_KIND_ACTION;
    }
}

static SunderFaultOutcome *outcome_to_qapi(const FaultOutcome *outcome)
{
    SunderFaultOutcome *result = g_new0(SunderFaultOutcome, 1);

    result->name = g_strdup(outcome->name);
    result->kind = kind_to_qapi(outcome->kind);
    result->takes_value = outcome->value != FAULT_PARAM_NONE;
    result->takes_duration = outcome->duration != FAULT_PARAM_NONE;
    result->help = g_strdup(outcome->help);
    return result;
}

static void append_point(FaultPoint *point, void *opaque)
{
    SunderFaultPointList ***tail = opaque;
    SunderFaultPoint *result = g_new0(SunderFaultPoint, 1);
    SunderFaultOutcomeList **outcomes = &result->outcomes;

    result->name = g_strdup(point->name);
    result->length = point->length;
    result->rules = point->n_rules;
    for (const FaultOutcome *o = point->outcomes; o->name; o++) {
        QAPI_LIST_APPEND(outcomes, outcome_to_qapi(o));
    }
    QAPI_LIST_APPEND(*tail, result);
}

SunderFaultPointList *qmp_query_sunder_fault_points(Error **errp)
{
    SunderFaultPointList *list = NULL;
    SunderFaultPointList **tail = &list;

    fault_engine_foreach_point(sunder_fault_engine(), append_point, &tail);
    return list;
}
