/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "scenario-match.h"

#define EXCERPT_LINES 12
#define EXCERPT_BYTES 2000

char *match_excerpt(const char *text)
{
    g_autofree char *valid = g_utf8_make_valid(text, -1);
    const char *start;
    unsigned lines = 0;

    g_strchomp(valid);
    start = valid + strlen(valid);
    while (start > valid && lines < EXCERPT_LINES &&
           valid + strlen(valid) - start < EXCERPT_BYTES) {
        start = g_utf8_prev_char(start);
        lines += *start == '\n';
    }
    if (start == valid) {
        return g_strdup(*valid ? valid : "(nothing)");
    }
    return g_strdup_printf("...%s%s", *start == '\n' ? "" : " ", start);
}

static bool regex_matches(const char *pattern, const char *text)
{
    g_autoptr(GRegex) regex = g_regex_new(pattern, G_REGEX_MULTILINE, 0, NULL);

    return regex && g_regex_match(regex, text, 0, NULL);
}

static bool key_holds(const char *key, const char *wanted, const char *text)
{
    if (g_str_equal(key, "regex")) {
        return regex_matches(wanted, text);
    }
    if (g_str_equal(key, "not")) {
        return !regex_matches(wanted, text);
    }
    if (g_str_equal(key, "contains")) {
        return strstr(text, wanted) != NULL;
    }
    return g_str_equal(text, wanted);
}

static bool match_one(JsonObject *match, const char *what, const char *text,
                      char **why)
{
    g_autoptr(GList) keys = json_object_get_members(match);

    for (GList *l = keys; l; l = l->next) {
        const char *wanted = json_object_get_string_member(match, l->data);

        if (!key_holds(l->data, wanted, text)) {
            g_autofree char *excerpt = match_excerpt(text);

            *why = g_strdup_printf("%s: expected %s '%s', found:\n%s", what,
                                   g_str_equal(l->data, "not") ?
                                   "no match of" : (char *)l->data, wanted,
                                   excerpt);
            return false;
        }
    }
    return true;
}

bool match_text(JsonArray *matches, const char *what, const char *text,
                char **why)
{
    g_autofree char *valid = g_utf8_make_valid(text, -1);

    /* "equals" is for what a shell's $(...) would give. */
    g_strchomp(valid);
    for (guint i = 0; i < json_array_get_length(matches); i++) {
        if (!match_one(json_array_get_object_element(matches, i), what, valid,
                       why)) {
            return false;
        }
    }
    return true;
}

static bool exit_holds(JsonNode *wanted, int code)
{
    if (!wanted) {
        return code == 0;
    }
    if (json_node_get_value_type(wanted) == G_TYPE_INT64) {
        return json_node_get_int(wanted) == code;
    }
    return g_str_equal(json_node_get_string(wanted), "any") || code != 0;
}

static char *result_text(const char *output, const char *errors)
{
    g_autofree char *out = match_excerpt(output);
    g_autofree char *err = match_excerpt(errors);

    return g_strdup_printf("output:\n%s%s%s", out, *errors ? "\nstderr:\n"
                           : "", *errors ? err : "");
}

bool match_result(JsonObject *expect, int exit_code, const char *output,
                  const char *errors, char **why)
{
    JsonNode *wanted = expect ? json_object_get_member(expect, "exit") : NULL;

    if (!exit_holds(wanted, exit_code)) {
        g_autofree char *text = wanted ? json_to_string(wanted, false)
                                       : g_strdup("0");
        g_autofree char *found = result_text(output, errors);

        *why = g_strdup_printf("exit code: expected %s, found %d\n%s", text,
                               exit_code, found);
        return false;
    }
    if (expect && json_object_has_member(expect, "output") &&
        !match_text(json_object_get_array_member(expect, "output"), "output",
                    output, why)) {
        return false;
    }
    return !expect || !json_object_has_member(expect, "stderr") ||
           match_text(json_object_get_array_member(expect, "stderr"), "stderr",
                      errors, why);
}

static const char *const operators[] = {
    "at-least", "at-most", "above", "below", "not", "regex", "any-of",
    "exists", NULL
};

static bool is_operators(JsonObject *object)
{
    g_autoptr(GList) keys = json_object_get_members(object);

    for (GList *l = keys; l; l = l->next) {
        if (!g_strv_contains(operators, l->data)) {
            return false;
        }
    }
    return keys != NULL;
}

static bool is_number(JsonNode *node)
{
    GType type;

    if (!node || !JSON_NODE_HOLDS_VALUE(node)) {
        return false;
    }
    type = json_node_get_value_type(node);
    return type == G_TYPE_INT64 || type == G_TYPE_DOUBLE;
}

static int compare_numbers(JsonNode *a, JsonNode *b)
{
    double x, y;

    if (json_node_get_value_type(a) == G_TYPE_INT64 &&
        json_node_get_value_type(b) == G_TYPE_INT64) {
        gint64 i = json_node_get_int(a), j = json_node_get_int(b);
        return i < j ? -1 : i > j;
    }
    x = json_node_get_double(a);
    y = json_node_get_double(b);
    return x < y ? -1 : x > y;
}

static bool holds(JsonNode *expected, JsonNode *found);

