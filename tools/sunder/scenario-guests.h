/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The machines of a run, by their roles */
#ifndef SUNDER_SCENARIO_GUESTS_H
#define SUNDER_SCENARIO_GUESTS_H

#include "scenario-run.h"

/*
 * Make run->guests, without machines yet: one, or one for each machine of the
 * scenario's lab. The logs of their events are in run->directory. What is
 * wrong with the machine itself is left to scenario_boot().
 */
bool scenario_guests_new(ScenarioRun *run, GError **error);
void scenario_guests_free(ScenarioRun *run);

/* End their machines. */
void scenario_guests_end(ScenarioRun *run);

/* Make the guest of @role (NULL: the first) run->guest. */
void scenario_guests_choose(ScenarioRun *run, const char *role);

#endif
