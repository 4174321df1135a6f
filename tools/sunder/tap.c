/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "tap.h"

void tap_plan(FILE *file, guint tests)
{
    fprintf(file, "TAP version 13\n1..%u\n", tests);
    fflush(file);
}

/* A description: '#' would begin a directive, a newline another test. */
static char *one_line(const char *text)
{
    char *line = g_utf8_make_valid(text ? text : "", -1);

    for (char *c = line; *c; c++) {
        if (g_ascii_iscntrl(*c)) {
            *c = ' ';
        }
    }
    return line;
}

static char *description(const char *text)
{
    g_autofree char *line = one_line(text);
    g_autoptr(GString) out = g_string_new(NULL);

    for (const char *c = line; *c; c++) {
        if (*c == '#' || *c == '\\') {
            g_string_append_c(out, '\\');
        }
        g_string_append_c(out, *c);
    }
    return g_string_free(g_steal_pointer(&out), false);
}

/* A double-quoted YAML scalar of one line. */
static void yaml_line(FILE *file, const char *key, const char *text)
{
    g_autofree char *line = one_line(text);

    fprintf(file, "  %s: \"", key);
    for (const char *c = line; *c; c++) {
        if (*c == '"' || *c == '\\') {
            fputc('\\', file);
        }
        fputc(*c, file);
    }
    fputs("\"\n", file);
}

/* A YAML literal block: printable text only, however long. */
static void yaml_block(FILE *file, const char *key, const char *text)
{
    g_autofree char *valid = g_utf8_make_valid(text, -1);
    g_auto(GStrv) lines = g_strsplit(g_strchomp(valid), "\n", -1);

    fprintf(file, "  %s: |2\n", key);
    for (char **line = lines; *line; line++) {
        g_autofree char *clean = one_line(*line);
        fprintf(file, "    %s\n", clean);
    }
}

static void diagnostics(FILE *file, const ScenarioResult *result)
{
    g_autofree char *seconds = scenario_result_seconds(result->seconds);

    fputs("  ---\n", file);
    yaml_line(file, "kind", scenario_outcome_text(result->outcome));
    yaml_line(file, "message", result->message);
    if (result->line) {
        g_autofree char *at = g_strdup_printf("%s:%u", result->file,
                                              result->line);
        yaml_line(file, "at", at);
    }
    if (result->step) {
        yaml_line(file, "step", result->step);
    }
    if (result->details) {
        yaml_block(file, "details", result->details);
    }
    if (result->kept) {
        yaml_line(file, "kept", result->kept);
    }
    if (result->command) {
        yaml_line(file, "enter", result->command);
    }
    fprintf(file, "  seconds: %s\n  ...\n", seconds);
}

void tap_result(FILE *file, guint number, const ScenarioResult *result)
{
    bool good = result->outcome == SCENARIO_PASS ||
                result->outcome == SCENARIO_SKIP;
    g_autofree char *title = scenario_result_title(result);
    g_autofree char *text = description(title);

    fprintf(file, "%sok %u - %s", good ? "" : "not ", number, text);
    if (result->outcome == SCENARIO_SKIP) {
        g_autofree char *reason = one_line(result->message);
        fprintf(file, " # SKIP %s", reason);
    }
    fputc('\n', file);
    for (guint i = 0; i < result->reports->len; i++) {
        g_autofree char *line = one_line(result->reports->pdata[i]);
        fprintf(file, "# %s\n", line);
    }
    if (!good) {
        diagnostics(file, result);
    }
    fflush(file);
}
