/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>

#include "error.h"
#include "json-member.h"
#include "scenario-result.h"

static const char *const outcome_texts[] = {
    [SCENARIO_PASS] = "pass",
    [SCENARIO_FAIL] = "fail",
    [SCENARIO_BOOT_ERROR] = "boot-error",
    [SCENARIO_ERROR] = "error",
    [SCENARIO_SKIP] = "skip",
};

const char *scenario_outcome_text(ScenarioOutcome outcome)
{
    return outcome_texts[outcome];
}

ScenarioResult *scenario_result_new(const char *file, const char *name)
{
    ScenarioResult *result = g_new0(ScenarioResult, 1);

    result->file = g_strdup(file);
    result->name = g_strdup(name);
    result->round = 1;
    result->rounds = 1;
    result->reports = g_ptr_array_new_with_free_func(g_free);
    return result;
}

void scenario_result_free(ScenarioResult *result)
{
    g_free(result->file);
    g_free(result->name);
    g_free(result->message);
    g_free(result->details);
    g_free(result->step);
    g_free(result->kept);
    g_free(result->command);
    g_clear_pointer(&result->reports, g_ptr_array_unref);
    g_free(result);
}

char *scenario_result_title(const ScenarioResult *result)
{
    g_autoptr(GString) title = g_string_new(result->name);

    if (result->rounds > 1) {
        g_string_append_printf(title, " (%u of %u)", result->round,
                               result->rounds);
    }
    if (result->seeded) {
        g_string_append_printf(title, " [seed %" G_GUINT64_FORMAT "]",
                               result->seed);
    }
    return g_string_free(g_steal_pointer(&title), false);
}

char *scenario_result_seconds(double seconds)
{
    char text[G_ASCII_DTOSTR_BUF_SIZE];

    return g_strdup(g_ascii_formatd(text, sizeof(text), "%.3f", seconds));
}

void scenario_result_set(ScenarioResult *result, ScenarioOutcome outcome,
                         const char *message, const char *details)
{
    g_autofree char *old_message = result->message;
    g_autofree char *old_details = result->details;

    result->outcome = outcome;
    result->message = g_strdup(message);
    result->details = g_strdup(details);
}

void scenario_result_tell(ScenarioResult *result, const char *words,
                          const char *text)
{
    char *line = g_strdup_printf("%s: %s", words, text);

    g_strstrip(line);
    for (char *c = line; *c; c++) {
        *c = g_ascii_iscntrl(*c) ? ' ' : *c;
    }
    g_ptr_array_add(result->reports, g_utf8_make_valid(line, -1));
    g_free(line);
}

static void set_reports(JsonObject *object, const GPtrArray *reports)
{
    JsonArray *array = json_array_new();

    for (guint i = 0; i < reports->len; i++) {
        json_array_add_string_element(array, reports->pdata[i]);
    }
    json_object_set_array_member(object, "reports", array);
}

static void get_reports(JsonObject *object, GPtrArray *reports)
{
    JsonArray *array = member_array(object, "reports");

    for (guint i = 0; i < member_count(array); i++) {
        JsonNode *node = json_array_get_element(array, i);
        const char *text = JSON_NODE_HOLDS_VALUE(node)
            ? json_node_get_string(node) : NULL;

        g_ptr_array_add(reports, g_strdup(text ? text : "?"));
    }
}

static void set_text(JsonObject *object, const char *key, const char *text)
{
    /* Guest output may hold anything; JSON text is UTF-8. */
    g_autofree char *valid = text ? g_utf8_make_valid(text, -1) : NULL;

    if (valid) {
        json_object_set_string_member(object, key, valid);
    }
}

JsonNode *scenario_result_to_json(const ScenarioResult *result)
{
    JsonObject *object = json_object_new();
    JsonNode *node = json_node_new(JSON_NODE_OBJECT);

    set_text(object, "file", result->file);
    set_text(object, "name", result->name);
    set_text(object, "outcome", scenario_outcome_text(result->outcome));
    json_object_set_int_member(object, "round", result->round);
    json_object_set_int_member(object, "rounds", result->rounds);
    if (result->seeded) {
        json_object_set_int_member(object, "seed", (gint64)result->seed);
    }
    set_text(object, "message", result->message);
    set_text(object, "details", result->details);
    set_text(object, "step", result->step);
    if (result->line) {
        json_object_set_int_member(object, "line", result->line);
    }
    json_object_set_double_member(object, "seconds", result->seconds);
    json_object_set_double_member(object, "boot-seconds",
                                  result->boot_seconds);
    set_text(object, "kept", result->kept);
    set_text(object, "command", result->command);
    set_reports(object, result->reports);
    json_node_take_object(node, object);
    return node;
}

static char *get_text(JsonObject *object, const char *key)
{
    return g_strdup(json_object_get_string_member_with_default(object, key,
                                                               NULL));
}

static double get_double(JsonObject *object, const char *key)
{
    return json_object_get_double_member_with_default(object, key, 0);
}

static bool find_outcome(JsonObject *object, ScenarioOutcome *outcome)
{
    const char *text =
        json_object_get_string_member_with_default(object, "outcome", "");

    for (size_t i = 0; i < G_N_ELEMENTS(outcome_texts); i++) {
        if (g_str_equal(outcome_texts[i], text)) {
            *outcome = i;
            return true;
        }
    }
    return false;
}

ScenarioResult *scenario_result_from_json(JsonNode *node)
{
    ScenarioResult *result;
    ScenarioOutcome outcome;
    JsonObject *object;

    if (!node || !JSON_NODE_HOLDS_OBJECT(node)) {
        return NULL;
    }
    object = json_node_get_object(node);
    if (!find_outcome(object, &outcome)) {
        return NULL;
    }
    result = scenario_result_new(member_string(object, "file"),
                                 member_string(object, "name"));
    result->outcome = outcome;
    result->message = get_text(object, "message");
    result->details = get_text(object, "details");
    result->step = get_text(object, "step");
    result->kept = get_text(object, "kept");
    result->command = get_text(object, "command");
    result->round = json_object_get_int_member_with_default(object, "round",
                                                            1);
    result->rounds = json_object_get_int_member_with_default(object, "rounds",
                                                             1);
    result->seeded = json_object_has_member(object, "seed");
    result->seed = json_object_get_int_member_with_default(object, "seed", 0);
    result->line = json_object_get_int_member_with_default(object, "line", 0);
    get_reports(object, result->reports);
    result->seconds = get_double(object, "seconds");
    result->boot_seconds = get_double(object, "boot-seconds");
    return result;
}

int scenario_results_status(const GPtrArray *results)
{
    guint count[G_N_ELEMENTS(outcome_texts)] = { 0 };

    for (guint i = 0; i < results->len; i++) {
        const ScenarioResult *result = results->pdata[i];
        count[result->outcome]++;
    }
    if (count[SCENARIO_FAIL] || count[SCENARIO_BOOT_ERROR]) {
        return EXIT_FAILURE;
    }
    if (count[SCENARIO_ERROR]) {
        return EXIT_FAILED;
    }
    return results->len && count[SCENARIO_SKIP] == results->len ?
           EXIT_SKIPPED : EXIT_SUCCESS;
}