static bool any_of(JsonNode *list, JsonNode *found)
{
    JsonArray *array;

    if (!JSON_NODE_HOLDS_ARRAY(list)) {
        return holds(list, found);
    }
    array = json_node_get_array(list);
    for (guint i = 0; i < json_array_get_length(array); i++) {
        if (holds(json_array_get_element(array, i), found)) {
            return true;
        }
    }
    return false;
}

static bool order_holds(const char *operator, JsonNode *wanted,
                        JsonNode *found)
{
    int order;

    if (!is_number(wanted) || !is_number(found)) {
        return false;
    }
    order = compare_numbers(found, wanted);
    return g_str_equal(operator, "at-least") ? order >= 0 :
           g_str_equal(operator, "at-most") ? order <= 0 :
           g_str_equal(operator, "above") ? order > 0 : order < 0;
}

static bool is_string(JsonNode *node)
{
    return node && JSON_NODE_HOLDS_VALUE(node) &&
           json_node_get_value_type(node) == G_TYPE_STRING;
}

static bool operator_holds(const char *operator, JsonNode *wanted,
                           JsonNode *found)
{
    if (g_str_equal(operator, "exists")) {
        return JSON_NODE_HOLDS_VALUE(wanted) &&
               (found != NULL) == json_node_get_boolean(wanted);
    }
    if (g_str_equal(operator, "not")) {
        return !holds(wanted, found);
    }
    if (g_str_equal(operator, "any-of")) {
        return any_of(wanted, found);
    }
    if (g_str_equal(operator, "regex")) {
        return is_string(wanted) && is_string(found) &&
               regex_matches(json_node_get_string(wanted),
                             json_node_get_string(found));
    }
    return order_holds(operator, wanted, found);
}

static bool operators_hold(JsonObject *object, JsonNode *found)
{
    g_autoptr(GList) keys = json_object_get_members(object);

    for (GList *l = keys; l; l = l->next) {
        if (!operator_holds(l->data, json_object_get_member(object, l->data),
                            found)) {
            return false;
        }
    }
    return true;
}

/* An item that the list expects is met by some item of the list found. */
static bool has_item(JsonNode *expected, JsonArray *found)
{
    for (guint i = 0; i < json_array_get_length(found); i++) {
        if (holds(expected, json_array_get_element(found, i))) {
            return true;
        }
    }
    return false;
}

static char *describe(JsonNode *node)
{
    g_autofree char *text = node ? json_to_string(node, false)
                                 : g_strdup("nothing");
    g_autofree char *head = NULL;

    if (g_utf8_strlen(text, -1) <= 400) {
        return g_steal_pointer(&text);
    }
    head = g_utf8_substring(text, 0, 400);
    return g_strconcat(head, "...", NULL);
}

static bool compare(JsonNode *expected, JsonNode *found, const char *path,
                    char **why);

static bool compare_objects(JsonObject *expected, JsonObject *found,
                            const char *path, char **why)
{
    g_autoptr(GList) keys = json_object_get_members(expected);

    for (GList *l = keys; l; l = l->next) {
        g_autofree char *below = g_strdup_printf("%s%s%s", path,
                                                 *path ? "." : "",
                                                 (char *)l->data);

        if (!compare(json_object_get_member(expected, l->data),
                     json_object_get_member(found, l->data), below, why)) {
            return false;
        }
    }
    return true;
}

static bool mismatch(JsonNode *expected, JsonNode *found, const char *path,
                     char **why)
{
    g_autofree char *wanted = describe(expected);
    g_autofree char *have = describe(found);

    *why = g_strdup_printf("%s%sexpected %s, found %s", path,
                           *path ? ": " : "", wanted, have);
    return false;
}

static bool compare_arrays(JsonArray *expected, JsonNode *found,
                           const char *path, char **why)
{
    for (guint i = 0; i < json_array_get_length(expected); i++) {
        JsonNode *item = json_array_get_element(expected, i);

        if (!has_item(item, json_node_get_array(found))) {
            g_autofree char *below = g_strdup_printf("%s[any]", path);
            return mismatch(item, found, below, why);
        }
    }
    return true;
}

static bool equal_values(JsonNode *expected, JsonNode *found)
{
    if (!found || JSON_NODE_HOLDS_NULL(expected)) {
        return found && JSON_NODE_HOLDS_NULL(found);
    }
    if (is_number(expected) && is_number(found)) {
        return compare_numbers(expected, found) == 0;
    }
    return json_node_equal(expected, found);
}

static bool compare(JsonNode *expected, JsonNode *found, const char *path,
                    char **why)
{
    if (JSON_NODE_HOLDS_OBJECT(expected)) {
        JsonObject *object = json_node_get_object(expected);

        if (is_operators(object)) {
            return operators_hold(object, found) ||
                   mismatch(expected, found, path, why);
        }
        if (found && JSON_NODE_HOLDS_OBJECT(found)) {
            return compare_objects(object, json_node_get_object(found), path,
                                   why);
        }
    } else if (JSON_NODE_HOLDS_ARRAY(expected)) {
        if (found && JSON_NODE_HOLDS_ARRAY(found)) {
            return compare_arrays(json_node_get_array(expected), found, path,
                                  why);
        }
    } else if (equal_values(expected, found)) {
        return true;
    }
    return mismatch(expected, found, path, why);
}

static bool holds(JsonNode *expected, JsonNode *found)
{
    g_autofree char *why = NULL;

    return compare(expected, found, "", &why);
}

bool match_json(JsonNode *expected, JsonNode *found, char **why)
{
    return compare(expected, found, "", why);
}
