/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Expectations against what was found */
#include <string.h>

#include <criterion/criterion.h>

#include "scenario-match.h"

static bool json_holds(const char *expected, const char *found, char **why)
{
    g_autoptr(JsonNode) a = json_from_string(expected, NULL);
    g_autoptr(JsonNode) b = json_from_string(found, NULL);

    cr_assert(a && b, "bad JSON in the test");
    return match_json(a, b, why);
}

static void assert_holds(const char *expected, const char *found)
{
    g_autofree char *why = NULL;

    cr_assert(json_holds(expected, found, &why), "%s", why);
}

static void assert_differs(const char *expected, const char *found,
                           const char *message)
{
    g_autofree char *why = NULL;

    cr_assert_not(json_holds(expected, found, &why));
    cr_assert(strstr(why, message), "'%s' is not in '%s'", message, why);
}

static bool text_holds(const char *matches, const char *text)
{
    g_autoptr(JsonNode) node = json_from_string(matches, NULL);
    g_autofree char *why = NULL;

    return match_text(json_node_get_array(node), "output", text, &why);
}

Test(scenario_match, a_mapping_is_a_subset)
{
    assert_holds("{\"a\": 1}", "{\"a\": 1, \"b\": 2}");
    assert_differs("{\"a\": {\"b\": 1}}", "{\"a\": {\"b\": 2}}",
                   "a.b: expected 1, found 2");
    assert_differs("{\"c\": 1}", "{\"a\": 1}", "c: expected 1, found nothing");
    assert_differs("{\"a\": 1}", "[1]", "expected");
}

Test(scenario_match, a_list_needs_each_item_somewhere)
{
    assert_holds("[{\"id\": 2}]", "[{\"id\": 1}, {\"id\": 2, \"x\": 0}]");
    assert_holds("[]", "[1]");
    assert_differs("[3]", "[1, 2]", "[any]: expected 3");
    assert_differs("[1]", "1", "expected");
}

Test(scenario_match, numbers_compare_as_numbers)
{
    assert_holds("1", "1.0");
    assert_differs("1", "\"1\"", "expected 1");
    assert_differs("true", "1", "expected true");
    assert_holds("null", "null");
    assert_differs("null", "0", "expected null");
}

Test(scenario_match, operators_compare)
{
    assert_holds("{\"n\": {\"at-least\": 3, \"below\": 5}}", "{\"n\": 4}");
    assert_differs("{\"n\": {\"at-least\": 3}}", "{\"n\": 2}", "n: expected");
    assert_differs("{\"n\": {\"above\": 3}}", "{\"n\": 3}", "n: expected");
    assert_holds("{\"n\": {\"at-most\": 3}}", "{\"n\": 3}");
    assert_holds("{\"n\": {\"not\": 3}}", "{\"n\": 4}");
    assert_holds("{\"n\": {\"any-of\": [1, 2]}}", "{\"n\": 2}");
    assert_holds("{\"s\": {\"regex\": \"^a.c$\"}}", "{\"s\": \"abc\"}");
    assert_differs("{\"s\": {\"at-least\": 1}}", "{\"s\": \"2\"}", "expected");
    assert_holds("{\"z\": {\"exists\": false}}", "{\"n\": 1}");
    assert_differs("{\"n\": {\"exists\": false}}", "{\"n\": 1}", "expected");
}

Test(scenario_match, texts)
{
    cr_assert(text_holds("[{\"regex\": \"^b$\"}]", "a\nb\nc"));
    cr_assert_not(text_holds("[{\"regex\": \"^b$\"}]", "abc"));
    cr_assert(text_holds("[{\"contains\": \"a.c\"}]", "xa.cx"));
    cr_assert_not(text_holds("[{\"contains\": \"a.c\"}]", "abc"));
    cr_assert(text_holds("[{\"equals\": \"a\"}]", "a\n\n"));
    cr_assert(text_holds("[{\"not\": \"x\"}]", "abc"));
    cr_assert_not(text_holds("[{\"regex\": \"a\", \"not\": \"b\"}]", "ab"));
    cr_assert_not(text_holds("[{\"regex\": \"a\"}, {\"regex\": \"z\"}]",
                             "ab"));
    cr_assert(text_holds("[{\"contains\": \"b\"}]", "a\xff" "b"));
}

Test(scenario_match, results)
{
    g_autoptr(JsonNode) nonzero =
        json_from_string("{\"exit\": \"nonzero\"}", NULL);
    g_autoptr(JsonNode) two = json_from_string("{\"exit\": 2}", NULL);
    g_autofree char *why = NULL;
    g_autofree char *again = NULL;

    cr_assert(match_result(NULL, 0, "", "", &why));
    cr_assert(match_result(json_node_get_object(nonzero), 1, "", "", &why));
    cr_assert(match_result(json_node_get_object(two), 2, "", "", &why));
    cr_assert_not(match_result(NULL, 1, "out", "err", &why));
    cr_assert(strstr(why, "expected 0, found 1") && strstr(why, "err"));
    cr_assert_not(match_result(json_node_get_object(nonzero), 0, "", "",
                               &again));
}

Test(scenario_match, an_excerpt_is_the_end)
{
    g_autofree char *all = match_excerpt("a\nb\n");
    g_autofree char *none = match_excerpt("\n");
    g_autoptr(GString) text = g_string_new(NULL);
    g_autofree char *end = NULL;

    for (int i = 0; i < 1000; i++) {
        g_string_append_printf(text, "line %d\n", i);
    }
    end = match_excerpt(text->str);
    cr_assert_str_eq(all, "a\nb");
    cr_assert_str_eq(none, "(nothing)");
    cr_assert(g_str_has_prefix(end, "...") &&
              g_str_has_suffix(end, "line 999") && strlen(end) < 200);
}
