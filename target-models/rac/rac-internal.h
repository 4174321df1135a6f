/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of target-models/rac share; not for their callers. */
#ifndef SUNDER_RAC_INTERNAL_H
#define SUNDER_RAC_INTERNAL_H

#include "rac.h"

typedef struct RacEntryPrivate {
    RacEntry entry;             /* first: callers hold a pointer to it */
    GHashTable *last;           /* offset + 1 -> byte, for RAC_FAKE_LAST */
    uint64_t *fault_times;      /* ring of virtual times */
    uint32_t n_times;           /* its size */
    uint32_t next_time;         /* where the next one goes */
    uint32_t held_times;        /* how many are valid */
} RacEntryPrivate;

struct RacTable {
    GTree *by_name;             /* path -> RacEntryPrivate */
    GList *mapped;              /* entries with an address, latest first */
    GHashTable *pending;        /* path -> GBytes: state of absent entries */
    RacPolicy policy;
};

static inline RacEntryPrivate *rac_entry_private(RacEntry *entry)
{
    return (RacEntryPrivate *)entry;
}

/* The time of a held fault, 0 being the oldest. */
static inline uint64_t rac_entry_fault_time(const RacEntryPrivate *p,
                                            uint32_t i)
{
    uint32_t oldest = p->next_time + p->n_times - p->held_times;

    return p->fault_times[(oldest + i) % p->n_times];
}

/* Applies one entry's part of a saved, checked state. */
void rac_entry_restore(RacTable *table, RacEntryPrivate *p, GBytes *state);

#endif
