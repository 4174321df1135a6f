/* SPDX-License-Identifier: GPL-2.0-or-later */
/* TAP, JUnit and JSON of results, hostile texts included */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "error.h"
#include "junit.h"
#include "tap.h"

static ScenarioResult *make(ScenarioOutcome outcome, const char *message)
{
    ScenarioResult *result = scenario_result_new("dir/x.yaml", "a name");

    scenario_result_set(result, outcome, message, NULL);
    result->seconds = 1.5;
    return result;
}

static GPtrArray *one(ScenarioResult *result)
{
    GPtrArray *results = g_ptr_array_new_with_free_func(
        (GDestroyNotify)scenario_result_free);

    g_ptr_array_add(results, result);
    return results;
}

static char *tap_text(const ScenarioResult *result)
{
    char *text = NULL;
    size_t length;
    FILE *file = open_memstream(&text, &length);

    tap_result(file, 3, result);
    fclose(file);
    return text;
}

static void ignore_text(GMarkupParseContext *context, const char *text,
                        gsize length, void *opaque, GError **error)
{
}

/* Well-formed, and no character that XML 1.0 forbids. */
static void assert_xml(const char *document)
{
    GMarkupParser parser = { .text = ignore_text };
    g_autoptr(GMarkupParseContext) context =
        g_markup_parse_context_new(&parser, 0, NULL, NULL);
    g_autoptr(GError) error = NULL;

    cr_assert(g_markup_parse_context_parse(context, document, -1, &error) &&
              g_markup_parse_context_end_parse(context, &error), "%s",
              error ? error->message : "");
    for (const char *c = document; *c; c++) {
        cr_assert((unsigned char)*c >= 0x20 || *c == '\n' || *c == '\t');
    }
}

Test(scenario_output, tap_of_a_pass_and_a_skip)
{
    g_autoptr(ScenarioResult) pass = make(SCENARIO_PASS, NULL);
    g_autoptr(ScenarioResult) skip = make(SCENARIO_SKIP, "no such disk");
    g_autofree char *passed = tap_text(pass);
    g_autofree char *skipped = tap_text(skip);

    cr_assert_str_eq(passed, "ok 3 - a name\n");
    cr_assert_str_eq(skipped, "ok 3 - a name # SKIP no such disk\n");
}

Test(scenario_output, tap_tells_the_kinds_apart)
{
    static const ScenarioOutcome kinds[] = {
        SCENARIO_FAIL, SCENARIO_BOOT_ERROR, SCENARIO_ERROR,
    };

    for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
        g_autoptr(ScenarioResult) result = make(kinds[i], "why");
        g_autofree char *text = tap_text(result);
        g_autofree char *kind = g_strdup_printf(
            "  kind: \"%s\"\n", scenario_outcome_text(kinds[i]));

        cr_assert(g_str_has_prefix(text, "not ok 3 - a name\n  ---\n"));
        cr_assert(strstr(text, kind) && g_str_has_suffix(text, "  ...\n"));
    }
}

Test(scenario_output, tap_lets_no_text_become_another_line)
{
    g_autoptr(ScenarioResult) result = make(SCENARIO_FAIL,
                                            "a\nok 4 - forged \"quoted\"");
    g_autofree char *text = NULL;

    g_free(result->name);
    result->name = g_strdup("x # SKIP y\nok 5");
    result->details = g_strdup("one\n...\nok 6 - forged\x1b[2J");
    text = tap_text(result);
    cr_assert(strstr(text, "not ok 3 - x \\# SKIP y ok 5\n"));
    cr_assert_null(strstr(text, "\nok"));
    cr_assert_null(strstr(text, "\n..."));
    cr_assert_null(strchr(text, '\x1b'));
    cr_assert(strstr(text, "forged \\\"quoted\\\""));
}

