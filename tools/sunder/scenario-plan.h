/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which scenarios to run, how often, and which part of them is ours
 *
 * Concepts
 *   entry   one run to do: a scenario, a round of --repeat, a seed.
 *   shard   K of N. All N, given the same files and durations, split the
 *           entries so that each belongs to exactly one of them. Without
 *           durations they are dealt out in the order of their names; with
 *           them, the longest first, each to the shard with the least to do.
 */
#ifndef SUNDER_SCENARIO_PLAN_H
#define SUNDER_SCENARIO_PLAN_H

#include "scenario-file.h"

typedef struct PlanEntry {
    Scenario *scenario;     /* belongs to the plan */
    unsigned round, rounds;
    bool seeded;            /* a seed is to be given */
    guint64 seed;
} PlanEntry;

typedef struct Plan {
    GPtrArray *scenarios;   /* Scenario, sorted by path */
    GPtrArray *entries;     /* PlanEntry */
} Plan;

/*
 * Load every file of @paths, and every *.yaml below those that are
 * directories. All errors of all files are collected into @error.
 */
Plan *plan_new(char *const *paths, GError **error);
void plan_free(Plan *plan);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Plan, plan_free)

/* Drop the scenarios that have none of @tags (ends with NULL). */
void plan_select(Plan *plan, char *const *tags);

/*
 * Make the entries: each scenario @rounds times. @seed, if not NULL, replaces
 * the scenarios' seeds. Rounds after the first get seeds derived from the
 * first one's.
 */
void plan_expand(Plan *plan, unsigned rounds, const guint64 *seed);

/*
 * Keep shard @k (from 1) of @n. @durations is NULL, or what --json printed for
 * an earlier run.
 */
void plan_shard(Plan *plan, unsigned k, unsigned n, JsonNode *durations);

/* Parse "K/N". */
bool plan_parse_shard(const char *text, unsigned *k, unsigned *n,
                      GError **error);

#endif
