/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What each kind of step does; scenario_step() in scenario-run.h picks one */
#ifndef SUNDER_SCENARIO_STEPS_H
#define SUNDER_SCENARIO_STEPS_H

#include "scenario-run.h"

typedef bool StepFunction(ScenarioRun *run, const ScenarioStep *step,
                          GError **error);

/* scenario-guest.c: what happens inside the guest */
StepFunction step_run, step_wait_for, step_sleep, step_console;

/* scenario-faults.c: rules and labels */
StepFunction step_fault, step_remove_fault, step_fired;
StepFunction step_rac, step_label, step_clear;

/* scenario-qmp.c: the machine from outside */
StepFunction step_wait_event, step_no_event, step_qmp;
StepFunction step_device_add, step_device_del, step_migrate;

/*
 * Whether something holds by now. POLL_NOT_YET sets *@why (g_free() it), to be
 * shown when time is over; POLL_BROKEN sets @error.
 */
typedef enum PollAnswer { POLL_HOLDS, POLL_NOT_YET, POLL_BROKEN } PollAnswer;
typedef PollAnswer PollFunction(ScenarioRun *run, const ScenarioStep *step,
                                char **why, GError **error);

/* Ask @holds until it does, but at least once, for up to @timeout_ns. */
bool step_poll(ScenarioRun *run, const ScenarioStep *step,
               PollFunction *holds, gint64 timeout_ns, gint64 every_ns,
               GError **error);

/* What the key `report` asks for: @text is told in the result. */
void step_report(ScenarioRun *run, const ScenarioStep *step,
                 const char *text);

/* A key beside the step's own; the default when it is not given. */
gint64 step_duration(const ScenarioStep *step, const char *key,
                     gint64 otherwise);
const char *step_text(const ScenarioStep *step);
JsonObject *step_object(const ScenarioStep *step);
JsonNode *step_key(const ScenarioStep *step, const char *key);

/*
 * Run a QMP command whose failure the step may expect (`expect-error`).
 * False when the outcome is not the expected one. On an error that was
 * expected *@value is NULL; otherwise the reply, for the caller.
 */
bool step_qmp_expect(ScenarioRun *run, const ScenarioStep *step,
                     const char *command, JsonObject *arguments,
                     JsonNode **value, GError **error);

#endif
