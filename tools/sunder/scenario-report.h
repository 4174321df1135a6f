/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a person sees of runs: a line that moves, a line for each result
 *
 * The moving line goes to standard error and only to a terminal. Results go to
 * standard output: as TAP, in the order of the plan, or a line each as they
 * come, or nothing (for --json, which prints at the end).
 */
#ifndef SUNDER_SCENARIO_REPORT_H
#define SUNDER_SCENARIO_REPORT_H

#include "scenario-pool.h"

typedef enum ReportForm {
    REPORT_TEXT,
    REPORT_TAP,
    REPORT_QUIET,
} ReportForm;

typedef struct Report Report;

/* @entries: how many there will be. */
Report *report_new(ReportForm form, guint entries);
void report_free(Report *report);

/* The callbacks for pool_run(). */
PoolReport report_callbacks(Report *report);

/* The last lines: a summary, and runs that never began (TAP: not ok). */
void report_end(Report *report, const GPtrArray *results, bool interrupted);

#endif