Test(scenario_output, junit_tells_the_kinds_apart)
{
    static const struct {
        ScenarioOutcome outcome;
        const char *element;
    } kinds[] = {
        { SCENARIO_FAIL, "<failure type=\"assertion\" message=\"why\">" },
        { SCENARIO_BOOT_ERROR, "<error type=\"boot\" message=\"why\">" },
        { SCENARIO_ERROR, "<error type=\"infrastructure\" message=\"why\">" },
        { SCENARIO_SKIP, "<skipped message=\"why\"/>" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
        g_autoptr(GPtrArray) results = one(make(kinds[i].outcome, "why"));
        g_autofree char *document = junit_document(results);

        assert_xml(document);
        cr_assert(strstr(document, kinds[i].element), "%s", document);
    }
}

Test(scenario_output, junit_counts)
{
    g_autoptr(GPtrArray) results = one(make(SCENARIO_FAIL, "a"));
    g_autofree char *document = NULL;

    g_ptr_array_add(results, make(SCENARIO_ERROR, "b"));
    g_ptr_array_add(results, make(SCENARIO_PASS, NULL));
    document = junit_document(results);
    cr_assert(strstr(document, "tests=\"3\" failures=\"1\" errors=\"1\" "
                     "skipped=\"0\" time=\"4.500\""), "%s", document);
}

Test(scenario_output, junit_stays_xml_whatever_the_guest_prints)
{
    g_autoptr(GString) every = g_string_new(NULL);
    g_autoptr(GPtrArray) results = NULL;
    g_autofree char *document = NULL;

    for (int c = 1; c < 256; c++) {
        g_string_append_c(every, (char)c);
    }
    g_string_append(every, "<&>\"']]> \xef\xbf\xbe \xed\xa0\x80");
    results = one(make(SCENARIO_FAIL, every->str));
    document = junit_document(results);
    assert_xml(document);
    cr_assert(strstr(document, "\xe2\x90\x9b"), "ESC is pictured");
}

Test(scenario_output, numbers_do_not_follow_the_locale)
{
    g_autofree char *text = scenario_result_seconds(1.5);

    cr_assert_str_eq(text, "1.500");
}

Test(scenario_output, json_comes_back_the_same)
{
    g_autoptr(ScenarioResult) result = make(SCENARIO_BOOT_ERROR, "m");
    g_autoptr(ScenarioResult) back = NULL;
    g_autoptr(JsonNode) node = NULL;

    result->seeded = true;
    result->seed = 42;
    result->line = 9;
    result->step = g_strdup("run: x");
    scenario_result_tell(result, "lost", "3\n");
    node = scenario_result_to_json(result);
    back = scenario_result_from_json(node);
    cr_assert_eq(back->outcome, SCENARIO_BOOT_ERROR);
    cr_assert(back->seeded && back->seed == 42 && back->line == 9);
    cr_assert_str_eq(back->step, "run: x");
    cr_assert_str_eq(back->message, "m");
    cr_assert_eq(back->reports->len, 1);
    cr_assert_str_eq(back->reports->pdata[0], "lost: 3");
}

Test(scenario_output, what_steps_tell_is_shown)
{
    g_autoptr(GPtrArray) results = one(make(SCENARIO_PASS, NULL));
    g_autofree char *document = NULL;
    g_autofree char *tap = NULL;

    scenario_result_tell(results->pdata[0], "lost", "3 <of> \x1b[1m 4\n5\n");
    document = junit_document(results);
    assert_xml(document);
    cr_assert(strstr(document, "<system-out>lost: 3 &lt;of&gt;"));
    tap = tap_text(results->pdata[0]);
    cr_assert(strstr(tap, "ok 3 - a name\n# lost: 3 <of>  [1m 4 5\n"), "%s",
              tap);
}

Test(scenario_output, exit_statuses)
{
    g_autoptr(GPtrArray) results = one(make(SCENARIO_SKIP, "x"));

    cr_assert_eq(scenario_results_status(results), EXIT_SKIPPED);
    g_ptr_array_add(results, make(SCENARIO_PASS, NULL));
    cr_assert_eq(scenario_results_status(results), 0);
    g_ptr_array_add(results, make(SCENARIO_ERROR, "x"));
    cr_assert_eq(scenario_results_status(results), EXIT_FAILED);
    g_ptr_array_add(results, make(SCENARIO_FAIL, "x"));
    cr_assert_eq(scenario_results_status(results), 1);
}
