/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a rule may say: in itself, and at its point.
 */
#include <string.h>

#include "internal.h"

void fault_rule_spec_init(FaultRuleSpec *spec)
{
    *spec = (FaultRuleSpec) { .every = 1, .count = FAULT_NO_LIMIT };
}

/* A rule with copies of @spec's strings, on no point yet. */
FaultRule *fault_rule_new(const FaultRuleSpec *spec)
{
    FaultRule *rule = g_new0(FaultRule, 1);

    rule->spec = *spec;
    rule->spec.id = g_strdup(spec->id);
    rule->spec.point = g_strdup(spec->point);
    rule->spec.outcome = g_strdup(spec->outcome);
    rule->threshold = fault_random_threshold(
        spec->has_probability ? spec->probability : 1);
    rule->random = spec->seed;
    return rule;
}

void fault_rule_free(FaultRule *rule)
{
    g_free((char *)rule->spec.id);
    g_free((char *)rule->spec.point);
    g_free((char *)rule->spec.outcome);
    g_free(rule);
}

static bool invalid(GError **error, const char *format, ...)
    G_GNUC_PRINTF(2, 3);

static bool invalid(GError **error, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    if (error) {
        *error = g_error_new_valist(FAULT_ERROR, FAULT_ERROR_INVALID,
                                    format, args);
    }
    va_end(args);
    return false;
}

static bool chance_valid(const FaultRuleSpec *spec, GError **error)
{
    if (spec->has_seed && !spec->has_probability) {
        return invalid(error, "seed %" G_GUINT64_FORMAT ": a seed is only "
                       "for a rule with a probability", spec->seed);
    }
    /* The comparison is written so that not-a-number fails it. */
    if (spec->has_probability &&
        !(spec->probability > 0 && spec->probability <= 1)) {
        return invalid(error, "probability %g: expected a number above 0 "
                       "and up to 1", spec->probability);
    }
    return true;
}

/* What can be said of @spec without its point; its id may be missing. */
bool fault_rule_spec_valid(const FaultRuleSpec *spec, GError **error)
{
    if ((spec->id && !fault_name_valid("rule id", spec->id, error)) ||
        !fault_name_valid("fault point", spec->point, error) ||
        !fault_name_valid("outcome", spec->outcome, error)) {
        return false;
    }
    if (spec->every == 0) {
        return invalid(error, "every 0: expected 1 for each matching access, "
                       "2 for each second one, and so on");
    }
    if (spec->count == 0) {
        return invalid(error, "count 0: expected at least 1; leave count out "
                       "for no limit");
    }
    if (spec->after > UINT64_MAX - spec->every) {
        return invalid(error, "after %" G_GUINT64_FORMAT " with every %"
                       G_GUINT64_FORMAT ": the rule would never fire",
                       spec->after, spec->every);
    }
    if ((unsigned)spec->operation > FAULT_OP_WRITE) {
        return invalid(error, "operation %u: expected any, read or write",
                       (unsigned)spec->operation);
    }
    return chance_valid(spec, error);
}

static const FaultOutcome *find_outcome(const FaultPoint *point,
                                        const char *name, GError **error)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    g_autofree char *quoted = NULL;
    g_autofree char *list = NULL;

    for (const FaultOutcome *o = point->outcomes; o->name; o++) {
        if (!strcmp(o->name, name)) {
            return o;
        }
        g_ptr_array_add(names, (char *)o->name);
    }
    quoted = fault_name_quote(name);
    list = fault_name_list(name, names);
    g_set_error(error, FAULT_ERROR, FAULT_ERROR_OUTCOME,
                "fault point %s has no outcome %s; it accepts: %s",
                point->name, quoted, list);
    return NULL;
}

static bool parameter_valid(const char *name, bool given,
                            FaultParameter wanted,
                            const FaultOutcome *outcome, GError **error)
{
    if (given && wanted == FAULT_PARAM_NONE) {
        return invalid(error, "outcome %s takes no %s (%s)", outcome->name,
                       name, outcome->help);
    }
    if (!given && wanted == FAULT_PARAM_REQUIRED) {
        return invalid(error, "outcome %s needs a %s (%s)", outcome->name,
                       name, outcome->help);
    }
    return true;
}

static bool action_valid(const FaultRuleSpec *spec,
                         const FaultOutcome *outcome, GError **error)
{
    const char *wrong = spec->after ? "after" :
                        spec->every != 1 ? "every" :
                        spec->count != 1 && spec->count != FAULT_NO_LIMIT ?
                        "count" :
                        spec->offset ? "offset" :
                        spec->length ? "length" :
                        spec->operation ? "operation" : NULL;

    if (wrong) {
        return invalid(error, "outcome %s happens once, to the device: it "
                       "takes no %s; use at for a time", outcome->name,
                       wrong);
    }
    return true;
}

