/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Commands in a guest that stands still between them
 *
 * Counting instructions (icount) makes the guest repeatable only as long as
 * nothing reaches it at a time of the host's choosing. A plain command does:
 * it arrives whenever the host gets round to it. In lockstep the machine is
 * stopped at all times but while a command runs:
 *
 *   1. The machine starts from a saved state, stopped.
 *   2. The command is put into the agent's port while the machine is stopped,
 *      so it is there when the first instruction runs.
 *   3. The machine goes on. The command runs, its output comes, its exit code
 *      comes as the last line; then the guest itself stops the machine at
 *      once, by a watchdog (QEMU's ib700 with -action watchdog=pause) whose
 *      time is zero.
 *   4. Whatever the host does now, no time passes in the guest.
 *
 * The devices that the port and the root disk hang on must not hand their work
 * to other host threads (ioeventfd off), and what commands read must be in the
 * guest's memory before the state is saved, as disks answer when they like.
 */
#ifndef SUNDER_SCENARIO_LOCKSTEP_H
#define SUNDER_SCENARIO_LOCKSTEP_H

#include "scenario-run.h"

typedef struct Lockstep Lockstep;

/* @arguments for QEMU and those that lockstep needs. Free: g_strfreev(). */
char **lockstep_arguments(char *const *arguments);

/* A guest command to run before the state is saved. */
const char *lockstep_warm_up(void);

Lockstep *lockstep_new(void);
void lockstep_free(Lockstep *lockstep);

/* Let go of the machine, before it goes; the next command connects anew. */
void lockstep_disconnect(Lockstep *lockstep);

/* As scenario_command(); the machine is stopped before and after. */
bool lockstep_command(ScenarioRun *run, const char *command, int timeout_ms,
                      CommandResult *result, GError **error);

#endif
