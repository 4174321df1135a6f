/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "scenario-boot.h"
#include "scenario-events.h"
#include "scenario-guests.h"
#include "scenario-keep.h"
#include "scenario-lockstep.h"
#include "scenario-match.h"
#include "scenario-run.h"

#define QMP_TIMEOUT_MS 30000

/* Linux, Documentation/admin-guide/mm/hugetlbpage.rst */
#define FREE_HUGE_PAGES \
    "/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages"

/* Events that have arrived, into the log. */
static void collect_events(ScenarioRun *run, Qmp *qmp)
{
    JsonObject *event;

    while ((event = qmp_take_event(qmp))) {
        event_log_add(run->guest->events, event);
    }
}

bool scenario_turn(ScenarioRun *run, int timeout_ms, GError **error)
{
    Qmp *qmp = machine_qmp(run->guest->machine, error);
    bool good = qmp && machine_iterate(run->guest->machine, timeout_ms, -1,
                                       error);

    if (qmp) {
        collect_events(run, qmp);
    }
    return good;
}

JsonNode *scenario_qmp(ScenarioRun *run, const char *command,
                       JsonObject *arguments, GError **error)
{
    Qmp *qmp = machine_qmp(run->guest->machine, error);
    JsonNode *reply = NULL;

    if (qmp) {
        reply = qmp_execute(qmp, command, arguments, QMP_TIMEOUT_MS, error);
        collect_events(run, qmp);
    }
    return reply;
}

/* Without the escape sequences and carriage returns of a terminal. */
static char *plain_text(const char *text)
{
    g_autoptr(GRegex) escapes = g_regex_new(
        "\\x1b(\\[[0-9;?]*[A-Za-z]|[()][A-Z0-9]|[=>78c])|\\r", 0, 0, NULL);
    g_autofree char *valid = g_utf8_make_valid(text, -1);

    return g_regex_replace_literal(escapes, valid, -1, 0, "", 0, NULL);
}

char *scenario_console(ScenarioRun *run)
{
    g_autofree char *path = machine_path(run->guest->machine,
                                         MACHINE_CONSOLE_LOG);
    g_autofree char *text = NULL;
    g_autofree char *all = NULL;
    gsize length = 0;

    if (!g_file_get_contents(path, &text, &length, NULL)) {
        text = g_strdup("");
    }
    all = g_strconcat(run->guest->console_before->str,
                      text + MIN(run->guest->console_start, length), NULL);
    return plain_text(all);
}

/* How an error reads as a result, after the guest was up. */
static void set_result(ScenarioResult *result, const GError *fault,
                       ScenarioOutcome otherwise)
{
    ScenarioOutcome outcome = otherwise;
    g_auto(GStrv) parts = g_strsplit(fault->message, "\n", 2);

    if (fault->domain == SCENARIO_ASSERT_ERROR ||
        g_error_matches(fault, SUNDER_ERROR, SUNDER_ERROR_GUEST) ||
        g_error_matches(fault, SUNDER_ERROR, SUNDER_ERROR_TIMEOUT)) {
        outcome = SCENARIO_FAIL;
    }
    scenario_result_set(result, outcome, parts[0],
                        parts[0] ? parts[1] : NULL);
}

static void set_boot_result(ScenarioResult *result, const GError *fault)
{
    ScenarioOutcome outcome = SCENARIO_ERROR;
    g_auto(GStrv) parts = g_strsplit(fault->message, "\n", 2);

    if (g_error_matches(fault, SUNDER_ERROR, SUNDER_ERROR_GUEST) ||
        g_error_matches(fault, SUNDER_ERROR, SUNDER_ERROR_TIMEOUT)) {
        outcome = SCENARIO_BOOT_ERROR;
    } else if (g_error_matches(fault, SUNDER_ERROR, SUNDER_ERROR_SKIPPED)) {
        outcome = SCENARIO_SKIP;
    }
    scenario_result_set(result, outcome, parts[0], parts[1]);
}

/* Whether the host lacks what `needs` says; then @result says what. */
static bool lacking(const Scenario *scenario, ScenarioResult *result)
{
    g_autofree char *text = NULL;
    g_autofree char *why = NULL;
    guint64 there = 0;

    if (g_file_get_contents(FREE_HUGE_PAGES, &text, NULL, NULL)) {
        there = g_ascii_strtoull(text, NULL, 10);
    }
    if (there >= scenario->huge_pages) {
        return false;
    }
    why = g_strdup_printf("needs %" G_GUINT64_FORMAT " free huge pages of "
                          "2 MiB on the host, there are %" G_GUINT64_FORMAT
                          "; root makes them: sysctl vm.nr_hugepages=N",
                          scenario->huge_pages, there);
    scenario_result_set(result, SCENARIO_SKIP, why, NULL);
    return true;
}

