/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What all kinds of steps share */
#include "scenario-events.h"
#include "scenario-lockstep.h"
#include "scenario-match.h"
#include "scenario-steps.h"

G_DEFINE_QUARK(sunder-scenario-assert-error, scenario_assert_error)

#define POLL_TURN_MS 50

bool scenario_assert_fail(GError **error, char *why)
{
    g_set_error_literal(error, SCENARIO_ASSERT_ERROR, 0, why);
    g_free(why);
    return false;
}

gint64 step_duration(const ScenarioStep *step, const char *key,
                     gint64 otherwise)
{
    return json_object_get_int_member_with_default(step->args, key, otherwise);
}

const char *step_text(const ScenarioStep *step)
{
    return json_object_get_string_member(step->args, "value");
}

JsonObject *step_object(const ScenarioStep *step)
{
    return json_object_get_object_member(step->args, "value");
}

JsonNode *step_key(const ScenarioStep *step, const char *key)
{
    return json_object_get_member(step->args, key);
}

void step_report(ScenarioRun *run, const ScenarioStep *step,
                 const char *text)
{
    const char *words = json_object_get_string_member_with_default(
        step->args, "report", NULL);

    if (words) {
        scenario_result_tell(run->result, words, text);
    }
}

/* Let the machine go on for @ns; events gather meanwhile. */
static bool wait_ns(ScenarioRun *run, gint64 ns, GError **error)
{
    gint64 end = g_get_monotonic_time() + ns / 1000;

    if (run->lockstep) {
        return lockstep_sleep(run, ns, error);
    }
    do {
        gint64 left = (end - g_get_monotonic_time() + 999) / 1000;

        if (!scenario_turn(run, CLAMP(left, 1, POLL_TURN_MS), error)) {
            return false;
        }
    } while (g_get_monotonic_time() < end);
    return true;
}

bool step_poll(ScenarioRun *run, const ScenarioStep *step,
               PollFunction *holds, gint64 timeout_ns, gint64 every_ns,
               GError **error)
{
    gint64 began = g_get_monotonic_time();
    gint64 waited = 0;

    for (;;) {
        char *why = NULL;
        PollAnswer answer = holds(run, step, &why, error);

        if (answer != POLL_NOT_YET) {
            return answer == POLL_HOLDS;
        }
        if (!run->lockstep) {
            waited = (g_get_monotonic_time() - began) * 1000;
        }
        if (waited >= timeout_ns) {
            if (timeout_ns) {
                g_autofree char *last = why;
                why = g_strdup_printf("%s\n(after %.1f s)", last,
                                      timeout_ns / 1e9);
            }
            return scenario_assert_fail(error, why);
        }
        g_free(why);
        if (!wait_ns(run, every_ns, error)) {
            return false;
        }
        waited += every_ns;
    }
}

/* The command failed with @fault: does the step expect just that? */
static bool expected_failure(const ScenarioStep *step, const char *command,
                             GError *fault, GError **error)
{
    g_autoptr(GError) owned = fault;
    JsonNode *expected = step_key(step, "expect-error");
    char *why = NULL;

    if (fault->domain != QMP_ERROR || fault->code == QMP_ERROR_CLOSED ||
        fault->code == QMP_ERROR_TIMEOUT ||
        fault->code == QMP_ERROR_PROTOCOL) {
        g_propagate_error(error, g_steal_pointer(&owned));
        return false;
    }
    if (!expected) {
        return scenario_assert_fail(error,
            g_strdup_printf("%s was refused: %s", command, fault->message));
    }
    return match_text(json_node_get_array(expected), "error", fault->message,
                      &why) || scenario_assert_fail(error, why);
}

bool step_qmp_expect(ScenarioRun *run, const ScenarioStep *step,
                     const char *command, JsonObject *arguments,
                     JsonNode **value, GError **error)
{
    GError *fault = NULL;

    *value = scenario_qmp(run, command, arguments, &fault);
    if (fault) {
        return expected_failure(step, command, fault, error);
    }
    if (step_key(step, "expect-error")) {
        g_autoptr(JsonNode) reply = g_steal_pointer(value);
        g_autofree char *text = json_to_string(reply, false);

        return scenario_assert_fail(error, g_strdup_printf(
            "%s: expected an error, but it succeeded and returned:\n%s",
            command, text));
    }
    return true;
}

static StepFunction *const functions[STEP_COUNT] = {
    [STEP_RUN] = step_run,
    [STEP_WAIT_FOR] = step_wait_for,
    [STEP_FAULT] = step_fault,
    [STEP_REMOVE_FAULT] = step_remove_fault,
    [STEP_FIRED] = step_fired,
    [STEP_WAIT_EVENT] = step_wait_event,
    [STEP_NO_EVENT] = step_no_event,
    [STEP_QMP] = step_qmp,
    [STEP_RAC] = step_rac,
    [STEP_LABEL] = step_label,
    [STEP_CLEAR] = step_clear,
    [STEP_DEVICE_ADD] = step_device_add,
    [STEP_DEVICE_DEL] = step_device_del,
    [STEP_SLEEP] = step_sleep,
    [STEP_CONSOLE] = step_console,
    [STEP_MIGRATE] = step_migrate,
};

bool scenario_step(ScenarioRun *run, const ScenarioStep *step, GError **error)
{
    return functions[step->id](run, step, error);
}
