/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Steps about fault rules and about the resource access controller */
#include <string.h>

#include "scenario-events.h"
#include "scenario-match.h"
#include "scenario-steps.h"

/*
 * Seeds of rules with a probability: one each, from the scenario's seed and
 * the rule's place, by SplitMix64's finalizer (Steele, Lea, Flood, "Fast
 * splittable pseudorandom number generators", OOPSLA 2014), which gives
 * neighbouring inputs unrelated outputs. Kept within JSON's signed range.
 */
static gint64 rule_seed(guint64 seed, unsigned index)
{
    guint64 z = seed + (index + 1) * G_GUINT64_CONSTANT(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * G_GUINT64_CONSTANT(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * G_GUINT64_CONSTANT(0x94d049bb133111eb);
    return (gint64)((z ^ (z >> 31)) >> 1);
}

bool step_fault(ScenarioRun *run, const ScenarioStep *step, GError **error)
{
    JsonObject *rule = step_object(step);
    g_autoptr(JsonNode) value = NULL;

    if (json_object_has_member(rule, "probability") &&
        !json_object_has_member(rule, "seed")) {
        json_object_set_int_member(rule, "seed",
                                   rule_seed(run->seed, run->faults));
    }
    run->faults++;
    return step_qmp_expect(run, step, "sunder-fault-add", rule, &value, error);
}

bool step_remove_fault(ScenarioRun *run, const ScenarioStep *step,
                       GError **error)
{
    g_autoptr(JsonObject) arguments = json_object_new();
    g_autoptr(JsonNode) value = NULL;

    json_object_set_string_member(arguments, "id", step_text(step));
    return step_qmp_expect(run, step, "sunder-fault-remove", arguments, &value,
                           error);
}

static const char *get_text(JsonObject *object, const char *key)
{
    return json_object_get_string_member_with_default(object, key, NULL);
}

/* The rule's own count if it is still in force: events can be lost. */
static guint64 count_in_force(JsonArray *rules, const char *id)
{
    for (guint i = 0; id && i < json_array_get_length(rules); i++) {
        JsonObject *status = json_array_get_object_element(rules, i);
        JsonObject *rule = json_object_get_object_member(status, "rule");

        if (!g_strcmp0(get_text(rule, "id"), id)) {
            return json_object_get_int_member(status, "fired");
        }
    }
    return 0;
}

static char *fired_why(ScenarioRun *run, JsonObject *wanted, guint64 count,
                       JsonNode *rules)
{
    g_autofree char *text = json_to_string(rules, true);
    g_autofree char *events = event_log_summary(run->guest->events);
    const char *id = get_text(wanted, "id");
    bool exact = json_object_has_member(wanted, "exactly");
    gint64 number = json_object_get_int_member_with_default(
        wanted, exact ? "exactly" : "at-least", 1);

    return g_strdup_printf("%s '%s': expected to have fired %s %"
                           G_GINT64_FORMAT " times, fired %" G_GUINT64_FORMAT
                           "\nrules in force: %s\nevents: %s",
                           id ? "rule" : "point",
                           id ? id : get_text(wanted, "point"),
                           exact ? "exactly" : "at least", number, count, text,
                           events);
}

static PollAnswer fired_holds(ScenarioRun *run, const ScenarioStep *step,
                              char **why, GError **error)
{
    JsonObject *wanted = step_object(step);
    const char *id = get_text(wanted, "id");
    g_autoptr(JsonNode) rules = scenario_qmp(run, "query-sunder-faults", NULL,
                                             error);
    guint64 count;
    bool holds;

    if (!rules) {
        return POLL_BROKEN;
    }
    count = event_log_fired(run->guest->events, id, get_text(wanted, "point"),
                            get_text(wanted, "outcome"));
    if (id && !get_text(wanted, "outcome")) {
        count = MAX(count, count_in_force(json_node_get_array(rules), id));
    }
    if (json_object_has_member(wanted, "exactly")) {
        holds = count ==
                (guint64)json_object_get_int_member(wanted, "exactly");
    } else {
        holds = count >= (guint64)json_object_get_int_member_with_default(
                    wanted, "at-least", 1);
    }
    if (!holds) {
        *why = fired_why(run, wanted, count, rules);
    }
    return holds ? POLL_HOLDS : POLL_NOT_YET;
}

bool step_fired(ScenarioRun *run, const ScenarioStep *step, GError **error)
{
    return step_poll(run, step, fired_holds,
                     step_duration(step, "timeout", 0), 100000000, error);
}

/* The controller @name, or the entry of that path, in query-sunder-rac. */
static JsonNode *find_resource(JsonArray *controllers, const char *name,
                               GString *known)
{
    for (guint i = 0; i < json_array_get_length(controllers); i++) {
        JsonNode *node = json_array_get_element(controllers, i);
        JsonObject *controller = json_node_get_object(node);
        JsonArray *entries = json_object_get_array_member(controller,
                                                          "entries");

        if (!g_strcmp0(get_text(controller, "id"), name)) {
            return node;
        }
        g_string_append_printf(known, " %s", get_text(controller, "id"));
        for (guint j = 0; j < json_array_get_length(entries); j++) {
            JsonNode *entry = json_array_get_element(entries, j);
            const char *resource = get_text(json_node_get_object(entry),
                                            "resource");

            if (!g_strcmp0(resource, name)) {
                return entry;
            }
            g_string_append_printf(known, " %s", resource);
        }
    }
    return NULL;
}

static PollAnswer rac_holds(ScenarioRun *run, const ScenarioStep *step,
                            char **why, GError **error)
{
    JsonNode *expected = step_key(step, "expect");
    g_autoptr(GString) known = g_string_new(NULL);
    g_autoptr(JsonNode) reply = scenario_qmp(run, "query-sunder-rac", NULL,
                                             error);
    g_autofree char *difference = NULL;
    g_autofree char *text = NULL;
    JsonNode *found;

    if (!reply) {
        return POLL_BROKEN;
    }
    found = find_resource(json_node_get_array(reply), step_text(step), known);
    if (!found) {
        *why = g_strdup_printf("%s: no such controller or resource; there "
                               "are:%s", step_text(step), known->str);
        return POLL_NOT_YET;
    }
    if (!expected || match_json(expected, found, &difference)) {
        return POLL_HOLDS;
    }
    text = json_to_string(found, true);
    *why = g_strdup_printf("%s: %s\nfound: %s", step_text(step), difference,
                           text);
    return POLL_NOT_YET;
}

/* `expect-error` with rac: the resource is expected not to be there. */
static bool rac_absent(ScenarioRun *run, const ScenarioStep *step,
                       GError **error)
{
    g_autofree char *why = NULL;
    char *mismatch = NULL;

    switch (rac_holds(run, step, &why, error)) {
    case POLL_BROKEN:
        return false;
    case POLL_HOLDS:
        return scenario_assert_fail(error, g_strdup_printf(
            "%s: expected not to be there, but it is", step_text(step)));
    default:
        return match_text(json_object_get_array_member(step->args,
                                                       "expect-error"),
                          "error", why, &mismatch) ||
               scenario_assert_fail(error, mismatch);
    }
}

bool step_rac(ScenarioRun *run, const ScenarioStep *step, GError **error)
{
    if (step_key(step, "expect-error")) {
        return rac_absent(run, step, error);
    }
    return step_poll(run, step, rac_holds, step_duration(step, "timeout", 0),
                     100000000, error);
}

bool step_label(ScenarioRun *run, const ScenarioStep *step, GError **error)
{
    JsonObject *arguments = step_object(step);
    g_autoptr(JsonNode) value = NULL;

    json_object_set_boolean_member(arguments, "labelled", true);
    return step_qmp_expect(run, step, "sunder-rac-label", arguments, &value,
                           error);
}

bool step_clear(ScenarioRun *run, const ScenarioStep *step, GError **error)
{
    g_autoptr(JsonObject) arguments = json_object_new();
    g_autoptr(JsonNode) value = NULL;

    json_object_set_string_member(arguments, "resource", step_text(step));
    json_object_set_boolean_member(arguments, "labelled", false);
    return step_qmp_expect(run, step, "sunder-rac-label", arguments, &value,
                           error);
}
