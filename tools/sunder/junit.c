/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "junit.h"

/* Text for an element or attribute: valid UTF-8, XML 1.0 characters only. */
static char *xml_text(const char *text)
{
    g_autofree char *valid = g_utf8_make_valid(text ? text : "", -1);
    g_autoptr(GString) clean = g_string_new(NULL);

    for (const char *c = valid; *c; c = g_utf8_next_char(c)) {
        gunichar code = g_utf8_get_char(c);

        /* XML 1.0, production 2 [Char] */
        if (code < 0x20 && code != '\t' && code != '\n') {
            code += 0x2400;
        } else if (code == 0x7f) {
            code = 0x2421;
        } else if (code == 0xfffe || code == 0xffff) {
            code = 0xfffd;
        }
        g_string_append_unichar(clean, code);
    }
    return g_markup_escape_text(clean->str, clean->len);
}

G_GNUC_PRINTF(2, 3)
static void append(GString *xml, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_string_append_vprintf(xml, format, args);
    va_end(args);
}

static void append_body(GString *xml, const ScenarioResult *result,
                        const char *element, const char *type)
{
    g_autofree char *message = xml_text(result->message);
    g_autoptr(GString) text = g_string_new(NULL);
    g_autofree char *escaped = NULL;

    if (result->line) {
        append(text, "%s:%u: %s\n", result->file, result->line,
               result->step ? result->step : "");
    }
    append(text, "%s\n", result->message ? result->message : "");
    if (result->details) {
        append(text, "%s\n", result->details);
    }
    if (result->kept) {
        append(text, "Kept in %s\n", result->kept);
    }
    if (result->command) {
        append(text, "Enter it with: %s\n", result->command);
    }
    escaped = xml_text(text->str);
    append(xml, "      <%s type=\"%s\" message=\"%s\">%s</%s>\n", element,
           type, message, escaped, element);
}

/* What steps told, as JUnit's free text of a test */
static void append_reports(GString *xml, const ScenarioResult *result)
{
    if (!result->reports->len) {
        return;
    }
    append(xml, "      <system-out>");
    for (guint i = 0; i < result->reports->len; i++) {
        g_autofree char *line = xml_text(result->reports->pdata[i]);

        append(xml, "%s\n", line);
    }
    append(xml, "</system-out>\n");
}

static void append_case(GString *xml, const ScenarioResult *result)
{
    g_autofree char *title = scenario_result_title(result);
    g_autofree char *name = xml_text(title);
    g_autofree char *file = xml_text(result->file);
    g_autofree char *seconds = scenario_result_seconds(result->seconds);
    g_autofree char *message = NULL;

    append(xml, "    <testcase classname=\"%s\" name=\"%s\" file=\"%s\" "
           "time=\"%s\">\n", file, name, file, seconds);
    switch (result->outcome) {
    case SCENARIO_FAIL:
        append_body(xml, result, "failure", "assertion");
        break;
    case SCENARIO_BOOT_ERROR:
        append_body(xml, result, "error", "boot");
        break;
    case SCENARIO_ERROR:
        append_body(xml, result, "error", "infrastructure");
        break;
    case SCENARIO_SKIP:
        message = xml_text(result->message);
        append(xml, "      <skipped message=\"%s\"/>\n", message);
        break;
    default:
        break;
    }
    append_reports(xml, result);
    append(xml, "    </testcase>\n");
}

char *junit_document(const GPtrArray *results)
{
    g_autoptr(GString) xml = g_string_new(NULL);
    guint failures = 0, errors = 0, skipped = 0;
    double seconds = 0;
    g_autofree char *time = NULL;

    for (guint i = 0; i < results->len; i++) {
        const ScenarioResult *result = results->pdata[i];

        failures += result->outcome == SCENARIO_FAIL;
        errors += result->outcome == SCENARIO_ERROR ||
                  result->outcome == SCENARIO_BOOT_ERROR;
        skipped += result->outcome == SCENARIO_SKIP;
        seconds += result->seconds;
    }
    time = scenario_result_seconds(seconds);
    append(xml, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
           "<testsuites>\n"
           "  <testsuite name=\"sunder\" tests=\"%u\" failures=\"%u\" "
           "errors=\"%u\" skipped=\"%u\" time=\"%s\">\n", results->len,
           failures, errors, skipped, time);
    for (guint i = 0; i < results->len; i++) {
        append_case(xml, results->pdata[i]);
    }
    append(xml, "  </testsuite>\n</testsuites>\n");
    return g_string_free(g_steal_pointer(&xml), false);
}

bool junit_write(const char *path, const GPtrArray *results, GError **error)
{
    g_autofree char *document = junit_document(results);

    return g_file_set_contents(path, document, -1, error);
}
