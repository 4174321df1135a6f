/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Commands in a guest that stands still between them
 *
 * Counting instructions (icount) makes a guest repeatable only as long as
 * nothing reaches it at a time of the host's choosing. A plain command does:
 * it arrives whenever the host gets round to it. In lockstep the machine is
 * stopped at all times but while a command runs, and it stops itself:
 *
 *   1. Before the shared state is saved, a small program in the guest gets all
 *      commands of the scenario. It listens on the second serial port, and
 *      stops the machine through the device sunder-lockstep, which stops it
 *      on the instruction. The state is saved there.
 *   2. A run starts from that state, stopped. The host puts a few bytes into
 *      the serial port's FIFO, which name the command to run: they are there
 *      when the first instruction executes.
 *   3. The machine goes on. The command's output and exit code come out of
 *      the serial port; then the guest stops the machine again.
 *   4. Whatever the host does now, no time passes in the guest.
 *
 * Virtio ports would not do: QEMU delivers nothing to them while it is
 * stopped.  Nor may the guest's processor halt, so a loop keeps it busy:
 * QEMU's main thread would move the clock on to the next timer, at times
 * before it has counted the last instructions.  And what the commands read
 * must be in the guest's memory before the state is saved, as disks answer
 * when they like.
 */
#ifndef SUNDER_SCENARIO_LOCKSTEP_H
#define SUNDER_SCENARIO_LOCKSTEP_H

#include "scenario-run.h"

typedef struct Lockstep Lockstep;

/* @arguments for QEMU and those that lockstep needs. Free: g_strfreev(). */
char **lockstep_arguments(char *const *arguments);

/* With the commands of @scenario. */
Lockstep *lockstep_new(const Scenario *scenario);
void lockstep_free(Lockstep *lockstep);

/*
 * A name for the state that @key (snapshot_key()) stands for once these
 * commands are in it. Free with g_free().
 */
char *lockstep_state_name(const Lockstep *lockstep, const char *key);

/* The machine has booted: step 1. It is stopped afterwards. */
bool lockstep_prepare(ScenarioRun *run, GError **error);

/* The machine has just started from a saved state, stopped. */
bool lockstep_begin(ScenarioRun *run, GError **error);

/*
 * As scenario_command(), for a command of the scenario; the machine is stopped
 * before and after.
 */
bool lockstep_command(ScenarioRun *run, const char *command, int timeout_ms,
                      CommandResult *result, GError **error);

/* Let @ns pass in the guest. */
bool lockstep_sleep(ScenarioRun *run, gint64 ns, GError **error);

#endif
