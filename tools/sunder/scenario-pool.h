/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Run the entries of a plan in worker processes, some at a time */
#ifndef SUNDER_SCENARIO_POOL_H
#define SUNDER_SCENARIO_POOL_H

#include "scenario-worker.h"

/* A run that goes on now, for whoever shows progress */
typedef struct PoolRun {
    const PlanEntry *entry;
    guint index;            /* of the entry in the plan */
    unsigned step, steps;   /* steps 0: not told yet */
    char *title;            /* of the step; NULL: not told yet */
    gint64 began_us;        /* g_get_monotonic_time() */
} PoolRun;

typedef struct PoolReport {
    /* An entry is done. Called in the order in which they end. */
    void (*done)(guint index, ScenarioResult *result, void *opaque);
    /* Something moved, or a while has passed. @runs: PoolRun */
    void (*moved)(const GPtrArray *runs, void *opaque);
    void *opaque;
} PoolReport;

/*
 * Returns the results (ScenarioResult), in the order of the entries. After
 * SIGINT or SIGTERM no new run begins; those that never began are missing, and
 * *@interrupted is set.
 */
GPtrArray *pool_run(const Plan *plan, const WorkerOptions *options,
                    unsigned jobs, const PoolReport *report,
                    bool *interrupted);

#endif
