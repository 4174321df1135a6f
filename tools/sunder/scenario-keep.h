/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is kept of a run
 *
 * A directory per run: console.log, commands.log, qmp.log, faults.log,
 * qemu.log, cmdline, the scenario, result.json, README, and the name of a
 * snapshot of the machine as it was when it failed. The directory of a run
 * that passed goes away again unless it is asked for; of the rest the last
 * KEEP_RUNS stay.
 */
#ifndef SUNDER_SCENARIO_KEEP_H
#define SUNDER_SCENARIO_KEEP_H

#include "scenario-run.h"

#define KEEP_RUNS 20

/* $XDG_STATE_HOME/sunder/runs */
char *scenario_runs_root(void);

/* Make run->directory. */
bool scenario_keep_begin(ScenarioRun *run, GError **error);

/* Add a line to the directory's notes. */
void scenario_keep_note(ScenarioRun *run, const char *text);

/* Add a guest command to commands.log; @result NULL: it gave none. */
void scenario_keep_command(ScenarioRun *run, const char *command,
                           const CommandResult *result);

/*
 * Add what the machine's logs hold by now, before the machine goes; of a lab's
 * machine they are called ROLE-console.log and so on.
 */
void scenario_keep_guest_logs(ScenarioRun *run, const ScenarioGuest *guest);

/* The same for all machines. */
void scenario_keep_logs(ScenarioRun *run);

/* Put this machine's console before that of the next, for the steps. */
void scenario_keep_console(ScenarioRun *run);

/* Save the machines that live, and tell @result how to enter them. */
void scenario_keep_state(ScenarioRun *run, ScenarioResult *result);

/* Write the result and set result->kept, or remove the directory. */
void scenario_keep_end(ScenarioRun *run, ScenarioResult *result);

#endif