static bool range_valid(const FaultRuleSpec *spec, const FaultPoint *point,
                        GError **error)
{
    if (point->length == 0) {
        if (spec->offset || spec->length) {
            return invalid(error, "accesses at fault point %s have no "
                           "offset: leave offset and length out",
                           point->name);
        }
        return true;
    }
    if (spec->offset >= point->length) {
        return invalid(error, "offset %" G_GUINT64_FORMAT ": fault point %s "
                       "ends at %" G_GUINT64_FORMAT, spec->offset,
                       point->name, point->length);
    }
    if (spec->length > point->length - spec->offset) {
        return invalid(error, "length %" G_GUINT64_FORMAT " from offset %"
                       G_GUINT64_FORMAT ": fault point %s ends at %"
                       G_GUINT64_FORMAT, spec->length, spec->offset,
                       point->name, point->length);
    }
    return true;
}

static bool operation_valid(const FaultRuleSpec *spec,
                            const FaultOutcome *outcome, GError **error)
{
    if (spec->operation && outcome->operation &&
        spec->operation != outcome->operation) {
        return invalid(error, "operation %s: outcome %s is only for a %s",
                       fault_operation_name(spec->operation), outcome->name,
                       fault_operation_name(outcome->operation));
    }
    return true;
}

static bool value_valid(const FaultRuleSpec *spec,
                        const FaultOutcome *outcome, GError **error)
{
    g_autoptr(GString) allowed = NULL;

    if (!spec->has_value || !outcome->values ||
        (spec->value < 64 && outcome->values >> spec->value & 1)) {
        return true;
    }
    allowed = g_string_new(NULL);
    for (unsigned n = 0; n < 64; n++) {
        if (outcome->values >> n & 1) {
            g_string_append_printf(allowed, "%s%u",
                                   allowed->len ? ", " : "", n);
        }
    }
    return invalid(error, "value %" G_GUINT64_FORMAT ": outcome %s takes "
                   "one of %s", spec->value, outcome->name, allowed->str);
}

/* Fills in what the point and the outcome leave no choice about. */
static void narrow(FaultRule *rule)
{
    FaultRuleSpec *spec = &rule->spec;

    if (rule->outcome->kind == FAULT_KIND_ACTION) {
        spec->count = 1;
        return;
    }
    if (rule->outcome->operation) {
        spec->operation = rule->outcome->operation;
    }
    rule->last = UINT64_MAX;
    if (rule->point->length) {
        if (spec->length == 0) {
            spec->length = rule->point->length - spec->offset;
        }
        rule->first = spec->offset;
        rule->last = spec->offset + (spec->length - 1);
    }
}

/* Works out from its counters where the rule stands. */
static void stand(FaultRule *rule)
{
    const FaultRuleSpec *spec = &rule->spec;

    rule->until = rule->matched <= spec->after
        ? spec->after - rule->matched + spec->every
        : spec->every - (rule->matched - spec->after) % spec->every;
    rule->spent = rule->outcome->kind == FAULT_KIND_ACTION
        ? rule->matched != 0
        : rule->fired >= spec->count;
}

/*
 * Finds the rule's outcome at @point and checks the rest against both.
 * On success the rule is on @point but not counted there: see
 * fault_rule_start().
 */
bool fault_rule_resolve(FaultRule *rule, FaultPoint *point, GError **error)
{
    FaultRuleSpec *spec = &rule->spec;
    const FaultOutcome *outcome = find_outcome(point, spec->outcome, error);

    if (!outcome ||
        !parameter_valid("value", spec->has_value, outcome->value, outcome,
                         error) ||
        !value_valid(spec, outcome, error) ||
        !parameter_valid("duration", spec->has_duration, outcome->duration,
                         outcome, error) ||
        !(outcome->kind == FAULT_KIND_ACTION
          ? action_valid(spec, outcome, error)
          : range_valid(spec, point, error)) ||
        !operation_valid(spec, outcome, error)) {
        return false;
    }
    rule->point = point;
    rule->outcome = outcome;
    narrow(rule);
    stand(rule);
    return true;
}

/* Counts a rule that has been resolved on its point and arms it. */
void fault_rule_start(FaultRule *rule)
{
    Point *point = (Point *)rule->point;

    point->pub.n_rules++;
    if (!rule->spent && rule->outcome->kind != FAULT_KIND_ACTION) {
        g_ptr_array_add(point->active, rule);
        fault_point_arm(&point->pub, point->active->len);
    }
}