/* Whether `skip-if` holds; then @result says why. */
static bool skipped(ScenarioRun *run, ScenarioResult *result, GError **error)
{
    JsonObject *skip = run->scenario->skip_if;
    CommandResult command;
    bool skip_it;

    if (!skip) {
        return false;
    }
    if (!scenario_command(run, json_object_get_string_member(skip, "run"), -1,
                          &command, error)) {
        return false;
    }
    skip_it = command.exit_code == 0;
    command_result_clear(&command);
    if (skip_it) {
        scenario_result_set(result, SCENARIO_SKIP,
                            json_object_get_string_member(skip, "reason"),
                            NULL);
    }
    return skip_it;
}

static void report(ScenarioRun *run, unsigned number, const char *title)
{
    if (run->options->progress) {
        run->options->progress(number, run->scenario->steps->len, title,
                               run->options->opaque);
    }
}

static void run_steps(ScenarioRun *run, ScenarioResult *result)
{
    g_autoptr(GError) fault = NULL;
    GPtrArray *steps = run->scenario->steps;

    if (skipped(run, result, &fault)) {
        return;
    }
    for (guint i = 0; !fault && i < steps->len; i++) {
        const ScenarioStep *step = steps->pdata[i];

        report(run, i + 1, step->title);
        scenario_guests_choose(run, step->on);
        run->step_began_us = g_get_monotonic_time();
        if (!scenario_step(run, step, &fault)) {
            result->step = g_strdup(step->title);
            result->line = step->line;
        }
    }
    if (fault) {
        set_result(result, fault, SCENARIO_ERROR);
        scenario_turn(run, 0, NULL);    /* events of the step that failed */
    }
}

static void mark_console(ScenarioGuest *guest)
{
    g_autofree char *path = machine_path(guest->machine, MACHINE_CONSOLE_LOG);
    g_autofree char *text = NULL;

    g_file_get_contents(path, &text, &guest->console_start, NULL);
}

static void set_deadline(ScenarioRun *run, Machine *machine)
{
    gint64 ns = run->options->timeout_ns >= 0 ? run->options->timeout_ns
                                              : run->scenario->timeout_ns;

    machine_set_deadline(machine, (int)MIN(ns / 1000000, G_MAXINT));
}

static void run_guests(ScenarioRun *run, ScenarioResult *result)
{
    for (guint i = 0; i < run->guests->len; i++) {
        ScenarioGuest *guest = run->guests->pdata[i];

        mark_console(guest);
        set_deadline(run, guest->machine);
    }
    run_steps(run, result);
}

static void run_machine(ScenarioRun *run, ScenarioResult *result)
{
    g_autoptr(GError) fault = NULL;
    gint64 began = g_get_monotonic_time();
    bool booted;

    if (lacking(run->scenario, result)) {
        return;
    }
    report(run, 0, "boot");
    booted = scenario_boot(run, &fault);
    result->boot_seconds = (g_get_monotonic_time() - began) / 1e6;
    if (!booted) {
        set_boot_result(result, fault);
    } else {
        run_guests(run, result);
    }
    if (result->outcome == SCENARIO_FAIL) {
        scenario_keep_state(run, result);
    }
    scenario_keep_logs(run);
}

static ScenarioResult *new_result(const Scenario *scenario,
                                  const RunOptions *options, guint64 seed)
{
    ScenarioResult *result = scenario_result_new(scenario->path,
                                                 scenario->name);

    result->round = options->round;
    result->rounds = options->rounds;
    result->seed = seed;
    result->seeded = scenario->seeded || options->seeded;
    return result;
}

ScenarioResult *scenario_run(const Scenario *scenario,
                             const RunOptions *options)
{
    ScenarioRun run = {
        .scenario = scenario,
        .options = options,
        .seed = options->seeded ? options->seed : scenario->seed,
        .lockstep = scenario->icount ? lockstep_new(scenario) : NULL,
    };
    ScenarioResult *result = new_result(scenario, options, run.seed);
    g_autoptr(GError) fault = NULL;
    gint64 began = g_get_monotonic_time();
    bool kept = false;

    run.result = result;
    if (scenario_keep_begin(&run, &fault)) {
        kept = scenario_guests_new(&run, &fault);
    }
    if (fault) {
        scenario_result_set(result, SCENARIO_ERROR, fault->message, NULL);
    } else {
        run_machine(&run, result);
    }
    scenario_guests_end(&run);
    lockstep_free(run.lockstep);
    result->seconds = (g_get_monotonic_time() - began) / 1e6;
    scenario_guests_free(&run);
    if (kept) {
        scenario_keep_end(&run, result);
    }
    g_free(run.directory);
    return result;
}
