/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Each run has a process of its own
 *
 * So a crash or a leak of one run is no matter to the others. The parent runs
 * `sunder scenario worker OPTIONS FILE`; the worker writes JSON lines to its
 * standard output: {"step": N, "steps": M, "title": "..."} as it goes and
 * {"result": {...}} at last.
 */
#ifndef SUNDER_SCENARIO_WORKER_H
#define SUNDER_SCENARIO_WORKER_H

#include "scenario-plan.h"
#include "scenario-result.h"

/* Options that all runs share; strings may be NULL. */
typedef struct WorkerOptions {
    const char *kernel;
    const char *output;
    gint64 timeout_ns;      /* below 0: as the scenario says */
    bool cold;
    bool keep;
} WorkerOptions;

/* A worker's command line. Free with g_strfreev(). */
char **worker_argv(const PlanEntry *entry, const WorkerOptions *options);

/* The verb itself: argv[0] is "worker". */
int worker_main(int argc, char **argv);

#endif
