/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Steps inside the guest: commands, waiting for them, time, the console */
#include "scenario-keep.h"
#include "scenario-lockstep.h"
#include "scenario-match.h"
#include "scenario-steps.h"
#include "agent/protocol.h"

#define SECOND_NS G_GINT64_CONSTANT(1000000000)

/* How long wait-for tries */
#define POLL_TIMEOUT_NS (30 * SECOND_NS)

/* A command's output that is kept; what is beyond is of no use to anybody. */
#define OUTPUT_MAX (8 * 1024 * 1024)

void command_result_clear(CommandResult *result)
{
    if (result->output) {
        g_string_free(result->output, true);
        g_string_free(result->errors, true);
    }
    result->output = result->errors = NULL;
}

static void collect(AgentStream stream, const uint8_t *data, size_t size,
                    void *opaque)
{
    CommandResult *result = opaque;
    GString *text = stream == AGENT_STREAM_STDOUT ? result->output
                                                  : result->errors;

    g_string_append_len(text, (const char *)data,
                        MIN(size, OUTPUT_MAX - text->len));
}

static bool plain_command(ScenarioRun *run, const char *command,
                          int timeout_ms, CommandResult *result,
                          GError **error)
{
    AgentCommand request = {
        .command = command,
        .flags = AGENT_EXEC_NO_STDIN,
        .output = collect,
        .opaque = result,
    };
    int status;

    if (!machine_exec(run->guest->machine, &request, -1, timeout_ms, &status,
                      error)) {
        return false;
    }
    result->exit_code = agent_exit_code(status);
    return true;
}

bool scenario_command(ScenarioRun *run, const char *command,
                      gint64 timeout_ns, CommandResult *result,
                      GError **error)
{
    int timeout_ms = timeout_ns < 0 ? -1 :
                     (int)MIN((timeout_ns + 999999) / 1000000, G_MAXINT);
    bool ok;

    result->exit_code = -1;
    result->output = g_string_new(NULL);
    result->errors = g_string_new(NULL);
    ok = run->lockstep ?
         lockstep_command(run, command, timeout_ms, result, error) :
         plain_command(run, command, timeout_ms, result, error);
    if (!ok) {
        scenario_keep_command(run, command, NULL);
        command_result_clear(result);
        return false;
    }
    scenario_keep_command(run, command, result);
    return scenario_turn(run, 0, error);
}

static JsonObject *step_expect(const ScenarioStep *step)
{
    JsonNode *node = step_key(step, "expect");

    return node ? json_node_get_object(node) : NULL;
}

/*
 * A command that outlives its own timeout is what was to be found out; one
 * that outlives the scenario's is the same. Other errors stay what they are.
 */
static bool command_failed(const ScenarioStep *step, GError *fault,
                           GError **error)
{
    if (g_error_matches(fault, SUNDER_ERROR, SUNDER_ERROR_TIMEOUT)) {
        char *why = g_strdup_printf("'%s' did not end in time: %s",
                                    step_text(step), fault->message);
        g_error_free(fault);
        return scenario_assert_fail(error, why);
    }
    g_propagate_error(error, fault);
    return false;
}

bool step_run(ScenarioRun *run, const ScenarioStep *step, GError **error)
{
    CommandResult result;
    GError *fault = NULL;
    char *why = NULL;
    bool holds;

    if (!scenario_command(run, step_text(step),
                          step_duration(step, "timeout", -1), &result,
                          &fault)) {
        return command_failed(step, fault, error);
    }
    holds = match_result(step_expect(step), result.exit_code,
                         result.output->str, result.errors->str, &why);
    step_report(run, step, result.output->str);
    command_result_clear(&result);
    return holds || scenario_assert_fail(error, why);
}

static PollAnswer command_holds(ScenarioRun *run, const ScenarioStep *step,
                                char **why, GError **error)
{
    CommandResult result;
    GError *fault = NULL;
    bool holds;

    if (!scenario_command(run, step_text(step),
                          step_duration(step, "timeout", POLL_TIMEOUT_NS),
                          &result, &fault)) {
        command_failed(step, fault, error);
        return POLL_BROKEN;
    }
    holds = match_result(step_expect(step), result.exit_code,
                         result.output->str, result.errors->str, why);
    if (holds) {
        step_report(run, step, result.output->str);
    }
    command_result_clear(&result);
    return holds ? POLL_HOLDS : POLL_NOT_YET;
}

bool step_wait_for(ScenarioRun *run, const ScenarioStep *step, GError **error)
{
    return step_poll(run, step, command_holds,
                     step_duration(step, "timeout", POLL_TIMEOUT_NS),
                     step_duration(step, "every", SECOND_NS / 5), error);
}

/* The guest itself waits, so it is the guest's time that passes. */
bool step_sleep(ScenarioRun *run, const ScenarioStep *step, GError **error)
{
    gint64 ns = json_object_get_int_member(step->args, "value");
    g_autofree char *command = g_strdup_printf(
        "sleep %" G_GINT64_FORMAT ".%09" G_GINT64_FORMAT, ns / SECOND_NS,
        ns % SECOND_NS);
    CommandResult result;

    if (run->lockstep) {
        return lockstep_sleep(run, ns, error);
    }
    if (!scenario_command(run, command, -1, &result, error)) {
        return false;
    }
    command_result_clear(&result);
    return true;
}

static PollAnswer console_holds(ScenarioRun *run, const ScenarioStep *step,
                                char **why, GError **error)
{
    g_autofree char *text = scenario_console(run);

    return match_text(json_object_get_array_member(step->args, "value"),
                      "console", text, why) ? POLL_HOLDS : POLL_NOT_YET;
}

bool step_console(ScenarioRun *run, const ScenarioStep *step, GError **error)
{
    return step_poll(run, step, console_holds,
                     step_duration(step, "timeout", 5 * SECOND_NS),
                     SECOND_NS / 10, error);
}
