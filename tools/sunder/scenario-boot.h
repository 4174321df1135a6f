/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From a scenario to a guest that waits for its first command
 *
 * Booted states are shared: the first run that needs a machine, kernel and
 * boot arguments boots them and saves a snapshot; every other run, of whatever
 * scenario, starts from it. A lock keeps runs side by side from booting the
 * same thing twice. A machine that cannot be saved is booted each time.
 */
#ifndef SUNDER_SCENARIO_BOOT_H
#define SUNDER_SCENARIO_BOOT_H

#include "scenario-run.h"

/* What snapshot_key() begins names of shared states with */
#define BOOTED_PREFIX "booted-"

/*
 * The machines (MachineSpec, not resolved) that @scenario asks for: one, or
 * those of a lab; @kernel, if not NULL, replaces its own, and @name names what
 * runs. A role that does not exist is an error.
 */
GPtrArray *scenario_specs(const Scenario *scenario, const char *kernel,
                          const char *name, GError **error);

/*
 * Give @run its machines. Errors: SUNDER_ERROR_GUEST and _TIMEOUT when the
 * guest does not come up, others as of machine_start().
 */
bool scenario_boot(ScenarioRun *run, GError **error);

/* Move the guest's machine into another process, through a saved state. */
bool scenario_migrate(ScenarioRun *run, GError **error);

#endif
