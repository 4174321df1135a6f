/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of the fault engine share; fault.h is the contract.
 */
#ifndef SUNDER_FAULT_INTERNAL_H
#define SUNDER_FAULT_INTERNAL_H

#include "fault.h"

/* Counters of a saved state stay below: 292 years of one access a ns. */
#define FAULT_COUNTER_LIMIT (UINT64_C(1) << 63)
/* Names that an error message lists. */
#define FAULT_LIST_MAX 10

typedef struct Point {
    FaultPoint pub;             /* first: the engine casts between them */
    GPtrArray *active;          /* rules for accesses that are not spent */
} Point;

struct FaultRule {
    FaultRuleSpec spec;         /* owns its strings */
    FaultPoint *point;          /* NULL: waits for its point */
    const FaultOutcome *outcome;
    uint64_t first;             /* the range, both ends included */
    uint64_t last;
    uint64_t until;             /* matching accesses to the next turn */
    uint64_t threshold;         /* probability in units of 2^-53 */
    uint64_t random;            /* state of the generator */
    uint64_t matched;
    uint64_t fired;
    bool spent;
};

struct FaultEngine {
    uint64_t seed;
    uint64_t seq;               /* firings so far */
    uint64_t added;             /* rules added so far */
    GTree *points;              /* name -> Point, which it owns */
    GPtrArray *rules;           /* owned, in the order of adding */
    GHashTable *ids;            /* id -> rule */
};

/* Other threads look at it: fault_point_armed(). */
static inline void fault_point_arm(FaultPoint *point, unsigned rules)
{
    __atomic_store_n(&point->armed, rules, __ATOMIC_RELAXED);
}

/* engine.c */
void fault_engine_insert_rule(FaultEngine *engine, FaultRule *rule);
void fault_engine_arm(FaultEngine *engine);
void fault_engine_disarm(FaultEngine *engine);

/* rule.c */
void fault_rule_free(FaultRule *rule);
FaultRule *fault_rule_new(const FaultRuleSpec *spec);
bool fault_rule_spec_valid(const FaultRuleSpec *spec, GError **error);
bool fault_rule_resolve(FaultRule *rule, FaultPoint *point, GError **error);
void fault_rule_start(FaultRule *rule);

/* contradiction.c */
bool fault_rule_contradicts(const FaultRule *rule, const FaultRule *older,
                            GError **error);

/* random.c */
uint64_t fault_random_derive(uint64_t seed, uint64_t place);
uint64_t fault_random_threshold(double probability);
bool fault_random_happens(uint64_t *state, uint64_t threshold);

/* names.c */
bool fault_name_valid(const char *what, const char *name, GError **error);
char *fault_name_quote(const char *name);
char *fault_name_list(const char *wanted, GPtrArray *names);
const char *fault_operation_name(FaultOperation operation);

#endif
