/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Results of scenarios in the Test Anything Protocol, version 13 */
#ifndef SUNDER_TAP_H
#define SUNDER_TAP_H

#include <stdio.h>

#include "scenario-result.h"

void tap_plan(FILE *file, guint tests);

/*
 * Test @number (from 1). What is not a pass has a YAML block whose `kind`
 * tells a failure, a boot error and an error apart.
 */
void tap_result(FILE *file, guint number, const ScenarioResult *result);

#endif
