/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "scenario-report.h"
#include "tap.h"

struct Report {
    ReportForm form;
    bool terminal;
    guint entries;
    guint ended;
    const ScenarioResult **results; /* by entry; NULL: none yet */
    guint printed;                  /* TAP: entries before it are out */
    gint64 began_us;
};

Report *report_new(ReportForm form, guint entries)
{
    Report *report = g_new0(Report, 1);

    report->form = form;
    report->terminal = isatty(STDERR_FILENO) &&
                       g_strcmp0(g_getenv("TERM"), "dumb");
    report->entries = entries;
    report->results = g_new0(const ScenarioResult *, entries + 1);
    report->began_us = g_get_monotonic_time();
    if (form == REPORT_TAP) {
        tap_plan(stdout, entries);
    }
    return report;
}

void report_free(Report *report)
{
    g_free(report->results);
    g_free(report);
}

static void clear_line(const Report *report)
{
    if (report->terminal) {
        fputs("\r\033[K", stderr);
        fflush(stderr);
    }
}

static void print_indented(const char *text)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

    for (char **line = lines; *line; line++) {
        printf("        %s\n", *line);
    }
}

static const char *colour(ScenarioOutcome outcome)
{
    if (!isatty(STDOUT_FILENO) || g_getenv("NO_COLOR")) {
        return NULL;
    }
    return outcome == SCENARIO_PASS ? "32" : outcome == SCENARIO_SKIP ? "33"
                                                                      : "31";
}

static void print_text(const ScenarioResult *result)
{
    g_autofree char *title = scenario_result_title(result);
    const char *code = colour(result->outcome);
    bool good = result->outcome == SCENARIO_PASS;

    printf("%s%s%s%-10s%s  %s  (%.1f s)\n", code ? "\033[" : "",
           code ? code : "", code ? "m" : "",
           scenario_outcome_text(result->outcome), code ? "\033[0m" : "",
           title, result->seconds);
    for (guint i = 0; i < result->reports->len; i++) {
        print_indented(result->reports->pdata[i]);
    }
    if (good) {
        return;
    }
    if (result->line) {
        printf("        %s:%u: %s\n", result->file, result->line,
               result->step);
    }
    if (result->message) {
        print_indented(result->message);
    }
    if (result->details) {
        print_indented(result->details);
    }
    if (result->kept) {
        printf("        kept in %s\n", result->kept);
    }
    if (result->command) {
        printf("        enter it with: %s\n", result->command);
    }
}

/* TAP goes out in the order of the plan: as far as there are results. */
static void print_tap(Report *report)
{
    while (report->printed < report->entries &&
           report->results[report->printed]) {
        const ScenarioResult *result = report->results[report->printed++];
        tap_result(stdout, report->printed, result);
    }
}

static void done(guint index, ScenarioResult *result, void *opaque)
{
    Report *report = opaque;

    report->results[index] = result;
    report->ended++;
    clear_line(report);
    if (report->form == REPORT_TEXT) {
        print_text(result);
        fflush(stdout);
    } else if (report->form == REPORT_TAP) {
        print_tap(report);
    }
}

static guint terminal_columns(void)
{
    struct winsize size;

    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col ?
           size.ws_col : 80;
}

static char *moving_line(const Report *report, const GPtrArray *runs)
{
    /* The oldest run is the one a person waits for. */
    const PoolRun *run = runs->pdata[0];
    double seconds = (g_get_monotonic_time() - run->began_us) / 1e6;
    g_autoptr(GString) line = g_string_new(NULL);

    g_string_append_printf(line, "[%u/%u] ", report->ended, report->entries);
    if (runs->len > 1) {
        g_string_append_printf(line, "%u at work; ", runs->len);
    }
    g_string_append_printf(line, "%s %.0f s", run->entry->scenario->name,
                           seconds);
    if (run->title && run->step) {
        g_string_append_printf(line, ": step %u/%u: %s", run->step, run->steps,
                               run->title);
    } else if (run->title) {
        g_string_append_printf(line, ": %s", run->title);
    }
    return g_string_free(g_steal_pointer(&line), false);
}

static void moved(const GPtrArray *runs, void *opaque)
{
    Report *report = opaque;
    g_autofree char *line = NULL;
    g_autofree char *head = NULL;
    glong room;

    if (!report->terminal || !runs->len) {
        return;
    }
    line = moving_line(report, runs);
    room = MIN(g_utf8_strlen(line, -1), (glong)terminal_columns() - 1);
    head = g_utf8_substring(line, 0, room);
    fprintf(stderr, "\r%s\033[K", head);
    fflush(stderr);
}

PoolReport report_callbacks(Report *report)
{
    return (PoolReport) { .done = done, .moved = moved, .opaque = report };
}

static void print_summary(const Report *report, const GPtrArray *results,
                          bool interrupted)
{
    guint count[SCENARIO_SKIP + 1] = { 0 };
    g_autoptr(GString) line = g_string_new(NULL);

    for (guint i = 0; i < results->len; i++) {
        const ScenarioResult *result = results->pdata[i];
        count[result->outcome]++;
    }
    g_string_append_printf(line, "%u passed", count[SCENARIO_PASS]);
    for (int i = SCENARIO_FAIL; i <= SCENARIO_SKIP; i++) {
        static const char *const words[] = {
            [SCENARIO_FAIL] = "failed",
            [SCENARIO_BOOT_ERROR] = "did not boot",
            [SCENARIO_ERROR] = "ended in an error",
            [SCENARIO_SKIP] = "skipped",
        };

        if (count[i]) {
            g_string_append_printf(line, ", %u %s", count[i], words[i]);
        }
    }
    if (interrupted) {
        g_string_append_printf(line, "; interrupted, %u never began",
                               report->entries - results->len);
    }
    printf("%s in %.1f s\n", line->str,
           (g_get_monotonic_time() - report->began_us) / 1e6);
}

void report_end(Report *report, const GPtrArray *results, bool interrupted)
{
    clear_line(report);
    if (report->form == REPORT_TEXT) {
        print_summary(report, results, interrupted);
    } else if (report->form == REPORT_TAP && interrupted) {
        printf("Bail out! interrupted\n");
    }
    fflush(stdout);
}
