/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How a scenario ended
 *
 * Concepts
 *   fail        what the scenario asserts does not hold.
 *   boot error  the guest did not come up, so nothing could be tested.
 *   error       Sunder itself, the emulator or the host failed.
 *   skip        the scenario does not apply here.
 * These stay apart in TAP, JUnit, JSON and the exit status.
 */
#ifndef SUNDER_SCENARIO_RESULT_H
#define SUNDER_SCENARIO_RESULT_H

#include <stdbool.h>
#include <json-glib/json-glib.h>

typedef enum ScenarioOutcome {
    SCENARIO_PASS,
    SCENARIO_FAIL,
    SCENARIO_BOOT_ERROR,
    SCENARIO_ERROR,
    SCENARIO_SKIP,
} ScenarioOutcome;

/* Strings are NULL where there is nothing to say. */
typedef struct ScenarioResult {
    char *file;
    char *name;
    unsigned round;         /* from 1, of --repeat */
    unsigned rounds;
    guint64 seed;
    bool seeded;            /* the seed mattered: show it */
    ScenarioOutcome outcome;
    char *message;          /* one line; reason of a skip */
    char *details;          /* more lines: expected, found, the report */
    char *step;             /* title of the step that failed */
    unsigned line;          /* where it stands in the file; 0: none */
    double seconds;         /* wall time, boot or restore included */
    double boot_seconds;    /* boot or restore alone */
    char *kept;             /* directory with what was kept of the run */
    char *command;          /* command that enters the kept state */
    GPtrArray *reports;     /* lines that steps wanted to be told */
} ScenarioResult;

ScenarioResult *scenario_result_new(const char *file, const char *name);
void scenario_result_free(ScenarioResult *result);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ScenarioResult, scenario_result_free)

/* "pass", "fail", "boot-error", "error", "skip" */
const char *scenario_outcome_text(ScenarioOutcome outcome);

/* Name with round and seed when they matter. Free with g_free(). */
char *scenario_result_title(const ScenarioResult *result);

/* Seconds as 1.500, whatever the locale. Free with g_free(). */
char *scenario_result_seconds(double seconds);

/* Set outcome, message and details; earlier ones are dropped. */
void scenario_result_set(ScenarioResult *result, ScenarioOutcome outcome,
                         const char *message, const char *details);

/* Add a line of @words and @text, without what a line may not hold. */
void scenario_result_tell(ScenarioResult *result, const char *words,
                          const char *text);

JsonNode *scenario_result_to_json(const ScenarioResult *result);

/* NULL when @node is not what scenario_result_to_json() gives. */
ScenarioResult *scenario_result_from_json(JsonNode *node);

/*
 * Exit status for @results (ScenarioResult): 0 all passed, 1 one failed or
 * did not boot, 125 one ended in an error, 77 all were skipped.
 */
int scenario_results_status(const GPtrArray *results);

#endif
